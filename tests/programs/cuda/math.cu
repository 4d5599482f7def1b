// The mathematical library on the device against the host's, single and double.
#include "check.h"

struct Row {
    double v[16];
};
__global__ void functions(const double *x, Row *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double d = x[i];
    float f = (float)d;
    Row r = {{sin(d), cos(d), exp(d), log(d), sqrt(d), pow(d, 1.7), tanh(d), erf(d), sinf(f), cosf(f), expf(f), logf(f), sqrtf(f),
              powf(f, 1.7f), tgamma(d), cbrt(d)}};
    out[i] = r;
}

int main() {
    const int n = 200;
    double x[n], *dx;
    Row rows[n], *dr;
    for (int i = 0; i < n; i++) x[i] = 0.05 * (i + 1);
    CUDA(cudaMalloc(&dx, sizeof x));
    CUDA(cudaMalloc(&dr, sizeof rows));
    CUDA(cudaMemcpy(dx, x, sizeof x, cudaMemcpyHostToDevice));
    functions<<<2, 128>>>(dx, dr, n);
    CUDA(cudaMemcpy(rows, dr, sizeof rows, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) {
        double d = x[i], f = (float)d;
        double expected[16] = {std::sin(d), std::cos(d), std::exp(d), std::log(d), std::sqrt(d), std::pow(d, 1.7), std::tanh(d), std::erf(d),
                               std::sin(f), std::cos(f), std::exp(f), std::log(f), std::sqrt(f), std::pow(f, (double)1.7f), std::tgamma(d), std::cbrt(d)};
        // The programming guide's bounds: at most 10 units in the last place in double, 8 in single precision.
        for (int k = 0; k < 16; k++) {
            bool single = k >= 8 && k < 14;
            double unit = single ? 1.2e-7 : 2.3e-16, scale = std::fmax(std::fabs(expected[k]), k == 3 || k == 11 ? 0.01 : 0.1);
            EXPECT(std::fabs(rows[i].v[k] - expected[k]) <= 10 * unit * scale);
        }
    }
    return ok();
}
