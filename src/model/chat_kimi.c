/* chat_kimi.c - a conversation as Kimi K2.5 and K2.6 were trained to see it (shared
 * facts/models.md 6.1), and, where the template says so, as K2-Instruct (no thoughts) and
 * K2-Thinking (always) were, which take tools as JSON. Everything is concatenated, nothing between the parts:
 *
 *   <|im_system|>tool_declare<|im_middle|>{tools}<|im_end|>
 *   <|im_system|>system<|im_middle|>{text}<|im_end|>
 *   <|im_user|>user<|im_middle|>{text}<|im_end|>
 *   <|im_assistant|>assistant<|im_middle|><think>{reasoning}</think>{text}[calls]<|im_end|>
 *   <|im_system|>tool<|im_middle|>## Return of {id}\n{text}<|im_end|>
 *   <|im_assistant|>assistant<|im_middle|><think>            the generation prompt
 *
 * Text is gathered up to the next special token and tokenised as one run, as the original's
 * tokenizer does with the rendered string; but never parsed for special tokens. */
#include "model/chat_kimi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/chat_format.h"
#include "model/chat_write.h"
#include "model/kimi_tools.h"
#include "model/text.h"

static const char *const required[] = {
    [KIMI_END] = "<|im_end|>",
    [KIMI_USER] = "<|im_user|>",
    [KIMI_ASSISTANT] = "<|im_assistant|>",
    [KIMI_SYSTEM] = "<|im_system|>",
    [KIMI_MIDDLE] = "<|im_middle|>",
    [KIMI_SECTION_BEGIN] = "<|tool_calls_section_begin|>",
    [KIMI_SECTION_END] = "<|tool_calls_section_end|>",
    [KIMI_CALL_BEGIN] = "<|tool_call_begin|>",
    [KIMI_CALL_ARGS] = "<|tool_call_argument_begin|>",
    [KIMI_CALL_END] = "<|tool_call_end|>",
    [KIMI_TOKEN_REQUIRED] = NULL,
};

const char *seam_kimi_token_name(enum seam_kimi_token token)
{
    if (token == KIMI_THINK)
        return "<think>";
    return token == KIMI_THINK_END ? "</think>" : required[token];
}

/* Without a template the format is taken for that of K2.5 and later. */
static bool says(const struct seam_tokenizer *t, const char *words)
{
    return seam_tokenizer_template(t).len == 0 || seam_chat_template_says(t, words);
}

static bool can_switch(const struct seam_tokenizer *t)
{
    return says(t, "thinking is false"); /* K2-Thinking cannot, and opens <think> itself */
}

bool seam_kimi_opens_think(const struct seam_tokenizer *t, bool thinking)
{
    return thinking && can_switch(t);
}

void seam_kimi_tokens(const struct seam_tokenizer *t, int32_t id[KIMI_TOKEN_COUNT])
{
    for (int i = 0; i < KIMI_TOKEN_COUNT; i++)
        id[i] = seam_tokenizer_find(t, seam_kimi_token_name((enum seam_kimi_token)i));
    if (id[KIMI_THINK] < 0 || id[KIMI_THINK_END] < 0 || !says(t, "<think>"))
        id[KIMI_THINK] = id[KIMI_THINK_END] = -1;
}

/* A tool call of the history: the client's id, and the one the model sees. */
struct call {
    const char *id;
    size_t id_len;
    const char *name;
    size_t name_len;
    size_t message;
    bool answered;
};

struct render {
    struct seam_chat_writer w; /* first: a turn is given this */
    int32_t id[KIMI_TOKEN_COUNT];
    struct call *call; /* index: the running number of the id */
    size_t n_call, cap_call;
    size_t keep_from; /* reasoning of messages from here on is kept */
};

/* ---- writing ---- */

static void put(struct render *r, enum seam_kimi_token token)
{
    seam_chat_token(&r->w, r->id[token]);
}

static void puts_text(struct render *r, const char *text)
{
    seam_chat_text(&r->w, text, strlen(text));
}

static void simple_turn(struct render *r, const char *word, const char *text, size_t len)
{
    put(r, KIMI_SYSTEM);
    puts_text(r, word);
    put(r, KIMI_MIDDLE);
    seam_chat_text(&r->w, text, len);
    put(r, KIMI_END);
}

static void put_call_id(struct render *r, const struct call *c)
{
    char number[24];
    snprintf(number, sizeof number, ":%zu", (size_t)(c - r->call));
    puts_text(r, "functions.");
    seam_chat_text(&r->w, c->name, c->name_len);
    puts_text(r, number);
}

