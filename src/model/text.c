#include "model/text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Python's way with values ---- */

/* repr(float): the fewest digits that read back the same; exponents below -4 and from 16 on. */
static void put_real(struct seam_buf *t, double v)
{
    char sci[40], digits[24], out[64];
    int n = 0;
    for (int precision = 0; precision < 17; precision++) {
        snprintf(sci, sizeof sci, "%.*e", precision, v);
        if (strtod(sci, NULL) == v)
            break;
    }
    char *e = strchr(sci, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    for (const char *p = sci; p < e && n < 20; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    digits[n] = '\0';
    if (sci[0] == '-')
        seam_buf_puts(t, "-");
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, sizeof out, "%c%s%se%c%02d", digits[0], n > 1 ? "." : "", digits + 1,
                 exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        snprintf(out, sizeof out, "0.%.*s%s", -exponent - 1, "0000", digits);
    } else if (n <= exponent + 1) {
        snprintf(out, sizeof out, "%s%.*s.0", digits, exponent + 1 - n, "0000000000000000");
    } else {
        snprintf(out, sizeof out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    }
    seam_buf_puts(t, out);
}

static void put_number(struct seam_buf *t, yyjson_val *v)
{
    char out[32];
    if (yyjson_is_real(v)) {
        put_real(t, yyjson_get_real(v));
        return;
    }
    if (yyjson_is_uint(v))
        snprintf(out, sizeof out, "%" PRIu64, yyjson_get_uint(v));
    else
        snprintf(out, sizeof out, "%" PRId64, yyjson_get_sint(v));
    seam_buf_puts(t, out);
}

void seam_text_escape(struct seam_buf *t, const char *s, size_t len)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    size_t begin = 0;
    for (size_t i = 0; i < len; i++) {
        char esc[8];
        const char *hit = s[i] ? strchr(from, s[i]) : NULL;
        if (hit)
            snprintf(esc, sizeof esc, "\\%c", to[hit - from]);
        else if ((unsigned char)s[i] < 0x20)
            snprintf(esc, sizeof esc, "\\u%04x", (unsigned)(unsigned char)s[i]);
        else
            continue;
        seam_buf_append(t, s + begin, i - begin);
        seam_buf_puts(t, esc);
        begin = i + 1;
    }
    seam_buf_append(t, s + begin, len - begin);
}

static void put_string(struct seam_buf *t, yyjson_val *v)
{
    seam_buf_puts(t, "\"");
    seam_text_escape(t, yyjson_get_str(v), yyjson_get_len(v));
    seam_buf_puts(t, "\"");
}

bool seam_text_pystr(struct seam_buf *t, yyjson_val *v)
{
    if (yyjson_is_str(v))
        seam_buf_append(t, yyjson_get_str(v), yyjson_get_len(v));
    else if (yyjson_is_bool(v))
        seam_buf_puts(t, yyjson_get_bool(v) ? "True" : "False");
    else if (yyjson_is_null(v))
        seam_buf_puts(t, "None");
    else if (yyjson_is_num(v))
        put_number(t, v);
    else
        return false;
    return true;
}

/* Python's str.strip() takes these: ASCII, then the others in UTF-8. */
static size_t space_at(const char *p, size_t n)
{
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    if (n && (*p == ' ' || (*p >= '\t' && *p <= '\r') || (*p >= 0x1c && *p <= 0x1f)))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        size_t len = strlen(wide[i]);
        if (len <= n && memcmp(p, wide[i], len) == 0)
            return len;
    }
    return 0;
}

struct seam_str seam_text_strip(struct seam_str s)
{
    size_t k;
    while ((k = space_at(s.p, s.len)) > 0) {
        s.p += k;
        s.len -= k;
    }
    while (s.len) {
        for (k = 1; k <= 3 && k <= s.len; k++)
            if (space_at(s.p + s.len - k, k) == k)
                break;
        if (k > 3 || k > s.len)
            break;
        s.len -= k;
    }
    return s;
}

/* ---- members in order ---- */

