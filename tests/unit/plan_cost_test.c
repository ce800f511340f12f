/* The cost model against arithmetic done here: published sizes, one layer by hand, the best split against all
 * splits, what must be monotone, and break-even from both sides. Machines are made up, so that each case has one
 * limit; nothing here depends on the constants of cards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/layout.h"

static void near_to(double got, double want, double within)
{
    if (fabs(got - want) > within * fabs(want))
        fail_msg("%.12g is not %.12g (within %g)", got, want, within);
}

/* Three unlike machines that do not hold much, and two that hold all and are alike. */
static const char text[] =
    "machines:\n"
    "  - name: a\n    vendor: apple\n    memory: {is: 400 GB}\n    usable: {is: 300 GB}\n"
    "    bandwidth: {is: 800 GB/s}\n    decode: {is: 50 %}\n    matmul: {is: 10 TFLOPS}\n"
    "    attention: {is: 10 TFLOPS}\n    disk: {is: 5 GB/s}\n    contention: {is: 0 %}\n"
    "    layer: {is: 100 us}\n    power: {is: 200 W}\n    idle: {is: 10 W}\n"
    "  - name: b\n    vendor: nvidia\n    memory: {is: 400 GB}\n    usable: {is: 350 GB}\n"
    "    bandwidth: {is: 250 GB/s}\n    decode: {is: 80 %}\n    matmul: {is: 60 TFLOPS}\n"
    "    attention: {is: 80 TFLOPS}\n    disk: {is: 10 GB/s}\n    contention: {is: 0 %}\n"
    "    layer: {is: 50 us}\n    power: {is: 100 W}\n    idle: {is: 20 W}\n"
    "  - name: c\n    vendor: other\n    memory: {is: 400 GB}\n    usable: {is: 200 GB}\n"
    "    bandwidth: {is: 600 GB/s}\n    decode: {is: 50 %}\n    matmul: {is: 20 TFLOPS}\n"
    "    attention: {is: 15 TFLOPS}\n    disk: {is: 5 GB/s}\n    contention: {is: 0 %}\n"
    "    layer: {is: 300 us}\n    power: {is: 100 W}\n    idle: {is: 20 W}\n"
    "  - name: big\n    vendor: other\n    memory: {is: 4 TB}\n    usable: {is: 3 TB}\n"
    "    bandwidth: {is: 1000 GB/s}\n    decode: {is: 50 %}\n    matmul: {is: 10 TFLOPS}\n"
    "    attention: {is: 20 TFLOPS}\n    disk: {is: 10 GB/s}\n    contention: {is: 0 %}\n"
    "    layer: {is: 0 us}\n    power: {is: 100 W}\n    idle: {is: 20 W}\n"
    "cables:\n"
    "  - name: wire\n    rate: {is: 1 GB/s}\n    latency: {is: 1 ms}\n"
    "  - name: thick\n    rate: {is: 20 GB/s}\n    latency: {is: 10 us}\n";
static const char unlike[] = "nodes:\n  - {name: a, machine: a}\n  - {name: b, machine: b}\n"
                             "  - {name: c, machine: c}\n"
                             "links:\n  - {between: [a, b, c], cable: wire}\n";
static const char alike[] = "nodes:\n  - {name: x, machine: big}\n  - {name: y, machine: big}\n"
                            "links:\n  - {between: [x, y], cable: wire}\n";

