/* files.c - checks of the model's files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os/os.h"
#include "base/size.h"
#include "check/internal.h"
#include "engine/limits.h"
#include "model/chat.h"

#define DISK_BYTES ((uint64_t)256 << 20) /* read for a rate: under a second on any NVMe */
#define SWEEP_S    600                   /* one pass over streamed weights that is bearable */
#define CHUNK      ((size_t)4 << 20)

/* The catalogue's refusals: what a file lacks is for `files`, what Seam lacks is for `types`. */
void seam_check_files(struct seam_check *c)
{
    const struct seam_err *e = &c->catalog_err;
    char size[32];
    if (c->catalog) {
        uint64_t bytes = 0;
        uint32_t n = seam_catalog_shard_count(c->catalog);
        for (uint32_t i = 0; i < n; i++)
            bytes += seam_catalog_shard_bytes(c->catalog, i);
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%u file%s, %s, with all bytes that they promise", n,
                       n == 1 ? "" : "s", seam_size_format(bytes, size, sizeof size));
        return;
    }
    if (e->status == SEAM_EUNSUPPORTED) {
        seam_check_say(c, SEAM_CHECK_SKIPPED, NULL, "they hold what this release cannot read");
        return;
    }
    seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", e->text);
    if (e->status == SEAM_EIO)
        seam_check_mend(c, "ls -l %s; then chmod, chown, or look at the disk (dmesg | tail)",
                        c->o->model);
}

void seam_check_types(struct seam_check *c)
{
    if (c->catalog)
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%zu tensors of known types",
                       seam_catalog_tensor_count(c->catalog));
    else if (c->catalog_err.status == SEAM_EUNSUPPORTED)
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", c->catalog_err.text);
    else
        seam_check_say(c, SEAM_CHECK_SKIPPED, NULL, "the model's files cannot be opened");
}

void seam_check_architecture(struct seam_check *c)
{
    if (c->model)
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%s, %u layers", seam_model_arch(c->model),
                       seam_model_hparams(c->model)->n_layer);
    else
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", c->model_err.text);
}

void seam_check_chat(struct seam_check *c)
{
    struct seam_tokenizer *t = NULL;
    const struct seam_chat_format *f;
    struct seam_err found = {0};
    seam_status st = seam_tokenizer_open(&t, c->catalog, &found);
    if (st != SEAM_OK) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", found.text);
        seam_check_mend(c, "take a file whose tokenizer is supported (seam inspect %s)",
                        c->o->model);
        return;
    }
    if (seam_chat_format_find(&f, t, &found) == SEAM_OK)
        seam_check_say(c, SEAM_CHECK_OK, NULL, "chats are written as %s", seam_chat_format_name(f));
    else
        seam_check_say(c, SEAM_CHECK_WARN, NULL, "%s", found.text);
    seam_tokenizer_close(t);
}

/* ---- sums ---- */

static seam_status hash_file(const char *path, uint64_t bytes, uint8_t digest[SEAM_SHA256_BYTES],
                             struct seam_err *err)
{
    struct seam_sha256 h;
    uint8_t *buf = seam_os_pages_alloc(CHUNK);
    int fd;
    bool direct;
    if (!buf)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory to read it", path);
    seam_status st = seam_os_open_direct(path, &fd, &direct, err);
    seam_sha256_begin(&h);
    for (uint64_t at = 0; st == SEAM_OK && at < bytes; at += CHUNK) {
        size_t need = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        st = seam_os_pread_some(fd, buf, CHUNK, need, at, err);
        if (st == SEAM_OK)
            seam_sha256_update(&h, buf, need);
        else
            seam_wrap(err, st, "%s", path);
    }
    seam_sha256_end(&h, digest);
    if (fd >= 0)
        close(fd);
    seam_os_pages_free(buf, CHUNK);
    return st;
}

/* The sum of one file: from --sums, or from NAME.sha256 beside it, where `seam pull` leaves it. False: said why
 * there is none. */
static bool expected(struct seam_check *c, const char *path, uint8_t digest[SEAM_SHA256_BYTES])
{
    char beside[4096];
    struct seam_sums *own = NULL;
    struct seam_err why = {0};
    const struct seam_sums *from = c->sums;
    if (!from) {
        snprintf(beside, sizeof beside, "%s.sha256", path);
        if (seam_sums_open(&own, beside, &why) == SEAM_OK)
            from = own;
    }
    const uint8_t *sum = from ? seam_sums_find(from, path) : NULL;
    if (sum)
        memcpy(digest, sum, SEAM_SHA256_BYTES);
    else
        seam_check_say(c, SEAM_CHECK_WARN, NULL, "%s: no sum to compare with%s%s", path,
                       why.text[0] ? ": " : "", why.text);
    if (!sum)
        seam_check_mend(c,
                        "take the publisher's list, as of sha256sum: seam check -m %s --sums FILE",
                        c->o->model);
    seam_sums_close(own);
    return sum != NULL;
}

static void sum_of(struct seam_check *c, uint32_t shard)
{
    const char *path = seam_catalog_shard_path(c->catalog, shard);
    uint8_t want[SEAM_SHA256_BYTES], got[SEAM_SHA256_BYTES];
    char a[SEAM_SHA256_HEX], b[SEAM_SHA256_HEX];
    struct seam_err found = {0};
    if (!expected(c, path, want))
        return;
    if (hash_file(path, seam_catalog_shard_bytes(c->catalog, shard), got, &found) != SEAM_OK) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s", found.text);
        seam_check_mend(c, "look at the disk (dmesg | tail); then fetch the file again");
    } else if (memcmp(want, got, sizeof got) != 0) {
        seam_check_say(c, SEAM_CHECK_FAIL, NULL, "%s: SHA-256 is %.12s..., not %.12s...", path,
                       seam_sha256_format(got, a), seam_sha256_format(want, b));
        seam_check_mend(c, "rm %s; then fetch it again", path);
    } else {
        seam_debug("%s has its sum", path);
    }
}

void seam_check_sums(struct seam_check *c)
{
    uint32_t n = seam_catalog_shard_count(c->catalog);
    if (!c->o->hash && !c->sums) {
        seam_check_say(c, SEAM_CHECK_SKIPPED, NULL,
                       "takes as long as reading the files: ask by --sums FILE or --hash");
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        sum_of(c, i);
    if (!c->said)
        seam_check_say(c, SEAM_CHECK_OK, NULL, "%u file%s with the right SHA-256", n,
                       n == 1 ? "" : "s");
}

void seam_check_speed(struct seam_check *c)
{
    double rate = 0, all = (double)seam_catalog_weight_bytes(c->catalog);
    bool direct = false;
    struct seam_err found = {0};
    if (seam_limit_disk(c->model, 0, DISK_BYTES, &rate, &direct, &found) != SEAM_OK) {
        seam_check_say(c, found.status == SEAM_EINVAL ? SEAM_CHECK_SKIPPED : SEAM_CHECK_FAIL, NULL,
                       "%s", found.text);
        return;
    }
    bool slow = c->memory.streamed && all / rate > SWEEP_S;
    seam_check_say(c, slow ? SEAM_CHECK_WARN : SEAM_CHECK_OK, NULL,
                   "%.2f GB/s%s; all weights once: %.3g s", rate / 1e9,
                   direct ? "" : " (through the page cache: no rate of a disk)", all / rate);
}
