/* What the plan says a node holds, against an engine that was opened on the file and has computed: five
 * models, alone with resident weights and as a sweep node that streams them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "engine/device.h"
#include "engine/engine.h"
#include "engine/gemm.h"
#include "plan/cost.h"
#include "synth_build.h"

#define WITHIN 0.02 /* the bar, for the sum and for every part */

static const char *const gqa[] = {"embedding_length=2048", "feed_forward_length=5632",
                                  "attention.head_count=16", "attention.head_count_kv=4"};
static const char *const small_moe[] = {"embedding_length=1024"};
static const char *const mla[] = {"embedding_length=2048", "feed_forward_length=4096",
                                  "expert_feed_forward_length=512", "attention.head_count=16",
                                  "attention.q_lora_rank=512"};
static const char *const dense_mla[] = {"embedding_length=2048", "feed_forward_length=4096",
                                        "leading_dense_block_count=6", "attention.head_count=16",
                                        "attention.q_lora_rank=512"};

#define SET(v) .set = (v), .n_set = sizeof(v) / sizeof *(v)
static const struct {
    const char *what, *type;
    struct seam_synth_opts o;
    uint32_t n_ctx;
} models[] = {
    {"dense GQA", "Q8_0", {.like = "llama-3.1-8b", .n_layer = 3, .n_vocab = 2048, SET(gqa)}, 4096},
    {"MoE GQA",
     "Q4_K",
     {.like = "qwen3-30b-a3b", .n_layer = 3, .n_vocab = 2048, .n_expert = 32, SET(small_moe)},
     8192},
    {"MoE MLA",
     "Q4_0",
     {.like = "kimi-k2.6", .n_layer = 6, .n_vocab = 2048, .n_expert = 16, SET(mla)},
     8192},
    {"DeltaNet hybrid",
     "Q8_0",
     {.like = "qwen3.5-397b-a17b", .n_layer = 8, .n_vocab = 2048, .n_expert = 16, SET(small_moe)},
     4096},
    {"dense MLA",
     "Q8_0",
     {.like = "kimi-k2.6", .n_layer = 6, .n_vocab = 2048, .n_expert = 16, SET(dense_mla)},
     2048},
};

static void close_to(const char *what, const char *part, double plan, double engine)
{
    print_message("  %-18s %-12s plan %11.0f, engine %11.0f: %+.2f %%\n", what, part, plan, engine,
                  100 * (plan / engine - 1));
    if (fabs(plan - engine) > WITHIN * engine)
        fail_msg("%s: %s is not within %g %%", what, part, 100 * WITHIN);
}

/* Opens, prefills half a context so that everything is really allocated and used, compares. */
static void compare(const char *what, const struct seam_model *m, const struct seam_hold *h,
                    uint32_t n_ctx, bool sweep)
{
    struct seam_engine *e;
    struct seam_err err = {0};
    const struct seam_engine_opts o = {.n_ctx = n_ctx,
                                       .n_lanes = 1,
                                       .n_threads = SEAM_COST_THREADS,
                                       .reserved_bytes = (uint64_t)h->transfer,
                                       .weights_bytes = sweep ? (uint64_t)h->weights : 0,
                                       .prefill_only = sweep};
    if (seam_engine_open(&e, m, &o, &err) != SEAM_OK)
        fail_msg("%s: %s", what, err.text);
    const struct seam_engine_memory *got = seam_engine_memory(e);
    int32_t *tokens = calloc(n_ctx, sizeof *tokens);
    assert_non_null(tokens);
    if (seam_engine_prefill(e, 0, tokens, 64, NULL, NULL, &err) != SEAM_OK)
        fail_msg("%s: %s", what, err.text);
    assert_int_equal(got->streamed, sweep);
    assert_true(seam_engine_weights_held_peak(e) <= got->weights_budget);
    close_to(what, "weights", h->weights, (double)got->weights_budget);
    close_to(what, "KV", h->kv, (double)got->kv);
    close_to(what, "activations", h->activations, (double)got->activations);
    close_to(what, "compute", h->compute, (double)got->compute);
    close_to(what, "sum", seam_hold_sum(h), (double)got->total);
    free(tokens);
    seam_engine_close(e);
}

static void against_engines(void **state)
{
    (void)state;
    seam_device_load();
    if (!seam_gemm_available()) /* the plan counts the scores that a BLAS writes: without one it is a bound */
        skip();
    char path[] = "/tmp/seam-plan-XXXXXX.gguf";
    int fd = mkstemps(path, 5);
    struct seam_err err = {0};
    struct seam_inventory *v;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(seam_inventory_open(&v, NULL, &err), SEAM_OK);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct seam_model *m = NULL;
        struct seam_shape *s = NULL;
        sb_synth(path, models[i].o, models[i].type, 1, false, 2);
        if (seam_model_open(&m, path, &err) != SEAM_OK ||
            seam_shape_open(&s, v, path, &err) != SEAM_OK)
            fail_msg("%s: %s", models[i].what, err.text);
        const struct seam_hold solo = seam_cost_hold(s, 0, s->hp.n_layer, models[i].n_ctx),
                               sweep = seam_cost_hold_sweep(s, models[i].n_ctx);
        print_message("%s, solo\n", models[i].what);
        compare(models[i].what, m, &solo, models[i].n_ctx, false);
        print_message("%s, sweep\n", models[i].what);
        compare(models[i].what, m, &sweep, models[i].n_ctx, true);
        seam_shape_close(s);
        seam_model_close(m);
    }
    seam_inventory_close(v);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_engines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
