/* synth.c - `seam synth`: a model of real shapes and random weights. */
#include "model/synth.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/command.h"
#include "cmd/writing.h"

struct options {
    const char *like, *type, *out;
    uint32_t layers, experts, vocab, ctx, splits, threads;
    uint64_t seed;
    struct seam_option_list set;
    bool empty_first, fused;
};
#define AT(field) offsetof(struct options, field)

static const struct seam_option option_rows[] = {
    {"like", 'l', SEAM_OPTION_STRING, "MODEL", AT(like),
     "whose shapes: kimi-k2.6, moonlight-16b-a3b, deepseek-v2-lite, thimble, qwen3.5-397b-a17b, "
     "qwen3.5-4b, qwen3-30b-a3b, qwen3-8b, llama-3.1-8b; or full width with fewer layers, experts "
     "and words, 1 to 2 GB: kimi-bench, qwen3moe-bench, qwen35moe-bench, llama-bench",
     NULL},
    {"out", 'o', SEAM_OPTION_STRING, "FILE", AT(out),
     "the file to write, or a folder, in which it is named for model and type", NULL},
    {"type", 't', SEAM_OPTION_STRING, "TYPE", AT(type),
     "type of the matrices, or a mix (see seam help quantize; default UD-Q8_K_XL)", NULL},
    {"layers", 'n', SEAM_OPTION_U32, "N", AT(layers), "layers, instead of the model's", NULL},
    {"experts", 0, SEAM_OPTION_U32, "N", AT(experts), "routed experts, instead of the model's",
     NULL},
    {"vocab", 0, SEAM_OPTION_U32, "N", AT(vocab), "tokens, instead of the model's", NULL},
    {"ctx", 0, SEAM_OPTION_U32, "N", AT(ctx), "trained context, instead of the model's", NULL},
    {"set", 0, SEAM_OPTION_LIST, "KEY=VALUE", AT(set),
     "any key of the architecture, such as embedding_length=1024; may be given several times",
     NULL},
    {"fused", 0, SEAM_OPTION_FLAG, NULL, AT(fused), "gate and up of the experts in one tensor",
     NULL},
    {"seed", 's', SEAM_OPTION_U64, "N", AT(seed),
     "another seed, other weights; the same bytes for the same seed (default 0)", NULL},
    {"splits", 0, SEAM_OPTION_U32, "N", AT(splits), "write so many files, NAME-00001-of-0000N.gguf",
     NULL},
    {"empty-first", 0, SEAM_OPTION_FLAG, NULL, AT(empty_first),
     "the first split holds metadata only", NULL},
    {"threads", 0, SEAM_OPTION_U32, "N", AT(threads), "threads (default: the machine's cores)",
     NULL},
    {0},
};

/* FILE as given when it ends in .gguf, else FOLDER/MODEL-TYPE.gguf; the folder is made. */
static seam_status file_name(const struct options *o, const struct seam_mix *mix, char *path,
                             size_t len, struct seam_err *err)
{
    const size_t n = strlen(o->out);
    struct stat s;
    const bool folder =
        stat(o->out, &s) == 0 ? S_ISDIR(s.st_mode) : n < 5 || strcmp(o->out + n - 5, ".gguf") != 0;
    if (!folder) {
        if (n < 5 || strcmp(o->out + n - 5, ".gguf") != 0)
            return seam_fail(err, SEAM_EINVAL, "%s: the name must end in .gguf", o->out);
        snprintf(path, len, "%s", o->out);
        return SEAM_OK;
    }
    if (mkdir(o->out, 0777) != 0 && errno != EEXIST)
        return seam_fail(err, SEAM_EIO, "make the folder %s: %s", o->out, strerror(errno));
    snprintf(path, len, "%s/%s-%s.gguf", o->out, o->like, seam_mix_name(mix));
    return SEAM_OK;
}

static seam_status write_file(struct seam_gguf_out *w, const struct options *o, const char *path,
                              const struct seam_synth_tensor *law, struct seam_err *err)
{
    const struct seam_gguf_out_layout layout = {o->splits, o->empty_first};
    struct seam_fill_opts fill = {.n_threads = (int)(o->threads < 64 ? o->threads : 64)};
    seam_writing_begin(&fill, "synth");
    seam_status st = seam_gguf_out_begin(w, path, &layout, err);
    if (st == SEAM_OK)
        st = seam_fill_random(w, law, o->seed, &fill, err);
    if (st == SEAM_OK)
        st = seam_gguf_out_commit(w, err);
    if (st == SEAM_OK)
        seam_writing_end(w);
    return st;
}

static seam_status synth(const struct options *o, struct seam_err *err)
{
    char path[PATH_MAX];
    struct seam_synth_tensor *law = NULL;
    struct seam_synth_opts so = {.like = o->like,
                                 .seed = o->seed,
                                 .n_layer = o->layers,
                                 .n_expert = o->experts,
                                 .n_vocab = o->vocab,
                                 .n_ctx = o->ctx,
                                 .set = o->set.v,
                                 .n_set = o->set.n,
                                 .fused = o->fused};
    if (!o->like)
        return seam_fail(err, SEAM_EINVAL, "--like MODEL is missing; there are %s",
                         seam_synth_card_list());
    if (!o->out)
        return seam_fail(err, SEAM_EINVAL, "-o FILE is missing");
    seam_status st = seam_mix_find(&so.mix, o->type, err);
    if (st != SEAM_OK)
        return st;
    struct seam_gguf_out *w = seam_gguf_out_open();
    if (!w)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a file");
    st = seam_synth_plan(w, &so, &law, err);
    if (st == SEAM_OK)
        st = file_name(o, so.mix, path, sizeof path, err);
    if (st == SEAM_OK)
        st = write_file(w, o, path, law, err);
    free(law);
    seam_gguf_out_close(w);
    return st;
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct options o = {.type = "UD-Q8_K_XL"};
    struct seam_err err = {0};
    int n_operands = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    if (st == SEAM_OK)
        st = synth(&o, &err);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_synth = {
    .name = "synth",
    .summary = "write a model of real shapes with random weights",
    .operands = "",
    .about =
        "Writes a GGUF with the keys, the tensors and the types of a published model, or of a "
        "smaller one of its kind, and random weights: for benchmarks and tests at true sizes, "
        "without a download. It loads in Seam and in llama.cpp, and answers nonsense. The "
        "vocabulary is made up too: bytes, a few merges, fillers, and the special tokens of the "
        "chat format. Streams to disk in little memory; the name appears when the file is whole.",
    .examples = "  seam synth --like kimi-k2.6 --layers 4 --type UD-Q8_K_XL --splits 3 -o big\n"
                "  seam synth --like kimi-bench --type UD-Q2_K_XL -o kimi-q2k.gguf\n"
                "  seam synth --like llama-3.1-8b --layers 2 --vocab 4096 --type Q8_0 -o two.gguf\n"
                "  seam synth --like thimble --set expert_used_count=4 --type Q4_K -o four.gguf\n",
    .options = option_rows,
    .run = command,
};
