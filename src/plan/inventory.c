#include "plan/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/marks.h"
#include "plan/yaml.h"

static const struct seam_rate_row rate_rows[] = {
#define X(id, key, unit, least, most, needed) {#key, unit, least, most, needed},
    SEAM_RATE_MAP(X)
#undef X
};

const struct seam_rate_row *seam_rate_row(enum seam_rate r)
{
    return &rate_rows[r];
}

static const struct seam_rate_row point_rows[] = {
#define X(id, key, unit, least, most) {#key, unit, least, most, false},
    SEAM_POINT_MAP(X)
#undef X
};

const struct seam_rate_row *seam_point_row(enum seam_point p)
{
    return &point_rows[p];
}

static const cyaml_strval_t points[] = {
#define X(id, key, unit, least, most) {#key, SEAM_POINT_##id},
    SEAM_POINT_MAP(X)
#undef X
};

const cyaml_strval_t seam_yaml_vendors[SEAM_YAML_VENDORS] = {{"apple", SEAM_VENDOR_APPLE},
                                                             {"nvidia", SEAM_VENDOR_NVIDIA},
                                                             {"other", SEAM_VENDOR_OTHER}};

const char *seam_vendor_name(enum seam_vendor v)
{
    return seam_yaml_vendors[v].str;
}

/* ---- what YAML looks like ---- */

struct y_number {
    char *is, *from;
};
struct y_rates {
    struct y_number *v[SEAM_RATE_COUNT];
};
struct y_point {
    enum seam_point of;
    char *type;
    uint32_t at;
    struct y_number number;
};
struct y_machine {
    char *name, *title;
    enum seam_vendor vendor;
    struct y_rates rates;
    struct y_point *measured;
    uint32_t n_measured;
};
struct y_node {
    char *name, *machine;
    struct y_rates rates;
};
struct y_kind {
    char *name;
    struct y_number *rate, *latency;
};
struct y_link {
    char **between;
    uint32_t between_count;
    char *cable;
};
struct y_model {
    char *name, *shape, *type, *file;
    struct y_number *bytes;
};
struct y_file {
    struct y_machine *machines;
    uint32_t n_machine;
    struct y_kind *cables;
    uint32_t n_kind;
    struct y_model *models;
    uint32_t n_model;
    struct y_node *nodes;
    uint32_t n_node;
    struct y_link *links;
    uint32_t n_link;
};

#define NEED (CYAML_FLAG_POINTER)
#define MAY  (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t number_fields[] =
    {CYAML_FIELD_STRING_PTR("is", NEED, struct y_number, is, 1, 100),
     CYAML_FIELD_STRING_PTR("from", MAY, struct y_number, from, 0, 400), CYAML_FIELD_END};

#define RATE_FIELD(id, key_, unit, least, most, needed)                         \
    {                                                                           \
        .key = #key_,                                                           \
        .data_offset = offsetof(RATE_IN, rates) + offsetof(struct y_rates, v) + \
                       SEAM_RATE_##id * sizeof(struct y_number *),              \
        .value = {CYAML_VALUE_MAPPING(MAY, struct y_number, number_fields)},    \
    },
static const cyaml_schema_field_t point_fields[] =
    {CYAML_FIELD_ENUM("of", CYAML_FLAG_STRICT, struct y_point, of, points, CYAML_ARRAY_LEN(points)),
     CYAML_FIELD_STRING_PTR("type", MAY, struct y_point, type, 1, 20),
     CYAML_FIELD_UINT("at", CYAML_FLAG_DEFAULT, struct y_point, at),
     CYAML_FIELD_STRING_PTR("is", NEED, struct y_point, number.is, 1, 100),
     CYAML_FIELD_STRING_PTR("from", MAY, struct y_point, number.from, 0, 400),
     CYAML_FIELD_END};
static const cyaml_schema_value_t point_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_point, point_fields)};
static const cyaml_schema_field_t machine_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_machine, name, 1, 40),
     CYAML_FIELD_STRING_PTR("title", MAY, struct y_machine, title, 0, 80),
     CYAML_FIELD_ENUM("vendor", CYAML_FLAG_STRICT, struct y_machine, vendor, seam_yaml_vendors,
                      SEAM_YAML_VENDORS),
#define RATE_IN struct y_machine
     SEAM_RATE_MAP(RATE_FIELD)
