#include "plan/cost.h"

#include <math.h>

#include "model/footprint.h"
#include "plan/rates.h"

static double max2(double a, double b)
{
    return a > b ? a : b;
}

double seam_cost_sum(const struct seam_cost *c)
{
    return c->weights + c->matmul + c->attention + c->fixed + c->disk + c->link;
}

void seam_cost_add(struct seam_cost *to, const struct seam_cost *c, double times)
{
    to->weights += c->weights * times;
    to->matmul += c->matmul * times;
    to->attention += c->attention * times;
    to->fixed += c->fixed * times;
    to->disk += c->disk * times;
    to->link += c->link * times;
}

const char *seam_cost_bottleneck(const struct seam_cost *c)
{
    const struct {
        double t;
        const char *name;
    } rows[] = {
        {c->weights, "memory (weights)"},
        {c->matmul, "matrix products"},
        {c->attention, "attention"},
        {c->fixed, "launches"},
        {c->disk, "disk"},
        {c->link, "link"},
    };
    size_t best = 0;
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].t > rows[best].t)
            best = i;
    return rows[best].name;
}

double seam_cost_experts(double n, double k, double tokens)
{
    return n > 0 ? n * (1 - pow(1 - k / n, tokens)) : 0;
}

static double rate(const struct seam_plan_machine *m, enum seam_rate r, enum seam_case c)
{
    return m->rate[r].v[c];
}

static double memory_rate(const struct seam_plan_machine *m, enum seam_case c)
{
    return rate(m, SEAM_RATE_BANDWIDTH, c) * rate(m, SEAM_RATE_DECODE, c);
}

/* One query reads KV in pieces of one head: slower than a matrix, where that was measured. */
static double kv_rate(const struct seam_plan_machine *m, enum seam_case c)
{
    enum seam_rate share = m->has[SEAM_RATE_KV] ? SEAM_RATE_KV : SEAM_RATE_DECODE;
    return rate(m, SEAM_RATE_BANDWIDTH, c) * rate(m, share, c);
}

static double delta_rate(const struct seam_plan_machine *m, enum seam_case c)
{
    return rate(m, SEAM_RATE_ATTENTION, c) *
           (m->has[SEAM_RATE_DELTA] ? rate(m, SEAM_RATE_DELTA, c) : SEAM_COST_DELTA);
}

double seam_cost_delta_flops(const struct seam_hparams *hp)
{
    return 6.0 * hp->ssm_inner * hp->ssm_state;
}

/* Roofline: the slower of multiplying and reading, put where it belongs. */
static void roof(struct seam_cost *to, double flops, double bytes,
                 const struct seam_plan_machine *m, enum seam_case c)
{
    double t_flops = flops / rate(m, SEAM_RATE_MATMUL, c), t_bytes = bytes / memory_rate(m, c);
    *(t_flops > t_bytes ? &to->matmul : &to->weights) += max2(t_flops, t_bytes);
}

double seam_cost_rows(double rows, double tile)
{
    return max2(tile, rows + (tile - 1) / 2);
}

double seam_cost_pair_width(const struct seam_hparams *hp, bool absorbed)
{
    return hp->mla && absorbed ? 2.0 * hp->kv_lora + hp->d_rope : hp->d_head + hp->d_v;
}

struct seam_cost seam_cost_prefill(const struct seam_shape *s, uint32_t layer, double n,
                                   double cached, double chunk, const struct seam_plan_machine *m,
                                   enum seam_case c)
{
    if (m->n_point)
        return seam_rates_prefill(s, layer, n, cached, m, c);
    const struct seam_shape_layer *l = &s->layer[layer];
    const struct seam_hparams *hp = &s->hp;
    const double chunks = ceil(n / chunk), width = n / chunks;
    struct seam_cost cost = {0};
    /* K and V of all tokens so far are expanded anew for each chunk; of its own they are in attn */
    const double again = m->absorbed ? 0 : chunks * cached + chunk * chunks * (chunks - 1) / 2;
    roof(&cost, 2 * (n * l->attn.values + again * l->expand_values), chunks * l->attn.bytes, m, c);
    if (layer + 1 == hp->n_layer)
        return cost; /* nobody reads more of the last layer than its KV */
    roof(&cost, 2 * n * l->ffn.values, chunks * l->ffn.bytes, m, c);
    if (l->routed.values > 0) {
        double experts = hp->n_expert;
        double touched = seam_cost_experts(experts, hp->n_expert_used, width);
        double rows =
            chunks * touched * seam_cost_rows(width * hp->n_expert_used / touched, m->tile);
        roof(&cost, 2 * rows * l->routed.values / experts,
             chunks * l->routed.bytes * touched / experts, m, c);
    }
    const double attention = rate(m, SEAM_RATE_ATTENTION, c);
    if (l->memory == SEAM_MEMORY_DELTA) {
        cost.attention += n * seam_cost_delta_flops(hp) / delta_rate(m, c);
    } else {
        double pairs = n * cached + n * (n + 1) / 2, seen = cached + n / 2;
        if (l->window > 0) {
            pairs = fmin(pairs, n * l->window);
            seen = fmin(seen, l->window + width);
        }
        double flops = 2 * pairs * hp->n_head * seam_cost_pair_width(hp, m->absorbed);
        double bytes = chunks * seen * l->kv_bytes;
        cost.attention += max2(flops / attention, bytes / memory_rate(m, c));
    }
    return cost;
}

