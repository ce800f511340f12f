/* offload.h - a device of ggml's (CUDA, Metal, Vulkan) that holds all weights and computes every step,
 * and chunks of a prompt where nobody sweeps (accel.h).
 *
 *   host                                 device
 *   rows of the embedding --x--> [ all layers over 1 token, or a chunk ] --> logits
 *   KV lanes <-- rows, when somebody asks | KV lanes, as many rows
 *            --> rows that a handoff wrote|
 *
 * The same graphs as the CPU's (graph.h), of ggml's nodes only. A step's graph serves a block of
 * SEAM_OFFLOAD_ROWS positions: where rows go, and what attention sees, are inputs; so the device may
 * keep it (CUDA graphs). Host and device each know up to which row their copy of a lane is good; where a
 * device reads the host's memory (Metal) there is one copy and nothing to know.
 * Thread: the engine's, but for seam_offload_kv_written. Inside src/engine only. */
#ifndef SEAM_ENGINE_OFFLOAD_H
#define SEAM_ENGINE_OFFLOAD_H

#include "engine/engine.h"

/* ggml's flash attention on CUDA wants a multiple of 256 rows (ggml-cuda/fattn.cu, FATTN_KQ_STRIDE). */
#define SEAM_OFFLOAD_ROWS 256u

struct seam_offload;
struct seam_offload_memory { /* bytes */
    uint64_t weights, kv, compute;
    uint64_t host; /* the embedding's rows, and a mask */
    bool unified;  /* the device's memory is the machine's */
};

/* By opts.decode_device of an engine whose model, options and CPU device are settled: weights, KV and
 * graphs are measured, every operation is asked for; nothing is allocated but the device's own context.
 * *out NULL and SEAM_OK: "cpu", or "auto" and no device can (the log says why).
 * SEAM_EUNSUPPORTED: no such device, or it lacks an operation. SEAM_ENOMEM: too little memory. */
seam_status seam_offload_open(struct seam_offload **out, struct seam_engine *e,
                              struct seam_err *err);
/* Take the memory and read the weights. The engine's KV must be there. */
seam_status seam_offload_load(struct seam_offload *o, struct seam_err *err);
void seam_offload_close(struct seam_offload *o); /* NULL: nothing */

const struct seam_offload_memory *seam_offload_memory(const struct seam_offload *o);
const char *seam_offload_name(const struct seam_offload *o);    /* "CUDA0 (NVIDIA GB10)" */
uint64_t seam_offload_read_bytes(const struct seam_offload *o); /* weights, since open */

/* The host's rows [pos, end) of the lane are written by somebody else, a state as a whole. Any thread
 * that owns the lane. */
void seam_offload_kv_written(struct seam_offload *o, uint32_t lane, uint32_t pos, uint32_t end);
/* The lane has at most n_tokens now. */
void seam_offload_kv_cut(struct seam_offload *o, uint32_t lane, uint32_t n_tokens);
/* The host's memory of the lane becomes that of its n_tokens. */
seam_status seam_offload_kv_fetch(struct seam_offload *o, uint32_t lane, uint32_t n_tokens,
                                  struct seam_err *err);

/* Tokens that one graph takes at most. */
uint32_t seam_offload_chunk(const struct seam_offload *o);
/* Append n tokens at position pos, the lane's length. logits [n_vocab] of the last one; NULL: only their
 * memory is wanted. */
seam_status seam_offload_run(struct seam_offload *o, uint32_t lane, const int32_t *tokens,
                             uint32_t pos, uint32_t n, float *logits, struct seam_err *err);

#endif
