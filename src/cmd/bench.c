/* bench.c - `seam bench`: how fast this machine is with a model, beside its own limits and beside
 * another program. docs/bench.md explains the numbers. */
#include "cmd/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/bench_phase.h"
#include "cmd/option.h"
#include "engine/measure.h"

#define LIST_MAX       16u
#define LENGTH_MAX     (1u << 24)
#define DISK_BYTES     ((uint64_t)4 << 30) /* of a larger file only so much is read */
#define LOOK_TOKENS    128u                /* of a test, to choose how the other program runs it */
#define MATRIX_COLUMNS 512u                /* as many as a chunk of prefill has, by default */

#define AT(field) offsetof(struct seam_bench_options, field)
static const struct seam_option option_rows[] = {
    {"model", 'm', SEAM_OPTION_STRING, "FILE", AT(model), "GGUF, or any split of one", NULL},
    {"prompt", 'p', SEAM_OPTION_STRING, "LIST", AT(prompts),
     "lengths of prefill in tokens; 0 is none (default 512,2048)", NULL},
    {"gen", 'n', SEAM_OPTION_STRING, "LIST", AT(gens), "tokens to decode; 0 is none (default 64)",
     NULL},
    {"depth", 'd', SEAM_OPTION_STRING, "LIST", AT(depths),
     "each of them after so many cached tokens (default 0,2048)", NULL},
    {"repeat", 'r', SEAM_OPTION_U32, "N", AT(repeats), "samples of each test (default 3)", NULL},
    {"threads", 't', SEAM_OPTION_U32, "N", AT(threads),
     "compute threads (default: the performance cores)", NULL},
    {"chunk", 0, SEAM_OPTION_U32, "N", AT(chunk), "tokens per graph in prefill (default 512)",
     NULL},
    SEAM_OPTION_MMAP("", "auto; sweep and --phase: off", AT(mmap)),
    {"no-warmup", 0, SEAM_OPTION_FLAG, NULL, AT(no_warmup),
     "time the very first run; without it, one that is not timed goes before", NULL},
    {"load", 0, SEAM_OPTION_FLAG, NULL, AT(load), "time loading as often as the tests, too", NULL},
    {"limit", 0, SEAM_OPTION_FLAG, NULL, AT(limit),
     "measure what the machine could do, and the share reached", NULL},
    {"against", 0, SEAM_OPTION_STRING, "llama-bench=PATH", AT(against),
     "take turns with another program on the same file; both in fresh processes", NULL},
    {"phase", 0, SEAM_OPTION_STRING, "NAME", AT(phase),
     "measure layouts beside what the planner says of them: this machine; the decode node of a "
     "pool; that and a sweep node, in turns",
     "solo|apple|full"},
    {"cluster", 'c', SEAM_OPTION_STRING, "FILE", AT(cluster),
     "with --phase: the machines, as for `seam plan`; nodes go by the names in it", NULL},
    {"node", 0, SEAM_OPTION_LIST, "ADDR", AT(nodes),
     "with --phase apple and full: a node of the pool; may be given again", NULL},
    {"as", 0, SEAM_OPTION_STRING, "NAME", AT(as),
     "with --phase solo: which node of FILE this machine is (default: its host name)", NULL},
    {"log", 0, SEAM_OPTION_STRING, "FILE", AT(log),
     "with --phase: the journal that keeps the runs (default: in the state folder)", NULL},
    {"no-log", 0, SEAM_OPTION_FLAG, NULL, AT(no_log), "with --phase: keep nothing", NULL},
    {"device", 0, SEAM_OPTION_STRING, "NAME", AT(device), "sweep: who sweeps (default auto)",
     "auto|cpu|cuda"},
    SEAM_OPTION_DECODE_DEVICE(AT(decode_device)),
    {"weights-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(weights_memory),
     "sweep: most weights held by the host; less than the model streams them (default: all)", NULL},
    {"device-memory", 0, SEAM_OPTION_SIZE, "SIZE", AT(device_memory),
     "sweep: most of a GPU's own memory (default: what is free there)", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json),
     "one JSON object with every sample on stdout instead of a table", NULL},
    {0},
};

/* ---- which tests ---- */

/* "512,2048" */
static seam_status parse_list(const char *name, const char *text, uint32_t *v, size_t *n,
                              struct seam_err *err)
{
    const char *at = text;
    *n = 0;
    for (;;) {
        char *end;
        unsigned long x = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : LENGTH_MAX + 1;
        if (x > LENGTH_MAX || (*end != ',' && *end != '\0') || *n == LIST_MAX)
            return seam_fail(err, SEAM_EINVAL,
                             "--%s '%s' is no list of at most %u numbers of tokens (like 512,2048)",
                             name, text, LIST_MAX);
        v[(*n)++] = (uint32_t)x;
        if (!*end)
            return SEAM_OK;
        at = end + 1;
    }
}

