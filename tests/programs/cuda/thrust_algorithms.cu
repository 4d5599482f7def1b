// Thrust, which compiles into the program: reduce, scan, transform, count.
#include <thrust/count.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/transform.h>
#include <algorithm>
#include <numeric>
#include "check.h"

int main() {
    const int n = 10000;
    std::vector<int> host(n);
    for (int i = 0; i < n; i++) host[i] = (i * 7919) % 1009;
    thrust::device_vector<int> v(host.begin(), host.end());
    EXPECT(thrust::reduce(v.begin(), v.end()) == std::accumulate(host.begin(), host.end(), 0));
    thrust::device_vector<int> sums(n);
    thrust::inclusive_scan(v.begin(), v.end(), sums.begin());
    std::vector<int> expected(n), back(n);
    std::partial_sum(host.begin(), host.end(), expected.begin());
    thrust::copy(sums.begin(), sums.end(), back.begin());
    EXPECT(back == expected);
    thrust::transform(v.begin(), v.end(), sums.begin(), v.begin(), thrust::plus<int>());
    thrust::copy(v.begin(), v.end(), back.begin());
    for (int i = 0; i < n; i++) EXPECT(back[i] == host[i] + expected[i]);
    EXPECT(thrust::count(v.begin(), v.end(), back[5]) == std::count(back.begin(), back.end(), back[5]));
    return ok();
}
