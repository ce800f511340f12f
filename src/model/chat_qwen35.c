/* chat_qwen35.c - a conversation as Qwen3.5 was trained to see it (shared facts/models.md 6.3;
 * the template of Qwen/Qwen3.5-397B-A17B and its smaller relatives). Beside chat_qwen3.c: contents
 * are trimmed, a system turn comes first or not at all, there must be a question of the user's, and
 * calls are XML:
 *
 *   <|im_start|>assistant\n<think>\n{reasoning}\n</think>\n\n{text}
 *   \n\n<tool_call>\n<function=f>\n<parameter=p>\n{value}\n</parameter>\n</function>\n</tool_call>
 *   <|im_end|>\n
 *   <|im_start|>assistant\n<think>\n                          the generation prompt
 *   <|im_start|>assistant\n<think>\n\n</think>\n\n            the same without thoughts
 *
 * Thoughts stay only in the turns after the user's last question, or with preserve_thinking, which
 * the templates have from Qwen3.6 on, in all. What differs between templates is read there: the
 * smallest models think only when asked to, and Qwen3.6 writes true where Qwen3.5 writes True. */
#include <string.h>

#include "model/chat_format.h"
#include "model/chat_qwen.h"
#include "model/xml_call.h"

struct render {
    struct seam_chat_writer w; /* first: a turn is given this */
    size_t last_query;
    bool json_words; /* true, null for Python's True, None */
};

static enum seam_chat_thinking thinking(const struct seam_tokenizer *t)
{
    bool asked =
        seam_chat_template_says(t, "enable_thinking is defined and enable_thinking is true");
    return asked ? SEAM_CHAT_OFF : SEAM_CHAT_ON;
}

/* ---- prompts ---- */

static const char instructions[] =
    "\n</tools>"
    "\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n"
    "</parameter>\n<parameter=example_parameter_2>\nThis is the value for the second parameter\n"
    "that can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\n"
    "Reminder:\n- Function calls MUST follow the specified format: an inner "
    "<function=...></function> block must be nested within <tool_call></tool_call> XML tags\n"
    "- Required parameters MUST be specified\n- You may provide optional reasoning for your "
    "function call in natural language BEFORE the function call, but NOT after\n- If there is no "
    "function call available, answer the question like normal with your current knowledge and do "
    "not tell the user about function calls\n</IMPORTANT>";

static void put_tools(struct seam_chat_writer *w, yyjson_val *tools)
{
    size_t i, max;
    yyjson_val *tool;
    seam_chat_fixed(w, "# Tools\n\nYou have access to the following functions:\n\n<tools>");
    w->message = NULL;
    yyjson_arr_foreach(tools, i, max, tool)
    {
        seam_chat_fixed(w, "\n");
        seam_chat_json(w, tool, 0, "tools");
    }
    seam_chat_fixed(w, instructions);
}

/* The message's content, trimmed; *text owns it. */
static struct seam_str trimmed(struct seam_chat_writer *w, struct seam_buf *text)
{
    seam_chat_content(w, text);
    w->text.failed = w->text.failed || text->failed;
    return seam_text_strip((struct seam_str){text->p ? text->p : "", text->n});
}

static void put_system(struct render *r, yyjson_val *tools)
{
    struct seam_chat_writer *w = &r->w;
    struct seam_buf text = {0};
    bool declare = seam_chat_tools(w, tools);
    bool first = seam_qwen_role_at(w, 0) == SEAM_ROLE_SYSTEM;
    if (!declare && !first)
        return;
    seam_chat_fixed(w, "<|im_start|>system\n");
    if (declare)
        put_tools(w, tools);
    if (first) {
        w->message = yyjson_arr_get_first(w->messages);
        w->at = 0;
        struct seam_str s = trimmed(w, &text);
        seam_chat_fixed(w, declare && s.len ? "\n\n" : "");
        seam_chat_text(w, s.p, s.len);
    }
    seam_chat_fixed(w, "<|im_end|>\n");
    seam_buf_release(&text);
}

static void put_value(struct render *r, yyjson_val *v)
{
    if (yyjson_is_ctn(v) || (r->json_words && !yyjson_is_str(v)))
        seam_chat_json(&r->w, v, 0, "tool_calls");
    else
        seam_text_pystr(&r->w.text, v);
}

static void put_arguments(struct render *r, yyjson_val *args)
{
    size_t i, max;
    yyjson_val *key, *val;
    yyjson_obj_foreach(args, i, max, key, val)
    {
        seam_chat_fixed(&r->w, "<parameter=");
        seam_chat_str(&r->w, key);
        seam_chat_fixed(&r->w, ">\n");
        put_value(r, val);
        seam_chat_fixed(&r->w, "\n</parameter>\n");
    }
}

static void put_call(struct render *r, yyjson_val *call, size_t i)
{
    struct seam_chat_writer *w = &r->w;
    yyjson_val *name, *args;
    yyjson_doc *doc;
    if (!seam_chat_call(w, call, i, &name, &args))
        return;
    args = seam_chat_arguments(w, args, i, &doc);
    seam_chat_fixed(w, "<tool_call>\n<function=");
    seam_chat_str(w, name);
    seam_chat_fixed(w, ">\n");
    if (args)
        put_arguments(r, args);
    seam_chat_fixed(w, "</function>\n</tool_call>");
    yyjson_doc_free(doc);
}

