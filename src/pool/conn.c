/* conn.c - one link of a node: HELLO, then requests until it ends. Every message has a row in the
 * table at the end; a request that fails gets an ERROR, a frame that makes no sense ends the link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/selftest.h"
#include "pool/daemon.h"

#define SLICE_NS (SEAM_NS_PER_S / 2)

/* ---- jobs ---- */

void seam_job_fail(struct seam_job *job, struct seam_err *err)
{
    if (err->status == SEAM_ECANCELED)
        seam_info("request %llu canceled", (unsigned long long)job->request);
    else
        seam_warn("request %llu of %s: %s", (unsigned long long)job->request, job->conn->who,
                  err->text);
    atomic_store(&job->done, true);
    seam_message_error_send(job->conn->link, job->request, err, SEAM_NODE_SEND_NS);
}

void seam_job_progress(struct seam_job *job, uint64_t *told_ns, uint32_t layer, uint32_t tokens)
{
    uint64_t now = seam_mono_ns();
    if (now - *told_ns < SEAM_NS_PER_S)
        return;
    *told_ns = now;
    const struct seam_message_progress m = {layer, tokens};
    /* Nobody needs it: never wait for room. */
    seam_message_send(job->conn->link, SEAM_WIRE_PROGRESS, job->request, &m, 0, NULL);
}

static void *job_main(void *user)
{
    struct seam_job *job = user;
    if (job->type == SEAM_WIRE_SWEEP)
        seam_sweep_job_run(job);
    else
        seam_generate_job_run(job);
    seam_message_release(job->type, &job->m);
    return NULL;
}

static void job_join(struct seam_job *job)
{
    if (job->type)
        pthread_join(job->thread, NULL);
    job->type = 0;
}

/* Start the job whose message is in job->m of `from`; its lists move to it. */
static seam_status job_start(struct seam_conn *c, const struct seam_wire_header *h,
                             struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_job *job = &c->job;
    if (job->type && !atomic_load(&job->done))
        return seam_fail(err, SEAM_EBUSY, "this link has a request running: use another link");
    job_join(job);
    seam_status st = seam_message_get(body, h->type, &job->m, err);
    if (st != SEAM_OK)
        return st;
    job->request = h->request;
    atomic_store(&job->canceled, atomic_load(&c->node->stop));
    atomic_store(&job->done, false);
    job->type = h->type;
    if (pthread_create(&job->thread, NULL, job_main, job) == 0)
        return SEAM_OK;
    seam_message_release(h->type, &job->m);
    job->type = 0;
    return seam_fail(err, SEAM_EBUSY, "no thread is left for this request: try again");
}

/* ---- what a link may ask for; each returns what becomes of the request ---- */

static seam_status on_ping(struct seam_conn *c, const struct seam_wire_header *h,
                           struct seam_wire_in *body, struct seam_err *err)
{
    (void)body;
    const struct seam_message_pong m = {seam_turns_load(&c->node->turns)};
    return seam_message_send(c->link, SEAM_WIRE_PONG, h->request, &m, SEAM_NODE_SEND_NS, err);
}

/* The self-test has an engine of its own: it waits for nobody and takes a moment of one core. */
static seam_status on_status(struct seam_conn *c, const struct seam_wire_header *h,
                             struct seam_wire_in *body, struct seam_err *err)
{
    const struct seam_fault *fault = &c->node->fault;
    struct seam_message_status ask;
    struct seam_message_node_status m = {0};
    struct seam_err found = {0};
    double error;
    seam_status st = seam_message_get(body, h->type, &ask, err);
    if (st != SEAM_OK)
        return st;
    if (ask.selftest && seam_selftest_golden("cpu", fault->kind == SEAM_FAULT_WRONG_COMPUTE, &error,
                                             &found) != SEAM_OK)
        snprintf(m.wrong, sizeof m.wrong, "%.255s", found.text);
    m.memory_planned = seam_engine_memory(c->node->engine)->total;
    seam_facts_gather(&m.facts, c->node->model_file);
    if (fault->kind == SEAM_FAULT_OTHER_GGML)
        snprintf(m.facts.ggml, sizeof m.facts.ggml, "0.0.0");
    if (fault->kind == SEAM_FAULT_MEMORY)
        m.facts.memory_free = fault->at << 20;
    if (fault->kind == SEAM_FAULT_CLOCK)
        m.facts.wall_ns += fault->at * SEAM_NS_PER_S;
    return seam_message_send(c->link, SEAM_WIRE_NODE_STATUS, h->request, &m, SEAM_NODE_SEND_NS,
                             err);
}

