#include "plan/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct seam_plan_machine *machine(const struct seam_inventory *v, uint32_t node)
{
    return &v->node[node].machine;
}

uint32_t seam_layout_nodes(const struct seam_layout *l)
{
    uint32_t mask = l->sweep;
    for (uint32_t i = 0; i < l->n_stage; i++)
        mask |= 1u << l->stage[i];
    return mask;
}

double seam_node_room(const struct seam_plan_node *n, double want, bool *raised)
{
    const struct seam_plan_machine *m = &n->machine;
    double plain = m->rate[SEAM_RATE_USABLE].v[SEAM_CASE_MID];
    if (want <= plain || !m->has[SEAM_RATE_RAISED])
        return plain;
    *raised = true;
    return m->rate[SEAM_RATE_RAISED].v[SEAM_CASE_MID];
}

struct seam_hold seam_layout_hold(const struct seam_layout *l, const struct seam_shape *s,
                                  uint32_t node, uint32_t n_ctx)
{
    struct seam_hold h = {0};
    for (uint32_t i = 0; i < l->n_stage; i++)
        if (l->stage[i] == node)
            h = seam_cost_hold(s, l->first[i], l->first[i + 1], n_ctx);
    if (!(l->sweep >> node & 1))
        return h;
    const struct seam_hold w = seam_cost_hold_sweep(s, n_ctx);
    h.weights += w.weights;
    h.kv += w.kv;
    h.activations += w.activations;
    h.compute += w.compute;
    h.transfer += w.transfer;
    return h;
}

/* Does it fit? Notes whether a limit must be raised for it. */
static bool fits(struct seam_layout *l, const struct seam_inventory *v, const struct seam_shape *s,
                 uint32_t n_ctx)
{
    l->raised = false;
    for (uint32_t i = 0; i < v->n_node; i++) {
        const struct seam_hold h = seam_layout_hold(l, s, i, n_ctx);
        double want = seam_hold_sum(&h);
        if (want > seam_node_room(&v->node[i], want, &l->raised))
            return false;
    }
    return true;
}

/* ---- time ---- */

static double transfer(const struct seam_plan_link *l, double bytes, enum seam_case c)
{
    return l ? bytes / l->rate.v[c] + l->latency.v[c] : INFINITY;
}

static double hidden_bytes(const struct seam_shape *s)
{
    return (double)s->hp.n_embd * sizeof(uint16_t);
}

static struct seam_cost stage_step(const struct seam_layout *l, const struct seam_inventory *v,
                                   const struct seam_shape *s, uint32_t i, double depth,
                                   enum seam_case c)
{
    struct seam_cost sum = {0};
    const struct seam_plan_machine *m = machine(v, l->stage[i]);
    for (uint32_t layer = l->first[i]; layer < l->first[i + 1]; layer++) {
        const struct seam_cost one = seam_cost_decode(s, layer, depth, m, c);
        seam_cost_add(&sum, &one, 1);
    }
    if (i + 1 == l->n_stage) {
        const struct seam_cost head = seam_cost_head(s, m, c);
        seam_cost_add(&sum, &head, 1);
    }
    return sum;
}

/* One token through all stages; the token itself returns to the first. */
static struct seam_cost step(const struct seam_layout *l, const struct seam_inventory *v,
                             const struct seam_shape *s, double depth, enum seam_case c)
{
    struct seam_cost sum = {0};
    for (uint32_t i = 0; i < l->n_stage; i++) {
        const struct seam_cost one = stage_step(l, v, s, i, depth, c);
        seam_cost_add(&sum, &one, 1);
        if (i > 0)
            sum.link += transfer(v->link[l->stage[i - 1]][l->stage[i]], hidden_bytes(s), c);
    }
    if (l->n_stage > 1) {
        const struct seam_plan_link *back = v->link[l->stage[l->n_stage - 1]][l->stage[0]];
        if (back)
            sum.link += back->latency.v[c];
    }
    return sum;
}

/* Chunks follow each other through the stages: the slowest stage works all the time, the others add
 * one chunk each. */
static struct seam_cost local_prefill(const struct seam_layout *l, const struct seam_inventory *v,
                                      const struct seam_shape *s, const struct seam_work *w,
                                      enum seam_case c)
{
    struct seam_cost stage[SEAM_PLAN_NODES] = {{0}}, sum = {0};
    const double chunks = ceil(w->prompt / SEAM_COST_CHUNK);
    uint32_t slowest = 0;
    for (uint32_t i = 0; i < l->n_stage; i++) {
        for (uint32_t layer = l->first[i]; layer < l->first[i + 1]; layer++) {
            const struct seam_cost one =
                seam_cost_prefill(s, layer, w->prompt, w->cached, SEAM_COST_CHUNK,
                                  machine(v, l->stage[i]), c);
            seam_cost_add(&stage[i], &one, 1);
        }
        if (seam_cost_sum(&stage[i]) > seam_cost_sum(&stage[slowest]))
            slowest = i;
        if (i > 0)
            sum.link += transfer(v->link[l->stage[i - 1]][l->stage[i]],
                                 hidden_bytes(s) * w->prompt / chunks, c);
    }
    for (uint32_t i = 0; i < l->n_stage; i++)
        seam_cost_add(&sum, &stage[i], i == slowest ? 1 : 1 / chunks);
    return sum;
}

