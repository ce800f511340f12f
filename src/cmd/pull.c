/* pull.c - `seam pull`: a model from a hub, verified. What is fetched and how is src/hub's; here is what is asked,
 * listed and shown (docs/pull.md). */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "cmd/option.h"
#include "hub/fetch.h"

#define BAR 24

struct opts {
    const char *dir, *revision, *layers, *endpoint;
    uint32_t jobs, retries, timeout;
    bool list, json, yes;
};

struct pull {
    const struct opts *o;
    char repo[256];
    const char *what;
    struct seam_hub *hub;
    struct seam_hub_list list;
    bool *chosen;                      /* of sets */
    bool *keep;                        /* of files */
    const struct seam_hub_file **file; /* those to fetch */
    size_t n_file, n_left_out;
    uint64_t bytes;
    bool terminal, bar_shown;
    uint64_t begin_ns, said_ns, step_ns;
};

static volatile sig_atomic_t canceled;

static void on_signal(int sig)
{
    (void)sig;
    canceled = 1;
}

static const char *size_of(uint64_t bytes)
{
    static char ring[4][24];
    static unsigned next;
    next = (next + 1) % 4;
    return seam_size_format(bytes, ring[next], sizeof ring[next]);
}

/* ---- --json: a line for each event ---- */

static yyjson_mut_doc *event(const char *name)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    yyjson_mut_obj_add_str(d, root, "event", name);
    return d;
}

static void print_event(yyjson_mut_doc *d)
{
    char *text = yyjson_mut_write(d, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    if (text)
        puts(text);
    fflush(stdout);
    free(text);
    yyjson_mut_doc_free(d);
}

static void json_file(yyjson_mut_doc *d, yyjson_mut_val *to, const struct seam_hub_file *f,
                      bool fetch)
{
    char hex[SEAM_SHA256_HEX];
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, to);
    yyjson_mut_obj_add_str(d, o, "path", f->path);
    yyjson_mut_obj_add_uint(d, o, "bytes", f->bytes);
    if (f->hashed)
        yyjson_mut_obj_add_strcpy(d, o, "sha256", seam_sha256_format(f->sha256, hex));
    yyjson_mut_obj_add_bool(d, o, "fetch", fetch);
}

static void print_list_json(const struct pull *p, bool all)
{
    yyjson_mut_doc *d = event("list");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(d);
    yyjson_mut_obj_add_str(d, root, "host", seam_hub_host(p->hub));
    yyjson_mut_obj_add_str(d, root, "repository", p->repo);
    yyjson_mut_obj_add_str(d, root, "revision", p->o->revision);
    yyjson_mut_obj_add_uint(d, root, "fetch_bytes", p->bytes);
    yyjson_mut_obj_add_uint(d, root, "left_out", p->n_left_out);
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(d, root, "models");
    for (size_t i = 0; i < p->list.n_set; i++) {
        const struct seam_hub_set *s = &p->list.set[i];
        if (!all && !p->chosen[i])
            continue;
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, models);
        yyjson_mut_obj_add_str(d, o, "name", s->name);
        yyjson_mut_obj_add_uint(d, o, "splits", s->of);
        yyjson_mut_obj_add_uint(d, o, "bytes", s->bytes);
        yyjson_mut_val *files = yyjson_mut_obj_add_arr(d, o, "files");
        for (size_t k = s->first; k < s->first + s->n; k++)
            json_file(d, files, &p->list.file[k], p->keep[k]);
    }
    print_event(d);
}

/* ---- for a person ---- */

static void print_models(const struct pull *p, FILE *to)
{
    fprintf(to, "%s at %s, on %s:\n", p->repo, p->o->revision, seam_hub_host(p->hub));
    for (size_t i = 0; i < p->list.n_set; i++) {
        const struct seam_hub_set *s = &p->list.set[i];
        if (s->of == 1)
            fprintf(to, "  %-60s             %9s\n", s->name, size_of(s->bytes));
        else
            fprintf(to, "  %-60s %3" PRIu32 " splits  %9s%s\n", s->name, s->of, size_of(s->bytes),
                    s->n == s->of ? "" : "  (not all of them are there)");
    }
}

