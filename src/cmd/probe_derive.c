/* probe_derive.c - from a round's times to rates. The planner adds a layer up from products, attention and
 * the rest; here the same sums (plan/rates.h), with this round's products, say what of a measured layer
 * was attention and what was the rest, so that a plan of these layers gives these times back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/probe.h"

#define POINTS_MAX (SEAM_PROBE_TYPES * SEAM_PROBE_COLUMNS + 8u)
#define LAYER_MOST 0.1  /* s; more is a machine that does something else */
#define NOTHING    1e14 /* bytes per second of a rest that is too small to be seen */

struct book { /* a machine as this round saw it */
    struct seam_plan_machine m;
    struct seam_plan_point point[POINTS_MAX];
};

static void set(struct seam_quantity *q, double v)
{
    for (int c = 0; c < SEAM_CASES; c++)
        q->v[c] = v;
}

static void add_point(struct book *b, enum seam_point of, const char *type, double at, double rate)
{
    struct seam_plan_point *p = &b->point[b->m.n_point++];
    *p = (struct seam_plan_point){.of = of, .type = type, .at = at};
    set(&p->rate, rate);
}

static void open_book(struct book *b, const struct seam_probe_run *r,
                      const struct seam_probe_round *round)
{
    *b = (struct book){0};
    b->m.point = b->point;
    for (size_t t = 0; t < r->n_type; t++)
        for (uint32_t k = 0; k < r->n_columns; k++)
            if (round->product[t][k] > 0)
                add_point(b, SEAM_POINT_PRODUCT, r->type[t]->name, r->columns[k],
                          round->product[t][k]);
    set(&b->m.rate[SEAM_RATE_MATMUL], INFINITY);
    set(&b->m.rate[SEAM_RATE_BANDWIDTH], INFINITY);
    set(&b->m.rate[SEAM_RATE_DECODE], 1);
    set(&b->m.rate[SEAM_RATE_ATTENTION], 1); /* no point: the time is the operations */
}

static bool recurrent(const struct seam_probe_run *r, uint32_t layer)
{
    return r->shape->layer[layer].memory == SEAM_MEMORY_DELTA;
}

static struct seam_cost layer_cost(const struct seam_probe_run *r, const struct book *b,
                                   uint32_t layer, double n, double cached, bool absorbed)
{
    return seam_rates_prefill_as(r->shape, layer, n, cached, absorbed, &b->m, SEAM_CASE_MID);
}

/* A round's value, or after the last one the middle of all. */
static void put(const struct seam_probe_run *r, struct seam_probe_series *s, double v)
{
    if (!r->middle) {
        seam_probe_series_add(s, v);
        return;
    }
    s->has_middle = true;
    s->middle = v;
    if (!s->n)
        seam_probe_series_add(s, v);
}

/* Operations of attention over seconds, from what depth adds to a prefill; 0: noise swallowed it. */
static double attention_rate(const struct seam_probe_run *r, const struct book *b, double n,
                             double depth, bool absorbed, const double *shallow, const double *deep)
{
    double ops = 0, seconds = 0;
    for (uint32_t layer = 0; layer + 1 < r->shape->hp.n_layer; layer++) {
        if (recurrent(r, layer))
            continue;
        const struct seam_cost lo = layer_cost(r, b, layer, n, 0, absorbed);
        const struct seam_cost hi = layer_cost(r, b, layer, n, depth, absorbed);
        ops += hi.attention - lo.attention;
        seconds += deep[layer] - shallow[layer] - (hi.matmul - lo.matmul);
    }
    return ops > 0 && seconds > 0 ? ops / seconds : 0;
}

static void tell_point(struct seam_probe_run *r, enum seam_point of, uint32_t at, double rate,
                       const char *a, const char *b)
{
    char name[48];
    const struct seam_rate_row *row = seam_point_row(of);
    if (!(rate > 0))
        return;
    if (at)
        snprintf(name, sizeof name, "%s at %u", row->key, at);
    else
        snprintf(name, sizeof name, "%s", row->key);
    struct seam_probe_series *s = seam_probe_series_at(r, name, row->unit);
    if (!s)
        return;
    s->told = true;
    s->point = (int)of;
    s->at = at;
    s->from[0] = a;
    s->from[1] = b;
    put(r, s, rate);
}

