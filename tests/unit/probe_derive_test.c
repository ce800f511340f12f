/* probe_derive_test.c - from times to rates (cmd/probe.h): a plan of the layers that were measured gives
 * their times back, however fast products were in samples of their own. src/cmd is a program, not a
 * library, so the test takes the files in whole. */
#include "cmd/probe_derive.c" /* NOLINT(bugprone-suspicious-include) */
#include "cmd/probe_series.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const type_names[] = {"Q8_0", "F32"};
static const uint32_t columns[] = {1, 4, 16, 64, 256, 512};
static const double product[] = {10e9, 20e9, 40e9, 80e9, 100e9, 110e9};

/* A machine of which everything is known. */
static void open_truth(struct book *b)
{
    *b = (struct book){0};
    b->m.point = b->point;
    for (size_t t = 0; t < 2; t++)
        for (size_t k = 0; k < 6; k++)
            add_point(b, SEAM_POINT_PRODUCT, type_names[t], columns[k], product[k]);
    add_point(b, SEAM_POINT_PREFILL, NULL, 1280, 60e9);
    add_point(b, SEAM_POINT_PREFILL, NULL, 4352, 50e9);
    add_point(b, SEAM_POINT_ABSORBED, NULL, 1024, 30e9);
    add_point(b, SEAM_POINT_STEP, NULL, 2048, 8e9);
    add_point(b, SEAM_POINT_STEP, NULL, 8192, 6e9);
    add_point(b, SEAM_POINT_DENSE, NULL, 0, 5e9);
    add_point(b, SEAM_POINT_MIXTURE, NULL, 0, 4e9);
    set(&b->m.rate[SEAM_RATE_LAYER], 100e-6);
}

static double prefill(const struct seam_shape *s, uint32_t layer, double n, double depth,
                      bool absorbed, const struct seam_plan_machine *m)
{
    const struct seam_cost c =
        seam_rates_prefill_as(s, layer, n, depth, absorbed, m, SEAM_CASE_MID);
    return seam_cost_sum(&c);
}

static double step(const struct seam_shape *s, double depth, const struct seam_plan_machine *m)
{
    const struct seam_cost head = seam_rates_head(s, m, SEAM_CASE_MID);
    double sum = seam_cost_sum(&head);
    for (uint32_t layer = 0; layer < s->hp.n_layer; layer++) {
        const struct seam_cost c = seam_rates_decode(s, layer, depth, m, SEAM_CASE_MID);
        sum += seam_cost_sum(&c);
    }
    return sum;
}

/* A round as that machine would see it at `speed`, with products apart at `apart` of their rate. */
static void see(struct seam_probe_run *r, const struct book *truth, double speed, double apart)
{
    struct seam_probe_round *now = &r->round[r->rounds++];
    const struct seam_plan_machine *m = &truth->m;
    for (size_t t = 0; t < 2; t++)
        for (size_t k = 0; k < 6; k++)
            now->product[t][k] = product[k] * speed * apart;
    for (uint32_t l = 0; l + 1 < r->shape->hp.n_layer; l++) {
        now->shallow[l] = prefill(r->shape, l, r->chunk, 0, false, m) / speed;
        for (uint32_t k = 0; k < r->n_depth; k++)
            now->deep[k][l] = prefill(r->shape, l, r->chunk, r->depth[k], false, m) / speed;
        now->absorbed[0][l] = prefill(r->shape, l, SEAM_PROBE_FEW, 0, true, m) / speed;
        now->absorbed[1][l] = prefill(r->shape, l, SEAM_PROBE_FEW, r->depth[0], true, m) / speed;
    }
    now->step = step(r->shape, SEAM_PROBE_FIRST, m) / speed;
    for (uint32_t k = 0; k < SEAM_PROBE_DEPTHS; k++)
        now->step_deep[k] = step(r->shape, r->step_depth[k], m) / speed;
}

/* What `seam plan` would read. */
static void read_back(struct book *b, const struct seam_probe_run *r)
{
    *b = (struct book){0};
    b->m.point = b->point;
    assert_true(r->n_series < SEAM_PROBE_SERIES);
    for (size_t i = 0; i < r->n_series; i++) {
        const struct seam_probe_series *s = &r->series[i];
        double v = s->has_middle ? s->middle : s->v[0];
        if (!s->told || !s->n)
            continue;
        if (s->point >= 0)
            add_point(b, (enum seam_point)s->point, s->type, s->at, v);
        if (s->rate >= 0)
            set(&b->m.rate[s->rate], v);
    }
}

static void near(const char *what, double got, double want, double within)
{
    if (!(fabs(got / want - 1) <= within))
        fail_msg("%s: %g, not %g", what, got, want);
}

