/* The residual stream and what lies between the products of attention: norms, rope, rows. */
#include "engine/cuda/vector.cuh"

#define THREADS 256

/* ---- conversion, sums ---- */

template <class To, class From>
static __global__ void __launch_bounds__(THREADS) convert(To *to, const From *from, uint64_t n)
{
    const uint64_t i = ((uint64_t)blockIdx.x * THREADS + threadIdx.x) * 8;
    float v[8];
    if (i + 8 <= n) {
        load8(from + i, v);
        store8(to + i, v);
        return;
    }
    for (uint64_t j = i; j < n; j++)
        to[j] = from_f32<To>(to_f32(from[j]));
}

cudaError_t seam_kernel_convert(void *to, enum seam_real to_type, const void *from,
                                enum seam_real from_type, uint64_t n, cudaStream_t stream)
{
    if (!n)
        return cudaSuccess;
    SEAM_REAL_CALL(to_type, To,
                   SEAM_REAL_CALL(from_type, From,
                                  convert<<<blocks_for(n, THREADS * 8), THREADS, 0, stream>>>(
                                      (To *)to, (const From *)from, n)));
    return launched();
}

/* o *= sigmoid(gate): o packed, gate in rows of its own strides. */
static __global__ void gate_rows(bf16 *o, const bf16 *gate, uint64_t gate_token, uint64_t gate_head,
                                 uint64_t rows, uint32_t heads, uint32_t width)
{
    const uint64_t row = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows)
        return;
    const uint32_t token = (uint32_t)row / heads, head = (uint32_t)row % heads;
    const bf16 *from = gate + token * gate_token + head * gate_head;
    for (uint32_t i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        float a[8], b[8];
        load8(o + row * width + i, a);
        load8(from + i, b);
        for (int j = 0; j < 8; j++)
            a[j] *= sigmoid(b[j]);
        store8(o + row * width + i, a);
    }
}

cudaError_t seam_kernel_gate(void *o, const void *gate, uint64_t gate_token, uint64_t gate_head,
                             uint32_t n, uint32_t heads, uint32_t width, cudaStream_t stream)
{
    const uint64_t rows = (uint64_t)n * heads;
    if (!heads || width % 8 || (gate_token | gate_head) % 8 || rows > INT32_MAX)
        return cudaErrorInvalidValue;
    if (!rows || !width)
        return cudaSuccess;
    const dim3 threads = row_threads(width / 8);
    gate_rows<<<blocks_for(rows, threads.y), threads, 0, stream>>>(
        (bf16 *)o, (const bf16 *)gate, gate_token, gate_head, rows, heads, width);
    return launched();
}

/* ---- RMSNorm ---- */

