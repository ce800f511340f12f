/* hub_test.c - what a hub's listing becomes, which model is meant, who gets what of a URL (hub/hub.h), and which
 * bytes of a file are there (hub/resume.h). What crosses a network is in tests/stories/pull.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/follow.h"
#include "hub/hub.h"
#include "hub/http.h"
#include "hub/origin.h"
#include "hub/resume.h"

#define OID "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

static void add(struct seam_buf *b, const char *path, unsigned long size)
{
    char text[512];
    snprintf(text, sizeof text,
             "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%lu,\"lfs\":{\"oid\":\"" OID
             "\",\"size\":%lu}}",
             b->n ? "," : "", path, size, size);
    seam_buf_puts(b, text);
}

/* A list of these paths, grouped. */
static void list_of(struct seam_hub_list *list, const char *const *paths)
{
    struct seam_buf b = {0}, page = {0};
    struct seam_err err = {0};
    for (unsigned long i = 0; paths[i]; i++)
        add(&b, paths[i], 100 + i);
    seam_buf_puts(&page, "[");
    seam_buf_puts(&page, b.n ? b.p : "");
    seam_buf_puts(&page, "]");
    *list = (struct seam_hub_list){0};
    seam_status st = seam_hub_list_parse(list, page.p, page.n, &err);
    if (st == SEAM_OK)
        st = seam_hub_list_group(list, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(st, SEAM_OK);
    seam_buf_release(&b);
    seam_buf_release(&page);
}

static const char *const kimi[] = {"UD-Q8_K_XL/K-UD-Q8_K_XL-00002-of-00002.gguf",
                                   "UD-Q8_K_XL/K-UD-Q8_K_XL-00001-of-00002.gguf",
                                   "Q8_0/K-Q8_0-00001-of-00003.gguf",
                                   "Q8_0/K-Q8_0-00003-of-00003.gguf",
                                   "K-UD-Q4_K_XL.gguf",
                                   "mmproj-F16.gguf",
                                   "README.md",
                                   NULL};

static void splits_of_one_name_are_one_model(void **state)
{
    struct seam_hub_list l;
    (void)state;
    list_of(&l, kimi);
    assert_int_equal(l.n_file, 6);
    assert_int_equal(l.n_set, 4);
    assert_string_equal(l.set[0].name, "K-UD-Q4_K_XL");
    assert_string_equal(l.set[2].name, "UD-Q8_K_XL/K-UD-Q8_K_XL");
    assert_int_equal(l.set[2].of, 2);
    assert_int_equal(l.set[2].bytes, 201);
    assert_string_equal(l.file[l.set[2].first].name, "K-UD-Q8_K_XL-00001-of-00002.gguf");
    assert_int_equal(l.file[0].sha256[0], 0x01);
    assert_int_equal(l.file[0].sha256[31], 0xef);
    seam_hub_list_release(&l);
}

static void what_is_asked_for_is_found_or_explained(void **state)
{
    static const struct {
        const char *what;
        seam_status st;
        const char *says; /* the set chosen, or a part of the story */
    } rows[] = {
        {"UD-Q8_K_XL", SEAM_OK, "UD-Q8_K_XL/K-UD-Q8_K_XL"},
        {"ud-q4_k_xl", SEAM_OK, "K-UD-Q4_K_XL"},
        {"F16", SEAM_ENOTFOUND, "there are K-UD-Q4_K_XL, Q8_0/K-Q8_0, UD-Q8_K_XL/K-UD-Q8_K_XL"},
        {"mmproj-F16.gguf", SEAM_OK, "mmproj-F16"},
        {"*00001-of-00002*", SEAM_OK, "UD-Q8_K_XL/K-UD-Q8_K_XL"},
        {"Q8_0", SEAM_EFORMAT, "2 of 3 splits"},
        {"K_XL", SEAM_ENOTFOUND, "no 'K_XL'"},
        {NULL, SEAM_EINVAL, "which of 3"},
    };
    struct seam_hub_list l;
    (void)state;
    list_of(&l, kimi);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool chosen[4];
        struct seam_err err = {0};
        seam_status st = seam_hub_select(&l, rows[i].what, chosen, &err);
        assert_int_equal(st, rows[i].st);
        if (st != SEAM_OK) {
            if (!strstr(err.text, rows[i].says))
                fail_msg("%s: said '%s'", rows[i].what ? rows[i].what : "NULL", err.text);
            continue;
        }
        for (size_t k = 0; k < l.n_set; k++)
            assert_int_equal(chosen[k], !strcmp(l.set[k].name, rows[i].says));
    }
    seam_hub_list_release(&l);
}