#undef RATE_IN
         CYAML_FIELD_SEQUENCE_COUNT("measured", MAY, struct y_machine, measured, n_measured,
                                    &point_value, 0, SEAM_PLAN_POINTS),
     CYAML_FIELD_END};
static const cyaml_schema_field_t node_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_node, name, 1, 20),
     CYAML_FIELD_STRING_PTR("machine", NEED, struct y_node, machine, 1, 40),
#define RATE_IN struct y_node
     SEAM_RATE_MAP(RATE_FIELD)
#undef RATE_IN
         CYAML_FIELD_END};
static const cyaml_schema_field_t kind_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_kind, name, 1, 20),
     CYAML_FIELD_MAPPING_PTR("rate", NEED, struct y_kind, rate, number_fields),
     CYAML_FIELD_MAPPING_PTR("latency", NEED, struct y_kind, latency, number_fields),
     CYAML_FIELD_END};
static const cyaml_schema_value_t word = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 20)};
static const cyaml_schema_field_t link_fields[] =
    {CYAML_FIELD_SEQUENCE("between", NEED, struct y_link, between, &word, 2, SEAM_PLAN_NODES),
     CYAML_FIELD_STRING_PTR("cable", NEED, struct y_link, cable, 1, 20), CYAML_FIELD_END};
static const cyaml_schema_field_t model_fields[] =
    {CYAML_FIELD_STRING_PTR("name", NEED, struct y_model, name, 1, 60),
     CYAML_FIELD_STRING_PTR("shape", MAY, struct y_model, shape, 1, 40),
     CYAML_FIELD_STRING_PTR("type", MAY, struct y_model, type, 1, 20),
     CYAML_FIELD_STRING_PTR("file", MAY, struct y_model, file, 1, 1000),
     CYAML_FIELD_MAPPING_PTR("bytes", MAY, struct y_model, bytes, number_fields),
     CYAML_FIELD_END};

static const cyaml_schema_value_t machine_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_machine, machine_fields)};
static const cyaml_schema_value_t node_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_node, node_fields)};
static const cyaml_schema_value_t kind_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_kind, kind_fields)};
static const cyaml_schema_value_t link_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_link, link_fields)};
static const cyaml_schema_value_t model_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct y_model, model_fields)};

#define LIST(key, member, count_, value, most) \
    CYAML_FIELD_SEQUENCE_COUNT(key, MAY, struct y_file, member, count_, value, 0, most)
static const cyaml_schema_field_t file_fields[] =
    {LIST("machines", machines, n_machine, &machine_value, 100),
     LIST("cables", cables, n_kind, &kind_value, 50),
     LIST("models", models, n_model, &model_value, 100),
     LIST("nodes", nodes, n_node, &node_value, SEAM_PLAN_NODES),
     LIST("links", links, n_link, &link_value, 50),
     CYAML_FIELD_END};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct y_file, file_fields)};

/* ---- reading one text ---- */

struct file { /* one text with its marks */
    const char *name;
    struct y_file *y;
    struct seam_marks marks;
};

/* A key that the schema does not know stands where it stands, not where its mapping begins. */
static unsigned at_key(const struct file *f, const char *cause)
{
    static const char what[] = "Unexpected key: ";
    return strncmp(cause, what, sizeof what - 1)
               ? 0
               : seam_marks_key(&f->marks, cause + sizeof what - 1);
}

/* libcyaml names itself first. */
static const char *bare(const char *said)
{
    return strncmp(said, "Load: ", 6) == 0 ? said + 6 : said;
}

static seam_status read_text(struct file *f, const char *text, size_t len, struct seam_err *err)
{
    struct seam_yaml_fault fault;
    seam_status st = seam_marks_read(&f->marks, f->name, text, len, err);
    if (st != SEAM_OK || seam_yaml_load(&file_schema, (cyaml_data_t **)&f->y, text, len, &fault))
        return st;
    const char *cause = bare(fault.cause), *place = bare(fault.place);
    unsigned line = at_key(f, cause);
    return seam_fail(err, SEAM_EFORMAT, "%s:%u: %s%s%.*s", f->name, line ? line : fault.line, cause,
                     *place ? "," : "", fault.line_at ? (int)(fault.line_at - place) - 1 : 0,
                     place + 1);
}

