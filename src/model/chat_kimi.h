/* chat_kimi.h - the special tokens that chat_kimi.c writes and kimi_parser.c reads.
 * Private to src/model. */
#ifndef SEAM_MODEL_CHAT_KIMI_H
#define SEAM_MODEL_CHAT_KIMI_H

#include "model/chat.h"

enum seam_kimi_token {
    KIMI_END,
    KIMI_USER,
    KIMI_ASSISTANT,
    KIMI_SYSTEM,
    KIMI_MIDDLE,
    KIMI_SECTION_BEGIN,
    KIMI_SECTION_END,
    KIMI_CALL_BEGIN,
    KIMI_CALL_ARGS,
    KIMI_CALL_END,
    KIMI_TOKEN_REQUIRED,
    KIMI_THINK = KIMI_TOKEN_REQUIRED,
    KIMI_THINK_END,
    KIMI_TOKEN_COUNT
};
const char *seam_kimi_token_name(enum seam_kimi_token token);

/* Ids by enum; -1 for the think tokens where the vocabulary or the template has none. */
void seam_kimi_tokens(const struct seam_tokenizer *t, int32_t id[KIMI_TOKEN_COUNT]);

/* Does the prompt end inside <think>? */
bool seam_kimi_opens_think(const struct seam_tokenizer *t, bool thinking);

/* kimi_parser.c */
void *seam_kimi_parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                            seam_chat_event_fn fn, void *user);
void seam_kimi_parser_feed(void *state, int32_t token);
void seam_kimi_parser_finish(void *state);
int seam_kimi_parser_tool_count(const void *state);
void seam_kimi_parser_close(void *state);

#endif
