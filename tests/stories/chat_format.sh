#!/usr/bin/env bash
# A model whose chat template Seam does not know: inspect and serve say so and by whose name, chats are refused with that
# reason, and plain text still works. Then a template that says Qwen3 in a file whose vocabulary is not Qwen's.
. "$(dirname "$0")/_cli.sh"
. "$(dirname "$0")/_serve.sh"

# with_template TEXT OUT : the bundled model with another template, padded to the length of its own.
with_template() {
    python3 - "$MODEL" "$1" "$2" <<'PY'
import struct, sys
raw = bytearray(open(sys.argv[1], "rb").read())
key = b"tokenizer.chat_template" + struct.pack("<I", 8)
at = raw.index(key) + len(key)
(n,) = struct.unpack_from("<Q", raw, at)
text = sys.argv[2].encode()
assert len(text) <= n, (len(text), n)
raw[at + 8 : at + 8 + n] = text + b" " * (n - len(text))
open(sys.argv[3], "wb").write(raw)
PY
}

seam_status inspect "$MODEL"
grep -Eq '^chat +kimi-k2$' "$out" && ok "inspect names the format" || bad "inspect: $(grep ^chat "$out")"

with_template '{% for m in messages %}[INST]{{ m.content }}[/INST]{% endfor %}' "$HERE/stranger.gguf"
seam_status inspect "$HERE/stranger.gguf"
[ $status = 0 ] && grep -Eq "^chat .*Mistral's, which is not known" "$out" && ok "inspect says whose template it looks like" ||
    bad "inspect: $status $(grep ^chat "$out")"
seam_status inspect --json "$HERE/stranger.gguf"
python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert "Mistral" in d["chat_error"] and "chat_format" not in d' "$out" &&
    ok "so does its JSON" || bad "inspect --json: $(head -c 300 "$out")"
refuses 5 "Mistral's.*'seam run' can still complete plain text" run -m "$HERE/stranger.gguf" -c 256 --chat -p "Hello"
seam_status run -m "$HERE/stranger.gguf" -c 256 -n 4 -p "Hello"
[ $status = 0 ] && [ -s "$out" ] && ok "plain text is completed" || bad "run -p: $status $(head -c 300 "$err")"

MODEL="$HERE/stranger.gguf"
serve_start --ctx 512
grep -q "chats will be refused: .*Mistral's" "$HERE/serve.log" && ok "serve warns" || bad "serve: $(cat "$HERE/serve.log")"
python3 - <<'PY' || bad "chats with a stranger"
from _openai import *

for stream in (False, True):
    s, h, b = ask("POST", "/v1/chat/completions", json.dumps({"messages": user("hi"), "stream": stream}).encode())
    e = json.loads(b)["error"]
    check(s == 501 and e["code"] == "unsupported" and "Mistral's" in e["message"], "a chat is refused by name", s, b)
check(ask("GET", "/health")[0] == 200 and ask("GET", "/v1/models")[0] == 200, "the rest of the server is there")
PY
serve_stop

qwen="You may call one or more functions to assist <|im_start|> <tool_response> '<tool_call>\\n{\"name\": \"' tool_call.arguments is string"
with_template "$qwen" "$HERE/half.gguf"
seam_status inspect "$HERE/half.gguf"
grep -Eq "^chat .*of the format qwen3, but its vocabulary lacks" "$out" && ok "inspect says what the vocabulary lacks" ||
    bad "inspect: $(grep ^chat "$out")"
story_end
