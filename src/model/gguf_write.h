/* gguf_write.h - write a GGUF, or one in splits, whose size is known before its data.
 *
 *   open -> keys and tensors, in the file's order -> begin -> write, any order -> commit -> close
 *
 * Files grow under NAME.part and get their names in commit, the first split last: a writer that
 * stops earlier leaves nothing that could be taken for a model. Format: catalog.h.
 * Thread: seam_gguf_out_write from any number of threads, the others from one. */
#ifndef SEAM_MODEL_GGUF_WRITE_H
#define SEAM_MODEL_GGUF_WRITE_H

#include "model/catalog.h"

struct seam_gguf_out;

/* NULL: no memory. A failed allocation later is remembered and told by begin. */
struct seam_gguf_out *seam_gguf_out_open(void);
/* Without a commit before, the .part files are removed. NULL is fine. */
void seam_gguf_out_close(struct seam_gguf_out *w);

/* Metadata. A key set twice keeps its first value. */
void seam_gguf_out_u16(struct seam_gguf_out *w, const char *key, uint16_t v);
void seam_gguf_out_u32(struct seam_gguf_out *w, const char *key, uint32_t v);
void seam_gguf_out_i32(struct seam_gguf_out *w, const char *key, int32_t v);
void seam_gguf_out_f32(struct seam_gguf_out *w, const char *key, float v);
void seam_gguf_out_bool(struct seam_gguf_out *w, const char *key, bool v);
void seam_gguf_out_str(struct seam_gguf_out *w, const char *key, const char *v);
/* An array: its head, then exactly n elements. */
void seam_gguf_out_array(struct seam_gguf_out *w, const char *key, enum seam_meta_type elem,
                         uint64_t n);
void seam_gguf_out_elem_i32(struct seam_gguf_out *w, int32_t v);
void seam_gguf_out_elem_str(struct seam_gguf_out *w, const char *p, size_t len);
/* A copy of another file's key. */
void seam_gguf_out_meta(struct seam_gguf_out *w, const struct seam_meta *m);

/* Tensors are numbered from 0 in the order of these calls. ne[0] is a multiple of type->block. */
void seam_gguf_out_tensor(struct seam_gguf_out *w, const char *name, const struct seam_type *type,
                          uint32_t n_dims, const uint64_t *ne);
size_t seam_gguf_out_tensor_count(const struct seam_gguf_out *w);
const struct seam_tensor *seam_gguf_out_tensor_at(const struct seam_gguf_out *w, size_t i);
uint64_t seam_gguf_out_bytes(const struct seam_gguf_out *w); /* of all tensors */

/* The header alone, as one file in memory without tensors, which the caller frees. NULL: no memory. */
uint8_t *seam_gguf_out_keys(const struct seam_gguf_out *w, size_t *len);

struct seam_gguf_out_layout {
    uint32_t n_split; /* 0 and 1: one file with the name as given, which ends in .gguf */
    bool empty_first; /* the first split holds metadata only */
};
/* Make the files and write their headers. SEAM_EINVAL: more splits than tensors. SEAM_EIO: cannot
 * write there, or the disk has no room for all of it (the story says how much it needs). */
seam_status seam_gguf_out_begin(struct seam_gguf_out *w, const char *path,
                                const struct seam_gguf_out_layout *layout, struct seam_err *err);
/* Bytes [off, off + len) of tensor i. */
seam_status seam_gguf_out_write(struct seam_gguf_out *w, size_t i, uint64_t off, const void *p,
                                size_t len, struct seam_err *err);
seam_status seam_gguf_out_commit(struct seam_gguf_out *w, struct seam_err *err);
/* Name of the file to open: the first split, or the only one. After begin. */
const char *seam_gguf_out_path(const struct seam_gguf_out *w);

#endif
