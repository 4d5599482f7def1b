/* What calls of the driver API cost: the median over batches of the time per call, as JSON. A batch of launches or records is
 * followed by a wait that is not counted. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N_BATCHES = 101, N_CALLS = 200 };

static const char *PTX =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry nothing(.param .u64 x, .param .u32 n)\n{\nret;\n}\n";

static void *driver;

static void *find(const char *name)
{
    void *address = dlsym(driver, name);
    if (!address) {
        fprintf(stderr, "the driver has no %s\n", name);
        exit(1);
    }
    return address;
}

static void check(int status, const char *what)
{
    if (status) {
        fprintf(stderr, "%s returned %d\n", what, status);
        exit(1);
    }
}

#define CALL(name, types, ...) check(((int (*) types)name)(__VA_ARGS__), #name)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec * 1e-3;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, N_BATCHES, sizeof *times, rising);
    return times[N_BATCHES / 2] / N_CALLS;
}

int main(void)
{
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void *init = find("cuInit"), *retain = find("cuDevicePrimaryCtxRetain"), *set = find("cuCtxSetCurrent");
    void *load = find("cuModuleLoadData"), *get = find("cuModuleGetFunction"), *launch = find("cuLaunchKernel");
    void *alloc = find("cuMemAlloc_v2"), *release = find("cuMemFree_v2"), *synchronize = find("cuStreamSynchronize");
    void *create_event = find("cuEventCreate"), *record = find("cuEventRecord"), *create_stream = find("cuStreamCreate");
    void *context, *module, *function, *event, *stream;
    CALL(init, (unsigned), 0);
    CALL(retain, (void **, int), &context, 0);
    CALL(set, (void *), context);
    CALL(load, (void **, const char *), &module, PTX);
    CALL(get, (void **, void *, const char *), &function, module, "nothing");
    CALL(create_event, (void **, unsigned), &event, 0);
    CALL(create_stream, (void **, unsigned), &stream, 1);

    static double alloc_free[N_BATCHES], launches[N_BATCHES], records[N_BATCHES];
    static uint64_t memory[N_CALLS];
    uint64_t x = 0;
    unsigned n = 0;
    void *args[] = {&x, &n};
    for (int batch = 0; batch < N_BATCHES; batch++) {
        double start = now();
        for (int i = 0; i < N_CALLS; i++)
            CALL(alloc, (uint64_t *, size_t), &memory[i], 4096);
        for (int i = 0; i < N_CALLS; i++)
            CALL(release, (uint64_t), memory[i]);
        alloc_free[batch] = (now() - start) / 2;

        start = now();
        for (int i = 0; i < N_CALLS; i++)
            CALL(launch, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **),
                 function, 1, 1, 1, 32, 1, 1, 0, stream, args, 0);
        launches[batch] = now() - start;
        CALL(synchronize, (void *), stream);

        start = now();
        for (int i = 0; i < N_CALLS; i++)
            CALL(record, (void *, void *), event, stream);
        records[batch] = now() - start;
        CALL(synchronize, (void *), stream);
    }
    printf("{\"alloc_free\": %.3f, \"launch\": %.3f, \"record\": %.3f}\n", median(alloc_free), median(launches),
           median(records));
    return 0;
}
