#!/usr/bin/env python3
"""Gives a GGUF without a vocabulary one of single bytes, so that programs which take text can run it.

    graft_vocab.py IN.gguf OUT.gguf

For the files of llama.cpp's test-llama-archs -o FOLDER, whose tokenizer is 'test' and whose 128 tokens are
too few for all bytes: the rows of the F32 embedding are repeated, and the head gets rows of zeros, whose logits are never the
largest. All other keys and tensors stay. Each token is a character, so this compares Seam with llama.cpp token by token:
    CHARS=1 N=32 CTX=256 SEAM_ARGS="--kv f32" LLAMA_ARGS="-ctk f32 -ctv f32 --no-repack" tests/peer/llama_greedy.sh OUT.gguf
"""
import struct
import sys

TOKENS, TIMES = 384, 3
SIZE = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def skip_value(self, kind):
        if kind == 8:
            self.take(self.u64())
        elif kind == 9:
            of = self.u32()
            for _ in range(self.u64()):
                self.skip_value(of)
        else:
            self.take(SIZE[kind])


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def vocabulary(n):
    """GPT-2's letters for all bytes, one merge, an end, fillers."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    other = [b for b in range(256) if b not in plain]
    tokens = [chr(b) if b in plain else chr(256 + other.index(b)) for b in range(256)] + ["\u0120t", "<|endoftext|>"]
    tokens += [f"<filler{i}>" for i in range(n - len(tokens))]
    kinds = [3 if t == "<|endoftext|>" else 1 for t in tokens]
    yield text("tokenizer.ggml.model") + struct.pack("<I", 8) + text("gpt2")
    yield text("tokenizer.ggml.pre") + struct.pack("<I", 8) + text("qwen2")
    yield text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, n) + b"".join(map(text, tokens))
    yield text("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, n) + struct.pack(f"<{n}i", *kinds)
    yield text("tokenizer.ggml.merges") + struct.pack("<IIQ", 9, 8, 1) + text("\u0120 t")
    yield text("tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, tokens.index("<|endoftext|>"))
    yield text("tokenizer.ggml.add_bos_token") + struct.pack("<I?", 7, False)


def tensors(r, n, align):
    """(infos, data) with the rows of the embedding and the head repeated TIMES."""
    infos = []
    for _ in range(n):
        name = r.take(r.u64())
        dims = [r.u64() for _ in range(r.u32())]
        infos.append([name, dims, r.u32(), r.u64()])
    r.at += -r.at % align
    ends = sorted(i[3] for i in infos) + [len(r.data) - r.at]
    head, data = b"", b""
    for name, dims, kind, offset in infos:
        blob = r.data[r.at + offset:r.at + ends[ends.index(offset) + 1]]
        if name in (b"token_embd.weight", b"output.weight"):
            rows = blob[:dims[0] * dims[1] * 4]
            blob = rows * TIMES if name == b"token_embd.weight" else rows + bytes((TIMES - 1) * len(rows))
            dims[1] *= TIMES
        head += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        head += struct.pack("<IQ", kind, len(data))
        data += blob + b"\0" * (-len(blob) % align)
    return head, data


def main(source, target):
    r = Reader(open(source, "rb").read())
    head, n_tensors, n_keys = r.take(8), r.u64(), r.u64()
    keys, align = [], 32
    for _ in range(n_keys):
        start = r.at
        name = r.take(r.u64()).decode()
        kind = r.u32()
        r.skip_value(kind)
        if name.endswith(".vocab_size"):
            keys.append(r.data[start:r.at - 4] + struct.pack("<I", TOKENS))
        elif not name.startswith("tokenizer."):
            keys.append(r.data[start:r.at])
    infos, data = tensors(r, n_tensors, align)
    keys += vocabulary(TOKENS)
    out = head + struct.pack("<QQ", n_tensors, len(keys)) + b"".join(keys) + infos
    with open(target, "wb") as f:
        f.write(out + b"\0" * (-len(out) % align) + data)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
