/* feed_forward.c - the feed-forward part: dense, or routed experts beside one that all tokens share. Formulas:
 * graph_ffn.c. Experts are unpacked to bf16 a few at a time on a stream of their own, ahead of the two
 * that multiply:
 *
 *   side    | unpack 0-7 | unpack 8-15 | unpack 16-23 |
 *   main                 | 0  2  4  6  | 8  10 ..
 *   second               | 1  3  5  7  | 9  11 ..
 *
 * An expert's tokens lie behind each other (rows), are replaced by its results, and summed at the end. */
#include "engine/cuda/cuda.h"
#include "engine/cuda/extra.h"

/* ---- what every token uses: x += down(SiLU(gate h) * up h) ---- */

struct gated {
    const void *gate, *up, *down;
    const float *router; /* its sigmoid scales the result; NULL: nothing does */
    uint32_t width;
};

static struct gated unpack_gated(struct seam_accel *a, const struct seam_accel_part *p, bool shared,
                                 uint8_t **at)
{
    seam_cuda_stage(a, SEAM_STAGE_UNPACK);
    struct gated g =
        {.gate = seam_cuda_matrix(a, p, shared ? SEAM_ROLE_SHEXP_GATE : SEAM_ROLE_FFN_GATE, at),
         .up = seam_cuda_matrix(a, p, shared ? SEAM_ROLE_SHEXP_UP : SEAM_ROLE_FFN_UP, at),
         .down = seam_cuda_matrix(a, p, shared ? SEAM_ROLE_SHEXP_DOWN : SEAM_ROLE_FFN_DOWN, at),
         .router = shared ? seam_cuda_vector(p, SEAM_ROLE_SHEXP_ROUTER) : NULL,
         .width = shared ? a->hp->n_ff_shexp : a->hp->n_ff};
    return g;
}

static void gated(struct seam_accel *a, const struct gated *g, const uint16_t *h, float *x,
                  uint32_t n)
{
    const uint32_t n_embd = a->hp->n_embd;
    uint16_t *both = a->ff.both;
    struct seam_cuda_product m = {.out = both,
                                  .out_row = 2 * (uint64_t)g->width,
                                  .x = h,
                                  .x_row = n_embd,
                                  .w = g->gate,
                                  .w_row = n_embd,
                                  .rows = g->width,
                                  .n = n,
                                  .k = n_embd};
    seam_cuda_product(a, SEAM_STAGE_DENSE, &m);
    m.out = both + g->width;
    m.w = g->up;
    seam_cuda_product(a, SEAM_STAGE_DENSE, &m);
    seam_cuda_did(a,
                  seam_kernel_swiglu(a->ff.act, both, both + g->width, 2 * (uint64_t)g->width, n,
                                     g->width, a->main),
                  "swiglu");
    if (g->router)
        seam_cuda_did(a,
                      seam_kernel_scale_rows(a->ff.act, h, g->router, n, g->width, n_embd, a->main),
                      "scale the shared expert");
    const struct seam_cuda_product down = {.out = x,
                                           .out_type = SEAM_REAL_F32,
                                           .out_row = n_embd,
                                           .x = a->ff.act,
                                           .x_row = g->width,
                                           .w = g->down,
                                           .w_row = g->width,
                                           .rows = n_embd,
                                           .n = n,
                                           .k = g->width,
                                           .add = true};
    seam_cuda_product(a, SEAM_STAGE_DENSE, &down);
}

static void dense(struct seam_accel *a, const struct seam_accel_part *p)
{
    uint8_t *at = a->weights;
    const struct gated g = unpack_gated(a, p, false, &at);
    seam_cuda_stage(a, SEAM_STAGE_DENSE);
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_project, a->n1 - pos);
        seam_cuda_did(a,
                      seam_kernel_norm(a->ff.h, NULL, seam_cuda_hidden(a, pos), SEAM_REAL_F32,
                                       a->hp->n_embd, NULL, seam_cuda_vector(p, SEAM_ROLE_FFN_NORM),
                                       a->hp->eps, n, a->hp->n_embd, a->main),
                      "norm");
        gated(a, &g, a->ff.h, seam_cuda_hidden(a, pos), n);
    }
}

