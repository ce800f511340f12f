/* node.h - one machine's daemon: accepts links, sweeps, takes handoffs, decodes.
 *
 *   listening --accept--> link (a thread each) --HELLO--> requests
 *   lane: free -> opened -> (receiving -> committed | local) -> decoding -> free (KV kept as cache)
 *
 * Used by `seam node` (tcp) and in-process by `seam serve -m` (loopback): the same code.
 * Thread: open/close from one thread; stop from any (also a signal handler's helper). */
#ifndef SEAM_POOL_NODE_H
#define SEAM_POOL_NODE_H

#include "engine/engine.h"
#include "fabric/link.h"
#include "model/tokenizer.h"

enum seam_node_role { SEAM_NODE_SWEEP = 1, SEAM_NODE_DECODE = 2, SEAM_NODE_BOTH = 3 };
const char *seam_node_role_name(
    enum seam_node_role role); /* "sweep", "decode", "both", "unknown" */
enum seam_node_role seam_node_role_named(const char *name); /* 0: none of them */
uint32_t seam_node_lanes(enum seam_node_role role);         /* unless told */

struct seam_node_opts {
    const char *name; /* for messages; default: machine name */
    enum seam_node_role role;
    const char *row, *listen; /* "tcp", "127.0.0.1:7330" */
    const char *model_file;
    struct seam_engine_opts engine;
};
struct seam_node;

/* What a node adds to its engine's options: bytes it allocates beside the engine, no head for a sweep. */
void seam_node_settle(struct seam_engine_opts *o, enum seam_node_role role,
                      const struct seam_fabric *f, const struct seam_model *m);
seam_status seam_node_open(struct seam_node **out, const struct seam_node_opts *o,
                           struct seam_err *err);
const char *seam_node_addr(const struct seam_node *n); /* with the real port */
const struct seam_engine *seam_node_engine(const struct seam_node *n);
/* Serve until seam_node_stop(); returns SEAM_OK then. A bad peer or request ends that link or
 * request, never the node. */
seam_status seam_node_run(struct seam_node *n, struct seam_err *err);
void seam_node_stop(struct seam_node *n);
void seam_node_close(struct seam_node *n);

#endif
