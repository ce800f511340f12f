/* plan_page.c - the page that people read: at most 100 columns, ASCII, bold headings on a terminal and no other
 * colour, so it reads on dark, light and paper. The answer comes first. */
#include "cmd/plan_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "cmd/option.h"

#define WIDTH 98
#define BOX   42 /* inside a box of the picture */

static void heading(const struct seam_page *p, const char *text, const char *rest)
{
    printf("\n%s%s%s%s\n", p->colour ? "\033[1m" : "", text, p->colour ? "\033[0m" : "", rest);
}

static const char *size_of(double bytes)
{
    static char ring[8][24];
    static unsigned next;
    next = (next + 1) % 8;
    return seam_size_format((uint64_t)bytes, ring[next], sizeof ring[next]);
}

static double value(const struct seam_page *p, uint32_t k, const char *what, enum seam_case c)
{
    char key[80];
    snprintf(key, sizeof key, "%c.%s", 'A' + (int)k, what);
    const struct seam_item *it = seam_page_item(p, key);
    return it ? it->v[c] : NAN;
}

void seam_layout_text(const struct seam_page *p, const struct seam_layout *l, char *buf, size_t len)
{
    size_t n = 0;
    bool first = true;
    for (uint32_t i = 0; i < l->n_stage && n < len; i++) {
        n += (size_t)snprintf(buf + n, len - n, "%s%s", i ? " -> " : "",
                              p->inv->node[l->stage[i]].name);
        if (l->n_stage > 1 && n < len)
            n += (size_t)snprintf(buf + n, len - n, "[%" PRIu32 "]", l->first[i + 1] - l->first[i]);
    }
    for (uint32_t i = 0; i < p->inv->n_node && n < len; i++)
        if (l->sweep >> i & 1) {
            n += (size_t)snprintf(buf + n, len - n, "%s%s", first ? ", swept by " : " + ",
                                  p->inv->node[i].name);
            first = false;
        }
}

/* ---- the model ---- */

static void print_model(const struct seam_page *p)
{
    const struct seam_shape *s = p->shape;
    char ctx[16], line[800];
    const double kv = seam_shape_kv_bytes(s);
    printf("%s%s%s", p->colour ? "\033[1m" : "", s->name, p->colour ? "\033[0m" : "");
    int n =
        snprintf(line, sizeof line,
                 ": %s of weights%s; a token reads %s of them and adds %.0f B of KV. KV at 128k: ",
                 size_of(s->bytes), s->source ? ", as published" : "",
                 size_of(seam_shape_active_bytes(s)), kv);
    if (s->hp.mla)
        n += snprintf(line + n, sizeof line - (size_t)n,
                      "131,072 tokens x %" PRIu32 " layers x (%" PRIu32 " latent + %" PRIu32
                      " rope) values x 2 B = ",
                      s->hp.n_layer, s->hp.kv_lora, s->hp.d_rope);
    else
        n += snprintf(line + n, sizeof line - (size_t)n,
                      "131,072 tokens x %" PRIu32 " layers x %" PRIu32 " KV heads x (%" PRIu32
                      " + %" PRIu32 ") values x 2 B = ",
                      s->hp.n_layer - s->hp.n_recurrent, s->hp.n_head_kv, s->hp.d_head, s->hp.d_v);
    n += snprintf(line + n, sizeof line - (size_t)n, "%s", size_of(131072 * kv));
    if (!strncmp(s->name, "kimi-k2", 7))
        n += snprintf(
            line + n, sizeof line - (size_t)n,
            ", not the 65 GB that this desk was first budgeted with: MLA keeps one latent per "
            "token for all %" PRIu32 " heads",
            s->hp.n_head);
    n += snprintf(line + n, sizeof line - (size_t)n, ". Layouts below keep room for %s tokens",
                  seam_tokens_text(p->n_ctx, ctx, sizeof ctx));
    if (p->n_ctx > s->hp.n_ctx_train)
        n += snprintf(line + n, sizeof line - (size_t)n,
                      ", more than the %" PRIu32 " it was trained for", s->hp.n_ctx_train);
    snprintf(line + n, sizeof line - (size_t)n, ".");
    seam_text_wrap(stdout, line, (int)strlen(s->name), 0, WIDTH);
}

/* ---- in short ---- */

static void bullet(const char *text)
{
    printf("  - ");
    seam_text_wrap(stdout, text, 4, 4, WIDTH);
}

