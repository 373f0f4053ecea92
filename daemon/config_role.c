/*
 * The worker that reads configuration, and its words: an item is its key, its code and the reason of
 * its failure, each with its end; then come its bytes.
 */
#include "daemon/config_role.h"
#include "base/str.h"
#include "check/check.h"
#include "conf/conf.h"
#include <stdio.h>

#define PIECE     (WORKER_FRAME_MAX / 2)
#define ALL_BYTES ((size_t)64 << 20)

static void
send_item(const char *key, const struct snapshot_item *i)
{
	_cleanup_str_ struct str head = { 0 };
	char code[16];

	snprintf(code, sizeof(code), "%d", i->code);
	str_addn(&head, key, strlen(key) + 1);
	str_addn(&head, code, strlen(code) + 1);
	str_addn(&head, i->why, strlen(i->why) + 1);
	worker_send(CONFIG_ITEM, head.s, head.len);
	for (size_t at = 0; at < i->len; at += PIECE)
		worker_send(CONFIG_BYTES, i->bytes + at, MIN(PIECE, i->len - at));
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	_cleanup_(snapshot_freep) struct snapshot *outside = snapshot_new();
	const struct snapshot_item *item;
	struct err_list errors = { 0 };
	struct conf *conf = NULL;
	const char *key;
	size_t iter = 0;

	if (type != CONFIG_READ)
		return -EINVAL;
	/* What is wrong is judged by the loop, with the environment that workers do not get. */
	(void)!conf_load_from(len > 0 ? payload : NULL, outside, &conf, &errors);
	err_list_done(&errors);
	catalogue_gather(conf->checks_dir, outside);
	conf_free(conf);
	while ((item = snapshot_next(outside, &iter, &key)))
		send_item(key, item);
	return 0;
}

const struct worker_role config_role = {
	.name = "config", .address_space = (size_t)1 << 30, .credentials = true, .serve = serve
};

static const char *
next_word(const char **at, const char *end)
{
	const char *word = *at, *stop = memchr(word, '\0', (size_t)(end - word));

	if (!stop)
		return NULL;
	*at = stop + 1;
	return word;
}

bool
config_take(struct config_answer *a, uint32_t type, const char *payload, size_t len)
{
	const char *at = payload, *end = payload + len, *key, *code, *why;

	a->bytes += len;
	if (a->bytes > ALL_BYTES)
		return false;
	if (type == CONFIG_BYTES && a->key) {
		snapshot_append(a->snapshot, a->key, payload, len);
		return true;
	}
	if (type != CONFIG_ITEM)
		return false;
	key = next_word(&at, end);
	code = key ? next_word(&at, end) : NULL;
	why = code ? next_word(&at, end) : NULL;
	if (!why)
		return false;
	free(a->key);
	a->key = xstrdup(key);
	snapshot_put_key(a->snapshot, key, (int)strtol(code, NULL, 10), NULL, 0, why);
	return true;
}

void
config_answer_done(struct config_answer *a)
{
	snapshot_free(a->snapshot);
	free(a->key);
	*a = (struct config_answer){ 0 };
}
