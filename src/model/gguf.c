/* gguf.c - parse and check one GGUF file.
 *
 *   magic "GGUF" | u32 version | u64 n_tensors | u64 n_meta
 *   n_meta    x  string key | u32 type | value          (array: u32 type | u64 n | values)
 *   n_tensors x  string name | u32 n_dims | u64 ne[] | u32 type | u64 offset
 *   padding to general.alignment | data
 *
 * The header's length is written nowhere, so the blob grows as the parser asks for bytes. It may
 * move while it grows: until the header is whole, everything is an offset into it. */
#include "model/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/os.h"

#define READ_STEP     (1u << 20)
#define KEY_MAX       65535u /* as the GGUF specification says */
#define NAME_MAX_LEN  1024u  /* ggml's own limit is 64 */
#define ALIGNMENT_MAX (1u << 20)

struct reader {
    struct seam_gguf *g;
    struct seam_err *err;
    int fd; /* -1: blob is already whole */
    size_t at, cap;
    size_t name_bytes; /* for the pool */
    size_t meta_cap, tensor_cap;
    uint64_t wanted; /* of a prefix: its header needs so many bytes */
};

static seam_status bad(struct reader *r, const char *what)
{
    return seam_fail(r->err, SEAM_EFORMAT, "%s: %s (at byte %zu of the header)", r->g->path, what,
                     r->at);
}

static seam_status no_memory(struct reader *r, size_t bytes)
{
    return seam_fail(r->err, SEAM_ENOMEM, "%s: no memory for %zu bytes of header", r->g->path,
                     bytes);
}

static seam_status grow_blob(struct reader *r, size_t want)
{
    struct seam_gguf *g = r->g;
    size_t target = want > 2 * g->blob_len ? want : 2 * g->blob_len;
    if (target < READ_STEP)
        target = READ_STEP;
    if (target > g->file_bytes)
        target = (size_t)g->file_bytes;
    uint8_t *blob = realloc(g->blob, target);
    if (!blob)
        return no_memory(r, target);
    g->blob = blob;
    seam_status st =
        seam_os_pread_full(r->fd, blob + g->blob_len, target - g->blob_len, g->blob_len, r->err);
    if (st != SEAM_OK)
        return seam_wrap(r->err, st, "%s", g->path);
    g->blob_len = target;
    return SEAM_OK;
}

/* Make n more bytes at r->at readable. */
static seam_status need(struct reader *r, uint64_t n)
{
    struct seam_gguf *g = r->g;
    if (n > g->file_bytes - r->at)
        return seam_fail(r->err, SEAM_EFORMAT,
                         "%s: is truncated: its header needs %" PRIu64 " bytes at byte %zu, the "
                         "file has %" PRIu64 " bytes: download it again",
                         g->path, n, r->at, g->file_bytes);
    if (n > SEAM_GGUF_HEADER_MAX - r->at)
        return bad(r, "the header is absurdly large");
    if (r->at + n <= g->blob_len)
        return SEAM_OK;
    if (r->fd < 0) {
        r->wanted = r->at + n;
        return SEAM_EFORMAT;
    }
    return grow_blob(r, r->at + (size_t)n);
}

static uint64_t take(struct reader *r, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)r->g->blob[r->at + i] << (8 * i);
    r->at += n;
    return v;
}

static seam_status take_u32(struct reader *r, uint32_t *v)
{
    seam_status st = need(r, 4);
    if (st == SEAM_OK)
        *v = (uint32_t)take(r, 4);
    return st;
}

static seam_status take_u64(struct reader *r, uint64_t *v)
{
    seam_status st = need(r, 8);
    if (st == SEAM_OK)
        *v = take(r, 8);
    return st;
}

static seam_status take_string(struct reader *r, uint32_t *off, uint32_t *len)
{
    uint64_t n;
    seam_status st = take_u64(r, &n);
    if (st == SEAM_OK)
        st = need(r, n);
    if (st != SEAM_OK)
        return st;
    *off = (uint32_t)r->at;
    *len = (uint32_t)n;
    r->at += (size_t)n;
    return SEAM_OK;
}

