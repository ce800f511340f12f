#include "engine/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Reads under way: as many as `seam bench --limit` uses to find what the disk can do. Bytes of each:
 * large for the disk, small enough to stop soon. */
#define THREADS 8
#define PIECE   ((uint64_t)2 << 20)
#define MISSING 100u /* one part in so many may be missing where a file counts as cached */

struct file {
    const uint8_t *data; /* of a shard that lies in memory; else NULL */
    int direct, cached;  /* descriptors: past the page cache, and through it; -1: in memory */
    struct seam_os_stamp opened; /* what the file was when its header was believed */
    struct seam_os_map *map;     /* NULL: not mapped */
};

struct job {
    const struct seam_extent *extents;
    size_t n;
    uint8_t *base;
    bool (*stop)(void *user);
    void *user;
};

struct piece {
    const struct seam_extent *e;
    uint64_t from, len; /* in the extent */
};

struct seam_reader {
    const struct seam_catalog *catalog;
    struct file *files;
    uint32_t n_files;
    pthread_t threads[THREADS];
    int n_threads;

    pthread_mutex_t lock;
    pthread_cond_t work, done;
    /* Under the lock: */
    bool quit;
    struct job job;
    size_t next;    /* the first extent that is not taken, */
    uint64_t taken; /* and how much of it is */
    int busy;       /* pieces being read */
    seam_status failed;
    struct seam_err failure;
};

/* ---- one piece ---- */

/* What lies in the page cache is taken from there: a copy of memory beats any disk. The rest goes
 * past it, so that a model does not push out everything else. */
static seam_status read_piece(const struct seam_reader *r, const struct job *job,
                              const struct piece *p, struct seam_err *err)
{
    if (job->stop && job->stop(job->user))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (p->from >= p->e->need)
        return SEAM_OK; /* only what aligning added */
    const struct file *f = &r->files[p->e->shard];
    uint64_t off = p->e->off + p->from, left = p->e->need - p->from;
    uint64_t need = left < p->len ? left : p->len;
    if (f->data) {
        memcpy(job->base + p->e->at + p->from, f->data + off, (size_t)need);
        return SEAM_OK;
    }
    int fd = seam_os_cached(f->cached, off, need) == need ? f->cached : f->direct;
    seam_status st = seam_os_pread_some(fd, job->base + p->e->at + p->from, (size_t)p->len,
                                        (size_t)need, off, err);
    if (st == SEAM_OK)
        return SEAM_OK;
    return seam_wrap(err, st, "%s", seam_catalog_shard_path(r->catalog, p->e->shard));
}

/* ---- the threads ---- */

static bool all_taken(const struct seam_reader *r)
{
    return r->failed != SEAM_OK || r->next == r->job.n;
}

/* The next piece, under the lock; not when all_taken(). */
static struct piece take(struct seam_reader *r)
{
    const struct seam_extent *e = &r->job.extents[r->next];
    uint64_t left = e->len - r->taken;
    struct piece p = {e, r->taken, left < PIECE ? left : PIECE};
    r->taken += p.len;
    if (r->taken == e->len) {
        r->next++;
        r->taken = 0;
    }
    return p;
}

