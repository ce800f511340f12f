/* plan.c - `seam plan`: what a pool could do with a model, before a byte is downloaded. Every number of
 * the page is an item with a key, a formula and the constants behind it (plan_page.h). Costs are src/plan's
 * (docs/cost-model.md); here is only what was asked. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/option.h"
#include "cmd/plan_fit.h"
#include "cmd/plan_page.h"
#include "plan/journal.h"

struct opts {
    const char *cluster, *model, *prompt, *cached, *output, *explain;
    bool json, cards, fit;
    struct seam_plan_fit_opts fitting; /* --published, --log, --no-log, --cards-to */
    const char *cards_from;
};

/* ---- what was asked ---- */

static seam_status parse_tokens(const char *option, const char *text, double *v, uint32_t most,
                                uint32_t *n, struct seam_err *err)
{
    const char *p = text;
    for (*n = 0; *n < most; p++) {
        char *end;
        double x = strtod(p, &end);
        double unit = *end == 'k' ? 1024 : *end == 'm' ? 1048576 : 1;
        end += unit > 1;
        if (end == p || !(x >= 0) || x * unit > 1 << 24 || (*end && *end != ','))
            break;
        v[(*n)++] = floor(x * unit);
        p = end;
        if (!*end)
            return SEAM_OK;
    }
    return seam_fail(err, SEAM_EINVAL, "--%s: '%s' is no list of at most %u lengths (8k,32k)",
                     option, text, most);
}

static void print_cards(const struct seam_inventory *v)
{
    for (uint32_t i = 0; i < v->n_machine; i++)
        printf("machine  %-28s %s\n", v->machine[i].name, v->machine[i].title);
    for (uint32_t i = 0; i < v->n_kind; i++)
        printf("cable    %s\n", v->kind[i].name);
    for (uint32_t i = 0; i < v->n_model; i++)
        printf("model    %s\n", v->model[i].name);
}

/* ---- the journal ---- */

/* A plan is worth more than its log: what goes wrong with that is told, once, and no more. */
static void log_plan(const struct seam_page *p, const struct opts *o)
{
    struct seam_err err = {0};
    struct seam_journal *j = NULL;
    struct seam_journal_number *v = calloc(p->n_item + 1, sizeof *v);
    for (size_t i = 0; v && i < p->n_item; i++)
        v[i] = (struct seam_journal_number){p->item[i].key, p->item[i].unit, p->item[i].v[0],
                                            p->item[i].v[1], p->item[i].v[2]};
    const struct seam_journal_plan plan = {p->shape->name, o->cluster, p->n_ctx, v, p->n_item};
    seam_status st = v ? seam_journal_open(&j, o->fitting.log, true, &err)
                       : seam_fail(&err, SEAM_ENOMEM, "no memory for a journal");
    if (st == SEAM_OK)
        st = seam_journal_add_plan(j, &plan, &err);
    if (st != SEAM_OK)
        seam_warn("this plan is not logged: %s", err.text);
    seam_journal_close(j);
    free(v);
}

/* ---- the command ---- */

static seam_status settle(struct seam_page *p, const struct opts *o, struct seam_err *err)
{
    uint32_t n;
    seam_status st = parse_tokens("prompt", o->prompt, p->prompt, 8, &p->n_prompt, err);
    if (st == SEAM_OK)
        st = parse_tokens("cached", o->cached, p->cached, 4, &p->n_cached, err);
    if (st == SEAM_OK)
        st = parse_tokens("output", o->output, &p->output, 1, &n, err);
    if (st != SEAM_OK)
        return st;
    double longest = 0, most = 0;
    for (uint32_t i = 0; i < p->n_prompt; i++) {
        if (p->prompt[i] < 1)
            return seam_fail(err, SEAM_EINVAL, "--prompt: at least one token");
        longest = p->prompt[i] > longest ? p->prompt[i] : longest;
    }
    for (uint32_t i = 0; i < p->n_cached; i++)
        most = p->cached[i] > most ? p->cached[i] : most;
    p->n_ctx = (uint32_t)(longest + most + p->output);
    return SEAM_OK;
}

static seam_status plan(struct seam_page *p, const struct opts *o, struct seam_err *err)
{
    seam_status st = settle(p, o, err);
    if (st == SEAM_OK)
        st = seam_inventory_open_with(&p->inv, o->cluster, o->cards_from, err);
    if (st == SEAM_OK && o->fit)
        return seam_plan_fit(p->inv, &o->fitting, err);
    if (st == SEAM_OK && o->cards) {
        print_cards(p->inv);
        return SEAM_OK;
    }
    if (st == SEAM_OK && (!o->cluster || !p->inv->n_node))
        st = seam_fail(err, SEAM_EINVAL, "%s (--cluster examples/desk.yaml is one)",
                       o->cluster ? "no nodes: in the file" : "--cluster FILE is missing");
    if (st == SEAM_OK && !o->model)
        st = seam_fail(err, SEAM_EINVAL, "--model is missing (--cards lists some)");
    if (st == SEAM_OK)
        st = seam_shape_open(&p->shape, p->inv, o->model, err);
    if (st == SEAM_OK)
        st = seam_page_fill(p, err);
    if (st != SEAM_OK)
        return st;
    if (!o->fitting.no_log)
        log_plan(p, o);
    if (o->explain)
        return seam_page_explain(p, o->explain, err);
    if (o->json)
        return seam_page_json(p, err);
    seam_page_print(p);
    return SEAM_OK;
}

