#include "engine/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <ggml.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os/os.h"

#define SLICE_VALUES (1u << 20) /* at most so many at a time, or one row */
#define MAX_THREADS  64

/* ---- ggml ---- */

static enum ggml_type ggml_of(const struct seam_type *type)
{
    return (enum ggml_type)type->id; /* the ids are ggml's */
}

bool seam_fill_can(const struct seam_type *type)
{
    const struct ggml_type_traits *traits = ggml_get_type_traits(ggml_of(type));
    return type->id == GGML_TYPE_F32 ||
           (traits && traits->to_float &&
            (traits->from_float_ref || ggml_is_quantized(ggml_of(type))));
}

void seam_fill_floats(const struct seam_type *type, const void *src, float *dst, uint64_t n)
{
    if (type->id == GGML_TYPE_F32)
        memcpy(dst, src, n * sizeof *dst);
    else
        ggml_get_type_traits(ggml_of(type))->to_float(src, dst, (int64_t)n);
}

void seam_fill_quantize(const struct seam_type *type, const float *src, void *dst, uint64_t n_row,
                        uint64_t width)
{
    float *even = NULL;
    if (ggml_quantize_requires_imatrix(ggml_of(type))) {
        even = malloc(width * sizeof *even);
        for (uint64_t i = 0; even && i < width; i++)
            even[i] = 1;
    }
    ggml_quantize_chunk(ggml_of(type), src, dst, 0, (int64_t)n_row, (int64_t)width, even);
    free(even);
}

/* ---- slices over cores ---- */

struct job {
    struct seam_gguf_out *w;
    const struct seam_fill_opts *o;
    /* Values [at, at + n) of tensor i to dst, in its type. `work` holds 2 * slice values. */
    seam_status (*make)(struct job *job, size_t i, uint64_t at, uint64_t n, void *dst, float *work,
                        struct seam_err *err);
    const void *user;
    size_t end;         /* tensors */
    uint64_t slice_max; /* values */

    pthread_mutex_t mutex; /* the rest */
    size_t tensor;
    uint64_t at; /* values of `tensor` that are taken */
    uint64_t done_bytes, all_bytes;
    seam_status st;
    struct seam_err *err;
};

static uint64_t values_of(const struct seam_tensor *t)
{
    return t->n_bytes / t->type->block_bytes * t->type->block;
}

/* Whole rows, about SLICE_VALUES of them. A row is a multiple of every block it may have. */
static uint64_t slice_values(const struct seam_tensor *t)
{
    return t->ne[0] >= SLICE_VALUES ? t->ne[0] : SLICE_VALUES / t->ne[0] * t->ne[0];
}

static bool take(struct job *job, size_t *i, uint64_t *at, uint64_t *n)
{
    bool some = false;
    pthread_mutex_lock(&job->mutex);
    if (job->o->cancel && *job->o->cancel && job->st == SEAM_OK)
        job->st = seam_fail(job->err, SEAM_ECANCELED, "interrupted; nothing was left behind");
    while (job->tensor < job->end && job->st == SEAM_OK && !some) {
        const struct seam_tensor *t = seam_gguf_out_tensor_at(job->w, job->tensor);
        const uint64_t all = values_of(t), step = slice_values(t);
        if (job->at == all) {
            job->tensor++;
            job->at = 0;
            continue;
        }
        *i = job->tensor;
        *at = job->at;
        *n = all - job->at < step ? all - job->at : step;
        job->at += *n;
        some = true;
    }
    pthread_mutex_unlock(&job->mutex);
    return some;
}

static void give(struct job *job, uint64_t bytes, seam_status st, const struct seam_err *err)
{
    pthread_mutex_lock(&job->mutex);
    job->done_bytes += bytes;
    if (st != SEAM_OK && job->st == SEAM_OK) {
        job->st = st;
        if (job->err)
            *job->err = *err;
    }
    if (job->st == SEAM_OK && job->o->progress)
        job->o->progress(job->o->user, job->done_bytes, job->all_bytes);
    pthread_mutex_unlock(&job->mutex);
}

