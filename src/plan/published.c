#include "plan/published.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/yaml.h"

#define KV_BYTES 2.0 /* f16 */

/* ---- what YAML looks like ---- */

struct y_number {
    char *is, *from;
};
struct y_engine {
    char *name;
    enum seam_vendor vendor;
    uint32_t tile;
    bool absorbed;
    struct y_number *matmul, *attention;
};
struct y_shape {
    uint32_t layers, dense, hidden, vocab, heads;
    uint32_t q_lora, kv_lora, nope, rope, value;                /* MLA */
    uint32_t kv_heads, head, gated, window, window_every;       /* GQA */
    uint32_t full_every, delta_keys, delta_values, delta_width; /* DeltaNet between full layers */
    uint32_t ff, experts, used, expert_ff, shared_ff;
};
struct y_model {
    char *name, *from;
    struct y_shape shape;
};
struct y_row {
    bool decode;
    double tokens, after, rate;
    bool held;
};
struct y_series {
    char *source, *note, *machine, *engine, *model;
    double chunk, expert_bits, other_bits;
    struct y_row *rows;
    uint32_t n_row;
};
struct y_left {
    char *what, *source, *why;
    uint32_t rule;
};
struct y_file {
    struct y_engine *engines;
    uint32_t n_engine;
    struct y_model *models;
    uint32_t n_model;
    char **knobs;
    uint32_t n_knob;
    struct y_series *series;
    uint32_t n_series;
    struct y_left *left;
    uint32_t n_left;
};

#define NEED CYAML_FLAG_POINTER
#define OPT  CYAML_FLAG_OPTIONAL

static const cyaml_strval_t forms[] = {{"expanded", false}, {"absorbed", true}};
static const cyaml_strval_t kinds[] = {{"prefill", false}, {"decode", true}};
static const cyaml_strval_t halves[] = {{"fit", false}, {"held", true}};

static const cyaml_schema_field_t number_fields[] =
    {CYAML_FIELD_STRING_PTR("is", NEED, struct y_number, is, 1, 60),
     CYAML_FIELD_STRING_PTR("from", NEED, struct y_number, from, 1, 400), CYAML_FIELD_END};
static const cyaml_schema_field_t engine_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_engine, name, 1, 20),
     CYAML_FIELD_ENUM("vendor", CYAML_FLAG_STRICT, struct y_engine, vendor, seam_yaml_vendors,
                      SEAM_YAML_VENDORS),
     CYAML_FIELD_UINT("tile", CYAML_FLAG_DEFAULT, struct y_engine, tile),
     CYAML_FIELD_ENUM("mla", CYAML_FLAG_STRICT, struct y_engine, absorbed, forms, 2),
     CYAML_FIELD_MAPPING_PTR("matmul", NEED, struct y_engine, matmul, number_fields),
     CYAML_FIELD_MAPPING_PTR("attention", NEED, struct y_engine, attention, number_fields),
     CYAML_FIELD_END};
#define SIZE(key, flag) CYAML_FIELD_UINT(#key, flag, struct y_shape, key)
static const cyaml_schema_field_t shape_fields[] = {SIZE(layers, CYAML_FLAG_DEFAULT),
                                                    SIZE(dense, OPT),
                                                    SIZE(hidden, CYAML_FLAG_DEFAULT),
                                                    SIZE(vocab, CYAML_FLAG_DEFAULT),
                                                    SIZE(q_lora, OPT),
                                                    SIZE(heads, CYAML_FLAG_DEFAULT),
                                                    SIZE(kv_lora, OPT),
                                                    SIZE(nope, OPT),
                                                    SIZE(rope, OPT),
                                                    SIZE(value, OPT),
                                                    SIZE(kv_heads, OPT),
                                                    SIZE(head, OPT),
                                                    SIZE(gated, OPT),
                                                    SIZE(window, OPT),
                                                    SIZE(window_every, OPT),
                                                    SIZE(full_every, OPT),
                                                    SIZE(delta_keys, OPT),
                                                    SIZE(delta_values, OPT),
                                                    SIZE(delta_width, OPT),
                                                    SIZE(ff, OPT),
                                                    SIZE(experts, OPT),
                                                    SIZE(used, OPT),
                                                    SIZE(expert_ff, OPT),
                                                    SIZE(shared_ff, OPT),
                                                    CYAML_FIELD_END};
