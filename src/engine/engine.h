/* engine.h - one model on one machine: weights under a budget, KV lanes, prefill and decode.
 *
 * Prefill is the sweep: for each layer, for each part (attention, feed-forward), all chunks of the
 * prompt; hidden states stay in memory, weights come from the store (resident or streamed), a
 * layer's KV rows are final as soon as its attention part has seen them. The last layer computes KV
 * rows only: nobody reads its output, because the prompt's last token is always a decode step.
 * Resident, streamed and pooled runs therefore execute the very same graphs.
 *
 * Memory: everything is counted (weights, KV lanes, hidden states, expanded K/V of one layer,
 * compute buffer, what the caller reserves) and refused early with the arithmetic.
 * Thread: an engine is used by one thread at a time; seam_engine_cancel() from any thread.
 * Units: tokens, bytes, nanoseconds. */
#ifndef SEAM_ENGINE_ENGINE_H
#define SEAM_ENGINE_ENGINE_H

#include <stdint.h>

#include "base/err.h"
#include "engine/trace.h"
#include "model/model.h"

enum seam_kv_type { SEAM_KV_F16, SEAM_KV_F32 };
/* May weights that all fit be used where they lie in the page cache, instead of in a copy? AUTO: where that is
 * all there is to do (store.h), and no device sweeps by itself. ON: or refuse. */
enum seam_mmap { SEAM_MMAP_AUTO, SEAM_MMAP_ON, SEAM_MMAP_OFF };
enum seam_mmap seam_mmap_named(const char *name,
                               enum seam_mmap otherwise); /* "on"; NULL: otherwise */
enum seam_mla_form { SEAM_MLA_AUTO, SEAM_MLA_ABSORBED, SEAM_MLA_EXPANDED };

struct seam_engine_opts {
    uint32_t n_ctx;   /* tokens per lane; 0: the model's trained context */
    uint32_t n_lanes; /* KV lanes, >= 1 */
    enum seam_kv_type kv_type;
    uint64_t memory_bytes;   /* all this engine may allocate; 0: no limit of ours */
    uint64_t reserved_bytes; /* of those, what the caller allocates itself (links) */
    uint64_t weights_bytes;  /* most weight bytes held at once; 0: whatever memory allows */
    uint32_t chunk;          /* tokens per graph in prefill; 0: 512 */
    int n_threads;           /* 0: performance cores */
    enum seam_mmap mmap;
    bool prefill_only; /* a sweep node: no output head is ever loaded */
    /* Who sweeps: "cpu" (also NULL), the name of a device (accel.h: "cuda"), or "auto": the first device
     * that is there and can, for a sweep node with multi-head latent attention; the CPU otherwise. Steps are always the CPU's. */
    const char *device;
    uint64_t device_memory_bytes; /* most of a device's own memory; 0: what is free there */
    /* Who computes the steps, and prompts where no device sweeps: "cpu" (also NULL); "auto": ggml's first
     * GPU, if it has the memory and every operation; "gpu", or a device of ggml's by the beginning of its
     * name ("cuda", "metal", "vulkan1"; "CPU": ggml's CPU device as if it were one, for tests). */
    const char *decode_device;
    bool decode_plain; /* tests: as a device that shares no memory and has no flash attention */
    enum seam_mla_form form; /* tests; AUTO: expanded for chunks, absorbed for single tokens */
    bool quiet;              /* no line about memory in the log */
};

struct seam_engine_memory { /* what was planned at open; bytes */
    uint64_t weights_budget, weights_model, kv, activations, compute, reserved, total;
    uint64_t weights_smallest; /* smallest weights budget that works */
    uint64_t device;           /* of the sweeping device's own memory; 0: the CPU sweeps */
    uint64_t offload; /* of the decoding device's: weights, KV, compute; 0: the CPU decodes */
    bool streamed;    /* weights do not all fit the budget */
    bool mapped;      /* known after open: they are the file's own pages, and evictable */
};

/* Where the weights are: "resident", "mapped", "streamed". */
const char *seam_engine_residency(const struct seam_engine_memory *m);

struct seam_engine;

/* SEAM_ENOMEM: budget too small; the story has the sum and the smallest that works.
 * The model is borrowed until seam_engine_close. */
seam_status seam_engine_open(struct seam_engine **out, const struct seam_model *m,
                             const struct seam_engine_opts *o, struct seam_err *err);
void seam_engine_close(struct seam_engine *e);
/* What seam_engine_open() would allocate, or its refusal, without a byte of weights, KV or buffers. */
seam_status seam_engine_measure(struct seam_engine_memory *out, const struct seam_model *m,
                                const struct seam_engine_opts *o, struct seam_err *err);
