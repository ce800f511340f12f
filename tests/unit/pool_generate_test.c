/* pool_generate_test.c - nodes and a pool in one process over loopback, on a golden model: local, swept,
 * cached and failing requests give the tokens of a lone engine, or an explicit error. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fabric/wire.h"
#include "pool/link_probe.h"
#include "pool/pool.h"

#define MODEL    SEAM_SOURCE_DIR "/tests/golden/deepseek2-kimi.gguf"
#define OTHER    SEAM_SOURCE_DIR "/tests/golden/deepseek2-groups.gguf"
#define N_VOCAB  160
#define CHUNK    32
#define N_PROMPT 300
#define N_NEW    12

/* ---- nodes as threads ---- */

struct runner {
    struct seam_node *node;
    pthread_t thread;
    seam_status st;
};

static void *run_node(void *user)
{
    struct runner *r = user;
    r->st = seam_node_run(r->node, NULL);
    return NULL;
}

static void start_node(struct runner *r, const char *file, const char *addr,
                       enum seam_node_role role, uint32_t lanes, const char *fault)
{
    struct seam_err err = {0};
    struct seam_node_opts o = {
        .name = addr,
        .role = role,
        .row = "loopback",
        .listen = addr,
        .model_file = file,
        .engine = {.n_lanes = lanes, .chunk = CHUNK, .n_threads = 1},
    };
    if (fault)
        setenv("SEAM_FAULT", fault, 1);
    if (seam_node_open(&r->node, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    unsetenv("SEAM_FAULT");
    assert_int_equal(pthread_create(&r->thread, NULL, run_node, r), 0);
}

static void stop_node(struct runner *r)
{
    if (!r->node)
        return;
    seam_node_stop(r->node);
    pthread_join(r->thread, NULL);
    assert_int_equal(r->st, SEAM_OK);
    seam_node_close(r->node);
    r->node = NULL;
}

/* ---- a pool of a decode and, mostly, a sweep node ---- */

struct bench {
    struct runner decode, sweep;
    struct seam_pool *pool;
};

static struct bench b; /* of the test that runs */

static struct seam_fingerprint fingerprint_of(const char *file)
{
    struct seam_err err = {0};
    struct seam_model *m;
    struct seam_fingerprint f;
    assert_int_equal(seam_model_open(&m, file, &err), SEAM_OK);
    assert_int_equal(seam_catalog_fingerprint(seam_model_catalog(m), &f, &err), SEAM_OK);
    seam_model_close(m);
    return f;
}

static seam_status open_pool(const char *file, bool with_sweep, struct seam_err *err)
{
    const char *nodes[] = {"sweep", "decode"};
    struct seam_pool_opts o = {
        .row = "loopback",
        .nodes = with_sweep ? nodes : nodes + 1,
        .n_nodes = with_sweep ? 2 : 1,
        .model = fingerprint_of(file),
        .sweep_threshold = 100,
        .timeout_ns = 3 * SEAM_NS_PER_S,
    };
    return seam_pool_open(&b.pool, &o, err);
}

static void setup(const char *decode_fault, const char *sweep_fault)
{
    struct seam_err err = {0};
    start_node(&b.decode, MODEL, "decode", SEAM_NODE_DECODE, 2, decode_fault);
    start_node(&b.sweep, MODEL, "sweep", SEAM_NODE_SWEEP, 1, sweep_fault);
    if (open_pool(MODEL, true, &err) != SEAM_OK)
        fail_msg("%s", err.text);
}

static int teardown(void **state) /* also after a failure */
{
    (void)state;
    seam_pool_close(b.pool);
    b.pool = NULL;
    stop_node(&b.sweep);
    stop_node(&b.decode);
    return 0;
}

/* ---- requests ---- */

static void make_prompt(int32_t *tokens, uint32_t n, uint32_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        tokens[i] = (int32_t)((seed >> 8) % N_VOCAB);
    }
}

struct answer {
    int32_t tokens[64];
    uint32_t n;
    uint32_t stop_after; /* 0: never; the caller has enough */
    uint64_t cancel_ns;  /* 0: never */
    bool routed;
    struct seam_generated out;
    struct seam_err err;
};

static bool on_token(void *user, int32_t token)
{
    struct answer *a = user;
    a->tokens[a->n++] = token;
    return !a->stop_after || a->n < a->stop_after;
}

static void on_route(void *user, const struct seam_route *route)
{
    struct answer *a = user;
    assert_true(route->why[0] != '\0');
    a->routed = true;
}

static bool canceled(void *user)
{
    const struct answer *a = user;
    return a->cancel_ns && seam_mono_ns() > a->cancel_ns;
}

static seam_status ask(struct seam_pool *pool, const int32_t *tokens, uint32_t n,
                       enum seam_path path, struct answer *a)
{
    struct seam_generate g = {
        .tokens = tokens,
        .n_tokens = n,
        .max_tokens = N_NEW,
        .sampling = seam_sampling_default(),
        .path = path,
        .user = a,
        .on_route = on_route,
        .on_token = on_token,
        .canceled = canceled,
    };
    g.sampling.temperature = 0;
    return seam_pool_generate(pool, &g, &a->out, &a->err);
}

/* What one engine alone answers. */
static void expect(const int32_t *tokens, uint32_t n, int32_t *out, uint32_t n_out)
{
    struct seam_err err = {0};
    struct seam_model *m;
    struct seam_engine *e;
    struct seam_sampler *s;
    struct seam_engine_opts o = {.chunk = CHUNK, .n_threads = 1};
    struct seam_sampling greedy = seam_sampling_default();
    greedy.temperature = 0;
    float *logits = malloc(N_VOCAB * sizeof *logits);
    assert_int_equal(seam_model_open(&m, MODEL, &err), SEAM_OK);
    assert_int_equal(seam_engine_open(&e, m, &o, &err), SEAM_OK);
    assert_int_equal(seam_sampler_open(&s, &greedy, N_VOCAB, &err), SEAM_OK);
    assert_int_equal(seam_engine_prefill(e, 0, tokens, n - 1, NULL, NULL, &err), SEAM_OK);
    int32_t token = tokens[n - 1];
    for (uint32_t i = 0; i < n_out; i++) {
        assert_int_equal(seam_engine_step(e, 0, token, logits, &err), SEAM_OK);
        assert_int_equal(seam_sampler_next(s, logits, &token, &err), SEAM_OK);
        out[i] = token;
    }
    free(logits);
    seam_sampler_close(s);
    seam_engine_close(e);
    seam_model_close(m);
}

static void must(seam_status st, const struct answer *a)
{
    if (st != SEAM_OK)
        fail_msg("%s: %s", seam_status_name(st), a->err.text);
}

static void same(const struct answer *a, const int32_t *want)
{
    assert_int_equal(a->n, N_NEW);
    assert_memory_equal(a->tokens, want, N_NEW * sizeof *want);
    assert_int_equal(a->out.n_generated, N_NEW);
    assert_int_equal(a->out.finish, SEAM_FINISH_LENGTH);
}

/* ---- tests ---- */

static void local_swept_and_cached_give_the_tokens_of_a_lone_engine(void **state)
{
    (void)state;
    int32_t prompt[N_PROMPT], want[N_NEW];
    make_prompt(prompt, N_PROMPT, 1);
    expect(prompt, N_PROMPT, want, N_NEW);
    setup(NULL, NULL);

    struct answer local = {0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_LOCAL, &local), &local);
    same(&local, want);
    assert_true(local.routed);
    assert_int_equal(local.out.route.path, SEAM_PATH_LOCAL);
    assert_int_equal(local.out.route.n_cached, 0);
    assert_int_equal(local.out.trace.n_layer, 3);
    seam_trace_release(&local.out.trace);

