/* node.c - `seam node`: this machine's daemon. One ready line on stdout, everything else on stderr. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/log.h"
#include "base/size.h"
#include "cmd/option.h"
#include "pool/node.h"

struct options {
    const char *model, *role, *listen, *name, *kv, *device, *decode_device, *mmap;
    uint64_t memory, weights_memory, device_memory;
    uint32_t ctx, lanes, threads, chunk;
    bool json;
};

#define AT(field) offsetof(struct options, field)
static const struct seam_option option_rows[] = {
    {"model", 'm', SEAM_OPTION_STRING, "FILE", AT(model), "GGUF, or any split of one", NULL},
    {"role", 0, SEAM_OPTION_STRING, "ROLE", AT(role),
     "sweep (long prompts), decode, or both (default both)", "sweep|decode|both"},
    {"listen", 0, SEAM_OPTION_STRING, "ADDR", AT(listen),
     "host:port to listen at; port 0 picks one (default 127.0.0.1:7330)", NULL},
    {"name", 0, SEAM_OPTION_STRING, "NAME", AT(name),
     "what to call this node (default: the machine's name)", NULL},
    {"memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(memory),
     "all that this node may allocate (default: no limit)", NULL},
    {"weights-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(weights_memory),
     "most weights held at once; less than the model streams it (default: what --memory allows)",
     NULL},
    SEAM_OPTION_MMAP("", "off", AT(mmap)),
    {"ctx", 0, SEAM_OPTION_U32, "N", AT(ctx),
     "tokens per lane (default: what the model was trained for)", NULL},
    {"lanes", 0, SEAM_OPTION_U32, "N", AT(lanes),
     "prompts whose KV is kept at once (default 1 for a sweep node, else 2)", NULL},
    {"kv", 0, SEAM_OPTION_STRING, "TYPE", AT(kv), "type of KV values (default f16)", "f16|f32"},
    {"device", 0, SEAM_OPTION_STRING, "NAME", AT(device),
     "who sweeps; auto: a GPU, where there is one, for the role sweep (default auto)",
     "auto|cpu|cuda"},
    SEAM_OPTION_DECODE_DEVICE(AT(decode_device)),
    {"device-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(device_memory),
     "most of a GPU's own memory (default: what is free there)", NULL},
    {"threads", 0, SEAM_OPTION_U32, "N", AT(threads),
     "compute threads (default: performance cores)", NULL},
    {"chunk", 0, SEAM_OPTION_U32, "N", AT(chunk), "tokens per graph in prefill (default 512)",
     NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json), "the ready line as one JSON object", NULL},
    {0},
};

/* Signals are taken by a thread of their own, which may do what a handler must not. */
static void *wait_for_signal(void *user)
{
    sigset_t set;
    int which = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1); /* the node ended by itself */
    sigwait(&set, &which);
    if (which != SIGUSR1)
        seam_info("stopping");
    seam_node_stop(user);
    return NULL;
}

static bool is_local(const char *addr)
{
    return !strncmp(addr, "127.", 4) || !strncmp(addr, "localhost:", 10) ||
           !strncmp(addr, "[::1]:", 6);
}

static seam_status say_ready_json(const struct seam_node *n, const struct seam_node_opts *o,
                                  struct seam_err *err)
{
    const struct seam_engine *e = seam_node_engine(n);
    const struct seam_engine_memory *m = seam_engine_memory(e);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the ready line");
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "ready", seam_node_addr(n));
    yyjson_mut_obj_add_str(doc, root, "role", seam_node_role_name(o->role));
    yyjson_mut_obj_add_str(doc, root, "model", seam_model_name(seam_engine_model(e)));
    yyjson_mut_obj_add_str(doc, root, "kv_layout", seam_engine_kv_layout(e));
    yyjson_mut_obj_add_str(doc, root, "device", seam_engine_device(e));
    yyjson_mut_obj_add_uint(doc, root, "ctx", seam_engine_ctx(e));
    yyjson_mut_obj_add_uint(doc, root, "lanes", seam_engine_lanes(e));
    yyjson_mut_obj_add_bool(doc, root, "streamed", m->streamed);
    yyjson_mut_obj_add_bool(doc, root, "mapped", m->mapped);
    yyjson_mut_obj_add_uint(doc, root, "weights_model", m->weights_model);
    yyjson_mut_obj_add_uint(doc, root, "weights_budget", m->weights_budget);
    yyjson_mut_obj_add_uint(doc, root, "memory_total", m->total);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    if (!text)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the ready line");
    puts(text);
    free(text);
    fflush(stdout);
    return SEAM_OK;
}

