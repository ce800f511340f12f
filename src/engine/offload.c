#include "engine/offload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/size.h"
#include "engine/fill.h"
#include "engine/internal.h"
#include "engine/reader.h"

/* A device's own work buffers: no call tells their size. */
#define MARGIN_BYTES ((uint64_t)256 << 20)
/* Values of a mask at most: a long context takes shorter chunks. */
#define MASK_VALUES ((uint64_t)1 << 25)

/* What a lane's copies are good for. `rows`: of the first so many tokens. A state is good as a whole. */
struct copies {
    atomic_uint device_rows, host_rows;
    atomic_bool device_state, host_state;
};

struct shape { /* what a built graph serves; n 0: none is built */
    uint32_t lane, n, n_kv;
    bool logits;
};

struct seam_offload {
    struct seam_engine *e;
    ggml_backend_dev_t dev;
    ggml_backend_t backend;
    bool owns_backend;
    ggml_backend_buffer_type_t buft;
    char name[192];
    struct seam_offload_memory memory;
    bool shares; /* it reads the host's KV */
    uint64_t host_kv;
    bool no_flash;
    uint32_t chunk;

    struct seam_device
        plain; /* a device that rearranges no weights: what the store wants to know */
    struct seam_store *store;
    uint8_t *embed; /* host pages */
    uint64_t embed_bytes, embed_skew, row_bytes;
    uint64_t embed_read;

    ggml_backend_buffer_t kv; /* laid out as the host's */
    ggml_backend_buffer_t k_b_t;
    struct ggml_context *kv_ctx;
    struct ggml_tensor **region; /* [lanes * layers] bytes of the lane's layer */
    struct copies *lanes;

    struct ggml_context *ctx;
    ggml_gallocr_t galloc;
    size_t n_nodes;
    struct exchange { /* a chunk's inputs, and logits */
        ggml_backend_buffer_t buffer;
        float *x;           /* [n_embd, chunk] */
        float *logits;      /* [n_vocab] */
        int64_t *rows;      /* [chunk] */
        int32_t *positions; /* [chunk] */
        uint16_t *mask;     /* [padded context, chunk] */
    } host;
    struct shape shape;
    struct seam_graph g;
    struct ggml_tensor *x, *out;
};

static uint32_t padded(uint32_t rows)
{
    return (rows + SEAM_OFFLOAD_ROWS - 1) / SEAM_OFFLOAD_ROWS * SEAM_OFFLOAD_ROWS;
}

static seam_status refused(const struct seam_offload *o, const char *what, struct seam_err *err)
{
    return seam_fail(err, SEAM_ENOMEM, "%s: no memory for %s", o->name, what);
}

/* ---- which device ---- */

/* "auto" and "gpu": the first GPU; else the first whose name begins so, in any case. */
static ggml_backend_dev_t find_device(const char *name)
{
    const bool any = !strcmp(name, "auto") || !strcmp(name, "gpu");
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t dev = ggml_backend_dev_get(i);
        if (any ? seam_device_is_gpu(dev)
                : !strncasecmp(ggml_backend_dev_name(dev), name, strlen(name)))
            return dev;
    }
    return NULL;
}

static seam_status start_device(struct seam_offload *o, struct seam_err *err)
{
    struct ggml_backend_dev_props props;
    ggml_backend_dev_get_props(o->dev, &props);
    snprintf(o->name, sizeof o->name, "%s (%s)", props.name, props.description);
    /* ggml's CPU device is the engine's own, for tests: with its threads */
    o->owns_backend = ggml_backend_dev_type(o->dev) != GGML_BACKEND_DEVICE_TYPE_CPU;
    o->backend = o->owns_backend ? ggml_backend_dev_init(o->dev, NULL) : o->e->device.backend;
    if (!o->backend)
        return seam_fail(err, SEAM_EIO, "%s: ggml cannot start it", o->name);
    o->buft = ggml_backend_get_default_buffer_type(o->backend);
    o->shares = props.caps.buffer_from_host_ptr && !o->e->o.decode_plain;
    o->no_flash = o->e->o.decode_plain;
    o->memory.unified = o->shares || props.type == GGML_BACKEND_DEVICE_TYPE_IGPU;
    return SEAM_OK;
}

