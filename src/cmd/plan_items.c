/* plan_items.c - the numbers of a plan: which layouts are shown, and every number with its key and formula. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/plan_page.h"

const char *seam_tokens_text(double n, char *buf, size_t len)
{
    if (n >= 1024 && fmod(n, 1024) == 0)
        snprintf(buf, len, "%.0fk", n / 1024);
    else
        snprintf(buf, len, "%.0f", n);
    return buf;
}

void seam_cell_text(double prompt, double cached, char *buf, size_t len)
{
    char a[16], b[16];
    snprintf(buf, len, "%s+%s", seam_tokens_text(prompt, a, sizeof a),
             seam_tokens_text(cached, b, sizeof b));
}

const struct seam_item *seam_page_item(const struct seam_page *p, const char *key)
{
    for (size_t i = 0; i < p->n_item; i++)
        if (!strcmp(p->item[i].key, key))
            return &p->item[i];
    return NULL;
}

static struct seam_item *add(struct seam_page *p, const char *unit, const char *formula)
{
    static struct seam_item full; /* past the end: told by seam_page_fill */
    struct seam_item *it = p->n_item < SEAM_PAGE_ITEMS ? &p->item[p->n_item] : &full;
    p->n_item++;
    *it = (struct seam_item){.unit = unit, .formula = formula};
    return it;
}

static struct seam_item *add_fact(struct seam_page *p, const char *key, double v, const char *unit,
                                  const char *formula)
{
    struct seam_item *it = add(p, unit, formula);
    snprintf(it->key, sizeof it->key, "%s", key);
    it->v[0] = it->v[1] = it->v[2] = v;
    return it;
}

/* ---- which layouts are shown ---- */

uint32_t seam_page_vendor(const struct seam_inventory *v, enum seam_vendor vendor)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < v->n_node; i++)
        if (v->node[i].machine.vendor == vendor)
            mask |= 1u << i;
    return mask;
}

static uint32_t stages_mask(const struct seam_layout *l)
{
    struct seam_layout only = *l;
    only.sweep = 0;
    return seam_layout_nodes(&only);
}

bool seam_page_today(const struct seam_layout *l)
{
    return l->n_stage == 1 && (l->sweep & (l->sweep - 1)) == 0 && !(l->sweep & stages_mask(l));
}

static void show(struct seam_page *p, const struct seam_layout *l, const char *why)
{
    for (uint32_t i = 0; i < p->n_shown; i++)
        if (p->shown[i] == l)
            return;
    if (p->n_shown == SEAM_PAGE_SHOWN)
        return;
    p->shown[p->n_shown] = l;
    p->why[p->n_shown++] = why;
}

static bool is_fastest(const struct seam_page *p, const struct seam_layout *l)
{
    return l == p->all;
}
static bool is_today(const struct seam_page *p, const struct seam_layout *l)
{
    (void)p;
    return seam_page_today(l);
}
static bool is_without(const struct seam_page *p, const struct seam_layout *l)
{
    return !(seam_layout_nodes(l) & seam_page_vendor(p->inv, SEAM_VENDOR_NVIDIA));
}
static bool is_solo(const struct seam_page *p, const struct seam_layout *l)
{
    (void)p;
    return l->n_stage == 1 && !l->sweep;
}
static bool is_crossing(const struct seam_page *p, const struct seam_layout *l)
{
    const uint32_t nvidia = seam_page_vendor(p->inv, SEAM_VENDOR_NVIDIA), all = stages_mask(l);
    return !l->sweep && (all & nvidia) && (all & ~nvidia);
}

static const struct {
    const char *why;
    bool (*is)(const struct seam_page *p, const struct seam_layout *l);
} rules[] = {
    {"fastest", is_fastest},
    {"fastest that Seam runs today", is_today},
    {"fastest without NVIDIA", is_without},
    {"fastest alone", is_solo},
    {"fastest with every token through both kinds", is_crossing},
};

static int count(uint32_t mask)
{
    int n = 0;
    for (; mask; mask &= mask - 1)
        n++;
    return n;
}

