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

/* The least extent that holds [off, off + len) of a file, which then begins at base + (off - extent.off). */
static inline struct seam_extent seam_extent_of(uint32_t shard, uint64_t off, uint64_t len)
{
    const uint64_t mask = SEAM_DIRECT_ALIGN - 1, begin = off & ~mask;
    return (struct seam_extent){shard, begin, ((off + len + mask) & ~mask) - begin,
                                off + len - begin, 0};
}

struct seam_reader;

/* SEAM_ENOTFOUND, SEAM_EIO: a file cannot be opened. The catalogue must outlive the reader. */
seam_status seam_reader_open(struct seam_reader **out, const struct seam_catalog *c,
                             struct seam_err *err);
void seam_reader_close(struct seam_reader *r);

/* SEAM_EFORMAT: a file was written to since it was opened (size or time). Its cost is a system call for
 * each file. */
seam_status seam_reader_unchanged(const struct seam_reader *r, struct seam_err *err);

/* Read all extents to base + at. Returns when they are there, or after the first failure, with no
 * read under way. `stop` (may be NULL) is asked by any thread before each piece.
 * SEAM_ECANCELED: stop said so. SEAM_EFORMAT: a file is too short. SEAM_EIO: the disk. */
seam_status seam_reader_read(struct seam_reader *r, const struct seam_extent *extents, size_t n,
                             uint8_t *base, bool (*stop)(void *user), void *user,
                             struct seam_err *err);

/* Does the page cache hold these extents, but for a hundredth? */
bool seam_reader_cached(const struct seam_reader *r, const struct seam_extent *extents, size_t n);
/* Make the files of these extents memory, until close; their place in memory is not used. fetch: start to
 * read what the page cache lacks of them. What is written
 * to a file is then seen here: ask seam_reader_unchanged() around each use. A file that is cut short ends
 * the process when it is used (base/os/os.h). SEAM_EFORMAT: a file is too short. SEAM_EIO: it cannot be
 * mapped. SEAM_EUNSUPPORTED: it is none. */
seam_status seam_reader_map(struct seam_reader *r, const struct seam_extent *extents, size_t n,
                            bool fetch, struct seam_err *err);
/* A file's first byte, and how many there are; NULL, 0: not mapped. */
const uint8_t *seam_reader_mapped(const struct seam_reader *r, uint32_t shard, uint64_t *len);

#endif
