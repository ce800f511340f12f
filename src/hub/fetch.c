/* fetch.c - see fetch.h. One loop over curl's multi interface; a slot is one range at a time, a source one file. */
#include "hub/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/os.h"
#include "base/size.h"
#include "hub/follow.h"
#include "hub/http.h"
#include "hub/resume.h"

#define PROGRESS_NS (SEAM_NS_PER_S / 10)

enum state { WAITING, OPEN, DONE };

struct source {
    const struct seam_hub_file *file;
    char path[PATH_MAX], part[PATH_MAX], resume_path[PATH_MAX];
    enum state state;
    bool had;     /* NAME was there: only verified */
    bool retried; /* its bytes were wrong once */
    uint64_t missing;
    int fd;
    struct seam_resume resume;
    uint32_t next;  /* piece to hand out */
    uint32_t front; /* pieces before this one are whole */
    struct seam_follow follow;
};

struct slot {
    struct seam_fetch *fetch;
    struct seam_request req;
    struct source *src; /* NULL: idle */
    char *path;         /* of the request, under the endpoint */
    uint32_t piece, failures;
    bool flying, moved; /* handed to curl; got bytes in this try */
    uint64_t wake_ns;   /* not flying: try again then */
};

struct seam_fetch {
    struct seam_hub *hub;
    struct seam_fetch_opts opts;
    struct source *src;
    size_t n, n_done;
    struct slot *slot;
    CURLM *multi;
    uint64_t all, missing, space, fetched, shown_ns;
};

/* ---- looking at what is there ---- */

static seam_status make_dir(const char *dir, struct seam_err *err)
{
    struct stat s;
    if (mkdir(dir, 0777) == 0)
        return SEAM_OK;
    int e = errno;
    if (stat(dir, &s) == 0 && S_ISDIR(s.st_mode))
        return SEAM_OK;
    return seam_fail(err, SEAM_EIO, "make the folder %s: %s", dir,
                     strerror(e == EEXIST ? ENOTDIR : e));
}

static seam_status look(struct source *s, const struct seam_hub_file *file, const char *dir,
                        struct seam_err *err)
{
    struct stat sb, part;
    s->file = file;
    s->fd = s->resume.fd = -1;
    if ((size_t)snprintf(s->path, sizeof s->path, "%s/%s", dir, file->name) >= sizeof s->path - 16)
        return seam_fail(err, SEAM_EINVAL, "%s/%s: too long a name", dir, file->name);
    snprintf(s->part, sizeof s->part, "%.*s.part", (int)sizeof s->part - 16, s->path);
    snprintf(s->resume_path, sizeof s->resume_path, "%.*s.resume", (int)sizeof s->part - 16,
             s->path);
    seam_status st = seam_resume_begin(&s->resume, file->bytes, file->sha256, err);
    if (st != SEAM_OK)
        return st;
    s->had = stat(s->path, &sb) == 0;
    if (s->had && (!S_ISREG(sb.st_mode) || (uint64_t)sb.st_size != file->bytes))
        return seam_fail(err, SEAM_EMISMATCH,
                         "%s is there and is not the hub's file (%" PRIu64 " bytes, not %" PRIu64
                         "): move it away or choose another folder with -o",
                         s->path, (uint64_t)sb.st_size, file->bytes);
    if (s->had)
        return SEAM_OK;
    s->missing = file->bytes;
    if (stat(s->part, &part) == 0 && (uint64_t)part.st_size == file->bytes &&
        seam_resume_load(&s->resume, s->resume_path, NULL) == SEAM_OK)
        s->missing = file->bytes - seam_resume_sum(&s->resume);
    return SEAM_OK;
}

