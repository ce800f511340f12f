"""_gguf.py - damages and splits GGUF files, for the stories about bad input.

    _gguf.py split IN PREFIX N                 PREFIX-0000i-of-0000N.gguf, as llama.cpp's gguf-split names them
    _gguf.py cut IN OUT BYTES                  the first BYTES bytes (negative: all but that many)
    _gguf.py patch IN OUT WHAT                 one thing wrong: see PATCHES
    _gguf.py info IN                           bytes of the header, of the file, number of tensors

The layout (little-endian, version 3): magic, version u32, tensors u64, keys u64, keys, tensor infos, padding to
general.alignment, data.
"""
import struct
import sys

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, U16, I32, U32 = 8, 9, 2, 5, 4


class File:
    def __init__(self, path):
        self.raw = open(path, "rb").read()
        assert self.raw[:4] == b"GGUF", path
        self.at = 4
        self.version, self.n_tensors, self.n_keys = self.take("<IQQ")
        self.keys = {}  # name -> (bytes of the whole entry, offset of its value in the file)
        for _ in range(self.n_keys):
            start, name = self.at, self.string()
            (kind,) = self.take("<I")
            value_at = self.at
            self.skip(kind)
            self.keys[name] = (self.raw[start : self.at], value_at)
        self.infos_at, self.tensors = self.at, []
        for _ in range(self.n_tensors):
            start, name = self.at, self.string()
            (n_dims,) = self.take("<I")
            dims_at = self.at
            dims = self.take(f"<{n_dims}Q")
            kind_at = self.at
            kind, offset = self.take("<IQ")
            self.tensors.append(dict(name=name, dims=dims, kind=kind, offset=offset, start=start, end=self.at,
                                     dims_at=dims_at, kind_at=kind_at))
        self.align = 32
        if "general.alignment" in self.keys:
            (self.align,) = struct.unpack_from("<I", self.raw, self.keys["general.alignment"][1])
        self.data_at = -(-self.at // self.align) * self.align

    def take(self, form):
        values = struct.unpack_from(form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        (n,) = self.take("<Q")
        self.at += n
        return self.raw[self.at - n : self.at].decode("utf-8", "surrogateescape")

    def skip(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            inner, n = self.take("<IQ")
            if inner in SIZES:
                self.at += n * SIZES[inner]
            else:
                for _ in range(n):
                    self.skip(inner)
        else:
            self.at += SIZES[kind]

    def data(self, i):
        """Bytes of tensor i up to the next one (padding included)."""
        later = [t["offset"] for t in self.tensors if t["offset"] > self.tensors[i]["offset"]]
        end = self.data_at + min(later) if later else len(self.raw)
        return self.raw[self.data_at + self.tensors[i]["offset"] : end]


def key(name, kind, form, value):
    n = name.encode()
    return struct.pack("<Q", len(n)) + n + struct.pack("<I", kind) + struct.pack(form, value)


def split(f, prefix, n):
    """All keys and no tensors' data beyond its share in the first; split keys in each."""
    share = -(-f.n_tensors // n)
    for no in range(n):
        mine = list(range(no * share, min((no + 1) * share, f.n_tensors)))
        keys = [entry for entry, _ in f.keys.values()] if no == 0 else []
        if no > 0 and "general.alignment" in f.keys:
            keys.append(f.keys["general.alignment"][0])
        keys += [key("split.no", U16, "<H", no), key("split.count", U16, "<H", n),
                 key("split.tensors.count", I32, "<i", f.n_tensors)]
        infos, data = b"", b""
        for i in mine:
            t = f.tensors[i]
            infos += f.raw[t["start"] : t["kind_at"]] + struct.pack("<IQ", t["kind"], len(data))
            data += f.data(i)
            data += b"\0" * (-len(data) % f.align)
        head = struct.pack("<4sIQQ", b"GGUF", f.version, len(mine), len(keys)) + b"".join(keys) + infos
        head += b"\0" * (-len(head) % f.align)
        open(f"{prefix}-{no + 1:05d}-of-{n:05d}.gguf", "wb").write(head + data)


def put(raw, at, form, value):
    struct.pack_into(form, raw, at, value)


def arch(f, raw):
    """Another architecture of the same length of name, everywhere."""
    raw[: f.data_at] = raw[: f.data_at].replace(b"deepseek2", b"deepsink9")


def template(f, raw):
    """A chat template that nobody knows, as long as the one that is there."""
    at = f.keys["tokenizer.chat_template"][1]
    (n,) = struct.unpack_from("<Q", raw, at)
    raw[at + 8 : at + 8 + n] = b"x" * n


def last_bit(f, raw):
    raw[-1] ^= 1


PATCHES = {
    "template": template,
    "last-bit": last_bit,
    "magic": lambda f, raw: put(raw, 0, "<4s", b"GGML"),
    "big-endian": lambda f, raw: put(raw, 4, "<I", 3 << 24),
    "version-1": lambda f, raw: put(raw, 4, "<I", 1),
    "version-99": lambda f, raw: put(raw, 4, "<I", 99),
    "many-tensors": lambda f, raw: put(raw, 8, "<Q", 1 << 60),
    "many-keys": lambda f, raw: put(raw, 16, "<Q", (1 << 64) - 1),
    "long-string": lambda f, raw: put(raw, 24, "<Q", (1 << 64) - 1),
    "dims-0": lambda f, raw: put(raw, f.tensors[0]["dims_at"], "<Q", 0),
    "dims-huge": lambda f, raw: put(raw, f.tensors[0]["dims_at"], "<Q", 1 << 62),
    "type-999": lambda f, raw: put(raw, f.tensors[0]["kind_at"], "<I", 999),
    "offset-past-end": lambda f, raw: put(raw, f.tensors[0]["kind_at"] + 4, "<Q", len(raw) * 2 // 32 * 32),
    "offset-unaligned": lambda f, raw: put(raw, f.tensors[1]["kind_at"] + 4, "<Q", f.tensors[1]["offset"] + 1),
    "overlap": lambda f, raw: put(raw, f.tensors[1]["kind_at"] + 4, "<Q", f.tensors[0]["offset"]),
    "arch": arch,
    "layers-999": lambda f, raw: put(raw, f.keys["deepseek2.block_count"][1], "<I", 999),
    "embd-33": lambda f, raw: put(raw, f.keys["deepseek2.embedding_length"][1], "<I", 33),
}


def main(words):
    if words[0] == "split":
        split(File(words[1]), words[2], int(words[3]))
    elif words[0] == "cut":
        open(words[2], "wb").write(open(words[1], "rb").read()[: int(words[3])])
    elif words[0] == "patch":
        f = File(words[1])
        raw = bytearray(f.raw)
        PATCHES[words[3]](f, raw)
        assert raw != f.raw
        open(words[2], "wb").write(raw)
    elif words[0] == "info":
        f = File(words[1])
        print(f.data_at, len(f.raw), f.n_tensors)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
