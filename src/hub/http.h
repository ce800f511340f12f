/* http.h - one GET at a time, judged: shared by the listing and by fetch.c. Private to src/hub.
 *
 * libcurl moves the bytes; what it cannot know is decided here: whether a reply is the range that was
 * asked for, whether a failure is worth another try, where a redirect may lead and who gets the token. Redirects
 * are followed by hand for that. Thread: as the hub. */
#ifndef SEAM_HUB_HTTP_H
#define SEAM_HUB_HTTP_H

#include <curl/curl.h>

#include "base/buf.h"
#include "hub/hub.h"

#define SEAM_HTTP_SEEN 16

struct seam_hub {
    char *endpoint;   /* no slash at its end */
    char origin[300]; /* "https://huggingface.co:443" */
    char host[256];
    char *token;  /* "Authorization: Bearer ...", NULL: none */
    bool secure;  /* the endpoint is https */
    bool private; /* ... or this machine */
    struct seam_hub_opts opts;
    char seen[SEAM_HTTP_SEEN][256]; /* hosts announced */
    size_t n_seen;
};

/* What to do after a request. */
enum seam_verdict {
    SEAM_VERDICT_OK,    /* the whole body was taken */
    SEAM_VERDICT_MOVED, /* request->url is the next one: seam_request_start() again */
    SEAM_VERDICT_AGAIN, /* may work later; the story says what happened */
    SEAM_VERDICT_NEVER  /* will not */
};

/* Takes body bytes. Anything but SEAM_OK ends the request, for good. */
typedef seam_status (*seam_body_fn)(void *user, const char *p, size_t n, struct seam_err *err);

struct seam_request {
    struct seam_hub *hub;
    CURL *curl;
    const char *what; /* for stories: the file or repository; borrowed */
    char *url;
    uint32_t hops;
    bool ranged;
    uint64_t first, last, total; /* the bytes wanted of a file of `total` bytes */
    uint64_t limit, taken;       /* body bytes: at most, so far in this request */
    seam_body_fn body;
    void *user;

    struct curl_slist *headers;
    char text[CURL_ERROR_SIZE];
    char host[256];
    struct seam_err err; /* written by a callback */
    bool refused;        /* the reply is not what was asked for */
    bool checked;
    struct { /* of the reply */
        long status;
        bool has_length, has_range, encoded;
        uint64_t length, first, last, total;
        char code[64]; /* X-Error-Code */
        char *next;    /* Link: rel="next" */
    } reply;
};

seam_status seam_request_open(struct seam_request *r, struct seam_hub *hub, struct seam_err *err);
void seam_request_close(struct seam_request *r);

/* Aim at {endpoint}{path} (path is encoded already), whole or a range of a file; then start: after that
 * the easy handle may be performed. SEAM_EPROTO: a redirect leads where it must not. */
seam_status seam_request_aim(struct seam_request *r, const char *path, struct seam_err *err);
seam_status seam_request_start(struct seam_request *r, struct seam_err *err);
/* Judge what curl_easy_perform() or the multi interface said. *wait_s: what the server asks for (Retry-After), 0
 * when nothing. */
enum seam_verdict seam_request_judge(struct seam_request *r, CURLcode code, double *wait_s,
                                     struct seam_err *err);

/* How long to wait before try number n (from 1): 0.25 s doubled each time up to 30 s, a quarter of it at random,
 * and not less than the server asked for. */
double seam_request_backoff(uint32_t n, double asked_s);
/* The longest Retry-After that is waited for. */
#define SEAM_RETRY_AFTER_MAX 300.0

/* GET with redirects and retries, the body appended to `to`: at most `limit` bytes, or with total > 0 a range of a
 * file. *next (may be NULL) is the URL of the next page or NULL, for the caller to free. */
struct seam_get {
    const char *path; /* under the endpoint */
    const char *what;
    uint64_t first, last, total, limit;
};
seam_status seam_http_get(struct seam_hub *hub, const struct seam_get *g, struct seam_buf *to,
                          char **next, struct seam_err *err);

/* "/{repo}/resolve/{revision}/{path}", encoded, for the caller to free. NULL: no memory. */
char *seam_http_resolve_path(const char *repo, const char *revision, const char *path);
/* "/api/models/{repo}/tree/{revision}?recursive=1", or with the query of a next page's URL. */
char *seam_http_tree_path(const char *repo, const char *revision, const char *next);

#endif
