/* probe.c - `seam probe`: this machine in the planner's numbers, measured with Seam's own engine on
 * synthetic layers of the asked model at full width. docs/probe.md explains what is measured. */
#include "cmd/probe.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/os.h"
#include "base/size.h"
#include "cmd/option.h"
#include "engine/fill.h"
#include "engine/selftest.h"

#define DEFAULT_MODEL  "kimi-k2.6:UD-Q8_K_XL"
#define LAYERS_LEAST   3u
#define WORDS          8192u /* the vocabulary of synthetic layers: the head is measured, not all of it */
#define CHUNK_SECONDS  3.0 /* a prefill that would take longer is measured with fewer tokens */
#define STEPS          7u  /* of one sample, whose median counts */
#define STEP_DEPTHS    (1 + SEAM_PROBE_DEPTHS)
#define DISK_BYTES     ((uint64_t)256 << 20)
#define LINK_SECONDS   0.15
#define MEMORY_DEFAULT ((uint64_t)4 << 30)

static volatile sig_atomic_t canceled;
static struct seam_probe *volatile measuring; /* what a signal has to stop */

static void on_signal(int sig)
{
    (void)sig;
    canceled = 1;
    if (measuring)
        seam_probe_cancel(measuring);
}

static seam_status check_canceled(struct seam_err *err)
{
    return canceled ? seam_fail(err, SEAM_ECANCELED, "canceled") : SEAM_OK;
}

/* ---- series ---- */

static void sample(struct seam_probe_run *r, const char *name, enum seam_unit unit,
                   enum seam_rate rate, double v)
{
    struct seam_probe_series *s = seam_probe_series_at(r, name, unit);
    if (!s)
        return;
    s->told = true;
    s->rate = (int)rate;
    seam_probe_series_add(s, v);
}

/* ---- the layers ---- */

/* Enough layers for one of each kind, and a last one, of which a prefill computes KV rows only. */
static uint32_t layers_needed(const struct seam_shape *s)
{
    uint32_t seen = 0, last = 0;
    for (uint32_t i = 0; i < s->hp.n_layer; i++) {
        uint32_t kind = 1u << (2 * (uint32_t)s->layer[i].memory + (s->layer[i].routed.values > 0));
        last = seen & kind ? last : i;
        seen |= kind;
    }
    uint32_t n = last + 2 > LAYERS_LEAST ? last + 2 : LAYERS_LEAST;
    return n < s->hp.n_layer ? n : s->hp.n_layer;
}

/* "SHAPE:TYPE", or a card's; refuses others. */
static seam_status shape_and_type(const struct seam_probe_run *r, char *like, size_t len,
                                  const char **type, struct seam_err *err)
{
    const struct seam_plan_model *card = seam_inventory_model(r->cards, r->model_name);
    const char *colon = strrchr(r->model_name, ':');
    if (card && card->shape) {
        snprintf(like, len, "%s", card->shape);
        *type = card->type;
        return SEAM_OK;
    }
    if (!colon)
        return seam_fail(err, SEAM_ENOTFOUND,
                         "no model or file '%s' (`seam plan --cards` lists models; SHAPE:TYPE of "
                         "`seam synth` and a GGUF will do)",
                         r->model_name);
    snprintf(like, len, "%.*s", (int)(colon - r->model_name), r->model_name);
    *type = colon + 1;
    return SEAM_OK;
}

/* Plan a file with fewer and fewer experts until it fits the budget. */
static seam_status plan_layers(struct seam_probe_run *r, const struct seam_shape *whole,
                               struct seam_synth_opts *o, struct seam_gguf_out **out,
                               struct seam_synth_tensor **law, struct seam_err *err)
{
    char a[32], b[32];
    for (o->n_expert = whole->hp.n_expert;; o->n_expert /= 2) {
        *out = seam_gguf_out_open();
        if (!*out)
            return seam_fail(err, SEAM_ENOMEM, "no memory for layers");
        seam_status st = seam_synth_plan(*out, o, law, err);
        if (st != SEAM_OK || seam_gguf_out_bytes(*out) <= r->o->memory)
            return st;
        if (o->n_expert / 2 < whole->hp.n_expert_used || o->n_expert < 2)
            return seam_fail(err, SEAM_ENOMEM,
                             "%u layers of %s need %s, --memory is %s (give it more)", o->n_layer,
                             r->model_name,
                             seam_size_format(seam_gguf_out_bytes(*out), a, sizeof a),
                             seam_size_format(r->o->memory, b, sizeof b));
        free(*law);
        *law = NULL;
        seam_gguf_out_close(*out);
        *out = NULL;
    }
}

