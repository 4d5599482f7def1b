// mma.sync in many shapes and types, with integer-valued inputs so that sums are exact in any order.
//@ compile: compute_80 compute_90
//@ run: kernel=f16 grid=1 block=32
//@ arg: in a: f16[256] = random(48, -4, 4)
//@ arg: in b: f16[128] = random(49, -4, 4)
//@ arg: out out: f32[512]
//@ compare: out tolerance(1e-3, 1e-2)
//@ run: kernel=i8 grid=1 block=32
//@ arg: in a: s8[512] = random(50)
//@ arg: in b: s8[256] = random(51)
//@ arg: out out: s32[384]
//@ run: kernel=tf32 grid=1 block=32
//@ arg: in a: f32[128] = random(52, -4, 4)
//@ arg: in b: f32[64] = random(53, -4, 4)
//@ arg: out out: f32[256]
//@ compare: out tolerance(1e-5, 1e-4)
//@ run: kernel=f64 grid=1 block=32
//@ arg: in a: f64[32] = random(54, -4, 4)
//@ arg: in b: f64[32] = random(55, -4, 4)
//@ arg: out out: f64[64]
//@ compare: out tolerance(1e-14, 1e-14)
//@ numpy: out = (a.reshape(8, 4) @ b.reshape(4, 8)).reshape(-1)
//@ run: kernel=bits grid=1 block=32
//@ arg: in a: u32[128] = random(56)
//@ arg: in b: u32[64] = random(57)
//@ arg: out out: s32[256]
#include <cuda_fp16.h>
extern "C" __global__ void f16(const __half *a, const __half *b, float *out) {
    // D[16][8] = A[16][16] * B[16][8], A row-major, B column-major.
    unsigned lane = threadIdx.x, g = lane >> 2, q = lane & 3;
    const unsigned *A = (const unsigned *)a, *B = (const unsigned *)b;
    unsigned a0 = A[g * 8 + q], a1 = A[(g + 8) * 8 + q], a2 = A[g * 8 + q + 4], a3 = A[(g + 8) * 8 + q + 4];
    unsigned b0 = B[g * 8 + q], b1 = B[g * 8 + q + 4];
    float d0, d1, d2, d3;
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(1.0f));
    out[g * 8 + q * 2] = d0; out[g * 8 + q * 2 + 1] = d1; out[(g + 8) * 8 + q * 2] = d2; out[(g + 8) * 8 + q * 2 + 1] = d3;
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3) : "r"(a0), "r"(a1), "r"(b0), "f"(0.0f));
    out[128 + lane] = d0; out[160 + lane] = d1; out[192 + lane] = d2; out[224 + lane] = d3;
    unsigned h0, h1;
    asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%8,%8};"
        : "=r"(h0), "=r"(h1) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(0));
    __half2 p = *(__half2 *)&h0, r = *(__half2 *)&h1;
    out[256 + lane] = __low2float(p); out[288 + lane] = __high2float(p); out[320 + lane] = __low2float(r); out[352 + lane] = __high2float(r);
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3) : "r"(a0 & 0x7fff7fff), "r"(a1 & 0x7fff7fff), "r"(a2 & 0x7fff7fff), "r"(a3 & 0x7fff7fff), "r"(b0 & 0x7fff7fff), "r"(b1 & 0x7fff7fff), "f"(1.0f));
    out[384 + lane] = d0; out[416 + lane] = d1; out[448 + lane] = d2; out[480 + lane] = d3;
}
extern "C" __global__ void i8(const signed char *a, const signed char *b, int *out) {
    unsigned lane = threadIdx.x, g = lane >> 2, q = lane & 3;
    const unsigned *A = (const unsigned *)a, *B = (const unsigned *)b;
    unsigned a0 = A[g * 8 + q], a1 = A[(g + 8) * 8 + q], a2 = A[g * 8 + q + 4], a3 = A[(g + 8) * 8 + q + 4];
    unsigned b0 = B[g * 8 + q], b1 = B[g * 8 + q + 4];
    int d[4];
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(5));
    for (int k = 0; k < 4; k++) out[k * 32 + lane] = d[k];
    asm("mma.sync.aligned.m16n8k32.row.col.satfinite.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(0x7fff0000));
    for (int k = 0; k < 4; k++) out[128 + k * 32 + lane] = d[k];
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s4.u4.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(a0), "r"(a1), "r"(b0), "r"(0));
    for (int k = 0; k < 4; k++) out[256 + k * 32 + lane] = d[k];
}
extern "C" __global__ void tf32(const float *a, const float *b, float *out) {
    unsigned lane = threadIdx.x, g = lane >> 2, q = lane & 3;
    unsigned A[4], B[2];
    float in[6] = {a[g * 8 + q], a[(g + 8) * 8 + q], a[g * 8 + q + 4], a[(g + 8) * 8 + q + 4], b[q * 8 + g], b[(q + 4) * 8 + g]};
    for (int k = 0; k < 4; k++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(A[k]) : "f"(in[k]));
    for (int k = 0; k < 2; k++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(B[k]) : "f"(in[4 + k]));
    float d0, d1, d2, d3;
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3) : "r"(A[0]), "r"(A[1]), "r"(A[2]), "r"(A[3]), "r"(B[0]), "r"(B[1]), "f"(0.5f));
    out[g * 8 + q * 2] = d0; out[g * 8 + q * 2 + 1] = d1; out[(g + 8) * 8 + q * 2] = d2; out[(g + 8) * 8 + q * 2 + 1] = d3;
    asm("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3) : "r"(A[0]), "r"(A[1]), "r"(B[0]), "f"(0.0f));
    out[128 + lane] = d0; out[160 + lane] = d1; out[192 + lane] = d2; out[224 + lane] = d3;
}
extern "C" __global__ void f64(const double *a, const double *b, double *out) {
    unsigned lane = threadIdx.x, g = lane >> 2, q = lane & 3;
    double d0, d1;
    asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%4,%4};"
        : "=d"(d0), "=d"(d1) : "d"(a[g * 4 + q]), "d"(b[q * 8 + g]), "d"(0.0));
    out[g * 8 + q * 2] = d0; out[g * 8 + q * 2 + 1] = d1;
}
extern "C" __global__ void bits(const unsigned *a, const unsigned *b, int *out) {
    unsigned lane = threadIdx.x;
    int d[4];
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(a[lane]), "r"(a[lane + 32]), "r"(a[lane + 64]), "r"(a[lane + 96]), "r"(b[lane]), "r"(b[lane + 32]), "r"(3));
    for (int k = 0; k < 4; k++) out[k * 32 + lane] = d[k];
    asm("mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.and.popc {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(a[lane]), "r"(a[lane + 32]), "r"(b[lane]), "r"(0));
    for (int k = 0; k < 4; k++) out[128 + k * 32 + lane] = d[k];
}
