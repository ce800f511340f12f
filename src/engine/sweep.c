/* sweep.c - prefill by a device that sweeps by itself (accel.h).
 *
 *   loader  | read u+2        a thread of the store's
 *   copier  | copy u+1        a thread of ours: acquires units, puts their tensors, releases them
 *   engine  | launch u, and hand over the rows of the layer before
 *   device  | compute u
 *
 * Where host and device share memory nothing is copied: a unit is held until the device has done with it,
 * while the loader reads on. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/internal.h"

struct sweep {
    struct seam_engine *e;
    const struct seam_accel_ops *ops;
    struct seam_accel *a;
    uint32_t lane, n0, n1;
    const struct seam_prefill_hooks *hooks;
    struct seam_trace *trace;
    uint32_t units[2 + SEAM_PART_COUNT * SEAM_MODEL_MAX_LAYERS];
    struct seam_accel_part
        *part; /* of each unit: the embedding, then attention and feed-forward by turns */
    size_t n;

    pthread_t copier;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    size_t copied, launched; /* steps */
    bool stop;
    seam_status failed;
    struct seam_err failure;
};

/* ---- steps: one for each unit ---- */

static bool is_attention(size_t i)
{
    return i % 2 == 1;
}

/* Steps between two users of a slot. */
static size_t period(const struct sweep *s, size_t i)
{
    return is_attention(i) ? 4 : 2 * s->ops->memory(s->a)->n_slot;
}

/* How many steps must have been launched before this one's slot may be written. */
static size_t launched_before(const struct sweep *s, size_t i)
{
    return i < period(s, i) ? 0 : i - period(s, i) + 1;
}

/* embed, then attention and feed-forward in turn, then the last layer's rows. */
static seam_status make_steps(struct sweep *s, struct seam_err *err)
{
    const struct seam_model *m = s->e->model;
    s->n = seam_engine_sequence(m, s->e->hp->n_layer - 1, seam_unit_last_kv(m), s->units);
    s->part = calloc(s->n, sizeof *s->part);
    if (!s->part)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a sweep of %zu parts", s->n);
    for (size_t i = 0; i < s->n; i++) {
        s->part[i].layer = i ? (uint32_t)(i - 1) / 2 : 0;
        s->part[i].slot = (uint32_t)(i % period(s, i) / 2 + (is_attention(i) ? 0 : 2));
    }
    return SEAM_OK;
}

static void fill_weight(struct seam_accel_weight *w, const struct ggml_tensor *t)
{
    if (!t)
        return;
    w->host = t->data;
    w->type = (uint32_t)t->type;
    w->n = (uint64_t)ggml_nelements(t);
    w->bytes = ggml_nbytes(t);
}

/* Where an acquired unit's tensors lie. */
static void fill_part(const struct sweep *s, size_t i)
{
    const struct seam_store *store = s->e->store;
    struct seam_accel_part *p = &s->part[i];
    if (i == 0) {
        fill_weight(&p->role[SEAM_ROLE_TOKEN_EMBD], seam_store_global(store, SEAM_ROLE_TOKEN_EMBD));
        return;
    }
    enum seam_part part = is_attention(i) ? SEAM_PART_ATTN : SEAM_PART_FFN;
    for (int r = 0; r < SEAM_ROLE_LAYER_COUNT; r++)
        if (seam_role_part((enum seam_role)r) == part &&
            (i + 1 < s->n || seam_unit_last_kv_has((enum seam_role)r)))
            fill_weight(&p->role[r],
                        seam_store_layer(store, p->layer, SEAM_STORE_WEIGHT, (enum seam_role)r));
}

static seam_status acquire(struct sweep *s, size_t i, struct seam_err *err)
{
    struct seam_trace_layer *row = s->trace ? &s->trace->layers[s->part[i].layer] : NULL;
    seam_status st =
        seam_store_acquire(s->e->store, s->units[i], NULL, row ? &row->read : NULL, err);
    if (st == SEAM_OK)
        fill_part(s, i);
    return st;
}

/* ---- the copier ---- */

/* Until the slot's former user is launched; false: the sweep is over. */
static bool slot_free(struct sweep *s, size_t i)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stop && s->launched < launched_before(s, i))
        pthread_cond_wait(&s->changed, &s->lock);
    bool yes = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

