/* check.c - the table of checks, and what they share. */
#include "check/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "check/internal.h"

#define TIMEOUT_NS (5 * SEAM_NS_PER_S)

/* In the order in which a person wants to know: what is here, the model, then the others. */
static const struct seam_check_row rows[] = {
    {"versions", "this machine's parts can be used: libfabric, ggml, the system", 0,
     seam_check_versions, "make setup"},
    {"lock", "versions are those of the lock file, on every machine", SEAM_NEED_LOCK,
     seam_check_lock,
     "install what the lock says; or, when this is what you want: seam check --write-lock FILE"},
    {"known", "no combination that is known to be bad", 0, seam_check_known, ""},
    {"devices", "each ggml device multiplies matrices of each type right", 0, seam_check_devices,
     "install ggml for this machine again (make setup); then run seam check once more"},
    {"golden", "a small model with known logits computes right, here and on every node", 0,
     seam_check_golden, "install ggml for this machine again (make setup) and restart seam node"},
    {"files", "all splits of the model are there and whole", SEAM_NEED_FILE, seam_check_files,
     "fetch what is named again, into the same folder"},
    {"types", "the tensors' types are known", SEAM_NEED_FILE, seam_check_types,
     "take a file in other types (seam help quantize lists those that Seam writes)"},
    {"sums", "the files' SHA-256 are those that were published", SEAM_NEED_CATALOG, seam_check_sums,
     ""},
    {"architecture", "the model's architecture is supported and its tensors complete",
     SEAM_NEED_CATALOG, seam_check_architecture,
     "take a model of another architecture, or fetch the file again"},
    {"chat", "the model's chat template is known", SEAM_NEED_MODEL, seam_check_chat,
     "seam run -m FILE -p TEXT completes plain text; seam serve refuses chats with this file"},
    {"budget", "the memory budget of a node here suffices", SEAM_NEED_MODEL | SEAM_NEED_HERE,
     seam_check_budget, ""},
    {"memory", "memory that is free suffices, here and on every node", 0, seam_check_memory, ""},
    {"wired", "the GPU may hold what a node needs (macOS)", 0, seam_check_wired, ""},
    {"disk", "room on the disk, here and on every node", 0, seam_check_disk, ""},
    {"speed", "the model's disk, read past the page cache", SEAM_NEED_MODEL, seam_check_speed,
     "move the model to a faster disk, or give the node more --weights-memory"},
    {"port", "addresses to listen at are free, or a node's", SEAM_NEED_FABRIC, seam_check_port, ""},
    {"nodes", "every node answers", SEAM_NEED_NODES | SEAM_NEED_FABRIC, seam_check_nodes, ""},
    {"wire", "every node that answers speaks this wire version", SEAM_NEED_NODES | SEAM_NEED_FABRIC,
     seam_check_wire, "install this release on that node too (seam version tells) and restart it"},
    {"model", "every node that answers holds the same model", SEAM_NEED_ANSWERS,
     seam_check_same_model, ""},
    {"roles", "somebody decodes, and KV fits between nodes", SEAM_NEED_ANSWERS, seam_check_roles,
     ""},
    {"agree", "versions agree between the machines", SEAM_NEED_ANSWERS, seam_check_agree,
     "install the same release on both, then restart the node"},
    {"clock", "clocks agree within 2 s", SEAM_NEED_ANSWERS, seam_check_clock,
     "sudo timedatectl set-ntp true (macOS: sudo sntp -sS time.apple.com)"},
    {"cluster", "the nodes are those of the cluster file", SEAM_NEED_CLUSTER, seam_check_cluster,
     ""},
};
#define N_ROWS (sizeof rows / sizeof *rows)

const char *seam_check_result_name(enum seam_check_result r)
{
    static const char *const names[] = {"ok", "skipped", "warn", "fail"};
    return names[r];
}

/* ---- findings ---- */

static struct seam_check_finding *add(struct seam_check_report *r)
{
    if ((r->n & (r->n - 1)) == 0) { /* grows at powers of two */
        struct seam_check_finding *v = realloc(r->finding, (r->n ? 2 * r->n : 1) * sizeof *v);
        if (!v) {
            r->failed = true;
            return NULL;
        }
        r->finding = v;
    }
    struct seam_check_finding *f = &r->finding[r->n++];
    memset(f, 0, sizeof *f);
    return f;
}

/* Names come from files and peers. */
static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

void seam_check_say(struct seam_check *c, enum seam_check_result result, const char *where,
                    const char *fmt, ...)
{
    struct seam_check_report *r = c->r;
    struct seam_check_finding *f = add(r);
    va_list ap;
    c->said++;
    r->count[result]++;
    r->worst = result > r->worst ? result : r->worst;
    if (!f)
        return;
    f->id = c->row->id;
    f->what = c->row->what;
    f->result = result;
    snprintf(f->where, sizeof f->where, "%s", where ? where : c->here);
    va_start(ap, fmt);
    vsnprintf(f->story, sizeof f->story, fmt, ap);
    va_end(ap);
    if (result >= SEAM_CHECK_WARN)
        snprintf(f->mend, sizeof f->mend, "%s", c->row->mend);
    one_line(f->where);
    one_line(f->story);
}

void seam_check_mend(struct seam_check *c, const char *fmt, ...)
{
    if (!c->r->n)
        return;
    struct seam_check_finding *f = &c->r->finding[c->r->n - 1];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->mend, sizeof f->mend, fmt, ap);
    va_end(ap);
    one_line(f->mend);
}

