/* device.c - the CUDA device of a sweep: what it is, how its memory is cut, how parts reach it, and when
 * what happened. The table at the end is what engine/accel.h asks for. */
#include "engine/cuda/cuda.h"
#include "engine/cuda/libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"

#define BLAS_WORKSPACE (64ull << 20)
#define SPARE          (768ull << 20) /* for the libraries' own kernels and what others may take */
#define PARTS(hp)      (2 * (hp)->n_layer + 1)

/* ---- failures ---- */

bool seam_cuda_ok(const struct seam_accel *a)
{
    return a->failed.status == SEAM_OK;
}

static seam_status cuda_fail(struct seam_err *err, cudaError_t e, const char *what)
{
    if (e == cudaErrorMemoryAllocation)
        return seam_fail(err, SEAM_ENOMEM, "CUDA: %s: out of device memory", what);
    if (e == cudaErrorNoKernelImageForDevice)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "CUDA: this build has no code for this GPU (build with "
                         "-DSEAM_CUDA_ARCHITECTURES=...)");
    return seam_fail(err, SEAM_EIO, "CUDA: %s: %s", what, cudaGetErrorString(e));
}

bool seam_cuda_did(struct seam_accel *a, cudaError_t e, const char *what)
{
    if (e != cudaSuccess && seam_cuda_ok(a))
        cuda_fail(&a->failed, e, what);
    return seam_cuda_ok(a);
}

bool seam_cuda_blas(struct seam_accel *a, cublasStatus_t e, const char *what)
{
    if (e != CUBLAS_STATUS_SUCCESS && seam_cuda_ok(a))
        seam_fail(&a->failed, SEAM_EIO, "cuBLAS: %s: %s", what, cublasGetStatusString(e));
    return seam_cuda_ok(a);
}

seam_status seam_cuda_told(struct seam_accel *a, struct seam_err *err)
{
    if (!seam_cuda_ok(a) && err)
        *err = a->failed;
    return a->failed.status;
}

/* ---- how memory is cut ---- */

struct carver {
    uint8_t *base; /* NULL: only count */
    uint64_t at;
};

