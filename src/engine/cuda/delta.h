/* delta.h - kernels of the gated DeltaNet layers of Qwen3.5 (facts/models.md 3.3; Gated Delta Networks, arXiv
 * 2412.06464). Rules as in kernels.h. All f32: a state stands for all tokens so far, and errors would stay.
 *
 * The recurrence runs token by token: a column of a head's state depends on no other, so every column is eight
 * lanes' own and no thread waits for another block. State memory is what src/engine/graph_qwen35.c keeps:
 * [ channels][kernel - 1 inputs, oldest first ] then [ value heads ][ value column ][ key ]. */
#ifndef SEAM_ENGINE_CUDA_DELTA_H
#define SEAM_ENGINE_CUDA_DELTA_H

#include "engine/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

struct seam_kernel_delta {
    uint32_t width; /* of a head of keys, queries or values: 128 */
    uint32_t heads_k,
        heads_v;   /* heads_v is a multiple of heads_k; value head h uses key head h % heads_k */
    uint32_t taps; /* of the convolution, <= 8 */
    float eps;
};
/* Do the kernels know such heads and taps? All of them refuse others. */
bool seam_kernel_delta_fits(const struct seam_kernel_delta *d);
/* Channels of the convolution: queries | keys | values. */
static inline uint32_t seam_kernel_delta_channels(const struct seam_kernel_delta *d)
{
    return (2 * d->heads_k + d->heads_v) * d->width;
}

/* y[n][channels] = SiLU(causal convolution of x[n][channels]) and, for queries and keys, each head divided by
 * max(its length, eps). conv f32 [channels][taps], the last for the current token. inputs f32
 * [channels][taps - 1]: those of the tokens before; moves on to the last of these. */
cudaError_t seam_kernel_delta_conv(float *y, const float *x, const float *conv, float *inputs,
                                   uint32_t n, const struct seam_kernel_delta *d,
                                   cudaStream_t stream);

/* o[n][heads_v][width] from y: S = e^g S; S += k (beta (v - S^T k))^T; o = S^T q / sqrt(width), where
 *   g = a * softplus(alpha + dt), beta = sigmoid(b): alpha and b f32 [n][heads_v], dt and a f32 [heads_v].
 * state f32 [heads_v][width][width], state[h][j][i] = S[i][j]: moves on. work: seam_kernel_delta_bytes() of
 * device memory. */
size_t seam_kernel_delta_bytes(uint32_t n, const struct seam_kernel_delta *d);
cudaError_t seam_kernel_delta_rule(float *o, const float *y, const float *alpha, const float *b,
                                   const float *dt, const float *a, float *state, void *work,
                                   uint32_t n, const struct seam_kernel_delta *d,
                                   cudaStream_t stream);

/* to[n][heads_v * width] bf16 = RMSNorm per head of o * weight[width] * SiLU(z); z bf16 [n][heads_v * width]. */
cudaError_t seam_kernel_delta_out(void *to, const float *o, const void *z, const float *weight,
                                  uint32_t n, const struct seam_kernel_delta *d,
                                  cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
