/* model.c - from a catalogue to layers, driven by the rows of the architecture (arch.h). */
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"

struct seam_model {
    struct seam_catalog *catalog;
    const struct seam_arch *arch;
    struct seam_hparams hp;
    struct seam_layer *layer;
    const struct seam_tensor *global[SEAM_ROLE_COUNT]; /* per-layer roles stay NULL */
    char *name;
};

static const char *const role_names[SEAM_ROLE_COUNT] = {
    [SEAM_ROLE_ATTN_NORM] = "attn_norm",
    [SEAM_ROLE_ATTN_Q] = "attn_q",
    [SEAM_ROLE_ATTN_Q_A] = "attn_q_a",
    [SEAM_ROLE_ATTN_Q_A_NORM] = "attn_q_a_norm",
    [SEAM_ROLE_ATTN_Q_B] = "attn_q_b",
    [SEAM_ROLE_ATTN_KV_A] = "attn_kv_a",
    [SEAM_ROLE_ATTN_KV_A_NORM] = "attn_kv_a_norm",
    [SEAM_ROLE_ATTN_K_B] = "attn_k_b",
    [SEAM_ROLE_ATTN_V_B] = "attn_v_b",
    [SEAM_ROLE_ATTN_KV_B] = "attn_kv_b",
    [SEAM_ROLE_ATTN_K] = "attn_k",
    [SEAM_ROLE_ATTN_V] = "attn_v",
    [SEAM_ROLE_ATTN_Q_NORM] = "attn_q_norm",
    [SEAM_ROLE_ATTN_K_NORM] = "attn_k_norm",
    [SEAM_ROLE_ROPE_FREQS] = "rope_freqs",
    [SEAM_ROLE_ATTN_OUT] = "attn_out",
    [SEAM_ROLE_SSM_QKV] = "ssm_qkv",
    [SEAM_ROLE_SSM_GATE] = "ssm_gate",
    [SEAM_ROLE_SSM_CONV] = "ssm_conv",
    [SEAM_ROLE_SSM_DT] = "ssm_dt",
    [SEAM_ROLE_SSM_A] = "ssm_a",
    [SEAM_ROLE_SSM_ALPHA] = "ssm_alpha",
    [SEAM_ROLE_SSM_BETA] = "ssm_beta",
    [SEAM_ROLE_SSM_NORM] = "ssm_norm",
    [SEAM_ROLE_SSM_OUT] = "ssm_out",
    [SEAM_ROLE_FFN_NORM] = "ffn_norm",
    [SEAM_ROLE_FFN_GATE] = "ffn_gate",
    [SEAM_ROLE_FFN_UP] = "ffn_up",
    [SEAM_ROLE_FFN_DOWN] = "ffn_down",
    [SEAM_ROLE_ROUTER] = "router",
    [SEAM_ROLE_ROUTER_BIAS] = "router_bias",
    [SEAM_ROLE_EXP_GATE] = "exp_gate",
    [SEAM_ROLE_EXP_UP] = "exp_up",
    [SEAM_ROLE_EXP_GATE_UP] = "exp_gate_up",
    [SEAM_ROLE_EXP_DOWN] = "exp_down",
    [SEAM_ROLE_SHEXP_GATE] = "shexp_gate",
    [SEAM_ROLE_SHEXP_UP] = "shexp_up",
    [SEAM_ROLE_SHEXP_DOWN] = "shexp_down",
    [SEAM_ROLE_SHEXP_ROUTER] = "shexp_router",
    [SEAM_ROLE_TOKEN_EMBD] = "token_embd",
    [SEAM_ROLE_OUTPUT_NORM] = "output_norm",
    [SEAM_ROLE_OUTPUT] = "output",
};

const char *seam_role_name(enum seam_role role)
{
    return (unsigned)role < SEAM_ROLE_COUNT && role_names[role] ? role_names[role] : "unknown";
}

/* Every architecture splits a layer at the feed-forward norm. */
enum seam_part seam_role_part(enum seam_role role)
{
    return role < SEAM_ROLE_FFN_NORM ? SEAM_PART_ATTN : SEAM_PART_FFN;
}

/* ---- finding tensors ---- */

/* What the look-up gathers before it judges. */
struct lookup {
    const struct seam_model *m;
    struct seam_err *err;
    char first[96]; /* first missing tensor */
    size_t n_missing;
};

