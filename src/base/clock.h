/* clock.h - monotonic nanoseconds. Never goes back; the zero is arbitrary but the same for all
 * processes of one machine, so traces of two nodes on one machine share an axis. */
#ifndef SEAM_BASE_CLOCK_H
#define SEAM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SEAM_NS_PER_S  1000000000ull
#define SEAM_NS_PER_MS 1000000ull

uint64_t seam_mono_ns(void);
/* Since 1970, as the machine's clock has it: to be compared with another machine's, not to time by. */
uint64_t seam_wall_ns(void);

/* Absolute CLOCK_REALTIME deadline for pthread_cond_timedwait (macOS has no other clock there). */
struct timespec seam_deadline_after(uint64_t timeout_ns);

#endif
