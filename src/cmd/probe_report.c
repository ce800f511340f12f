/* probe_report.c - what `seam probe` found: a page, JSON, and the YAML that `seam plan` reads
 * (docs/probe.md has the fields). */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/probe.h"

/* ---- numbers ---- */

/* worst, likely, best */
static void cases_of(const struct seam_probe_series *s, double v[SEAM_CASES])
{
    const struct seam_stats x = seam_stats_of(s->v, s->n);
    v[SEAM_CASE_WORST] = s->less ? x.max : x.min;
    v[SEAM_CASE_MID] = s->has_middle ? s->middle : x.median;
    v[SEAM_CASE_BEST] = s->less ? x.min : x.max;
    const double sign = s->less ? -1 : 1; /* a middle of medians may lie outside */
    if (sign * v[SEAM_CASE_WORST] > sign * v[SEAM_CASE_MID])
        v[SEAM_CASE_WORST] = v[SEAM_CASE_MID];
    if (sign * v[SEAM_CASE_BEST] < sign * v[SEAM_CASE_MID])
        v[SEAM_CASE_BEST] = v[SEAM_CASE_MID];
}

static bool noisy(const struct seam_probe_run *r, const struct seam_probe_series *s)
{
    return seam_probe_spread(r, s) > SEAM_PROBE_SPREAD;
}

static const char *date_text(char *buf, size_t len)
{
    time_t now = time(NULL);
    struct tm utc;
    strftime(buf, len, "%Y-%m-%d", gmtime_r(&now, &utc));
    return buf;
}

static double seconds_since(const struct seam_probe_run *r)
{
    return (double)(seam_mono_ns() - r->begin_ns) / 1e9;
}

/* ---- the page ---- */

static const char *text_of(double v, enum seam_unit unit, char *buf, size_t len)
{
    if (unit == SEAM_UNIT_SECONDS && v == 0)
        snprintf(buf, len, "0 s");
    else
        seam_quantity_format(v, unit, buf, len);
    return buf;
}

void seam_probe_print_page(const struct seam_probe_run *r)
{
    char cpu[128], a[SEAM_CASES][32];
    printf("%s, %d threads, layers of %s, %u rounds in %.0f s\n\n",
           seam_os_cpu_name(cpu, sizeof cpu), r->n_threads, r->model_name, r->rounds,
           seconds_since(r));
    printf("%-26s %12s %12s %12s %8s %8s\n", "", "worst", "median", "best", "spread", "drift");
    for (size_t i = 0; i < r->n_series; i++) {
        const struct seam_probe_series *s = &r->series[i];
        double v[SEAM_CASES];
        if (!s->told || !s->n)
            continue;
        cases_of(s, v);
        for (int c = 0; c < SEAM_CASES; c++)
            text_of(v[c], s->unit, a[c], sizeof a[c]);
        printf("%-26s %12s %12s %12s %6.1f %% %+6.1f %%%s\n", s->name, a[0], a[1], a[2],
               100 * seam_probe_spread(r, s), 100 * seam_probe_drift(s),
               noisy(r, s) ? "  noisy: not exact" : "");
    }
    if (!r->direct)
        printf("\nThis file system has no direct reads: the disk's rate is that of a cache.\n");
    if (r->n_link)
        printf("\nLinks are not encrypted yet: these rates have no cipher in them.\n");
    printf("\n%s\n", seam_probe_noisy(r)
                         ? "Not exact: the machine was not quiet. Use the ranges, not the medians."
                         : "Exact: everything came again within 10 %.");
}

/* ---- JSON ---- */

static void add_series(yyjson_mut_doc *d, yyjson_mut_val *list, const struct seam_probe_run *r,
                       const struct seam_probe_series *s)
{
    static const char *const unit[SEAM_UNIT_COUNT] =
        {[SEAM_UNIT_BYTES] = "B",     [SEAM_UNIT_BANDWIDTH] = "B/s", [SEAM_UNIT_LINK] = "B/s",
         [SEAM_UNIT_FLOPS] = "FLOPS", [SEAM_UNIT_SECONDS] = "s",     [SEAM_UNIT_WATTS] = "W",
         [SEAM_UNIT_SHARE] = "share"};
    double v[SEAM_CASES];
    cases_of(s, v);
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
    yyjson_mut_obj_add_str(d, o, "name", s->name);
    yyjson_mut_obj_add_str(d, o, "unit", unit[s->unit]);
    yyjson_mut_obj_add_real(d, o, "worst", v[SEAM_CASE_WORST]);
    yyjson_mut_obj_add_real(d, o, "median", v[SEAM_CASE_MID]);
    yyjson_mut_obj_add_real(d, o, "best", v[SEAM_CASE_BEST]);
    yyjson_mut_obj_add_real(d, o, "spread", seam_probe_spread(r, s));
    yyjson_mut_obj_add_real(d, o, "drift", seam_probe_drift(s));
    yyjson_mut_obj_add_bool(d, o, "noisy", noisy(r, s));
    yyjson_mut_val *samples = yyjson_mut_obj_add_arr(d, o, "samples");
    for (size_t i = 0; i < s->n; i++)
        yyjson_mut_arr_add_real(d, samples, s->v[i]);
}

