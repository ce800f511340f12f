#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/os/os.h"

seam_status seam_os_open_direct(const char *path, int *fd, bool *direct, struct seam_err *err)
{
    *direct = true;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (*fd < 0 && errno == EINVAL) { /* tmpfs, some overlay and network file systems */
        *direct = false;
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (*fd < 0)
        return seam_fail(err, errno == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "open %s: %s", path,
                         strerror(errno));
    return SEAM_OK;
}

/* cachestat(2), Linux 6.5: counts pages without touching them, where mincore(2) needs a mapping and
 * preadv2(RWF_NOWAIT) starts reading ahead. Its number is the same on all architectures of ours. */
#define SYSCALL_CACHESTAT 451

uint64_t seam_os_cached(int fd, uint64_t off, uint64_t len)
{
    struct {
        uint64_t off, len;
    } range = {off, len};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } stat;
    if (len == 0 || syscall(SYSCALL_CACHESTAT, fd, &range, &stat, 0) != 0)
        return 0; /* an older kernel, or a file that is not ours to ask about */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = (off + len - 1) / page - off / page + 1;
    return stat.cached >= pages ? len : stat.cached * page < len ? stat.cached * page : len - 1;
}

uint64_t seam_os_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total = 0, resident = 0;
    if (!f)
        return 0;
    int n = fscanf(f, "%lu %lu", &total, &resident);
    fclose(f);
    return n == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* The number that a file of the kernel's begins with; fallback: there is none, as in the word "max". */
static uint64_t number_in(const char *path, int base, uint64_t fallback)
{
    char text[32] = "", *end;
    FILE *f = fopen(path, "re");
    if (f && !fgets(text, sizeof text, f))
        text[0] = '\0';
    if (f)
        fclose(f);
    uint64_t v = strtoull(text, &end, base);
    return end == text ? fallback : v;
}

static uint64_t cgroup_limit(void)
{
    uint64_t v = number_in("/sys/fs/cgroup/memory.max", 10, UINT64_MAX);
    return v ? v : UINT64_MAX;
}

uint64_t seam_os_memory_available(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
        ;
    if (f)
        fclose(f);
    uint64_t limit = cgroup_limit(), used = number_in("/sys/fs/cgroup/memory.current", 10, 0);
    uint64_t left = limit > used ? limit - used : 1;
    return kib * 1024 < left ? kib * 1024 : left;
}

bool seam_os_wired_limit(uint64_t *bytes)
{
    *bytes = 0;
    return false;
}

uint64_t seam_os_memory_bytes(void)
{
    uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = cgroup_limit();
    return limit < physical ? limit : physical;
}

int seam_os_performance_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

/* x86 kernels name the model; others name numbers, so the architecture has to do. */
const char *seam_os_cpu_name(char *buf, size_t len)
{
    char line[256];
    struct utsname u;
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(buf, len, "%s", uname(&u) == 0 ? u.machine : "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(buf, len, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (f)
        fclose(f);
    return buf;
}

/* Device trees of ARM machines say it elsewhere than DMI. */
const char *seam_os_product_name(char *buf, size_t len)
{
    static const char *const places[] = {"/sys/class/dmi/id/product_name",
                                         "/proc/device-tree/model"};
    buf[0] = '\0';
    for (size_t i = 0; !buf[0] && i < sizeof places / sizeof *places; i++) {
        FILE *f = fopen(places[i], "re");
        if (f && !fgets(buf, (int)len, f))
            buf[0] = '\0';
        if (f)
            fclose(f);
        buf[strcspn(buf, "\n")] = '\0';
    }
    return buf;
}

/* "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build ...": the first word
 * of digits and dots. */
const char *seam_os_nvidia_driver(char *buf, size_t len)
{
    char line[256] = "", *rest = line;
    FILE *f = fopen("/proc/driver/nvidia/version", "re");
    if (f && !fgets(line, sizeof line, f))
        line[0] = '\0';
    if (f)
        fclose(f);
    buf[0] = '\0';
    for (const char *word; !buf[0] && (word = strsep(&rest, " \t\n"));)
        if (strchr(word, '.') && word[strspn(word, "0123456789.")] == '\0')
            snprintf(buf, len, "%s", word);
    return buf;
}

unsigned seam_os_pci_lanes(unsigned vendor)
{
    static const char root[] = "/sys/bus/pci/devices";
    unsigned fewest = 0;
    DIR *d = opendir(root);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char path[sizeof root + sizeof e->d_name + 32];
        snprintf(path, sizeof path, "%s/%s/vendor", root, e->d_name);
        if (e->d_name[0] == '.' || number_in(path, 16, 0) != vendor)
            continue;
        snprintf(path, sizeof path, "%s/%s/current_link_width", root, e->d_name);
        unsigned lanes = (unsigned)number_in(path, 10, 0);
        if (lanes && (!fewest || lanes < fewest))
            fewest = lanes;
    }
    if (d)
        closedir(d);
    return fewest;
}

seam_status seam_os_self_path(char *buf, size_t len, struct seam_err *err)
{
    ssize_t n = readlink("/proc/self/exe", buf, len - 1);
    if (n <= 0)
        return seam_fail(err, SEAM_EIO, "read /proc/self/exe: %s", strerror(errno));
    buf[n] = '\0';
    return SEAM_OK;
}
