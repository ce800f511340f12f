/* http_test.c - the whole server over real sockets, in front of a scripted pool.
 *
 * The pool, the tokenizer, the chat format and the model are replaced at link time by the fakes
 * below: what a request's first message says chooses the scenario. So a prefill can last as long
 * as a test wants, and a decode node can die at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/server.h"

/* ---- the fakes ---- */

#define CTX 100u

enum scenario {
    HELLO,
    SLOW,
    QUEUED,
    PEER_DIES,
    BUSY,
    TOOLS,
    PAUSE,
    HUGE_PROMPT,
    THOUGHTS,
    N_SCENARIO
};
static const char *const scenario_names[N_SCENARIO] = {"hello",     "slow", "queued",
                                                       "peer-dies", "busy", "tools",
                                                       "pause",     "huge", "thoughts"};

static atomic_int n_canceled, n_running;
static atomic_bool decode_alive = true;
static struct seam_sampling last_sampling;
static uint32_t last_max_tokens;
static bool last_thinking, last_had_tools;
static bool format_known = true;

/* Tokens of the fake vocabulary below 256 are bytes of content. */
enum { T_THINK = 1000, T_TOOL, T_ARGS, T_TOOL_END };

struct seam_chat_parser {
    seam_chat_event_fn fn;
    void *user;
    int n_tools;
};
struct seam_tokenizer {
    int unused;
};
static struct seam_tokenizer fake_tokenizer;

seam_status seam_chat_format_find(const struct seam_chat_format **out,
                                  const struct seam_tokenizer *t, struct seam_err *err)
{
    static const char format[] = "a pointer is all that is needed of it";
    (void)t;
    *out = format_known ? (const void *)format : NULL;
    return format_known ? SEAM_OK
                        : seam_fail(err, SEAM_EUNSUPPORTED, "looks like a stranger's; sorry");
}

enum seam_chat_thinking seam_chat_format_thinking(const struct seam_chat_format *f,
                                                  const struct seam_tokenizer *t)
{
    (void)f;
    (void)t;
    return SEAM_CHAT_ON;
}

void seam_chat_today(char out[SEAM_CHAT_DAY])
{
    snprintf(out, SEAM_CHAT_DAY, "05 Dec 2026");
}

uint64_t seam_chat_salt(const struct seam_tokens *prompt)
{
    return prompt->n;
}

seam_status seam_tokens_push(struct seam_tokens *t, int32_t id, struct seam_err *err)
{
    (void)err;
    t->ids = realloc(t->ids, (t->n + 1) * sizeof *t->ids);
    assert_non_null(t->ids);
    t->ids[t->n++] = id;
    return SEAM_OK;
}

void seam_tokens_clear(struct seam_tokens *t)
{
    free(t->ids);
    *t = (struct seam_tokens){0};
}

uint32_t seam_tokenizer_size(const struct seam_tokenizer *t)
{
    (void)t;
    return 2000;
}

bool seam_tokenizer_is_stop(const struct seam_tokenizer *t, int32_t id)
{
    (void)t;
    return id == 1999;
}

seam_status seam_chat_render(const struct seam_chat_format *f, const struct seam_tokenizer *t,
                             yyjson_val *messages, yyjson_val *tools,
                             const struct seam_chat_opts *opts, struct seam_tokens *out,
                             struct seam_err *err)
{
    (void)f;
    (void)t;
    last_thinking = opts->thinking;
    last_had_tools = tools != NULL;
    yyjson_val *text = yyjson_obj_get(yyjson_arr_get_first(messages), "content");
    int which = 0;
    while (which < N_SCENARIO && !yyjson_equals_str(text, scenario_names[which]))
        which++;
    if (which == N_SCENARIO)
        return seam_fail(err, SEAM_EINVAL, "messages[0].content: no such scenario");
    size_t n = which == HUGE_PROMPT ? CTX : 10;
    for (size_t i = 0; i < n; i++)
        seam_tokens_push(out, which, err);
    return SEAM_OK;
}

seam_status seam_chat_parser_open(struct seam_chat_parser **out, const struct seam_chat_format *f,
                                  const struct seam_tokenizer *t,
                                  const struct seam_chat_expect *expect, seam_chat_event_fn fn,
                                  void *user, struct seam_err *err)
{
    (void)f;
    (void)t;
    assert_true(expect->thinking == last_thinking && (expect->tools != NULL) == last_had_tools);
    assert_int_equal(expect->salt, 10);
    (void)err;
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    (*out)->fn = fn;
    (*out)->user = user;
    return SEAM_OK;
}