/* Moments: two copies of at most a piece. A job is not needed for that. */
static seam_status on_echo(struct seam_conn *c, const struct seam_wire_header *h,
                           struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_message_echo m;
    uint32_t came;
    seam_status st = seam_message_echo_get(body, h->type, &m, &came, err);
    if (st != SEAM_OK)
        return st;
    return seam_message_echo_send(c->link, SEAM_WIRE_ECHOED, h->request, came, m.bytes,
                                  SEAM_NODE_SEND_NS, err);
}

static seam_status on_nothing(struct seam_conn *c, const struct seam_wire_header *h,
                              struct seam_wire_in *body, struct seam_err *err)
{
    (void)c;
    (void)h;
    (void)body;
    (void)err;
    return SEAM_OK;
}

static seam_status on_lane_open(struct seam_conn *c, const struct seam_wire_header *h,
                                struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_message_lane_open m;
    struct seam_message_lane_ready ready = {0};
    seam_status st = seam_message_get(body, h->type, &m, err);
    if (st != SEAM_OK)
        return st;
    if (m.tokens.n + 1 > c->node->hello.n_ctx)
        st = seam_fail(
            err, SEAM_ECONTEXT,
            "the prompt has %u tokens, the context %u (start the node with a larger --ctx)",
            m.tokens.n, c->node->hello.n_ctx);
    else
        st = seam_lanes_open(&c->node->lanes, c->id, h->request, &m.tokens, &ready, err);
    seam_message_release(h->type, &m);
    if (st != SEAM_OK)
        return st;
    return seam_message_send(c->link, SEAM_WIRE_LANE_READY, h->request, &ready, SEAM_NODE_SEND_NS,
                             err);
}

static seam_status on_cancel(struct seam_conn *c, const struct seam_wire_header *h,
                             struct seam_wire_in *body, struct seam_err *err)
{
    (void)body;
    struct seam_job *job = &c->job;
    if (job->type && job->request == h->request && !atomic_load(&job->done)) {
        seam_node_cancel(job); /* it answers */
        return SEAM_OK;
    }
    seam_lanes_drop(&c->node->lanes, c->id, h->request);
    return seam_fail(err, SEAM_ECANCELED, "canceled");
}

static seam_status on_job(struct seam_conn *c, const struct seam_wire_header *h,
                          struct seam_wire_in *body, struct seam_err *err)
{
    int needs = h->type == SEAM_WIRE_SWEEP ? SEAM_NODE_SWEEP : SEAM_NODE_DECODE;
    if (!((int)c->node->role & needs))
        return seam_fail(err, SEAM_EUNSUPPORTED, "%s is no %s node (start it with --role both)",
                         c->node->hello.name, needs == SEAM_NODE_SWEEP ? "sweep" : "decode");
    return job_start(c, h, body, err);
}

/* ---- the receiving end of a handoff ---- */

static void handoff_abandon(struct seam_conn *c)
{
    if (c->handoff.open)
        seam_lanes_abort(&c->node->lanes, &c->handoff, c->id);
    seam_handoff_end(&c->handoff);
}

static seam_status handoff_failed(struct seam_conn *c, seam_status st, struct seam_err *err)
{
    if (st == SEAM_OK)
        return SEAM_OK;
    handoff_abandon(c);
    c->refused = true;
    return seam_wrap(err, st, "handoff refused");
}

static seam_status on_handoff_begin(struct seam_conn *c, const struct seam_wire_header *h,
                                    struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_node *n = c->node;
    struct seam_message_handoff_begin m;
    seam_status st = seam_message_get(body, h->type, &m, err);
    if (st == SEAM_OK)
        st = seam_handoff_begin(&c->handoff, &m, &n->hello, n->layer, err);
    if (st == SEAM_OK && (st = seam_lanes_receive(&n->lanes, &m, c->id, err)) != SEAM_OK)
        seam_handoff_end(&c->handoff);
    if (st != SEAM_OK)
        return handoff_failed(c, st, err);
    c->refused = false;
    return seam_message_send(c->link, SEAM_WIRE_HANDOFF_READY, h->request, NULL, SEAM_NODE_SEND_NS,
                             err);
}