/* "FILE:LINE: KEY: " before a story. */
static seam_status at(const struct file *f, const char *path, seam_status st, struct seam_err *err)
{
    return seam_wrap(err, st, "%s:%u: %s", f->name, seam_marks_line(&f->marks, path), path);
}

static seam_status number(const struct file *f, const char *path, const struct y_number *y,
                          const struct seam_rate_row *row, struct seam_quantity *q,
                          struct seam_err *err)
{
    char lo[32], hi[32], have[32];
    seam_status st = seam_quantity_parse(y->is, row->unit, q, err);
    q->source = y->from;
    for (int i = 0; st == SEAM_OK && i < SEAM_CASES; i++)
        if (q->v[i] < row->least || q->v[i] > row->most)
            st = seam_fail(err, SEAM_EINVAL, "%s cannot be: %s to %s is what there is",
                           seam_quantity_format(q->v[i], row->unit, have, sizeof have),
                           seam_quantity_format(row->least, row->unit, lo, sizeof lo),
                           seam_quantity_format(row->most, row->unit, hi, sizeof hi));
    return st == SEAM_OK ? st : at(f, path, st, err);
}

static seam_status rates(const struct file *f, const char *path, const struct y_rates *y,
                         struct seam_plan_machine *m, struct seam_err *err)
{
    char p[96];
    for (int r = 0; r < SEAM_RATE_COUNT; r++) {
        if (!y->v[r])
            continue;
        snprintf(p, sizeof p, "%s.%s", path, rate_rows[r].key);
        seam_status st = number(f, p, y->v[r], &rate_rows[r], &m->rate[r], err);
        if (st != SEAM_OK)
            return st;
        m->has[r] = true;
    }
    for (int r = 0; r < SEAM_RATE_COUNT; r++)
        if (rate_rows[r].needed && !m->has[r])
            return at(f, path, seam_fail(err, SEAM_EINVAL, "%s is missing", rate_rows[r].key), err);
    const enum seam_rate held[] = {SEAM_RATE_USABLE, SEAM_RATE_RAISED};
    for (int i = 0; i < 2; i++) {
        const struct seam_quantity *q = &m->rate[held[i]];
        if (m->has[held[i]] &&
            q->v[SEAM_CASE_BEST] > m->rate[SEAM_RATE_MEMORY].v[SEAM_CASE_WORST]) {
            snprintf(p, sizeof p, "%s.%s", path, rate_rows[held[i]].key);
            return at(f, p, seam_fail(err, SEAM_EINVAL, "more than the machine's memory"), err);
        }
    }
    return SEAM_OK;
}

/* ---- texts to an inventory ---- */

#define FILES 3 /* the built-in cards, further cards, the user's file */

struct own {
    struct file file[FILES];
    char name[FILES][300];
    struct seam_plan_machine *machine;
    struct seam_plan_point *point;
    uint32_t n_point;
    struct seam_plan_link *kind;
    struct seam_plan_model *model;
};

static seam_status again(const struct file *f, const char *path, const char *name,
                         struct seam_err *err)
{
    return at(f, path, seam_fail(err, SEAM_EINVAL, "there is another '%s'", name), err);
}

const struct seam_plan_machine *seam_inventory_machine(const struct seam_inventory *v,
                                                       const char *name)
{
    for (uint32_t i = v->n_machine; i-- > 0;) /* the user's come last and win */
        if (!strcmp(v->machine[i].name, name))
            return &v->machine[i];
    return NULL;
}

const struct seam_plan_link *seam_inventory_link(const struct seam_inventory *v, const char *name)
{
    for (uint32_t i = v->n_kind; i-- > 0;)
        if (!strcmp(v->kind[i].name, name))
            return &v->kind[i];
    return NULL;
}

const struct seam_plan_model *seam_inventory_model(const struct seam_inventory *v, const char *name)
{
    for (uint32_t i = v->n_model; i-- > 0;)
        if (!strcmp(v->model[i].name, name))
            return &v->model[i];
    return NULL;
}

