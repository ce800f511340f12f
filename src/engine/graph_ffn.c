/* graph_ffn.c - feed-forward: dense, or routed experts and one that all tokens share. Formulas: shared
 * facts/models.md 3.2; DeepSeek-V3 (arXiv 2412.19437) 2.1.2. */
#include <math.h>
#include <string.h>

#include "engine/graph.h"
#include "model/footprint.h"

static struct ggml_tensor *weight(const struct seam_graph *g, enum seam_role role)
{
    return seam_graph_weight(g, role);
}

/* down(SiLU(gate h) * up h) */
static struct ggml_tensor *gated(struct seam_graph *g, struct ggml_tensor *h, enum seam_role gate,
                                 enum seam_role up, enum seam_role down)
{
    struct ggml_tensor *a = seam_graph_mul(g, gate, h);
    struct ggml_tensor *b = seam_graph_mul(g, up, h);
    return seam_graph_mul(g, down, ggml_swiglu_split(g->ctx, a, b));
}

/* Keep the selection scores of the best groups (by the sum of their two best experts), set the
 * others to -inf: [n_expert, n] -> same. */
static struct ggml_tensor *only_best_groups(struct seam_graph *g, struct ggml_tensor *score)
{
    const struct seam_hparams *hp = g->hp;
    uint32_t per_group = hp->n_expert / hp->n_group;
    struct ggml_tensor *groups = ggml_reshape_3d(g->ctx, score, per_group, hp->n_group, g->n);
    struct ggml_tensor *best = ggml_argsort_top_k(g->ctx, groups, per_group < 2 ? 1 : 2);
    struct ggml_tensor *sum =
        ggml_get_rows(g->ctx, ggml_reshape_4d(g->ctx, groups, 1, per_group, hp->n_group, g->n),
                      best);
    sum = ggml_sum_rows(g->ctx, ggml_reshape_3d(g->ctx, sum, sum->ne[1], sum->ne[2], sum->ne[3]));
    sum = ggml_reshape_2d(g->ctx, sum, hp->n_group, g->n);
    struct ggml_tensor *kept = ggml_argsort_top_k(g->ctx, sum, (int)hp->n_group_used);
    struct ggml_tensor *scores = ggml_get_rows(g->ctx, groups, kept);
    struct ggml_tensor *none = ggml_fill(g->ctx, groups, -INFINITY);
    return ggml_reshape_2d(g->ctx, ggml_set_rows(g->ctx, none, scores, kept), hp->n_expert, g->n);
}

struct routing {
    struct ggml_tensor *experts; /* [n_expert_used, n] i32, best first */
    struct ggml_tensor *weights; /* [1, n_expert_used, n] */
};

/* The bias decides who is chosen, never how much a chosen expert counts. */
static struct routing route(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    struct ggml_tensor *logits = seam_graph_mul(g, SEAM_ROLE_ROUTER, h);
    struct ggml_tensor *p = hp->gating == SEAM_GATING_SIGMOID ? ggml_sigmoid(g->ctx, logits)
                                                              : ggml_soft_max(g->ctx, logits);
    struct ggml_tensor *score = p;
    if (weight(g, SEAM_ROLE_ROUTER_BIAS))
        score = ggml_add(g->ctx, score, weight(g, SEAM_ROLE_ROUTER_BIAS));
    if (hp->n_group > 1)
        score = only_best_groups(g, score);
    struct routing r;
    r.experts = ggml_argsort_top_k(g->ctx, score, (int)hp->n_expert_used);
    struct ggml_tensor *w =
        ggml_get_rows(g->ctx, ggml_reshape_3d(g->ctx, p, 1, hp->n_expert, g->n), r.experts);
    if (hp->expert_norm) {
        w = ggml_reshape_2d(g->ctx, w, hp->n_expert_used, g->n);
        struct ggml_tensor *sum = ggml_sum_rows(g->ctx, w);
        /* the smallest normal f16, as llama.cpp: no division by zero */
        sum = ggml_clamp(g->ctx, sum, 6.103515625e-5f, INFINITY);
        w = ggml_reshape_3d(g->ctx, ggml_div(g->ctx, w, sum), 1, hp->n_expert_used, g->n);
    }
    if (hp->expert_scale != 1.0f)
        w = ggml_scale(g->ctx, w, hp->expert_scale);
    r.weights = w;
    return r;
}

