/* fault.h - faults that stories ask a node or `seam check` for, by SEAM_FAULT=KIND=N (README.md lists
 * them). Private to src/pool and src/check. Thread: read once, then immutable. */
#ifndef SEAM_POOL_FAULT_H
#define SEAM_POOL_FAULT_H

#include <stdint.h>

#include "base/err.h"

enum seam_fault_kind {
    SEAM_FAULT_NONE,
    SEAM_FAULT_DROP_PIECE,
    SEAM_FAULT_FLIP_PIECE,
    SEAM_FAULT_TWICE_PIECE,
    SEAM_FAULT_STALL_PIECE,
    SEAM_FAULT_DIE_AT_PIECE,
    SEAM_FAULT_DIE_AT_TOKEN,
    SEAM_FAULT_WRONG_VERSION,
    SEAM_FAULT_WRONG_COMPUTE,
    SEAM_FAULT_OTHER_GGML,
    SEAM_FAULT_CLOCK,
    SEAM_FAULT_MEMORY
};
struct seam_fault {
    enum seam_fault_kind kind;
    uint64_t at; /* which piece or token, from 0; seconds of CLOCK, MiB of MEMORY */
};

/* SEAM_EINVAL: SEAM_FAULT is set to something unknown (the story lists the kinds). */
seam_status seam_fault_read(struct seam_fault *f, struct seam_err *err);
bool seam_fault_hits(const struct seam_fault *f, enum seam_fault_kind kind, uint64_t at);
void seam_fault_die(void); /* as by kill -9 */

#endif
