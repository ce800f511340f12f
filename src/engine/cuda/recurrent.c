/* recurrent.c - a gated DeltaNet layer, block by block of tokens; its state stays on the device between them.
 * Formulas: graph_qwen35.c; kernels: delta.h. */
#include "engine/cuda/cuda.h"

struct delta {
    const void *qkv, *gate, *alpha, *beta, *out;
};

struct seam_kernel_delta seam_cuda_delta_shape(const struct seam_hparams *hp)
{
    return (struct seam_kernel_delta){.width = hp->ssm_state,
                                      .heads_k = hp->ssm_heads_k,
                                      .heads_v = hp->ssm_heads_v,
                                      .taps = hp->ssm_kernel,
                                      .eps = hp->eps};
}

static struct delta unpack(struct seam_accel *a, const struct seam_accel_part *p)
{
    uint8_t *at = a->weights;
    seam_cuda_stage(a, SEAM_STAGE_UNPACK);
    return (struct delta){.qkv = seam_cuda_matrix(a, p, SEAM_ROLE_SSM_QKV, &at),
                          .gate = seam_cuda_matrix(a, p, SEAM_ROLE_SSM_GATE, &at),
                          .alpha = seam_cuda_matrix(a, p, SEAM_ROLE_SSM_ALPHA, &at),
                          .beta = seam_cuda_matrix(a, p, SEAM_ROLE_SSM_BETA, &at),
                          .out = seam_cuda_matrix(a, p, SEAM_ROLE_SSM_OUT, &at)};
}

/* The state moves on by n tokens; what they see of it into de.in, whose projections are used up. */
static void recur(struct seam_accel *a, const struct seam_accel_part *p, const struct delta *w,
                  float *state, uint32_t n)
{
    const struct seam_kernel_delta d = seam_cuda_delta_shape(a->hp);
    const uint32_t channels = seam_kernel_delta_channels(&d);
    seam_cuda_project(a, a->de.in, SEAM_REAL_F32, a->de.h, w->qkv, channels, n);
    seam_cuda_project(a, a->de.alpha, SEAM_REAL_F32, a->de.h, w->alpha, d.heads_v, n);
    seam_cuda_project(a, a->de.beta, SEAM_REAL_F32, a->de.h, w->beta, d.heads_v, n);
    seam_cuda_stage(a, SEAM_STAGE_ATTEND);
    seam_cuda_did(a,
                  seam_kernel_delta_conv(a->de.y, a->de.in, seam_cuda_vector(p, SEAM_ROLE_SSM_CONV),
                                         state, n, &d, a->main),
                  "convolve");
    seam_cuda_did(a,
                  seam_kernel_delta_rule(a->de.in, a->de.y, a->de.alpha, a->de.beta,
                                         seam_cuda_vector(p, SEAM_ROLE_SSM_DT),
                                         seam_cuda_vector(p, SEAM_ROLE_SSM_A),
                                         state + (uint64_t)channels * (d.taps - 1), a->de.work, n,
                                         &d, a->main),
                  "recur");
}

/* x += out(norm(what they see) * SiLU(z)); de.y holds the operand. */
static void add_output(struct seam_accel *a, const struct seam_accel_part *p, const struct delta *w,
                       uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const struct seam_kernel_delta d = seam_cuda_delta_shape(hp);
    seam_cuda_stage(a, SEAM_STAGE_OUT);
    seam_cuda_did(a,
                  seam_kernel_delta_out(a->de.y, a->de.in, a->de.z,
                                        seam_cuda_vector(p, SEAM_ROLE_SSM_NORM), n, &d, a->main),
                  "gated norm");
    const struct seam_cuda_product m = {.out = seam_cuda_hidden(a, pos),
                                        .out_type = SEAM_REAL_F32,
                                        .out_row = hp->n_embd,
                                        .x = a->de.y,
                                        .x_row = hp->ssm_inner,
                                        .w = w->out,
                                        .w_row = hp->ssm_inner,
                                        .rows = hp->n_embd,
                                        .n = n,
                                        .k = hp->ssm_inner,
                                        .add = true};
    seam_cuda_product(a, SEAM_STAGE_OUT, &m);
}

void seam_cuda_delta(struct seam_accel *a, const struct seam_accel_part *p, float *state,
                     bool only_state)
{
    const struct delta w = unpack(a, p);
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_query, a->n1 - pos);
        seam_cuda_stage(a, SEAM_STAGE_PROJECT);
        seam_cuda_norm(a, p, SEAM_ROLE_ATTN_NORM, a->de.h, seam_cuda_hidden(a, pos), n,
                       a->hp->n_embd);
        if (!only_state)
            seam_cuda_project(a, a->de.z, SEAM_REAL_BF16, a->de.h, w.gate, a->hp->ssm_inner, n);
        recur(a, p, &w, state, n);
        if (!only_state)
            add_output(a, p, &w, pos, n);
    }
}
