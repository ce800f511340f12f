/* layers.c - which splits a node needs that holds some of the layers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/http.h"
#include "model/catalog.h"

#define FIRST_READ (64u << 10)

struct share {
    uint32_t first, last, n_layer;
    bool tied; /* no tensor output.weight anywhere: the head is the embedding */
};

/* The header of one split, by ranges that grow until it is whole. */
static seam_status read_header(struct seam_hub *hub, const char *path,
                               const struct seam_hub_file *f, struct seam_catalog **out,
                               struct seam_err *err)
{
    struct seam_buf b = {0};
    uint64_t wanted = f->bytes < FIRST_READ ? f->bytes : FIRST_READ;
    seam_status st = SEAM_OK;
    *out = NULL;
    if (f->bytes == 0)
        return seam_fail(err, SEAM_EFORMAT, "%s: is empty", f->path);
    while (st == SEAM_OK && wanted) {
        const struct seam_get g = {.path = path,
                                   .what = f->name,
                                   .first = b.n,
                                   .last = wanted - 1,
                                   .total = f->bytes};
        st = seam_http_get(hub, &g, &b, NULL, err);
        if (st == SEAM_OK)
            st = seam_catalog_open_prefix(out, b.p, b.n, f->bytes, &wanted, err);
        if (wanted && wanted < 2 * (uint64_t)b.n)
            wanted = 2 * (uint64_t)b.n;
        if (wanted > f->bytes)
            wanted = f->bytes;
    }
    seam_buf_release(&b);
    return st == SEAM_OK ? st : seam_wrap(err, st, "the header of %s", f->name);
}

static bool is_ours(const struct share *s, const char *name)
{
    uint32_t layer;
    char dot;
    if (sscanf(name, "blk.%9" SCNu32 "%c", &layer, &dot) == 2 && dot == '.')
        return layer >= s->first &&
               (layer <= s->last || (s->last + 1 == s->n_layer && layer >= s->n_layer));
    if (!strncmp(name, "token_embd", 10))
        return s->first == 0 || (s->tied && s->last + 1 == s->n_layer);
    if (!strncmp(name, "output", 6))
        return s->last + 1 == s->n_layer;
    return true; /* rope factors and whatever else belongs to no layer */
}

static seam_status count_layers(const struct seam_catalog *c, struct share *s, struct seam_err *err)
{
    struct seam_str arch;
    char key[128];
    uint64_t n = 0;
    if (!seam_meta_str(seam_catalog_meta(c, "general.architecture"), &arch) || arch.len > 64)
        return seam_fail(err, SEAM_EFORMAT, "the first split names no architecture");
    snprintf(key, sizeof key, "%.*s.block_count", (int)arch.len, arch.p);
    const struct seam_meta *m = seam_catalog_meta(c, key);
    if (!m || !seam_meta_u64(m, &n) || n == 0 || n > 100000)
        return seam_fail(err, SEAM_EFORMAT,
                         "the first split does not say how many layers there are");
    s->n_layer = (uint32_t)n;
    if (s->last >= s->n_layer)
        return seam_fail(err, SEAM_EINVAL,
                         "layers %" PRIu32 "-%" PRIu32 ": the model has 0-%" PRIu32, s->first,
                         s->last, s->n_layer - 1);
    return SEAM_OK;
}

static seam_status read_headers(struct seam_hub *hub, const char *repo, const char *revision,
                                const struct seam_hub_file *file, size_t n,
                                struct seam_catalog **header, struct share *s, struct seam_err *err)
{
    s->tied = true;
    for (size_t i = 0; i < n; i++) {
        char *path = seam_http_resolve_path(repo, revision, file[i].path);
        seam_status st = path ? read_header(hub, path, &file[i], &header[i], err)
                              : seam_fail(err, SEAM_ENOMEM, "no memory for an address");
        free(path);
        if (st == SEAM_OK && i == 0)
            st = count_layers(header[0], s, err);
        if (st != SEAM_OK)
            return st;
        if (seam_catalog_tensor(header[i], "output.weight"))
            s->tied = false;
    }
    return SEAM_OK;
}

seam_status seam_hub_layers(struct seam_hub *hub, const char *repo, const char *revision,
                            const struct seam_hub_list *list, const struct seam_hub_set *set,
                            uint32_t first, uint32_t last, bool *keep, struct seam_err *err)
{
    struct share s = {.first = first, .last = last};
    struct seam_catalog **header = calloc(set->n, sizeof *header);
    if (!header)
        return seam_fail(err, SEAM_ENOMEM, "no memory for headers");
    seam_status st =
        read_headers(hub, repo, revision, list->file + set->first, set->n, header, &s, err);
    for (size_t i = 0; i < set->n; i++) {
        keep[i] = i == 0;
        for (size_t t = 0; st == SEAM_OK && t < seam_catalog_tensor_count(header[i]); t++)
            keep[i] |= is_ours(&s, seam_catalog_tensor_at(header[i], t)->name);
        seam_catalog_close(header[i]);
    }
    free(header);
    return st;
}
