/* lock.h - the versions with which a pool was seen to work, per machine, as a JSON file that people may edit:
 *
 *   {"seam_lock": 1, "machines": [{"name": "studio", "seam": "0.1.0", "ggml": "0.27.0", "backends": "CPU",
 *     "libfabric": "1.17", "driver": "", "system": "Linux 6.1.0 x86_64"}]}
 *
 * A field that is left out is not compared; a field that is not one of these is refused, so that a slip of the
 * fingers does not switch a comparison off. Thread: immutable after open. */
#ifndef SEAM_CHECK_LOCK_H
#define SEAM_CHECK_LOCK_H

#include "pool/status.h"

struct seam_machine {
    const char *name;
    const struct seam_facts *facts;
};
struct seam_lock;

/* Through a temporary file and a rename. SEAM_EINVAL: two machines have one name and differ. SEAM_EIO. */
seam_status seam_lock_write(const char *file, const struct seam_machine *m, size_t n,
                            struct seam_err *err);
/* SEAM_ENOTFOUND, SEAM_EIO, SEAM_EFORMAT: the story names the file and what is wrong with it. */
seam_status seam_lock_open(struct seam_lock **out, const char *file, struct seam_err *err);
/* The same from text; `name` is what stories call it. */
seam_status seam_lock_read(struct seam_lock **out, const char *name, const char *text, size_t len,
                           struct seam_err *err);
void seam_lock_close(struct seam_lock *l);

/* Calls `differ` for each field that is otherwise. False: the lock has no such machine. */
bool seam_lock_compare(const struct seam_lock *l, const struct seam_machine *m,
                       void (*differ)(void *user, const char *field, const char *locked,
                                      const char *found),
                       void *user);

#endif
