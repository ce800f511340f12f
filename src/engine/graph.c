#include "engine/graph.h"

#include <string.h>

#include "engine/gemm.h"
#include "model/footprint.h"

static const struct seam_graph_arch *const archs[] = {
    &seam_graph_deepseek2, &seam_graph_llama,  &seam_graph_qwen3,
    &seam_graph_qwen3moe,  &seam_graph_qwen35, &seam_graph_qwen35moe,
};

const struct seam_graph_arch *seam_graph_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (!strcmp(archs[i]->name, name))
            return archs[i];
    return NULL;
}

uint64_t seam_carve(const struct seam_piece *pieces, size_t n, uint64_t align, uint8_t *base)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = base + at;
        if (base)
            memcpy(pieces[i].p, &p, sizeof p);
        at += (pieces[i].bytes + align - 1) / align * align;
    }
    return at;
}

struct ggml_tensor *seam_graph_outside(struct ggml_context *ctx, ggml_backend_buffer_t buffer,
                                       void *data, enum ggml_type type, int64_t ne0, int64_t ne1,
                                       int64_t ne2)
{
    struct ggml_tensor *t = ggml_new_tensor_3d(ctx, type, ne0, ne1, ne2);
    if (buffer)
        ggml_backend_tensor_alloc(buffer, t, data);
    else
        t->data = SEAM_STORE_NOWHERE;
    return t;
}

struct ggml_tensor *seam_graph_weight(const struct seam_graph *g, enum seam_role role)
{
    return seam_store_layer(g->store, g->layer, SEAM_STORE_WEIGHT, role);
}

struct ggml_tensor *seam_graph_product(struct seam_graph *g, struct ggml_tensor *w,
                                       struct ggml_tensor *x)
{
    if (g->rows_at || x->ne[2] != 1 || !ggml_is_contiguous(x) ||
        !seam_gemm_wins(w, (uint32_t)x->ne[1]))
        return ggml_mul_mat(g->ctx, w, x);
    return seam_gemm(g->ctx, w, x);
}

struct ggml_tensor *seam_graph_mul(struct seam_graph *g, enum seam_role role, struct ggml_tensor *x)
{
    struct ggml_tensor *y = seam_graph_product(g, seam_graph_weight(g, role), x);
    struct ggml_tensor *scale = seam_store_layer(g->store, g->layer, SEAM_STORE_SCALE, role);
    struct ggml_tensor *bias = seam_store_layer(g->store, g->layer, SEAM_STORE_BIAS, role);
    /* The order is llama.cpp's (0.7.0: build_lora_mm, build_ffn), which defines these tensors. */
    const bool bias_first =
        role == SEAM_ROLE_FFN_GATE || role == SEAM_ROLE_FFN_UP || role == SEAM_ROLE_FFN_DOWN;
    if (bias && bias_first)
        y = ggml_add(g->ctx, y, bias);
    if (scale)
        y = ggml_mul(g->ctx, y, scale);
    return bias && !bias_first ? ggml_add(g->ctx, y, bias) : y;
}

struct ggml_tensor *seam_graph_norm(struct seam_graph *g, struct ggml_tensor *x,
                                    struct ggml_tensor *weight)
{
    return ggml_mul(g->ctx, ggml_rms_norm(g->ctx, x, g->hp->eps), weight);
}

struct ggml_tensor *seam_graph_rope(struct seam_graph *g, struct ggml_tensor *x)
{
    const struct seam_hparams *hp = g->hp;
    return ggml_rope_ext(g->ctx, x, g->positions, seam_graph_weight(g, SEAM_ROLE_ROPE_FREQS),
                         (int)hp->d_rope,
                         hp->rope_neox ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL,
                         (int)hp->n_ctx_orig, hp->rope_base, hp->rope_freq_scale,
                         hp->rope_ext_factor, hp->rope_attn_factor, hp->beta_fast, hp->beta_slow);
}

/* ---- attention ---- */

/* Fewer queries than this are left to ggml's flash attention. */
#define BLAS_QUERIES 32u

static uint32_t group_of(const struct seam_hparams *hp)
{
    return hp->mla ? 1 : hp->n_head / hp->n_head_kv;
}

