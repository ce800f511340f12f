/* Every kernel of src/engine/cuda against a float64 reference on fresh random inputs; needs a GPU.
 *
 *   gpu_kernels_test [--seed N] [--small]   errors per kernel; status 1 when one is above its tolerance
 *   gpu_kernels_test --bench                bytes per second beside the device's own copy, as JSON
 *
 * An error is |got - want| / magnitude, magnitude being |want| or, where terms cancel, the sum of the terms'
 * absolute values. Tolerances: half a unit in the last place of what is written (bf16 2^-8, f16 2^-11, f32
 * 2^-24; f16 below 2^-14 counts as 2^-14, where its units stop shrinking), plus f32 arithmetic in between: SUM for a norm or softmax (a thread adds up to 64 terms in a row, then
 * 5 + 8 levels of a tree: 77 roundings of 2^-24 = 4.6e-6), FEW for a handful of operations and an expf of 2 units
 * (8 * 2^-24). Copies, permutations and dequantisation must be exact: tolerance 0. */
#include <cuda_runtime_api.h>
#include <ggml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/cuda/blocks.h"
#include "engine/cuda/delta.h"
#include "engine/cuda/extra.h"
#include "engine/cuda/kernels.h"

#define EPS_BF16 (1.0 / 256)
#define EPS_F16  (1.0 / 2048)
#define EPS_F32  (1.0 / 16777216)
#define SUM      5e-6
#define FEW      5e-7

static const double eps_of[] = {EPS_BF16, EPS_F16, EPS_F32}; /* by enum seam_real */
static bool small;
static int failures;

#define CU(call) check_cuda(call, #call, __LINE__)
static void check_cuda(cudaError_t e, const char *what, int line)
{
    if (e == cudaSuccess)
        return;
    fprintf(stderr, "line %d: %s: %s\n", line, what, cudaGetErrorString(e));
    exit(1);
}

/* ---- random values, rounded to what the device gets ---- */

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double uniform(double low, double high)
{
    return low + (high - low) * (double)(random_bits() >> 11) / 9007199254740992.0;
}

static double read_real(const void *p, enum seam_real type, uint64_t i)
{
    if (type == SEAM_REAL_F32)
        return (double)((const float *)p)[i];
    if (type == SEAM_REAL_F16)
        return (double)ggml_fp16_to_fp32(((const ggml_fp16_t *)p)[i]);
    return (double)ggml_bf16_to_fp32(((const ggml_bf16_t *)p)[i]);
}

static void write_real(void *p, enum seam_real type, uint64_t i, float v)
{
    if (type == SEAM_REAL_F32)
        ((float *)p)[i] = v;
    else if (type == SEAM_REAL_F16)
        ((ggml_fp16_t *)p)[i] = ggml_fp32_to_fp16(v);
    else
        ((ggml_bf16_t *)p)[i] = ggml_fp32_to_bf16(v);
}

/* ---- memory of one case: host and device, freed together ---- */

static void *held[256];
static bool on_device[256];
static size_t n_held;

static void *hold(void *p, bool device)
{
    if (!p || n_held == sizeof held / sizeof *held) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    on_device[n_held] = device;
    return held[n_held++] = p;
}

static void *host(size_t bytes)
{
    return hold(calloc(bytes ? bytes : 1, 1), false);
}

/* Poisoned: a value that nobody wrote is not a number. */
static void *device(size_t bytes)
{
    void *p;
    CU(cudaMalloc(&p, bytes + 16));
    CU(cudaMemset(p, 0xff, bytes + 16));
    return hold(p, true);
}

static void *upload(const void *from, size_t bytes)
{
    void *p = device(bytes);
    CU(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice));
    return p;
}

static void *download(const void *from, size_t bytes)
{
    void *p = host(bytes);
    CU(cudaDeviceSynchronize());
    CU(cudaMemcpy(p, from, bytes, cudaMemcpyDeviceToHost));
    return p;
}

static void release(void)
{
    while (n_held > 0)
        if (on_device[--n_held])
            CU(cudaFree(held[n_held]));
        else
            free(held[n_held]);
}

/* Random values of `type` on both sides. */
struct both {
    void *host, *device;
    enum seam_real type;
};

static struct both random_values(enum seam_real type, uint64_t n, double range)
{
    struct both b = {host(n * seam_real_bytes(type)), NULL, type};
    for (uint64_t i = 0; i < n; i++)
        write_real(b.host, type, i, (float)uniform(-range, range));
    b.device = upload(b.host, n * seam_real_bytes(type));
    return b;
}

static double at(struct both b, uint64_t i)
{
    return read_real(b.host, b.type, i);
}

static const float *f32_of(struct both b)
{
    return b.device;
}

/* ---- results ---- */

static void report(const char *name, uint64_t values, double error, double tolerance)
{
    const bool ok = error <= tolerance; /* false for NaN */
    failures += !ok;
    printf("%-44s %10llu values  error %.3g  tolerance %.3g  %s\n", name,
           (unsigned long long)values, error, tolerance, ok ? "ok" : "FAILED");
}

/* `from`: n values on the device; magnitude NULL: |want|. */
static void compare(const char *name, const void *from, enum seam_real type, uint64_t n,
                    const double *want, const double *magnitude, double tolerance)
{
    const void *got = download(from, n * seam_real_bytes(type));
    double worst = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double g = read_real(got, type, i), m = magnitude ? magnitude[i] : fabs(want[i]);
        const double least = type == SEAM_REAL_F16 ? 1.0 / 16384 : 1e-30;
        const double error = fabs(g - want[i]) / (m > least ? m : least);
        if (!(error <= worst)) /* NaN too */
            worst = error;
        if (isnan(worst))
            break;
    }
    report(name, n, worst, tolerance);
}

static void compare_bytes(const char *name, const void *from, const void *want, size_t bytes,
                          uint64_t values)
{
    report(name, values, memcmp(download(from, bytes), want, bytes) != 0, 0);
}

/* ---- weights ---- */

static const char *const real_names[] = {"bf16", "f16", "f32"};

static const void *grids_on_device(void)
{
    struct seam_kernel_grids *g = host(sizeof *g);
    if (!seam_kernel_grids_make(g)) {
        fprintf(stderr, "ggml's codebooks have another format\n");
        exit(1);
    }
    return upload(g, sizeof *g);
}

/* Values that differ from `want` rounded, of n; two NaN are the same. */
static uint64_t wrong_values(const void *got, enum seam_real type, const float *want, uint64_t n)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t w = 0, g = 0;
        write_real(&w, type, 0, want[i]);
        memcpy(&g, (const uint8_t *)got + i * seam_real_bytes(type), seam_real_bytes(type));
        wrong += w != g && !(isnan(want[i]) && isnan(read_real(got, type, i)));
    }
    return wrong;
}

