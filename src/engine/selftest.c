#include "engine/selftest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "engine/device.h"
#include "engine/engine.h"
#include "engine/fill.h"

#define WIDTH            256u /* values of a row: one block of the widest types */
#define ROWS             64u
#define COLUMNS          5u
#define PRODUCT_ERROR    5e-4
#define GOLDEN_ERROR     1e-3
#define GOLDEN_ERROR_GPU 1e-2
#define GOLDEN_STEPS     8u /* tokens that are steps; the rest is prefill */

/* Those of weights in published files that ggml can make without statistics of use. */
static const char *const types[] = {"F32",  "F16",  "BF16", "Q8_0", "Q4_0",   "Q2_K",
                                    "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "MXFP4"};

const char *seam_ggml_version(void)
{
    return ggml_version();
}

size_t seam_device_list(struct seam_device_info *out, size_t cap)
{
    seam_device_load();
    size_t n = ggml_backend_dev_count();
    for (size_t i = 0; i < n && i < cap; i++) {
        ggml_backend_dev_t dev = ggml_backend_dev_get(i);
        snprintf(out[i].name, sizeof out[i].name, "%s", ggml_backend_dev_name(dev));
        snprintf(out[i].about, sizeof out[i].about, "%s", ggml_backend_dev_description(dev));
        out[i].gpu = seam_device_is_gpu(dev);
    }
    return n;
}

/* ---- products ---- */

struct product {
    float w[ROWS * WIDTH], x[COLUMNS * WIDTH], y[COLUMNS * ROWS];
    double want[COLUMNS * ROWS];
    uint8_t raw[ROWS * WIDTH * sizeof(float)];
};

/* Values in [-1, 1), the same everywhere. Numerical Recipes' generator. */
static void draw(float *v, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (float)(int32_t)seed / 2147483648.0f;
    }
}

static void prepare(struct product *p, const struct seam_type *type)
{
    draw(p->w, ROWS * WIDTH, type->id + 1);
    draw(p->x, COLUMNS * WIDTH, type->id + 1001);
    seam_fill_quantize(type, p->w, p->raw, ROWS, WIDTH);
    seam_fill_floats(type, p->raw, p->w, ROWS * WIDTH);
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t r = 0; r < ROWS; r++) {
            double sum = 0;
            for (size_t k = 0; k < WIDTH; k++)
                sum += (double)p->w[r * WIDTH + k] * (double)p->x[c * WIDTH + k];
            p->want[c * ROWS + r] = sum;
        }
}

static double product_error(const struct product *p)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < COLUMNS * ROWS; i++) {
        double d = (double)p->y[i] - p->want[i];
        off += d * d;
        all += p->want[i] * p->want[i];
    }
    return isfinite(off) ? off / all : INFINITY;
}

/* *taken false: the device does not multiply this type. */
static seam_status multiply(ggml_backend_t backend, struct product *p, const struct seam_type *type,
                            bool *taken, struct seam_err *err)
{
    struct ggml_init_params params = {8 * ggml_tensor_overhead() + ggml_graph_overhead(), NULL,
                                      true};
    struct ggml_context *ctx = ggml_init(params);
    if (!ctx)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a graph");
    struct ggml_tensor *w = ggml_new_tensor_2d(ctx, (enum ggml_type)type->id, WIDTH, ROWS),
                       *x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, WIDTH, COLUMNS),
                       *y = ggml_mul_mat(ctx, w, x);
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, y);
    seam_status st = SEAM_OK;
    ggml_backend_buffer_t buffer = NULL;
    *taken = ggml_backend_dev_supports_op(ggml_backend_get_device(backend), y);
    if (*taken && !(buffer = ggml_backend_alloc_ctx_tensors(ctx, backend)))
        st = seam_fail(err, SEAM_ENOMEM, "no memory on the device for a matrix");
    if (buffer) {
        ggml_backend_tensor_set(w, p->raw, 0, ggml_nbytes(w));
        ggml_backend_tensor_set(x, p->x, 0, ggml_nbytes(x));
        enum ggml_status done = ggml_backend_graph_compute(backend, graph);
        if (done == GGML_STATUS_SUCCESS)
            ggml_backend_tensor_get(y, p->y, 0, ggml_nbytes(y));
        else
            st = seam_fail(err, SEAM_EIO, "a product with %s failed: %s", type->name,
                           ggml_status_to_string(done));
        ggml_backend_buffer_free(buffer);
    }
    ggml_free(ctx);
    return st;
}

static seam_status try_types(ggml_backend_t backend, struct product *p, bool bend,
                             uint32_t *n_types, struct seam_err *err)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct seam_type *type = seam_type_by_name(types[i]);
        bool taken = false;
        if (!type || !seam_fill_can(type))
            continue;
        prepare(p, type);
        for (size_t k = 0; bend && k < WIDTH / 8; k++)
            p->x[k] = -p->x[k];
        seam_status st = multiply(backend, p, type, &taken, err);
        if (st != SEAM_OK)
            return st;
        if (taken && product_error(p) > PRODUCT_ERROR)
            return seam_fail(err, SEAM_EIO,
                             "multiplies %s wrongly: squared error %.2g of the result, %.0e is "
                             "what rounding explains",
                             type->name, product_error(p), PRODUCT_ERROR);
        *n_types += taken;
    }
    return SEAM_OK;
}

