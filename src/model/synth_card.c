/* synth_card.c - the table of models that `seam synth` can imitate. */
#include <stdio.h>
#include <string.h>

#include "model/synth.h"

/* Tokens with their ids; shared facts/models.md 5. The templates say no more than what Seam
 * recognises a format by: a synthetic model has nothing to say. */
static const char *const kimi_names[] = {"@163584",
                                         "[BOS]",
                                         "[EOS]",
                                         "<|im_end|>",
                                         "<|im_user|>",
                                         "<|im_assistant|>",
                                         "@163590",
                                         "<|start_header_id|>",
                                         "<|end_header_id|>",
                                         "@163593",
                                         "[EOT]",
                                         "<|im_system|>",
                                         "+<|tool_calls_section_begin|>",
                                         "+<|tool_calls_section_end|>",
                                         "+<|tool_call_begin|>",
                                         "+<|tool_call_argument_begin|>",
                                         "+<|tool_call_end|>",
                                         "@163601",
                                         "<|im_middle|>",
                                         "<|media_begin|>",
                                         "<|media_content|>",
                                         "<|media_end|>",
                                         "<|media_pad|>",
                                         "+<think>",
                                         "+</think>",
                                         "@163838",
                                         "[UNK]",
                                         "[PAD]",
                                         NULL};
static const struct seam_synth_specials kimi = {
    .pre = "kimi-k2",
    .name = kimi_names,
    .bos = "[BOS]",
    .eos = "<|im_end|>",
    .eot = "<|im_end|>",
    .pad = "[PAD]",
    .chat_template =
        "{%- for m in messages -%}<|im_{{ m.role }}|>{{ m.role }}<|im_middle|>{{ m.content }}"
        "<|im_end|>{%- endfor -%}<|im_assistant|>assistant<|im_middle|>",
};

#define QWEN_TEMPLATE(marks)                                                             \
    "{#- " marks " #}{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}" \
    "<|im_end|>\n{%- endfor -%}<|im_start|>assistant\n"
static const char *const qwen3_names[] = {"@151643",
                                          "<|endoftext|>",
                                          "<|im_start|>",
                                          "<|im_end|>",
                                          "@151657",
                                          "+<tool_call>",
                                          "+</tool_call>",
                                          "@151665",
                                          "+<tool_response>",
                                          "+</tool_response>",
                                          "+<think>",
                                          "+</think>",
                                          NULL};
static const struct seam_synth_specials qwen3 = {
    .pre = "qwen2",
    .name = qwen3_names,
    .bos = "<|endoftext|>",
    .eos = "<|im_end|>",
    .eot = "<|im_end|>",
    .pad = "<|endoftext|>",
    .chat_template = QWEN_TEMPLATE(
        "You may call one or more functions to assist <tool_response> '<tool_call>\\n{\"name\": \"' "
        "tool_call.arguments is string enable_thinking"),
};

static const char *const qwen35_names[] = {"@248044",
                                           "<|endoftext|>",
                                           "<|im_start|>",
                                           "<|im_end|>",
                                           "@248058",
                                           "+<tool_call>",
                                           "+</tool_call>",
                                           "@248066",
                                           "+<tool_response>",
                                           "+</tool_response>",
                                           "+<think>",
                                           "+</think>",
                                           NULL};
static const struct seam_synth_specials qwen35 = {
    .pre = "qwen35",
    .name = qwen35_names,
    .bos = "<|endoftext|>",
    .eos = "<|im_end|>",
    .eot = "<|im_end|>",
    .pad = "<|endoftext|>",
    .chat_template = QWEN_TEMPLATE(
        "You have access to the following functions:\\n\\n<tools> {{- tool | tojson }} "
        "'<tool_call>\\n<function=' + tool_call.name + '>\\n' No user query found in messages. "
        "'</think>' in content enable_thinking"),
};

static const char *const llama3_names[] = {"@128000",
                                           "<|begin_of_text|>",
                                           "<|end_of_text|>",
                                           "@128004",
                                           "<|finetune_right_pad_id|>",
                                           "@128006",
                                           "<|start_header_id|>",
                                           "<|end_header_id|>",
                                           "<|eom_id|>",
                                           "<|eot_id|>",
                                           "<|python_tag|>",
                                           NULL};
static const struct seam_synth_specials llama3 = {
    .pre = "llama-bpe",
    .name = llama3_names,
    .bos = "<|begin_of_text|>",
    .eos = "<|eot_id|>",
    .eot = "<|eot_id|>",
    .pad = "<|finetune_right_pad_id|>",
    .chat_template =
        "{#- Cutting Knowledge Date: December 2023 <|start_header_id|>ipython<|end_header_id|> "
        "tools_in_user_message This model only supports single tool-calls at once! '\"parameters\": ' "
        "#}{%- for m in messages -%}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content }}<|eot_id|>{%- endfor -%}<|start_header_id|>assistant<|end_header_id|>\n\n",
    .add_bos = true,
};

