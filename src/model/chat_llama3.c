/* chat_llama3.c - a conversation as Llama 3.1, 3.2 and 3.3 were trained to see it, after their
 * templates (3.1 and 3.3 have the same; 3.2's names the day):
 *
 *   <|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n
 *   [Environment: ipython\n]Cutting Knowledge Date: December 2023\nToday Date: {day}\n\n{text}
 *   <|eot_id|>
 *   <|start_header_id|>user<|end_header_id|>\n\n[tools]{text}<|eot_id|>
 *   <|start_header_id|>assistant<|end_header_id|>\n\n{"name": "f", "parameters": {json}}<|eot_id|>
 *   <|start_header_id|>ipython<|end_header_id|>\n\n"{result}"<|eot_id|>
 *   <|start_header_id|>assistant<|end_header_id|>\n\n         the generation prompt
 *
 * Tools are declared in the first message after the system turn. A turn that calls says nothing
 * else, and calls once. A reply is a call when it is one JSON object that names a declared tool; no
 * token says so, unless the model begins with <|python_tag|>. */
#include <stdlib.h>
#include <string.h>

#include "model/chat_format.h"
#include "model/chat_say.h"
#include "model/chat_write.h"
#include "model/json_call.h"

#define PYTHON_TAG "<|python_tag|>"

static const char *const names[] = {
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", NULL,
};

struct render {
    struct seam_chat_writer w; /* first: a turn is given this */
    yyjson_val *tools;         /* NULL: none, or declared already */
};

static enum seam_chat_thinking thinking(const struct seam_tokenizer *t)
{
    (void)t;
    return SEAM_CHAT_NEVER;
}

/* ---- prompts ---- */

static void put_trimmed(struct seam_chat_writer *w)
{
    struct seam_buf text = {0};
    seam_chat_content(w, &text);
    struct seam_str s = seam_text_strip((struct seam_str){text.p ? text.p : "", text.n});
    seam_chat_text(w, s.p, s.len);
    w->text.failed = w->text.failed || text.failed;
    seam_buf_release(&text);
}

static void put_system(struct render *r, yyjson_val *messages)
{
    struct seam_chat_writer *w = &r->w;
    yyjson_val *first = yyjson_arr_get_first(messages);
    const char *day = seam_chat_template_says(w->t, "strftime_now") ? w->opts->today : NULL;
    seam_chat_fixed(w, "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n");
    seam_chat_fixed(w, r->tools ? "Environment: ipython\n" : "");
    seam_chat_fixed(w, "Cutting Knowledge Date: December 2023\nToday Date: ");
    seam_chat_fixed(w, day ? day : "26 Jul 2024");
    seam_chat_fixed(w, "\n\n");
    w->message = first;
    if (seam_chat_role(first) == SEAM_ROLE_SYSTEM)
        put_trimmed(w);
    seam_chat_fixed(w, "<|eot_id|>");
}

/* In the turn that was just opened. */
static void put_tools(struct render *r)
{
    size_t i, max;
    yyjson_val *tool;
    seam_chat_fixed(&r->w,
                    "Given the following functions, please respond with a JSON for a function "
                    "call with its proper arguments that best answers the given prompt.\n\n"
                    "Respond in the format {\"name\": function name, \"parameters\": dictionary of "
                    "argument name and its value}.Do not use variables.\n\n");
    yyjson_arr_foreach(r->tools, i, max, tool)
    {
        seam_chat_json(&r->w, tool, 4, "tools");
        seam_chat_fixed(&r->w, "\n\n");
    }
    r->tools = NULL;
}

