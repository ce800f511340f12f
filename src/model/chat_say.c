#include "model/chat_say.h"

#include <inttypes.h>
#include <stdio.h>

static void emit(struct seam_chat_say *s, enum seam_chat_event_kind kind, const char *text,
                 size_t len)
{
    struct seam_chat_event ev = {.kind = kind, .index = s->n_begun - 1, .text = text, .len = len};
    if (kind == SEAM_CHAT_REASONING || kind == SEAM_CHAT_CONTENT)
        ev.index = 0;
    s->fn(s->user, &ev);
}

void seam_chat_say_flush(struct seam_chat_say *s)
{
    char out[16];
    size_t n = seam_utf8_stream_feed(&s->utf8, NULL, 0, out);
    if (n)
        emit(s, s->utf8_kind, out, n);
}

void seam_chat_say(struct seam_chat_say *s, enum seam_chat_event_kind kind, const char *bytes,
                   size_t len)
{
    char out[3 * (64 + 4)];
    if (kind != s->utf8_kind)
        seam_chat_say_flush(s);
    s->utf8_kind = kind;
    while (len > 0) {
        size_t step = len < 64 ? len : 64;
        size_t n = seam_utf8_stream_feed(&s->utf8, bytes, step, out);
        if (n)
            emit(s, kind, out, n);
        bytes += step;
        len -= step;
    }
}

/* FNV-1a, and murmur3's last mix, so that near numbers give far ids. */
static void make_id(const struct seam_chat_say *s, const char *name, char id[32])
{
    uint64_t h = s->salt ^ 0xcbf29ce484222325u;
    h = (h ^ (unsigned)s->n_begun) * 0x100000001b3u;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    snprintf(id, 32, "call_%016" PRIx64, h ^ h >> 33);
}

void seam_chat_say_begin(struct seam_chat_say *s, const char *id, const char *name)
{
    char made[32];
    seam_chat_say_flush(s);
    if (!id)
        make_id(s, name, made);
    struct seam_chat_event ev = {.kind = SEAM_CHAT_TOOL_BEGIN,
                                 .index = s->n_begun++,
                                 .id = id ? id : made,
                                 .name = name,
                                 .text = ""};
    s->fn(s->user, &ev);
}

void seam_chat_say_end(struct seam_chat_say *s)
{
    seam_chat_say_flush(s);
    emit(s, SEAM_CHAT_TOOL_END, "", 0);
    s->n_finished++;
}
