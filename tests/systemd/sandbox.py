"""What the sandbox must hold, and what it must not hide."""
import json
import re
import subprocess

from machine import wait_until

# Fields of the facts finding, by database.
OWNERS = {"app": "alice", "shop": "shop", "queue": "bob"}


def score(check, m, service):
    said = m.out("systemd-analyze", "security", "--no-pager", "dbhealthd.service")
    level = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    check(level and float(level[1]) <= 2.0, f"systemd-analyze security: {level and level[1]}, 2.0 or less")
    pid = service.pid()
    status = m.sh(f"cat /proc/{pid}/status")
    check(re.search(r"^CapBnd:\s*0+$", status, re.M) and re.search(r"^NoNewPrivs:\s*1$", status, re.M)
          and re.search(r"^Seccomp:\s*2$", status, re.M), "no capabilities, none to gain, system calls filtered")
    uid = m.sh("id -u dbhealth").strip()
    users = set(m.sh(f"ps -o uid= -p $(cat /proc/{pid}/task/*/children | tr ' ' ,){pid}").split())
    check(users == {uid}, "the daemon and its workers run as dbhealth", users)


def detail_of(service, database):
    found = service.findings(check="host-facts", database=database)
    return json.loads(found[0]["detail"]) if found else None


def facts(check, m, service):
    """Owners, locks, mounts, pressure: as from outside."""
    for name, owner in OWNERS.items():
        seen = wait_until(lambda: detail_of(service, name), 30, f"facts of {name}")
        check(seen["owner"] == owner, f"{name}: the owner's name is seen", seen)
        check(seen["readonly"] == 0, f"{name}: a writable file system is not called read-only", seen)
        check(seen["visible"] == 1, f"{name}: the list of locks can be read", seen)
    m.sh("mount -o remount,ro /srv/frozen")

    def frozen():
        service.run_probe("frozen", "performance")
        return detail_of(service, "frozen")["readonly"] == 1
    wait_until(frozen, 30, "frozen: read-only")
    check(True, "a file system that becomes read-only outside is called so")
    holder = m.popen("runuser", "-u", "shop", "--", "sqlite3", "/srv/shop/shop.db", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    try:
        holder.stdin.write("BEGIN IMMEDIATE;\nINSERT INTO t(x) VALUES (2);\nSELECT 'held';\n")
        holder.stdin.flush()
        holder.stdout.readline()
        pid = m.sh("pgrep -u shop -x sqlite3").strip()

        def held():
            service.run_probe("shop", "performance")
            locks = detail_of(service, "shop")["locks"]
            return [lock for lock in locks if lock["type"] == "reserved"]
        locks = wait_until(held, 40, lambda: f"a lock: {detail_of(service, 'shop')}", every=1)
        check(locks[0]["command"] == "sqlite3" and str(locks[0]["pid"]) == pid,
              "who holds a lock is seen, with pid and name", locks)
    finally:
        holder.stdin.close()  # its end: the transaction is rolled back
        holder.wait(20)
    seen = service.inside("cat /proc/pressure/io /proc/pressure/cpu")
    check(seen.returncode == 0 and "some avg10" in seen.stdout, "pressure (PSI) can be read", seen.stderr)
    seen = service.inside("grep -c . /proc/locks && ls /proc/1/stat && ls /tmp/.s.PGSQL.5432")
    check(seen.returncode == 0, "locks, other users' processes, sockets in /tmp are there", seen.stderr)


def nothing_written(check, m, service):
    """Neither the file nor its folder, not even where the rights would let it; nothing left there."""
    for path in ("/home/alice/app/app.db", "/srv/shop/shop.db", "/tmp/bob/queue.db"):
        folder = path.rpartition("/")[0]
        tried = m.run("setpriv", "--reuid=dbhealth", "--regid=dbhealth", "--clear-groups", "sh", "-c",
                      f"test -r {path} && ! test -w {path} && ! test -w {folder}")
        check(tried.returncode == 0, f"{path}: the user may read it, and write neither it nor its folder")
    m.sh("install -d -m 777 /srv/open; install -m 666 /dev/null /srv/open/file")
    tried = service.inside("touch /srv/open/file; touch /srv/open/new; touch /tmp/new; touch /home/new")
    check(tried.stderr.count("Read-only file system") == 4, "in the sandbox even open folders are read-only", tried.stderr)
    tried = service.inside("touch /var/lib/dbhealthd/x && rm /var/lib/dbhealthd/x")
    check(tried.returncode == 0, "its state folder it may write", tried.stderr)
    for name in ("app", "shop", "queue"):
        service.run_probe(name, "integrity")
        service.run_probe(name, "schema")
    left = m.sh("find /home/alice/app /srv/shop /tmp/bob -mindepth 1 -printf '%u %p\\n' | sort").splitlines()
    check(left == ["alice /home/alice/app/app.db", "alice /home/alice/app/app.db-shm", "alice /home/alice/app/app.db-wal",
                   "bob /tmp/bob/queue.db", "shop /srv/shop/shop.db"],
          "nothing of ours lies beside the files after their probes", left)
    for user, path in (("alice", "/home/alice/app/app.db"), ("bob", "/tmp/bob/queue.db"), ("shop", "/srv/shop/shop.db")):
        done = m.run("runuser", "-u", user, "--", "sqlite3", path, "INSERT INTO t(x) VALUES (4)")
        check(done.returncode == 0, f"{user} still writes to {path}", done.stderr)
    # The application was killed and its -shm is gone: only the application may recover its -wal.
    m.sh("systemctl kill --signal=KILL app.service; systemctl stop app.service || true; rm /home/alice/app/app.db-shm")

    def copied():
        service.run_probe("app", "performance")
        return detail_of(service, "app")["how"] == "copy"
    wait_until(copied, 60, lambda: f"a copy: {detail_of(service, 'app')}", every=1)
    check(m.run("test", "-e", "/home/alice/app/app.db-shm").returncode == 1
          and not m.sh("find /var/lib/dbhealthd -name 'dbhealth-copy*'"),
          "a -wal that awaits its application is read from a copy of ours, which is gone again")
    m.sh("systemctl start app.service")
    state = m.sh("stat -c '%U:%G %a' /var/lib/dbhealthd; find /var/lib/dbhealthd -not -user dbhealth").split("\n")
    check(state == ["dbhealth:dbhealth 700", ""], "the state is dbhealth's alone", state)
