#!/usr/bin/env bash
# Runs one story in a folder of its own, in its own process group, and ends whatever it left running.
# ctest calls it: run_story.sh STORY. The story sees SEAM (the program), SEAM_SOURCE_DIR and a private TMPDIR.
set -uo pipefail
story="$1"
TMPDIR="$(mktemp -d "${TMPDIR:-/tmp}/seam-story.XXXXXX")"
export TMPDIR
export XDG_STATE_HOME="$TMPDIR/state" # no journal of a story in the home of who runs it
set -m
(cd "$TMPDIR" && exec bash "$story") </dev/null &
group=$!
set +m
finish() {
    kill -TERM -- "-$group" 2>/dev/null && sleep 0.2
    kill -KILL -- "-$group" 2>/dev/null
    rm -rf "$TMPDIR"
}
trap 'finish; exit 143' TERM INT HUP
wait "$group"
status=$?
finish
exit $status
