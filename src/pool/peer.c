#include "pool/peer.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define PING_EVERY_NS SEAM_NS_PER_S
#define SLICE_NS      (SEAM_NS_PER_S / 10)

/* ---- who we are ---- */

static const char *fingerprint_text(const struct seam_fingerprint *f, char buf[9])
{
    snprintf(buf, 9, "%02x%02x%02x%02x", f->bytes[0], f->bytes[1], f->bytes[2], f->bytes[3]);
    return buf;
}

static const char *model_text(const struct seam_message_hello *m)
{
    return m->model_name[0] ? m->model_name : "a model";
}

bool seam_hello_guest(const struct seam_message_hello *m)
{
    static const struct seam_fingerprint none;
    return m->role == 0 && !m->kv_layout[0] && memcmp(&m->model, &none, sizeof none) == 0;
}

seam_status seam_hello_check(const struct seam_message_hello *ours,
                             const struct seam_message_hello *theirs, struct seam_err *err)
{
    char a[9], b[9];
    if (seam_hello_guest(ours) || seam_hello_guest(theirs))
        return SEAM_OK;
    if (memcmp(&ours->model, &theirs->model, sizeof ours->model) != 0)
        return seam_fail(err, SEAM_EMISMATCH,
                         "%s holds %s (%s), %s wants %s (%s): give both the same model file",
                         ours->name, model_text(ours), fingerprint_text(&ours->model, a),
                         theirs->name, model_text(theirs), fingerprint_text(&theirs->model, b));
    if (!ours->kv_layout[0] || !theirs->kv_layout[0])
        return SEAM_OK; /* a coordinator has no KV */
    if (strcmp(ours->kv_layout, theirs->kv_layout) != 0 || ours->row_bytes != theirs->row_bytes ||
        ours->n_layer != theirs->n_layer)
        return seam_fail(err, SEAM_EMISMATCH,
                         "%s keeps KV as %s, %s as %s: start both with the same --kv and release",
                         ours->name, ours->kv_layout, theirs->name, theirs->kv_layout);
    return SEAM_OK;
}

/* ---- a link and its HELLO ---- */

static seam_status hello(struct seam_peer *p, const struct seam_message_hello *ours,
                         struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    seam_status st = seam_message_send(p->link, SEAM_WIRE_HELLO, 0, ours, p->timeout_ns, err);
    if (st == SEAM_OK)
        st = seam_wire_recv(p->link, SEAM_HELLO_TIMEOUT_NS, &h, &body, err);
    if (st != SEAM_OK)
        return st;
    if (h.type == SEAM_WIRE_ERROR)
        return seam_message_error_get(&body, err);
    if (h.type != SEAM_WIRE_HELLO)
        return seam_fail(err, SEAM_EPROTO, "answered HELLO with %s", seam_wire_type_name(h.type));
    st = seam_message_get(&body, SEAM_WIRE_HELLO, &p->hello, err);
    return st == SEAM_OK ? seam_hello_check(&p->hello, ours, err) : st;
}

seam_status seam_peer_open(struct seam_peer *p, struct seam_fabric *f, const char *addr,
                           const struct seam_message_hello *ours, uint64_t timeout_ns,
                           struct seam_err *err)
{
    memset(p, 0, sizeof *p);
    snprintf(p->addr, sizeof p->addr, "%s", addr);
    p->timeout_ns = timeout_ns ? timeout_ns : SEAM_PEER_TIMEOUT_NS;
    seam_status st = seam_fabric_connect(f, addr, p->timeout_ns, &p->link, err);
    if (st == SEAM_OK)
        st = hello(p, ours, err);
    if (st != SEAM_OK) {
        seam_peer_close(p);
        return seam_wrap(err, st, "node %s", addr);
    }
    p->pinged_ns = seam_mono_ns();
    return SEAM_OK;
}

void seam_peer_close(struct seam_peer *p)
{
    seam_link_close(p->link);
    p->link = NULL;
}

/* ---- requests ---- */

static seam_status lose(struct seam_peer *p, seam_status st, struct seam_err *err)
{
    p->lost = true;
    size_t len = strlen(p->addr);
    if (!err || strncmp(err->text, p->addr, len) != 0)
        return seam_wrap(err, st, "node %s", p->addr);
    char said[sizeof err->text]; /* the link names its peer already */
    memcpy(said, err->text + len, sizeof said - len);
    return seam_fail(err, st, "node %s%s", p->addr, said);
}

