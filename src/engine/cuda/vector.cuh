/* vector.cuh - eight values at a time between memory of any type and f32 registers. A pointer to a vector is a
 * multiple of 16 bytes. Rounding is to nearest even. */
#ifndef SEAM_ENGINE_CUDA_VECTOR_CUH
#define SEAM_ENGINE_CUDA_VECTOR_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#include "engine/cuda/kernels.h"

typedef __nv_bfloat16 bf16;
typedef __half f16;

static __device__ __forceinline__ float to_f32(float v)
{
    return v;
}
static __device__ __forceinline__ float to_f32(f16 v)
{
    return __half2float(v);
}
static __device__ __forceinline__ float to_f32(bf16 v)
{
    return __bfloat162float(v);
}

template <class T> static __device__ __forceinline__ T from_f32(float v);
template <> __device__ __forceinline__ float from_f32<float>(float v)
{
    return v;
}
template <> __device__ __forceinline__ f16 from_f32<f16>(float v)
{
    return __float2half_rn(v);
}
template <> __device__ __forceinline__ bf16 from_f32<bf16>(float v)
{
    return __float2bfloat16_rn(v);
}

static __device__ __forceinline__ void load8(const float *p, float v[8])
{
    const float4 a = *(const float4 *)p, b = *(const float4 *)(p + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
static __device__ __forceinline__ void load8(const bf16 *p, float v[8])
{
    const uint4 a = *(const uint4 *)p;
    const uint32_t w[4] = {a.x, a.y, a.z, a.w};
    for (int i = 0; i < 4; i++) {
        v[2 * i] = __uint_as_float(w[i] << 16);
        v[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
    }
}
static __device__ __forceinline__ void load8(const f16 *p, float v[8])
{
    const uint4 a = *(const uint4 *)p;
    const uint32_t w[4] = {a.x, a.y, a.z, a.w};
    for (int i = 0; i < 4; i++) {
        v[2 * i] = __half2float(__ushort_as_half((unsigned short)w[i]));
        v[2 * i + 1] = __half2float(__ushort_as_half((unsigned short)(w[i] >> 16)));
    }
}

static __device__ __forceinline__ uint32_t two(bf16, float low, float high)
{
    return (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(low)) |
           (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16;
}
static __device__ __forceinline__ uint32_t two(f16, float low, float high)
{
    return (uint32_t)__half_as_ushort(__float2half_rn(low)) |
           (uint32_t)__half_as_ushort(__float2half_rn(high)) << 16;
}

template <class T> static __device__ __forceinline__ void store8(T *p, const float v[8])
{
    const T type = T();
    *(uint4 *)p = make_uint4(two(type, v[0], v[1]), two(type, v[2], v[3]), two(type, v[4], v[5]),
                             two(type, v[6], v[7]));
}
static __device__ __forceinline__ void store8(float *p, const float v[8])
{
    *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
    *(float4 *)(p + 4) = make_float4(v[4], v[5], v[6], v[7]);
}

/* Over `lanes` neighbours, a power of two <= 32: every one gets the sum. */
static __device__ __forceinline__ float lanes_sum(float v, int lanes)
{
    for (int d = lanes / 2; d > 0; d /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, d, lanes);
    return v;
}

static __device__ __forceinline__ float sigmoid(float v)
{
    return 1.0f / (1.0f + expf(-v));
}

static inline cudaError_t launched(void)
{
    return cudaGetLastError();
}

/* Blocks for `n` items, `per` a block; a grid's x takes 2^31 - 1 of them. */
static inline unsigned int blocks_for(uint64_t n, uint64_t per)
{
    return (unsigned int)((n + per - 1) / per);
}

/* Rows of `vectors` vectors for blocks of 256 threads: x along a row, y over rows; no division. */
static inline dim3 row_threads(uint32_t vectors)
{
    unsigned int x = 1;
    while (x < vectors && x < 256)
        x *= 2;
    return dim3(x, 256 / x);
}

/* Call f(T()) with the C++ type of a seam_real. */
#define SEAM_REAL_CALL(type, T, ...)            \
    do {                                        \
        if ((type) == SEAM_REAL_BF16) {         \
            typedef bf16 T;                     \
            __VA_ARGS__;                        \
        } else if ((type) == SEAM_REAL_F16) {   \
            typedef f16 T;                      \
            __VA_ARGS__;                        \
        } else {                                \
            typedef float T;                    \
            __VA_ARGS__;                        \
        }                                       \
    } while (0)

#endif
