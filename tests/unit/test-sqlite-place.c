/*
 * Where a database lies: the kinds of file systems by statfs's number and the list of mounts, and
 * what the check says of each, for those that a test cannot mount.
 */
#include "base/disk.h"
#include "check/embedded.h"
#include "sqlite/facts.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	unsigned long magic;
	const char *mounted_as; /* NULL: not in the list of mounts */
	const char *name;
	bool network;
	const char *of_log, *of_journal; /* severity in WAL mode and without; NULL: none */
} kinds[] = {
	{ 0x6969, "nfs4", "nfs4", true, "critical", "warning" },
	{ 0x6969, "nfs", "nfs", true, "critical", "warning" },
	{ 0x6969, NULL, "nfs", true, "critical", "warning" },
	{ 0xff534d42, "cifs", "cifs", true, "critical", "warning" },
	{ 0xfe534d42, "smb3", "smb3", true, "critical", "warning" },
	{ 0xfe534d42, NULL, "smb2", true, "critical", "warning" },
	{ 0x517b, NULL, "smb", true, "critical", "warning" },
	{ 0x65735546, "fuse.sshfs", "fuse.sshfs", true, "critical", "warning" },
	{ 0x65735546, "fuse.mergerfs", "fuse.mergerfs", true, "warning", "warning" },
	{ 0x65735546, NULL, "fuse", true, "warning", "warning" },
	{ 0x65735546, "fuseblk", "fuseblk", false, NULL, NULL },
	{ 0x01021997, "9p", "9p", true, "warning", "warning" },
	{ 0x6a656a63, "virtiofs", "virtiofs", true, "warning", "warning" },
	{ 0x00c36400, "ceph", "ceph", true, "warning", "warning" },
	{ 0x794c7630, "overlay", "overlay", false, "info", "info" },
	{ 0x794c7630, NULL, "overlay", false, "info", "info" },
	{ 0xef53, "ext4", "ext4", false, NULL, NULL },
	{ 0xef53, "ext3", "ext3", false, NULL, NULL },
	{ 0x58465342, "xfs", "xfs", false, NULL, NULL },
	{ 0x9123683e, "btrfs", "btrfs", false, NULL, NULL },
	{ 0x01021994, "tmpfs", "tmpfs", false, NULL, NULL },
	{ 0x2fc12fc1, "zfs", "zfs", false, NULL, NULL },
	{ 0x12345678, "something", "something", false, NULL, NULL },
	{ 0x12345678, NULL, NULL, false, NULL, NULL },
};

static const char *
check_sql(const char *id)
{
	for (size_t i = 0; i < embedded_checks_n; i++)
		if (strstr(embedded_checks[i].path, id))
			return embedded_checks[i].text;
	fail_msg("no check %s", id);
	return NULL;
}

/* The severity of the only row, or none. */
static void
ask(sqlite3 *db, struct file_facts *f, bool wal, bool readonly, const char *expect)
{
	sqlite3_stmt *st = NULL;

	file_facts_set_int(f, FACT_WAL_MODE, wal);
	file_facts_set_int(f, FACT_FS_READONLY, readonly);
	assert_int_equal(
	    sqlite3_prepare_v2(db, check_sql("sqlite/sqlite-network-fs.sql"), -1, &st, NULL), 0);
	assert_int_equal(sqlite3_step(st), expect ? SQLITE_ROW : SQLITE_DONE);
	if (expect)
		assert_string_equal(sqlite3_column_text(st, 2), expect);
	sqlite3_finalize(st);
}

static void
test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct disk_kind kind = disk_kind_of(kinds[i].magic, kinds[i].mounted_as);
		struct file_facts f = { 0 };
		sqlite3 *db;

		assert_true(
		    streq(kind.name ? kind.name : "-", kinds[i].name ? kinds[i].name : "-"));
		assert_int_equal(kind.network, kinds[i].network);
		assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
		assert_int_equal(file_facts_register(db, &f), 0);
		file_facts_set_text(&f, FACT_KIND, "file");
		file_facts_set_text(&f, FACT_RESOLVED_PATH, "/srv/app.db");
		file_facts_set_int(&f, FACT_FS_NETWORK, kind.network);
		if (kind.name)
			file_facts_set_text(&f, FACT_FS_TYPE, kind.name);
		ask(db, &f, true, false, kinds[i].of_log);
		ask(db, &f, false, false, kinds[i].of_journal);
		ask(db, &f, true, true, NULL);
		sqlite3_close(db);
		file_facts_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
