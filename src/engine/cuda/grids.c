#include "engine/cuda/grids.h"

#include <ggml.h>
#include <string.h>

#define F16_1 0x3c00u
#define F16_4 0x4400u
#define F16_8 0x4800u

/* An entry at a time: a block that is all zeros (no signs, smallest scales) but for a scale that makes
 * ggml's factor 1, and the index of the entry where the type keeps it. */
struct book {
    enum ggml_type type;
    uint32_t d;     /* f16: the block's scale */
    uint32_t d_at;  /* where that lies */
    uint32_t lo_at; /* low 8 bits of the index */
    uint32_t hi_at; /* the bits above; 0: there are none */
    uint32_t entries, width;
    float shift; /* added to each value by ggml */
};

/* to_float(block) / values: IQ2 scales by d (0.5 + s) 0.25, IQ3_XXS by d (0.5 + s) 0.5, the others by
 * d (1 + 2 s); IQ1 adds an eighth. */
static const struct book iq2_xxs = {GGML_TYPE_IQ2_XXS, F16_8, 0, 2, 0, 256, 8, 0};
static const struct book iq2_xs = {GGML_TYPE_IQ2_XS, F16_8, 0, 2, 3, 512, 8, 0};
static const struct book iq2_s = {GGML_TYPE_IQ2_S, F16_8, 0, 2, 66, 1024, 8, 0};
static const struct book iq3_xxs = {GGML_TYPE_IQ3_XXS, F16_4, 0, 2, 0, 256, 4, 0};
static const struct book iq3_s = {GGML_TYPE_IQ3_S, F16_1, 0, 2, 66, 512, 4, 0};
static const struct book iq1 = {GGML_TYPE_IQ1_S, F16_1, 0, 2, 34, 2048, 8, 0.125f};
static const struct book iq4 = {GGML_TYPE_IQ4_NL, F16_1, 0, 2, 0, 16, 1, 0};

/* Entry i's values as bytes at `to`. */
static bool read_entry(const struct book *b, uint32_t i, uint8_t *to)
{
    const struct ggml_type_traits *t = ggml_get_type_traits(b->type);
    uint8_t block[256] = {0};
    float value[256];
    block[b->d_at] = (uint8_t)b->d;
    block[b->d_at + 1] = (uint8_t)(b->d >> 8);
    block[b->lo_at] = (uint8_t)i;
    if (b->hi_at)
        block[b->hi_at] = (uint8_t)(i >> 8);
    t->to_float(block, value, t->blck_size);
    for (uint32_t j = 0; j < b->width; j++) {
        float v = value[j] - b->shift;
        if (!(v >= -128 && v <= 127) || v != (float)(int)v)
            return false;
        to[j] = (uint8_t)(int)v;
    }
    return true;
}

static bool read_book(const struct book *b, void *to)
{
    uint8_t *at = to;
    const struct ggml_type_traits *t = ggml_get_type_traits(b->type);
    if (!t || !t->to_float || t->blck_size > 256 || t->type_size > 256)
        return false;
    for (uint32_t i = 0; i < b->entries; i++, at += b->width)
        if (!read_entry(b, i, at))
            return false;
    return true;
}

bool seam_kernel_grids_make(struct seam_kernel_grids *g)
{
    return read_book(&iq2_xxs, g->iq2_xxs) && read_book(&iq2_xs, g->iq2_xs) &&
           read_book(&iq2_s, g->iq2_s) && read_book(&iq3_xxs, g->iq3_xxs) &&
           read_book(&iq3_s, g->iq3_s) && read_book(&iq1, g->iq1) && read_book(&iq4, g->iq4);
}
