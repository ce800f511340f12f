/* stats_test.c - medians and spreads (base/stats.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/stats.h"

static void expect(const double *v, size_t n, double median, double min, double max)
{
    struct seam_stats s = seam_stats_of(v, n);
    assert_int_equal(s.n, n);
    assert_true(s.median >= median && s.median <= median);
    assert_true(s.min >= min && s.min <= min);
    assert_true(s.max >= max && s.max <= max);
}

static void an_odd_number_has_one_in_the_middle(void **state)
{
    (void)state;
    expect((const double[]){9, 1, 5}, 3, 5, 1, 9);
    expect((const double[]){7}, 1, 7, 7, 7);
    expect((const double[]){1000, 2, 3, 2, 1}, 5, 2, 1,
           1000); /* an outlier moves the spread only */
}

static void an_even_number_has_two(void **state)
{
    (void)state;
    expect((const double[]){4, 1}, 2, 2.5, 1, 4);
    expect((const double[]){8, 2, 6, -4}, 4, 4, -4, 8);
}

static void nothing_is_zero_and_samples_stay(void **state)
{
    (void)state;
    double v[] = {3, 1, 2};
    expect(v, 0, 0, 0, 0);
    seam_stats_of(v, 3);
    assert_true(v[0] > 2.5 && v[1] < 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_odd_number_has_one_in_the_middle),
        cmocka_unit_test(an_even_number_has_two),
        cmocka_unit_test(nothing_is_zero_and_samples_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
