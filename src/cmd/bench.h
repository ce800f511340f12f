/* bench.h - what `seam bench` measures and how its three files share it: bench.c runs, bench_peer.c
 * runs other processes and reads what they say, bench_report.c prints. docs/bench.md explains
 * the numbers. Thread: main. Units: nanoseconds, tokens, bytes. */
#ifndef SEAM_CMD_BENCH_H
#define SEAM_CMD_BENCH_H

#include <yyjson.h>

#include "base/os/os.h"
#include "base/stats.h"
#include "cmd/option.h"
#include "engine/engine.h"
#include "engine/limits.h"

#define SEAM_BENCH_TESTS_MAX 64u

struct seam_bench_options {
    const char *model, *prompts, *gens, *depths, *against, *device, *decode_device, *mmap;
    uint32_t repeats, threads, chunk;
    uint64_t weights_memory, device_memory; /* of `seam bench sweep` */
    bool json, limit, load, no_warmup;
    /* bench_phase.h */
    const char *phase, *cluster, *as, *log;
    struct seam_option_list nodes;
    bool no_log;
};

enum seam_bench_kind { SEAM_BENCH_PREFILL, SEAM_BENCH_DECODE, SEAM_BENCH_LOAD };

struct seam_bench_side { /* one program in one test, a sample per repeat */
    double ns[SEAM_STATS_MAX];
    uint64_t rss_peak_bytes; /* of the largest repeat that was a process; 0: none was */
};

struct seam_bench_test {
    enum seam_bench_kind kind;
    uint32_t n, depth; /* LOAD: 0, or 1 when a token follows it in a process of its own */
    bool cold;         /* without a run that is not timed before it */
    size_t repeats;
    struct seam_bench_side seam, peer; /* peer: with --against only */
    bool flash;                        /* the peer's faster setting, which was used */
    double flash_ns, plain_ns; /* what decided that: one short run each, not in the samples */
};

struct seam_bench_peer { /* what the other program says of itself */
    char build[64], cpu[96], backends[96], variant[192];
};

struct seam_bench {
    const struct seam_bench_options *o;
    const struct seam_command *command;
    int argc;
    char **argv; /* the whole command line, for the report */
    struct seam_model *model;
    int n_threads;
    struct seam_bench_test tests[SEAM_BENCH_TESTS_MAX];
    size_t n_tests;
    struct seam_engine_memory memory; /* the plan; in-process runs only */
    char device[512];
    uint64_t rss_bytes; /* resident, most of those after each test; in-process runs only */
    struct seam_bench_peer peer;
    /* --limit */
    double bandwidth[SEAM_STATS_MAX]; /* bytes per second, one per repeat of a decode test */
    size_t n_bandwidth;
    struct seam_limit_matrix matrix[SEAM_LIMIT_TYPES_MAX];
    size_t n_matrix;
    struct seam_limit_matrix attention;
    double disk[SEAM_STATS_MAX];
    size_t n_disk;
    bool disk_direct;
};

/* ---- bench_peer.c ---- */

/* One sample of a test in a fresh process: Seam's own program, or --against's. LOAD's sample is the
 * process's wall time. SEAM_ENOTFOUND: no such program. SEAM_EPEER: it failed, or printed something
 * else than results (the story has its last words). */
seam_status seam_bench_run_self(struct seam_bench *b, const struct seam_bench_test *t, double *ns,
                                uint64_t *rss_peak, struct seam_err *err);
seam_status seam_bench_run_peer(struct seam_bench *b, const struct seam_bench_test *t, bool flash,
                                double *ns, uint64_t *rss_peak, struct seam_err *err);
/* The one result in llama-bench's `-o json`. */
seam_status seam_bench_parse_llama(const char *text, size_t len, const struct seam_bench_test *t,
                                   double *ns, struct seam_bench_peer *about, struct seam_err *err);
/* The same in `seam bench --json`. */
seam_status seam_bench_parse_seam(const char *text, size_t len, const struct seam_bench_test *t,
                                  double *ns, struct seam_err *err);

/* ---- bench_sweep.c: `seam bench sweep` ---- */

/* Lengths are the tests of kind PREFILL. Prints a table, or with --json an object. */
seam_status seam_bench_sweep(struct seam_bench *b, struct seam_err *err);

/* ---- bench_report.c ---- */

/* Keys that every report begins with: format, program, machine, command line, model. */
void seam_bench_head(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b);

void seam_bench_print_table(const struct seam_bench *b);
seam_status seam_bench_print_json(const struct seam_bench *b, struct seam_err *err);
/* Tokens per second of each sample; LOAD: seconds. */
struct seam_stats seam_bench_rates(const struct seam_bench_test *t,
                                   const struct seam_bench_side *side);
/* Speed of Seam over the peer's, repeat by repeat: above 1 Seam is faster. */
struct seam_stats seam_bench_ratios(const struct seam_bench_test *t);
/* What a test takes at least on this machine, in ns; 0: no limit was measured, or none is known. */
double seam_bench_floor_ns(const struct seam_bench *b, const struct seam_bench_test *t);

#endif
