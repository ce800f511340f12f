/* tokenizer.h - text <-> token ids from a GGUF's tokenizer.ggml.* metadata.
 *
 * Byte-level BPE (tokenizer.ggml.model "gpt2"), merges by rank; the pre-tokenizer is a row of
 * pretok.c by tokenizer.ggml.pre. Any byte string round-trips exactly, invalid UTF-8 byte by byte;
 * except where the file says tokenizer.ggml.normalizer.nfc: then the valid parts come back in NFC.
 * Thread: immutable after open; encode may run in several threads. */
#ifndef SEAM_MODEL_TOKENIZER_H
#define SEAM_MODEL_TOKENIZER_H

#include <stdint.h>

#include "model/catalog.h"

struct seam_tokenizer;

struct seam_tokens { /* a growing list; zero-initialise, free with seam_tokens_clear */
    int32_t *ids;
    size_t n, cap;
};
seam_status seam_tokens_push(struct seam_tokens *t, int32_t id, struct seam_err *err);
void seam_tokens_clear(struct seam_tokens *t);

/* SEAM_EUNSUPPORTED: another tokenizer model or pre-tokenizer (named). SEAM_EFORMAT: inconsistent
 * metadata. */
seam_status seam_tokenizer_open(struct seam_tokenizer **out, const struct seam_catalog *c,
                                struct seam_err *err);
void seam_tokenizer_close(struct seam_tokenizer *t);

/* Append the ids of `text` to *out. Plain text: names of special tokens inside it are text. */
seam_status seam_tokenizer_encode(const struct seam_tokenizer *t, const char *text, size_t len,
                                  struct seam_tokens *out, struct seam_err *err);
/* As above, but names of special tokens become those tokens (`seam run --special`, tests). */
seam_status seam_tokenizer_encode_special(const struct seam_tokenizer *t, const char *text,
                                          size_t len, struct seam_tokens *out,
                                          struct seam_err *err);
/* Bytes of one token (not NUL-terminated, owned by the tokenizer; may be part of a UTF-8
 * sequence). Control tokens have their name as bytes too: the caller decides by _is_control.
 * An id out of range gives an empty string. */
struct seam_str seam_tokenizer_bytes(const struct seam_tokenizer *t, int32_t id);
uint32_t seam_tokenizer_size(const struct seam_tokenizer *t);
int32_t seam_tokenizer_find(const struct seam_tokenizer *t, const char *name); /* -1: none */
bool seam_tokenizer_is_control(const struct seam_tokenizer *t, int32_t id);
/* The file's eos, eot and eom, and what the models that Seam knows stop with (tokenizer.c). */
bool seam_tokenizer_is_stop(const struct seam_tokenizer *t, int32_t id);
/* What the caller puts before a text, once: -1: none, or the file says no. */
int32_t seam_tokenizer_bos(const struct seam_tokenizer *t);
/* tokenizer.chat_template, owned by the tokenizer; empty when the file has none. Seam renders with
 * its own code (chat.h) and only looks here which of a few variants the model was trained with. */
struct seam_str seam_tokenizer_template(const struct seam_tokenizer *t);

/* Streaming text: keeps the tail of an unfinished UTF-8 sequence back until it is whole or proven
 * invalid (then U+FFFD). Zero-initialise. */
struct seam_utf8_stream {
    unsigned char tail[4];
    unsigned n_tail;
};
/* Append to out (capacity >= 3 * (len + 4) suffices); returns bytes written. len 0 flushes. */
size_t seam_utf8_stream_feed(struct seam_utf8_stream *s, const char *bytes, size_t len, char *out);

#endif
