/* link_tcp.c - links over libfabric's tcp provider: one FI_EP_MSG endpoint per link.
 * docs/decisions/0002-fabric.md says why MSG and not RDM.
 *
 * Threads: each link has one progress thread. It alone reads the completion queue and, once
 * connected, the event queue; callers post (fi_send, fi_recv, both thread-safe) and wait on
 * `changed`. So a frame leaves while its sender computes, and an idle link sleeps in the kernel.
 *
 * Memory: a ring of SEAM_LINK_WINDOW bytes for frames on their way out (it restarts at 0 when
 * empty, so small frames touch few pages) and RX_BUFS buffers of a full frame. Back-pressure: with
 * no buffer posted the provider leaves data in the socket, TCP closes its window, the peer's ring
 * fills up and its send() waits. In that state the progress thread must not wait on the socket,
 * which stays readable and would make it spin (see progress_wait). */
#include <assert.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/os.h"
#include "fabric/libfabric.h"
#include "fabric/row.h"

#define TX_BYTES  ((uint64_t)SEAM_LINK_WINDOW)
#define TX_OPS    64u /* frames in flight, however small */
#define RX_BUFS   4u
#define RX_BYTES  ((uint64_t)RX_BUFS * SEAM_FRAME_MAX)
#define SLICE_MS  100                 /* how late a stop may be noticed */
#define HANDSHAKE (2 * SEAM_NS_PER_S) /* patience with one accepted connection */
#define LINGER    (1 * SEAM_NS_PER_S) /* close() waits so long for frames to leave */
#define SATURATED (SEAM_NS_PER_MS)    /* how often to push while both sides are full */

struct net { /* an opened fi_fabric; accepted links may outlive their listener */
    struct fid_fabric *fid;
    atomic_int refs;
};

struct tcp_listener {
    struct seam_listener base;
    struct net *net;
    struct fi_info *info;
    struct fid_eq *eq;
    struct fid_pep *pep;
    atomic_bool stopped;
};

struct op { /* a posted operation; found again by its context */
    struct fi_context2 context;
    bool is_send, done;
    uint32_t index;
    uint64_t end; /* send: ring offset behind the frame */
    size_t len;   /* received: bytes of the frame */
};

struct tcp_link {
    struct seam_link base;
    struct net *net;
    struct fid_domain *domain;
    struct fid_eq *eq;
    struct fid_cq *cq;
    struct fid_ep *ep;
    struct fid_mr *mr; /* NULL: the provider does not ask for registered memory */
    uint8_t *memory;   /* TX_BYTES, then RX_BYTES */
    pthread_t progress;
    bool running;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    struct op tx[TX_OPS], rx[RX_BUFS];
    uint64_t tx_head, tx_tail;         /* ring offsets that only grow: [tail, head) is in use */
    uint32_t tx_first, tx_count;       /* operations in flight, oldest first */
    uint32_t ready[RX_BUFS], rx_ready; /* received frames, oldest first */
    int rx_posted;
    struct op *held; /* lent to the caller until the next recv */
    bool sending;    /* one sender is between reserving and posting */
    bool tx_failed, rx_failed, gone, stopped, quit;
};

/* ---- libfabric, generally ---- */

static seam_status fail_fi(struct seam_err *err, seam_status st, const char *what, ssize_t ret)
{
    return seam_fail(err, st, "%s: %s", what, seam_fi.strerror((int)-ret));
}

static struct fi_info *new_hints(uint32_t addr_format)
{
    struct fi_info *h = seam_fi.dupinfo(NULL);
    if (!h)
        return NULL;
    h->caps = FI_MSG;
    h->mode = FI_CONTEXT | FI_CONTEXT2; /* we bring a context with every operation */
    h->addr_format = addr_format;
    h->ep_attr->type = FI_EP_MSG;
    h->domain_attr->threading = FI_THREAD_SAFE;
    h->domain_attr->mr_mode =
        (int)(FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_VIRT_ADDR | FI_MR_PROV_KEY);
    h->fabric_attr->prov_name = strdup("tcp");
    if (h->fabric_attr->prov_name)
        return h;
    seam_fi.freeinfo(h);
    return NULL;
}

