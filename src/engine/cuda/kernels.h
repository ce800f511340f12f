/* kernels.h - the CUDA kernels of the sweep: what cuBLAS and cuDNN do not do.
 *
 * Purpose: between two library calls (matrix products, attention) a layer needs weights as matrices of
 * bf16, norms, rope, routing, experts' tokens side by side, SwiGLU, a weighted sum. Everything here is
 * bound by bandwidth, deterministic (no atomics on values) and plain CUDA, for sm_90 and sm_121 alike.
 *
 * Every function launches on `stream` and returns at once: cudaSuccess, or why the launch was refused
 * (cudaErrorInvalidValue: a shape that the function's text excludes). n == 0 launches nothing.
 * Pointers are device memory unless said otherwise. Buffers of an argument list must not overlap
 * unless said otherwise.
 * Alignment: every pointer 16 bytes; widths and strides of rows (in values) multiples of 8, unless said
 * otherwise. Cards give that: n_embd, kv_lora, d_nope, d_v, n_ff_exp and head widths are multiples of 8.
 * Shapes are row-major, the last index fastest: [n][width]. Strides are in values of the buffer's type.
 * Thread: any; a launch touches no host state. Inside src/engine/cuda and its test only.
 * Formulas: shared facts/models.md 3; src/engine/graph_*.c is what these must agree with. */
#ifndef SEAM_ENGINE_CUDA_KERNELS_H
#define SEAM_ENGINE_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/cuda/grids.h"

