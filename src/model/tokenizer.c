/* tokenizer.c - text is cut into valid UTF-8 runs, runs into pieces by the pre-tokenizer's
 * pattern, pieces into tokens by merging neighbours, best rank first.
 *
 *   text --UTF-8--> runs --nfc.c--> --pretok.c--> pieces --vocab.c--> a token, or merge.c's many
 *        \--------> invalid bytes ------------------------------------> one token each */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "model/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcre2.h>

#include "model/merge.h"
#include "model/nfc.h"
#include "model/pretok.h"
#include "model/utf8.h"
#include "model/vocab.h"

/* What ends a reply: the file's own ids, and names that models stop with whatever the file says. */
static const char *const stop_keys[] = {"tokenizer.ggml.eos_token_id",
                                        "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id"};
static const char *const stop_names[] = {
    "<|im_end|>",    "[EOS]",           "[EOT]",     /* Kimi; the first also Qwen */
    "<|endoftext|>",                                 /* Qwen */
    "<|eot_id|>",    "<|end_of_text|>", "<|eom_id|>" /* Llama 3 */
};
#define N_STOP_KEYS (sizeof stop_keys / sizeof *stop_keys)
#define N_STOP      (N_STOP_KEYS + sizeof stop_names / sizeof *stop_names)

struct seam_tokenizer {
    struct seam_vocab vocab;
    const struct seam_pretok *pre;
    pcre2_code *re;
    bool nfc;
    int32_t bos;
    int32_t stop[N_STOP]; /* -1: none */
    char *chat_template;  /* a copy */
    size_t chat_template_len;
};

/* ---- growing lists ---- */

seam_status seam_tokens_push(struct seam_tokens *t, int32_t id, struct seam_err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        int32_t *ids = realloc(t->ids, cap * sizeof *ids);
        if (!ids)
            return seam_fail(err, SEAM_ENOMEM, "no memory for %zu tokens", cap);
        t->ids = ids;
        t->cap = cap;
    }
    t->ids[t->n++] = id;
    return SEAM_OK;
}

void seam_tokens_clear(struct seam_tokens *t)
{
    free(t->ids);
    memset(t, 0, sizeof *t);
}

/* ---- encoding ---- */

struct encoder {
    const struct seam_tokenizer *t;
    struct seam_tokens *out;
    struct seam_err *err;
    pcre2_match_data *match;
    pcre2_match_context *match_context;
    struct seam_merger merger;
};

static seam_status encode_piece(struct encoder *e, const char *piece, size_t len)
{
    if (e->t->pre->whole) {
        int32_t id = seam_vocab_find(&e->t->vocab, piece, len);
        if (id >= 0)
            return seam_tokens_push(e->out, id, e->err);
    }
    return seam_merge_piece(&e->merger, piece, len, e->out, e->err);
}