void seam_arch_tensor_name(const struct seam_role_row *row, uint32_t layer, char *buf, size_t len)
{
    if (seam_role_is_global(row->role) || row->shared)
        snprintf(buf, len, "%s", row->name);
    else
        snprintf(buf, len, "blk.%" PRIu32 ".%s", layer, row->name);
}

static void note_missing(struct lookup *l, const char *name)
{
    if (l->n_missing++ == 0)
        snprintf(l->first, sizeof l->first, "%s", name);
}

bool seam_arch_has_row(const struct seam_hparams *hp, const struct seam_role_row *row,
                       const struct seam_layer *l)
{
    switch (row->when) {
    case SEAM_WHEN_ALWAYS: return true;
    case SEAM_WHEN_Q_LORA: return hp->q_lora > 0;
    case SEAM_WHEN_NO_Q_LORA: return hp->q_lora == 0;
    case SEAM_WHEN_DENSE: return l->dense;
    case SEAM_WHEN_MOE: return !l->dense;
    case SEAM_WHEN_SHARED: return !l->dense && hp->n_ff_shexp > 0;
    case SEAM_WHEN_ATTENTION: return l->memory != SEAM_MEMORY_DELTA;
    case SEAM_WHEN_DELTA: return l->memory == SEAM_MEMORY_DELTA;
    }
    return false;
}

void seam_arch_layer_kind(const struct seam_hparams *hp, uint32_t layer, struct seam_layer *l)
{
    l->dense = layer < hp->n_dense;
    l->memory = hp->recurrent[layer] ? SEAM_MEMORY_DELTA : SEAM_MEMORY_GQA;
    if (hp->mla)
        l->memory = SEAM_MEMORY_MLA;
}

static void shape_text(const uint64_t *ne, uint32_t n, char *buf, size_t len)
{
    size_t at = 0;
    for (uint32_t d = 0; d < n && at < len; d++)
        at += (size_t)snprintf(buf + at, len - at, "%s%" PRIu64, d ? ", " : "[", ne[d]);
    if (at < len)
        snprintf(buf + at, len - at, "]");
}

static seam_status check_tensor(const struct lookup *l, const struct seam_role_row *row,
                                const struct seam_tensor *t)
{
    uint64_t want[4];
    uint32_t n = 0;
    bool same = true;
    for (uint32_t d = 0; d < 4; d++) {
        want[d] = seam_dim_size(row->ne[d], &l->m->hp);
        if (row->ne[d] == SEAM_DIM_VOCAB && want[d] == 0)
            want[d] = t->ne[d]; /* token_embd is missing: that is the story to tell */
        same = same && want[d] == t->ne[d];
        n += row->ne[d] != SEAM_DIM_NONE;
    }
    if (!same) {
        char is[100], should[100];
        shape_text(t->ne, t->n_dims, is, sizeof is);
        shape_text(want, n, should, sizeof should);
        return seam_fail(l->err, SEAM_EFORMAT, "tensor %s has the shape %s; by the keys it is %s",
                         t->name, is, should);
    }
    if (row->f32 && t->type->id != 0)
        return seam_fail(l->err, SEAM_EUNSUPPORTED,
                         "tensor %s has the type %s; Seam reads it as F32 only", t->name,
                         t->type->name);
    return SEAM_OK;
}

/* Find one row's tensor into *slot; absence is judged by the row's need. */
static seam_status find(struct lookup *l, const struct seam_role_row *row, uint32_t layer,
                        const struct seam_tensor **slot)
{
    char name[96];
    seam_arch_tensor_name(row, layer, name, sizeof name);
    *slot = seam_catalog_tensor(l->m->catalog, name);
    if (*slot)
        return check_tensor(l, row, *slot);
    if (row->need == SEAM_NEED_REQUIRED)
        note_missing(l, name);
    return SEAM_OK;
}

/* These enter the arithmetic otherwise than as W x; a scale or bias of theirs has no place. */
static bool is_matrix(enum seam_role role)
{
    return role != SEAM_ROLE_ATTN_K_B && role != SEAM_ROLE_ATTN_V_B &&
           role != SEAM_ROLE_ATTN_KV_B && role != SEAM_ROLE_SSM_CONV;
}

