#include "model/vocab.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "model/utf8.h"

#define TOKENS_MAX (1u << 24)

/* ---- GPT-2's alphabet: every byte as a printable code point ---- */

/* Bytes that stand for themselves; the 68 others are U+0100 and following, in order. */
static bool is_plain(unsigned b)
{
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

static void fill_alphabet(int16_t byte_of[0x144])
{
    unsigned next = 0x100;
    for (unsigned i = 0; i < 0x144; i++)
        byte_of[i] = -1;
    for (unsigned b = 0; b < 256; b++)
        byte_of[is_plain(b) ? b : next++] = (int16_t)b;
}

/* Text in the alphabet to bytes; -1 when a character is not in it. out holds len bytes. */
static int64_t decode_alphabet(const int16_t byte_of[0x144], const char *text, size_t len,
                               char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        int step = seam_utf8_step((const unsigned char *)text + i, len - i);
        if (step <= 0)
            return -1;
        uint32_t c = seam_utf8_decode((const unsigned char *)text + i, step);
        if (c >= 0x144 || byte_of[c] < 0)
            return -1;
        out[n++] = (char)byte_of[c];
        i += (size_t)step;
    }
    return (int64_t)n;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "<0xNN>", a byte's own token; -1: another name. */
static int64_t decode_byte(struct seam_str s, char *out)
{
    if (s.len != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    int high = hex_value(s.p[3]), low = hex_value(s.p[4]);
    if (high < 0 || low < 0)
        return -1;
    *out = (char)(high << 4 | low);
    return 1;
}

/* ---- tables ---- */

static uint32_t table_size(uint64_t n)
{
    uint32_t size = 16;
    while (size < 2 * n)
        size *= 2;
    return size;
}

static int32_t find_in(const struct seam_vocab *v, unsigned table, const char *bytes, size_t len)
{
    uint32_t at = (uint32_t)XXH3_64bits(bytes, len) & v->mask[table];
    for (;; at = (at + 1) & v->mask[table]) {
        int32_t id = v->slot[table][at];
        if (id < 0)
            return -1;
        struct seam_str s = seam_vocab_bytes(v, id);
        if (s.len == len && memcmp(s.p, bytes, len) == 0)
            return id;
    }
}

/* The first of equal tokens wins. */
static void put_in(struct seam_vocab *v, unsigned table, int32_t id)
{
    struct seam_str s = seam_vocab_bytes(v, id);
    if (s.len == 0 || find_in(v, table, s.p, s.len) >= 0)
        return;
    uint32_t at = (uint32_t)XXH3_64bits(s.p, s.len) & v->mask[table];
    while (v->slot[table][at] >= 0)
        at = (at + 1) & v->mask[table];
    v->slot[table][at] = id;
}

static uint32_t pair_hash(int32_t left, int32_t right)
{
    uint64_t k = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    k *= 0x9e3779b97f4a7c15ull; /* Fibonacci hashing: the high bits are the good ones */
    return (uint32_t)(k >> 32);
}

static struct seam_pair *pair_slot(const struct seam_vocab *v, int32_t left, int32_t right)
{
    uint32_t at = pair_hash(left, right) & v->pair_mask;
    while (v->pair[at].rank != UINT32_MAX &&
           (v->pair[at].left != left || v->pair[at].right != right))
        at = (at + 1) & v->pair_mask;
    return &v->pair[at];
}

/* ---- reading ---- */

static seam_status read_tokens(struct seam_vocab *v, const struct seam_meta *tokens,
                               const struct seam_meta *kinds, const int16_t byte_of[0x144],
                               struct seam_err *err)
{
    uint64_t total = 0;
    struct seam_str s;
    for (uint32_t i = 0; i < v->n; i++)
        total += seam_meta_elem_str(tokens, i, &s) ? s.len : 0;
    if (total > UINT32_MAX)
        return seam_fail(err, SEAM_EFORMAT, "tokenizer.ggml.tokens is absurdly large");
    v->pool = malloc((size_t)total + 1);
    v->off = malloc((v->n + 1) * sizeof *v->off);
    v->kind = malloc(v->n);
    if (!v->pool || !v->off || !v->kind)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %" PRIu32 " tokens", v->n);
    v->off[0] = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        uint64_t kind = 0;
        if (!seam_meta_elem_str(tokens, i, &s) || !seam_meta_elem_u64(kinds, i, &kind) ||
            kind > SEAM_TOKEN_BYTE)
            return seam_fail(err, SEAM_EFORMAT, "token %" PRIu32 " or its type is not readable", i);
        char *at = v->pool + v->off[i];
        int64_t n = -1;
        if (kind == SEAM_TOKEN_NORMAL)
            n = decode_alphabet(byte_of, s.p, s.len, at);
        else if (kind == SEAM_TOKEN_BYTE)
            n = decode_byte(s, at);
        if (n < 0) { /* special names are plain text; so are a few odd tokens */
            memcpy(at, s.p, s.len);
            n = (int64_t)s.len;
        }
        v->off[i + 1] = v->off[i] + (uint32_t)n;
        v->kind[i] = (uint8_t)kind;
    }
    return SEAM_OK;
}

static seam_status make_tables(struct seam_vocab *v, struct seam_err *err)
{
    uint64_t n_normal = 0;
    for (uint32_t i = 0; i < v->n; i++)
        n_normal += v->kind[i] == SEAM_TOKEN_NORMAL;
    const uint64_t count[2] = {n_normal, v->n - n_normal};
    for (unsigned k = 0; k < 2; k++) {
        uint32_t size = table_size(count[k]);
        v->mask[k] = size - 1;
        v->slot[k] = malloc(size * sizeof *v->slot[k]);
        if (!v->slot[k])
            return seam_fail(err, SEAM_ENOMEM, "no memory for %" PRIu32 " tokens", v->n);
        memset(v->slot[k], 0xff, size * sizeof *v->slot[k]);
    }
    memset(v->byte_id, 0xff, sizeof v->byte_id);
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->kind[i] == SEAM_TOKEN_BYTE) { /* it stands for its byte, not for its text */
            struct seam_str s = seam_vocab_bytes(v, (int32_t)i);
            if (s.len == 1)
                v->byte_id[(unsigned char)*s.p] = (int32_t)i;
            continue;
        }
        bool normal = v->kind[i] == SEAM_TOKEN_NORMAL;
        put_in(v, normal ? 0 : 1, (int32_t)i);
        if (normal && v->off[i + 1] - v->off[i] > v->max_len)
            v->max_len = v->off[i + 1] - v->off[i];
    }
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        int32_t id = find_in(v, 0, &byte, 1);
        if (id >= 0)
            v->byte_id[b] = id;
        if (v->byte_id[b] < 0)
            return seam_fail(err, SEAM_EFORMAT, "the vocabulary has no token for the byte %02x", b);
    }
    return SEAM_OK;
}

