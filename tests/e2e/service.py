"""The tidewaiter binary under test: as a service, and its commands."""

import json
import os
import pathlib
import subprocess
import urllib.request

from servers.process import ROOT, Server, free_port, wait_until

BINARY = os.environ.get("TIDEWAITER_BIN", str(ROOT / "build/release/tidewaiter"))


def tidewaiter(*arguments, status=0, timeout=600, **options):
    """Runs a command and returns its output; an unexpected exit status is an error that shows everything."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run([BINARY, *map(str, arguments)], text=True, timeout=timeout, **options)
    if status is not None and done.returncode != status:
        raise AssertionError(f"tidewaiter {' '.join(map(str, arguments))}: status {done.returncode}, not {status}\n"
                             f"{done.stdout[-4000:]}\n{(done.stderr or '')[-4000:]}")
    return done.stdout


def tidewaiter_json(*arguments, **options):
    return json.loads(tidewaiter(*arguments, "--json", **options))


class Service(Server):
    """`tidewaiter run` with a configuration made by `init` and changed by `settings` (nested dicts, merged)."""

    name = "tidewaiter"

    def __init__(self, folder, settings, environment=None):
        super().__init__(folder)
        self.api_port, self.metrics_port = free_port(), free_port()
        self._environment = dict(environment or {})
        if not (self.folder / "tidewaiter.pub").exists():
            tidewaiter("init", self.folder, "--force")
        self.store = self.folder / "store"
        self.public_key = self.folder / "tidewaiter.pub"
        self.config = self.folder / "service.yaml"
        self.settings = {
            "version": 1,
            "store": {"directory": str(self.store), "signing_key_file": str(self.folder / "tidewaiter.key"),
                      "checkpoint_interval_ms": 200},
            "detect": {"snapshot_interval_ms": 1000},
            "policy_file": str(self.folder / "policy.yaml"),
            "http": {"api_address": f"127.0.0.1:{self.api_port}", "metrics_address": f"127.0.0.1:{self.metrics_port}"},
        }
        merge(self.settings, settings)
        self.write()

    def write(self):
        # JSON is YAML.
        self.config.write_text(json.dumps(self.settings, indent=1))

    def command(self):
        return [BINARY, "run", "--config", str(self.config)]

    def environment(self):
        return {**os.environ, **self._environment}

    def set_failpoint(self, text):
        """For the next start: NAME:NTH:ACTION of core/failpoint.hpp, or None."""
        self._environment.pop("TIDEWAITER_FAILPOINT", None)
        if text:
            self._environment["TIDEWAITER_FAILPOINT"] = text

    def ready(self):
        return self.logged("tidewaiter runs")

    def get(self, path, port=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.api_port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        """Sum over all labels; None when it is not exported."""
        found = None
        for line in self.get("/metrics", self.metrics_port).splitlines():
            if line.startswith(name) and line[len(name):][:1] in ("{", " "):
                found = (found or 0) + float(line.rsplit(" ", 1)[1])
        return found

    def stats(self):
        return tidewaiter_json("stats", "--store", self.store)

    def coverage(self):
        return tidewaiter_json("coverage", "--store", self.store)

    def wait_stored(self, ends, timeout=120):
        """Until the store's next offset of every (topic, partition) has reached `ends`."""
        def reached():
            held = positions(self.coverage())
            return all(held.get(key, 0) >= end for key, end in ends.items())
        wait_until(reached, f"offsets {ends}", timeout, interval=0.5)


def merge(target, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


def positions(coverage):
    """{(topic, partition): first offset after all that is held or known to be missing}."""
    ends = {}
    for part in coverage["partitions"]:
        key = (part["topic"], part["partition"])
        ranges = [to for _, to in part["held"]] + [gap["to"] for gap in part["gaps"]]
        ends[key] = max([ends.get(key, 0), *ranges])
    return ends


def write_token(folder, token):
    path = pathlib.Path(folder) / "hec.token"
    path.write_text(token)
    path.chmod(0o600)
    return path
