/* sweep_job.c - SWEEP: compute a prompt's KV here, and hand it to a decode node as it comes.
 *
 *   worker: lane -> link to the decode node, BEGIN, READY -> turn -> prefill ------> wait -> DONE
 *   sender:                                      rows of each layer as they are final, COMMIT, ACK
 *
 * The worker never waits for the link: rows stay where they were computed, so the hook only moves a
 * mark per layer, and the sender follows the marks, layer after layer. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pool/daemon.h"

#define SLICE_NS      (SEAM_NS_PER_S / 5)
#define KEEP_ALIVE_NS SEAM_NS_PER_S

struct sweep {
    struct seam_job *job;
    struct seam_node *node;
    struct seam_lane *lane;
    const struct seam_token_list *tokens;
    struct seam_peer peer; /* the decode node */
    struct seam_message_sweep_done done;
    uint64_t told_ns; /* PROGRESS */

    pthread_mutex_t lock; /* of the fields below */
    pthread_cond_t changed;
    uint32_t *ready;   /* per layer: rows below this position are final */
    bool abandoned;    /* the worker gave up, or the job was canceled */
    bool finished;     /* the sender has ended, with: */
    uint64_t moved_ns; /* when the sender last got something done */
    seam_status sent;
    struct seam_err err;

    uint64_t computed_ns;       /* the last rows were final */
    uint64_t first_ns, last_ns; /* sender: first piece begun, ACK received */
    uint64_t pieces, digest;
};

/* ---- the sender ---- */

/* Rows [pos, *end) of a layer are final; waits until there are some. */
static seam_status wait_ready(struct sweep *s, uint32_t layer, uint32_t pos, uint32_t *end,
                              struct seam_err *err)
{
    seam_status st = SEAM_OK;
    pthread_mutex_lock(&s->lock);
    while (s->ready[layer] <= pos && !s->abandoned && st == SEAM_OK) {
        struct timespec until = seam_deadline_after(SLICE_NS);
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        uint64_t now = seam_mono_ns();
        if (now - s->peer.pinged_ns < KEEP_ALIVE_NS)
            continue;
        pthread_mutex_unlock(&s->lock);
        s->peer.pinged_ns = now; /* a long layer is no silence */
        st = seam_message_send(s->peer.link, SEAM_WIRE_PING, 0, NULL, SEAM_NODE_SEND_NS, err);
        pthread_mutex_lock(&s->lock);
    }
    if (st == SEAM_OK && s->abandoned)
        st = seam_fail(err, SEAM_ECANCELED, "the sweep was abandoned");
    *end = s->ready[layer];
    s->moved_ns = seam_mono_ns();
    pthread_mutex_unlock(&s->lock);
    return st;
}

static bool is_abandoned(void *user)
{
    struct sweep *s = user;
    pthread_mutex_lock(&s->lock);
    bool abandoned = s->abandoned;
    pthread_mutex_unlock(&s->lock);
    return abandoned;
}

/* Send one frame, in slices, so that a cancel is seen even when the decode node takes nothing. */
static seam_status send_frame(struct sweep *s, const struct seam_message_piece *p, const void *rows,
                              size_t bytes, struct seam_err *err)
{
    uint64_t begin = seam_mono_ns();
    for (;;) {
        seam_status st = seam_message_piece_send(s->peer.link, s->job->m.sweep.ticket, p, rows,
                                                 bytes, SLICE_NS, err);
        if (st != SEAM_ETIMEOUT || seam_mono_ns() - begin > SEAM_NODE_SEND_NS)
            return st;
        if (is_abandoned(s))
            return seam_fail(err, SEAM_ECANCELED, "the sweep was abandoned");
    }
}

/* A piece goes wrong on purpose; true: send it as usual all the same. */
static bool inject(struct sweep *s, uint8_t *rows, size_t bytes)
{
    const struct seam_fault *f = &s->node->fault;
    if (f->kind == SEAM_FAULT_NONE || f->at != s->pieces)
        return true;
    if (f->kind == SEAM_FAULT_DIE_AT_PIECE)
        seam_fault_die();
    if (f->kind == SEAM_FAULT_FLIP_PIECE)
        rows[bytes / 2] ^= 0x10;
    while (f->kind == SEAM_FAULT_STALL_PIECE && !is_abandoned(s)) {
        struct timespec nap = {0, 50L * 1000 * 1000};
        nanosleep(&nap, NULL);
    }
    return f->kind != SEAM_FAULT_DROP_PIECE;
}

