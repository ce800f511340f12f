/* Replies of each chat format to content, reasoning and tool calls: the same whatever pieces the
 * text comes in. Every reply is fed as the tokenizer would cut it, cut in two at every place, and
 * byte by byte; special tokens stay whole, as models produce them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chat_build.h"

struct log {
    char text[8192];
    size_t n;
    enum seam_chat_event_kind last;
    bool any;
    char ids[8][64];
};

/* Events as text: R:reasoning C:content T0(name) A0:args E0; runs of one kind are joined. */
static void on_event(void *user, const struct seam_chat_event *ev)
{
    struct log *l = user;
    struct seam_utf8_stream u = {0};
    char head[600] = "", whole[1024];
    bool joins = l->any && l->last == ev->kind && ev->kind != SEAM_CHAT_TOOL_BEGIN;
    const char *bar = l->any ? "|" : "";
    assert_true(3 * (ev->len + 4) < sizeof whole);
    if (ev->len) /* never half a character */
        assert_int_equal(seam_utf8_stream_feed(&u, ev->text, ev->len, whole), ev->len);
    if (ev->kind == SEAM_CHAT_TOOL_BEGIN) {
        snprintf(head, sizeof head, "%sT%d(%s)", bar, ev->index, ev->name);
        assert_true(ev->index >= 0 && ev->index < 8 && strlen(ev->id) < 64);
        snprintf(l->ids[ev->index], sizeof l->ids[0], "%s", ev->id);
    } else if (!joins && (ev->kind == SEAM_CHAT_REASONING || ev->kind == SEAM_CHAT_CONTENT)) {
        snprintf(head, sizeof head, "%s%c:", bar, ev->kind == SEAM_CHAT_REASONING ? 'R' : 'C');
    } else if (!joins) {
        snprintf(head, sizeof head, "%s%c%d:", bar, ev->kind == SEAM_CHAT_TOOL_ARGS ? 'A' : 'E',
                 ev->index);
    }
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%.*s", head, (int)ev->len,
                             ev->text);
    assert_true(l->n < sizeof l->text);
    l->last = ev->kind;
    l->any = true;
}

struct bench { /* one family and its tools */
    struct seam_tokenizer *t;
    const struct seam_chat_format *format;
    struct seam_chat_expect expect;
    yyjson_doc *doc;
};

