/* blocks.h - eight values of a quantised block: those of [8 part, 8 part + 8) of the block at b,
 * by the same f32 operations in the same order as ggml's to_float, so that the results are its bits.
 *
 * C for the host (the unit test checks every type against ggml, no GPU needed) and CUDA for the device: the
 * same text. A block begins at an address that is a multiple of the alignment in SEAM_BLOCKS; `grid` is the
 * type's codebook of struct seam_kernel_grids, or NULL. Compile without contraction of a * b + c.
 * Sources: the block structures that ggml's GGUF types document; shared facts/models.md 4.1 for sizes. */
#ifndef SEAM_ENGINE_CUDA_BLOCKS_H
#define SEAM_ENGINE_CUDA_BLOCKS_H

#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#define SEAM_BLOCK_FN static __device__ __forceinline__
#else
#include <string.h>
#define SEAM_BLOCK_FN static inline
#endif

/* X(name, ggml's number, values, bytes, alignment, codebook's field or none) */
#define SEAM_BLOCKS(X)                  \
    X(q4_0, 2, 32, 18, 2, none)         \
    X(q4_1, 3, 32, 20, 4, none)         \
    X(q5_0, 6, 32, 22, 2, none)         \
    X(q5_1, 7, 32, 24, 8, none)         \
    X(q8_0, 8, 32, 34, 2, none)         \
    X(q2_k, 10, 256, 84, 4, none)       \
    X(q3_k, 11, 256, 110, 2, none)      \
    X(q4_k, 12, 256, 144, 16, none)     \
    X(q5_k, 13, 256, 176, 16, none)     \
    X(q6_k, 14, 256, 210, 2, none)      \
    X(iq2_xxs, 16, 256, 66, 2, iq2_xxs) \
    X(iq2_xs, 17, 256, 74, 2, iq2_xs)   \
    X(iq3_xxs, 18, 256, 98, 2, iq3_xxs) \
    X(iq1_s, 19, 256, 50, 2, iq1)       \
    X(iq4_nl, 20, 32, 18, 2, iq4)       \
    X(iq3_s, 21, 256, 110, 2, iq3_s)    \
    X(iq2_s, 22, 256, 82, 2, iq2_s)     \
    X(iq4_xs, 23, 256, 136, 8, iq4)     \
    X(iq1_m, 29, 256, 56, 8, iq1)       \
    X(tq1_0, 34, 256, 54, 2, none)      \
    X(tq2_0, 35, 256, 66, 2, none)      \
    X(mxfp4, 39, 32, 17, 1, none)       \
    X(nvfp4, 40, 64, 36, 4, none)       \
    X(q1_0, 41, 128, 18, 2, none)       \
    X(q2_0, 42, 64, 18, 2, none)

/* ---- bytes ---- */

SEAM_BLOCK_FN uint32_t seam_get2(const uint8_t *p) /* p even */
{
#ifdef __CUDACC__
    return *(const uint16_t *)p;
#else
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
#endif
}

SEAM_BLOCK_FN uint32_t seam_get4_by2(const uint8_t *p) /* p even */
{
    return seam_get2(p) | seam_get2(p + 2) << 16;
}

SEAM_BLOCK_FN uint32_t seam_get4(const uint8_t *p) /* p a multiple of 4 */
{
#ifdef __CUDACC__
    return *(const uint32_t *)p;
#else
    return seam_get4_by2(p);
#endif
}

SEAM_BLOCK_FN float seam_bits_f32(uint32_t bits)
{
#ifdef __CUDACC__
    return __uint_as_float(bits);
#else
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
#endif
}

SEAM_BLOCK_FN uint32_t seam_f32_bits(float f)
{
#ifdef __CUDACC__
    return __float_as_uint(f);
#else
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
#endif
}

