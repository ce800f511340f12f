/* bench_sweep.c - `seam bench sweep`: prompts swept as a sweep node does, with weights resident or
 * streamed, and on a GPU the share of what the device can do. docs/bench.md explains the numbers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "cmd/bench.h"
#include "cmd/json.h"
#include "engine/accel.h"

#define LIMIT_TOKENS 16384u /* of the attention that is measured */

struct sample {
    uint64_t ns, read_ns, read_bytes;
    struct seam_accel_work work;
};

struct sweep {
    struct seam_bench *b;
    struct seam_engine *e;
    int32_t *tokens;
    struct sample s[SEAM_BENCH_TESTS_MAX][SEAM_STATS_MAX];
    struct seam_accel_limits limits;
    uint64_t device_used; /* most, after any test */
    bool device;
};

/* ---- run ---- */

static uint32_t longest(const struct seam_bench *b)
{
    uint32_t most = 1;
    for (size_t i = 0; i < b->n_tests; i++)
        most = b->tests[i].n > most ? b->tests[i].n : most;
    return most;
}

static seam_status open_all(struct sweep *s, struct seam_err *err)
{
    const struct seam_bench_options *o = s->b->o;
    const uint32_t n = longest(s->b), n_vocab = seam_model_hparams(s->b->model)->n_vocab;
    struct seam_engine_opts eo = {.n_ctx = n,
                                  .n_lanes = 1,
                                  .chunk = o->chunk,
                                  .n_threads = s->b->n_threads,
                                  .weights_bytes = o->weights_memory,
                                  .mmap = seam_mmap_named(o->mmap, SEAM_MMAP_OFF),
                                  .prefill_only = true,
                                  .device = o->device,
                                  .device_memory_bytes = o->device_memory};
    uint64_t x = 1;
    s->tokens = malloc(n * sizeof *s->tokens);
    if (!s->tokens)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %u tokens", n);
    for (uint32_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        s->tokens[i] = (int32_t)((x >> 33) % n_vocab);
    }
    seam_status st = seam_engine_open(&s->e, s->b->model, &eo, err);
    if (st != SEAM_OK)
        return st;
    s->device = seam_engine_sweep_work(s->e) != NULL;
    s->b->memory = *seam_engine_memory(s->e);
    snprintf(s->b->device, sizeof s->b->device, "%s", seam_engine_device(s->e));
    return SEAM_OK;
}

static seam_status sweep_once(struct sweep *s, uint32_t n, struct sample *to, struct seam_err *err)
{
    struct seam_trace trace;
    const uint32_t n_layer = seam_model_hparams(s->b->model)->n_layer;
    seam_status st = seam_trace_init(&trace, n_layer, err);
    if (st != SEAM_OK)
        return st;
    seam_engine_kv_set_len(s->e, 0, 0);
    uint64_t begin = seam_mono_ns();
    st = seam_engine_prefill(s->e, 0, s->tokens, n, NULL, &trace, err);
    to->ns = seam_mono_ns() - begin;
    for (uint32_t i = 0; i < n_layer; i++) {
        to->read_ns += trace.layers[i].read.busy_ns;
        to->read_bytes += trace.layers[i].read.bytes;
    }
    if (s->device)
        to->work = *seam_engine_sweep_work(s->e);
    uint64_t used = seam_engine_device_used(s->e);
    s->device_used = used > s->device_used ? used : s->device_used;
    seam_trace_release(&trace);
    return st;
}

static seam_status run_test(struct sweep *s, size_t i, struct seam_err *err)
{
    struct seam_bench_test *t = &s->b->tests[i];
    struct sample ignored = {0};
    seam_status st = SEAM_OK;
    if (!s->b->o->no_warmup)
        st = sweep_once(s, t->n, &ignored, err);
    for (; st == SEAM_OK && t->repeats < s->b->o->repeats; t->repeats++) {
        struct sample *to = &s->s[i][t->repeats];
        st = sweep_once(s, t->n, to, err);
        t->seam.ns[t->repeats] = (double)to->ns;
    }
    if (st == SEAM_OK)
        seam_info("bench sweep of %u tokens: %.3f s", t->n, t->seam.ns[0] / 1e9);
    return st;
}

