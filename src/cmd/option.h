/* option.h - options as a table: it parses, validates, prints --help, shell completion and the man
 * page. Thread: main only. */
#ifndef SEAM_CMD_OPTION_H
#define SEAM_CMD_OPTION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum seam_option_kind {
    SEAM_OPTION_FLAG,   /* bool */
    SEAM_OPTION_STRING, /* const char *, into argv */
    SEAM_OPTION_LIST,   /* struct seam_option_list: may be given several times */
    SEAM_OPTION_U32,    /* uint32_t */
    SEAM_OPTION_U64,    /* uint64_t */
    SEAM_OPTION_F32,    /* float */
    SEAM_OPTION_SIZE    /* uint64_t bytes, base/size.h */
};
#define SEAM_OPTION_LIST_MAX 64
struct seam_option_list {
    const char *v[SEAM_OPTION_LIST_MAX];
    size_t n;
};
struct seam_option {
    const char *name; /* "weights-memory" */
    char letter;      /* 'm' or 0 */
    enum seam_option_kind kind;
    const char *arg;     /* "SIZE"; NULL for a flag */
    size_t offset;       /* into the command's options struct */
    const char *help;    /* one sentence, default included */
    const char *choices; /* "sweep|decode|both" or NULL: checked */
};

/* The row of every command that loads weights. `when`: "" or what it goes with ("without --node: ");
 * `otherwise`: its default, in words. For seam_mmap_named(). */
#define SEAM_OPTION_MMAP(when, otherwise, offset)                                           \
    {                                                                                       \
        "mmap", 0, SEAM_OPTION_STRING, "WHEN", offset,                                      \
            when "use the weights where they lie in the page cache instead of a copy; "     \
                 "auto: if all of them do, and none is of a type that wants another order " \
                 "(default " otherwise ")",                                                 \
            "auto|on|off"                                                                   \
    }

/* Of every command that decodes in this process. */
#define SEAM_OPTION_DECODE_DEVICE(offset)                                                \
    {                                                                                    \
        "decode-device", 0, SEAM_OPTION_STRING, "NAME", offset,                          \
            "who decodes, and prefills where nobody sweeps; auto: a GPU that holds all " \
            "weights, else the CPU (default auto)",                                      \
            NULL                                                                         \
    }

struct seam_command {                  /* one row of the table in main.c */
    const char *name;                  /* "run" */
    const char *summary;               /* one line for `seam --help` */
    const char *operands;              /* "FILE", "[NAME]", "FILE..." or "": how many is checked */
    const char *about;                 /* a paragraph */
    const char *examples;              /* lines, each "  seam run ...\n" */
    const struct seam_option *options; /* ends with .name == NULL; --help is added to every one */
    int (*run)(const struct seam_command *self, int argc, char **argv); /* exit status */
};

/* Fill `into` (already holding defaults) from argv[1..] (argv[0] is the command's name); operands
 * are moved to argv[0 .. *n_operands). Accepts --name=value, --name value, -x value, -xvalue, -ab;
 * "--" ends the options, "-" is an operand. Prints help on --help and returns SEAM_ECANCELED with
 * an empty story, for which seam_command_fail() says nothing and returns 0:
 * `if (st != SEAM_OK) return seam_command_fail(self, &err);` is all that a command needs.
 * SEAM_EINVAL: the story names the option and, for a typo, the nearest one. */
seam_status seam_option_parse(const struct seam_command *cmd, void *into, int argc, char **argv,
                              int *n_operands, struct seam_err *err);
void seam_command_help_print(const struct seam_command *cmd, FILE *to);

/* Print `seam NAME: story` to stderr and return the exit status of err->status. */
int seam_command_fail(const struct seam_command *cmd, const struct seam_err *err);

/* "-m, --model FILE" into buf, which is returned: the same words in help, man page and messages. */
const char *seam_option_label(const struct seam_option *o, char *buf, size_t len);
/* The row of --help, which every command has beside its own. */
extern const struct seam_option seam_option_help;

/* The nearest of `n` words to a mistyped one, NULL when none is near enough to propose. */
const char *seam_word_nearest(const char *word, const char *const *words, size_t n);
/* Print text broken at spaces so that lines end before `width`; the first line starts at column
 * `at`, later ones at `indent`. Newlines in the text are kept. Ends with a newline. */
void seam_text_wrap(FILE *to, const char *text, int at, int indent, int width);

#endif
