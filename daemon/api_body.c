/* Bodies of requests: parsed, refused for what nobody knows or for another type than is wanted. */
#include "daemon/api_body.h"
#include "base/str.h"

static const char *
unknown_key(json_t *o, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach (o, key, value) {
		size_t i = 0;

		while (known[i] && !streq(known[i], key))
			i++;
		if (!known[i])
			return key;
	}
	return NULL;
}

json_t *
api_body_read(struct http_request *r, const char *const *keys, bool optional)
{
	size_t len = 0;
	const char *body = http_request_body(r, &len), *unknown;
	json_error_t why = { .text = "there is none" };
	json_t *o = NULL;

	if (body && len > 0)
		o = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);
	else if (optional)
		o = json_object();
	if (!o) {
		http_reply_error(r, 400, NULL, "the body is no JSON object: %s", why.text);
		return NULL;
	}
	unknown = unknown_key(o, keys);
	if (json_is_object(o) && !unknown)
		return o;
	if (unknown)
		http_reply_error(r, 400, NULL, "unknown key %.100s", unknown);
	else
		http_reply_error(r, 400, NULL, "a JSON object is wanted");
	json_decref(o);
	return NULL;
}

int
api_body_text(const json_t *o, const char *key, size_t max_bytes, const char **ret, struct err *e)
{
	const json_t *value = json_object_get(o, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(e, -EINVAL, "%s: a text is wanted", key);
	if (json_string_length(value) > max_bytes)
		return err_set(e, -EINVAL, "%s: at most %zu bytes", key, max_bytes);
	if (json_string_length(value) > 0)
		*ret = json_string_value(value);
	return 0;
}

int
api_body_flag(const json_t *o, const char *key, bool *ret, struct err *e)
{
	const json_t *value = json_object_get(o, key);

	if (value && !json_is_boolean(value) && !json_is_null(value))
		return err_set(e, -EINVAL, "%s: true or false is wanted", key);
	*ret = json_is_true(value);
	return 0;
}
