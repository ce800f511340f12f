#include "engine/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "base/size.h"
#include "engine/device.h"
#include "engine/gemm.h"

static double per_second(double amount, uint64_t ns)
{
    return ns ? amount * 1e9 / (double)ns : 0;
}

/* ---- threads that do the same thing to a share each ---- */

#define WORKERS_MAX 256

struct worker {
    pthread_t thread;
    void *share;
    void (*work)(void *share);
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->work(w->share);
    return NULL;
}

/* Time from the first start to the last end; milliseconds of work hide what a start costs. */
static seam_status run_workers(int n, void (*work)(void *), void *shares, size_t share_bytes,
                               uint64_t *ns, struct seam_err *err)
{
    struct worker w[WORKERS_MAX];
    int started = 0;
    uint64_t begin = seam_mono_ns();
    for (; started < n; started++) {
        w[started].work = work;
        w[started].share = (char *)shares + (size_t)started * share_bytes;
        if (pthread_create(&w[started].thread, NULL, worker_main, &w[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++)
        pthread_join(w[i].thread, NULL);
    *ns = seam_mono_ns() - begin;
    return started == n ? SEAM_OK : seam_fail(err, SEAM_ENOMEM, "the system refuses %d threads", n);
}

/* ---- bandwidth ---- */

#define BANDWIDTH_BYTES ((uint64_t)1 << 30)
#define STREAMS         4u /* read side by side: one stream alone leaves prefetchers idle */
#define LINE            64u

/* A vector that both compilers know on every machine. */
typedef uint64_t seam_vec __attribute__((vector_size(32)));

struct read_share {
    const uint8_t *p;
    size_t bytes;
    uint64_t sum; /* of everything: the reads cannot be left out */
};

static void read_all(void *arg)
{
    struct read_share *s = arg;
    size_t stream = s->bytes / STREAMS;
    seam_vec sum[STREAMS] = {{0}};
    for (size_t at = 0; at < stream; at += LINE)
        for (size_t i = 0; i < STREAMS; i++) {
            const seam_vec *v = (const seam_vec *)(const void *)(s->p + i * stream + at);
            sum[i] += v[0] + v[1];
        }
    for (size_t i = 0; i < STREAMS; i++)
        s->sum += sum[i][0] + sum[i][1] + sum[i][2] + sum[i][3];
}

seam_status seam_limit_bandwidth(int n_threads, uint64_t bytes, double *bytes_per_s,
                                 struct seam_err *err)
{
    struct read_share shares[WORKERS_MAX] = {0};
    char size[32];
    int n = n_threads > 0 ? n_threads : seam_os_performance_cores();
    n = n < WORKERS_MAX ? n : WORKERS_MAX;
    bytes = bytes ? bytes : BANDWIDTH_BYTES;
    size_t share = (size_t)(bytes / (uint64_t)n) & ~(size_t)(STREAMS * SEAM_DIRECT_ALIGN - 1);
    uint8_t *p = seam_os_pages_alloc((size_t)bytes);
    if (!p)
        return seam_fail(err, SEAM_ENOMEM, "the system refuses %s to read from",
                         seam_size_format(bytes, size, sizeof size));
    seam_os_pages_large(p, (size_t)bytes);
    memset(p, 1, (size_t)bytes); /* pages that were never written share one of zeros */
    for (int i = 0; i < n; i++)
        shares[i] = (struct read_share){p + (size_t)i * share, share, 0};
    uint64_t ns = 0;
    seam_status st = run_workers(n, read_all, shares, sizeof *shares, &ns, err);
    uint64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += shares[i].sum;
    seam_os_pages_free(p, (size_t)bytes);
    uint64_t words = (uint64_t)share / sizeof sum * (uint64_t)n;
    if (st == SEAM_OK && sum != words * UINT64_C(0x0101010101010101))
        st = seam_fail(err, SEAM_EINTERNAL, "the sum of what was read is wrong");
    *bytes_per_s = per_second((double)share * n, ns);
    return st;
}

/* ---- disk ---- */

#define DISK_READERS 8u /* requests under way: what NVMe needs to be busy */
#define DISK_DEPTH   64u
#define DISK_BLOCK   ((size_t)4 << 20)

struct disk_share {
    int fd;
    uint64_t first, last, step; /* blocks */
    const atomic_bool *stop;    /* NULL: once; else over and over until it says so */
    uint64_t read;              /* blocks */
    seam_status st;
    struct seam_err err;
};

static void read_blocks(void *arg)
{
    struct disk_share *s = arg;
    void *buf = seam_os_pages_alloc(DISK_BLOCK);
    if (!buf)
        s->st = seam_fail(&s->err, SEAM_ENOMEM, "no memory for disk reads");
    for (uint64_t b = s->first; s->st == SEAM_OK && b < s->last; s->read++) {
        s->st = seam_os_pread_full(s->fd, buf, DISK_BLOCK, b * DISK_BLOCK, &s->err);
        b += s->step;
        if (s->stop && atomic_load(s->stop))
            break;
        if (s->stop && b >= s->last)
            b = s->first;
    }
    seam_os_pages_free(buf, DISK_BLOCK);
}

static uint32_t largest_shard(const struct seam_catalog *c)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < seam_catalog_shard_count(c); i++)
        if (seam_catalog_shard_bytes(c, i) > seam_catalog_shard_bytes(c, best))
            best = i;
    return best;
}

struct disk { /* a model's largest file, and who reads it */
    const char *path;
    int fd;
    uint32_t n;
    struct disk_share share[DISK_DEPTH];
};

static seam_status disk_open(struct disk *d, const struct seam_model *m, uint32_t depth,
                             uint64_t max_bytes, bool *direct, struct seam_err *err)
{
    const struct seam_catalog *c = seam_model_catalog(m);
    uint32_t shard = largest_shard(c);
    uint64_t bytes = seam_catalog_shard_bytes(c, shard);
    *d = (struct disk){.path = seam_catalog_shard_path(c, shard), .fd = -1};
    if (max_bytes && bytes > max_bytes)
        bytes = max_bytes;
    uint64_t blocks = bytes / DISK_BLOCK; /* the rest of a block is left out */
    if (!blocks)
        return seam_fail(err, SEAM_EINVAL, "%s is too small to measure a disk with", d->path);
    d->n = depth ? depth : DISK_READERS;
    d->n = d->n < DISK_DEPTH ? d->n : DISK_DEPTH;
    d->n = d->n < blocks ? d->n : (uint32_t)blocks;
    seam_status st = seam_os_open_direct(d->path, &d->fd, direct, err);
    for (uint32_t i = 0; st == SEAM_OK && i < d->n; i++)
        d->share[i] = (struct disk_share){.fd = d->fd, .first = i, .last = blocks, .step = d->n};
    return st;
}

/* What all of them read; the first failure. */
static seam_status disk_close(struct disk *d, seam_status st, double *bytes, struct seam_err *err)
{
    *bytes = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        *bytes += (double)(d->share[i].read * DISK_BLOCK);
        if (st == SEAM_OK && d->share[i].st != SEAM_OK) {
            *err = d->share[i].err;
            st = seam_wrap(err, d->share[i].st, "%s", d->path);
        }
    }
    if (d->fd >= 0)
        close(d->fd);
    return st;
}