/* NAME.scale or NAME.bias beside NAME.weight, of n values. */
static seam_status find_beside(const struct lookup *l, const struct seam_tensor *t,
                               const char *suffix, uint64_t n, const struct seam_tensor **slot)
{
    char name[128];
    size_t stem = strlen(t->name);
    if (stem < 7 || strcmp(t->name + stem - 7, ".weight") != 0)
        return SEAM_OK;
    snprintf(name, sizeof name, "%.*s%s", (int)(stem - 7), t->name, suffix);
    const struct seam_tensor *found = seam_catalog_tensor(l->m->catalog, name);
    if (!found)
        return SEAM_OK;
    if (found->n_dims > 1 || found->ne[0] != n || found->type->id != 0)
        return seam_fail(l->err, SEAM_EUNSUPPORTED,
                         "tensor %s is not %" PRIu64 " values of type F32", name, n);
    *slot = found;
    return SEAM_OK;
}

static seam_status find_satellites(const struct lookup *l, struct seam_layer *layer,
                                   enum seam_role role)
{
    const struct seam_tensor *t = layer->role[role];
    if (!t || t->n_dims < 2 || !is_matrix(role))
        return SEAM_OK;
    seam_status st = find_beside(l, t, ".scale", t->ne[2], &layer->scale[role]);
    if (st == SEAM_OK && t->n_dims == 2)
        st = find_beside(l, t, ".bias", t->ne[1], &layer->bias[role]);
    return st;
}

/* Either the split tensors or the joined one: never both, for the engine must not wonder. */
static void settle(struct lookup *l, const struct seam_alternative *alt, uint32_t layer)
{
    const struct seam_arch *a = l->m->arch;
    const struct seam_tensor **role = l->m->layer[layer].role;
    if (!seam_arch_has_row(&l->m->hp, seam_arch_row(a, alt->joined), &l->m->layer[layer]))
        return;
    if (role[alt->split[0]] && role[alt->split[1]]) {
        role[alt->joined] = NULL;
        return;
    }
    if (role[alt->joined]) {
        role[alt->split[0]] = role[alt->split[1]] = NULL;
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        char name[96];
        seam_arch_tensor_name(seam_arch_row(a, alt->split[i]), layer, name, sizeof name);
        if (!role[alt->split[i]])
            note_missing(l, name);
    }
}

static seam_status find_all(struct seam_model *m, struct seam_err *err)
{
    struct lookup l = {.m = m, .err = err};
    const struct seam_arch *a = m->arch;
    seam_status st;
    for (uint32_t layer = 0; layer < m->hp.n_layer; layer++) {
        seam_arch_layer_kind(&m->hp, layer, &m->layer[layer]);
        for (size_t i = 0; i < a->n_row; i++) {
            const struct seam_role_row *row = &a->row[i];
            if (seam_role_is_global(row->role) || !seam_arch_has_row(&m->hp, row, &m->layer[layer]))
                continue;
            st = find(&l, row, layer, &m->layer[layer].role[row->role]);
            if (st == SEAM_OK)
                st = find_satellites(&l, &m->layer[layer], row->role);
            if (st != SEAM_OK)
                return st;
        }
        for (size_t i = 0; i < a->n_alt; i++)
            settle(&l, &a->alt[i], layer);
    }
    for (size_t i = 0; i < a->n_row; i++) {
        if (!seam_role_is_global(a->row[i].role))
            continue;
        st = find(&l, &a->row[i], 0, &m->global[a->row[i].role]);
        if (st != SEAM_OK)
            return st;
    }
    if (l.n_missing > 1)
        return seam_fail(err, SEAM_EFORMAT, "tensor %s is missing, and %zu more", l.first,
                         l.n_missing - 1);
    if (l.n_missing)
        return seam_fail(err, SEAM_EFORMAT, "tensor %s is missing", l.first);
    return SEAM_OK;
}

/* ---- tensors without a role ---- */

static bool layer_of(const char *name, uint64_t *layer)
{
    char *end;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return false;
    *layer = strtoull(name + 4, &end, 10);
    return *end == '.';
}

bool seam_model_uses(const struct seam_model *m, const struct seam_tensor *t)
{
    uint64_t first = 0, end = m->hp.n_layer;
    if (layer_of(t->name, &first)) {
        if (first >= m->hp.n_layer)
            return false;
        end = first + 1;
    }
    for (uint64_t layer = first; layer < end; layer++)
        for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++)
            if (m->layer[layer].role[role] == t || m->layer[layer].scale[role] == t ||
                m->layer[layer].bias[role] == t)
                return true;
    for (int role = SEAM_ROLE_LAYER_COUNT; role < SEAM_ROLE_COUNT; role++)
        if (m->global[role] == t)
            return true;
    return false;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && strcmp(s + n - k, tail) == 0;
}