/* Some of its machines are as fast without the others, or a twin of it comes before. */
static bool is_beaten(const struct seam_page *p, size_t i)
{
    const struct seam_layout *l = &p->all[i];
    const uint32_t nodes = seam_layout_nodes(l);
    for (size_t j = 0; j < p->n_all; j++) {
        const struct seam_layout *o = &p->all[j];
        const uint32_t others = seam_layout_nodes(o);
        if (j != i && (others & ~nodes) == 0 && (others != nodes || j < i || !o->sweep) &&
            o->score < 1.02 * l->score)
            return true;
        if (j < i && fabs(o->score / l->score - 1) < 1e-9 && count(others) == count(nodes) &&
            o->n_stage == l->n_stage)
            return true;
    }
    return false;
}

static void choose(struct seam_page *p)
{
    for (size_t rule = 0; rule < sizeof rules / sizeof *rules; rule++)
        for (size_t i = 0; i < p->n_all; i++)
            if (rules[rule].is(p, &p->all[i])) {
                show(p, &p->all[i], rules[rule].why);
                break;
            }
    for (size_t i = 0; i < p->n_all; i++)
        if (!is_beaten(p, i))
            show(p, &p->all[i], "fastest of its machines");
    for (uint32_t i = 1; i < p->n_shown; i++) /* into the order of their scores */
        for (uint32_t j = i; j > 0 && p->shown[j] < p->shown[j - 1]; j--) {
            const struct seam_layout *l = p->shown[j];
            const char *why = p->why[j];
            p->shown[j] = p->shown[j - 1];
            p->why[j] = p->why[j - 1];
            p->shown[j - 1] = l;
            p->why[j - 1] = why;
        }
}

/* ---- numbers of the model and of the pool ---- */

static void add_model(struct seam_page *p)
{
    const struct seam_shape *s = p->shape;
    struct seam_item *it =
        add_fact(p, "model.bytes", s->bytes, "B",
                 s->source ? "as published"
                           : "sum over tensors of values / block x bytes of a block");
    it->source = s->source;
    add_fact(p, "model.computed", s->computed, "B",
             "sum over tensors of values / block x bytes of a block (src/model/mix.c)");
    add_fact(p, "model.active", seam_shape_active_bytes(s), "B",
             "per token: attention, shared experts, head, and used / all of the routed experts");
    add_fact(p, "model.kv", seam_shape_kv_bytes(s), "B",
             "per token: sum over layers of KV values x 2 B (MLA: latent + rope key; GQA: keys and "
             "values of all KV heads; a recurrent layer has none)");
    add_fact(p, "model.kv128k", 131072 * seam_shape_kv_bytes(s), "B", "131,072 x model.kv");
}

static void add_pool(struct seam_page *p)
{
    static const char *const unit[SEAM_UNIT_COUNT] = {"B", "B/s", "B/s",  "FLOP/s",
                                                      "s", "W",   "share"};
    for (uint32_t i = 0; i < p->inv->n_node; i++) {
        const struct seam_plan_node *n = &p->inv->node[i];
        for (int r = 0; r < SEAM_RATE_COUNT; r++) {
            const struct seam_rate_row *row = seam_rate_row((enum seam_rate)r);
            if (!n->machine.has[r])
                continue;
            struct seam_item *it =
                add(p, unit[row->unit], "given: a card's number, or your file's");
            snprintf(it->key, sizeof it->key, "node.%s.%s", n->name, row->key);
            memcpy(it->v, n->machine.rate[r].v, sizeof it->v);
            it->source = seam_quantity_source(&n->machine.rate[r]);
        }
        for (uint32_t j = 0; j < i; j++) {
            const struct seam_plan_link *l = p->inv->link[i][j];
            for (int k = 0; l && k < 2; k++) {
                const struct seam_quantity *q = k ? &l->latency : &l->rate;
                struct seam_item *it =
                    add(p, k ? "s" : "B/s", "given: the fastest cable between them");
                snprintf(it->key, sizeof it->key, "link.%s.%s.%s", p->inv->node[j].name, n->name,
                         k ? "latency" : "rate");
                memcpy(it->v, q->v, sizeof it->v);
                it->source = seam_quantity_source(q);
            }
        }
    }
}

/* ---- numbers of the layouts ---- */

