// printf with every conversion, order within a thread, assertion and trap.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=single grid=1 block=1
//@ expect-printf: "plain\n"
//@ expect-printf: "int -5 unsigned 7 hex ff octal 17 char A string text\n"
//@ expect-printf: "[   42] [42   ] [00042] [+42] [0x2a]\n"
//@ expect-printf: "float 1.500000 [   2.25] 1.000000e+10 0.0001 percent %\n"
//@ expect-printf: "long -1234567890123 18446744073709551615 deadbeefcafe\n"
//@ expect-printf: "width [    7] [3.14]\n"
//@ run: kernel=many grid=2 block=3
//@ expect-printf: unordered "block 0 thread 0\n"
//@ expect-printf: unordered "block 0 thread 1\n"
//@ expect-printf: unordered "block 0 thread 2\n"
//@ expect-printf: unordered "block 1 thread 0\n"
//@ expect-printf: unordered "block 1 thread 1\n"
//@ expect-printf: unordered "block 1 thread 2\n"
//@ run: kernel=returns grid=1 block=2
//@ arg: out out: s32[2]
//@ expect-printf: "1 2 3\n"
//@ run: kernel=asserts grid=1 block=32
//@ arg: in x: u32[32] = iota
//@ expect-fault: assert
//@ run: kernel=traps grid=2 block=64
//@ arg: u32 70
//@ expect-fault: trap
//@ run: kernel=traps grid=2 block=64
//@ arg: u32 1000
#define CHECK(c) ((c) ? (void)0 : __assertfail(#c, "printing.cu", __LINE__, "asserts", 1))
extern "C" __global__ void single() {
    printf("plain\n");
    printf("int %d unsigned %u hex %x octal %o char %c string %s\n", -5, 7u, 255, 15, 'A', "text");
    printf("[%5d] [%-5d] [%05d] [%+d] [%#x]\n", 42, 42, 42, 42, 42);
    printf("float %f [%7.2f] %e %g percent %%\n", 1.5f, 2.25, 1e10, 0.0001);
    printf("long %lld %llu %llx\n", -1234567890123ll, ~0ull, 0xdeadbeefcafeull);
    printf("width [%*d] [%.*f]\n", 5, 7, 2, 3.14159);
}
extern "C" __global__ void many() { printf("block %d thread %d\n", blockIdx.x, threadIdx.x); }
extern "C" __global__ void returns(int *out) {
    out[threadIdx.x] = -7;
    if (threadIdx.x == 1) out[1] = printf("%d %d %d\n", 1, 2, 3);
}
extern "C" __global__ void asserts(const unsigned *x) { CHECK(x[threadIdx.x] < 31); }
extern "C" __global__ void traps(unsigned limit) {
    if (blockIdx.x * blockDim.x + threadIdx.x >= limit) __trap();
}