static void put_said(struct render *r, struct seam_str content)
{
    struct seam_chat_writer *w = &r->w;
    yyjson_val *given = seam_chat_string(w, "reasoning_content"), *call;
    struct seam_str reasoning = {given ? yyjson_get_str(given) : "", yyjson_get_len(given)};
    size_t i, max;
    if (!given)
        seam_qwen_split_thoughts(&content, &reasoning);
    seam_chat_fixed(w, "<|im_start|>assistant\n");
    if (w->opts->preserve_thinking || w->at > r->last_query) {
        reasoning = seam_text_strip(reasoning);
        seam_chat_fixed(w, "<think>\n");
        seam_chat_text(w, reasoning.p, reasoning.len);
        seam_chat_fixed(w, "\n</think>\n\n");
    }
    seam_chat_text(w, content.p, content.len);
    yyjson_arr_foreach(seam_chat_calls(w), i, max, call)
    {
        seam_chat_fixed(w, i ? "\n" : seam_text_strip(content).len ? "\n\n" : "");
        put_call(r, call, i);
    }
}

static void put_result(struct seam_chat_writer *w, struct seam_str content)
{
    if (w->at == 0)
        seam_chat_fail(w, "role", "a tool's result needs a message before it");
    else if (seam_qwen_role_at(w, w->at - 1) != SEAM_ROLE_TOOL)
        seam_chat_fixed(w, "<|im_start|>user");
    seam_chat_fixed(w, "\n<tool_response>\n");
    seam_chat_text(w, content.p, content.len);
    seam_chat_fixed(w, "\n</tool_response>");
}

static void put_turn(struct seam_chat_writer *w, enum seam_chat_role role)
{
    struct seam_buf text = {0};
    struct seam_str content = trimmed(w, &text);
    bool more = role == SEAM_ROLE_TOOL && seam_qwen_role_at(w, w->at + 1) == SEAM_ROLE_TOOL;
    if (role == SEAM_ROLE_SYSTEM && w->at > 0) {
        seam_chat_fail(w, "role", "this model takes a system message only at the beginning");
    } else if (role == SEAM_ROLE_USER) {
        seam_chat_fixed(w, "<|im_start|>user\n");
        seam_chat_text(w, content.p, content.len);
    } else if (role == SEAM_ROLE_ASSISTANT) {
        put_said((struct render *)w, content);
    } else if (role == SEAM_ROLE_TOOL) {
        put_result(w, content);
    }
    if (role != SEAM_ROLE_SYSTEM && !more) /* put_system() has ended its own */
        seam_chat_fixed(w, "<|im_end|>\n");
    seam_buf_release(&text);
}

static seam_status render(const struct seam_tokenizer *t, yyjson_val *messages, yyjson_val *tools,
                          const struct seam_chat_opts *opts, struct seam_tokens *out,
                          struct seam_err *err)
{
    struct render r = {
        .json_words =
            seam_chat_template_says(t, "if args_value is string else args_value | tojson"),
    };
    seam_chat_writer_init(&r.w, t, seam_qwen_names, opts, out, err);
    if (seam_chat_messages(&r.w, messages)) {
        put_system(&r, tools);
        r.last_query = seam_qwen_last_query(&r.w, true);
        if (r.w.st == SEAM_OK && r.last_query == SIZE_MAX)
            r.w.st =
                seam_fail(err, SEAM_EINVAL, "messages: this model needs a message of the user's");
        seam_chat_each(&r.w, put_turn);
        seam_chat_fixed(&r.w, "<|im_start|>assistant\n<think>\n");
        if (!opts->thinking)
            seam_chat_fixed(&r.w, "\n</think>\n\n");
    }
    return seam_chat_writer_end(&r.w);
}

/* ---- replies ---- */

static void begin_call(void *state, struct seam_chat_say *say, yyjson_val *tools)
{
    seam_xml_call_begin(state, say, tools);
}

static void feed_call(void *state, const char *bytes, size_t len)
{
    seam_xml_call_feed(state, bytes, len);
}

static void end_call(void *state, bool whole)
{
    seam_xml_call_end(state, whole);
}

static void release_call(void *state)
{
    struct seam_xml_call *c = state;
    seam_buf_release(&c->held);
}

static void *parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                         seam_chat_event_fn fn, void *user)
{
    static const struct seam_qwen_call_parser calls = {sizeof(struct seam_xml_call), begin_call,
                                                       feed_call, end_call, release_call};
    return seam_qwen_parser_open(t, expect, expect->thinking, &calls, fn, user);
}

static const char *const marks[] = {"You have access to the following functions:\\n\\n<tools>",
                                    "{{- tool | tojson }}", /* not Qwen3-Coder */
                                    "'<tool_call>\\n<function=' + tool_call.name + '>\\n'",
                                    "No user query found in messages.",
                                    "'</think>' in content",
                                    "loop.index0 > ns.last_query_index",
                                    NULL};

const struct seam_chat_format seam_chat_qwen35 = {
    .name = "qwen3.5",
    .marks = marks,
    .tokens = seam_qwen_required,
    .thinking = thinking,
    .render = render,
    .parser_open = parser_open,
    .parser_feed = seam_qwen_parser_feed,
    .parser_finish = seam_qwen_parser_finish,
    .parser_tool_count = seam_qwen_parser_tool_count,
    .parser_close = seam_qwen_parser_close,
};
