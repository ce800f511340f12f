/* command.h - the table of sub-commands (main.c), for those that walk it: dispatch, help,
 * completion, man pages. To add a command: docs/adding-a-command.md. Thread: immutable. */
#ifndef SEAM_CMD_COMMAND_H
#define SEAM_CMD_COMMAND_H

#include <yyjson.h>

#include "cmd/option.h"

size_t seam_command_count(void);
const struct seam_command *seam_command_at(size_t i); /* in the order of `seam --help` */
/* SEAM_EINVAL: no such command; the story proposes the nearest. */
seam_status seam_command_find(const struct seam_command **out, const char *name,
                              struct seam_err *err);

void seam_help_print(FILE *to); /* `seam --help`, by help.c */

/* Version, commit, system and compiler, as `seam version --json` prints them, by version.c. */
void seam_version_describe(yyjson_mut_doc *doc, yyjson_mut_val *into);

#endif
