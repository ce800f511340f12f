#include "engine/cuda/libraries.h"

#include <cublas_v2.h>
#include <cudnn.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

/* X(returns, before it is loaded, name, parameters, arguments): NVIDIA's cublas_api.h and cudnn_graph.h */
#define CUBLAS_MAP(X)                                                                              \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasCreate_v2, (cublasHandle_t * h), (h))   \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasDestroy_v2, (cublasHandle_t h), (h))    \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasSetStream_v2,                           \
      (cublasHandle_t h, cudaStream_t s), (h, s))                                                  \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasSetWorkspace_v2,                        \
      (cublasHandle_t h, void *p, size_t n), (h, p, n))                                            \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasGemmEx,                                 \
      (cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,          \
       const void *alpha, const void *a, cudaDataType at, int lda, const void *b, cudaDataType bt, \
       int ldb, const void *beta, void *c, cudaDataType ct, int ldc, cublasComputeType_t compute,  \
       cublasGemmAlgo_t algo),                                                                     \
      (h, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, compute, algo))        \
    X(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasGemmStridedBatchedEx,                   \
      (cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,          \
       const void *alpha, const void *a, cudaDataType at, int lda, long long int sa,               \
       const void *b, cudaDataType bt, int ldb, long long int sb, const void *beta, void *c,       \
       cudaDataType ct, int ldc, long long int sc, int count, cublasComputeType_t compute,         \
       cublasGemmAlgo_t algo),                                                                     \
      (h, ta, tb, m, n, k, alpha, a, at, lda, sa, b, bt, ldb, sb, beta, c, ct, ldc, sc, count,     \
       compute, algo))                                                                             \
    X(const char *, "cuBLAS is not loaded", cublasGetStatusString, (cublasStatus_t s), (s))

#define CUDNN_MAP(X)                                                                      \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnCreate, (cudnnHandle_t * h), (h)) \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnDestroy, (cudnnHandle_t h), (h))  \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnSetStream,                        \
      (cudnnHandle_t h, cudaStream_t s), (h, s))                                          \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendCreateDescriptor,          \
      (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t * d), (type, d))       \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendDestroyDescriptor,         \
      (cudnnBackendDescriptor_t d), (d))                                                  \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendFinalize,                  \
      (cudnnBackendDescriptor_t d), (d))                                                  \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendSetAttribute,              \
      (cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,                      \
       cudnnBackendAttributeType_t type, int64_t n, const void *v),                       \
      (d, name, type, n, v))                                                              \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendGetAttribute,              \
      (cudnnBackendDescriptor_t const d, cudnnBackendAttributeName_t name,                \
       cudnnBackendAttributeType_t type, int64_t most, int64_t *n, void *v),              \
      (d, name, type, most, n, v))                                                        \
    X(cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, cudnnBackendExecute,                   \
      (cudnnHandle_t h, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack),    \
      (h, plan, pack))                                                                    \
    X(const char *, "cuDNN is not loaded", cudnnGetErrorString, (cudnnStatus_t s), (s))   \
    X(size_t, 0, cudnnGetVersion, (void), ())

#define FORWARD(returns, before, name, parameters, arguments) \
    static returns(*name##_at) parameters;                    \
    returns name parameters                                   \
    {                                                         \
        return name##_at ? name##_at arguments : before;      \
    }
CUBLAS_MAP(FORWARD)
CUDNN_MAP(FORWARD)

static void (*last_error_at)(char *message, size_t most);
void cudnnGetLastErrorString(char *message, size_t most)
{
    if (last_error_at)
        last_error_at(message, most);
    else if (most)
        *message = '\0';
}

struct symbol {
    const char *name;
    void **at;
};
#define SYMBOL(returns, before, name, parameters, arguments) {#name, (void **)(void *)&name##_at},
static const struct symbol cublas_symbols[] = {CUBLAS_MAP(SYMBOL){NULL, NULL}};
static const struct symbol cudnn_symbols[] = {CUDNN_MAP(SYMBOL){"cudnnGetLastErrorString",
                                                                (void **)(void *)&last_error_at},
                                              {NULL, NULL}};

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
static const char cublas_file[] = "libcublas.so." TEXT(CUBLAS_VER_MAJOR);
static const char cudnn_file[] = "libcudnn.so." TEXT(CUDNN_MAJOR);

static struct seam_err failure; /* of the one attempt */

/* As the system's loader finds it (LD_LIBRARY_PATH, ldconfig's list), then where the build found it, then where
 * NVIDIA's installers put it. */
static void *open_library(const char *file, const char *folder)
{
    const char *const folders[] = {folder, "/usr/local/cuda/lib64"};
    char path[1024];
    void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; !lib && i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], file);
        lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return lib;
}

static bool bind(const char *file, const char *folder, const struct symbol *symbols)
{
    void *lib = open_library(file, folder);
    if (!lib) {
        const char *why = dlerror();
        seam_fail(&failure, SEAM_EUNSUPPORTED,
                  "the CUDA sweep needs %s, which cannot be loaded (%s): install it, name its "
                  "folder in LD_LIBRARY_PATH, or use --device cpu",
                  file, why ? why : "no reason given");
        return false;
    }
    for (const struct symbol *s = symbols; s->name; s++) {
        *s->at = dlsym(lib, s->name);
        if (!*s->at) {
            seam_fail(&failure, SEAM_EUNSUPPORTED, "the installed %s has no %s", file, s->name);
            return false;
        }
    }
    return true;
}

static void load(void)
{
    if (bind(cublas_file, SEAM_CUBLAS_DIR, cublas_symbols))
        bind(cudnn_file, SEAM_CUDNN_DIR, cudnn_symbols);
}

seam_status seam_cuda_libraries_load(struct seam_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (failure.status != SEAM_OK && err)
        *err = failure;
    return failure.status;
}
