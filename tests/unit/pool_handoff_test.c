/* pool_handoff_test.c - the books of a handoff and of lanes, and the messages, without any engine. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/lane.h"
#include "pool/peer.h"
#include "pool/turns.h"

#define N_LAYER 3
#define ROW     8
#define N_CTX   256

/* ---- handoff ---- */

static const struct seam_message_handoff_begin announced =
    {.lane = 0, .ticket = 1, .pos0 = 10, .end = 30, .n_layer = N_LAYER, .row_bytes = ROW};
static const struct seam_message_hello ours = {.n_layer = N_LAYER,
                                               .row_bytes = ROW,
                                               .n_ctx = N_CTX};
static const struct seam_handoff_layer units[N_LAYER] = {{ROW, 0}, {ROW, 0}, {ROW, 0}};
static uint8_t rows[20 * ROW];

static void begin(struct seam_handoff *h)
{
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)(i * 7);
    assert_int_equal(seam_handoff_begin(h, &announced, &ours, units, NULL), SEAM_OK);
}

static seam_status offer(struct seam_handoff *h, uint32_t layer, uint32_t pos, uint32_t n,
                         size_t bytes)
{
    const struct seam_message_piece p = {layer, pos, n};
    seam_status st = seam_handoff_piece_check(h, &p, bytes, NULL);
    if (st == SEAM_OK)
        seam_handoff_piece_note(h, &p, rows, bytes);
    return st;
}

/* Offer everything but, when skip >= 0, the piece of that number. */
static void fill(struct seam_handoff *h, int skip)
{
    int piece = 0;
    for (uint32_t layer = 0; layer < N_LAYER; layer++)
        for (uint32_t pos = 10; pos < 30; pos += 10, piece++)
            if (piece != skip)
                offer(h, layer, pos, 10, 10 * ROW);
}

static void every_row_once_and_the_digest_commit(void **state)
{
    (void)state;
    struct seam_handoff h;
    begin(&h);
    fill(&h, -1);
    struct seam_message_commit m = {6, h.digest};
    assert_int_equal(seam_handoff_commit(&h, &m, NULL), SEAM_OK);
    m.digest ^= 1;
    assert_int_equal(seam_handoff_commit(&h, &m, NULL), SEAM_EPROTO);
    m = (struct seam_message_commit){5, h.digest};
    assert_int_equal(seam_handoff_commit(&h, &m, NULL), SEAM_EPROTO);
    seam_handoff_end(&h);
    assert_int_equal(seam_handoff_commit(&h, &m, NULL), SEAM_EPROTO);
    seam_handoff_end(&h);
}

static void a_missing_piece_never_commits(void **state)
{
    (void)state;
    for (int skip = 0; skip < 6; skip++) {
        struct seam_handoff h;
        struct seam_err err = {0};
        begin(&h);
        fill(&h, skip);
        const struct seam_message_commit m = {h.pieces,
                                              h.digest}; /* the sender agrees, and is wrong */
        assert_int_equal(seam_handoff_commit(&h, &m, &err), SEAM_EPROTO);
        assert_non_null(strstr(err.text, "lost"));
        seam_handoff_end(&h);
    }
}