/* ---- graphs ---- */

static struct ggml_tensor *outside(struct seam_offload *o, ggml_backend_buffer_t buffer,
                                   uint64_t at, enum ggml_type type, int64_t ne0, int64_t ne1,
                                   int64_t ne2)
{
    void *data = buffer ? (char *)ggml_backend_buffer_get_base(buffer) + at : NULL;
    return seam_graph_outside(o->ctx, buffer, data, type, ne0, ne1, ne2);
}

static uint64_t place_of(const struct seam_engine *e, uint32_t lane, uint32_t layer)
{
    return e->kv_at ? lane * e->kv_at[e->hp->n_layer] + e->kv_at[layer] : 0;
}

static void begin_layer(struct seam_offload *o, uint32_t lane, uint32_t layer)
{
    struct seam_engine *e = o->e;
    struct seam_graph *g = &o->g;
    const struct seam_hparams *hp = e->hp;
    enum ggml_type kv = seam_engine_kv_ggml(e);
    uint32_t values = seam_model_kv_values(e->model, layer);
    uint32_t state = seam_model_state_values(e->model, layer);
    uint64_t at = place_of(e, lane, layer);
    g->layer = layer;
    g->kv = values ? outside(o, o->kv, at, kv, values, padded(e->o.n_ctx), 1) : NULL;
    g->state = state ? outside(o, o->kv, at, GGML_TYPE_F32, state, 1, 1) : NULL;
    g->k_b_t = hp->mla ? outside(o, o->k_b_t, 0, kv, hp->kv_lora, hp->d_nope, hp->n_head) : NULL;
}

static struct ggml_tensor *input(struct seam_offload *o, enum ggml_type type, int64_t ne0,
                                 int64_t ne1)
{
    struct ggml_tensor *t = ggml_new_tensor_2d(o->ctx, type, ne0, ne1);
    ggml_set_input(t);
    return t;
}

/* All layers over the chunk; without logits the last one stops at its memory, as in a sweep. */
static void build(struct seam_offload *o, const struct shape *s)
{
    struct seam_engine *e = o->e;
    struct seam_graph *g = &o->g;
    const uint32_t n_layer = e->hp->n_layer;
    ggml_reset(o->ctx);
    *g = (struct seam_graph){.ctx = o->ctx,
                             .gf = ggml_new_graph_custom(o->ctx, o->n_nodes, false),
                             .hp = e->hp,
                             .store = o->store,
                             .n = s->n,
                             .n_kv = s->n_kv,
                             .no_flash = o->no_flash};
    g->positions = input(o, GGML_TYPE_I32, s->n, 1);
    g->rows_at = input(o, GGML_TYPE_I64, s->n, 1);
    g->mask = input(o, GGML_TYPE_F16, s->n_kv, s->n);
    struct ggml_tensor *x = o->x = input(o, GGML_TYPE_F32, e->hp->n_embd, s->n);
    for (uint32_t layer = 0; layer < n_layer; layer++) {
        begin_layer(o, s->lane, layer);
        if (e->arch->prepare)
            e->arch->prepare(g, SEAM_MLA_ABSORBED);
        if (!s->logits && layer + 1 == n_layer) {
            e->arch->remember(g, x);
            break;
        }
        x = e->arch->attention(g, x, SEAM_MLA_ABSORBED);
        x = seam_graph_feed_forward(g, x);
        ggml_build_forward_expand(g->gf, x);
    }
    o->out = s->logits ? seam_graph_logits(g, x) : NULL;
    o->shape = *s;
}

/* ---- what it takes, before it is taken ---- */

/* Of the last graph built the first node that the device cannot compute. NULL: none. */
static const struct ggml_tensor *missing_op(const struct seam_offload *o)
{
    for (int i = 0; i < ggml_graph_n_nodes(o->g.gf); i++) {
        const struct ggml_tensor *t = ggml_graph_node(o->g.gf, i);
        if (!ggml_backend_dev_supports_op(o->dev, t))
            return t;
    }
    return NULL;
}

