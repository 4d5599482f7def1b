#!/usr/bin/env python3
"""Makes the PTX of the case files from their sources and computes their numpy references.

    python3 tests/make_cases.py [--nvrtc13 DIR] [--nvrtc12 DIR] [--nvcc13 DIR] [SOURCE.cu ...]

DIR is a site-packages folder that holds NVRTC and the CUDA headers from PyPI (`nvidia-cuda-nvrtc`,
`nvidia-cuda-runtime`, `nvidia-cuda-crt`, `nvidia-cuda-cccl`; for the older architectures the same with `-cu12`, the crt
headers from `nvidia-cuda-nvcc-cu12`).
A source says what it is compiled for: `//@ compile: compute_80 nvrtc12:compute_50 -- -use_fast_math`; the default is
compute_80. The PTX keeps the source's directives; expectations are written by `BLESS=1 cargo test -p filetests`.
Needs numpy. Cases from Numba, Triton and LLVM are made by the scripts beside them.
"""
import argparse
import ctypes
import glob
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "gpu"))
import caseformat  # noqa: E402


class Nvrtc:
    def __init__(self, site):
        libs = [lib for lib in glob.glob(f"{site}/nvidia/**/libnvrtc.so.*", recursive=True) if "alt" not in lib]
        if not libs:
            raise SystemExit(f"no libnvrtc.so under {site}/nvidia: pip install nvidia-cuda-nvrtc nvidia-cuda-runtime")
        self.lib = ctypes.CDLL(libs[0])
        headers = [("cuda_fp16.h", 1), ("mma.h", 1), ("crt/mma.h", 2), ("nv/target", 2)]
        self.include = []
        for header, up in headers:
            for found in glob.glob(f"{site}/nvidia/**/{header}", recursive=True):
                folder = str(Path(found).parents[up - 1])
                if folder not in self.include and not folder.endswith("crt"):
                    self.include.append(folder)

    def compile(self, name, source, arch, options):
        program = ctypes.c_void_p()
        self.lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        words = [f"--gpu-architecture={arch}", *(f"-I{folder}" for folder in self.include), *options]
        array = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
        failed = self.lib.nvrtcCompileProgram(program, len(words), array)
        size = ctypes.c_size_t()
        if failed:
            self.lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            self.lib.nvrtcGetProgramLog(program, log)
            raise SystemExit(log.value.decode())
        self.lib.nvrtcGetPTXSize(program, ctypes.byref(size))
        ptx = ctypes.create_string_buffer(size.value)
        self.lib.nvrtcGetPTX(program, ptx)
        self.lib.nvrtcDestroyProgram(ctypes.byref(program))
        return ptx.value.decode()


class Nvcc:
    """The compiler driver: what a user's build runs, with its own headers and the host compiler for the host half."""

    def __init__(self, site):
        found = glob.glob(f"{site}/nvidia/**/bin/nvcc", recursive=True)
        if not found:
            raise SystemExit(f"no nvcc under {site}/nvidia: pip install nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm "
                             "nvidia-cuda-runtime nvidia-cuda-cccl")
        self.nvcc = found[0]
        self.root = str(Path(self.nvcc).resolve().parents[1])

    def compile(self, name, source, arch, options):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_text(source)
            words = [self.nvcc, "-ptx", f"-arch={arch}", *options, name, "-o", "out.ptx"]
            subprocess.run(words, cwd=folder, check=True)
            return (Path(folder) / "out.ptx").read_text().replace(folder, "/source").replace(self.root, "/cuda")


def directives(source):
    return [line for line in source.splitlines() if line.startswith("//@") and not line.startswith("//@ compile:")]


def kept_expectations(path):
    """The blessed lines of an existing case, by run, so that making PTX again shows only what changed."""
    kept, run = {}, -1
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("//@ run:"):
                run += 1
            if re.match(r"//@ expect", line) and not line.startswith("//@ expect-error"):
                kept.setdefault(run, []).append(line)
    return kept


def case_header(name, lines, made_by, path, keep_expectations=True):
    """The directives of a case with references computed."""
    out = [f"//@ source: {name}", f"//@ compile: {made_by}"]
    case = caseformat.Case(str(path), "\n".join(lines))
    kept = kept_expectations(path) if keep_expectations else {}
    run = -1
    own = {line for line in lines}

    def close():
        if run >= 0:
            if case.runs[run].numpy:
                out.extend(caseformat.references(case.runs[run]))
            out.extend(line for line in kept.get(run, []) if line not in own)

    for line in lines:
        if line.startswith("//@ run:"):
            close()
            run += 1
        out.append(line)
    close()
    return "\n".join(out) + "\n"


def strip_banner(ptx):
    """PTX without the compiler's banner and trailing blanks."""
    lines = [line.rstrip() for line in ptx.replace("\0", "").splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith(".version"))
    return "\n".join(lines[start:]).rstrip() + "\n"


def add_references(path):
    """Computes the references of a hand-written case in place."""
    lines = path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("//@ reference")]
    case = caseformat.Case(str(path), "\n".join(kept))
    out, run, pending = [], -1, []
    for line in kept:
        if not line.startswith("//@") or line.startswith("//@ run:"):
            out.extend(pending)
            pending = []
        if line.startswith("//@ run:"):
            run += 1
            pending = caseformat.references(case.runs[run]) if case.runs[run].numpy else []
        out.append(line)
    path.write_text("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvrtc13", default=next((p for p in sys.path if glob.glob(f"{p}/nvidia/cu13")), ""))
    parser.add_argument("--nvrtc12", default=next((p for p in sys.path if glob.glob(f"{p}/nvidia/cuda_nvrtc")), ""))
    parser.add_argument("--nvcc13", default=next((p for p in sys.path if glob.glob(f"{p}/nvidia/cu13/bin/nvcc")), ""))
    parser.add_argument("sources", nargs="*", type=Path)
    options = parser.parse_args()
    compilers = {}
    folder = ROOT / "tests" / "cases"
    sources = options.sources or [*sorted(folder.rglob("*.cu")), *sorted((folder / "ptx").glob("*.ptx"))]
    for path in sources:
        if path.suffix == ".ptx":
            add_references(path)
            continue
        source = path.read_text()
        wanted = re.search(r"^//@ compile:(.*)$", source, re.M)
        targets, _, flags = (wanted[1] if wanted else "compute_80").partition("--")
        targets = targets.split() or ["compute_80"]
        flags = flags.split()
        lines = directives(source)
        plain = "".join(line + "\n" for line in source.splitlines() if not line.startswith("//@"))
        for target in targets:
            compiler, _, arch = target.rpartition(":")
            compiler = compiler or "nvrtc13"
            if compiler not in compilers:
                kind = Nvcc if compiler.startswith("nvcc") else Nvrtc
                compilers[compiler] = kind(getattr(options, compiler))
            suffix = f".{arch}" if len(targets) > 1 else ""
            out = path.with_name(f"{path.stem}{suffix}.ptx")
            ptx = compilers[compiler].compile(path.name, plain, arch, flags)
            header = case_header(path.name, lines, f"{compiler} {arch} {' '.join(flags)}".strip(), out)
            text = header + strip_banner(ptx)
            if not out.exists() or out.read_text() != text:
                out.write_text(text)
                print(out.relative_to(ROOT) if out.is_relative_to(ROOT) else out)


if __name__ == "__main__":
    main()
