"""A backup that is not what it was: verify says so, and what of it; what is brought back is what was saved."""
import hashlib
import json
import os
import shutil
import subprocess

import pytest

from support import Cli, Folder, SqliteFile, sanitized

SCRIPT = """CREATE TABLE item (id integer PRIMARY KEY, name text);
CREATE TABLE part (id integer PRIMARY KEY, item_id integer REFERENCES item (id));
CREATE INDEX part_item_id ON part (item_id);
INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO part VALUES (1, 1), (2, 1);"""
ROWS = 5


def of(*kinds):
    return pytest.mark.parametrize("kind", kinds)


ENCRYPTED = of("sqlite-age", "sqlite-gpg", "postgresql-age")
ALL = of("sqlite", "sqlite-age", "sqlite-gpg", "postgresql", "postgresql-age")
# What does not depend on the cipher.
ONE_OF_EACH = of("sqlite", "sqlite-age", "postgresql")


class Kept:
    """A backup of one database, made once; each damage is done to it and undone."""

    def __init__(self, folder, kind, cluster):
        self.folder, self.kind = folder, kind
        self.engine, _, self.cipher = kind.partition("-")
        self.env, self.recipient = self.keys()
        self.root = folder.sub("backups")
        if self.engine == "sqlite":
            self.file = SqliteFile(folder.path / "app.db", SCRIPT)
            self.dsn = self.file.dsn
            self.options = ["--scratch", folder.sub("scratch")]
        else:
            cluster.createdb("app" + self.cipher)
            cluster.script(SCRIPT, dbname="app" + self.cipher)
            self.dsn = cluster.dsn("app" + self.cipher, user="postgres")
            self.options = ["--scratch", cluster.dsn("postgres", user="postgres")]
        encrypt = ["--encrypt", self.recipient] if self.cipher else []
        made = self.cli("backup", "create", "--to", self.root, *encrypt, self.dsn)
        assert made.status == 0 and made.json["ok"], made
        self.name = made.json["database"]
        self.stamp, = [p.name for p in (self.root / self.name).iterdir() if not p.name.startswith(".")]
        self.path = self.root / self.name / self.stamp
        self.forget()

    def keys(self):
        """Keys of the test's own; the environment that has them, and for whom is encrypted."""
        if self.cipher == "age":
            identity = self.folder.path / "identity"
            made = subprocess.run(["age-keygen", "-o", identity], stderr=subprocess.PIPE, text=True,
                                  check=True)
            return {"AGE_IDENTITY_FILE": str(identity)}, "age:" + made.stderr.split()[-1]
        if self.cipher == "gpg":
            home = self.folder.sub("gnupg", mode=0o700)
            subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "",
                            "--quick-generate-key", "test@example.org", "default", "default", "never"],
                           stderr=subprocess.PIPE, check=True)
            return {"GNUPGHOME": str(home)}, "gpg:test@example.org"
        return {}, None

    def cli(self, *argv, env=None):
        return Cli(self.folder, *argv[:2], "-o", "json", *argv[2:],
                   env={**self.env, **(env or {}), "HOME": str(self.folder.path)})

    def verify(self, *options, name=None, env=None):
        return self.cli("backup", "verify", "--from", self.root, *options, name or self.name, env=env)

    def checksums(self, name=None):
        return self.verify("--checksums", name=name)

    def restored(self):
        return self.verify(*self.options)

    def forget(self):
        """What a verification wrote down."""
        (self.path / "verified.json").unlink(missing_ok=True)

    def files(self):
        return sorted(p for p in self.path.rglob("*") if p.is_file() and p.name != "verified.json")

    def lie(self, change):
        """A manifest that was changed and sealed anew, as by somebody who knows how."""
        path = self.path / "manifest.json"
        text = path.read_text()
        manifest = json.loads(text)
        del manifest["checksum"]
        change(manifest)
        sealed = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
        manifest["checksum"] = hashlib.sha256(sealed).hexdigest()
        path.write_text(json.dumps(manifest))
        return text

    def remove(self):
        if self.cipher == "gpg":
            subprocess.run(["gpgconf", "--homedir", self.folder.path / "gnupg", "--kill", "all"],
                           check=False)


