/* Gated DeltaNet: convolution, recurrence, gated norm. */
#include <cuda_pipeline.h>

#include "engine/cuda/delta.h"
#include "engine/cuda/vector.cuh"

#define WIDTH 128 /* of a head */
#define LANES 8   /* a column of the state */
#define KEEP  (WIDTH / LANES)
#define COLUMNS 32 /* a block */
#define AHEAD   16 /* tokens read at once */

bool seam_kernel_delta_fits(const struct seam_kernel_delta *d)
{
    return d->width == WIDTH && d->heads_k && d->heads_v % d->heads_k == 0 && d->taps >= 2 &&
           d->taps <= 8;
}

/* The sum over a block of WIDTH threads. */
static __device__ float head_sum(float v)
{
    __shared__ float warp[WIDTH / 32];
    v = lanes_sum(v, 32);
    if (threadIdx.x % 32 == 0)
        warp[threadIdx.x / 32] = v;
    __syncthreads();
    return warp[0] + warp[1] + warp[2] + warp[3];
}

/* A block a token and head. */
static __global__ void __launch_bounds__(WIDTH)
    conv_head(float *y, const float *x, const float *conv, const float *inputs, uint32_t channels,
              uint32_t taps, uint32_t normed, float eps)
{
    const uint32_t token = blockIdx.x, c = blockIdx.y * WIDTH + threadIdx.x;
    float sum = 0;
    for (uint32_t j = 0; j < taps; j++) {
        const uint32_t back = taps - 1 - j; /* tokens ago */
        const float v = back > token ? inputs[c * (taps - 1) + token + j]
                                     : x[(uint64_t)(token - back) * channels + c];
        sum += conv[c * taps + j] * v;
    }
    sum *= sigmoid(sum);
    if (blockIdx.y < normed)
        sum /= fmaxf(sqrtf(head_sum(sum * sum)), eps);
    y[(uint64_t)token * channels + c] = sum;
}

/* inputs [channels][taps - 1] move on by n tokens; after conv_head, which reads them. */
static __global__ void __launch_bounds__(WIDTH)
    conv_state(float *inputs, const float *x, uint32_t n, uint32_t channels, uint32_t taps)
{
    const uint32_t c = blockIdx.x * WIDTH + threadIdx.x, keep = taps - 1;
    for (uint32_t j = 0; j < keep; j++)
        inputs[c * keep + j] = n + j < keep ? inputs[c * keep + n + j]
                                            : x[(uint64_t)(n + j - keep) * channels + c];
}

cudaError_t seam_kernel_delta_conv(float *y, const float *x, const float *conv, float *inputs,
                                   uint32_t n, const struct seam_kernel_delta *d,
                                   cudaStream_t stream)
{
    const uint32_t channels = seam_kernel_delta_channels(d);
    if (!seam_kernel_delta_fits(d))
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    conv_head<<<dim3(n, channels / WIDTH), WIDTH, 0, stream>>>(y, x, conv, inputs, channels, d->taps,
                                                               2 * d->heads_k, d->eps);
    conv_state<<<channels / WIDTH, WIDTH, 0, stream>>>(inputs, x, n, channels, d->taps);
    return launched();
}

/* What all columns of a head need at a token: e^g, beta, k q. A warp each. */
static __global__ void __launch_bounds__(WIDTH)
    gates_of(float4 *gates, const float *y, const float *alpha, const float *b, const float *dt,
             const float *a, uint64_t n, uint32_t heads_k, uint32_t heads_v)
{
    const uint64_t at = (uint64_t)blockIdx.x * (WIDTH / 32) + threadIdx.x / 32;
    const uint32_t lane = threadIdx.x % 32;
    if (at >= n * heads_v)
        return;
    const uint32_t head = (uint32_t)(at % heads_v);
    const float *q = y + at / heads_v * (2 * heads_k + heads_v) * WIDTH + head % heads_k * WIDTH;
    const float4 qq = *(const float4 *)(q + lane * 4);
    const float4 kk = *(const float4 *)(q + heads_k * WIDTH + lane * 4);
    const float kq = lanes_sum(kk.x * qq.x + kk.y * qq.y + kk.z * qq.z + kk.w * qq.w, 32);
    const float in = alpha[at] + dt[head], soft = in > 20.0f ? in : log1pf(expf(in));
    if (lane == 0)
        gates[at] = make_float4(expf(a[head] * soft), sigmoid(b[at]), kq, 0);
}

/* What a block needs of AHEAD tokens, in shared memory. */
struct stage {
    float k[AHEAD][WIDTH], q[AHEAD][WIDTH], v[AHEAD][COLUMNS];
    float4 gate[AHEAD];
};

struct rows { /* in device memory: a head's, of token 0 */
    const float *k, *q, *v;
    const float4 *gate;
    uint32_t channels, heads_v;
};

/* Begin to read tokens [t, t + AHEAD), as far as there are. */
static __device__ void fetch(struct stage *s, const struct rows *r, uint32_t t, uint32_t n)
{
    for (uint32_t i = threadIdx.x; i < AHEAD * WIDTH / 4; i += COLUMNS * LANES) {
        const uint32_t token = i / (WIDTH / 4), at = i % (WIDTH / 4) * 4;
        const uint64_t row = (uint64_t)(t + token) * r->channels + at;
        if (t + token >= n)
            break;
        __pipeline_memcpy_async(&s->k[token][at], r->k + row, 16);
        __pipeline_memcpy_async(&s->q[token][at], r->q + row, 16);
    }
    const uint32_t token = threadIdx.x / (COLUMNS / 4), at = threadIdx.x % (COLUMNS / 4) * 4;
    if (token < AHEAD && t + token < n)
        __pipeline_memcpy_async(&s->v[token][at], r->v + (uint64_t)(t + token) * r->channels + at, 16);
    if (threadIdx.x < AHEAD && t + threadIdx.x < n)
        __pipeline_memcpy_async(&s->gate[threadIdx.x],
                                r->gate + (uint64_t)(t + threadIdx.x) * r->heads_v, 16);
    __pipeline_commit();
}