static seam_status check_ops(struct seam_offload *o, const struct shape *s, struct seam_err *err)
{
    build(o, s);
    const struct ggml_tensor *t = missing_op(o);
    if (t && t->op == GGML_OP_FLASH_ATTN_EXT) {
        o->no_flash = true;
        build(o, s);
        t = missing_op(o);
    }
    if (!t)
        return SEAM_OK;
    return seam_fail(err, SEAM_EUNSUPPORTED,
                     "%s: ggml %s cannot compute %s of %s there (use --decode-device cpu)", o->name,
                     ggml_version(), ggml_op_desc(t),
                     ggml_type_name(t->src[0] ? t->src[0]->type : t->type));
}

static seam_status open_graphs(struct seam_offload *o, struct seam_err *err)
{
    const struct seam_hparams *hp = o->e->hp;
    o->n_nodes = 256 + (size_t)hp->n_layer * (128 + 6 * hp->n_expert_used);
    struct ggml_init_params p = {2 * o->n_nodes * ggml_tensor_overhead() +
                                     ggml_graph_overhead_custom(o->n_nodes, false),
                                 NULL, true};
    o->ctx = ggml_init(p);
    o->galloc = ggml_gallocr_new(o->buft);
    return o->ctx && o->galloc ? SEAM_OK : refused(o, "graphs", err);
}

static struct shape widest(const struct seam_offload *o, bool logits)
{
    return (struct shape){0, logits ? 1 : o->chunk, padded(o->e->o.n_ctx), logits};
}

static uint64_t measured(struct seam_offload *o)
{
    size_t bytes = 0;
    ggml_gallocr_reserve_n_size(o->galloc, o->g.gf, NULL, NULL, &bytes);
    return bytes;
}

static uint64_t transposed_bytes(const struct seam_engine *e)
{
    const struct seam_hparams *hp = e->hp;
    uint64_t values = hp->mla ? (uint64_t)hp->kv_lora * hp->d_nope * hp->n_head : 0;
    return values * ggml_type_size(seam_engine_kv_ggml(e));
}

static uint64_t carve(struct seam_offload *o, uint8_t *base)
{
    const struct seam_hparams *hp = o->e->hp;
    struct exchange *x = &o->host;
    const uint64_t n = o->chunk;
    const struct seam_piece parts[] = {
        {&x->x, n * hp->n_embd * sizeof *x->x},
        {&x->logits, hp->n_vocab * sizeof *x->logits},
        {&x->rows, n * sizeof *x->rows},
        {&x->positions, n * sizeof *x->positions},
        {&x->mask, n * padded(o->e->o.n_ctx) * sizeof *x->mask},
    };
    return seam_carve(parts, sizeof parts / sizeof *parts, 64, base);
}

static seam_status measure(struct seam_offload *o, struct seam_err *err)
{
    struct seam_engine *e = o->e;
    const struct seam_tensor *rows = seam_model_global(e->model, SEAM_ROLE_TOKEN_EMBD);
    const uint64_t ctx = padded(e->o.n_ctx), fits = MASK_VALUES / ctx;
    o->chunk = e->o.chunk < fits ? e->o.chunk : fits < 32 ? 32 : (uint32_t)fits;
    seam_status st = open_graphs(o, err);
    struct shape step = widest(o, true), chunk = widest(o, false);
    if (st == SEAM_OK)
        st = check_ops(o, &chunk, err);
    if (st == SEAM_OK)
        st = check_ops(o, &step, err);
    if (st != SEAM_OK)
        return st;
    uint64_t compute = measured(o);
    build(o, &chunk); /* again: flash attention may have gone since */
    if (measured(o) > compute)
        compute = measured(o);
    ggml_gallocr_free(o->galloc); /* it knows shapes without memory: see engine.c */
    o->galloc = ggml_gallocr_new(o->buft);
    o->shape = (struct shape){0};
    struct seam_offload_memory *m = &o->memory;
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++)
        o->host_kv +=
            (seam_engine_memory_bytes(e, layer, padded(e->o.n_ctx)) + 63) / 64 * 64 * e->o.n_lanes;
    m->kv = o->shares ? 0 : o->host_kv;
    m->weights = seam_store_device_bytes(o->store, o->buft);
    m->compute = compute + transposed_bytes(e);
    m->host = rows->n_bytes + carve(o, NULL);
    return o->galloc ? SEAM_OK : refused(o, "graphs", err);
}

