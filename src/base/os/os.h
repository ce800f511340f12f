/* os.h - everything that differs between Linux and macOS, each call with a row per system
 * (os_linux.c, os_darwin.c) and what POSIX shares in os_posix.c.
 * Thread: all calls may be made from any thread. Units: bytes. */
#ifndef SEAM_BASE_OS_H
#define SEAM_BASE_OS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Alignment that direct reads need for offset, length and address on the disks we know. */
#define SEAM_DIRECT_ALIGN 4096u

/* Open a file for large sequential reads that bypass the page cache (O_DIRECT, F_NOCACHE). A file
 * system that cannot (tmpfs) gives a plain descriptor and *direct = false.
 * SEAM_ENOTFOUND: no such file. SEAM_EIO: anything else. The caller closes *fd. */
seam_status seam_os_open_direct(const char *path, int *fd, bool *direct, struct seam_err *err);

/* How much of [off, off + len) of a file lies in the page cache, in whole pages and never more than len.
 * 0 where the system does not say (Linux before 6.5), or where uncached reads look there by themselves
 * (macOS). Reads nothing. */
uint64_t seam_os_cached(int fd, uint64_t off, uint64_t len);

/* Read exactly [off, off + len) into buf. Alignment is the caller's duty when direct.
 * SEAM_EFORMAT: the file ends before off + len. SEAM_EIO: the read failed. Reads the whole
 * range or fails: no short count. */
seam_status seam_os_pread_full(int fd, void *buf, size_t len, uint64_t off, struct seam_err *err);

/* The same for a direct read whose aligned end may lie past the end of the file: reads up to len
 * bytes, at least `need`. */
seam_status seam_os_pread_some(int fd, void *buf, size_t len, size_t need, uint64_t off,
                               struct seam_err *err);

/* What a write to an open file changes. SEAM_EIO. */
struct seam_os_stamp {
    uint64_t bytes;
    int64_t s, ns; /* of the last write, since 1970; as fine as the file system's clock */
};
seam_status seam_os_stamp(int fd, struct seam_os_stamp *out, struct seam_err *err);

uint64_t seam_os_rss_bytes(void);    /* resident memory of this process now; 0 unknown */
uint64_t seam_os_memory_bytes(void); /* physical memory, or the cgroup limit if smaller */
/* What a program could take now without others being swapped out, cgroup included; 0 unknown. */
uint64_t seam_os_memory_available(void);
/* Most that the GPU may hold of the machine's memory. False: the system has no such limit (only macOS has,
 * iogpu.wired_limit_mb). *bytes 0: its own default. */
bool seam_os_wired_limit(uint64_t *bytes);
int seam_os_performance_cores(void);    /* cores worth a compute thread, >= 1 */
const char *seam_os_machine_name(void); /* host name without domain; static storage */

/* What a measurement was made on, into buf, which is returned: "AMD EPYC", "Linux 6.1.0 x86_64". */
const char *seam_os_cpu_name(char *buf, size_t len);
const char *seam_os_system_name(char *buf, size_t len);
/* The model of this machine as its maker writes it ("NVIDIA_DGX_Spark", "Mac15,14"), and the version of
 * NVIDIA's driver ("580.95.05"); "" where there is none or nobody says. */
const char *seam_os_product_name(char *buf, size_t len);
const char *seam_os_nvidia_driver(char *buf, size_t len);
/* PCIe lanes in use by that vendor's device which uses fewest; 0: there is none, or nobody says. */
unsigned seam_os_pci_lanes(unsigned vendor);
/* Room for this user in the file system that holds path (a file or a folder).
 * SEAM_ENOTFOUND, SEAM_EIO. */
seam_status seam_os_disk_space(const char *path, uint64_t *available, struct seam_err *err);
/* The program file of this process, to start it again. SEAM_EIO: the system does not say. */
seam_status seam_os_self_path(char *buf, size_t len, struct seam_err *err);

/* Another program, from its start to its end. Zero-initialise; release with
 * seam_os_child_release(). */
struct seam_os_child {
    struct seam_buf out, err; /* what it wrote to stdout and stderr */
    int exit_status;          /* 128 + signal number when a signal ended it */
    uint64_t wall_ns;         /* from before its start until after its end */
    uint64_t rss_peak_bytes;  /* of it and the children it waited for */
};
/* Run argv[0] (searched in PATH when it holds no slash) with nothing on stdin and wait for it.
 * Fills *child, which is empty. SEAM_ENOTFOUND: no such program. SEAM_EIO: it cannot be started.
 * How it ended is no error of this call: see exit_status. */
seam_status seam_os_run(const char *const *argv, struct seam_os_child *child, struct seam_err *err);
void seam_os_child_release(struct seam_os_child *child);

/* Page-aligned memory for weights and buffers; returned zeroed and given back to the system at
 * once by seam_os_pages_free. NULL when there is none. */
void *seam_os_pages_alloc(size_t len);
/* Ask for large pages under memory that will be read from end to end, before it is touched. Advice: where
 * the system has none, or refuses, nothing changes. */
void seam_os_pages_large(void *p, size_t len);
void seam_os_pages_free(void *p, size_t len);

/* A file's bytes as memory, read only (os_map.c): the page cache's own pages, nothing is copied. Who writes
 * to the file writes to this memory. Who reads a page that the file no longer has, because it was cut short
 * or its disk failed, cannot go on: the process ends with one line on stderr and the exit status of
 * SEAM_EFORMAT or SEAM_EIO. A SIGBUS from elsewhere does what it did before.
 * That line is "PATH was cut short while it was in use (ADVICE)". fd is borrowed until close.
 * SEAM_EIO: the file system, or the address space, refuses. */
struct seam_os_map;
seam_status seam_os_map_open(struct seam_os_map **out, int fd, uint64_t len, const char *path,
                             const char *advice, struct seam_err *err);
const uint8_t *seam_os_map_data(const struct seam_os_map *m);
/* Advice: what is missing of [off, off + len) will be read from the disk now. */
void seam_os_map_fetch(const struct seam_os_map *m, uint64_t off, uint64_t len);
void seam_os_map_close(struct seam_os_map *m); /* NULL is fine */

#endif