static seam_status write_layers(struct seam_probe_run *r, struct seam_gguf_out *w,
                                const struct seam_synth_tensor *law, struct seam_err *err)
{
    const struct seam_gguf_out_layout layout = {.n_split = 1};
    const struct seam_fill_opts fill = {.cancel = &canceled};
    snprintf(r->path, sizeof r->path, "%.1000s/seam-probe-%ld.gguf", r->o->disk, (long)getpid());
    seam_status st = seam_gguf_out_begin(w, r->path, &layout, err);
    if (st == SEAM_OK)
        st = seam_fill_random(w, law, 0, &fill, err);
    if (st == SEAM_OK)
        st = seam_gguf_out_commit(w, err);
    r->made = st == SEAM_OK;
    return st;
}

static seam_status make_layers(struct seam_probe_run *r, struct seam_err *err)
{
    char like[64];
    const char *type = NULL;
    struct seam_shape *whole = NULL;
    struct seam_gguf_out *w = NULL;
    struct seam_synth_tensor *law = NULL;
    struct seam_synth_opts o = {.like = like};
    seam_status st = shape_and_type(r, like, sizeof like, &type, err);
    if (st == SEAM_OK)
        st = seam_shape_open(&whole, r->cards, r->model_name, err);
    if (st == SEAM_OK)
        st = seam_mix_find(&o.mix, type, err);
    if (st == SEAM_OK) {
        o.n_layer = layers_needed(whole);
        o.n_vocab = whole->hp.n_vocab < WORDS ? whole->hp.n_vocab : WORDS;
        st = plan_layers(r, whole, &o, &w, &law, err);
    }
    if (st == SEAM_OK)
        st = write_layers(r, w, law, err);
    free(law);
    seam_gguf_out_close(w);
    seam_shape_close(whole);
    return st;
}

static seam_status find_layers(struct seam_probe_run *r, struct seam_err *err)
{
    char a[32], b[32];
    seam_status st = SEAM_OK;
    if (access(r->model_name, F_OK) == 0)
        snprintf(r->path, sizeof r->path, "%s", r->model_name);
    else
        st = make_layers(r, err);
    if (st == SEAM_OK)
        st = seam_model_open(&r->model, r->path, err);
    if (st == SEAM_OK)
        st = seam_shape_open(&r->shape, r->cards, r->path, err);
    if (st == SEAM_OK && !r->made && r->shape->bytes > (double)r->o->memory)
        st =
            seam_fail(err, SEAM_ENOMEM,
                      "%s holds %s, --memory is %s: give it more, or name the model's card instead",
                      r->path, seam_size_format((uint64_t)r->shape->bytes, a, sizeof a),
                      seam_size_format(r->o->memory, b, sizeof b));
    return st;
}

/* ---- one round ---- */

static seam_status measure_memory(struct seam_probe_run *r, struct seam_err *err)
{
    double rate = 0;
    seam_status st =
        seam_limit_bandwidth(r->n_threads, r->o->quick ? (uint64_t)128 << 20 : 0, &rate, err);
    if (st == SEAM_OK)
        sample(r, "memory", SEAM_UNIT_BANDWIDTH, SEAM_RATE_BANDWIDTH, rate);
    return st;
}

static seam_status measure_product(struct seam_probe_run *r, size_t t, uint32_t k, double *rate,
                                   struct seam_err *err)
{
    char name[48];
    seam_status st = seam_probe_products(r->engine, r->type[t], r->columns[k], rate, err);
    if (st != SEAM_OK)
        return st;
    snprintf(name, sizeof name, "product %s x %u", r->type[t]->name, r->columns[k]);
    seam_probe_series_at(r, name, SEAM_UNIT_FLOPS); /* its place; probe_derive.c fills it */
    snprintf(name, sizeof name, "apart %s x %u", r->type[t]->name, r->columns[k]);
    struct seam_probe_series *s = seam_probe_series_at(r, name, SEAM_UNIT_FLOPS);
    if (s)
        seam_probe_series_add(s, *rate);
    return check_canceled(err);
}

