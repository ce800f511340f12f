/* check_test.c - lock files and sums as text (check/lock.h, check/sums.h), and the table of known-bad combinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check/known.h"
#include "check/lock.h"
#include "check/sums.h"

/* ---- locks ---- */

static seam_status read_lock(struct seam_lock **l, const char *text, struct seam_err *err)
{
    return seam_lock_read(l, "pool.lock", text, strlen(text), err);
}

static void bad_locks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no JSON"},
        {"{", "no JSON"},
        {"[]", "no lock file"},
        {"{\"machines\": []}", "no lock file"},
        {"{\"seam_lock\": 1}", "no lock file"},
        {"{\"seam_lock\": \"1\", \"machines\": []}", "no lock file"},
        {"{\"seam_lock\": 2, \"machines\": []}", "version 2"},
        {"{\"seam_lock\": 1, \"machines\": [7]}", "without a name"},
        {"{\"seam_lock\": 1, \"machines\": [{\"name\": \"\"}]}", "without a name"},
        {"{\"seam_lock\": 1, \"machines\": [{\"name\": \"a\", \"sema\": \"1\"}]}",
         "'sema' is none"},
        {"{\"seam_lock\": 1, \"machines\": [{\"name\": \"a\", \"seam\": 1}]}",
         "seam is not a text"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct seam_lock *l;
        struct seam_err err = {0};
        assert_int_equal(read_lock(&l, bad[i].text, &err), SEAM_EFORMAT);
        assert_null(l);
        assert_non_null(strstr(err.text, "pool.lock"));
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: said %s", bad[i].text, err.text);
    }
}

static struct seam_facts some_facts(void)
{
    return (struct seam_facts){.seam = "0.1.0",
                               .ggml = "0.27.0",
                               .backends = "CPU",
                               .libfabric = "1.17",
                               .system = "Linux \"6\"\n"};
}

static char last[256];
static int n_differ;
static void differs(void *user, const char *field, const char *locked, const char *found)
{
    (void)user;
    n_differ++;
    snprintf(last, sizeof last, "%s %s %s", field, locked, found);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct seam_facts a = some_facts(), b = some_facts();
    snprintf(b.driver, sizeof b.driver, "580.95.05");
    struct seam_machine m[] = {{"studio", &a}, {"spark \"1\"", &b}, {"studio", &a}};
    char file[] = "/tmp/seam-lock-XXXXXX";
    struct seam_lock *l;
    struct seam_err err = {0};
    close(mkstemp(file));
    assert_int_equal(seam_lock_write(file, m, 3, &err), SEAM_OK);
    assert_int_equal(seam_lock_open(&l, file, &err), SEAM_OK);
    n_differ = 0;
    for (int i = 0; i < 3; i++)
        assert_true(seam_lock_compare(l, &m[i], differs, NULL));
    assert_int_equal(n_differ, 0);
    snprintf(b.driver, sizeof b.driver, "570.1");
    assert_true(seam_lock_compare(l, &m[1], differs, NULL));
    assert_int_equal(n_differ, 1);
    assert_string_equal(last, "driver 580.95.05 570.1");
    m[0].name = "mbp";
    assert_false(seam_lock_compare(l, &m[0], differs, NULL));
    seam_lock_close(l);
    /* one name, two machines */
    m[0] = (struct seam_machine){"spark \"1\"", &a};
    assert_int_equal(seam_lock_write(file, m, 2, &err), SEAM_EINVAL);
    assert_non_null(strstr(err.text, "--name"));
    assert_int_equal(seam_lock_open(&l, file, &err), SEAM_OK); /* the good one is still there */
    seam_lock_close(l);
    unlink(file);
}

static void a_field_left_out_is_not_compared(void **state)
{
    (void)state;
    struct seam_facts a = some_facts();
    const struct seam_machine m = {"a", &a};
    struct seam_lock *l;
    assert_int_equal(read_lock(&l,
                               "{\"seam_lock\":1,\"machines\":[{\"name\":\"a\",\"ggml\":\"1\"}]}",
                               NULL),
                     SEAM_OK);
    n_differ = 0;
    assert_true(seam_lock_compare(l, &m, differs, NULL));
    assert_int_equal(n_differ, 1);
    assert_string_equal(last, "ggml 1 0.27.0");
    seam_lock_close(l);
}

