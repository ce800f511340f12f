#include "model/gguf_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/size.h"
#include "model/gguf.h"

struct split {
    char *path, *part;
    int fd;
    size_t first, end; /* tensors */
    uint64_t data_off, bytes;
};

struct seam_gguf_out {
    struct seam_buf meta;
    uint64_t n_meta;
    size_t skip; /* elements to come of an array whose key was there already */
    char **key;
    size_t key_cap;
    struct seam_tensor *tensor; /* shard and file_off are set by begin */
    size_t n_tensor, tensor_cap;
    bool failed;
    struct split *split;
    uint32_t n_split;
    bool committed;
};

struct seam_gguf_out *seam_gguf_out_open(void)
{
    return calloc(1, sizeof(struct seam_gguf_out));
}

void seam_gguf_out_close(struct seam_gguf_out *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->n_split; i++) {
        struct split *s = &w->split[i];
        if (s->fd >= 0)
            close(s->fd);
        if (s->part && !w->committed)
            unlink(s->part);
        free(s->path);
        free(s->part);
    }
    for (size_t i = 0; i < w->n_meta; i++)
        free(w->key[i]);
    for (size_t i = 0; i < w->n_tensor; i++)
        free((void *)(uintptr_t)w->tensor[i].name);
    free(w->key);
    free(w->tensor);
    free(w->split);
    seam_buf_release(&w->meta);
    free(w);
}

/* ---- bytes ---- */

static void put_le(struct seam_buf *b, uint64_t v, unsigned n)
{
    char le[8];
    for (unsigned i = 0; i < n; i++)
        le[i] = (char)(v >> (8 * i));
    seam_buf_append(b, le, n);
}

static void put_str(struct seam_buf *b, const char *p, size_t len)
{
    put_le(b, len, 8);
    seam_buf_append(b, p, len);
}

/* NULL: no memory, remembered. */
static void *grow(struct seam_gguf_out *w, void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    size_t more = *cap ? 2 * *cap : 64;
    void *q = realloc(p, more * size);
    if (q)
        *cap = more;
    else
        w->failed = true;
    return q;
}

/* false: the key is there already, and its value must not be put. */
static bool put_key(struct seam_gguf_out *w, const char *key, enum seam_meta_type type)
{
    for (size_t i = 0; i < w->n_meta; i++)
        if (!strcmp(w->key[i], key))
            return false;
    char **all = grow(w, w->key, w->n_meta, &w->key_cap, sizeof *w->key);
    char *name = strdup(key);
    if (all)
        w->key = all;
    if (!all || !name) {
        w->failed = true;
        free(name);
        return false;
    }
    w->key[w->n_meta++] = name;
    put_str(&w->meta, key, strlen(key));
    put_le(&w->meta, type, 4);
    return true;
}

void seam_gguf_out_u16(struct seam_gguf_out *w, const char *key, uint16_t v)
{
    if (put_key(w, key, SEAM_META_U16))
        put_le(&w->meta, v, 2);
}

void seam_gguf_out_u32(struct seam_gguf_out *w, const char *key, uint32_t v)
{
    if (put_key(w, key, SEAM_META_U32))
        put_le(&w->meta, v, 4);
}

void seam_gguf_out_i32(struct seam_gguf_out *w, const char *key, int32_t v)
{
    if (put_key(w, key, SEAM_META_I32))
        put_le(&w->meta, (uint32_t)v, 4);
}

void seam_gguf_out_f32(struct seam_gguf_out *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (put_key(w, key, SEAM_META_F32))
        put_le(&w->meta, bits, 4);
}

void seam_gguf_out_bool(struct seam_gguf_out *w, const char *key, bool v)
{
    if (put_key(w, key, SEAM_META_BOOL))
        put_le(&w->meta, v, 1);
}

void seam_gguf_out_str(struct seam_gguf_out *w, const char *key, const char *v)
{
    if (put_key(w, key, SEAM_META_STRING))
        put_str(&w->meta, v, strlen(v));
}

void seam_gguf_out_array(struct seam_gguf_out *w, const char *key, enum seam_meta_type elem,
                         uint64_t n)
{
    if (!put_key(w, key, SEAM_META_ARRAY)) {
        w->skip = (size_t)n;
        return;
    }
    put_le(&w->meta, elem, 4);
    put_le(&w->meta, n, 8);
}

void seam_gguf_out_elem_i32(struct seam_gguf_out *w, int32_t v)
{
    if (w->skip)
        w->skip--;
    else
        put_le(&w->meta, (uint32_t)v, 4);
}

void seam_gguf_out_elem_str(struct seam_gguf_out *w, const char *p, size_t len)
{
    if (w->skip)
        w->skip--;
    else
        put_str(&w->meta, p, len);
}

void seam_gguf_out_meta(struct seam_gguf_out *w, const struct seam_meta *m)
{
    size_t len;
    const uint8_t *raw = seam_meta_raw(m, &len);
    if (!put_key(w, seam_meta_key(m), seam_meta_type(m)))
        return;
    if (seam_meta_type(m) == SEAM_META_ARRAY) {
        put_le(&w->meta, seam_meta_elem_type(m), 4);
        put_le(&w->meta, seam_meta_len(m), 8);
    }
    seam_buf_append(&w->meta, (const char *)raw, len);
}

