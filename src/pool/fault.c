#include "pool/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const struct {
    const char *name;
    enum seam_fault_kind kind;
} kinds[] = {
    {"drop-piece", SEAM_FAULT_DROP_PIECE},
    {"flip-piece", SEAM_FAULT_FLIP_PIECE},
    {"twice-piece", SEAM_FAULT_TWICE_PIECE},
    {"stall-piece", SEAM_FAULT_STALL_PIECE},
    {"die-at-piece", SEAM_FAULT_DIE_AT_PIECE},
    {"die-at-token", SEAM_FAULT_DIE_AT_TOKEN},
    {"wrong-version", SEAM_FAULT_WRONG_VERSION},
    {"wrong-compute", SEAM_FAULT_WRONG_COMPUTE},
    {"other-ggml", SEAM_FAULT_OTHER_GGML},
    {"clock", SEAM_FAULT_CLOCK},
    {"memory", SEAM_FAULT_MEMORY},
};

seam_status seam_fault_read(struct seam_fault *f, struct seam_err *err)
{
    *f = (struct seam_fault){0};
    const char *text = getenv("SEAM_FAULT");
    if (!text || !*text)
        return SEAM_OK;
    size_t len = strcspn(text, "=");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].name) != len || strncmp(kinds[i].name, text, len) != 0)
            continue;
        f->kind = kinds[i].kind;
        f->at = text[len] ? strtoull(text + len + 1, NULL, 10) : 0;
        seam_warn("fault %s: this node misbehaves on purpose (SEAM_FAULT)", text);
        return SEAM_OK;
    }
    return seam_fail(err, SEAM_EINVAL,
                     "SEAM_FAULT=%s is none of drop-piece=N, flip-piece=N, twice-piece=N, "
                     "stall-piece=N, die-at-piece=N, die-at-token=N, wrong-version, wrong-compute, "
                     "other-ggml, clock=N, memory=N",
                     text);
}

bool seam_fault_hits(const struct seam_fault *f, enum seam_fault_kind kind, uint64_t at)
{
    return f->kind == kind && f->at == at;
}

void seam_fault_die(void)
{
    raise(SIGKILL);
}
