/*
 * The bytes of a database and its rollback journal, judged by the file format
 * alone (https://www.sqlite.org/fileformat2.html).  Everything here is hostile input.
 */
#include "base/clock.h"
#include "base/str.h"
#include "sqlite/bytes.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#define HEADER_BYTES 100
#define SAMPLE_BYTES 4096

/* ---- header ---- */

static double
entropy_bits(const unsigned char *p, size_t n)
{
	size_t count[256] = { 0 };
	double bits = 0;

	for (size_t i = 0; i < n; i++)
		count[p[i]]++;
	for (size_t i = 0; i < 256; i++)
		if (count[i] > 0)
			bits -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
	return bits;
}

static const char *
foreign_format(const unsigned char *p, size_t n)
{
	static const struct {
		const char *magic, *name;
		size_t len;
	} formats[] = {
		{ "\x1f\x8b", "a gzip file", 2 },
		{ "PK\3\4", "a zip file", 4 },
		{ "\x28\xb5\x2f\xfd", "a zstd file", 4 },
		{ "\xfd"
		  "7zXZ",
		    "an xz file", 5 },
		{ "BZh", "a bzip2 file", 3 },
		{ "** This file contains an SQLite 2", "a SQLite 2 database", 33 },
		{ "PGDMP", "a PostgreSQL dump", 5 },
		{ "BEGIN TRANSACTION", "an SQL dump", 17 },
		{ "PRAGMA foreign_keys", "an SQL dump", 19 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (n >= formats[i].len && memcmp(p, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return NULL;
}

static void
no_magic(struct file_facts *f, const unsigned char *p, size_t n)
{
	const char *format = foreign_format(p, n);
	size_t zeros = 0;

	while (zeros < n && p[zeros] == 0)
		zeros++;
	if (format)
		file_facts_set_text(f, FACT_HEADER_ERROR, format);
	else if (zeros == n)
		file_facts_set_text(f, FACT_HEADER_ERROR, "bad magic: nothing but zeros");
	/* 1024 random bytes have 7.8 bits each, 4096 have 7.95; text and tables stay under 7. */
	else if (n >= 1024 && file_facts_int(f, FACT_SIZE) % 512 == 0 && entropy_bits(p, n) > 7.6)
		file_facts_set_text(f, FACT_HEADER_ERROR, "encrypted?");
	else
		file_facts_set_text(f, FACT_HEADER_ERROR, "bad magic");
}

/* The first thing that SQLite would refuse, or NULL. */
static char *
header_error(const unsigned char *h, unsigned page_size)
{
	if (!bytes_power_of_two(page_size) || page_size < 512)
		return xasprintf("page size %u", page_size);
	if (h[18] < 1 || h[18] > 2 || h[19] < 1 || h[19] > 2)
		return xasprintf("write version %u, read version %u", h[18], h[19]);
	if (page_size - h[20] < 480)
		return xasprintf("%u reserved bytes a page of %u", h[20], page_size);
	if (h[21] != 64 || h[22] != 32 || h[23] != 32)
		return xasprintf("payload fractions %u %u %u", h[21], h[22], h[23]);
	if (get_be32(h + 44) > 4)
		return xasprintf("schema format %u", get_be32(h + 44));
	if (get_be32(h + 56) > 3)
		return xasprintf("text encoding %u", get_be32(h + 56));
	return NULL;
}

static void
set_header(struct file_facts *f, const unsigned char *h)
{
	static const char *const encodings[] = { "", "UTF-8", "UTF-16le", "UTF-16be" };
	unsigned page_size = get_be16(h + 16) == 1 ? 65536 : get_be16(h + 16);
	_cleanup_free_ char *error = header_error(h, page_size);
	uint32_t writer = get_be32(h + 96), encoding = get_be32(h + 56);
	char version[32];

	file_facts_set_int(f, FACT_HEADER_OK, error == NULL);
	if (error)
		file_facts_set_text(f, FACT_HEADER_ERROR, error);
	else
		file_facts_set_int(f, FACT_PAGE_SIZE, page_size);
	file_facts_set_int(f, FACT_WAL_MODE, h[18] == 2 && h[19] == 2);
	file_facts_set_int(f, FACT_CHANGE_COUNTER, get_be32(h + 24));
	file_facts_set_int(f, FACT_CHANGES, get_be32(h + 24));
	file_facts_set_int(f, FACT_PAGE_COUNT_HEADER, get_be32(h + 28));
	file_facts_set_int(
	    f, FACT_PAGE_COUNT_VALID, get_be32(h + 28) > 0 && get_be32(h + 24) == get_be32(h + 92));
	file_facts_set_int(f, FACT_FREELIST_COUNT, get_be32(h + 36));
	file_facts_set_int(f, FACT_SCHEMA_COOKIE, get_be32(h + 40));
	file_facts_set_int(f, FACT_SCHEMA_FORMAT, get_be32(h + 44));
	file_facts_set_int(f, FACT_AUTO_VACUUM,
	    get_be32(h + 52) == 0 ? 0
	    : get_be32(h + 64)    ? 2
	                          : 1);
	file_facts_set_text(f, FACT_ENCODING, encoding <= 3 ? encodings[encoding] : "");
	file_facts_set_int(f, FACT_USER_VERSION, (int32_t)get_be32(h + 60));
	file_facts_set_int(f, FACT_APPLICATION_ID, (int32_t)get_be32(h + 68));
	/* Signed; PRAGMA default_cache_size takes its absolute value. */
	file_facts_set_int(
	    f, FACT_DEFAULT_CACHE_PAGES, llabs((long long)(int32_t)get_be32(h + 48)));
	snprintf(version, sizeof(version), "%u.%u.%u", writer / 1000000, writer / 1000 % 1000,
	    writer % 1000);
	file_facts_set_text(f, FACT_WRITER_LIBRARY, version);
}

static void
set_page_counts(struct file_facts *f)
{
	int64_t page = file_facts_int(f, FACT_PAGE_SIZE), size = file_facts_int(f, FACT_SIZE);

	if (page == 0)
		return;
	file_facts_set_int(f, FACT_SIZE_REMAINDER, size % page);
	file_facts_set_int(f, FACT_PAGE_COUNT,
	    file_facts_int(f, FACT_PAGE_COUNT_VALID) ? file_facts_int(f, FACT_PAGE_COUNT_HEADER)
	                                             : size / page);
	file_facts_set_int(f, FACT_TRUNCATED_PAGES_EXPECTED,
	    file_facts_int(f, FACT_PAGE_COUNT_VALID) ? file_facts_int(f, FACT_PAGE_COUNT_HEADER)
	                                             : size / page);
}

bool
gather_is_short(const struct file_facts *f)
{
	return file_facts_int(f, FACT_TRUNCATED_PAGES_EXPECTED) *
	           file_facts_int(f, FACT_PAGE_SIZE) >
	       file_facts_int(f, FACT_SIZE);
}

void
gather_excuse_short(struct file_facts *f)
{
	if (gather_is_short(f))
		file_facts_set_int(f, FACT_TRUNCATED_PAGES_EXPECTED,
		    file_facts_int(f, FACT_SIZE) / file_facts_int(f, FACT_PAGE_SIZE));
}

static bool
writer_seen(struct file_facts *f)
{
	gather_locks(f);
	return file_facts_int(f, FACT_LOCK_RESERVED) || file_facts_int(f, FACT_LOCK_PENDING) ||
	       file_facts_int(f, FACT_LOCK_EXCLUSIVE);
}

/*
 * A commit writes page 1, with the new page count, before the pages behind it: a short file is
 * truncated only if it stays so while nobody writes.
 */
static void
confirm_truncation(int fd, struct file_facts *f)
{
	unsigned char h[HEADER_BYTES];
	struct stat st;

	for (int i = 0; i < 3; i++) {
		if (!gather_is_short(f))
			return;
		if (writer_seen(f)) {
			gather_excuse_short(f);
			return;
		}
		bytes_pause();
		if (bytes_pread(fd, h, sizeof(h), 0) != (ssize_t)sizeof(h) || fstat(fd, &st) < 0)
			return;
		file_facts_set_int(f, FACT_SIZE, st.st_size);
		set_header(f, h);
		set_page_counts(f);
	}
}

void
gather_header(int fd, struct file_facts *f)
{
	static const char magic[16] = "SQLite format 3";
	unsigned char h[SAMPLE_BYTES];
	ssize_t n = bytes_pread(fd, h, sizeof(h), 0);
	char text[64];

	if (n < 0) {
		file_facts_set_int(f, FACT_HEADER_OK, 0);
		snprintf(text, sizeof(text), "cannot be read: %s", strerror((int)-n));
		file_facts_set_text(f, FACT_HEADER_ERROR, text);
	} else if (n == 0) {
		/* SQLite takes an empty file for an empty database. */
		file_facts_set_int(f, FACT_HEADER_OK, 1);
		file_facts_set_int(f, FACT_WAL_MODE, 0);
	} else if ((size_t)n < sizeof(magic) || memcmp(h, magic, sizeof(magic)) != 0) {
		file_facts_set_int(f, FACT_HEADER_OK, 0);
		no_magic(f, h, (size_t)n);
	} else if (n < HEADER_BYTES) {
		file_facts_set_int(f, FACT_HEADER_OK, 0);
		snprintf(text, sizeof(text), "short: %zd bytes", n);
		file_facts_set_text(f, FACT_HEADER_ERROR, text);
	} else {
		set_header(f, h);
		set_page_counts(f);
		confirm_truncation(fd, f);
	}
}

/* ---- rollback journal ---- */

/* The name that a transaction over several databases leaves at the end of each journal. */
static void
set_super_journal(int fd, int64_t size, struct file_facts *f)
{
	char name[1024] = { 0 };
	unsigned char tail[16];
	uint32_t len;

	if (size < 16 || bytes_pread(fd, tail, 16, size - 16) != 16 ||
	    memcmp(tail + 8, JOURNAL_MAGIC, 8) != 0)
		return;
	len = get_be32(tail);
	if (len == 0 || len >= sizeof(name) || len > size - 16 ||
	    bytes_pread(fd, name, len, size - 16 - len) != (ssize_t)len)
		return;
	file_facts_set_text(f, FACT_JOURNAL_SUPER, name);
	file_facts_set_int(f, FACT_JOURNAL_SUPER_EXISTS, access(name, F_OK) == 0);
}

/*
 * Content and nobody who writes: seen three times on the same file, because a transaction may end
 * between the look at the journal and the look at the locks.
 */
static bool
journal_is_hot(const char *path, struct file_facts *f)
{
	struct stat first = { 0 };

	for (int i = 0; i < 3; i++) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		unsigned char magic[8];
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
		    bytes_pread(fd, magic, 8, 0) != 8 || memcmp(magic, JOURNAL_MAGIC, 8) != 0)
			return false;
		if (i > 0 && (st.st_ino != first.st_ino || st.st_size != first.st_size ||
		                 memcmp(&st.st_mtim, &first.st_mtim, sizeof(st.st_mtim)) != 0))
			return false;
		first = st;
		if (writer_seen(f))
			return false;
		if (i == 0)
			set_super_journal(fd, st.st_size, f);
		bytes_pause();
	}
	return true;
}

void
gather_journal(struct file_facts *f)
{
	_cleanup_free_ char *path = gather_beside(f, "-journal");

	file_facts_set_int(f, FACT_JOURNAL_HOT, 0);
	/* In an empty database there is nothing to roll back. */
	if (file_facts_int(f, FACT_JOURNAL_EXISTS) != 1 || file_facts_int(f, FACT_SIZE) == 0)
		return;
	if (!journal_is_hot(path, f))
		return;
	if (file_facts_int(f, FACT_LOCKS_VISIBLE) == 1)
		file_facts_set_int(f, FACT_JOURNAL_HOT, 1);
	else
		file_facts_set_null(f, FACT_JOURNAL_HOT);
}
