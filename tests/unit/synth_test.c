/* synth_test.c - synthetic files: the same bytes whatever writes them, models of every card, splits,
 * mixes, and nothing left behind by a writer that stops. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include "unit/synth_build.h"

static char folder[64];
static char path_buf[4][160];

static const char *path(int i, const char *name)
{
    snprintf(path_buf[i], sizeof path_buf[i], "%s/%s", folder, name);
    return path_buf[i];
}

static int setup(void **state)
{
    (void)state;
    seam_log_set_level(SEAM_LOG_WARN);
    snprintf(folder, sizeof folder, "/tmp/seam-synth-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* Removes what a test wrote; returns how many files that were. */
static size_t sweep_folder(void)
{
    char pattern[96];
    glob_t g;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    if (glob(pattern, 0, NULL, &g) != 0)
        return 0;
    const size_t n = g.gl_pathc;
    for (size_t i = 0; i < n; i++)
        unlink(g.gl_pathv[i]);
    globfree(&g);
    return n;
}

static int teardown(void **state)
{
    (void)state;
    sweep_folder();
    return rmdir(folder);
}

static struct seam_catalog *open_file(const char *file)
{
    struct seam_catalog *c;
    struct seam_err err = {0};
    if (seam_catalog_open(&c, file, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return c;
}

/* Same tensors with the same bytes? */
static bool same_weights(const char *a, const char *b)
{
    struct seam_catalog *x = open_file(a), *y = open_file(b);
    const size_t n = seam_catalog_tensor_count(x);
    bool same = n == seam_catalog_tensor_count(y);
    for (size_t i = 0; same && i < n; i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(x, i);
        const struct seam_tensor *u = seam_catalog_tensor(y, t->name);
        assert_non_null(u);
        assert_int_equal(t->n_bytes, u->n_bytes);
        void *p = sb_bytes(x, t), *q = sb_bytes(y, u);
        same = !memcmp(p, q, t->n_bytes);
        free(p);
        free(q);
    }
    seam_catalog_close(x);
    seam_catalog_close(y);
    return same;
}

static bool same_fingerprint(const char *a, const char *b)
{
    struct seam_catalog *x = open_file(a), *y = open_file(b);
    struct seam_fingerprint f, g;
    assert_int_equal(seam_catalog_fingerprint(x, &f, NULL), SEAM_OK);
    assert_int_equal(seam_catalog_fingerprint(y, &g, NULL), SEAM_OK);
    seam_catalog_close(x);
    seam_catalog_close(y);
    return !memcmp(&f, &g, sizeof f);
}

static void bytes_by_seed_alone(void **state)
{
    (void)state;
    /* 96 values per head row: slices and units do not meet at rows */
    const char *const set[] = {"embedding_length=192", "attention.key_length_mla=96"};
    struct seam_synth_opts o = {.like = "thimble",
                                .n_layer = 2,
                                .n_vocab = 8192,
                                .set = set,
                                .n_set = 2};
    sb_synth(path(0, "a.gguf"), o, "Q4_0", 0, false, 1);
    sb_synth(path(1, "b.gguf"), o, "Q4_0", 0, false, 3);
    assert_true(same_weights(path(0, "a.gguf"), path(1, "b.gguf")));
    sb_synth(path(1, "b.gguf"), o, "Q4_0", 3, true, 2);
    path(1, "b-00001-of-00003.gguf");
    assert_true(same_weights(path_buf[0], path_buf[1]));
    assert_true(same_fingerprint(path_buf[0], path_buf[1]));
    o.seed = 1;
    sb_synth(path(1, "c.gguf"), o, "Q4_0", 0, false, 2);
    assert_false(same_weights(path_buf[0], path_buf[1]));
    sweep_folder();
}

/* The bank of a type is the F32 bank quantised, so writing T is quantising what was written as F32. */
static void synth_is_quantized_f32(void **state)
{
    (void)state;
    static const char *const types[] = {"Q8_0", "Q4_0", "Q4_K", "Q2_K", "BF16", "IQ2_XXS", "MXFP4"};
    const struct seam_synth_opts o = SB_SMALL;
    sb_synth(path(0, "f32.gguf"), o, "F32", 0, false, 2);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        sb_synth(path(1, "made.gguf"), o, types[i], 0, false, 2);
        sb_convert(path_buf[0], path(2, "converted.gguf"), seam_type_by_name(types[i]), false);
        if (!same_weights(path_buf[1], path_buf[2]))
            fail_msg("%s: synth and quantize disagree", types[i]);
    }
    sweep_folder();
}

static void splits(void **state)
{
    (void)state;
    const struct seam_synth_opts o = {.like = "thimble", .n_layer = 2, .n_vocab = 1024};
    sb_synth(path(0, "s.gguf"), o, "Q8_0", 3, true, 2);
    struct seam_catalog *c = open_file(path(0, "s-00002-of-00003.gguf"));
    assert_int_equal(seam_catalog_shard_count(c), 3);
    size_t n[3] = {0};
    for (size_t i = 0; i < seam_catalog_tensor_count(c); i++)
        n[seam_catalog_tensor_at(c, i)->shard]++;
    assert_true(n[0] == 0 && n[1] > 0 && n[2] > 0);
    assert_true(seam_catalog_shard_bytes(c, 1) < 2 * seam_catalog_shard_bytes(c, 2));
    assert_true(seam_catalog_shard_bytes(c, 2) < 2 * seam_catalog_shard_bytes(c, 1));
    seam_catalog_close(c);
    struct seam_model *m;
    struct seam_err err = {0};
    if (seam_model_open(&m, path_buf[0], &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_model_close(m);
    sweep_folder();
}

/* Headers of full width; the data stay holes. */
static void every_card_is_a_model(void **state)
{
    (void)state;
    char list[400], *rest = list;
    snprintf(list, sizeof list, "%s", seam_synth_card_list());
    int n = 0;
    for (char *name; (name = strtok_r(rest, ", ", &rest)); n++) {
        for (int fused = 0; fused < 2; fused++) {
            const struct seam_gguf_out_layout layout = {0};
            struct seam_err err = {0};
            struct seam_model *m = NULL;
            struct seam_synth_tensor *law;
            struct seam_synth_opts o = {.like = name,
                                        .mix = sb_mix("IQ1_S"),
                                        .n_layer = 4,
                                        .n_vocab = 1024,
                                        .fused = fused};
            struct seam_gguf_out *w = seam_gguf_out_open();
            if (strstr(name, "a3b") || strstr(name, "moe") || strstr(name, "kimi"))
                o.n_expert = 16;
            if (seam_synth_plan(w, &o, &law, &err) != SEAM_OK ||
                seam_gguf_out_begin(w, path(0, "card.gguf"), &layout, &err) != SEAM_OK ||
                seam_gguf_out_commit(w, &err) != SEAM_OK ||
                seam_model_open(&m, path_buf[0], &err) != SEAM_OK)
                fail_msg("%s: %s", name, err.text);
            /* all that was written is used, and nothing is missing */
            const struct seam_catalog *c = seam_model_catalog(m);
            for (size_t i = 0; i < seam_catalog_tensor_count(c); i++)
                if (!seam_model_uses(m, seam_catalog_tensor_at(c, i)))
                    fail_msg("%s: %s is not used", name, seam_catalog_tensor_at(c, i)->name);
            bool joined = seam_catalog_tensor(c, "blk.3.ffn_gate_up_exps.weight");
            assert_int_equal(joined, fused && seam_model_hparams(m)->n_expert > 0);
            seam_model_close(m);
            free(law);
            seam_gguf_out_close(w);
        }
    }
    assert_true(n >= 13);
    sweep_folder();
}

static void refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"embedding_length", "=3", "embedding_length=0", "x y=1"};
    struct seam_err err = {0};
    struct seam_synth_tensor *law;
    const struct seam_mix *mix;
    assert_int_equal(seam_mix_find(&mix, "Q9", &err), SEAM_EINVAL);
    assert_non_null(strstr(err.text, "UD-Q8_K_XL"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct seam_gguf_out *w = seam_gguf_out_open();
        const struct seam_synth_opts o = {.like = "thimble",
                                          .mix = sb_mix("F32"),
                                          .set = &bad[i],
                                          .n_set = 1};
        assert_int_equal(seam_synth_plan(w, &o, &law, &err), SEAM_EINVAL);
        seam_gguf_out_close(w);
    }
    struct seam_gguf_out *w = seam_gguf_out_open();
    const struct seam_synth_opts o = {.like = "kimi-k9", .mix = sb_mix("F32")};
    assert_int_equal(seam_synth_plan(w, &o, &law, &err), SEAM_EINVAL);
    assert_non_null(strstr(err.text, "kimi-k2.6"));
    seam_gguf_out_close(w);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    const volatile sig_atomic_t canceled = 1;
    const struct seam_fill_opts fill = {.n_threads = 2, .cancel = &canceled};
    const struct seam_gguf_out_layout layout = {.n_split = 2};
    struct seam_err err = {0};
    struct seam_synth_tensor *law;
    struct seam_synth_opts o = SB_SMALL;
    o.mix = sb_mix("F32");
    struct seam_gguf_out *w = seam_gguf_out_open();
    assert_int_equal(seam_synth_plan(w, &o, &law, &err), SEAM_OK);
    assert_int_equal(seam_gguf_out_begin(w, path(0, "x.gguf"), &layout, &err), SEAM_OK);
    assert_int_equal(seam_fill_random(w, law, 0, &fill, &err), SEAM_ECANCELED);
    seam_gguf_out_close(w);
    free(law);
    assert_int_equal(sweep_folder(), 0);

    /* more than any disk has */
    o = (struct seam_synth_opts){.like = "kimi-k2.6", .mix = sb_mix("F32"), .n_vocab = 1024};
    w = seam_gguf_out_open();
    assert_int_equal(seam_synth_plan(w, &o, &law, &err), SEAM_OK);
    seam_status st = seam_gguf_out_begin(w, path_buf[0], &(struct seam_gguf_out_layout){0}, &err);
    if (st != SEAM_OK) /* a disk of 5 TB would do */
        assert_int_equal(st, SEAM_EIO);
    seam_gguf_out_close(w);
    free(law);
    assert_int_equal(sweep_folder(), 0);
}

static void mixes(void **state)
{
    (void)state;
    static const struct {
        const char *mix, *tensor;
        uint64_t width;
        uint32_t n_dims;
        const char *type;
    } rows[] = {
        {"UD-Q8_K_XL", "blk.1.ffn_up_exps.weight", 7168, 3, "Q4_0"},
        {"UD-Q8_K_XL", "blk.1.ffn_down_shexp.weight", 2048, 2, "BF16"},
        {"UD-Q8_K_XL", "blk.1.ffn_gate_inp.weight", 7168, 2, "F32"},
        {"UD-Q8_K_XL", "output_norm.weight", 7168, 1, "F32"},
        {"UD-Q4_K_XL", "token_embd.weight", 7168, 2, "Q8_0"},
        {"ud-q2_k_xl", "blk.1.ffn_down_exps.weight", 2048, 3, "Q3_K"},
        {"Q2_K_M", "blk.0.attn_output.weight", 8192, 2, "Q5_K"},
        {"Q2_K_M", "output.weight", 8192, 2, "Q6_K"},
        {"Q4_K_M", "blk.0.ffn_down.weight", 8192, 2, "Q6_K"},
        {"Q4_K_M", "blk.8.ffn_down.weight", 8192, 2, "Q4_K"},
        {"Q4_K_M", "blk.31.attn_v.weight", 8192, 2, "Q6_K"},
        {"Q4_K", "blk.0.attn_k_b.weight", 128, 3, "Q5_0"}, /* no multiple of 256 */
        {"Q6_K", "blk.0.attn_k_b.weight", 128, 3, "Q8_0"},
        {"IQ2_XXS", "blk.0.attn_k_b.weight", 128, 3, "IQ4_NL"},
        {"Q4_0", "blk.0.ffn_down.weight", 48, 2, "F16"},
        {"Q4_0", "blk.0.ssm_conv1d.weight", 4, 2, "F32"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint64_t ne[4] = {rows[i].width, 2, 1, 1};
        const struct seam_type *t =
            seam_mix_type(sb_mix(rows[i].mix), rows[i].tensor, rows[i].n_dims, ne, 32, NULL);
        if (strcmp(t->name, rows[i].type) != 0)
            fail_msg("%s %s: %s, not %s", rows[i].mix, rows[i].tensor, t->name, rows[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_by_seed_alone),
        cmocka_unit_test(synth_is_quantized_f32),
        cmocka_unit_test(splits),
        cmocka_unit_test(every_card_is_a_model),
        cmocka_unit_test(refusals),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(mixes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