static seam_status measure_prefill(struct seam_probe_run *r, const char *name,
                                   enum seam_mla_form form, uint32_t depth, uint32_t n,
                                   double *layer_s, struct seam_err *err)
{
    double sum = 0;
    seam_status st = seam_probe_prefill(r->engine, form, depth, n, layer_s, err);
    for (uint32_t i = 0; i + 1 < r->shape->hp.n_layer; i++)
        sum += layer_s[i];
    struct seam_probe_series *s = seam_probe_series_at(r, name, SEAM_UNIT_SECONDS);
    if (st == SEAM_OK && s) {
        s->less = true;
        seam_probe_series_add(s, sum);
    }
    return st == SEAM_OK ? check_canceled(err) : st;
}

/* Steps at all depths in turns: what a cache still holds of one's weights, the rows of a deeper one drive
 * out; and other tokens reach other experts. A model has more layers than a cache holds. */
static seam_status measure_steps(struct seam_probe_run *r, struct seam_probe_round *now,
                                 struct seam_err *err)
{
    const uint32_t depth[STEP_DEPTHS] = {SEAM_PROBE_FIRST, r->step_depth[0], r->step_depth[1]};
    double v[STEP_DEPTHS][STEPS];
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; st == SEAM_OK && i < STEPS; i++)
        for (uint32_t k = 0; st == SEAM_OK && k < STEP_DEPTHS; k++)
            st = seam_probe_step(r->engine, depth[k] + i, &v[k][i], err);
    for (uint32_t k = 0; st == SEAM_OK && k < STEP_DEPTHS; k++) {
        double seconds = seam_stats_of(v[k], STEPS).median;
        *(k ? &now->step_deep[k - 1] : &now->step) = seconds;
        struct seam_probe_series *s =
            seam_probe_series_at(r, k ? seam_probe_steps[k - 1] : "step", SEAM_UNIT_SECONDS);
        if (!s)
            continue;
        s->less = true;
        seam_probe_series_add(s, seconds);
    }
    return st == SEAM_OK ? check_canceled(err) : st;
}

/* Whole layers and steps, which a plan has to give back. */
static seam_status measure_layers(struct seam_probe_run *r, struct seam_probe_round *now,
                                  struct seam_err *err)
{
    static const char *const deep[] = {"prefill deep", "prefill deeper"};
    seam_status st =
        measure_prefill(r, "prefill", SEAM_MLA_EXPANDED, 0, r->chunk, now->shallow, err);
    for (uint32_t k = 0; st == SEAM_OK && k < r->n_depth; k++)
        st = measure_prefill(r, deep[k], SEAM_MLA_EXPANDED, r->depth[k], r->chunk, now->deep[k],
                             err);
    if (st == SEAM_OK && r->shape->hp.mla)
        st = measure_prefill(r, "absorbed", SEAM_MLA_ABSORBED, 0, SEAM_PROBE_FEW, now->absorbed[0],
                             err);
    if (st == SEAM_OK && r->shape->hp.mla)
        st = measure_prefill(r, "absorbed deep", SEAM_MLA_ABSORBED, r->depth[0], SEAM_PROBE_FEW,
                             now->absorbed[1], err);
    return st == SEAM_OK ? measure_steps(r, now, err) : st;
}

static seam_status measure_products(struct seam_probe_run *r, struct seam_probe_round *now,
                                    struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t t = 0; t < r->n_type; t++)
        for (uint32_t k = 0; st == SEAM_OK && k < r->n_columns; k++)
            st = measure_product(r, t, k, &now->product[t][k], err);
    return st;
}

static seam_status measure_disk(struct seam_probe_run *r, struct seam_err *err)
{
    static const uint32_t depth[] = {1, 4, 8, 16};
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < sizeof depth / sizeof *depth; i++) {
        double rate = 0;
        char name[48];
        st = seam_limit_disk(r->model, depth[i], DISK_BYTES, &rate, &r->direct, err);
        snprintf(name, sizeof name, "disk, %u read%s", depth[i], depth[i] > 1 ? "s" : "");
        struct seam_probe_series *s = seam_probe_series_at(r, name, SEAM_UNIT_BANDWIDTH);
        if (st == SEAM_OK && s) {
            s->told = true;
            s->rate = depth[i] == 8 ? (int)SEAM_RATE_DISK : -1; /* as many as the engine's reader */
            seam_probe_series_add(s, rate);
        }
    }
    return st == SEAM_OK ? check_canceled(err) : st;
}

