"""A BPE vocabulary of 600 tokens trained by Hugging Face's tokenizers with Moonshot's pattern -> tiny-tokenizer.gguf
(metadata only, Kimi's special tokens behind): what the chat goldens are written in.

    tiny_tokenizer.py OUT_FOLDER
"""
import json
import sys

import tokenizers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from gguf_writer import gguf
from kimi_tokens import MOONSHOT
from strings import texts

N = 600
CONTROL, USER = 3, 4  # token types of GGUF
SPECIAL = [("[BOS]", CONTROL), ("[EOS]", CONTROL), ("<|im_end|>", CONTROL), ("<|im_user|>", CONTROL),
           ("<|im_assistant|>", CONTROL), ("<|start_header_id|>", CONTROL), ("<|end_header_id|>", CONTROL),
           ("[EOT]", CONTROL), ("<|im_system|>", CONTROL), ("<|tool_calls_section_begin|>", USER),
           ("<|tool_calls_section_end|>", USER), ("<|tool_call_begin|>", USER),
           ("<|tool_call_argument_begin|>", USER), ("<|tool_call_end|>", USER), ("<|im_middle|>", CONTROL),
           ("<think>", USER), ("</think>", USER), ("[UNK]", CONTROL), ("[PAD]", CONTROL)]


def train(corpus):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(MOONSHOT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=N, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return t


def metadata(t):
    model = json.loads(t.to_str())["model"]
    tokens = [None] * N
    for token, i in model["vocab"].items():
        tokens[i] = token
    names = [name for name, _ in SPECIAL]
    return {"general.architecture": "deepseek2", "general.name": "tiny-tokenizer",
            "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "kimi-k2",
            "tokenizer.ggml.tokens": tokens + names,
            "tokenizer.ggml.token_type": [1] * N + [kind for _, kind in SPECIAL],
            "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
            "tokenizer.ggml.bos_token_id": N + names.index("[BOS]"),
            "tokenizer.ggml.eos_token_id": N + names.index("<|im_end|>"),
            "tokenizer.ggml.add_bos_token": False}


def main(folder):
    corpus = texts(n_mixed=400)
    t = train(corpus)
    with open(f"{folder}/tiny-tokenizer.gguf", "wb") as f:
        f.write(gguf(metadata(t), []))
    print(f"tokenizers {tokenizers.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
