#include "plan/quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct unit_row {
    enum seam_unit unit;
    const char *name;
    double factor;
} units[] = {
    {SEAM_UNIT_BYTES, "GB", 1e9},        {SEAM_UNIT_BYTES, "GiB", 1073741824.0},
    {SEAM_UNIT_BYTES, "MB", 1e6},        {SEAM_UNIT_BYTES, "MiB", 1048576.0},
    {SEAM_UNIT_BYTES, "TB", 1e12},       {SEAM_UNIT_BYTES, "TiB", 1099511627776.0},
    {SEAM_UNIT_BANDWIDTH, "GB/s", 1e9},  {SEAM_UNIT_BANDWIDTH, "MB/s", 1e6},
    {SEAM_UNIT_BANDWIDTH, "TB/s", 1e12}, {SEAM_UNIT_LINK, "GB/s", 1e9},
    {SEAM_UNIT_LINK, "MB/s", 1e6},       {SEAM_UNIT_LINK, "Gb/s", 1e9 / 8},
    {SEAM_UNIT_LINK, "Mb/s", 1e6 / 8},   {SEAM_UNIT_FLOPS, "TFLOPS", 1e12},
    {SEAM_UNIT_FLOPS, "GFLOPS", 1e9},    {SEAM_UNIT_FLOPS, "PFLOPS", 1e15},
    {SEAM_UNIT_SECONDS, "us", 1e-6},     {SEAM_UNIT_SECONDS, "ms", 1e-3},
    {SEAM_UNIT_SECONDS, "s", 1},         {SEAM_UNIT_WATTS, "W", 1},
    {SEAM_UNIT_SHARE, "%", 1e-2},
};
#define N_UNIT (sizeof units / sizeof *units)

static const char *const what[SEAM_UNIT_COUNT] = {
    "a size",           "a rate of memory or disk",
    "a rate of a link", "a rate of computing",
    "a time",           "a power",
    "a share",
};

static const char *wanted(enum seam_unit unit, char *buf, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < N_UNIT; i++)
        if (units[i].unit == unit && n < len)
            n += (size_t)snprintf(buf + n, len - n, "%s%s", n ? ", " : "", units[i].name);
    return buf;
}

static seam_status find_unit(const char *name, enum seam_unit unit, double *factor,
                             struct seam_err *err)
{
    char list[80];
    const struct unit_row *other = NULL;
    for (size_t i = 0; i < N_UNIT; i++) {
        if (strcmp(units[i].name, name) != 0)
            continue;
        other = &units[i];
        *factor = units[i].factor;
        if (units[i].unit == unit)
            return SEAM_OK;
    }
    wanted(unit, list, sizeof list);
    if (!*name)
        return seam_fail(err, SEAM_EINVAL, "a number without a unit; %s has %s", what[unit], list);
    if (other && other->unit == SEAM_UNIT_LINK && unit == SEAM_UNIT_BANDWIDTH)
        return seam_fail(err, SEAM_EINVAL, "'%s' counts bits; memory and disks are in bytes: %s",
                         name, list);
    if (other)
        return seam_fail(err, SEAM_EINVAL, "'%s' is a unit of %s; this is %s: %s", name,
                         what[other->unit] + 2, what[unit], list);
    return seam_fail(err, SEAM_EINVAL, "no unit '%s'; %s has %s", name, what[unit], list);
}

seam_status seam_quantity_parse(const char *text, enum seam_unit unit, struct seam_quantity *q,
                                struct seam_err *err)
{
    double v[SEAM_CASES];
    int n = 0;
    const char *p = text;
    for (;; p++) {
        char *end;
        double x = strtod(p, &end);
        if (end == p || !isfinite(x) || x < 0 || n == SEAM_CASES)
            return seam_fail(err, SEAM_EINVAL,
                             "'%s' is neither one number nor three, each >= 0, with a unit "
                             "(\"15 TFLOPS\", \"12 / 15 / 17 TFLOPS\")",
                             text);
        v[n++] = x;
        for (p = end; isspace((unsigned char)*p); p++)
            ;
        if (*p != '/')
            break;
    }
    if (n == 2)
        return seam_fail(err, SEAM_EINVAL, "'%s' has two numbers; one, or worst / likely / best",
                         text);
    double factor = 0;
    seam_status st = find_unit(p, unit, &factor, err);
    if (st != SEAM_OK)
        return st;
    for (int i = 0; i < SEAM_CASES; i++)
        q->v[i] = v[n == 1 ? 0 : i] * factor;
    if ((q->v[0] - q->v[1]) * (q->v[1] - q->v[2]) < 0)
        return seam_fail(err, SEAM_EINVAL, "'%s' is not in order: worst / likely / best", text);
    return SEAM_OK;
}

const char *seam_quantity_source(const struct seam_quantity *q)
{
    return q->source ? q->source : "your file";
}

const char *seam_quantity_format(double v, enum seam_unit unit, char *buf, size_t len)
{
    const struct unit_row *best = NULL;
    for (size_t i = 0; i < N_UNIT; i++) {
        const struct unit_row *u = &units[i];
        if (u->unit != unit || strchr(u->name, 'b') || strchr(u->name, 'i'))
            continue;
        double x = v / u->factor, y = best ? v / best->factor : 0;
        bool nice = x >= 1 && x < 1000;
        if (!best || (nice && !(y >= 1 && y < 1000)))
            best = u;
    }
    double x = best ? v / best->factor : v;
    snprintf(buf, len, "%.3g %s", x, best ? best->name : "");
    return buf;
}
