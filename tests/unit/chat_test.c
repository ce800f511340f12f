/* Kimi's chat format: prompts compared as text with special tokens by name, replies as events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "gguf_build.h"
#include "model/chat.h"

static struct seam_tokenizer *open_tokenizer(const char *template)
{
    struct gb b = {0};
    struct seam_err err;
    struct seam_catalog *c;
    struct seam_tokenizer *t = NULL;
    size_t n;
    gb_tokenizer(&b, NULL, 0);
    if (template)
        gb_str(&b, "tokenizer.chat_template", template);
    uint8_t *p = gb_finish(&b, &n);
    if (seam_catalog_open_memory(&c, p, n, &err) != SEAM_OK ||
        seam_tokenizer_open(&t, c, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_catalog_close(c);
    free(p);
    return t;
}

static const struct seam_chat_format *format_of(const struct seam_tokenizer *t)
{
    const struct seam_chat_format *f;
    struct seam_err err;
    if (seam_chat_format_find(&f, t, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(seam_chat_format_name(f), "kimi-k2");
    return f;
}

/* Tokens back to text. Special tokens are set in braces, so that text that looks like one differs. */
static char *show(const struct seam_tokenizer *t, const struct seam_tokens *ids)
{
    char *s = malloc(ids->n * 40 + 1);
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++) {
        struct seam_str b = seam_tokenizer_bytes(t, ids->ids[i]);
        bool special = ids->ids[i] >= 256;
        if (special)
            s[n++] = '{';
        memcpy(s + n, b.p, b.len);
        n += b.len;
        if (special)
            s[n++] = '}';
    }
    s[n] = 0;
    return s;
}

static yyjson_doc *json(const char *text)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
    if (!doc)
        fail_msg("test JSON: %s", text);
    return doc;
}

static seam_status render(const struct seam_tokenizer *t, const char *messages, const char *tools,
                          struct seam_chat_opts opts, char **out, struct seam_err *err)
{
    yyjson_doc *m = json(messages), *d = tools ? json(tools) : NULL;
    struct seam_tokens ids = {0};
    seam_err_clear(err);
    seam_status st = seam_chat_render(format_of(t), t, yyjson_doc_get_root(m),
                                      yyjson_doc_get_root(d), &opts, &ids, err);
    *out = st == SEAM_OK ? show(t, &ids) : NULL;
    if (st != SEAM_OK)
        assert_int_equal(ids.n, 0);
    seam_tokens_clear(&ids);
    yyjson_doc_free(m);
    yyjson_doc_free(d);
    return st;
}

