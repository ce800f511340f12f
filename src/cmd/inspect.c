/* inspect.c - `seam inspect FILE`: what a GGUF holds and what running it would take. A file that
 * Seam cannot run is still described as far as it can be read; the exit status then says why. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/size.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "model/chat.h"
#include "model/model.h"

#define TYPES_MAX   64u /* distinct tensor types counted */
#define IGNORED_MAX 5u  /* unused tensors named in the text */
#define KV_BYTES    2u  /* the cache holds f16 */

static const uint32_t contexts[] = {32768, 131072, 262144};
#define N_CONTEXT (sizeof contexts / sizeof *contexts)

struct type_sum {
    const struct seam_type *type;
    uint64_t tensors, values, bytes;
};

/* Everything both printers say. Pointers into the catalogue and model. */
struct facts {
    const char *file;
    const struct seam_catalog *catalog;
    const struct seam_model *model; /* NULL: cannot be run */
    struct seam_err model_err;
    struct seam_tokenizer *tokenizer; /* NULL: there is none that Seam knows */
    struct seam_err tokenizer_err;
    const struct seam_chat_format *chat;
    struct seam_err chat_err;
    struct seam_fingerprint fingerprint;
    struct type_sum type[TYPES_MAX];
    size_t n_type;
    uint64_t file_bytes, values;
};

static uint64_t values_of(const struct seam_tensor *t)
{
    return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
}

static int by_bytes(const void *a, const void *b)
{
    const struct type_sum *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void sum_types(struct facts *f)
{
    for (size_t i = 0; i < seam_catalog_tensor_count(f->catalog); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(f->catalog, i);
        size_t k = 0;
        while (k < f->n_type && f->type[k].type != t->type)
            k++;
        if (k == TYPES_MAX)
            continue;
        if (k == f->n_type)
            f->type[f->n_type++].type = t->type;
        f->type[k].tensors++;
        f->type[k].values += values_of(t);
        f->type[k].bytes += t->n_bytes;
        f->values += values_of(t);
    }
    qsort(f->type, f->n_type, sizeof *f->type, by_bytes);
    for (uint32_t s = 0; s < seam_catalog_shard_count(f->catalog); s++)
        f->file_bytes += seam_catalog_shard_bytes(f->catalog, s);
}

/* Values that take part in one token: as seam_model_active_bytes, in values. */
static uint64_t active_values(const struct seam_model *m)
{
    const struct seam_hparams *hp = seam_model_hparams(m);
    uint64_t sum = hp->n_embd + values_of(seam_model_global(m, SEAM_ROLE_OUTPUT_NORM)) +
                   values_of(seam_model_global(m, SEAM_ROLE_OUTPUT));
    for (uint32_t layer = 0; layer < hp->n_layer; layer++) {
        for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++) {
            const struct seam_tensor *t = seam_model_layer(m, layer)->role[role];
            bool routed = role >= SEAM_ROLE_EXP_GATE && role <= SEAM_ROLE_EXP_DOWN;
            if (t)
                sum += routed ? values_of(t) / hp->n_expert * hp->n_expert_used : values_of(t);
        }
    }
    return sum;
}

static uint64_t kv_bytes(const struct seam_model *m)
{
    uint64_t values = 0;
    for (uint32_t layer = 0; layer < seam_model_hparams(m)->n_layer; layer++)
        values += seam_model_kv_values(m, layer);
    return values * KV_BYTES;
}

static uint64_t state_bytes(const struct seam_model *m)
{
    uint64_t values = 0;
    for (uint32_t layer = 0; layer < seam_model_hparams(m)->n_layer; layer++)
        values += seam_model_state_values(m, layer);
    return values * sizeof(float);
}

static uint64_t global_bytes(const struct seam_model *m)
{
    uint64_t sum = 0;
    const struct seam_tensor *embd = seam_model_global(m, SEAM_ROLE_TOKEN_EMBD),
                             *out = seam_model_global(m, SEAM_ROLE_OUTPUT);
    sum += embd->n_bytes + seam_model_global(m, SEAM_ROLE_OUTPUT_NORM)->n_bytes;
    return out == embd ? sum : sum + out->n_bytes;
}