static seam_status take_points(struct own *o, const struct file *f, const char *path,
                               const struct y_machine *y, struct seam_plan_machine *m,
                               struct seam_err *err)
{
    char p[120];
    m->point = o->point + o->n_point;
    for (uint32_t i = 0; i < y->n_measured; i++) {
        const struct y_point *from = &y->measured[i];
        struct seam_plan_point *to = &o->point[o->n_point++];
        *to = (struct seam_plan_point){.of = from->of, .type = from->type, .at = from->at};
        snprintf(p, sizeof p, "%s.measured[%u]", path, i);
        if ((from->of == SEAM_POINT_PRODUCT) != (from->type != NULL) ||
            (from->of == SEAM_POINT_PRODUCT && from->at < 1))
            return at(f, p,
                      seam_fail(err, SEAM_EINVAL,
                                "a product has a type and at least one column; nothing else has "
                                "a type"),
                      err);
        seam_status st = number(f, p, &from->number, &point_rows[from->of], &to->rate, err);
        if (st != SEAM_OK)
            return st;
        m->n_point++;
    }
    return SEAM_OK;
}

/* Of Seam's kernels: ggml's kernel_mul_mm_id on Metal works on 32 rows (NR1); elsewhere matrices of one
 * expert are multiplied by libraries, whose smallest tiles are of 8. */
static const double tiles[] =
    {[SEAM_VENDOR_APPLE] = 32, [SEAM_VENDOR_NVIDIA] = 8, [SEAM_VENDOR_OTHER] = 8};

static seam_status take_machines(struct seam_inventory *v, struct own *o, const struct file *f,
                                 struct seam_err *err)
{
    char path[96];
    for (uint32_t i = 0; i < f->y->n_machine; i++) {
        const struct y_machine *y = &f->y->machines[i];
        struct seam_plan_machine *m = &o->machine[v->n_machine];
        snprintf(path, sizeof path, "machines[%u].name", i);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(f->y->machines[k].name, y->name))
                return again(f, path, y->name, err);
        *m = (struct seam_plan_machine){.name = y->name,
                                        .title = y->title ? y->title : y->name,
                                        .vendor = y->vendor,
                                        .tile = tiles[y->vendor]};
        snprintf(path, sizeof path, "machines[%u]", i);
        seam_status st = rates(f, path, &y->rates, m, err);
        if (st == SEAM_OK)
            st = take_points(o, f, path, y, m, err);
        if (st != SEAM_OK)
            return st;
        v->n_machine++;
    }
    return SEAM_OK;
}

static const struct seam_rate_row cable_rate = {"rate", SEAM_UNIT_LINK, 1e6, 1e12, true},
                                  cable_latency = {"latency", SEAM_UNIT_SECONDS, 1e-7, 1, true},
                                  model_bytes = {"bytes", SEAM_UNIT_BYTES, 1e6, 1e13, false};

static seam_status take_kinds(struct seam_inventory *v, struct own *o, const struct file *f,
                              struct seam_err *err)
{
    char path[96];
    for (uint32_t i = 0; i < f->y->n_kind; i++) {
        const struct y_kind *y = &f->y->cables[i];
        struct seam_plan_link *l = &o->kind[v->n_kind];
        snprintf(path, sizeof path, "cables[%u].name", i);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(f->y->cables[k].name, y->name))
                return again(f, path, y->name, err);
        l->name = y->name;
        snprintf(path, sizeof path, "cables[%u].rate", i);
        seam_status st = number(f, path, y->rate, &cable_rate, &l->rate, err);
        snprintf(path, sizeof path, "cables[%u].latency", i);
        if (st == SEAM_OK)
            st = number(f, path, y->latency, &cable_latency, &l->latency, err);
        if (st != SEAM_OK)
            return st;
        v->n_kind++;
    }
    return SEAM_OK;
}

static seam_status take_models(struct seam_inventory *v, struct own *o, const struct file *f,
                               struct seam_err *err)
{
    char path[96];
    for (uint32_t i = 0; i < f->y->n_model; i++) {
        const struct y_model *y = &f->y->models[i];
        struct seam_plan_model *m = &o->model[v->n_model];
        *m = (struct seam_plan_model){.name = y->name,
                                      .shape = y->shape,
                                      .type = y->type,
                                      .file = y->file};
        snprintf(path, sizeof path, "models[%u].name", i);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(f->y->models[k].name, y->name))
                return again(f, path, y->name, err);
        if (!y->file == !(y->shape && y->type))
            return at(f, path,
                      seam_fail(err, SEAM_EINVAL, "a model has a file, or a shape and a type"),
                      err);
        snprintf(path, sizeof path, "models[%u].bytes", i);
        if (y->bytes) {
            seam_status st = number(f, path, y->bytes, &model_bytes, &m->bytes, err);
            if (st != SEAM_OK)
                return st;
        }
        v->n_model++;
    }
    return SEAM_OK;
}