static void pieces_outside_what_was_announced_are_refused(void **state)
{
    (void)state;
    struct seam_handoff h;
    begin(&h);
    static const struct {
        uint32_t layer, pos, n;
        size_t bytes;
    } bad[] = {
        {N_LAYER, 10, 5, 5 * ROW},    {UINT32_MAX, 10, 5, 5 * ROW},
        {0, 9, 5, 5 * ROW},           {0, 10, 0, 0},
        {0, 10, 21, 21 * ROW},        {0, 30, 1, ROW},
        {0, 31, UINT32_MAX, 5 * ROW}, {0, 10, UINT32_MAX, 5 * ROW},
        {0, 10, 5, 5 * ROW - 1},      {0, 10, 5, 5 * ROW + 1},
        {0, 11, 5, 5 * ROW},          {0, UINT32_MAX, 5, 5 * ROW},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(offer(&h, bad[i].layer, bad[i].pos, bad[i].n, bad[i].bytes), SEAM_EPROTO);
    assert_int_equal(offer(&h, 0, 10, 5, 5 * ROW), SEAM_OK);
    assert_int_equal(offer(&h, 0, 10, 5, 5 * ROW), SEAM_EPROTO); /* again */
    assert_int_equal(offer(&h, 0, 16, 4, 4 * ROW), SEAM_EPROTO); /* a gap */
    assert_int_equal(offer(&h, 0, 15, 15, 15 * ROW), SEAM_OK);
    assert_int_equal(h.pieces, 2);
    seam_handoff_end(&h);
    assert_int_equal(offer(&h, 0, 10, 5, 5 * ROW), SEAM_EPROTO); /* outside any handoff */
}

static void impossible_announcements_are_refused(void **state)
{
    (void)state;
    struct seam_handoff h = {0};
    struct seam_message_handoff_begin m = announced;
    m.n_layer++;
    assert_int_equal(seam_handoff_begin(&h, &m, &ours, units, NULL), SEAM_EMISMATCH);
    m = announced;
    m.row_bytes--;
    assert_int_equal(seam_handoff_begin(&h, &m, &ours, units, NULL), SEAM_EMISMATCH);
    m = announced;
    m.pos0 = m.end;
    assert_int_equal(seam_handoff_begin(&h, &m, &ours, units, NULL), SEAM_EPROTO);
    m = announced;
    m.end = N_CTX + 1;
    assert_int_equal(seam_handoff_begin(&h, &m, &ours, units, NULL), SEAM_EPROTO);
    begin(&h);
    assert_int_equal(seam_handoff_begin(&h, &announced, &ours, units, NULL), SEAM_EPROTO);
    seam_handoff_end(&h);
}

/* ---- lanes ---- */

static int32_t ids[N_CTX];

static struct seam_token_list prompt(int32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ids[i] = from + (int32_t)i;
    return (struct seam_token_list){ids, n};
}

static struct seam_message_lane_ready open_lane(struct seam_lanes *l, uint64_t owner, int32_t from,
                                                uint32_t n)
{
    struct seam_token_list t = prompt(from, n);
    struct seam_message_lane_ready r = {0};
    assert_int_equal(seam_lanes_open(l, owner, 1, &t, &r, NULL), SEAM_OK);
    return r;
}

static struct seam_handoff handoff_for(const struct seam_message_lane_ready *r, uint32_t end)
{
    return (struct seam_handoff){.m = {.lane = r->lane,
                                       .ticket = r->ticket,
                                       .pos0 = r->n_cached,
                                       .end = end,
                                       .n_layer = N_LAYER,
                                       .row_bytes = ROW,
                                       .tokens_digest = seam_tokens_digest(ids, end)}};
}

static void a_lane_goes_from_free_to_free_and_keeps_its_cache(void **state)
{
    (void)state;
    struct seam_lanes l;
    struct seam_lane *lane;
    assert_int_equal(seam_lanes_init(&l, 2, N_CTX, NULL), SEAM_OK);
    struct seam_message_lane_ready r = open_lane(&l, 7, 100, 200);
    assert_int_equal(r.n_cached, 0);
    struct seam_handoff h = handoff_for(&r, 199);
    assert_int_equal(seam_lanes_receive(&l, &h.m, 9, NULL), SEAM_OK);
    uint8_t to[ROW] = {0}, from[ROW] = {1, 2, 3};
    assert_int_equal(seam_lanes_store(&l, &h, 9, to, from, ROW, NULL), SEAM_OK);
    assert_memory_equal(to, from, ROW);
    assert_int_equal(l.lane[r.lane].committed, 0); /* not before the commit */
    assert_int_equal(seam_lanes_commit(&l, &h, 9, NULL), SEAM_OK);
    assert_int_equal(l.lane[r.lane].committed, 199);
    assert_int_equal(seam_lanes_decode(&l, r.lane, r.ticket, 7, &lane, NULL), SEAM_OK);
    seam_lanes_free(&l, lane, 200);

    struct seam_message_lane_ready again = open_lane(&l, 7, 100, 200);
    assert_int_equal(again.lane, r.lane);
    assert_int_equal(again.n_cached, 199); /* the last token is a step */
    assert_true(again.ticket != r.ticket);
    seam_lanes_drop(&l, 7, 0);
    struct seam_message_lane_ready other = open_lane(&l, 7, 5000, 100);
    assert_true(other.lane != r.lane); /* the other lane was not used for longer */
    assert_int_equal(other.n_cached, 0);
    seam_lanes_drop(&l, 7, 0);
    seam_lanes_release(&l);
}

static void latecomers_and_strangers_are_refused(void **state)
{
    (void)state;
    struct seam_lanes l;
    struct seam_lane *lane;
    assert_int_equal(seam_lanes_init(&l, 1, N_CTX, NULL), SEAM_OK);
    struct seam_message_lane_ready r = open_lane(&l, 7, 100, 200);
    struct seam_token_list t = prompt(100, 200);
    struct seam_message_lane_ready none;
    assert_int_equal(seam_lanes_open(&l, 8, 1, &t, &none, NULL), SEAM_EBUSY);
    assert_int_equal(seam_lanes_sweep(&l, &t, 32, NULL, NULL, &lane, NULL), SEAM_EBUSY);

    struct seam_handoff h = handoff_for(&r, 199), bad;
    bad = h;
    bad.m.ticket++;
    assert_int_equal(seam_lanes_receive(&l, &bad.m, 9, NULL), SEAM_EPROTO);
    bad = h;
    bad.m.lane = 77;
    assert_int_equal(seam_lanes_receive(&l, &bad.m, 9, NULL), SEAM_EPROTO);
    bad = h;
    bad.m.end = 200; /* the last token's row is not ours to receive */
    assert_int_equal(seam_lanes_receive(&l, &bad.m, 9, NULL), SEAM_EPROTO);
    bad = h;
    bad.m.tokens_digest++;
    assert_int_equal(seam_lanes_receive(&l, &bad.m, 9, NULL), SEAM_EMISMATCH);

    assert_int_equal(seam_lanes_receive(&l, &h.m, 9, NULL), SEAM_OK);
    assert_int_equal(seam_lanes_receive(&l, &h.m, 10, NULL),
                     SEAM_EPROTO); /* one sender at a time */
    uint8_t to[ROW] = {0}, from[ROW] = {1};
    assert_int_equal(seam_lanes_store(&l, &h, 10, to, from, ROW, NULL), SEAM_EPROTO);
    seam_lanes_abort(&l, &h, 9);
    assert_int_equal(seam_lanes_receive(&l, &h.m, 10, NULL), SEAM_OK); /* another may try */

    /* the owner falls back: pieces that still come change nothing */
    assert_int_equal(seam_lanes_decode(&l, r.lane, r.ticket, 8, &lane, NULL), SEAM_EPROTO);
    assert_int_equal(seam_lanes_decode(&l, r.lane, r.ticket, 7, &lane, NULL), SEAM_OK);
    assert_int_equal(seam_lanes_store(&l, &h, 10, to, from, ROW, NULL), SEAM_EPROTO);
    assert_int_equal(seam_lanes_commit(&l, &h, 10, NULL), SEAM_EPROTO);
    assert_int_equal(to[0], 0);
    assert_int_equal(lane->committed, 0);
    seam_lanes_drop(&l, 7, 0); /* its link dies: the worker frees the lane itself */
    assert_int_equal(lane->state, SEAM_LANE_DECODING);
    seam_lanes_free(&l, lane, 0);
    assert_int_equal(lane->state, SEAM_LANE_FREE);
    seam_lanes_release(&l);
}

static void a_sweep_reuses_whole_chunks(void **state)
{
    (void)state;
    struct seam_lanes l;
    struct seam_lane *lane;
    assert_int_equal(seam_lanes_init(&l, 1, N_CTX, NULL), SEAM_OK);
    struct seam_token_list t = prompt(0, 150);
    assert_int_equal(seam_lanes_sweep(&l, &t, 32, NULL, NULL, &lane, NULL), SEAM_OK);
    assert_int_equal(lane->committed, 0);
    seam_lanes_free(&l, lane, 150);
    t = prompt(0, 200);
    assert_int_equal(seam_lanes_sweep(&l, &t, 32, NULL, NULL, &lane, NULL), SEAM_OK);
    assert_int_equal(lane->committed, 128);
    seam_lanes_free(&l, lane, 200);
    assert_int_equal(seam_lanes_sweep(&l, &t, 32, NULL, NULL, &lane, NULL), SEAM_OK);
    assert_int_equal(lane->committed, 200); /* all of it: nothing to compute at all */
    seam_lanes_free(&l, lane, 200);
    seam_lanes_release(&l);
}

/* ---- turns ---- */

static struct seam_turns turns;
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static int order[4], n_order;

static void *take_turn(void *user)
{
    assert_int_equal(seam_turns_take(&turns, NULL, NULL, NULL), SEAM_OK);
    pthread_mutex_lock(&order_lock);
    order[n_order++] = *(int *)user;
    pthread_mutex_unlock(&order_lock);
    seam_turns_give(&turns);
    return NULL;
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static void turns_are_taken_in_order_of_arrival(void **state)
{
    (void)state;
    pthread_t thread[4];
    int names[4] = {0, 1, 2, 3};
    seam_turns_init(&turns, 1);
    assert_int_equal(seam_turns_take(&turns, NULL, NULL, NULL), SEAM_OK);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, take_turn, &names[i]), 0);
        while (seam_turns_load(&turns) != i + 2) /* it stands in the queue */
            sched_yield();
    }
    struct seam_err err = {0};
    assert_int_equal(seam_turns_take(&turns, at_once, NULL, &err), SEAM_ECANCELED);
    seam_turns_give(&turns);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(seam_turns_load(&turns), 0);
    seam_turns_release(&turns);
}

