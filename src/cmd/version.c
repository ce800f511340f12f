/* version.c - `seam version`: what this binary is, for bug reports. */
#include <stdlib.h>
#include <yyjson.h>

#include "cmd/command.h"
#include "fabric/wire.h"

#ifndef SEAM_VERSION
#error "SEAM_VERSION comes from CMakeLists.txt"
#endif
#ifndef SEAM_COMMIT /* built without git */
#define SEAM_COMMIT ""
#endif

#if defined __linux__
#define SYSTEM "linux"
#elif defined __APPLE__
#define SYSTEM "macos"
#else
#define SYSTEM "unknown"
#endif
#if defined __x86_64__
#define MACHINE "x86_64"
#elif defined __aarch64__
#define MACHINE "aarch64"
#else
#define MACHINE "unknown"
#endif
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#if defined __clang__
#define COMPILER \
    "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "gcc " __VERSION__
#endif

void seam_version_describe(yyjson_mut_doc *doc, yyjson_mut_val *into)
{
    yyjson_mut_obj_add_str(doc, into, "version", SEAM_VERSION);
    yyjson_mut_obj_add_str(doc, into, "commit", SEAM_COMMIT);
    yyjson_mut_obj_add_uint(doc, into, "wire_version", SEAM_WIRE_VERSION);
    yyjson_mut_obj_add_str(doc, into, "system", SYSTEM);
    yyjson_mut_obj_add_str(doc, into, "machine", MACHINE);
    yyjson_mut_obj_add_str(doc, into, "compiler", COMPILER);
}

static seam_status print_json(void)
{
    seam_status st = SEAM_ENOMEM;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    uint32_t v = yyjson_version();
    char yyjson[32];
    snprintf(yyjson, sizeof yyjson, "%u.%u.%u", v >> 16, v >> 8 & 0xff, v & 0xff);
    yyjson_mut_doc_set_root(doc, root);
    seam_version_describe(doc, root);
    yyjson_mut_obj_add_str(doc, root, "yyjson", yyjson);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    if (text) {
        puts(text);
        st = SEAM_OK;
    }
    free(text);
    yyjson_mut_doc_free(doc);
    return st;
}

static int print(bool json)
{
    if (json)
        return seam_status_exit(print_json());
    printf("seam %s (%s%swire version %u, %s %s, %s)\n", SEAM_VERSION, SEAM_COMMIT,
           *SEAM_COMMIT ? ", " : "", SEAM_WIRE_VERSION, SYSTEM, MACHINE, COMPILER);
    return 0;
}

struct opts {
    bool json;
};

static const struct seam_option options[] = {
    {.name = "json",
     .kind = SEAM_OPTION_FLAG,
     .offset = offsetof(struct opts, json),
     .help = "one JSON object on stdout instead of a line"},
    {0},
};

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct opts o = {0};
    struct seam_err err = {0};
    int n = 0;
    if (seam_option_parse(self, &o, argc, argv, &n, &err) != SEAM_OK)
        return seam_command_fail(self, &err);
    return print(o.json);
}

const struct seam_command seam_command_version = {
    .name = "version",
    .summary = "say which build of Seam this is",
    .operands = "",
    .about =
        "Prints the version (of the source, by git where there is one), the version of the wire "
        "protocol, on which nodes must agree, and how it was compiled. `seam --version` is the "
        "same.",
    .examples = "  seam version\n"
                "  seam version --json\n",
    .options = options,
    .run = run,
};
