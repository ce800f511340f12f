/* fill.h - the data of a GGUF that is being written: random, or another file's in other types.
 * ggml's quantisers over all cores; a slice of a tensor per core at a time, so memory is bounded by
 * slices and not by tensors. Thread: each call starts and ends its own. */
#ifndef SEAM_ENGINE_FILL_H
#define SEAM_ENGINE_FILL_H

#include <signal.h>

#include "model/gguf_write.h"
#include "model/synth.h"

struct seam_fill_opts {
    int n_threads;                       /* 0: the machine's performance cores */
    const volatile sig_atomic_t *cancel; /* not 0: SEAM_ECANCELED soon; NULL: never */
    /* Called from one of the threads, one call at a time. NULL: none. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t all_bytes);
    void *user;
};

/* Can ggml make this type from F32? */
bool seam_fill_can(const struct seam_type *type);
/* Quantise n_row rows of `width` values; importance, where the type wants it, is uniform. */
void seam_fill_quantize(const struct seam_type *type, const float *src, void *dst, uint64_t n_row,
                        uint64_t width);
void seam_fill_floats(const struct seam_type *type, const void *src, float *dst, uint64_t n);

/* Between seam_gguf_out_begin and commit. law: as seam_synth_plan gave it.
 *
 * Values of matrices are drawn in units of 256: each unit is one of SEAM_FILL_BANK quantised ones of
 * N(0, 1/n_in), chosen by seed, tensor and place. So a file is written at the speed of the disk
 * rather than of the quantiser; no two rows are alike, and a matrix has full rank, but across the
 * file a unit comes again. What is written depends on the seed only, not on threads or splits. */
#define SEAM_FILL_UNIT 256u
#define SEAM_FILL_BANK 4096u
seam_status seam_fill_random(struct seam_gguf_out *w, const struct seam_synth_tensor *law,
                             uint64_t seed, const struct seam_fill_opts *o, struct seam_err *err);

/* Tensor i of `w` from the tensor of the same name in `from`; equal types are copied. */
seam_status seam_fill_converted(struct seam_gguf_out *w, const struct seam_catalog *from,
                                const struct seam_fill_opts *o, struct seam_err *err);

#endif
