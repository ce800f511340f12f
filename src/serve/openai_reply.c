/* openai_reply.c - replies, chunks and errors as JSON text. The forms that clients need (which keys
 * a delta must have, what may be null) are in docs/api.md. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "serve/openai.h"
#include "serve/timings.h"

/* Milliseconds, to the microsecond: more digits would only be noise to read. */
char *seam_reply_finish(yyjson_mut_doc *doc)
{
    char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    return text;
}

yyjson_mut_val *seam_reply_open(yyjson_mut_doc **doc)
{
    *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = *doc ? yyjson_mut_obj(*doc) : NULL;
    if (root)
        yyjson_mut_doc_set_root(*doc, root);
    return root;
}

char *seam_api_error_json(const struct seam_api_error *e)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = seam_reply_open(&doc);
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, root, "error");
    yyjson_mut_obj_add_str(doc, v, "message", e->message);
    yyjson_mut_obj_add_str(doc, v, "type", e->type);
    if (e->param[0])
        yyjson_mut_obj_add_str(doc, v, "param", e->param);
    else
        yyjson_mut_obj_add_null(doc, v, "param");
    if (e->code)
        yyjson_mut_obj_add_str(doc, v, "code", e->code);
    else
        yyjson_mut_obj_add_null(doc, v, "code");
    return seam_reply_finish(doc);
}

const char *seam_path_name(enum seam_path path)
{
    static const char *const names[] =
        {[SEAM_PATH_AUTO] = "auto", [SEAM_PATH_LOCAL] = "local", [SEAM_PATH_SWEEP] = "sweep"};
    return names[path];
}

/* ---- gathering a message ---- */

static struct seam_reply_call *open_call(struct seam_reply *r, const struct seam_chat_event *ev)
{
    struct seam_reply_call *calls = realloc(r->calls, (r->n_calls + 1) * sizeof *calls);
    if (!calls)
        return NULL;
    r->calls = calls;
    calls[r->n_calls] = (struct seam_reply_call){.id = strdup(ev->id), .name = strdup(ev->name)};
    return &calls[r->n_calls++];
}

void seam_reply_add(struct seam_reply *r, const struct seam_chat_event *ev)
{
    struct seam_reply_call *call = r->n_calls ? &r->calls[r->n_calls - 1] : NULL;
    switch (ev->kind) {
    case SEAM_CHAT_REASONING: seam_buf_append(&r->reasoning, ev->text, ev->len); break;
    case SEAM_CHAT_CONTENT: seam_buf_append(&r->content, ev->text, ev->len); break;
    case SEAM_CHAT_TOOL_BEGIN:
        call = open_call(r, ev);
        r->failed |= !call || !call->id || !call->name;
        break;
    case SEAM_CHAT_TOOL_ARGS:
        if (call)
            seam_buf_append(&call->args, ev->text, ev->len);
        break;
    case SEAM_CHAT_TOOL_END: break;
    }
    r->failed |= r->reasoning.failed || r->content.failed || (call && call->args.failed);
}

void seam_reply_release(struct seam_reply *r)
{
    for (size_t i = 0; i < r->n_calls; i++) {
        free(r->calls[i].id);
        free(r->calls[i].name);
        seam_buf_release(&r->calls[i].args);
    }
    free(r->calls);
    seam_buf_release(&r->content);
    seam_buf_release(&r->reasoning);
    *r = (struct seam_reply){0};
}

/* ---- pieces ---- */

static yyjson_mut_val *open_object(yyjson_mut_doc **doc, const struct seam_reply_head *h,
                                   const char *object)
{
    yyjson_mut_val *root = seam_reply_open(doc);
    yyjson_mut_obj_add_str(*doc, root, "id", h->id);
    yyjson_mut_obj_add_str(*doc, root, "object", object);
    yyjson_mut_obj_add_int(*doc, root, "created", h->created);
    yyjson_mut_obj_add_str(*doc, root, "model", h->model);
    return root;
}