void seam_chat_parser_feed(struct seam_chat_parser *p, int32_t token)
{
    char c = (char)token;
    struct seam_chat_event ev = {.kind = SEAM_CHAT_CONTENT,
                                 .text = &c,
                                 .len = 1,
                                 .index = p->n_tools};
    switch (token) {
    case T_THINK:
        ev.kind = SEAM_CHAT_REASONING;
        ev.text = "hm";
        ev.len = 2;
        break;
    case T_TOOL:
        ev = (struct seam_chat_event){.kind = SEAM_CHAT_TOOL_BEGIN,
                                      .index = p->n_tools,
                                      .id = p->n_tools ? "functions.f:1" : "functions.f:0",
                                      .name = "f"};
        break;
    case T_ARGS:
        ev.kind = SEAM_CHAT_TOOL_ARGS;
        ev.text = "{}";
        ev.len = 2;
        break;
    case T_TOOL_END:
        ev = (struct seam_chat_event){.kind = SEAM_CHAT_TOOL_END, .index = p->n_tools++};
        break;
    default: break;
    }
    p->fn(p->user, &ev);
}

void seam_chat_parser_finish(struct seam_chat_parser *p)
{
    (void)p;
}

int seam_chat_parser_tool_count(const struct seam_chat_parser *p)
{
    return p->n_tools;
}

void seam_chat_parser_close(struct seam_chat_parser *p)
{
    free(p);
}

const char *seam_model_name(const struct seam_model *m)
{
    (void)m;
    return "Fake 1";
}

const char *seam_model_arch(const struct seam_model *m)
{
    (void)m;
    return "fake";
}

const struct seam_hparams *seam_model_hparams(const struct seam_model *m)
{
    static const struct seam_hparams hparams = {.n_ctx_train = 4096};
    (void)m;
    return &hparams;
}

const struct seam_catalog *seam_model_catalog(const struct seam_model *m)
{
    (void)m;
    return NULL;
}

uint64_t seam_catalog_weight_bytes(const struct seam_catalog *c)
{
    (void)c;
    return 12345;
}

void seam_trace_release(struct seam_trace *t)
{
    free(t->layers);
    *t = (struct seam_trace){0};
}

uint32_t seam_pool_ctx(struct seam_pool *p)
{
    (void)p;
    return CTX;
}

size_t seam_pool_nodes(struct seam_pool *p, struct seam_pool_node_info *out, size_t cap)
{
    (void)p;
    assert_true(cap >= 2);
    memset(out, 0, 2 * sizeof *out);
    out[0] = (struct seam_pool_node_info){.addr = "a:1",
                                          .name = "spark",
                                          .role = SEAM_NODE_SWEEP,
                                          .alive = true,
                                          .n_ctx = CTX};
    out[1] = (struct seam_pool_node_info){.addr = "b:2",
                                          .name = "studio",
                                          .role = SEAM_NODE_DECODE,
                                          .alive = decode_alive,
                                          .n_ctx = CTX};
    return 2;
}

/* As long as `ms`, or until canceled: then false. */
static bool wait_for(const struct seam_generate *g, unsigned ms)
{
    for (unsigned i = 0; i < ms / 10; i++) {
        if (g->canceled(g->user)) {
            n_canceled++;
            return false;
        }
        usleep(10000);
    }
    return true;
}

static void decide(const struct seam_generate *g, struct seam_generated *out)
{
    out->route =
        (struct seam_route){.path = SEAM_PATH_SWEEP, .n_prompt = g->n_tokens, .n_cached = 3};
    snprintf(out->route.why, sizeof out->route.why, "because\nof the script");
    g->on_route(g->user, &out->route);
}

static seam_status say(const struct seam_generate *g, struct seam_generated *out,
                       const int32_t *tokens)
{
    out->finish = SEAM_FINISH_STOP;
    for (; *tokens; tokens++) {
        if (out->n_generated == g->max_tokens) {
            out->finish = SEAM_FINISH_LENGTH;
            break;
        }
        out->n_generated++;
        if (!g->on_token(g->user, *tokens)) {
            out->finish = SEAM_FINISH_CALLER;
            break;
        }
    }
    return SEAM_OK;
}

