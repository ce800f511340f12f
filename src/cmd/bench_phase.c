#include "cmd/bench_phase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "engine/measure.h"
#include "model/footprint.h"
#include "plan/journal.h"
#include "plan/layout.h"
#include "pool/pool.h"

#define CELLS  32u
#define WAYS   2u
#define NODES  8u
#define LENGTH (1u << 24)

static const char *const phases[] = {"solo", "apple", "full"};
enum phase { SOLO, APPLE, FULL };

struct forecast { /* of one cell in one layout */
    bool known;
    double ttft[SEAM_CASES], rate[SEAM_CASES]; /* seconds, tokens/s */
};
struct samples {
    double ttft[SEAM_STATS_MAX], rate[SEAM_STATS_MAX];
    struct forecast forecast;
};
struct cell { /* one prompt: so many new tokens after so many cached ones */
    uint32_t prompt, depth;
    size_t n;
    struct samples way[WAYS];
};
struct way { /* a layout that is measured */
    char name[160];
    enum seam_path path;
    bool planned; /* the planner knows its machines */
    struct seam_layout layout;
};

struct bench {
    const struct seam_bench_options *o;
    enum phase phase;
    struct seam_model *model;
    struct seam_inventory *inv;
    struct seam_shape *shape;
    struct seam_journal *journal;
    struct seam_engine *engine; /* solo */
    struct seam_measure *measure;
    struct seam_pool *pool; /* otherwise */
    struct way way[WAYS];
    size_t n_way;
    struct cell cell[CELLS];
    size_t n_cell;
    uint32_t output;
    int32_t *tokens; /* of the request under way */
    uint64_t seed;
};

/* ---- what was asked ---- */

static seam_status numbers(const char *name, const char *text, uint32_t *v, size_t *n,
                           struct seam_err *err)
{
    const char *at = text;
    for (*n = 0; *n < CELLS; at++) {
        char *end;
        unsigned long x = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : LENGTH + 1;
        if (x > LENGTH || (*end != ',' && *end))
            break;
        v[(*n)++] = (uint32_t)x;
        at = end;
        if (!*end)
            return SEAM_OK;
    }
    return seam_fail(err, SEAM_EINVAL, "--%s '%s' is no list of at most %u lengths (like 512,2048)",
                     name, text, CELLS);
}

static seam_status make_cells(struct bench *b, struct seam_err *err)
{
    uint32_t p[CELLS], d[CELLS], g[CELLS];
    size_t n_p, n_d, n_g;
    seam_status st = numbers("prompt", b->o->prompts, p, &n_p, err);
    if (st == SEAM_OK)
        st = numbers("depth", b->o->depths, d, &n_d, err);
    if (st == SEAM_OK)
        st = numbers("gen", b->o->gens, g, &n_g, err);
    if (st == SEAM_OK && (n_g != 1 || g[0] < 2))
        st = seam_fail(err, SEAM_EINVAL, "--phase takes one --gen, of at least 2 tokens");
    if (st == SEAM_OK && n_p * n_d > CELLS)
        st = seam_fail(err, SEAM_EINVAL, "these are %zu prompts at depths, at most %u fit a table",
                       n_p * n_d, CELLS);
    for (size_t k = 0; st == SEAM_OK && k < n_d; k++)
        for (size_t i = 0; st == SEAM_OK && i < n_p; i++) {
            if (p[i] < 2)
                st = seam_fail(err, SEAM_EINVAL, "--prompt %u: at least 2 tokens", p[i]);
            b->cell[b->n_cell++] = (struct cell){.prompt = p[i], .depth = d[k]};
        }
    b->output = st == SEAM_OK ? g[0] : 0;
    return st;
}

static uint32_t context(const struct bench *b)
{
    uint32_t most = 0;
    for (size_t i = 0; i < b->n_cell; i++)
        if (b->cell[i].depth + b->cell[i].prompt + b->output > most)
            most = b->cell[i].depth + b->cell[i].prompt + b->output;
    return most;
}