/* Any bytes are blocks, those whose scale is not a number too. */
static void test_dequantize_type(uint32_t type)
{
    const struct ggml_type_traits *t = ggml_get_type_traits((enum ggml_type)type);
    const uint64_t n = (small ? 4u : 300u) * 256 + (uint64_t)t->blck_size;
    const size_t bytes = n / (uint64_t)t->blck_size * t->type_size;
    uint8_t *blocks = host(bytes + 8);
    float *want = host(n * sizeof *want);
    for (size_t i = 0; i < bytes; i++)
        blocks[i] = (uint8_t)(random_bits() >> 32);
    if (t->to_float)
        t->to_float(blocks, want, (int64_t)n);
    else
        memcpy(want, blocks, bytes); /* F32 */
    const void *from = upload(blocks, bytes), *grids = grids_on_device();
    for (enum seam_real r = SEAM_REAL_BF16; r <= SEAM_REAL_F32; r++) {
        char name[64];
        void *to = device(n * seam_real_bytes(r));
        CU(seam_kernel_dequantize(to, r, from, type, n, grids, NULL));
        snprintf(name, sizeof name, "dequantize %s to %s", t->type_name, real_names[r]);
        const uint64_t wrong = wrong_values(download(to, n * seam_real_bytes(r)), r, want, n);
        report(name, n, (double)wrong, 0);
    }
    release();
}

static void test_dequantize(void)
{
#define NUMBER(name, number, ...) number,
    static const uint32_t types[] = {0, 1, 30, SEAM_BLOCKS(NUMBER)};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        test_dequantize_type(types[i]);
}

static void test_convert(void)
{
    const uint64_t n = small ? 1003 : 1000003;
    for (enum seam_real f = SEAM_REAL_BF16; f <= SEAM_REAL_F32; f++)
        for (enum seam_real t = SEAM_REAL_BF16; t <= SEAM_REAL_F32; t++) {
            char name[64];
            struct both x = random_values(f, n, 100);
            float *want = host(n * sizeof *want);
            void *to = device(n * seam_real_bytes(t));
            for (uint64_t i = 0; i < n; i++)
                want[i] = (float)at(x, i);
            CU(seam_kernel_convert(to, t, x.device, f, n, NULL));
            snprintf(name, sizeof name, "convert %s to %s", real_names[f], real_names[t]);
            const uint64_t wrong = wrong_values(download(to, n * seam_real_bytes(t)), t, want, n);
            report(name, n, (double)wrong, 0);
            release();
        }
}

/* ---- residual stream ---- */

/* high is x rounded to bf16, low what is left rounded again: together within 2^-17 of x. */
static void test_halves(void)
{
    const uint64_t n = 8 * 1003;
    struct both x = random_values(SEAM_REAL_F32, n, 100);
    void *high = device(n * 2), *low = device(n * 2);
    CU(seam_kernel_halves(high, low, x.device, n, NULL));
    const struct both h = {download(high, n * 2), high, SEAM_REAL_BF16};
    const struct both l = {download(low, n * 2), low, SEAM_REAL_BF16};
    double most = 0;
    for (uint64_t i = 0; i < n; i++)
        most = fmax(most, fabs(at(h, i) + at(l, i) - at(x, i)) / fmax(fabs(at(x, i)), 1e-6));
    report("halves", n, most, ldexp(1, -17));
    release();
}

static void test_pick(void)
{
    const uint32_t n = 77, rows = 300, bytes = 1090;
    uint8_t *from = host(rows * bytes), *want = host(n * bytes);
    int32_t *id = host(n * sizeof *id);
    void *to = device(n * bytes);
    for (uint32_t i = 0; i < rows * bytes; i++)
        from[i] = (uint8_t)(random_bits() >> 32);
    for (uint32_t i = 0; i < n; i++) {
        id[i] = (int32_t)(random_bits() >> 33) % (int32_t)rows;
        memcpy(want + i * bytes, from + (uint32_t)id[i] * bytes, bytes);
    }
    CU(seam_kernel_pick(to, upload(from, rows * bytes), upload(id, n * sizeof *id), n, bytes,
                        NULL));
    compare_bytes("pick", to, want, n * bytes, n);
    release();
}

static void test_scale_rows(void)
{
    const uint32_t n = 21, width = 1024, n_embd = 4096;
    const uint64_t values = (uint64_t)n * width;
    struct both act = random_values(SEAM_REAL_BF16, values, 2);
    struct both h = random_values(SEAM_REAL_BF16, (uint64_t)n * n_embd, 1);
    struct both w = random_values(SEAM_REAL_F32, n_embd, 0.1);
    double *want = host(values * sizeof *want);
    for (uint32_t t = 0; t < n; t++) {
        double dot = 0;
        for (uint32_t i = 0; i < n_embd; i++)
            dot += at(h, (uint64_t)t * n_embd + i) * at(w, i);
        for (uint32_t i = 0; i < width; i++)
            want[t * width + i] = at(act, t * width + i) / (1 + exp(-dot));
    }
    CU(seam_kernel_scale_rows(act.device, h.device, f32_of(w), n, width, n_embd, NULL));
    compare("scale rows", act.device, SEAM_REAL_BF16, values, want, NULL, EPS_BF16 + SUM);
    release();
}

static void test_norm(enum seam_real type, uint32_t width, bool with_add)
{
    const uint32_t n = small ? 3 : 37;
    const uint64_t values = (uint64_t)n * width, row = width + 8;
    const float eps = 1e-5f;
    struct both x = random_values(type, n * row, 3), w = random_values(SEAM_REAL_F32, width, 2);
    struct both y = random_values(SEAM_REAL_BF16, values, 1);
    double *want = host(values * sizeof *want), *sums = host(n * row * sizeof *sums);
    float *out = device(values * sizeof *out);
    void *half = device(values * 2);
    for (uint32_t t = 0; t < n; t++) {
        double sum = 0;
        for (uint32_t i = 0; i < row; i++) {
            double *v = &sums[t * row + i];
            *v = at(x, t * row + i);
            if (with_add && i < width) /* the sum is an f32 before it is normed */
                *v = (double)(float)(*v + at(y, (uint64_t)t * width + i));
            sum += i < width ? *v * *v : 0;
        }
        for (uint32_t i = 0; i < width; i++)
            want[(uint64_t)t * width + i] =
                sums[t * row + i] * at(w, i) / sqrt(sum / width + (double)eps);
    }
    CU(seam_kernel_norm(half, out, x.device, type, row, with_add ? y.device : NULL, f32_of(w), eps,
                        n, width, NULL));
    char name[64];
    snprintf(name, sizeof name, "norm %s %u%s", real_names[type], width,
             with_add ? " of a sum" : "");
    compare(name, out, SEAM_REAL_F32, values, want, NULL, EPS_F32 + SUM);
    compare(name, half, SEAM_REAL_BF16, values, want, NULL, EPS_BF16 + SUM);
    compare("norm: its input, or the sum", x.device, type, n * row, sums, NULL, 0);
    release();
}

static void test_norms(void)
{
    static const uint32_t widths[] = {8, 512, 1536, 4096, 7168, 16384};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        test_norm(SEAM_REAL_F32, widths[i], false);
        test_norm(SEAM_REAL_F32, widths[i], true);
        test_norm(SEAM_REAL_BF16, widths[i], false);
    }
}

