#!/usr/bin/env bash
# make thimble-eval: the bundled model on its held-out tasks, through a pool of a sweep node that holds less than half of the
# weights, a decode node and the server. Words are handed on to eval.py, e.g. --only chains_10 --limit 20 --verbose.
# POOLS=N starts N such pools with THREADS compute threads each and shares the cases out. The last line of stdout is the
# result. All 800 cases take over an hour on two CPU cores and about ten minutes on sixteen (POOLS=5 THREADS=3).
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=../demo_pool.sh
. "$here/../demo_pool.sh"

urls=()
for n in $(seq "${POOLS:-1}"); do
    pool_start "$n"
    urls+=(--url "$base")
done
# The scoring of prose is seam run's own: no request of the API gives log-probabilities.
python3 "$here/eval.py" "${urls[@]}" --score "$SEAM run -m $MODEL${THREADS:+ --threads $THREADS}" "$@"
