"""What end-to-end tests stand on: classes that own a process, a port and a folder each."""
from .base import BUILD, Failure, Folder, as_user, free_port, sanitized, timed, wait_until
from .cluster import Cluster, Template
from .daemon import Answer, Cli, Daemon
from .proxy import Proxy
from .sqlite_file import SqliteFile

__all__ = [
    "BUILD", "Answer", "Cli", "Cluster", "Daemon", "Failure", "Folder", "Proxy", "SqliteFile",
    "Template", "as_user", "free_port", "sanitized", "timed", "wait_until",
]