static void test_gate(void)
{
    const uint32_t n = 19, heads = 6, width = 256;
    const uint64_t values = (uint64_t)n * heads * width;
    struct both o = random_values(SEAM_REAL_BF16, values, 2);
    struct both g = random_values(SEAM_REAL_BF16, 2 * values, 6);
    double *want = host(values * sizeof *want);
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t h = 0; h < heads; h++)
            for (uint32_t i = 0; i < width; i++) {
                const uint64_t k = ((uint64_t)t * heads + h) * width + i;
                want[k] = at(o, k) / (1 + exp(-at(g, (t * heads + h) * 2 * width + width + i)));
            }
    CU(seam_kernel_gate(o.device, (uint16_t *)g.device + width, heads * 2 * width, 2 * width, n,
                        heads, width, NULL));
    compare("gate", o.device, SEAM_REAL_BF16, values, want, NULL, EPS_BF16 + FEW);
    release();
}

/* ---- rope ---- */

/* YaRN (arXiv 2309.00071) in float64. The kernel's angle is a product of up to `pair` f32 factors, mixed with a
 * few more roundings: its error is at most angle (pair + 5) 2^-24, and so is that of cos and sin. */
static void test_turns(struct seam_kernel_rope r, bool with_factors, uint32_t pos, const char *name)
{
    const uint32_t n = small ? 5 : 500, pairs = r.n_rope / 2;
    const uint64_t values = (uint64_t)n * r.n_rope;
    float *factors = host(pairs * sizeof *factors);
    double *want = host(values * sizeof *want), *bound = host(values * sizeof *bound);
    double low = 0, high = 0, magnitude = (double)r.attn_factor;
    for (uint32_t i = 0; i < pairs; i++)
        factors[i] = with_factors ? (float)uniform(1, 8) : 1;
    if (r.ext_factor != 0) {
        const double turn = r.n_ctx_orig / (2 * M_PI), l = 2 * log((double)r.base);
        low = fmax(0, floor(r.n_rope * log(turn / (double)r.beta_fast) / l));
        high = fmin(r.n_rope - 1, ceil(r.n_rope * log(turn / (double)r.beta_slow) / l));
        magnitude *= 1 + 0.1 * log(1 / (double)r.freq_scale);
    }
    for (uint64_t i = 0; i < (uint64_t)n * pairs; i++) {
        const uint32_t pair = (uint32_t)(i % pairs);
        const double theta = (double)(pos + i / pairs) *
                             pow((double)r.base, -2.0 * pair / r.n_rope) / (double)factors[pair];
        double mix = 1 - fmin(1, fmax(0, (pair - low) / fmax(0.001, high - low)));
        mix *= (double)r.ext_factor;
        const double angle = theta * (double)r.freq_scale * (1 - mix) + theta * mix;
        want[2 * i] = cos(angle) * magnitude;
        want[2 * i + 1] = sin(angle) * magnitude;
        bound[2 * i] = bound[2 * i + 1] = magnitude * (angle * (pair + 5) * EPS_F32 + FEW);
    }
    float *turns = device(values * sizeof *turns);
    CU(seam_kernel_turns(turns, pos, n, &r, with_factors ? upload(factors, pairs * 4) : NULL,
                         NULL));
    compare(name, turns, SEAM_REAL_F32, values, want, bound, 1);
    release();
}

static void test_all_turns(void)
{
    const struct seam_kernel_rope plain = {.n_rope = 128,
                                           .base = 1e6f,
                                           .freq_scale = 1,
                                           .attn_factor = 1};
    const struct seam_kernel_rope kimi = {64, 4096, 50000, 1.0f / 64, 1, 0.8f, 32, 1};
    test_turns(plain, false, 0, "turns, plain (share of the bound)");
    test_turns(plain, true, 250000, "turns, factors, far (share of the bound)");
    test_turns(kimi, false, 0, "turns, YaRN (share of the bound)");
    test_turns(kimi, false, 260000, "turns, YaRN, far (share of the bound)");
}

/* What seam_kernel_heads says, in float64, into want and magnitude [n][heads][width]. */
static void heads_reference(const struct seam_kernel_heads *h, struct both x, uint64_t offset,
                            struct both w, struct both turns, double *want, double *magnitude)
{
    for (uint64_t r = 0; r < (uint64_t)h->n * h->heads; r++) {
        const uint64_t token = r / h->heads;
        const uint64_t from = offset + token * h->from_token + r % h->heads * h->from_head;
        double v[1024], sum = 0;
        for (uint32_t i = 0; i < h->width; i++)
            v[i] = at(x, from + i), sum += v[i] * v[i];
        for (uint32_t i = 0; h->weight && i < h->width; i++)
            v[i] *= at(w, i) / sqrt(sum / h->width + (double)h->eps);
        for (uint32_t i = 0; i < h->width; i++)
            want[r * h->width + i] = v[i], magnitude[r * h->width + i] = fabs(v[i]);
        for (uint32_t p = 0; h->turns && p < h->n_rope / 2; p++) {
            const uint32_t a = h->rope_first + (h->neox ? p : 2 * p);
            const uint32_t b = h->neox ? a + h->n_rope / 2 : a + 1;
            const uint64_t t = token * h->n_rope + 2 * p, to = r * h->width;
            const double c = at(turns, t), s = at(turns, t + 1);
            want[to + a] = v[a] * c - v[b] * s;
            want[to + b] = v[a] * s + v[b] * c;
            magnitude[to + a] = fabs(v[a] * c) + fabs(v[b] * s);
            magnitude[to + b] = fabs(v[a] * s) + fabs(v[b] * c);
        }
    }
}

/* Strides with gaps; the result's strides are packed unless it is written in place. */
static void test_heads(const char *name, struct seam_kernel_heads h, bool normed, bool in_place)
{
    h.from_head = h.width + 16;
    h.from_token = h.heads * h.from_head + 8;
    const uint64_t in = h.n * h.from_token, out = (uint64_t)h.n * h.heads * h.width;
    struct both x = random_values(h.from_type, in, 2), w = random_values(SEAM_REAL_F32, h.width, 2);
    struct both turns = random_values(SEAM_REAL_F32, (uint64_t)h.n * h.n_rope + 8, 1);
    double *want = host(out * sizeof *want), *magnitude = host(out * sizeof *magnitude);
    h.from = x.device;
    h.weight = normed ? f32_of(w) : NULL;
    h.eps = 1e-6f;
    h.turns = h.n_rope ? f32_of(turns) : NULL;
    h.to_token = in_place ? h.from_token : h.heads * h.width;
    h.to_head = in_place ? h.from_head : h.width;
    h.to = in_place ? x.device : device(out * seam_real_bytes(h.to_type));
    heads_reference(&h, x, 0, w, turns, want, magnitude);
    CU(seam_kernel_heads(&h, NULL));
    if (in_place) { /* all of x: the gaps must be as they were */
        double *all = host(in * sizeof *all), *size = host(in * sizeof *size);
        for (uint64_t i = 0; i < in; i++)
            all[i] = at(x, i), size[i] = fabs(all[i]);
        for (uint64_t r = 0; r < (uint64_t)h.n * h.heads; r++)
            for (uint32_t i = 0; i < h.width; i++) {
                const uint64_t k = r / h.heads * h.from_token + r % h.heads * h.from_head + i;
                all[k] = want[r * h.width + i], size[k] = magnitude[r * h.width + i];
            }
        compare(name, h.to, h.to_type, in, all, size, eps_of[h.to_type] + FEW + normed * SUM);
    } else {
        compare(name, h.to, h.to_type, out, want, magnitude,
                eps_of[h.to_type] + FEW + normed * SUM);
    }
    release();
}

