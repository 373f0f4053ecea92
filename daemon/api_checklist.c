/* The routine through the API: what is done, due and overdue; what people say is done. */
#include "base/str.h"
#include "base/text.h"
#include "daemon/api_private.h"
#include "daemon/api_socket.h"
#include "daemon/upkeep.h"
#include "routine/routine.h"

void
api_get_checklist(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	api_reply(r, 200, NULL, upkeep_json(api->upkeep));
}

static int
get_text(const json_t *o, const char *key, size_t max, const char **ret, struct err *e)
{
	const json_t *value = json_object_get(o, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(e, -EINVAL, "%s: a text is wanted", key);
	if (json_string_length(value) > max)
		return err_set(e, -EINVAL, "%s: at most %zu bytes", key, max);
	if (json_string_length(value) > 0)
		*ret = json_string_value(value);
	return 0;
}

static int
read_mark(const json_t *o, const char **ret_note, const char **ret_database, struct err *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(o))
		return err_set(e, -EINVAL, "a JSON object is wanted");
	json_object_foreach ((json_t *)o, key, value)
		if (!streq(key, "note") && !streq(key, "database"))
			return err_set(e, -EINVAL, "unknown key %.100s", key);
	if (get_text(o, "note", ROUTINE_NOTE_MAX, ret_note, e) < 0)
		return -EINVAL;
	return get_text(o, "database", 100, ret_database, e);
}

static void
reply(struct api *api, struct http_request *r, int code, const struct err *e)
{
	api_changed(api);
	if (code == 0)
		api_reply(r, 200, NULL, upkeep_json(api->upkeep));
	else
		http_reply_error(r, 404, NULL, "%s", e->msg);
}

void
api_post_checklist_done(struct api *api, struct http_request *r, const struct api_request *q)
{
	char who[PEER_NAME_SIZE];
	size_t len = 0;
	const char *body = http_request_body(r, &len), *note = NULL, *database = NULL;
	json_error_t why = { 0 };
	json_t *o =
	    body && len > 0 ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &why) : json_object();
	struct err e = { 0 };

	if (!o) {
		http_reply_error(r, 400, NULL, "the body is no JSON object: %s", why.text);
		return;
	}
	peer_name(http_request_socket(r), who);
	if (read_mark(o, &note, &database, &e) < 0)
		http_reply_error(r, 400, NULL, "%s", e.msg);
	else
		reply(
		    api, r, upkeep_done(api->upkeep, q->segments[2], database, who, note, &e), &e);
	json_decref(o);
}

void
api_delete_checklist_done(struct api *api, struct http_request *r, const struct api_request *q)
{
	struct err e = { 0 };

	reply(api, r, upkeep_undo(api->upkeep, q->segments[2], api_request_get(q, "database"), &e),
	    &e);
}
