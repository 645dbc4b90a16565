"""Starts each real server, does one round trip, and stops it. Usage: selftest.py kafka|rsyslog|victorialogs"""

import socket
import ssl
import sys
import urllib.error
import urllib.request

from servers import kafka, rsyslog, victorialogs
from servers.certs import Authority
from servers.process import Scratch, wait_until


def test_kafka(scratch):
    kafka.require_kafka()
    authority = Authority(scratch / "certs")
    with kafka.Kafka(scratch / "kafka", authority) as broker:
        broker.create_topic("events", partitions=2, cleanup_policy="delete")
        broker.produce([
            {"partition": 0, "key": "k", "value": "plain", "headers": [["a", "1"], ["a", None]]},
            {"partition": 1, "key": "k", "value": None},
            {"partition": 1, "value_b64": "/wA="},
        ], topic="events")
        broker.produce([{"partition": 0, "value": "over TLS"}], topic="events", tls=True)
        assert broker.offsets("events") == {0: (0, 2), 1: (0, 2)}, broker.offsets("events")
        for tls in (False, True):
            got = {(r["partition"], r["offset"]): r for r in broker.consume("events", tls=tls)}
            assert got[0, 0]["value"] == "plain" and got[0, 0]["headers"] == [["a", "1"], ["a", None]], got
            assert got[1, 0]["value"] is None and got[1, 1]["value_b64"] == "/wA=", got
            assert got[0, 1]["value"] == "over TLS", got

        broker.produce([{"transaction": "begin"}, {"partition": 0, "value": "taken back"}, {"transaction": "abort"},
                        {"transaction": "begin"}, {"partition": 0, "value": "kept"}, {"transaction": "commit"}],
                       topic="events", transactional_id="t")
        values = [r["value"] for r in broker.consume("events") if r["partition"] == 0]
        assert values == ["plain", "over TLS", "kept"], values
        assert broker.offsets("events")[0] == (0, 6)  # each end of a transaction takes an offset

        broker.kill()
        broker.start()
        assert len(broker.consume("events")) == 5
        broker.delete_topic("events")


def test_rsyslog(scratch):
    rsyslog.require_rsyslog()
    authority, foreign = Authority(scratch / "certs"), Authority(scratch / "foreign")

    def send(pair, message):
        context = ssl.create_default_context(cafile=authority.certificate)
        context.load_cert_chain(pair.certificate, pair.key)
        frame = f"<14>1 2026-01-02T03:04:05Z host app - - - {message}".encode()
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(b"%d %s" % (len(frame), frame))

    with rsyslog.Rsyslog(scratch / "rsyslog", authority) as server:
        for pair in (foreign.client(), authority.client("somebody.else")):
            try:
                send(pair, "must not arrive")
            except OSError:
                pass  # TLS 1.3 tells a refused client only afterwards
        send(authority.client(), "hello")
        wait_until(server.messages, "the message")
        assert [m["msg"] for m in server.messages()] == ["hello"], server.messages()


def test_victorialogs(scratch):
    victorialogs.require_victorialogs()

    def post(token):
        body = b'{"time":1767323045,"event":{"msg":"hello","tier":"high"}}'
        request = urllib.request.Request(front.url + "/services/collector/event", data=body, headers={
            "Authorization": f"Splunk {token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    with victorialogs.VictoriaLogs(scratch / "logs") as logs, \
            victorialogs.Vmauth(scratch / "front", logs.url, "right") as front:
        assert post("wrong") == 401
        assert post("right") == 200
        rows = wait_until(logs.query, "the event")
        assert len(rows) == 1 and rows[0]["event.msg"] == "hello" and rows[0]["event.tier"] == "high", rows
        logs.stop()
        assert post("right") == 502
        logs.start()
        assert len(wait_until(logs.query, "the event after a restart")) == 1


if __name__ == "__main__":
    which = sys.argv[1]
    with Scratch(f"selftest-{which}") as folder:
        globals()[f"test_{which}"](folder)
    print("passed")