#define AT(member) offsetof(struct opts, member)
static const struct seam_option options[] = {
    {"cluster", 'c', SEAM_OPTION_STRING, "FILE", AT(cluster),
     "the machines and the cables between them (docs/plan.md; examples/desk.yaml)", NULL},
    {"model", 'm', SEAM_OPTION_STRING, "MODEL", AT(model),
     "a card (kimi-k2.6:UD-Q8_K_XL), SHAPE:TYPE of `seam synth`, or a GGUF", NULL},
    {"prompt", 'p', SEAM_OPTION_STRING, "LIST", AT(prompt),
     "new tokens per prompt (default 8k,32k,128k; k is 1024)", NULL},
    {"cached", 0, SEAM_OPTION_STRING, "LIST", AT(cached),
     "tokens before them whose KV is there already (default 0)", NULL},
    {"output", 'n', SEAM_OPTION_STRING, "N", AT(output), "tokens of the answer (default 1k)", NULL},
    {"explain", 0, SEAM_OPTION_STRING, "KEY", AT(explain),
     "where one number comes from: formula, constants, sources; `list` names all", NULL},
    {"json", 0, SEAM_OPTION_FLAG, NULL, AT(json), "one JSON object on stdout instead of a page",
     NULL},
    {"cards", 0, SEAM_OPTION_FLAG, NULL, AT(cards), "list the machines, cables and models known",
     NULL},
    {"cards-from", 0, SEAM_OPTION_STRING, "FILE", AT(cards_from),
     "further cards, such as those that --fit wrote; they win over the built-in ones", NULL},
    {"fit", 0, SEAM_OPTION_FLAG, NULL, AT(fit),
     "refit constants to measurements and show what changed, instead of a plan", NULL},
    {"published", 0, SEAM_OPTION_STRING, "FILE", AT(fitting.published),
     "measurements for --fit: bench/published.yaml", NULL},
    {"log", 0, SEAM_OPTION_STRING, "FILE", AT(fitting.log),
     "where predictions are kept, and measured runs (default: in the state folder; docs/bench.md)",
     NULL},
    {"no-log", 0, SEAM_OPTION_FLAG, NULL, AT(fitting.no_log), "keep nothing of this plan", NULL},
    {"cards-to", 0, SEAM_OPTION_STRING, "FILE", AT(fitting.write),
     "where --fit writes the cards it changed (default: nowhere)", NULL},
    {0},
};

static int run(const struct seam_command *self, int argc, char **argv)
{
    struct opts o = {.prompt = "8k,32k,128k", .cached = "0", .output = "1k"};
    struct seam_err err = {0};
    struct seam_page p = {.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
    int n = 0;
    seam_status st = seam_option_parse(self, &o, argc, argv, &n, &err);
    o.fitting.json = o.json;
    if (st == SEAM_OK)
        st = plan(&p, &o, &err);
    seam_page_release(&p);
    return st == SEAM_OK ? 0 : seam_command_fail(self, &err);
}

const struct seam_command seam_command_plan = {
    .name = "plan",
    .summary = "say what a pool could do with a model, before it is downloaded",
    .operands = "",
    .about =
        "Costs every layout of the machines in FILE for MODEL: alone, as a pipeline over any of them "
        "with the best split of layers, and with any of them sweeping long prompts; and prints memory "
        "per node, time to first token, tokens per second, energy, what limits, from which prompt "
        "length on a sweep pays off, whether the second kind of machine helps at all, and what one "
        "change would buy. All from specifications with their doubts: each number is a range, and "
        "--explain says where it comes from. Nothing is measured and nothing is downloaded.",
    .examples =
        "  seam plan --cluster examples/desk.yaml --model kimi-k2.6:UD-Q8_K_XL\n"
        "  seam plan -c desk.yaml -m kimi-k2.6:UD-Q4_K_XL --prompt 2k,200k --cached 0,128k\n"
        "  seam plan -c desk.yaml -m kimi-k2.6:UD-Q8_K_XL --explain A.ttft.32k+0\n"
        "  seam plan --cards\n"
        "  seam plan --fit --published bench/published.yaml --cards-to fitted.yaml\n",
    .options = options,
    .run = run,
};