static seam_status on_piece(struct seam_conn *c, const struct seam_wire_header *h,
                            struct seam_wire_in *body, struct seam_err *err)
{
    (void)h;
    struct seam_message_piece p;
    const void *rows;
    size_t bytes;
    if (c->refused)
        return SEAM_OK; /* it was told so already */
    seam_status st = seam_message_piece_get(body, &p, &rows, &bytes, err);
    if (st == SEAM_OK)
        st = seam_handoff_piece_check(&c->handoff, &p, bytes, err);
    if (st != SEAM_OK)
        return handoff_failed(c, st, err);
    struct seam_engine *e = c->node->engine;
    uint32_t lane = c->handoff.m.lane;
    uint8_t *to = seam_node_units(c->node, lane, p.layer, p.pos);
    seam_engine_memory_begin(e, lane, p.layer, c->handoff.m.pos0, c->handoff.m.end);
    st = seam_lanes_store(&c->node->lanes, &c->handoff, c->id, to, rows, bytes, err);
    if (st != SEAM_OK)
        return handoff_failed(c, st, err);
    seam_handoff_piece_note(&c->handoff, &p, rows, bytes);
    if (seam_handoff_layer_done(&c->handoff, p.layer))
        seam_engine_memory_end(e, lane, p.layer, c->handoff.m.end);
    return SEAM_OK;
}

static seam_status on_commit(struct seam_conn *c, const struct seam_wire_header *h,
                             struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_message_commit m;
    if (c->refused)
        return SEAM_OK;
    seam_status st = seam_message_get(body, h->type, &m, err);
    if (st == SEAM_OK)
        st = seam_handoff_commit(&c->handoff, &m, err);
    if (st == SEAM_OK)
        st = seam_lanes_commit(&c->node->lanes, &c->handoff, c->id, err);
    if (st != SEAM_OK)
        return handoff_failed(c, st, err);
    const struct seam_message_ack ack = {c->handoff.m.end};
    seam_info("handoff %llu committed %u..%u of lane %u: %llu pieces from %s",
              (unsigned long long)c->handoff.m.ticket, c->handoff.m.pos0, c->handoff.m.end,
              c->handoff.m.lane, (unsigned long long)c->handoff.pieces, c->who);
    seam_handoff_end(&c->handoff);
    return seam_message_send(c->link, SEAM_WIRE_HANDOFF_ACK, h->request, &ack, SEAM_NODE_SEND_NS,
                             err);
}

/* ---- the link ---- */

static const struct {
    seam_status (*take)(struct seam_conn *c, const struct seam_wire_header *h,
                        struct seam_wire_in *body, struct seam_err *err);
    bool guest; /* also of a peer that holds no model */
} takers[] = {
    [SEAM_WIRE_LANE_OPEN] = {on_lane_open, false},
    [SEAM_WIRE_SWEEP] = {on_job, false},
    [SEAM_WIRE_GENERATE] = {on_job, false},
    [SEAM_WIRE_CANCEL] = {on_cancel, false},
    [SEAM_WIRE_HANDOFF_BEGIN] = {on_handoff_begin, false},
    [SEAM_WIRE_KV_PIECE] = {on_piece, false},
    [SEAM_WIRE_HANDOFF_COMMIT] = {on_commit, false},
    [SEAM_WIRE_PING] = {on_ping, true},
    [SEAM_WIRE_PONG] = {on_nothing, true},
    [SEAM_WIRE_ECHO] = {on_echo, true},
    [SEAM_WIRE_STATUS] = {on_status, true},
};

static seam_status take(struct seam_conn *c, const struct seam_wire_header *h,
                        struct seam_wire_in *body, struct seam_err *err)
{
    if (h->type >= sizeof takers / sizeof *takers || !takers[h->type].take)
        return seam_fail(err, SEAM_EPROTO, "a node does not take %s", seam_wire_type_name(h->type));
    if (c->guest && !takers[h->type].guest)
        return seam_fail(
            err, SEAM_EMISMATCH,
            "%s named no model: it may look at the node and measure the link, not ask %s", c->who,
            seam_wire_type_name(h->type));
    return takers[h->type].take(c, h, body, err);
}

