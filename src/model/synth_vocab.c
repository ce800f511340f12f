/* synth_vocab.c - a byte-level vocabulary that needs no download: any text has tokens, and every
 * token has text. Fillers take the ids that nothing else has; no merge makes one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/synth.h"

/* In GPT-2's alphabet, where a space is \xc4\xa0. Each makes a token; both parts are bytes or made
 * above it. */
#define SP "\xc4\xa0"
static const char *const merges[] = {
    "t h",   "i n",   "e r",   "a n",    "o n",     "r e",    "h e",     "th e",
    SP " t", SP " a", SP " w", SP " s",  SP " o",   SP " b",  SP " the", "o r",
    "e n",   "i s",   "i t",   "a t",    "e s",     "o u",    "in g",    SP " c",
    SP " m", SP " f", SP " p", "an d",   SP " and", SP "o f", SP "t o",  SP " in",
    "e d",   "a l",   "l l",   "i on",   "o m",     SP " h",  SP " d",   "l e",
    SP " l", "a r",   "u s",   "s t",    "er s",    "v e",    SP " he",  "r o",
    "e l",   "o w",   "ou r",  SP "m e", "e t",     "a c",    "w o",
};
#define N_MERGE (sizeof merges / sizeof *merges)

struct vocab {
    uint32_t n;
    const char **special; /* by id; NULL: none */
};

/* GPT-2's byte <-> unicode map; out holds 3 bytes. */
static void byte_text(unsigned byte, char *out)
{
    unsigned c = byte, next = 0x100;
    for (unsigned i = 0; i <= byte; i++) {
        bool plain = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        c = plain ? i : next++;
    }
    if (c < 0x80) {
        snprintf(out, 3, "%c", (char)c);
    } else {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        out[2] = 0;
    }
}

static void merge_text(const char *merge, char *out, size_t len)
{
    const char *gap = strchr(merge, ' ');
    snprintf(out, len, "%.*s%s", (int)(gap - merge), merge, gap + 1);
}

/* The real ids where the vocabulary is large enough, else the last ones, in order. */
static void place_specials(struct vocab *v, const struct seam_synth_specials *s)
{
    uint32_t n = 0, last = 0, at = 0;
    for (const char *const *p = s->name; *p; p++) {
        if (**p == '@')
            at = (uint32_t)strtoul(*p + 1, NULL, 10);
        else
            last = at++, n++;
    }
    const bool real = last < v->n;
    at = v->n - n;
    for (const char *const *p = s->name; *p; p++) {
        if (**p != '@')
            v->special[at++] = *p;
        else if (real)
            at = (uint32_t)strtoul(*p + 1, NULL, 10);
    }
}

static const char *plain_name(const char *special)
{
    return *special == '+' ? special + 1 : special;
}

static uint32_t id_of(const struct vocab *v, const char *name)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->special[i] && !strcmp(plain_name(v->special[i]), name))
            return i;
    return 0;
}

static void put_tokens(struct seam_gguf_out *w, const struct vocab *v)
{
    char text[32];
    seam_gguf_out_array(w, "tokenizer.ggml.tokens", SEAM_META_STRING, v->n);
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->special[i])
            snprintf(text, sizeof text, "%s", plain_name(v->special[i]));
        else if (i < 256)
            byte_text(i, text);
        else if (i < 256 + N_MERGE)
            merge_text(merges[i - 256], text, sizeof text);
        else /* digits and letters are never one piece, so no pre-tokenizer hands this over */
            snprintf(text, sizeof text, SP "x%u", i);
        seam_gguf_out_elem_str(w, text, strlen(text));
    }
    seam_gguf_out_array(w, "tokenizer.ggml.token_type", SEAM_META_I32, v->n);
    for (uint32_t i = 0; i < v->n; i++)
        seam_gguf_out_elem_i32(w, !v->special[i] ? 1 : *v->special[i] == '+' ? 4 : 3);
    seam_gguf_out_array(w, "tokenizer.ggml.merges", SEAM_META_STRING, N_MERGE);
    for (size_t i = 0; i < N_MERGE; i++)
        seam_gguf_out_elem_str(w, merges[i], strlen(merges[i]));
}

void seam_synth_vocabulary(struct seam_gguf_out *w, const struct seam_synth_specials *s,
                           uint32_t n_vocab)
{
    struct vocab v = {.n = n_vocab, .special = calloc(n_vocab, sizeof *v.special)};
    if (!v.special)
        return; /* the tokenizer's keys are missing: seam_synth_plan notices */
    place_specials(&v, s);
    seam_gguf_out_str(w, "tokenizer.ggml.model", "gpt2");
    seam_gguf_out_str(w, "tokenizer.ggml.pre", s->pre);
    put_tokens(w, &v);
    seam_gguf_out_u32(w, "tokenizer.ggml.bos_token_id", id_of(&v, s->bos));
    seam_gguf_out_u32(w, "tokenizer.ggml.eos_token_id", id_of(&v, s->eos));
    seam_gguf_out_u32(w, "tokenizer.ggml.eot_token_id", id_of(&v, s->eot));
    seam_gguf_out_u32(w, "tokenizer.ggml.padding_token_id", id_of(&v, s->pad));
    seam_gguf_out_bool(w, "tokenizer.ggml.add_bos_token", s->add_bos);
    seam_gguf_out_str(w, "tokenizer.chat_template", s->chat_template);
    free(v.special);
}
