/* Routed experts: who goes where, tokens side by side by expert, SwiGLU, the weighted sum. Formulas as
 * src/engine/graph_ffn.c. The order of every sum and of every expert's tokens is fixed. */
#include "engine/cuda/vector.cuh"

#define THREADS 256
#define ALL     0xffffffffu

/* ---- routing: a warp a token, expert e in lane e % 32 ---- */

struct best {
    float score;
    uint32_t index;
};

/* The larger score, of equals the lower index: the same for all lanes. */
static __device__ struct best warp_best(struct best b)
{
    for (int d = 16; d > 0; d /= 2) {
        const float score = __shfl_xor_sync(ALL, b.score, d);
        const uint32_t index = __shfl_xor_sync(ALL, b.index, d);
        if (score > b.score || (score == b.score && index < b.index))
            b.score = score, b.index = index;
    }
    return b;
}

/* The best expert that is not taken and lies in [first, end). Where nothing is finite the lowest: an index is
 * always one of theirs, whatever the logits are. */
template <int PER>
static __device__ struct best pick(const float (&score)[PER], uint32_t taken, uint32_t first,
                                   uint32_t end, uint32_t lane)
{
    struct best b = {-INFINITY, ~0u};
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const uint32_t e = i * 32 + lane;
        if (e >= first && e < end && !(taken >> i & 1) && (score[i] > b.score || b.index == ~0u))
            b.score = score[i], b.index = e;
    }
    return warp_best(b);
}

/* The scores of all but the best groups, by the sum of their two best, become -inf. */
template <int PER>
static __device__ void only_best_groups(float (&score)[PER], const struct seam_kernel_router &r,
                                        uint32_t lane)
{
    const uint32_t per = r.n_expert / r.n_group;
    float mine = -INFINITY; /* lane g: of group g */
    uint32_t kept = 0;
    for (uint32_t g = 0; g < r.n_group; g++) {
        const struct best one = pick<PER>(score, 0, g * per, g * per + per, lane);
        float sum = one.score;
        if (per > 1) {
            const uint32_t taken = one.index % 32 == lane ? 1u << one.index / 32 : 0;
            sum += pick<PER>(score, taken, g * per, g * per + per, lane).score;
        }
        if (lane == g)
            mine = sum;
    }
    for (uint32_t k = 0; k < r.n_group_used; k++) {
        const bool open = lane < r.n_group && !(kept >> lane & 1);
        const struct best b = warp_best({open ? mine : -INFINITY, open ? lane : ~0u});
        kept |= b.index < 32 ? 1u << b.index : 0;
    }
#pragma unroll
    for (int i = 0; i < PER; i++)
        if (!(kept >> (i * 32 + lane) / per & 1))
            score[i] = -INFINITY;
}

/* p = sigmoid or softmax of the logits; none where there is no expert. */
template <int PER>
static __device__ void gated(float (&p)[PER], const float *logits,
                             const struct seam_kernel_router &r, uint32_t lane)
{
    float most = -INFINITY, sum = 0;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const uint32_t e = i * 32 + lane;
        p[i] = e < r.n_expert ? logits[e] : -INFINITY;
        most = fmaxf(most, p[i]);
    }
    if (r.sigmoid) {
#pragma unroll
        for (int i = 0; i < PER; i++)
            p[i] = sigmoid(p[i]);
        return;
    }
    for (int d = 16; d > 0; d /= 2)
        most = fmaxf(most, __shfl_xor_sync(ALL, most, d));
#pragma unroll
    for (int i = 0; i < PER; i++) {
        p[i] = expf(p[i] - most);
        sum += p[i];
    }
    sum = lanes_sum(sum, 32);
#pragma unroll
    for (int i = 0; i < PER; i++)
        p[i] /= sum;
}