static void add_memory(struct seam_page *p, uint32_t k, uint32_t node)
{
    static const struct {
        const char *part, *formula;
    } rows[] = {
        {"weights",
         "bytes of its layers, the embedding on the first stage, the head on the last; on a "
         "sweep node twice the largest layer (docs/cost-model.md 7)"},
        {"kv",
         "context x layers x KV values per token x 2 B (f16), plus f32 states of recurrent layers"},
        {"activations",
         "context x (hidden x 4 B + heads x (key + value width) x 2 B of one layer, expanded from "
         "latents) + transposed k_b + a chunk's tokens by expert (docs/cost-model.md 7)"},
        {"compute",
         "the widest graph of 512 tokens at the end of the context, converted operands, the "
         "graph itself (src/model/footprint.h, docs/cost-model.md 7)"},
        {"transfer", "three links with 8 MiB each way and 4 MiB of books"},
        {"sum", "weights + kv + activations + compute + transfer"},
        {"room",
         "the machine's usable memory; where that is not enough, what it has with a raised limit"},
        {"headroom", "room - sum"},
    };
    const struct seam_hold h = seam_layout_hold(p->shown[k], p->shape, node, p->n_ctx);
    bool raised = false;
    const double sum = seam_hold_sum(&h), room = seam_node_room(&p->inv->node[node], sum, &raised);
    const double v[] = {h.weights,  h.kv, h.activations, h.compute,
                        h.transfer, sum,  room,          room - sum};
    for (size_t i = 0; i < sizeof rows / sizeof *rows && sum > 0; i++) {
        char key[64];
        snprintf(key, sizeof key, "%c.memory.%s.%s", 'A' + (int)k, p->inv->node[node].name,
                 rows[i].part);
        struct seam_item *it = add_fact(p, key, v[i], "B", rows[i].formula);
        it->layout = p->shown[k];
    }
}

static void add_answer(struct seam_page *p, uint32_t k, const struct seam_work *w)
{
    static const struct {
        const char *name, *unit, *formula;
    } rows[] = {
        {"ttft", "s",
         "time to first token = the faster of the stages' own prefill and, where there is one, the sweep; "
         "+ one decode step (docs/cost-model.md 4, 5)"},
        {"decode", "tokens/s",
         "1 / (sum over layers of max(bytes / (bandwidth x share), FLOP / rate) + attention + fixed, + "
         "head + hops), half way through the output (docs/cost-model.md 3, 4)"},
        {"energy", "J",
         "sum over nodes of power x busy time + idle power x the rest of the answer's time "
         "(docs/cost-model.md 6)"},
    };
    char cell[40];
    struct seam_item *it[3];
    seam_cell_text(w->prompt, w->cached, cell, sizeof cell);
    for (int j = 0; j < 3; j++) {
        it[j] = add(p, rows[j].unit, rows[j].formula);
        snprintf(it[j]->key, sizeof it[j]->key, "%c.%s.%s", 'A' + (int)k, rows[j].name, cell);
        it[j]->layout = p->shown[k];
        it[j]->work = *w;
    }
    for (int c = 0; c < SEAM_CASES; c++) {
        const struct seam_answer a =
            seam_layout_answer(p->shown[k], p->inv, p->shape, w, (enum seam_case)c);
        it[0]->v[c] = a.ttft_s;
        it[1]->v[c] = 1 / a.step_s;
        it[2]->v[c] = a.joules;
    }
}

static void add_layout(struct seam_page *p, uint32_t k)
{
    char key[64];
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        add_memory(p, k, i);
    for (uint32_t i = 0; i < p->n_prompt; i++)
        for (uint32_t j = 0; j < p->n_cached; j++)
            add_answer(p, k, &(struct seam_work){p->prompt[i], p->cached[j], p->output});
    if (!p->shown[k]->sweep)
        return;
    snprintf(key, sizeof key, "%c.breakeven", 'A' + (int)k);
    struct seam_item *it = add_fact(
        p, key, seam_layout_break_even(p->shown[k], p->inv, p->shape), "tokens",
        "smallest prompt, nothing cached, for which the sweep's time is less than the stages' own "
        "prefill, by bisection in the likely case; 0: none");
    it->layout = p->shown[k];
}

