#!/usr/bin/env bash
# Help, version and the answers to slips of the fingers.
. "$(dirname "$0")/_cli.sh"

seam_status --help
[ $status = 0 ] && [ -s "$out" ] && [ ! -s "$err" ] || bad "seam --help"
cp "$out" "$HERE/help"
for words in -h help; do
    seam_status $words
    cmp -s "$out" "$HERE/help" || bad "seam $words differs from seam --help"
done
seam_status
[ $status = 2 ] && [ ! -s "$out" ] && grep -q '^usage:' "$err" || bad "seam without words"

for c in $(seam_commands); do
    seam_status help "$c"
    [ $status = 0 ] && grep -q "^usage: seam $c " "$out" || bad "seam help $c"
    cp "$out" "$HERE/page"
    for option in --help -h; do
        seam_status "$c" "$option"
        [ $status = 0 ] && [ ! -s "$err" ] && cmp -s "$out" "$HERE/page" || bad "seam $c $option"
    done
    for word in usage: options: examples: "exit status"; do
        grep -q "^$word" "$HERE/page" || bad "seam help $c has no $word"
    done
    awk 'length > 100 { exit 1 }' "$HERE/page" || bad "seam help $c has lines over 100 columns"
    # every example names options that exist
    for o in $(sed -n '/^examples:/,/^exit/p' "$HERE/page" | grep -E "seam $c " | grep -oE -- '--[a-z][a-z0-9-]*'); do
        seam_options "$c" | grep -qx -- "${o#--}" || bad "an example of seam help $c has $o, which does not exist"
    done
    refuses 2 "unknown option --no-such-thing" "$c" --no-such-thing
    refuses 2 "unknown option --hlep: did you mean --help\\?" "$c" --hlep
done
[ "$(seam_commands | wc -l)" -ge 8 ] || bad "fewer commands than there are"
for c in inspect run node serve synth quantize bench plan pull version help completion man; do
    seam_commands | grep -qx $c || bad "no command $c"
done

refuses 2 "unknown command 'inpsect': did you mean .seam inspect." inpsect file.gguf
refuses 2 "unknown command 'bake' \\(see .seam --help.\\)" bake
refuses 2 "unknown command 'inpsect': did you mean .seam inspect." help inpsect
refuses 2 "unexpected argument 'it'" version it
refuses 2 "did you mean --json" version --jsno
refuses 2 "SHELL is missing" completion
refuses 2 "did you mean zsh" completion zhs
refuses 2 "unknown command '--bogus'" --bogus

seam_status version
[ $status = 0 ] && grep -Eq '^seam [0-9]+\.[0-9]+\.[0-9]+' "$out" || bad "seam version: $(cat "$out")"
cp "$out" "$HERE/version"
for words in --version -V; do
    seam_status $words
    cmp -s "$out" "$HERE/version" || bad "seam $words differs from seam version"
done
seam_status version --json
python3 - "$out" <<'PY' || bad "seam version --json"
import json, sys
v = json.load(open(sys.argv[1]))
assert v["wire_version"] >= 1 and v["version"] and v["compiler"] and v["system"] and v["machine"], v
PY

# A reader that has seen enough is no error to talk about; a full disk is.
{ "$SEAM" help run || true; } 2>"$err" | head -n 1 >/dev/null
[ ! -s "$err" ] || bad "seam help run | head complained: $(cat "$err")"
if [ -w /dev/full ]; then
    status=0
    "$SEAM" help >/dev/full 2>"$err" || status=$?
    [ $status = 3 ] && grep -q 'write to stdout' "$err" || bad "a full disk: status $status, $(cat "$err")"
fi
story_end
