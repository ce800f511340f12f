/* compute.c - the sweep and the step, on the same layer graphs.
 *
 *   sweep:  embed | for each layer: attention of all chunks, feed-forward of all chunks | last
 *           layer: KV rows of all chunks
 *   step:   embed | for each layer: attention, feed-forward of one token | head -> logits */
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"
#include "model/footprint.h"

/* ---- graphs ---- */

struct ggml_tensor *seam_engine_hidden(struct seam_engine *e, uint32_t row, uint32_t n)
{
    uint8_t *at = e->hidden + (uint64_t)row * e->hp->n_embd * sizeof(float);
    return seam_graph_outside(e->ctx, e->arena_buffer, at, GGML_TYPE_F32, e->hp->n_embd, n, 1);
}

void seam_engine_graph_begin(struct seam_engine *e, struct seam_graph *g, uint32_t pos, uint32_t n)
{
    memset(g, 0, sizeof *g);
    ggml_reset(e->ctx);
    g->ctx = e->ctx;
    g->gf = ggml_new_graph_custom(e->ctx, e->graph_nodes, false);
    g->hp = e->hp;
    g->store = e->store;
    g->n = n;
    g->pos = pos;
    g->n_kv = pos + n;
    g->positions = ggml_new_tensor_1d(e->ctx, GGML_TYPE_I32, n);
    ggml_set_input(g->positions);
}

void seam_engine_graph_layer(struct seam_engine *e, struct seam_graph *g, uint32_t lane,
                             uint32_t layer)
{
    const struct seam_hparams *hp = e->hp;
    enum ggml_type kv = seam_engine_kv_ggml(e);
    void *memory = seam_engine_memory_at(e, lane, layer, 0);
    uint32_t values = seam_model_kv_values(e->model, layer);
    uint32_t state = seam_model_state_values(e->model, layer);
    g->layer = layer;
    g->kv =
        values ? seam_graph_outside(e->ctx, e->kv_buffer, memory, kv, values, e->o.n_ctx, 1) : NULL;
    g->state =
        state ? seam_graph_outside(e->ctx, e->kv_buffer, memory, GGML_TYPE_F32, state, 1, 1) : NULL;
    if (!hp->mla)
        return;
    g->k_exp = seam_graph_outside(e->ctx, e->arena_buffer, e->k_exp, kv, hp->d_head, e->o.n_ctx,
                                  hp->n_head);
    g->v_exp =
        seam_graph_outside(e->ctx, e->arena_buffer, e->v_exp, kv, hp->d_v, e->o.n_ctx, hp->n_head);
    g->k_b_t = seam_graph_outside(e->ctx, e->arena_buffer, e->k_b_t, kv, hp->kv_lora, hp->d_nope,
                                  hp->n_head);
}

/* A graph that does not use an input leaves it without memory. */
static void fill_inputs(struct seam_graph *g)
{
    if (g->positions->data)
        for (uint32_t i = 0; i < g->n; i++)
            ((int32_t *)g->positions->data)[i] = (int32_t)(g->pos + i);
    if (!g->mask || !g->mask->data)
        return;
    uint16_t *row = g->mask->data;
    for (uint32_t i = 0; i < g->n; i++) { /* query i sees keys 0 .. pos + i */
        uint32_t end = (i / g->block + 1) * g->block;
        uint32_t width = g->pos + (end < g->n ? end : g->n);
        seam_graph_mask_row(row, g->pos + i + 1, width);
        row += width;
    }
}

static seam_status compute(struct seam_engine *e, struct seam_graph *g, struct seam_err *err)
{
    if (!ggml_gallocr_alloc_graph(e->galloc, g->gf))
        return seam_fail(err, SEAM_ENOMEM, "ggml could not allocate its compute buffer");
    fill_inputs(g);
    return seam_device_compute(&e->device, g->gf, err);
}

/* ---- pieces of work: each one graph over a chunk of tokens ---- */

struct job {
    struct seam_engine *e;
    uint32_t lane;
    const int32_t *tokens; /* from position `first` on */
    uint32_t first;
    uint32_t n0, n1; /* positions to compute: [n0, n1) */
    enum seam_mla_form form;
    const struct seam_prefill_hooks *hooks; /* NULL in a step */
    struct seam_trace *trace;               /* NULL: nobody asked */
};

