/* list.c - what a repository holds: JSON pages -> files -> models, and which of them is meant.
 *
 *   page, page, ... --parse--> *.gguf with size and SHA-256 --group--> splits of one name together --select--> chosen */
#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yyjson.h>

#include "hub/http.h"
#include "model/catalog.h"

#define PAGE_MAX  (64u << 20) /* bytes of JSON */
#define PAGES_MAX 1000u
#define FILES_MAX 100000u
#define PATH_LEN  1024u

/* ---- models we know a repository of ---- */

/* facts: unsloth.ai/docs for both (models.md 4.1, 4.2); the names are those of `seam plan`'s cards. */
static const struct {
    const char *card, *repo;
} known[] = {
    {"kimi-k2.6", "unsloth/Kimi-K2.6-GGUF"},
    {"qwen3.5-397b-a17b", "unsloth/Qwen3.5-397B-A17B-GGUF"},
};

static bool is_repo(const char *s, size_t n)
{
    size_t slashes = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '/' && (slashes++ || i == 0 || i + 1 == n))
            return false;
        if (!isalnum((unsigned char)s[i]) && !strchr("-._/", s[i]))
            return false;
        if (s[i] == '.' && i + 1 < n && s[i + 1] == '.')
            return false;
    }
    return slashes == 1;
}

seam_status seam_hub_model_parse(const char *model, char *repo, size_t len, const char **what,
                                 struct seam_err *err)
{
    const size_t n = strcspn(model, ":");
    *what = model[n] && model[n + 1] ? model + n + 1 : NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].card) == n && !strncasecmp(known[i].card, model, n)) {
            snprintf(repo, len, "%s", known[i].repo);
            return SEAM_OK;
        }
    if (n >= len || !is_repo(model, n) || model[n + (model[n] != 0)] == ':')
        return seam_fail(err, SEAM_EINVAL,
                         "'%s' is neither OWNER/NAME of a repository nor a model that Seam knows a "
                         "repository of (%s, %s)",
                         model, known[0].card, known[1].card);
    snprintf(repo, len, "%.*s", (int)n, model);
    return SEAM_OK;
}

/* ---- a page ---- */

/* A path that stays inside a folder, and whose last part can be a file here. */
static bool is_safe(const char *path)
{
    const size_t n = strlen(path);
    size_t part = 0;
    if (n == 0 || n > PATH_LEN)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\'))
            return false;
        if (i < n && path[i] != '/')
            continue;
        if (i == part || path[part] == '.' || i - part > 200) /* "", ".", "..", hidden, too long */
            return false;
        part = i + 1;
    }
    return true;
}

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n > k && !strcasecmp(s + n - k, suffix);
}

static seam_status take_hash(struct seam_hub_file *f, yyjson_val *lfs, struct seam_err *err)
{
    const char *oid = yyjson_get_str(yyjson_obj_get(lfs, "oid"));
    yyjson_val *size = yyjson_obj_get(lfs, "size");
    if (!oid)
        return SEAM_OK;
    if (!strncmp(oid, "sha256:", 7))
        oid += 7;
    if (!seam_sha256_parse(f->sha256, oid))
        return seam_fail(err, SEAM_EFORMAT,
                         "%s: the hub's listing has no SHA-256 where one should be", f->path);
    if (size && (!yyjson_is_uint(size) || yyjson_get_uint(size) != f->bytes))
        return seam_fail(err, SEAM_EFORMAT, "%s: the hub's listing gives it two sizes", f->path);
    f->hashed = true;
    return SEAM_OK;
}

static seam_status take_file(struct seam_hub_list *list, yyjson_val *v, struct seam_err *err)
{
    const char *type = yyjson_get_str(yyjson_obj_get(v, "type"));
    yyjson_val *path = yyjson_obj_get(v, "path"), *size = yyjson_obj_get(v, "size");
    const char *p = yyjson_get_str(path);
    if (!type || !p || strlen(p) != yyjson_get_len(path))
        return seam_fail(err, SEAM_EFORMAT, "the hub's listing has an entry without type or path");
    if (strcmp(type, "file") != 0 || !has_suffix(p, ".gguf"))
        return SEAM_OK;
    if (!is_safe(p))
        return seam_fail(err, SEAM_EFORMAT,
                         "the hub lists a file '%.100s', a name that Seam refuses", p);
    if (!yyjson_is_uint(size) || yyjson_get_uint(size) > (uint64_t)1 << 50)
        return seam_fail(err, SEAM_EFORMAT, "%s: the hub's listing has no size for it", p);
    if (list->n_file == FILES_MAX)
        return seam_fail(err, SEAM_EUNSUPPORTED, "more than %u files in one repository", FILES_MAX);
    if (list->n_file % 64 == 0) {
        void *more = realloc(list->file, (list->n_file + 64) * sizeof *list->file);
        if (!more)
            return seam_fail(err, SEAM_ENOMEM, "no memory for a listing");
        list->file = more;
    }
    struct seam_hub_file *f = &list->file[list->n_file];
    *f = (struct seam_hub_file){.path = strdup(p), .bytes = yyjson_get_uint(size)};
    if (!f->path)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a listing");
    const char *slash = strrchr(f->path, '/');
    f->name = slash ? slash + 1 : f->path;
    list->n_file++;
    return take_hash(f, yyjson_obj_get(v, "lfs"), err);
}