seam_status seam_limit_disk(const struct seam_model *m, uint32_t depth, uint64_t max_bytes,
                            double *bytes_per_s, bool *direct, struct seam_err *err)
{
    struct disk d;
    uint64_t ns = 0;
    double bytes;
    seam_status st = disk_open(&d, m, depth, max_bytes, direct, err);
    if (st == SEAM_OK)
        st = run_workers((int)d.n, read_blocks, d.share, sizeof *d.share, &ns, err);
    st = disk_close(&d, st, &bytes, err);
    *bytes_per_s = per_second(bytes, ns);
    return st;
}

struct seam_limit_load {
    struct disk disk;
    atomic_bool stop;
    pthread_t thread;
    seam_status st;
    struct seam_err err;
    uint64_t ns;
};

static void *load_main(void *arg)
{
    struct seam_limit_load *l = arg;
    l->st = run_workers((int)l->disk.n, read_blocks, l->disk.share, sizeof *l->disk.share, &l->ns,
                        &l->err);
    return NULL;
}

seam_status seam_limit_load_begin(struct seam_limit_load **out, const struct seam_model *m,
                                  struct seam_err *err)
{
    bool direct;
    double none;
    struct seam_limit_load *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return seam_fail(err, SEAM_ENOMEM, "no memory for disk reads");
    seam_status st = disk_open(&l->disk, m, 0, 0, &direct, err);
    for (uint32_t i = 0; i < l->disk.n; i++)
        l->disk.share[i].stop = &l->stop;
    if (st == SEAM_OK && pthread_create(&l->thread, NULL, load_main, l) != 0)
        st = seam_fail(err, SEAM_ENOMEM, "the system refuses a thread");
    if (st == SEAM_OK) {
        *out = l;
        return SEAM_OK;
    }
    l->disk.n = 0;
    disk_close(&l->disk, st, &none, err);
    free(l);
    return st;
}