static const cyaml_schema_field_t model_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_model, name, 1, 60),
     CYAML_FIELD_STRING_PTR("from", NEED, struct y_model, from, 1, 300),
     CYAML_FIELD_MAPPING("shape", CYAML_FLAG_DEFAULT, struct y_model, shape, shape_fields),
     CYAML_FIELD_END};
static const cyaml_schema_field_t row_fields[] =
    {CYAML_FIELD_ENUM("what", CYAML_FLAG_STRICT, struct y_row, decode, kinds, 2),
     CYAML_FIELD_FLOAT("tokens", CYAML_FLAG_DEFAULT, struct y_row, tokens),
     CYAML_FIELD_FLOAT("after", CYAML_FLAG_DEFAULT, struct y_row, after),
     CYAML_FIELD_FLOAT("rate", CYAML_FLAG_DEFAULT, struct y_row, rate),
     CYAML_FIELD_ENUM("half", CYAML_FLAG_STRICT, struct y_row, held, halves, 2),
     CYAML_FIELD_END};
static const cyaml_schema_value_t row_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_row, row_fields)};
static const cyaml_schema_field_t series_fields[] =
    {CYAML_FIELD_STRING_PTR("source", NEED, struct y_series, source, 1, 200),
     CYAML_FIELD_STRING_PTR("note", NEED, struct y_series, note, 0, 400),
     CYAML_FIELD_STRING_PTR("machine", NEED, struct y_series, machine, 1, 40),
     CYAML_FIELD_STRING_PTR("engine", NEED, struct y_series, engine, 1, 20),
     CYAML_FIELD_STRING_PTR("model", NEED, struct y_series, model, 1, 60),
     CYAML_FIELD_FLOAT("chunk", CYAML_FLAG_DEFAULT, struct y_series, chunk),
     CYAML_FIELD_FLOAT("expert_bits", CYAML_FLAG_DEFAULT, struct y_series, expert_bits),
     CYAML_FIELD_FLOAT("other_bits", CYAML_FLAG_DEFAULT, struct y_series, other_bits),
     CYAML_FIELD_SEQUENCE_COUNT("rows", NEED, struct y_series, rows, n_row, &row_value, 1, 100),
     CYAML_FIELD_END};
static const cyaml_schema_field_t left_fields[] =
    {CYAML_FIELD_STRING_PTR("what", NEED, struct y_left, what, 1, 300),
     CYAML_FIELD_STRING_PTR("source", NEED, struct y_left, source, 1, 200),
     CYAML_FIELD_UINT("rule", CYAML_FLAG_DEFAULT, struct y_left, rule),
     CYAML_FIELD_STRING_PTR("why", NEED, struct y_left, why, 1, 300), CYAML_FIELD_END};

static const cyaml_schema_value_t engine_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_engine, engine_fields)};
static const cyaml_schema_value_t model_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_model, model_fields)};
static const cyaml_schema_value_t knob_value = {CYAML_VALUE_STRING(NEED, char, 1, 60)};
static const cyaml_schema_value_t series_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_series, series_fields)};
static const cyaml_schema_value_t left_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_left, left_fields)};
#define LIST(key, member, count_, value, most) \
    CYAML_FIELD_SEQUENCE_COUNT(key, NEED | OPT, struct y_file, member, count_, value, 0, most)
static const cyaml_schema_field_t file_fields[] =
    {LIST("engines", engines, n_engine, &engine_value, 20),
     LIST("models", models, n_model, &model_value, 100),
     LIST("knobs", knobs, n_knob, &knob_value, 100),
     LIST("series", series, n_series, &series_value, 200),
     LIST("left_out", left, n_left, &left_value, 200),
     CYAML_FIELD_END};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(NEED, struct y_file, file_fields)};

/* ---- shapes ---- */

