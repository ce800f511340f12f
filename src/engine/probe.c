#include "engine/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/stats.h"
#include "engine/internal.h"

#define LANE 0u

struct matrix { /* one of a tensor's */
    const struct ggml_tensor *t;
    uint32_t expert;
};

struct seam_probe {
    struct seam_engine *e;
    struct seam_trace trace;
    int32_t *tokens; /* one per position */
    float *logits;
    struct matrix *matrix; /* that layers and head multiply by */
    size_t n_matrix, n_tensor;
};

static const struct seam_hparams *hparams(const struct seam_probe *p)
{
    return p->e->hp;
}

/* Values that no kernel takes a shortcut for: -0.5 to 0.5. */
static float made_up(uint64_t i)
{
    return (float)(i * 7919 % 2003) / 2003.0f - 0.5f;
}

static void fill_rows(struct seam_engine *e)
{
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++) {
        if (seam_engine_has_state(e, layer))
            continue;
        ggml_fp16_t *v = seam_engine_memory_at(e, LANE, layer, 0);
        size_t n = seam_engine_memory_bytes(e, layer, e->o.n_ctx) / sizeof *v;
        for (size_t i = 0; i < n; i++)
            v[i] = ggml_fp32_to_fp16(made_up(i));
    }
}

/* ---- products ---- */

#define SMALL_DIM 32    /* vectors and convolutions are no products */
#define MATRICES  2048u /* of one graph */
#define OPS       6e9   /* of one graph with many columns, or one part of each tensor */
#define BYTES     ((size_t)512 << 20) /* of one graph with a single column: no cache holds them */
#define RUNS      3
#define FEW_ROWS  256 /* fewer would measure the ends of blocks */

static bool is_matrix(const struct ggml_tensor *t, uint32_t expert)
{
    return t && t->ne[0] >= SMALL_DIM && t->ne[1] >= SMALL_DIM && (int64_t)expert < t->ne[2];
}

static void take_matrix(struct seam_probe *p, const struct ggml_tensor *t, uint32_t expert)
{
    if (is_matrix(t, expert) && p->n_matrix < MATRICES)
        p->matrix[p->n_matrix++] = (struct matrix){t, expert};
}

/* Of every tensor its first matrix (p->n_tensor of them), then of every tensor its second, ... */
static void collect(struct seam_probe *p)
{
    const uint32_t experts = hparams(p)->n_expert > 1 ? hparams(p)->n_expert : 1;
    for (uint32_t expert = 0; expert < experts; expert++) {
        for (uint32_t layer = 0; layer < hparams(p)->n_layer; layer++)
            for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++)
                take_matrix(p,
                            seam_store_layer(p->e->store, layer, SEAM_STORE_WEIGHT,
                                             (enum seam_role)role),
                            expert);
        if (expert == 0) {
            take_matrix(p, seam_store_global(p->e->store, SEAM_ROLE_OUTPUT), 0);
            p->n_tensor = p->n_matrix;
        }
    }
}

size_t seam_probe_types(const struct seam_probe *p, const struct seam_type **types, size_t cap)
{
    size_t n = 0;
    for (size_t k = 0; k < p->n_tensor; k++) {
        const struct seam_type *type = seam_type_by_name(ggml_type_name(p->matrix[k].t->type));
        size_t i = 0;
        while (i < n && types[i] != type)
            i++;
        if (type && i == n && n < cap)
            types[n++] = type;
    }
    return n;
}

struct sample { /* one graph of products */
    struct ggml_context *ctx;
    struct ggml_cgraph *gf;
    ggml_gallocr_t galloc;
    struct ggml_tensor *x[16]; /* one per width */
    size_t n_x;
    double ops;
};

static struct ggml_tensor *input(struct sample *s, int64_t width, uint32_t columns)
{
    for (size_t i = 0; i < s->n_x; i++)
        if (s->x[i]->ne[0] == width)
            return s->x[i];
    if (s->n_x == sizeof s->x / sizeof *s->x)
        return NULL;
    struct ggml_tensor *x = ggml_new_tensor_2d(s->ctx, GGML_TYPE_F32, width, columns);
    ggml_set_input(x);
    return s->x[s->n_x++] = x;
}

