#include "pool/handoff.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t seam_handoff_digest(uint64_t digest, const struct seam_message_piece *p, const void *rows,
                             size_t bytes)
{
    uint8_t place[12];
    const uint32_t v[] = {p->layer, p->pos, p->n};
    for (size_t i = 0; i < sizeof place; i++)
        place[i] = (uint8_t)(v[i / 4] >> (8 * (i % 4)));
    digest = XXH3_64bits_withSeed(place, sizeof place, digest);
    return XXH3_64bits_withSeed(rows, bytes, digest);
}

seam_status seam_handoff_begin(struct seam_handoff *h, const struct seam_message_handoff_begin *m,
                               const struct seam_message_hello *ours,
                               const struct seam_handoff_layer *layer, struct seam_err *err)
{
    uint32_t n_layer = ours->n_layer;
    if (h->open)
        return seam_fail(err, SEAM_EPROTO, "began a handoff inside another");
    if (m->n_layer != n_layer || m->row_bytes != ours->row_bytes)
        return seam_fail(err, SEAM_EMISMATCH,
                         "offers %u layers with rows of %u bytes, we hold %u with %u", m->n_layer,
                         m->row_bytes, n_layer, ours->row_bytes);
    if (m->pos0 >= m->end || m->end > ours->n_ctx)
        return seam_fail(err, SEAM_EPROTO, "offers tokens %u to %u of a context of %u", m->pos0,
                         m->end, ours->n_ctx);
    uint32_t *next = malloc(n_layer * sizeof *next);
    if (!next)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a handoff of %u layers", n_layer);
    for (uint32_t i = 0; i < n_layer; i++)
        next[i] = layer[i].state_units ? 0 : m->pos0;
    *h = (struct seam_handoff){.m = *m, .layer = layer, .next = next, .open = true};
    return SEAM_OK;
}

/* The layer's units that are handed over: [first, end). */
static uint32_t first_unit(const struct seam_handoff *h, uint32_t layer)
{
    return h->layer[layer].state_units ? 0 : h->m.pos0;
}

static uint32_t end_unit(const struct seam_handoff *h, uint32_t layer)
{
    return h->layer[layer].state_units ? h->layer[layer].state_units : h->m.end;
}

bool seam_handoff_layer_done(const struct seam_handoff *h, uint32_t layer)
{
    return h->next[layer] == end_unit(h, layer);
}

seam_status seam_handoff_piece_check(const struct seam_handoff *h,
                                     const struct seam_message_piece *p, size_t bytes,
                                     struct seam_err *err)
{
    if (!h->open)
        return seam_fail(err, SEAM_EPROTO, "sent a piece outside a handoff");
    if (p->layer >= h->m.n_layer)
        return seam_fail(err, SEAM_EPROTO, "sent layer %u, announced were %u layers", p->layer,
                         h->m.n_layer);
    uint32_t first = first_unit(h, p->layer), end = end_unit(h, p->layer);
    if (p->n == 0 || p->pos < first || p->pos > end || p->n > end - p->pos)
        return seam_fail(err, SEAM_EPROTO, "sent layer %u %u+%u, announced were %u..%u", p->layer,
                         p->pos, p->n, first, end);
    uint32_t unit = h->layer[p->layer].unit_bytes;
    if (bytes != (uint64_t)p->n * unit || bytes > SEAM_PIECE_BYTES_MAX)
        return seam_fail(err, SEAM_EPROTO, "sent %zu bytes for %u units of %u", bytes, p->n, unit);
    if (p->pos != h->next[p->layer])
        return seam_fail(err, SEAM_EPROTO, "layer %u: a piece at %u, expected was %u", p->layer,
                         p->pos, h->next[p->layer]);
    return SEAM_OK;
}

void seam_handoff_piece_note(struct seam_handoff *h, const struct seam_message_piece *p,
                             const void *stored, size_t bytes)
{
    h->next[p->layer] += p->n;
    h->pieces++;
    h->digest = seam_handoff_digest(h->digest, p, stored, bytes);
}

seam_status seam_handoff_commit(const struct seam_handoff *h, const struct seam_message_commit *m,
                                struct seam_err *err)
{
    if (!h->open)
        return seam_fail(err, SEAM_EPROTO, "committed outside a handoff");
    for (uint32_t i = 0; i < h->m.n_layer; i++)
        if (!seam_handoff_layer_done(h, i))
            return seam_fail(err, SEAM_EPROTO,
                             "committed, but layer %u ends at %u of %u: pieces were lost", i,
                             h->next[i], end_unit(h, i));
    if (h->pieces != m->pieces)
        return seam_fail(err, SEAM_EPROTO, "committed %llu pieces, %llu arrived",
                         (unsigned long long)m->pieces, (unsigned long long)h->pieces);
    if (h->digest != m->digest)
        return seam_fail(err, SEAM_EPROTO,
                         "the digest over %llu pieces differs: rows were changed on the way",
                         (unsigned long long)h->pieces);
    return SEAM_OK;
}

void seam_handoff_end(struct seam_handoff *h)
{
    free(h->next);
    h->next = NULL;
    h->open = false;
}
