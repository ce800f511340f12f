/* published.h - measurements by others: bench/published.yaml, which says its own rules. Each becomes a row
 * that the cost model predicts; fit.h does that for these rows and for those of the journal.
 * Thread: immutable after open, but for the engines' factors, which a fit writes. Units: tokens,
 * tokens per second. */
#ifndef SEAM_PLAN_PUBLISHED_H
#define SEAM_PLAN_PUBLISHED_H

#include "plan/shape.h"

/* How another engine differs from Seam on the same machine. */
struct seam_plan_engine {
    const char *name;
    enum seam_vendor vendor;
    double tile;
    bool absorbed;
    struct seam_quantity matmul, attention; /* of the card's rate */
};

struct seam_measured {
    const char *source;
    const char *machine, *engine; /* a card; NULL: Seam itself */
    const struct seam_shape *shape;
    bool decode, held; /* held: never fitted to */
    double tokens, after, chunk;
    double rate;
};

struct seam_published {
    struct seam_plan_engine *engine;
    size_t n_engine;
    struct seam_measured *row;
    size_t n_row;
    const char *const *knob; /* "CARD.RATE", "ENGINE@VENDOR.RATE": what a fit may change */
    size_t n_knob;
    void *own;
};

/* SEAM_ENOTFOUND: no such file. SEAM_EFORMAT: no YAML, or not by the schema. SEAM_EINVAL: a series of an
 * engine or model that the file does not have, or numbers that make no model. */
seam_status seam_published_open(struct seam_published **out, const char *file,
                                struct seam_err *err);
seam_status seam_published_read(struct seam_published **out, const char *name, const char *text,
                                size_t len, struct seam_err *err);
void seam_published_close(struct seam_published *p);

#endif
