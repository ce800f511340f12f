/* here.c - checks of this machine, and of what a node tells about its own. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "base/size.h"
#include "check/internal.h"
#include "engine/selftest.h"
#include "fabric/wire.h"

#define DEVICES_MAX  16u
#define SPACE        ((uint64_t)1 << 30) /* room by default: logs, and the rest of the system */
#define NODE_PORT    "127.0.0.1:7330"    /* where seam node listens by default */
#define PORT_ASK_NS  (2 * SEAM_NS_PER_S)
#define MIB          ((uint64_t)1 << 20)
#define WIRED_SHARE  0.75        /* default of macOS, at most: shared facts, hardware.md 1.1 */
#define NODE_MINIMUM (256 * MIB) /* free beside a running node: less, and the system swaps */

static const char *size(uint64_t bytes, char buf[32])
{
    return seam_size_format(bytes, buf, 32);
}

void seam_check_versions(struct seam_check *c)
{
    const struct seam_facts *f = &c->facts;
    if (!f->libfabric[0])
        seam_check_say(c, SEAM_CHECK_FAIL, NULL,
                       "libfabric cannot be loaded, or is too old: no links to nodes");
    if (!f->backends[0])
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "ggml %s has no backend installed", f->ggml);
    if (!c->said)
        seam_check_say(c, SEAM_CHECK_OK, NULL,
                       "seam %s (wire %u), ggml %s (%s), libfabric %s, %s%s%s", f->seam,
                       SEAM_WIRE_VERSION, f->ggml, f->backends, f->libfabric, f->system,
                       f->driver[0] ? ", NVIDIA driver " : "", f->driver);
}

void seam_check_devices(struct seam_check *c)
{
    struct seam_device_info dev[DEVICES_MAX];
    size_t n = seam_device_list(dev, DEVICES_MAX);
    bool bend = c->fault.kind == SEAM_FAULT_WRONG_COMPUTE;
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++) {
        struct seam_err found = {0};
        uint32_t n_types;
        if (seam_selftest_device(i, bend, &n_types, &found) != SEAM_OK)
            seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s (%s) %s", dev[i].name, dev[i].about,
                           found.text);
        else
            seam_check_say(c, SEAM_CHECK_OK, NULL, "%s (%s): products of %u types right",
                           dev[i].name, dev[i].about, n_types);
    }
    if (!n)
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "ggml finds no device");
}

/* A GPU that cannot decode is none the less there for `seam node --device`. */
static void golden_on_gpus(struct seam_check *c, bool bend)
{
    struct seam_device_info dev[DEVICES_MAX];
    size_t n = seam_device_list(dev, DEVICES_MAX);
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++) {
        struct seam_err found = {0};
        double error;
        if (!dev[i].gpu)
            continue;
        seam_status st = seam_selftest_golden(dev[i].name, bend, &error, &found);
        if (st == SEAM_OK)
            seam_check_say(c, SEAM_CHECK_OK, NULL,
                           "%s decodes a small model: its logits agree to %.1g", dev[i].name,
                           error);
        else
            seam_check_say(c, st == SEAM_EUNSUPPORTED ? SEAM_CHECK_WARN : SEAM_CHECK_FAIL, NULL,
                           "%s: %s", dev[i].name, found.text);
    }
}

void seam_check_golden(struct seam_check *c)
{
    struct seam_err found = {0};
    double error;
    bool bend = c->fault.kind == SEAM_FAULT_WRONG_COMPUTE;
    if (seam_selftest_golden("cpu", bend, &error, &found) != SEAM_OK)
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", found.text);
    else
        seam_check_say(c, SEAM_CHECK_OK, NULL, "a small model's logits agree to %.1g", error);
    golden_on_gpus(c, bend);
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (s && s->wrong[0])
            seam_check_say(c, SEAM_CHECK_FAIL, s->name, "%s", s->wrong);
        else if (s)
            seam_check_say(c, SEAM_CHECK_OK, s->name, "a small model computes right there");
    }
}

/* ---- memory ---- */

void seam_check_budget(struct seam_check *c)
{
    const struct seam_check_opts *o = c->o;
    enum seam_node_role role = o->role ? o->role : SEAM_NODE_BOTH;
    struct seam_engine_opts eo = {.n_ctx = o->ctx,
                                  .n_lanes = seam_node_lanes(role),
                                  .memory_bytes = o->memory,
                                  .weights_bytes = o->weights_memory,
                                  .decode_device = "auto",
                                  .quiet = true};
    struct seam_engine_memory *m = &c->memory;
    struct seam_err found = {0};
    char a[32], b[32], kv[32];
    if (c->fabric)
        seam_node_settle(&eo, role, c->fabric, c->model);
    if (seam_engine_measure(m, c->model, &eo, &found) != SEAM_OK) {
        m->total = 0;
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", found.text);
        seam_check_mend(c, "seam node -m %s with the budget or the context that the story names",
                        o->model);
        return;
    }
    seam_check_say(c, SEAM_CHECK_OK, NULL, "a node needs %s: weights %s%s, KV %s",
                   size(m->total, a), size(m->weights_budget, b), m->streamed ? " (streamed)" : "",
                   size(m->kv, kv));
}

/* What a node here would allocate; 0: not known. */
static uint64_t need_here(const struct seam_check *c)
{
    return c->memory.total ? c->memory.total : c->o->memory;
}