static seam_status send_piece(struct sweep *s, const struct seam_message_piece *p,
                              struct seam_err *err)
{
    uint8_t *rows = seam_node_units(s->node, s->lane->index, p->layer, p->pos);
    size_t bytes = (size_t)p->n * s->node->layer[p->layer].unit_bytes;
    s->digest = seam_handoff_digest(s->digest, p, rows, bytes);
    uint64_t begin = seam_mono_ns();
    if (!s->first_ns)
        s->first_ns = begin;
    seam_status st = SEAM_OK;
    if (inject(s, rows, bytes))
        st = send_frame(s, p, rows, bytes, err);
    if (st == SEAM_OK && seam_fault_hits(&s->node->fault, SEAM_FAULT_TWICE_PIECE, s->pieces))
        st = send_frame(s, p, rows, bytes, err);
    s->pieces++;
    seam_span_add(&s->done.trace.layers[p->layer].send, begin, seam_mono_ns(), bytes);
    return st;
}

/* Has the decode node refused meanwhile? Then there is no point in sending the rest. */
static seam_status listen_aside(struct sweep *s, struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    return seam_peer_recv(&s->peer, s->job->m.sweep.ticket, 0, &h, &body, err);
}

/* Units [unit, end) of a layer, in frames that are not too large. */
static seam_status send_units(struct sweep *s, uint32_t layer, uint32_t unit, uint32_t end,
                              struct seam_err *err)
{
    uint32_t most = SEAM_PIECE_BYTES_MAX / s->node->layer[layer].unit_bytes;
    seam_status st = SEAM_OK;
    while (st == SEAM_OK && unit < end) {
        struct seam_message_piece p = {layer, unit, end - unit < most ? end - unit : most};
        st = send_piece(s, &p, err);
        if (st == SEAM_OK)
            st = listen_aside(s, err);
        unit += p.n;
    }
    return st;
}

/* Rows leave as they come, a state when it stands for the whole prompt. */
static seam_status send_layer(struct sweep *s, uint32_t layer, struct seam_err *err)
{
    uint32_t state = s->node->layer[layer].state_units;
    uint32_t pos = state ? s->tokens->n - 1 : s->job->m.sweep.pos0, end = 0;
    seam_status st = SEAM_OK;
    while (st == SEAM_OK && pos < s->tokens->n) {
        st = wait_ready(s, layer, pos, &end, err);
        if (st == SEAM_OK)
            st = send_units(s, layer, state ? 0 : pos, state ? state : end, err);
        pos = end;
    }
    return st;
}

static seam_status send_all(struct sweep *s, struct seam_err *err)
{
    uint64_t ticket = s->job->m.sweep.ticket;
    seam_status st = SEAM_OK;
    for (uint32_t layer = 0; st == SEAM_OK && layer < s->node->hello.n_layer; layer++)
        st = send_layer(s, layer, err);
    if (st != SEAM_OK)
        return st;
    const struct seam_message_commit m = {s->pieces, s->digest};
    struct seam_message_ack ack;
    st = seam_peer_send(&s->peer, SEAM_WIRE_HANDOFF_COMMIT, ticket, &m, err);
    if (st == SEAM_OK)
        st = seam_peer_expect(&s->peer, ticket, SEAM_WIRE_HANDOFF_ACK, &ack, is_abandoned, s, err);
    s->last_ns = seam_mono_ns();
    if (st == SEAM_OK && ack.committed != s->tokens->n)
        st = seam_fail(err, SEAM_EPROTO, "node %s: committed %u tokens of %u", s->peer.addr,
                       ack.committed, s->tokens->n);
    return st;
}

