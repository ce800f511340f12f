/* serve.c - `seam serve`: OpenAI's API in front of a pool, or of one node inside this process. */
#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/option.h"
#include "pool/node.h"
#include "pool/pool.h"
#include "serve/server.h"

struct options {
    const char *model, *model_id, *host, *thinking, *kv, *mmap;
    struct seam_option_list nodes;
    uint32_t port, threshold, timeout_s, max_connections;
    uint32_t ctx, lanes, chunk, threads;
    uint64_t memory, weights_memory;
};

#define AT(field) offsetof(struct options, field)
static const struct seam_option option_rows[] = {
    {"model", 'm', SEAM_OPTION_STRING, "FILE", AT(model),
     "GGUF, or any split of one; with --node only its headers are read", NULL},
    {"model-id", 0, SEAM_OPTION_STRING, "NAME", AT(model_id),
     "the model's name in the API (default: made from the file's)", NULL},
    {"host", 0, SEAM_OPTION_STRING, "HOST", AT(host),
     "address to listen on (default 127.0.0.1: this machine only)", NULL},
    {"port", 0, SEAM_OPTION_U32, "PORT", AT(port), "port; 0 picks a free one (default 7077)", NULL},
    {"thinking", 0, SEAM_OPTION_STRING, "WHEN", AT(thinking),
     "think when a request does not say; auto: as the model was trained (default auto)",
     "auto|on|off"},
    {"max-connections", 0, SEAM_OPTION_U32, "N", AT(max_connections),
     "clients at once (default 64)", NULL},
    {"node", 0, SEAM_OPTION_LIST, "ADDR", AT(nodes),
     "a node of the pool; may be given again (default: one node inside this process)", NULL},
    {"sweep-threshold", 0, SEAM_OPTION_U32, "N", AT(threshold),
     "with --node: new tokens from which a sweep node prefills; 0: the pool decides (default 0)",
     NULL},
    {"timeout", 0, SEAM_OPTION_U32, "SECONDS", AT(timeout_s),
     "with --node: silence of a node that counts as its death (default 10)", NULL},
    {"memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(memory),
     "without --node: most memory for everything (default: no limit)", NULL},
    {"weights-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(weights_memory),
     "without --node: share of it that weights may hold (default: all)", NULL},
    SEAM_OPTION_MMAP("without --node: ", "off", AT(mmap)),
    {"ctx", 'c', SEAM_OPTION_U32, "N", AT(ctx),
     "without --node: context in tokens (default: the model's)", NULL},
    {"lanes", 0, SEAM_OPTION_U32, "N", AT(lanes),
     "without --node: conversations kept in memory (default 2)", NULL},
    {"kv", 0, SEAM_OPTION_STRING, "TYPE", AT(kv), "without --node: KV cache type (default f16)",
     "f16|f32"},
    {"chunk", 0, SEAM_OPTION_U32, "N", AT(chunk),
     "without --node: tokens per graph in prefill (default 512)", NULL},
    {"threads", 't', SEAM_OPTION_U32, "N", AT(threads),
     "without --node: compute threads (default: the performance cores)", NULL},
    {0},
};

struct serve {
    const struct options *o;
    struct seam_model *model;
    struct seam_tokenizer *tokenizer;
    struct seam_node *node; /* NULL with --node */
    pthread_t node_thread;
    bool node_runs;
    struct seam_pool *pool;
    struct seam_server *server;
    char model_id[64];
};

/* ---- what it is called ---- */

/* "Thimble 24M Q8" -> "thimble-24m-q8": no slash and no space, which some clients cannot have in
 * the name of a model. */
static void name_model(struct serve *s)
{
    const char *name = s->o->model_id ? s->o->model_id : seam_model_name(s->model);
    size_t n = 0;
    for (const char *p = name; *p && n < sizeof s->model_id - 1; p++) {
        unsigned char c = (unsigned char)*p;
        if (s->o->model_id)
            s->model_id[n++] = (char)c;
        else if (isalnum(c) || c == '.' || c == '_')
            s->model_id[n++] = (char)tolower(c);
        else if (n && s->model_id[n - 1] != '-')
            s->model_id[n++] = '-';
    }
    s->model_id[n] = '\0';
    if (!n)
        snprintf(s->model_id, sizeof s->model_id, "seam");
}

static bool is_loopback(const char *host)
{
    struct in_addr a;
    if (inet_pton(AF_INET, host, &a) == 1)
        return (ntohl(a.s_addr) >> 24) == 127;
    return !strcmp(host, "localhost") || !strcmp(host, "::1");
}

static seam_status check_options(const struct options *o, struct seam_err *err)
{
    if (!o->model)
        return seam_fail(err, SEAM_EINVAL, "which model? (use -m FILE)");
    if (o->port > 65535)
        return seam_fail(err, SEAM_EINVAL, "--port %u: at most 65535", o->port);
    if (o->model_id && (!o->model_id[0] || strlen(o->model_id) > 63))
        return seam_fail(err, SEAM_EINVAL, "--model-id: 1 to 63 bytes");
    bool here =
        o->memory || o->weights_memory || o->ctx || o->lanes || o->chunk || o->threads || o->mmap;
    if (o->nodes.n && here)
        return seam_fail(
            err, SEAM_EINVAL,
            "--memory, --weights-memory, --mmap, --ctx, --lanes, --chunk and --threads are "
            "for a node inside this process (give them to `seam node`)");
    return SEAM_OK;
}

/* ---- the node inside ---- */

static void *run_node(void *user)
{
    struct serve *s = user;
    struct seam_err err = {0};
    if (seam_node_run(s->node, &err) != SEAM_OK)
        seam_error("node-lost %s", err.text);
    return NULL;
}