const struct seam_engine_memory *seam_engine_memory(const struct seam_engine *e);
const struct seam_model *seam_engine_model(const struct seam_engine *e);
uint32_t seam_engine_ctx(const struct seam_engine *e);
uint32_t seam_engine_lanes(const struct seam_engine *e);
const char *seam_engine_device(const struct seam_engine *e); /* "CPU (ggml 0.27, haswell)" */
/* Weight bytes held now / at most since open, and read from disk since open. */
uint64_t seam_engine_weights_held_peak(const struct seam_engine *e);
uint64_t seam_engine_weights_read(const struct seam_engine *e);

/* Of the last prefill, where a device swept (accel.h); NULL: none. */
struct seam_accel_work;
struct seam_accel_limits;
const struct seam_accel_work *seam_engine_sweep_work(const struct seam_engine *e);
/* What that device can do, attention over n tokens. SEAM_EUNSUPPORTED: the CPU sweeps. */
seam_status seam_engine_sweep_limits(struct seam_engine *e, uint32_t n, struct seam_accel_limits *l,
                                     struct seam_err *err);
/* Bytes of its memory that this process took since open, as the device says; 0: none. */
uint64_t seam_engine_device_used(const struct seam_engine *e);

/* ---- memory of a lane: per layer either token-major rows (KV) or one state of fixed size, F32, that
 * stands for all tokens so far and cannot be rolled back ---- */
/* Bytes for n tokens of a layer: rows, or the whole state whatever n is. */
size_t seam_engine_memory_bytes(const struct seam_engine *e, uint32_t layer, uint32_t n_tokens);
/* The row of position pos, or the state. Valid until close. */
void *seam_engine_memory_at(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t pos);
/* Before a caller reads a lane's memory: where a device decodes, what it wrote comes here. */
seam_status seam_engine_memory_fetch(struct seam_engine *e, uint32_t lane, struct seam_err *err);
bool seam_engine_has_state(const struct seam_engine *e, uint32_t layer);
bool seam_engine_recurrent(const struct seam_engine *e); /* any layer has */
/* Somebody else writes a layer's memory, rows [pos, end) or a state. A state counts only after its last
 * byte, for n_tokens: begin makes it invalid. Any thread that owns the lane. */
void seam_engine_memory_begin(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t pos,
                              uint32_t end);
void seam_engine_memory_end(struct seam_engine *e, uint32_t lane, uint32_t layer,
                            uint32_t n_tokens);
/* Identifies layout, type, rope and engine version beside the model: part of the handoff's
 * fingerprint. */
const char *seam_engine_kv_layout(const struct seam_engine *e); /* "mla-latent/f16/1" */
uint32_t seam_engine_kv_len(const struct seam_engine *e, uint32_t lane);
/* Keep the first n_tokens (<= ctx) of what is there. -> what could be kept: all of it, or 0 where a
 * state stands for another number of tokens. */
uint32_t seam_engine_kv_set_len(struct seam_engine *e, uint32_t lane, uint32_t n_tokens);

/* ---- compute ---- */
struct seam_prefill_hooks { /* all optional; called on the engine's thread */
    void *user;
    /* Memory of [pos, pos+n) of a layer is final: rows, or (once, for all new tokens) its state. It
     * stays valid and unchanged until the lane's length is set anew. Return != SEAM_OK to abandon the prefill with that status. */
    seam_status (*piece)(void *user, uint32_t layer, uint32_t pos, uint32_t n, const void *rows,
                         size_t bytes, struct seam_err *err);
    void (*progress)(void *user, uint32_t layer, uint32_t tokens_done);
};

/* Compute KV for tokens[kv_len, n) of the lane (tokens[0, kv_len) are already there); afterwards
 * kv_len == n. trace may be NULL. SEAM_ECONTEXT: n > ctx. SEAM_ENOMEM: this length does not fit
 * the budget (says which does). SEAM_ECANCELED: seam_engine_cancel. SEAM_EFORMAT: the file was written to
 * since it was opened, streamed or mapped weights may have been another model's. On failure kv_len is as
 * before, or 0 where a state has moved on; rows that a hook was given are worth nothing. */
seam_status seam_engine_prefill(struct seam_engine *e, uint32_t lane, const int32_t *tokens,
                                uint32_t n, const struct seam_prefill_hooks *hooks,
                                struct seam_trace *trace, struct seam_err *err);
/* One decode step: append `token` at kv_len, write logits[n_vocab] (caller's). Fails as prefill does. */
seam_status seam_engine_step(struct seam_engine *e, uint32_t lane, int32_t token, float *logits,
                             struct seam_err *err);
/* Make the running or next compute call end with SEAM_ECANCELED; cleared by that end. */
void seam_engine_cancel(struct seam_engine *e);
void seam_engine_cancel_clear(struct seam_engine *e);

seam_status seam_trace_init(struct seam_trace *t, uint32_t n_layer, struct seam_err *err);
void seam_trace_release(struct seam_trace *t);

#endif