/* ---- messages ---- */

static struct seam_fabric *fabric;
static struct seam_listener *listener;
static struct seam_link *near_end, *far_end;

static int open_links(void **state)
{
    (void)state;
    assert_int_equal(seam_fabric_open(&fabric, "loopback", NULL), SEAM_OK);
    assert_int_equal(seam_fabric_listen(fabric, "messages", &listener, NULL), SEAM_OK);
    assert_int_equal(seam_fabric_connect(fabric, "messages", 1000000000, &near_end, NULL), SEAM_OK);
    assert_int_equal(seam_listener_accept(listener, 1000000000, &far_end, NULL), SEAM_OK);
    return 0;
}

static int close_links(void **state)
{
    (void)state;
    seam_link_close(near_end);
    seam_link_close(far_end);
    seam_listener_close(listener);
    seam_fabric_close(fabric);
    return 0;
}

/* Send, receive into `out`, and check that no shorter body is taken for the message. */
static void carry(uint16_t type, const void *message, void *out)
{
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_err err = {0};
    assert_int_equal(seam_message_send(near_end, type, 42, message, 1000000000, &err), SEAM_OK);
    assert_int_equal(seam_wire_recv(far_end, 1000000000, &h, &body, &err), SEAM_OK);
    assert_int_equal(h.type, type);
    assert_int_equal(h.request, 42);
    for (size_t len = 0; len < body.len; len++) {
        uint8_t *copy = malloc(len ? len : 1); /* exact, so that ASan sees a read past the end */
        assert_non_null(copy);
        memcpy(copy, body.p, len);
        struct seam_wire_in cut = {.p = copy, .len = len};
        assert_int_equal(seam_message_get(&cut, type, out, NULL), SEAM_EPROTO);
        free(copy);
    }
    assert_int_equal(seam_message_get(&body, type, out, &err), SEAM_OK);
}

