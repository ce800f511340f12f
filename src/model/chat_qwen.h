/* chat_qwen.h - what Qwen3 and Qwen3.5 share: turns of <|im_start|>ROLE\n...<|im_end|>\n, thoughts
 * in <think>, calls in <tool_call>, results in <tool_response>. They differ in how a call is
 * written, in what is trimmed and in which turns keep their thoughts: chat_qwen3.c,
 * chat_qwen35.c. Private to src/model. */
#ifndef SEAM_MODEL_CHAT_QWEN_H
#define SEAM_MODEL_CHAT_QWEN_H

#include "model/chat_say.h"
#include "model/chat_write.h"

/* Special tokens of both; a vocabulary must have all of them but the tool responses'. */
extern const char *const seam_qwen_names[], *const seam_qwen_required[];

/* ---- prompts ---- */

/* The last message of the user's own, rather than tool results that a client wrapped itself as a
 * user's; SIZE_MAX: none. With `trim`, white space around them does not matter. */
size_t seam_qwen_last_query(struct seam_chat_writer *w, bool trim);
/* Python's content.split('</think>')...: thoughts that a client left in the content. */
bool seam_qwen_split_thoughts(struct seam_str *content, struct seam_str *reasoning);
/* The role of the message at `at`; NONE outside the list. */
enum seam_chat_role seam_qwen_role_at(const struct seam_chat_writer *w, size_t at);
struct seam_str seam_qwen_strip_newlines(struct seam_str s, bool left, bool right);

/* ---- replies ---- */

/* How a call is written between <tool_call> and </tool_call>. */
struct seam_qwen_call_parser {
    size_t size; /* of its state, zeroed before the first begin */
    void (*begin)(void *state, struct seam_chat_say *say, yyjson_val *tools);
    void (*feed)(void *state, const char *bytes, size_t len);
    /* `whole`: </tool_call> came; otherwise the reply ends here. What is no call is content. */
    void (*end)(void *state, bool whole);
    void (*release)(void *state);
};
/* opened: the prompt ends inside <think>. */
void *seam_qwen_parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                            bool opened, const struct seam_qwen_call_parser *calls,
                            seam_chat_event_fn fn, void *user);
void seam_qwen_parser_feed(void *state, int32_t token);
void seam_qwen_parser_finish(void *state);
int seam_qwen_parser_tool_count(const void *state);
void seam_qwen_parser_close(void *state);

#endif
