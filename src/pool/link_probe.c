#include "pool/link_probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "base/stats.h"
#include "pool/peer.h"

#define PINGS      21
#define FRAMES_MAX 2048u
#define UNDER_WAY  4u

struct seam_link_probe {
    struct seam_peer peer;
    uint64_t request;
};

seam_status seam_link_probe_open(struct seam_link_probe **out, struct seam_fabric *f,
                                 const char *addr, struct seam_err *err)
{
    struct seam_message_hello ours = {.release = SEAM_VERSION};
    struct seam_link_probe *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a link");
    snprintf(ours.name, sizeof ours.name, "probe on %.40s", seam_os_machine_name());
    seam_status st = seam_peer_open(&p->peer, f, addr, &ours, 0, err);
    if (st != SEAM_OK) {
        free(p);
        return st;
    }
    *out = p;
    return SEAM_OK;
}

void seam_link_probe_close(struct seam_link_probe *p)
{
    if (!p)
        return;
    seam_peer_close(&p->peer);
    free(p);
}

const char *seam_link_probe_name(const struct seam_link_probe *p)
{
    return p->peer.hello.name;
}

static seam_status round_trip(struct seam_link_probe *p, double *seconds, struct seam_err *err)
{
    double v[PINGS];
    seam_status st = SEAM_OK;
    for (int i = 0; st == SEAM_OK && i < PINGS; i++) {
        uint64_t begin = seam_mono_ns();
        st = seam_peer_ping(&p->peer, SEAM_PEER_TIMEOUT_NS, err);
        v[i] = (double)(seam_mono_ns() - begin) / 1e9;
    }
    *seconds = st == SEAM_OK ? seam_stats_of(v, PINGS).median : 0;
    return st;
}

/* One answer: it must say that all arrived, and bring all that was wanted. */
static seam_status take_answer(struct seam_link_probe *p, uint32_t sent, uint32_t wanted,
                               struct seam_err *err)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_message_echo m;
    uint32_t came;
    seam_status st;
    do
        st = seam_peer_recv(&p->peer, p->request, SEAM_NS_PER_S / 10, &h, &body, err);
    while (st == SEAM_OK && !h.type);
    if (st == SEAM_OK && h.type != SEAM_WIRE_ECHOED)
        st = seam_fail(err, SEAM_EPROTO, "node %s answered ECHO with %s", p->peer.addr,
                       seam_wire_type_name(h.type));
    if (st == SEAM_OK)
        st = seam_message_echo_get(&body, h.type, &m, &came, err);
    if (st == SEAM_OK && (m.bytes != sent || came != wanted))
        st = seam_fail(err, SEAM_EPROTO, "node %s echoed %u bytes of %u", p->peer.addr, came,
                       wanted);
    return st;
}

/* A few questions are always under way, so that the link never waits for us; no more, so that neither
 * side ever waits for room while the other does. */
static seam_status transfer(struct seam_link_probe *p, uint32_t frames, bool up, double *seconds,
                            struct seam_err *err)
{
    const uint32_t sent = up ? SEAM_PIECE_BYTES_MAX : 0, wanted = up ? 0 : SEAM_PIECE_BYTES_MAX;
    seam_status st = SEAM_OK;
    uint64_t begin = seam_mono_ns();
    p->request++;
    p->peer.asked_ns = begin;
    for (uint32_t asked = 0, had = 0; st == SEAM_OK && had < frames;) {
        if (asked < frames && asked - had < UNDER_WAY) {
            st = seam_message_echo_send(p->peer.link, SEAM_WIRE_ECHO, p->request, wanted, sent,
                                        SEAM_PEER_TIMEOUT_NS, err);
            asked++;
        } else {
            st = take_answer(p, sent, wanted, err);
            had++;
        }
    }
    *seconds = (double)(seam_mono_ns() - begin) / 1e9;
    return st;
}

static seam_status direction(struct seam_link_probe *p, bool up, double min_s, double *rate,
                             struct seam_err *err)
{
    seam_status st = SEAM_OK;
    double seconds = 0;
    for (uint32_t frames = 2; st == SEAM_OK && seconds < min_s && frames <= FRAMES_MAX;
         frames *= 4) {
        st = transfer(p, frames, up, &seconds, err);
        *rate = seconds > 0 ? (double)frames * SEAM_PIECE_BYTES_MAX / seconds : 0;
    }
    return st;
}

seam_status seam_link_probe_measure(struct seam_link_probe *p, double min_s,
                                    struct seam_link_rates *out, struct seam_err *err)
{
    *out = (struct seam_link_rates){0};
    seam_status st = round_trip(p, &out->round_s, err);
    if (st == SEAM_OK)
        st = direction(p, true, min_s, &out->up, err);
    if (st == SEAM_OK)
        st = direction(p, false, min_s, &out->down, err);
    return st;
}
