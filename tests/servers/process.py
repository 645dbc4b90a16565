"""What all test servers share: folders, free ports, starting, waiting, stopping by pid."""

import atexit
import fcntl
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = ROOT / "build" / "deps"
SKIPPED = 77

_port_locks = []


def free_port():
    """A loopback port that stays ours until this process ends, outside the range of outgoing connections."""
    folder = ROOT / "build" / "scratch" / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(1000):
        port = random.randrange(20000, 32000)
        lock = open(folder / str(port), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _port_locks.append(lock)
        return port
    raise RuntimeError("no free loopback port between 20000 and 32000")


def skip(reason, remedy):
    """Ends the test as skipped, or as failed where everything must be there."""
    print(f"SKIPPED: {reason}; to get it: {remedy}", flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def wait_until(condition, what, timeout=30, interval=0.05):
    """The first true answer of `condition`; an error that says `what` was awaited, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s in vain for {what}")
        time.sleep(interval)


class Scratch:
    """A folder for one test run: removed when the test passes, kept and named when it fails. It lies beside what is built,
    where other users may not get (a checkout in /root), unless `parent` says where else."""

    def __init__(self, name, parent=ROOT / "build" / "scratch"):
        self.path = pathlib.Path(parent) / f"{name}-{os.getpid()}"

    def __enter__(self):
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, kind, value, trace):
        if kind is None or (kind is SystemExit and value.code in (0, SKIPPED)):
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"kept for a look: {self.path}", file=sys.stderr)


class Server:
    """A child process. A subclass gives `command()` and `ready()`; start() after kill() keeps ports and data."""

    name = "server"
    stop_signal = signal.SIGTERM

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{self.name}.log"
        self.process = None
        self._log_start = 0

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def environment(self):
        return None

    def launch(self):
        """Starts the process and waits for nothing."""
        assert not self.running(), f"{self.name} runs already"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            # A session of its own, so that Ctrl-C reaches the test first.
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            cwd=self.folder, env=self.environment(), start_new_session=True)
        atexit.register(self.kill)

    def start(self, timeout=60):
        self.launch()
        try:
            wait_until(lambda: self.ready() or self.process.poll() is not None, f"{self.name} to start", timeout)
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with status {self.process.returncode}")
        except (RuntimeError, TimeoutError) as error:
            self.kill()
            raise RuntimeError(f"{error}; the end of {self.log}:\n{self.log_tail()}") from None
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=30):
        """The orderly way out; a server that does not take it is killed, and that is an error."""
        if not self.running():
            return
        self.resume()
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not stop within {timeout} s") from None

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def rss_bytes(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def logged(self, text):
        """Whether this run (not an earlier one of the same folder) has logged `text`."""
        if not self.log.exists():
            return False
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read()

    def log_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self):
        return self if self.running() else self.start()

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()
            print(f"the end of {self.log}:\n{self.log_tail()}", file=sys.stderr)


def port_open(port, host="127.0.0.1"):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
