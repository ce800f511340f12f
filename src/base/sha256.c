#include "base/sha256.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>
#include <string.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct seam_sha256),
               "room for the state");
_Static_assert(_Alignof(crypto_hash_sha256_state) <= _Alignof(struct seam_sha256), "alignment");

static crypto_hash_sha256_state *state(struct seam_sha256 *h)
{
    return (crypto_hash_sha256_state *)(void *)h->opaque;
}

void seam_sha256_begin(struct seam_sha256 *h)
{
    crypto_hash_sha256_init(state(h));
}

void seam_sha256_update(struct seam_sha256 *h, const void *p, size_t n)
{
    crypto_hash_sha256_update(state(h), p, n);
}

void seam_sha256_end(struct seam_sha256 *h, uint8_t digest[SEAM_SHA256_BYTES])
{
    crypto_hash_sha256_final(state(h), digest);
}

bool seam_sha256_parse(uint8_t digest[SEAM_SHA256_BYTES], const char *hex)
{
    size_t n = 0;
    return strlen(hex) == SEAM_SHA256_HEX - 1 &&
           sodium_hex2bin(digest, SEAM_SHA256_BYTES, hex, SEAM_SHA256_HEX - 1, NULL, &n, NULL) ==
               0 &&
           n == SEAM_SHA256_BYTES;
}

const char *seam_sha256_format(const uint8_t digest[SEAM_SHA256_BYTES], char buf[SEAM_SHA256_HEX])
{
    return sodium_bin2hex(buf, SEAM_SHA256_HEX, digest, SEAM_SHA256_BYTES);
}