seam_status seam_peer_send(struct seam_peer *p, uint16_t type, uint64_t request,
                           const void *message, struct seam_err *err)
{
    p->asked_ns = p->pinged_ns = seam_mono_ns();
    seam_status st = seam_message_send(p->link, type, request, message, p->timeout_ns, err);
    return st == SEAM_OK ? st : lose(p, st, err);
}

/* Nothing is there to be read. Silence counts from a question on, not from when we last listened: a
 * caller that was away for long finds the answers waiting. */
static seam_status alive(struct seam_peer *p, struct seam_err *err)
{
    uint64_t now = seam_mono_ns();
    if (p->asked_ns && now - p->asked_ns > p->timeout_ns) {
        seam_fail(err, SEAM_ETIMEOUT, "silent for %.1f s", (double)(now - p->asked_ns) / 1e9);
        return lose(p, SEAM_ETIMEOUT, err);
    }
    if (now - p->pinged_ns < PING_EVERY_NS)
        return SEAM_OK;
    p->pinged_ns = now;
    if (!p->asked_ns)
        p->asked_ns = now;
    seam_status st = seam_message_send(p->link, SEAM_WIRE_PING, 0, NULL, SLICE_NS, err);
    if (st == SEAM_OK || st == SEAM_ETIMEOUT) /* no room for a PING: silence will tell */
        return SEAM_OK;
    return lose(p, st, err);
}

/* Is this frame an answer to `request`, or to be taken in? */
static bool concerns(const struct seam_wire_header *h, uint64_t request)
{
    if (h->type == SEAM_WIRE_PONG || h->type == SEAM_WIRE_PROGRESS)
        return false;
    return h->request == request || (h->type == SEAM_WIRE_ERROR && h->request == 0);
}

seam_status seam_peer_recv(struct seam_peer *p, uint64_t request, uint64_t slice_ns,
                           struct seam_wire_header *h, struct seam_wire_in *body,
                           struct seam_err *err)
{
    uint64_t until = seam_mono_ns() + slice_ns;
    for (;;) {
        uint64_t now = seam_mono_ns();
        seam_status st = seam_wire_recv(p->link, now < until ? until - now : 0, h, body, err);
        if (st == SEAM_ETIMEOUT) {
            memset(h, 0, sizeof *h);
            seam_err_clear(err);
            return alive(p, err);
        }
        if (st != SEAM_OK)
            return lose(p, st, err);
        p->asked_ns = 0;
        if (!concerns(h, request))
            continue;
        if (h->type != SEAM_WIRE_ERROR)
            return SEAM_OK;
        p->lost = h->request != request; /* request 0 is about the link */
        return seam_wrap(err, seam_message_error_get(body, err), "node %s", p->addr);
    }
}

seam_status seam_peer_expect(struct seam_peer *p, uint64_t request, uint16_t type, void *message,
                             bool (*gave_up)(void *user), void *user, struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    for (;;) {
        seam_status st = seam_peer_recv(p, request, SLICE_NS, &h, &body, err);
        if (st != SEAM_OK)
            return st;
        if (h.type == type)
            break;
        if (h.type) {
            st = seam_fail(err, SEAM_EPROTO, "sent %s, expected was %s",
                           seam_wire_type_name(h.type), seam_wire_type_name(type));
            return lose(p, st, err);
        }
        if (gave_up && gave_up(user))
            return seam_fail(err, SEAM_ECANCELED, "canceled");
    }
    seam_status st = seam_message_get(&body, type, message, err);
    return st == SEAM_OK ? st : lose(p, st, err);
}

seam_status seam_peer_ping(struct seam_peer *p, uint64_t timeout_ns, struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    uint64_t until = seam_mono_ns() + timeout_ns;
    seam_status st = seam_message_send(p->link, SEAM_WIRE_PING, 0, NULL, timeout_ns, err);
    while (st == SEAM_OK) {
        uint64_t now = seam_mono_ns();
        st = seam_wire_recv(p->link, now < until ? until - now : 0, &h, &body, err);
        if (st == SEAM_OK && h.type == SEAM_WIRE_PONG) {
            p->asked_ns = 0;
            return SEAM_OK;
        }
    }
    return lose(p, st, err);
}
