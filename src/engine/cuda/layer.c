/* layer.c - the attention part of a layer. Formulas: graph_deepseek2.c, graph_gqa.c; what differs is the
 * order. Multi-head latent attention goes over groups of heads, each with all queries, so that only a
 * group's keys and values exist at a time:
 *
 *   rows of all tokens  ->  for each group of heads: K, V of all rows; for queries in large blocks:
 *                           Q, rope, attention, x += O W_o of these heads
 */
#include "engine/cuda/cuda.h"
#include "engine/cuda/extra.h"

static uint64_t row_bytes(const struct seam_accel *a)
{
    return a->kv_values * seam_real_bytes(a->kv_type);
}

static uint8_t *row_at(struct seam_accel *a, uint32_t pos)
{
    return a->rows[a->layer & 1] + pos * row_bytes(a);
}

static const float *turns_at(struct seam_accel *a, uint32_t pos)
{
    return a->turns + (uint64_t)(pos - a->n0) * a->hp->d_rope;
}

void seam_cuda_norm(struct seam_accel *a, const struct seam_accel_part *p, enum seam_role role,
                    void *to, float *x, uint32_t n, uint32_t width)
{
    seam_cuda_did(a,
                  seam_kernel_norm(to, NULL, x, SEAM_REAL_F32, width, NULL,
                                   seam_cuda_vector(p, role), a->hp->eps, n, width, a->main),
                  "norm");
}

/* The rotations of all new tokens, once a sweep: factors are the same in every layer. */
static void turn(struct seam_accel *a, const struct seam_accel_part *p)
{
    const struct seam_hparams *hp = a->hp;
    const struct seam_kernel_rope rope = {
        .n_rope = hp->d_rope,
        .n_ctx_orig = hp->n_ctx_orig,
        .base = hp->rope_base,
        .freq_scale = hp->rope_freq_scale,
        .ext_factor = hp->rope_ext_factor,
        .attn_factor = hp->rope_attn_factor,
        .beta_fast = hp->beta_fast,
        .beta_slow = hp->beta_slow,
    };
    if (a->turned)
        return;
    a->turned = true;
    seam_cuda_did(a,
                  seam_kernel_turns(a->turns, a->n0, a->n1 - a->n0, &rope,
                                    seam_cuda_vector(p, SEAM_ROLE_ROPE_FREQS), a->main),
                  "turn");
}

static bool has_state(const struct seam_accel *a)
{
    return seam_model_layer(a->model, a->layer)->memory == SEAM_MEMORY_DELTA;
}

/* Rows [n0, n1), or the state, are final: on their way to the host while `main` goes on. */
static void send_rows(struct seam_accel *a, uint8_t *rows)
{
    struct seam_cuda_rows *r = &a->sent[a->layer];
    const uint64_t at = has_state(a) ? 0 : a->n0 * row_bytes(a);
    const uint64_t bytes = has_state(a) ? a->state_bytes : (a->n1 - a->n0) * row_bytes(a);
    seam_cuda_did(a, cudaEventRecord(r->ready, a->main), "note rows");
    seam_cuda_did(a, cudaStreamWaitEvent(a->out, r->ready, 0), "wait for rows");
    seam_cuda_did(a,
                  cudaMemcpyAsync(rows + at, a->rows[a->layer & 1] + at, bytes,
                                  cudaMemcpyDeviceToHost, a->out),
                  "copy KV rows back");
    seam_cuda_did(a, cudaEventRecord(r->there, a->out), "note rows");
    r->sent = true;
}

/* The block of queries [pos, pos + n) in q, into o. */
static void attend(struct seam_accel *a, const void *k, const void *v, uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    struct seam_attention *plan = seam_cuda_ok(a) ? seam_cuda_plan(a, n, pos + n) : NULL;
    seam_cuda_stage(a, SEAM_STAGE_ATTEND);
    if (!plan)
        return;
    struct seam_err err = {0};
    if (seam_attention_run(plan, a->at.q, k, v, a->at.o, a->at.stats, a->dnn_workspace, &err) !=
        SEAM_OK)
        a->failed = err;
    double pairs = (double)n * pos + (double)n * (n + 1) / 2;
    a->work.flop[SEAM_STAGE_ATTEND] += 2 * pairs * plan->shape.n_head * (hp->d_head + hp->d_v);
}

/* ---- multi-head latent attention ---- */

struct mla {
    const void *q_a, *q_b, *kv_a, *k_b, *v_b, *kv_b, *out;
};