template <int PER>
static __global__ void __launch_bounds__(THREADS)
    route(int32_t *experts, float *weights, const float *logits, const float *bias, uint32_t n,
          struct seam_kernel_router r)
{
    const uint32_t lane = threadIdx.x % 32, token = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    float p[PER], score[PER], mine = 0, sum = 0;
    uint32_t taken = 0, chosen = 0;
    if (token >= n)
        return;
    gated<PER>(p, logits + (uint64_t)token * r.n_expert, r, lane);
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const uint32_t e = i * 32 + lane;
        score[i] = p[i] + (bias && e < r.n_expert ? bias[e] : 0.0f);
        if (isnan(score[i]))
            score[i] = -INFINITY;
    }
    if (r.n_group > 1)
        only_best_groups<PER>(score, r, lane);
    for (uint32_t k = 0; k < r.n_used; k++) {
        const struct best b = pick<PER>(score, taken, 0, r.n_expert, lane);
        float w = 0;
#pragma unroll
        for (int i = 0; i < PER; i++)
            if (b.index / 32 == i)
                w = p[i];
        w = __shfl_sync(ALL, w, b.index % 32);
        if (b.index % 32 == lane)
            taken |= 1u << b.index / 32;
        if (k == lane)
            mine = w, chosen = b.index;
        sum += w;
    }
    if (lane >= r.n_used)
        return;
    if (r.normalize)
        mine /= fmaxf(sum, 6.103515625e-5f);
    experts[(uint64_t)token * r.n_used + lane] = (int32_t)chosen;
    weights[(uint64_t)token * r.n_used + lane] = mine * r.scale;
}

cudaError_t seam_kernel_route(int32_t *experts, float *weights, const float *logits,
                              const float *bias, uint32_t n, const struct seam_kernel_router *r,
                              cudaStream_t stream)
{
    if (!r->n_expert || r->n_expert > 1024 || !r->n_used || r->n_used > 32 ||
        r->n_used > r->n_expert || r->n_group > 32 ||
        (r->n_group > 1 && (r->n_expert % r->n_group || r->n_group_used > r->n_group ||
                            !r->n_group_used)))
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    const uint32_t per = (r->n_expert + 31) / 32;
#define ROUTE(PER)                                                                             \
    route<PER><<<blocks_for(n, THREADS / 32), THREADS, 0, stream>>>(experts, weights, logits,  \
                                                                    bias, n, *r)
    if (per <= 4)
        ROUTE(4);
    else if (per <= 8)
        ROUTE(8);
    else if (per <= 12)
        ROUTE(12);
    else if (per <= 16)
        ROUTE(16);
    else
        ROUTE(32);
    return launched();
}

/* ---- sorting pairs by expert: count, scan, place; a warp takes PAIRS neighbours in their order ---- */

#define PAIRS 512

size_t seam_kernel_sort_bytes(uint32_t n, uint32_t n_used, uint32_t n_expert)
{
    return ((uint64_t)n * n_used + PAIRS - 1) / PAIRS * n_expert * sizeof(int32_t);
}

/* One step of both passes: this lane's pair and how many of the warp's before it have the same expert. The
 * last of them moves the expert's counter on. */
static __device__ int32_t next_of(int32_t *counter, int32_t expert, uint32_t lane)
{
    const uint32_t same = __match_any_sync(ALL, expert);
    const int32_t before = __popc(same & ((1u << lane) - 1));
    const int32_t at = expert < 0 ? 0 : counter[expert] + before;
    __syncwarp();
    if (expert >= 0 && same >> lane == 1) /* nobody after */
        counter[expert] = at + 1;
    __syncwarp();
    return at;
}

/* work[e][block]: the block's pairs of expert e. */
static __global__ void count(int32_t *work, const int32_t *experts, uint64_t pairs,
                             uint32_t n_expert)
{
    extern __shared__ int32_t counter[];
    const uint32_t lane = threadIdx.x;
    for (uint32_t e = lane; e < n_expert; e += 32)
        counter[e] = 0;
    __syncwarp();
    for (uint32_t i = 0; i < PAIRS; i += 32) {
        const uint64_t p = (uint64_t)blockIdx.x * PAIRS + i + lane;
        next_of(counter, p < pairs ? experts[p] : -1, lane);
    }
    for (uint32_t e = lane; e < n_expert; e += 32)
        work[(uint64_t)e * gridDim.x + blockIdx.x] = counter[e];
}

