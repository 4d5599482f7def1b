// Device malloc and free: linked lists, arrays of different sizes, memory that outlives the block.
//@ run: kernel=lists grid=2 block=40
//@ arg: out out: u32[80]
//@ numpy: out = np.uint32([sum(k * k + i for k in range(i % 9)) for i in range(80)])
//@ run: kernel=sizes grid=1 block=64
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([1] * 64)
struct Node { unsigned value; Node *next; };
extern "C" __global__ void lists(unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    Node *head = nullptr;
    for (unsigned k = 0; k < i % 9; k++) {
        Node *n = (Node *)malloc(sizeof(Node));
        n->value = k * k + i;
        n->next = head;
        head = n;
    }
    unsigned sum = 0;
    while (head) { sum += head->value; Node *next = head->next; free(head); head = next; }
    out[i] = sum;
}
extern "C" __global__ void sizes(unsigned *out) {
    unsigned t = threadIdx.x, n = 1 + t * 13, ok = 1;
    unsigned char *p = (unsigned char *)malloc(n);
    if (((unsigned long long)p & 15) != 0) ok = 2;
    for (unsigned k = 0; k < n; k++) p[k] = (unsigned char)(k + t);
    __syncthreads();
    for (unsigned k = 0; k < n; k++) if (p[k] != (unsigned char)(k + t)) ok = 3;
    free(p);
    free(nullptr);
    out[t] = ok;
}
