/* measure.h - how fast one engine reads and writes, on random tokens (a mixture of experts then uses
 * all of them, as with llama-bench).
 *
 * Prefill of n after d: from d cached tokens to the logits of token d + n - 1. Decode of n after d:
 * n steps, each with logits; the token fed next is random too. What brings the lane to d tokens is
 * not timed. Uses lane 0 and owns it meanwhile. Thread: the engine's. Units: tokens, nanoseconds. */
#ifndef SEAM_ENGINE_MEASURE_H
#define SEAM_ENGINE_MEASURE_H

#include "engine/engine.h"

struct seam_measure;

/* The engine is borrowed. The same seed gives the same tokens. */
seam_status seam_measure_open(struct seam_measure **out, struct seam_engine *e, uint64_t seed,
                              struct seam_err *err);
void seam_measure_close(struct seam_measure *m);

/* Errors are those of seam_engine_prefill and seam_engine_step; n >= 1. */
seam_status seam_measure_prefill(struct seam_measure *m, uint32_t depth, uint32_t n, uint64_t *ns,
                                 struct seam_err *err);
seam_status seam_measure_decode(struct seam_measure *m, uint32_t depth, uint32_t n, uint64_t *ns,
                                struct seam_err *err);

#endif
