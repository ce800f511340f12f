#include "model/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a matrix is for, by its name. */
enum kind {
    EXP_UP,   /* ffn_{gate,up,gate_up}_exps */
    EXP_DOWN, /* ffn_down_exps */
    ATTN_KV,  /* attn_k, attn_v */
    ATTN_OUT,
    FFN_DOWN, /* dense */
    EMBD,     /* token_embd */
    OUTPUT,
    REST,
    N_KIND
};

static const struct {
    const char *part;
    enum kind kind;
} kinds[] = {
    {"_down_exps.", EXP_DOWN},   {"_exps.", EXP_UP},          {".attn_k.", ATTN_KV},
    {".attn_v.", ATTN_KV},       {".attn_output.", ATTN_OUT}, {".ffn_down.", FFN_DOWN},
    {"token_embd.weight", EMBD},
};

struct seam_mix {
    const char *name;
    uint32_t file_type;       /* llama_ftype of llama.cpp's llama.h */
    const char *type[N_KIND]; /* NULL: that of REST */
    const char
        *more; /* for attn_v and the down matrices of some layers: llama.cpp's use_more_bits */
};

/* Sources: shared facts/models.md 4.1 and 4.2; the per-tensor list of UD-Q2_K_XL is not published:
 * it is llama-quantize's Q2_K for the experts and Q8_0 for the rest. */
static const struct seam_mix mixes[] = {
    {.name = "UD-Q8_K_XL",
     .file_type = 2,
     .type = {[EXP_UP] = "Q4_0", [EXP_DOWN] = "Q4_0", [REST] = "BF16"}},
    {.name = "UD-Q4_K_XL",
     .file_type = 2,
     .type = {[EXP_UP] = "Q4_0", [EXP_DOWN] = "Q4_0", [REST] = "Q8_0"}},
    {.name = "UD-Q2_K_XL",
     .file_type = 10,
     .type = {[EXP_UP] = "Q2_K", [EXP_DOWN] = "Q3_K", [REST] = "Q8_0"}},
    {.name = "Q2_K_M", /* what llama-quantize calls Q2_K */
     .file_type = 10,
     .type = {[EXP_UP] = "Q2_K",
              [EXP_DOWN] = "Q3_K",
              [FFN_DOWN] = "Q3_K",
              [ATTN_KV] = "Q8_0",
              [ATTN_OUT] = "Q5_K",
              [EMBD] = "Q6_K",
              [OUTPUT] = "Q6_K",
              [REST] = "Q2_K"}},
    {.name = "Q4_K_M",
     .file_type = 15,
     .type = {[OUTPUT] = "Q6_K", [REST] = "Q4_K"},
     .more = "Q6_K"},
    {.name = "MXFP4_MOE",
     .file_type = 38,
     .type = {[EXP_UP] = "MXFP4", [EXP_DOWN] = "MXFP4", [REST] = "Q8_0"}},
#define PLAIN(type_name, ftype)                                               \
    {                                                                         \
        .name = type_name, .file_type = ftype, .type = { [REST] = type_name } \
    }
    PLAIN("F32", 0),
    PLAIN("F16", 1),
    PLAIN("BF16", 32),
    PLAIN("Q8_0", 7),
    PLAIN("Q4_0", 2),
    PLAIN("Q4_1", 3),
    PLAIN("Q5_0", 8),
    PLAIN("Q5_1", 9),
    PLAIN("Q2_K", 10),
    PLAIN("Q3_K", 11),
    PLAIN("Q4_K", 14),
    PLAIN("Q5_K", 16),
    PLAIN("Q6_K", 18),
    PLAIN("IQ1_S", 24),
    PLAIN("IQ1_M", 31),
    PLAIN("IQ2_XXS", 19),
    PLAIN("IQ2_XS", 20),
    PLAIN("IQ2_S", 28),
    PLAIN("IQ3_XXS", 23),
    PLAIN("IQ3_S", 26),
    PLAIN("IQ4_NL", 25),
    PLAIN("IQ4_XS", 30),
    PLAIN("TQ1_0", 36),
    PLAIN("TQ2_0", 37),
    PLAIN("MXFP4", 38),
#undef PLAIN
};
#define N_MIX (sizeof mixes / sizeof *mixes)

