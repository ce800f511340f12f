#include "hub/origin.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool part(CURLU *u, CURLUPart what, unsigned flags, char *buf, size_t len)
{
    char *v = NULL;
    if (curl_url_get(u, what, &v, flags) != CURLUE_OK)
        return false;
    bool fits = strlen(v) < len;
    if (fits)
        memcpy(buf, v, strlen(v) + 1);
    curl_free(v);
    return fits;
}

/* As the resolver sees it: a name that only begins like an address is a name. */
static bool is_loopback(const char *host)
{
    unsigned a, b, c;
    char rest;
    return !strcasecmp(host, "localhost") || !strcmp(host, "[::1]") || !strcmp(host, "::1") ||
           sscanf(host, "127.%3u.%3u.%3u%c", &a, &b, &c, &rest) == 3;
}

seam_status seam_origin_parse(struct seam_origin *o, const char *url, struct seam_err *err)
{
    char scheme[16] = "", port[8] = "", other[2048];
    *o = (struct seam_origin){0};
    CURLU *u = curl_url();
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              part(u, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
              part(u, CURLUPART_HOST, 0, o->host, sizeof o->host) && o->host[0] &&
              part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port);
    if (ok) {
        o->has_user = part(u, CURLUPART_USER, 0, other, sizeof other) ||
                      part(u, CURLUPART_PASSWORD, 0, other, sizeof other);
        o->has_query = strpbrk(url, "?#") != NULL;
    }
    curl_url_cleanup(u);
    o->secure = ok && !strcasecmp(scheme, "https");
    if (!ok || (!o->secure && strcasecmp(scheme, "http") != 0))
        return seam_fail(err, SEAM_EINVAL, "no address of the form https://HOST");
    for (char *p = o->host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    o->loopback = is_loopback(o->host);
    snprintf(o->text, sizeof o->text, "%s://%s:%s", o->secure ? "https" : "http", o->host, port);
    return SEAM_OK;
}
