/* Prompts against tests/golden/{kimi,kimi-k2,qwen3.5,qwen3,llama3}-chat.jsonl, which the models' own
 * templates made (tools/golden/kimi_chat.py, chat_formats.py). Compared as tokens of the committed
 * tiny vocabulary: a special token that was rendered as text, or a run of text that was cut,
 * differs too. What a template refuses, Seam must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "chat_build.h"

#define GOLDEN SEAM_SOURCE_DIR "/tests/golden"

struct family { /* opened */
    struct seam_tokenizer *t;
    const struct seam_chat_format *format;
};

static struct family open_family(const struct chat_family *f)
{
    struct seam_err err;
    struct family o = {.t = chat_open(f)};
    if (seam_chat_format_find(&o.format, o.t, &err) != SEAM_OK)
        fail_msg("%s: %s", f->name, err.text);
    assert_string_equal(seam_chat_format_name(o.format), f->format);
    return o;
}

static char *text_of(const struct seam_tokenizer *t, const struct seam_tokens *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        n += seam_tokenizer_bytes(t, ids->ids[i]).len;
    char *s = malloc(n + 1);
    assert_non_null(s);
    n = 0;
    for (size_t i = 0; i < ids->n; i++) {
        struct seam_str b = seam_tokenizer_bytes(t, ids->ids[i]);
        memcpy(s + n, b.p, b.len);
        n += b.len;
    }
    s[n] = '\0';
    return s;
}

/* "thinking" is on and "preserve_thinking" off where a case does not say. */
static bool flag(yyjson_val *root, const char *key, bool otherwise)
{
    yyjson_val *v = yyjson_obj_get(root, key);
    return v ? yyjson_is_true(v) : otherwise;
}

/* A client who spells a special token's name gets text, where the reference gets the token: then
 * only the text can be compared. */
static bool same(yyjson_val *root, const struct seam_tokens *a, const struct seam_tokens *b,
                 const char *text)
{
    if (flag(root, "as_text", false))
        return strcmp(text, yyjson_get_str(yyjson_obj_get(root, "prompt"))) == 0;
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0;
}

/* True when the case's prompt is rendered as expected; else says what differs. */
static bool check(const struct family *f, yyjson_val *root)
{
    const char *name = yyjson_get_str(yyjson_obj_get(root, "name"));
    yyjson_val *prompt = yyjson_obj_get(root, "prompt");
    bool refused = flag(root, "refused", false);
    struct seam_chat_opts opts = {.thinking = flag(root, "thinking", true),
                                  .preserve_thinking = flag(root, "preserve_thinking", false),
                                  .today = "05 Dec 2026"};
    struct seam_tokens got = {0}, want = {0};
    struct seam_err err;
    seam_err_clear(&err);
    assert_true(name && yyjson_is_str(prompt) != refused);
    assert_int_equal(seam_tokenizer_encode_special(f->t, refused ? "" : yyjson_get_str(prompt),
                                                   yyjson_get_len(prompt), &want, &err),
                     SEAM_OK);
    seam_status st = seam_chat_render(f->format, f->t, yyjson_obj_get(root, "messages"),
                                      yyjson_obj_get(root, "tools"), &opts, &got, &err);
    char *text = text_of(f->t, &got);
    bool ok = refused ? st == SEAM_EINVAL && err.text[0] && got.n == 0
                      : st == SEAM_OK && same(root, &got, &want, text);
    if (!ok)
        printf("case '%s' of %s: %s\n--- want\n%s\n--- got\n%s\n", name,
               seam_chat_format_name(f->format), st == SEAM_OK ? "" : err.text,
               refused ? "(refused)" : yyjson_get_str(prompt), text);
    free(text);
    seam_tokens_clear(&got);
    seam_tokens_clear(&want);
    return ok;
}

static void check_file(const char *path, size_t least, size_t least_refused)
{
    struct family opened[CHAT_FAMILIES] = {{0}};
    char *line = NULL;
    size_t cap = 0, n = 0, bad = 0, refused = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; getline(&line, &cap, f) > 0; n++) {
        yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
        yyjson_val *root = yyjson_doc_get_root(doc), *template = yyjson_obj_get(root, "template");
        assert_non_null(doc);
        const struct chat_family *family =
            chat_family(template ? yyjson_get_str(template) : "kimi-k2");
        struct family *o = &opened[family - chat_families];
        if (!o->t)
            *o = open_family(family);
        bad += !check(o, root);
        refused += flag(root, "refused", false);
        yyjson_doc_free(doc);
    }
    free(line);
    fclose(f);
    for (size_t i = 0; i < CHAT_FAMILIES; i++)
        seam_tokenizer_close(opened[i].t);
    printf("%s: %zu prompts, %zu refused\n", strrchr(path, '/') + 1, n, refused);
    assert_true(n >= least && refused >= least_refused);
    assert_int_equal(bad, 0);
}

static void test_kimi(void **state)
{
    (void)state;
    check_file(GOLDEN "/kimi-chat.jsonl", 100, 0);
}

static void test_kimi_before_k25(void **state)
{
    (void)state;
    check_file(GOLDEN "/kimi-k2-chat.jsonl", 80, 0);
}

static void test_qwen35(void **state)
{
    (void)state;
    check_file(GOLDEN "/qwen3.5-chat.jsonl", 150, 10);
}

static void test_qwen3(void **state)
{
    (void)state;
    check_file(GOLDEN "/qwen3-chat.jsonl", 120, 0);
}

static void test_llama3(void **state)
{
    (void)state;
    check_file(GOLDEN "/llama3-chat.jsonl", 120, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kimi),   cmocka_unit_test(test_kimi_before_k25),
        cmocka_unit_test(test_qwen35), cmocka_unit_test(test_qwen3),
        cmocka_unit_test(test_llama3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
