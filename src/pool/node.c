#include "pool/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/os/os.h"
#include "model/footprint.h"
#include "pool/daemon.h"

#define ACCEPT_NS  (SEAM_NS_PER_S / 2)
#define HEAP_BYTES (4u << 20) /* logits, sampler, token lists, messages: a bound, not a sum */

/* ---- the engine's queue ---- */

bool seam_job_canceled(void *user)
{
    struct seam_job *job = user;
    return atomic_load(&job->canceled);
}

seam_status seam_node_compute_begin(struct seam_job *job, struct seam_err *err)
{
    struct seam_node *n = job->conn->node;
    seam_status st = seam_turns_take(&n->turns, seam_job_canceled, job, err);
    if (st != SEAM_OK)
        return st;
    pthread_mutex_lock(&n->lock);
    bool canceled = atomic_load(&job->canceled);
    if (!canceled) {
        seam_engine_cancel_clear(n->engine);
        n->computing = job;
    }
    pthread_mutex_unlock(&n->lock);
    if (!canceled)
        return SEAM_OK;
    seam_turns_give(&n->turns);
    return seam_fail(err, SEAM_ECANCELED, "canceled");
}

void seam_node_compute_end(struct seam_job *job)
{
    struct seam_node *n = job->conn->node;
    pthread_mutex_lock(&n->lock);
    n->computing = NULL;
    pthread_mutex_unlock(&n->lock);
    seam_turns_give(&n->turns);
}

static void cancel_locked(struct seam_node *n, struct seam_job *job)
{
    atomic_store(&job->canceled, true);
    if (n->computing == job)
        seam_engine_cancel(n->engine);
}

void seam_node_cancel(struct seam_job *job)
{
    struct seam_node *n = job->conn->node;
    pthread_mutex_lock(&n->lock);
    cancel_locked(n, job);
    pthread_mutex_unlock(&n->lock);
}

/* ---- opening ---- */

static void fill_hello(struct seam_node *n, const char *name)
{
    struct seam_message_hello *h = &n->hello;
    snprintf(h->release, sizeof h->release, "%s", SEAM_VERSION);
    snprintf(h->name, sizeof h->name, "%s", name ? name : seam_os_machine_name());
    snprintf(h->model_name, sizeof h->model_name, "%s", seam_model_name(n->model));
    snprintf(h->kv_layout, sizeof h->kv_layout, "%s", seam_engine_kv_layout(n->engine));
    h->role = (uint8_t)n->role;
    h->n_layer = seam_model_hparams(n->model)->n_layer;
    for (uint32_t i = 0; i < h->n_layer; i++)
        h->row_bytes += n->layer[i].state_units ? 0 : n->layer[i].unit_bytes;
    h->n_ctx = seam_engine_ctx(n->engine);
    h->n_lanes = seam_engine_lanes(n->engine);
}

static seam_status fill_layers(struct seam_node *n, struct seam_err *err)
{
    uint32_t n_layer = seam_model_hparams(n->model)->n_layer;
    n->layer = calloc(n_layer, sizeof *n->layer);
    if (!n->layer)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the books of %u layers", n_layer);
    for (uint32_t i = 0; i < n_layer; i++) {
        bool state = seam_engine_has_state(n->engine, i);
        size_t bytes = seam_engine_memory_bytes(n->engine, i, 1);
        n->layer[i].unit_bytes = (uint32_t)(state ? sizeof(float) : bytes);
        n->layer[i].state_units = (uint32_t)(state ? bytes / sizeof(float) : 0);
    }
    return SEAM_OK;
}

uint8_t *seam_node_units(struct seam_node *n, uint32_t lane, uint32_t layer, uint32_t unit)
{
    uint8_t *first = seam_engine_memory_at(n->engine, lane, layer, 0);
    return first + (uint64_t)unit * n->layer[layer].unit_bytes;
}

/* What this node allocates beside the engine: links (one per lane, one for a coordinator's health
 * checks, one for a handoff), the lanes' books, and small things. */
void seam_node_settle(struct seam_engine_opts *o, enum seam_node_role role,
                      const struct seam_fabric *f, const struct seam_model *m)
{
    uint32_t lanes = o->n_lanes ? o->n_lanes : 1;
    uint32_t ctx = o->n_ctx ? o->n_ctx : seam_model_hparams(m)->n_ctx_train;
    o->reserved_bytes +=
        (lanes + 2) * seam_fabric_link_bytes(f) + seam_lanes_bytes(lanes, ctx) + HEAP_BYTES;
    o->prefill_only = role == SEAM_NODE_SWEEP;
}

static seam_status open_model(struct seam_node *n, const struct seam_node_opts *o,
                              struct seam_err *err)
{
    struct seam_engine_opts eo = o->engine;
    seam_status st = seam_model_open(&n->model, o->model_file, err);
    if (st == SEAM_OK)
        st = seam_catalog_fingerprint(seam_model_catalog(n->model), &n->hello.model, err);
    if (st != SEAM_OK)
        return st;
    seam_node_settle(&eo, n->role, n->fabric, n->model);
    st = seam_engine_open(&n->engine, n->model, &eo, err);
    if (st != SEAM_OK)
        return st;
    st = fill_layers(n, err);
    if (st != SEAM_OK)
        return st;
    fill_hello(n, o->name);
    st = seam_lanes_init(&n->lanes, n->hello.n_lanes, n->hello.n_ctx, err);
    n->lanes.whole = seam_engine_recurrent(n->engine);
    return st;
}

