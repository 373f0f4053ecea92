/*
 * Silences and accepts through the API: listed, made from a JSON object, taken back.  What comes in
 * is strict: unknown keys, wrong types and lengths are refused with the key's name.
 */
#include "base/clock.h"
#include "base/unit.h"
#include "daemon/api_body.h"
#include "daemon/api_private.h"
#include "daemon/api_socket.h"
#include "monitor/silence.h"
#include "report/metrics.h"

static const char *const silence_keys[] = { "database", "check", "object", "reason", "for", "until",
	"until_resolved", "even_if_worse", NULL };
static const char *const accept_keys[] = { "database", "check", "object", "reason", NULL };

/* ---- reading ---- */

static int
get_until(const json_t *o, int64_t now_us, int64_t *ret, struct err *e)
{
	const char *length, *until;
	struct err why = { 0 };
	int64_t us = 0;

	if (api_body_text(o, "for", 40, &length, e) < 0 ||
	    api_body_text(o, "until", 40, &until, e) < 0)
		return -EINVAL;
	if (!length == !until)
		return err_set(e, -EINVAL, "for or until, one of the two, is wanted");
	if (length && duration_parse(length, &us, &why) < 0)
		return err_set(e, -EINVAL, "for: %s", why.msg);
	if (until && clock_rfc3339_parse(until, &us) < 0)
		return err_set(e, -EINVAL, "until: write a time as 2026-03-01T12:00:00Z");
	us -= until ? now_us : 0;
	if (us < USEC_PER_SEC || us > SILENCE_MAX_US)
		return err_set(e, -EINVAL, "%s: from 1s to 366d from now", until ? "until" : "for");
	*ret = now_us + us;
	return 0;
}

static bool
is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

static int
read_wish(const json_t *o, struct silence_wish *w, struct err *e)
{
	bool accept = w->kind == SILENCE_ACCEPT;

	if (api_body_text(o, "database", SILENCE_GLOB_MAX, &w->database, e) < 0 ||
	    api_body_text(o, "check", SILENCE_GLOB_MAX, &w->check, e) < 0 ||
	    api_body_text(o, "object", SILENCE_GLOB_MAX, &w->object, e) < 0 ||
	    api_body_text(o, "reason", SILENCE_REASON_MAX, &w->reason, e) < 0)
		return -EINVAL;
	if (!w->reason || is_blank(w->reason))
		return err_set(e, -EINVAL, "reason: say why, for those who come after you");
	if (accept)
		return w->database ? 0 : err_set(e, -EINVAL, "database: say of which one");
	if (api_body_flag(o, "until_resolved", &w->until_resolved, e) < 0 ||
	    api_body_flag(o, "even_if_worse", &w->even_if_worse, e) < 0)
		return -EINVAL;
	return get_until(o, clock_wall_us(), &w->until_wall_us, e);
}

/* ---- calls ---- */

static void
make(struct api *api, struct http_request *r, enum silence_kind kind)
{
	struct silence_wish w = { .kind = kind };
	char who[PEER_NAME_SIZE];
	json_t *o = api_body_read(r, kind == SILENCE_ACCEPT ? accept_keys : silence_keys, false);
	json_t *answer = NULL;
	struct err e = { 0 };
	int code;

	if (!o)
		return;
	peer_name(http_request_socket(r), who);
	w.author = who;
	code = read_wish(o, &w, &e);
	if (code == 0)
		code = monitor_silence(api->monitor, &w, &answer, &e);
	json_decref(o);
	api_changed(api);
	if (code == 0)
		api_reply(r, 201, NULL, answer);
	else
		http_reply_error(r,
		    code == -ENOSPC  ? 429
		    : code == -ESRCH ? 404
		                     : 400,
		    NULL, "%s", e.msg);
}

static void
take_back(struct api *api, struct http_request *r, const char *id, enum silence_kind kind)
{
	char who[PEER_NAME_SIZE];
	struct err e = { 0 };
	int code;

	peer_name(http_request_socket(r), who);
	code = monitor_unsilence(api->monitor, kind, id, who, &e);
	api_changed(api);
	if (code < 0)
		http_reply_error(r, code == -EPERM ? 409 : 404, NULL, "%s", e.msg);
	else
		api_reply(r, 200, NULL, json_pack("{s:s}", "id", id));
}

static void
list(struct api *api, struct http_request *r, bool accepts)
{
	int64_t began = clock_now_us();

	if (!api_reply_cached(api, r))
		api_reply_and_keep(api, r, began, monitor_silences(api->monitor, accepts));
}

void
api_get_silences(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	list(api, r, false);
}

void
api_get_accepts(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	list(api, r, true);
}

void
api_post_silence(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	make(api, r, SILENCE_ASKED);
}

void
api_post_accept(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	make(api, r, SILENCE_ACCEPT);
}

void
api_delete_silence(struct api *api, struct http_request *r, const struct api_request *q)
{
	take_back(api, r, q->segments[2], SILENCE_ASKED);
}

void
api_delete_accept(struct api *api, struct http_request *r, const struct api_request *q)
{
	take_back(api, r, q->segments[2], SILENCE_ACCEPT);
}

void
api_silence_metrics(struct exposition *e, const struct monitor *m)
{
	size_t silenced, accepted;

	monitor_count_muted(m, &silenced, &accepted);
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_silences",
	               "Silences and windows that are on now."),
	    "",
	    (double)(monitor_count_silences(m, SILENCE_ASKED) +
	             monitor_count_silences(m, SILENCE_WINDOW)));
	family_add(
	    exposition_family(e, FAMILY_GAUGE, "dbhealth_findings_silenced",
	        "Open findings that a silence keeps quiet; dbhealth_findings is without them."),
	    "", (double)silenced);
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_findings_accepted",
	               "Open findings that are accepted; dbhealth_findings is without them."),
	    "", (double)accepted);
}