static void test_all_heads(void)
{
    const uint32_t n = small ? 3 : 61;
    const enum seam_real b = SEAM_REAL_BF16, f = SEAM_REAL_F32, h = SEAM_REAL_F16;
#define HEADS(to, from, n_heads, w, first, rope, is_neox) \
    (struct seam_kernel_heads){.to_type = to,             \
                               .from_type = from,         \
                               .n = n,                    \
                               .heads = n_heads,          \
                               .width = w,                \
                               .rope_first = first,       \
                               .n_rope = rope,            \
                               .neox = is_neox}
    test_heads("heads: MLA queries in place", HEADS(b, b, 64, 192, 128, 64, false), false, true);
    test_heads("heads: MLA queries, f32 to bf16", HEADS(b, f, 16, 192, 128, 64, false), false,
               false);
    test_heads("heads: normed, neox, to f16", HEADS(h, f, 8, 128, 0, 128, true), true, false);
    test_heads("heads: normed in place, part neox", HEADS(b, b, 5, 256, 0, 64, true), true, true);
    test_heads("heads: f32 to f32, width 40", HEADS(f, f, 3, 40, 16, 24, true), true, false);
    test_heads("heads: copy, width 1024", HEADS(h, b, 2, 1024, 0, 0, false), false, false);
    test_heads("heads: odd pairs, in place", HEADS(f, f, 7, 64, 2, 12, false), false, true);
}

/* ---- MLA ---- */

/* Rows from c, latents and keys from rows, with the sizes of Kimi but for heads. */
static void test_mla(enum seam_real kv_type, enum seam_real c_type, enum seam_real type)
{
    const uint32_t n = small ? 3 : 45, lora = 512, rope = 64, nope = 128, v = 128, heads = 5;
    const uint64_t row = lora + rope, c_row = row + 24, head = nope + rope;
    struct both c = random_values(c_type, n * c_row, 3), w = random_values(SEAM_REAL_F32, lora, 2);
    struct both turns = random_values(SEAM_REAL_F32, n * rope, 1);
    struct both up = random_values(type, (uint64_t)n * heads * (nope + v), 2);
    double *want = host(n * heads * head * 8), *magnitude = host(n * heads * head * 8);
    double *part = host(n * row * 8), *size = host(n * row * 8);
    struct seam_kernel_heads h = {.n = n,
                                  .heads = 1,
                                  .width = lora,
                                  .from_token = c_row,
                                  .eps = 1e-6f};
    for (int second = 0; second < 2; second++) {
        h.weight = second ? NULL : f32_of(w);
        h.turns = second ? f32_of(turns) : NULL;
        h.width = second ? rope : lora;
        h.n_rope = second ? rope : 0;
        heads_reference(&h, c, second ? lora : 0, w, turns, part, size);
        for (uint64_t t = 0; t < n; t++)
            for (uint32_t i = 0; i < h.width; i++) {
                want[t * row + (second ? lora : 0) + i] = part[t * h.width + i];
                magnitude[t * row + (second ? lora : 0) + i] = size[t * h.width + i];
            }
    }
    void *rows = device(n * row * seam_real_bytes(kv_type));
    CU(seam_kernel_mla_rows(rows, kv_type, c.device, c_type, c_row, f32_of(w), 1e-6f, f32_of(turns),
                            false, n, lora, rope, NULL));
    compare("mla rows", rows, kv_type, n * row, want, magnitude, eps_of[kv_type] + SUM + FEW);

    const struct both cached = {download(rows, n * row * seam_real_bytes(kv_type)), rows, kv_type};
    void *latent = device((uint64_t)n * lora * 2), *k = device(n * heads * head * 2);
    for (uint64_t i = 0; i < (uint64_t)n * lora; i++)
        want[i] = at(cached, i / lora * row + i % lora);
    CU(seam_kernel_mla_latents(latent, type, rows, kv_type, n, lora, rope, NULL));
    compare("mla latents", latent, type, (uint64_t)n * lora, want, NULL, eps_of[type]);

    for (uint64_t i = 0; i < n * heads * head; i++) {
        const uint64_t t = i / (heads * head), hd = i / head % heads, j = i % head;
        want[i] = j < nope ? at(up, (t * heads + hd) * (nope + v) + j)
                           : at(cached, t * row + lora + j - nope);
    }
    CU(seam_kernel_mla_keys(k, type, up.device, (uint64_t)heads * (nope + v), nope + v, rows,
                            kv_type, n, heads, nope, lora, rope, NULL));
    compare("mla keys", k, type, n * heads * head, want, NULL, eps_of[type]);
    CU(cudaMemset(rows, 0, n * row * seam_real_bytes(kv_type)));
    for (uint64_t i = 0; i < n * heads * head; i++)
        want[i] = i % head < nope ? want[i] : 0;
    CU(seam_kernel_mla_keys(k, type, NULL, 0, 0, rows, kv_type, n, heads, nope, lora, rope, NULL));
    compare("mla keys: the rope part alone", k, type, n * heads * head, want, NULL, eps_of[type]);
    release();
}

/* ---- experts ---- */

/* Scores (with all but the best groups at -inf) and probabilities of a token. False: two groups are so close
 * that f32 may take either. */
static bool route_reference(const struct seam_kernel_router *r, struct both logits,
                            struct both bias, bool biased, uint64_t token, double *score, double *p)
{
    const uint64_t from = token * r->n_expert;
    const uint32_t groups = r->n_group > 1 ? r->n_group : 1, per = r->n_expert / groups;
    double sum = 0, best[32];
    for (uint32_t e = 0; e < r->n_expert; e++)
        sum += exp(at(logits, from + e));
    for (uint32_t e = 0; e < r->n_expert; e++) {
        const double l = at(logits, from + e);
        p[e] = r->sigmoid ? 1 / (1 + exp(-l)) : exp(l) / sum;
        score[e] = p[e] + (biased ? at(bias, e) : 0);
    }
    for (uint32_t g = 0; g < groups; g++) {
        double first = -INFINITY, second = -INFINITY;
        for (uint32_t e = g * per; e < g * per + per; e++)
            if (score[e] > first)
                second = first, first = score[e];
            else if (score[e] > second)
                second = score[e];
        best[g] = per > 1 ? first + second : first;
    }
    bool clear = true;
    for (uint32_t g = 0; groups > 1 && g < groups; g++) {
        uint32_t better = 0;
        for (uint32_t other = 0; other < groups; other++) {
            better += best[other] > best[g];
            clear = clear && (other == g || fabs(best[other] - best[g]) > SUM);
        }
        for (uint32_t e = g * per; better >= r->n_group_used && e < g * per + per; e++)
            score[e] = -INFINITY;
    }
    return clear;
}

