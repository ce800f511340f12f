/* chat_qwen.c - sampled tokens to message events, for both of Qwen's ways to write a call.
 *
 *              </think>             <tool_call>
 *   REASONING ----------> CONTENT ---------------> CALL
 *    |     ^   <think>     |  ^     </tool_call>    | ^
 *    |     '---------------'  '---------------------' |
 *    '------------------------------------------------'
 *                       <tool_call>
 *
 * Special tokens are known by their ids; one that has no arrow from where we are becomes the text
 * of its name. Newlines around thoughts and calls are layout: those that a part begins with are
 * dropped, and those it ends with are held back until it is known whether it ends there. */
#include "model/chat_qwen.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum name { START, END, THINK, THINK_END, CALL, CALL_END, RESPONSE, RESPONSE_END, N_NAMES };

const char *const seam_qwen_names[] = {
    [START] = "<|im_start|>",
    [END] = "<|im_end|>",
    [THINK] = "<think>",
    [THINK_END] = "</think>",
    [CALL] = "<tool_call>",
    [CALL_END] = "</tool_call>",
    [RESPONSE] = "<tool_response>",
    [RESPONSE_END] = "</tool_response>",
    [N_NAMES] = NULL,
};
const char *const seam_qwen_required[] = {
    "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", NULL,
};

/* ---- prompts ---- */

enum seam_chat_role seam_qwen_role_at(const struct seam_chat_writer *w, size_t at)
{
    return seam_chat_role(yyjson_arr_get(w->messages, at));
}

static bool begins(struct seam_str s, const char *words)
{
    return s.len >= strlen(words) && memcmp(s.p, words, strlen(words)) == 0;
}

static bool ends(struct seam_str s, const char *words)
{
    size_t n = strlen(words);
    return s.len >= n && memcmp(s.p + s.len - n, words, n) == 0;
}

size_t seam_qwen_last_query(struct seam_chat_writer *w, bool trim)
{
    size_t i, max, last = SIZE_MAX;
    yyjson_val *m;
    yyjson_arr_foreach(w->messages, i, max, m)
    {
        struct seam_buf text = {0};
        if (seam_chat_role(m) != SEAM_ROLE_USER)
            continue;
        w->message = m;
        w->at = i;
        seam_chat_content(w, &text);
        struct seam_str s = {text.p ? text.p : "", text.n};
        s = trim ? seam_text_strip(s) : s;
        if (!begins(s, "<tool_response>") || !ends(s, "</tool_response>"))
            last = i;
        seam_buf_release(&text);
    }
    return last;
}

struct seam_str seam_qwen_strip_newlines(struct seam_str s, bool left, bool right)
{
    while (left && s.len && *s.p == '\n')
        s.p++, s.len--;
    while (right && s.len && s.p[s.len - 1] == '\n')
        s.len--;
    return s;
}

bool seam_qwen_split_thoughts(struct seam_str *content, struct seam_str *reasoning)
{
    static const char open[] = "<think>", close[] = "</think>";
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = 0; i + strlen(close) <= content->len; i++) {
        if (memcmp(content->p + i, close, strlen(close)) != 0)
            continue;
        first = first == SIZE_MAX ? i : first;
        last = i + strlen(close);
    }
    if (first == SIZE_MAX)
        return false;
    struct seam_str r = {content->p, first};
    r = seam_qwen_strip_newlines(r, false, true);
    for (size_t i = r.len; i-- > 0;) {
        struct seam_str tail = {r.p + i, r.len - i};
        if (begins(tail, open)) {
            r = (struct seam_str){tail.p + strlen(open), tail.len - strlen(open)};
            break;
        }
    }
    *reasoning = seam_qwen_strip_newlines(r, true, false);
    *content = seam_qwen_strip_newlines((struct seam_str){content->p + last, content->len - last},
                                        true, false);
    return true;
}

/* ---- replies ---- */

enum where { REASONING, CONTENT, IN_CALL };