/* The word before <|im_middle|> is the name if there is one, else the role. */
static void head(struct render *r, enum seam_kimi_token token, const char *role)
{
    yyjson_val *name = seam_chat_string(&r->w, "name");
    put(r, token);
    if (yyjson_get_len(name))
        seam_chat_str(&r->w, name);
    else
        puts_text(r, role);
    put(r, KIMI_MIDDLE);
}

static bool has_calls(yyjson_val *message)
{
    return yyjson_arr_size(yyjson_obj_get(message, "tool_calls")) > 0;
}

/* ---- tool calls ---- */

static bool remember_call(struct render *r, yyjson_val *id, yyjson_val *name)
{
    if (r->n_call == r->cap_call) {
        size_t cap = r->cap_call ? 2 * r->cap_call : 16;
        struct call *p = realloc(r->call, cap * sizeof *p);
        if (!p) {
            r->w.st = seam_fail(r->w.err, SEAM_ENOMEM, "no memory for %zu tool calls", cap);
            return false;
        }
        r->call = p;
        r->cap_call = cap;
    }
    r->call[r->n_call++] = (struct call){
        .id = yyjson_is_str(id) ? yyjson_get_str(id) : "",
        .id_len = yyjson_is_str(id) ? yyjson_get_len(id) : 0,
        .name = yyjson_get_str(name),
        .name_len = yyjson_get_len(name),
        .message = r->w.at,
    };
    return true;
}

static void put_call(struct render *r, yyjson_val *call, size_t i)
{
    yyjson_val *name, *args;
    if (!seam_chat_call(&r->w, call, i, &name, &args) ||
        !remember_call(r, yyjson_obj_get(call, "id"), name))
        return;
    put(r, KIMI_CALL_BEGIN);
    put_call_id(r, &r->call[r->n_call - 1]);
    put(r, KIMI_CALL_ARGS);
    if (yyjson_is_str(args)) /* JSON as text: verbatim, for the model wrote it */
        seam_chat_str(&r->w, args);
    else if (!args)
        puts_text(r, "{}");
    else
        seam_chat_json(&r->w, args, 0, "tool_calls");
    put(r, KIMI_CALL_END);
}

static void put_calls(struct render *r)
{
    yyjson_val *calls = seam_chat_calls(&r->w), *call;
    size_t i, max;
    if (!calls)
        return;
    put(r, KIMI_SECTION_BEGIN);
    yyjson_arr_foreach(calls, i, max, call)
    {
        put_call(r, call, i);
    }
    put(r, KIMI_SECTION_END);
}

/* Some clients number their calls anew in each message: the latest message counts, and in it the
 * first call of that id without a result. */
static struct call *find_call(struct render *r, const char *id, size_t len)
{
    struct call *best = NULL;
    for (size_t i = 0; i < r->n_call; i++) {
        struct call *c = &r->call[i];
        if (c->id_len != len || memcmp(c->id, id, len) != 0)
            continue;
        if (!best || c->message > best->message || (best->answered && !c->answered))
            best = c;
    }
    return best;
}

static void put_result(struct render *r)
{
    yyjson_val *id = yyjson_obj_get(r->w.message, "tool_call_id");
    if (!yyjson_is_str(id)) {
        seam_chat_fail(&r->w, "tool_call_id", "must be a string");
        return;
    }
    struct call *c = find_call(r, yyjson_get_str(id), yyjson_get_len(id));
    if (!c) {
        seam_chat_fail(&r->w, "tool_call_id", "no earlier message has a tool call with this id");
        return;
    }
    c->answered = true;
    head(r, KIMI_SYSTEM, "tool");
    puts_text(r, "## Return of ");
    put_call_id(r, c);
    puts_text(r, "\n");
    seam_chat_content(&r->w, &r->w.text);
    put(r, KIMI_END);
}

/* ---- turns ---- */

static void put_reasoning(struct render *r)
{
    yyjson_val *reasoning = seam_chat_string(&r->w, "reasoning_content");
    if (r->id[KIMI_THINK] < 0)
        return;
    put(r, KIMI_THINK);
    if (reasoning && (r->w.opts->thinking || !can_switch(r->w.t)) && r->w.at >= r->keep_from)
        seam_chat_str(&r->w, reasoning);
    put(r, KIMI_THINK_END);
}

static void put_turn(struct seam_chat_writer *w, enum seam_chat_role role)
{
    struct render *r = (struct render *)w;
    switch (role) {
    case SEAM_ROLE_SYSTEM: head(r, KIMI_SYSTEM, "system"); break;
    case SEAM_ROLE_USER: head(r, KIMI_USER, "user"); break;
    case SEAM_ROLE_ASSISTANT:
        head(r, KIMI_ASSISTANT, "assistant");
        put_reasoning(r);
        break;
    case SEAM_ROLE_TOOL: put_result(r); return;
    case SEAM_ROLE_NONE: return;
    }
    seam_chat_content(w, &w->text);
    if (role == SEAM_ROLE_ASSISTANT)
        put_calls(r);
    put(r, KIMI_END);
}

