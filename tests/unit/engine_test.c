/* engine_test.c - logits against transformers (tests/golden/, made by tools/golden/), and that
 * residency, form, chunking and cached prefixes do not change what is computed.
 *
 * A golden case NAME is NAME.gguf, NAME.json {tokens, n_vocab, positions, ...} and NAME.f32: for
 * every listed position the n_vocab logits that predict the next token, float32 little-endian. */
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/engine.h"

#define GOLDEN SEAM_SOURCE_DIR "/tests/golden/"

/* The bar: maximum over logits of |ours - theirs|, relative to the largest |theirs|, in f32. */
#define TOLERANCE 1e-3

struct golden {
    char name[256];
    struct seam_model *model;
    int32_t *tokens;
    uint32_t n_tokens, n_vocab, n_positions;
    uint32_t *positions;
    float *logits; /* [n_positions][n_vocab] */
};

static void path_of(char *out, size_t len, const char *name, const char *suffix)
{
    snprintf(out, len, GOLDEN "%s%s", name, suffix);
}

static void golden_open(struct golden *g, const char *name)
{
    char path[512];
    struct seam_err err = {0};
    memset(g, 0, sizeof *g);
    snprintf(g->name, sizeof g->name, "%s", name);
    path_of(path, sizeof path, name, ".gguf");
    if (seam_model_open(&g->model, path, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    path_of(path, sizeof path, name, ".json");
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
    assert_non_null(doc);
    yyjson_val *root = yyjson_doc_get_root(doc), *v;
    yyjson_val *tokens = yyjson_obj_get(root, "tokens"), *at = yyjson_obj_get(root, "positions");
    g->n_vocab = (uint32_t)yyjson_get_uint(yyjson_obj_get(root, "n_vocab"));
    g->tokens = calloc(yyjson_arr_size(tokens), sizeof *g->tokens);
    g->positions = calloc(yyjson_arr_size(at), sizeof *g->positions);
    size_t i, max;
    yyjson_arr_foreach(tokens, i, max, v) g->tokens[g->n_tokens++] = (int32_t)yyjson_get_int(v);
    yyjson_arr_foreach(at, i, max, v) g->positions[g->n_positions++] = (uint32_t)yyjson_get_uint(v);
    yyjson_doc_free(doc);
    assert_true(g->n_positions > 0 && g->n_tokens > 8);
    assert_int_equal(g->n_vocab, seam_model_hparams(g->model)->n_vocab);

    path_of(path, sizeof path, name, ".f32");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = (size_t)g->n_positions * g->n_vocab;
    g->logits = malloc(n * sizeof *g->logits);
    assert_int_equal(fread(g->logits, sizeof *g->logits, n, f), n);
    fclose(f);
}

static void golden_close(struct golden *g)
{
    seam_model_close(g->model);
    free(g->tokens);
    free(g->positions);
    free(g->logits);
}

/* NULL: the device of SEAM_TEST_DEVICE lacks an operation for shapes as small as these. */
static struct seam_engine *open_engine(const struct golden *g, const struct seam_engine_opts *o)
{
    struct seam_engine *e;
    struct seam_err err = {0};
    seam_status st = seam_engine_open(&e, g->model, o, &err);
    if (st == SEAM_EUNSUPPORTED && o->decode_device && strcmp(o->decode_device, "CPU") != 0)
        print_message("  %s: left out: %s\n", g->name, err.text);
    else if (st != SEAM_OK)
        fail_msg("%s: %s", g->name, err.text);
    return e;
}

/* Logits after each token from `first` on: prefill [0, first), then steps. */
static float *run(struct seam_engine *e, const struct golden *g, uint32_t first)
{
    struct seam_err err = {0};
    float *out = malloc((size_t)g->n_tokens * g->n_vocab * sizeof *out);
    assert_non_null(out);
    if (seam_engine_prefill(e, 0, g->tokens, first, NULL, NULL, &err) != SEAM_OK)
        fail_msg("%s: %s", g->name, err.text);
    assert_int_equal(seam_engine_kv_len(e, 0), first);
    for (uint32_t i = first; i < g->n_tokens; i++)
        if (seam_engine_step(e, 0, g->tokens[i], out + (size_t)i * g->n_vocab, &err) != SEAM_OK)
            fail_msg("%s: %s", g->name, err.text);
    return out;
}

/* Of the logits after position p, relative to the largest; infinite for a NaN. */
static double error_at(const struct golden *g, const float *ours, uint32_t p)
{
    const float *want = g->logits + (size_t)p * g->n_vocab;
    const float *got = ours + (size_t)g->positions[p] * g->n_vocab;
    double scale = 0, diff = 0;
    for (uint32_t i = 0; i < g->n_vocab; i++) {
        scale = fmax(scale, fabs((double)want[i]));
        double d = fabs((double)want[i] - (double)got[i]);
        diff = isfinite(d) ? fmax(diff, d) : INFINITY;
    }
    return diff / scale;
}

static double worst(const struct golden *g, const float *ours, uint32_t first)
{
    double most = 0;
    for (uint32_t p = 0; p < g->n_positions; p++)
        if (g->positions[p] >= first)
            most = fmax(most, error_at(g, ours, p));
    return most;
}

/* Call fn for every golden case; there must be some of every architecture. */
static void for_golden(void (*fn)(const struct golden *g))
{
    static const char *const archs[] = {"deepseek2", "llama",  "qwen3",
                                        "qwen3moe",  "qwen35", "qwen35moe"};
    glob_t found;
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        char pattern[256];
        snprintf(pattern, sizeof pattern, GOLDEN "%s-*.json", archs[i]);
        assert_int_equal(glob(pattern, i ? GLOB_APPEND : 0, NULL, &found), 0);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char name[256];
        const char *base = strrchr(found.gl_pathv[i], '/') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(base) - 5), base);
        struct golden g;
        golden_open(&g, name);
        fn(&g);
        golden_close(&g);
    }
    globfree(&found);
}