static void memory_here(struct seam_check *c)
{
    const struct seam_facts *f = &c->facts;
    uint64_t need = need_here(c);
    char a[32], b[32];
    if (!need) {
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%s free of %s", size(f->memory_free, a),
                       size(f->memory_bytes, b));
    } else if (need > f->memory_bytes) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "a node here needs %s, this machine has %s",
                       size(need, a), size(f->memory_bytes, b));
        seam_check_mend(c, "seam node --memory %lluM ... (weights are then streamed)",
                        (unsigned long long)(f->memory_free / MIB));
    } else if (need > f->memory_free) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "a node here needs %s, %s are free", size(need, a),
                       size(f->memory_free, b));
        seam_check_mend(c,
                        "end what uses it (ps aux --sort=-rss | head; macOS: top -o mem), or "
                        "seam node --memory %lluM ...",
                        (unsigned long long)(f->memory_free / MIB));
    } else {
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%s free, a node here needs %s",
                       size(f->memory_free, a), size(need, b));
    }
}

void seam_check_memory(struct seam_check *c)
{
    char a[32], b[32];
    memory_here(c);
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (s && s->facts.memory_free < NODE_MINIMUM) {
            seam_check_say(c, SEAM_CHECK_WARN, s->name, "only %s of %s are free beside the node",
                           size(s->facts.memory_free, a), size(s->facts.memory_bytes, b));
            seam_check_mend(c, "on %s: end what uses it, or start seam node with less --memory",
                            s->name);
        } else if (s) {
            seam_check_say(c, SEAM_CHECK_OK, s->name, "%s free beside the node, which plans %s",
                           size(s->facts.memory_free, a), size(s->memory_planned, b));
        }
    }
}

static bool wired_of(struct seam_check *c, const char *where, const struct seam_facts *f,
                     uint64_t need)
{
    char a[32], b[32];
    uint64_t limit =
        f->wired_bytes ? f->wired_bytes : (uint64_t)(WIRED_SHARE * (double)f->memory_bytes);
    if (!f->has_wired_limit)
        return false;
    if (need <= limit) {
        seam_check_say(c, SEAM_CHECK_OK, where, "the GPU may hold %s%s", size(limit, a),
                       f->wired_bytes ? "" : " (by default, about)");
        return true;
    }
    seam_check_say(c, SEAM_CHECK_WARN, where, "the GPU may hold %s%s, a node needs %s",
                   size(limit, a), f->wired_bytes ? "" : " (by default, about)", size(need, b));
    seam_check_mend(c, "sudo sysctl iogpu.wired_limit_mb=%llu",
                    (unsigned long long)(need / MIB + 1024));
    return true;
}

void seam_check_wired(struct seam_check *c)
{
    bool any = wired_of(c, NULL, &c->facts, need_here(c));
    for (size_t i = 0; i < c->o->n_nodes; i++) {
        const struct seam_node_status *s = seam_check_answer(c, i);
        if (s)
            any |= wired_of(c, s->name, &s->facts, s->memory_planned);
    }
    if (!any)
        seam_check_say(c, SEAM_CHECK_SKIPPED, NULL, "only macOS has such a limit");
}

/* ---- disk and port ---- */

static void disk_of(struct seam_check *c, const char *where, uint64_t available)
{
    uint64_t want = c->o->space ? c->o->space : SPACE;
    char a[32], b[32];
    if (available >= want) {
        seam_check_say(c, SEAM_CHECK_OK, where, "%s free", size(available, a));
        return;
    }
    seam_check_say(c, where ? SEAM_CHECK_WARN : SEAM_CHECK_FAIL, where,
                   "%s free where the model lies, %s are wanted", size(available, a),
                   size(want, b));
    seam_check_mend(c, "df -h; remove what is not needed there, or move the model to another disk");
}

void seam_check_disk(struct seam_check *c)
{
    disk_of(c, NULL, c->facts.disk_free);
    for (size_t i = 0; i < c->o->n_nodes; i++)
        if (seam_check_answer(c, i))
            disk_of(c, c->node[i].name, c->node[i].s.facts.disk_free);
}

static void port_of(struct seam_check *c, const char *addr, bool asked)
{
    struct seam_listener *l;
    struct seam_err why = {0};
    struct seam_node_status s;
    if (seam_fabric_listen(c->fabric, addr, &l, &why) == SEAM_OK) {
        seam_listener_close(l);
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%s is free", addr);
    } else if (seam_node_ask(c->fabric, addr, PORT_ASK_NS, &s, NULL) == SEAM_OK) {
        seam_check_say(c, SEAM_CHECK_OK, NULL, "node %s listens at %s", s.name, addr);
    } else {
        const char *colon = strrchr(addr, ':');
        seam_check_say(c, asked ? SEAM_CHECK_FAIL : SEAM_CHECK_WARN, NULL,
                       "%s cannot be listened at, and no node answers there: %s", addr, why.text);
        seam_check_mend(c,
                        "lsof -nP -iTCP:%s -sTCP:LISTEN tells who has it; or seam node --listen "
                        "with another port",
                        colon ? colon + 1 : addr);
    }
}

void seam_check_port(struct seam_check *c)
{
    for (size_t i = 0; i < c->o->n_listen; i++)
        port_of(c, c->o->listen[i], true);
    if (!c->o->n_listen)
        port_of(c, NODE_PORT, false);
}
