/* inventory.h - what there is: machines, links and models by card, and a user's cluster of them.
 * Cards come with the program (cards.yaml, built in) and from the user's file, read by one schema;
 * docs/plan.md describes it. Each number has a unit, may be three numbers, and has a source.
 * Errors begin with FILE:LINE: KEY. Thread: immutable after open. */
#ifndef SEAM_PLAN_INVENTORY_H
#define SEAM_PLAN_INVENTORY_H

#include <stdint.h>

#include "plan/quantity.h"

#define SEAM_PLAN_NODES  6u /* a home has no more; all subsets and orders are tried */
#define SEAM_PLAN_POINTS 200u

/* X(enum, key, unit, least, most, needed): one row per number of a machine */
#define SEAM_RATE_MAP(X)                                                                       \
    X(MEMORY, memory, SEAM_UNIT_BYTES, 1e9, 4.5e12, true)                                      \
    X(USABLE, usable, SEAM_UNIT_BYTES, 5e8, 4.5e12, true)  /* by an engine, out of the box */  \
    X(RAISED, raised, SEAM_UNIT_BYTES, 5e8, 4.5e12, false) /* after raising the limit */       \
    X(BANDWIDTH, bandwidth, SEAM_UNIT_BANDWIDTH, 5e8, 2e13, true)                              \
    X(DECODE, decode, SEAM_UNIT_SHARE, 0.05, 1, true) /* of bandwidth, reached in decode */    \
    X(KV, kv, SEAM_UNIT_SHARE, 0.02, 1, false)        /* of bandwidth, reading KV in decode */ \
    X(MATMUL, matmul, SEAM_UNIT_FLOPS, 1e8, 5e15, true)                                        \
    X(ATTENTION, attention, SEAM_UNIT_FLOPS, 1e8, 5e15, true)                                  \
    X(DELTA, delta, SEAM_UNIT_SHARE, 0.001, 1, false) /* of attention, in gated DeltaNet */    \
    X(DISK, disk, SEAM_UNIT_BANDWIDTH, 1e7, 2e11, true)                                        \
    X(CONTENTION, contention, SEAM_UNIT_SHARE, 0, 0.95, true) /* of compute, lost to reads */  \
    X(LAYER, layer, SEAM_UNIT_SECONDS, 0, 0.1, true)          /* fixed, per decode layer */    \
    X(POWER, power, SEAM_UNIT_WATTS, 1, 5000, true)                                            \
    X(IDLE, idle, SEAM_UNIT_WATTS, 0, 2000, true)

enum seam_rate {
#define X(id, key, unit, least, most, needed) SEAM_RATE_##id,
    SEAM_RATE_MAP(X)
#undef X
        SEAM_RATE_COUNT
};
struct seam_rate_row {
    const char *key;
    enum seam_unit unit;
    double least, most;
    bool needed;
};
const struct seam_rate_row *seam_rate_row(enum seam_rate r);

enum seam_vendor { SEAM_VENDOR_APPLE, SEAM_VENDOR_NVIDIA, SEAM_VENDOR_OTHER };

/* What was measured of Seam's own engine, beside the numbers above (docs/probe.md). X(enum, key, unit,
 * least, most): one row per kind of point; rates.h uses them */
#define SEAM_POINT_MAP(X)                                                                   \
    X(PRODUCT, product, SEAM_UNIT_FLOPS, 1e6, 5e15)   /* of a type, times `at` columns */   \
    X(PREFILL, prefill, SEAM_UNIT_FLOPS, 1e6, 5e15)   /* attention of a chunk, `at` deep */ \
    X(ABSORBED, absorbed, SEAM_UNIT_FLOPS, 1e6, 5e15) /* the same on MLA's latents */       \
    X(STEP, step, SEAM_UNIT_FLOPS, 1e6, 5e15)         /* attention of one token */          \
    X(DENSE, dense, SEAM_UNIT_BANDWIDTH, 1e6, 1e15)   /* the rest of a layer's prefill */   \
    X(MIXTURE, mixture, SEAM_UNIT_BANDWIDTH, 1e6, 1e15)                                     \
    X(STATE, state, SEAM_UNIT_FLOPS, 1e6, 5e15) /* a recurrent layer's */

enum seam_point {
#define X(id, key, unit, least, most) SEAM_POINT_##id,
    SEAM_POINT_MAP(X)
#undef X
        SEAM_POINT_COUNT
};
const struct seam_rate_row *seam_point_row(enum seam_point p);

struct seam_plan_point {
    enum seam_point of;
    const char *type; /* of a product's matrix; NULL: of no product */
    double at;        /* columns, or tokens deep */
    struct seam_quantity rate;
};

struct seam_plan_machine {
    const char *name, *title;
    enum seam_vendor vendor;
    struct seam_quantity rate[SEAM_RATE_COUNT];
    bool has[SEAM_RATE_COUNT];
    const struct seam_plan_point *point; /* measured; n_point 0: nothing was */
    uint32_t n_point;
    double tile;   /* rows of activations that an expert's matrix is multiplied with at least */
    bool absorbed; /* MLA keeps latents in prefill, too: engines other than Seam */
};
struct seam_plan_node {
    const char *name;
    struct seam_plan_machine machine; /* the card, with the node's own numbers on top */
};
struct seam_plan_link { /* a kind of cable */
    const char *name;
    struct seam_quantity rate, latency;
};
struct seam_plan_model {
    const char *name;           /* "kimi-k2.6:UD-Q8_K_XL" */
    const char *shape;          /* a card of `seam synth` */
    const char *type;           /* a type or mix of src/model/mix.h */
    const char *file;           /* or a GGUF instead of both */
    struct seam_quantity bytes; /* published size; v[0] 0: not known */
};

struct seam_inventory {
    struct seam_plan_node node[SEAM_PLAN_NODES];
    uint32_t n_node;
    /* The fastest cable between two nodes; NULL: none. */
    const struct seam_plan_link *link[SEAM_PLAN_NODES][SEAM_PLAN_NODES];
    const struct seam_plan_machine *machine;
    uint32_t n_machine;
    const struct seam_plan_link *kind;
    uint32_t n_kind;
    const struct seam_plan_model *model;
    uint32_t n_model;
    void *own; /* what the strings live in */
};

/* FILE may be NULL: cards only, no nodes. SEAM_ENOTFOUND: no such file. SEAM_EFORMAT: no YAML, or not
 * by the schema. SEAM_EINVAL: makes no sense. */
seam_status seam_inventory_open(struct seam_inventory **out, const char *file,
                                struct seam_err *err);
/* The same with cards from a second file, such as `seam plan --fit` writes; NULL: none. Where two
 * cards have one name, the file's win over the built-in ones, and `file`'s over both. */
seam_status seam_inventory_open_with(struct seam_inventory **out, const char *file,
                                     const char *cards, struct seam_err *err);
/* The same from text; `name` is what stories call it. */
seam_status seam_inventory_read(struct seam_inventory **out, const char *name, const char *text,
                                size_t len, struct seam_err *err);
void seam_inventory_close(struct seam_inventory *v);
/* The last one of that name, which wins; NULL: none. */
const struct seam_plan_machine *seam_inventory_machine(const struct seam_inventory *v,
                                                       const char *name);
const struct seam_plan_model *seam_inventory_model(const struct seam_inventory *v,
                                                   const char *name);
const struct seam_plan_link *seam_inventory_link(const struct seam_inventory *v, const char *name);
const char *seam_vendor_name(enum seam_vendor v);

/* src/plan/cards.yaml, by the build. */
extern const char seam_plan_cards[];
extern const unsigned long seam_plan_cards_len;

#endif
