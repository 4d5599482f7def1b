// Managed memory: one pointer for host and device, and a managed variable.
#include "check.h"

__managed__ int total = 5;
__device__ __managed__ float table[4] = {1, 2, 3, 4};

struct Node {
    int value;
    Node *next;
};

__global__ void sum(Node *node) {
    int s = 0;
    for (; node; node = node->next) s += node->value;
    total += s;
    table[0] = table[1] + table[2];
}

int main() {
    EXPECT(total == 5 && table[3] == 4);
    Node *nodes;
    CUDA(cudaMallocManaged(&nodes, 100 * sizeof(Node)));
    for (int i = 0; i < 100; i++) nodes[i] = {i, i < 99 ? &nodes[i + 1] : nullptr};
    sum<<<1, 1>>>(nodes);
    CUDA(cudaDeviceSynchronize());
    EXPECT(total == 5 + 4950);
    EXPECT(table[0] == 5);
    cudaPointerAttributes attributes;
    CUDA(cudaPointerGetAttributes(&attributes, nodes));
    EXPECT(attributes.type == cudaMemoryTypeManaged);
    EXPECT(attributes.hostPointer == nodes && attributes.devicePointer == nodes);
    CUDA(cudaPointerGetAttributes(&attributes, &attributes));
    EXPECT(attributes.type == cudaMemoryTypeUnregistered);
    CUDA(cudaFree(nodes));
    return ok();
}
