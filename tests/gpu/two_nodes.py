#!/usr/bin/env python3
"""Two nodes on one machine, the sweep on CUDA and the decoding on the CPU, against one process on the CPU alone.

usage: two_nodes.py SEAM MODEL PROMPTS [DEVICE]     (PROMPTS as prompts.py writes them; DEVICE decodes instead)

Greedy. At least 95 % of the prompts give the same tokens, and the pool finds every fact that the CPU finds.
Ends with 1 where that does not hold; 77: the sweep node finds no NVIDIA GPU.
"""
import json
import os
import subprocess
import sys
import tempfile

ANSWER = 24
START_S = 120


class Node:
    """A `seam node` of this machine, ready; its errors are kept for who asks."""

    def __init__(self, seam, model, work, *options):
        self.log = open(os.path.join(work, options[1] + ".err"), "w+")
        command = [seam, "node", "-m", model, "--listen", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline().split()
        if line[:1] != ["ready"]:
            self.stop()
            raise RuntimeError(self.told())
        self.address = line[1]

    def told(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(START_S)


def answer(seam, model, prompt, *options):
    command = [seam, "run", "-m", model, "-f", prompt, "--special", "-n", str(ANSWER), "--temp", "0", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"two_nodes.py: {' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    seam, model, prompts = sys.argv[1:4]
    device = sys.argv[4] if len(sys.argv) > 4 else "cpu"
    with open(prompts, encoding="utf-8") as f:
        cases = [case.split("\x1f") for case in f.read().split("\x1e") if case]
    nodes = []
    with tempfile.TemporaryDirectory() as work:
        try:
            nodes.append(Node(seam, model, work, "--role", "sweep", "--device", "cuda"))
            nodes.append(Node(seam, model, work, "--role", "decode", "--decode-device", device))
            if not compare(seam, model, work, cases, nodes, device):
                sys.exit(1)
        except RuntimeError as e:
            print(e, file=sys.stderr)
            sys.exit(77 if "no NVIDIA GPU" in str(e) else 1)
        finally:
            for node in nodes:
                node.stop()


def compare(seam, model, work, cases, nodes, device):
    """Tell of every prompt that differs and of the whole; True: good enough."""
    prompt, same, found = os.path.join(work, "prompt"), 0, [0, 0]
    pool = [word for node in nodes for word in ("--node", node.address)]
    for i, (text, want) in enumerate(cases):
        with open(prompt, "w", encoding="utf-8") as f:
            f.write(text)
        alone = answer(seam, model, prompt, "--device", "cpu", "--decode-device", "cpu")
        pooled = answer(seam, model, prompt, *pool, "--path", "sweep")
        if pooled["path"] != "sweep" or pooled["fallback"]:
            print(f"BAD  prompt {i} was not swept: {pooled['path']} {pooled['fallback']}")
            return False
        same += alone["tokens"] == pooled["tokens"]
        found[0] += want in alone["text"]
        found[1] += want in pooled["text"]
        if alone["tokens"] != pooled["tokens"]:
            print(f"     prompt {i} ({alone['prompt_tokens']} tokens): {alone['tokens']} alone, {pooled['tokens']} pooled")
    good = same >= 0.95 * len(cases) and found[1] >= found[0]
    print(f"{'ok ' if good else 'BAD'}  two nodes, {len(cases)} prompts: {same} the same tokens, "
          f"found {found[0]} (CPU alone) {found[1]} (CUDA sweeps, {device} decodes)")
    return good


if __name__ == "__main__":
    main()
