/* run.c - `seam run`: one prompt, here or through the nodes of a pool; text on stdout. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/os.h"
#include "cmd/option.h"
#include "engine/engine.h"
#include "engine/sampling.h"
#include "model/chat.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "pool/pool.h"
#include "serve/stop.h"
#include "serve/timings.h"

struct options {
    const char *model, *prompt, *file, *score, *kv, *path, *device, *decode_device, *mmap;
    struct seam_option_list stop, nodes;
    uint32_t n, ctx, chunk, threads, top_k, penalty_window;
    float temp, top_p, min_p, repetition, frequency, presence;
    uint64_t seed, memory, weights_memory;
    bool chat, special, thinking, json, ignore_eos;
};

#define AT(field) offsetof(struct options, field)
static const struct seam_option option_rows[] = {
    {"model", 'm', SEAM_OPTION_STRING, "FILE", AT(model), "GGUF, or any split of one", NULL},
    {"prompt", 'p', SEAM_OPTION_STRING, "TEXT", AT(prompt), "the prompt", NULL},
    {"file", 'f', SEAM_OPTION_STRING, "FILE", AT(file), "read the prompt from FILE (- for stdin)",
     NULL},
    {"predict", 'n', SEAM_OPTION_U32, "N", AT(n), "most tokens to generate (default 128)", NULL},
    {"chat", 0, SEAM_OPTION_FLAG, NULL, AT(chat),
     "wrap the prompt as a user message in the model's chat format", NULL},
    {"thinking", 0, SEAM_OPTION_FLAG, NULL, AT(thinking), "with --chat: let the model think first",
     NULL},
    {"special", 0, SEAM_OPTION_FLAG, NULL, AT(special),
     "names of special tokens in the prompt are those tokens", NULL},
    {"temp", 0, SEAM_OPTION_F32, "T", AT(temp), "temperature; 0 is greedy (default 1)", NULL},
    {"top-k", 0, SEAM_OPTION_U32, "K", AT(top_k), "sample from the K best; 0 is off (default 0)",
     NULL},
    {"top-p", 0, SEAM_OPTION_F32, "P", AT(top_p), "nucleus sampling; 1 is off (default 1)", NULL},
    {"min-p", 0, SEAM_OPTION_F32, "P", AT(min_p),
     "drop tokens below P times the best; 0 is off (default 0)", NULL},
    {"repeat-penalty", 0, SEAM_OPTION_F32, "R", AT(repetition), "1 is off (default 1)", NULL},
    {"frequency-penalty", 0, SEAM_OPTION_F32, "F", AT(frequency), "0 is off (default 0)", NULL},
    {"presence-penalty", 0, SEAM_OPTION_F32, "F", AT(presence), "0 is off (default 0)", NULL},
    {"penalty-window", 0, SEAM_OPTION_U32, "N", AT(penalty_window),
     "tokens the penalties look back at; 0 is all (default 0)", NULL},
    {"seed", 's', SEAM_OPTION_U64, "S", AT(seed), "of the sampler (default 0)", NULL},
    {"stop", 0, SEAM_OPTION_LIST, "TEXT", AT(stop), "stop before TEXT; may be given again", NULL},
    {"ignore-eos", 0, SEAM_OPTION_FLAG, NULL, AT(ignore_eos),
     "go on after an end token: always N tokens (measurements)", NULL},
    {"memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(memory),
     "most memory for everything; refuses what does not fit (default: no limit)", NULL},
    {"weights-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(weights_memory),
     "share of it that weights may hold; less than the model streams them (default: all)", NULL},
    SEAM_OPTION_MMAP("", "auto", AT(mmap)),
    {"ctx", 'c', SEAM_OPTION_U32, "N", AT(ctx), "context in tokens (default: the model's)", NULL},
    {"kv", 0, SEAM_OPTION_STRING, "TYPE", AT(kv), "KV cache type (default f16)", "f16|f32"},
    {"chunk", 0, SEAM_OPTION_U32, "N", AT(chunk), "tokens per graph in prefill (default 512)",
     NULL},
    {"device", 0, SEAM_OPTION_STRING, "NAME", AT(device), "who reads the prompt (default cpu)",
     "auto|cpu|cuda"},
    SEAM_OPTION_DECODE_DEVICE(AT(decode_device)),
    {"threads", 't', SEAM_OPTION_U32, "N", AT(threads),
     "compute threads (default: the performance cores)", NULL},
    {"node", 0, SEAM_OPTION_LIST, "ADDR", AT(nodes),
     "run on these nodes of a pool instead of here; may be given again", NULL},
    {"path", 0, SEAM_OPTION_STRING, "PATH", AT(path), "with --node: who prefills (default auto)",
     "auto|local|sweep"},
    {"score", 0, SEAM_OPTION_STRING, "FILE", AT(score),
     "no generation: bits per byte of the text in FILE", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json), "one JSON object on stdout instead of text",
     NULL},
    {0},
};

/* ---- Ctrl-C ---- */