    prompt[0] ^= 1; /* nothing in common with the cached one */
    expect(prompt, N_PROMPT, want, N_NEW);
    struct answer swept = {0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &swept), &swept);
    same(&swept, want);
    assert_int_equal(swept.out.route.path, SEAM_PATH_SWEEP);
    assert_string_equal(swept.out.fallback, "");
    uint64_t row = seam_engine_memory_bytes(seam_node_engine(b.decode.node), 0, 1);
    for (uint32_t i = 0; i < swept.out.trace.n_layer; i++)
        assert_int_equal(swept.out.trace.layers[i].send.bytes, (N_PROMPT - 1) * row);
    assert_true(swept.out.t.handoff > 0 && swept.out.t.compute > 0 && swept.out.t.first_token > 0);
    seam_trace_release(&swept.out.trace);

    struct answer again = {0}; /* all but the last token lies there */
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &again), &again);
    same(&again, want);
    assert_int_equal(again.out.route.n_cached, N_PROMPT - 1);
    seam_trace_release(&again.out.trace);
}

static void a_conversation_is_continued_from_its_cache(void **state)
{
    (void)state;
    int32_t prompt[N_PROMPT + 150], want[N_NEW];
    make_prompt(prompt, N_PROMPT + 150, 7);
    setup(NULL, NULL);
    struct answer first = {0}, second = {0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_SWEEP, &first), &first);
    seam_trace_release(&first.out.trace);
    must(ask(b.pool, prompt, N_PROMPT + 150, SEAM_PATH_SWEEP, &second), &second);
    assert_int_equal(second.out.route.n_cached, N_PROMPT); /* the last was a step */
    uint64_t row = seam_engine_memory_bytes(seam_node_engine(b.decode.node), 0, 1);
    assert_int_equal(second.out.trace.layers[0].send.bytes, 149 * row); /* only what is new */
    expect(prompt, N_PROMPT + 150, want, N_NEW);
    same(&second, want);
    seam_trace_release(&second.out.trace);
}

