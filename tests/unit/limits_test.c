/* limits_test.c - what a machine could do (engine/limits.h) and how an engine is timed
 * (engine/measure.h): that they measure what they say, never how fast. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/limits.h"
#include "engine/measure.h"

#define THIMBLE SEAM_SOURCE_DIR "/models/thimble-q8_0.gguf"

static struct seam_model *open_model(const char *file)
{
    struct seam_model *m = NULL;
    struct seam_err err = {0};
    if (seam_model_open(&m, file, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return m;
}

static void memory_is_read(void **state)
{
    (void)state;
    struct seam_err err = {0};
    double rate = 0;
    for (int n = 1; n <= 3; n++) { /* 3: shares that do not divide evenly */
        assert_int_equal(seam_limit_bandwidth(n, 5 << 20, &rate, &err), SEAM_OK);
        assert_true(isfinite(rate) && rate > 0);
    }
}

static void every_type_has_its_rate(void **state)
{
    (void)state;
    struct seam_model *m = open_model(THIMBLE);
    struct seam_limit_matrix rows[SEAM_LIMIT_TYPES_MAX], attention;
    struct seam_err err = {0};
    size_t n = 0;
    assert_int_equal(seam_limit_matrices(m, 2, 32, rows, &n, &attention, &err), SEAM_OK);
    assert_true(n >= 1);
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(rows[i].ops_per_s) && rows[i].ops_per_s > 0);
        assert_true(rows[i].ops_per_token > 0);
        assert_true(i == 0 || rows[i].ops_per_token <= rows[i - 1].ops_per_token);
        assert_true(rows[i].by[0] != '\0');
    }
    assert_true(attention.ops_per_s > 0);
    /* all but the last layer's share of two operations per active value of Q8_0 (34 bytes of 32) */
    double most = 2 * (double)seam_model_active_bytes(m) * 32 / 34;
    assert_true(rows[0].ops_per_token < most && rows[0].ops_per_token > most / 4);
    seam_model_close(m);
}

static void attention_counts_visible_pairs(void **state)
{
    (void)state;
    struct seam_model *m = open_model(THIMBLE);
    const struct seam_hparams *hp = seam_model_hparams(m);
    double pair = 2.0 * hp->n_head * (hp->d_head + hp->d_v) * (hp->n_layer - 1);
    assert_true(fabs(seam_limit_attention_ops(m, 0, 1) / pair - 1) < 1e-9);
    assert_true(fabs(seam_limit_attention_ops(m, 0, 4) / pair - 10) < 1e-9);
    assert_true(fabs(seam_limit_attention_ops(m, 100, 4) / pair - 410) < 1e-9);
    seam_model_close(m);
}

static void a_disk_is_read_or_refused(void **state)
{
    (void)state;
    struct seam_model *m = open_model(THIMBLE);
    struct seam_err err = {0};
    double rate = 0;
    bool direct;
    assert_int_equal(seam_limit_disk(m, 0, 8 << 20, &rate, &direct, &err), SEAM_OK);
    assert_true(isfinite(rate) && rate > 0);
    assert_int_equal(seam_limit_disk(m, 0, 1000, &rate, &direct, &err), SEAM_EINVAL);
    seam_model_close(m);
}

/* What a test leaves behind is what it says it computed, whatever ran before (states: the story bench). */
static void a_lane_goes_back_to_any_depth(void **state)
{
    (void)state;
    struct seam_model *m = open_model(THIMBLE);
    struct seam_engine_opts o = {.n_ctx = 64, .n_lanes = 1, .n_threads = 2};
    struct seam_engine *e = NULL;
    struct seam_measure *t = NULL;
    struct seam_err err = {0};
    uint64_t ns = 0;
    assert_int_equal(seam_engine_open(&e, m, &o, &err), SEAM_OK);
    assert_int_equal(seam_measure_open(&t, e, 1, &err), SEAM_OK);
    static const uint32_t tests[][2] = {{8, 4}, {8, 4}, {0, 12}, {20, 1}, {8, 3}, {63, 1}, {0, 1}};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        ns = 0;
        assert_int_equal(seam_measure_decode(t, tests[i][0], tests[i][1], &ns, &err), SEAM_OK);
        assert_int_equal(seam_engine_kv_len(e, 0), tests[i][0] + tests[i][1]);
        assert_true(ns > 0);
        assert_int_equal(seam_measure_prefill(t, tests[i][0], tests[i][1], &ns, &err), SEAM_OK);
        assert_int_equal(seam_engine_kv_len(e, 0), tests[i][0] + tests[i][1]);
    }
    assert_int_equal(seam_measure_decode(t, 60, 5, &ns, &err), SEAM_ECONTEXT);
    assert_int_equal(seam_measure_prefill(t, 65, 1, &ns, &err), SEAM_ECONTEXT);
    assert_int_equal(seam_measure_prefill(t, 0, 0, &ns, &err), SEAM_ECONTEXT);
    seam_measure_close(t);
    seam_engine_close(e);
    seam_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_read),
        cmocka_unit_test(every_type_has_its_rate),
        cmocka_unit_test(attention_counts_visible_pairs),
        cmocka_unit_test(a_disk_is_read_or_refused),
        cmocka_unit_test(a_lane_goes_back_to_any_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
