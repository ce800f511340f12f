/* status_test.c - nodes over loopback say what they are (pool/status.h), to peers without a model too;
 * and such a peer gets nothing else. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pool/node.h"
#include "pool/peer.h"

#define MODEL SEAM_SOURCE_DIR "/tests/golden/deepseek2-dense0.gguf"

static struct runner {
    struct seam_node *node;
    pthread_t thread;
} r;
static struct seam_fabric *fabric;

static void *run_node(void *user)
{
    seam_node_run(((struct runner *)user)->node, NULL);
    return NULL;
}

static void start(const char *fault)
{
    struct seam_err err = {0};
    const struct seam_node_opts o = {
        .name = "told",
        .role = SEAM_NODE_DECODE,
        .row = "loopback",
        .listen = "status-test",
        .model_file = MODEL,
        .engine = {.n_lanes = 2, .n_ctx = 64, .n_threads = 1, .quiet = true},
    };
    if (fault)
        setenv("SEAM_FAULT", fault, 1);
    if (seam_node_open(&r.node, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    unsetenv("SEAM_FAULT");
    assert_int_equal(pthread_create(&r.thread, NULL, run_node, &r), 0);
    assert_int_equal(seam_fabric_open(&fabric, "loopback", &err), SEAM_OK);
}

static int stop(void **state)
{
    (void)state;
    seam_node_stop(r.node);
    pthread_join(r.thread, NULL);
    seam_node_close(r.node);
    seam_fabric_close(fabric);
    return 0;
}

static struct seam_node_status ask(void)
{
    struct seam_node_status s;
    struct seam_err err = {0};
    if (seam_node_ask(fabric, "status-test", 0, &s, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return s;
}

static void a_node_says_what_it_is(void **state)
{
    (void)state;
    start(NULL);
    struct seam_node_status s = ask();
    struct seam_facts here;
    seam_facts_gather(&here, MODEL);
    assert_string_equal(s.name, "told");
    assert_int_equal(s.role, SEAM_NODE_DECODE);
    assert_int_equal(s.n_ctx, 64);
    assert_string_equal(s.facts.seam, here.seam);
    assert_string_equal(s.facts.ggml, here.ggml);
    assert_non_null(strstr(s.facts.backends, "CPU"));
    assert_string_equal(s.facts.libfabric, here.libfabric);
    assert_string_equal(s.facts.system, here.system);
    assert_true(s.facts.memory_bytes == here.memory_bytes && s.facts.memory_free > 0);
    assert_true(s.facts.disk_free > 0);
    assert_true(s.memory_planned > 0);
    assert_string_equal(s.wrong, "");
    assert_true(llabs(s.ahead_ns) < (int64_t)SEAM_NS_PER_S * 5);
}

static void planted_faults_are_told(void **state)
{
    (void)state;
    start("clock=100");
    struct seam_node_status s = ask();
    assert_true(s.ahead_ns > 95 * (int64_t)SEAM_NS_PER_S);
    stop(NULL);
    start("wrong-compute");
    s = ask();
    assert_non_null(strstr(s.wrong, "logits are wrong"));
}

static void who_only_looks_gets_no_lane(void **state)
{
    (void)state;
    start(NULL);
    struct seam_peer p;
    struct seam_err err = {0};
    const struct seam_message_hello nobody = {.name = "looker"};
    int32_t ids[] = {1, 2};
    const struct seam_message_lane_open m = {{ids, 2}};
    struct seam_message_lane_ready ready;
    assert_int_equal(seam_peer_open(&p, fabric, "status-test", &nobody, 0, &err), SEAM_OK);
    assert_int_equal(seam_peer_send(&p, SEAM_WIRE_LANE_OPEN, 7, &m, &err), SEAM_OK);
    assert_int_equal(seam_peer_expect(&p, 7, SEAM_WIRE_LANE_READY, &ready, NULL, NULL, &err),
                     SEAM_EMISMATCH);
    assert_non_null(strstr(err.text, "named no model"));
    seam_peer_close(&p);
    struct seam_node_status s = ask(); /* the node lives on */
    assert_string_equal(s.name, "told");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_node_says_what_it_is, stop),
        cmocka_unit_test_teardown(planted_faults_are_told, stop),
        cmocka_unit_test_teardown(who_only_looks_gets_no_lane, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
