"""Reading beside the service: query, coverage, stats, verify and prove run in a loop while a service writes, packs and
compacts, as another user without any write permission, and on a read-only copy. Each sees one commit number and is exact
for it: what a query counts is what the coverage record of that very commit says."""

import argparse
import bisect
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from e2e.service import BINARY, Service, tidewaiter
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, PARTITIONS = "audit", 3
MESSAGE_KINDS = ("event", "unmapped", "reject", "tombstone")


class Reader:
    """Runs commands as a user who may write nowhere in the store (as root: by dropping to `nobody`)."""

    def __init__(self, store, program):
        self.store, self.program = store, program
        self.user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None

    def run(self, command, *arguments, statuses=(0,)):
        done = subprocess.run([self.program, command, "--store", str(self.store), *map(str, arguments)], capture_output=True,
                              text=True, timeout=120, user=self.user, cwd="/")
        assert done.returncode in statuses, (command, arguments, done.returncode, done.stdout[-1500:], done.stderr[-1500:])
        return done

    def count_of_messages(self):
        """(commit, records) by a query over everything that came from Kafka."""
        kinds = [part for kind in MESSAGE_KINDS for part in ("--kind", kind)]
        done = self.run("query", *kinds, "--count")
        return commit_of(done.stderr), int(done.stdout.replace(",", ""))

    def coverage(self):
        found = json.loads(self.run("coverage", "--json").stdout)
        return found["commit"], sum(to - begin for part in found["partitions"] for begin, to in part["held"])

    def stats(self):
        found = json.loads(self.run("stats", "--json").stdout)
        assert found["balanced"], found
        return found["commit"], found["stored"]


def commit_of(text):
    return int(re.search(r"read at commit ([\d,]+)", text).group(1).replace(",", ""))


def expect_exact(reader, seen):
    """Every answer for a commit number is the same, whichever command gives it, whenever."""
    for commit, records in (reader.count_of_messages(), reader.coverage(), reader.stats()):
        assert seen.setdefault(commit, records) == records, f"commit {commit}: {records} and {seen[commit]} records"


def expect_proof(reader, service, folder, seq):
    """A record read beside the service has a proof that holds without the store."""
    target = folder / "proofs" / f"{seq}.proof"
    reader.run("prove", "--log", "agent", "--seq", seq, "-o", target)
    assert "proven" in tidewaiter("verify-proof", target, "--public-key", service.public_key)


def while_written(reader, service, folder, producer, seconds):
    """The loop beside the running service: (rounds, records by commit number). In every other round the producer holds
    its breath, so that all commands see one commit while packing goes on."""
    seen, rounds = {}, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end or rounds < 4:
        if rounds % 2 == 1:
            producer.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
        expect_exact(reader, seen)
        producer.send_signal(signal.SIGCONT)
        # Status 1 would be a finding: the service is sound, so there must be none at any moment.
        reader.run("verify", "--public-key", service.public_key)
        expect_proof(reader, service, folder, rounds)
        rounds += 1
    counts = [seen[commit] for commit in sorted(seen)]
    assert counts == sorted(counts), "a later commit holds less"
    return rounds, seen


def expect_as_covered(service, seen):
    """Every coverage record says what the store held at its commit; answers lie between their neighbours, and are equal
    where the commit is the same."""
    held, truth = {}, {0: 0}
    rows = tidewaiter("query", "--store", service.store, "--log", "control", "--format", "raw", "--unmask").splitlines()
    for record in map(json.loads, filter(None, rows)):
        if record["type"] != "coverage":
            continue
        for part in record["partitions"]:
            assert part["full"], part
            held[part["partition"]] = sum(end - begin for begin, end in part["held"])
        # The record is alone in the commit behind.
        truth[record["commit"]] = truth[record["commit"] + 1] = sum(held.values())
    commits = sorted(truth)
    for commit, records in seen.items():
        at = bisect.bisect_right(commits, commit)
        upper = truth[commits[at]] if at < len(commits) else records
        assert truth[commits[at - 1]] <= records <= upper, (commit, records)
        assert truth.get(commit, records) == records, (commit, records, truth[commit])
    return sum(commit in truth for commit in seen)


def on_a_read_only_copy(service, folder, program, ends):
    """A copy of the closed store, nobody may write in it."""
    copy = folder / "copy"
    shutil.copytree(service.store, copy)
    make_read_only(copy)
    reader, seen = Reader(copy, program), {}
    expect_exact(reader, seen)
    assert set(seen.values()) == {sum(ends.values())}, (seen, ends)
    reader.run("verify", "--public-key", service.public_key)


def make_read_only(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=15)
    options.add_argument("--events", type=int, default=150_000)
    options = options.parse_args()
    require_kafka()
    # Where the other user can get, which a checkout need not be.
    with Scratch("tidewaiter-readers", tempfile.gettempdir()) as folder, Kafka(folder / "kafka") as kafka:
        folder.chmod(0o755)
        program = shutil.copy(BINARY, folder)
        (folder / "proofs").mkdir()
        (folder / "proofs").chmod(0o777)
        kafka.create_topic(TOPIC, PARTITIONS, retention_ms=-1)
        # Small segments and commits: sealing, packing and compaction go on all the time.
        service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "readers"}, "topics": [TOPIC]},
            "store": {"segment_records": 4096, "commit_bytes": 65_536, "block_bytes_max": 16_384, "flush_interval_ms": 10},
        })
        service.public_key.chmod(0o644)
        producer = subprocess.Popen([BINARY, "generate", "--events", str(options.events), "--quiet", "--malformed", "0.01",
                                     "--rate", str(options.events / options.seconds), "--brokers", kafka.bootstrap,
                                     "--topic", TOPIC])
        with service:
            wait_until(lambda: service.stats()["stored"] > 2000, "the first records", 30)
            rounds, seen = while_written(Reader(service.store, program), service, folder, producer, options.seconds)
            assert producer.wait(60) == 0
            ends = {(TOPIC, partition): high for partition, (_, high) in kafka.offsets(TOPIC).items()}
            service.wait_stored(ends)
            sealed = service.metric("tidewaiter_store_commits_total")
        equal = expect_as_covered(service, seen)
        assert len(seen) > rounds and equal >= 2, (rounds, len(seen), equal)
        on_a_read_only_copy(service, folder, program, ends)
        print(f"{rounds} rounds of five commands beside {sealed:.0f} commits, {len(seen)} different commit numbers seen, "
              f"{equal} of them those of a coverage record, "
              f"{sum(ends.values())} records: every answer exact")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