/* Each token's chosen experts: [rows, n_expert_used, n] */
static struct ggml_tensor *mul_id(struct seam_graph *g, enum seam_role role, struct ggml_tensor *x,
                                  struct ggml_tensor *experts)
{
    struct ggml_tensor *y = ggml_mul_mat_id(g->ctx, weight(g, role), x, experts);
    struct ggml_tensor *scale = seam_store_layer(g->store, g->layer, SEAM_STORE_SCALE, role);
    if (!scale)
        return y;
    scale = ggml_repeat_4d(g->ctx, ggml_reshape_3d(g->ctx, scale, 1, g->hp->n_expert, 1), 1,
                           g->hp->n_expert, g->n, 1);
    return ggml_mul(g->ctx, y, ggml_get_rows(g->ctx, scale, experts));
}

/* SiLU(gate) * up of the chosen experts: [n_ff_exp, n_expert_used, n] */
static struct ggml_tensor *experts_in(struct seam_graph *g, struct ggml_tensor *h,
                                      struct ggml_tensor *experts)
{
    h = ggml_reshape_3d(g->ctx, h, g->hp->n_embd, 1, g->n);
    if (!weight(g, SEAM_ROLE_EXP_GATE_UP)) {
        struct ggml_tensor *up = mul_id(g, SEAM_ROLE_EXP_UP, h, experts);
        struct ggml_tensor *gate = mul_id(g, SEAM_ROLE_EXP_GATE, h, experts);
        return ggml_swiglu_split(g->ctx, gate, up);
    }
    struct ggml_tensor *both = mul_id(g, SEAM_ROLE_EXP_GATE_UP, h, experts);
    uint32_t n_ff = g->hp->n_ff_exp;
    struct ggml_tensor *gate =
        ggml_view_3d(g->ctx, both, n_ff, both->ne[1], both->ne[2], both->nb[1], both->nb[2], 0);
    struct ggml_tensor *up = ggml_view_3d(g->ctx, both, n_ff, both->ne[1], both->ne[2], both->nb[1],
                                          both->nb[2], n_ff * both->nb[0]);
    return ggml_swiglu_split(g->ctx, gate, up);
}

/* The expert that every token uses; Qwen3.5 scales it by a sigmoid of its own. */
static struct ggml_tensor *shared_expert(struct seam_graph *g, struct ggml_tensor *h)
{
    struct ggml_tensor *y =
        gated(g, h, SEAM_ROLE_SHEXP_GATE, SEAM_ROLE_SHEXP_UP, SEAM_ROLE_SHEXP_DOWN);
    struct ggml_tensor *w = weight(g, SEAM_ROLE_SHEXP_ROUTER);
    if (!w)
        return y;
    return ggml_mul(g->ctx, y, ggml_sigmoid(g->ctx, ggml_mul_mat(g->ctx, w, h)));
}

/* sum of y [n_embd, n_expert_used, n] over experts, each times its weight. One node where ggml has none:
 * a product and a sum an expert, each with its own barrier, are a tenth of a small model's step. Threads
 * share the n_embd values of every token. */
static void weighted_sum(struct ggml_tensor *sum, int ith, int nth, void *user)
{
    const struct ggml_tensor *y = sum->src[0], *w = sum->src[1];
    const int64_t width = y->ne[0], used = y->ne[1];
    const int64_t begin = width * ith / nth, end = width * (ith + 1) / nth;
    (void)user;
    for (int64_t t = 0; t < y->ne[2]; t++) {
        const float *from = (const float *)y->data + t * used * width;
        const float *scale = (const float *)w->data + t * used;
        float *to = (float *)sum->data + t * width;
        for (int64_t j = begin; j < end; j++)
            to[j] = scale[0] * from[j];
        for (int64_t e = 1; e < used; e++)
            for (int64_t j = begin; j < end; j++)
                to[j] += scale[e] * from[e * width + j];
    }
}