static int match_at(struct encoder *e, const char *run, size_t len, size_t at)
{
    uint32_t options = PCRE2_NO_UTF_CHECK; /* checked by us, once: PCRE2 would at every piece */
    int rc = pcre2_match(e->t->re, (PCRE2_SPTR)run, len, at, options, e->match, e->match_context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(e->t->re, (PCRE2_SPTR)run, len, at, options | PCRE2_NO_JIT, e->match,
                         e->match_context);
    return rc;
}

/* What the pattern leaves out, and none does, is a piece too. */
static seam_status encode_normal(struct encoder *e, const char *run, size_t len)
{
    const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(e->match);
    seam_status st = SEAM_OK;
    for (size_t at = 0; at < len && st == SEAM_OK;) {
        int rc = match_at(e, run, len, at);
        if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
            return seam_fail(e->err, SEAM_EINTERNAL, "pre-tokenizer: PCRE2 error %d", rc);
        size_t begin = rc < 0 ? len : ov[0], end = rc < 0 ? len : ov[1];
        if (begin > at)
            st = encode_piece(e, run + at, begin - at);
        if (st == SEAM_OK && end > begin)
            st = encode_piece(e, run + begin, end - begin);
        if (end == at)
            return seam_fail(e->err, SEAM_EINTERNAL, "pre-tokenizer: an empty piece");
        at = end;
    }
    return st;
}

/* One run of valid UTF-8. */
static seam_status encode_run(struct encoder *e, const char *run, size_t len)
{
    char *normal = NULL;
    size_t n = len;
    seam_status st = e->t->nfc ? seam_nfc(run, len, &normal, &n, e->err) : SEAM_OK;
    if (st == SEAM_OK)
        st = encode_normal(e, normal ? normal : run, n);
    free(normal);
    return st;
}

static seam_status encode_text(struct encoder *e, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    seam_status st = SEAM_OK;
    for (size_t at = 0; at < len && st == SEAM_OK;) {
        size_t end = at;
        int step = 1;
        while (end < len && (step = seam_utf8_step(p + end, len - end)) > 0)
            end += (size_t)step;
        if (end > at)
            st = encode_run(e, text + at, end - at);
        at = end;
        if (at < len && st == SEAM_OK) /* step <= 0 */
            st = seam_tokens_push(e->out, e->t->vocab.byte_id[p[at++]], e->err);
    }
    return st;
}

static seam_status encode_special(struct encoder *e, const char *text, size_t len)
{
    seam_status st = SEAM_OK;
    size_t begin = 0;
    for (size_t at = 0; at < len && st == SEAM_OK;) {
        int32_t id = seam_vocab_special_at(&e->t->vocab, text + at, len - at);
        if (id < 0) {
            at++;
            continue;
        }
        st = encode_text(e, text + begin, at - begin);
        if (st == SEAM_OK)
            st = seam_tokens_push(e->out, id, e->err);
        at += seam_vocab_bytes(&e->t->vocab, id).len;
        begin = at;
    }
    return st == SEAM_OK ? encode_text(e, text + begin, len - begin) : st;
}

static seam_status encode(const struct seam_tokenizer *t, const char *text, size_t len,
                          struct seam_tokens *out, struct seam_err *err,
                          seam_status (*how)(struct encoder *, const char *, size_t))
{
    struct encoder e = {.t = t, .out = out, .err = err, .merger.v = &t->vocab};
    size_t n_before = out->n;
    seam_status st;
    if (len > INT32_MAX)
        return seam_fail(err, SEAM_EINVAL, "%zu bytes of text are too many", len);
    e.match = pcre2_match_data_create(1, NULL);
    e.match_context = pcre2_match_context_create(NULL);
    if (e.match && e.match_context) {
        /* the default, 10 million steps, is less than a long run of spaces takes */
        pcre2_set_match_limit(e.match_context, UINT32_MAX);
        st = how(&e, text, len);
    } else {
        st = seam_fail(err, SEAM_ENOMEM, "no memory to tokenise");
    }
    pcre2_match_context_free(e.match_context);
    pcre2_match_data_free(e.match);
    seam_merger_release(&e.merger);
    if (st != SEAM_OK)
        out->n = n_before;
    return st;
}

seam_status seam_tokenizer_encode(const struct seam_tokenizer *t, const char *text, size_t len,
                                  struct seam_tokens *out, struct seam_err *err)
{
    return encode(t, text, len, out, err, encode_text);
}

seam_status seam_tokenizer_encode_special(const struct seam_tokenizer *t, const char *text,
                                          size_t len, struct seam_tokens *out, struct seam_err *err)
{
    return encode(t, text, len, out, err, encode_special);
}

/* ---- opening ---- */

static seam_status compile(struct seam_tokenizer *t, const char *pattern, struct seam_err *err)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];
    t->re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    if (!t->re) {
        pcre2_get_error_message(code, why, sizeof why);
        return seam_fail(err, SEAM_EINTERNAL, "pre-tokenizer pattern, at %zu: %s", at,
                         (const char *)why);
    }
    pcre2_jit_compile(t->re, PCRE2_JIT_COMPLETE); /* where there is none, it only takes longer */
    return SEAM_OK;
}

static bool meta_is(const struct seam_catalog *c, const char *key, const char *word,
                    struct seam_str *v)
{
    *v = (struct seam_str){"(absent)", 8};
    return seam_meta_str(seam_catalog_meta(c, key), v) && v->len == strlen(word) &&
           memcmp(v->p, word, v->len) == 0;
}

static int32_t id_of(const struct seam_tokenizer *t, const struct seam_catalog *c, const char *key)
{
    uint64_t id;
    if (!seam_meta_u64(seam_catalog_meta(c, key), &id) || id >= t->vocab.n)
        return -1;
    return (int32_t)id;
}

static void read_ids(struct seam_tokenizer *t, const struct seam_catalog *c)
{
    bool add = t->pre->add_bos;
    seam_meta_bool(seam_catalog_meta(c, "tokenizer.ggml.normalizer.nfc"), &t->nfc);
    seam_meta_bool(seam_catalog_meta(c, "tokenizer.ggml.add_bos_token"), &add);
    t->bos = add ? id_of(t, c, "tokenizer.ggml.bos_token_id") : -1;
    for (size_t i = 0; i < N_STOP_KEYS; i++)
        t->stop[i] = id_of(t, c, stop_keys[i]);
    for (size_t i = N_STOP_KEYS; i < N_STOP; i++) {
        const char *name = stop_names[i - N_STOP_KEYS];
        t->stop[i] = seam_vocab_find_special(&t->vocab, name, strlen(name));
    }
}

