/* merge.c - the symbols of a piece as a list, the pairs that may merge as a heap. */
#include "model/merge.h"

#include <stdlib.h>
#include <string.h>

/* A piece's symbols as a list, and a heap of pairs that may merge. A pair in the heap is stale
 * when one of its symbols has merged meanwhile: it is dropped when it comes up. O(n log n). */
struct seam_merge_symbol {
    int32_t id;          /* -1: merged into its left neighbour */
    uint32_t off, len;   /* bytes of the piece */
    uint32_t prev, next; /* UINT32_MAX: none */
};

struct seam_merge_pair {
    uint32_t rank, left;
    int32_t left_id, right_id, merged;
};

static bool before(const struct seam_merge_pair *a, const struct seam_merge_pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_push(struct seam_merger *m, struct seam_merge_pair c)
{
    size_t i = m->n_heap++;
    while (i > 0 && before(&c, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = c;
}

static struct seam_merge_pair heap_pop(struct seam_merger *m)
{
    struct seam_merge_pair top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < m->n_heap) {
        if (child + 1 < m->n_heap && before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

static void offer(struct seam_merger *m, const char *piece, uint32_t left)
{
    if (left == UINT32_MAX || m->symbol[left].next == UINT32_MAX)
        return;
    const struct seam_merge_symbol *a = &m->symbol[left], *b = &m->symbol[a->next];
    struct seam_merge_pair c = {.left = left, .left_id = a->id, .right_id = b->id};
    if (seam_vocab_merge(m->v, a->id, b->id, piece + a->off, (size_t)a->len + b->len, &c.rank,
                         &c.merged))
        heap_push(m, c);
}

static void apply(struct seam_merger *m, const char *piece, const struct seam_merge_pair *c)
{
    struct seam_merge_symbol *a = &m->symbol[c->left];
    if (a->id != c->left_id || a->next == UINT32_MAX || m->symbol[a->next].id != c->right_id)
        return; /* stale */
    struct seam_merge_symbol *b = &m->symbol[a->next];
    a->id = c->merged;
    a->len += b->len;
    a->next = b->next;
    b->id = -1;
    if (a->next != UINT32_MAX)
        m->symbol[a->next].prev = c->left;
    offer(m, piece, a->prev);
    offer(m, piece, c->left);
}

static seam_status reserve(struct seam_merger *m, size_t n, struct seam_err *err)
{
    if (n <= m->cap)
        return SEAM_OK;
    size_t cap = n < 256 ? 256 : n;
    free(m->symbol);
    free(m->heap);
    m->cap = 0;
    m->symbol = malloc(cap * sizeof *m->symbol);
    m->heap = malloc(3 * cap * sizeof *m->heap);
    if (!m->symbol || !m->heap)
        return seam_fail(err, SEAM_ENOMEM, "no memory to tokenise a word of %zu bytes", n);
    m->cap = cap;
    return SEAM_OK;
}

seam_status seam_merge_piece(struct seam_merger *m, const char *piece, size_t len,
                             struct seam_tokens *out, struct seam_err *err)
{
    seam_status st = reserve(m, len, err);
    if (st != SEAM_OK)
        return st;
    uint32_t n = (uint32_t)len;
    for (uint32_t i = 0; i < n; i++)
        m->symbol[i] = (struct seam_merge_symbol){.id = m->v->byte_id[(unsigned char)piece[i]],
                                                  .off = i,
                                                  .len = 1,
                                                  .prev = i ? i - 1 : UINT32_MAX,
                                                  .next = i + 1 < n ? i + 1 : UINT32_MAX};
    m->n_heap = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
        offer(m, piece, i);
    while (m->n_heap > 0) {
        struct seam_merge_pair c = heap_pop(m);
        apply(m, piece, &c);
    }
    for (uint32_t i = 0; i != UINT32_MAX && st == SEAM_OK; i = m->symbol[i].next)
        st = seam_tokens_push(out, m->symbol[i].id, err);
    return st;
}

void seam_merger_release(struct seam_merger *m)
{
    free(m->symbol);
    free(m->heap);
    memset(m, 0, sizeof *m);
}
