#include "engine/measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LANE 0u

struct seam_measure {
    struct seam_engine *e;
    int32_t *tokens; /* one per position of the context */
    float *logits;
    uint32_t depth;  /* tokens that the saved states stand for */
    uint8_t *states; /* of all layers that have one, behind each other; NULL: no layer has */
};

/* Sebastiano Vigna's splitmix64 (prng.di.unimi.it/splitmix64.c). */
static uint64_t next_random(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t state_bytes(const struct seam_engine *e, uint32_t layer)
{
    return seam_engine_has_state(e, layer) ? seam_engine_memory_bytes(e, layer, 0) : 0;
}

static uint32_t layer_count(const struct seam_measure *m)
{
    return seam_model_hparams(seam_engine_model(m->e))->n_layer;
}

seam_status seam_measure_open(struct seam_measure **out, struct seam_engine *e, uint64_t seed,
                              struct seam_err *err)
{
    struct seam_measure *m = calloc(1, sizeof *m);
    uint32_t n_ctx = seam_engine_ctx(e);
    uint32_t n_vocab = seam_model_hparams(seam_engine_model(e))->n_vocab;
    size_t states = 0;
    *out = NULL;
    if (m) {
        m->e = e;
        m->tokens = malloc(n_ctx * sizeof *m->tokens);
        m->logits = malloc(n_vocab * sizeof *m->logits);
        for (uint32_t layer = 0; layer < layer_count(m); layer++)
            states += state_bytes(e, layer);
        m->states = states ? malloc(states) : NULL;
    }
    if (!m || !m->tokens || !m->logits || (states && !m->states)) {
        seam_measure_close(m);
        return seam_fail(err, SEAM_ENOMEM, "no memory to measure with");
    }
    for (uint32_t i = 0; i < n_ctx; i++)
        m->tokens[i] = (int32_t)(next_random(&seed) % n_vocab);
    *out = m;
    return SEAM_OK;
}

void seam_measure_close(struct seam_measure *m)
{
    if (!m)
        return;
    free(m->tokens);
    free(m->logits);
    free(m->states);
    free(m);
}

/* ---- back to a depth: rows are cut off, states are copied ---- */

static void copy_states(struct seam_measure *m, bool save)
{
    uint8_t *at = m->states;
    for (uint32_t layer = 0; layer < layer_count(m); layer++) {
        size_t bytes = state_bytes(m->e, layer);
        if (!bytes)
            continue;
        void *state = seam_engine_memory_at(m->e, LANE, layer, 0);
        if (save) {
            memcpy(at, state, bytes);
        } else {
            seam_engine_memory_begin(m->e, LANE, layer, m->depth, m->depth); /* no rows */
            memcpy(state, at, bytes);
            seam_engine_memory_end(m->e, LANE, layer, m->depth);
        }
        at += bytes;
    }
}

static seam_status go_to(struct seam_measure *m, uint32_t depth, struct seam_err *err)
{
    uint32_t keep = seam_engine_kv_len(m->e, LANE) < depth ? seam_engine_kv_len(m->e, LANE) : depth;
    if (m->states && depth && m->depth == depth) {
        copy_states(m, false);
        keep = depth; /* rows are not erased when a lane gets shorter */
    }
    if (seam_engine_kv_set_len(m->e, LANE, keep) == depth)
        return SEAM_OK;
    seam_status st = seam_engine_prefill(m->e, LANE, m->tokens, depth, NULL, NULL, err);
    if (st != SEAM_OK || !m->states)
        return st;
    st = seam_engine_memory_fetch(m->e, LANE, err);
    if (st == SEAM_OK) {
        m->depth = depth;
        copy_states(m, true);
    }
    return st;
}

/* ---- the two measurements ---- */

static seam_status check_fits(const struct seam_measure *m, uint32_t depth, uint32_t n,
                              struct seam_err *err)
{
    uint32_t ctx = seam_engine_ctx(m->e);
    if (n < 1 || depth > ctx || n > ctx - depth)
        return seam_fail(err, SEAM_ECONTEXT, "%u tokens after %u do not fit the context of %u", n,
                         depth, ctx);
    return SEAM_OK;
}

seam_status seam_measure_prefill(struct seam_measure *m, uint32_t depth, uint32_t n, uint64_t *ns,
                                 struct seam_err *err)
{
    seam_status st = check_fits(m, depth, n, err);
    if (st == SEAM_OK)
        st = go_to(m, depth, err);
    uint64_t begin = seam_mono_ns();
    uint32_t last = depth + n - 1; /* a decode step: prefill computes no logits */
    if (st == SEAM_OK)
        st = seam_engine_prefill(m->e, LANE, m->tokens, last, NULL, NULL, err);
    if (st == SEAM_OK)
        st = seam_engine_step(m->e, LANE, m->tokens[last], m->logits, err);
    *ns = seam_mono_ns() - begin;
    return st;
}

seam_status seam_measure_decode(struct seam_measure *m, uint32_t depth, uint32_t n, uint64_t *ns,
                                struct seam_err *err)
{
    seam_status st = check_fits(m, depth, n, err);
    if (st == SEAM_OK)
        st = go_to(m, depth, err);
    uint64_t begin = seam_mono_ns();
    for (uint32_t i = 0; st == SEAM_OK && i < n; i++)
        st = seam_engine_step(m->e, LANE, m->tokens[depth + i], m->logits, err);
    *ns = seam_mono_ns() - begin;
    return st;
}
