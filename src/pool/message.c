#include "pool/message.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define TRACE_LAYER_BYTES ((size_t)13 * 8)
#define FIXED_BYTES       2048u /* more than the fixed fields of any message */

/* ---- parts that several messages share ---- */

static void put_tokens(struct seam_wire_out *o, const struct seam_token_list *t)
{
    seam_wire_put_u32(o, t->n);
    for (uint32_t i = 0; i < t->n; i++)
        seam_wire_put_u32(o, (uint32_t)t->ids[i]);
}

static void get_tokens(struct seam_wire_in *in, struct seam_token_list *t)
{
    t->ids = NULL;
    t->n = 0;
    uint32_t n = seam_wire_get_u32(in);
    if (in->bad || n > (in->len - in->at) / 4) {
        in->bad = true;
        return;
    }
    t->ids = malloc((n ? n : 1) * sizeof *t->ids);
    if (!t->ids) {
        in->bad = true;
        return;
    }
    for (; t->n < n; t->n++)
        t->ids[t->n] = (int32_t)seam_wire_get_u32(in);
}

static void put_span(struct seam_wire_out *o, const struct seam_span *s)
{
    seam_wire_put_u64(o, s->begin_ns);
    seam_wire_put_u64(o, s->end_ns);
    seam_wire_put_u64(o, s->busy_ns);
    seam_wire_put_u64(o, s->bytes);
}

static void get_span(struct seam_wire_in *in, struct seam_span *s)
{
    s->begin_ns = seam_wire_get_u64(in);
    s->end_ns = seam_wire_get_u64(in);
    s->busy_ns = seam_wire_get_u64(in);
    s->bytes = seam_wire_get_u64(in);
}

static void put_trace(struct seam_wire_out *o, const struct seam_trace *t)
{
    seam_wire_put_u64(o, t->begin_ns);
    seam_wire_put_u64(o, t->compute_end_ns);
    seam_wire_put_u64(o, t->end_ns);
    seam_wire_put_u64(o, t->weight_bytes_peak);
    seam_wire_put_u32(o, t->n_layer);
    for (uint32_t i = 0; i < t->n_layer; i++) {
        put_span(o, &t->layers[i].read);
        put_span(o, &t->layers[i].compute);
        put_span(o, &t->layers[i].send);
        seam_wire_put_u64(o, t->layers[i].wait_ns);
    }
}

static void get_trace(struct seam_wire_in *in, struct seam_trace *t)
{
    memset(t, 0, sizeof *t);
    t->begin_ns = seam_wire_get_u64(in);
    t->compute_end_ns = seam_wire_get_u64(in);
    t->end_ns = seam_wire_get_u64(in);
    t->weight_bytes_peak = seam_wire_get_u64(in);
    uint32_t n = seam_wire_get_u32(in);
    if (in->bad || n > (in->len - in->at) / TRACE_LAYER_BYTES) {
        in->bad = true;
        return;
    }
    t->layers = calloc(n ? n : 1, sizeof *t->layers);
    if (!t->layers) {
        in->bad = true;
        return;
    }
    for (; t->n_layer < n; t->n_layer++) {
        struct seam_trace_layer *row = &t->layers[t->n_layer];
        get_span(in, &row->read);
        get_span(in, &row->compute);
        get_span(in, &row->send);
        row->wait_ns = seam_wire_get_u64(in);
    }
}

/* ---- one pair per message ---- */

static void hello_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_hello *m = message;
    seam_wire_put_str(o, m->release);
    seam_wire_put_u8(o, m->role);
    seam_wire_put_str(o, m->name);
    seam_wire_put_bytes(o, m->model.bytes, sizeof m->model.bytes);
    seam_wire_put_str(o, m->model_name);
    seam_wire_put_str(o, m->kv_layout);
    seam_wire_put_u32(o, m->row_bytes);
    seam_wire_put_u32(o, m->n_layer);
    seam_wire_put_u32(o, m->n_ctx);
    seam_wire_put_u32(o, m->n_lanes);
}

