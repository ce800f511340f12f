#include "engine/cuda/cuda.h"

static cudaDataType_t type_of(enum seam_real t)
{
    return t == SEAM_REAL_F32 ? CUDA_R_32F : t == SEAM_REAL_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

/* cuBLAS counts columns first: its C [rows, n] is our out [n][rows]. */
void seam_cuda_product(struct seam_accel *a, enum seam_stage s, const struct seam_cuda_product *p)
{
    const float one = 1, beta = p->add ? 1 : 0;
    if (p->n == 0 || !seam_cuda_ok(a))
        return;
    seam_cuda_blas(a,
                   cublasGemmEx(a->blas[p->stream], CUBLAS_OP_T, CUBLAS_OP_N, (int)p->rows,
                                (int)p->n, (int)p->k, &one, p->w, CUDA_R_16BF, (int)p->w_row, p->x,
                                CUDA_R_16BF, (int)p->x_row, &beta, p->out, type_of(p->out_type),
                                (int)p->out_row, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                   "multiply matrices");
    a->work.flop[s] += 2.0 * p->rows * p->n * p->k;
}

const void *seam_cuda_matrix(struct seam_accel *a, const struct seam_accel_part *p,
                             enum seam_role role, uint8_t **at)
{
    const struct seam_accel_weight *w = &p->role[role];
    if (!w->host)
        return NULL;
    if (w->type == SEAM_CUDA_BF16)
        return w->device;
    void *to = *at;
    *at += SEAM_CUDA_ROUND(w->n * 2);
    if (*at > a->weights + a->weights_bytes)
        seam_cuda_did(a, cudaErrorMemoryAllocation, "unpack weights (more than planned)");
    else
        seam_cuda_did(a,
                      seam_kernel_dequantize(to, SEAM_REAL_BF16, w->device, w->type, w->n, a->grids,
                                             a->main),
                      "unpack weights");
    a->work.unpacked += w->bytes + w->n * 2;
    return to;
}

const float *seam_cuda_vector(const struct seam_accel_part *p, enum seam_role role)
{
    return p->role[role].host ? p->role[role].device : NULL;
}

struct seam_attention *seam_cuda_plan(struct seam_accel *a, uint32_t n_q, uint32_t n_kv)
{
    const struct seam_hparams *hp = a->hp;
    for (uint32_t i = 0; i < a->n_plan; i++)
        if (a->plan[i].shape.n_q == n_q && a->plan[i].shape.n_kv == n_kv)
            return &a->plan[i];
    struct seam_attention_shape s = {
        .n_head = hp->mla ? a->cut.heads : hp->n_head,
        .n_head_kv = hp->mla ? a->cut.heads : hp->n_head_kv,
        .d_qk = hp->d_head,
        .d_v = hp->d_v,
        .n_q = n_q,
        .n_kv = n_kv,
        .scale = hp->kq_scale,
    };
    s.q_token = (uint64_t)s.n_head * s.d_qk;
    s.o_token = (uint64_t)s.n_head * s.d_v;
    s.k_token = hp->mla ? (uint64_t)s.n_head * s.d_qk : a->kv_values;
    s.v_token = hp->mla ? (uint64_t)s.n_head * s.d_v : a->kv_values;
    struct seam_attention *plan = &a->plan[a->next_plan];
    if (a->next_plan < a->n_plan)
        seam_attention_release(plan); /* a run under way keeps what it needs */
    struct seam_err err = {0};
    seam_status st = seam_attention_init(plan, a->dnn, &s, &err);
    if (st == SEAM_OK && (uint64_t)plan->plan.workspace_bytes > SEAM_CUDA_DNN_WORKSPACE) {
        st = seam_fail(&err, SEAM_EUNSUPPORTED, "cuDNN wants %lld bytes of workspace for attention",
                       (long long)plan->plan.workspace_bytes);
        seam_attention_release(plan);
    }
    if (st != SEAM_OK) {
        plan->shape.n_q = 0; /* matches nothing */
        if (a->failed.status == SEAM_OK)
            a->failed = err;
        return NULL;
    }
    if (a->n_plan <= a->next_plan)
        a->n_plan = a->next_plan + 1;
    a->next_plan = (a->next_plan + 1) % SEAM_CUDA_PLANS;
    return plan;
}
