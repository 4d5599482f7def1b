#!/usr/bin/env python3
"""Runs the case files on a real NVIDIA GPU, so that hardware is a witness beside the interpreter and the JIT.

    python3 bench/gpu/cases.py [--out FILE] [--timeout SECONDS] [FILTER ...]

Talks to the driver (libcuda.so.1) through ctypes; needs numpy and nothing else of CUDA. Every launch happens in a process of
its own group, because a fault ends the context. Checks each case's expectations (`expect`, `expect-hash`, `reference`,
`expect-fault`, `expect-printf`) and writes a JSON file under bench/runs/: device, driver, and per launch the verdict and the
differences. Exit code: 0 all agree, 1 some differ, 3 no driver or no device.
"""
import argparse
import ctypes
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import caseformat

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = ROOT / "tests" / "cases"
SKIPPED = {"check"}
# CUresult values that stand for a kernel's fault, by the name the case files use.
FAULTS = {700: "illegal-address", 716: "misaligned", 702: "timeout", 710: "assert", 715: "trap", 719: "trap",
          717: "illegal-address", 714: "stack-overflow", 718: "bad-call"}
# What hardware reports for a fault differs in detail from what the case file names.
SAME_FAULT = {"stack-overflow": {"illegal-address", "stack-overflow", "trap", "misaligned"},
              "bad-call": {"bad-call", "illegal-address", "trap"}, "timeout": {"timeout"}}
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class NoDevice(Exception):
    pass


class DriverError(Exception):
    def __init__(self, call, code):
        super().__init__(f"{call} gave CUresult {code}")
        self.code = code


class Driver:
    """The driver API calls the cases need."""

    def __init__(self):
        try:
            self.lib = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise NoDevice(f"no NVIDIA driver: {error}") from error
        if not hasattr(self.lib, "cuModuleLoadDataEx"):
            raise NoDevice("libcuda.so.1 is there but is not a CUDA driver")
        try:
            self.call("cuInit", 0)
        except DriverError as error:
            raise NoDevice(f"the NVIDIA driver does not start: {error}") from error
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        if count.value == 0:
            raise NoDevice("the NVIDIA driver finds no device")
        self.device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)

    def call(self, name, *arguments):
        code = getattr(self.lib, name)(*arguments)
        if code:
            raise DriverError(name, code)

    def describe(self):
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, 256, self.device)
        version, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        self.call("cuDeviceGetAttribute", ctypes.byref(major), 75, self.device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), 76, self.device)
        return {"device": name.value.decode(), "driver": version.value, "capability": [major.value, minor.value]}

    def open_context(self):
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)

    def load(self, texts):
        """One module of the PTX texts, linked."""
        log = ctypes.create_string_buffer(8192)
        # CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
        keys = (ctypes.c_int * 2)(5, 6)
        values = (ctypes.c_void_p * 2)(ctypes.cast(log, ctypes.c_void_p), ctypes.c_void_p(8192))
        module = ctypes.c_void_p()
        try:
            if len(texts) == 1:
                self.call("cuModuleLoadDataEx", ctypes.byref(module), texts[0].encode() + b"\0", 2, keys, values)
                return module
            link, image, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
            self.call("cuLinkCreate_v2", 2, keys, values, ctypes.byref(link))
            for text in texts:
                data = text.encode() + b"\0"
                self.call("cuLinkAddData_v2", link, 1, data, ctypes.c_size_t(len(data)), None, 0, None, None)
            self.call("cuLinkComplete", link, ctypes.byref(image), ctypes.byref(size))
            self.call("cuModuleLoadData", ctypes.byref(module), image)
            return module
        except DriverError as error:
            raise DriverError(f"{error}: {log.value.decode(errors='replace').strip()}", error.code) from error

    def launch(self, module, run):
        """Runs a launch and gives the contents of its buffers."""
        addresses = {}
        for buffer in run.buffers:
            address, size = ctypes.c_uint64(), ctypes.c_size_t()
            if buffer.variable:
                self.call("cuModuleGetGlobal_v2", ctypes.byref(address), ctypes.byref(size), module, buffer.name.encode())
            else:
                self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(buffer.nbytes(), 1)))
            addresses[buffer.name] = address.value
        for buffer in run.buffers:
            if not buffer.keep():
                data = np.ascontiguousarray(caseformat.contents(buffer.type, buffer.n, buffer.init, addresses.__getitem__))
                self.call("cuMemcpyHtoD_v2", ctypes.c_uint64(addresses[buffer.name]), data.ctypes.data_as(ctypes.c_void_p),
                          ctypes.c_size_t(data.nbytes))
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), module, run.kernel.encode())
        if run.shared > 48 * 1024:
            self.call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, run.shared)
        held = [ctypes.create_string_buffer(caseformat.arg_bytes(arg, addresses.__getitem__), None) for arg in run.args]
        pointers = (ctypes.c_void_p * max(len(held), 1))(*(ctypes.addressof(data) for data in held))
        shape = [ctypes.c_uint(extent) for extent in (*run.grid, *run.block)]
        if run.cooperative:
            self.call("cuLaunchCooperativeKernel", function, *shape, ctypes.c_uint(run.shared), None, pointers)
        else:
            self.call("cuLaunchKernel", function, *shape, ctypes.c_uint(run.shared), None, pointers, None)
        self.call("cuCtxSynchronize")
        out = {}
        for buffer in run.buffers:
            data = np.empty(buffer.n, caseformat.DTYPES[buffer.type])
            self.call("cuMemcpyDtoH_v2", data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(addresses[buffer.name]),
                      ctypes.c_size_t(data.nbytes))
            out[buffer.name] = data
        return out