/* Slowest of the cables between the sweep nodes, and from them to the stages. */
static const struct seam_plan_link *worst_link(const struct seam_layout *l,
                                               const struct seam_inventory *v, bool among)
{
    const struct seam_plan_link *worst = NULL;
    for (uint32_t a = 0; a < v->n_node; a++)
        for (uint32_t b = 0; b < v->n_node; b++) {
            bool want = false;
            for (uint32_t i = 0; i < l->n_stage; i++)
                want |= l->stage[i] == b;
            want = among ? (l->sweep >> b & 1) != 0 : want;
            if (!(l->sweep >> a & 1) || !want || a == b || !v->link[a][b])
                continue;
            if (!worst || v->link[a][b]->rate.v[SEAM_CASE_MID] < worst->rate.v[SEAM_CASE_MID])
                worst = v->link[a][b];
        }
    return worst;
}

struct sweepers { /* their rates, together */
    double disk, n, contention;
    const struct seam_plan_link *among, *out;
};

static struct sweepers gather(const struct seam_layout *l, const struct seam_inventory *v,
                              enum seam_case c)
{
    struct sweepers w = {.among = worst_link(l, v, true), .out = worst_link(l, v, false)};
    for (uint32_t i = 0; i < v->n_node; i++)
        if (l->sweep >> i & 1) {
            const struct seam_plan_machine *m = machine(v, i);
            w.n++;
            w.disk += m->rate[SEAM_RATE_DISK].v[c];
            if (m->rate[SEAM_RATE_CONTENTION].v[c] > w.contention)
                w.contention = m->rate[SEAM_RATE_CONTENTION].v[c];
        }
    return w;
}

/* All sweep nodes on one layer: tokens are shared so that they end together. */
static struct seam_cost sweep_layer(const struct seam_layout *l, const struct seam_inventory *v,
                                    const struct seam_shape *s, uint32_t layer,
                                    const struct seam_work *w, enum seam_case c)
{
    double speed = 0, longest = 0;
    struct seam_cost one = {0}, cost = {0};
    for (uint32_t i = 0; i < v->n_node; i++) {
        if (!(l->sweep >> i & 1))
            continue;
        one = seam_cost_prefill(s, layer, w->prompt, w->cached, w->prompt, machine(v, i), c);
        double t = seam_cost_sum(&one);
        speed += t > 0 ? 1 / t : 0;
        longest = t;
    }
    if (speed > 0 && longest > 0) /* what it is made of, in the proportions of the last node */
        seam_cost_add(&cost, &one, 1 / speed / longest);
    return cost;
}

/* Disk, cables and compute side by side, layer after layer: the slowest counts. */
static struct seam_cost sweep(const struct seam_layout *l, const struct seam_inventory *v,
                              const struct seam_shape *s, const struct seam_work *w,
                              enum seam_case c)
{
    const struct sweepers g = gather(l, v, c);
    struct seam_cost sum = {0};
    for (uint32_t i = 0; i < s->hp.n_layer; i++) {
        struct seam_cost compute = sweep_layer(l, v, s, i, w, c);
        double bytes =
            i + 1 < s->hp.n_layer ? seam_shape_layer_bytes(&s->layer[i]) : s->layer[i].attn.bytes;
        double disk = bytes / g.disk;
        double link = g.n > 1 ? transfer(g.among, bytes * (g.n - 1) / g.n, c) : 0;
        double kv = s->layer[i].kv_bytes * (w->prompt + w->cached) + s->layer[i].state_bytes;
        double out = g.out ? transfer(g.out, kv, c) : 0;
        if (i == 0)
            sum.disk += disk; /* nothing to compute meanwhile */
        if (i + 1 == s->hp.n_layer)
            sum.link += out; /* nothing to hide it behind */
        link = link > out ? link : out;
        double t = seam_cost_sum(&compute) + g.contention * disk;
        if (t >= disk && t >= link) {
            seam_cost_add(&sum, &compute, t / seam_cost_sum(&compute));
        } else if (disk >= link) {
            sum.disk += disk;
        } else {
            sum.link += link;
        }
    }
    return sum;
}