static void a_node_with_both_roles_hands_off_to_itself(void **state)
{
    (void)state;
    struct seam_err err = {0};
    int32_t prompt[N_PROMPT], want[N_NEW];
    make_prompt(prompt, N_PROMPT, 3);
    expect(prompt, N_PROMPT, want, N_NEW);
    for (uint32_t lanes = 1; lanes <= 2; lanes++) {
        start_node(&b.decode, MODEL, "decode", SEAM_NODE_BOTH, lanes, NULL);
        assert_int_equal(open_pool(MODEL, false, &err), SEAM_OK);
        struct answer a = {0};
        must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_SWEEP, &a), &a);
        same(&a, want);
        if (lanes == 1) /* refused clearly, done locally */
            assert_non_null(strstr(a.out.fallback, "--lanes 2"));
        else
            assert_string_equal(a.out.fallback, "");
        seam_trace_release(&a.out.trace);
        struct answer other = {0};
        prompt[0] ^= 1; /* AUTO never sweeps to itself */
        must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &other), &other);
        prompt[0] ^= 1;
        assert_int_equal(other.out.route.path, SEAM_PATH_LOCAL);
        seam_trace_release(&other.out.trace);
        teardown(NULL);
    }
}

/* Pieces lost, changed or doubled on the way: the handoff is refused, the decode node does it. */
static void a_bad_handoff_is_refused_and_done_locally(void **state)
{
    (void)state;
    static const struct {
        const char *fault, *says;
    } rows[] = {
        {"drop-piece=1", "layer "},
        {"drop-piece=0", "layer "},
        {"flip-piece=2", "digest"},
        {"twice-piece=2", "expected was"},
    };
    int32_t prompt[N_PROMPT], want[N_NEW];
    make_prompt(prompt, N_PROMPT, 11);
    expect(prompt, N_PROMPT, want, N_NEW);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = {0};
        setup(NULL, rows[i].fault);
        must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_SWEEP, &a), &a);
        same(&a, want);
        print_message("  %s: %s\n", rows[i].fault, a.out.fallback);
        assert_non_null(strstr(a.out.fallback, rows[i].says));
        seam_trace_release(&a.out.trace);
        teardown(NULL);
    }
}

