/* The tokenizer against hand-made merges, against vectors of the real Kimi vocabulary where it is
 * at hand, and against files of tests/golden/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>
#include <unistd.h>
#include <yyjson.h>

#include "gguf_build.h"
#include "model/tokenizer.h"

static const char *const merges[] = {"h e",        "l l", "he ll", "hell o",
                                     "\xc4\xa0 w", "a a", "aa aa", "o r"};
#define N_MERGES (sizeof merges / sizeof *merges)
#define ID(name) (256 + (int)N_MERGES + (name))

static struct seam_tokenizer *open_bytes(struct gb *b, struct seam_err *err)
{
    size_t n;
    uint8_t *p = gb_finish(b, &n);
    struct seam_catalog *c;
    struct seam_tokenizer *t;
    seam_err_clear(err);
    if (seam_catalog_open_memory(&c, p, n, err) != SEAM_OK)
        fail_msg("%s", err->text);
    free(p);
    seam_tokenizer_open(&t, c, err);
    seam_catalog_close(c); /* the tokenizer must not need it any more */
    return t;
}

static struct seam_tokenizer *tiny(void)
{
    struct gb b = {0};
    struct seam_err err;
    gb_tokenizer(&b, merges, N_MERGES);
    struct seam_tokenizer *t = open_bytes(&b, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void expect_n(const struct seam_tokenizer *t, const char *text, size_t len,
                     const int32_t *want, size_t n)
{
    struct seam_tokens out = {0};
    struct seam_err err;
    if (seam_tokenizer_encode(t, text, len, &out, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    bool same = out.n == n;
    for (size_t i = 0; i < n && same; i++)
        same = out.ids[i] == want[i];
    if (!same) {
        printf("text: %.*s\n got:", (int)(len < 200 ? len : 200), text);
        for (size_t i = 0; i < out.n && i < 60; i++)
            printf(" %d", out.ids[i]);
        printf("\nwant:");
        for (size_t i = 0; i < n && i < 60; i++)
            printf(" %d", want[i]);
        printf("\n");
    }
    seam_tokens_clear(&out);
    assert_true(same);
}

#define EXPECT(t, text, ...)                                                  \
    do {                                                                      \
        const int32_t want_[] = {__VA_ARGS__};                                \
        expect_n(t, text, strlen(text), want_, sizeof want_ / sizeof *want_); \
    } while (0)

static void round_trip(const struct seam_tokenizer *t, const char *text, size_t len)
{
    struct seam_tokens out = {0};
    struct seam_err err;
    assert_int_equal(seam_tokenizer_encode(t, text, len, &out, &err), SEAM_OK);
    char *back = malloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < out.n; i++) {
        struct seam_str s = seam_tokenizer_bytes(t, out.ids[i]);
        assert_true(n + s.len <= len);
        memcpy(back + n, s.p, s.len);
        n += s.len;
    }
    assert_int_equal(n, len);
    assert_memory_equal(back, text, len);
    free(back);
    seam_tokens_clear(&out);
}

static void test_merges(void **state)
{
    (void)state;
    struct seam_tokenizer *t = tiny();
    EXPECT(t, "hello", 259);
    EXPECT(t, "hello world", 259, 260, 263, 'l', 'd');
    EXPECT(t, "hell", 258);
    EXPECT(t, "aaaaaaa", 262, 261, 'a');
    EXPECT(t, "h ello", 'h', ' ', 'e', 257, 'o');
    EXPECT(t, "1234", '1', '2', '3', '4');
    expect_n(t, "", 0, NULL, 0);
    seam_tokenizer_close(t);
}

/* Ids that are not ranks: then the list of merges decides. */
static void test_merges_by_rank(void **state)
{
    (void)state;
    struct gb b = {0};
    struct seam_err err;
    gb_tokenizer_order(&b, merges, N_MERGES, true);
    struct seam_tokenizer *t = open_bytes(&b, &err);
    if (!t)
        fail_msg("%s", err.text);
    const int32_t last = 256 + N_MERGES - 1;
    EXPECT(t, "hello", last - 3);
    EXPECT(t, "hell", last - 2);
    EXPECT(t, "aaaaaaa", last - 6, last - 5, 'a');
    EXPECT(t, "lll", last - 1, 'l');
    seam_tokenizer_close(t);
}

/* Names of special tokens in plain text are text. */
static void test_special(void **state)
{
    (void)state;
    struct seam_tokenizer *t = tiny();
    struct seam_tokens out = {0};
    int32_t end = seam_tokenizer_find(t, "<|im_end|>"), think = seam_tokenizer_find(t, "<think>");
    assert_int_equal(end, ID(2));
    assert_int_equal(think, ID(8));
    EXPECT(t, "</think>", '<', '/', 't', 'h', 'i', 'n', 'k', '>');
    const char text[] = "hello<|im_end|><think>hell";
    assert_int_equal(seam_tokenizer_encode_special(t, text, strlen(text), &out, NULL), SEAM_OK);
    assert_int_equal(out.n, 4);
    assert_int_equal(out.ids[0], 259);
    assert_int_equal(out.ids[1], end);
    assert_int_equal(out.ids[2], think);
    assert_int_equal(out.ids[3], 258);
    seam_tokens_clear(&out);
    assert_true(seam_tokenizer_is_control(t, end));
    assert_false(seam_tokenizer_is_control(t, think));
    assert_true(seam_tokenizer_is_stop(t, end));
    assert_true(seam_tokenizer_is_stop(t, ID(1)));
    assert_false(seam_tokenizer_is_stop(t, think));
    assert_false(seam_tokenizer_is_stop(t, -1));
    assert_int_equal(seam_tokenizer_bos(t), -1);
    assert_int_equal(seam_tokenizer_find(t, "nothing"), -1);
    assert_int_equal(seam_tokenizer_bytes(t, 1000000).len, 0);
    assert_int_equal(seam_tokenizer_bytes(t, -1).len, 0);
    seam_tokenizer_close(t);
}

static void test_any_bytes(void **state)
{
    (void)state;
    struct seam_tokenizer *t = tiny();
    const char bad[] = "hello\xff\xfehell\xe4\xb8";
    const int32_t want[] = {259, 0xff, 0xfe, 258, 0xe4, 0xb8};
    expect_n(t, bad, sizeof bad - 1, want, 6);
    char all[65536];
    uint32_t x = 1;
    for (int round = 0; round < 50; round++) {
        size_t n = 1 + x % 300;
        for (size_t i = 0; i < n; i++) {
            x = x * 1664525u + 1013904223u;
            /* mostly letters and pieces of UTF-8, sometimes anything */
            all[i] = (char)(x >> 28 ? (x >> 24 & 1 ? 'a' : 0x80 + (x >> 20) % 0x70) : x >> 16);
        }
        round_trip(t, all, n);
    }
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i & 1 ? i >> 9 : i >> 1);
    round_trip(t, all, sizeof all);
    seam_tokenizer_close(t);
}

/* ---- vocabularies made for one question: 256 bytes, then `extra` ---- */

struct extra {
    const char *name;
    uint32_t kind; /* SEAM_TOKEN_* of vocab.h: 1 normal, 3 control, 6 byte */
};

/* A byte `without` 0..255 has no token of its own. */
static void gb_vocabulary(struct gb *b, const char *pre, int without, const struct extra *extra,
                          size_t n, const char *merge)
{
    char text[8];
    gb_str(b, "tokenizer.ggml.model", "gpt2");
    gb_str(b, "tokenizer.ggml.pre", pre);
    gb_array(b, "tokenizer.ggml.tokens", 8, 256 + n);
    for (int i = 0; i < 256; i++) {
        gb_alphabet((unsigned)i, text);
        gb_text(&b->meta, i == without ? "gone" : text, strlen(i == without ? "gone" : text));
    }
    for (size_t i = 0; i < n; i++)
        gb_text(&b->meta, extra[i].name, strlen(extra[i].name));
    gb_array(b, "tokenizer.ggml.token_type", 5, 256 + n);
    for (size_t i = 0; i < 256 + n; i++)
        gb_le(&b->meta, i < 256 ? 1 : extra[i - 256].kind, 4);
    gb_array(b, "tokenizer.ggml.merges", 8, merge ? 1 : 0);
    if (merge)
        gb_text(&b->meta, merge, strlen(merge));
}

static struct seam_tokenizer *open_good(struct gb *b)
{
    struct seam_err err;
    struct seam_tokenizer *t = open_bytes(b, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void test_bos(void **state)
{
    (void)state;
    static const struct extra extra[] = {{"<bos>", 3}};
    static const struct {
        const char *pre;
        int key; /* -1: the file does not say */
        int32_t bos;
    } rows[] = {{"llama-bpe", -1, 256}, {"llama-bpe", 0, -1}, {"llama-bpe", 1, 256},
                {"qwen2", -1, -1},      {"qwen2", 1, 256},    {"qwen35", -1, -1},
                {"kimi-k2", -1, -1},    {"kimi-k2", 1, 256}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gb b = {0};
        gb_vocabulary(&b, rows[i].pre, -1, extra, 1, NULL);
        gb_u32(&b, "tokenizer.ggml.bos_token_id", 256);
        if (rows[i].key >= 0)
            gb_bool(&b, "tokenizer.ggml.add_bos_token", rows[i].key);
        struct seam_tokenizer *t = open_good(&b);
        assert_int_equal(seam_tokenizer_bos(t), rows[i].bos);
        EXPECT(t, "a", 'a'); /* the caller adds it, once */
        seam_tokenizer_close(t);
    }
    struct gb b = {0};
    gb_vocabulary(&b, "llama-bpe", -1, extra, 1, NULL); /* no bos_token_id */
    struct seam_tokenizer *t = open_good(&b);
    assert_int_equal(seam_tokenizer_bos(t), -1);
    seam_tokenizer_close(t);
}

static void test_stop(void **state)
{
    (void)state;
    static const struct extra extra[] = {{"<|endoftext|>", 3},   {"<|im_end|>", 3},
                                         {"<|im_start|>", 3},    {"<|eot_id|>", 3},
                                         {"<|end_of_text|>", 3}, {"<|eom_id|>", 3},
                                         {"<|own_end|>", 3},     {"<think>", 4}};
    static const bool stop[] = {true, true, false, true, true, true, true, false};
    struct gb b = {0};
    gb_vocabulary(&b, "qwen35", -1, extra, 8, NULL);
    gb_u32(&b, "tokenizer.ggml.eom_token_id", 256 + 6);
    struct seam_tokenizer *t = open_good(&b);
    for (int32_t i = 0; i < 8; i++)
        assert_int_equal(seam_tokenizer_is_stop(t, 256 + i), stop[i]);
    seam_tokenizer_close(t);
}

/* A piece that is a token, though no merges lead to it. */
static void test_whole(void **state)
{
    (void)state;
    static const struct extra extra[] = {{"he", 1}, {"hey", 1}};
    for (int llama = 0; llama < 2; llama++) {
        struct gb b = {0};
        gb_vocabulary(&b, llama ? "llama-bpe" : "qwen2", -1, extra, 2, "h e");
        struct seam_tokenizer *t = open_good(&b);
        if (llama)
            EXPECT(t, "hey", 257);
        else
            EXPECT(t, "hey", 256, 'y');
        EXPECT(t, "heys", 256, 'y', 's');
        seam_tokenizer_close(t);
    }
}

static void test_byte_tokens(void **state)
{
    (void)state;
    static const struct extra extra[] = {{"<0x71>", 6}, {"<0x4g>", 6}, {"<0x61>", 6}};
    static const struct extra odd[] = {{"<0x71>", 1}};
    struct gb b = {0};
    gb_vocabulary(&b, "qwen2", 'q', extra, 3, NULL);
    struct seam_tokenizer *t = open_good(&b);
    EXPECT(t, "aq<0x61>", 'a', 256, '<', '0', 'x', '6', '1', '>');
    assert_int_equal(seam_tokenizer_bytes(t, 256).len, 1);
    assert_int_equal(*seam_tokenizer_bytes(t, 256).p, 'q');
    assert_int_equal(seam_tokenizer_bytes(t, 257).len, 6); /* no byte: its name */
    assert_false(seam_tokenizer_is_control(t, 256));
    assert_int_equal(seam_tokenizer_find(t, "a"), 'a');
    round_trip(t, "q\xffq", 3);
    seam_tokenizer_close(t);
    gb_vocabulary(&b, "qwen2", 'q', odd, 1, NULL);
    struct seam_err err;
    assert_null(open_bytes(&b, &err));
    assert_int_equal(err.status, SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "no token for the byte 71"));
}

static void test_nfc(void **state)
{
    (void)state;
    struct gb b = {0};
    gb_vocabulary(&b, "qwen35", -1, NULL, 0, NULL);
    struct seam_tokenizer *t = open_good(&b);
    EXPECT(t, "e\xcc\x81", 'e', 0xcc, 0x81); /* the file does not ask for it */
    seam_tokenizer_close(t);
    gb_vocabulary(&b, "qwen35", -1, NULL, 0, NULL);
    gb_bool(&b, "tokenizer.ggml.normalizer.nfc", true);
    t = open_good(&b);
    EXPECT(t, "ae\xcc\x81", 'a', 0xc3, 0xa9);
    EXPECT(t, "e\xff\xcc\x81", 'e', 0xff, 0xcc, 0x81);             /* two runs */
    EXPECT(t, "\xe1\x84\x80\xe1\x85\xa1", 0xea, 0xb0, 0x80);       /* jamo */
    EXPECT(t, "q\xcc\x81\xcc\xa3", 'q', 0xcc, 0xa3, 0xcc, 0x81);   /* put in order */
    EXPECT(t, "\xe2\x84\xab", 0xc3, 0x85);                         /* Angstrom sign */
    EXPECT(t, "\xe0\xa5\x98", 0xe0, 0xa4, 0x95, 0xe0, 0xa4, 0xbc); /* excluded */
    EXPECT(t, "\xf0\x9d\x85\xa2", 0xf0, 0x9d, 0x85, 0x98, 0xf0, 0x9d, 0x85, 0xa5, 0xf0, 0x9d, 0x85,
           0xb0); /* one code point becomes three, of 12 bytes */
    seam_tokenizer_close(t);
}

/* Not quadratic: with a quadratic step these take hours, not seconds; no time is asserted. */
static void long_runs(const struct seam_tokenizer *t, bool nfc)
{
    static const char *const unit[] = {"a",
                                       " ",
                                       "\n",
                                       "\xe0\xa4\x95",
                                       "\xcc\x81",
                                       "A",
                                       "-",
                                       "\xe4\xb8\x96",
                                       "1",
                                       "'s",
                                       " \n",
                                       "\xcc\x81\xcc\xa3", /* marks in the wrong order */
                                       "\xe1\x84\x80\xe1\x85\xa1"};
    for (size_t u = 0; u < sizeof unit / sizeof *unit; u++) {
        size_t k = strlen(unit[u]), n = (1u << 20) / k * k;
        struct seam_tokens ids = {0};
        char *text = malloc(n);
        for (size_t i = 0; i < n; i++)
            text[i] = unit[u][i % k];
        if (nfc)
            assert_int_equal(seam_tokenizer_encode(t, text, n, &ids, NULL), SEAM_OK);
        else
            round_trip(t, text, n);
        seam_tokens_clear(&ids);
        free(text);
    }
}

static void test_long_runs(void **state)
{
    (void)state;
    static const char *const pre[] = {"qwen2", "qwen35", "llama-bpe"};
    struct seam_tokenizer *t = tiny();
    long_runs(t, false);
    seam_tokenizer_close(t);
    for (int i = 0; i < 4; i++) {
        struct gb b = {0};
        static const struct extra extra[] = {{"aa", 1}};
        gb_vocabulary(&b, pre[i % 3], -1, extra, 1, "a a");
        gb_bool(&b, "tokenizer.ggml.normalizer.nfc", i == 3);
        t = open_good(&b);
        long_runs(t, i == 3);
        seam_tokenizer_close(t);
    }
}

static void test_utf8_stream(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"abc", "abc"},
        {"\xe4\xb8\x96\xf0\x9f\x98\x80", "\xe4\xb8\x96\xf0\x9f\x98\x80"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xe4\xb8"
         "a",
         "\xef\xbf\xbd"
         "a"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98", "\xef\xbf\xbd"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        size_t len = strlen(rows[r].in);
        for (size_t step = 1; step <= len; step++) {
            struct seam_utf8_stream s = {0};
            char out[128];
            size_t n = 0;
            for (size_t i = 0; i < len; i += step)
                n += seam_utf8_stream_feed(&s, rows[r].in + i, len - i < step ? len - i : step,
                                           out + n);
            n += seam_utf8_stream_feed(&s, NULL, 0, out + n);
            out[n] = 0;
            assert_string_equal(out, rows[r].out);
        }
    }
}

static void expect_refused(struct gb *b, seam_status want, const char *words)
{
    struct seam_err err;
    struct seam_tokenizer *t = open_bytes(b, &err);
    assert_null(t);
    if (err.status != want || !strstr(err.text, words))
        fail_msg("expected '%s', got %s '%s'", words, seam_status_name(err.status), err.text);
}

static void test_refused(void **state)
{
    (void)state;
    struct gb b = {0};
    expect_refused(&b, SEAM_EUNSUPPORTED, "tokenizer.ggml.model '(absent)'");
    gb_str(&b, "tokenizer.ggml.model", "llama");
    expect_refused(&b, SEAM_EUNSUPPORTED, "tokenizer.ggml.model 'llama'");
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_str(&b, "tokenizer.ggml.pre", "gpt-2");
    expect_refused(&b, SEAM_EUNSUPPORTED,
                   "tokenizer.ggml.pre 'gpt-2'; Seam knows kimi-k2, qwen2, qwen35, llama-bpe");
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    expect_refused(&b, SEAM_EUNSUPPORTED, "tokenizer.ggml.pre '(absent)'");
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_str(&b, "tokenizer.ggml.pre", "kimi-k2");
    expect_refused(&b, SEAM_EFORMAT, "tokenizer.ggml.tokens");
    static const char *const nonsense[] = {"q zz"}; /* zz is no token */
    gb_tokenizer(&b, nonsense, 1);
    expect_refused(&b, SEAM_EFORMAT, "tokenizer.ggml.merges: entry 0");
}

/* ---- the real vocabulary ---- */

static int base64_value(int c)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(set, c) : NULL;
    return p ? (int)(p - set) : -1;
}

static size_t base64(const char *in, unsigned char *out)
{
    size_t n = 0;
    uint32_t acc = 0;
    int bits = 0;
    for (; base64_value(*in) >= 0; in++) {
        acc = acc << 6 | (uint32_t)base64_value(*in);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(acc >> bits);
        }
    }
    return n;
}

