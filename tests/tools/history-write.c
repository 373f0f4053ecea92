/*
 * Writes a past with the program's own writer, as if the daemon had run all that time: lines of "AT SCOPE
 * CHECK UNIT VALUE OBJECT", separated by tabs and ordered by time, on standard input.
 */
#include "history/history.h"
#include <stdio.h>
#include <string.h>

#define BATCH_S INT64_C(3600)

static void
fail(const char *why)
{
	fprintf(stderr, "history-write: %s\n", why);
	exit(1);
}

static void
write_batch(struct history *h, struct str *batch, int64_t at_s)
{
	struct err e = { 0 };
	int r;

	if (history_append(h, batch->s ? batch->s : "", batch->len, at_s, &e) < 0)
		fail(e.msg);
	str_done(batch);
	while ((r = history_maintain(h, at_s, &e)) == 1)
		;
	if (r < 0)
		fail(e.msg);
}

int
main(int argc, char **argv)
{
	const struct history_limits limits = { INT64_C(400) * 86400, INT64_C(1) << 30 };
	struct history *h = NULL;
	struct err e = { 0 };
	struct str batch = { 0 };
	int64_t begun = 0, at = 0;
	char line[4096];

	if (argc != 2)
		fail("which folder?");
	if (history_open(argv[1], &limits, NULL, NULL, &h, &e) < 0)
		fail(e.msg);
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *field[6];
		struct history_value v;
		enum unit unit;

		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < 6; i++)
			if (!(field[i] = strsep(&rest, "\t")))
				fail("a line of less than six fields");
		if (unit_parse(field[3], &unit) < 0)
			fail("no such unit");
		at = strtoll(field[0], NULL, 10);
		if (begun == 0)
			begun = at;
		if (at - begun >= BATCH_S) {
			write_batch(h, &batch, begun + BATCH_S);
			begun = at;
		}
		v = (struct history_value){ field[5], strtod(field[4], NULL) };
		history_batch_add(&batch, field[1], field[2], unit, at, &v, 1);
	}
	write_batch(h, &batch, at);
	history_close(h);
	return 0;
}
