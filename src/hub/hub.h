/* hub.h - a Hugging Face-style hub: what a repository holds, and which of it is one model.
 *
 * Listing: GET {endpoint}/api/models/{repo}/tree/{revision}?recursive=1, pages by `Link: <...>; rel="next"`,
 * each file with its size and, where it lies in LFS, its SHA-256 (huggingface_hub 0.3x: hf_api.py list_repo_tree,
 * utils/_pagination.py). Bytes: GET {endpoint}/{repo}/resolve/{revision}/{path}, redirected to a CDN (fetch.h).
 * Refusals carry X-Error-Code: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo (utils/_http.py).
 *
 * The token comes from HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file HF_TOKEN_PATH, HF_HOME/token,
 * XDG_CACHE_HOME/huggingface/token or ~/.cache/huggingface/token (utils/_auth.py). It is sent to the endpoint's
 * scheme, host and port only, never in the clear but to this machine, and never printed. Proxy variables are
 * libcurl's. Nothing is sent but names: of the repository, the revision, the files.
 *
 * Thread: one at a time. A hub is opened on the main thread before others start (curl_global_init). */
#ifndef SEAM_HUB_HUB_H
#define SEAM_HUB_HUB_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

#define SEAM_HUB_ENDPOINT "https://huggingface.co"

struct seam_hub_opts {
    const char *endpoint;                          /* NULL: HF_ENDPOINT, or SEAM_HUB_ENDPOINT */
    uint32_t retries;                              /* in a row, without a byte of progress */
    uint32_t timeout_s;                            /* without a byte */
    const volatile sig_atomic_t *cancel;           /* NULL: never */
    void (*contact)(void *user, const char *host); /* once for each host, before it is asked */
    void (*again)(void *user, const char *story, double wait_s); /* a retry, and when */
    void *user;
};
struct seam_hub;

/* SEAM_EINVAL: the endpoint is no URL, or holds a password; a token holds bytes that no header may.
 * SEAM_EPEER: HF_HUB_OFFLINE is set. The strings of opts are copied. */
seam_status seam_hub_open(struct seam_hub **out, const struct seam_hub_opts *opts,
                          struct seam_err *err);
void seam_hub_close(struct seam_hub *hub);
const char *seam_hub_host(const struct seam_hub *hub); /* of the endpoint */
bool seam_hub_private(const struct seam_hub *hub);     /* TLS, or this machine */

struct seam_hub_file {
    char *path;       /* in the repository, checked: no "..", no control characters */
    const char *name; /* its last part */
    uint64_t bytes;
    bool hashed; /* the hub says a SHA-256 */
    uint8_t sha256[SEAM_SHA256_BYTES];
};

/* The files of one model: all splits, or a file alone. */
struct seam_hub_set {
    char *name;      /* path without .gguf and split number: "UD-Q8_K_XL/Kimi-K2.6-UD-Q8_K_XL" */
    size_t first, n; /* in files */
    uint32_t of;     /* how many the names announce */
    uint64_t bytes;
};

struct seam_hub_list {
    struct seam_hub_file *file; /* *.gguf only, by path */
    size_t n_file;
    struct seam_hub_set *set;
    size_t n_set;
};

/* "owner/name" of a repository, or a model that `seam plan` knows by card and we know a repository of;
 * the part after the first ':' is what to take of it (NULL: none given). `repo` is filled.
 * SEAM_EINVAL: neither. */
seam_status seam_hub_model_parse(const char *model, char *repo, size_t len, const char **what,
                                 struct seam_err *err);

/* Fill *list (zeroed by the caller), who ends it with seam_hub_list_release() in any case.
 * SEAM_ENOTFOUND: no such repository or revision. SEAM_EACCESS: gated or private. SEAM_EPEER, SEAM_ETIMEOUT,
 * SEAM_EBUSY (429): not now. SEAM_EPROTO, SEAM_EFORMAT: the answer is none. SEAM_ECANCELED. */
seam_status seam_hub_list_get(struct seam_hub *hub, const char *repo, const char *revision,
                              struct seam_hub_list *list, struct seam_err *err);
/* One page of JSON, appended to list; then, after the last page, sort and group. For tests and the fuzzer too. */
seam_status seam_hub_list_parse(struct seam_hub_list *list, const char *json, size_t len,
                                struct seam_err *err);
seam_status seam_hub_list_group(struct seam_hub_list *list, struct seam_err *err);
void seam_hub_list_release(struct seam_hub_list *list);

/* Which sets `what` names, as chosen[i] for each of list->n_set: a quantisation ("UD-Q8_K_XL": the end of a file's
 * name, or a folder; must mean one set), or a path with '/', '*' or ".gguf" in it (fnmatch; any number of sets).
 * NULL: the only set there is.
 * SEAM_ENOTFOUND: none. SEAM_EINVAL: several, where one is meant. SEAM_EFORMAT: the hub does not list
 * all splits of it, or gives no SHA-256, or two chosen files have one name. */
seam_status seam_hub_select(const struct seam_hub_list *list, const char *what, bool *chosen,
                            struct seam_err *err);

/* Which files of a set a node needs that holds layers [first, last]: keep[i] for each of set->n. Reads the headers
 * of all splits by ranges. The first split is always kept (it has the metadata), the embedding's with layer 0,
 * the head's with the last layer.
 * SEAM_EINVAL: the model has not so many layers. SEAM_EFORMAT: a split is no GGUF. Else as seam_hub_list_get(). */
seam_status seam_hub_layers(struct seam_hub *hub, const char *repo, const char *revision,
                            const struct seam_hub_list *list, const struct seam_hub_set *set,
                            uint32_t first, uint32_t last, bool *keep, struct seam_err *err);

#endif