static seam_status check(struct bench *b, struct seam_err *err)
{
    const struct seam_bench_options *o = b->o;
    while (strcmp(phases[b->phase], o->phase) != 0) /* one of them: the option's choices */
        b->phase++;
    if (!o->model)
        return seam_fail(err, SEAM_EINVAL, "which model? (use -m FILE)");
    if (o->repeats < 1 || o->repeats > SEAM_STATS_MAX)
        return seam_fail(err, SEAM_EINVAL, "--repeat %u: from 1 to %u", o->repeats, SEAM_STATS_MAX);
    if (o->against || o->limit || o->load)
        return seam_fail(err, SEAM_EINVAL, "--phase goes without --against, --limit and --load");
    if (b->phase == SOLO && o->nodes.n)
        return seam_fail(err, SEAM_EINVAL, "--phase solo is this machine: no --node");
    if (b->phase != SOLO && (!o->nodes.n || o->as))
        return seam_fail(err, SEAM_EINVAL, "--phase %s: %s", o->phase,
                         o->as ? "--as is for solo" : "which nodes? (--node HOST:PORT)");
    return make_cells(b, err);
}

/* ---- layouts, and what the planner says of them ---- */

static int node_index(const struct seam_inventory *v, const char *name)
{
    for (uint32_t i = 0; i < v->n_node; i++)
        if (!strcmp(v->node[i].name, name))
            return (int)i;
    return -1;
}

static struct seam_layout one_stage(const struct bench *b, int node)
{
    return (struct seam_layout){.n_stage = 1,
                                .stage = {(uint32_t)node},
                                .first = {0, b->shape->hp.n_layer}};
}

/* Which node of the cluster is this machine? */
static seam_status this_machine(struct bench *b, struct seam_err *err)
{
    const char *name = b->o->as ? b->o->as : seam_os_machine_name();
    int node = node_index(b->inv, name);
    if (node < 0 && !b->o->as && b->inv->n_node == 1)
        node = 0;
    if (node < 0)
        return seam_fail(err, SEAM_EINVAL,
                         "no node '%s' in %s (say with --as which of them this is)", name,
                         b->o->cluster);
    struct way *w = &b->way[b->n_way++];
    snprintf(w->name, sizeof w->name, "%s", b->inv->node[node].name);
    w->planned = true;
    w->layout = one_stage(b, node);
    return SEAM_OK;
}

static void add_way(struct bench *b, const struct seam_pool_node_info *decode,
                    const struct seam_pool_node_info *sweep)
{
    struct way *w = &b->way[b->n_way++];
    int d = b->inv->n_node ? node_index(b->inv, decode->name) : -1,
        s = sweep && b->inv->n_node ? node_index(b->inv, sweep->name) : -1;
    snprintf(w->name, sizeof w->name, "%s%s%s", decode->name, sweep ? ", swept by " : "",
             sweep ? sweep->name : "");
    w->path = sweep ? SEAM_PATH_SWEEP : SEAM_PATH_LOCAL;
    w->planned = d >= 0 && (!sweep || (s >= 0 && b->inv->link[d][s]));
    if (w->planned) {
        w->layout = one_stage(b, d);
        w->layout.sweep = sweep ? 1u << s : 0;
    } else if (b->o->cluster) {
        seam_warn("%s is not predicted: %s lacks a node of that name, or the cable between them",
                  w->name, b->o->cluster);
    }
}

static seam_status pool_ways(struct bench *b, struct seam_err *err)
{
    struct seam_pool_node_info info[NODES];
    const struct seam_pool_node_info *decode = NULL, *sweep = NULL;
    size_t n = seam_pool_nodes(b->pool, info, NODES);
    for (size_t i = 0; i < n && i < NODES; i++)
        if (!decode && (info[i].role & SEAM_NODE_DECODE))
            decode = &info[i];
    for (size_t i = 0; i < n && i < NODES; i++)
        if (!sweep && &info[i] != decode && (info[i].role & SEAM_NODE_SWEEP))
            sweep = &info[i];
    if (!decode) /* seam_pool_open wants one */
        return seam_fail(err, SEAM_EINTERNAL, "a pool without a decode node");
    if (b->phase == FULL && !sweep)
        return seam_fail(err, SEAM_EINVAL,
                         "--phase full needs a node that sweeps beside the decode node (`seam node "
                         "--role sweep`)");
    add_way(b, decode, NULL);
    if (b->phase == FULL)
        add_way(b, decode, sweep);
    return SEAM_OK;
}

