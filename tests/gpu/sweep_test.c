/* sweep_test.c - the CUDA sweep against the CPU's, on a GPU.
 *
 *   gpu_sweep_test [-t THREADS] [-n TOKENS] [-k STREAM_BYTES] [-e EXACT] MODEL...
 *     Random tokens. KV rows after one whole layer: relative error at most 1e-2 (norm of the difference over
 *     the norm, the worst hundredth of the tokens set aside); then the same in two parts, the second on the
 *     rows of the first. One step on the CPU from either's rows is told. EXACT: the CPU sweeps this file
 *     instead, the same weights in F32, for which it rounds no activations; what it makes of MODEL is told.
 *   gpu_sweep_test [-t THREADS] -p PROMPTS MODEL
 *     Prompts (each ends with \x1f, a text that the answer should hold, \x1e) swept by either, decoded by the
 *     CPU, greedy: at least 95 % give the same tokens, every other differs at a near-tie, the mean
 *     Kullback-Leibler divergence of the steps is at most 1e-3, and CUDA finds what the CPU finds.
 *
 * Prints a row a check. Status 77: no GPU here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "model/tokenizer.h"

#define ANSWER   24
#define NEAR_TIE 0.2 /* of logits: what bf16 may turn */

static struct seam_err err;
static int failures, threads;

static void need(seam_status st, const char *what)
{
    if (st == SEAM_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err.text);
    exit(1);
}

static void say(bool good, const char *what, double value, double limit)
{
    printf("%-4s %-58s %.3e (at most %.1e)\n", good ? "ok" : "BAD", what, value, limit);
    failures += !good;
}

static struct seam_engine *open_engine(const struct seam_model *m, const char *device, uint32_t n,
                                       uint64_t weights)
{
    struct seam_engine_opts o = {.n_ctx = n, .n_lanes = 1, .n_threads = threads, .device = device};
    struct seam_engine *e = NULL;
    o.weights_bytes = weights;
    seam_status st = seam_engine_open(&e, m, &o, &err);
    if (st == SEAM_EUNSUPPORTED && strstr(err.text, "no NVIDIA GPU")) {
        printf("skipped: %s\n", err.text);
        exit(77);
    }
    need(st, device);
    return e;
}

/* ---- rows and logits ---- */

static double half(uint16_t h) /* IEEE binary16 */
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

static int falling(const void *a, const void *b)
{
    const double *x = a, *y = b; /* difference first: see row_error */
    return (*x < *y) - (*x > *y);
}

struct error {
    double all; /* norm of the difference over the norm of the CPU's */
    double
        rest; /* without the worst hundredth of the tokens: where two experts are nearly equal to the
                    * router, bf16 decides otherwise than f32: that token has other values from there on */
    double median; /* of the token in the middle */
};

static struct error row_error(struct seam_engine *a, struct seam_engine *b, uint32_t layer,
                              uint32_t n)
{
    const uint64_t width = seam_engine_memory_bytes(a, layer, 1) / 2;
    const uint16_t *x = seam_engine_memory_at(a, 0, layer, 0);
    const uint16_t *y = seam_engine_memory_at(b, 0, layer, 0);
    double(*token)[2] = calloc(n, sizeof *token), sum[2] = {0}, less[2] = {0};
    for (uint64_t i = 0; i < n * width; i++) {
        double v = half(x[i]), d = v - half(y[i]);
        token[i / width][0] += d * d;
        token[i / width][1] += v * v;
    }
    qsort(token, n, sizeof *token, falling);
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            sum[k] += token[i][k];
            less[k] += i >= n / 100 ? token[i][k] : 0;
        }
    const struct error e = {sqrt(sum[0] / sum[1]), sqrt(less[0] / less[1]),
                            sqrt(token[n / 2][0] / token[n / 2][1])};
    free(token);
    return e;
}

/* The same of a DeltaNet layer's state, f32: one for all tokens. */
static struct error state_error(struct seam_engine *a, struct seam_engine *b, uint32_t layer)
{
    const float *x = seam_engine_memory_at(a, 0, layer, 0);
    const float *y = seam_engine_memory_at(b, 0, layer, 0);
    double sum[2] = {0};
    for (size_t i = 0; i < seam_engine_memory_bytes(a, layer, 0) / sizeof *x; i++) {
        sum[0] += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        sum[1] += (double)x[i] * (double)x[i];
    }
    const double e = sqrt(sum[0] / sum[1]);
    return (struct error){e, e, e};
}

/* Layer 0's rows have seen an embedding, layer 1's one whole layer; what follows is told, not judged:
 * tokens that went to other experts spread. */
static void check_rows(struct seam_engine *cpu, struct seam_engine *gpu, uint32_t n,
                       const char *what, bool judged)
{
    const uint32_t n_layer = seam_model_hparams(seam_engine_model(cpu))->n_layer;
    char text[160];
    for (uint32_t layer = 0; layer < n_layer; layer++) {
        const bool state = seam_engine_has_state(cpu, layer);
        const struct error e = state ? state_error(cpu, gpu, layer) : row_error(cpu, gpu, layer, n);
        snprintf(text, sizeof text, "%s, %s of layer %u (all %.2e, median %.2e)", what,
                 state ? "state" : "rows", layer, e.all, e.median);
        if (judged && layer < 2)
            say(e.rest <= 1e-2, text, e.rest, 1e-2);
        else
            printf("     %-58s %.3e\n", text, e.rest);
    }
}

