#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os/os.h"

extern char **environ; /* POSIX wants the program to declare it */

/* One read(2) moves at most this much: Linux stops at 2 GiB - 4096, macOS fails above INT_MAX. */
#define READ_MAX ((size_t)1 << 30)

seam_status seam_os_pread_some(int fd, void *buf, size_t len, size_t need, uint64_t off,
                               struct seam_err *err)
{
    char *p = buf;
    size_t got = 0;
    while (got < need) {
        size_t want = len - got < READ_MAX ? len - got : READ_MAX;
        ssize_t n = pread(fd, p + got, want, (off_t)(off + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return seam_fail(err, SEAM_EIO, "read %zu bytes at %llu: %s", want,
                             (unsigned long long)(off + got), strerror(errno));
        if (n == 0)
            return seam_fail(err, SEAM_EFORMAT, "file ends at %llu, %zu bytes early",
                             (unsigned long long)(off + got), need - got);
        got += (size_t)n;
    }
    return SEAM_OK;
}

seam_status seam_os_pread_full(int fd, void *buf, size_t len, uint64_t off, struct seam_err *err)
{
    return seam_os_pread_some(fd, buf, len, len, off, err);
}

seam_status seam_os_stamp(int fd, struct seam_os_stamp *out, struct seam_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return seam_fail(err, SEAM_EIO, "%s", strerror(errno));
#ifdef __APPLE__
    const struct timespec written = st.st_mtimespec;
#else
    const struct timespec written = st.st_mtim;
#endif
    *out = (struct seam_os_stamp){(uint64_t)st.st_size, written.tv_sec, written.tv_nsec};
    return SEAM_OK;
}

const char *seam_os_machine_name(void)
{
    static char name[64];
    if (!name[0]) {
        if (gethostname(name, sizeof name - 1) != 0)
            snprintf(name, sizeof name, "localhost");
        name[strcspn(name, ".")] = '\0';
    }
    return name;
}

void *seam_os_pages_alloc(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void seam_os_pages_large(void *p, size_t len)
{
#ifdef MADV_HUGEPAGE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE),
              begin = ((uintptr_t)p + page - 1) & ~(page - 1);
    if ((uintptr_t)p + len > begin)
        madvise((void *)begin, (uintptr_t)p + len - begin, MADV_HUGEPAGE);
#else
    (void)p; /* macOS decides by itself */
    (void)len;
#endif
}

void seam_os_pages_free(void *p, size_t len)
{
    if (p)
        munmap(p, len);
}

/* ---- this process and this machine ---- */

static uint64_t rss_peak_of(const struct rusage *u)
{
#ifdef __APPLE__
    return (uint64_t)u->ru_maxrss;
#else
    return (uint64_t)u->ru_maxrss * 1024; /* Linux counts in KiB */
#endif
}

const char *seam_os_system_name(char *buf, size_t len)
{
    struct utsname u;
    if (uname(&u) == 0)
        snprintf(buf, len, "%s %s %s", u.sysname, u.release, u.machine);
    else
        snprintf(buf, len, "unknown");
    return buf;
}

seam_status seam_os_disk_space(const char *path, uint64_t *available, struct seam_err *err)
{
    struct statvfs s;
    if (statvfs(path, &s) != 0)
        return seam_fail(err, errno == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "%s: %s", path,
                         strerror(errno));
    *available = (uint64_t)s.f_bavail * (s.f_frsize ? s.f_frsize : s.f_bsize);
    return SEAM_OK;
}

/* ---- other programs ---- */

struct ends { /* of two pipes: [0] ours, [1] the child's */
    int out[2], err[2];
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_ends(struct ends *p)
{
    for (int i = 0; i < 2; i++) {
        close_end(&p->out[i]);
        close_end(&p->err[i]);
    }
}

/* No pipe2() on macOS. A program that another thread starts meanwhile may inherit an end. */
static bool open_pipe(int fd[2])
{
    if (pipe(fd) != 0) {
        fd[0] = fd[1] = -1;
        return false;
    }
    return fcntl(fd[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd[1], F_SETFD, FD_CLOEXEC) == 0;
}

static int spawn(pid_t *pid, const char *const *argv, const struct ends *p)
{
    posix_spawn_file_actions_t todo;
    int e = posix_spawn_file_actions_init(&todo);
    if (e)
        return e;
    e = posix_spawn_file_actions_addopen(&todo, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!e)
        e = posix_spawn_file_actions_adddup2(&todo, p->out[1], STDOUT_FILENO);
    if (!e)
        e = posix_spawn_file_actions_adddup2(&todo, p->err[1], STDERR_FILENO);
    if (!e) /* posix_spawnp takes the words as exec does: not const, but not changed */
        e = posix_spawnp(pid, argv[0], &todo, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&todo);
    return e;
}

/* What is there now; false: the other end was closed. */
static bool drain(int fd, struct seam_buf *to)
{
    char buf[1 << 16];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n > 0)
        seam_buf_append(to, buf, (size_t)n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static void gather(struct ends *p, struct seam_os_child *child)
{
    while (p->out[0] >= 0 || p->err[0] >= 0) {
        struct pollfd fds[] = {{p->out[0], POLLIN, 0}, {p->err[0], POLLIN, 0}}; /* -1 is skipped */
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents && !drain(p->out[0], &child->out))
            close_end(&p->out[0]);
        if (fds[1].revents && !drain(p->err[0], &child->err))
            close_end(&p->err[0]);
    }
}

seam_status seam_os_run(const char *const *argv, struct seam_os_child *child, struct seam_err *err)
{
    struct ends p = {{-1, -1}, {-1, -1}};
    pid_t pid, ended;
    int e = open_pipe(p.out) && open_pipe(p.err) ? 0 : errno, status = 0;
    uint64_t begin = seam_mono_ns();
    if (!e && strchr(argv[0], '/') && access(argv[0], X_OK) != 0)
        e = errno; /* POSIX lets posix_spawn() hide it in an exit status 127; qemu's does */
    if (!e)
        e = spawn(&pid, argv, &p);
    if (e) {
        close_ends(&p);
        return seam_fail(err, e == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "start %s: %s", argv[0],
                         strerror(e));
    }
    close_end(&p.out[1]);
    close_end(&p.err[1]);
    gather(&p, child);
    close_ends(&p);
    struct rusage u;
    do
        ended = wait4(pid, &status, 0, &u);
    while (ended < 0 && errno == EINTR);
    child->wall_ns = seam_mono_ns() - begin;
    if (ended < 0)
        return seam_fail(err, SEAM_EIO, "wait for %s: %s", argv[0], strerror(errno));
    child->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    child->rss_peak_bytes = rss_peak_of(&u);
    if (child->out.failed || child->err.failed)
        return seam_fail(err, SEAM_ENOMEM, "no memory for what %s says", argv[0]);
    return SEAM_OK;
}

void seam_os_child_release(struct seam_os_child *child)
{
    seam_buf_release(&child->out);
    seam_buf_release(&child->err);
    *child = (struct seam_os_child){0};
}
