/* arch_qwen35.c - Qwen3.5, dense and MoE: of every `full_attention_interval` layers one has gated
 * attention, the others a gated DeltaNet, whose memory is a state of fixed size. Keys: shared
 * facts/models.md 2.3; tensors: 2.4; formulas: 3.3 and 3.4. Value head h uses key head
 * h % key heads: the converter has reordered them so. For text the three sections of M-RoPE turn by
 * the same position, which is plain rope in pairs (i, i + half). */
#include <inttypes.h>

#include "model/arch_gqa.h"

#define D(x)                         SEAM_DIM_##x
#define U32(suffix, field, required) SEAM_KEY(suffix, U32, field, required)

static const struct seam_key_row keys[] = {
    U32("ssm.conv_kernel", ssm_kernel, true),  U32("ssm.state_size", ssm_state, true),
    U32("ssm.group_count", ssm_heads_k, true), U32("ssm.time_step_rank", ssm_heads_v, true),
    U32("ssm.inner_size", ssm_inner, true),
};

static seam_status check(const struct seam_hparams *hp, const char *arch, struct seam_err *err)
{
    const struct seam_key_rule rule[] = {
        {hp->ssm_kernel >= 2 && hp->ssm_kernel <= 64, "ssm.conv_kernel", hp->ssm_kernel},
        {hp->ssm_state >= 1 && hp->ssm_state <= 4096, "ssm.state_size", hp->ssm_state},
        {hp->ssm_heads_k >= 1 && hp->ssm_heads_k <= 4096, "ssm.group_count", hp->ssm_heads_k},
        {hp->ssm_heads_v >= 1 && hp->ssm_heads_v <= 4096 &&
             hp->ssm_heads_v % (hp->ssm_heads_k ? hp->ssm_heads_k : 1) == 0,
         "ssm.time_step_rank", hp->ssm_heads_v},
        /* ggml's operation wants square states */
        {hp->ssm_inner == (uint64_t)hp->ssm_heads_v * hp->ssm_state, "ssm.inner_size",
         hp->ssm_inner},
    };
    return seam_keys_check(arch, rule, sizeof rule / sizeof *rule, err);
}

/* Newer files list the recurrent layers; older ones say that each interval-th is not. */
static seam_status read_layers(struct seam_hparams *hp, const struct seam_catalog *c,
                               const char *arch, struct seam_err *err)
{
    uint32_t interval = 4;
    seam_status st = seam_key_u32(c, arch, "full_attention_interval", false, &interval, err);
    const struct seam_meta *list = seam_key_find(c, arch, "attention.recurrent_layers");
    if (st == SEAM_OK && interval == 0)
        st = seam_fail(err, SEAM_EFORMAT, "the key %s.full_attention_interval is out of range: 0",
                       arch);
    for (uint32_t layer = 0; st == SEAM_OK && layer < hp->n_layer; layer++) {
        uint64_t is = (layer + 1) % interval != 0;
        if (list && !seam_meta_elem_u64(list, layer, &is))
            st = seam_fail(err, SEAM_EFORMAT,
                           "the key %s.attention.recurrent_layers says nothing of layer %" PRIu32,
                           arch, layer);
        hp->recurrent[layer] = is != 0;
        hp->n_recurrent += is != 0;
    }
    return st;
}

static seam_status hparams(struct seam_hparams *hp, const struct seam_catalog *c, const char *arch,
                           struct seam_err *err)
{
    hp->rope_neox = true;
    seam_status st = seam_gqa_hparams(hp, c, arch, err);
    if (st == SEAM_OK)
        st = seam_keys_read(c, arch, keys, sizeof keys / sizeof *keys, hp, err);
    if (st == SEAM_OK)
        st = check(hp, arch, err);
    return st == SEAM_OK ? read_layers(hp, c, arch, err) : st;
}

static seam_status hparams_dense(struct seam_hparams *hp, const struct seam_catalog *c,
                                 struct seam_err *err)
{
    return hparams(hp, c, "qwen35", err);
}