/* ---- routing ---- */

/* The router's product decides between near-equal experts, so it wants more than bf16: both operands as
 * high + low halves, three products of four. (2.0e-5 of a f32 product's result, at a fifth of its time.) */
struct router {
    uint16_t *high, *low;
};

static struct router unpack_router(struct seam_accel *a, const struct seam_accel_part *p,
                                   uint8_t **at)
{
    const struct seam_accel_weight *w = &p->role[SEAM_ROLE_ROUTER];
    struct router r = {.high = (uint16_t *)(void *)*at};
    r.low = r.high + SEAM_CUDA_ROUND(w->n * 2) / 2;
    *at += 2 * SEAM_CUDA_ROUND(w->n * 2);
    float *f32 = a->ff.f32;
    if (w->type == SEAM_CUDA_F32)
        f32 = (float *)(uintptr_t)w->device;
    else
        seam_cuda_did(a,
                      seam_kernel_dequantize(f32, SEAM_REAL_F32, w->device, w->type, w->n, a->grids,
                                             a->main),
                      "unpack the router");
    seam_cuda_did(a, seam_kernel_halves(r.high, r.low, f32, w->n, a->main), "split the router");
    return r;
}

static void score(struct seam_accel *a, const struct router *r, const uint16_t *h, float *logits,
                  uint32_t n)
{
    const uint32_t n_embd = a->hp->n_embd;
    struct seam_cuda_product m = {.out = logits,
                                  .out_type = SEAM_REAL_F32,
                                  .out_row = a->hp->n_expert,
                                  .x = h,
                                  .x_row = n_embd,
                                  .w = r->high,
                                  .w_row = n_embd,
                                  .rows = a->hp->n_expert,
                                  .n = n,
                                  .k = n_embd};
    seam_cuda_product(a, SEAM_STAGE_ROUTE, &m);
    m.add = true;
    m.w = r->low;
    seam_cuda_product(a, SEAM_STAGE_ROUTE, &m);
    m.x = a->ff.low;
    m.w = r->high;
    seam_cuda_product(a, SEAM_STAGE_ROUTE, &m);
}

/* h of tokens [pos, pos + n), their experts and weights, and who lies where. */
static void route(struct seam_accel *a, const struct seam_accel_part *p, const struct router *r,
                  uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const struct seam_kernel_router how = {.n_expert = hp->n_expert,
                                           .n_used = hp->n_expert_used,
                                           .n_group = hp->n_group,
                                           .n_group_used = hp->n_group_used,
                                           .sigmoid = hp->gating == SEAM_GATING_SIGMOID,
                                           .normalize = hp->expert_norm,
                                           .scale = hp->expert_scale};
    for (uint32_t i = 0, m; i < n; i += m) {
        m = seam_cuda_least(a->cut.n_project, n - i);
        uint16_t *h = (uint16_t *)a->ff.h + (uint64_t)i * hp->n_embd;
        seam_cuda_did(a,
                      seam_kernel_norm(NULL, a->ff.f32, seam_cuda_hidden(a, pos + i), SEAM_REAL_F32,
                                       hp->n_embd, NULL, seam_cuda_vector(p, SEAM_ROLE_FFN_NORM),
                                       hp->eps, m, hp->n_embd, a->main),
                      "norm");
        seam_cuda_did(a,
                      seam_kernel_halves(h, a->ff.low, a->ff.f32, (uint64_t)m * hp->n_embd,
                                         a->main),
                      "split hidden states");
        score(a, r, h, a->ff.logits + (uint64_t)i * hp->n_expert, m);
    }
    seam_cuda_did(a,
                  seam_kernel_route(a->ff.expert, a->ff.weight, a->ff.logits,
                                    seam_cuda_vector(p, SEAM_ROLE_ROUTER_BIAS), n, &how, a->main),
                  "route");
    seam_cuda_did(a,
                  seam_kernel_sort(a->ff.begin, a->ff.token, a->ff.row, a->ff.work, a->ff.expert, n,
                                   hp->n_expert_used, hp->n_expert, a->main),
                  "sort by expert");
    seam_cuda_did(a,
                  cudaMemcpyAsync(a->begin_host, a->ff.begin,
                                  (hp->n_expert + 1) * sizeof *a->begin_host,
                                  cudaMemcpyDeviceToHost, a->main),
                  "copy expert counts");
    seam_cuda_did(a, cudaEventRecord(a->counted, a->main), "note expert counts");
}

