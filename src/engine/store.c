#include "engine/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "base/size.h"
#include "engine/reader.h"

/* Rows rearranged at a time: a multiple of every interleaving, and they fit the cache. */
#define REPACK_ROWS 64

/* What the KV rows of a layer need, out of its attention part. */
static const enum seam_role kv_roles[] = {
    SEAM_ROLE_ATTN_NORM, SEAM_ROLE_ATTN_KV_A,   SEAM_ROLE_ATTN_KV_A_NORM, SEAM_ROLE_ATTN_K,
    SEAM_ROLE_ATTN_V,    SEAM_ROLE_ATTN_K_NORM, SEAM_ROLE_ROPE_FREQS,     SEAM_ROLE_SSM_QKV,
    SEAM_ROLE_SSM_CONV,  SEAM_ROLE_SSM_DT,      SEAM_ROLE_SSM_A,          SEAM_ROLE_SSM_ALPHA,
    SEAM_ROLE_SSM_BETA,
};

struct item { /* a tensor of a unit */
    const struct seam_tensor *src;
    struct ggml_tensor *t;
    uint64_t at; /* place in the unit */
};

struct unit {
    struct item *items;
    size_t n_items;
    struct seam_extent *extents;
    size_t n_extents;
    uint64_t bytes;        /* in the arena, aligned */
    uint64_t tensor_bytes; /* of the model */
};

enum slot_state { SLOT_LOADING, SLOT_READY };
struct slot { /* a unit in the ring */
    uint32_t unit;
    uint64_t at, len;
    enum slot_state state;
    uint64_t read_begin, read_end;
};

struct seam_store {
    const struct seam_model *model;
    struct seam_device *device;
    struct ggml_context *ctx; /* tensor headers, no data */
    struct ggml_tensor *layer[SEAM_MODEL_MAX_LAYERS][SEAM_STORE_KINDS][SEAM_ROLE_LAYER_COUNT];
    struct ggml_tensor *global[SEAM_ROLE_COUNT - SEAM_ROLE_LAYER_COUNT];
    struct unit *units; /* seam_unit_count() of them */
    bool with_head, streamed, mapped;
    struct seam_reader *reader;

    ggml_backend_buffer_t repack_mark; /* of no use but to mark headers; NULL: no such device */
    bool rearranges;                   /* some headers are marked */
    ggml_backend_buffer_t repack;      /* owns the arena, then */

    uint8_t *arena; /* NULL: mapped */
    uint64_t arena_bytes;
    ggml_backend_buffer_t buffer;
    ggml_backend_buffer_t *device_buffers; /* instead of the arena: weights on a device */
    size_t n_device_buffers;
    ggml_backend_buffer_t *shard; /* mapped: a buffer for each file, NULL where nothing is wanted */

    /* streaming; under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t loader;
    bool loader_running, quit, stop; /* stop: end of the running sequence */
    bool reading;                    /* the loader is inside a read */
    uint32_t *seq;
    size_t n_seq, next_load, next_use;
    struct slot *ring; /* FIFO of the units now in the arena: [first, first + count) mod cap */
    size_t ring_first, ring_count, ring_cap;
    uint64_t head;
    seam_status failed; /* why the loader gave up on this sequence */
    struct seam_err failure;
    uint64_t held, held_peak, read_bytes;
};

uint32_t seam_unit_embed(const struct seam_model *m)
{
    (void)m;
    return 0;
}

uint32_t seam_unit_part(const struct seam_model *m, uint32_t layer, enum seam_part part)
{
    (void)m;
    return 1 + SEAM_PART_COUNT * layer + (uint32_t)part;
}

uint32_t seam_unit_last_kv(const struct seam_model *m)
{
    return 1 + SEAM_PART_COUNT * seam_model_hparams(m)->n_layer;
}

bool seam_unit_last_kv_has(enum seam_role role)
{
    for (size_t i = 0; i < sizeof kv_roles / sizeof *kv_roles; i++)
        if (kv_roles[i] == role)
            return true;
    return false;
}

uint32_t seam_unit_head(const struct seam_model *m)
{
    return seam_unit_last_kv(m) + 1;
}

uint32_t seam_unit_count(const struct seam_model *m)
{
    return seam_unit_head(m) + 1;
}

/* ---- which tensors belong to a unit ---- */

typedef void (*visit_fn)(void *user, const struct seam_tensor *src, uint32_t layer,
                         enum seam_store_kind kind, enum seam_role role);

/* A role's tensor of a layer, and what stands beside it. */
static void visit_role(const struct seam_layer *l, uint32_t layer, enum seam_role r, visit_fn fn,
                       void *user)
{
    if (l->role[r])
        fn(user, l->role[r], layer, SEAM_STORE_WEIGHT, r);
    if (l->scale[r])
        fn(user, l->scale[r], layer, SEAM_STORE_SCALE, r);
    if (l->bias[r])
        fn(user, l->bias[r], layer, SEAM_STORE_BIAS, r);
}