/* When a width is no multiple of the block: llama.cpp 0.7.0, llama-quant.cpp. */
static const char *const fallbacks[][2] = {
    {"Q2_K", "IQ4_NL"},   {"Q3_K", "IQ4_NL"},  {"Q4_K", "Q5_0"},      {"Q5_K", "Q5_1"},
    {"Q6_K", "Q8_0"},     {"IQ1_S", "IQ4_NL"}, {"IQ1_M", "IQ4_NL"},   {"IQ2_XXS", "IQ4_NL"},
    {"IQ2_XS", "IQ4_NL"}, {"IQ2_S", "IQ4_NL"}, {"IQ3_XXS", "IQ4_NL"}, {"IQ3_S", "IQ4_NL"},
    {"IQ4_XS", "IQ4_NL"}, {"TQ1_0", "Q4_0"},   {"TQ2_0", "Q4_0"},
};

const char *seam_mix_list(void)
{
    static char text[400];
    size_t n = 0;
    for (size_t i = 0; i < N_MIX && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? ", " : "", mixes[i].name);
    return text;
}

seam_status seam_mix_find(const struct seam_mix **out, const char *name, struct seam_err *err)
{
    for (size_t i = 0; i < N_MIX; i++) {
        *out = &mixes[i];
        if (strcasecmp(mixes[i].name, name) == 0)
            return SEAM_OK;
    }
    *out = NULL;
    return seam_fail(err, SEAM_EINVAL, "no type or mix '%s'; there are %s", name, seam_mix_list());
}

const char *seam_mix_name(const struct seam_mix *m)
{
    return m->name;
}

uint32_t seam_mix_file_type(const struct seam_mix *m)
{
    return m->file_type;
}

static enum kind kind_of(const char *tensor)
{
    if (!strcmp(tensor, "output.weight"))
        return OUTPUT;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strstr(tensor, kinds[i].part))
            return kinds[i].kind;
    return REST;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

/* As llama.cpp: only matrices named .weight, and of these neither norms nor what is small and
 * decides much. */
static bool stays_f32(const char *tensor, uint32_t n_dims)
{
    return n_dims < 2 || !ends_with(tensor, ".weight") || ends_with(tensor, "norm.weight") ||
           strstr(tensor, "ffn_gate_inp") || strstr(tensor, "ssm_conv1d");
}

/* The first and last eighth, and every third between. */
static bool more_bits(const char *tensor, enum kind kind, uint32_t n_layer)
{
    if (strncmp(tensor, "blk.", 4) != 0 ||
        !(kind == EXP_DOWN || kind == FFN_DOWN || strstr(tensor, ".attn_v.")))
        return false;
    uint32_t i = (uint32_t)strtoul(tensor + 4, NULL, 10);
    return i < n_layer / 8 || i >= 7 * n_layer / 8 || (i - n_layer / 8) % 3 == 2;
}

static const struct seam_type *fit(const struct seam_type *t, uint64_t width)
{
    for (size_t i = 0; width % t->block && i < sizeof fallbacks / sizeof *fallbacks; i++) {
        if (!strcmp(t->name, fallbacks[i][0])) {
            t = seam_type_by_name(fallbacks[i][1]);
            break;
        }
    }
    return width % t->block ? seam_type_by_name("F16") : t;
}

const struct seam_type *seam_mix_type(const struct seam_mix *m, const char *tensor, uint32_t n_dims,
                                      const uint64_t *ne, uint32_t n_layer,
                                      const struct seam_type **wanted)
{
    const enum kind kind = kind_of(tensor);
    const char *name = m->type[kind] ? m->type[kind] : m->type[REST];
    if (m->more && more_bits(tensor, kind, n_layer))
        name = m->more;
    if (stays_f32(tensor, n_dims))
        name = "F32";
    const struct seam_type *want = seam_type_by_name(name);
    if (wanted)
        *wanted = want;
    return fit(want, ne[0]);
}
