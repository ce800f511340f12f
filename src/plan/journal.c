#include "plan/journal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION 0x5345414d /* "SEAM", where file(1) looks */
#define PATIENCE_MS 3000       /* for another process's transaction */

struct seam_journal {
    sqlite3 *db;
    char path[1024];
    struct seam_journal_run *run; /* of the last reading, with its strings */
    char **text;
    size_t n_text, n_run;
};

#define STRING_(x) #x
#define STRING(x)  STRING_(x)
static const char schema[] =
    "CREATE TABLE plans(id INTEGER PRIMARY KEY, at TEXT NOT NULL, model TEXT NOT NULL,"
    " cluster TEXT NOT NULL, context INTEGER NOT NULL);"
    "CREATE TABLE numbers(plan INTEGER NOT NULL REFERENCES plans(id), key TEXT NOT NULL,"
    " unit TEXT NOT NULL, worst REAL NOT NULL, likely REAL NOT NULL, best REAL NOT NULL,"
    " PRIMARY KEY(plan, key)) WITHOUT ROWID;"
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, at TEXT NOT NULL, phase TEXT NOT NULL,"
    " layout TEXT NOT NULL, machine TEXT NOT NULL, model TEXT NOT NULL, what TEXT NOT NULL,"
    " tokens INTEGER NOT NULL, after INTEGER NOT NULL, chunk INTEGER NOT NULL,"
    " repeats INTEGER NOT NULL, median REAL NOT NULL, least REAL NOT NULL, most REAL NOT NULL,"
    " worst REAL NOT NULL, likely REAL NOT NULL, best REAL NOT NULL, alone INTEGER NOT NULL);"
    "PRAGMA application_id=" STRING(APPLICATION) ";"
                                                 "PRAGMA user_version=" STRING(
                                                     SEAM_JOURNAL_VERSION) ";";

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ','now')"

seam_status seam_journal_place(char *buf, size_t len, struct seam_err *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = state && *state == '/' ? snprintf(buf, len, "%s/seam/journal.db", state)
            : home && *home        ? snprintf(buf, len, "%s/.local/state/seam/journal.db", home)
                                   : -1;
    if (n < 0 || (size_t)n >= len)
        return seam_fail(err, SEAM_ENOTFOUND,
                         "no place for a journal: neither XDG_STATE_HOME nor HOME is set (--log)");
    return SEAM_OK;
}

/* The folders above; what cannot be made is told by opening the file. */
static void make_folders(const char *path)
{
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", path);
    for (char *p = dir + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            if (mkdir(dir, 0700) != 0 && errno != EEXIST)
                return;
            *p = '/';
        }
}

/* SQLite's reason as a story. */
static seam_status story(struct seam_journal *j, struct seam_err *err)
{
    int code = j->db ? sqlite3_errcode(j->db) & 0xff : SQLITE_NOMEM;
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: damaged, or no journal of Seam (move it away, or give another --log)",
                         j->path);
    if (code == SQLITE_NOMEM)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory", j->path);
    return seam_fail(err, SEAM_EIO, "%s: %s", j->path, sqlite3_errmsg(j->db));
}

static seam_status execute(struct seam_journal *j, const char *sql, struct seam_err *err)
{
    return sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SEAM_OK : story(j, err);
}