static seam_status open_node(struct serve *s, struct seam_err *err)
{
    const struct options *o = s->o;
    const struct seam_node_opts no = {
        .name = "here",
        .role = SEAM_NODE_BOTH,
        .row = "loopback",
        .listen = "serve",
        .model_file = o->model,
        .engine = {.n_ctx = o->ctx,
                   .n_lanes = o->lanes ? o->lanes : 2,
                   .kv_type = !strcmp(o->kv, "f32") ? SEAM_KV_F32 : SEAM_KV_F16,
                   .memory_bytes = o->memory,
                   .weights_bytes = o->weights_memory,
                   .mmap = seam_mmap_named(o->mmap, SEAM_MMAP_OFF),
                   .chunk = o->chunk,
                   .n_threads = (int)o->threads},
    };
    seam_status st = seam_node_open(&s->node, &no, err);
    if (st != SEAM_OK)
        return st;
    s->node_runs = pthread_create(&s->node_thread, NULL, run_node, s) == 0;
    return s->node_runs ? SEAM_OK : seam_fail(err, SEAM_EBUSY, "no thread for the node");
}

/* ---- open, wait, close ---- */

static seam_status open_pool(struct serve *s, struct seam_err *err)
{
    const struct options *o = s->o;
    struct seam_pool_opts po = {
        .row = "tcp",
        .nodes = o->nodes.v,
        .n_nodes = o->nodes.n,
        .sweep_threshold = o->threshold,
        .timeout_ns = o->timeout_s * 1000000000ull,
    };
    const char *here;
    seam_status st = seam_catalog_fingerprint(seam_model_catalog(s->model), &po.model, err);
    if (st == SEAM_OK && !o->nodes.n) {
        st = open_node(s, err);
        here = st == SEAM_OK ? seam_node_addr(s->node) : NULL;
        po.row = "loopback";
        po.nodes = &here;
        po.n_nodes = 1;
    }
    return st == SEAM_OK ? seam_pool_open(&s->pool, &po, err) : st;
}

static seam_status open_server(struct serve *s, struct seam_err *err)
{
    const struct options *o = s->o;
    const struct seam_server_opts so = {
        .host = o->host,
        .port = (uint16_t)o->port,
        .model = s->model,
        .tokenizer = s->tokenizer,
        .pool = s->pool,
        .model_id = s->model_id,
        .max_connections = o->max_connections,
        .thinking = !strcmp(o->thinking, "on")    ? SEAM_THINKING_ON
                    : !strcmp(o->thinking, "off") ? SEAM_THINKING_OFF
                                                  : SEAM_THINKING_AUTO,
    };
    return seam_server_open(&s->server, &so, err);
}

static void announce(const struct serve *s)
{
    const char *host = s->o->host;
    bool any = !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
    bool v6 = !any && strchr(host, ':');
    printf("listening http://%s%s%s:%u/v1\n", v6 ? "[" : "", any ? "127.0.0.1" : host,
           v6 ? "]" : "", seam_server_port(s->server));
    fflush(stdout);
}

static void wait_for_signal(const sigset_t *set)
{
    int sig = 0;
    while (sigwait(set, &sig) != 0)
        ;
    seam_info("signal %d: stopping (again to stop at once)", sig);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

static seam_status serve(struct serve *s, struct seam_err *err)
{
    const struct options *o = s->o;
    sigset_t set;
    sigemptyset(&set); /* blocked before any thread exists, so that all of them inherit it */
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    seam_status st = check_options(o, err);
    if (st == SEAM_OK)
        st = seam_model_open(&s->model, o->model, err);
    if (st == SEAM_OK)
        st = seam_tokenizer_open(&s->tokenizer, seam_model_catalog(s->model), err);
    if (st == SEAM_OK)
        st = open_pool(s, err);
    if (st != SEAM_OK)
        return st;
    name_model(s);
    st = open_server(s, err);
    if (st != SEAM_OK)
        return st;
    if (!is_loopback(o->host))
        seam_warn("host %s: others can reach this server, and there is no authentication yet",
                  o->host);
    announce(s);
    seam_info("model %s", s->model_id);
    wait_for_signal(&set);
    return SEAM_OK;
}

static void release(struct serve *s)
{
    seam_server_close(s->server);
    seam_pool_close(s->pool);
    if (s->node)
        seam_node_stop(s->node);
    if (s->node_runs)
        pthread_join(s->node_thread, NULL);
    seam_node_close(s->node);
    seam_tokenizer_close(s->tokenizer);
    seam_model_close(s->model);
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {.host = "127.0.0.1",
                        .port = 7077,
                        .thinking = "auto",
                        .kv = "f16",
                        .timeout_s = 10};
    struct seam_err err = {0};
    int n_operands = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    if (st != SEAM_OK)
        return seam_command_fail(self, &err);
    struct serve s = {.o = &o};
    seam_log_set_name("serve");
    st = serve(&s, &err);
    release(&s);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_serve = {
    .name = "serve",
    .summary = "OpenAI's HTTP API in front of a pool, or of one node inside this process",
    .operands = "",
    .about = "Answers /v1/chat/completions (in one piece or as a stream, with tools), /v1/models "
             "and /health. Prints `listening URL` when it is ready. Every reply says which path "
             "its prompt took, why, and how long each step lasted. docs/api.md has the details.",
    .examples = "  seam serve -m models/thimble-q8_0.gguf\n"
                "  seam serve -m big-00001-of-00014.gguf --node spark1:7330 --node studio:7330\n",
    .options = option_rows,
    .run = command,
};
