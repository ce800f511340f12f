/* os_map.c - files as memory, and how a process ends that reads what a file no longer has.
 *
 *   open --> list of mappings  <-- on_bus: whose is the address? ours: say so, exit; else as before
 *
 * Mappings are never taken out of the list, only marked free and used again: the handler walks it without
 * a lock, on whichever thread has stumbled. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/os.h"

struct last_words {
    char text[1100];
    size_t len;
    int exit_status;
};

struct seam_os_map {
    struct seam_os_map *next;
    atomic_uintptr_t begin; /* 0: free */
    size_t len;
    int fd;
    struct last_words cut, failed;
};

static _Atomic(struct seam_os_map *) maps;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of opening, closing and what follows */
static unsigned n_open;
static struct sigaction former;

/* ---- SIGBUS: only what POSIX allows in a handler ---- */

static bool holds(const struct seam_os_map *m, uintptr_t at)
{
    uintptr_t begin = atomic_load(&m->begin);
    return begin && at >= begin && at - begin < m->len;
}

static void end_process(const struct seam_os_map *m)
{
    struct stat now;
    bool cut = fstat(m->fd, &now) == 0 && (uint64_t)now.st_size < m->len;
    const struct last_words *w = cut ? &m->cut : &m->failed;
    ssize_t told = write(STDERR_FILENO, w->text, w->len);
    (void)told;
    _exit(w->exit_status);
}

/* A fault comes again when the handler returns, and meets what was there before; a signal that somebody
 * sent does not, and its address is none. */
static void on_bus(int sig, siginfo_t *info, void *context)
{
    (void)context;
    const bool fault = info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
    for (const struct seam_os_map *m = atomic_load(&maps); fault && m; m = m->next)
        if (holds(m, (uintptr_t)info->si_addr))
            end_process(m);
    sigaction(SIGBUS, &former, NULL);
    if (!fault)
        raise(sig);
}

static seam_status watch(struct seam_err *err)
{
    struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&a.sa_mask);
    if (n_open == 0 && sigaction(SIGBUS, &a, &former) != 0)
        return seam_fail(err, SEAM_EIO, "watch for SIGBUS: %s", strerror(errno));
    n_open++;
    return SEAM_OK;
}

static void unwatch(void)
{
    struct sigaction now;
    if (--n_open == 0 && sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == on_bus)
        sigaction(SIGBUS, &former, NULL);
}

/* ---- open and close ---- */

static void prepare(struct last_words *w, seam_status st, const char *path, const char *what,
                    const char *advice)
{
    struct seam_err story;
    seam_fail(&story, st, "%s %s while it was in use (%s)", path, what, advice);
    int n = snprintf(w->text, sizeof w->text, "seam: %s\n", story.text);
    w->len = (size_t)n;
    w->exit_status = seam_status_exit(st);
}

/* A mapping that is free, in the list or new. */
static struct seam_os_map *take(void)
{
    struct seam_os_map *m = atomic_load(&maps);
    while (m && atomic_load(&m->begin))
        m = m->next;
    if (m || !(m = calloc(1, sizeof *m)))
        return m;
    m->next = atomic_load(&maps);
    atomic_store(&maps, m);
    return m;
}

static seam_status open_locked(struct seam_os_map **out, int fd, size_t len, const char *path,
                               const char *advice, struct seam_err *err)
{
    struct seam_os_map *m = take();
    if (!m)
        return seam_fail(err, SEAM_ENOMEM, "no memory to map %s", path);
    seam_status st = watch(err);
    if (st != SEAM_OK)
        return st;
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        st = seam_fail(err, SEAM_EIO, "map %s: %s", path, strerror(errno));
        unwatch();
        return st;
    }
    m->len = len;
    m->fd = fd;
    prepare(&m->cut, SEAM_EFORMAT, path, "was cut short", advice);
    prepare(&m->failed, SEAM_EIO, path, "could no longer be read", advice);
    atomic_store(&m->begin, (uintptr_t)p);
    *out = m;
    return SEAM_OK;
}

seam_status seam_os_map_open(struct seam_os_map **out, int fd, uint64_t len, const char *path,
                             const char *advice, struct seam_err *err)
{
    *out = NULL;
    pthread_mutex_lock(&lock);
    seam_status st = open_locked(out, fd, (size_t)len, path, advice, err);
    pthread_mutex_unlock(&lock);
    return st;
}

const uint8_t *seam_os_map_data(const struct seam_os_map *m)
{
    return (const uint8_t *)atomic_load(&m->begin);
}

void seam_os_map_fetch(const struct seam_os_map *m, uint64_t off, uint64_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), begin = off / page * page;
    void *p = (void *)(atomic_load(&m->begin) + (uintptr_t)begin);
    size_t n = (size_t)(off + len - begin);
    posix_madvise(p, n, POSIX_MADV_WILLNEED);
}

void seam_os_map_close(struct seam_os_map *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&lock);
    void *p = (void *)atomic_load(&m->begin);
    atomic_store(&m->begin, 0);
    munmap(p, m->len);
    unwatch();
    pthread_mutex_unlock(&lock);
}