/* Products alone, then beside a busy disk: the share of their rate that is lost. */
static seam_status measure_contention(struct seam_probe_run *r, struct seam_err *err)
{
    double alone = 0, beside = 0, disk = 0;
    struct seam_limit_load *load = NULL;
    const uint32_t columns = r->columns[r->n_columns - 1];
    seam_status st = seam_probe_products(r->engine, r->type[0], columns, &alone, err);
    if (st == SEAM_OK)
        st = seam_limit_load_begin(&load, r->model, err);
    if (st == SEAM_OK)
        st = seam_probe_products(r->engine, r->type[0], columns, &beside, err);
    if (load) {
        struct seam_err end = {0};
        seam_status read = seam_limit_load_end(load, &disk, &end);
        if (st == SEAM_OK && read != SEAM_OK) {
            *err = end;
            st = read;
        }
    }
    if (st != SEAM_OK)
        return st;
    double lost = alone > 0 ? 1 - beside / alone : 0;
    sample(r, "contention", SEAM_UNIT_SHARE, SEAM_RATE_CONTENTION,
           lost < 0      ? 0
           : lost > 0.95 ? 0.95
                         : lost);
    struct seam_probe_series *s = seam_probe_series_at(r, "contention", SEAM_UNIT_SHARE);
    if (s) {
        s->less = true;
        s->whole = 1;
    }
    return check_canceled(err);
}

static seam_status measure_links(struct seam_probe_run *r, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < r->n_link; i++) {
        static const char *const what[] = {"to", "from", "round trip to"};
        struct seam_link_rates x;
        st = seam_link_probe_measure(r->link[i].link,
                                     r->o->quick ? LINK_SECONDS / 10 : LINK_SECONDS, &x, err);
        const double v[] = {x.up, x.down, x.round_s};
        for (int k = 0; st == SEAM_OK && k < 3; k++) {
            char name[48];
            snprintf(name, sizeof name, "%s %.30s", what[k], r->link[i].addr);
            struct seam_probe_series *s =
                seam_probe_series_at(r, name, k < 2 ? SEAM_UNIT_LINK : SEAM_UNIT_SECONDS);
            if (!s)
                continue;
            s->told = true;
            s->less = k == 2;
            seam_probe_series_add(s, v[k]);
        }
    }
    return st == SEAM_OK ? check_canceled(err) : st;
}

static seam_status measure_round(struct seam_probe_run *r, struct seam_err *err)
{
    struct seam_probe_round *now = &r->round[r->rounds];
    seam_status st = measure_memory(r, err);
    if (st == SEAM_OK)
        st = measure_products(r, now, err);
    if (st == SEAM_OK)
        st = measure_layers(r, now, err);
    if (st == SEAM_OK)
        st = measure_disk(r, err);
    if (st == SEAM_OK)
        st = measure_contention(r, err);
    if (st == SEAM_OK)
        st = measure_links(r, err);
    r->rounds += st == SEAM_OK;
    return st;
}

/* ---- before and after ---- */

static void choose_points(struct seam_probe_run *r)
{
    static const uint32_t all[] = {1, 4, 16, 64, 256, 512}, quick[] = {1, 16, 128};
    const uint32_t *from = r->o->quick ? quick : all;
    r->n_columns = r->o->quick ? 3 : 6;
    memcpy(r->columns, from, r->n_columns * sizeof *from);
    r->chunk = from[r->n_columns - 1];
    r->n_depth = r->o->quick ? 1 : 2;
    r->depth[0] = r->o->quick ? 512 : 1024;
    r->depth[1] = 4096;
    r->step_depth[0] = r->o->quick ? 512 : 2048;
    r->step_depth[1] = 4 * r->step_depth[0];
}

/* A first prefill and a first step, which find no memory in place; and how long a chunk may be. */
static seam_status warm_up(struct seam_probe_run *r, struct seam_err *err)
{
    double layer_s[SEAM_MODEL_MAX_LAYERS], sum = 0, step;
    const uint32_t n = SEAM_PROBE_FEW;
    seam_status st = seam_probe_prefill(r->engine, SEAM_MLA_EXPANDED, 0, n, layer_s, err);
    if (st == SEAM_OK)
        st = seam_probe_prefill(r->engine, SEAM_MLA_EXPANDED, 0, n, layer_s, err);
    if (st == SEAM_OK)
        st = seam_probe_step(r->engine, n, &step, err);
    for (uint32_t i = 0; st == SEAM_OK && i + 1 < r->shape->hp.n_layer; i++)
        sum += layer_s[i];
    while (st == SEAM_OK && r->chunk > 2 * n && sum / n * r->chunk > CHUNK_SECONDS)
        r->chunk /= 2;
    if (st == SEAM_OK)
        st = seam_probe_prefill(r->engine, SEAM_MLA_EXPANDED, 0, r->chunk, layer_s, err);
    return st;
}