static void print_files(const struct pull *p, FILE *to)
{
    fprintf(to, "%s at %s, on %s:\n", p->repo, p->o->revision, seam_hub_host(p->hub));
    for (size_t i = 0; i < p->list.n_set; i++)
        for (size_t k = 0; p->chosen[i] && k < p->list.set[i].n; k++) {
            const size_t at = p->list.set[i].first + k;
            fprintf(to, "  %-70s %9s%s\n", p->list.file[at].path, size_of(p->list.file[at].bytes),
                    p->keep[at] ? "" : "  left out");
        }
    fprintf(to, "%zu file%s, %s", p->n_file, p->n_file == 1 ? "" : "s", size_of(p->bytes));
    if (p->n_left_out)
        fprintf(to, "; %zu left out: PART of a model, which no command opens as a whole",
                p->n_left_out);
    fputc('\n', to);
}

static const char *time_left(double s, char *buf, size_t len)
{
    if (!(s < 1e6))
        snprintf(buf, len, "?");
    else if (s >= 3600)
        snprintf(buf, len, "%.0f h %02.0f min", (double)(long)(s / 3600),
                 (double)((long)(s / 60) % 60));
    else if (s >= 100)
        snprintf(buf, len, "%.0f min", s / 60);
    else
        snprintf(buf, len, "%.0f s", s);
    return buf;
}

static void clear_bar(struct pull *p)
{
    if (p->bar_shown)
        fputs("\r\033[K", stderr);
    p->bar_shown = false;
}

static void show_bar(struct pull *p, const char *line, double share)
{
    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = share * BAR > i ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "\rpull: [%s] %s\033[K", bar, line);
    fflush(stderr);
    p->bar_shown = true;
}

static void show_progress(struct pull *p, const struct seam_fetch_event *e)
{
    const uint64_t now = seam_mono_ns();
    const double took = (double)(now - p->begin_ns) / (double)SEAM_NS_PER_S,
                 rate = took > 0 ? (double)e->fetched / took : 0, all = e->all ? (double)e->all : 1;
    char line[200], left[40];
    if (now - p->said_ns < p->step_ns)
        return;
    p->said_ns = now;
    if (p->o->json) {
        yyjson_mut_doc *d = event("progress");
        yyjson_mut_val *root = yyjson_mut_doc_get_root(d);
        yyjson_mut_obj_add_uint(d, root, "bytes", e->here);
        yyjson_mut_obj_add_uint(d, root, "checked_bytes", e->checked);
        yyjson_mut_obj_add_uint(d, root, "all_bytes", e->all);
        yyjson_mut_obj_add_uint(d, root, "fetched_bytes", e->fetched);
        yyjson_mut_obj_add_real(d, root, "bytes_per_s", rate);
        print_event(d);
        return;
    }
    if (e->here < e->all)
        snprintf(line, sizeof line, "%s of %s, %s/s, %s left", size_of(e->here), size_of(e->all),
                 size_of((uint64_t)rate),
                 time_left((double)(e->all - e->here) / rate, left, sizeof left));
    else
        snprintf(line, sizeof line, "checking: %s of %s", size_of(e->checked), size_of(e->all));
    if (p->terminal)
        show_bar(p, line, (double)(e->here < e->all ? e->here : e->checked) / all);
    else
        seam_info("pull: %s", line);
}