seam_status seam_limit_load_end(struct seam_limit_load *l, double *bytes_per_s,
                                struct seam_err *err)
{
    double bytes;
    atomic_store(&l->stop, true);
    pthread_join(l->thread, NULL);
    if (l->st != SEAM_OK)
        *err = l->err;
    seam_status st = disk_close(&l->disk, l->st, &bytes, err);
    *bytes_per_s = per_second(bytes, l->ns);
    free(l);
    return st;
}

/* ---- matrix rate: which products a token of prefill needs ---- */

#define SHAPES_MAX 256u
#define SMALL_DIM  32u /* convolutions and vectors are no matrix products */

struct shape {
    const struct seam_tensor *tensor; /* one of them, to take numbers from */
    double ops;
};

static double used_share(const struct seam_hparams *hp, int role)
{
    bool routed = role == SEAM_ROLE_EXP_GATE || role == SEAM_ROLE_EXP_UP ||
                  role == SEAM_ROLE_EXP_GATE_UP || role == SEAM_ROLE_EXP_DOWN;
    return routed ? (double)hp->n_expert_used / (double)hp->n_expert : 1;
}

static void add_shape(struct shape *shapes, size_t *n, const struct seam_tensor *t, double share)
{
    if (t->ne[0] < SMALL_DIM || t->ne[1] < SMALL_DIM)
        return;
    double ops = 2 * share * (double)t->ne[0] * (double)t->ne[1] * (double)(t->ne[2] * t->ne[3]);
    for (size_t i = 0; i < *n; i++) {
        const struct seam_tensor *s = shapes[i].tensor;
        if (s->type == t->type && s->ne[0] == t->ne[0] && s->ne[1] == t->ne[1]) {
            shapes[i].ops += ops;
            return;
        }
    }
    if (*n < SHAPES_MAX)
        shapes[(*n)++] = (struct shape){t, ops};
}

static size_t collect_shapes(const struct seam_model *m, struct shape *shapes)
{
    const struct seam_hparams *hp = seam_model_hparams(m);
    size_t n = 0;
    for (uint32_t layer = 0; layer + 1 < hp->n_layer; layer++)
        for (int role = 0; role < SEAM_ROLE_LAYER_COUNT; role++) {
            const struct seam_tensor *t = seam_model_layer(m, layer)->role[role];
            if (t)
                add_shape(shapes, &n, t, used_share(hp, role));
        }
    return n;
}

struct row {
    struct seam_limit_matrix result;
    const struct seam_tensor *tensor; /* of the shape with most operations */
    double most;
};

static int by_share(const void *a, const void *b)
{
    double x = ((const struct row *)a)->result.ops_per_token;
    double y = ((const struct row *)b)->result.ops_per_token;
    return (x < y) - (x > y);
}

/* One row per type: all its operations, and the shape with most of them. */
static size_t rows_of(const struct shape *shapes, size_t n_shapes, struct row *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < n_shapes; i++) {
        const struct seam_tensor *t = shapes[i].tensor;
        size_t r = 0;
        while (r < n && rows[r].result.type != t->type)
            r++;
        if (r == SEAM_LIMIT_TYPES_MAX)
            continue;
        if (r == n)
            rows[n++] = (struct row){.result.type = t->type};
        rows[r].result.ops_per_token += shapes[i].ops;
        if (shapes[i].ops > rows[r].most) {
            rows[r].most = shapes[i].ops;
            rows[r].tensor = t;
        }
    }
    qsort(rows, n, sizeof *rows, by_share);
    return n;
}

/* ---- matrix rate: one product, in one buffer type ---- */

#define MATRIX_REPEATS 5
#define MATRIX_VALUES  ((uint64_t)64 << 20) /* most values of a weight; rows beyond are left out */