/* A scale or bias that belongs into the arithmetic would be wrong to leave out in silence. (An
 * input_scale does not: it is a hint for quantising activations. Nor does what other heads use.) */
static seam_status check_unused(const struct seam_model *m, struct seam_err *err)
{
    for (size_t i = 0; i < seam_catalog_tensor_count(m->catalog); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(m->catalog, i);
        uint64_t layer;
        if ((!ends_with(t->name, ".scale") && !ends_with(t->name, ".bias")) ||
            strncmp(t->name, "cls.", 4) == 0)
            continue;
        if (layer_of(t->name, &layer) && layer >= m->hp.n_layer)
            continue;
        if (!seam_model_uses(m, t))
            return seam_fail(err, SEAM_EUNSUPPORTED,
                             "tensor %s would have to enter the arithmetic, and Seam has no place "
                             "for it: take another quantisation of this model",
                             t->name);
    }
    return SEAM_OK;
}

/* ---- opening ---- */

static seam_status find_arch(struct seam_model *m, struct seam_err *err)
{
    struct seam_str name;
    if (!seam_meta_str(seam_catalog_meta(m->catalog, "general.architecture"), &name))
        return seam_fail(err, SEAM_EFORMAT, "the key general.architecture is missing");
    m->arch = seam_arch_by_name(name.p, name.len);
    if (!m->arch)
        return seam_fail(err, SEAM_EUNSUPPORTED, "architecture '%.*s'; Seam runs %s",
                         (int)(name.len < 64 ? name.len : 64), name.p, seam_model_arch_list());
    return SEAM_OK;
}

static char *copy_name(const struct seam_catalog *c)
{
    struct seam_str s;
    if (seam_meta_str(seam_catalog_meta(c, "general.name"), &s) && s.len > 0 && s.len < 256 &&
        !memchr(s.p, 0, s.len))
        return strndup(s.p, s.len);
    const char *path = seam_catalog_shard_path(c, 0);
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    return strndup(base, ends_with(base, ".gguf") ? n - 5 : n);
}

static seam_status fill(struct seam_model *m, struct seam_err *err)
{
    seam_status st = find_arch(m, err);
    if (st != SEAM_OK)
        return st;
    const struct seam_tensor *embd = seam_catalog_tensor(m->catalog, "token_embd.weight");
    if (embd && embd->ne[1] > INT32_MAX)
        return seam_fail(err, SEAM_EFORMAT, "tensor %s has an absurd shape", embd->name);
    m->hp.n_vocab = embd ? (uint32_t)embd->ne[1] : 0;
    st = m->arch->hparams(&m->hp, m->catalog, err);
    if (st != SEAM_OK)
        return st;
    m->name = copy_name(m->catalog);
    m->layer = calloc(m->hp.n_layer, sizeof *m->layer);
    if (!m->name || !m->layer)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %" PRIu32 " layers", m->hp.n_layer);
    st = find_all(m, err);
    return st == SEAM_OK ? check_unused(m, err) : st;
}

seam_status seam_model_from_catalog(struct seam_model **out, struct seam_catalog *c,
                                    struct seam_err *err)
{
    *out = NULL;
    struct seam_model *m = calloc(1, sizeof *m);
    if (!m)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a model");
    m->catalog = c;
    seam_status st = fill(m, err);
    if (st != SEAM_OK) {
        m->catalog = NULL; /* the caller's again */
        seam_model_close(m);
        return seam_wrap(err, st, "%s", seam_catalog_shard_path(c, 0));
    }
    *out = m;
    return SEAM_OK;
}

seam_status seam_model_open(struct seam_model **out, const char *file, struct seam_err *err)
{
    struct seam_catalog *c;
    *out = NULL;
    seam_status st = seam_catalog_open(&c, file, err);
    if (st != SEAM_OK)
        return st;
    st = seam_model_from_catalog(out, c, err);
    if (st != SEAM_OK)
        seam_catalog_close(c);
    return st;
}

void seam_model_close(struct seam_model *m)
{
    if (!m)
        return;
    seam_catalog_close(m->catalog);
    free(m->layer);
    free(m->name);
    free(m);
}

/* ---- looking ---- */

const struct seam_catalog *seam_model_catalog(const struct seam_model *m)
{
    return m->catalog;
}

