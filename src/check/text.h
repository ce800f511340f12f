/* text.h - a small file as text. Private to src/check. */
#ifndef SEAM_CHECK_TEXT_H
#define SEAM_CHECK_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#define SEAM_TEXT_MAX ((size_t)1 << 20)

/* Fills *text, which is empty and the caller's to release. SEAM_ENOTFOUND, SEAM_EIO; SEAM_EFORMAT: larger than
 * SEAM_TEXT_MAX. */
seam_status seam_text_load(struct seam_buf *text, const char *file, struct seam_err *err);

#endif
