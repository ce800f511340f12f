/* chat_say.h - what all parsers of replies need to say: events, with text as valid UTF-8 whatever
 * the pieces are cut into, and calls that are counted. Private to src/model. Thread: one. */
#ifndef SEAM_MODEL_CHAT_SAY_H
#define SEAM_MODEL_CHAT_SAY_H

#include "model/chat.h"

struct seam_chat_say {
    seam_chat_event_fn fn;
    void *user;
    uint64_t salt;
    struct seam_utf8_stream utf8;
    enum seam_chat_event_kind utf8_kind; /* whose text its tail is */
    int n_begun, n_finished;             /* tool calls */
};

/* Text of this kind. Text of another kind ends a UTF-8 sequence that was cut off. */
void seam_chat_say(struct seam_chat_say *s, enum seam_chat_event_kind kind, const char *bytes,
                   size_t len);
/* The text ends here. */
void seam_chat_say_flush(struct seam_chat_say *s);
/* A tool call; `id` NULL makes one as OpenAI's clients expect: "call_", then the salt, the call's
 * number and its name, hashed. */
void seam_chat_say_begin(struct seam_chat_say *s, const char *id, const char *name);
void seam_chat_say_end(struct seam_chat_say *s);

#endif