/* How far below the best of those left a choice lies, at most; and the weights' relative error. A double or
 * absent choice counts as infinitely far. */
static void test_route(const char *name, struct seam_kernel_router r, bool biased)
{
    const uint32_t n = small ? 9 : 999;
    struct both logits = random_values(SEAM_REAL_F32, (uint64_t)n * r.n_expert, 4);
    struct both bias = random_values(SEAM_REAL_F32, r.n_expert, 0.3);
    const uint64_t pairs = (uint64_t)n * r.n_used;
    int32_t *experts = device(pairs * 4);
    float *weights = device(pairs * 4);
    CU(seam_kernel_route(experts, weights, f32_of(logits), biased ? f32_of(bias) : NULL, n, &r,
                         NULL));
    const int32_t *chosen = download(experts, pairs * 4);
    double *want = host(pairs * 8), *score = host(r.n_expert * 8), *p = host(r.n_expert * 8);
    double below = 0;
    for (uint32_t t = 0; t < n; t++) {
        double sum = 0;
        const bool clear = route_reference(&r, logits, bias, biased, t, score, p);
        for (uint32_t k = 0; k < r.n_used; k++) {
            const int32_t c = chosen[t * r.n_used + k];
            double best = -INFINITY;
            if (c < 0 || (uint32_t)c >= r.n_expert) {
                report(name, pairs, INFINITY, 0);
                release();
                return;
            }
            for (uint32_t e = 0; e < r.n_expert; e++)
                best = fmax(best, score[e]);
            below = clear ? fmax(below, best - score[c]) : below;
            score[c] = -INFINITY;
            sum += want[t * r.n_used + k] = p[c];
        }
        for (uint32_t k = 0; k < r.n_used; k++)
            want[t * r.n_used + k] *= (double)r.scale / (r.normalize ? fmax(sum, 1.0 / 16384) : 1);
    }
    report(name, pairs, below, SUM);
    compare("  its weights", weights, SEAM_REAL_F32, pairs, want, NULL, 2 * SUM);
    release();
}

static void test_routes(void)
{
    test_route("route: Kimi", (struct seam_kernel_router){384, 8, 1, 1, true, true, 2.827f}, true);
    test_route("route: DeepSeek V3, groups",
               (struct seam_kernel_router){256, 8, 8, 4, true, true, 2.5f}, true);
    test_route("route: Qwen3.5, softmax",
               (struct seam_kernel_router){512, 10, 0, 0, false, true, 1}, false);
    test_route("route: Lite, softmax, raw",
               (struct seam_kernel_router){64, 6, 1, 1, false, false, 1}, false);
    test_route("route: 1000 experts", (struct seam_kernel_router){1000, 32, 1, 1, true, true, 1},
               true);
    test_route("route: groups of one", (struct seam_kernel_router){8, 2, 8, 3, true, true, 1},
               true);
}

static void test_sort(const char *name, uint32_t n, uint32_t n_used, uint32_t n_expert, bool skewed)
{
    const uint64_t pairs = (uint64_t)n * n_used;
    int32_t *experts = host(pairs * 4), *begin = host((n_expert + 2) * 4);
    int32_t *token = host(pairs * 4), *row = host(pairs * 4);
    for (uint64_t p = 0; p < pairs; p++) {
        experts[p] = skewed ? 1 : (int32_t)(random_bits() % n_expert);
        begin[experts[p] + 1]++;
    }
    for (uint32_t e = 0; e < n_expert; e++)
        begin[e + 1] += begin[e];
    int32_t *next = host(n_expert * 4);
    memcpy(next, begin, n_expert * 4);
    for (uint64_t p = 0; p < pairs; p++) {
        row[p] = next[experts[p]]++;
        token[row[p]] = (int32_t)(p / n_used);
    }
    int32_t *d_begin = device((n_expert + 1) * 4), *d_token = device(pairs * 4);
    int32_t *d_row = device(pairs * 4);
    CU(seam_kernel_sort(d_begin, d_token, d_row,
                        device(seam_kernel_sort_bytes(n, n_used, n_expert)),
                        upload(experts, pairs * 4), n, n_used, n_expert, NULL));
    compare_bytes(name, d_begin, begin, (n_expert + 1) * 4, n_expert + 1);
    compare_bytes("  its tokens", d_token, token, pairs * 4, pairs);
    compare_bytes("  its rows", d_row, row, pairs * 4, pairs);
    release();
}

static void test_gather(void)
{
    const uint32_t n = 33, width = 7168, rows = 70;
    struct both x = random_values(SEAM_REAL_BF16, n * width, 1);
    int32_t token[70];
    uint16_t *want = host(rows * width * 2);
    for (uint32_t r = 0; r < rows; r++) {
        token[r] = (int32_t)(random_bits() % n);
        memcpy(want + r * width, (uint16_t *)x.host + (uint32_t)token[r] * width, width * 2);
    }
    void *to = device(rows * width * 2);
    CU(seam_kernel_gather(to, x.device, upload(token, sizeof token), rows, width, NULL));
    compare_bytes("gather", to, want, rows * width * 2, rows * width);
    release();
}

static void test_swiglu(uint32_t width, bool joined)
{
    const uint32_t rows = small ? 5 : 77, in_row = joined ? 2 * width : width;
    struct both gate = random_values(SEAM_REAL_BF16, (uint64_t)rows * in_row, 8);
    struct both up = random_values(SEAM_REAL_BF16, (uint64_t)rows * in_row, 2);
    const uint64_t first = joined ? width : 0;
    double *want = host((uint64_t)rows * width * 8);
    if (joined)
        up = gate;
    for (uint64_t i = 0; i < (uint64_t)rows * width; i++) {
        const uint64_t k = i / width * in_row + i % width;
        want[i] = at(gate, k) / (1 + exp(-at(gate, k))) * at(up, k + first);
    }
    void *to = device((uint64_t)rows * width * 2);
    CU(seam_kernel_swiglu(to, gate.device, (uint16_t *)up.device + first, in_row, rows, width,
                          NULL));
    compare(joined ? "swiglu, gate and up joined" : "swiglu", to, SEAM_REAL_BF16,
            (uint64_t)rows * width, want, NULL, EPS_BF16 + FEW);
    release();
}

