#include "check/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "check/text.h"

#define VERSION      1
#define MACHINES_MAX 64u

static const struct field {
    const char *name;
    size_t at; /* in struct seam_facts */
} fields[] = {
    {"seam", offsetof(struct seam_facts, seam)},
    {"ggml", offsetof(struct seam_facts, ggml)},
    {"backends", offsetof(struct seam_facts, backends)},
    {"libfabric", offsetof(struct seam_facts, libfabric)},
    {"driver", offsetof(struct seam_facts, driver)},
    {"system", offsetof(struct seam_facts, system)},
};
#define N_FIELDS (sizeof fields / sizeof *fields)

struct seam_lock {
    yyjson_doc *doc; /* checked: every machine is an object of strings with a name */
};

static const char *value_of(const struct field *f, const struct seam_facts *facts)
{
    return (const char *)facts + f->at;
}

/* ---- reading ---- */

static bool is_field(const char *key)
{
    bool found = !strcmp(key, "name");
    for (size_t i = 0; i < N_FIELDS; i++)
        found |= !strcmp(key, fields[i].name);
    return found;
}

static seam_status check_machine(const char *name, yyjson_val *m, struct seam_err *err)
{
    const char *who = yyjson_get_str(yyjson_obj_get(m, "name"));
    size_t i, max;
    yyjson_val *key, *v;
    if (!who || !*who)
        return seam_fail(err, SEAM_EFORMAT, "%s: a machine without a name", name);
    yyjson_obj_foreach(m, i, max, key, v)
    {
        const char *word = yyjson_get_str(key);
        if (!is_field(word))
            return seam_fail(err, SEAM_EFORMAT,
                             "%s: machine %.60s: '%.60s' is none of name, seam, ggml, backends, "
                             "libfabric, driver, system",
                             name, who, word);
        if (!yyjson_is_str(v))
            return seam_fail(err, SEAM_EFORMAT, "%s: machine %.60s: %s is not a text", name, who,
                             word);
    }
    return SEAM_OK;
}

static seam_status check_doc(const char *name, yyjson_val *root, struct seam_err *err)
{
    yyjson_val *version = yyjson_obj_get(root, "seam_lock"),
               *list = yyjson_obj_get(root, "machines"), *m;
    size_t i, max;
    if (!yyjson_is_int(version) || !yyjson_is_arr(list))
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: no lock file (no seam_lock, no machines): `seam check --write-lock "
                         "FILE` makes one",
                         name);
    if (yyjson_get_int(version) != VERSION)
        return seam_fail(err, SEAM_EFORMAT, "%s: a lock of version %d, this release reads %d", name,
                         yyjson_get_int(version), VERSION);
    if (yyjson_arr_size(list) > MACHINES_MAX)
        return seam_fail(err, SEAM_EFORMAT, "%s: more than %u machines", name, MACHINES_MAX);
    yyjson_arr_foreach(list, i, max, m)
    {
        seam_status st = check_machine(name, m, err);
        if (st != SEAM_OK)
            return st;
    }
    return SEAM_OK;
}

seam_status seam_lock_read(struct seam_lock **out, const char *name, const char *text, size_t len,
                           struct seam_err *err)
{
    struct seam_lock *l = calloc(1, sizeof *l);
    yyjson_read_err why = {0};
    *out = NULL;
    if (!l)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory", name);
    /* Without flags yyjson does not write to the text. */
    l->doc = yyjson_read_opts((char *)(uintptr_t)text, len, 0, NULL, &why);
    seam_status st = l->doc ? check_doc(name, yyjson_doc_get_root(l->doc), err)
                            : seam_fail(err, SEAM_EFORMAT, "%s: no JSON: %s at byte %zu", name,
                                        why.msg, why.pos);
    if (st != SEAM_OK) {
        seam_lock_close(l);
        return st;
    }
    *out = l;
    return SEAM_OK;
}

seam_status seam_lock_open(struct seam_lock **out, const char *file, struct seam_err *err)
{
    struct seam_buf text = {0};
    *out = NULL;
    seam_status st = seam_text_load(&text, file, err);
    if (st == SEAM_OK)
        st = seam_lock_read(out, file, text.p ? text.p : "", text.n, err);
    seam_buf_release(&text);
    return st;
}

void seam_lock_close(struct seam_lock *l)
{
    if (!l)
        return;
    yyjson_doc_free(l->doc);
    free(l);
}

bool seam_lock_compare(const struct seam_lock *l, const struct seam_machine *m,
                       void (*differ)(void *user, const char *field, const char *locked,
                                      const char *found),
                       void *user)
{
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(l->doc), "machines"), *row;
    size_t i, max;
    yyjson_arr_foreach(list, i, max, row)
    {
        if (!yyjson_equals_str(yyjson_obj_get(row, "name"), m->name))
            continue;
        for (size_t k = 0; k < N_FIELDS; k++) {
            const char *locked = yyjson_get_str(yyjson_obj_get(row, fields[k].name));
            const char *found = value_of(&fields[k], m->facts);
            if (locked && strcmp(locked, found) != 0)
                differ(user, fields[k].name, locked, found);
        }
        return true;
    }
    return false;
}

/* ---- writing ---- */

static bool same_facts(const struct seam_facts *a, const struct seam_facts *b)
{
    for (size_t k = 0; k < N_FIELDS; k++)
        if (strcmp(value_of(&fields[k], a), value_of(&fields[k], b)) != 0)
            return false;
    return true;
}

/* A node of this machine may bear its name: once is enough when both say the same. */
static seam_status is_new(const struct seam_machine *m, size_t i, bool *is, struct seam_err *err)
{
    *is = true;
    for (size_t k = 0; k < i; k++) {
        if (strcmp(m[k].name, m[i].name) != 0)
            continue;
        *is = false;
        if (!same_facts(m[k].facts, m[i].facts))
            return seam_fail(err, SEAM_EINVAL,
                             "two machines are called %s and differ: give nodes names of their own "
                             "(seam node --name)",
                             m[i].name);
    }
    return SEAM_OK;
}

static seam_status save(yyjson_mut_doc *doc, const char *file, struct seam_err *err)
{
    char part[4096];
    yyjson_write_err why = {0};
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return seam_fail(err, SEAM_EINVAL, "%s: too long a path", file);
    if (!yyjson_mut_write_file(part, doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL, &why)) {
        unlink(part);
        return seam_fail(err, SEAM_EIO, "%s: %s", part, why.msg);
    }
    if (rename(part, file) != 0)
        return seam_fail(err, SEAM_EIO, "%s: %s", file, strerror(errno));
    return SEAM_OK;
}

seam_status seam_lock_write(const char *file, const struct seam_machine *m, size_t n,
                            struct seam_err *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
    seam_status st = SEAM_OK;
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_int(doc, root, "seam_lock", VERSION);
    yyjson_mut_obj_add_val(doc, root, "machines", list);
    for (size_t i = 0; st == SEAM_OK && i < n; i++) {
        bool is;
        st = is_new(m, i, &is, err);
        if (st != SEAM_OK || !is)
            continue;
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_str(doc, row, "name", m[i].name);
        for (size_t k = 0; k < N_FIELDS; k++)
            yyjson_mut_obj_add_str(doc, row, fields[k].name, value_of(&fields[k], m[i].facts));
    }
    if (st == SEAM_OK)
        st = save(doc, file, err);
    yyjson_mut_doc_free(doc);
    return st;
}
