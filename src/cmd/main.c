/* main.c - the table of sub-commands, and the way from argv to one of them. Exit statuses are those
 * of base/err.h; stdout is the result, stderr the conversation. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

extern const struct seam_command seam_command_inspect;
extern const struct seam_command seam_command_run;
extern const struct seam_command seam_command_node;
extern const struct seam_command seam_command_serve;
extern const struct seam_command seam_command_synth;
extern const struct seam_command seam_command_quantize;
extern const struct seam_command seam_command_bench;
extern const struct seam_command seam_command_plan;
extern const struct seam_command seam_command_pull;
extern const struct seam_command seam_command_check;
extern const struct seam_command seam_command_probe;
extern const struct seam_command seam_command_version;
extern const struct seam_command seam_command_help;
extern const struct seam_command seam_command_completion;
extern const struct seam_command seam_command_man;

static const struct row {
    const struct seam_command *command;
    bool sockets; /* a peer that hangs up is an error to handle there, not the end of the process */
} rows[] = {
    /* clang-format off */
    {&seam_command_inspect, false},
    {&seam_command_run, false},
    {&seam_command_node, true},
    {&seam_command_serve, true},
    {&seam_command_synth, false},
    {&seam_command_quantize, false},
    {&seam_command_bench, false},
    {&seam_command_plan, false},
    {&seam_command_pull, true},
    {&seam_command_check, true},
    {&seam_command_probe, true},
    {&seam_command_help, false},
    {&seam_command_version, false},
    {&seam_command_completion, false},
    {&seam_command_man, false},
    /* clang-format on */
};
#define N_ROWS (sizeof rows / sizeof *rows)

size_t seam_command_count(void)
{
    return N_ROWS;
}

const struct seam_command *seam_command_at(size_t i)
{
    return rows[i].command;
}

seam_status seam_command_find(const struct seam_command **out, const char *name,
                              struct seam_err *err)
{
    const char *words[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++) {
        *out = rows[i].command;
        words[i] = (*out)->name;
        if (!strcmp(words[i], name))
            return SEAM_OK;
    }
    *out = NULL;
    const char *near = seam_word_nearest(name, words, N_ROWS);
    if (near)
        return seam_fail(err, SEAM_EINVAL, "unknown command '%s': did you mean `seam %s`?", name,
                         near);
    return seam_fail(err, SEAM_EINVAL, "unknown command '%s' (see `seam --help`)", name);
}

static bool uses_sockets(const struct seam_command *c)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].command == c)
            return rows[i].sockets;
    return false;
}

/* `seam inspect ... | head` ends without a word when head has seen enough, and a full disk under
 * stdout is not success. */
static int run(const struct seam_command *c, int argc, char **argv)
{
    signal(SIGPIPE, uses_sockets(c) ? SIG_IGN : SIG_DFL);
    int status = c->run(c, argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status;
    fprintf(stderr, "seam %s: write to stdout: %s\n", c->name, strerror(errno));
    return status ? status : seam_status_exit(SEAM_EIO);
}

int main(int argc, char **argv)
{
    const struct seam_command *c = NULL;
    struct seam_err err = {0};
    if (argc < 2) {
        seam_help_print(stderr);
        return seam_status_exit(SEAM_EINVAL);
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    else if (!strcmp(name, "--version") || !strcmp(name, "-V"))
        name = "version";
    if (seam_command_find(&c, name, &err) != SEAM_OK) {
        fprintf(stderr, "seam: %s\n", err.text);
        return seam_status_exit(err.status);
    }
    return run(c, argc - 1, argv + 1);
}
