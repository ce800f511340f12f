/* store.h - the weights, resident or streamed, never more bytes than the budget.
 *
 * Weights are grouped in units, the pieces that are needed together: the embedding, each layer's
 * attention part, each layer's feed-forward part, the head. One arena of `budget` bytes holds them:
 *
 *   budget >= all units: resident. Each unit has its place and is read once, at open; or no place at all,
 *                        where it can be used as it lies in the page cache: mapped.
 *   otherwise:           streamed. The arena is a ring; a loader thread reads the units of the
 *                        announced sequence ahead, as long as there is room; release frees the
 *                        oldest. The smallest budget that works is the largest unit; a budget for
 *                        two neighbours hides the disk behind the compute.
 *
 *        release          acquire              loader
 *   ring: ......[ ffn 3 ][ attn 4 ][ ffn 4 .............
 *               ^ tail                        ^ head
 *
 * Reads (reader.h) are whole extents, aligned outwards to SEAM_DIRECT_ALIGN, straight into the arena;
 * tensors point into it. Matrices of types that the device multiplies faster in another order
 * (struct seam_device, repack) are rearranged where they lie, resident or streamed alike, so that
 * both give the same bits.
 *
 * Mapped weights are the file's pages: nothing is copied, and who writes to the file writes to them. So they
 * are mapped only on two conditions, and used only between two questions: no matrix is rearranged, the
 * page cache holds the file (but for a hundredth); seam_store_unchanged() before and after each use. A
 * file that is cut short while it is used ends the process with a line that says so (base/os/os.h).
 * Thread: one consumer; the loader thread is internal. Inside src/engine only. */
#ifndef SEAM_ENGINE_STORE_H
#define SEAM_ENGINE_STORE_H

#include "base/os/os.h"
#include "engine/device.h"
#include "engine/engine.h"
#include "engine/trace.h"
#include "model/model.h"

struct seam_store;

/* Units by number: 0 embedding, 1 + 2*layer + part, then KV-only (the tensors of the last layer's
 * attention part that its KV rows need), then the head. */
uint32_t seam_unit_embed(const struct seam_model *m);
uint32_t seam_unit_part(const struct seam_model *m, uint32_t layer, enum seam_part part);
uint32_t seam_unit_last_kv(const struct seam_model *m);
/* Does the last layer's KV-only unit hold this role? */
bool seam_unit_last_kv_has(enum seam_role role);
uint32_t seam_unit_head(const struct seam_model *m);
uint32_t seam_unit_count(const struct seam_model *m);

struct seam_store_sizes { /* bytes, with alignment */
    uint64_t all;         /* a resident store of everything asked for */
    uint64_t largest;     /* the smallest budget that works */
};
struct seam_store_sizes seam_store_measure(const struct seam_model *m, bool with_head);

/* SEAM_ENOMEM: a budget (0: all) below the largest unit; the story says which would do. */
seam_status seam_store_suffices(uint64_t budget, uint64_t largest, struct seam_err *err);

/* Tensor headers and units only: enough to build graphs and measure them. Every header points
 * at SEAM_STORE_NOWHERE, which only says "not for the graph allocator". */
#define SEAM_STORE_NOWHERE ((void *)(uintptr_t)SEAM_DIRECT_ALIGN)
seam_status seam_store_open(struct seam_store **out, const struct seam_model *m, bool with_head,
                            struct seam_device *d, struct seam_err *err);
/* Take the arena: budget 0 = all. SEAM_ENOMEM: below the largest unit. Resident weights are read or mapped
 * here, streamed ones read from seam_store_begin on. SEAM_EUNSUPPORTED: SEAM_MMAP_ON, but they are to be
 * streamed or rearranged. */
seam_status seam_store_load(struct seam_store *s, uint64_t budget, enum seam_mmap want,
                            struct seam_err *err);
/* Or, instead: every tensor but the embedding's rows into buffers of a device's type, resident. Of a
 * store that was opened with the head, for a device that rearranges nothing. */
uint64_t seam_store_device_bytes(const struct seam_store *s, ggml_backend_buffer_type_t buft);
seam_status seam_store_load_on(struct seam_store *s, ggml_backend_buffer_type_t buft,
                               struct seam_err *err);
void seam_store_close(struct seam_store *s);
bool seam_store_streamed(const struct seam_store *s);
bool seam_store_mapped(const struct seam_store *s);
/* Are streamed or mapped weights still those of the file that was opened? SEAM_EFORMAT: it was written to
 * since (size or time); what was computed meanwhile is worth nothing. Copies do not change. */
seam_status seam_store_unchanged(const struct seam_store *s, struct seam_err *err);
/* Where all weights lie from seam_store_load to close, resident or in turn. NULL: mapped; the bytes are then
 * what copies would take. */
void *seam_store_arena(const struct seam_store *s);
uint64_t seam_store_arena_bytes(const struct seam_store *s);

/* Announce what will be acquired, in this order (copied). The loader starts at once. SEAM_EFORMAT as
 * seam_store_unchanged(). */
seam_status seam_store_begin(struct seam_store *s, const uint32_t *units, size_t n,
                             struct seam_err *err);
/* Wait for the next unit of the sequence. Its tensors may be used until release. Mapped: asks
 * seam_store_unchanged(), so that a long sweep ends soon.
 * span_wait (may be NULL) gets the time stood still; read (may be NULL) when the unit was read. */
seam_status seam_store_acquire(struct seam_store *s, uint32_t unit, uint64_t *wait_ns,
                               struct seam_span *read, struct seam_err *err);
void seam_store_release(struct seam_store *s, uint32_t unit);
/* Make a waiting or later acquire of this sequence fail with SEAM_ECANCELED, and the loader's read end. Any
 * thread; the consumer still ends the sequence. */
void seam_store_abandon(struct seam_store *s);
/* End the sequence, early or not; stops the loader's reading ahead. */
void seam_store_end(struct seam_store *s);

/* A role's weight, or what stands beside it (struct seam_layer). NULL: there is none. */
enum seam_store_kind { SEAM_STORE_WEIGHT, SEAM_STORE_SCALE, SEAM_STORE_BIAS, SEAM_STORE_KINDS };
/* The ggml tensor of a catalogue tensor; its data is valid while its unit is acquired. */
struct ggml_tensor *seam_store_layer(const struct seam_store *s, uint32_t layer,
                                     enum seam_store_kind kind, enum seam_role r);
struct ggml_tensor *seam_store_global(const struct seam_store *s, enum seam_role r);

uint64_t seam_store_held_peak(const struct seam_store *s, bool reset); /* weight bytes */
uint64_t seam_store_read_bytes(const struct seam_store *s); /* weight bytes, since open */

#endif
