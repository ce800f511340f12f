/* text.h - JSON values written as Python writes them (chat templates and their encoders are
 * Python: prompts must match byte for byte). Private to src/model. */
#ifndef SEAM_MODEL_TEXT_H
#define SEAM_MODEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#include "base/buf.h"
#include "model/catalog.h"

/* json.dumps(v, ensure_ascii=False, sort_keys=sorted), with separators (", ", ": ") or (",", ":").
 * false: nested deeper than SEAM_TEXT_DEPTH. */
#define SEAM_TEXT_DEPTH 64
bool seam_text_json(struct seam_buf *t, yyjson_val *v, bool sorted, bool compact);
/* The same with indent=N; 0: on one line. */
bool seam_text_json_indent(struct seam_buf *t, yyjson_val *v, unsigned indent);
/* What stands between the quotes of a JSON string. */
void seam_text_escape(struct seam_buf *t, const char *s, size_t len);
/* str.strip(): without Unicode's white space at both ends. */
struct seam_str seam_text_strip(struct seam_str s);
/* str(v) of a number, bool, None or string; false for lists and dicts. */
bool seam_text_pystr(struct seam_buf *t, yyjson_val *v);

/* The members of an object, by key in code point order, a repeated key's last value only.
 * *n of them; the caller frees. NULL when there is no memory, or *n is 0. */
struct seam_member {
    yyjson_val *key, *val;
    size_t at; /* where it was */
};
struct seam_member *seam_members_sorted(yyjson_val *obj, size_t *n);

#endif
