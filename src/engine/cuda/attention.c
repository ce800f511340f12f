#include "engine/cuda/attention.h"

#include <math.h>
#include <string.h>

#define DIMS 4

/* The scores [1, n_head, n_q, n_kv], or what is one per row of them; never in memory. */
static seam_dnn_desc inner(struct seam_attention *a, cudnnDataType_t type, bool row)
{
    const int64_t heads = a->shape.n_head, q = a->shape.n_q, kv = row ? 1 : a->shape.n_kv;
    const int64_t dims[DIMS] = {1, heads, q, kv}, strides[DIMS] = {heads * q * kv, q * kv, kv, 1};
    return seam_dnn_tensor(&a->plan, type, DIMS, dims, strides, SEAM_DNN_VIRTUAL, NULL);
}

static seam_dnn_desc scores(struct seam_attention *a)
{
    return inner(a, CUDNN_DATA_FLOAT, false);
}

static seam_dnn_desc scalar(struct seam_attention *a, cudnnDataType_t type, enum seam_dnn_kind kind,
                            int64_t *uid)
{
    const int64_t one[DIMS] = {1, 1, 1, 1};
    return seam_dnn_tensor(&a->plan, type, DIMS, one, one, kind, uid);
}

/* [n][heads][width] as the [1, heads, n, width] that cuDNN wants; turned: [1, heads, width, n]. */
static seam_dnn_desc outer(struct seam_attention *a, int64_t n, int64_t heads, int64_t width,
                           uint64_t token, bool turned, int64_t *uid)
{
    const int64_t t = (int64_t)token;
    const int64_t dims[DIMS] = {1, heads, turned ? width : n, turned ? n : width};
    const int64_t strides[DIMS] = {n * t, width, turned ? 1 : t, turned ? t : 1};
    return seam_dnn_tensor(&a->plan, CUDNN_DATA_BFLOAT16, DIMS, dims, strides, SEAM_DNN_MEMORY,
                           uid);
}

static seam_dnn_desc index_of(struct seam_attention *a, seam_dnn_desc x, int axis,
                              cudnnDataType_t precision)
{
    seam_dnn_desc y = inner(a, CUDNN_DATA_INT32, false);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_GEN_INDEX, precision, axis, x, NULL, NULL, y);
    return y;
}

static seam_dnn_desc two(struct seam_attention *a, cudnnPointwiseMode_t mode, cudnnDataType_t type,
                         seam_dnn_desc x, seam_dnn_desc b)
{
    seam_dnn_desc y = inner(a, type, false);
    seam_dnn_pointwise(&a->plan, mode, type, -1, x, b, NULL, y);
    return y;
}

/* x where yes, else minus infinity. */
static seam_dnn_desc keep(struct seam_attention *a, seam_dnn_desc x, seam_dnn_desc yes,
                          seam_dnn_desc nothing)
{
    seam_dnn_desc y = scores(a);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, -1, x, nothing,
                       yes, y);
    return y;
}

/* row + seen - n >= column */
static seam_dnn_desc causal(struct seam_attention *a, seam_dnn_desc x, seam_dnn_desc len_q,
                            seam_dnn_desc len_kv, seam_dnn_desc nothing)
{
    seam_dnn_desc row = index_of(a, x, 2, CUDNN_DATA_FLOAT);
    seam_dnn_desc column = index_of(a, x, 3, CUDNN_DATA_FLOAT);
    row = two(a, CUDNN_POINTWISE_ADD, CUDNN_DATA_INT32, row, len_kv);
    row = two(a, CUDNN_POINTWISE_SUB, CUDNN_DATA_INT32, row, len_q);
    return keep(a, x, two(a, CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, row, column), nothing);
}

/* The sum of a row's exponentials as log(sum) + most, [1, heads, n_q, 1] in memory. */
static void remember_sum(struct seam_attention *a, seam_dnn_desc most, seam_dnn_desc sum)
{
    const int64_t heads = a->shape.n_head, q = a->shape.n_q;
    const int64_t dims[DIMS] = {1, heads, q, 1}, strides[DIMS] = {heads * q, q, 1, 1};
    seam_dnn_desc log = inner(a, CUDNN_DATA_FLOAT, true);
    seam_dnn_desc to =
        seam_dnn_tensor(&a->plan, CUDNN_DATA_FLOAT, DIMS, dims, strides, SEAM_DNN_MEMORY, &a->sum);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_LOG, CUDNN_DATA_FLOAT, -1, sum, NULL, NULL, log);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, -1, most, log, NULL, to);
}

