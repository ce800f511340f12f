/* probe.h - an engine's parts timed apart, for the planner: products of each type with as many columns as a
 * batch has, whole layers of prefill and whole steps at any depth. Weights lie where the engine keeps them
 * and are multiplied by what it would choose; rows of the cache are made up, so that depth costs nothing.
 * What is bound by the machine and not by the engine (memory, disk) is in limits.h.
 * Thread: one at a time, but seam_probe_cancel. Units: tokens, seconds, operations (a multiplication and
 * an addition are two). */
#ifndef SEAM_ENGINE_PROBE_H
#define SEAM_ENGINE_PROBE_H

#include "engine/engine.h"

struct seam_probe;

/* All weights resident, one lane of n_ctx tokens. The model is borrowed until close.
 * Errors are those of seam_engine_open. */
seam_status seam_probe_open(struct seam_probe **out, const struct seam_model *m, int n_threads,
                            uint32_t n_ctx, struct seam_err *err);
void seam_probe_close(struct seam_probe *p);
const char *seam_probe_device(const struct seam_probe *p);
/* The running or next measurement ends with SEAM_ECANCELED. From any thread, or a signal handler. */
void seam_probe_cancel(struct seam_probe *p);

/* Types of the matrices in layers and head, into types[cap]; -> how many. */
size_t seam_probe_types(const struct seam_probe *p, const struct seam_type **types, size_t cap);
/* A sample of the matrices of that type, each times `columns` vectors, in one graph; the median of a
 * few runs after one that is not timed. */
seam_status seam_probe_products(struct seam_probe *p, const struct seam_type *type,
                                uint32_t columns, double *ops_per_s, struct seam_err *err);

/* n new tokens after `depth`: seconds of each layer but the last into layer_s[n_layer - 1]. form: AUTO,
 * or one of MLA's two. depth + n <= n_ctx. */
seam_status seam_probe_prefill(struct seam_probe *p, enum seam_mla_form form, uint32_t depth,
                               uint32_t n, double *layer_s, struct seam_err *err);
/* One token after `depth`, with its logits. */
seam_status seam_probe_step(struct seam_probe *p, uint32_t depth, double *seconds,
                            struct seam_err *err);

#endif
