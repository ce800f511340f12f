"""A second opinion on the tokenizer goldens: llama.cpp's llama-tokenize on the same vocabularies, every N-th text.

    tokens_check.py GOLDEN_FOLDER [N]

llama.cpp never normalises for BPE, so Qwen's texts are given to it in NFC. Prints each text that differs, with both lists.
"""
import json
import os
import subprocess
import sys
import tempfile
import unicodedata


def unsqueeze(line):
    ids = []
    for i in map(int, line.split()):
        ids += [i] if i >= 0 else [ids[-1]] * -i
    return ids


def llama(gguf, text):
    with tempfile.NamedTemporaryFile() as f:
        f.write(text.encode("utf-8"))
        f.flush()
        out = subprocess.run(["llama-tokenize", "-m", gguf, "-f", f.name, "--ids", "--no-bos", "--no-parse-special", "--no-escape", "--log-disable"],
                             capture_output=True, text=True)
    try:
        return json.loads(out.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return f"no ids: {out.stdout[-200:]} {out.stderr[-200:]}"


def main(folder, step=6):
    with open(f"{folder}/tokens-texts.jsonl", encoding="utf-8") as f:
        texts = [u * n for u, n in map(json.loads, f)]
    for name in sorted(os.listdir(folder)):
        if not (name.startswith("tokens-") and name.endswith(".ids")):
            continue
        with open(f"{folder}/{name}") as f:
            want = [unsqueeze(line) for line in f]
        asked = differ = 0
        for i in range(0, len(texts), step):
            text = unicodedata.normalize("NFC", texts[i]) if "qwen" in name else texts[i]
            if not text:
                continue
            asked += 1
            got = llama(f"{folder}/{name[:-4]}.gguf", text)
            if got != want[i]:
                differ += 1
                print(f"{name[7:-4]} {i + 1} {ascii(text[:60])}\n  reference {want[i][:30]}\n  llama.cpp {got[:30]}")
        print(f"{name[7:-4]}: {asked} texts, {differ} differ", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
