#include "model/json_call.h"

#include <stdlib.h>
#include <string.h>

void seam_json_call_begin(struct seam_json_call *c)
{
    c->held.n = 0;
    c->state = SEAM_JSON_CALL_OPEN;
    c->depth = 0;
    c->in_string = c->escaped = c->keyed = c->begun = c->ended = false;
}

static bool is_tool(yyjson_val *tools, yyjson_val *name)
{
    size_t i, max;
    yyjson_val *tool;
    yyjson_arr_foreach(tools, i, max, tool)
    {
        if (yyjson_equals(yyjson_obj_get(yyjson_obj_get(tool, "function"), "name"), name))
            return true;
    }
    return false;
}

/* The name that can be called; NULL: none. */
static const char *call_name(const struct seam_json_call *c, yyjson_val *object)
{
    yyjson_val *name = yyjson_obj_get(object, "name");
    const char *s = yyjson_get_str(name);
    if (!s || !*s || strlen(s) != yyjson_get_len(name) || (c->strict && !is_tool(c->tools, name)))
        return NULL;
    return s;
}

static bool is_args_key(yyjson_val *key)
{
    return yyjson_equals_str(key, "arguments") || yyjson_equals_str(key, "parameters");
}

/* What is held, made whole by `rest`, as JSON. */
static yyjson_doc *try_json(struct seam_json_call *c, const char *rest)
{
    size_t n = c->held.n;
    seam_buf_puts(&c->held, rest);
    yyjson_doc *doc = c->held.failed ? NULL : yyjson_read(c->held.p, c->held.n, 0);
    c->held.n = n;
    return doc;
}

/* An object begins as a member's value: are these the arguments? */
static void look_for_args(struct seam_json_call *c)
{
    yyjson_doc *doc = try_json(c, "null}");
    yyjson_val *root = yyjson_doc_get_root(doc), *key, *last = NULL;
    yyjson_obj_iter it = yyjson_obj_iter_with(root);
    while ((key = yyjson_obj_iter_next(&it)))
        last = key;
    const char *name = last && is_args_key(last) ? call_name(c, root) : NULL;
    if (name) {
        seam_chat_say_begin(c->say, NULL, name);
        c->begun = true;
        c->held.n = 0;
    }
    yyjson_doc_free(doc);
}

/* After the first key: can this become a call? */
static void look_at_key(struct seam_json_call *c)
{
    static const char *const keys[] = {"name", "arguments", "parameters", "type", "id", "function"};
    yyjson_doc *doc = try_json(c, ":0}");
    yyjson_obj_iter it = yyjson_obj_iter_with(yyjson_doc_get_root(doc));
    yyjson_val *key = yyjson_obj_iter_next(&it);
    bool known = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        known = known || yyjson_equals_str(key, keys[i]);
    if (!known)
        c->state = SEAM_JSON_CALL_NONE;
    c->keyed = true;
    yyjson_doc_free(doc);
}

static void say_args(struct seam_json_call *c, const char *p, size_t n)
{
    if (n)
        seam_chat_say(c->say, SEAM_CHAT_TOOL_ARGS, p, n);
}

/* The object is whole, and was not known for a call on the way. */
static void look_at_whole(struct seam_json_call *c)
{
    yyjson_doc *doc = try_json(c, "");
    yyjson_val *root = yyjson_doc_get_root(doc), *args = yyjson_obj_get(root, "arguments");
    const char *name = call_name(c, root);
    args = args ? args : yyjson_obj_get(root, "parameters");
    c->state = SEAM_JSON_CALL_NONE;
    if (name && (args || !c->strict)) {
        char *json = yyjson_is_ctn(args) ? yyjson_val_write(args, 0, NULL) : NULL;
        seam_chat_say_begin(c->say, NULL, name);
        if (json)
            say_args(c, json, strlen(json));
        else if (yyjson_is_str(args)) /* JSON as text */
            say_args(c, yyjson_get_str(args), yyjson_get_len(args));
        else
            say_args(c, "{}", 2);
        seam_chat_say_end(c->say);
        c->state = SEAM_JSON_CALL_DONE;
        free(json);
    }
    yyjson_doc_free(doc);
}

/* One byte's effect on where we are; true: a string has just ended. */
static bool step(struct seam_json_call *c, char b)
{
    if (c->in_string) {
        bool closes = b == '"' && !c->escaped;
        c->escaped = b == '\\' && !c->escaped;
        c->in_string = !closes;
        return closes;
    }
    if (b == '"')
        c->in_string = true;
    else if (b == '{' || b == '[')
        c->depth++;
    else if ((b == '}' || b == ']') && c->depth)
        c->depth--;
    return false;
}

size_t seam_json_call_feed(struct seam_json_call *c, const char *p, size_t n)
{
    size_t i = 0, from = 0; /* bytes before `from` have been held or said */
    while (i < n && c->state == SEAM_JSON_CALL_OPEN) {
        if (c->depth == 0 && p[i] != '{') {
            c->state = SEAM_JSON_CALL_NONE;
            break;
        }
        if (p[i] == '{' && c->depth == 1 && !c->in_string && !c->begun) {
            seam_buf_append(&c->held, p + from, i - from);
            from = i;
            look_for_args(c);
        }
        bool string_ended = step(c, p[i++]);
        if (string_ended && c->depth == 1 && !c->keyed) {
            seam_buf_append(&c->held, p + from, i - from);
            from = i;
            look_at_key(c);
        } else if (c->begun && !c->ended && c->depth == 1) {
            say_args(c, p + from, i - from);
            from = i;
            seam_chat_say_end(c->say);
            c->ended = true;
        } else if (c->depth == 0 && c->begun) {
            c->state = SEAM_JSON_CALL_DONE;
        } else if (c->depth == 0) {
            seam_buf_append(&c->held, p + from, i - from);
            from = i;
            look_at_whole(c);
        }
    }
    if (c->begun && !c->ended)
        say_args(c, p + from, i - from);
    else if (!c->begun)
        seam_buf_append(&c->held, p + from, i - from);
    return i;
}
