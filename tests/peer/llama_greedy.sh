#!/usr/bin/env bash
# Greedy tokens of each file by Seam and by llama.cpp (0.7.0: Debian forky's llama.cpp-examples), side by side. Not in CI: it
# needs llama.cpp. With random weights the best of many thousand logits is often nearly tied with the second, and rounding then
# decides; after the first difference the two continue different texts. So what counts is how far they go together.
#
#   LLAMA="chroot /opt/forky llama-completion" tests/peer/llama_greedy.sh FILE.gguf...     (same path inside and outside)
set -euo pipefail
# SEAM_ARGS and LLAMA_ARGS are added: "--kv f32" and "-ctk f32 -ctv f32 --no-repack" for the least rounding.
SEAM="${SEAM:-build/seam}" LLAMA="${LLAMA:-llama-completion}" N="${N:-16}" T="${T:-2}" CTX="${CTX:-512}"
PROMPTS=("Hello the world and then" "It was on the other hand in 1984:" "for (int i = 0; i < n; i++)")

# Texts of synthetic files are fillers, " x123" each, and a few short pieces: words are nearly tokens. The two print bytes that are no
# UTF-8, and special tokens, in ways of their own: those are left out.
together() { # words that two texts begin with in common, and how many the first has
    python3 - "$1" "$2" <<'PY'
import os, re, sys
def words(text):
    text = os.fsencode(text).decode("utf-8", "replace").replace("\ufffd", "")
    if os.environ.get("CHARS"): # graft_vocab.py: a token is a character
        return list(text.removesuffix(" [end of text]\n\n\n").rstrip("\n"))
    return re.sub(r"<\|[a-z_]+\|>|\[[A-Z]+\]", "", text).split()
a, b = map(words, sys.argv[1:])
n = min(len(a), len(b))
same = next((i for i in range(n) if a[i] != b[i]), n)
print(same, len(a))
PY
}

for file in "$@"; do
    all=0 of=0 whole=0
    for p in "${PROMPTS[@]}"; do
        ours=$(SEAM_LOG=error "$SEAM" run -m "$file" -p "$p" -n "$N" --temp 0 --ctx "$CTX" --threads "$T" ${SEAM_ARGS:-} 2>/dev/null) ||
            { echo "$file: Seam does not run it"; continue 2; }
        theirs=$($LLAMA -m "$file" -p "$p" -n "$N" --temp 0 -no-cnv -fa off -c "$CTX" --no-warmup --no-display-prompt \
            -t "$T" ${LLAMA_ARGS:-} 2>/dev/null </dev/null) || { echo "$file: llama.cpp does not run it"; continue 2; }
        read -r same n < <(together "$ours" "$theirs")
        all=$((all + same)) of=$((of + n))
        [ "$same" != "$n" ] || whole=$((whole + 1))
        [ -z "${VERBOSE:-}" ] || printf '  seam  %s\n  llama %s\n' "$ours" "$theirs"
    done
    echo "$(basename "$file"): $whole of ${#PROMPTS[@]} prompts the same to the end; $all of $of tokens before the first difference"
done
