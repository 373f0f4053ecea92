#!/usr/bin/python3
"""The service as a Debian host runs it: boots one, installs, and checks from outside what systemd,
the journal and its users see.  One line a check; ends with "N passed, N failed".
   run.py [--keep]   CACHE=FILE.tar keeps the bare system for the next time."""
import os
import signal
import subprocess
import sys
import time
import traceback

import host
import life
import sandbox
from machine import TOP, Failure, Machine, must


PARTS = [host.installed, host.first_start, host.configured, sandbox.score, sandbox.facts, sandbox.nothing_written,
         life.status, life.fields, life.explained, life.outage, life.reload_good, life.reload_bad, life.alerted, life.other_entries,
         life.journal_away, life.socket_activation, life.broken_start, life.watchdog, life.reboot]


class Checks:
    """Counts; a check's line stands for itself."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, text, seen=""):
        if holds:
            self.passed += 1
            print(f"ok      {text}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {text}" + (f": {str(seen)[:1500]}" if seen != "" else ""), flush=True)


def outside():
    """Mounts and processes of a namespace of our own: they end with it, whatever happens."""
    if os.environ.get("BOOT_INSIDE"):
        return
    os.environ["BOOT_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child=TERM", "--mount-proc", "--propagation",
                          "private", sys.executable, "-B", *sys.argv])


def main():
    if os.geteuid() != 0:
        print("skipped: booting a container needs root")
        return 0
    outside()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    check, start = Checks(), time.monotonic()
    machine = Machine(os.environ.get("CACHE"))
    try:
        machine.make()
        must(["make", "-s", "-C", TOP, "-o", "all", "install", f"B={os.environ.get('B', 'build/plain')}",
              f"DESTDIR={machine.root}", "PREFIX=/usr"], timeout=120)
        made = time.monotonic()
        machine.boot()
        print(f"booted: {made - start:.0f} s to make it, {time.monotonic() - made:.0f} s to start", flush=True)
        service = host.Service(machine)
        for part in PARTS:
            if len(sys.argv) > 1 and sys.argv[1:] != ["--keep"] and part.__name__ not in sys.argv[1:]:
                continue
            begun = time.monotonic()
            try:
                part(check, machine, service)
            except (Failure, subprocess.SubprocessError, OSError, ValueError, KeyError, IndexError) as e:
                check(False, part.__name__, e)
                if not isinstance(e, Failure):
                    traceback.print_exc(limit=-3)
            finally:
                machine.run("sh", "-c", f"rm -f {life.BAD} {life.DROPIN}; systemctl daemon-reload;"
                            " systemctl start postgresql systemd-journald.service")
            print(f"-- {part.__name__}: {time.monotonic() - begun:.0f} s", flush=True)
        if check.failed:
            print(service.tail())
        if "--keep" in sys.argv:
            print(f"nsenter -t {machine.leader} -a   # then end this by Ctrl-C", flush=True)
            signal.pause()
    except Failure as e:
        check(False, "a Debian boots with the service installed", e)
    except KeyboardInterrupt:
        pass
    finally:
        machine.remove()
    print(f"-- {time.monotonic() - start:.0f} s in all\n\n{check.passed} passed, {check.failed} failed")
    return 0 if check.failed == 0 and check.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