/* A key or tensor name: becomes a C string, so it must not be empty or hold a NUL. */
static seam_status take_name(struct reader *r, uint32_t max, uint32_t *off, uint32_t *len)
{
    seam_status st = take_string(r, off, len);
    if (st != SEAM_OK)
        return st;
    if (*len == 0 || *len > max || memchr(r->g->blob + *off, 0, *len))
        return bad(r, "a name is empty, too long or holds a NUL");
    r->name_bytes += *len + 1u;
    return SEAM_OK;
}

/* ---- magic ---- */

static const struct {
    const char *bytes;
    size_t len;
    const char *story;
} lookalikes[] = {
    {"<!", 2, "it looks like an HTML page: the download was refused or redirected"},
    {"<html", 5, "it looks like an HTML page: the download was refused or redirected"},
    {"version https://git-lfs", 23,
     "it is a Git LFS pointer, not the file: fetch it with 'git lfs pull'"},
    {"FUGG", 4, "it is a big-endian GGUF: convert it on a little-endian machine"},
    {"lmgg", 4, "it is an old GGML file: convert the model to GGUF"},
    {"fmgg", 4, "it is an old GGML file: convert the model to GGUF"},
    {"tjgg", 4, "it is an old GGML file: convert the model to GGUF"},
    {"PK\x03\x04", 4, "it looks like a zip or PyTorch file: convert the model to GGUF"},
    {"{\"error", 7, "it looks like an error message of a web server: download it again"},
    {"\0\0\0\0", 4, "it begins with zeros: the download was reserved but not finished"},
};

static seam_status check_magic(struct reader *r)
{
    const struct seam_gguf *g = r->g;
    if (g->file_bytes == 0)
        return seam_fail(r->err, SEAM_EFORMAT, "%s: is empty: download it again", g->path);
    size_t n = g->file_bytes < 32 ? (size_t)g->file_bytes : 32;
    seam_status st = need(r, n);
    if (st != SEAM_OK)
        return st;
    if (n >= 4 && memcmp(g->blob, "GGUF", 4) == 0) {
        r->at = 4;
        return SEAM_OK;
    }
    for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++)
        if (n >= lookalikes[i].len && memcmp(g->blob, lookalikes[i].bytes, lookalikes[i].len) == 0)
            return seam_fail(r->err, SEAM_EFORMAT, "%s: not a GGUF: %s", g->path,
                             lookalikes[i].story);
    if (n > 9 && g->blob[8] == '{' && g->blob[9] == '"')
        return seam_fail(r->err, SEAM_EFORMAT,
                         "%s: not a GGUF: it looks like safetensors: convert the model to GGUF",
                         g->path);
    return seam_fail(r->err, SEAM_EFORMAT,
                     "%s: not a GGUF: it begins with %02x %02x %02x %02x, not 'GGUF'", g->path,
                     g->blob[0], n > 1 ? g->blob[1] : 0, n > 2 ? g->blob[2] : 0,
                     n > 3 ? g->blob[3] : 0);
}

static seam_status check_version(struct reader *r)
{
    uint32_t version;
    seam_status st = take_u32(r, &version);
    if (st != SEAM_OK)
        return st;
    if (version == 2 || version == 3)
        return SEAM_OK;
    if ((version & 0xffffu) == 0)
        return seam_fail(r->err, SEAM_EUNSUPPORTED,
                         "%s: is a big-endian GGUF: convert it on a little-endian machine",
                         r->g->path);
    return seam_fail(r->err, SEAM_EUNSUPPORTED,
                     "%s: GGUF version %" PRIu32 "; Seam reads 2 and 3: convert the model again",
                     r->g->path, version);
}

/* ---- metadata ---- */

static const unsigned char scalar_size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static seam_status take_string_array(struct reader *r, struct seam_meta *m)
{
    m->str_off = malloc((m->n ? m->n : 1) * sizeof *m->str_off);
    if (!m->str_off)
        return no_memory(r, m->n * sizeof *m->str_off);
    for (size_t i = 0; i < m->n; i++) {
        uint32_t off, len;
        seam_status st = take_string(r, &off, &len);
        if (st != SEAM_OK)
            return st;
        m->str_off[i] = off - 8;
    }
    return SEAM_OK;
}

