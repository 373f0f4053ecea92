#pragma once
#include "base/base.h"
#include <event2/buffer.h>
/* The head of one HTTP/1.x request, read strictly: what two readers could take differently is
 * refused. */
struct http_head {
	char *method, *target; /* owned; NULL until complete */
	char *host, *accept;   /* owned; NULL: not sent; several Accept fields are one list */
	char *last_event_id;   /* as those */
	bool old;              /* HTTP/1.0 */
	bool keep_alive;
	bool expects_continue; /* a body is awaited behind "Expect: 100-continue" */
	bool parsed;           /* the head is complete and taken from the input */
	size_t body_bytes;
	char *body;      /* owned; NULL until complete or empty; a NUL follows it */
	size_t searched; /* bytes of the input that hold no end of the head */
	unsigned blanks; /* CR and LF that came before it */
};
void http_head_done(struct http_head *);
/*
 * Takes one whole request from the input.
 * 1: complete; 0: more is to come; -400 or -413: refused, *ret_why says so.
 */
int http_head_read(struct http_head *, struct evbuffer *, size_t max_header, size_t max_body,
    const char **ret_why);
