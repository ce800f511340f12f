/* kimi_parser.c - sampled tokens to message events.
 *
 *              </think>              section_begin            call_begin
 *   REASONING ----------> CONTENT ------------------> SECTION -----------> CALL_ID
 *       |                    ^  ^      section_end     |  ^  ^                |
 *       | section_begin      |  '----------------------'  |  |    arg_begin   |  arg_begin
 *       '--------------------|----> SECTION               |  |     bad id     |  good id
 *                            |                            |  |       |        v
 *                            |   section_end     call_end |  '-------|---- CALL_ARGS
 *                            '------------------------- BROKEN <-----'   call_end: finished
 *                                        (all else is content)
 *
 * Special tokens are known by their ids. One that has no arrow from where we are becomes the text
 * of its name: nothing the model said is lost. Only a call's id is held back, at most ID_MAX
 * bytes, and an unfinished UTF-8 sequence. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/chat_kimi.h"
#include "model/chat_say.h"

#define ID_MAX 256u

enum state { REASONING, CONTENT, SECTION, CALL_ID, CALL_ARGS, BROKEN };

struct parser {
    const struct seam_tokenizer *t;
    struct seam_chat_say say;
    int32_t id[KIMI_TOKEN_COUNT];
    enum state state;
    bool said;         /* any reasoning yet? */
    char call[ID_MAX]; /* CALL_ID: bytes of the id */
    size_t n_call;
};

static void say_token(struct parser *p, enum seam_kimi_token token)
{
    const char *name = seam_kimi_token_name(token);
    seam_chat_say(&p->say, p->state == REASONING ? SEAM_CHAT_REASONING : SEAM_CHAT_CONTENT, name,
                  strlen(name));
}

/* ---- a call's id ---- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* "functions.NAME:IDX", with space around it and anything dotted, or nothing, before NAME. */
static bool parse_id(const char *s, size_t n, char *name, char *idx)
{
    while (n && isspace((unsigned char)*s))
        s++, n--;
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    size_t digits = 0;
    while (digits < n && isdigit((unsigned char)s[n - 1 - digits]))
        digits++;
    if (digits == 0 || digits > 9 || n < digits + 2 || s[n - 1 - digits] != ':')
        return false;
    size_t end = n - 1 - digits, begin = end;
    for (size_t i = 0; i < end; i++)
        if (!is_name_char(s[i]))
            return false;
    while (begin > 0 && s[begin - 1] != '.')
        begin--;
    if (begin == end)
        return false;
    memcpy(name, s + begin, end - begin);
    name[end - begin] = '\0';
    memcpy(idx, s + n - digits, digits);
    idx[digits] = '\0';
    return true;
}

/* What was held back for an id is content after all. */
static void give_up_id(struct parser *p)
{
    say_token(p, KIMI_CALL_BEGIN);
    seam_chat_say(&p->say, SEAM_CHAT_CONTENT, p->call, p->n_call);
    p->n_call = 0;
    p->state = BROKEN;
}

static void begin_call(struct parser *p)
{
    char name[ID_MAX], idx[16], id[ID_MAX + 32];
    if (!parse_id(p->call, p->n_call, name, idx)) {
        give_up_id(p);
        say_token(p, KIMI_CALL_ARGS);
        return;
    }
    snprintf(id, sizeof id, "functions.%s:%s", name, idx);
    seam_chat_say_begin(&p->say, id, name);
    p->n_call = 0;
    p->state = CALL_ARGS;
}

static void end_call(struct parser *p)
{
    seam_chat_say_end(&p->say);
    p->state = SECTION;
}

/* ---- tokens ---- */

static bool is_space(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isspace((unsigned char)s[i]))
            return false;
    return true;
}

static void on_text(struct parser *p, const char *s, size_t n)
{
    switch (p->state) {
    case REASONING:
        p->said = true;
        seam_chat_say(&p->say, SEAM_CHAT_REASONING, s, n);
        break;
    case SECTION: /* space between calls is layout */
        if (is_space(s, n))
            break;
        seam_chat_say(&p->say, SEAM_CHAT_CONTENT, s, n);
        break;
    case CALL_ID:
        if (p->n_call + n > sizeof p->call) {
            give_up_id(p);
            seam_chat_say(&p->say, SEAM_CHAT_CONTENT, s, n);
            break;
        }
        memcpy(p->call + p->n_call, s, n);
        p->n_call += n;
        break;
    case CALL_ARGS: seam_chat_say(&p->say, SEAM_CHAT_TOOL_ARGS, s, n); break;
    case CONTENT:
    case BROKEN: seam_chat_say(&p->say, SEAM_CHAT_CONTENT, s, n); break;
    }
}