static void derive_attention(struct seam_probe_run *r, struct book *b,
                             const struct seam_probe_round *round)
{
    double rate[SEAM_PROBE_DEPTHS] = {0}, few = 0;
    for (uint32_t k = 0; k < r->n_depth; k++)
        rate[k] =
            attention_rate(r, b, r->chunk, r->depth[k], false, round->shallow, round->deep[k]);
    if (r->shape->hp.mla)
        few = attention_rate(r, b, SEAM_PROBE_FEW, r->depth[0], true, round->absorbed[0],
                             round->absorbed[1]);
    for (uint32_t k = 0; k < r->n_depth; k++) {
        uint32_t at = r->depth[k] + r->chunk / 2;
        tell_point(r, SEAM_POINT_PREFILL, at, rate[k], "prefill",
                   k ? "prefill deeper" : "prefill deep");
        if (rate[k] > 0)
            add_point(b, SEAM_POINT_PREFILL, NULL, at, rate[k]);
    }
    tell_point(r, SEAM_POINT_ABSORBED, r->depth[0], few, "prefill", "prefill deep");
    struct seam_probe_series *s = seam_probe_series_at(r, "attention", SEAM_UNIT_FLOPS);
    if (!s || !(rate[0] > 0))
        return;
    s->told = true;
    s->rate = SEAM_RATE_ATTENTION;
    s->from[0] = "prefill";
    s->from[1] = "prefill deep";
    put(r, s, rate[0]);
}

/* What is left of a shallow prefill's layers after products and attention. */
static void derive_rest(struct seam_probe_run *r, struct book *b,
                        const struct seam_probe_round *round)
{
    const enum seam_point kinds[] = {SEAM_POINT_DENSE, SEAM_POINT_MIXTURE};
    const struct seam_shape *s = r->shape;
    for (int kind = 0; kind < 2; kind++) {
        double bytes = 0, seconds = 0;
        for (uint32_t layer = 0; layer + 1 < s->hp.n_layer; layer++) {
            if (recurrent(r, layer) || (s->layer[layer].routed.values > 0) != kind)
                continue;
            const struct seam_cost c = layer_cost(r, b, layer, r->chunk, 0, false);
            bytes += r->chunk * seam_rates_rest_bytes(s, layer);
            seconds += round->shallow[layer] - c.matmul - c.attention;
        }
        if (!(bytes > 0))
            continue;
        double rate = seconds > bytes / NOTHING ? bytes / seconds : NOTHING;
        tell_point(r, kinds[kind], 0, rate, "prefill", NULL);
        add_point(b, kinds[kind], NULL, 0, rate);
    }
}

static void derive_state(struct seam_probe_run *r, const struct book *b,
                         const struct seam_probe_round *round)
{
    double ops = 0, seconds = 0;
    for (uint32_t layer = 0; layer + 1 < r->shape->hp.n_layer; layer++) {
        if (!recurrent(r, layer))
            continue;
        const struct seam_cost c = layer_cost(r, b, layer, r->chunk, 0, false);
        ops += c.attention; /* no point of its kind: operations */
        seconds += round->shallow[layer] - c.matmul - c.fixed;
    }
    tell_point(r, SEAM_POINT_STATE, 0, seconds > 0 ? ops / seconds : 0, "prefill", NULL);
}

const char *const seam_probe_steps[] = {"step deep", "step deeper"};