static const int32_t hello[] = {'h', 'e', 'l', 'l', 'o', ' ', 0xc3, 0};
static const int32_t tools[] = {'o', T_TOOL, T_ARGS, T_TOOL_END, T_TOOL, T_ARGS, T_TOOL_END, 0};
static const int32_t thoughts[] = {T_THINK, T_THINK, 'o', 'k', 0};

static seam_status play(const struct seam_generate *g, struct seam_generated *out,
                        struct seam_err *err)
{
    enum scenario which = (enum scenario)g->tokens[0];
    if (which == BUSY)
        return seam_fail(err, SEAM_EBUSY, "the queue is full");
    if (which == QUEUED && !wait_for(g, 2500))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    decide(g, out);
    if (which == SLOW && !wait_for(g, 20000))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (which == PAUSE && !wait_for(g, 600))
        return seam_fail(err, SEAM_ECANCELED, "canceled");
    if (which == PEER_DIES) {
        static const int32_t he[] = {'h', 'e', 0};
        say(g, out, he);
        wait_for(g, 100);
        return seam_fail(err, SEAM_EPEER, "node studio is gone");
    }
    return say(g, out, which == TOOLS ? tools : which == THOUGHTS ? thoughts : hello);
}

seam_status seam_pool_generate(struct seam_pool *p, const struct seam_generate *g,
                               struct seam_generated *out, struct seam_err *err)
{
    (void)p;
    assert_int_equal(g->n_stop_ids, 1);
    assert_int_equal(g->stop_ids[0], 1999);
    last_sampling = g->sampling;
    last_max_tokens = g->max_tokens;
    memset(out, 0, sizeof *out);
    n_running++;
    seam_status st = play(g, out, err);
    n_running--;
    return st;
}

/* ---- a client ---- */

static struct seam_server *server;

static int start(void **state)
{
    const struct seam_server_opts o = {.host = "127.0.0.1",
                                       .tokenizer = &fake_tokenizer,
                                       .model_id = "fake",
                                       .keepalive_ms = 100};
    struct seam_err err;
    (void)state;
    decode_alive = true;
    n_canceled = 0;
    if (seam_server_open(&server, &o, &err) != SEAM_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    seam_server_close(server);
    server = NULL;
    return 0;
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(seam_server_port(server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server may have answered and closed */
        p += sent;
        n -= (size_t)sent;
    }
}

static void send_request(int fd, const char *method, const char *path, const char *body)
{
    char head[512];
    snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
        method, path, strlen(body));
    send_all(fd, head, strlen(head));
    send_all(fd, body, strlen(body));
}

/* Everything until the server closes; the caller frees. */
static char *receive(int fd)
{
    size_t n = 0, cap = 1 << 16;
    char *p = malloc(cap);
    assert_non_null(p);
    for (;;) {
        ssize_t got = recv(fd, p + n, cap - n - 1, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        if (cap - n < 4096) {
            p = realloc(p, cap *= 2);
            assert_non_null(p);
        }
    }
    p[n] = '\0';
    close(fd);
    return p;
}

static char *ask(const char *method, const char *path, const char *body)
{
    int fd = dial();
    send_request(fd, method, path, body);
    return receive(fd);
}

static char *chat(const char *scenario, const char *more)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]%s}",
             scenario, more);
    return ask("POST", "/v1/chat/completions", body);
}

static int status_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.1 ", 9) ? 0 : atoi(reply + 9);
}

static void expect(char *reply, int status, const char *const *parts)
{
    if (status_of(reply) != status)
        fail_msg("status %d expected, got: %.600s", status, reply);
    for (; *parts; parts++)
        if (**parts == '!' ? strstr(reply, *parts + 1) != NULL : strstr(reply, *parts) == NULL)
            fail_msg("'%s' does not hold for: %s", *parts, reply);
    free(reply);
}
#define EXPECT(reply, status, ...) expect(reply, status, (const char *const[]){__VA_ARGS__, NULL})

/* ---- tests ---- */