/* ---- what the device could do ---- */

static double flop_of(const struct seam_accel_work *w, bool attention)
{
    double sum = 0;
    for (int i = 0; i < SEAM_STAGE_COUNT; i++)
        if ((i == SEAM_STAGE_ATTEND) == attention)
            sum += w->flop[i];
    return sum;
}

struct limit { /* seconds */
    double matmul, attend, copy, sum;
};

static struct limit limit_of(const struct sweep *s, const struct seam_accel_work *w)
{
    struct limit l = {.matmul = flop_of(w, false) / s->limits.matmul_flops,
                      .attend = flop_of(w, true) / s->limits.attend_flops,
                      .copy = (double)w->copied / s->limits.copy_rate};
    l.sum = l.matmul + l.attend + l.copy;
    return l;
}

/* ---- print ---- */

static void add_work(yyjson_mut_doc *d, yyjson_mut_val *o, const struct sweep *s,
                     const struct sample *x)
{
    const struct seam_accel_work *w = &x->work;
    const struct limit l = limit_of(s, w);
    yyjson_mut_obj_add_real(d, o, "device_s", w->total_ns / 1e9);
    yyjson_mut_obj_add_real(d, o, "copy_s", w->copy_ns / 1e9);
    yyjson_mut_obj_add_uint(d, o, "copied_bytes", w->copied);
    yyjson_mut_obj_add_uint(d, o, "unpacked_bytes", w->unpacked);
    yyjson_mut_val *stages = yyjson_mut_obj_add_obj(d, o, "stages");
    for (int i = 0; i < SEAM_STAGE_COUNT; i++) {
        yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, stages, seam_stage_name((enum seam_stage)i));
        yyjson_mut_obj_add_real(d, v, "s", w->ns[i] / 1e9);
        if (w->flop[i] > 0)
            yyjson_mut_obj_add_real(d, v, "flop", w->flop[i]);
    }
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, "limit");
    yyjson_mut_obj_add_real(d, v, "matmul_s", l.matmul);
    yyjson_mut_obj_add_real(d, v, "attend_s", l.attend);
    yyjson_mut_obj_add_real(d, v, "copy_s", l.copy);
    yyjson_mut_obj_add_real(d, v, "sum_s", l.sum);
    yyjson_mut_obj_add_real(d, v, "share_of_sum", l.sum / ((double)x->ns / 1e9));
    double overlapped = l.matmul + l.attend > l.copy ? l.matmul + l.attend : l.copy;
    yyjson_mut_obj_add_real(d, v, "share_of_overlapped", overlapped / ((double)x->ns / 1e9));
}

static void add_tests(yyjson_mut_doc *d, yyjson_mut_val *root, const struct sweep *s)
{
    yyjson_mut_val *tests = yyjson_mut_obj_add_arr(d, root, "tests");
    for (size_t i = 0; i < s->b->n_tests; i++) {
        const struct seam_bench_test *t = &s->b->tests[i];
        for (size_t k = 0; k < t->repeats; k++) {
            const struct sample *x = &s->s[i][k];
            yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, tests);
            yyjson_mut_obj_add_uint(d, o, "tokens", t->n);
            yyjson_mut_obj_add_real(d, o, "wall_s", (double)x->ns / 1e9);
            yyjson_mut_obj_add_real(d, o, "tokens_per_s", t->n / ((double)x->ns / 1e9));
            yyjson_mut_obj_add_real(d, o, "read_s", (double)x->read_ns / 1e9);
            yyjson_mut_obj_add_uint(d, o, "read_bytes", x->read_bytes);
            if (s->device)
                add_work(d, o, s, x);
        }
    }
}