static seam_status take_array(struct reader *r, struct seam_meta *m)
{
    uint32_t elem;
    uint64_t n;
    seam_status st = take_u32(r, &elem);
    if (st == SEAM_OK)
        st = take_u64(r, &n);
    if (st != SEAM_OK)
        return st;
    if (elem == SEAM_META_ARRAY)
        return bad(r, "an array of arrays");
    if (elem > SEAM_META_F64)
        return bad(r, "an array of an unknown type");
    unsigned size = elem == SEAM_META_STRING ? 8u : scalar_size[elem]; /* 8: its length field */
    if (n > (r->g->file_bytes - r->at) / size)
        return bad(r, "an array has more elements than the file has bytes for");
    st = need(r, n * size);
    if (st != SEAM_OK)
        return st;
    m->elem = (enum seam_meta_type)elem;
    m->n = (size_t)n;
    m->val_off = (uint32_t)r->at;
    if (elem == SEAM_META_STRING) {
        st = take_string_array(r, m);
        if (st != SEAM_OK)
            return st;
    } else {
        r->at += (size_t)n * size;
    }
    m->val_len = (uint32_t)r->at - m->val_off;
    return SEAM_OK;
}

static seam_status take_value(struct reader *r, struct seam_meta *m)
{
    uint32_t type, off, len;
    seam_status st = take_u32(r, &type);
    if (st != SEAM_OK)
        return st;
    if (type > SEAM_META_F64)
        return bad(r, "a metadata value of an unknown type");
    m->type = m->elem = (enum seam_meta_type)type;
    if (type == SEAM_META_ARRAY)
        return take_array(r, m);
    m->val_off = (uint32_t)r->at;
    if (type == SEAM_META_STRING) {
        st = take_string(r, &off, &len);
    } else {
        st = need(r, scalar_size[type]);
        if (st == SEAM_OK)
            r->at += scalar_size[type];
    }
    m->val_len = (uint32_t)r->at - m->val_off;
    return st;
}

/* Arrays grow with what was really parsed, so that a lying count costs nothing. */
static void *grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    size_t cap2 = *cap ? 2 * *cap : 64;
    void *q = realloc(p, cap2 * size);
    if (q)
        *cap = cap2;
    return q;
}

