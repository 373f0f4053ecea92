"""Many findings at once, and none again: orphan rows in COUNT tables of one SQLite file."""
from .base import wait_until

COUNT = 12
FAST = {"connectivity_interval": "1s", "performance_interval": "1s", "schema_interval": "1s",
        "integrity_interval": "1s"}
SCRIPT = "CREATE TABLE parent(id INTEGER PRIMARY KEY);" + "".join(
    f"CREATE TABLE c{i:02d}(id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent(id));"
    f"CREATE INDEX c{i:02d}_p ON c{i:02d}(p);" for i in range(COUNT))
PLANT = "".join(f"INSERT INTO c{i:02d}(p) VALUES (99);" for i in range(COUNT))
HEAL = "".join(f"DELETE FROM c{i:02d};" for i in range(COUNT))


def known(d, database):
    """Its first look is over: what comes from now on is told by itself, not summed up."""
    def summed_up():
        answer = d.request("GET", f"/v1/events?database={database}&limit=500&after=0")
        return answer.status == 200 and any(e["kind"] == "summary" for e in answer.json["events"])
    wait_until(summed_up, 30 * d.slack, lambda: f"{database} is known; log: {d.log_tail()}")


def plant(d, app):
    """The API has them long before anybody else."""
    known(d, "app")
    app.sql(PLANT)
    d.run("app", "integrity")
    wait_until(lambda: len(d.findings(check="fk-orphan-rows")) == COUNT, 20 * d.slack, "all open")


def heal(d, app):
    app.sql(HEAL)
    d.run("app", "integrity")
    d.run("app", "integrity")
    wait_until(lambda: not d.findings(check="fk-orphan-rows"), 20 * d.slack, "all gone")
