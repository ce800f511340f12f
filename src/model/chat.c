/* chat.c - the table of chat formats, and the calls that go through it. */
#include "model/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/chat_format.h"

static const struct seam_chat_format *const formats[] = {
    &seam_chat_kimi,
    &seam_chat_qwen35,
    &seam_chat_qwen3,
    &seam_chat_llama3,
};

/* Families that Seam does not know, so that a refusal can name them. */
static const struct stranger {
    const char *mark, *name;
} strangers[] = {
    {"<|channel|>", "gpt-oss's (harmony)"},
    {"<|open|>", "Kimi K3's"},
    {"<start_of_turn>", "Gemma's"},
    {"<|turn>", "Gemma's"},
    {"[INST]", "Mistral's"},
    {"[gMASK]", "GLM's"},
    {"<|im_sep|>", "Phi's"},
    {"<\xef\xbd\x9c"
     "Assistant\xef\xbd\x9c>",
     "DeepSeek's"},
    {"<|START_OF_TURN_TOKEN|>", "Command R's"},
    {"<|start_of_role|>", "Granite's"},
    {"<|start_header_id|>", "a relative of Llama 3's"},
    {"<|im_start|>", "another one of the ChatML family"},
};

struct seam_chat_parser {
    const struct seam_chat_format *format;
    void *state;
};

/* ---- which format ---- */

bool seam_chat_template_says(const struct seam_tokenizer *t, const char *words)
{
    struct seam_str s = seam_tokenizer_template(t);
    size_t n = strlen(words);
    for (size_t i = 0; i + n <= s.len; i++)
        if (memcmp(s.p + i, words, n) == 0)
            return true;
    return false;
}

static const char *first_missing(const struct seam_chat_format *f, const struct seam_tokenizer *t)
{
    for (const char *const *name = f->tokens; *name; name++)
        if (seam_tokenizer_find(t, *name) < 0)
            return *name;
    return NULL;
}

static bool is_of(const struct seam_chat_format *f, const struct seam_tokenizer *t)
{
    if (seam_tokenizer_template(t).len == 0)
        return f->tokens_tell && !first_missing(f, t);
    for (const char *const *mark = f->marks; *mark; mark++)
        if (!seam_chat_template_says(t, *mark))
            return false;
    return !f->fits || f->fits(t);
}

static seam_status refuse(const struct seam_tokenizer *t, struct seam_err *err)
{
    static const char help[] = "Seam knows those of Kimi K2, Qwen3.5, Qwen3 and Llama 3.1 to 3.3; "
                               "'seam run' can still complete plain text";
    if (seam_tokenizer_template(t).len == 0)
        return seam_fail(err, SEAM_EUNSUPPORTED, "this model's file has no chat template; %s",
                         help);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (seam_chat_template_says(t, strangers[i].mark))
            return seam_fail(err, SEAM_EUNSUPPORTED,
                             "this model's chat template looks like %s, which is not known; %s",
                             strangers[i].name, help);
    return seam_fail(err, SEAM_EUNSUPPORTED, "this model's chat template is not known; %s", help);
}

seam_status seam_chat_format_find(const struct seam_chat_format **out,
                                  const struct seam_tokenizer *t, struct seam_err *err)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!is_of(formats[i], t))
            continue;
        const char *missing = first_missing(formats[i], t);
        if (missing)
            return seam_fail(err, SEAM_EUNSUPPORTED,
                             "this model's chat template is of the format %s, but its vocabulary "
                             "lacks '%s'; 'seam run' can still complete plain text",
                             formats[i]->name, missing);
        *out = formats[i];
        return SEAM_OK;
    }
    return refuse(t, err);
}

const char *seam_chat_format_name(const struct seam_chat_format *f)
{
    return f->name;
}

enum seam_chat_thinking seam_chat_format_thinking(const struct seam_chat_format *f,
                                                  const struct seam_tokenizer *t)
{
    return f->thinking(t);
}

/* ---- prompts ---- */

void seam_chat_today(char out[SEAM_CHAT_DAY])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {.tm_mday = 1};
    time_t now = time(NULL);
    localtime_r(&now, &tm);
    snprintf(out, SEAM_CHAT_DAY, "%02u %.3s %04u", (unsigned)tm.tm_mday % 100u,
             months + 3 * (tm.tm_mon % 12), (unsigned)(1900 + tm.tm_year) % 10000u);
}

/* FNV-1a over the ids. */
uint64_t seam_chat_salt(const struct seam_tokens *prompt)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < prompt->n; i++)
        h = (h ^ (uint32_t)prompt->ids[i]) * 0x100000001b3u;
    return h;
}

seam_status seam_chat_render(const struct seam_chat_format *f, const struct seam_tokenizer *t,
                             yyjson_val *messages, yyjson_val *tools,
                             const struct seam_chat_opts *opts, struct seam_tokens *out,
                             struct seam_err *err)
{
    size_t before = out->n;
    seam_status st = f->render(t, messages, tools, opts, out, err);
    if (st != SEAM_OK)
        out->n = before;
    return st;
}

/* ---- replies ---- */

seam_status seam_chat_parser_open(struct seam_chat_parser **out, const struct seam_chat_format *f,
                                  const struct seam_tokenizer *t,
                                  const struct seam_chat_expect *expect, seam_chat_event_fn fn,
                                  void *user, struct seam_err *err)
{
    struct seam_chat_parser *p = malloc(sizeof *p);
    void *state = p ? f->parser_open(t, expect, fn, user) : NULL;
    *out = NULL;
    if (!state) {
        free(p);
        return seam_fail(err, SEAM_ENOMEM, "no memory to parse a reply");
    }
    p->format = f;
    p->state = state;
    *out = p;
    return SEAM_OK;
}

void seam_chat_parser_feed(struct seam_chat_parser *p, int32_t token)
{
    p->format->parser_feed(p->state, token);
}

void seam_chat_parser_finish(struct seam_chat_parser *p)
{
    p->format->parser_finish(p->state);
}

int seam_chat_parser_tool_count(const struct seam_chat_parser *p)
{
    return p->format->parser_tool_count(p->state);
}

void seam_chat_parser_close(struct seam_chat_parser *p)
{
    if (!p)
        return;
    p->format->parser_close(p->state);
    free(p);
}
