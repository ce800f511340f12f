#include "model/chat_write.h"

#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

void seam_chat_writer_init(struct seam_chat_writer *w, const struct seam_tokenizer *t,
                           const char *const *names, const struct seam_chat_opts *opts,
                           struct seam_tokens *out, struct seam_err *err)
{
    *w = (struct seam_chat_writer){.t = t, .names = names, .opts = opts, .out = out, .err = err};
    for (size_t i = 0; i < SEAM_CHAT_MAX_NAMES && names[i]; i++)
        w->ids[i] = seam_tokenizer_find(t, names[i]);
}

static void flush(struct seam_chat_writer *w)
{
    if (w->st == SEAM_OK && w->text.failed)
        w->st = seam_fail(w->err, SEAM_ENOMEM, "no memory to render a conversation");
    if (w->st == SEAM_OK)
        w->st = seam_tokenizer_encode(w->t, w->text.p ? w->text.p : "", w->text.n, w->out, w->err);
    w->text.n = 0;
}

seam_status seam_chat_writer_end(struct seam_chat_writer *w)
{
    flush(w);
    seam_buf_release(&w->text);
    return w->st;
}

void seam_chat_token(struct seam_chat_writer *w, int32_t id)
{
    flush(w);
    if (w->st == SEAM_OK)
        w->st = seam_tokens_push(w->out, id, w->err);
}

/* The special token whose name begins here; SIZE_MAX: none. */
static size_t name_at(const struct seam_chat_writer *w, const char *p)
{
    for (size_t i = 0; i < SEAM_CHAT_MAX_NAMES && w->names[i]; i++)
        if (w->ids[i] >= 0 && strncmp(p, w->names[i], strlen(w->names[i])) == 0)
            return i;
    return SIZE_MAX;
}

void seam_chat_fixed(struct seam_chat_writer *w, const char *words)
{
    const char *from = words;
    for (const char *p = words; *p;) {
        size_t i = *p == '<' ? name_at(w, p) : SIZE_MAX;
        if (i == SIZE_MAX) {
            p++;
            continue;
        }
        seam_chat_text(w, from, (size_t)(p - from));
        seam_chat_token(w, w->ids[i]);
        from = p += strlen(w->names[i]);
    }
    seam_chat_text(w, from, strlen(from));
}

void seam_chat_text(struct seam_chat_writer *w, const char *p, size_t n)
{
    if (w->st == SEAM_OK && n)
        seam_buf_append(&w->text, p, n);
}

void seam_chat_str(struct seam_chat_writer *w, yyjson_val *string)
{
    seam_chat_text(w, yyjson_get_str(string), yyjson_get_len(string));
}

void seam_chat_json(struct seam_chat_writer *w, yyjson_val *v, unsigned indent, const char *field)
{
    if (w->st != SEAM_OK || seam_text_json_indent(&w->text, v, indent))
        return;
    if (w->message)
        seam_chat_fail(w, field, "is nested too deeply");
    else
        w->st = seam_fail(w->err, SEAM_EINVAL, "%s: is nested too deeply", field);
}

bool seam_chat_fail(struct seam_chat_writer *w, const char *field, const char *what)
{
    if (w->st == SEAM_OK)
        w->st = seam_fail(w->err, SEAM_EINVAL, "messages[%zu]%s%s: %s", w->at, *field ? "." : "",
                          field, what);
    return false;
}

bool seam_chat_failed_tool_call(struct seam_chat_writer *w, size_t i, const char *field,
                                const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "tool_calls[%zu].%s", i, field);
    return seam_chat_fail(w, path, what);
}

/* ---- reading ---- */

bool seam_chat_messages(struct seam_chat_writer *w, yyjson_val *messages)
{
    if (w->st == SEAM_OK && (!yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0))
        w->st = seam_fail(w->err, SEAM_EINVAL, "messages: must be a list, and not empty");
    w->messages = messages;
    return w->st == SEAM_OK;
}

bool seam_chat_tools(struct seam_chat_writer *w, yyjson_val *tools)
{
    if (!tools || yyjson_is_null(tools))
        return false;
    if (w->st == SEAM_OK && !yyjson_is_arr(tools))
        w->st = seam_fail(w->err, SEAM_EINVAL, "tools: must be a list");
    return w->st == SEAM_OK && yyjson_arr_size(tools) > 0;
}

enum seam_chat_role seam_chat_role(yyjson_val *message)
{
    static const struct {
        const char *name;
        enum seam_chat_role role;
    } roles[] = {
        {"system", SEAM_ROLE_SYSTEM}, {"developer", SEAM_ROLE_SYSTEM},    {"user", SEAM_ROLE_USER},
        {"tool", SEAM_ROLE_TOOL},     {"assistant", SEAM_ROLE_ASSISTANT},
    };
    yyjson_val *role = yyjson_obj_get(message, "role");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (yyjson_is_str(role) && yyjson_equals_str(role, roles[i].name))
            return roles[i].role;
    return SEAM_ROLE_NONE;
}

