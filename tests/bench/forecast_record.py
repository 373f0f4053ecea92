#!/usr/bin/python3
"""Records the series forecast-*.txt that bench/forecast judges: a real file system and a real PostgreSQL
under a script that lives 35 days in minutes.

usage: forecast_record.py [MILLISECONDS]    of each 5 minutes of that time; 30 unless told; as root

A line "SECONDS VALUE LIMIT" where the value changed, by the clock of the script.  The numbers are those of the
kernel (statvfs of a tmpfs) and of the server (pg_ls_waldir, age(relfrozenxid), last_value); the pace, the hours and
what is written are the script's."""
import math
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from support import Cluster, Folder, Template  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
STEP, DAYS = 300, 35
DAY = 86400 // STEP
KIB, MIB = 1 << 10, 1 << 20
WAL_LIMIT, XID_LIMIT = 160 * MIB, 3200


def load(step):
    """Office hours, and a third of it on two days of seven; never quite the same."""
    hour, weekday = step % DAY / DAY * 24, step // DAY % 7 < 5
    office = 0.3 + max(0.0, math.sin((hour - 7) / 12 * math.pi))
    return office * (1 if weekday else 0.3) * random.uniform(0.5, 1.5)


class Series:
    """every: of so many steps one is looked at."""

    def __init__(self, name, limit, digits, every=1):
        self.name, self.limit, self.digits, self.every = name, limit, digits, every
        self.lines, self.last, self.ended = [], None, False

    def add(self, step, value):
        text = f"{value:.{self.digits}f}"
        if self.ended:
            return
        self.ended, end = value >= self.limit, step == DAYS * DAY - 1
        if self.ended or end or (text != self.last and step % self.every == 0):
            self.lines.append(f"{step * STEP} {text} {self.limit}\n")
            self.last = text

    def write(self):
        path = HERE / f"forecast-{self.name}.txt"
        path.write_text("".join(self.lines), encoding="ascii")
        print(f"{path.name}: {len(self.lines)} lines, {'full' if self.ended else 'not full'}")


class Disk:
    """Logs that are rotated once a week, a backup of each night, tables that grow; from day 24 on a program that
    writes what nobody removes."""

    def __init__(self, folder):
        self.at = folder.sub("disk")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", self.at], check=True)
        self.used = Series("disk", 1, 3)
        self.append("tables", 12 * MIB)

    def append(self, name, count):
        with open(self.at / name, "ab") as f:
            f.write(bytes(count))

    def step(self, step):
        at = os.statvfs(self.at)
        self.used.add(step, 1 - at.f_bavail / at.f_blocks)
        if self.used.ended:
            return
        day, hour = divmod(step / DAY, 1)
        try:
            self.append("log", int(load(step) * 20 * KIB))
            self.append("tables", int(load(step) * KIB))
            if hour * 24 < 2:
                self.append("backup", 256 * KIB)
            elif (self.at / "backup").exists() and hour * 24 >= 20:
                (self.at / "backup").unlink()
            if day % 7 == 6 and step % DAY == 0:
                os.truncate(self.at / "log", 0)
            if day >= 24:
                self.append("core", int(random.uniform(0, 64) * KIB))
        except OSError:  # it is full
            self.used.add(step, 1)

    def remove(self):
        subprocess.run(["umount", self.at], check=False)


class Server:
    """Transactions by the load, WAL of a job each night; VACUUM FREEZE each third; from day 20 on a slot that nobody
    reads."""

    def __init__(self, folder):
        self.cluster = Cluster(Template(folder, "--wal-segsize=1"), folder, settings={
            "autovacuum": "off", "min_wal_size": "8MB", "max_wal_size": "32MB", "synchronous_commit": "off"})
        self.cluster.sql("CREATE TABLE t (id serial); CREATE SEQUENCE s AS smallint")
        self.session = self.cluster.session()
        self.asked = self.session.cursor()
        self.wal = Series("wal", WAL_LIMIT, 0)
        self.xid = Series("xid", XID_LIMIT, 0, every=6)
        self.sequence = Series("sequence", 1, 4, every=6)

    def step(self, step):
        ask = self.asked.execute
        ask("SELECT (SELECT sum(size) FROM pg_ls_waldir()), age(relfrozenxid), (SELECT last_value FROM s) / 32767.0 "
            "FROM pg_class WHERE relname = 't'")
        wal, xid, sequence = self.asked.fetchone()
        if step == 20 * DAY:
            ask("SELECT pg_create_physical_replication_slot('left', true)")
        if not self.wal.ended and float(wal) >= WAL_LIMIT:
            ask("SELECT pg_drop_replication_slot('left')")
        for series, value in ((self.wal, wal), (self.xid, xid), (self.sequence, sequence)):
            series.add(step, float(value))
        busy = load(step)
        ask("INSERT INTO t SELECT FROM generate_series(1, %s)", (int(busy * 20),))
        for _ in range(int(busy * 4)):
            ask("SELECT pg_current_xact_id()")
        nightly = MIB if step % DAY < DAY // 12 else 0
        ask("SELECT pg_logical_emit_message(false, 'load', repeat('x', %s))", (int(busy * 200 * KIB) + nightly,))
        if not self.sequence.ended and sequence < 0.999:
            ask("SELECT count(nextval('s')) FROM generate_series(1, %s)", (int(busy * 8),))
        elif not self.sequence.ended:
            self.sequence.add(step, 1)  # the next ones are refused
        if step % (DAY // 4) == 0:
            ask("CHECKPOINT")
        if step % (3 * DAY) == DAY // 8:
            ask("VACUUM FREEZE t")

    def remove(self):
        self.session.close()
        self.cluster.remove()


def main(argv):
    pace = float(argv[0]) / 1000 if argv else 0.03
    random.seed(1)
    folder = Folder()
    things = []
    try:
        for make in (Disk, Server):
            things.append(make(folder))
        begin = time.monotonic()
        for step in range(DAYS * DAY):
            time.sleep(max(0, begin + step * pace - time.monotonic()))
            for thing in things:
                thing.step(step)
        for series in (things[0].used, things[1].wal, things[1].xid, things[1].sequence):
            series.write()
    finally:
        for thing in reversed(things):
            thing.remove()
        folder.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
