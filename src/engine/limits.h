/* limits.h - what this machine could do at best, measured beside what it does.
 *
 * Bandwidth: all threads read a buffer much larger than the caches, once, in a few streams each; the
 * bound of decode, which reads every active weight once per token.
 * Matrix rate: the model's own weights, one matrix per type, the shape that costs most, times many
 * columns, by the fastest of BLAS and ggml in each buffer type of its device; the bound of prefill.
 * Disk: direct reads of the file, several at a time; the bound of loading and streaming.
 * Thread: one at a time, while no engine computes. Units: bytes, operations (a multiplication and an
 * addition are two), seconds. */
#ifndef SEAM_ENGINE_LIMITS_H
#define SEAM_ENGINE_LIMITS_H

#include "model/model.h"

/* One pass over `bytes` (0: 1 GiB) by n_threads (0: performance cores): bytes per second. */
seam_status seam_limit_bandwidth(int n_threads, uint64_t bytes, double *bytes_per_s,
                                 struct seam_err *err);

/* Direct reads of at most max_bytes (0: all) of the model's first and largest file, `depth` of them under
 * way (0: 8; at most 64). *direct: the page cache was bypassed; if not, this is no disk rate. */
seam_status seam_limit_disk(const struct seam_model *m, uint32_t depth, uint64_t max_bytes,
                            double *bytes_per_s, bool *direct, struct seam_err *err);

/* The same reads over and over, beside whatever the caller does until the end; -> their rate. */
struct seam_limit_load;
seam_status seam_limit_load_begin(struct seam_limit_load **out, const struct seam_model *m,
                                  struct seam_err *err);
seam_status seam_limit_load_end(struct seam_limit_load *l, double *bytes_per_s,
                                struct seam_err *err);

#define SEAM_LIMIT_TYPES_MAX 16u
struct seam_limit_matrix {
    const struct seam_type *type;
    uint64_t ne0, ne1, columns; /* what was multiplied */
    char by[32];      /* what was fastest: "BLAS", or ggml in a buffer type: "CPU", "CPU_REPACK" */
    double ops_per_s; /* best of several */
    /* Share of this type in a token of prefill: products with weights in all layers but the last (of
     * which a prefill needs KV rows only; they are left out), as for the experts that are used. */
    double ops_per_token;
};
/* Types in the order of their share, at most SEAM_LIMIT_TYPES_MAX rows; *attention: keys in F16 times
 * queries of one head (its ops_per_token is 0: see below). SEAM_EUNSUPPORTED: ggml's device does not
 * multiply one of them. */
seam_status seam_limit_matrices(const struct seam_model *m, int n_threads, uint32_t columns,
                                struct seam_limit_matrix *rows, size_t *n,
                                struct seam_limit_matrix *attention, struct seam_err *err);
/* Operations of attention itself (queries times keys, weights times values, what is masked left
 * out) in a prefill of n tokens after `depth`, in all layers but the last. */
double seam_limit_attention_ops(const struct seam_model *m, uint32_t depth, uint32_t n);

#endif