static void a_lost_sweep_node_is_done_without_and_comes_back(void **state)
{
    (void)state;
    int32_t prompt[N_PROMPT], want[N_NEW];
    setup(NULL, NULL);
    stop_node(&b.sweep);
    for (uint32_t i = 0; i < 2; i++) {
        struct answer a = {0};
        make_prompt(prompt, N_PROMPT, 20 + i);
        expect(prompt, N_PROMPT, want, N_NEW);
        must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &a), &a);
        same(&a, want);
        /* found out by the request (fallback) or by the watcher before it (route) */
        assert_true(a.out.fallback[0] || a.out.route.path == SEAM_PATH_LOCAL);
        seam_trace_release(&a.out.trace);
    }
    start_node(&b.sweep, MODEL, "sweep", SEAM_NODE_SWEEP, 1, NULL);
    struct seam_pool_node_info info[2];
    for (int i = 0; i < 200; i++) { /* the watcher dials again */
        assert_int_equal(seam_pool_nodes(b.pool, info, 2), 2);
        if (info[0].alive)
            break;
        struct timespec nap = {0, 100 * 1000 * 1000};
        nanosleep(&nap, NULL);
    }
    assert_true(info[0].alive);
    struct answer a = {0};
    make_prompt(prompt, N_PROMPT, 30);
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &a), &a);
    assert_int_equal(a.out.route.path, SEAM_PATH_SWEEP);
    assert_string_equal(a.out.fallback, "");
    seam_trace_release(&a.out.trace);
}

static void a_lost_decode_node_is_an_explicit_error(void **state)
{
    (void)state;
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, N_PROMPT, 40);
    setup(NULL, NULL);
    stop_node(&b.decode);
    struct answer a = {0};
    seam_status st = ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &a);
    assert_true(st == SEAM_EPEER || st == SEAM_ETIMEOUT);
    assert_non_null(strstr(a.err.text, "decode"));
    assert_int_equal(a.n, 0);
    start_node(&b.decode, MODEL, "decode", SEAM_NODE_DECODE, 2, NULL);
    struct answer again = {0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_AUTO, &again), &again);
    seam_trace_release(&again.out.trace);
}

static void cancel_and_enough_leave_a_usable_pool(void **state)
{
    (void)state;
    int32_t prompt[N_PROMPT], want[N_NEW];
    make_prompt(prompt, N_PROMPT, 50);
    expect(prompt, N_PROMPT, want, N_NEW);
    setup(NULL, "stall-piece=2"); /* the sweep hangs until it is canceled */
    struct answer gone = {.cancel_ns = seam_mono_ns() + SEAM_NS_PER_S / 3};
    assert_int_equal(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_SWEEP, &gone), SEAM_ECANCELED);
    assert_int_equal(gone.n, 0);

    struct answer few = {.stop_after = 3};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_LOCAL, &few), &few);
    assert_int_equal(few.n, 3);
    assert_int_equal(few.out.finish, SEAM_FINISH_CALLER);
    assert_memory_equal(few.tokens, want, 3 * sizeof *want);
    seam_trace_release(&few.out.trace);

    struct answer all = {0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_LOCAL, &all), &all);
    same(&all, want);
    seam_trace_release(&all.out.trace);
}

static void stop_ids_and_limits_are_kept(void **state)
{
    (void)state;
    int32_t prompt[600], want[N_NEW];
    make_prompt(prompt, 600, 60);
    expect(prompt, N_PROMPT, want, N_NEW);
    uint32_t at = 1; /* the first id that is new there */
    while (at + 1 < N_NEW && want[at] == want[0])
        at++;
    setup(NULL, NULL);
    struct answer a = {0};
    struct seam_generate g = {
        .tokens = prompt,
        .n_tokens = N_PROMPT,
        .max_tokens = N_NEW,
        .sampling = seam_sampling_default(),
        .stop_ids = &want[at],
        .n_stop_ids = 1,
        .user = &a,
        .on_token = on_token,
    };
    g.sampling.temperature = 0;
    must(seam_pool_generate(b.pool, &g, &a.out, &a.err), &a);
    assert_int_equal(a.out.finish, SEAM_FINISH_STOP);
    assert_int_equal(a.out.stop_id, want[at]);
    assert_int_equal(a.n, at);
    seam_trace_release(&a.out.trace);

    struct answer full = {0}; /* the context ends before max_tokens does */
    uint32_t n_ctx = seam_pool_ctx(b.pool);
    g.n_tokens = n_ctx - 5;
    g.n_stop_ids = 0;
    g.user = &full;
    must(seam_pool_generate(b.pool, &g, &full.out, &full.err), &full);
    assert_int_equal(full.out.finish, SEAM_FINISH_LENGTH);
    assert_int_equal(full.n, 6);
    seam_trace_release(&full.out.trace);

    struct answer much = {0};
    g.n_tokens = n_ctx;
    g.user = &much;
    assert_int_equal(seam_pool_generate(b.pool, &g, &much.out, &much.err), SEAM_ECONTEXT);
    g.n_tokens = 10;
    g.sampling.top_p = NAN;
    assert_int_equal(seam_pool_generate(b.pool, &g, &much.out, &much.err), SEAM_EINVAL);
}

