/* types_test.c - every tensor type: its rows, quantised by ggml, put into a GGUF, found by the
 * catalogue, read by the store and seen by a graph, are bit for bit what ggml's own to_float makes of
 * the quantised bytes; and a model whose matrices are all of the type computes what the same
 * matrices in F32 compute, but for the rounding of activations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/store.h"

#include "unit/synth_build.h"

static char folder[64], source[128], made[128], plain[128];

/* By the table in src/model/type.c: all that ggml can make. */
static const struct seam_type *next_type(uint32_t *id)
{
    for (; *id < 64; (*id)++) {
        const struct seam_type *t = seam_type_by_id(*id);
        if (t && seam_fill_can(t)) {
            (*id)++;
            return t;
        }
    }
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    seam_log_set_level(SEAM_LOG_WARN);
    snprintf(folder, sizeof folder, "/tmp/seam-types-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(source, sizeof source, "%s/source.gguf", folder);
    snprintf(made, sizeof made, "%s/made.gguf", folder);
    snprintf(plain, sizeof plain, "%s/plain.gguf", folder);
    const struct seam_synth_opts o = SB_SMALL;
    sb_synth(source, o, "F32", 0, false, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(source);
    unlink(made);
    unlink(plain);
    return rmdir(folder);
}

/* Rows of the embedding as a graph of the engine's device sees them. */
static float *rows_seen(const struct seam_model *m, uint32_t n)
{
    struct seam_err err = {0};
    struct seam_device d;
    struct seam_store *s = NULL;
    const uint32_t unit = seam_unit_embed(m);
    if (seam_device_init(&d, 2, &err) != SEAM_OK ||
        seam_store_open(&s, m, true, &d, &err) != SEAM_OK ||
        seam_store_load(s, 0, SEAM_MMAP_AUTO, &err) != SEAM_OK ||
        seam_store_begin(s, &unit, 1, &err) != SEAM_OK ||
        seam_store_acquire(s, unit, NULL, NULL, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    struct ggml_tensor *w = seam_store_global(s, SEAM_ROLE_TOKEN_EMBD);
    const size_t width = (size_t)w->ne[0];
    struct ggml_init_params p = {.mem_size = 1 << 20, .no_alloc = true};
    struct ggml_context *ctx = ggml_init(p);
    struct ggml_tensor *ids = ggml_new_tensor_1d(ctx, GGML_TYPE_I32, n);
    ggml_set_input(ids);
    struct ggml_tensor *rows = ggml_get_rows(ctx, w, ids);
    ggml_set_output(rows);
    struct ggml_cgraph *g = ggml_new_graph(ctx);
    ggml_build_forward_expand(g, rows);
    ggml_gallocr_t alloc = ggml_gallocr_new(d.buft);
    assert_true(ggml_gallocr_alloc_graph(alloc, g));
    for (uint32_t i = 0; i < n; i++) {
        const int32_t id = (int32_t)(n - 1 - i); /* not in the order of the file */
        ggml_backend_tensor_set(ids, &id, i * sizeof id, sizeof id);
    }
    if (seam_device_compute(&d, g, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    float *out = malloc(n * width * sizeof *out);
    ggml_backend_tensor_get(rows, out, 0, n * width * sizeof *out);
    ggml_gallocr_free(alloc);
    ggml_free(ctx);
    seam_store_release(s, unit);
    seam_store_end(s);
    seam_store_close(s);
    seam_device_release(&d);
    return out;
}

static void rows_bit_equal(void **state)
{
    (void)state;
    int n_types = 0;
    struct seam_err err = {0};
    for (uint32_t id = 0;;) {
        const struct seam_type *type = next_type(&id);
        if (!type)
            break;
        struct seam_model *m = NULL, *from = NULL;
        sb_convert(source, made, type, true);
        if (seam_model_open(&m, made, &err) != SEAM_OK ||
            seam_model_open(&from, source, &err) != SEAM_OK)
            fail_msg("%s: %s", type->name, err.text);
        const struct seam_tensor *t = seam_model_global(m, SEAM_ROLE_TOKEN_EMBD);
        const struct seam_tensor *f = seam_model_global(from, SEAM_ROLE_TOKEN_EMBD);
        assert_ptr_equal(t->type, type);
        const uint32_t width = (uint32_t)t->ne[0], n = (uint32_t)t->ne[1];
        uint8_t *file = sb_bytes(seam_model_catalog(m), t);
        float *values = sb_bytes(seam_model_catalog(from), f), *want = malloc(n * width * 4);
        /* slices over threads are what ggml makes of all rows at once */
        uint8_t *whole = malloc(t->n_bytes);
        seam_fill_quantize(type, values, whole, n, width);
        assert_memory_equal(file, whole, t->n_bytes);
        if (type->id == GGML_TYPE_F32)
            memcpy(want, file, t->n_bytes);
        else
            ggml_get_type_traits((enum ggml_type)type->id)->to_float(file, want, n * width);
        float *seen = rows_seen(m, n);
        for (uint32_t i = 0; i < n; i++)
            if (memcmp(seen + (size_t)i * width, want + (size_t)(n - 1 - i) * width, width * 4) !=
                0)
                fail_msg("%s: row %u differs from ggml's to_float", type->name, n - 1 - i);
        free(seen);
        free(want);
        free(whole);
        free(values);
        free(file);
        seam_model_close(m);
        seam_model_close(from);
        n_types++;
    }
    print_message("%d types\n", n_types);
    assert_true(n_types >= 25);
}

/* Logits after a few tokens. `streamed`: with room for the largest unit alone. */
static float *logits(const char *path, bool streamed, uint32_t *n_vocab)
{
    static const int32_t tokens[] = {7, 300, 512, 99, 1000, 31, 640, 2};
    const uint32_t n = sizeof tokens / sizeof *tokens;
    struct seam_err err = {0};
    struct seam_model *m;
    struct seam_engine *e = NULL;
    struct seam_engine_opts o = {.n_ctx = 32};
    if (seam_model_open(&m, path, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    if (streamed)
        o.weights_bytes = seam_store_measure(m, true).largest;
    if (seam_engine_open(&e, m, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(seam_engine_memory(e)->streamed, streamed);
    *n_vocab = seam_model_hparams(m)->n_vocab;
    float *out = malloc(*n_vocab * sizeof *out);
    if (seam_engine_prefill(e, 0, tokens, n - 1, NULL, NULL, &err) != SEAM_OK ||
        seam_engine_step(e, 0, tokens[n - 1], out, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_engine_close(e);
    seam_model_close(m);
    return out;
}

static void matrices_compute(void **state)
{
    (void)state;
    for (uint32_t id = 0;;) {
        const struct seam_type *type = next_type(&id);
        uint32_t n;
        if (!type)
            break;
        sb_convert(source, made, type, false);
        sb_convert(made, plain, seam_type_by_name("F32"), false);
        float *ours = logits(made, false, &n), *want = logits(plain, false, &n);
        double scale = 0, diff = 0;
        for (uint32_t i = 0; i < n; i++) {
            const double d = fabs((double)ours[i] - (double)want[i]);
            scale = fmax(scale, fabs((double)want[i]));
            diff = isfinite(d) ? fmax(diff, d) : INFINITY;
        }
        print_message("%-8s %.1e\n", type->name, diff / scale);
        /* activations are rounded to 8 bits: 1/254 of a block's largest, several layers deep */
        if (!(diff <= 0.05 * scale))
            fail_msg("%s: logits are off by %.3f of the largest", type->name, diff / scale);
        free(ours);
        free(want);
    }
}

/* Types that some processors multiply in another order: rearranged in a ring as in a resident store. */
static void streamed_is_rearranged_too(void **state)
{
    (void)state;
    static const char *const names[] = {"Q4_0", "Q4_K", "Q8_0", "IQ4_NL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t n;
        sb_convert(source, made, seam_type_by_name(names[i]), false);
        float *resident = logits(made, false, &n), *streamed = logits(made, true, &n);
        assert_memory_equal(resident, streamed, n * sizeof *resident);
        free(resident);
        free(streamed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_bit_equal),
        cmocka_unit_test(streamed_is_rearranged_too),
        cmocka_unit_test(matrices_compute),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