static const struct seam_layout *fastest_with(const struct seam_page *p, uint32_t mask)
{
    for (size_t i = 0; i < p->n_all; i++)
        if (!(seam_layout_nodes(&p->all[i]) & ~mask))
            return &p->all[i];
    return NULL;
}

/* The fastest layout of the fewest machines, without a sweep. */
static const struct seam_layout *smallest(const struct seam_page *p)
{
    const struct seam_layout *best = NULL;
    int least = 99;
    for (size_t i = 0; i < p->n_all; i++) {
        int n = p->all[i].sweep ? 50 : 0;
        for (uint32_t m = seam_layout_nodes(&p->all[i]); m; m &= m - 1)
            n++;
        if (n < least) {
            least = n;
            best = &p->all[i];
        }
    }
    return best;
}

static void say_fit(const struct seam_page *p)
{
    const struct seam_layout *l = smallest(p);
    char line[400], name[200];
    seam_layout_text(p, l, name, sizeof name);
    double least = INFINITY;
    uint32_t tight = 0;
    for (uint32_t i = 0; i < p->inv->n_node; i++) {
        const struct seam_hold h = seam_layout_hold(l, p->shape, i, p->n_ctx);
        bool raised = false;
        double sum = seam_hold_sum(&h), left = seam_node_room(&p->inv->node[i], sum, &raised) - sum;
        if (sum > 0 && left < least) {
            least = left;
            tight = i;
        }
    }
    snprintf(line, sizeof line, "It fits on %s%s; %s is left on %s%s.", name,
             l->n_stage > 1 ? ", [n] layers each, and on no fewer machines" : " alone",
             size_of(least), p->inv->node[tight].name,
             l->raised ? ", with the macOS wired limit raised" : "");
    bullet(line);
}

/* The fastest layout is one that Seam does not run yet: which does it? */
static void say_today(const struct seam_page *p, const struct seam_work *w)
{
    char line[400], name[200];
    for (size_t i = 0; i < p->n_all; i++) {
        if (!seam_page_today(&p->all[i]))
            continue;
        const struct seam_answer a =
            seam_layout_answer(&p->all[i], p->inv, p->shape, w, SEAM_CASE_MID);
        seam_layout_text(p, &p->all[i], name, sizeof name);
        snprintf(line, sizeof line,
                 "Seam does not run that layout yet. It runs %s: %.0f s, then %.1f tokens/s.", name,
                 a.ttft_s, 1 / a.step_s);
        bullet(line);
        return;
    }
    bullet(
        "Seam runs none of these layouts yet: it has one decode node, which holds the whole model.");
}

/* What the fastest layout gives for the longest prompt, against the fastest of one machine or one kind. */
static void say_best(const struct seam_page *p)
{
    const struct seam_layout *best = &p->all[0], *than = NULL;
    const struct seam_work w = {p->prompt[p->n_prompt - 1], p->cached[0], p->output};
    const struct seam_answer a = seam_layout_answer(best, p->inv, p->shape, &w, SEAM_CASE_MID);
    const double worst = seam_layout_answer(best, p->inv, p->shape, &w, SEAM_CASE_WORST).ttft_s;
    const double good = seam_layout_answer(best, p->inv, p->shape, &w, SEAM_CASE_BEST).ttft_s;
    char line[700], name[200], tokens[16];
    seam_layout_text(p, best, name, sizeof name);
    int n = snprintf(line, sizeof line,
                     "Fastest over the asked prompts: %s. %s new tokens: first word after %.0f s "
                     "(%.0f-%.0f), then %.1f tokens/s",
                     name, seam_tokens_text(w.prompt, tokens, sizeof tokens), a.ttft_s, good, worst,
                     1 / a.step_s);
    for (uint32_t i = 0; i < p->inv->n_node; i++) {
        const struct seam_layout *l = fastest_with(p, 1u << i);
        than = l && (!than || l->score < than->score) ? l : than;
    }
    if (than && than != best) {
        const struct seam_answer b = seam_layout_answer(than, p->inv, p->shape, &w, SEAM_CASE_MID);
        n += snprintf(line + n, sizeof line - (size_t)n, "; %s alone: %.0f s and %.1f",
                      p->inv->node[than->stage[0]].name, b.ttft_s, 1 / b.step_s);
    }
    snprintf(line + n, sizeof line - (size_t)n, ".%s",
             than == best ? " Do not pool for speed: one machine alone is fastest." : "");
    bullet(line);
    if (!seam_page_today(best))
        say_today(p, &w);
}

