/* message.h - the messages of fabric/wire.h as structs, an encode and a decode each (a table in
 * message.c, in the order of SEAM_WIRE_MAP); docs/wire.md describes every field. Private to src/pool.
 *
 * Everything read is bounded: strings by their arrays, lists by the bytes that are left in the frame.
 * Lists that seam_message_get() made are ended with seam_message_release(); those given to
 * seam_message_send() stay the caller's. Thread: no state. Units: tokens, bytes, nanoseconds. */
#ifndef SEAM_POOL_MESSAGE_H
#define SEAM_POOL_MESSAGE_H

#include "engine/sampling.h"
#include "engine/trace.h"
#include "fabric/wire.h"
#include "model/catalog.h"
#include "pool/status.h"

#define SEAM_PIECE_BYTES_MAX (1u << 20) /* rows of one KV_PIECE */

struct seam_token_list {
    int32_t *ids;
    uint32_t n;
};

struct seam_message_hello {
    char release[32]; /* "0.1.0", for the story when something does not fit */
    uint8_t role;     /* enum seam_node_role; 0: a coordinator */
    char name[SEAM_NAME_MAX];
    struct seam_fingerprint model;
    char model_name[SEAM_NAME_MAX]; /* for messages only */
    char kv_layout[32];             /* "" and zeros below: a coordinator */
    uint32_t row_bytes;             /* of one token, all layers together */
    uint32_t n_layer, n_ctx, n_lanes;
};
struct seam_message_error {
    uint16_t status; /* seam_status */
    char text[1024];
};
struct seam_message_lane_open {
    struct seam_token_list tokens;
};
struct seam_message_lane_ready {
    uint32_t lane;
    uint64_t ticket; /* of this opening of the lane; SWEEP, HANDOFF_BEGIN and GENERATE name it */
    uint32_t n_cached;
};
struct seam_message_sweep {
    uint32_t lane;
    uint64_t ticket;
    uint32_t pos0; /* tokens the decode node has */
    char addr[128];
    struct seam_token_list tokens; /* all to be computed: the prompt without its last token */
};
struct seam_message_sweep_done {
    uint64_t queue_ns, handoff_ns, exposed_ns; /* see struct seam_timings in pool.h */
    struct seam_trace trace;
};
struct seam_message_handoff_begin {
    uint32_t lane;
    uint64_t ticket;
    uint32_t pos0, end; /* rows of tokens [pos0, end) follow, for each layer */
    uint32_t n_layer, row_bytes;
    uint64_t tokens_digest; /* over tokens [0, end): both sides mean the same prompt */
};
struct seam_message_piece { /* fields of KV_PIECE; the rows follow as the rest of the body */
    uint32_t layer, pos, n;
};
struct seam_message_commit {
    uint64_t pieces, digest;
};
struct seam_message_ack {
    uint32_t committed;
};
struct seam_message_generate {
    uint32_t lane;
    uint64_t ticket;
    uint32_t max_tokens;
    struct seam_sampling sampling;
    struct seam_token_list stop_ids;
};
struct seam_message_token {
    int32_t id;
};
struct seam_message_generate_done {
    uint8_t finish; /* enum seam_finish */
    int32_t stop_id;
    uint32_t n_generated;
    uint64_t queue_ns, decode_ns;
    struct seam_trace trace; /* n_layer 0: nothing was prefilled here */
};
struct seam_message_pong {
    uint32_t jobs; /* running or waiting */
};
struct seam_message_progress {
    uint32_t layer, tokens;
};
struct seam_message_status {
    uint8_t selftest; /* 1: compute first */
};
struct seam_message_node_status {
    struct seam_facts facts;
    uint64_t memory_planned; /* all that the node may allocate */
    char wrong[256];         /* what the self-test found; "": nothing, or not asked for */
};
struct seam_message_echo { /* fields of ECHO and ECHOED; filler follows as the rest of the body */
    uint32_t bytes;        /* wanted back; that came */
};

/* `message` is the struct of that type; NULL for those without fields (CANCEL, PING, HANDOFF_READY). */
seam_status seam_message_send(struct seam_link *l, uint16_t type, uint64_t request,
                              const void *message, uint64_t timeout_ns, struct seam_err *err);
/* Fill the struct of `type` from a body. SEAM_EPROTO: not such a message. Nothing to release then. */
seam_status seam_message_get(struct seam_wire_in *body, uint16_t type, void *message,
                             struct seam_err *err);
void seam_message_release(uint16_t type, void *message);
/* KV_PIECE has a bulk part. rows is borrowed from the frame. */
seam_status seam_message_piece_send(struct seam_link *l, uint64_t request,
                                    const struct seam_message_piece *p, const void *rows,
                                    size_t bytes, uint64_t timeout_ns, struct seam_err *err);
/* ECHO or ECHOED with `filler` bytes, at most SEAM_PIECE_BYTES_MAX, of what a link is measured with. */
seam_status seam_message_echo_send(struct seam_link *l, uint16_t type, uint64_t request,
                                   uint32_t bytes, uint32_t filler, uint64_t timeout_ns,
                                   struct seam_err *err);
/* *filler: how many came. SEAM_EPROTO: more than a piece may have, or wants that. */
seam_status seam_message_echo_get(struct seam_wire_in *body, uint16_t type,
                                  struct seam_message_echo *m, uint32_t *filler,
                                  struct seam_err *err);
seam_status seam_message_piece_get(struct seam_wire_in *body, struct seam_message_piece *p,
                                   const void **rows, size_t *bytes, struct seam_err *err);

/* ERROR from a story, and the story of a received ERROR; returns its status (never SEAM_OK). */
seam_status seam_message_error_send(struct seam_link *l, uint64_t request,
                                    const struct seam_err *story, uint64_t timeout_ns);
seam_status seam_message_error_get(struct seam_wire_in *body, struct seam_err *err);

uint64_t seam_tokens_digest(const int32_t *ids, uint32_t n);

#endif