static struct mla unpack_mla(struct seam_accel *a, const struct seam_accel_part *p)
{
    uint8_t *at = a->weights;
    struct mla w;
    seam_cuda_stage(a, SEAM_STAGE_UNPACK);
    w.q_a = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_Q_A, &at);
    w.q_b = seam_cuda_matrix(a, p, w.q_a ? SEAM_ROLE_ATTN_Q_B : SEAM_ROLE_ATTN_Q, &at);
    w.kv_a = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_KV_A, &at);
    w.k_b = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_K_B, &at);
    w.v_b = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_V_B, &at);
    w.kv_b = w.k_b ? NULL : seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_KV_B, &at);
    w.out = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_OUT, &at);
    return w;
}

static uint32_t q_width(const struct seam_hparams *hp)
{
    return hp->q_lora ? hp->q_lora : hp->n_embd;
}

static uint16_t *q_in_at(struct seam_accel *a, uint32_t pos)
{
    return (uint16_t *)a->at.q_in + (uint64_t)(pos - a->n0) * q_width(a->hp);
}

/* KV rows of a block of tokens, and what its queries are made of. */
static void mla_project(struct seam_accel *a, const struct seam_accel_part *p, const struct mla *w,
                        uint32_t pos, uint32_t n, bool only_rows)
{
    const struct seam_hparams *hp = a->hp;
    void *h = hp->q_lora || only_rows ? a->at.h : (void *)q_in_at(a, pos);
    seam_cuda_norm(a, p, SEAM_ROLE_ATTN_NORM, h, seam_cuda_hidden(a, pos), n, hp->n_embd);
    struct seam_cuda_product m = {.out = a->at.wide,
                                  .out_type = SEAM_REAL_F32,
                                  .out_row = a->kv_values,
                                  .x = h,
                                  .x_row = hp->n_embd,
                                  .w = w->kv_a,
                                  .w_row = hp->n_embd,
                                  .rows = a->kv_values,
                                  .n = n,
                                  .k = hp->n_embd};
    seam_cuda_product(a, SEAM_STAGE_PROJECT, &m);
    seam_cuda_did(a,
                  seam_kernel_mla_rows(row_at(a, pos), a->kv_type, a->at.wide, SEAM_REAL_F32,
                                       a->kv_values, seam_cuda_vector(p, SEAM_ROLE_ATTN_KV_A_NORM),
                                       hp->eps, turns_at(a, pos), hp->rope_neox, n, hp->kv_lora,
                                       hp->d_rope, a->main),
                  "make KV rows");
    if (only_rows || !hp->q_lora)
        return;
    m.w = w->q_a;
    m.rows = hp->q_lora;
    m.out_row = hp->q_lora;
    seam_cuda_product(a, SEAM_STAGE_PROJECT, &m);
    seam_cuda_norm(a, p, SEAM_ROLE_ATTN_Q_A_NORM, q_in_at(a, pos), a->at.wide, n, hp->q_lora);
}

/* to [n1][heads][to_head] from the latents, by `rows` rows a head of a matrix w as files hold it: rows of
 * kv_lora values, or (turned) kv_lora rows. w_head: values from one head to the next. */
static void from_latents(struct seam_accel *a, uint16_t *to, uint32_t to_head, const uint16_t *w,
                         uint64_t w_head, uint32_t rows, bool turned)
{
    const struct seam_hparams *hp = a->hp;
    const float one = 1, zero = 0;
    if (!seam_cuda_ok(a))
        return;
    seam_cuda_blas(a,
                   cublasGemmStridedBatchedEx(a->blas[0], turned ? CUBLAS_OP_N : CUBLAS_OP_T,
                                              CUBLAS_OP_N, (int)rows, (int)a->n1, (int)hp->kv_lora,
                                              &one, w, CUDA_R_16BF,
                                              (int)(turned ? rows : hp->kv_lora), (long long)w_head,
                                              a->at.latent, CUDA_R_16BF, (int)hp->kv_lora, 0, &zero,
                                              to, CUDA_R_16BF, (int)(a->cut.heads * to_head),
                                              to_head, (int)a->cut.heads, CUBLAS_COMPUTE_32F,
                                              CUBLAS_GEMM_DEFAULT),
                   "expand latents");
    a->work.flop[SEAM_STAGE_EXPAND] += 2.0 * rows * a->cut.heads * a->n1 * hp->kv_lora;
}