static void compare(const struct golden *g, enum seam_mla_form form, uint32_t chunk)
{
    struct seam_engine_opts o = {.kv_type = SEAM_KV_F32,
                                 .form = form,
                                 .chunk = chunk,
                                 .n_threads = 2};
    uint32_t first = g->positions[0];
    struct seam_engine *e = open_engine(g, &o);
    float *ours = run(e, g, first);
    double error = worst(g, ours, first);
    print_message("  %s form %d chunk %u: %.2e\n", g->name, (int)form, chunk, error);
    assert_true(error <= TOLERANCE);
    free(ours);
    seam_engine_close(e);
}

static void both_forms(const struct golden *g)
{
    compare(g, SEAM_MLA_ABSORBED, 512);
    compare(g, SEAM_MLA_EXPANDED, 512);
    compare(g, SEAM_MLA_EXPANDED, 7); /* several chunks, the last one shorter */
    compare(g, SEAM_MLA_AUTO, 16);
}

static void logits_agree_with_transformers(void **state)
{
    (void)state;
    for_golden(both_forms);
}

static void residency(const struct golden *g)
{
    struct seam_engine_opts o = {.kv_type = SEAM_KV_F16,
                                 .chunk = 16,
                                 .n_threads = 2,
                                 .mmap = SEAM_MMAP_OFF};
    uint32_t first = g->n_tokens - 4;
    struct seam_engine *e = open_engine(g, &o);
    assert_false(seam_engine_memory(e)->streamed || seam_engine_memory(e)->mapped);
    float *resident = run(e, g, first);
    uint64_t all = seam_engine_memory(e)->weights_model;
    const uint64_t smallest = seam_engine_memory(e)->weights_smallest;
    assert_true(smallest < all);
    seam_engine_close(e);

    size_t at = (size_t)first * g->n_vocab, n = (size_t)(g->n_tokens - first) * g->n_vocab;
    for (int mapped = 0; mapped < 2; mapped++) {
        o.mmap = mapped ? SEAM_MMAP_ON : SEAM_MMAP_AUTO;
        o.weights_bytes = mapped ? 0 : smallest;
        e = open_engine(g, &o);
        assert_int_equal(seam_engine_memory(e)->streamed, !mapped);
        assert_int_equal(seam_engine_memory(e)->mapped, mapped);
        float *other = run(e, g, first);
        assert_true(seam_engine_weights_held_peak(e) <= (mapped ? all : smallest));
        assert_memory_equal(resident + at, other + at, n * sizeof *resident);
        free(other);
        seam_engine_close(e);
    }
    free(resident);
}

