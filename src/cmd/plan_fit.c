#include "cmd/plan_fit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/log.h"
#include "cmd/json.h"
#include "plan/cost.h"
#include "plan/fit.h"
#include "plan/journal.h"

struct errors { /* of both halves */
    struct seam_fit_errors fit, held;
};

static struct errors errors_of(const struct seam_fit *f)
{
    return (struct errors){seam_fit_errors_of(f, false), seam_fit_errors_of(f, true)};
}

/* ---- what is said ---- */

static void print_half(const char *name, const struct seam_fit_errors *before,
                       const struct seam_fit_errors *after)
{
    if (before->n)
        printf("  %-22s %6zu %11.1f %% %7.1f %% %11.1f %% %7.1f %%\n", name, before->n,
               100 * before->median, 100 * before->worst, 100 * after->median, 100 * after->worst);
}

static void print_rows(const struct seam_fit *f)
{
    printf("\n  %-14s %-10s %-19s %-8s %7s %7s %9s %9s %7s %s\n", "machine", "engine", "model",
           "what", "tokens", "after", "measured", "predicted", "error", "half");
    for (size_t i = 0; i < f->n_row; i++) {
        const struct seam_measured *r = &f->row[i];
        double p = seam_fit_predict(f, r);
        printf("  %-14s %-10s %-19.19s %-8s %7.0f %7.0f %9.2f %9.2f %+6.1f%% %s\n", r->machine,
               r->engine ? r->engine : "seam", r->shape->name, r->decode ? "decode" : "prefill",
               r->tokens, r->after, r->rate, p, 100 * (p / r->rate - 1), r->held ? "held" : "fit");
    }
}

static void print_text(const struct seam_fit *f, const struct errors *before,
                       const struct errors *after)
{
    char a[32], b[32];
    printf("  %-32s %13s %13s %6s\n", "number", "before", "after", "rows");
    for (size_t i = 0; i < f->n_knob; i++) {
        const struct seam_fit_knob *k = &f->knob[i];
        printf("  %-32s %13s %13s %6zu\n", k->name,
               seam_quantity_format(k->before, k->unit, a, sizeof a),
               seam_quantity_format(k->value->v[SEAM_CASE_MID], k->unit, b, sizeof b), k->rows);
    }
    printf("\n  %-22s %6s %13s %9s %13s %9s\n  %-22s %6s %13s %9s %13s %9s\n",
           "predicted / measured", "rows", "before:", "", "after:", "", "", "", "median", "worst",
           "median", "worst");
    print_half("fitted to", &before->fit, &after->fit);
    print_half("held out", &before->held, &after->held);
    print_rows(f);
}

static void add_half(yyjson_mut_doc *d, yyjson_mut_val *to, const char *name,
                     const struct seam_fit_errors *e)
{
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, to, name);
    yyjson_mut_obj_add_uint(d, o, "rows", e->n);
    yyjson_mut_obj_add_real(d, o, "median", e->median);
    yyjson_mut_obj_add_real(d, o, "worst", e->worst);
}

static void add_row(yyjson_mut_doc *d, yyjson_mut_val *rows, const struct seam_fit *f,
                    const struct seam_measured *r)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, rows);
    yyjson_mut_obj_add_str(d, o, "source", r->source);
    yyjson_mut_obj_add_str(d, o, "machine", r->machine);
    yyjson_mut_obj_add_str(d, o, "engine", r->engine ? r->engine : "seam");
    yyjson_mut_obj_add_str(d, o, "model", r->shape->name);
    yyjson_mut_obj_add_str(d, o, "what", r->decode ? "decode" : "prefill");
    yyjson_mut_obj_add_real(d, o, "tokens", r->tokens);
    yyjson_mut_obj_add_real(d, o, "after", r->after);
    yyjson_mut_obj_add_real(d, o, "measured", r->rate);
    yyjson_mut_obj_add_real(d, o, "predicted", seam_fit_predict(f, r));
    yyjson_mut_obj_add_str(d, o, "half", r->held ? "held" : "fit");
}

