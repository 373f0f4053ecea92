"""`dbhealth check` ends in every way that a look can end, in time, with the true verdict."""
import time

import pytest

from support.daemon import config_text


def look(cli, *argv, within=12):
    begun = time.monotonic()
    done = cli("check", "-o", "json", "--color=never", *argv)
    took = time.monotonic() - begun
    assert took < within, f"{took:.1f} s: {done}"
    return done


@pytest.mark.parametrize("more", [(), ("--probe", "schema")])
def test_unreachable_with_many_databases(cli, folder, more):
    conf = folder.path / "dbhealthd.conf"
    dsn = f"postgresql:///%s?host={folder.path}&user=x"
    conf.write_text(config_text({}, {n: dsn % n for n in ("a", "b", "c")}))
    conf.chmod(0o600)
    done = look(cli, "-c", conf, *more)
    out = done.json
    assert {u["database"] for u in out["unknown"]} >= {"a", "b", "c"}
    assert done.status == (3 if more else 2), done


def test_a_missing_database(cli, cluster):
    done = look(cli, cluster().dsn("nowhere"))
    assert done.status == 2
    assert [f for f in done.json["findings"] if f["check"] == "conn-up"]


def test_a_refused_role(cli, cluster):
    done = look(cli, cluster().dsn(user="nobody_here"))
    assert done.status == 2
    assert [f for f in done.json["findings"] if f["check"] == "conn-up"]


def test_a_missing_file(cli, folder):
    done = look(cli, f"sqlite:{folder.path}/missing.db")
    assert done.status == 2 and done.json["findings"]


def test_a_glob_that_fits_no_check_is_not_ok(cli, cluster):
    done = look(cli, cluster().dsn(), "--check", "sqlite-*")
    assert done.status == 3 and done.json["status"] == "unknown", done


def test_two_samples(cli, cluster):
    done = look(cli, cluster().dsn(), "--sample", "1s", within=20)
    assert done.status in (0, 1, 2), done
    assert not [n for n in done.json["not_covered"] if "--sample" in (n["reason"] or "")], done


def test_budget(cli, cluster):
    """What does not come in time is unknown; the look ends all the same."""
    c = cluster()
    c.createdb("b")
    c.sql("CREATE TABLE t(a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 200000)", dbname="b")
    done = look(cli, c.dsn("b"), "--budget", "1s", within=12)
    assert done.status in (0, 1, 2, 3), done
