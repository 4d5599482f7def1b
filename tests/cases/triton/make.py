#!/usr/bin/env python3
"""PTX of Triton kernels (compiled here without a GPU) as case files: `python3 tests/cases/triton/make.py`.

Needs `pip install triton numpy`. Written for Triton 3.9: a kernel's parameters are its non-constexpr arguments, then the
addresses of two scratch areas (global and profile), null where unused.
"""
import sys
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
from make_cases import case_header, strip_banner  # noqa: E402


@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, i < n) + tl.load(y + i, i < n), i < n)


@triton.jit
def softmax(x, out, stride, n, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * stride + i, i < n, -float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(out + row * stride + i, e / tl.sum(e, axis=0), i < n)


@triton.jit
def layer_norm(x, gain, bias, out, n, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * n + i, i < n, 0.0)
    mean = tl.sum(v, axis=0) / n
    d = tl.where(i < n, v - mean, 0.0)
    scale = tl.rsqrt(tl.sum(d * d, axis=0) / n + 1e-5)
    tl.store(out + row * n + i, d * scale * tl.load(gain + i, i < n) + tl.load(bias + i, i < n), i < n)


@triton.jit
def matmul(a, b, c, m, n, k, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    im = tl.program_id(0) * M + tl.arange(0, M)
    jn = tl.program_id(1) * N + tl.arange(0, N)
    kk = tl.arange(0, K)
    acc = tl.zeros((M, N), tl.float32)
    for start in range(0, k, K):
        s = start + kk
        ta = tl.load(a + im[:, None] * k + s[None, :], (im[:, None] < m) & (s[None, :] < k), 0.0)
        tb = tl.load(b + s[:, None] * n + jn[None, :], (s[:, None] < k) & (jn[None, :] < n), 0.0)
        acc = tl.dot(ta, tb, acc)
    tl.store(c + im[:, None] * n + jn[None, :], acc.to(c.dtype.element_ty), (im[:, None] < m) & (jn[None, :] < n))


@triton.jit
def attention(q, k, v, o, n, scale, N: tl.constexpr, D: tl.constexpr):
    head = tl.program_id(1) * n * D
    i, d = tl.program_id(0) * N + tl.arange(0, N), tl.arange(0, D)
    tq = tl.load(q + head + i[:, None] * D + d[None, :])
    m = tl.full((N,), -float("inf"), tl.float32)
    l = tl.zeros((N,), tl.float32)
    acc = tl.zeros((N, D), tl.float32)
    for start in range(0, n, N):
        j = start + tl.arange(0, N)
        s = tl.dot(tq, tl.load(k + head + j[None, :] * D + d[:, None])) * scale
        s = tl.where(i[:, None] >= j[None, :], s, -1e30)
        top = tl.maximum(m, tl.max(s, axis=1))
        p = tl.exp2((s - top[:, None]) * 1.4426950408889634)
        old = tl.exp2((m - top) * 1.4426950408889634)
        l = l * old + tl.sum(p, axis=1)
        acc = acc * old[:, None]
        acc = tl.dot(p.to(tl.float16), tl.load(v + head + j[:, None] * D + d[None, :]), acc)
        m = top
    tl.store(o + head + i[:, None] * D + d[None, :], acc / l[:, None])


@triton.jit
def scan(x, out, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.cumsum(tl.load(x + i), axis=0))


@triton.jit
def sort(x, out, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.sort(tl.load(x + i)))


@triton.jit
def histogram(x, out, BLOCK: tl.constexpr):
    h = tl.histogram(tl.load(x + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)), 32)
    tl.atomic_add(out + tl.arange(0, 32), h)


@triton.jit
def dropout(x, out, n, p, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    keep = tl.rand(seed, i) > p
    tl.store(out + i, tl.where(keep, tl.load(x + i, i < n) / (1 - p), 0.0), i < n)


CASES = [
    (add, "add", "*fp32 *fp32 *fp32 i32", {"BLOCK": 256}, [80, 90], """
grid=4
arg: in x: f32[1000] = random(1)
arg: in y: f32[1000] = random(2)
arg: out out: f32[1000]
arg: s32 1000
numpy: out = x + y
"""),
    (softmax, "softmax", "*fp32 *fp32 i32 i32", {"BLOCK": 256}, [80, 90], """
grid=5
arg: in x: f32[1000] = random(3, -5, 5)
arg: out out: f32[1000]
arg: s32 200
arg: s32 200
compare: out tolerance(1e-5, 1e-7)
numpy: e = np.exp(x.astype(np.float64).reshape(5, 200)); out = e / e.sum(axis=1, keepdims=True)
"""),
    (layer_norm, "layer_norm", "*fp32 *fp32 *fp32 *fp32 i32", {"BLOCK": 512}, [80], """
grid=3
arg: in x: f32[900] = random(4, -2, 3)
arg: in gain: f32[300] = random(5, 0.5, 1.5)
arg: in bias: f32[300] = random(6)
arg: out out: f32[900]
arg: s32 300
compare: out tolerance(1e-4, 1e-5)
numpy: m = x.astype(np.float64).reshape(3, 300)
numpy: out = (m - m.mean(axis=1, keepdims=True)) / np.sqrt(m.var(axis=1, keepdims=True) + 1e-5) * gain + bias
"""),
    (matmul, "matmul_f16", "*fp16 *fp16 *fp32 i32 i32 i32", {"M": 32, "N": 32, "K": 32}, [75, 80], """
grid=2,2 shared=8192
arg: in a: f16[3600] = random(7, -1, 1)
arg: in b: f16[3360] = random(8, -1, 1)
arg: out c: f32[3360]
arg: s32 60
arg: s32 56
arg: s32 60
compare: c tolerance(1e-4, 1e-3)
numpy: c = a.astype(np.float64).reshape(60, 60) @ b.astype(np.float64).reshape(60, 56)
"""),
    (matmul, "matmul_tf32", "*fp32 *fp32 *fp32 i32 i32 i32", {"M": 32, "N": 32, "K": 16}, [80], """
grid=2,1 shared=16384
arg: in a: f32[3072] = random(9, -1, 1)
arg: in b: f32[1536] = random(10, -1, 1)
arg: out c: f32[2048]
arg: s32 64
arg: s32 32
arg: s32 48
compare: c tolerance(0.01, 0.01)
numpy: c = a.astype(np.float64).reshape(64, 48) @ b.astype(np.float64).reshape(48, 32)
"""),
    (matmul, "matmul_bf16", "*bf16 *bf16 *fp32 i32 i32 i32", {"M": 64, "N": 32, "K": 32}, [80], """
grid=1,1 shared=32768
arg: in a: bf16[4096] = random(11, -1, 1)
arg: in b: bf16[2048] = random(12, -1, 1)
arg: out c: f32[2048]
arg: s32 64
arg: s32 32
arg: s32 64
compare: c tolerance(1e-4, 1e-3)
numpy: up = lambda m: (m.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
numpy: c = up(a).reshape(64, 64) @ up(b).reshape(64, 32)
"""),
    (attention, "attention", "*fp16 *fp16 *fp16 *fp32 i32 fp32", {"N": 32, "D": 32}, [80], """
grid=2,2 shared=32768
arg: in q: f16[4096] = random(13, -1, 1)
arg: in k: f16[4096] = random(14, -1, 1)
arg: in v: f16[4096] = random(15, -1, 1)
arg: out o: f32[4096]
arg: s32 64
arg: f32 0.1767767
compare: o tolerance(0.01, 0.005)
numpy: Q, K, V = (m.astype(np.float64).reshape(2, 64, 32) for m in (q, k, v))
numpy: s = np.where(np.tri(64) > 0, Q @ K.transpose(0, 2, 1) * 0.1767767, -np.inf); e = np.exp(s - s.max(axis=2, keepdims=True))
numpy: o = e / e.sum(axis=2, keepdims=True) @ V
"""),
    (scan, "scan", "*i32 *i32", {"BLOCK": 512}, [80], """
grid=2
arg: in x: s32[1024] = random(16, -100, 100)
arg: out out: s32[1024]
numpy: out = np.cumsum(x.reshape(2, 512), axis=1)
"""),
    (sort, "sort", "*fp32 *fp32", {"BLOCK": 256}, [80], """
grid=2
arg: in x: f32[512] = random(17, -100, 100)
arg: out out: f32[512]
numpy: out = np.sort(x.reshape(2, 256), axis=1)
"""),
    (histogram, "histogram", "*i32 *i32", {"BLOCK": 512}, [80], """
grid=2
arg: in x: s32[1024] = random(18, 0, 32)
arg: inout out: s32[32] = zeros
numpy: out = np.bincount(x, minlength=32)
"""),
    (dropout, "dropout", "*fp32 *fp32 i32 fp32 i32", {"BLOCK": 256}, [80], """
grid=2
arg: in x: f32[500] = random(19, 1, 2)
arg: out out: f32[500]
arg: s32 500
arg: f32 0.3
arg: s32 77
"""),
]


def main():
    for function, name, types, constants, archs, directives in CASES:
        names = [a for a in function.arg_names if a not in constants]
        signature = dict(zip(names, types.split())) | {key: "constexpr" for key in constants}
        for arch in archs:
            source = ASTSource(function, signature, {(function.arg_names.index(k),): v for k, v in constants.items()})
            compiled = triton.compile(source, target=GPUTarget("cuda", arch, 32), options={"num_warps": 4})
            ptx = compiled.asm["ptx"]
            # What the launcher passes as dynamic shared memory.
            run, *rest = directives.strip().splitlines()
            run = " ".join(word for word in run.split() if not word.startswith("shared="))
            lines = [f"//@ run: kernel={compiled.metadata.name} {run} block={compiled.metadata.num_warps * 32} "
                     f"shared={compiled.metadata.shared}"]
            lines += [f"//@ {line}" for line in rest if not line.startswith(("compare", "numpy"))]
            lines += ["//@ arg: u64 0"] * (ptx[ptx.index(".entry"):ptx.index(")")].count(".param") - sum(
                line.startswith("arg:") for line in rest))
            lines += [f"//@ {line}" for line in rest if line.startswith(("compare", "numpy"))]
            suffix = f".sm_{arch}" if len(archs) > 1 else ""
            out = HERE / f"{name}{suffix}.ptx"
            header = case_header("make.py", lines, f"triton {triton.__version__} sm_{arch}", out)
            ptx = ptx[:ptx.index("\t.section\t.debug")] if "\t.section\t.debug" in ptx and arch != 80 else ptx
            out.write_text(header + strip_banner(ptx).replace(f"{HERE}/", ""))
            print(out.name)


if __name__ == "__main__":
    main()
