/* synth.h - models that were never trained: the keys, the vocabulary and the tensors of a real
 * architecture, to be filled with random weights. A row per model in synth_card.c; shapes come from
 * the architecture's own table (arch.h), so that what Seam would look for is what is written.
 * Files have no part of the real model but its sizes. */
#ifndef SEAM_MODEL_SYNTH_H
#define SEAM_MODEL_SYNTH_H

#include "model/gguf_write.h"
#include "model/mix.h"
#include "model/model.h"

struct seam_synth_opts {
    const char *like; /* a card's name */
    const struct seam_mix *mix;
    uint64_t seed;
    uint32_t n_layer, n_expert, n_vocab, n_ctx; /* 0: the card's */
    const char *const
        *set; /* n_set times "SUFFIX=VALUE": keys of the architecture, as in the card */
    size_t n_set;
    bool fused; /* gate and up of the experts in one tensor */
};

/* How the values of one tensor are made. */
enum seam_law {
    SEAM_LAW_NORMAL,  /* mean + std * N(0, 1) */
    SEAM_LAW_NEG_EXP, /* -exp(mean + std * N(0, 1)): ssm_a */
    SEAM_LAW_ROPE     /* Llama 3.1's rope_freqs */
};
struct seam_synth_tensor {
    enum seam_law law;
    float mean, std;
    float rope_base; /* SEAM_LAW_ROPE */
};

/* Keys and tensors into `w`; *law, freed by the caller, has one element per tensor.
 * SEAM_EINVAL: no such card, or an override that is none or makes no model. */
seam_status seam_synth_plan(struct seam_gguf_out *w, const struct seam_synth_opts *o,
                            struct seam_synth_tensor **law, struct seam_err *err);

/* What the architecture reads from a plan's keys: no file is needed to know a model's shape. */
seam_status seam_synth_hparams(const struct seam_gguf_out *w, const char *like,
                               struct seam_hparams *hp, struct seam_err *err);

/* Value i of a tensor; n values in all. Depends on nothing but its arguments. */
float seam_synth_value(const struct seam_synth_tensor *t, uint64_t seed, const char *name,
                       uint64_t i, uint64_t n);
/* n values of N(0, 1) * std, a function of the seed alone: for banks of blocks. */
void seam_synth_normals(float *v, size_t n, uint64_t seed, float std);
/* A hash of what names a stream of numbers. */
uint64_t seam_synth_mix64(uint64_t x);
uint64_t seam_synth_stream(uint64_t seed, const char *name);

/* "kimi-k2.6|moonlight-16b-a3b|...", for help. */
const char *seam_synth_card_list(void);

/* ---- for synth*.c ---- */
struct seam_synth_specials { /* special tokens of a family */
    const char *pre;         /* tokenizer.ggml.pre */
    const char *const
        *name; /* "@163584" sets the id of the next one; "+NAME": kept in text; NULL ends */
    const char *bos, *eos, *eot, *pad; /* eot may be NULL */
    const char *chat_template;
    bool add_bos;
};
struct seam_synth_card {
    const char *name, *arch, *title;
    const char *source; /* of the numbers */
    const char *like;   /* a smaller relative: that card, with `keys` set on top */
    const char *keys;   /* "block_count=61 rope.freq_base=50000.0 ...", without the prefix ARCH. */
    uint32_t n_vocab;
    const struct seam_synth_specials *specials;
    bool tied; /* no output.weight */
};
const struct seam_synth_card *seam_synth_card_find(const char *name, struct seam_err *err);
/* The tokens: 256 bytes, what a few merges make, fillers, special ones. */
void seam_synth_vocabulary(struct seam_gguf_out *w, const struct seam_synth_specials *s,
                           uint32_t n_vocab);
#define SEAM_SYNTH_VOCAB_MIN 1024u

#endif