/* ---- sums ---- */

#define A64 "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define B64 "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void sums_are_found_by_name(void **state)
{
    (void)state;
    static const char text[] = A64 "  folder/a.gguf\r\n" B64 " *b.gguf\n\n\\" B64
                                   "  with\\nnewline\\\\.gguf\n" A64 "  a.gguf";
    struct seam_sums *s;
    struct seam_err err = {0};
    if (seam_sums_read(&s, "SUMS", text, sizeof text - 1, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(seam_sums_count(s), 3); /* a.gguf twice, with one sum */
    const uint8_t *a = seam_sums_find(s, "/models/a.gguf"), *b = seam_sums_find(s, "b.gguf");
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a[0], 0x01);
    assert_int_equal(a[15], 0xef);
    assert_int_equal(b[0], 0x11);
    assert_non_null(seam_sums_find(s, "with\nnewline\\.gguf"));
    assert_null(seam_sums_find(s, "c.gguf"));
    seam_sums_close(s);
}

static void bad_sums_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "has no sums"},
        {"\n\n", "has no sums"},
        {A64, ":1:"},
        {A64 "  ", ":1:"},
        {A64 "  folder/", ":1:"},
        {A64 " x.gguf", ":1:"},
        {"0123  x.gguf", ":1:"},
        {A64 "  a\n" A64 "0  b", ":2:"},
        {"g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  a", ":1:"},
        {A64 "  a\n" B64 "  a", "a second sum for a"},
        {"\\" A64 "  a\\t", ":1:"},
        {"\\" A64 "  a\\", ":1:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct seam_sums *s;
        struct seam_err err = {0};
        assert_int_equal(seam_sums_read(&s, "SUMS", bad[i].text, strlen(bad[i].text), &err),
                         SEAM_EFORMAT);
        assert_null(s);
        if (!strstr(err.text, bad[i].says) || strncmp(err.text, "SUMS", 4) != 0)
            fail_msg("%s: said %s", bad[i].text, err.text);
    }
    struct seam_sums *s;
    assert_int_equal(seam_sums_read(&s, "SUMS", A64 "  a\0b", 68, NULL), SEAM_EFORMAT);
}

/* ---- known-bad ---- */

static char hits[512];
static void hit(void *user, const struct seam_known *row, const char *machine, const char *story)
{
    (void)user;
    size_t n = strlen(hits);
    snprintf(hits + n, sizeof hits - n, "%s@%s ", row->name, machine);
    assert_true(*story && *row->mend && *row->source);
}

static void known_bad_is_found(void **state)
{
    (void)state;
    struct seam_facts mac = {.has_wired_limit = true,
                             .wired_bytes = (uint64_t)480 << 30,
                             .memory_bytes = (uint64_t)512 << 30},
                      spark = {.product = "NVIDIA_DGX_Spark",
                               .driver = "580.95.05",
                               .nic_lanes = 4},
                      old = {.product = "NVIDIA_DGX_Spark", .driver = "575.1", .nic_lanes = 2},
                      pc = {.product = "Standard PC", .nic_lanes = 1};
    const struct seam_machine good[] = {{"mac", &mac}, {"s1", &spark}, {"s2", &spark}, {"pc", &pc}};
    const struct seam_machine bad[] = {{"mac", &mac}, {"s1", &spark}, {"s2", &old}};
    hits[0] = '\0';
    seam_known_find(good, 4, hit, NULL);
    assert_string_equal(hits, "");
    mac.wired_bytes = (uint64_t)511 << 30;
    seam_known_find(bad, 3, hit, NULL);
    assert_string_equal(hits,
                        "driver-differs@s2 spark-driver@s2 spark-nic-x2@s2 wired-too-high@mac ");
    for (size_t i = 0; i < seam_known_count(); i++)
        assert_true(*seam_known_at(i)->mend && *seam_known_at(i)->source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_locks_are_refused),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_field_left_out_is_not_compared),
        cmocka_unit_test(sums_are_found_by_name),
        cmocka_unit_test(bad_sums_are_refused),
        cmocka_unit_test(known_bad_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
