/* graph_gqa.h - grouped-query attention, for the architectures that have it. A cache row holds the
 * keys of all KV heads (rotated), then the values of all. Private to src/engine. */
#ifndef SEAM_ENGINE_GRAPH_GQA_H
#define SEAM_ENGINE_GRAPH_GQA_H

#include "engine/graph.h"

/* h: normed input [n_embd, n]. Appends the rows of [pos, pos + n) to the cache. */
void seam_gqa_rows(struct seam_graph *g, struct ggml_tensor *h);
/* q: [d_head, n_head, n], normed and rotated here. -> [d_v * n_head, n] over the cached rows. */
struct ggml_tensor *seam_gqa_attend(struct seam_graph *g, struct ggml_tensor *q);

#endif