/* The first value of the first row. */
static seam_status ask(struct seam_journal *j, const char *sql, char *buf, size_t len,
                       struct seam_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(j->db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    seam_status st = rc == SQLITE_ROW ? SEAM_OK : story(j, err);
    const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(s, 0) : NULL;
    snprintf(buf, len, "%s", text ? (const char *)text : "");
    sqlite3_finalize(s);
    return st;
}

static seam_status ask_number(struct seam_journal *j, const char *sql, long *out,
                              struct seam_err *err)
{
    char buf[32];
    seam_status st = ask(j, sql, buf, sizeof buf, err);
    *out = strtol(buf, NULL, 10);
    return st;
}

/* Within a transaction that holds the write lock: two processes may both find no tables. */
static seam_status begin_new(struct seam_journal *j, struct seam_err *err)
{
    long tables;
    seam_status st = execute(j, "BEGIN IMMEDIATE", err);
    if (st != SEAM_OK)
        return st;
    st = ask_number(j, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (st == SEAM_OK && tables == 0)
        st = execute(j, schema, err);
    if (st == SEAM_OK)
        st = execute(j, "COMMIT", err);
    if (st != SEAM_OK)
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

/* Is this a journal, and one that this program knows? Reads only, unless it is empty and new. */
static seam_status check(struct seam_journal *j, bool create, struct seam_err *err)
{
    long tables, application = 0, version = 0;
    char whole[200];
    seam_status st = ask_number(j, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (st == SEAM_OK && tables == 0 && create)
        st = begin_new(j, err);
    if (st == SEAM_OK)
        st = ask_number(j, "PRAGMA application_id", &application, err);
    if (st == SEAM_OK)
        st = ask_number(j, "PRAGMA user_version", &version, err);
    if (st != SEAM_OK)
        return st;
    if (application != APPLICATION)
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: a database, but no journal of Seam (give another --log)", j->path);
    if (version > SEAM_JOURNAL_VERSION)
        return seam_fail(
            err, SEAM_EUNSUPPORTED,
            "%s: version %ld of the journal; this Seam knows %d (use the newer Seam, or "
            "another --log)",
            j->path, version, SEAM_JOURNAL_VERSION);
    st = ask(j, "PRAGMA quick_check(1)", whole, sizeof whole, err);
    if (st == SEAM_OK && strcmp(whole, "ok") != 0)
        st = seam_fail(err, SEAM_EFORMAT, "%s: damaged: %s (move it away, or give another --log)",
                       j->path, whole);
    return st;
}

seam_status seam_journal_open(struct seam_journal **out, const char *path, bool create,
                              struct seam_err *err)
{
    struct seam_journal *j = calloc(1, sizeof *j);
    *out = NULL;
    if (!j)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a journal");
    seam_status st = SEAM_OK;
    if (path)
        snprintf(j->path, sizeof j->path, "%s", path);
    else
        st = seam_journal_place(j->path, sizeof j->path, err);
    if (st == SEAM_OK && !path && create)
        make_folders(j->path);
    if (st == SEAM_OK && !create && access(j->path, F_OK) != 0)
        st = seam_fail(err, SEAM_ENOTFOUND, "%s: %s", j->path, strerror(errno));
    if (st == SEAM_OK) {
        int flags = SQLITE_OPEN_NOMUTEX |
                    (create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
        st = sqlite3_open_v2(j->path, &j->db, flags, NULL) == SQLITE_OK ? SEAM_OK : story(j, err);
    }
    if (st == SEAM_OK) {
        sqlite3_busy_timeout(j->db, PATIENCE_MS);
        st = check(j, create, err);
    }
    if (st == SEAM_OK)
        *out = j;
    else
        seam_journal_close(j);
    return st;
}

static void forget_runs(struct seam_journal *j)
{
    for (size_t i = 0; i < j->n_text; i++)
        free(j->text[i]);
    free(j->text);
    free(j->run);
    j->text = NULL;
    j->run = NULL;
    j->n_text = j->n_run = 0;
}

void seam_journal_close(struct seam_journal *j)
{
    if (!j)
        return;
    forget_runs(j);
    sqlite3_close(j->db);
    free(j);
}

/* ---- adding ---- */

static seam_status prepare(struct seam_journal *j, sqlite3_stmt **s, const char *sql,
                           struct seam_err *err)
{
    return sqlite3_prepare_v2(j->db, sql, -1, s, NULL) == SQLITE_OK ? SEAM_OK : story(j, err);
}

static seam_status step(struct seam_journal *j, sqlite3_stmt *s, struct seam_err *err)
{
    int rc = sqlite3_step(s);
    seam_status st = rc == SQLITE_DONE ? SEAM_OK : story(j, err);
    sqlite3_reset(s);
    return st;
}

static void text(sqlite3_stmt *s, int at, const char *value)
{
    sqlite3_bind_text(s, at, value ? value : "", -1, SQLITE_STATIC);
}

static seam_status add_numbers(struct seam_journal *j, const struct seam_journal_plan *p,
                               struct seam_err *err)
{
    sqlite3_stmt *s = NULL;
    sqlite3_int64 plan = sqlite3_last_insert_rowid(j->db);
    seam_status st = prepare(j, &s, "INSERT INTO numbers VALUES(?,?,?,?,?,?)", err);
    for (size_t i = 0; st == SEAM_OK && i < p->n_number; i++) {
        const struct seam_journal_number *x = &p->number[i];
        sqlite3_bind_int64(s, 1, plan);
        text(s, 2, x->key);
        text(s, 3, x->unit);
        sqlite3_bind_double(s, 4, x->worst);
        sqlite3_bind_double(s, 5, x->likely);
        sqlite3_bind_double(s, 6, x->best);
        st = step(j, s, err);
    }
    sqlite3_finalize(s);
    return st;
}

seam_status seam_journal_add_plan(struct seam_journal *j, const struct seam_journal_plan *p,
                                  struct seam_err *err)
{
    sqlite3_stmt *s = NULL;
    seam_status st = execute(j, "BEGIN IMMEDIATE", err);
    if (st != SEAM_OK)
        return st;
    st = prepare(j, &s, "INSERT INTO plans VALUES(NULL," NOW ",?,?,?)", err);
    if (st == SEAM_OK) {
        text(s, 1, p->model);
        text(s, 2, p->cluster);
        sqlite3_bind_int64(s, 3, p->context);
        st = step(j, s, err);
    }
    sqlite3_finalize(s);
    if (st == SEAM_OK)
        st = add_numbers(j, p, err);
    if (st == SEAM_OK)
        st = execute(j, "COMMIT", err);
    if (st != SEAM_OK)
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

seam_status seam_journal_add_run(struct seam_journal *j, const struct seam_journal_run *r,
                                 struct seam_err *err)
{
    sqlite3_stmt *s = NULL;
    seam_status st =
        prepare(j, &s, "INSERT INTO runs VALUES(NULL," NOW ",?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                err);
    if (st == SEAM_OK) {
        const char *words[] = {r->phase, r->layout, r->machine, r->model,
                               r->decode ? "decode" : "prefill"};
        const uint32_t counts[] = {r->tokens, r->after, r->chunk, r->repeats};
        const double rates[] = {r->median, r->least, r->most, r->worst, r->likely, r->best};
        int at = 1;
        for (int i = 0; i < 5; i++)
            text(s, at++, words[i]);
        for (int i = 0; i < 4; i++)
            sqlite3_bind_int64(s, at++, counts[i]);
        for (int i = 0; i < 6; i++)
            sqlite3_bind_double(s, at++, rates[i]);
        sqlite3_bind_int(s, at, r->alone);
        st = step(j, s, err);
    }
    sqlite3_finalize(s);
    return st;
}

/* ---- reading ---- */

static const char *keep(struct seam_journal *j, sqlite3_stmt *s, int at)
{
    const unsigned char *p = sqlite3_column_text(s, at);
    char *copy = strdup(p ? (const char *)p : "");
    if (copy)
        j->text[j->n_text++] = copy;
    return copy ? copy : "";
}

static uint32_t count(sqlite3_stmt *s, int at)
{
    sqlite3_int64 x = sqlite3_column_int64(s, at);
    return x < 0 ? 0 : x > UINT32_MAX ? UINT32_MAX : (uint32_t)x;
}

static void take_run(struct seam_journal *j, sqlite3_stmt *s)
{
    struct seam_journal_run *r = &j->run[j->n_run++];
    r->phase = keep(j, s, 0);
    r->layout = keep(j, s, 1);
    r->machine = keep(j, s, 2);
    r->model = keep(j, s, 3);
    r->decode = !strcmp(keep(j, s, 4), "decode");
    r->tokens = count(s, 5);
    r->after = count(s, 6);
    r->chunk = count(s, 7);
    r->repeats = count(s, 8);
    double *rates[] = {&r->median, &r->least, &r->most, &r->worst, &r->likely, &r->best};
    for (int i = 0; i < 6; i++)
        *rates[i] = sqlite3_column_double(s, 9 + i);
    r->alone = sqlite3_column_int(s, 15) != 0;
}

seam_status seam_journal_runs(struct seam_journal *j, const struct seam_journal_run **out,
                              size_t *n, struct seam_err *err)
{
    long all;
    sqlite3_stmt *s = NULL;
    *out = NULL;
    *n = 0;
    forget_runs(j);
    seam_status st = ask_number(j, "SELECT count(*) FROM runs", &all, err);
    if (st != SEAM_OK)
        return st;
    j->run = calloc((size_t)all + 1, sizeof *j->run);
    j->text = calloc((size_t)all * 5 + 1, sizeof *j->text);
    if (!j->run || !j->text)
        return seam_fail(err, SEAM_ENOMEM, "%s: no memory", j->path);
    st =
        prepare(j, &s,
                "SELECT phase, layout, machine, model, what, tokens, after, chunk, repeats, median,"
                " least, most, worst, likely, best, alone FROM runs ORDER BY id",
                err);
    int rc = SQLITE_DONE;
    while (st == SEAM_OK && j->n_run < (size_t)all && (rc = sqlite3_step(s)) == SQLITE_ROW)
        take_run(j, s);
    if (st == SEAM_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        st = story(j, err);
    sqlite3_finalize(s);
    *out = j->run;
    *n = st == SEAM_OK ? j->n_run : 0;
    return st;
}
