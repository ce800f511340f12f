/* nodes.c - checks of the nodes, each alone and all together. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "check/internal.h"
#include "check/known.h"
#include "plan/inventory.h"

#define SKEW_NS \
    (2 * (int64_t)SEAM_NS_PER_S) /* more makes logs and traces of two machines unreadable */
#define CARD_SHARE \
    0.15 /* a card says 128 GB, a system some less: more than that is another machine */

void seam_check_nodes(struct seam_check *c)
{
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_check_node *n = &c->node[i];
        const struct seam_node_status *s = &n->s;
        if (n->err.status == SEAM_OK) {
            seam_check_say(c, SEAM_CHECK_OK, n->name,
                           "node at %s, role %s, model %s, %u lane%s of %u", s->addr,
                           seam_node_role_name(s->role), s->model_name, s->n_lanes,
                           s->n_lanes == 1 ? "" : "s", s->n_ctx);
        } else if (n->err.status != SEAM_EPROTO) { /* see wire */
            seam_check_say(c, SEAM_CHECK_FAIL, n->name, "%s", n->err.text);
            seam_check_mend(c, "on that machine: seam node -m FILE --listen %s (or its firewall)",
                            c->o->nodes[i]);
        }
    }
}

void seam_check_wire(struct seam_check *c)
{
    for (size_t i = 0; i < c->o->n_nodes; i++)
        if (c->node[i].err.status == SEAM_EPROTO)
            seam_check_say(c, SEAM_CHECK_FAIL, c->node[i].name, "%s", c->node[i].err.text);
}

static bool same(const struct seam_fingerprint *a, const struct seam_fingerprint *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* With the model's files here: as they are. Without: as the first node that answers. */
void seam_check_same_model(struct seam_check *c)
{
    struct seam_fingerprint want;
    const char *who = c->here;
    bool known = c->catalog && seam_catalog_fingerprint(c->catalog, &want, NULL) == SEAM_OK;
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (s && !known) {
            want = s->model;
            who = s->name;
            known = true;
        } else if (s && !same(&s->model, &want)) {
            seam_check_say(c, SEAM_CHECK_FAIL, s->name,
                           "holds %s, of another fingerprint than the model of %s", s->model_name,
                           who);
            seam_check_mend(c, "give both the same file: on %s, seam node -m %s", s->name,
                            c->o->model ? c->o->model : "FILE");
        }
    }
}

static void kv_fits(struct seam_check *c, const struct seam_node_status *decode)
{
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (!s || s == decode || !(s->role & SEAM_NODE_SWEEP))
            continue;
        if (strcmp(s->kv_layout, decode->kv_layout) != 0) {
            seam_check_say(c, SEAM_CHECK_FAIL, s->name, "keeps KV as %s, %s as %s", s->kv_layout,
                           decode->name, decode->kv_layout);
            seam_check_mend(c, "start both with the same --kv and the same release");
        } else if (s->n_ctx < decode->n_ctx) {
            seam_check_say(
                c, SEAM_CHECK_WARN, s->name,
                "sweeps at most %u tokens, %s decodes at %u: longer prompts are not swept",
                s->n_ctx, decode->name, decode->n_ctx);
            seam_check_mend(c, "on %s: seam node --ctx %u", s->name, decode->n_ctx);
        }
    }
}

void seam_check_roles(struct seam_check *c)
{
    const struct seam_node_status *decode = NULL;
    for (size_t i = 0; i < c->o->n_nodes && !decode; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (s && (s->role & SEAM_NODE_DECODE))
            decode = s;
    }
    if (decode) {
        kv_fits(c, decode);
        return;
    }
    seam_check_say(c, SEAM_CHECK_FAIL, NULL, "none of the nodes that answer decodes");
    seam_check_mend(c, "seam node --role decode -m FILE, on the machine with most memory");
}

void seam_check_agree(struct seam_check *c)
{
    static const struct {
        const char *what;
        size_t at;
    } fields[] = {{"seam", offsetof(struct seam_facts, seam)},
                  {"ggml", offsetof(struct seam_facts, ggml)}};
    for (size_t i = 1; i < c->n_machine; i++)
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            const char *ours = (const char *)&c->facts + fields[k].at;
            const char *theirs = (const char *)c->machine[i].facts + fields[k].at;
            if (strcmp(ours, theirs) != 0)
                seam_check_say(c, SEAM_CHECK_WARN, c->machine[i].name, "has %s %s, %s has %s",
                               fields[k].what, theirs, c->here, ours);
        }
}