static const char tools_json[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get\",\"parameters\":{\"type\":\"object\","
    "\"$defs\":{\"day\":{\"enum\":[1,2,null]}},\"properties\":{"
    "\"s\":{\"type\":\"string\"},\"i\":{\"type\":\"integer\"},\"n\":{\"type\":\"number\"},"
    "\"b\":{\"type\":\"boolean\"},\"o\":{\"type\":\"object\"},\"a\":{\"type\":\"array\"},"
    "\"u\":{\"type\":[\"string\",\"null\"]},\"e\":{\"enum\":[\"x\",\"1\"]},"
    "\"y\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]},"
    "\"r\":{\"$ref\":\"#/$defs/day\"},\"c\":{\"const\":true},\"any\":{}}}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"ping\"}}]";

static struct bench open_bench(const char *family, bool thinking, bool tools)
{
    struct seam_err err;
    struct bench b = {.t = chat_open(chat_family(family))};
    if (seam_chat_format_find(&b.format, b.t, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    b.doc = yyjson_read(tools_json, strlen(tools_json), 0);
    assert_non_null(b.doc);
    b.expect = (struct seam_chat_expect){.thinking = thinking,
                                         .tools = tools ? yyjson_doc_get_root(b.doc) : NULL,
                                         .salt = 7};
    return b;
}

static void close_bench(struct bench *b)
{
    yyjson_doc_free(b->doc);
    seam_tokenizer_close(b->t);
}

static void parse(const struct bench *b, const struct seam_tokens *ids, struct log *l, int n_tools)
{
    struct seam_chat_parser *p;
    *l = (struct log){.n = 0};
    assert_int_equal(seam_chat_parser_open(&p, b->format, b->t, &b->expect, on_event, l, NULL),
                     SEAM_OK);
    for (size_t i = 0; i < ids->n; i++)
        seam_chat_parser_feed(p, ids->ids[i]);
    seam_chat_parser_finish(p);
    assert_int_equal(seam_chat_parser_tool_count(p), n_tools);
    seam_chat_parser_close(p);
}

static void add(const struct bench *b, const char *text, size_t len, struct seam_tokens *ids)
{
    assert_int_equal(seam_tokenizer_encode_special(b->t, text, len, ids, NULL), SEAM_OK);
}

/* Tokens of the reply, each that is no special token again as one token per byte. */
static void in_bytes(const struct bench *b, const struct seam_tokens *ids, struct seam_tokens *out)
{
    for (size_t i = 0; i < ids->n; i++) {
        struct seam_str s = seam_tokenizer_bytes(b->t, ids->ids[i]);
        bool special = ids->ids[i] >= 600;
        for (size_t k = 0; k < s.len && !special; k++)
            assert_int_equal(seam_tokenizer_encode(b->t, s.p + k, 1, out, NULL), SEAM_OK);
        if (special)
            assert_int_equal(seam_tokens_push(out, ids->ids[i], NULL), SEAM_OK);
    }
}

static void expect(const struct bench *b, const char *reply, int n_tools, const char *want)
{
    struct seam_tokens ids = {0}, bytes = {0};
    struct log l;
    size_t len = strlen(reply);
    add(b, reply, len, &ids);
    parse(b, &ids, &l, n_tools);
    assert_string_equal(l.text, want);
    in_bytes(b, &ids, &bytes);
    parse(b, &bytes, &l, n_tools);
    assert_string_equal(l.text, want);
    /* a cut within a special token's name leaves text: then the two halves are other tokens */
    size_t n_special = 0;
    for (size_t i = 0; i < ids.n; i++)
        n_special += ids.ids[i] >= 600;
    for (size_t cut = 1; cut < len; cut++) {
        struct seam_tokens two = {0};
        size_t n = 0;
        add(b, reply, cut, &two);
        add(b, reply + cut, len - cut, &two);
        for (size_t i = 0; i < two.n; i++)
            n += two.ids[i] >= 600;
        if (n == n_special) {
            parse(b, &two, &l, n_tools);
            assert_string_equal(l.text, want);
        }
        seam_tokens_clear(&two);
    }
    seam_tokens_clear(&ids);
    seam_tokens_clear(&bytes);
}

#define CALL(json) "<tool_call>\n" json "\n</tool_call>"

static void test_qwen3(void **state)
{
    (void)state;
    struct bench b = open_bench("qwen3", true, true);
    expect(&b, "Hi.<|im_end|>", 0, "C:Hi.");
    expect(&b, "<think>\nhm\n\nhm\n</think>\n\nHi.\n", 0, "R:hm\n\nhm|C:Hi.\n");
    expect(&b, "<think>\n\n</think>\n\n你好 🙂", 0, "C:你好 🙂");
    expect(&b, "<think>\nhm", 0, "R:hm");
    expect(&b,
           "<think>\nr\n</think>\n\nc\n" CALL("{\"name\": \"get\", \"arguments\": {\"s\": "
                                              "\"a}\\\"{ \xc3\xa9\", \"o\": {\"k\": [1, {}]}}}"),
           1, "R:r|C:c|T0(get)|A0:{\"s\": \"a}\\\"{ \xc3\xa9\", \"o\": {\"k\": [1, {}]}}|E0:");
    expect(&b,
           CALL("{\"name\": \"get\", \"arguments\": {}}") "\n" CALL(
               "{\"name\": \"ping\", \"arguments\": {}}") "\n<|im_end|>",
           2, "T0(get)|A0:{}|E0:|T1(ping)|A1:{}|E1:");
    /* another order, arguments as text, none at all, a name that nobody declared */
    expect(&b, CALL("{\"arguments\": {\"i\": 1}, \"name\": \"get\"}"), 1,
           "T0(get)|A0:{\"i\":1}|E0:");
    expect(&b, CALL("{\"name\": \"get\", \"arguments\": \"{\\\"i\\\": 1}\"}"), 1,
           "T0(get)|A0:{\"i\": 1}|E0:");
    expect(&b, CALL("{\"name\": \"other\"}"), 1, "T0(other)|A0:{}|E0:");
    expect(&b, CALL("{\"type\": \"function\", \"name\": \"get\", \"parameters\": {\"i\": 1}}"), 1,
           "T0(get)|A0:{\"i\": 1}|E0:");
    /* a key after the arguments is no argument */
    expect(&b, CALL("{\"name\": \"get\", \"arguments\": {\"i\": 1}, \"id\": \"}\"}"), 1,
           "T0(get)|A0:{\"i\": 1}|E0:");
    close_bench(&b);
}

static void test_qwen3_malformed(void **state)
{
    (void)state;
    struct bench b = open_bench("qwen3", true, true);
    expect(&b, "a</think>b", 0, "C:a</think>b");
    expect(&b, "a</tool_call>b", 0, "C:a</tool_call>b");
    expect(&b, "a" CALL("no json") "b", 0, "C:a<tool_call>no json\n</tool_call>b");
    expect(&b, CALL("{\"city\": \"Oslo\"}"), 0, "C:<tool_call>{\"city\": \"Oslo\"}\n</tool_call>");
    expect(&b, CALL("{\"name\": 7, \"arguments\": {}}"), 0,
           "C:<tool_call>{\"name\": 7, \"arguments\": {}}\n</tool_call>");
    expect(&b, "<tool_call>\n{\"name\": \"get", 0, "C:<tool_call>{\"name\": \"get");
    expect(&b, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"s\": \"x", 0,
           "T0(get)|A0:{\"s\": \"x");
    expect(&b, CALL("{\"name\": \"get\", \"arguments\": {\"s\": 1}"), 1,
           "T0(get)|A0:{\"s\": 1}|E0:");
    expect(&b, CALL("{\"name\": \"get\", \"arguments\": {\"s\": 1"), 1,
           "T0(get)|A0:{\"s\": 1\n|E0:");
    /* thoughts that the model forgot to end; a call that it forgot to end */
    expect(&b, "<think>\nr" CALL("{\"name\": \"get\", \"arguments\": {}}"), 1,
           "R:r|T0(get)|A0:{}|E0:");
    expect(&b, "<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n" CALL("{\"name\": \"ping\"}"),
           2, "T0(get)|A0:{}|E0:|T1(ping)|A1:{}|E1:");
    expect(&b, "<tool_call></tool_call>", 0, "C:<tool_call></tool_call>");
    close_bench(&b);
}

/* Where the prompt has opened <think>. */
static void test_opened(void **state)
{
    (void)state;
    static const char *const families[] = {"qwen3-thinking", "qwen3.5", "qwen3.5-small"};
    for (size_t i = 0; i < 3; i++) {
        struct bench b = open_bench(families[i], true, true);
        expect(&b, "hm\n\nhm\n</think>\n\nHi.", 0, "R:hm\n\nhm|C:Hi.");
        expect(&b, "<think>\nhm\n</think>\n\nHi.", 0, "R:hm|C:Hi.");
        expect(&b, "\n\n</think>\n\nHi.\n\n", 0, "C:Hi.\n\n");
        expect(&b, "hm", 0, "R:hm");
        close_bench(&b);
    }
    struct bench b = open_bench("qwen3.5", false, true);
    expect(&b, "Hi.</think>", 0, "C:Hi.</think>");
    close_bench(&b);
    b = open_bench("kimi-k2", true, true);
    expect(&b, "hm</think>Hi.", 0, "R:hm|C:Hi.");
    close_bench(&b);
    b = open_bench("kimi-k2-thinking", true, true); /* opens it itself */
    expect(&b, "<think>hm</think>Hi.", 0, "R:hm|C:Hi.");
    close_bench(&b);
}

#define FUNCTION(name, params) \
    "<tool_call>\n<function=" name ">\n" params "</function>\n</tool_call>"
#define PARAM(name, value) "<parameter=" name ">\n" value "\n</parameter>\n"

static void test_qwen35(void **state)
{
    (void)state;
    struct bench b = open_bench("qwen3.5", true, true);
    expect(&b, "r\n</think>\n\nc\n\n" FUNCTION("get", PARAM("s", "Oslo")) "<|im_end|>", 1,
           "R:r|C:c|T0(get)|A0:{\"s\": \"Oslo\"}|E0:");
    expect(&b, "r\n</think>\n\n" FUNCTION("ping", "") "\n" FUNCTION("get", PARAM("i", "-7")), 2,
           "R:r|T0(ping)|A0:{}|E0:|T1(get)|A1:{\"i\": -7}|E1:");
    /* strings stay strings, with their newlines, quotes, tags and backslashes */
    expect(&b, "</think>" FUNCTION("get", PARAM("s", "\n a \"b\" \\ 1\n</p </parameter\n")), 1,
           "T0(get)|A0:{\"s\": \"\\n a \\\"b\\\" \\\\ 1\\n</p </parameter\\n\"}|E0:");
    expect(&b, "</think>" FUNCTION("get", PARAM("s", "42") PARAM("e", "1")), 1,
           "T0(get)|A0:{\"s\": \"42\", \"e\": \"1\"}|E0:");
    expect(&b, "</think>" FUNCTION("get", PARAM("s", "") PARAM("s", "null") PARAM("s", "é🙂")),
           1, "T0(get)|A0:{\"s\": \"\", \"s\": \"null\", \"s\": \"é🙂\"}|E0:");
    expect(&b, "</think>" FUNCTION("get", "<parameter=s>x</parameter><parameter=i>3</parameter>"),
           1, "T0(get)|A0:{\"s\": \"x\", \"i\": 3}|E0:");
    close_bench(&b);
}

/* What the schema allows decides what a value is. */
static void test_qwen35_types(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *json;
    } values[] = {
        {"i", "3", "3"},
        {"i", "3.0", "3.0"},
        {"i", "three", "\"three\""},
        {"i", "007", "\"007\""},
        {"n", "1.5e3", "1.5e3"},
        {"n", "true", "\"true\""},
        {"b", "true", "true"},
        {"b", "False", "false"},
        {"b", "1", "\"1\""},
        {"o", "{\"a\": [1, {\"b\": \"</p>\"}]}", "{\"a\": [1, {\"b\": \"</p>\"}]}"},
        {"o", "{'a': 1}", "\"{'a': 1}\""},
        {"o", "[1]", "\"[1]\""},
        {"a", " [1,\n2] ", "[1,\n2]"},
        {"u", "null", "null"},
        {"u", "None", "null"},
        {"u", "nullable", "\"nullable\""},
        {"u", "5", "\"5\""},
        {"y", "5", "5"},
        {"y", "five", "\"five\""},
        {"y", "null", "\"null\""},
        {"r", "2", "2"},
        {"r", "None", "null"},
        {"c", "True", "true"},
        {"any", "5", "5"},
        {"any", "[]", "[]"},
        {"any", "\"q\"", "\"\\\"q\\\"\""},
        {"any", "words", "\"words\""},
        {"nobody's", "true", "true"},
        {"nobody's", "x", "\"x\""},
    };
    struct bench b = open_bench("qwen3.5", false, true);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char reply[512], want[512];
        snprintf(reply, sizeof reply, FUNCTION("get", PARAM("%s", "%s")), values[i].name,
                 values[i].text);
        snprintf(want, sizeof want, "T0(get)|A0:{\"%s\": %s}|E0:", values[i].name, values[i].json);
        expect(&b, reply, 1, want);
    }
    close_bench(&b);
}

/* A client's schema that refers to itself 40 times on each level must not keep the server busy. */
static void test_qwen35_endless_schema(void **state)
{
    (void)state;
    char json[4096] = "[{\"function\":{\"name\":\"get\",\"parameters\":{\"properties\":{\"x\":{"
                      "\"$ref\":\"#/d\"}},\"d\":{\"anyOf\":[{\"type\":\"string\"}";
    for (int i = 0; i < 40; i++)
        strcat(json, ",{\"$ref\":\"#/d\"}");
    strcat(json, "]}}}}]");
    struct bench b = open_bench("qwen3.5", false, true);
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    assert_non_null(doc);
    b.expect.tools = yyjson_doc_get_root(doc);
    expect(&b, FUNCTION("get", PARAM("x", "5")), 1, "T0(get)|A0:{\"x\": 5}|E0:");
    yyjson_doc_free(doc);
    close_bench(&b);
}

static void test_qwen35_malformed(void **state)
{
    (void)state;
    struct bench b = open_bench("qwen3.5", false, true);
    expect(&b, "a<tool_call>\nx</tool_call>b", 0, "C:a<tool_call>x</tool_call>b");
    expect(&b, "<tool_call>\n<function=>\n</function></tool_call>", 0,
           "C:<tool_call><function=>\n</function></tool_call>");
    expect(&b, "<tool_call>\n<function=\xff>\n</function></tool_call>", 0,
           "C:<tool_call><function=\xef\xbf\xbd>\n</function></tool_call>");
    expect(&b, "<tool_call>\n<func", 0, "C:<tool_call><func");
    expect(&b, "<tool_call></tool_call>", 0, "C:<tool_call></tool_call>");
    /* the reply is cut off */
    expect(&b, "<tool_call>\n<function=get>\n<parameter=s>\nab</par", 0,
           "T0(get)|A0:{\"s\": \"ab</par");
    expect(&b, "<tool_call>\n<function=get>\n<parameter=i>\n12", 0, "T0(get)|A0:{\"i\": \n12");
    /* ends that the model forgot */
    expect(&b, "<tool_call>\n<function=get>\n<parameter=s>\nab\n</parameter>\n</tool_call>", 1,
           "T0(get)|A0:{\"s\": \"ab\"}|E0:");
    expect(&b, "<tool_call>\n<function=get>\n<parameter=s>\nab\n</function>\n</tool_call>", 1,
           "T0(get)|A0:{\"s\": \"ab\"}|E0:");
    expect(&b, "<tool_call>\n<function=get>\n<parameter=i>\n1\n</tool_call>", 1,
           "T0(get)|A0:{\"i\": 1}|E0:");
    /* words between tags are content, and the call goes on */
    expect(&b, FUNCTION("get", "oops" PARAM("i", "1")), 1, "T0(get)|C:oops|A0:{\"i\": 1}|E0:");
    close_bench(&b);
}

static void test_llama3(void **state)
{
    (void)state;
    struct bench b = open_bench("llama3.1", false, true);
    expect(&b, "Hi {you}.<|eot_id|>", 0, "C:Hi {you}.");
    expect(&b, "{\"name\": \"get\", \"parameters\": {\"s\": \"Oslo\"}}<|eot_id|>", 1,
           "T0(get)|A0:{\"s\": \"Oslo\"}|E0:");
    expect(&b, "<|python_tag|>{\"name\": \"get\", \"parameters\": {}}<|eom_id|>", 1,
           "T0(get)|A0:{}|E0:");
    expect(&b,
           "\n {\"name\": \"ping\", \"arguments\": {}} ; \n{\"name\": \"get\", \"parameters\": "
           "{\"i\": 1}}\n",
           2, "T0(ping)|A0:{}|E0:|T1(get)|A1:{\"i\": 1}|E1:");
    expect(&b, "{\"type\": \"function\", \"name\": \"get\", \"parameters\": {\"o\": {}}}", 1,
           "T0(get)|A0:{\"o\": {}}|E0:");
    /* JSON that is no call of a declared tool is content */
    expect(&b, "{\"name\": \"Bob\", \"parameters\": {}}", 0,
           "C:{\"name\": \"Bob\", \"parameters\": {}}");
    expect(&b, "{\"name\": \"get\"}", 0, "C:{\"name\": \"get\"}");
    expect(&b, "{\"age\": 3, \"more\": [1, 2]} and words", 0,
           "C:{\"age\": 3, \"more\": [1, 2]} and words");
    expect(&b, " {} ", 0, "C: {} ");
    expect(&b, "{\"name\": \"get\", \"parameters\": {}} and words", 1,
           "T0(get)|A0:{}|E0:|C: and words");
    expect(&b, "{\"name\": \"get\", \"param", 0, "C:{\"name\": \"get\", \"param");
    expect(&b, "<|python_tag|>print(1)<|eom_id|>", 0, "C:<|python_tag|>print(1)");
    expect(&b, "a<|python_tag|>b", 0, "C:a<|python_tag|>b");
    expect(&b, "  \n", 0, "C:  \n");
    close_bench(&b);
    b = open_bench("llama3.2", false, false); /* no tools: nothing is a call */
    expect(&b, "{\"name\": \"get\", \"parameters\": {}}", 0,
           "C:{\"name\": \"get\", \"parameters\": {}}");
    close_bench(&b);
}

/* OpenAI's form, the same for the same reply, others for another salt or another call. */
static void test_ids(void **state)
{
    (void)state;
    static const char reply[] = FUNCTION("get", "") FUNCTION("get", "") FUNCTION("ping", "");
    struct bench b = open_bench("qwen3.5", false, true);
    struct seam_tokens ids = {0};
    struct log l, again, other;
    add(&b, reply, strlen(reply), &ids);
    parse(&b, &ids, &l, 3);
    parse(&b, &ids, &again, 3);
    b.expect.salt = 8;
    parse(&b, &ids, &other, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(strlen(l.ids[i]), 21);
        assert_memory_equal(l.ids[i], "call_", 5);
        assert_string_equal(l.ids[i], again.ids[i]);
        for (int k = 0; k < 3; k++) {
            assert_string_not_equal(l.ids[i], other.ids[k]);
            if (i != k)
                assert_string_not_equal(l.ids[i], l.ids[k]);
        }
    }
    seam_tokens_clear(&ids);
    close_bench(&b);
}

/* ---- there and back ---- */

/* The events of a reply as the message that a client sends back with the next request. */
struct gathered {
    yyjson_mut_doc *doc;
    yyjson_mut_val *message, *calls;
    char text[3][2048]; /* reasoning, content, arguments of the call that is open */
};

static void gather(void *user, const struct seam_chat_event *ev)
{
    struct gathered *g = user;
    int which = ev->kind == SEAM_CHAT_REASONING ? 0 : ev->kind == SEAM_CHAT_CONTENT ? 1 : 2;
    size_t at = strlen(g->text[which]);
    if (ev->kind == SEAM_CHAT_TOOL_BEGIN) {
        yyjson_mut_val *call = yyjson_mut_arr_add_obj(g->doc, g->calls);
        yyjson_mut_obj_add_strcpy(g->doc, call, "id", ev->id);
        yyjson_mut_val *f = yyjson_mut_obj_add_obj(g->doc, call, "function");
        yyjson_mut_obj_add_strcpy(g->doc, f, "name", ev->name);
    } else if (ev->kind == SEAM_CHAT_TOOL_END) {
        yyjson_mut_val *f = yyjson_mut_obj_get(yyjson_mut_arr_get_last(g->calls), "function");
        yyjson_mut_obj_add_strcpy(g->doc, f, "arguments", g->text[2]);
        g->text[2][0] = '\0';
    } else {
        assert_true(at + ev->len < sizeof g->text[which]);
        memcpy(g->text[which] + at, ev->text, ev->len);
        g->text[which][at + ev->len] = '\0';
    }
}

static void parse_into(const struct bench *b, const char *reply, struct gathered *g)
{
    struct seam_tokens ids = {0};
    struct seam_chat_parser *p;
    add(b, reply, strlen(reply), &ids);
    assert_int_equal(seam_chat_parser_open(&p, b->format, b->t, &b->expect, gather, g, NULL),
                     SEAM_OK);
    for (size_t i = 0; i < ids.n; i++)
        seam_chat_parser_feed(p, ids.ids[i]);
    seam_chat_parser_finish(p);
    seam_chat_parser_close(p);
    seam_tokens_clear(&ids);
}

/* A reply that is read and sent back is in the next prompt as the model wrote it. */
static void there_and_back(const char *family, const char *reply)
{
    struct bench b = open_bench(family, true, true);
    struct gathered g = {.doc = yyjson_mut_doc_new(NULL)};
    struct seam_tokens prompt = {0};
    struct seam_err err;
    yyjson_mut_val *messages = yyjson_mut_arr(g.doc), *m = yyjson_mut_arr_add_obj(g.doc, messages);
    yyjson_mut_doc_set_root(g.doc, messages);
    yyjson_mut_obj_add_str(g.doc, m, "role", "user");
    yyjson_mut_obj_add_str(g.doc, m, "content", "q");
    g.message = yyjson_mut_arr_add_obj(g.doc, messages);
    g.calls = yyjson_mut_arr(g.doc);
    parse_into(&b, reply, &g);
    yyjson_mut_obj_add_str(g.doc, g.message, "role", "assistant");
    yyjson_mut_obj_add_str(g.doc, g.message, "reasoning_content", g.text[0]);
    yyjson_mut_obj_add_str(g.doc, g.message, "content", g.text[1]);
    if (yyjson_mut_arr_size(g.calls))
        yyjson_mut_obj_add_val(g.doc, g.message, "tool_calls", g.calls);
    yyjson_doc *doc = yyjson_mut_doc_imut_copy(g.doc, NULL);
    const struct seam_chat_opts opts = {.thinking = true};
    if (seam_chat_render(b.format, b.t, yyjson_doc_get_root(doc), NULL, &opts, &prompt, &err))
        fail_msg("%s", err.text);
    char text[8192];
    size_t n = 0;
    for (size_t i = 0; i < prompt.n; i++) {
        struct seam_str s = seam_tokenizer_bytes(b.t, prompt.ids[i]);
        assert_true(n + s.len < sizeof text);
        memcpy(text + n, s.p, s.len);
        n += s.len;
    }
    text[n] = '\0';
    if (!strstr(text, reply))
        fail_msg("'%s' is not in '%s'", reply, text);
    seam_tokens_clear(&prompt);
    yyjson_doc_free(doc);
    yyjson_mut_doc_free(g.doc);
    close_bench(&b);
}

static void test_there_and_back(void **state)
{
    (void)state;
    there_and_back("kimi-k2", "hm</think>ok<|tool_calls_section_begin|><|tool_call_begin|>"
                              "functions.get:0<|tool_call_argument_begin|>{\"s\":\"é\"}"
                              "<|tool_call_end|><|tool_calls_section_end|><|im_end|>");
    there_and_back("qwen3.5", "hm\n\nhm\n</think>\n\nok<|im_end|>");
    there_and_back("qwen3.5",
                   "hm\n</think>\n\nok\n\n" FUNCTION(
                       "get",
                       PARAM("s", "a\n\"b\" 42\n") PARAM("i", "-7") PARAM("b", "True") PARAM("u",
                                                                                             "None")
                           PARAM("o",
                                 "{\"k\": [1, {\"é\": \"\\n\"}]}")) "\n" FUNCTION("ping",
                                                                                  "") "<|im_end|>");
    there_and_back("qwen3.6",
                   "hm\n</think>\n\n" FUNCTION("get", PARAM("b", "true") PARAM("u", "null")
                                                          PARAM("n", "2.5")) "<|im_end|>");
    there_and_back(
        "qwen3",
        "<think>\nhm\n</think>\n\nok\n" CALL("{\"name\": \"get\", \"arguments\": {\"s\":\"é}\", \"o\" : {}}}") "\n" CALL(
            "{\"name\": \"ping\", \"arguments\": {}}") "<|im_end|>");
    there_and_back("qwen3-thinking", "hm\n</think>\n\nok<|im_end|>");
    there_and_back("qwen3-instruct", "ok<|im_end|>");
    there_and_back("llama3.1", "ok<|eot_id|>");
    there_and_back("llama3.1",
                   "{\"name\": \"get\", \"parameters\": {\"s\": \"é\", \"i\": 3}}<|eot_id|>");
}

/* ---- which format ---- */

static void expect_refused(const char *const *tokens, const char *template, const char *words)
{
    struct seam_err err;
    const struct seam_chat_format *f;
    struct seam_tokenizer *t = chat_tokenizer(tokens, tokens[0], template);
    assert_int_equal(seam_chat_format_find(&f, t, &err), SEAM_EUNSUPPORTED);
    assert_null(f);
    if (!strstr(err.text, words))
        fail_msg("expected '%s' in '%s'", words, err.text);
    assert_non_null(strstr(err.text, "'seam run' can still complete plain text"));
    seam_tokenizer_close(t);
}

static void test_refused_by_name(void **state)
{
    (void)state;
    static const char *const half[] = {"<|im_start|>", "<|im_end|>", NULL};
    expect_refused(chat_qwen_tokens, NULL, "has no chat template");
    expect_refused(chat_qwen_tokens, "<|im_start|>{{ content }}", "ChatML");
    expect_refused(chat_llama_tokens, "<|start_header_id|>{{ content }}", "Llama 3's");
    expect_refused(chat_llama_tokens, "[INST] {{ content }}", "Mistral's");
    expect_refused(chat_llama_tokens, "<start_of_turn>model", "Gemma's");
    expect_refused(chat_kimi_tokens, "{{ content }}", "template is not known");
    /* nearly, but Seam would render them wrong */
    expect_refused(chat_qwen_tokens, CHAT_QWEN3 "<think>", "ChatML");
    expect_refused(chat_llama_tokens, CHAT_LLAMA3 "if system_message %}", "Llama 3's");
    expect_refused(half, CHAT_QWEN3, "lacks '<think>'");
}

static void test_thinking(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        enum seam_chat_thinking want;
    } rows[] = {
        {"kimi-k2", SEAM_CHAT_ON},
        {"kimi-k2-thinking", SEAM_CHAT_ALWAYS},
        {"kimi-k2-instruct", SEAM_CHAT_NEVER},
        {"qwen3.5", SEAM_CHAT_ON},
        {"qwen3.5-small", SEAM_CHAT_OFF},
        {"qwen3", SEAM_CHAT_ON},
        {"qwen3-thinking", SEAM_CHAT_ALWAYS},
        {"qwen3-instruct", SEAM_CHAT_NEVER},
        {"llama3.1", SEAM_CHAT_NEVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b = open_bench(rows[i].family, false, false);
        assert_int_equal(seam_chat_format_thinking(b.format, b.t), rows[i].want);
        close_bench(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qwen3),
        cmocka_unit_test(test_qwen3_malformed),
        cmocka_unit_test(test_opened),
        cmocka_unit_test(test_qwen35),
        cmocka_unit_test(test_qwen35_types),
        cmocka_unit_test(test_qwen35_endless_schema),
        cmocka_unit_test(test_qwen35_malformed),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused_by_name),
        cmocka_unit_test(test_thinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
