/* yaml.h - a text by a libcyaml schema, and what libcyaml said when it does not fit. Thread: any. */
#ifndef SEAM_PLAN_YAML_H
#define SEAM_PLAN_YAML_H

#include <cyaml/cyaml.h>
#include <stdbool.h>

#include "base/err.h"

/* A whole file of at most 1 MiB, malloc'd, on failure NULL. `what`: what a larger one is not, for the story.
 * SEAM_ENOTFOUND, SEAM_EIO, SEAM_ENOMEM. */
seam_status seam_yaml_read(const char *file, const char *what, char **text, size_t *len,
                           struct seam_err *err);

struct seam_yaml_fault {
    char cause[200];     /* libcyaml's first words, or why there are none */
    char place[200];     /* the first line of its backtrace; "": it gave none */
    const char *line_at; /* in place: "(line: ..."; NULL: not there */
    unsigned line;       /* that number; 1 where there is none */
};

/* *data is freed by seam_yaml_free. False: *fault says why, *data may hold a part all the same. */
bool seam_yaml_load(const cyaml_schema_value_t *schema, cyaml_data_t **data, const char *text,
                    size_t len, struct seam_yaml_fault *fault);
void seam_yaml_free(const cyaml_schema_value_t *schema, cyaml_data_t *data);

/* enum seam_vendor as the schemas write it; by its values (inventory.c). */
#define SEAM_YAML_VENDORS 3u
extern const cyaml_strval_t seam_yaml_vendors[SEAM_YAML_VENDORS];

#endif