static seam_status hparams_moe(struct seam_hparams *hp, const struct seam_catalog *c,
                               struct seam_err *err)
{
    return hparams(hp, c, "qwen35moe", err);
}

static const struct seam_role_row rows[] = {
    SEAM_ROW(ATTN_NORM, "attn_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_ROW(ATTN_Q, "attn_q.weight", ATTENTION, REQUIRED, false, D(EMBD), D(GQA_Q2)),
    SEAM_ROW(ATTN_K, "attn_k.weight", ATTENTION, REQUIRED, false, D(EMBD), D(GQA_K)),
    SEAM_ROW(ATTN_V, "attn_v.weight", ATTENTION, REQUIRED, false, D(EMBD), D(GQA_V)),
    SEAM_ROW(ATTN_Q_NORM, "attn_q_norm.weight", ATTENTION, REQUIRED, true, D(D_HEAD)),
    SEAM_ROW(ATTN_K_NORM, "attn_k_norm.weight", ATTENTION, REQUIRED, true, D(D_HEAD)),
    SEAM_ROW(ATTN_OUT, "attn_output.weight", ATTENTION, REQUIRED, false, D(ATTN_OUT), D(EMBD)),
    SEAM_ROW(SSM_QKV, "attn_qkv.weight", DELTA, REQUIRED, false, D(EMBD), D(SSM_QKV)),
    SEAM_ROW(SSM_GATE, "attn_gate.weight", DELTA, REQUIRED, false, D(EMBD), D(SSM_INNER)),
    SEAM_ROW(SSM_CONV, "ssm_conv1d.weight", DELTA, REQUIRED, true, D(SSM_KERNEL), D(SSM_QKV)),
    SEAM_ROW(SSM_DT, "ssm_dt.bias", DELTA, REQUIRED, true, D(SSM_HEADS)),
    SEAM_ROW(SSM_A, "ssm_a", DELTA, REQUIRED, true, D(SSM_HEADS)),
    SEAM_ROW(SSM_ALPHA, "ssm_alpha.weight", DELTA, REQUIRED, false, D(EMBD), D(SSM_HEADS)),
    SEAM_ROW(SSM_BETA, "ssm_beta.weight", DELTA, REQUIRED, false, D(EMBD), D(SSM_HEADS)),
    SEAM_ROW(SSM_NORM, "ssm_norm.weight", DELTA, REQUIRED, true, D(SSM_HEAD_V)),
    SEAM_ROW(SSM_OUT, "ssm_out.weight", DELTA, REQUIRED, false, D(SSM_INNER), D(EMBD)),
    SEAM_ROW(FFN_NORM, "post_attention_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_GQA_ROWS_FFN,
    SEAM_ROW(SHEXP_GATE, "ffn_gate_shexp.weight", SHARED, REQUIRED, false, D(EMBD), D(FF_SHEXP)),
    SEAM_ROW(SHEXP_UP, "ffn_up_shexp.weight", SHARED, REQUIRED, false, D(EMBD), D(FF_SHEXP)),
    SEAM_ROW(SHEXP_DOWN, "ffn_down_shexp.weight", SHARED, REQUIRED, false, D(FF_SHEXP), D(EMBD)),
    SEAM_ROW(SHEXP_ROUTER, "ffn_gate_inp_shexp.weight", SHARED, REQUIRED, false, D(EMBD)),
    SEAM_GQA_ROWS_ENDS,
};

const struct seam_arch seam_arch_qwen35 = {
    .name = "qwen35",
    .hparams = hparams_dense,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = seam_gqa_alternatives,
    .n_alt = SEAM_GQA_ALTERNATIVES,
};

const struct seam_arch seam_arch_qwen35moe = {
    .name = "qwen35moe",
    .hparams = hparams_moe,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = seam_gqa_alternatives,
    .n_alt = SEAM_GQA_ALTERNATIVES,
};