static void add_test(struct seam_bench *b, enum seam_bench_kind kind, uint32_t n, uint32_t depth)
{
    if (b->n_tests < SEAM_BENCH_TESTS_MAX)
        b->tests[b->n_tests++] =
            (struct seam_bench_test){.kind = kind, .n = n, .depth = depth, .flash = true};
}

/* By depth, so that what is cached for one test serves the next. */
static seam_status make_tests(struct seam_bench *b, struct seam_err *err)
{
    uint32_t p[LIST_MAX], g[LIST_MAX], d[LIST_MAX];
    size_t n_p, n_g, n_d;
    seam_status st = parse_list("prompt", b->o->prompts, p, &n_p, err);
    if (st == SEAM_OK)
        st = parse_list("gen", b->o->gens, g, &n_g, err);
    if (st == SEAM_OK)
        st = parse_list("depth", b->o->depths, d, &n_d, err);
    if (st != SEAM_OK)
        return st;
    if (n_d * (n_p + n_g) + 1 > SEAM_BENCH_TESTS_MAX)
        return seam_fail(err, SEAM_EINVAL, "these are %zu tests, at most %u fit a table",
                         n_d * (n_p + n_g) + 1, SEAM_BENCH_TESTS_MAX);
    for (size_t k = 0; k < n_d; k++) {
        for (size_t i = 0; i < n_p; i++)
            if (p[i])
                add_test(b, SEAM_BENCH_PREFILL, p[i], d[k]);
        for (size_t i = 0; i < n_g; i++)
            if (g[i])
                add_test(b, SEAM_BENCH_DECODE, g[i], d[k]);
    }
    if (b->o->load || !b->n_tests)
        add_test(b, SEAM_BENCH_LOAD, b->o->against ? 1 : 0, 0);
    return SEAM_OK;
}

static seam_status check_options(struct seam_bench_options *o, struct seam_err *err)
{
    static const char known[] = "llama-bench=";
    if (!o->model)
        return seam_fail(err, SEAM_EINVAL, "which model? (use -m FILE)");
    if (o->repeats < 1 || o->repeats > SEAM_STATS_MAX)
        return seam_fail(err, SEAM_EINVAL, "--repeat %u: from 1 to %u", o->repeats, SEAM_STATS_MAX);
    if (!o->against)
        return SEAM_OK;
    if (strncmp(o->against, known, sizeof known - 1) != 0 || !o->against[sizeof known - 1])
        return seam_fail(err, SEAM_EINVAL,
                         "--against '%s': only llama-bench is known (use llama-bench=PATH)",
                         o->against);
    o->against += sizeof known - 1;
    return SEAM_OK;
}

/* ---- limits, between the tests ---- */

static seam_status sample_bandwidth(struct seam_bench *b, struct seam_err *err)
{
    if (!b->o->limit || b->n_bandwidth == SEAM_STATS_MAX)
        return SEAM_OK;
    return seam_limit_bandwidth(b->n_threads, 0, &b->bandwidth[b->n_bandwidth++], err);
}

static seam_status sample_machine(struct seam_bench *b, struct seam_err *err)
{
    if (!b->o->limit)
        return SEAM_OK;
    uint32_t columns = b->o->chunk ? b->o->chunk : MATRIX_COLUMNS;
    seam_status st = seam_limit_matrices(b->model, b->n_threads, columns, b->matrix, &b->n_matrix,
                                         &b->attention, err);
    for (uint32_t i = 0; st == SEAM_OK && i < b->o->repeats; i++)
        st = seam_limit_disk(b->model, 0, DISK_BYTES, &b->disk[b->n_disk++], &b->disk_direct, err);
    return st;
}

/* ---- in this process ---- */

static uint32_t context_of(const struct seam_bench *b)
{
    uint32_t most = 1;
    for (size_t i = 0; i < b->n_tests; i++)
        if (b->tests[i].depth + b->tests[i].n > most)
            most = b->tests[i].depth + b->tests[i].n;
    return most;
}

static seam_status open_engine(struct seam_bench *b, struct seam_engine **e, struct seam_err *err)
{
    struct seam_engine_opts eo = {.n_ctx = context_of(b),
                                  .n_lanes = 1,
                                  .chunk = b->o->chunk,
                                  .decode_device = b->o->decode_device,
                                  .mmap = seam_mmap_named(b->o->mmap, SEAM_MMAP_AUTO),
                                  .n_threads = b->n_threads};
    seam_status st = seam_engine_open(e, b->model, &eo, err);
    if (st == SEAM_OK) {
        b->memory = *seam_engine_memory(*e);
        snprintf(b->device, sizeof b->device, "%s", seam_engine_device(*e));
    }
    return st;
}