static void on_event(void *user, const struct seam_fetch_event *e)
{
    struct pull *p = user;
    if (e->kind == SEAM_FETCH_PROGRESS) {
        show_progress(p, e);
        return;
    }
    clear_bar(p);
    if (e->kind == SEAM_FETCH_AGAIN)
        seam_info("pull: %s; again in %.1f s", e->story, e->wait_s);
    else if (e->kind == SEAM_FETCH_CORRUPT)
        seam_warn("pull: %s", e->story);
    else if (p->o->json) {
        char hex[SEAM_SHA256_HEX];
        yyjson_mut_doc *d = event("file");
        yyjson_mut_val *root = yyjson_mut_doc_get_root(d);
        yyjson_mut_obj_add_str(d, root, "path", e->path);
        yyjson_mut_obj_add_uint(d, root, "bytes", e->file->bytes);
        yyjson_mut_obj_add_strcpy(d, root, "sha256", seam_sha256_format(e->file->sha256, hex));
        yyjson_mut_obj_add_bool(d, root, "was_there", e->had);
        print_event(d);
    } else {
        seam_info("pull: %s: SHA-256 as the hub says%s", e->path, e->had ? "; it was there" : "");
        puts(e->path);
        fflush(stdout);
    }
}

static void on_contact(void *user, const char *host)
{
    clear_bar(user);
    seam_info("pull: asking %s", host);
}

static void on_again(void *user, const char *story, double wait_s)
{
    clear_bar(user);
    seam_info("pull: %s; again in %.1f s", story, wait_s);
}

/* ---- the steps ---- */

static seam_status parse_layers(const char *text, uint32_t *first, uint32_t *last,
                                struct seam_err *err)
{
    char rest;
    if (sscanf(text, "%9" SCNu32 "-%9" SCNu32 "%c", first, last, &rest) != 2 || *first > *last)
        return seam_fail(err, SEAM_EINVAL,
                         "--only-layers: '%s' is no range of layers, such as 12-23", text);
    return SEAM_OK;
}

/* From chosen sets to files, less those that the asked layers do not need. */
static seam_status choose_files(struct pull *p, struct seam_err *err)
{
    uint32_t first = 0, last = 0;
    seam_status st = p->o->layers ? parse_layers(p->o->layers, &first, &last, err) : SEAM_OK;
    for (size_t i = 0; i < p->list.n_set && st == SEAM_OK; i++) {
        const struct seam_hub_set *s = &p->list.set[i];
        if (!p->chosen[i])
            continue;
        memset(p->keep + s->first, true, s->n * sizeof *p->keep);
        if (p->o->layers)
            st = seam_hub_layers(p->hub, p->repo, p->o->revision, &p->list, s, first, last,
                                 p->keep + s->first, err);
        for (size_t k = s->first; k < s->first + s->n && st == SEAM_OK; k++)
            if (p->keep[k]) {
                p->bytes += p->list.file[k].bytes;
                p->file[p->n_file++] = &p->list.file[k];
            } else {
                p->n_left_out++;
            }
    }
    return st;
}

static seam_status look(struct pull *p, struct seam_err *err)
{
    seam_status st = seam_hub_list_get(p->hub, p->repo, p->o->revision, &p->list, err);
    if (st != SEAM_OK)
        return st;
    p->chosen = calloc(p->list.n_set + 1, sizeof *p->chosen);
    p->keep = calloc(p->list.n_file + 1, sizeof *p->keep);
    p->file = calloc(p->list.n_file + 1, sizeof *p->file);
    if (!p->chosen || !p->keep || !p->file)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a listing");
    if (p->o->list && !p->what) /* all there is */
        return SEAM_OK;
    st = seam_hub_select(&p->list, p->what, p->chosen, err);
    if (st == SEAM_OK)
        st = choose_files(p, err);
    return st == SEAM_OK ? st : seam_wrap(err, st, "%s", p->repo);
}

static seam_status ask(const struct pull *p, uint64_t missing, uint64_t space, struct seam_err *err)
{
    char answer[16] = "";
    if (p->o->yes || p->o->json || !isatty(STDIN_FILENO) || !p->terminal || missing == 0)
        return SEAM_OK;
    fprintf(stderr, "Fetch %s into %s (%s free)? [y/N] ", size_of(missing), p->o->dir,
            size_of(space));
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return SEAM_OK;
    return seam_fail(err, SEAM_ECANCELED, "nothing was fetched");
}

