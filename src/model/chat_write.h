/* chat_write.h - what all chat formats need to write a prompt: text and special tokens in turn,
 * messages and their fields read and checked. Private to src/model.
 *
 * Text is gathered up to the next special token and tokenised as one run, as the originals'
 * tokenizers do with the rendered string. The format's own words go through _fixed, where the
 * names of its special tokens become those tokens; a client's go through _text and never do.
 * The first failure stays in .st, and nothing is written after it: a format checks once, at its
 * end. Thread: one. */
#ifndef SEAM_MODEL_CHAT_WRITE_H
#define SEAM_MODEL_CHAT_WRITE_H

#include "model/chat.h"
#include "model/text.h"

#define SEAM_CHAT_MAX_NAMES 16

enum seam_chat_role {
    SEAM_ROLE_SYSTEM, /* and developer */
    SEAM_ROLE_USER,
    SEAM_ROLE_ASSISTANT,
    SEAM_ROLE_TOOL,
    SEAM_ROLE_NONE
};

struct seam_chat_writer {
    const struct seam_tokenizer *t;
    const struct seam_chat_opts *opts;
    struct seam_tokens *out;
    struct seam_err *err;
    seam_status st;
    const char *const *names; /* special tokens of the format; NULL ends */
    int32_t ids[SEAM_CHAT_MAX_NAMES];
    struct seam_buf text; /* up to the next special token */
    yyjson_val *messages, *message;
    size_t at; /* of `message` in `messages` */
};

void seam_chat_writer_init(struct seam_chat_writer *w, const struct seam_tokenizer *t,
                           const char *const *names, const struct seam_chat_opts *opts,
                           struct seam_tokens *out, struct seam_err *err);
/* Write what is left of the text; the format's result. Releases the writer. */
seam_status seam_chat_writer_end(struct seam_chat_writer *w);

void seam_chat_token(struct seam_chat_writer *w, int32_t id);
void seam_chat_fixed(struct seam_chat_writer *w, const char *words);
void seam_chat_text(struct seam_chat_writer *w, const char *p, size_t n);
void seam_chat_str(struct seam_chat_writer *w, yyjson_val *string);
/* As Python's json.dumps; indent 0: on one line. */
void seam_chat_json(struct seam_chat_writer *w, yyjson_val *v, unsigned indent, const char *field);

/* The client's mistake: "messages[3].FIELD: WHAT". False, for `return`. */
bool seam_chat_fail(struct seam_chat_writer *w, const char *field, const char *what);
bool seam_chat_failed_tool_call(struct seam_chat_writer *w, size_t i, const char *field,
                                const char *what);

/* Call `turn` for each message, once w->message and w->at say which; its role is known. */
void seam_chat_each(struct seam_chat_writer *w,
                    void (*turn)(struct seam_chat_writer *w, enum seam_chat_role role));
/* `messages` must be a list, and not empty. */
bool seam_chat_messages(struct seam_chat_writer *w, yyjson_val *messages);
/* `tools` must be a list or null: false when there is nothing to declare. */
bool seam_chat_tools(struct seam_chat_writer *w, yyjson_val *tools);

enum seam_chat_role seam_chat_role(yyjson_val *message);
/* The content's text, appended to *out: a string, or parts of type text. Only an assistant may
 * have none, for it may only call tools. */
void seam_chat_content(struct seam_chat_writer *w, struct seam_buf *out);
/* A field that is a string or absent: NULL when absent or null. */
yyjson_val *seam_chat_string(struct seam_chat_writer *w, const char *key);
/* The list of calls, NULL: none. */
yyjson_val *seam_chat_calls(struct seam_chat_writer *w);
/* Name and arguments of call i; *args is NULL when it has none. False: refused. */
bool seam_chat_call(struct seam_chat_writer *w, yyjson_val *call, size_t i, yyjson_val **name,
                    yyjson_val **args);
/* Arguments as an object, also where the client sent JSON as text, as OpenAI's do: then *doc owns
 * them, and the caller frees it. NULL without failure: none. */
yyjson_val *seam_chat_arguments(struct seam_chat_writer *w, yyjson_val *args, size_t i,
                                yyjson_doc **doc);

#endif
