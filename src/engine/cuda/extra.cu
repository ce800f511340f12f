#include "engine/cuda/extra.h"

#include <cuda_bf16.h>

static const unsigned THREADS = 256;

static unsigned blocks_for(uint64_t n)
{
    const uint64_t blocks = (n + THREADS - 1) / THREADS;
    return (unsigned)(blocks < 65536 ? blocks : 65536);
}

static __global__ void halves(__nv_bfloat162 *high, __nv_bfloat162 *low, const float2 *x,
                              uint64_t n)
{
    const uint64_t step = (uint64_t)gridDim.x * blockDim.x;
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
        const float2 v = x[i];
        const __nv_bfloat162 h = __float22bfloat162_rn(v);
        const float2 near = __bfloat1622float2(h);
        high[i] = h;
        low[i] = __float22bfloat162_rn(make_float2(v.x - near.x, v.y - near.y));
    }
}

cudaError_t seam_kernel_halves(void *high, void *low, const float *x, uint64_t n,
                               cudaStream_t stream)
{
    if (n % 8)
        return cudaErrorInvalidValue;
    if (n)
        halves<<<blocks_for(n / 2), THREADS, 0, stream>>>(
            (__nv_bfloat162 *)high, (__nv_bfloat162 *)low, (const float2 *)x, n / 2);
    return cudaGetLastError();
}

/* A row is a block's: rows of embeddings are a few kilobytes. */
static __global__ void pick(uint16_t *to, const uint16_t *from, const int32_t *id, uint64_t width)
{
    const uint16_t *row = from + (uint64_t)id[blockIdx.x] * width;
    for (uint64_t i = threadIdx.x; i < width; i += blockDim.x)
        to[blockIdx.x * width + i] = row[i];
}

cudaError_t seam_kernel_pick(void *to, const void *from, const int32_t *id, uint32_t n,
                             uint64_t bytes, cudaStream_t stream)
{
    if (bytes % 2)
        return cudaErrorInvalidValue;
    if (n)
        pick<<<n, THREADS, 0, stream>>>((uint16_t *)to, (const uint16_t *)from, id, bytes / 2);
    return cudaGetLastError();
}
