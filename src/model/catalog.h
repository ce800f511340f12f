/* catalog.h - one GGUF, or a GGUF in splits, as one catalogue: metadata and tensor -> extent.
 *
 * Format: ggml-org/ggml include/gguf.h (magic "GGUF", version 2 or 3, little-endian, metadata,
 * tensor infos, data aligned to general.alignment). Splits: `%s-%05d-of-%05d.gguf`, split.no (u16,
 * from 0), split.count (u16), split.tensors.count (i32); the first may hold no tensors; offsets
 * count from each shard's own data start. Only headers are read here, never weights.
 *
 * Everything that comes from a file is bounded: counts by the bytes left in the file, strings by
 * the file, sizes by 64-bit checked arithmetic. Thread: immutable after open, share freely. */
#ifndef SEAM_MODEL_CATALOG_H
#define SEAM_MODEL_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* ---- tensor types (ids are ggml's) ---- */
struct seam_type {
    uint32_t id;          /* enum ggml_type */
    const char *name;     /* "Q8_0" */
    uint32_t block;       /* values per block */
    uint32_t block_bytes; /* bytes per block */
};
const struct seam_type *seam_type_by_id(uint32_t id);        /* NULL: not supported */
const struct seam_type *seam_type_by_name(const char *name); /* NULL: unknown */

/* ---- metadata ---- */
enum seam_meta_type { /* ids are GGUF's */
                      SEAM_META_U8,
                      SEAM_META_I8,
                      SEAM_META_U16,
                      SEAM_META_I16,
                      SEAM_META_U32,
                      SEAM_META_I32,
                      SEAM_META_F32,
                      SEAM_META_BOOL,
                      SEAM_META_STRING,
                      SEAM_META_ARRAY,
                      SEAM_META_U64,
                      SEAM_META_I64,
                      SEAM_META_F64
};
struct seam_str { /* not NUL-terminated; points into the catalogue */
    const char *p;
    size_t len;
};
struct seam_meta; /* one key */
struct seam_catalog;

struct seam_tensor {
    const char *name; /* NUL-terminated, owned by the catalogue */
    const struct seam_type *type;
    uint32_t n_dims;   /* 1..4 */
    uint64_t ne[4];    /* ne[0] contiguous; unused dims are 1 */
    uint64_t n_bytes;  /* size of the data */
    uint32_t shard;    /* index into the shard list */
    uint64_t file_off; /* absolute offset of the data in that shard's file */
};

/* Open FILE. If FILE is any shard of a split, all of them are opened (siblings in its folder).
 * SEAM_ENOTFOUND: FILE or a shard is missing (the story names it and proposes what to do).
 * SEAM_EFORMAT: not a GGUF, truncated, absurd counts or offsets, overlapping tensors, shards that
 * disagree or are extra. SEAM_EUNSUPPORTED: GGUF version or tensor type.
 * On success the caller owns *out and ends it with seam_catalog_close(). */
seam_status seam_catalog_open(struct seam_catalog **out, const char *file, struct seam_err *err);
/* The same from memory (one shard, used by tests and the fuzzer); `data` is copied. */
seam_status seam_catalog_open_memory(struct seam_catalog **out, const void *data, size_t len,
                                     struct seam_err *err);
void seam_catalog_close(struct seam_catalog *c);

/* The catalogue of one file of `file_bytes` of which only the first `len` are here: a shard alone, whatever
 * split.count says. *wanted is 0 on success. When the header goes on, SEAM_OK with *out NULL and the
 * bytes that are needed at least in *wanted (> len). `data` is copied. Other errors as above. */
seam_status seam_catalog_open_prefix(struct seam_catalog **out, const void *data, size_t len,
                                     uint64_t file_bytes, uint64_t *wanted, struct seam_err *err);

/* Is this the name of a shard, PREFIX-%05d-of-%05d.gguf? Then its parts; no counts from 1. */
struct seam_shard_name {
    size_t prefix_len;
    uint32_t no, count;
};
bool seam_shard_name_parse(const char *name, struct seam_shard_name *out);

uint32_t seam_catalog_shard_count(const struct seam_catalog *c);
const char *seam_catalog_shard_path(const struct seam_catalog *c, uint32_t shard);
uint64_t seam_catalog_shard_bytes(const struct seam_catalog *c, uint32_t shard);
/* The whole shard, where it was opened from memory; NULL: it is a file. */
const uint8_t *seam_catalog_shard_data(const struct seam_catalog *c, uint32_t shard);
size_t seam_catalog_tensor_count(const struct seam_catalog *c);
const struct seam_tensor *seam_catalog_tensor_at(const struct seam_catalog *c, size_t i);
const struct seam_tensor *seam_catalog_tensor(const struct seam_catalog *c, const char *name);
uint64_t seam_catalog_weight_bytes(const struct seam_catalog *c); /* sum of tensor bytes */

/* Fingerprint of what decides the KV a model computes: architecture metadata, tokenizer and
 * template metadata, every tensor's name, type and shape, and the first and last 64 bytes of every
 * tensor's data (XXH3-128). Not a full weights hash: `seam pull`/`check` verify files whole. Split
 * keys and shard layout do not enter: a split file and its merged twin agree. */
struct seam_fingerprint {
    uint8_t bytes[16];
};
seam_status seam_catalog_fingerprint(const struct seam_catalog *c, struct seam_fingerprint *out,
                                     struct seam_err *err);

/* Metadata look-ups. NULL / false when the key is absent or of another type. */
size_t seam_catalog_meta_count(const struct seam_catalog *c);
const struct seam_meta *seam_catalog_meta_at(const struct seam_catalog *c, size_t i);
const struct seam_meta *seam_catalog_meta(const struct seam_catalog *c, const char *key);
const char *seam_meta_key(const struct seam_meta *m);
enum seam_meta_type seam_meta_type(const struct seam_meta *m);
bool seam_meta_u64(const struct seam_meta *m,
                   uint64_t *v);                          /* any integer kind that is >= 0, bool */
bool seam_meta_f64(const struct seam_meta *m, double *v); /* f32, f64 or any integer */
bool seam_meta_bool(const struct seam_meta *m, bool *v);
bool seam_meta_str(const struct seam_meta *m, struct seam_str *v);
size_t seam_meta_len(const struct seam_meta *m); /* array length; 0 for a scalar */
enum seam_meta_type seam_meta_elem_type(const struct seam_meta *m);
bool seam_meta_elem_str(const struct seam_meta *m, size_t i, struct seam_str *v); /* O(1) */
bool seam_meta_elem_u64(const struct seam_meta *m, size_t i, uint64_t *v);
bool seam_meta_elem_f64(const struct seam_meta *m, size_t i, double *v);

#endif