static void a_listing_that_cannot_be_is_refused(void **state)
{
#define ENTRY(path, more) "[{\"type\":\"file\",\"path\":\"" path "\"" more "}]"
    static const char *const bad[] = {
        "",
        "{}",
        "[",
        "[1]",
        "[{\"type\":\"file\"}]",
        ENTRY("a.gguf", ""),
        ENTRY("a.gguf", ",\"size\":-1"),
        ENTRY("a.gguf", ",\"size\":1.5"),
        ENTRY("a.gguf", ",\"size\":99999999999999999999"),
        ENTRY("../a.gguf", ",\"size\":1"),
        ENTRY("/a.gguf", ",\"size\":1"),
        ENTRY("a/../b.gguf", ",\"size\":1"),
        ENTRY("a//b.gguf", ",\"size\":1"),
        ENTRY(".a.gguf", ",\"size\":1"),
        ENTRY("a\\u0000b.gguf", ",\"size\":1"),
        ENTRY("a\\nb.gguf", ",\"size\":1"),
        ENTRY("a.gguf", ",\"size\":1,\"lfs\":{\"oid\":\"12\"}"),
        ENTRY("a.gguf", ",\"size\":1,\"lfs\":{\"oid\":\"" OID "\",\"size\":2}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct seam_hub_list l = {0};
        struct seam_err err = {0};
        if (seam_hub_list_parse(&l, bad[i], strlen(bad[i]), &err) != SEAM_EFORMAT)
            fail_msg("'%s' was taken: %s", bad[i], err.text);
        assert_true(strlen(err.text) > 10);
        seam_hub_list_release(&l);
    }
}

static void a_file_listed_twice_or_of_one_name_is_refused(void **state)
{
    static const char twice[] = "[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1},"
                                "{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":2}]";
    static const char *const same[] = {"x/K-Q8_0.gguf", "y/K-Q8_0.gguf", NULL};
    struct seam_hub_list l = {0};
    bool chosen[2];
    struct seam_err err = {0};
    (void)state;
    assert_int_equal(seam_hub_list_parse(&l, twice, strlen(twice), &err), SEAM_OK);
    assert_int_equal(seam_hub_list_group(&l, &err), SEAM_EFORMAT);
    seam_hub_list_release(&l);
    list_of(&l, same);
    assert_int_equal(seam_hub_select(&l, "*/K-Q8_0.gguf", chosen, &err), SEAM_EINVAL);
    assert_non_null(strstr(err.text, "one name"));
    seam_hub_list_release(&l);
}