SEAM_BLOCK_FN float seam_half(uint32_t h)
{
#ifdef __CUDACC__
    return __half2float(__ushort_as_half((unsigned short)h));
#else
    const uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu;
    if (exponent == 0) { /* fraction * 2^-24 */
        float f = (float)fraction * seam_bits_f32(103u << 23);
        return sign ? -f : f;
    }
    return seam_bits_f32(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
#endif
}

/* Byte i of eight, i a constant after unrolling. */
SEAM_BLOCK_FN uint32_t seam_byte(const uint32_t w[2], int i)
{
    return w[i >> 2] >> (8 * (i & 3)) & 0xff;
}

SEAM_BLOCK_FN float seam_signed(float v, uint32_t negative) /* 0 or not */
{
    return seam_bits_f32(seam_f32_bits(v) ^ (negative ? 0x80000000u : 0u));
}

/* ggml's sign patterns of IQ2_XXS, IQ2_XS and IQ3_XXS: 7 bits, and an eighth that makes their number even. */
SEAM_BLOCK_FN uint32_t seam_signs(uint32_t bits)
{
    uint32_t odd = bits ^ bits >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return bits | (odd & 1) << 7;
}

/* ---- blocks of 32 ---- */

/* Value j lies in the low nibble of byte j, value j + 16 in the high one: where part's are. */
SEAM_BLOCK_FN void seam_nibbles(const uint8_t *q, uint32_t part, uint32_t w[2])
{
    const uint32_t shift = (part >> 1) * 4;
    q += (part & 1) * 8;
    w[0] = seam_get4_by2(q) >> shift & 0x0f0f0f0fu;
    w[1] = seam_get4_by2(q + 4) >> shift & 0x0f0f0f0fu;
}

SEAM_BLOCK_FN void seam_block_q4_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    uint32_t w[2];
    (void)grid;
    seam_nibbles(b + 2, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = (float)((int)seam_byte(w, i) - 8) * d;
}

SEAM_BLOCK_FN void seam_block_q4_1(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b)), m = seam_half(seam_get2(b + 2));
    uint32_t w[2];
    (void)grid;
    seam_nibbles(b + 4, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = (float)seam_byte(w, i) * d + m;
}

SEAM_BLOCK_FN void seam_block_q5_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    const uint32_t high = seam_get4_by2(b + 2) >> part * 8;
    uint32_t w[2];
    (void)grid;
    seam_nibbles(b + 6, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = (float)((int)(seam_byte(w, i) | (high >> i & 1) << 4) - 16) * d;
}

SEAM_BLOCK_FN void seam_block_q5_1(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b)), m = seam_half(seam_get2(b + 2));
    const uint32_t high = seam_get4(b + 4) >> part * 8;
    uint32_t w[2];
    (void)grid;
    seam_nibbles(b + 8, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = (float)(seam_byte(w, i) | (high >> i & 1) << 4) * d + m;
}

SEAM_BLOCK_FN void seam_block_q8_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    const uint8_t *q = b + 2 + part * 8;
    const uint32_t w[2] = {seam_get4_by2(q), seam_get4_by2(q + 4)};
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = (float)(int8_t)seam_byte(w, i) * d;
}

SEAM_BLOCK_FN void seam_block_iq4_nl(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    const int8_t *value = (const int8_t *)grid;
    uint32_t w[2];
    seam_nibbles(b + 2, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)value[seam_byte(w, i)];
}

/* ---- floats of 4 bits ---- */

/* Twice an E2M1 value, from its code: 0 1 2 3 4 6 8 12, then the same negative. */
SEAM_BLOCK_FN float seam_fp4(uint32_t code)
{
    const int twice = (int)(0xc8643210u >> (code & 7) * 4 & 15);
    return (float)(code & 8 ? -twice : twice);
}

SEAM_BLOCK_FN void seam_block_mxfp4(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t e = b[0], shift = (part >> 1) * 4;
    const float d =
        seam_bits_f32(e < 2 ? 0x00200000u << e : (e - 1) << 23); /* half of 2^(e - 127) */
    const uint8_t *q = b + 1 + (part & 1) * 8;
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = seam_fp4((uint32_t)q[i] >> shift) * d;
}

/* Half of an unsigned E4M3 value; its not-a-number counts as 0. */
SEAM_BLOCK_FN float seam_ue4m3(uint32_t code)
{
    const uint32_t e = code >> 3 & 15, m = code & 7;
    if (code == 0x7f)
        return 0;
    if (e == 0)
        return (float)m * seam_bits_f32(117u << 23); /* 2^-10 */
    return (float)(8 + m) * seam_bits_f32((e + 127 - 7 - 3 - 1) << 23);
}

