/* store_test.c - whatever the budget, read or mapped, an acquired unit holds the file's bytes, and never
 * more than the budget is held; a file that changes is an error. */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/store.h"

#define GOLDEN SEAM_SOURCE_DIR "/tests/golden/"

static struct seam_device device;

static void check_bytes(const struct seam_model *m, const struct seam_tensor *src,
                        const struct ggml_tensor *t)
{
    const char *path = seam_catalog_shard_path(seam_model_catalog(m), src->shard);
    struct seam_err err = {0};
    void *want = malloc(src->n_bytes);
    int fd = open(path, O_RDONLY);
    assert_non_null(want);
    assert_true(fd >= 0);
    assert_int_equal(seam_os_pread_full(fd, want, src->n_bytes, src->file_off, &err), SEAM_OK);
    assert_memory_equal(want, t->data, src->n_bytes);
    close(fd);
    free(want);
}

static void check_unit(const struct seam_model *m, const struct seam_store *s, uint32_t unit)
{
    uint32_t n_layer = seam_model_hparams(m)->n_layer;
    if (unit == seam_unit_embed(m))
        check_bytes(m, seam_model_global(m, SEAM_ROLE_TOKEN_EMBD),
                    seam_store_global(s, SEAM_ROLE_TOKEN_EMBD));
    if (unit == seam_unit_head(m)) {
        check_bytes(m, seam_model_global(m, SEAM_ROLE_OUTPUT),
                    seam_store_global(s, SEAM_ROLE_OUTPUT));
        check_bytes(m, seam_model_global(m, SEAM_ROLE_OUTPUT_NORM),
                    seam_store_global(s, SEAM_ROLE_OUTPUT_NORM));
    }
    if (unit == seam_unit_last_kv(m))
        check_bytes(m, seam_model_layer(m, n_layer - 1)->role[SEAM_ROLE_ATTN_KV_A],
                    seam_store_layer(s, n_layer - 1, SEAM_STORE_WEIGHT, SEAM_ROLE_ATTN_KV_A));
    for (uint32_t layer = 0; layer < n_layer; layer++)
        for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++) {
            const struct seam_tensor *src = seam_model_layer(m, layer)->role[role];
            if (src && unit == seam_unit_part(m, layer, seam_role_part((enum seam_role)role)))
                check_bytes(m, src,
                            seam_store_layer(s, layer, SEAM_STORE_WEIGHT, (enum seam_role)role));
        }
}

static void one_pass(const struct seam_model *m, struct seam_store *s, size_t stop_after)
{
    struct seam_err err = {0};
    uint32_t units[2 + SEAM_PART_COUNT * SEAM_MODEL_MAX_LAYERS + 2], n = seam_unit_count(m);
    for (uint32_t i = 0; i < n; i++)
        units[i] = i;
    assert_int_equal(seam_store_begin(s, units, n, &err), SEAM_OK);
    for (uint32_t i = 0; i < n && i < stop_after; i++) {
        if (seam_store_acquire(s, i, NULL, NULL, &err) != SEAM_OK)
            fail_msg("%s", err.text);
        check_unit(m, s, i);
        seam_store_release(s, i);
    }
    seam_store_end(s);
}

static bool cached(const struct seam_model *m)
{
    const struct seam_catalog *c = seam_model_catalog(m);
    bool all = true;
    for (uint32_t i = 0; i < seam_catalog_shard_count(c); i++) {
        int fd = open(seam_catalog_shard_path(c, i), O_RDONLY);
        assert_true(fd >= 0);
        all = all && seam_os_cached(fd, 0, seam_catalog_shard_bytes(c, i)) ==
                         seam_catalog_shard_bytes(c, i);
        close(fd);
    }
    return all;
}

