#include "engine/cuda/dnn.h"

#include <string.h>

void seam_dnn_begin(struct seam_dnn_plan *p, cudnnHandle_t handle)
{
    memset(p, 0, sizeof *p);
    p->handle = handle;
}

/* ---- descriptors: after the first failure nothing more is done ---- */

static bool check(struct seam_dnn_plan *p, cudnnStatus_t st, const char *what)
{
    if (p->failed == CUDNN_STATUS_SUCCESS && st != CUDNN_STATUS_SUCCESS) {
        p->failed = st;
        p->what = what;
    }
    return p->failed == CUDNN_STATUS_SUCCESS;
}

static seam_dnn_desc make(struct seam_dnn_plan *p, cudnnBackendDescriptorType_t type)
{
    seam_dnn_desc d = NULL;
    if (p->failed != CUDNN_STATUS_SUCCESS)
        return NULL;
    if (p->n_all == SEAM_DNN_DESCRIPTORS) {
        check(p, CUDNN_STATUS_INTERNAL_ERROR, "too many descriptors");
        return NULL;
    }
    if (check(p, cudnnBackendCreateDescriptor(type, &d), "create a descriptor"))
        p->all[p->n_all++] = d;
    return d;
}

static void set(struct seam_dnn_plan *p, seam_dnn_desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values, const char *what)
{
    if (p->failed == CUDNN_STATUS_SUCCESS)
        check(p, cudnnBackendSetAttribute(d, name, type, n, values), what);
}

static void set_desc(struct seam_dnn_plan *p, seam_dnn_desc d, cudnnBackendAttributeName_t name,
                     seam_dnn_desc value, const char *what)
{
    if (value)
        set(p, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value, what);
}

static void seal(struct seam_dnn_plan *p, seam_dnn_desc d, const char *what)
{
    if (p->failed == CUDNN_STATUS_SUCCESS)
        check(p, cudnnBackendFinalize(d), what);
}

static void add_op(struct seam_dnn_plan *p, seam_dnn_desc d, const char *what)
{
    seal(p, d, what);
    if (p->failed != CUDNN_STATUS_SUCCESS)
        return;
    if (p->n_op == SEAM_DNN_OPERATIONS)
        check(p, CUDNN_STATUS_INTERNAL_ERROR, "too many operations");
    else
        p->op[p->n_op++] = d;
}

seam_dnn_desc seam_dnn_tensor(struct seam_dnn_plan *p, cudnnDataType_t type, uint32_t n_dims,
                              const int64_t *dims, const int64_t *strides, enum seam_dnn_kind kind,
                              int64_t *uid)
{
    const char *what = "describe a tensor";
    seam_dnn_desc d = make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    int64_t id = ++p->last_uid, align = 16;
    bool yes = true;
    set(p, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, what);
    set(p, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, n_dims, dims, what);
    set(p, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, n_dims, strides, what);
    set(p, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id, what);
    set(p, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align, what);
    if (kind == SEAM_DNN_VIRTUAL)
        set(p, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes, what);
    if (kind == SEAM_DNN_VALUE)
        set(p, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes, what);
    seal(p, d, what);
    if (uid)
        *uid = id;
    return d;
}