static void hello_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_hello *m = message;
    seam_wire_get_str(in, m->release, sizeof m->release);
    m->role = seam_wire_get_u8(in);
    seam_wire_get_str(in, m->name, sizeof m->name);
    const void *model = seam_wire_get_bytes(in, sizeof m->model.bytes);
    if (model)
        memcpy(m->model.bytes, model, sizeof m->model.bytes);
    seam_wire_get_str(in, m->model_name, sizeof m->model_name);
    seam_wire_get_str(in, m->kv_layout, sizeof m->kv_layout);
    m->row_bytes = seam_wire_get_u32(in);
    m->n_layer = seam_wire_get_u32(in);
    m->n_ctx = seam_wire_get_u32(in);
    m->n_lanes = seam_wire_get_u32(in);
}

static void error_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_error *m = message;
    seam_wire_put_u16(o, m->status);
    seam_wire_put_str(o, m->text);
}

static void error_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_error *m = message;
    m->status = seam_wire_get_u16(in);
    seam_wire_get_str(in, m->text, sizeof m->text);
}

static void lane_open_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_lane_open *m = message;
    put_tokens(o, &m->tokens);
}

static void lane_open_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_lane_open *m = message;
    get_tokens(in, &m->tokens);
}

static void lane_open_release(void *message)
{
    struct seam_message_lane_open *m = message;
    free(m->tokens.ids);
}

static void lane_ready_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_lane_ready *m = message;
    seam_wire_put_u32(o, m->lane);
    seam_wire_put_u64(o, m->ticket);
    seam_wire_put_u32(o, m->n_cached);
}

static void lane_ready_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_lane_ready *m = message;
    m->lane = seam_wire_get_u32(in);
    m->ticket = seam_wire_get_u64(in);
    m->n_cached = seam_wire_get_u32(in);
}

static void sweep_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_sweep *m = message;
    seam_wire_put_u32(o, m->lane);
    seam_wire_put_u64(o, m->ticket);
    seam_wire_put_u32(o, m->pos0);
    seam_wire_put_str(o, m->addr);
    put_tokens(o, &m->tokens);
}

static void sweep_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_sweep *m = message;
    m->lane = seam_wire_get_u32(in);
    m->ticket = seam_wire_get_u64(in);
    m->pos0 = seam_wire_get_u32(in);
    seam_wire_get_str(in, m->addr, sizeof m->addr);
    get_tokens(in, &m->tokens);
}

static void sweep_release(void *message)
{
    struct seam_message_sweep *m = message;
    free(m->tokens.ids);
}

static void sweep_done_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_sweep_done *m = message;
    seam_wire_put_u64(o, m->queue_ns);
    seam_wire_put_u64(o, m->handoff_ns);
    seam_wire_put_u64(o, m->exposed_ns);
    put_trace(o, &m->trace);
}

static void sweep_done_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_sweep_done *m = message;
    m->queue_ns = seam_wire_get_u64(in);
    m->handoff_ns = seam_wire_get_u64(in);
    m->exposed_ns = seam_wire_get_u64(in);
    get_trace(in, &m->trace);
}

static void sweep_done_release(void *message)
{
    struct seam_message_sweep_done *m = message;
    free(m->trace.layers);
}

static void handoff_begin_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_handoff_begin *m = message;
    seam_wire_put_u32(o, m->lane);
    seam_wire_put_u64(o, m->ticket);
    seam_wire_put_u32(o, m->pos0);
    seam_wire_put_u32(o, m->end);
    seam_wire_put_u32(o, m->n_layer);
    seam_wire_put_u32(o, m->row_bytes);
    seam_wire_put_u64(o, m->tokens_digest);
}

static void handoff_begin_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_handoff_begin *m = message;
    m->lane = seam_wire_get_u32(in);
    m->ticket = seam_wire_get_u64(in);
    m->pos0 = seam_wire_get_u32(in);
    m->end = seam_wire_get_u32(in);
    m->n_layer = seam_wire_get_u32(in);
    m->row_bytes = seam_wire_get_u32(in);
    m->tokens_digest = seam_wire_get_u64(in);
}

static void piece_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_piece *m = message;
    seam_wire_put_u32(o, m->layer);
    seam_wire_put_u32(o, m->pos);
    seam_wire_put_u32(o, m->n);
}