struct asker {
    struct seam_pool *pool;
    const int32_t *prompt;
    uint32_t n;
    enum seam_path path;
    struct answer a;
    seam_status st;
};

static void *ask_main(void *user)
{
    struct asker *k = user;
    k->st = ask(k->pool, k->prompt, k->n, k->path, &k->a);
    return NULL;
}

static void many_askers_at_once_all_get_their_own_answer(void **state)
{
    (void)state;
    enum { N = 6 };
    static int32_t prompt[N][N_PROMPT], want[N][N_NEW];
    static struct asker k[N];
    pthread_t thread[N];
    setup(NULL, NULL);
    memset(k, 0, sizeof k);
    for (uint32_t i = 0; i < N; i++) {
        make_prompt(prompt[i], N_PROMPT, 70 + i);
        expect(prompt[i], N_PROMPT, want[i], N_NEW);
    }
    for (uint32_t i = 0; i < N; i++) {
        k[i] = (struct asker){.pool = b.pool,
                              .prompt = prompt[i],
                              .n = N_PROMPT,
                              .path = i % 2 ? SEAM_PATH_SWEEP : SEAM_PATH_LOCAL};
        assert_int_equal(pthread_create(&thread[i], NULL, ask_main, &k[i]), 0);
    }
    for (uint32_t i = 0; i < N; i++) {
        pthread_join(thread[i], NULL);
        must(k[i].st, &k[i].a);
        same(&k[i].a, want[i]);
        assert_string_equal(k[i].a.out.fallback, "");
        seam_trace_release(&k[i].a.out.trace);
    }
}

static void strangers_are_refused_with_both_names(void **state)
{
    (void)state;
    struct seam_err err = {0};
    assert_int_equal(open_pool(MODEL, false, &err), SEAM_EPEER); /* nobody is there */
    assert_non_null(strstr(err.text, "decode"));

    start_node(&b.decode, MODEL, "decode", SEAM_NODE_DECODE, 1, NULL);
    assert_int_equal(open_pool(OTHER, false, &err), SEAM_EMISMATCH);
    assert_non_null(strstr(err.text, "golden-kimi"));

    start_node(&b.sweep, OTHER, "sweep", SEAM_NODE_SWEEP, 1, NULL);
    assert_int_equal(open_pool(MODEL, true, &err), SEAM_EMISMATCH);
    assert_non_null(strstr(err.text, "sweep"));
    stop_node(&b.sweep);

    start_node(&b.sweep, MODEL, "sweep", SEAM_NODE_SWEEP, 1, "wrong-version");
    assert_int_equal(open_pool(MODEL, true, &err), SEAM_EPROTO);
    assert_non_null(strstr(err.text, "wire version"));
    stop_node(&b.sweep);

    /* and the decode node still serves */
    int32_t prompt[20];
    make_prompt(prompt, 20, 5);
    assert_int_equal(open_pool(MODEL, false, &err), SEAM_OK);
    struct answer a = {0};
    must(ask(b.pool, prompt, 20, SEAM_PATH_AUTO, &a), &a);
    assert_int_equal(a.out.route.path, SEAM_PATH_LOCAL);
    seam_trace_release(&a.out.trace);
}