/* ---- the user's kinds of work ---- */

static const struct seam_use uses[SEAM_PAGE_USES] = {
    {.key = "reflective",
     .name = "reflective session: 500 new on 32k, 800 out",
     .w = {500, 32768, 800}},
    {.key = "writing", .name = "long writing: 8k new, 4k out", .w = {8192, 0, 4096}},
    {.key = "agent-first", .name = "agent, first turn: 200k new, 500 out", .w = {204800, 0, 500}},
    {.key = "agent-later",
     .name = "agent, later turn: 2k new on 200k, 500 out",
     .w = {2048, 204800, 500}},
    {.key = "notes", .name = "private notes: 32k new, 1k out", .w = {32768, 0, 1024}},
};

static bool takes_part(const struct seam_page *p, const struct seam_layout *l, enum seam_side side)
{
    switch (side) {
    case SEAM_SIDE_WITHOUT: return is_without(p, l);
    case SEAM_SIDE_TOKEN: return is_crossing(p, l);
    default: return true;
    }
}

static void find_fastest(const struct seam_page *p, struct seam_use *use, enum seam_side side)
{
    use->s[side] = INFINITY;
    for (size_t i = 0; i < use->n_all; i++) {
        const struct seam_layout *l = &use->all[i];
        if (!takes_part(p, l, side))
            continue;
        double t = seam_layout_answer(l, p->inv, p->shape, &use->w, SEAM_CASE_MID).total_s;
        if (t < use->s[side]) {
            use->s[side] = t;
            use->layout[side] = l;
        }
    }
}

/* Each with layouts that have room for its own context. */
static seam_status add_uses(struct seam_page *p, struct seam_err *err)
{
    static const char *const side[SEAM_SIDES] = {"without", "token", "sweep"};
    static const char *const formula[SEAM_SIDES] = {
        "first token + output x step of the fastest layout without NVIDIA nodes",
        "first token + output x step of the fastest layout whose stages are on both kinds of machine",
        "first token + output x step of the fastest layout of all"};
    for (size_t u = 0; u < SEAM_PAGE_USES; u++) {
        struct seam_use *use = &p->use[u];
        *use = uses[u];
        const uint32_t n_ctx = (uint32_t)(use->w.prompt + use->w.cached + use->w.output);
        seam_status st =
            seam_layouts_find(&use->all, &use->n_all, p->inv, p->shape, n_ctx, &use->w, 1, err);
        if (st != SEAM_OK)
            return st;
        for (int k = 0; k < SEAM_SIDES; k++) {
            find_fastest(p, use, (enum seam_side)k);
            if (!use->layout[k])
                continue;
            struct seam_item *it = add(p, "s", formula[k]);
            snprintf(it->key, sizeof it->key, "use.%s.%s", use->key, side[k]);
            it->layout = use->layout[k];
            it->work = use->w;
            for (int c = 0; c < SEAM_CASES; c++)
                it->v[c] =
                    seam_layout_answer(it->layout, p->inv, p->shape, &use->w, (enum seam_case)c)
                        .total_s;
        }
    }
    return SEAM_OK;
}

/* ---- one change ---- */

static size_t fill_work(const struct seam_page *p, struct seam_work *w)
{
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_prompt; i++)
        for (uint32_t j = 0; j < p->n_cached; j++)
            w[n++] = (struct seam_work){p->prompt[i], p->cached[j], p->output};
    return n;
}

static double score_of(const struct seam_page *p, const struct seam_inventory *v,
                       const struct seam_shape *s)
{
    struct seam_work w[SEAM_PLAN_CELLS];
    struct seam_layout *l;
    size_t n;
    struct seam_err err = {0};
    if (seam_layouts_find(&l, &n, v, s, p->n_ctx, w, fill_work(p, w), &err) != SEAM_OK)
        return INFINITY;
    double score = n ? l[0].score : INFINITY;
    free(l);
    return score;
}

/* Each makes the change and says whether there was anything to change. */
static bool faster_switch(struct seam_inventory *v)
{
    const struct seam_plan_link *slow = seam_inventory_link(v, "10gbe"),
                                *fast = seam_inventory_link(v, "25gbe");
    bool any = false;
    for (uint32_t i = 0; i < v->n_node; i++)
        for (uint32_t j = 0; j < v->n_node; j++)
            if (v->link[i][j] && v->link[i][j] == slow) {
                v->link[i][j] = fast;
                any = true;
            }
    return any;
}