static void piece_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_piece *m = message;
    m->layer = seam_wire_get_u32(in);
    m->pos = seam_wire_get_u32(in);
    m->n = seam_wire_get_u32(in);
}

static void commit_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_commit *m = message;
    seam_wire_put_u64(o, m->pieces);
    seam_wire_put_u64(o, m->digest);
}

static void commit_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_commit *m = message;
    m->pieces = seam_wire_get_u64(in);
    m->digest = seam_wire_get_u64(in);
}

static void ack_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_ack *m = message;
    seam_wire_put_u32(o, m->committed);
}

static void ack_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_ack *m = message;
    m->committed = seam_wire_get_u32(in);
}

static void generate_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_generate *m = message;
    const struct seam_sampling *s = &m->sampling;
    seam_wire_put_u32(o, m->lane);
    seam_wire_put_u64(o, m->ticket);
    seam_wire_put_u32(o, m->max_tokens);
    seam_wire_put_f32(o, s->temperature);
    seam_wire_put_u32(o, s->top_k);
    seam_wire_put_f32(o, s->top_p);
    seam_wire_put_f32(o, s->min_p);
    seam_wire_put_f32(o, s->repetition_penalty);
    seam_wire_put_f32(o, s->frequency_penalty);
    seam_wire_put_f32(o, s->presence_penalty);
    seam_wire_put_u32(o, s->penalty_window);
    seam_wire_put_u64(o, s->seed);
    put_tokens(o, &m->stop_ids);
}

static void generate_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_generate *m = message;
    struct seam_sampling *s = &m->sampling;
    m->lane = seam_wire_get_u32(in);
    m->ticket = seam_wire_get_u64(in);
    m->max_tokens = seam_wire_get_u32(in);
    s->temperature = seam_wire_get_f32(in);
    s->top_k = seam_wire_get_u32(in);
    s->top_p = seam_wire_get_f32(in);
    s->min_p = seam_wire_get_f32(in);
    s->repetition_penalty = seam_wire_get_f32(in);
    s->frequency_penalty = seam_wire_get_f32(in);
    s->presence_penalty = seam_wire_get_f32(in);
    s->penalty_window = seam_wire_get_u32(in);
    s->seed = seam_wire_get_u64(in);
    get_tokens(in, &m->stop_ids);
}

static void generate_release(void *message)
{
    struct seam_message_generate *m = message;
    free(m->stop_ids.ids);
}

static void token_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_token *m = message;
    seam_wire_put_u32(o, (uint32_t)m->id);
}

static void token_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_token *m = message;
    m->id = (int32_t)seam_wire_get_u32(in);
}

static void generate_done_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_generate_done *m = message;
    seam_wire_put_u8(o, m->finish);
    seam_wire_put_u32(o, (uint32_t)m->stop_id);
    seam_wire_put_u32(o, m->n_generated);
    seam_wire_put_u64(o, m->queue_ns);
    seam_wire_put_u64(o, m->decode_ns);
    put_trace(o, &m->trace);
}

static void generate_done_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_generate_done *m = message;
    m->finish = seam_wire_get_u8(in);
    m->stop_id = (int32_t)seam_wire_get_u32(in);
    m->n_generated = seam_wire_get_u32(in);
    m->queue_ns = seam_wire_get_u64(in);
    m->decode_ns = seam_wire_get_u64(in);
    get_trace(in, &m->trace);
}

static void generate_done_release(void *message)
{
    struct seam_message_generate_done *m = message;
    free(m->trace.layers);
}

static void pong_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_pong *m = message;
    seam_wire_put_u32(o, m->jobs);
}

static void pong_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_pong *m = message;
    m->jobs = seam_wire_get_u32(in);
}

static void progress_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_progress *m = message;
    seam_wire_put_u32(o, m->layer);
    seam_wire_put_u32(o, m->tokens);
}

static void progress_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_progress *m = message;
    m->layer = seam_wire_get_u32(in);
    m->tokens = seam_wire_get_u32(in);
}

static void status_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_status *m = message;
    seam_wire_put_u8(o, m->selftest);
}

