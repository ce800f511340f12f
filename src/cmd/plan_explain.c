/* plan_explain.c - the numbers of a plan for programs (--json), and where one comes from (--explain). */
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/plan_page.h"

#define WIDTH 98

/* ---- JSON; docs/plan.md has the fields ---- */

static void add_layout(const struct seam_page *p, uint32_t k, yyjson_mut_doc *d, yyjson_mut_val *o)
{
    const struct seam_layout *l = p->shown[k];
    const char letter[2] = {(char)('A' + k), 0};
    yyjson_mut_obj_add_strcpy(d, o, "letter", letter);
    yyjson_mut_obj_add_str(d, o, "shown_as", p->why[k]);
    yyjson_mut_obj_add_bool(d, o, "runs_today", seam_page_today(l));
    yyjson_mut_obj_add_bool(d, o, "raised_limit", l->raised);
    yyjson_mut_val *stages = yyjson_mut_obj_add_arr(d, o, "stages");
    for (uint32_t i = 0; i < l->n_stage; i++) {
        yyjson_mut_val *s = yyjson_mut_arr_add_obj(d, stages);
        yyjson_mut_obj_add_str(d, s, "node", p->inv->node[l->stage[i]].name);
        yyjson_mut_obj_add_uint(d, s, "first_layer", l->first[i]);
        yyjson_mut_obj_add_uint(d, s, "layers", l->first[i + 1] - l->first[i]);
    }
    yyjson_mut_val *sweep = yyjson_mut_obj_add_arr(d, o, "sweep");
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        if (l->sweep >> i & 1)
            yyjson_mut_arr_add_str(d, sweep, p->inv->node[i].name);
}

/* What limits the first token and a step of every answer, likely case. */
static void add_limits(const struct seam_page *p, yyjson_mut_doc *d, yyjson_mut_val *o)
{
    for (size_t i = 0; i < p->n_item; i++) {
        const struct seam_item *it = &p->item[i];
        bool ttft = strstr(it->key, ".ttft.") != NULL;
        if (!ttft && !strstr(it->key, ".decode."))
            continue;
        const struct seam_answer a =
            seam_layout_answer(it->layout, p->inv, p->shape, &it->work, SEAM_CASE_MID);
        yyjson_mut_obj_add_str(d, o, it->key, seam_cost_bottleneck(ttft ? &a.ttft : &a.step));
    }
}

seam_status seam_page_json(const struct seam_page *p, struct seam_err *err)
{
    yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    yyjson_mut_doc_set_root(d, root);
    yyjson_mut_obj_add_uint(d, root, "version", 1);
    yyjson_mut_obj_add_str(d, root, "model", p->shape->name);
    yyjson_mut_obj_add_uint(d, root, "context", p->n_ctx);
    yyjson_mut_obj_add_uint(d, root, "layouts_costed", p->n_all);
    yyjson_mut_val *layouts = yyjson_mut_obj_add_arr(d, root, "layouts");
    for (uint32_t k = 0; k < p->n_shown; k++)
        add_layout(p, k, d, yyjson_mut_arr_add_obj(d, layouts));
    yyjson_mut_val *numbers = yyjson_mut_obj_add_obj(d, root, "numbers");
    for (size_t i = 0; i < p->n_item; i++) {
        const struct seam_item *it = &p->item[i];
        yyjson_mut_val *o = yyjson_mut_obj_add_obj(d, numbers, it->key);
        yyjson_mut_obj_add_real(d, o, "worst", it->v[SEAM_CASE_WORST]);
        yyjson_mut_obj_add_real(d, o, "likely", it->v[SEAM_CASE_MID]);
        yyjson_mut_obj_add_real(d, o, "best", it->v[SEAM_CASE_BEST]);
        yyjson_mut_obj_add_str(d, o, "unit", it->unit);
    }
    add_limits(p, d, yyjson_mut_obj_add_obj(d, root, "limited_by"));
    return seam_json_put(d, 0, err);
}

/* ---- where a number comes from ---- */