static seam_status check_memory(const struct seam_offload *o, bool asked, struct seam_err *err)
{
    const struct seam_offload_memory *m = &o->memory;
    size_t left = 0, total = 0;
    char b[5][32];
    ggml_backend_dev_memory(o->dev, &left, &total);
    const uint64_t want = m->weights + m->kv + m->compute + MARGIN_BYTES;
    const struct seam_engine_opts *eo = &o->e->o;
    uint64_t have = left;
    if (!asked && !o->e->accel && eo->weights_bytes && m->weights > eo->weights_bytes)
        return seam_fail(err, SEAM_ENOMEM,
                         "a weights budget of %s asks for streaming, %s holds all",
                         seam_size_format(eo->weights_bytes, b[0], 32), o->name);
    if (eo->device_memory_bytes && !o->e->accel && eo->device_memory_bytes < have)
        have = eo->device_memory_bytes;
    const uint64_t rest = o->host_kv + m->host + eo->reserved_bytes; /* of the engine's, roughly */
    if (m->unified && eo->memory_bytes && eo->memory_bytes < have + rest)
        have = eo->memory_bytes > rest ? eo->memory_bytes - rest : 0;
    if (want <= have || total == 0) /* a device that does not tell */
        return SEAM_OK;
    return seam_fail(err, SEAM_ENOMEM,
                     "%s: weights %s + KV %s + compute %s and a margin are more than the %s that "
                     "are free there (of %s; use --decode-device cpu, or a smaller --ctx)",
                     o->name, seam_size_format(m->weights, b[0], 32),
                     seam_size_format(m->kv, b[1], 32), seam_size_format(m->compute, b[2], 32),
                     seam_size_format(have, b[3], 32), seam_size_format(total, b[4], 32));
}

static seam_status prepare(struct seam_offload *o, const char *name, bool asked,
                           struct seam_err *err)
{
    if (!o->dev)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "ggml %s has no device '%s' here ('seam check' lists them; use "
                         "--decode-device cpu)",
                         ggml_version(), name);
    seam_status st = start_device(o, err);
    if (st == SEAM_OK)
        st = seam_store_open(&o->store, o->e->model, true, &o->plain, err);
    if (st == SEAM_OK)
        st = measure(o, err);
    return st == SEAM_OK ? check_memory(o, asked, err) : st;
}

seam_status seam_offload_open(struct seam_offload **out, struct seam_engine *e,
                              struct seam_err *err)
{
    const char *name = e->o.decode_device;
    struct seam_err why = {0};
    *out = NULL;
    if (!name || !strcmp(name, "cpu") || e->o.prefill_only)
        return SEAM_OK;
    const bool asked = strcmp(name, "auto") != 0;
    ggml_backend_dev_t dev = find_device(name);
    if (!asked && !dev)
        return SEAM_OK;
    struct seam_offload *o = calloc(1, sizeof *o);
    if (!o)
        return seam_fail(err, SEAM_ENOMEM, "no memory for an offload");
    o->e = e;
    o->dev = dev;
    seam_status st = prepare(o, name, asked, &why);
    if (st == SEAM_OK) {
        *out = o;
        return SEAM_OK;
    }
    seam_offload_close(o);
    if (!asked) {
        seam_info("the CPU decodes: %s", why.text);
        return SEAM_OK;
    }
    if (err)
        *err = why;
    return st;
}

/* ---- taking it ---- */

