/* GGUF files, good and bad, whole and in splits. Every refusal is checked by its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gguf_build.h"
#include "model/catalog.h"

static struct seam_catalog *open_ok(struct gb *b)
{
    struct seam_catalog *c;
    struct seam_err err;
    size_t n;
    uint8_t *p = gb_finish(b, &n);
    if (seam_catalog_open_memory(&c, p, n, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    free(p);
    return c;
}

static void expect_bytes(const void *p, size_t n, seam_status want, const char *words)
{
    struct seam_catalog *c;
    struct seam_err err = {0};
    seam_status st = seam_catalog_open_memory(&c, p, n, &err);
    if (st == SEAM_OK)
        fail_msg("opened, though '%s' was expected", words);
    assert_null(c);
    if (st != want || !strstr(err.text, words))
        fail_msg("expected %s '%s', got %s '%s'", seam_status_name(want), words,
                 seam_status_name(st), err.text);
}

static void expect_bad(struct gb *b, seam_status want, const char *words)
{
    size_t n;
    uint8_t *p = gb_finish(b, &n);
    expect_bytes(p, n, want, words);
    free(p);
}

static void test_metadata(void **state)
{
    (void)state;
    struct gb b = {.version = 2};
    uint64_t u;
    double d;
    bool yes;
    struct seam_str s;
    gb_u16(&b, "a.u16", 65535);
    gb_i32(&b, "a.neg", -5);
    gb_f32(&b, "a.f32", 0.5f);
    gb_bool(&b, "a.bool", true);
    gb_str(&b, "a.str", "text");
    gb_array(&b, "a.strs", 8, 3);
    gb_text(&b.meta, "one", 3);
    gb_text(&b.meta, "", 0);
    gb_text(&b.meta, "three", 5);
    gb_array(&b, "a.ints", 5, 2);
    gb_le(&b.meta, 7, 4);
    gb_le(&b.meta, (uint32_t)-1, 4);
    gb_key(&b, "a.f64", 12);
    double pi = 3.25;
    memcpy(&u, &pi, 8);
    gb_le(&b.meta, u, 8);
    struct seam_catalog *c = open_ok(&b);
    assert_int_equal(seam_catalog_meta_count(c), 8);
    assert_true(seam_meta_u64(seam_catalog_meta(c, "a.u16"), &u) && u == 65535);
    assert_false(seam_meta_u64(seam_catalog_meta(c, "a.neg"), &u));
    assert_true(seam_meta_f64(seam_catalog_meta(c, "a.neg"), &d) && fabs(d + 5) < 1e-9);
    assert_true(seam_meta_f64(seam_catalog_meta(c, "a.f32"), &d) && fabs(d - 0.5) < 1e-9);
    assert_true(seam_meta_f64(seam_catalog_meta(c, "a.f64"), &d) && fabs(d - 3.25) < 1e-9);
    assert_false(seam_meta_u64(seam_catalog_meta(c, "a.f32"), &u));
    assert_true(seam_meta_bool(seam_catalog_meta(c, "a.bool"), &yes) && yes);
    assert_false(seam_meta_bool(seam_catalog_meta(c, "a.u16"), &yes));
    assert_true(seam_meta_str(seam_catalog_meta(c, "a.str"), &s) && s.len == 4);
    assert_memory_equal(s.p, "text", 4);
    const struct seam_meta *strs = seam_catalog_meta(c, "a.strs"),
                           *ints = seam_catalog_meta(c, "a.ints");
    assert_int_equal(seam_meta_len(strs), 3);
    assert_true(seam_meta_elem_str(strs, 2, &s) && s.len == 5);
    assert_memory_equal(s.p, "three", 5);
    assert_true(seam_meta_elem_str(strs, 1, &s) && s.len == 0);
    assert_false(seam_meta_elem_str(strs, 3, &s));
    assert_false(seam_meta_elem_str(ints, 0, &s));
    assert_true(seam_meta_elem_u64(ints, 0, &u) && u == 7);
    assert_false(seam_meta_elem_u64(ints, 1, &u));
    assert_true(seam_meta_elem_f64(ints, 1, &d) && fabs(d + 1) < 1e-9);
    assert_null(seam_catalog_meta(c, "a.none"));
    assert_false(seam_meta_u64(NULL, &u));
    seam_catalog_close(c);
}

static void test_tensors(void **state)
{
    (void)state;
    struct gb b = {.align = 64};
    const uint64_t q8[2] = {64, 3};
    gb_u32(&b, "general.alignment", 64);
    gb_f32_tensor(&b, "z", 2, 3, 5);
    gb_tensor_at(&b, "a", 8, 2, q8, b.data_bytes);
    b.data_bytes += 2 * 34 * 3;
    struct seam_catalog *c = open_ok(&b);
    const struct seam_tensor *z = seam_catalog_tensor(c, "z"), *a = seam_catalog_tensor(c, "a");
    assert_int_equal(z->n_bytes, 60);
    assert_int_equal(z->file_off % 64, 0);
    assert_int_equal(z->ne[2], 1);
    assert_int_equal(a->n_bytes, 204);
    assert_int_equal(a->file_off, z->file_off + 64);
    assert_string_equal(a->type->name, "Q8_0");
    assert_ptr_equal(seam_catalog_tensor_at(c, 0), z);
    assert_null(seam_catalog_tensor(c, "b"));
    assert_int_equal(seam_catalog_weight_bytes(c), 264);
    seam_catalog_close(c);
    assert_int_equal(seam_type_by_name("q4_k")->id, 12);
    assert_null(seam_type_by_name("Q4_0_8_8"));
    assert_null(seam_type_by_id(4));
}

static void test_not_gguf(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *words;
    } rows[] = {
        {"", "is empty"},
        {"<!DOCTYPE html><html>", "HTML page"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS pointer"},
        {"PK\x03\x04 archive", "zip or PyTorch"},
        {"lmgg old old old", "old GGML"},
        {"FUGG big endian ", "big-endian"},
        {"GG", "begins with 47 47"},
        {"Hello, this is no model", "begins with 48 65 6c 6c"},
        {"GGUF", "is truncated"},
        {"GGUF\x01\x01\x01\x01 and more of it", "GGUF version"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_bytes(rows[i].bytes, strlen(rows[i].bytes),
                     i == 9 ? SEAM_EUNSUPPORTED : SEAM_EFORMAT, rows[i].words);
    expect_bytes("GGUF\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, SEAM_EUNSUPPORTED,
                 "big-endian");
    expect_bytes("\0\0\0\0\0\0\0\0", 8, SEAM_EFORMAT, "begins with zeros");
    struct gb b = {.version = 1};
    expect_bad(&b, SEAM_EUNSUPPORTED, "GGUF version 1; Seam reads 2 and 3");
    b = (struct gb){.version = 4};
    expect_bad(&b, SEAM_EUNSUPPORTED, "GGUF version 4");
}

static void test_bad_header(void **state)
{
    (void)state;
    struct gb b = {.lie_meta = 1ull << 40};
    expect_bad(&b, SEAM_EFORMAT, "claims 1099511627776 keys");
    b = (struct gb){.lie_tensor = UINT64_MAX};
    expect_bad(&b, SEAM_EFORMAT, "claims 0 keys and 18446744073709551615 tensors");
    gb_key(&b, "k", 8);
    gb_le(&b.meta, UINT64_MAX, 8);
    expect_bad(&b, SEAM_EFORMAT, "is truncated");
    gb_array(&b, "k", 8, 1ull << 61);
    expect_bad(&b, SEAM_EFORMAT, "an array has more elements");
    gb_array(&b, "k", 9, 1);
    gb_le(&b.meta, 0, 8);
    expect_bad(&b, SEAM_EFORMAT, "an array of arrays");
    gb_array(&b, "k", 77, 0);
    expect_bad(&b, SEAM_EFORMAT, "an array of an unknown type");
    gb_key(&b, "k", 13);
    gb_le(&b.meta, 0, 8);
    expect_bad(&b, SEAM_EFORMAT, "unknown type");
    gb_u32(&b, "", 1);
    expect_bad(&b, SEAM_EFORMAT, "a name is empty");
    gb_u32(&b, "twice", 1);
    gb_u32(&b, "once", 1);
    gb_u32(&b, "twice", 2);
    expect_bad(&b, SEAM_EFORMAT, "the key twice occurs twice");
    for (uint32_t bad = 0; bad < 4; bad++) {
        static const uint32_t align[] = {0, 3, 48, 1u << 30};
        gb_u32(&b, "general.alignment", align[bad]);
        expect_bad(&b, SEAM_EFORMAT, "general.alignment is not a power of two");
    }
    gb_str(&b, "general.alignment", "32");
    expect_bad(&b, SEAM_EFORMAT, "general.alignment is not a power of two");
}

static void expect_tensor(uint32_t type, uint32_t n_dims, const uint64_t *ne, uint64_t off,
                          seam_status st, const char *words)
{
    struct gb b = {.data_bytes = 4096};
    gb_tensor_at(&b, "t", type, n_dims, ne, off);
    expect_bad(&b, st, words);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    const uint64_t one[8] = {32, 1, 1, 1, 1, 1, 1, 1}, zero[2] = {32, 0},
                   huge[2] = {1ull << 32, 1ull << 33},
                   big[4] = {1ull << 31, 1ull << 31, 1ull << 31, 2}, odd[1] = {33};
    expect_tensor(0, 0, one, 0, SEAM_EFORMAT, "tensor t: 0 dimensions");
    expect_tensor(0, 5, one, 0, SEAM_EFORMAT, "tensor t: 5 dimensions");
    expect_tensor(0, 2, zero, 0, SEAM_EFORMAT, "dimension 1 is 0");
    expect_tensor(0, 2, huge, 0, SEAM_EFORMAT, "absurd");
    expect_tensor(0, 4, big, 0, SEAM_EFORMAT, "absurd");
    expect_tensor(8, 1, odd, 0, SEAM_EFORMAT, "33 values per row, not a multiple of Q8_0's block");
    expect_tensor(4, 1, one, 0, SEAM_EUNSUPPORTED, "type 4 is not one that Seam reads");
    expect_tensor(1000, 1, one, 0, SEAM_EUNSUPPORTED, "type 1000");
    expect_tensor(0, 1, one, 8, SEAM_EFORMAT, "offset 8 is not aligned to 32");
    expect_tensor(0, 1, one, 4096, SEAM_EFORMAT, "is truncated: tensor t ends at ");
    expect_tensor(0, 1, one, UINT64_MAX - 31, SEAM_EFORMAT, "absurd offset");

    struct gb b = {.data_bytes = 4096};
    gb_tensor_at(&b, "a", 0, 1, one, 64);
    gb_tensor_at(&b, "b", 0, 1, one, 0);
    gb_tensor_at(&b, "c", 0, 1, one, 160);
    expect_bad(&b, SEAM_EFORMAT, "tensors b and a overlap");
    b = (struct gb){0};
    gb_f32_tensor(&b, "same", 1, 8);
    gb_f32_tensor(&b, "same", 1, 8);
    expect_bad(&b, SEAM_EFORMAT, "the tensor same occurs twice");
    b = (struct gb){0};
    gb_f32_tensor(&b, "evil\nname\x1b[31m", 1, 8);
    b.data_bytes = 0;
    size_t n;
    uint8_t *p = gb_finish(&b, &n);
    struct seam_catalog *c;
    struct seam_err err;
    assert_int_equal(seam_catalog_open_memory(&c, p, n, &err), SEAM_EFORMAT);
    assert_null(strchr(err.text, '\n'));
    assert_null(strchr(err.text, '\x1b'));
    free(p);
}

/* Every shorter file is refused, none crashes. */
static void test_every_truncation(void **state)
{
    (void)state;
    struct gb b = {0};
    struct gb_mla o = {.q_lora = 24, .n_dense = 1};
    gb_mla_keys(&b, &o);
    gb_tokenizer(&b, NULL, 0);
    gb_f32_tensor(&b, "t", 1, 8);
    size_t n;
    uint8_t *p = gb_finish(&b, &n);
    for (size_t k = 0; k < n; k++) {
        struct seam_catalog *c;
        struct seam_err err;
        void *copy = malloc(k + 1);
        memcpy(copy, p, k);
        seam_status st = seam_catalog_open_memory(&c, copy, k, &err);
        free(copy);
        assert_true(st == SEAM_EFORMAT);
    }
    free(p);
}

