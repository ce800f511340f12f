#!/usr/bin/env bash
# seam pull against a stand-in of a hub with faults (_hub.py, _pull.py): 200 seeded cases end in a verified file or a clear error;
# interrupted, killed, full, locked, gated, offline; and refusals before anything is asked.
. "$(dirname "$0")/_cli.sh"
unset HF_TOKEN HF_ENDPOINT HF_HOME HF_HUB_OFFLINE
mkdir "$HERE/pull"
python3 "$SEAM_SOURCE_DIR/tests/stories/_pull.py" "$SEAM" "$HERE/pull" "${CASES:-200}" || bad "pull"

refuses 2 "'kimi-k9' is neither OWNER/NAME" pull kimi-k9
refuses 2 "'a/../b' is neither" pull a/../b
refuses 2 "MODEL is missing" pull
refuses 2 "--jobs: 0 is not 1 to 64" pull a/b -j 0
refuses 2 "--timeout: 0 is not" pull a/b --timeout 0
refuses 2 "must not hold a password" pull a/b --endpoint https://me:secret@hub.example
refuses 2 "no address of the form" pull a/b --endpoint ftp://hub.example
! grep -q secret "$err" || bad "a password was printed"
story_end
