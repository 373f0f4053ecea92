"""Checks of settings, encoding and checksums: what a crash or damage would do."""
import os
import subprocess

from proof import look, mend, proves
from support import Cluster, Template
from support.cluster import bindir


@proves("durability-setting-off")
def test_what_a_crash_loses(cluster):
    c = cluster(settings={"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"})
    c.script("""
        CREATE DATABASE "o t"; CREATE ROLE batch; CREATE ROLE careful;
        ALTER ROLE batch SET synchronous_commit = off; ALTER DATABASE "o t" SET synchronous_commit = '0'; ALTER ROLE batch IN DATABASE "o t" SET synchronous_commit = no;
        ALTER ROLE careful SET synchronous_commit = local; ALTER ROLE ALL SET synchronous_commit = 'false';""")
    c.sql("ALTER ROLE ALL RESET synchronous_commit")
    found = {f["object"]: f for f in look(c, "postgres", "durability-setting-off")}
    assert {o: f["severity"] for o, f in found.items()} == {
        "fsync": "critical", "full_page_writes": "critical", "synchronous_commit": "info",
        "synchronous_commit of role batch": "info", 'synchronous_commit of database "o t"': "info",
        'synchronous_commit of role batch in database "o t"': "info"}
    for f in found.values():
        assert mend(c, "postgres", f)
    c.sql("ALTER ROLE ALL SET synchronous_commit = off")
    f, = look(c, "postgres", "durability-setting-off")
    assert f["object"] == "synchronous_commit of all roles" and mend(c, "postgres", f)
    assert look(c, "postgres", "durability-setting-off") == []


@proves("unsafe-developer-setting")
def test_settings_for_rescue_work(cluster):
    c = cluster(settings={"zero_damaged_pages": "on", "ignore_checksum_failure": "on", "allow_system_table_mods": "on",
                          "ignore_invalid_pages": "on", "ignore_system_indexes": "on"})
    c.script("CREATE ROLE rescue; ALTER ROLE rescue SET zero_damaged_pages = yes; ALTER ROLE rescue SET ignore_checksum_failure = off;"
             "CREATE DATABASE other; ALTER DATABASE other SET allow_system_table_mods = 1")
    found = {f["object"]: f for f in look(c, "postgres", "unsafe-developer-setting")}
    assert {o: f["severity"] for o, f in found.items()} == {
        "zero_damaged_pages": "critical", "ignore_checksum_failure": "critical", "zero_damaged_pages of role rescue": "critical",
        "allow_system_table_mods": "warning", "ignore_invalid_pages": "warning", "allow_system_table_mods of database other": "warning", "ignore_system_indexes": "warning"}
    for o, f in found.items():
        assert mend(c, "postgres", f) or o == "ignore_invalid_pages"
    c.configure(ignore_invalid_pages="off")
    c.restart()
    assert look(c, "postgres", "unsafe-developer-setting") == []


@proves("encoding-sql-ascii")
def test_database_that_takes_any_bytes(module_cluster):
    module_cluster.sql("CREATE DATABASE any_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    f, = look(module_cluster, "any_bytes", "encoding-sql-ascii")
    assert (f["object"], f["severity"]) == ("", "info")
    module_cluster.sql("CREATE DATABASE one_byte TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    for fine in ("one_byte", "postgres"):
        assert look(module_cluster, fine, "encoding-sql-ascii") == []
    module_cluster.sql("ALTER DATABASE any_bytes IS_TEMPLATE true")
    assert look(module_cluster, "any_bytes", "encoding-sql-ascii") == []


@proves("checksums-disabled")
def test_pages_without_checksums(folder, own):
    c = own(Cluster(Template(folder, checksums=False), folder))
    f, = look(c, "postgres", "checksums-disabled")
    assert (f["object"], f["severity"]) == ("", "info")
    c.stop()
    subprocess.run(f["remedies"][0]["text"], shell=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user="postgres", cwd="/",
                   env={**os.environ, "PATH": f"{bindir()}:{os.environ['PATH']}"})
    c.start()
    assert look(c, "postgres", "checksums-disabled") == []