/* Some rows of a matrix, where it lies. */
static struct ggml_tensor *rows_of(struct sample *s, const struct ggml_tensor *w, uint32_t expert,
                                   int64_t rows)
{
    struct ggml_tensor *t = ggml_new_tensor_2d(s->ctx, w->type, w->ne[0], rows);
    t->data = (char *)w->data + expert * w->nb[2];
    t->buffer = w->buffer;
    t->extra = w->extra;
    return t;
}

/* Rows of one matrix, so that every tensor has its part in the work of one graph. */
static int64_t rows_each(const struct seam_probe *p, const struct ggml_tensor *t, uint32_t columns)
{
    double tensors = 0;
    for (size_t k = 0; k < p->n_tensor; k++)
        tensors += p->matrix[k].t->type == t->type;
    double values = OPS / (2.0 * columns) / tensors;
    int64_t rows = (int64_t)(values / (double)t->ne[0]) / FEW_ROWS * FEW_ROWS;
    rows = rows < FEW_ROWS ? FEW_ROWS : rows;
    return columns == 1 || rows > t->ne[1] ? t->ne[1] : rows;
}

static void add_products(struct sample *s, const struct seam_probe *p, enum ggml_type type,
                         uint32_t columns)
{
    struct seam_graph g = {.ctx = s->ctx,
                           .gf = s->gf,
                           .hp = hparams(p),
                           .store = p->e->store,
                           .n = columns};
    size_t bytes = 0;
    for (size_t k = 0; k < p->n_matrix; k++) {
        if (columns == 1 ? bytes >= BYTES : k >= p->n_tensor && s->ops >= OPS)
            break;
        const struct ggml_tensor *t = p->matrix[k].t;
        struct ggml_tensor *x = t->type == type ? input(s, t->ne[0], columns) : NULL;
        if (!x)
            continue;
        int64_t rows = rows_each(p, t, columns);
        ggml_build_forward_expand(s->gf,
                                  seam_graph_product(&g, rows_of(s, t, p->matrix[k].expert, rows),
                                                     x));
        s->ops += 2.0 * (double)t->ne[0] * (double)rows * columns;
        bytes += (size_t)rows * t->nb[1];
    }
}

static seam_status sample_run(struct sample *s, struct seam_engine *e, double *seconds,
                              struct seam_err *err)
{
    if (!ggml_gallocr_alloc_graph(s->galloc, s->gf))
        return seam_fail(err, SEAM_ENOMEM, "no memory for a sample of products");
    for (size_t i = 0; i < s->n_x; i++)
        for (int64_t k = 0; k < ggml_nelements(s->x[i]); k++)
            ((float *)s->x[i]->data)[k] = made_up((uint64_t)k);
    double v[RUNS];
    seam_status st =
        seam_device_compute(&e->device, s->gf, err); /* memory that was never touched */
    for (int i = 0; st == SEAM_OK && i < RUNS; i++) {
        uint64_t begin = seam_mono_ns();
        st = seam_device_compute(&e->device, s->gf, err);
        v[i] = (double)(seam_mono_ns() - begin) / 1e9;
    }
    *seconds = st == SEAM_OK ? seam_stats_of(v, RUNS).median : 0;
    return st;
}