static seam_status say_ready(const struct seam_node *n, const struct seam_node_opts *o, bool json,
                             struct seam_err *err)
{
    const struct seam_engine *e = seam_node_engine(n);
    if (!is_local(seam_node_addr(n)))
        seam_warn("listening at %s: links are neither authenticated nor encrypted yet: keep this "
                  "to a network of your own",
                  seam_node_addr(n));
    if (json)
        return say_ready_json(n, o, err);
    printf("ready %s role %s model %s ctx %u lanes %u kv %s weights %s\n", seam_node_addr(n),
           seam_node_role_name(o->role), seam_model_name(seam_engine_model(e)), seam_engine_ctx(e),
           seam_engine_lanes(e), seam_engine_kv_layout(e),
           seam_engine_residency(seam_engine_memory(e)));
    fflush(stdout);
    return SEAM_OK;
}

static seam_status serve(struct seam_node *n, struct seam_err *err)
{
    pthread_t waiter;
    if (pthread_create(&waiter, NULL, wait_for_signal, n) != 0)
        return seam_fail(err, SEAM_EBUSY, "no thread is left to wait for signals");
    seam_status st = seam_node_run(n, err);
    pthread_kill(waiter, SIGUSR1); /* pending for it when it has not begun to wait */
    pthread_join(waiter, NULL);
    return st;
}

/* Before any thread starts, so that all of them inherit it. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static seam_status run_node(const struct options *o, struct seam_err *err)
{
    struct seam_node_opts no = {
        .name = o->name,
        .row = "tcp",
        .listen = o->listen,
        .model_file = o->model,
        .role = seam_node_role_named(o->role),
        .engine = {.n_ctx = o->ctx,
                   .n_lanes = o->lanes,
                   .kv_type = strcmp(o->kv, "f32") ? SEAM_KV_F16 : SEAM_KV_F32,
                   .memory_bytes = o->memory,
                   .weights_bytes = o->weights_memory,
                   .mmap = seam_mmap_named(o->mmap, SEAM_MMAP_OFF),
                   .device = o->device,
                   .decode_device = o->decode_device,
                   .device_memory_bytes = o->device_memory,
                   .chunk = o->chunk,
                   .n_threads = (int)o->threads},
    };
    struct seam_node *n;
    if (!o->model)
        return seam_fail(err, SEAM_EINVAL, "which model? (use -m FILE)");
    if (!no.engine.n_lanes)
        no.engine.n_lanes = seam_node_lanes(no.role);
    block_signals();
    seam_status st = seam_node_open(&n, &no, err);
    if (st != SEAM_OK)
        return st;
    st = say_ready(n, &no, o->json, err);
    if (st == SEAM_OK)
        st = serve(n, err);
    seam_node_close(n);
    return st;
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {.role = "both",
                        .listen = "127.0.0.1:7330",
                        .kv = "f16",
                        .device = "auto",
                        .decode_device = "auto"};
    struct seam_err err = {0};
    int n_operands = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    if (st == SEAM_OK) {
        char name[64];
        snprintf(name, sizeof name, "node %.50s", o.name ? o.name : o.role);
        seam_log_set_name(name);
        st = run_node(&o, &err);
    }
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_node = {
    .name = "node",
    .summary = "this machine's daemon: sweeps long prompts, decodes, or both",
    .operands = "",
    .about =
        "Holds a model, resident or streamed from disk under --weights-memory, and serves a pool "
        "(seam serve --node, seam run --node). A sweep node computes the KV of long prompts layer by "
        "layer and hands it over while the next layer computes; a decode node takes it and "
        "generates. Prints one line on stdout when it is ready; ends with status 0 on SIGINT "
        "or SIGTERM.",
    .examples = "  seam node -m models/thimble-q8_0.gguf --role decode --listen 127.0.0.1:7330\n"
                "  seam node -m models/thimble-q8_0.gguf --role sweep --listen 127.0.0.1:7331 "
                "--weights-memory 12M\n",
    .options = option_rows,
    .run = command,
};
