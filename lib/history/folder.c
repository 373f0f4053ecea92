/* What is in the folder of the history. */
#include "history/private.h"
#include <dirent.h>
#include <fcntl.h>

static int
by_number(const void *a, const void *b)
{
	const struct segment_name *x = a, *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static int
by_log(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
take_entry(struct folder *f, const char *name)
{
	struct segment_name segment;
	uint64_t seq;

	if (segment_name_parse(name, &segment)) {
		f->segments = xreallocarray(f->segments, f->nsegments + 1, sizeof(*f->segments));
		f->segments[f->nsegments++] = segment;
	} else if (log_name_parse(name, &seq)) {
		f->logs = xreallocarray(f->logs, f->nlogs + 1, sizeof(*f->logs));
		f->logs[f->nlogs++] = seq;
	} else if (str_ends(name, ".tmp") || str_ends(name, ".damaged")) {
		strv_add(&f->others, name);
	}
}

int
folder_read(int dirfd, struct folder *ret, struct err *e)
{
	_cleanup_close_ int fd =
	    openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct folder f = { 0 };
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_set(e, -errno, "history: %s", strerror(errno));
	(void)TAKE_FD(fd); /* the stream's */
	while ((entry = readdir(dir)))
		take_entry(&f, entry->d_name);
	closedir(dir);
	if (f.nsegments > 0)
		qsort(f.segments, f.nsegments, sizeof(*f.segments), by_number);
	if (f.nlogs > 0)
		qsort(f.logs, f.nlogs, sizeof(*f.logs), by_log);
	*ret = f;
	return 0;
}

void
folder_done(struct folder *f)
{
	free(f->segments);
	free(f->logs);
	strv_free(f->others);
	*f = (struct folder){ 0 };
}

bool
folder_is_superseded(const struct folder *f, const struct segment_name *name)
{
	for (size_t i = 0; i < f->nsegments; i++) {
		const struct segment_name *s = &f->segments[i];

		if (s->level == name->level && s->from <= name->from && s->to >= name->to &&
		    (s->from != name->from || s->to != name->to))
			return true;
	}
	return false;
}
