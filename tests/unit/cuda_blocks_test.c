/* The GPU's dequantisation, compiled for the host: the bits of ggml's to_float for every block type that a
 * GGUF file may hold, over random blocks. Needs no GPU; tests/gpu runs the same text on one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ggml.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/cuda/blocks.h"
#include "engine/cuda/grids.h"
#include "model/catalog.h"

struct row {
    const char *name;
    uint32_t type, values, bytes;
    void (*decode)(const uint8_t *b, uint32_t part, const void *grid, float v[8]);
    const void *grid;
};

static struct seam_kernel_grids grids;
static const void *const none = NULL;

#define GRID_none    none
#define GRID_iq2_xxs grids.iq2_xxs
#define GRID_iq2_xs  grids.iq2_xs
#define GRID_iq2_s   grids.iq2_s
#define GRID_iq3_xxs grids.iq3_xxs
#define GRID_iq3_s   grids.iq3_s
#define GRID_iq1     grids.iq1
#define GRID_iq4     grids.iq4

static uint64_t state;

static uint8_t random_byte(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(state >> 56);
}

static int setup(void **unused)
{
    (void)unused;
    state = (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)state);
    return seam_kernel_grids_make(&grids) ? 0 : -1;
}

/* Every bit pattern is a block; those whose scales make no numbers are compared as such. */
static void check(const struct row *r)
{
    const struct ggml_type_traits *t = ggml_get_type_traits((enum ggml_type)r->type);
    const struct seam_type *known = seam_type_by_id(r->type);
    assert_non_null(known);
    assert_int_equal(r->values, known->block);
    assert_int_equal(r->bytes, known->block_bytes);
    for (int round = 0; round < 2000; round++) {
        uint8_t block[256];
        float want[256], got[256];
        for (uint32_t i = 0; i < r->bytes; i++)
            block[i] = random_byte();
        t->to_float(block, want, r->values);
        for (uint32_t part = 0; part < r->values / 8; part++)
            r->decode(block, part, r->grid, got + 8 * part);
        for (uint32_t i = 0; i < r->values; i++)
            if (memcmp(&want[i], &got[i], sizeof *want) && !(isnan(want[i]) && isnan(got[i])))
                fail_msg("%s: value %u is %.9g, ggml says %.9g", r->name, i, (double)got[i],
                         (double)want[i]);
    }
}

static void test_every_type(void **unused)
{
    (void)unused;
#define ROW(name, type, values, bytes, align, grid) \
    {#name, type, values, bytes, seam_block_##name, GRID_##grid},
    const struct row rows[] = {SEAM_BLOCKS(ROW)};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

/* No type of seam's own table is without a decoder: F32, F16 and BF16 are conversions. */
static void test_complete(void **unused)
{
    (void)unused;
#define TYPE(name, type, ...) type,
    const uint32_t types[] = {SEAM_BLOCKS(TYPE) 0, 1, 30};
    for (uint32_t id = 0; id < GGML_TYPE_COUNT; id++) {
        bool found = false;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            found = found || types[i] == id;
        assert_int_equal(found, seam_type_by_id(id) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_complete),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
