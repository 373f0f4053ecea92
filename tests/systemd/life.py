"""The service's life: status, journal, outage, reload, socket activation, watchdog."""
import json
import re
import time

from host import CONF, ID, SOCKET, psql
from machine import Failure, wait_until

FIELDS = ("SERVER DATABASE ENGINE PROBE CHECK TITLE OBJECT SEVERITY PREVIOUS_SEVERITY UNIT THRESHOLD REMEDY COUNT "
          "FINDING_ID EVENT_ID SINCE").split()
SITE = "/etc/dbhealthd/conf.d/site.conf"
DROPIN = "/etc/systemd/system/dbhealthd.service.d/test.conf"
BAD = "/etc/dbhealthd/conf.d/zz-bad.conf"
CHECK = "conv-required-table-missing"


def status(check, m, service):
    said = service.ctl("status", "dbhealthd.service").stdout
    line = re.search(r'^\s+Status: "(.+)"$', said, re.M)
    check(line, f"systemctl status shows a line of ours: {line and line[1]}", said)
    check("Loaded: loaded (/lib/systemd/system/dbhealthd.service; enabled" in said
          or "Loaded: loaded (/usr/lib/systemd/system/dbhealthd.service; enabled" in said, "it is loaded and enabled", said)
    m.sh("id -nG alice | grep -qw dbhealth || usermod -aG dbhealth alice")
    seen = m.run("runuser", "-u", "alice", "--", "dbhealth", "status")
    check(seen.returncode in (0, 1, 2, 3) and "orders" in seen.stdout, "a member of the group reads the status", seen.stderr)
    seen = m.run("runuser", "-u", "bob", "--", "dbhealth", "status")
    check(seen.returncode == 77 and "adduser" in seen.stderr, "another user is told how to join", seen)


