#include "serve/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- prepare ---- */

static bool check_model(const struct seam_completion *c, struct seam_api_error *e)
{
    const char *model = c->req.model;
    if (!model || !strcmp(model, c->s->o.model_id))
        return true;
    return seam_api_refuse(e, 404, "model", "model_not_found",
                           "no model '%.100s' here; this server has '%s'", model, c->s->o.model_id);
}

/* Some models always think, and some never do. */
static bool thinks(const struct seam_completion *c)
{
    enum seam_chat_thinking t = seam_chat_format_thinking(c->s->format, c->s->o.tokenizer);
    bool asked =
        c->req.thinking == SEAM_CHOICE_UNSET ? c->s->thinking : c->req.thinking == SEAM_CHOICE_ON;
    return t == SEAM_CHAT_ALWAYS || (t != SEAM_CHAT_NEVER && asked);
}

static bool render(struct seam_completion *c, struct seam_api_error *e)
{
    char today[SEAM_CHAT_DAY];
    struct seam_err err = {0};
    if (!c->s->format)
        return seam_api_error_from(e, &c->s->format_err);
    seam_chat_today(today);
    c->thinking = thinks(c);
    const struct seam_chat_opts opts = {
        .thinking = c->thinking,
        .preserve_thinking = c->req.preserve_thinking == SEAM_CHOICE_ON,
        .today = today,
    };
    seam_status st = seam_chat_render(c->s->format, c->s->o.tokenizer, c->req.messages,
                                      c->req.tools, &opts, &c->prompt, &err);
    return st == SEAM_OK ? true : seam_api_error_from(e, &err);
}

/* The reply may fill the context, but never overflows it: max_tokens is cut to what is left. */
static bool check_context(struct seam_completion *c, struct seam_api_error *e)
{
    uint32_t ctx = seam_pool_ctx(c->s->o.pool);
    if (!ctx) {
        seam_api_refuse(e, 503, "", "busy", "no decode node is connected now: try again");
        e->retry_after_s = 2;
        return false;
    }
    if (c->prompt.n >= ctx)
        return seam_api_refuse(e, 400, "messages", "context_length_exceeded",
                               "the prompt has %zu tokens; the context is %u, and the reply needs "
                               "at least one of them",
                               c->prompt.n, ctx);
    uint32_t left = ctx - (uint32_t)c->prompt.n;
    c->max_tokens = c->req.max_tokens && c->req.max_tokens < left ? c->req.max_tokens : left;
    return true;
}

static void name_it(struct seam_completion *c)
{
    uint64_t random[2];
    if (getentropy(random, sizeof random)) {
        random[0] = seam_mono_ns();
        random[1] = (uint64_t)(uintptr_t)c;
    }
    snprintf(c->head.id, sizeof c->head.id, "chatcmpl-%016llx%08x", (unsigned long long)random[0],
             (unsigned)(random[1] >> 32));
    c->head.model = c->s->o.model_id;
    c->head.created = (int64_t)time(NULL);
    if (!c->req.has_seed)
        c->req.sampling.seed = random[1] * 0x9e3779b97f4a7c15ull;
}

bool seam_completion_prepare(struct seam_completion *c, struct seam_server *s, const char *body,
                             size_t len, struct seam_api_error *e)
{
    *c = (struct seam_completion){.s = s, .begin_ns = seam_mono_ns()};
    if (!seam_chat_request_parse(&c->req, body, len, e) || !check_model(c, e))
        return false;
    name_it(c);
    return render(c, e) && check_context(c, e);
}

void seam_completion_release(struct seam_completion *c)
{
    seam_chat_parser_close(c->parser);
    seam_stop_release(&c->stop);
    seam_trace_release(&c->out.trace);
    seam_tokens_clear(&c->prompt);
    seam_chat_request_release(&c->req);
    *c = (struct seam_completion){0};
}

/* ---- run ---- */