/* "host:port" or "[v6]:port" into two strings. */
static seam_status split_addr(const char *addr, char *host, size_t cap, const char **port,
                              struct seam_err *err)
{
    const char *colon = strrchr(addr, ':');
    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtol(colon + 1, NULL, 10) > 65535)
        return seam_fail(err, SEAM_EINVAL, "'%s' is not host:port, as 192.168.7.2:7330", addr);
    size_t len = (size_t)(colon - addr);
    if (len >= 2 && addr[0] == '[' && addr[len - 1] == ']') {
        addr++;
        len -= 2;
    }
    if (len == 0)
        return seam_fail(err, SEAM_EINVAL, "'%s' has no host: 0.0.0.0 stands for all interfaces",
                         addr);
    if (len >= cap)
        return seam_fail(err, SEAM_EINVAL, "the host of '%s' is too long", addr);
    memcpy(host, addr, len);
    host[len] = '\0';
    *port = colon + 1;
    return SEAM_OK;
}

/* IPv4 first: a name that means both is most often served at 0.0.0.0. */
static seam_status find_info(const char *addr, uint64_t flags, struct fi_info **out,
                             struct seam_err *err)
{
    static const uint32_t formats[] = {FI_SOCKADDR_IN, FI_SOCKADDR_IN6};
    char host[SEAM_ADDR_MAX];
    const char *port = NULL;
    seam_status st = split_addr(addr, host, sizeof host, &port, err);
    if (st)
        return st;
    int ret = -FI_ENOMEM;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct fi_info *hints = new_hints(formats[i]);
        if (!hints)
            return seam_fail(err, SEAM_ENOMEM, "no memory to look up %s", addr);
        ret = seam_fi.getinfo(SEAM_LIBFABRIC_API, host, port, flags, hints, out);
        seam_fi.freeinfo(hints);
        if (ret == 0)
            return SEAM_OK;
    }
    return seam_fail(err, (flags & FI_SOURCE) ? SEAM_EIO : SEAM_ENOTFOUND,
                     "cannot resolve '%s' (%s): check the name or write an IP address", addr,
                     seam_fi.strerror(-ret));
}

