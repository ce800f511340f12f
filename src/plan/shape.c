#include "plan/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/synth.h"

#define KV_VALUE 2.0 /* bytes: the cache holds f16 */

#define SMALL_DIM 32u /* narrower than any matrix that is multiplied by */

static void add_of(struct seam_shape_part *p, const struct seam_type *type, double values)
{
    uint32_t i = 0;
    while (i < p->n_of && p->of[i].type != type)
        i++;
    i = i < SEAM_SHAPE_TYPES ? i : SEAM_SHAPE_TYPES - 1;
    if (i == p->n_of) {
        p->n_of++;
        p->of[i].type = type;
    }
    p->of[i].values += values;
}

static void add(struct seam_shape_part *p, const struct seam_tensor *t)
{
    double values = (double)t->ne[0] * (double)t->ne[1] * (double)t->ne[2] * (double)t->ne[3];
    p->bytes += (double)t->n_bytes;
    p->values += values;
    if (t->ne[0] >= SMALL_DIM && t->ne[1] >= SMALL_DIM)
        add_of(p, t->type, values);
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static void take_tensor(struct seam_shape *s, const struct seam_tensor *t)
{
    if (!begins(t->name, "blk.")) {
        add(begins(t->name, "token_embd") ? &s->embed : &s->head, t);
        return;
    }
    char *name;
    unsigned long layer = strtoul(t->name + 4, &name, 10);
    if (layer >= s->hp.n_layer || *name != '.')
        return; /* a block for multi-token prediction */
    struct seam_shape_layer *l = &s->layer[layer];
    name++;
    if (strstr(name, "_exps."))
        add(&l->routed, t);
    else if (begins(name, "attn_") || begins(name, "ssm_"))
        add(&l->attn, t);
    else
        add(&l->ffn, t);
    if (begins(name, "attn_k_b.") || begins(name, "attn_v_b.") || begins(name, "attn_kv_b."))
        l->expand_values += (double)t->ne[0] * (double)t->ne[1] * (double)t->ne[2];
}

static seam_status begin(struct seam_shape **out, const struct seam_hparams *hp,
                         struct seam_err *err)
{
    struct seam_shape *s = calloc(1, sizeof *s);
    *out = s;
    if (s) {
        s->hp = *hp;
        s->layer = calloc(hp->n_layer, sizeof *s->layer);
    }
    if (!s || !s->layer)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a model's shape");
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        struct seam_shape_layer *l = &s->layer[i];
        l->memory = hp->recurrent[i] ? SEAM_MEMORY_DELTA
                    : hp->mla        ? SEAM_MEMORY_MLA
                                     : SEAM_MEMORY_GQA;
        l->kv_bytes = KV_VALUE * seam_hparams_kv_values(hp, l->memory);
        l->state_bytes = sizeof(float) * (double)seam_hparams_state_values(hp, l->memory);
    }
    return SEAM_OK;
}

static void finish(struct seam_shape *s, const struct seam_quantity *published)
{
    double routed = 0;
    s->tied = s->head.values < (double)s->hp.n_vocab; /* only the norm */
    s->computed = s->embed.bytes + s->head.bytes;
    for (uint32_t i = 0; i < s->hp.n_layer; i++) {
        s->computed += seam_shape_layer_bytes(&s->layer[i]);
        routed += s->layer[i].routed.bytes;
    }
    if (s->tied) {
        s->head.bytes += s->embed.bytes;
        s->head.values += s->embed.values;
        for (uint32_t i = 0; i < s->embed.n_of; i++)
            add_of(&s->head, s->embed.of[i].type, s->embed.of[i].values);
    }
    s->bytes = s->computed;
    if (!published || !(published->v[SEAM_CASE_MID] > 0) || !(routed > 0))
        return;
    /* A published mix is not known tensor by tensor: what differs is put on the experts. */
    s->bytes = published->v[SEAM_CASE_MID];
    s->source = published->source;
    for (uint32_t i = 0; i < s->hp.n_layer; i++)
        s->layer[i].routed.bytes *= 1 + (s->bytes - s->computed) / routed;
}