static void print_done(struct pull *p, uint64_t missing)
{
    const double s = (double)(seam_mono_ns() - p->begin_ns) / (double)SEAM_NS_PER_S;
    clear_bar(p);
    seam_info("pull: %zu file%s, %s verified; %s fetched in %.1f s, %s/s", p->n_file,
              p->n_file == 1 ? "" : "s", size_of(p->bytes), size_of(missing), s,
              size_of((uint64_t)((double)missing / (s > 0 ? s : 1))));
    if (p->n_left_out)
        seam_info("pull: PART of a model: %zu splits were left out", p->n_left_out);
    if (!p->o->json)
        return;
    yyjson_mut_doc *d = event("done");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(d);
    yyjson_mut_obj_add_uint(d, root, "files", p->n_file);
    yyjson_mut_obj_add_uint(d, root, "bytes", p->bytes);
    yyjson_mut_obj_add_bool(d, root, "part", p->n_left_out > 0);
    yyjson_mut_obj_add_real(d, root, "seconds", s);
    print_event(d);
}

static seam_status fetch(struct pull *p, struct seam_err *err)
{
    struct seam_fetch *f;
    const struct seam_fetch_opts fo = {.repo = p->repo,
                                       .revision = p->o->revision,
                                       .dir = p->o->dir,
                                       .jobs = p->o->jobs,
                                       .event = on_event,
                                       .user = p};
    seam_status st = seam_fetch_open(&f, p->hub, p->file, p->n_file, &fo, err);
    if (st != SEAM_OK)
        return st;
    const uint64_t missing = seam_fetch_missing(f);
    st = ask(p, missing, seam_fetch_space(f), err);
    p->begin_ns = p->said_ns = seam_mono_ns();
    if (st == SEAM_OK) {
        st = seam_fetch_run(f, err);
        if (st == SEAM_OK)
            print_done(p, missing);
        else if (st == SEAM_ECANCELED || st == SEAM_EFULL || st == SEAM_EPEER ||
                 st == SEAM_ETIMEOUT || st == SEAM_EBUSY)
            snprintf(err->text + strlen(err->text), sizeof err->text - strlen(err->text),
                     " (what has arrived is kept: the same command goes on)");
    }
    seam_fetch_close(f);
    return st;
}

static seam_status pull(struct pull *p, struct seam_err *err)
{
    const struct seam_hub_opts ho = {.endpoint = p->o->endpoint,
                                     .retries = p->o->retries,
                                     .timeout_s = p->o->timeout,
                                     .cancel = &canceled,
                                     .contact = on_contact,
                                     .again = on_again,
                                     .user = p};
    seam_status st = seam_hub_open(&p->hub, &ho, err);
    if (st != SEAM_OK)
        return st;
    if (!seam_hub_private(p->hub))
        seam_warn(
            "pull: %s is asked without encryption: its hashes prove nothing, and it gets no token",
            seam_hub_host(p->hub));
    st = look(p, err);
    if (st != SEAM_OK)
        return st;
    if (p->o->json)
        print_list_json(p, p->o->list && !p->what);
    else if (p->o->list && !p->what)
        print_models(p, stdout);
    else
        print_files(p, p->o->list ? stdout : stderr);
    return p->o->list ? SEAM_OK : fetch(p, err);
}

static void release(struct pull *p)
{
    clear_bar(p);
    free(p->chosen);
    free(p->keep);
    free(p->file);
    seam_hub_list_release(&p->list);
    seam_hub_close(p->hub);
}

/* ---- the command ---- */