static bool gains(const struct seam_use *u)
{
    return u->s[SEAM_SIDE_SWEEP] < 0.95 * u->s[SEAM_SIDE_WITHOUT];
}

static void say_pool(const struct seam_page *p)
{
    char yes[300] = "", no[300] = "", line[700];
    bool fits = false;
    for (size_t i = 0; i < SEAM_PAGE_USES; i++) {
        const struct seam_use *u = &p->use[i];
        char *to = gains(u) ? yes : no;
        size_t n = strlen(to);
        int name = (int)strcspn(u->name, ":");
        fits |= !isinf(u->s[SEAM_SIDE_WITHOUT]);
        if (gains(u) && isinf(u->s[SEAM_SIDE_WITHOUT]))
            snprintf(to + n, 300 - n, "%s%.*s (needed)", n ? "; " : "", name, u->name);
        else if (gains(u))
            snprintf(to + n, 300 - n, "%s%.*s (%.1fx)", n ? "; " : "", name, u->name,
                     u->s[SEAM_SIDE_WITHOUT] / u->s[SEAM_SIDE_SWEEP]);
        else
            snprintf(to + n, 300 - n, "%s%.*s", n ? "; " : "", name, u->name);
    }
    if (!fits)
        snprintf(
            line, sizeof line,
            "Without the NVIDIA machines it does not fit at this context. A smaller type or context may.");
    else if (!yes[0])
        snprintf(line, sizeof line,
                 "Do not add the NVIDIA machines: none of the five uses gains 5 %%.");
    else
        snprintf(line, sizeof line, "Add the NVIDIA machines for: %s.%s%s%s", yes,
                 no[0] ? " Do not for: " : "", no, no[0] ? "." : "");
    bullet(line);
}

static bool has_spark(const struct seam_page *p)
{
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        if (!strcmp(p->inv->node[i].machine.name, "dgx-spark"))
            return true;
    return false;
}

/* "Adding the Sparks makes it slower": decode per token on both kinds, against one kind. */
static void say_prediction(const struct seam_page *p)
{
    const struct seam_use *u = &p->use[1]; /* writing is decode */
    char line[500];
    if (isinf(u->s[SEAM_SIDE_WITHOUT]) || isinf(u->s[SEAM_SIDE_TOKEN]))
        return;
    const struct seam_answer a =
        seam_layout_answer(u->layout[SEAM_SIDE_WITHOUT], p->inv, p->shape, &u->w, SEAM_CASE_MID);
    const struct seam_answer b =
        seam_layout_answer(u->layout[SEAM_SIDE_TOKEN], p->inv, p->shape, &u->w, SEAM_CASE_MID);
    snprintf(line, sizeof line,
             "\"Adding the %s makes it slower\": %s for one cluster that every token crosses (%.1f "
             "tokens/s, %.1f without them); %s for prompts that they read on their own.",
             has_spark(p) ? "Sparks" : "NVIDIA machines", b.step_s > a.step_s ? "true" : "false",
             1 / b.step_s, 1 / a.step_s, gains(&p->use[2]) ? "false" : "true");
    bullet(line);
}

static bool both_kinds(const struct seam_page *p)
{
    const uint32_t nvidia = seam_page_vendor(p->inv, SEAM_VENDOR_NVIDIA);
    return nvidia && nvidia != (1u << p->inv->n_node) - 1;
}

static void say_too_large(const struct seam_page *p)
{
    const struct seam_hold h = seam_cost_hold(p->shape, 0, p->shape->hp.n_layer, p->n_ctx);
    char line[300];
    double room = 0;
    bool raised = false;
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        room += seam_node_room(&p->inv->node[i], INFINITY, &raised);
    snprintf(
        line, sizeof line,
        "No layout of these machines holds this model with this context: on one machine it takes %s, "
        "and all of them together give %s%s.",
        size_of(seam_hold_sum(&h)), size_of(room), raised ? ", wired limits raised" : "");
    bullet(line);
}

static void print_short(const struct seam_page *p)
{
    heading(p, "In short", "");
    if (!p->n_all) {
        say_too_large(p);
        return;
    }
    say_fit(p);
    say_best(p);
    if (both_kinds(p)) {
        say_pool(p);
        say_prediction(p);
    }
}

/* ---- the pool as a picture ---- */

struct side {
    uint32_t node[SEAM_PLAN_NODES], n;
    char line[3 * SEAM_PLAN_NODES][BOX + 40];
    uint32_t n_line;
};