static seam_status from_file(struct seam_shape **out, const char *file, struct seam_err *err)
{
    struct seam_model *m;
    seam_status st = seam_model_open(&m, file, err);
    if (st != SEAM_OK)
        return st;
    st = begin(out, seam_model_hparams(m), err);
    const struct seam_catalog *c = seam_model_catalog(m);
    for (size_t i = 0; st == SEAM_OK && i < seam_catalog_tensor_count(c); i++)
        if (seam_model_uses(m, seam_catalog_tensor_at(c, i)))
            take_tensor(*out, seam_catalog_tensor_at(c, i));
    if (st == SEAM_OK)
        finish(*out, NULL);
    seam_model_close(m);
    return st;
}

static seam_status from_card(struct seam_shape **out, const char *like, const char *type,
                             const struct seam_quantity *bytes, struct seam_err *err)
{
    struct seam_synth_opts o = {.like = like};
    struct seam_synth_tensor *law = NULL;
    struct seam_hparams hp;
    seam_status st = seam_mix_find(&o.mix, type, err);
    if (st != SEAM_OK)
        return st;
    struct seam_gguf_out *w = seam_gguf_out_open();
    if (!w)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a model's shape");
    st = seam_synth_plan(w, &o, &law, err);
    free(law);
    if (st == SEAM_OK)
        st = seam_synth_hparams(w, like, &hp, err);
    if (st == SEAM_OK)
        st = begin(out, &hp, err);
    for (size_t i = 0; st == SEAM_OK && i < seam_gguf_out_tensor_count(w); i++)
        take_tensor(*out, seam_gguf_out_tensor_at(w, i));
    if (st == SEAM_OK)
        finish(*out, bytes);
    seam_gguf_out_close(w);
    return st;
}

static seam_status unknown(const struct seam_inventory *v, const char *name, struct seam_err *err)
{
    char list[600] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < v->n_model && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", v->model[i].name);
    return seam_fail(err, SEAM_ENOTFOUND,
                     "no model '%s'; there are %s, SHAPE:TYPE of `seam synth`, and any GGUF", name,
                     list);
}

seam_status seam_shape_open(struct seam_shape **out, const struct seam_inventory *v,
                            const char *name, struct seam_err *err)
{
    char like[64];
    const struct seam_plan_model *card = seam_inventory_model(v, name);
    const char *colon = strrchr(name, ':');
    seam_status st;
    *out = NULL;
    if (card && card->file)
        st = from_file(out, card->file, err);
    else if (card)
        st = from_card(out, card->shape, card->type, &card->bytes, err);
    else if (access(name, F_OK) == 0)
        st = from_file(out, name, err);
    else if (colon && colon != name && (size_t)(colon - name) < sizeof like) {
        snprintf(like, sizeof like, "%.*s", (int)(colon - name), name);
        st = from_card(out, like, colon + 1, NULL, err);
    } else
        return unknown(v, name, err);
    if (st == SEAM_OK)
        snprintf((*out)->name, sizeof(*out)->name, "%s", name);
    else {
        seam_shape_close(*out);
        *out = NULL;
    }
    return st;
}

void seam_shape_close(struct seam_shape *s)
{
    if (!s)
        return;
    free(s->layer);
    free(s);
}

double seam_shape_layer_bytes(const struct seam_shape_layer *l)
{
    return l->attn.bytes + l->ffn.bytes + l->routed.bytes;
}

double seam_shape_kv_bytes(const struct seam_shape *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->hp.n_layer; i++)
        sum += s->layer[i].kv_bytes;
    return sum;
}

double seam_shape_active_bytes(const struct seam_shape *s)
{
    double sum = s->head.bytes,
           share = s->hp.n_expert ? (double)s->hp.n_expert_used / s->hp.n_expert : 0;
    for (uint32_t i = 0; i < s->hp.n_layer; i++)
        sum += s->layer[i].attn.bytes + s->layer[i].ffn.bytes + s->layer[i].routed.bytes * share;
    return sum;
}
