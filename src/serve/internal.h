/* internal.h - the server as its own files see it. Thread: everything but `stopping` is immutable
 * after open. */
#ifndef SEAM_SERVE_INTERNAL_H
#define SEAM_SERVE_INTERNAL_H

#include <stdatomic.h>

#include "serve/http.h"
#include "serve/server.h"

struct seam_server {
    struct seam_server_opts o;
    struct seam_http *http;
    const struct seam_chat_format *format; /* NULL: format_err says why chats are refused */
    struct seam_err format_err;
    struct seam_tokens stop_ids; /* every token that ends a reply */
    bool thinking;               /* when a request does not say */
    int64_t created;             /* seconds since 1970 */
    atomic_bool stopping;
};

/* Handlers of the route table in server.c. `user` is the server. */
void seam_server_chat(struct seam_http_request *r, void *user);   /* completion.c */
void seam_server_health(struct seam_http_request *r, void *user); /* health.c */
void seam_server_models(struct seam_http_request *r, void *user);
void seam_server_model(struct seam_http_request *r, void *user);

#endif
