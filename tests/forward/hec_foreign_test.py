"""Clients of other people's making prove our HEC receiver: PyPI splunk-hec-ftf with acknowledgement, and Splunk's own
npm splunk-logging without."""

import json
import os
import shutil
import subprocess
import sys

from forward.tool import TOKEN, Receiver, run_cases
from servers.process import DEPS, ROOT, Scratch, free_port, skip

TOOLS = sys.argv[1]
HOME = DEPS / "hec_clients"

FTF = """
import sys
from splunk_hec import splunk_hec
port, token, count = sys.argv[1:4]
client = splunk_hec(token, "127.0.0.1", port, input_type="json", use_hec_tls=False, use_ack=True, ack_interval=1,
                    max_ack_attempts=10, max_events_per_batch=20)
for i in range(int(count)):
    client.send_event({"time": 1764000000.5 + i, "sourcetype": "ftf", "event": {"number": i, "text": "\\u20ac"}})
sys.exit(0 if client.force_flush_events() is not False else 1)
"""


def received(server, sourcetype):
    rows = [json.loads(line) for line in server.file.read_text().splitlines()]
    return [row for row in rows if row.get("sourcetype") == sourcetype]


class Case:
    def __init__(self, scratch):
        self.scratch = scratch

    def ftf(self, server, token, count):
        return subprocess.run([sys.executable, "-c", FTF, str(server.port), token, str(count)], text=True,
                              capture_output=True, timeout=120,
                              env={**os.environ, "PYTHONPATH": str(HOME / "python")})

    def a_foreign_client_gets_its_acknowledgements(self):
        with Receiver(TOOLS, self.scratch / "ack", free_port(), "ack", "ack_delay_ms=50") as server:
            done = self.ftf(server, TOKEN, 50)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "ERROR" not in done.stdout and done.stdout.count("send_attempts_required=1") == 3, done.stdout
            assert sorted(row["event"]["number"] for row in received(server, "ftf")) == list(range(50))

    def a_foreign_client_understands_a_busy_server(self):
        with Receiver(TOOLS, self.scratch / "again", free_port(), "ack", "ack_delay_ms=20") as server:
            server.faults(busy=40)
            done = self.ftf(server, TOKEN, 30)
            assert done.returncode == 0, done.stdout + done.stderr
            assert {row["event"]["number"] for row in received(server, "ftf")} == set(range(30))

    def a_foreign_client_understands_a_refusal(self):
        with Receiver(TOOLS, self.scratch / "refused", free_port(), "ack") as server:
            done = self.ftf(server, "00000000-0000-0000-0000-000000000000", 3)
            assert "403" in done.stdout and "Invalid token" in done.stdout, done.stdout
            assert server.totals()["events"] == 0

    def splunks_own_javascript_library_sends(self):
        with Receiver(TOOLS, self.scratch / "js", free_port()) as server:
            done = subprocess.run([shutil.which("node"), str(ROOT / "tests/servers/hec_clients/send.js"), server.url, TOKEN,
                                   "20"], cwd=HOME, text=True, capture_output=True, timeout=60)
            assert done.returncode == 0 and "sent" in done.stdout, done.stdout + done.stderr
            rows = received(server, "js")
            assert sorted(row["event"]["message"]["number"] for row in rows) == list(range(20))
            assert all("\u20ac" in row["event"]["message"]["text"] for row in rows)


def main():
    if not (HOME / ".stamp").exists() or not shutil.which("node"):
        skip("the foreign HEC clients are not there",
             "scripts/install-packages.sh test && scripts/fetch-test-servers.sh hec_clients")
    with Scratch("forward-hec-foreign") as scratch:
        case = Case(scratch)
        names = [name for name in vars(Case) if not name.startswith("_") and name != "ftf"]
        run_cases([(name.replace("_", " "), getattr(case, name)) for name in names])


if __name__ == "__main__":
    main()
