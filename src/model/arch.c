/* arch.c - the table of architectures, and what their files share. */
#include "model/arch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* seam_model_arch_list() says the same in words: keep them together. */
static const struct seam_arch *const archs[] = {
    &seam_arch_deepseek2, &seam_arch_llama,  &seam_arch_qwen3,
    &seam_arch_qwen3moe,  &seam_arch_qwen35, &seam_arch_qwen35moe,
};

const struct seam_arch *seam_arch_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strlen(archs[i]->name) == len && memcmp(archs[i]->name, name, len) == 0)
            return archs[i];
    return NULL;
}

const char *seam_model_arch_list(void)
{
    static const char list[] = "deepseek2 (Kimi K2, DeepSeek V2 and V3, Moonlight), llama, qwen3, "
                               "qwen3moe, qwen35, qwen35moe";
    return list;
}

const struct seam_role_row *seam_arch_row(const struct seam_arch *a, enum seam_role role)
{
    for (size_t i = 0; i < a->n_row; i++)
        if (a->row[i].role == role)
            return &a->row[i];
    return NULL;
}

uint64_t seam_dim_size(enum seam_dim dim, const struct seam_hparams *hp)
{
    const uint64_t head = hp->n_head, nope = hp->d_nope, rope = hp->d_rope;
    switch (dim) {
    case SEAM_DIM_NONE: return 1;
    case SEAM_DIM_EMBD: return hp->n_embd;
    case SEAM_DIM_VOCAB: return hp->n_vocab;
    case SEAM_DIM_HEAD: return head;
    case SEAM_DIM_Q: return head * (nope + rope);
    case SEAM_DIM_Q_LORA: return hp->q_lora;
    case SEAM_DIM_KV_LORA: return hp->kv_lora;
    case SEAM_DIM_KV_A: return (uint64_t)hp->kv_lora + rope;
    case SEAM_DIM_NOPE: return nope;
    case SEAM_DIM_V: return hp->d_v;
    case SEAM_DIM_KV_B: return head * (nope + hp->d_v);
    case SEAM_DIM_ATTN_OUT: return head * hp->d_v;
    case SEAM_DIM_FF: return hp->n_ff;
    case SEAM_DIM_EXPERT: return hp->n_expert;
    case SEAM_DIM_FF_EXP: return hp->n_ff_exp;
    case SEAM_DIM_2FF_EXP: return 2 * (uint64_t)hp->n_ff_exp;
    case SEAM_DIM_FF_SHEXP: return hp->n_ff_shexp;
    case SEAM_DIM_GQA_Q: return head * hp->d_head;
    case SEAM_DIM_GQA_Q2: return 2 * head * hp->d_head;
    case SEAM_DIM_GQA_K: return (uint64_t)hp->n_head_kv * hp->d_head;
    case SEAM_DIM_GQA_V: return (uint64_t)hp->n_head_kv * hp->d_v;
    case SEAM_DIM_D_HEAD: return hp->d_head;
    case SEAM_DIM_ROPE_HALF: return rope / 2;
    case SEAM_DIM_SSM_QKV: return 2 * (uint64_t)hp->ssm_heads_k * hp->ssm_state + hp->ssm_inner;
    case SEAM_DIM_SSM_INNER: return hp->ssm_inner;
    case SEAM_DIM_SSM_KERNEL: return hp->ssm_kernel;
    case SEAM_DIM_SSM_HEADS: return hp->ssm_heads_v;
    case SEAM_DIM_SSM_HEAD_V: return hp->ssm_inner / hp->ssm_heads_v;
    }
    return 0;
}

/* ---- keys ---- */

const struct seam_meta *seam_key_find(const struct seam_catalog *c, const char *arch,
                                      const char *suffix)
{
    char key[160];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    return seam_catalog_meta(c, key);
}

static seam_status missing_key(const char *arch, const char *suffix, struct seam_err *err)
{
    return seam_fail(err, SEAM_EFORMAT, "the key %s.%s is missing", arch, suffix);
}

seam_status seam_key_u32(const struct seam_catalog *c, const char *arch, const char *suffix,
                         bool required, uint32_t *v, struct seam_err *err)
{
    const struct seam_meta *m = seam_key_find(c, arch, suffix);
    uint64_t u;
    if (!m)
        return required ? missing_key(arch, suffix, err) : SEAM_OK;
    if (!seam_meta_u64(m, &u))
        return seam_fail(err, SEAM_EFORMAT, "the key %s.%s is not a whole number >= 0", arch,
                         suffix);
    if (u > INT32_MAX)
        return seam_fail(err, SEAM_EFORMAT, "the key %s.%s is absurd: %" PRIu64, arch, suffix, u);
    *v = (uint32_t)u;
    return SEAM_OK;
}

