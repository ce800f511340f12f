/* bench_report.c - what `seam bench` found, as a table and as JSON (docs/bench.md has the fields). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/size.h"
#include "cmd/bench.h"
#include "cmd/command.h"
#include "cmd/json.h"

#define KV_BYTES 2.0 /* of a value in the KV cache: f16, as for both programs */

static const char *const kind_names[] =
    {[SEAM_BENCH_PREFILL] = "prefill", [SEAM_BENCH_DECODE] = "decode", [SEAM_BENCH_LOAD] = "load"};

/* ---- arithmetic ---- */

struct seam_stats seam_bench_rates(const struct seam_bench_test *t,
                                   const struct seam_bench_side *side)
{
    double v[SEAM_STATS_MAX];
    for (size_t i = 0; i < t->repeats; i++)
        v[i] = t->kind == SEAM_BENCH_LOAD ? side->ns[i] / 1e9 : t->n * 1e9 / side->ns[i];
    return seam_stats_of(v, t->repeats);
}

struct seam_stats seam_bench_ratios(const struct seam_bench_test *t)
{
    double v[SEAM_STATS_MAX];
    for (size_t i = 0; i < t->repeats; i++)
        v[i] = t->peer.ns[i] / t->seam.ns[i];
    return seam_stats_of(v, t->repeats);
}

static double kv_bytes(const struct seam_model *m)
{
    double values = 0;
    for (uint32_t layer = 0; layer < seam_model_hparams(m)->n_layer; layer++)
        values += seam_model_kv_values(m, layer);
    return values * KV_BYTES;
}

/* Weights once per token, and the KV rows so far. */
static double decode_bytes(const struct seam_bench *b, const struct seam_bench_test *t)
{
    return (double)seam_model_active_bytes(b->model) +
           kv_bytes(b->model) * ((double)t->depth + (double)t->n / 2);
}

double seam_bench_floor_ns(const struct seam_bench *b, const struct seam_bench_test *t)
{
    double s = 0;
    if (t->kind == SEAM_BENCH_DECODE && b->n_bandwidth)
        s = t->n * decode_bytes(b, t) / seam_stats_of(b->bandwidth, b->n_bandwidth).max;
    if (t->kind == SEAM_BENCH_PREFILL && b->n_matrix) {
        for (size_t i = 0; i < b->n_matrix; i++)
            s += t->n * b->matrix[i].ops_per_token / b->matrix[i].ops_per_s;
        s += seam_limit_attention_ops(b->model, t->depth, t->n) / b->attention.ops_per_s;
    }
    if (t->kind == SEAM_BENCH_LOAD && b->n_disk && b->disk_direct)
        s = (double)seam_catalog_weight_bytes(seam_model_catalog(b->model)) /
            seam_stats_of(b->disk, b->n_disk).max;
    return s * 1e9;
}

static double median_ns(const struct seam_bench_test *t, const struct seam_bench_side *side)
{
    return seam_stats_of(side->ns, t->repeats).median;
}

static double share(const struct seam_bench *b, const struct seam_bench_test *t)
{
    return seam_bench_floor_ns(b, t) / median_ns(t, &t->seam);
}

/* ---- the table ---- */

static void print_stats(struct seam_stats s, int digits)
{
    char spread[40];
    snprintf(spread, sizeof spread, "(%.*f-%.*f)", digits, s.min, digits, s.max);
    printf("  %9.*f %-17s", digits, s.median, spread);
}

static void print_test(const struct seam_bench *b, const struct seam_bench_test *t)
{
    char name[64];
    bool load = t->kind == SEAM_BENCH_LOAD;
    if (load)
        snprintf(name, sizeof name, "load, s");
    else if (t->depth)
        snprintf(name, sizeof name, "%s %u after %u", kind_names[t->kind], t->n, t->depth);
    else
        snprintf(name, sizeof name, "%s %u", kind_names[t->kind], t->n);
    printf("%-26s", name);
    print_stats(seam_bench_rates(t, &t->seam), load ? 3 : 1);
    if (b->o->against) {
        print_stats(seam_bench_rates(t, &t->peer), load ? 3 : 1);
        print_stats(seam_bench_ratios(t), 2);
        printf("  %s", load ? "" : t->flash ? "on" : "off");
    }
    if (seam_bench_floor_ns(b, t) > 0)
        printf("  %3.0f %%", 100 * share(b, t));
    printf("\n");
}

static uint64_t peak_of(const struct seam_bench *b, bool peer)
{
    uint64_t most = peer ? 0 : b->rss_bytes;
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct seam_bench_side *side = peer ? &b->tests[i].peer : &b->tests[i].seam;
        most = side->rss_peak_bytes > most ? side->rss_peak_bytes : most;
    }
    return most;
}

