// Integer intrinsics: wide products, carry chains, bit fields, dp4a, prmt, funnel shifts, SIMD-in-a-word.
//@ compile: compute_80 nvrtc12:compute_61
//@ run: kernel=bits grid=1 block=96
//@ arg: in x: u32[96] = random(22)
//@ arg: in y: u32[96] = random(23)
//@ arg: out out: u32[1536]
//@ run: kernel=words grid=1 block=96
//@ arg: in x: u64[96] = random(24)
//@ arg: in y: u64[96] = random(25)
//@ arg: out out: u64[960]
//@ run: kernel=simd grid=1 block=96
//@ arg: in x: u32[96] = random(26)
//@ arg: in y: u32[96] = random(27)
//@ arg: out out: u32[2304]
//@ run: kernel=bignum grid=1 block=64
//@ arg: in x: u32[512] = random(28)
//@ arg: out out: u32[1024]
//@ run: kernel=division grid=1 block=96
//@ arg: in x: s32[96] = random(29)
//@ arg: in y: s32[96] = random(30, -50, 50)
//@ arg: out out: s64[768]
extern "C" __global__ void bits(const unsigned *x, const unsigned *y, unsigned *out) {
    unsigned t = threadIdx.x, a = x[t], b = y[t], *o = out + t;
    o[0] = __umulhi(a, b); o += 96;
    o[0] = __mulhi((int)a, (int)b); o += 96;
    o[0] = __umul24(a, b) + __mul24(a, b); o += 96;
    o[0] = __popc(a) + 100 * __clz(b >> (a & 31)) + 10000 * __ffs(a); o += 96;
    o[0] = __brev(a) ^ __byte_perm(a, b, 0x5173); o += 96;
    o[0] = __byte_perm(a, b, b); o += 96;
    o[0] = __funnelshift_l(a, b, b & 63) ^ __funnelshift_rc(a, b, a & 63); o += 96;
    o[0] = __usad(a, b, 5) + __sad((int)a, (int)b, 7); o += 96;
    o[0] = __dp4a((int)a, (int)b, 11); o += 96;
    o[0] = __dp4a(a, b, 12u); o += 96;
    o[0] = __dp2a_lo((int)a, (int)b, 3) ^ __dp2a_hi(a, b, 9u); o += 96;
    o[0] = (a & b) | (~a & 0x0f0f0f0f); o += 96;
    unsigned r;
    asm("bfe.u32 %0, %1, %2, 9;" : "=r"(r) : "r"(a), "r"(b & 31)); o[0] = r; o += 96;
    asm("bfi.b32 %0, %1, %2, %3, 7;" : "=r"(r) : "r"(a), "r"(b), "r"(b & 31)); o[0] = r; o += 96;
    asm("lop3.b32 %0, %1, %2, %3, 0xe8;" : "=r"(r) : "r"(a), "r"(b), "r"(a ^ (b >> 3))); o[0] = r; o += 96;
    o[0] = __uhadd(a, b) ^ __urhadd(a, b) ^ __hadd((int)a, (int)b) ^ __rhadd((int)a, (int)b);
}
extern "C" __global__ void words(const unsigned long long *x, const unsigned long long *y, unsigned long long *out) {
    unsigned t = threadIdx.x;
    unsigned long long a = x[t], b = y[t], *o = out + t;
    o[0] = __umul64hi(a, b); o += 96;
    o[0] = __mul64hi((long long)a, (long long)b); o += 96;
    o[0] = a * b + (a >> (b & 63)); o += 96;
    o[0] = (unsigned long long)((long long)a >> (b & 63)) ^ (a << (b & 63)); o += 96;
    o[0] = __popcll(a) + 100 * __clzll(b >> (a & 63)) + 10000 * __ffsll(a); o += 96;
    o[0] = __brevll(a); o += 96;
    o[0] = a / (b >> 40 | 1); o += 96;
    o[0] = (unsigned long long)((long long)a % (long long)(b >> 33 | 1)); o += 96;
    o[0] = a > b ? a - b : (long long)a < (long long)b ? 1 : 2; o += 96;
    o[0] = (unsigned long long)(long long)(int)a * (long long)(int)b;
}
extern "C" __global__ void simd(const unsigned *x, const unsigned *y, unsigned *out) {
    unsigned t = threadIdx.x, a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 96
    ROW(__vadd2(a, b)); ROW(__vadd4(a, b)); ROW(__vsub2(a, b)); ROW(__vsub4(a, b));
    ROW(__vaddss2(a, b)); ROW(__vaddus4(a, b)); ROW(__vsubss4(a, b)); ROW(__vsubus2(a, b));
    ROW(__vabsdiffs2(a, b)); ROW(__vabsdiffu4(a, b)); ROW(__vmaxs2(a, b)); ROW(__vmaxu4(a, b));
    ROW(__vmins4(a, b)); ROW(__vminu2(a, b)); ROW(__vavgs2(a, b)); ROW(__vavgu4(a, b));
    ROW(__vcmpeq4(a, b & a)); ROW(__vcmpgts2(a, b)); ROW(__vcmpltu4(a, b)); ROW(__vsetges4(a, b));
    ROW(__vsads4(a, b)); ROW(__vsadu2(a, b)); ROW(__vneg2(a)); ROW(__vabs4(b));
#undef ROW
}
extern "C" __global__ void bignum(const unsigned *x, unsigned *out) {
    // 128 x 128 -> 256 bits with carry chains.
    unsigned t = threadIdx.x;
    const unsigned *a = x + t * 8, *b = a + 4;
    unsigned r[8] = {0};
    for (int i = 0; i < 4; i++) {
        asm("mad.lo.cc.u32 %0, %5, %6, %0; madc.hi.cc.u32 %1, %5, %6, %1; madc.lo.cc.u32 %2, %5, %8, %2; madc.hi.cc.u32 %3, %5, %8, %3; addc.u32 %4, %4, 0;"
            : "+r"(r[i]), "+r"(r[i + 1]), "+r"(r[i + 2]), "+r"(r[i + 3]), "+r"(r[i + 4 > 7 ? 7 : i + 4])
            : "r"(a[i]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]));
        asm("mad.lo.cc.u32 %0, %4, %5, %0; madc.hi.cc.u32 %1, %4, %5, %1; madc.lo.cc.u32 %2, %4, %6, %2; madc.hi.u32 %3, %4, %6, %3;"
            : "+r"(r[i + 1]), "+r"(r[i + 2]), "+r"(r[i + 3]), "+r"(r[i + 4])
            : "r"(a[i]), "r"(b[1]), "r"(b[3]));
    }
    unsigned s[8];
    asm("sub.cc.u32 %0, %8, %12; subc.cc.u32 %1, %9, %13; subc.cc.u32 %2, %10, %14; subc.u32 %3, %11, %15;"
        "add.cc.u32 %4, %8, %12; addc.cc.u32 %5, %9, %13; addc.cc.u32 %6, %10, %14; addc.u32 %7, %11, %15;"
        : "=&r"(s[0]), "=&r"(s[1]), "=&r"(s[2]), "=&r"(s[3]), "=&r"(s[4]), "=&r"(s[5]), "=&r"(s[6]), "=&r"(s[7])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]));
    for (int k = 0; k < 8; k++) { out[t * 16 + k] = r[k]; out[t * 16 + 8 + k] = s[k]; }
}
extern "C" __global__ void division(const int *x, const int *y, long long *out) {
    unsigned t = threadIdx.x;
    int a = x[t], b = y[t] == 0 ? 1 : y[t];
    long long *o = out + t;
    o[0] = a / b; o += 96;
    o[0] = a % b; o += 96;
    o[0] = (unsigned)a / (unsigned)b; o += 96;
    o[0] = (unsigned)a % (unsigned)b; o += 96;
    o[0] = a / 7 + a / -3; o += 96;
    o[0] = (long long)a * 100000007 / b; o += 96;
    o[0] = (short)a / (short)b; o += 96;
    o[0] = abs(a) + min(a, b) - max(a, b);
}