void seam_dnn_pointwise(struct seam_dnn_plan *p, cudnnPointwiseMode_t mode,
                        cudnnDataType_t precision, int64_t axis, seam_dnn_desc x, seam_dnn_desc b,
                        seam_dnn_desc t, seam_dnn_desc y)
{
    const char *what = "describe a pointwise operation";
    seam_dnn_desc pw = make(p, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(p, pw, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode, what);
    set(p, pw, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &precision, what);
    if (axis >= 0)
        set(p, pw, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis, what);
    seal(p, pw, what);
    seam_dnn_desc d = make(p, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_desc(p, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pw, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y, what);
    add_op(p, d, what);
}

void seam_dnn_reduce(struct seam_dnn_plan *p, cudnnReduceTensorOp_t op, seam_dnn_desc x,
                     seam_dnn_desc y)
{
    const char *what = "describe a reduction";
    cudnnDataType_t precision = CUDNN_DATA_FLOAT;
    seam_dnn_desc r = make(p, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    set(p, r, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision, what);
    set(p, r, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &op, what);
    seal(p, r, what);
    seam_dnn_desc d = make(p, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    set_desc(p, d, CUDNN_ATTR_OPERATION_REDUCTION_DESC, r, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y, what);
    add_op(p, d, what);
}

void seam_dnn_matmul(struct seam_dnn_plan *p, seam_dnn_desc a, seam_dnn_desc b, seam_dnn_desc c)
{
    const char *what = "describe a product";
    cudnnDataType_t precision = CUDNN_DATA_FLOAT;
    seam_dnn_desc mm = make(p, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    set(p, mm, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision, what);
    seal(p, mm, what);
    seam_dnn_desc d = make(p, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    set_desc(p, d, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c, what);
    set_desc(p, d, CUDNN_ATTR_OPERATION_MATMUL_DESC, mm, what);
    add_op(p, d, what);
}

/* ---- an engine ---- */

static seam_dnn_desc heuristics(struct seam_dnn_plan *p, seam_dnn_desc graph)
{
    cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    seam_dnn_desc d = make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set_desc(p, d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph, "describe heuristics");
    set(p, d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, "describe heuristics");
    seal(p, d, "ask the heuristics");
    return d;
}

/* A plan from an engine's configuration; false: this engine cannot. */
static bool plan_of(struct seam_dnn_plan *p, seam_dnn_desc config)
{
    seam_dnn_desc d;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &d) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    int64_t n = 0;
    bool ok =
        cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                 &p->handle) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                 &config) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                 &n, &p->workspace_bytes) == CUDNN_STATUS_SUCCESS;
    if (ok)
        p->plan = d;
    else
        cudnnBackendDestroyDescriptor(d);
    return ok;
}

static void choose(struct seam_dnn_plan *p, seam_dnn_desc heuristic)
{
    enum { MOST = 16 };
    seam_dnn_desc config[MOST];
    int64_t n = 0;
    for (int i = 0; i < MOST; i++)
        config[i] = make(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (p->failed != CUDNN_STATUS_SUCCESS)
        return;
    check(p,
          cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, &n, config),
          "read the heuristics");
    for (int64_t i = 0; !p->plan && i < n && i < MOST; i++)
        plan_of(p, config[i]);
    if (!p->plan)
        check(p, CUDNN_STATUS_NOT_SUPPORTED, n ? "build any engine" : "find an engine");
}

seam_status seam_dnn_finish(struct seam_dnn_plan *p, const char *noun, struct seam_err *err)
{
    seam_dnn_desc graph = make(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(p, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, p->n_op, p->op,
        "describe a graph");
    set(p, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &p->handle,
        "describe a graph");
    seal(p, graph, "describe a graph");
    seam_dnn_desc h = heuristics(p, graph);
    choose(p, h);
    if (p->failed == CUDNN_STATUS_SUCCESS)
        return SEAM_OK;
    char last[256] = "";
    cudnnGetLastErrorString(last, sizeof last);
    cudnnStatus_t st = p->failed;
    const char *what = p->what;
    seam_dnn_release(p);
    return seam_fail(err, SEAM_EUNSUPPORTED, "cuDNN %zu cannot compute %s: %s: %s %s",
                     cudnnGetVersion(), noun, what, cudnnGetErrorString(st), last);
}

void seam_dnn_release(struct seam_dnn_plan *p)
{
    if (p->plan)
        cudnnBackendDestroyDescriptor(p->plan);
    while (p->n_all > 0)
        cudnnBackendDestroyDescriptor(p->all[--p->n_all]);
    memset(p, 0, sizeof *p);
}

seam_status seam_dnn_run(struct seam_dnn_plan *p, uint32_t n, const int64_t *uids,
                         void *const *pointers, void *workspace, struct seam_err *err)
{
    seam_dnn_desc pack; /* one a run: a sealed one cannot be set anew */
    cudnnStatus_t st = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (st != CUDNN_STATUS_SUCCESS)
        return seam_fail(err, SEAM_EIO, "cuDNN: %s", cudnnGetErrorString(st));
    st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n,
                                  uids);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                      CUDNN_TYPE_VOID_PTR, n, pointers);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                      1, &workspace);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendFinalize(pack);
    if (st == CUDNN_STATUS_SUCCESS)
        st = cudnnBackendExecute(p->handle, p->plan, pack);
    cudnnBackendDestroyDescriptor(pack);
    return st == CUDNN_STATUS_SUCCESS
               ? SEAM_OK
               : seam_fail(err, SEAM_EIO, "cuDNN: %s", cudnnGetErrorString(st));
}