static struct ggml_tensor *token_ids(struct seam_engine *e, uint32_t n)
{
    struct ggml_tensor *ids = ggml_new_tensor_1d(e->ctx, GGML_TYPE_I32, n);
    ggml_set_input(ids);
    return ids;
}

static seam_status embed_chunk(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                               struct seam_err *err)
{
    struct seam_engine *e = j->e;
    (void)layer;
    struct seam_graph g;
    seam_engine_graph_begin(e, &g, pos, n);
    struct ggml_tensor *ids = token_ids(e, n);
    struct ggml_tensor *x =
        ggml_get_rows(e->ctx, seam_store_global(e->store, SEAM_ROLE_TOKEN_EMBD), ids);
    ggml_build_forward_expand(g.gf, ggml_cpy(e->ctx, x, seam_engine_hidden(e, pos - j->n0, n)));
    if (!ggml_gallocr_alloc_graph(e->galloc, g.gf))
        return seam_fail(err, SEAM_ENOMEM, "ggml could not allocate its compute buffer");
    memcpy(ids->data, j->tokens + (pos - j->first), n * sizeof *j->tokens);
    return seam_device_compute(&e->device, g.gf, err);
}

/* Memory of a layer up to pos + n is final. A state is so only when the last token has gone in. */
static seam_status offer_piece(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                               struct seam_err *err)
{
    struct seam_engine *e = j->e;
    if (seam_engine_has_state(e, layer)) {
        seam_engine_state_set(e, j->lane, layer, pos + n);
        if (pos + n < j->n1)
            return SEAM_OK;
        n = j->n1 - j->n0;
        pos = j->n0;
    }
    if (!j->hooks || !j->hooks->piece)
        return SEAM_OK;
    return j->hooks->piece(j->hooks->user, layer, pos, n,
                           seam_engine_memory_at(e, j->lane, layer, pos),
                           seam_engine_memory_bytes(e, layer, n), err);
}

/* A graph over the hidden states of [pos, pos + n), which it returns. */
static struct ggml_tensor *chunk_begin(struct job *j, struct seam_graph *g, uint32_t layer,
                                       uint32_t pos, uint32_t n)
{
    seam_engine_graph_begin(j->e, g, pos, n);
    seam_engine_graph_layer(j->e, g, j->lane, layer);
    return seam_engine_hidden(j->e, pos - j->n0, n);
}

/* Write a part's result over its input and run. */
static seam_status chunk_end(struct job *j, struct seam_graph *g, struct ggml_tensor *y,
                             struct ggml_tensor *x, struct seam_err *err)
{
    ggml_build_forward_expand(g->gf, ggml_cpy(j->e->ctx, y, x));
    return compute(j->e, g, err);
}

static seam_status attention_chunk(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                                   struct seam_err *err)
{
    struct seam_graph g;
    struct ggml_tensor *x = chunk_begin(j, &g, layer, pos, n);
    seam_engine_memory_begin(j->e, j->lane, layer, pos, pos + n);
    seam_status st = chunk_end(j, &g, j->e->arch->attention(&g, x, j->form), x, err);
    return st == SEAM_OK ? offer_piece(j, layer, pos, n, err) : st;
}

static seam_status remember_chunk(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                                  struct seam_err *err)
{
    struct seam_graph g;
    struct ggml_tensor *x = chunk_begin(j, &g, layer, pos, n);
    seam_engine_memory_begin(j->e, j->lane, layer, pos, pos + n);
    j->e->arch->remember(&g, x);
    seam_status st = compute(j->e, &g, err);
    return st == SEAM_OK ? offer_piece(j, layer, pos, n, err) : st;
}

/* Who goes where must be known before the experts' graph can be built. */
static seam_status grouped_chunk(struct job *j, struct seam_graph *g, uint32_t layer, uint32_t pos,
                                 struct ggml_tensor *x, struct seam_err *err)
{
    struct seam_groups *gr = &j->e->groups;
    uint32_t n = g->n;
    struct ggml_tensor *y = seam_graph_route(g, x, gr);
    seam_status st = y == x ? compute(j->e, g, err) : chunk_end(j, g, y, x, err);
    if (st != SEAM_OK)
        return st;
    seam_groups_sort(gr, j->e->hp, n);
    x = chunk_begin(j, g, layer, pos, n);
    seam_graph_experts(g, x, gr);
    return compute(j->e, g, err);
}