static void visit_unit(const struct seam_model *m, uint32_t u, visit_fn fn, void *user)
{
    const struct seam_hparams *hp = seam_model_hparams(m);
    if (u == seam_unit_embed(m)) {
        fn(user, seam_model_global(m, SEAM_ROLE_TOKEN_EMBD), 0, SEAM_STORE_WEIGHT,
           SEAM_ROLE_TOKEN_EMBD);
    } else if (u == seam_unit_head(m)) {
        fn(user, seam_model_global(m, SEAM_ROLE_OUTPUT_NORM), 0, SEAM_STORE_WEIGHT,
           SEAM_ROLE_OUTPUT_NORM);
        fn(user, seam_model_global(m, SEAM_ROLE_OUTPUT), 0, SEAM_STORE_WEIGHT, SEAM_ROLE_OUTPUT);
    } else if (u == seam_unit_last_kv(m)) {
        const struct seam_layer *l = seam_model_layer(m, hp->n_layer - 1);
        for (size_t i = 0; i < sizeof kv_roles / sizeof *kv_roles; i++)
            visit_role(l, hp->n_layer - 1, kv_roles[i], fn, user);
    } else {
        uint32_t layer = (u - 1) / SEAM_PART_COUNT;
        enum seam_part part = (enum seam_part)((u - 1) % SEAM_PART_COUNT);
        const struct seam_layer *l = seam_model_layer(m, layer);
        for (int r = 0; r < SEAM_ROLE_LAYER_COUNT; r++)
            if (seam_role_part((enum seam_role)r) == part)
                visit_role(l, layer, (enum seam_role)r, fn, user);
    }
}

/* A sweep node (no head) never runs the last layer past its KV rows: those weights stay on disk. */
static bool wanted(const struct seam_model *m, uint32_t u, bool with_head)
{
    uint32_t last = seam_model_hparams(m)->n_layer - 1;
    if (with_head)
        return true;
    return u != seam_unit_part(m, last, SEAM_PART_ATTN) &&
           u != seam_unit_part(m, last, SEAM_PART_FFN) && u != seam_unit_head(m);
}

struct tensor_list {
    const struct seam_tensor **v;
    size_t n, cap;
    bool failed;
};

static void collect(void *user, const struct seam_tensor *src, uint32_t layer,
                    enum seam_store_kind kind, enum seam_role role)
{
    (void)layer;
    (void)kind;
    (void)role;
    struct tensor_list *list = user;
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i] == src)
            return; /* tied output, kv-only: already there */
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 32;
        void *v = realloc(list->v, cap * sizeof *list->v);
        if (!v) {
            list->failed = true;
            return;
        }
        list->v = v;
        list->cap = cap;
    }
    list->v[list->n++] = src;
}

static int by_place(const void *a, const void *b)
{
    const struct seam_tensor *x = *(const struct seam_tensor *const *)a;
    const struct seam_tensor *y = *(const struct seam_tensor *const *)b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    return x->file_off < y->file_off ? -1 : x->file_off > y->file_off;
}

static uint64_t align_down(uint64_t v)
{
    return v & ~(uint64_t)(SEAM_DIRECT_ALIGN - 1);
}

static uint64_t align_up(uint64_t v)
{
    return align_down(v + SEAM_DIRECT_ALIGN - 1);
}

/* Tensors in file order -> as few aligned reads as possible, one behind the other in the unit. */
static seam_status lay_out(struct tensor_list *list, struct unit *u, struct seam_err *err)
{
    if (list->n)
        qsort(list->v, list->n, sizeof *list->v, by_place);
    u->items = calloc(list->n + 1, sizeof *u->items);
    u->extents = calloc(list->n + 1, sizeof *u->extents);
    if (!u->items || !u->extents)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a table of %zu tensors", list->n);
    for (size_t i = 0; i < list->n; i++) {
        const struct seam_tensor *t = list->v[i];
        struct seam_extent *e = u->n_extents ? &u->extents[u->n_extents - 1] : NULL;
        uint64_t begin = align_down(t->file_off), end = align_up(t->file_off + t->n_bytes);
        if (e && e->shard == t->shard && begin <= e->off + e->len) {
            if (end > e->off + e->len) {
                u->bytes += end - (e->off + e->len);
                e->len = end - e->off;
            }
        } else {
            e = &u->extents[u->n_extents++];
            *e = (struct seam_extent){t->shard, begin, end - begin, 0, u->bytes};
            u->bytes += e->len;
        }
        e->need = t->file_off + t->n_bytes - e->off;
        u->items[u->n_items++] = (struct item){t, NULL, e->at + (t->file_off - e->off)};
        u->tensor_bytes += t->n_bytes;
    }
    return SEAM_OK;
}

