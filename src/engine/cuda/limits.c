/* limits.c - what the device can do, in the arena of an engine that stands still. */
#include "engine/cuda/cuda.h"

#define REPEATS 5

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Seconds a call of `once`, the mean of some after one that is not timed. */
static double time_of(struct seam_accel *a, void (*once)(struct seam_accel *a, uint64_t n),
                      uint64_t n)
{
    cudaEvent_t begin, end;
    float ms = 0;
    seam_cuda_did(a, cudaEventCreate(&begin), "open events");
    seam_cuda_did(a, cudaEventCreate(&end), "open events");
    for (int i = 0; i <= REPEATS && seam_cuda_ok(a); i++) {
        if (i == 1)
            seam_cuda_did(a, cudaEventRecord(begin, a->main), "time");
        once(a, n);
    }
    seam_cuda_did(a, cudaEventRecord(end, a->main), "time");
    seam_cuda_did(a, cudaEventSynchronize(end), "time");
    if (seam_cuda_ok(a))
        seam_cuda_did(a, cudaEventElapsedTime(&ms, begin, end), "time");
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return ms / 1e3 / REPEATS;
}

/* Two operands of n x n and a result behind each other from the arena's start. */
static void multiply(struct seam_accel *a, uint64_t n)
{
    uint16_t *v = (uint16_t *)(void *)a->arena;
    const struct seam_cuda_product m = {.out = v + 2 * n * n,
                                        .out_row = n,
                                        .x = v,
                                        .x_row = n,
                                        .w = v + n * n,
                                        .w_row = n,
                                        .rows = (uint32_t)n,
                                        .n = (uint32_t)n,
                                        .k = (uint32_t)n};
    seam_cuda_product(a, SEAM_STAGE_DENSE, &m);
}

static void attend(struct seam_accel *a, uint64_t n)
{
    struct seam_attention *plan = seam_cuda_plan(a, (uint32_t)n, (uint32_t)n);
    struct seam_err err = {0};
    if (plan && seam_attention_run(plan, a->at.q, a->at.k, a->at.v ? a->at.v : a->at.k, a->at.o,
                                   a->at.stats, a->dnn_workspace, &err) != SEAM_OK)
        a->failed = err;
}

static void copy_within(struct seam_accel *a, uint64_t bytes)
{
    seam_cuda_did(a,
                  cudaMemcpyAsync(a->arena + bytes, a->arena, bytes, cudaMemcpyDeviceToDevice,
                                  a->main),
                  "copy");
}

static void *host; /* one measurement at a time */

static void copy_in(struct seam_accel *a, uint64_t bytes)
{
    seam_cuda_did(a, cudaMemcpyAsync(a->arena, host, bytes, cudaMemcpyHostToDevice, a->main),
                  "copy");
}

/* Random bf16 of about +-1 over the whole arena: products of zeros are faster than real ones. */
static void fill_random(struct seam_accel *a, uint64_t bytes)
{
    uint16_t *v = host;
    uint64_t x = 88172645463325252u;
    for (uint64_t i = 0; i < bytes / 2; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        v[i] = (uint16_t)(0x3f00u | (x & 0x80ffu));
    }
    for (uint64_t at = 0, n; at < a->memory.total; at += n) {
        n = least(bytes, a->memory.total - at);
        seam_cuda_did(a, cudaMemcpyAsync(a->arena + at, v, n, cudaMemcpyHostToDevice, a->main),
                      "fill");
    }
    /* the codebooks lie in the arena, too */
    struct seam_kernel_grids *grids = host;
    seam_cuda_did(a, cudaStreamSynchronize(a->main), "fill");
    if (seam_kernel_grids_make(grids))
        seam_cuda_did(a, cudaMemcpy(a->grids, grids, sizeof *grids, cudaMemcpyHostToDevice),
                      "copy codebooks");
}

seam_status seam_cuda_measure(struct seam_accel *a, uint32_t n, struct seam_accel_limits *l,
                              struct seam_err *err)
{
    const struct seam_hparams *hp = a->hp;
    const uint64_t bytes = least(256u << 20, a->memory.total / 4);
    uint64_t side = 8192;
    while (3 * side * side * 2 > a->memory.total)
        side /= 2;
    n = (uint32_t)least(n, a->cut.n_query);
    if (!seam_cuda_did(a, cudaMallocHost(&host, bytes), "take pinned memory"))
        return seam_cuda_told(a, err);
    double heads = hp->mla ? a->cut.heads : hp->n_head;
    double pairs = (double)n * (n + 1) / 2;
    l->device_rate = 2 * (double)bytes / time_of(a, copy_within, bytes);
    l->copy_rate = (double)bytes / time_of(a, copy_in, bytes);
    fill_random(a, least(bytes, 32u << 20));
    l->matmul_flops = 2.0 * (double)side * (double)side * (double)side / time_of(a, multiply, side);
    l->attend_flops = 2 * pairs * heads * (hp->d_head + hp->d_v) / time_of(a, attend, n);
    cudaFreeHost(host);
    return seam_cuda_told(a, err);
}
