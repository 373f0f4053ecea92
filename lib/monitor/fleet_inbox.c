/*
 * Messages of the worker of a fleet, in their order and in slices.
 */
#include "monitor/fleet_inbox.h"
#include "base/base.h"
#include "base/clock.h"
#include "sqlite/fleet.h"
#include <sys/queue.h>

#define SLICE_US (5 * USEC_PER_MSEC)

struct message {
	STAILQ_ENTRY(message) entry;
	uint32_t type;
	json_t *o;
	int64_t told_us;
	enum fleet_news kind; /* of the next file */
	size_t at;
};

struct fleet_inbox {
	const struct fleet_inbox_ops *ops; /* borrowed */
	void *arg;
	struct event *next;
	STAILQ_HEAD(, message) messages;
	bool taking;
};

static void
message_drop(struct fleet_inbox *in)
{
	struct message *msg = STAILQ_FIRST(&in->messages);

	STAILQ_REMOVE_HEAD(&in->messages, entry);
	json_decref(msg->o);
	free(msg);
}

/* The next file of the message; NULL: none is left.  A worker is not trusted to send only names. */
static const char *
next_file(struct message *msg, enum fleet_news *ret_kind)
{
	static const char *const kinds[FLEET_NEWS_N] = { "gone", "replaced", "changed", "came" };

	for (; msg->kind < FLEET_NEWS_N; msg->kind++, msg->at = 0) {
		const json_t *list = json_object_get(msg->o, kinds[msg->kind]);

		while (msg->at < json_array_size(list)) {
			const char *file = json_string_value(json_array_get(list, msg->at++));

			*ret_kind = msg->kind;
			if (file)
				return file;
		}
	}
	return NULL;
}

/* One step; the message may be gone afterwards. */
static void
take(struct fleet_inbox *in, struct message *msg)
{
	enum fleet_news kind;
	const char *file;

	if (msg->type == FLEET_FILES && (file = next_file(msg, &kind))) {
		in->ops->on_file(kind, file, in->arg);
		return;
	}
	if (msg->type == FLEET_STATE)
		in->ops->on_state(msg->o, in->arg);
	else if (msg->type == FLEET_SWEPT)
		in->ops->on_swept(msg->told_us, in->arg);
	if (msg == STAILQ_FIRST(&in->messages))
		message_drop(in);
}

static void
take_slice(struct fleet_inbox *in)
{
	static const struct timeval at_once = { 0, 0 };
	int64_t until = clock_now_us() + SLICE_US;

	if (in->taking)
		return;
	in->taking = true;
	while (!STAILQ_EMPTY(&in->messages) && clock_now_us() < until)
		take(in, STAILQ_FIRST(&in->messages));
	in->taking = false;
	/* A timer, for an active event would come before everybody else's turn. */
	if (!STAILQ_EMPTY(&in->messages))
		evtimer_add(in->next, &at_once);
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_slice(arg);
}

struct fleet_inbox *
fleet_inbox_new(struct event_base *base, const struct fleet_inbox_ops *ops, void *arg)
{
	struct fleet_inbox *in = xcalloc(1, sizeof(*in));

	in->ops = ops;
	in->arg = arg;
	in->next = evtimer_new(base, on_next, in);
	assert(in->next);
	STAILQ_INIT(&in->messages);
	return in;
}

void
fleet_inbox_clear(struct fleet_inbox *in)
{
	while (!STAILQ_EMPTY(&in->messages))
		message_drop(in);
	event_del(in->next);
}

struct fleet_inbox *
fleet_inbox_free(struct fleet_inbox *in)
{
	if (!in)
		return NULL;
	fleet_inbox_clear(in);
	event_free(in->next);
	free(in);
	return NULL;
}

void
fleet_inbox_put(struct fleet_inbox *in, uint32_t type, const char *payload, size_t len)
{
	bool first = STAILQ_EMPTY(&in->messages);
	json_t *o = json_loadb(payload, len, 0, NULL);
	struct message *msg;

	if (!json_is_object(o)) {
		json_decref(o);
		return;
	}
	msg = xcalloc(1, sizeof(*msg));
	msg->type = type;
	msg->o = o;
	msg->told_us = clock_now_us();
	STAILQ_INSERT_TAIL(&in->messages, msg, entry);
	if (first)
		take_slice(in);
}