static struct seam_shape_part part(double values, double bits)
{
    return (struct seam_shape_part){.values = values, .bytes = values * bits / 8};
}

static void mla_layer(struct seam_shape_layer *l, const struct y_shape *y, double bits)
{
    const double heads = y->heads, expand = heads * y->kv_lora * (y->nope + y->value);
    const double q = heads * (y->nope + y->rope);
    l->memory = SEAM_MEMORY_MLA;
    l->attn =
        part((double)y->hidden * y->q_lora + y->q_lora * q +
                 (double)y->hidden * (y->kv_lora + y->rope) + expand + heads * y->value * y->hidden,
             bits);
    l->expand_values = expand;
}

static void gqa_layer(struct seam_shape_layer *l, const struct y_shape *y, uint32_t i, double bits)
{
    const double q = (double)y->heads * y->head, kv = (double)y->kv_heads * y->head;
    l->memory = SEAM_MEMORY_GQA;
    l->attn = part(y->hidden * (q * (2 + (y->gated > 0)) + 2 * kv), bits);
    l->window = y->window_every && i % y->window_every == 0 ? y->window : 0;
}

static void delta_layer(struct seam_shape_layer *l, const struct y_shape *y, double bits)
{
    const double key = (double)y->delta_keys * y->delta_width,
                 value = (double)y->delta_values * y->delta_width;
    l->memory = SEAM_MEMORY_DELTA;
    l->attn = part(y->hidden * (2 * key + 3 * value), bits);
}

static void take_hparams(struct seam_hparams *hp, const struct y_shape *y)
{
    hp->n_layer = y->layers;
    hp->n_dense = y->dense;
    hp->n_embd = y->hidden;
    hp->n_vocab = y->vocab;
    hp->n_head = y->heads;
    hp->n_ff = y->ff;
    hp->mla = y->kv_lora > 0;
    hp->d_head = hp->mla ? y->nope + y->rope : y->head;
    hp->d_v = hp->mla ? y->value : y->head;
    hp->d_rope = y->rope;
    hp->d_nope = y->nope;
    hp->q_lora = y->q_lora;
    hp->kv_lora = y->kv_lora;
    hp->n_head_kv = y->kv_heads;
    hp->ssm_kernel = 4;
    hp->ssm_state = y->delta_width;
    hp->ssm_heads_k = y->delta_keys;
    hp->ssm_heads_v = y->delta_values;
    hp->ssm_inner = y->delta_values * y->delta_width;
    hp->n_expert = y->experts;
    hp->n_expert_used = y->used;
    hp->n_ff_exp = y->expert_ff;
    hp->n_ff_shexp = y->shared_ff;
}

static void take_layer(struct seam_shape *s, const struct y_shape *y, uint32_t i,
                       const struct y_series *q)
{
    struct seam_shape_layer *l = &s->layer[i];
    const double hidden = y->hidden;
    bool dense = i < y->dense || !y->experts;
    if (s->hp.mla)
        mla_layer(l, y, q->other_bits);
    else if (y->full_every && (i + 1) % y->full_every)
        delta_layer(l, y, q->other_bits);
    else
        gqa_layer(l, y, i, q->other_bits);
    l->ffn = part(3 * hidden * (dense ? y->ff : y->shared_ff) + (dense ? 0 : hidden * y->experts),
                  q->other_bits);
    if (!dense)
        l->routed = part(3 * hidden * y->expert_ff * y->experts, q->expert_bits);
    l->kv_bytes = KV_BYTES * seam_hparams_kv_values(&s->hp, l->memory);
    l->state_bytes = sizeof(float) * (double)seam_hparams_state_values(&s->hp, l->memory);
    s->bytes += seam_shape_layer_bytes(l);
}

/* The sizes of one series: the model's, with its types. */
static bool make_shape(struct seam_shape *s, const struct y_model *m, const struct y_series *q)
{
    const struct y_shape *y = &m->shape;
    take_hparams(&s->hp, y);
    snprintf(s->name, sizeof s->name, "%s", m->name);
    s->layer = calloc(y->layers, sizeof *s->layer);
    if (!s->layer)
        return false;
    for (uint32_t i = 0; i < y->layers; i++)
        take_layer(s, y, i, q);
    s->head = s->embed = part((double)y->hidden * y->vocab, q->other_bits);
    s->bytes += 2 * s->head.bytes;
    s->computed = s->bytes;
    return true;
}

