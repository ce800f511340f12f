/* probe_series.c - numbers by name, one per round: how far they scatter, and which are too noisy. */
#include <stdio.h>
#include <string.h>

#include "cmd/probe.h"

struct seam_probe_series *seam_probe_series_at(struct seam_probe_run *r, const char *name,
                                               enum seam_unit unit)
{
    for (size_t i = 0; i < r->n_series; i++)
        if (!strcmp(r->series[i].name, name))
            return &r->series[i];
    if (r->n_series == SEAM_PROBE_SERIES)
        return NULL;
    struct seam_probe_series *s = &r->series[r->n_series++];
    *s = (struct seam_probe_series){.unit = unit, .rate = -1, .point = -1};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

void seam_probe_series_add(struct seam_probe_series *s, double v)
{
    if (s->n < SEAM_PROBE_ROUNDS)
        s->v[s->n++] = v;
}

double seam_probe_drift(const struct seam_probe_series *s)
{
    return s->n > 1 && s->v[0] > 0 ? s->v[s->n - 1] / s->v[0] - 1 : 0;
}

static double own_spread(const struct seam_probe_series *s)
{
    const struct seam_stats x = seam_stats_of(s->v, s->n);
    double whole = s->whole > 0 ? s->whole : x.median;
    return whole > 0 ? (x.max - x.min) / whole : 0;
}

double seam_probe_spread(const struct seam_probe_run *r, const struct seam_probe_series *s)
{
    double most = s->from[0] ? 0 : own_spread(s);
    for (int k = 0; k < 2 && s->from[k]; k++)
        for (size_t i = 0; i < r->n_series; i++)
            if (!strcmp(r->series[i].name, s->from[k]) && own_spread(&r->series[i]) > most)
                most = own_spread(&r->series[i]);
    return most;
}

size_t seam_probe_noisy(const struct seam_probe_run *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_series; i++)
        n += r->series[i].told && seam_probe_spread(r, &r->series[i]) > SEAM_PROBE_SPREAD;
    return n;
}
