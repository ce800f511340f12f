/* fit.h - constants of cards refitted to measurements. What is fitted is small: a handful of rates, by
 * golden-section search on the logarithm of one after the other, until the sum of squared
 * log-ratios (predicted over measured) of the rows marked for fitting no longer falls. The method
 * is in docs/cost-model.md. Thread: pure but for what it is told to change. */
#ifndef SEAM_PLAN_FIT_H
#define SEAM_PLAN_FIT_H

#include "plan/published.h"

struct seam_fit_errors { /* |predicted / measured - 1| */
    double median, worst;
    size_t n;
};

struct seam_fit_knob {
    char name[80];
    struct seam_quantity *value; /* of seam_fit.machine or of an engine */
    enum seam_unit unit;
    double before, least, most;
    const char *machine, *engine; /* one of them: whose rows depend on it */
    enum seam_vendor vendor;      /* of the engine */
    size_t rows;                  /* of these, that may be fitted to */
};

struct seam_fit {
    struct seam_plan_machine *machine; /* copies of the cards, to be changed */
    size_t n_machine;
    struct seam_plan_engine *engine; /* borrowed, changed */
    size_t n_engine;
    const struct seam_measured *row; /* borrowed */
    size_t n_row;
    struct seam_fit_knob *knob;
    size_t n_knob;
};

/* Rows may name cards of `v` and engines only: SEAM_EINVAL. */
seam_status seam_fit_open(struct seam_fit **out, const struct seam_inventory *v,
                          struct seam_plan_engine *engine, size_t n_engine,
                          const struct seam_measured *row, size_t n_row, struct seam_err *err);
void seam_fit_close(struct seam_fit *f);
/* "CARD.RATE" or "ENGINE@VENDOR.RATE" may change, within what such a rate can be (a share of bandwidth
 * in decode: within the card's own range). SEAM_EINVAL: no such number. */
seam_status seam_fit_add(struct seam_fit *f, const char *knob, struct seam_err *err);
/* Changes the knobs' values, all three cases in proportion. Knobs without rows stay. */
void seam_fit_run(struct seam_fit *f);
double seam_fit_predict(const struct seam_fit *f, const struct seam_measured *r);
struct seam_fit_errors seam_fit_errors_of(const struct seam_fit *f, bool held);

#endif
