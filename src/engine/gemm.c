#include "engine/gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#include "ggml-backend.h"
#include "ggml.h"

#ifdef SEAM_CBLAS
#include SEAM_CBLAS
#endif

/* Rows of w converted and multiplied at a time: enough for the BLAS to run at full rate. */
#define ROWS 128
/* Columns of a block in seam_gemm_rows. */
#define COLUMNS 64

/* The fewest columns from which conversion and a BLAS beat ggml's kernel: AVX2, 2026-11, table in
 * docs/decisions/0005-blas.md. Types that are not here have kernels as fast (K-quants and IQ types are
 * multiplied in tiles) or conversions too slow. */
static const struct {
    enum ggml_type type;
    uint32_t columns;
} table[] = {
    {GGML_TYPE_F32, 16},  {GGML_TYPE_F16, 16},  {GGML_TYPE_BF16, 16}, {GGML_TYPE_Q8_0, 16},
    {GGML_TYPE_Q4_0, 24}, {GGML_TYPE_Q4_1, 24}, {GGML_TYPE_Q5_0, 24}, {GGML_TYPE_Q5_1, 24},
};

static bool is_plain(const struct ggml_tensor *w)
{
    const struct ggml_tensor *at = w->view_src ? w->view_src : w;
    return !at->buffer || ggml_backend_buffer_is_host(at->buffer);
}

bool seam_gemm_wins(const struct ggml_tensor *w, uint32_t n)
{
    if (!seam_gemm_available() || !is_plain(w))
        return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].type == w->type)
            return n >= table[i].columns;
    return false;
}

uint64_t seam_gemm_scratch(uint64_t k, int n_threads)
{
    return seam_gemm_available() ? (uint64_t)n_threads * ROWS * k * sizeof(float) : 0;
}

#ifdef SEAM_CBLAS

#ifdef SEAM_OPENBLAS

/* Loaded by hand, so that it can be told first to start no threads: ggml's own call it side by side, and
 * idle threads of a library would also take the signals that nodes wait for. A serial OpenBLAS is
 * neither locked nor told: called from several threads it gives wrong products now and then. */
static __typeof__(cblas_sgemm) *sgemm;
static char name[128] = "none";

void seam_gemm_load(void)
{
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        seam_debug("no BLAS: %s", dlerror());
        return;
    }
    __typeof__(openblas_get_parallel) *parallel;
    __typeof__(openblas_get_config) *config;
    *(void **)&parallel = dlsym(lib, "openblas_get_parallel");
    *(void **)&config = dlsym(lib, "openblas_get_config");
    if (!parallel || !config || parallel() == OPENBLAS_SEQUENTIAL) {
        seam_warn(
            "the installed OpenBLAS may not be called from several threads: prefill uses ggml "
            "alone (install libopenblas0-pthread)");
        return;
    }
    snprintf(name, sizeof name, "%s", config());
    *(void **)&sgemm = dlsym(lib, "cblas_sgemm");
}

#else

static __typeof__(cblas_sgemm) *const sgemm = cblas_sgemm;
static const char name[] = "Accelerate";

void seam_gemm_load(void)
{
}

#endif

bool seam_gemm_available(void)
{
    return sgemm != NULL;
}

const char *seam_gemm_name(void)
{
    return name;
}

/* Rows [at, at + n) of a head of w as F32: w's own where they are, else converted into scratch. */
static const float *rows_f32(const struct ggml_tensor *w, int64_t head, int64_t at, int64_t n,
                             float *scratch, int *stride)
{
    const char *first = (const char *)w->data + head * (int64_t)w->nb[2] + at * (int64_t)w->nb[1];
    if (w->type == GGML_TYPE_F32) {
        *stride = (int)(w->nb[1] / sizeof(float));
        return (const float *)(const void *)first;
    }
    ggml_to_float_t to_float = ggml_get_type_traits(w->type)->to_float;
    for (int64_t i = 0; i < n; i++)
        to_float(first + i * (int64_t)w->nb[1], scratch + i * w->ne[0], w->ne[0]);
    *stride = (int)w->ne[0];
    return scratch;
}