static void *take(struct carver *c, uint64_t bytes)
{
    void *p = c->base ? c->base + c->at : NULL;
    c->at += SEAM_CUDA_ROUND(bytes);
    return p;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint64_t longest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_routed(int role)
{
    return role == SEAM_ROLE_EXP_GATE || role == SEAM_ROLE_EXP_UP ||
           role == SEAM_ROLE_EXP_GATE_UP || role == SEAM_ROLE_EXP_DOWN;
}

/* Bytes of a layer's part as the file holds it, and unpacked but for its routed experts. */
static void part_bytes(const struct seam_model *m, uint32_t layer, enum seam_part part,
                       uint64_t *raw, uint64_t *unpacked)
{
    const struct seam_layer *l = seam_model_layer(m, layer);
    uint64_t sum = 0, bf16 = 0;
    for (int r = 0; r < SEAM_ROLE_LAYER_COUNT; r++) {
        const struct seam_tensor *t = l->role[r];
        if (!t || seam_role_part((enum seam_role)r) != part)
            continue;
        sum += SEAM_CUDA_ROUND(t->n_bytes);
        if (t->n_dims > 1 && !is_routed(r))
            bf16 += SEAM_CUDA_ROUND(2 * t->ne[0] * t->ne[1] * t->ne[2]) *
                    (r == SEAM_ROLE_ROUTER ? 2 : 1);
    }
    *raw = longest(*raw, sum);
    *unpacked = longest(*unpacked, bf16);
}

static void carve_attention(struct seam_accel *a, struct carver *c)
{
    const struct seam_hparams *hp = a->hp;
    const uint64_t n = a->n_ctx, e = hp->n_embd, kv = a->kv_values;
    const uint64_t project = a->cut.n_project, query = a->cut.n_query;
    if (hp->mla) {
        const uint64_t heads = a->cut.heads, q_in = hp->q_lora ? hp->q_lora : e;
        a->at.q_in = take(c, n * q_in * 2);
        a->at.latent = take(c, n * hp->kv_lora * 2);
        a->at.k = take(c, n * heads * hp->d_head * 2);
        a->at.v = take(c, n * heads * hp->d_v * 2);
        a->at.q = take(c, query * heads * hp->d_head * 2);
        a->at.o = take(c, query * heads * hp->d_v * 2);
        a->at.stats = take(c, query * heads * 4);
        a->at.h = take(c, project * e * 2);
        a->at.wide = take(c, project * longest(hp->q_lora, kv) * 4);
    } else {
        const uint64_t width = (uint64_t)hp->n_head * hp->d_head;
        const uint64_t gated = hp->n_recurrent ? width : 0; /* its queries bring a gate */
        a->at.k = take(c, n * kv * 2);
        a->at.q = take(c, query * width * 2);
        a->at.o = take(c, query * hp->n_head * hp->d_v * 2);
        a->at.gate = take(c, query * gated * 2);
        a->at.stats = take(c, query * hp->n_head * 4);
        a->at.h = take(c, query * e * 2);
        a->at.wide = take(c, query * longest(width + gated, kv) * 4);
    }
}

static void carve_delta(struct seam_accel *a, struct carver *c)
{
    const struct seam_kernel_delta d = seam_cuda_delta_shape(a->hp);
    const uint64_t n = a->cut.n_query, channels = seam_kernel_delta_channels(&d);
    if (!a->hp->n_recurrent)
        return;
    a->de.h = take(c, n * a->hp->n_embd * 2);
    a->de.in = take(c, n * channels * 4);
    a->de.y = take(c, n * channels * 4);
    a->de.z = take(c, n * a->hp->ssm_inner * 2);
    a->de.alpha = take(c, n * d.heads_v * 4);
    a->de.beta = take(c, n * d.heads_v * 4);
    a->de.work = take(c, seam_kernel_delta_bytes(a->cut.n_query, &d));
}

static void carve_feed_forward(struct seam_accel *a, struct carver *c)
{
    const struct seam_hparams *hp = a->hp;
    const uint64_t n = a->cut.n_ffn, project = a->cut.n_project, e = hp->n_embd;
    const uint64_t used = n * hp->n_expert_used, width = most(hp->n_ff, hp->n_ff_shexp);
    a->ff.h = take(c, longest(n, project) * e * 2);
    a->ff.both = take(c, longest(project * width, used * hp->n_ff_exp) * 2 * 2);
    a->ff.act = take(c, longest(project * width, used * hp->n_ff_exp) * 2);
    if (!hp->n_expert)
        return;
    a->ff.rows = take(c, used * e * 2);
    a->ff.f32 = take(c, longest(project, hp->n_expert) * e * 4);
    a->ff.low = take(c, project * e * 2);
    a->ff.logits = take(c, n * hp->n_expert * 4);
    a->ff.weight = take(c, used * 4);
    a->ff.expert = take(c, used * 4);
    a->ff.begin = take(c, (hp->n_expert + 1) * 4);
    a->ff.token = take(c, used * 4);
    a->ff.row = take(c, used * 4);
    a->ff.work = take(c, seam_kernel_sort_bytes((uint32_t)n, hp->n_expert_used, hp->n_expert));
    for (int i = 0; i < 2; i++)
        a->ff.group[i] = take(c, (uint64_t)SEAM_CUDA_GROUP * 3 * e * hp->n_ff_exp * 2);
}

static void carve_slots(struct seam_accel *a, struct carver *c, uint64_t attn, uint64_t ffn)
{
    const struct seam_tensor *embd = seam_model_global(a->model, SEAM_ROLE_TOKEN_EMBD);
    ffn = longest(ffn, SEAM_CUDA_ROUND(embd->n_bytes));
    if (a->shared_memory)
        return;
    for (uint32_t i = 0; i < SEAM_ACCEL_SLOTS; i++) {
        struct seam_cuda_slot *s = &a->slot[i];
        s->bytes = i < 2 ? attn : ffn;
        s->base = i < 2 + a->cut.n_slot ? take(c, s->bytes) : NULL;
    }
}

/* Everything, in one arena: from base, or counted only. */
static void carve(struct seam_accel *a, uint8_t *base)
{
    const struct seam_hparams *hp = a->hp;
    struct seam_accel_memory *m = &a->memory;
    struct carver c = {base, 0};
    uint64_t attn = 0, ffn = 0, bf16 = 0;
    for (uint32_t layer = 0; layer < hp->n_layer; layer++) {
        part_bytes(a->model, layer, SEAM_PART_ATTN, &attn, &bf16);
        part_bytes(a->model, layer, SEAM_PART_FFN, &ffn, &bf16);
    }
    const uint64_t row = a->kv_values * seam_real_bytes(a->kv_type);
    a->x = take(&c, (uint64_t)a->n_ctx * hp->n_embd * 4);
    m->hidden = c.at;
    for (int i = 0; i < 2; i++)
        a->rows[i] = take(&c, longest(a->n_ctx * row, a->state_bytes));
    m->rows = c.at - m->hidden;
    a->turns = take(&c, (uint64_t)a->n_ctx * hp->d_rope * 4);
    a->ids = take(&c, (uint64_t)a->n_ctx * 4);
    a->grids = take(&c, sizeof *a->grids);
    a->workspace[0] = take(&c, BLAS_WORKSPACE);
    a->workspace[1] = take(&c, BLAS_WORKSPACE);
    a->dnn_workspace = take(&c, SEAM_CUDA_DNN_WORKSPACE);
    a->weights_bytes = bf16;
    a->weights = take(&c, bf16);
    carve_slots(a, &c, attn, ffn);
    a->scratch = c.base ? c.base + c.at : NULL;
    struct carver one = c, two = c, three = c; /* kinds of parts take turns */
    carve_attention(a, &one);
    carve_delta(a, &two);
    carve_feed_forward(a, &three);
    c.at += (uint64_t)a->cut.n_project * hp->n_embd * 4; /* picked embeddings */
    m->total = longest(longest(c.at, one.at), longest(two.at, three.at));
    m->n_slot = a->shared_memory ? 2 : a->cut.n_slot;
}

static uint32_t divisor(uint32_t n, uint32_t limit)
{
    uint32_t d = seam_cuda_least(n, limit);
    while (n % d)
        d--;
    return d;
}

/* The widest cut that fits: more tokens routed at once give experts taller matrices; two slots hide
 * copies behind the layer that computes. */
static seam_status choose_cut(struct seam_accel *a, uint64_t limit, struct seam_err *err)
{
    static const uint32_t ffn[] = {32768, 16384, 8192, 4096, 2048, 1024};
    char b[3][32];
    a->cut.n_project = seam_cuda_least(8192, a->n_ctx);
    a->cut.n_query = seam_cuda_least(a->hp->mla ? 32768 : 8192, a->n_ctx);
    a->cut.heads = a->hp->mla ? divisor(a->hp->n_head, 16) : a->hp->n_head;
    for (a->cut.n_slot = 2; a->cut.n_slot >= 1; a->cut.n_slot--)
        for (size_t i = 0; i < sizeof ffn / sizeof *ffn; i++) {
            a->cut.n_ffn = seam_cuda_least(ffn[i], a->n_ctx);
            carve(a, NULL);
            if (a->memory.total <= limit)
                return SEAM_OK;
        }
    uint64_t fixed = a->memory.total - a->memory.hidden - a->memory.rows;
    uint64_t token = (a->memory.hidden + a->memory.rows) / a->n_ctx + 1;
    return seam_fail(
        err, SEAM_ENOMEM,
        "a sweep of %u tokens needs %s of device memory, and %s are free (weights and scratch take "
        "%s: use --ctx %llu or less, or --device cpu)",
        a->n_ctx, seam_size_format(a->memory.total, b[0], 32), seam_size_format(limit, b[1], 32),
        seam_size_format(fixed, b[2], 32),
        (unsigned long long)(limit > fixed ? (limit - fixed) / token : 0));
}

/* ---- open and close ---- */

static seam_status find_device(struct seam_accel *a, struct seam_err *err)
{
    int count = 0, driver = 0;
    struct cudaDeviceProp prop;
    cudaError_t e = cudaGetDeviceCount(&count);
    if (e == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver)
        return seam_fail(
            err, SEAM_EUNSUPPORTED,
            "the NVIDIA driver knows CUDA %d.%d and this build needs %d.%d: update the "
            "driver, or use --device cpu",
            driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    if (e != cudaSuccess || count == 0)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "no NVIDIA GPU is to be found here (use --device cpu)");
    if ((e = cudaSetDevice(0)) != cudaSuccess ||
        (e = cudaGetDeviceProperties(&prop, 0)) != cudaSuccess)
        return cuda_fail(err, e, "open the device");
    a->shared_memory = prop.integrated != 0;
    const seam_status st = seam_cuda_libraries_load(err);
    if (st != SEAM_OK)
        return st;
    const size_t dnn = cudnnGetVersion();
    snprintf(a->name, sizeof a->name, "%s (sm_%d%d, cuDNN %zu.%zu)", prop.name, prop.major,
             prop.minor, dnn / 10000, dnn % 10000 / 100);
    return SEAM_OK;
}

static seam_status supported(const struct seam_accel *a, struct seam_err *err)
{
    const struct seam_hparams *hp = a->hp;
    const struct seam_kernel_delta d = seam_cuda_delta_shape(hp);
    if (hp->n_recurrent && !seam_kernel_delta_fits(&d))
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "CUDA kernels know DeltaNet layers with heads of 128 values, not of %u "
                         "(use --device cpu)",
                         d.width);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const struct seam_layer *l = seam_model_layer(a->model, i);
        for (int r = 0; r < SEAM_ROLE_LAYER_COUNT; r++) {
            if (l->scale[r] || l->bias[r])
                return seam_fail(err, SEAM_EUNSUPPORTED,
                                 "layer %u has a scale or bias beside %s, which the CUDA "
                                 "sweep has no place for (use --device cpu)",
                                 i, seam_role_name((enum seam_role)r));
            const bool vector = r == SEAM_ROLE_SHEXP_ROUTER;
            if (l->role[r] && (vector ? l->role[r]->type->id != SEAM_CUDA_F32
                                      : !seam_kernel_dequantizes(l->role[r]->type->id)))
                return seam_fail(err, SEAM_EUNSUPPORTED,
                                 "CUDA kernels do not know the type %s of %s (use --device cpu)",
                                 l->role[r]->type->name, l->role[r]->name);
        }
    }
    return SEAM_OK;
}