static void forecast(const struct bench *b, struct cell *c, size_t k)
{
    struct forecast *f = &c->way[k].forecast;
    const struct seam_work w = {c->prompt, c->depth, b->output};
    f->known = b->way[k].planned;
    for (int i = 0; f->known && i < SEAM_CASES; i++) {
        const struct seam_answer a =
            seam_layout_answer(&b->way[k].layout, b->inv, b->shape, &w, (enum seam_case)i);
        f->ttft[i] = a.ttft_s;
        f->rate[i] = 1 / a.step_s;
        if (b->way[k].layout.sweep && !a.swept) /* then the number is that of the other layout */
            f->known = i != SEAM_CASE_MID;
    }
}

/* ---- measuring ---- */

static uint64_t next_random(uint64_t *x) /* splitmix64, as in src/engine/measure.c */
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static seam_status measure_here(struct bench *b, const struct cell *c, double *ttft, double *rate,
                                struct seam_err *err)
{
    uint64_t prefill, decode;
    seam_status st = seam_measure_prefill(b->measure, c->depth, c->prompt, &prefill, err);
    if (st == SEAM_OK)
        st = seam_measure_decode(b->measure, c->depth + c->prompt, b->output, &decode, err);
    if (st == SEAM_OK) {
        *ttft = (double)prefill / 1e9;
        *rate = b->output * 1e9 / (double)decode;
    }
    return st;
}

static bool go_on(void *user, int32_t token)
{
    (void)user;
    (void)token;
    return true;
}

static seam_status request(struct bench *b, uint32_t n, uint32_t output, enum seam_path path,
                           struct seam_generated *out, struct seam_err *err)
{
    struct seam_generate g = {.tokens = b->tokens,
                              .n_tokens = n,
                              .max_tokens = output,
                              .sampling = seam_sampling_default(),
                              .path = path,
                              .on_token = go_on};
    g.sampling.temperature = 0;
    *out = (struct seam_generated){.stop_id = -1};
    seam_status st = seam_pool_generate(b->pool, &g, out, err);
    if (st == SEAM_OK && out->fallback[0])
        st = seam_fail(err, SEAM_EPEER, "the sweep was given up: %s", out->fallback);
    seam_trace_release(&out->trace);
    return st;
}

/* The beginning of a cell's prompts is the same and in the node's cache; what follows is new each time. */
static seam_status measure_there(struct bench *b, const struct cell *c, const struct way *w,
                                 double *ttft, double *rate, struct seam_err *err)
{
    struct seam_generated out;
    const uint32_t vocab = seam_model_hparams(b->model)->n_vocab;
    uint64_t same = c->depth;
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; i < c->depth; i++)
        b->tokens[i] = (int32_t)(next_random(&same) % vocab);
    if (c->depth)
        st = request(b, c->depth, 1, SEAM_PATH_LOCAL, &out, err);
    for (uint32_t i = 0; i < c->prompt; i++)
        b->tokens[c->depth + i] = (int32_t)(next_random(&b->seed) % vocab);
    if (st == SEAM_OK)
        st = request(b, c->depth + c->prompt, b->output, w->path, &out, err);
    if (st != SEAM_OK)
        return st;
    if (out.route.n_cached + 1 < c->depth || out.route.n_cached > c->depth + 2)
        return seam_fail(
            err, SEAM_EUNSUPPORTED,
            "the decode node kept %u of the %u tokens before the prompt (it keeps none of a "
            "short beginning, and a model with states keeps one whole or not at all): "
            "--depth 0",
            out.route.n_cached, c->depth);
    *ttft = (double)out.t.first_token / 1e9;
    *rate = (out.n_generated - 1) * 1e9 / (double)(out.t.total - out.t.first_token);
    return SEAM_OK;
}

static seam_status sample(struct bench *b, const struct cell *c, size_t k, double *ttft,
                          double *rate, struct seam_err *err)
{
    return b->phase == SOLO ? measure_here(b, c, ttft, rate, err)
                            : measure_there(b, c, &b->way[k], ttft, rate, err);
}

/* Each layout once untimed; then in turns, the order reversed from one repeat to the next: what drifts
 * (heat, memory) meets both alike. */
static seam_status measure(struct bench *b, struct cell *c, struct seam_err *err)
{
    double unused[2];
    seam_status st = SEAM_OK;
    for (size_t k = 0; st == SEAM_OK && !b->o->no_warmup && k < b->n_way; k++)
        st = sample(b, c, k, &unused[0], &unused[1], err);
    for (; st == SEAM_OK && c->n < b->o->repeats; c->n++)
        for (size_t i = 0; st == SEAM_OK && i < b->n_way; i++) {
            size_t k = c->n % 2 ? b->n_way - 1 - i : i;
            st = sample(b, c, k, &c->way[k].ttft[c->n], &c->way[k].rate[c->n], err);
        }
    return st == SEAM_OK ? st
                         : seam_wrap(err, st, "prompt of %u after %u tokens", c->prompt, c->depth);
}

