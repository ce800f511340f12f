/* synth_build.h - small synthetic files for tests. Everything fails the test when it fails. */
#ifndef SEAM_TESTS_SYNTH_BUILD_H
#define SEAM_TESTS_SYNTH_BUILD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/fill.h"

/* A dense model of four heads, small enough for every type. */
static const char *const sb_small[] = {"embedding_length=256", "feed_forward_length=512",
                                       "attention.head_count=4", "attention.head_count_kv=2",
                                       "rope.dimension_count=64"};
#define SB_SMALL                                                                             \
    {                                                                                        \
        .like = "llama-3.1-8b", .n_layer = 2, .n_vocab = 1024, .n_ctx = 64, .set = sb_small, \
        .n_set = 5                                                                           \
    }

static inline const struct seam_mix *sb_mix(const char *name)
{
    const struct seam_mix *m;
    struct seam_err err = {0};
    if (seam_mix_find(&m, name, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return m;
}

static inline void sb_synth(const char *path, struct seam_synth_opts o, const char *mix,
                            uint32_t n_split, bool empty_first, int n_threads)
{
    struct seam_err err = {0};
    struct seam_synth_tensor *law;
    struct seam_gguf_out *w = seam_gguf_out_open();
    const struct seam_gguf_out_layout layout = {n_split, empty_first};
    const struct seam_fill_opts fill = {.n_threads = n_threads};
    o.mix = sb_mix(mix);
    if (seam_synth_plan(w, &o, &law, &err) != SEAM_OK ||
        seam_gguf_out_begin(w, path, &layout, &err) != SEAM_OK ||
        seam_fill_random(w, law, o.seed, &fill, &err) != SEAM_OK ||
        seam_gguf_out_commit(w, &err) != SEAM_OK)
        fail_msg("%s: %s", path, err.text);
    free(law);
    seam_gguf_out_close(w);
}

/* Every matrix of `in` as `type`; only_embd: of the others none. */
static inline void sb_convert(const char *in, const char *out, const struct seam_type *type,
                              bool only_embd)
{
    struct seam_err err = {0};
    struct seam_catalog *c;
    struct seam_gguf_out *w = seam_gguf_out_open();
    const struct seam_gguf_out_layout layout = {0};
    const struct seam_fill_opts fill = {.n_threads = 2};
    if (seam_catalog_open(&c, in, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < seam_catalog_meta_count(c); i++)
        seam_gguf_out_meta(w, seam_catalog_meta_at(c, i));
    for (size_t i = 0; i < seam_catalog_tensor_count(c); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(c, i);
        bool matrix = t->n_dims > 1 && (!only_embd || !strcmp(t->name, "token_embd.weight"));
        seam_gguf_out_tensor(w, t->name, matrix ? type : t->type, t->n_dims, t->ne);
    }
    if (seam_gguf_out_begin(w, out, &layout, &err) != SEAM_OK ||
        seam_fill_converted(w, c, &fill, &err) != SEAM_OK ||
        seam_gguf_out_commit(w, &err) != SEAM_OK)
        fail_msg("%s to %s: %s", in, type->name, err.text);
    seam_gguf_out_close(w);
    seam_catalog_close(c);
}

/* The bytes of one tensor; the caller frees them. */
static inline void *sb_bytes(const struct seam_catalog *c, const struct seam_tensor *t)
{
    FILE *f = fopen(seam_catalog_shard_path(c, t->shard), "rb");
    void *p = malloc(t->n_bytes);
    if (!f || !p || fseek(f, (long)t->file_off, SEEK_SET) != 0 ||
        fread(p, 1, t->n_bytes, f) != t->n_bytes)
        fail_msg("cannot read %s", t->name);
    fclose(f);
    return p;
}

#endif
