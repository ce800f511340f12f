/* Measured rates: between points, beyond them, for types that were not measured; and sums of a layer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "plan/rates.h"

static const char text[] =
    "machines:\n  - name: box\n    vendor: other\n"
    "    memory: {is: 16 GB}\n    usable: {is: 12 GB}\n    bandwidth: {is: 20 GB/s}\n"
    "    decode: {is: 50 %}\n    matmul: {is: 100 GFLOPS}\n    attention: {is: 80 GFLOPS}\n"
    "    disk: {is: 1 GB/s}\n    contention: {is: 10 %}\n    layer: {is: 20 us}\n"
    "    power: {is: 100 W}\n    idle: {is: 10 W}\n"
    "    measured:\n"
    "      - {of: product, type: Q8_0, at: 512, is: 90 / 100 / 110 GFLOPS}\n"
    "      - {of: product, type: Q8_0, at: 1, is: 8 / 10 / 12 GFLOPS}\n"
    "      - {of: prefill, at: 1000, is: 50 GFLOPS}\n"
    "      - {of: prefill, at: 4000, is: 40 GFLOPS}\n"
    "      - {of: step, at: 8192, is: 5 GFLOPS}\n"
    "      - {of: dense, at: 0, is: 4 GB/s}\n"
    "nodes:\n  - name: a\n    machine: box\n";

static struct seam_inventory *open_box(void)
{
    struct seam_inventory *v;
    struct seam_err err = {0};
    if (seam_inventory_read(&v, "text", text, sizeof text - 1, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return v;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static void between_and_beyond(void **state)
{
    (void)state;
    struct seam_inventory *v = open_box();
    const struct seam_plan_machine *m = &v->node[0].machine;
    const enum seam_case mid = SEAM_CASE_MID;
    assert_int_equal(m->n_point, 6);
    assert_true(near(seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", 1, mid), 10e9));
    assert_true(near(seam_rates_at(m, SEAM_POINT_PRODUCT, "q8_0", 512, SEAM_CASE_WORST), 90e9));
    assert_true(near(seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", 4096, mid), 100e9));
    /* half way in the logarithm of columns + 1 */
    double half = sqrt(2.0 * 513.0) - 1;
    assert_true(near(seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", half, mid), 55e9));
    double last = 0;
    for (double at = 1; at < 600; at++) {
        double rate = seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", at, mid);
        assert_true(rate >= last && rate >= 10e9 && rate <= 100e9);
        last = rate;
    }
    assert_true(near(seam_rates_at(m, SEAM_POINT_PREFILL, NULL, 10, mid), 50e9));
    assert_true(near(seam_rates_at(m, SEAM_POINT_PREFILL, NULL, 1e6, mid), 40e9));
    assert_true(seam_rates_at(m, SEAM_POINT_PRODUCT, "Q4_K", 1, mid) == 0);
    assert_true(seam_rates_at(m, SEAM_POINT_ABSORBED, NULL, 1, mid) == 0);
    seam_inventory_close(v);
}

/* Of a dense model the sums by hand; cost.h's functions come here. */
static void a_layer_adds_up(void **state)
{
    (void)state;
    struct seam_inventory *v = open_box();
    const struct seam_plan_machine *m = &v->node[0].machine;
    struct seam_shape *s;
    struct seam_err err = {0};
    const enum seam_case mid = SEAM_CASE_MID;
    if (seam_shape_open(&s, v, "llama-3.1-8b:Q8_0", &err) != SEAM_OK)
        fail_msg("%s", err.text);
    const struct seam_hparams *hp = &s->hp;
    double values = s->layer[1].attn.of[0].values + s->layer[1].ffn.of[0].values;
    double pair = 2.0 * hp->n_head * (hp->d_head + hp->d_v);

    struct seam_cost c = seam_cost_prefill(s, 1, 1024, 2000, 4096, m, mid);
    assert_true(near(c.matmul, 1024 * 2 * values / 100e9));
    double rate = seam_rates_at(m, SEAM_POINT_PREFILL, NULL, 2512, mid);
    assert_true(near(c.attention, pair * (1024.0 * 2000 + 1024.0 * 1025 / 2) / rate));
    assert_true(near(c.fixed, 1024 * seam_rates_rest_bytes(s, 1) / 4e9));

    c = seam_cost_decode(s, 1, 3000, m, mid);
    assert_true(near(c.weights, 2 * values / 10e9));
    assert_true(near(c.attention, 3000 * pair / 5e9));
    assert_true(near(c.fixed, 20e-6));

    /* the last layer of a prefill: keys and values only */
    c = seam_cost_prefill(s, hp->n_layer - 1, 512, 0, 4096, m, mid);
    double kv = (double)hp->n_embd * hp->n_head_kv * (hp->d_head + hp->d_v);
    assert_true(near(c.matmul, 512 * 2 * kv / 100e9) && c.attention == 0);
    seam_shape_close(s);

    /* another type: matmul for a chunk, bytes over bandwidth x share for one column */
    if (seam_shape_open(&s, v, "llama-3.1-8b:Q4_0", &err) != SEAM_OK)
        fail_msg("%s", err.text);
    c = seam_cost_prefill(s, 1, 512, 0, 4096, m, mid);
    assert_true(near(c.matmul, 512 * 2 * values / 100e9));
    c = seam_cost_decode(s, 1, 1, m, mid);
    assert_true(near(c.weights, values * 18 / 32 / 10e9));
    seam_shape_close(s);
    seam_inventory_close(v);
}

/* Experts: few tokens go row by row, many as one matrix for each expert that is reached. */
static void experts_have_batches_of_their_own(void **state)
{
    (void)state;
    struct seam_inventory *v = open_box();
    const struct seam_plan_machine *m = &v->node[0].machine;
    struct seam_shape *s;
    struct seam_err err = {0};
    if (seam_shape_open(&s, v, "qwen3-30b-a3b:Q8_0", &err) != SEAM_OK)
        fail_msg("%s", err.text);
    double each = s->layer[0].routed.of[0].values / s->hp.n_expert;
    double dense = s->layer[0].attn.of[0].values;
    double few = seam_cost_prefill(s, 0, 8, 0, 4096, m, SEAM_CASE_MID).matmul;
    double rate = seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", 8, SEAM_CASE_MID);
    /* the router is F32, which was not measured: bytes over half of 20 GB/s, or matmul */
    double router = 2 * s->layer[0].ffn.of[0].values;
    assert_true(near(few, 8 * 2 * dense / rate + 8 * 8 * 2 * each / 10e9 + 8 * router / 40e9));
    double many = seam_cost_prefill(s, 0, 512, 0, 4096, m, SEAM_CASE_MID).matmul;
    rate = seam_rates_at(m, SEAM_POINT_PRODUCT, "Q8_0", 32, SEAM_CASE_MID);
    assert_true(
        fabs(many / (512 * 2 * dense / 100e9 + 512 * 8 * 2 * each / rate + 512 * router / 100e9) -
             1) < 1e-6);
    seam_shape_close(s);
    seam_inventory_close(v);
}

static void refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{of: product, at: 1, is: 1 GFLOPS}",             /* of which type? */
        "{of: product, type: Q8_0, at: 0, is: 1 GFLOPS}", /* no column */
        "{of: step, type: Q8_0, at: 1, is: 1 GFLOPS}",    /* attention has no type */
        "{of: step, at: 1, is: 1 GB/s}",                  /* a unit of something else */
        "{of: dense, at: 0, is: 1 GFLOPS}",
        "{of: magic, at: 0, is: 1 GFLOPS}",
        "{of: step, at: -1, is: 1 GFLOPS}",
        "{of: step, is: 1 GFLOPS}",
    };
    const char *at = strstr(text, "      - {of: step");
    const char *end = strchr(at, '\n');
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char file[2000];
        struct seam_inventory *v;
        struct seam_err err = {0};
        int n =
            snprintf(file, sizeof file, "%.*s      - %s%s", (int)(at - text), text, wrong[i], end);
        if (seam_inventory_read(&v, "text", file, (size_t)n, &err) == SEAM_OK)
            fail_msg("taken: %s", wrong[i]);
        if (!strstr(err.text, "text:20"))
            fail_msg("%s: no line in '%s'", wrong[i], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_and_beyond),
        cmocka_unit_test(a_layer_adds_up),
        cmocka_unit_test(experts_have_batches_of_their_own),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
