/* catalog.c - shards joined: one list of tensors, one index by name, one fingerprint.
 *
 *   FILE --gguf.c--> shard k of n --(n > 1)--> its siblings by name --> checks --> index */
#include "model/catalog.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/os/os.h"
#include "model/gguf.h"

#define SHARDS_MAX 65535u /* split.count is 16 bits */

struct seam_catalog {
    struct seam_gguf *shard;
    uint32_t n_shard;
    struct seam_tensor *tensor; /* all shards, in file order */
    size_t n_tensor;
    const struct seam_tensor **tensor_index; /* by name */
    const struct seam_meta **meta_index;     /* of shard 0, by key */
    uint64_t weight_bytes;
};

/* ---- names of shards: PREFIX-%05d-of-%05d.gguf ---- */

/* Digits backwards from *end; false when there are fewer than five. */
static bool digits_before(const char *s, size_t *end, uint32_t *v)
{
    size_t at = *end;
    while (at > 0 && isdigit((unsigned char)s[at - 1]))
        at--;
    if (*end - at < 5 || *end - at > 9)
        return false;
    *v = (uint32_t)strtoul(s + at, NULL, 10);
    *end = at;
    return true;
}

bool seam_shard_name_parse(const char *name, struct seam_shard_name *out)
{
    static const char tail[] = ".gguf", of[] = "-of-";
    size_t at = strlen(name);
    if (at < sizeof tail - 1 || strcmp(name + at - (sizeof tail - 1), tail) != 0)
        return false;
    at -= sizeof tail - 1;
    if (!digits_before(name, &at, &out->count))
        return false;
    if (at < sizeof of - 1 || strncmp(name + at - (sizeof of - 1), of, sizeof of - 1) != 0)
        return false;
    at -= sizeof of - 1;
    if (!digits_before(name, &at, &out->no) || at == 0 || name[at - 1] != '-')
        return false;
    out->prefix_len = at - 1;
    return true;
}

static char *shard_path(const char *like, const struct seam_shard_name *n, uint32_t no)
{
    size_t size = n->prefix_len + 40;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%.*s-%05" PRIu32 "-of-%05" PRIu32 ".gguf", (int)n->prefix_len, like,
                 no, n->count);
    return path;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A folder that holds two splits of one name, or one shard too many, was downloaded twice. */
static seam_status check_extra(const char *like, const struct seam_shard_name *n,
                               struct seam_err *err)
{
    const char *base = base_name(like);
    size_t dir_len = (size_t)(base - like), prefix_len = n->prefix_len - dir_len;
    char *dir = dir_len ? strndup(like, dir_len) : strdup(".");
    DIR *d = dir ? opendir(dir) : NULL;
    free(dir);
    if (!d) /* a folder may be searchable but not readable: then there is nothing to look for */
        return SEAM_OK;
    seam_status st = SEAM_OK;
    struct dirent *e;
    while (st == SEAM_OK && (e = readdir(d))) {
        struct seam_shard_name other;
        if (!seam_shard_name_parse(e->d_name, &other) || other.prefix_len != prefix_len ||
            strncmp(e->d_name, base, prefix_len) != 0)
            continue;
        if (other.count != n->count)
            st = seam_fail(err, SEAM_EFORMAT,
                           "%s: the folder also holds %s, a shard of another split: remove one of "
                           "the two",
                           like, e->d_name);
        else if (other.no == 0 || other.no > n->count)
            st = seam_fail(err, SEAM_EFORMAT,
                           "%s: the folder also holds %s, which is not one of %" PRIu32
                           " shards: remove it",
                           like, e->d_name, n->count);
    }
    closedir(d);
    return st;
}

/* ---- joining ---- */

static seam_status meta_of_split(const struct seam_gguf *g, const char *key, uint64_t *v,
                                 struct seam_err *err)
{
    const struct seam_meta *m = seam_gguf_meta(g, key);
    if (m && !seam_meta_u64(m, v))
        return seam_fail(err, SEAM_EFORMAT, "%s: %s is not a number >= 0", g->path, key);
    return SEAM_OK;
}

