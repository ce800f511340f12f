/* libfabric.h - libfabric's functions, found when the first link is opened and not before.
 *
 * Debian's libfabric links every provider's library, and two of them (psm2, psm_infinipath) sleep in
 * their constructors to calibrate a clock: 0.2 s before main() of a program that is linked with it,
 * also of `seam --help`. All other fi_* calls are inline, through the tables of what these return.
 * Thread: any, after seam_libfabric_load() has returned SEAM_OK once. Inside src/fabric only. */
#ifndef SEAM_FABRIC_LIBFABRIC_H
#define SEAM_FABRIC_LIBFABRIC_H

#include <rdma/fabric.h>

#include "base/err.h"

/* The API asked for, and the oldest library that will do: structures only grow at their ends. */
#define SEAM_LIBFABRIC_API FI_VERSION(1, 17)

struct seam_libfabric {
    __typeof__(fi_version) *version;
    __typeof__(fi_getinfo) *getinfo;
    __typeof__(fi_freeinfo) *freeinfo;
    __typeof__(fi_dupinfo) *dupinfo; /* of NULL: an empty one, as fi_allocinfo() */
    __typeof__(fi_fabric) *fabric;
    __typeof__(fi_strerror) *strerror;
};
extern struct seam_libfabric seam_fi;

/* Loads the library, once; it stays. SEAM_EUNSUPPORTED: it is not installed, or too old. */
seam_status seam_libfabric_load(struct seam_err *err);

#endif
