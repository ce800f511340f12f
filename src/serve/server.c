#include "serve/server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "serve/internal.h"

#define MAX_BODY        (32u << 20)
#define MAX_CONNECTIONS 64u
#define IDLE_TIMEOUT_S  60u

static const struct seam_http_route routes[] = {
    {"POST", "/v1/chat/completions", seam_server_chat},
    {"GET", "/v1/models", seam_server_models},
    {"GET", "/v1/models/*", seam_server_model},
    {"GET", "/health", seam_server_health},
    {0},
};

/* Models whose chat format has thoughts but that were trained mostly without: a request has to ask
 * for them. By general.name. */
static const char *const thoughtless[] = {"thimble"};

static bool thinks(const struct seam_server *s)
{
    const struct seam_server_opts *o = &s->o;
    if (o->thinking != SEAM_THINKING_AUTO)
        return o->thinking == SEAM_THINKING_ON;
    const char *name = seam_model_name(o->model);
    for (size_t i = 0; i < sizeof thoughtless / sizeof *thoughtless; i++)
        if (!strncasecmp(name, thoughtless[i], strlen(thoughtless[i])))
            return false;
    return s->format && seam_chat_format_thinking(s->format, o->tokenizer) >= SEAM_CHAT_ON;
}

static seam_status find_stop_ids(struct seam_server *s, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    uint32_t n = seam_tokenizer_size(s->o.tokenizer);
    for (uint32_t i = 0; st == SEAM_OK && i < n; i++)
        if (seam_tokenizer_is_stop(s->o.tokenizer, (int32_t)i))
            st = seam_tokens_push(&s->stop_ids, (int32_t)i, err);
    return st;
}

static void server_free(struct seam_server *s)
{
    seam_tokens_clear(&s->stop_ids);
    free(s);
}

seam_status seam_server_open(struct seam_server **out, const struct seam_server_opts *o,
                             struct seam_err *err)
{
    struct seam_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the server");
    s->o = *o;
    s->created = (int64_t)time(NULL);
    if (seam_chat_format_find(&s->format, o->tokenizer, &s->format_err) != SEAM_OK)
        seam_warn("chats will be refused: %s", s->format_err.text);
    s->thinking = thinks(s);
    const struct seam_http_opts http = {
        .host = o->host,
        .port = o->port,
        .max_connections = o->max_connections ? o->max_connections : MAX_CONNECTIONS,
        .max_body = MAX_BODY,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .routes = routes,
        .user = s,
    };
    seam_status st = find_stop_ids(s, err);
    if (st == SEAM_OK)
        st = seam_http_open(&s->http, &http, err);
    if (st != SEAM_OK) {
        server_free(s);
        return st;
    }
    *out = s;
    return SEAM_OK;
}

uint16_t seam_server_port(const struct seam_server *s)
{
    return seam_http_port(s->http);
}

void seam_server_stop(struct seam_server *s)
{
    atomic_store(&s->stopping, true);
    seam_http_quiesce(s->http);
}

void seam_server_close(struct seam_server *s)
{
    if (!s)
        return;
    seam_server_stop(s);
    seam_http_close(s->http);
    server_free(s);
}
