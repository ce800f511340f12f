/* bench_phase.h - `seam bench --phase`: layouts measured in turns beside what the planner says of them, kept in
 * the journal. docs/bench.md has the protocol. Called by bench.c. */
#ifndef SEAM_CMD_BENCH_PHASE_H
#define SEAM_CMD_BENCH_PHASE_H

#include "cmd/bench.h"

/* SEAM_EINVAL: options that do not go together, or a cluster that does not name the nodes. Errors of the
 * pool name the node. Nothing is printed unless all of it was measured; what was, is in the journal. */
seam_status seam_bench_phase(const struct seam_bench_options *o, struct seam_err *err);

#endif