static void status_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_status *m = message;
    m->selftest = seam_wire_get_u8(in);
}

static void node_status_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_node_status *m = message;
    const struct seam_facts *f = &m->facts;
    seam_wire_put_str(o, f->seam);
    seam_wire_put_str(o, f->ggml);
    seam_wire_put_str(o, f->backends);
    seam_wire_put_str(o, f->libfabric);
    seam_wire_put_str(o, f->driver);
    seam_wire_put_str(o, f->system);
    seam_wire_put_str(o, f->product);
    seam_wire_put_u8(o, f->nic_lanes);
    seam_wire_put_u64(o, f->memory_bytes);
    seam_wire_put_u64(o, f->memory_free);
    seam_wire_put_u8(o, f->has_wired_limit);
    seam_wire_put_u64(o, f->wired_bytes);
    seam_wire_put_u64(o, f->disk_free);
    seam_wire_put_u64(o, f->wall_ns);
    seam_wire_put_u64(o, m->memory_planned);
    seam_wire_put_str(o, m->wrong);
}

static void node_status_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_node_status *m = message;
    struct seam_facts *f = &m->facts;
    seam_wire_get_str(in, f->seam, sizeof f->seam);
    seam_wire_get_str(in, f->ggml, sizeof f->ggml);
    seam_wire_get_str(in, f->backends, sizeof f->backends);
    seam_wire_get_str(in, f->libfabric, sizeof f->libfabric);
    seam_wire_get_str(in, f->driver, sizeof f->driver);
    seam_wire_get_str(in, f->system, sizeof f->system);
    seam_wire_get_str(in, f->product, sizeof f->product);
    f->nic_lanes = seam_wire_get_u8(in);
    f->memory_bytes = seam_wire_get_u64(in);
    f->memory_free = seam_wire_get_u64(in);
    f->has_wired_limit = seam_wire_get_u8(in) != 0;
    f->wired_bytes = seam_wire_get_u64(in);
    f->disk_free = seam_wire_get_u64(in);
    f->wall_ns = seam_wire_get_u64(in);
    m->memory_planned = seam_wire_get_u64(in);
    seam_wire_get_str(in, m->wrong, sizeof m->wrong);
}

static void echo_put(struct seam_wire_out *o, const void *message)
{
    const struct seam_message_echo *m = message;
    seam_wire_put_u32(o, m->bytes);
}

static void echo_get(struct seam_wire_in *in, void *message)
{
    struct seam_message_echo *m = message;
    m->bytes = seam_wire_get_u32(in);
}

static void nothing_put(struct seam_wire_out *o, const void *message)
{
    (void)o;
    (void)message;
}

static void nothing_get(struct seam_wire_in *in, void *message)
{
    (void)in;
    (void)message;
}

/* ---- the table ---- */