static void open_events(struct seam_accel *a)
{
    cudaEvent_t *plain[] = {&a->fork,
                            &a->join,
                            &a->counted,
                            &a->unpacked[0],
                            &a->unpacked[1],
                            &a->group_done[0][0],
                            &a->group_done[0][1],
                            &a->group_done[1][0],
                            &a->group_done[1][1]};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        seam_cuda_did(a, cudaEventCreateWithFlags(plain[i], cudaEventDisableTiming), "open events");
    seam_cuda_did(a, cudaEventCreate(&a->origin), "open events");
    for (uint32_t i = 0; i < SEAM_ACCEL_SLOTS; i++)
        seam_cuda_did(a, cudaEventCreateWithFlags(&a->slot[i].done, cudaEventDisableTiming),
                      "open events");
    for (uint32_t i = 0; i < PARTS(a->hp); i++) {
        struct seam_cuda_part *p = &a->parts[i];
        cudaEvent_t *timed[] = {&p->copy_begin, &p->copy_end, &p->begin, &p->end};
        for (int k = 0; k < 4; k++)
            seam_cuda_did(a, cudaEventCreate(timed[k]), "open events");
    }
    for (uint32_t i = 0; i < a->hp->n_layer; i++) {
        seam_cuda_did(a, cudaEventCreateWithFlags(&a->sent[i].ready, cudaEventDisableTiming),
                      "open events");
        seam_cuda_did(a, cudaEventCreate(&a->sent[i].there), "open events");
    }
}