static void format_addr(const void *sockaddr, size_t len, char out[SEAM_ADDR_MAX])
{
    char host[64], port[16];
    const struct sockaddr *sa = sockaddr;
    if (!sa || getnameinfo(sa, (socklen_t)len, host, sizeof host, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, SEAM_ADDR_MAX, "unknown address");
    else
        snprintf(out, SEAM_ADDR_MAX, sa->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static seam_status net_open(struct net **out, struct fi_info *info, struct seam_err *err)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fabric");
    assert(info);
    int ret = seam_fi.fabric(info->fabric_attr, &n->fid, NULL);
    if (ret) {
        free(n);
        return fail_fi(err, SEAM_EIO, "fi_fabric", ret);
    }
    atomic_init(&n->refs, 1);
    *out = n;
    return SEAM_OK;
}

static struct net *net_get(struct net *n)
{
    atomic_fetch_add(&n->refs, 1);
    return n;
}

static void net_put(struct net *n)
{
    if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
        return;
    fi_close(&n->fid->fid);
    free(n);
}

/* ---- fabric ---- */

static seam_status tcp_open(struct seam_fabric **out, struct seam_err *err)
{
    seam_status st = seam_libfabric_load(err);
    if (st != SEAM_OK)
        return st;
    struct fi_info *hints = new_hints(FI_FORMAT_UNSPEC), *info = NULL;
    struct seam_fabric *f = malloc(sizeof *f);
    if (!hints || !f) {
        if (hints)
            seam_fi.freeinfo(hints);
        free(f);
        return seam_fail(err, SEAM_ENOMEM, "no memory for a fabric");
    }
    int ret = seam_fi.getinfo(SEAM_LIBFABRIC_API, NULL, NULL, 0, hints, &info);
    seam_fi.freeinfo(hints);
    if (ret) {
        free(f);
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         "this libfabric has no tcp provider (%s): see fi_info -p tcp, and the "
                         "environment variable FI_PROVIDER",
                         seam_fi.strerror(-ret));
    }
    seam_fi.freeinfo(info);
    f->ops = &seam_link_tcp;
    *out = f;
    return SEAM_OK;
}

static void tcp_close(struct seam_fabric *f)
{
    free(f);
}

/* ---- the send ring; link lock held ---- */

/* Bytes to skip before a frame of len so that it does not wrap around the end of the ring. */
static uint64_t ring_skip(const struct tcp_link *l, size_t len)
{
    uint64_t to_end = TX_BYTES - l->tx_head % TX_BYTES;
    return len > to_end ? to_end : 0;
}

static bool ring_fits(const struct tcp_link *l, size_t len)
{
    uint64_t used = l->tx_head - l->tx_tail;
    return l->tx_count < TX_OPS && ring_skip(l, len) + len <= TX_BYTES - used;
}

static struct op *ring_reserve(struct tcp_link *l, size_t len, uint8_t **at)
{
    if (l->tx_count == 0)
        l->tx_head = l->tx_tail = 0;
    struct op *op = &l->tx[(l->tx_first + l->tx_count++) % TX_OPS];
    uint64_t start = l->tx_head + ring_skip(l, len);
    *at = l->memory + start % TX_BYTES;
    l->tx_head = op->end = start + len;
    op->done = false;
    return op;
}

/* Give back what was reserved last and never posted. */
static void ring_cancel(struct tcp_link *l)
{
    l->tx_count--;
    l->tx_head = l->tx_count ? l->tx[(l->tx_first + l->tx_count - 1) % TX_OPS].end : l->tx_tail;
}

static void ring_release(struct tcp_link *l)
{
    while (l->tx_count && l->tx[l->tx_first].done) {
        l->tx_tail = l->tx[l->tx_first].end;
        l->tx_first = (l->tx_first + 1) % TX_OPS;
        l->tx_count--;
    }
}

/* ---- progress thread ---- */

static void complete(struct tcp_link *l, struct op *op, size_t len, bool failed)
{
    pthread_mutex_lock(&l->lock);
    if (op->is_send) {
        op->done = true;
        l->tx_failed |= failed;
        ring_release(l);
    } else {
        l->rx_posted--;
        op->len = len;
        if (!failed)
            l->ready[l->rx_ready++] = op->index;
    }
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Reads completions until there are none; waits for the first one up to timeout_ms. */
static void drain_completions(struct tcp_link *l, int timeout_ms)
{
    struct fi_cq_msg_entry entries[16];
    for (;;) {
        ssize_t n = timeout_ms ? fi_cq_sread(l->cq, entries, 16, NULL, timeout_ms)
                               : fi_cq_read(l->cq, entries, 16);
        timeout_ms = 0;
        for (ssize_t i = 0; i < n; i++)
            complete(l, entries[i].op_context, entries[i].len, false);
        if (n > 0)
            continue;
        struct fi_cq_err_entry bad = {0};
        if (n != -FI_EAVAIL || fi_cq_readerr(l->cq, &bad, 0) <= 0)
            return;
        if (bad.op_context)
            complete(l, bad.op_context, 0, true);
    }
}

static bool peer_shut_down(struct tcp_link *l)
{
    struct fi_eq_cm_entry entry;
    uint32_t event = 0;
    ssize_t n = fi_eq_read(l->eq, &event, &entry, sizeof entry, 0);
    if (n == -FI_EAVAIL) {
        struct fi_eq_err_entry bad = {0};
        fi_eq_readerr(l->eq, &bad, 0);
        return true;
    }
    return n >= 0 && event == FI_SHUTDOWN;
}

/* Sleep until there is something to do. While no receive is posted the socket may stay readable,
 * and waiting on it would spin: then wait for a reader to give a buffer back, and only push
 * outgoing frames now and then (the kernel's socket buffer works on in between). */
static void progress_wait(struct tcp_link *l)
{
    pthread_mutex_lock(&l->lock);
    bool starved = l->rx_posted <= 0 || l->gone;
    if (starved && !l->quit) {
        bool push = l->tx_count && !l->gone;
        seam_cond_wait_ns(&l->changed, &l->lock,
                          seam_deadline_ns(push ? SATURATED : SEAM_NS_PER_S));
    }
    pthread_mutex_unlock(&l->lock);
    if (!starved)
        drain_completions(l, 1000);
}

static void *progress_main(void *arg)
{
    struct tcp_link *l = arg;
    for (bool quit = false, gone = false; !quit;) {
        progress_wait(l);
        drain_completions(l, 0);
        if (!gone && peer_shut_down(l)) {
            drain_completions(l, 0); /* what arrived before the end */
            gone = true;
        }
        pthread_mutex_lock(&l->lock);
        quit = l->quit;
        gone |= l->rx_failed;
        if (gone && !l->gone) {
            l->gone = true;
            pthread_cond_broadcast(&l->changed);
        }
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

/* Wake the progress thread wherever it sleeps. */
static void progress_wake(struct tcp_link *l)
{
    pthread_mutex_lock(&l->lock);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    fi_cq_signal(l->cq);
}

/* ---- opening and closing a link ---- */

static ssize_t post_recv(struct tcp_link *l, struct op *op)
{
    uint8_t *buf = l->memory + TX_BYTES + (uint64_t)op->index * SEAM_FRAME_MAX;
    return fi_recv(l->ep, buf, SEAM_FRAME_MAX, l->mr ? fi_mr_desc(l->mr) : NULL, FI_ADDR_UNSPEC,
                   &op->context);
}

static void link_free(struct tcp_link *l)
{
    if (l->running) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_mutex_unlock(&l->lock);
        progress_wake(l);
        pthread_join(l->progress, NULL);
        fi_shutdown(l->ep, 0);
    }
    if (l->ep)
        fi_close(&l->ep->fid);
    if (l->mr)
        fi_close(&l->mr->fid);
    if (l->cq)
        fi_close(&l->cq->fid);
    if (l->eq)
        fi_close(&l->eq->fid);
    if (l->domain)
        fi_close(&l->domain->fid);
    net_put(l->net);
    if (l->memory)
        seam_os_pages_free(l->memory, TX_BYTES + RX_BYTES);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Domain, queues and endpoint, bound to each other. */
static int open_endpoint(struct tcp_link *l, struct fi_info *info)
{
    struct fi_cq_attr cq = {.size = (size_t)2 * (TX_OPS + RX_BUFS),
                            .format = FI_CQ_FORMAT_MSG,
                            .wait_obj = FI_WAIT_UNSPEC};
    struct fi_eq_attr eq = {.size = 16, .wait_obj = FI_WAIT_UNSPEC};
    int ret;
    if ((ret = fi_domain(l->net->fid, info, &l->domain, NULL)) ||
        (ret = fi_eq_open(l->net->fid, &eq, &l->eq, NULL)) ||
        (ret = fi_cq_open(l->domain, &cq, &l->cq, NULL)) ||
        (ret = fi_endpoint(l->domain, info, &l->ep, NULL)) ||
        (ret = fi_ep_bind(l->ep, &l->eq->fid, 0)) ||
        (ret = fi_ep_bind(l->ep, &l->cq->fid, FI_TRANSMIT | FI_RECV)))
        return ret;
    if (info->domain_attr->mr_mode & FI_MR_LOCAL)
        ret = fi_mr_reg(l->domain, l->memory, TX_BYTES + RX_BYTES, FI_SEND | FI_RECV, 0, 0, 0,
                        &l->mr, NULL);
    return ret ? ret : fi_enable(l->ep);
}

/* Everything up to connecting; takes over one reference to net, also when it fails. */
static seam_status link_new(struct tcp_link **out, struct net *net, struct fi_info *info,
                            struct seam_err *err)
{
    struct tcp_link *l = calloc(1, sizeof *l);
    if (!l) {
        net_put(net);
        return seam_fail(err, SEAM_ENOMEM, "no memory for a link");
    }
    l->base.ops = &seam_link_tcp;
    l->net = net;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    format_addr(info->dest_addr, info->dest_addrlen, l->base.peer);
    for (uint32_t i = 0; i < TX_OPS; i++)
        l->tx[i].is_send = true;
    l->memory = seam_os_pages_alloc(TX_BYTES + RX_BYTES); /* touched as it is used */
    if (!l->memory) {
        link_free(l);
        return seam_fail(err, SEAM_ENOMEM, "no memory for a link's buffers");
    }
    ssize_t ret = open_endpoint(l, info);
    for (uint32_t i = 0; i < RX_BUFS && !ret; i++) {
        l->rx[i].index = i;
        ret = post_recv(l, &l->rx[i]);
        l->rx_posted++;
    }
    if (ret) {
        link_free(l);
        return fail_fi(err, SEAM_EIO, "cannot open an endpoint", ret);
    }
    *out = l;
    return SEAM_OK;
}

/* Next event of an event queue. 0: none until the deadline; < 0: what failed, as fi_errno. */
static ssize_t next_event(struct fid_eq *eq, uint32_t *event, struct fi_eq_cm_entry *entry,
                          uint64_t deadline, const atomic_bool *stopped)
{
    for (;;) {
        uint64_t now = seam_mono_ns(), left = now < deadline ? deadline - now : 0;
        int ms = left / SEAM_NS_PER_MS < SLICE_MS ? (int)(left / SEAM_NS_PER_MS) : SLICE_MS;
        ssize_t n = fi_eq_sread(eq, event, entry, sizeof *entry, ms, 0);
        if (n == -FI_EAVAIL) {
            struct fi_eq_err_entry bad = {0};
            return fi_eq_readerr(eq, &bad, 0) > 0 && bad.err > 0 ? -bad.err : -FI_EOTHER;
        }
        if (n != -FI_EAGAIN && n != -FI_EINTR && n != -FI_ETIMEDOUT && n != 0)
            return n;
        if (left < SEAM_NS_PER_MS || (stopped && atomic_load(stopped)))
            return 0;
    }
}

/* 0 when the link is up and its progress thread runs; else a negative fi_errno. */
static ssize_t await_connected(struct tcp_link *l, uint64_t deadline)
{
    struct fi_eq_cm_entry entry;
    uint32_t event = 0;
    ssize_t n = next_event(l->eq, &event, &entry, deadline, NULL);
    if (n <= 0)
        return n ? n : -FI_ETIMEDOUT;
    if (event != FI_CONNECTED)
        return -FI_ECONNABORTED;
    if (pthread_create(&l->progress, NULL, progress_main, l) != 0)
        return -FI_ENOMEM;
    l->running = true;
    return 0;
}

static seam_status fail_connect(const char *addr, ssize_t ret, struct seam_err *err)
{
    switch (-ret) {
    case FI_ETIMEDOUT:
        return seam_fail(err, SEAM_ETIMEOUT,
                         "%s does not answer: is the machine up, and the port not blocked?", addr);
    case FI_ECONNREFUSED:
        return seam_fail(err, SEAM_EPEER,
                         "nobody listens at %s: start the node there first (seam node --help)",
                         addr);
    case FI_ENOPROTOOPT:
        return seam_fail(err, SEAM_EPEER, "%s is not a Seam node: check the port", addr);
    case FI_ENOMEM: return seam_fail(err, SEAM_ENOMEM, "no memory for a link");
    default:
        return seam_fail(err, SEAM_EPEER, "cannot connect to %s (%s): is a Seam node there?", addr,
                         seam_fi.strerror((int)-ret));
    }
}

static seam_status tcp_connect(struct seam_fabric *f, const char *addr, uint64_t timeout_ns,
                               struct seam_link **out, struct seam_err *err)
{
    (void)f;
    uint64_t deadline = seam_deadline_ns(timeout_ns);
    struct fi_info *info = NULL;
    struct net *net = NULL;
    struct tcp_link *l = NULL;
    seam_status st = find_info(addr, 0, &info, err);
    if (!st)
        st = net_open(&net, info, err);
    if (!st)
        st = link_new(&l, net, info, err);
    if (!st) {
        assert(info && l);
        ssize_t ret = fi_connect(l->ep, info->dest_addr, NULL, 0);
        if (!ret)
            ret = await_connected(l, deadline);
        if (ret) {
            link_free(l);
            st = fail_connect(addr, ret, err);
        }
    }
    if (info)
        seam_fi.freeinfo(info);
    if (!st)
        *out = &l->base;
    return st;
}

static void tcp_link_close(struct seam_link *link)
{
    struct tcp_link *l = (struct tcp_link *)link;
    uint64_t deadline = seam_deadline_ns(LINGER);
    pthread_mutex_lock(&l->lock);
    while (l->tx_count && !l->gone && !l->tx_failed && !l->stopped)
        if (!seam_cond_wait_ns(&l->changed, &l->lock, deadline))
            break;
    pthread_mutex_unlock(&l->lock);
    link_free(l);
}

/* ---- listener ---- */

static void turn_away(struct tcp_listener *l, struct fi_info *info)
{
    fi_reject(l->pep, info->handle, NULL, 0);
    seam_fi.freeinfo(info);
}

static void tcp_listener_close(struct seam_listener *listener)
{
    struct tcp_listener *l = (struct tcp_listener *)listener;
    struct fi_eq_cm_entry entry;
    uint32_t event;
    while (l->pep && fi_eq_read(l->eq, &event, &entry, sizeof entry, 0) > 0)
        if (event == FI_CONNREQ) /* asked, but nobody accepted any more */
            turn_away(l, entry.info);
    if (l->pep)
        fi_close(&l->pep->fid);
    if (l->eq)
        fi_close(&l->eq->fid);
    net_put(l->net);
    if (l->info)
        seam_fi.freeinfo(l->info);
    free(l);
}

static seam_status tcp_listen(struct seam_fabric *f, const char *addr, struct seam_listener **out,
                              struct seam_err *err)
{
    struct tcp_listener *l = calloc(1, sizeof *l);
    if (!l)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a listener");
    l->base.ops = f->ops;
    atomic_init(&l->stopped, false);
    seam_status st = find_info(addr, FI_SOURCE, &l->info, err);
    if (!st)
        st = net_open(&l->net, l->info, err);
    if (st) {
        tcp_listener_close(&l->base);
        return st;
    }
    struct fi_eq_attr eq = {.size = 256, .wait_obj = FI_WAIT_UNSPEC};
    struct sockaddr_storage name;
    size_t len = sizeof name;
    int ret;
    if ((ret = fi_eq_open(l->net->fid, &eq, &l->eq, NULL)) ||
        (ret = fi_passive_ep(l->net->fid, l->info, &l->pep, NULL)) ||
        (ret = fi_pep_bind(l->pep, &l->eq->fid, 0)) || (ret = fi_listen(l->pep)) ||
        (ret = fi_getname(&l->pep->fid, &name, &len))) {
        tcp_listener_close(&l->base);
        return seam_fail(err, SEAM_EIO, "cannot listen at %s (%s): choose another port or address",
                         addr, seam_fi.strerror(-ret));
    }
    format_addr(&name, len, l->base.addr);
    *out = &l->base;
    return SEAM_OK;
}

/* Answer one connection request. NULL when the other side has gone meanwhile. */
static struct tcp_link *welcome(struct tcp_listener *l, struct fi_info *info)
{
    struct seam_err err = {0};
    struct tcp_link *link = NULL;
    char peer[SEAM_ADDR_MAX];
    format_addr(info->dest_addr, info->dest_addrlen, peer);
    if (link_new(&link, net_get(l->net), info, &err)) {
        seam_warn("link-refused %s: %s", peer, err.text);
        fi_reject(l->pep, info->handle, NULL, 0);
        return NULL;
    }
    assert(link);
    ssize_t ret = fi_accept(link->ep, NULL, 0);
    if (!ret)
        ret = await_connected(link, seam_deadline_ns(HANDSHAKE));
    if (!ret)
        return link;
    seam_warn("link-refused %s: it vanished while connecting (%s)", peer,
              seam_fi.strerror((int)-ret));
    link_free(link);
    return NULL;
}

static seam_status tcp_accept(struct seam_listener *listener, uint64_t timeout_ns,
                              struct seam_link **out, struct seam_err *err)
{
    struct tcp_listener *l = (struct tcp_listener *)listener;
    uint64_t deadline = seam_deadline_ns(timeout_ns);
    for (;;) {
        struct fi_eq_cm_entry entry;
        uint32_t event = 0;
        ssize_t n = next_event(l->eq, &event, &entry, deadline, &l->stopped);
        if (atomic_load(&l->stopped)) {
            if (n > 0 && event == FI_CONNREQ)
                turn_away(l, entry.info);
            return seam_fail(err, SEAM_ECANCELED, "listener %s was stopped", l->base.addr);
        }
        if (n == 0)
            return seam_fail(err, SEAM_ETIMEOUT, "nobody connected to %s", l->base.addr);
        if (n < 0)
            return seam_fail(err, SEAM_EIO, "listener %s failed: %s", l->base.addr,
                             seam_fi.strerror((int)-n));
        if (event != FI_CONNREQ)
            continue;
        struct tcp_link *link = welcome(l, entry.info);
        seam_fi.freeinfo(entry.info);
        if (link) {
            *out = &link->base;
            return SEAM_OK;
        }
    }
}

static void tcp_listener_stop(struct seam_listener *listener)
{
    atomic_store(&((struct tcp_listener *)listener)->stopped, true);
}

/* ---- frames ---- */

static seam_status send_state(const struct tcp_link *l)
{
    if (l->stopped)
        return SEAM_ECANCELED;
    return l->gone || l->tx_failed ? SEAM_EPEER : SEAM_OK;
}

static seam_status fail_state(const struct tcp_link *l, seam_status st, const char *late,
                              struct seam_err *err)
{
    switch (st) {
    case SEAM_ECANCELED: return seam_fail(err, st, "the link to %s was stopped", l->base.peer);
    case SEAM_EPEER: return seam_fail(err, st, "%s closed the link or died", l->base.peer);
    default: return seam_fail(err, st, "%s %s", l->base.peer, late);
    }
}

/* Hand a frame to the provider; waits while its queue is full. */
static seam_status post_send(struct tcp_link *l, struct op *op, const void *frame, size_t len,
                             uint64_t deadline)
{
    for (;;) {
        ssize_t ret = fi_send(l->ep, frame, len, l->mr ? fi_mr_desc(l->mr) : NULL, FI_ADDR_UNSPEC,
                              &op->context);
        if (ret == 0)
            return SEAM_OK;
        if (ret != -FI_EAGAIN)
            return SEAM_EPEER;
        pthread_mutex_lock(&l->lock);
        seam_status st = send_state(l);
        uint64_t soon = seam_deadline_ns(SATURATED);
        if (!st && !seam_cond_wait_ns(&l->changed, &l->lock, soon < deadline ? soon : deadline))
            st = SEAM_ETIMEOUT;
        pthread_mutex_unlock(&l->lock);
        if (st)
            return st;
    }
}

static seam_status tcp_send(struct seam_link *link, const struct seam_link_part *parts, size_t n,
                            size_t total, uint64_t timeout_ns, struct seam_err *err)
{
    struct tcp_link *l = (struct tcp_link *)link;
    uint64_t deadline = seam_deadline_ns(timeout_ns);
    struct op *op = NULL;
    uint8_t *frame = NULL;
    seam_status st;

    pthread_mutex_lock(&l->lock);
    while (!(st = send_state(l)) && (l->sending || !ring_fits(l, total)))
        if (!seam_cond_wait_ns(&l->changed, &l->lock, deadline)) {
            st = SEAM_ETIMEOUT;
            break;
        }
    if (!st) {
        l->sending = true;
        op = ring_reserve(l, total, &frame);
    }
    pthread_mutex_unlock(&l->lock);
    if (st)
        return fail_state(l, st, "does not read: the window is full", err);

    for (size_t i = 0, at = 0; i < n; at += parts[i++].len)
        if (parts[i].len)
            memcpy(frame + at, parts[i].p, parts[i].len);
    st = post_send(l, op, frame, total, deadline);

    pthread_mutex_lock(&l->lock);
    l->sending = false;
    if (st)
        ring_cancel(l);
    l->tx_failed |= st == SEAM_EPEER;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return st ? fail_state(l, st, "does not read: the provider's queue is full", err) : SEAM_OK;
}

/* A completed send has been handed to the kernel, which delivers it even if this process ends. */
static seam_status tcp_flush(struct seam_link *link, uint64_t timeout_ns, struct seam_err *err)
{
    struct tcp_link *l = (struct tcp_link *)link;
    uint64_t deadline = seam_deadline_ns(timeout_ns);
    seam_status st;
    pthread_mutex_lock(&l->lock);
    while (!(st = send_state(l)) && l->tx_count)
        if (!seam_cond_wait_ns(&l->changed, &l->lock, deadline)) {
            st = SEAM_ETIMEOUT;
            break;
        }
    pthread_mutex_unlock(&l->lock);
    return st ? fail_state(l, st, "does not read: frames still wait here", err) : SEAM_OK;
}

/* The caller is done with the frame it was lent: its buffer may receive again. Counted after it was
 * posted, so that rx_posted > 0 in the progress thread means the provider has a buffer (the
 * completion may be counted first: then rx_posted is -1 for a moment). */
static void give_back(struct tcp_link *l, struct op *op)
{
    pthread_mutex_lock(&l->lock);
    bool gone = l->gone;
    pthread_mutex_unlock(&l->lock);
    if (gone)
        return;
    bool posted = post_recv(l, op) == 0;
    pthread_mutex_lock(&l->lock);
    bool starved = l->rx_posted <= 0;
    l->rx_posted += posted;
    l->rx_failed |= !posted;
    pthread_mutex_unlock(&l->lock);
    if (starved || !posted)
        progress_wake(l);
}

static seam_status tcp_recv(struct seam_link *link, uint64_t timeout_ns, const void **data,
                            size_t *len, struct seam_err *err)
{
    struct tcp_link *l = (struct tcp_link *)link;
    uint64_t deadline = seam_deadline_ns(timeout_ns);
    seam_status st = SEAM_OK;
    if (l->held) {
        give_back(l, l->held);
        l->held = NULL;
    }
    pthread_mutex_lock(&l->lock);
    while (!l->stopped && !l->rx_ready && !l->gone)
        if (!seam_cond_wait_ns(&l->changed, &l->lock, deadline))
            break;
    if (l->stopped) {
        st = SEAM_ECANCELED;
    } else if (l->rx_ready) {
        l->held = &l->rx[l->ready[0]];
        memmove(l->ready, l->ready + 1, --l->rx_ready * sizeof *l->ready);
    } else {
        st = l->gone ? SEAM_EPEER : SEAM_ETIMEOUT;
    }
    pthread_mutex_unlock(&l->lock);
    if (st)
        return fail_state(l, st, "sent nothing in time", err);
    *data = l->memory + TX_BYTES + (uint64_t)l->held->index * SEAM_FRAME_MAX;
    *len = l->held->len;
    return SEAM_OK;
}

static void tcp_stop(struct seam_link *link)
{
    struct tcp_link *l = (struct tcp_link *)link;
    pthread_mutex_lock(&l->lock);
    l->stopped = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

const struct seam_link_ops seam_link_tcp = {
    .name = "tcp",
    .link_bytes = SEAM_LINK_WINDOW + (uint64_t)RX_BUFS * SEAM_FRAME_MAX,
    .open = tcp_open,
    .close = tcp_close,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .listener_stop = tcp_listener_stop,
    .listener_close = tcp_listener_close,
    .connect = tcp_connect,
    .send = tcp_send,
    .flush = tcp_flush,
    .recv = tcp_recv,
    .stop = tcp_stop,
    .link_close = tcp_link_close,
};