static seam_status print_json(const struct sweep *s, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    seam_bench_head(d, root, s->b);
    yyjson_mut_obj_add_str(d, root, "device", s->b->device);
    yyjson_mut_obj_add_bool(d, root, "streamed", s->b->memory.streamed);
    yyjson_mut_obj_add_uint(d, root, "layers", seam_model_hparams(s->b->model)->n_layer);
    if (s->device) {
        yyjson_mut_val *m = yyjson_mut_obj_add_obj(d, root, "device_memory");
        yyjson_mut_obj_add_uint(d, m, "planned_bytes", s->b->memory.device);
        yyjson_mut_obj_add_uint(d, m, "used_bytes", s->device_used);
        yyjson_mut_val *l = yyjson_mut_obj_add_obj(d, root, "limits");
        yyjson_mut_obj_add_real(d, l, "matmul_flops", s->limits.matmul_flops);
        yyjson_mut_obj_add_real(d, l, "attend_flops", s->limits.attend_flops);
        yyjson_mut_obj_add_real(d, l, "copy_bytes_per_s", s->limits.copy_rate);
        yyjson_mut_obj_add_real(d, l, "device_bytes_per_s", s->limits.device_rate);
    }
    add_tests(d, root, s);
    return seam_json_put(d, 0, err);
}

static void print_stages(const struct sweep *s, size_t i)
{
    const struct seam_bench_test *t = &s->b->tests[i];
    const struct sample *x = &s->s[i][0];
    const struct limit l = limit_of(s, &x->work);
    printf("%8u", t->n);
    for (int k = 0; k < SEAM_STAGE_COUNT; k++)
        printf(" %9.1f", x->work.ns[k] / 1e6);
    printf(" %9.1f %7.0f%%\n", x->work.copy_ns / 1e6, 100 * l.sum / ((double)x->ns / 1e9));
}

static void print_table(const struct sweep *s)
{
    char a[32], b[32];
    printf("device   %s\n\n%8s %12s %12s\n", s->b->device, "tokens", "seconds", "tokens/s");
    for (size_t i = 0; i < s->b->n_tests; i++) {
        const struct seam_bench_test *t = &s->b->tests[i];
        struct seam_stats st = seam_bench_rates(t, &t->seam);
        printf("%8u %12.3f %12.1f\n", t->n, t->n / st.median, st.median);
    }
    if (!s->device)
        return;
    printf(
        "\nlimits   products %.0f TFLOP/s, attention %.0f TFLOP/s, copies %.1f GB/s, in the device "
        "%.0f GB/s\nmemory   planned %s, used %s\n\nmilliseconds of the first repeat\n%8s",
        s->limits.matmul_flops / 1e12, s->limits.attend_flops / 1e12, s->limits.copy_rate / 1e9,
        s->limits.device_rate / 1e9, seam_size_format(s->b->memory.device, a, sizeof a),
        seam_size_format(s->device_used, b, sizeof b), "tokens");
    for (int k = 0; k < SEAM_STAGE_COUNT; k++)
        printf(" %9s", seam_stage_name((enum seam_stage)k));
    printf(" %9s %8s\n", "copies", "limit");
    for (size_t i = 0; i < s->b->n_tests; i++)
        print_stages(s, i);
}

seam_status seam_bench_sweep(struct seam_bench *b, struct seam_err *err)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a benchmark");
    s->b = b;
    seam_status st = open_all(s, err);
    for (size_t i = 0; st == SEAM_OK && i < b->n_tests; i++)
        if (b->tests[i].kind == SEAM_BENCH_PREFILL)
            st = run_test(s, i, err);
    if (st == SEAM_OK && s->device)
        st = seam_engine_sweep_limits(s->e, LIMIT_TOKENS, &s->limits, err);
    if (st == SEAM_OK) {
        if (b->o->json)
            st = print_json(s, err);
        else
            print_table(s);
    }
    seam_engine_close(s->e);
    free(s->tokens);
    free(s);
    return st;
}