static void streamed_and_mapped_weights_give_the_same_bits(void **state)
{
    (void)state;
    for_golden(residency);
}

/* ---- a mapped file that is written to ---- */

static void touch(const char *path, time_t when)
{
    const struct timespec times[] = {{.tv_sec = when}, {.tv_sec = when}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static seam_status touch_file(void *user, uint32_t layer, uint32_t pos, uint32_t n,
                              const void *rows, size_t bytes, struct seam_err *err)
{
    (void)layer, (void)pos, (void)n, (void)rows, (void)bytes, (void)err;
    touch(user, 1);
    return SEAM_OK;
}

/* Before a call, or inside of it: never other tokens without a word. */
static void written_to(const struct golden *g)
{
    char path[] = "/tmp/seam-engine-XXXXXX.gguf";
    struct seam_engine_opts o = {.n_threads = 1, .n_ctx = 64, .chunk = 4, .mmap = SEAM_MMAP_ON};
    struct seam_prefill_hooks hooks = {.user = path, .piece = touch_file};
    struct seam_model *m;
    struct seam_engine *e;
    struct seam_err err = {0};
    float *logits = malloc(g->n_vocab * sizeof *logits);
    int to = mkstemps(path, 5), from;
    char *bytes = malloc(1 << 24);
    assert_non_null(logits);
    assert_non_null(bytes);
    char source[512];
    path_of(source, sizeof source, g->name, ".gguf");
    assert_true((from = open(source, O_RDONLY)) >= 0);
    ssize_t n = read(from, bytes, 1 << 24);
    assert_true(n > 0 && n < 1 << 24);
    assert_int_equal(write(to, bytes, (size_t)n), n);
    close(from);
    close(to);
    free(bytes);
    touch(path, 1000);
    assert_int_equal(seam_model_open(&m, path, &err), SEAM_OK);
    if (seam_engine_open(&e, m, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 2, NULL, NULL, &err), SEAM_OK);
    assert_int_equal(seam_engine_step(e, 0, g->tokens[2], logits, &err), SEAM_OK);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 8, &hooks, NULL, &err), SEAM_EFORMAT);
    assert_non_null(strstr(err.text, "has changed"));
    const uint32_t kept = seam_engine_kv_len(e, 0);
    assert_true(kept == 3 || (seam_engine_recurrent(e) && kept == 0));
    assert_int_equal(seam_engine_step(e, 0, g->tokens[0], logits, &err), SEAM_EFORMAT);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 8, NULL, NULL, &err), SEAM_EFORMAT);
    assert_int_equal(seam_engine_kv_len(e, 0), kept);
    touch(path, 1000); /* as it was: nothing else was wrong */
    assert_int_equal(seam_engine_step(e, 0, g->tokens[0], logits, &err), SEAM_OK);
    seam_engine_close(e);
    seam_model_close(m);
    unlink(path);
    free(logits);
}

static void a_mapped_file_that_is_written_to_is_an_error(void **state)
{
    (void)state;
    for_golden(written_to);
}

/* A cached prefix, and rows copied from another engine's lane, continue as if computed here. */
static void prefix(const struct golden *g)
{
    struct seam_err err = {0};
    struct seam_engine_opts o = {.kv_type = SEAM_KV_F32, .chunk = 8, .n_threads = 2, .n_lanes = 2};
    uint32_t first = g->positions[0], half = first / 2,
             n_layer = seam_model_hparams(g->model)->n_layer;
    struct seam_engine *e = open_engine(g, &o);
    assert_int_equal(seam_engine_prefill(e, 1, g->tokens, half, NULL, NULL, &err), SEAM_OK);
    for (uint32_t layer = 0; layer < n_layer; layer++) {
        seam_engine_memory_begin(e, 0, layer, 0, half);
        memcpy(seam_engine_memory_at(e, 0, layer, 0), seam_engine_memory_at(e, 1, layer, 0),
               seam_engine_memory_bytes(e, layer, half));
        seam_engine_memory_end(e, 0, layer, half);
    }
    assert_int_equal(seam_engine_kv_set_len(e, 0, half), half);
    float *ours = run(e, g, first);
    assert_true(worst(g, ours, first) <= TOLERANCE);
    free(ours);
    seam_engine_close(e);
}

