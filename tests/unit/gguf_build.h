/* gguf_build.h - GGUF bytes made in memory by tests, well-formed or not, and a tiny deepseek2.
 * Everything aborts when memory runs out: it is a test. */
#ifndef SEAM_TESTS_GGUF_BUILD_H
#define SEAM_TESTS_GGUF_BUILD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gb_bytes {
    uint8_t *p;
    size_t n, cap;
};

struct gb {
    struct gb_bytes meta, info;
    uint64_t n_meta, n_tensor, data_bytes;
    uint64_t align;                /* 0: 32 */
    uint32_t version;              /* 0: 3 */
    uint64_t lie_meta, lie_tensor; /* added to the counts */
};

static inline void gb_put(struct gb_bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->p = realloc(b->p, b->cap);
        if (!b->p)
            abort();
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static inline void gb_le(struct gb_bytes *b, uint64_t v, unsigned n)
{
    uint8_t le[8];
    for (unsigned i = 0; i < n; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    gb_put(b, le, n);
}

static inline void gb_text(struct gb_bytes *b, const char *s, size_t n)
{
    gb_le(b, n, 8);
    gb_put(b, s, n);
}

static inline void gb_key(struct gb *b, const char *key, uint32_t type)
{
    gb_text(&b->meta, key, strlen(key));
    gb_le(&b->meta, type, 4);
    b->n_meta++;
}

static inline void gb_u16(struct gb *b, const char *key, unsigned v)
{
    gb_key(b, key, 2);
    gb_le(&b->meta, v, 2);
}

static inline void gb_u32(struct gb *b, const char *key, uint32_t v)
{
    gb_key(b, key, 4);
    gb_le(&b->meta, v, 4);
}

static inline void gb_i32(struct gb *b, const char *key, int32_t v)
{
    gb_key(b, key, 5);
    gb_le(&b->meta, (uint32_t)v, 4);
}

static inline void gb_f32(struct gb *b, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    gb_key(b, key, 6);
    gb_le(&b->meta, bits, 4);
}

static inline void gb_bool(struct gb *b, const char *key, bool v)
{
    gb_key(b, key, 7);
    gb_le(&b->meta, v, 1);
}

static inline void gb_str(struct gb *b, const char *key, const char *v)
{
    gb_key(b, key, 8);
    gb_text(&b->meta, v, strlen(v));
}

static inline void gb_array(struct gb *b, const char *key, uint32_t elem, uint64_t n)
{
    gb_key(b, key, 9);
    gb_le(&b->meta, elem, 4);
    gb_le(&b->meta, n, 8);
}

/* A tensor with its own offset and size in the data section. */
static inline void gb_tensor_at(struct gb *b, const char *name, uint32_t type, uint32_t n_dims,
                                const uint64_t *ne, uint64_t off)
{
    gb_text(&b->info, name, strlen(name));
    gb_le(&b->info, n_dims, 4);
    for (uint32_t d = 0; d < n_dims; d++)
        gb_le(&b->info, ne[d], 8);
    gb_le(&b->info, type, 4);
    gb_le(&b->info, off, 8);
    b->n_tensor++;
}

/* An F32 tensor placed after the others. */
static inline void gb_f32_tensor(struct gb *b, const char *name, uint32_t n_dims, ...)
{
    uint64_t ne[8], n = 1, align = b->align ? b->align : 32;
    va_list ap;
    va_start(ap, n_dims);
    for (uint32_t d = 0; d < n_dims && d < 8; d++) {
        ne[d] = va_arg(ap, unsigned);
        n *= ne[d];
    }
    va_end(ap);
    gb_tensor_at(b, name, 0, n_dims, ne, b->data_bytes);
    b->data_bytes = (b->data_bytes + 4 * n + align - 1) & ~(align - 1);
}

/* The file; b is emptied. Data bytes count up, so that fingerprints see something. */
static inline uint8_t *gb_finish(struct gb *b, size_t *len)
{
    struct gb_bytes f = {0};
    uint64_t align = b->align ? b->align : 32;
    gb_put(&f, "GGUF", 4);
    gb_le(&f, b->version ? b->version : 3, 4);
    gb_le(&f, b->n_tensor + b->lie_tensor, 8);
    gb_le(&f, b->n_meta + b->lie_meta, 8);
    gb_put(&f, b->meta.p, b->meta.n);
    gb_put(&f, b->info.p, b->info.n);
    while (f.n % align)
        gb_put(&f, "", 1);
    for (uint64_t i = 0; i < b->data_bytes; i++) {
        uint8_t v = (uint8_t)(i * 7);
        gb_put(&f, &v, 1);
    }
    free(b->meta.p);
    free(b->info.p);
    memset(b, 0, sizeof *b);
    *len = f.n;
    return f.p;
}

static inline void gb_write(struct gb *b, const char *path)
{
    size_t n;
    uint8_t *p = gb_finish(b, &n);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        abort();
    free(p);
}

/* ---- a tiny byte-level vocabulary with Kimi's special tokens ---- */

/* A byte as GPT-2's alphabet writes it; out holds 3 bytes. */
static inline void gb_alphabet(unsigned byte, char *out)
{
    unsigned c = byte, next = 0x100;
    for (unsigned i = 0; i <= byte; i++) {
        bool plain = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        if (!plain) {
            c = next;
            next++;
        } else {
            c = i;
        }
    }
    if (c < 0x80) {
        out[0] = (char)c;
        out[1] = 0;
    } else {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        out[2] = 0;
    }
}

static const char *const gb_specials[] = {
    /* USER kind from <think> on, as converters write tokens that are not "special" */
    "[BOS]",
    "[EOS]",
    "<|im_end|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|im_middle|>",
    "[EOT]",
    "<think>",
    "</think>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<|im_start|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
};
#define GB_N_SPECIALS (sizeof gb_specials / sizeof *gb_specials)
#define GB_FIRST_USER 8u

/* 256 bytes, the results of `merges` ("h e"), the special tokens. Ids in this order; `reverse`:
 * the results' ids descend, so that ids are not ranks. */
static inline void gb_tokenizer_order(struct gb *b, const char *const *merges, size_t n_merges,
                                      bool reverse)
{
    char text[64];
    gb_str(b, "tokenizer.ggml.model", "gpt2");
    gb_str(b, "tokenizer.ggml.pre", "kimi-k2");
    gb_array(b, "tokenizer.ggml.tokens", 8, 256 + n_merges + GB_N_SPECIALS);
    for (unsigned i = 0; i < 256; i++) {
        gb_alphabet(i, text);
        gb_text(&b->meta, text, strlen(text));
    }
    for (size_t i = 0; i < n_merges; i++) {
        const char *m = merges[reverse ? n_merges - 1 - i : i], *space = strchr(m + 1, ' ');
        snprintf(text, sizeof text, "%.*s%s", (int)(space - m), m, space + 1);
        gb_text(&b->meta, text, strlen(text));
    }
    for (size_t i = 0; i < GB_N_SPECIALS; i++)
        gb_text(&b->meta, gb_specials[i], strlen(gb_specials[i]));
    gb_array(b, "tokenizer.ggml.token_type", 5, 256 + n_merges + GB_N_SPECIALS);
    for (size_t i = 0; i < 256 + n_merges; i++)
        gb_le(&b->meta, 1, 4);
    for (size_t i = 0; i < GB_N_SPECIALS; i++)
        gb_le(&b->meta, i < GB_FIRST_USER ? 3 : 4, 4);
    gb_array(b, "tokenizer.ggml.merges", 8, n_merges);
    for (size_t i = 0; i < n_merges; i++)
        gb_text(&b->meta, merges[i], strlen(merges[i]));
    gb_u32(b, "tokenizer.ggml.eos_token_id", (uint32_t)(256 + n_merges + 2));
}

static inline void gb_tokenizer(struct gb *b, const char *const *merges, size_t n_merges)
{
    gb_tokenizer_order(b, merges, n_merges, false);
}

/* ---- a tiny deepseek2: 3 layers, hidden 64, 2 heads, nope 32, rope 16, v 32, kv_lora 32 ---- */
struct gb_mla {
    unsigned q_lora;  /* 0: attn_q */
    bool joined_kv_b; /* old files */
    bool fused_gate_up;
    bool no_output; /* tied */
    unsigned n_dense;
    const char *skip; /* leave this tensor out */
};

static inline void gb_mla_tensor(struct gb *b, const struct gb_mla *o, const char *name,
                                 unsigned n_dims, unsigned a, unsigned c, unsigned d)
{
    if (o->skip && strcmp(o->skip, name) == 0)
        return;
    gb_f32_tensor(b, name, n_dims, a, c, d);
}

static inline void gb_mla_keys(struct gb *b, const struct gb_mla *o)
{
    gb_str(b, "general.architecture", "deepseek2");
    gb_u32(b, "deepseek2.block_count", 3);
    gb_u32(b, "deepseek2.context_length", 512);
    gb_u32(b, "deepseek2.embedding_length", 64);
    gb_u32(b, "deepseek2.feed_forward_length", 96);
    gb_u32(b, "deepseek2.attention.head_count", 2);
    gb_u32(b, "deepseek2.attention.head_count_kv", 1);
    gb_f32(b, "deepseek2.attention.layer_norm_rms_epsilon", 1e-5f);
    gb_f32(b, "deepseek2.rope.freq_base", 50000);
    gb_u32(b, "deepseek2.rope.dimension_count", 16);
    gb_u32(b, "deepseek2.attention.kv_lora_rank", 32);
    if (o->q_lora)
        gb_u32(b, "deepseek2.attention.q_lora_rank", o->q_lora);
    if (o->joined_kv_b) {
        gb_u32(b, "deepseek2.attention.key_length", 48);
        gb_u32(b, "deepseek2.attention.value_length", 32);
    } else {
        gb_u32(b, "deepseek2.attention.key_length", 48);
        gb_u32(b, "deepseek2.attention.value_length", 32);
        gb_u32(b, "deepseek2.attention.key_length_mla", 48);
        gb_u32(b, "deepseek2.attention.value_length_mla", 32);
    }
    gb_u32(b, "deepseek2.leading_dense_block_count", o->n_dense);
    gb_u32(b, "deepseek2.expert_count", 8);
    gb_u32(b, "deepseek2.expert_used_count", 2);
    gb_u32(b, "deepseek2.expert_shared_count", 1);
    gb_u32(b, "deepseek2.expert_feed_forward_length", 48);
    gb_f32(b, "deepseek2.expert_weights_scale", 2.5f);
    gb_bool(b, "deepseek2.expert_weights_norm", true);
    gb_u32(b, "deepseek2.expert_gating_func", 2);
}

static inline void gb_mla_layer(struct gb *b, const struct gb_mla *o, unsigned layer)
{
    char n[96];
#define T(name, dims, x, y, z) \
    (snprintf(n, sizeof n, "blk.%u." name, layer), gb_mla_tensor(b, o, n, dims, x, y, z))
    T("attn_norm.weight", 1, 64, 0, 0);
    if (o->q_lora) {
        T("attn_q_a.weight", 2, 64, o->q_lora, 0);
        T("attn_q_a_norm.weight", 1, o->q_lora, 0, 0);
        T("attn_q_b.weight", 2, o->q_lora, 96, 0);
    } else {
        T("attn_q.weight", 2, 64, 96, 0);
    }
    T("attn_kv_a_mqa.weight", 2, 64, 48, 0);
    T("attn_kv_a_norm.weight", 1, 32, 0, 0);
    if (o->joined_kv_b) {
        T("attn_kv_b.weight", 2, 32, 128, 0);
    } else {
        T("attn_k_b.weight", 3, 32, 32, 2);
        T("attn_v_b.weight", 3, 32, 32, 2);
    }
    T("attn_output.weight", 2, 64, 64, 0);
    T("ffn_norm.weight", 1, 64, 0, 0);
    if (layer < o->n_dense) {
        T("ffn_gate.weight", 2, 64, 96, 0);
        T("ffn_up.weight", 2, 64, 96, 0);
        T("ffn_down.weight", 2, 96, 64, 0);
        return;
    }
    T("ffn_gate_inp.weight", 2, 64, 8, 0);
    T("exp_probs_b.bias", 1, 8, 0, 0);
    if (o->fused_gate_up) {
        T("ffn_gate_up_exps.weight", 3, 64, 96, 8);
    } else {
        T("ffn_gate_exps.weight", 3, 64, 48, 8);
        T("ffn_up_exps.weight", 3, 64, 48, 8);
    }
    T("ffn_down_exps.weight", 3, 48, 64, 8);
    T("ffn_gate_shexp.weight", 2, 64, 48, 0);
    T("ffn_up_shexp.weight", 2, 64, 48, 0);
    T("ffn_down_shexp.weight", 2, 48, 64, 0);
#undef T
}

static inline void gb_mla_tensors(struct gb *b, const struct gb_mla *o)
{
    gb_mla_tensor(b, o, "token_embd.weight", 2, 64, 40, 0);
    for (unsigned layer = 0; layer < 3; layer++)
        gb_mla_layer(b, o, layer);
    gb_mla_tensor(b, o, "output_norm.weight", 1, 64, 0, 0);
    if (!o->no_output)
        gb_mla_tensor(b, o, "output.weight", 2, 64, 40, 0);
}

#endif