/* ---- the journal ---- */

static seam_status log_cell(const struct bench *b, const struct cell *c, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t k = 0; b->journal && st == SEAM_OK && k < b->n_way; k++) {
        const struct way *w = &b->way[k];
        const struct samples *s = &c->way[k];
        const double new = c->prompt;
        struct seam_stats t = seam_stats_of(s->ttft, c->n), r = seam_stats_of(s->rate, c->n);
        struct seam_journal_run run = {.phase = b->o->phase,
                                       .layout = w->name,
                                       .machine =
                                           w->planned
                                               ? b->inv->node[w->layout.stage[0]].machine.name
                                               : "",
                                       .model = b->o->model,
                                       .tokens = c->prompt,
                                       .after = c->depth,
                                       .chunk = b->o->chunk ? b->o->chunk : SEAM_ENGINE_CHUNK,
                                       .repeats = (uint32_t)c->n,
                                       .median = new / t.median,
                                       .least = new / t.max,
                                       .most = new / t.min,
                                       .alone = b->phase == SOLO};
        double *predicted[] = {&run.worst, &run.likely, &run.best};
        for (int i = 0; s->forecast.known && i < SEAM_CASES; i++)
            *predicted[i] = new / s->forecast.ttft[i];
        st = seam_journal_add_run(b->journal, &run, err);
        run.decode = true;
        run.tokens = b->output;
        run.after = c->depth + c->prompt;
        run.median = r.median;
        run.least = r.min;
        run.most = r.max;
        for (int i = 0; s->forecast.known && i < SEAM_CASES; i++)
            *predicted[i] = s->forecast.rate[i];
        if (st == SEAM_OK)
            st = seam_journal_add_run(b->journal, &run, err);
    }
    return st;
}

/* ---- the verdict ---- */

/* Time of the whole answer with the sweep over the time without, repeat by repeat. */
static struct seam_stats ratios(const struct bench *b, const struct cell *c)
{
    double v[SEAM_STATS_MAX], t[WAYS];
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < WAYS; k++)
            t[k] = c->way[k].ttft[i] + b->output / c->way[k].rate[i];
        v[i] = t[1] / t[0];
    }
    return seam_stats_of(v, c->n);
}

static const char *judged(struct seam_stats ratio)
{
    return ratio.min > 1 ? "slower" : ratio.max < 1 ? "faster" : "no difference seen";
}

/* ---- reports ---- */

static void measured_text(char *buf, size_t len, struct seam_stats s)
{
    snprintf(buf, len, "%.4g (%.3g-%.3g)", s.median, s.min, s.max);
}

static void print_number(const double *v, size_t n, const struct forecast *f, const double *p)
{
    char text[48], error[16] = "";
    struct seam_stats s = seam_stats_of(v, n);
    measured_text(text, sizeof text, s);
    printf("  %-24s", text);
    snprintf(text, sizeof text, "-");
    if (f->known) {
        double lo = fmin(p[SEAM_CASE_WORST], p[SEAM_CASE_BEST]),
               hi = fmax(p[SEAM_CASE_WORST], p[SEAM_CASE_BEST]);
        snprintf(text, sizeof text, "%.3g (%.3g-%.3g)", p[SEAM_CASE_MID], lo, hi);
        snprintf(error, sizeof error, "%+.0f%%", 100 * (p[SEAM_CASE_MID] / s.median - 1));
    }
    printf(" %-22s %6s", text, error);
}

static void print_part(const struct bench *b, bool decode)
{
    printf("\n%-14s %-2s  %-24s %-22s %6s\n", "new+cached", "",
           decode ? "tokens/s, measured" : "first token s, measured", "predicted", "error");
    for (size_t i = 0; i < b->n_cell; i++)
        for (size_t k = 0; k < b->n_way; k++) {
            const struct cell *c = &b->cell[i];
            const struct samples *s = &c->way[k];
            char name[32];
            snprintf(name, sizeof name, "%u+%u", c->prompt, c->depth);
            printf("%-14s %c ", k ? "" : name, 'A' + (int)k);
            if (decode)
                print_number(s->rate, c->n, &s->forecast, s->forecast.rate);
            else
                print_number(s->ttft, c->n, &s->forecast, s->forecast.ttft);
            printf("\n");
        }
}

