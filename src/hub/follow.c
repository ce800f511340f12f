#include "hub/follow.h"

#include <stdlib.h>

#include "base/os/os.h"

#define BLOCK (1u << 20)

/* How much may be read now; waits for it. 0: stop. */
static size_t next_block(struct seam_follow *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->final == f->done)
        pthread_cond_wait(&f->moved, &f->lock);
    uint64_t n = f->stop ? 0 : f->final - f->done;
    pthread_mutex_unlock(&f->lock);
    return n < BLOCK ? (size_t)n : BLOCK;
}

static void end(struct seam_follow *f, seam_status st)
{
    pthread_mutex_lock(&f->lock);
    f->err.status = st;
    f->ended = true;
    pthread_mutex_unlock(&f->lock);
    if (f->wake)
        f->wake(f->user);
}

static void *run(void *user)
{
    struct seam_follow *f = user;
    struct seam_sha256 h;
    seam_status st = SEAM_OK;
    uint8_t *block = malloc(BLOCK);
    if (!block)
        st = seam_fail(&f->err, SEAM_ENOMEM, "no memory to check a file");
    seam_sha256_begin(&h);
    uint64_t at = 0;
    while (st == SEAM_OK && at < f->bytes) {
        size_t n = next_block(f);
        if (n == 0)
            break;
        st = seam_os_pread_full(f->fd, block, n, at, &f->err);
        if (st != SEAM_OK)
            break;
        seam_sha256_update(&h, block, n);
        at += n;
        pthread_mutex_lock(&f->lock);
        f->done = at;
        pthread_mutex_unlock(&f->lock);
    }
    free(block);
    if (st == SEAM_OK && at == f->bytes)
        seam_sha256_end(&h, f->digest);
    if (st != SEAM_OK || at == f->bytes)
        end(f, st);
    return NULL;
}

seam_status seam_follow_start(struct seam_follow *f, struct seam_err *err)
{
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->moved, NULL);
    f->running = pthread_create(&f->thread, NULL, run, f) == 0;
    if (f->running)
        return SEAM_OK;
    pthread_cond_destroy(&f->moved);
    pthread_mutex_destroy(&f->lock);
    return seam_fail(err, SEAM_ENOMEM, "no thread to check a file");
}

void seam_follow_advance(struct seam_follow *f, uint64_t final)
{
    pthread_mutex_lock(&f->lock);
    f->final = final;
    pthread_cond_signal(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

uint64_t seam_follow_done(struct seam_follow *f)
{
    if (!f->running)
        return 0;
    pthread_mutex_lock(&f->lock);
    uint64_t done = f->done;
    pthread_mutex_unlock(&f->lock);
    return done;
}

bool seam_follow_ended(struct seam_follow *f, seam_status *st)
{
    pthread_mutex_lock(&f->lock);
    bool ended = f->ended;
    *st = f->err.status;
    pthread_mutex_unlock(&f->lock);
    return ended;
}

void seam_follow_stop(struct seam_follow *f)
{
    if (!f->running)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->moved);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->moved);
    pthread_mutex_destroy(&f->lock);
    f->running = false;
}