def fields(check, m, service):
    """Design of the journal: every field of a transition, priorities, labels."""
    opened = service.told(service.begun, "01", within=60, check=CHECK, database="orders")
    missing = [name for name in FIELDS if f"DBHEALTH_{name}" not in opened]
    check(not missing, "an opened finding has every field", missing)
    wanted = {"PRIORITY": "2", "SYSLOG_IDENTIFIER": "dbhealthd", "_SYSTEMD_UNIT": "dbhealthd.service",
              "DBHEALTH_ENGINE": "postgresql", "DBHEALTH_PROBE": "schema", "DBHEALTH_OBJECT": "public.audit_log",
              "DBHEALTH_SEVERITY": "critical", "DBHEALTH_LABEL_ENV": "test", "DBHEALTH_LABEL_TEAM": "shop"}
    wrong = {k: opened.get(k) for k, v in wanted.items() if opened.get(k) != v}
    check(not wrong, "they say what was found, where, how bad", wrong)
    check(opened["DBHEALTH_EVENT_ID"].startswith(opened["DBHEALTH_FINDING_ID"] + "-")
          and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", opened["DBHEALTH_SINCE"]), "an event has its id, a finding its since")
    check(re.match(rf"orders: CRITICAL {CHECK} public\.audit_log: .* \(dbhealth explain [0-9a-f]{{6}}\)$", opened["MESSAGE"]),
          "MESSAGE stands for itself", opened["MESSAGE"])
    summary = service.told(service.begun, "09")
    check(summary["PRIORITY"] == "6", "a first look is one summary", summary["MESSAGE"])
    after = service.cursor()
    psql(m, "CREATE TABLE public.audit_log(id bigint PRIMARY KEY)", "orders")
    for _ in range(2):
        service.run_probe("orders", "schema")
    resolved = service.told(after, "03", check=CHECK, database="orders")
    check(resolved["PRIORITY"] == "5" and resolved["DBHEALTH_PREVIOUS_SEVERITY"] == "critical"
          and resolved["DBHEALTH_FINDING_ID"] == opened["DBHEALTH_FINDING_ID"]
          and resolved["DBHEALTH_EVENT_ID"] != opened["DBHEALTH_EVENT_ID"] and "DBHEALTH_REASON" in resolved,
          "resolved: same finding, next event, with its reason", resolved)
    after = service.cursor()
    psql(m, "REVOKE pg_monitor FROM dbhealth")
    for _ in range(3):
        service.run_probe("orders", "performance")
    unknown = service.told(after, "06", within=60)
    check(unknown["PRIORITY"] == "4" and unknown["DBHEALTH_PROBE"] == "performance" and unknown["DBHEALTH_REASON"],
          "a right taken away makes checks unknown, told once", unknown["MESSAGE"])
    psql(m, "GRANT pg_monitor TO dbhealth")
    for _ in range(3):
        service.run_probe("orders", "performance")


def explained(check, m, service):
    for kind, subject in (("01", "Subject: Finding opened: "), ("03", "Subject: Finding resolved: ")):
        text = m.out("journalctl", "-x", "-n", "1", "-o", "short", f"MESSAGE_ID={ID}{kind}")
        entry = re.search(r"dbhealth explain ([0-9a-f]{6})", text)
        check(subject in text and "Defined-By: dbhealthd" in text and entry
              and re.search(rf"DBHEALTH_FINDING_ID={entry[1]}[0-9a-f]{{10}}$", text, re.M),
              f"journalctl -x explains {kind}, with the commands for this finding", text)
    listed = m.out("journalctl", "--list-catalog")
    check(len(re.findall(rf"^{ID}\w\w dbhealthd: ", listed, re.M)) == 17, "the catalogue has all 17")


def quiet(service, seconds, after, wanted):
    """Stays for so long, then the messages if they are other than so many."""
    time.sleep(seconds)
    told = service.messages(after)
    return None if len(told) == wanted else told


def outage(check, m, service):
    """One entry for the server and all its databases, one more when it is back, nothing else."""
    service.settled()
    wait_until(lambda: not quiet(service, 12, service.cursor(), 0), 60, "a quiet journal")
    after = service.cursor()
    m.sh("systemctl stop postgresql", timeout=60)
    stopped = time.monotonic()
    down = service.told(after, "04", within=12)
    check(True, f"PostgreSQL stopped: told after {time.monotonic() - stopped:.0f} s, 12 at most")
    check(down["PRIORITY"] == "2" and down["DBHEALTH_SEVERITY"] == "critical" and down["DBHEALTH_SERVER"],
          "it is critical and names the server", down["MESSAGE"])
    more = quiet(service, 15, after, 1)
    check(not more, "that is the only entry", more)
    m.sh("systemctl start postgresql", timeout=60)
    up = service.told(after, "05", within=40)
    check(up["PRIORITY"] == "5" and up["DBHEALTH_FINDING_ID"] == down["DBHEALTH_FINDING_ID"], "started: one more", up["MESSAGE"])
    more = quiet(service, 25, after, 2)
    check(not more, "nothing else", more)


def backends(m):
    return set(psql(m, "SELECT pid FROM pg_stat_activity WHERE usename = 'dbhealth'").split())


def reload_good(check, m, service):
    pid, sessions, after = service.pid(), backends(m), service.cursor()
    m.write(SITE, CONF.replace("team=shop", "team=shop, tier=1") + "\n[check orders/table-no-primary-key]\nenabled = no\n")
    m.sh(f"chgrp dbhealth {SITE}")
    done = service.ctl("reload", "dbhealthd.service")
    check(done.returncode == 0, "a good configuration: systemctl reload says yes", done.stderr + service.tail())
    told = service.told(after, "07")
    check(told["PRIORITY"] == "6", "it is told as reloaded", told["MESSAGE"])
    wait_until(lambda: service.show("SubState") == "running", 10, "running again after the reload")
    check(service.pid() == pid, "the same process goes on")
    check(sessions & backends(m), "sessions of what did not change are kept", sessions)
    service.wait_label = service.ask("/v1/databases/orders")
    check(service.wait_label["labels"].get("tier") == "1", "the change is in force", service.wait_label["labels"])


def reload_bad(check, m, service):
    pid, after = service.pid(), service.cursor()
    m.write(BAD, "[defaults]\ntimeoot = 3s\n", 0o644)
    done = service.ctl("reload", "dbhealthd.service")
    check(done.returncode != 0, "a broken configuration: systemctl reload says no")
    wait_until(lambda: "zz-bad.conf:2: [defaults] timeoot" in service.tail(), 15, service.tail)
    check("did you mean timeout?" in service.tail(), "the fault is named in the journal, with file and line")
    check(service.pid() == pid and service.ask("/v1/status")["databases"], "the daemon goes on with what it had")
    service.ctl("kill", "--kill-whom=main", "--signal=HUP", "dbhealthd.service")
    told = service.told(after, "08")
    check(told["PRIORITY"] == "4" and "timeoot" in told["MESSAGE"] + told.get("DBHEALTH_REASON", ""),
          "told by signal alone, the daemon rejects it and says so", told["MESSAGE"])
    check(service.pid() == pid and service.show("SubState") == "running", "and goes on")
    m.sh(f"rm {BAD}")
    check(service.ctl("reload", "dbhealthd.service").returncode == 0, "with the fault mended it reloads")


def alerted(check, m, service):
    """A program of [alert] runs inside the sandbox: a server with all its databases is one message down, one up."""
    m.write("/usr/local/bin/page", "#!/bin/sh\ncat >>/var/lib/dbhealthd/pages && echo >>/var/lib/dbhealthd/pages\n", 0o755)
    m.write(SITE, CONF + "\n[alert page]\nexec = /usr/local/bin/page --now\nseverity = critical\ngroup_wait = 1s\n")
    m.sh(f"chgrp dbhealth {SITE}; rm -f /var/lib/dbhealthd/pages")
    check(service.ctl("reload", "dbhealthd.service").returncode == 0, "an [alert] comes with a reload", service.tail())
    service.settled()

    def pages(n):
        def enough():
            return len(m.run("cat", "/var/lib/dbhealthd/pages").stdout.split("\n")) > n
        wait_until(enough, 60, lambda: f"{n} messages: {m.run('cat', '/var/lib/dbhealthd/pages')} {service.tail()}")
        return [json.loads(line) for line in m.out("cat", "/var/lib/dbhealthd/pages").splitlines()]
    m.sh("systemctl stop postgresql", timeout=60)
    down = pages(1)
    check([(e["check"], e["database"]) for e in down[0]["events"]] == [("conn-up", "")] and down[0]["alert"] == "page",
          "PostgreSQL stopped: the program is told once, of the server", down)
    m.sh("systemctl start postgresql", timeout=60)
    up = pages(2)
    time.sleep(15)
    check(len(pages(2)) == 2 and [e["check"] for e in up[1]["events"]] == ["conn-up"] and up[1]["status"] == "resolved",
          "started: once more, and no other", up)
    m.write(SITE, CONF)
    m.sh(f"chgrp dbhealth {SITE}; systemctl reload dbhealthd")
    service.settled()


def other_entries(check, m, service):
    """The kinds that a usual day does not bring: severity changed, acknowledged, check rejected, state moved."""
    after = service.cursor()
    psql(m, "DROP TABLE public.audit_log", "orders")
    for _ in range(2):
        service.run_probe("orders", "schema")
    opened = service.told(after, "01", check=CHECK, database="orders")
    m.write(SITE, CONF + f"\n[check orders/{CHECK}]\nseverity = warning\n")
    m.write("/etc/dbhealthd/checks.d/broken.sql", "-- id: broken\nSELECT", 0o644)
    m.sh(f"chgrp dbhealth {SITE}; systemctl reload dbhealthd")
    changed = service.told(after, "02", check=CHECK)
    check(changed["PRIORITY"] == "4" and changed["DBHEALTH_PREVIOUS_SEVERITY"] == "critical"
          and changed["DBHEALTH_FINDING_ID"] == opened["DBHEALTH_FINDING_ID"], "a changed severity is told", changed["MESSAGE"])
    rejected = service.told(after, "0d")
    check(rejected["PRIORITY"] == "4" and "broken.sql" in rejected["MESSAGE"], "a check file with a fault is left out and told",
          rejected["MESSAGE"])
    m.sh("rm /etc/dbhealthd/checks.d/broken.sql")
    done = m.run("dbhealth", "ack", opened["DBHEALTH_FINDING_ID"][:8])
    known = service.told(after, "0b")
    check(done.returncode == 0 and known["PRIORITY"] == "6"
          and known["DBHEALTH_FINDING_ID"] == opened["DBHEALTH_FINDING_ID"], "an acknowledgement is told", known["MESSAGE"])
    psql(m, "CREATE TABLE public.audit_log(id bigint PRIMARY KEY)", "orders")
    for _ in range(2):
        service.run_probe("orders", "schema")
    service.told(after, "03", check=CHECK)
    service.ctl("stop", "dbhealthd.service")
    m.sh("head -c 8192 /dev/urandom | dd of=/var/lib/dbhealthd/state.db conv=notrunc status=none; rm -f /var/lib/dbhealthd/state.db-*")
    service.ctl("start", "dbhealthd.service")
    moved = service.told(after, "0c")
    check(moved["PRIORITY"] == "4" and service.ask("/v1/status")["databases"], "a damaged state is moved aside and told",
          moved["MESSAGE"])
    texts = m.out("journalctl", "-x", "-o", "short", f"--cursor={after}", "_TRANSPORT=journal", "SYSLOG_IDENTIFIER=dbhealthd")
    missing = [s for s in ("Severity changed, critical to warning", "State store moved aside", "Check file rejected",
                           "Finding silenced, accepted or acknowledged", "Configuration reloaded") if f"Subject: {s}" not in texts]
    check(not missing, "journalctl -x explains each of them", missing)


def journal_away(check, m, service):
    """A journal that does not read, then one that is not there: nothing waits, nothing is lost."""
    units = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service"
    journald = m.sh("pgrep -x systemd-journal").strip()
    after = service.cursor()
    m.sh(f"kill -STOP {journald}")
    try:
        psql(m, "DROP TABLE public.audit_log", "orders")
        slowest = 0.0
        for _ in range(2):
            service.run_probe("orders", "schema")
            begun = time.monotonic()
            service.ask("/v1/status")
            slowest = max(slowest, time.monotonic() - begun)
        open_now = service.findings(check=CHECK, database="orders")
        check(slowest < 3 and open_now, f"journald stopped by SIGSTOP: probes run, the API answers ({slowest:.1f} s)")
    finally:
        m.sh(f"kill -CONT {journald}")
    service.told(after, "01", check=CHECK, database="orders")
    check(True, "it is told once journald goes on")
    after = service.cursor()
    m.sh(f"systemctl stop {units}")
    try:
        check(service.state("systemd-journald.service") == "inactive", "journald is stopped, and its sockets")
        psql(m, "CREATE TABLE public.audit_log(id bigint PRIMARY KEY)", "orders")
        for _ in range(2):
            service.run_probe("orders", "schema")
        check(not service.findings(check=CHECK, database="orders"), "probes run, the API answers")
        check(service.state("systemd-journald.service") == "inactive", "nothing started it meanwhile")
    finally:
        m.sh(f"systemctl start {units}")
    service.told(after, "03", check=CHECK, database="orders", within=60)
    check(True, "it is told once journald is started")


def socket_activation(check, m, service):
    def leftover():
        return m.run("pgrep", "-u", "dbhealth").stdout.split()

    after = service.cursor()
    service.ctl("stop", "dbhealthd.service")
    check(service.state() == "inactive" and service.show("Result") == "success" and not leftover(),
          "systemctl stop ends it in order, no process stays", service.tail())
    check(m.run("test", "-S", SOCKET).returncode == 0, "the socket stays: its folder is preserved")
    answer = service.ask("/v1/status", timeout=20, within=0)
    check(answer["daemon"]["pid"] == service.pid() and service.state() == "active", "a request by curl starts it and is answered")
    service.ctl("stop", "dbhealthd.service", "dbhealthd.socket")
    check(m.run("test", "-e", SOCKET).returncode != 0 and m.run("test", "-d", "/run/dbhealthd").returncode == 0,
          "stopped with its socket, the socket's file is removed")
    check(m.run("dbhealth", "status").returncode == 69, "then dbhealth says that nobody is there")
    service.ctl("start", "dbhealthd.socket")
    found = m.sh(f"stat -c '%U:%G %a' {SOCKET} /run/dbhealthd").split("\n")[:2]
    check(found == ["dbhealth:dbhealth 660", "dbhealth:dbhealth 755"], "the socket is its group's, its folder can be entered", found)
    check(m.run("dbhealth", "status", timeout=40).returncode in (0, 1, 2, 3) and service.state() == "active",
          "dbhealth starts it too")
    pid = service.pid()
    m.sh(f"kill -KILL {pid}")
    answer = service.ask("/v1/status", timeout=30, within=0)
    check(answer["daemon"]["pid"] != pid, "killed, it is restarted, and a request meanwhile only waits")
    service.settled()
    again = [x for x in service.messages(after) if not x.startswith("- ")]
    check(not again, "three restarts and a kill announce nothing again", again)


def broken_start(check, m, service):
    """A broken configuration is not tried again and again, not even when clients knock."""
    m.write(BAD, "[defaults]\ntimeoot = 3s\n", 0o644)
    service.ctl("stop", "dbhealthd.service")
    after = service.cursor()
    done = service.ctl("start", "dbhealthd.service")
    check(done.returncode != 0 and service.show("ExecMainStatus") == "78", "a broken configuration ends the start with 78")
    m.run("curl", "-sS", "--max-time", "6", "--unix-socket", SOCKET, "http://localhost/v1/status")
    text = service.managed(after)
    starts = len(re.findall(r"^Starting ", text, re.M))
    check(1 <= starts <= 6 and service.state() == "failed", f"it is not tried again for ever ({starts} starts)", text)
    m.sh(f"rm {BAD}; systemctl reset-failed dbhealthd.service dbhealthd.socket")
    service.restart()
    check(service.ask("/v1/status")["databases"] and service.state("dbhealthd.socket") == "active",
          "mended, it starts again, with its socket")


def reboot(check, m, service):
    """The host goes down and comes back: the databases stop after us and start before us."""
    # what lies in /tmp and on a mount of ours would be gone, rightly told
    kept = re.sub(r"\[database (queue|frozen)\]\n.*\n", "", CONF)
    m.write(SITE, kept)
    m.sh(f"chgrp dbhealth {SITE}")
    service.restart()
    service.settled()
    after = service.cursor()
    m.reboot()
    service.wait_state("active", within=60)
    service.settled()
    again = [x for x in service.messages(after) if not x.startswith("- ")]
    check(not again, "a reboot of the host is no outage, and nothing is announced again", again)


def watchdog(check, m, service):
    m.write(DROPIN, "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=1\n", 0o644)
    m.sh("systemctl daemon-reload")
    service.restart()
    service.settled()
    time.sleep(5)
    pid, after = service.pid(), service.cursor()
    workers = m.sh(f"cat /proc/{pid}/task/*/children").split()
    check(service.show("NRestarts") == "0", "with a watchdog of 2 s a healthy daemon is left alone")
    m.sh(f"kill -STOP {pid}")
    wait_until(lambda: service.pid() not in (0, pid) and service.state() == "active", 40, "a new daemon")
    text = service.managed(after)
    check("Watchdog timeout" in text and service.show("NRestarts") == "1", "a stopped one is killed by the watchdog and restarted", text)
    check(m.run("ps", "-p", ",".join([str(pid), *workers])).returncode != 0, "nothing of the old one is left")
    service.settled()
    again = [x for x in service.messages(after) if not x.startswith("- ")]
    check(not again, "the new one announces nothing again", again)
    m.sh(f"rm {DROPIN}; systemctl daemon-reload")
    service.restart()
    if service.state() != "active":
        raise Failure("not active at the end")
