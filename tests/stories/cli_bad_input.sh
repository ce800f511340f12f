#!/usr/bin/env bash
# What people really hand over: damaged files, half of a download, budgets that cannot work, prompts that are too long.
# Each ends with one clear line, the documented exit status, and an empty stdout.
. "$(dirname "$0")/_cli.sh"

model="${SEAM_STORY_MODEL:-$SEAM_SOURCE_DIR/models/thimble-q8_0.gguf}"
[ -f "$model" ] || { echo "FAILED: $model is not there" >&2; exit 1; }
gguf() { python3 "$SEAM_SOURCE_DIR/tests/stories/_gguf.py" "$@"; }
cd "$HERE"
read -r header bytes tensors < <(gguf info "$model")

# ---- files that are not what they claim ----
refuses 8 "nothing.gguf.*No such file" inspect nothing.gguf
refuses 8 "nothing.gguf.*No such file" run -m nothing.gguf -p hi
refuses 4 "is a folder" inspect "$HERE"
: >empty.gguf
refuses 4 "empty.gguf: is empty" inspect empty.gguf
echo "# a page, not a model" >page.gguf
refuses 4 "page.gguf: not a GGUF" inspect page.gguf
if [ -c /dev/zero ]; then refuses 4 "not a regular file" inspect /dev/zero; fi

for n in 1 3 4 8 20 24 200 $((header / 2)) $((header - 1)) $((header + 1)) $((bytes / 2)) -1; do
    gguf cut "$model" cut.gguf "$n"
    refuses 4 "cut.gguf: " inspect cut.gguf
done
rm cut.gguf

patched() { # WHAT STATUS PATTERN
    gguf patch "$model" "$1.gguf" "$1"
    refuses "$2" "$3" inspect "$1.gguf"
    rm "$1.gguf"
}
patched magic 4 "magic.gguf: not a GGUF"
patched big-endian 5 "big-endian"
patched version-1 5 "version 1"
patched version-99 5 "version 99"
patched many-tensors 4 "many-tensors.gguf: "
patched many-keys 4 "many-keys.gguf: "
patched long-string 4 "long-string.gguf: "
patched dims-0 4 "tensor .*dimension"
patched dims-huge 4 "tensor .*absurd"
patched type-999 5 "type 999"
patched offset-past-end 4 "tensor "
patched offset-unaligned 4 "tensor "
patched overlap 4 "overlap"

# A GGUF that is whole but not runnable: run refuses; inspect describes what it can, and has the same exit status.
not_runnable() { # WHAT STATUS PATTERN
    gguf patch "$model" "$1.gguf" "$1"
    refuses "$2" "$3" run -m "$1.gguf" -p hi
    seam_status inspect "$1.gguf"
    [ $status = "$2" ] && [ -s "$out" ] && grep -Eq -- "$3" "$err" ||
        bad "seam inspect $1.gguf: status $status, $(head -c 300 "$err")"
    rm "$1.gguf"
}
not_runnable arch 5 "architecture 'deepsink9'; Seam runs deepseek2"
not_runnable layers-999 4 "tensor blk\.[0-9]+\.[a-z_.]+ is missing, and [0-9]+ more"
not_runnable embd-33 4 "tensor .* has the shape"

# ---- splits ----
gguf split "$model" part 3
"$SEAM" inspect part-00001-of-00003.gguf >/dev/null || bad "a whole split is refused"
"$SEAM" inspect part-00003-of-00003.gguf >/dev/null || bad "a whole split is refused by its last shard"
whole="$("$SEAM" run -m "$model" -p "The cable" -n 8 --temp 0 2>"$err" || cat "$err" >&2)"
[ -n "$whole" ] || bad "the model itself does not run"
[ "$("$SEAM" run -m part-00002-of-00003.gguf -p "The cable" -n 8 --temp 0 2>"$err" || true)" = "$whole" ] ||
    bad "a split file and its merged twin do not say the same"

mv part-00002-of-00003.gguf away
refuses 8 "shard 2 of 3 is missing: part-00002-of-00003.gguf" inspect part-00001-of-00003.gguf
mv away part-00002-of-00003.gguf
cp part-00003-of-00003.gguf part-00004-of-00003.gguf
refuses 4 "part-00004-of-00003.gguf.*remove it" inspect part-00001-of-00003.gguf
rm part-00004-of-00003.gguf
cp part-00001-of-00003.gguf part-00001-of-00004.gguf
refuses 4 "part-00001-of-00004.gguf.*another split" inspect part-00001-of-00003.gguf
rm part-00001-of-00004.gguf
cp part-00002-of-00003.gguf away
cp part-00003-of-00003.gguf part-00002-of-00003.gguf
refuses 4 "part-00002-of-00003.gguf: shards disagree" inspect part-00001-of-00003.gguf
gguf cut away part-00002-of-00003.gguf -1000
refuses 4 "part-00002-of-00003.gguf: " run -m part-00001-of-00003.gguf -p hi
cp away part-00002-of-00003.gguf
cp part-00001-of-00003.gguf alone.gguf
refuses 4 "alone.gguf: holds one of 3 shards" inspect alone.gguf
rm -f part-* alone.gguf away

