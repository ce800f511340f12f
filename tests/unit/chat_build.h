/* chat_build.h - tokenizers for tests of chat formats: the committed tiny vocabulary, the special
 * tokens of a family behind it, and a template that says no more than what Seam looks for in the
 * family's own. Everything aborts when memory runs out: it is a test. */
#ifndef SEAM_TESTS_CHAT_BUILD_H
#define SEAM_TESTS_CHAT_BUILD_H

#include "gguf_build.h"
#include "model/chat.h"

struct chat_family {
    const char *name;   /* of the template; as in the goldens */
    const char *format; /* that Seam must choose */
    const char *const *tokens;
    const char *eos;
    const char *template;
};

static const char *const chat_kimi_tokens[] = {"<|im_end|>",
                                               "<|im_user|>",
                                               "<|im_assistant|>",
                                               "<|im_system|>",
                                               "<|im_middle|>",
                                               "<|tool_calls_section_begin|>",
                                               "<|tool_calls_section_end|>",
                                               "<|tool_call_begin|>",
                                               "<|tool_call_argument_begin|>",
                                               "<|tool_call_end|>",
                                               "<think>",
                                               "</think>",
                                               NULL};
static const char *const chat_qwen_tokens[] = {"<|endoftext|>",    "<|im_start|>",
                                               "<|im_end|>",       "<tool_call>",
                                               "</tool_call>",     "<think>",
                                               "</think>",         "<tool_response>",
                                               "</tool_response>", NULL};
static const char *const chat_llama_tokens[] = {"<|begin_of_text|>",   "<|end_of_text|>",
                                                "<|start_header_id|>", "<|end_header_id|>",
                                                "<|eom_id|>",          "<|eot_id|>",
                                                "<|python_tag|>",      NULL};

#define CHAT_KIMI "<|im_middle|> <|im_assistant|> "
#define CHAT_QWEN35                                                                          \
    "You have access to the following functions:\\n\\n<tools> {{- tool | tojson }} "         \
    "'<tool_call>\\n<function=' + tool_call.name + '>\\n' No user query found in messages. " \
    "'</think>' in content loop.index0 > ns.last_query_index "
#define CHAT_QWEN3                                                               \
    "You may call one or more functions to assist <|im_start|> <tool_response> " \
    "tool_call.arguments is string '<tool_call>\\n{\"name\": \"' "
#define CHAT_THOUGHTS \
    "<think> loop.index0 > ns.last_query_index (not loop.last and reasoning_content) "
#define CHAT_LLAMA3                                                                      \
    "Cutting Knowledge Date: December 2023 <|start_header_id|>ipython<|end_header_id|> " \
    "tools_in_user_message This model only supports single tool-calls at once! "         \
    "'\"parameters\": ' "

static const struct chat_family chat_families[] = {
    {"kimi-k2", "kimi-k2", chat_kimi_tokens, "<|im_end|>",
     CHAT_KIMI "tools | tojson tools_ts_str thinking is false <think>"},
    {"kimi-k2-thinking", "kimi-k2", chat_kimi_tokens, "<|im_end|>",
     CHAT_KIMI "tools | tojson <think> You are Kimi, an AI assistant created by Moonshot AI."},
    {"kimi-k2-instruct", "kimi-k2", chat_kimi_tokens, "<|im_end|>",
     CHAT_KIMI "tools | tojson You are Kimi, an AI assistant created by Moonshot AI."},
    {"qwen3.5", "qwen3.5", chat_qwen_tokens, "<|im_end|>",
     CHAT_QWEN35 "enable_thinking is defined and enable_thinking is false"},
    {"qwen3.5-small", "qwen3.5", chat_qwen_tokens, "<|im_end|>",
     CHAT_QWEN35 "enable_thinking is defined and enable_thinking is true"},
    {"qwen3.6", "qwen3.5", chat_qwen_tokens, "<|im_end|>",
     CHAT_QWEN35 "preserve_thinking enable_thinking is defined and enable_thinking is false "
                 "args_value | string if args_value is string else args_value | tojson | safe"},
    {"qwen3", "qwen3", chat_qwen_tokens, "<|im_end|>", CHAT_QWEN3 CHAT_THOUGHTS "enable_thinking"},
    {"qwen3-thinking", "qwen3", chat_qwen_tokens, "<|im_end|>",
     CHAT_QWEN3 CHAT_THOUGHTS "'<|im_start|>assistant\\n<think>\\n'"},
    {"qwen3-instruct", "qwen3", chat_qwen_tokens, "<|im_end|>", CHAT_QWEN3},
    {"llama3.1", "llama3", chat_llama_tokens, "<|eot_id|>", CHAT_LLAMA3},
    {"llama3.2", "llama3", chat_llama_tokens, "<|eot_id|>", CHAT_LLAMA3 "strftime_now"},
};
#define CHAT_FAMILIES (sizeof chat_families / sizeof *chat_families)

