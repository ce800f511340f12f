/* engine.c - what an engine owns and what it may cost; compute.c in this folder computes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/os/os.h"
#include "base/size.h"
#include "engine/gemm.h"
#include "engine/internal.h"
#include "model/footprint.h"

#define ENGINE_VERSION 1 /* of the rows' layout and rounding: part of the handoff's fingerprint */

enum seam_mmap seam_mmap_named(const char *name, enum seam_mmap otherwise)
{
    static const char *const names[] =
        {[SEAM_MMAP_AUTO] = "auto", [SEAM_MMAP_ON] = "on", [SEAM_MMAP_OFF] = "off"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return (enum seam_mmap)i;
    return otherwise;
}

static size_t kv_value_bytes(const struct seam_engine *e)
{
    return e->o.kv_type == SEAM_KV_F32 ? sizeof(float) : sizeof(uint16_t);
}

enum ggml_type seam_engine_kv_ggml(const struct seam_engine *e)
{
    return e->o.kv_type == SEAM_KV_F32 ? GGML_TYPE_F32 : GGML_TYPE_F16;
}

/* ---- the plan ---- */

static uint32_t widest_chunk(const struct seam_engine *e)
{
    return e->o.chunk < e->o.n_ctx ? e->o.chunk : e->o.n_ctx;
}

/* Host buffers beside weights and KV, each carved from one arena in this order. */
static uint64_t carve(struct seam_engine *e, uint8_t *base)
{
    const struct seam_hparams *hp = e->hp;
    /* Of a context's hidden states and keys a device that sweeps has its own; a step needs one token's. */
    const bool all = !e->accel || e->o.form == SEAM_MLA_EXPANDED;
    const struct seam_activations a =
        seam_hparams_activations(hp, all ? e->o.n_ctx : widest_chunk(e), kv_value_bytes(e));
    const struct seam_piece parts[] = {
        {&e->hidden, a.hidden},
        {&e->k_exp, a.k},
        {&e->v_exp, a.v},
        {&e->k_b_t, a.k_b},
        {&e->grouping, seam_groups_carve(&e->groups, hp, widest_chunk(e), NULL)},
    };
    if (e->offload) /* the CPU computes nothing */
        return SEAM_DIRECT_ALIGN;
    const uint64_t bytes = seam_carve(parts, sizeof parts / sizeof *parts, SEAM_DIRECT_ALIGN, base);
    if (base)
        seam_groups_carve(&e->groups, hp, widest_chunk(e), e->grouping);
    return bytes;
}

/* Where each layer's memory begins in a lane. */
static seam_status lay_out(struct seam_engine *e, struct seam_err *err)
{
    const uint32_t n = e->hp->n_layer, block = e->offload ? SEAM_OFFLOAD_ROWS : 1;
    const uint32_t rows = (e->o.n_ctx + block - 1) / block * block;
    e->kv_at = calloc(n + 1, sizeof *e->kv_at);
    e->state_len = calloc((size_t)n * e->o.n_lanes, sizeof *e->state_len);
    if (!e->kv_at || !e->state_len)
        return seam_fail(err, SEAM_ENOMEM, "no memory for the books of %u layers", n);
    for (uint32_t layer = 0; layer < n; layer++) {
        uint64_t bytes = seam_engine_memory_bytes(e, layer, rows);
        e->kv_at[layer + 1] = e->kv_at[layer] + ((bytes + 63) & ~(uint64_t)63);
    }
    return SEAM_OK;
}

/* ggml's CPU backend keeps a work buffer for converted operands: no call tells its size, so it is
 * bounded by the widest second operand of a matrix product, twice, and a tile per thread. */
static uint64_t work_bound(const struct seam_engine *e)
{
    const uint64_t operand = seam_hparams_operand(e->hp) * widest_chunk(e) * sizeof(float);
    return 2 * operand + seam_gemm_scratch(seam_hparams_row(e->hp), e->device.n_threads) +
           (uint64_t)e->device.n_threads * (1u << 20);
}

static void measure_graph(struct seam_engine *e, struct seam_graph *g, uint64_t *most)
{
    size_t bytes = 0;
    ggml_gallocr_reserve_n_size(e->galloc, g->gf, NULL, NULL, &bytes);
    *most = bytes > *most ? bytes : *most;
}

/* Chunks too short for groups, at the widest; and all tokens at one expert. */
static seam_status measure_feed_forward(struct seam_engine *e, uint32_t layer, uint64_t *most,
                                        struct seam_err *err)
{
    const uint32_t chunk = widest_chunk(e), pos = e->o.n_ctx - chunk;
    struct seam_graph g;
    seam_engine_graph_begin(e, &g, pos, chunk);
    seam_engine_graph_layer(e, &g, 0, layer);
    ggml_build_forward_expand(g.gf, seam_graph_feed_forward(&g, seam_engine_hidden(e, 0, chunk)));
    measure_graph(e, &g, most);
    if (!seam_graph_groups(&g))
        return SEAM_OK;
    e->groups.begin = calloc(e->hp->n_expert + 1, sizeof *e->groups.begin);
    if (!e->groups.begin)
        return seam_fail(err, SEAM_ENOMEM, "no memory for %u experts", e->hp->n_expert);
    for (uint32_t i = 1; i <= e->hp->n_expert; i++)
        e->groups.begin[i] = (int32_t)chunk;
    seam_engine_graph_begin(e, &g, pos, chunk);
    seam_engine_graph_layer(e, &g, 0, layer);
    seam_graph_experts(&g, seam_engine_hidden(e, 0, chunk), &e->groups);
    measure_graph(e, &g, most);
    free(e->groups.begin);
    e->groups.begin = NULL;
    return SEAM_OK;
}

/* Size of the compute buffer for the widest graphs that can occur. */
static seam_status measure_compute(struct seam_engine *e, struct seam_err *err)
{
    const struct seam_hparams *hp = e->hp;
    const uint32_t chunk = widest_chunk(e);
    if (e->offload) {
        e->memory.compute = ggml_get_mem_size(e->ctx);
        return SEAM_OK;
    }
    bool seen[2][SEAM_MEMORY_DELTA + 1] = {{false}}; /* layers of one kind are alike */
    uint64_t most = 0;
    struct seam_graph g;
    struct ggml_tensor *ids;
    for (uint32_t layer = 0; layer < hp->n_layer; layer++) {
        const struct seam_layer *l = seam_model_layer(e->model, layer);
        if (seen[l->dense][l->memory])
            continue;
        seen[l->dense][l->memory] = true;
        for (int form = SEAM_MLA_ABSORBED; form <= SEAM_MLA_EXPANDED; form++) {
            seam_engine_graph_begin(e, &g, e->o.n_ctx - chunk, chunk);
            seam_engine_graph_layer(e, &g, 0, layer);
            struct ggml_tensor *x = seam_engine_hidden(e, 0, chunk);
            x = e->arch->attention(&g, x, (enum seam_mla_form)form);
            ggml_build_forward_expand(g.gf, x);
            measure_graph(e, &g, &most);
        }
        seam_status st = measure_feed_forward(e, layer, &most, err);
        if (st != SEAM_OK)
            return st;
    }
    if (!e->o.prefill_only) {
        seam_engine_graph_begin(e, &g, e->o.n_ctx - 1, 1);
        seam_engine_step_graph(e, &g, 0, SEAM_MLA_ABSORBED, &ids);
        measure_graph(e, &g, &most);
    }
    if (most == 0)
        return seam_fail(err, SEAM_EINTERNAL, "ggml measured an empty graph");
    /* It now knows the last graph's shape but has no buffer: it would take a step for known. */
    ggml_gallocr_free(e->galloc);
    e->galloc = ggml_gallocr_new(e->device.buft);
    if (!e->galloc)
        return seam_fail(err, SEAM_ENOMEM, "no memory for graphs");
    e->memory.compute = most + work_bound(e) + ggml_get_mem_size(e->ctx);
    return SEAM_OK;
}

static void add_up(struct seam_engine *e, uint64_t weights)
{
    struct seam_engine_memory *m = &e->memory;
    m->weights_budget = weights;
    m->total = weights + m->kv + m->activations + m->compute + m->reserved;
    if (!e->offload)
        return;
    const struct seam_offload_memory *o = seam_offload_memory(e->offload);
    m->offload = o->weights + o->kv + o->compute;
    m->total += o->host + (o->unified ? m->offload : 0);
}

static seam_status too_small(struct seam_engine *e, struct seam_err *err)
{
    const struct seam_engine_memory *m = &e->memory;
    char b[7][32];
    uint64_t rest = m->total - m->weights_budget;
    return seam_fail(
        err, SEAM_ENOMEM,
        "a memory budget of %s is too small for a context of %u tokens: weights %s (smallest that "
        "works) + KV %s + activations %s + compute %s + reserved %s = %s (use --memory %lluM or "
        "more, or a smaller --ctx)",
        seam_size_format(e->o.memory_bytes, b[0], 32), e->o.n_ctx,
        seam_size_format(m->weights_smallest, b[1], 32), seam_size_format(m->kv, b[2], 32),
        seam_size_format(m->activations, b[3], 32), seam_size_format(m->compute, b[4], 32),
        seam_size_format(m->reserved, b[5], 32),
        seam_size_format(rest + m->weights_smallest, b[6], 32),
        (unsigned long long)((rest + m->weights_smallest) >> 20) + 1);
}

/* Are the steps' weights in the host's store? */
static bool has_head(const struct seam_engine *e)
{
    return !e->o.prefill_only && !e->offload;
}

/* Settle the weights budget: what was asked for, else whatever the memory budget leaves. */
static seam_status plan(struct seam_engine *e, struct seam_err *err)
{
    struct seam_engine_memory *m = &e->memory;
    struct seam_store_sizes sizes = seam_store_measure(e->model, has_head(e));
    if (e->offload && !e->accel) /* no weights here but the embedding's rows */
        sizes = (struct seam_store_sizes){0, 0};
    m->weights_model = sizes.all;
    m->weights_smallest = sizes.largest;
    m->kv = e->kv_at[e->hp->n_layer] * e->o.n_lanes;
    m->activations = carve(e, NULL);
    m->reserved = e->o.reserved_bytes;
    uint64_t weights =
        e->o.weights_bytes && e->o.weights_bytes < sizes.all ? e->o.weights_bytes : sizes.all;
    add_up(e, weights);
    if (e->offload && !e->accel && e->o.memory_bytes && m->total > e->o.memory_bytes) {
        char b[2][32];
        return seam_fail(
            err, SEAM_ENOMEM,
            "a memory budget of %s is too small for %s and what it needs here, %s (use "
            "--decode-device cpu, which can stream, or a larger --memory)",
            seam_size_format(e->o.memory_bytes, b[0], 32), seam_offload_name(e->offload),
            seam_size_format(m->total, b[1], 32));
    }
    if (e->o.memory_bytes && m->total > e->o.memory_bytes) {
        uint64_t rest = m->total - weights;
        if (rest + sizes.largest > e->o.memory_bytes)
            return too_small(e, err);
        if (e->o.weights_bytes && e->o.weights_bytes < sizes.all)
            return seam_fail(
                err, SEAM_ENOMEM,
                "a weights budget of %llu bytes and %llu bytes for the rest exceed the "
                "memory budget of %llu (lower --weights-memory or raise --memory)",
                (unsigned long long)weights, (unsigned long long)rest,
                (unsigned long long)e->o.memory_bytes);
        add_up(e, e->o.memory_bytes - rest);
    }
    m->streamed = m->weights_budget < sizes.all;
    return SEAM_OK;
}

/* ---- open and close ---- */

static seam_status settle_options(struct seam_engine *e, const struct seam_engine_opts *o,
                                  struct seam_err *err)
{
    e->o = *o;
    if (!e->o.n_lanes)
        e->o.n_lanes = 1;
    if (!e->o.chunk)
        e->o.chunk = SEAM_ENGINE_CHUNK;
    if (!e->o.n_ctx)
        e->o.n_ctx = e->hp->n_ctx_train;
    if (e->o.n_ctx > e->hp->n_ctx_train)
        return seam_fail(err, SEAM_EINVAL,
                         "a context of %u tokens is more than the %u the model was trained for",
                         e->o.n_ctx, e->hp->n_ctx_train);
    snprintf(e->kv_layout, sizeof e->kv_layout, "%s/%s/%d",
             e->hp->mla           ? "mla-latent"
             : e->hp->n_recurrent ? "gqa+delta"
                                  : "gqa",
             e->o.kv_type == SEAM_KV_F32 ? "f32" : "f16", ENGINE_VERSION);
    return SEAM_OK;
}

static seam_status wrap_pages(struct seam_engine *e, uint8_t **p, uint64_t bytes,
                              ggml_backend_buffer_t *buffer, const char *what, struct seam_err *err)
{
    char size[32];
    *p = seam_os_pages_alloc(bytes);
    *buffer = *p ? seam_device_wrap(&e->device, *p, bytes) : NULL;
    if (!*buffer)
        return seam_fail(err, SEAM_ENOMEM, "the system refuses %s for %s (use a smaller --ctx)",
                         seam_size_format(bytes, size, sizeof size), what);
    return SEAM_OK;
}

static seam_status open_graphs(struct seam_engine *e, struct seam_err *err)
{
    e->graph_nodes = seam_hparams_graph_nodes(e->hp, e->o.chunk);
    struct ggml_init_params p = {2 * e->graph_nodes * ggml_tensor_overhead() +
                                     ggml_graph_overhead_custom(e->graph_nodes, false),
                                 NULL, true};
    e->ctx = ggml_init(p);
    e->galloc = ggml_gallocr_new(e->device.buft);
    e->kv_len = calloc(e->o.n_lanes, sizeof *e->kv_len);
    if (!e->ctx || !e->galloc || !e->kv_len)
        return seam_fail(err, SEAM_ENOMEM, "no memory for graphs");
    return SEAM_OK;
}

static seam_status open_buffers(struct seam_engine *e, struct seam_err *err)
{
    seam_status st = wrap_pages(e, &e->kv, e->memory.kv, &e->kv_buffer, "KV", err);
    if (st != SEAM_OK)
        return st;
    st = wrap_pages(e, &e->arena, e->memory.activations, &e->arena_buffer, "activations", err);
    if (st == SEAM_OK)
        carve(e, e->arena);
    e->groups.buffer = e->arena_buffer;
    return st;
}

/* A device that sweeps by itself, where one was asked for or may serve. Its weights are the file's: none
 * are rearranged for the CPU's products. */
static seam_status open_accel(struct seam_engine *e, struct seam_err *err)
{
    const char *name = e->o.device;
    struct seam_err why = {0};
    snprintf(e->device_name, sizeof e->device_name, "%s", e->device.name);
    if (!name || !strcmp(name, "cpu"))
        return SEAM_OK;
    const bool asked = strcmp(name, "auto") != 0;
    if (!asked && !e->o.prefill_only)
        return SEAM_OK;
    const struct seam_accel_ops *ops = seam_accel_find(asked ? name : NULL);
    if (!ops)
        return asked ? seam_fail(err, SEAM_EUNSUPPORTED,
                                 "this build of Seam has no device '%s' (CUDA: build with "
                                 "-DSEAM_CUDA=ON, or use --device cpu)",
                                 name)
                     : SEAM_OK;
    seam_status st = ops->open(&e->accel, e->model, e->o.n_ctx, e->o.kv_type == SEAM_KV_F32,
                               e->o.device_memory_bytes, &why);
    if (st != SEAM_OK && !asked) {
        seam_info("device cpu sweeps: %s", why.text);
        return SEAM_OK;
    }
    if (st != SEAM_OK) {
        if (err)
            *err = why;
        return st;
    }
    e->accel_ops = ops;
    e->memory.device = ops->memory(e->accel)->total;
    e->device.repack = NULL;
    snprintf(e->device_name, sizeof e->device_name, "%s sweeps, %s decodes", ops->device(e->accel),
             e->device.name);
    return SEAM_OK;
}

/* A device of ggml's that decodes. */
static seam_status open_offload(struct seam_engine *e, struct seam_err *err)
{
    seam_status st = seam_offload_open(&e->offload, e, err);
    if (st != SEAM_OK || !e->offload)
        return st;
    const char *name = seam_offload_name(e->offload);
    if (e->accel)
        snprintf(e->device_name, sizeof e->device_name, "%s sweeps, %s decodes",
                 e->accel_ops->device(e->accel), name);
    else
        snprintf(e->device_name, sizeof e->device_name, "%s", name);
    return SEAM_OK;
}

/* Copies to and from a device want memory that stays in place. */
static void pin_memory(struct seam_engine *e)
{
    if (!e->accel || e->accel_ops->shares_memory(e->accel))
        return;
    e->accel_ops->pin(e->accel, seam_store_arena(e->store), seam_store_arena_bytes(e->store));
    e->accel_ops->pin(e->accel, e->kv, e->memory.kv);
}

const char *seam_engine_residency(const struct seam_engine_memory *m)
{
    return m->streamed ? "streamed" : m->mapped ? "mapped" : "resident";
}

static void log_plan(const struct seam_engine *e)
{
    const struct seam_engine_memory *m = &e->memory;
    char b[6][32];
    seam_info("memory weights %s (%s of %s) + KV %s + activations %s + compute %s + reserved = %s",
              seam_size_format(m->weights_budget, b[0], 32), seam_engine_residency(m),
              seam_size_format(m->weights_model, b[1], 32), seam_size_format(m->kv, b[2], 32),
              seam_size_format(m->activations, b[3], 32), seam_size_format(m->compute, b[4], 32),
              seam_size_format(m->total, b[5], 32));
    if (e->accel)
        seam_info("device %s sweeps, its memory %s", e->accel_ops->device(e->accel),
                  seam_size_format(m->device, b[0], 32));
    if (!e->offload)
        return;
    const struct seam_offload_memory *o = seam_offload_memory(e->offload);
    seam_info("device %s decodes, its memory weights %s + KV %s + compute %s = %s",
              seam_offload_name(e->offload), seam_size_format(o->weights, b[0], 32),
              o->kv ? seam_size_format(o->kv, b[1], 32) : "the host's",
              seam_size_format(o->compute, b[2], 32), seam_size_format(m->offload, b[3], 32));
}

/* An engine that knows what it will allocate; on failure *out is there all the same, to be closed. */
static seam_status prepare(struct seam_engine **out, const struct seam_model *m,
                           const struct seam_engine_opts *o, struct seam_err *err)
{
    struct seam_engine *e = *out = calloc(1, sizeof *e);
    if (!e)
        return seam_fail(err, SEAM_ENOMEM, "no memory for an engine");
    e->model = m;
    e->hp = seam_model_hparams(m);
    e->arch = seam_graph_arch_find(seam_model_arch(m));
    seam_status st = e->arch ? SEAM_OK
                             : seam_fail(err, SEAM_EUNSUPPORTED, "no graphs for architecture %s",
                                         seam_model_arch(m));
    if (st == SEAM_OK)
        st = settle_options(e, o, err);
    if (st == SEAM_OK)
        st = seam_device_init(&e->device, e->o.n_threads, err);
    if (st == SEAM_OK)
        st = open_accel(e, err);
    if (st == SEAM_OK)
        st = open_offload(e, err);
    if (st == SEAM_OK)
        st = lay_out(e, err);
    if (st == SEAM_OK)
        st = open_graphs(e, err);
    if (st == SEAM_OK)
        st = seam_store_open(&e->store, m, has_head(e), &e->device, err);
    if (st == SEAM_OK)
        st = measure_compute(e, err);
    if (st == SEAM_OK)
        st = plan(e, err);
    return st;
}

seam_status seam_engine_measure(struct seam_engine_memory *out, const struct seam_model *m,
                                const struct seam_engine_opts *o, struct seam_err *err)
{
    struct seam_engine *e;
    seam_status st = prepare(&e, m, o, err);
    if (st == SEAM_OK) {
        *out = e->memory;
        st = seam_store_suffices(out->weights_budget, out->weights_smallest, err);
    }
    seam_engine_close(e);
    return st;
}

/* A device that sweeps copies from memory that stays in place, or reads it by itself: not from mappings. */
static seam_status load(struct seam_engine *e, struct seam_err *err)
{
    if (e->accel && e->o.mmap == SEAM_MMAP_ON)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "--mmap on: the device that sweeps wants weights in memory of its host");
    seam_status st = seam_store_load(e->store, e->memory.weights_budget,
                                     e->accel ? SEAM_MMAP_OFF : e->o.mmap, err);
    e->memory.mapped = seam_store_mapped(e->store);
    return st;
}