static seam_status read_template(struct seam_tokenizer *t, const struct seam_catalog *c,
                                 struct seam_err *err)
{
    struct seam_str s;
    if (!seam_meta_str(seam_catalog_meta(c, "tokenizer.chat_template"), &s) || s.len == 0)
        return SEAM_OK;
    t->chat_template = malloc(s.len);
    if (!t->chat_template)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a chat template");
    memcpy(t->chat_template, s.p, s.len);
    t->chat_template_len = s.len;
    return SEAM_OK;
}

static int shown(struct seam_str s)
{
    return (int)(s.len < 40 ? s.len : 40);
}

static const struct seam_pretok *find_pre(const struct seam_catalog *c, struct seam_err *err)
{
    struct seam_str v = {"(absent)", 8};
    char known[128] = "";
    seam_meta_str(seam_catalog_meta(c, "tokenizer.ggml.pre"), &v);
    const struct seam_pretok *row = seam_pretok_find(v);
    if (row)
        return row;
    for (size_t i = 0, n = 0; (row = seam_pretok_at(i)) && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, i ? ", %s" : "%s", row->name);
    seam_fail(err, SEAM_EUNSUPPORTED, "tokenizer.ggml.pre '%.*s'; Seam knows %s", shown(v), v.p,
              known);
    return NULL;
}

static seam_status open_all(struct seam_tokenizer *t, const struct seam_catalog *c,
                            struct seam_err *err)
{
    struct seam_str v;
    if (!meta_is(c, "tokenizer.ggml.model", "gpt2", &v))
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "tokenizer.ggml.model '%.*s'; Seam knows gpt2 (byte-level BPE)", shown(v),
                         v.p);
    t->pre = find_pre(c, err);
    if (!t->pre)
        return SEAM_EUNSUPPORTED;
    seam_status st = seam_vocab_open(&t->vocab, c, t->pre->by_id, err);
    if (st == SEAM_OK)
        st = compile(t, t->pre->pattern, err);
    if (st == SEAM_OK)
        st = read_template(t, c, err);
    if (st == SEAM_OK)
        read_ids(t, c);
    return st;
}

seam_status seam_tokenizer_open(struct seam_tokenizer **out, const struct seam_catalog *c,
                                struct seam_err *err)
{
    *out = NULL;
    struct seam_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a tokenizer");
    seam_status st = open_all(t, c, err);
    if (st != SEAM_OK) {
        seam_tokenizer_close(t);
        return seam_wrap(err, st, "%s", seam_catalog_shard_path(c, 0));
    }
    *out = t;
    return SEAM_OK;
}

void seam_tokenizer_close(struct seam_tokenizer *t)
{
    if (!t)
        return;
    seam_vocab_release(&t->vocab);
    pcre2_code_free(t->re);
    free(t->chat_template);
    free(t);
}

/* ---- looking ---- */

struct seam_str seam_tokenizer_bytes(const struct seam_tokenizer *t, int32_t id)
{
    return seam_vocab_bytes(&t->vocab, id);
}

uint32_t seam_tokenizer_size(const struct seam_tokenizer *t)
{
    return t->vocab.n;
}

int32_t seam_tokenizer_find(const struct seam_tokenizer *t, const char *name)
{
    int32_t id = seam_vocab_find_special(&t->vocab, name, strlen(name));
    return id >= 0 ? id : seam_vocab_find(&t->vocab, name, strlen(name));
}

bool seam_tokenizer_is_control(const struct seam_tokenizer *t, int32_t id)
{
    if (id < 0 || (uint32_t)id >= t->vocab.n)
        return false;
    uint8_t kind = t->vocab.kind[id];
    return kind == SEAM_TOKEN_CONTROL || kind == SEAM_TOKEN_UNUSED || kind == SEAM_TOKEN_UNKNOWN;
}

bool seam_tokenizer_is_stop(const struct seam_tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < N_STOP; i++)
        if (id >= 0 && t->stop[i] == id)
            return true;
    return false;
}

int32_t seam_tokenizer_bos(const struct seam_tokenizer *t)
{
    return t->bos;
}

struct seam_str seam_tokenizer_template(const struct seam_tokenizer *t)
{
    return (struct seam_str){t->chat_template ? t->chat_template : "", t->chat_template_len};
}