static seam_dnn_desc softmax(struct seam_attention *a, seam_dnn_desc x)
{
    seam_dnn_desc most = inner(a, CUDNN_DATA_FLOAT, true), sum = inner(a, CUDNN_DATA_FLOAT, true);
    seam_dnn_reduce(&a->plan, CUDNN_REDUCE_TENSOR_MAX, x, most);
    x = two(a, CUDNN_POINTWISE_SUB, CUDNN_DATA_FLOAT, x, most);
    seam_dnn_desc e = scores(a), p = inner(a, CUDNN_DATA_BFLOAT16, false);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_EXP, CUDNN_DATA_FLOAT, -1, x, NULL, NULL, e);
    seam_dnn_reduce(&a->plan, CUDNN_REDUCE_TENSOR_ADD, e, sum);
    remember_sum(a, most, sum);
    seam_dnn_pointwise(&a->plan, CUDNN_POINTWISE_DIV, CUDNN_DATA_FLOAT, -1, e, sum, NULL, p);
    return p;
}

seam_status seam_attention_init(struct seam_attention *a, cudnnHandle_t handle,
                                const struct seam_attention_shape *shape, struct seam_err *err)
{
    memset(a, 0, sizeof *a);
    a->shape = *shape;
    seam_dnn_begin(&a->plan, handle);
    seam_dnn_desc q =
        outer(a, shape->n_q, shape->n_head, shape->d_qk, shape->q_token, false, &a->q);
    seam_dnn_desc k =
        outer(a, shape->n_kv, shape->n_head_kv, shape->d_qk, shape->k_token, true, &a->k);
    seam_dnn_desc v =
        outer(a, shape->n_kv, shape->n_head_kv, shape->d_v, shape->v_token, false, &a->v);
    seam_dnn_desc o = outer(a, shape->n_q, shape->n_head, shape->d_v, shape->o_token, false, &a->o);
    seam_dnn_desc len_q = scalar(a, CUDNN_DATA_INT32, SEAM_DNN_VALUE, &a->len_q);
    seam_dnn_desc len_kv = scalar(a, CUDNN_DATA_INT32, SEAM_DNN_VALUE, &a->len_kv);
    seam_dnn_desc scale = scalar(a, CUDNN_DATA_FLOAT, SEAM_DNN_VALUE, &a->scale);
    seam_dnn_desc nothing = scalar(a, CUDNN_DATA_FLOAT, SEAM_DNN_VALUE, &a->nothing);
    seam_dnn_desc s = scores(a);
    seam_dnn_matmul(&a->plan, q, k, s);
    s = two(a, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, s, scale);
    s = causal(a, s, len_q, len_kv, nothing);
    seam_dnn_matmul(&a->plan, softmax(a, s), v, o);
    return seam_dnn_finish(&a->plan, "attention", err);
}

void seam_attention_release(struct seam_attention *a)
{
    seam_dnn_release(&a->plan);
}

seam_status seam_attention_run(struct seam_attention *a, const void *q, const void *k,
                               const void *v, void *o, float *sum, void *workspace,
                               struct seam_err *err)
{
    float minus_infinity = -INFINITY;
    int32_t n_q = (int32_t)a->shape.n_q, n_kv = (int32_t)a->shape.n_kv;
    const int64_t uids[] = {a->q,     a->k,      a->v,     a->o,      a->sum,
                            a->len_q, a->len_kv, a->scale, a->nothing};
    void *const pointers[] =
        {(void *)(uintptr_t)q, (void *)(uintptr_t)k, (void *)(uintptr_t)v, o, sum, &n_q, &n_kv,
         &a->shape.scale,      &minus_infinity};
    return seam_dnn_run(&a->plan, sizeof uids / sizeof *uids, uids, pointers, workspace, err);
}
