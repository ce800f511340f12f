/* chat.h - a conversation in OpenAI's JSON -> prompt tokens; sampled tokens -> message events.
 *
 * One row per chat format in a table (chat.c): kimi-k2, qwen3.5, qwen3, llama3. A row is chosen
 * by what the model's own template (tokenizer.chat_template) says and the special tokens that its
 * vocabulary has; a model whose template is none of these is refused by name, not guessed at.
 * User text is never parsed for special tokens. Thread: each object belongs to one thread. */
#ifndef SEAM_MODEL_CHAT_H
#define SEAM_MODEL_CHAT_H

#include <yyjson.h>

#include "model/tokenizer.h"

struct seam_chat_format; /* a row of the table; static */

/* SEAM_EUNSUPPORTED: no row fits; the story says whose template it is, where that can be told. */
seam_status seam_chat_format_find(const struct seam_chat_format **out,
                                  const struct seam_tokenizer *t, struct seam_err *err);
const char *seam_chat_format_name(const struct seam_chat_format *f);

/* What the model's template does about thoughts, and when a request does not say. */
enum seam_chat_thinking { SEAM_CHAT_NEVER, SEAM_CHAT_OFF, SEAM_CHAT_ON, SEAM_CHAT_ALWAYS };
enum seam_chat_thinking seam_chat_format_thinking(const struct seam_chat_format *f,
                                                  const struct seam_tokenizer *t);

#define SEAM_CHAT_DAY 16
struct seam_chat_opts {
    bool thinking;          /* ask for thoughts first; NEVER and ALWAYS above override it */
    bool preserve_thinking; /* keep reasoning of all past turns, where the format has that */
    const char *today;      /* for templates that name the day; NULL: the template's constant */
};
/* The local date as templates write it, "05 Dec 2026". */
void seam_chat_today(char out[SEAM_CHAT_DAY]);

/* Render `messages` (JSON array: role system|developer|user|assistant|tool, content string, null
 * or array of text parts, reasoning_content, tool_calls, tool_call_id, name) and `tools` (JSON
 * array or NULL) into tokens, ending with the generation prompt.
 * SEAM_EINVAL: what a client got wrong, with the path (`messages[3].content: ...`). */
seam_status seam_chat_render(const struct seam_chat_format *f, const struct seam_tokenizer *t,
                             yyjson_val *messages, yyjson_val *tools,
                             const struct seam_chat_opts *opts, struct seam_tokens *out,
                             struct seam_err *err);

/* ---- parsing what the model says ---- */
enum seam_chat_event_kind {
    SEAM_CHAT_REASONING,  /* text: more reasoning */
    SEAM_CHAT_CONTENT,    /* text: more content */
    SEAM_CHAT_TOOL_BEGIN, /* index, id, name; text empty */
    SEAM_CHAT_TOOL_ARGS,  /* index; text: more of the arguments' JSON text */
    SEAM_CHAT_TOOL_END    /* index */
};
struct seam_chat_event {
    enum seam_chat_event_kind kind;
    int index;             /* of the tool call in this reply, from 0 */
    const char *id, *name; /* TOOL_BEGIN only; valid during the call-back */
    const char *text;      /* valid UTF-8, not NUL-terminated */
    size_t len;
};
typedef void (*seam_chat_event_fn)(void *user, const struct seam_chat_event *ev);

struct seam_chat_parser;
struct seam_chat_expect {
    bool thinking;     /* as rendered */
    yyjson_val *tools; /* as rendered, or NULL; borrowed until the parser is closed */
    uint64_t salt;     /* makes the ids of tool calls differ between the replies of a conversation
                          (seam_chat_salt); the same salt gives the same ids */
};
uint64_t seam_chat_salt(const struct seam_tokens *prompt);
seam_status seam_chat_parser_open(struct seam_chat_parser **out, const struct seam_chat_format *f,
                                  const struct seam_tokenizer *t,
                                  const struct seam_chat_expect *expect, seam_chat_event_fn fn,
                                  void *user, struct seam_err *err);
/* Feed one sampled token. Anything malformed becomes content, never lost, never a crash. */
void seam_chat_parser_feed(struct seam_chat_parser *p, int32_t token);
/* End of generation: flush what was held back. */
void seam_chat_parser_finish(struct seam_chat_parser *p);
int seam_chat_parser_tool_count(const struct seam_chat_parser *p); /* finished calls */
void seam_chat_parser_close(struct seam_chat_parser *p);

#endif