/* The only choice; `body` ("message" or "delta") is returned to be filled. */
static yyjson_mut_val *add_choice(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *body,
                                  const char *finish)
{
    yyjson_mut_val *choices = yyjson_mut_obj_add_arr(doc, root, "choices");
    yyjson_mut_val *choice = yyjson_mut_arr_add_obj(doc, choices);
    yyjson_mut_obj_add_int(doc, choice, "index", 0);
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, choice, body);
    yyjson_mut_obj_add_null(doc, choice, "logprobs");
    if (finish)
        yyjson_mut_obj_add_str(doc, choice, "finish_reason", finish);
    else
        yyjson_mut_obj_add_null(doc, choice, "finish_reason");
    return v;
}

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *v, const char *key,
                     const struct seam_buf *t)
{
    yyjson_mut_obj_add_strn(doc, v, key, t->p ? t->p : "", t->n);
}

static void add_usage(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct seam_reply_usage *u)
{
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, root, "usage");
    yyjson_mut_obj_add_uint(doc, v, "prompt_tokens", u->prompt);
    yyjson_mut_obj_add_uint(doc, v, "completion_tokens", u->completion);
    yyjson_mut_obj_add_uint(doc, v, "total_tokens", (uint64_t)u->prompt + u->completion);
    yyjson_mut_val *d = yyjson_mut_obj_add_obj(doc, v, "prompt_tokens_details");
    yyjson_mut_obj_add_uint(doc, d, "cached_tokens", u->cached);
    d = yyjson_mut_obj_add_obj(doc, v, "completion_tokens_details");
    yyjson_mut_obj_add_uint(doc, d, "reasoning_tokens", u->reasoning);
}

/* ---- the seam object ---- */

/* null instead of a rate when there was nothing to measure. */
static void add_rate(yyjson_mut_doc *doc, yyjson_mut_val *v, const char *key, uint32_t n,
                     uint64_t ns)
{
    if (n && ns)
        yyjson_mut_obj_add_real(doc, v, key, round((double)n * 1e11 / (double)ns) / 100);
    else
        yyjson_mut_obj_add_null(doc, v, key);
}

static void add_seam(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct seam_generated *g,
                     bool trace)
{
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, root, "seam");
    yyjson_mut_obj_add_str(doc, v, "path", seam_path_name(g->route.path));
    yyjson_mut_obj_add_str(doc, v, "why", g->route.why);
    if (g->fallback[0])
        yyjson_mut_obj_add_str(doc, v, "fallback", g->fallback);
    seam_json_timings(doc, v, &g->t);
    yyjson_mut_val *rates = yyjson_mut_obj_add_obj(doc, v, "tokens_per_second");
    add_rate(doc, rates, "prefill", g->route.n_prompt - g->route.n_cached, g->t.compute);
    add_rate(doc, rates, "decode", g->n_generated, g->t.decode);
    if (trace) {
        seam_json_layers(doc, v, &g->trace);
        yyjson_mut_obj_add_uint(doc, v, "weight_bytes_peak", g->trace.weight_bytes_peak);
    }
}

/* ---- the whole reply ---- */

static void add_calls(yyjson_mut_doc *doc, yyjson_mut_val *message, const struct seam_reply *r)
{
    if (!r->n_calls)
        return;
    yyjson_mut_val *calls = yyjson_mut_obj_add_arr(doc, message, "tool_calls");
    for (size_t i = 0; i < r->n_calls; i++) {
        yyjson_mut_val *call = yyjson_mut_arr_add_obj(doc, calls);
        yyjson_mut_obj_add_str(doc, call, "id", r->calls[i].id);
        yyjson_mut_obj_add_str(doc, call, "type", "function");
        yyjson_mut_val *f = yyjson_mut_obj_add_obj(doc, call, "function");
        yyjson_mut_obj_add_str(doc, f, "name", r->calls[i].name);
        add_text(doc, f, "arguments", &r->calls[i].args);
    }
}

