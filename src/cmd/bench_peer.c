/* bench_peer.c - `seam bench` beside another program: fresh processes for both, and what they say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/bench.h"

#define WORDS_MAX 32

/* ---- what a program says ---- */

static double number_of(yyjson_val *o, const char *key)
{
    yyjson_val *v = yyjson_obj_get(o, key);
    return yyjson_is_num(v) ? yyjson_get_num(v) : -1;
}

static void copy_text(char *to, size_t len, yyjson_val *o, const char *key)
{
    const char *s = yyjson_get_str(yyjson_obj_get(o, key));
    snprintf(to, len, "%s", s ? s : "");
}

/* The first of samples_ns, when `o` is the result of this test. */
static bool sample_of(yyjson_val *o, const struct seam_bench_test *t, const char *depth_key,
                      double *ns)
{
    double n_prompt = t->kind == SEAM_BENCH_PREFILL ? t->n : 0;
    double n_gen = t->kind == SEAM_BENCH_PREFILL ? 0 : t->n;
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(o, "samples_ns"));
    if (number_of(o, "n_prompt") < n_prompt || number_of(o, "n_prompt") > n_prompt ||
        number_of(o, "n_gen") < n_gen || number_of(o, "n_gen") > n_gen ||
        number_of(o, depth_key) < t->depth || number_of(o, depth_key) > t->depth ||
        !yyjson_is_num(first))
        return false;
    *ns = yyjson_get_num(first);
    return *ns > 0;
}

seam_status seam_bench_parse_llama(const char *text, size_t len, const struct seam_bench_test *t,
                                   double *ns, struct seam_bench_peer *about, struct seam_err *err)
{
    yyjson_doc *doc = yyjson_read(text, len, 0);
    yyjson_val *row = yyjson_arr_get_first(yyjson_doc_get_root(doc));
    seam_status st = SEAM_OK;
    if (!doc)
        st = seam_fail(err, SEAM_EPEER, "printed no JSON (is it llama-bench?)");
    else if (!sample_of(row, t, "n_depth", ns))
        st = seam_fail(err, SEAM_EPEER,
                       "printed JSON without the result that was asked for (n_prompt, n_gen, "
                       "n_depth, samples_ns)");
    if (st == SEAM_OK) {
        char commit[32];
        copy_text(commit, sizeof commit, row, "build_commit");
        snprintf(about->build, sizeof about->build, "%s (%.0f)", commit,
                 number_of(row, "build_number"));
        copy_text(about->cpu, sizeof about->cpu, row, "cpu_info");
        copy_text(about->backends, sizeof about->backends, row, "backends");
    }
    yyjson_doc_free(doc);
    return st;
}

seam_status seam_bench_parse_seam(const char *text, size_t len, const struct seam_bench_test *t,
                                  double *ns, struct seam_err *err)
{
    yyjson_doc *doc = yyjson_read(text, len, 0);
    yyjson_val *tests = yyjson_obj_get(yyjson_doc_get_root(doc), "tests"), *row;
    size_t i, n;
    bool found = false;
    yyjson_arr_foreach(tests, i, n, row)
    {
        found = found || sample_of(row, t, "depth", ns);
    }
    yyjson_doc_free(doc);
    return found ? SEAM_OK : seam_fail(err, SEAM_EPEER, "printed no result of its own");
}

/* ---- processes ---- */

struct words {
    const char *v[WORDS_MAX];
    size_t n;
    char numbers[6][16];
    size_t n_numbers;
};

static void word(struct words *w, const char *text)
{
    w->v[w->n++] = text;
}

static void option(struct words *w, const char *name, uint32_t value)
{
    char *number = w->numbers[w->n_numbers++];
    snprintf(number, sizeof w->numbers[0], "%u", value);
    word(w, name);
    word(w, number);
}