/* sum p log(p / q) of softmax(a) and softmax(b) */
static double divergence(const float *a, const float *b, uint32_t n)
{
    double most_a = a[0], most_b = b[0], sum_a = 0, sum_b = 0, kl = 0;
    for (uint32_t i = 1; i < n; i++) {
        most_a = fmax(most_a, a[i]);
        most_b = fmax(most_b, b[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        sum_a += exp(a[i] - most_a);
        sum_b += exp(b[i] - most_b);
    }
    for (uint32_t i = 0; i < n; i++) {
        double la = a[i] - most_a - log(sum_a), lb = b[i] - most_b - log(sum_b);
        kl += exp(la) * (la - lb);
    }
    return kl;
}

/* What the CPU's rounding of activations to blocks of eight bits is of it all. */
static void tell_rounding(struct seam_engine *exact, const struct seam_model *m,
                          const int32_t *tokens, uint32_t n)
{
    struct seam_engine *cpu = open_engine(m, "cpu", n + 1, 0);
    need(seam_engine_prefill(cpu, 0, tokens, n, NULL, NULL, &err), "cpu");
    check_rows(exact, cpu, n, "the CPU on MODEL itself", false);
    seam_engine_close(cpu);
}

static void compare(const char *file, const char *exact, uint32_t n, uint64_t weights)
{
    struct seam_model *m, *other = NULL;
    need(seam_model_open(&m, file, &err), file);
    if (exact)
        need(seam_model_open(&other, exact, &err), exact);
    const struct seam_hparams *hp = seam_model_hparams(m);
    n = n < hp->n_ctx_train ? n : hp->n_ctx_train - 1;
    int32_t *tokens = malloc((n + 1) * sizeof *tokens);
    float *a = malloc(hp->n_vocab * sizeof *a), *b = malloc(hp->n_vocab * sizeof *b);
    uint64_t x = 7;
    for (uint32_t i = 0; i <= n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        tokens[i] = (int32_t)((x >> 33) % hp->n_vocab);
    }
    struct seam_engine *gpu = open_engine(m, "cuda", n + 1, weights);
    struct seam_engine *cpu = open_engine(exact ? other : m, "cpu", n + 1, 0);
    printf("---- %s: %u tokens, %s, %s\n", file, n, seam_engine_device(gpu),
           seam_engine_memory(gpu)->streamed ? "streamed" : "resident");
    need(seam_engine_prefill(cpu, 0, tokens, n, NULL, NULL, &err), "cpu");
    need(seam_engine_prefill(gpu, 0, tokens, n, NULL, NULL, &err), "cuda");
    check_rows(cpu, gpu, n, "at once", true);
    seam_engine_kv_set_len(gpu, 0, 0);
    need(seam_engine_prefill(gpu, 0, tokens, n / 3, NULL, NULL, &err), "cuda");
    need(seam_engine_prefill(gpu, 0, tokens, n, NULL, NULL, &err), "cuda");
    check_rows(cpu, gpu, n, "in two parts", true);
    if (exact)
        tell_rounding(cpu, m, tokens, n);
    need(seam_engine_step(cpu, 0, tokens[n], a, &err), "cpu");
    need(seam_engine_step(gpu, 0, tokens[n], b, &err), "cuda");
    double kl = divergence(a, b, hp->n_vocab);
    printf("     divergence of the next token %.3e\n", kl);
    double used = (double)seam_engine_device_used(gpu);
    double planned = (double)seam_engine_memory(gpu)->device;
    printf("     device memory planned %.1f MB, taken %.1f MB\n", planned / 1e6, used / 1e6);
    seam_engine_close(gpu);
    seam_engine_close(cpu);
    seam_model_close(other);
    seam_model_close(m);
    free(tokens);
    free(a);
    free(b);
}

/* ---- answers ---- */

struct tally {
    uint32_t prompts, same, near, found_cpu, found_gpu;
    double kl, steps;
};

static uint32_t best(const float *v, uint32_t n)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < n; i++)
        if (v[i] > v[at])
            at = i;
    return at;
}

static bool holds(const struct seam_tokenizer *t, const int32_t *tokens, uint32_t n,
                  const char *want)
{
    char text[4096] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct seam_str s = seam_tokenizer_bytes(t, tokens[i]);
        if (len + s.len + 1 < sizeof text)
            memcpy(text + len, s.p, s.len), len += s.len;
    }
    text[len] = 0;
    return strstr(text, want) != NULL;
}