/* The exclusive sum over a block's threads; *total: of all. */
static __device__ int32_t block_scan(int32_t v, int32_t *total)
{
    __shared__ int32_t warp[32];
    const uint32_t lane = threadIdx.x % 32, w = threadIdx.x / 32, warps = blockDim.x / 32;
    int32_t sum = v, before = 0, all = 0;
    for (int d = 1; d < 32; d *= 2) {
        const int32_t other = __shfl_up_sync(ALL, sum, d);
        sum += lane >= (uint32_t)d ? other : 0;
    }
    __syncthreads(); /* of an earlier round */
    if (lane == 31)
        warp[w] = sum;
    __syncthreads();
    for (uint32_t i = 0; i < warps; i++) {
        before += i < w ? warp[i] : 0;
        all += warp[i];
    }
    *total = all;
    return before + sum - v;
}

/* A block an expert: work[e][..] becomes how many of e's pairs lie in blocks before; begin[e + 1]: all. */
static __global__ void __launch_bounds__(THREADS) scan(int32_t *work, int32_t *begin, uint32_t blocks)
{
    int32_t *row = work + (uint64_t)blockIdx.x * blocks, done = 0;
    for (uint32_t first = 0; first < blocks; first += THREADS) {
        const uint32_t i = first + threadIdx.x;
        int32_t total;
        const int32_t before = block_scan(i < blocks ? row[i] : 0, &total);
        if (i < blocks)
            row[i] = done + before;
        done += total;
    }
    if (threadIdx.x == 0)
        begin[blockIdx.x + 1] = done;
}

/* One block of 1024: numbers of pairs at begin[1 ..] become where each expert ends. */
static __global__ void __launch_bounds__(1024) ends(int32_t *begin, uint32_t n_expert)
{
    const uint32_t e = threadIdx.x;
    const int32_t mine = e < n_expert ? begin[e + 1] : 0;
    int32_t total;
    const int32_t before = block_scan(mine, &total);
    if (e < n_expert)
        begin[e + 1] = before + mine;
    if (e == 0)
        begin[0] = 0;
}

static __global__ void place(int32_t *token, int32_t *row, const int32_t *work,
                             const int32_t *begin, const int32_t *experts, uint64_t pairs,
                             uint32_t n_used, uint32_t n_expert)
{
    extern __shared__ int32_t counter[];
    const uint32_t lane = threadIdx.x;
    for (uint32_t e = lane; e < n_expert; e += 32)
        counter[e] = begin[e] + work[(uint64_t)e * gridDim.x + blockIdx.x];
    __syncwarp();
    for (uint32_t i = 0; i < PAIRS; i += 32) {
        const uint64_t p = (uint64_t)blockIdx.x * PAIRS + i + lane;
        const int32_t at = next_of(counter, p < pairs ? experts[p] : -1, lane);
        if (p >= pairs)
            continue;
        token[at] = (int32_t)(p / n_used);
        row[p] = at;
    }
}

cudaError_t seam_kernel_sort(int32_t *begin, int32_t *token, int32_t *row, void *work,
                             const int32_t *experts, uint32_t n, uint32_t n_used, uint32_t n_expert,
                             cudaStream_t stream)
{
    const uint64_t pairs = (uint64_t)n * n_used;
    const uint32_t blocks = blocks_for(pairs, PAIRS);
    const size_t shared = n_expert * sizeof(int32_t);
    if (!n_expert || n_expert > 1024 || pairs > INT32_MAX)
        return cudaErrorInvalidValue;
    if (!pairs)
        return cudaMemsetAsync(begin, 0, (n_expert + 1) * sizeof *begin, stream);
    count<<<blocks, 32, shared, stream>>>((int32_t *)work, experts, pairs, n_expert);
    scan<<<n_expert, THREADS, 0, stream>>>((int32_t *)work, begin, blocks);
    ends<<<1, 1024, 0, stream>>>(begin, n_expert);
    place<<<blocks, 32, shared, stream>>>(token, row, (const int32_t *)work, begin, experts, pairs,
                                          n_used, n_expert);
    return launched();
}