static seam_status open_kv(struct seam_offload *o, struct seam_err *err)
{
    struct seam_engine *e = o->e;
    const uint32_t n_layer = e->hp->n_layer, n = n_layer * e->o.n_lanes;
    const uint64_t bytes = e->kv_at[n_layer] * e->o.n_lanes;
    uint64_t most = 1;
    for (uint32_t layer = 0; layer < n_layer; layer++)
        if (e->kv_at[layer + 1] - e->kv_at[layer] > most)
            most = e->kv_at[layer + 1] - e->kv_at[layer];
    o->kv = o->shares ? ggml_backend_dev_buffer_from_host_ptr(o->dev, e->kv, bytes, most)
                      : ggml_backend_buft_alloc_buffer(o->buft, bytes);
    struct ggml_init_params p = {(n + 1) * ggml_tensor_overhead(), NULL, true};
    o->kv_ctx = ggml_init(p);
    o->region = calloc(n, sizeof(struct ggml_tensor *));
    o->lanes = calloc(e->o.n_lanes, sizeof *o->lanes);
    if (!o->kv || !o->kv_ctx || !o->region || !o->lanes)
        return refused(o, "KV", err);
    if (!o->shares)
        ggml_backend_buffer_clear(o->kv, 0); /* rows that a mask hides must be finite */
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t lane = i / n_layer, layer = i % n_layer;
        o->region[i] = ggml_new_tensor_1d(o->kv_ctx, GGML_TYPE_I8,
                                          (int64_t)(e->kv_at[layer + 1] - e->kv_at[layer]));
        ggml_backend_tensor_alloc(o->kv, o->region[i],
                                  (char *)ggml_backend_buffer_get_base(o->kv) +
                                      place_of(e, lane, layer));
    }
    for (uint32_t lane = 0; lane < e->o.n_lanes; lane++)
        atomic_store(&o->lanes[lane].host_state, true);
    if (transposed_bytes(e) == 0)
        return SEAM_OK;
    o->k_b_t = ggml_backend_buft_alloc_buffer(o->buft, transposed_bytes(e));
    return o->k_b_t ? SEAM_OK : refused(o, "a matrix", err);
}

/* Rows of the embedding are looked up by the host: a few kilobytes a token, of any type. */
static seam_status load_embedding(struct seam_offload *o, struct seam_err *err)
{
    const struct seam_tensor *t = seam_model_global(o->e->model, SEAM_ROLE_TOKEN_EMBD);
    const struct seam_extent extent = seam_extent_of(t->shard, t->file_off, t->n_bytes);
    struct seam_reader *reader;
    o->embed_bytes = extent.len;
    o->embed_skew = t->file_off - extent.off;
    o->row_bytes = t->n_bytes / t->ne[1];
    o->embed = seam_os_pages_alloc(o->embed_bytes);
    if (!o->embed)
        return refused(o, "the embedding", err);
    seam_status st = seam_reader_open(&reader, seam_model_catalog(o->e->model), err);
    if (st != SEAM_OK)
        return st;
    st = seam_reader_read(reader, &extent, 1, o->embed, NULL, NULL, err);
    seam_reader_close(reader);
    o->embed_read = t->n_bytes;
    return st;
}

/* Host memory that the device reads and writes at full speed, where it has such. */
static seam_status open_exchange(struct seam_offload *o, struct seam_err *err)
{
    struct exchange *x = &o->host;
    ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(o->dev);
    const uint64_t bytes = carve(o, NULL);
    x->buffer = ggml_backend_buft_alloc_buffer(pinned ? pinned : o->e->device.buft, bytes);
    if (!x->buffer)
        return refused(o, "what it exchanges with the host", err);
    carve(o, ggml_backend_buffer_get_base(x->buffer));
    return SEAM_OK;
}

