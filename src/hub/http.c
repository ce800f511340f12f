#include "hub/http.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "hub/origin.h"

#define HOPS_MAX 8u

/* ---- reply headers ---- */

/* Does the line begin with `name:`? Then its value, without blanks at both ends, in buf. */
static bool header_is(const char *line, size_t n, const char *name, char *buf, size_t len)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return false;
    const char *p = line + k + 1, *end = line + n;
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    size_t m = (size_t)(end - p) < len - 1 ? (size_t)(end - p) : len - 1;
    memcpy(buf, p, m);
    buf[m] = '\0';
    return true;
}

static bool parse_u64(const char **p, uint64_t *v)
{
    const char *s = *p;
    *v = 0;
    for (; isdigit((unsigned char)**p); (*p)++)
        if (__builtin_mul_overflow(*v, 10u, v) ||
            __builtin_add_overflow(*v, (uint64_t)(**p - '0'), v))
            return false;
    return *p > s;
}

/* `<URL>; rel="next"` among others */
static void take_link(struct seam_request *r, const char *v)
{
    while ((v = strchr(v, '<'))) {
        const char *end = strchr(++v, '>');
        if (!end)
            return;
        const char *params = end + 1, *stop = strchr(params, '<');
        const char *rel = strstr(params, "rel=\"next\"");
        if (rel && (!stop || rel < stop)) {
            free(r->reply.next);
            r->reply.next = strndup(v, (size_t)(end - v));
            return;
        }
        v = end;
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct seam_request *r = user;
    size_t n = size * count;
    char v[4096];
    if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* 100 Continue, then the reply */
        free(r->reply.next);
        memset(&r->reply, 0, sizeof r->reply);
        const char *p = memchr(line, ' ', n);
        r->reply.status = p ? strtol(p, NULL, 10) : 0;
    } else if (header_is(line, n, "Content-Length", v, sizeof v)) {
        const char *p = v;
        r->reply.has_length = parse_u64(&p, &r->reply.length) && !*p;
    } else if (header_is(line, n, "Content-Range", v, sizeof v)) {
        const char *p = v + 6;
        r->reply.has_range = !strncasecmp(v, "bytes ", 6) && parse_u64(&p, &r->reply.first) &&
                             *p++ == '-' && parse_u64(&p, &r->reply.last) && *p++ == '/' &&
                             parse_u64(&p, &r->reply.total) && !*p;
    } else if (header_is(line, n, "Content-Encoding", v, sizeof v)) {
        r->reply.encoded = strcasecmp(v, "identity") != 0;
    } else if (header_is(line, n, "X-Error-Code", v, sizeof v)) {
        snprintf(r->reply.code, sizeof r->reply.code, "%.63s", v);
    } else if (header_is(line, n, "Link", v, sizeof v)) {
        take_link(r, v);
    }
    return n;
}

/* ---- is the reply what was asked for? ---- */

static seam_status lies(struct seam_request *r, const char *how)
{
    r->refused = true;
    return seam_fail(&r->err, SEAM_EPROTO, "%s: %s %s", r->what, r->host, how);
}

static seam_status check_range(struct seam_request *r)
{
    char how[200];
    const uint64_t want = r->last - r->first + 1;
    const bool whole = r->first == 0 && want == r->total;
    if (r->reply.status == 200 && !whole)
        return lies(r,
                    "sends the whole file where a part was asked for: does a proxy drop ranges?");
    if (r->reply.status == 206 && !r->reply.has_range)
        return lies(r, "sends a part and does not say which");
    if (r->reply.status == 206 && r->reply.total != r->total) {
        snprintf(how, sizeof how,
                 "says the file has %" PRIu64 " bytes, the listing says %" PRIu64
                 ": was it changed meanwhile?",
                 r->reply.total, r->total);
        return lies(r, how);
    }
    if (r->reply.status == 206 && (r->reply.first != r->first || r->reply.last != r->last)) {
        snprintf(how, sizeof how,
                 "sends bytes %" PRIu64 "-%" PRIu64 " where %" PRIu64 "-%" PRIu64 " were asked for",
                 r->reply.first, r->reply.last, r->first, r->last);
        return lies(r, how);
    }
    if (r->reply.has_length && r->reply.length != want) {
        snprintf(how, sizeof how, "announces %" PRIu64 " bytes where %" PRIu64 " were asked for",
                 r->reply.length, want);
        return lies(r, how);
    }
    return SEAM_OK;
}