seam_status seam_probe_print_json(const struct seam_probe_run *r, struct seam_err *err)
{
    char text[160], system[160], day[32];
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    yyjson_mut_obj_add_uint(d, root, "version", 1);
    seam_version_describe(d, yyjson_mut_obj_add_obj(d, root, "seam"));
    yyjson_mut_obj_add_str(d, root, "machine", r->o->name);
    yyjson_mut_obj_add_str(d, root, "cpu", seam_os_cpu_name(text, sizeof text));
    yyjson_mut_obj_add_str(d, root, "system", seam_os_system_name(system, sizeof system));
    yyjson_mut_obj_add_str(d, root, "device", seam_probe_device(r->engine));
    yyjson_mut_obj_add_int(d, root, "threads", r->n_threads);
    yyjson_mut_obj_add_str(d, root, "model", r->model_name);
    yyjson_mut_obj_add_str(d, root, "date", date_text(day, sizeof day));
    yyjson_mut_obj_add_real(d, root, "seconds", seconds_since(r));
    yyjson_mut_obj_add_uint(d, root, "rounds", r->rounds);
    yyjson_mut_obj_add_uint(d, root, "tokens_of_a_prefill", r->chunk);
    yyjson_mut_obj_add_real(d, root, "most_spread", SEAM_PROBE_SPREAD);
    yyjson_mut_obj_add_bool(d, root, "exact", seam_probe_noisy(r) == 0);
    yyjson_mut_obj_add_bool(d, root, "disk_direct", r->direct);
    yyjson_mut_obj_add_bool(d, root, "links_encrypted", false);
    yyjson_mut_val *told = yyjson_mut_obj_add_arr(d, root, "rates");
    yyjson_mut_val *times = yyjson_mut_obj_add_arr(d, root, "times");
    for (size_t i = 0; i < r->n_series; i++)
        if (r->series[i].n)
            add_series(d, r->series[i].told ? told : times, r, &r->series[i]);
    return seam_json_put(d, 0, err);
}

/* ---- YAML ---- */

/* "a / b / c UNIT" in a unit that all of it can be read back in without loss that matters. */
static void print_is(FILE *to, const double v[SEAM_CASES], enum seam_unit unit)
{
    static const struct {
        const char *name;
        double factor;
    } units[SEAM_UNIT_COUNT] =
        {[SEAM_UNIT_BYTES] = {"GB", 1e9},    [SEAM_UNIT_BANDWIDTH] = {"GB/s", 1e9},
         [SEAM_UNIT_LINK] = {"GB/s", 1e9},   [SEAM_UNIT_FLOPS] = {"GFLOPS", 1e9},
         [SEAM_UNIT_SECONDS] = {"us", 1e-6}, [SEAM_UNIT_WATTS] = {"W", 1},
         [SEAM_UNIT_SHARE] = {"%", 1e-2}};
    fprintf(to, "is: \"%.6g / %.6g / %.6g %s\"", v[0] / units[unit].factor,
            v[1] / units[unit].factor, v[2] / units[unit].factor, units[unit].name);
}

static void print_from(FILE *to, const struct seam_probe_run *r, const struct seam_probe_series *s)
{
    char day[32];
    fprintf(
        to,
        ", from: \"measured by seam probe %s with layers of %.200s, %d threads, spread %.1f %%%s\"}\n",
        date_text(day, sizeof day), r->model_name, r->n_threads, 100 * seam_probe_spread(r, s),
        noisy(r, s) ? ": noisy, not exact" : "");
}

