/* graph_deepseek2.c - DeepSeek-V2/V3 and Kimi K2 layers: MLA in two forms. Formulas: shared
 * facts/models.md 3.1; DeepSeek-V3 (arXiv 2412.19437) 2.1.1; YaRN (arXiv 2309.00071) is folded into
 * the rope arguments.
 *
 * The cache row of a token is [ latent c (kv_lora) | rope key (d_rope) ], one for all heads.
 *   absorbed: q' = K_B q_nope; softmax(scale (q'|q_pe) . row) . c; then V_B.  Few queries.
 *   expanded: K = (K_B^T c | k_pe), V = V_B c per head, ordinary attention.    Many queries:
 *             3.4x fewer operations for Kimi's shapes once K and V exist.
 * K and V are always expanded from the rows as cached (already rounded to the KV type), so that
 * cached, handed-off and fresh rows give the same result. */
#include <math.h>

#include "engine/graph.h"

static struct ggml_tensor *weight(struct seam_graph *g, enum seam_role role)
{
    return seam_graph_weight(g, role);
}

/* ---- attention ---- */

static void kv_rows_of(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    struct ggml_tensor *c = seam_graph_mul(g, SEAM_ROLE_ATTN_KV_A, h);
    struct ggml_tensor *latent = ggml_view_2d(g->ctx, c, hp->kv_lora, g->n, c->nb[1], 0);
    struct ggml_tensor *k_pe =
        ggml_view_3d(g->ctx, c, hp->d_rope, 1, g->n, c->nb[1], c->nb[1], hp->kv_lora * c->nb[0]);
    latent = seam_graph_norm(g, latent, weight(g, SEAM_ROLE_ATTN_KV_A_NORM));
    k_pe = ggml_reshape_2d(g->ctx, seam_graph_rope(g, ggml_cont(g->ctx, k_pe)), hp->d_rope, g->n);
    seam_graph_keep(g, latent, 0);
    seam_graph_keep(g, k_pe, hp->kv_lora);
}

static void remember(struct seam_graph *g, struct ggml_tensor *x)
{
    kv_rows_of(g, seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM)));
}

/* Queries [nope + rope, n_head, n], rope not yet applied. */
static struct ggml_tensor *queries(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    struct ggml_tensor *q;
    if (hp->q_lora) {
        q = seam_graph_mul(g, SEAM_ROLE_ATTN_Q_A, h);
        q = seam_graph_norm(g, q, weight(g, SEAM_ROLE_ATTN_Q_A_NORM));
        q = seam_graph_mul(g, SEAM_ROLE_ATTN_Q_B, q);
    } else {
        q = seam_graph_mul(g, SEAM_ROLE_ATTN_Q, h);
    }
    return ggml_reshape_3d(g->ctx, q, hp->d_nope + hp->d_rope, hp->n_head, g->n);
}

static struct ggml_tensor *q_nope(struct seam_graph *g,
                                  struct ggml_tensor *q) /* [nope, n_head, n] */
{
    return ggml_view_3d(g->ctx, q, g->hp->d_nope, g->hp->n_head, g->n, q->nb[1], q->nb[2], 0);
}

static struct ggml_tensor *q_rope(struct seam_graph *g,
                                  struct ggml_tensor *q) /* [rope, n_head, n] */
{
    struct ggml_tensor *pe = ggml_view_3d(g->ctx, q, g->hp->d_rope, g->hp->n_head, g->n, q->nb[1],
                                          q->nb[2], g->hp->d_nope * q->nb[0]);
    return seam_graph_rope(g, ggml_cont(g->ctx, pe));
}

/* Joined files hold K_B and V_B as rows of one matrix, per head nope | v: [kv_lora, width, n_head] */
static struct ggml_tensor *joined_part(struct seam_graph *g, uint32_t first, uint32_t width)
{
    struct ggml_tensor *kv_b = weight(g, SEAM_ROLE_ATTN_KV_B);
    return ggml_view_3d(g->ctx, kv_b, g->hp->kv_lora, width, g->hp->n_head, kv_b->nb[1],
                        kv_b->nb[1] * (g->hp->d_nope + g->hp->d_v), first * kv_b->nb[1]);
}