/* ---- the whole ---- */

static void put_json_tools(struct render *r, yyjson_val *tools)
{
    bool compact = seam_chat_template_says(r->w.t, "tojson(separators=(',', ':'))");
    struct seam_buf text = {0};
    if (seam_text_json(&text, tools, false, compact))
        simple_turn(r, "tool_declare", text.p, text.n);
    else
        r->w.st = seam_fail(r->w.err, SEAM_EINVAL, "tools: is nested too deeply");
    r->w.text.failed = r->w.text.failed || text.failed;
    seam_buf_release(&text);
}

static void put_tools(struct render *r, yyjson_val *tools)
{
    struct seam_buf text = {0};
    if (!seam_chat_tools(&r->w, tools))
        return;
    if (seam_chat_template_says(r->w.t, "tools | tojson") &&
        !seam_chat_template_says(r->w.t, "tools_ts_str")) { /* before K2.5 */
        put_json_tools(r, tools);
        return;
    }
    r->w.st = seam_kimi_tools(&text, tools, r->w.err);
    if (r->w.st == SEAM_OK && text.n)
        simple_turn(r, "tool_declare", text.p, text.n);
    seam_buf_release(&text);
}

/* Some of the family's templates open with a system turn when the client gives none. */
static void put_default_system(struct render *r, yyjson_val *messages)
{
    static const char text[] = "You are Kimi, an AI assistant created by Moonshot AI.";
    if (seam_chat_role(yyjson_arr_get_first(messages)) != SEAM_ROLE_SYSTEM &&
        seam_chat_template_says(r->w.t, text))
        simple_turn(r, "system", text, strlen(text));
}

/* Reasoning up to the last answer is dropped, that of the tool chain since then is kept; without
 * thinking, put_reasoning() drops all. */
static size_t first_kept(yyjson_val *messages, const struct seam_chat_opts *opts)
{
    size_t i, max, keep = 0;
    yyjson_val *m;
    if (opts->preserve_thinking)
        return 0;
    yyjson_arr_foreach(messages, i, max, m)
    {
        if (seam_chat_role(m) == SEAM_ROLE_ASSISTANT && !has_calls(m))
            keep = i + 1;
    }
    return keep;
}

static void put_prompt(struct render *r)
{
    put(r, KIMI_ASSISTANT);
    puts_text(r, "assistant");
    put(r, KIMI_MIDDLE);
    if (r->id[KIMI_THINK] < 0 || !can_switch(r->w.t))
        return;
    put(r, KIMI_THINK);
    if (!r->w.opts->thinking)
        put(r, KIMI_THINK_END);
}

static seam_status render(const struct seam_tokenizer *t, yyjson_val *messages, yyjson_val *tools,
                          const struct seam_chat_opts *opts, struct seam_tokens *out,
                          struct seam_err *err)
{
    struct render r = {.n_call = 0};
    seam_chat_writer_init(&r.w, t, required, opts, out, err);
    seam_kimi_tokens(t, r.id);
    if (seam_chat_messages(&r.w, messages)) {
        r.keep_from = first_kept(messages, opts);
        if (seam_tokenizer_bos(t) >= 0)
            seam_chat_token(&r.w, seam_tokenizer_bos(t));
        put_tools(&r, tools);
        put_default_system(&r, messages);
        seam_chat_each(&r.w, put_turn);
        put_prompt(&r);
    }
    free(r.call);
    return seam_chat_writer_end(&r.w);
}

static enum seam_chat_thinking thinking(const struct seam_tokenizer *t)
{
    int32_t id[KIMI_TOKEN_COUNT];
    seam_kimi_tokens(t, id);
    if (id[KIMI_THINK] < 0)
        return SEAM_CHAT_NEVER;
    return can_switch(t) ? SEAM_CHAT_ON : SEAM_CHAT_ALWAYS;
}

/* The first K2-Instruct's counted calls anew in each message, and had another system turn. */
static bool fits(const struct seam_tokenizer *t)
{
    return !seam_chat_template_says(t, "You are a helpful assistant");
}

static const char *const marks[] = {"<|im_middle|>", "<|im_assistant|>", NULL};

const struct seam_chat_format seam_chat_kimi = {
    .name = "kimi-k2",
    .marks = marks,
    .fits = fits,
    .tokens = required,
    .tokens_tell = true,
    .thinking = thinking,
    .render = render,
    .parser_open = seam_kimi_parser_open,
    .parser_feed = seam_kimi_parser_feed,
    .parser_finish = seam_kimi_parser_finish,
    .parser_tool_count = seam_kimi_parser_tool_count,
    .parser_close = seam_kimi_parser_close,
};
