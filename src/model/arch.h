/* arch.h - what one architecture is: how its keys are read and which tensors it has. Private to
 * src/model. To add one: a file arch_NAME.c with a `struct seam_arch`, and a line in arch.c. */
#ifndef SEAM_MODEL_ARCH_H
#define SEAM_MODEL_ARCH_H

#include <stddef.h>

#include "model/model.h"

/* Sizes that shapes are made of, as functions of the hyper-parameters (arch.c). */
enum seam_dim {
    SEAM_DIM_NONE, /* no such dimension: 1 */
    SEAM_DIM_EMBD,
    SEAM_DIM_VOCAB,
    SEAM_DIM_HEAD,
    SEAM_DIM_Q, /* n_head * (nope + rope) */
    SEAM_DIM_Q_LORA,
    SEAM_DIM_KV_LORA,
    SEAM_DIM_KV_A, /* kv_lora + rope */
    SEAM_DIM_NOPE,
    SEAM_DIM_V,
    SEAM_DIM_KV_B,     /* n_head * (nope + v) */
    SEAM_DIM_ATTN_OUT, /* n_head * v */
    SEAM_DIM_FF,
    SEAM_DIM_EXPERT,
    SEAM_DIM_FF_EXP,
    SEAM_DIM_2FF_EXP,
    SEAM_DIM_FF_SHEXP,
    SEAM_DIM_GQA_Q,  /* n_head * d_head */
    SEAM_DIM_GQA_Q2, /* twice that: per head query | gate */
    SEAM_DIM_GQA_K,  /* n_head_kv * d_head */
    SEAM_DIM_GQA_V,  /* n_head_kv * v */
    SEAM_DIM_D_HEAD,
    SEAM_DIM_ROPE_HALF, /* rope / 2 */
    SEAM_DIM_SSM_QKV,   /* 2 * key heads * state + inner */
    SEAM_DIM_SSM_INNER,
    SEAM_DIM_SSM_KERNEL,
    SEAM_DIM_SSM_HEADS, /* value heads */
    SEAM_DIM_SSM_HEAD_V /* inner / value heads */
};
uint64_t seam_dim_size(enum seam_dim dim, const struct seam_hparams *hp);

/* When a layer has a tensor. */
enum seam_when {
    SEAM_WHEN_ALWAYS,
    SEAM_WHEN_Q_LORA,
    SEAM_WHEN_NO_Q_LORA,
    SEAM_WHEN_DENSE,
    SEAM_WHEN_MOE,
    SEAM_WHEN_SHARED, /* MoE with shared experts */
    SEAM_WHEN_ATTENTION,
    SEAM_WHEN_DELTA
};

enum seam_need {
    SEAM_NEED_REQUIRED,
    SEAM_NEED_OPTIONAL,
    SEAM_NEED_ALTERNATIVE /* see struct seam_alternative */
};

struct seam_role_row {
    enum seam_role role;
    const char *name; /* after "blk.N." for per-layer roles */
    enum seam_dim ne[4];
    enum seam_when when;
    enum seam_need need;
    bool f32;    /* used element by element: only F32 will do */
    bool shared; /* a per-layer role, but one tensor of the file serves all layers */
};

/* `joined` alone, or all of `split` (which wins when both are there). */
struct seam_alternative {
    enum seam_role joined;
    enum seam_role split[2];
};

struct seam_arch {
    const char *name; /* general.architecture */
    /* Read and check the keys; n_vocab is already set. */
    seam_status (*hparams)(struct seam_hparams *hp, const struct seam_catalog *c,
                           struct seam_err *err);
    const struct seam_role_row *row;
    size_t n_row;
    const struct seam_alternative *alt;
    size_t n_alt;
};

/* What decides which rows a layer has: its feed-forward and its memory. */
void seam_arch_layer_kind(const struct seam_hparams *hp, uint32_t layer, struct seam_layer *l);
bool seam_arch_has_row(const struct seam_hparams *hp, const struct seam_role_row *row,
                       const struct seam_layer *l);
void seam_arch_tensor_name(const struct seam_role_row *row, uint32_t layer, char *buf, size_t len);
static inline bool seam_role_is_global(enum seam_role role)
{
    return role >= SEAM_ROLE_LAYER_COUNT;
}

const struct seam_arch *seam_arch_by_name(const char *name, size_t len); /* NULL: none */
const struct seam_role_row *seam_arch_row(const struct seam_arch *a, enum seam_role role);

extern const struct seam_arch seam_arch_deepseek2, seam_arch_llama, seam_arch_qwen3,
    seam_arch_qwen3moe, seam_arch_qwen35, seam_arch_qwen35moe;

/* ---- keys "ARCH.suffix" ---- */
#define SEAM_KEY(suffix, kind, field, required)                                 \
    {                                                                           \
        suffix, SEAM_KEY_##kind, offsetof(struct seam_hparams, field), required \
    }
struct seam_key_row {
    const char *suffix;
    enum { SEAM_KEY_U32, SEAM_KEY_F32 } kind;
    size_t offset; /* into struct seam_hparams */
    bool required; /* otherwise the field keeps its default */
};
/* SEAM_EFORMAT: a required key is missing, or a value is of another type or out of range. */
seam_status seam_keys_read(const struct seam_catalog *c, const char *arch,
                           const struct seam_key_row *row, size_t n, struct seam_hparams *hp,
                           struct seam_err *err);
seam_status seam_key_u32(const struct seam_catalog *c, const char *arch, const char *suffix,
                         bool required, uint32_t *v, struct seam_err *err);
seam_status seam_key_f32(const struct seam_catalog *c, const char *arch, const char *suffix,
                         bool required, float *v, struct seam_err *err);
/* The usual keys under rope.scaling.*, for queries of hp->d_head; sets kq_scale too. */
seam_status seam_rope_read(const struct seam_catalog *c, const char *arch, struct seam_hparams *hp,
                           struct seam_err *err);
/* Blocks for multi-token prediction at the end of block_count are not layers. */
seam_status seam_nextn_drop(const struct seam_catalog *c, const char *arch, struct seam_hparams *hp,
                            struct seam_err *err);
/* A value that the engine need not doubt afterwards; false: the key is out of range. */
struct seam_key_rule {
    bool ok;
    const char *suffix;
    double value;
};
seam_status seam_keys_check(const char *arch, const struct seam_key_rule *rule, size_t n,
                            struct seam_err *err);
const struct seam_meta *seam_key_find(const struct seam_catalog *c, const char *arch,
                                      const char *suffix);

#endif
