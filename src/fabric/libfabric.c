#include "fabric/libfabric.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "fabric/link.h"

struct seam_libfabric seam_fi;

/* As the loader finds it, then where the headers came from, then where Homebrew keeps it. */
static const char *const names[] = {
    SEAM_LIBFABRIC_FILE,
    SEAM_LIBFABRIC_DIR "/" SEAM_LIBFABRIC_FILE,
    "/opt/homebrew/lib/" SEAM_LIBFABRIC_FILE,
    "/usr/local/lib/" SEAM_LIBFABRIC_FILE,
};

static const struct {
    const char *name;
    size_t at;
} symbols[] = {
    {"fi_version", offsetof(struct seam_libfabric, version)},
    {"fi_getinfo", offsetof(struct seam_libfabric, getinfo)},
    {"fi_freeinfo", offsetof(struct seam_libfabric, freeinfo)},
    {"fi_dupinfo", offsetof(struct seam_libfabric, dupinfo)},
    {"fi_fabric", offsetof(struct seam_libfabric, fabric)},
    {"fi_strerror", offsetof(struct seam_libfabric, strerror)},
};

static struct seam_err failure; /* of the one attempt */

static void load(void)
{
    /* libfabric would start every provider it has; a choice made by the user stays. */
    setenv("FI_PROVIDER", "tcp", 0);
    void *lib = dlopen(names[0], RTLD_NOW | RTLD_LOCAL);
    const char *why = lib ? NULL : dlerror();
    seam_fail(&failure, SEAM_EUNSUPPORTED,
              "links need libfabric, which cannot be loaded (%s): install it (Debian: libfabric1, "
              "Homebrew: libfabric) or run 'make setup'",
              why ? why : "no reason given");
    for (size_t i = 1; !lib && i < sizeof names / sizeof *names; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return;
    seam_err_clear(&failure);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *f = dlsym(lib, symbols[i].name);
        if (!f) {
            seam_fail(&failure, SEAM_EUNSUPPORTED, "the installed libfabric has no %s",
                      symbols[i].name);
            return;
        }
        *(void **)(void *)((char *)&seam_fi + symbols[i].at) = f;
    }
    uint32_t v = seam_fi.version();
    if (FI_VERSION_LT(v, SEAM_LIBFABRIC_API))
        seam_fail(&failure, SEAM_EUNSUPPORTED,
                  "the installed libfabric %u.%u is too old: install %u.%u or newer", FI_MAJOR(v),
                  FI_MINOR(v), FI_MAJOR(SEAM_LIBFABRIC_API), FI_MINOR(SEAM_LIBFABRIC_API));
}

seam_status seam_libfabric_load(struct seam_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (failure.status != SEAM_OK && err)
        *err = failure;
    return failure.status;
}

seam_status seam_fabric_version(char *buf, size_t len, struct seam_err *err)
{
    seam_status st = seam_libfabric_load(err);
    uint32_t v = st == SEAM_OK ? seam_fi.version() : 0;
    snprintf(buf, len, "%u.%u", FI_MAJOR(v), FI_MINOR(v));
    return st;
}