static seam_status check_space(struct seam_fetch *f, struct seam_err *err)
{
    char a[32], b[32];
    seam_status st = seam_os_disk_space(f->opts.dir, &f->space, err);
    if (st != SEAM_OK)
        return st;
    if (f->missing <= f->space)
        return SEAM_OK;
    return seam_fail(err, SEAM_EFULL,
                     "%s has %s free and %s are still to fetch: make room for %" PRIu64
                     " bytes more, or choose another folder with -o",
                     f->opts.dir, seam_size_format(f->space, a, sizeof a),
                     seam_size_format(f->missing, b, sizeof b), f->missing - f->space);
}

seam_status seam_fetch_open(struct seam_fetch **out, struct seam_hub *hub,
                            const struct seam_hub_file *const *files, size_t n,
                            const struct seam_fetch_opts *opts, struct seam_err *err)
{
    *out = NULL;
    struct seam_fetch *f = calloc(1, sizeof *f);
    struct source *src = calloc(n ? n : 1, sizeof *src);
    if (!f || !src) {
        free(f);
        free(src);
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu files", n);
    }
    *f = (struct seam_fetch){.hub = hub, .opts = *opts, .src = src};
    seam_status st = make_dir(opts->dir, err);
    for (size_t i = 0; i < n && st == SEAM_OK; i++) {
        f->n = i + 1;
        st = look(&src[i], files[i], opts->dir, err);
        f->all += files[i]->bytes;
        f->missing += src[i].missing;
    }
    if (st == SEAM_OK)
        st = check_space(f, err);
    if (st != SEAM_OK) {
        seam_fetch_close(f);
        return st;
    }
    *out = f;
    return SEAM_OK;
}

uint64_t seam_fetch_missing(const struct seam_fetch *f)
{
    return f->missing;
}

uint64_t seam_fetch_space(const struct seam_fetch *f)
{
    return f->space;
}

/* ---- events ---- */

static void say(struct seam_fetch *f, struct seam_fetch_event *e)
{
    e->all = f->all;
    e->fetched = f->fetched;
    for (size_t i = 0; i < f->n; i++) {
        struct source *s = &f->src[i];
        bool whole = s->state == DONE;
        e->here += whole || s->had ? s->file->bytes : seam_resume_sum(&s->resume);
        e->checked += whole ? s->file->bytes : seam_follow_done(&s->follow);
    }
    if (f->opts.event)
        f->opts.event(f->opts.user, e);
}

static void say_progress(struct seam_fetch *f)
{
    struct seam_fetch_event e = {.kind = SEAM_FETCH_PROGRESS};
    if (seam_mono_ns() - f->shown_ns < PROGRESS_NS)
        return;
    f->shown_ns = seam_mono_ns();
    say(f, &e);
}

static void wake(void *user)
{
    curl_multi_wakeup(((struct seam_fetch *)user)->multi);
}

/* ---- a file: open, finish ---- */

/* The pieces up to the first hole are final: let the check go on. */
static void move_front(struct source *s)
{
    while (s->front < s->resume.n &&
           s->resume.got[s->front] == seam_resume_piece_len(&s->resume, s->front))
        s->front++;
    const uint64_t final =
        s->front == s->resume.n ? s->file->bytes : seam_resume_piece_off(&s->resume, s->front);
    seam_follow_advance(&s->follow, final);
}

static seam_status start_follow(struct seam_fetch *f, struct source *s, struct seam_err *err)
{
    s->follow = (struct seam_follow){.fd = s->fd, .bytes = s->file->bytes, .wake = wake, .user = f};
    seam_status st = seam_follow_start(&s->follow, err);
    if (st == SEAM_OK && s->had)
        seam_follow_advance(&s->follow, s->file->bytes);
    else if (st == SEAM_OK)
        move_front(s);
    return st;
}

/* Open NAME.part and own it. It may be renamed or removed between open and lock by one who has just finished: then
 * what was opened is no longer NAME.part. */