/* ---- experts ---- */

/* An expert of a role into `to`; how many values that were. */
static uint64_t unpack_expert(struct seam_accel *a, const struct seam_accel_part *p,
                              enum seam_role role, uint32_t e, uint16_t *to)
{
    const struct seam_accel_weight *w = &p->role[role];
    const uint64_t n = w->n / a->hp->n_expert, bytes = w->bytes / a->hp->n_expert;
    seam_cuda_did(a,
                  seam_kernel_dequantize(to, SEAM_REAL_BF16, (const uint8_t *)w->device + e * bytes,
                                         w->type, n, a->grids, a->side),
                  "unpack an expert");
    a->work.unpacked += bytes + 2 * n;
    return n;
}

/* Values of one expert's three matrices, gate | up | down. */
static uint64_t expert_values(const struct seam_accel *a)
{
    return 3 * (uint64_t)a->hp->n_embd * a->hp->n_ff_exp;
}

static void unpack_group(struct seam_accel *a, const struct seam_accel_part *p,
                         const uint32_t *expert, uint32_t n, uint32_t half)
{
    uint16_t *to = (uint16_t *)(void *)a->ff.group[half];
    for (uint32_t i = 0; i < 2; i++) /* of its last users */
        seam_cuda_did(a, cudaStreamWaitEvent(a->side, a->group_done[half][i], 0), "wait for room");
    for (uint32_t i = 0; i < n; i++, to += expert_values(a)) {
        uint16_t *at = to;
        if (p->role[SEAM_ROLE_EXP_GATE_UP].host) {
            at += unpack_expert(a, p, SEAM_ROLE_EXP_GATE_UP, expert[i], at);
        } else {
            at += unpack_expert(a, p, SEAM_ROLE_EXP_GATE, expert[i], at);
            at += unpack_expert(a, p, SEAM_ROLE_EXP_UP, expert[i], at);
        }
        unpack_expert(a, p, SEAM_ROLE_EXP_DOWN, expert[i], at);
    }
    seam_cuda_did(a, cudaEventRecord(a->unpacked[half], a->side), "note experts");
}

/* rows of one expert <- down(SiLU(gate rows) * up rows) */
static void one_expert(struct seam_accel *a, const uint16_t *w, uint32_t e, uint32_t stream)
{
    const uint32_t n_embd = a->hp->n_embd, width = a->hp->n_ff_exp;
    const uint64_t first = (uint64_t)a->begin_host[e];
    const uint32_t n = (uint32_t)(a->begin_host[e + 1] - a->begin_host[e]);
    uint16_t *rows = (uint16_t *)a->ff.rows + first * n_embd;
    uint16_t *both = (uint16_t *)a->ff.both + first * 2 * width;
    uint16_t *act = (uint16_t *)a->ff.act + first * width;
    struct seam_cuda_product m = {.out = both,
                                  .out_row = 2 * (uint64_t)width,
                                  .x = rows,
                                  .x_row = n_embd,
                                  .w = w,
                                  .w_row = n_embd,
                                  .rows = 2 * width,
                                  .n = n,
                                  .k = n_embd,
                                  .stream = stream};
    seam_cuda_product(a, SEAM_STAGE_EXPERTS, &m);
    seam_cuda_did(a,
                  seam_kernel_swiglu(act, both, both + width, 2 * (uint64_t)width, n, width,
                                     stream ? a->second : a->main),
                  "swiglu");
    m = (struct seam_cuda_product){.out = rows,
                                   .out_row = n_embd,
                                   .x = act,
                                   .x_row = width,
                                   .w = w + 2 * (uint64_t)width * n_embd,
                                   .w_row = width,
                                   .rows = n_embd,
                                   .n = n,
                                   .k = width,
                                   .stream = stream};
    seam_cuda_product(a, SEAM_STAGE_EXPERTS, &m);
}