seam_status seam_offload_load(struct seam_offload *o, struct seam_err *err)
{
    seam_status st = open_kv(o, err);
    if (st == SEAM_OK)
        st = load_embedding(o, err);
    if (st == SEAM_OK)
        st = seam_store_load_on(o->store, o->buft, err);
    if (st == SEAM_OK)
        st = open_exchange(o, err);
    if (st != SEAM_OK)
        return seam_wrap(err, st, "%s", o->name);
    const struct shape step = widest(o, true), chunk = widest(o, false);
    build(o, &step);
    bool room = ggml_gallocr_reserve(o->galloc, o->g.gf);
    build(o, &chunk);
    room = room && ggml_gallocr_reserve(o->galloc, o->g.gf);
    o->shape = (struct shape){0};
    return room ? SEAM_OK : refused(o, "compute buffers", err);
}

void seam_offload_close(struct seam_offload *o)
{
    if (!o)
        return;
    seam_store_close(o->store);
    if (o->galloc)
        ggml_gallocr_free(o->galloc);
    ggml_backend_buffer_free(o->kv);
    ggml_backend_buffer_free(o->k_b_t);
    ggml_backend_buffer_free(o->host.buffer);
    ggml_free(o->ctx);
    ggml_free(o->kv_ctx);
    if (o->owns_backend)
        ggml_backend_free(o->backend);
    if (o->embed)
        seam_os_pages_free(o->embed, o->embed_bytes);
    free(o->region);
    free(o->lanes);
    free(o);
}

const struct seam_offload_memory *seam_offload_memory(const struct seam_offload *o)
{
    return &o->memory;
}

const char *seam_offload_name(const struct seam_offload *o)
{
    return o->name;
}

uint64_t seam_offload_read_bytes(const struct seam_offload *o)
{
    return o->embed_read + seam_store_read_bytes(o->store);
}

uint32_t seam_offload_chunk(const struct seam_offload *o)
{
    return o->chunk;
}

/* ---- two copies of a lane ---- */

static void lower(atomic_uint *v, uint32_t to)
{
    uint32_t is = atomic_load(v);
    while (is > to && !atomic_compare_exchange_weak(v, &is, to))
        ;
}

void seam_offload_kv_written(struct seam_offload *o, uint32_t lane, uint32_t pos, uint32_t end)
{
    struct copies *c = &o->lanes[lane];
    lower(&c->device_rows, pos);
    if (atomic_load(&c->host_rows) >= pos) /* else: rows before pos are the device's alone */
        atomic_store(&c->host_rows, end);
    atomic_store(&c->device_state, false);
    atomic_store(&c->host_state, true);
}

void seam_offload_kv_cut(struct seam_offload *o, uint32_t lane, uint32_t n_tokens)
{
    struct copies *c = &o->lanes[lane];
    lower(&c->device_rows, n_tokens);
    lower(&c->host_rows, n_tokens);
    if (n_tokens == 0) { /* the engine has cleared the host's states */
        atomic_store(&c->device_state, false);
        atomic_store(&c->host_state, true);
    }
}

/* Rows [from, to) of every layer, and states, one way. */
typedef void (*move_fn)(struct ggml_tensor *device, uint8_t *host, size_t offset, size_t bytes);

static void send(struct ggml_tensor *device, uint8_t *host, size_t offset, size_t bytes)
{
    ggml_backend_tensor_set(device, host + offset, offset, bytes);
}

static void fetch(struct ggml_tensor *device, uint8_t *host, size_t offset, size_t bytes)
{
    ggml_backend_tensor_get(device, host + offset, offset, bytes);
}

static void move(struct seam_offload *o, uint32_t lane, uint32_t from, uint32_t to, bool states,
                 move_fn fn)
{
    struct seam_engine *e = o->e;
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++) {
        struct ggml_tensor *device = o->region[lane * e->hp->n_layer + layer];
        uint8_t *host = seam_engine_memory_at(e, lane, layer, 0);
        if (seam_engine_has_state(e, layer)) {
            if (states)
                fn(device, host, 0, seam_engine_memory_bytes(e, layer, 0));
        } else if (to > from) {
            fn(device, host, seam_engine_memory_bytes(e, layer, from),
               seam_engine_memory_bytes(e, layer, to - from));
        }
    }
}