static int by_key(const void *a, const void *b)
{
    const struct seam_member *x = a, *y = b;
    size_t n = yyjson_get_len(x->key), k = yyjson_get_len(y->key);
    int c = memcmp(yyjson_get_str(x->key), yyjson_get_str(y->key), n < k ? n : k);
    if (c == 0)
        c = (n > k) - (n < k);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

static bool same_key(const struct seam_member *a, const struct seam_member *b)
{
    size_t n = yyjson_get_len(a->key);
    return n == yyjson_get_len(b->key) &&
           memcmp(yyjson_get_str(a->key), yyjson_get_str(b->key), n) == 0;
}

struct seam_member *seam_members_sorted(yyjson_val *obj, size_t *n)
{
    size_t size = yyjson_obj_size(obj), i, max, k = 0;
    yyjson_val *key, *val;
    struct seam_member *m = size ? malloc(size * sizeof *m) : NULL;
    *n = 0;
    if (!m)
        return NULL;
    yyjson_obj_foreach(obj, i, max, key, val)
    {
        m[i] = (struct seam_member){key, val, i};
    }
    qsort(m, size, sizeof *m, by_key);
    for (i = 0; i < size; i++)
        if (i + 1 == size || !same_key(&m[i], &m[i + 1]))
            m[k++] = m[i];
    *n = k;
    return m;
}

/* ---- JSON ---- */

struct json_style {
    bool sorted, compact;
    unsigned indent; /* spaces a level; 0: on one line */
};

static bool put_json(struct seam_buf *t, yyjson_val *v, struct json_style style, int depth);

static void new_line(struct seam_buf *t, struct json_style style, int depth)
{
    seam_buf_puts(t, "\n");
    for (unsigned i = 0; i < style.indent * (unsigned)depth; i++)
        seam_buf_puts(t, " ");
}

/* Between the members of a list or object, and before the first. */
static void next_item(struct seam_buf *t, struct json_style style, int depth, bool first)
{
    if (!first)
        seam_buf_puts(t, style.compact || style.indent ? "," : ", ");
    if (style.indent)
        new_line(t, style, depth + 1);
}

static bool put_array(struct seam_buf *t, yyjson_val *v, struct json_style style, int depth)
{
    size_t i, max;
    yyjson_val *item;
    seam_buf_puts(t, "[");
    yyjson_arr_foreach(v, i, max, item)
    {
        next_item(t, style, depth, i == 0);
        if (!put_json(t, item, style, depth + 1))
            return false;
    }
    if (style.indent && yyjson_arr_size(v))
        new_line(t, style, depth);
    seam_buf_puts(t, "]");
    return true;
}

static bool put_member(struct seam_buf *t, yyjson_val *key, yyjson_val *val,
                       struct json_style style, int depth)
{
    put_string(t, key);
    seam_buf_puts(t, style.compact ? ":" : ": ");
    return put_json(t, val, style, depth + 1);
}

static bool put_object(struct seam_buf *t, yyjson_val *v, struct json_style style, int depth)
{
    size_t n, i, max;
    yyjson_val *key, *val;
    bool ok = true;
    seam_buf_puts(t, "{");
    if (style.sorted) {
        struct seam_member *m = seam_members_sorted(v, &n);
        if (!m && yyjson_obj_size(v))
            t->failed = true;
        for (i = 0; i < n && ok; i++) {
            next_item(t, style, depth, i == 0);
            ok = put_member(t, m[i].key, m[i].val, style, depth);
        }
        free(m);
    } else {
        yyjson_obj_foreach(v, i, max, key, val)
        {
            next_item(t, style, depth, i == 0);
            ok = ok && put_member(t, key, val, style, depth);
        }
    }
    if (style.indent && yyjson_obj_size(v))
        new_line(t, style, depth);
    seam_buf_puts(t, "}");
    return ok;
}

static bool put_json(struct seam_buf *t, yyjson_val *v, struct json_style style, int depth)
{
    if (depth > SEAM_TEXT_DEPTH)
        return false;
    if (yyjson_is_arr(v))
        return put_array(t, v, style, depth);
    if (yyjson_is_obj(v))
        return put_object(t, v, style, depth);
    if (yyjson_is_str(v))
        put_string(t, v);
    else if (yyjson_is_bool(v))
        seam_buf_puts(t, yyjson_get_bool(v) ? "true" : "false");
    else if (yyjson_is_num(v))
        put_number(t, v);
    else
        seam_buf_puts(t, "null");
    return true;
}

bool seam_text_json(struct seam_buf *t, yyjson_val *v, bool sorted, bool compact)
{
    return put_json(t, v, (struct json_style){.sorted = sorted, .compact = compact}, 0);
}

bool seam_text_json_indent(struct seam_buf *t, yyjson_val *v, unsigned indent)
{
    return put_json(t, v, (struct json_style){.indent = indent}, 0);
}
