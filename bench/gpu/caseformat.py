"""Case files (see tools/filetests/src/case.rs) in Python: directives, initial contents, numpy references, comparison.

The inputs are bit for bit those of the Rust runner: `hash(seed, i)` is splitmix64's finaliser.
"""
import re
import shlex

import numpy as np

M64 = (1 << 64) - 1
DTYPES = {
    "u8": np.uint8, "s8": np.int8, "b8": np.uint8, "u16": np.uint16, "s16": np.int16, "b16": np.uint16,
    "u32": np.uint32, "s32": np.int32, "b32": np.uint32, "u64": np.uint64, "s64": np.int64, "b64": np.uint64,
    "f16": np.float16, "bf16": np.uint16, "f32": np.float32, "f64": np.float64,
}
EDGES = {
    "f32": [0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0x3fc00000, 0xc0200000, 0x00000001, 0x80000001,
            0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc01234, 0x7f800001,
            0x3f800001, 0x40490fdb, 0x7149f2ca, 0x8d800000, 0x4f000000, 0xcf000001, 0x5f800000, 0x4b000001, 0x3e99999a,
            0x477fe000],
    "f16": [0x0000, 0x8000, 0x3c00, 0xbc00, 0x3800, 0x3e00, 0xc100, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00,
            0xfc00, 0x7e00, 0xfe12, 0x7c01, 0x3c01, 0x4248, 0x6400, 0x1400],
    "bf16": [0x0000, 0x8000, 0x3f80, 0xbf80, 0x3f00, 0x3fc0, 0xc020, 0x0001, 0x8001, 0x007f, 0x0080, 0x7f7f, 0xff7f, 0x7f80,
             0xff80, 0x7fc0, 0xffd2, 0x7f81, 0x3f81, 0x4049, 0x4f00, 0x0d80],
    "f64": [0, 1 << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x3fe0000000000000, 0x3ff8000000000000, 0xc004000000000000, 1,
            (1 << 63) | 1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000,
            0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000001234, 0x7ff0000000000001, 0x3ff0000000000001,
            0x400921fb54442d18] + [int(np.float64(v).view(np.uint64)) for v in
                                   (1e300, -1e-300, 2147483648.5, 9.3e18, -9.3e18, 4503599627370497.5)],
}
ENDS = 16
MAX_VALUES = 64


class CaseError(Exception):
    pass


