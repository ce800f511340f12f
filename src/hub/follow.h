/* follow.h - SHA-256 of a file while it is still being written: a thread reads what is final, from the page cache,
 * and waits for more. Private to src/hub. */
#ifndef SEAM_HUB_FOLLOW_H
#define SEAM_HUB_FOLLOW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

struct seam_follow {
    int fd; /* borrowed */
    uint64_t bytes;
    void (*wake)(void *user); /* called on the thread, once, at the end */
    void *user;

    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved;
    uint64_t final, done; /* may be read; has been */
    bool stop, ended, running;
    uint8_t digest[SEAM_SHA256_BYTES];
    struct seam_err err; /* when the file could not be read */
};

/* Fill fd, bytes, wake and user first, all else zero. SEAM_ENOMEM: no thread. */
seam_status seam_follow_start(struct seam_follow *f, struct seam_err *err);
/* The first `final` bytes will not change any more; never goes back. */
void seam_follow_advance(struct seam_follow *f, uint64_t final);
uint64_t seam_follow_done(struct seam_follow *f);
/* Has it ended? Then *st is SEAM_OK with the digest, or why it could not be read. */
bool seam_follow_ended(struct seam_follow *f, seam_status *st);
/* Stops it wherever it is and waits for it; may be called when it never started. */
void seam_follow_stop(struct seam_follow *f);

#endif