static const struct row {
    size_t size; /* of the struct, zeroed before decoding */
    void (*put)(struct seam_wire_out *o, const void *message);
    void (*get)(struct seam_wire_in *in, void *message);
    void (*release)(void *message);
} rows[] = {
    [SEAM_WIRE_HELLO] = {sizeof(struct seam_message_hello), hello_put, hello_get, NULL},
    [SEAM_WIRE_ERROR] = {sizeof(struct seam_message_error), error_put, error_get, NULL},
    [SEAM_WIRE_LANE_OPEN] = {sizeof(struct seam_message_lane_open), lane_open_put, lane_open_get,
                             lane_open_release},
    [SEAM_WIRE_LANE_READY] = {sizeof(struct seam_message_lane_ready), lane_ready_put,
                              lane_ready_get, NULL},
    [SEAM_WIRE_SWEEP] = {sizeof(struct seam_message_sweep), sweep_put, sweep_get, sweep_release},
    [SEAM_WIRE_SWEEP_DONE] = {sizeof(struct seam_message_sweep_done), sweep_done_put,
                              sweep_done_get, sweep_done_release},
    [SEAM_WIRE_HANDOFF_BEGIN] = {sizeof(struct seam_message_handoff_begin), handoff_begin_put,
                                 handoff_begin_get, NULL},
    [SEAM_WIRE_HANDOFF_READY] = {0, nothing_put, nothing_get, NULL},
    [SEAM_WIRE_KV_PIECE] = {sizeof(struct seam_message_piece), piece_put, piece_get, NULL},
    [SEAM_WIRE_HANDOFF_COMMIT] = {sizeof(struct seam_message_commit), commit_put, commit_get, NULL},
    [SEAM_WIRE_HANDOFF_ACK] = {sizeof(struct seam_message_ack), ack_put, ack_get, NULL},
    [SEAM_WIRE_GENERATE] = {sizeof(struct seam_message_generate), generate_put, generate_get,
                            generate_release},
    [SEAM_WIRE_TOKEN] = {sizeof(struct seam_message_token), token_put, token_get, NULL},
    [SEAM_WIRE_GENERATE_DONE] = {sizeof(struct seam_message_generate_done), generate_done_put,
                                 generate_done_get, generate_done_release},
    [SEAM_WIRE_CANCEL] = {0, nothing_put, nothing_get, NULL},
    [SEAM_WIRE_PING] = {0, nothing_put, nothing_get, NULL},
    [SEAM_WIRE_PONG] = {sizeof(struct seam_message_pong), pong_put, pong_get, NULL},
    [SEAM_WIRE_PROGRESS] = {sizeof(struct seam_message_progress), progress_put, progress_get, NULL},
    [SEAM_WIRE_STATUS] = {sizeof(struct seam_message_status), status_put, status_get, NULL},
    [SEAM_WIRE_NODE_STATUS] = {sizeof(struct seam_message_node_status), node_status_put,
                               node_status_get, NULL},
    [SEAM_WIRE_ECHO] = {sizeof(struct seam_message_echo), echo_put, echo_get, NULL},
    [SEAM_WIRE_ECHOED] = {sizeof(struct seam_message_echo), echo_put, echo_get, NULL},
};

static const struct row *row_of(uint16_t type)
{
    return type < sizeof rows / sizeof *rows && rows[type].put ? &rows[type] : NULL;
}

/* Bytes that are surely enough; lists are the only large things. */
static size_t bound(uint16_t type, const void *message)
{
    switch (type) {
    case SEAM_WIRE_LANE_OPEN:
        return FIXED_BYTES + 4 * (size_t)((const struct seam_message_lane_open *)message)->tokens.n;
    case SEAM_WIRE_SWEEP:
        return FIXED_BYTES + 4 * (size_t)((const struct seam_message_sweep *)message)->tokens.n;
    case SEAM_WIRE_GENERATE:
        return FIXED_BYTES +
               4 * (size_t)((const struct seam_message_generate *)message)->stop_ids.n;
    case SEAM_WIRE_SWEEP_DONE:
        return FIXED_BYTES +
               TRACE_LAYER_BYTES *
                   (size_t)((const struct seam_message_sweep_done *)message)->trace.n_layer;
    case SEAM_WIRE_GENERATE_DONE:
        return FIXED_BYTES +
               TRACE_LAYER_BYTES *
                   (size_t)((const struct seam_message_generate_done *)message)->trace.n_layer;
    default: return FIXED_BYTES;
    }
}

seam_status seam_message_send(struct seam_link *l, uint16_t type, uint64_t request,
                              const void *message, uint64_t timeout_ns, struct seam_err *err)
{
    uint8_t small[FIXED_BYTES];
    size_t cap = bound(type, message);
    struct seam_wire_out o = {.p = small, .cap = cap};
    if (cap > SEAM_WIRE_BODY_MAX)
        return seam_fail(err, SEAM_ECONTEXT, "a %s message with that many tokens exceeds a frame",
                         seam_wire_type_name(type));
    if (cap > sizeof small && !(o.p = malloc(cap)))
        return seam_fail(err, SEAM_ENOMEM, "no memory for a %s message", seam_wire_type_name(type));
    row_of(type)->put(&o, message);
    seam_status st = o.overflow
                         ? seam_fail(err, SEAM_EINTERNAL, "a %s message outgrew its buffer",
                                     seam_wire_type_name(type))
                         : seam_wire_send(l, type, request, o.p, o.len, NULL, 0, timeout_ns, err);
    if (o.p != small)
        free(o.p);
    return st;
}