static void put_call(struct seam_chat_writer *w, yyjson_val *calls)
{
    yyjson_val *name, *args;
    yyjson_doc *doc;
    if (yyjson_arr_size(calls) != 1)
        seam_chat_fail(w, "tool_calls", "this model calls one tool at a time");
    if (!seam_chat_call(w, yyjson_arr_get_first(calls), 0, &name, &args))
        return;
    args = seam_chat_arguments(w, args, 0, &doc);
    seam_chat_fixed(w, "{\"name\": \"");
    seam_chat_str(w, name);
    seam_chat_fixed(w, "\", \"parameters\": ");
    if (args)
        seam_chat_json(w, args, 0, "tool_calls");
    else
        seam_chat_fixed(w, "{}");
    seam_chat_fixed(w, "}");
    yyjson_doc_free(doc);
}

static void put_result(struct seam_chat_writer *w)
{
    struct seam_buf text = {0};
    seam_chat_content(w, &text);
    seam_chat_fixed(w, "\"");
    seam_text_escape(&w->text, text.p ? text.p : "", text.n);
    seam_chat_fixed(w, "\"");
    w->text.failed = w->text.failed || text.failed;
    seam_buf_release(&text);
}

static void put_turn(struct seam_chat_writer *w, enum seam_chat_role role)
{
    static const char *const words[] = {
        [SEAM_ROLE_SYSTEM] = "system",
        [SEAM_ROLE_USER] = "user",
        [SEAM_ROLE_ASSISTANT] = "assistant",
        [SEAM_ROLE_TOOL] = "ipython",
        [SEAM_ROLE_NONE] = "",
    };
    struct render *r = (struct render *)w;
    yyjson_val *calls = role == SEAM_ROLE_ASSISTANT ? seam_chat_calls(w) : NULL;
    if (role == SEAM_ROLE_SYSTEM && w->at == 0)
        return; /* put_system() has */
    seam_chat_fixed(w, "<|start_header_id|>");
    seam_chat_fixed(w, r->tools ? "user" : words[role]); /* tools make any first turn a user's */
    seam_chat_fixed(w, "<|end_header_id|>\n\n");
    if (r->tools) {
        put_tools(r);
        put_trimmed(w);
    } else if (calls) {
        put_call(w, calls);
    } else if (role == SEAM_ROLE_TOOL) {
        put_result(w);
    } else {
        put_trimmed(w);
    }
    seam_chat_fixed(w, "<|eot_id|>");
}

static seam_status render(const struct seam_tokenizer *t, yyjson_val *messages, yyjson_val *tools,
                          const struct seam_chat_opts *opts, struct seam_tokens *out,
                          struct seam_err *err)
{
    struct render r = {.tools = NULL};
    seam_chat_writer_init(&r.w, t, names, opts, out, err);
    if (seam_chat_messages(&r.w, messages)) {
        r.tools = seam_chat_tools(&r.w, tools) ? tools : NULL;
        put_system(&r, messages);
        seam_chat_each(&r.w, put_turn);
        if (r.tools && r.w.st == SEAM_OK)
            r.w.st = seam_fail(err, SEAM_EINVAL,
                               "messages: this model needs a message of the user's to declare "
                               "tools in");
        seam_chat_fixed(&r.w, "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }
    return seam_chat_writer_end(&r.w);
}

/* ---- replies ---- */

/*   BEGIN --"{"--> IN_CALL --whole--> AFTER --"{"--> IN_CALL
 *     |               '- no call -.     |
 *     '---- anything else ----> CONTENT <-- anything but layout */
enum where { BEGIN, IN_CALL, AFTER, CONTENT };

struct parser {
    struct seam_chat_say say;
    const struct seam_tokenizer *t;
    int32_t python_tag;
    enum where where;
    bool tagged; /* <|python_tag|> stood before what is being read */
    struct seam_json_call call;
    struct seam_buf layout; /* white space before what may be a call */
};

static void *parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                         seam_chat_event_fn fn, void *user)
{
    struct parser *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->say = (struct seam_chat_say){.fn = fn, .user = user, .salt = expect->salt};
    p->t = t;
    p->python_tag = seam_tokenizer_find(t, PYTHON_TAG);
    p->where = yyjson_arr_size(expect->tools) ? BEGIN : CONTENT;
    p->call = (struct seam_json_call){.say = &p->say, .strict = true, .tools = expect->tools};
    return p;
}

static void say(struct parser *p, const char *bytes, size_t len)
{
    if (len)
        seam_chat_say(&p->say, SEAM_CHAT_CONTENT, bytes, len);
}

/* What was held back for a call is content after all. */
static void give_up(struct parser *p)
{
    if (p->tagged)
        say(p, PYTHON_TAG, strlen(PYTHON_TAG));
    say(p, p->layout.p, p->layout.n);
    if (p->where == IN_CALL && !p->call.begun)
        say(p, p->call.held.p, p->call.held.n);
    p->layout.n = p->call.held.n = 0;
    p->tagged = false;
    p->where = CONTENT;
}

/* How many of the bytes are layout here: white space, and between calls what models put there. */
static size_t layout(const struct parser *p, const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && s[k] && strchr(p->where == AFTER ? " \t\r\n;," : " \t\r\n", s[k]))
        k++;
    return k;
}