seam_status seam_node_open(struct seam_node **out, const struct seam_node_opts *o,
                           struct seam_err *err)
{
    *out = NULL;
    struct seam_node *n = calloc(1, sizeof *n);
    if (!n)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a node");
    n->role = o->role;
    n->model_file = strdup(o->model_file);
    n->chunk = o->engine.chunk ? o->engine.chunk : SEAM_ENGINE_CHUNK;
    pthread_mutex_init(&n->lock, NULL);
    seam_turns_init(&n->turns, 1);
    seam_status st = seam_fault_read(&n->fault, err);
    if (st == SEAM_OK)
        st = seam_fabric_open(&n->fabric, o->row, err);
    if (st == SEAM_OK)
        st = open_model(n, o, err);
    if (st == SEAM_OK) /* last: who can connect can ask */
        st = seam_fabric_listen(n->fabric, o->listen, &n->listener, err);
    if (st != SEAM_OK) {
        seam_node_close(n);
        return st;
    }
    *out = n;
    return SEAM_OK;
}

void seam_node_close(struct seam_node *n)
{
    if (!n)
        return;
    seam_listener_close(n->listener);
    seam_lanes_release(&n->lanes);
    seam_engine_close(n->engine);
    seam_model_close(n->model);
    if (n->fabric)
        seam_fabric_close(n->fabric);
    seam_turns_release(&n->turns);
    pthread_mutex_destroy(&n->lock);
    free(n->layer);
    free(n->model_file);
    free(n);
}

const char *seam_node_addr(const struct seam_node *n)
{
    return seam_listener_addr(n->listener);
}

const struct seam_engine *seam_node_engine(const struct seam_node *n)
{
    return n->engine;
}

/* ---- accepting ---- */

/* Join and free links that have ended, or (all) every link. */
static void reap(struct seam_node *n, bool all)
{
    struct seam_conn *gone = NULL;
    pthread_mutex_lock(&n->lock);
    for (struct seam_conn **at = &n->conns; *at;) {
        struct seam_conn *c = *at;
        if (!all && !atomic_load(&c->ended)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = gone;
        gone = c;
        n->n_conns--;
    }
    pthread_mutex_unlock(&n->lock);
    while (gone) {
        struct seam_conn *c = gone;
        gone = c->next;
        pthread_join(c->thread, NULL);
        free(c);
    }
}

static void refuse(struct seam_link *link)
{
    struct seam_err story = {0};
    seam_fail(&story, SEAM_EBUSY, "the node serves %u links already: try again later",
              SEAM_NODE_LINKS_MAX);
    seam_warn("refused a link from %s: %s", seam_link_peer(link), story.text);
    seam_message_error_send(link, 0, &story, SEAM_NS_PER_S);
    seam_link_flush(link, SEAM_NS_PER_S, NULL);
    seam_link_close(link);
}

static void adopt(struct seam_node *n, struct seam_link *link)
{
    struct seam_conn *c = n->n_conns < SEAM_NODE_LINKS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        refuse(link);
        return;
    }
    c->node = n;
    c->link = link;
    c->id = ++n->last_id;
    c->job.conn = c;
    snprintf(c->who, sizeof c->who, "%s", seam_link_peer(link));
    pthread_mutex_lock(&n->lock);
    bool started = pthread_create(&c->thread, NULL, seam_conn_main, c) == 0;
    if (started) {
        c->next = n->conns;
        n->conns = c;
        n->n_conns++;
    }
    pthread_mutex_unlock(&n->lock);
    if (!started) {
        free(c);
        refuse(link);
    }
}

seam_status seam_node_run(struct seam_node *n, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    while (!atomic_load(&n->stop)) {
        struct seam_link *link;
        struct seam_err why = {0};
        st = seam_listener_accept(n->listener, ACCEPT_NS, &link, &why);
        reap(n, false);
        if (st == SEAM_OK) {
            adopt(n, link);
        } else if (st == SEAM_ECANCELED) {
            break;
        } else if (st != SEAM_ETIMEOUT) {
            seam_warn("accept: %s", why.text);
            if (st == SEAM_EIO) { /* the listener itself: nothing will come any more */
                if (err)
                    *err = why;
                break;
            }
        }
        st = SEAM_OK;
    }
    seam_node_stop(n);
    reap(n, true);
    return st == SEAM_ECANCELED ? SEAM_OK : st;
}

void seam_node_stop(struct seam_node *n)
{
    atomic_store(&n->stop, true);
    seam_listener_stop(n->listener);
    pthread_mutex_lock(&n->lock);
    for (struct seam_conn *c = n->conns; c; c = c->next) {
        cancel_locked(n, &c->job);
        if (c->link)
            seam_link_stop(c->link);
    }
    pthread_mutex_unlock(&n->lock);
}