static void hex(const struct seam_fingerprint *f, char out[33])
{
    for (size_t i = 0; i < sizeof f->bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", f->bytes[i]);
}

/* "1.03 T", "31.7 G", "24.0 M": how people speak of parameters. */
static const char *count_text(uint64_t n, char *buf, size_t len)
{
    static const char *const unit[] = {"", " thousand", " M", " G", " T"};
    double v = (double)n;
    size_t u = 0;
    for (; v >= 999.5 && u + 1 < sizeof unit / sizeof *unit; u++)
        v /= 1000;
    snprintf(buf, len, "%.*f%s", u == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2, v, unit[u]);
    return buf;
}

/* ---- text: 100 columns ---- */

static const char *size_text(uint64_t bytes)
{
    static char ring[8][24]; /* several in one printf */
    static unsigned next;
    next = (next + 1) % 8;
    return seam_size_format(bytes, ring[next], sizeof ring[next]);
}

/* A file's text is not ours: control characters must not reach the terminal. */
static void print_clean(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        putchar((unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
}

static void print_types(const struct facts *f)
{
    printf("\n%-12s%8s  %10s  %10s  %14s\n", "weights", "tensors", "values", "bytes",
           "bits per value");
    for (size_t i = 0; i < f->n_type; i++) {
        char n[32];
        const struct type_sum *t = &f->type[i];
        printf("  %-10s%8" PRIu64 "  %10s  %10s  %14.2f\n", t->type->name, t->tensors,
               count_text(t->values, n, sizeof n), size_text(t->bytes),
               8.0 * (double)t->bytes / (double)t->values);
    }
}

static void print_catalog(const struct facts *f)
{
    struct seam_str s = {"unnamed", 7};
    char n[32], print[33];
    uint32_t shards = seam_catalog_shard_count(f->catalog);
    seam_meta_str(seam_catalog_meta(f->catalog, "general.name"), &s);
    print_clean(s.p, s.len < 60 ? s.len : 60);
    s = (struct seam_str){"none", 4};
    seam_meta_str(seam_catalog_meta(f->catalog, "general.architecture"), &s);
    printf(": ");
    print_clean(s.p, s.len < 40 ? s.len : 40);
    printf(", %s parameters in %zu tensors\n", count_text(f->values, n, sizeof n),
           seam_catalog_tensor_count(f->catalog));
    hex(&f->fingerprint, print);
    printf("%-12s%s", "file", seam_catalog_shard_path(f->catalog, 0));
    if (shards > 1)
        printf(" and %" PRIu32 " more shards", shards - 1);
    printf("\n%-12s%s, of which weights %s\n", "size", size_text(f->file_bytes),
           size_text(seam_catalog_weight_bytes(f->catalog)));
    printf("%-12s%s\n", "fingerprint", print);
}

static void print_attention(const struct seam_hparams *hp)
{
    printf("%-12s", "attention");
    if (hp->mla) {
        printf("%" PRIu32 " heads: key %" PRIu32 " + rope %" PRIu32 ", value %" PRIu32
               "; latent %" PRIu32 ", query rank ",
               hp->n_head, hp->d_nope, hp->d_rope, hp->d_v, hp->kv_lora);
        if (hp->q_lora)
            printf("%" PRIu32 "\n", hp->q_lora);
        else
            printf("full\n");
        return;
    }
    printf("%" PRIu32 " heads on %" PRIu32 " KV heads: key %" PRIu32 ", value %" PRIu32
           ", rope %" PRIu32 "\n",
           hp->n_head, hp->n_head_kv, hp->d_head, hp->d_v, hp->d_rope);
    if (hp->n_recurrent)
        printf("%-12sin %" PRIu32 " layers; DeltaNet in the other %" PRIu32 ": %" PRIu32
               " value heads on %" PRIu32 " key heads, state %" PRIu32 " x %" PRIu32 "\n",
               "", hp->n_layer - hp->n_recurrent, hp->n_recurrent, hp->ssm_heads_v, hp->ssm_heads_k,
               hp->ssm_state, hp->ssm_state);
}

static void print_shape(const struct seam_model *m)
{
    const struct seam_hparams *hp = seam_model_hparams(m);
    printf("\n%-12s%" PRIu32 " layers, hidden %" PRIu32 ", vocabulary %" PRIu32 ", context %" PRIu32
           "\n",
           "shape", hp->n_layer, hp->n_embd, hp->n_vocab, hp->n_ctx_train);
    print_attention(hp);
    printf("%-12sbase %g", "rope", (double)hp->rope_base);
    if (hp->rope_ext_factor > 0)
        printf(", YaRN x%g from %" PRIu32 ", beta %g to %g", 1 / (double)hp->rope_freq_scale,
               hp->n_ctx_orig, (double)hp->beta_fast, (double)hp->beta_slow);
    else if (hp->rope_freq_scale < 1)
        printf(", linear x%g", 1 / (double)hp->rope_freq_scale);
    printf("; attention scale %.6g\n", (double)hp->kq_scale);
    if (hp->n_dense)
        printf("%-12s%" PRIu32 " x %" PRIu32 "\n", "dense", hp->n_dense, hp->n_ff);
    if (hp->n_dense == hp->n_layer)
        return;
    printf("%-12s%" PRIu32 " x %" PRIu32 " of width %" PRIu32 ", %" PRIu32 " used, %" PRIu32
           " shared\n",
           "experts", hp->n_layer - hp->n_dense, hp->n_expert, hp->n_ff_exp, hp->n_expert_used,
           hp->n_expert_shared);
    printf("%-12s%s%s%s, x %g", "router", hp->gating == SEAM_GATING_SIGMOID ? "sigmoid" : "softmax",
           seam_model_layer(m, hp->n_dense)->role[SEAM_ROLE_ROUTER_BIAS] ? ", with bias" : "",
           hp->expert_norm ? ", weights normalised" : "", (double)hp->expert_scale);
    if (hp->n_group > 1)
        printf(", %" PRIu32 " of %" PRIu32 " groups", hp->n_group_used, hp->n_group);
    printf("\n");
}

static bool same_bytes(const struct seam_model *m, uint32_t a, uint32_t b)
{
    return seam_model_part_bytes(m, a, SEAM_PART_ATTN) ==
               seam_model_part_bytes(m, b, SEAM_PART_ATTN) &&
           seam_model_part_bytes(m, a, SEAM_PART_FFN) ==
               seam_model_part_bytes(m, b, SEAM_PART_FFN) &&
           seam_model_layer(m, a)->dense == seam_model_layer(m, b)->dense &&
           seam_model_layer(m, a)->memory == seam_model_layer(m, b)->memory;
}

/* Layers of one size share a line. */
static void print_layers(const struct seam_model *m)
{
    uint32_t n = seam_model_hparams(m)->n_layer;
    printf("\n%-12s%12s  %12s  %12s  %12s\n", "layers", "attention", "feed-forward", "each",
           "together");
    for (uint32_t a = 0, b; a < n; a = b) {
        char range[32];
        for (b = a + 1; b < n && same_bytes(m, a, b); b++)
            ;
        uint64_t attn = seam_model_part_bytes(m, a, SEAM_PART_ATTN),
                 ffn = seam_model_part_bytes(m, a, SEAM_PART_FFN);
        if (b - a > 1)
            snprintf(range, sizeof range, "%" PRIu32 "-%" PRIu32, a, b - 1);
        else
            snprintf(range, sizeof range, "%" PRIu32, a);
        printf("  %-10s%12s  %12s  %12s  %12s\n", range, size_text(attn), size_text(ffn),
               size_text(attn + ffn), size_text((b - a) * (attn + ffn)));
    }
    printf("  %-10s%54s\n", "the rest", size_text(global_bytes(m)));
}

static void print_costs(const struct seam_model *m)
{
    char n[32];
    printf("\n%-12sreads %s of weights (%s parameters) and adds %s of KV cache (f16)\n", "a token",
           size_text(seam_model_active_bytes(m)), count_text(active_values(m), n, sizeof n),
           size_text(kv_bytes(m)));
    printf("%-12s", "KV cache");
    for (size_t i = 0; i < N_CONTEXT; i++)
        printf("%s%s at %" PRIu32 "k", i ? ", " : "",
               size_text(kv_bytes(m) * contexts[i] + state_bytes(m)), contexts[i] / 1024);
    printf("\n");
}

static void print_ignored(const struct facts *f)
{
    uint64_t n = 0, bytes = 0;
    for (size_t i = 0; i < seam_catalog_tensor_count(f->catalog); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(f->catalog, i);
        if (seam_model_uses(f->model, t))
            continue;
        if (n < IGNORED_MAX) {
            printf("%-12s", n ? "" : "ignored");
            print_clean(t->name, strlen(t->name));
            printf(" (%s, %s)\n", t->type->name, size_text(t->n_bytes));
        }
        n++;
        bytes += t->n_bytes;
    }
    if (n > IGNORED_MAX)
        printf("%-12sand %" PRIu64 " more, together %s\n", "", n - IGNORED_MAX, size_text(bytes));
}

/* A story without the file's name before it, which the page has said already. */
static const char *tail_of(const struct facts *f, const struct seam_err *err)
{
    const char *path = seam_catalog_shard_path(f->catalog, 0);
    size_t n = strlen(path);
    return strncmp(err->text, path, n) == 0 && strncmp(err->text + n, ": ", 2) == 0
               ? err->text + n + 2
               : err->text;
}

static void print_tokenizer(const struct facts *f)
{
    struct seam_str pre = {"", 0};
    seam_meta_str(seam_catalog_meta(f->catalog, "tokenizer.ggml.pre"), &pre);
    printf("\n%-12s", "tokenizer");
    if (f->tokenizer) {
        printf("%" PRIu32 " tokens, ", seam_tokenizer_size(f->tokenizer));
        print_clean(pre.p, pre.len < 40 ? pre.len : 40);
        printf("\n%-12s%s\n", "chat", f->chat ? seam_chat_format_name(f->chat) : f->chat_err.text);
    } else {
        printf("%s\n", tail_of(f, &f->tokenizer_err));
    }
}

static void print_text(const struct facts *f)
{
    print_catalog(f);
    if (f->model)
        print_shape(f->model);
    print_types(f);
    if (f->model) {
        print_layers(f->model);
        print_costs(f->model);
        print_ignored(f);
    }
    print_tokenizer(f);
}

/* ---- JSON ---- */

static void add_str_n(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, struct seam_str s)
{
    yyjson_mut_obj_add_strncpy(d, o, key, s.p, s.len);
}

static void json_catalog(const struct facts *f, yyjson_mut_doc *d, yyjson_mut_val *root)
{
    struct seam_str s;
    char print[33];
    hex(&f->fingerprint, print);
    if (seam_meta_str(seam_catalog_meta(f->catalog, "general.name"), &s))
        add_str_n(d, root, "name", s);
    if (seam_meta_str(seam_catalog_meta(f->catalog, "general.architecture"), &s))
        add_str_n(d, root, "architecture", s);
    yyjson_mut_val *shards = yyjson_mut_obj_add_arr(d, root, "files");
    for (uint32_t i = 0; i < seam_catalog_shard_count(f->catalog); i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, shards);
        yyjson_mut_obj_add_str(d, o, "path", seam_catalog_shard_path(f->catalog, i));
        yyjson_mut_obj_add_uint(d, o, "bytes", seam_catalog_shard_bytes(f->catalog, i));
    }
    yyjson_mut_obj_add_strcpy(d, root, "fingerprint", print);
    yyjson_mut_obj_add_uint(d, root, "tensors", seam_catalog_tensor_count(f->catalog));
    yyjson_mut_obj_add_uint(d, root, "parameters", f->values);
    yyjson_mut_obj_add_uint(d, root, "weight_bytes", seam_catalog_weight_bytes(f->catalog));
    yyjson_mut_val *types = yyjson_mut_obj_add_obj(d, root, "types");
    for (size_t i = 0; i < f->n_type; i++) {
        yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, types, f->type[i].type->name);
        yyjson_mut_obj_add_uint(d, o, "tensors", f->type[i].tensors);
        yyjson_mut_obj_add_uint(d, o, "values", f->type[i].values);
        yyjson_mut_obj_add_uint(d, o, "bytes", f->type[i].bytes);
    }
}

static void json_shape(const struct seam_hparams *hp, yyjson_mut_doc *d, yyjson_mut_val *o)
{
    const struct {
        const char *key;
        uint32_t v;
    } u[] = {
        {"n_layer", hp->n_layer},
        {"n_dense", hp->n_dense},
        {"n_recurrent", hp->n_recurrent},
        {"n_embd", hp->n_embd},
        {"n_vocab", hp->n_vocab},
        {"n_ctx_train", hp->n_ctx_train},
        {"n_head", hp->n_head},
        {"n_head_kv", hp->n_head_kv},
        {"n_ff", hp->n_ff},
        {"q_lora", hp->q_lora},
        {"kv_lora", hp->kv_lora},
        {"d_head", hp->d_head},
        {"d_nope", hp->d_nope},
        {"d_rope", hp->d_rope},
        {"d_v", hp->d_v},
        {"n_ctx_orig", hp->n_ctx_orig},
        {"n_expert", hp->n_expert},
        {"n_expert_used", hp->n_expert_used},
        {"n_expert_shared", hp->n_expert_shared},
        {"n_ff_exp", hp->n_ff_exp},
        {"n_ff_shexp", hp->n_ff_shexp},
        {"ssm_kernel", hp->ssm_kernel},
        {"ssm_state", hp->ssm_state},
        {"ssm_heads_k", hp->ssm_heads_k},
        {"ssm_heads_v", hp->ssm_heads_v},
        {"n_group", hp->n_group},
        {"n_group_used", hp->n_group_used},
    };
    const struct {
        const char *key;
        float v;
    } r[] = {
        {"eps", hp->eps},
        {"kq_scale", hp->kq_scale},
        {"rope_base", hp->rope_base},
        {"rope_freq_scale", hp->rope_freq_scale},
        {"rope_ext_factor", hp->rope_ext_factor},
        {"rope_attn_factor", hp->rope_attn_factor},
        {"beta_fast", hp->beta_fast},
        {"beta_slow", hp->beta_slow},
        {"expert_scale", hp->expert_scale},
    };
    for (size_t i = 0; i < sizeof u / sizeof *u; i++)
        yyjson_mut_obj_add_uint(d, o, u[i].key, u[i].v);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++)
        yyjson_mut_obj_add_real(d, o, r[i].key, (double)r[i].v);
    yyjson_mut_obj_add_str(d, o, "gating",
                           hp->gating == SEAM_GATING_SIGMOID ? "sigmoid" : "softmax");
    yyjson_mut_obj_add_bool(d, o, "expert_norm", hp->expert_norm);
}

