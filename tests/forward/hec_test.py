"""The HEC sink against VictoriaLogs behind vmauth (foreign servers), and against our receiver when it is killed."""

import sys
import time

from forward.tool import TOKEN, Receiver, Tool, run_cases
from servers.certs import Authority
from servers.process import Scratch, free_port, wait_until
from servers.victorialogs import VictoriaLogs, Vmauth, require_victorialogs

TOOLS = sys.argv[1]


def settings(url, **more):
    return {"url": url, "token_env": "TIDEWAITER_TEST_HEC_TOKEN", "retry_base_ms": "20", "retry_cap_ms": "300",
            "probe_interval_ms": "200", "request_timeout_ms": "3000", **more}


class TlsVmauth(Vmauth):
    """vmauth over HTTPS, with a certificate of `authority`."""

    def __init__(self, folder, backend_url, token, authority):
        super().__init__(folder, backend_url, token)
        self.pair = authority.server("localhost")
        self.url = f"https://localhost:{self.port}"

    def command(self):
        return super().command() + ["-tls", f"-tlsCertFile={self.pair.certificate}", f"-tlsKeyFile={self.pair.key}"]


class Case:
    def __init__(self, scratch):
        self.scratch = scratch

    def a_killed_receiver_loses_nothing_that_was_acknowledged(self):
        """What is indexed survives in the file; what was only taken is lost with the process, and is sent again."""
        server = Receiver(TOOLS, self.scratch / "killed", free_port(), "ack", "ack_delay_ms=30")
        server.start()
        tool = Tool(TOOLS, self.scratch / "killed-tool", type="splunk_hec", commits=300, events=10, batch_items_max=10,
                    seconds=60, settings=settings(server.url, ack="true", ack_poll_ms="20", ack_timeout_ms="1000",
                                                  unconfirmed_batches_max="4"))
        process = tool.start()
        for _ in range(4):
            time.sleep(0.7)
            server.kill()
            time.sleep(0.2)
            server.start()
        status, summary = tool.finish(process)
        assert status == 0, summary
        received = server.received_uids()
        assert set(received) == tool.uids()
        print(f"    {len(received)} items, {sum(received.values()) - len(received)} doubles, {summary['retries']} retries")
        server.stop()

    def a_killed_connector_skips_nothing(self):
        with Receiver(TOOLS, self.scratch / "restart", free_port(), "ack", "ack_delay_ms=20") as server:
            server.faults(lose_answer=5, lose_ack=10, busy=10)
            tool = Tool(TOOLS, self.scratch / "restart-tool", type="splunk_hec", commits=200, events=10, alerts=1,
                        batch_items_max=10, seconds=60,
                        settings=settings(server.url, ack="true", ack_poll_ms="20", ack_timeout_ms="500"))
            for i in range(8):
                process = tool.start()
                time.sleep(0.05 + 0.07 * i)
                tool.kill(process)
            status, summary = tool.run()
            assert status == 0, summary
            assert set(server.received_uids()) == tool.uids()
            counts = tool.state()["counts"]
            assert counts["tool/offered"] == counts["tool/delivered"] == 2200, counts

    def a_foreign_server_understands_every_event(self):
        with VictoriaLogs(self.scratch / "logs") as logs, \
                Vmauth(self.scratch / "auth", logs.url, TOKEN) as front:
            tool = Tool(TOOLS, self.scratch / "foreign", type="splunk_hec", commits=20, events=25, alerts=2,
                        settings=settings(front.url))
            accepted, sentence = tool.test()
            assert accepted, sentence
            status, summary = tool.run()
            assert status == 0 and summary["delivered"] == 540, summary
            rows = wait_until(lambda: (lambda r: r if len(r) >= 540 else None)(logs.query()), "540 rows", 30)
            assert len(rows) == 540, len(rows)
            uids = {row["fields.uid"] + ("." + row["fields.revision"] if "fields.revision" in row else "")
                    for row in rows}
            assert uids == tool.uids()
            alerts = [row for row in rows if row.get("sourcetype") == "tidewaiter:alert"]
            assert len(alerts) == 40, len(alerts)
            assert all(row["_time"].startswith("2026-03-04T05:06:07.891") for row in alerts), alerts[0]
            events = [row for row in rows if row.get("sourcetype") == "tidewaiter:event"]
            assert {row["event.dst_host"] for row in events} == {"files.example"}

    def a_wrong_token_parks_and_the_right_one_goes_on(self):
        with VictoriaLogs(self.scratch / "logs2") as logs:
            with Vmauth(self.scratch / "auth2", logs.url, "another-token") as front:
                tool = Tool(TOOLS, self.scratch / "token", type="splunk_hec", commits=3, events=10, seconds=2,
                            settings=settings(front.url))
                accepted, _ = tool.test()
                assert not accepted
                status, summary = tool.run()
                assert status == 3 and summary["state"] == "parked" and summary["pending"] == 30, summary
                assert "401" in summary["reason"], summary
                assert summary["dead_lettered"] == 0
            with Vmauth(self.scratch / "auth3", logs.url, TOKEN) as front:
                tool.configure(type="splunk_hec", commits=3, events=10, settings=settings(front.url))
                status, summary = tool.run()
                assert status == 0 and summary["delivered"] == 30, summary

    def https_is_believed_only_with_the_right_authority(self):
        authority, rogue = Authority(self.scratch / "ca"), Authority(self.scratch / "rogue", "another CA")
        with VictoriaLogs(self.scratch / "logs4") as logs, \
                TlsVmauth(self.scratch / "tls", logs.url, TOKEN, authority) as front:
            setup = {"type": "splunk_hec", "commits": 2, "events": 10, "seconds": 3}
            tool = Tool(TOOLS, self.scratch / "https", settings=settings(front.url, ca_file=str(rogue.certificate)), **setup)
            accepted, sentence = tool.test()
            assert not accepted and "certificate" in sentence, sentence
            status, summary = tool.run()
            assert status == 3 and summary["state"] == "parked" and "certificate" in summary["reason"], summary
            tool.configure(settings=settings(front.url.replace("localhost", "127.0.0.2"),
                                             ca_file=str(authority.certificate)), **setup)
            assert not tool.test()[0], "the certificate is not for this address"
            tool.configure(settings=settings(front.url, ca_file=str(authority.certificate)), **setup)
            status, summary = tool.run()
            assert status == 0 and summary["delivered"] == 20, summary

    def a_backend_that_is_down_is_waited_for(self):
        logs = VictoriaLogs(self.scratch / "logs3")
        logs.start()
        with Vmauth(self.scratch / "auth4", logs.url, TOKEN) as front:
            logs.stop()
            tool = Tool(TOOLS, self.scratch / "down", type="splunk_hec", commits=10, events=10, seconds=40,
                        settings=settings(front.url))
            process = tool.start()
            time.sleep(2)
            logs.start()
            status, summary = tool.finish(process)
            assert status == 0 and summary["delivered"] == 100 and summary["retries"] > 0, summary
            rows = wait_until(lambda: (lambda r: r if len({x["fields.uid"] for x in r}) >= 100 else None)(logs.query()),
                              "100 events", 30)
            assert {row["fields.uid"] for row in rows} == tool.uids()
        logs.stop()


def main():
    with Scratch("forward-hec") as scratch:
        case = Case(scratch)
        names = [name for name in vars(Case) if not name.startswith("_")]
        own = [name for name in names if "killed" in name]
        run_cases([(name.replace("_", " "), getattr(case, name)) for name in own])
        require_victorialogs()
        run_cases([(name.replace("_", " "), getattr(case, name)) for name in names if name not in own])


if __name__ == "__main__":
    main()
