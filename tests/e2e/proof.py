"""What a proof needs: look(), which runs one check as a user would, and mend(), which runs the
remedies of a finding as printed."""
import evaluator

RISKS = ["none", "lock", "load", "ends-session", "data-loss"]


def look(cluster, dbname, check, *, keys=None, engine=None, **settings):
    """Findings of one check, as the program reports them: object, value, severity, remedies.

    settings: param values and thresholds as [check ...] takes them; keys: of [database ...]."""
    head = evaluator.load(check).head
    limits = {k: v for k, v in settings.items() if k in ("info", "warning", "critical")}
    params = {k: evaluator.param_text(v) for k, v in settings.items() if k not in limits}
    params.update(keys or {}, **(engine or {}))
    rows = evaluator.look(cluster.dsn(dbname), check, limits, **params)
    return [finding(head, r) for r in rows]


def finding(head, row):
    remedies = []
    for n in range(1, 9):
        line = head.get(f"remedy.{n}")
        if not line:
            break
        parts = [p.strip() for p in line.split("|")]
        text = row.get("remedy" if n == 1 else f"remedy_{n}") or head.get(f"remedy.{n}.text")
        if text:
            remedies.append({"title": parts[0], "kind": parts[1], "risk": parts[2],
                             "closes": parts[4] == "closes", "text": text})
    remedies.sort(key=lambda r: RISKS.index(r["risk"]))
    return dict(row, remedies=remedies)


def mend(cluster, dbname, found):
    """Runs the closing remedies of one finding in order until it would be closed; their titles."""
    done = []
    for remedy in found["remedies"]:
        if remedy["closes"] and remedy["kind"] == "sql":
            cluster.script(remedy["text"], dbname)
            done.append(remedy["title"])
    return done