@pytest.fixture(scope="module")
def keeper(module_cluster):
    """One backup of a kind for all tests, made when the first one asks for it."""
    made, folders = {}, {}

    def keep(kind):
        if kind not in made:
            folders[kind] = Folder()
            made[kind] = Kept(folders[kind], kind, module_cluster)
        return made[kind]

    yield keep
    for one in made.values():
        one.remove()
    for one in folders.values():
        one.remove()


@pytest.fixture
def kept(kind, keeper):
    return keeper(kind)


def named(path):
    """How a person is told of it."""
    return "manifest" if path.name == "manifest.json" else path.name


def not_good(answer, *words):
    """Said as an answer, not as a failure to look; with the words."""
    assert answer.status == 1, answer
    verified = answer.json["verified"]
    assert answer.json["ok"] is False and verified["ok"] is False, answer
    said = " ".join(verified["faults"])
    assert all(word in said for word in words), (words, answer)
    return said


@ALL
def test_good(kept):
    assert kept.checksums().json["ok"]
    answer = kept.restored()
    assert answer.status == 0 and answer.json["ok"], answer
    assert answer.json["verified"]["rows"] == ROWS, answer


@ENCRYPTED
def test_nothing_in_the_clear(kept):
    for path in kept.files():
        data = path.read_bytes()
        assert b"three" not in data and b"SQLite format 3" not in data and b"PGDMP" not in data, path


@of("sqlite-age", "postgresql-age")
def test_without_the_key(kept):
    """It cannot be looked at, which proves nothing; its checksums can."""
    answer = kept.verify(*kept.options, env={"AGE_IDENTITY_FILE": ""})
    assert answer.status == 1 and "identity" in answer.json["message"], answer
    assert "verified" not in answer.json, answer
    other = kept.folder.path / "other"
    if not other.exists():
        subprocess.run(["age-keygen", "-o", other], stderr=subprocess.DEVNULL, check=True)
    answer = kept.verify(*kept.options, env={"AGE_IDENTITY_FILE": str(other)})
    assert answer.status == 1 and "key" in answer.json["message"], answer
    assert "verified" not in answer.json, answer
    assert kept.checksums().json["ok"]