/* What a shard says about itself must be what its name and the first shard say. */
static seam_status check_shard(const struct seam_catalog *c, uint32_t i, struct seam_err *err)
{
    const struct seam_gguf *g = &c->shard[i];
    uint64_t no = UINT64_MAX, count = 0;
    seam_status st = meta_of_split(g, "split.no", &no, err);
    if (st == SEAM_OK)
        st = meta_of_split(g, "split.count", &count, err);
    if (st != SEAM_OK)
        return st;
    if (count != c->n_shard || no != i)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: shards disagree: by its name it is shard %" PRIu32 " of %" PRIu32
                         ", by split.no and split.count it is %" PRIu64 " of %" PRIu64
                         ": download it again",
                         g->path, i + 1, c->n_shard, no == UINT64_MAX ? 0 : no + 1, count);
    const struct seam_meta *mine = seam_gguf_meta(g, "general.architecture"),
                           *first = seam_gguf_meta(&c->shard[0], "general.architecture");
    struct seam_str a, b;
    if (seam_meta_str(mine, &a) && seam_meta_str(first, &b) &&
        (a.len != b.len || memcmp(a.p, b.p, a.len) != 0))
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: shards disagree: architecture %.*s, the first shard has %.*s",
                         g->path, (int)(a.len < 64 ? a.len : 64), a.p,
                         (int)(b.len < 64 ? b.len : 64), b.p);
    return SEAM_OK;
}

static seam_status check_total(const struct seam_catalog *c, struct seam_err *err)
{
    for (uint32_t i = 0; i < c->n_shard; i++) {
        uint64_t total = c->n_tensor;
        seam_status st = meta_of_split(&c->shard[i], "split.tensors.count", &total, err);
        if (st != SEAM_OK)
            return st;
        if (total != c->n_tensor)
            return seam_fail(err, SEAM_EFORMAT,
                             "%s: shards disagree: it says the split has %" PRIu64
                             " tensors, the %" PRIu32 " shards hold %zu: download it again",
                             c->shard[i].path, total, c->n_shard, c->n_tensor);
    }
    return SEAM_OK;
}

static seam_status open_siblings(struct seam_catalog *c, const char *file,
                                 const struct seam_shard_name *name, struct seam_err *err)
{
    struct seam_gguf given = c->shard[0];
    struct seam_gguf *shard = calloc(name->count, sizeof *shard);
    if (!shard)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory for %" PRIu32 " shards", file,
                         name->count);
    free(c->shard);
    c->shard = shard;
    c->n_shard = name->count;
    shard[name->no - 1] = given;
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; i < c->n_shard && st == SEAM_OK; i++) {
        if (i == name->no - 1)
            continue;
        char *path = shard_path(file, name, i + 1);
        if (!path)
            return seam_fail(err, SEAM_ENOMEM, "%s: no memory", file);
        st = seam_gguf_read_file(&shard[i], path, err);
        if (st == SEAM_ENOTFOUND)
            st = seam_fail(err, st,
                           "%s: shard %" PRIu32 " of %" PRIu32
                           " is missing: %s (fetch it into the same folder: `seam pull`)",
                           file, i + 1, c->n_shard, base_name(path));
        free(path);
    }
    for (uint32_t i = 0; i < c->n_shard && st == SEAM_OK; i++)
        st = check_shard(c, i, err);
    return st == SEAM_OK ? check_extra(file, name, err) : st;
}