struct parser {
    struct seam_chat_say say;
    const struct seam_tokenizer *t;
    const struct seam_qwen_call_parser *calls;
    yyjson_val *tools;
    int32_t id[N_NAMES];
    enum where where;
    bool said;       /* anything yet? */
    bool lead;       /* newlines that come now are layout */
    size_t newlines; /* held back */
    /* the state of calls follows, aligned for any type */
    max_align_t call[];
};

void *seam_qwen_parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                            bool opened, const struct seam_qwen_call_parser *calls,
                            seam_chat_event_fn fn, void *user)
{
    struct parser *p = calloc(1, sizeof *p + calls->size);
    if (!p)
        return NULL;
    p->say = (struct seam_chat_say){.fn = fn, .user = user, .salt = expect->salt};
    p->t = t;
    p->calls = calls;
    p->tools = expect->tools;
    for (int i = 0; i < N_NAMES; i++)
        p->id[i] = seam_tokenizer_find(t, seam_qwen_names[i]);
    p->where = opened ? REASONING : CONTENT;
    p->lead = opened;
    return p;
}

static void say_newlines(struct parser *p)
{
    for (; p->newlines; p->newlines--)
        seam_chat_say(&p->say, p->where == REASONING ? SEAM_CHAT_REASONING : SEAM_CHAT_CONTENT,
                      "\n", 1);
}

static void on_text(struct parser *p, const char *bytes, size_t len)
{
    struct seam_str s = {bytes, len};
    if (p->where == IN_CALL) {
        p->calls->feed(p->call, bytes, len);
        return;
    }
    s = seam_qwen_strip_newlines(s, p->lead, false);
    if (s.len == 0)
        return;
    p->lead = false;
    size_t keep = seam_qwen_strip_newlines(s, false, true).len;
    if (keep) {
        say_newlines(p);
        seam_chat_say(&p->say, p->where == REASONING ? SEAM_CHAT_REASONING : SEAM_CHAT_CONTENT, s.p,
                      keep);
        p->said = true;
    }
    p->newlines += s.len - keep;
}

static void go(struct parser *p, enum where to)
{
    seam_chat_say_flush(&p->say);
    p->newlines = 0;
    p->lead = true;
    p->said = true;
    p->where = to;
}

static void on_special(struct parser *p, enum name name)
{
    if (name == THINK && p->where == REASONING && !p->said)
        return; /* the prompt has opened it already */
    if (name == THINK && p->where == CONTENT) {
        go(p, REASONING);
    } else if (name == THINK_END && p->where == REASONING) {
        go(p, CONTENT);
    } else if (name == CALL) {
        if (p->where == IN_CALL) /* one whose end the model forgot */
            p->calls->end(p->call, true);
        go(p, IN_CALL);
        p->calls->begin(p->call, &p->say, p->tools);
    } else if (name == CALL_END && p->where == IN_CALL) {
        p->calls->end(p->call, true);
        go(p, CONTENT);
    } else {
        on_text(p, seam_qwen_names[name], strlen(seam_qwen_names[name]));
    }
}

void seam_qwen_parser_feed(void *state, int32_t token)
{
    struct parser *p = state;
    if (seam_tokenizer_is_stop(p->t, token))
        return;
    for (int i = 0; i < N_NAMES; i++) {
        if (p->id[i] == token && token >= 0) {
            on_special(p, (enum name)i);
            return;
        }
    }
    struct seam_str s = seam_tokenizer_bytes(p->t, token);
    if (s.len)
        on_text(p, s.p, s.len);
}

void seam_qwen_parser_finish(void *state)
{
    struct parser *p = state;
    if (p->where == IN_CALL)
        p->calls->end(p->call, false);
    else if (p->where == CONTENT)
        say_newlines(p);
    seam_chat_say_flush(&p->say);
}

int seam_qwen_parser_tool_count(const void *state)
{
    const struct parser *p = state;
    return p->say.n_finished;
}

void seam_qwen_parser_close(void *state)
{
    struct parser *p = state;
    if (p)
        p->calls->release(p->call);
    free(p);
}