void seam_gguf_out_tensor(struct seam_gguf_out *w, const char *name, const struct seam_type *type,
                          uint32_t n_dims, const uint64_t *ne)
{
    struct seam_tensor *all = grow(w, w->tensor, w->n_tensor, &w->tensor_cap, sizeof *w->tensor);
    char *copy = strdup(name);
    if (all)
        w->tensor = all;
    if (!all || !copy) {
        w->failed = true;
        free(copy);
        return;
    }
    struct seam_tensor *t = &w->tensor[w->n_tensor++];
    *t = (struct seam_tensor){.name = copy, .type = type, .n_dims = n_dims, .ne = {1, 1, 1, 1}};
    uint64_t n = 1;
    for (uint32_t d = 0; d < n_dims; d++)
        n *= t->ne[d] = ne[d];
    t->n_bytes = n / type->block * type->block_bytes;
}

size_t seam_gguf_out_tensor_count(const struct seam_gguf_out *w)
{
    return w->n_tensor;
}

const struct seam_tensor *seam_gguf_out_tensor_at(const struct seam_gguf_out *w, size_t i)
{
    return &w->tensor[i];
}

uint64_t seam_gguf_out_bytes(const struct seam_gguf_out *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_tensor; i++)
        sum += w->tensor[i].n_bytes;
    return sum;
}

/* ---- headers ---- */

static uint64_t aligned(uint64_t n)
{
    return (n + SEAM_GGUF_ALIGNMENT - 1) / SEAM_GGUF_ALIGNMENT * SEAM_GGUF_ALIGNMENT;
}

static void put_magic(struct seam_buf *b, uint64_t n_tensor, uint64_t n_meta)
{
    seam_buf_append(b, "GGUF", 4);
    put_le(b, 3, 4);
    put_le(b, n_tensor, 8);
    put_le(b, n_meta, 8);
}

uint8_t *seam_gguf_out_keys(const struct seam_gguf_out *w, size_t *len)
{
    struct seam_buf b = {0};
    put_magic(&b, 0, w->n_meta);
    seam_buf_append(&b, w->meta.p ? w->meta.p : "", w->meta.n);
    while (b.n % SEAM_GGUF_ALIGNMENT && !b.failed)
        seam_buf_append(&b, "", 1);
    if (b.failed || w->failed || w->meta.failed) {
        seam_buf_release(&b);
        return NULL;
    }
    *len = b.n;
    return (uint8_t *)b.p;
}

/* Keys of one split: all of them in the first, and what makes it a split in each. */
static void put_keys(const struct seam_gguf_out *w, struct seam_buf *b, uint32_t split,
                     uint64_t n_tensor)
{
    put_magic(b, n_tensor, (split == 0 ? w->n_meta : 0) + (w->n_split > 1 ? 3 : 0));
    if (split == 0 && w->meta.p)
        seam_buf_append(b, w->meta.p, w->meta.n);
    if (w->n_split == 1)
        return;
    const struct {
        const char *key;
        enum seam_meta_type type;
        uint64_t v;
        unsigned bytes;
    } row[] = {
        {"split.no", SEAM_META_U16, split, 2},
        {"split.count", SEAM_META_U16, w->n_split, 2},
        {"split.tensors.count", SEAM_META_I32, w->n_tensor, 4},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        put_str(b, row[i].key, strlen(row[i].key));
        put_le(b, row[i].type, 4);
        put_le(b, row[i].v, row[i].bytes);
    }
}

