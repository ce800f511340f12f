/* writing.h - what the commands that write models share: Ctrl-C, progress, the last line. */
#ifndef SEAM_CMD_WRITING_H
#define SEAM_CMD_WRITING_H

#include "engine/fill.h"

/* Options for seam_fill_*: cancel by SIGINT and SIGTERM, which are taken over; progress with the
 * time left on stderr. `what` is borrowed. Once per process. */
void seam_writing_begin(struct seam_fill_opts *o, const char *what);
/* `what: 2.0 GB in 3.1 s, 640 MB/s` on stderr, the file's name on stdout. */
void seam_writing_end(const struct seam_gguf_out *w);

#endif