static void json_model(const struct facts *f, yyjson_mut_doc *d, yyjson_mut_val *root)
{
    const struct seam_model *m = f->model;
    json_shape(seam_model_hparams(m), d, yyjson_mut_obj_add_obj(d, root, "shape"));
    yyjson_mut_val *layers = yyjson_mut_obj_add_arr(d, root, "layers");
    for (uint32_t i = 0; i < seam_model_hparams(m)->n_layer; i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, layers);
        yyjson_mut_obj_add_bool(d, o, "dense", seam_model_layer(m, i)->dense);
        yyjson_mut_obj_add_uint(d, o, "attention_bytes",
                                seam_model_part_bytes(m, i, SEAM_PART_ATTN));
        yyjson_mut_obj_add_uint(d, o, "feed_forward_bytes",
                                seam_model_part_bytes(m, i, SEAM_PART_FFN));
    }
    yyjson_mut_obj_add_uint(d, root, "global_bytes", global_bytes(m));
    yyjson_mut_obj_add_uint(d, root, "active_bytes_per_token", seam_model_active_bytes(m));
    yyjson_mut_obj_add_uint(d, root, "active_parameters", active_values(m));
    yyjson_mut_obj_add_uint(d, root, "kv_bytes_per_token", kv_bytes(m));
    yyjson_mut_obj_add_uint(d, root, "state_bytes", state_bytes(m));
    yyjson_mut_val *kv = yyjson_mut_obj_add_obj(d, root, "kv_bytes");
    static const char *const keys[N_CONTEXT] = {"32768", "131072", "262144"};
    for (size_t i = 0; i < N_CONTEXT; i++)
        yyjson_mut_obj_add_uint(d, kv, keys[i], kv_bytes(m) * contexts[i] + state_bytes(m));
    yyjson_mut_val *ignored = yyjson_mut_obj_add_arr(d, root, "ignored");
    for (size_t i = 0; i < seam_catalog_tensor_count(f->catalog); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(f->catalog, i);
        if (!seam_model_uses(m, t))
            yyjson_mut_arr_add_str(d, ignored, t->name);
    }
}

