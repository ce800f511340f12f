/* json.h - how a command ends that was asked for --json. */
#ifndef SEAM_CMD_JSON_H
#define SEAM_CMD_JSON_H

#include <yyjson.h>

#include "base/err.h"

/* The document on stdout, indented by two; it is freed, also on failure. flags: more of yyjson's. SEAM_ENOMEM. */
seam_status seam_json_put(yyjson_mut_doc *d, yyjson_write_flag flags, struct seam_err *err);

#endif
