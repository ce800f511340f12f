/* Inventories: the built-in cards, the desk, and files that must be refused with line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inventory.h"

static void desk(void **state)
{
    (void)state;
    struct seam_inventory *v;
    struct seam_err err = {0};
    if (seam_inventory_open(&v, SEAM_SOURCE_DIR "/examples/desk.yaml", &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(v->n_node, 4);
    assert_string_equal(v->link[0][1]->name, "tb5"); /* the switch is there too, but slower */
    assert_string_equal(v->link[2][3]->name, "cx7");
    assert_string_equal(v->link[3][0]->name, "10gbe");
    assert_true(v->node[0].machine.rate[SEAM_RATE_BANDWIDTH].v[SEAM_CASE_MID] == 819e9);
    seam_inventory_close(v);
}

/* Every number of a card says where it is from, and the cases are in order. */
static void sources(void **state)
{
    (void)state;
    struct seam_inventory *v;
    struct seam_err err = {0};
    if (seam_inventory_open(&v, NULL, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_true(v->n_machine >= 12);
    for (uint32_t i = 0; i < v->n_machine; i++)
        for (int r = 0; r < SEAM_RATE_COUNT; r++)
            if (v->machine[i].has[r] && !v->machine[i].rate[r].source)
                fail_msg("%s.%s has no source", v->machine[i].name,
                         seam_rate_row((enum seam_rate)r)->key);
    seam_inventory_close(v);
}

static void own_numbers_win(void **state)
{
    (void)state;
    static const char text[] =
        "cables:\n  - name: 10gbe\n    rate: {is: 8 Gb/s}\n    latency: {is: 1 ms}\n"
        "nodes:\n  - name: a\n    machine: dgx-spark\n    disk: {is: 9 / 10 / 11 GB/s}\n"
        "  - name: b\n    machine: dgx-spark\n"
        "links:\n  - between: [a, b]\n    cable: 10gbe\n";
    struct seam_inventory *v;
    struct seam_err err = {0};
    if (seam_inventory_read(&v, "text", text, sizeof text - 1, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    assert_true(v->link[0][1]->rate.v[SEAM_CASE_MID] == 1e9); /* 8 Gb/s */
    assert_true(v->node[0].machine.rate[SEAM_RATE_DISK].v[SEAM_CASE_BEST] == 11e9);
    assert_true(v->node[1].machine.rate[SEAM_RATE_DISK].v[SEAM_CASE_BEST] < 7e9);
    seam_inventory_close(v);
}

/* Each file ends with "# expect: LINE: part of the story". */
static void refused(void **state)
{
    (void)state;
    const char *folder = SEAM_SOURCE_DIR "/tests/data/inventories";
    DIR *d = opendir(folder);
    int n = 0, wrong = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[600], text[4096], *expect;
        struct seam_inventory *v;
        struct seam_err err = {0};
        if (!strstr(e->d_name, ".yaml"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        expect = strstr(text, "# expect: ");
        assert_non_null(expect);
        expect += strlen("# expect: ");
        expect[strcspn(expect, "\n")] = '\0';
        seam_status st = seam_inventory_open(&v, path, &err);
        n++;
        if (st == SEAM_OK || strncmp(err.text, path, strlen(path)) != 0 ||
            !strstr(err.text, expect)) {
            print_error("%s: expected '%s', got '%s'\n", e->d_name, expect, err.text);
            wrong++;
        }
        seam_inventory_close(st == SEAM_OK ? v : NULL);
    }
    closedir(d);
    assert_true(n >= 40);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(desk), cmocka_unit_test(sources),
                                       cmocka_unit_test(own_numbers_win),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
