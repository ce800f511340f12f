/* message_fuzz.c - any bytes as the body of any message between nodes: decoded without a read past the
 * end or a leak, and what is taken for a piece of a handoff lies inside what was announced.
 * The first byte chooses the message. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/handoff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_TYPES 25u /* some numbers have no message */

static void piece(struct seam_wire_in *body)
{
    static uint32_t next[4];
    static const struct seam_handoff_layer layer[4] = {{2, 0}, {2, 0}, {4, 50}, {2, 0}};
    const struct seam_handoff h = {.m = {.pos0 = 8, .end = 64, .n_layer = 4, .row_bytes = 6},
                                   .layer = layer,
                                   .next = next,
                                   .open = true};
    struct seam_message_piece p;
    const void *rows;
    size_t bytes;
    for (int i = 0; i < 4; i++)
        next[i] = 8 + 9 * (uint32_t)i;
    if (seam_message_piece_get(body, &p, &rows, &bytes, NULL) != SEAM_OK ||
        seam_handoff_piece_check(&h, &p, bytes, NULL) != SEAM_OK)
        return;
    const bool state = p.layer == 2;
    const uint32_t first = state ? 0 : 8, end = state ? 50 : 64;
    if (p.layer >= 4 || p.pos < first || (uint64_t)p.pos + p.n > end ||
        bytes != (state ? 4u : 2u) * p.n) {
        fprintf(stderr, "message_fuzz: a piece outside its handoff\n");
        abort();
    }
}

static void echo(struct seam_wire_in *body, uint16_t type)
{
    struct seam_message_echo m;
    uint32_t filler;
    if (seam_message_echo_get(body, type, &m, &filler, NULL) != SEAM_OK)
        return;
    if (m.bytes > SEAM_PIECE_BYTES_MAX || filler + 4 != body->len) {
        fprintf(stderr, "message_fuzz: an echo of more than it may have\n");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union {
        struct seam_message_node_status node_status;
        struct seam_message_hello hello;
        struct seam_message_error error;
        struct seam_message_sweep sweep;
        struct seam_message_sweep_done sweep_done;
        struct seam_message_generate generate;
        struct seam_message_generate_done generate_done;
    } m; /* the largest ones: room for any */
    if (size == 0)
        return 0;
    uint16_t type = (uint16_t)(1 + data[0] % N_TYPES);
    struct seam_wire_in body = {.p = data + 1, .len = size - 1};
    if (!strcmp(seam_wire_type_name(type), "?"))
        return 0;
    if (type == SEAM_WIRE_KV_PIECE)
        piece(&body);
    else if (type == SEAM_WIRE_ECHO || type == SEAM_WIRE_ECHOED)
        echo(&body, type);
    else if (type == SEAM_WIRE_ERROR)
        (void)seam_message_error_get(&body, NULL);
    else if (seam_message_get(&body, type, &m, NULL) == SEAM_OK)
        seam_message_release(type, &m);
    return 0;
}
