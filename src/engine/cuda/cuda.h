/* cuda.h - the inside of the CUDA sweep, shared by its files: device.c opens and plans, layer.c, recurrent.c
 * and feed_forward.c compute, product.c calls cuBLAS, limits.c measures.
 *
 * Streams: main computes; side unpacks experts ahead of it; second takes every other expert's products;
 * in copies weights to the device; out copies KV rows back. What a stream may begin is said by events.
 * Failures are sticky: the first one is kept in `failed`, what follows is launched or refused by CUDA
 * without harm, and the end of every call tells it.
 * Thread: put on the copier's, the rest on the engine's. Inside src/engine/cuda only. */
#ifndef SEAM_ENGINE_CUDA_CUDA_H
#define SEAM_ENGINE_CUDA_CUDA_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "engine/accel.h"
#include "engine/cuda/attention.h"
#include "engine/cuda/delta.h"
#include "engine/cuda/kernels.h"

#define SEAM_CUDA_PLANS         16u /* attention plans kept */
#define SEAM_CUDA_GROUP         8u  /* experts unpacked at once */
#define SEAM_CUDA_DNN_WORKSPACE (16u << 20)
#define SEAM_CUDA_F32           0u /* ggml's numbers of two types */
#define SEAM_CUDA_BF16          30u
#define SEAM_CUDA_ROUND(bytes)  (((uint64_t)(bytes) + 255) & ~(uint64_t)255)

struct seam_cuda_mark { /* the stage that began at an event */
    cudaEvent_t at;
    enum seam_stage stage;
};

struct seam_cuda_part { /* when a part was copied and computed; two a layer, then the embedding's */
    cudaEvent_t copy_begin, copy_end, begin, end;
    bool copied, computed;
    uint64_t bytes;
};

struct seam_cuda_rows { /* of a layer: made, on the host */
    cudaEvent_t ready, there;
    bool sent;
};

struct seam_cuda_slot {
    uint8_t *base;
    uint64_t bytes;
    cudaEvent_t done; /* its last user has computed */
    bool used;
};

/* How work is cut, chosen at open to fit the memory. */
struct seam_cuda_cut {
    uint32_t heads;     /* of MLA expanded and attended at once */
    uint32_t n_query;   /* queries of one attention call */
    uint32_t n_project; /* tokens of one projection */
    uint32_t n_ffn;     /* tokens routed at once */
    uint32_t n_slot;    /* slots of feed-forward parts: 1 or 2 */
};

struct seam_accel {
    const struct seam_model *model;
    const struct seam_hparams *hp;
    uint32_t n_ctx, kv_values; /* tokens; values of a KV row */
    uint64_t state_bytes;      /* of a layer that has a state instead; 0: none has */
    enum seam_real kv_type;
    char name[320];
    bool shared_memory;
    uint64_t free_before; /* device memory free when nothing was allocated yet */
    struct seam_cuda_cut cut;
    struct seam_accel_memory memory;

    cublasHandle_t blas[2]; /* on main, on second */
    cudnnHandle_t dnn;
    cudaStream_t main, second, side, in, out;
    cudaEvent_t fork, join, unpacked[2], group_done[2][2], counted, origin;
    uint64_t origin_ns; /* of the host, when `origin` was recorded on an idle device */

    struct seam_attention plan[SEAM_CUDA_PLANS];
    uint32_t n_plan, next_plan;

    uint8_t *arena;   /* all device memory of ours; what follows points into it */
    float *x;         /* [n_ctx][n_embd] hidden states */
    uint8_t *rows[2]; /* a layer's KV rows, or its state, by turns */
    float *turns;     /* [n_ctx][d_rope / 2][2] */
    int32_t *ids;     /* [n_ctx] */
    struct seam_kernel_grids *grids;
    uint8_t *workspace[2], *dnn_workspace;
    uint8_t *weights; /* bf16 of the part that computes */
    uint64_t weights_bytes;
    uint8_t *scratch;
    struct seam_cuda_slot slot[SEAM_ACCEL_SLOTS];
    struct { /* scratch of attention */
        void *q_in, *latent, *h, *q, *k, *v, *o, *gate;
        float *wide, *stats;
    } at;
    struct { /* scratch of a DeltaNet layer */
        void *h, *z, *work;
        float *in, *y, *alpha, *beta;
    } de;
    struct { /* scratch of the feed-forward part */
        void *h, *low, *rows, *both, *act;
        float *f32, *logits, *weight;
        int32_t *expert, *begin, *token, *row;
        uint8_t *work, *group[2];
    } ff;
    int32_t *begin_host; /* pinned: [n_expert + 1] */

