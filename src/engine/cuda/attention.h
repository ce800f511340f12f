/* attention.h - softmax(scale Q K^T) V over a prefix and a causal chunk, by cuDNN.
 *
 *   keys:     0 ............ seen - n ........ seen        query i of the chunk sees
 *   queries:                 [ chunk of n ]                keys 0 .. seen - n + i
 *
 * A plan is for exact numbers of queries and keys: cuDNN 9.19 does 640 TFLOP/s on an H100 so, and 554
 * where it must read them from memory (lengths in use below the plan's). Making one takes about 50 ms,
 * 0.6 s where the kernel is the first of its kind in the process. The graph is matmul, scale,
 * bottom-right causal mask, softmax, matmul, and the logarithm of each row's sum, which nobody reads:
 * without that output 9.19's engine writes it to an address that is none. (cuDNN's single SDPA operation
 * knows causal masks from 9.21 on only.)
 * Layout, bf16: rows of tokens with strides, heads of a token side by side.
 * Thread: one at a time. Inside src/engine/cuda only. */
#ifndef SEAM_ENGINE_CUDA_ATTENTION_H
#define SEAM_ENGINE_CUDA_ATTENTION_H

#include "engine/cuda/dnn.h"

struct seam_attention_shape {
    uint32_t n_head, n_head_kv, d_qk, d_v;
    uint32_t n_q, n_kv; /* queries of the chunk, keys up to its end */
    uint64_t q_token, k_token, v_token,
        o_token; /* from one token's heads to the next's, in values */
    float scale;
};

struct seam_attention {
    struct seam_attention_shape shape;
    struct seam_dnn_plan plan;
    int64_t q, k, v, o, sum, len_q, len_kv, scale, nothing;
};

/* SEAM_EUNSUPPORTED: cuDNN has no engine for it on this device. Release ends what init filled. */
seam_status seam_attention_init(struct seam_attention *a, cudnnHandle_t handle,
                                const struct seam_attention_shape *shape, struct seam_err *err);
void seam_attention_release(struct seam_attention *a);

/* sum: f32 [n_head][n_q], written and of no use. workspace: a->plan.workspace_bytes. */
seam_status seam_attention_run(struct seam_attention *a, const void *q, const void *k,
                               const void *v, void *o, float *sum, void *workspace,
                               struct seam_err *err);

#endif