/* Lay out units [first, last] as one; those that a sweep node does not want are left out. */
static seam_status build_unit(const struct seam_model *m, uint32_t first, uint32_t last,
                              bool with_head, struct unit *u, struct seam_err *err)
{
    struct tensor_list list = {0};
    seam_status st;
    memset(u, 0, sizeof *u);
    for (uint32_t i = first; i <= last; i++)
        if (wanted(m, i, with_head))
            visit_unit(m, i, collect, &list);
    if (list.failed)
        st = seam_fail(err, SEAM_ENOMEM, "no memory for the table of tensors");
    else
        st = lay_out(&list, u, err);
    free(list.v);
    return st;
}

static void free_unit(struct unit *u)
{
    free(u->items);
    free(u->extents);
    memset(u, 0, sizeof *u);
}

struct seam_store_sizes seam_store_measure(const struct seam_model *m, bool with_head)
{
    struct seam_store_sizes sizes = {0};
    uint32_t last = seam_unit_head(m);
    for (uint32_t u = 0; u <= last; u++) {
        struct unit unit;
        if (build_unit(m, u, u, with_head, &unit, NULL) == SEAM_OK && unit.bytes > sizes.largest)
            sizes.largest = unit.bytes;
        free_unit(&unit);
    }
    struct unit all;
    if (build_unit(m, 0, last, with_head, &all, NULL) == SEAM_OK)
        sizes.all = all.bytes;
    free_unit(&all);
    return sizes;
}

/* ---- tensor headers ---- */

static struct ggml_tensor *find_header(struct seam_store *s, const struct seam_tensor *src)
{
    return ggml_get_tensor(s->ctx, src->name);
}

static struct ggml_tensor **header_of(struct seam_store *s, uint32_t layer,
                                      enum seam_store_kind kind, enum seam_role role)
{
    return role < SEAM_ROLE_LAYER_COUNT ? &s->layer[layer][kind][role]
                                        : &s->global[role - SEAM_ROLE_LAYER_COUNT];
}

/* Others are read in rows, transposed or multiplied head by head. */
static bool only_multiplied(enum seam_role role)
{
    return role != SEAM_ROLE_TOKEN_EMBD && role != SEAM_ROLE_ATTN_KV_B &&
           role != SEAM_ROLE_ATTN_K_B && role != SEAM_ROLE_ATTN_V_B;
}

/* ggml says by t->extra whether it has a faster order for this type, shape and processor. */
static void mark_repack(struct seam_store *s, struct ggml_tensor *t)
{
    t->buffer = s->repack_mark;
    if (ggml_backend_buffer_init_tensor(t->buffer, t) != GGML_STATUS_SUCCESS || !t->extra) {
        t->buffer = NULL;
        t->extra = NULL;
    }
    s->rearranges |= t->extra != NULL;
}

/* One header a tensor, also where the head is the embedding, or all layers share one tensor. */
static void make_header(void *user, const struct seam_tensor *src, uint32_t layer,
                        enum seam_store_kind kind, enum seam_role role)
{
    struct seam_store *s = user;
    struct ggml_tensor **slot = header_of(s, layer, kind, role);
    if (!*slot)
        *slot = find_header(s, src);
    if (*slot)
        return;
    int64_t ne[4];
    for (int i = 0; i < 4; i++)
        ne[i] = (int64_t)src->ne[i];
    *slot = ggml_new_tensor(s->ctx, (enum ggml_type)src->type->id, (int)src->n_dims, ne);
    ggml_set_name(*slot, src->name);
    (*slot)->data = SEAM_STORE_NOWHERE;
    if (s->repack_mark && only_multiplied(role))
        mark_repack(s, *slot);
}

static seam_status make_headers(struct seam_store *s, struct seam_err *err)
{
    size_t n = seam_catalog_tensor_count(seam_model_catalog(s->model)) + 1;
    struct ggml_init_params p = {n * ggml_tensor_overhead(), NULL, true};
    s->ctx = ggml_init(p);
    if (!s->ctx)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %zu tensor headers", n);
    for (uint32_t u = 0; u < seam_unit_count(s->model); u++)
        visit_unit(s->model, u, make_header, s);
    return SEAM_OK;
}

static void bind_headers(struct seam_store *s, struct unit *u)
{
    for (size_t i = 0; i < u->n_items; i++)
        u->items[i].t = find_header(s, u->items[i].src);
}

/* The type table of model/ and ggml's must agree on every size, or weights would be misread. */
static seam_status check_sizes(const struct unit *u, struct seam_err *err)
{
    for (size_t i = 0; i < u->n_items; i++)
        if (ggml_nbytes(u->items[i].t) != u->items[i].src->n_bytes)
            return seam_fail(err, SEAM_EUNSUPPORTED,
                             "tensor %s: ggml %s counts %zu bytes, not %llu", u->items[i].src->name,
                             ggml_version(), ggml_nbytes(u->items[i].t),
                             (unsigned long long)u->items[i].src->n_bytes);
    return SEAM_OK;
}