static seam_status take_meta(struct reader *r, uint64_t count)
{
    struct seam_gguf *g = r->g;
    for (uint64_t i = 0; i < count; i++) {
        void *p = grow(g->meta, g->n_meta, &r->meta_cap, sizeof *g->meta);
        if (!p)
            return no_memory(r, sizeof *g->meta);
        g->meta = p;
        struct seam_meta *m = &g->meta[g->n_meta];
        memset(m, 0, sizeof *m);
        seam_status st = take_name(r, KEY_MAX, &m->key_off, &m->key_len);
        if (st != SEAM_OK)
            return st;
        g->n_meta++; /* from here on release() frees its str_off */
        st = take_value(r, m);
        if (st != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

/* ---- tensors ---- */

static seam_status tensor_bytes(struct reader *r, struct seam_tensor *t, const char *name)
{
    const struct seam_type *type = t->type;
    uint64_t n = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (t->ne[d] == 0)
            return seam_fail(r->err, SEAM_EFORMAT, "%s: tensor %s: dimension %" PRIu32 " is 0",
                             r->g->path, name, d);
        if (__builtin_mul_overflow(n, t->ne[d], &n) || n > INT64_MAX)
            return seam_fail(r->err, SEAM_EFORMAT, "%s: tensor %s: absurd dimensions", r->g->path,
                             name);
    }
    if (t->ne[0] % type->block)
        return seam_fail(r->err, SEAM_EFORMAT,
                         "%s: tensor %s: %" PRIu64 " values per row, not a multiple of %s's block "
                         "of %" PRIu32,
                         r->g->path, name, t->ne[0], type->name, type->block);
    if (__builtin_mul_overflow(n / type->block, type->block_bytes, &t->n_bytes))
        return seam_fail(r->err, SEAM_EFORMAT, "%s: tensor %s: absurd size", r->g->path, name);
    return SEAM_OK;
}

static seam_status take_tensor(struct reader *r, struct seam_tensor *t, uint32_t *off,
                               uint32_t *len)
{
    char name[128];
    uint32_t type;
    seam_status st = take_name(r, NAME_MAX_LEN, off, len);
    if (st != SEAM_OK)
        return st;
    snprintf(name, sizeof name, "%.*s", (int)*len, (const char *)r->g->blob + *off);
    st = take_u32(r, &t->n_dims);
    if (st != SEAM_OK)
        return st;
    if (t->n_dims == 0 || t->n_dims > 4)
        return seam_fail(r->err, SEAM_EFORMAT, "%s: tensor %s: %" PRIu32 " dimensions (1 to 4)",
                         r->g->path, name, t->n_dims);
    for (uint32_t d = 0; d < 4; d++)
        t->ne[d] = 1;
    for (uint32_t d = 0; d < t->n_dims && st == SEAM_OK; d++)
        st = take_u64(r, &t->ne[d]);
    if (st == SEAM_OK)
        st = take_u32(r, &type);
    if (st == SEAM_OK)
        st = take_u64(r, &t->file_off);
    if (st != SEAM_OK)
        return st;
    t->type = seam_type_by_id(type);
    if (!t->type)
        return seam_fail(r->err, SEAM_EUNSUPPORTED,
                         "%s: tensor %s: type %" PRIu32 " is not one that Seam reads", r->g->path,
                         name, type);
    return tensor_bytes(r, t, name);
}

/* Names are offsets until the pool exists; kept beside the tensors meanwhile. */
struct name_extent {
    uint32_t off, len;
};

/* The header is whole: give back what was read past it, and let names be pointers. */
static seam_status make_names(struct reader *r, const struct name_extent *tensor_name)
{
    struct seam_gguf *g = r->g;
    uint8_t *fit = g->whole ? NULL : realloc(g->blob, r->at);
    if (fit) {
        g->blob = fit;
        g->blob_len = r->at;
    }
    char *p = g->names = malloc(r->name_bytes ? r->name_bytes : 1);
    if (!p)
        return no_memory(r, r->name_bytes);
    for (size_t i = 0; i < g->n_meta; i++) {
        struct seam_meta *m = &g->meta[i];
        m->blob = g->blob;
        m->key = p;
        memcpy(p, g->blob + m->key_off, m->key_len);
        p[m->key_len] = '\0';
        p += m->key_len + 1;
    }
    for (size_t i = 0; i < g->n_tensor; i++) {
        g->tensor[i].name = p;
        memcpy(p, g->blob + tensor_name[i].off, tensor_name[i].len);
        p[tensor_name[i].len] = '\0';
        p += tensor_name[i].len + 1;
    }
    return SEAM_OK;
}

static seam_status take_tensors(struct reader *r, uint64_t count)
{
    struct seam_gguf *g = r->g;
    struct name_extent *name = NULL;
    size_t name_cap = 0;
    seam_status st = SEAM_OK;
    while (g->n_tensor < count && st == SEAM_OK) {
        void *p = grow(g->tensor, g->n_tensor, &r->tensor_cap, sizeof *g->tensor);
        if (p)
            g->tensor = p;
        void *q = p ? grow(name, g->n_tensor, &name_cap, sizeof *name) : NULL;
        if (!q) {
            st = no_memory(r, sizeof *g->tensor);
            break;
        }
        name = q;
        struct seam_tensor *t = &g->tensor[g->n_tensor];
        memset(t, 0, sizeof *t);
        st = take_tensor(r, t, &name[g->n_tensor].off, &name[g->n_tensor].len);
        if (st == SEAM_OK)
            g->n_tensor++;
    }
    if (st == SEAM_OK)
        st = make_names(r, name);
    free(name);
    return st;
}

/* ---- checks of the whole ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct seam_meta *const *)a)->key,
                  (*(const struct seam_meta *const *)b)->key);
}

static seam_status check_keys(struct reader *r)
{
    struct seam_gguf *g = r->g;
    const struct seam_meta **sorted = malloc((g->n_meta ? g->n_meta : 1) * sizeof *sorted);
    if (!sorted)
        return no_memory(r, g->n_meta * sizeof *sorted);
    for (size_t i = 0; i < g->n_meta; i++)
        sorted[i] = &g->meta[i];
    qsort(sorted, g->n_meta, sizeof *sorted, by_key);
    seam_status st = SEAM_OK;
    for (size_t i = 1; i < g->n_meta && st == SEAM_OK; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            st = seam_fail(r->err, SEAM_EFORMAT, "%s: the key %s occurs twice", g->path,
                           sorted[i]->key);
    free(sorted);
    return st;
}

static seam_status read_alignment(struct reader *r, uint64_t *align)
{
    const struct seam_meta *m = seam_gguf_meta(r->g, "general.alignment");
    *align = SEAM_GGUF_ALIGNMENT;
    if (!m)
        return SEAM_OK;
    if (!seam_meta_u64(m, align) || *align == 0 || (*align & (*align - 1)) ||
        *align > ALIGNMENT_MAX)
        return seam_fail(r->err, SEAM_EFORMAT,
                         "%s: general.alignment is not a power of two up to %u", r->g->path,
                         ALIGNMENT_MAX);
    return SEAM_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct seam_tensor *x = *(const struct seam_tensor *const *)a,
                             *y = *(const struct seam_tensor *const *)b;
    return (x->file_off > y->file_off) - (x->file_off < y->file_off);
}

static seam_status check_overlap(struct reader *r)
{
    struct seam_gguf *g = r->g;
    const struct seam_tensor **sorted = malloc((g->n_tensor ? g->n_tensor : 1) * sizeof *sorted);
    if (!sorted)
        return no_memory(r, g->n_tensor * sizeof *sorted);
    for (size_t i = 0; i < g->n_tensor; i++)
        sorted[i] = &g->tensor[i];
    qsort(sorted, g->n_tensor, sizeof *sorted, by_offset);
    seam_status st = SEAM_OK;
    for (size_t i = 1; i < g->n_tensor && st == SEAM_OK; i++)
        if (sorted[i]->file_off - sorted[i - 1]->file_off < sorted[i - 1]->n_bytes)
            st = seam_fail(r->err, SEAM_EFORMAT, "%s: tensors %s and %s overlap", g->path,
                           sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return st;
}

/* From offsets in the data section to offsets in the file. */
static seam_status place_tensors(struct reader *r)
{
    struct seam_gguf *g = r->g;
    uint64_t align;
    seam_status st = read_alignment(r, &align);
    if (st != SEAM_OK)
        return st;
    g->data_off = (r->at + align - 1) & ~(align - 1);
    for (size_t i = 0; i < g->n_tensor; i++) {
        struct seam_tensor *t = &g->tensor[i];
        uint64_t end;
        if (t->file_off % align)
            return seam_fail(r->err, SEAM_EFORMAT,
                             "%s: tensor %s: offset %" PRIu64 " is not aligned to %" PRIu64,
                             g->path, t->name, t->file_off, align);
        if (__builtin_add_overflow(t->file_off, g->data_off, &t->file_off) ||
            __builtin_add_overflow(t->file_off, t->n_bytes, &end))
            return seam_fail(r->err, SEAM_EFORMAT, "%s: tensor %s: absurd offset", g->path,
                             t->name);
        if (end > g->file_bytes)
            return seam_fail(r->err, SEAM_EFORMAT,
                             "%s: is truncated: tensor %s ends at %" PRIu64
                             ", the file has %" PRIu64 " bytes: download it again",
                             g->path, t->name, end, g->file_bytes);
    }
    return check_overlap(r);
}

static seam_status parse(struct reader *r)
{
    struct seam_gguf *g = r->g;
    uint64_t n_tensor, n_meta;
    seam_status st = check_magic(r);
    if (st == SEAM_OK)
        st = check_version(r);
    if (st == SEAM_OK)
        st = take_u64(r, &n_tensor);
    if (st == SEAM_OK)
        st = take_u64(r, &n_meta);
    if (st != SEAM_OK)
        return st;
    /* least bytes: key 8 + 1, type 4, value 1; name 8 + 1, n_dims 4, ne 8, type 4, offset 8 */
    uint64_t left = g->file_bytes - r->at;
    if (n_meta > left / 14 || n_tensor > left / 33)
        return seam_fail(r->err, SEAM_EFORMAT,
                         "%s: claims %" PRIu64 " keys and %" PRIu64
                         " tensors, more than its %" PRIu64 " bytes can hold",
                         g->path, n_meta, n_tensor, g->file_bytes);
    st = take_meta(r, n_meta);
    if (st == SEAM_OK)
        st = take_tensors(r, n_tensor);
    if (st == SEAM_OK)
        st = check_keys(r);
    if (st == SEAM_OK)
        st = place_tensors(r);
    return st;
}

seam_status seam_gguf_read_file(struct seam_gguf *g, const char *path, struct seam_err *err)
{
    struct reader r = {.g = g, .err = err, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat sb;
    if (r.fd < 0)
        return seam_fail(err, errno == ENOENT || errno == ENOTDIR ? SEAM_ENOTFOUND : SEAM_EIO,
                         "%s: %s", path, strerror(errno));
    seam_status st = SEAM_OK;
    g->path = strdup(path);
    if (!g->path)
        st = seam_fail(err, SEAM_ENOMEM, "%s: no memory", path);
    else if (fstat(r.fd, &sb) != 0)
        st = seam_fail(err, SEAM_EIO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(sb.st_mode))
        st = seam_fail(err, SEAM_EFORMAT, "%s: is a folder: give the (first) .gguf file in it",
                       path);
    else if (!S_ISREG(sb.st_mode))
        st = seam_fail(err, SEAM_EFORMAT, "%s: is not a regular file", path);
    if (st == SEAM_OK) {
        g->file_bytes = (uint64_t)sb.st_size;
        st = parse(&r);
    }
    close(r.fd);
    if (st != SEAM_OK)
        seam_gguf_release(g);
    return st;
}

seam_status seam_gguf_read_prefix(struct seam_gguf *g, const void *data, size_t len,
                                  uint64_t file_bytes, uint64_t *wanted, struct seam_err *err)
{
    struct reader r = {.g = g, .err = err, .fd = -1};
    *wanted = 0;
    g->path = strdup("(memory)");
    g->blob = malloc(len ? len : 1);
    if (!g->path || !g->blob) {
        seam_gguf_release(g);
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu bytes", len);
    }
    if (len)
        memcpy(g->blob, data, len);
    g->blob_len = len;
    g->file_bytes = file_bytes;
    g->whole = len == file_bytes;
    seam_status st = parse(&r);
    if (st != SEAM_OK)
        seam_gguf_release(g);
    *wanted = r.wanted;
    return r.wanted ? SEAM_OK : st;
}

seam_status seam_gguf_read_memory(struct seam_gguf *g, const void *data, size_t len,
                                  struct seam_err *err)
{
    uint64_t wanted;
    return seam_gguf_read_prefix(g, data, len, len, &wanted, err);
}

void seam_gguf_release(struct seam_gguf *g)
{
    for (size_t i = 0; i < g->n_meta; i++)
        free(g->meta[i].str_off);
    free(g->meta);
    free(g->tensor);
    free(g->names);
    free(g->blob);
    free(g->path);
    memset(g, 0, sizeof *g);
}

const struct seam_meta *seam_gguf_meta(const struct seam_gguf *g, const char *key)
{
    for (size_t i = 0; i < g->n_meta; i++)
        if (strcmp(g->meta[i].key, key) == 0)
            return &g->meta[i];
    return NULL;
}
