/* hub_fuzz.c - any bytes as a hub's listing, or as the file that says which bytes of a download are there. What is
 * accepted holds what its readers rely on. The first byte chooses: even a listing, odd a resume file. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hub.h"
#include "hub/resume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "hub_fuzz: %s\n", what);
    abort();
}

static void listing(const char *json, size_t len)
{
    static const char *const whats[] = {NULL, "Q8_0", "*", "a/*.gguf", "UD-Q8_K_XL"};
    struct seam_hub_list l = {0};
    if (seam_hub_list_parse(&l, json, len, NULL) == SEAM_OK &&
        seam_hub_list_group(&l, NULL) == SEAM_OK) {
        size_t n = 0;
        for (size_t i = 0; i < l.n_set; i++) {
            must(l.set[i].first == n && l.set[i].n > 0, "sets do not cover the files");
            n += l.set[i].n;
        }
        must(n == l.n_file, "sets do not cover the files");
        for (size_t i = 0; i < l.n_file; i++)
            must(l.file[i].path[0] != '/' && !strstr(l.file[i].path, "/.") &&
                     !strchr(l.file[i].name, '/') && l.file[i].name[0] != '.' && l.file[i].name[0],
                 "a path leads out of the folder");
        bool *chosen = calloc(l.n_set + 1, sizeof *chosen);
        for (size_t i = 0; chosen && i < sizeof whats / sizeof *whats; i++)
            (void)seam_hub_select(&l, whats[i], chosen, NULL);
        free(chosen);
    }
    seam_hub_list_release(&l);
}

static void resume(const uint8_t *data, size_t len)
{
    static const uint8_t sha[SEAM_SHA256_BYTES] = {1, 2, 3};
    struct seam_resume r;
    if (seam_resume_begin(&r, 200000, sha, NULL) != SEAM_OK)
        return;
    if (seam_resume_parse(&r, data, len, NULL) != SEAM_OK)
        must(seam_resume_sum(&r) == 0, "a refused file left a count");
    for (uint32_t i = 0; i < r.n; i++)
        must(r.got[i] <= seam_resume_piece_len(&r, i), "a piece has more bytes than it can");
    seam_resume_end(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2)
        resume(data + 1, size - 1);
    else
        listing((const char *)data + 1, size - 1);
    return 0;
}