/* The sum over a block of up to 256 threads, the same for all. */
static __device__ float block_sum(float v)
{
    __shared__ float warp[THREADS / 32];
    v = lanes_sum(v, 32);
    if (blockDim.x <= 32)
        return v;
    if (threadIdx.x % 32 == 0)
        warp[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (uint32_t i = 0; i < blockDim.x / 32; i++)
        v += warp[i];
    return v;
}

/* A block a row; a thread keeps its ROUNDS vectors in registers between the sum and the product. */
template <int ROUNDS, class X>
static __global__ void __launch_bounds__(THREADS)
    norm(bf16 *to_bf16, float *to_f32, X *x, uint64_t x_row, const bf16 *y, const float *weight,
         float eps, uint32_t width)
{
    const uint64_t row = blockIdx.x;
    float v[ROUNDS][8], sum = 0;
    x += row * x_row;
#pragma unroll
    for (int r = 0; r < ROUNDS; r++) {
        const uint32_t i = (r * blockDim.x + threadIdx.x) * 8;
        if (i < width)
            load8(x + i, v[r]);
        if (i < width && y) {
            float b[8];
            load8(y + row * width + i, b);
            for (int j = 0; j < 8; j++)
                v[r][j] += b[j];
            store8(x + i, v[r]);
        }
        for (int j = 0; j < 8; j++)
            sum += i < width ? v[r][j] * v[r][j] : 0;
    }
    const float scale = 1.0f / sqrtf(block_sum(sum) / (float)width + eps);
#pragma unroll
    for (int r = 0; r < ROUNDS; r++) {
        const uint32_t i = (r * blockDim.x + threadIdx.x) * 8;
        float w[8];
        if (i >= width)
            break;
        load8(weight + i, w);
        for (int j = 0; j < 8; j++)
            w[j] *= v[r][j] * scale;
        if (to_bf16)
            store8(to_bf16 + row * width + i, w);
        if (to_f32)
            store8(to_f32 + row * width + i, w);
    }
}

cudaError_t seam_kernel_norm(void *to_bf16, float *to_f32, void *x, enum seam_real x_type,
                             uint64_t x_row, const void *y, const float *weight, float eps,
                             uint32_t n, uint32_t width, cudaStream_t stream)
{
    if (!width || width % 8 || width > 16384 || x_row % 8 || (!to_bf16 && !to_f32) ||
        x_type == SEAM_REAL_F16 || (y && x_type != SEAM_REAL_F32))
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    const uint32_t vectors = width / 8;
    const uint32_t threads = vectors < THREADS ? (vectors + 31) / 32 * 32 : THREADS;
    const uint32_t rounds = (vectors + threads - 1) / threads;
#define NORM(ROUNDS, X)                                                                        \
    norm<ROUNDS, X><<<n, threads, 0, stream>>>((bf16 *)to_bf16, to_f32, (X *)x, x_row,         \
                                               (const bf16 *)y, weight, eps, width)
#define NORMS(X) rounds <= 1 ? NORM(1, X) : rounds <= 2 ? NORM(2, X) : rounds <= 4 ? NORM(4, X) : NORM(8, X)
    if (x_type == SEAM_REAL_F32)
        NORMS(float);
    else
        NORMS(bf16);
    return launched();
}

/* ---- rope ---- */

/* As ggml's CPU backend: the angle by repeated products in f32, YaRN's mix of two frequencies. */
struct yarn {
    float theta_scale, freq_scale, ext_factor, magnitude, low, high;
};

static __global__ void turns_of(float2 *turns, uint32_t pos, uint32_t n, uint32_t pairs,
                                struct yarn y, const float *factors)
{
    const uint64_t i = (uint64_t)blockIdx.x * THREADS + threadIdx.x;
    const uint32_t token = (uint32_t)(i / pairs), pair = (uint32_t)(i % pairs);
    if (token >= n)
        return;
    float theta = (float)(pos + token);
    for (uint32_t k = 0; k < pair; k++)
        theta = __fmul_rn(theta, y.theta_scale);
    if (factors)
        theta = __fdiv_rn(theta, factors[pair]);
    float angle = __fmul_rn(y.freq_scale, theta);
    if (y.ext_factor != 0.0f) {
        const float at = ((float)pair - y.low) / fmaxf(0.001f, y.high - y.low);
        const float mix = (1.0f - fminf(1.0f, fmaxf(0.0f, at))) * y.ext_factor;
        angle = __fadd_rn(__fmul_rn(angle, 1.0f - mix), __fmul_rn(theta, mix));
    }
    turns[i] = make_float2(cosf(angle) * y.magnitude, sinf(angle) * y.magnitude);
}

/* The pair whose wavelength makes `beta` turns over the original context. */
static float yarn_pair(const struct seam_kernel_rope *r, float beta)
{
    return (float)r->n_rope * logf((float)r->n_ctx_orig / (beta * 2 * (float)M_PI)) /
           (2 * logf(r->base));
}

cudaError_t seam_kernel_turns(float *turns, uint32_t pos, uint32_t n,
                              const struct seam_kernel_rope *r, const float *factors,
                              cudaStream_t stream)
{
    struct yarn y = {powf(r->base, -2.0f / (float)r->n_rope), r->freq_scale, r->ext_factor,
                     r->attn_factor, 0, 0};
    if (!r->n_rope || r->n_rope % 2)
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    if (r->ext_factor != 0.0f) {
        y.low = fmaxf(0, floorf(yarn_pair(r, r->beta_fast)));
        y.high = fminf((float)r->n_rope - 1, ceilf(yarn_pair(r, r->beta_slow)));
        y.magnitude *= 1.0f + 0.1f * logf(1.0f / r->freq_scale);
    }
    turns_of<<<blocks_for((uint64_t)n * (r->n_rope / 2), THREADS), THREADS, 0, stream>>>(
        (float2 *)turns, pos, n, r->n_rope / 2, y, factors);
    return launched();
}

/* Value e of a head whose values lie in s, turned if rope reaches it. */
static __device__ float turned(const float *s, uint32_t e, const float2 *turn, uint32_t first,
                               uint32_t n_rope, bool neox)
{
    const uint32_t r = e - first, half = n_rope / 2;
    if (e < first || r >= n_rope)
        return s[e];
    const bool second = neox ? r >= half : r & 1;
    const uint32_t pair = neox ? (second ? r - half : r) : r / 2, apart = neox ? half : 1;
    const float2 t = turn[pair];
    return second ? s[e - apart] * t.y + s[e] * t.x : s[e] * t.x - s[e + apart] * t.y;
}

/* Values [e, e + 8) of a head. Vectors that rope covers whole take their turns as vectors. */
static __device__ void turned8(const float *s, uint32_t e, const float2 *turn, uint32_t first,
                               uint32_t n_rope, bool neox, float v[8])
{
    const uint32_t r = e - first, half = n_rope / 2;
    const bool whole = e >= first && r % 8 == 0 && r + 8 <= n_rope;
    if (e + 8 <= first || (e >= first && r >= n_rope)) {
        load8(s + e, v);
    } else if (whole && !neox) {
        float x[8], t[8];
        load8(s + e, x);
        load8((const float *)(turn + r / 2), t);
        for (int j = 0; j < 8; j += 2) {
            v[j] = x[j] * t[j] - x[j + 1] * t[j + 1];
            v[j + 1] = x[j] * t[j + 1] + x[j + 1] * t[j];
        }
    } else if (whole && half % 8 == 0) {
        const bool second = r >= half;
        const float *t = (const float *)(turn + (second ? r - half : r));
        float x[8], other[8], low[8], high[8];
        load8(s + e, x);
        load8(second ? s + e - half : s + e + half, other);
        load8(t, low);
        load8(t + 8, high);
        for (int j = 0; j < 8; j++) {
            const float c = j < 4 ? low[2 * j] : high[2 * j - 8];
            const float w = j < 4 ? low[2 * j + 1] : high[2 * j - 7];
            v[j] = second ? other[j] * w + x[j] * c : x[j] * c - other[j] * w;
        }
    } else {
        for (int j = 0; j < 8; j++)
            v[j] = turned(s, e + j, turn, first, n_rope, neox);
    }
}

/* LANES lanes a head, so that a warp takes 32 / LANES of them. The values of a head meet in shared memory. */
template <int LANES, class To, class From>
static __global__ void __launch_bounds__(THREADS) heads_of(struct seam_kernel_heads h)
{
    extern __shared__ float4 staged[];
    const uint32_t lane = threadIdx.x % LANES;
    const uint32_t row = blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
    const bool any = row < h.n * h.heads;
    const uint32_t token = any ? row / h.heads : 0, head = any ? row - token * h.heads : 0;
    const From *from = (const From *)h.from + token * h.from_token + head * h.from_head;
    To *to = (To *)h.to + token * h.to_token + head * h.to_head;
    float *s = (float *)staged + threadIdx.x / LANES * h.width, sum = 0, v[8], w[8];
    for (uint32_t i = lane * 8; any && i < h.width; i += LANES * 8) {
        load8(from + i, v);
        store8(s + i, v);
        for (int j = 0; j < 8; j++)
            sum += v[j] * v[j];
    }
    if (h.weight) {
        const float scale = 1.0f / sqrtf(lanes_sum(sum, LANES) / (float)h.width + h.eps);
        for (uint32_t i = lane * 8; any && i < h.width; i += LANES * 8) {
            load8(s + i, v);
            load8(h.weight + i, w);
            for (int j = 0; j < 8; j++)
                v[j] *= scale * w[j];
            store8(s + i, v);
        }
    }
    __syncwarp();
    const float2 *turn = (const float2 *)h.turns + (uint64_t)token * (h.n_rope / 2);
    for (uint32_t i = lane * 8; any && i < h.width; i += LANES * 8) {
        turned8(s, i, turn, h.rope_first, h.n_rope, h.neox, v);
        store8(to + i, v);
    }
}

template <class To, class From>
static void heads_launch(const struct seam_kernel_heads *h, cudaStream_t stream)
{
    const uint64_t rows = (uint64_t)h->n * h->heads;
    const uint32_t vectors = h->width / 8;
#define HEADS(LANES)                                                                           \
    heads_of<LANES, To, From><<<blocks_for(rows, THREADS / LANES), THREADS,                    \
                                THREADS / LANES * h->width * sizeof(float), stream>>>(*h)
    if (vectors <= 8)
        HEADS(8);
    else if (vectors <= 16)
        HEADS(16);
    else
        HEADS(32);
}

cudaError_t seam_kernel_heads(const struct seam_kernel_heads *given, cudaStream_t stream)
{
    struct seam_kernel_heads h = *given;
    if (!h.turns || !h.n_rope)
        h.n_rope = 0, h.rope_first = 0;
    if (!h.width || h.width % 8 || h.width > 1024 || h.n_rope % 2 ||
        (uint64_t)h.rope_first + h.n_rope > h.width ||
        (h.to_token | h.to_head | h.from_token | h.from_head) % 8 ||
        (uint64_t)h.n * h.heads > INT32_MAX)
        return cudaErrorInvalidValue;
    if (!h.n || !h.heads)
        return cudaSuccess;
    /* In place, what rope does not reach is there already. */
    if (h.to == h.from && h.to_type == h.from_type && !h.weight && h.rope_first % 8 == 0 &&
        h.n_rope && h.n_rope % 8 == 0) {
        const uint64_t skip = h.rope_first * seam_real_bytes(h.to_type);
        h.to = (uint8_t *)h.to + skip;
        h.from = (const uint8_t *)h.from + skip;
        h.width = h.n_rope;
        h.rope_first = 0;
    }
    SEAM_REAL_CALL(h.to_type, To,
                   SEAM_REAL_CALL(h.from_type, From, heads_launch<To, From>(&h, stream)));
    return launched();
}

/* ---- MLA: all of it is heads ---- */

cudaError_t seam_kernel_mla_rows(void *rows, enum seam_real kv_type, const void *c,
                                 enum seam_real c_type, uint64_t c_row, const float *weight,
                                 float eps, const float *turns, bool neox, uint32_t n,
                                 uint32_t kv_lora, uint32_t d_rope, cudaStream_t stream)
{
    struct seam_kernel_heads h = {};
    h.to = rows, h.to_type = kv_type, h.to_token = kv_lora + d_rope;
    h.from = c, h.from_type = c_type, h.from_token = c_row;
    h.n = n, h.heads = 1, h.width = kv_lora;
    h.weight = weight, h.eps = eps;
    const cudaError_t e = seam_kernel_heads(&h, stream);
    if (e != cudaSuccess)
        return e;
    h.to = (uint8_t *)rows + kv_lora * seam_real_bytes(kv_type);
    h.from = (const uint8_t *)c + kv_lora * seam_real_bytes(c_type);
    h.width = h.n_rope = d_rope;
    h.weight = nullptr, h.turns = turns, h.neox = neox;
    return seam_kernel_heads(&h, stream);
}

cudaError_t seam_kernel_mla_latents(void *latent, enum seam_real type, const void *rows,
                                    enum seam_real kv_type, uint32_t n, uint32_t kv_lora,
                                    uint32_t d_rope, cudaStream_t stream)
{
    struct seam_kernel_heads h = {};
    h.to = latent, h.to_type = type, h.to_token = kv_lora;
    h.from = rows, h.from_type = kv_type, h.from_token = kv_lora + d_rope;
    h.n = n, h.heads = 1, h.width = kv_lora;
    return seam_kernel_heads(&h, stream);
}

cudaError_t seam_kernel_mla_keys(void *k, enum seam_real type, const void *nope,
                                 uint64_t nope_token, uint64_t nope_head, const void *rows,
                                 enum seam_real kv_type, uint32_t n, uint32_t heads,
                                 uint32_t d_nope, uint32_t kv_lora, uint32_t d_rope,
                                 cudaStream_t stream)
{
    struct seam_kernel_heads h = {};
    h.to = (uint8_t *)k + d_nope * seam_real_bytes(type), h.to_type = type;
    h.to_head = d_nope + d_rope, h.to_token = (uint64_t)heads * (d_nope + d_rope);
    h.from = (const uint8_t *)rows + kv_lora * seam_real_bytes(kv_type), h.from_type = kv_type;
    h.from_token = kv_lora + d_rope, h.from_head = 0;
    h.n = n, h.heads = heads, h.width = d_rope;
    const cudaError_t e = seam_kernel_heads(&h, stream);
    if (e != cudaSuccess || !nope)
        return e;
    h.to = k, h.width = d_nope;
    h.from = nope, h.from_type = type, h.from_token = nope_token, h.from_head = nope_head;
    return seam_kernel_heads(&h, stream);
}
