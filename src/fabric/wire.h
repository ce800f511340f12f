/* wire.h - the frame header and the field codec; docs/wire.md describes every message.
 *
 * All integers little-endian, fixed width, encoded by hand through cursors: no struct is ever sent.
 * A frame: magic u32 "SEAM", version u16, type u16, request u64, body_len u32, reserved u32 (0),
 * checksum u64 (XXH3-64 over the 24 bytes before it, then the body). Header = 32 bytes. */
#ifndef SEAM_FABRIC_WIRE_H
#define SEAM_FABRIC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fabric/link.h"

#define SEAM_WIRE_MAGIC    0x4d414553u /* "SEAM" in memory */
#define SEAM_WIRE_VERSION  1u
#define SEAM_WIRE_HEADER   32u
#define SEAM_WIRE_BODY_MAX (SEAM_FRAME_MAX - SEAM_WIRE_HEADER)

/* X(name, value, direction, meaning): one row per message; docs/wire.md follows this table. */
#define SEAM_WIRE_MAP(X)                                                                         \
    X(HELLO, 1, "both", "who I am: version, role, model fingerprint, KV layout, limits")         \
    X(ERROR, 2, "both", "status + story; ends the request (request 0: ends the link)")           \
    X(LANE_OPEN, 3, "server>decode", "prompt tokens; asks for a lane")                           \
    X(LANE_READY, 4, "decode>server", "lane number and how many tokens of it are cached")        \
    X(SWEEP, 5, "server>sweep", "prompt tokens, from which position, where the KV goes")         \
    X(SWEEP_DONE, 6, "sweep>server", "KV committed at the decode node; trace and timings")       \
    X(HANDOFF_BEGIN, 7, "sweep>decode", "lane, token range, layers, number of pieces")           \
    X(HANDOFF_READY, 8, "decode>sweep", "the lane is waiting for pieces")                        \
    X(KV_PIECE, 9, "sweep>decode", "layer, token range, rows")                                   \
    X(HANDOFF_COMMIT, 10, "sweep>decode", "count of pieces and digest over all their checksums") \
    X(HANDOFF_ACK, 11, "decode>sweep", "committed: every piece of every layer arrived once")     \
    X(GENERATE, 12, "server>decode", "sampling, limits: prefill what is missing, then decode")   \
    X(TOKEN, 13, "decode>server", "one sampled token")                                           \
    X(GENERATE_DONE, 14, "decode>server", "why it ended; timings")                               \
    X(CANCEL, 15, "server>node", "stop this request")                                            \
    X(PING, 16, "both", "alive?")                                                                \
    X(PONG, 17, "both", "alive; load")                                                           \
    X(PROGRESS, 18, "node>server", "layer and tokens done of a running prefill")                 \
    X(ECHO, 19, "server>node", "bytes that are of no use, and how many are wanted back")         \
    X(ECHOED, 20, "node>server", "how many came, and those that were wanted")                    \
    X(STATUS, 24, "both", "asks a node what it is and has")                                      \
    X(NODE_STATUS, 25, "both", "versions, memory, disk, clock, what its self-test found")

enum seam_wire_type {
#define X(name, value, direction, meaning) SEAM_WIRE_##name = value,
    SEAM_WIRE_MAP(X)
#undef X
};
const char *seam_wire_type_name(uint16_t type); /* "KV_PIECE"; "?" when unknown */

struct seam_wire_header {
    uint16_t type;
    uint64_t request;
    uint32_t body_len;
};

/* ---- writing: a cursor that never overruns; check .overflow once at the end ---- */
struct seam_wire_out {
    uint8_t *p;
    size_t len, cap;
    bool overflow;
};
void seam_wire_put_u8(struct seam_wire_out *o, uint8_t v);
void seam_wire_put_u16(struct seam_wire_out *o, uint16_t v);
void seam_wire_put_u32(struct seam_wire_out *o, uint32_t v);
void seam_wire_put_u64(struct seam_wire_out *o, uint64_t v);
void seam_wire_put_f32(struct seam_wire_out *o, float v);
void seam_wire_put_bytes(struct seam_wire_out *o, const void *p, size_t len); /* no length */
void seam_wire_put_str(struct seam_wire_out *o, const char *s); /* u16 length + bytes */

/* ---- reading: past the end gives zeros and sets .bad; check once at the end ---- */
struct seam_wire_in {
    const uint8_t *p;
    size_t len, at;
    bool bad;
};
uint8_t seam_wire_get_u8(struct seam_wire_in *i);
uint16_t seam_wire_get_u16(struct seam_wire_in *i);
uint32_t seam_wire_get_u32(struct seam_wire_in *i);
uint64_t seam_wire_get_u64(struct seam_wire_in *i);
float seam_wire_get_f32(struct seam_wire_in *i);
const void *seam_wire_get_bytes(struct seam_wire_in *i, size_t len);   /* NULL when bad */
void seam_wire_get_str(struct seam_wire_in *i, char *out, size_t cap); /* always terminated */
/* SEAM_EPROTO unless everything was read, nothing more is left and nothing was bad. */
seam_status seam_wire_end(const struct seam_wire_in *i, uint16_t type, struct seam_err *err);

/* ---- frames over a link ---- */
/* Body is head fields (small) followed by an optional bulk part, sent without an extra copy. */
seam_status seam_wire_send(struct seam_link *l, uint16_t type, uint64_t request, const void *fields,
                           size_t fields_len, const void *bulk, size_t bulk_len,
                           uint64_t timeout_ns, struct seam_err *err);
/* Receive and verify one frame: *body borrowed until the next recv. SEAM_EPROTO: wrong magic or
 * version (named: "speaks wire version 7, we speak 1"), unknown type, length, or checksum. */
seam_status seam_wire_recv(struct seam_link *l, uint64_t timeout_ns, struct seam_wire_header *h,
                           struct seam_wire_in *body, struct seam_err *err);
/* The same on bytes (fuzzer, tests). */
seam_status seam_wire_parse(const void *frame, size_t len, struct seam_wire_header *h,
                            struct seam_wire_in *body, struct seam_err *err);

#endif