static struct ggml_tensor *v_b(struct seam_graph *g) /* [kv_lora, v, n_head] */
{
    return weight(g, SEAM_ROLE_ATTN_V_B) ? weight(g, SEAM_ROLE_ATTN_V_B)
                                         : joined_part(g, g->hp->d_nope, g->hp->d_v);
}

/* Files hold K_B for one direction only; the other form wants it transposed per head:
 *   split file  [nope, kv_lora, n_head] -> k_b_t [kv_lora, nope, n_head] for the expanded form
 *   joined file [kv_lora, nope, n_head] -> k_b_t [nope, kv_lora, n_head] for the absorbed form */
static bool prepare(struct seam_graph *g, enum seam_mla_form form)
{
    bool split = weight(g, SEAM_ROLE_ATTN_K_B) != NULL;
    if (split == (form == SEAM_MLA_ABSORBED))
        return false;
    struct ggml_tensor *w =
        split ? weight(g, SEAM_ROLE_ATTN_K_B) : joined_part(g, 0, g->hp->d_nope);
    if (w->type != GGML_TYPE_F32)
        w = ggml_cast(g->ctx, w, GGML_TYPE_F32);
    struct ggml_tensor *to = g->k_b_t;
    to = ggml_reshape_3d(g->ctx, to, w->ne[1], w->ne[0], w->ne[2]);
    ggml_build_forward_expand(g->gf, ggml_cpy(g->ctx, ggml_permute(g->ctx, w, 1, 0, 2, 3), to));
    return true;
}

/* Store [width, n_head, n] into positions [pos, pos + n), from value `first`, of a head-major
 * [.., n_ctx, n_head] tensor. */
static void store_heads(struct seam_graph *g, struct ggml_tensor *from, struct ggml_tensor *to,
                        uint32_t first)
{
    struct ggml_tensor *at = ggml_view_3d(g->ctx, to, from->ne[0], g->n, g->hp->n_head, to->nb[1],
                                          to->nb[2], g->pos * to->nb[1] + first * to->nb[0]);
    from = ggml_permute(g->ctx, from, 0, 2, 1, 3);
    ggml_build_forward_expand(g->gf, ggml_cpy(g->ctx, from, at));
}

static struct ggml_tensor *as_f32(struct seam_graph *g, struct ggml_tensor *x)
{
    return x->type == GGML_TYPE_F32 ? ggml_cont(g->ctx, x) : ggml_cast(g->ctx, x, GGML_TYPE_F32);
}

static void expand(struct seam_graph *g)
{
    const struct seam_hparams *hp = g->hp;
    struct ggml_tensor *c = as_f32(g, seam_graph_rows(g, g->pos, g->n, 0, hp->kv_lora));
    struct ggml_tensor *k, *v;
    if (weight(g, SEAM_ROLE_ATTN_K_B)) {
        struct ggml_tensor *up_k =
            ggml_reshape_2d(g->ctx, g->k_b_t, hp->kv_lora, hp->d_nope * hp->n_head);
        struct ggml_tensor *up_v = ggml_reshape_2d(g->ctx, weight(g, SEAM_ROLE_ATTN_V_B),
                                                   hp->kv_lora, hp->d_v * hp->n_head);
        k = ggml_reshape_3d(g->ctx, seam_graph_product(g, up_k, c), hp->d_nope, hp->n_head, g->n);
        v = ggml_reshape_3d(g->ctx, seam_graph_product(g, up_v, c), hp->d_v, hp->n_head, g->n);
    } else {
        struct ggml_tensor *kv = seam_graph_product(g, weight(g, SEAM_ROLE_ATTN_KV_B), c);
        kv = ggml_reshape_3d(g->ctx, kv, hp->d_nope + hp->d_v, hp->n_head, g->n);
        k = ggml_view_3d(g->ctx, kv, hp->d_nope, hp->n_head, g->n, kv->nb[1], kv->nb[2], 0);
        v = ggml_view_3d(g->ctx, kv, hp->d_v, hp->n_head, g->n, kv->nb[1], kv->nb[2],
                         hp->d_nope * kv->nb[0]);
    }
    store_heads(g, k, g->k_exp, 0);
    store_heads(g, v, g->v_exp, 0);
    struct ggml_tensor *k_pe = as_f32(g, seam_graph_rows(g, g->pos, g->n, hp->kv_lora, hp->d_rope));
    k_pe = ggml_reshape_3d(g->ctx, k_pe, hp->d_rope, 1, g->n);
    store_heads(g, ggml_repeat_4d(g->ctx, k_pe, hp->d_rope, hp->n_head, g->n, 1), g->k_exp,
                hp->d_nope);
}