const struct seam_node_status *seam_check_answer(const struct seam_check *c, size_t i)
{
    return c->node[i].err.status == SEAM_OK ? &c->node[i].s : NULL;
}

/* ---- what the rows look at ---- */

static void open_model(struct seam_check *c)
{
    if (!c->o->model || seam_catalog_open(&c->catalog, c->o->model, &c->catalog_err) != SEAM_OK)
        return;
    struct seam_catalog *catalog = c->catalog;
    if (seam_model_from_catalog(&c->model, catalog, &c->model_err) != SEAM_OK)
        c->model = NULL;
}

static seam_status ask_nodes(struct seam_check *c, struct seam_err *err)
{
    const struct seam_check_opts *o = c->o;
    c->node = calloc(o->n_nodes + 1, sizeof *c->node);
    c->machine = calloc(o->n_nodes + 1, sizeof *c->machine);
    if (!c->node || !c->machine)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu nodes", o->n_nodes);
    c->machine[c->n_machine++] = (struct seam_machine){c->here, &c->facts};
    for (size_t i = 0; i < o->n_nodes; i++) {
        struct seam_check_node *n = &c->node[i];
        if (!c->fabric) {
            seam_fail(&n->err, SEAM_EUNSUPPORTED, "not asked: no libfabric");
        } else if (seam_node_ask(c->fabric, o->nodes[i], TIMEOUT_NS, &n->s, &n->err) == SEAM_OK) {
            c->n_answers++;
            c->machine[c->n_machine++] = (struct seam_machine){n->name, &n->s.facts};
        }
        snprintf(n->name, sizeof n->name, "%.63s", n->s.name[0] ? n->s.name : o->nodes[i]);
    }
    return SEAM_OK;
}

static seam_status gather(struct seam_check *c, struct seam_err *err)
{
    const struct seam_check_opts *o = c->o;
    seam_status st = seam_fault_read(&c->fault, err);
    if (st == SEAM_OK && o->lock)
        st = seam_lock_open(&c->lock, o->lock, err);
    if (st == SEAM_OK && o->sums)
        st = seam_sums_open(&c->sums, o->sums, err);
    if (st != SEAM_OK)
        return st;
    snprintf(c->here, sizeof c->here, "%s", seam_os_machine_name());
    seam_facts_gather(&c->facts, o->model);
    if (c->fault.kind == SEAM_FAULT_MEMORY)
        c->facts.memory_free = c->fault.at << 20;
    if (seam_fabric_open(&c->fabric, "tcp", NULL) != SEAM_OK)
        c->fabric = NULL;
    open_model(c);
    st = ask_nodes(c, err);
    if (st == SEAM_OK && o->write_lock)
        st = seam_lock_write(o->write_lock, c->machine, c->n_machine, err);
    return st;
}

static void let_go(struct seam_check *c)
{
    if (c->model)
        seam_model_close(c->model);
    else
        seam_catalog_close(c->catalog);
    seam_lock_close(c->lock);
    seam_sums_close(c->sums);
    if (c->fabric)
        seam_fabric_close(c->fabric);
    free(c->node);
    free(c->machine);
}

/* ---- running ---- */

/* The first need of a row that is not met; NULL: all are. */
static const char *unmet(const struct seam_check *c, unsigned needs)
{
    const struct {
        unsigned need;
        bool met;
        const char *reason;
    } need[] = {
        {SEAM_NEED_FILE, c->o->model, "no model was named (-m FILE)"},
        {SEAM_NEED_CATALOG | SEAM_NEED_MODEL, c->o->model, "no model was named (-m FILE)"},
        {SEAM_NEED_CATALOG | SEAM_NEED_MODEL, c->catalog, "the model's files cannot be opened"},
        {SEAM_NEED_MODEL, c->model, "the model is not understood"},
        {SEAM_NEED_HERE, c->o->here,
         "no node is to run here (--role, --memory, --weights-memory or --ctx say so)"},
        {SEAM_NEED_NODES | SEAM_NEED_ANSWERS, c->o->n_nodes,
         "no node was named (--node HOST:PORT)"},
        {SEAM_NEED_FABRIC, c->fabric, "there is no libfabric"},
        {SEAM_NEED_ANSWERS, c->n_answers, "no node answers"},
        {SEAM_NEED_LOCK, c->lock, "no lock file was named (--lock FILE)"},
        {SEAM_NEED_CLUSTER, c->o->cluster, "no cluster file was named (--cluster FILE)"},
    };
    for (size_t i = 0; i < sizeof need / sizeof *need; i++)
        if ((needs & need[i].need) && !need[i].met)
            return need[i].reason;
    return NULL;
}

static void run_row(struct seam_check *c, const struct seam_check_row *row)
{
    const char *reason = unmet(c, row->needs);
    c->row = row;
    c->said = 0;
    if (reason)
        seam_check_say(c, SEAM_CHECK_SKIPPED, NULL, "%s", reason);
    else
        row->run(c);
    if (!c->said) /* nothing to complain about */
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%s", row->what);
}

seam_status seam_check_run(struct seam_check_report *r, const struct seam_check_opts *o,
                           struct seam_err *err)
{
    struct seam_check c = {.o = o, .r = r};
    memset(r, 0, sizeof *r);
    seam_status st = gather(&c, err);
    for (size_t i = 0; st == SEAM_OK && i < N_ROWS; i++)
        run_row(&c, &rows[i]);
    let_go(&c);
    if (st == SEAM_OK && r->failed)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for what was found");
    return st;
}

void seam_check_release(struct seam_check_report *r)
{
    free(r->finding);
    memset(r, 0, sizeof *r);
}
