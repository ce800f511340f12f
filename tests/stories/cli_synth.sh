#!/usr/bin/env bash
# Models made here: synth writes one that runs, in splits and whole, quantize another from it; wishes that cannot be are refused in
# one line; Ctrl-C and a full disk leave no file.
. "$(dirname "$0")/_cli.sh"
cd "$HERE"
export SEAM_LOG=warn

seam() { "$SEAM" "$@" || bad "seam $*: exit status $?"; }
say() { "$SEAM" run -m "$1" -p "Hello the world" -n 8 --temp 0 --ctx 64 2>/dev/null || bad "seam run -m $1: exit status $?"; }

name="$(seam synth --like thimble --layers 2 --vocab 2048 --type UD-Q4_K_XL --splits 3 --empty-first -o made)"
[ "$name" = made/thimble-UD-Q4_K_XL-00001-of-00003.gguf ] || bad "synth said '$name'"
[ "$(ls made | wc -l)" = 3 ] || bad "not three files: $(ls made)"
whole="$(seam synth --like thimble --layers 2 --vocab 2048 --type UD-Q4_K_XL -o whole.gguf)"
[ -n "$(say "$name")" ] && [ "$(say "$name")" = "$(say "$whole")" ] || bad "the splits and the whole file say different things"
seam inspect "$name" | grep -q Q4_0 || bad "no Q4_0 in $name"
small() { seam synth --layers 4 --vocab 1024 --ctx 64 --set embedding_length=256 --type Q4_0 -o a.gguf --like "$@" >/dev/null; }
for arch in llama-3.1-8b:llama qwen3-8b:qwen3 qwen3.5-4b:qwen35 qwen3-30b-a3b:qwen3moe qwen3.5-397b-a17b:qwen35moe; do
    case $arch in
    *moe) small ${arch%:*} --experts 16 --set expert_feed_forward_length=256 ;;
    llama*) small ${arch%:*} --set feed_forward_length=256 --set attention.head_count=2 --set attention.head_count_kv=1 ;;
    *) small ${arch%:*} --set feed_forward_length=256 ;;
    esac
    seam inspect a.gguf --json | grep -q "\"${arch#*:}\"" || bad "$arch is not what inspect says"
    [ -n "$(say a.gguf)" ] || bad "$arch says nothing"
done

# quantize: from splits, to another type; equal types are copied
seam quantize "$name" q8.gguf --type Q8_0 >/dev/null
seam inspect q8.gguf --json | grep -q '"Q8_0"' || bad "no Q8_0 in q8.gguf"
! seam inspect q8.gguf --json | grep -q '"Q4_0"' || bad "Q4_0 is left in q8.gguf"
[ -n "$(say q8.gguf)" ] || bad "q8.gguf says nothing"
seam quantize "$whole" same.gguf --type UD-Q4_K_XL >/dev/null
cmp -s "$whole" same.gguf || bad "copying a file changed it"
SEAM_LOG=warn seam_status quantize q8.gguf k.gguf --type Q4_K
grep -q "attn_k_b.weight has 128 values per row, Q4_K takes 256: Q5_0" "$err" || bad "no word about another type: $(cat "$err")"
seam quantize whole.gguf s.gguf --type F16 --splits 2 >/dev/null
[ -n "$(say s-00001-of-00002.gguf)" ] || bad "two splits say nothing"

rm -rf ./*.gguf made
refuses 2 "no model 'kimi-k9' to imitate; there are kimi-k2.6" synth --like kimi-k9 -o x.gguf
refuses 2 "--like MODEL is missing" synth -o x.gguf
refuses 2 "no type or mix 'Q9'; there are UD-Q8_K_XL" synth --like thimble --type Q9 -o x.gguf
refuses 2 "is no KEY=VALUE" synth --like thimble --set embd -o x.gguf
refuses 2 "overrides.*expert_used_count is out of range" synth --like thimble --set expert_used_count=99 -o x.gguf
refuses 3 "x.gguf needs .* TB, and its disk has" synth --like kimi-k2.6 --type F32 -o x.gguf
refuses 8 "nothing.gguf.*No such file" quantize nothing.gguf x.gguf --type Q8_0
refuses 2 "--type is missing" quantize nothing.gguf x.gguf
[ -z "$(ls ./*.gguf* 2>/dev/null)" ] || bad "a refusal left $(ls ./*.gguf*)"

# a disk that fills in the middle stands in for itself: no file may grow over 4 MB
( ulimit -f 4096; trap '' XFSZ; "$SEAM" synth --like thimble --type F32 -o x.gguf >/dev/null 2>"$err" ) && bad "a full disk is success"
grep -q "write x.gguf.part" "$err" || bad "of a full disk it said: $(cat "$err")"
"$SEAM" synth --like qwen3-8b --layers 4 --type F32 -o x.gguf >/dev/null 2>"$err" & pid=$!
while [ ! -s x.gguf.part ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
status=0; kill -INT $pid; wait $pid || status=$?
[ $status = 13 ] || bad "Ctrl-C: exit status $status, $(cat "$err")"
[ -z "$(ls ./*.gguf* 2>/dev/null)" ] || bad "left behind: $(ls ./*.gguf*)"
story_end