static void a_cached_prefix_is_continued(void **state)
{
    (void)state;
    for_golden(prefix);
}

struct pieces {
    const struct golden *g;
    uint32_t *seen; /* per layer: tokens in order so far */
    uint32_t stop_at;
};

static seam_status on_piece(void *user, uint32_t layer, uint32_t pos, uint32_t n, const void *rows,
                            size_t bytes, struct seam_err *err)
{
    struct pieces *p = user;
    assert_non_null(rows);
    assert_true(bytes > 0);
    assert_int_equal(pos, p->seen[layer]);
    p->seen[layer] += n;
    if (layer == p->stop_at)
        return seam_fail(err, SEAM_EPEER, "the peer is gone");
    return SEAM_OK;
}

static void pieces(const struct golden *g)
{
    struct seam_err err = {0};
    uint32_t n_layer = seam_model_hparams(g->model)->n_layer;
    uint32_t *seen = calloc(n_layer, sizeof *seen);
    struct pieces p = {g, seen, UINT32_MAX};
    struct seam_prefill_hooks hooks = {.user = &p, .piece = on_piece};
    struct seam_engine_opts o = {.chunk = 8, .n_threads = 2, .prefill_only = true};
    struct seam_engine *e = open_engine(g, &o);
    struct seam_trace trace;
    assert_int_equal(seam_trace_init(&trace, n_layer, &err), SEAM_OK);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 20, &hooks, &trace, &err), SEAM_OK);
    for (uint32_t i = 0; i < n_layer; i++) {
        assert_int_equal(seen[i], 20);
        assert_true(trace.layers[i].compute.begin_ns > 0);
    }
    float *none = malloc(g->n_vocab * sizeof *none);
    assert_int_not_equal(seam_engine_step(e, 0, 1, none, &err), SEAM_OK); /* no head here */

    memset(seen, 0, n_layer * sizeof *seen);
    seam_engine_kv_set_len(e, 0, 0);
    p.stop_at = n_layer - 1;
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 20, &hooks, NULL, &err), SEAM_EPEER);
    assert_int_equal(seam_engine_kv_len(e, 0), 0); /* as before the failure */
    seam_engine_cancel(e);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 20, NULL, NULL, &err), SEAM_ECANCELED);
    seam_engine_cancel_clear(e);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 20, NULL, NULL, &err), SEAM_OK);
    free(none);
    free(seen);
    seam_trace_release(&trace);
    seam_engine_close(e);
}

static void pieces_come_in_order_and_failures_leave_the_lane_alone(void **state)
{
    (void)state;
    for_golden(pieces);
}

static void budgets(const struct golden *g)
{
    struct seam_err err = {0};
    struct seam_engine *e;
    struct seam_engine_opts o = {.n_threads = 1, .n_ctx = 64};
    e = open_engine(g, &o);
    const struct seam_engine_memory m = *seam_engine_memory(e);
    assert_int_equal(m.total, m.weights_budget + m.kv + m.activations + m.compute + m.reserved);
    seam_engine_close(e);

    o.memory_bytes = m.total - m.weights_budget + m.weights_smallest; /* the smallest that works */
    e = open_engine(g, &o);
    assert_true(seam_engine_memory(e)->total <= o.memory_bytes);
    seam_engine_close(e);
    o.memory_bytes--;
    assert_int_equal(seam_engine_open(&e, g->model, &o, &err), SEAM_ENOMEM);
    assert_null(e);
    assert_non_null(strstr(err.text, "smallest that works"));

    o.memory_bytes = 0;
    o.weights_bytes = m.weights_smallest - 1;
    assert_int_equal(seam_engine_open(&e, g->model, &o, &err), SEAM_ENOMEM);
    assert_non_null(strstr(err.text, "--weights-memory"));

    o.weights_bytes = 0;
    o.n_ctx = seam_model_hparams(g->model)->n_ctx_train + 1;
    assert_int_equal(seam_engine_open(&e, g->model, &o, &err), SEAM_EINVAL);

    o.n_ctx = 8;
    e = open_engine(g, &o);
    assert_int_equal(seam_engine_prefill(e, 0, g->tokens, 9, NULL, NULL, &err), SEAM_ECONTEXT);
    const int32_t bad[] = {1, -1}, worse[] = {1, (int32_t)g->n_vocab};
    assert_int_equal(seam_engine_prefill(e, 0, bad, 2, NULL, NULL, &err), SEAM_EINVAL);
    assert_int_equal(seam_engine_prefill(e, 0, worse, 2, NULL, NULL, &err), SEAM_EINVAL);
    seam_engine_close(e);
}

