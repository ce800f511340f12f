"""For each pre-tokenizer of Seam: a small vocabulary trained by Hugging Face's tokenizers -> tokens-<pre>.gguf (metadata only), and
the ids that the reference tokenizer makes of token_texts.py's texts -> tokens-<pre>.ids.

    tokens.py OUT_FOLDER

tokens-texts.jsonl has a line ["unit", times] per text; line i of the .ids is its ids, a number -k meaning "the last one k times more".
"""
import json
import sys
import unicodedata

import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import TikTokenConverter
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer
from transformers.models.qwen3_5.tokenization_qwen3_5 import Qwen3_5Tokenizer

from gguf_writer import gguf
from kimi_tokens import MOONSHOT
from token_texts import all_texts

N = 1800
LLAMA3 = TikTokenConverter().pattern  # transformers' own converter of Llama 3 uses it


def split_by(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def bpe(vocab, merges, pattern, ignore_merges):
    t = Tokenizer(models.BPE(vocab, merges, ignore_merges=ignore_merges))
    t.pre_tokenizer = split_by(pattern)
    return t


def qwen(cls):
    return lambda vocab, merges: cls(vocab=vocab, merges=merges).backend_tokenizer


# pre: (the reference, or its pattern to train with; special tokens, the first as BOS, the second as EOS; further keys)
ROWS = {
    "kimi-k2": (lambda v, m: bpe(v, m, MOONSHOT, False), ["[BOS]", "[EOS]", "<|im_end|>"], {}),
    "qwen2": (qwen(Qwen2Tokenizer), ["<|endoftext|>", "<|im_end|>", "<|im_start|>"],
              {"tokenizer.ggml.normalizer.nfc": True, "tokenizer.ggml.add_bos_token": False}),
    "qwen35": (qwen(Qwen3_5Tokenizer), ["<|endoftext|>", "<|im_end|>", "<|im_start|>"],
               {"tokenizer.ggml.normalizer.nfc": True, "tokenizer.ggml.add_bos_token": False}),
    "llama-bpe": (lambda v, m: bpe(v, m, LLAMA3, True), ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], {}),
}


def train(pre_tokenizer, normalizer, corpus):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=N, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


def orphan(vocab, merges):
    """Takes away the merges of some tokens that no other merge uses: such a token is only found whole, where merges are ignored."""
    used = {part for m in merges for part in m}
    ends = [m for m in merges if "".join(m) not in used]
    gone = set(ends[::3])
    return [m for m in merges if m not in gone]


def normalised_alike(unit):
    """Hugging Face's NFC has the tables of an old Unicode; where Python's, which are new, say otherwise there is no reference."""
    return normalizers.NFC().normalize_str(unit) == unicodedata.normalize("NFC", unit)


def squeeze(ids):
    out = []
    for i in ids:
        if len(out) >= 1 and out[-1] == i:
            out.append(-1)
        elif len(out) >= 2 and out[-1] < 0 and out[-2] == i:
            out[-1] -= 1
        else:
            out.append(i)
    return out


def main(folder):
    drawn = all_texts()
    texts = [t for t in drawn if normalised_alike(t[0])]
    print(f"left out, because two NFCs differ: {[u for u, _ in drawn if not normalised_alike(u)]}")
    corpus = [u for u, _ in texts] * 2
    with open(f"{folder}/tokens-texts.jsonl", "w", encoding="utf-8") as f:
        f.writelines(json.dumps(t, ensure_ascii=False) + "\n" for t in texts)
    for pre, (build, special, keys) in ROWS.items():
        empty = build({"a": 0}, [])
        vocab, merges = train(empty.pre_tokenizer, empty.normalizer, corpus)
        if pre != "kimi-k2":  # there, ids are ranks
            merges = orphan(vocab, merges)
        reference = build(vocab, merges)
        tokens = sorted(vocab, key=vocab.get) + special
        meta = {"general.architecture": "llama", "general.name": f"tokens-{pre}", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre,
                "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1] * len(vocab) + [3] * len(special),
                "tokenizer.ggml.merges": [" ".join(m) for m in merges],
                "tokenizer.ggml.bos_token_id": len(vocab), "tokenizer.ggml.eos_token_id": len(vocab) + 1} | keys
        with open(f"{folder}/tokens-{pre}.gguf", "wb") as f:
            f.write(gguf(meta, []))
        with open(f"{folder}/tokens-{pre}.ids", "w") as f:
            for unit, times in texts:
                ids = reference.encode(unit * times, add_special_tokens=False).ids
                assert all(i < len(vocab) for i in ids), unit
                f.write(" ".join(map(str, squeeze(ids))) + "\n")
        print(f"{pre}: {len(texts)} texts, {len(merges)} merges, {sum(len(t) > 1 for t in vocab)} longer tokens")
    print(f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