static void *sender_main(void *user)
{
    struct sweep *s = user;
    struct seam_err err = {0};
    seam_status st = send_all(s, &err);
    pthread_mutex_lock(&s->lock);
    s->sent = st;
    s->err = err;
    s->finished = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the worker ---- */

static seam_status on_piece(void *user, uint32_t layer, uint32_t pos, uint32_t n, const void *rows,
                            size_t bytes, struct seam_err *err)
{
    struct sweep *s = user;
    (void)rows;
    (void)bytes;
    pthread_mutex_lock(&s->lock);
    s->ready[layer] = pos + n;
    s->computed_ns = seam_mono_ns();
    seam_status st = s->finished ? s->sent : SEAM_OK; /* nobody to compute for any more */
    if (st != SEAM_OK && err)
        *err = s->err;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return st;
}

static void on_progress(void *user, uint32_t layer, uint32_t tokens_done)
{
    struct sweep *s = user;
    seam_job_progress(s->job, &s->told_ns, layer, tokens_done);
}

static seam_status begin_handoff(struct sweep *s, struct seam_err *err)
{
    const struct seam_message_sweep *m = &s->job->m.sweep;
    const struct seam_message_handoff_begin begin = {
        .lane = m->lane,
        .ticket = m->ticket,
        .pos0 = m->pos0,
        .end = s->tokens->n,
        .n_layer = s->node->hello.n_layer,
        .row_bytes = s->node->hello.row_bytes,
        .tokens_digest = seam_tokens_digest(s->tokens->ids, s->tokens->n),
    };
    seam_status st =
        seam_peer_open(&s->peer, s->node->fabric, m->addr, &s->node->hello, SEAM_NODE_SEND_NS, err);
    if (st == SEAM_OK)
        st = seam_peer_send(&s->peer, SEAM_WIRE_HANDOFF_BEGIN, m->ticket, &begin, err);
    if (st == SEAM_OK)
        st = seam_peer_expect(&s->peer, m->ticket, SEAM_WIRE_HANDOFF_READY, NULL, seam_job_canceled,
                              s->job, err);
    return st;
}

static seam_status compute(struct sweep *s, uint64_t asked_ns, struct seam_err *err)
{
    struct seam_engine *e = s->node->engine;
    const struct seam_prefill_hooks hooks = {s, on_piece, on_progress};
    seam_status st = seam_node_compute_begin(s->job, err);
    if (st != SEAM_OK)
        return st;
    s->done.queue_ns = seam_mono_ns() - asked_ns;
    s->done.trace.begin_ns = seam_mono_ns();
    st = seam_engine_prefill(e, s->lane->index, s->tokens->ids, s->tokens->n, &hooks,
                             &s->done.trace, err);
    seam_node_compute_end(s->job);
    /* Not when the engine had also put its weights away: from here on only the handoff is left. */
    s->done.trace.compute_end_ns = s->computed_ns ? s->computed_ns : s->done.trace.begin_ns;
    return st;
}

/* The sender ends, or gets nothing done for too long, or the job is canceled. */
static seam_status wait_sender(struct sweep *s, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    pthread_mutex_lock(&s->lock);
    s->moved_ns = seam_mono_ns();
    while (!s->finished && st == SEAM_OK) {
        struct timespec until = seam_deadline_after(SLICE_NS);
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        if (atomic_load(&s->job->canceled))
            st = seam_fail(err, SEAM_ECANCELED, "canceled");
        else if (seam_mono_ns() - s->moved_ns > SEAM_PEER_TIMEOUT_NS && !s->finished)
            st = seam_fail(err, SEAM_ETIMEOUT, "the handoff to node %s stands still", s->peer.addr);
    }
    if (s->finished) {
        st = s->sent;
        if (err)
            *err = s->err;
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* Compute with a sender beside; afterwards the lane may be given back. */
static seam_status compute_and_send(struct sweep *s, uint64_t asked_ns, struct seam_err *err)
{
    pthread_t sender;
    if (pthread_create(&sender, NULL, sender_main, s) != 0)
        return seam_fail(err, SEAM_EBUSY, "no thread is left to send with: try again");
    uint32_t committed = s->lane->committed;
    seam_status st = compute(s, asked_ns, err);
    if (st == SEAM_OK) {
        committed = s->tokens->n;
        st = wait_sender(s, err);
    }
    pthread_mutex_lock(&s->lock);
    s->abandoned = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(sender, NULL);
    if (s->node->fault.kind == SEAM_FAULT_FLIP_PIECE)
        committed = 0; /* we broke our own cache on purpose */
    s->lane->committed = committed;
    return st;
}

static seam_status prepare(struct sweep *s, struct seam_err *err)
{
    uint32_t n_layer = s->node->hello.n_layer;
    seam_status st = seam_trace_init(&s->done.trace, n_layer, err);
    s->ready = malloc(n_layer * sizeof *s->ready);
    if (st == SEAM_OK && !s->ready)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for a sweep");
    if (st == SEAM_OK && s->job->m.sweep.pos0 >= s->tokens->n)
        st = seam_fail(err, SEAM_EINVAL, "asked for tokens %u to %u", s->job->m.sweep.pos0,
                       s->tokens->n);
    return st;
}

/* The sender reads the rows of a cached prefix from host memory; some may have been decoded on a device. */
static seam_status fetch_rows(struct sweep *s, struct seam_err *err)
{
    struct seam_engine *e = s->node->engine;
    if (!s->lane->committed || !seam_engine_memory(e)->offload)
        return SEAM_OK;
    seam_status st = seam_node_compute_begin(s->job, err);
    if (st != SEAM_OK)
        return st;
    st = seam_engine_memory_fetch(e, s->lane->index, err);
    seam_node_compute_end(s->job);
    return st;
}

static seam_status sweep(struct sweep *s, struct seam_err *err)
{
    uint64_t asked_ns = seam_mono_ns();
    seam_status st = prepare(s, err);
    if (st == SEAM_OK)
        st = seam_lanes_sweep(&s->node->lanes, s->tokens, s->node->chunk, seam_job_canceled, s->job,
                              &s->lane, err);
    if (st != SEAM_OK)
        return st;
    s->lane->committed =
        seam_engine_kv_set_len(s->node->engine, s->lane->index, s->lane->committed);
    for (uint32_t i = 0; i < s->node->hello.n_layer; i++)
        s->ready[i] = s->lane->committed;
    st = fetch_rows(s, err);
    if (st == SEAM_OK)
        st = begin_handoff(s, err);
    if (st == SEAM_OK)
        st = compute_and_send(s, asked_ns, err);
    seam_lanes_free(&s->node->lanes, s->lane, s->lane->committed);
    return st;
}

static void answer(struct sweep *s)
{
    struct seam_message_sweep_done *d = &s->done;
    d->trace.end_ns = s->last_ns;
    d->handoff_ns = s->last_ns - s->first_ns;
    d->exposed_ns = s->last_ns > d->trace.compute_end_ns ? s->last_ns - d->trace.compute_end_ns : 0;
    seam_info(
        "swept %u tokens from %u in %.2f s for %s, %llu pieces, %.3f s of the handoff exposed",
        s->tokens->n, s->job->m.sweep.pos0,
        (double)(d->trace.compute_end_ns - d->trace.begin_ns) / 1e9, s->peer.addr,
        (unsigned long long)s->pieces, (double)d->exposed_ns / 1e9);
    atomic_store(&s->job->done, true);
    seam_message_send(s->job->conn->link, SEAM_WIRE_SWEEP_DONE, s->job->request, d,
                      SEAM_NODE_SEND_NS, NULL);
}

void seam_sweep_job_run(struct seam_job *job)
{
    struct seam_err err = {0};
    struct sweep s = {.job = job, .node = job->conn->node, .tokens = &job->m.sweep.tokens};
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.changed, NULL);
    seam_status st = sweep(&s, &err);
    if (st == SEAM_OK)
        answer(&s);
    else
        seam_job_fail(job, &err);
    seam_peer_close(&s.peer);
    seam_trace_release(&s.done.trace);
    free(s.ready);
    pthread_cond_destroy(&s.changed);
    pthread_mutex_destroy(&s.lock);
}
