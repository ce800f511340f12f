#include "check/sums.h"

#include <stdlib.h>
#include <string.h>

#include "check/text.h"

#define HEX (SEAM_SHA256_HEX - 1)

struct sum {
    uint8_t digest[SEAM_SHA256_BYTES];
    char *name; /* the last part of the path */
};
struct seam_sums {
    struct sum *v;
    size_t n, cap;
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* \\ and \n as sha256sum writes them, in place; false: something else after a backslash. */
static bool unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        char c = *s;
        if (c == '\\') {
            c = *++s;
            if (c != '\\' && c != 'n')
                return false;
            c = c == 'n' ? '\n' : c;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static seam_status add(struct seam_sums *s, const uint8_t digest[SEAM_SHA256_BYTES],
                       const char *path, struct seam_err *err)
{
    const uint8_t *known = seam_sums_find(s, path);
    if (known && memcmp(known, digest, SEAM_SHA256_BYTES) == 0)
        return SEAM_OK;
    if (known)
        return seam_fail(err, SEAM_EFORMAT, "a second sum for %.200s", last_part(path));
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct sum *v = realloc(s->v, cap * sizeof *v);
        if (!v)
            return seam_fail(err, SEAM_ENOMEM, "no memory");
        s->v = v;
        s->cap = cap;
    }
    struct sum *row = &s->v[s->n];
    memcpy(row->digest, digest, sizeof row->digest);
    row->name = strdup(last_part(path));
    if (!row->name)
        return seam_fail(err, SEAM_ENOMEM, "no memory");
    s->n++;
    return SEAM_OK;
}

/* One line, NUL-terminated and the caller's to change. */
static seam_status read_line(struct seam_sums *s, char *line, struct seam_err *err)
{
    bool escaped = *line == '\\';
    uint8_t digest[SEAM_SHA256_BYTES];
    size_t len = strlen(line);
    if (len && line[len - 1] == '\r')
        line[--len] = '\0';
    if (!len)
        return SEAM_OK;
    line += escaped;
    len -= escaped;
    char *name = line + HEX + 2;
    bool shaped =
        len > HEX + 2 && line[HEX] == ' ' && (line[HEX + 1] == ' ' || line[HEX + 1] == '*');
    if (shaped)
        line[HEX] = '\0';
    if (!shaped || !seam_sha256_parse(digest, line) || (escaped && !unescape(name)) ||
        !*last_part(name))
        return seam_fail(err, SEAM_EFORMAT,
                         "no line of sha256sum (64 hexadecimal digits, two blanks, a name)");
    return add(s, digest, name, err);
}

static seam_status read_lines(struct seam_sums *s, const char *name, char *text, size_t len,
                              struct seam_err *err)
{
    size_t at = 0;
    for (unsigned line = 1; at < len; line++) {
        char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (text + at)) : len - at;
        text[at + n] = '\0'; /* there is one byte more than len */
        seam_status st = memchr(text + at, 0, n)
                             ? seam_fail(err, SEAM_EFORMAT, "a NUL byte: no text")
                             : read_line(s, text + at, err);
        if (st != SEAM_OK)
            return seam_wrap(err, st, "%s:%u", name, line);
        at += n + 1;
    }
    return s->n ? SEAM_OK : seam_fail(err, SEAM_EFORMAT, "%s: has no sums", name);
}

seam_status seam_sums_read(struct seam_sums **out, const char *name, const char *text, size_t len,
                           struct seam_err *err)
{
    struct seam_sums *s = calloc(1, sizeof *s);
    char *copy = malloc(len + 1);
    *out = NULL;
    seam_status st = SEAM_ENOMEM;
    if (s && copy) {
        if (len)
            memcpy(copy, text, len);
        st = read_lines(s, name, copy, len, err);
    } else {
        seam_fail(err, st, "%s: no memory", name);
    }
    free(copy);
    if (st != SEAM_OK) {
        seam_sums_close(s);
        return st;
    }
    *out = s;
    return SEAM_OK;
}

seam_status seam_sums_open(struct seam_sums **out, const char *file, struct seam_err *err)
{
    struct seam_buf text = {0};
    *out = NULL;
    seam_status st = seam_text_load(&text, file, err);
    if (st == SEAM_OK)
        st = seam_sums_read(out, file, text.p, text.n, err);
    seam_buf_release(&text);
    return st;
}

void seam_sums_close(struct seam_sums *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i].name);
    free(s->v);
    free(s);
}

size_t seam_sums_count(const struct seam_sums *s)
{
    return s->n;
}

const uint8_t *seam_sums_find(const struct seam_sums *s, const char *path)
{
    const char *name = last_part(path);
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->v[i].name, name))
            return s->v[i].digest;
    return NULL;
}
