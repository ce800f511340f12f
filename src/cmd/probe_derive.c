/* probe_derive.c - from a round's times to rates. The planner adds a layer up from products, attention and
 * the rest; here the same sums (plan/rates.h), with this round's products, say what of a measured layer
 * was attention and what was the rest, so that a plan of these layers gives these times back. Whole layers
 * and steps win: products, which were timed apart, are scaled where the parts would take longer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/probe.h"

#define POINTS_MAX (SEAM_PROBE_TYPES * SEAM_PROBE_COLUMNS + 8u)
#define LAYER_MOST 0.1  /* s; more is a machine that does something else */
#define NOTHING    1e14 /* bytes per second of a rest that is too small to be seen */
#define PASSES     8    /* until products, attention and whole layers agree */
#define AGREED     1e-6

struct book { /* a machine as this round saw it */
    struct seam_plan_machine m;
    struct seam_plan_point point[POINTS_MAX]; /* products first */
    uint32_t n_product;
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
    b->n_product = b->m.n_point;
    set(&b->m.rate[SEAM_RATE_MATMUL], INFINITY);
    set(&b->m.rate[SEAM_RATE_BANDWIDTH], INFINITY);
    set(&b->m.rate[SEAM_RATE_DECODE], 1);
    set(&b->m.rate[SEAM_RATE_ATTENTION], 1); /* no point: the time is the operations */
}

/* Products of steps, or those of more columns than one, which prefill has. Timed in samples of their own,
 * they can be slower than where they belong: other memory, more and smaller graph nodes, another moment of
 * a shared machine. Where they alone take longer than the whole, the whole is right. */
