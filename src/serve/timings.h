/* timings.h - where a request's time went, as members of a JSON object: `timings_ms`, and `layers` with what
 * happened when to each of them (docs/api.md). For replies and for `seam run --json`. Thread: any. */
#ifndef SEAM_SERVE_TIMINGS_H
#define SEAM_SERVE_TIMINGS_H

#include <yyjson.h>

#include "pool/pool.h"

void seam_json_timings(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct seam_timings *t);
/* A layer's `copy` is there only where its weights went to a device with memory of its own. */
void seam_json_layers(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct seam_trace *t);

#endif
