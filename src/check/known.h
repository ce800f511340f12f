/* known.h - combinations that others have been bitten by, with where that is written; a row each. Those that a
 * program can see are found; the others are advice. Pure: works on what machines say. */
#ifndef SEAM_CHECK_KNOWN_H
#define SEAM_CHECK_KNOWN_H

#include "check/lock.h"

struct seam_known {
    const char *name;
    /* Is machine m[i] hit? Fills the story. NULL: advice, `mend` is what to know. */
    bool (*hits)(const struct seam_machine *m, size_t n, size_t i, char *story, size_t len);
    const char *mend, *source;
};

/* Calls `found` for each hit of each row. */
void seam_known_find(const struct seam_machine *m, size_t n,
                     void (*found)(void *user, const struct seam_known *row, const char *machine,
                                   const char *story),
                     void *user);
size_t seam_known_count(void);
const struct seam_known *seam_known_at(size_t i);

#endif
