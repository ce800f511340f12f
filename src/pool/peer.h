/* peer.h - the asking end of a link to a node: connect, HELLO both ways, then requests; answers PINGs
 * of its own accord and knows when the node has been silent for too long. A coordinator asks, and a
 * sweep node asks a decode node. Private to src/pool. Thread: one at a time. */
#ifndef SEAM_POOL_PEER_H
#define SEAM_POOL_PEER_H

#include "pool/message.h"

#define SEAM_HELLO_TIMEOUT_NS (5 * SEAM_NS_PER_S)
#define SEAM_PEER_TIMEOUT_NS  (10 * SEAM_NS_PER_S) /* silence that counts as death, by default */

struct seam_peer {
    struct seam_link *link;
    struct seam_message_hello hello; /* theirs */
    uint64_t timeout_ns, pinged_ns;
    uint64_t
        asked_ns; /* since when something was asked and nothing at all heard; 0: nothing open */
    bool lost;    /* the link itself failed, or the node spoke nonsense: of no use any more */
    char addr[128];
};

/* A coordinator that names no model: it may look (STATUS) and measure the link (ECHO), nothing else. */
bool seam_hello_guest(const struct seam_message_hello *m);
/* SEAM_EMISMATCH: the two hold other models or (both nodes) keep KV otherwise; names both. */
seam_status seam_hello_check(const struct seam_message_hello *ours,
                             const struct seam_message_hello *theirs, struct seam_err *err);

/* SEAM_EPEER, SEAM_ETIMEOUT, SEAM_EPROTO, SEAM_EMISMATCH: each story names the address. */
seam_status seam_peer_open(struct seam_peer *p, struct seam_fabric *f, const char *addr,
                           const struct seam_message_hello *ours, uint64_t timeout_ns,
                           struct seam_err *err);
void seam_peer_close(struct seam_peer *p); /* twice is fine */

seam_status seam_peer_send(struct seam_peer *p, uint16_t type, uint64_t request,
                           const void *message, struct seam_err *err);
/* The next frame of `request`, waiting at most slice_ns; h->type 0: none yet, the node is alive.
 * PONG, PROGRESS and frames of earlier requests are taken in on the way. A received ERROR is
 * returned as its own status. SEAM_ETIMEOUT: silent for longer than the timeout; SEAM_EPEER: gone. */
seam_status seam_peer_recv(struct seam_peer *p, uint64_t request, uint64_t slice_ns,
                           struct seam_wire_header *h, struct seam_wire_in *body,
                           struct seam_err *err);
/* One frame of that type for this request; any other is SEAM_EPROTO. gave_up may be NULL. */
seam_status seam_peer_expect(struct seam_peer *p, uint64_t request, uint16_t type, void *message,
                             bool (*gave_up)(void *user), void *user, struct seam_err *err);
/* Is it there? A PING and its PONG. */
seam_status seam_peer_ping(struct seam_peer *p, uint64_t timeout_ns, struct seam_err *err);

#endif