static void open_libraries(struct seam_accel *a)
{
    cudaStream_t *streams[] = {&a->main, &a->second, &a->side, &a->in, &a->out};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        seam_cuda_did(a, cudaStreamCreateWithFlags(streams[i], cudaStreamNonBlocking),
                      "open streams");
    for (int i = 0; i < 2; i++) {
        seam_cuda_blas(a, cublasCreate(&a->blas[i]), "open");
        if (seam_cuda_ok(a))
            seam_cuda_blas(a, cublasSetStream(a->blas[i], i ? a->second : a->main), "set stream");
    }
    cudnnStatus_t st = cudnnCreate(&a->dnn);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnSetStream(a->dnn, a->main);
    if (st != CUDNN_STATUS_SUCCESS && seam_cuda_ok(a))
        seam_fail(&a->failed, SEAM_EUNSUPPORTED, "cuDNN cannot start: %s", cudnnGetErrorString(st));
}

static void open_memory(struct seam_accel *a)
{
    struct seam_kernel_grids *grids = malloc(sizeof *grids);
    uint8_t *base = NULL;
    if (seam_cuda_did(a, cudaMalloc((void **)&base, a->memory.total), "take memory"))
        carve(a, base);
    a->arena = base;
    if (!grids || !seam_kernel_grids_make(grids)) {
        if (seam_cuda_ok(a))
            seam_fail(&a->failed, SEAM_EUNSUPPORTED,
                      "ggml's codebooks are not as the CUDA kernels know them");
    } else if (base) {
        seam_cuda_did(a, cudaMemcpy(a->grids, grids, sizeof *grids, cudaMemcpyHostToDevice),
                      "copy codebooks");
    }
    free(grids);
    for (int i = 0; base && i < 2; i++)
        seam_cuda_blas(a, cublasSetWorkspace(a->blas[i], a->workspace[i], BLAS_WORKSPACE),
                       "set workspace");
    seam_cuda_did(a,
                  cudaMallocHost((void **)&a->begin_host,
                                 (a->hp->n_expert + 1) * sizeof *a->begin_host),
                  "take pinned memory");
}