/* Who names no model may measure the link; a request of his is refused, and the node goes on. */
static void a_guest_measures_and_asks_for_nothing(void **state)
{
    (void)state;
    struct seam_err err = {0};
    struct seam_fabric *f;
    struct seam_link_probe *p;
    struct seam_link_rates rates;
    struct seam_pool *guest;
    const char *nodes[] = {"decode"};
    struct seam_pool_opts o = {.row = "loopback", .nodes = nodes, .n_nodes = 1};
    struct answer a = {0};
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, N_PROMPT, 71);
    setup(NULL, NULL);
    assert_int_equal(seam_fabric_open(&f, "loopback", &err), SEAM_OK);
    if (seam_link_probe_open(&p, f, "decode", &err) != SEAM_OK ||
        seam_link_probe_measure(p, 0.001, &rates, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(seam_link_probe_name(p), "decode");
    assert_true(rates.up > 0 && rates.down > 0 && rates.round_s > 0);
    seam_link_probe_close(p);
    assert_int_equal(seam_link_probe_open(&p, f, "nobody", &err), SEAM_EPEER);
    seam_fabric_close(f);

    if (seam_pool_open(&guest, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ask(guest, prompt, N_PROMPT, SEAM_PATH_LOCAL, &a), SEAM_EMISMATCH);
    assert_non_null(strstr(a.err.text, "named no model"));
    seam_pool_close(guest);
    a = (struct answer){0};
    must(ask(b.pool, prompt, N_PROMPT, SEAM_PATH_LOCAL, &a), &a);
    seam_trace_release(&a.out.trace);
}

/* Frames no pool would send. Each gets an ERROR or a closed link; the node goes on. */
static void nonsense_ends_a_link_and_never_the_node(void **state)
{
    (void)state;
    struct seam_err err = {0};
    setup(NULL, NULL);
    struct seam_fabric *f;
    assert_int_equal(seam_fabric_open(&f, "loopback", &err), SEAM_OK);
    for (uint32_t type = 0; type < 24; type++) {
        for (uint32_t len = 0; len < 64; len += 21) {
            uint8_t junk[64];
            struct seam_link *l;
            const void *data;
            size_t got;
            memset(junk, (int)(type * 31 + len), sizeof junk);
            assert_int_equal(seam_fabric_connect(f, "decode", SEAM_NS_PER_S, &l, &err), SEAM_OK);
            seam_wire_send(l, (uint16_t)type, 1, junk, len, NULL, 0, SEAM_NS_PER_S, &err);
            seam_status st = SEAM_OK;
            while (st == SEAM_OK) /* an ERROR at most, then the end */
                st = seam_link_recv(l, 5 * SEAM_NS_PER_S, &data, &got, &err);
            assert_int_equal(st, SEAM_EPEER);
            seam_link_close(l);
        }
    }
    seam_fabric_close(f);
    int32_t prompt[20];
    make_prompt(prompt, 20, 5);
    struct answer a = {0};
    must(ask(b.pool, prompt, 20, SEAM_PATH_AUTO, &a), &a);
    seam_trace_release(&a.out.trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(local_swept_and_cached_give_the_tokens_of_a_lone_engine,
                                  teardown),
        cmocka_unit_test_teardown(a_conversation_is_continued_from_its_cache, teardown),
        cmocka_unit_test_teardown(a_node_with_both_roles_hands_off_to_itself, teardown),
        cmocka_unit_test_teardown(a_bad_handoff_is_refused_and_done_locally, teardown),
        cmocka_unit_test_teardown(a_lost_sweep_node_is_done_without_and_comes_back, teardown),
        cmocka_unit_test_teardown(a_lost_decode_node_is_an_explicit_error, teardown),
        cmocka_unit_test_teardown(cancel_and_enough_leave_a_usable_pool, teardown),
        cmocka_unit_test_teardown(stop_ids_and_limits_are_kept, teardown),
        cmocka_unit_test_teardown(many_askers_at_once_all_get_their_own_answer, teardown),
        cmocka_unit_test_teardown(strangers_are_refused_with_both_names, teardown),
        cmocka_unit_test_teardown(a_guest_measures_and_asks_for_nothing, teardown),
        cmocka_unit_test_teardown(nonsense_ends_a_link_and_never_the_node, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
