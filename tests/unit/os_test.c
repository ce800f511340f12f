/* os_test.c - the system underneath (base/os/os.h) and the clock: the same promises everywhere. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/os/os.h"

#define FILE_BYTES 10000u
#define TWO_PAGES  ((size_t)2 * SEAM_DIRECT_ALIGN)

static char folder[] = "/tmp/seam-os-test.XXXXXX";
static char path[64];

static int make_file(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/data", folder);
    FILE *f = fopen(path, "wb");
    for (unsigned i = 0; f && i < FILE_BYTES; i++)
        fputc((int)(i * 31 % 251), f);
    return f && fclose(f) == 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void pread_full_reads_all_of_it(void **state)
{
    (void)state;
    unsigned char buf[FILE_BYTES];
    struct seam_err err = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(seam_os_pread_full(fd, buf, sizeof buf, 0, &err), SEAM_OK);
    for (unsigned i = 0; i < FILE_BYTES; i++)
        assert_int_equal(buf[i], i * 31 % 251);
    assert_int_equal(seam_os_pread_full(fd, buf, 100, FILE_BYTES - 100, &err), SEAM_OK);
    assert_int_equal(buf[0], (FILE_BYTES - 100) * 31 % 251);
    assert_int_equal(seam_os_pread_full(fd, buf, 0, FILE_BYTES + 7, &err), SEAM_OK); /* nothing */
    close(fd);
}

static void a_short_file_is_a_format_error(void **state)
{
    (void)state;
    unsigned char buf[200];
    struct seam_err err = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(seam_os_pread_full(fd, buf, 200, FILE_BYTES - 100, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "10000")); /* where the file ends */
    assert_int_equal(seam_os_pread_full(fd, buf, 1, FILE_BYTES, &err), SEAM_EFORMAT);
    close(fd);
}

static void a_bad_descriptor_is_an_io_error(void **state)
{
    (void)state;
    char c;
    struct seam_err err = {0};
    assert_int_equal(seam_os_pread_full(-1, &c, 1, 0, &err), SEAM_EIO);
    assert_true(strlen(err.text) > 0);
}

static void a_missing_file_is_not_found(void **state)
{
    (void)state;
    char missing[80];
    struct seam_err err = {0};
    int fd = -1;
    bool direct = false;
    snprintf(missing, sizeof missing, "%s/nothing-here", folder);
    assert_int_equal(seam_os_open_direct(missing, &fd, &direct, &err), SEAM_ENOTFOUND);
    assert_non_null(strstr(err.text, missing));
}

static void a_direct_read_gives_the_same_bytes(void **state)
{
    (void)state;
    struct seam_err err = {0};
    int fd = -1;
    bool direct = false;
    assert_int_equal(seam_os_open_direct(path, &fd, &direct, &err), SEAM_OK);
    unsigned char *buf = seam_os_pages_alloc(TWO_PAGES); /* aligned, as direct asks */
    assert_non_null(buf);
    assert_int_equal(seam_os_pread_full(fd, buf, SEAM_DIRECT_ALIGN, SEAM_DIRECT_ALIGN, &err),
                     SEAM_OK);
    for (unsigned i = 0; i < SEAM_DIRECT_ALIGN; i++)
        assert_int_equal(buf[i], (i + SEAM_DIRECT_ALIGN) * 31 % 251);
    seam_os_pages_free(buf, TWO_PAGES);
    close(fd);
}

static void a_direct_read_may_pass_the_end(void **state)
{
    (void)state;
    struct seam_err err = {0};
    int fd = -1;
    bool direct = false;
    uint64_t off = TWO_PAGES;
    size_t left = FILE_BYTES - (size_t)off;
    assert_int_equal(seam_os_open_direct(path, &fd, &direct, &err), SEAM_OK);
    unsigned char *buf = seam_os_pages_alloc(SEAM_DIRECT_ALIGN);
    assert_non_null(buf);
    assert_int_equal(seam_os_pread_some(fd, buf, SEAM_DIRECT_ALIGN, left, off, &err), SEAM_OK);
    assert_int_equal(buf[left - 1], (FILE_BYTES - 1) * 31 % 251);
    assert_int_equal(seam_os_pread_some(fd, buf, SEAM_DIRECT_ALIGN, left + 1, off, &err),
                     SEAM_EFORMAT);
    seam_os_pages_free(buf, SEAM_DIRECT_ALIGN);
    close(fd);
}

static void pages_come_zeroed_and_aligned(void **state)
{
    (void)state;
    size_t len = (size_t)3 << 20;
    for (int round = 0; round < 3; round++) { /* pages that were dirty come back zeroed, too */
        unsigned char *p = seam_os_pages_alloc(len);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % SEAM_DIRECT_ALIGN, 0);
        for (size_t i = 0; i < len; i += 512)
            assert_int_equal(p[i], 0);
        memset(p, 0xa5, len);
        seam_os_pages_free(p, len);
    }
    assert_null(seam_os_pages_alloc((size_t)1 << 62)); /* more than an address space */
    seam_os_pages_free(NULL, 1);
}