static size_t on_bytes(struct parser *p, const char *s, size_t n)
{
    if (p->where == CONTENT) {
        say(p, s, n);
        return n;
    }
    if (p->where != IN_CALL) {
        size_t k = layout(p, s, n);
        seam_buf_append(&p->layout, s, k);
        if (k == n)
            return n;
        if (s[k] != '{') {
            give_up(p);
            return k;
        }
        seam_json_call_begin(&p->call);
        p->where = IN_CALL;
        return k;
    }
    size_t used = seam_json_call_feed(&p->call, s, n);
    if (p->call.state == SEAM_JSON_CALL_NONE) {
        give_up(p);
    } else if (p->call.state == SEAM_JSON_CALL_DONE) {
        p->layout.n = 0;
        p->tagged = false;
        p->where = AFTER;
    }
    return used;
}

static void parser_feed(void *state, int32_t token)
{
    struct parser *p = state;
    struct seam_str s = seam_tokenizer_bytes(p->t, token);
    if (seam_tokenizer_is_stop(p->t, token))
        return;
    if (token == p->python_tag && token >= 0 && !p->tagged &&
        (p->where == BEGIN || p->where == AFTER)) {
        p->tagged = true;
        return;
    }
    while (s.len) {
        size_t used = on_bytes(p, s.p, s.len);
        s.p += used;
        s.len -= used;
    }
}

static void parser_finish(void *state)
{
    struct parser *p = state;
    if (p->where == IN_CALL && !p->call.begun)
        give_up(p);
    else if (p->where == BEGIN || (p->where == AFTER && p->tagged))
        give_up(p);
    seam_chat_say_flush(&p->say);
}

static int parser_tool_count(const void *state)
{
    const struct parser *p = state;
    return p->say.n_finished;
}

static void parser_close(void *state)
{
    struct parser *p = state;
    if (p) {
        seam_buf_release(&p->call.held);
        seam_buf_release(&p->layout);
    }
    free(p);
}

/* Not where the system turn is left out when there is nothing to say in it. */
static bool fits(const struct seam_tokenizer *t)
{
    return !seam_chat_template_says(t, "if system_message %}");
}

static const char *const marks[] = {
    "Cutting Knowledge Date: December 2023",
    "<|start_header_id|>ipython<|end_header_id|>",
    "tools_in_user_message",
    "This model only supports single tool-calls at once!",
    "'\"parameters\": '",
    NULL,
};

const struct seam_chat_format seam_chat_llama3 = {
    .name = "llama3",
    .marks = marks,
    .fits = fits,
    .tokens = names,
    .thinking = thinking,
    .render = render,
    .parser_open = parser_open,
    .parser_feed = parser_feed,
    .parser_finish = parser_finish,
    .parser_tool_count = parser_tool_count,
    .parser_close = parser_close,
};
