/* check.h - is this machine, and every node it reaches, ready to work together? A table of checks (check.c),
 * one row each; docs/check.md has them for readers. Nothing is changed anywhere but the lock file that is asked
 * for; a node is asked, never used.
 * Thread: one. Units: bytes, nanoseconds. */
#ifndef SEAM_CHECK_CHECK_H
#define SEAM_CHECK_CHECK_H

#include <stdint.h>

#include "base/err.h"
#include "pool/node.h"

struct seam_check_opts { /* NULL and 0: not given */
    const char *model;   /* GGUF, or any split of one */
    const char *cluster, *lock, *write_lock, *sums;
    const char *const *nodes; /* addresses */
    size_t n_nodes;
    const char *const *listen; /* addresses that shall be free, or a node's */
    size_t n_listen;
    enum seam_node_role role; /* of a node that shall run here; 0: see `here` */
    bool here;                /* a node shall run here: its budget and memory are checked */
    bool hash;
    uint64_t memory, weights_memory, space;
    uint32_t ctx;
};

enum seam_check_result {
    SEAM_CHECK_OK,
    SEAM_CHECK_SKIPPED, /* the story is the reason */
    SEAM_CHECK_WARN,    /* it works, but not as it should: degraded */
    SEAM_CHECK_FAIL     /* it will not work: not ready */
};
const char *seam_check_result_name(enum seam_check_result r); /* "ok", "skipped", "warn", "fail" */

struct seam_check_finding {
    const char *id;   /* of the check; static */
    const char *what; /* what holds when it is ok, one sentence; static */
    char where[64];   /* a machine's name */
    enum seam_check_result result;
    char story[640]; /* one line */
    char mend[480];  /* what to type or do, one line; "" unless warn or fail */
};
struct seam_check_report {
    struct seam_check_finding *finding; /* in the order of the table */
    size_t n, count[SEAM_CHECK_FAIL + 1];
    enum seam_check_result worst;
    bool failed; /* no memory for a finding */
};

/* Fills *r; release it whatever comes back. Faults are findings: an error is what keeps checks from being
 * made at all. SEAM_EINVAL: SEAM_FAULT names no fault. SEAM_ENOTFOUND, SEAM_EIO, SEAM_EFORMAT: the lock or sums
 * file that was named cannot be used, or the lock not be written. */
seam_status seam_check_run(struct seam_check_report *r, const struct seam_check_opts *o,
                           struct seam_err *err);
void seam_check_release(struct seam_check_report *r);

#endif