static struct seam_engine *volatile interrupted_engine;
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
    struct seam_engine *e = interrupted_engine;
    if (e)
        seam_engine_cancel(e); /* one atomic store */
}

/* ---- what a run needs and finds ---- */

struct run {
    const struct options *o;
    struct seam_model *model;
    struct seam_tokenizer *tokenizer;
    struct seam_tokens prompt;
    struct seam_tokens generated;
    struct seam_buf text; /* delivered so far */
    struct seam_utf8_stream utf8;
    struct seam_stop stop;
    struct seam_stop_string stops[SEAM_OPTION_LIST_MAX];
    bool stopped;       /* a stop text was met */
    const char *finish; /* "stop", "length", "interrupted" */
    struct seam_timings t;
    struct seam_trace trace;
    struct seam_route route;
    char fallback[200];
    struct seam_engine_memory memory;
    uint64_t weights_read, weights_peak, rss;
    seam_status failed; /* inside a call-back that can only say "enough" */
    struct seam_err *err;
};

static seam_status read_all(FILE *f, char **out, size_t *len, struct seam_err *err)
{
    size_t cap = 1 << 16, n = 0;
    char *p = malloc(cap);
    while (p) {
        n += fread(p + n, 1, cap - n - 1, f);
        if (n < cap - 1)
            break;
        char *q = realloc(p, cap *= 2);
        if (!q)
            free(p);
        p = q;
    }
    if (!p)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the prompt");
    if (ferror(f)) {
        free(p);
        return seam_fail(err, SEAM_EIO, "read error");
    }
    p[n] = '\0';
    *out = p;
    *len = n;
    return SEAM_OK;
}

static seam_status read_file(const char *path, char **out, size_t *len, struct seam_err *err)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "rbe") : stdin;
    if (!f)
        return seam_fail(err, SEAM_ENOTFOUND, "open %s: no such file, or not readable", path);
    seam_status st = read_all(f, out, len, err);
    if (f != stdin)
        fclose(f);
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s", path);
}

/* The prompt as one user message, through the same renderer as the server's. */
static seam_status render_chat(struct run *r, const char *text, size_t len, struct seam_err *err)
{
    const struct seam_chat_format *format;
    seam_status st = seam_chat_format_find(&format, r->tokenizer, err);
    if (st != SEAM_OK)
        return st;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *messages = doc ? yyjson_mut_arr(doc) : NULL;
    yyjson_mut_val *m = doc ? yyjson_mut_arr_add_obj(doc, messages) : NULL;
    yyjson_doc *fixed = NULL;
    if (m && yyjson_mut_obj_add_str(doc, m, "role", "user") &&
        yyjson_mut_obj_add_strn(doc, m, "content", text, len)) {
        yyjson_mut_doc_set_root(doc, messages);
        fixed = yyjson_mut_doc_imut_copy(doc, NULL);
    }
    char today[SEAM_CHAT_DAY];
    seam_chat_today(today);
    struct seam_chat_opts opts = {.thinking = r->o->thinking, .today = today};
    st = fixed ? seam_chat_render(format, r->tokenizer, yyjson_doc_get_root(fixed), NULL, &opts,
                                  &r->prompt, err)
               : seam_fail(err, SEAM_ENOMEM, "no memory for the message");
    yyjson_doc_free(fixed);
    yyjson_mut_doc_free(doc);
    return st;
}