static seam_status feed_forward_chunk(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                                      struct seam_err *err)
{
    struct seam_graph g;
    struct ggml_tensor *x = chunk_begin(j, &g, layer, pos, n);
    if (seam_graph_groups(&g))
        return grouped_chunk(j, &g, layer, pos, x, err);
    return chunk_end(j, &g, seam_graph_feed_forward(&g, x), x, err);
}

static seam_status expand_chunk(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                                struct seam_err *err)
{
    struct seam_graph g;
    seam_engine_graph_begin(j->e, &g, pos, n);
    seam_engine_graph_layer(j->e, &g, j->lane, layer); /* cached rows have no hidden states */
    j->e->arch->expand(&g);
    return compute(j->e, &g, err);
}

typedef seam_status (*chunk_fn)(struct job *j, uint32_t layer, uint32_t pos, uint32_t n,
                                struct seam_err *err);

static seam_status for_chunks(struct job *j, chunk_fn fn, uint32_t layer, uint32_t from,
                              uint32_t to, struct seam_err *err)
{
    for (uint32_t pos = from; pos < to;) {
        uint32_t n = to - pos < j->e->o.chunk ? to - pos : j->e->o.chunk;
        seam_status st = fn(j, layer, pos, n, err);
        if (st != SEAM_OK)
            return st;
        pos += n;
        if (j->hooks && j->hooks->progress)
            j->hooks->progress(j->hooks->user, layer, pos - j->n0);
    }
    return SEAM_OK;
}

/* What the attention part needs before its first chunk: the other direction of K_B, and K and V of
 * the rows that are in the cache already. */
static seam_status before_attention(struct job *j, uint32_t layer, struct seam_err *err)
{
    const struct seam_graph_arch *arch = j->e->arch;
    struct seam_graph g;
    seam_status st = SEAM_OK;
    seam_engine_graph_begin(j->e, &g, 0, 1);
    seam_engine_graph_layer(j->e, &g, j->lane, layer);
    if (arch->prepare && arch->prepare(&g, j->form))
        st = compute(j->e, &g, err);
    if (st == SEAM_OK && arch->expand && j->form == SEAM_MLA_EXPANDED)
        st = for_chunks(j, expand_chunk, layer, 0, j->n0, err);
    return st;
}

static seam_status attention_part(struct job *j, uint32_t layer, struct seam_err *err)
{
    seam_status st = before_attention(j, layer, err);
    return st == SEAM_OK ? for_chunks(j, attention_chunk, layer, j->n0, j->n1, err) : st;
}

static seam_status feed_forward_part(struct job *j, uint32_t layer, struct seam_err *err)
{
    return for_chunks(j, feed_forward_chunk, layer, j->n0, j->n1, err);
}

static seam_status remember_part(struct job *j, uint32_t layer, struct seam_err *err)
{
    return for_chunks(j, remember_chunk, layer, j->n0, j->n1, err);
}

static seam_status embed_part(struct job *j, uint32_t layer, struct seam_err *err)
{
    return for_chunks(j, embed_chunk, layer, j->n0, j->n1, err);
}

/* ---- sequences of units ---- */

/* Hold one unit while its part runs over all chunks; note when what happened. */
static seam_status with_unit(struct job *j, uint32_t unit, uint32_t layer,
                             seam_status (*part)(struct job *, uint32_t, struct seam_err *),
                             struct seam_err *err)
{
    struct seam_trace_layer *row = j->trace ? &j->trace->layers[layer] : NULL;
    seam_status st = seam_store_acquire(j->e->store, unit, row ? &row->wait_ns : NULL,
                                        row ? &row->read : NULL, err);
    if (st != SEAM_OK)
        return st;
    uint64_t begin = seam_mono_ns();
    st = part(j, layer, err);
    if (row)
        seam_span_add(&row->compute, begin, seam_mono_ns(), 0);
    seam_store_release(j->e->store, unit);
    return st;
}