static void models_are_repositories_or_known(void **state)
{
    char repo[256];
    const char *what;
    static const char *const bad[] = {"kimi", "a/b/c", "/b", "a/", "a/../b", "a b/c", "a/b?x", ""};
    (void)state;
    assert_int_equal(seam_hub_model_parse("kimi-k2.6:UD-Q8_K_XL", repo, sizeof repo, &what, NULL),
                     0);
    assert_string_equal(repo, "unsloth/Kimi-K2.6-GGUF");
    assert_string_equal(what, "UD-Q8_K_XL");
    assert_int_equal(seam_hub_model_parse("a-b/C.d_1", repo, sizeof repo, &what, NULL), SEAM_OK);
    assert_string_equal(repo, "a-b/C.d_1");
    assert_null(what);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(seam_hub_model_parse(bad[i], repo, sizeof repo, &what, NULL), SEAM_EINVAL);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    static const struct {
        const char *url, *text;
        bool loopback;
    } rows[] = {
        {"https://Hub.Example/a?b", "https://hub.example:443", false},
        {"https://hub.example:444", "https://hub.example:444", false},
        {"http://127.0.0.1:8080/x", "http://127.0.0.1:8080", true},
        {"http://localhost", "http://localhost:80", true},
        {"http://[::1]:1/", "http://[::1]:1", true},
        {"http://127.0.0.1.evil.example/", "http://127.0.0.1.evil.example:80", false},
        {"http://localhost.evil.example/", "http://localhost.evil.example:80", false},
        {"https://hub.example@evil.example/", "https://evil.example:443", false},
    };
    struct seam_origin o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(seam_origin_parse(&o, rows[i].url, NULL), SEAM_OK);
        assert_string_equal(o.text, rows[i].text);
        assert_int_equal(o.loopback, rows[i].loopback);
    }
    assert_int_equal(seam_origin_parse(&o, "ftp://hub.example/", NULL), SEAM_EINVAL);
    assert_int_equal(seam_origin_parse(&o, "/etc/passwd", NULL), SEAM_EINVAL);
    assert_int_equal(seam_origin_parse(&o, "", NULL), SEAM_EINVAL);
}

/* Where a redirect may lead, and who gets the token; nothing is sent. */
static void the_token_stays_with_the_endpoint(void **state)
{
    static const struct {
        const char *endpoint, *url;
        bool token;
        seam_status st;
    } rows[] = {
        {"https://hub.example", "https://hub.example/x", true, SEAM_OK},
        {"https://hub.example", "https://HUB.example:443/y?z", true, SEAM_OK},
        {"https://hub.example", "https://hub.example:444/x", false, SEAM_OK},
        {"https://hub.example", "https://hub.example@cdn.example/x", false, SEAM_OK},
        {"https://hub.example", "https://hub.example.cdn.example/x", false, SEAM_OK},
        {"https://hub.example", "http://hub.example/x", false, SEAM_EPROTO},
        {"https://hub.example", "http://127.0.0.1/x", false, SEAM_EPROTO},
        {"https://hub.example", "file:///etc/passwd", false, SEAM_EPROTO},
        {"http://hub.example", "http://hub.example/x", false, SEAM_OK},
        {"http://127.0.0.1:1/a", "http://127.0.0.1:1/b", true, SEAM_OK},
        {"http://127.0.0.1:1/a", "http://127.0.0.1:2/b", false, SEAM_OK},
    };
    (void)state;
    setenv("HF_TOKEN", " hf_x\n", 1);
    unsetenv("HF_HUB_OFFLINE");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct seam_hub_opts o = {.endpoint = rows[i].endpoint, .timeout_s = 1};
        struct seam_hub *hub;
        struct seam_request r;
        assert_int_equal(seam_hub_open(&hub, &o, NULL), SEAM_OK);
        assert_int_equal(seam_request_open(&r, hub, NULL), SEAM_OK);
        r.what = "a";
        r.url = strdup(rows[i].url);
        assert_int_equal(seam_request_start(&r, NULL), rows[i].st);
        assert_int_equal(r.headers != NULL, rows[i].token);
        if (r.headers)
            assert_string_equal(r.headers->data, "Authorization: Bearer hf_x");
        seam_request_close(&r);
        seam_hub_close(hub);
    }
    unsetenv("HF_TOKEN");
}

static void addresses_are_encoded(void **state)
{
    char *p = seam_http_resolve_path("a/b", "refs/pr/1", "Q 8/ü#?.gguf");
    (void)state;
    assert_string_equal(p, "/a/b/resolve/refs%2Fpr%2F1/Q%208/%C3%BC%23%3F.gguf");
    free(p);
    p = seam_http_tree_path("a/b", "main", "https://elsewhere.example/z?cursor=7&recursive=1");
    assert_string_equal(p, "/api/models/a/b/tree/main?cursor=7&recursive=1");
    free(p);
}