/* Names of the special slots after the 163,584 ranks (facts 5.1). */
static const char *kimi_special(uint32_t id)
{
    static const struct {
        uint32_t id;
        const char *name;
    } names[] = {
        {163584, "[BOS]"},
        {163585, "[EOS]"},
        {163586, "<|im_end|>"},
        {163587, "<|im_user|>"},
        {163588, "<|im_assistant|>"},
        {163593, "[EOT]"},
        {163594, "<|im_system|>"},
        {163595, "<|tool_calls_section_begin|>"},
        {163596, "<|tool_calls_section_end|>"},
        {163597, "<|tool_call_begin|>"},
        {163598, "<|tool_call_argument_begin|>"},
        {163599, "<|tool_call_end|>"},
        {163601, "<|im_middle|>"},
        {163606, "<think>"},
        {163607, "</think>"},
        {163838, "[UNK]"},
        {163839, "[PAD]"},
    };
    static char reserved[40];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id == id)
            return names[i].name;
    snprintf(reserved, sizeof reserved, "<|reserved_token_%u|>", id);
    return reserved;
}

/* NULL, and says why, when the vocabulary is not at hand: it is not ours to publish. */
static struct seam_tokenizer *kimi(void)
{
    static const char path[] = SEAM_SOURCE_DIR "/../shared/data/kimi.tiktoken";
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("skipped: %s is absent\n", path);
        return NULL;
    }
    struct gb b = {0};
    char line[2048];
    unsigned char raw[1536];
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_str(&b, "tokenizer.ggml.pre", "kimi-k2");
    gb_array(&b, "tokenizer.ggml.tokens", 8, 163840);
    uint32_t n = 0;
    while (fgets(line, sizeof line, f)) {
        char text[3100] = "";
        size_t at = 0, k = base64(line, raw);
        for (size_t i = 0; i < k; i++) {
            gb_alphabet(raw[i], text + at);
            at += strlen(text + at);
        }
        gb_text(&b.meta, text, at);
        n++;
    }
    fclose(f);
    assert_int_equal(n, 163584);
    for (; n < 163840; n++)
        gb_text(&b.meta, kimi_special(n), strlen(kimi_special(n)));
    gb_array(&b, "tokenizer.ggml.token_type", 5, 163840);
    for (uint32_t i = 0; i < 163840; i++) {
        bool user = i >= 163595 && i <= 163607 && i != 163601;
        gb_le(&b.meta, i < 163584 ? 1 : user ? 4 : 3, 4);
    }
    gb_u32(&b, "tokenizer.ggml.eos_token_id", 163586);
    struct seam_err err;
    struct seam_tokenizer *t = open_bytes(&b, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void test_kimi(void **state)
{
    (void)state;
    struct seam_tokenizer *t = kimi();
    if (!t)
        skip();
    EXPECT(t, "getUserName iPhone helloWorld HTTPServerError XMLHttpRequest don't WE'LL it's", 618,
           3479, 1263, 1032, 11868, 40493, 14350, 73374, 4022, 2544, 160457, 3188, 4536, 40893, 6,
           5847, 4643);
    EXPECT(t, "1234567890 3.14159 0xDEADBEEF 1,000,000", 6694, 12972, 16242, 15, 220, 18, 13, 18702,
           6276, 220, 15, 87, 11215, 1817, 16638, 4126, 220, 16, 11, 1476, 11, 1476);
    EXPECT(t,
           "\xe0\xa4\xaf\xe0\xa4\xb9 \xe0\xa4\x8f\xe0\xa4\x95 "
           "\xe0\xa4\xaa\xe0\xa4\xb0\xe0\xa5\x80\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xa3 "
           "\xe0\xa4\xb5\xe0\xa4\xbe\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xaf \xe0\xa4\xb9\xe0\xa5\x88"
           "\xe0\xa5\xa4 \xe0\xa4\xae\xe0\xa5\x81\xe0\xa4\x9d\xe0\xa5\x87 "
           "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\x82\xe0\xa4\xa6\xe0\xa5\x80 "
           "\xe0\xa4\xaa\xe0\xa4\xb8\xe0\xa4\x82\xe0\xa4\xa6 \xe0\xa4\xb9\xe0\xa5\x88"
           "\xe0\xa5\xa4",
           22592, 21232, 91794, 67411, 10722, 67995, 29210, 22462, 71421, 12934, 56213, 14296,
           20362, 72154, 251, 7614, 25042, 92147, 20886, 10722, 17384, 131672, 20886, 56213, 14296);
    assert_int_equal(seam_tokenizer_find(t, "<|im_middle|>"), 163601);
    assert_true(seam_tokenizer_is_stop(t, 163585));
    assert_true(seam_tokenizer_is_stop(t, 163586));
    seam_tokenizer_close(t);
}

/* ---- files of tests/golden/: lines {"text": "...", "ids": [...]} or {"bytes": "hex", ...} ---- */

static size_t from_hex(const char *hex, char *out)
{
    size_t n = 0;
    unsigned v;
    for (; sscanf(hex, "%2x", &v) == 1; hex += 2)
        out[n++] = (char)v;
    return n;
}

static size_t check_lines(const struct seam_tokenizer *t, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, n_lines = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
        assert_non_null(doc);
        yyjson_val *root = yyjson_doc_get_root(doc), *text = yyjson_obj_get(root, "text"),
                   *hex = yyjson_obj_get(root, "bytes"), *ids = yyjson_obj_get(root, "ids");
        char *bytes = malloc(yyjson_get_len(hex) + 1);
        size_t len = hex ? from_hex(yyjson_get_str(hex), bytes) : yyjson_get_len(text);
        int32_t *want = malloc((yyjson_arr_size(ids) + 1) * sizeof *want);
        size_t n = 0, i, max;
        yyjson_val *v;
        assert_true(yyjson_is_arr(ids));
        yyjson_arr_foreach(ids, i, max, v) want[n++] = (int32_t)yyjson_get_int(v);
        expect_n(t, hex ? bytes : yyjson_get_str(text), len, want, n);
        free(want);
        free(bytes);
        yyjson_doc_free(doc);
        n_lines++;
    }
    free(line);
    fclose(f);
    return n_lines;
}

static void test_golden_kimi(void **state)
{
    (void)state;
    static const char path[] = SEAM_SOURCE_DIR "/tests/golden/kimi-k2-tokens.jsonl";
    struct seam_tokenizer *t = kimi();
    if (!t)
        skip();
    if (access(path, R_OK) != 0) {
        seam_tokenizer_close(t);
        print_message("skipped: %s is absent\n", path);
        skip();
    }
    assert_true(check_lines(t, path) > 0);
    seam_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),    cmocka_unit_test(test_merges_by_rank),
        cmocka_unit_test(test_special),   cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_long_runs), cmocka_unit_test(test_utf8_stream),
        cmocka_unit_test(test_bos),       cmocka_unit_test(test_stop),
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_byte_tokens),
        cmocka_unit_test(test_nfc),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_kimi),      cmocka_unit_test(test_golden_kimi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
