"""The product's own HEC receiver, as a server that can be killed and told to misbehave."""

import json
import urllib.request

from e2e.service import BINARY
from servers.process import Server, free_port

TOKEN = "6f1f8a4e-90d8-4c6c-8f57-0a8c8d8b2f11"


class HecReceiver(Server):
    """What it has indexed is in `file`, which survives kill(); faults do not."""

    name = "hec"

    def __init__(self, folder, *options):
        super().__init__(folder)
        self.port, self.options = free_port(), options
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = self.folder / "received.jsonl"

    def command(self):
        return [BINARY, "hec-receiver", "--port", str(self.port), "--token", TOKEN, "--file", str(self.file), *self.options]

    def ready(self):
        return self.logged(self.url)

    def faults(self, **faults):
        request = urllib.request.Request(self.url + "/receiver/faults", json.dumps(faults).encode())
        urllib.request.urlopen(request, timeout=10).read()

    def received(self):
        """uid (with revision) -> how often, of everything indexed so far."""
        counts = {}
        if not self.file.exists():
            return counts
        for line in self.file.read_text().splitlines():
            try:
                fields = json.loads(line)["fields"]
            except ValueError:
                continue  # killed in the middle of a line
            uid = fields["uid"] + ("." + fields["revision"] if "revision" in fields else "")
            counts[uid] = counts.get(uid, 0) + 1
        return counts

    def events(self, sourcetype):
        """What was indexed under this sourcetype, in order, as HEC got it."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [event for event in map(json.loads, lines) if event.get("sourcetype") == sourcetype]