static __device__ __forceinline__ void read_part(float v[KEEP], const float *from, uint32_t lane)
{
#pragma unroll
    for (int i = 0; i < KEEP; i += 4) {
        const float4 f = *(const float4 *)(from + i * LANES + lane * 4);
        v[i] = f.x, v[i + 1] = f.y, v[i + 2] = f.z, v[i + 3] = f.w;
    }
}

/* One token: with u = e^g S^T, d = beta (v - u k) and o = u q + (k q) d, so that both sums over the lanes run at
 * once. */
static __device__ __forceinline__ float step(float s[KEEP], const struct stage *st, uint32_t token,
                                             uint32_t column, uint32_t lane)
{
    const float4 gate = st->gate[token];
    float kk[KEEP], qq[KEEP], uk[2] = {}, uq[2] = {};
    read_part(kk, st->k[token], lane);
    read_part(qq, st->q[token], lane);
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        s[i] *= gate.x;
        uk[i % 2] += s[i] * kk[i];
        uq[i % 2] += s[i] * qq[i];
    }
    const float k = lanes_sum(uk[0] + uk[1], LANES), q = lanes_sum(uq[0] + uq[1], LANES);
    const float d = gate.y * (st->v[token][column] - k);
#pragma unroll
    for (int i = 0; i < KEEP; i++)
        s[i] += kk[i] * d;
    return q + gate.z * d;
}

/* LANES lanes hold a column of S: lane l values 4 l .. 4 l + 3 of every 4 LANES, so that they read whole lines. */
static __global__ void __launch_bounds__(COLUMNS *LANES)
    rule(float *o, const float *y, const float4 *gates, float *state, uint32_t n, uint32_t heads_k,
         uint32_t heads_v)
{
    __shared__ struct stage stages[2];
    const uint32_t head = blockIdx.y, lane = threadIdx.x % LANES, column = threadIdx.x / LANES;
    const uint32_t first = blockIdx.x * COLUMNS;
    const float *q = y + head % heads_k * WIDTH;
    const struct rows r = {q + heads_k * WIDTH,
                           q,
                           y + (2 * heads_k + head) * WIDTH + first,
                           gates + head,
                           (2 * heads_k + heads_v) * WIDTH,
                           heads_v};
    float *kept = state + ((uint64_t)head * WIDTH + first + column) * WIDTH;
    const float scale = rsqrtf((float)WIDTH);
    float s[KEEP];
    read_part(s, kept, lane);
    fetch(&stages[0], &r, 0, n);
    for (uint32_t t = 0; t < n; t += AHEAD) {
        const struct stage *now = &stages[t / AHEAD % 2];
        fetch(&stages[(t / AHEAD + 1) % 2], &r, t + AHEAD, n);
        __pipeline_wait_prior(1);
        __syncthreads();
#pragma unroll 2
        for (uint32_t i = 0; i < AHEAD && t + i < n; i++) {
            const float out = step(s, now, i, column, lane);
            if (lane == 0)
                o[((uint64_t)(t + i) * heads_v + head) * WIDTH + first + column] = out * scale;
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < KEEP; i += 4)
        *(float4 *)(kept + i * LANES + lane * 4) = make_float4(s[i], s[i + 1], s[i + 2], s[i + 3]);
}

size_t seam_kernel_delta_bytes(uint32_t n, const struct seam_kernel_delta *d)
{
    return (size_t)n * d->heads_v * sizeof(float4);
}

cudaError_t seam_kernel_delta_rule(float *o, const float *y, const float *alpha, const float *b,
                                   const float *dt, const float *a, float *state, void *work,
                                   uint32_t n, const struct seam_kernel_delta *d,
                                   cudaStream_t stream)
{
    if (!seam_kernel_delta_fits(d))
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    gates_of<<<blocks_for((uint64_t)n * d->heads_v, WIDTH / 32), WIDTH, 0, stream>>>(
        (float4 *)work, y, alpha, b, dt, a, n, d->heads_k, d->heads_v);
    rule<<<dim3(WIDTH / COLUMNS, d->heads_v), COLUMNS * LANES, 0, stream>>>(
        o, y, (const float4 *)work, state, n, d->heads_k, d->heads_v);
    return launched();
}

/* A block a token and head. */
static __global__ void __launch_bounds__(WIDTH)
    gated_norm(bf16 *to, const float *o, const bf16 *z, const float *weight, float eps)
{
    const uint64_t i = ((uint64_t)blockIdx.x * gridDim.y + blockIdx.y) * WIDTH + threadIdx.x;
    const float v = o[i], gate = to_f32(z[i]);
    const float scale = 1.0f / sqrtf(head_sum(v * v) / WIDTH + eps);
    to[i] = from_f32<bf16>(v * scale * weight[threadIdx.x] * gate * sigmoid(gate));
}

cudaError_t seam_kernel_delta_out(void *to, const float *o, const void *z, const float *weight,
                                  uint32_t n, const struct seam_kernel_delta *d,
                                  cudaStream_t stream)
{
    if (!seam_kernel_delta_fits(d))
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    gated_norm<<<dim3(n, d->heads_v), WIDTH, 0, stream>>>((bf16 *)to, o, (const bf16 *)z, weight,
                                                          d->eps);
    return launched();
}
