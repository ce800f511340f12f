/* selftest.h - do ggml's devices compute? Answered against what was computed without them.
 *
 * Products: a matrix of each common type, made from seeded values by ggml's quantiser, times a few
 * columns, on each device; expected is the sum in double, in plain C, over the same matrix decoded by
 * ggml's reference (not the device's kernels). Error as ggml's tests/test-backend-ops.cpp has it for
 * products: squares of the differences over squares of the result, at most 5e-4.
 * Golden: a random DeepSeek-V3-like model of 120,000 values (latent attention, routed experts), built
 * into the program from tests/golden/, through the real engine; expected are transformers' logits
 * (tools/golden/README.md), at most 1e-3 of the largest logit away, as in engine_test.
 * Thread: any; nothing is shared with a running engine. */
#ifndef SEAM_ENGINE_SELFTEST_H
#define SEAM_ENGINE_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct seam_device_info {
    char name[64];   /* "CPU", "CUDA0", "Metal" */
    char about[128]; /* "AMD EPYC", "NVIDIA GB10" */
    bool gpu;
};
const char *seam_ggml_version(void);
/* ggml's devices in its order; returns how many there are, fills at most cap. */
size_t seam_device_list(struct seam_device_info *out, size_t cap);

/* Device i of that list. *n_types: how many types it multiplies, all of them right (0: it takes no
 * products, and that is no failure). bend: spoil an input first, to see that it is noticed.
 * SEAM_EIO: wrong results, the story names the type; or the device cannot be started. */
seam_status seam_selftest_device(size_t i, bool bend, uint32_t *n_types, struct seam_err *err);

/* The golden model decoded by the CPU ("cpu"), one thread, or by a device of ggml's, which may round its
 * products to f16: at most 1e-2 there. *error: relative to the largest logit. SEAM_EIO: too large.
 * SEAM_EUNSUPPORTED: the device cannot decode. */
seam_status seam_selftest_golden(const char *device, bool bend, double *error,
                                 struct seam_err *err);

/* The golden files, by the build. */
extern const unsigned char seam_golden_gguf[], seam_golden_json[], seam_golden_f32[];
extern const unsigned long seam_golden_gguf_len, seam_golden_json_len, seam_golden_f32_len;

#endif