/* Keys and values of heads [head, head + cut.heads) for all rows. */
static void mla_expand(struct seam_accel *a, const struct mla *w, uint32_t head)
{
    const struct seam_hparams *hp = a->hp;
    uint64_t joined = (uint64_t)(hp->d_nope + hp->d_v) * hp->kv_lora;
    uint64_t k_head = (uint64_t)hp->d_nope * hp->kv_lora, v_head = (uint64_t)hp->d_v * hp->kv_lora;
    seam_cuda_stage(a, SEAM_STAGE_EXPAND);
    if (w->k_b) {
        from_latents(a, a->at.k, hp->d_head, (const uint16_t *)w->k_b + head * k_head, k_head,
                     hp->d_nope, true);
        from_latents(a, a->at.v, hp->d_v, (const uint16_t *)w->v_b + head * v_head, v_head, hp->d_v,
                     false);
    } else {
        const uint16_t *kv = (const uint16_t *)w->kv_b + head * joined;
        from_latents(a, a->at.k, hp->d_head, kv, joined, hp->d_nope, false);
        from_latents(a, a->at.v, hp->d_v, kv + k_head, joined, hp->d_v, false);
    }
    seam_cuda_did(a,
                  seam_kernel_mla_keys(a->at.k, SEAM_REAL_BF16, NULL, 0, 0, row_at(a, 0),
                                       a->kv_type, a->n1, a->cut.heads, hp->d_nope, hp->kv_lora,
                                       hp->d_rope, a->main),
                  "expand keys");
}

/* x += attention of some heads over queries [pos, pos + n). */
static void mla_attend(struct seam_accel *a, const struct mla *w, uint32_t head, uint32_t pos,
                       uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const uint32_t heads = a->cut.heads, width = heads * hp->d_head, from = q_width(hp);
    const struct seam_cuda_product q = {.out = a->at.q,
                                        .out_row = width,
                                        .x = q_in_at(a, pos),
                                        .x_row = from,
                                        .w = (const uint16_t *)w->q_b +
                                             (uint64_t)head * hp->d_head * from,
                                        .w_row = from,
                                        .rows = width,
                                        .n = n,
                                        .k = from};
    seam_cuda_stage(a, SEAM_STAGE_PROJECT);
    seam_cuda_product(a, SEAM_STAGE_PROJECT, &q);
    const struct seam_kernel_heads turned = {.to = a->at.q,
                                             .from = a->at.q,
                                             .to_token = width,
                                             .to_head = hp->d_head,
                                             .from_token = width,
                                             .from_head = hp->d_head,
                                             .n = n,
                                             .heads = heads,
                                             .width = hp->d_head,
                                             .turns = turns_at(a, pos),
                                             .rope_first = hp->d_nope,
                                             .n_rope = hp->d_rope,
                                             .neox = hp->rope_neox};
    seam_cuda_did(a, seam_kernel_heads(&turned, a->main), "turn queries");
    attend(a, a->at.k, a->at.v, pos, n);
    const struct seam_cuda_product out = {.out = seam_cuda_hidden(a, pos),
                                          .out_type = SEAM_REAL_F32,
                                          .out_row = hp->n_embd,
                                          .x = a->at.o,
                                          .x_row = (uint64_t)heads * hp->d_v,
                                          .w = (const uint16_t *)w->out + (uint64_t)head * hp->d_v,
                                          .w_row = (uint64_t)hp->n_head * hp->d_v,
                                          .rows = hp->n_embd,
                                          .n = n,
                                          .k = heads * hp->d_v,
                                          .add = true};
    seam_cuda_stage(a, SEAM_STAGE_OUT);
    seam_cuda_product(a, SEAM_STAGE_OUT, &out);
}

static void mla(struct seam_accel *a, const struct seam_accel_part *p, uint8_t *rows,
                bool only_rows)
{
    const struct seam_hparams *hp = a->hp;
    const struct mla w = unpack_mla(a, p);
    seam_cuda_stage(a, SEAM_STAGE_PROJECT);
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_project, a->n1 - pos);
        mla_project(a, p, &w, pos, n, only_rows);
    }
    send_rows(a, rows);
    if (only_rows)
        return;
    seam_cuda_stage(a, SEAM_STAGE_EXPAND);
    seam_cuda_did(a,
                  seam_kernel_mla_latents(a->at.latent, SEAM_REAL_BF16, row_at(a, 0), a->kv_type,
                                          a->n1, hp->kv_lora, hp->d_rope, a->main),
                  "read KV rows");
    for (uint32_t head = 0; head < hp->n_head; head += a->cut.heads) {
        mla_expand(a, &w, head);
        for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
            n = seam_cuda_least(a->cut.n_query, a->n1 - pos);
            mla_attend(a, &w, head, pos, n);
        }
    }
}

