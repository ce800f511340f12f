/* err.h - status codes and error stories.
 *
 * A function that can fail returns seam_status and takes `struct seam_err *err` last. The first
 * to know the cause writes it with seam_fail(); callers on the way up prepend their noun with
 * seam_wrap(); src/cmd prints one line. `err` may be NULL: then only the status travels.
 * Thread: a seam_err belongs to one thread at a time. Nothing here allocates. */
#ifndef SEAM_BASE_ERR_H
#define SEAM_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* X(code, name, exit status of a command that ends with it, HTTP status, one-line meaning) */
#define SEAM_STATUS_MAP(X)                                                                        \
    X(SEAM_OK, "ok", 0, 200, "success")                                                           \
    X(SEAM_EINVAL, "invalid", 2, 400, "the caller's input is wrong: option, request, argument")   \
    X(SEAM_EIO, "io", 3, 500, "a file or device failed")                                          \
    X(SEAM_EFORMAT, "format", 4, 500, "a file is not what it claims to be")                       \
    X(SEAM_EUNSUPPORTED, "unsupported", 5, 501, "well-formed, but Seam cannot do it")             \
    X(SEAM_ENOMEM, "memory", 6, 507, "a memory budget is too small")                              \
    X(SEAM_ECONTEXT, "context", 7, 400, "the prompt does not fit the context")                    \
    X(SEAM_ENOTFOUND, "not-found", 8, 404, "no such model, node or file")                         \
    X(SEAM_EPROTO, "protocol", 9, 502, "a peer speaks another version or sent nonsense")          \
    X(SEAM_EMISMATCH, "mismatch", 10, 502, "a peer holds another model or KV layout")             \
    X(SEAM_ETIMEOUT, "timeout", 11, 504, "a peer was silent for too long")                        \
    X(SEAM_EPEER, "peer", 12, 502, "a peer is gone")                                              \
    X(SEAM_ECANCELED, "canceled", 13, 499, "the requester went away or pressed Ctrl-C")           \
    X(SEAM_EBUSY, "busy", 14, 503, "no room for more work now: try again")                        \
    X(SEAM_EINTERNAL, "internal", 15, 500, "a bug in Seam")                                       \
    X(SEAM_EACCESS, "access", 16, 403, "a hub gives it only to those it knows: gated or private") \
    X(SEAM_EFULL, "full", 17, 507, "a disk is full, or would be")                                 \
    X(SEAM_DEGRADED, "degraded", 20, 503, "`seam check`: it works, but not as it should")         \
    X(SEAM_NOT_READY, "not-ready", 21, 503, "`seam check`: a check failed")

typedef enum seam_status {
#define X(code, name, exit_status, http, text) code,
    SEAM_STATUS_MAP(X)
#undef X
        SEAM_STATUS_COUNT
} seam_status;

struct seam_err {
    seam_status status;
    char text[1024]; /* one line, no newline; "" when status is SEAM_OK */
};

const char *seam_status_name(seam_status st);
const char *seam_status_text(seam_status st);
int seam_status_exit(seam_status st);
int seam_status_http(seam_status st);

/* Write the cause; returns st so that `return seam_fail(...)` reads well. Control characters in
 * the formatted text (a hostile file's tensor name) are replaced by '?'. */
seam_status seam_fail(struct seam_err *err, seam_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Prepend "noun: " to an existing story; keeps and returns its status. */
seam_status seam_wrap(struct seam_err *err, seam_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void seam_err_clear(struct seam_err *err);

#endif
