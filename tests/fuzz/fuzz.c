/* What the harnesses share: taking inputs apart, judging texts, a private folder. */
#include "fuzz.h"
#include "base/log.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

void
fuzz_fail(const char *file, int line, const char *what, const char *text)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	if (text)
		fprintf(stderr, "of <<%s>>\n", text);
	abort();
}

/* ---- inputs ---- */

struct fuzz_in
fuzz_in(const uint8_t *data, size_t size)
{
	return (struct fuzz_in){ size ? (const char *)data : "", size };
}

unsigned
fuzz_byte(struct fuzz_in *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return (unsigned char)*in->p++;
}

struct fuzz_in
fuzz_until(struct fuzz_in *in, char separator)
{
	const char *end = memchr(in->p, separator, in->left);
	struct fuzz_in part = { in->p, end ? (size_t)(end - in->p) : in->left };
	size_t taken = part.left + (end != NULL);

	in->p += taken;
	in->left -= taken;
	return part;
}

char *
fuzz_text(struct fuzz_in in)
{
	return xstrndup(in.p, in.left);
}

char *
fuzz_text_until(struct fuzz_in *in, char separator)
{
	return fuzz_text(fuzz_until(in, separator));
}

/* ---- texts ---- */

void
check_utf8(const char *s)
{
	json_t *j = json_string(s);

	CHECK_SHOW(j, s);
	json_decref(j);
}

void
check_shown(const char *s, bool lines)
{
	const unsigned char *p = (const unsigned char *)s;

	check_utf8(s);
	for (; *p; p++) {
		CHECK_SHOW(*p >= 0x20 || (lines && *p == '\n'), s);
		CHECK_SHOW(*p != 0x7f, s);
		CHECK_SHOW(p[0] != 0xc2 || p[1] > 0x9f, s); /* C1 */
		if (p[0] == 0xe2 && p[1] == 0x80)           /* separators, marks and embeddings */
			CHECK_SHOW(p[2] != 0x8e && p[2] != 0x8f && (p[2] < 0xa8 || p[2] > 0xae), s);
		if (p[0] == 0xe2 && p[1] == 0x81) /* isolates */
			CHECK_SHOW(p[2] < 0xa6 || p[2] > 0xa9, s);
	}
}

void
check_report(const char *s)
{
	check_shown(s, true);
	CHECK_SHOW(!*s || s[strlen(s) - 1] == '\n', s);
}

static void
on_line(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	check_shown(line, false);
}

void
fuzz_quiet(void)
{
	log_init(LOG_LEVEL_DEBUG, on_line, NULL);
	json_set_alloc_funcs(xmalloc, free);
	event_set_mem_functions(xmalloc, xrealloc, free);
}

/* For a harness that has nothing to make ready. */
__attribute__((weak)) int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

/* ---- files ---- */

static char folder[64];
static pid_t folder_owner;

static void
remove_tree(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		_cleanup_free_ char *child = xasprintf("%s/%s", path, e->d_name);

		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		if (unlink(child) < 0)
			remove_tree(child);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static void
remove_folder(void)
{
	if (getpid() == folder_owner)
		remove_tree(folder);
}

const char *
fuzz_folder(void)
{
	const char *base = getenv("FUZZ_FOLDER"); /* of tests/fuzz/run.sh, which removes it */

	if (*folder)
		return folder;
	snprintf(folder, sizeof(folder), "%.40s/fuzz.XXXXXX",
	    base                            ? base
	    : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
	                                    : "/tmp");
	CHECK(mkdtemp(folder));
	folder_owner = getpid();
	atexit(remove_folder);
	return folder;
}

void
fuzz_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, data, len) == (ssize_t)len);
	close(fd);
}
