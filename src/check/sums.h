/* sums.h - SHA-256 sums of files as `sha256sum` writes them: 64 hexadecimal digits, a blank, a blank or an
 * asterisk, a name; after a backslash at the line's start the name's newlines and backslashes are escaped.
 * Folders in names do not count: a file is found by its last part. Thread: immutable after open. */
#ifndef SEAM_CHECK_SUMS_H
#define SEAM_CHECK_SUMS_H

#include "base/err.h"
#include "base/sha256.h"

struct seam_sums;

/* SEAM_ENOTFOUND, SEAM_EIO; SEAM_EFORMAT: FILE:LINE and what is wrong, an empty file too; one name with two sums. */
seam_status seam_sums_open(struct seam_sums **out, const char *file, struct seam_err *err);
/* The same from text; `name` is what stories call it. */
seam_status seam_sums_read(struct seam_sums **out, const char *name, const char *text, size_t len,
                           struct seam_err *err);
void seam_sums_close(struct seam_sums *s);
size_t seam_sums_count(const struct seam_sums *s);
/* The digest for a path; NULL: not listed. */
const uint8_t *seam_sums_find(const struct seam_sums *s, const char *path);

#endif
