/* chat_qwen3.c - a conversation as Qwen3 was trained to see it: ChatML, tools as JSON in the
 * system turn, calls as JSON in <tool_call>. After the template of Qwen/Qwen3-0.6B (the same for
 * the whole first series); of its successors Instruct-2507 has no thoughts at all, and
 * Thinking-2507 always opens <think>, which their templates say.
 *
 *   <|im_start|>system\n{text}\n\n# Tools...<tools>\n{json}\n</tools>...<|im_end|>\n
 *   <|im_start|>user\n{text}<|im_end|>\n
 *   <|im_start|>assistant\n<think>\n{reasoning}\n</think>\n\n{text}
 *   \n<tool_call>\n{"name": "f", "arguments": {json}}\n</tool_call><|im_end|>\n
 *   <|im_start|>user\n<tool_response>\n{text}\n</tool_response><|im_end|>\n
 *   <|im_start|>assistant\n                                   the generation prompt
 *
 * Thoughts stay only in the turns after the user's last message. */
#include <string.h>

#include "model/chat_format.h"
#include "model/chat_qwen.h"
#include "model/json_call.h"

struct render {
    struct seam_chat_writer w; /* first: a turn is given this */
    size_t last_query;
    bool thoughts; /* this version of the model has them */
};

static enum seam_chat_thinking thinking(const struct seam_tokenizer *t)
{
    if (seam_chat_template_says(t, "<|im_start|>assistant\\n<think>\\n'"))
        return SEAM_CHAT_ALWAYS;
    return seam_chat_template_says(t, "enable_thinking") ? SEAM_CHAT_ON : SEAM_CHAT_NEVER;
}

/* ---- prompts ---- */

static void put_tools(struct seam_chat_writer *w, yyjson_val *tools)
{
    size_t i, max;
    yyjson_val *tool;
    seam_chat_fixed(w, "# Tools\n\nYou may call one or more functions to assist with the user "
                       "query.\n\nYou are provided with function signatures within "
                       "<tools></tools> XML tags:\n<tools>");
    w->message = NULL;
    yyjson_arr_foreach(tools, i, max, tool)
    {
        seam_chat_fixed(w, "\n");
        seam_chat_json(w, tool, 0, "tools");
    }
    seam_chat_fixed(w, "\n</tools>\n\nFor each function call, return a json object with function "
                       "name and arguments within <tool_call></tool_call> XML tags:\n"
                       "<tool_call>\n{\"name\": <function-name>, \"arguments\": "
                       "<args-json-object>}\n</tool_call>");
}

static void put_system(struct render *r, yyjson_val *tools)
{
    bool declare = seam_chat_tools(&r->w, tools);
    bool first = seam_qwen_role_at(&r->w, 0) == SEAM_ROLE_SYSTEM;
    if (!declare && !first)
        return;
    seam_chat_fixed(&r->w, "<|im_start|>system\n");
    r->w.message = yyjson_arr_get_first(r->w.messages);
    r->w.at = 0;
    if (first)
        seam_chat_content(&r->w, &r->w.text);
    if (declare) {
        seam_chat_fixed(&r->w, first ? "\n\n" : "");
        put_tools(&r->w, tools);
    }
    seam_chat_fixed(&r->w, "<|im_end|>\n");
}

static void put_call(struct seam_chat_writer *w, yyjson_val *call, size_t i)
{
    yyjson_val *name, *args;
    if (!seam_chat_call(w, call, i, &name, &args))
        return;
    seam_chat_fixed(w, "<tool_call>\n{\"name\": \"");
    seam_chat_str(w, name);
    seam_chat_fixed(w, "\", \"arguments\": ");
    if (yyjson_is_str(args)) /* JSON as text: verbatim, for the model wrote it */
        seam_chat_str(w, args);
    else if (args)
        seam_chat_json(w, args, 0, "tool_calls");
    else
        seam_chat_fixed(w, "{}");
    seam_chat_fixed(w, "}\n</tool_call>");
}

static void put_said(struct render *r, struct seam_str content)
{
    struct seam_chat_writer *w = &r->w;
    yyjson_val *given = seam_chat_string(w, "reasoning_content");
    struct seam_str reasoning = {given ? yyjson_get_str(given) : "", yyjson_get_len(given)};
    bool last = w->at + 1 == yyjson_arr_size(w->messages);
    if (!given && r->thoughts)
        seam_qwen_split_thoughts(&content, &reasoning);
    seam_chat_fixed(w, "<|im_start|>assistant\n");
    bool after = r->last_query != SIZE_MAX && w->at > r->last_query;
    if (r->thoughts && after && (last || reasoning.len)) {
        reasoning = seam_qwen_strip_newlines(reasoning, true, true);
        seam_chat_fixed(w, "<think>\n");
        seam_chat_text(w, reasoning.p, reasoning.len);
        seam_chat_fixed(w, "\n</think>\n\n");
        struct seam_str rest = seam_qwen_strip_newlines(content, true, false);
        seam_chat_text(w, rest.p, rest.len);
    } else {
        seam_chat_text(w, content.p, content.len);
    }
    size_t i, max;
    yyjson_val *call;
    yyjson_arr_foreach(seam_chat_calls(w), i, max, call)
    {
        seam_chat_fixed(w, i || content.len ? "\n" : "");
        put_call(w, call, i);
    }
}