static void pass_content(void *user, const char *text, size_t len)
{
    struct seam_completion *c = user;
    const struct seam_chat_event ev = {.kind = SEAM_CHAT_CONTENT, .text = text, .len = len};
    c->sink.on_event(c->sink.user, &ev);
}

/* Stop strings are looked for in content only: a tool call's JSON cut in half helps nobody. */
static void on_event(void *user, const struct seam_chat_event *ev)
{
    struct seam_completion *c = user;
    if (c->stopped)
        return;
    if (ev->kind != SEAM_CHAT_REASONING)
        c->in_reasoning = false;
    if (ev->kind == SEAM_CHAT_CONTENT) {
        c->stopped = seam_stop_feed(&c->stop, ev->text, ev->len, pass_content, c);
        return;
    }
    seam_stop_flush(&c->stop, pass_content, c);
    c->sink.on_event(c->sink.user, ev);
    if (ev->kind == SEAM_CHAT_TOOL_END && c->req.one_tool)
        c->stopped = true;
}

static bool on_token(void *user, int32_t token)
{
    struct seam_completion *c = user;
    seam_chat_parser_feed(c->parser, token);
    c->n_reasoning += c->in_reasoning;
    return !c->stopped;
}

static void on_route(void *user, const struct seam_route *r)
{
    struct seam_completion *c = user;
    c->sink.on_route(c->sink.user, r);
}

static bool canceled(void *user)
{
    struct seam_completion *c = user;
    return atomic_load(&c->s->stopping) || c->sink.canceled(c->sink.user);
}

static void conclude(struct seam_completion *c)
{
    if (!c->stopped)
        seam_chat_parser_finish(c->parser);
    if (!c->stopped)
        seam_stop_flush(&c->stop, pass_content, c);
    bool length = c->out.finish == SEAM_FINISH_LENGTH && !c->stopped;
    bool called = seam_chat_parser_tool_count(c->parser) > 0;
    c->finish = length ? "length" : called ? "tool_calls" : "stop";
    c->usage = (struct seam_reply_usage){
        .prompt = (uint32_t)c->prompt.n,
        .cached = c->out.route.n_cached,
        .completion = c->out.n_generated,
        .reasoning = c->n_reasoning,
    };
}

static void log_end(const struct seam_completion *c, seam_status st, const struct seam_err *err)
{
    double seconds = (double)(seam_mono_ns() - c->begin_ns) / 1e9;
    if (st == SEAM_ECANCELED)
        seam_info("chat %s %s after %.1f s", c->head.id,
                  atomic_load(&c->s->stopping) ? "ended, the server stops" : "client left",
                  seconds);
    else if (st != SEAM_OK)
        seam_warn("chat %s failed after %.1f s: %s", c->head.id, seconds, err->text);
    else
        seam_info("chat %s %s %u+%u tokens (%u cached) in %.2f s, first after %.2f s, %s: %s",
                  c->head.id, seam_path_name(c->out.route.path), c->usage.prompt,
                  c->usage.completion, c->usage.cached, seconds, (double)c->out.t.first_token / 1e9,
                  c->finish, c->out.fallback[0] ? c->out.fallback : c->out.route.why);
}

seam_status seam_completion_run(struct seam_completion *c, const struct seam_completion_sink *sink,
                                struct seam_err *err)
{
    struct seam_err none = {0};
    err = err ? err : &none;
    c->sink = *sink;
    c->stop.stops = c->req.stops;
    c->stop.n_stops = c->req.n_stops;
    c->in_reasoning = c->thinking;
    const struct seam_generate g = {
        .tokens = c->prompt.ids,
        .n_tokens = (uint32_t)c->prompt.n,
        .max_tokens = c->max_tokens,
        .sampling = c->req.sampling,
        .path = c->req.path,
        .stop_ids = c->s->stop_ids.ids,
        .n_stop_ids = (uint32_t)c->s->stop_ids.n,
        .user = c,
        .on_route = on_route,
        .on_token = on_token,
        .canceled = canceled,
    };
    const struct seam_chat_expect expect = {
        .thinking = c->thinking,
        .tools = c->req.tools,
        .salt = seam_chat_salt(&c->prompt),
    };
    seam_status st = seam_chat_parser_open(&c->parser, c->s->format, c->s->o.tokenizer, &expect,
                                           on_event, c, err);
    if (st == SEAM_OK)
        st = seam_pool_generate(c->s->o.pool, &g, &c->out, err);
    if (st == SEAM_OK) {
        conclude(c);
        if (c->stop.held.failed)
            st = seam_fail(err, SEAM_ENOMEM, "no memory for the reply");
    }
    log_end(c, st, err);
    return st;
}