/* Does cuDNN have attention of this shape, and this build code for this GPU? Small, and its kernel is
 * compiled now rather than in the first sweep. */
static void try_attention(struct seam_accel *a)
{
    const struct seam_kernel_rope rope = {.n_rope = a->hp->d_rope,
                                          .base = 10000,
                                          .freq_scale = 1,
                                          .attn_factor = 1};
    if (seam_cuda_ok(a))
        seam_cuda_did(a, seam_kernel_turns(a->turns, 0, 1, &rope, NULL, a->main), "run a kernel");
    if (seam_cuda_did(a, cudaStreamSynchronize(a->main), "run a kernel"))
        seam_cuda_plan(a, a->cut.n_query, a->cut.n_query);
}

static void cuda_close(struct seam_accel *a);

static seam_status cuda_open(struct seam_accel **out, const struct seam_model *m, uint32_t n_ctx,
                             bool kv_f32, uint64_t limit, struct seam_err *err)
{
    struct seam_accel *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a device");
    a->model = m;
    a->hp = seam_model_hparams(m);
    a->n_ctx = n_ctx;
    a->kv_type = kv_f32 ? SEAM_REAL_F32 : SEAM_REAL_F16;
    for (uint32_t i = 0; i < a->hp->n_layer; i++) { /* the same in all that have them */
        a->kv_values = most(a->kv_values, seam_model_kv_values(m, i));
        a->state_bytes = longest(a->state_bytes, seam_model_state_values(m, i) * sizeof(float));
    }
    a->parts = calloc(PARTS(a->hp), sizeof *a->parts);
    a->sent = calloc(a->hp->n_layer, sizeof *a->sent);
    seam_status st = a->parts && a->sent ? supported(a, err)
                                         : seam_fail(err, SEAM_ENOMEM, "no memory for a device");
    if (st == SEAM_OK)
        st = find_device(a, err);
    if (st == SEAM_OK) {
        size_t free_bytes = 0, total = 0;
        open_libraries(a);
        open_events(a);
        seam_cuda_did(a, cudaMemGetInfo(&free_bytes, &total), "ask for memory");
        a->free_before = free_bytes;
        st = seam_cuda_told(a, err);
    }
    if (st == SEAM_OK) {
        uint64_t room = a->free_before > SPARE ? a->free_before - SPARE : 0;
        st = choose_cut(a, limit && limit < room ? limit : room, err);
    }
    if (st == SEAM_OK) {
        open_memory(a);
        try_attention(a);
        st = seam_cuda_told(a, err);
    }
    if (st != SEAM_OK) {
        cuda_close(a);
        return st;
    }
    *out = a;
    return SEAM_OK;
}

