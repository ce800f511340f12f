/* check_fuzz.c - any bytes as a lock file, and as a file of sums: refused with a story, or a thing that can be
 * asked. The first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/lock.h"
#include "check/sums.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "check_fuzz: %s\n", what);
        abort();
    }
}

static void differs(void *user, const char *field, const char *locked, const char *found)
{
    (void)user;
    check(strcmp(locked, found) != 0, field);
}

static void lock(const char *text, size_t len)
{
    static const struct seam_facts facts = {.seam = "0.1.0", .ggml = "0.27.0"};
    const struct seam_machine m = {"one", &facts};
    struct seam_lock *l;
    struct seam_err err = {0};
    seam_status st = seam_lock_read(&l, "lock", text, len, &err);
    check((st == SEAM_OK) == (l != NULL) && (l || err.text[0]), "a lock without a story");
    if (l)
        seam_lock_compare(l, &m, differs, NULL);
    seam_lock_close(l);
}

static void sums(const char *text, size_t len)
{
    struct seam_sums *s;
    struct seam_err err = {0};
    seam_status st = seam_sums_read(&s, "sums", text, len, &err);
    check((st == SEAM_OK) == (s != NULL) && (s || err.text[0]), "sums without a story");
    check(!s || seam_sums_count(s) > 0, "sums without a sum");
    if (s)
        seam_sums_find(s, "folder/a.gguf");
    seam_sums_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    (data[0] % 2 ? lock : sums)((const char *)data + 1, size - 1);
    return 0;
}