static void print_limits(const struct seam_bench *b)
{
    if (!b->o->limit)
        return;
    printf("\nlimits of this machine, best of several\n");
    if (b->n_bandwidth)
        printf("  memory, %d threads        %6.1f GB/s\n", b->n_threads,
               seam_stats_of(b->bandwidth, b->n_bandwidth).max / 1e9);
    if (b->n_disk)
        printf("  disk%-22s%6.2f GB/s\n", b->disk_direct ? "" : " (through the page cache)",
               seam_stats_of(b->disk, b->n_disk).max / 1e9);
    for (size_t i = 0; i < b->n_matrix; i++)
        printf("  %-8s %6.1f G operations/s by %s (%.0f M per token)\n", b->matrix[i].type->name,
               b->matrix[i].ops_per_s / 1e9, b->matrix[i].by, b->matrix[i].ops_per_token / 1e6);
    if (b->n_matrix)
        printf("  %-8s %6.1f G operations/s by %s (attention)\n", b->attention.type->name,
               b->attention.ops_per_s / 1e9, b->attention.by);
}

void seam_bench_print_table(const struct seam_bench *b)
{
    char cpu[96], size[32];
    const struct seam_catalog *c = seam_model_catalog(b->model);
    printf("%s, %s, %s; %s, %d threads, %s\n\n", seam_model_name(b->model),
           seam_model_arch(b->model),
           seam_size_format(seam_catalog_weight_bytes(c), size, sizeof size),
           seam_os_cpu_name(cpu, sizeof cpu), b->n_threads,
           b->o->against ? "both programs in turn, file in the page cache" : b->device);
    printf("%-26s  %9s %-17s", "tokens/s", b->o->against ? "Seam" : "median", "(min-max)");
    if (b->o->against)
        printf("  %9s %-17s  %9s %-17s  %s", "llama.cpp", "(min-max)", "ratio", "(min-max)", "-fa");
    printf("%s\n", b->o->limit ? "  of limit" : "");
    for (size_t i = 0; i < b->n_tests; i++)
        print_test(b, &b->tests[i]);
    printf("%-26s  %s", "resident memory, most",
           seam_size_format(peak_of(b, false), size, sizeof size));
    if (b->o->against)
        printf(", llama.cpp %s", seam_size_format(peak_of(b, true), size, sizeof size));
    else if (b->memory.total)
        printf(" (planned %s)", seam_size_format(b->memory.total, size, sizeof size));
    printf("\n");
    print_limits(b);
}

/* ---- JSON ---- */

static void add_stats(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, struct seam_stats s)
{
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, key);
    yyjson_mut_obj_add_real(d, v, "median", s.median);
    yyjson_mut_obj_add_real(d, v, "min", s.min);
    yyjson_mut_obj_add_real(d, v, "max", s.max);
}

static void add_samples(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const double *v,
                        size_t n)
{
    yyjson_mut_val *a = yyjson_mut_obj_add_arr(d, o, key);
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_uint(d, a, (uint64_t)v[i]);
}

static void add_machine(yyjson_mut_doc *d, yyjson_mut_val *root)
{
    char text[256];
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "machine");
    yyjson_mut_obj_add_strcpy(d, o, "cpu", seam_os_cpu_name(text, sizeof text));
    yyjson_mut_obj_add_int(d, o, "cores", seam_os_performance_cores());
    yyjson_mut_obj_add_uint(d, o, "memory_bytes", seam_os_memory_bytes());
    yyjson_mut_obj_add_strcpy(d, o, "system", seam_os_system_name(text, sizeof text));
}

static void add_command(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    yyjson_mut_val *a = yyjson_mut_obj_add_arr(d, root, "command");
    yyjson_mut_arr_add_str(d, a, "seam");
    for (int i = 0; i < b->argc; i++)
        yyjson_mut_arr_add_str(d, a, b->argv[i]);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    yyjson_mut_obj_add_strcpy(d, root, "date", text);
}

static void add_model(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    const struct seam_catalog *c = seam_model_catalog(b->model);
    const char *path = seam_catalog_shard_path(c, 0), *slash = strrchr(path, '/');
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "model");
    yyjson_mut_obj_add_str(d, o, "file", slash ? slash + 1 : path);
    yyjson_mut_obj_add_str(d, o, "name", seam_model_name(b->model));
    yyjson_mut_obj_add_str(d, o, "architecture", seam_model_arch(b->model));
    yyjson_mut_obj_add_uint(d, o, "weight_bytes", seam_catalog_weight_bytes(c));
    yyjson_mut_obj_add_uint(d, o, "active_bytes_per_token", seam_model_active_bytes(b->model));
    yyjson_mut_obj_add_uint(d, o, "kv_bytes_per_token", (uint64_t)kv_bytes(b->model));
}