static void put_assistant(struct render *r)
{
    struct seam_buf text = {0};
    seam_chat_content(&r->w, &text);
    put_said(r, (struct seam_str){text.p ? text.p : "", text.n});
    seam_chat_fixed(&r->w, "<|im_end|>\n");
    r->w.text.failed = r->w.text.failed || text.failed;
    seam_buf_release(&text);
}

static void put_result(struct seam_chat_writer *w)
{
    if (w->at == 0 || seam_qwen_role_at(w, w->at - 1) != SEAM_ROLE_TOOL)
        seam_chat_fixed(w, "<|im_start|>user");
    seam_chat_fixed(w, "\n<tool_response>\n");
    seam_chat_content(w, &w->text);
    seam_chat_fixed(w, "\n</tool_response>");
    if (seam_qwen_role_at(w, w->at + 1) != SEAM_ROLE_TOOL)
        seam_chat_fixed(w, "<|im_end|>\n");
}

static void put_turn(struct seam_chat_writer *w, enum seam_chat_role role)
{
    if (role == SEAM_ROLE_SYSTEM && w->at == 0)
        return; /* put_system() has */
    if (role == SEAM_ROLE_ASSISTANT) {
        put_assistant((struct render *)w);
    } else if (role == SEAM_ROLE_TOOL) {
        put_result(w);
    } else {
        seam_chat_fixed(w, role == SEAM_ROLE_USER ? "<|im_start|>user\n" : "<|im_start|>system\n");
        seam_chat_content(w, &w->text);
        seam_chat_fixed(w, "<|im_end|>\n");
    }
}

static seam_status render(const struct seam_tokenizer *t, yyjson_val *messages, yyjson_val *tools,
                          const struct seam_chat_opts *opts, struct seam_tokens *out,
                          struct seam_err *err)
{
    struct render r = {.thoughts = thinking(t) != SEAM_CHAT_NEVER};
    seam_chat_writer_init(&r.w, t, seam_qwen_names, opts, out, err);
    if (seam_chat_messages(&r.w, messages)) {
        r.last_query = seam_qwen_last_query(&r.w, false);
        put_system(&r, tools);
        seam_chat_each(&r.w, put_turn);
        seam_chat_fixed(&r.w, "<|im_start|>assistant\n");
        if (thinking(t) == SEAM_CHAT_ALWAYS)
            seam_chat_fixed(&r.w, "<think>\n");
        else if (r.thoughts && !opts->thinking)
            seam_chat_fixed(&r.w, "<think>\n\n</think>\n\n");
    }
    return seam_chat_writer_end(&r.w);
}

/* ---- replies ---- */

static void begin_call(void *state, struct seam_chat_say *say, yyjson_val *tools)
{
    struct seam_json_call *c = state;
    c->say = say;
    c->tools = tools;
    seam_json_call_begin(c);
}

static void feed_call(void *state, const char *bytes, size_t len)
{
    struct seam_json_call *c = state;
    while (c->state == SEAM_JSON_CALL_OPEN && c->depth == 0 && len && *bytes &&
           strchr(" \t\r\n", *bytes))
        bytes++, len--; /* layout before the object */
    size_t used = seam_json_call_feed(c, bytes, len);
    if (c->state == SEAM_JSON_CALL_NONE) /* waits for the end, to be said whole */
        seam_buf_append(&c->held, bytes + used, len - used);
}

static void end_call(void *state, bool whole)
{
    struct seam_json_call *c = state;
    if (c->state == SEAM_JSON_CALL_DONE || c->ended)
        return;
    if (c->begun) { /* arguments that do not end */
        if (whole)
            seam_chat_say_end(c->say);
        return;
    }
    seam_chat_say(c->say, SEAM_CHAT_CONTENT, "<tool_call>", 11);
    seam_chat_say(c->say, SEAM_CHAT_CONTENT, c->held.p ? c->held.p : "", c->held.n);
    if (whole)
        seam_chat_say(c->say, SEAM_CHAT_CONTENT, "</tool_call>", 12);
}

static void release_call(void *state)
{
    struct seam_json_call *c = state;
    seam_buf_release(&c->held);
}

static void *parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                         seam_chat_event_fn fn, void *user)
{
    static const struct seam_qwen_call_parser calls = {sizeof(struct seam_json_call), begin_call,
                                                       feed_call, end_call, release_call};
    return seam_qwen_parser_open(t, expect, thinking(t) == SEAM_CHAT_ALWAYS, &calls, fn, user);
}

/* Not what others made of it with macros and servers of tools, nor what keeps other thoughts. */
static bool fits(const struct seam_tokenizer *t)
{
    bool thoughts = seam_chat_template_says(t, "<think>");
    return !seam_chat_template_says(t, "macro") &&
           thoughts == seam_chat_template_says(t, "loop.index0 > ns.last_query_index") &&
           thoughts == seam_chat_template_says(t, "(not loop.last and reasoning_content)");
}

static const char *const marks[] = {"You may call one or more functions to assist",
                                    "<|im_start|>",
                                    "<tool_response>",
                                    "'<tool_call>\\n{\"name\": \"'",
                                    "tool_call.arguments is string", /* not Qwen2.5 */
                                    NULL};

const struct seam_chat_format seam_chat_qwen3 = {
    .name = "qwen3",
    .marks = marks,
    .fits = fits,
    .tokens = seam_qwen_required,
    .thinking = thinking,
    .render = render,
    .parser_open = parser_open,
    .parser_feed = seam_qwen_parser_feed,
    .parser_finish = seam_qwen_parser_finish,
    .parser_tool_count = seam_qwen_parser_tool_count,
    .parser_close = seam_qwen_parser_close,
};