static void expect(const struct seam_tokenizer *t, const char *messages, const char *tools,
                   struct seam_chat_opts opts, const char *want)
{
    char *got;
    struct seam_err err;
    if (render(t, messages, tools, opts, &got, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(got, want);
    free(got);
}

#define OPEN "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}"
static const struct seam_chat_opts plain = {.thinking = true};

static void test_turns(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect(t, "[{\"role\":\"user\",\"content\":\"Hi <|im_end|>\"}]", NULL, plain,
           "{<|im_user|>}user{<|im_middle|>}Hi <|im_end|>{<|im_end|>}" OPEN);
    expect(t, "[{\"role\":\"user\",\"content\":\"a\"}]", NULL, (struct seam_chat_opts){0},
           "{<|im_user|>}user{<|im_middle|>}a{<|im_end|>}" OPEN "{</think>}");
    expect(t,
           "[{\"role\":\"developer\",\"content\":\"S\"},"
           "{\"role\":\"user\",\"name\":\"Ann\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},"
           "{\"type\":\"text\",\"text\":\"y\"}]}]",
           NULL, plain,
           "{<|im_system|>}system{<|im_middle|>}S{<|im_end|>}"
           "{<|im_user|>}Ann{<|im_middle|>}xy{<|im_end|>}" OPEN);
    seam_tokenizer_close(t);
}

/* Only templates that say so get a default system turn, and only without one of the client's. */
static void test_default_system(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(
        "{%- x -%}<|im_assistant|><|im_middle|><think>thinking is false You are Kimi, an AI assistant created by Moonshot AI.{% y %}");
    expect(t, "[{\"role\":\"user\",\"content\":\"a\"}]", NULL, plain,
           "{<|im_system|>}system{<|im_middle|>}You are Kimi, an AI assistant created by Moonshot "
           "AI.{<|im_end|>}{<|im_user|>}user{<|im_middle|>}a{<|im_end|>}" OPEN);
    expect(t, "[{\"role\":\"system\",\"content\":\"S\"}]", NULL, plain,
           "{<|im_system|>}system{<|im_middle|>}S{<|im_end|>}" OPEN);
    seam_tokenizer_close(t);
}

#define CALL(id, name)                                                        \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"{\\\"k\\\": 1}\"}}"
#define SHOWN(n, name)                           \
    "{<|tool_call_begin|>}functions." name ":" n \
    "{<|tool_call_argument_begin|>}{\"k\": 1}{<|tool_call_end|>}"

static const char chain[] =
    "[{\"role\":\"user\",\"content\":\"q\"},"
    "{\"role\":\"assistant\",\"content\":\"old\",\"reasoning_content\":\"r0\"},"
    "{\"role\":\"user\",\"content\":\"q2\"},"
    "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"r1\",\"tool_calls\":[" CALL(
        "call_a",
        "get") "," CALL("call_b",
                        "put") "]},"
                               "{\"role\":\"tool\",\"tool_call_id\":\"call_b\",\"content\":\"B\"},"
                               "{\"role\":\"tool\",\"tool_call_id\":\"call_a\",\"content\":\"A\"},"
                               "{\"role\":\"assistant\",\"content\":\"more\",\"tool_calls\":[" CALL(
                                   "call_a",
                                   "get") "]},"
                                          "{\"role\":\"tool\",\"tool_call_id\":\"call_a\",\"content\":\"C\"}]";

/* Ids run over the whole conversation; results follow their calls; reasoning since the last
 * answer is kept, older is dropped unless asked for. */
static void test_tool_history(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
#define TAIL                                                                                   \
    "{<|im_end|>}{<|im_user|>}user{<|im_middle|>}q2{<|im_end|>}"                               \
    "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}r1{</think>}"                          \
    "{<|tool_calls_section_begin|>}" SHOWN("0", "get") SHOWN(                                  \
        "1",                                                                                   \
        "put") "{<|tool_calls_section_end|>}{<|im_end|>}"                                      \
               "{<|im_system|>}tool{<|im_middle|>}## Return of functions.put:1\nB{<|im_end|>}" \
               "{<|im_system|>}tool{<|im_middle|>}## Return of functions.get:0\nA{<|im_end|>}" \
               "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}{</think>}more"             \
               "{<|tool_calls_section_begin|>}" SHOWN(                                         \
                   "2",                                                                        \
                   "get") "{<|tool_calls_section_end|>}{<|im_end|>}"                           \
                          "{<|im_system|>}tool{<|im_middle|>}## Return of functions.get:2\nC{<|im_end|>}" OPEN
    expect(t, chain, NULL, plain,
           "{<|im_user|>}user{<|im_middle|>}q{<|im_end|>}"
           "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}{</think>}old" TAIL);
    expect(t, chain, NULL, (struct seam_chat_opts){.thinking = true, .preserve_thinking = true},
           "{<|im_user|>}user{<|im_middle|>}q{<|im_end|>}"
           "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}r0{</think>}old" TAIL);
    seam_tokenizer_close(t);
}

/* Arguments given as an object are written as Python's json.dumps would. */
static void test_argument_objects(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect(t,
           "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"f\","
           "\"arguments\":{\"b\":[1,2.0,1e-7,123456789012345680.0,-0.25,null,true],"
           "\"a\":\"\\u00e9\\n\"}}}]}]",
           NULL, plain,
           "{<|im_assistant|>}assistant{<|im_middle|>}{<think>}{</think>}"
           "{<|tool_calls_section_begin|>}{<|tool_call_begin|>}functions.f:0"
           "{<|tool_call_argument_begin|>}{\"b\": [1, 2.0, 1e-07, 1.2345678901234568e+17, -0.25, "
           "null, true], \"a\": \"\xc3\xa9\\n\"}{<|tool_call_end|>}{<|tool_calls_section_end|>}"
           "{<|im_end|>}" OPEN);
    seam_tokenizer_close(t);
}

#define DECLARED(text)                                \
    "{<|im_system|>}tool_declare{<|im_middle|>}" text \
    "{<|im_end|>}{<|im_user|>}user{<|im_middle|>}a{<|im_end|>}" OPEN
#define NAMESPACE(text) "# Tools\n\n## functions\nnamespace functions {\n" text "\n}\n"

static void expect_tools(const struct seam_tokenizer *t, const char *tools, const char *want)
{
    expect(t, "[{\"role\":\"user\",\"content\":\"a\"}]", tools, plain, want);
}

static void test_tool_declarations(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect_tools(
        t,
        "[{\"type\":\"function\",\"function\":{\"name\":\"ping\"}},{\"type\":\"other\"},"
        "{\"type\":\"function\",\"function\":{\"name\":\"get\",\"description\":\"Get.\\n\\n"
        "Really.\",\"parameters\":{\"type\":\"object\",\"required\":[\"z\",\"a\"],"
        "\"properties\":{"
        "\"z\":{\"type\":\"string\",\"description\":\"last\",\"minLength\":2,"
        "\"maxLength\":9},"
        "\"a\":{\"type\":\"integer\",\"minimum\":0,\"default\":3},"
        "\"unit\":{\"enum\":[\"c\",\"f\",null,1.5],\"default\":\"c\"},"
        "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"number\",\"description\":"
        "\"one\"},\"maxItems\":3},"
        "\"flat\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}},"
        "\"any\":{\"type\":\"array\"},"
        "\"obj\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":[\"string\","
        "\"null\"]}},\"additionalProperties\":false},"
        "\"map\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},"
        "\"either\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\"}]}}}}}]",
        DECLARED(NAMESPACE("type ping = (_: {}) => any;\n"
                           "// Get.\n\n// Really.\n"
                           "type get = (_: {\n"
                           "  // minimum: 0\n"
                           "  // Default: 3\n"
                           "  a: number,\n"
                           "  // last\n"
                           "  // maxLength: 9, minLength: 2\n"
                           "  z: string,\n"
                           "  any?: Array<any>,\n"
                           "  either?: string | {},\n"
                           "  flat?: Array<boolean>,\n"
                           "  // maxItems: 3\n"
                           "  list?: Array<\n"
                           "    // one\n"
                           "    number\n"
                           "  >,\n"
                           "  map?: {\n"
                           "    [k: string]: number\n"
                           "  },\n"
                           "  obj?: {\n"
                           "    k?: string | null,\n"
                           "    [k: string]: never\n"
                           "  },\n"
                           "  // Default: \"c\"\n"
                           "  unit?: \"c\" | \"f\" | None | 1.5\n"
                           "}) => any;")));
    expect_tools(t,
                 "[{\"type\":\"function\",\"function\":{\"name\":\"tree\",\"parameters\":{"
                 "\"$defs\":{\"leaf\":{\"type\":\"object\",\"description\":\"A leaf.\","
                 "\"properties\":{\"v\":{\"type\":\"number\"}}}},"
                 "\"properties\":{\"l\":{\"$ref\":\"#/$defs/leaf\"},\"kids\":{\"type\":\"array\","
                 "\"items\":{\"$ref\":\"#\"}}}}}}]",
                 DECLARED(NAMESPACE("interface parameters {\n"
                                    "  kids?: Array<parameters>,\n"
                                    "  l?: leaf\n"
                                    "}\n"
                                    "// A leaf.\n"
                                    "interface leaf {\n"
                                    "  v?: number\n"
                                    "}\n"
                                    "type tree = (_: parameters) => any;")));
    /* a schema that the original cannot write makes the list sorted compact JSON */
    expect_tools(t,
                 "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
                 "\"object\",\"properties\":{\"x\":{\"title\":\"no type\"}}}}}]",
                 DECLARED("[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"x\":{"
                          "\"title\":\"no type\"}},\"type\":\"object\"}},\"type\":\"function\"}]"));
    expect_tools(t, "[]", "{<|im_user|>}user{<|im_middle|>}a{<|im_end|>}" OPEN);
    seam_tokenizer_close(t);
}

static void expect_bad(const struct seam_tokenizer *t, const char *messages, const char *tools,
                       const char *words)
{
    char *got;
    struct seam_err err;
    seam_status st = render(t, messages, tools, plain, &got, &err);
    if (st != SEAM_EINVAL || !strstr(err.text, words))
        fail_msg("expected '%s', got %s '%s'", words, seam_status_name(st), err.text);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect_bad(t, "[]", NULL, "messages: must be a list, and not empty");
    expect_bad(t, "{}", NULL, "messages: must be a list");
    expect_bad(t, "[1]", NULL, "messages[0]: must be an object");
    expect_bad(t, "[{\"content\":\"a\"}]", NULL, "messages[0].role: must be a string");
    expect_bad(t, "[{\"role\":\"god\",\"content\":\"a\"}]", NULL, "messages[0].role: must be sys");
    expect_bad(t, "[{\"role\":\"user\"}]", NULL, "messages[0].content: is missing");
    expect_bad(t, "[{\"role\":\"user\",\"content\":7}]", NULL, "messages[0].content: must be");
    expect_bad(t, "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", NULL,
               "messages[0].content[0]: this model reads text only");
    expect_bad(t, "[{\"role\":\"tool\",\"content\":\"a\"}]", NULL, "messages[0].tool_call_id");
    expect_bad(t, "[{\"role\":\"tool\",\"content\":\"a\",\"tool_call_id\":\"q\"}]", NULL,
               "no earlier message has a tool call");
    expect_bad(t, "[{\"role\":\"assistant\",\"tool_calls\":[{}]}]", NULL,
               "messages[0].tool_calls[0].function.name");
    expect_bad(t, "[{\"role\":\"user\",\"content\":\"a\"}]", "7", "tools: must be a list");
    char deep[4000] = "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{"
                      "\"properties\":{\"x\":";
    for (int i = 0; i < 100; i++)
        strcat(deep, "{\"type\":\"array\",\"items\":");
    strcat(deep, "{}");
    for (int i = 0; i < 100; i++)
        strcat(deep, "}");
    strcat(deep, "}}}}]");
    expect_bad(t, "[{\"role\":\"user\",\"content\":\"a\"}]", deep, "nested more than");
    seam_tokenizer_close(t);
}

/* ---- parsing ---- */

struct log {
    char text[8192];
    size_t n;
    enum seam_chat_event_kind last;
    bool any;
};

/* Events as text: R:reasoning C:content T0(id,name) A0:args E0; runs of one kind are joined. */
static void on_event(void *user, const struct seam_chat_event *ev)
{
    struct log *l = user;
    char head[600] = "";
    bool joins = l->any && l->last == ev->kind && ev->kind != SEAM_CHAT_TOOL_BEGIN;
    if (!joins) {
        const char *bar = l->any ? "|" : "";
        if (ev->kind == SEAM_CHAT_REASONING)
            snprintf(head, sizeof head, "%sR:", bar);
        else if (ev->kind == SEAM_CHAT_CONTENT)
            snprintf(head, sizeof head, "%sC:", bar);
        else if (ev->kind == SEAM_CHAT_TOOL_BEGIN)
            snprintf(head, sizeof head, "%sT%d(%s,%s)", bar, ev->index, ev->id, ev->name);
        else
            snprintf(head, sizeof head, "%s%c%d", bar, ev->kind == SEAM_CHAT_TOOL_ARGS ? 'A' : 'E',
                     ev->index);
    }
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%.*s", head, (int)ev->len,
                             ev->text);
    assert_true(l->n < sizeof l->text);
    l->last = ev->kind;
    l->any = true;
}

static void expect_events(const struct seam_tokenizer *t, bool thinking, const char *reply,
                          int n_tools, const char *want)
{
    struct seam_tokens ids = {0};
    struct seam_chat_parser *p;
    struct log l = {.n = 0};
    assert_int_equal(seam_tokenizer_encode_special(t, reply, strlen(reply), &ids, NULL), SEAM_OK);
    const struct seam_chat_expect expect = {.thinking = thinking};
    assert_int_equal(seam_chat_parser_open(&p, format_of(t), t, &expect, on_event, &l, NULL),
                     SEAM_OK);
    for (size_t i = 0; i < ids.n; i++)
        seam_chat_parser_feed(p, ids.ids[i]);
    seam_chat_parser_finish(p);
    assert_string_equal(l.text, want);
    assert_int_equal(seam_chat_parser_tool_count(p), n_tools);
    seam_chat_parser_close(p);
    seam_tokens_clear(&ids);
}

#define SB "<|tool_calls_section_begin|>"
#define SE "<|tool_calls_section_end|>"
#define CB "<|tool_call_begin|>"
#define CA "<|tool_call_argument_begin|>"
#define CE "<|tool_call_end|>"

static void test_replies(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect_events(t, true, "hmm</think>Hi.<|im_end|>", 0, "R:hmm|C:Hi.");
    expect_events(t, true, "<think>hmm</think>", 0, "R:hmm");
    expect_events(t, false, "Hi \xe4\xb8\x96\xe7\x95\x8c", 0, "C:Hi \xe4\xb8\x96\xe7\x95\x8c");
    expect_events(t, true, "", 0, "");
    expect_events(t, true,
                  "r</think>c" SB CB "functions.get:0" CA "{\"a\":1}" CE CB
                  " functions.x.put-it:12 " CA "{}" CE SE "<|im_end|>",
                  2,
                  "R:r|C:c|T0(functions.get:0,get)|A0{\"a\":1}|E0|T1(functions.put-it:12,put-it)|"
                  "A1{}|E1");
    /* reasoning that the model forgot to end; a bare name gets its prefix */
    expect_events(t, true, "r" SB "\n" CB "get:3" CA "{}" CE "\n" SE, 1,
                  "R:r|T0(functions.get:3,get)|A0{}|E0");
    seam_tokenizer_close(t);
}

/* Whatever is malformed is content, and the rest goes on. */
static void test_malformed(void **state)
{
    (void)state;
    struct seam_tokenizer *t = open_tokenizer(NULL);
    expect_events(t, false, CB "functions.f:0" CA "{}" CE, 0, "C:" CB "functions.f:0" CA "{}" CE);
    expect_events(t, false, SB CB "no id" CA "{}" CE CB "functions.f:1" CA "{}" CE SE "ok", 1,
                  "C:" CB "no id" CA "{}" CE "|T0(functions.f:1,f)|A0{}|E0|C:ok");
    expect_events(t, false, SB CB "functions.f:0", 0, "C:" CB "functions.f:0");
    expect_events(t, false, SB CB "functions.f" SE "x", 0, "C:" CB "functions.fx");
    expect_events(t, false, SB CB "functions.f:0" CA "{\"a\"", 0, "T0(functions.f:0,f)|A0{\"a\"");
    expect_events(t, false, SB CB "f:0" CA "1" CB "f:1" CA "2" SE "x", 2,
                  "T0(functions.f:0,f)|A01|E0|T1(functions.f:1,f)|A12|E1|C:x");
    expect_events(t, false, "a</think>b", 0, "C:a</think>b");
    expect_events(t, true, "a" CE "b", 0, "R:a" CE "b");
    expect_events(t, false, "\xe4\xb8" SB CB "f:0" CA "\xff" CE SE, 1,
                  "C:\xef\xbf\xbd|T0(functions.f:0,f)|A0\xef\xbf\xbd|E0");
    char longer[700] = SB CB, want[700] = "C:" CB;
    for (int i = 0; i < 400; i++) {
        strcat(longer, "n");
        strcat(want, "n");
    }
    expect_events(t, false, longer, 0, want);
    seam_tokenizer_close(t);
}

static void test_unknown_format(void **state)
{
    (void)state;
    struct gb b = {0};
    struct seam_catalog *c;
    struct seam_tokenizer *t;
    struct seam_err err;
    size_t n;
    gb_tokenizer(&b, NULL, 0);
    for (size_t i = 0; i + 12 < b.meta.n; i++) /* another model's name for it */
        if (memcmp(b.meta.p + i, "<|im_middle|>", 13) == 0)
            b.meta.p[i + 2] = 'x';
    uint8_t *p = gb_finish(&b, &n);
    assert_int_equal(seam_catalog_open_memory(&c, p, n, &err), SEAM_OK);
    free(p);
    assert_int_equal(seam_tokenizer_open(&t, c, &err), SEAM_OK);
    seam_catalog_close(c);
    const struct seam_chat_format *f;
    assert_int_equal(seam_chat_format_find(&f, t, &err), SEAM_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "no chat template"));
    seam_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_default_system),
        cmocka_unit_test(test_tool_history),
        cmocka_unit_test(test_argument_objects),
        cmocka_unit_test(test_tool_declarations),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_unknown_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