static double energy(const struct seam_layout *l, const struct seam_inventory *v,
                     const struct seam_shape *s, const struct seam_work *w,
                     const struct seam_answer *a, enum seam_case c)
{
    double joules = 0, depth = w->cached + w->prompt + w->output / 2;
    double prefill = a->ttft_s - a->step_s;
    for (uint32_t i = 0; i < v->n_node; i++) {
        double busy = (l->sweep >> i & 1) && a->swept ? prefill : 0;
        if (!(seam_layout_nodes(l) >> i & 1))
            continue;
        for (uint32_t k = 0; k < l->n_stage; k++)
            if (l->stage[k] == i) {
                const struct seam_cost one = stage_step(l, v, s, k, depth, c);
                busy += w->output * seam_cost_sum(&one) + (a->swept ? 0 : prefill);
            }
        busy = busy < a->total_s ? busy : a->total_s;
        const struct seam_plan_machine *m = machine(v, i);
        joules += m->rate[SEAM_RATE_POWER].v[c] * busy +
                  m->rate[SEAM_RATE_IDLE].v[c] * (a->total_s - busy);
    }
    return joules;
}

struct seam_answer seam_layout_answer(const struct seam_layout *l, const struct seam_inventory *v,
                                      const struct seam_shape *s, const struct seam_work *w,
                                      enum seam_case c)
{
    struct seam_answer a = {0};
    const struct seam_cost first = step(l, v, s, w->cached + w->prompt, c);
    a.step = step(l, v, s, w->cached + w->prompt + w->output / 2, c);
    a.step_s = seam_cost_sum(&a.step);
    a.ttft = local_prefill(l, v, s, w, c);
    if (l->sweep) {
        const struct seam_cost swept = sweep(l, v, s, w, c);
        a.swept = seam_cost_sum(&swept) < seam_cost_sum(&a.ttft);
        if (a.swept)
            a.ttft = swept;
    }
    seam_cost_add(&a.ttft, &first, 1);
    a.ttft_s = seam_cost_sum(&a.ttft);
    a.total_s = a.ttft_s + w->output * a.step_s;
    a.joules = energy(l, v, s, w, &a, c);
    return a;
}

double seam_layout_break_even(const struct seam_layout *l, const struct seam_inventory *v,
                              const struct seam_shape *s)
{
    double lo = 1, hi = 1 << 20;
    struct seam_work w = {hi, 0, 0};
    if (!l->sweep || !seam_layout_answer(l, v, s, &w, SEAM_CASE_MID).swept)
        return 0;
    while (hi - lo > 1) {
        w.prompt = floor((lo + hi) / 2);
        if (seam_layout_answer(l, v, s, &w, SEAM_CASE_MID).swept)
            hi = w.prompt;
        else
            lo = w.prompt;
    }
    return hi;
}

/* ---- the search ---- */

struct search {
    const struct seam_inventory *v;
    const struct seam_shape *s;
    uint32_t n_ctx;
    double depth;
    double *cost;             /* per node and layer boundary: prefix sums of decode time */
    double *held;             /* per layer boundary: prefix sums of weights and KV */
    double *room;             /* per node */
    double rest, embed, head; /* what a stage holds beside its layers; the first; the last */
    struct seam_layout best;
    double best_s;
};

/* seam_cost_hold's sum, in no time. */
static double held(const struct search *x, uint32_t first, uint32_t end)
{
    return x->held[end] - x->held[first] + x->rest + (first == 0 ? x->embed : 0) +
           (end < x->s->hp.n_layer     ? 0
            : first == 0 && x->s->tied ? x->head - x->embed
                                       : x->head);
}

/* The fastest contiguous split of the layers over stages in this order: exact, by dynamic programming
 * over (stage, first layer not yet placed). */
static bool split(struct search *x, struct seam_layout *l)
{
    const uint32_t n = x->s->hp.n_layer;
    double *t = malloc((l->n_stage + 1) * (n + 1) * sizeof *t);
    uint32_t *from = calloc((l->n_stage + 1) * (n + 1), sizeof *from);
    if (!t || !from) {
        free(t);
        free(from);
        return false;
    }
    for (uint32_t i = 0; i < (l->n_stage + 1) * (n + 1); i++)
        t[i] = INFINITY;
    t[0] = 0;
    for (uint32_t i = 0; i < l->n_stage; i++) {
        const double *cost = x->cost + l->stage[i] * (n + 1);
        for (uint32_t a = 0; a < n; a++) {
            if (isinf(t[i * (n + 1) + a]))
                continue;
            for (uint32_t b = a + 1; b <= n; b++) {
                if (held(x, a, b) > x->room[l->stage[i]])
                    break;
                double sum = t[i * (n + 1) + a] + cost[b] - cost[a];
                if (sum < t[(i + 1) * (n + 1) + b]) {
                    t[(i + 1) * (n + 1) + b] = sum;
                    from[(i + 1) * (n + 1) + b] = a;
                }
            }
        }
    }
    bool found = !isinf(t[l->n_stage * (n + 1) + n]);
    for (uint32_t i = l->n_stage, at = n; found && i > 0; i--) {
        l->first[i] = at;
        at = from[i * (n + 1) + at];
        l->first[i - 1] = at;
    }
    free(t);
    free(from);
    return found;
}

