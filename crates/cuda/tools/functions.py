"""Writes functions.txt: every exported symbol of the CUDA driver API with its version and parameters.

    python3 tools/functions.py INCLUDE_DIR... > functions.txt

Each INCLUDE_DIR holds cuda.h and cudaTypedefs.h of one CUDA version (the PyPI wheels nvidia-cuda-runtime and
nvidia-cuda-runtime-cu12 have them); their union is written. A line is

    SYMBOL SINCE PARAMETERS

The headers are preprocessed three ways (plain, per-thread default stream, all historical versions), and every declared
function is a symbol. SINCE is the CUDA version that introduced this form: cudaTypedefs.h names it in the type of
each form, and the n-th oldest form of NAME is exported as NAME, NAME_v2, NAME_v3 in that order.
"""

import collections
import glob
import os
import re
import subprocess
import sys

MODES = ["-D__CUDA_API_VERSION_INTERNAL", "-DVGPU_PLAIN", "-DCUDA_API_PER_THREAD_DEFAULT_STREAM"]
DECLARATION = re.compile(r"(?:CUresult|void)\s+(?:CUDAAPI\s+)?(cu[A-Z]\w*)\s*\(([^;{]*?)\)\s*;")
TYPEDEF = re.compile(r"PFN_(cu\w+?)_v(\d+)(_ptds|_ptsz)?\)")
# cudaProfiler.h is in a wheel of its own.
PROFILER = {
    "cuProfilerInitialize": "const char *configFile, const char *outputFile, CUoutput_mode outputMode",
    "cuProfilerStart": "void",
    "cuProfilerStop": "void",
}


def declared(include):
    """Symbol to parameter list."""
    found = {}
    for header in ["cuda.h", "cudaGL.h", "cudaEGL.h", "cudaVDPAU.h"]:
        path = os.path.join(include, header)
        if not os.path.exists(path):
            continue
        # Headers of other libraries (GL, EGL) need not be installed.
        lines = [line for line in open(path) if not re.match(r"\s*#\s*include\s*<(?!.*cuda)", line)]
        for mode in MODES:
            command = ["cc", "-E", "-P", "-I", include, "-x", "c", mode, "-"]
            text = subprocess.run(command, input="".join(lines), capture_output=True, text=True).stdout
            for name, params in DECLARATION.findall(text):
                found.setdefault(name, re.sub(r"\s+", " ", params).strip())
    return found


def main():
    symbols, versions = dict(PROFILER), collections.defaultdict(set)
    for include in sys.argv[1:]:
        for name, params in declared(include).items():
            symbols.setdefault(name, params)
        for path in glob.glob(os.path.join(include, "cuda*Typedefs.h")):
            for name, version, _ in TYPEDEF.findall(open(path).read()):
                versions[name].add(int(version))
    for symbol in sorted(symbols):
        base = re.sub(r"_(ptds|ptsz)$", "", symbol)
        ordinal = 0
        numbered = re.fullmatch(r"(\w+)_v(\d)", base)
        if numbered and base not in versions:
            base, ordinal = numbered[1], int(numbered[2]) - 1
        # Two forms may share a version number when only the per-thread one changed.
        known = sorted(versions[base]) or [4000]
        print(symbol, known[min(ordinal, len(known) - 1)], symbols[symbol] or "void")


main()
