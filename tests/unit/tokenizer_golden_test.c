/* Every row of src/model/pretok.c against tests/golden/tokens-<name>.{gguf,ids}: what the reference
 * tokenizer makes of tokens-texts.jsonl (tools/golden/README.md), and any bytes there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "model/pretok.h"
#include "model/tokenizer.h"

#define GOLDEN  SEAM_SOURCE_DIR "/tests/golden/tokens-"
#define N_TEXTS 2000 /* at least */

struct text {
    char *p;
    size_t n;
};

static struct text *texts;
static size_t n_texts;

/* A line is ["unit", times]. */
static struct text read_text(const char *line)
{
    yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
    assert_non_null(doc);
    yyjson_val *root = yyjson_doc_get_root(doc), *unit = yyjson_arr_get(root, 0);
    size_t len = yyjson_get_len(unit), times = yyjson_get_uint(yyjson_arr_get(root, 1));
    assert_true(yyjson_is_str(unit) && times > 0);
    struct text t = {.n = len * times};
    t.p = malloc(t.n + 1);
    assert_non_null(t.p);
    for (size_t i = 0; i < times; i++)
        memcpy(t.p + i * len, yyjson_get_str(unit), len);
    yyjson_doc_free(doc);
    return t;
}

static int read_texts(void **state)
{
    (void)state;
    FILE *f = fopen(GOLDEN "texts.jsonl", "r");
    char *line = NULL;
    size_t cap = 0, room = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        if (n_texts == room) {
            room = room ? 2 * room : 4096;
            texts = realloc(texts, room * sizeof *texts);
            assert_non_null(texts);
        }
        texts[n_texts++] = read_text(line);
    }
    free(line);
    fclose(f);
    return n_texts >= N_TEXTS ? 0 : -1;
}

static int free_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_texts; i++)
        free(texts[i].p);
    free(texts);
    return 0;
}

static struct seam_tokenizer *open_golden(const char *name)
{
    char path[512];
    struct seam_catalog *c;
    struct seam_tokenizer *t = NULL;
    struct seam_err err;
    snprintf(path, sizeof path, GOLDEN "%s.gguf", name);
    if (seam_catalog_open(&c, path, &err) != SEAM_OK || seam_tokenizer_open(&t, c, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_catalog_close(c);
    return t;
}

/* Ids of a line; -k: the last one k times more. */
static void read_ids(const char *line, struct seam_tokens *ids)
{
    char *end;
    ids->n = 0;
    for (long v; v = strtol(line, &end, 10), end != line; line = end) {
        assert_true(v >= 0 || ids->n > 0);
        int32_t id = v >= 0 ? (int32_t)v : ids->ids[ids->n - 1];
        for (long k = v >= 0 ? 1 : -v; k > 0; k--)
            assert_int_equal(seam_tokens_push(ids, id, NULL), SEAM_OK);
    }
}

static bool same(const struct seam_tokens *a, const struct seam_tokens *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

static void show(const char *what, const struct seam_tokenizer *t, const struct seam_tokens *ids)
{
    printf("%s", what);
    for (size_t i = 0; i < ids->n && i < 40; i++) {
        struct seam_str s = seam_tokenizer_bytes(t, ids->ids[i]);
        printf(" %d'%.*s'", ids->ids[i], (int)s.len, s.p);
    }
    printf("\n");
}

static void test_ids(void **state)
{
    (void)state;
    const struct seam_pretok *row;
    struct seam_tokens want = {0}, got = {0};
    char path[512], *line = NULL;
    size_t cap = 0, bad = 0;
    for (size_t r = 0; (row = seam_pretok_at(r)); r++) {
        struct seam_tokenizer *t = open_golden(row->name);
        snprintf(path, sizeof path, GOLDEN "%s.ids", row->name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        for (size_t i = 0; i < n_texts; i++) {
            assert_true(getline(&line, &cap, f) > 0);
            read_ids(line, &want);
            got.n = 0;
            assert_int_equal(seam_tokenizer_encode(t, texts[i].p, texts[i].n, &got, NULL), SEAM_OK);
            if (same(&want, &got))
                continue;
            bad++;
            printf("%s, text %zu: '%.*s'\n", row->name, i + 1,
                   (int)(texts[i].n < 80 ? texts[i].n : 80), texts[i].p);
            show(" got:", t, &got);
            show("want:", t, &want);
        }
        assert_true(getline(&line, &cap, f) < 0);
        fclose(f);
        seam_tokenizer_close(t);
    }
    free(line);
    seam_tokens_clear(&want);
    seam_tokens_clear(&got);
    assert_int_equal(bad, 0);
}

/* ---- any bytes, there and back ---- */

/* The file, but never asking for NFC, which changes text on purpose. */
static struct seam_tokenizer *open_plain(const char *name)
{
    static const char key[] = "tokenizer.ggml.normalizer.nfc";
    static char file[1 << 20];
    char path[512];
    struct seam_catalog *c;
    struct seam_tokenizer *t = NULL;
    struct seam_err err;
    snprintf(path, sizeof path, GOLDEN "%s.gguf", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_true(n < sizeof file);
    for (size_t i = 0; i + sizeof key <= n; i++)
        if (memcmp(file + i, key, sizeof key - 1) == 0)
            file[i + sizeof key - 2] = 'x';
    if (seam_catalog_open_memory(&c, file, n, &err) != SEAM_OK ||
        seam_tokenizer_open(&t, c, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_catalog_close(c);
    return t;
}

static bool returns(const struct seam_tokenizer *t, const char *text, size_t len)
{
    struct seam_tokens ids = {0};
    size_t at = 0;
    bool ok = seam_tokenizer_encode(t, text, len, &ids, NULL) == SEAM_OK;
    for (size_t i = 0; i < ids.n && ok; i++) {
        struct seam_str s = seam_tokenizer_bytes(t, ids.ids[i]);
        ok = s.len > 0 && s.len <= len - at && memcmp(s.p, text + at, s.len) == 0;
        at += s.len;
    }
    seam_tokens_clear(&ids);
    return ok && at == len;
}

static uint32_t draw(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 16;
}

/* Up to 4 bytes changed, and the ends cut off: mostly no UTF-8 any more. */
static size_t damage(const struct text *t, char *out, uint32_t *seed)
{
    size_t cut = draw(seed) % (t->n + 1), n = t->n - cut;
    memcpy(out, t->p + cut / 2, n);
    for (unsigned k = 0; k < 4 && n; k++)
        out[draw(seed) % n] = (char)draw(seed);
    return n;
}

static void test_any_bytes(void **state)
{
    (void)state;
    const struct seam_pretok *row;
    uint32_t seed = 1;
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    for (size_t r = 0; (row = seam_pretok_at(r)); r++) {
        struct seam_tokenizer *t = open_plain(row->name);
        for (size_t i = 0; i < n_texts; i++) {
            assert_true(texts[i].n <= 1 << 20);
            if (!returns(t, texts[i].p, texts[i].n))
                fail_msg("%s: text %zu is not what comes back", row->name, i + 1);
            size_t n = damage(&texts[i], bytes, &seed);
            if (!returns(t, bytes, n))
                fail_msg("%s: text %zu, damaged, is not what comes back", row->name, i + 1);
        }
        seam_tokenizer_close(t);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, read_texts, free_texts);
}