static void waiting_doubles_and_honours_the_server(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 20; n++) {
        double most = n < 8 ? 0.25 * (1 << (n - 1)) : 30, s = seam_request_backoff(n, 0);
        assert_true(s >= 0.75 * most - 1e-9 && s <= most + 1e-9);
    }
    assert_true(seam_request_backoff(1, 42) >= 42);
}

/* ---- resume.h ---- */

static void pieces_cover_a_file_exactly(void **state)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     65535,
                                     65536,
                                     65537,
                                     67108863,
                                     67108864,
                                     50000000000u,
                                     68719476736u,
                                     68719476737u,
                                     (uint64_t)1 << 40};
    uint8_t sha[SEAM_SHA256_BYTES] = {0};
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct seam_resume r;
        uint64_t sum = 0;
        assert_int_equal(seam_resume_begin(&r, sizes[k], sha, NULL), SEAM_OK);
        assert_true(r.n <= 1024 || r.piece_bytes == 64u << 20);
        for (uint32_t i = 0; i < r.n; i++) {
            assert_true(seam_resume_piece_off(&r, i) == sum);
            assert_true(seam_resume_piece_len(&r, i) > 0);
            sum += seam_resume_piece_len(&r, i);
        }
        assert_true(sum == sizes[k]);
        seam_resume_end(&r);
    }
}

static void what_was_counted_comes_back(void **state)
{
    char path[] = "/tmp/seam-resume-XXXXXX";
    struct seam_resume a, b;
    struct seam_err err = {0};
    uint8_t sha[SEAM_SHA256_BYTES] = {7};
    (void)state;
    close(mkstemp(path));
    assert_int_equal(seam_resume_begin(&a, 200000, sha, &err), SEAM_OK);
    a.got[0] = 65536;
    assert_int_equal(seam_resume_create(&a, path, &err), SEAM_OK);
    a.got[3] = 5;
    assert_int_equal(seam_resume_note(&a, 3, &err), SEAM_OK);

    assert_int_equal(seam_resume_begin(&b, 200000, sha, &err), SEAM_OK);
    assert_int_equal(seam_resume_load(&b, path, &err), SEAM_OK);
    assert_memory_equal(a.got, b.got, 4 * sizeof *a.got);
    assert_true(seam_resume_sum(&b) == 65541);
    seam_resume_end(&b);

    assert_int_equal(seam_resume_begin(&b, 200001, sha, &err), SEAM_OK); /* another size */
    assert_int_equal(seam_resume_load(&b, path, &err), SEAM_EMISMATCH);
    assert_true(seam_resume_sum(&b) == 0);
    seam_resume_end(&b);
    sha[0] = 8; /* another version */
    assert_int_equal(seam_resume_begin(&b, 200000, sha, &err), SEAM_OK);
    assert_int_equal(seam_resume_load(&b, path, &err), SEAM_EMISMATCH);
    unlink(path);
    assert_int_equal(seam_resume_load(&b, path, &err), SEAM_ENOTFOUND);
    seam_resume_end(&b);
    seam_resume_end(&a);
}

static void a_damaged_count_is_refused(void **state)
{
    char path[] = "/tmp/seam-resume-XXXXXX";
    uint8_t sha[SEAM_SHA256_BYTES] = {7}, data[SEAM_RESUME_HEADER + 16];
    struct seam_resume r;
    (void)state;
    close(mkstemp(path));
    assert_int_equal(seam_resume_begin(&r, 200000, sha, NULL), SEAM_OK);
    assert_int_equal(seam_resume_create(&r, path, NULL), SEAM_OK);
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(data, 1, sizeof data, f), sizeof data);
    fclose(f);
    unlink(path);
    assert_int_equal(seam_resume_parse(&r, data, sizeof data, NULL), SEAM_OK);
    for (size_t n = 0; n < sizeof data; n++)
        assert_int_equal(seam_resume_parse(&r, data, n, NULL), SEAM_EFORMAT);
    for (size_t i = 0; i < SEAM_RESUME_HEADER; i++) {
        data[i] ^= 0x10;
        assert_int_equal(seam_resume_parse(&r, data, sizeof data, NULL), SEAM_EFORMAT);
        data[i] ^= 0x10;
    }
    data[SEAM_RESUME_HEADER + 2] = 2; /* piece 0: more than a piece has */
    assert_int_equal(seam_resume_parse(&r, data, sizeof data, NULL), SEAM_EFORMAT);
    assert_true(seam_resume_sum(&r) == 0);
    seam_resume_end(&r);
}

