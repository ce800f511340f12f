/* reader_test.c - extents arrive whole wherever they lie, cached or not; a short file, a changed file
 * and a caller who has had enough are errors, after which the reader still reads. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/reader.h"

#define GOLDEN "/tests/golden/deepseek2-dense0.gguf"
#define PAGE   ((uint64_t)SEAM_DIRECT_ALIGN)
#define TAIL   ((size_t)9 << 20) /* behind the tensors: several pieces, and an odd end */
#define UNREAD 0xa5

struct fixture { /* a model with a long tail, in memory and as a file */
    char dir[32], path[64];
    uint8_t *bytes, *memory;
    uint64_t n, n_memory;
    struct seam_catalog *catalog;
    struct seam_reader *reader;
};

static void write_file(struct fixture *f)
{
    FILE *out = fopen(f->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(f->bytes, 1, f->n, out), f->n);
    assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct seam_err err = {0};
    struct stat st;
    assert_non_null(f);
    FILE *in = fopen(SEAM_SOURCE_DIR GOLDEN, "rb");
    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &st), 0);
    f->n = (uint64_t)st.st_size + TAIL + 77;
    f->n_memory = f->n + 64 * PAGE;
    f->bytes = malloc(f->n);
    f->memory = seam_os_pages_alloc(f->n_memory);
    assert_non_null(f->bytes);
    assert_non_null(f->memory);
    for (uint64_t i = 0; i < f->n; i++)
        f->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(fread(f->bytes, 1, (size_t)st.st_size, in), st.st_size);
    fclose(in);
    snprintf(f->dir, sizeof f->dir, "/tmp/seam-reader-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/m.gguf", f->dir);
    write_file(f);
    if (seam_catalog_open(&f->catalog, f->path, &err) != SEAM_OK ||
        seam_reader_open(&f->reader, f->catalog, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    seam_reader_close(f->reader);
    seam_catalog_close(f->catalog);
    seam_os_pages_free(f->memory, f->n_memory);
    free(f->bytes);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* Three ranges with a page between them in memory; the last one's end is the file's. */
static void make_extents(const struct fixture *f, struct seam_extent e[3])
{
    uint64_t last = f->n / PAGE * PAGE - 3 * PAGE;
    e[0] = (struct seam_extent){0, 0, PAGE, 100, 0};
    e[1] = (struct seam_extent){0, 2 * PAGE, last - 4 * PAGE, last - 4 * PAGE - 9, 2 * PAGE};
    e[2] = (struct seam_extent){0, last, 4 * PAGE, f->n - last, e[1].at + e[1].len + PAGE};
}

static void check_read(struct fixture *f)
{
    struct seam_extent e[3];
    struct seam_err err = {0};
    make_extents(f, e);
    memset(f->memory, UNREAD, f->n_memory);
    if (seam_reader_read(f->reader, e, 3, f->memory, NULL, NULL, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(f->memory + e[i].at, f->bytes + e[i].off, e[i].need);
        assert_int_equal(f->memory[e[i].at + e[i].len], UNREAD);
    }
}

static void every_byte_arrives_cached_or_not(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->path, O_RDONLY);
    check_read(f); /* just written: cached */
    assert_int_equal(fsync(fd), 0);
#ifdef POSIX_FADV_DONTNEED
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
#endif
    check_read(f);
    uint8_t byte; /* one page of a piece is cached, the others are not */
    assert_int_equal(pread(fd, &byte, 1, 5 * (off_t)PAGE), 1);
    check_read(f);
    close(fd);
    assert_int_equal(seam_reader_read(f->reader, NULL, 0, f->memory, NULL, NULL, NULL), SEAM_OK);
}

static void a_short_file_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct seam_extent e[3];
    struct seam_err err = {0};
    make_extents(f, e);
    e[2].need++; /* one byte more than there is */
    assert_int_equal(seam_reader_read(f->reader, e, 3, f->memory, NULL, NULL, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, f->path));
    check_read(f);
    assert_int_equal(truncate(f->path, 1 << 20), 0);
    assert_int_equal(seam_reader_read(f->reader, e, 2, f->memory, NULL, NULL, &err), SEAM_EFORMAT);
}

static void a_changed_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct seam_err err = {0};
    assert_int_equal(seam_reader_unchanged(f->reader, &err), SEAM_OK);
    assert_int_equal(truncate(f->path, (off_t)f->n - 1), 0);
    assert_int_equal(seam_reader_unchanged(f->reader, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "has changed"));
}

static void a_missing_file_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct seam_reader *r;
    struct seam_err err = {0};
    unlink(f->path);
    assert_int_equal(seam_reader_open(&r, f->catalog, &err), SEAM_ENOTFOUND);
    assert_null(r);
}

static bool second_time(void *user)
{
    atomic_int *asked = user;
    return atomic_fetch_add(asked, 1) >= 1;
}

static void who_has_had_enough_waits_for_no_more(void **state)
{
    struct fixture *f = *state;
    struct seam_extent e[3];
    struct seam_err err = {0};
    atomic_int asked = 0;
    make_extents(f, e);
    assert_int_equal(seam_reader_read(f->reader, e, 3, f->memory, second_time, &asked, &err),
                     SEAM_ECANCELED);
    check_read(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_byte_arrives_cached_or_not),
        TEST(a_short_file_is_an_error),
        TEST(a_changed_file_is_noticed),
        TEST(a_missing_file_is_an_error),
        TEST(who_has_had_enough_waits_for_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
