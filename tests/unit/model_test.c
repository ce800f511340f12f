/* Hyper-parameters, roles and shapes of deepseek2, on files made in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>

#include "gguf_build.h"
#include "model/model.h"

static seam_status open_bytes(struct seam_model **m, struct gb *b, struct seam_err *err)
{
    size_t n;
    uint8_t *p = gb_finish(b, &n);
    struct seam_catalog *c;
    seam_err_clear(err);
    seam_status st = seam_catalog_open_memory(&c, p, n, err);
    free(p);
    if (st != SEAM_OK)
        fail_msg("catalogue: %s", err->text);
    st = seam_model_from_catalog(m, c, err);
    if (st != SEAM_OK)
        seam_catalog_close(c);
    return st;
}

static struct seam_model *open_ok(struct gb *b)
{
    struct seam_model *m;
    struct seam_err err;
    if (open_bytes(&m, b, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return m;
}

static void expect_fail(struct gb *b, seam_status want, const char *words)
{
    struct seam_model *m;
    struct seam_err err;
    seam_status st = open_bytes(&m, b, &err);
    if (st == SEAM_OK)
        fail_msg("opened, though '%s' was expected", words);
    if (st != want || !strstr(err.text, words))
        fail_msg("expected %s '%s', got %s '%s'", seam_status_name(want), words,
                 seam_status_name(st), err.text);
}

static void near(float a, double b)
{
    if (fabs((double)a - b) > 1e-6 * (1 + fabs(b)))
        fail_msg("%.8g is not %.8g", (double)a, b);
}

static struct gb mla(const struct gb_mla *o)
{
    struct gb b = {0};
    gb_mla_keys(&b, o);
    gb_mla_tensors(&b, o);
    return b;
}

static void test_plain(void **state)
{
    (void)state;
    struct gb b = mla(&(struct gb_mla){.q_lora = 24, .n_dense = 1});
    struct seam_model *m = open_ok(&b);
    const struct seam_hparams *hp = seam_model_hparams(m);
    assert_int_equal(hp->n_layer, 3);
    assert_int_equal(hp->n_dense, 1);
    assert_int_equal(hp->n_vocab, 40);
    assert_int_equal(hp->d_nope, 32);
    assert_int_equal(hp->d_rope, 16);
    assert_int_equal(hp->d_v, 32);
    assert_int_equal(hp->gating, SEAM_GATING_SIGMOID);
    assert_true(hp->expert_norm);
    near(hp->expert_scale, 2.5);
    near(hp->kq_scale, 1 / sqrt(48.0));
    near(hp->rope_freq_scale, 1);
    near(hp->rope_ext_factor, 0);
    near(hp->rope_attn_factor, 1);
    near(hp->beta_fast, 32);
    assert_int_equal(hp->n_ctx_orig, 512);
    assert_int_equal(hp->n_group, 1);
    assert_int_equal(seam_model_kv_values(m, 0), 48);
    assert_string_equal(seam_model_arch(m), "deepseek2");

    const struct seam_layer *l0 = seam_model_layer(m, 0), *l1 = seam_model_layer(m, 1);
    assert_true(l0->dense);
    assert_false(l1->dense);
    assert_non_null(l0->role[SEAM_ROLE_FFN_DOWN]);
    assert_null(l0->role[SEAM_ROLE_ROUTER]);
    assert_null(l1->role[SEAM_ROLE_FFN_DOWN]);
    assert_non_null(l1->role[SEAM_ROLE_ROUTER_BIAS]);
    assert_non_null(l1->role[SEAM_ROLE_ATTN_K_B]);
    assert_null(l1->role[SEAM_ROLE_ATTN_KV_B]);
    assert_null(l1->role[SEAM_ROLE_ATTN_Q]);
    assert_string_equal(seam_model_global(m, SEAM_ROLE_OUTPUT)->name, "output.weight");
    for (size_t i = 0; i < seam_catalog_tensor_count(seam_model_catalog(m)); i++)
        assert_true(seam_model_uses(m, seam_catalog_tensor_at(seam_model_catalog(m), i)));
    seam_model_close(m);
}

/* The sums that inspect prints, against sums by hand. */
static void test_bytes(void **state)
{
    (void)state;
    struct gb b = mla(&(struct gb_mla){.n_dense = 1});
    struct seam_model *m = open_ok(&b);
    uint64_t attn = 4 * (64 + 64 * 96 + 64 * 48 + 32 + 2 * 32 * 32 * 2 + 64 * 64),
             dense = 4 * (64 + 3 * 64 * 96), shared = 4 * 3 * 64 * 48, router = 4 * (64 * 8 + 8),
             expert = 4 * 3 * 64 * 48;
    assert_int_equal(seam_model_part_bytes(m, 0, SEAM_PART_ATTN), attn);
    assert_int_equal(seam_model_part_bytes(m, 0, SEAM_PART_FFN), dense);
    assert_int_equal(seam_model_part_bytes(m, 2, SEAM_PART_FFN),
                     4 * 64 + shared + router + 8 * expert);
    uint64_t active = 4 * 64 + 4 * 64 + 4 * 64 * 40 + 3 * attn + dense +
                      2 * (4 * 64 + shared + router + 2 * expert);
    assert_int_equal(seam_model_active_bytes(m), active);
    seam_model_close(m);
}