static seam_status check_reply(struct seam_request *r)
{
    r->checked = true;
    if (r->reply.encoded)
        return lies(r, "compresses what was asked for as it is");
    if (r->ranged)
        return check_range(r);
    if (r->reply.status != 200)
        return lies(r, "answers a question that was not asked");
    return SEAM_OK;
}

static size_t on_body(char *p, size_t size, size_t count, void *user)
{
    struct seam_request *r = user;
    size_t n = size * count;
    if (r->reply.status != 200 && r->reply.status != 206)
        return n; /* the page of an error or a redirect: not for us */
    if (!r->checked && check_reply(r) != SEAM_OK)
        return 0;
    if (n > r->limit - r->taken) {
        lies(r, "sends more than was asked for");
        return 0;
    }
    r->taken += n;
    return r->body(r->user, p, n, &r->err) == SEAM_OK ? n : 0;
}

static bool canceled(const struct seam_hub *hub)
{
    return hub->opts.cancel && *hub->opts.cancel;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct seam_request *r = user;
    (void)a, (void)b, (void)c, (void)d;
    return canceled(r->hub);
}

/* ---- a request ---- */

static void set_once(struct seam_request *r)
{
    const long timeout = (long)r->hub->opts.timeout_s;
    CURL *c = r->curl;
    curl_easy_setopt(c, CURLOPT_PRIVATE, r);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->text);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "seam/" SEAM_VERSION);
    /* one connection for each range: they are parallel to fill a line that one TCP stream does not */
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, timeout);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, timeout);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, r);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

seam_status seam_request_open(struct seam_request *r, struct seam_hub *hub, struct seam_err *err)
{
    *r = (struct seam_request){.hub = hub, .curl = curl_easy_init()};
    if (!r->curl)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a request");
    set_once(r);
    return SEAM_OK;
}

void seam_request_close(struct seam_request *r)
{
    curl_easy_cleanup(r->curl);
    curl_slist_free_all(r->headers);
    free(r->url);
    free(r->reply.next);
    *r = (struct seam_request){0};
}

seam_status seam_request_aim(struct seam_request *r, const char *path, struct seam_err *err)
{
    size_t n = strlen(r->hub->endpoint) + strlen(path) + 1;
    free(r->url);
    r->url = malloc(n);
    r->hops = 0;
    if (!r->url)
        return seam_fail(err, SEAM_ENOMEM, "no memory for an address");
    snprintf(r->url, n, "%s%s", r->hub->endpoint, path);
    return SEAM_OK;
}

static void announce(struct seam_hub *hub, const char *host)
{
    for (size_t i = 0; i < hub->n_seen; i++)
        if (!strcmp(hub->seen[i], host))
            return;
    if (hub->n_seen < SEAM_HTTP_SEEN)
        snprintf(hub->seen[hub->n_seen++], sizeof hub->seen[0], "%s", host);
    if (hub->opts.contact)
        hub->opts.contact(hub->opts.user, host);
}

/* The token is for the endpoint alone, and never in the clear over a network. */
static seam_status set_headers(struct seam_request *r, const struct seam_origin *to,
                               struct seam_err *err)
{
    const struct seam_hub *hub = r->hub;
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    if (hub->token && !strcmp(to->text, hub->origin) && (to->secure || to->loopback)) {
        r->headers = curl_slist_append(NULL, hub->token);
        if (!r->headers)
            return seam_fail(err, SEAM_ENOMEM, "no memory for a request");
    }
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    return SEAM_OK;
}