/* Every order of the nodes in `left` behind those already placed. */
static void orders(struct search *x, struct seam_layout *l, uint32_t left)
{
    if (left == 0) {
        struct seam_layout got = *l;
        if (!split(x, &got))
            return;
        const struct seam_cost c = step(&got, x->v, x->s, x->depth, SEAM_CASE_MID);
        if (seam_cost_sum(&c) < x->best_s) {
            x->best_s = seam_cost_sum(&c);
            x->best = got;
        }
        return;
    }
    for (uint32_t i = 0; i < x->v->n_node; i++) {
        if (!(left >> i & 1) || (l->n_stage && !x->v->link[l->stage[l->n_stage - 1]][i]))
            continue;
        l->stage[l->n_stage++] = i;
        orders(x, l, left & ~(1u << i));
        l->n_stage--;
    }
}

static bool prepare(struct search *x)
{
    const uint32_t n = x->s->hp.n_layer;
    x->cost = calloc((size_t)x->v->n_node * (n + 1), sizeof *x->cost);
    x->held = calloc(n + 1, sizeof *x->held);
    x->room = calloc(x->v->n_node, sizeof *x->room);
    if (!x->cost || !x->held || !x->room)
        return false;
    const struct seam_hold none = seam_cost_hold(x->s, 0, 0, x->n_ctx); /* holds the embedding */
    x->embed = x->s->embed.bytes;
    x->rest = seam_hold_sum(&none) - x->embed;
    x->head = x->s->head.bytes;
    for (uint32_t i = 0; i < n; i++)
        x->held[i + 1] = x->held[i] + seam_shape_layer_bytes(&x->s->layer[i]) +
                         x->n_ctx * x->s->layer[i].kv_bytes + x->s->layer[i].state_bytes;
    for (uint32_t i = 0; i < x->v->n_node; i++) {
        bool raised;
        x->room[i] = seam_node_room(&x->v->node[i], INFINITY, &raised);
        for (uint32_t layer = 0; layer < n; layer++) {
            const struct seam_cost c =
                seam_cost_decode(x->s, layer, x->depth, machine(x->v, i), SEAM_CASE_MID);
            x->cost[i * (n + 1) + layer + 1] = x->cost[i * (n + 1) + layer] + seam_cost_sum(&c);
        }
    }
    return true;
}

static void release(struct search *x)
{
    free(x->cost);
    free(x->held);
    free(x->room);
}

static int by_score(const void *a, const void *b)
{
    const struct seam_layout *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

/* Sweep nodes must reach each other and every stage. */
static bool connected(const struct seam_layout *l, const struct seam_inventory *v)
{
    uint32_t all = seam_layout_nodes(l);
    for (uint32_t a = 0; a < v->n_node; a++)
        for (uint32_t b = 0; b < v->n_node; b++)
            if ((l->sweep >> a & 1) && (all >> b & 1) && a != b && !v->link[a][b])
                return false;
    return true;
}

seam_status seam_layouts_find(struct seam_layout **out, size_t *n, const struct seam_inventory *v,
                              const struct seam_shape *s, uint32_t n_ctx,
                              const struct seam_work *work, size_t n_work, struct seam_err *err)
{
    const uint32_t subsets = 1u << v->n_node;
    struct search x = {.v = v, .s = s, .n_ctx = n_ctx, .depth = n_ctx / 2.0};
    *n = 0;
    *out = calloc((size_t)subsets * subsets, sizeof **out);
    if (!*out || !prepare(&x)) {
        release(&x);
        free(*out);
        *out = NULL;
        return seam_fail(err, SEAM_ENOMEM, "no memory for layouts");
    }
    for (uint32_t decode = 1; decode < subsets; decode++) {
        struct seam_layout l = {0};
        x.best_s = INFINITY;
        orders(&x, &l, decode);
        if (isinf(x.best_s))
            continue;
        for (uint32_t mask = 0; mask < subsets; mask++) {
            struct seam_layout *got = &(*out)[*n];
            *got = x.best;
            got->sweep = mask;
            if (mask && mask == decode && got->n_stage == 1)
                continue; /* its own prefill goes layer by layer, too */
            if (!connected(got, v) || !fits(got, v, s, n_ctx))
                continue;
            for (size_t i = 0; i < n_work; i++)
                got->score += log(seam_layout_answer(got, v, s, &work[i], SEAM_CASE_MID).total_s) /
                              (double)n_work;
            got->score = exp(got->score);
            ++*n;
        }
    }
    qsort(*out, *n, sizeof **out, by_score);
    release(&x);
    return SEAM_OK;
}