/* Both programs take these words alike. */
static void add_test(struct words *w, const struct seam_bench *b, const struct seam_bench_test *t)
{
    word(w, "-m");
    word(w, b->o->model);
    option(w, "-p", t->kind == SEAM_BENCH_PREFILL ? t->n : 0);
    option(w, "-n", t->kind == SEAM_BENCH_PREFILL ? 0 : t->n);
    option(w, "-d", t->depth);
    option(w, "-t", (uint32_t)b->n_threads);
    word(w, "-r");
    word(w, "1");
    if (t->cold || t->kind == SEAM_BENCH_LOAD || b->o->no_warmup)
        word(w, "--no-warmup");
}

/* The last line that is not empty; text is changed. */
static const char *last_line(char *text)
{
    size_t len = text ? strlen(text) : 0;
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = '\0';
    if (!len)
        return "it said nothing";
    char *nl = strrchr(text, '\n');
    return nl ? nl + 1 : text;
}

static seam_status run(struct words *w, struct seam_os_child *child, struct seam_err *err)
{
    w->v[w->n] = NULL;
    seam_status st = seam_os_run(w->v, child, err);
    if (st == SEAM_OK && child->exit_status != 0)
        st = seam_fail(err, SEAM_EPEER, "%s ended with status %d: %s", w->v[0], child->exit_status,
                       last_line(child->err.p));
    return st;
}

static void take_process(const struct seam_bench_test *t, const struct seam_os_child *child,
                         double *ns, uint64_t *rss_peak)
{
    if (t->kind == SEAM_BENCH_LOAD)
        *ns = (double)child->wall_ns;
    if (child->rss_peak_bytes > *rss_peak)
        *rss_peak = child->rss_peak_bytes;
}

seam_status seam_bench_run_self(struct seam_bench *b, const struct seam_bench_test *t, double *ns,
                                uint64_t *rss_peak, struct seam_err *err)
{
    char self[1024];
    struct words w = {0};
    struct seam_os_child child = {0};
    seam_status st = seam_os_self_path(self, sizeof self, err);
    if (st != SEAM_OK)
        return st;
    word(&w, self);
    word(&w, "bench");
    add_test(&w, b, t);
    if (b->o->chunk)
        option(&w, "--chunk", b->o->chunk);
    if (b->o->mmap) {
        word(&w, "--mmap");
        word(&w, b->o->mmap);
    }
    word(&w, "--decode-device");
    word(&w, b->o->decode_device);
    word(&w, "--json");
    st = run(&w, &child, err);
    if (st == SEAM_OK) {
        st = seam_bench_parse_seam(child.out.p ? child.out.p : "", child.out.n, t, ns, err);
        if (st != SEAM_OK)
            seam_wrap(err, st, "%s", self);
    }
    take_process(t, &child, ns, rss_peak);
    seam_os_child_release(&child);
    return st;
}

/* "load_backend: loaded CPU backend from /usr/lib/.../libggml-cpu-haswell.so" */
static void note_variant(struct seam_bench_peer *about, const char *text)
{
    static const char mark[] = "loaded CPU backend from ";
    const char *at = text ? strstr(text, mark) : NULL;
    if (at)
        snprintf(about->variant, sizeof about->variant, "%.*s",
                 (int)strcspn(at + sizeof mark - 1, "\n"), at + sizeof mark - 1);
}

seam_status seam_bench_run_peer(struct seam_bench *b, const struct seam_bench_test *t, bool flash,
                                double *ns, uint64_t *rss_peak, struct seam_err *err)
{
    struct words w = {0};
    struct seam_os_child child = {0};
    word(&w, b->o->against);
    add_test(&w, b, t);
    word(&w, "-fa");
    word(&w, flash ? "1" : "0");
    word(&w, "-o");
    word(&w, "json");
    seam_status st = run(&w, &child, err);
    if (st == SEAM_OK) {
        note_variant(&b->peer, child.err.p);
        st = seam_bench_parse_llama(child.out.p ? child.out.p : "", child.out.n, t, ns, &b->peer,
                                    err);
        if (st != SEAM_OK)
            seam_wrap(err, st, "%s", b->o->against);
    }
    take_process(t, &child, ns, rss_peak);
    seam_os_child_release(&child);
    return st;
}
