#include "model/footprint.h"

#define F32        4u
#define F16        2u
#define NODE_BYTES 786u /* of a node and its tensors' headers in ggml 0.27 */
#define TILE_ROWS  128u /* of a matrix, converted for a BLAS at a time by each thread */
#define TILE_BYTES (1u << 20)

static uint64_t max2(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t kv_heads(const struct seam_hparams *hp)
{
    return hp->mla ? hp->n_head : hp->n_head_kv; /* MLA expanded: each head has its own */
}

uint32_t seam_hparams_attend_rows(const struct seam_hparams *hp)
{
    uint32_t rows = 128 / (hp->n_head / kv_heads(hp));
    return rows < 16 ? 16 : rows;
}

bool seam_hparams_absorbs(const struct seam_hparams *hp, double n, double cached)
{
    double pairs = n * (cached + n / 2);
    double absorbed = (2.0 * hp->kv_lora + hp->d_rope) * pairs;
    double expanded = ((double)hp->d_head + hp->d_v) * pairs +
                      (double)hp->kv_lora * ((double)hp->d_nope + hp->d_v) * (cached + n);
    return hp->mla && absorbed < expanded;
}

size_t seam_hparams_graph_nodes(const struct seam_hparams *hp, uint32_t chunk)
{
    uint32_t rows = seam_hparams_attend_rows(hp);
    size_t step = (size_t)hp->n_layer * (96 + 4 * hp->n_expert_used);
    size_t attend = (size_t)kv_heads(hp) * (8 + 20 * ((chunk + rows - 1) / rows));
    size_t experts = (size_t)hp->n_expert * 8;
    return 256 + max2(max2(step, attend), experts);
}

static bool has_dense(const struct seam_hparams *hp)
{
    return hp->n_expert == 0 || hp->n_dense > 0;
}

static bool has_experts(const struct seam_hparams *hp)
{
    return hp->n_expert > 0 && hp->n_dense < hp->n_layer;
}

uint64_t seam_hparams_operand(const struct seam_hparams *hp)
{
    uint64_t widest = max2(hp->n_embd, has_dense(hp) ? hp->n_ff : 0);
    if (has_experts(hp))
        widest = max2(widest, (uint64_t)hp->n_expert_used * hp->n_ff_exp);
    widest = max2(widest, max2(hp->n_ff_shexp, hp->ssm_inner));
    return max2(widest, (uint64_t)hp->n_head * (hp->mla ? max2(hp->kv_lora, hp->d_v) : hp->d_v));
}

uint64_t seam_hparams_row(const struct seam_hparams *hp)
{
    uint64_t widest = max2(hp->n_embd, max2(hp->n_ff, max2(hp->n_ff_exp, hp->n_ff_shexp)));
    widest = max2(widest, max2(hp->q_lora, max2(hp->kv_lora, hp->ssm_inner)));
    return max2(widest, (uint64_t)hp->n_head * hp->d_v);
}

/* ---- the widest graphs: what lives at once, as ggml's allocator places it (best fit, in order) ---- */

/* h, gate, up; their product lies where h was, if it fits there. Values per token. */
static uint64_t dense_values(const struct seam_hparams *hp)
{
    uint64_t h = hp->n_embd, ff = hp->n_ff;
    return h + 2 * ff + (ff > h ? ff : 0) + (2 * ff < h ? h : 0);
}

/* h, gate, up and product of each used expert, their outputs, the router's scores. */
static uint64_t mixture_values(const struct seam_hparams *hp)
{
    uint64_t h = hp->n_embd, used = hp->n_expert_used, ff = hp->n_ff_exp;
    return h + 3 * used * ff + (2 * ff < h ? used * h : 0) + 3 * (uint64_t)hp->n_expert;
}

/* h, low-rank query, query, its latent form, latent and rope side by side. */
static uint64_t absorbed_values(const struct seam_hparams *hp)
{
    return 1 + hp->n_embd + hp->q_lora +
           (uint64_t)hp->n_head * (hp->d_head + 2 * hp->kv_lora + hp->d_rope);
}

/* h, queries before and after they are turned, the output. */
static uint64_t expanded_values(const struct seam_hparams *hp)
{
    uint64_t q = (uint64_t)hp->n_head * hp->d_head, out = (uint64_t)hp->n_head * hp->d_v;
    uint64_t both = hp->n_recurrent ? 2 * q : q; /* query and gate */
    bool fits = q <= hp->n_embd;                 /* where h was */
    if (hp->mla)
        return 1 + hp->n_embd + hp->q_lora + 2 * q + out;
    return 1 + hp->n_embd + out + (fits ? both - q : both + q);
}

/* Bytes: some heads' keys and values of the whole context, scores of some queries, the mask. */
static uint64_t attend_bytes(const struct seam_hparams *hp, uint64_t n_ctx, uint64_t n)
{
    uint64_t rows = seam_hparams_attend_rows(hp), kv = kv_heads(hp);
    uint64_t heads = kv < SEAM_ATTEND_HEADS ? kv : SEAM_ATTEND_HEADS,
             blocks = (n + rows - 1) / rows;
    uint64_t mask = n * n_ctx - rows * rows * blocks * (blocks - 1) / 2;
    uint64_t columns = rows * (hp->n_head / kv) * heads;
    return F32 * n_ctx * (heads * (hp->d_head + hp->d_v) + columns) + F16 * mask +
           F32 * columns * hp->d_head;
}

/* Bytes: h, the convolution's input and output, states. */
static uint64_t delta_bytes(const struct seam_hparams *hp, uint64_t n)
{
    uint64_t channels = 2 * (uint64_t)hp->ssm_heads_k * hp->ssm_state + hp->ssm_inner;
    return F32 * (n * (hp->n_embd + 2 * channels) + (hp->ssm_kernel - 1) * channels +
                  (uint64_t)hp->ssm_inner * hp->ssm_state);
}

static uint64_t graph_bytes(const struct seam_hparams *hp, uint64_t n_ctx, uint64_t n)
{
    uint64_t most = F32 * n * expanded_values(hp) + attend_bytes(hp, n_ctx, n);
    if (hp->mla)
        most = max2(most, F32 * n * absorbed_values(hp) + F16 * n * n_ctx);
    if (hp->n_recurrent)
        most = max2(most, delta_bytes(hp, n));
    if (has_dense(hp))
        most = max2(most, F32 * n * dense_values(hp));
    return has_experts(hp) ? max2(most, F32 * n * mixture_values(hp)) : most;
}

struct seam_compute seam_hparams_compute(const struct seam_hparams *hp, uint32_t n_ctx,
                                         uint32_t chunk, uint32_t n_threads)
{
    uint64_t n = chunk < n_ctx ? chunk : n_ctx;
    return (struct seam_compute){
        .graph = graph_bytes(hp, n_ctx, n),
        .work = 2 * F32 * n * seam_hparams_operand(hp) +
                n_threads * (F32 * TILE_ROWS * seam_hparams_row(hp) + TILE_BYTES),
        .books = NODE_BYTES * seam_hparams_graph_nodes(hp, chunk),
        .groups = hp->n_expert ? F32 * n * (hp->n_embd + 4 * (uint64_t)hp->n_expert_used) : 0,
    };
}
