#pragma once
#include "base/err.h"
#include "daemon/http.h"
#include <jansson.h>
/* What a request says in its body: one JSON object, read strictly, refused with the key's name. */

/*
 * The object, owned, with none but these keys (ended by NULL); or NULL, and the request was answered with
 * 400.  optional: no body at all is an empty object.
 */
json_t *api_body_read(struct http_request *, const char *const *keys, bool optional) _must_check_;
/* 0 or -EINVAL.  *ret: borrowed, NULL where it is missing, null or empty. */
int api_body_text(
    const json_t *, const char *key, size_t max_bytes, const char **ret, struct err *) _must_check_;
/* False where it is missing or null. */
int api_body_flag(const json_t *, const char *key, bool *ret, struct err *) _must_check_;
