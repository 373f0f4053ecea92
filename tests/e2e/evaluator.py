"""Reads one check file and runs it as the program would: head, chosen body, bound parameters.

Only what the proofs need: no `for`, no history beyond what the caller passes.
"""
import json
import re
import pathlib
import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKS = ROOT / "lib" / "checks" / "postgresql"
TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|::|:([a-z_][a-z0-9_]*)", re.S)
SETTINGS = ("-c search_path=pg_catalog -c default_transaction_read_only=on -c statement_timeout=5000"
            " -c lock_timeout=100 -c jit=off -c max_parallel_workers_per_gather=0 -c row_security=off")
UNITS = {"ms": .001, "s": 1, "min": 60, "h": 3600, "d": 86400,
         "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def number(text):
    m = re.fullmatch(r"(-?[\d.]+(?:e\d+)?)\s*(%|ms|s|min|h|d|B|kB|MB|GB|TB)?", text)
    if not m:
        return None
    value, unit = float(m[1]), m[2]
    return value / 100 if unit == "%" else value * UNITS.get(unit, 1)


def param_text(text):
    value = number(text)
    return text if value is None or re.fullmatch(r"-?[\d.]+", text) else repr(value).removesuffix(".0")


class Check:
    def __init__(self, path):
        self.head, self.bodies, key = {}, [], None
        lines = path.read_text().split("\n")
        at = 0
        while at < len(lines) and lines[at].startswith("--"):
            line = lines[at]
            if line.startswith("-- @"):
                break
            m = re.match(r"-- ([a-z_0-9.A-Z]+): (.*)", line)
            if m:
                key = m[1]
                self.head[key] = m[2]
            elif line.startswith("--   "):
                self.head[key] += "\n" + line[5:]
            else:
                raise ValueError(f"{path}:{at + 1}: {line}")
            at += 1
        body = {"when": [], "items": False, "sql": ""}
        for line in lines[at:]:
            if line.startswith("-- @"):
                if body["sql"].strip():
                    self.bodies.append(body)
                    body = {"when": [], "items": False, "sql": ""}
                if line.startswith("-- @when "):
                    body["when"].append(line[9:])
                else:
                    body["items"] = True
            else:
                body["sql"] += line + "\n"
        if body["sql"].strip():
            self.bodies.append(body)
        self.params = {k[6:]: param_text(v) for k, v in self.head.items() if k.startswith("param.")}

    def body(self, version):
        for b in self.bodies:
            if all(self.match(w, version) for w in b["when"]):
                return b
        return None

    @staticmethod
    def match(when, version):
        m = re.fullmatch(r"server (>=|<) (\d+)", when)
        return version // 10000 >= int(m[2]) if m[1] == ">=" else version // 10000 < int(m[2])


def load(check):
    return Check(CHECKS / (check + ".sql"))


def bind(sql):
    names = []

    def sub(m):
        if not m[2]:
            return m[0]
        if m[2] not in names:
            names.append(m[2])
        return "$%d" % (names.index(m[2]) + 1)
    return TOKEN.sub(sub, sql), names


def literal(v):
    return "NULL" if v is None else "'" + str(v).replace("'", "''") + "'"


def run(conn, sql, values):
    text, names = bind(sql)
    with conn.cursor() as c:
        c.execute("PREPARE p AS " + text.rstrip().rstrip(";"))
        try:
            args = ",".join(literal(values.get(n)) for n in names)
            c.execute("EXECUTE p" + (f"({args})" if names else ""))
            cols = [d[0] for d in c.description]
            return [dict(zip(cols, r)) for r in c.fetchall()]
        finally:
            if conn.info.transaction_status != 3:
                c.execute("DEALLOCATE p")


def limits(head, row):
    worst = None
    for severity in ("info", "warning", "critical"):
        if severity in head:
            ok = True
            for term in head[severity].split(" else ")[0].split(" and "):
                op, v = term.split(None, 1)
                ok = ok and {">=": row["value"] >= number(v), ">": row["value"] > number(v),
                             "<": row["value"] < number(v), "<=": row["value"] <= number(v)}[op]
            worst = severity if ok else worst
    return worst


def look(dsn, check, limit=None, **params):
    """Breaching rows of one check, worst first; rows that name a missing right keep `grant`."""
    c = load(check)
    c.head.update(limit or {})
    values = dict(c.params)
    values.update({k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in params.items()})
    conn = psycopg2.connect(dsn, options=SETTINGS, application_name="dbhealthd")
    conn.autocommit = True
    try:
        body = c.body(conn.server_version)
        if body is None:
            return []
        rows = run(conn, body["sql"], values)
        if body["items"]:
            rows = sum((run(conn, r["sql"], {}) if r["sql"] else [r] for r in rows), [])
        out = []
        for r in rows:
            value = r.get("value")
            r["value"] = None if value is None else float(value)
            if r.get("grant") and r["value"] is None:
                out.append(r)
                continue
            if "severity" not in r:
                r["severity"] = limits(c.head, r)
            if r["severity"]:
                out.append(r)
        return out
    finally:
        conn.close()