static const char *rate_of(const struct seam_plan_machine *m, enum seam_rate r)
{
    static char ring[4][24];
    static unsigned next;
    next = (next + 1) % 4;
    return seam_quantity_format(m->rate[r].v[SEAM_CASE_MID], seam_rate_row(r)->unit, ring[next],
                                24);
}

static const char *cable_of(const struct seam_plan_link *l)
{
    static char text[60];
    char rate[24];
    snprintf(text, sizeof text, "%s, %s", l->name,
             seam_quantity_format(l->rate.v[SEAM_CASE_MID], SEAM_UNIT_LINK, rate, sizeof rate));
    return text;
}

static void draw(const struct seam_page *p, struct side *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const struct seam_plan_node *n = &p->inv->node[s->node[i]];
        const struct seam_plan_machine *m = &n->machine;
        snprintf(s->line[s->n_line], sizeof s->line[0], " %s: %s", n->name, m->title);
        char *aside = strstr(s->line[s->n_line], " (");
        if (aside && strlen(s->line[s->n_line]) > BOX)
            *aside = '\0';
        s->n_line++;
        snprintf(s->line[s->n_line++], sizeof s->line[0], "   %s, %s, %s, %s",
                 rate_of(m, SEAM_RATE_MEMORY), rate_of(m, SEAM_RATE_BANDWIDTH),
                 rate_of(m, SEAM_RATE_MATMUL), rate_of(m, SEAM_RATE_DISK));
        if (i + 1 < s->n) {
            const struct seam_plan_link *l = p->inv->link[s->node[i]][s->node[i + 1]];
            snprintf(s->line[s->n_line++], sizeof s->line[0], "     %s%s", l ? "| " : "",
                     l ? cable_of(l) : "");
        }
    }
}

static void print_box_line(const struct side *s, uint32_t i, uint32_t lines)
{
    static const char rule[] = "------------------------------------------";
    if (i == 0 || i == lines + 1)
        printf("+%.*s+", BOX, rule);
    else
        printf("|%-*.*s|", BOX, BOX, i <= s->n_line ? s->line[i - 1] : "");
}

/* Has the picture a line for this cable? */
static bool is_drawn(const struct side side[2], uint32_t i, uint32_t j, bool between)
{
    bool drawn = false;
    for (int k = 0; k < 2; k++)
        for (uint32_t x = 0; x < side[k].n; x++) {
            drawn |= x + 1 < side[k].n && side[k].node[x] == i && side[k].node[x + 1] == j;
            for (uint32_t y = 0; between && y < side[1 - k].n; y++)
                drawn |= side[k].node[x] == i && side[1 - k].node[y] == j;
        }
    return drawn;
}

static void print_other_cables(const struct seam_page *p, const struct side side[2],
                               const struct seam_plan_link *between)
{
    const struct seam_inventory *v = p->inv;
    for (uint32_t kind = 0; kind < v->n_kind; kind++) {
        char line[1200];
        int n = snprintf(line, sizeof line, "%s:", cable_of(&v->kind[kind]));
        const int empty = n;
        for (uint32_t i = 0; i < v->n_node; i++)
            for (uint32_t j = i + 1; j < v->n_node; j++)
                if (v->link[i][j] == &v->kind[kind] &&
                    !is_drawn(side, i, j, between == &v->kind[kind]))
                    n += snprintf(line + n, sizeof line - (size_t)n, "%s %s - %s",
                                  n > empty ? "," : "", v->node[i].name, v->node[j].name);
        if (n == empty)
            continue;
        printf("  ");
        seam_text_wrap(stdout, line, 2, 2, WIDTH);
    }
}