seam_status seam_key_f32(const struct seam_catalog *c, const char *arch, const char *suffix,
                         bool required, float *v, struct seam_err *err)
{
    const struct seam_meta *m = seam_key_find(c, arch, suffix);
    double d;
    if (!m)
        return required ? missing_key(arch, suffix, err) : SEAM_OK;
    if (!seam_meta_f64(m, &d) || !isfinite(d) || fabs(d) > 1e30)
        return seam_fail(err, SEAM_EFORMAT, "the key %s.%s is not a finite number", arch, suffix);
    *v = (float)d;
    return SEAM_OK;
}

seam_status seam_keys_read(const struct seam_catalog *c, const char *arch,
                           const struct seam_key_row *row, size_t n, struct seam_hparams *hp,
                           struct seam_err *err)
{
    for (size_t i = 0; i < n; i++) {
        char *field = (char *)hp + row[i].offset;
        seam_status st;
        if (row[i].kind == SEAM_KEY_U32)
            st = seam_key_u32(c, arch, row[i].suffix, row[i].required, (uint32_t *)(void *)field,
                              err);
        else
            st = seam_key_f32(c, arch, row[i].suffix, row[i].required, (float *)(void *)field, err);
        if (st != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

seam_status seam_keys_check(const char *arch, const struct seam_key_rule *rule, size_t n,
                            struct seam_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!rule[i].ok)
            return seam_fail(err, SEAM_EFORMAT, "the key %s.%s is out of range: %g", arch,
                             rule[i].suffix, rule[i].value);
    return SEAM_OK;
}

/* ---- what most architectures share ---- */

/* block_count may include blocks of multi-token prediction at the end, which Seam does not use. */
seam_status seam_nextn_drop(const struct seam_catalog *c, const char *arch, struct seam_hparams *hp,
                            struct seam_err *err)
{
    uint32_t nextn = 0;
    seam_status st = seam_key_u32(c, arch, "nextn_predict_layers", false, &nextn, err);
    if (st != SEAM_OK)
        return st;
    if (hp->n_layer > SEAM_MODEL_MAX_LAYERS || hp->n_layer <= nextn)
        return seam_fail(err, SEAM_EFORMAT,
                         "the key %s.block_count is out of range: %" PRIu32
                         " (of which nextn %" PRIu32 ")",
                         arch, hp->n_layer, nextn);
    hp->n_layer -= nextn;
    return SEAM_OK;
}

static bool str_is(struct seam_str s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.p, word, s.len) == 0;
}

/* Rope scaling. ggml multiplies YaRN's rotation by attn_factor * (1 + 0.1 ln factor). The
 * converters write yarn_log_multiplier = 0.1 * mscale_all_dim; with it the magnitude moves into
 * kq_scale as m^2 and the rotation's must be 1 (mscale == mscale_all_dim in every known model);
 * without it YaRN's own magnitude stays. */
seam_status seam_rope_read(const struct seam_catalog *c, const char *arch, struct seam_hparams *hp,
                           struct seam_err *err)
{
    float factor = 0, log_mul = 0, attn = 1;
    struct seam_str type = {"linear", 6};
    const struct seam_meta *m = seam_key_find(c, arch, "rope.scaling.type");
    if (m && !seam_meta_str(m, &type))
        return seam_fail(err, SEAM_EFORMAT, "the key %s.rope.scaling.type is not a string", arch);
    seam_status st = seam_key_f32(c, arch, "rope.scaling.factor", false, &factor, err);
    if (st == SEAM_OK)
        st = seam_key_f32(c, arch, "rope.scaling.yarn_log_multiplier", false, &log_mul, err);
    if (st == SEAM_OK)
        st = seam_key_f32(c, arch, "rope.scaling.attn_factor", false, &attn, err);
    if (st != SEAM_OK)
        return st;
    if (factor == 0)
        factor = 1;
    if (!(factor >= 1e-3f && factor <= 1e6f) || !(log_mul >= 0 && log_mul <= 10))
        return seam_fail(err, SEAM_EFORMAT, "the rope scaling factor %g or multiplier %g is absurd",
                         (double)factor, (double)log_mul);
    if (attn != 1 && attn != 0)
        return seam_fail(err, SEAM_EUNSUPPORTED, "%s.rope.scaling.attn_factor %g", arch,
                         (double)attn);

    float magnitude = 1;
    hp->rope_attn_factor = 1;
    if (str_is(type, "none")) {
        hp->rope_freq_scale = 1;
    } else if (str_is(type, "linear")) {
        hp->rope_freq_scale = 1 / factor;
    } else if (str_is(type, "yarn")) {
        float ln = factor > 1 ? logf(factor) : 0;
        hp->rope_freq_scale = 1 / factor;
        hp->rope_ext_factor = 1;
        if (log_mul > 0) {
            magnitude = 1 + 0.1f * (log_mul / 0.1f) * ln;
            hp->rope_attn_factor = 1 / (1 + 0.1f * ln);
        }
    } else {
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "rope scaling '%.*s'; Seam knows none, linear, yarn",
                         (int)(type.len < 40 ? type.len : 40), type.p);
    }
    hp->kq_scale = magnitude * magnitude / sqrtf((float)hp->d_head);
    return SEAM_OK;
}