static seam_status print_json(const struct seam_fit *f, const struct errors *before,
                              const struct errors *after, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    yyjson_mut_obj_add_uint(d, root, "version", 1);
    yyjson_mut_val *numbers = yyjson_mut_obj_add_arr(d, root, "numbers");
    for (size_t i = 0; i < f->n_knob; i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, numbers);
        yyjson_mut_obj_add_str(d, o, "name", f->knob[i].name);
        yyjson_mut_obj_add_real(d, o, "before", f->knob[i].before);
        yyjson_mut_obj_add_real(d, o, "after", f->knob[i].value->v[SEAM_CASE_MID]);
        yyjson_mut_obj_add_uint(d, o, "rows", f->knob[i].rows);
    }
    const struct errors *both[] = {before, after};
    static const char *const name[] = {"before", "after"};
    for (int i = 0; i < 2; i++) {
        yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, root, name[i]);
        add_half(d, o, "fit", &both[i]->fit);
        add_half(d, o, "held", &both[i]->held);
    }
    yyjson_mut_val *rows = yyjson_mut_obj_add_arr(d, root, "rows");
    for (size_t i = 0; i < f->n_row; i++)
        add_row(d, rows, f, &f->row[i]);
    return seam_json_put(d, 0, err);
}

/* ---- cards that another plan can read ---- */

static bool changed(const struct seam_fit *f, const struct seam_plan_machine *m)
{
    for (size_t i = 0; i < f->n_knob; i++)
        for (int r = 0; r < SEAM_RATE_COUNT; r++)
            if (f->knob[i].rows && f->knob[i].value == &m->rate[r])
                return true;
    return false;
}

static const struct {
    enum seam_unit unit;
    const char *name;
    double factor;
} written[] = {
    {SEAM_UNIT_BYTES, "MB", 1e6},    {SEAM_UNIT_BANDWIDTH, "MB/s", 1e6},
    {SEAM_UNIT_LINK, "MB/s", 1e6},   {SEAM_UNIT_FLOPS, "GFLOPS", 1e9},
    {SEAM_UNIT_SECONDS, "us", 1e-6}, {SEAM_UNIT_WATTS, "W", 1},
    {SEAM_UNIT_SHARE, "%", 1e-2},
};

static void write_number(FILE *to, const struct seam_fit *f, const struct seam_plan_machine *m,
                         enum seam_rate r)
{
    const struct seam_rate_row *row = seam_rate_row(r);
    const double *v = m->rate[r].v;
    const char *source = seam_quantity_source(&m->rate[r]);
    for (size_t i = 0; i < f->n_knob; i++)
        if (f->knob[i].rows && f->knob[i].value == &m->rate[r])
            source = "seam plan --fit";
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (written[i].unit == row->unit) {
            const double by = written[i].factor;
            fprintf(to, "    %s: {is: \"%.9g / %.9g / %.9g %s\", from: \"", row->key, v[0] / by,
                    v[1] / by, v[2] / by, written[i].name);
        }
    for (; *source; source++)
        fputc(*source == '"' || *source == '\\' ? '\'' : *source, to);
    fputs("\"}\n", to);
}

/* Beside the place and then into it: what was there stays whole. */
static seam_status write_cards(const struct seam_fit *f, const char *path, struct seam_err *err)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return seam_fail(err, SEAM_EINVAL, "--cards-to: the name is too long");
    FILE *to = fopen(part, "w");
    if (!to)
        return seam_fail(err, SEAM_EIO, "write %s: %s", part, strerror(errno));
    fprintf(to, "# Cards fitted by `seam plan --fit`; `seam plan --cards-from FILE` uses them.\n"
                "machines:\n");
    for (size_t i = 0; i < f->n_machine; i++) {
        const struct seam_plan_machine *m = &f->machine[i];
        if (!changed(f, m))
            continue;
        fprintf(to, "  - name: %s\n    title: \"%s\"\n    vendor: %s\n", m->name, m->title,
                seam_vendor_name(m->vendor));
        for (int r = 0; r < SEAM_RATE_COUNT; r++)
            if (m->has[r])
                write_number(to, f, m, (enum seam_rate)r);
    }
    bool bad = ferror(to) != 0;
    bad = fclose(to) != 0 || bad;
    if (bad || rename(part, path) != 0) {
        int why = errno;
        unlink(part);
        return seam_fail(err, SEAM_EIO, "write %s: %s", path, strerror(why));
    }
    return SEAM_OK;
}

/* ---- runs of the journal, as rows ---- */

struct logged {
    struct seam_journal *journal;
    struct seam_shape **shape; /* one per run; NULL: its model is not there any more */
    struct seam_measured *row; /* the published ones, then these */
    size_t n_run, n_row;
};

