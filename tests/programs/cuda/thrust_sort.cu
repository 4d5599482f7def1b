// Thrust's sorts and `unique`, whose kernels are the largest that Thrust has.
#include <thrust/device_vector.h>
#include <thrust/sort.h>
#include <thrust/unique.h>
#include <algorithm>
#include "check.h"

int main() {
    unsigned state = 1;
    auto next = [&] { return state = state * 1664525u + 1013904223u; };

    std::vector<unsigned> host(200000);
    for (auto& x : host) x = next() >> 12;
    thrust::device_vector<unsigned> v(host.begin(), host.end());
    thrust::sort(v.begin(), v.end());
    std::sort(host.begin(), host.end());
    std::vector<unsigned> back(host.size());
    thrust::copy(v.begin(), v.end(), back.begin());
    EXPECT(back == host);

    auto end = thrust::unique(v.begin(), v.end());
    host.erase(std::unique(host.begin(), host.end()), host.end());
    back.resize(end - v.begin());
    thrust::copy(v.begin(), end, back.begin());
    EXPECT(back == host);

    std::vector<float> keys(50000);
    std::vector<int> order(keys.size());
    for (size_t i = 0; i < keys.size(); i++) {
        // Few different keys, so that stability shows.
        keys[i] = (int(next() >> 20) - 2048) / 16 * 0.5f;
        order[i] = int(i);
    }
    thrust::device_vector<float> k(keys.begin(), keys.end());
    thrust::device_vector<int> o(order.begin(), order.end());
    thrust::stable_sort_by_key(k.begin(), k.end(), o.begin());
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return keys[a] < keys[b]; });
    std::vector<int> found(order.size());
    thrust::copy(o.begin(), o.end(), found.begin());
    EXPECT(found == order);
    return ok();
}
