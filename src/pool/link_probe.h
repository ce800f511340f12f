/* link_probe.h - how fast the link to a running node is: its round trip, and its rate in each direction,
 * with frames as large as those of a handoff (ECHO of docs/wire.md), through the same checksums and copies.
 * Links are not encrypted yet, so no rate here has a cipher in it. Thread: one at a time.
 * Units: bytes per second, seconds. */
#ifndef SEAM_POOL_LINK_PROBE_H
#define SEAM_POOL_LINK_PROBE_H

#include "fabric/link.h"

struct seam_link_probe;

/* addr: "host:port" of a `seam node`. The fabric is borrowed. SEAM_EPEER, SEAM_ETIMEOUT, SEAM_EPROTO as
 * of any link to a node; SEAM_EMISMATCH: a node of a release that knows no guests. */
seam_status seam_link_probe_open(struct seam_link_probe **out, struct seam_fabric *f,
                                 const char *addr, struct seam_err *err);
void seam_link_probe_close(struct seam_link_probe *p);
const char *seam_link_probe_name(const struct seam_link_probe *p); /* the node's own name */

struct seam_link_rates {
    double up, down; /* to the node, from it */
    double round_s;  /* a PING and its answer, the median of several */
};
/* Takes about min_s in each direction, or two frames if that takes longer. */
seam_status seam_link_probe_measure(struct seam_link_probe *p, double min_s,
                                    struct seam_link_rates *out, struct seam_err *err);

#endif