seam_status seam_engine_open(struct seam_engine **out, const struct seam_model *m,
                             const struct seam_engine_opts *o, struct seam_err *err)
{
    struct seam_engine *e;
    *out = NULL;
    seam_status st = prepare(&e, m, o, err);
    if (st == SEAM_OK)
        st = open_buffers(e, err);
    if (st == SEAM_OK && e->offload)
        st = seam_offload_load(e->offload, err);
    if (st == SEAM_OK && (e->accel || !e->offload))
        st = load(e, err);
    if (st != SEAM_OK) {
        seam_engine_close(e);
        return st;
    }
    pin_memory(e);
    if (!e->o.quiet)
        log_plan(e);
    *out = e;
    return SEAM_OK;
}

void seam_engine_close(struct seam_engine *e)
{
    if (!e)
        return;
    if (e->accel)
        e->accel_ops->close(e->accel);
    seam_offload_close(e->offload);
    seam_store_close(e->store);
    if (e->galloc)
        ggml_gallocr_free(e->galloc);
    if (e->ctx)
        ggml_free(e->ctx);
    if (e->kv_buffer)
        ggml_backend_buffer_free(e->kv_buffer);
    if (e->arena_buffer)
        ggml_backend_buffer_free(e->arena_buffer);
    seam_os_pages_free(e->kv, e->memory.kv);
    seam_os_pages_free(e->arena, e->memory.activations);
    seam_device_release(&e->device);
    free(e->kv_at);
    free(e->state_len);
    free(e->kv_len);
    free(e);
}