/* The first shard is open: are there others? */
static seam_status open_split(struct seam_catalog *c, const char *file, struct seam_err *err)
{
    struct seam_shard_name name;
    uint64_t count = 1;
    bool named = seam_shard_name_parse(file, &name);
    seam_status st = meta_of_split(&c->shard[0], "split.count", &count, err);
    if (st != SEAM_OK)
        return st;
    if (count == 0)
        count = 1;
    if (!named && count == 1)
        return SEAM_OK;
    if (!named)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: holds one of %" PRIu64
                         " shards, but is not named ...-00001-of-%05" PRIu64
                         ".gguf, so that its siblings cannot be found: rename it",
                         file, count, count);
    if (name.count == 0 || name.count > SHARDS_MAX || name.no == 0 || name.no > name.count)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: its name says shard %" PRIu32 " of %" PRIu32
                         ", which cannot be: remove or rename it",
                         file, name.no, name.count);
    if (name.count != count)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: shards disagree: its name says %" PRIu32
                         " shards, split.count says %" PRIu64,
                         file, name.count, count);
    if (count == 1)
        return check_extra(file, &name, err);
    return open_siblings(c, file, &name, err);
}

/* ---- indexes ---- */

static int tensor_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct seam_tensor *const *)a)->name,
                  (*(const struct seam_tensor *const *)b)->name);
}

static int meta_by_key(const void *a, const void *b)
{
    return strcmp((*(const struct seam_meta *const *)a)->key,
                  (*(const struct seam_meta *const *)b)->key);
}

static seam_status index_tensors(struct seam_catalog *c, struct seam_err *err)
{
    for (uint32_t s = 0; s < c->n_shard; s++)
        c->n_tensor += c->shard[s].n_tensor;
    c->tensor = malloc((c->n_tensor + 1) * sizeof *c->tensor);
    c->tensor_index = malloc((c->n_tensor + 1) * sizeof *c->tensor_index);
    if (!c->tensor || !c->tensor_index)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu tensors", c->n_tensor);
    size_t n = 0;
    for (uint32_t s = 0; s < c->n_shard; s++) {
        for (size_t i = 0; i < c->shard[s].n_tensor; i++, n++) {
            c->tensor[n] = c->shard[s].tensor[i];
            c->tensor[n].shard = s;
            c->tensor_index[n] = &c->tensor[n];
            c->weight_bytes += c->tensor[n].n_bytes; /* bounded by the files: no overflow */
        }
    }
    qsort(c->tensor_index, n, sizeof *c->tensor_index, tensor_by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(c->tensor_index[i - 1]->name, c->tensor_index[i]->name) == 0)
            return seam_fail(err, SEAM_EFORMAT, "%s: the tensor %s occurs twice",
                             c->shard[c->tensor_index[i]->shard].path, c->tensor_index[i]->name);
    return SEAM_OK;
}

static seam_status index_meta(struct seam_catalog *c, struct seam_err *err)
{
    struct seam_gguf *g = &c->shard[0];
    c->meta_index = malloc((g->n_meta + 1) * sizeof *c->meta_index);
    if (!c->meta_index)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu keys", g->n_meta);
    for (size_t i = 0; i < g->n_meta; i++)
        c->meta_index[i] = &g->meta[i];
    qsort(c->meta_index, g->n_meta, sizeof *c->meta_index, meta_by_key);
    return SEAM_OK;
}

static seam_status join(struct seam_catalog *c, struct seam_err *err)
{
    seam_status st = index_tensors(c, err);
    if (st == SEAM_OK)
        st = check_total(c, err);
    if (st == SEAM_OK)
        st = index_meta(c, err);
    return st;
}

/* ---- public ---- */

static struct seam_catalog *catalog_new(void)
{
    struct seam_catalog *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->shard = calloc(1, sizeof *c->shard);
    c->n_shard = 1;
    if (!c->shard) {
        free(c);
        return NULL;
    }
    return c;
}

seam_status seam_catalog_open(struct seam_catalog **out, const char *file, struct seam_err *err)
{
    *out = NULL;
    struct seam_catalog *c = catalog_new();
    if (!c)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory", file);
    seam_status st = seam_gguf_read_file(&c->shard[0], file, err);
    if (st == SEAM_OK)
        st = open_split(c, file, err);
    if (st == SEAM_OK)
        st = join(c, err);
    if (st != SEAM_OK) {
        seam_catalog_close(c);
        return st;
    }
    *out = c;
    return SEAM_OK;
}

