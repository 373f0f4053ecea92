/*
 * `--worker backups`: reads the folders of backups, by their manifests, and says what is there in
 * numbers.
 */
#include "backup/backup.h"
#include "daemon/backup_watch.h"
#include "daemon/store_wire.h"
#include "report/report.h"

#define USUAL_MIN 3
#define USUAL_MAX 7

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* -1: too few to say. */
static double
median(double *v, size_t n)
{
	if (n < USUAL_MIN)
		return -1;
	qsort(v, n, sizeof(*v), by_size);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static bool
is_good(const struct backup_entry *b)
{
	return b->state == BACKUP_GOOD && (b->proof.at_us == 0 || b->proof.ok);
}

/* Backups of some tables alone say nothing of the size of the others. */
static bool
is_whole(const struct backup_entry *b)
{
	return is_good(b) && !json_object_get(b->manifest.facts, "only");
}

/* A dump that was encrypted is as large as it was, the key aside: all whole ones compare. */
static void
add_usual(json_t *o, const struct backup_list *l)
{
	double bytes[USUAL_MAX], rows[USUAL_MAX];
	const struct backup_entry *newest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->n && n < USUAL_MAX; i++) {
		const struct backup_entry *b = &l->v[i];

		if (!is_whole(b))
			continue;
		if (!newest) {
			newest = b;
			continue;
		}
		bytes[n] = (double)manifest_bytes(&b->manifest);
		rows[n++] = (double)manifest_rows(&b->manifest);
	}
	if (!newest)
		return;
	json_object_set_new(o, "bytes", json_real((double)manifest_bytes(&newest->manifest)));
	json_object_set_new(o, "rows", json_real((double)manifest_rows(&newest->manifest)));
	json_object_set_new(o, "usual_bytes", json_real(median(bytes, n)));
	json_object_set_new(o, "usual_rows", json_real(median(rows, n)));
}

static void
add_good(json_t *o, const struct backup_list *l)
{
	const struct backup_entry *newest = NULL, *oldest = NULL, *proved = backup_newest(l, true);

	for (size_t i = 0; i < l->n; i++) {
		if (!is_good(&l->v[i]))
			continue;
		newest = newest ? newest : &l->v[i];
		oldest = &l->v[i];
	}
	if (newest) {
		int64_t took = newest->manifest.ended_us - newest->manifest.started_us;

		json_object_set_new(o, "newest", json_integer(newest->at_sec));
		json_object_set_new(o, "oldest", json_integer(oldest->at_sec));
		json_object_set_new(o, "took", json_integer(MAX(took, 0) / 1000000));
	}
	if (proved) {
		json_object_set_new(o, "verified", json_integer(proved->at_sec));
		json_object_set_new(o, "proved", json_integer(proved->proof.at_us / 1000000));
	}
}

static void
add_refuted(json_t *o, const struct backup_entry *b)
{
	const char *why = b->why ? b->why : b->proof.message;

	if (is_good(b))
		return;
	json_object_set_new(o, "refuted_at", json_integer(b->at_sec));
	json_object_set_new(o, "refuted", report_string(why ? why : "it is broken"));
}

static void
look(const char *name, const char *root, const char *database)
{
	_cleanup_(backup_list_done) struct backup_list l = { 0 };
	_cleanup_str_ struct str frame = { 0 };
	_cleanup_free_ char *text = NULL;
	json_t *o = json_object();
	struct err e = { 0 };

	if (backup_list(root, database, &l, &e) < 0) {
		json_object_set_new(o, "error", report_string(e.msg));
	} else {
		json_object_set_new(o, "n", json_integer((json_int_t)l.n));
		add_good(o, &l);
		add_usual(o, &l);
		if (l.n > 0)
			add_refuted(o, &l.v[0]);
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	wire_add(&frame, name);
	wire_add(&frame, text ? text : "{}");
	worker_send(BACKUPS_FACTS, frame.s, frame.len);
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };

	if (type != BACKUPS_READ)
		return -EPROTO;
	while (w.left > 0) {
		_cleanup_free_ char *name = wire_take(&w), *root = wire_take(&w);
		_cleanup_free_ char *database = wire_take(&w);

		if (!name || !root || !database)
			return -EPROTO;
		look(name, root, database);
	}
	return 0;
}

const struct worker_role backups_role = { .name = "backups",
	.address_space = (size_t)2 << 30,
	.idle_io = true,
	.serve = serve,
	.sandbox = SANDBOX_READS };