/* ---- splits ---- */

static char dir[64];
static char path_buf[200];

static const char *path(const char *name)
{
    snprintf(path_buf, sizeof path_buf, "%s/%s", dir, name);
    return path_buf;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/seam-catalog-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void split_keys(struct gb *b, unsigned no, unsigned count, int tensors)
{
    gb_u16(b, "split.no", no);
    gb_u16(b, "split.count", count);
    gb_i32(b, "split.tensors.count", tensors);
}

/* Three shards, the first without tensors, as unsloth publishes them. */
static void write_split(void)
{
    struct gb b = {0};
    gb_str(&b, "general.architecture", "deepseek2");
    gb_str(&b, "general.name", "Tiny");
    split_keys(&b, 0, 3, 3);
    gb_write(&b, path("m-00001-of-00003.gguf"));
    split_keys(&b, 1, 3, 3);
    gb_f32_tensor(&b, "b", 1, 8);
    gb_f32_tensor(&b, "a", 1, 16);
    gb_write(&b, path("m-00002-of-00003.gguf"));
    split_keys(&b, 2, 3, 3);
    gb_f32_tensor(&b, "c", 1, 8);
    gb_write(&b, path("m-00003-of-00003.gguf"));
}

static void expect_open_fails(const char *name, seam_status want, const char *words)
{
    struct seam_catalog *c;
    struct seam_err err = {0};
    seam_status st = seam_catalog_open(&c, path(name), &err);
    if (st == SEAM_OK)
        fail_msg("opened, though '%s' was expected", words);
    if (st != want || !strstr(err.text, words) || !strstr(err.text, dir))
        fail_msg("expected %s '%s' and the file's name, got %s '%s'", seam_status_name(want), words,
                 seam_status_name(st), err.text);
}

static void test_split(void **state)
{
    (void)state;
    static const char *const any[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf",
                                      "m-00003-of-00003.gguf"};
    write_split();
    for (int i = 0; i < 3; i++) {
        struct seam_catalog *c;
        struct seam_err err;
        if (seam_catalog_open(&c, path(any[i]), &err) != SEAM_OK)
            fail_msg("%s", err.text);
        assert_int_equal(seam_catalog_shard_count(c), 3);
        assert_int_equal(seam_catalog_tensor_count(c), 3);
        assert_int_equal(seam_catalog_tensor(c, "c")->shard, 2);
        assert_int_equal(seam_catalog_tensor(c, "a")->shard, 1);
        assert_non_null(strstr(seam_catalog_shard_path(c, 1), "m-00002-of-00003.gguf"));
        assert_non_null(seam_catalog_meta(c, "general.name"));
        seam_catalog_close(c);
    }
}

/* Twins: the same tensors in one file. Prose and packaging do not enter, data and keys do. */
static struct seam_fingerprint print_of(const char *file)
{
    struct seam_catalog *c;
    struct seam_err err;
    struct seam_fingerprint f = {0};
    if (seam_catalog_open(&c, file, &err) != SEAM_OK ||
        seam_catalog_fingerprint(c, &f, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    seam_catalog_close(c);
    return f;
}

static struct seam_fingerprint variant(const char *name, const char *pre, const char *tensor,
                                       unsigned ne, unsigned char flip)
{
    struct gb b = {0};
    gb_str(&b, "general.architecture", "deepseek2");
    gb_str(&b, "general.name", name);
    gb_str(&b, "tokenizer.ggml.pre", pre);
    gb_f32_tensor(&b, tensor, 1, ne);
    size_t n;
    uint8_t *p = gb_finish(&b, &n);
    p[n - ne * 4] = (uint8_t)(p[n - ne * 4] ^ flip);
    FILE *f = fopen(path("one.gguf"), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
    struct seam_catalog *c;
    struct seam_err err;
    struct seam_fingerprint from_memory, from_file = print_of(path("one.gguf"));
    assert_int_equal(seam_catalog_open_memory(&c, p, n, &err), SEAM_OK);
    assert_int_equal(seam_catalog_fingerprint(c, &from_memory, &err), SEAM_OK);
    assert_memory_equal(&from_file, &from_memory, sizeof from_file);
    seam_catalog_close(c);
    free(p);
    return from_file;
}

static void test_fingerprint(void **state)
{
    (void)state;
    struct seam_fingerprint a = variant("A", "kimi-k2", "t", 64, 0);
    const struct {
        struct seam_fingerprint f;
        bool same;
    } rows[] = {
        {variant("B", "kimi-k2", "t", 64, 0), true},  {variant("A", "other", "t", 64, 0), false},
        {variant("A", "kimi-k2", "u", 64, 0), false}, {variant("A", "kimi-k2", "t", 32, 0), false},
        {variant("A", "kimi-k2", "t", 64, 1), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(memcmp(&a, &rows[i].f, sizeof a) == 0, rows[i].same);
}

static void test_missing_shard(void **state)
{
    (void)state;
    write_split();
    unlink(path("m-00002-of-00003.gguf"));
    expect_open_fails(
        "m-00003-of-00003.gguf", SEAM_ENOTFOUND,
        "shard 2 of 3 is missing: m-00002-of-00003.gguf (fetch it into the same folder: `seam pull`)");
}

static void test_extra_shard(void **state)
{
    (void)state;
    struct gb b = {0};
    write_split();
    gb_write(&b, path("m-00004-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT,
                      "m-00004-of-00003.gguf, which is not one of 3 shards");
    unlink(path("m-00004-of-00003.gguf"));
    gb_write(&b, path("m-00001-of-00002.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT, "a shard of another split");
    unlink(path("m-00001-of-00002.gguf"));
    gb_write(&b, path("other-00001-of-00002.gguf")); /* another model is none of our business */
    struct seam_catalog *c;
    assert_int_equal(seam_catalog_open(&c, path("m-00001-of-00003.gguf"), NULL), SEAM_OK);
    seam_catalog_close(c);
}

static void test_shards_disagree(void **state)
{
    (void)state;
    struct gb b = {0};
    write_split();
    split_keys(&b, 1, 3, 3);
    gb_f32_tensor(&b, "d", 1, 8);
    gb_write(&b, path("m-00003-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT,
                      "by its name it is shard 3 of 3, by split.no and split.count it is 2 of 3");
    split_keys(&b, 2, 3, 3);
    gb_write(&b, path("m-00003-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT,
                      "the split has 3 tensors, the 3 shards hold 2");
    split_keys(&b, 2, 3, 3);
    gb_f32_tensor(&b, "a", 1, 8);
    gb_write(&b, path("m-00003-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT, "the tensor a occurs twice");
    split_keys(&b, 2, 3, 3);
    gb_str(&b, "general.architecture", "llama");
    gb_f32_tensor(&b, "c", 1, 8);
    gb_write(&b, path("m-00003-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT, "architecture llama");
    split_keys(&b, 0, 2, 3);
    gb_write(&b, path("m-00001-of-00003.gguf"));
    expect_open_fails("m-00001-of-00003.gguf", SEAM_EFORMAT, "split.count says 2");
    split_keys(&b, 0, 2, 3);
    gb_write(&b, path("plain.gguf"));
    expect_open_fails("plain.gguf", SEAM_EFORMAT, "siblings cannot be found");
    gb_write(&b, path("x-00003-of-00002.gguf"));
    expect_open_fails("x-00003-of-00002.gguf", SEAM_EFORMAT, "shard 3 of 2");
}

static void test_paths(void **state)
{
    (void)state;
    expect_open_fails("none.gguf", SEAM_ENOTFOUND, "No such file");
    expect_open_fails(".", SEAM_EFORMAT, "is a folder");
}

/* The published split and its merged twin, made by the reference tools. */
static void test_golden_split(void **state)
{
    (void)state;
    static const char whole[] = SEAM_SOURCE_DIR "/tests/golden/deepseek2-kimi.gguf",
                      split[] =
                          SEAM_SOURCE_DIR "/tests/golden/split/deepseek2-kimi-00001-of-00003.gguf";
    if (access(split, R_OK) != 0 || access(whole, R_OK) != 0) {
        print_message("skipped: %s is absent\n", split);
        skip();
    }
    struct seam_fingerprint a = print_of(whole), b = print_of(split);
    assert_memory_equal(&a, &b, sizeof a);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_not_gguf),
        cmocka_unit_test(test_bad_header),
        cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_every_truncation),
        IN_DIR(test_split),
        IN_DIR(test_fingerprint),
        IN_DIR(test_missing_shard),
        IN_DIR(test_extra_shard),
        IN_DIR(test_shards_disagree),
        IN_DIR(test_paths),
        cmocka_unit_test(test_golden_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
