#include "check/known.h"

#include <stdio.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

static bool is_spark(const struct seam_facts *f)
{
    return strstr(f->product, "DGX_Spark") || strstr(f->product, "DGX Spark") ||
           strstr(f->product, "GB10");
}

static bool spark_driver(const struct seam_machine *m, size_t n, size_t i, char *story, size_t len)
{
    const struct seam_facts *f = m[i].facts;
    (void)n;
    snprintf(story, len, "a %s with NVIDIA driver %s; 580.x is what others run", f->product,
             f->driver);
    return is_spark(f) && f->driver[0] && strncmp(f->driver, "580.", 4) != 0;
}

/* Told of the later of two machines that differ, once. */
static bool driver_differs(const struct seam_machine *m, size_t n, size_t i, char *story,
                           size_t len)
{
    (void)n;
    for (size_t k = 0; k < i; k++) {
        const char *a = m[k].facts->driver, *b = m[i].facts->driver;
        if (!*a || !*b || !strcmp(a, b))
            continue;
        snprintf(story, len, "NVIDIA driver %s, %s has %s", b, m[k].name, a);
        return true;
    }
    return false;
}

static bool narrow_nic(const struct seam_machine *m, size_t n, size_t i, char *story, size_t len)
{
    (void)n;
    snprintf(story, len, "a ConnectX controller runs on %u PCIe lanes instead of 4",
             m[i].facts->nic_lanes);
    return is_spark(m[i].facts) && m[i].facts->nic_lanes && m[i].facts->nic_lanes < 4;
}

static bool wired_too_high(const struct seam_machine *m, size_t n, size_t i, char *story,
                           size_t len)
{
    const struct seam_facts *f = m[i].facts;
    (void)n;
    snprintf(story, len, "iogpu.wired_limit_mb leaves the system %llu MB",
             (unsigned long long)(f->memory_bytes > f->wired_bytes
                                      ? (f->memory_bytes - f->wired_bytes) >> 20
                                      : 0));
    return f->has_wired_limit && f->wired_bytes && f->wired_bytes + 4 * GIB > f->memory_bytes;
}

static const struct seam_known rows[] = {
    {"driver-differs", driver_differs,
     "install the same driver on both (apt policy nvidia-driver-580-open)",
     "al-engr.com/ds4-dual-spark-deploy.html: a mismatch between two Sparks cost 2.4x"},
    {"spark-driver", spark_driver, "sudo apt install nvidia-driver-580-open, then restart",
     "conselara.dev: stay on 580.x on a DGX Spark"},
    {"spark-nic-x2", narrow_nic, "update the BIOS (fwupdmgr update): before April 2026 it wires x2",
     "tonyd2wild#35; NVIDIA forum 373808: the second controller at x2"},
    {"wired-too-high", wired_too_high,
     "sudo sysctl iogpu.wired_limit_mb=N, with N at least 8192 below the machine's MB",
     "mlx-lm#883, omlx#1372: kernel panics when KV grows; 480 of 512 GB is what others run"},
    {"nccl-2.28.9", NULL,
     "NCCL 2.28.9 wedges long generations, 2.30.4 works (Seam does not use NCCL; other engines on "
     "the same Sparks do)",
     "tonyd2wild#35"},
    {"spark-30w", NULL,
     "some Sparks are stuck at 30 W by their power adapter's negotiation: nvidia-smi -q -d POWER "
     "under load; unplug it for a minute",
     "ai-muninn.com"},
    {"spark-page-cache", NULL,
     "on a Spark the page cache competes with CUDA for the same memory: keep budgets below 88 % of "
     "it",
     "tobias-weiss.org; conselara.dev"},
    {"spark-gid", NULL,
     "a wrong GID index lets RDMA between Sparks fall back to TCP without a word (Seam's links are "
     "TCP)",
     "tonyd2wild#35"},
    {"mac-killed", NULL,
     "ending a Metal program by kill -9 can strand wired memory until the next restart: end nodes by "
     "Ctrl-C",
     "jundot/omlx discussions 2190"},
    {"mac-thunderbolt", NULL,
     "Thunderbolt between Macs: not the Studio's port beside Ethernet, and the same macOS on both",
     "exo README, commit b5375f8"},
};
#define N_ROWS (sizeof rows / sizeof *rows)

size_t seam_known_count(void)
{
    return N_ROWS;
}

const struct seam_known *seam_known_at(size_t i)
{
    return &rows[i];
}

void seam_known_find(const struct seam_machine *m, size_t n,
                     void (*found)(void *user, const struct seam_known *row, const char *machine,
                                   const char *story),
                     void *user)
{
    char story[400];
    for (size_t r = 0; r < N_ROWS; r++)
        for (size_t i = 0; rows[r].hits && i < n; i++)
            if (rows[r].hits(m, n, i, story, sizeof story))
                found(user, &rows[r], m[i].name, story);
}