#define F16_MINUS_INFINITY ((uint16_t)0xfc00)

void seam_graph_mask_row(uint16_t *row, uint32_t seen, uint32_t width)
{
    memset(row, 0, seen * sizeof *row);
    for (uint32_t j = seen; j < width; j++)
        row[j] = F16_MINUS_INFINITY;
}

static uint32_t block_of(const struct seam_hparams *hp, uint32_t n)
{
    if (n < BLAS_QUERIES || !seam_gemm_available())
        return n;
    return seam_hparams_attend_rows(hp);
}

struct ggml_tensor *seam_graph_mask(struct seam_graph *g, uint32_t block)
{
    int64_t values = 0;
    if (g->rows_at)
        return g->mask;
    if (g->n == 1)
        return NULL;
    GGML_ASSERT(!g->mask);
    for (uint32_t i = 0; i < g->n; i += block) {
        uint32_t rows = g->n - i < block ? g->n - i : block;
        values += (int64_t)rows * (g->pos + i + rows);
    }
    g->block = block;
    g->mask = ggml_new_tensor_1d(g->ctx, GGML_TYPE_F16, values);
    ggml_set_input(g->mask);
    return block == g->n ? ggml_reshape_2d(g->ctx, g->mask, g->pos + g->n, g->n) : g->mask;
}

/* Some KV heads (f32, [d, n_kv, heads] and [d_v, n_kv, heads]), the query heads on them, which begin at
 * `first`, and queries [i, i + rows), whose mask begins at value `at`; into out [d_v, n_head, n]. */
static void attend_block(struct seam_graph *g, struct ggml_tensor *out, struct ggml_tensor *q,
                         struct ggml_tensor *k, struct ggml_tensor *v, uint32_t first, uint32_t i,
                         uint32_t rows, uint64_t at)
{
    struct ggml_context *ctx = g->ctx;
    int64_t seen = g->pos + i + rows, group = group_of(g->hp), heads = k->ne[2];
    int64_t all = group * heads, columns = rows * group;
    q = ggml_cont(ctx, ggml_view_3d(ctx, q, q->ne[0], rows, all, q->nb[1], q->nb[2],
                                    i * q->nb[1] + first * q->nb[2]));
    q = ggml_reshape_3d(ctx, q, q->ne[0], columns, heads);
    k = ggml_view_3d(ctx, k, k->ne[0], seen, heads, k->nb[1], k->nb[2], 0);
    v = ggml_view_3d(ctx, v, v->ne[0], seen, heads, v->nb[1], v->nb[2], 0);
    struct ggml_tensor *mask =
        ggml_view_2d(ctx, g->mask, seen, rows, (size_t)seen * g->mask->nb[0], at * g->mask->nb[0]);
    struct ggml_tensor *s = ggml_reshape_3d(ctx, seam_gemm(ctx, k, q), seen, rows, all);
    s = ggml_soft_max_ext_inplace(ctx, s, mask, g->hp->kq_scale, 0.0f);
    s = ggml_reshape_3d(ctx, s, seen, columns, heads);
    struct ggml_tensor *o = ggml_reshape_3d(ctx, seam_gemm_rows(ctx, v, s), v->ne[0], rows, all);
    struct ggml_tensor *to = ggml_view_3d(ctx, out, out->ne[0], rows, all, out->nb[2], out->nb[1],
                                          i * out->nb[2] + first * out->nb[1]);
    ggml_build_forward_expand(g->gf, ggml_cpy(ctx, o, to));
}

/* KV heads [head, head + n) of the cache as f32, contiguous. */
static struct ggml_tensor *heads_f32(struct seam_graph *g, struct ggml_tensor *x, uint32_t head,
                                     uint32_t n)
{
    x = ggml_view_3d(g->ctx, x, x->ne[0], x->ne[1], n, x->nb[1], x->nb[2], head * x->nb[2]);
    return x->type == GGML_TYPE_F32 ? ggml_cont(g->ctx, x) : ggml_cast(g->ctx, x, GGML_TYPE_F32);
}