static void the_machine_is_described(void **state)
{
    (void)state;
    uint64_t rss = seam_os_rss_bytes(), memory = seam_os_memory_bytes();
    assert_true(rss > 100000);
    assert_true(memory > rss);
    assert_true(seam_os_performance_cores() >= 1);
    const char *name = seam_os_machine_name();
    assert_true(strlen(name) > 0);
    assert_null(strchr(name, '.'));
}

static void rss_follows_what_is_touched(void **state)
{
    (void)state;
    size_t len = (size_t)64 << 20;
    uint64_t before = seam_os_rss_bytes();
    unsigned char *p = seam_os_pages_alloc(len);
    assert_non_null(p);
    memset(p, 1, len);
    assert_true(seam_os_rss_bytes() >= before + len / 2);
    seam_os_pages_free(p, len);
    assert_true(seam_os_rss_bytes() < before + len / 2);
}

static void the_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t last = seam_mono_ns(), first = last;
    assert_true(last > 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t now = seam_mono_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
}

static void a_deadline_lies_ahead(void **state)
{
    (void)state;
    static const uint64_t timeouts[] = {0, 1, 999999999, SEAM_NS_PER_S, 2500000000u};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        struct timespec now, at = seam_deadline_after(timeouts[i]);
        clock_gettime(CLOCK_REALTIME, &now);
        assert_in_range(at.tv_nsec, 0, 999999999);
        int64_t ahead =
            (int64_t)(at.tv_sec - now.tv_sec) * (int64_t)SEAM_NS_PER_S + (at.tv_nsec - now.tv_nsec);
        assert_true(ahead <= (int64_t)timeouts[i]); /* `now` was read later */
    }
    struct timespec near = seam_deadline_after(0), far = seam_deadline_after(3600 * SEAM_NS_PER_S);
    assert_in_range(far.tv_sec - near.tv_sec, 3599, 3601);
}

static void run_shell(const char *script, struct seam_os_child *child)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct seam_err err = {0};
    *child = (struct seam_os_child){0};
    assert_int_equal(seam_os_run(argv, child, &err), SEAM_OK);
}

static void a_program_runs_to_its_end(void **state)
{
    (void)state;
    struct seam_os_child c;
    run_shell("echo out; echo err >&2; cat; exit 3", &c); /* cat: nothing comes from stdin */
    assert_string_equal(c.out.p, "out\n");
    assert_string_equal(c.err.p, "err\n");
    assert_int_equal(c.exit_status, 3);
    assert_true(c.wall_ns > 0 && c.rss_peak_bytes > 10000);
    seam_os_child_release(&c);
    run_shell("kill -9 $$", &c);
    assert_int_equal(c.exit_status, 128 + 9);
    seam_os_child_release(&c);
}