static seam_status write_all(int fd, const char *path, const void *p, size_t len, uint64_t off,
                             struct seam_err *err)
{
    const char *at = p;
    while (len) {
        ssize_t n = pwrite(fd, at, len < 1u << 30 ? len : 1u << 30, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return seam_fail(err, SEAM_EIO, "write %s: %s", path,
                             n < 0 ? strerror(errno) : "the disk takes no more");
        at += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return SEAM_OK;
}

static seam_status write_header(struct seam_gguf_out *w, uint32_t i, struct seam_err *err)
{
    struct split *s = &w->split[i];
    struct seam_buf b = {0};
    put_keys(w, &b, i, s->end - s->first);
    uint64_t off = 0;
    for (size_t k = s->first; k < s->end; k++) {
        struct seam_tensor *t = &w->tensor[k];
        put_str(&b, t->name, strlen(t->name));
        put_le(&b, t->n_dims, 4);
        for (uint32_t d = 0; d < t->n_dims; d++)
            put_le(&b, t->ne[d], 8);
        put_le(&b, t->type->id, 4);
        put_le(&b, off, 8);
        t->shard = i;
        t->file_off = off; /* from data_off, which is known below */
        off = aligned(off + t->n_bytes);
    }
    while (b.n % SEAM_GGUF_ALIGNMENT && !b.failed)
        seam_buf_append(&b, "", 1);
    s->data_off = b.n;
    s->bytes = b.n + off;
    seam_status st = b.failed ? seam_fail(err, SEAM_ENOMEM, "no memory for a header")
                              : write_all(s->fd, s->part, b.p, b.n, 0, err);
    seam_buf_release(&b);
    for (size_t k = s->first; k < s->end; k++)
        w->tensor[k].file_off += s->data_off;
    /* the padding behind the last tensor belongs to the file */
    if (st == SEAM_OK && ftruncate(s->fd, (off_t)s->bytes) != 0)
        st = seam_fail(err, SEAM_EIO, "write %s: %s", s->part, strerror(errno));
    return st;
}

/* ---- files ---- */

/* Tensors in their order, each split about as large as the others and never empty. */
static void share_out(struct seam_gguf_out *w, bool empty_first)
{
    const uint64_t all = seam_gguf_out_bytes(w);
    const uint32_t first = empty_first && w->n_split > 1, n = w->n_split - first;
    uint64_t done = 0;
    size_t at = 0;
    for (uint32_t i = first; i < w->n_split; i++) {
        const uint32_t left = w->n_split - i - 1; /* splits after this one */
        w->split[i].first = at;
        do
            done += w->tensor[at++].n_bytes;
        while (at + left < w->n_tensor && (left == 0 || done < all / n * (i - first + 1)));
        w->split[i].end = at;
    }
}

static bool split_names(struct split *s, const char *path, uint32_t i, uint32_t n)
{
    char name[PATH_MAX];
    const int stem = (int)strlen(path) - 5; /* .gguf */
    if (n > 1)
        snprintf(name, sizeof name, "%.*s-%05" PRIu32 "-of-%05" PRIu32 ".gguf", stem, path, i + 1,
                 n);
    else
        snprintf(name, sizeof name, "%s", path);
    s->path = strdup(name);
    strncat(name, ".part", sizeof name - strlen(name) - 1);
    s->part = strdup(name);
    return s->path && s->part;
}

static seam_status check_room(const struct seam_gguf_out *w, struct seam_err *err)
{
    struct statvfs fs;
    uint64_t need = 0;
    char a[32], b[32];
    for (uint32_t i = 0; i < w->n_split; i++)
        need += w->split[i].bytes;
    if (fstatvfs(w->split[0].fd, &fs) != 0)
        return SEAM_OK;
    const uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (room >= need)
        return SEAM_OK;
    return seam_fail(err, SEAM_EIO,
                     "%s needs %s, and its disk has %s left: free some, or write "
                     "fewer layers or a smaller type",
                     w->split[0].path, seam_size_format(need, a, sizeof a),
                     seam_size_format(room, b, sizeof b));
}

seam_status seam_gguf_out_begin(struct seam_gguf_out *w, const char *path,
                                const struct seam_gguf_out_layout *layout, struct seam_err *err)
{
    const uint32_t n = layout->n_split ? layout->n_split : 1;
    const bool empty_first = layout->empty_first && n > 1;
    if (n > 65535 || n - empty_first > w->n_tensor)
        return seam_fail(err, SEAM_EINVAL, "%" PRIu32 " splits for %zu tensors", n, w->n_tensor);
    w->split = calloc(n, sizeof *w->split);
    if (!w->split || w->failed || w->meta.failed)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a header");
    w->n_split = n;
    for (uint32_t i = 0; i < n; i++)
        w->split[i].fd = -1;
    share_out(w, empty_first);
    for (uint32_t i = 0; i < n; i++) {
        struct split *s = &w->split[i];
        if (!split_names(s, path, i, n))
            return seam_fail(err, SEAM_ENOMEM, "no memory for a name");
        s->fd = open(s->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (s->fd < 0) {
            seam_status st = seam_fail(err, SEAM_EIO, "write %s: %s", s->part, strerror(errno));
            free(s->part);
            s->part = NULL; /* not ours to remove */
            return st;
        }
        seam_status st = write_header(w, i, err);
        if (st != SEAM_OK)
            return st;
    }
    return check_room(w, err);
}

seam_status seam_gguf_out_write(struct seam_gguf_out *w, size_t i, uint64_t off, const void *p,
                                size_t len, struct seam_err *err)
{
    const struct seam_tensor *t = &w->tensor[i];
    const struct split *s = &w->split[t->shard];
    return write_all(s->fd, s->part, p, len, t->file_off + off, err);
}

seam_status seam_gguf_out_commit(struct seam_gguf_out *w, struct seam_err *err)
{
    for (uint32_t i = 0; i < w->n_split; i++) {
        struct split *s = &w->split[i];
        int closed = close(s->fd); /* network disks tell of a lack of room here */
        s->fd = -1;
        if (closed != 0)
            return seam_fail(err, SEAM_EIO, "write %s: %s", s->part, strerror(errno));
    }
    for (uint32_t i = w->n_split; i-- > 0;) {
        struct split *s = &w->split[i];
        if (rename(s->part, s->path) != 0)
            return seam_fail(err, SEAM_EIO, "rename %s: %s", s->part, strerror(errno));
    }
    w->committed = true;
    return SEAM_OK;
}

const char *seam_gguf_out_path(const struct seam_gguf_out *w)
{
    return w->split[0].path;
}
