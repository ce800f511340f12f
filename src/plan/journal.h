/* journal.h - what was predicted, and what was then measured, in one SQLite file that outlives both. Only
 * rows are added. docs/decisions/0009-sqlite.md. Thread: a journal belongs to one thread; several
 * processes may write to one file. Units: as the column says; rates in tokens per second. */
#ifndef SEAM_PLAN_JOURNAL_H
#define SEAM_PLAN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SEAM_JOURNAL_VERSION 1

struct seam_journal;

struct seam_journal_number { /* one printed number of a plan */
    const char *key, *unit;  /* "A.ttft.8k+0", "s" */
    double worst, likely, best;
};
struct seam_journal_plan {
    const char *model, *cluster;
    uint32_t context;
    const struct seam_journal_number *number;
    size_t n_number;
};
/* One measured test; the strings of a run that was read live until the journal is closed. */
struct seam_journal_run {
    const char *phase, *layout; /* "solo", "a, swept by b" */
    const char *machine, *model;
    bool decode; /* else prefill */
    uint32_t tokens, after, chunk, repeats;
    double median, least, most; /* measured */
    double worst, likely, best; /* predicted; 0: it was not */
    bool alone;                 /* one machine, no sweep: a fit may use it */
};

/* $XDG_STATE_HOME/seam/journal.db, or ~/.local/state/seam/journal.db. SEAM_ENOTFOUND: neither variable
 * XDG_STATE_HOME nor HOME is set. */
seam_status seam_journal_place(char *buf, size_t len, struct seam_err *err);

/* NULL: its usual place, whose folders are made. `create` false: SEAM_ENOTFOUND when there is none.
 * SEAM_EFORMAT: damaged, or another program's. SEAM_EUNSUPPORTED: a newer Seam's. Either is left as
 * it is. SEAM_EIO: cannot be opened or written. */
seam_status seam_journal_open(struct seam_journal **out, const char *path, bool create,
                              struct seam_err *err);
void seam_journal_close(struct seam_journal *j);
/* All of it or nothing. SEAM_EIO: full, read-only, or locked for seconds. */
seam_status seam_journal_add_plan(struct seam_journal *j, const struct seam_journal_plan *p,
                                  struct seam_err *err);
seam_status seam_journal_add_run(struct seam_journal *j, const struct seam_journal_run *r,
                                 struct seam_err *err);
/* All runs in order; *out is the journal's. */
seam_status seam_journal_runs(struct seam_journal *j, const struct seam_journal_run **out,
                              size_t *n, struct seam_err *err);

#endif