seam_status seam_request_start(struct seam_request *r, struct seam_err *err)
{
    struct seam_origin to;
    char range[64];
    seam_status st = seam_origin_parse(&to, r->url, err);
    if (st != SEAM_OK)
        return seam_fail(err, SEAM_EPROTO,
                         "%s: the hub sends us to something that is no web address", r->what);
    if (!to.secure && r->hub->secure)
        return seam_fail(err, SEAM_EPROTO, "%s: the hub sends us to %s without encryption: refused",
                         r->what, to.host);
    st = set_headers(r, &to, err);
    if (st != SEAM_OK)
        return st;
    snprintf(r->host, sizeof r->host, "%s", to.host);
    announce(r->hub, r->host);
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, r->first, r->last);
    curl_easy_setopt(r->curl, CURLOPT_RANGE, r->ranged ? range : NULL);
    curl_easy_setopt(r->curl, CURLOPT_URL, r->url);
    free(r->reply.next);
    memset(&r->reply, 0, sizeof r->reply);
    seam_err_clear(&r->err);
    r->text[0] = '\0';
    r->taken = 0;
    r->refused = r->checked = false;
    return SEAM_OK;
}

/* ---- verdicts ---- */

static enum seam_verdict judge_transport(struct seam_request *r, CURLcode code,
                                         struct seam_err *err)
{
    const char *text = r->text[0] ? r->text : curl_easy_strerror(code);
    switch (code) {
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        if (canceled(r->hub)) {
            seam_fail(err, SEAM_ECANCELED, "canceled");
            return SEAM_VERDICT_NEVER;
        }
        if (err)
            *err = r->err;
        return r->refused ? SEAM_VERDICT_AGAIN : SEAM_VERDICT_NEVER;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        seam_fail(err, SEAM_EPEER,
                  "cannot reach %s: %s (are you offline, or behind a proxy that "
                  "HTTPS_PROXY must name?)",
                  r->host, text);
        return SEAM_VERDICT_AGAIN;
    case CURLE_OPERATION_TIMEDOUT:
        seam_fail(err, SEAM_ETIMEOUT, "%s: %s was silent for %" PRIu32 " s", r->what, r->host,
                  r->hub->opts.timeout_s);
        return SEAM_VERDICT_AGAIN;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        seam_fail(err, SEAM_EPROTO, "%s is not who it says it is: %s", r->host, text);
        return SEAM_VERDICT_NEVER;
    case CURLE_OUT_OF_MEMORY:
        seam_fail(err, SEAM_ENOMEM, "no memory for a request");
        return SEAM_VERDICT_NEVER;
    default:
        seam_fail(err, SEAM_EPEER, "%s: the connection to %s broke: %s", r->what, r->host, text);
        return SEAM_VERDICT_AGAIN;
    }
}

static enum seam_verdict judge_refusal(struct seam_request *r, struct seam_err *err)
{
    const long s = r->reply.status;
    const char *code = r->reply.code, *known = r->hub->token ? "the token of" : "no token for";
    if (r->hops && s >= 400 && s < 500) { /* a signed address that has expired, or a CDN behind */
        seam_fail(err, SEAM_EPEER, "%s: %s, to which the hub sends us, says %ld", r->what, r->host,
                  s);
        return SEAM_VERDICT_AGAIN;
    }
    if (!strcmp(code, "RepoNotFound"))
        seam_fail(
            err, SEAM_ENOTFOUND,
            "%s: %s has no such repository, or it is private (Seam has %s it): check the name",
            r->what, r->host, known);
    else if (!strcmp(code, "RevisionNotFound"))
        seam_fail(err, SEAM_ENOTFOUND, "%s: %s has no such revision of it", r->what, r->host);
    else if (s == 401 || s == 403 || !strcmp(code, "GatedRepo"))
        seam_fail(
            err, SEAM_EACCESS,
            "%s: %s refuses (%ld%s%s; Seam has %s it): accept its terms on its page, and give a "
            "token by HF_TOKEN",
            r->what, r->host, s, *code ? ", " : "", code, known);
    else if (s == 404 || s == 410)
        seam_fail(err, SEAM_ENOTFOUND, "%s: %s does not have it (%ld)", r->what, r->host, s);
    else
        seam_fail(err, SEAM_EPROTO, "%s: %s answers %ld", r->what, r->host, s);
    return SEAM_VERDICT_NEVER;
}

