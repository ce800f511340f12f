#include "base/stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct seam_stats seam_stats_of(const double *v, size_t n)
{
    double sorted[SEAM_STATS_MAX];
    assert(n <= SEAM_STATS_MAX);
    if (!n)
        return (struct seam_stats){0};
    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, by_value);
    return (struct seam_stats){.median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
                               .min = sorted[0],
                               .max = sorted[n - 1],
                               .n = n};
}