/* The first matrix of the tensor, as the file has it: kernels may take shortcuts for zeros. */
static seam_status read_weight(const struct seam_model *m, const struct seam_tensor *t, void *to,
                               size_t bytes, struct seam_err *err)
{
    const char *path = seam_catalog_shard_path(seam_model_catalog(m), t->shard);
    FILE *f = fopen(path, "rbe");
    if (!f)
        return seam_fail(err, SEAM_ENOTFOUND, "open %s: not readable any more", path);
    seam_status st = seam_os_pread_full(fileno(f), to, bytes, t->file_off, err);
    fclose(f);
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s", path);
}

struct product {
    struct ggml_context *ctx;
    struct ggml_tensor *w, *x, *y;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t w_buffer, rest;
};

static void product_release(struct product *p)
{
    if (p->w_buffer)
        ggml_backend_buffer_free(p->w_buffer);
    if (p->rest)
        ggml_backend_buffer_free(p->rest);
    if (p->ctx)
        ggml_free(p->ctx);
}

/* False: this buffer type cannot do it. An extra buffer type decides by where the weight lies, so
 * the weight gets its buffer first. */
static bool product_init(struct product *p, struct seam_device *d, ggml_backend_buffer_type_t buft,
                         const struct seam_limit_matrix *r, bool blas)
{
    enum ggml_type type = (enum ggml_type)r->type->id;
    struct ggml_init_params params = {8 * ggml_tensor_overhead() + ggml_graph_overhead(), NULL,
                                      true};
    p->ctx = ggml_init(params);
    if (!p->ctx)
        return false;
    p->w = ggml_new_tensor_2d(p->ctx, type, (int64_t)r->ne0, (int64_t)r->ne1);
    p->x = ggml_new_tensor_2d(p->ctx, GGML_TYPE_F32, (int64_t)r->ne0, (int64_t)r->columns);
    p->y = blas ? seam_gemm(p->ctx, p->w, p->x) : ggml_mul_mat(p->ctx, p->w, p->x);
    p->graph = ggml_new_graph(p->ctx);
    ggml_build_forward_expand(p->graph, p->y);
    p->w_buffer =
        ggml_backend_buft_alloc_buffer(buft, ggml_backend_buft_get_alloc_size(buft, p->w));
    if (!p->w_buffer ||
        ggml_backend_tensor_alloc(p->w_buffer, p->w, ggml_backend_buffer_get_base(p->w_buffer)) !=
            GGML_STATUS_SUCCESS)
        return false;
    if (!blas && !ggml_backend_supports_op(d->backend, p->y))
        return false;
    p->rest = ggml_backend_alloc_ctx_tensors_from_buft(p->ctx, d->buft);
    return p->rest != NULL;
}

static seam_status product_time(struct product *p, struct seam_device *d, uint64_t *best_ns,
                                struct seam_err *err)
{
    float *x = p->x->data;
    for (int64_t i = 0, n = ggml_nelements(p->x); i < n; i++)
        x[i] = (float)(i * 7919 % 2003 - 1001) / 1001.0f;
    seam_status st = SEAM_OK;
    for (int i = 0; st == SEAM_OK && i < MATRIX_REPEATS; i++) {
        uint64_t begin = seam_mono_ns();
        st = seam_device_compute(d, p->graph, err);
        uint64_t ns = seam_mono_ns() - begin;
        *best_ns = i == 0 || ns < *best_ns ? ns : *best_ns;
    }
    return st;
}

/* Keep the rate of this way to multiply if it is the best so far. */
static seam_status try_way(struct row *row, struct seam_device *d, ggml_backend_buffer_type_t buft,
                           bool blas, const void *weight, size_t bytes, struct seam_err *err)
{
    struct product p = {0};
    struct seam_limit_matrix *r = &row->result;
    seam_status st = SEAM_OK;
    uint64_t ns = 0;
    if (product_init(&p, d, buft, r, blas)) {
        ggml_backend_tensor_set(p.w, weight, 0, bytes);
        st = product_time(&p, d, &ns, err);
        double ops = 2 * (double)r->ne0 * (double)r->ne1 * (double)r->columns;
        double rate = per_second(ops, ns);
        if (st == SEAM_OK && rate > r->ops_per_s) {
            r->ops_per_s = rate;
            snprintf(r->by, sizeof r->by, "%s", blas ? "BLAS" : ggml_backend_buft_name(buft));
        }
    }
    product_release(&p);
    return st;
}