static const float *f32_of(const struct ggml_tensor *t, int64_t column, int64_t head)
{
    return (const float *)(const void *)((const char *)t->data + column * (int64_t)t->nb[1] +
                                         head * (int64_t)t->nb[2]);
}

/* Every nth block of rows, over all heads: y = w x. */
static void multiply(struct ggml_tensor *y, int ith, int nth, void *user)
{
    const struct ggml_tensor *w = y->src[0], *x = y->src[1];
    (void)user;
    int64_t k = w->ne[0], m = w->ne[1], n = x->ne[1], blocks = (m + ROWS - 1) / ROWS;
    float *scratch = NULL;
    if (w->type != GGML_TYPE_F32 && !(scratch = malloc((size_t)(ROWS * k) * sizeof *scratch)))
        GGML_ABORT("no memory for %lld converted weights", (long long)(ROWS * k));
    for (int64_t b = ith; b < blocks * w->ne[2]; b += nth) {
        int64_t head = b / blocks, at = b % blocks * ROWS, rows = m - at < ROWS ? m - at : ROWS;
        int stride;
        const float *a = rows_f32(w, head, at, rows, scratch, &stride);
        sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)rows, (int)k, 1.0f,
              f32_of(x, 0, head), (int)k, a, stride, 0.0f, (float *)y->data + head * m * n + at,
              (int)m);
    }
    free(scratch);
}

/* Every nth block of columns, over all heads: y = v p. */
static void multiply_rows(struct ggml_tensor *y, int ith, int nth, void *user)
{
    const struct ggml_tensor *v = y->src[0], *p = y->src[1];
    (void)user;
    int64_t m = v->ne[0], k = v->ne[1], n = p->ne[1], blocks = (n + COLUMNS - 1) / COLUMNS;
    for (int64_t b = ith; b < blocks * v->ne[2]; b += nth) {
        int64_t head = b / blocks, at = b % blocks * COLUMNS;
        int64_t columns = n - at < COLUMNS ? n - at : COLUMNS;
        sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)columns, (int)m, (int)k, 1.0f,
              f32_of(p, at, head), (int)k, f32_of(v, 0, head), (int)(v->nb[1] / sizeof(float)),
              0.0f, (float *)y->data + (head * n + at) * m, (int)m);
    }
}

#else

void seam_gemm_load(void)
{
}

bool seam_gemm_available(void)
{
    return false;
}

const char *seam_gemm_name(void)
{
    return "none";
}

static void multiply(struct ggml_tensor *y, int ith, int nth, void *user)
{
    (void)y, (void)ith, (void)nth, (void)user;
    GGML_ABORT("built without a BLAS");
}

static void multiply_rows(struct ggml_tensor *y, int ith, int nth, void *user)
{
    multiply(y, ith, nth, user);
}

#endif

static struct ggml_tensor *node(struct ggml_context *ctx, int64_t m, struct ggml_tensor *a,
                                struct ggml_tensor *b, ggml_custom_op_t run)
{
    struct ggml_tensor *args[] = {a, b};
    GGML_ASSERT(b->type == GGML_TYPE_F32 && ggml_is_contiguous(b) && b->ne[3] == 1);
    GGML_ASSERT(a->ne[2] == b->ne[2] && a->ne[3] == 1);
    return ggml_custom_4d(ctx, GGML_TYPE_F32, m, b->ne[1], b->ne[2], 1, args, 2, run,
                          GGML_N_TASKS_MAX, NULL);
}

struct ggml_tensor *seam_gemm(struct ggml_context *ctx, struct ggml_tensor *w,
                              struct ggml_tensor *x)
{
    GGML_ASSERT(w->ne[0] == x->ne[0]);
    return node(ctx, w->ne[1], w, x, multiply);
}

struct ggml_tensor *seam_gemm_rows(struct ggml_context *ctx, struct ggml_tensor *v,
                                   struct ggml_tensor *p)
{
    GGML_ASSERT(v->type == GGML_TYPE_F32 && v->ne[1] == p->ne[0]);
    return node(ctx, v->ne[0], v, p, multiply_rows);
}