static void json_tokenizer(const struct facts *f, yyjson_mut_doc *d, yyjson_mut_val *root)
{
    struct seam_str pre;
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "tokenizer");
    if (!f->tokenizer) {
        yyjson_mut_obj_add_str(d, o, "error", f->tokenizer_err.text);
        return;
    }
    yyjson_mut_obj_add_uint(d, o, "tokens", seam_tokenizer_size(f->tokenizer));
    if (seam_meta_str(seam_catalog_meta(f->catalog, "tokenizer.ggml.pre"), &pre))
        add_str_n(d, o, "pre", pre);
    if (f->chat)
        yyjson_mut_obj_add_str(d, root, "chat_format", seam_chat_format_name(f->chat));
    else
        yyjson_mut_obj_add_str(d, root, "chat_error", f->chat_err.text);
}

static seam_status print_json(const struct facts *f, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    json_catalog(f, d, root);
    yyjson_mut_obj_add_bool(d, root, "runnable", f->model != NULL);
    if (f->model)
        json_model(f, d, root);
    else
        yyjson_mut_obj_add_str(d, root, "error", f->model_err.text);
    json_tokenizer(f, d, root);
    /* names in a hostile file may be no UTF-8 */
    return seam_json_put(d, YYJSON_WRITE_ALLOW_INVALID_UNICODE, err);
}