def hashes(seed, n):
    z = np.arange(n, dtype=np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & M64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def units(seed, n):
    return (hashes(seed, n) >> np.uint64(40)).astype(np.float64) / (1 << 24)


def bf16_bits(values):
    """bfloat16 bits, rounded to nearest even."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
    nan = np.isnan(np.asarray(values, np.float32))
    return np.where(nan, np.uint64(0x7FFF), rounded).astype(np.uint16)


def convert(ty, values):
    if ty == "bf16":
        return bf16_bits(values)
    values = np.asarray(values)
    if values.dtype.kind == "f" and ty[0] in "usb":
        return values.astype(np.int64).astype(DTYPES[ty])
    return values.astype(DTYPES[ty])


def parse_value(ty, text):
    size = np.dtype(DTYPES[ty]).itemsize
    unsigned = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[size]
    if text.startswith("0x"):
        return np.array(int(text, 16), unsigned).view(DTYPES[ty])[()]
    if ty in ("f16", "bf16", "f32", "f64"):
        value = float(text)
        if value != value:
            return np.array((1 << (8 * size - 1)) - 1, unsigned).view(DTYPES[ty])[()]
        return convert(ty, np.float32(text) if ty == "f32" else value)[()]
    return np.array(int(text)).astype(DTYPES[ty])[()]


def edge_values(ty):
    size = np.dtype(DTYPES[ty]).itemsize
    unsigned = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[size]
    if ty in EDGES:
        bits = EDGES[ty]
    else:
        mask, top = (1 << (8 * size)) - 1, 1 << (8 * size - 1)
        bits = [0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, top - 1, top, top + 1, mask, mask - 1, mask // 3,
                mask // 3 * 2, 0x0123456789ABCDEF]
        bits = [bit & mask for bit in bits]
    return np.array(bits, unsigned).view(DTYPES[ty])


def contents(ty, n, init, address=None):
    """The initial contents of a buffer."""
    dtype = DTYPES[ty]
    if init is None:
        return np.full(n * np.dtype(dtype).itemsize, 0xA5, np.uint8).view(dtype)
    init = init.strip()
    word, _, inner = init.partition("(")
    word, inner = word.strip(), inner.rstrip(")")
    numbers = [float(part) for part in inner.split(",") if part.strip()] if word in (
        "iota", "random", "mod", "permutation", "rows") else []
    index = np.arange(n)
    if word == "zeros":
        return np.zeros(n, dtype)
    if word == "iota":
        start, step = numbers or (0.0, 1.0)
        return convert(ty, start + step * index.astype(np.float64))
    if word == "fill":
        return np.full(n, parse_value(ty, inner.strip()))
    if word == "edge":
        return np.resize(edge_values(ty), n)
    if word == "random":
        seed = int(numbers[0])
        if len(numbers) == 3:
            values = numbers[1] + (numbers[2] - numbers[1]) * units(seed, n)
            return convert(ty, values if ty[0] == "f" or ty == "bf16" else np.floor(values))
        if ty[0] == "f" or ty == "bf16":
            return convert(ty, units(seed, n))
        return hashes(seed, n).astype(dtype)
    if word == "mod":
        return convert(ty, (index % int(numbers[0])).astype(np.float64))
    if word == "permutation":
        return convert(ty, np.lexsort((index, hashes(int(numbers[0]), n))).astype(np.float64))
    if word == "rows":
        seed, lo, hi = (int(number) for number in numbers)
        lengths = lo + (hashes(seed, n) % np.uint64(hi - lo)).astype(np.int64)
        return convert(ty, np.concatenate([[0], np.cumsum(lengths)])[:n])
    if word == "repeat":
        return np.resize(np.array([parse_value(ty, v) for v in inner.split()], dtype), n)
    if word == "addresses":
        return np.array([address(name.strip(",")) for name in inner.split()], dtype)
    values = np.array([parse_value(ty, v) for v in init.split()], dtype)
    if len(values) != n:
        raise CaseError(f"{len(values)} values given for {n} elements")
    return values


class Buffer:
    def __init__(self, text, variable):
        head, _, init = text.partition("=")
        match = re.fullmatch(r"\s*(in|out|inout|scratch)\s+(\S+)\s*:\s*(\w+)\s*\[(\d+)\]\s*", head)
        if not match:
            raise CaseError(f"bad buffer \"{text}\"")
        self.direction, self.name, self.type = match[1], match[2], match[3]
        self.n = int(match[4])
        self.init = init.strip() or None
        self.variable = variable
        self.compare = "exact"

    def keep(self):
        return self.variable and self.init is None

    def nbytes(self):
        return self.n * np.dtype(DTYPES[self.type]).itemsize


class Run:
    def __init__(self, text):
        words = dict((word.split("=", 1) + [""])[:2] for word in text.split())
        dim = lambda text: ([int(part) for part in text.split(",")] + [1, 1])[:3]
        self.kernel = words["kernel"]
        self.grid = dim(words.get("grid", "1"))
        self.block = dim(words.get("block", "1"))
        self.shared = int(words.get("shared", "0"))
        self.cooperative = "cooperative" in words
        self.args, self.buffers, self.expects, self.numpy = [], [], [], []
        self.fault, self.printed, self.printed_unordered = None, None, False

    def buffer(self, name):
        for buffer in self.buffers:
            if buffer.name == name:
                return buffer
        raise CaseError(f"unknown buffer \"{name}\"")


def field_bytes(text, address):
    text = text.strip()
    if text.startswith("&"):
        name, _, offset = text[1:].partition("+")
        return (address(name.strip()) + int(offset or 0)).to_bytes(8, "little")
    ty, value = text.split(None, 1)
    return np.array(parse_value(ty, value.strip())).astype(DTYPES[ty]).tobytes()


def arg_bytes(text, address):
    """The bytes of a parameter."""
    word = text.split()[0]
    if word in ("in", "out", "inout", "scratch"):
        return address(Buffer(text, False).name).to_bytes(8, "little")
    if word == "bytes":
        return bytes(int(part, 16) for part in text.split()[1:])
    if word != "struct":
        return field_bytes(text, address)
    out, largest = b"", 1
    for field in text[6:].split(","):
        if field.split()[0] == "pad":
            out += bytes(int(field.split()[1]))
            continue
        data = field_bytes(field, address)
        align = min(max(1 << (len(data) - 1).bit_length(), 1), 16)
        out += bytes(-len(out) % align) + data
        largest = max(largest, align)
    return out + bytes(-len(out) % largest)


class Case:
    def __init__(self, path, text=None):
        self.path = path
        self.text = open(path).read() if text is None else text
        self.runs, self.links, self.refused, self.part = [], [], False, False
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.startswith("//@"):
                try:
                    self.directive(line[3:].strip())
                except (CaseError, ValueError, KeyError, IndexError) as error:
                    raise CaseError(f"{path}:{number}: {error!r}") from error

    def directive(self, text):
        word, _, rest = text.partition(":")
        rest = rest.strip()
        if word == "run":
            self.runs.append(Run(rest))
        elif word == "link":
            self.links.append(rest)
        elif word == "part-of":
            self.part = True
        elif word == "expect-error":
            self.refused = True
        elif word in ("compile", "source"):
            pass
        else:
            run = self.runs[-1]
            if word == "arg":
                run.args.append(rest)
                if rest.split()[0] in ("in", "out", "inout", "scratch"):
                    run.buffers.append(Buffer(rest, False))
            elif word in ("buffer", "variable"):
                run.buffers.append(Buffer(rest, word == "variable"))
            elif word == "compare":
                name, mode = rest.split(None, 1)
                run.buffer(name).compare = mode
            elif word in ("expect", "reference", "expect-hash", "reference-hash"):
                run.expects.append((word, rest))
            elif word == "expect-fault":
                run.fault = rest
            elif word == "expect-printf":
                run.printed_unordered |= rest.startswith("unordered")
                quoted = rest.removeprefix("unordered").strip()
                run.printed = (run.printed or "") + shlex.split(quoted)[0].encode().decode("unicode_escape")
            elif word == "numpy":
                run.numpy.append(text.partition(":")[2].removeprefix(" "))
            else:
                raise CaseError(f"unknown directive \"{word}\"")


def fnv(data):
    """FNV-1a, 64 bits, over 8-byte little-endian words (the last one zero-padded), then the length."""
    data = bytes(data)
    value = 0xCBF29CE484222325
    words = np.frombuffer(data + bytes(-len(data) % 8), np.uint64).tolist()
    for word in words + [len(data)]:
        value = ((value ^ word) * 0x100000001B3) & M64
        value ^= value >> 32
    return f"{value:016x}"


def format_value(ty, value):
    value = np.asarray(value).astype(DTYPES[ty])
    if ty[0] == "b" and ty != "bf16":
        return hex(int(value))
    if ty in ("f16", "f32", "f64"):
        if np.isnan(value):
            return hex(int(value.view({2: np.uint16, 4: np.uint32, 8: np.uint64}[value.dtype.itemsize])))
        return np.format_float_positional(value, trim="-") if 1e-4 < abs(float(value)) < 1e9 or value == 0 else repr(float(str(value)))
    return hex(int(value)) if ty == "bf16" else str(int(value))


def references(run):
    """`reference` directives from the run's numpy script; the names of its buffers are arrays of initial contents."""
    scope = {"np": np, "grid": run.grid, "block": run.block}
    for buffer in run.buffers:
        if not buffer.keep() and not (buffer.init or "").startswith("addresses"):
            scope[buffer.name] = contents(buffer.type, buffer.n, buffer.init)
    initial = {name: np.copy(value) for name, value in scope.items() if isinstance(value, np.ndarray)}
    with np.errstate(all="ignore"):
        exec("\n".join(run.numpy), scope)
    out = []
    for buffer in run.buffers:
        if buffer.direction in ("in", "scratch") or buffer.name not in scope:
            continue
        values = np.asarray(scope[buffer.name]).reshape(-1)
        if buffer.name in initial and values.dtype == initial[buffer.name].dtype and np.array_equal(
                values.view(np.uint8), initial[buffer.name].view(np.uint8)):
            continue
        if len(values) != buffer.n:
            raise CaseError(f"the numpy script gives {len(values)} values for \"{buffer.name}\" of {buffer.n} elements")
        values = convert(buffer.type, values) if buffer.type != "bf16" or values.dtype != np.uint16 else values
        show = lambda a, b: " ".join(format_value(buffer.type, value) for value in values[a:b])
        if buffer.n <= MAX_VALUES:
            out.append(f"//@ reference: {buffer.name} = {show(0, buffer.n)}")
        elif buffer.compare == "exact":
            out.append(f"//@ reference-hash: {buffer.name} = {fnv(values.tobytes())}")
        else:
            middle = buffer.n // 2
            for a in (0, middle, buffer.n - ENDS):
                out.append(f"//@ reference: {buffer.name}[{a}..{a + ENDS}] = {show(a, a + ENDS)}")
    return out
