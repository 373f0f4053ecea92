"""A loopback TCP proxy before a server, that can freeze, cut, refuse, or never answer."""
import selectors
import socket
import struct
import threading
import time

from .base import free_port


class Proxy:
    """Forwards host:port to upstream: (host, port), or the path of a Unix socket."""

    def __init__(self, upstream, port=None, host="127.0.0.1"):
        self.upstream = upstream
        self.host = host
        self.port = port or free_port()
        self.accepted = 0
        self._pairs = {}
        self._silent = set()
        self._mode = "pass"
        self._delay = 0
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = socket.socketpair()
        self._selector.register(self._wake_r, selectors.EVENT_READ, "wake")
        self._listener = None
        self._ending = False
        self._listen()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    # ---- what a test says ----
    def resume(self):
        """Forwards again; bytes that waited in a freeze go on, silent connections end."""
        with self._lock:
            self._mode, self._delay = "pass", 0
            for s in self._silent:
                self._reset(s)
            self._silent.clear()
            if self._listener is None:
                self._listen()
        self._wake()

    def freeze(self):
        """Bytes stop in both directions, nothing is closed; new connections hang likewise."""
        self._set("freeze")

    def delay(self, seconds):
        """Everything that is forwarded comes so much later."""
        with self._lock:
            self._delay = seconds

    def silent(self):
        """New connections are accepted and never answered; those that exist go on."""
        self._set("silent")

    def cut(self):
        """Resets every connection; new ones are served."""
        with self._lock:
            while self._pairs:
                self._drop(next(iter(self._pairs)), reset=True)
        self._wake()

    def refuse(self):
        """Nobody listens any more, and every connection is reset."""
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
        self.cut()

    @property
    def open(self):
        """Connections that are open now, forwarded or silent."""
        with self._lock:
            return len(self._pairs) // 2 + len(self._silent)

    def remove(self):
        self._ending = True
        self._wake()
        self._thread.join(5)
        for s in [*self._pairs, *self._silent, self._listener, self._wake_r, self._wake_w]:
            if s is not None:
                s.close()
        self._selector.close()

    # ---- inside ----
    def _listen(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, "listen")

    def _set(self, mode):
        with self._lock:
            self._mode = mode
        self._wake()

    def _wake(self):
        self._wake_w.send(b"x")

    def _loop(self):
        while not self._ending:
            for key, _ in self._selector.select():
                with self._lock:
                    if key.data == "wake":
                        self._wake_r.recv(4096)
                        self._watch()
                    elif key.data == "listen":
                        self._accept()
                    elif key.fileobj in self._pairs:
                        self._move(key.fileobj)

    def _watch(self):
        """A frozen proxy does not read: the kernel's buffers fill as with a real stall."""
        events = 0 if self._mode == "freeze" else selectors.EVENT_READ
        for s in self._pairs:
            registered = s in self._selector.get_map()
            if registered and not events:
                self._selector.unregister(s)
            elif events and not registered:
                self._selector.register(s, events, "data")

    def _accept(self):
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.accepted += 1
        if self._mode != "pass":
            self._silent.add(client)
            return
        family = socket.AF_UNIX if isinstance(self.upstream, str) else socket.AF_INET
        server = socket.socket(family)
        try:
            server.connect(self.upstream)
        except OSError:
            server.close()
            self._reset(client)
            return
        self._pairs[client], self._pairs[server] = server, client
        self._watch()

    def _move(self, s):
        try:
            data = s.recv(65536)
            if data:
                self._saw(s, data)
                time.sleep(self._delay)
                self._pairs[s].sendall(data)
                return
        except OSError:
            pass
        self._drop(s)

    def _saw(self, s, data):
        """For those who want to know what passes: data came from s and go to its pair."""

    def _drop(self, s, reset=False):
        for one in (s, self._pairs.pop(s)):
            self._pairs.pop(one, None)
            if one in self._selector.get_map():
                self._selector.unregister(one)
            if reset:
                self._reset(one)
            else:
                one.close()

    @staticmethod
    def _reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