static void test_small_paths(void **state)
{
    (void)state;
    EXPECT(ask("GET", "/health", ""), 200, "\"status\":\"ok\"", "\"name\":\"spark\"",
           "\"role\":\"decode\"", "application/json");
    EXPECT(ask("GET", "/v1/models", ""), 200, "\"object\":\"list\"", "\"id\":\"fake\"",
           "\"size\":12345", "\"context_length\":100");
    EXPECT(ask("GET", "/v1/models/fake", ""), 200, "\"object\":\"model\"");
    EXPECT(ask("GET", "/v1/models/a%2Fb", ""), 404, "model_not_found", "a/b");
    EXPECT(ask("GET", "/v1/models/", ""), 404, "unknown_url");
    EXPECT(ask("GET", "/nothing", ""), 404, "unknown_url", "\"param\":null");
    EXPECT(ask("GET", "/v1/chat/completions", ""), 405, "allow: POST", "method_not_allowed");
    EXPECT(ask("DELETE", "/health", ""), 405, "allow: GET");
    EXPECT(ask("POST", "/nothing", "{}"), 404, "unknown_url");
    EXPECT(ask("HEAD", "/health", ""), 200, "!status\":");
    decode_alive = false;
    EXPECT(ask("GET", "/health", ""), 503, "\"alive\":false");
}

static void test_whole_reply(void **state)
{
    (void)state;
    EXPECT(chat("hello", ",\"model\":\"fake\",\"seed\":7,\"stop\":\" \",\"max_tokens\":50"), 200,
           "\"content\":\"hello\"", "\"finish_reason\":\"stop\"", "x-seam-path: sweep",
           "x-seam-why: because?of the script", "x-seam-timings: queue=",
           "\"prompt_tokens\":10,\"completion_tokens\":6,\"total_tokens\":16",
           "\"cached_tokens\":3", "\"path\":\"sweep\"");
    assert_int_equal(last_sampling.seed, 7);
    assert_int_equal(last_max_tokens, 50);
    EXPECT(chat("hello", ",\"max_tokens\":2"), 200, "\"content\":\"he\"",
           "\"finish_reason\":\"length\"");
    EXPECT(chat("hello", ",\"max_tokens\":5000,\"stop\":\"l\""), 200, "\"content\":\"he\"",
           "\"finish_reason\":\"stop\"");
    assert_int_equal(last_max_tokens, CTX - 10); /* no more than the context has room for */
    assert_true(last_thinking);
}

