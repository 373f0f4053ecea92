/* The routine through the API: what is done, due and overdue; what people say is done. */
#include "daemon/api_body.h"
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

static const char *const mark_keys[] = { "note", "database", NULL };

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
	const char *note = NULL, *database = NULL;
	json_t *o = api_body_read(r, mark_keys, true);
	struct err e = { 0 };

	if (!o)
		return;
	peer_name(http_request_socket(r), who);
	if (api_body_text(o, "note", ROUTINE_NOTE_MAX, &note, &e) < 0 ||
	    api_body_text(o, "database", 100, &database, &e) < 0)
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
