/* synth.c - the plan of a synthetic model, and its values. */
#include "model/synth.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"

/* ---- values ---- */

/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
uint64_t seam_synth_mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t seam_synth_stream(uint64_t seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return seam_synth_mix64(seed ^ h);
}

/* One of a pair by Box and Muller. */
static float normal(uint64_t stream, uint64_t i)
{
    const uint64_t r = seam_synth_mix64(stream + i);
    const double u = ((double)(r >> 32) + 1) / 4294967297.0, v = (double)(r & 0xffffffffu);
    return (float)(sqrt(-2 * log(u)) * cos(v * (2 * 3.14159265358979323846 / 4294967296.0)));
}

void seam_synth_normals(float *v, size_t n, uint64_t seed, float std)
{
    const uint64_t stream = seam_synth_mix64(seed);
    for (size_t i = 0; i < n; i++)
        v[i] = std * normal(stream, i);
}

/* The "llama3" rope scaling of Llama 3.1: factor 8, low 1, high 4, original context 8192; as
 * llama.cpp's converter writes it. Value i is what frequency i is divided by. */
static float rope_factor(uint64_t i, uint64_t n, float base)
{
    const double two_pi = 2 * 3.14159265358979323846;
    const double wave = two_pi * pow((double)base, (double)i / (double)n);
    if (wave < 8192.0 / 4)
        return 1;
    if (wave > 8192.0)
        return 8;
    const double smooth = (8192.0 / wave - 1) / (4 - 1);
    return (float)(1 / ((1 - smooth) / 8 + smooth));
}

float seam_synth_value(const struct seam_synth_tensor *t, uint64_t seed, const char *name,
                       uint64_t i, uint64_t n)
{
    if (t->law == SEAM_LAW_ROPE)
        return rope_factor(i, n, t->rope_base);
    const float x = t->mean + t->std * normal(seam_synth_stream(seed, name), i);
    return t->law == SEAM_LAW_NEG_EXP ? -expf(x) : x;
}

/* Laws that are not "normal, std 1/sqrt(inputs)". Norms near 1; ssm_a and ssm_dt so that a state
 * forgets over tens to thousands of tokens, as trained ones do. */
static const struct {
    enum seam_role role;
    struct seam_synth_tensor law;
} laws[] = {
    {SEAM_ROLE_ATTN_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_ATTN_Q_A_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_ATTN_KV_A_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_ATTN_Q_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_ATTN_K_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_SSM_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_FFN_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_OUTPUT_NORM, {SEAM_LAW_NORMAL, 1, 0.1f, 0}},
    {SEAM_ROLE_ROUTER_BIAS, {SEAM_LAW_NORMAL, 0, 0.05f, 0}},
    {SEAM_ROLE_SSM_A, {SEAM_LAW_NEG_EXP, 0, 0.7f, 0}},
    {SEAM_ROLE_SSM_DT, {SEAM_LAW_NORMAL, -4, 1, 0}},
    {SEAM_ROLE_ROPE_FREQS, {SEAM_LAW_ROPE, 0, 0, 0}},
};

static struct seam_synth_tensor law_of(enum seam_role role, uint64_t n_in, bool tied,
                                       const struct seam_hparams *hp)
{
    struct seam_synth_tensor t = {SEAM_LAW_NORMAL, 0, 1 / sqrtf((float)n_in), hp->rope_base};
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        if (laws[i].role == role) {
            t = laws[i].law;
            t.rope_base = hp->rope_base;
        }
    }
    /* the residual begins with a row of it, beside which a layer's addition is of size 1; as a
     * head too it must not answer every token with itself */
    if (role == SEAM_ROLE_TOKEN_EMBD && !tied)
        t.std = 1;
    return t;
}

/* ---- keys ---- */

/* "61", "50000.0", "true", "yarn", "[11,11,10,0]" */
static void put_key(struct seam_gguf_out *w, const char *key, const char *v)
{
    char *end;
    if (*v == '[') {
        uint64_t n = 1;
        for (const char *p = v; *p; p++)
            n += *p == ',';
        seam_gguf_out_array(w, key, SEAM_META_I32, n);
        for (; n; n--, v = end)
            seam_gguf_out_elem_i32(w, (int32_t)strtol(v + 1, &end, 10));
    } else if (!strcmp(v, "true") || !strcmp(v, "false")) {
        seam_gguf_out_bool(w, key, *v == 't');
    } else if (!isdigit((unsigned char)*v)) {
        seam_gguf_out_str(w, key, v);
    } else if (strchr(v, '.')) {
        seam_gguf_out_f32(w, key, strtof(v, NULL));
    } else {
        seam_gguf_out_u32(w, key, (uint32_t)strtoul(v, NULL, 10));
    }
}