/* ---- sha256.h, follow.h ---- */

static void hash_of(const char *text, char hex[SEAM_SHA256_HEX])
{
    struct seam_sha256 h;
    uint8_t d[SEAM_SHA256_BYTES];
    seam_sha256_begin(&h);
    for (const char *p = text; *p; p++)
        seam_sha256_update(&h, p, 1);
    seam_sha256_end(&h, d);
    seam_sha256_format(d, hex);
}

static void hashes_are_those_of_the_standard(void **state)
{
    char hex[SEAM_SHA256_HEX];
    uint8_t d[SEAM_SHA256_BYTES];
    (void)state;
    hash_of("abc", hex); /* FIPS 180-4's own examples */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_true(seam_sha256_parse(d, hex));
    hex[63] = 'g';
    assert_false(seam_sha256_parse(d, hex));
    hex[63] = '\0';
    assert_false(seam_sha256_parse(d, hex));
}

static void a_follower_reads_what_is_final_and_no_more(void **state)
{
    char path[] = "/tmp/seam-follow-XXXXXX", hex[SEAM_SHA256_HEX];
    struct seam_err err = {0};
    seam_status st;
    int fd = mkstemp(path);
    (void)state;
    unlink(path);
    assert_int_equal(pwrite(fd, "aXX", 3, 0), 3);
    struct seam_follow f = {.fd = fd, .bytes = 3};
    assert_int_equal(seam_follow_start(&f, &err), SEAM_OK);
    seam_follow_advance(&f, 1);
    while (seam_follow_done(&f) < 1)
        usleep(1000);
    assert_int_equal(pwrite(fd, "bc", 2, 1), 2);
    assert_false(seam_follow_ended(&f, &st));
    seam_follow_advance(&f, 3);
    while (!seam_follow_ended(&f, &st))
        usleep(1000);
    assert_int_equal(st, SEAM_OK);
    assert_string_equal(seam_sha256_format(f.digest, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    seam_follow_stop(&f);

    f = (struct seam_follow){.fd = fd, .bytes = 9}; /* a file that is shorter than it should be */
    assert_int_equal(seam_follow_start(&f, &err), SEAM_OK);
    seam_follow_advance(&f, 9);
    while (!seam_follow_ended(&f, &st))
        usleep(1000);
    assert_int_equal(st, SEAM_EFORMAT);
    seam_follow_stop(&f);

    f = (struct seam_follow){.fd = fd, .bytes = 3}; /* stopped while it waits */
    assert_int_equal(seam_follow_start(&f, &err), SEAM_OK);
    seam_follow_stop(&f);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_of_one_name_are_one_model),
        cmocka_unit_test(what_is_asked_for_is_found_or_explained),
        cmocka_unit_test(a_listing_that_cannot_be_is_refused),
        cmocka_unit_test(a_file_listed_twice_or_of_one_name_is_refused),
        cmocka_unit_test(models_are_repositories_or_known),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(the_token_stays_with_the_endpoint),
        cmocka_unit_test(addresses_are_encoded),
        cmocka_unit_test(waiting_doubles_and_honours_the_server),
        cmocka_unit_test(pieces_cover_a_file_exactly),
        cmocka_unit_test(what_was_counted_comes_back),
        cmocka_unit_test(a_damaged_count_is_refused),
        cmocka_unit_test(hashes_are_those_of_the_standard),
        cmocka_unit_test(a_follower_reads_what_is_final_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
