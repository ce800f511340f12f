#include "plan/marks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 16

/* An open mapping or sequence: the length of its path, and what comes next in it. */
struct level {
    size_t path;
    bool mapping, want_key;
    unsigned index;
};

struct walk {
    struct seam_marks *m;
    const char *name; /* of the text, for stories */
    struct level level[DEPTH_MAX];
    int depth;
    char path[96];
};

static seam_status add(struct walk *w, unsigned line, struct seam_err *err)
{
    struct seam_marks *m = w->m;
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->v[i].path, w->path))
            return seam_fail(err, SEAM_EFORMAT, "%s:%u: %s: said before, in line %u", w->name, line,
                             w->path, m->v[i].line);
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        struct seam_mark *v = realloc(m->v, m->cap * sizeof *v);
        if (!v)
            return seam_fail(err, SEAM_ENOMEM, "no memory for an inventory");
        m->v = v;
    }
    memcpy(m->v[m->n].path, w->path, sizeof w->path);
    m->v[m->n++].line = line;
    return SEAM_OK;
}

/* A value begins: it is the next element of a sequence, or the value of the last key. */
static void begin_value(struct walk *w)
{
    struct level *l = w->depth ? &w->level[w->depth - 1] : NULL;
    if (!l)
        return;
    if (l->mapping)
        l->want_key = true;
    else
        snprintf(w->path + l->path, sizeof w->path - l->path, "[%u]", l->index++);
}

static seam_status event(struct walk *w, const yaml_event_t *e, struct seam_err *err)
{
    const unsigned line = (unsigned)e->start_mark.line + 1;
    struct level *l = w->depth ? &w->level[w->depth - 1] : NULL;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        if (l && l->mapping && l->want_key) {
            snprintf(w->path + l->path, sizeof w->path - l->path, "%s%.60s", l->path ? "." : "",
                     (const char *)e->data.scalar.value);
            l->want_key = false;
            return add(w, line, err);
        }
        begin_value(w);
        return l && !l->mapping ? add(w, line, err) : SEAM_OK;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: {
        bool element = l && !l->mapping;
        begin_value(w);
        if (w->depth == DEPTH_MAX)
            return seam_fail(err, SEAM_EFORMAT, "%s:%u: nested too deep", w->name, line);
        seam_status st = element ? add(w, line, err) : SEAM_OK;
        bool mapping = e->type == YAML_MAPPING_START_EVENT;
        w->level[w->depth++] = (struct level){strlen(w->path), mapping, mapping, 0};
        return st;
    }
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        w->depth--;
        if (w->depth)
            w->path[w->level[w->depth - 1].path] = '\0';
        return SEAM_OK;
    case YAML_ALIAS_EVENT:
        return seam_fail(err, SEAM_EFORMAT, "%s:%u: aliases are not supported", w->name, line);
    default: return SEAM_OK;
    }
}

seam_status seam_marks_read(struct seam_marks *m, const char *name, const char *text, size_t len,
                            struct seam_err *err)
{
    struct walk w = {.m = m, .name = name};
    yaml_parser_t p;
    seam_status st = SEAM_OK;
    if (!yaml_parser_initialize(&p))
        return seam_fail(err, SEAM_ENOMEM, "no memory for an inventory");
    yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
    for (bool end = false; st == SEAM_OK && !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&p, &e)) {
            st = seam_fail(err, SEAM_EFORMAT, "%s:%zu: no YAML: %s", name, p.problem_mark.line + 1,
                           p.problem ? p.problem : "unreadable");
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        st = event(&w, &e, err);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return st;
}

void seam_marks_release(struct seam_marks *m)
{
    free(m->v);
    *m = (struct seam_marks){0};
}

unsigned seam_marks_line(const struct seam_marks *m, const char *path)
{
    char p[96];
    snprintf(p, sizeof p, "%s", path);
    for (;;) {
        for (size_t i = 0; i < m->n; i++)
            if (!strcmp(m->v[i].path, p))
                return m->v[i].line;
        char *dot = strrchr(p, '.'), *bracket = strrchr(p, '['),
             *cut = dot > bracket ? dot : bracket;
        if (!cut)
            return 1;
        *cut = '\0';
    }
}

unsigned seam_marks_key(const struct seam_marks *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++) {
        const char *dot = strrchr(m->v[i].path, '.');
        if (!strcmp(dot ? dot + 1 : m->v[i].path, key))
            return m->v[i].line;
    }
    return 0;
}
