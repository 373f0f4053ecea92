"""What end-to-end tests stand on: classes that own a process, a port and a folder each."""
from .base import BUILD, Failure, Folder, as_user, free_port, sanitized, timed, wait_until
from .cluster import Cluster, Template
from .daemon import Answer, Cli, Daemon
from .island import HOLE, Island, backlog, hold_for
from .journald import Journald
from .kill_steps import KillSteps
from .manager import Manager, activation
from .proxy import Proxy
from .pulse import Pulse, parse_time
from .sqlite_file import SqliteFile

__all__ = [
    "BUILD", "Answer", "Cli", "Cluster", "Daemon", "Failure", "Folder", "HOLE", "Island",
    "Journald", "KillSteps", "Manager", "Proxy", "Pulse", "SqliteFile", "Template", "activation", "as_user", "backlog", "free_port", "hold_for",
    "parse_time", "sanitized", "timed", "wait_until",
]
