/* shape.h - a model as the cost model sees it: per layer, bytes and values by what they are for. From
 * a GGUF's header, or from a card: the shapes of `seam synth` with the types of a published mix.
 * Thread: immutable after open. Units: bytes, values (weights), tokens. */
#ifndef SEAM_PLAN_SHAPE_H
#define SEAM_PLAN_SHAPE_H

#include "model/model.h"
#include "plan/inventory.h"

#define SEAM_SHAPE_TYPES 8u
struct seam_shape_part { /* matrices of one use in one layer */
    double bytes, values;
    struct { /* the same by type, without vectors; one row too many is put on the last */
        const struct seam_type *type;
        double values;
    } of[SEAM_SHAPE_TYPES];
    uint32_t n_of;
};
struct seam_shape_layer {
    struct seam_shape_part attn, ffn, routed; /* routed: all experts together */
    double expand_values;                     /* of attn: what expands K and V from latents */
    double kv_bytes;                          /* f16, per token */
    double state_bytes;                       /* f32, per lane */
    double window;                            /* tokens that attention sees; 0: all */
    enum seam_memory memory;
};
struct seam_shape {
    char name[128];
    struct seam_hparams hp;
    struct seam_shape_layer *layer; /* hp.n_layer */
    struct seam_shape_part embed, head;
    bool tied;
    double bytes;       /* of all weights, as published when a card says so */
    double computed;    /* the same by arithmetic alone */
    const char *source; /* of the published size; NULL: computed */
};

/* NAME is a model card, "SHAPE:TYPE" of `seam synth`, or a GGUF file. SEAM_ENOTFOUND: none of these;
 * the story lists the cards. Others as seam_model_open. */
seam_status seam_shape_open(struct seam_shape **out, const struct seam_inventory *v,
                            const char *name, struct seam_err *err);
void seam_shape_close(struct seam_shape *s);

double seam_shape_kv_bytes(const struct seam_shape *s);     /* per token, all layers */
double seam_shape_active_bytes(const struct seam_shape *s); /* weights read per decoded token */
double seam_shape_layer_bytes(const struct seam_shape_layer *l);

#endif
