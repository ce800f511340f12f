/* xml_call.c -
 *
 *             <function=NAME>             <parameter=NAME>
 *   OUTSIDE ------------------> FUNCTION ------------------> VALUE
 *    |   ^     </function>       |    ^     </parameter>       |
 *    |   '-----------------------'    '------------------------'
 *    '-> BROKEN: no call at all, so everything up to </tool_call> is content */
#include "model/xml_call.h"

#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "model/utf8.h"

#define NAME_MAX_BYTES 256u

/* ---- what the schema allows ---- */

enum {
    T_STRING = 1,
    T_NUMBER = 2,
    T_BOOL = 4,
    T_NULL = 8,
    T_OBJECT = 16,
    T_ARRAY = 32,
    T_ANY = 63
};

static unsigned type_of_word(yyjson_val *word)
{
    static const struct {
        const char *word;
        unsigned type;
    } words[] = {
        {"string", T_STRING}, {"number", T_NUMBER}, {"integer", T_NUMBER}, {"boolean", T_BOOL},
        {"null", T_NULL},     {"object", T_OBJECT}, {"array", T_ARRAY},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (yyjson_equals_str(word, words[i].word))
            return words[i].type;
    return T_ANY;
}

static unsigned type_of_value(yyjson_val *v)
{
    return yyjson_is_str(v)    ? T_STRING
           : yyjson_is_num(v)  ? T_NUMBER
           : yyjson_is_bool(v) ? T_BOOL
           : yyjson_is_obj(v)  ? T_OBJECT
           : yyjson_is_arr(v)  ? T_ARRAY
                               : T_NULL;
}

/* A schema may refer to itself, several times over: after this many parts nothing is known. */
#define SCHEMA_PARTS 256u

struct walk {
    yyjson_val *root; /* what "#/..." is in */
    unsigned left;    /* parts that may still be looked at */
};

static unsigned types_of(struct walk *w, yyjson_val *schema);

static unsigned types_of_list(yyjson_val *list, unsigned (*one)(yyjson_val *v))
{
    unsigned types = 0;
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach(list, i, max, v)
    {
        types |= one(v);
    }
    return types;
}

static unsigned types_of_choice(struct walk *w, yyjson_val *schema, const char *key)
{
    unsigned types = 0;
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach(yyjson_obj_get(schema, key), i, max, v)
    {
        if (types == T_ANY)
            break;
        types |= types_of(w, v);
    }
    return types;
}

/* Everything that a value of this schema can be; T_ANY when it does not say. */
static unsigned types_of(struct walk *w, yyjson_val *schema)
{
    yyjson_val *ref = yyjson_obj_get(schema, "$ref"), *type = yyjson_obj_get(schema, "type"),
               *one = yyjson_obj_get(schema, "const");
    unsigned types = 0;
    if (w->left-- <= 1) {
        w->left = 1;
        return T_ANY;
    }
    if (yyjson_is_str(ref) && *yyjson_get_str(ref) == '#')
        return types_of(w,
                        yyjson_ptr_getn(w->root, yyjson_get_str(ref) + 1, yyjson_get_len(ref) - 1));
    if (type)
        types = yyjson_is_arr(type) ? types_of_list(type, type_of_word) : type_of_word(type);
    else if (one)
        types = type_of_value(one);
    else
        types = types_of_list(yyjson_obj_get(schema, "enum"), type_of_value) |
                types_of_choice(w, schema, "anyOf") | types_of_choice(w, schema, "oneOf") |
                types_of_choice(w, schema, "allOf");
    if (yyjson_is_true(yyjson_obj_get(schema, "nullable")))
        types |= types ? T_NULL : T_ANY;
    return types ? types : T_ANY;
}

/* ---- values ---- */

static void say(struct seam_xml_call *c, const char *json, size_t n)
{
    if (n)
        seam_chat_say(c->say, SEAM_CHAT_TOOL_ARGS, json, n);
}

static void say_escaped(struct seam_xml_call *c, const char *p, size_t n)
{
    struct seam_buf text = {0};
    seam_text_escape(&text, p, n);
    say(c, text.p ? text.p : "", text.n);
    seam_buf_release(&text);
}

/* The template writes Python's words for these in the history, so the model may as well. */
static const char *python_word(struct seam_str s, unsigned types)
{
    static const struct {
        const char *python, *json;
        unsigned type;
    } words[] = {{"True", "true", T_BOOL}, {"False", "false", T_BOOL}, {"None", "null", T_NULL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (types & words[i].type && s.len == strlen(words[i].python) &&
            memcmp(s.p, words[i].python, s.len) == 0)
            return words[i].json;
    return NULL;
}

/* As JSON if the schema allows what it then is, else as a string. */
static void say_value(struct seam_xml_call *c, struct seam_str text)
{
    struct seam_str s = seam_text_strip(text);
    const char *word = python_word(s, c->types);
    yyjson_doc *doc = word ? NULL : yyjson_read(s.p, s.len, 0);
    yyjson_val *v = yyjson_doc_get_root(doc);
    if (word) {
        say(c, word, strlen(word));
    } else if (v && !yyjson_is_str(v) && c->types & type_of_value(v)) {
        say(c, s.p, s.len);
    } else {
        say(c, "\"", 1);
        say_escaped(c, text.p, text.len);
        say(c, "\"", 1);
    }
    yyjson_doc_free(doc);
}

/* ---- the parts of a call ---- */

static yyjson_val *schema_of(yyjson_val *tools, const char *name)
{
    size_t i, max;
    yyjson_val *tool;
    yyjson_arr_foreach(tools, i, max, tool)
    {
        yyjson_val *f = yyjson_obj_get(tool, "function");
        if (yyjson_equals_str(yyjson_obj_get(f, "name"), name))
            return yyjson_obj_get(f, "parameters");
    }
    return NULL;
}

static void begin_function(struct seam_xml_call *c, const char *name)
{
    c->schema = schema_of(c->tools, name);
    c->n_params = 0;
    c->any = true;
    c->state = SEAM_XML_FUNCTION;
    seam_chat_say_begin(c->say, NULL, name);
}

static void end_function(struct seam_xml_call *c)
{
    say(c, c->n_params ? "}" : "{}", c->n_params ? 1 : 2);
    seam_chat_say_end(c->say);
    c->state = SEAM_XML_OUTSIDE;
}

static void begin_value(struct seam_xml_call *c, const char *name)
{
    yyjson_val *properties = yyjson_obj_get(c->schema, "properties");
    const char *before = c->n_params ? ", \"" : "{\"";
    say(c, before, strlen(before));
    c->n_params++;
    say_escaped(c, name, strlen(name));
    say(c, "\": ", 3);
    struct walk walk = {c->schema, SCHEMA_PARTS};
    c->types = types_of(&walk, yyjson_obj_get(properties, name));
    if (c->types == T_STRING)
        say(c, "\"", 1);
    c->fresh = true;
    c->scanned = 0;
    c->state = SEAM_XML_VALUE;
}

/* The newline after <parameter=...> and the one before </parameter> are layout. */
static struct seam_str without_layout(struct seam_xml_call *c, size_t n)
{
    struct seam_str s = {c->held.p ? c->held.p : "", n};
    if (c->fresh && s.len && *s.p == '\n')
        s.p++, s.len--;
    if (s.len && s.p[s.len - 1] == '\n')
        s.len--;
    return s;
}

static void end_value(struct seam_xml_call *c, size_t n)
{
    struct seam_str s = without_layout(c, n);
    if (c->types == T_STRING) {
        say_escaped(c, s.p, s.len);
        say(c, "\"", 1);
    } else {
        say_value(c, s);
    }
    c->state = SEAM_XML_FUNCTION;
}

/* ---- reading ---- */

static const char end_tag[] = "\n</parameter>";

static size_t find(const struct seam_buf *b, size_t from, const char *words)
{
    size_t n = strlen(words);
    for (size_t i = from; i + n <= b->n; i++)
        if (memcmp(b->p + i, words, n) == 0)
            return i;
    return SIZE_MAX;
}

/* How much of the end may be the beginning of what ends a string: </parameter>, with or without
 * its newline, or where the model forgets it, </function> before </tool_call>. */
static size_t may_be_end_tag(const struct seam_buf *b)
{
    static const char *const tags[] = {end_tag, end_tag + 1, "\n</function>\n"};
    size_t longest = strlen(end_tag);
    for (size_t n = b->n < longest ? b->n : longest; n > 0; n--)
        for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
            if (n <= strlen(tags[i]) && memcmp(b->p + b->n - n, tags[i], n) == 0)
                return n;
    return 0;
}

/* False: more is needed. */
static bool read_value(struct seam_xml_call *c)
{
    size_t n = strlen(end_tag + 1), from = c->scanned < n ? 0 : c->scanned - n;
    size_t at = find(&c->held, from, end_tag + 1);
    c->scanned = c->held.n;
    if (at != SIZE_MAX) {
        end_value(c, at);
        seam_buf_consume(&c->held, at + n);
        return true;
    }
    if (c->types != T_STRING)
        return false;
    if (c->fresh && c->held.n && *c->held.p == '\n')
        seam_buf_consume(&c->held, 1);
    else if (c->held.n == 0)
        return false;
    c->fresh = false;
    c->scanned = 0;
    size_t safe = c->held.n - may_be_end_tag(&c->held);
    say_escaped(c, c->held.p, safe);
    seam_buf_consume(&c->held, safe);
    return false;
}

static bool is_utf8(const char *s, size_t n)
{
    int step;
    for (size_t i = 0; i < n; i += (size_t)step)
        if ((step = seam_utf8_step((const unsigned char *)s + i, n - i)) <= 0)
            return false;
    return true;
}

enum tag { TAG_NONE, TAG_MORE, TAG_WHOLE };

/* A tag "<WORDS" + name + ">" at the beginning of what is held; consumed when it is whole. */
static enum tag read_tag(struct seam_xml_call *c, const char *words, char name[NAME_MAX_BYTES])
{
    size_t n = strlen(words), have = c->held.n < n ? c->held.n : n, len = 0;
    if (memcmp(c->held.p, words, have) != 0)
        return TAG_NONE;
    if (have < n)
        return TAG_MORE;
    while (n + len < c->held.n && c->held.p[n + len] != '>') {
        char b = c->held.p[n + len];
        if (b == '\n' || b == '<' || b == '\0' || len + 1 >= NAME_MAX_BYTES)
            return TAG_NONE;
        name[len++] = b;
    }
    name[len] = '\0';
    if (n + len == c->held.n)
        return TAG_MORE;
    if (len == 0 || !is_utf8(name, len))
        return TAG_NONE;
    seam_buf_consume(&c->held, n + len + 1);
    return TAG_WHOLE;
}

static void skip_layout(struct seam_xml_call *c)
{
    size_t n = 0;
    while (n < c->held.n && strchr(" \t\r\n", c->held.p[n]) && c->held.p[n])
        n++;
    seam_buf_consume(&c->held, n);
}

static void say_content(struct seam_xml_call *c, const char *p, size_t n)
{
    if (n)
        seam_chat_say(c->say, SEAM_CHAT_CONTENT, p, n);
}

/* What begins here is no call: it and all that follows is content. */
static void give_up(struct seam_xml_call *c)
{
    if (!c->any)
        say_content(c, "<tool_call>", 11);
    c->state = SEAM_XML_BROKEN;
}

static bool read_outside(struct seam_xml_call *c)
{
    char name[NAME_MAX_BYTES];
    skip_layout(c);
    if (c->held.n == 0)
        return false;
    enum tag tag = read_tag(c, "<function=", name);
    if (tag == TAG_WHOLE)
        begin_function(c, name);
    else if (tag == TAG_NONE)
        give_up(c);
    return tag != TAG_MORE;
}

static bool read_function(struct seam_xml_call *c)
{
    static const char close[] = "</function>";
    char name[NAME_MAX_BYTES];
    skip_layout(c);
    if (c->held.n == 0)
        return false;
    size_t have = c->held.n < strlen(close) ? c->held.n : strlen(close);
    if (memcmp(c->held.p, close, have) == 0) {
        if (have < strlen(close))
            return false;
        end_function(c);
        seam_buf_consume(&c->held, have);
        return true;
    }
    enum tag tag = read_tag(c, "<parameter=", name);
    if (tag == TAG_WHOLE) {
        begin_value(c, name);
    } else if (tag == TAG_NONE) { /* a byte that belongs to no tag */
        say_content(c, c->held.p, 1);
        seam_buf_consume(&c->held, 1);
    }
    return tag != TAG_MORE;
}

static bool read_on(struct seam_xml_call *c)
{
    switch (c->state) {
    case SEAM_XML_OUTSIDE: return read_outside(c);
    case SEAM_XML_FUNCTION: return read_function(c);
    case SEAM_XML_VALUE: return read_value(c);
    case SEAM_XML_BROKEN: break;
    }
    say_content(c, c->held.p, c->held.n);
    c->held.n = 0;
    return false;
}

void seam_xml_call_begin(struct seam_xml_call *c, struct seam_chat_say *say_to, yyjson_val *tools)
{
    c->say = say_to;
    c->tools = tools;
    c->state = SEAM_XML_OUTSIDE;
    c->any = false;
    c->held.n = 0;
}

void seam_xml_call_feed(struct seam_xml_call *c, const char *bytes, size_t len)
{
    seam_buf_append(&c->held, bytes, len);
    while (read_on(c))
        ;
}

/* A value that </tool_call> ends: </function> may stand in it. */
static void end_open_value(struct seam_xml_call *c)
{
    size_t at = find(&c->held, 0, "\n</function>");
    size_t n = at == SIZE_MAX ? c->held.n : at + 1;
    end_value(c, n);
    c->held.n = 0;
}

void seam_xml_call_end(struct seam_xml_call *c, bool whole)
{
    bool lost = c->state == SEAM_XML_OUTSIDE && !c->any; /* an empty <tool_call>, or half a tag */
    if (whole && c->state == SEAM_XML_VALUE)
        end_open_value(c);
    else if (c->state == SEAM_XML_VALUE && c->types == T_STRING)
        say_escaped(c, c->held.p, c->held.n);
    else if (c->state == SEAM_XML_VALUE)
        say(c, c->held.p, c->held.n);
    else if (lost)
        give_up(c);
    if (c->state != SEAM_XML_VALUE)
        say_content(c, c->held.p, c->held.n);
    c->held.n = 0;
    if (whole && c->state == SEAM_XML_FUNCTION)
        end_function(c);
    else if (whole && c->state == SEAM_XML_BROKEN)
        say_content(c, "</tool_call>", 12);
}