#ifdef __cplusplus
extern "C" {
#endif

enum seam_real { SEAM_REAL_BF16, SEAM_REAL_F16, SEAM_REAL_F32 };
static inline size_t seam_real_bytes(enum seam_real type)
{
    return type == SEAM_REAL_F32 ? 4 : 2;
}

/* ---- weights ---- */

/* Can this GGUF type (ggml's number) be dequantised? All that src/model/type.c lists. */
bool seam_kernel_dequantizes(uint32_t ggml_type);

/* to[n] of `type` = from, n values (a multiple of the type's block) in ggml's blocks as the file holds
 * them, rows one after another: any matrix or stack of matrices. `from` may be pinned host memory that the
 * device can address (unified memory). grids: on the device. Rounds to nearest even; exactly to_float's f32
 * for SEAM_REAL_F32. */
cudaError_t seam_kernel_dequantize(void *to, enum seam_real type, const void *from,
                                   uint32_t ggml_type, uint64_t n,
                                   const struct seam_kernel_grids *grids, cudaStream_t stream);

/* to[n] = from[n], rounded to nearest even. n any; in place only between types of the same width. */
cudaError_t seam_kernel_convert(void *to, enum seam_real to_type, const void *from,
                                enum seam_real from_type, uint64_t n, cudaStream_t stream);

/* ---- the residual stream ---- */

/* RMSNorm: to = x * weight / sqrt(mean(x^2) + eps), over rows of x [n] with row stride x_row.
 * x is of x_type (BF16 or F32). add (bf16 [n][width], or NULL) is added to x first and the sum written
 * back: x must be F32 then. to_bf16 [n][width] and to_f32 [n][width]: either may be NULL, not both.
 * weight f32 [width]. width <= 16384. */
cudaError_t seam_kernel_norm(void *to_bf16, float *to_f32, void *x, enum seam_real x_type,
                             uint64_t x_row, const void *add, const float *weight, float eps,
                             uint32_t n, uint32_t width, cudaStream_t stream);

/* ---- rope ---- */

struct seam_kernel_rope { /* what ggml_rope_ext takes; struct seam_hparams has all of it */
    uint32_t n_rope;      /* values rotated: d_rope, even */
    uint32_t n_ctx_orig;
    float base, freq_scale, ext_factor, attn_factor, beta_fast, beta_slow;
};
/* turns[n][n_rope / 2][2] = cos, sin (times YaRN's magnitude) for positions [pos, pos + n). The same for
 * every layer: once per sweep. factors f32 [n_rope / 2] divide the frequencies, or NULL. The angle is
 * built by repeated f32 products as ggml's CPU backend does, so that rows agree with those of other nodes. */
cudaError_t seam_kernel_turns(float *turns, uint32_t pos, uint32_t n,
                              const struct seam_kernel_rope *rope, const float *factors,
                              cudaStream_t stream);

/* Heads of [n][heads][width]: norm each head (weight f32 [width], or NULL), then rotate its values
 * [rope_first, rope_first + n_rope) (turns of the n tokens; NULL or n_rope 0: nothing), and write them:
 * queries of all architectures, and keys and values of grouped-query attention straight into KV rows.
 * neox: pairs (i, i + n_rope/2), else (2i, 2i + 1). In place (to == from, same type and strides) is fine.
 * width <= 1024, rope_first + n_rope <= width, n_rope even; from_head 0 gives every head the same values. */
struct seam_kernel_heads {
    void *to;
    const void *from;
    enum seam_real to_type, from_type;
    uint64_t to_token, to_head, from_token, from_head; /* strides, in values */
    uint32_t n, heads, width;
    const float *weight; /* [width] or NULL */
    float eps;
    const float *turns; /* [n][n_rope / 2][2] or NULL */
    uint32_t rope_first, n_rope;
    bool neox;
};
cudaError_t seam_kernel_heads(const struct seam_kernel_heads *h, cudaStream_t stream);

/* ---- MLA: KV rows and keys ---- */

/* rows[n][kv_lora + d_rope] of kv_type (F16 or F32: the pool's layout, token-major, packed)
 *   = [ RMSNorm(c[0 .. kv_lora)) * weight | rope(c[kv_lora ..)), pairs (2i, 2i + 1) unless neox ]
 * c [n][c_row] of c_type (F32 keeps the row as exact as on a CPU node; BF16 is accepted). */
cudaError_t seam_kernel_mla_rows(void *rows, enum seam_real kv_type, const void *c,
                                 enum seam_real c_type, uint64_t c_row, const float *weight,
                                 float eps, const float *turns, bool neox, uint32_t n,
                                 uint32_t kv_lora, uint32_t d_rope, cudaStream_t stream);

/* latent[n][kv_lora] of `type` (BF16 or F16) from rows as cached: operand of the product that expands K
 * and V. */
cudaError_t seam_kernel_mla_latents(void *latent, enum seam_real type, const void *rows,
                                    enum seam_real kv_type, uint32_t n, uint32_t kv_lora,
                                    uint32_t d_rope, cudaStream_t stream);

/* k[n][heads][d_nope + d_rope] of `type` (BF16 or F16): the rope key of each row beside every head's nope
 * part. nope: same type, [n] rows with strides nope_token and nope_head ([n][heads][nope | v] as one product
 * leaves it: nope_head = d_nope + d_v; V needs no copy, SDPA takes strides); NULL: the product has written
 * its part of k already (output stride d_nope + d_rope a head), only the rope key is filled in. */
cudaError_t seam_kernel_mla_keys(void *k, enum seam_real type, const void *nope,
                                 uint64_t nope_token, uint64_t nope_head, const void *rows,
                                 enum seam_real kv_type, uint32_t n, uint32_t heads,
                                 uint32_t d_nope, uint32_t kv_lora, uint32_t d_rope,
                                 cudaStream_t stream);

/* ---- experts ---- */

struct seam_kernel_router {
    uint32_t n_expert, n_used;      /* <= 1024, <= 32 */
    uint32_t n_group, n_group_used; /* n_group <= 1: no groups; else <= 32 and divides n_expert */
    bool sigmoid;                   /* else softmax over all experts */
    bool normalize;                 /* weights / max(sum, 2^-14) */
    float scale;                    /* then times this */
};
/* logits f32 [n][n_expert]; bias f32 [n_expert] (selection only) or NULL -> experts [n][n_used] by falling
 * score (equal scores: the lower number first), weights f32 [n][n_used]. */
cudaError_t seam_kernel_route(int32_t *experts, float *weights, const float *logits,
                              const float *bias, uint32_t n, const struct seam_kernel_router *r,
                              cudaStream_t stream);

/* The n * n_used (token, choice) pairs in the order of experts, tokens rising within an expert:
 *   begin[n_expert + 1]  where an expert's rows begin; begin[n_expert] = n * n_used
 *   token[n * n_used]    which token a row is of
 *   row[n * n_used]      which row choice k of token t has: row[t * n_used + k]
 * work: seam_kernel_sort_bytes() of device memory, contents irrelevant before and after. */
size_t seam_kernel_sort_bytes(uint32_t n, uint32_t n_used, uint32_t n_expert);
cudaError_t seam_kernel_sort(int32_t *begin, int32_t *token, int32_t *row, void *work,
                             const int32_t *experts, uint32_t n, uint32_t n_used, uint32_t n_expert,
                             cudaStream_t stream);

/* to[rows][width] = from[token[r]][width], 2-byte values (BF16 or F16). */
cudaError_t seam_kernel_gather(void *to, const void *from, const int32_t *token, uint64_t rows,
                               uint32_t width, cudaStream_t stream);

/* to[rows][width] = SiLU(gate) * up; all bf16; gate and up with row stride in_row (2 * width for a product
 * with both: up = gate + width). to may be gate or up only if in_row == width. */
cudaError_t seam_kernel_swiglu(void *to, const void *gate, const void *up, uint64_t in_row,
                               uint64_t rows, uint32_t width, cudaStream_t stream);

/* x[n][width] f32 += sum over k of weights[t][k] * y[row[t][k]] (+ shared[t] * sigmoid(shared_gate[t])).
 * y bf16 [n * n_used][width]; shared bf16 [n][width] or NULL; shared_gate f32 [n] or NULL (factor 1).
 * Sums in the order of k, in f32. */
cudaError_t seam_kernel_combine(float *x, const void *y, const int32_t *row, const float *weights,
                                const void *shared, const float *shared_gate, uint32_t n,
                                uint32_t n_used, uint32_t width, cudaStream_t stream);

/* ---- Qwen3.5 ---- */

/* o[n][heads][width] bf16 *= sigmoid(gate): gate bf16 with strides gate_token and gate_head. In place. */
cudaError_t seam_kernel_gate(void *o, const void *gate, uint64_t gate_token, uint64_t gate_head,
                             uint32_t n, uint32_t heads, uint32_t width, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
