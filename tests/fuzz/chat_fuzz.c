/* Chat formats, each with a tiny vocabulary and the special tokens of its family. First byte: 'j' a
 * request's JSON is rendered, 't' the rest are token ids fed to the reply parser, 'r' the rest is a
 * reply as text; anything else is text to tokenise and take back. For j, t and r the second byte
 * chooses the family, and for t and r the third says where a reply's cuts and options are. */
#include <stdlib.h>
#include <string.h>

#include "../unit/gguf_build.h"
#include "model/chat.h"
#include "model/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What Seam looks for in each family's template, and no more. */
static const struct family {
    const char *format, *template;
} families[] = {
    {"kimi-k2", "<|im_middle|> <|im_assistant|> <think> thinking is false"},
    {"qwen3.5", "You have access to the following functions:\\n\\n<tools> {{- tool | tojson }} "
                "'<tool_call>\\n<function=' + tool_call.name + '>\\n' No user query found in "
                "messages. '</think>' in content loop.index0 > ns.last_query_index"},
    {"qwen3", "You may call one or more functions to assist <|im_start|> <tool_response> "
              "tool_call.arguments is string '<tool_call>\\n{\"name\": \"' <think> enable_thinking "
              "loop.index0 > ns.last_query_index (not loop.last and reasoning_content)"},
    {"llama3", "Cutting Knowledge Date: December 2023 <|start_header_id|>ipython<|end_header_id|> "
               "tools_in_user_message This model only supports single tool-calls at once! "
               "'\"parameters\": '"},
};
#define N_FAMILIES (sizeof families / sizeof *families)

static struct seam_tokenizer *tokenizers[N_FAMILIES];
static const struct seam_chat_format *formats[N_FAMILIES];
static yyjson_doc *tools;