/* Every key=value of a card's text. */
static void put_card_keys(struct seam_gguf_out *w, const char *arch, const char *keys)
{
    char key[128], name[96], value[64];
    int n;
    for (; sscanf(keys, " %95[^=]=%63s%n", name, value, &n) == 2; keys += n) {
        snprintf(key, sizeof key, "%s.%s", arch, name);
        put_key(w, key, value);
    }
}

static seam_status put_overrides(struct seam_gguf_out *w, const char *arch,
                                 const struct seam_synth_opts *o, struct seam_err *err)
{
    const struct {
        const char *suffix;
        uint32_t v;
    } number[] = {
        {"block_count", o->n_layer},
        {"expert_count", o->n_expert},
        {"context_length", o->n_ctx},
    };
    char key[128];
    for (size_t i = 0; i < o->n_set; i++) {
        const char *eq = strchr(o->set[i], '=');
        if (!eq || eq == o->set[i] || !eq[1] || strlen(o->set[i]) > 90 || strpbrk(o->set[i], " \t"))
            return seam_fail(err, SEAM_EINVAL,
                             "--set '%s' is no KEY=VALUE (such as embedding_length=4096)",
                             o->set[i]);
        put_card_keys(w, arch, o->set[i]);
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, number[i].suffix);
        if (number[i].v)
            seam_gguf_out_u32(w, key, number[i].v);
    }
    return SEAM_OK;
}

/* The first value of a key wins, so what is special comes first. */
static seam_status put_keys(struct seam_gguf_out *w, const struct seam_synth_card *card,
                            const struct seam_synth_card *base, uint32_t n_vocab,
                            const struct seam_synth_opts *o, struct seam_err *err)
{
    char key[128];
    seam_gguf_out_str(w, "general.architecture", base->arch);
    seam_gguf_out_str(w, "general.type", "model");
    seam_gguf_out_str(w, "general.name", base->title);
    seam_gguf_out_str(w, "general.description", "Random weights, made by seam synth: says nothing");
    seam_gguf_out_u32(w, "general.file_type", seam_mix_file_type(o->mix));
    seam_gguf_out_u32(w, "general.quantization_version", 2);
    seam_status st = put_overrides(w, base->arch, o, err);
    if (st != SEAM_OK)
        return st;
    if (card != base)
        put_card_keys(w, base->arch, card->keys);
    put_card_keys(w, base->arch, base->keys);
    snprintf(key, sizeof key, "%s.vocab_size", base->arch);
    seam_gguf_out_u32(w, key, n_vocab);
    return SEAM_OK;
}

/* Let the architecture read what was written: the same checks as for any file. */
static seam_status read_back(const struct seam_gguf_out *w, const struct seam_arch *a,
                             struct seam_hparams *hp, struct seam_err *err)
{
    size_t len;
    struct seam_catalog *c;
    uint8_t *bytes = seam_gguf_out_keys(w, &len);
    if (!bytes)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the keys");
    seam_status st = seam_catalog_open_memory(&c, bytes, len, err);
    free(bytes);
    if (st != SEAM_OK)
        return st;
    st = a->hparams(hp, c, err);
    seam_catalog_close(c);
    if (st == SEAM_OK)
        return st;
    if (err)
        err->status = SEAM_EINVAL; /* not a bad file: a bad wish */
    return seam_wrap(err, SEAM_EINVAL, "with these overrides");
}

/* ---- tensors ---- */

struct plan {
    struct seam_gguf_out *w;
    const struct seam_synth_opts *o;
    const struct seam_arch *arch;
    struct seam_hparams hp;
    bool tied;
    struct seam_synth_tensor *law;
    size_t cap;
};

/* Of alternatives the split ones, as converters write them. */
static bool chosen(const struct plan *p, enum seam_role role)
{
    for (size_t i = 0; i < p->arch->n_alt; i++) {
        const struct seam_alternative *alt = &p->arch->alt[i];
        const bool joined = alt->joined == SEAM_ROLE_EXP_GATE_UP && p->o->fused;
        if (role == alt->joined)
            return joined;
        if (role == alt->split[0] || role == alt->split[1])
            return !joined;
    }
    return true;
}