/* ---- the file ---- */

struct own {
    struct y_file *y;
    struct seam_shape *shape; /* one per series */
    size_t n_shape;
    char name[300];
};

#define COUNT_MAX (1u << 20) /* of anything counted in a model: products stay exact */

static bool sizes_make_sense(const struct y_shape *y)
{
    const uint32_t all[] = {y->hidden,    y->vocab,      y->heads,        y->q_lora,
                            y->kv_lora,   y->nope,       y->rope,         y->value,
                            y->kv_heads,  y->head,       y->window,       y->ff,
                            y->experts,   y->delta_keys, y->delta_values, y->delta_width,
                            y->expert_ff, y->shared_ff};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] > COUNT_MAX)
            return false;
    bool attention = y->kv_lora ? y->q_lora && y->nope && y->value : y->kv_heads && y->head;
    bool delta = !y->full_every || (y->delta_keys && y->delta_values && y->delta_width);
    bool experts = !y->experts || (y->used && y->used <= y->experts && y->expert_ff);
    bool dense = (y->experts && !y->dense) || y->ff;
    return y->layers && y->layers <= SEAM_MODEL_MAX_LAYERS && y->hidden && y->vocab && y->heads &&
           attention && delta && experts && dense;
}

static bool within(double x, double least, double most)
{
    return x >= least && x <= most; /* false for what is no number */
}

static seam_status check_rows(const struct own *o, const struct y_series *q, struct seam_err *err)
{
    if (!within(q->chunk, 1, 1e9) || !within(q->expert_bits, 0.1, 64) ||
        !within(q->other_bits, 0.1, 64))
        return seam_fail(err, SEAM_EINVAL, "%s: series of %s: no such chunk, or no such bits",
                         o->name, q->source);
    for (uint32_t i = 0; i < q->n_row; i++)
        if (!within(q->rows[i].tokens, 1, 1e9) || !within(q->rows[i].after, 0, 1e9) ||
            !within(q->rows[i].rate, 1e-6, 1e9))
            return seam_fail(err, SEAM_EINVAL, "%s: series of %s: no such length or rate", o->name,
                             q->source);
    return SEAM_OK;
}

static seam_status take_series(struct seam_published *p, struct own *o, const struct y_series *q,
                               struct seam_err *err)
{
    const struct y_model *m = NULL;
    bool engine = false;
    for (uint32_t i = 0; i < o->y->n_model; i++)
        if (!strcmp(o->y->models[i].name, q->model))
            m = &o->y->models[i];
    for (size_t i = 0; i < p->n_engine; i++)
        engine = engine || !strcmp(p->engine[i].name, q->engine);
    if (!m || !engine)
        return seam_fail(err, SEAM_EINVAL, "%s: series of %s: no %s '%s' in this file", o->name,
                         q->source, m ? "engine" : "model", m ? q->engine : q->model);
    if (!sizes_make_sense(&m->shape))
        return seam_fail(err, SEAM_EINVAL, "%s: model %s: these sizes make no model", o->name,
                         m->name);
    seam_status st = check_rows(o, q, err);
    if (st != SEAM_OK)
        return st;
    struct seam_shape *s = &o->shape[o->n_shape++];
    if (!make_shape(s, m, q))
        return seam_fail(err, SEAM_ENOMEM, "no memory for a model's shape");
    for (uint32_t i = 0; i < q->n_row; i++)
        p->row[p->n_row++] = (struct seam_measured){.source = q->source,
                                                    .machine = q->machine,
                                                    .engine = q->engine,
                                                    .shape = s,
                                                    .decode = q->rows[i].decode,
                                                    .held = q->rows[i].held,
                                                    .tokens = q->rows[i].tokens,
                                                    .after = q->rows[i].after,
                                                    .chunk = q->chunk,
                                                    .rate = q->rows[i].rate};
    return SEAM_OK;
}