static seam_status lock_part(struct source *s, struct seam_err *err)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat ours, named;
        s->fd = open(s->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (s->fd < 0)
            return seam_write_fail(errno, s->part, err);
        if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK
                       ? seam_fail(err, SEAM_EBUSY,
                                   "%s is being fetched by another seam pull: wait for "
                                   "it, or choose another folder with -o",
                                   s->path)
                       : seam_fail(err, SEAM_EIO, "lock %s: %s", s->part, strerror(errno));
        if (fstat(s->fd, &ours) == 0 && stat(s->part, &named) == 0 && ours.st_ino == named.st_ino &&
            ours.st_dev == named.st_dev)
            return SEAM_OK;
        close(s->fd);
        s->fd = -1;
    }
    return seam_fail(err, SEAM_EBUSY, "%s comes and goes: is another seam pull at work?", s->part);
}

/* Forget all bytes of it. */
static seam_status start_over(struct source *s, struct seam_err *err)
{
    memset(s->resume.got, 0, s->resume.n * sizeof *s->resume.got);
    s->next = s->front = 0;
    if (ftruncate(s->fd, 0) != 0 || ftruncate(s->fd, (off_t)s->file->bytes) != 0)
        return seam_write_fail(errno, s->part, err);
    return seam_resume_create(&s->resume, s->resume_path, err);
}

static seam_status open_part(struct source *s, struct seam_err *err)
{
    struct stat sb;
    struct seam_err why = {0};
    seam_status st = lock_part(s, err);
    if (st != SEAM_OK)
        return st;
    if (stat(s->path, &sb) == 0) { /* whoever had the lock before has finished */
        unlink(s->part);
        return seam_fail(err, SEAM_EBUSY,
                         "%s has just been fetched by another seam pull: run the same "
                         "command again",
                         s->path);
    }
    memset(s->resume.got, 0, s->resume.n * sizeof *s->resume.got);
    if (fstat(s->fd, &sb) != 0 || (uint64_t)sb.st_size != s->file->bytes)
        return start_over(s, err);
    st = seam_resume_load(&s->resume, s->resume_path, &why);
    if (st == SEAM_OK)
        return seam_resume_create(&s->resume, s->resume_path, err);
    if (st != SEAM_ENOTFOUND)
        seam_warn("pull: %s: %s is fetched from its beginning", why.text, s->file->name);
    return start_over(s, err);
}

static seam_status open_source(struct seam_fetch *f, struct source *s, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    if (s->had) {
        s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
        if (s->fd < 0)
            return seam_fail(err, SEAM_EIO, "open %s: %s", s->path, strerror(errno));
        s->next = s->resume.n;
    } else {
        st = open_part(s, err);
    }
    s->state = OPEN;
    return st == SEAM_OK ? start_follow(f, s, err) : st;
}

static void close_source(struct source *s)
{
    seam_follow_stop(&s->follow);
    seam_resume_end(&s->resume);
    if (s->fd >= 0)
        close(s->fd); /* and the lock with it */
    s->fd = -1;
}

/* So that anyone can check it again: the form of sha256sum. A convenience: a failure is a warning. */
static void write_sum(const struct source *s)
{
    char path[PATH_MAX + 8], hex[SEAM_SHA256_HEX];
    snprintf(path, sizeof path, "%s.sha256", s->path);
    FILE *f = fopen(path, "we");
    int n =
        f ? fprintf(f, "%s  %s\n", seam_sha256_format(s->file->sha256, hex), s->file->name) : -1;
    if ((f && fclose(f) != 0) || n < 0)
        seam_warn("pull: %s could not be written: %s", path, strerror(errno));
}

static seam_status keep(struct source *s, const char *dir, struct seam_err *err)
{
    struct stat sb;
    if (stat(s->path, &sb) == 0)
        return seam_fail(err, SEAM_EMISMATCH,
                         "%s has appeared meanwhile: move it away and run the same "
                         "command again",
                         s->path);
    if (fsync(s->fd) != 0)
        return seam_write_fail(errno, s->part, err);
    if (rename(s->part, s->path) != 0)
        return seam_write_fail(errno, s->path, err);
    unlink(s->resume_path);
    int d = open(dir, O_RDONLY | O_CLOEXEC);
    if (d >= 0) {
        fsync(d); /* the name, too */
        close(d);
    }
    return SEAM_OK;
}