static void with_budget(const struct seam_model *m, uint64_t budget, enum seam_mmap want,
                        bool streamed)
{
    struct seam_store *s;
    struct seam_err err = {0};
    assert_int_equal(seam_store_open(&s, m, true, &device, &err), SEAM_OK);
    if (seam_store_load(s, budget, want, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(seam_store_streamed(s), streamed);
    if (streamed || want != SEAM_MMAP_AUTO)
        assert_int_equal(seam_store_mapped(s), want == SEAM_MMAP_ON);
    else if (cached(m))
        assert_true(seam_store_mapped(s));
    assert_int_equal(seam_store_arena(s) == NULL, seam_store_mapped(s));
    assert_int_equal(seam_store_read_bytes(s) == 0, streamed || seam_store_mapped(s));
    one_pass(m, s, SIZE_MAX);
    one_pass(m, s, 2); /* given up early: the next pass starts clean */
    one_pass(m, s, SIZE_MAX);
    assert_true(seam_store_held_peak(s, false) <= (budget ? budget : seam_store_arena_bytes(s)));
    seam_store_close(s);
}

static void budgets_of(const char *file)
{
    struct seam_model *m;
    struct seam_err err = {0};
    if (seam_model_open(&m, file, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    struct seam_store_sizes sizes = seam_store_measure(m, true);
    assert_true(sizes.largest < sizes.all);
    const uint64_t budgets[] = {sizes.largest, sizes.largest + SEAM_DIRECT_ALIGN,
                                (sizes.largest + sizes.all) / 2, sizes.all - 1};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        with_budget(m, budgets[i], SEAM_MMAP_AUTO, true);
    for (int want = SEAM_MMAP_AUTO; want <= SEAM_MMAP_OFF; want++) {
        with_budget(m, 0, (enum seam_mmap)want, false);
        with_budget(m, sizes.all, (enum seam_mmap)want, false);
    }

    struct seam_store *s;
    assert_int_equal(seam_store_open(&s, m, true, &device, &err), SEAM_OK);
    assert_int_equal(seam_store_load(s, sizes.largest - 1, SEAM_MMAP_AUTO, &err), SEAM_ENOMEM);
    seam_store_close(s);
    assert_int_equal(seam_store_open(&s, m, true, &device, &err), SEAM_OK);
    assert_int_equal(seam_store_load(s, sizes.largest, SEAM_MMAP_ON, &err), SEAM_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "streamed"));
    seam_store_close(s);
    seam_model_close(m);
}

static void every_budget_serves_the_bytes_of_the_file(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(GOLDEN "deepseek2-*.gguf", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        budgets_of(found.gl_pathv[i]);
    globfree(&found);
}

static void splits_are_one_model(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(GOLDEN "split/*-00001-of-*.gguf", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        budgets_of(found.gl_pathv[i]);
    globfree(&found);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
    assert_non_null(a);
    assert_non_null(b);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, a)) > 0;)
        assert_int_equal(fwrite(buffer, 1, n, b), n);
    fclose(a);
    assert_int_equal(fclose(b), 0);
}

/* A copy of a golden model, streamed through the smallest ring or mapped; the path is for the test to damage. */
struct copied {
    char dir[32], path[64];
    struct seam_model *model;
    struct seam_store *store;
    uint32_t units[256], n;
};

static void copied_open(struct copied *f, bool streamed)
{
    glob_t found;
    struct seam_err err = {0};
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/seam-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/m.gguf", f->dir);
    assert_int_equal(glob(GOLDEN "deepseek2-*.gguf", 0, NULL, &found), 0);
    copy_file(found.gl_pathv[0], f->path);
    globfree(&found);
    assert_int_equal(seam_model_open(&f->model, f->path, &err), SEAM_OK);
    assert_int_equal(seam_store_open(&f->store, f->model, true, &device, &err), SEAM_OK);
    uint64_t budget = streamed ? seam_store_measure(f->model, true).largest : 0;
    if (seam_store_load(f->store, budget, streamed ? SEAM_MMAP_AUTO : SEAM_MMAP_ON, &err) !=
        SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(seam_store_mapped(f->store), !streamed);
    f->n = seam_unit_count(f->model);
    assert_true(f->n <= 256);
    for (uint32_t i = 0; i < f->n; i++)
        f->units[i] = i;
}

static void copied_close(struct copied *f)
{
    seam_store_end(f->store);
    seam_store_close(f->store);
    seam_model_close(f->model);
    unlink(f->path);
    rmdir(f->dir);
}

/* The disk fails (here: the file shrinks) under a running sweep: an error, not a hang or garbage. */
static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    struct copied f;
    struct seam_err err = {0};
    copied_open(&f, true);
    assert_int_equal(seam_store_begin(f.store, f.units, f.n, &err), SEAM_OK);
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; i < f.n && st == SEAM_OK; i++) {
        st = seam_store_acquire(f.store, i, NULL, NULL, &err);
        if (i == 0)
            assert_int_equal(truncate(f.path, 8192), 0);
        if (st == SEAM_OK)
            seam_store_release(f.store, i);
    }
    assert_int_equal(st, SEAM_EFORMAT);
    assert_non_null(strstr(err.text, f.path));
    copied_close(&f);
}

/* Another model copied over the first between two prompts. */
static void a_file_that_was_replaced_is_an_error(void **state)
{
    (void)state;
    struct copied f;
    struct seam_err err = {0};
    copied_open(&f, true);
    one_pass(f.model, f.store, SIZE_MAX);
    const struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, f.path, times, 0), 0);
    assert_int_equal(seam_store_begin(f.store, f.units, f.n, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "has changed"));
    copied_close(&f);
}

