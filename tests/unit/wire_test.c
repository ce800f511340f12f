/* wire_test.c - the codec, golden frames of wire version 1, and what damage does (fabric/wire.h).
 *
 * The golden frames were written by a Python script that shares no code with wire.c (struct.pack;
 * XXH3 from xxhash's one-shot function). They are what version 1 looks like for ever: a change that
 * needs them changed needs another SEAM_WIRE_VERSION. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fabric/wire.h"

#define LONG (30 * SEAM_NS_PER_S)

static const struct golden {
    const char *name, *header, *fixed, *string; /* hex; the body is fixed fields and a string */
} goldens[] = {
    {"HELLO", "5345414d0100010001776655443322111a000000000000001f375ef804f2bd3d",
     "a1b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "050048454c4c4f"},
    {"ERROR", "5345414d0100020002776655443322111a00000000000000e5a290d4583627f6",
     "a2b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "05004552524f52"},
    {"LANE_OPEN", "5345414d0100030003776655443322111e00000000000000ec74402a04611672",
     "a3b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "09004c414e455f4f50454e"},
    {"LANE_READY", "5345414d0100040004776655443322111f00000000000000d4a4c9376b16cdae",
     "a4b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0a004c414e455f5245414459"},
    {"SWEEP", "5345414d0100050005776655443322111a00000000000000384604b33dd65dbb",
     "a5b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "05005357454550"},
    {"SWEEP_DONE", "5345414d0100060006776655443322111f0000000000000067a5632c561e5b66",
     "a6b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0a0053574545505f444f4e45"},
    {"HANDOFF_BEGIN", "5345414d010007000777665544332211220000000000000013c13afe72335f92",
     "a7b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0d0048414e444f46465f424547494e"},
    {"HANDOFF_READY", "5345414d01000800087766554433221122000000000000008359793e09c2298f",
     "a8b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0d0048414e444f46465f5245414459"},
    {"KV_PIECE", "5345414d0100090009776655443322111d00000000000000519421805e027daf",
     "a9b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "08004b565f5049454345"},
    {"HANDOFF_COMMIT", "5345414d01000a000a7766554433221123000000000000007afc7445f62e93ff",
     "aab0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0e0048414e444f46465f434f4d4d4954"},
    {"HANDOFF_ACK", "5345414d01000b000b7766554433221120000000000000002db8a95604985505",
     "abb0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0b0048414e444f46465f41434b"},
    {"GENERATE", "5345414d01000c000c776655443322111d000000000000009c9c6d9e90063c2f",
     "acb0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "080047454e4552415445"},
    {"TOKEN", "5345414d01000d000d776655443322111a00000000000000fabe6fc754523ac1",
     "adb0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0500544f4b454e"},
    {"GENERATE_DONE", "5345414d01000e000e7766554433221122000000000000007cfb2b3dc196f747",
     "aeb0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0d0047454e45524154455f444f4e45"},
    {"CANCEL", "5345414d01000f000f776655443322111b000000000000004bd85743772a4e8b",
     "afb0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "060043414e43454c"},
    {"PING", "5345414d0100100010776655443322111900000000000000b18f4bd3a1160b26",
     "b0b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "040050494e47"},
    {"PONG", "5345414d0100110011776655443322111900000000000000ac0cad99db3329b2",
     "b1b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0400504f4e47"},
    {"PROGRESS", "5345414d0100120012776655443322111d00000000000000ebb1edb9c8a68649",
     "b2b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "080050524f4752455353"},
    {"ECHO", "5345414d0100130013776655443322111900000000000000d75b7f3337bddd86",
     "b3b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "04004543484f"},
    {"ECHOED", "5345414d0100140014776655443322111b00000000000000947954a5d0c41938",
     "b4b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "06004543484f4544"},
    {"STATUS", "5345414d0100180018776655443322111b0000000000000062e457e3084da064",
     "b8b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0600535441545553"},
    {"NODE_STATUS", "5345414d0100190019776655443322112000000000000000e731e5a288762a8f",
     "b9b0b1c0c1c2c3d0d1d2d3d4d5d6d70000c0bf", "0b004e4f44455f535441545553"},
};
#define N_GOLDEN ((uint16_t)(sizeof goldens / sizeof *goldens))

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static size_t golden_bytes(const struct golden *g, uint8_t out[256])
{
    size_t n = unhex(g->header, out);
    n += unhex(g->fixed, out + n);
    return n + unhex(g->string, out + n);
}

static uint16_t golden_type(const struct golden *g)
{
    uint8_t header[64];
    unhex(g->header, header);
    return (uint16_t)(header[6] | header[7] << 8);
}

static size_t write_golden_body(uint16_t type, uint8_t *buf, size_t cap)
{
    struct seam_wire_out o = {.p = buf, .cap = cap};
    seam_wire_put_u8(&o, (uint8_t)(0xa0 + type));
    seam_wire_put_u16(&o, 0xb1b0);
    seam_wire_put_u32(&o, 0xc3c2c1c0);
    seam_wire_put_u64(&o, 0xd7d6d5d4d3d2d1d0);
    seam_wire_put_f32(&o, -1.5f);
    seam_wire_put_str(&o, seam_wire_type_name(type));
    assert_false(o.overflow);
    return o.len;
}

static void read_golden_body(struct seam_wire_in *in, uint16_t type)
{
    char name[32];
    assert_int_equal(seam_wire_get_u8(in), 0xa0 + type);
    assert_int_equal(seam_wire_get_u16(in), 0xb1b0);
    assert_int_equal(seam_wire_get_u32(in), 0xc3c2c1c0);
    assert_true(seam_wire_get_u64(in) == 0xd7d6d5d4d3d2d1d0);
    assert_true(seam_wire_get_f32(in) == -1.5f);
    seam_wire_get_str(in, name, sizeof name);
    assert_string_equal(name, seam_wire_type_name(type));
    assert_int_equal(seam_wire_end(in, type, NULL), SEAM_OK);
}

/* ---- a loopback link to look at what was sent ---- */

struct ends {
    struct seam_fabric *f;
    struct seam_listener *listener;
    struct seam_link *a, *b;
};

static struct ends open_ends(void)
{
    struct ends e = {0};
    assert_int_equal(seam_fabric_open(&e.f, "loopback", NULL), SEAM_OK);
    assert_int_equal(seam_fabric_listen(e.f, "wire-test", &e.listener, NULL), SEAM_OK);
    assert_int_equal(seam_fabric_connect(e.f, "wire-test", LONG, &e.a, NULL), SEAM_OK);
    assert_int_equal(seam_listener_accept(e.listener, LONG, &e.b, NULL), SEAM_OK);
    return e;
}

static void close_ends(struct ends *e)
{
    seam_link_close(e->a);
    seam_link_close(e->b);
    seam_listener_close(e->listener);
    seam_fabric_close(e->f);
}

/* ---- codec ---- */

static void numbers_round_trip(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,          1,          0x7f,        0x80,
                                      0xff,       0x100,      0xffff,      0x10000,
                                      0x7fffffff, 0xffffffff, 0x100000000, 0x0102030405060708,
                                      UINT64_MAX};
    static const float floats[] = {0.0f, -0.0f, 1.0f, -1.5f, 3.4e38f, 1e-45f, INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t buf[15];
        struct seam_wire_out o = {.p = buf, .cap = sizeof buf};
        seam_wire_put_u64(&o, values[i]);
        seam_wire_put_u32(&o, (uint32_t)values[i]);
        seam_wire_put_u16(&o, (uint16_t)values[i]);
        seam_wire_put_u8(&o, (uint8_t)values[i]);
        assert_false(o.overflow);
        assert_int_equal(o.len, sizeof buf);
        for (int k = 0; k < 8; k++) /* little-endian, whatever the machine */
            assert_int_equal(buf[k], (uint8_t)(values[i] >> (8 * k)));
        struct seam_wire_in in = {.p = buf, .len = o.len};
        assert_true(seam_wire_get_u64(&in) == values[i]);
        assert_true(seam_wire_get_u32(&in) == (uint32_t)values[i]);
        assert_true(seam_wire_get_u16(&in) == (uint16_t)values[i]);
        assert_true(seam_wire_get_u8(&in) == (uint8_t)values[i]);
        assert_int_equal(seam_wire_end(&in, SEAM_WIRE_PING, NULL), SEAM_OK);
    }
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        uint8_t buf[4];
        struct seam_wire_out o = {.p = buf, .cap = sizeof buf};
        seam_wire_put_f32(&o, floats[i]);
        struct seam_wire_in in = {.p = buf, .len = o.len};
        float back = seam_wire_get_f32(&in);
        assert_memory_equal(&back, &floats[i], sizeof back);
    }
}

static void bytes_and_strings_round_trip(void **state)
{
    (void)state;
    uint8_t buf[64];
    char text[16];
    struct seam_wire_out o = {.p = buf, .cap = sizeof buf};
    seam_wire_put_str(&o, "");
    seam_wire_put_str(&o, "fifteen letters");
    seam_wire_put_bytes(&o, "\0\1\2", 3);
    seam_wire_put_bytes(&o, NULL, 0);
    assert_false(o.overflow);
    struct seam_wire_in in = {.p = buf, .len = o.len};
    seam_wire_get_str(&in, text, sizeof text);
    assert_string_equal(text, "");
    seam_wire_get_str(&in, text, sizeof text);
    assert_string_equal(text, "fifteen letters");
    assert_memory_equal(seam_wire_get_bytes(&in, 3), "\0\1\2", 3);
    assert_non_null(seam_wire_get_bytes(&in, 0));
    assert_int_equal(seam_wire_end(&in, SEAM_WIRE_PING, NULL), SEAM_OK);
}

static void writing_never_overruns(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 40; cap++) {
        uint8_t *buf = malloc(cap + 1); /* exact, so that a sanitizer sees one byte too many */
        buf[cap] = 0x5a;
        struct seam_wire_out o = {.p = buf, .cap = cap};
        for (int i = 0; i < 3; i++) {
            seam_wire_put_u64(&o, 1);
            seam_wire_put_str(&o, "abc");
        }
        assert_int_equal(o.overflow, cap < 39);
        assert_true(o.len <= cap);
        assert_int_equal(buf[cap], 0x5a);
        seam_wire_put_u8(&o, 1);
        assert_true(o.overflow); /* and it stays */
        free(buf);
    }
    char *huge = malloc(70000);
    uint8_t *out = malloc(80000);
    memset(huge, 'x', 70000);
    huge[69999] = '\0';
    struct seam_wire_out o = {.p = out, .cap = 80000};
    seam_wire_put_str(&o, huge); /* does not fit its length */
    assert_true(o.overflow);
    free(huge);
    free(out);
}

static void reading_past_the_end_gives_zeros(void **state)
{
    (void)state;
    const uint8_t *buf = (const uint8_t *)"\1\2\3";
    struct seam_wire_in in = {.p = buf, .len = 3};
    struct seam_err err = {0};
    assert_int_equal(seam_wire_get_u16(&in), 0x0201);
    assert_int_equal(seam_wire_get_u16(&in), 0);
    assert_true(in.bad);
    assert_int_equal(seam_wire_get_u8(&in), 0); /* there is a byte, but all is lost */
    assert_null(seam_wire_get_bytes(&in, 0));
    assert_int_equal(seam_wire_end(&in, SEAM_WIRE_SWEEP, &err), SEAM_EPROTO);
    assert_non_null(strstr(err.text, "SWEEP"));

    in = (struct seam_wire_in){.p = buf, .len = 3};
    assert_null(seam_wire_get_bytes(&in, SIZE_MAX));
    assert_true(in.bad);

    in = (struct seam_wire_in){.p = buf, .len = 3};
    (void)seam_wire_get_u16(&in);
    assert_int_equal(seam_wire_end(&in, SEAM_WIRE_SWEEP, &err), SEAM_EPROTO); /* one left */
}

static void bad_strings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"", 0},
                {"\5", 1},
                {"\5\0abcd", 6},
                {"\xff\xff"
                 "abc",
                 5},
                {"\3\0a\0b", 5},
                {"\4\0abcd", 6}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[4] = "zzz"; /* "abcd" with its NUL is one too long */
        struct seam_wire_in in = {.p = (const uint8_t *)rows[i].bytes, .len = rows[i].len};
        seam_wire_get_str(&in, out, sizeof out);
        assert_true(in.bad);
        assert_string_equal(out, "");
    }
}

/* ---- frames ---- */

static void golden_frames_are_written(void **state)
{
    (void)state;
    struct ends e = open_ends();
    for (size_t i = 0; i < N_GOLDEN; i++)
        for (size_t split = 0; split < 30; split += 7) { /* fields, then bulk: the same bytes */
            const uint16_t type = golden_type(&goldens[i]);
            uint8_t body[128], want[256];
            const void *frame;
            size_t n = write_golden_body(type, body, sizeof body), len, cut = split < n ? split : n;
            assert_int_equal(seam_wire_send(e.a, type, 0x1122334455667700u + type, body, cut,
                                            body + cut, n - cut, LONG, NULL),
                             SEAM_OK);
            assert_int_equal(seam_link_recv(e.b, LONG, &frame, &len, NULL), SEAM_OK);
            assert_int_equal(len, golden_bytes(&goldens[i], want));
            assert_memory_equal(frame, want, len);
        }
    close_ends(&e);
}

static void golden_frames_are_read(void **state)
{
    (void)state;
    size_t count = 0;
#define X(name, value, direction, meaning) count++;
    SEAM_WIRE_MAP(X)
#undef X
    assert_int_equal(count, N_GOLDEN); /* a new message needs its golden frame */
    for (size_t i = 0; i < N_GOLDEN; i++) {
        const uint16_t type = golden_type(&goldens[i]);
        uint8_t frame[256];
        size_t len = golden_bytes(&goldens[i], frame);
        struct seam_wire_header h;
        struct seam_wire_in body;
        assert_string_equal(seam_wire_type_name(type), goldens[i].name);
        assert_int_equal(seam_wire_parse(frame, len, &h, &body, NULL), SEAM_OK);
        assert_int_equal(h.type, type);
        assert_true(h.request == 0x1122334455667700u + type);
        assert_int_equal(h.body_len, len - SEAM_WIRE_HEADER);
        read_golden_body(&body, type);
    }
}

static void every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    for (size_t g = 0; g < N_GOLDEN; g++) {
        uint8_t frame[256];
        size_t len = golden_bytes(&goldens[g], frame);
        struct seam_wire_header h;
        struct seam_wire_in body;
        for (size_t i = 0; i < len; i++)
            for (int bit = 0; bit < 8; bit++) {
                struct seam_err err = {0};
                frame[i] ^= (uint8_t)(1 << bit);
                assert_int_equal(seam_wire_parse(frame, len, &h, &body, &err), SEAM_EPROTO);
                assert_true(err.text[0] != '\0');
                assert_int_equal(h.type, 0);
                assert_int_equal(body.len, 0);
                frame[i] ^= (uint8_t)(1 << bit);
            }
        for (size_t cut = 0; cut < len; cut++) { /* exact copies, for sanitizers */
            uint8_t *copy = malloc(cut + 1);
            memcpy(copy, frame, cut);
            assert_int_equal(seam_wire_parse(copy, cut, &h, &body, NULL), SEAM_EPROTO);
            free(copy);
        }
        assert_int_equal(seam_wire_parse(frame, len + 1, &h, &body, NULL), SEAM_EPROTO);
        assert_int_equal(seam_wire_parse(frame, len, &h, &body, NULL), SEAM_OK);
    }
}

static void another_version_is_named(void **state)
{
    (void)state;
    uint8_t frame[256];
    size_t len = golden_bytes(&goldens[0], frame);
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_err err = {0};
    frame[4] = 7; /* its checksum may be anything: we cannot know how version 7 computes it */
    assert_int_equal(seam_wire_parse(frame, len, &h, &body, &err), SEAM_EPROTO);
    assert_non_null(strstr(err.text, "speaks wire version 7, we speak 1"));
}

static void unknown_type_is_refused(void **state)
{
    (void)state;
    struct ends e = open_ends();
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_err err = {0};
    assert_string_equal(seam_wire_type_name(0), "?");
    assert_string_equal(seam_wire_type_name(999), "?");
    assert_int_equal(seam_wire_send(e.a, 999, 1, NULL, 0, NULL, 0, LONG, NULL), SEAM_OK);
    assert_int_equal(seam_wire_recv(e.b, LONG, &h, &body, &err), SEAM_EPROTO);
    assert_non_null(strstr(err.text, "999"));
    assert_non_null(strstr(err.text, seam_link_peer(e.b))); /* whose frame it was */
    close_ends(&e);
}

static void frames_over_a_link(void **state)
{
    (void)state;
    struct ends e = open_ends();
    struct seam_wire_header h;
    struct seam_wire_in body;
    struct seam_err err = {0};
    uint8_t *bulk = malloc(SEAM_WIRE_BODY_MAX);
    for (size_t i = 0; i < SEAM_WIRE_BODY_MAX; i++)
        bulk[i] = (uint8_t)(i * 31 + i / 4099);

    assert_int_equal(seam_wire_send(e.a, SEAM_WIRE_PING, 0, NULL, 0, NULL, 0, LONG, NULL), SEAM_OK);
    assert_int_equal(seam_wire_recv(e.b, LONG, &h, &body, NULL), SEAM_OK);
    assert_int_equal(h.type, SEAM_WIRE_PING);
    assert_int_equal(seam_wire_end(&body, h.type, NULL), SEAM_OK);

    size_t rest = SEAM_WIRE_BODY_MAX - 12; /* the largest frame there is */
    assert_int_equal(seam_wire_send(e.b, SEAM_WIRE_KV_PIECE, UINT64_MAX, "twelve bytes", 12, bulk,
                                    rest, LONG, NULL),
                     SEAM_OK);
    assert_int_equal(seam_wire_recv(e.a, LONG, &h, &body, NULL), SEAM_OK);
    assert_int_equal(h.body_len, SEAM_WIRE_BODY_MAX);
    assert_true(h.request == UINT64_MAX);
    assert_memory_equal(seam_wire_get_bytes(&body, 12), "twelve bytes", 12);
    assert_memory_equal(seam_wire_get_bytes(&body, rest), bulk, rest);
    assert_int_equal(seam_wire_end(&body, h.type, NULL), SEAM_OK);

    assert_int_equal(seam_wire_send(e.b, SEAM_WIRE_KV_PIECE, 1, "thirteen byte", 13, bulk, rest,
                                    LONG, &err),
                     SEAM_EINVAL);
    assert_int_equal(seam_wire_send(e.b, SEAM_WIRE_KV_PIECE, 1, "x", 1, bulk, SIZE_MAX, LONG, &err),
                     SEAM_EINVAL);
    assert_int_equal(seam_wire_recv(e.a, SEAM_NS_PER_MS, &h, &body, &err), SEAM_ETIMEOUT);
    free(bulk);
    close_ends(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_round_trip),
        cmocka_unit_test(bytes_and_strings_round_trip),
        cmocka_unit_test(writing_never_overruns),
        cmocka_unit_test(reading_past_the_end_gives_zeros),
        cmocka_unit_test(bad_strings),
        cmocka_unit_test(golden_frames_are_written),
        cmocka_unit_test(golden_frames_are_read),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(another_version_is_named),
        cmocka_unit_test(unknown_type_is_refused),
        cmocka_unit_test(frames_over_a_link),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
