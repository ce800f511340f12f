/* xml_call.h - a tool call as Qwen3.5 writes it, read as it comes and turned into JSON:
 *
 *   <function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>
 *
 * Values are text; what they are in JSON is what the tool's schema says: a parameter that can only
 * be a string is passed on as it comes, any other is waited for, and is a string if it is nothing
 * that the schema allows. Private to src/model. Thread: one. */
#ifndef SEAM_MODEL_XML_CALL_H
#define SEAM_MODEL_XML_CALL_H

#include "base/buf.h"
#include "model/chat_say.h"

struct seam_xml_call {
    struct seam_chat_say *say;
    yyjson_val *tools, *schema; /* of the function's parameters */
    enum { SEAM_XML_OUTSIDE, SEAM_XML_FUNCTION, SEAM_XML_VALUE, SEAM_XML_BROKEN } state;
    bool any;             /* a function has begun since begin */
    struct seam_buf held; /* not yet understood */
    unsigned n_params;    /* of this function */
    unsigned types;       /* of this parameter */
    bool fresh;           /* nothing of this value has been passed on yet */
    size_t scanned;       /* bytes of held in which no </parameter> begins */
};
/* One <tool_call>; .held is kept. */
void seam_xml_call_begin(struct seam_xml_call *c, struct seam_chat_say *say, yyjson_val *tools);
void seam_xml_call_feed(struct seam_xml_call *c, const char *bytes, size_t len);
/* `whole`: </tool_call> came, so what is open ends here; otherwise the reply was cut off. */
void seam_xml_call_end(struct seam_xml_call *c, bool whole);

#endif
