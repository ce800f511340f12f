/* plan_fit.h - `seam plan --fit`: constants refitted, and what that changed. Called by plan.c. */
#ifndef SEAM_CMD_PLAN_FIT_H
#define SEAM_CMD_PLAN_FIT_H

#include "plan/inventory.h"

struct seam_plan_fit_opts {
    const char *published; /* bench/published.yaml; NULL: none */
    const char *log;       /* the journal; NULL: its usual place, if it is there */
    const char *write;     /* where the fitted cards go; NULL: nowhere */
    bool no_log, json;
};
/* Prints what was fitted; the built-in cards stay as they are. SEAM_EINVAL: nothing to fit to. */
seam_status seam_plan_fit(const struct seam_inventory *v, const struct seam_plan_fit_opts *o,
                          struct seam_err *err);

#endif
