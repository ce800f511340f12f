/* graph.h - one layer as ggml graphs, used by every executor (sweep, step).
 *
 * A row per architecture: functions that append nodes to a graph being built. External memory
 * (hidden states, KV rows, states, expanded K/V) enters as tensors over wrapped host buffers; weights
 * come from the store and must be acquired. Shapes are ggml's: ne0 first.
 * Thread: the engine's. Inside src/engine only. */
#ifndef SEAM_ENGINE_GRAPH_H
#define SEAM_ENGINE_GRAPH_H

#include "engine/engine.h"
#include "engine/store.h"

/* Pieces of a block of memory, one behind the other at multiples of `align`. With base, each pointer is set
 * to its piece. -> bytes of all. */
struct seam_piece {
    void *p; /* of a pointer to anything */
    uint64_t bytes;
};
uint64_t seam_carve(const struct seam_piece *pieces, size_t n, uint64_t align, uint8_t *base);

/* A tensor over memory of a buffer that no graph owns. buffer NULL: only to measure graphs. */
struct ggml_tensor *seam_graph_outside(struct ggml_context *ctx, ggml_backend_buffer_t buffer,
                                       void *data, enum ggml_type type, int64_t ne0, int64_t ne1,
                                       int64_t ne2);
/* A query's row of a mask, f16: it sees the first `seen` of `width` rows of the cache. */
void seam_graph_mask_row(uint16_t *row, uint32_t seen, uint32_t width);

struct seam_graph { /* one graph under construction */
    struct ggml_context *ctx;
    struct ggml_cgraph *gf;
    const struct seam_hparams *hp;
    const struct seam_store *store;
    uint32_t layer;
    uint32_t n;                    /* tokens in this chunk */
    uint32_t pos;                  /* position of the first one */
    struct ggml_tensor *positions; /* [n] i32 */
    struct ggml_tensor *mask;      /* see seam_graph_mask; NULL when nothing needs one */
    uint32_t block;
    uint32_t n_kv; /* rows of the cache that attention sees: pos + n */
    /* On a device of ggml's (offload.h): no node of ours, and a graph that serves a whole block of
     * positions. Its n_kv is rounded up, its mask is there, and rows go where an input says. */
    struct ggml_tensor *rows_at; /* [n] i64; NULL: the CPU's graph */
    bool no_flash;               /* the device has no flash attention of these shapes */
    /* memory of this lane and layer (enum seam_memory): one of the two */
    struct ggml_tensor *kv;    /* [kv_values, n_ctx] rows */
    struct ggml_tensor *state; /* [state_values] f32 */
    /* MLA's expanded form: K and V of this layer for all positions so far, head-major */
    struct ggml_tensor *k_exp; /* [nope + rope, n_ctx, n_head] */
    struct ggml_tensor *v_exp; /* [v, n_ctx, n_head] */
    struct ggml_tensor *k_b_t; /* K_B the other way round: see prepare */
};

struct seam_graph_arch {
    const char *name; /* GGUF general.architecture */
    /* Once per layer and sweep: what the form needs that the file does not hold as such.
     * Returns false when nothing is needed. NULL: nothing ever. */
    bool (*prepare)(struct seam_graph *g, enum seam_mla_form form);
    /* Expand KV rows [pos, pos+n), already in the cache, into k_exp/v_exp. NULL: no such form. */
    void (*expand)(struct seam_graph *g);
    /* Memory of [pos, pos+n) from x; the last layer of a sweep stops here. */
    void (*remember)(struct seam_graph *g, struct ggml_tensor *x);
    /* remember, and -> x + attention(x). The expanded form expands its own rows. */
    struct ggml_tensor *(*attention)(struct seam_graph *g, struct ggml_tensor *x,
                                     enum seam_mla_form form);
};
const struct seam_graph_arch *seam_graph_arch_find(const char *name); /* NULL: none */

/* The layer's weight; NULL: it has none. */
struct ggml_tensor *seam_graph_weight(const struct seam_graph *g, enum seam_role role);
/* w x, by whatever is fastest for so many columns. */
struct ggml_tensor *seam_graph_product(struct seam_graph *g, struct ggml_tensor *w,
                                       struct ggml_tensor *x);