static enum seam_verdict judge_moved(struct seam_request *r, struct seam_err *err)
{
    char *to = NULL;
    curl_easy_getinfo(r->curl, CURLINFO_REDIRECT_URL, &to);
    if (!to || ++r->hops > HOPS_MAX) {
        seam_fail(err, SEAM_EPROTO, "%s: %s %s", r->what, r->host,
                  to ? "sends us in circles" : "sends us elsewhere and does not say where");
        return SEAM_VERDICT_NEVER;
    }
    char *url = strdup(to);
    if (!url) {
        seam_fail(err, SEAM_ENOMEM, "no memory for an address");
        return SEAM_VERDICT_NEVER;
    }
    free(r->url);
    r->url = url;
    return SEAM_VERDICT_MOVED;
}

static enum seam_verdict judge_body(struct seam_request *r, struct seam_err *err)
{
    const uint64_t want = r->last - r->first + 1;
    if (!r->checked && check_reply(r) != SEAM_OK) {
        if (err)
            *err = r->err;
        return SEAM_VERDICT_AGAIN;
    }
    if (!r->ranged || r->taken == want)
        return SEAM_VERDICT_OK;
    seam_fail(err, SEAM_EPROTO, "%s: %s sent %" PRIu64 " of %" PRIu64 " bytes", r->what, r->host,
              r->taken, want);
    return SEAM_VERDICT_AGAIN;
}

enum seam_verdict seam_request_judge(struct seam_request *r, CURLcode code, double *wait_s,
                                     struct seam_err *err)
{
    const long s = r->reply.status;
    curl_off_t asked = 0;
    *wait_s = 0;
    if (code != CURLE_OK)
        return judge_transport(r, code, err);
    if (s == 200 || s == 206)
        return judge_body(r, err);
    if (s == 301 || s == 302 || s == 303 || s == 307 || s == 308)
        return judge_moved(r, err);
    if (s != 408 && s != 429 && s < 500)
        return judge_refusal(r, err);
    curl_easy_getinfo(r->curl, CURLINFO_RETRY_AFTER, &asked);
    *wait_s = (double)asked;
    seam_fail(err, s == 429 ? SEAM_EBUSY : SEAM_EPEER, "%s: %s answers %ld%s", r->what, r->host, s,
              s == 429 ? ": too many requests" : "");
    if (*wait_s <= SEAM_RETRY_AFTER_MAX)
        return SEAM_VERDICT_AGAIN;
    seam_fail(err, SEAM_EBUSY, "%s: %s answers %ld and asks us to come back in %.0f s", r->what,
              r->host, s, *wait_s);
    return SEAM_VERDICT_NEVER;
}

double seam_request_backoff(uint32_t n, double asked_s)
{
    double s = 0.25;
    for (uint32_t i = 1; i < n && s < 30; i++)
        s *= 2;
    if (s > 30)
        s = 30;
    s *= 0.75 + 0.25 * (double)(seam_mono_ns() / 1000 % 1024) / 1024;
    return s > asked_s ? s : asked_s;
}

/* ---- a small file, at once ---- */

static seam_status append(void *user, const char *p, size_t n, struct seam_err *err)
{
    struct seam_buf *to = user;
    seam_buf_append(to, p, n);
    return to->failed ? seam_fail(err, SEAM_ENOMEM, "no memory for what the hub says") : SEAM_OK;
}