/* The same in ggml's nodes. */
static struct ggml_tensor *weighted_sum_of_nodes(struct seam_graph *g, struct ggml_tensor *y,
                                                 struct ggml_tensor *w)
{
    struct ggml_tensor *sum = NULL;
    y = ggml_mul(g->ctx, y, w);
    for (int64_t e = 0; e < y->ne[1]; e++) {
        struct ggml_tensor *one =
            ggml_view_2d(g->ctx, y, y->ne[0], g->n, y->nb[2], (size_t)e * y->nb[1]);
        sum = sum ? ggml_add(g->ctx, sum, one) : one;
    }
    return y->ne[1] == 1 ? ggml_cont(g->ctx, sum) : sum;
}

static struct ggml_tensor *mixture(struct seam_graph *g, struct ggml_tensor *h)
{
    struct routing r = route(g, h);
    struct ggml_tensor *y = experts_in(g, h, r.experts);
    y = mul_id(g, SEAM_ROLE_EXP_DOWN, y, r.experts);
    struct ggml_tensor *args[] = {y, r.weights}, *sum;
    if (g->rows_at)
        sum = weighted_sum_of_nodes(g, y, r.weights);
    else
        sum = ggml_custom_4d(g->ctx, GGML_TYPE_F32, g->hp->n_embd, g->n, 1, 1, args, 2,
                             weighted_sum, GGML_N_TASKS_MAX, NULL);
    return weight(g, SEAM_ROLE_SHEXP_GATE) ? ggml_add(g->ctx, sum, shared_expert(g, h)) : sum;
}

/* ---- experts that multiply their tokens as one matrix ---- */

bool seam_graph_groups(const struct seam_graph *g)
{
    const struct seam_hparams *hp = g->hp;
    for (int r = SEAM_ROLE_EXP_GATE; r <= SEAM_ROLE_EXP_GATE_UP; r++)
        if (seam_store_layer(g->store, g->layer, SEAM_STORE_SCALE, (enum seam_role)r))
            return false; /* rare: a scale an expert beside the matrix */
    return weight(g, SEAM_ROLE_ROUTER) && (uint64_t)g->n * hp->n_expert_used >=
                                              (uint64_t)SEAM_ENGINE_TOKENS_AN_EXPERT * hp->n_expert;
}

uint64_t seam_groups_carve(struct seam_groups *gr, const struct seam_hparams *hp, uint32_t chunk,
                           uint8_t *base)
{
    const uint64_t used = (uint64_t)hp->n_expert_used * chunk;
    const struct seam_piece parts[] = {
        {&gr->h, (uint64_t)hp->n_embd * chunk * sizeof *gr->h},
        {&gr->experts, used * sizeof *gr->experts},
        {&gr->weights, used * sizeof *gr->weights},
        {&gr->token, used * sizeof *gr->token},
        {&gr->weight, used * sizeof *gr->weight},
        {&gr->begin, (hp->n_expert + 1) * sizeof *gr->begin},
    };
    return hp->n_expert ? seam_carve(parts, sizeof parts / sizeof *parts, 64, base) : 0;
}

static struct ggml_tensor *outside(struct seam_graph *g, const struct seam_groups *gr, void *data,
                                   enum ggml_type type, int64_t ne0, int64_t ne1)
{
    return seam_graph_outside(g->ctx, gr->buffer, data, type, ne0, ne1, 1);
}

static void keep(struct seam_graph *g, struct ggml_tensor *t, struct ggml_tensor *where)
{
    ggml_build_forward_expand(g->gf, ggml_cpy(g->ctx, t, where));
}

struct ggml_tensor *seam_graph_route(struct seam_graph *g, struct ggml_tensor *x,
                                     const struct seam_groups *gr)
{
    const uint32_t used = g->hp->n_expert_used;
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_FFN_NORM));
    struct routing r = route(g, h);
    keep(g, h, outside(g, gr, gr->h, GGML_TYPE_F32, g->hp->n_embd, g->n));
    keep(g, r.experts, outside(g, gr, gr->experts, GGML_TYPE_I32, used, g->n));
    keep(g, ggml_reshape_2d(g->ctx, r.weights, used, g->n),
         outside(g, gr, gr->weights, GGML_TYPE_F32, used, g->n));
    return weight(g, SEAM_ROLE_SHEXP_GATE) ? ggml_add(g->ctx, x, shared_expert(g, h)) : x;
}

