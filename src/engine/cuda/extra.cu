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

/* A row is a block's: first the factor, then the row. */
static __global__ void scale_rows(__nv_bfloat162 *act, const __nv_bfloat162 *h, const float2 *w,
                                  uint32_t pairs, uint32_t pairs_h)
{
    __shared__ float warp[THREADS / 32];
    float sum = 0;
    h += (uint64_t)blockIdx.x * pairs_h;
    act += (uint64_t)blockIdx.x * pairs;
    for (uint32_t i = threadIdx.x; i < pairs_h; i += THREADS) {
        const float2 v = __bfloat1622float2(h[i]);
        sum += v.x * w[i].x + v.y * w[i].y;
    }
    for (int lanes = 16; lanes; lanes /= 2)
        sum += __shfl_xor_sync(~0u, sum, lanes);
    if (threadIdx.x % 32 == 0)
        warp[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (uint32_t i = 0; i < THREADS / 32; i++)
        sum += warp[i];
    const float factor = 1.0f / (1.0f + expf(-sum));
    for (uint32_t i = threadIdx.x; i < pairs; i += THREADS) {
        const float2 v = __bfloat1622float2(act[i]);
        act[i] = __float22bfloat162_rn(make_float2(v.x * factor, v.y * factor));
    }
}

cudaError_t seam_kernel_scale_rows(void *act, const void *h, const float *w, uint32_t n,
                                   uint32_t width, uint32_t n_embd, cudaStream_t stream)
{
    if (width % 2 || n_embd % 2)
        return cudaErrorInvalidValue;
    if (n)
        scale_rows<<<n, THREADS, 0, stream>>>((__nv_bfloat162 *)act, (const __nv_bfloat162 *)h,
                                              (const float2 *)w, width / 2, n_embd / 2);
    return cudaGetLastError();
}