def limits(compare):
    """Relative, absolute and unit-in-the-last-place tolerance of a `compare` mode."""
    word, _, inner = compare.partition("(")
    numbers = [float(part) for part in inner.rstrip(")").split(",") if part.strip()]
    return {"rel": lambda: (numbers[0], 0.0, 0), "abs": lambda: (0.0, numbers[0], 0),
            "tolerance": lambda: (numbers[0], numbers[1], 0), "ulp": lambda: (0.0, 0.0, int(numbers[0]))}.get(
                word.strip(), lambda: (0.0, 0.0, 0))()


def number(ty, values):
    if ty == "bf16":
        return (values.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return values.astype(np.float64)


def differences(buffer, start, expected, found):
    """Indices and values where `found` is not what `expected` allows."""
    if buffer.compare == "unordered":
        expected, found = np.sort(expected), np.sort(found)
    bits = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[expected.dtype.itemsize]
    same = expected.view(bits) == found.view(bits)
    if buffer.type[0] == "f" or buffer.type == "bf16":
        a, b = number(buffer.type, expected), number(buffer.type, found)
        if buffer.compare != "bits":
            same |= np.isnan(a) & np.isnan(b)
        rel, absolute, ulps = limits(buffer.compare)
        with np.errstate(all="ignore"):
            if rel or absolute:
                same |= np.abs(a - b) <= absolute + rel * np.maximum(np.abs(a), np.abs(b))
            if ulps:
                same |= np.abs(expected.view(bits).astype(np.float64) - found.view(bits).astype(np.float64)) <= ulps
    wrong = np.flatnonzero(~same)
    return [[int(start + i), caseformat.format_value(buffer.type, expected[i]), caseformat.format_value(buffer.type, found[i])]
            for i in wrong[:8]], len(wrong)


def judge(run, out):
    """Problems of a launch that ended well."""
    problems = []
    for word, text in run.expects:
        target, _, values = text.partition("=")
        name, _, interval = target.strip().partition("[")
        buffer = run.buffer(name.strip())
        found = out[buffer.name]
        if word.endswith("hash"):
            # A hash cannot say which NaN is meant, nor that an approximation is close.
            inexact = buffer.compare not in ("exact", "bits") or ((buffer.type[0] == "f" or buffer.type == "bf16") and np.isnan(number(buffer.type, found)).any())
            if not inexact and caseformat.fnv(found.tobytes()) != values.strip():
                problems.append({"buffer": buffer.name, "hash": caseformat.fnv(found.tobytes()), "expected": values.strip()})
            continue
        start = int(interval.split("..")[0]) if interval else 0
        expected = np.array([caseformat.parse_value(buffer.type, value) for value in values.split()], found.dtype)
        shown, n = differences(buffer, start, expected, found[start:start + len(expected)])
        if n:
            problems.append({"buffer": buffer.name, "differ": n, "of": len(expected), "first": shown})
    return problems


def run_one(path, index):
    """In a child process: one launch; the verdict as JSON on the last line of standard error."""
    case = caseformat.Case(path)
    run = case.runs[index]
    texts = [case.text] + [(Path(path).parent / link).read_text() for link in case.links]
    verdict = {}
    driver = Driver()
    driver.open_context()
    try:
        module = driver.load(texts)
    except DriverError as error:
        # 209, 218, 222, 223: no code for this device, or the driver's compiler refuses the PTX.
        verdict = {"skipped": str(error)} if error.code in (209, 218, 222, 223) else {"error": str(error)}
    if not verdict:
        try:
            out = driver.launch(module, run)
            problems = judge(run, out) if not run.fault else [{"expected-fault": run.fault, "found": "none"}]
            verdict = {"problems": problems}
        except DriverError as error:
            found = FAULTS.get(error.code, str(error))
            accepted = SAME_FAULT.get(run.fault, {run.fault})
            verdict = {"problems": [] if found in accepted else [{"fault": found, "expected": run.fault}]}
    print(json.dumps(verdict), file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(0)


def run_in_child(path, index, run, timeout):
    if run.fault == "timeout":
        return {"skipped": "a device without a display has no launch timeout"}
    with tempfile.TemporaryFile() as printed:
        try:
            child = subprocess.run([sys.executable, __file__, "--one", str(path), str(index)], stdout=printed,
                                   stderr=subprocess.PIPE, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return {"problems": [{"fault": f"no end within {timeout} s"}]}
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        try:
            verdict = json.loads(lines[-1])
        except (IndexError, json.JSONDecodeError):
            return {"error": f"exit {child.returncode}: {' '.join(lines[-3:])}"}
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    if run.printed is not None and "problems" in verdict:
        same = sorted(text.splitlines()) == sorted(run.printed.splitlines()) if run.printed_unordered else text == run.printed
        if not same:
            verdict["problems"].append({"printed": text, "expected": run.printed})
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, metavar=("FILE", "RUN"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="result file; default under bench/runs/")
    parser.add_argument("--timeout", type=float, default=60, help="seconds per launch")
    parser.add_argument("filters", nargs="*", help="run only files whose path contains one of these")
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], int(options.one[1]))
    try:
        machine = Driver().describe()
    except NoDevice as reason:
        print(f"cases.py: {reason}; nothing was run. The case files also run without one: cargo test -p filetests", file=sys.stderr)
        return 3
    results, counts = [], {"agree": 0, "differ": 0, "skipped": 0, "error": 0}
    for path in sorted(CASES.rglob("*.ptx")):
        name = str(path.relative_to(CASES).with_suffix(""))
        if path.relative_to(CASES).parts[0] in SKIPPED or (options.filters and not any(f in name for f in options.filters)):
            continue
        case = caseformat.Case(path)
        for index, run in enumerate(case.runs):
            verdict = run_in_child(path, index, run, options.timeout)
            word = next((key for key in ("skipped", "error") if key in verdict), None)
            word = word or ("differ" if verdict["problems"] else "agree")
            counts[word] += 1
            results.append({"case": name, "run": index, "kernel": run.kernel, "verdict": word, **verdict})
            if word != "agree":
                print(f"{word:8} {name} run {index} {run.kernel}: {json.dumps(verdict)[:300]}", flush=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    label = "".join(c if c.isalnum() else "-" for c in machine["device"].lower()).strip("-")
    out = options.out or ROOT / "bench" / "runs" / f"gpu-cases-{now:%Y%m%d}-{label}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"what": "case files on a real driver", "when": now.isoformat(timespec="seconds"), "machine": machine,
              "command": " ".join(["python3", "bench/gpu/cases.py", *sys.argv[1:]]), "counts": counts, "results": results}
    out.write_text(json.dumps(record, indent=1) + "\n")
    print(f"RESULT agree={counts['agree']} differ={counts['differ']} skipped={counts['skipped']} error={counts['error']}")
    return 1 if counts["differ"] or counts["error"] else 0


if __name__ == "__main__":
    sys.exit(main())