/* A row per arrow of the drawing. */
static const struct arrow {
    enum state from;
    enum seam_kimi_token token;
    enum state to;
    void (*act)(struct parser *p); /* sets the state itself */
} arrows[] = {
    {REASONING, KIMI_THINK_END, CONTENT, NULL},
    {REASONING, KIMI_SECTION_BEGIN, SECTION, NULL},
    {CONTENT, KIMI_THINK, REASONING, NULL},
    {CONTENT, KIMI_SECTION_BEGIN, SECTION, NULL},
    {SECTION, KIMI_CALL_BEGIN, CALL_ID, NULL},
    {SECTION, KIMI_SECTION_END, CONTENT, NULL},
    {CALL_ID, KIMI_CALL_ARGS, CALL_ARGS, begin_call},
    {CALL_ARGS, KIMI_CALL_END, SECTION, end_call},
    /* a call whose end the model forgot */
    {CALL_ARGS, KIMI_CALL_BEGIN, CALL_ID, end_call},
    {CALL_ARGS, KIMI_SECTION_END, CONTENT, end_call},
    {BROKEN, KIMI_CALL_BEGIN, CALL_ID, NULL},
    {BROKEN, KIMI_SECTION_END, CONTENT, NULL},
};

static void on_special(struct parser *p, enum seam_kimi_token token)
{
    if (p->state == REASONING && token == KIMI_THINK && !p->said)
        return; /* the prompt has opened it already */
    for (size_t i = 0; i < sizeof arrows / sizeof *arrows; i++) {
        if (arrows[i].from != p->state || arrows[i].token != token)
            continue;
        if (arrows[i].act)
            arrows[i].act(p);
        if (arrows[i].act != begin_call)
            p->state = arrows[i].to;
        return;
    }
    if (p->state == CALL_ID) {
        give_up_id(p);
        on_special(p, token); /* once: the state is BROKEN now */
        return;
    }
    if (p->state == CALL_ARGS) {
        const char *name = seam_kimi_token_name(token);
        seam_chat_say(&p->say, SEAM_CHAT_TOOL_ARGS, name, strlen(name));
        return;
    }
    say_token(p, token);
    if (p->state == BROKEN && token == KIMI_CALL_END)
        p->state = SECTION;
}

/* ---- public, through the format's row ---- */

void *seam_kimi_parser_open(const struct seam_tokenizer *t, const struct seam_chat_expect *expect,
                            seam_chat_event_fn fn, void *user)
{
    struct parser *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->t = t;
    p->say = (struct seam_chat_say){.fn = fn, .user = user};
    seam_kimi_tokens(t, p->id);
    bool opened = seam_kimi_opens_think(t, expect->thinking) && p->id[KIMI_THINK] >= 0;
    p->state = opened ? REASONING : CONTENT;
    return p;
}

void seam_kimi_parser_feed(void *state, int32_t token)
{
    struct parser *p = state;
    if (seam_tokenizer_is_stop(p->t, token))
        return;
    for (int i = 0; i < KIMI_TOKEN_COUNT; i++) {
        if (p->id[i] == token && token >= 0) {
            on_special(p, (enum seam_kimi_token)i);
            return;
        }
    }
    struct seam_str s = seam_tokenizer_bytes(p->t, token);
    if (s.len)
        on_text(p, s.p, s.len);
}

void seam_kimi_parser_finish(void *state)
{
    struct parser *p = state;
    if (p->state == CALL_ID)
        give_up_id(p);
    seam_chat_say_flush(&p->say);
}

int seam_kimi_parser_tool_count(const void *state)
{
    const struct parser *p = state;
    return p->say.n_finished;
}

void seam_kimi_parser_close(void *state)
{
    free(state);
}