/* ---- the command ---- */

struct opts {
    bool json;
};

static const struct seam_option options[] = {
    {.name = "json",
     .kind = SEAM_OPTION_FLAG,
     .offset = offsetof(struct opts, json),
     .help = "one JSON object on stdout instead of a page"},
    {0},
};

/* SEAM_OK, or why the file cannot be run, after it has been described. */
static seam_status describe(const char *file, bool json, struct seam_err *err)
{
    struct facts f = {.file = file};
    struct seam_catalog *c;
    struct seam_model *m = NULL;
    seam_status st = seam_catalog_open(&c, file, err);
    if (st != SEAM_OK)
        return st;
    f.catalog = c;
    sum_types(&f);
    st = seam_catalog_fingerprint(c, &f.fingerprint, err);
    if (st == SEAM_OK) {
        seam_model_from_catalog(&m, c, &f.model_err);
        f.model = m;
        if (seam_tokenizer_open(&f.tokenizer, c, &f.tokenizer_err) == SEAM_OK)
            seam_chat_format_find(&f.chat, f.tokenizer, &f.chat_err);
        if (json)
            st = print_json(&f, err);
        else
            print_text(&f);
        if (st == SEAM_OK && !m) {
            *err = f.model_err;
            st = f.model_err.status;
        }
        seam_tokenizer_close(f.tokenizer);
    }
    if (m)
        seam_model_close(m); /* and the catalogue with it */
    else
        seam_catalog_close(c);
    return st;
}

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct opts o = {0};
    struct seam_err err = {0};
    int n = 0;
    if (seam_option_parse(self, &o, argc, argv, &n, &err) != SEAM_OK ||
        describe(argv[0], o.json, &err) != SEAM_OK) {
        fflush(stdout); /* the page comes before the story */
        return seam_command_fail(self, &err);
    }
    return 0;
}

const struct seam_command seam_command_inspect = {
    .name = "inspect",
    .summary = "say what a GGUF holds and what running it takes",
    .operands = "FILE",
    .about =
        "Reads the header of a GGUF, or of all shards when FILE is one of a split, and prints its "
        "shape, its tensor types, the bytes of every layer, what one token costs to decode and to "
        "keep, its tokenizer and chat format, and the fingerprint by which nodes agree that they "
        "hold the same model. Weights are not read. A model that Seam cannot run is described as "
        "far as it can be read, and the exit status says why.",
    .examples = "  seam inspect models/thimble-q8_0.gguf\n"
                "  seam inspect Kimi-K2.6-UD-Q8_K_XL-00001-of-00014.gguf --json\n",
    .options = options,
    .run = run,
};
