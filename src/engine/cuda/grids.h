/* grids.h - the codebooks of ggml's IQ types, as the kernels read them. Not copied from anywhere: read off
 * ggml's own decoders with crafted blocks. No CUDA here. Thread: any. */
#ifndef SEAM_ENGINE_CUDA_GRIDS_H
#define SEAM_ENGINE_CUDA_GRIDS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An entry is some values as bytes, value 0 lowest. */
struct seam_kernel_grids {
    uint64_t iq2_xxs[256], iq2_xs[512], iq2_s[1024]; /* 8 magnitudes each */
    uint32_t iq3_xxs[256], iq3_s[512];               /* 4 magnitudes each */
    uint64_t iq1[2048];                              /* 8 of -1, 0, 1 */
    int8_t iq4[16];
};
/* In host memory; copy it to the device once (33 KiB). False: ggml decodes a crafted block to something
 * that no byte gives, so its format is not the one that we know. */
bool seam_kernel_grids_make(struct seam_kernel_grids *grids);

#ifdef __cplusplus
}
#endif

#endif