const struct seam_hparams *seam_model_hparams(const struct seam_model *m)
{
    return &m->hp;
}

const char *seam_model_arch(const struct seam_model *m)
{
    return m->arch->name;
}

const char *seam_model_name(const struct seam_model *m)
{
    return m->name;
}

const struct seam_layer *seam_model_layer(const struct seam_model *m, uint32_t layer)
{
    return &m->layer[layer];
}

const struct seam_tensor *seam_model_global(const struct seam_model *m, enum seam_role role)
{
    if (role == SEAM_ROLE_OUTPUT && !m->global[role])
        return m->global[SEAM_ROLE_TOKEN_EMBD];
    return m->global[role];
}

uint32_t seam_hparams_kv_values(const struct seam_hparams *hp, enum seam_memory memory)
{
    switch (memory) {
    case SEAM_MEMORY_MLA: return hp->kv_lora + hp->d_rope;
    case SEAM_MEMORY_GQA: return hp->n_head_kv * (hp->d_head + hp->d_v);
    case SEAM_MEMORY_DELTA: return 0;
    }
    return 0;
}

/* The last kernel - 1 inputs of the convolution, then one matrix per value head. */
uint32_t seam_hparams_state_values(const struct seam_hparams *hp, enum seam_memory memory)
{
    if (memory != SEAM_MEMORY_DELTA)
        return 0;
    return (hp->ssm_kernel - 1) * (2 * hp->ssm_heads_k * hp->ssm_state + hp->ssm_inner) +
           hp->ssm_inner * hp->ssm_state;
}

struct seam_activations seam_hparams_activations(const struct seam_hparams *hp, uint32_t n_ctx,
                                                 uint64_t value_bytes)
{
    return (struct seam_activations){
        .hidden = (uint64_t)n_ctx * hp->n_embd * sizeof(float),
        .k = hp->mla * (uint64_t)n_ctx * hp->n_head * hp->d_head * value_bytes,
        .v = hp->mla * (uint64_t)n_ctx * hp->n_head * hp->d_v * value_bytes,
        .k_b = hp->mla * (uint64_t)hp->n_head * hp->d_nope * hp->kv_lora * value_bytes,
    };
}

uint32_t seam_model_kv_values(const struct seam_model *m, uint32_t layer)
{
    return seam_hparams_kv_values(&m->hp, m->layer[layer].memory);
}

uint32_t seam_model_state_values(const struct seam_model *m, uint32_t layer)
{
    return seam_hparams_state_values(&m->hp, m->layer[layer].memory);
}

bool seam_model_recurrent(const struct seam_model *m)
{
    for (uint32_t layer = 0; layer < m->hp.n_layer; layer++)
        if (seam_model_state_values(m, layer))
            return true;
    return false;
}

static uint64_t bytes_beside(const struct seam_layer *l, int role)
{
    return (l->scale[role] ? l->scale[role]->n_bytes : 0) +
           (l->bias[role] ? l->bias[role]->n_bytes : 0);
}

uint64_t seam_model_part_bytes(const struct seam_model *m, uint32_t layer, enum seam_part part)
{
    uint64_t sum = 0;
    for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++) {
        const struct seam_tensor *t = m->layer[layer].role[role];
        if (t && seam_role_part((enum seam_role)role) == part)
            sum += t->n_bytes + bytes_beside(&m->layer[layer], role);
    }
    return sum;
}

static bool is_routed(int role)
{
    return role == SEAM_ROLE_EXP_GATE || role == SEAM_ROLE_EXP_UP ||
           role == SEAM_ROLE_EXP_GATE_UP || role == SEAM_ROLE_EXP_DOWN;
}

uint64_t seam_model_active_bytes(const struct seam_model *m)
{
    const struct seam_tensor *embd = m->global[SEAM_ROLE_TOKEN_EMBD];
    uint64_t sum = embd->n_bytes / embd->ne[1] + m->global[SEAM_ROLE_OUTPUT_NORM]->n_bytes +
                   seam_model_global(m, SEAM_ROLE_OUTPUT)->n_bytes;
    for (uint32_t layer = 0; layer < m->hp.n_layer; layer++) {
        for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++) {
            const struct seam_tensor *t = m->layer[layer].role[role];
            if (t)
                sum += is_routed(role) ? t->n_bytes / m->hp.n_expert * m->hp.n_expert_used
                                       : t->n_bytes;
        }
    }
    return sum;
}
