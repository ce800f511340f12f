/* graph_gqa.c - grouped-query attention, and the rows of the architectures that are nothing else:
 * llama, qwen3, qwen3moe. What differs between them is which weights a layer has (norms on query and
 * key heads, frequency factors) and how rope pairs values: all of it in hyper-parameters. */
#include "engine/graph_gqa.h"

static struct ggml_tensor *weight(struct seam_graph *g, enum seam_role role)
{
    return seam_graph_weight(g, role);
}

/* [width, heads, n] -> normed where the model does so, then rotated. */
static struct ggml_tensor *turned(struct seam_graph *g, struct ggml_tensor *x, enum seam_role norm)
{
    if (weight(g, norm))
        x = seam_graph_norm(g, x, weight(g, norm));
    return seam_graph_rope(g, x);
}

void seam_gqa_rows(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    uint32_t width_k = hp->d_head * hp->n_head_kv;
    struct ggml_tensor *k = seam_graph_mul(g, SEAM_ROLE_ATTN_K, h);
    struct ggml_tensor *v = seam_graph_mul(g, SEAM_ROLE_ATTN_V, h);
    k = ggml_reshape_3d(g->ctx, k, hp->d_head, hp->n_head_kv, g->n);
    k = ggml_reshape_2d(g->ctx, turned(g, k, SEAM_ROLE_ATTN_K_NORM), width_k, g->n);
    seam_graph_keep(g, k, 0);
    seam_graph_keep(g, v, width_k);
}

/* The rows that attention sees of all heads, each `width` wide, from value `first`: [width, n_kv, heads] */
static struct ggml_tensor *cached(struct seam_graph *g, uint32_t width, uint32_t first)
{
    return ggml_view_3d(g->ctx, g->kv, width, g->n_kv, g->hp->n_head_kv, g->kv->nb[1],
                        width * g->kv->nb[0], first * g->kv->nb[0]);
}

struct ggml_tensor *seam_gqa_attend(struct seam_graph *g, struct ggml_tensor *q)
{
    const struct seam_hparams *hp = g->hp;
    q = ggml_permute(g->ctx, turned(g, q, SEAM_ROLE_ATTN_Q_NORM), 0, 2, 1, 3);
    struct ggml_tensor *k = cached(g, hp->d_head, 0);
    struct ggml_tensor *v = cached(g, hp->d_v, hp->d_head * hp->n_head_kv);
    return seam_graph_attend(g, q, k, v);
}

static void remember(struct seam_graph *g, struct ggml_tensor *x)
{
    seam_gqa_rows(g, seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM)));
}

static struct ggml_tensor *attention(struct seam_graph *g, struct ggml_tensor *x,
                                     enum seam_mla_form form)
{
    (void)form;
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM));
    seam_gqa_rows(g, h);
    struct ggml_tensor *q = seam_graph_mul(g, SEAM_ROLE_ATTN_Q, h);
    q = ggml_reshape_3d(g->ctx, q, g->hp->d_head, g->hp->n_head, g->n);
    struct ggml_tensor *o = seam_gqa_attend(g, q);
    return ggml_add(g->ctx, x, seam_graph_mul(g, SEAM_ROLE_ATTN_OUT, o));
}

const struct seam_graph_arch seam_graph_llama = {.name = "llama",
                                                 .remember = remember,
                                                 .attention = attention};
const struct seam_graph_arch seam_graph_qwen3 = {.name = "qwen3",
                                                 .remember = remember,
                                                 .attention = attention};
const struct seam_graph_arch seam_graph_qwen3moe = {.name = "qwen3moe",
                                                    .remember = remember,
                                                    .attention = attention};
