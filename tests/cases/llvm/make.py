#!/usr/bin/env python3
"""PTX that LLVM makes of the .ll files beside this script: `python3 tests/cases/llvm/make.py`. Needs llc (LLVM 19) and numpy.

A source says its targets: `;@ compile: sm_50 sm_80`; its other `;@` lines are the case's directives.
"""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
from make_cases import case_header, strip_banner  # noqa: E402


def main():
    for path in sorted(HERE.glob("*.ll")):
        source = path.read_text()
        targets = re.search(r"^;@ compile:(.*)$", source, re.M)[1].split()
        lines = ["//" + line[1:] for line in source.splitlines() if line.startswith(";@") and not line.startswith(";@ compile")]
        for target in targets:
            # PTX 6.3 is the oldest with sm_75's instructions; LLVM's default for sm_50 is older than `.sync` shuffles.
            command = ["llc-19", "-march=nvptx64", f"-mcpu={target}", "-mattr=+ptx70", "-O2", "-o", "-", str(path)]
            ptx = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            suffix = f".{target}" if len(targets) > 1 else ""
            out = HERE / f"{path.stem}{suffix}.ptx"
            out.write_text(case_header(path.name, lines, f"llc-19 {target}", out) + strip_banner(ptx))
            print(out.name)


if __name__ == "__main__":
    main()
