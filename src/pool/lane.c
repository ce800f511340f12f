#include "pool/lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const char *const state_names[] = {"free",  "opened",   "receiving",
                                          "ready", "decoding", "sweeping"};

const char *seam_lane_state_name(enum seam_lane_state s)
{
    return state_names[s];
}

uint64_t seam_lanes_bytes(uint32_t n, uint32_t n_ctx)
{
    return n * (sizeof(struct seam_lane) + (uint64_t)n_ctx * sizeof(int32_t));
}

seam_status seam_lanes_init(struct seam_lanes *l, uint32_t n, uint32_t n_ctx, struct seam_err *err)
{
    *l = (struct seam_lanes){.n = n, .n_ctx = n_ctx};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->lane = calloc(n, sizeof *l->lane);
    for (uint32_t i = 0; l->lane && i < n; i++) {
        l->lane[i].index = i;
        l->lane[i].tokens = malloc(n_ctx * sizeof *l->lane[i].tokens);
        if (!l->lane[i].tokens) {
            seam_lanes_release(l);
            break;
        }
    }
    return l->lane ? SEAM_OK
                   : seam_fail(err, SEAM_ENOMEM, "no memory for the books of %u lanes", n);
}

void seam_lanes_release(struct seam_lanes *l)
{
    if (!l->lane)
        return;
    for (uint32_t i = 0; i < l->n; i++)
        free(l->lane[i].tokens);
    free(l->lane);
    l->lane = NULL;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

void seam_lane_check(const struct seam_lane *l, uint32_t n_ctx)
{
    bool owned = l->state != SEAM_LANE_FREE && l->state != SEAM_LANE_SWEEPING;
    assert(l->n_tokens <= n_ctx && l->committed <= l->n_tokens);
    assert(owned == (l->owner != 0));
    assert((l->state == SEAM_LANE_RECEIVING) == (l->receiver != 0));
    (void)l;
    (void)n_ctx;
    (void)owned;
}

static void move(struct seam_lanes *l, struct seam_lane *lane, enum seam_lane_state to)
{
    lane->state = to;
    lane->used_ns = seam_mono_ns();
    if (to == SEAM_LANE_FREE)
        lane->owner = lane->request = 0;
    if (to != SEAM_LANE_RECEIVING)
        lane->receiver = 0;
    seam_lane_check(lane, l->n_ctx);
    pthread_cond_broadcast(&l->changed);
}

/* ---- choosing ---- */

static uint32_t shared(const struct seam_lanes *l, const struct seam_lane *lane,
                       const struct seam_token_list *t, uint32_t most)
{
    uint32_t n = lane->committed < most ? lane->committed : most, i = 0;
    while (i < n && lane->tokens[i] == t->ids[i])
        i++;
    if (l->whole && i != lane->committed)
        return 0;
    return i < SEAM_LANE_REUSE_MIN ? 0 : i;
}

/* The free lane that shares most of the first `most` tokens; NULL: none is free. */
static struct seam_lane *choose(struct seam_lanes *l, const struct seam_token_list *t,
                                uint32_t most, uint32_t *n_shared)
{
    struct seam_lane *best = NULL;
    for (uint32_t i = 0; i < l->n; i++) {
        struct seam_lane *lane = &l->lane[i];
        if (lane->state != SEAM_LANE_FREE)
            continue;
        uint32_t n = shared(l, lane, t, most);
        if (!best || n > *n_shared || (n == *n_shared && lane->used_ns < best->used_ns)) {
            best = lane;
            *n_shared = n;
        }
    }
    return best;
}

static void take(struct seam_lanes *l, struct seam_lane *lane, const struct seam_token_list *t,
                 uint32_t committed)
{
    memcpy(lane->tokens, t->ids, t->n * sizeof *t->ids);
    lane->n_tokens = t->n;
    lane->committed = committed;
    lane->ticket = ++l->tickets;
}

static seam_status check_length(const struct seam_lanes *l, uint32_t n, struct seam_err *err)
{
    if (n == 0)
        return seam_fail(err, SEAM_EINVAL, "an empty prompt");
    if (n > l->n_ctx)
        return seam_fail(err, SEAM_ECONTEXT, "a prompt of %u tokens does not fit the context of %u",
                         n, l->n_ctx);
    return SEAM_OK;
}

seam_status seam_lanes_open(struct seam_lanes *l, uint64_t owner, uint64_t request,
                            const struct seam_token_list *prompt,
                            struct seam_message_lane_ready *out, struct seam_err *err)
{
    seam_status st = check_length(l, prompt->n, err);
    if (st != SEAM_OK)
        return st;
    pthread_mutex_lock(&l->lock);
    uint32_t cached = 0;
    struct seam_lane *lane = choose(l, prompt, prompt->n - 1, &cached);
    if (lane) {
        take(l, lane, prompt, cached);
        lane->owner = owner;
        lane->request = request;
        move(l, lane, SEAM_LANE_OPENED);
        *out = (struct seam_message_lane_ready){lane->index, lane->ticket, cached};
    } else {
        st = seam_fail(err, SEAM_EBUSY,
                       "all %u lanes are in use: try again (or start the node with more --lanes)",
                       l->n);
    }
    pthread_mutex_unlock(&l->lock);
    return st;
}

static bool any_sweeping(const struct seam_lanes *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->lane[i].state == SEAM_LANE_SWEEPING)
            return true;
    return false;
}

