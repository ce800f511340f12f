#include "base/clock.h"

uint64_t seam_mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SEAM_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t seam_wall_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * SEAM_NS_PER_S + (uint64_t)ts.tv_nsec;
}

struct timespec seam_deadline_after(uint64_t timeout_ns)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    uint64_t ns = (uint64_t)ts.tv_nsec + timeout_ns % SEAM_NS_PER_S;
    ts.tv_sec += (time_t)(timeout_ns / SEAM_NS_PER_S + ns / SEAM_NS_PER_S);
    ts.tv_nsec = (long)(ns % SEAM_NS_PER_S);
    return ts;
}