static void print_pool(const struct seam_page *p)
{
    struct side side[2] = {{.n = 0}, {.n = 0}};
    const struct seam_plan_link *between = NULL;
    const bool first = p->inv->node[0].machine.vendor == SEAM_VENDOR_NVIDIA;
    char rate[24];
    for (uint32_t i = 0; i < p->inv->n_node; i++) {
        bool nvidia = p->inv->node[i].machine.vendor == SEAM_VENDOR_NVIDIA;
        struct side *s = &side[nvidia != first];
        s->node[s->n++] = i;
    }
    for (uint32_t i = 0; i < side[0].n; i++)
        for (uint32_t j = 0; j < side[1].n && !between; j++)
            between = p->inv->link[side[0].node[i]][side[1].node[j]];
    draw(p, &side[0]);
    draw(p, &side[1]);
    const uint32_t lines = side[0].n_line > side[1].n_line ? side[0].n_line : side[1].n_line;
    heading(p, "The pool", "  (memory, its bandwidth, matrix products, disk)");
    for (uint32_t i = 0; i < lines + 2; i++) {
        const uint32_t mid = (lines + 1) / 2;
        printf("  ");
        print_box_line(&side[0], i, lines);
        if (side[1].n) {
            char text[12] = "";
            if (between && i == mid)
                memset(text, '=', 8);
            else if (between && i + 1 == mid)
                snprintf(text, sizeof text, " %.7s", between->name);
            else if (between && i == mid + 1)
                snprintf(text, sizeof text, "%s",
                         seam_quantity_format(between->rate.v[SEAM_CASE_MID], SEAM_UNIT_LINK, rate,
                                              sizeof rate));
            if (strlen(text) > 8) /* "1.15 GB/s" */
                memmove(strchr(text, ' '), strchr(text, ' ') + 1, strlen(strchr(text, ' ')));
            printf("%-8.8s", text);
            print_box_line(&side[1], i, lines);
        }
        printf("\n");
    }
    print_other_cables(p, side, between);
}

/* ---- memory ---- */

static void print_memory(const struct seam_page *p)
{
    static const char *const part[] = {"weights",  "kv",  "activations", "compute",
                                       "transfer", "sum", "headroom"};
    heading(p, "Memory of layout A", "");
    printf("   %-12s%10s%10s%13s%10s%10s%10s%10s\n", "node", "weights", "KV", "activations",
           "compute", "transfer", "sum", "headroom");
    for (uint32_t i = 0; i < p->inv->n_node; i++) {
        const char *name = p->inv->node[i].name;
        char what[64];
        snprintf(what, sizeof what, "memory.%s.sum", name);
        if (isnan(value(p, 0, what, SEAM_CASE_MID))) {
            printf("   %-12s has no part in it\n", name);
            continue;
        }
        printf("   %-12s", name);
        for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
            snprintf(what, sizeof what, "memory.%s.%s", name, part[k]);
            printf("%*s", k == 2 ? 13 : 10, size_of(value(p, 0, what, SEAM_CASE_MID)));
        }
        snprintf(what, sizeof what, "memory.%s.room", name);
        printf("%s\n", value(p, 0, what, SEAM_CASE_MID) >
                               p->inv->node[i].machine.rate[SEAM_RATE_USABLE].v[SEAM_CASE_MID]
                           ? " raised"
                           : "");
    }
}

/* ---- layouts ---- */

static void print_range(const struct seam_page *p, uint32_t k, const char *what, const char *cell,
                        int digits, double unit)
{
    char key[64], text[48];
    snprintf(key, sizeof key, "%s.%s", what, cell);
    double a = value(p, k, key, SEAM_CASE_WORST) / unit,
           b = value(p, k, key, SEAM_CASE_BEST) / unit;
    snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", digits, value(p, k, key, SEAM_CASE_MID) / unit,
             digits, a < b ? a : b, digits, a < b ? b : a);
    printf("  %-18s", text);
}

/* What limits tokens/s after the shortest and after the longest prompt. */
static void print_step_limit(const struct seam_page *p, const struct seam_layout *l)
{
    const struct seam_work w[2] = {{p->prompt[0], p->cached[0], p->output},
                                   {p->prompt[p->n_prompt - 1], p->cached[p->n_cached - 1],
                                    p->output}};
    const char *by[2];
    char cell[40];
    for (int i = 0; i < 2; i++) {
        const struct seam_answer a = seam_layout_answer(l, p->inv, p->shape, &w[i], SEAM_CASE_MID);
        by[i] = seam_cost_bottleneck(&a.step);
    }
    printf("   tokens/s limited by %s", by[0]);
    seam_cell_text(w[1].prompt, w[1].cached, cell, sizeof cell);
    if (strcmp(by[0], by[1]) != 0)
        printf(", at %s by %s", cell, by[1]);
    printf(".\n");
}