char *seam_reply_json(const struct seam_reply_head *h, const struct seam_reply *r,
                      const char *finish, const struct seam_reply_usage *u,
                      const struct seam_generated *g, bool trace)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = open_object(&doc, h, "chat.completion");
    yyjson_mut_val *message = add_choice(doc, root, "message", finish);
    yyjson_mut_obj_add_str(doc, message, "role", "assistant");
    if (r->n_calls && !r->content.n)
        yyjson_mut_obj_add_null(doc, message, "content");
    else
        add_text(doc, message, "content", &r->content);
    yyjson_mut_obj_add_null(doc, message, "refusal");
    if (r->reasoning.n)
        add_text(doc, message, "reasoning_content", &r->reasoning);
    add_calls(doc, message, r);
    add_usage(doc, root, u);
    add_seam(doc, root, g, trace);
    return seam_reply_finish(doc);
}

/* ---- chunks ---- */

static yyjson_mut_val *open_chunk(yyjson_mut_doc **doc, const struct seam_reply_head *h,
                                  yyjson_mut_val **root, const char *finish)
{
    *root = open_object(doc, h, "chat.completion.chunk");
    return add_choice(*doc, *root, "delta", finish);
}

char *seam_chunk_role_json(const struct seam_reply_head *h)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root, *delta = open_chunk(&doc, h, &root, NULL);
    yyjson_mut_obj_add_str(doc, delta, "role", "assistant");
    yyjson_mut_obj_add_str(doc, delta, "content", "");
    return seam_reply_finish(doc);
}

char *seam_chunk_empty_json(const struct seam_reply_head *h)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    open_chunk(&doc, h, &root, NULL);
    return seam_reply_finish(doc);
}

static void add_call_delta(yyjson_mut_doc *doc, yyjson_mut_val *delta,
                           const struct seam_chat_event *ev)
{
    yyjson_mut_val *calls = yyjson_mut_obj_add_arr(doc, delta, "tool_calls");
    yyjson_mut_val *call = yyjson_mut_arr_add_obj(doc, calls);
    yyjson_mut_obj_add_int(doc, call, "index", ev->index);
    if (ev->kind == SEAM_CHAT_TOOL_BEGIN) {
        yyjson_mut_obj_add_str(doc, call, "id", ev->id);
        yyjson_mut_obj_add_str(doc, call, "type", "function");
    }
    yyjson_mut_val *f = yyjson_mut_obj_add_obj(doc, call, "function");
    if (ev->kind == SEAM_CHAT_TOOL_BEGIN)
        yyjson_mut_obj_add_str(doc, f, "name", ev->name);
    yyjson_mut_obj_add_strn(doc, f, "arguments", ev->len ? ev->text : "", ev->len);
}

char *seam_chunk_event_json(const struct seam_reply_head *h, const struct seam_chat_event *ev)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root, *delta = open_chunk(&doc, h, &root, NULL);
    if (ev->kind == SEAM_CHAT_REASONING)
        yyjson_mut_obj_add_strn(doc, delta, "reasoning_content", ev->text, ev->len);
    else if (ev->kind == SEAM_CHAT_CONTENT)
        yyjson_mut_obj_add_strn(doc, delta, "content", ev->text, ev->len);
    else
        add_call_delta(doc, delta, ev);
    return seam_reply_finish(doc);
}

char *seam_chunk_finish_json(const struct seam_reply_head *h, const char *finish,
                             const struct seam_generated *g, bool trace)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    open_chunk(&doc, h, &root, finish);
    add_seam(doc, root, g, trace);
    return seam_reply_finish(doc);
}

char *seam_chunk_usage_json(const struct seam_reply_head *h, const struct seam_reply_usage *u)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = open_object(&doc, h, "chat.completion.chunk");
    yyjson_mut_obj_add_arr(doc, root, "choices");
    add_usage(doc, root, u);
    return seam_reply_finish(doc);
}