#define AT(member) offsetof(struct opts, member)
static const struct seam_option options[] = {
    {"out", 'o', SEAM_OPTION_STRING, "DIR", AT(dir), "the folder for the files (default: this one)",
     NULL},
    {"list", 'l', SEAM_OPTION_FLAG, NULL, AT(list), "say what there is and fetch nothing", NULL},
    {"only-layers", 0, SEAM_OPTION_STRING, "A-B", AT(layers),
     "only the splits that hold tensors of these layers (and the first split), whole", NULL},
    {"revision", 'r', SEAM_OPTION_STRING, "NAME", AT(revision),
     "a branch, tag or commit (default main)", NULL},
    {"jobs", 'j', SEAM_OPTION_U32, "N", AT(jobs), "ranges at a time, 1 to 64 (default 8)", NULL},
    {"retries", 0, SEAM_OPTION_U32, "N", AT(retries),
     "how often in a row to try again without a byte of progress (default 8)", NULL},
    {"timeout", 0, SEAM_OPTION_U32, "SECONDS", AT(timeout),
     "silence that counts as broken (default 30)", NULL},
    {"endpoint", 0, SEAM_OPTION_STRING, "URL", AT(endpoint),
     "the hub (default: HF_ENDPOINT, or https://huggingface.co)", NULL},
    {"yes", 'y', SEAM_OPTION_FLAG, NULL, AT(yes), "do not ask before fetching", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json),
     "events on stdout, a JSON object a line (docs/pull.md)", NULL},
    {0},
};

static seam_status check(const struct opts *o, struct seam_err *err)
{
    if (o->jobs < 1 || o->jobs > SEAM_FETCH_JOBS_MAX)
        return seam_fail(err, SEAM_EINVAL, "--jobs: %" PRIu32 " is not 1 to %u", o->jobs,
                         SEAM_FETCH_JOBS_MAX);
    if (o->timeout < 1 || o->timeout > 3600)
        return seam_fail(err, SEAM_EINVAL, "--timeout: %" PRIu32 " is not 1 to 3600 seconds",
                         o->timeout);
    if (!*o->revision || !*o->dir)
        return seam_fail(err, SEAM_EINVAL, "--%s is empty", *o->dir ? "revision" : "out");
    return SEAM_OK;
}

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct opts o = {.dir = ".", .revision = "main", .jobs = 8, .retries = 8, .timeout = 30};
    struct seam_err err = {0};
    struct pull p = {.o = &o, .terminal = isatty(STDERR_FILENO)};
    int n = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n, &err);
    if (st == SEAM_OK)
        st = check(&o, &err);
    if (st == SEAM_OK)
        st = seam_hub_model_parse(argv[0], p.repo, sizeof p.repo, &p.what, &err);
    if (st == SEAM_OK) {
        p.step_ns = o.json ? SEAM_NS_PER_S : p.terminal ? SEAM_NS_PER_S / 5 : 5 * SEAM_NS_PER_S;
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        st = pull(&p, &err);
    }
    if (st != SEAM_OK && o.json && err.text[0]) {
        yyjson_mut_doc *d = event("error");
        yyjson_mut_obj_add_str(d, yyjson_mut_doc_get_root(d), "status", seam_status_name(st));
        yyjson_mut_obj_add_str(d, yyjson_mut_doc_get_root(d), "text", err.text);
        print_event(d);
    }
    release(&p);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_pull = {
    .name = "pull",
    .summary = "fetch a model from a hub, verified",
    .operands = "MODEL",
    .about =
        "Fetches all splits of a model from a Hugging Face-style hub. MODEL is OWNER/NAME of a repository "
        "or a model that Seam knows one of (kimi-k2.6, qwen3.5-397b-a17b), and after a colon a "
        "quantisation or a path with wildcards. First lists what it will fetch and checks the disk; on a "
        "terminal it asks. Several ranges at a time, each retried; what has arrived is kept whatever "
        "happens, and the same command fetches the rest and no byte twice. A file gets its name when its "
        "SHA-256 is the hub's, not before. A token for gated repositories comes from HF_TOKEN or where "
        "huggingface_hub's login leaves it; proxy variables are honoured. stdout gets the names of the "
        "verified files.",
    .examples = "  seam pull unsloth/Kimi-K2.6-GGUF --list\n"
                "  seam pull kimi-k2.6:UD-Q8_K_XL -o /models --yes\n"
                "  seam pull kimi-k2.6:UD-Q8_K_XL --only-layers 0-30 -o /models\n"
                "  seam pull 'unsloth/Kimi-K2.6-GGUF:mmproj-F16.gguf'\n",
    .options = options,
    .run = run,
};
