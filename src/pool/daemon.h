/* daemon.h - a node's inside, shared by node.c (opening, accepting, the engine's queue), conn.c (one
 * link), sweep_job.c and generate_job.c (what a link asks for). Private to src/pool.
 *
 * Threads: the accept thread (seam_node_run's caller); per link a reader, which answers PING and takes
 * CANCEL and handoff pieces at any time, and at most one worker, which runs the link's SWEEP or
 * GENERATE; per sweep a sender beside its worker. The engine computes for one worker at a time, in
 * order of arrival (turns); the reader copies received rows without asking for it. */
#ifndef SEAM_POOL_DAEMON_H
#define SEAM_POOL_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "pool/fault.h"
#include "pool/lane.h"
#include "pool/node.h"
#include "pool/peer.h"
#include "pool/turns.h"

#define SEAM_NODE_LINKS_MAX  16u                  /* more are refused */
#define SEAM_NODE_SEND_NS    (10 * SEAM_NS_PER_S) /* a peer that takes nothing for so long is dead */
#define SEAM_NODE_SILENCE_NS (60 * SEAM_NS_PER_S) /* a link without even a PING is closed */

struct seam_job { /* one SWEEP or GENERATE; lives in its link */
    struct seam_conn *conn;
    uint16_t type; /* 0: none since the link began */
    uint64_t request;
    union {
        struct seam_message_sweep sweep;
        struct seam_message_generate generate;
    } m;
    atomic_bool canceled, done; /* done: only the last message is still to be sent */
    pthread_t thread;
};

struct seam_conn {
    struct seam_node *node;
    struct seam_conn *next;
    struct seam_link *link; /* closed by the link's own thread; NULL then, under the node's lock */
    uint64_t id;            /* owner of lanes; never 0 */
    char who[SEAM_NAME_MAX + 140]; /* "spark1 (192.168.7.2:51234)" */
    pthread_t thread;
    atomic_bool ended;
    struct seam_handoff handoff; /* that this link's peer is sending */
    bool guest;                  /* the peer named no model: see conn.c for what it may ask */
    bool refused;                /* a handoff was refused: its pieces are still coming */
    struct seam_job job;
};

struct seam_node {
    enum seam_node_role role;
    struct seam_message_hello hello; /* ours */
    struct seam_fault fault;
    char *model_file; /* whose disk NODE_STATUS tells about */
    uint32_t chunk;
    struct seam_fabric *fabric;
    struct seam_listener *listener;
    struct seam_model *model;
    struct seam_engine *engine;
    struct seam_handoff_layer *layer; /* what each layer hands over */
    struct seam_lanes lanes;
    struct seam_turns turns; /* the engine */
    pthread_mutex_t lock;    /* of the fields below */
    struct seam_job *computing;
    struct seam_conn *conns;
    uint64_t last_id;
    uint32_t n_conns;
    atomic_bool stop;
};

/* conn.c */
void *seam_conn_main(void *user);

/* node.c: where a unit (struct seam_handoff_layer) of a lane's memory lies. */
uint8_t *seam_node_units(struct seam_node *n, uint32_t lane, uint32_t layer, uint32_t unit);

/* node.c: the engine is this job's between begin (SEAM_OK) and end. SEAM_ECANCELED: it was canceled. */
seam_status seam_node_compute_begin(struct seam_job *job, struct seam_err *err);
void seam_node_compute_end(struct seam_job *job);
void seam_node_cancel(struct seam_job *job); /* ends its compute call, or its waiting */
bool seam_job_canceled(void *job);

/* sweep_job.c, generate_job.c: run the job to its end; the last message is theirs to send. */
void seam_sweep_job_run(struct seam_job *job);
void seam_generate_job_run(struct seam_job *job);
/* conn.c: a job failed: say so to its peer. Call after everything it held was given back. */
void seam_job_fail(struct seam_job *job, struct seam_err *err);
/* conn.c: at most once a second from a long prefill, so that the peer knows we are at it. */
void seam_job_progress(struct seam_job *job, uint64_t *told_ns, uint32_t layer, uint32_t tokens);

#endif