static void test_tools_and_thoughts(void **state)
{
    (void)state;
    EXPECT(chat("tools", ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"), 200,
           "\"content\":\"o\"", "\"id\":\"functions.f:1\"", "\"finish_reason\":\"tool_calls\"");
    assert_true(last_had_tools);
    EXPECT(chat("tools", ",\"parallel_tool_calls\":false"), 200, "functions.f:0", "!functions.f:1",
           "\"finish_reason\":\"tool_calls\"");
    EXPECT(chat("thoughts", ",\"chat_template_kwargs\":{\"thinking\":true}"), 200,
           "\"reasoning_content\":\"hmhm\"", "\"content\":\"ok\"", "\"reasoning_tokens\":2");
    EXPECT(chat("thoughts", ",\"reasoning_effort\":\"none\""), 200, "\"content\":\"ok\"");
    assert_false(last_thinking);
}

static int start_unknown(void **state)
{
    format_known = false;
    int r = start(state);
    format_known = true;
    return r;
}

/* The server is there; only chats are refused, with the reason. */
static void test_unknown_format(void **state)
{
    (void)state;
    EXPECT(chat("hello", ""), 501, "\"code\":\"unsupported\"", "looks like a stranger's; sorry",
           "x-should-retry: false");
    EXPECT(chat("hello", ",\"stream\":true"), 501, "looks like a stranger's; sorry");
}

static void test_refusals(void **state)
{
    (void)state;
    EXPECT(chat("hello", ",\"model\":\"gpt-9\""), 404, "model_not_found", "\"param\":\"model\"");
    EXPECT(chat("nonsense", ""), 400, "\"param\":\"messages[0].content\"", "invalid_value");
    EXPECT(chat("huge", ""), 400, "context_length_exceeded", "100 tokens");
    EXPECT(chat("huge", ",\"stream\":true"), 400, "context_length_exceeded");
    EXPECT(ask("POST", "/v1/chat/completions", "{\"messages\":"), 400, "invalid_json");
    EXPECT(ask("POST", "/v1/chat/completions", ""), 400, "invalid_json");
    EXPECT(chat("busy", ""), 503, "retry-after: 2", "queue is full");
    EXPECT(chat("busy", ",\"stream\":true"), 503, "retry-after: 2", "!data:");
    EXPECT(chat("peer-dies", ""), 502, "node studio is gone", "\"code\":\"peer\"");
    EXPECT(chat("hello", ",\"stop\":\" \""), 200, "hello"); /* and goes on serving */
}

static void test_stream(void **state)
{
    (void)state;
    char *reply = chat("hello", ",\"stream\":true,\"stop\":\" \",\"stream_options\":"
                                "{\"include_usage\":true}");
    const char *role = strstr(reply, "\"role\":\"assistant\"");
    const char *first = strstr(reply, "\"content\":\"h\"");
    const char *finish = strstr(reply, "\"finish_reason\":\"stop\"");
    const char *usage = strstr(reply, "\"choices\":[],\"usage\"");
    const char *done = strstr(reply, "data: [DONE]\n\n");
    assert_true(role && first && finish && usage && done);
    assert_true(role < first && first < finish && finish < usage && usage < done);
    EXPECT(reply, 200, "text/event-stream", "x-seam-path: sweep", "x-seam-why: because?",
           "\"object\":\"chat.completion.chunk\"", "\"seam\":{\"path\":\"sweep\"");
    EXPECT(chat("hello", ",\"stream\":true,\"stop\":\" \""), 200, "!\"usage\"", "[DONE]");
    EXPECT(chat("tools", ",\"stream\":true"), 200,
           "\"index\":0,\"id\":\"functions.f:0\",\"type\":\"function\"",
           "\"index\":1,\"function\":{\"arguments\":\"{}\"}", "\"finish_reason\":\"tool_calls\"");
}

static void test_stream_keeps_alive(void **state)
{
    (void)state;
    char *reply = chat("pause", ",\"stream\":true,\"stop\":\" \"");
    const char *comment = strstr(reply, ": keep-alive\n\n");
    const char *empty = strstr(reply, "\"delta\":{},\"logprobs\":null,\"finish_reason\":null");
    const char *text = strstr(reply, "\"content\":\"h\"");
    assert_true(comment && empty && text && comment < empty && empty < text);
    EXPECT(reply, 200, "[DONE]");
}

/* A queued request gets its headers before its route is known. */
static void test_stream_of_a_queued_request(void **state)
{
    (void)state;
    EXPECT(chat("queued", ",\"stream\":true,\"stop\":\" \""), 200, "!x-seam-path",
           "\"seam\":{\"path\":\"sweep\"", ": keep-alive", "[DONE]");
}

static void test_stream_error_after_headers(void **state)
{
    (void)state;
    EXPECT(chat("peer-dies", ",\"stream\":true"), 200,
           "data: {\"error\":{\"message\":\"node studio", "![DONE]", "!\"finish_reason\":\"stop\"");
}

static void wait_until(atomic_int *what, int value)
{
    for (int i = 0; i < 500 && *what != value; i++)
        usleep(10000);
    assert_int_equal(*what, value);
}

static void leave_during(const char *more)
{
    char body[512];
    int fd = dial(), before = n_canceled;
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"slow\"}]%s}",
             more);
    send_request(fd, "POST", "/v1/chat/completions", body);
    wait_until(&n_running, 1);
    usleep(50000);
    assert_int_equal(n_canceled, before); /* a waiting client is not a gone one */
    close(fd);
    wait_until(&n_canceled, before + 1);
    wait_until(&n_running, 0);
}

static void test_client_leaves(void **state)
{
    (void)state;
    leave_during("");
    leave_during(",\"stream\":true");
    EXPECT(chat("hello", ",\"stop\":\" \""), 200, "hello");
}

static void *stop_soon(void *user)
{
    (void)user;
    wait_until(&n_running, 1);
    seam_server_stop(server);
    return NULL;
}

static void test_stop_ends_running_requests(void **state)
{
    pthread_t t;
    (void)state;
    int fd = dial();
    send_request(fd, "POST", "/v1/chat/completions",
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"slow\"}]}");
    assert_int_equal(pthread_create(&t, NULL, stop_soon, NULL), 0);
    EXPECT(receive(fd), 503, "stopping", "retry-after");
    pthread_join(t, NULL);
    assert_int_equal(n_canceled, 1);
}