static void a_mapped_file_that_was_written_to_is_an_error(void **state)
{
    (void)state;
    struct copied f;
    struct seam_err err = {0};
    copied_open(&f, false);
    one_pass(f.model, f.store, SIZE_MAX);
    assert_int_equal(seam_store_begin(f.store, f.units, f.n, &err), SEAM_OK);
    usleep(20000); /* a tick of the slowest clock */
    int fd = open(f.path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 100), 1);
    close(fd);
    assert_int_equal(seam_store_acquire(f.store, 0, NULL, NULL, &err), SEAM_EFORMAT);
    assert_int_equal(seam_store_unchanged(f.store, &err), SEAM_EFORMAT);
    assert_int_equal(seam_store_begin(f.store, f.units, f.n, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "m.gguf has changed"));
    copied_close(&f);
}

/* Its name now means another file; what was opened is still there. */
static void a_mapped_file_whose_name_was_taken_is_the_same(void **state)
{
    (void)state;
    struct copied f;
    char other[80];
    copied_open(&f, false);
    snprintf(other, sizeof other, "%s.new", f.path);
    copy_file(f.path, other);
    assert_int_equal(truncate(other, 100), 0);
    assert_int_equal(rename(other, f.path), 0);
    assert_int_equal(seam_store_unchanged(f.store, NULL), SEAM_OK);
    const struct ggml_tensor *t = seam_store_global(f.store, SEAM_ROLE_OUTPUT);
    uint8_t sum = 0;
    for (size_t i = 0; i < ggml_nbytes(t); i++)
        sum ^= ((const uint8_t *)t->data)[i];
    (void)sum;
    copied_close(&f);
}

/* Between two questions: the process cannot go on, and says why. */
static void a_mapped_file_cut_short_under_use_ends_the_process(void **state)
{
    (void)state;
    struct copied f;
    char told[2048];
    int fds[2], status = 0;
    copied_open(&f, false);
    const struct ggml_tensor *t = seam_store_global(f.store, SEAM_ROLE_OUTPUT);
    volatile const uint8_t *last = (const uint8_t *)t->data + ggml_nbytes(t) - 1;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        _exit(truncate(f.path, 0) == 0 && *last ? 100 : 101);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], told, sizeof told - 1);
    told[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), seam_status_exit(SEAM_EFORMAT));
    assert_non_null(strstr(told, "m.gguf was cut short while it was in use"));
    assert_int_equal(seam_store_unchanged(f.store, NULL), SEAM_EFORMAT);
    copied_close(&f);
}

static int start(void **state)
{
    (void)state;
    return seam_device_init(&device, 1, NULL) == SEAM_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    seam_device_release(&device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_budget_serves_the_bytes_of_the_file),
        cmocka_unit_test(splits_are_one_model),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
        cmocka_unit_test(a_file_that_was_replaced_is_an_error),
        cmocka_unit_test(a_mapped_file_that_was_written_to_is_an_error),
        cmocka_unit_test(a_mapped_file_whose_name_was_taken_is_the_same),
        cmocka_unit_test(a_mapped_file_cut_short_under_use_ends_the_process),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