/* ---- grouped-query attention: block by block, each with all heads ---- */

struct gqa {
    const void *q, *k, *v, *out;
};

/* Heads as a product left them (f32, from_head values from one to the next) -> normed, turned, to their
 * place. */
static void gqa_heads(struct seam_accel *a, const struct seam_accel_part *p, enum seam_role norm,
                      bool turned, void *to, enum seam_real to_type, uint64_t to_token,
                      const float *from, uint32_t from_head, uint32_t heads, uint32_t width,
                      uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const struct seam_kernel_heads h = {.to = to,
                                        .from = from,
                                        .to_type = to_type,
                                        .from_type = SEAM_REAL_F32,
                                        .to_token = to_token,
                                        .to_head = width,
                                        .from_token = (uint64_t)heads * from_head,
                                        .from_head = from_head,
                                        .n = n,
                                        .heads = heads,
                                        .width = width,
                                        .weight = turned ? seam_cuda_vector(p, norm) : NULL,
                                        .eps = hp->eps,
                                        .turns = turned ? turns_at(a, pos) : NULL,
                                        .n_rope = turned ? hp->d_rope : 0,
                                        .neox = hp->rope_neox};
    seam_cuda_did(a, seam_kernel_heads(&h, a->main), "norm and turn heads");
}

void seam_cuda_project(struct seam_accel *a, void *to, enum seam_real type, const void *x,
                       const void *w, uint32_t rows, uint32_t n)
{
    const uint32_t k = a->hp->n_embd;
    const struct seam_cuda_product m = {.out = to,
                                        .out_type = type,
                                        .out_row = rows,
                                        .x = x,
                                        .x_row = k,
                                        .w = w,
                                        .w_row = k,
                                        .rows = rows,
                                        .n = n,
                                        .k = k};
    seam_cuda_product(a, SEAM_STAGE_PROJECT, &m);
}

static void gqa_rows(struct seam_accel *a, const struct seam_accel_part *p, const struct gqa *w,
                     uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const uint32_t width_k = hp->n_head_kv * hp->d_head, width_v = hp->n_head_kv * hp->d_v;
    seam_cuda_norm(a, p, SEAM_ROLE_ATTN_NORM, a->at.h, seam_cuda_hidden(a, pos), n, hp->n_embd);
    seam_cuda_project(a, a->at.wide, SEAM_REAL_F32, a->at.h, w->k, width_k, n);
    gqa_heads(a, p, SEAM_ROLE_ATTN_K_NORM, true, row_at(a, pos), a->kv_type, a->kv_values,
              a->at.wide, hp->d_head, hp->n_head_kv, hp->d_head, pos, n);
    seam_cuda_project(a, a->at.wide, SEAM_REAL_F32, a->at.h, w->v, width_v, n);
    gqa_heads(a, p, SEAM_ROLE_ATTN_V, false, row_at(a, pos) + width_k * seam_real_bytes(a->kv_type),
              a->kv_type, a->kv_values, a->at.wide, hp->d_v, hp->n_head_kv, hp->d_v, pos, n);
}

/* Rows [from, to) as bf16, in the same layout. */
static void gqa_read_rows(struct seam_accel *a, uint32_t from, uint32_t to)
{
    seam_cuda_did(a,
                  seam_kernel_convert((uint16_t *)a->at.k + (uint64_t)from * a->kv_values,
                                      SEAM_REAL_BF16, row_at(a, from), a->kv_type,
                                      (uint64_t)(to - from) * a->kv_values, a->main),
                  "read KV rows");
}

