"""VictoriaLogs, which takes Splunk HEC, and vmauth, a front that asks for a token and can be made to fail."""

import json
import urllib.parse
import urllib.request

from servers.process import DEPS, Server, free_port, port_open, skip

HOME = DEPS / "victorialogs"


def require_victorialogs():
    """Skips the test when there is no VictoriaLogs to be had on this machine."""
    if not (HOME / ".stamp").exists():
        skip("VictoriaLogs is not there", "scripts/install-packages.sh test && scripts/fetch-test-servers.sh victorialogs")


class VictoriaLogs(Server):
    """HEC at `url`/services/collector/event. Lenient: it answers 200 to some requests that Splunk refuses, and kill()
    loses what it acknowledged in the last seconds (stop() does not)."""

    name = "victorialogs"

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self):
        return [str(HOME / "victoria-logs"), f"-httpListenAddr=127.0.0.1:{self.port}",
                f"-storageDataPath={self.folder}/data", "-retentionPeriod=10y"]

    def ready(self):
        return port_open(self.port)

    def query(self, query="*", limit=1_000_000):
        """What it holds, as dicts; times in milliseconds. An entry is visible about a second after it is written."""
        # Written entries wait in memory for a while: make them visible.
        urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=30).read()
        body = urllib.parse.urlencode({"query": query, "limit": limit}).encode()
        with urllib.request.urlopen(f"{self.url}/select/logsql/query", data=body, timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]


class Vmauth(Server):
    """Asks for `Authorization: Splunk TOKEN`: 401 for a wrong one, 502 when the backend is down, 429 with Retry-After
    when more than `concurrent` requests wait longer than `queue_ms`."""

    name = "vmauth"

    def __init__(self, folder, backend_url, token, concurrent=4, queue_ms=200):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.queue_ms = queue_ms
        self.configuration = self.folder / "vmauth.yml"
        self.configuration.write_text(json.dumps({"users": [{
            "auth_token": f"Splunk {token}", "url_prefix": backend_url, "max_concurrent_requests": concurrent}]}))

    def command(self):
        return [str(HOME / "vmauth"), f"-httpListenAddr=127.0.0.1:{self.port}", f"-auth.config={self.configuration}",
                f"-maxQueueDuration={self.queue_ms}ms"]

    def ready(self):
        return port_open(self.port)
