#include "cmd/json.h"

#include <stdio.h>
#include <stdlib.h>

seam_status seam_json_put(yyjson_mut_doc *d, yyjson_write_flag flags, struct seam_err *err)
{
    char *text = yyjson_mut_write(d, YYJSON_WRITE_PRETTY_TWO_SPACES | flags, NULL);
    yyjson_mut_doc_free(d);
    if (!text)
        return seam_fail(err, SEAM_ENOMEM, "no memory for JSON");
    puts(text);
    free(text);
    return SEAM_OK;
}