static void take_run(struct logged *l, const struct seam_inventory *v,
                     const struct seam_journal_run *r)
{
    struct seam_err err = {0};
    struct seam_shape **shape = &l->shape[l->n_run++];
    if (!r->alone || !(r->median > 0) || !r->tokens || !seam_inventory_machine(v, r->machine))
        return;
    if (seam_shape_open(shape, v, r->model, &err) != SEAM_OK) {
        seam_warn("a run is left out: %s", err.text);
        return;
    }
    l->row[l->n_row++] = (struct seam_measured){.source = "journal",
                                                .machine = r->machine,
                                                .shape = *shape,
                                                .decode = r->decode,
                                                .tokens = r->tokens,
                                                .after = r->after,
                                                .chunk = r->chunk ? r->chunk : SEAM_COST_CHUNK,
                                                .rate = r->median};
}

static seam_status take_journal(struct logged *l, const struct seam_inventory *v,
                                const struct seam_plan_fit_opts *o, const struct seam_published *p,
                                struct seam_err *err)
{
    const struct seam_journal_run *run = NULL;
    size_t n = 0;
    seam_status st = SEAM_OK;
    if (!o->no_log) {
        st = seam_journal_open(&l->journal, o->log, false, err);
        if (st == SEAM_ENOTFOUND && !o->log) /* nothing was ever logged */
            st = SEAM_OK;
    }
    if (st == SEAM_OK && l->journal)
        st = seam_journal_runs(l->journal, &run, &n, err);
    if (st != SEAM_OK)
        return st;
    l->row = calloc((p ? p->n_row : 0) + n + 1, sizeof *l->row);
    l->shape = calloc(n + 1, sizeof *l->shape);
    if (!l->row || !l->shape)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fit");
    for (size_t i = 0; p && i < p->n_row; i++)
        l->row[l->n_row++] = p->row[i];
    for (size_t i = 0; i < n; i++)
        take_run(l, v, &run[i]);
    return l->n_row
               ? SEAM_OK
               : seam_fail(err, SEAM_EINVAL,
                           "nothing to fit to: no --published bench/published.yaml, and no run "
                           "of one machine in the journal (`seam bench --phase solo`)");
}

static void release(struct logged *l)
{
    for (size_t i = 0; i < l->n_run; i++)
        seam_shape_close(l->shape[i]);
    free(l->shape);
    free(l->row);
    seam_journal_close(l->journal);
}

/* ---- the fit ---- */

static seam_status add_once(struct seam_fit *f, const char *knob, struct seam_err *err)
{
    for (size_t i = 0; i < f->n_knob; i++)
        if (!strcmp(f->knob[i].name, knob))
            return SEAM_OK;
    return seam_fit_add(f, knob, err);
}

/* What the file says may change; and of machines with runs in the journal what prefill and decode are
 * made of. */
static seam_status add_knobs(struct seam_fit *f, const struct seam_published *p,
                             const struct logged *l, struct seam_err *err)
{
    static const char *const rates[] = {"matmul", "attention", "decode", "layer"};
    char knob[80];
    seam_status st = SEAM_OK;
    for (size_t i = 0; p && st == SEAM_OK && i < p->n_knob; i++)
        st = add_once(f, p->knob[i], err);
    for (size_t i = p ? p->n_row : 0; i < l->n_row; i++)
        for (size_t r = 0; st == SEAM_OK && r < sizeof rates / sizeof *rates; r++) {
            snprintf(knob, sizeof knob, "%s.%s", l->row[i].machine, rates[r]);
            st = add_once(f, knob, err);
        }
    return st;
}

static seam_status fit(struct seam_fit *f, const struct seam_plan_fit_opts *o, struct seam_err *err)
{
    const struct errors before = errors_of(f);
    seam_fit_run(f);
    const struct errors after = errors_of(f);
    seam_status st = o->write ? write_cards(f, o->write, err) : SEAM_OK;
    if (st == SEAM_OK && o->json)
        st = print_json(f, &before, &after, err);
    else if (st == SEAM_OK)
        print_text(f, &before, &after);
    return st;
}

seam_status seam_plan_fit(const struct seam_inventory *v, const struct seam_plan_fit_opts *o,
                          struct seam_err *err)
{
    struct seam_published *p = NULL;
    struct seam_fit *f = NULL;
    struct logged l = {0};
    seam_status st = o->published ? seam_published_open(&p, o->published, err) : SEAM_OK;
    if (st == SEAM_OK)
        st = take_journal(&l, v, o, p, err);
    if (st == SEAM_OK)
        st = seam_fit_open(&f, v, p ? p->engine : NULL, p ? p->n_engine : 0, l.row, l.n_row, err);
    if (st == SEAM_OK)
        st = add_knobs(f, p, &l, err);
    if (st == SEAM_OK)
        st = fit(f, o, err);
    seam_fit_close(f);
    release(&l);
    seam_published_close(p);
    return st;
}