static void test_combine(uint32_t width, uint32_t used, bool shared, bool gated)
{
    const uint32_t n = small ? 3 : 41;
    const uint64_t values = (uint64_t)n * width;
    struct both x = random_values(SEAM_REAL_F32, values, 3),
                w = random_values(SEAM_REAL_F32, n * used, 1);
    struct both y = random_values(SEAM_REAL_BF16, values * used, 2);
    struct both s = random_values(SEAM_REAL_BF16, values, 2),
                g = random_values(SEAM_REAL_F32, n, 3);
    int32_t *row = host(n * used * 4);
    double *want = host(values * 8), *magnitude = host(values * 8);
    for (uint32_t i = 0; i < n * used; i++) /* a permutation */
        row[i] = (int32_t)i;
    for (uint32_t i = n * used - 1; i > 0; i--) {
        const uint32_t j = (uint32_t)(random_bits() % (i + 1));
        const int32_t swap = row[i];
        row[i] = row[j], row[j] = swap;
    }
    for (uint64_t i = 0; i < values; i++) {
        const uint64_t t = i / width, c = i % width;
        double sum = at(x, i), size = fabs(sum), term;
        for (uint32_t k = 0; k < used; k++) {
            term = at(w, t * used + k) * at(y, (uint64_t)row[t * used + k] * width + c);
            sum += term, size += fabs(term);
        }
        term = shared ? at(s, i) / (gated ? 1 + exp(-at(g, t)) : 1) : 0;
        want[i] = sum + term, magnitude[i] = size + fabs(term);
    }
    CU(seam_kernel_combine(x.device, y.device, upload(row, n * used * 4), f32_of(w),
                           shared ? s.device : NULL, gated ? f32_of(g) : NULL, n, used, width,
                           NULL));
    compare(shared ? gated ? "combine, gated shared expert" : "combine, shared expert" : "combine",
            x.device, SEAM_REAL_F32, values, want, magnitude, (used + 3) * EPS_F32);
    release();
}

/* ---- gated DeltaNet ---- */

/* y and its magnitude from x; inputs: those of the tokens before, then those to come. */
static void conv_reference(const struct seam_kernel_delta *d, struct both x, struct both conv,
                           double *inputs, uint32_t n, double *y, double *magnitude)
{
    const uint32_t channels = seam_kernel_delta_channels(d), keep = d->taps - 1;
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t c = 0; c < channels; c++) {
            const uint64_t i = (uint64_t)t * channels + c;
            double sum = 0, size = 0, *in = inputs + (uint64_t)c * keep;
            for (uint32_t j = 0; j < d->taps; j++) {
                const double term = at(conv, c * d->taps + j) * (j < keep ? in[j] : at(x, i));
                sum += term, size += fabs(term);
            }
            memmove(in, in + 1, (keep - 1) * sizeof *in);
            in[keep - 1] = at(x, i);
            y[i] = sum / (1 + exp(-sum)), magnitude[i] = size;
        }
    for (uint64_t h = 0; h < (uint64_t)n * (channels / d->width); h++) {
        double *v = y + h * d->width, length = 0;
        if (h % (channels / d->width) >= 2 * d->heads_k)
            continue;
        for (uint32_t i = 0; i < d->width; i++)
            length += v[i] * v[i];
        length = fmax(sqrt(length), (double)d->eps);
        for (uint32_t i = 0; i < d->width; i++)
            v[i] /= length, magnitude[h * d->width + i] /= length;
    }
}

struct gates { /* of n tokens and value heads */
    struct both alpha, b, dt, a;
};

static void rule_reference(const struct seam_kernel_delta *d, struct both y, const struct gates *g,
                           double *state, uint32_t n, double *o)
{
    const uint32_t channels = seam_kernel_delta_channels(d), w = d->width;
    for (uint64_t i = 0; i < (uint64_t)n * d->heads_v; i++) {
        const uint64_t t = i / d->heads_v, h = i % d->heads_v, row = t * channels;
        const uint64_t q = row + h % d->heads_k * w, k = q + d->heads_k * w;
        const uint64_t v = row + (2 * d->heads_k + h) * w;
        const double keep = exp(at(g->a, h) * log1p(exp(at(g->alpha, i) + at(g->dt, h))));
        const double beta = 1 / (1 + exp(-at(g->b, i)));
        for (uint32_t j = 0; j < w; j++) {
            double *s = state + (h * w + j) * w, uk = 0, sum = 0;
            for (uint32_t m = 0; m < w; m++)
                s[m] *= keep, uk += s[m] * at(y, k + m);
            for (uint32_t m = 0; m < w; m++) {
                s[m] += at(y, k + m) * beta * (at(y, v + j) - uk);
                sum += s[m] * at(y, q + m);
            }
            o[i * w + j] = sum / sqrt(w);
        }
    }
}

/* Root mean square of n values, at each of them: the magnitude of errors that come from everywhere. */
static const double *rms_of(const double *v, uint64_t n)
{
    double *m = host(n * sizeof *m), sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    for (uint64_t i = 0; i < n; i++)
        m[i] = sqrt(sum / (double)n);
    return m;
}

/* Twice, so that the second part goes on from the first one's state. A state's error after n tokens is at most
 * n (16 + 3 + 5) 2^-24 of it, and of independent roundings about sqrt(n) times that; 6 deviations of the values
 * around their root mean square are seen among so many: 6 sqrt(n) 24 2^-24. */
static void test_delta(uint32_t first, uint32_t second)
{
    const struct seam_kernel_delta d = {128, 2, 4, 4, 1e-6f};
    const uint32_t channels = seam_kernel_delta_channels(&d), inner = d.heads_v * d.width;
    const uint64_t states = (uint64_t)inner * d.width, keep = (uint64_t)channels * (d.taps - 1);
    struct both conv = random_values(SEAM_REAL_F32, channels * d.taps, 1);
    struct both inputs = random_values(SEAM_REAL_F32, keep, 2),
                s = random_values(SEAM_REAL_F32, states, 0.1);
    struct gates g = {.dt = random_values(SEAM_REAL_F32, d.heads_v, 1),
                      .a = random_values(SEAM_REAL_F32, d.heads_v, 1)};
    double *in = host(keep * 8), *state_want = host(states * 8);
    for (uint32_t h = 0; h < d.heads_v; h++)
        write_real(g.a.host, SEAM_REAL_F32, h, (float)-fabs(at(g.a, h)));
    CU(cudaMemcpy(g.a.device, g.a.host, d.heads_v * 4, cudaMemcpyHostToDevice));
    for (uint64_t i = 0; i < keep; i++)
        in[i] = at(inputs, i);
    for (uint64_t i = 0; i < states; i++)
        state_want[i] = at(s, i);
    for (int round = 0; round < 2; round++) {
        const uint32_t n = round ? second : first;
        const uint64_t ys = (uint64_t)n * channels, os = (uint64_t)n * inner;
        const double drift = 6 * sqrt(first + second) * 24 * EPS_F32;
        struct both x = random_values(SEAM_REAL_F32, ys, 2),
                    z = random_values(SEAM_REAL_BF16, os, 4);
        struct both w = random_values(SEAM_REAL_F32, d.width, 2);
        double *y_want = host(ys * 8), *size = host(ys * 8), *o_want = host(os * 8);
        float *y = device(ys * 4), *o = device(os * 4);
        void *out = device(os * 2);
        g.alpha = random_values(SEAM_REAL_F32, (uint64_t)n * d.heads_v, 2);
        g.b = random_values(SEAM_REAL_F32, (uint64_t)n * d.heads_v, 2);
        conv_reference(&d, x, conv, in, n, y_want, size);
        CU(seam_kernel_delta_conv(y, x.device, f32_of(conv), inputs.device, n, &d, NULL));
        compare("delta: convolution", y, SEAM_REAL_F32, ys, y_want, size, SUM);
        compare("delta: its inputs kept", inputs.device, SEAM_REAL_F32, keep, in, NULL, 0);
        rule_reference(&d, (struct both){download(y, ys * 4), y, SEAM_REAL_F32}, &g, state_want, n,
                       o_want);
        CU(seam_kernel_delta_rule(o, y, f32_of(g.alpha), f32_of(g.b), f32_of(g.dt), f32_of(g.a),
                                  s.device, device(seam_kernel_delta_bytes(n, &d)), n, &d, NULL));
        compare("delta: rule", o, SEAM_REAL_F32, os, o_want, rms_of(o_want, os), drift);
        compare("delta: state", s.device, SEAM_REAL_F32, states, state_want,
                rms_of(state_want, states), drift);
        const struct both got = {download(o, os * 4), o, SEAM_REAL_F32};
        for (uint64_t i = 0; i < os; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < d.width; j++)
                sum += pow(at(got, i / d.width * d.width + j), 2);
            o_want[i] = at(got, i) / sqrt(sum / d.width + (double)d.eps) * at(w, i % d.width) *
                        at(z, i) / (1 + exp(-at(z, i)));
        }
        CU(seam_kernel_delta_out(out, o, z.device, f32_of(w), n, &d, NULL));
        compare("delta: gated norm", out, SEAM_REAL_BF16, os, o_want, NULL, EPS_BF16 + SUM);
    }
    release();
}

