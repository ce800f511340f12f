/* reader.h - ranges of the model's files, read at the disk's speed into memory: a few threads, each
 * with a read under way, past the page cache unless the bytes lie there already.
 *
 * Thread: one caller at a time; the reading threads live from open to close. Inside src/engine. */
#ifndef SEAM_ENGINE_READER_H
#define SEAM_ENGINE_READER_H

#include "base/os/os.h"
#include "model/catalog.h"

struct seam_extent { /* one contiguous range of a file */
    uint32_t shard;
    uint64_t off, len; /* aligned to SEAM_DIRECT_ALIGN; may reach past the end of the file */
    uint64_t need;     /* bytes from off that must be there */
    uint64_t at;       /* place in memory, aligned too, from the caller's base */
};

struct seam_reader;

/* SEAM_ENOTFOUND, SEAM_EIO: a file cannot be opened. The catalogue must outlive the reader. */
seam_status seam_reader_open(struct seam_reader **out, const struct seam_catalog *c,
                             struct seam_err *err);
void seam_reader_close(struct seam_reader *r);

/* SEAM_EFORMAT: a file was replaced or written to since it was opened (size or time). */
seam_status seam_reader_unchanged(const struct seam_reader *r, struct seam_err *err);

/* Read all extents to base + at. Returns when they are there, or after the first failure, with no
 * read under way. `stop` (may be NULL) is asked by any thread before each piece.
 * SEAM_ECANCELED: stop said so. SEAM_EFORMAT: a file is too short. SEAM_EIO: the disk. */
seam_status seam_reader_read(struct seam_reader *r, const struct seam_extent *extents, size_t n,
                             uint8_t *base, bool (*stop)(void *user), void *user,
                             struct seam_err *err);

#endif