static void *worker(void *arg)
{
    struct job *job = arg;
    struct seam_err err = {0};
    size_t i;
    uint64_t at, n;
    void *dst = malloc(job->slice_max * sizeof(float)); /* F32 is the widest type */
    float *work = malloc(2 * job->slice_max * sizeof(float));
    if (!dst || !work)
        give(job, 0, seam_fail(&err, SEAM_ENOMEM, "no memory for a slice"), &err);
    while (take(job, &i, &at, &n)) {
        const struct seam_tensor *t = seam_gguf_out_tensor_at(job->w, i);
        const uint64_t bytes = n / t->type->block * t->type->block_bytes;
        seam_status st = job->make(job, i, at, n, dst, work, &err);
        if (st == SEAM_OK)
            st = seam_gguf_out_write(job->w, i, at / t->type->block * t->type->block_bytes, dst,
                                     bytes, &err);
        give(job, bytes, st, &err);
    }
    free(dst);
    free(work);
    return NULL;
}

static seam_status run(struct job *job)
{
    pthread_t thread[MAX_THREADS];
    int n = job->o->n_threads > 0 ? job->o->n_threads : seam_os_performance_cores(), started = 0;
    for (size_t i = 0; i < job->end; i++) {
        const uint64_t step = slice_values(seam_gguf_out_tensor_at(job->w, i));
        job->slice_max = step > job->slice_max ? step : job->slice_max;
    }
    pthread_mutex_init(&job->mutex, NULL);
    for (; started < n - 1 && started < MAX_THREADS; started++)
        if (pthread_create(&thread[started], NULL, worker, job) != 0)
            break;
    worker(job); /* this thread is one of them */
    while (started)
        pthread_join(thread[--started], NULL);
    pthread_mutex_destroy(&job->mutex);
    return job->st;
}

/* ---- random ---- */

struct bank { /* SEAM_FILL_BANK units of one type and deviation */
    const struct seam_type *type;
    float std;
    size_t unit_bytes;
    uint8_t *units;
};

struct random {
    const struct seam_synth_tensor *law;
    uint64_t seed;
    struct bank *bank;
    size_t n_bank, *bank_of; /* per tensor; SIZE_MAX: value by value */
};

/* The same normals for all types, so that a file of F32 holds what the quantised one came from. */
static seam_status bank_make(struct bank *b, uint64_t seed, struct seam_err *err)
{
    const size_t n = (size_t)SEAM_FILL_BANK * SEAM_FILL_UNIT;
    float *v = malloc(n * sizeof *v);
    b->unit_bytes = SEAM_FILL_UNIT / b->type->block * b->type->block_bytes;
    b->units = malloc(SEAM_FILL_BANK * b->unit_bytes);
    if (!v || !b->units) {
        free(v);
        return seam_fail(err, SEAM_ENOMEM, "no memory for random blocks");
    }
    seam_synth_normals(v, n, seed, b->std);
    seam_fill_quantize(b->type, v, b->units, SEAM_FILL_BANK, SEAM_FILL_UNIT);
    free(v);
    return SEAM_OK;
}