static void derive_step(struct seam_probe_run *r, const struct book *b,
                        const struct seam_probe_round *round)
{
    const struct seam_shape *s = r->shape;
    const struct seam_cost head = seam_rates_head(s, &b->m, SEAM_CASE_MID);
    double products = seam_cost_sum(&head), ops[SEAM_PROBE_DEPTHS] = {0};
    for (uint32_t layer = 0; layer < s->hp.n_layer; layer++) {
        const struct seam_cost lo =
            seam_rates_decode(s, layer, SEAM_PROBE_FIRST, &b->m, SEAM_CASE_MID);
        products += lo.weights;
        for (uint32_t k = 0; k < SEAM_PROBE_DEPTHS; k++)
            ops[k] +=
                seam_rates_decode(s, layer, r->step_depth[k], &b->m, SEAM_CASE_MID).attention -
                lo.attention;
    }
    for (uint32_t k = 0; k < SEAM_PROBE_DEPTHS; k++) {
        double more = round->step_deep[k] - round->step;
        tell_point(r, SEAM_POINT_STEP, r->step_depth[k], more > 0 ? ops[k] / more : 0, "step",
                   seam_probe_steps[k]);
    }
    struct seam_probe_series *layer = seam_probe_series_at(r, "layer", SEAM_UNIT_SECONDS);
    if (layer) {
        double left = (round->step - products) / s->hp.n_layer;
        layer->told = layer->less = true;
        layer->rate = SEAM_RATE_LAYER;
        layer->from[0] = "step";
        put(r, layer, left < 0 ? 0 : left > LAYER_MOST ? LAYER_MOST : left);
    }
}

/* Of the planner's single numbers, for models that were not measured here. */
static void derive_shares(struct seam_probe_run *r, const struct seam_probe_round *round)
{
    const struct seam_probe_series *memory = seam_probe_series_at(r, "memory", SEAM_UNIT_BANDWIDTH);
    struct seam_probe_series *decode = seam_probe_series_at(r, "decode", SEAM_UNIT_SHARE);
    struct seam_probe_series *matmul = seam_probe_series_at(r, "matmul", SEAM_UNIT_FLOPS);
    if (!memory || !decode || !matmul || !memory->n)
        return;
    double share = seam_shape_active_bytes(r->shape) / round->step /
                   seam_stats_of(memory->v, memory->n).median;
    decode->told = matmul->told = true;
    decode->rate = SEAM_RATE_DECODE;
    decode->from[0] = "step";
    decode->from[1] = "memory";
    put(r, decode, share > 1 ? 1 : share < 0.05 ? 0.05 : share);
    matmul->rate = SEAM_RATE_MATMUL;
    double best = 0;
    for (size_t t = 0; t < r->n_type; t++)
        if (round->product[t][r->n_columns - 1] > best)
            best = round->product[t][r->n_columns - 1];
    put(r, matmul, best);
}

static void derive(struct seam_probe_run *r, const struct seam_probe_round *round)
{
    struct book b; /* in this order: later ones use the points of earlier ones */
    open_book(&b, r, round);
    derive_shares(r, round);
    derive_step(r, &b, round);
    derive_attention(r, &b, round);
    derive_rest(r, &b, round);
    derive_state(r, &b, round);
}

/* Each time's median over the rounds: one bad moment of one round is in none of them. */
static void median_round(const struct seam_probe_run *r, struct seam_probe_round *out)
{
    for (size_t i = 0; i < sizeof *out / sizeof(double); i++) {
        double v[SEAM_PROBE_ROUNDS];
        for (uint32_t k = 0; k < r->rounds; k++)
            v[k] = ((const double *)(const void *)&r->round[k])[i];
        ((double *)(void *)out)[i] = seam_stats_of(v, r->rounds).median;
    }
}

seam_status seam_probe_derive(struct seam_probe_run *r, struct seam_err *err)
{
    struct seam_probe_round *all = calloc(1, sizeof *all);
    if (!all)
        return seam_fail(err, SEAM_ENOMEM, "no memory for rates");
    for (uint32_t k = 0; k < r->rounds; k++)
        derive(r, &r->round[k]);
    median_round(r, all);
    r->middle = true;
    derive(r, all);
    free(all);
    /* a machine needs the number; where noise swallowed it in every round, attention is products */
    const struct seam_probe_series *matmul = seam_probe_series_at(r, "matmul", SEAM_UNIT_FLOPS);
    struct seam_probe_series *attention = seam_probe_series_at(r, "attention", SEAM_UNIT_FLOPS);
    if (matmul && attention && !attention->n) {
        const struct seam_probe_series found = *attention;
        *attention = *matmul;
        memcpy(attention->name, found.name, sizeof attention->name);
        attention->rate = SEAM_RATE_ATTENTION;
        attention->from[0] = "prefill";
        attention->from[1] = "prefill deep";
    }
    return SEAM_OK;
}