static seam_status open_links(struct seam_probe_run *r, struct seam_err *err)
{
    const struct seam_option_list *nodes = &r->o->nodes;
    if (nodes->n > SEAM_PROBE_NODES)
        return seam_fail(err, SEAM_EINVAL, "--node: at most %u", SEAM_PROBE_NODES);
    seam_status st = nodes->n ? seam_fabric_open(&r->fabric, "tcp", err) : SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < nodes->n; i++) {
        r->link[i].addr = nodes->v[i];
        st = seam_link_probe_open(&r->link[i].link, r->fabric, nodes->v[i], err);
        r->n_link += st == SEAM_OK;
    }
    return st;
}

static seam_status open_engine(struct seam_probe_run *r, struct seam_err *err)
{
    uint32_t most = r->step_depth[SEAM_PROBE_DEPTHS - 1] + STEPS;
    if (r->depth[r->n_depth - 1] + r->chunk > most)
        most = r->depth[r->n_depth - 1] + r->chunk;
    seam_status st = seam_probe_open(&r->engine, r->model, r->n_threads, most, err);
    if (st != SEAM_OK)
        return st;
    measuring = r->engine;
    r->n_type = seam_probe_types(r->engine, r->type, SEAM_PROBE_TYPES);
    return warm_up(r, err);
}

static void close_run(struct seam_probe_run *r)
{
    measuring = NULL;
    seam_probe_close(r->engine);
    for (size_t i = 0; i < r->n_link; i++)
        seam_link_probe_close(r->link[i].link);
    seam_fabric_close(r->fabric);
    free(r->round);
    seam_shape_close(r->shape);
    seam_model_close(r->model);
    seam_inventory_close(r->cards);
    if (r->made)
        unlink(r->path);
}

static seam_status check_options(const struct seam_probe_options *o, struct seam_err *err)
{
    if (o->rounds < 2 || o->rounds > SEAM_PROBE_ROUNDS)
        return seam_fail(err, SEAM_EINVAL, "--rounds %u: from 2 (one has no spread) to %u",
                         o->rounds, SEAM_PROBE_ROUNDS);
    if (strlen(o->name) > 40 || strpbrk(o->name, ":#\"\\{}[],&*!|>%@`'\n"))
        return seam_fail(err, SEAM_EINVAL, "--name '%s' is no short plain name", o->name);
    return SEAM_OK;
}

/* What is measured is the CPU, whoever will decode here. */
static void tell_of_gpus(void)
{
    struct seam_device_info dev[16];
    const size_t n = seam_device_list(dev, sizeof dev / sizeof *dev);
    for (size_t i = 0; i < n && i < sizeof dev / sizeof *dev; i++)
        if (dev[i].gpu)
            seam_warn(
                "%s (%s) decodes here by default, and the CPU is what a probe measures: for plans "
                "with this GPU keep its card",
                dev[i].name, dev[i].about);
}

static seam_status measure(struct seam_probe_run *r, struct seam_err *err)
{
    tell_of_gpus();
    seam_status st = check_options(r->o, err);
    choose_points(r);
    r->round = calloc(SEAM_PROBE_ROUNDS, sizeof *r->round);
    if (st == SEAM_OK && !r->round)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for rounds");
    if (st == SEAM_OK)
        st = seam_inventory_open(&r->cards, NULL, err);
    if (st == SEAM_OK)
        st = open_links(r, err);
    if (st == SEAM_OK)
        st = find_layers(r, err);
    if (st == SEAM_OK)
        st = open_engine(r, err);
    for (uint32_t i = 0; st == SEAM_OK && i < r->o->rounds; i++) {
        seam_info("round %u of %u", i + 1, r->o->rounds);
        st = measure_round(r, err);
    }
    return st == SEAM_OK ? seam_probe_derive(r, err) : st;
}