static void place(struct seam_store *s, const struct unit *u, uint64_t at)
{
    for (size_t i = 0; i < u->n_items; i++) {
        struct ggml_tensor *t = u->items[i].t;
        t->buffer = t->extra ? s->repack : s->buffer;
        t->data = s->arena + at + u->items[i].at;
    }
}

/* The same where the files themselves are the memory. */
static seam_status place_mapped(struct seam_store *s, const struct unit *u, struct seam_err *err)
{
    uint32_t n = seam_catalog_shard_count(seam_model_catalog(s->model));
    s->shard = calloc(n, sizeof *s->shard);
    if (!s->shard)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %u files", n);
    for (size_t i = 0; i < u->n_items; i++) {
        const struct seam_tensor *src = u->items[i].src;
        struct ggml_tensor *t = u->items[i].t;
        uint64_t len;
        uint8_t *base = (uint8_t *)(uintptr_t)seam_reader_mapped(s->reader, src->shard, &len);
        if (!s->shard[src->shard])
            s->shard[src->shard] = seam_device_wrap(s->device, base, len);
        if (!s->shard[src->shard])
            return seam_fail(err, SEAM_EINTERNAL, "ggml refuses a mapped file");
        t->buffer = s->shard[src->shard];
        t->data = base + src->file_off;
    }
    return SEAM_OK;
}

/* ---- reading ---- */

