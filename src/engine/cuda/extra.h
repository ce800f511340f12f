/* extra.h - small kernels that only the executor needs; the others are in kernels.h, whose rules on
 * streams, alignment and errors hold here. */
#ifndef SEAM_ENGINE_CUDA_EXTRA_H
#define SEAM_ENGINE_CUDA_EXTRA_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x = high + low + what is left (2^-17 of x): both halves bf16. n a multiple of 8. */
cudaError_t seam_kernel_halves(void *high, void *low, const float *x, uint64_t n,
                               cudaStream_t stream);

/* to[n][bytes] = from[id[i]][bytes]; bytes even; `from` need not be aligned to more than 2. */
cudaError_t seam_kernel_pick(void *to, const void *from, const int32_t *id, uint32_t n,
                             uint64_t bytes, cudaStream_t stream);

/* act[n][width] bf16 *= sigmoid(h[n][n_embd] bf16 . w[n_embd] f32), a factor a row; width and n_embd even. */
cudaError_t seam_kernel_scale_rows(void *act, const void *h, const float *w, uint32_t n,
                                   uint32_t width, uint32_t n_embd, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
