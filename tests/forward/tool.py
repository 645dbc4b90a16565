"""forward_tool and hec_receiver_tool, driven from Python."""

import json
import os
import pathlib
import signal
import subprocess
import urllib.request

from servers.process import Server

TOKEN = "6f1f8a4e-90d8-4c6c-8f57-0a8c8d8b2f11"


class Tool:
    """One connector with its configuration and its state in a folder; run() may be killed and called again."""

    def __init__(self, tools, folder, **setup):
        self.program = pathlib.Path(tools) / "forward_tool"
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_file = self.folder / "state.json"
        self.configure(**setup)

    def configure(self, **setup):
        self.config = self.folder / "config.json"
        self.config.write_text(json.dumps(setup))

    def _command(self, argument):
        return [str(self.program), str(self.config), str(argument)]

    def _environment(self):
        return {**os.environ, "TIDEWAITER_TEST_HEC_TOKEN": TOKEN}

    def start(self):
        return subprocess.Popen(self._command(self.state_file), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self._environment())

    def finish(self, process):
        """(exit status, summary) of a started run."""
        out, err = process.communicate()
        assert process.returncode in (0, 3), f"forward_tool ended with {process.returncode}: {out}{err}"
        return process.returncode, json.loads(out)

    def run(self):
        return self.finish(self.start())

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def test(self):
        """(accepted, sentence) of the connection test."""
        done = subprocess.run(self._command("--test"), capture_output=True, text=True, env=self._environment())
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def uids(self):
        done = subprocess.run(self._command("--uids"), capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    def state(self):
        return json.loads(self.state_file.read_text())


class Receiver(Server):
    """Our own HEC receiver as a process. It keeps what it got in memory: after kill() it starts empty."""

    name = "hec_receiver"

    def __init__(self, tools, folder, port, *options):
        super().__init__(folder)
        self.port, self.options, self.tools = port, options, tools
        self.url = f"http://127.0.0.1:{port}"
        self.file = self.folder / "received.jsonl"

    def command(self):
        return [str(pathlib.Path(self.tools) / "hec_receiver_tool"), TOKEN, f"port={self.port}", f"file={self.file}",
                *self.options]

    def ready(self):
        return self.logged(self.url)

    def _get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def totals(self):
        return self._get("/receiver/totals")

    def counts(self):
        return self._get("/receiver/counts")

    def faults(self, **faults):
        request = urllib.request.Request(self.url + "/receiver/faults", json.dumps(faults).encode())
        urllib.request.urlopen(request, timeout=10).read()

    def received_uids(self):
        """Every uid of the file, which survives kill(): uid -> how often. A line that a kill cut off was never acknowledged."""
        out = {}
        for line in self.file.read_text().splitlines():
            try:
                fields = json.loads(line)["fields"]
            except json.JSONDecodeError:
                assert not line.endswith("}}"), line
                continue
            uid = fields["uid"] + ("." + fields["revision"] if "revision" in fields else "")
            out[uid] = out.get(uid, 0) + 1
        return out


def run_cases(cases):
    """Runs (name, function) pairs in order and says which one is at work."""
    for name, case in cases:
        print(f"case: {name}", flush=True)
        case()
        print(f"  ok: {name}", flush=True)