static seam_status whole_layer(struct job *j, uint32_t layer, struct seam_err *err)
{
    const struct seam_model *m = j->e->model;
    seam_status st =
        with_unit(j, seam_unit_part(m, layer, SEAM_PART_ATTN), layer, attention_part, err);
    if (st == SEAM_OK)
        st = with_unit(j, seam_unit_part(m, layer, SEAM_PART_FFN), layer, feed_forward_part, err);
    return st;
}

static seam_status layers(struct job *j, uint32_t n, struct seam_err *err)
{
    seam_status st = with_unit(j, seam_unit_embed(j->e->model), 0, embed_part, err);
    for (uint32_t layer = 0; st == SEAM_OK && layer < n; layer++)
        if ((st = whole_layer(j, layer, err)) != SEAM_OK)
            seam_wrap(err, st, "layer %u", layer);
    return st;
}

size_t seam_engine_sequence(const struct seam_model *m, uint32_t n, uint32_t last, uint32_t *units)
{
    size_t k = 0;
    units[k++] = seam_unit_embed(m);
    for (uint32_t layer = 0; layer < n; layer++)
        for (int part = 0; part < SEAM_PART_COUNT; part++)
            units[k++] = seam_unit_part(m, layer, (enum seam_part)part);
    units[k++] = last;
    return k;
}

/* Every layer's state stands for what the lane's length says; a caller went behind our back if not. */
static seam_status check_states(const struct seam_engine *e, uint32_t lane, struct seam_err *err)
{
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++)
        if (seam_engine_has_state(e, layer) &&
            e->state_len[lane * e->hp->n_layer + layer] != e->kv_len[lane])
            return seam_fail(err, SEAM_EINTERNAL,
                             "layer %u has the state of %u tokens where the lane has %u", layer,
                             e->state_len[lane * e->hp->n_layer + layer], e->kv_len[lane]);
    return SEAM_OK;
}

static enum seam_mla_form cheaper_form(const struct seam_engine *e, uint32_t n0, uint32_t n1)
{
    const struct seam_hparams *hp = e->hp;
    if (e->o.form != SEAM_MLA_AUTO || !hp->mla)
        return e->o.form;
    return seam_hparams_absorbs(hp, (double)n1 - n0, n0) ? SEAM_MLA_ABSORBED : SEAM_MLA_EXPANDED;
}

static seam_status check_tokens(const struct seam_engine *e, const int32_t *tokens, uint32_t n,
                                struct seam_err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= e->hp->n_vocab)
            return seam_fail(err, SEAM_EINVAL, "token %u is %d: the vocabulary has %u", i,
                             (int)tokens[i], e->hp->n_vocab);
    return SEAM_OK;
}

/* The lane has n tokens now; after a failure those it had, if its states have not moved on. Weights that
 * were written to meanwhile are a failure. */
static seam_status settle(struct seam_engine *e, uint32_t lane, uint32_t n, seam_status st,
                          struct seam_err *err)
{
    if (st == SEAM_OK)
        st = seam_store_unchanged(e->store, err);
    if (st == SEAM_OK)
        e->kv_len[lane] = n;
    else
        seam_engine_kv_set_len(e, lane, e->kv_len[lane]);
    return st;
}

/* All layers but the last, then its KV rows. */
static seam_status sweep(struct job *j, struct seam_err *err)
{
    const struct seam_engine *e = j->e;
    uint32_t units[2 + SEAM_PART_COUNT * SEAM_MODEL_MAX_LAYERS], last = e->hp->n_layer - 1;
    size_t n_units = seam_engine_sequence(e->model, last, seam_unit_last_kv(e->model), units);
    j->form = cheaper_form(e, j->n0, j->n1);
    seam_status st = seam_store_begin(e->store, units, n_units, err);
    if (st == SEAM_OK)
        st = layers(j, last, err);
    if (st == SEAM_OK)
        st = with_unit(j, seam_unit_last_kv(e->model), last, remember_part, err);
    seam_store_end(e->store);
    return st;
}

