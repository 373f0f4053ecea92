/* The error shape of the API, for its router and for what never reaches it. */
#include "daemon/http.h"
#include "report/report.h"

#include <stdarg.h>
#include <stdio.h>

void
http_reply_error(struct http_request *r, int code, const char *extra, const char *fmt, ...)
{
	json_t *error = NULL, *o = NULL;
	char message[600], *text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	error = json_object();
	o = json_object();
	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", report_string(message));
	json_object_set_new(o, "error", error);
	text = report_dump(o);
	json_decref(o);
	http_reply(r, code, "application/json", extra, http_body_new(text, strlen(text)));
}