static void lists_and_traces_survive_the_journey(void **state)
{
    (void)state;
    int32_t list[] = {3, 0, -1, INT32_MAX};
    struct seam_message_sweep sweep = {5, 1ull << 40, 17, "192.168.7.2:7330", {list, 4}}, s;
    carry(SEAM_WIRE_SWEEP, &sweep, &s);
    assert_int_equal(s.lane, 5);
    assert_int_equal(s.ticket, 1ull << 40);
    assert_int_equal(s.pos0, 17);
    assert_string_equal(s.addr, sweep.addr);
    assert_int_equal(s.tokens.n, 4);
    assert_memory_equal(s.tokens.ids, list, sizeof list);
    seam_message_release(SEAM_WIRE_SWEEP, &s);

    struct seam_trace_layer layers[2] = {{.read = {1, 2, 3, 4}, .wait_ns = 5},
                                         {.compute = {6, 7, 8, 9}, .send = {10, 11, 12, 13}}};
    struct seam_message_generate_done done = {1, -1, 9, 8, 7, {2, layers, 20, 21, 22, 23}}, d;
    carry(SEAM_WIRE_GENERATE_DONE, &done, &d);
    assert_int_equal(d.stop_id, -1);
    assert_int_equal(d.trace.n_layer, 2);
    assert_memory_equal(d.trace.layers, layers, sizeof layers);
    assert_int_equal(d.trace.weight_bytes_peak, 23);
    seam_message_release(SEAM_WIRE_GENERATE_DONE, &d);
}

