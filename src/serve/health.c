/* health.c - what a client may ask without generating anything: models and health. */
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "serve/internal.h"

#define MAX_NODES 64

void seam_server_health(struct seam_http_request *r, void *user)
{
    const struct seam_server *s = user;
    struct seam_pool_node_info nodes[MAX_NODES];
    size_t n = seam_pool_nodes(s->o.pool, nodes, MAX_NODES);
    bool decodes = false;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = seam_reply_open(&doc);
    for (size_t i = 0; i < n && i < MAX_NODES; i++)
        decodes |= nodes[i].alive && (nodes[i].role & SEAM_NODE_DECODE);
    yyjson_mut_obj_add_str(doc, root, "status", decodes ? "ok" : "no decode node is connected");
    yyjson_mut_obj_add_str(doc, root, "model", s->o.model_id);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "nodes");
    for (size_t i = 0; i < n && i < MAX_NODES; i++) {
        yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_str(doc, v, "name", nodes[i].name);
        yyjson_mut_obj_add_str(doc, v, "role", seam_node_role_name(nodes[i].role));
        yyjson_mut_obj_add_bool(doc, v, "alive", nodes[i].alive);
        yyjson_mut_obj_add_str(doc, v, "addr", nodes[i].addr);
        yyjson_mut_obj_add_uint(doc, v, "context", nodes[i].n_ctx);
    }
    seam_http_reply_json(r, decodes ? 200 : 503, seam_reply_finish(doc), NULL);
}

static void fill_model(const struct seam_server *s, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    const struct seam_catalog *c = seam_model_catalog(s->o.model);
    yyjson_mut_obj_add_str(doc, v, "id", s->o.model_id);
    yyjson_mut_obj_add_str(doc, v, "object", "model");
    yyjson_mut_obj_add_int(doc, v, "created", s->created);
    yyjson_mut_obj_add_str(doc, v, "owned_by", "seam");
    yyjson_mut_obj_add_uint(doc, v, "context_length", seam_pool_ctx(s->o.pool));
    yyjson_mut_val *meta = yyjson_mut_obj_add_obj(doc, v, "meta");
    yyjson_mut_obj_add_str(doc, meta, "name", seam_model_name(s->o.model));
    yyjson_mut_obj_add_str(doc, meta, "architecture", seam_model_arch(s->o.model));
    yyjson_mut_obj_add_uint(doc, meta, "n_ctx_train", seam_model_hparams(s->o.model)->n_ctx_train);
    yyjson_mut_obj_add_uint(doc, meta, "size", seam_catalog_weight_bytes(c));
}

void seam_server_models(struct seam_http_request *r, void *user)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = seam_reply_open(&doc);
    yyjson_mut_obj_add_str(doc, root, "object", "list");
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "data");
    fill_model(user, doc, yyjson_mut_arr_add_obj(doc, list));
    seam_http_reply_json(r, 200, seam_reply_finish(doc), NULL);
}

void seam_server_model(struct seam_http_request *r, void *user)
{
    const struct seam_server *s = user;
    if (strcmp(r->rest, s->o.model_id) != 0) {
        struct seam_api_error e;
        seam_api_refuse(&e, 404, "model", "model_not_found",
                        "no model '%.100s' here; this server has '%s'", r->rest, s->o.model_id);
        seam_http_reply_error(r, &e);
        return;
    }
    yyjson_mut_doc *doc;
    yyjson_mut_val *root = seam_reply_open(&doc);
    fill_model(s, doc, root);
    seam_http_reply_json(r, 200, seam_reply_finish(doc), NULL);
}
