/* The fit finds back rates that made the rows, touches nothing else, and the formulas it rests on: tiles of
 * experts, windows, both forms of MLA, published files that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "plan/fit.h"

#define HEAD                                                                                       \
    "engines:\n  - {name: other, vendor: apple, tile: 16, mla: absorbed, "                         \
    "matmul: {is: 50 %, from: x}, attention: {is: 50 %, from: x}}\n"                               \
    "models:\n"                                                                                    \
    "  - {name: a, from: x, shape: {layers: 12, dense: 1, hidden: 2048, vocab: 32000, heads: 16, " \
    "kv_heads: 4, head: 128, ff: 8192, experts: 64, used: 4, expert_ff: 1024, shared_ff: 1024}}\n" \
    "  - {name: mla, from: x, shape: {layers: 8, hidden: 2048, vocab: 32000, heads: 32, "          \
    "q_lora: 512, kv_lora: 512, nope: 128, rope: 64, value: 128, experts: 64, used: 4, "           \
    "expert_ff: 1024}}\n"                                                                          \
    "  - {name: swa, from: x, shape: {layers: 8, hidden: 2048, vocab: 32000, heads: 32, "          \
    "kv_heads: 4, head: 128, window: 128, window_every: 1, ff: 8192}}\n"
#define SERIES(model)                                                                     \
    "series:\n  - {source: s, note: n, machine: m4-max-128, engine: other, model: " model \
    ", chunk: 512, expert_bits: 4.5, other_bits: 8.5, rows: ["                            \
    "{what: prefill, tokens: 512, after: 0, rate: 100, half: fit}, "                      \
    "{what: prefill, tokens: 512, after: 100000, rate: 100, half: held}, "                \
    "{what: prefill, tokens: 8192, after: 0, rate: 100, half: fit}, "                     \
    "{what: decode, tokens: 2, after: 0, rate: 10, half: fit}, "                          \
    "{what: decode, tokens: 2, after: 100000, rate: 10, half: held}]}\n"

static struct seam_inventory *cards(void)
{
    struct seam_inventory *v;
    struct seam_err err = {0};
    if (seam_inventory_open(&v, NULL, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return v;
}

static struct seam_published *published(const char *text)
{
    struct seam_published *p;
    struct seam_err err = {0};
    if (seam_published_read(&p, "text", text, strlen(text), &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return p;
}

static struct seam_fit *open_fit(const struct seam_inventory *v, struct seam_published *p)
{
    struct seam_fit *f;
    struct seam_err err = {0};
    if (seam_fit_open(&f, v, p->engine, p->n_engine, p->row, p->n_row, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return f;
}

static struct seam_plan_machine *m4(struct seam_fit *f)
{
    for (size_t i = 0; i < f->n_machine; i++)
        if (!strcmp(f->machine[i].name, "m4-max-128"))
            return &f->machine[i];
    return NULL;
}

static void finds_back(void **state)
{
    (void)state;
    struct seam_err err = {0};
    struct seam_inventory *v = cards();
    struct seam_published *p = published(HEAD SERIES("a"));
    struct seam_fit *f = open_fit(v, p);
    struct seam_plan_machine *m = m4(f);
    assert_int_equal(p->n_row, 5);
    for (size_t i = 0; i < p->n_row; i++)
        p->row[i].rate = seam_fit_predict(f, &p->row[i]);
    double matmul = m->rate[SEAM_RATE_MATMUL].v[SEAM_CASE_MID],
           layer = m->rate[SEAM_RATE_LAYER].v[SEAM_CASE_MID],
           disk = m->rate[SEAM_RATE_DISK].v[SEAM_CASE_MID];
    assert_true(seam_fit_errors_of(f, false).worst < 1e-12);
    m->rate[SEAM_RATE_MATMUL].v[SEAM_CASE_MID] *= 1.5;
    m->rate[SEAM_RATE_LAYER].v[SEAM_CASE_MID] *= 0.5;
    const struct seam_fit_errors before = seam_fit_errors_of(f, true);
    assert_int_equal(seam_fit_add(f, "m4-max-128.matmul", &err), SEAM_OK);
    assert_int_equal(seam_fit_add(f, "m4-max-128.layer", &err), SEAM_OK);
    assert_int_equal(seam_fit_add(f, "m3-max-128.layer", &err), SEAM_OK);
    assert_int_equal(f->knob[0].rows, 3);
    assert_int_equal(f->knob[2].rows, 0);
    seam_fit_run(f);
    assert_true(fabs(m->rate[SEAM_RATE_MATMUL].v[SEAM_CASE_MID] / matmul - 1) < 0.01);
    assert_true(fabs(m->rate[SEAM_RATE_LAYER].v[SEAM_CASE_MID] / layer - 1) < 0.02);
    assert_true(m->rate[SEAM_RATE_DISK].v[SEAM_CASE_MID] == disk);
    assert_true(f->knob[2].value->v[SEAM_CASE_MID] == f->knob[2].before);
    assert_true(seam_fit_errors_of(f, true).worst < 0.1 * before.worst);
    seam_fit_close(f);
    seam_published_close(p);
    seam_inventory_close(v);
}

/* A rate stays within what it can be, however far the rows are. */
static void stays_within(void **state)
{
    (void)state;
    struct seam_err err = {0};
    struct seam_inventory *v = cards();
    struct seam_published *p = published(HEAD SERIES("a"));
    struct seam_fit *f = open_fit(v, p);
    for (size_t i = 0; i < p->n_row; i++)
        p->row[i].rate = 1e6;
    assert_int_equal(seam_fit_add(f, "m4-max-128.decode", &err), SEAM_OK);
    seam_fit_run(f);
    const double *decode = m4(f)->rate[SEAM_RATE_DECODE].v;
    assert_true(decode[SEAM_CASE_MID] <= decode[SEAM_CASE_BEST] * (1 + 1e-9) && decode[2] <= 1);
    static const char *const wrong[] = {"m4-max-128.colour", "nobody.matmul", "other@nvidia.matmul",
                                        "other@apple.disk",  "matmul",        ".matmul"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(seam_fit_add(f, wrong[i], &err), SEAM_EINVAL);
    assert_int_equal(f->n_knob, 1);
    seam_fit_close(f);
    seam_published_close(p);
    seam_inventory_close(v);
}

static double prefill_attention(const struct seam_shape *s, struct seam_plan_machine m, double n,
                                double cached)
{
    return seam_cost_prefill(s, 0, n, cached, 512, &m, SEAM_CASE_MID).attention;
}

static void formulas(void **state)
{
    (void)state;
    struct seam_inventory *v = cards();
    struct seam_plan_machine m = *seam_inventory_machine(v, "m4-max-128");
    assert_true(seam_cost_rows(1, 32) == 32);
    assert_true(seam_cost_rows(100, 1) == 100);
    assert_true(seam_cost_rows(100, 33) == 116);
    assert_true(fabs(seam_cost_experts(64, 4, 1) - 4) < 1e-9);

    /* MLA: 1,088 against 320 multiplications per pair and head, and K and V expanded anew per chunk */
    struct seam_published *p = published(HEAD SERIES("mla"));
    const struct seam_shape *s = p->row[0].shape;
    m.absorbed = false;
    double expanded = prefill_attention(s, m, 2048, 65536);
    struct seam_cost four = seam_cost_prefill(s, 0, 2048, 65536, 512, &m, SEAM_CASE_MID),
                     one = seam_cost_prefill(s, 0, 2048, 65536, 2048, &m, SEAM_CASE_MID);
    assert_true(four.matmul > one.matmul);
    m.absorbed = true;
    assert_true(fabs(prefill_attention(s, m, 2048, 65536) / expanded - 1088.0 / 320) < 1e-9);
    struct seam_cost absorbed = seam_cost_prefill(s, 0, 2048, 65536, 512, &m, SEAM_CASE_MID);
    assert_true(absorbed.matmul < one.matmul);
    seam_published_close(p);

    /* a window ends the growth over depth */
    p = published(HEAD SERIES("swa"));
    s = p->row[0].shape;
    assert_true(prefill_attention(s, m, 512, 1e5) == prefill_attention(s, m, 512, 2e5));
    assert_true(seam_cost_decode(s, 0, 1e5, &m, SEAM_CASE_MID).attention ==
                seam_cost_decode(s, 0, 128, &m, SEAM_CASE_MID).attention);
    seam_published_close(p);
    seam_inventory_close(v);
}

static void files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        seam_status st;
    } rows[] = {
        {"", "nothing in it", SEAM_EFORMAT},
        {"series: 3\n", "text:", SEAM_EFORMAT},
        {"colours: []\n", "text:", SEAM_EFORMAT},
        {HEAD SERIES("b"), "no model 'b'", SEAM_EINVAL},
        {"models:\n  - {name: a, from: x, shape: {layers: 1, hidden: 1, vocab: 1, heads: 1}}\n"
         "engines:\n  - {name: other, vendor: apple, tile: 1, mla: expanded, "
         "matmul: {is: 1 %, from: x}, attention: {is: 1 %, from: x}}\n" SERIES("a"),
         "make no model", SEAM_EINVAL},
        {"engines:\n  - {name: other, vendor: apple, tile: 1, mla: expanded, "
         "matmul: {is: 0 %, from: x}, attention: {is: 1 %, from: x}}\n",
         "no such share", SEAM_EINVAL},
        {"engines:\n  - {name: other, vendor: apple, tile: 1, mla: folded, "
         "matmul: {is: 1 %, from: x}, attention: {is: 1 %, from: x}}\n",
         "text:", SEAM_EFORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seam_published *p;
        struct seam_err err = {0};
        assert_int_equal(seam_published_read(&p, "text", rows[i].text, strlen(rows[i].text), &err),
                         rows[i].st);
        assert_null(p);
        if (!strstr(err.text, rows[i].says))
            fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_back),
        cmocka_unit_test(stays_within),
        cmocka_unit_test(formulas),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