/* ---- rows of experts ---- */

static __global__ void __launch_bounds__(THREADS)
    gather(uint4 *to, const uint4 *from, const int32_t *token, uint64_t rows, uint32_t vectors)
{
    const uint64_t row = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows)
        return;
    from += (uint64_t)token[row] * vectors;
    to += row * vectors;
#pragma unroll 4
    for (uint32_t i = threadIdx.x; i < vectors; i += blockDim.x)
        to[i] = from[i];
}

cudaError_t seam_kernel_gather(void *to, const void *from, const int32_t *token, uint64_t rows,
                               uint32_t width, cudaStream_t stream)
{
    if (!width || width % 8 || rows > INT32_MAX)
        return cudaErrorInvalidValue;
    if (!rows)
        return cudaSuccess;
    const dim3 threads = row_threads(width / 8);
    gather<<<blocks_for(rows, threads.y), threads, 0, stream>>>((uint4 *)to, (const uint4 *)from,
                                                                token, rows, width / 8);
    return launched();
}

static __global__ void __launch_bounds__(THREADS) swiglu(bf16 *to, const bf16 *gate, const bf16 *up,
                                                         uint64_t in_row, uint64_t rows,
                                                         uint32_t width)
{
    const uint64_t row = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows)
        return;
    for (uint32_t i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        float a[8], b[8];
        load8(gate + row * in_row + i, a);
        load8(up + row * in_row + i, b);
        for (int j = 0; j < 8; j++)
            a[j] = a[j] * sigmoid(a[j]) * b[j];
        store8(to + row * width + i, a);
    }
}

cudaError_t seam_kernel_swiglu(void *to, const void *gate, const void *up, uint64_t in_row,
                               uint64_t rows, uint32_t width, cudaStream_t stream)
{
    if (!width || width % 8 || in_row % 8 || rows > INT32_MAX)
        return cudaErrorInvalidValue;
    if (!rows)
        return cudaSuccess;
    const dim3 threads = row_threads(width / 8);
    swiglu<<<blocks_for(rows, threads.y), threads, 0, stream>>>(
        (bf16 *)to, (const bf16 *)gate, (const bf16 *)up, in_row, rows, width);
    return launched();
}

/* A block row a token; its choices' rows are read with four loads under way. */
static __global__ void __launch_bounds__(THREADS)
    combine(float *x, const bf16 *y, const int32_t *row, const float *weights, const bf16 *shared,
            const float *shared_gate, uint32_t n, uint32_t n_used, uint32_t width)
{
    const uint64_t token = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (token >= n)
        return;
    row += token * n_used;
    weights += token * n_used;
    const float factor = shared_gate ? sigmoid(shared_gate[token]) : 1.0f;
    for (uint32_t i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        float sum[8] = {}, v[8];
#pragma unroll 4
        for (uint32_t k = 0; k < n_used; k++) {
            load8(y + (uint64_t)row[k] * width + i, v);
            for (int j = 0; j < 8; j++)
                sum[j] += weights[k] * v[j];
        }
        if (shared) {
            load8(shared + token * width + i, v);
            for (int j = 0; j < 8; j++)
                sum[j] += factor * v[j];
        }
        load8(x + token * width + i, v);
        for (int j = 0; j < 8; j++)
            v[j] += sum[j];
        store8(x + token * width + i, v);
    }
}

cudaError_t seam_kernel_combine(float *x, const void *y, const int32_t *row, const float *weights,
                                const void *shared, const float *shared_gate, uint32_t n,
                                uint32_t n_used, uint32_t width, cudaStream_t stream)
{
    if (!width || width % 8 || !n_used)
        return cudaErrorInvalidValue;
    if (!n)
        return cudaSuccess;
    const dim3 threads = row_threads(width / 8);
    combine<<<blocks_for(n, threads.y), threads, 0, stream>>>(
        x, (const bf16 *)y, row, weights, (const bf16 *)shared, shared_gate, n, n_used, width);
    return launched();
}