/* Kimi K2.6: factor 64, mscale_all_dim 1 (facts 3.1: kq_scale with d = 192 is 0.1446796). */
static void test_yarn(void **state)
{
    (void)state;
    struct gb_mla o = {.n_dense = 1};
    struct gb b = mla(&o);
    gb_str(&b, "deepseek2.rope.scaling.type", "yarn");
    gb_f32(&b, "deepseek2.rope.scaling.factor", 64);
    gb_u32(&b, "deepseek2.rope.scaling.original_context_length", 128);
    gb_f32(&b, "deepseek2.rope.scaling.yarn_beta_fast", 1);
    gb_f32(&b, "deepseek2.rope.scaling.yarn_log_multiplier", 0.1f);
    struct seam_model *m = open_ok(&b);
    const struct seam_hparams *hp = seam_model_hparams(m);
    near(hp->rope_freq_scale, 1 / 64.0);
    near(hp->rope_ext_factor, 1);
    near(hp->rope_attn_factor, 1 / 1.4158883);
    near(hp->kq_scale * sqrtf(48) / sqrtf(192), 0.1446796);
    near(hp->beta_fast, 1);
    near(hp->beta_slow, 1);
    assert_int_equal(hp->n_ctx_orig, 128);
    seam_model_close(m);

    b = mla(&o); /* DeepSeek-V2-Lite: m = 1 + 0.1 * 0.707 * ln 40 */
    gb_str(&b, "deepseek2.rope.scaling.type", "yarn");
    gb_f32(&b, "deepseek2.rope.scaling.factor", 40);
    gb_f32(&b, "deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f);
    m = open_ok(&b);
    double mag = 1 + 0.1 * 0.707 * log(40);
    near(seam_model_hparams(m)->kq_scale, mag * mag / sqrt(48.0));
    near(seam_model_hparams(m)->rope_attn_factor, 1 / (1 + 0.1 * log(40)));
    seam_model_close(m);

    b = mla(&o); /* no mscale_all_dim: the rotation keeps YaRN's own magnitude */
    gb_str(&b, "deepseek2.rope.scaling.type", "yarn");
    gb_f32(&b, "deepseek2.rope.scaling.factor", 40);
    m = open_ok(&b);
    near(seam_model_hparams(m)->kq_scale, 1 / sqrt(48.0));
    near(seam_model_hparams(m)->rope_attn_factor, 1);
    seam_model_close(m);

    b = mla(&o);
    gb_str(&b, "deepseek2.rope.scaling.type", "linear");
    gb_f32(&b, "deepseek2.rope.scaling.factor", 4);
    m = open_ok(&b);
    near(seam_model_hparams(m)->rope_freq_scale, 0.25);
    near(seam_model_hparams(m)->rope_ext_factor, 0);
    seam_model_close(m);

    b = mla(&o);
    gb_str(&b, "deepseek2.rope.scaling.type", "longrope");
    expect_fail(&b, SEAM_EUNSUPPORTED, "longrope");
}

static void test_variants(void **state)
{
    (void)state;
    struct gb b = mla(&(struct gb_mla){.joined_kv_b = true,
                                       .fused_gate_up = true,
                                       .no_output = true,
                                       .n_dense = 2});
    struct seam_model *m = open_ok(&b);
    const struct seam_layer *l = seam_model_layer(m, 2);
    assert_non_null(l->role[SEAM_ROLE_ATTN_Q]);
    assert_non_null(l->role[SEAM_ROLE_ATTN_KV_B]);
    assert_null(l->role[SEAM_ROLE_ATTN_K_B]);
    assert_non_null(l->role[SEAM_ROLE_EXP_GATE_UP]);
    assert_null(l->role[SEAM_ROLE_EXP_GATE]);
    assert_int_equal(seam_model_hparams(m)->d_nope, 32);
    assert_string_equal(seam_model_global(m, SEAM_ROLE_OUTPUT)->name, "token_embd.weight");
    seam_model_close(m);

    /* both forms of kv_b: the split one counts, the joined one is ignored */
    b = mla(&(struct gb_mla){.n_dense = 3});
    gb_f32_tensor(&b, "blk.1.attn_kv_b.weight", 2, 32, 128);
    gb_f32_tensor(&b, "blk.3.nextn.eh_proj.weight", 2, 128, 64);
    m = open_ok(&b);
    const struct seam_catalog *c = seam_model_catalog(m);
    assert_null(seam_model_layer(m, 1)->role[SEAM_ROLE_ATTN_KV_B]);
    assert_false(seam_model_uses(m, seam_catalog_tensor(c, "blk.1.attn_kv_b.weight")));
    assert_false(seam_model_uses(m, seam_catalog_tensor(c, "blk.3.nextn.eh_proj.weight")));
    seam_model_close(m);

    /* prediction heads counted in block_count */
    b = mla(&(struct gb_mla){.n_dense = 1});
    gb_u32(&b, "deepseek2.nextn_predict_layers", 1);
    m = open_ok(&b);
    assert_int_equal(seam_model_hparams(m)->n_layer, 2);
    seam_model_close(m);
}

static void test_missing(void **state)
{
    (void)state;
    struct gb b = mla(&(struct gb_mla){.n_dense = 1, .skip = "blk.2.ffn_down_exps.weight"});
    expect_fail(&b, SEAM_EFORMAT, "tensor blk.2.ffn_down_exps.weight is missing");
    b = mla(&(struct gb_mla){.n_dense = 1, .skip = "token_embd.weight"});
    expect_fail(&b, SEAM_EFORMAT, "tensor token_embd.weight is missing");
    b = mla(&(struct gb_mla){.n_dense = 1, .skip = "blk.1.attn_v_b.weight"});
    expect_fail(&b, SEAM_EFORMAT, "tensor blk.1.attn_v_b.weight is missing");
    b = mla(&(struct gb_mla){.n_dense = 1, .skip = "blk.1.exp_probs_b.bias"});
    struct seam_model *m = open_ok(&b); /* optional */
    assert_null(seam_model_layer(m, 1)->role[SEAM_ROLE_ROUTER_BIAS]);
    seam_model_close(m);

    struct gb_mla o = {.n_dense = 1};
    b = (struct gb){0};
    gb_mla_keys(&b, &o);
    gb_mla_tensor(&b, &o, "token_embd.weight", 2, 64, 40, 0);
    expect_fail(&b, SEAM_EFORMAT, "blk.0.attn_norm.weight is missing, and ");

    b = (struct gb){0};
    gb_str(&b, "general.architecture", "deepseek2");
    gb_u32(&b, "deepseek2.block_count", 3);
    expect_fail(&b, SEAM_EFORMAT, "deepseek2.context_length is missing");
}

static void test_refused(void **state)
{
    (void)state;
    struct gb_mla o = {.n_dense = 1};
    struct gb b = {0};
    gb_str(&b, "general.architecture", "mamba");
    expect_fail(&b, SEAM_EUNSUPPORTED, "architecture 'mamba'; Seam runs deepseek2");
    b = (struct gb){0};
    expect_fail(&b, SEAM_EFORMAT, "general.architecture is missing");

    b = mla(&(struct gb_mla){.n_dense = 1, .skip = "blk.0.attn_output.weight"});
    gb_f32_tensor(&b, "blk.0.attn_output.weight", 2, 64, 63);
    expect_fail(&b, SEAM_EFORMAT, "has the shape [64, 63]; by the keys it is [64, 64]");

    b = mla(&o);
    gb_f32_tensor(&b, "blk.1.attn_k_b.scale", 1, 8);
    expect_fail(&b, SEAM_EUNSUPPORTED, "blk.1.attn_k_b.scale");

    b = mla(&(struct gb_mla){.n_dense = 1, .skip = "output_norm.weight"});
    uint64_t ne[1] = {64};
    gb_tensor_at(&b, "output_norm.weight", 30, 1, ne, b.data_bytes);
    b.data_bytes += 128;
    expect_fail(&b, SEAM_EUNSUPPORTED, "output_norm.weight has the type BF16");
}

static void expect_key(const char *key, uint32_t v, const char *words)
{
    struct gb b = {0};
    struct gb_mla o = {.n_dense = 1};
    gb_mla_keys(&b, &o);
    /* the key as first written is cut out by renaming it: later ones win nothing, duplicates fail */
    for (size_t i = 0; i + strlen(key) <= b.meta.n; i++)
        if (memcmp(b.meta.p + i, key, strlen(key)) == 0)
            b.meta.p[i] = 'x';
    gb_u32(&b, key, v);
    gb_mla_tensors(&b, &o);
    expect_fail(&b, SEAM_EFORMAT, words);
}

static void test_ranges(void **state)
{
    (void)state;
    expect_key("deepseek2.block_count", 0, "block_count is out of range");
    expect_key("deepseek2.block_count", SEAM_MODEL_MAX_LAYERS + 1, "block_count is out of range");
    expect_key("deepseek2.block_count", 0xffffffffu, "block_count is absurd");
    expect_key("deepseek2.expert_used_count", 9, "expert_used_count is out of range");
    expect_key("deepseek2.expert_used_count", 0, "expert_used_count is out of range");
    expect_key("deepseek2.expert_count", 5000, "expert_count is out of range");
    expect_key("deepseek2.expert_group_count", 3, "expert_group_count is out of range");
    expect_key("deepseek2.leading_dense_block_count", 4, "leading_dense_block_count");
    expect_key("deepseek2.rope.dimension_count", 48, "leaves nothing");
    expect_key("deepseek2.rope.dimension_count", 15, "rope.dimension_count is out of range");
    expect_key("deepseek2.attention.head_count", 0, "head_count is out of range");
}

static void test_file(void **state)
{
    (void)state;
    struct seam_model *m;
    struct seam_err err;
    assert_int_equal(seam_model_open(&m, "/nonexistent/x.gguf", &err), SEAM_ENOTFOUND);
    assert_null(m);
    assert_non_null(strstr(err.text, "/nonexistent/x.gguf"));
}

/* Every golden model is understood. */
static void test_golden(void **state)
{
    (void)state;
    static const char folder[] = SEAM_SOURCE_DIR "/tests/golden";
    DIR *d = opendir(folder);
    struct dirent *e;
    int n = 0;
    if (!d) {
        print_message("skipped: %s is absent\n", folder);
        skip();
    }
    while ((e = readdir(d))) {
        struct seam_model *m;
        struct seam_err err;
        char path[600];
        if (strncmp(e->d_name, "deepseek2-", 10) != 0 || !strstr(e->d_name, ".gguf"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (seam_model_open(&m, path, &err) != SEAM_OK)
            fail_msg("%s", err.text);
        seam_model_close(m);
        n++;
    }
    closedir(d);
    if (n == 0) {
        print_message("skipped: no deepseek2-*.gguf in %s\n", folder);
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),   cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_yarn),    cmocka_unit_test(test_variants),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ranges),  cmocka_unit_test(test_file),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
