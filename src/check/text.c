#include "check/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

seam_status seam_text_load(struct seam_buf *text, const char *file, struct seam_err *err)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(file, "re");
    if (!f)
        return seam_fail(err, errno == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "%s: %s", file,
                         strerror(errno));
    while (text->n <= SEAM_TEXT_MAX && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        seam_buf_append(text, chunk, n);
    int bad = ferror(f) ? errno : 0;
    fclose(f);
    if (bad)
        return seam_fail(err, SEAM_EIO, "%s: %s", file, strerror(bad));
    if (text->failed)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory", file);
    if (text->n > SEAM_TEXT_MAX)
        return seam_fail(err, SEAM_EFORMAT, "%s: larger than %zu bytes", file, SEAM_TEXT_MAX);
    return SEAM_OK;
}
