#include "pool/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/os/os.h"
#include "engine/selftest.h"
#include "pool/peer.h"

#define MELLANOX    0x15b3u /* PCI vendor of ConnectX */
#define DEVICES_MAX 16u

static void name_backends(char *buf, size_t len)
{
    struct seam_device_info dev[DEVICES_MAX];
    size_t n = seam_device_list(dev, DEVICES_MAX), at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < n && i < DEVICES_MAX && at < len; i++)
        at += (size_t)snprintf(buf + at, len - at, "%s%s", i ? ", " : "", dev[i].name);
}

/* Of a file that is not there, or cannot be looked at, the folder will do. */
static uint64_t room_beside(const char *path)
{
    uint64_t available = 0;
    char dir[4096];
    if (seam_os_disk_space(path, &available, NULL) == SEAM_OK)
        return available;
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    if (seam_os_disk_space(slash ? dir : ".", &available, NULL) != SEAM_OK)
        return 0;
    return available;
}

void seam_facts_gather(struct seam_facts *f, const char *path)
{
    memset(f, 0, sizeof *f);
    snprintf(f->seam, sizeof f->seam, "%s", SEAM_VERSION);
    snprintf(f->ggml, sizeof f->ggml, "%s", seam_ggml_version());
    name_backends(f->backends, sizeof f->backends);
    if (seam_fabric_version(f->libfabric, sizeof f->libfabric, NULL) != SEAM_OK)
        f->libfabric[0] = '\0';
    seam_os_nvidia_driver(f->driver, sizeof f->driver);
    seam_os_system_name(f->system, sizeof f->system);
    seam_os_product_name(f->product, sizeof f->product);
    f->nic_lanes = (uint8_t)seam_os_pci_lanes(MELLANOX);
    f->memory_bytes = seam_os_memory_bytes();
    f->memory_free = seam_os_memory_available();
    f->has_wired_limit = seam_os_wired_limit(&f->wired_bytes);
    f->disk_free = room_beside(path ? path : ".");
    f->wall_ns = seam_wall_ns();
}

static void take_hello(struct seam_node_status *s, const struct seam_message_hello *h)
{
    memcpy(s->name, h->name, sizeof s->name);
    memcpy(s->model_name, h->model_name, sizeof s->model_name);
    memcpy(s->kv_layout, h->kv_layout, sizeof s->kv_layout);
    s->role = h->role;
    s->model = h->model;
    s->n_ctx = h->n_ctx;
    s->n_lanes = h->n_lanes;
}

seam_status seam_node_ask(struct seam_fabric *f, const char *addr, uint64_t timeout_ns,
                          struct seam_node_status *out, struct seam_err *err)
{
    struct seam_peer p;
    struct seam_message_hello ours = {.role = 0}; /* no model: who only looks */
    struct seam_message_node_status m = {0};
    const struct seam_message_status ask = {.selftest = 1};
    memset(out, 0, sizeof *out);
    snprintf(out->addr, sizeof out->addr, "%s", addr);
    snprintf(ours.release, sizeof ours.release, "%s", SEAM_VERSION);
    snprintf(ours.name, sizeof ours.name, "%s", seam_os_machine_name());
    seam_status st = seam_peer_open(&p, f, addr, &ours, timeout_ns, err);
    if (st != SEAM_OK)
        return st;
    take_hello(out, &p.hello);
    st = seam_peer_send(&p, SEAM_WIRE_STATUS, 1, &ask, err);
    if (st == SEAM_OK)
        st = seam_peer_expect(&p, 1, SEAM_WIRE_NODE_STATUS, &m, NULL, NULL, err);
    uint64_t here_ns = seam_wall_ns(), begin_ns = seam_mono_ns();
    if (st == SEAM_OK)
        st = seam_peer_ping(&p, timeout_ns ? timeout_ns : SEAM_PEER_TIMEOUT_NS, err);
    out->rtt_ns = seam_mono_ns() - begin_ns;
    out->facts = m.facts;
    out->memory_planned = m.memory_planned;
    memcpy(out->wrong, m.wrong, sizeof out->wrong);
    out->ahead_ns = (int64_t)(m.facts.wall_ns - here_ns) + (int64_t)(out->rtt_ns / 2);
    seam_peer_close(&p);
    return st;
}
