"""A peer on PostgreSQL's socket that speaks just enough of the protocol to be hostile."""
import os
import socket
import struct
import threading


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def error(text, sqlstate=b"XX000", severity=b"FATAL", **more):
    """An ErrorResponse; text and every other field as raw bytes, without NUL."""
    fields = {b"S": severity, b"V": severity, b"C": sqlstate, b"M": text,
              **{k.encode(): v for k, v in more.items()}}
    return message(b"E", b"".join(k + v + b"\0" for k, v in fields.items()) + b"\0")


def notice(text):
    return b"N" + error(text, severity=b"NOTICE")[1:]


class Imposter:
    """folder/.s.PGSQL.PORT answers every start-up with what `greet(connection)` sends or does.

    TLS and GSS are refused; the start-up packet is read first, and put into packets."""

    def __init__(self, folder, greet, port=5432, packets=None):
        self.folder, self.greet, self.packets = folder, greet, packets
        self.path = f"{folder}/.s.PGSQL.{port}"
        self.accepted = 0
        self._ending = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def dsn(self):
        return f"postgresql://dbhealth@/postgres?host={self.folder}"

    def _serve(self):
        while True:
            try:
                s, _ = self._socket.accept()
            except OSError:
                return
            if self._ending:
                s.close()
                return
            self.accepted += 1
            threading.Thread(target=self._talk, args=(s,), daemon=True).start()

    def _talk(self, s):
        s.settimeout(20)
        try:
            while True:
                (length,) = struct.unpack("!I", s.recv(4, socket.MSG_WAITALL))
                packet = s.recv(length - 4, socket.MSG_WAITALL)
                if packet[:4] not in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):
                    break
                s.sendall(b"N")
            if self.packets is not None:
                self.packets.append(packet)
            self.greet(s)
        except (OSError, struct.error):
            pass
        finally:
            s.close()

    def remove(self):
        self._ending = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        os.unlink(self.path)