static void explain_machine(const struct seam_page *p, uint32_t node)
{
    const struct seam_plan_machine *m = &p->inv->node[node].machine;
    char a[3][24];
    printf("\n%s is %s\n", p->inv->node[node].name, m->title);
    for (int r = 0; r < SEAM_RATE_COUNT; r++) {
        const struct seam_rate_row *row = seam_rate_row((enum seam_rate)r);
        if (!m->has[r])
            continue;
        for (int c = 0; c < SEAM_CASES; c++)
            seam_quantity_format(m->rate[r].v[c], row->unit, a[c], sizeof a[c]);
        printf("  %-11s %s / %s / %s\n              ", row->key, a[0], a[1], a[2]);
        seam_text_wrap(stdout, seam_quantity_source(&m->rate[r]), 14, 14, WIDTH);
    }
}

static void explain_link(const struct seam_page *p, uint32_t a, uint32_t b)
{
    const struct seam_plan_link *l = p->inv->link[a][b];
    printf("\n%s - %s is %s\n  rate        %.3g / %.3g / %.3g GB/s\n              ",
           p->inv->node[a].name, p->inv->node[b].name, l->name, l->rate.v[0] / 1e9,
           l->rate.v[1] / 1e9, l->rate.v[2] / 1e9);
    seam_text_wrap(stdout, seam_quantity_source(&l->rate), 14, 14, WIDTH);
    printf("  latency     %.3g / %.3g / %.3g us\n              ", l->latency.v[0] * 1e6,
           l->latency.v[1] * 1e6, l->latency.v[2] * 1e6);
    seam_text_wrap(stdout, seam_quantity_source(&l->latency), 14, 14, WIDTH);
}

static void explain_cost(const char *what, const struct seam_cost *c)
{
    printf("\n%s, likely case, seconds\n"
           "  memory (weights) %.4g, matrix products %.4g, attention %.4g, launches %.4g,\n"
           "  disk %.4g, link %.4g; sum %.4g; most by: %s\n",
           what, c->weights, c->matmul, c->attention, c->fixed, c->disk, c->link, seam_cost_sum(c),
           seam_cost_bottleneck(c));
}

static void explain_layout(const struct seam_page *p, const struct seam_item *it)
{
    const uint32_t nodes = seam_layout_nodes(it->layout);
    char name[200];
    seam_layout_text(p, it->layout, name, sizeof name);
    printf("\nLayout: %s\n", name);
    if (it->work.prompt + it->work.cached > 0) {
        const struct seam_answer a =
            seam_layout_answer(it->layout, p->inv, p->shape, &it->work, SEAM_CASE_MID);
        explain_cost(a.swept ? "Until the first token (sweep)" : "Until the first token (stages)",
                     &a.ttft);
        explain_cost("One step", &a.step);
    }
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        if (nodes >> i & 1)
            explain_machine(p, i);
    for (uint32_t i = 0; i < p->inv->n_node; i++)
        for (uint32_t j = i + 1; j < p->inv->n_node; j++)
            if (p->inv->link[i][j] && (nodes >> i & 1) && (nodes >> j & 1))
                explain_link(p, i, j);
}

static void explain_model(const struct seam_page *p)
{
    const struct seam_shape *s = p->shape;
    char line[600];
    snprintf(line, sizeof line, "%s: %u layers, hidden %u, %u heads, %u experts (%u used); %s",
             s->name, s->hp.n_layer, s->hp.n_embd, s->hp.n_head, s->hp.n_expert,
             s->hp.n_expert_used,
             s->source ? s->source : "sizes from the file's header, or from shape and type");
    printf("\n");
    seam_text_wrap(stdout, line, 0, 0, WIDTH);
}

seam_status seam_page_explain(const struct seam_page *p, const char *key, struct seam_err *err)
{
    if (!strcmp(key, "list")) {
        for (size_t i = 0; i < p->n_item; i++)
            puts(p->item[i].key);
        return SEAM_OK;
    }
    const struct seam_item *it = seam_page_item(p, key);
    if (!it)
        return seam_fail(err, SEAM_ENOTFOUND, "no number is called '%s' (--explain list)", key);
    printf("%s: worst %.6g, likely %.6g, best %.6g %s\n  ", it->key, it->v[SEAM_CASE_WORST],
           it->v[SEAM_CASE_MID], it->v[SEAM_CASE_BEST], it->unit);
    seam_text_wrap(stdout, it->formula, 2, 2, WIDTH);
    if (it->source) {
        printf("  source: ");
        seam_text_wrap(stdout, it->source, 10, 10, WIDTH);
    } else {
        explain_model(p);
    }
    if (it->layout)
        explain_layout(p, it);
    return SEAM_OK;
}