static void test_refusals(void)
{
    struct seam_kernel_router many = {2000, 8, 1, 1, true, true, 1};
    struct seam_kernel_heads odd = {.n = 1, .heads = 1, .width = 12};
    uint64_t wrong = 0;
    wrong += seam_kernel_route(NULL, NULL, NULL, NULL, 1, &many, NULL) != cudaErrorInvalidValue;
    wrong += seam_kernel_heads(&odd, NULL) != cudaErrorInvalidValue;
    wrong += seam_kernel_dequantize(NULL, SEAM_REAL_BF16, NULL, 9, 32, NULL, NULL) !=
             cudaErrorInvalidValue; /* Q8_1 is not a file's type */
    wrong += seam_kernel_dequantize(NULL, SEAM_REAL_BF16, NULL, 2, 33, NULL, NULL) !=
             cudaErrorInvalidValue;
    wrong += seam_kernel_norm(NULL, NULL, NULL, SEAM_REAL_F32, 8, NULL, NULL, 0, 1, 8, NULL) !=
             cudaErrorInvalidValue;
    report("refusals", 5, (double)wrong, 0);
}

static void test_everything(void)
{
    test_dequantize();
    test_convert();
    test_halves();
    test_pick();
    test_scale_rows();
    test_norms();
    test_gate();
    test_all_turns();
    test_all_heads();
    test_mla(SEAM_REAL_F16, SEAM_REAL_F32, SEAM_REAL_BF16);
    test_mla(SEAM_REAL_F32, SEAM_REAL_BF16, SEAM_REAL_F16);
    test_routes();
    test_sort("sort", small ? 100 : 8191, 8, 384, false);
    test_sort("sort, all to one expert", 700, 3, 64, true);
    test_sort("sort, few", 1, 8, 1024, false);
    test_gather();
    test_swiglu(2048, true);
    test_swiglu(24, false);
    test_combine(7168, 8, true, false);
    test_combine(4096, 10, true, true);
    test_combine(40, 3, false, false);
    test_delta(2, small ? 5 : 150);
    test_delta(small ? 4 : 37, 1);
    test_refusals();
}

/* ---- bench ---- */

static cudaEvent_t before, after;

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kernels of the sweep at Kimi K2.6's sizes over 8192 tokens; all data is several times the cache. */
#define TOKENS  8192u
#define EMBD    7168u
#define FF      2048u
#define EXPERTS 384u
#define USED    8u
#define HEADS64 64u
#define WEIGHTS ((uint64_t)512 << 20)

struct bench { /* device memory */
    uint8_t *a, *b, *c;
    const void *grids;
    int32_t *experts, *begin, *token, *row;
    float *weights, *logits, *vector;
    void *work;
    uint32_t type;
};

static cudaError_t run_copy(const struct bench *b)
{
    return cudaMemcpyAsync(b->b, b->a, (size_t)1 << 31, cudaMemcpyDeviceToDevice, NULL);
}
static cudaError_t run_dequantize(const struct bench *b)
{
    return seam_kernel_dequantize(b->b, SEAM_REAL_BF16, b->a, b->type, WEIGHTS, b->grids, NULL);
}
static cudaError_t run_norm(const struct bench *b)
{
    return seam_kernel_norm(b->b, NULL, b->a, SEAM_REAL_F32, EMBD, NULL, b->vector, 1e-6f, TOKENS,
                            EMBD, NULL);
}
static cudaError_t run_add_norm(const struct bench *b)
{
    return seam_kernel_norm(b->b, NULL, b->a, SEAM_REAL_F32, EMBD, b->c, b->vector, 1e-6f, TOKENS,
                            EMBD, NULL);
}
static cudaError_t run_queries(const struct bench *b)
{
    const struct seam_kernel_heads h = {.to = b->a,
                                        .from = b->a,
                                        .to_token = HEADS64 * 192,
                                        .to_head = 192,
                                        .from_token = HEADS64 * 192,
                                        .from_head = 192,
                                        .n = 4 * TOKENS,
                                        .heads = HEADS64,
                                        .width = 192,
                                        .turns = b->logits,
                                        .rope_first = 128,
                                        .n_rope = 64};
    return seam_kernel_heads(&h, NULL);
}
static cudaError_t run_rows(const struct bench *b)
{
    return seam_kernel_mla_rows(b->b, SEAM_REAL_F16, b->a, SEAM_REAL_F32, 576, b->vector, 1e-6f,
                                b->logits, false, 16 * TOKENS, 512, 64, NULL);
}
static cudaError_t run_keys(const struct bench *b)
{
    return seam_kernel_mla_keys(b->b, SEAM_REAL_BF16, b->a, HEADS64 * 256, 256, b->c, SEAM_REAL_F16,
                                TOKENS, HEADS64, 128, 512, 64, NULL);
}
static cudaError_t run_route(const struct bench *b)
{
    const struct seam_kernel_router r = {EXPERTS, USED, 1, 1, true, true, 2.827f};
    return seam_kernel_route(b->experts, b->weights, b->logits, b->vector, TOKENS, &r, NULL);
}
static cudaError_t run_sort(const struct bench *b)
{
    return seam_kernel_sort(b->begin, b->token, b->row, b->work, b->experts, TOKENS, USED, EXPERTS,
                            NULL);
}
static cudaError_t run_gather(const struct bench *b)
{
    return seam_kernel_gather(b->b, b->c, b->token, TOKENS * USED, EMBD, NULL);
}
static cudaError_t run_swiglu(const struct bench *b)
{
    return seam_kernel_swiglu(b->b, b->a, b->a + 2 * FF, 2 * FF, TOKENS * USED * 2, FF, NULL);
}
static cudaError_t run_combine(const struct bench *b)
{
    return seam_kernel_combine((float *)b->c, b->a, b->row, b->weights, b->b, NULL, TOKENS, USED,
                               EMBD, NULL);
}