static seam_status try_all(struct row *row, struct seam_device *d, const void *weight, size_t bytes,
                           struct seam_err *err)
{
    ggml_backend_dev_t dev = ggml_backend_get_device(d->backend);
    ggml_backend_dev_get_extra_bufts_t extra = (ggml_backend_dev_get_extra_bufts_t)(uintptr_t)
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(dev),
                                          "ggml_backend_dev_get_extra_bufts");
    ggml_backend_buffer_type_t *bufts = extra ? extra(dev) : NULL;
    seam_status st = try_way(row, d, d->buft, false, weight, bytes, err);
    if (st == SEAM_OK && seam_gemm_available())
        st = try_way(row, d, d->buft, true, weight, bytes, err);
    for (; st == SEAM_OK && bufts && *bufts; bufts++)
        st = try_way(row, d, *bufts, false, weight, bytes, err);
    if (st == SEAM_OK && row->result.ops_per_s <= 0)
        st = seam_fail(err, SEAM_EUNSUPPORTED, "ggml does not multiply %s", row->result.type->name);
    return st;
}

static seam_status measure_row(const struct seam_model *m, struct row *row, struct seam_device *d,
                               uint32_t columns, struct seam_err *err)
{
    const struct seam_tensor *t = row->tensor;
    struct seam_limit_matrix *r = &row->result;
    r->ne0 = t->ne[0];
    r->ne1 = t->ne[1] < MATRIX_VALUES / t->ne[0] ? t->ne[1] : MATRIX_VALUES / t->ne[0];
    r->columns = columns;
    size_t bytes = (size_t)(r->ne0 / t->type->block * t->type->block_bytes * r->ne1);
    void *weight = malloc(bytes);
    if (!weight)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a matrix");
    seam_status st = read_weight(m, t, weight, bytes, err);
    if (st == SEAM_OK)
        st = try_all(row, d, weight, bytes, err);
    free(weight);
    return st;
}

#define ATTENTION_KEYS 2048u

static seam_status measure_attention(const struct seam_model *m, struct seam_limit_matrix *out,
                                     struct seam_device *d, uint32_t columns, struct seam_err *err)
{
    struct row row = {.result = {.type = seam_type_by_name("F16"),
                                 .ne0 = seam_model_hparams(m)->d_head,
                                 .ne1 = ATTENTION_KEYS,
                                 .columns = columns}};
    size_t n = (size_t)(row.result.ne0 * row.result.ne1);
    ggml_fp16_t *keys = malloc(n * sizeof *keys);
    if (!keys)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a matrix");
    for (size_t i = 0; i < n; i++)
        keys[i] = ggml_fp32_to_fp16((float)(i * 7919 % 2003) / 2003.0f - 0.5f);
    seam_status st = try_all(&row, d, keys, n * sizeof *keys, err);
    free(keys);
    *out = row.result;
    return st;
}

double seam_limit_attention_ops(const struct seam_model *m, uint32_t depth, uint32_t n)
{
    const struct seam_hparams *hp = seam_model_hparams(m);
    double pairs = (double)n * depth + (double)n * ((double)n + 1) / 2, layers = 0;
    for (uint32_t layer = 0; layer + 1 < hp->n_layer; layer++)
        layers += seam_model_layer(m, layer)->memory != SEAM_MEMORY_DELTA;
    return layers * 2 * (double)hp->n_head * ((double)hp->d_head + hp->d_v) * pairs;
}

seam_status seam_limit_matrices(const struct seam_model *m, int n_threads, uint32_t columns,
                                struct seam_limit_matrix *rows, size_t *n,
                                struct seam_limit_matrix *attention, struct seam_err *err)
{
    struct shape shapes[SHAPES_MAX];
    struct row found[SEAM_LIMIT_TYPES_MAX];
    struct seam_device d;
    *n = 0;
    size_t n_found = rows_of(shapes, collect_shapes(m, shapes), found);
    seam_status st = seam_device_init(&d, n_threads, err);
    for (size_t i = 0; st == SEAM_OK && i < n_found; i++) {
        st = measure_row(m, &found[i], &d, columns, err);
        rows[i] = found[i].result;
    }
    if (st == SEAM_OK)
        st = measure_attention(m, attention, &d, columns, err);
    seam_device_release(&d);
    if (st == SEAM_OK)
        *n = n_found;
    return st;
}
