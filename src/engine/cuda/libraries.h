/* libraries.h - cuBLAS and cuDNN, loaded when the first device is opened and not before: linked, they cost every
 * command that never sees a GPU 1.4 s and 220 MB at its start. libraries.c defines the functions that this folder
 * calls, under their own names, and passes each call on. Thread: any. */
#ifndef SEAM_ENGINE_CUDA_LIBRARIES_H
#define SEAM_ENGINE_CUDA_LIBRARIES_H

#include "base/err.h"

/* SEAM_EUNSUPPORTED: a library is not there, or has not what is needed; the story says which. */
seam_status seam_cuda_libraries_load(struct seam_err *err);

#endif
