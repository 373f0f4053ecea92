"""A Debian of its own, booted with systemd in a container without network: made by debootstrap,
entered by its first process's namespaces, stopped and removed whatever happens."""
import functools
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
# The module alone: the package around it wants more than this machine has.
sys.path.append(str(TOP / "tests/e2e/support"))
import base  # noqa: E402
from base import Failure  # noqa: E402

RUNTIME = ["libevent-core-2.1-7", "libevent-extra-2.1-7", "libexpat1", "libini-config5", "libjansson4", "libpq5",
           "libseccomp2", "libsqlite3-0", "libssl3", "libsystemd0",
           "libyaml-0-2", "libzstd1"]
BESIDE = ["systemd", "systemd-sysv", "postgresql", "sqlite3", "acl", "curl", "procps"]
CGROUPS = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A look into the machine is a process or two.
wait_until = functools.partial(base.wait_until, every=0.2)


def must(command, **options):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise Failure(f"{command[0]}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def chroot(root, *command, timeout):
    env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    return must(["chroot", root, *command], env=env, timeout=timeout)


def make_root(root, cache):
    """The bare system with what the service needs; a cached one is taken when it is there."""
    if cache and cache.exists():
        must(["tar", "-C", root, "-xpf", cache], timeout=300)
        return
    must(["debootstrap", "--variant=minbase", f"--include={','.join(BESIDE[:2])}", "bookworm", root],
         timeout=1200)
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(f"/etc/{name}", root / "etc" / name)
    # The cluster is made, as on any machine; it is started when the system boots.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    chroot(root, "apt-get", "-qq", "update", timeout=300)
    chroot(root, "apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Acquire::Retries=3",
           "install", *RUNTIME, *BESIDE, timeout=900)
    chroot(root, "apt-get", "clean", timeout=60)
    policy.unlink()
    if cache:
        must(["tar", "-C", root, "-cpf", f"{cache}.new", "."], timeout=300)
        os.replace(f"{cache}.new", cache)


class Machine:
    def __init__(self, cache=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dbhealthd-boot.", dir="/var/tmp"))
        self.name = f"dbhealthd-boot-{secrets.token_hex(4)}"
        self.root = self.folder / "root"
        self.root.mkdir(mode=0o755)
        self.cache = pathlib.Path(cache).resolve() if cache else None
        self.nspawn = None
        self.leader = None
        self.cgroups = []

    def make(self):
        make_root(self.root, self.cache)
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/hostname").write_text("dbhost\n")
        (self.root / "var/log/journal").mkdir(exist_ok=True)  # the journal outlives a reboot

    def enter_cgroups(self):
        """nspawn puts a "payload" below its own group: one that no other container shares."""
        for top in map(pathlib.Path, CGROUPS):
            group = top / self.name
            try:
                group.mkdir()
            except OSError:
                continue  # not this kind of machine
            self.cgroups.append(group)

    def boot(self):
        if not self.cgroups:
            self.enter_cgroups()
        join = "".join(f"echo $$ >{group}/cgroup.procs; " for group in self.cgroups)
        command = ["systemd-nspawn", "-D", self.root, f"--machine={self.name}", "--boot",
                   "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        log = open(self.folder / "console", "wb")
        self.nspawn = subprocess.Popen(["sh", "-c", f'{join}exec "$@"', "sh", *map(str, command)],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        log.close()
        wait_until(self.find_leader, 30, self.console)
        wait_until(lambda: self.run("systemctl", "is-system-running").stdout.strip()
                   in ("running", "degraded"), 120, self.console)

    def find_leader(self):
        if self.nspawn.poll() is not None:
            raise Failure(f"systemd-nspawn ended: {self.console()}")
        pid = self.nspawn.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            try:
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self.leader = child
                    return True
            except FileNotFoundError:
                pass  # it ended meanwhile
        return False

    def reboot(self):
        """The way down in order; nspawn then ends and leaves the way up to us."""
        self.run("systemctl", "reboot")
        wait_until(self.ended, 60, "a way down")
        self.boot()

    def ended(self):
        """A command that lost its nsenter is ours to wait for; its namespace stays until then."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        return self.nspawn.poll() is not None

    def console(self):
        return (self.folder / "console").read_text(errors="replace")[-2000:]

    def run(self, *command, timeout=60, stdin=None):
        """A command inside, as root; its result whatever it is."""
        enter = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--",
                 "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=",
                 "SYSTEMD_COLORS=0", *map(str, command)]
        try:
            return subprocess.run(enter, input=stdin, text=True, errors="replace", timeout=timeout,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        except subprocess.TimeoutExpired as e:
            raise Failure(f"{' '.join(map(str, command))}: no end within {timeout} s") from e

    def popen(self, *command, **options):
        """One that goes on running inside, until the caller closes its input."""
        enter = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
        return subprocess.Popen(enter + [str(c) for c in command], text=True, **options)

    def out(self, *command, **options):
        """Its standard output; Failure unless it ends well."""
        done = self.run(*command, **options)
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode}: "
                          f"{(done.stderr or done.stdout)[-800:]}")
        return done.stdout

    def sh(self, script, **options):
        return self.out("sh", "-ec", script, **options)

    def write(self, path, text, mode=0o640):
        """A file of root's, inside."""
        at = self.root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        at.chmod(mode)

    def stop(self):
        if self.nspawn and self.nspawn.poll() is None:
            # Asked to halt, then ended: the first process inside dies with nspawn.
            for sig, within in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
                self.nspawn.send_signal(sig)
                try:
                    wait_until(self.ended, within, "the end")
                    break
                except Failure:
                    pass
        self.drop([sub for group in self.cgroups
                   for sub in sorted(filter(os.path.isdir, group.rglob("*")), reverse=True)]
                  + self.cgroups + [pathlib.Path("/run/systemd/nspawn/propagate") / self.name])

    def drop(self, folders):
        """Control groups and mount points, inner ones first: by rmdir, so only what is empty."""
        deadline = time.monotonic() + 10
        for folder in folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        print(f"left behind: {folder}", flush=True)
                        break
                    self.ended()
                    time.sleep(0.1)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