static void refresh_device(struct seam_offload *o, uint32_t lane, uint32_t n_tokens)
{
    struct copies *c = &o->lanes[lane];
    if (o->shares)
        return;
    move(o, lane, atomic_load(&c->device_rows), n_tokens, !atomic_load(&c->device_state), send);
    atomic_store(&c->device_rows, n_tokens);
    atomic_store(&c->device_state, true);
}

seam_status seam_offload_kv_fetch(struct seam_offload *o, uint32_t lane, uint32_t n_tokens,
                                  struct seam_err *err)
{
    struct copies *c = &o->lanes[lane];
    if (o->shares)
        return SEAM_OK;
    if (seam_device_canceled(&o->e->device))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    refresh_device(o, lane, n_tokens); /* what a handoff wrote behind rows of the device's */
    move(o, lane, atomic_load(&c->host_rows), n_tokens, !atomic_load(&c->host_state), fetch);
    atomic_store(&c->host_rows, n_tokens);
    atomic_store(&c->host_state, true);
    return SEAM_OK;
}

/* ---- running ---- */

static void set_input(struct seam_offload *o, struct ggml_tensor *t, const void *data)
{
    if (t->data) /* a graph that does not use an input leaves it without memory */
        ggml_backend_tensor_set_async(o->backend, t, data, 0, ggml_nbytes(t));
}

static void set_inputs(struct seam_offload *o, const int32_t *tokens, uint32_t pos, uint32_t n)
{
    const struct seam_tensor *t = seam_model_global(o->e->model, SEAM_ROLE_TOKEN_EMBD);
    const uint64_t width = t->ne[0];
    const uint32_t n_kv = o->shape.n_kv;
    struct exchange *in = &o->host;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *row = o->embed + o->embed_skew + (uint64_t)tokens[i] * o->row_bytes;
        seam_fill_floats(t->type, row, in->x + i * width, width);
        in->positions[i] = (int32_t)(pos + i);
        in->rows[i] = pos + i;
        seam_graph_mask_row(in->mask + (size_t)i * n_kv, pos + i + 1, n_kv);
    }
    set_input(o, o->x, in->x);
    set_input(o, o->g.positions, in->positions);
    set_input(o, o->g.rows_at, in->rows);
    set_input(o, o->g.mask, in->mask);
}

static bool same(const struct shape *a, const struct shape *b)
{
    return a->lane == b->lane && a->n == b->n && a->n_kv == b->n_kv && a->logits == b->logits;
}

seam_status seam_offload_run(struct seam_offload *o, uint32_t lane, const int32_t *tokens,
                             uint32_t pos, uint32_t n, float *logits, struct seam_err *err)
{
    const struct shape want = {lane, n, padded(pos + n), logits != NULL};
    struct copies *c = &o->lanes[lane];
    GGML_ASSERT(n > 0 && n <= o->chunk && pos + n <= o->e->o.n_ctx);
    if (seam_device_canceled(&o->e->device))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    refresh_device(o, lane, pos);
    if (!same(&want, &o->shape)) {
        build(o, &want);
        if (!ggml_gallocr_alloc_graph(o->galloc, o->g.gf)) {
            o->shape = (struct shape){0};
            return refused(o, "a graph", err);
        }
    }
    set_inputs(o, tokens, pos, n);
    enum ggml_status gs = ggml_backend_graph_compute_async(o->backend, o->g.gf);
    if (gs == GGML_STATUS_SUCCESS && logits)
        ggml_backend_tensor_get_async(o->backend, o->out, o->host.logits, 0, ggml_nbytes(o->out));
    ggml_backend_synchronize(o->backend);
    if (gs == GGML_STATUS_ABORTED)
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (gs != GGML_STATUS_SUCCESS)
        return seam_fail(err, SEAM_EIO, "%s: a graph failed: %s (see the log above)", o->name,
                         ggml_status_to_string(gs));
    if (logits)
        memcpy(logits, o->host.logits, o->e->hp->n_vocab * sizeof *logits);
    atomic_store(&c->device_rows, pos + n);
    atomic_store(&c->host_state, false);
    return SEAM_OK;
}