seam_status seam_catalog_open_memory(struct seam_catalog **out, const void *data, size_t len,
                                     struct seam_err *err)
{
    uint64_t count = 1;
    *out = NULL;
    struct seam_catalog *c = catalog_new();
    if (!c)
        return seam_fail(err, SEAM_ENOMEM, "no memory");
    seam_status st = seam_gguf_read_memory(&c->shard[0], data, len, err);
    if (st == SEAM_OK)
        st = meta_of_split(&c->shard[0], "split.count", &count, err);
    if (st == SEAM_OK && count > 1)
        st = seam_fail(err, SEAM_EFORMAT, "(memory): one of %" PRIu64 " shards", count);
    if (st == SEAM_OK)
        st = join(c, err);
    if (st != SEAM_OK) {
        seam_catalog_close(c);
        return st;
    }
    *out = c;
    return SEAM_OK;
}

seam_status seam_catalog_open_prefix(struct seam_catalog **out, const void *data, size_t len,
                                     uint64_t file_bytes, uint64_t *wanted, struct seam_err *err)
{
    *out = NULL;
    struct seam_catalog *c = catalog_new();
    if (!c)
        return seam_fail(err, SEAM_ENOMEM, "no memory");
    seam_status st = seam_gguf_read_prefix(&c->shard[0], data, len, file_bytes, wanted, err);
    if (st == SEAM_OK && !*wanted)
        st = index_tensors(c, err);
    if (st == SEAM_OK && !*wanted)
        st = index_meta(c, err);
    if (st != SEAM_OK || *wanted) {
        seam_catalog_close(c);
        return st;
    }
    *out = c;
    return SEAM_OK;
}

void seam_catalog_close(struct seam_catalog *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_shard; i++)
        seam_gguf_release(&c->shard[i]);
    free(c->shard);
    free(c->tensor);
    free(c->tensor_index);
    free(c->meta_index);
    free(c);
}

uint32_t seam_catalog_shard_count(const struct seam_catalog *c)
{
    return c->n_shard;
}

const char *seam_catalog_shard_path(const struct seam_catalog *c, uint32_t shard)
{
    return c->shard[shard].path;
}

uint64_t seam_catalog_shard_bytes(const struct seam_catalog *c, uint32_t shard)
{
    return c->shard[shard].file_bytes;
}

const uint8_t *seam_catalog_shard_data(const struct seam_catalog *c, uint32_t shard)
{
    return c->shard[shard].whole ? c->shard[shard].blob : NULL;
}

size_t seam_catalog_tensor_count(const struct seam_catalog *c)
{
    return c->n_tensor;
}

const struct seam_tensor *seam_catalog_tensor_at(const struct seam_catalog *c, size_t i)
{
    return &c->tensor[i];
}

const struct seam_tensor *seam_catalog_tensor(const struct seam_catalog *c, const char *name)
{
    struct seam_tensor probe = {.name = name};
    const struct seam_tensor *key = &probe;
    const struct seam_tensor **hit =
        bsearch(&key, c->tensor_index, c->n_tensor, sizeof *c->tensor_index, tensor_by_name);
    return hit ? *hit : NULL;
}

uint64_t seam_catalog_weight_bytes(const struct seam_catalog *c)
{
    return c->weight_bytes;
}

size_t seam_catalog_meta_count(const struct seam_catalog *c)
{
    return c->shard[0].n_meta;
}

const struct seam_meta *seam_catalog_meta_at(const struct seam_catalog *c, size_t i)
{
    return &c->shard[0].meta[i];
}

const struct seam_meta *seam_catalog_meta(const struct seam_catalog *c, const char *key)
{
    char *name = (char *)(uintptr_t)key; /* only compared */
    struct seam_meta probe = {.key = name};
    const struct seam_meta *k = &probe;
    const struct seam_meta **hit =
        bsearch(&k, c->meta_index, c->shard[0].n_meta, sizeof *c->meta_index, meta_by_key);
    return hit ? *hit : NULL;
}