static seam_status take_nodes(struct seam_inventory *v, const struct file *f, struct seam_err *err)
{
    char path[96];
    for (uint32_t i = 0; i < f->y->n_node; i++) {
        const struct y_node *y = &f->y->nodes[i];
        struct seam_plan_node *n = &v->node[i];
        const struct seam_plan_machine *m = seam_inventory_machine(v, y->machine);
        snprintf(path, sizeof path, "nodes[%u].name", i);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(f->y->nodes[k].name, y->name))
                return again(f, path, y->name, err);
        snprintf(path, sizeof path, "nodes[%u].machine", i);
        if (!m)
            return at(f, path,
                      seam_fail(err, SEAM_ENOTFOUND,
                                "no machine '%s' (`seam plan --cards` lists them; others go under "
                                "machines:)",
                                y->machine),
                      err);
        n->name = y->name;
        n->machine = *m;
        snprintf(path, sizeof path, "nodes[%u]", i);
        seam_status st = rates(f, path, &y->rates, &n->machine, err);
        if (st != SEAM_OK)
            return st;
        v->n_node++;
    }
    return SEAM_OK;
}

static int node_index(const struct seam_inventory *v, const char *name)
{
    for (uint32_t i = 0; i < v->n_node; i++)
        if (!strcmp(v->node[i].name, name))
            return (int)i;
    return -1;
}

static void connect_nodes(struct seam_inventory *v, int a, int b, const struct seam_plan_link *l)
{
    const struct seam_plan_link *old = v->link[a][b];
    if (!old || old->rate.v[SEAM_CASE_MID] < l->rate.v[SEAM_CASE_MID])
        v->link[a][b] = v->link[b][a] = l;
}

static seam_status take_link(struct seam_inventory *v, const struct file *f, uint32_t i,
                             struct seam_err *err)
{
    const struct y_link *y = &f->y->links[i];
    const struct seam_plan_link *l = seam_inventory_link(v, y->cable);
    int end[SEAM_PLAN_NODES];
    char path[96];
    snprintf(path, sizeof path, "links[%u].cable", i);
    if (!l)
        return at(f, path,
                  seam_fail(err, SEAM_ENOTFOUND,
                            "no cable '%s' (`seam plan --cards` lists them; others go under "
                            "cables:)",
                            y->cable),
                  err);
    for (uint32_t k = 0; k < y->between_count; k++) {
        snprintf(path, sizeof path, "links[%u].between[%u]", i, k);
        end[k] = node_index(v, y->between[k]);
        if (end[k] < 0)
            return at(f, path, seam_fail(err, SEAM_ENOTFOUND, "no node '%s'", y->between[k]), err);
        for (uint32_t j = 0; j < k; j++) {
            if (end[j] == end[k])
                return at(f, path, seam_fail(err, SEAM_EINVAL, "'%s' to itself", y->between[k]),
                          err);
            connect_nodes(v, end[j], end[k], l);
        }
    }
    return SEAM_OK;
}

/* Every node must be reached from the first. */
static seam_status check_reach(const struct seam_inventory *v, const struct file *f,
                               struct seam_err *err)
{
    uint32_t seen = 1;
    for (uint32_t round = 0; round < v->n_node; round++)
        for (uint32_t a = 0; a < v->n_node; a++)
            for (uint32_t b = 0; b < v->n_node; b++)
                if ((seen >> a & 1) && v->link[a][b])
                    seen |= 1u << b;
    for (uint32_t i = 0; i < v->n_node; i++) {
        char path[96];
        snprintf(path, sizeof path, "nodes[%u]", i);
        if (!(seen >> i & 1))
            return at(f, path,
                      seam_fail(err, SEAM_EINVAL, "no link from '%s' to '%s' (say it under links:)",
                                v->node[i].name, v->node[0].name),
                      err);
    }
    return SEAM_OK;
}

