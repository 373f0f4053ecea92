#pragma once
#include "base/err.h"
/* A request target taken apart: decoded path segments and query, valid UTF-8, bounded. */
#define API_SEGMENTS_MAX 8
#define API_KEYS_MAX     16
struct api_request {
	char *segments[API_SEGMENTS_MAX]; /* owned, without the slashes */
	size_t nsegments;
	struct {
		char *name, *value; /* owned */
	} keys[API_KEYS_MAX];
	size_t nkeys;
};
/* "/v1/databases/orders%2Fsales?x=1" or the same behind "http://host". */
int api_request_parse(const char *target, struct api_request *q, struct err *) _must_check_;
void api_request_done(struct api_request *);
const char *api_request_get(const struct api_request *, const char *key); /* or NULL */
/* "v1/databases/WILD/health", `*` being any one segment that is not empty. */
bool api_request_matches(const struct api_request *, const char *pattern);