/* Of `cached` tokens, those that end where a chunk of the engine does. */
static uint32_t aligned(const struct seam_lanes *l, uint32_t cached, uint32_t n, uint32_t align)
{
    if (cached == n)
        return cached;
    return l->whole && cached % align ? 0 : cached / align * align;
}

seam_status seam_lanes_sweep(struct seam_lanes *l, const struct seam_token_list *tokens,
                             uint32_t align, bool (*gave_up)(void *user), void *user,
                             struct seam_lane **out, struct seam_err *err)
{
    seam_status st = check_length(l, tokens->n, err);
    if (st != SEAM_OK)
        return st;
    pthread_mutex_lock(&l->lock);
    uint32_t cached = 0;
    struct seam_lane *lane;
    while (!(lane = choose(l, tokens, tokens->n, &cached))) {
        if (!any_sweeping(l)) {
            st = seam_fail(err, SEAM_EBUSY,
                           "no lane is left to sweep in: a node that sweeps for "
                           "itself needs --lanes 2 or more");
            break;
        }
        if (gave_up && gave_up(user)) {
            st = seam_fail(err, SEAM_ECANCELED, "canceled while waiting for a lane");
            break;
        }
        struct timespec until = seam_deadline_after(SEAM_NS_PER_S / 10);
        pthread_cond_timedwait(&l->changed, &l->lock, &until);
    }
    if (lane) {
        take(l, lane, tokens, aligned(l, cached, tokens->n, align));
        move(l, lane, SEAM_LANE_SWEEPING);
    }
    pthread_mutex_unlock(&l->lock);
    *out = lane;
    return st;
}

/* ---- receiving ---- */

static seam_status may_receive(const struct seam_lanes *l,
                               const struct seam_message_handoff_begin *m, struct seam_err *err)
{
    const struct seam_lane *lane = m->lane < l->n ? &l->lane[m->lane] : NULL;
    if (!lane || lane->ticket != m->ticket || lane->state != SEAM_LANE_OPENED)
        return seam_fail(err, SEAM_EPROTO, "lane %u does not wait for handoff %llu", m->lane,
                         (unsigned long long)m->ticket);
    if (m->pos0 != lane->committed || m->end >= lane->n_tokens)
        return seam_fail(err, SEAM_EPROTO, "offers tokens %u to %u, wanted are %u to %u", m->pos0,
                         m->end, lane->committed, lane->n_tokens - 1);
    if (m->tokens_digest != seam_tokens_digest(lane->tokens, m->end))
        return seam_fail(err, SEAM_EMISMATCH, "offers the KV of another prompt");
    return SEAM_OK;
}

