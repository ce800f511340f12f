/* bench_peer_test.c - what other programs say (cmd/bench.h). src/cmd is a program, not a library, so
 * the test takes the file in whole. tests/golden/peer/llama-bench-0.7.0.json was printed by
 * `llama-bench -m thimble-q8_0.gguf -p 0 -n 16 -d 64 -t 2 -r 1 -fa 1 -o json` (Debian 1:0.7.0). */
#include "cmd/bench_peer.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct seam_bench_test decode_16_after_64 = {.kind = SEAM_BENCH_DECODE,
                                                          .n = 16,
                                                          .depth = 64};

static size_t read_sample(char *buf, size_t len)
{
    FILE *f = fopen(SEAM_SOURCE_DIR "/tests/golden/peer/llama-bench-0.7.0.json", "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, len, f);
    fclose(f);
    assert_true(n > 0 && n < len);
    return n;
}

static void a_real_result_is_understood(void **state)
{
    (void)state;
    char text[8192];
    size_t len = read_sample(text, sizeof text);
    struct seam_bench_peer about = {0};
    struct seam_err err = {0};
    double ns = 0;
    assert_int_equal(seam_bench_parse_llama(text, len, &decode_16_after_64, &ns, &about, &err),
                     SEAM_OK);
    const char *samples = strstr(text, "\"samples_ns\": [ ");
    assert_non_null(samples);
    assert_true((uint64_t)ns == strtoull(samples + strlen("\"samples_ns\": [ "), NULL, 10));
    assert_string_equal(about.build, "Debian (11669)");
    assert_string_equal(about.backends, "CPU");
}

static void another_test_is_not_taken_for_it(void **state)
{
    (void)state;
    char text[8192];
    size_t len = read_sample(text, sizeof text);
    const struct seam_bench_test others[] = {
        {.kind = SEAM_BENCH_DECODE, .n = 16, .depth = 0},
        {.kind = SEAM_BENCH_DECODE, .n = 17, .depth = 64},
        {.kind = SEAM_BENCH_PREFILL, .n = 16, .depth = 64},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct seam_bench_peer about;
        struct seam_err err = {0};
        double ns;
        assert_int_equal(seam_bench_parse_llama(text, len, &others[i], &ns, &about, &err),
                         SEAM_EPEER);
    }
}

static void what_is_no_result_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "| model | size |\n",
        "{}",
        "[]",
        "[1]",
        "[{}]",
        "[{\"n_prompt\":0,\"n_gen\":16,\"n_depth\":64}]",
        "[{\"n_prompt\":0,\"n_gen\":16,\"n_depth\":64,\"samples_ns\":[]}]",
        "[{\"n_prompt\":0,\"n_gen\":16,\"n_depth\":64,\"samples_ns\":[0]}]",
        "[{\"n_prompt\":0,\"n_gen\":16,\"n_depth\":64,\"samples_ns\":[\"5\"]}]",
        "[{\"n_prompt\":0,\"n_gen\":\"16\",\"n_depth\":64,\"samples_ns\":[5]}]",
        "{\"tests\":[{\"n_prompt\":0,\"n_gen\":16,\"depth\":0,\"samples_ns\":[5]}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct seam_bench_peer about;
        struct seam_err err = {0};
        double ns;
        const struct seam_bench_test *t = &decode_16_after_64;
        assert_int_equal(seam_bench_parse_llama(texts[i], strlen(texts[i]), t, &ns, &about, &err),
                         SEAM_EPEER);
        assert_int_equal(seam_bench_parse_seam(texts[i], strlen(texts[i]), t, &ns, &err),
                         SEAM_EPEER);
        assert_true(err.text[0] != '\0');
    }
}

static void our_own_result_is_found_among_others(void **state)
{
    (void)state;
    static const char text[] =
        "{\"tests\":[{\"n_prompt\":16,\"n_gen\":0,\"depth\":64,\"samples_ns\":[4]},"
        "{\"n_prompt\":0,\"n_gen\":16,\"depth\":64,\"samples_ns\":[5, 6]}]}";
    struct seam_err err = {0};
    double ns = 0;
    assert_int_equal(seam_bench_parse_seam(text, sizeof text - 1, &decode_16_after_64, &ns, &err),
                     SEAM_OK);
    assert_true(ns > 4.5 && ns < 5.5);
}

static void last_words_are_the_last_line(void **state)
{
    (void)state;
    char two[] = "first\nsecond  \n\n", none[] = "\n", one[] = "only";
    assert_string_equal(last_line(two), "second");
    assert_string_equal(last_line(one), "only");
    assert_string_equal(last_line(none), "it said nothing");
    assert_string_equal(last_line(NULL), "it said nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_result_is_understood),
        cmocka_unit_test(another_test_is_not_taken_for_it),
        cmocka_unit_test(what_is_no_result_is_refused),
        cmocka_unit_test(our_own_result_is_found_among_others),
        cmocka_unit_test(last_words_are_the_last_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
