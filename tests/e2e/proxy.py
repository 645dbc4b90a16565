"""A TCP proxy that can fall silent: connections stay open, and nothing comes through any more. With `filters`, a maker of
one object per connection, what goes through is what their request(data) and answer(data) make of it."""

import select
import socket
import threading

from servers.process import free_port


class Proxy:
    def __init__(self, target_port, filters=None):
        self.target_port, self.port = target_port, free_port()
        self._make_filter, self._passes = filters, {}
        self.silenced = 0
        self._lock, self._pairs, self._silent = threading.Lock(), [], set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._wake_out, self._wake_in = socket.socketpair()
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._forward, daemon=True).start()

    def silence(self):
        """The connections that are open now go dead without a word; later ones work."""
        with self._lock:
            self._silent = {end for pair in self._pairs for end in pair}
            self.silenced += len(self._pairs)
        self._wake_in.send(b".")

    def _accept(self):
        while True:
            inner, _ = self._listener.accept()
            try:
                outer = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                inner.close()
                continue
            with self._lock:
                self._pairs.append((inner, outer))
                if self._make_filter:
                    one = self._make_filter()
                    self._passes[inner], self._passes[outer] = one.request, one.answer
            self._wake_in.send(b".")

    def _forward(self):
        while True:
            with self._lock:
                others = {}
                for a, b in self._pairs:
                    others[a], others[b] = b, a
                watched = [end for end in others if end not in self._silent]
            for end in select.select([self._wake_out, *watched], [], [])[0]:
                if end is self._wake_out:
                    end.recv(4096)
                    continue
                try:
                    data = end.recv(65536)
                    if data:
                        others[end].sendall(self._passes[end](data) if end in self._passes else data)
                        continue
                except OSError:
                    pass
                self._close(end, others[end])

    def _close(self, end, other):
        with self._lock:
            self._pairs = [pair for pair in self._pairs if end not in pair]
            self._passes.pop(end, None)
            self._passes.pop(other, None)
        end.close()
        other.close()