static struct seam_probe_run *open_run(const char *model)
{
    struct seam_err err = {0};
    struct seam_probe_run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->round = calloc(SEAM_PROBE_ROUNDS, sizeof *r->round);
    assert_non_null(r->round);
    if (seam_inventory_open(&r->cards, NULL, &err) != SEAM_OK ||
        seam_shape_open(&r->shape, r->cards, model, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    memcpy(r->columns, columns, sizeof columns);
    r->n_columns = 6;
    r->chunk = 512;
    r->n_depth = 2;
    r->depth[0] = 1024;
    r->depth[1] = 4096;
    r->step_depth[0] = 2048;
    r->step_depth[1] = 8192;
    for (size_t t = 0; t < 2; t++)
        r->type[t] = seam_type_by_name(type_names[t]);
    r->n_type = 2;
    return r;
}

static void close_run(struct seam_probe_run *r)
{
    seam_shape_close(r->shape);
    seam_inventory_close(r->cards);
    free(r->round);
    free(r);
}

/* The rates of this run give back the times of a round at `speed`. */
static void gives_back(const struct seam_probe_run *r, const struct book *truth, double speed,
                       bool steps)
{
    struct book b;
    read_back(&b, r);
    const uint32_t depth[] = {0, r->depth[0], r->depth[1]};
    for (int mixture = 0; mixture < 2; mixture++)
        for (size_t k = 0; k < 3; k++) {
            double got = 0, want = 0;
            for (uint32_t l = 0; l + 1 < r->shape->hp.n_layer; l++) {
                if ((r->shape->layer[l].routed.values > 0) != mixture)
                    continue;
                got += prefill(r->shape, l, r->chunk, depth[k], false, &b.m);
                want += prefill(r->shape, l, r->chunk, depth[k], false, &truth->m) / speed;
            }
            if (want > 0 && depth[k] == 0)
                near(mixture ? "mixtures" : "dense layers", got, want, 1e-3);
            else if (want > 0) /* the rate of attention is one for both kinds */
                near(mixture ? "deep mixtures" : "deep layers", got, want, 0.03);
        }
    for (size_t k = 0; steps && k < 2; k++)
        near("step", step(r->shape, k ? r->step_depth[k - 1] : SEAM_PROBE_FIRST, &b.m),
             step(r->shape, k ? r->step_depth[k - 1] : SEAM_PROBE_FIRST, &truth->m) / speed, 1e-3);
}

static const char *const models[] = {"llama-3.1-8b:Q8_0", "qwen3-30b-a3b:Q8_0", "kimi-k2.6:Q8_0"};

/* Apart, products came out slower, as fast as in the layers, and faster. */
static void whole_layers_win(void **state)
{
    (void)state;
    static const double apart[] = {0.6, 0.8, 0.95, 1, 1.3};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (size_t a = 0; a < sizeof apart / sizeof *apart; a++) {
            struct seam_probe_run *r = open_run(models[m]);
            struct book truth;
            struct seam_err err = {0};
            open_truth(&truth);
            for (int k = 0; k < 3; k++)
                see(r, &truth, 1, apart[a]);
            assert_int_equal(seam_probe_derive(r, &err), SEAM_OK);
            gives_back(r, &truth, 1, true);
            close_run(r);
        }
}

/* Where products fit into the layers nobody touches them. */
static void fitting_products_stay(void **state)
{
    (void)state;
    struct seam_probe_run *r = open_run("kimi-k2.6:Q8_0");
    struct book truth, b;
    struct seam_err err = {0};
    open_truth(&truth);
    see(r, &truth, 1, 1);
    see(r, &truth, 1, 1);
    assert_int_equal(seam_probe_derive(r, &err), SEAM_OK);
    read_back(&b, r);
    for (size_t k = 0; k < 6; k++)
        near("product", seam_rates_at(&b.m, SEAM_POINT_PRODUCT, "Q8_0", columns[k], SEAM_CASE_MID),
             product[k], 1e-9);
    near("dense", seam_rates_at(&b.m, SEAM_POINT_DENSE, NULL, 0, SEAM_CASE_MID), 5e9, 1e-6);
    near("mixture", seam_rates_at(&b.m, SEAM_POINT_MIXTURE, NULL, 0, SEAM_CASE_MID), 4e9, 1e-6);
    near("layer", b.m.rate[SEAM_RATE_LAYER].v[SEAM_CASE_MID], 100e-6, 1e-3);
    close_run(r);
}

/* One round of three on a machine that had something else to do: the likely rates are the others'. */
static void one_bad_round_is_in_none(void **state)
{
    (void)state;
    struct seam_probe_run *r = open_run("kimi-k2.6:Q8_0");
    struct book truth;
    struct seam_err err = {0};
    open_truth(&truth);
    see(r, &truth, 1, 0.8);
    see(r, &truth, 0.5, 0.4);
    see(r, &truth, 1, 0.8);
    assert_int_equal(seam_probe_derive(r, &err), SEAM_OK);
    gives_back(r, &truth, 1, true);
    close_run(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_layers_win),
        cmocka_unit_test(fitting_products_stay),
        cmocka_unit_test(one_bad_round_is_in_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
