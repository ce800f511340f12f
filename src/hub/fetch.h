/* fetch.h - files from a hub into a folder: each verified, or not there.
 *
 *   pieces, in order --up to `jobs` ranges at a time--> NAME.part, counted in NAME.resume
 *        a thread follows with SHA-256 --equal to the hub's--> fsync, rename: NAME, and NAME.sha256 beside it
 *
 * NAME appears by rename, after the SHA-256 of all its bytes as they were read back from NAME.part agreed. A NAME
 * that is there already is verified, never overwritten. Whatever ends a fetch, NAME.part and NAME.resume stay, and the
 * next one asks for the missing bytes only. A file whose bytes are wrong is fetched once more from its beginning,
 * then given up and removed. NAME.sha256 has the form that sha256sum -c reads.
 *
 * One process at a time fetches a file (flock on NAME.part). Thread: the caller's, and a thread for each of at most
 * SEAM_FETCH_OPEN files under way. */
#ifndef SEAM_HUB_FETCH_H
#define SEAM_HUB_FETCH_H

#include "hub/hub.h"

#define SEAM_FETCH_JOBS_MAX 64u
#define SEAM_FETCH_OPEN     4u

enum seam_fetch_event_kind {
    SEAM_FETCH_PROGRESS, /* about ten times a second */
    SEAM_FETCH_AGAIN,    /* `story`, and a new try after wait_s */
    SEAM_FETCH_CORRUPT,  /* `story`: the file is fetched once more */
    SEAM_FETCH_FILE      /* `file` is verified and there, at `path` */
};
struct seam_fetch_event {
    enum seam_fetch_event_kind kind;
    const struct seam_hub_file *file; /* NULL for progress */
    const char *path, *story;
    double wait_s;
    bool had; /* FILE: it was there before */
    /* bytes of all files: here, checked, in sum; and those that this run has fetched */
    uint64_t here, checked, all, fetched;
};

struct seam_fetch_opts {
    const char *repo, *revision, *dir; /* dir is made when it is missing */
    uint32_t jobs;                     /* 1 to SEAM_FETCH_JOBS_MAX */
    void (*event)(void *user, const struct seam_fetch_event *e);
    void *user;
};
struct seam_fetch;

/* Look at what is there. Everything in opts, hub and the files stay borrowed until close.
 * SEAM_EMISMATCH: a NAME is there and has another size. SEAM_EFULL: the disk has too little room. SEAM_EIO: the folder
 * cannot be made. */
seam_status seam_fetch_open(struct seam_fetch **out, struct seam_hub *hub,
                            const struct seam_hub_file *const *files, size_t n,
                            const struct seam_fetch_opts *opts, struct seam_err *err);
uint64_t seam_fetch_missing(const struct seam_fetch *f); /* bytes to fetch */
uint64_t seam_fetch_space(const struct seam_fetch *f);   /* bytes free in the folder */

/* SEAM_EBUSY: another process fetches one of the files; or 429 to the end. SEAM_EFORMAT: the bytes are not
 * what the hub's listing says, twice. SEAM_EMISMATCH: a NAME is there and has another SHA-256. SEAM_EFULL,
 * SEAM_EIO. Else as seam_hub_list_get(). Files verified before stay. */
seam_status seam_fetch_run(struct seam_fetch *f, struct seam_err *err);
void seam_fetch_close(struct seam_fetch *f);

#endif