/* Qwen3.5's: 16 key heads, 64 value heads of 128. */
static const struct seam_kernel_delta delta = {128, 16, 64, 4, 1e-6f};
static cudaError_t run_delta_conv(const struct bench *b)
{
    return seam_kernel_delta_conv((float *)b->b, (float *)b->a, b->logits, (float *)b->c, TOKENS,
                                  &delta, NULL);
}
static cudaError_t run_delta_rule(const struct bench *b)
{
    return seam_kernel_delta_rule((float *)b->a, (float *)b->b, b->logits, b->logits, b->vector,
                                  b->vector + 64, (float *)b->c, b->c + ((size_t)512 << 20), TOKENS,
                                  &delta, NULL);
}
static cudaError_t run_delta_out(const struct bench *b)
{
    return seam_kernel_delta_out(b->b, (float *)b->a, b->c, b->vector, TOKENS, &delta, NULL);
}

static bool first_row = true;

/* The median of 15 runs after 3. bytes: what the launch reads and writes, rows by index each time that they
 * are read. -> GB/s */
static double time_one(const char *name, const struct bench *b,
                       cudaError_t (*run)(const struct bench *), double bytes, double copy)
{
    float ms[15];
    for (int i = 0; i < 3; i++)
        CU(run(b));
    for (int i = 0; i < 15; i++) {
        CU(cudaEventRecord(before, NULL));
        CU(run(b));
        CU(cudaEventRecord(after, NULL));
        CU(cudaEventSynchronize(after));
        CU(cudaEventElapsedTime(&ms[i], before, after));
    }
    qsort(ms, 15, sizeof *ms, by_value);
    const double rate = bytes / (double)ms[7] / 1e6;
    printf("%s\n  {\"kernel\": \"%s\", \"ms\": %.4f, \"bytes\": %.0f, \"gb_per_s\": %.0f",
           first_row ? "" : ",", name, (double)ms[7], bytes, rate);
    printf(", \"share_of_copy\": %.3f}", copy > 0 ? rate / copy : 1.0);
    first_row = false;
    return rate;
}

/* Random bytes without NaN patterns where floats are read: small integers as exponents do. */
static uint8_t *random_buffer(size_t bytes)
{
    const size_t piece = (size_t)64 << 20;
    uint16_t *values = host(piece);
    uint8_t *to = device(bytes);
    for (size_t i = 0; i < piece / 2; i++)
        values[i] =
            (uint16_t)(0x3c00 + (random_bits() >> 40 & 0x3ff) + (random_bits() >> 40 & 0x8000));
    for (size_t at_byte = 0; at_byte < bytes; at_byte += piece) {
        const size_t n = bytes - at_byte < piece ? bytes - at_byte : piece;
        CU(cudaMemcpy(to + at_byte, values, n, cudaMemcpyHostToDevice));
    }
    return to;
}

static void bench(void)
{
    const double mib = 1024.0 * 1024;
    struct cudaDeviceProp p;
    struct bench b = {.a = random_buffer((size_t)3 << 30),
                      .b = random_buffer((size_t)3 << 30),
                      .c = random_buffer((size_t)1 << 30)};
    const uint64_t logits = (uint64_t)TOKENS * EXPERTS;
    CU(cudaGetDeviceProperties(&p, 0));
    CU(cudaEventCreate(&before));
    CU(cudaEventCreate(&after));
    b.grids = grids_on_device();
    b.experts = device(TOKENS * USED * 4), b.begin = device((EXPERTS + 1) * 4);
    b.token = device(TOKENS * USED * 4), b.row = device(TOKENS * USED * 4);
    b.weights = device(TOKENS * USED * 4),
    b.work = device(seam_kernel_sort_bytes(TOKENS, USED, EXPERTS));
    b.logits =
        random_values(SEAM_REAL_F32, 16 * TOKENS * 64 > logits ? 16 * TOKENS * 64 : logits, 3)
            .device;
    b.vector = random_values(SEAM_REAL_F32, EMBD, 1).device;
    printf("{\"device\": \"%s\", \"l2_mib\": %.0f, \"rows\": [", p.name, p.l2CacheSize / mib);
    const double copy = time_one("device copy", &b, run_copy, 4294967296.0, 0);
#define SIZE(name, number, values, bytes, ...) {#name, number, (double)bytes / values},
    static const struct {
        const char *name;
        uint32_t type;
        double bytes;
    } types[] = {{"f32", 0, 4}, {"f16", 1, 2}, {"bf16", 30, 2}, SEAM_BLOCKS(SIZE)};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[64];
        b.type = types[i].type;
        snprintf(name, sizeof name, "dequantize %s", types[i].name);
        time_one(name, &b, run_dequantize, (double)WEIGHTS * (types[i].bytes + 2), copy);
    }
    const double wide = (double)TOKENS * EMBD, pairs = TOKENS * USED;
    time_one("norm", &b, run_norm, wide * 6, copy);
    time_one("add and norm", &b, run_add_norm, wide * 12, copy);
    time_one("rope of queries", &b, run_queries, 4.0 * TOKENS * HEADS64 * 64 * 4, copy);
    time_one("mla rows", &b, run_rows, 16.0 * TOKENS * 576 * 6, copy);
    time_one("mla keys", &b, run_keys, (double)TOKENS * (HEADS64 * (128 * 4 + 64 * 2) + 128), copy);
    time_one("route", &b, run_route, (double)logits * 4 + pairs * 8, copy);
    time_one("sort", &b, run_sort, pairs * 16, copy);
    time_one("gather", &b, run_gather, wide * USED * 4, copy);
    time_one("swiglu", &b, run_swiglu, pairs * 2 * FF * 6, copy);
    time_one("combine", &b, run_combine, wide * (USED * 2 + 2 + 8), copy);
    const double channels = seam_kernel_delta_channels(&delta), inner = 64 * 128;
    time_one("delta convolution", &b, run_delta_conv, TOKENS * channels * 8, copy);
    time_one("delta rule", &b, run_delta_rule, TOKENS * (channels + inner) * 4, copy);
    time_one("delta gated norm", &b, run_delta_out, TOKENS * inner * 8, copy);
    printf("\n]}\n");
    release();
}

int main(int argc, char **argv)
{
    bool benching = false;
    random_state = (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--small")) {
            small = true;
        } else if (!strcmp(argv[i], "--bench")) {
            benching = true;
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            random_state = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--small] [--bench]\n", argv[0]);
            return 2;
        }
    }
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        fprintf(stderr, "no NVIDIA GPU here\n");
        return 77; /* ctest: skipped */
    }
    random_state = random_state ? random_state : 1;
    if (!benching)
        printf("seed %llu\n", (unsigned long long)random_state);
    random_state *= 0x9e3779b97f4a7c15u; /* neighbours must not begin alike */
    if (benching)
        bench();
    else
        test_everything();
    if (!benching)
        printf("%d failed\n", failures);
    return failures ? 1 : 0;
}
