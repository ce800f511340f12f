/* selftest_test.c - the devices of this machine pass (engine/selftest.h), and a spoiled input does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/selftest.h"

static void the_golden_model_passes(void **state)
{
    (void)state;
    struct seam_err err = {0};
    double error = 1;
    if (seam_selftest_golden("cpu", false, &error, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    print_message("golden: %.2g of the largest logit\n", error);
    assert_true(error > 0 && error < 1e-3); /* exactly 0 would mean that nothing was compared */
}

static void a_spoiled_model_does_not(void **state)
{
    (void)state;
    struct seam_err err = {0};
    double error = 0;
    assert_int_equal(seam_selftest_golden("cpu", true, &error, &err), SEAM_EIO);
    assert_true(error > 1e-2);
    assert_non_null(strstr(err.text, "logits are wrong"));
}

static void every_device_multiplies(void **state)
{
    (void)state;
    struct seam_device_info dev[16];
    size_t n = seam_device_list(dev, 16);
    uint32_t most = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n && i < 16; i++) {
        struct seam_err err = {0};
        uint32_t types = 0;
        if (seam_selftest_device(i, false, &types, &err) != SEAM_OK)
            fail_msg("%s %s", dev[i].name, err.text);
        print_message("%s (%s): %u types\n", dev[i].name, dev[i].about, types);
        most = types > most ? types : most;
    }
    assert_true(most >= 10);
}

static void a_spoiled_product_is_noticed(void **state)
{
    (void)state;
    struct seam_device_info dev[16];
    size_t n = seam_device_list(dev, 16), noticed = 0;
    for (size_t i = 0; i < n && i < 16; i++) {
        struct seam_err err = {0};
        uint32_t types;
        if (seam_selftest_device(i, true, &types, &err) != SEAM_OK) {
            assert_non_null(strstr(err.text, "wrongly"));
            noticed++;
        }
    }
    assert_true(noticed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_model_passes),
        cmocka_unit_test(a_spoiled_model_does_not),
        cmocka_unit_test(every_device_multiplies),
        cmocka_unit_test(a_spoiled_product_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