seam_status seam_lanes_receive(struct seam_lanes *l, const struct seam_message_handoff_begin *m,
                               uint64_t receiver, struct seam_err *err)
{
    pthread_mutex_lock(&l->lock);
    seam_status st = may_receive(l, m, err);
    if (st == SEAM_OK) {
        l->lane[m->lane].receiver = receiver;
        move(l, &l->lane[m->lane], SEAM_LANE_RECEIVING);
    }
    pthread_mutex_unlock(&l->lock);
    return st;
}

/* The lane of a handoff that still counts; call with the lock held. */
static struct seam_lane *receiving(struct seam_lanes *l, const struct seam_handoff *h,
                                   uint64_t receiver)
{
    struct seam_lane *lane = &l->lane[h->m.lane];
    bool same = lane->ticket == h->m.ticket && lane->receiver == receiver;
    return same && lane->state == SEAM_LANE_RECEIVING ? lane : NULL;
}

static seam_status gone(const struct seam_handoff *h, struct seam_err *err)
{
    return seam_fail(err, SEAM_EPROTO, "lane %u has gone on without handoff %llu", h->m.lane,
                     (unsigned long long)h->m.ticket);
}

seam_status seam_lanes_store(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver,
                             void *to, const void *rows, size_t bytes, struct seam_err *err)
{
    pthread_mutex_lock(&l->lock);
    bool ours = receiving(l, h, receiver) != NULL;
    if (ours)
        memcpy(to, rows, bytes);
    pthread_mutex_unlock(&l->lock);
    return ours ? SEAM_OK : gone(h, err);
}

seam_status seam_lanes_commit(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver,
                              struct seam_err *err)
{
    pthread_mutex_lock(&l->lock);
    struct seam_lane *lane = receiving(l, h, receiver);
    if (lane) {
        lane->committed = h->m.end;
        move(l, lane, SEAM_LANE_READY);
    }
    pthread_mutex_unlock(&l->lock);
    return lane ? SEAM_OK : gone(h, err);
}

void seam_lanes_abort(struct seam_lanes *l, const struct seam_handoff *h, uint64_t receiver)
{
    pthread_mutex_lock(&l->lock);
    struct seam_lane *lane = receiving(l, h, receiver);
    if (lane)
        move(l, lane, SEAM_LANE_OPENED);
    pthread_mutex_unlock(&l->lock);
}

/* ---- decoding, and the end ---- */

seam_status seam_lanes_decode(struct seam_lanes *l, uint32_t index, uint64_t ticket, uint64_t owner,
                              struct seam_lane **out, struct seam_err *err)
{
    pthread_mutex_lock(&l->lock);
    struct seam_lane *lane = index < l->n ? &l->lane[index] : NULL;
    bool ours =
        lane && lane->owner == owner && lane->ticket == ticket && lane->state != SEAM_LANE_DECODING;
    if (ours)
        move(l, lane, SEAM_LANE_DECODING);
    pthread_mutex_unlock(&l->lock);
    *out = ours ? lane : NULL;
    return ours ? SEAM_OK
                : seam_fail(err, SEAM_EPROTO, "lane %u was not opened for this request", index);
}

void seam_lanes_free(struct seam_lanes *l, struct seam_lane *lane, uint32_t committed)
{
    pthread_mutex_lock(&l->lock);
    lane->committed = committed;
    if (lane->n_tokens < committed)
        lane->n_tokens = committed;
    move(l, lane, SEAM_LANE_FREE);
    pthread_mutex_unlock(&l->lock);
}

void seam_lanes_drop(struct seam_lanes *l, uint64_t owner, uint64_t request)
{
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->n; i++) {
        struct seam_lane *lane = &l->lane[i];
        if (lane->owner == owner && lane->state != SEAM_LANE_DECODING &&
            (request == 0 || lane->request == request))
            move(l, lane, SEAM_LANE_FREE);
    }
    pthread_mutex_unlock(&l->lock);
}
