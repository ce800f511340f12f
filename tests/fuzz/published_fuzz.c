/* Arbitrary bytes as a list of published measurements. What opens has rows that the cost model can predict,
 * and each prediction is a number above 0. */
#include <math.h>
#include <stdlib.h>

#include "plan/fit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct seam_inventory *cards;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seam_published *p;
    struct seam_fit *f;
    struct seam_err err;
    if (!cards && seam_inventory_open(&cards, NULL, &err) != SEAM_OK)
        abort();
    if (seam_published_read(&p, "input", (const char *)data, size, &err) != SEAM_OK)
        return 0;
    if (seam_fit_open(&f, cards, p->engine, p->n_engine, p->row, p->n_row, &err) == SEAM_OK) {
        for (size_t i = 0; i < p->n_row && i < 20; i++) {
            double x = seam_fit_predict(f, &p->row[i]);
            if (!(x > 0) || !isfinite(x))
                abort();
        }
        for (size_t i = 0; i < p->n_knob; i++)
            seam_fit_add(f, p->knob[i], &err);
        seam_fit_close(f);
    }
    seam_published_close(p);
    return 0;
}
