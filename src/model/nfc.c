#include "model/nfc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "model/utf8.h"

#define FORM ((utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE))

/* Everything below U+0300 (0xcc 0x80 in UTF-8) stays as it is and composes with nothing before it. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0xcc)
            return false;
    return true;
}

static unsigned mark_class(utf8proc_int32_t c)
{
    return (unsigned)utf8proc_get_property(c)->combining_class; /* 0..254, 0: no mark */
}

/* Counting sort of one run of marks by class, stable. */
static void sort_marks(utf8proc_int32_t *c, size_t n, utf8proc_int32_t *tmp)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[mark_class(c[i]) + 1]++;
    for (unsigned k = 1; k < 257; k++)
        at[k] += at[k - 1];
    for (size_t i = 0; i < n; i++)
        tmp[at[mark_class(c[i])]++] = c[i];
    memcpy(c, tmp, n * sizeof *c);
}

static void order_marks(utf8proc_int32_t *c, size_t n, utf8proc_int32_t *tmp)
{
    for (size_t i = 0; i < n;) {
        size_t begin = i;
        unsigned class = 0, last = 0;
        bool ordered = true;
        for (; i < n && (class = mark_class(c[i])) > 0; i++) {
            ordered = ordered && class >= last;
            last = class;
        }
        if (!ordered)
            sort_marks(c + begin, i - begin, tmp);
        i += i == begin;
    }
}

/* c holds cap code points. Returns how many. */
static size_t decompose(const char *text, size_t len, utf8proc_int32_t *c, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        const unsigned char *p = (const unsigned char *)text + i;
        int step = seam_utf8_step(p, len - i);
        uint32_t code = seam_utf8_decode(p, step);
        n += (size_t)utf8proc_decompose_char((utf8proc_int32_t)code, c + n,
                                             (utf8proc_ssize_t)(cap - n), FORM, NULL);
        i += (size_t)step;
    }
    return n;
}

seam_status seam_nfc(const char *text, size_t len, char **out, size_t *n, struct seam_err *err)
{
    *out = NULL;
    *n = len;
    if (is_plain(text, len))
        return SEAM_OK;
    /* At most 3 code points from 2 bytes, 4 from 3 or more; never more than from the text's bytes
     * twice over. Each becomes at most 4 bytes again. */
    size_t cap = 2 * len + 4;
    utf8proc_int32_t *c = malloc(cap * sizeof *c), *tmp = malloc(cap * sizeof *tmp);
    if (!c || !tmp) {
        free(c);
        free(tmp);
        return seam_fail(err, SEAM_ENOMEM, "no memory to normalise %zu bytes of text", len);
    }
    size_t count = decompose(text, len, c, cap);
    order_marks(c, count, tmp);
    count = (size_t)utf8proc_normalize_utf32(c, (utf8proc_ssize_t)count, FORM);
    char *bytes = (char *)tmp; /* 4 * cap bytes */
    *n = 0;
    for (size_t i = 0; i < count; i++)
        *n += (size_t)utf8proc_encode_char(c[i], (utf8proc_uint8_t *)bytes + *n);
    free(c);
    *out = bytes;
    return SEAM_OK;
}
