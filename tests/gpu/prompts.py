#!/usr/bin/env python3
"""Questions on documents from models/tasks, as gpu_sweep_test -p wants them: prompt \\x1f wanted value \\x1e.

usage: prompts.py [COUNT] > FILE     (default 40: a fifth of 12 to 16 thousand tokens, the others of 2 to 4)
"""
import json
import lzma
import os
import sys

TASKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "tasks")


def cases(name, count):
    docs, n = {}, 0
    with lzma.open(os.path.join(TASKS, name + ".jsonl.xz"), "rt", encoding="utf-8") as f:
        for row in map(json.loads, f):
            if "text" in row:
                docs[row["doc"]] = row["text"]
            elif n < count and row.get("want"):
                n += 1
                yield docs[row["ask"]] + row["question"], row["want"]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    for name, share in (("facts_2k_4k", count - count // 5), ("facts_12k_16k", count // 5)):
        for text, want in cases(name, share):
            sys.stdout.write(f"<|im_user|>user<|im_middle|>{text}<|im_end|><|im_assistant|>assistant<|im_middle|>"
                             f"<think></think>\x1f{want}\x1e")


if __name__ == "__main__":
    main()