/* Greedy tokens of both; logits are compared as long as both have had the same tokens. */
static void answer(struct seam_engine *cpu, struct seam_engine *gpu, const struct seam_tokenizer *t,
                   const struct seam_tokens *p, const char *want, struct tally *y)
{
    const uint32_t n_vocab = seam_tokenizer_size(t), n = (uint32_t)p->n - 1;
    float *a = malloc(n_vocab * sizeof *a), *b = malloc(n_vocab * sizeof *b);
    int32_t out[2][ANSWER], next[2] = {p->ids[n], p->ids[n]};
    bool together = true;
    uint32_t made = ANSWER;
    seam_engine_kv_set_len(cpu, 0, 0);
    seam_engine_kv_set_len(gpu, 0, 0);
    need(seam_engine_prefill(cpu, 0, p->ids, n, NULL, NULL, &err), "cpu");
    need(seam_engine_prefill(gpu, 0, p->ids, n, NULL, NULL, &err), "cuda");
    for (uint32_t i = 0; i < ANSWER; i++) {
        need(seam_engine_step(cpu, 0, next[0], a, &err), "cpu");
        need(seam_engine_step(gpu, 0, next[1], b, &err), "cuda");
        out[0][i] = next[0] = (int32_t)best(a, n_vocab);
        out[1][i] = next[1] = (int32_t)best(b, n_vocab);
        if (!together)
            continue;
        y->kl += divergence(a, b, n_vocab);
        y->steps++;
        if (next[0] == next[1] && !seam_tokenizer_is_stop(t, next[0]))
            continue;
        made = i + 1;
        if (next[0] == next[1])
            break; /* the answer is over */
        together = false;
        double margin = a[next[0]] - a[next[1]];
        y->near += margin < NEAR_TIE;
        printf("     prompt %u differs at token %u, where the CPU's margin is %.4f\n", y->prompts,
               i, margin);
    }
    y->prompts++;
    y->same += together;
    y->found_cpu += holds(t, out[0], together ? made : ANSWER, want);
    y->found_gpu += holds(t, out[1], together ? made : ANSWER, want);
    free(a);
    free(b);
}

static char *read_all(const char *file)
{
    FILE *f = fopen(file, "rb");
    if (!f) {
        perror(file);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *text = malloc((size_t)n + 1);
    if (!text || fread(text, 1, (size_t)n, f) != (size_t)n)
        exit(1);
    text[n] = 0;
    fclose(f);
    return text;
}

static void answers(const char *file, const char *prompts)
{
    struct seam_model *m;
    struct seam_tokenizer *t;
    struct tally y = {0};
    need(seam_model_open(&m, file, &err), file);
    need(seam_tokenizer_open(&t, seam_model_catalog(m), &err), file);
    const uint32_t n_ctx = seam_model_hparams(m)->n_ctx_train;
    struct seam_engine *gpu = open_engine(m, "cuda", n_ctx, 0);
    struct seam_engine *cpu = open_engine(m, "cpu", n_ctx, 0);
    char *text = read_all(prompts), *rest = text, *one;
    while ((one = strsep(&rest, "\x1e")) && *one) {
        struct seam_tokens tokens = {0};
        char *want = one;
        char *prompt = strsep(&want, "\x1f");
        need(seam_tokenizer_encode_special(t, prompt, strlen(prompt), &tokens, &err), "encode");
        if (tokens.n > 1 && tokens.n + ANSWER < n_ctx)
            answer(cpu, gpu, t, &tokens, want, &y);
        free(tokens.ids);
    }
    printf("     %u prompts: %u the same, %u others at near-ties, found %u (CPU) %u (CUDA)\n",
           y.prompts, y.same, y.near, y.found_cpu, y.found_gpu);
    say(y.same >= 0.95 * y.prompts, "share of prompts with other tokens",
        1 - (double)y.same / y.prompts, 0.05);
    say(y.same + y.near == y.prompts, "differences that are no near-tie",
        (double)y.prompts - y.same - y.near, 0);
    say(y.kl / y.steps <= 1e-3, "mean divergence of a step", y.kl / y.steps, 1e-3);
    say(y.found_gpu >= y.found_cpu, "facts that only the CPU found",
        fmax(0, (double)y.found_cpu - y.found_gpu), 0);
    free(text);
    seam_engine_close(gpu);
    seam_engine_close(cpu);
    seam_tokenizer_close(t);
    seam_model_close(m);
}

int main(int argc, char **argv)
{
    uint32_t n = 1000;
    uint64_t weights = 0;
    const char *prompts = NULL, *exact = NULL;
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (argv[at][1] == 'n')
            n = (uint32_t)strtoul(argv[at + 1], NULL, 10);
        else if (argv[at][1] == 'k')
            weights = strtoull(argv[at + 1], NULL, 10);
        else if (argv[at][1] == 'p')
            prompts = argv[at + 1];
        else if (argv[at][1] == 'e')
            exact = argv[at + 1];
        else if (argv[at][1] == 't')
            threads = atoi(argv[at + 1]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (at == argc)
        compare(SEAM_MODEL, NULL, n, weights);
    for (; at < argc; at++) {
        if (prompts)
            answers(argv[at], prompts);
        else
            compare(argv[at], exact, n, weights);
    }
    printf("%s\n", failures ? "FAILED" : "all good");
    return failures != 0;
}
