#include "hub/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#define MAGIC     "seampull"
#define VERSION   1u
#define PIECE_MIN (64u << 10)
#define PIECE_MAX (64u << 20)
#define PIECES    1024u

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t take_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void write_header(const struct seam_resume *r, uint8_t h[SEAM_RESUME_HEADER])
{
    memcpy(h, MAGIC, 8);
    put(h + 8, VERSION, 4);
    put(h + 12, r->piece_bytes, 4);
    put(h + 16, r->file_bytes, 8);
    memcpy(h + 24, r->sha256, SEAM_SHA256_BYTES);
    put(h + 56, r->n, 4);
    put(h + 60, XXH32(h, 60, 0), 4);
}

seam_status seam_resume_begin(struct seam_resume *r, uint64_t file_bytes,
                              const uint8_t sha256[SEAM_SHA256_BYTES], struct seam_err *err)
{
    uint32_t piece = PIECE_MIN;
    while (piece < PIECE_MAX && file_bytes / piece >= PIECES)
        piece *= 2;
    uint64_t n = file_bytes / piece + (file_bytes % piece != 0);
    *r = (struct seam_resume){.file_bytes = file_bytes,
                              .piece_bytes = piece,
                              .n = (uint32_t)n,
                              .fd = -1};
    memcpy(r->sha256, sha256, SEAM_SHA256_BYTES);
    r->got = calloc(n + 1, sizeof *r->got); /* bounded: the listing allows 2^50 bytes */
    return r->got ? SEAM_OK
                  : seam_fail(err, SEAM_ENOMEM, "no memory for a plan of %u pieces", r->n);
}

void seam_resume_end(struct seam_resume *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->got);
    *r = (struct seam_resume){.fd = -1};
}

uint64_t seam_resume_piece_off(const struct seam_resume *r, uint32_t i)
{
    return (uint64_t)i * r->piece_bytes;
}

uint32_t seam_resume_piece_len(const struct seam_resume *r, uint32_t i)
{
    uint64_t left = r->file_bytes - seam_resume_piece_off(r, i);
    return left < r->piece_bytes ? (uint32_t)left : r->piece_bytes;
}

uint64_t seam_resume_sum(const struct seam_resume *r)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < r->n; i++)
        sum += r->got[i];
    return sum;
}

seam_status seam_resume_parse(struct seam_resume *r, const void *data, size_t len,
                              struct seam_err *err)
{
    const uint8_t *p = data;
    uint8_t want[SEAM_RESUME_HEADER];
    write_header(r, want);
    if (len < SEAM_RESUME_HEADER || memcmp(p, MAGIC, 8) != 0 || take_u32(p + 60) != XXH32(p, 60, 0))
        return seam_fail(err, SEAM_EFORMAT, "damaged");
    if (memcmp(p, want, sizeof want) != 0)
        return seam_fail(err, SEAM_EMISMATCH, "of another file, or of another version of it");
    if (len != SEAM_RESUME_HEADER + 4 * (size_t)r->n)
        return seam_fail(err, SEAM_EFORMAT, "damaged");
    p += SEAM_RESUME_HEADER;
    for (uint32_t i = 0; i < r->n; i++)
        if (take_u32(p + 4 * (size_t)i) > seam_resume_piece_len(r, i))
            return seam_fail(err, SEAM_EFORMAT, "damaged");
    for (uint32_t i = 0; i < r->n; i++)
        r->got[i] = take_u32(p + 4 * (size_t)i);
    return SEAM_OK;
}

seam_status seam_resume_load(struct seam_resume *r, const char *path, struct seam_err *err)
{
    const size_t len = SEAM_RESUME_HEADER + 4 * (size_t)r->n;
    FILE *f = fopen(path, "re");
    if (!f)
        return seam_fail(err, SEAM_ENOTFOUND, "%s: %s", path, strerror(errno));
    uint8_t *data = malloc(len + 1);
    size_t n = data ? fread(data, 1, len + 1, f) : 0;
    fclose(f);
    seam_status st = data ? seam_resume_parse(r, data, n, err)
                          : seam_fail(err, SEAM_ENOMEM, "no memory for %zu bytes", len);
    free(data);
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s", path);
}

seam_status seam_write_fail(int error, const char *what, struct seam_err *err)
{
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return seam_fail(err, full ? SEAM_EFULL : SEAM_EIO, "write %s: %s", what, strerror(error));
}

static seam_status write_at(int fd, const uint8_t *p, size_t n, off_t off, struct seam_err *err)
{
    while (n) {
        ssize_t k = pwrite(fd, p, n, off);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return seam_write_fail(k < 0 ? errno : ENOSPC, "the resume file", err);
        p += k;
        n -= (size_t)k;
        off += k;
    }
    return SEAM_OK;
}

seam_status seam_resume_create(struct seam_resume *r, const char *path, struct seam_err *err)
{
    const size_t len = SEAM_RESUME_HEADER + 4 * (size_t)r->n;
    uint8_t *data = malloc(len);
    if (!data)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu bytes", len);
    write_header(r, data);
    for (uint32_t i = 0; i < r->n; i++)
        put(data + SEAM_RESUME_HEADER + 4 * (size_t)i, r->got[i], 4);
    if (r->fd < 0)
        r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    seam_status st = r->fd < 0 || ftruncate(r->fd, (off_t)len) != 0
                         ? seam_write_fail(errno, path, err)
                         : write_at(r->fd, data, len, 0, err);
    free(data);
    return st;
}

seam_status seam_resume_note(const struct seam_resume *r, uint32_t i, struct seam_err *err)
{
    uint8_t v[4];
    put(v, r->got[i], 4);
    return write_at(r->fd, v, sizeof v, (off_t)(SEAM_RESUME_HEADER + 4 * (size_t)i), err);
}
