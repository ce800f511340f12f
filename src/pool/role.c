/* role.c - what a node offers, by name. */
#include <string.h>

#include "pool/node.h"

static const char *const role_names[] =
    {[SEAM_NODE_SWEEP] = "sweep", [SEAM_NODE_DECODE] = "decode", [SEAM_NODE_BOTH] = "both"};

const char *seam_node_role_name(enum seam_node_role role)
{
    return role >= SEAM_NODE_SWEEP && role <= SEAM_NODE_BOTH ? role_names[role] : "unknown";
}

enum seam_node_role seam_node_role_named(const char *name)
{
    for (int r = SEAM_NODE_SWEEP; r <= SEAM_NODE_BOTH; r++)
        if (!strcmp(name, role_names[r]))
            return (enum seam_node_role)r;
    return (enum seam_node_role)0;
}

uint32_t seam_node_lanes(enum seam_node_role role)
{
    return role == SEAM_NODE_SWEEP ? 1 : 2;
}