static seam_status make_prompt(struct run *r, struct seam_err *err)
{
    const struct options *o = r->o;
    char *from_file = NULL;
    const char *text = o->prompt;
    size_t len = text ? strlen(text) : 0;
    seam_status st = SEAM_OK;
    if (o->file)
        st = read_file(o->file, &from_file, &len, err);
    if (from_file)
        text = from_file;
    int32_t bos = seam_tokenizer_bos(r->tokenizer);
    if (st == SEAM_OK && bos >= 0 && !o->chat)
        st = seam_tokens_push(&r->prompt, bos, err);
    if (st == SEAM_OK)
        st = o->chat      ? render_chat(r, text, len, err)
             : o->special ? seam_tokenizer_encode_special(r->tokenizer, text, len, &r->prompt, err)
                          : seam_tokenizer_encode(r->tokenizer, text, len, &r->prompt, err);
    free(from_file);
    if (st == SEAM_OK && r->prompt.n == 0)
        st = seam_fail(err, SEAM_EINVAL, "the prompt is empty");
    return st;
}

/* ---- output ---- */

/* Text that is certain not to belong to a stop text. */
static void deliver(void *user, const char *text, size_t len)
{
    struct run *r = user;
    seam_buf_append(&r->text, text, len);
    if (!r->o->json) {
        fwrite(text, 1, len, stdout);
        fflush(stdout);
    }
}

/* Whole characters of one token's bytes (none: the end, what is left) through the stop texts.
 * True: a stop text was met. */
static bool feed(struct run *r, const char *bytes, size_t len, struct seam_err *err)
{
    char *whole = malloc(3 * (len + 4));
    if (!whole) {
        r->failed = seam_fail(err, SEAM_ENOMEM, "no memory for the answer");
        return false;
    }
    size_t n = seam_utf8_stream_feed(&r->utf8, bytes, len, whole);
    bool met = seam_stop_feed(&r->stop, whole, n, deliver, r);
    free(whole);
    if (r->text.failed || r->stop.held.failed)
        r->failed = seam_fail(err, SEAM_ENOMEM, "no memory for the answer");
    return met;
}

/* One token arrived; false: enough. */
static bool take_token(void *user, int32_t token)
{
    struct run *r = user;
    struct seam_str bytes = seam_tokenizer_bytes(r->tokenizer, token);
    r->failed = seam_tokens_push(&r->generated, token, r->err);
    if (r->failed == SEAM_OK && bytes.len && feed(r, bytes.p, bytes.len, r->err)) {
        r->stopped = true;
        r->finish = "stop";
    }
    return r->failed == SEAM_OK && !r->stopped;
}

/* ---- running here ---- */

static struct seam_sampling sampling_of(const struct options *o)
{
    struct seam_sampling s = seam_sampling_default();
    s.temperature = o->temp;
    s.top_k = o->top_k;
    s.top_p = o->top_p;
    s.min_p = o->min_p;
    s.repetition_penalty = o->repetition;
    s.frequency_penalty = o->frequency;
    s.presence_penalty = o->presence;
    s.penalty_window = o->penalty_window;
    s.seed = o->seed;
    return s;
}

static bool ends(const struct run *r, int32_t token)
{
    return !r->o->ignore_eos && seam_tokenizer_is_stop(r->tokenizer, token);
}

static seam_status decode_here(struct run *r, struct seam_engine *e, struct seam_sampler *s,
                               float *logits, struct seam_err *err)
{
    int32_t token = r->prompt.ids[r->prompt.n - 1];
    uint64_t begin = seam_mono_ns();
    r->finish = "length";
    for (uint32_t i = 0; i < r->o->n; i++) {
        if (seam_engine_kv_len(e, 0) == seam_engine_ctx(e))
            break; /* as long as the context allows: finish "length" */
        seam_status st = seam_engine_step(e, 0, token, logits, err);
        if (st == SEAM_OK)
            st = seam_sampler_next(s, logits, &token, err);
        if (st != SEAM_OK)
            return st;
        if (i == 0)
            r->t.first_token = seam_mono_ns() - begin + r->t.compute;
        if (ends(r, token)) {
            r->finish = "stop";
            break;
        }
        if (!take_token(r, token))
            break;
    }
    r->t.decode = seam_mono_ns() - begin;
    return r->failed;
}