static void print_verdict(const struct bench *b)
{
    printf("\nDoes adding the sweep node make it slower? Whole answers of %u tokens, B over A\n",
           b->output);
    for (size_t i = 0; i < b->n_cell; i++) {
        char text[48], name[32];
        struct seam_stats r = ratios(b, &b->cell[i]);
        measured_text(text, sizeof text, r);
        snprintf(name, sizeof name, "%u+%u", b->cell[i].prompt, b->cell[i].depth);
        printf("%-14s    %-24s %s\n", name, text, judged(r));
    }
}

static void print_text(const struct bench *b)
{
    printf("phase %s, %s; %u repeats in turns%s\n", b->o->phase, seam_model_name(b->model),
           b->o->repeats, b->o->no_warmup ? "" : ", each after one that is not timed");
    for (size_t k = 0; k < b->n_way; k++)
        printf("  %c  %s\n", 'A' + (int)k, b->way[k].name);
    print_part(b, false);
    print_part(b, true);
    if (b->phase == FULL)
        print_verdict(b);
}

static void add_number(yyjson_mut_doc *d, yyjson_mut_val *to, const char *key, const double *v,
                       size_t n, const struct forecast *f, const double *p)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, to, key);
    struct seam_stats s = seam_stats_of(v, n);
    yyjson_mut_val *all = yyjson_mut_obj_add_arr(d, o, "samples");
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_real(d, all, v[i]);
    yyjson_mut_obj_add_real(d, o, "median", s.median);
    yyjson_mut_obj_add_real(d, o, "min", s.min);
    yyjson_mut_obj_add_real(d, o, "max", s.max);
    if (!f->known) {
        yyjson_mut_obj_add_null(d, o, "predicted");
        return;
    }
    yyjson_mut_val *q = yyjson_mut_obj_add_obj(d, o, "predicted");
    yyjson_mut_obj_add_real(d, q, "worst", p[SEAM_CASE_WORST]);
    yyjson_mut_obj_add_real(d, q, "likely", p[SEAM_CASE_MID]);
    yyjson_mut_obj_add_real(d, q, "best", p[SEAM_CASE_BEST]);
    yyjson_mut_obj_add_real(d, o, "error", p[SEAM_CASE_MID] / s.median - 1);
}

static void add_cell(yyjson_mut_doc *d, yyjson_mut_val *tests, const struct bench *b,
                     const struct cell *c)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, tests);
    yyjson_mut_obj_add_uint(d, o, "prompt", c->prompt);
    yyjson_mut_obj_add_uint(d, o, "depth", c->depth);
    yyjson_mut_obj_add_uint(d, o, "output", b->output);
    yyjson_mut_val *ways = yyjson_mut_obj_add_arr(d, o, "layouts");
    for (size_t k = 0; k < b->n_way; k++) {
        const struct samples *s = &c->way[k];
        yyjson_mut_val *w = yyjson_mut_arr_add_obj(d, ways);
        yyjson_mut_obj_add_str(d, w, "layout", b->way[k].name);
        add_number(d, w, "first_token_s", s->ttft, c->n, &s->forecast, s->forecast.ttft);
        add_number(d, w, "tokens_per_s", s->rate, c->n, &s->forecast, s->forecast.rate);
    }
    if (b->phase != FULL)
        return;
    struct seam_stats r = ratios(b, c);
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, "ratio");
    yyjson_mut_obj_add_real(d, v, "median", r.median);
    yyjson_mut_obj_add_real(d, v, "min", r.min);
    yyjson_mut_obj_add_real(d, v, "max", r.max);
    yyjson_mut_obj_add_str(d, o, "verdict", judged(r));
}

static seam_status print_json(const struct bench *b, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    yyjson_mut_obj_add_uint(d, root, "format", 1);
    yyjson_mut_obj_add_str(d, root, "phase", b->o->phase);
    yyjson_mut_obj_add_str(d, root, "model", seam_model_name(b->model));
    yyjson_mut_obj_add_uint(d, root, "repeats", b->o->repeats);
    yyjson_mut_val *tests = yyjson_mut_obj_add_arr(d, root, "tests");
    for (size_t i = 0; i < b->n_cell; i++)
        add_cell(d, tests, b, &b->cell[i]);
    return seam_json_put(d, 0, err);
}