static void faster_disks(struct seam_inventory *v)
{
    for (uint32_t i = 0; i < v->n_node; i++)
        for (int c = 0; c < SEAM_CASES; c++)
            v->node[i].machine.rate[SEAM_RATE_DISK].v[c] *= 2;
}

static bool limit_as_it_is(struct seam_inventory *v)
{
    bool any = false;
    for (uint32_t i = 0; i < v->n_node; i++) {
        any |= v->node[i].machine.has[SEAM_RATE_RAISED];
        v->node[i].machine.has[SEAM_RATE_RAISED] = false;
    }
    return any;
}

static void add_change(struct seam_page *p, const char *key, const char *name, double before,
                       double after)
{
    char k[64];
    p->change[p->n_change++] = (struct seam_change){name, before, after};
    if (isinf(before) || isinf(after))
        return;
    snprintf(k, sizeof k, "change.%s", key);
    add_fact(
        p, k, after / before, "ratio",
        "geometric mean of the likely answer times of all asked prompts on the fastest layout, after the "
        "change / before it");
}

/* Q4_K_XL instead of what was asked: the user's decision rule. */
static void other_type(struct seam_page *p, double now)
{
    static const struct {
        const char *type, *key, *name;
    } rows[] = {
        {"Q8_K_XL", "q4", "Q4_K_XL for Q8_K_XL (perplexity +1e-4)"},
        {"Q2_K_XL", "q4", "Q4_K_XL for Q2_K_XL (better answers)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = strstr(p->shape->name, rows[i].type);
        char name[128];
        struct seam_shape *other;
        struct seam_err err = {0};
        if (!at)
            continue;
        snprintf(name, sizeof name, "%.*sQ4_K_XL%s", (int)(at - p->shape->name), p->shape->name,
                 at + strlen(rows[i].type));
        if (seam_shape_open(&other, p->inv, name, &err) != SEAM_OK)
            continue;
        add_change(p, rows[i].key, rows[i].name, now, score_of(p, p->inv, other));
        seam_shape_close(other);
    }
}

static void add_changes(struct seam_page *p)
{
    const double now = p->n_all ? p->all[0].score : INFINITY;
    struct seam_inventory v = *p->inv;
    if (faster_switch(&v))
        add_change(p, "25gbe", "25GbE instead of 10GbE", now, score_of(p, &v, p->shape));
    other_type(p, now);
    v = *p->inv;
    faster_disks(&v);
    add_change(p, "disk", "disks twice as fast, on every machine", now, score_of(p, &v, p->shape));
    v = *p->inv;
    if (limit_as_it_is(&v))
        add_change(p, "wired", "raising the macOS wired limit (counted above)",
                   score_of(p, &v, p->shape), now);
}

/* ---- all ---- */

seam_status seam_page_fill(struct seam_page *p, struct seam_err *err)
{
    struct seam_work w[SEAM_PLAN_CELLS];
    seam_status st =
        seam_layouts_find(&p->all, &p->n_all, p->inv, p->shape, p->n_ctx, w, fill_work(p, w), err);
    if (st != SEAM_OK)
        return st;
    p->item = calloc(SEAM_PAGE_ITEMS, sizeof *p->item);
    if (!p->item)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a page");
    choose(p);
    add_model(p);
    add_pool(p);
    for (uint32_t k = 0; k < p->n_shown; k++)
        add_layout(p, k);
    st = add_uses(p, err);
    if (st != SEAM_OK)
        return st;
    add_changes(p);
    return p->n_item <= SEAM_PAGE_ITEMS
               ? SEAM_OK
               : seam_fail(err, SEAM_EINTERNAL, "a page of %zu numbers", p->n_item);
}

void seam_page_release(struct seam_page *p)
{
    for (size_t i = 0; i < SEAM_PAGE_USES; i++)
        free(p->use[i].all);
    free(p->item);
    free(p->all);
    seam_shape_close(p->shape);
    seam_inventory_close(p->inv);
}