/* scale * (W x) + bias of the role's matrix. */
struct ggml_tensor *seam_graph_mul(struct seam_graph *g, enum seam_role role,
                                   struct ggml_tensor *x);
/* RMSNorm with weights over ne0: same shape. */
struct ggml_tensor *seam_graph_norm(struct seam_graph *g, struct ggml_tensor *x,
                                    struct ggml_tensor *weight);
/* Rotate the first d_rope of ne0 of [width, heads, n]. */
struct ggml_tensor *seam_graph_rope(struct seam_graph *g, struct ggml_tensor *x);
/* softmax(kq_scale q k) v. q [d, n, n_head]; k [d, n_kv, n_head_kv], v [d_v, n_kv, n_head_kv]:
 * views of the cache -> [d_v * n_head, n] */
struct ggml_tensor *seam_graph_attend(struct seam_graph *g, struct ggml_tensor *q,
                                      struct ggml_tensor *k, struct ggml_tensor *v);
/* The last norm and the head over x: logits [n_vocab, n], an output. */
struct ggml_tensor *seam_graph_logits(struct seam_graph *g, struct ggml_tensor *x);
/* The chunk's mask, f16, 0 or -inf, for queries in blocks of `block`: the block that begins at query i
 * has rows of pos + i + its length values, and the blocks follow each other. NULL when n == 1: that
 * query sees all. Once per graph. */
struct ggml_tensor *seam_graph_mask(struct seam_graph *g, uint32_t block);
/* The same in one node, whatever n is, or what stands for it on a device -> [d_v, n_head, n] */
struct ggml_tensor *seam_graph_flash(struct seam_graph *g, struct ggml_tensor *q,
                                     struct ggml_tensor *k, struct ggml_tensor *v);
/* x [width, n] becomes values [first, first + width) of this chunk's rows of the cache. */
void seam_graph_keep(struct seam_graph *g, struct ggml_tensor *x, uint32_t first);
/* Rows [pos, pos + n) of the cache, `width` values from value `first`: [width, n]. */
struct ggml_tensor *seam_graph_rows(struct seam_graph *g, uint32_t pos, uint32_t n, uint32_t first,
                                    uint32_t width);

/* ---- graph_ffn.c: feed-forward, the same for every architecture (facts/models.md 3.2) ---- */

/* -> x + feed_forward(x), dense or with experts. */
struct ggml_tensor *seam_graph_feed_forward(struct seam_graph *g, struct ggml_tensor *x);

/* The same in two graphs for chunks that give every expert several tokens: route, then each expert
 * multiplies its tokens' rows as one matrix. Host memory of the engine, over a chunk of n tokens: */
struct seam_groups {
    ggml_backend_buffer_t buffer;
    float *h;         /* [n_embd, n] what the experts see */
    int32_t *experts; /* [n_expert_used, n], best first */
    float *weights;   /* [n_expert_used, n] */
    int32_t *token;   /* [n_expert_used * n] by expert, in the order of tokens */
    float *weight;    /* [n_expert_used * n] of those */
    int32_t *begin;   /* [n_expert + 1] where an expert's tokens begin */
};
/* Would this layer's feed-forward of n tokens gain? Depends on shapes alone. */
bool seam_graph_groups(const struct seam_graph *g);
/* Bytes that groups over a chunk need; with base, point them there. */
uint64_t seam_groups_carve(struct seam_groups *gr, const struct seam_hparams *hp, uint32_t chunk,
                           uint8_t *base);
/* Nodes that fill h, experts and weights. -> x + what every token uses: x itself if there is none. */
struct ggml_tensor *seam_graph_route(struct seam_graph *g, struct ggml_tensor *x,
                                     const struct seam_groups *gr);
/* experts and weights of n tokens -> token, weight and begin. */
void seam_groups_sort(struct seam_groups *gr, const struct seam_hparams *hp, uint32_t n);
/* Nodes that add what the experts say to x [n_embd, n], in place. */
void seam_graph_experts(struct seam_graph *g, struct ggml_tensor *x, const struct seam_groups *gr);

extern const struct seam_graph_arch seam_graph_deepseek2, seam_graph_llama, seam_graph_qwen3,
    seam_graph_qwen3moe, seam_graph_qwen35, seam_graph_qwen35moe;

#endif