seam_status seam_message_get(struct seam_wire_in *body, uint16_t type, void *message,
                             struct seam_err *err)
{
    const struct row *row = row_of(type);
    if (row->size)
        memset(message, 0, row->size);
    row->get(body, message);
    seam_status st = seam_wire_end(body, type, err);
    if (st != SEAM_OK)
        seam_message_release(type, message);
    return st;
}

void seam_message_release(uint16_t type, void *message)
{
    const struct row *row = row_of(type);
    if (row->release)
        row->release(message);
}

seam_status seam_message_piece_send(struct seam_link *l, uint64_t request,
                                    const struct seam_message_piece *p, const void *rows_bytes,
                                    size_t bytes, uint64_t timeout_ns, struct seam_err *err)
{
    uint8_t fields[16];
    struct seam_wire_out o = {.p = fields, .cap = sizeof fields};
    piece_put(&o, p);
    return seam_wire_send(l, SEAM_WIRE_KV_PIECE, request, fields, o.len, rows_bytes, bytes,
                          timeout_ns, err);
}

seam_status seam_message_piece_get(struct seam_wire_in *body, struct seam_message_piece *p,
                                   const void **rows_bytes, size_t *bytes, struct seam_err *err)
{
    piece_get(body, p);
    *bytes = body->len - body->at;
    *rows_bytes = seam_wire_get_bytes(body, *bytes);
    return seam_wire_end(body, SEAM_WIRE_KV_PIECE, err);
}

seam_status seam_message_echo_send(struct seam_link *l, uint16_t type, uint64_t request,
                                   uint32_t bytes, uint32_t filler, uint64_t timeout_ns,
                                   struct seam_err *err)
{
    static const uint8_t nothing[SEAM_PIECE_BYTES_MAX];
    uint8_t fields[8];
    struct seam_wire_out o = {.p = fields, .cap = sizeof fields};
    echo_put(&o, &(struct seam_message_echo){bytes});
    return seam_wire_send(l, type, request, fields, o.len, nothing, filler, timeout_ns, err);
}

seam_status seam_message_echo_get(struct seam_wire_in *body, uint16_t type,
                                  struct seam_message_echo *m, uint32_t *filler,
                                  struct seam_err *err)
{
    echo_get(body, m);
    *filler = (uint32_t)(body->len - body->at);
    if (*filler > SEAM_PIECE_BYTES_MAX || m->bytes > SEAM_PIECE_BYTES_MAX)
        return seam_fail(err, SEAM_EPROTO, "%s of more than %u bytes", seam_wire_type_name(type),
                         SEAM_PIECE_BYTES_MAX);
    seam_wire_get_bytes(body, *filler);
    return seam_wire_end(body, type, err);
}

seam_status seam_message_error_send(struct seam_link *l, uint64_t request,
                                    const struct seam_err *story, uint64_t timeout_ns)
{
    struct seam_message_error m = {.status = (uint16_t)story->status};
    memcpy(m.text, story->text, sizeof m.text);
    return seam_message_send(l, SEAM_WIRE_ERROR, request, &m, timeout_ns, NULL);
}

seam_status seam_message_error_get(struct seam_wire_in *body, struct seam_err *err)
{
    struct seam_message_error m;
    seam_status st = seam_message_get(body, SEAM_WIRE_ERROR, &m, err);
    if (st != SEAM_OK)
        return st;
    if (m.status == SEAM_OK || m.status >= SEAM_STATUS_COUNT)
        return seam_fail(err, SEAM_EPROTO, "sent an error of unknown status %u: %s", m.status,
                         m.text);
    return seam_fail(err, (seam_status)m.status, "%s", m.text);
}

uint64_t seam_tokens_digest(const int32_t *ids, uint32_t n)
{
    uint64_t digest = n;
    for (uint32_t i = 0; i < n; i++) { /* little-endian by hand: both sides agree */
        uint32_t v = (uint32_t)ids[i];
        uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
        digest = XXH3_64bits_withSeed(b, sizeof b, digest);
    }
    return digest;
}
