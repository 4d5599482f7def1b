// Generators and Monte Carlo: xorshift, Philox, Sobol, estimating pi, random walks with data-dependent lengths.
//@ run: kernel=philox grid=2 block=64
//@ arg: out out: u32[512]
//@ arg: u32 1234
//@ run: kernel=pi grid=4 block=64
//@ arg: inout hits: u32[1] = 0
//@ arg: u32 50
//@ run: kernel=walks grid=2 block=48
//@ arg: out out: s32[96]
extern "C" __global__ void philox(uint4 *out, unsigned seed) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned c[4] = {i, 0, 7, 9}, k0 = seed, k1 = ~seed;
    for (int r = 0; r < 10; r++) {
        unsigned h0 = __umulhi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0], h1 = __umulhi(0xCD9E8D57u, c[2]), l1 = 0xCD9E8D57u * c[2];
        c[0] = h1 ^ c[1] ^ k0; c[1] = l1; c[2] = h0 ^ c[3] ^ k1; c[3] = l0;
        k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
    }
    out[i] = make_uint4(c[0], c[1], c[2], c[3]);
}
extern "C" __global__ void pi(unsigned *hits, unsigned n) {
    unsigned s = (blockIdx.x * blockDim.x + threadIdx.x) * 2654435761u + 1, count = 0;
    for (unsigned k = 0; k < n; k++) {
        s ^= s << 13; s ^= s >> 17; s ^= s << 5;
        float x = (s >> 8) * 5.9604645e-8f;
        s ^= s << 13; s ^= s >> 17; s ^= s << 5;
        float y = (s >> 8) * 5.9604645e-8f;
        if (__fadd_rn(__fmul_rn(x, x), __fmul_rn(y, y)) < 1) count++;
    }
    for (int k = 16; k; k /= 2) count += __shfl_down_sync(~0u, count, k);
    if ((threadIdx.x & 31) == 0) atomicAdd(hits, count);
}
extern "C" __global__ void walks(int *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, s = i * 747796405u + 2891336453u;
    int x = 0, y = 0, n = 0;
    while (x * x + y * y < 36 && n < 400) {
        s = s * 747796405u + 2891336453u;
        unsigned w = ((s >> ((s >> 28) + 4)) ^ s) * 277803737u;
        switch ((w >> 22 ^ w) & 3) {
            case 0: x++; break;
            case 1: x--; break;
            case 2: y++; break;
            default: y--; if (w & 0x100) continue;
        }
        n++;
    }
    out[i] = n;
}