# ---- files we may not read (root may read anything, so it asks as somebody else) ----
cp "$model" secret.gguf
chmod 000 secret.gguf
if [ "$(id -u)" != 0 ]; then
    refuses 3 "secret.gguf: .*ermission denied" inspect secret.gguf
elif command -v setpriv >/dev/null; then
    chmod 755 "$HERE" && cp "$SEAM" seam-copy && chmod 755 seam-copy
    status=0
    (cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$HERE/seam-copy" inspect "$HERE/secret.gguf") >"$out" 2>"$err" || status=$?
    [ $status = 3 ] && [ "$(wc -l <"$err")" = 1 ] && [ ! -s "$out" ] && grep -qi 'permission denied' "$err" ||
        bad "an unreadable file: status $status, $(head -c 300 "$err")"
else
    echo "note: root without setpriv here, an unreadable file was not tried"
fi
rm -f secret.gguf

# ---- budgets: the message names the smallest that works, and it tells the truth ----
refuses 6 "budget of 1.05 MB is too small.* = .*use --memory [0-9]+M or more" \
    run -m "$model" -p hi -n 1 --ctx 512 --memory 1M
smallest="$(grep -oE 'use --memory [0-9]+M' "$err" | grep -oE '[0-9]+' || echo 3)"
seam_status run -m "$model" -p hi -n 1 --temp 0 --ctx 512 --memory "${smallest}M"
[ $status = 0 ] || bad "--memory ${smallest}M was promised to work: $(cat "$err")"
refuses 6 "too small" run -m "$model" -p hi -n 1 --ctx 512 --memory "$((smallest - 2))M"
refuses 6 "weights budget of .* is too small.*use --weights-memory [0-9]+K or more" \
    run -m "$model" -p hi -n 1 --ctx 512 --weights-memory 1K
smallest="$(grep -oE 'use --weights-memory [0-9]+K' "$err" | grep -oE '[0-9]+' || echo 9)"
seam_status run -m "$model" -p hi -n 1 --temp 0 --ctx 512 --weights-memory "${smallest}K"
[ $status = 0 ] || bad "--weights-memory ${smallest}K was promised to work: $(cat "$err")"
refuses 6 "too small" run -m "$model" -p hi -n 1 --ctx 512 --weights-memory "$((smallest - 8))K"
refuses 5 "mmap on: weights that do not all fit" run -m "$model" -p hi -n 1 --ctx 512 --weights-memory "${smallest}K" --mmap on
refuses 2 "'never' is not one of auto\\|on\\|off" run -m "$model" -p hi --mmap never
refuses 2 "for a node inside this process" serve -m "$model" --node 127.0.0.1:1 --mmap on
refuses 2 "'lots' is not a size" run -m "$model" -p hi --memory lots

# ---- prompts ----
python3 -c 'print("one two three four " * 200)' >long.txt
refuses 7 "prompt has [0-9]+ tokens, the context 256" run -m "$model" -f long.txt --ctx 256
refuses 2 "more than the [0-9]+ the model was trained for" run -m "$model" -p hi --ctx 100000000
refuses 8 "nothing.txt" run -m "$model" -f nothing.txt
refuses 3 "." run -m "$model" -f "$HERE"
refuses 2 "prompt is empty" run -m "$model" -f /dev/null
refuses 2 "which model" run -p hi
refuses 2 "give one of -p TEXT" run -m "$model"
refuses 2 "give one of -p TEXT" run -m "$model" -p hi -f long.txt
refuses 2 "top_p" run -m "$model" -p hi --top-p 1.5

# ---- options ----
refuses 2 "did you mean --weights-memory" run -m "$model" -p hi --weight-memory 1G
refuses 2 "did you mean --predict" run -m "$model" -p hi --predcit 3
refuses 2 "FILE is missing" inspect
refuses 2 "'f17' is not one of f16\\|f32: did you mean f16" run -m "$model" -p hi --kv f17
refuses 2 "unexpected argument 'hi'" run -m "$model" hi

# ---- a pool that is not there ----
refuses 12 "127.0.0.1:1.*(seam node|start)" run -m "$model" -p hi --node 127.0.0.1:1
story_end