static void budgets_are_kept_or_refused_with_the_sum(void **state)
{
    (void)state;
    for_golden(budgets);
}

/* ---- a device of ggml's (offload.h): its CPU device, which every machine has, or SEAM_TEST_DEVICE ---- */

static const char *test_device(void)
{
    const char *name = getenv("SEAM_TEST_DEVICE");
    return name ? name : "CPU";
}

/* f16 values, or a GPU's TF32 products: rounding is seen, and may send a token to another of two experts
 * that are as good. That token is then far off, and those after it, which attend to it, a little. */
#define ROUNDED_MEDIAN 3e-2
#define ROUNDED_MOST   2e-1 /* of nine positions in ten */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void assert_agrees(const struct golden *g, const float *ours, uint32_t first, bool exact)
{
    if (exact) {
        assert_true(worst(g, ours, first) <= TOLERANCE);
        return;
    }
    double *error = calloc(g->n_positions, sizeof *error);
    uint32_t n = 0;
    for (uint32_t p = 0; p < g->n_positions; p++)
        if (g->positions[p] >= first)
            error[n++] = error_at(g, ours, p);
    assert_true(n >= 10);
    qsort(error, n, sizeof *error, by_value);
    print_message("  %s: median %.1e, nine in ten below %.1e, worst %.1e\n", g->name, error[n / 2],
                  error[n * 9 / 10], error[n - 1]);
    assert_true(error[n / 2] <= ROUNDED_MEDIAN && error[n * 9 / 10] <= ROUNDED_MOST);
    free(error);
}

static void offloaded(const struct golden *g)
{
    for (int i = 0; i < 4; i++) {
        struct seam_engine_opts o = {.kv_type = i & 1 ? SEAM_KV_F16 : SEAM_KV_F32,
                                     .chunk = i & 2 ? 7 : 512,
                                     .n_threads = 2,
                                     .decode_device = test_device(),
                                     .decode_plain = i & 2};
        const uint32_t first = g->positions[0];
        struct seam_engine *e = open_engine(g, &o);
        if (!e)
            return;
        assert_true(seam_engine_memory(e)->offload > 0);
        float *ours = run(e, g, first);
        print_message("  %s on %s, KV %s: %.2e\n", g->name, seam_engine_device(e),
                      i & 1 ? "f16" : "f32", worst(g, ours, first));
        assert_agrees(g, ours, first, !(i & 1) && !strcmp(test_device(), "CPU"));
        free(ours);
        seam_engine_close(e);
    }
}

static void a_device_decodes_as_transformers_do(void **state)
{
    (void)state;
    for_golden(offloaded);
}