static seam_status give_up(struct source *s, struct seam_err *err)
{
    char is[SEAM_SHA256_HEX], want[SEAM_SHA256_HEX];
    seam_sha256_format(s->follow.digest, is);
    seam_sha256_format(s->file->sha256, want);
    if (s->had)
        return seam_fail(
            err, SEAM_EMISMATCH,
            "%s is there and is not the hub's file (SHA-256 %.12s..., not %.12s...): move "
            "it away or choose another folder with -o",
            s->path, is, want);
    unlink(s->part);
    unlink(s->resume_path);
    return seam_fail(err, SEAM_EFORMAT,
                     "%s: the bytes are wrong for the second time (SHA-256 %.12s..., the hub says "
                     "%.12s...): removed; is a proxy or the hub's copy damaged?",
                     s->file->name, is, want);
}

static seam_status fetch_again(struct seam_fetch *f, struct source *s, struct seam_err *err)
{
    char story[300];
    struct seam_fetch_event e = {.kind = SEAM_FETCH_CORRUPT, .file = s->file, .story = story};
    s->retried = true;
    snprintf(story, sizeof story, "%.200s: the bytes are wrong (SHA-256): fetched once more",
             s->file->name);
    say(f, &e);
    seam_follow_stop(&s->follow);
    seam_status st = start_over(s, err);
    return st == SEAM_OK ? start_follow(f, s, err) : st;
}

/* The check has ended. */
static seam_status settle(struct seam_fetch *f, struct source *s, seam_status read,
                          struct seam_err *err)
{
    seam_status st = SEAM_OK;
    if (read != SEAM_OK) {
        *err = s->follow.err;
        return seam_wrap(err, read, "check %s", s->path);
    }
    if (memcmp(s->follow.digest, s->file->sha256, SEAM_SHA256_BYTES) != 0)
        return s->had || s->retried ? give_up(s, err) : fetch_again(f, s, err);
    if (!s->had)
        st = keep(s, f->opts.dir, err);
    if (st != SEAM_OK)
        return st;
    write_sum(s);
    close_source(s);
    s->state = DONE;
    f->n_done++;
    struct seam_fetch_event e = {.kind = SEAM_FETCH_FILE,
                                 .file = s->file,
                                 .path = s->path,
                                 .had = s->had};
    say(f, &e);
    return SEAM_OK;
}

/* A range may have brought its last byte and not have ended yet. */
static bool in_use(const struct seam_fetch *f, const struct source *s)
{
    for (uint32_t i = 0; i < f->opts.jobs; i++)
        if (f->slot[i].src == s)
            return true;
    return false;
}

static seam_status settle_all(struct seam_fetch *f, struct seam_err *err)
{
    seam_status st = SEAM_OK, read;
    for (size_t i = 0; i < f->n && st == SEAM_OK; i++)
        if (f->src[i].state == OPEN && !in_use(f, &f->src[i]) &&
            seam_follow_ended(&f->src[i].follow, &read))
            st = settle(f, &f->src[i], read, err);
    return st;
}

/* ---- a range ---- */

static seam_status on_bytes(void *user, const char *p, size_t n, struct seam_err *err)
{
    struct slot *t = user;
    struct source *s = t->src;
    uint32_t *got = &s->resume.got[t->piece];
    seam_status st = SEAM_OK;
    while (n && st == SEAM_OK) {
        ssize_t k =
            pwrite(s->fd, p, n, (off_t)(seam_resume_piece_off(&s->resume, t->piece) + *got));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return seam_write_fail(k < 0 ? errno : ENOSPC, s->part, err);
        *got += (uint32_t)k;
        p += k;
        n -= (size_t)k;
        t->fetch->fetched += (uint64_t)k;
        t->moved = true;
        st = seam_resume_note(&s->resume, t->piece, err);
    }
    return st;
}