seam_status seam_selftest_device(size_t i, bool bend, uint32_t *n_types, struct seam_err *err)
{
    *n_types = 0;
    seam_device_load();
    ggml_backend_t backend = ggml_backend_dev_init(ggml_backend_dev_get(i), NULL);
    struct product *p = malloc(sizeof *p);
    seam_status st = SEAM_OK;
    if (!backend)
        st = seam_fail(err, SEAM_EIO, "ggml cannot start this device");
    else if (!p)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for a matrix");
    else
        st = try_types(backend, p, bend, n_types, err);
    free(p);
    if (backend)
        ggml_backend_free(backend);
    return st;
}

/* ---- golden ---- */

struct golden {
    struct seam_model *model;
    struct seam_engine *engine;
    yyjson_doc *doc;
    int32_t *tokens;
    float *logits;
    uint32_t n_tokens, n_vocab, n_want; /* n_want: logits of the last so many tokens */
};

static seam_status open_model(struct golden *g, bool bend, struct seam_err *err)
{
    size_t len = seam_golden_gguf_len;
    uint8_t *copy = malloc(len);
    struct seam_catalog *c = NULL;
    if (!copy)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a model of %zu bytes", len);
    memcpy(copy, seam_golden_gguf, len);
    for (size_t i = len - len / 8; bend && i < len; i++)
        copy[i] ^= 0x80; /* signs and mantissas of the last tensors */
    seam_status st = seam_catalog_open_memory(&c, copy, len, err);
    free(copy);
    if (st == SEAM_OK && (st = seam_model_from_catalog(&g->model, c, err)) != SEAM_OK)
        seam_catalog_close(c);
    return st;
}

static seam_status open_golden(struct golden *g, const char *device, bool bend,
                               struct seam_err *err)
{
    g->doc = yyjson_read((const char *)seam_golden_json, seam_golden_json_len, 0);
    yyjson_val *tokens = yyjson_obj_get(yyjson_doc_get_root(g->doc), "tokens"), *v;
    size_t i, max;
    g->n_tokens = (uint32_t)yyjson_arr_size(tokens);
    g->tokens = calloc(g->n_tokens + 1, sizeof *g->tokens);
    seam_status st = open_model(g, bend, err);
    if (st != SEAM_OK)
        return st;
    g->n_vocab = seam_model_hparams(g->model)->n_vocab;
    g->n_want = (uint32_t)(seam_golden_f32_len / sizeof(float) / g->n_vocab);
    g->logits = malloc(g->n_vocab * sizeof *g->logits);
    if (!g->tokens || !g->logits)
        return seam_fail(err, SEAM_ENOMEM, "no memory for logits");
    yyjson_arr_foreach(tokens, i, max, v) g->tokens[i] = (int32_t)yyjson_get_int(v);
    if (g->n_tokens <= GOLDEN_STEPS || g->n_want < GOLDEN_STEPS)
        return seam_fail(err, SEAM_EINTERNAL, "the golden model was built in wrongly");
    const struct seam_engine_opts o = {.n_ctx = g->n_tokens,
                                       .n_lanes = 1,
                                       .kv_type = SEAM_KV_F32,
                                       .chunk = 32,
                                       .n_threads = 1,
                                       .decode_device = device,
                                       .quiet = true};
    return seam_engine_open(&g->engine, g->model, &o, err);
}

/* Of the logits after the token at `pos`, relative to the largest; infinite for a NaN. */
static double logits_error(const struct golden *g, uint32_t pos)
{
    size_t at = (size_t)(pos - (g->n_tokens - g->n_want)) * g->n_vocab;
    double most = 0, scale = 0;
    for (size_t i = 0; i < g->n_vocab; i++) {
        float want;
        memcpy(&want, seam_golden_f32 + (at + i) * sizeof want, sizeof want);
        double d = fabs((double)want - (double)g->logits[i]);
        most = isfinite(d) ? fmax(most, d) : INFINITY;
        scale = fmax(scale, fabs((double)want));
    }
    return most / scale;
}

seam_status seam_selftest_golden(const char *device, bool bend, double *error, struct seam_err *err)
{
    const double most = strcmp(device, "cpu") ? GOLDEN_ERROR_GPU : GOLDEN_ERROR;
    struct golden g = {0};
    *error = 0;
    seam_status st = open_golden(&g, device, bend, err);
    uint32_t first = g.n_tokens > GOLDEN_STEPS ? g.n_tokens - GOLDEN_STEPS : 0;
    if (st == SEAM_OK)
        st = seam_engine_prefill(g.engine, 0, g.tokens, first, NULL, NULL, err);
    for (uint32_t i = first; st == SEAM_OK && i < g.n_tokens; i++) {
        st = seam_engine_step(g.engine, 0, g.tokens[i], g.logits, err);
        if (st == SEAM_OK)
            *error = fmax(*error, logits_error(&g, i));
    }
    if (st == SEAM_OK && *error > most)
        st = seam_fail(err, SEAM_EIO,
                       "a small model's logits are wrong by %.2g of the largest, %.0e is what "
                       "rounding explains",
                       *error, most);
    seam_engine_close(g.engine);
    seam_model_close(g.model);
    yyjson_doc_free(g.doc);
    free(g.tokens);
    free(g.logits);
    return st;
}