/* ---- the phase ---- */

static seam_status open_cluster(struct bench *b, struct seam_err *err)
{
    static const char alone[] = "nodes:\n  - name: here\n    machine: this\n";
    seam_status st = b->o->cluster      ? seam_inventory_open(&b->inv, b->o->cluster, err)
                     : b->phase == SOLO ? seam_inventory_read(&b->inv, "this machine", alone,
                                                              sizeof alone - 1, err)
                                        : seam_inventory_open(&b->inv, NULL, err);
    if (st == SEAM_OK)
        st = seam_shape_open(&b->shape, b->inv, b->o->model, err);
    return st;
}

static seam_status open_here(struct bench *b, struct seam_err *err)
{
    const struct seam_engine_opts eo = {.n_ctx = context(b),
                                        .n_lanes = 1,
                                        .mmap = seam_mmap_named(b->o->mmap, SEAM_MMAP_OFF),
                                        .chunk = b->o->chunk,
                                        .n_threads = b->o->threads ? (int)b->o->threads
                                                                   : seam_os_performance_cores()};
    seam_status st = this_machine(b, err);
    if (st == SEAM_OK)
        st = seam_engine_open(&b->engine, b->model, &eo, err);
    return st == SEAM_OK ? seam_measure_open(&b->measure, b->engine, 1, err) : st;
}

static seam_status open_there(struct bench *b, struct seam_err *err)
{
    struct seam_pool_opts po = {.row = "tcp", .nodes = b->o->nodes.v, .n_nodes = b->o->nodes.n};
    if (po.n_nodes > NODES)
        return seam_fail(err, SEAM_EINVAL, "--node: at most %u", NODES);
    seam_status st = seam_catalog_fingerprint(seam_model_catalog(b->model), &po.model, err);
    if (st == SEAM_OK)
        st = seam_pool_open(&b->pool, &po, err);
    if (st == SEAM_OK && context(b) > seam_pool_ctx(b->pool))
        st = seam_fail(err, SEAM_ECONTEXT,
                       "prompt, depth and answer are %u tokens, the decode node's context is %u",
                       context(b), seam_pool_ctx(b->pool));
    return st == SEAM_OK ? pool_ways(b, err) : st;
}

static seam_status run(struct bench *b, struct seam_err *err)
{
    seam_status st = check(b, err);
    if (st == SEAM_OK)
        st = seam_model_open(&b->model, b->o->model, err);
    if (st == SEAM_OK)
        st = open_cluster(b, err);
    if (st == SEAM_OK && !b->o->no_log)
        st = seam_journal_open(&b->journal, b->o->log, true, err);
    b->tokens = st == SEAM_OK ? malloc((size_t)context(b) * sizeof *b->tokens) : NULL;
    if (st == SEAM_OK && !b->tokens)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for prompts");
    if (st == SEAM_OK)
        st = b->phase == SOLO ? open_here(b, err) : open_there(b, err);
    for (size_t i = 0; st == SEAM_OK && i < b->n_cell; i++) {
        for (size_t k = 0; k < b->n_way; k++)
            forecast(b, &b->cell[i], k);
        st = measure(b, &b->cell[i], err);
        if (st == SEAM_OK)
            st = log_cell(b, &b->cell[i], err);
        if (st == SEAM_OK)
            seam_info("bench phase %s: %zu of %zu prompts", b->o->phase, i + 1, b->n_cell);
    }
    if (st == SEAM_OK && b->o->json)
        st = print_json(b, err);
    else if (st == SEAM_OK)
        print_text(b);
    return st;
}

seam_status seam_bench_phase(const struct seam_bench_options *o, struct seam_err *err)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return seam_fail(err, SEAM_ENOMEM, "no memory");
    b->o = o;
    b->seed = 1u << 30;
    seam_status st = run(b, err);
    seam_measure_close(b->measure);
    seam_engine_close(b->engine);
    seam_pool_close(b->pool);
    seam_journal_close(b->journal);
    seam_shape_close(b->shape);
    seam_inventory_close(b->inv);
    seam_model_close(b->model);
    free(b->tokens);
    free(b);
    return st;
}
