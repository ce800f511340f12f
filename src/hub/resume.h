/* resume.h - which bytes of NAME.part are there, in NAME.resume. Private to src/hub, and to tests.
 *
 *   "seampull" | u32 version 1 | u32 piece bytes | u64 file bytes | SHA-256 | u32 pieces | u32 XXH32 of the 60 before
 *   u32 for each piece: how many of its bytes, from its beginning, are in NAME.part          (all little-endian)
 *
 * Written after the bytes it counts, so a killed process loses at most what it had not counted yet; after
 * a power cut the two may disagree, which the SHA-256 of the whole file finds. */
#ifndef SEAM_HUB_RESUME_H
#define SEAM_HUB_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

#define SEAM_RESUME_HEADER 64u

struct seam_resume {
    uint64_t file_bytes;
    uint32_t piece_bytes, n;
    uint8_t sha256[SEAM_SHA256_BYTES];
    uint32_t *got; /* n; owned */
    int fd;        /* -1: in memory only */
};

/* The plan of a file: about 1,024 pieces, of 64 KiB to 64 MiB. Nothing there yet. SEAM_ENOMEM. */
seam_status seam_resume_begin(struct seam_resume *r, uint64_t file_bytes,
                              const uint8_t sha256[SEAM_SHA256_BYTES], struct seam_err *err);
void seam_resume_end(struct seam_resume *r); /* closes and frees; leaves the file */

uint64_t seam_resume_piece_off(const struct seam_resume *r, uint32_t i);
uint32_t seam_resume_piece_len(const struct seam_resume *r, uint32_t i);
uint64_t seam_resume_sum(const struct seam_resume *r);

/* Take over what a file says. SEAM_EFORMAT: damaged. SEAM_EMISMATCH: of another file or another plan. Then *r is
 * as it was. */
seam_status seam_resume_parse(struct seam_resume *r, const void *data, size_t len,
                              struct seam_err *err);
/* Look into the file at path, if there is one (else SEAM_ENOTFOUND), without keeping it open. */
seam_status seam_resume_load(struct seam_resume *r, const char *path, struct seam_err *err);
/* Write all of *r to path and keep it open for notes. SEAM_EFULL, SEAM_EIO. */
seam_status seam_resume_create(struct seam_resume *r, const char *path, struct seam_err *err);
/* got[i] has changed. */
seam_status seam_resume_note(const struct seam_resume *r, uint32_t i, struct seam_err *err);

/* SEAM_EFULL or SEAM_EIO, by errno, of a failed write. */
seam_status seam_write_fail(int error, const char *what, struct seam_err *err);

#endif