static bool stopping(void *user)
{
    struct seam_store *s = user;
    pthread_mutex_lock(&s->lock);
    bool yes = s->stop || s->quit;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

/* Rearrange a matrix where it lies, some rows at a time through a copy. */
static seam_status repack(struct seam_store *s, const struct ggml_tensor *t, uint8_t *data,
                          struct seam_err *err)
{
    struct ggml_tensor part = *t;
    int64_t rows = ggml_nrows(t), step = REPACK_ROWS;
    uint8_t *copy = malloc((size_t)step * t->nb[1]);
    if (!copy)
        return seam_fail(err, SEAM_ENOMEM, "no memory to rearrange %s", t->name);
    part.buffer = s->repack;
    part.ne[2] = part.ne[3] = 1;
    for (int64_t at = 0; at < rows; at += step) {
        part.ne[1] = rows - at < step ? rows - at : step;
        part.nb[2] = part.nb[3] = (size_t)part.ne[1] * t->nb[1];
        part.data = data + (size_t)at * t->nb[1];
        memcpy(copy, part.data, part.nb[2]);
        ggml_backend_tensor_set(&part, copy, 0, part.nb[2]);
    }
    free(copy);
    return SEAM_OK;
}

static seam_status read_unit(struct seam_store *s, const struct unit *u, uint64_t at,
                             bool stoppable, struct seam_err *err)
{
    seam_status st = seam_reader_read(s->reader, u->extents, u->n_extents, s->arena + at,
                                      stoppable ? stopping : NULL, s, err);
    for (size_t i = 0; st == SEAM_OK && i < u->n_items; i++) {
        if (stoppable && stopping(s))
            return seam_fail(err, SEAM_ECANCELED, "canceled");
        const struct item *it = &u->items[i];
        if (it->t->extra)
            st = repack(s, it->t, s->arena + at + it->at, err);
    }
    return st;
}

/* ---- the ring ---- */

static struct slot *ring_at(struct seam_store *s, size_t i)
{
    return &s->ring[(s->ring_first + i) % s->ring_cap];
}

/* Invariants of the ring; the caller holds the lock. */
static void ring_check(struct seam_store *s)
{
    GGML_ASSERT(s->ring_count <= s->ring_cap);
    GGML_ASSERT(s->next_use <= s->next_load && s->next_load <= s->n_seq);
    GGML_ASSERT(s->held <= s->arena_bytes);
    GGML_ASSERT(s->head <= s->arena_bytes);
}

/* Room for len contiguous bytes, or false: wait for a release. */
static bool ring_room(struct seam_store *s, uint64_t len, uint64_t *at)
{
    if (s->ring_count == 0) {
        *at = 0;
        return len <= s->arena_bytes;
    }
    uint64_t tail = ring_at(s, 0)->at;
    if (s->head > tail) { /* used: [tail, head) */
        if (s->arena_bytes - s->head >= len)
            *at = s->head;
        else if (tail >= len)
            *at = 0;
        else
            return false;
        return true;
    }
    *at = s->head; /* used: [tail, end) and [0, head); head == tail: full */
    return tail - s->head >= len;
}

/* Load the next unit of the sequence; called and returns with the lock held. */
static void load_next(struct seam_store *s, uint64_t at)
{
    uint32_t unit = s->seq[s->next_load];
    const struct unit *u = &s->units[unit];
    struct slot *slot = ring_at(s, s->ring_count++);
    *slot = (struct slot){unit, at, u->bytes, SLOT_LOADING, seam_mono_ns(), 0};
    s->head = at + u->bytes;
    s->held += u->bytes;
    if (s->held > s->held_peak)
        s->held_peak = s->held;
    s->next_load++;
    s->reading = true;
    ring_check(s);
    pthread_mutex_unlock(&s->lock);
    struct seam_err failure = {0};
    seam_status st = read_unit(s, u, at, true, &failure);
    pthread_mutex_lock(&s->lock);
    s->reading = false;
    slot->read_end = seam_mono_ns();
    slot->state = SLOT_READY;
    if (st != SEAM_OK) {
        s->failed = st;
        s->failure = failure;
    } else {
        s->read_bytes += u->tensor_bytes;
    }
    pthread_cond_broadcast(&s->changed);
}

static void *loader_main(void *arg)
{
    struct seam_store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->quit) {
        uint64_t at;
        bool want = !s->stop && s->failed == SEAM_OK && s->next_load < s->n_seq;
        if (want && ring_room(s, s->units[s->seq[s->next_load]].bytes, &at))
            load_next(s, at);
        else
            pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

seam_status seam_store_unchanged(const struct seam_store *s, struct seam_err *err)
{
    return s->mapped || s->streamed ? seam_reader_unchanged(s->reader, err) : SEAM_OK;
}

seam_status seam_store_begin(struct seam_store *s, const uint32_t *units, size_t n,
                             struct seam_err *err)
{
    seam_status st = seam_store_unchanged(s, err);
    if (st != SEAM_OK || !s->streamed)
        return st;
    uint32_t *seq = malloc(n * sizeof *seq + 1);
    if (!seq)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a sequence of %zu units", n);
    memcpy(seq, units, n * sizeof *seq);
    pthread_mutex_lock(&s->lock);
    free(s->seq);
    s->seq = seq;
    s->n_seq = n;
    s->next_load = s->next_use = 0;
    s->stop = false;
    s->failed = SEAM_OK;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return SEAM_OK;
}

seam_status seam_store_acquire(struct seam_store *s, uint32_t unit, uint64_t *wait_ns,
                               struct seam_span *read, struct seam_err *err)
{
    if (!s->streamed)
        return seam_store_unchanged(s, err);
    seam_status st = SEAM_OK;
    uint64_t t0 = seam_mono_ns();
    pthread_mutex_lock(&s->lock);
    GGML_ASSERT(s->next_use < s->n_seq && s->seq[s->next_use] == unit);
    while (s->failed == SEAM_OK && (s->ring_count == 0 || ring_at(s, 0)->state != SLOT_READY))
        pthread_cond_wait(&s->changed, &s->lock);
    if (s->failed != SEAM_OK) {
        st = s->failed;
        if (err)
            *err = s->failure;
    } else {
        struct slot *slot = ring_at(s, 0);
        place(s, &s->units[unit], slot->at);
        if (read)
            seam_span_add(read, slot->read_begin, slot->read_end, s->units[unit].tensor_bytes);
        s->next_use++;
    }
    pthread_mutex_unlock(&s->lock);
    if (wait_ns)
        *wait_ns += seam_mono_ns() - t0;
    return st;
}

static void drop_oldest(struct seam_store *s)
{
    s->held -= ring_at(s, 0)->len;
    s->ring_first = (s->ring_first + 1) % s->ring_cap;
    s->ring_count--;
    if (s->ring_count == 0)
        s->head = 0;
}

void seam_store_release(struct seam_store *s, uint32_t unit)
{
    if (!s->streamed)
        return;
    pthread_mutex_lock(&s->lock);
    GGML_ASSERT(s->ring_count > 0 && ring_at(s, 0)->unit == unit);
    drop_oldest(s);
    ring_check(s);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void seam_store_abandon(struct seam_store *s)
{
    if (!s->streamed)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    if (s->failed == SEAM_OK)
        s->failed = seam_fail(&s->failure, SEAM_ECANCELED, "canceled");
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void seam_store_end(struct seam_store *s)
{
    if (!s->streamed)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    while (s->reading)
        pthread_cond_wait(&s->changed, &s->lock);
    while (s->ring_count > 0)
        drop_oldest(s);
    s->n_seq = s->next_load = s->next_use = 0;
    pthread_mutex_unlock(&s->lock);
}

/* ---- open and close ---- */

static seam_status build_units(struct seam_store *s, struct seam_err *err)
{
    uint32_t n = seam_unit_count(s->model);
    s->units = calloc(n, sizeof *s->units);
    if (!s->units)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %u units", n);
    for (uint32_t u = 0; u < n; u++) {
        seam_status st = build_unit(s->model, u, u, s->with_head, &s->units[u], err);
        if (st != SEAM_OK)
            return st;
        bind_headers(s, &s->units[u]);
        if ((st = check_sizes(&s->units[u], err)) != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

static seam_status start_loader(struct seam_store *s, struct seam_err *err)
{
    s->ring_cap = seam_unit_count(s->model);
    s->ring = calloc(s->ring_cap, sizeof *s->ring);
    if (!s->ring)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the ring of units");
    int e = pthread_create(&s->loader, NULL, loader_main, s);
    if (e)
        return seam_fail(err, SEAM_EIO, "start the loader thread: %s", strerror(e));
    s->loader_running = true;
    return SEAM_OK;
}

/* Pages of our own, or a buffer of ggml's that knows how to multiply what is rearranged. */
static uint8_t *take_arena(struct seam_store *s)
{
    if (!s->rearranges)
        return seam_os_pages_alloc(s->arena_bytes);
    s->repack =
        ggml_backend_buft_alloc_buffer(s->device->repack, s->arena_bytes + SEAM_DIRECT_ALIGN);
    if (!s->repack)
        return NULL;
    ggml_backend_buffer_set_usage(s->repack, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    uintptr_t base = (uintptr_t)ggml_backend_buffer_get_base(s->repack);
    return (uint8_t *)(uintptr_t)align_up(base);
}

/* Memory for the weights, of our own. */
static seam_status open_arena(struct seam_store *s, struct seam_err *err)
{
    char want[32];
    s->arena = take_arena(s);
    if (!s->arena)
        return seam_fail(err, SEAM_ENOMEM, "the system refuses %s for weights",
                         seam_size_format(s->arena_bytes, want, sizeof want));
    seam_os_pages_large(s->arena, s->arena_bytes);
    s->buffer = seam_device_wrap(s->device, s->arena, s->arena_bytes);
    if (!s->buffer)
        return seam_fail(err, SEAM_EINTERNAL, "ggml refuses the weights arena");
    ggml_backend_buffer_set_usage(s->buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    return SEAM_OK;
}

static seam_status load_copies(struct seam_store *s, const struct unit *all, struct seam_err *err)
{
    seam_status st = open_arena(s, err);
    if (st == SEAM_OK)
        st = read_unit(s, all, 0, false, err);
    if (st != SEAM_OK)
        return st;
    place(s, all, 0);
    s->read_bytes = all->tensor_bytes;
    return SEAM_OK;
}

static seam_status load_mapped(struct seam_store *s, const struct unit *all, bool fetch,
                               struct seam_err *err)
{
    seam_status st = seam_reader_map(s->reader, all->extents, all->n_extents, fetch, err);
    if (st != SEAM_OK)
        return st;
    s->mapped = true;
    return place_mapped(s, all, err);
}

/* The files may be memory where no matrix is rearranged, and are it where that copies nothing from a disk. */
static seam_status choose_mapped(const struct seam_store *s, const struct unit *all,
                                 enum seam_mmap want, bool *yes, struct seam_err *err)
{
    *yes = want == SEAM_MMAP_ON || (want == SEAM_MMAP_AUTO && !s->rearranges &&
                                    seam_reader_cached(s->reader, all->extents, all->n_extents));
    if (want == SEAM_MMAP_ON && s->rearranges)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "--mmap on: the file has matrices of types that this processor multiplies "
                         "faster in another order (use --mmap auto)");
    return SEAM_OK;
}

static seam_status load_resident(struct seam_store *s, enum seam_mmap want, struct seam_err *err)
{
    struct unit all;
    bool map = false;
    seam_status st = build_unit(s->model, 0, seam_unit_head(s->model), s->with_head, &all, err);
    if (st == SEAM_OK)
        st = choose_mapped(s, &all, want, &map, err);
    if (st == SEAM_OK) {
        bind_headers(s, &all);
        st = map ? load_mapped(s, &all, want == SEAM_MMAP_ON, err) : load_copies(s, &all, err);
    }
    if (st == SEAM_OK)
        s->held = s->held_peak = all.bytes;
    free_unit(&all);
    return st;
}

seam_status seam_store_suffices(uint64_t budget, uint64_t largest, struct seam_err *err)
{
    char have[32];
    if (!budget || budget >= largest)
        return SEAM_OK;
    return seam_fail(err, SEAM_ENOMEM,
                     "a weights budget of %s is too small: the largest part of one layer is "
                     "%llu bytes (use --weights-memory %lluK or more)",
                     seam_size_format(budget, have, sizeof have), (unsigned long long)largest,
                     (unsigned long long)(largest + 1023) / 1024);
}

static seam_status settle_budget(struct seam_store *s, uint64_t budget, enum seam_mmap want,
                                 struct seam_err *err)
{
    struct seam_store_sizes sizes = seam_store_measure(s->model, s->with_head);
    seam_status st = seam_store_suffices(budget, sizes.largest, err);
    if (st != SEAM_OK)
        return st;
    s->streamed = budget && budget < sizes.all;
    s->arena_bytes = s->streamed ? align_down(budget) : sizes.all;
    if (s->streamed && want == SEAM_MMAP_ON)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "--mmap on: weights that do not all fit the budget are streamed");
    return SEAM_OK;
}

seam_status seam_store_open(struct seam_store **out, const struct seam_model *m, bool with_head,
                            struct seam_device *d, struct seam_err *err)
{
    *out = NULL;
    struct seam_store *s = calloc(1, sizeof *s);
    if (!s)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the weights store");
    s->model = m;
    s->device = d;
    s->with_head = with_head;
    if (d->repack)
        s->repack_mark = ggml_backend_buft_alloc_buffer(d->repack, SEAM_DIRECT_ALIGN);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    seam_status st = make_headers(s, err);
    if (st == SEAM_OK)
        st = build_units(s, err);
    if (st != SEAM_OK) {
        seam_store_close(s);
        return st;
    }
    *out = s;
    return SEAM_OK;
}

seam_status seam_store_load(struct seam_store *s, uint64_t budget, enum seam_mmap want,
                            struct seam_err *err)
{
    seam_status st = seam_reader_open(&s->reader, seam_model_catalog(s->model), err);
    if (st == SEAM_OK)
        st = settle_budget(s, budget, want, err);
    if (st == SEAM_OK && s->streamed)
        st = open_arena(s, err);
    if (st == SEAM_OK)
        st = s->streamed ? start_loader(s, err) : load_resident(s, want, err);
    return st == SEAM_OK ? st : seam_wrap(err, st, "load weights");
}

/* ---- on a device ---- */

/* A tensor is copied through this much of host memory. */
#define SLICE ((uint64_t)64 << 20)

static bool is_device_unit(const struct seam_store *s, uint32_t u)
{
    return u != seam_unit_embed(s->model) && u != seam_unit_last_kv(s->model);
}

static uint64_t place_bytes(ggml_backend_buffer_type_t buft, const struct ggml_tensor *t)
{
    const uint64_t align = ggml_backend_buft_get_alignment(buft);
    return (ggml_backend_buft_get_alloc_size(buft, t) + align - 1) / align * align;
}

uint64_t seam_store_device_bytes(const struct seam_store *s, ggml_backend_buffer_type_t buft)
{
    uint64_t sum = 0;
    for (uint32_t u = 0; u < seam_unit_count(s->model); u++)
        for (size_t i = 0; is_device_unit(s, u) && i < s->units[u].n_items; i++)
            sum += place_bytes(buft, s->units[u].items[i].t);
    return sum;
}

static seam_status copy_item(struct seam_store *s, const struct item *it, uint8_t *slice,
                             struct seam_err *err)
{
    const struct seam_tensor *src = it->src;
    for (uint64_t done = 0; done < src->n_bytes; done += SLICE) {
        const uint64_t n = src->n_bytes - done < SLICE ? src->n_bytes - done : SLICE;
        const uint64_t from = src->file_off + done;
        const struct seam_extent x = seam_extent_of(src->shard, from, n);
        seam_status st = seam_reader_read(s->reader, &x, 1, slice, NULL, NULL, err);
        if (st != SEAM_OK)
            return st;
        ggml_backend_tensor_set(it->t, slice + (from - x.off), done, n);
    }
    s->read_bytes += src->n_bytes;
    return SEAM_OK;
}

/* One buffer for items [first, *end) of a unit: all of them, or what fits the largest that the device
 * gives. Layers may share a tensor: it has its place already. */
static seam_status load_items(struct seam_store *s, const struct unit *u, size_t first, size_t *end,
                              ggml_backend_buffer_type_t buft, uint8_t *slice, struct seam_err *err)
{
    const uint64_t most = ggml_backend_buft_get_max_size(buft);
    uint64_t bytes = 0;
    char size[32];
    for (*end = first; *end < u->n_items; ++*end) {
        const struct ggml_tensor *t = u->items[*end].t;
        const uint64_t more = t->buffer ? 0 : place_bytes(buft, t);
        if (bytes && bytes + more > most)
            break;
        bytes += more;
    }
    if (!bytes)
        return SEAM_OK;
    ggml_backend_buffer_t b = ggml_backend_buft_alloc_buffer(buft, bytes);
    if (!b)
        return seam_fail(err, SEAM_ENOMEM, "the device refuses %s for weights",
                         seam_size_format(bytes, size, sizeof size));
    s->device_buffers[s->n_device_buffers++] = b;
    ggml_backend_buffer_set_usage(b, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    struct ggml_tallocr at = ggml_tallocr_new(b);
    for (size_t i = first; i < *end; i++) {
        const struct item *it = &u->items[i];
        if (it->t->buffer)
            continue;
        it->t->data = NULL;
        if (ggml_tallocr_alloc(&at, it->t) != GGML_STATUS_SUCCESS)
            return seam_fail(err, SEAM_EIO, "the device has no place for %s", it->t->name);
        seam_status st = copy_item(s, it, slice, err);
        if (st != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

static seam_status load_device_units(struct seam_store *s, ggml_backend_buffer_type_t buft,
                                     uint8_t *slice, struct seam_err *err)
{
    size_t n = 0;
    for (uint32_t u = 0; u < seam_unit_count(s->model); u++)
        n += s->units[u].n_items;
    s->device_buffers = calloc(n + 1, sizeof(ggml_backend_buffer_t));
    if (!s->device_buffers)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a table of %zu buffers", n);
    for (uint32_t u = 0; u < seam_unit_count(s->model); u++)
        for (size_t i = 0; is_device_unit(s, u) && i < s->units[u].n_items;) {
            seam_status st = load_items(s, &s->units[u], i, &i, buft, slice, err);
            if (st != SEAM_OK)
                return st;
        }
    return SEAM_OK;
}

seam_status seam_store_load_on(struct seam_store *s, ggml_backend_buffer_type_t buft,
                               struct seam_err *err)
{
    const uint64_t bytes = SLICE + 2 * SEAM_DIRECT_ALIGN;
    uint8_t *slice = seam_os_pages_alloc(bytes);
    seam_status st = slice ? seam_reader_open(&s->reader, seam_model_catalog(s->model), err)
                           : seam_fail(err, SEAM_ENOMEM, "no memory to copy weights through");
    if (st == SEAM_OK)
        st = load_device_units(s, buft, slice, err);
    seam_os_pages_free(slice, bytes);
    return st == SEAM_OK ? st : seam_wrap(err, st, "load weights");
}

static void stop_loader(struct seam_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->loader, NULL);
}

void seam_store_close(struct seam_store *s)
{
    if (!s)
        return;
    if (s->loader_running)
        stop_loader(s);
    if (s->buffer)
        ggml_backend_buffer_free(s->buffer);
    for (uint32_t i = 0; s->shard && i < seam_catalog_shard_count(seam_model_catalog(s->model));
         i++)
        if (s->shard[i])
            ggml_backend_buffer_free(s->shard[i]);
    if (s->repack_mark)
        ggml_backend_buffer_free(s->repack_mark);
    if (s->repack)
        ggml_backend_buffer_free(s->repack);
    else
        seam_os_pages_free(s->arena, s->arena_bytes);
    for (size_t i = 0; i < s->n_device_buffers; i++)
        ggml_backend_buffer_free(s->device_buffers[i]);
    free(s->device_buffers);
    seam_reader_close(s->reader);
    for (uint32_t u = 0; s->units && u < seam_unit_count(s->model); u++)
        free_unit(&s->units[u]);
    if (s->ctx)
        ggml_free(s->ctx);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->units);
    free(s->shard);
    free(s->seq);
    free(s->ring);
    free(s);
}

bool seam_store_streamed(const struct seam_store *s)
{
    return s->streamed;
}

bool seam_store_mapped(const struct seam_store *s)
{
    return s->mapped;
}

uint64_t seam_store_arena_bytes(const struct seam_store *s)
{
    return s->arena_bytes;
}

void *seam_store_arena(const struct seam_store *s)
{
    return s->arena;
}

struct ggml_tensor *seam_store_layer(const struct seam_store *s, uint32_t layer,
                                     enum seam_store_kind kind, enum seam_role r)
{
    return s->layer[layer][kind][r];
}

struct ggml_tensor *seam_store_global(const struct seam_store *s, enum seam_role r)
{
    return s->global[r - SEAM_ROLE_LAYER_COUNT];
}

uint64_t seam_store_held_peak(const struct seam_store *s, bool reset)
{
    struct seam_store *w =
        (struct seam_store *)(uintptr_t)s; /* the lock, and the reset, are not state */
    pthread_mutex_lock(&w->lock);
    uint64_t v = s->held_peak;
    if (reset)
        w->held_peak = s->held;
    pthread_mutex_unlock(&w->lock);
    return v;
}

uint64_t seam_store_read_bytes(const struct seam_store *s)
{
    struct seam_store *w = (struct seam_store *)(uintptr_t)s;
    pthread_mutex_lock(&w->lock);
    uint64_t v = s->read_bytes;
    pthread_mutex_unlock(&w->lock);
    return v;
}
