/* generate_job.c - GENERATE: prefill what is missing of an opened lane's prompt, then decode.
 * The engine is asked for anew for the prefill and for each token, so that lanes decode in turn. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pool/daemon.h"
#include "pool/pool.h"

struct generate {
    struct seam_job *job;
    struct seam_node *node;
    struct seam_lane *lane;
    struct seam_sampler *sampler;
    float *logits;
    uint32_t n_prompt;
    uint64_t told_ns;
    struct seam_message_generate_done done;
};

static void on_progress(void *user, uint32_t layer, uint32_t tokens_done)
{
    struct generate *g = user;
    seam_job_progress(g->job, &g->told_ns, layer, tokens_done);
}

/* All of the prompt but its last token, from what is committed on. */
static seam_status prefill(struct generate *g, struct seam_err *err)
{
    struct seam_engine *e = g->node->engine;
    struct seam_lane *lane = g->lane;
    const struct seam_prefill_hooks hooks = {g, NULL, on_progress};
    if (lane->committed + 1 >= g->n_prompt)
        return SEAM_OK;
    uint64_t asked_ns = seam_mono_ns();
    seam_status st = seam_trace_init(&g->done.trace, g->node->hello.n_layer, err);
    if (st == SEAM_OK)
        st = seam_node_compute_begin(g->job, err);
    if (st != SEAM_OK)
        return st;
    g->done.queue_ns = seam_mono_ns() - asked_ns;
    seam_engine_kv_set_len(e, lane->index, lane->committed);
    st = seam_engine_prefill(e, lane->index, lane->tokens, g->n_prompt - 1, &hooks, &g->done.trace,
                             err);
    lane->committed = seam_engine_kv_len(e, lane->index);
    seam_node_compute_end(g->job);
    return st;
}

static seam_status step(struct generate *g, int32_t *token, struct seam_err *err)
{
    struct seam_engine *e = g->node->engine;
    struct seam_lane *lane = g->lane;
    seam_status st = seam_node_compute_begin(g->job, err);
    if (st != SEAM_OK)
        return st;
    if (seam_engine_kv_set_len(e, lane->index, lane->committed) != lane->committed)
        st = seam_fail(err, SEAM_EINTERNAL, "the states of lane %u are not those of %u tokens",
                       lane->index, lane->committed);
    if (st == SEAM_OK)
        st = seam_engine_step(e, lane->index, *token, g->logits, err);
    lane->committed = seam_engine_kv_len(e, lane->index);
    seam_node_compute_end(g->job);
    return st == SEAM_OK ? seam_sampler_next(g->sampler, g->logits, token, err) : st;
}

static bool is_stop(const struct generate *g, int32_t token)
{
    const struct seam_token_list *stops = &g->job->m.generate.stop_ids;
    for (uint32_t i = 0; i < stops->n; i++)
        if (stops->ids[i] == token)
            return true;
    return false;
}

static seam_status emit(struct generate *g, int32_t token, struct seam_err *err)
{
    const struct seam_message_token m = {token};
    if (seam_fault_hits(&g->node->fault, SEAM_FAULT_DIE_AT_TOKEN, g->done.n_generated))
        seam_fault_die();
    if (g->lane->n_tokens < g->node->hello.n_ctx)
        g->lane->tokens[g->lane->n_tokens++] = token;
    g->done.n_generated++;
    return seam_message_send(g->job->conn->link, SEAM_WIRE_TOKEN, g->job->request, &m,
                             SEAM_NODE_SEND_NS, err);
}

static seam_status decode(struct generate *g, struct seam_err *err)
{
    int32_t token = g->lane->tokens[g->n_prompt - 1];
    uint64_t begin = seam_mono_ns();
    seam_status st = SEAM_OK;
    g->done.finish = SEAM_FINISH_LENGTH;
    while (st == SEAM_OK && g->done.n_generated < g->job->m.generate.max_tokens &&
           g->lane->committed < g->node->hello.n_ctx) {
        st = step(g, &token, err);
        if (st == SEAM_OK && is_stop(g, token)) {
            g->done.finish = SEAM_FINISH_STOP;
            g->done.stop_id = token;
            break;
        }
        if (st == SEAM_OK)
            st = emit(g, token, err);
    }
    g->done.decode_ns = seam_mono_ns() - begin;
    return st;
}

static seam_status generate(struct generate *g, struct seam_err *err)
{
    const struct seam_message_generate *m = &g->job->m.generate;
    uint32_t n_vocab = seam_model_hparams(g->node->model)->n_vocab;
    seam_status st = seam_sampler_open(&g->sampler, &m->sampling, n_vocab, err);
    if (st == SEAM_OK && !(g->logits = malloc(n_vocab * sizeof *g->logits)))
        st = seam_fail(err, SEAM_ENOMEM, "no memory for logits");
    if (st == SEAM_OK)
        st =
            seam_lanes_decode(&g->node->lanes, m->lane, m->ticket, g->job->conn->id, &g->lane, err);
    if (st != SEAM_OK)
        return st;
    g->n_prompt = g->lane->n_tokens;
    st = prefill(g, err);
    if (st == SEAM_OK)
        st = decode(g, err);
    seam_lanes_free(&g->node->lanes, g->lane, g->lane->committed);
    return st;
}

void seam_generate_job_run(struct seam_job *job)
{
    struct seam_err err = {0};
    struct generate g = {.job = job, .node = job->conn->node, .done.stop_id = -1};
    seam_status st = generate(&g, &err);
    if (st == SEAM_OK) {
        atomic_store(&job->done, true);
        seam_message_send(job->conn->link, SEAM_WIRE_GENERATE_DONE, job->request, &g.done,
                          SEAM_NODE_SEND_NS, NULL);
    } else {
        seam_lanes_drop(&g.node->lanes, job->conn->id, job->request); /* opened, not yet used */
        seam_job_fail(job, &err);
    }
    seam_sampler_close(g.sampler);
    seam_trace_release(&g.done.trace);
    free(g.logits);
}