/* Tokens [from, to) as a handoff would bring them: computed elsewhere, written to the host's memory. */
static void hand_off(struct seam_engine *e, struct seam_engine *sweep, const struct golden *g,
                     uint32_t from, uint32_t to)
{
    struct seam_err err = {0};
    seam_engine_kv_set_len(sweep, 0, 0);
    assert_int_equal(seam_engine_prefill(sweep, 0, g->tokens, to, NULL, NULL, &err), SEAM_OK);
    seam_engine_kv_set_len(e, 0, from);
    for (uint32_t i = 0; i < seam_model_hparams(g->model)->n_layer; i++) {
        const uint32_t pos = seam_engine_has_state(e, i) ? 0 : from;
        seam_engine_memory_begin(e, 0, i, from, to);
        memcpy(seam_engine_memory_at(e, 0, i, pos), seam_engine_memory_at(sweep, 0, i, pos),
               seam_engine_memory_bytes(e, i, to - pos));
        seam_engine_memory_end(e, 0, i, to);
    }
    assert_int_equal(seam_engine_kv_set_len(e, 0, to), to);
}

/* What a decode node does with a device: a handoff, some steps, a second handoff behind a part of them,
 * steps again; then somebody reads the host's memory. */
static void turns(const struct golden *g)
{
    struct seam_err err = {0};
    const uint32_t first = g->positions[0], half = first / 2;
    struct seam_engine_opts o = {.kv_type = SEAM_KV_F32, .n_threads = 2, .n_lanes = 2};
    struct seam_engine *sweep = open_engine(g, &o), *e;
    o.decode_device = test_device();
    o.decode_plain = true;
    if (!(e = open_engine(g, &o))) {
        seam_engine_close(sweep);
        return;
    }
    float *logits = malloc(g->n_vocab * sizeof *logits);
    hand_off(e, sweep, g, 0, half);
    for (uint32_t i = half; i < first; i++) /* other tokens than the prompt's */
        assert_int_equal(seam_engine_step(e, 0, g->tokens[i] / 2, logits, &err), SEAM_OK);
    const bool recurrent = seam_engine_recurrent(e); /* a state cannot go back */
    hand_off(e, sweep, g, recurrent ? 0 : half, first);
    float *ours = run(e, g, first);
    assert_agrees(g, ours, first, true); /* one column at a time is multiplied as f32 also there */

    assert_int_equal(seam_engine_memory_fetch(e, 0, &err), SEAM_OK);
    seam_engine_kv_set_len(sweep, 0, 0);
    assert_int_equal(seam_engine_prefill(sweep, 0, g->tokens, g->n_tokens, NULL, NULL, &err),
                     SEAM_OK);
    for (uint32_t i = 0; i < seam_model_hparams(g->model)->n_layer; i++) {
        const float *a = seam_engine_memory_at(e, 0, i, 0);
        const float *b = seam_engine_memory_at(sweep, 0, i, 0);
        const size_t n = seam_engine_memory_bytes(e, i, g->n_tokens) / sizeof *a;
        double scale = 0, diff = 0;
        for (size_t j = 0; j < n; j++) {
            scale = fmax(scale, fabs((double)b[j]));
            diff = fmax(diff, fabs((double)a[j] - (double)b[j]));
        }
        assert_true(scale > 0 && diff <= TOLERANCE * scale);
    }
    free(ours);
    free(logits);
    seam_engine_close(e);
    seam_engine_close(sweep);
}

static void a_device_takes_handoffs_between_steps(void **state)
{
    (void)state;
    for_golden(turns);
}

static void a_device_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct golden g;
    struct seam_err err = {0};
    struct seam_engine *e;
    struct seam_engine_opts o = {.n_threads = 1, .decode_device = "abacus"};
    golden_open(&g, "deepseek2-dense0");
    assert_int_equal(seam_engine_open(&e, g.model, &o, &err), SEAM_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "abacus"));
    o.decode_device = "auto"; /* a GPU or none: either way it opens */
    e = open_engine(&g, &o);
    seam_engine_close(e);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_agree_with_transformers),
        cmocka_unit_test(streamed_and_mapped_weights_give_the_same_bits),
        cmocka_unit_test(a_mapped_file_that_is_written_to_is_an_error),
        cmocka_unit_test(a_cached_prefix_is_continued),
        cmocka_unit_test(pieces_come_in_order_and_failures_leave_the_lane_alone),
        cmocka_unit_test(budgets_are_kept_or_refused_with_the_sum),
        cmocka_unit_test(a_device_decodes_as_transformers_do),
        cmocka_unit_test(a_device_takes_handoffs_between_steps),
        cmocka_unit_test(a_device_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
