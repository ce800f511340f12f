/* plan_page.h - what `seam plan` says: numbers with keys (plan_items.c), the page for people (plan_page.c), JSON
 * and explanations (plan_explain.c). Costs are src/plan's. Units: as each item says. */
#ifndef SEAM_CMD_PLAN_PAGE_H
#define SEAM_CMD_PLAN_PAGE_H

#include "plan/layout.h"

#define SEAM_PAGE_SHOWN   8u    /* layouts on the page */
#define SEAM_PAGE_ITEMS   1600u /* numbers */
#define SEAM_PAGE_USES    5u
#define SEAM_PAGE_CHANGES 5u

struct seam_item {
    char key[64];
    double v[SEAM_CASES];
    const char *unit, *formula;
    const char *source;               /* of a number that was given; NULL: computed */
    const struct seam_layout *layout; /* NULL: no layout's */
    struct seam_work work;            /* of that layout; prompt 0: none */
};

/* One of the user's kinds of work, by who takes part: seconds until the last word. */
enum seam_side { SEAM_SIDE_WITHOUT, SEAM_SIDE_TOKEN, SEAM_SIDE_SWEEP, SEAM_SIDES };
struct seam_use {
    const char *key, *name;
    struct seam_work w;
    struct seam_layout *all; /* with room for its tokens */
    size_t n_all;
    const struct seam_layout *layout[SEAM_SIDES]; /* the fastest, likely case; NULL: none fits */
    double s[SEAM_SIDES];                         /* INFINITY: none fits */
};

/* What one change would buy: the score of the fastest layout, before and after; INFINITY: nothing fits. */
struct seam_change {
    const char *name;
    double before, after;
};

struct seam_page {
    struct seam_inventory *inv;
    struct seam_shape *shape;
    struct seam_layout *all; /* best first */
    size_t n_all;
    const struct seam_layout *shown[SEAM_PAGE_SHOWN];
    const char *why[SEAM_PAGE_SHOWN];
    uint32_t n_shown;
    double prompt[8], cached[4], output;
    uint32_t n_prompt, n_cached, n_ctx;
    struct seam_item *item;
    size_t n_item;
    struct seam_use use[SEAM_PAGE_USES];
    struct seam_change change[SEAM_PAGE_CHANGES];
    uint32_t n_change;
    bool colour;
};

/* Layouts found, the sensible ones chosen, every number an item. inv, shape, prompt, cached, output, n_ctx are
 * set. SEAM_ENOMEM. */
seam_status seam_page_fill(struct seam_page *p, struct seam_err *err);
void seam_page_release(struct seam_page *p); /* and inv and shape */

const struct seam_item *seam_page_item(const struct seam_page *p, const char *key);
bool seam_page_today(const struct seam_layout *l); /* does Seam run it today? */
uint32_t seam_page_vendor(const struct seam_inventory *v, enum seam_vendor vendor); /* mask */
const char *seam_tokens_text(double n, char *buf, size_t len);                      /* "32k" */
void seam_cell_text(double prompt, double cached, char *buf, size_t len);           /* "32k+0" */
/* "studio[46] -> mbp[15], swept by spark1" */
void seam_layout_text(const struct seam_page *p, const struct seam_layout *l, char *buf,
                      size_t len);

void seam_page_print(const struct seam_page *p);
seam_status seam_page_json(const struct seam_page *p, struct seam_err *err);
/* KEY or "list". SEAM_ENOTFOUND. */
seam_status seam_page_explain(const struct seam_page *p, const char *key, struct seam_err *err);

#endif
