/* quantize.c - `seam quantize`: a model in other types. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/writing.h"

struct options {
    const char *type;
    uint32_t splits, threads;
    bool empty_first;
};
#define AT(field) offsetof(struct options, field)

static const struct seam_option option_rows[] = {
    {"type", 't', SEAM_OPTION_STRING, "TYPE", AT(type),
     "a type for all matrices (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ1_S to "
     "IQ4_XS, TQ1_0, TQ2_0, MXFP4), or a mix: UD-Q8_K_XL (experts Q4_0, the rest BF16), UD-Q4_K_XL "
     "(experts Q4_0, the rest Q8_0), UD-Q2_K_XL (experts Q2_K and Q3_K, the rest Q8_0), Q2_K_M, "
     "Q4_K_M, MXFP4_MOE",
     NULL},
    {"splits", 0, SEAM_OPTION_U32, "N", AT(splits), "write so many files, NAME-00001-of-0000N.gguf",
     NULL},
    {"empty-first", 0, SEAM_OPTION_FLAG, NULL, AT(empty_first),
     "the first split holds metadata only", NULL},
    {"threads", 0, SEAM_OPTION_U32, "N", AT(threads), "threads (default: the machine's cores)",
     NULL},
    {0},
};

struct fallbacks { /* tensors that got another type than the mix says */
    size_t n;
    char first[400];
};

/* Metadata as they are, but for what types and splits decide. */
static void copy_keys(struct seam_gguf_out *w, const struct seam_catalog *from,
                      const struct seam_mix *mix)
{
    static const char *const dropped[] = {"split.no", "split.count", "split.tensors.count",
                                          "general.alignment"};
    for (size_t i = 0; i < seam_catalog_meta_count(from); i++) {
        const struct seam_meta *m = seam_catalog_meta_at(from, i);
        bool keep = true;
        for (size_t k = 0; k < sizeof dropped / sizeof *dropped; k++)
            keep = keep && strcmp(seam_meta_key(m), dropped[k]) != 0;
        if (!strcmp(seam_meta_key(m), "general.file_type"))
            seam_gguf_out_u32(w, "general.file_type", seam_mix_file_type(mix));
        else if (keep)
            seam_gguf_out_meta(w, m);
    }
    seam_gguf_out_u32(w, "general.file_type", seam_mix_file_type(mix));
    seam_gguf_out_u32(w, "general.quantization_version", 2); /* ggml's GGML_QNT_VERSION */
}

static seam_status plan(struct seam_gguf_out *w, const struct seam_catalog *from,
                        const struct seam_mix *mix, struct fallbacks *f, struct seam_err *err)
{
    uint64_t n_layer = 0;
    char key[128];
    struct seam_str arch = {"", 0};
    seam_meta_str(seam_catalog_meta(from, "general.architecture"), &arch);
    snprintf(key, sizeof key, "%.*s.block_count", (int)(arch.len < 64 ? arch.len : 64), arch.p);
    if (seam_catalog_meta(from, key))
        seam_meta_u64(seam_catalog_meta(from, key), &n_layer);
    copy_keys(w, from, mix);
    for (size_t i = 0; i < seam_catalog_tensor_count(from); i++) {
        const struct seam_tensor *t = seam_catalog_tensor_at(from, i);
        const struct seam_type *want,
            *type = seam_mix_type(mix, t->name, t->n_dims, t->ne, (uint32_t)n_layer, &want);
        if (!seam_fill_can(type) || !seam_fill_can(t->type))
            return seam_fail(err, SEAM_EUNSUPPORTED, "tensor %s: from %s to %s", t->name,
                             t->type->name, type->name);
        if (type != want && f->n++ == 0)
            snprintf(f->first, sizeof f->first,
                     "%s has %" PRIu64 " values per row, %s takes %u: %s", t->name, t->ne[0],
                     want->name, want->block, type->name);
        seam_gguf_out_tensor(w, t->name, type, t->n_dims, t->ne);
    }
    return SEAM_OK;
}

/* Would OUT overwrite a file that is still to be read? */
static seam_status check_apart(const struct seam_catalog *from, const char *path,
                               struct seam_err *err)
{
    struct stat a, b;
    for (uint32_t i = 0; i < seam_catalog_shard_count(from); i++)
        if (stat(path, &a) == 0 && stat(seam_catalog_shard_path(from, i), &b) == 0 &&
            a.st_dev == b.st_dev && a.st_ino == b.st_ino)
            return seam_fail(err, SEAM_EINVAL, "%s is IN itself: give another name", path);
    return SEAM_OK;
}

static seam_status write_file(struct seam_gguf_out *w, const struct seam_catalog *from,
                              const struct options *o, const char *path, struct seam_err *err)
{
    const struct seam_gguf_out_layout layout = {o->splits, o->empty_first};
    struct seam_fill_opts fill = {.n_threads = (int)(o->threads < 64 ? o->threads : 64)};
    seam_writing_begin(&fill, "quantize");
    seam_status st = seam_gguf_out_begin(w, path, &layout, err);
    if (st == SEAM_OK)
        st = seam_fill_converted(w, from, &fill, err);
    if (st == SEAM_OK)
        st = seam_gguf_out_commit(w, err);
    if (st == SEAM_OK)
        seam_writing_end(w);
    return st;
}

static seam_status quantize(const char *in, const char *out, const struct options *o,
                            struct seam_err *err)
{
    const struct seam_mix *mix;
    struct seam_catalog *from = NULL;
    struct seam_gguf_out *w = NULL;
    struct fallbacks f = {0};
    const size_t n = strlen(out);
    if (!o->type)
        return seam_fail(err, SEAM_EINVAL, "--type is missing; there are %s", seam_mix_list());
    if (n < 6 || strcmp(out + n - 5, ".gguf") != 0)
        return seam_fail(err, SEAM_EINVAL, "%s: the name must end in .gguf", out);
    seam_status st = seam_mix_find(&mix, o->type, err);
    if (st == SEAM_OK)
        st = seam_catalog_open(&from, in, err);
    if (st == SEAM_OK)
        st = check_apart(from, out, err);
    if (st == SEAM_OK && !(w = seam_gguf_out_open()))
        st = seam_fail(err, SEAM_ENOMEM, "no memory for a file");
    if (st == SEAM_OK)
        st = plan(w, from, mix, &f, err);
    if (st == SEAM_OK && f.n)
        seam_warn("quantize: %zu tensors get another type, such as %s", f.n, f.first);
    if (st == SEAM_OK)
        st = write_file(w, from, o, out, err);
    seam_gguf_out_close(w);
    seam_catalog_close(from);
    return st;
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {0};
    struct seam_err err = {0};
    int n_operands = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    if (st == SEAM_OK)
        st = quantize(argv[0], argv[1], &o, &err);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_quantize = {
    .name = "quantize",
    .summary = "write a model in other types",
    .operands = "IN OUT",
    .about =
        "Reads a GGUF, or all shards when IN is one of a split, and writes it with its matrices in "
        "another type, or in the types of a published mix. Norms, biases, routers and convolutions "
        "stay F32. Without an importance matrix: where a type wants one (IQ1 and IQ2), all values "
        "count alike, which is worse than a calibrated file. A matrix whose width the type's block "
        "does not divide gets what llama.cpp would give it, and a line says so. From a quantised "
        "file the errors add up. Streams slice by slice; the name appears when the file is whole.",
    .examples = "  seam quantize model-bf16.gguf model-q4.gguf --type Q4_K_M\n"
                "  seam quantize big-00001-of-00009.gguf small.gguf --type UD-Q2_K_XL --splits 4\n",
    .options = option_rows,
    .run = command,
};