static void gqa_block(struct seam_accel *a, const struct seam_accel_part *p, const struct gqa *w,
                      uint32_t pos, uint32_t n)
{
    const struct seam_hparams *hp = a->hp;
    const uint32_t width = hp->n_head * hp->d_head;
    const bool gated = hp->n_recurrent != 0; /* a head's query | its gate */
    const uint32_t head = gated ? 2 * hp->d_head : hp->d_head;
    gqa_read_rows(a, pos, pos + n);
    seam_cuda_project(a, a->at.wide, SEAM_REAL_F32, a->at.h, w->q, hp->n_head * head, n);
    gqa_heads(a, p, SEAM_ROLE_ATTN_Q_NORM, true, a->at.q, SEAM_REAL_BF16, width, a->at.wide, head,
              hp->n_head, hp->d_head, pos, n);
    if (gated)
        gqa_heads(a, p, SEAM_ROLE_ATTN_Q, false, a->at.gate, SEAM_REAL_BF16, width,
                  a->at.wide + hp->d_head, head, hp->n_head, hp->d_head, pos, n);
    attend(a, a->at.k, (uint16_t *)a->at.k + hp->n_head_kv * hp->d_head, pos, n);
    if (gated)
        seam_cuda_did(a,
                      seam_kernel_gate(a->at.o, a->at.gate, width, hp->d_head, n, hp->n_head,
                                       hp->d_head, a->main),
                      "gate heads");
    const uint32_t from = hp->n_head * hp->d_v;
    const struct seam_cuda_product out = {.out = seam_cuda_hidden(a, pos),
                                          .out_type = SEAM_REAL_F32,
                                          .out_row = hp->n_embd,
                                          .x = a->at.o,
                                          .x_row = from,
                                          .w = w->out,
                                          .w_row = from,
                                          .rows = hp->n_embd,
                                          .n = n,
                                          .k = from,
                                          .add = true};
    seam_cuda_stage(a, SEAM_STAGE_OUT);
    seam_cuda_product(a, SEAM_STAGE_OUT, &out);
}

static void gqa(struct seam_accel *a, const struct seam_accel_part *p, uint8_t *rows,
                bool only_rows)
{
    uint8_t *at = a->weights;
    seam_cuda_stage(a, SEAM_STAGE_UNPACK);
    const struct gqa w = {.q = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_Q, &at),
                          .k = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_K, &at),
                          .v = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_V, &at),
                          .out = seam_cuda_matrix(a, p, SEAM_ROLE_ATTN_OUT, &at)};
    seam_cuda_stage(a, SEAM_STAGE_PROJECT);
    if (!only_rows)
        gqa_read_rows(a, 0, a->n0);
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_query, a->n1 - pos);
        seam_cuda_stage(a, SEAM_STAGE_PROJECT);
        gqa_rows(a, p, &w, pos, n);
        if (!only_rows)
            gqa_block(a, p, &w, pos, n);
    }
    send_rows(a, rows);
}

/* ---- parts ---- */

seam_status seam_cuda_attention(struct seam_accel *a, const struct seam_accel_part *p, void *rows,
                                bool only_rows, struct seam_err *err)
{
    seam_cuda_part_begin(a, p);
    a->layer = p->layer;
    if (p->layer >= 2) /* these rows were that layer's */
        seam_cuda_did(a, cudaStreamWaitEvent(a->main, a->sent[p->layer - 2].there, 0),
                      "wait for rows");
    turn(a, p);
    const uint64_t before = has_state(a) ? a->state_bytes : a->n0 * row_bytes(a);
    if (before)
        seam_cuda_did(a,
                      cudaMemcpyAsync(row_at(a, 0), rows, before, cudaMemcpyHostToDevice, a->main),
                      "copy cached KV rows");
    if (a->hp->mla) {
        mla(a, p, rows, only_rows);
    } else if (has_state(a)) {
        seam_cuda_delta(a, p, (float *)(void *)row_at(a, 0), only_rows);
        send_rows(a, rows);
    } else {
        gqa(a, p, rows, only_rows);
    }
    return seam_cuda_part_end(a, p, err);
}

seam_status seam_cuda_embed(struct seam_accel *a, const struct seam_accel_part *p,
                            const int32_t *tokens, struct seam_err *err)
{
    const struct seam_accel_weight *w = &p->role[SEAM_ROLE_TOKEN_EMBD];
    const uint32_t n_embd = a->hp->n_embd;
    const uint64_t bytes = w->bytes / a->hp->n_vocab; /* of a row */
    seam_cuda_part_begin(a, p);
    seam_cuda_stage(a, SEAM_STAGE_EMBED);
    seam_cuda_did(a,
                  cudaMemcpyAsync(a->ids, tokens + a->n0, (a->n1 - a->n0) * sizeof *a->ids,
                                  cudaMemcpyHostToDevice, a->main),
                  "copy tokens");
    for (uint32_t pos = a->n0, n; pos < a->n1; pos += n) {
        n = seam_cuda_least(a->cut.n_project, a->n1 - pos);
        seam_cuda_did(a,
                      seam_kernel_pick(a->scratch, w->device, a->ids + (pos - a->n0), n, bytes,
                                       a->main),
                      "pick embeddings");
        seam_cuda_did(a,
                      seam_kernel_dequantize(seam_cuda_hidden(a, pos), SEAM_REAL_F32, a->scratch,
                                             w->type, (uint64_t)n * n_embd, a->grids, a->main),
                      "unpack embeddings");
    }
    return seam_cuda_part_end(a, p, err);
}