static seam_status take_engine(struct seam_published *p, const struct own *o,
                               const struct y_engine *y, struct seam_err *err)
{
    struct seam_plan_engine *e = &p->engine[p->n_engine++];
    *e = (struct seam_plan_engine){.name = y->name,
                                   .vendor = y->vendor,
                                   .tile = y->tile ? y->tile : 1,
                                   .absorbed = y->absorbed};
    seam_status st = seam_quantity_parse(y->matmul->is, SEAM_UNIT_SHARE, &e->matmul, err);
    if (st == SEAM_OK)
        st = seam_quantity_parse(y->attention->is, SEAM_UNIT_SHARE, &e->attention, err);
    const double shares[] = {e->matmul.v[0], e->matmul.v[2], e->attention.v[0], e->attention.v[2]};
    for (int i = 0; st == SEAM_OK && i < 4; i++)
        if (!within(shares[i], 0.001, 100))
            st = seam_fail(err, SEAM_EINVAL, "no such share (0.1 to 10,000 per cent)");
    e->matmul.source = y->matmul->from;
    e->attention.source = y->attention->from;
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s: engine %s", o->name, y->name);
}

static seam_status take(struct seam_published *p, struct own *o, struct seam_err *err)
{
    const struct y_file *y = o->y;
    size_t rows = 0;
    for (uint32_t i = 0; i < y->n_series; i++)
        rows += y->series[i].n_row;
    p->engine = calloc(y->n_engine + 1, sizeof *p->engine);
    p->row = calloc(rows + 1, sizeof *p->row);
    o->shape = calloc(y->n_series + 1, sizeof *o->shape);
    p->knob = (const char *const *)y->knobs;
    p->n_knob = y->n_knob;
    if (!p->engine || !p->row || !o->shape)
        return seam_fail(err, SEAM_ENOMEM, "no memory for published measurements");
    seam_status st = SEAM_OK;
    for (uint32_t i = 0; st == SEAM_OK && i < y->n_engine; i++)
        st = take_engine(p, o, &y->engines[i], err);
    for (uint32_t i = 0; st == SEAM_OK && i < y->n_series; i++)
        st = take_series(p, o, &y->series[i], err);
    return st;
}

static seam_status load(struct own *o, const char *text, size_t len, struct seam_err *err)
{
    struct seam_yaml_fault fault;
    if (seam_yaml_load(&file_schema, (cyaml_data_t **)&o->y, text, len, &fault))
        return SEAM_OK;
    return seam_fail(err, SEAM_EFORMAT, "%s:%u: %s", o->name, fault.line, fault.cause);
}

seam_status seam_published_read(struct seam_published **out, const char *name, const char *text,
                                size_t len, struct seam_err *err)
{
    *out = NULL;
    struct seam_published *p = calloc(1, sizeof *p);
    struct own *o = calloc(1, sizeof *o);
    if (!p || !o) {
        free(p);
        free(o);
        return seam_fail(err, SEAM_ENOMEM, "no memory for published measurements");
    }
    p->own = o;
    snprintf(o->name, sizeof o->name, "%s", name);
    seam_status st = load(o, text, len, err);
    if (st == SEAM_OK)
        st = take(p, o, err);
    if (st == SEAM_OK)
        *out = p;
    else
        seam_published_close(p);
    return st;
}

seam_status seam_published_open(struct seam_published **out, const char *file, struct seam_err *err)
{
    char *text;
    size_t n;
    *out = NULL;
    seam_status st = seam_yaml_read(file, "list of measurements", &text, &n, err);
    if (st == SEAM_OK)
        st = seam_published_read(out, file, text, n, err);
    free(text);
    return st;
}

void seam_published_close(struct seam_published *p)
{
    if (!p)
        return;
    struct own *o = p->own;
    for (size_t i = 0; i < o->n_shape; i++)
        free(o->shape[i].layer);
    seam_yaml_free(&file_schema, o->y);
    free(o->shape);
    free(p->engine);
    free(p->row);
    free(o);
    free(p);
}
