/* origin.h - to whom a URL goes. Private to src/hub. */
#ifndef SEAM_HUB_ORIGIN_H
#define SEAM_HUB_ORIGIN_H

#include <stdbool.h>

#include "base/err.h"

struct seam_origin {
    char host[256];
    char text[300]; /* "https://host:443": who may see what was meant for whom */
    bool secure;    /* https */
    bool loopback;  /* localhost, 127.x, ::1 */
    bool has_user, has_query;
};

/* SEAM_EINVAL: no URL, or neither http nor https. The story does not repeat the URL, which may hold secrets. */
seam_status seam_origin_parse(struct seam_origin *o, const char *url, struct seam_err *err);

#endif