    /* the sweep that runs */
    uint32_t n0, n1, layer;
    bool turned;
    struct seam_err failed;
    struct seam_accel_work work;
    struct seam_cuda_mark *mark;
    uint32_t n_mark, mark_cap;
    struct seam_cuda_part *parts;
    struct seam_cuda_rows *sent; /* [n_layer] */
    struct seam_cuda_part *now;  /* the part that computes */
    void *pinned[4];
    uint32_t n_pinned;
};

/* Note the first failure; true: fine so far. */
bool seam_cuda_did(struct seam_accel *a, cudaError_t e, const char *what);
bool seam_cuda_blas(struct seam_accel *a, cublasStatus_t e, const char *what);
bool seam_cuda_ok(const struct seam_accel *a);
seam_status seam_cuda_told(struct seam_accel *a, struct seam_err *err);

/* From here on `main` works for this stage. */
void seam_cuda_stage(struct seam_accel *a, enum seam_stage s);

/* A part's first and last words: its events; end also tells a failure. */
void seam_cuda_part_begin(struct seam_accel *a, const struct seam_accel_part *p);
seam_status seam_cuda_part_end(struct seam_accel *a, const struct seam_accel_part *p,
                               struct seam_err *err);

static inline uint32_t seam_cuda_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
/* Hidden states of the tokens from a position on. */
static inline float *seam_cuda_hidden(struct seam_accel *a, uint32_t pos)
{
    return a->x + (uint64_t)(pos - a->n0) * a->hp->n_embd;
}
/* to[n][width] bf16 = RMSNorm of x by a weight of the part. */
void seam_cuda_norm(struct seam_accel *a, const struct seam_accel_part *p, enum seam_role role,
                    void *to, float *x, uint32_t n, uint32_t width);

/* layer.c */
seam_status seam_cuda_embed(struct seam_accel *a, const struct seam_accel_part *p,
                            const int32_t *tokens, struct seam_err *err);
seam_status seam_cuda_attention(struct seam_accel *a, const struct seam_accel_part *p, void *rows,
                                bool only_rows, struct seam_err *err);
/* recurrent.c: state in device memory, [ inputs of the convolution | heads ], moves on. */
void seam_cuda_delta(struct seam_accel *a, const struct seam_accel_part *p, float *state,
                     bool only_state);
struct seam_kernel_delta seam_cuda_delta_shape(const struct seam_hparams *hp);
/* feed_forward.c */
seam_status seam_cuda_feed_forward(struct seam_accel *a, const struct seam_accel_part *p,
                                   struct seam_err *err);
/* limits.c */
seam_status seam_cuda_measure(struct seam_accel *a, uint32_t n, struct seam_accel_limits *l,
                              struct seam_err *err);

/* product.c: out[n][rows] = x[n][k] w[rows][k]^T, bf16 in, f32 inside; out of bf16 or f32, with
 * strides of rows in values. add: out += instead. stream 0: main, 1: second. */
struct seam_cuda_product {
    void *out;
    enum seam_real out_type;
    uint64_t out_row;
    const void *x, *w;
    uint64_t x_row, w_row;
    uint32_t rows, n, k;
    bool add;
    uint32_t stream;
};
void seam_cuda_product(struct seam_accel *a, enum seam_stage s, const struct seam_cuda_product *p);
/* to[n][rows] = normed hidden states x[n][n_embd] times w, for the stage `project`. */
void seam_cuda_project(struct seam_accel *a, void *to, enum seam_real type, const void *x,
                       const void *w, uint32_t rows, uint32_t n);
/* A part's matrix as bf16, where it is or unpacked at *at, which moves on. NULL: it has none. */
const void *seam_cuda_matrix(struct seam_accel *a, const struct seam_accel_part *p,
                             enum seam_role role, uint8_t **at);
/* An F32 tensor of a part. */
const float *seam_cuda_vector(const struct seam_accel_part *p, enum seam_role role);
/* The attention plan for so many queries and keys, made when it is new. NULL: a->failed says why. */
struct seam_attention *seam_cuda_plan(struct seam_accel *a, uint32_t n_q, uint32_t n_kv);

#endif