static void close_events(struct seam_accel *a)
{
    for (uint32_t i = 0; i < a->mark_cap; i++)
        cudaEventDestroy(a->mark[i].at);
    for (uint32_t i = 0; a->parts && i < PARTS(a->hp); i++) {
        cudaEvent_t e[] = {a->parts[i].copy_begin, a->parts[i].copy_end, a->parts[i].begin,
                           a->parts[i].end};
        for (int k = 0; k < 4; k++)
            if (e[k])
                cudaEventDestroy(e[k]);
    }
    for (uint32_t i = 0; a->sent && i < a->hp->n_layer; i++) {
        if (a->sent[i].ready)
            cudaEventDestroy(a->sent[i].ready);
        if (a->sent[i].there)
            cudaEventDestroy(a->sent[i].there);
    }
    cudaEvent_t rest[] = {a->fork,
                          a->join,
                          a->counted,
                          a->origin,
                          a->unpacked[0],
                          a->unpacked[1],
                          a->group_done[0][0],
                          a->group_done[0][1],
                          a->group_done[1][0],
                          a->group_done[1][1],
                          a->slot[0].done,
                          a->slot[1].done,
                          a->slot[2].done,
                          a->slot[3].done};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (rest[i])
            cudaEventDestroy(rest[i]);
}

static void cuda_close(struct seam_accel *a)
{
    if (!a)
        return;
    if (a->main)
        cudaDeviceSynchronize();
    for (uint32_t i = 0; i < a->n_plan; i++)
        seam_attention_release(&a->plan[i]);
    for (int i = 0; i < 2; i++)
        if (a->blas[i])
            cublasDestroy(a->blas[i]);
    if (a->dnn)
        cudnnDestroy(a->dnn);
    close_events(a);
    cudaStream_t streams[] = {a->main, a->second, a->side, a->in, a->out};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i])
            cudaStreamDestroy(streams[i]);
    for (uint32_t i = 0; i < a->n_pinned; i++)
        cudaHostUnregister(a->pinned[i]);
    if (a->begin_host)
        cudaFreeHost(a->begin_host);
    if (a->arena)
        cudaFree(a->arena);
    free(a->mark);
    free(a->parts);
    free(a->sent);
    free(a);
}

/* ---- when what happened ---- */

void seam_cuda_stage(struct seam_accel *a, enum seam_stage s)
{
    if (a->n_mark && a->mark[a->n_mark - 1].stage == s)
        return;
    if (a->n_mark == a->mark_cap) {
        uint32_t cap = a->mark_cap ? 2 * a->mark_cap : 256;
        struct seam_cuda_mark *m = realloc(a->mark, cap * sizeof *m);
        if (!m)
            return; /* the times will be coarser */
        a->mark = m;
        for (; a->mark_cap < cap; a->mark_cap++)
            if (!seam_cuda_did(a, cudaEventCreate(&m[a->mark_cap].at), "open events"))
                return;
    }
    struct seam_cuda_mark *m = &a->mark[a->n_mark++];
    m->stage = s;
    seam_cuda_did(a, cudaEventRecord(m->at, a->main), "note a stage");
}