SEAM_BLOCK_FN void seam_block_nvfp4(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_ue4m3(b[part >> 1]);
    const uint8_t *q = b + 4 + (part >> 1) * 8;
    const uint32_t shift = (part & 1) * 4;
    const uint32_t w[2] = {seam_get4(q) >> shift, seam_get4(q + 4) >> shift};
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = seam_fp4(seam_byte(w, i) & 15) * d;
}

/* ---- one and two bits, three values ---- */

SEAM_BLOCK_FN void seam_block_q1_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    const uint32_t bits = b[2 + part];
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = bits >> i & 1 ? d : -d;
}

SEAM_BLOCK_FN void seam_block_q2_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b));
    const uint32_t bits = seam_get2(b + 2 + part * 2);
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = (float)((int)(bits >> 2 * i & 3) - 1) * d;
}

SEAM_BLOCK_FN void seam_block_tq2_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b + 64));
    const uint8_t *q = b + (part >> 4) * 32 + (part & 3) * 8;
    const uint32_t shift = (part >> 2 & 3) * 2;
    const uint32_t w[2] = {seam_get4_by2(q) >> shift, seam_get4_by2(q + 4) >> shift};
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = (float)((int)(seam_byte(w, i) & 3) - 1) * d;
}

/* Digits of a byte in base 3, which holds them as a fraction of 256: 160 values in 32 bytes, 80 in 16, 16
 * in 4, the first digit of all bytes first. */
SEAM_BLOCK_FN void seam_block_tq1_0(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const float d = seam_half(seam_get2(b + 52));
    (void)grid;
    for (int i = 0; i < 8; i++) {
        const uint32_t j = part * 8 + (uint32_t)i;
        uint32_t at, digit, q;
        if (j < 160)
            at = j & 31, digit = j >> 5;
        else if (j < 240)
            at = 32 + (j & 15), digit = (j - 160) >> 4;
        else
            at = 48 + (j & 3), digit = (j - 240) >> 2;
        q = b[at] * (uint32_t)(0x511b090301ull >> 8 * digit & 0xff) & 0xff; /* 3^digit */
        v[i] = (float)((int)(q * 3 >> 8) - 1) * d;
    }
}

/* ---- superblocks of 256 ---- */

/* Two bits a value, 32 bytes for 128 values: those of part before masking. */
SEAM_BLOCK_FN void seam_pairs(const uint8_t *q, uint32_t part, uint32_t w[2])
{
    const uint32_t shift = (part >> 2 & 3) * 2;
    q += (part >> 4) * 32 + (part & 3) * 8;
    w[0] = seam_get4_by2(q) >> shift & 0x03030303u;
    w[1] = seam_get4_by2(q + 4) >> shift & 0x03030303u;
}

SEAM_BLOCK_FN void seam_block_q2_k(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t both = seam_get4(b + 80), scale = b[part >> 1];
    const float d = seam_half(both & 0xffff) * (float)(scale & 15);
    const float m = seam_half(both >> 16) * (float)(scale >> 4);
    uint32_t w[2];
    (void)grid;
    seam_pairs(b + 16, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)seam_byte(w, i) - m;
}

SEAM_BLOCK_FN void seam_block_q3_k(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint8_t *s = b + 96, *h = b + (part & 3) * 8;
    const uint32_t is = part >> 1, bit = part >> 2;
    const uint32_t low = s[is & 7] >> (is >> 3) * 4 & 15,
                   high = s[8 + (is & 3)] >> (is >> 2) * 2 & 3;
    const float d = seam_half(seam_get2(b + 108)) * (float)((int)(low | high << 4) - 32);
    const uint32_t set[2] = {seam_get4_by2(h) >> bit, seam_get4_by2(h + 4) >> bit};
    uint32_t w[2];
    (void)grid;
    seam_pairs(b + 32, part, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)((int)(seam_byte(w, i) | (seam_byte(set, i) & 1) << 2) - 4);
}