seam_status seam_hub_list_parse(struct seam_hub_list *list, const char *json, size_t len,
                                struct seam_err *err)
{
    yyjson_doc *d = yyjson_read(json, len, 0);
    yyjson_val *root = yyjson_doc_get_root(d), *v;
    size_t i, n;
    seam_status st = SEAM_OK;
    if (!yyjson_is_arr(root))
        st = seam_fail(err, SEAM_EFORMAT,
                       "the hub's listing is no list: is this the address of a hub?");
    else
        yyjson_arr_foreach(root, i, n, v)
        {
            st = take_file(list, v, err);
            if (st != SEAM_OK)
                break;
        }
    yyjson_doc_free(d);
    return st;
}

/* ---- models ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct seam_hub_file *)a)->path, ((const struct seam_hub_file *)b)->path);
}

/* "folder/Name" of "folder/Name-00001-of-00003.gguf", and of how many it is one. */
static char *stem_of(const char *path, uint32_t *of)
{
    struct seam_shard_name s;
    bool split = seam_shard_name_parse(path, &s);
    *of = split ? s.count : 1;
    return strndup(path, split ? s.prefix_len : strlen(path) - strlen(".gguf"));
}

seam_status seam_hub_list_group(struct seam_hub_list *list, struct seam_err *err)
{
    if (list->n_file)
        qsort(list->file, list->n_file, sizeof *list->file, by_path);
    list->set = calloc(list->n_file + 1, sizeof *list->set);
    if (!list->set)
        return seam_fail(err, SEAM_ENOMEM, "no memory for a listing");
    for (size_t i = 0; i < list->n_file; i++) {
        uint32_t of;
        char *stem = stem_of(list->file[i].path, &of);
        if (!stem)
            return seam_fail(err, SEAM_ENOMEM, "no memory for a listing");
        if (i && !by_path(&list->file[i - 1], &list->file[i])) {
            free(stem);
            return seam_fail(err, SEAM_EFORMAT, "the hub lists %s twice", list->file[i].path);
        }
        struct seam_hub_set *s = list->n_set ? &list->set[list->n_set - 1] : NULL;
        if (!s || s->of != of || strcmp(s->name, stem) != 0) {
            s = &list->set[list->n_set++];
            *s = (struct seam_hub_set){.name = stem, .first = i, .of = of};
        } else {
            free(stem);
        }
        s->n++;
        s->bytes += list->file[i].bytes; /* 2^17 files of 2^50 bytes: no overflow */
    }
    return SEAM_OK;
}

void seam_hub_list_release(struct seam_hub_list *list)
{
    for (size_t i = 0; i < list->n_file; i++)
        free(list->file[i].path);
    for (size_t i = 0; i < list->n_set; i++)
        free(list->set[i].name);
    free(list->file);
    free(list->set);
    *list = (struct seam_hub_list){0};
}

static seam_status get_pages(struct seam_hub *hub, const char *repo, const char *revision,
                             struct seam_hub_list *list, struct seam_err *err)
{
    char *next = NULL;
    seam_status st = SEAM_OK;
    for (uint32_t page = 0; st == SEAM_OK && (page == 0 || next); page++) {
        if (page == PAGES_MAX) {
            st = seam_fail(err, SEAM_EPROTO, "%s: the hub's listing does not end", repo);
            break;
        }
        struct seam_buf json = {0};
        char *path = seam_http_tree_path(repo, revision, next);
        const struct seam_get g = {.path = path, .what = repo, .limit = PAGE_MAX};
        free(next);
        next = NULL;
        st = path ? seam_http_get(hub, &g, &json, &next, err)
                  : seam_fail(err, SEAM_ENOMEM, "no memory for an address");
        if (st == SEAM_OK)
            st = seam_hub_list_parse(list, json.p, json.n, err);
        free(path);
        seam_buf_release(&json);
    }
    free(next);
    return st;
}

seam_status seam_hub_list_get(struct seam_hub *hub, const char *repo, const char *revision,
                              struct seam_hub_list *list, struct seam_err *err)
{
    seam_status st = get_pages(hub, repo, revision, list, err);
    return st == SEAM_OK ? seam_hub_list_group(list, err) : st;
}

/* ---- which is meant ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Not a model to run: a vision tower, an importance matrix. */
static bool is_side_file(const struct seam_hub_set *s)
{
    return !strncasecmp(base_name(s->name), "mmproj", 6) ||
           !strncasecmp(base_name(s->name), "imatrix", 7);
}