/* ---- what others ask ---- */

const struct seam_engine_memory *seam_engine_memory(const struct seam_engine *e)
{
    return &e->memory;
}

const struct seam_model *seam_engine_model(const struct seam_engine *e)
{
    return e->model;
}

uint32_t seam_engine_ctx(const struct seam_engine *e)
{
    return e->o.n_ctx;
}

uint32_t seam_engine_lanes(const struct seam_engine *e)
{
    return e->o.n_lanes;
}

const char *seam_engine_device(const struct seam_engine *e)
{
    return e->device_name;
}

uint64_t seam_engine_weights_held_peak(const struct seam_engine *e)
{
    return seam_store_held_peak(e->store, false) +
           (e->offload ? seam_offload_read_bytes(e->offload) : 0);
}

uint64_t seam_engine_weights_read(const struct seam_engine *e)
{
    return seam_store_read_bytes(e->store) + (e->offload ? seam_offload_read_bytes(e->offload) : 0);
}

const struct seam_accel_work *seam_engine_sweep_work(const struct seam_engine *e)
{
    return e->accel ? &e->accel_work : NULL;
}

seam_status seam_engine_sweep_limits(struct seam_engine *e, uint32_t n, struct seam_accel_limits *l,
                                     struct seam_err *err)
{
    if (!e->accel)
        return seam_fail(err, SEAM_EUNSUPPORTED, "the CPU sweeps here");
    return e->accel_ops->measure(e->accel, n, l, err);
}