static inline void chat_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "chat_build.h: %s\n", what);
    abort();
}

/* The strings of an array of the tiny vocabulary; returns how many there are. */
static inline size_t chat_strings(const struct seam_catalog *c, const char *key, size_t n,
                                  struct gb *b)
{
    const struct seam_meta *m = seam_catalog_meta(c, key);
    struct seam_str s;
    for (size_t i = 0; i < n; i++) {
        chat_must(seam_meta_elem_str(m, i, &s), key);
        gb_text(&b->meta, s.p, s.len);
    }
    return seam_meta_len(m);
}

/* `tokens` and `template` may differ from a family's, to be refused. The caller frees. */
static inline struct seam_tokenizer *chat_tokenizer(const char *const *tokens, const char *eos,
                                                    const char *template)
{
    struct gb b = {0};
    struct seam_err err = {0};
    struct seam_catalog *tiny, *c;
    struct seam_tokenizer *t = NULL;
    size_t n_special = 0, n;
    while (tokens[n_special])
        n_special++;
    chat_must(seam_catalog_open(&tiny, SEAM_SOURCE_DIR "/tests/golden/tiny-tokenizer.gguf", &err) ==
                  SEAM_OK,
              err.text);
    size_t n_normal = 600; /* the others are Kimi's special ones */
    gb_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_str(&b, "tokenizer.ggml.pre", "kimi-k2");
    gb_array(&b, "tokenizer.ggml.tokens", 8, n_normal + n_special);
    chat_strings(tiny, "tokenizer.ggml.tokens", n_normal, &b);
    for (size_t i = 0; i < n_special; i++)
        gb_text(&b.meta, tokens[i], strlen(tokens[i]));
    gb_array(&b, "tokenizer.ggml.token_type", 5, n_normal + n_special);
    for (size_t i = 0; i < n_normal + n_special; i++)
        gb_le(&b.meta, i < n_normal ? 1 : tokens[i - n_normal][1] == '|' ? 3 : 4, 4);
    size_t n_merges = seam_meta_len(seam_catalog_meta(tiny, "tokenizer.ggml.merges"));
    gb_array(&b, "tokenizer.ggml.merges", 8, n_merges);
    chat_strings(tiny, "tokenizer.ggml.merges", n_merges, &b);
    for (size_t i = 0; i < n_special; i++)
        if (strcmp(tokens[i], eos) == 0)
            gb_u32(&b, "tokenizer.ggml.eos_token_id", (uint32_t)(n_normal + i));
    if (template)
        gb_str(&b, "tokenizer.chat_template", template);
    uint8_t *p = gb_finish(&b, &n);
    chat_must(seam_catalog_open_memory(&c, p, n, &err) == SEAM_OK, err.text);
    chat_must(seam_tokenizer_open(&t, c, &err) == SEAM_OK, err.text);
    seam_catalog_close(c);
    seam_catalog_close(tiny);
    free(p);
    return t;
}

static inline const struct chat_family *chat_family(const char *name)
{
    for (size_t i = 0; i < CHAT_FAMILIES; i++)
        if (strcmp(chat_families[i].name, name) == 0)
            return &chat_families[i];
    chat_must(false, name);
    return NULL;
}

static inline struct seam_tokenizer *chat_open(const struct chat_family *f)
{
    return chat_tokenizer(f->tokens, f->eos, f->template);
}

#endif
