/* status.h - what a machine says about itself: versions, memory, room, clock; of this one, or of a node
 * that is asked. For `seam check`; costs a node a moment, with the self-test some 50 ms of one core.
 * Thread: any. Units: bytes, nanoseconds. */
#ifndef SEAM_POOL_STATUS_H
#define SEAM_POOL_STATUS_H

#include <stdint.h>

#include "fabric/link.h"
#include "model/catalog.h"

#define SEAM_NAME_MAX 64

struct seam_facts {
    char seam[32], ggml[32]; /* "0.1.0" */
    char backends[200];      /* ggml's devices: "CPU, BLAS" */
    char libfabric[32];      /* "1.17"; "": none can be loaded */
    char driver[48];         /* NVIDIA's; "": none */
    char system[96];         /* "Linux 6.1.0 x86_64" */
    char product[64];        /* "NVIDIA_DGX_Spark"; "": nobody says */
    uint8_t nic_lanes;       /* fewest PCIe lanes of a Mellanox/NVIDIA NIC; 0: there is none */
    uint64_t memory_bytes, memory_free;
    bool has_wired_limit; /* macOS */
    uint64_t wired_bytes; /* 0: the system's default */
    uint64_t disk_free;   /* where `path` lies */
    uint64_t wall_ns;     /* since 1970 */
};
/* path NULL: the working folder. What cannot be found out stays "" or 0. */
void seam_facts_gather(struct seam_facts *f, const char *path);

struct seam_node_status {
    char addr[128], name[SEAM_NAME_MAX];
    uint8_t role; /* enum seam_node_role */
    struct seam_fingerprint model;
    char model_name[SEAM_NAME_MAX], kv_layout[32];
    uint32_t n_ctx, n_lanes;
    struct seam_facts facts;
    uint64_t memory_planned; /* all that it may allocate */
    char wrong[256];         /* what its self-test found; "": it computes right */
    uint64_t rtt_ns;
    int64_t ahead_ns; /* its clock against ours, known to half a round trip */
};
/* Asks over a link of its own, as somebody who only looks: whatever model the node holds.
 * SEAM_EPEER, SEAM_ETIMEOUT: nobody answers. SEAM_EPROTO: no node of ours, or another wire version.
 * What came before a failure is filled in. */
seam_status seam_node_ask(struct seam_fabric *f, const char *addr, uint64_t timeout_ns,
                          struct seam_node_status *out, struct seam_err *err);

#endif
