#include "engine/device.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/os/os.h"
#include "engine/accel.h"
#include "engine/gemm.h"

static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void ggml_line(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    size_t len = strcspn(text, "\n");
    if (len == 0)
        return;
    if (level == GGML_LOG_LEVEL_ERROR)
        seam_error("ggml: %.*s", (int)len, text);
    else
        seam_debug("ggml: %.*s", (int)len, text);
}

/* ggml's CPU kernels are plug-ins, one per instruction set, chosen here. */
static void load_backends(void)
{
    ggml_log_set(ggml_line, NULL);
    ggml_backend_load_all();
    seam_gemm_load();
}

void seam_device_load(void)
{
    pthread_once(&load_once, load_backends);
}

bool seam_device_is_gpu(ggml_backend_dev_t dev)
{
    enum ggml_backend_dev_type t = ggml_backend_dev_type(dev);
    return t == GGML_BACKEND_DEVICE_TYPE_GPU || t == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

bool seam_device_canceled(const struct seam_device *d)
{
    return atomic_load_explicit(&d->canceled, memory_order_relaxed);
}

static bool is_canceled(void *user)
{
    return seam_device_canceled(user);
}

/* Devices that sweep by themselves, best first. */
#ifdef SEAM_CUDA
extern const struct seam_accel_ops seam_accel_cuda;
#endif
static const struct seam_accel_ops *const accels[] = {
#ifdef SEAM_CUDA
    &seam_accel_cuda,
#endif
    NULL,
};

const struct seam_accel_ops *seam_accel_find(const char *name)
{
    const struct seam_accel_ops *const *a = accels;
    while (*a && name && strcmp((*a)->name, name) != 0)
        a++;
    return *a;
}

const char *seam_stage_name(enum seam_stage s)
{
    static const char *const names[] = {
#define X(id, name, text) name,
        SEAM_STAGE_MAP(X)
#undef X
    };
    return names[s];
}

/* The thread-pool calls live in the plug-in and are reached by name. Polling is off: two nodes of
 * one machine, and the loader and sender threads beside them, need the cores that spinning eats. */
static void start_threads(struct seam_device *d, ggml_backend_reg_t reg)
{
    struct ggml_threadpool *(*create)(struct ggml_threadpool_params *);
    void (*use)(ggml_backend_t, struct ggml_threadpool *);
    *(void **)&create = ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_new");
    *(void **)&d->threads_free = ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_free");
    *(void **)&use = ggml_backend_reg_get_proc_address(reg, "ggml_backend_cpu_set_threadpool");
    if (!create || !d->threads_free || !use)
        return; /* an older ggml: a thread pool per graph */
    struct ggml_threadpool_params params = ggml_threadpool_params_default(d->n_threads);
    params.poll = 0;
    d->threads = create(&params);
    if (d->threads)
        use(d->backend, d->threads);
}

/* Of the CPU's extra buffer types the one that keeps every tensor's size (AMX's does not). */
static ggml_backend_buffer_type_t find_repack(ggml_backend_dev_t dev, ggml_backend_reg_t reg)
{
    ggml_backend_dev_get_extra_bufts_t get = (ggml_backend_dev_get_extra_bufts_t)(uintptr_t)
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_dev_get_extra_bufts");
    ggml_backend_buffer_type_t *b = get ? get(dev) : NULL;
    while (b && *b && strcmp(ggml_backend_buft_name(*b), "CPU_REPACK") != 0)
        b++;
    return b ? *b : NULL;
}

seam_status seam_device_init(struct seam_device *d, int n_threads, struct seam_err *err)
{
    memset(d, 0, sizeof *d);
    seam_device_load();
    ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!dev)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "ggml %s has no CPU backend installed (run 'make setup')", ggml_version());
    d->backend = ggml_backend_dev_init(dev, NULL);
    if (!d->backend)
        return seam_fail(err, SEAM_EIO, "ggml cannot start its CPU backend");
    d->buft = ggml_backend_get_default_buffer_type(d->backend);
    d->n_threads = n_threads > 0 ? n_threads : seam_os_performance_cores();

    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(dev);
    d->repack = find_repack(dev, reg);
    ggml_backend_set_n_threads_t set_threads = (ggml_backend_set_n_threads_t)(uintptr_t)
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads");
    if (set_threads)
        set_threads(d->backend, d->n_threads);
    start_threads(d, reg);
    ggml_backend_set_abort_callback_t set_abort = (ggml_backend_set_abort_callback_t)(uintptr_t)
        ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_abort_callback");
    if (set_abort)
        set_abort(d->backend, is_canceled, d);
    snprintf(d->name, sizeof d->name, "%s (ggml %s, %d threads)", ggml_backend_dev_description(dev),
             ggml_version(), d->n_threads);
    return SEAM_OK;
}

void seam_device_release(struct seam_device *d)
{
    if (d->backend)
        ggml_backend_free(d->backend);
    if (d->threads)
        d->threads_free(d->threads);
    d->backend = NULL;
    d->threads = NULL;
}

seam_status seam_device_compute(struct seam_device *d, struct ggml_cgraph *g, struct seam_err *err)
{
    if (is_canceled(d))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    enum ggml_status st = ggml_backend_graph_compute(d->backend, g);
    if (st == GGML_STATUS_SUCCESS)
        return SEAM_OK;
    if (st == GGML_STATUS_ABORTED)
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (st == GGML_STATUS_ALLOC_FAILED)
        return seam_fail(err, SEAM_ENOMEM, "ggml could not allocate its work buffer");
    return seam_fail(err, SEAM_EINTERNAL, "ggml graph failed: %s", ggml_status_to_string(st));
}

void seam_device_cancel(struct seam_device *d)
{
    atomic_store(&d->canceled, true);
}

void seam_device_cancel_clear(struct seam_device *d)
{
    atomic_store(&d->canceled, false);
}

ggml_backend_buffer_t seam_device_wrap(struct seam_device *d, void *p, size_t len)
{
    (void)d;
    return ggml_backend_cpu_buffer_from_ptr(p, len);
}
