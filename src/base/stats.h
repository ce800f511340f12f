/* stats.h - repeated measurements in three numbers. A median needs no outlier rule; the smallest
 * and the largest are the spread. Thread: any. Nothing here allocates. */
#ifndef SEAM_BASE_STATS_H
#define SEAM_BASE_STATS_H

#include <stddef.h>

#define SEAM_STATS_MAX 64u /* samples of one measurement */

struct seam_stats {
    double median, min, max; /* of an even number: the mean of the two in the middle */
    size_t n;                /* 0: nothing was measured, and the rest is 0 */
};
/* Of v[0, n), n <= SEAM_STATS_MAX; v is not changed. */
struct seam_stats seam_stats_of(const double *v, size_t n);

#endif
