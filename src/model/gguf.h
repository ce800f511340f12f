/* gguf.h - one GGUF file parsed, before shards are joined into a catalogue. Private to src/model.
 *
 * The header (everything before the data) is kept as one blob; metadata are extents of it, so that
 * the 10 MB of a large vocabulary are stored once. Offsets are 32 bits: a header is at most
 * SEAM_GGUF_HEADER_MAX. */
#ifndef SEAM_MODEL_GGUF_H
#define SEAM_MODEL_GGUF_H

#include "model/catalog.h"

#define SEAM_GGUF_HEADER_MAX (512u << 20)
#define SEAM_GGUF_ALIGNMENT  32u /* when general.alignment is absent */

struct seam_meta {
    const uint8_t *blob; /* of the shard; set once the header is whole */
    char *key;           /* NUL-terminated, in the shard's name pool */
    uint32_t key_off, key_len;
    enum seam_meta_type type, elem;
    uint32_t val_off, val_len; /* raw bytes of the value: for arrays those of the elements */
    size_t n;                  /* elements of an array */
    uint32_t *str_off;         /* string arrays: where each element's length field is */
};

struct seam_gguf {
    char *path; /* as errors name it */
    uint64_t file_bytes;
    uint8_t *blob;
    size_t blob_len;
    bool whole;  /* blob is the whole file: opened from memory */
    char *names; /* pool of NUL-terminated keys and tensor names */
    struct seam_meta *meta;
    size_t n_meta;
    struct seam_tensor *tensor; /* file_off absolute, shard 0 */
    size_t n_tensor;
    uint64_t data_off;
};

/* Fill *g (zeroed by the caller) from a file or from memory, which is copied. On failure *g is
 * released. Checks everything one file can be checked for; errors name it. */
seam_status seam_gguf_read_file(struct seam_gguf *g, const char *path, struct seam_err *err);
seam_status seam_gguf_read_memory(struct seam_gguf *g, const void *data, size_t len,
                                  struct seam_err *err);
/* From the first `len` bytes of a file of file_bytes. When the header goes on, SEAM_OK with *wanted > len and *g
 * released; else *wanted is 0. */
seam_status seam_gguf_read_prefix(struct seam_gguf *g, const void *data, size_t len,
                                  uint64_t file_bytes, uint64_t *wanted, struct seam_err *err);
void seam_gguf_release(struct seam_gguf *g);

const struct seam_meta *seam_gguf_meta(const struct seam_gguf *g, const char *key); /* linear */
/* The raw bytes of the value, for fingerprints. */
const uint8_t *seam_meta_raw(const struct seam_meta *m, size_t *len);

#endif