/* From the file's name to weights that can be used. */
static seam_status time_load(struct seam_bench *b, struct seam_bench_test *t, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (; st == SEAM_OK && t->repeats < b->o->repeats; t->repeats++) {
        struct seam_engine *e = NULL;
        uint64_t begin = seam_mono_ns();
        seam_model_close(b->model);
        b->model = NULL;
        st = seam_model_open(&b->model, b->o->model, err);
        if (st == SEAM_OK)
            st = open_engine(b, &e, err);
        t->seam.ns[t->repeats] = (double)(seam_mono_ns() - begin);
        seam_engine_close(e);
    }
    return st;
}

/* What the test will do, once, as llama-bench does: the first run finds no memory in place. */
static seam_status warm_up(const struct seam_bench *b, struct seam_measure *m,
                           const struct seam_bench_test *t, struct seam_err *err)
{
    uint64_t ns;
    if (b->o->no_warmup)
        return SEAM_OK;
    return t->kind == SEAM_BENCH_DECODE ? seam_measure_decode(m, t->depth, 1, &ns, err)
                                        : seam_measure_prefill(m, t->depth, t->n, &ns, err);
}

static seam_status time_test(struct seam_bench *b, struct seam_measure *m,
                             struct seam_bench_test *t, struct seam_err *err)
{
    seam_status st = warm_up(b, m, t, err);
    for (; st == SEAM_OK && t->repeats < b->o->repeats; t->repeats++) {
        uint64_t ns = 0;
        if (t->kind == SEAM_BENCH_DECODE)
            st = sample_bandwidth(b, err);
        if (st == SEAM_OK)
            st = t->kind == SEAM_BENCH_DECODE ? seam_measure_decode(m, t->depth, t->n, &ns, err)
                                              : seam_measure_prefill(m, t->depth, t->n, &ns, err);
        t->seam.ns[t->repeats] = (double)ns;
    }
    uint64_t rss = seam_os_rss_bytes(); /* the system's own peak counts buffers of --limit */
    b->rss_bytes = rss > b->rss_bytes ? rss : b->rss_bytes;
    return st;
}

static seam_status run_here(struct seam_bench *b, struct seam_err *err)
{
    struct seam_engine *e = NULL;
    struct seam_measure *m = NULL;
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < b->n_tests; i++)
        if (b->tests[i].kind == SEAM_BENCH_LOAD)
            st = time_load(b, &b->tests[i], err);
    if (st == SEAM_OK)
        st = open_engine(b, &e, err);
    if (st == SEAM_OK)
        st = seam_measure_open(&m, e, 1, err);
    for (size_t i = 0; st == SEAM_OK && i < b->n_tests; i++)
        if (b->tests[i].kind != SEAM_BENCH_LOAD)
            st = time_test(b, m, &b->tests[i], err);
    seam_measure_close(m);
    seam_engine_close(e);
    return st;
}

/* ---- beside another program ---- */

/* Which of the other program's two ways of attention is faster here? A short look, without warm-up,
 * which also brings the file into the page cache. */
static seam_status choose_flash(struct seam_bench *b, struct seam_bench_test *t,
                                struct seam_err *err)
{
    struct seam_bench_test look = *t;
    uint64_t rss = 0;
    look.cold = true;
    look.n = t->n < LOOK_TOKENS ? t->n : LOOK_TOKENS;
    seam_status st = seam_bench_run_peer(b, &look, true, &t->flash_ns, &rss, err);
    if (st == SEAM_OK && t->kind != SEAM_BENCH_LOAD)
        st = seam_bench_run_peer(b, &look, false, &t->plain_ns, &rss, err);
    t->flash = t->kind == SEAM_BENCH_LOAD || t->flash_ns <= t->plain_ns;
    return st;
}

static seam_status take_turns(struct seam_bench *b, struct seam_bench_test *t, struct seam_err *err)
{
    seam_status st = choose_flash(b, t, err);
    for (; st == SEAM_OK && t->repeats < b->o->repeats; t->repeats++) {
        if (t->kind == SEAM_BENCH_DECODE)
            st = sample_bandwidth(b, err);
        if (st == SEAM_OK)
            st = seam_bench_run_self(b, t, &t->seam.ns[t->repeats], &t->seam.rss_peak_bytes, err);
        if (st == SEAM_OK)
            st = seam_bench_run_peer(b, t, t->flash, &t->peer.ns[t->repeats],
                                     &t->peer.rss_peak_bytes, err);
        if (st == SEAM_OK)
            seam_info("bench test %zu of %zu repeat %zu: seam %.3f s, other %.3f s",
                      (size_t)(t - b->tests) + 1, b->n_tests, t->repeats + 1,
                      t->seam.ns[t->repeats] / 1e9, t->peer.ns[t->repeats] / 1e9);
    }
    return st;
}

