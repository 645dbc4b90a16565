"""What a broker may say that is not so: answers of the Kafka protocol, changed on their way through a Proxy."""

import struct

METADATA = 3
FLEXIBLE_METADATA = 9  # first version with compact arrays and tagged fields (KIP-482)


class Frames:
    """Cuts a stream into the messages of the protocol, each with its length in front."""

    def __init__(self):
        self._rest = b""

    def add(self, data):
        self._rest += data
        whole = []
        while len(self._rest) >= 4 and len(self._rest) >= 4 + struct.unpack(">i", self._rest[:4])[0]:
            end = 4 + struct.unpack(">i", self._rest[:4])[0]
            whole.append(self._rest[4:end])
            self._rest = self._rest[end:]
        return whole


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def after_string(data, at):
    length, at = varint(data, at)
    return at + max(0, length - 1)


def after_tags(data, at):
    count, at = varint(data, at)
    for _ in range(count):
        _, at = varint(data, at)
        size, at = varint(data, at)
        at += size
    return at


def without_brokers(answer):
    """A Metadata answer (version 9 or newer) that knows its topics and not one broker."""
    at = after_tags(answer, 4) + 4  # correlation id, tags; throttle time
    begin = at
    count, at = varint(answer, at)
    for _ in range(count - 1):
        at = after_string(answer, at + 4) + 4  # node id, host, port
        at = after_tags(answer, after_string(answer, at))  # rack
    return answer[:begin] + b"\x01" + answer[at:]


class NoBrokers:
    """A filter for one connection of a Proxy. While `lies()` says so, each answer about the cluster names no broker: as
    a broker answers that its controller has fenced."""

    def __init__(self, lies, told):
        self._lies, self._told = lies, told
        self._requests, self._answers, self._asked = Frames(), Frames(), set()

    def request(self, data):
        for frame in self._requests.add(data):
            key, version, correlation = struct.unpack(">hhi", frame[:8])
            if key == METADATA and version >= FLEXIBLE_METADATA:
                self._asked.add(correlation)
        return data

    def answer(self, data):
        out = b""
        for frame in self._answers.add(data):
            correlation = struct.unpack(">i", frame[:4])[0]
            if correlation in self._asked:
                self._asked.discard(correlation)
                if self._lies():
                    frame = without_brokers(frame)
                    self._told()
            out += struct.pack(">i", len(frame)) + frame
        return out