static void sleep_s(const struct seam_hub *hub, double s)
{
    const uint64_t end = seam_mono_ns() + (uint64_t)(s * (double)SEAM_NS_PER_S);
    const struct timespec step = {0, 20 * (long)SEAM_NS_PER_MS};
    while (!canceled(hub) && seam_mono_ns() < end)
        nanosleep(&step, NULL);
}

static seam_status aim(struct seam_request *r, const struct seam_get *g, struct seam_err *err)
{
    r->what = g->what;
    r->first = g->first;
    r->last = g->last;
    r->total = g->total;
    r->ranged = g->total > 0;
    r->limit = r->ranged ? g->last - g->first + 1 : g->limit;
    return seam_request_aim(r, g->path, err);
}

static seam_status get(struct seam_request *r, const struct seam_get *g, struct seam_buf *to,
                       struct seam_err *err)
{
    const size_t before = to->n;
    double wait_s = 0;
    enum seam_verdict v = SEAM_VERDICT_AGAIN;
    for (uint32_t tries = 1;; tries++) {
        seam_status st = aim(r, g, err);
        do {
            if (st == SEAM_OK)
                st = seam_request_start(r, err);
            if (st != SEAM_OK)
                return st;
            v = seam_request_judge(r, curl_easy_perform(r->curl), &wait_s, err);
        } while (v == SEAM_VERDICT_MOVED);
        if (v == SEAM_VERDICT_OK)
            return SEAM_OK;
        if (v == SEAM_VERDICT_NEVER || tries > r->hub->opts.retries)
            return err->status;
        to->n = before;
        wait_s = seam_request_backoff(tries, wait_s);
        if (r->hub->opts.again)
            r->hub->opts.again(r->hub->opts.user, err->text, wait_s);
        sleep_s(r->hub, wait_s);
    }
}

seam_status seam_http_get(struct seam_hub *hub, const struct seam_get *g, struct seam_buf *to,
                          char **next, struct seam_err *err)
{
    struct seam_request r;
    struct seam_err own = {0};
    if (!err)
        err = &own;
    seam_status st = seam_request_open(&r, hub, err);
    if (st != SEAM_OK)
        return st;
    r.body = append;
    r.user = to;
    st = get(&r, g, to, err);
    if (next && st == SEAM_OK) {
        *next = r.reply.next;
        r.reply.next = NULL;
    }
    seam_request_close(&r);
    return st;
}

/* ---- addresses ---- */

static void encode(struct seam_buf *b, const char *text, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        char esc[3] = {'%', hex[*p >> 4], hex[*p & 15]};
        if ((*p < 0x80 && isalnum(*p)) || strchr("-._~", *p) || (keep_slash && *p == '/'))
            seam_buf_append(b, (const char *)p, 1);
        else
            seam_buf_append(b, esc, 3);
    }
}

static char *finish(struct seam_buf *b)
{
    if (b->failed)
        seam_buf_release(b);
    return b->p;
}

char *seam_http_resolve_path(const char *repo, const char *revision, const char *path)
{
    struct seam_buf b = {0};
    seam_buf_puts(&b, "/");
    encode(&b, repo, true);
    seam_buf_puts(&b, "/resolve/");
    encode(&b, revision, false);
    seam_buf_puts(&b, "/");
    encode(&b, path, true);
    return finish(&b);
}

/* Of the next page's URL only the query counts: a mirror of the hub passes on the hub's own address. */
char *seam_http_tree_path(const char *repo, const char *revision, const char *next)
{
    struct seam_buf b = {0};
    const char *query = next ? strchr(next, '?') : NULL;
    seam_buf_puts(&b, "/api/models/");
    encode(&b, repo, true);
    seam_buf_puts(&b, "/tree/");
    encode(&b, revision, false);
    seam_buf_puts(&b, query ? query : "?recursive=1");
    return finish(&b);
}