/* A chunk, or one token and its logits, by a device of ggml's: every layer at once. */
static seam_status offload_chunk(struct job *j, uint32_t pos, uint32_t n, float *logits,
                                 struct seam_err *err)
{
    struct seam_engine *e = j->e;
    const uint32_t n_layer = e->hp->n_layer;
    uint32_t *state_len = e->state_len + (size_t)j->lane * n_layer;
    for (uint32_t layer = 0; layer < n_layer; layer++)
        if (seam_engine_has_state(e, layer))
            state_len[layer] = UINT32_MAX; /* until it stands for all of the chunk */
    seam_status st =
        seam_offload_run(e->offload, j->lane, j->tokens + (pos - j->first), pos, n, logits, err);
    for (uint32_t layer = 0; st == SEAM_OK && layer < n_layer; layer++)
        seam_engine_state_set(e, j->lane, layer, pos + n);
    return st;
}

/* A prompt where no device sweeps but one decodes: all layers of a chunk, then the next chunk. Layers are
 * final together, at the end. */
static seam_status offload_chunks(struct job *j, struct seam_err *err)
{
    struct seam_engine *e = j->e;
    const uint32_t n_layer = e->hp->n_layer, all = j->n1 - j->n0;
    seam_status st = SEAM_OK;
    for (uint32_t pos = j->n0, n; st == SEAM_OK && pos < j->n1; pos += n) {
        n = j->n1 - pos < seam_offload_chunk(e->offload) ? j->n1 - pos
                                                         : seam_offload_chunk(e->offload);
        st = offload_chunk(j, pos, n, NULL, err);
        if (st == SEAM_OK && j->hooks && j->hooks->progress) {
            const uint64_t done = (uint64_t)(pos + n - j->n0) * n_layer;
            const uint32_t layer = done / all < n_layer ? (uint32_t)(done / all) : n_layer - 1;
            j->hooks->progress(j->hooks->user, layer, (uint32_t)(done - (uint64_t)layer * all));
        }
    }
    if (st != SEAM_OK || !j->hooks || !j->hooks->piece)
        return st;
    st = seam_offload_kv_fetch(e->offload, j->lane, j->n1, err);
    for (uint32_t layer = 0; st == SEAM_OK && layer < n_layer; layer++)
        st = j->hooks->piece(j->hooks->user, layer, j->n0, all,
                             seam_engine_memory_at(e, j->lane, layer, j->n0),
                             seam_engine_memory_bytes(e, layer, all), err);
    return st;
}

seam_status seam_engine_prefill(struct seam_engine *e, uint32_t lane, const int32_t *tokens,
                                uint32_t n, const struct seam_prefill_hooks *hooks,
                                struct seam_trace *trace, struct seam_err *err)
{
    struct job j = {e, lane, tokens, 0, e->kv_len[lane], n, SEAM_MLA_AUTO, hooks, trace};
    if (n > e->o.n_ctx)
        return seam_fail(err, SEAM_ECONTEXT, "a prompt of %u tokens does not fit the context of %u",
                         n, e->o.n_ctx);
    if (n <= j.n0)
        return SEAM_OK;
    seam_status st = check_tokens(e, tokens, n, err);
    if (st == SEAM_OK)
        st = check_states(e, lane, err);
    if (st != SEAM_OK)
        return st;
    if (e->accel && (st = seam_engine_memory_fetch(e, lane, err)) != SEAM_OK)
        return st;
    if (trace)
        trace->begin_ns = seam_mono_ns();
    seam_store_held_peak(e->store, true);
    if (e->accel)
        st = seam_sweep_run(e, lane, tokens, j.n0, n, hooks, trace, err);
    else
        st = e->offload ? offload_chunks(&j, err) : sweep(&j, err);
    if (trace) {
        trace->compute_end_ns = trace->end_ns = seam_mono_ns();
        trace->weight_bytes_peak = seam_store_held_peak(e->store, false);
    }
    return settle(e, lane, n, st, err);
}

/* ---- the step ---- */

static seam_status head(struct job *j, float *logits, struct seam_err *err)
{
    struct seam_engine *e = j->e;
    struct seam_graph g;
    seam_status st = seam_store_acquire(e->store, seam_unit_head(e->model), NULL, NULL, err);
    if (st != SEAM_OK)
        return st;
    seam_engine_graph_begin(e, &g, j->n0, 1);
    struct ggml_tensor *h = seam_graph_logits(&g, seam_engine_hidden(e, 0, 1));
    st = compute(e, &g, err);
    if (st == SEAM_OK)
        memcpy(logits, h->data, e->hp->n_vocab * sizeof *logits);
    seam_store_release(e->store, seam_unit_head(e->model));
    return st;
}

