/* graph_qwen35.c - Qwen3.5 layers: gated DeltaNet, or gated attention. Formulas: shared
 * facts/models.md 3.3 and 3.4; Gated Delta Networks (arXiv 2412.06464) for the recurrence.
 *
 * A DeltaNet layer's state is [ the last kernel - 1 inputs of the convolution, oldest first: per
 * channel contiguous | per value head a matrix, transposed as ggml keeps it ], all F32. */
#include "engine/graph_gqa.h"

static struct ggml_tensor *weight(struct seam_graph *g, enum seam_role role)
{
    return seam_graph_weight(g, role);
}

/* ---- gated DeltaNet ---- */

static uint32_t channels(const struct seam_hparams *hp)
{
    return 2 * hp->ssm_heads_k * hp->ssm_state + hp->ssm_inner;
}

static struct ggml_tensor *conv_state(struct seam_graph *g) /* [kernel - 1, channels] */
{
    uint32_t k = g->hp->ssm_kernel - 1;
    return ggml_view_2d(g->ctx, g->state, k, channels(g->hp), k * g->state->nb[0], 0);
}

static struct ggml_tensor *head_state(struct seam_graph *g) /* [state, state, value heads] */
{
    const struct seam_hparams *hp = g->hp;
    size_t row = hp->ssm_state * g->state->nb[0];
    return ggml_view_3d(g->ctx, g->state, hp->ssm_state, hp->ssm_state, hp->ssm_heads_v, row,
                        hp->ssm_state * row,
                        (size_t)(hp->ssm_kernel - 1) * channels(hp) * g->state->nb[0]);
}

/* SiLU of the causal convolution of [channels, n]; the state moves on: same shape. */
static struct ggml_tensor *convolved(struct seam_graph *g, struct ggml_tensor *x)
{
    uint32_t k = g->hp->ssm_kernel - 1;
    struct ggml_tensor *in = ggml_concat(g->ctx, conv_state(g), ggml_transpose(g->ctx, x), 0);
    struct ggml_tensor *last = ggml_view_2d(g->ctx, in, k, in->ne[1], in->nb[1],
                                            (size_t)g->n * in->nb[0]); /* [k, channels] */
    struct ggml_tensor *y = ggml_ssm_conv(g->ctx, in, weight(g, SEAM_ROLE_SSM_CONV));
    ggml_build_forward_expand(g->gf, ggml_cpy(g->ctx, last, conv_state(g)));
    return ggml_silu(g->ctx, y);
}

/* Heads of `width` from channel `first` of [channels, n]: [width, heads, n] */
static struct ggml_tensor *heads_of(struct seam_graph *g, struct ggml_tensor *x, uint32_t width,
                                    uint32_t heads, uint32_t first)
{
    return ggml_view_3d(g->ctx, x, width, heads, g->n, width * x->nb[0], x->nb[1],
                        first * x->nb[0]);
}

/* -> [inner, n], not yet normed; the states move on. */
static struct ggml_tensor *recur(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    uint32_t width = hp->ssm_state, hk = hp->ssm_heads_k, hv = hp->ssm_heads_v;
    struct ggml_tensor *y = convolved(g, seam_graph_mul(g, SEAM_ROLE_SSM_QKV, h));
    struct ggml_tensor *q = ggml_l2_norm(g->ctx, heads_of(g, y, width, hk, 0), hp->eps);
    struct ggml_tensor *k = ggml_l2_norm(g->ctx, heads_of(g, y, width, hk, width * hk), hp->eps);
    struct ggml_tensor *v = heads_of(g, y, width, hv, 2 * width * hk);
    struct ggml_tensor *beta = ggml_sigmoid(g->ctx, seam_graph_mul(g, SEAM_ROLE_SSM_BETA, h));
    struct ggml_tensor *decay = seam_graph_mul(g, SEAM_ROLE_SSM_ALPHA, h);
    decay = ggml_softplus(g->ctx, ggml_add(g->ctx, decay, weight(g, SEAM_ROLE_SSM_DT)));
    decay = ggml_mul(g->ctx, decay, weight(g, SEAM_ROLE_SSM_A));
    struct ggml_tensor *both =
        ggml_gated_delta_net(g->ctx, q, k, v, ggml_reshape_3d(g->ctx, decay, 1, hv, g->n),
                             ggml_reshape_3d(g->ctx, beta, 1, hv, g->n), head_state(g), 1);
    /* [inner, n] of output, then the new state */
    size_t row = (size_t)hp->ssm_inner * both->nb[0];
    struct ggml_tensor *state = ggml_view_1d(g->ctx, both, (int64_t)width * width * hv, g->n * row);
    struct ggml_tensor *kept = head_state(g);
    ggml_build_forward_expand(g->gf,
                              ggml_cpy(g->ctx, ggml_reshape_3d(g->ctx, state, width, width, hv),
                                       kept));
    return ggml_view_2d(g->ctx, both, hp->ssm_inner, g->n, row, 0);
}

static struct ggml_tensor *delta(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    struct ggml_tensor *o = recur(g, h);
    struct ggml_tensor *z = seam_graph_mul(g, SEAM_ROLE_SSM_GATE, h);
    o = ggml_reshape_3d(g->ctx, ggml_cont(g->ctx, o), hp->ssm_state, hp->ssm_heads_v, g->n);
    o = seam_graph_norm(g, o, weight(g, SEAM_ROLE_SSM_NORM));
    o = ggml_reshape_2d(g->ctx, o, hp->ssm_inner, g->n);
    o = ggml_mul(g->ctx, o, ggml_silu(g->ctx, z));
    return seam_graph_mul(g, SEAM_ROLE_SSM_OUT, o);
}

/* ---- gated attention ---- */

static struct ggml_tensor *gated_attention(struct seam_graph *g, struct ggml_tensor *h)
{
    const struct seam_hparams *hp = g->hp;
    seam_gqa_rows(g, h);
    struct ggml_tensor *both = seam_graph_mul(g, SEAM_ROLE_ATTN_Q, h);
    size_t value = both->nb[0], head = 2 * (size_t)hp->d_head * value; /* query | gate */
    struct ggml_tensor *q =
        ggml_view_3d(g->ctx, both, hp->d_head, hp->n_head, g->n, head, both->nb[1], 0);
    struct ggml_tensor *gate = ggml_view_3d(g->ctx, both, hp->d_head, hp->n_head, g->n, head,
                                            both->nb[1], hp->d_head * value);
    struct ggml_tensor *o = seam_gqa_attend(g, q);
    gate = ggml_cont_2d(g->ctx, gate, hp->d_head * hp->n_head, g->n);
    o = ggml_mul(g->ctx, o, ggml_sigmoid(g->ctx, gate));
    return seam_graph_mul(g, SEAM_ROLE_ATTN_OUT, o);
}

static void remember(struct seam_graph *g, struct ggml_tensor *x)
{
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM));
    if (g->state)
        recur(g, h);
    else
        seam_gqa_rows(g, h);
}

static struct ggml_tensor *attention(struct seam_graph *g, struct ggml_tensor *x,
                                     enum seam_mla_form form)
{
    (void)form;
    struct ggml_tensor *h = seam_graph_norm(g, x, weight(g, SEAM_ROLE_ATTN_NORM));
    return ggml_add(g->ctx, x, g->state ? delta(g, h) : gated_attention(g, h));
}

const struct seam_graph_arch seam_graph_qwen35 = {.name = "qwen35",
                                                  .remember = remember,
                                                  .attention = attention};
const struct seam_graph_arch seam_graph_qwen35moe = {.name = "qwen35moe",
                                                     .remember = remember,
                                                     .attention = attention};
