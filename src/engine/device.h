/* device.h - ggml's CPU backend, with a thread pool that sleeps between graphs. Other devices of ggml's are
 * offload.h's, those that sweep by themselves accel.h's.
 *
 * Thread: one thread computes; seam_device_cancel from any. Inside src/engine only. */
#ifndef SEAM_ENGINE_DEVICE_H
#define SEAM_ENGINE_DEVICE_H

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <stdatomic.h>

#include "base/err.h"

struct seam_device {
    ggml_backend_t backend;
    ggml_backend_buffer_type_t buft;
    /* Weights in it are rearranged, in as many bytes, for faster products. NULL: none here. */
    ggml_backend_buffer_type_t repack;
    struct ggml_threadpool *threads;
    void (*threads_free)(struct ggml_threadpool *);
    int n_threads;
    atomic_bool canceled;
    char name[160];
};

/* Let ggml find its backends; once is enough, and seam_device_init() does it. Any thread. */
void seam_device_load(void);
/* n_threads 0: the machine's performance cores. SEAM_EUNSUPPORTED: ggml has no CPU backend
 * installed (the story says which package holds it). Release ends what init filled. */
seam_status seam_device_init(struct seam_device *d, int n_threads, struct seam_err *err);
void seam_device_release(struct seam_device *d);

bool seam_device_is_gpu(ggml_backend_dev_t dev);

/* Run a graph whose tensors all have memory. SEAM_ECANCELED: seam_device_cancel was called, now or
 * before; the flag stays until it is cleared. */
seam_status seam_device_compute(struct seam_device *d, struct ggml_cgraph *g, struct seam_err *err);
void seam_device_cancel(struct seam_device *d);
void seam_device_cancel_clear(struct seam_device *d);
bool seam_device_canceled(const struct seam_device *d);

/* Host memory as a buffer that graphs may read and write; `p` stays the caller's. NULL: none. */
ggml_backend_buffer_t seam_device_wrap(struct seam_device *d, void *p, size_t len);

#endif