static struct seam_cuda_part *part_of(struct seam_accel *a, const struct seam_accel_part *p)
{
    if (p->role[SEAM_ROLE_TOKEN_EMBD].host)
        return &a->parts[2 * a->hp->n_layer];
    return &a->parts[2 * p->layer + (p->slot >= 2)];
}

void seam_cuda_part_begin(struct seam_accel *a, const struct seam_accel_part *p)
{
    a->now = part_of(a, p);
    seam_cuda_did(a, cudaEventRecord(a->now->begin, a->main), "note a part");
}

seam_status seam_cuda_part_end(struct seam_accel *a, const struct seam_accel_part *p,
                               struct seam_err *err)
{
    seam_cuda_stage(a, SEAM_STAGE_WAIT);
    seam_cuda_did(a, cudaEventRecord(a->now->end, a->main), "note a part");
    seam_cuda_did(a, cudaEventRecord(a->slot[p->slot].done, a->main), "note a part");
    a->now->computed = seam_cuda_ok(a);
    return seam_cuda_told(a, err);
}

static double span_ns(cudaEvent_t from, cudaEvent_t to)
{
    float ms = 0;
    return cudaEventElapsedTime(&ms, from, to) == cudaSuccess ? ms * 1e6 : 0;
}

static void add_span(struct seam_accel *a, struct seam_span *s, cudaEvent_t begin, cudaEvent_t end,
                     uint64_t bytes)
{
    seam_span_add(s, a->origin_ns + (uint64_t)span_ns(a->origin, begin),
                  a->origin_ns + (uint64_t)span_ns(a->origin, end), bytes);
}

static void read_marks(struct seam_accel *a)
{
    for (uint32_t i = 0; i + 1 < a->n_mark; i++)
        a->work.ns[a->mark[i].stage] += span_ns(a->mark[i].at, a->mark[i + 1].at);
    if (a->n_mark)
        a->work.total_ns = span_ns(a->origin, a->mark[a->n_mark - 1].at);
    for (uint32_t i = 0; i < PARTS(a->hp); i++)
        if (a->parts[i].copied) {
            a->work.copied += a->parts[i].bytes;
            a->work.copy_ns += span_ns(a->parts[i].copy_begin, a->parts[i].copy_end);
        }
}

static void read_parts(struct seam_accel *a, struct seam_trace *trace)
{
    for (uint32_t i = 0; i < PARTS(a->hp); i++) {
        const struct seam_cuda_part *p = &a->parts[i];
        struct seam_trace_layer *row = &trace->layers[i / 2 < a->hp->n_layer ? i / 2 : 0];
        if (p->copied)
            add_span(a, &row->copy, p->copy_begin, p->copy_end, p->bytes);
        if (p->computed)
            add_span(a, &row->compute, p->begin, p->end, 0);
    }
}

/* ---- a sweep ---- */

static seam_status cuda_put(struct seam_accel *a, struct seam_accel_part *p, struct seam_err *err)
{
    struct seam_cuda_slot *s = &a->slot[p->slot];
    struct seam_cuda_part *when = part_of(a, p);
    uint64_t at = 0;
    cudaError_t e = cudaSuccess;
    when->bytes = 0;
    if (!a->shared_memory) {
        if (s->used) /* the copy waits for the former user, not this thread */
            e = cudaStreamWaitEvent(a->in, s->done, 0);
        if (e == cudaSuccess)
            e = cudaEventRecord(when->copy_begin, a->in);
    }
    for (int r = 0; e == cudaSuccess && r < SEAM_ROLE_COUNT; r++) {
        struct seam_accel_weight *w = &p->role[r];
        if (!w->host)
            continue;
        when->bytes += w->bytes;
        w->device = a->shared_memory ? w->host : s->base + at;
        if (a->shared_memory)
            continue;
        if (at + w->bytes > s->bytes)
            return seam_fail(err, SEAM_EINTERNAL, "a part is larger than its slot");
        e = cudaMemcpyAsync(s->base + at, w->host, w->bytes, cudaMemcpyHostToDevice, a->in);
        at += SEAM_CUDA_ROUND(w->bytes);
    }
    s->used = true;
    if (e == cudaSuccess && !a->shared_memory) {
        e = cudaEventRecord(when->copy_end, a->in);
        if (e == cudaSuccess)
            e = cudaEventSynchronize(when->copy_end);
        when->copied = e == cudaSuccess;
    }
    return e == cudaSuccess ? SEAM_OK : cuda_fail(err, e, "copy weights");
}

