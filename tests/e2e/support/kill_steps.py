"""kill -9 at each step of a command: at every call that changes a file, a folder or a database.

    steps = KillSteps(folder, [BUILD / "dbhealth", "backup", "create", "app"], where=" create ")
    for step in steps.walk(prepare=make_it_as_before, sample=12):
        ...                      # the command was killed at it; look at what it left behind

Where the count differs from run to run (a server that answers in other packets), a step may lie
behind the end: then step.killed is False, and the command did all of its work.
"""
import os
import random
import signal
import subprocess

from .base import BUILD, TOP, processes, sanitized, send, wait_until
from .daemon import environment

PRELOAD = BUILD / "fault/killat.so"
HOWS = ("before", "after", "torn")


class KillStep:
    """One run that was to die at call number `at` (from 1), which is `name` when nothing disturbs it."""

    def __init__(self, at, how, name, result):
        self.at, self.how, self.name = at, how, name
        self.killed = result.returncode == -signal.SIGKILL
        self.result = result

    def __repr__(self):
        return (f"<{self.how} {self.name} number {self.at}: exit {self.result.returncode} "
                f"{self.result.stdout[-1000:]!r} {self.result.stderr[-1000:]!r}>")


class KillSteps:
    """command: a list of arguments, or a function that makes one.  where: a word that stands among the
    arguments of the process that is to die ("main": any that is no worker); program: its name.  What the
    command starts is left alone, and may go on after it was killed."""

    def __init__(self, folder, command, where="main", program="dbhealth", env=None, user_args=None,
                 timeout=120):
        self.folder, self.where, self.program = folder, where, program
        self._command = command if callable(command) else lambda: command
        self.env, self.user_args, self.timeout = dict(env or {}), dict(user_args or {}), timeout
        self.names = []

    def _run(self, **more):
        env = environment(self.folder.path, self.env)
        env.update(LD_PRELOAD=str(PRELOAD), KILL_IN=self.where, KILL_PROGRAM=self.program,
                   ASAN_OPTIONS=env["ASAN_OPTIONS"] + ":verify_asan_link_order=0",
                   **{k: str(v) for k, v in more.items()})
        # Files, not pipes: what outlives the command would hold a pipe open.
        out, err = (self.folder.sub("killed") / n for n in ("out", "err"))
        with open(out, "wb") as o, open(err, "wb") as e, \
                subprocess.Popen([str(a) for a in self._command()], env=env, cwd=TOP,
                                 stdin=subprocess.DEVNULL, stdout=o, stderr=e, start_new_session=True,
                                 **self.user_args) as process:
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self._session = process.pid
        return subprocess.CompletedProcess(process.args, code, out.read_text(errors="replace"),
                                           err.read_text(errors="replace"))

    def left_running(self):
        """What the command started and left behind."""
        return [pid for pid, _, session, _ in processes() if session == self._session]

    def end_left_running(self):
        for pid in self.left_running():
            send(pid, signal.SIGKILL)
        wait_until(lambda: not self.left_running(), 20, "what was left running ends")

    def count(self):
        """Runs the command to its end; the names of its steps, in order."""
        tell = self.folder.sub("killed", mode=0o777) / "steps"
        tell.unlink(missing_ok=True)
        result = self._run(KILL_TELL=tell)
        assert tell.exists(), f"the command told no steps: {result}"
        self.whole = result
        number, *self.names = tell.read_text().split("\n")[:-1]
        assert int(number) == len(self.names) > 0, result
        return self.names

    def choose(self, sample, seed=1):
        """(at, how) pairs: all of them with KILL_ALL=1, else so many: the first and the last, one of each
        name of call, and some all over the run."""
        every = [(n + 1, how) for n, name in enumerate(self.names) for how in HOWS
                 if how != "torn" or name in ("write", "writev", "pwrite", "send", "copy_file_range")]
        if os.environ.get("KILL_ALL") == "1":
            return every
        if sanitized():
            sample = max(3, sample // 4)
        chance = random.Random(seed)
        first = {}
        for at, how in chance.sample(every, len(every)):
            first.setdefault(self.names[at - 1], (at, how))
        wanted = [every[0], every[-1], every[len(every) // 2], *first.values(), *chance.sample(every, len(every))]
        return sorted(dict.fromkeys(wanted[:max(sample, 2)] if sample else wanted))

    def at(self, at, how="before"):
        result = self._run(KILL_AT=at, KILL_HOW=how)
        name = self.names[at - 1] if at <= len(self.names) else "?"
        return KillStep(at, how, name, result)

    def walk(self, prepare=None, sample=12, seed=1):
        """Gives a KillStep for each step that was chosen, after prepare() and the killed run; what the
        killed command left running is ended when the judge is done with it."""
        if prepare:
            prepare()
        self.count()
        for at, how in self.choose(sample, seed):
            if prepare:
                prepare()
            step = self.at(at, how)
            assert step.killed or step.result.returncode == self.whole.returncode, step
            try:
                yield step
            finally:
                self.end_left_running()