/* ---- fingerprint ---- */

#define EDGE 64u /* bytes at each end of a tensor's data */

static void hash_u64(XXH3_state_t *h, uint64_t v)
{
    uint8_t b[8];
    for (unsigned i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    XXH3_128bits_update(h, b, sizeof b);
}

static void hash_bytes(XXH3_state_t *h, const void *p, size_t len)
{
    hash_u64(h, len);
    XXH3_128bits_update(h, p, len);
}

/* general.* but the architecture is prose, split.* is packaging. */
static bool meta_decides(const char *key)
{
    return strcmp(key, "general.architecture") == 0 ||
           (strncmp(key, "general.", 8) != 0 && strncmp(key, "split.", 6) != 0 &&
            strncmp(key, "quantize.", 9) != 0);
}

static void hash_meta(XXH3_state_t *h, const struct seam_catalog *c)
{
    for (size_t i = 0; i < c->shard[0].n_meta; i++) {
        const struct seam_meta *m = c->meta_index[i];
        size_t len;
        const uint8_t *raw = seam_meta_raw(m, &len);
        if (!meta_decides(m->key))
            continue;
        hash_bytes(h, m->key, strlen(m->key));
        hash_u64(h, (uint64_t)m->type << 32 | (uint64_t)m->elem);
        hash_bytes(h, raw, len);
    }
}

/* One shard open at a time: a split may have more shards than a process may have files. */
struct edge_reader {
    const struct seam_catalog *c;
    uint32_t shard; /* whose file is open */
    int fd;         /* -1: none */
};

static seam_status read_edge(struct edge_reader *r, uint32_t shard, uint64_t off, uint8_t *buf,
                             size_t len, struct seam_err *err)
{
    const struct seam_gguf *g = &r->c->shard[shard];
    if (g->whole) {
        memcpy(buf, g->blob + off, len);
        return SEAM_OK;
    }
    if (r->fd < 0 || r->shard != shard) {
        if (r->fd >= 0)
            close(r->fd);
        r->shard = shard;
        r->fd = open(g->path, O_RDONLY | O_CLOEXEC);
        if (r->fd < 0)
            return seam_fail(err, SEAM_EIO, "%s: %s", g->path, strerror(errno));
    }
    seam_status st = seam_os_pread_full(r->fd, buf, len, off, err);
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s", g->path);
}

static seam_status hash_tensor(XXH3_state_t *h, struct edge_reader *r, const struct seam_tensor *t,
                               struct seam_err *err)
{
    uint8_t edge[2 * EDGE];
    size_t n = t->n_bytes < EDGE ? (size_t)t->n_bytes : EDGE;
    hash_bytes(h, t->name, strlen(t->name));
    hash_u64(h, t->type->id);
    hash_u64(h, t->n_dims);
    for (unsigned d = 0; d < 4; d++)
        hash_u64(h, t->ne[d]);
    seam_status st = read_edge(r, t->shard, t->file_off, edge, n, err);
    if (st == SEAM_OK)
        st = read_edge(r, t->shard, t->file_off + t->n_bytes - n, edge + n, n, err);
    if (st == SEAM_OK)
        hash_bytes(h, edge, 2 * n);
    return st;
}

seam_status seam_catalog_fingerprint(const struct seam_catalog *c, struct seam_fingerprint *out,
                                     struct seam_err *err)
{
    struct edge_reader r = {.c = c, .fd = -1};
    seam_status st = SEAM_OK;
    XXH3_state_t *h = XXH3_createState();
    if (!h)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fingerprint");
    XXH3_128bits_reset(h);
    hash_meta(h, c);
    /* by name, so that the order of the shards does not enter */
    for (size_t i = 0; i < c->n_tensor && st == SEAM_OK; i++)
        st = hash_tensor(h, &r, c->tensor_index[i], err);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(h));
    memcpy(out->bytes, canonical.digest, sizeof out->bytes);
    if (r.fd >= 0)
        close(r.fd);
    XXH3_freeState(h);
    return st;
}
