#include "plan/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"

#define ROUNDS  60u  /* over all knobs, at most */
#define REACH   0.7  /* of the logarithm of a knob, to either side, in one search */
#define NARROW  1e-4 /* width at which a search ends */
#define SETTLED 1e-6 /* a round in which the sum of squares falls by less is the last */

static struct seam_plan_machine *card(const struct seam_fit *f, const char *name)
{
    for (size_t i = f->n_machine; i-- > 0;)
        if (!strcmp(f->machine[i].name, name))
            return &f->machine[i];
    return NULL;
}

static struct seam_plan_engine *engine_of(const struct seam_fit *f, const char *name,
                                          enum seam_vendor vendor)
{
    for (size_t i = 0; i < f->n_engine; i++)
        if (f->engine[i].vendor == vendor && !strcmp(f->engine[i].name, name))
            return &f->engine[i];
    return NULL;
}

seam_status seam_fit_open(struct seam_fit **out, const struct seam_inventory *v,
                          struct seam_plan_engine *engine, size_t n_engine,
                          const struct seam_measured *row, size_t n_row, struct seam_err *err)
{
    struct seam_fit *f = *out = calloc(1, sizeof *f);
    if (f)
        f->machine = calloc(v->n_machine, sizeof *f->machine);
    if (!f || !f->machine) {
        seam_fit_close(f);
        *out = NULL;
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fit");
    }
    memcpy(f->machine, v->machine, v->n_machine * sizeof *f->machine);
    f->n_machine = v->n_machine;
    f->engine = engine;
    f->n_engine = n_engine;
    f->row = row;
    f->n_row = n_row;
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < n_row; i++) {
        const struct seam_plan_machine *m = card(f, row[i].machine);
        if (!m)
            st = seam_fail(err, SEAM_EINVAL, "%s: no machine '%s' (`seam plan --cards`)",
                           row[i].source, row[i].machine);
        else if (row[i].engine && !engine_of(f, row[i].engine, m->vendor))
            st = seam_fail(err, SEAM_EINVAL, "%s: no engine '%s' for machines of %s", row[i].source,
                           row[i].engine, seam_vendor_name(m->vendor));
    }
    if (st != SEAM_OK) {
        seam_fit_close(f);
        *out = NULL;
    }
    return st;
}

void seam_fit_close(struct seam_fit *f)
{
    if (!f)
        return;
    free(f->machine);
    free(f->knob);
    free(f);
}

/* The card as this row's engine uses it. */
static struct seam_plan_machine used_by(const struct seam_fit *f, const struct seam_measured *r)
{
    struct seam_plan_machine m = *card(f, r->machine);
    if (!r->engine)
        return m;
    const struct seam_plan_engine *e = engine_of(f, r->engine, m.vendor);
    m.rate[SEAM_RATE_MATMUL].v[SEAM_CASE_MID] *= e->matmul.v[SEAM_CASE_MID];
    m.rate[SEAM_RATE_ATTENTION].v[SEAM_CASE_MID] *= e->attention.v[SEAM_CASE_MID];
    m.tile = e->tile;
    m.absorbed = e->absorbed;
    return m;
}

double seam_fit_predict(const struct seam_fit *f, const struct seam_measured *r)
{
    const struct seam_plan_machine m = used_by(f, r);
    struct seam_cost sum = {0};
    for (uint32_t i = 0; i < r->shape->hp.n_layer; i++) {
        const struct seam_cost one =
            r->decode
                ? seam_cost_decode(r->shape, i, r->after + r->tokens / 2, &m, SEAM_CASE_MID)
                : seam_cost_prefill(r->shape, i, r->tokens, r->after, r->chunk, &m, SEAM_CASE_MID);
        seam_cost_add(&sum, &one, 1);
    }
    const struct seam_cost head = seam_cost_head(r->shape, &m, SEAM_CASE_MID);
    seam_cost_add(&sum, &head, 1);
    return (r->decode ? 1 : r->tokens) / seam_cost_sum(&sum);
}

