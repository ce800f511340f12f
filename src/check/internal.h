/* internal.h - what the checks share: the state of a run, and how a check says what it found. Private to
 * src/check. */
#ifndef SEAM_CHECK_INTERNAL_H
#define SEAM_CHECK_INTERNAL_H

#include "check/check.h"
#include "check/lock.h"
#include "check/sums.h"
#include "engine/engine.h"
#include "pool/fault.h"
#include "pool/status.h"

struct seam_check_node {
    struct seam_node_status s;
    struct seam_err err; /* why it did not answer; SEAM_OK: it did */
    char name[64];       /* its own, or else its address */
};
struct seam_check {
    const struct seam_check_opts *o;
    struct seam_check_report *r;
    const struct seam_check_row *row; /* that runs */
    size_t said;                      /* findings of the row */
    struct seam_fault fault;
    struct seam_facts facts; /* of this machine */
    char here[64];
    /* The model: the catalogue is the model's once there is one. model_err tells why not. */
    struct seam_catalog *catalog;
    struct seam_model *model;
    struct seam_err catalog_err, model_err;
    struct seam_fabric *fabric; /* NULL: no libfabric */
    struct seam_check_node *node;
    size_t n_answers;
    struct seam_machine *machine; /* this one, then nodes that answered */
    size_t n_machine;
    struct seam_lock *lock;
    struct seam_sums *sums;
    struct seam_engine_memory memory; /* of a node here; total 0: its budget does not work */
};

/* What a row needs to run; each has a reason for skipping it (check.c). */
enum {
    SEAM_NEED_FILE = 1,    /* -m */
    SEAM_NEED_CATALOG = 2, /* that can be opened */
    SEAM_NEED_MODEL = 4,   /* and understood */
    SEAM_NEED_HERE = 8,
    SEAM_NEED_NODES = 16,
    SEAM_NEED_ANSWERS = 32,
    SEAM_NEED_LOCK = 64,
    SEAM_NEED_CLUSTER = 128,
    SEAM_NEED_FABRIC = 256
};
struct seam_check_row {
    const char *id, *what;
    unsigned needs;
    void (*run)(struct seam_check *c);
    const char *mend; /* unless the check says better */
};

/* Add a finding of the running row. where NULL: this machine. */
void seam_check_say(struct seam_check *c, enum seam_check_result result, const char *where,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Replace the mend of the last finding. */
void seam_check_mend(struct seam_check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Node i when it answered, else NULL. */
const struct seam_node_status *seam_check_answer(const struct seam_check *c, size_t i);

/* here.c */
void seam_check_versions(struct seam_check *c);
void seam_check_devices(struct seam_check *c);
void seam_check_golden(struct seam_check *c);
void seam_check_budget(struct seam_check *c);
void seam_check_memory(struct seam_check *c);
void seam_check_wired(struct seam_check *c);
void seam_check_disk(struct seam_check *c);
void seam_check_port(struct seam_check *c);
/* files.c */
void seam_check_files(struct seam_check *c);
void seam_check_types(struct seam_check *c);
void seam_check_architecture(struct seam_check *c);
void seam_check_chat(struct seam_check *c);
void seam_check_sums(struct seam_check *c);
void seam_check_speed(struct seam_check *c);
/* nodes.c */
void seam_check_nodes(struct seam_check *c);
void seam_check_wire(struct seam_check *c);
void seam_check_same_model(struct seam_check *c);
void seam_check_roles(struct seam_check *c);
void seam_check_agree(struct seam_check *c);
void seam_check_clock(struct seam_check *c);
void seam_check_cluster(struct seam_check *c);
void seam_check_lock(struct seam_check *c);
void seam_check_known(struct seam_check *c);

#endif