static void print_layout(const struct seam_page *p, uint32_t k)
{
    const struct seam_layout *l = p->shown[k];
    char name[200], cell[40], rest[260];
    seam_layout_text(p, l, name, sizeof name);
    snprintf(cell, sizeof cell, "%c", 'A' + (int)k);
    snprintf(rest, sizeof rest, "  %s", name);
    heading(p, cell, rest);
    printf("   %s%s%s\n   %-12s  %-18s  %-18s  %-18s  %s\n", p->why[k],
           seam_page_today(l) ? "" : "; not in Seam yet",
           l->raised ? "; macOS wired limit raised" : "", "new+cached", "first token, s",
           "tokens/s", "kJ per answer", "first token limited by");
    for (uint32_t i = 0; i < p->n_prompt; i++)
        for (uint32_t j = 0; j < p->n_cached; j++) {
            const struct seam_work w = {p->prompt[i], p->cached[j], p->output};
            const struct seam_answer a = seam_layout_answer(l, p->inv, p->shape, &w, SEAM_CASE_MID);
            seam_cell_text(w.prompt, w.cached, cell, sizeof cell);
            printf("   %-12s", cell);
            print_range(p, k, "ttft", cell, a.ttft_s < 10, 1);
            print_range(p, k, "decode", cell, 1, 1);
            print_range(p, k, "energy", cell, a.joules < 10e3, 1000);
            printf("  %s%s\n", a.swept ? "sweep: " : "", seam_cost_bottleneck(&a.ttft));
        }
    print_step_limit(p, l);
    double even = value(p, k, "breakeven", SEAM_CASE_MID);
    if (even > 0)
        printf(
            "   Break-even: the sweep reads prompts of %.0f new tokens and more; the rest stays here.\n",
            even);
    else if (l->sweep)
        printf("   The sweep never pays off here.\n");
}

static void print_layouts(const struct seam_page *p)
{
    char rest[160];
    snprintf(rest, sizeof rest,
             "  (likely, and the range in brackets; [n]: layers)\n"
             "   %u of %zu that fit: others are no faster than some of their own machines are.",
             p->n_shown, p->n_all);
    heading(p, "Layouts, fastest first", rest);
    for (uint32_t k = 0; k < p->n_shown; k++)
        print_layout(p, k);
}

/* ---- the verdict ---- */

static void print_seconds(double s)
{
    if (isinf(s))
        printf("  %13s", "does not fit");
    else
        printf("  %11.0f s", s);
}

static void print_verdict(const struct seam_page *p)
{
    heading(p, "Does adding the NVIDIA machines make it slower?",
            "  (seconds until the last word, likely)");
    printf("   %-43s  %13s  %13s  %13s\n", "use", "without", "in each token", "sweeping");
    for (size_t i = 0; i < SEAM_PAGE_USES; i++) {
        const struct seam_use *u = &p->use[i];
        printf("   %-43s", u->name);
        for (int k = 0; k < SEAM_SIDES; k++)
            print_seconds(u->s[k]);
        printf("  %s\n", isinf(u->s[SEAM_SIDE_SWEEP])     ? ""
                         : isinf(u->s[SEAM_SIDE_WITHOUT]) ? "needed"
                         : gains(u)                       ? "faster"
                                                          : "no gain");
    }
    printf(
        "   'In each token' has stages on both kinds of machine; 'sweeping' lets them read prompts where it\n"
        "   pays off, so it is never slower than 'without': no gain means do not pool for that use.\n"
        "   Each use has room for its own tokens only.\n");
}

/* ---- one change ---- */

static void print_changes(const struct seam_page *p)
{
    heading(p, "What one change would buy",
            "  (geometric mean over the asked prompts, fastest layout each time)");
    for (uint32_t i = 0; i < p->n_change; i++) {
        const struct seam_change *c = &p->change[i];
        const double ratio = c->after / c->before;
        printf("   %-48s ", c->name);
        if (isinf(c->before) && isinf(c->after))
            printf("still does not fit\n");
        else if (isinf(c->after))
            printf("would not fit\n");
        else if (isinf(c->before))
            printf("makes it fit\n");
        else if (fabs(ratio - 1) < 0.005)
            printf("no difference\n");
        else
            printf("answers take %.0f %% %s\n", 100 * fabs(ratio - 1), ratio < 1 ? "less" : "more");
    }
}

void seam_page_print(const struct seam_page *p)
{
    print_model(p);
    print_short(p);
    print_pool(p);
    if (p->n_all) {
        print_memory(p);
        print_layouts(p);
        if (both_kinds(p))
            print_verdict(p);
    }
    print_changes(p);
    printf(
        "\nAll of this is from specifications and published numbers, nothing was measured here.\n"
        "--explain KEY says where a number comes from, --explain list names them all.\n");
}
