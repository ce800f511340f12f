/* hub.c - where the hub is, and who we are to it. */
#include "hub/hub.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hub/http.h"
#include "hub/origin.h"

#define TOKEN_MAX 4096u

/* ---- the token ---- */

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* The file that huggingface_hub's login writes; false: the environment names no home. */
static bool token_path(char *buf, size_t len)
{
    const char *p;
    int n = -1;
    if ((p = env("HF_TOKEN_PATH")))
        n = snprintf(buf, len, "%s", p);
    else if ((p = env("HF_HOME")))
        n = snprintf(buf, len, "%s/token", p);
    else if ((p = env("XDG_CACHE_HOME")))
        n = snprintf(buf, len, "%s/huggingface/token", p);
    else if ((p = env("HOME")))
        n = snprintf(buf, len, "%s/.cache/huggingface/token", p);
    return n > 0 && (size_t)n < len;
}

/* Into buf; "" when there is none. Names of variables and files may be said, their contents not. */
static seam_status token_find(char buf[TOKEN_MAX], const char **from, struct seam_err *err)
{
    static char path[PATH_MAX];
    const char *v = env(*from = "HF_TOKEN");
    buf[0] = '\0';
    if (!v)
        v = env(*from = "HUGGING_FACE_HUB_TOKEN");
    if (v) {
        if (strlen(v) >= TOKEN_MAX)
            return seam_fail(err, SEAM_EINVAL, "%s is too long for a token", *from);
        snprintf(buf, TOKEN_MAX, "%s", v);
        return SEAM_OK;
    }
    FILE *f = token_path(path, sizeof path) ? fopen(path, "re") : NULL;
    if (!f) /* most people have none, and public repositories need none */
        return SEAM_OK;
    *from = path;
    size_t n = fread(buf, 1, TOKEN_MAX - 1, f);
    bool whole = !ferror(f) && feof(f);
    fclose(f);
    buf[whole ? n : 0] = '\0';
    return whole ? SEAM_OK : seam_fail(err, SEAM_EINVAL, "%s cannot be read as a token", path);
}

static seam_status token_header(struct seam_hub *hub, struct seam_err *err)
{
    char buf[TOKEN_MAX], header[TOKEN_MAX + 32];
    const char *from = "";
    seam_status st = token_find(buf, &from, err);
    if (st != SEAM_OK)
        return st;
    char *t = buf + strspn(buf, " \t\r\n");
    size_t n = strlen(t);
    while (n && strchr(" \t\r\n", t[n - 1]))
        t[--n] = '\0';
    if (n == 0)
        return SEAM_OK;
    for (size_t i = 0; i < n; i++)
        if (t[i] <= ' ' || t[i] >= 0x7f)
            return seam_fail(err, SEAM_EINVAL, "%s holds something else than a token", from);
    snprintf(header, sizeof header, "Authorization: Bearer %s", t);
    hub->token = strdup(header);
    return hub->token ? SEAM_OK : seam_fail(err, SEAM_ENOMEM, "no memory");
}

/* ---- the endpoint ---- */

static bool is_yes(const char *v)
{
    return v && (!strcmp(v, "1") || !strcasecmp(v, "true") || !strcasecmp(v, "yes") ||
                 !strcasecmp(v, "on"));
}

static seam_status endpoint(struct seam_hub *hub, struct seam_err *err)
{
    struct seam_origin o;
    const char *given = hub->opts.endpoint;
    if (!given)
        given = env("HF_ENDPOINT");
    if (!given)
        given = SEAM_HUB_ENDPOINT;
    seam_status st = seam_origin_parse(&o, given, err);
    if (st != SEAM_OK)
        return seam_wrap(err, st, "the hub's address");
    if (o.has_user || o.has_query)
        return seam_fail(err, SEAM_EINVAL,
                         "the hub's address must not hold a password or a '?': give a token "
                         "by HF_TOKEN");
    hub->endpoint = strdup(given);
    if (!hub->endpoint)
        return seam_fail(err, SEAM_ENOMEM, "no memory");
    for (size_t n = strlen(hub->endpoint); n && hub->endpoint[n - 1] == '/';)
        hub->endpoint[--n] = '\0';
    snprintf(hub->origin, sizeof hub->origin, "%s", o.text);
    snprintf(hub->host, sizeof hub->host, "%s", o.host);
    hub->secure = o.secure;
    hub->private = o.secure || o.loopback;
    return SEAM_OK;
}

/* ---- public ---- */

seam_status seam_hub_open(struct seam_hub **out, const struct seam_hub_opts *opts,
                          struct seam_err *err)
{
    *out = NULL;
    if (is_yes(getenv("HF_HUB_OFFLINE")))
        return seam_fail(err, SEAM_EPEER, "HF_HUB_OFFLINE is set: unset it to fetch");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return seam_fail(err, SEAM_EINTERNAL, "libcurl cannot be started");
    struct seam_hub *hub = calloc(1, sizeof *hub);
    if (!hub) {
        curl_global_cleanup();
        return seam_fail(err, SEAM_ENOMEM, "no memory for a hub");
    }
    hub->opts = *opts;
    seam_status st = endpoint(hub, err);
    if (st == SEAM_OK)
        st = token_header(hub, err);
    if (st != SEAM_OK) {
        seam_hub_close(hub);
        return st;
    }
    *out = hub;
    return SEAM_OK;
}

void seam_hub_close(struct seam_hub *hub)
{
    if (!hub)
        return;
    free(hub->endpoint);
    free(hub->token);
    free(hub);
    curl_global_cleanup();
}

const char *seam_hub_host(const struct seam_hub *hub)
{
    return hub->host;
}

bool seam_hub_private(const struct seam_hub *hub)
{
    return hub->private;
}