struct merge_reader {
    struct seam_vocab *v;
    const struct seam_meta *merges;
    const int16_t *byte_of;
    char *buf;
    size_t cap;
};

/* Merge i as ids; the merge is "left right" in the alphabet, in which a space is another letter. */
static bool read_merge(struct merge_reader *r, size_t i, int32_t *left, int32_t *right,
                       int32_t *merged)
{
    struct seam_str s;
    if (!seam_meta_elem_str(r->merges, i, &s) || s.len < 3)
        return false;
    const char *space = memchr(s.p + 1, ' ', s.len - 1);
    if (!space)
        return false;
    if (s.len > r->cap) {
        char *p = realloc(r->buf, s.len);
        if (!p)
            return false;
        r->buf = p;
        r->cap = s.len;
    }
    size_t n_left = (size_t)(space - s.p), n_right = s.len - n_left - 1;
    int64_t a = decode_alphabet(r->byte_of, s.p, n_left, r->buf);
    int64_t b = a < 0 ? -1 : decode_alphabet(r->byte_of, space + 1, n_right, r->buf + a);
    if (a < 0 || b < 0)
        return false;
    *left = seam_vocab_find(r->v, r->buf, (size_t)a);
    *right = seam_vocab_find(r->v, r->buf + a, (size_t)b);
    *merged = seam_vocab_find(r->v, r->buf, (size_t)(a + b));
    return *left >= 0 && *right >= 0 && *merged >= 0;
}

