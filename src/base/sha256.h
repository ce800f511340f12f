/* sha256.h - SHA-256 (FIPS 180-4) of bytes that come in pieces, by libsodium. Bounded memory, no failure.
 * Thread: one at a time for each struct. */
#ifndef SEAM_BASE_SHA256_H
#define SEAM_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAM_SHA256_BYTES 32u
#define SEAM_SHA256_HEX   65u /* with the NUL */

struct seam_sha256 {
    uint64_t opaque[16];
};

void seam_sha256_begin(struct seam_sha256 *h);
void seam_sha256_update(struct seam_sha256 *h, const void *p, size_t n);
void seam_sha256_end(struct seam_sha256 *h, uint8_t digest[SEAM_SHA256_BYTES]);

/* 64 digits of either case, and nothing after them. */
bool seam_sha256_parse(uint8_t digest[SEAM_SHA256_BYTES], const char *hex);
/* Lower case, into buf, which is returned. */
const char *seam_sha256_format(const uint8_t digest[SEAM_SHA256_BYTES], char buf[SEAM_SHA256_HEX]);

#endif