/* What DeepSeek-V3's kin have in common. */
#define MLA(k_mla, v_mla)                                                            \
    " attention.head_count_kv=1 attention.kv_lora_rank=512 attention.key_length=576" \
    " attention.value_length=512 attention.key_length_mla=" k_mla                    \
    " attention.value_length_mla=" v_mla " rope.dimension_count=64"

static const struct seam_synth_card cards[] = {
    {
        .name = "kimi-k2.6",
        .arch = "deepseek2",
        .title = "Kimi K2.6 (synthetic)",
        .source = "shared facts/models.md 1A, 2.1",
        .keys =
            "block_count=61 context_length=262144 embedding_length=7168"
            " feed_forward_length=18432 attention.head_count=64 rope.freq_base=50000.0"
            " attention.layer_norm_rms_epsilon=0.00001 expert_used_count=8"
            " expert_group_count=1 expert_group_used_count=1 expert_gating_func=2"
            " leading_dense_block_count=1 attention.q_lora_rank=1536" MLA(
                "192",
                "128") " expert_feed_forward_length=2048 expert_count=384 expert_shared_count=1"
                       " expert_weights_scale=2.827 expert_weights_norm=true rope.scaling.type=yarn"
                       " rope.scaling.factor=64.0 rope.scaling.original_context_length=4096"
                       " rope.scaling.yarn_beta_fast=32.0 rope.scaling.yarn_beta_slow=1.0"
                       " rope.scaling.yarn_log_multiplier=0.1",
        .n_vocab = 163840,
        .specials = &kimi,
    },
    {
        .name = "moonlight-16b-a3b",
        .arch = "deepseek2",
        .title = "Moonlight 16B-A3B (synthetic)",
        .source = "shared facts/models.md 1C; FFN sizes and context unverified there",
        .keys = "block_count=27 context_length=8192 embedding_length=2048"
                " feed_forward_length=11264 attention.head_count=16 rope.freq_base=50000.0"
                " attention.layer_norm_rms_epsilon=0.00001 expert_used_count=6"
                " expert_group_count=1 expert_group_used_count=1 expert_gating_func=2"
                " leading_dense_block_count=1" MLA(
                    "192",
                    "128") " expert_feed_forward_length=1408 expert_count=64 expert_shared_count=2"
                           " expert_weights_scale=2.446 expert_weights_norm=true",
        .n_vocab = 163840,
        .specials = &kimi,
    },
    {
        .name = "deepseek-v2-lite",
        .arch = "deepseek2",
        .title = "DeepSeek-V2-Lite (synthetic)",
        .source = "shared facts/models.md 1C; its tokenizer is Kimi's, as Seam has no deepseek-llm",
        .keys =
            "block_count=27 context_length=163840 embedding_length=2048"
            " feed_forward_length=10944 attention.head_count=16 rope.freq_base=10000.0"
            " attention.layer_norm_rms_epsilon=0.000001 expert_used_count=6"
            " expert_group_count=1 expert_group_used_count=1 expert_gating_func=1"
            " leading_dense_block_count=1" MLA(
                "192",
                "128") " expert_feed_forward_length=1408 expert_count=64 expert_shared_count=2"
                       " expert_weights_scale=1.0 rope.scaling.type=yarn rope.scaling.factor=40.0"
                       " rope.scaling.original_context_length=4096 rope.scaling.yarn_beta_fast=32.0"
                       " rope.scaling.yarn_beta_slow=1.0 rope.scaling.yarn_log_multiplier=0.0707",
        .n_vocab = 102400,
        .specials = &kimi,
    },
    {
        .name = "thimble",
        .arch = "deepseek2",
        .title = "thimble (synthetic)",
        .source = "tools/thimble/model.py",
        .keys =
            "block_count=4 context_length=17408 embedding_length=512"
            " feed_forward_length=1024 attention.head_count=8 rope.freq_base=50000.0"
            " attention.layer_norm_rms_epsilon=0.00001 expert_used_count=2"
            " expert_group_count=1 expert_group_used_count=1 expert_gating_func=2"
            " leading_dense_block_count=1 attention.q_lora_rank=256" MLA(
                "192",
                "128") " expert_feed_forward_length=256 expert_count=8 expert_shared_count=1"
                       " expert_weights_scale=2.0 expert_weights_norm=true rope.scaling.type=yarn"
                       " rope.scaling.factor=5.0 rope.scaling.original_context_length=4096"
                       " rope.scaling.yarn_beta_fast=32.0 rope.scaling.yarn_beta_slow=1.0"
                       " rope.scaling.yarn_log_multiplier=0.1",
        .n_vocab = 4096,
        .specials = &kimi,
    },
    {
        .name = "qwen3.5-397b-a17b",
        .arch = "qwen35moe",
        .title = "Qwen3.5 397B-A17B (synthetic)",
        .source = "shared facts/models.md 1B, 2.3; without the prediction block",
        .keys = "block_count=60 context_length=262144 embedding_length=4096"
                " attention.head_count=32 attention.head_count_kv=2 attention.key_length=256"
                " attention.value_length=256 attention.layer_norm_rms_epsilon=0.000001"
                " rope.freq_base=10000000.0 rope.dimension_count=64"
                " rope.dimension_sections=[11,11,10,0] expert_count=512 expert_used_count=10"
                " expert_feed_forward_length=1024 expert_shared_feed_forward_length=1024"
                " ssm.conv_kernel=4 ssm.state_size=128 ssm.group_count=16"
                " ssm.time_step_rank=64 ssm.inner_size=8192 full_attention_interval=4",
        .n_vocab = 248320,
        .specials = &qwen35,
    },
    {
        .name = "qwen3.5-4b",
        .arch = "qwen35",
        .title = "Qwen3.5 4B (synthetic)",
        .source = "shared facts/models.md 1C; head counts 16 and 4 and the tied head unverified",
        .keys = "block_count=32 context_length=262144 embedding_length=2560"
                " feed_forward_length=9216 attention.head_count=16 attention.head_count_kv=4"
                " attention.key_length=256 attention.value_length=256"
                " attention.layer_norm_rms_epsilon=0.000001 rope.freq_base=10000000.0"
                " rope.dimension_count=64 rope.dimension_sections=[11,11,10,0]"
                " ssm.conv_kernel=4 ssm.state_size=128 ssm.group_count=16"
                " ssm.time_step_rank=32 ssm.inner_size=4096 full_attention_interval=4",
        .n_vocab = 248320,
        .specials = &qwen35,
        .tied = true,
    },
    {
        .name = "qwen3-30b-a3b",
        .arch = "qwen3moe",
        .title = "Qwen3 30B-A3B (synthetic)",
        .source = "shared facts/models.md 1C; unverified there",
        .keys = "block_count=48 context_length=40960 embedding_length=2048"
                " feed_forward_length=6144 attention.head_count=32 attention.head_count_kv=4"
                " rope.freq_base=1000000.0 attention.layer_norm_rms_epsilon=0.000001"
                " expert_used_count=8 attention.key_length=128 attention.value_length=128"
                " expert_count=128 expert_feed_forward_length=768",
        .n_vocab = 151936,
        .specials = &qwen3,
    },
    {
        .name = "qwen3-8b",
        .arch = "qwen3",
        .title = "Qwen3 8B (synthetic)",
        .source = "from memory: Qwen/Qwen3-8B config.json, unverified",
        .keys = "block_count=36 context_length=40960 embedding_length=4096"
                " feed_forward_length=12288 attention.head_count=32 attention.head_count_kv=8"
                " rope.freq_base=1000000.0 attention.layer_norm_rms_epsilon=0.000001"
                " attention.key_length=128 attention.value_length=128",
        .n_vocab = 151936,
        .specials = &qwen3,
    },
    {
        .name = "llama-3.1-8b",
        .arch = "llama",
        .title = "Llama 3.1 8B (synthetic)",
        .source = "shared facts/models.md 1C; unverified there",
        .keys = "block_count=32 context_length=131072 embedding_length=4096"
                " feed_forward_length=14336 attention.head_count=32 attention.head_count_kv=8"
                " rope.freq_base=500000.0 attention.layer_norm_rms_epsilon=0.00001"
                " rope.dimension_count=128",
        .n_vocab = 128256,
        .specials = &llama3,
    },
    /* For benchmarks on small machines: full width, fewer layers, experts and words. */
    {.name = "kimi-bench",
     .like = "kimi-k2.6",
     .keys = "block_count=3 expert_count=24 feed_forward_length=4096",
     .n_vocab = 8192},
    {.name = "qwen3moe-bench", .like = "qwen3-30b-a3b", .keys = "block_count=4", .n_vocab = 32768},
    {.name = "qwen35moe-bench",
     .like = "qwen3.5-397b-a17b",
     .keys = "block_count=4 expert_count=40",
     .n_vocab = 16384},
    {.name = "llama-bench", .like = "llama-3.1-8b", .keys = "block_count=6", .n_vocab = 32768},
};
#define N_CARD (sizeof cards / sizeof *cards)

const char *seam_synth_card_list(void)
{
    static char text[400];
    size_t n = 0;
    for (size_t i = 0; i < N_CARD && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? ", " : "", cards[i].name);
    return text;
}

const struct seam_synth_card *seam_synth_card_find(const char *name, struct seam_err *err)
{
    for (size_t i = 0; i < N_CARD; i++)
        if (!strcmp(cards[i].name, name))
            return &cards[i];
    seam_fail(err, SEAM_EINVAL, "no model '%s' to imitate; there are %s", name,
              seam_synth_card_list());
    return NULL;
}