static seam_status report(const struct seam_probe_run *r, struct seam_err *err)
{
    seam_status st = r->o->out ? seam_probe_write_yaml(r, r->o->out, err) : SEAM_OK;
    if (st != SEAM_OK)
        return st;
    if (r->o->json)
        st = seam_probe_print_json(r, err);
    else if (!r->o->out || strcmp(r->o->out, "-") != 0)
        seam_probe_print_page(r);
    size_t noisy = seam_probe_noisy(r);
    if (st == SEAM_OK && noisy)
        st = seam_fail(err, SEAM_EBUSY,
                       "%zu rates are noisy, not exact: they spread by more than %.0f %% between "
                       "rounds (end what else runs here, and probe again)",
                       noisy, 100 * SEAM_PROBE_SPREAD);
    return st;
}

#define AT(member) offsetof(struct seam_probe_options, member)
static const struct seam_option options[] = {
    {"model", 'm', SEAM_OPTION_STRING, "MODEL", AT(model),
     "whose layers to measure with: a card of seam plan --cards, SHAPE:TYPE of seam synth, or a "
     "GGUF (default kimi-k2.6:UD-Q8_K_XL)",
     NULL},
    {"node", 0, SEAM_OPTION_LIST, "HOST:PORT", AT(nodes),
     "measure the link to this running seam node, too; may be given several times", NULL},
    {"out", 'o', SEAM_OPTION_STRING, "FILE", AT(out),
     "write the rates as YAML for seam plan --cluster (- is stdout, in place of the page)", NULL},
    {"name", 0, SEAM_OPTION_STRING, "NAME", AT(name), "of the machine in it (default: the host's)",
     NULL},
    {"threads", 't', SEAM_OPTION_U32, "N", AT(threads),
     "compute threads (default: the performance cores)", NULL},
    {"disk", 0, SEAM_OPTION_STRING, "FOLDER", AT(disk),
     "on the disk to measure, where synthetic layers lie meanwhile (default: here)", NULL},
    {"memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(memory),
     "most bytes of layers; there are fewer experts then (default 4GiB)", NULL},
    {"rounds", 'r', SEAM_OPTION_U32, "N", AT(rounds),
     "times that everything is measured, for spread and drift (default 3)", NULL},
    {"quick", 0, SEAM_OPTION_FLAG, NULL, AT(quick),
     "seconds instead of a minute: fewer batches and depths", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json), "one JSON object on stdout instead of a page",
     NULL},
    {0},
};

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct seam_probe_options o = {.model = DEFAULT_MODEL,
                                   .name = seam_os_machine_name(),
                                   .disk = ".",
                                   .rounds = 3,
                                   .memory = MEMORY_DEFAULT};
    struct seam_err err = {0};
    int n = 0;
    struct seam_probe_run *r = calloc(1, sizeof *r);
    seam_status st = r ? seam_option_parse(self, &o, argc, argv, &n, &err)
                       : seam_fail(&err, SEAM_ENOMEM, "no memory");
    if (st == SEAM_OK) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        *r = (struct seam_probe_run){.o = &o,
                                     .model_name = o.model,
                                     .begin_ns = seam_mono_ns(),
                                     .n_threads =
                                         o.threads ? (int)o.threads : seam_os_performance_cores()};
        st = measure(r, &err);
        if (st == SEAM_OK)
            st = report(r, &err);
        close_run(r);
    }
    free(r);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_probe = {
    .name = "probe",
    .summary = "measure this machine, and links to nodes, for seam plan",
    .operands = "",
    .about =
        "Measures in the planner's numbers, with Seam's own engine on synthetic layers of MODEL at "
        "full width: products of each type by batch, attention in prefill (both forms of MLA) and in "
        "decode by depth, memory, the disk with direct reads at several depths, and computing beside "
        "a busy disk; with --node also the link to a running node, both ways. Everything is measured "
        "several times: what spreads by more than 10 % between rounds is called noisy, not exact, and "
        "the exit status is then 14, with the results printed and written all the same. The YAML is a "
        "machine for seam plan, which uses these rates in place of a card's. Links are not encrypted "
        "yet. Run it alone on the machine.",
    .examples =
        "  seam probe --model kimi-k2.6:UD-Q4_K_XL -o this.yaml\n"
        "  seam plan --cluster this.yaml --model kimi-k2.6:UD-Q4_K_XL\n"
        "  seam probe --model models/thimble-q8_0.gguf --node 192.168.7.2:7330 --quick --json\n",
    .options = options,
    .run = run,
};
