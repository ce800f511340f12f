/* nfc.h - Unicode's composed normal form (UAX #15), with utf8proc's tables. Private to src/model. */
#ifndef SEAM_MODEL_NFC_H
#define SEAM_MODEL_NFC_H

#include <stddef.h>

#include "base/err.h"

/* `text` is valid UTF-8. *out is NULL when the text is in that form already as far as one look at
 * its bytes can tell; otherwise *n bytes, which the caller frees. O(len) for any text: utf8proc's
 * own ordering of combining marks is quadratic in their number, and a client may send a million.
 * SEAM_ENOMEM only. */
seam_status seam_nfc(const char *text, size_t len, char **out, size_t *n, struct seam_err *err);

#endif