static const char tools_json[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"$defs\":{\"d\":{"
    "\"$ref\":\"#/$defs/d\"}},\"properties\":{\"s\":{\"type\":\"string\"},\"i\":{\"type\":"
    "\"integer\"},\"o\":{\"type\":\"object\"},\"d\":{\"$ref\":\"#/$defs/d\"},\"u\":{}}}}}]";

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void open_one(size_t i)
{
    static const char *const merges[] = {"f u", "n c", "fu nc", "t i", "o n", "ti on", "func tion"};
    struct gb b = {0};
    struct seam_catalog *c;
    size_t n;
    gb_tokenizer(&b, merges, sizeof merges / sizeof *merges);
    gb_str(&b, "tokenizer.chat_template", families[i].template);
    uint8_t *p = gb_finish(&b, &n);
    require(seam_catalog_open_memory(&c, p, n, NULL) == SEAM_OK);
    require(seam_tokenizer_open(&tokenizers[i], c, NULL) == SEAM_OK);
    require(seam_chat_format_find(&formats[i], tokenizers[i], NULL) == SEAM_OK);
    require(strcmp(seam_chat_format_name(formats[i]), families[i].format) == 0);
    seam_catalog_close(c);
    free(p);
}

static void open_once(void)
{
    if (tools)
        return;
    for (size_t i = 0; i < N_FAMILIES; i++)
        open_one(i);
    tools = yyjson_read(tools_json, strlen(tools_json), 0);
    require(tools != NULL);
}

static void fuzz_render(size_t family, const char *text, size_t len)
{
    struct seam_tokens out = {0};
    struct seam_err err;
    yyjson_doc *doc = yyjson_read(text, len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct seam_chat_opts opts = {.thinking = len & 1, .preserve_thinking = len & 2};
    seam_status st =
        seam_chat_render(formats[family], tokenizers[family], yyjson_obj_get(root, "messages"),
                         yyjson_obj_get(root, "tools"), &opts, &out, &err);
    require(st == SEAM_OK || (st == SEAM_EINVAL && err.text[0] && out.n == 0));
    seam_tokens_clear(&out);
    yyjson_doc_free(doc);
}

struct seen {
    const char *id; /* how a call's begins */
    int begun, ended;
};

/* Every event is whole UTF-8; calls begin and end in order. */
static void on_event(void *user, const struct seam_chat_event *ev)
{
    struct seen *s = user;
    struct seam_utf8_stream u = {0};
    char *copy = malloc(3 * (ev->len + 4) + 1);
    require(copy != NULL);
    size_t n = ev->len ? seam_utf8_stream_feed(&u, ev->text, ev->len, copy) : 0;
    require(n == ev->len && (n == 0 || memcmp(copy, ev->text, n) == 0));
    free(copy);
    if (ev->kind == SEAM_CHAT_TOOL_BEGIN) {
        require(ev->index == s->begun++ && strncmp(ev->id, s->id, strlen(s->id)) == 0 && *ev->name);
    } else if (ev->kind == SEAM_CHAT_TOOL_ARGS) {
        require(ev->index == s->begun - 1 && s->ended < s->begun);
    } else if (ev->kind == SEAM_CHAT_TOOL_END) {
        require(ev->index == s->begun - 1);
        s->ended++;
    }
}

static struct seam_chat_parser *open_parser(size_t family, uint8_t how, struct seen *seen)
{
    struct seam_chat_parser *p;
    const struct seam_chat_expect expect = {
        .thinking = how & 1,
        .tools = how & 2 ? NULL : yyjson_doc_get_root(tools),
    };
    *seen = (struct seen){.id = family == 0 ? "functions." : "call_"};
    require(seam_chat_parser_open(&p, formats[family], tokenizers[family], &expect, on_event, seen,
                                  NULL) == SEAM_OK);
    return p;
}

static void close_parser(struct seam_chat_parser *p, const struct seen *seen)
{
    seam_chat_parser_finish(p);
    require(seam_chat_parser_tool_count(p) == seen->ended);
    seam_chat_parser_close(p);
}

static void fuzz_ids(size_t family, uint8_t how, const uint8_t *p, size_t len)
{
    struct seen seen;
    struct seam_chat_parser *parser = open_parser(family, how, &seen);
    int32_t first = (int32_t)(seam_tokenizer_size(tokenizers[family]) - GB_N_SPECIALS);
    for (size_t i = 0; i < len; i++) {
        /* 0xd0 and above: special tokens, often; the last ids are out of range */
        int32_t id = p[i] >= 0xd0 ? first + (p[i] - 0xd0) : p[i];
        seam_chat_parser_feed(parser, id);
    }
    close_parser(parser, &seen);
}

/* The reply's text in pieces of how / 4 + 1 bytes, names of special tokens as those tokens. */
static void fuzz_reply(size_t family, uint8_t how, const char *text, size_t len)
{
    struct seen seen;
    struct seam_tokens ids = {0};
    struct seam_chat_parser *parser = open_parser(family, how, &seen);
    size_t step = how < 4 ? len : (size_t)how / 4 + 1;
    for (size_t i = 0; i < len; i += step)
        require(seam_tokenizer_encode_special(tokenizers[family], text + i,
                                              len - i < step ? len - i : step, &ids,
                                              NULL) == SEAM_OK);
    for (size_t i = 0; i < ids.n; i++)
        seam_chat_parser_feed(parser, ids.ids[i]);
    close_parser(parser, &seen);
    seam_tokens_clear(&ids);
}

static void fuzz_text(const char *text, size_t len)
{
    struct seam_tokens ids = {0};
    size_t at = 0;
    require(seam_tokenizer_encode(tokenizers[0], text, len, &ids, NULL) == SEAM_OK);
    for (size_t i = 0; i < ids.n; i++) {
        struct seam_str s = seam_tokenizer_bytes(tokenizers[0], ids.ids[i]);
        require(s.len <= len - at && memcmp(s.p, text + at, s.len) == 0);
        require(!seam_tokenizer_is_control(tokenizers[0], ids.ids[i]));
        at += s.len;
    }
    require(at == len);
    seam_tokens_clear(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    if (size == 0)
        return 0;
    size_t family = size > 1 ? data[1] % N_FAMILIES : 0;
    if (*data == 'j' && size > 1)
        fuzz_render(family, (const char *)data + 2, size - 2);
    else if (*data == 't' && size > 2)
        fuzz_ids(family, data[2], data + 3, size - 3);
    else if (*data == 'r' && size > 2)
        fuzz_reply(family, data[2], (const char *)data + 3, size - 3);
    else
        fuzz_text((const char *)data, size);
    return 0;
}
