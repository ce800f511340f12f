/* handoff.h - the receiving side's books of one handoff: a transaction that either has every row of
 * every layer exactly once, and the sender's digest, or does not count. Private to src/pool.
 *
 *   begin -> (piece_check, copy the rows, piece_note) x pieces -> commit
 *
 * Within a layer pieces come in order of their units and without gaps (links keep order), so one counter
 * per layer proves "once each". The digest covers each piece's place and its rows as they lie in the
 * lane, so it also catches what happened between the sender's KV cache and ours.
 * Thread: the link's. Knows nothing about engines. Units: tokens, bytes. */
#ifndef SEAM_POOL_HANDOFF_H
#define SEAM_POOL_HANDOFF_H

#include "pool/message.h"

/* What a layer hands over, in units that pieces count by: rows, one a token; or the F32 values of its
 * state, all of them whatever the tokens are. */
struct seam_handoff_layer {
    uint32_t unit_bytes;
    uint32_t state_units; /* 0: rows */
};

struct seam_handoff {
    struct seam_message_handoff_begin m;
    const struct seam_handoff_layer *layer; /* borrowed */
    uint32_t *next;                         /* per layer: the unit expected now */
    uint64_t pieces, digest;
    bool open;
};

/* Digest after one more piece, for both sides. */
uint64_t seam_handoff_digest(uint64_t digest, const struct seam_message_piece *p, const void *rows,
                             size_t bytes);

/* SEAM_EMISMATCH: other layers or rows than ours. SEAM_EPROTO: an impossible range, or one is open. */
seam_status seam_handoff_begin(struct seam_handoff *h, const struct seam_message_handoff_begin *m,
                               const struct seam_message_hello *ours,
                               const struct seam_handoff_layer *layer, struct seam_err *err);
/* SEAM_EPROTO: outside the announced range, of the wrong length, again, or too early. */
seam_status seam_handoff_piece_check(const struct seam_handoff *h,
                                     const struct seam_message_piece *p, size_t bytes,
                                     struct seam_err *err);
/* Has the layer arrived whole? */
bool seam_handoff_layer_done(const struct seam_handoff *h, uint32_t layer);
void seam_handoff_piece_note(struct seam_handoff *h, const struct seam_message_piece *p,
                             const void *stored, size_t bytes);
/* SEAM_EPROTO: rows are missing, or the counts or digests differ. */
seam_status seam_handoff_commit(const struct seam_handoff *h, const struct seam_message_commit *m,
                                struct seam_err *err);
void seam_handoff_end(struct seam_handoff *h); /* after commit, or to abandon; twice is fine */

#endif