/* A line on a terminal while a long prompt is swept. */
struct progress {
    uint64_t begin_ns, shown_ns;
    uint32_t n_layer, n_tokens;
    bool terminal;
};

static void on_progress(void *user, uint32_t layer, uint32_t tokens_done)
{
    struct progress *p = user;
    uint64_t now = seam_mono_ns();
    if (!p->terminal || now - p->shown_ns < SEAM_NS_PER_S / 4)
        return;
    p->shown_ns = now;
    double done = ((double)layer + (double)tokens_done / p->n_tokens) / p->n_layer;
    double spent = (double)(now - p->begin_ns) / 1e9;
    if (done > 0.01)
        fprintf(stderr, "\rprefill %3.0f%%  layer %u of %u  %.0f s left ", 100 * done, layer + 1,
                p->n_layer, spent / done - spent);
}

static void note_engine(struct run *r, const struct seam_engine *e)
{
    r->memory = *seam_engine_memory(e);
    r->weights_read = seam_engine_weights_read(e);
    r->weights_peak = seam_engine_weights_held_peak(e);
    r->rss = seam_os_rss_bytes();
}

static seam_status generate_here(struct run *r, struct seam_engine *e, struct seam_err *err)
{
    uint32_t n_layer = seam_model_hparams(r->model)->n_layer;
    uint32_t n_vocab = seam_model_hparams(r->model)->n_vocab;
    struct seam_sampling sampling = sampling_of(r->o);
    struct progress progress = {seam_mono_ns(), 0, n_layer, (uint32_t)r->prompt.n,
                                isatty(STDERR_FILENO) != 0};
    struct seam_prefill_hooks hooks = {.user = &progress, .progress = on_progress};
    struct seam_sampler *s = NULL;
    float *logits = malloc(n_vocab * sizeof *logits);
    seam_status st = logits ? seam_sampler_open(&s, &sampling, n_vocab, err)
                            : seam_fail(err, SEAM_ENOMEM, "no memory for logits");
    if (st == SEAM_OK)
        st = seam_trace_init(&r->trace, n_layer, err);
    if (st == SEAM_OK)
        st = seam_engine_prefill(e, 0, r->prompt.ids, (uint32_t)r->prompt.n - 1, &hooks, &r->trace,
                                 err);
    r->t.compute = seam_mono_ns() - progress.begin_ns;
    if (progress.shown_ns)
        fprintf(stderr, "\r%60s\r", "");
    for (uint32_t i = 0; st == SEAM_OK && i < n_layer; i++)
        r->t.load += r->trace.layers[i].wait_ns;
    if (st == SEAM_OK)
        st = decode_here(r, e, s, logits, err);
    seam_sampler_close(s);
    free(logits);
    return st;
}

/* ---- scoring ---- */

#define SCORE_WINDOW 1024u

/* Sum of -ln p(token | tokens before it in its window), each window from an empty context. */
static seam_status score_tokens(struct run *r, struct seam_engine *e, double *nats,
                                struct seam_err *err)
{
    uint32_t n_vocab = seam_model_hparams(r->model)->n_vocab;
    float *logits = malloc(n_vocab * sizeof *logits);
    seam_status st = logits ? SEAM_OK : seam_fail(err, SEAM_ENOMEM, "no memory for logits");
    for (size_t i = 0; st == SEAM_OK && i + 1 < r->prompt.n; i++) {
        if (i % SCORE_WINDOW == 0)
            seam_engine_kv_set_len(e, 0, 0);
        st = seam_engine_step(e, 0, r->prompt.ids[i], logits, err);
        if (st != SEAM_OK)
            break;
        double max = -INFINITY, sum = 0;
        for (uint32_t v = 0; v < n_vocab; v++)
            max = (double)logits[v] > max ? (double)logits[v] : max;
        for (uint32_t v = 0; v < n_vocab; v++)
            sum += exp((double)logits[v] - max);
        *nats += log(sum) + max - (double)logits[r->prompt.ids[i + 1]];
    }
    free(logits);
    return st;
}