void seam_check_clock(struct seam_check *c)
{
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (!s)
            continue;
        int64_t off = s->ahead_ns < 0 ? -s->ahead_ns : s->ahead_ns;
        bool far = off > SKEW_NS + (int64_t)(s->rtt_ns / 2);
        seam_check_say(c, far ? SEAM_CHECK_WARN : SEAM_CHECK_OK, s->name,
                       "%.2f s %s this machine's", (double)off / 1e9,
                       s->ahead_ns < 0 ? "behind" : "ahead of");
    }
}

/* ---- the cluster file ---- */

static const struct seam_check_node *node_named(const struct seam_check *c, const char *name)
{
    for (size_t i = 0; i < c->o->n_nodes; i++)
        if (c->node[i].err.status == SEAM_OK && !strcmp(c->node[i].s.name, name))
            return &c->node[i];
    return NULL;
}

static void compare_card(struct seam_check *c, const struct seam_plan_node *card,
                         const struct seam_node_status *s)
{
    double says = card->machine.rate[SEAM_RATE_MEMORY].v[SEAM_CASE_MID],
           has = (double)s->facts.memory_bytes;
    if (has >= says * (1 - CARD_SHARE) && has <= says * (1 + CARD_SHARE))
        return;
    seam_check_say(c, SEAM_CHECK_WARN, s->name,
                   "has %.3g GB of memory, %s in %s has %.3g GB: plans for it are wrong", has / 1e9,
                   card->machine.name, c->o->cluster, says / 1e9);
    seam_check_mend(c, "in %s, for this node: memory: {is: %.0f GB}", c->o->cluster, has / 1e9);
}

void seam_check_cluster(struct seam_check *c)
{
    struct seam_inventory *v;
    struct seam_err found = {0};
    if (seam_inventory_open(&v, c->o->cluster, &found) != SEAM_OK) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", found.text);
        seam_check_mend(c, "mend that line; examples/desk.yaml is such a file");
        return;
    }
    for (uint32_t i = 0; c->o->n_nodes && i < v->n_node; i++) {
        const struct seam_check_node *n = node_named(c, v->node[i].name);
        if (n) {
            compare_card(c, &v->node[i], &n->s);
            continue;
        }
        seam_check_say(c, SEAM_CHECK_FAIL, v->node[i].name,
                       "is in %s, but no node of this name answers", c->o->cluster);
        seam_check_mend(c,
                        "there: seam node --name %s ..., here: --node HOST:PORT; or remove it "
                        "from the file",
                        v->node[i].name);
    }
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        bool listed = false;
        for (uint32_t k = 0; k < v->n_node; k++)
            listed |= !strcmp(v->node[k].name, c->node[i].s.name);
        if (!seam_check_answer(c, i) || listed)
            continue;
        seam_check_say(c, SEAM_CHECK_WARN, c->node[i].name, "answers, but is not in %s",
                       c->o->cluster);
        seam_check_mend(c, "add it to %s, or start it with a --name that is in there",
                        c->o->cluster);
    }
    if (!c->said)
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%u nodes in %s%s", v->n_node, c->o->cluster,
                       c->o->n_nodes ? ", and all answer" : "");
    seam_inventory_close(v);
}

/* ---- all machines ---- */

struct difference {
    struct seam_check *c;
    const char *machine;
};

static void differs(void *user, const char *field, const char *locked, const char *found)
{
    const struct difference *d = user;
    seam_check_say(d->c, SEAM_CHECK_WARN, d->machine, "%s is '%s', the lock says '%s'", field,
                   found, locked);
}

void seam_check_lock(struct seam_check *c)
{
    for (size_t i = 0; i < c->n_machine; i++) {
        struct difference d = {c, c->machine[i].name};
        if (!seam_lock_compare(c->lock, &c->machine[i], differs, &d))
            seam_check_say(c, SEAM_CHECK_WARN, d.machine, "is not in %s", c->o->lock);
    }
}

static void known_bad(void *user, const struct seam_known *row, const char *machine,
                      const char *story)
{
    struct seam_check *c = user;
    seam_check_say(c, SEAM_CHECK_WARN, machine, "%s", story);
    seam_check_mend(c, "%s", row->mend);
}

void seam_check_known(struct seam_check *c)
{
    seam_known_find(c->machine, c->n_machine, known_bad, c);
}