static seam_status take(struct seam_inventory *v, struct own *o, const struct file *f,
                        struct seam_err *err)
{
    seam_status st = take_machines(v, o, f, err);
    if (st == SEAM_OK)
        st = take_kinds(v, o, f, err);
    if (st == SEAM_OK)
        st = take_models(v, o, f, err);
    if (st == SEAM_OK)
        st = take_nodes(v, f, err);
    for (uint32_t i = 0; st == SEAM_OK && i < f->y->n_link; i++)
        st = take_link(v, f, i, err);
    return st == SEAM_OK && v->n_node ? check_reach(v, f, err) : st;
}

struct text {
    const char *name, *p;
    size_t n;
};

/* texts[0] are the built-in cards; those without a name are not there. */
static seam_status read_all(struct seam_inventory **out, const struct text texts[FILES],
                            struct seam_err *err)
{
    *out = NULL;
    struct seam_inventory *v = calloc(1, sizeof *v);
    struct own *o = calloc(1, sizeof *o);
    if (!v || !o) {
        free(v);
        free(o);
        return seam_fail(err, SEAM_ENOMEM, "no memory for an inventory");
    }
    v->own = o;
    seam_status st = SEAM_OK;
    uint32_t n[4] = {1, 1, 1, 1};
    for (int i = 0; st == SEAM_OK && i < FILES; i++) {
        if (!texts[i].p)
            continue;
        snprintf(o->name[i], sizeof o->name[i], "%s", texts[i].name ? texts[i].name : "");
        o->file[i].name = o->name[i];
        st = read_text(&o->file[i], texts[i].p, texts[i].n, err);
        if (st != SEAM_OK)
            break;
        n[0] += o->file[i].y->n_machine;
        n[1] += o->file[i].y->n_kind;
        n[2] += o->file[i].y->n_model;
        for (uint32_t k = 0; k < o->file[i].y->n_machine; k++)
            n[3] += o->file[i].y->machines[k].n_measured;
    }
    v->machine = o->machine = calloc(n[0], sizeof *o->machine);
    v->kind = o->kind = calloc(n[1], sizeof *o->kind);
    v->model = o->model = calloc(n[2], sizeof *o->model);
    o->point = calloc(n[3], sizeof *o->point);
    if (st == SEAM_OK && (!o->machine || !o->kind || !o->model || !o->point))
        st = seam_fail(err, SEAM_ENOMEM, "no memory for an inventory");
    for (int i = 0; st == SEAM_OK && i < FILES; i++)
        if (texts[i].p)
            st = take(v, o, &o->file[i], err);
    if (st == SEAM_OK)
        *out = v;
    else
        seam_inventory_close(v);
    return st;
}

seam_status seam_inventory_read(struct seam_inventory **out, const char *name, const char *text,
                                size_t len, struct seam_err *err)
{
    const struct text texts[FILES] = {{"built-in cards", seam_plan_cards, seam_plan_cards_len},
                                      {NULL, NULL, 0},
                                      {name, text, len}};
    return read_all(out, texts, err);
}

static seam_status load(const char *file, struct text *t, char **text, struct seam_err *err)
{
    *text = NULL;
    if (!file)
        return SEAM_OK;
    size_t n = 0;
    seam_status st = seam_yaml_read(file, "inventory", text, &n, err);
    *t = (struct text){file, *text, n};
    return st;
}

seam_status seam_inventory_open_with(struct seam_inventory **out, const char *file,
                                     const char *cards, struct seam_err *err)
{
    struct text texts[FILES] = {{"built-in cards", seam_plan_cards, seam_plan_cards_len}};
    char *more, *own = NULL;
    *out = NULL;
    seam_status st = load(cards, &texts[1], &more, err);
    if (st == SEAM_OK)
        st = load(file, &texts[2], &own, err);
    if (st == SEAM_OK)
        st = read_all(out, texts, err);
    free(more);
    free(own);
    return st;
}

seam_status seam_inventory_open(struct seam_inventory **out, const char *file, struct seam_err *err)
{
    return seam_inventory_open_with(out, file, NULL, err);
}

void seam_inventory_close(struct seam_inventory *v)
{
    if (!v)
        return;
    struct own *o = v->own;
    for (int i = 0; i < FILES; i++) {
        seam_yaml_free(&file_schema, o->file[i].y);
        seam_marks_release(&o->file[i].marks);
    }
    free(o->machine);
    free(o->kind);
    free(o->model);
    free(o->point);
    free(o);
    free(v);
}
