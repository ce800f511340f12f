#include "serve/timings.h"

static double ms(uint64_t ns)
{
    uint64_t us = ns / 1000;
    return (double)us / 1e3;
}

void seam_json_timings(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct seam_timings *t)
{
    const struct {
        const char *name;
        uint64_t ns;
    } rows[] = {
        {"queue", t->queue},
        {"load", t->load},
        {"compute", t->compute},
        {"handoff", t->handoff},
        {"handoff_exposed", t->handoff_exposed},
        {"first_token", t->first_token},
        {"decode", t->decode},
        {"total", t->total},
    };
    yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, to, "timings_ms");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        yyjson_mut_obj_add_real(doc, o, rows[i].name, ms(rows[i].ns));
}

static void add_span(yyjson_mut_doc *doc, yyjson_mut_val *row, const char *name,
                     const struct seam_span *s, uint64_t zero)
{
    yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, row, name);
    bool happened = s->begin_ns >= zero && s->begin_ns;
    yyjson_mut_obj_add_real(doc, v, "begin_ms", happened ? ms(s->begin_ns - zero) : 0);
    yyjson_mut_obj_add_real(doc, v, "end_ms", happened ? ms(s->end_ns - zero) : 0);
    yyjson_mut_obj_add_real(doc, v, "busy_ms", ms(s->busy_ns));
    yyjson_mut_obj_add_uint(doc, v, "bytes", s->bytes);
}

void seam_json_layers(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct seam_trace *t)
{
    yyjson_mut_val *rows = yyjson_mut_obj_add_arr(doc, to, "layers");
    for (uint32_t i = 0; t->layers && i < t->n_layer; i++) {
        const struct seam_trace_layer *l = &t->layers[i];
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, rows);
        add_span(doc, row, "read", &l->read, t->begin_ns);
        if (l->copy.begin_ns)
            add_span(doc, row, "copy", &l->copy, t->begin_ns);
        add_span(doc, row, "compute", &l->compute, t->begin_ns);
        add_span(doc, row, "send", &l->send, t->begin_ns);
        yyjson_mut_obj_add_real(doc, row, "wait_ms", ms(l->wait_ns));
    }
}