static bool wants(const struct plan *p, const struct seam_role_row *row)
{
    if (row->role == SEAM_ROLE_OUTPUT)
        return !p->tied;
    if (row->role ==
        SEAM_ROLE_ROUTER_BIAS) /* DeepSeek-V3's way, which sigmoid routing stands for */
        return p->hp.gating == SEAM_GATING_SIGMOID;
    return row->need != SEAM_NEED_ALTERNATIVE || chosen(p, row->role);
}

static seam_status put_tensor(struct plan *p, const struct seam_role_row *row, uint32_t layer,
                              struct seam_err *err)
{
    char name[96];
    uint64_t ne[4];
    uint32_t n_dims = 0;
    for (; n_dims < 4 && row->ne[n_dims] != SEAM_DIM_NONE; n_dims++)
        ne[n_dims] = seam_dim_size(row->ne[n_dims], &p->hp);
    const size_t i = seam_gguf_out_tensor_count(p->w);
    if (i == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        void *more = realloc(p->law, p->cap * sizeof *p->law);
        if (!more)
            return seam_fail(err, SEAM_ENOMEM, "no memory for %zu tensors", p->cap);
        p->law = more;
    }
    p->law[i] = law_of(row->role, ne[0], p->tied, &p->hp);
    seam_arch_tensor_name(row, layer, name, sizeof name);
    const struct seam_type *type =
        row->f32 ? seam_type_by_id(0)
                 : seam_mix_type(p->o->mix, name, n_dims, ne, p->hp.n_layer, NULL);
    seam_gguf_out_tensor(p->w, name, type, n_dims, ne);
    return SEAM_OK;
}

/* Global tensors first, then layer by layer, as converters write them. */
static seam_status put_tensors(struct plan *p, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < p->arch->n_row; i++) {
        const struct seam_role_row *row = &p->arch->row[i];
        if ((seam_role_is_global(row->role) || row->shared) && wants(p, row))
            st = put_tensor(p, row, 0, err);
    }
    for (uint32_t layer = 0; st == SEAM_OK && layer < p->hp.n_layer; layer++) {
        struct seam_layer kind = {0};
        seam_arch_layer_kind(&p->hp, layer, &kind);
        for (size_t i = 0; st == SEAM_OK && i < p->arch->n_row; i++) {
            const struct seam_role_row *row = &p->arch->row[i];
            if (!seam_role_is_global(row->role) && !row->shared &&
                seam_arch_has_row(&p->hp, row, &kind) && wants(p, row))
                st = put_tensor(p, row, layer, err);
        }
    }
    return st;
}

seam_status seam_synth_plan(struct seam_gguf_out *w, const struct seam_synth_opts *o,
                            struct seam_synth_tensor **law, struct seam_err *err)
{
    *law = NULL;
    const struct seam_synth_card *card = seam_synth_card_find(o->like, err), *base = card;
    if (card && card->like)
        base = seam_synth_card_find(card->like, err);
    if (!base)
        return SEAM_EINVAL;
    struct plan p = {.w = w, .o = o, .tied = base->tied};
    const uint32_t n_vocab = o->n_vocab ? o->n_vocab : card->n_vocab;
    if (n_vocab < SEAM_SYNTH_VOCAB_MIN || n_vocab > 1u << 24)
        return seam_fail(err, SEAM_EINVAL, "a vocabulary of %" PRIu32 "; %u to %u will do", n_vocab,
                         SEAM_SYNTH_VOCAB_MIN, 1u << 24);
    p.arch = seam_arch_by_name(base->arch, strlen(base->arch));
    p.hp.n_vocab = n_vocab;
    seam_status st = put_keys(w, card, base, n_vocab, o, err);
    if (st == SEAM_OK)
        st = read_back(w, p.arch, &p.hp, err);
    if (st == SEAM_OK) {
        seam_synth_vocabulary(w, base->specials, n_vocab);
        st = put_tensors(&p, err);
    }
    if (st == SEAM_OK)
        *law = p.law;
    else
        free(p.law);
    return st;
}

seam_status seam_synth_hparams(const struct seam_gguf_out *w, const char *like,
                               struct seam_hparams *hp, struct seam_err *err)
{
    const struct seam_synth_card *card = seam_synth_card_find(like, err), *base = card;
    if (card && card->like)
        base = seam_synth_card_find(card->like, err);
    if (!base)
        return SEAM_EINVAL;
    *hp = (struct seam_hparams){.n_vocab = card->n_vocab};
    return read_back(w, seam_arch_by_name(base->arch, strlen(base->arch)), hp, err);
}
