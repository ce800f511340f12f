/* marks.h - where in a YAML text each value stands: "nodes[1].machine" -> line. libcyaml does not keep
 * that, so the text's events are walked once more (libyaml). */
#ifndef SEAM_PLAN_MARKS_H
#define SEAM_PLAN_MARKS_H

#include "base/err.h"

struct seam_marks {
    struct seam_mark {
        char path[96];
        unsigned line;
    } * v;
    size_t n, cap;
};

/* SEAM_EFORMAT: no YAML, a key twice in one mapping, or nested deeper than any file of ours; the story
 * begins with NAME:LINE. */
seam_status seam_marks_read(struct seam_marks *m, const char *name, const char *text, size_t len,
                            struct seam_err *err);
void seam_marks_release(struct seam_marks *m);
/* Of the first key of that name anywhere; 0: none. */
unsigned seam_marks_key(const struct seam_marks *m, const char *key);
/* Of the path, or of what encloses it. */
unsigned seam_marks_line(const struct seam_marks *m, const char *path);

#endif