/* A frame of another wire version, as a node of another release would send. */
static seam_status send_wrong_version(struct seam_conn *c, struct seam_err *err)
{
    uint8_t frame[SEAM_WIRE_HEADER] = {0};
    struct seam_wire_out o = {.p = frame, .cap = sizeof frame};
    seam_wire_put_u32(&o, SEAM_WIRE_MAGIC);
    seam_wire_put_u16(&o, SEAM_WIRE_VERSION + 1);
    seam_wire_put_u16(&o, SEAM_WIRE_HELLO);
    return seam_link_send(c->link, frame, sizeof frame, NULL, 0, SEAM_NODE_SEND_NS, err);
}

static seam_status greet(struct seam_conn *c, struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_message_hello theirs;
    seam_status st = seam_wire_recv(c->link, SEAM_HELLO_TIMEOUT_NS, &h, &body, err);
    if (st != SEAM_OK)
        return st;
    if (h.type != SEAM_WIRE_HELLO)
        return seam_fail(err, SEAM_EPROTO, "began with %s, not HELLO", seam_wire_type_name(h.type));
    st = seam_message_get(&body, SEAM_WIRE_HELLO, &theirs, err);
    if (st != SEAM_OK)
        return st;
    snprintf(c->who, sizeof c->who, "%s (%s)", theirs.name, seam_link_peer(c->link));
    if (c->node->fault.kind == SEAM_FAULT_WRONG_VERSION)
        return send_wrong_version(c, err);
    st = seam_hello_check(&c->node->hello, &theirs, err);
    if (st != SEAM_OK)
        return st;
    c->guest = seam_hello_guest(&theirs);
    return seam_message_send(c->link, SEAM_WIRE_HELLO, 0, &c->node->hello, SEAM_NODE_SEND_NS, err);
}

/* Serve until the link ends; says why. */
static seam_status serve(struct seam_conn *c, struct seam_err *err)
{
    uint64_t heard_ns = seam_mono_ns();
    while (!atomic_load(&c->node->stop)) {
        struct seam_wire_header h;
        struct seam_wire_in body;
        seam_status st = seam_wire_recv(c->link, SLICE_NS, &h, &body, err);
        if (st == SEAM_ETIMEOUT) {
            uint64_t silent = seam_mono_ns() - heard_ns;
            if (silent > SEAM_NODE_SILENCE_NS)
                return seam_fail(err, SEAM_ETIMEOUT, "silent for %.0f s", (double)silent / 1e9);
            continue;
        }
        if (st != SEAM_OK)
            return st;
        heard_ns = seam_mono_ns();
        struct seam_err story = {0};
        if (take(c, &h, &body, &story) == SEAM_OK)
            continue;
        st = seam_message_error_send(c->link, h.request, &story, SEAM_NODE_SEND_NS);
        if (story.status != SEAM_ECANCELED)
            seam_warn("request %llu of %s: %s", (unsigned long long)h.request, c->who, story.text);
        if (st != SEAM_OK)
            return seam_fail(err, st, "an error could not be told: %s", story.text);
    }
    return SEAM_OK;
}

static void part(struct seam_conn *c, const struct seam_err *why)
{
    if (why->status == SEAM_EPEER)
        seam_debug("link %s ended", c->who);
    else if (why->status != SEAM_OK && why->status != SEAM_ECANCELED)
        seam_warn("link %s: %s", c->who, why->text);
    if (why->status == SEAM_EPROTO || why->status == SEAM_EMISMATCH) {
        seam_message_error_send(c->link, 0, why, SEAM_NS_PER_S);
        seam_link_flush(c->link, SEAM_NS_PER_S, NULL);
    }
}

void *seam_conn_main(void *user)
{
    struct seam_conn *c = user;
    struct seam_err err = {0};
    seam_status st = greet(c, &err);
    if (st == SEAM_OK)
        serve(c, &err);
    part(c, &err);
    seam_node_cancel(&c->job);
    seam_link_stop(c->link); /* a worker that is sending to nobody */
    job_join(&c->job);
    handoff_abandon(c);
    seam_lanes_drop(&c->node->lanes, c->id, 0);
    pthread_mutex_lock(&c->node->lock);
    struct seam_link *link = c->link;
    c->link = NULL; /* seam_node_stop looks at it */
    pthread_mutex_unlock(&c->node->lock);
    seam_link_close(link);
    atomic_store(&c->ended, true);
    return NULL;
}