void seam_completion_error(const struct seam_completion *c, const struct seam_err *err,
                           struct seam_api_error *e)
{
    seam_api_error_from(e, err);
    if (err->status != SEAM_ECANCELED || !atomic_load(&c->s->stopping))
        return;
    seam_api_refuse(e, 503, "", "busy", "the server is stopping");
    e->retry_after_s = 5;
}

/* ---- the reply in one piece ---- */

struct whole {
    struct seam_reply reply;
    int fd;
};

static void whole_route(void *user, const struct seam_route *r)
{
    (void)user;
    (void)r;
}

static void whole_event(void *user, const struct seam_chat_event *ev)
{
    struct whole *w = user;
    seam_reply_add(&w->reply, ev);
}

static bool whole_canceled(void *user)
{
    struct whole *w = user;
    return seam_http_client_gone(w->fd);
}

static void reply_whole(struct seam_http_request *r, const struct seam_completion *c,
                        const struct seam_reply *reply)
{
    const struct seam_timings *t = &c->out.t;
    char timings[256];
    snprintf(timings, sizeof timings,
             "queue=%.1f load=%.1f compute=%.1f handoff=%.1f handoff_exposed=%.1f first_token=%.1f "
             "decode=%.1f total=%.1f",
             (double)t->queue / 1e6, (double)t->load / 1e6, (double)t->compute / 1e6,
             (double)t->handoff / 1e6, (double)t->handoff_exposed / 1e6,
             (double)t->first_token / 1e6, (double)t->decode / 1e6, (double)t->total / 1e6);
    const struct seam_http_header headers[] = {
        {"x-seam-path", seam_path_name(c->out.route.path)},
        {"x-seam-why", c->out.route.why},
        {"x-seam-timings", timings},
        {0},
    };
    char *json = reply->failed ? NULL
                               : seam_reply_json(&c->head, reply, c->finish, &c->usage, &c->out,
                                                 c->req.trace);
    seam_http_reply_json(r, 200, json, headers);
}

static void chat_whole(struct seam_http_request *r, struct seam_completion *c)
{
    struct seam_err err = {0};
    struct whole w = {.fd = r->fd};
    const struct seam_completion_sink sink = {.user = &w,
                                              .on_route = whole_route,
                                              .on_event = whole_event,
                                              .canceled = whole_canceled};
    if (seam_completion_run(c, &sink, &err) == SEAM_OK) {
        reply_whole(r, c, &w.reply);
    } else {
        struct seam_api_error e;
        seam_completion_error(c, &err, &e);
        seam_http_reply_error(r, &e);
    }
    seam_reply_release(&w.reply);
    seam_completion_release(c);
}

void seam_server_chat(struct seam_http_request *r, void *user)
{
    struct seam_api_error e;
    struct seam_completion c;
    if (!seam_completion_prepare(&c, user, r->body, r->n_body, &e)) {
        seam_info("chat refused %d: %s", e.http, e.message);
        seam_http_reply_error(r, &e);
        seam_completion_release(&c);
    } else if (c.req.stream) {
        seam_chat_stream_reply(r, &c);
    } else {
        chat_whole(r, &c);
    }
}
