/* gemm.h - matrix products by a BLAS, as nodes of ggml graphs. ggml's CPU kernels multiply one row by
 * one row; with many columns a blocked F32 product over rows that are converted once is 2 to 7 times
 * faster for most types (docs/decisions/0005-blas.md has the measurements). Built without a BLAS,
 * nothing wins and ggml does all.
 *
 * Work is cut into blocks of rows or columns whose sizes depend on shapes alone, so the result does not
 * depend on the number of threads. All results F32. Inside src/engine only; thread: ggml's. */
#ifndef SEAM_ENGINE_GEMM_H
#define SEAM_ENGINE_GEMM_H

#include <stdbool.h>
#include <stdint.h>

struct ggml_context;
struct ggml_tensor;

void seam_gemm_load(void); /* once, before all others */
bool seam_gemm_available(void);
const char *seam_gemm_name(void); /* "OpenBLAS 0.3.21 ...", "Accelerate", "none" */

/* Is w x faster here than by ggml, for n columns? Not for what a device has rearranged (repacked). */
bool seam_gemm_wins(const struct ggml_tensor *w, uint32_t n);
/* w [K, M, H] of any type, rows contiguous; x [K, n, H] F32 contiguous -> w x [M, n, H] for each of H */
struct ggml_tensor *seam_gemm(struct ggml_context *ctx, struct ggml_tensor *w,
                              struct ggml_tensor *x);
/* v [M, K, H] F32, rows contiguous; p [K, n, H] F32 contiguous -> v p [M, n, H]: sums of v's rows. */
struct ggml_tensor *seam_gemm_rows(struct ggml_context *ctx, struct ggml_tensor *v,
                                   struct ggml_tensor *p);
/* Bytes of scratch for nodes up to K wide and n_threads. */
uint64_t seam_gemm_scratch(uint64_t k, int n_threads);

#endif
