/* What should be there: the baseline of a check of kind snapshot, shown, pinned and unpinned. */
#include "daemon/api_private.h"
#include "daemon/api_socket.h"

#define DEFAULT_CHECK "schema-drift"

static const char *
check_of(const struct api_request *q)
{
	const char *check = api_request_get(q, "check");

	return check ? check : DEFAULT_CHECK;
}

static void
refuse(struct http_request *r, const struct api_request *q, int error)
{
	if (error == -ENOENT)
		api_reply_no_database(r, q->segments[2]);
	else if (error == -EINVAL)
		http_reply_error(r, 404, NULL,
		    "%.100s has no check %.100s that keeps what it sees, or it is disabled",
		    q->segments[2], check_of(q));
	else if (error == -ESRCH)
		http_reply_error(r, 404, NULL, "this version is not kept");
	else
		http_reply_error(
		    r, 503, API_RETRY_AFTER, "%.100s was not looked at yet", q->segments[2]);
}

void
api_get_baseline(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *answer = NULL;
	int e = monitor_baseline(api->monitor, q->segments[2], check_of(q), &answer);

	if (e < 0)
		refuse(r, q, e);
	else
		api_reply(r, 200, NULL, answer);
}

void
api_post_baseline(struct api *api, struct http_request *r, const struct api_request *q)
{
	const char *text = api_request_get(q, "version");
	char who[PEER_NAME_SIZE], *end = NULL;
	unsigned long long version = text ? strtoull(text, &end, 10) : 0;
	int e;

	if (text && (text[0] < '1' || text[0] > '9' || *end || version > INT64_MAX)) {
		http_reply_error(r, 400, NULL, "version: a number from 1");
		return;
	}
	peer_name(http_request_socket(r), who);
	e = monitor_pin(api->monitor, q->segments[2], check_of(q), version, who);
	api_changed(api);
	if (e < 0)
		refuse(r, q, e);
	else
		api_get_baseline(api, r, q);
}

void
api_delete_baseline(struct api *api, struct http_request *r, const struct api_request *q)
{
	int e = monitor_unpin(api->monitor, q->segments[2], check_of(q));

	api_changed(api);
	if (e < 0)
		refuse(r, q, e);
	else
		api_get_baseline(api, r, q);
}
