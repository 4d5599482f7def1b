// The smallest useful kernel, with a tail.
//@ compile: compute_75 compute_80 compute_90 nvrtc12:compute_50 nvrtc12:compute_61
//@ run: kernel=saxpy grid=4 block=100
//@ arg: u32 390
//@ arg: f32 1.5
//@ arg: in x: f32[390] = random(1)
//@ arg: inout y: f32[390] = random(2)
//@ numpy: y = (np.float64(1.5) * x + y).astype(np.float32)
//@ run: kernel=saxpy grid=1 block=1
//@ arg: u32 1
//@ arg: f32 2
//@ arg: in x: f32[2] = 3 4
//@ arg: inout y: f32[2] = 10 20
//@ numpy: y = np.float32([16, 20])
extern "C" __global__ void saxpy(unsigned n, float a, const float *x, float *y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
