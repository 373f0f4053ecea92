"""The table of proofs, a family a file: load() gives all of it."""
import importlib
import pathlib


def families():
    return sorted(p.stem for p in pathlib.Path(__file__).parent.glob("[a-z]*.py"))


def load():
    """(family, name) -> Proof"""
    found = {}
    for family in families():
        for name, proof in getattr(importlib.import_module(f"proofs.{family}"), "PROOFS", {}).items():
            found[family, name] = proof
    return found