void seam_groups_sort(struct seam_groups *gr, const struct seam_hparams *hp, uint32_t n)
{
    const uint32_t used = hp->n_expert_used;
    memset(gr->begin, 0, (hp->n_expert + 1) * sizeof *gr->begin);
    for (uint32_t i = 0; i < n * used; i++)
        gr->begin[gr->experts[i]]++;
    for (uint32_t e = 1; e <= hp->n_expert; e++) /* now: where each ends */
        gr->begin[e] += gr->begin[e - 1];
    for (uint32_t i = n * used; i-- > 0;) { /* from behind: ends become beginnings */
        int32_t at = --gr->begin[gr->experts[i]];
        gr->token[at] = (int32_t)(i / used);
        gr->weight[at] = gr->weights[i];
    }
}

/* An expert's matrix of a role: what view_2d gives, with the type of buffer that says how it lies. */
static struct ggml_tensor *matrix(struct seam_graph *g, enum seam_role role, uint32_t expert)
{
    const struct ggml_tensor *w = weight(g, role);
    struct ggml_tensor *t = ggml_new_tensor_2d(g->ctx, w->type, w->ne[0], w->ne[1]);
    t->data = (char *)w->data + expert * w->nb[2];
    t->buffer = w->buffer;
    t->extra = w->extra;
    return t;
}

/* Row i of y, times its weight, is added to row token[i] of x. Every nth row, each token once. */
static void add_rows(struct ggml_tensor *x, int ith, int nth, void *user)
{
    const struct ggml_tensor *y = x->src[1], *token = x->src[2], *w = x->src[3];
    (void)user;
    for (int64_t i = ith; i < y->ne[1]; i += nth) {
        const float *from = (const float *)y->data + i * y->ne[0], scale = ((float *)w->data)[i];
        float *to = (float *)x->data + ((int32_t *)token->data)[i] * x->ne[0];
        for (int64_t j = 0; j < y->ne[0]; j++)
            to[j] += scale * from[j];
    }
}

static void expert_rows(struct seam_graph *g, struct ggml_tensor *x, const struct seam_groups *gr,
                        uint32_t e)
{
    const int32_t at = gr->begin[e], n = gr->begin[e + 1] - at;
    struct ggml_tensor *token = outside(g, gr, gr->token + at, GGML_TYPE_I32, n, 1);
    struct ggml_tensor *w = outside(g, gr, gr->weight + at, GGML_TYPE_F32, n, 1);
    struct ggml_tensor *h = outside(g, gr, gr->h, GGML_TYPE_F32, g->hp->n_embd, g->n), *y;
    h = ggml_get_rows(g->ctx, h, token);
    if (weight(g, SEAM_ROLE_EXP_GATE_UP))
        y = ggml_swiglu(g->ctx, seam_graph_product(g, matrix(g, SEAM_ROLE_EXP_GATE_UP, e), h));
    else
        y = ggml_swiglu_split(g->ctx, seam_graph_product(g, matrix(g, SEAM_ROLE_EXP_GATE, e), h),
                              seam_graph_product(g, matrix(g, SEAM_ROLE_EXP_UP, e), h));
    y = seam_graph_product(g, matrix(g, SEAM_ROLE_EXP_DOWN, e), y);
    struct ggml_tensor *args[] = {y, token, w};
    ggml_build_forward_expand(g->gf, ggml_custom_inplace(g->ctx, x, args, 3, add_rows,
                                                         GGML_N_TASKS_MAX, NULL));
}

void seam_graph_experts(struct seam_graph *g, struct ggml_tensor *x, const struct seam_groups *gr)
{
    for (uint32_t e = 0; e < g->hp->n_expert; e++)
        if (gr->begin[e] < gr->begin[e + 1])
            expert_rows(g, x, gr, e);
}

struct ggml_tensor *seam_graph_feed_forward(struct seam_graph *g, struct ggml_tensor *x)
{
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_FFN_NORM));
    struct ggml_tensor *y =
        weight(g, SEAM_ROLE_ROUTER)
            ? mixture(g, h)
            : gated(g, h, SEAM_ROLE_FFN_GATE, SEAM_ROLE_FFN_UP, SEAM_ROLE_FFN_DOWN);
    return ggml_add(g->ctx, x, y);
}
