/* check.c - `seam check`: is this machine, and every node it reaches, ready? The checks are src/check's. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/log.h"
#include "check/check.h"
#include "check/known.h"
#include "cmd/json.h"
#include "cmd/option.h"

#define WIDTH 110 /* of a line on the page */

struct options {
    const char *model, *cluster, *lock, *write_lock, *sums, *role;
    struct seam_option_list nodes, listen;
    uint64_t memory, weights_memory, space;
    uint32_t ctx;
    bool hash, json, verbose;
};

#define AT(field) offsetof(struct options, field)
static const struct seam_option option_rows[] = {
    {"model", 'm', SEAM_OPTION_STRING, "FILE", AT(model), "GGUF, or any split of one", NULL},
    {"node", 0, SEAM_OPTION_LIST, "HOST:PORT", AT(nodes), "a node of the pool; may be repeated",
     NULL},
    {"cluster", 'c', SEAM_OPTION_STRING, "FILE", AT(cluster),
     "the machines that there should be, by the names of their nodes (examples/desk.yaml)", NULL},
    {"lock", 0, SEAM_OPTION_STRING, "FILE", AT(lock), "compare every machine's versions with it",
     NULL},
    {"write-lock", 0, SEAM_OPTION_STRING, "FILE", AT(write_lock),
     "write the versions that are found", NULL},
    {"role", 0, SEAM_OPTION_STRING, "ROLE", AT(role),
     "of the node that shall run here (default: both, where no --node is given)",
     "sweep|decode|both"},
    {"memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(memory), "its --memory", NULL},
    {"weights-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(weights_memory), "its --weights-memory",
     NULL},
    {"ctx", 0, SEAM_OPTION_U32, "N", AT(ctx), "its --ctx", NULL},
    {"listen", 0, SEAM_OPTION_LIST, "ADDR", AT(listen),
     "an address that shall be free, or a node's; may be repeated (default 127.0.0.1:7330)", NULL},
    {"space", 0, SEAM_OPTION_SIZE, "SIZE", AT(space),
     "room wanted on the disk of the model (default 1G)", NULL},
    {"sums", 0, SEAM_OPTION_STRING, "FILE", AT(sums),
     "SHA-256 of the model's files, as sha256sum writes them; reads all of them", NULL},
    {"hash", 0, SEAM_OPTION_FLAG, NULL, AT(hash),
     "compare them with the NAME.sha256 beside each file", NULL},
    {"verbose", 'v', SEAM_OPTION_FLAG, NULL, AT(verbose),
     "why checks were skipped, and what no program can see", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json), "one JSON object on stdout instead of a page",
     NULL},
    {0},
};

static seam_status verdict(const struct seam_check_report *r)
{
    return r->worst == SEAM_CHECK_FAIL   ? SEAM_NOT_READY
           : r->worst == SEAM_CHECK_WARN ? SEAM_DEGRADED
                                         : SEAM_OK;
}

static const char *verdict_name(const struct seam_check_report *r)
{
    return verdict(r) == SEAM_OK ? "ready" : seam_status_name(verdict(r));
}

/* ---- a page for a person ---- */

static const char *colour_of(enum seam_check_result r, bool colour)
{
    static const char *const codes[] = {"\033[32m", "\033[2m", "\033[33m", "\033[31;1m"};
    return colour ? codes[r] : "";
}

static void print_finding(const struct seam_check_finding *f, int where, bool colour)
{
    static const char *const words[] = {"ok", "-", "warn", "FAIL"};
    int indent = 4 + 1 + 12 + 1 + where + 1;
    printf("%s%-4s%s %-12s %-*.*s ", colour_of(f->result, colour), words[f->result],
           colour ? "\033[0m" : "", f->id, where, where, f->where);
    seam_text_wrap(stdout, f->story, indent, indent, WIDTH);
    if (!f->mend[0])
        return;
    printf("%*s-> ", indent - 3, "");
    seam_text_wrap(stdout, f->mend, indent, indent, WIDTH);
}

static void print_advice(void)
{
    puts("\nwhat no program can see:");
    for (size_t i = 0; i < seam_known_count(); i++) {
        const struct seam_known *k = seam_known_at(i);
        char text[600];
        if (k->hits)
            continue;
        snprintf(text, sizeof text, "%s [%s]", k->mend, k->source);
        fputs("  ", stdout);
        seam_text_wrap(stdout, text, 2, 4, WIDTH);
    }
}

static const struct seam_check_finding *first_of(const struct seam_check_report *r,
                                                 enum seam_check_result result)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->finding[i].result == result)
            return &r->finding[i];
    return NULL;
}

