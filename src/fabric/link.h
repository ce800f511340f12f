/* link.h - the transport contract: ordered, reliable, message-framed bytes to one peer.
 *
 * Rows (a table, as nng's transports): "tcp" = libfabric FI_EP_MSG endpoints over the tcp provider
 * (verbs later), "loopback" = in-process queues with the same back-pressure. One conformance suite
 * (tests/unit/link_conformance_test.c) runs on every row.
 *
 * A frame is a header of the caller's choosing (fabric/wire.h) plus a body; the link keeps frame
 * boundaries and order. Back-pressure: a link holds at most SEAM_LINK_WINDOW bytes in flight; a
 * sender waits, with a timeout, for room. Payloads are copied into registered memory by send().
 * Thread: one thread may send while another receives; two senders are serialised inside.
 * Units: bytes, nanoseconds. Times out by the monotonic clock; never blocks for ever. */
#ifndef SEAM_FABRIC_LINK_H
#define SEAM_FABRIC_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SEAM_FRAME_MAX   (2u << 20) /* largest frame, header included */
#define SEAM_LINK_WINDOW (8u << 20) /* most bytes in flight per direction */

struct seam_fabric; /* one row opened */
struct seam_listener;
struct seam_link;

/* row: "tcp" or "loopback". SEAM_EUNSUPPORTED: not in this build or no such provider here. */
seam_status seam_fabric_open(struct seam_fabric **out, const char *row, struct seam_err *err);
/* "1.17": the libfabric that would be used. SEAM_EUNSUPPORTED: none is installed, or too old. */
seam_status seam_fabric_version(char *buf, size_t len, struct seam_err *err);
void seam_fabric_close(struct seam_fabric *f); /* after its listeners and links */
const char *seam_fabric_row(const struct seam_fabric *f);
/* Bytes of buffers one link of this row allocates: counted in a node's memory budget. */
uint64_t seam_fabric_link_bytes(const struct seam_fabric *f);

/* addr: "host:port" (tcp; port 0 picks one) or any name (loopback).
 * SEAM_EIO: address in use or not ours. */
seam_status seam_fabric_listen(struct seam_fabric *f, const char *addr, struct seam_listener **out,
                               struct seam_err *err);
const char *seam_listener_addr(const struct seam_listener *l); /* with the real port */
/* SEAM_ETIMEOUT: nobody came. SEAM_ECANCELED: seam_listener_stop() was called. The caller owns
 * *out and ends it with seam_link_close(). A peer that connects and vanishes is not an error. */
seam_status seam_listener_accept(struct seam_listener *l, uint64_t timeout_ns,
                                 struct seam_link **out, struct seam_err *err);
void seam_listener_stop(struct seam_listener *l); /* from any thread: wakes accept */
void seam_listener_close(struct seam_listener *l);

/* SEAM_ETIMEOUT: no answer. SEAM_EPEER: refused (the story proposes to start the node). */
seam_status seam_fabric_connect(struct seam_fabric *f, const char *addr, uint64_t timeout_ns,
                                struct seam_link **out, struct seam_err *err);

/* Gather head and body into one frame (head_len + body_len <= SEAM_FRAME_MAX; body may be NULL).
 * Buffers are free again on return. SEAM_EPEER: the peer is gone. SEAM_ETIMEOUT: no room in the
 * window for that long (the frame was not sent). */
seam_status seam_link_send(struct seam_link *l, const void *head, size_t head_len, const void *body,
                           size_t body_len, uint64_t timeout_ns, struct seam_err *err);
/* Wait until everything sent before has left this machine's buffers. */
seam_status seam_link_flush(struct seam_link *l, uint64_t timeout_ns, struct seam_err *err);

/* Next frame, borrowed: *data stays valid until the next recv on this link. *len <= SEAM_FRAME_MAX.
 * SEAM_ETIMEOUT: none came; try again. SEAM_EPEER: closed or dead, after all frames were read.
 * SEAM_ECANCELED: seam_link_stop() was called. */
seam_status seam_link_recv(struct seam_link *l, uint64_t timeout_ns, const void **data, size_t *len,
                           struct seam_err *err);
void seam_link_stop(struct seam_link *l);  /* from any thread: wakes send and recv with ECANCELED */
void seam_link_close(struct seam_link *l); /* NULL is fine; no thread may be inside a call */
const char *seam_link_peer(const struct seam_link *l); /* "192.168.7.2:7330", for messages */

#endif
