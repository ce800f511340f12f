/* lane.h - the lanes of a node: who uses which, and which tokens' KV lies in each.
 *
 *              open                 receive                  commit
 *      FREE ----------> OPENED ----------------> RECEIVING ----------> READY
 *       ^ |               | ^                      | |                   |
 *       | |               | +------- abort --------+ | (fallback)        |
 *       | | sweep         +-------------+------------+-------------------+
 *       | +-----> SWEEPING              | decode
 *       |            |                  v
 *       +------------+------------- DECODING          any state: its link dies -> FREE
 *
 * `committed` counts the leading tokens whose KV is final; whatever fails, a lane falls back to it,
 * and a FREE lane keeps it as cache for the next prompt with the same beginning. The lane that shares
 * most with the prompt is taken, else the one not used for the longest time.
 *
 * Knows nothing about the engine: who computes in a lane sets the engine's length from `committed`
 * before and reports it after. Private to src/pool. Thread: any; one lock inside. A lane that is
 * SWEEPING or DECODING belongs to the thread that put it there. Units: tokens. */
#ifndef SEAM_POOL_LANE_H
#define SEAM_POOL_LANE_H

#include <pthread.h>

#include "pool/handoff.h"

/* A shorter common beginning than this is not worth having other chunk boundaries for. */
#define SEAM_LANE_REUSE_MIN 64u

enum seam_lane_state {
    SEAM_LANE_FREE,
    SEAM_LANE_OPENED,
    SEAM_LANE_RECEIVING,
    SEAM_LANE_READY,
    SEAM_LANE_DECODING,
    SEAM_LANE_SWEEPING
};

struct seam_lane {
    uint32_t index;
    enum seam_lane_state state;
    uint64_t ticket;   /* new at each opening, so that a latecomer finds a stranger's number */
    uint64_t owner;    /* link that opened it; 0 when FREE or SWEEPING */
    uint64_t receiver; /* link that sends pieces; 0 unless RECEIVING */
    uint64_t request;  /* of the owner */
    int32_t *tokens;   /* n_ctx of them allocated */
    uint32_t n_tokens, committed;
    uint64_t used_ns;
};

struct seam_lanes {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct seam_lane *lane;
    uint32_t n, n_ctx;
    bool whole; /* a state cannot be rolled back: what is cached is shared whole or not at all */
    uint64_t tickets;
};

seam_status seam_lanes_init(struct seam_lanes *l, uint32_t n, uint32_t n_ctx, struct seam_err *err);
void seam_lanes_release(struct seam_lanes *l);
uint64_t seam_lanes_bytes(uint32_t n, uint32_t n_ctx);           /* what init allocates */
void seam_lane_check(const struct seam_lane *l, uint32_t n_ctx); /* asserts what always holds */
const char *seam_lane_state_name(enum seam_lane_state s);

/* FREE -> OPENED for a prompt. SEAM_EBUSY: none is free. SEAM_ECONTEXT: too long. */
seam_status seam_lanes_open(struct seam_lanes *l, uint64_t owner, uint64_t request,
                            const struct seam_token_list *prompt,
                            struct seam_message_lane_ready *out, struct seam_err *err);
/* FREE -> SWEEPING; waits while other sweeps hold all lanes. What is cached counts in multiples of
 * `align` (the engine's chunk), so that a cached beginning does not change any chunk's boundaries.
 * SEAM_EBUSY: every lane serves a decode: nothing to wait for. SEAM_ECANCELED: gave_up said so. */
seam_status seam_lanes_sweep(struct seam_lanes *l, const struct seam_token_list *tokens,
                             uint32_t align, bool (*gave_up)(void *user), void *user,
                             struct seam_lane **out, struct seam_err *err);
/* OPENED -> RECEIVING. SEAM_EPROTO: not that opening, or not its tokens. */
seam_status seam_lanes_receive(struct seam_lanes *l, const struct seam_message_handoff_begin *m,
                               uint64_t receiver, struct seam_err *err);
/* Copy one checked piece to its place, unless the lane has gone on without it (SEAM_EPROTO). */
seam_status seam_lanes_store(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver,
                             void *to, const void *rows, size_t bytes, struct seam_err *err);
/* RECEIVING -> READY with committed = the handoff's end; or, to abandon, back to OPENED. */
seam_status seam_lanes_commit(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver,
                              struct seam_err *err);
void seam_lanes_abort(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver);
/* OPENED, RECEIVING (whose pieces are refused from now on) or READY -> DECODING. */
seam_status seam_lanes_decode(struct seam_lanes *l, uint32_t index, uint64_t ticket, uint64_t owner,
                              struct seam_lane **out, struct seam_err *err);
/* DECODING or SWEEPING -> FREE, with `committed` tokens as cache. */
void seam_lanes_free(struct seam_lanes *l, struct seam_lane *lane, uint32_t committed);
/* Free what a link opened and does not compute in: all of it (request 0), or of one request. */
void seam_lanes_drop(struct seam_lanes *l, uint64_t owner, uint64_t request);

#endif