static void print_rates(FILE *to, const struct seam_probe_run *r)
{
    double v[SEAM_CASES];
    for (int rate = 0; rate < SEAM_RATE_COUNT; rate++)
        for (size_t i = 0; i < r->n_series; i++) {
            const struct seam_probe_series *s = &r->series[i];
            if (!s->n || s->rate != rate)
                continue;
            cases_of(s, v);
            fprintf(to, "    %s: {", seam_rate_row((enum seam_rate)rate)->key);
            print_is(to, v, s->unit);
            print_from(to, r, s);
        }
    fprintf(to, "    measured:\n");
    for (size_t i = 0; i < r->n_series; i++) {
        const struct seam_probe_series *s = &r->series[i];
        if (!s->n || s->point < 0)
            continue;
        cases_of(s, v);
        fprintf(to, "      - {of: %s", seam_point_row((enum seam_point)s->point)->key);
        if (s->type)
            fprintf(to, ", type: %s", s->type);
        fprintf(to, ", at: %u, ", s->at);
        print_is(to, v, s->unit);
        print_from(to, r, s);
    }
}

static const struct seam_probe_series *link_series(const struct seam_probe_run *r, const char *what,
                                                   const char *addr)
{
    char name[48];
    snprintf(name, sizeof name, "%s %.30s", what, addr);
    for (size_t i = 0; i < r->n_series; i++)
        if (!strcmp(r->series[i].name, name))
            return &r->series[i];
    return NULL;
}

/* A cable is as fast as its slower direction; half a round trip is what a message takes. */
static void print_cables(FILE *to, const struct seam_probe_run *r)
{
    if (r->n_link)
        fprintf(
            to,
            "# Links as measured, unencrypted: name the nodes at both ends under links:\ncables:\n");
    for (size_t i = 0; i < r->n_link; i++) {
        const char *addr = r->link[i].addr;
        const struct seam_probe_series *up = link_series(r, "to", addr),
                                       *down = link_series(r, "from", addr),
                                       *trip = link_series(r, "round trip to", addr);
        double a[SEAM_CASES], b[SEAM_CASES], t[SEAM_CASES];
        if (!up || !down || !trip)
            continue;
        cases_of(up, a);
        cases_of(down, b);
        cases_of(trip, t);
        for (int c = 0; c < SEAM_CASES; c++) {
            a[c] = a[c] < b[c] ? a[c] : b[c];
            t[c] /= 2;
        }
        fprintf(to, "  - name: to-%.16s\n    rate: {", seam_link_probe_name(r->link[i].link));
        print_is(to, a, SEAM_UNIT_LINK);
        print_from(to, r, up);
        fprintf(to, "    latency: {");
        print_is(to, t, SEAM_UNIT_SECONDS);
        print_from(to, r, trip);
    }
}

static void print_yaml(FILE *to, const struct seam_probe_run *r)
{
    char cpu[128], day[32];
    double memory = (double)seam_os_memory_bytes();
    const double all[] = {memory, memory, memory},
                 usable[] = {0.8 * memory, 0.9 * memory, 0.95 * memory};
    fprintf(
        to,
        "# %s, by seam probe %s on %s; docs/probe.md. A plan of models like %s is of this machine.\n",
        r->o->name, SEAM_VERSION, date_text(day, sizeof day), r->model_name);
    fprintf(to, "machines:\n  - name: %s\n    title: %.60s, %d threads\n    vendor: other\n",
            r->o->name, seam_os_cpu_name(cpu, sizeof cpu), r->n_threads);
    fprintf(to, "    memory: {");
    print_is(to, all, SEAM_UNIT_BYTES);
    fprintf(to, ", from: \"the system\"}\n    usable: {");
    print_is(to, usable, SEAM_UNIT_BYTES);
    fprintf(to, ", from: \"not measured: 80 to 95 %% of memory\"}\n");
    fprintf(to, "    power: {is: \"200 / 100 / 50 W\", from: \"not measured: a guess\"}\n"
                "    idle: {is: \"60 / 30 / 10 W\", from: \"not measured: a guess\"}\n");
    print_rates(to, r);
    print_cables(to, r);
    fprintf(to, "nodes:\n  - name: %.20s\n    machine: %s\n", r->o->name, r->o->name);
}

seam_status seam_probe_write_yaml(const struct seam_probe_run *r, const char *path,
                                  struct seam_err *err)
{
    FILE *to = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!to)
        return seam_fail(err, SEAM_EIO, "%s: %s", path, strerror(errno));
    print_yaml(to, r);
    bool bad = ferror(to);
    if (to != stdout)
        bad |= fclose(to) != 0;
    return bad ? seam_fail(err, SEAM_EIO, "%s: %s", path, strerror(errno)) : SEAM_OK;
}