static void multiply_group(struct seam_accel *a, const uint32_t *expert, uint32_t n, uint32_t half)
{
    const uint16_t *w = (const uint16_t *)(const void *)a->ff.group[half];
    const cudaStream_t stream[2] = {a->main, a->second};
    for (int i = 0; i < 2; i++)
        seam_cuda_did(a, cudaStreamWaitEvent(stream[i], a->unpacked[half], 0), "wait for experts");
    for (uint32_t i = 0; i < n; i++)
        one_expert(a, w + i * expert_values(a), expert[i], i & 1);
    for (int i = 0; i < 2; i++)
        seam_cuda_did(a, cudaEventRecord(a->group_done[half][i], stream[i]), "note experts");
}

/* Experts that have tokens, in groups; `side` may begin when what lies before on main is done. */
static void experts(struct seam_accel *a, const struct seam_accel_part *p)
{
    uint32_t group[SEAM_CUDA_GROUP], n = 0, half = 0;
    for (uint32_t e = 0; e < a->hp->n_expert && seam_cuda_ok(a); e++) {
        if (a->begin_host[e] < a->begin_host[e + 1])
            group[n++] = e;
        if (n < SEAM_CUDA_GROUP && !(e + 1 == a->hp->n_expert && n))
            continue;
        unpack_group(a, p, group, n, half);
        multiply_group(a, group, n, half);
        half ^= 1;
        n = 0;
    }
}

static void mixture_block(struct seam_accel *a, const struct seam_accel_part *p,
                          const struct router *r, const struct gated *shared, uint32_t pos,
                          uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    seam_cuda_stage(a, SEAM_STAGE_ROUTE);
    route(a, p, r, pos, n);
    seam_cuda_did(a,
                  seam_kernel_gather(a->ff.rows, a->ff.h, a->ff.token,
                                     (uint64_t)n * hp->n_expert_used, hp->n_embd, a->main),
                  "gather tokens");
    if (shared->gate) {
        seam_cuda_stage(a, SEAM_STAGE_DENSE);
        for (uint32_t i = 0, m; i < n; i += m) {
            m = seam_cuda_least(a->cut.n_project, n - i);
            gated(a, shared, (uint16_t *)a->ff.h + (uint64_t)i * hp->n_embd,
                  seam_cuda_hidden(a, pos + i), m);
        }
    }
    seam_cuda_stage(a, SEAM_STAGE_EXPERTS);
    seam_cuda_did(a, cudaEventRecord(a->fork, a->main), "fork");
    seam_cuda_did(a, cudaStreamWaitEvent(a->second, a->fork, 0), "fork");
    if (seam_cuda_did(a, cudaEventSynchronize(a->counted), "count tokens"))
        experts(a, p);
    seam_cuda_did(a, cudaEventRecord(a->join, a->second), "join");
    seam_cuda_did(a, cudaStreamWaitEvent(a->main, a->join, 0), "join");
    seam_cuda_stage(a, SEAM_STAGE_COMBINE);
    seam_cuda_did(a,
                  seam_kernel_combine(seam_cuda_hidden(a, pos), a->ff.rows, a->ff.row, a->ff.weight,
                                      NULL, NULL, n, hp->n_expert_used, hp->n_embd, a->main),
                  "sum experts");
}

static void mixture(struct seam_accel *a, const struct seam_accel_part *p)
{
    uint8_t *at = a->weights;
    struct gated shared = {0};
    if (p->role[SEAM_ROLE_SHEXP_GATE].host)
        shared = unpack_gated(a, p, true, &at);
    seam_cuda_stage(a, SEAM_STAGE_UNPACK);
    const struct router r = unpack_router(a, p, &at);
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_ffn, a->n1 - pos);
        mixture_block(a, p, &r, &shared, pos, n);
    }
}

seam_status seam_cuda_feed_forward(struct seam_accel *a, const struct seam_accel_part *p,
                                   struct seam_err *err)
{
    seam_cuda_part_begin(a, p);
    if (p->role[SEAM_ROLE_ROUTER].host)
        mixture(a, p);
    else
        dense(a, p);
    return seam_cuda_part_end(a, p, err);
}