static struct seam_inventory *inventory(const char *nodes)
{
    char all[4096];
    struct seam_inventory *v;
    struct seam_err err = {0};
    int n = snprintf(all, sizeof all, "%s%s", text, nodes);
    assert_true(n > 0 && n < (int)sizeof all);
    if (seam_inventory_read(&v, "text", all, (size_t)n, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return v;
}

static struct seam_shape *shape(const struct seam_inventory *v, const char *name)
{
    struct seam_shape *s;
    struct seam_err err = {0};
    if (seam_shape_open(&s, v, name, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return s;
}

/* ---- sizes ---- */

static void experts(void **state)
{
    (void)state;
    assert_true(seam_cost_experts(4, 1, 2) == 1.75); /* 1 + 3/4 */
    near_to(seam_cost_experts(384, 8, 1), 8, 1e-12);
    near_to(seam_cost_experts(384, 8, 2), 8 + 8 * (1 - 8.0 / 384), 1e-12);
    near_to(seam_cost_experts(16, 16, 1), 16, 1e-12);
    for (double t = 1; t < 1000; t *= 2)
        assert_true(seam_cost_experts(384, 8, t) < seam_cost_experts(384, 8, 2 * t));
    assert_true(seam_cost_experts(384, 8, 1e6) <= 384);
}

/* facts/models.md 1A, 1B: 1.0264 T and 396.34 B parameters; their KV by hand. */
static void published_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double values, active, kv, states;
    } rows[] = {
        {"kimi-k2.6:BF16", 1.0264e12, 31.7e9 + 1.174e9, (512 + 64) * 61 * 2, 0},
        {"qwen3.5-397b-a17b:BF16", 396.34e9, 16.33e9 + 1.017e9, 15 * 2 * (256 + 256) * 2,
         45 * 4.0 * (3 * (2 * 16 * 128 + 8192) + 64 * 128 * 128)},
    };
    struct seam_inventory *v = inventory("");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seam_shape *s = shape(v, rows[i].name);
        double values = s->embed.values + s->head.values, active = 0, states = 0;
        active = s->embed.values + s->head.values;
        for (uint32_t l = 0; l < s->hp.n_layer; l++) {
            const struct seam_shape_layer *at = &s->layer[l];
            values += at->attn.values + at->ffn.values + at->routed.values;
            active += at->attn.values + at->ffn.values +
                      at->routed.values * s->hp.n_expert_used / s->hp.n_expert;
            states += at->state_bytes;
        }
        near_to(values, rows[i].values, 2e-3);
        near_to(active, rows[i].active, 4e-2); /* facts count the embedding's row, we the matrix */
        assert_true(seam_shape_kv_bytes(s) == rows[i].kv);
        assert_true(states == rows[i].states);
        near_to(s->bytes, 2 * values, 1e-2); /* F32 norms and routers beside */
        seam_shape_close(s);
    }
    seam_inventory_close(v);
}

/* ---- one layer by hand; Kimi's first, which is dense: facts/models.md 1A ---- */

static const double attn = 101.12e6, ffn = 396.4e6; /* values */

static void one_token(void **state)
{
    (void)state;
    struct seam_inventory *v = inventory(unlike);
    struct seam_shape *s = shape(v, "kimi-k2.6:F16");
    const struct seam_plan_machine *m = &v->node[0].machine; /* reads 400 GB/s, 10 TFLOPS */
    const struct seam_cost c = seam_cost_decode(s, 0, 100000, m, SEAM_CASE_MID);
    near_to(c.weights, (attn + ffn) * 2 / 400e9, 2e-3);
    assert_true(c.matmul == 0 && c.disk == 0 && c.link == 0);
    near_to(c.fixed, 100e-6, 1e-12);
    /* 64 heads read one latent each: 2 x 512 + 64 multiplications a pair outweigh 1,152 B */
    near_to(c.attention, 100000.0 * 64 * (2 * 512 + 64) * 2 / 10e12, 1e-9);
    const struct seam_cost moe = seam_cost_decode(s, 1, 0, m, SEAM_CASE_MID);
    near_to(moe.weights, (attn + 9 * 44.04e6 + 384 * 7168) * 2 / 400e9,
            1e-2); /* 8 + 1 shared, router */
    seam_shape_close(s);
    seam_inventory_close(v);
}

static void one_chunk(void **state)
{
    (void)state;
    struct seam_inventory *v = inventory(unlike);
    struct seam_shape *s = shape(v, "kimi-k2.6:F16");
    const struct seam_plan_machine *m = &v->node[0].machine;
    const double n = 1500;
    const struct seam_cost c = seam_cost_prefill(s, 0, n, 0, 2048, m, SEAM_CASE_MID);
    near_to(c.matmul, 2 * n * (attn + ffn) / 10e12, 2e-3);
    near_to(c.attention, 2 * (n * (n + 1) / 2) * 64 * (192 + 128) / 10e12, 1e-9);
    assert_true(c.weights == 0 && c.fixed == 0);
    /* few tokens: reading is what takes time; the last layer has no more than its KV to give */
    const struct seam_cost few = seam_cost_prefill(s, 0, 2, 0, 2048, m, SEAM_CASE_MID);
    near_to(few.weights, (attn + ffn) * 2 / 400e9, 2e-3);
    const struct seam_cost last = seam_cost_prefill(s, 60, n, 0, 2048, m, SEAM_CASE_MID);
    near_to(last.matmul, 2 * n * attn / 10e12, 2e-3);
    assert_true(last.attention == 0);
    /* routed experts: at least the rows that tokens need, at most a whole tile of 32 more each */
    const struct seam_cost moe = seam_cost_prefill(s, 1, n, 0, 2048, m, SEAM_CASE_MID);
    const double rest = attn + 44.04e6 + 384 * 7168, least = 2 * n * (rest + 8 * 44.04e6) / 10e12;
    assert_true(moe.matmul > 0.99 * least);
    assert_true(moe.matmul < 1.01 * least + 2 * 384 * 32 * 44.04e6 / 10e12);
    seam_shape_close(s);
    seam_inventory_close(v);
}

/* ---- layouts ---- */

static struct seam_layout *find(const struct seam_inventory *v, const struct seam_shape *s,
                                uint32_t n_ctx, struct seam_work w, size_t *n)
{
    struct seam_layout *all;
    struct seam_err err = {0};
    if (seam_layouts_find(&all, n, v, s, n_ctx, &w, 1, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return all;
}

static bool feasible(const struct seam_layout *l, const struct seam_inventory *v,
                     const struct seam_shape *s, uint32_t n_ctx)
{
    for (uint32_t i = 0; i < l->n_stage; i++) {
        const struct seam_hold h = seam_cost_hold(s, l->first[i], l->first[i + 1], n_ctx);
        if (seam_hold_sum(&h) >
            v->node[l->stage[i]].machine.rate[SEAM_RATE_USABLE].v[SEAM_CASE_MID])
            return false;
    }
    return true;
}

/* The fastest token over every order and every split of these nodes, by trying them all. */
static void try_splits(struct seam_layout *l, uint32_t stage, const struct seam_inventory *v,
                       const struct seam_shape *s, uint32_t n_ctx, double *best)
{
    if (stage == l->n_stage) {
        const struct seam_work w = {n_ctx / 2.0, 0, 0};
        if (!feasible(l, v, s, n_ctx))
            return;
        *best = fmin(*best, seam_layout_answer(l, v, s, &w, SEAM_CASE_MID).step_s);
        return;
    }
    if (stage + 1 == l->n_stage) {
        l->first[stage + 1] = s->hp.n_layer;
        try_splits(l, stage + 1, v, s, n_ctx, best);
        return;
    }
    for (uint32_t b = l->first[stage] + 1; b < s->hp.n_layer; b++) {
        l->first[stage + 1] = b;
        try_splits(l, stage + 1, v, s, n_ctx, best);
    }
}

static double by_force(uint32_t nodes, const struct seam_inventory *v, const struct seam_shape *s,
                       uint32_t n_ctx)
{
    static const uint32_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    double best = INFINITY;
    for (int o = 0; o < 6; o++) {
        struct seam_layout l = {0};
        for (int i = 0; i < 3; i++)
            if (nodes >> orders[o][i] & 1)
                l.stage[l.n_stage++] = orders[o][i];
        try_splits(&l, 0, v, s, n_ctx, &best);
    }
    return best;
}

static void best_splits(void **state)
{
    (void)state;
    const uint32_t n_ctx = 8192;
    const char *const models[] = {"kimi-k2.6:UD-Q4_K_XL", "kimi-k2.6:UD-Q2_K_XL", "qwen3-8b:Q8_0"};
    struct seam_inventory *v = inventory(unlike);
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        struct seam_shape *s = shape(v, models[k]);
        size_t n, checked = 0;
        struct seam_layout *all = find(v, s, n_ctx, (struct seam_work){n_ctx / 2.0, 0, 0}, &n);
        for (uint32_t nodes = 1; nodes < 8; nodes++) {
            const double best = by_force(nodes, v, s, n_ctx);
            double found = INFINITY;
            for (size_t i = 0; i < n; i++)
                if (!all[i].sweep && seam_layout_nodes(&all[i]) == nodes) {
                    const struct seam_work w = {n_ctx / 2.0, 0, 0};
                    assert_true(feasible(&all[i], v, s, n_ctx));
                    found = seam_layout_answer(&all[i], v, s, &w, SEAM_CASE_MID).step_s;
                }
            if (isinf(best))
                assert_true(isinf(found));
            else
                near_to(found, best, 1e-9);
            checked += !isinf(best);
        }
        assert_true(checked >= 2); /* some sets hold the model */
        free(all);
        seam_shape_close(s);
    }
    seam_inventory_close(v);
}

/* The same machine twice: a second stage costs two hops and nothing else. */
static void hops(void **state)
{
    (void)state;
    struct seam_inventory *v = inventory(alike);
    struct seam_shape *s = shape(v, "kimi-k2.6:UD-Q4_K_XL");
    const struct seam_layout one = {.n_stage = 1, .first = {0, 61}},
                             two = {.n_stage = 2, .stage = {0, 1}, .first = {0, 20, 61}};
    const struct seam_work w = {1000, 0, 0};
    const double a = seam_layout_answer(&one, v, s, &w, SEAM_CASE_MID).step_s,
                 b = seam_layout_answer(&two, v, s, &w, SEAM_CASE_MID).step_s;
    near_to(b - a, 2 * 1e-3 + 7168 * 2 / 1e9, 1e-9);
    seam_shape_close(s);
    seam_inventory_close(v);
}

/* A disk that is slow enough is all that a sweep's time is: each layer is read once. */
static void sweep_is_disk(void **state)
{
    (void)state;
    struct seam_inventory *v = inventory(alike);
    struct seam_shape *s = shape(v, "kimi-k2.6:UD-Q4_K_XL");
    const struct seam_layout l = {.n_stage = 1, .stage = {0}, .first = {0, 61}, .sweep = 2};
    for (int c = 0; c < SEAM_CASES; c++) {
        v->node[1].machine.rate[SEAM_RATE_DISK].v[c] = 1e9;
        v->node[1].machine.rate[SEAM_RATE_MATMUL].v[c] = 5e15;
        v->node[1].machine.rate[SEAM_RATE_ATTENTION].v[c] = 5e15;
        v->node[0].machine.rate[SEAM_RATE_MATMUL].v[c] = 1e10; /* else it does the prompt itself */
    }
    double bytes = s->layer[60].attn.bytes;
    for (uint32_t i = 0; i < 60; i++)
        bytes += seam_shape_layer_bytes(&s->layer[i]);
    const struct seam_work w = {32768, 0, 0};
    const struct seam_answer a = seam_layout_answer(&l, v, s, &w, SEAM_CASE_MID);
    assert_true(a.swept);
    assert_true(a.ttft.disk > 0.999 * bytes / 1e9);
    assert_true(a.ttft.disk < 1.001 * (bytes + seam_shape_layer_bytes(&s->layer[0])) / 1e9);
    seam_shape_close(s);
    seam_inventory_close(v);
}

/* Better machines and cables never make an answer slower; more tokens never make it faster. */
static void monotone(void **state)
{
    (void)state;
    static const enum seam_rate better[] = {SEAM_RATE_BANDWIDTH, SEAM_RATE_MATMUL,
                                            SEAM_RATE_ATTENTION, SEAM_RATE_DISK};
    struct seam_inventory *v = inventory(unlike);
    struct seam_shape *s = shape(v, "kimi-k2.6:UD-Q2_K_XL");
    const struct seam_work w = {32768, 4096, 512};
    size_t n;
    struct seam_layout *all = find(v, s, 65536, w, &n);
    assert_true(n > 4);
    for (size_t i = 0; i < n; i++) {
        const struct seam_answer a = seam_layout_answer(&all[i], v, s, &w, SEAM_CASE_MID);
        double idle = 0, busy = 0;
        for (uint32_t k = 0; k < v->n_node; k++) {
            struct seam_plan_machine *m = &v->node[k].machine;
            if (seam_layout_nodes(&all[i]) >> k & 1) {
                idle += a.total_s * m->rate[SEAM_RATE_IDLE].v[1];
                busy += a.total_s * m->rate[SEAM_RATE_POWER].v[1];
            }
            for (size_t r = 0; r < sizeof better / sizeof *better; r++) {
                m->rate[better[r]].v[SEAM_CASE_MID] *= 2;
                const double t = seam_layout_answer(&all[i], v, s, &w, SEAM_CASE_MID).total_s;
                m->rate[better[r]].v[SEAM_CASE_MID] /= 2;
                assert_true(t <= a.total_s * (1 + 1e-12));
            }
        }
        assert_true(a.joules >= idle * (1 - 1e-12) && a.joules <= busy * (1 + 1e-12));
        near_to(a.total_s, a.ttft_s + w.output * a.step_s, 1e-12);
        near_to(seam_cost_sum(&a.ttft), a.ttft_s, 1e-12);
        double last = 0;
        for (double p = 64; p <= 65536; p *= 2) {
            const struct seam_work more = {p, 4096, 512};
            const double t = seam_layout_answer(&all[i], v, s, &more, SEAM_CASE_MID).total_s;
            assert_true(t > last);
            last = t;
        }
        assert_true(i == 0 || all[i].score >= all[i - 1].score); /* ranked */
    }
    free(all);
    seam_shape_close(s);
    seam_inventory_close(v);
}

static void break_even(void **state)
{
    (void)state;
    struct seam_inventory *v = inventory(unlike);
    struct seam_shape *s = shape(v, "kimi-k2.6:UD-Q2_K_XL");
    size_t n, seen = 0;
    struct seam_layout *all = find(v, s, 65536, (struct seam_work){32768, 0, 512}, &n);
    for (size_t i = 0; i < n; i++) {
        const double even = seam_layout_break_even(&all[i], v, s);
        if (!all[i].sweep) {
            assert_true(even == 0);
            continue;
        }
        if (even < 2)
            continue;
        struct seam_layout own = all[i];
        own.sweep = 0;
        const struct seam_work at = {even, 0, 0}, before = {even - 1, 0, 0};
        assert_true(seam_layout_answer(&all[i], v, s, &at, SEAM_CASE_MID).swept);
        assert_false(seam_layout_answer(&all[i], v, s, &before, SEAM_CASE_MID).swept);
        assert_true(seam_layout_answer(&all[i], v, s, &at, SEAM_CASE_MID).ttft_s <
                    seam_layout_answer(&own, v, s, &at, SEAM_CASE_MID).ttft_s);
        assert_true(seam_layout_answer(&all[i], v, s, &before, SEAM_CASE_MID).ttft_s ==
                    seam_layout_answer(&own, v, s, &before, SEAM_CASE_MID).ttft_s);
        seen++;
    }
    assert_true(seen > 0);
    free(all);
    seam_shape_close(s);
    seam_inventory_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts),       cmocka_unit_test(published_sizes),
        cmocka_unit_test(one_token),     cmocka_unit_test(one_chunk),
        cmocka_unit_test(best_splits),   cmocka_unit_test(hops),
        cmocka_unit_test(sweep_is_disk), cmocka_unit_test(monotone),
        cmocka_unit_test(break_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
