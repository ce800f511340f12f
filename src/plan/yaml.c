#include "plan/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 20)

seam_status seam_yaml_read(const char *file, const char *what, char **text, size_t *len,
                           struct seam_err *err)
{
    *text = NULL;
    FILE *f = fopen(file, "rb");
    if (!f)
        return seam_fail(err, errno == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "%s: %s", file,
                         strerror(errno));
    *text = malloc(TEXT_MAX);
    *len = *text ? fread(*text, 1, TEXT_MAX, f) : 0;
    const bool bad = ferror(f) || *len == TEXT_MAX, none = !*text;
    fclose(f);
    if (!none && !bad)
        return SEAM_OK;
    free(*text);
    *text = NULL;
    return none ? seam_fail(err, SEAM_ENOMEM, "no memory for %s", file)
                : seam_fail(err, SEAM_EIO, "%s: cannot be read, or is no %s", file, what);
}

/* libcyaml's words: the cause first, then a backtrace whose first line has the place. */
__attribute__((format(printf, 3, 0))) static void listen(cyaml_log_t level, void *ctx,
                                                         const char *fmt, va_list args)
{
    struct seam_yaml_fault *f = ctx;
    char line[200];
    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(line, sizeof line, fmt, args);
    line[strcspn(line, "\n")] = '\0';
    char *to = strstr(line, "(line:") ? f->place : f->cause;
    if (!*to && !strstr(line, "Backtrace"))
        snprintf(to, sizeof f->cause, "%s", line);
}

static cyaml_config_t config(struct seam_yaml_fault *f)
{
    return (cyaml_config_t){.log_fn = listen,
                            .log_ctx = f,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
}

bool seam_yaml_load(const cyaml_schema_value_t *schema, cyaml_data_t **data, const char *text,
                    size_t len, struct seam_yaml_fault *fault)
{
    *fault = (struct seam_yaml_fault){.line = 1};
    cyaml_config_t cfg = config(fault);
    cyaml_err_t e = cyaml_load_data((const uint8_t *)text, len, &cfg, schema, data, NULL);
    if (e == CYAML_OK && *data)
        return true;
    if (!fault->cause[0])
        snprintf(fault->cause, sizeof fault->cause, "%s",
                 e == CYAML_OK ? "nothing in it" : cyaml_strerror(e));
    fault->line_at = strstr(fault->place, "(line: ");
    if (fault->line_at)
        fault->line = (unsigned)strtoul(fault->line_at + 7, NULL, 10);
    return false;
}

void seam_yaml_free(const cyaml_schema_value_t *schema, cyaml_data_t *data)
{
    struct seam_yaml_fault none = {.line = 1};
    cyaml_config_t cfg = config(&none);
    cyaml_free(&cfg, schema, data, 0);
}
