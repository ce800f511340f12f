/* json_call.h - a tool call that the model wrote as one JSON object, read as it comes:
 *
 *   {"name": "get_weather", "arguments": {"city": "Oslo"}}        Qwen3; Llama 3: "parameters"
 *
 * As soon as the name is known and the arguments begin they are passed on, byte by byte as the
 * model wrote them. In another order, or with arguments that are no object, the whole object is
 * waited for. Private to src/model. Thread: one. */
#ifndef SEAM_MODEL_JSON_CALL_H
#define SEAM_MODEL_JSON_CALL_H

#include "base/buf.h"
#include "model/chat_say.h"

struct seam_json_call {
    struct seam_chat_say *say;
    /* Only an object that calls one of `tools` counts, and arguments must be there: where no token
     * says that a call begins, it could be JSON for somebody else. */
    bool strict;
    yyjson_val *tools;
    struct seam_buf held; /* the object, until it is known for a call */
    enum { SEAM_JSON_CALL_OPEN, SEAM_JSON_CALL_DONE, SEAM_JSON_CALL_NONE } state;
    unsigned depth;
    bool in_string, escaped, keyed; /* keyed: the first key has been seen */
    bool begun, ended;              /* the call has been said, its end too */
};
/* Begin anew; .say, .strict and .tools stay. */
void seam_json_call_begin(struct seam_json_call *c);
/* Returns how many bytes were taken: all, unless the state left OPEN. NONE: what is in .held is no
 * call, and nothing of it has been said. */
size_t seam_json_call_feed(struct seam_json_call *c, const char *bytes, size_t len);

#endif