/* The next piece with a byte missing of the first file that has one; opens files as it goes. */
static seam_status pick(struct seam_fetch *f, struct slot *t, struct seam_err *err)
{
    size_t open = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct source *s = &f->src[i];
        if (s->state == WAITING && open < SEAM_FETCH_OPEN) {
            seam_status st = open_source(f, s, err);
            if (st != SEAM_OK)
                return st;
        }
        if (s->state != OPEN)
            continue;
        open++;
        while (s->next < s->resume.n &&
               s->resume.got[s->next] == seam_resume_piece_len(&s->resume, s->next))
            s->next++;
        if (s->next < s->resume.n) {
            t->src = s;
            t->piece = s->next++;
            return SEAM_OK;
        }
    }
    return SEAM_OK;
}

/* From where the piece stands. */
static seam_status aim(struct slot *t, struct seam_err *err)
{
    struct source *s = t->src;
    struct seam_request *r = &t->req;
    free(t->path);
    t->path = seam_http_resolve_path(t->fetch->opts.repo, t->fetch->opts.revision, s->file->path);
    if (!t->path)
        return seam_fail(err, SEAM_ENOMEM, "no memory for an address");
    const uint64_t off = seam_resume_piece_off(&s->resume, t->piece);
    r->what = s->file->name;
    r->ranged = true;
    r->first = off + s->resume.got[t->piece];
    r->last = off + seam_resume_piece_len(&s->resume, t->piece) - 1;
    r->total = s->file->bytes;
    r->limit = r->last - r->first + 1;
    r->body = on_bytes;
    r->user = t;
    t->moved = false;
    return seam_request_aim(r, t->path, err);
}

static seam_status launch(struct slot *t, struct seam_err *err)
{
    seam_status st = seam_request_start(&t->req, err);
    if (st == SEAM_OK && curl_multi_add_handle(t->fetch->multi, t->req.curl) != CURLM_OK)
        st = seam_fail(err, SEAM_EINTERNAL, "libcurl refuses a request");
    t->flying = st == SEAM_OK;
    return st;
}

static seam_status again(struct slot *t, double asked_s, struct seam_err *err)
{
    struct seam_fetch *f = t->fetch;
    t->failures = t->moved ? 1 : t->failures + 1;
    if (t->failures > f->hub->opts.retries)
        return seam_wrap(err, err->status, "given up after %" PRIu32 " tries", t->failures);
    struct seam_fetch_event e = {.kind = SEAM_FETCH_AGAIN,
                                 .file = t->src->file,
                                 .story = err->text,
                                 .wait_s = seam_request_backoff(t->failures, asked_s)};
    t->wake_ns = seam_mono_ns() + (uint64_t)(e.wait_s * (double)SEAM_NS_PER_S);
    say(f, &e);
    return SEAM_OK;
}

/* A range has ended, somehow. A piece that is whole is done, whatever came after its last byte. */
static seam_status land(struct slot *t, CURLcode code, struct seam_err *err)
{
    struct source *s = t->src;
    double asked_s;
    curl_multi_remove_handle(t->fetch->multi, t->req.curl);
    t->flying = false;
    enum seam_verdict v = seam_request_judge(&t->req, code, &asked_s, err);
    if (v == SEAM_VERDICT_AGAIN &&
        s->resume.got[t->piece] == seam_resume_piece_len(&s->resume, t->piece))
        v = SEAM_VERDICT_OK;
    switch (v) {
    case SEAM_VERDICT_OK:
        t->src = NULL;
        t->failures = 0;
        move_front(s);
        return SEAM_OK;
    case SEAM_VERDICT_MOVED: return launch(t, err);
    case SEAM_VERDICT_AGAIN: return again(t, asked_s, err);
    case SEAM_VERDICT_NEVER: break;
    }
    return err->status;
}