static seam_status read_merges(struct seam_vocab *v, const struct seam_meta *merges,
                               const int16_t byte_of[0x144], bool *ascending, struct seam_err *err)
{
    struct merge_reader r = {.v = v, .merges = merges, .byte_of = byte_of};
    size_t n = seam_meta_len(merges);
    uint32_t size = table_size(n);
    int32_t left, right, merged, last = -1;
    v->pair_mask = size - 1;
    v->pair = malloc(size * sizeof *v->pair);
    if (!v->pair)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu merges", n);
    memset(v->pair, 0xff, size * sizeof *v->pair); /* rank UINT32_MAX: empty */
    *ascending = true;
    for (size_t i = 0; i < n; i++) {
        if (!read_merge(&r, i, &left, &right, &merged)) {
            free(r.buf);
            return seam_fail(err, SEAM_EFORMAT,
                             "tokenizer.ggml.merges: entry %zu is not two tokens that make a third",
                             i);
        }
        *ascending = *ascending && merged > last;
        last = merged;
        struct seam_pair *p = pair_slot(v, left, right);
        if (p->rank == UINT32_MAX)
            *p = (struct seam_pair){left, right, (uint32_t)i, merged};
    }
    free(r.buf);
    return SEAM_OK;
}

static int longer_first(const struct seam_vocab *v, int32_t a, int32_t b)
{
    size_t x = seam_vocab_bytes(v, a).len, y = seam_vocab_bytes(v, b).len;
    return x != y ? (x < y ? 1 : -1) : (a > b) - (a < b);
}

/* Merge sort by hand: qsort has no portable way to hand the vocabulary to its comparison. */
static void sort_special(const struct seam_vocab *v, int32_t *id, int32_t *tmp, size_t n)
{
    if (n < 2)
        return;
    size_t h = n / 2, i = 0, j = h, k = 0;
    sort_special(v, id, tmp, h);
    sort_special(v, id + h, tmp, n - h);
    while (i < h && j < n)
        tmp[k++] = longer_first(v, id[i], id[j]) <= 0 ? id[i++] : id[j++];
    while (i < h)
        tmp[k++] = id[i++];
    while (j < n)
        tmp[k++] = id[j++];
    memcpy(id, tmp, n * sizeof *id);
}

static seam_status list_special(struct seam_vocab *v, struct seam_err *err)
{
    v->special = malloc((v->n + 1) * sizeof *v->special);
    int32_t *tmp = malloc((v->n + 1) * sizeof *tmp);
    if (!v->special || !tmp) {
        free(tmp);
        return seam_fail(err, SEAM_ENOMEM, "no memory for special tokens");
    }
    for (uint32_t i = 0; i < v->n; i++) {
        struct seam_str s = seam_vocab_bytes(v, (int32_t)i);
        if ((v->kind[i] != SEAM_TOKEN_CONTROL && v->kind[i] != SEAM_TOKEN_USER) || s.len == 0)
            continue;
        v->special[v->n_special++] = (int32_t)i;
        v->special_first[(unsigned char)s.p[0]] = true;
    }
    sort_special(v, v->special, tmp, v->n_special);
    free(tmp);
    return SEAM_OK;
}

