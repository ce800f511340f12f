/* internal.h - an engine's inside, shared by engine.c (what it owns) and compute.c (what it does). */
#ifndef SEAM_ENGINE_INTERNAL_H
#define SEAM_ENGINE_INTERNAL_H

#include "engine/accel.h"
#include "engine/graph.h"
#include "engine/offload.h"

struct seam_engine {
    const struct seam_model *model;
    const struct seam_hparams *hp;
    const struct seam_graph_arch *arch;
    struct seam_engine_opts o; /* settled: no zeros that mean "default" */
    struct seam_device device;
    const struct seam_accel_ops *accel_ops; /* NULL: the CPU sweeps */
    struct seam_accel *accel;
    struct seam_accel_work accel_work; /* of the last sweep */
    struct seam_offload *offload;      /* NULL: the CPU computes the steps */
    char device_name[512];
    struct seam_store *store;
    struct seam_engine_memory memory;
    char kv_layout[32];

    struct ggml_context *ctx; /* the graph being built; reset for each */
    size_t graph_nodes;       /* most nodes of one */
    ggml_gallocr_t galloc;    /* its intermediate tensors */

    uint8_t *kv; /* per lane, per layer: n_ctx rows, or a state */
    ggml_backend_buffer_t kv_buffer;
    uint64_t *kv_at;     /* per layer: where it begins in a lane; [n_layer]: a lane's bytes */
    uint32_t *kv_len;    /* per lane */
    uint32_t *state_len; /* per lane and layer: tokens that the state stands for */

    uint8_t *arena; /* what follows */
    ggml_backend_buffer_t arena_buffer;
    uint8_t *hidden;        /* [n_embd, n_ctx] f32 */
    uint8_t *k_exp, *v_exp; /* expanded K and V of the layer being swept */
    uint8_t *k_b_t;
    uint8_t *grouping;
    struct seam_groups groups;
};

/* No-op for a layer without a state. n_tokens 0: the state is cleared too. */
void seam_engine_state_set(struct seam_engine *e, uint32_t lane, uint32_t layer, uint32_t n_tokens);

/* seam_engine_prefill by the device, on tokens [n0, n1) of the lane (sweep.c). */
seam_status seam_sweep_run(struct seam_engine *e, uint32_t lane, const int32_t *tokens, uint32_t n0,
                           uint32_t n1, const struct seam_prefill_hooks *hooks,
                           struct seam_trace *trace, struct seam_err *err);
/* embed, `n` whole layers, then `last`: units in the order of a sweep. */
size_t seam_engine_sequence(const struct seam_model *m, uint32_t n, uint32_t last, uint32_t *units);

enum ggml_type seam_engine_kv_ggml(const struct seam_engine *e);

/* Start a graph for tokens [pos, pos + n). */
void seam_engine_graph_begin(struct seam_engine *e, struct seam_graph *g, uint32_t pos, uint32_t n);
/* What follows belongs to this lane and layer: its external tensors. */
void seam_engine_graph_layer(struct seam_engine *e, struct seam_graph *g, uint32_t lane,
                             uint32_t layer);
/* A whole step of one token, from *ids (an input) to logits [n_vocab]. */
struct ggml_tensor *seam_engine_step_graph(struct seam_engine *e, struct seam_graph *g,
                                           uint32_t lane, enum seam_mla_form form,
                                           struct ggml_tensor **ids);
/* Hidden states of rows [row, row + n) of the sweep: [n_embd, n]. */
struct ggml_tensor *seam_engine_hidden(struct seam_engine *e, uint32_t row, uint32_t n);

#endif
