/* chat_format.h - a row of the table of chat formats. Private to src/model. To add one:
 * docs/adding-a-chat-format.md. */
#ifndef SEAM_MODEL_CHAT_FORMAT_H
#define SEAM_MODEL_CHAT_FORMAT_H

#include "model/chat.h"

struct seam_chat_format {
    const char *name;
    /* A template is of this format when all of these are in its text; NULL ends. What two formats
     * share is no mark, and neither is what only one version of the template says. */
    const char *const *marks;
    /* False: a template with all marks that Seam would render wrong; may be NULL. */
    bool (*fits)(const struct seam_tokenizer *t);
    const char *const *tokens; /* special tokens that the vocabulary must have; NULL ends */
    bool tokens_tell;          /* no other format has them: enough for a file without a template */
    enum seam_chat_thinking (*thinking)(const struct seam_tokenizer *t);
    seam_status (*render)(const struct seam_tokenizer *t, yyjson_val *messages, yyjson_val *tools,
                          const struct seam_chat_opts *opts, struct seam_tokens *out,
                          struct seam_err *err);
    /* The parser's state; NULL: no memory. */
    void *(*parser_open)(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                         seam_chat_event_fn fn, void *user);
    void (*parser_feed)(void *state, int32_t token);
    void (*parser_finish)(void *state);
    int (*parser_tool_count)(const void *state);
    void (*parser_close)(void *state);
};

extern const struct seam_chat_format seam_chat_kimi, seam_chat_qwen35, seam_chat_qwen3,
    seam_chat_llama3;

/* Does the model's template say this? */
bool seam_chat_template_says(const struct seam_tokenizer *t, const char *words);

#endif