/* More than a pipe holds on both, in turns: whoever reads only one of them waits for ever. */
static void much_output_on_both_is_gathered(void **state)
{
    (void)state;
    struct seam_os_child c;
    run_shell("i=0; while [ $i -lt 40 ]; do printf '%05000d' 1; printf '%05000d' 2 >&2; "
              "i=$((i + 1)); done",
              &c);
    assert_int_equal(c.out.n, 200000);
    assert_int_equal(c.err.n, 200000);
    seam_os_child_release(&c);
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    const char *const argv[] = {"/nonexistent/program", NULL};
    struct seam_os_child c = {0};
    struct seam_err err = {0};
    assert_int_equal(seam_os_run(argv, &c, &err), SEAM_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent/program"));
    seam_os_child_release(&c);
}

static void names_are_not_empty(void **state)
{
    (void)state;
    char text[1024];
    struct seam_err err = {0};
    assert_true(strlen(seam_os_cpu_name(text, sizeof text)) > 0);
    assert_true(strlen(seam_os_system_name(text, sizeof text)) > 0);
    assert_int_equal(seam_os_self_path(text, sizeof text, &err), SEAM_OK);
    assert_int_equal(access(text, X_OK), 0);
}

static void room_and_memory_make_sense(void **state)
{
    (void)state;
    uint64_t available = 0, limit = 1;
    struct statvfs root;
    char text[128];
    struct seam_err err = {0};
    assert_int_equal(seam_os_disk_space("/", &available, &err), SEAM_OK);
    assert_int_equal(statvfs("/", &root), 0);
    assert_true(available > 0 && available <= (uint64_t)root.f_blocks * root.f_frsize);
    assert_int_equal(seam_os_disk_space("/nonexistent/file", &available, &err), SEAM_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent/file"));
    assert_true(seam_os_memory_available() > 0);
    assert_true(seam_os_memory_available() <= seam_os_memory_bytes());
    assert_true(seam_os_wired_limit(&limit) || limit == 0);
    assert_true(strlen(seam_os_product_name(text, sizeof text)) < sizeof text);
    assert_true(strspn(seam_os_nvidia_driver(text, sizeof text), "0123456789.") == strlen(text));
    assert_int_equal(seam_os_pci_lanes(0x10000), 0); /* a vendor is 16 bits */
}

/* ---- files as memory ---- */

#define MAPPED (4 * (size_t)SEAM_DIRECT_ALIGN)

/* A file of MAPPED bytes, mapped; *fd stays the caller's. */
static struct seam_os_map *map_file(int *fd)
{
    struct seam_os_map *m;
    struct seam_err err = {0};
    *fd = open(path, O_RDWR);
    assert_true(*fd >= 0);
    assert_int_equal(ftruncate(*fd, (off_t)MAPPED), 0);
    if (seam_os_map_open(&m, *fd, MAPPED, "/the/file", "do this", &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return m;
}

static void a_mapped_file_is_the_file(void **state)
{
    (void)state;
    int fd;
    struct seam_os_stamp before, after;
    struct seam_os_map *m = map_file(&fd);
    const uint8_t *p = seam_os_map_data(m);
    for (unsigned i = 0; i < FILE_BYTES; i++)
        assert_int_equal(p[i], i * 31 % 251);
    seam_os_map_fetch(m, 5000, 100);
    assert_int_equal(seam_os_stamp(fd, &before, NULL), SEAM_OK);
    assert_int_equal(before.bytes, MAPPED);
    usleep(20000); /* a tick of the slowest clock */
    assert_int_equal(pwrite(fd, "\xff", 1, 1), 1);
    assert_int_equal(p[1], 0xff);
    assert_int_equal(seam_os_stamp(fd, &after, NULL), SEAM_OK);
    assert_true(after.s != before.s || after.ns != before.ns);
    assert_int_equal(pwrite(fd, "\x1f", 1, 1), 1);
    seam_os_map_close(m);
    seam_os_map_close(NULL);
    close(fd);
    assert_int_equal(seam_os_map_open(&m, -1, MAPPED, "/the/file", "do this", NULL), SEAM_EIO);
}

static void read_past_the_end(void)
{
    int fd;
    struct seam_os_map *m = map_file(&fd);
    (void)!ftruncate(fd, SEAM_DIRECT_ALIGN);
    _exit(((volatile const uint8_t *)seam_os_map_data(m))[MAPPED - 1]);
}

/* Somebody else's mapping ends in the same way, while ours is open. */
static void read_past_anothers_end(void)
{
    int fd;
    map_file(&fd);
    volatile uint8_t *p = mmap(NULL, MAPPED, PROT_READ, MAP_SHARED, fd, 0);
    (void)!ftruncate(fd, SEAM_DIRECT_ALIGN);
    _exit(p[MAPPED - 1]);
}

static void be_sent_the_signal(void)
{
    int fd;
    map_file(&fd);
    raise(SIGBUS);
    _exit(0);
}

static void read_after_close(void)
{
    int fd;
    seam_os_map_close(map_file(&fd));
    read_past_anothers_end();
}

/* What a process that does this says on stderr, into told, and how it ends. */
static int end_of(void (*what)(void), char *told, size_t len)
{
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL); /* not the test program's */
        dup2(fds[1], STDERR_FILENO);
        what();
    }
    close(fds[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(fds[0], told + n, len - 1 - n)) > 0;)
        n += (size_t)got;
    told[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_file_cut_short_ends_the_process_with_a_line(void **state)
{
    (void)state;
    char told[2048];
    int status = end_of(read_past_the_end, told, sizeof told);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), seam_status_exit(SEAM_EFORMAT));
    assert_string_equal(told, "seam: /the/file was cut short while it was in use (do this)\n");
}

static void another_sigbus_does_what_it_did_before(void **state)
{
    (void)state;
    void (*const ways[])(void) = {read_past_anothers_end, be_sent_the_signal, read_after_close};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char told[2048];
        int status = end_of(ways[i], told, sizeof told);
        if (WIFEXITED(status)) /* a sanitizer's own handler was there before */
            assert_null(strstr(told, "/the/file"));
        else
            assert_int_equal(WTERMSIG(status), SIGBUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pread_full_reads_all_of_it),
        cmocka_unit_test(a_short_file_is_a_format_error),
        cmocka_unit_test(a_bad_descriptor_is_an_io_error),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(a_direct_read_gives_the_same_bytes),
        cmocka_unit_test(a_direct_read_may_pass_the_end),
        cmocka_unit_test(pages_come_zeroed_and_aligned),
        cmocka_unit_test(the_machine_is_described),
        cmocka_unit_test(rss_follows_what_is_touched),
        cmocka_unit_test(a_program_runs_to_its_end),
        cmocka_unit_test(much_output_on_both_is_gathered),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(names_are_not_empty),
        cmocka_unit_test(room_and_memory_make_sense),
        cmocka_unit_test(a_mapped_file_is_the_file),
        cmocka_unit_test(a_file_cut_short_ends_the_process_with_a_line),
        cmocka_unit_test(another_sigbus_does_what_it_did_before),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(a_deadline_lies_ahead),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
