/* dnn.h - a cuDNN operation graph through the C (backend) API: tensors, operations, a plan, a run.
 *
 * Build: describe tensors and operations, which never fail on the spot (the first failure is kept and
 * told by seam_dnn_finish), then let cuDNN's heuristics choose an engine. The graph's descriptors live
 * as long as the plan.
 * Thread: one at a time. Inside src/engine/cuda only. Formats: cudnn_graph.h of cuDNN 9. */
#ifndef SEAM_ENGINE_CUDA_DNN_H
#define SEAM_ENGINE_CUDA_DNN_H

#include <cudnn.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SEAM_DNN_DESCRIPTORS 96
#define SEAM_DNN_OPERATIONS  24

typedef cudnnBackendDescriptor_t seam_dnn_desc;

struct seam_dnn_plan {
    cudnnHandle_t handle; /* borrowed */
    seam_dnn_desc all[SEAM_DNN_DESCRIPTORS], op[SEAM_DNN_OPERATIONS], plan;
    uint32_t n_all, n_op;
    int64_t last_uid;
    int64_t workspace_bytes;
    cudnnStatus_t failed; /* the first failure, and of what */
    const char *what;
};

enum seam_dnn_kind { SEAM_DNN_MEMORY, SEAM_DNN_VIRTUAL, SEAM_DNN_VALUE /* a host scalar */ };

void seam_dnn_begin(struct seam_dnn_plan *p, cudnnHandle_t handle);
/* A tensor of n_dims dimensions; strides in values. *uid (may be NULL) gets its number. */
seam_dnn_desc seam_dnn_tensor(struct seam_dnn_plan *p, cudnnDataType_t type, uint32_t n_dims,
                              const int64_t *dims, const int64_t *strides, enum seam_dnn_kind kind,
                              int64_t *uid);
/* y = x (mode) b, selected by t; b and t may be NULL. axis: of GEN_INDEX, else -1. */
void seam_dnn_pointwise(struct seam_dnn_plan *p, cudnnPointwiseMode_t mode,
                        cudnnDataType_t precision, int64_t axis, seam_dnn_desc x, seam_dnn_desc b,
                        seam_dnn_desc t, seam_dnn_desc y);
void seam_dnn_reduce(struct seam_dnn_plan *p, cudnnReduceTensorOp_t op, seam_dnn_desc x,
                     seam_dnn_desc y);
/* c = a b */
void seam_dnn_matmul(struct seam_dnn_plan *p, seam_dnn_desc a, seam_dnn_desc b, seam_dnn_desc c);
/* Choose an engine. SEAM_EUNSUPPORTED: cuDNN has none for this graph on this device (`noun`: what it
 * is, for the story). After a failure the plan is empty. */
seam_status seam_dnn_finish(struct seam_dnn_plan *p, const char *noun, struct seam_err *err);
void seam_dnn_release(struct seam_dnn_plan *p);

/* Run on the handle's stream. SEAM_EIO: cuDNN refused. */
seam_status seam_dnn_run(struct seam_dnn_plan *p, uint32_t n, const int64_t *uids,
                         void *const *pointers, void *workspace, struct seam_err *err);

#endif
