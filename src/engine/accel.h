/* accel.h - a device that sweeps by itself: what compute.c's sweep does on the CPU, done elsewhere.
 *
 *   store --part--> put (copies to a slot of the device)        copier's thread
 *                    |
 *   begin, embed, for each layer: attention, rows, feed_forward, end      the engine's thread
 *
 * Hidden states stay on the device from embed to end. A layer's KV rows come back in the pool's layout,
 * byte for byte as compute.c would write them, while the device goes on. A row per kind of device in
 * device.c's table; sweep.c drives it.
 * Thread: put on one thread, everything else on another; the two never touch the same part at once.
 * Inside src/engine, but for the structs that `seam bench sweep` prints. */
#ifndef SEAM_ENGINE_ACCEL_H
#define SEAM_ENGINE_ACCEL_H

#include "engine/engine.h"

struct seam_accel_weight { /* a tensor of a part, as the file holds it */
    const void *host;      /* NULL: the layer has none */
    const void *device;    /* after put; the host's where both share memory */
    uint32_t type;         /* ggml's number */
    uint64_t n, bytes;
};

struct seam_accel_part { /* what is needed together: see store.h's units */
    uint32_t slot;       /* place on the device */
    uint32_t layer;
    struct seam_accel_weight role[SEAM_ROLE_COUNT];
};
/* Attention parts take turns in slots 0 and 1, feed-forward parts and the embedding in 2 and 3 (or 2 alone:
 * struct seam_accel_memory). */
#define SEAM_ACCEL_SLOTS 4u

/* What the device spends its time on. A stage's nanoseconds are those of the stream that computes. */
#define SEAM_STAGE_MAP(X)                                                       \
    X(EMBED, "embed", "rows of the embedding")                                  \
    X(UNPACK, "unpack", "weights of attention, dense and shared parts to bf16") \
    X(PROJECT, "project", "norms, query and latent projections, rope, KV rows") \
    X(EXPAND, "expand", "keys and values of all heads from latents")            \
    X(ATTEND, "attend", "softmax(q k) v, or DeltaNet's recurrence")             \
    X(OUT, "out", "output projection")                                          \
    X(ROUTE, "route", "router, sorting tokens by expert")                       \
    X(EXPERTS, "experts", "routed experts, their weights to bf16 beside")       \
    X(DENSE, "dense", "dense feed-forward and shared expert")                   \
    X(COMBINE, "combine", "weighted sum of the experts")                        \
    X(WAIT, "wait", "for weights, or for the host")
enum seam_stage {
#define X(id, name, text) SEAM_STAGE_##id,
    SEAM_STAGE_MAP(X)
#undef X
        SEAM_STAGE_COUNT
};
const char *seam_stage_name(enum seam_stage s);

struct seam_accel_work { /* of the last sweep */
    double ns[SEAM_STAGE_COUNT];
    double flop[SEAM_STAGE_COUNT]; /* of products and attention only */
    double total_ns;               /* from the first to the last operation of the device */
    double copy_ns;                /* host to device, time copying */
    uint64_t copied, unpacked;     /* bytes to the device; bytes read and written by dequantising */
};

struct seam_accel_limits { /* what the device can do, measured */
    double matmul_flops;   /* bf16 products of 8192 x 8192 x 8192, a second */
    double attend_flops;   /* causal attention of the model's heads over n tokens, a second */
    double copy_rate;      /* pinned host to device, bytes a second */
    double device_rate;    /* within the device, bytes read plus written a second */
};

struct seam_accel_memory { /* bytes of the device, planned at open */
    uint64_t hidden, rows, total;
    uint32_t n_slot; /* slots of feed-forward parts: 1 or 2 */
};

struct seam_accel; /* the device's own */
struct seam_accel_ops {
    const char *name; /* of --device: "cuda" */
    /* SEAM_EUNSUPPORTED: no such device here, its driver is too old, or it cannot sweep this model.
     * SEAM_ENOMEM: its memory is too small for this context (the story says which fits).
     * n_ctx tokens; kv_f32: type of KV rows; limit: most bytes of device memory, 0: what is free. */
    seam_status (*open)(struct seam_accel **out, const struct seam_model *m, uint32_t n_ctx,
                        bool kv_f32, uint64_t limit, struct seam_err *err);
    void (*close)(struct seam_accel *a);
    const char *(*device)(const struct seam_accel *a); /* "NVIDIA H200 (cuDNN 9.19)" */
    bool (*shares_memory)(const struct seam_accel *a); /* parts are read where the host has them */
    const struct seam_accel_memory *(*memory)(const struct seam_accel *a);
    /* Host memory that copies will touch, locked in place until close. Slower without. */
    void (*pin)(struct seam_accel *a, void *p, uint64_t bytes);

    /* Copy a part's tensors to its slot, whose former user must have been launched. Returns when the
     * host's bytes are no longer needed (at once where memory is shared). */
    seam_status (*put)(struct seam_accel *a, struct seam_accel_part *p, struct seam_err *err);

    /* All of these launch and may return before the device is done. Positions [n0, n1) are swept, rows
     * of [0, n0) are the caller's. */
    seam_status (*begin)(struct seam_accel *a, uint32_t n0, uint32_t n1, struct seam_err *err);
    seam_status (*embed)(struct seam_accel *a, const struct seam_accel_part *p,
                         const int32_t *tokens, struct seam_err *err);
    /* rows: the layer's rows in the lane, from position 0; those from n0 on are written, final after
     * `rows`. Of a layer with a state: that of n0 tokens, which becomes that of n1. only_rows: the last
     * layer. */
    seam_status (*attention)(struct seam_accel *a, const struct seam_accel_part *p, void *rows,
                             bool only_rows, struct seam_err *err);
    seam_status (*feed_forward)(struct seam_accel *a, const struct seam_accel_part *p,
                                struct seam_err *err);
    /* Wait for a layer's rows; for all computing launched so far. */
    seam_status (*rows)(struct seam_accel *a, uint32_t layer, struct seam_err *err);
    seam_status (*sync)(struct seam_accel *a, struct seam_err *err);
    /* Wait for everything launched; also after a failure. work, and spans of layers in trace (either may
     * be NULL): when the device really computed. */
    seam_status (*end)(struct seam_accel *a, struct seam_accel_work *work, struct seam_trace *trace,
                       struct seam_err *err);
    /* Outside of a sweep. */
    seam_status (*measure)(struct seam_accel *a, uint32_t n, struct seam_accel_limits *l,
                           struct seam_err *err);
    uint64_t (*used)(
        const struct seam_accel *a); /* bytes the device says this process took since open */
};

/* By name; NULL: not in this build. name NULL: the first there is. */
const struct seam_accel_ops *seam_accel_find(const char *name);

#endif