/* Six bits each of scale and minimum of the j-th 32 values, in 12 bytes. */
SEAM_BLOCK_FN void seam_scale_min(const uint8_t *s, uint32_t j, float *scale, float *min)
{
    if (j < 4) {
        *scale = (float)(s[j] & 63);
        *min = (float)(s[j + 4] & 63);
    } else {
        *scale = (float)((s[j + 4] & 15u) | (uint32_t)s[j - 4] >> 6 << 4);
        *min = (float)((uint32_t)s[j + 4] >> 4 | (uint32_t)s[j] >> 6 << 4);
    }
}

/* Of Q4_K and Q5_K: factor and minimum of the 32 values that part is of, and its four bits. */
SEAM_BLOCK_FN void seam_k45(const uint8_t *b, const uint8_t *q, uint32_t part, float *d, float *m,
                            uint32_t w[2])
{
    const uint32_t both = seam_get4(b), shift = (part >> 2 & 1) * 4;
    float scale, min;
    seam_scale_min(b + 4, part >> 2, &scale, &min);
    *d = seam_half(both & 0xffff) * scale;
    *m = seam_half(both >> 16) * min;
    q += (part >> 3) * 32 + (part & 3) * 8;
    w[0] = seam_get4(q) >> shift & 0x0f0f0f0fu;
    w[1] = seam_get4(q + 4) >> shift & 0x0f0f0f0fu;
}

SEAM_BLOCK_FN void seam_block_q4_k(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    float d, m;
    uint32_t w[2];
    (void)grid;
    seam_k45(b, b + 16, part, &d, &m, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)seam_byte(w, i) - m;
}

SEAM_BLOCK_FN void seam_block_q5_k(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint8_t *h = b + 16 + (part & 3) * 8;
    const uint32_t bit = part >> 2, set[2] = {seam_get4(h) >> bit, seam_get4(h + 4) >> bit};
    float d, m;
    uint32_t w[2];
    (void)grid;
    seam_k45(b, b + 48, part, &d, &m, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)(seam_byte(w, i) | (seam_byte(set, i) & 1) << 4) - m;
}

SEAM_BLOCK_FN void seam_block_q6_k(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t half = part >> 4, quarter = part >> 2 & 3; /* of 256; of 128 */
    const uint8_t *q = b + half * 64 + (quarter & 1) * 32 + (part & 3) * 8;
    const uint8_t *h = b + 128 + half * 32 + (part & 3) * 8;
    const uint32_t shift = (quarter >> 1) * 4;
    const uint32_t w[2] = {seam_get4_by2(q) >> shift, seam_get4_by2(q + 4) >> shift};
    const uint32_t high[2] = {seam_get4_by2(h) >> quarter * 2, seam_get4_by2(h + 4) >> quarter * 2};
    const float d = seam_half(seam_get2(b + 208)) * (float)(int8_t)b[192 + (part >> 1)];
    (void)grid;
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)((int)((seam_byte(w, i) & 15) | (seam_byte(high, i) & 3) << 4) - 32);
}

SEAM_BLOCK_FN void seam_block_iq4_xs(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t ib = part >> 2, head = seam_get4(b);
    const uint32_t low = b[4 + (ib >> 1)] >> (ib & 1) * 4 & 15, high = head >> (16 + 2 * ib) & 3;
    const float d = seam_half(head & 0xffff) * (float)((int)(low | high << 4) - 32);
    const int8_t *value = (const int8_t *)grid;
    uint32_t w[2];
    seam_nibbles(b + 8 + ib * 16, part & 3, w);
    for (int i = 0; i < 8; i++)
        v[i] = d * (float)value[seam_byte(w, i)];
}

/* ---- codebooks: eight values are one entry of eight or two of four ---- */

SEAM_BLOCK_FN void seam_entry(const uint32_t w[2], float d, uint32_t signs, float v[8])
{
    for (int i = 0; i < 8; i++)
        v[i] = seam_signed(d * (float)seam_byte(w, i), signs >> i & 1);
}

SEAM_BLOCK_FN void seam_entry8(const void *grid, uint32_t index, float d, uint32_t signs,
                               float v[8])
{
    const uint64_t e = ((const uint64_t *)grid)[index];
    const uint32_t w[2] = {(uint32_t)e, (uint32_t)(e >> 32)};
    seam_entry(w, d, signs, v);
}