/* Matrices come from banks; vectors, and what follows a law of its own, value by value. */
static seam_status banks_make(struct random *r, const struct seam_gguf_out *w, struct seam_err *err)
{
    for (size_t i = 0; i < seam_gguf_out_tensor_count(w); i++) {
        const struct seam_tensor *t = seam_gguf_out_tensor_at(w, i);
        const struct seam_synth_tensor *law = &r->law[i];
        size_t b = 0;
        r->bank_of[i] = SIZE_MAX;
        if (t->type->id == GGML_TYPE_F32 && (t->n_dims < 2 || law->law != SEAM_LAW_NORMAL))
            continue;
        while (b < r->n_bank && (r->bank[b].type != t->type || r->bank[b].std != law->std))
            b++;
        r->bank_of[i] = b;
        if (b < r->n_bank)
            continue;
        r->bank[r->n_bank++] = (struct bank){.type = t->type, .std = law->std};
        seam_status st = bank_make(&r->bank[b], r->seed, err);
        if (st != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

/* A slice may begin and end inside a unit, where rows are no multiple of 256. */
static void copy_units(const struct bank *b, uint64_t stream, uint64_t at, uint64_t n, uint8_t *dst)
{
    const uint32_t block = b->type->block, bytes = b->type->block_bytes;
    for (const uint64_t end = at + n; at < end;) {
        const uint64_t in = at % SEAM_FILL_UNIT;
        uint64_t len = SEAM_FILL_UNIT - in;
        len = end - at < len ? end - at : len;
        const uint64_t which = seam_synth_mix64(stream + at / SEAM_FILL_UNIT) % SEAM_FILL_BANK;
        const size_t len_bytes = (size_t)(len / block * bytes);
        memcpy(dst, b->units + which * b->unit_bytes + in / block * bytes, len_bytes);
        dst += len_bytes;
        at += len;
    }
}

static seam_status make_random(struct job *job, size_t i, uint64_t at, uint64_t n, void *dst,
                               float *work, struct seam_err *err)
{
    const struct random *r = job->user;
    const struct seam_tensor *t = seam_gguf_out_tensor_at(job->w, i);
    float *v = dst;
    (void)work;
    (void)err;
    if (r->bank_of[i] != SIZE_MAX) {
        copy_units(&r->bank[r->bank_of[i]], seam_synth_stream(r->seed, t->name), at, n, dst);
        return SEAM_OK;
    }
    for (uint64_t k = 0; k < n; k++)
        v[k] = seam_synth_value(&r->law[i], r->seed, t->name, at + k, values_of(t));
    return SEAM_OK;
}

seam_status seam_fill_random(struct seam_gguf_out *w, const struct seam_synth_tensor *law,
                             uint64_t seed, const struct seam_fill_opts *o, struct seam_err *err)
{
    const size_t n = seam_gguf_out_tensor_count(w);
    struct random r = {.law = law, .seed = seed};
    r.bank = calloc(n, sizeof *r.bank);
    r.bank_of = calloc(n, sizeof *r.bank_of);
    seam_status st = r.bank && r.bank_of ? banks_make(&r, w, err)
                                         : seam_fail(err, SEAM_ENOMEM, "no memory for banks");
    if (st == SEAM_OK) {
        struct job job = {.w = w,
                          .o = o,
                          .make = make_random,
                          .user = &r,
                          .end = n,
                          .all_bytes = seam_gguf_out_bytes(w),
                          .err = err};
        st = run(&job);
    }
    for (size_t i = 0; i < r.n_bank; i++)
        free(r.bank[i].units);
    free(r.bank);
    free(r.bank_of);
    return st;
}

/* ---- converted ---- */

struct source {
    const struct seam_catalog *from;
    int *fd; /* per shard */
};

static seam_status make_converted(struct job *job, size_t i, uint64_t at, uint64_t n, void *dst,
                                  float *work, struct seam_err *err)
{
    const struct source *s = job->user;
    const struct seam_tensor *to = seam_gguf_out_tensor_at(job->w, i);
    const struct seam_tensor *from = seam_catalog_tensor(s->from, to->name);
    const struct seam_type *type = from->type;
    float *values = work, *raw = work + job->slice_max; /* raw: bytes of the source */
    void *read = type == to->type ? dst : raw;
    seam_status st =
        seam_os_pread_full(s->fd[from->shard], read, (size_t)(n / type->block * type->block_bytes),
                           from->file_off + at / type->block * type->block_bytes, err);
    if (st != SEAM_OK)
        return seam_wrap(err, st, "%s", to->name);
    if (type == to->type)
        return SEAM_OK;
    seam_fill_floats(type, raw, values, n);
    seam_fill_quantize(to->type, values, dst, n / to->ne[0], to->ne[0]);
    return SEAM_OK;
}

seam_status seam_fill_converted(struct seam_gguf_out *w, const struct seam_catalog *from,
                                const struct seam_fill_opts *o, struct seam_err *err)
{
    const uint32_t n_shard = seam_catalog_shard_count(from);
    struct source s = {.from = from, .fd = malloc(n_shard * sizeof *s.fd)};
    seam_status st = s.fd ? SEAM_OK : seam_fail(err, SEAM_ENOMEM, "no memory for a shard list");
    uint32_t opened = 0;
    for (; st == SEAM_OK && opened < n_shard; opened++) {
        const char *path = seam_catalog_shard_path(from, opened);
        s.fd[opened] = open(path, O_RDONLY | O_CLOEXEC);
        if (s.fd[opened] < 0) {
            st = seam_fail(err, SEAM_EIO, "open %s: %s", path, strerror(errno));
            break;
        }
    }
    if (st == SEAM_OK) {
        struct job job = {.w = w,
                          .o = o,
                          .make = make_converted,
                          .user = &s,
                          .end = seam_gguf_out_tensor_count(w),
                          .all_bytes = seam_gguf_out_bytes(w),
                          .err = err};
        st = run(&job);
    }
    while (opened)
        close(s.fd[--opened]);
    free(s.fd);
    return st;
}
