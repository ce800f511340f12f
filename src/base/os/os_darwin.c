#include <errno.h>
#include <fcntl.h>
#include <mach-o/dyld.h>
#include <mach/mach.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "base/os/os.h"

seam_status seam_os_open_direct(const char *path, int *fd, bool *direct, struct seam_err *err)
{
    *direct = false;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return seam_fail(err, errno == ENOENT ? SEAM_ENOTFOUND : SEAM_EIO, "open %s: %s", path,
                         strerror(errno));
    *direct = fcntl(*fd, F_NOCACHE, 1) == 0; /* reads are then uncached, whatever their alignment */
    return SEAM_OK;
}

uint64_t seam_os_cached(int fd, uint64_t off, uint64_t len)
{
    (void)fd;
    (void)off;
    (void)len;
    return 0; /* a read with F_NOCACHE takes what is cached from there */
}

uint64_t seam_os_rss_bytes(void)
{
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t n = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &n) != KERN_SUCCESS)
        return 0;
    return info.resident_size;
}

static uint64_t sysctl_u64(const char *name)
{
    uint64_t v = 0;
    size_t len = sizeof v;
    return sysctlbyname(name, &v, &len, NULL, 0) == 0 ? v : 0;
}

uint64_t seam_os_memory_bytes(void)
{
    return sysctl_u64("hw.memsize");
}

uint64_t seam_os_memory_available(void)
{
    vm_statistics64_data_t vm;
    mach_msg_type_number_t n = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&vm, &n) != KERN_SUCCESS)
        return 0;
    uint64_t pages = (uint64_t)vm.free_count + vm.inactive_count + vm.purgeable_count;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool seam_os_wired_limit(uint64_t *bytes)
{
    *bytes = sysctl_u64("iogpu.wired_limit_mb") << 20;
    return true;
}

int seam_os_performance_cores(void)
{
    int n = 0;
    size_t len = sizeof n;
    if (sysctlbyname("hw.perflevel0.physicalcpu", &n, &len, NULL, 0) == 0 && n > 0)
        return n;
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    return all < 1 ? 1 : (int)all;
}

const char *seam_os_cpu_name(char *buf, size_t len)
{
    if (sysctlbyname("machdep.cpu.brand_string", buf, &len, NULL, 0) != 0)
        snprintf(buf, len, "unknown");
    return buf;
}

const char *seam_os_product_name(char *buf, size_t len)
{
    if (sysctlbyname("hw.model", buf, &len, NULL, 0) != 0)
        buf[0] = '\0';
    return buf;
}

const char *seam_os_nvidia_driver(char *buf, size_t len)
{
    snprintf(buf, len, "%s", ""); /* macOS has none */
    return buf;
}

unsigned seam_os_pci_lanes(unsigned vendor)
{
    (void)vendor;
    return 0;
}

seam_status seam_os_self_path(char *buf, size_t len, struct seam_err *err)
{
    uint32_t size = (uint32_t)len;
    if (_NSGetExecutablePath(buf, &size) != 0)
        return seam_fail(err, SEAM_EIO, "the path of this program is longer than %zu bytes", len);
    return SEAM_OK;
}
