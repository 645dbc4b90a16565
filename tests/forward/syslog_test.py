"""The syslog sink against a real rsyslog over mutual TLS: what arrives, who gets in, and what is sent again."""

import json
import random
import socket
import ssl
import sys
import threading
import time

from forward.tool import Tool, run_cases
from servers.certs import Authority
from servers.process import Scratch, free_port, wait_until
from servers.rsyslog import Rsyslog, require_rsyslog

TOOLS = sys.argv[1]


def settings(port, authority, pair, **more):
    out = {"host": "127.0.0.1", "port": str(port), "ca_file": str(authority.certificate), "settle_ms": "300",
           "timeout_ms": "2000", "retry_base_ms": "20", "retry_cap_ms": "200", "probe_interval_ms": "200", **more}
    if pair:
        out.update(cert_file=str(pair.certificate), key_file=str(pair.key))
    return out


def received_uids(server):
    out = []
    for message in server.messages():
        data = message["structured-data"]
        out.append(data.split('uid="')[1].split('"')[0])
    return out


def settled(server, expected):
    # rsyslog writes its file behind the connection: wait for it to come to rest.
    wait_until(lambda: set(received_uids(server)) >= expected, "every message to be in rsyslog's file", 20)


class Case:
    def __init__(self, scratch):
        self.scratch = scratch
        self.authority = Authority(scratch / "ca")
        self.client = self.authority.client()

    def tool(self, name, server, pair="good", authority=None, body="json", **setup):
        more = setup.pop("more", {})
        return Tool(TOOLS, self.scratch / name, type="syslog",
                    settings=settings(server.port, authority or self.authority,
                                      self.client if pair == "good" else pair, body=body, **more), **setup)

    def json_arrives_whole(self):
        with Rsyslog(self.scratch / "rsyslog-json", self.authority) as server:
            tool = self.tool("json", server, commits=20, events=25, alerts=2)
            status, summary = tool.run()
            assert status == 0, summary
            expected = tool.uids()
            settled(server, expected)
            messages = server.messages()
            assert set(received_uids(server)) == expected
            assert len(messages) == 540, len(messages)
            for message in messages:
                body = json.loads(message["msg"].strip())
                assert message["programname"] == "tidewaiter" and message["hostname"] == "tidewaiter", message
                assert body["uid"], body
            alert = next(m for m in messages if m["msgid"] == "alert")
            assert alert["pri"] == str(13 * 8 + 3), alert  # log audit, error
            assert alert["timereported"].startswith("2026-03-04T05:06:07.891"), alert
            receipts = tool.state()["receipts"]
            assert sum(r["count"] for r in receipts) == 540

    def cef_arrives_whole(self):
        with Rsyslog(self.scratch / "rsyslog-cef", self.authority) as server:
            tool = self.tool("cef", server, body="cef", commits=5, events=10, alerts=1, extra="=|\\x")
            assert tool.run()[0] == 0
            settled(server, tool.uids())
            for message in server.messages():
                text = message["msg"].strip()
                assert text.startswith("CEF:0|tidewaiter|tidewaiter|1|"), text
                assert text.count("\n") == 0
                if message["msgid"] == "event":
                    assert "=|\\\\x" in text.replace("\\=", "="), text

    def long_ones_are_trimmed_and_stay_json(self):
        with Rsyslog(self.scratch / "rsyslog-long", self.authority) as server:
            tool = self.tool("long", server, commits=2, events=5, extra="x" * 6000, more={"bytes_max": "2048"})
            assert tool.run()[0] == 0
            settled(server, tool.uids())
            for message in server.messages():
                body = json.loads(message["msg"].strip())
                assert body["trimmed"] is True and body["dst_host"] == "files.example", body
                assert len(message["rawmsg"]) <= 2048 if "rawmsg" in message else True

    def refused(self, name, pair, authority=None):
        with Rsyslog(self.scratch / f"rsyslog-{name}", self.authority) as server:
            tool = self.tool(name, server, pair=pair, authority=authority, commits=1, events=5, seconds=3)
            accepted, sentence = tool.test()
            assert not accepted, sentence
            status, summary = tool.run()
            assert status == 3 and summary["delivered"] == 0 and summary["pending"] == 5, summary
            assert summary["state"] in ("parked", "retrying") and summary["reason"], summary
            assert server.messages() == []
            print(f"    {name}: {summary['state']}: {summary['reason']}")

    def wrong_name_is_refused(self):
        self.refused("wrong-name", self.authority.client("somebody.else"))

    def foreign_authority_is_refused(self):
        self.refused("rogue-ca", Authority(self.scratch / "rogue", "rogue CA").client())

    def no_certificate_is_refused(self):
        self.refused("no-certificate", None)

    def foreign_server_is_not_trusted(self):
        self.refused("foreign-server", self.client, authority=Authority(self.scratch / "rogue2", "other CA"))

    def connection_test_says_what_it_saw(self):
        with Rsyslog(self.scratch / "rsyslog-test", self.authority) as server:
            accepted, sentence = self.tool("test", server).test()
            assert accepted and "TLSv1.3" in sentence, sentence

    def killed_receiver_gets_the_last_seconds_again(self):
        server = Rsyslog(self.scratch / "rsyslog-kill", self.authority)
        server.start()
        # Small batches and few of them open: the run lasts over several kills.
        tool = self.tool("kill", server, commits=400, events=10, batch_items_max=10, seconds=60,
                         more={"unconfirmed_batches_max": "20"})
        process = tool.start()
        for _ in range(4):
            time.sleep(1.2)
            server.kill()
            time.sleep(0.3)
            server.start()
        status, summary = tool.finish(process)
        assert status == 0, summary
        assert summary["retries"] > 0, summary
        expected = tool.uids()
        settled(server, expected)
        got = received_uids(server)
        print(f"    {len(expected)} items, {len(got) - len(set(got))} doubles, {summary['retries']} retries")
        assert set(got) == expected
        server.stop()

    def killed_connector_skips_nothing(self):
        with Rsyslog(self.scratch / "rsyslog-restart", self.authority) as server:
            tool = self.tool("restart", server, commits=100, events=10, batch_items_max=10, seconds=60,
                             more={"unconfirmed_batches_max": "5"})
            chance = random.Random(5)
            for _ in range(6):
                process = tool.start()
                time.sleep(0.1 + chance.random() * 0.8)
                tool.kill(process)
            status, summary = tool.run()
            assert status == 0, summary
            settled(server, tool.uids())
            assert set(received_uids(server)) == tool.uids()
            counts = tool.state()["counts"]
            assert counts["tool/offered"] == counts["tool/delivered"] == 1000, counts

    def a_receiver_that_takes_and_closes_is_not_believed(self):
        """A server that completes the handshake, reads, and closes: nothing of it counts as delivered."""
        pair = self.authority.server("localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        listener = socket.create_server(("127.0.0.1", free_port()))
        stop = threading.Event()
        taken = []

        def serve():
            listener.settimeout(0.2)
            while not stop.is_set():
                try:
                    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                        taken.append(len(connection.recv(65536)))
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        tool = Tool(TOOLS, self.scratch / "closer", type="syslog", commits=1, events=5, seconds=3,
                    settings=settings(listener.getsockname()[1], self.authority, self.client))
        status, summary = tool.run()
        stop.set()
        thread.join()
        assert status == 3 and summary["delivered"] == 0 and summary["pending"] == 5, summary
        assert len(taken) > 1, "the messages are sent again"


def main():
    require_rsyslog()
    with Scratch("forward-syslog") as scratch:
        case = Case(scratch)
        names = [name for name in vars(Case) if not name.startswith("_") and name not in ("tool", "refused")]
        run_cases([(name.replace("_", " "), getattr(case, name)) for name in names])


if __name__ == "__main__":
    main()