static void scale_products(struct book *b, bool prefill, double by)
{
    for (uint32_t i = 0; i < b->n_product; i++)
        if ((b->point[i].at > 1) == prefill)
            set(&b->point[i].rate, b->point[i].rate.v[SEAM_CASE_MID] * by);
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

struct found { /* of attention in prefill */
    double rate[SEAM_PROBE_DEPTHS], few;
};

/* With the products as they are in the book now. */
static struct found find_attention(const struct seam_probe_run *r, struct book *b,
                                   const struct seam_probe_round *round)
{
    struct found f = {0};
    b->m.n_point = b->n_product;
    for (uint32_t k = 0; k < r->n_depth; k++)
        f.rate[k] =
            attention_rate(r, b, r->chunk, r->depth[k], false, round->shallow, round->deep[k]);
    if (r->shape->hp.mla)
        f.few = attention_rate(r, b, SEAM_PROBE_FEW, r->depth[0], true, round->absorbed[0],
                               round->absorbed[1]);
    for (uint32_t k = 0; k < r->n_depth; k++)
        if (f.rate[k] > 0)
            add_point(b, SEAM_POINT_PREFILL, NULL, r->depth[k] + r->chunk / 2, f.rate[k]);
    return f;
}

static void tell_attention(struct seam_probe_run *r, const struct found *f)
{
    for (uint32_t k = 0; k < r->n_depth; k++)
        tell_point(r, SEAM_POINT_PREFILL, r->depth[k] + r->chunk / 2, f->rate[k], "prefill",
                   k ? "prefill deeper" : "prefill deep");
    tell_point(r, SEAM_POINT_ABSORBED, r->depth[0], f->few, "prefill", "prefill deep");
    struct seam_probe_series *s = seam_probe_series_at(r, "attention", SEAM_UNIT_FLOPS);
    if (!s || !(f->rate[0] > 0))
        return;
    s->told = true;
    s->rate = SEAM_RATE_ATTENTION;
    s->from[0] = "prefill";
    s->from[1] = "prefill deep";
    put(r, s, f->rate[0]);
}

struct sums { /* of a shallow prefill's layers of one kind of feed-forward */
    double measured, products, attention, bytes;
};

static struct sums sums_of(const struct seam_probe_run *r, const struct book *b,
                           const struct seam_probe_round *round, bool mixture)
{
    const struct seam_shape *s = r->shape;
    struct sums sum = {0};
    for (uint32_t layer = 0; layer + 1 < s->hp.n_layer; layer++) {
        if (recurrent(r, layer) || (s->layer[layer].routed.values > 0) != mixture)
            continue;
        const struct seam_cost c = layer_cost(r, b, layer, r->chunk, 0, false);
        sum.measured += round->shallow[layer];
        sum.products += c.matmul;
        sum.attention += c.attention;
        sum.bytes += r->chunk * seam_rates_rest_bytes(s, layer);
    }
    return sum;
}

/* Products, then attention, in turns until both leave something of every kind of layer, or nothing. */
static struct found fit_prefill(const struct seam_probe_run *r, struct book *b,
                                const struct seam_probe_round *round)
{
    struct found f = find_attention(r, b, round);
    for (int pass = 0; pass < PASSES; pass++) {
        double share = 1; /* of the products' time, that fits into the layers */
        for (int mixture = 0; mixture < 2; mixture++) {
            const struct sums sum = sums_of(r, b, round, mixture);
            double left = sum.measured - sum.attention;
            if (left > 0 && left < share * sum.products)
                share = left / sum.products;
        }
        if (share > 1 - AGREED)
            break;
        scale_products(b, true, 1 / share);
        f = find_attention(r, b, round);
    }
    return f;
}

/* What is left of a shallow prefill's layers after products and attention. */
static void derive_rest(struct seam_probe_run *r, struct book *b,
                        const struct seam_probe_round *round)
{
    const enum seam_point kinds[] = {SEAM_POINT_DENSE, SEAM_POINT_MIXTURE};
    for (int kind = 0; kind < 2; kind++) {
        const struct sums sum = sums_of(r, b, round, kind);
        double seconds = sum.measured - sum.products - sum.attention;
        if (!(sum.bytes > 0))
            continue;
        double rate = seconds > sum.bytes / NOTHING ? sum.bytes / seconds : NOTHING;
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

static void derive_step(struct seam_probe_run *r, struct book *b,
                        const struct seam_probe_round *round)
{
    const struct seam_shape *s = r->shape;
    const struct seam_cost head = seam_rates_head(s, &b->m, SEAM_CASE_MID);
    double products = seam_cost_sum(&head), first = 0, ops[SEAM_PROBE_DEPTHS] = {0};
    for (uint32_t layer = 0; layer < s->hp.n_layer; layer++) {
        const struct seam_cost lo =
            seam_rates_decode(s, layer, SEAM_PROBE_FIRST, &b->m, SEAM_CASE_MID);
        products += lo.weights;
        first += lo.attention; /* no point: operations */
        for (uint32_t k = 0; k < SEAM_PROBE_DEPTHS; k++)
            ops[k] +=
                seam_rates_decode(s, layer, r->step_depth[k], &b->m, SEAM_CASE_MID).attention -
                lo.attention;
    }
    double shallow = round->step; /* less its own few tokens of attention */
    for (uint32_t k = 0; k < SEAM_PROBE_DEPTHS; k++) {
        double more = round->step_deep[k] - round->step;
        tell_point(r, SEAM_POINT_STEP, r->step_depth[k], more > 0 ? ops[k] / more : 0, "step",
                   seam_probe_steps[k]);
        if (k == 0 && more > 0 && first * more < 0.5 * shallow * ops[k])
            shallow -= first * more / ops[k];
    }
    if (shallow > 0 && products > shallow) {
        scale_products(b, false, products / shallow);
        products = shallow;
    }
    struct seam_probe_series *layer = seam_probe_series_at(r, "layer", SEAM_UNIT_SECONDS);
    if (layer) {
        double left = (shallow - products) / s->hp.n_layer;
        layer->told = layer->less = true;
        layer->rate = SEAM_RATE_LAYER;
        layer->from[0] = "step";
        put(r, layer, left > LAYER_MOST ? LAYER_MOST : left);
    }
}

/* Of the planner's single numbers, for models that were not measured here. */
static void derive_shares(struct seam_probe_run *r, const struct book *b,
                          const struct seam_probe_round *round)
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
    for (uint32_t i = 0; i < b->n_product; i++)
        if (b->point[i].at == r->columns[r->n_columns - 1] &&
            b->point[i].rate.v[SEAM_CASE_MID] > best)
            best = b->point[i].rate.v[SEAM_CASE_MID];
    put(r, matmul, best);
}

/* The products' rates as whole layers and steps left them. */
static void tell_products(struct seam_probe_run *r, const struct book *b)
{
    for (uint32_t i = 0; i < b->n_product; i++) {
        const struct seam_plan_point *p = &b->point[i];
        char name[48];
        snprintf(name, sizeof name, "product %s x %.0f", p->type, p->at);
        struct seam_probe_series *s = seam_probe_series_at(r, name, SEAM_UNIT_FLOPS);
        if (!s)
            continue;
        s->told = true;
        s->point = SEAM_POINT_PRODUCT;
        s->type = p->type;
        s->at = (uint32_t)p->at;
        put(r, s, p->rate.v[SEAM_CASE_MID]);
    }
}

static void derive(struct seam_probe_run *r, const struct seam_probe_round *round)
{
    struct book b; /* in this order: later ones use the points of earlier ones */
    open_book(&b, r, round);
    derive_step(r, &b, round);
    const struct found attention = fit_prefill(r, &b, round);
    tell_products(r, &b);
    derive_shares(r, &b, round);
    tell_attention(r, &attention);
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