static seam_status run_against(struct seam_bench *b, struct seam_err *err)
{
    seam_status st = SEAM_OK;
    for (size_t i = 0; st == SEAM_OK && i < b->n_tests; i++)
        st = take_turns(b, &b->tests[i], err);
    return st;
}

/* ---- the command ---- */

static seam_status run_all(struct seam_bench *b, struct seam_bench_options *o, bool sweep,
                           struct seam_err *err)
{
    seam_status st = check_options(o, err);
    if (sweep) /* prefill alone, from nothing */
        o->gens = o->depths = "0";
    if (st == SEAM_OK)
        st = make_tests(b, err);
    if (st == SEAM_OK)
        st = seam_model_open(&b->model, o->model, err);
    if (st != SEAM_OK)
        return st;
    b->n_threads = o->threads ? (int)o->threads : seam_os_performance_cores();
    if (sweep)
        return seam_bench_sweep(b, err);
    st = o->against ? run_against(b, err) : run_here(b, err);
    if (st == SEAM_OK)
        st = sample_machine(b, err);
    if (st != SEAM_OK)
        return st;
    if (o->json)
        return seam_bench_print_json(b, err);
    seam_bench_print_table(b);
    return SEAM_OK;
}

static int command(const struct seam_command *self, int argc, char **argv)
{
    struct seam_bench_options o = {.prompts = "512,2048",
                                   .gens = "64",
                                   .depths = "0,2048",
                                   .device = "auto",
                                   .decode_device = "auto",
                                   .repeats = 3};
    struct seam_err err = {0};
    struct seam_bench *b = calloc(1, sizeof *b);
    char **words = calloc((size_t)argc, sizeof *words); /* parsing moves argv's */
    int n_operands = 0;
    seam_status st = b && words ? SEAM_OK : seam_fail(&err, SEAM_ENOMEM, "no memory");
    if (st == SEAM_OK) {
        memcpy(words, argv, (size_t)argc * sizeof *words);
        *b = (struct seam_bench){.o = &o, .argc = argc, .argv = words};
        st = seam_option_parse(self, &o, argc, argv, &n_operands, &err);
    }
    const bool sweep = st == SEAM_OK && n_operands && strcmp(argv[0], "sweep") == 0;
    if (st == SEAM_OK && n_operands && (!sweep || n_operands > 1))
        st = seam_fail(&err, SEAM_EINVAL, "unexpected '%s' (use 'sweep', or nothing)",
                       argv[sweep ? 1 : 0]);
    if (st == SEAM_OK && sweep && o.phase)
        st = seam_fail(&err, SEAM_EINVAL, "--phase and 'sweep' are two measurements: give one");
    if (st == SEAM_OK && !o.phase && (o.cluster || o.nodes.n || o.as || o.log || o.no_log))
        st = seam_fail(&err, SEAM_EINVAL,
                       "--cluster, --node, --as, --log and --no-log go with --phase");
    if (st == SEAM_OK)
        st = o.phase ? seam_bench_phase(&o, &err) : run_all(b, &o, sweep, &err);
    if (b)
        seam_model_close(b->model);
    free(b);
    free(words);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_bench = {
    .name = "bench",
    .summary = "how fast this machine is with a model, beside its limits and llama.cpp",
    .operands = "[sweep]",
    .about =
        "Times prefill and decode at depths, on random tokens; prints medians, with the smallest "
        "and the largest of the repeats. With --against both programs take turns on the same file "
        "with the same threads, each time in a fresh process and with the file in the page cache; "
        "the other program gets the faster of its two ways of attention, and the ratios are those "
        "of neighbouring runs. With --limit it also measures how fast the machine reads memory, "
        "multiplies matrices and reads the disk, and prints the share of that which was reached. "
        "Run it alone on the machine. "
        "With the word `sweep` it times what a sweep node does, prompts of --prompt tokens layer by "
        "layer without an output head, and on a GPU each stage of it beside what the device can do. "
        "With --phase it measures layouts of a pool in turns, prints "
        "predicted against measured, and keeps both in the journal.",
    .examples = "  seam bench -m models/thimble-q8_0.gguf\n"
                "  seam bench -m models/thimble-q8_0.gguf -p 512,8192 -n 64 -d 0,8192 --limit\n"
                "  seam bench sweep -m models/thimble-q8_0.gguf -p 2048,8192 --json\n"
                "  seam bench -m models/thimble-q8_0.gguf --load --against "
                "llama-bench=/usr/bin/llama-bench --json\n"
                "  seam bench --phase solo -m models/thimble-q8_0.gguf -p 512,8192 -d 0,4096\n"
                "  seam bench --phase full -m kimi.gguf -c desk.yaml --node studio:7330 "
                "--node spark1:7330\n",
    .options = option_rows,
    .run = command,
};
