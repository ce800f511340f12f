/* The journal: what is added comes back, two programs write to one file, and what is no journal, a damaged one
 * or a newer one is refused and left as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/journal.h"

static char dir[64], path[96];

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/seam-journal.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/j.db", dir);
    return 0;
}

static int end(void **state)
{
    char other[120];
    (void)state;
    snprintf(other, sizeof other, "%s-journal", path);
    unlink(other);
    unlink(path);
    return rmdir(dir);
}

static struct seam_journal *opened(bool create)
{
    struct seam_journal *j;
    struct seam_err err = {0};
    if (seam_journal_open(&j, path, create, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return j;
}

static const struct seam_journal_run a_run = {.phase = "solo",
                                              .layout = "this machine",
                                              .machine = "this",
                                              .model = "it's \"quoted\".gguf",
                                              .decode = true,
                                              .tokens = 16,
                                              .after = 4000000000u,
                                              .chunk = 512,
                                              .repeats = 3,
                                              .median = 20.5,
                                              .least = 19,
                                              .most = 21,
                                              .worst = 10,
                                              .likely = 18,
                                              .best = 30,
                                              .alone = true};

static void comes_back(void **state)
{
    (void)state;
    struct seam_err err = {0};
    const struct seam_journal_number numbers[] = {{"A.ttft", "s", 3, 2, 1}, {"A.kv", "B", 7, 7, 7}};
    const struct seam_journal_plan plan = {"m", "c.yaml", 8192, numbers, 2};
    struct seam_journal *j = opened(true), *k = opened(true); /* two writers */
    assert_int_equal(seam_journal_add_plan(j, &plan, &err), SEAM_OK);
    assert_int_equal(seam_journal_add_run(k, &a_run, &err), SEAM_OK);
    struct seam_journal_run second = a_run;
    second.decode = second.alone = false;
    assert_int_equal(seam_journal_add_run(j, &second, &err), SEAM_OK);
    seam_journal_close(j);
    seam_journal_close(k);
    j = opened(false);
    const struct seam_journal_run *r;
    size_t n;
    assert_int_equal(seam_journal_runs(j, &r, &n, &err), SEAM_OK);
    assert_int_equal(n, 2);
    assert_string_equal(r[0].model, a_run.model);
    assert_string_equal(r[0].layout, "this machine");
    assert_true(r[0].decode && r[0].alone && !r[1].decode && !r[1].alone);
    assert_true(r[0].after == 4000000000u && r[0].median == 20.5 && r[0].likely == 18);
    /* the same key twice: nothing of that plan stays */
    const struct seam_journal_number twice[] = {{"k", "s", 1, 1, 1}, {"k", "s", 1, 1, 1}};
    const struct seam_journal_plan bad = {"m", "c.yaml", 1, twice, 2};
    assert_int_equal(seam_journal_add_plan(j, &bad, &err), SEAM_EIO); /* read-only */
    seam_journal_close(j);
    j = opened(true);
    assert_int_equal(seam_journal_add_plan(j, &bad, &err), SEAM_EIO);
    seam_journal_close(j);
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT (SELECT count(*) FROM plans),"
                                        " (SELECT count(*) FROM numbers)",
                                        -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 1);
    assert_int_equal(sqlite3_column_int(s, 1), 2);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static char *slurp(size_t *n)
{
    char *p = calloc(1, 1 << 20);
    FILE *f = fopen(path, "rb");
    *n = f ? fread(p, 1, 1 << 20, f) : 0;
    if (f)
        fclose(f);
    return p;
}

static void refused(bool create, seam_status st, const char *says)
{
    size_t before_n, after_n;
    struct seam_journal *j;
    struct seam_err err = {0};
    char *before = slurp(&before_n);
    assert_int_equal(seam_journal_open(&j, path, create, &err), st);
    assert_null(j);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    char *after = slurp(&after_n);
    assert_true(before_n == after_n && !memcmp(before, after, before_n));
    free(before);
    free(after);
}

static void write_file(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void others(void **state)
{
    (void)state;
    struct seam_journal *j;
    struct seam_err err = {0};
    assert_int_equal(seam_journal_open(&j, path, false, &err), SEAM_ENOTFOUND);
    assert_int_equal(access(path, F_OK), -1);
    char text[5000];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    refused(true, SEAM_EFORMAT, "damaged, or no journal");
    unlink(path);
    sql("CREATE TABLE mine(x)");
    refused(true, SEAM_EFORMAT, "no journal of Seam");
    unlink(path);
    seam_journal_close(opened(true));
    sql("PRAGMA user_version=2");
    refused(true, SEAM_EUNSUPPORTED, "version 2 of the journal");
    unlink(path);
    j = opened(true);
    assert_int_equal(seam_journal_add_run(j, &a_run, &err), SEAM_OK);
    seam_journal_close(j);
    size_t n;
    char *whole = slurp(&n);
    memset(whole + 4096, 0x55, n - 4096); /* the first page stays */
    write_file(whole, n);
    refused(true, SEAM_EFORMAT, "damaged");
    write_file(whole, 5000); /* cut */
    refused(true, SEAM_EFORMAT, "damaged");
    free(whole);
    assert_int_equal(seam_journal_open(&j, "/nonexistent/j.db", true, &err), SEAM_EIO);
}

static void place(void **state)
{
    (void)state;
    char buf[100];
    struct seam_err err = {0};
    setenv("XDG_STATE_HOME", "/x", 1);
    assert_int_equal(seam_journal_place(buf, sizeof buf, &err), SEAM_OK);
    assert_string_equal(buf, "/x/seam/journal.db");
    setenv("XDG_STATE_HOME", "relative", 1); /* the specification says: ignore it */
    setenv("HOME", "/home/u", 1);
    assert_int_equal(seam_journal_place(buf, sizeof buf, &err), SEAM_OK);
    assert_string_equal(buf, "/home/u/.local/state/seam/journal.db");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(seam_journal_place(buf, sizeof buf, &err), SEAM_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back, begin, end),
        cmocka_unit_test_setup_teardown(others, begin, end),
        cmocka_unit_test(place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