seam_status seam_probe_products(struct seam_probe *p, const struct seam_type *type,
                                uint32_t columns, double *ops_per_s, struct seam_err *err)
{
    const struct ggml_init_params params = {(4 * MATRICES + 64) * ggml_tensor_overhead() +
                                                ggml_graph_overhead_custom(4 * MATRICES, false),
                                            NULL, true};
    struct sample s = {.ctx = ggml_init(params), .galloc = ggml_gallocr_new(p->e->device.buft)};
    seam_status st = SEAM_OK;
    double seconds = 0;
    *ops_per_s = 0;
    if (!s.ctx || !s.galloc)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for a sample of products");
    if (st == SEAM_OK) {
        s.gf = ggml_new_graph_custom(s.ctx, 4 * MATRICES, false);
        add_products(&s, p, (enum ggml_type)type->id, columns);
        st = sample_run(&s, p->e, &seconds, err);
    }
    if (st == SEAM_OK && seconds > 0)
        *ops_per_s = s.ops / seconds;
    ggml_gallocr_free(s.galloc);
    ggml_free(s.ctx);
    return st;
}

/* ---- layers and steps ---- */

/* The lane has `depth` tokens: rows are made up, states as they are. */
static void go_to(struct seam_probe *p, uint32_t depth)
{
    for (uint32_t layer = 0; layer < hparams(p)->n_layer; layer++)
        seam_engine_state_set(p->e, LANE, layer, depth);
    p->e->kv_len[LANE] = depth;
}

seam_status seam_probe_prefill(struct seam_probe *p, enum seam_mla_form form, uint32_t depth,
                               uint32_t n, double *layer_s, struct seam_err *err)
{
    const uint32_t n_layer = hparams(p)->n_layer;
    if (hparams(p)->mla)
        p->e->o.form = form;
    go_to(p, depth);
    memset(p->trace.layers, 0, n_layer * sizeof *p->trace.layers);
    seam_status st = seam_engine_prefill(p->e, LANE, p->tokens, depth + n, NULL, &p->trace, err);
    p->e->o.form = SEAM_MLA_AUTO;
    for (uint32_t i = 0; i + 1 < n_layer; i++)
        layer_s[i] = (double)p->trace.layers[i].compute.busy_ns / 1e9;
    return st;
}

seam_status seam_probe_step(struct seam_probe *p, uint32_t depth, double *seconds,
                            struct seam_err *err)
{
    go_to(p, depth);
    uint64_t begin = seam_mono_ns();
    seam_status st = seam_engine_step(p->e, LANE, p->tokens[depth], p->logits, err);
    *seconds = (double)(seam_mono_ns() - begin) / 1e9;
    return st;
}

/* ---- open ---- */

seam_status seam_probe_open(struct seam_probe **out, const struct seam_model *m, int n_threads,
                            uint32_t n_ctx, struct seam_err *err)
{
    const struct seam_engine_opts o = {.n_ctx = n_ctx, .n_lanes = 1, .n_threads = n_threads};
    struct seam_probe *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a probe");
    seam_status st = seam_engine_open(&p->e, m, &o, err);
    if (st == SEAM_OK)
        st = seam_trace_init(&p->trace, hparams(p)->n_layer, err);
    if (st == SEAM_OK) {
        p->tokens = malloc(n_ctx * sizeof *p->tokens);
        p->logits = malloc(hparams(p)->n_vocab * sizeof *p->logits);
        p->matrix = malloc(MATRICES * sizeof *p->matrix);
        if (!p->tokens || !p->logits || !p->matrix)
            st = seam_fail(err, SEAM_ENOMEM, "no memory for a probe");
    }
    if (st != SEAM_OK) {
        seam_probe_close(p);
        return st;
    }
    for (uint32_t i = 0; i < n_ctx; i++)
        p->tokens[i] = (int32_t)(i * 7919u % hparams(p)->n_vocab);
    fill_rows(p->e);
    collect(p);
    *out = p;
    return SEAM_OK;
}

void seam_probe_close(struct seam_probe *p)
{
    if (!p)
        return;
    seam_trace_release(&p->trace);
    seam_engine_close(p->e);
    free(p->tokens);
    free(p->logits);
    free(p->matrix);
    free(p);
}

const char *seam_probe_device(const struct seam_probe *p)
{
    return seam_engine_device(p->e);
}

void seam_probe_cancel(struct seam_probe *p)
{
    seam_engine_cancel(p->e);
}