uint64_t seam_engine_device_used(const struct seam_engine *e)
{
    return e->accel ? e->accel_ops->used(e->accel) : 0;
}

/* ---- memory ---- */

bool seam_engine_has_state(const struct seam_engine *e, uint32_t layer)
{
    return seam_model_layer(e->model, layer)->memory == SEAM_MEMORY_DELTA;
}

bool seam_engine_recurrent(const struct seam_engine *e)
{
    return seam_model_recurrent(e->model);
}

size_t seam_engine_memory_bytes(const struct seam_engine *e, uint32_t layer, uint32_t n_tokens)
{
    if (seam_engine_has_state(e, layer))
        return seam_model_state_values(e->model, layer) * sizeof(float);
    return (size_t)n_tokens * seam_model_kv_values(e->model, layer) * kv_value_bytes(e);
}

void *seam_engine_memory_at(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t pos)
{
    uint8_t *at = e->kv + lane * e->kv_at[e->hp->n_layer] + e->kv_at[layer];
    return seam_engine_has_state(e, layer) ? at : at + seam_engine_memory_bytes(e, layer, pos);
}

void seam_engine_state_set(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t n_tokens)
{
    if (!seam_engine_has_state(e, layer))
        return;
    e->state_len[lane * e->hp->n_layer + layer] = n_tokens;
    if (n_tokens == 0)
        memset(seam_engine_memory_at(e, lane, layer, 0), 0, seam_engine_memory_bytes(e, layer, 0));
}