struct seam_cost seam_cost_decode(const struct seam_shape *s, uint32_t layer, double depth,
                                  const struct seam_plan_machine *m, enum seam_case c)
{
    if (m->n_point)
        return seam_rates_decode(s, layer, depth, m, c);
    const struct seam_shape_layer *l = &s->layer[layer];
    const struct seam_hparams *hp = &s->hp;
    double share = l->routed.values > 0 ? (double)hp->n_expert_used / hp->n_expert : 0;
    struct seam_cost cost = {.fixed = rate(m, SEAM_RATE_LAYER, c)};
    roof(&cost, 2 * (l->attn.values + l->ffn.values + l->routed.values * share),
         l->attn.bytes + l->ffn.bytes + l->routed.bytes * share, m, c);
    if (l->memory == SEAM_MEMORY_DELTA) {
        cost.attention = max2(seam_cost_delta_flops(hp) / delta_rate(m, c),
                              2 * l->state_bytes / memory_rate(m, c));
        return cost;
    }
    const double seen = l->window > 0 && l->window < depth ? l->window : depth;
    cost.attention = max2(2 * seen * hp->n_head * seam_cost_pair_width(hp, true) /
                              rate(m, SEAM_RATE_ATTENTION, c),
                          seen * l->kv_bytes / kv_rate(m, c));
    return cost;
}

struct seam_cost seam_cost_head(const struct seam_shape *s, const struct seam_plan_machine *m,
                                enum seam_case c)
{
    if (m->n_point)
        return seam_rates_head(s, m, c);
    struct seam_cost cost = {0};
    roof(&cost, 2 * s->head.values, s->head.bytes, m, c);
    return cost;
}

/* ---- memory ---- */

double seam_hold_sum(const struct seam_hold *h)
{
    return h->weights + h->kv + h->activations + h->compute + h->transfer;
}

static struct seam_hold context(const struct seam_shape *s, uint32_t first, uint32_t end,
                                uint32_t n_ctx)
{
    const struct seam_activations a = seam_hparams_activations(&s->hp, n_ctx, sizeof(uint16_t));
    const struct seam_compute c =
        seam_hparams_compute(&s->hp, n_ctx, SEAM_ENGINE_CHUNK, SEAM_COST_THREADS);
    struct seam_hold h = {.activations = (double)(a.hidden + a.k + a.v + a.k_b + c.groups),
                          .compute = (double)(c.graph + c.work + c.books),
                          .transfer = SEAM_COST_LINKS};
    for (uint32_t i = first; i < end; i++)
        h.kv += n_ctx * s->layer[i].kv_bytes + s->layer[i].state_bytes;
    return h;
}

struct seam_hold seam_cost_hold(const struct seam_shape *s, uint32_t first, uint32_t end,
                                uint32_t n_ctx)
{
    struct seam_hold h = context(s, first, end, n_ctx);
    for (uint32_t i = first; i < end; i++)
        h.weights += seam_shape_layer_bytes(&s->layer[i]);
    if (first == 0)
        h.weights += s->embed.bytes;
    if (end == s->hp.n_layer)
        h.weights += s->tied && first == 0 ? s->head.bytes - s->embed.bytes : s->head.bytes;
    return h;
}

/* The layer in use and the next one; the embedding is read whole, too. */
struct seam_hold seam_cost_hold_sweep(const struct seam_shape *s, uint32_t n_ctx)
{
    struct seam_hold h = context(s, 0, s->hp.n_layer, n_ctx);
    h.weights = s->embed.bytes;
    for (uint32_t i = 0; i < s->hp.n_layer; i++)
        h.weights = max2(h.weights, 2 * seam_shape_layer_bytes(&s->layer[i]));
    if (h.weights > s->bytes)
        h.weights = s->bytes;
    return h;
}
