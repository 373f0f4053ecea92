/* Answers of the API, and those kept for a moment for the next who asks the same. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/api_private.h"
#include "daemon/status_page.h"
#include "report/report.h"

#define CACHE_MIN_US (200 * USEC_PER_MSEC)
#define CACHE_MAX_US (5 * USEC_PER_SEC)
#define CACHE_SHARE  20 /* at most 1/20 of the time goes into making one answer again and again */

static struct http_body *
body_of(json_t *take)
{
	char *text = report_dump(take);

	json_decref(take);
	return http_body_new(text, strlen(text));
}

void
api_reply(struct http_request *r, int code, const char *extra, json_t *take)
{
	http_reply(r, code, "application/json", extra, body_of(take));
}

static struct api_cached *
cache_slot(struct api *api, const char *target)
{
	struct api_cached *oldest = &api->cache[0];

	for (size_t i = 0; i < API_CACHE_ENTRIES; i++) {
		struct api_cached *c = &api->cache[i];

		if (c->target && streq(c->target, target))
			return c;
		if (c->until_us < oldest->until_us)
			oldest = c;
	}
	return oldest;
}

static void
cached_done(struct api_cached *c)
{
	free(c->target);
	http_body_unref(c->body);
	*c = (struct api_cached){ 0 };
}

bool
api_reply_cached(struct api *api, struct http_request *r)
{
	struct api_cached *c = cache_slot(api, http_request_target(r));

	if (!c->target || !streq(c->target, http_request_target(r)) ||
	    clock_now_us() >= c->until_us)
		return false;
	http_reply(r, 200, "application/json", NULL, http_body_ref(c->body));
	return true;
}

void
api_reply_and_keep(struct api *api, struct http_request *r, int64_t began_us, json_t *take)
{
	struct api_cached *c = cache_slot(api, http_request_target(r));
	struct http_body *body = body_of(take);
	int64_t now = clock_now_us();

	cached_done(c);
	c->target = xstrdup(http_request_target(r));
	c->body = http_body_ref(body);
	c->until_us = now + MIN(MAX((now - began_us) * CACHE_SHARE, CACHE_MIN_US), CACHE_MAX_US);
	http_reply(r, 200, "application/json", NULL, body);
}

void
api_changed(struct api *api)
{
	for (size_t i = 0; i < API_CACHE_ENTRIES; i++)
		cached_done(&api->cache[i]);
	status_page_changed(api->status);
}

bool
api_parse_limit(struct http_request *r, const struct api_request *q, size_t max, size_t *limit)
{
	const char *text = api_request_get(q, "limit");
	char *end = NULL;
	unsigned long n;

	if (!text)
		return true;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end || n < 1 || n > max) {
		http_reply_error(r, 400, NULL, "limit: 1 to %zu", max);
		return false;
	}
	*limit = n;
	return true;
}

void
api_reply_no_database(struct http_request *r, const char *name)
{
	http_reply_error(r, 404, NULL, "no database of the name %.100s", name);
}