void seam_engine_memory_begin(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t pos,
                              uint32_t end)
{
    if (e->offload)
        seam_offload_kv_written(e->offload, lane, pos, end);
    if (seam_engine_has_state(e, layer))
        e->state_len[lane * e->hp->n_layer + layer] = UINT32_MAX;
}

void seam_engine_memory_end(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t n_tokens)
{
    if (seam_engine_has_state(e, layer))
        e->state_len[lane * e->hp->n_layer + layer] = n_tokens;
}

seam_status seam_engine_memory_fetch(struct seam_engine *e, uint32_t lane, struct seam_err *err)
{
    return e->offload ? seam_offload_kv_fetch(e->offload, lane, e->kv_len[lane], err) : SEAM_OK;
}

const char *seam_engine_kv_layout(const struct seam_engine *e)
{
    return e->kv_layout;
}

uint32_t seam_engine_kv_len(const struct seam_engine *e, uint32_t lane)
{
    return e->kv_len[lane];
}

uint32_t seam_engine_kv_set_len(struct seam_engine *e, uint32_t lane, uint32_t n_tokens)
{
    GGML_ASSERT(lane < e->o.n_lanes && n_tokens <= e->o.n_ctx);
    const uint32_t *state_len = e->state_len + (size_t)lane * e->hp->n_layer;
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++)
        if (seam_engine_has_state(e, layer) && state_len[layer] != n_tokens)
            n_tokens = 0;
    if (n_tokens == 0)
        for (uint32_t layer = 0; layer < e->hp->n_layer; layer++)
            seam_engine_state_set(e, lane, layer, 0);
    if (e->offload)
        seam_offload_kv_cut(e->offload, lane, n_tokens);
    e->kv_len[lane] = n_tokens;
    return n_tokens;
}

void seam_engine_cancel(struct seam_engine *e)
{
    seam_device_cancel(&e->device);
}

void seam_engine_cancel_clear(struct seam_engine *e)
{
    seam_device_cancel_clear(&e->device);
}