@ALL
def test_one_bit(kept):
    """Of each file: the first byte, the last, and one in between."""
    for path in kept.files():
        whole = path.read_bytes()
        offsets = {0, len(whole) // 2, len(whole) - 1}
        for offset in sorted(offsets)[:1 if sanitized() else 3]:
            damaged = bytearray(whole)
            damaged[offset] ^= 1 << offset % 8
            path.write_bytes(damaged)
            not_good(kept.checksums(), named(path))
        path.write_bytes(whole)
    kept.forget()
    assert kept.checksums().json["ok"]


@ONE_OF_EACH
def test_truncated(kept):
    for path in kept.files():
        whole = path.read_bytes()
        for size in (0, len(whole) - 1):
            os.truncate(path, size)
            not_good(kept.checksums(), named(path))
            path.write_bytes(whole)
    path.write_bytes(whole + b"x")
    not_good(kept.checksums(), named(path))
    path.write_bytes(whole)
    kept.forget()


@of("sqlite", "postgresql")
def test_a_damaged_one_is_not_brought_back(kept):
    path = max(kept.files(), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    to = kept.folder.path / "back.db"
    target = f"sqlite:{to}" if kept.engine == "sqlite" else kept.dsn.replace("app" + kept.cipher, "back")
    answer = kept.cli("backup", "restore", "--from", kept.root, "--to", target, kept.name)
    path.write_bytes(whole)
    assert answer.status == 1 and path.name in answer.json["message"], answer
    assert not list(kept.folder.path.glob("back.db*"))
    kept.forget()


@ONE_OF_EACH
def test_missing_and_extra(kept):
    for path in kept.files():
        path.rename(kept.folder.path / "away")
        answer = kept.checksums()
        if path.name == "manifest.json":
            assert answer.status == 1, answer
        else:
            not_good(answer, path.name, "missing")
        (kept.folder.path / "away").rename(path)
    extra = kept.path / "extra"
    extra.write_text("x")
    not_good(kept.checksums(), "extra")
    extra.unlink()
    kept.forget()
    link = kept.path / "link"
    link.symlink_to("/etc/passwd")
    answer = kept.checksums()
    assert answer.status == 1 and "link" in answer.json["message"], answer
    link.unlink()
    kept.forget()


@ONE_OF_EACH
def test_of_another_database(kept):
    """Under another name, and with the manifest of another backup."""
    other = kept.root / "other"
    shutil.copytree(kept.path, other / kept.stamp)
    not_good(kept.checksums(name="other"), "another database", kept.name)
    shutil.rmtree(other)
    later = kept.path.with_name("20990101T000000Z")
    shutil.copytree(kept.path, later)
    not_good(kept.checksums(), kept.stamp)
    shutil.rmtree(later)


@ONE_OF_EACH
def test_manifest_of_another(kept):
    """Both were good; but the files of the one are not those of the other."""
    answer = kept.cli("backup", "create", "--to", kept.folder.sub("second"), kept.dsn,
                      *(["--encrypt", kept.recipient] if kept.cipher else []))
    assert answer.status == 0, answer
    second = kept.folder.path / "second" / kept.name
    path, = [p for p in second.iterdir() if not p.name.startswith(".")]
    own = (kept.path / "manifest.json").read_text()
    theirs = json.loads((path / "manifest.json").read_text())
    if {f["path"]: f["sha256"] for f in theirs["files"]} == \
            {f["path"]: f["sha256"] for f in json.loads(own)["files"]}:
        # the same bytes are the same backup
        assert kept.engine == "sqlite" and not kept.cipher
        return
    kept.lie(lambda m: (m.clear(), m.update({k: v for k, v in theirs.items() if k != "checksum"}),
                        m.update(stamp=kept.stamp)))
    not_good(kept.checksums())
    (kept.path / "manifest.json").write_text(own)
    kept.forget()


@ONE_OF_EACH
def test_wrong_version(kept):
    for change, words in ((lambda m: m.update(format=2), "format 2"),
                          (lambda m: m.pop("format"), "manifest"),
                          (lambda m: m.update(files="none"), "manifest")):
        was = kept.lie(change)
        not_good(kept.checksums(), words)
        (kept.path / "manifest.json").write_text(was)
    kept.forget()


@of("sqlite", "postgresql")
def test_manifest_that_lies(kept):
    """All of its bytes are right, and what it says of them is not: the copy tells."""
    def more_rows(m):
        name, = [t for t in m["tables"] if t.endswith("item")]
        m["tables"][name] += 1

    def fewer_tables(m):
        name, = [t for t in m["tables"] if t.endswith("item")]
        del m["tables"][name]

    def other_schema(m):
        m["fingerprint"] = "0" * 64

    lies = [(more_rows, "item"), (fewer_tables, "item"), (other_schema, "schema")]
    for change, word in lies[:1] if sanitized() else lies:
        was = kept.lie(change)
        assert kept.checksums().json["ok"]
        not_good(kept.restored(), word)
        (kept.path / "manifest.json").write_text(was)
    kept.forget()


@ONE_OF_EACH
def test_paths_of_a_manifest(kept):
    """A manifest cannot lead out of its folder."""
    outside = kept.folder.path / "outside"
    outside.write_text("x")
    for name in ("../../../outside", str(outside), "./x", ".hidden", "a//b"):
        was = kept.lie(lambda m, name=name: m["files"].append(
            {"path": name, "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}))
        assert kept.checksums().status == 1, name
        (kept.path / "manifest.json").write_text(was)
    kept.forget()