/* What flash attention does, in nodes that every device has. */
static struct ggml_tensor *attend_plainly(struct seam_graph *g, struct ggml_tensor *q,
                                          struct ggml_tensor *k, struct ggml_tensor *v)
{
    struct ggml_tensor *s = ggml_mul_mat(g->ctx, k, q); /* [n_kv, n, n_head] */
    s = ggml_soft_max_ext(g->ctx, s, seam_graph_mask(g, g->n), g->hp->kq_scale, 0.0f);
    v = ggml_cont(g->ctx, ggml_transpose(g->ctx, v)); /* [n_kv, d_v, n_head_kv] */
    struct ggml_tensor *o = ggml_mul_mat(g->ctx, v, s);
    return ggml_cont(g->ctx, ggml_permute(g->ctx, o, 0, 2, 1, 3));
}

struct ggml_tensor *seam_graph_flash(struct seam_graph *g, struct ggml_tensor *q,
                                     struct ggml_tensor *k, struct ggml_tensor *v)
{
    if (g->no_flash)
        return attend_plainly(g, q, k, v);
    return ggml_flash_attn_ext(g->ctx, q, k, v, seam_graph_mask(g, g->n), g->hp->kq_scale, 0.0f,
                               0.0f);
}

struct ggml_tensor *seam_graph_attend(struct seam_graph *g, struct ggml_tensor *q,
                                      struct ggml_tensor *k, struct ggml_tensor *v)
{
    uint32_t n_head = (uint32_t)q->ne[2], n_kv_head = (uint32_t)k->ne[2];
    if (g->rows_at || g->n < BLAS_QUERIES || !seam_gemm_available())
        return ggml_reshape_2d(g->ctx, seam_graph_flash(g, q, k, v), v->ne[0] * n_head, g->n);
    struct ggml_tensor *out = ggml_new_tensor_3d(g->ctx, GGML_TYPE_F32, v->ne[0], n_head, g->n);
    seam_graph_mask(g, block_of(g->hp, g->n));
    ggml_set_input(out); /* written piece by piece: keep its memory from the start */
    for (uint32_t head = 0; head < n_kv_head; head += SEAM_ATTEND_HEADS) {
        uint32_t heads =
            n_kv_head - head < SEAM_ATTEND_HEADS ? n_kv_head - head : SEAM_ATTEND_HEADS;
        struct ggml_tensor *kh = heads_f32(g, k, head, heads), *vh = heads_f32(g, v, head, heads);
        uint64_t at = 0;
        for (uint32_t i = 0; i < g->n; i += g->block) {
            uint32_t rows = g->n - i < g->block ? g->n - i : g->block;
            attend_block(g, out, q, kh, vh, head * (n_head / n_kv_head), i, rows, at);
            at += (uint64_t)rows * (g->pos + i + rows);
        }
    }
    return ggml_reshape_2d(g->ctx, out, v->ne[0] * n_head, g->n);
}

struct ggml_tensor *seam_graph_rows(struct seam_graph *g, uint32_t pos, uint32_t n, uint32_t first,
                                    uint32_t width)
{
    return ggml_view_2d(g->ctx, g->kv, width, n, g->kv->nb[1],
                        pos * g->kv->nb[1] + first * g->kv->nb[0]);
}

void seam_graph_keep(struct seam_graph *g, struct ggml_tensor *x, uint32_t first)
{
    const uint32_t width = (uint32_t)x->ne[0];
    struct ggml_tensor *kept;
    if (g->rows_at)
        kept = ggml_set_rows(g->ctx,
                             ggml_view_2d(g->ctx, g->kv, width, g->kv->ne[1], g->kv->nb[1],
                                          first * g->kv->nb[0]),
                             x, g->rows_at);
    else
        kept = ggml_cpy(g->ctx, x, seam_graph_rows(g, g->pos, g->n, first, width));
    ggml_build_forward_expand(g->gf, kept);
}

struct ggml_tensor *seam_graph_logits(struct seam_graph *g, struct ggml_tensor *x)
{
    x = seam_graph_norm(g, x, seam_store_global(g->store, SEAM_ROLE_OUTPUT_NORM));
    x = ggml_mul_mat(g->ctx, seam_store_global(g->store, SEAM_ROLE_OUTPUT), x);
    ggml_set_output(x);
    ggml_build_forward_expand(g->gf, x);
    return x;
}