static void *one_client(void *user)
{
    char **reply = user;
    *reply = chat("pause", ",\"stop\":\" \"");
    return NULL;
}

static void test_many_at_once(void **state)
{
    enum { N = 8 };
    pthread_t t[N];
    char *reply[N];
    (void)state;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&t[i], NULL, one_client, &reply[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(t[i], NULL);
        EXPECT(reply[i], 200, "\"content\":\"hello\"");
    }
}

static void test_large_bodies(void **state)
{
    static const char huge[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                               "Connection: close\r\nContent-Length: 999999999999\r\n\r\n";
    static const char chunked[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    (void)state;
    int fd = dial();
    send_all(fd, huge, sizeof huge - 1);
    EXPECT(receive(fd), 413, "request_too_large");

    size_t n = 33u << 20;
    char *body = malloc(n + 1);
    assert_non_null(body);
    memset(body, ' ', n);
    body[n] = '\0';
    EXPECT(ask("POST", "/v1/chat/completions", body), 413, "request_too_large");

    char size[32];
    fd = dial();
    send_all(fd, chunked, sizeof chunked - 1);
    snprintf(size, sizeof size, "%zx\r\n", n);
    send_all(fd, size, strlen(size));
    send_all(fd, body, n);
    send_all(fd, "\r\n0\r\n\r\n", 7);
    EXPECT(receive(fd), 413, "request_too_large");
    free(body);
    EXPECT(chat("hello", ",\"stop\":\" \""), 200, "hello");
}

static void test_not_http(void **state)
{
    (void)state;
    int fd = dial();
    send_all(fd, "\x16\x03\x01 nonsense\r\n\r\n", 16);
    free(receive(fd));
    EXPECT(ask("GET", "/health", ""), 200, "ok");
}

/* The headers that a browser sends for a page of somebody else. */
static void test_strangers(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } rows[] = {
        {"Host: localhost", 200},
        {"Host: LOCALHOST:1", 200},
        {"Host: 127.0.0.1:7077", 200},
        {"Host: 127.1.2.3", 200},
        {"Host: [::1]:7077", 200},
        {"Host: localhost\r\nOrigin: http://localhost:3000", 200},
        {"Host: localhost\r\nOrigin: https://127.0.0.1", 200},
        {"Host: seam.example.com", 403},
        {"Host: localhost.example.com", 403},
        {"Host: 127.0.0.1.example.com:80", 403},
        {"Host: 10.0.0.1", 403},
        {"Host: [::2]", 403},
        {"Host: [", 403},
        {"Host: localhost\r\nOrigin: https://example.com", 403},
        {"Host: localhost\r\nOrigin: null", 403},
        {"Host: localhost\r\nOrigin: ://", 403},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        int fd = dial();
        snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nConnection: close\r\n%s\r\n\r\n",
                 rows[i].headers);
        send_all(fd, text, strlen(text));
        char *reply = receive(fd);
        if (status_of(reply) != rows[i].status)
            fail_msg("%s: %.200s", rows[i].headers, reply);
        free(reply);
    }
}

static void test_port_taken(void **state)
{
    struct seam_server *other;
    struct seam_err err = {0};
    struct seam_server_opts o = {.host = "127.0.0.1",
                                 .port = seam_server_port(server),
                                 .tokenizer = &fake_tokenizer,
                                 .model_id = "x"};
    (void)state;
    assert_int_equal(seam_server_open(&other, &o, &err), SEAM_EBUSY);
    assert_null(other);
    assert_non_null(strstr(err.text, "--port"));
    o.host = "no such host.invalid";
    assert_int_equal(seam_server_open(&other, &o, &err), SEAM_EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_small_paths),
        TEST(test_whole_reply),
        TEST(test_tools_and_thoughts),
        TEST(test_refusals),
        cmocka_unit_test_setup_teardown(test_unknown_format, start_unknown, stop),
        TEST(test_stream),
        TEST(test_stream_keeps_alive),
        TEST(test_stream_of_a_queued_request),
        TEST(test_stream_error_after_headers),
        TEST(test_client_leaves),
        TEST(test_stop_ends_running_requests),
        TEST(test_many_at_once),
        TEST(test_large_bodies),
        TEST(test_not_http),
        TEST(test_strangers),
        TEST(test_port_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