static seam_status score(struct run *r, struct seam_engine *e, struct seam_err *err)
{
    char *text;
    size_t len;
    double nats = 0;
    seam_status st = read_file(r->o->score, &text, &len, err);
    if (st != SEAM_OK)
        return st;
    st = seam_tokenizer_encode(r->tokenizer, text, len, &r->prompt, err);
    free(text);
    if (st == SEAM_OK && r->prompt.n < 2)
        st = seam_fail(err, SEAM_EINVAL, "%s: too short to score", r->o->score);
    if (st == SEAM_OK)
        st = score_tokens(r, e, &nats, err);
    if (st == SEAM_OK) {
        /* the first token is given, not predicted: its bytes do not count */
        len -= seam_tokenizer_bytes(r->tokenizer, r->prompt.ids[0]).len;
        printf(r->o->json ? "{\"bits_per_byte\": %.4f, \"tokens\": %zu, \"bytes\": %zu}\n"
                          : "bits_per_byte %.4f tokens %zu bytes %zu\n",
               nats / log(2) / (double)len, r->prompt.n - 1, len);
    }
    return st;
}

static seam_status run_here(struct run *r, struct seam_err *err)
{
    const struct options *o = r->o;
    struct seam_engine_opts eo = {
        .n_ctx = o->score && !o->ctx ? SCORE_WINDOW : o->ctx,
        .n_lanes = 1,
        .kv_type = !strcmp(o->kv, "f32") ? SEAM_KV_F32 : SEAM_KV_F16,
        .memory_bytes = o->memory,
        .weights_bytes = o->weights_memory,
        .mmap = seam_mmap_named(o->mmap, SEAM_MMAP_AUTO),
        .device = o->device,
        .decode_device = o->decode_device,
        .chunk = o->chunk,
        .n_threads = (int)o->threads,
    };
    struct seam_engine *e;
    seam_status st = seam_engine_open(&e, r->model, &eo, err);
    if (st != SEAM_OK)
        return st;
    if (r->prompt.n + 1 > seam_engine_ctx(e))
        st = seam_fail(err, SEAM_ECONTEXT,
                       "the prompt has %zu tokens, the context %u (use a larger --ctx, at most %u)",
                       r->prompt.n, seam_engine_ctx(e), seam_model_hparams(r->model)->n_ctx_train);
    interrupted_engine = e;
    if (st == SEAM_OK)
        st = o->score ? score(r, e, err) : generate_here(r, e, err);
    interrupted_engine = NULL;
    note_engine(r, e);
    seam_engine_close(e);
    return st;
}

/* ---- running on a pool ---- */

static bool poll_interrupt(void *user)
{
    (void)user;
    return interrupted != 0;
}

static void note_route(void *user, const struct seam_route *route)
{
    struct run *r = user;
    seam_info("%s", route->why);
    r->route = *route;
}

static seam_status stop_ids(const struct run *r, struct seam_tokens *out, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    uint32_t n = seam_tokenizer_size(r->tokenizer);
    for (uint32_t i = 0; st == SEAM_OK && i < n; i++)
        if (ends(r, (int32_t)i))
            st = seam_tokens_push(out, (int32_t)i, err);
    return st;
}

static seam_status generate_there(struct run *r, struct seam_pool *pool, struct seam_err *err)
{
    static const char *const finishes[] = {[SEAM_FINISH_STOP] = "stop",
                                           [SEAM_FINISH_LENGTH] = "length",
                                           [SEAM_FINISH_CALLER] = "stop"};
    struct seam_tokens stops = {0};
    struct seam_generated out = {0};
    seam_status st = stop_ids(r, &stops, err);
    struct seam_generate g = {
        .tokens = r->prompt.ids,
        .n_tokens = (uint32_t)r->prompt.n,
        .max_tokens = r->o->n,
        .sampling = sampling_of(r->o),
        .path = !strcmp(r->o->path, "sweep")   ? SEAM_PATH_SWEEP
                : !strcmp(r->o->path, "local") ? SEAM_PATH_LOCAL
                                               : SEAM_PATH_AUTO,
        .stop_ids = stops.ids,
        .n_stop_ids = (uint32_t)stops.n,
        .user = r,
        .on_route = note_route,
        .on_token = take_token,
        .canceled = poll_interrupt,
    };
    if (st == SEAM_OK)
        st = seam_pool_generate(pool, &g, &out, err);
    if (st == SEAM_OK) {
        r->finish = finishes[out.finish];
        r->t = out.t;
        r->trace = out.trace;
        snprintf(r->fallback, sizeof r->fallback, "%s", out.fallback);
        st = r->failed;
    }
    seam_tokens_clear(&stops);
    return st;
}

