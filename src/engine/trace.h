/* trace.h - what happened when, one row per layer, filled by the sweep (read, compute) and by the
 * handoff (send). Monotonic nanoseconds; 0 = did not happen. Owned by the request. */
#ifndef SEAM_ENGINE_TRACE_H
#define SEAM_ENGINE_TRACE_H

#include <stdint.h>

struct seam_span { /* first begin .. last end, and the time really busy in between */
    uint64_t begin_ns, end_ns, busy_ns;
    uint64_t bytes;
};
struct seam_trace_layer {
    struct seam_span read, compute, send;
    struct seam_span copy; /* to a device with memory of its own; stays on this machine */
    uint64_t wait_ns;      /* compute stood still for weights */
};
struct seam_trace {
    uint32_t n_layer;
    struct seam_trace_layer *layers; /* n_layer rows, owned by whoever made the trace */
    uint64_t begin_ns, compute_end_ns, end_ns;
    uint64_t weight_bytes_peak; /* most weight bytes held at once during this sweep */
};

static inline void seam_span_add(struct seam_span *s, uint64_t begin_ns, uint64_t end_ns,
                                 uint64_t bytes)
{
    if (!s->begin_ns || begin_ns < s->begin_ns)
        s->begin_ns = begin_ns;
    if (end_ns > s->end_ns)
        s->end_ns = end_ns;
    s->busy_ns += end_ns - begin_ns;
    s->bytes += bytes;
}

#endif