static void add_test(yyjson_mut_doc *d, yyjson_mut_val *tests, const struct seam_bench *b,
                     const struct seam_bench_test *t)
{
    const char *unit = t->kind == SEAM_BENCH_LOAD ? "seconds" : "tokens_per_s";
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, tests);
    yyjson_mut_obj_add_str(d, o, "kind", kind_names[t->kind]);
    yyjson_mut_obj_add_uint(d, o, "n_prompt", t->kind == SEAM_BENCH_PREFILL ? t->n : 0);
    yyjson_mut_obj_add_uint(d, o, "n_gen", t->kind == SEAM_BENCH_PREFILL ? 0 : t->n);
    yyjson_mut_obj_add_uint(d, o, "depth", t->depth);
    add_samples(d, o, "samples_ns", t->seam.ns, t->repeats);
    add_stats(d, o, unit, seam_bench_rates(t, &t->seam));
    if (seam_bench_floor_ns(b, t) > 0) {
        yyjson_mut_obj_add_real(d, o, "limit_ns", seam_bench_floor_ns(b, t));
        yyjson_mut_obj_add_real(d, o, "share_of_limit", share(b, t));
    }
    if (!b->o->against)
        return;
    yyjson_mut_obj_add_uint(d, o, "rss_peak_bytes", t->seam.rss_peak_bytes);
    yyjson_mut_val *p = yyjson_mut_obj_add_obj(d, o, "against");
    yyjson_mut_obj_add_bool(d, p, "flash_attention", t->flash);
    yyjson_mut_obj_add_uint(d, p, "tried_with_ns", (uint64_t)t->flash_ns);
    yyjson_mut_obj_add_uint(d, p, "tried_without_ns", (uint64_t)t->plain_ns);
    add_samples(d, p, "samples_ns", t->peer.ns, t->repeats);
    add_stats(d, p, unit, seam_bench_rates(t, &t->peer));
    yyjson_mut_obj_add_uint(d, p, "rss_peak_bytes", t->peer.rss_peak_bytes);
    add_stats(d, o, "ratio", seam_bench_ratios(t));
}

static void add_memory(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    const struct seam_engine_memory *m = &b->memory;
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "memory");
    yyjson_mut_obj_add_uint(d, o, "rss", b->rss_bytes);
    yyjson_mut_obj_add_uint(d, o, "weights", m->weights_budget);
    yyjson_mut_obj_add_uint(d, o, "kv", m->kv);
    yyjson_mut_obj_add_uint(d, o, "activations", m->activations);
    yyjson_mut_obj_add_uint(d, o, "compute", m->compute);
    yyjson_mut_obj_add_uint(d, o, "planned", m->total);
}

static void add_matrix(yyjson_mut_doc *d, yyjson_mut_val *o, const struct seam_limit_matrix *r)
{
    yyjson_mut_obj_add_str(d, o, "type", r->type->name);
    yyjson_mut_obj_add_uint(d, o, "ne0", r->ne0);
    yyjson_mut_obj_add_uint(d, o, "ne1", r->ne1);
    yyjson_mut_obj_add_uint(d, o, "columns", r->columns);
    yyjson_mut_obj_add_str(d, o, "by", r->by);
    yyjson_mut_obj_add_real(d, o, "ops_per_s", r->ops_per_s);
    yyjson_mut_obj_add_real(d, o, "ops_per_token", r->ops_per_token);
}

static void add_limits(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    if (!b->o->limit)
        return;
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "limits");
    add_samples(d, o, "memory_bytes_per_s", b->bandwidth, b->n_bandwidth);
    add_samples(d, o, "disk_bytes_per_s", b->disk, b->n_disk);
    yyjson_mut_obj_add_bool(d, o, "disk_direct", b->disk_direct);
    yyjson_mut_val *a = yyjson_mut_obj_add_arr(d, o, "matrices");
    for (size_t i = 0; i < b->n_matrix; i++)
        add_matrix(d, yyjson_mut_arr_add_obj(d, a), &b->matrix[i]);
    add_matrix(d, yyjson_mut_obj_add_obj(d, o, "attention"), &b->attention);
}

static void add_peer(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, "against");
    yyjson_mut_obj_add_str(d, o, "program", "llama-bench");
    yyjson_mut_obj_add_str(d, o, "path", b->o->against);
    yyjson_mut_obj_add_str(d, o, "build", b->peer.build);
    yyjson_mut_obj_add_str(d, o, "cpu", b->peer.cpu);
    yyjson_mut_obj_add_str(d, o, "backends", b->peer.backends);
    yyjson_mut_obj_add_str(d, o, "variant", b->peer.variant);
}

void seam_bench_head(yyjson_mut_doc *d, yyjson_mut_val *root, const struct seam_bench *b)
{
    yyjson_mut_obj_add_uint(d, root, "format", 1);
    seam_version_describe(d, yyjson_mut_obj_add_obj(d, root, "seam"));
    add_machine(d, root);
    add_command(d, root, b);
    add_model(d, root, b);
}

seam_status seam_bench_print_json(const struct seam_bench *b, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    seam_bench_head(d, root, b);
    yyjson_mut_obj_add_int(d, root, "threads", b->n_threads);
    yyjson_mut_obj_add_uint(d, root, "repeats", b->o->repeats);
    yyjson_mut_obj_add_str(d, root, "kv_type", "f16");
    yyjson_mut_val *tests = yyjson_mut_obj_add_arr(d, root, "tests");
    for (size_t i = 0; i < b->n_tests; i++)
        add_test(d, tests, b, &b->tests[i]);
    if (b->o->against) {
        add_peer(d, root, b);
    } else {
        yyjson_mut_obj_add_str(d, root, "device", b->device);
        add_memory(d, root, b);
    }
    add_limits(d, root, b);
    return seam_json_put(d, 0, err);
}