/* All three return [v * n_head, n]. */
static struct ggml_tensor *attend_expanded(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    uint32_t n_kv = g->n_kv;
    expand(g);
    struct ggml_tensor *q = queries(g, h);
    q = ggml_concat(g->ctx, q_nope(g, q), q_rope(g, q), 0);
    q = ggml_permute(g->ctx, q, 0, 2, 1, 3); /* [nope + rope, n, n_head] */
    struct ggml_tensor *k = ggml_view_3d(g->ctx, g->k_exp, g->k_exp->ne[0], n_kv, hp->n_head,
                                         g->k_exp->nb[1], g->k_exp->nb[2], 0);
    struct ggml_tensor *v = ggml_view_3d(g->ctx, g->v_exp, g->v_exp->ne[0], n_kv, hp->n_head,
                                         g->v_exp->nb[1], g->v_exp->nb[2], 0);
    return seam_graph_attend(g, q, k, v);
}

static struct ggml_tensor *attend_absorbed(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    uint32_t n_kv = g->n_kv, row = hp->kv_lora + hp->d_rope;
    struct ggml_tensor *k_b = weight(g, SEAM_ROLE_ATTN_K_B);
    if (!k_b)
        k_b = ggml_reshape_3d(g->ctx, g->k_b_t, hp->d_nope, hp->kv_lora, hp->n_head);
    struct ggml_tensor *q = queries(g, h);
    struct ggml_tensor *up = ggml_permute(g->ctx, q_nope(g, q), 0, 2, 1, 3);
    up = ggml_mul_mat(g->ctx, k_b, up); /* [kv_lora, n, n_head] */
    struct ggml_tensor *pe = ggml_permute(g->ctx, q_rope(g, q), 0, 2, 1, 3);
    q = ggml_concat(g->ctx, up, pe, 0);
    struct ggml_tensor *k =
        ggml_view_3d(g->ctx, g->kv, row, n_kv, 1, g->kv->nb[1], n_kv * g->kv->nb[1], 0);
    struct ggml_tensor *v =
        ggml_view_3d(g->ctx, g->kv, hp->kv_lora, n_kv, 1, g->kv->nb[1], n_kv * g->kv->nb[1], 0);
    struct ggml_tensor *o = seam_graph_flash(g, q, k, v);
    o = ggml_permute(g->ctx, o, 0, 2, 1, 3); /* [kv_lora, n, n_head] */
    o = ggml_mul_mat(g->ctx, v_b(g), o);     /* [v, n, n_head] */
    o = ggml_permute(g->ctx, o, 0, 2, 1, 3);
    return ggml_cont_2d(g->ctx, o, hp->d_v * hp->n_head, g->n);
}

static struct ggml_tensor *attention(struct seam_graph *g, struct ggml_tensor *x,
                                     enum seam_mla_form form)
{
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM));
    kv_rows_of(g, h);
    struct ggml_tensor *o =
        form == SEAM_MLA_EXPANDED ? attend_expanded(g, h) : attend_absorbed(g, h);
    return ggml_add(g->ctx, x, seam_graph_mul(g, SEAM_ROLE_ATTN_OUT, o));
}

const struct seam_graph_arch seam_graph_deepseek2 = {
    .name = "deepseek2",
    .prepare = prepare,
    .expand = expand,
    .remember = remember,
    .attention = attention,
};
