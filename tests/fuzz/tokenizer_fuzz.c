/* tokenizer_fuzz.c - any bytes through any pre-tokenizer and back. The first byte chooses: the row of
 * src/model/pretok.c, 0x40 normalises, 0x80 reads names of special tokens. */
#include <stdlib.h>
#include <string.h>

#include "../unit/gguf_build.h"
#include "model/pretok.h"
#include "model/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS_MAX 32

static struct seam_tokenizer *tokenizers[2][ROWS_MAX]; /* [1]: NFC */
static size_t n_rows;

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* "aaa" is a token that no merge makes, the last three are special. */
static struct seam_tokenizer *open_one(const char *pre, bool nfc)
{
    static const char *const more[] = {"aa", "he", "\xc4\xa0he", "aaa", "<s>", "<<s>>", "<t>"};
    static const char *const merges[] = {"a a", "h e", "\xc4\xa0 he"};
    struct gb b = {0};
    struct seam_catalog *c;
    struct seam_tokenizer *t;
    char text[8];
    size_t n;
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_str(&b, "tokenizer.ggml.pre", pre);
    gb_bool(&b, "tokenizer.ggml.normalizer.nfc", nfc);
    gb_array(&b, "tokenizer.ggml.tokens", 8, 256 + 7);
    for (unsigned i = 0; i < 256; i++) {
        gb_alphabet(i, text);
        gb_text(&b.meta, text, strlen(text));
    }
    for (size_t i = 0; i < 7; i++)
        gb_text(&b.meta, more[i], strlen(more[i]));
    gb_array(&b, "tokenizer.ggml.token_type", 5, 256 + 7);
    for (unsigned i = 0; i < 256 + 7; i++)
        gb_le(&b.meta, i < 256 + 4 ? 1 : i < 256 + 6 ? 3 : 4, 4);
    gb_array(&b, "tokenizer.ggml.merges", 8, 3);
    for (size_t i = 0; i < 3; i++)
        gb_text(&b.meta, merges[i], strlen(merges[i]));
    uint8_t *p = gb_finish(&b, &n);
    require(seam_catalog_open_memory(&c, p, n, NULL) == SEAM_OK);
    require(seam_tokenizer_open(&t, c, NULL) == SEAM_OK);
    seam_catalog_close(c);
    free(p);
    return t;
}

static void open_once(void)
{
    if (n_rows)
        return;
    const struct seam_pretok *row;
    for (; (row = seam_pretok_at(n_rows)); n_rows++) {
        require(n_rows < ROWS_MAX);
        for (int nfc = 0; nfc < 2; nfc++)
            tokenizers[nfc][n_rows] = open_one(row->name, nfc);
    }
}

struct text {
    char *p;
    size_t n;
};

static struct text there_and_back(const struct seam_tokenizer *t, const char *text, size_t len,
                                  bool special)
{
    struct seam_tokens ids = {0};
    struct text back = {malloc(3 * len + 16), 0}; /* NFC makes 3 times as much of some */
    require(back.p != NULL);
    require((special ? seam_tokenizer_encode_special : seam_tokenizer_encode)(t, text, len, &ids,
                                                                              NULL) == SEAM_OK);
    for (size_t i = 0; i < ids.n; i++) {
        struct seam_str s = seam_tokenizer_bytes(t, ids.ids[i]);
        require(s.len > 0 && s.len <= 3 * len + 16 - back.n);
        require(special || ids.ids[i] < 256 + 4);
        memcpy(back.p + back.n, s.p, s.len);
        back.n += s.len;
    }
    seam_tokens_clear(&ids);
    return back;
}

/* However it is cut, the same valid UTF-8 comes out. */
static void check_stream(const char *text, size_t len)
{
    struct seam_utf8_stream s[3] = {0};
    char *out[3] = {malloc(3 * (len + 4)), malloc(3 * (len + 4)), malloc(3 * (len + 4))};
    size_t n[3] = {0};
    require(out[0] && out[1] && out[2]);
    if (len) /* 0 flushes */
        n[0] = seam_utf8_stream_feed(&s[0], text, len, out[0]);
    for (size_t i = 0; i < len; i++)
        n[1] += seam_utf8_stream_feed(&s[1], text + i, 1, out[1] + n[1]);
    n[0] += seam_utf8_stream_feed(&s[0], NULL, 0, out[0] + n[0]);
    n[1] += seam_utf8_stream_feed(&s[1], NULL, 0, out[1] + n[1]);
    require(n[0] == n[1] && memcmp(out[0], out[1], n[0]) == 0);
    if (n[0]) /* valid: it passes unchanged, with nothing held back */
        n[2] = seam_utf8_stream_feed(&s[2], out[0], n[0], out[2]);
    require(n[2] == n[0] && memcmp(out[2], out[0], n[0]) == 0 && s[2].n_tail == 0);
    for (int i = 0; i < 3; i++)
        free(out[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    if (size == 0)
        return 0;
    const bool nfc = data[0] & 0x40, special = data[0] & 0x80;
    const char *text = (const char *)data + 1;
    const size_t len = size - 1;
    const struct seam_tokenizer *t = tokenizers[nfc][(data[0] & 0x3f) % n_rows];
    struct text back = there_and_back(t, text, len, special);
    if (!nfc) {
        require(back.n == len && memcmp(back.p, text, len) == 0);
    } else if (!special) { /* normal text stays as it is */
        struct text again = there_and_back(t, back.p, back.n, false);
        require(again.n == back.n && memcmp(again.p, back.p, back.n) == 0);
        free(again.p);
    }
    free(back.p);
    check_stream(text, len);
    return 0;
}