/* Weights come and go: a graph per part. */
static seam_status step_streamed(struct job *j, float *logits, struct seam_err *err)
{
    struct seam_engine *e = j->e;
    uint32_t units[2 + SEAM_PART_COUNT * SEAM_MODEL_MAX_LAYERS];
    size_t n = seam_engine_sequence(e->model, e->hp->n_layer, seam_unit_head(e->model), units);
    seam_status st = seam_store_begin(e->store, units, n, err);
    if (st == SEAM_OK)
        st = layers(j, e->hp->n_layer, err);
    if (st == SEAM_OK)
        st = head(j, logits, err);
    seam_store_end(e->store);
    return st;
}

struct ggml_tensor *seam_engine_step_graph(struct seam_engine *e, struct seam_graph *g,
                                           uint32_t lane, enum seam_mla_form form,
                                           struct ggml_tensor **ids)
{
    *ids = token_ids(e, 1);
    struct ggml_tensor *x =
        ggml_get_rows(e->ctx, seam_store_global(e->store, SEAM_ROLE_TOKEN_EMBD), *ids);
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++) {
        seam_engine_graph_layer(e, g, lane, layer);
        if (e->arch->prepare)
            e->arch->prepare(g, form);
        x = e->arch->attention(g, x, form);
        x = seam_graph_feed_forward(g, x);
        ggml_build_forward_expand(g->gf, x);
    }
    return seam_graph_logits(g, x);
}

/* Weights are all there: one graph, the same nodes in the same order. */
static seam_status step_resident(struct job *j, float *logits, struct seam_err *err)
{
    struct seam_engine *e = j->e;
    struct seam_graph g;
    struct ggml_tensor *ids;
    seam_status st = seam_store_unchanged(e->store, err);
    if (st != SEAM_OK)
        return st;
    seam_engine_graph_begin(e, &g, j->n0, 1);
    struct ggml_tensor *out = seam_engine_step_graph(e, &g, j->lane, j->form, &ids);
    if (!ggml_gallocr_alloc_graph(e->galloc, g.gf))
        return seam_fail(err, SEAM_ENOMEM, "ggml could not allocate its compute buffer");
    fill_inputs(&g);
    memcpy(ids->data, j->tokens, sizeof *j->tokens);
    st = seam_device_compute(&e->device, g.gf, err);
    if (st != SEAM_OK)
        return st;
    memcpy(logits, out->data, e->hp->n_vocab * sizeof *logits);
    for (uint32_t layer = 0; layer < e->hp->n_layer; layer++)
        seam_engine_state_set(e, j->lane, layer, j->n1);
    return SEAM_OK;
}

seam_status seam_engine_step(struct seam_engine *e, uint32_t lane, int32_t token, float *logits,
                             struct seam_err *err)
{
    uint32_t pos = e->kv_len[lane];
    if (e->o.prefill_only)
        return seam_fail(err, SEAM_EINTERNAL, "a sweep node has no output head to decode with");
    if (pos + 1 > e->o.n_ctx)
        return seam_fail(err, SEAM_ECONTEXT, "the context of %u tokens is full", e->o.n_ctx);
    seam_status st = check_tokens(e, &token, 1, err);
    if (st == SEAM_OK)
        st = check_states(e, lane, err);
    if (st != SEAM_OK)
        return st;
    struct job j = {e, lane, &token, pos, pos, pos + 1, SEAM_MLA_ABSORBED, NULL, NULL};
    if (e->o.form == SEAM_MLA_EXPANDED && e->hp->mla)
        j.form = e->o.form;
    /* the expanded form needs K and V of what is cached: chunks before the layer's own graph */
    const bool whole = !seam_store_streamed(e->store) && j.form == SEAM_MLA_ABSORBED;
    if (e->offload)
        st = offload_chunk(&j, pos, 1, logits, err);
    else
        st = whole ? step_resident(&j, logits, err) : step_streamed(&j, logits, err);
    return settle(e, lane, pos + 1, st, err);
}