static seam_status run_there(struct run *r, struct seam_err *err)
{
    struct seam_pool_opts po = {.row = "tcp", .nodes = r->o->nodes.v, .n_nodes = r->o->nodes.n};
    struct seam_pool *pool;
    seam_status st = seam_catalog_fingerprint(seam_model_catalog(r->model), &po.model, err);
    if (st == SEAM_OK)
        st = seam_pool_open(&pool, &po, err);
    if (st != SEAM_OK)
        return st;
    st = generate_there(r, pool, err);
    seam_pool_close(pool);
    return st;
}

/* ---- the reports ---- */

static void add_memory(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct run *r)
{
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, root, "memory");
    yyjson_mut_obj_add_bool(doc, v, "streamed", r->memory.streamed);
    yyjson_mut_obj_add_bool(doc, v, "mapped", r->memory.mapped);
    yyjson_mut_obj_add_uint(doc, v, "weights_budget", r->memory.weights_budget);
    yyjson_mut_obj_add_uint(doc, v, "weights_model", r->memory.weights_model);
    yyjson_mut_obj_add_uint(doc, v, "weights_smallest", r->memory.weights_smallest);
    yyjson_mut_obj_add_uint(doc, v, "weights_peak", r->weights_peak);
    yyjson_mut_obj_add_uint(doc, v, "weights_read", r->weights_read);
    yyjson_mut_obj_add_uint(doc, v, "kv", r->memory.kv);
    yyjson_mut_obj_add_uint(doc, v, "activations", r->memory.activations);
    yyjson_mut_obj_add_uint(doc, v, "compute", r->memory.compute);
    yyjson_mut_obj_add_uint(doc, v, "total", r->memory.total);
    yyjson_mut_obj_add_uint(doc, v, "rss", r->rss);
}

static seam_status report_json(struct run *r, struct seam_err *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the report");
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "model", seam_model_name(r->model));
    yyjson_mut_obj_add_strn(doc, root, "text", r->text.p ? r->text.p : "", r->text.n);
    yyjson_mut_obj_add_str(doc, root, "finish", r->finish);
    yyjson_mut_obj_add_uint(doc, root, "prompt_tokens", r->prompt.n);
    yyjson_mut_obj_add_val(doc, root, "tokens",
                           yyjson_mut_arr_with_sint32(doc, r->generated.ids, r->generated.n));
    if (r->o->nodes.n) {
        yyjson_mut_obj_add_str(doc, root, "path",
                               r->route.path == SEAM_PATH_SWEEP ? "sweep" : "local");
        yyjson_mut_obj_add_str(doc, root, "why", r->route.why);
        yyjson_mut_obj_add_uint(doc, root, "cached_tokens", r->route.n_cached);
        yyjson_mut_obj_add_str(doc, root, "fallback", r->fallback);
    } else {
        add_memory(doc, root, r);
    }
    seam_json_timings(doc, root, &r->t);
    seam_json_layers(doc, root, &r->trace);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    if (!text)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the report");
    puts(text);
    free(text);
    return SEAM_OK;
}

static double per_second(size_t n, uint64_t ns)
{
    return ns ? (double)n * 1e9 / (double)ns : 0;
}

static void report_text(const struct run *r)
{
    if (!r->text.n || r->text.p[r->text.n - 1] != '\n')
        putchar('\n');
    seam_info("prefill %zu tokens in %.2f s (%.0f/s), decode %zu tokens in %.2f s (%.1f/s), "
              "finish %s",
              r->prompt.n, (double)r->t.compute / 1e9, per_second(r->prompt.n, r->t.compute),
              r->generated.n, (double)r->t.decode / 1e9, per_second(r->generated.n, r->t.decode),
              r->finish);
}