SEAM_BLOCK_FN void seam_entry4(const void *grid, uint32_t first, uint32_t second, float d,
                               uint32_t signs, float v[8])
{
    const uint32_t *e = (const uint32_t *)grid, w[2] = {e[first], e[second]};
    seam_entry(w, d, signs, v);
}

SEAM_BLOCK_FN void seam_block_iq2_xxs(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint8_t *q = b + 2 + (part >> 2) * 8;
    const uint32_t l = part & 3, rest = seam_get4_by2(q + 4);
    const float d = seam_half(seam_get2(b)) * (0.5f + (float)(rest >> 28)) * 0.25f;
    seam_entry8(grid, q[l], d, seam_signs(rest >> 7 * l & 127), v);
}

SEAM_BLOCK_FN void seam_block_iq2_xs(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t q = seam_get2(b + 2 + part * 2),
                   scale = b[66 + (part >> 2)] >> (part & 2) * 2 & 15;
    const float d = seam_half(seam_get2(b)) * (0.5f + (float)scale) * 0.25f;
    seam_entry8(grid, q & 511, d, seam_signs(q >> 9), v);
}

SEAM_BLOCK_FN void seam_block_iq2_s(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t l = part & 3, high = b[66 + (part >> 2)], scale = b[74 + (part >> 2)];
    const float d =
        seam_half(seam_get2(b)) * (0.5f + (float)(scale >> (part & 2) * 2 & 15)) * 0.25f;
    seam_entry8(grid, b[2 + part] | (high << (8 - 2 * l) & 0x300), d, b[34 + part], v);
}

SEAM_BLOCK_FN void seam_block_iq3_xxs(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t l = part & 3, rest = seam_get4_by2(b + 66 + (part >> 2) * 4);
    const uint32_t q = seam_get2(b + 2 + part * 2);
    const float d = seam_half(seam_get2(b)) * (0.5f + (float)(rest >> 28)) * 0.5f;
    seam_entry4(grid, q & 0xff, q >> 8, d, seam_signs(rest >> 7 * l & 127), v);
}

SEAM_BLOCK_FN void seam_block_iq3_s(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t l = part & 3, q = seam_get2(b + 2 + part * 2), high = b[66 + (part >> 2)];
    const uint32_t scale = b[106 + (part >> 3)] >> (part & 4) & 15;
    const float d = seam_half(seam_get2(b)) * (float)(1 + 2 * scale);
    seam_entry4(grid, (q & 0xff) | (high << (8 - 2 * l) & 256),
                q >> 8 | (high << (7 - 2 * l) & 256), d, b[74 + part], v);
}

SEAM_BLOCK_FN void seam_entry1(const void *grid, uint32_t index, float d, uint32_t down, float v[8])
{
    const uint64_t e = ((const uint64_t *)grid)[index];
    const uint32_t w[2] = {(uint32_t)e, (uint32_t)(e >> 32)};
    const float delta = down ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++)
        v[i] = d * ((float)(int8_t)seam_byte(w, i) + delta);
}

SEAM_BLOCK_FN void seam_block_iq1_s(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t h = seam_get2(b + 34 + (part >> 2) * 2), l = part & 3;
    const float d = seam_half(seam_get2(b)) * (float)(2 * (h >> 12 & 7) + 1);
    seam_entry1(grid, b[2 + part] | (h >> 3 * l & 7) << 8, d, h & 0x8000, v);
}

SEAM_BLOCK_FN void seam_block_iq1_m(const uint8_t *b, uint32_t part, const void *grid, float v[8])
{
    const uint32_t s01 = seam_get4(b + 48), s23 = seam_get4(b + 52); /* four of 16 bits */
    const uint32_t d =
        (s01 >> 12 & 0xf) | (s01 >> 24 & 0xf0) | (s23 >> 4 & 0xf00) | (s23 >> 16 & 0xf000);
    const uint32_t scale = seam_get2(b + 48 + (part >> 3) * 2) >> (part >> 1 & 3) * 3 & 7;
    const uint32_t h = (uint32_t)b[32 + (part >> 1)] >> (part & 1) * 4;
    seam_entry1(grid, b[part] | (h & 7) << 8, seam_half(d) * (float)(2 * scale + 1), h & 8, v);
}

#endif