void seam_chat_each(struct seam_chat_writer *w,
                    void (*turn)(struct seam_chat_writer *w, enum seam_chat_role role))
{
    size_t i, max;
    yyjson_val *m;
    yyjson_arr_foreach(w->messages, i, max, m)
    {
        enum seam_chat_role role = seam_chat_role(m);
        w->message = m;
        w->at = i;
        if (!yyjson_is_obj(m))
            seam_chat_fail(w, "", "must be an object");
        else if (!yyjson_is_str(yyjson_obj_get(m, "role")))
            seam_chat_fail(w, "role", "must be a string");
        else if (role == SEAM_ROLE_NONE)
            seam_chat_fail(w, "role", "must be system, developer, user, assistant or tool");
        if (w->st != SEAM_OK)
            return;
        turn(w, role);
    }
}

static bool put_part(struct seam_chat_writer *w, yyjson_val *part, size_t i, struct seam_buf *out)
{
    yyjson_val *type = yyjson_obj_get(part, "type"), *text = yyjson_obj_get(part, "text");
    char path[64];
    snprintf(path, sizeof path, "content[%zu]", i);
    if (yyjson_is_str(type) && !yyjson_equals_str(type, "text"))
        return seam_chat_fail(w, path, "this model reads text only");
    if (!yyjson_is_str(type) || !yyjson_is_str(text))
        return seam_chat_fail(w, path, "must be {\"type\": \"text\", \"text\": STRING}");
    seam_buf_append(out, yyjson_get_str(text), yyjson_get_len(text));
    return true;
}

void seam_chat_content(struct seam_chat_writer *w, struct seam_buf *out)
{
    yyjson_val *content = yyjson_obj_get(w->message, "content"), *part;
    size_t i, max;
    if (w->st != SEAM_OK)
        return;
    if (yyjson_is_str(content)) {
        seam_buf_append(out, yyjson_get_str(content), yyjson_get_len(content));
    } else if (!content || yyjson_is_null(content)) {
        if (seam_chat_role(w->message) != SEAM_ROLE_ASSISTANT)
            seam_chat_fail(w, "content", "is missing");
    } else if (!yyjson_is_arr(content)) {
        seam_chat_fail(w, "content", "must be a string or a list of text parts");
    } else {
        yyjson_arr_foreach(content, i, max, part)
        {
            if (!put_part(w, part, i, out))
                return;
        }
    }
}

yyjson_val *seam_chat_string(struct seam_chat_writer *w, const char *key)
{
    yyjson_val *v = yyjson_obj_get(w->message, key);
    if (!v || yyjson_is_null(v))
        return NULL;
    if (!yyjson_is_str(v))
        seam_chat_fail(w, key, "must be a string");
    return yyjson_is_str(v) ? v : NULL;
}

yyjson_val *seam_chat_calls(struct seam_chat_writer *w)
{
    yyjson_val *calls = yyjson_obj_get(w->message, "tool_calls");
    if (calls && !yyjson_is_null(calls) && !yyjson_is_arr(calls))
        seam_chat_fail(w, "tool_calls", "must be a list");
    return yyjson_arr_size(calls) ? calls : NULL;
}

bool seam_chat_call(struct seam_chat_writer *w, yyjson_val *call, size_t i, yyjson_val **name,
                    yyjson_val **args)
{
    yyjson_val *f = yyjson_obj_get(call, "function");
    *name = yyjson_obj_get(f, "name");
    *args = yyjson_obj_get(f, "arguments");
    if (yyjson_is_null(*args))
        *args = NULL;
    if (!yyjson_is_str(*name) || yyjson_get_len(*name) == 0)
        return seam_chat_failed_tool_call(w, i, "function.name", "must be a string, and not empty");
    return w->st == SEAM_OK;
}

yyjson_val *seam_chat_arguments(struct seam_chat_writer *w, yyjson_val *args, size_t i,
                                yyjson_doc **doc)
{
    *doc = NULL;
    if (yyjson_is_str(args) && yyjson_get_len(args) == 0)
        return NULL;
    if (yyjson_is_str(args)) {
        *doc = yyjson_read(yyjson_get_str(args), yyjson_get_len(args), 0);
        args = yyjson_doc_get_root(*doc);
    } else if (!args) {
        return NULL;
    }
    if (yyjson_is_obj(args))
        return args;
    seam_chat_failed_tool_call(w, i, "function.arguments", "must be a JSON object");
    return NULL;
}
