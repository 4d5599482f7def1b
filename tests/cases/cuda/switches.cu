// Dense switches become brx.idx, sparse ones trees.
//@ compile: compute_80 compute_90
//@ run: kernel=dense grid=1 block=96
//@ arg: in x: u32[96] = random(5)
//@ arg: out out: u32[96]
//@ run: kernel=interpreter grid=2 block=64
//@ arg: in code: u32[128] = random(6, 0, 65536)
//@ arg: out out: s32[128]
extern "C" __global__ void dense(const unsigned *x, unsigned *out) {
    unsigned v = x[threadIdx.x], r;
    switch (v % 13) {
        case 0: r = v * 3; break;
        case 1: r = v ^ 0x5555; break;
        case 2: r = v / 7; break;
        case 3: r = v % 11; // falls through
        case 4: r = v << 3; break;
        case 5: r = __popc(v); break;
        case 6: r = __clz(v); break;
        case 7: r = __brev(v); break;
        case 8: r = v - 1; break;
        case 9: r = ~v; break;
        case 10: r = v * v; break;
        case 11: r = v + 0x1234; break;
        default: r = 42; break;
    }
    switch (v % 1000) { case 7: r++; break; case 500: r--; break; case 923: r = 0; break; default: r ^= 1; }
    out[threadIdx.x] = r;
}
extern "C" __global__ void interpreter(const unsigned *code, int *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    int stack[8] = {1, 2, 3, 4, 5, 6, 7, 8}, top = 3;
    for (int pc = 0; pc < 20; pc++) {
        unsigned op = (code[(i + pc) % 128] >> (pc & 7)) & 15;
        switch (op) {
            case 0: stack[top & 7] += stack[(top - 1) & 7]; break;
            case 1: stack[top & 7] -= stack[(top - 1) & 7]; break;
            case 2: stack[top & 7] *= 3; break;
            case 3: top++; break;
            case 4: top--; break;
            case 5: stack[top & 7] = -stack[top & 7]; break;
            case 6: stack[top & 7] ^= pc; break;
            case 7: if (stack[top & 7] > 100) pc += 2; break;
            case 8: stack[top & 7] >>= 1; break;
            case 9: stack[(top + 3) & 7] = stack[top & 7]; break;
            case 10: top = stack[top & 7] & 7; break;
            case 11: stack[top & 7] = top; break;
            case 12: stack[top & 7] %= 17; break;
            case 13: stack[top & 7] |= 5; break;
            case 14: goto done;
            default: stack[0] += op; break;
        }
    }
done:
    int r = 0;
    for (int k = 0; k < 8; k++) r = r * 31 + stack[k];
    out[i] = r;
}