static seam_status cuda_begin(struct seam_accel *a, uint32_t n0, uint32_t n1, struct seam_err *err)
{
    memset(&a->failed, 0, sizeof a->failed);
    memset(&a->work, 0, sizeof a->work);
    a->n0 = n0;
    a->n1 = n1;
    a->turned = false;
    a->n_mark = 0;
    for (uint32_t i = 0; i < PARTS(a->hp); i++)
        a->parts[i].copied = a->parts[i].computed = false;
    for (uint32_t i = 0; i < a->hp->n_layer; i++)
        a->sent[i].sent = false;
    seam_cuda_did(a, cudaEventRecord(a->origin, a->main), "begin");
    seam_cuda_did(a, cudaEventSynchronize(a->origin), "begin");
    a->origin_ns = seam_mono_ns();
    seam_cuda_stage(a, SEAM_STAGE_WAIT);
    return seam_cuda_told(a, err);
}

static seam_status cuda_rows(struct seam_accel *a, uint32_t layer, struct seam_err *err)
{
    if (a->sent[layer].sent)
        seam_cuda_did(a, cudaEventSynchronize(a->sent[layer].there), "wait for KV rows");
    return seam_cuda_told(a, err);
}

static seam_status cuda_sync(struct seam_accel *a, struct seam_err *err)
{
    seam_cuda_did(a, cudaStreamSynchronize(a->main), "sweep");
    return seam_cuda_told(a, err);
}

static seam_status cuda_end(struct seam_accel *a, struct seam_accel_work *work,
                            struct seam_trace *trace, struct seam_err *err)
{
    seam_cuda_did(a, cudaDeviceSynchronize(), "sweep");
    read_marks(a);
    if (trace)
        read_parts(a, trace);
    if (work)
        *work = a->work;
    return seam_cuda_told(a, err);
}

/* ---- what others ask ---- */

static const char *cuda_device(const struct seam_accel *a)
{
    return a->name;
}

static bool cuda_shares_memory(const struct seam_accel *a)
{
    return a->shared_memory;
}

static const struct seam_accel_memory *cuda_memory(const struct seam_accel *a)
{
    return &a->memory;
}

static void cuda_pin(struct seam_accel *a, void *p, uint64_t bytes)
{
    char size[32];
    cudaError_t e = cudaErrorMemoryAllocation;
    if (a->n_pinned < sizeof a->pinned / sizeof *a->pinned)
        e = cudaHostRegister(p, bytes, cudaHostRegisterDefault);
    if (e == cudaSuccess)
        a->pinned[a->n_pinned++] = p;
    else
        seam_warn("cuda cannot lock %s of host memory (%s): copies will be slower",
                  seam_size_format(bytes, size, sizeof size), cudaGetErrorString(e));
    cudaGetLastError(); /* not a failure of what follows */
}

static uint64_t cuda_used(const struct seam_accel *a)
{
    size_t free_bytes = 0, total = 0;
    if (cudaMemGetInfo(&free_bytes, &total) != cudaSuccess || free_bytes > a->free_before)
        return 0;
    return a->free_before - free_bytes;
}

const struct seam_accel_ops seam_accel_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .device = cuda_device,
    .shares_memory = cuda_shares_memory,
    .memory = cuda_memory,
    .pin = cuda_pin,
    .put = cuda_put,
    .begin = cuda_begin,
    .embed = seam_cuda_embed,
    .attention = seam_cuda_attention,
    .feed_forward = seam_cuda_feed_forward,
    .rows = cuda_rows,
    .sync = cuda_sync,
    .end = cuda_end,
    .measure = seam_cuda_measure,
    .used = cuda_used,
};