static seam_status land_all(struct seam_fetch *f, struct seam_err *err)
{
    int left;
    CURLMsg *m;
    seam_status st = SEAM_OK;
    while (st == SEAM_OK && (m = curl_multi_info_read(f->multi, &left))) {
        char *user = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &user);
        st = land((struct slot *)(void *)(user - offsetof(struct slot, req)), code, err);
    }
    return st;
}

/* ---- the loop ---- */

/* Is it time for this slot to ask for something? Shortens *wait_ms to when it will be. */
static bool is_due(const struct slot *t, int *wait_ms)
{
    const uint64_t now = seam_mono_ns();
    if (t->flying || !t->src || t->wake_ns <= now)
        return !t->flying;
    const uint64_t ms = (t->wake_ns - now) / SEAM_NS_PER_MS + 1;
    if (ms < (uint64_t)*wait_ms)
        *wait_ms = (int)ms;
    return false;
}

static seam_status launch_all(struct seam_fetch *f, int *wait_ms, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    *wait_ms = 100;
    for (uint32_t i = 0; i < f->opts.jobs && st == SEAM_OK; i++) {
        struct slot *t = &f->slot[i];
        if (!is_due(t, wait_ms))
            continue;
        if (!t->src)
            st = pick(f, t, err);
        if (st == SEAM_OK && t->src)
            st = aim(t, err);
        if (st == SEAM_OK && t->src)
            st = launch(t, err);
    }
    return st;
}

static seam_status loop(struct seam_fetch *f, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    while (st == SEAM_OK && f->n_done < f->n) {
        int running, wait_ms = 0;
        if (f->hub->opts.cancel && *f->hub->opts.cancel)
            return seam_fail(err, SEAM_ECANCELED, "canceled");
        st = launch_all(f, &wait_ms, err);
        if (st == SEAM_OK && curl_multi_perform(f->multi, &running) != CURLM_OK)
            st = seam_fail(err, SEAM_EINTERNAL, "libcurl stops");
        if (st == SEAM_OK)
            st = land_all(f, err);
        if (st == SEAM_OK)
            st = settle_all(f, err);
        if (st == SEAM_OK)
            say_progress(f);
        if (st == SEAM_OK && f->n_done < f->n)
            curl_multi_poll(f->multi, NULL, 0, wait_ms, NULL);
    }
    return st;
}

static seam_status open_slots(struct seam_fetch *f, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    f->multi = curl_multi_init();
    f->slot = calloc(f->opts.jobs, sizeof *f->slot);
    if (!f->multi || !f->slot)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %" PRIu32 " requests", f->opts.jobs);
    for (uint32_t i = 0; i < f->opts.jobs && st == SEAM_OK; i++) {
        st = seam_request_open(&f->slot[i].req, f->hub, err);
        f->slot[i].fetch = f;
    }
    return st;
}

static void close_slots(struct seam_fetch *f)
{
    for (uint32_t i = 0; f->slot && i < f->opts.jobs; i++) {
        struct slot *t = &f->slot[i];
        if (t->flying)
            curl_multi_remove_handle(f->multi, t->req.curl);
        seam_request_close(&t->req);
        free(t->path);
    }
    free(f->slot);
    f->slot = NULL;
}

seam_status seam_fetch_run(struct seam_fetch *f, struct seam_err *err)
{
    struct seam_err own = {0};
    if (!err)
        err = &own;
    seam_status st = open_slots(f, err);
    if (st == SEAM_OK)
        st = loop(f, err);
    close_slots(f);
    for (size_t i = 0; i < f->n; i++)
        close_source(&f->src[i]);
    return st;
}

void seam_fetch_close(struct seam_fetch *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        close_source(&f->src[i]);
    if (f->multi)
        curl_multi_cleanup(f->multi);
    free(f->src);
    free(f);
}