static int up(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct seam_fit_errors seam_fit_errors_of(const struct seam_fit *f, bool held)
{
    struct seam_fit_errors e = {0};
    double *v = malloc((f->n_row + 1) * sizeof *v);
    for (size_t i = 0; v && i < f->n_row; i++)
        if (f->row[i].held == held)
            v[e.n++] = fabs(seam_fit_predict(f, &f->row[i]) / f->row[i].rate - 1);
    if (e.n) {
        qsort(v, e.n, sizeof *v, up);
        e.median = e.n % 2 ? v[e.n / 2] : (v[e.n / 2 - 1] + v[e.n / 2]) / 2;
        e.worst = v[e.n - 1];
    }
    free(v);
    return e;
}

/* ---- knobs ---- */

static seam_status unknown(const char *knob, struct seam_err *err)
{
    return seam_fail(err, SEAM_EINVAL,
                     "no number '%s' to fit: CARD.RATE, or ENGINE@VENDOR.matmul or .attention",
                     knob);
}

/* Is this a row to fit to whose prediction the knob moves? */
static bool moves(const struct seam_fit *f, const struct seam_fit_knob *k,
                  const struct seam_measured *r)
{
    if (r->held)
        return false;
    if (k->machine)
        return !strcmp(r->machine, k->machine);
    return r->engine && !strcmp(r->engine, k->engine) && card(f, r->machine)->vendor == k->vendor;
}

static bool machine_knob(struct seam_fit *f, struct seam_fit_knob *k, const char *name,
                         const char *rate)
{
    struct seam_plan_machine *m = card(f, name);
    for (int r = 0; m && r < SEAM_RATE_COUNT; r++) {
        const struct seam_rate_row *row = seam_rate_row((enum seam_rate)r);
        if (strcmp(row->key, rate) != 0 || !m->has[r])
            continue;
        k->value = &m->rate[r];
        k->unit = row->unit;
        k->least = row->least > 0 ? row->least : 1e-9;
        k->most = row->most;
        if (r == SEAM_RATE_DECODE) {
            k->least = m->rate[r].v[SEAM_CASE_WORST];
            k->most = m->rate[r].v[SEAM_CASE_BEST];
        }
        k->machine = m->name;
        return true;
    }
    return false;
}

static bool engine_knob(struct seam_fit *f, struct seam_fit_knob *k, const char *name,
                        const char *vendor, const char *rate)
{
    for (size_t i = 0; i < f->n_engine; i++) {
        struct seam_plan_engine *e = &f->engine[i];
        if (strcmp(e->name, name) != 0 || strcmp(seam_vendor_name(e->vendor), vendor) != 0)
            continue;
        k->value = !strcmp(rate, "matmul")      ? &e->matmul
                   : !strcmp(rate, "attention") ? &e->attention
                                                : NULL;
        k->unit = SEAM_UNIT_SHARE;
        k->least = 0.01;
        k->most = 10;
        k->engine = e->name;
        k->vendor = e->vendor;
        return k->value != NULL;
    }
    return false;
}

seam_status seam_fit_add(struct seam_fit *f, const char *knob, struct seam_err *err)
{
    struct seam_fit_knob k = {.least = 0};
    char name[80];
    snprintf(k.name, sizeof k.name, "%s", knob);
    snprintf(name, sizeof name, "%s", knob);
    char *rate = strrchr(name, '.'), *at = strchr(name, '@');
    if (!rate || rate == name)
        return unknown(knob, err);
    *rate++ = '\0';
    if (at)
        *at++ = '\0';
    if (!(at ? engine_knob(f, &k, name, at, rate) : machine_knob(f, &k, name, rate)))
        return unknown(knob, err);
    k.before = k.value->v[SEAM_CASE_MID];
    for (size_t i = 0; i < f->n_row; i++)
        k.rows += moves(f, &k, &f->row[i]);
    struct seam_fit_knob *more = realloc(f->knob, (f->n_knob + 1) * sizeof *more);
    if (!more)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fit");
    f->knob = more;
    f->knob[f->n_knob++] = k;
    return SEAM_OK;
}

/* ---- the search ---- */

/* Of the rows that this knob moves: the others' part of the sum stays what it is. */
static double squares(const struct seam_fit *f, const struct seam_fit_knob *k)
{
    double sum = 0;
    for (size_t i = 0; i < f->n_row; i++) {
        if (!moves(f, k, &f->row[i]))
            continue;
        double x = log(seam_fit_predict(f, &f->row[i]) / f->row[i].rate);
        sum += x * x;
    }
    return sum;
}

static double tried(const struct seam_fit *f, struct seam_fit_knob *k, double x)
{
    k->value->v[SEAM_CASE_MID] = exp(x);
    return squares(f, k);
}

/* Golden section on the logarithm. Returns by how much the sum fell; it never rises. */
static double search(const struct seam_fit *f, struct seam_fit_knob *k)
{
    const double now = squares(f, k);
    const double golden = (sqrt(5) - 1) / 2, at = log(k->value->v[SEAM_CASE_MID]);
    double a = fmax(at - REACH, log(k->least)), b = fmin(at + REACH, log(k->most));
    double x = b - golden * (b - a), y = a + golden * (b - a);
    double at_x = tried(f, k, x), at_y = tried(f, k, y);
    while (b - a > NARROW) {
        if (at_x < at_y) {
            b = y;
            y = x;
            at_y = at_x;
            x = b - golden * (b - a);
            at_x = tried(f, k, x);
        } else {
            a = x;
            x = y;
            at_x = at_y;
            y = a + golden * (b - a);
            at_y = tried(f, k, y);
        }
    }
    double best = tried(f, k, (a + b) / 2);
    if (best < now)
        return now - best;
    k->value->v[SEAM_CASE_MID] = exp(at);
    return 0;
}

void seam_fit_run(struct seam_fit *f)
{
    double fell = 1;
    for (unsigned round = 0; round < ROUNDS && fell > SETTLED; round++) {
        fell = 0;
        for (size_t i = 0; i < f->n_knob; i++)
            if (f->knob[i].rows && f->knob[i].least < f->knob[i].most)
                fell += search(f, &f->knob[i]);
    }
    for (size_t i = 0; i < f->n_knob; i++) {
        struct seam_fit_knob *k = &f->knob[i];
        double by = k->value->v[SEAM_CASE_MID] / k->before;
        const enum seam_case others[] = {SEAM_CASE_WORST, SEAM_CASE_BEST};
        for (int c = 0; c < 2; c++) {
            double *v = &k->value->v[others[c]];
            *v = fmin(fmax(*v * by, k->least), k->most);
        }
    }
}
