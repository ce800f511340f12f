/* quantity.h - a number with a unit and a doubt, as people write it in YAML: "819 GB/s",
 * "12 / 15 / 17 TFLOPS" (pessimist's, likely, optimist's), "512 GiB", "10 Gb/s", "5 us", "65 %".
 * SI base units inside: bytes, bytes/s, FLOP/s, seconds, watts, fractions. */
#ifndef SEAM_PLAN_QUANTITY_H
#define SEAM_PLAN_QUANTITY_H

#include "base/err.h"

enum seam_unit {
    SEAM_UNIT_BYTES,
    SEAM_UNIT_BANDWIDTH, /* bytes only: bits here are a mistake */
    SEAM_UNIT_LINK,      /* bits or bytes per second */
    SEAM_UNIT_FLOPS,
    SEAM_UNIT_SECONDS,
    SEAM_UNIT_WATTS,
    SEAM_UNIT_SHARE,
    SEAM_UNIT_COUNT
};

/* The three cases in which a plan is computed. */
enum seam_case { SEAM_CASE_WORST, SEAM_CASE_MID, SEAM_CASE_BEST, SEAM_CASES };

struct seam_quantity {
    double v[SEAM_CASES]; /* as written: v[WORST] is what a pessimist expects */
    const char *source;   /* borrowed from the inventory; NULL: not said */
};

/* SEAM_EINVAL: no number, no unit, a unit of something else (the story says which will do), or the
 * three are not in order. */
seam_status seam_quantity_parse(const char *text, enum seam_unit unit, struct seam_quantity *q,
                                struct seam_err *err);
/* Where the number is from; never NULL. */
const char *seam_quantity_source(const struct seam_quantity *q);
/* "819 GB/s", "15 TFLOPS"; for people, three digits. */
const char *seam_quantity_format(double v, enum seam_unit unit, char *buf, size_t len);

#endif