static void samplings_and_names_survive_the_journey(void **state)
{
    (void)state;
    int32_t stop = 9;
    struct seam_message_generate generate = {1,
                                             2,
                                             3,
                                             {0.5f, 40, 0.9f, 0.05f, 1.1f, -0.5f, 0.25f, 64,
                                              UINT64_MAX},
                                             {&stop, 1}},
                                 g;
    carry(SEAM_WIRE_GENERATE, &generate, &g);
    assert_int_equal(g.max_tokens, 3);
    assert_true(g.sampling.temperature == 0.5f && g.sampling.top_k == 40 &&
                g.sampling.top_p == 0.9f);
    assert_true(g.sampling.min_p == 0.05f && g.sampling.repetition_penalty == 1.1f);
    assert_true(g.sampling.frequency_penalty == -0.5f && g.sampling.presence_penalty == 0.25f);
    assert_true(g.sampling.penalty_window == 64 && g.sampling.seed == UINT64_MAX);
    assert_int_equal(g.stop_ids.ids[0], 9);
    seam_message_release(SEAM_WIRE_GENERATE, &g);

    struct seam_message_hello hello = {.release = "0.1.0",
                                       .role = 3,
                                       .name = "spark1",
                                       .model = {{1, 2, 3}},
                                       .model_name = "thimble",
                                       .kv_layout = "mla-latent/f16/1",
                                       .row_bytes = 1152,
                                       .n_layer = 61,
                                       .n_ctx = 131072,
                                       .n_lanes = 4},
                              o;
    carry(SEAM_WIRE_HELLO, &hello, &o);
    assert_string_equal(o.release, hello.release);
    assert_int_equal(o.role, 3);
    assert_string_equal(o.name, hello.name);
    assert_memory_equal(&o.model, &hello.model, sizeof o.model);
    assert_string_equal(o.model_name, hello.model_name);
    assert_string_equal(o.kv_layout, hello.kv_layout);
    assert_int_equal(o.row_bytes, 1152);
    assert_int_equal(o.n_layer, 61);
    assert_int_equal(o.n_ctx, 131072);
    assert_int_equal(o.n_lanes, 4);
}

static void strangers_are_told_apart(void **state)
{
    (void)state;
    struct seam_err err = {0};
    struct seam_message_hello a = {.name = "spark1",
                                   .model = {{1}},
                                   .model_name = "thimble",
                                   .kv_layout = "mla-latent/f16/1",
                                   .row_bytes = 64,
                                   .n_layer = 3};
    struct seam_message_hello b = a;
    assert_int_equal(seam_hello_check(&a, &b, &err), SEAM_OK);
    snprintf(b.kv_layout, sizeof b.kv_layout, "mla-latent/f32/1");
    assert_int_equal(seam_hello_check(&a, &b, &err), SEAM_EMISMATCH);
    assert_non_null(strstr(err.text, "f32"));
    b.kv_layout[0] = '\0'; /* a coordinator */
    assert_int_equal(seam_hello_check(&a, &b, &err), SEAM_OK);
    b.model.bytes[15] ^= 1;
    snprintf(b.name, sizeof b.name, "studio");
    assert_int_equal(seam_hello_check(&a, &b, &err), SEAM_EMISMATCH);
    assert_non_null(strstr(err.text, "spark1"));
    assert_non_null(strstr(err.text, "studio"));
}

static void a_huge_count_is_not_believed(void **state)
{
    (void)state;
    uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0};
    struct seam_wire_in body = {.p = bytes, .len = sizeof bytes};
    struct seam_message_lane_open m;
    assert_int_equal(seam_message_get(&body, SEAM_WIRE_LANE_OPEN, &m, NULL), SEAM_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_once_and_the_digest_commit),
        cmocka_unit_test(a_missing_piece_never_commits),
        cmocka_unit_test(pieces_outside_what_was_announced_are_refused),
        cmocka_unit_test(impossible_announcements_are_refused),
        cmocka_unit_test(a_lane_goes_from_free_to_free_and_keeps_its_cache),
        cmocka_unit_test(latecomers_and_strangers_are_refused),
        cmocka_unit_test(a_sweep_reuses_whole_chunks),
        cmocka_unit_test(turns_are_taken_in_order_of_arrival),
        cmocka_unit_test_setup_teardown(lists_and_traces_survive_the_journey, open_links,
                                        close_links),
        cmocka_unit_test_setup_teardown(samplings_and_names_survive_the_journey, open_links,
                                        close_links),
        cmocka_unit_test(strangers_are_told_apart),
        cmocka_unit_test(a_huge_count_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