static seam_status report(struct run *r, struct seam_err *err)
{
    if (!r->stopped) {
        feed(r, "", 0, err); /* an unfinished character at the very end */
        seam_stop_flush(&r->stop, deliver, r);
    }
    if (r->failed != SEAM_OK)
        return r->failed;
    if (r->o->json)
        return report_json(r, err);
    report_text(r);
    return SEAM_OK;
}

/* ---- the command ---- */

static seam_status check_options(const struct options *o, struct seam_err *err)
{
    int prompts = (o->prompt != NULL) + (o->file != NULL) + (o->score != NULL);
    if (!o->model)
        return seam_fail(err, SEAM_EINVAL, "which model? (use -m FILE)");
    if (prompts != 1)
        return seam_fail(err, SEAM_EINVAL, "give one of -p TEXT, -f FILE and --score FILE");
    if (o->score && o->nodes.n)
        return seam_fail(err, SEAM_EINVAL, "--score runs here, not on --node");
    struct seam_sampling s = sampling_of(o);
    return seam_sampling_check(&s, err);
}

static void set_stops(struct run *r)
{
    for (size_t i = 0; i < r->o->stop.n; i++)
        if (r->o->stop.v[i][0])
            r->stops[r->stop.n_stops++] =
                (struct seam_stop_string){r->o->stop.v[i], strlen(r->o->stop.v[i])};
    r->stop.stops = r->stops;
}

static seam_status run_all(struct run *r, struct seam_err *err)
{
    const struct options *o = r->o;
    set_stops(r);
    seam_status st = check_options(o, err);
    if (st == SEAM_OK)
        st = seam_model_open(&r->model, o->model, err);
    if (st == SEAM_OK)
        st = seam_tokenizer_open(&r->tokenizer, seam_model_catalog(r->model), err);
    if (st == SEAM_OK && !o->score)
        st = make_prompt(r, err);
    if (st == SEAM_OK)
        st = o->nodes.n ? run_there(r, err) : run_here(r, err);
    if (o->score)
        return st;
    if (st == SEAM_OK || (st == SEAM_ECANCELED && r->generated.n)) {
        if (st != SEAM_OK)
            r->finish = "interrupted";
        seam_status written = report(r, err);
        st = st == SEAM_OK ? written : st;
    }
    return st;
}

static void release(struct run *r)
{
    seam_tokens_clear(&r->prompt);
    seam_tokens_clear(&r->generated);
    seam_trace_release(&r->trace);
    seam_buf_release(&r->text);
    seam_stop_release(&r->stop);
    seam_tokenizer_close(r->tokenizer);
    seam_model_close(r->model);
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {.n = 128,
                        .temp = 1,
                        .top_p = 1,
                        .repetition = 1,
                        .kv = "f16",
                        .device = "cpu",
                        .decode_device = "auto",
                        .path = "auto"};
    struct seam_err err = {0};
    int n_operands = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    if (st == SEAM_ECANCELED)
        return 0;
    if (st == SEAM_OK && n_operands)
        st = seam_fail(&err, SEAM_EINVAL, "unexpected '%s' (the prompt goes with -p)", argv[0]);
    struct run r = {.o = &o, .err = &err, .finish = "stop"};
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    if (st == SEAM_OK)
        st = run_all(&r, &err);
    release(&r);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_run = {
    .name = "run",
    .summary = "one prompt, here or through the nodes of a pool; text on stdout",
    .operands = "",
    .about = "Loads a model, or streams it when its weights exceed --weights-memory, prefills the "
             "prompt layer by layer and generates. The same seed gives the same tokens whether "
             "the weights are resident, streamed or on other nodes.",
    .examples = "  seam run -m models/thimble-q8_0.gguf --chat -p 'Who are you?' --temp 0\n"
                "  seam run -m models/thimble-q8_0.gguf -f notes.txt -n 64 --weights-memory 12M\n"
                "  seam run -m big-00001-of-00014.gguf -p Hello --node spark1:7330 --node "
                "studio:7330\n",
    .options = option_rows,
    .run = command,
};