static void *thread_main(void *arg)
{
    struct seam_reader *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->quit) {
        if (all_taken(r)) {
            pthread_cond_wait(&r->work, &r->lock);
            continue;
        }
        struct piece p = take(r);
        struct job job = r->job;
        struct seam_err failure = {0};
        r->busy++;
        pthread_mutex_unlock(&r->lock);
        seam_status st = read_piece(r, &job, &p, &failure);
        pthread_mutex_lock(&r->lock);
        r->busy--;
        if (st != SEAM_OK && r->failed == SEAM_OK) {
            r->failed = st;
            r->failure = failure;
        }
        if (r->busy == 0 && all_taken(r))
            pthread_cond_signal(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

seam_status seam_reader_read(struct seam_reader *r, const struct seam_extent *extents, size_t n,
                             uint8_t *base, bool (*stop)(void *user), void *user,
                             struct seam_err *err)
{
    pthread_mutex_lock(&r->lock);
    r->job = (struct job){extents, n, base, stop, user};
    r->next = 0;
    r->taken = 0;
    r->failed = SEAM_OK;
    pthread_cond_broadcast(&r->work);
    while (r->busy || !all_taken(r))
        pthread_cond_wait(&r->done, &r->lock);
    seam_status st = r->failed;
    if (st != SEAM_OK && err)
        *err = r->failure;
    r->failed = SEAM_OK;
    r->job = (struct job){0};
    r->next = 0;
    pthread_mutex_unlock(&r->lock);
    return st;
}

/* ---- where the page cache has it ---- */

bool seam_reader_cached(const struct seam_reader *r, const struct seam_extent *extents, size_t n)
{
    uint64_t there = 0, wanted = 0;
    for (size_t i = 0; i < n; i++) {
        const struct seam_extent *e = &extents[i];
        wanted += e->need;
        if (!r->files[e->shard].data)
            there += seam_os_cached(r->files[e->shard].cached, e->off, e->need);
    }
    return wanted > 0 && wanted - there <= wanted / MISSING;
}

static seam_status map_file(struct seam_reader *r, uint32_t shard, struct seam_err *err)
{
    struct file *f = &r->files[shard];
    const char *path = seam_catalog_shard_path(r->catalog, shard);
    if (f->map)
        return SEAM_OK;
    if (f->data)
        return seam_fail(err, SEAM_EUNSUPPORTED, "%s is no file", path);
    return seam_os_map_open(&f->map, f->cached, f->opened.bytes, path,
                            "fetch it again, look at its disk; with --mmap off Seam computes with "
                            "a copy",
                            err);
}

seam_status seam_reader_map(struct seam_reader *r, const struct seam_extent *extents, size_t n,
                            bool fetch, struct seam_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct seam_extent *e = &extents[i];
        const struct file *f = &r->files[e->shard];
        if (!f->data && e->off + e->need > f->opened.bytes)
            return seam_fail(err, SEAM_EFORMAT, "%s: file ends at %llu, %llu bytes early",
                             seam_catalog_shard_path(r->catalog, e->shard),
                             (unsigned long long)f->opened.bytes,
                             (unsigned long long)(e->off + e->need - f->opened.bytes));
        seam_status st = map_file(r, e->shard, err);
        if (st != SEAM_OK)
            return st;
        if (fetch)
            seam_os_map_fetch(f->map, e->off, e->need);
    }
    return SEAM_OK;
}

const uint8_t *seam_reader_mapped(const struct seam_reader *r, uint32_t shard, uint64_t *len)
{
    const struct file *f = &r->files[shard];
    *len = f->map ? f->opened.bytes : 0;
    return f->map ? seam_os_map_data(f->map) : NULL;
}

/* ---- open and close ---- */

static seam_status open_file(struct file *f, const char *path, struct seam_err *err)
{
    bool direct;
    seam_status st = seam_os_open_direct(path, &f->direct, &direct, err);
    if (st != SEAM_OK)
        return st;
    f->cached = open(path, O_RDONLY | O_CLOEXEC);
    if (f->cached < 0)
        return seam_fail(err, SEAM_EIO, "%s: %s", path, strerror(errno));
    if ((st = seam_os_stamp(f->cached, &f->opened, err)) != SEAM_OK)
        return seam_wrap(err, st, "%s", path);
    if (!direct)
        seam_debug("%s: no direct reads on this file system; they go through the page cache", path);
    return SEAM_OK;
}

static seam_status open_files(struct seam_reader *r, struct seam_err *err)
{
    r->n_files = seam_catalog_shard_count(r->catalog);
    r->files = calloc(r->n_files + 1, sizeof *r->files);
    if (!r->files)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %u files", r->n_files);
    for (uint32_t i = 0; i < r->n_files; i++)
        r->files[i].direct = r->files[i].cached = -1;
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; st == SEAM_OK && i < r->n_files; i++)
        if (!(r->files[i].data = seam_catalog_shard_data(r->catalog, i)))
            st = open_file(&r->files[i], seam_catalog_shard_path(r->catalog, i), err);
    return st;
}

static seam_status start_threads(struct seam_reader *r, struct seam_err *err)
{
    for (; r->n_threads < THREADS; r->n_threads++) {
        int e = pthread_create(&r->threads[r->n_threads], NULL, thread_main, r);
        if (e)
            return seam_fail(err, SEAM_EIO, "start a reader thread: %s", strerror(e));
    }
    return SEAM_OK;
}

seam_status seam_reader_open(struct seam_reader **out, const struct seam_catalog *c,
                             struct seam_err *err)
{
    *out = NULL;
    struct seam_reader *r = calloc(1, sizeof *r);
    if (!r)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a reader");
    r->catalog = c;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    seam_status st = open_files(r, err);
    if (st == SEAM_OK)
        st = start_threads(r, err);
    if (st != SEAM_OK) {
        seam_reader_close(r);
        return st;
    }
    *out = r;
    return SEAM_OK;
}

void seam_reader_close(struct seam_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->quit = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->n_threads; i++)
        pthread_join(r->threads[i], NULL);
    for (uint32_t i = 0; r->files && i < r->n_files; i++) {
        seam_os_map_close(r->files[i].map);
        if (r->files[i].direct >= 0)
            close(r->files[i].direct);
        if (r->files[i].cached >= 0)
            close(r->files[i].cached);
    }
    pthread_cond_destroy(&r->done);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    free(r->files);
    free(r);
}

/* A model written over under a node would mix two models' weights without a word. */
seam_status seam_reader_unchanged(const struct seam_reader *r, struct seam_err *err)
{
    for (uint32_t i = 0; i < r->n_files; i++) {
        const char *path = seam_catalog_shard_path(r->catalog, i);
        const struct seam_os_stamp *was = &r->files[i].opened;
        struct seam_os_stamp now;
        if (r->files[i].data)
            continue;
        seam_status st = seam_os_stamp(r->files[i].cached, &now, err);
        if (st != SEAM_OK)
            return seam_wrap(err, st, "%s", path);
        if (now.bytes != was->bytes || now.s != was->s || now.ns != was->ns)
            return seam_fail(err, SEAM_EFORMAT,
                             "%s has changed since it was opened (start this process again)", path);
    }
    return SEAM_OK;
}