static seam_status open_all(struct seam_vocab *v, const struct seam_catalog *c, bool prefer_id,
                            struct seam_err *err)
{
    const struct seam_meta *tokens = seam_catalog_meta(c, "tokenizer.ggml.tokens"),
                           *kinds = seam_catalog_meta(c, "tokenizer.ggml.token_type"),
                           *merges = seam_catalog_meta(c, "tokenizer.ggml.merges");
    int16_t byte_of[0x144];
    bool ascending = true;
    size_t n = seam_meta_len(tokens);
    if (n == 0 || n > TOKENS_MAX || seam_meta_elem_type(tokens) != SEAM_META_STRING)
        return seam_fail(err, SEAM_EFORMAT, "tokenizer.ggml.tokens is missing or no list of text");
    if (seam_meta_len(kinds) != n)
        return seam_fail(err, SEAM_EFORMAT,
                         "tokenizer.ggml.token_type has %zu entries for %zu tokens",
                         seam_meta_len(kinds), n);
    v->n = (uint32_t)n;
    fill_alphabet(byte_of);
    seam_status st = read_tokens(v, tokens, kinds, byte_of, err);
    if (st == SEAM_OK)
        st = make_tables(v, err);
    if (st == SEAM_OK && merges)
        st = read_merges(v, merges, byte_of, &ascending, err);
    if (st == SEAM_OK && !merges && !prefer_id)
        st = seam_fail(err, SEAM_EFORMAT, "tokenizer.ggml.merges is missing");
    v->by_id = prefer_id && ascending;
    if (v->by_id) { /* the pairs were only to be compared */
        free(v->pair);
        v->pair = NULL;
    }
    return st == SEAM_OK ? list_special(v, err) : st;
}

seam_status seam_vocab_open(struct seam_vocab *v, const struct seam_catalog *c, bool prefer_id,
                            struct seam_err *err)
{
    memset(v, 0, sizeof *v);
    seam_status st = open_all(v, c, prefer_id, err);
    if (st != SEAM_OK)
        seam_vocab_release(v);
    return st;
}

void seam_vocab_release(struct seam_vocab *v)
{
    free(v->pool);
    free(v->off);
    free(v->kind);
    free(v->slot[0]);
    free(v->slot[1]);
    free(v->pair);
    free(v->special);
    memset(v, 0, sizeof *v);
}

/* ---- looking ---- */

struct seam_str seam_vocab_bytes(const struct seam_vocab *v, int32_t id)
{
    if (id < 0 || (uint32_t)id >= v->n)
        return (struct seam_str){"", 0};
    return (struct seam_str){v->pool + v->off[id], v->off[id + 1] - v->off[id]};
}

int32_t seam_vocab_find(const struct seam_vocab *v, const char *bytes, size_t len)
{
    return len && len <= v->max_len ? find_in(v, 0, bytes, len) : -1;
}

int32_t seam_vocab_find_special(const struct seam_vocab *v, const char *name, size_t len)
{
    return len ? find_in(v, 1, name, len) : -1;
}

bool seam_vocab_merge(const struct seam_vocab *v, int32_t left, int32_t right, const char *bytes,
                      size_t len, uint32_t *rank, int32_t *merged)
{
    if (v->by_id) {
        *merged = seam_vocab_find(v, bytes, len);
        *rank = (uint32_t)*merged;
        return *merged >= 0;
    }
    const struct seam_pair *p = pair_slot(v, left, right);
    if (p->rank == UINT32_MAX)
        return false;
    *rank = p->rank;
    *merged = p->merged;
    return true;
}

int32_t seam_vocab_special_at(const struct seam_vocab *v, const char *p, size_t len)
{
    if (!len || !v->special_first[(unsigned char)*p])
        return -1;
    for (size_t i = 0; i < v->n_special; i++) {
        struct seam_str s = seam_vocab_bytes(v, v->special[i]);
        if (s.len <= len && memcmp(s.p, p, s.len) == 0)
            return v->special[i];
    }
    return -1;
}