static void *copier_main(void *arg)
{
    struct sweep *s = arg;
    struct seam_err err = {0};
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < s->n; i++) {
        st = acquire(s, i, &err);
        if (st != SEAM_OK)
            break;
        if (slot_free(s, i))
            st = s->ops->put(s->a, &s->part[i], &err);
        else
            st = seam_fail(&err, SEAM_ECANCELED, "canceled");
        seam_store_release(s->e->store, s->units[i]);
        pthread_mutex_lock(&s->lock);
        s->copied += st == SEAM_OK;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_lock(&s->lock);
    s->failed = st;
    s->failure = err;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the engine's thread ---- */

static bool shares(const struct sweep *s)
{
    return s->ops->shares_memory(s->a);
}

/* Step i's tensors are where the device can read them. */
static seam_status wait_part(struct sweep *s, size_t i, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    uint64_t begin = seam_mono_ns();
    if (seam_device_canceled(&s->e->device))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (shares(s)) {
        st = acquire(s, i, err);
        if (st == SEAM_OK)
            st = s->ops->put(s->a, &s->part[i], err);
    } else {
        pthread_mutex_lock(&s->lock);
        while (s->copied <= i && s->failed == SEAM_OK)
            pthread_cond_wait(&s->changed, &s->lock);
        if (s->copied <= i) {
            st = s->failed;
            if (err)
                *err = s->failure;
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (s->trace)
        s->trace->layers[s->part[i].layer].wait_ns += seam_mono_ns() - begin;
    return st;
}

static seam_status launched(struct sweep *s, size_t i, seam_status st, struct seam_err *err)
{
    if (shares(s)) { /* the device reads the unit where it lies */
        if (st == SEAM_OK)
            st = s->ops->sync(s->a, err);
        seam_store_release(s->e->store, s->units[i]);
    }
    pthread_mutex_lock(&s->lock);
    s->launched = i + 1;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    const struct seam_prefill_hooks *h = s->hooks;
    if (st == SEAM_OK && h && h->progress)
        h->progress(h->user, s->part[i].layer, s->n1 - s->n0);
    return st;
}

static seam_status launch(struct sweep *s, size_t i, const int32_t *tokens, struct seam_err *err)
{
    const struct seam_accel_part *p = &s->part[i];
    seam_status st = wait_part(s, i, err);
    if (st != SEAM_OK)
        return st;
    if (i == 0) {
        st = s->ops->embed(s->a, p, tokens, err);
    } else if (is_attention(i)) {
        seam_engine_memory_begin(s->e, s->lane, p->layer, s->n0, s->n1);
        st = s->ops->attention(s->a, p, seam_engine_memory_at(s->e, s->lane, p->layer, 0),
                               i + 1 == s->n, err);
    } else {
        st = s->ops->feed_forward(s->a, p, err);
    }
    return launched(s, i, st, err);
}

/* A layer's rows, or its state, are back: they may leave. */
static seam_status hand_over(struct sweep *s, uint32_t layer, struct seam_err *err)
{
    const uint32_t n = s->n1 - s->n0;
    seam_status st = s->ops->rows(s->a, layer, err);
    if (st == SEAM_OK)
        seam_engine_memory_end(s->e, s->lane, layer, s->n1);
    if (st != SEAM_OK || !s->hooks || !s->hooks->piece)
        return st;
    return s->hooks->piece(s->hooks->user, layer, s->n0, n,
                           seam_engine_memory_at(s->e, s->lane, layer, s->n0),
                           seam_engine_memory_bytes(s->e, layer, n), err);
}

/* Rows of a layer leave while the next one's attention computes. */
static seam_status launch_all(struct sweep *s, const int32_t *tokens, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < s->n; i++) {
        const uint32_t layer = s->part[i].layer;
        st = launch(s, i, tokens, err);
        if (st == SEAM_OK && is_attention(i) && layer > 0)
            st = hand_over(s, layer - 1, err);
        if (st == SEAM_OK && i + 1 == s->n)
            st = hand_over(s, layer, err);
        if (st != SEAM_OK && i > 0)
            seam_wrap(err, st, "layer %u", layer);
    }
    return st;
}

/* Also after a failure: nothing of this sweep runs on. */
static seam_status finish(struct sweep *s, bool copying, seam_status st, struct seam_err *err)
{
    struct seam_err late = {0};
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (st != SEAM_OK)
        seam_store_abandon(s->e->store); /* the copier may wait for a unit */
    if (copying)
        pthread_join(s->copier, NULL);
    seam_store_end(s->e->store);
    seam_status end = s->ops->end(s->a, &s->e->accel_work, s->trace, &late);
    if (st == SEAM_OK && end != SEAM_OK) {
        st = end;
        if (err)
            *err = late;
    }
    return st;
}

seam_status seam_sweep_run(struct seam_engine *e, uint32_t lane, const int32_t *tokens, uint32_t n0,
                           uint32_t n1, const struct seam_prefill_hooks *hooks,
                           struct seam_trace *trace, struct seam_err *err)
{
    struct sweep s = {.e = e,
                      .ops = e->accel_ops,
                      .a = e->accel,
                      .lane = lane,
                      .n0 = n0,
                      .n1 = n1,
                      .hooks = hooks,
                      .trace = trace};
    bool copying = false;
    seam_status st = make_steps(&s, err);
    if (st != SEAM_OK)
        return st;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.changed, NULL);
    st = seam_store_begin(e->store, s.units, s.n, err);
    if (st == SEAM_OK)
        st = s.ops->begin(s.a, n0, n1, err);
    if (st == SEAM_OK && !shares(&s)) {
        copying = pthread_create(&s.copier, NULL, copier_main, &s) == 0;
        if (!copying)
            st = seam_fail(err, SEAM_EBUSY, "no thread is left to copy with: try again");
    }
    if (st == SEAM_OK)
        st = launch_all(&s, tokens, err);
    st = finish(&s, copying, st, err);
    pthread_cond_destroy(&s.changed);
    pthread_mutex_destroy(&s.lock);
    free(s.part);
    return st;
}
