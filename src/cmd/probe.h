/* probe.h - what `seam probe` measures and how its files share it: probe.c makes layers and runs
 * rounds, probe_derive.c turns a round's times into the planner's rates, probe_report.c prints. A rate is a
 * series (probe_series.c), one number per round; docs/probe.md has the list. Thread: main. Units: of each series. */
#ifndef SEAM_CMD_PROBE_H
#define SEAM_CMD_PROBE_H

#include "base/stats.h"
#include "cmd/option.h"
#include "engine/limits.h"
#include "engine/probe.h"
#include "plan/rates.h"
#include "pool/link_probe.h"

#define SEAM_PROBE_ROUNDS  9u
#define SEAM_PROBE_SERIES  208u
#define SEAM_PROBE_TYPES   8u
#define SEAM_PROBE_COLUMNS 6u
#define SEAM_PROBE_DEPTHS  2u
#define SEAM_PROBE_NODES   8u
#define SEAM_PROBE_SPREAD  0.10 /* more between rounds, and no number is called exact */

struct seam_probe_series {
    char name[48];
    enum seam_unit unit;
    bool less; /* is better */
    bool told; /* on the page and in YAML; else in JSON only */
    int rate;  /* enum seam_rate it is in YAML; -1: none */
    int point; /* enum seam_point, likewise */
    const char *type;
    uint32_t at;
    double whole; /* what a spread is compared with; 0: the median */
    const char
        *from[2]; /* names of the series whose spread says how exact this is; NULL: its own */
    double v[SEAM_PROBE_ROUNDS];
    size_t n;
    bool has_middle; /* a difference: taken from the medians of times, and not its own median */
    double middle;
};

struct seam_probe_options {
    const char *model, *out, *name, *disk;
    struct seam_option_list nodes;
    uint32_t threads, rounds;
    uint64_t memory;
    bool json, quick;
};

struct seam_probe_link {
    const char *addr;
    struct seam_link_probe *link;
};

struct seam_probe_round;
struct seam_probe_run {
    const struct seam_probe_options *o;
    const char *model_name; /* as asked */
    char path[1200];        /* the file with the layers */
    bool made;              /* it is ours: remove it */
    struct seam_inventory *cards;
    struct seam_shape *shape; /* of that file */
    struct seam_model *model;
    struct seam_probe *engine;
    struct seam_fabric *fabric;
    struct seam_probe_link link[SEAM_PROBE_NODES];
    size_t n_link;
    int n_threads;
    uint32_t chunk; /* tokens of a measured prefill */
    uint32_t columns[SEAM_PROBE_COLUMNS], depth[SEAM_PROBE_DEPTHS], step_depth[SEAM_PROBE_DEPTHS];
    uint32_t n_columns, n_depth;
    const struct seam_type *type[SEAM_PROBE_TYPES];
    size_t n_type;
    bool middle; /* being derived: the middle of all rounds, no round */
    bool direct; /* the disk was read past the page cache */
    uint64_t begin_ns;
    uint32_t rounds; /* done */
    struct seam_probe_series series[SEAM_PROBE_SERIES];
    size_t n_series;
    struct seam_probe_round *round; /* [SEAM_PROBE_ROUNDS] */
};

/* What one round saw of the engine, for the rates that come from differences. All doubles. */
struct seam_probe_round {
    double product[SEAM_PROBE_TYPES][SEAM_PROBE_COLUMNS];
    /* seconds per layer of a prefill: without anything cached, and after each depth */
    double shallow[SEAM_MODEL_MAX_LAYERS], deep[SEAM_PROBE_DEPTHS][SEAM_MODEL_MAX_LAYERS];
    double absorbed[2][SEAM_MODEL_MAX_LAYERS]; /* MLA: SEAM_PROBE_FEW tokens; at 0, at depth[0] */
    double step, step_deep[SEAM_PROBE_DEPTHS];
};
#define SEAM_PROBE_FEW   32u /* tokens of an absorbed prefill */
#define SEAM_PROBE_FIRST 16u /* tokens before a shallow step */

extern const char *const seam_probe_steps[SEAM_PROBE_DEPTHS]; /* series of the deep ones */

/* The series of that name, made with these when it is new; NULL: there are too many. */
struct seam_probe_series *seam_probe_series_at(struct seam_probe_run *r, const char *name,
                                               enum seam_unit unit);
void seam_probe_series_add(struct seam_probe_series *s, double v);
/* Share of the median between the smallest and the largest; of the last round over the first, less 1. */
double seam_probe_spread(const struct seam_probe_run *r, const struct seam_probe_series *s);
double seam_probe_drift(const struct seam_probe_series *s);

/* probe_derive.c: after the last round */
seam_status seam_probe_derive(struct seam_probe_run *r, struct seam_err *err);

/* probe_report.c */
void seam_probe_print_page(const struct seam_probe_run *r);
seam_status seam_probe_print_json(const struct seam_probe_run *r, struct seam_err *err);
seam_status seam_probe_write_yaml(const struct seam_probe_run *r, const char *path,
                                  struct seam_err *err);
/* How many told series are noisy. */
size_t seam_probe_noisy(const struct seam_probe_run *r);

#endif