/* "Kimi-K2.6-UD-Q8_K_XL" ends in UD-Q8_K_XL after a '-' or '.'; and only there, if "Q8_K_XL" was asked for, is
 * the rest of another quantisation's name: UD-Q8_K_XL. So a folder of exactly that name decides first. */
static bool ends_in(const char *name, const char *what)
{
    size_t n = strlen(name), k = strlen(what);
    return n >= k && !strcasecmp(name + n - k, what) &&
           (n == k || name[n - k - 1] == '-' || name[n - k - 1] == '.');
}

static bool in_folder(const char *name, const char *what)
{
    const size_t k = strlen(what);
    for (const char *p = name, *slash; (slash = strchr(p, '/')); p = slash + 1)
        if ((size_t)(slash - p) == k && !strncasecmp(p, what, k))
            return true;
    return false;
}

static size_t choose_quantisation(const struct seam_hub_list *list, const char *what, bool *chosen)
{
    size_t found = 0;
    for (int by = 0; by < 2 && !found; by++)
        for (size_t i = 0; i < list->n_set; i++) {
            const struct seam_hub_set *s = &list->set[i];
            if (is_side_file(s) ||
                !(by == 0 ? in_folder(s->name, what) : ends_in(base_name(s->name), what)))
                continue;
            chosen[i] = true;
            found++;
        }
    return found;
}

static bool matches(const struct seam_hub_list *list, const struct seam_hub_set *s,
                    const char *what)
{
    for (size_t i = 0; i < s->n; i++)
        if (!fnmatch(what, list->file[s->first + i].path, 0))
            return true;
    return !strcmp(what, s->name);
}

static size_t choose(const struct seam_hub_list *list, const char *what, bool *chosen)
{
    size_t found = 0;
    memset(chosen, 0, list->n_set * sizeof *chosen);
    if (what && !strpbrk(what, "/*?[") && !has_suffix(what, ".gguf"))
        return choose_quantisation(list, what, chosen);
    for (size_t i = 0; i < list->n_set; i++) {
        chosen[i] = what ? matches(list, &list->set[i], what) : !is_side_file(&list->set[i]);
        found += chosen[i];
    }
    return found;
}

/* The names of some sets, for a story. */
static void say_names(const struct seam_hub_list *list, const bool *only, char *buf, size_t len)
{
    size_t at = 0, said = 0, left = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < list->n_set; i++) {
        if (only ? !only[i] : is_side_file(&list->set[i]))
            continue;
        if (said == 12 || at + strlen(list->set[i].name) + 4 > len) {
            left++;
            continue;
        }
        at += (size_t)snprintf(buf + at, len - at, "%s%s", said++ ? ", " : "", list->set[i].name);
    }
    if (left && at < len)
        snprintf(buf + at, len - at, " and %zu more", left);
}

static seam_status check_chosen(const struct seam_hub_list *list, const bool *chosen,
                                struct seam_err *err)
{
    for (size_t i = 0; i < list->n_set; i++) {
        const struct seam_hub_set *s = &list->set[i];
        if (!chosen[i])
            continue;
        if (s->n != s->of)
            return seam_fail(err, SEAM_EFORMAT, "%s: the hub lists %zu of %" PRIu32 " splits",
                             s->name, s->n, s->of);
        for (size_t k = 0; k < s->n; k++)
            if (!list->file[s->first + k].hashed)
                return seam_fail(
                    err, SEAM_EFORMAT,
                    "%s: the hub gives no SHA-256 for it, and Seam keeps only what it can "
                    "verify",
                    list->file[s->first + k].path);
        for (size_t j = 0; j < i; j++)
            if (chosen[j] && !strcasecmp(base_name(list->set[j].name), base_name(s->name)))
                return seam_fail(err, SEAM_EINVAL,
                                 "%s and %s would get one name here: fetch one of them",
                                 list->set[j].name, s->name);
    }
    return SEAM_OK;
}

seam_status seam_hub_select(const struct seam_hub_list *list, const char *what, bool *chosen,
                            struct seam_err *err)
{
    char names[700];
    const bool pattern = what && strpbrk(what, "/*?[");
    size_t found = choose(list, what, chosen);
    if (list->n_set == 0)
        return seam_fail(err, SEAM_ENOTFOUND, "the repository holds no .gguf file");
    if (found == 0) {
        say_names(list, NULL, names, sizeof names);
        return seam_fail(err, SEAM_ENOTFOUND, "no '%s' in the repository; there are %s",
                         what ? what : "model", names);
    }
    if (found > 1 && !pattern) {
        say_names(list, chosen, names, sizeof names);
        return seam_fail(err, SEAM_EINVAL, "which of %zu? Add ':' and a quantisation or a path: %s",
                         found, names);
    }
    return check_chosen(list, chosen, err);
}