static void print_verdict(const struct seam_check_report *r, bool colour)
{
    const size_t made = r->n - r->count[SEAM_CHECK_SKIPPED];
    const struct seam_check_finding *f = first_of(r, r->worst);
    printf("\n%s%s%s: ",
           colour_of(r->worst == SEAM_CHECK_SKIPPED ? SEAM_CHECK_OK : r->worst, colour),
           verdict(r) == SEAM_NOT_READY ? "not ready" : verdict_name(r), colour ? "\033[0m" : "");
    if (verdict(r) == SEAM_OK)
        printf("%zu of %zu findings are as they should be; next: seam node, then seam serve\n",
               made, made);
    else
        printf("%zu of %zu findings failed, %zu warn; next: %s on %s, see the line with ->\n",
               r->count[SEAM_CHECK_FAIL], made, r->count[SEAM_CHECK_WARN], f->id, f->where);
}

static void print_page(const struct seam_check_report *r, const struct options *o)
{
    bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    int where = 4;
    for (size_t i = 0; i < r->n; i++) {
        int len = (int)strlen(r->finding[i].where);
        where = len > where && len <= 22 ? len : where;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->finding[i].result != SEAM_CHECK_SKIPPED || o->verbose)
            print_finding(&r->finding[i], where, colour);
    if (r->count[SEAM_CHECK_SKIPPED] && !o->verbose) {
        printf("skipped:");
        for (size_t i = 0; i < r->n; i++)
            if (r->finding[i].result == SEAM_CHECK_SKIPPED)
                printf(" %s", r->finding[i].id);
        puts(" (--verbose says why)");
    }
    if (o->verbose)
        print_advice();
    print_verdict(r, colour);
}

/* ---- JSON ---- */

static seam_status print_json(const struct seam_check_report *r, struct seam_err *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *counts = yyjson_mut_obj(doc),
                   *list = yyjson_mut_arr(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "verdict", verdict_name(r));
    yyjson_mut_obj_add_val(doc, root, "counts", counts);
    for (int i = SEAM_CHECK_OK; i <= SEAM_CHECK_FAIL; i++)
        yyjson_mut_obj_add_uint(doc, counts, seam_check_result_name((enum seam_check_result)i),
                                r->count[i]);
    yyjson_mut_obj_add_val(doc, root, "findings", list);
    for (size_t i = 0; i < r->n; i++) {
        const struct seam_check_finding *f = &r->finding[i];
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_str(doc, row, "id", f->id);
        yyjson_mut_obj_add_str(doc, row, "what", f->what);
        yyjson_mut_obj_add_str(doc, row, "where", f->where);
        yyjson_mut_obj_add_str(doc, row, "result", seam_check_result_name(f->result));
        yyjson_mut_obj_add_str(doc, row, "story", f->story);
        yyjson_mut_obj_add_str(doc, row, "mend", f->mend);
    }
    /* Names of files may be no UTF-8. */
    return seam_json_put(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, err);
}

/* ---- the command ---- */

static seam_status check(const struct options *o, int *exit_status, struct seam_err *err)
{
    const struct seam_check_opts co = {
        .model = o->model,
        .cluster = o->cluster,
        .lock = o->lock,
        .write_lock = o->write_lock,
        .sums = o->sums,
        .nodes = o->nodes.v,
        .n_nodes = o->nodes.n,
        .listen = o->listen.v,
        .n_listen = o->listen.n,
        .role = o->role ? seam_node_role_named(o->role) : 0,
        .here = (o->model && !o->nodes.n) || o->role || o->memory || o->weights_memory || o->ctx,
        .hash = o->hash,
        .memory = o->memory,
        .weights_memory = o->weights_memory,
        .space = o->space,
        .ctx = o->ctx,
    };
    struct seam_check_report r;
    seam_status st = seam_check_run(&r, &co, err);
    if (st == SEAM_OK && o->json)
        st = print_json(&r, err);
    else if (st == SEAM_OK)
        print_page(&r, o);
    if (st == SEAM_OK)
        *exit_status = seam_status_exit(verdict(&r));
    seam_check_release(&r);
    return st;
}

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {0};
    struct seam_err err = {0};
    int n = 0, exit_status = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n, &err);
    if (st == SEAM_OK)
        st = check(&o, &exit_status, &err);
    return st == SEAM_OK ? exit_status : seam_command_fail(self, &err);
}

const struct seam_command seam_command_check = {
    .name = "check",
    .summary = "is this machine, and every node it reaches, ready?",
    .operands = "",
    .about =
        "Runs a table of checks: versions against a lock file, ggml's devices against known results, "
        "the model's files, sums, types and chat format, budget against memory, disk, ports, and for "
        "each --node whether it answers, speaks this wire version, holds this model, computes right and "
        "has the right time. Each fault comes with what to type to mend it. Ends with 0 (ready), 20 "
        "(degraded: it works, but not as it should) or 21 (not ready); a skipped check says why "
        "under --verbose. Nodes are asked, not used: it may run beside work.",
    .examples = "  seam check -m models/thimble-q8_0.gguf --role both\n"
                "  seam check -m MODEL.gguf --node studio:7330 --node spark:7330 --lock pool.lock\n"
                "  seam check --node studio:7330 --node spark:7330 --write-lock pool.lock\n"
                "  seam check -m MODEL.gguf --sums SHA256SUMS --memory 24G --role sweep --json\n",
    .options = option_rows,
    .run = run,
};
