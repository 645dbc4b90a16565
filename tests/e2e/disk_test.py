"""A disk that fills up, fails, turns read-only or gets slow under the real binary with a real broker. In every case:
ingestion pauses and says why, the consumer stays in its group, no offset is committed of what is not durable, queries and
forwarding of what is stored go on; when the disk is good again everything goes on by itself, and nothing is lost."""

import json
import time
import urllib.error

from e2e.service import Service, positions, tidewaiter, tidewaiter_json
from servers.disk import FAILING_SYNCS, FAILING_WRITES, FULL, READ_ONLY, Disk
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, GROUP, PARTITIONS = "audit", "disk", 2
EACH = 3_000


class Bench:
    """One broker, one receiver and one service, on which fault follows fault."""

    def __init__(self, folder, kafka):
        self.folder, self.kafka, self.produced = folder, kafka, 0
        self.disk = Disk(folder / "disk.control")
        self.receiver = HecReceiver(folder / "hec")
        (folder / "hec.token").write_text(TOKEN)
        (folder / "hec.token").chmod(0o600)
        self.service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": GROUP}, "topics": [TOPIC]},
            "store": {"head_file": str(folder / "heads" / "heads.json")},
            "connectors": [{"name": "siem", "type": "splunk_hec", "url": self.receiver.url, "retry_cap_ms": 200,
                            "token_file": str(folder / "hec.token"), "select": {"alerts": True, "events": True}}],
        }, environment=self.disk.environment())

    def produce(self, count=EACH):
        self.produced += 1
        tidewaiter("generate", "--events", count, "--seed", self.produced, "--quiet", "--brokers", self.kafka.bootstrap,
                   "--topic", TOPIC)

    def ends(self):
        return {(TOPIC, partition): high for partition, (_, high) in self.kafka.offsets(TOPIC).items()}

    def probe(self, path):
        """(status, answer) of an operations page."""
        try:
            return 200, json.loads(self.service.get(path, self.service.metrics_port))
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def paused_because(self):
        status, answer = self.probe("/readyz")
        return next(part.get("detail", "") for part in answer["parts"] if part["name"] == "store") if status == 503 else None

    def expect_committed_is_durable(self):
        held = positions(self.service.coverage())
        for key, offset in self.kafka.committed(GROUP).items():
            assert offset <= held.get(key, 0), f"{key}: {offset} is committed, the store ends at {held}"

    def events_held(self):
        return int(tidewaiter("query", "--store", self.service.store, "--kind", "event", "--count"))

    def assignments(self):
        return self.service.log.read_text().count("kafka partitions assigned")


def pause_and_resume(bench, name, faults, word):
    """The whole course of one fault."""
    service, receiver = bench.service, bench.receiver
    assigned = bench.assignments()
    before = bench.events_held()
    # A backlog for the connector: stored, but the receiver is away.
    receiver.kill()
    bench.produce()
    service.wait_stored(bench.ends())
    stored = bench.ends()
    bench.disk.fail(service.store, **faults)
    bench.produce()
    reason = wait_until(bench.paused_because, f"{name}: the pause", 30)
    assert word in reason, reason
    assert bench.probe("/healthz")[0] == 200
    assert service.metric("tidewaiter_up") == 0 and service.metric("tidewaiter_pauses_total") >= 1
    # What is stored is forwarded meanwhile, and can be asked for, by command and through the service.
    receiver.start()
    forwarded = wait_until(lambda: (lambda r: r if len(r) >= before + EACH * 0.9 else None)(receiver.received()),
                           f"{name}: forwarding during the pause", 30)
    assert bench.paused_because() is not None
    bench.expect_committed_is_durable()
    held = bench.events_held()
    assert held >= before + EACH * 0.9, (held, before)
    assert len(json.loads(service.get("/v1/events?limit=10"))["rows"]) == 10
    # Who wants something kept silent is told that it was not written.
    refused = tidewaiter_json("suppress", "--store", service.store, "--config", service.config, "--entity", "agent:x",
                              "--until", "1d", "--owner", "ann", "--reason", name, "--api", f"127.0.0.1:{service.api_port}", status=3)
    assert "nothing was written" in refused["error"]["message"], refused
    ends = positions(service.coverage())
    assert all(ends[key] >= end for key, end in stored.items()), (ends, stored)
    time.sleep(2)  # longer than a retry
    assert bench.paused_because() is not None, "it runs on a disk that takes nothing"
    bench.expect_committed_is_durable()
    bench.disk.heal()
    service.wait_stored(bench.ends(), timeout=60)
    wait_until(lambda: bench.probe("/readyz")[0] == 200, f"{name}: to be ready again", 30)
    wait_until(lambda: bench.kafka.committed(GROUP) == bench.ends(), f"{name}: the offsets to be committed", 20)
    assert bench.assignments() == assigned, "the consumer has left its group"
    assert tidewaiter_json("suppressions", "--store", service.store) == []
    print(f"  ok: {name}: {reason}; {len(forwarded)} items were at the receiver during the pause", flush=True)


def slow_disk(bench):
    """Nothing fails, everything takes its time: the source is held back, nothing is paused or lost."""
    assigned = bench.assignments()
    bench.disk.fail(bench.service.store, delay_us=100_000)
    bench.produce()
    bench.service.wait_stored(bench.ends(), timeout=120)
    assert bench.probe("/readyz")[0] == 200 and bench.assignments() == assigned
    bench.expect_committed_is_durable()
    bench.disk.heal()
    print("  ok: slow disk", flush=True)


def heads_that_cannot_be_written(bench, name, place):
    """An alarm, and no reason to take nothing: the store goes on, no head is sent anywhere."""
    def part():
        return next(p for p in bench.probe("/healthz")[1]["parts"] if p["name"] == "checkpoint")

    bench.disk.fail(place, **FULL)
    bench.produce(500)
    bench.service.wait_stored(bench.ends())
    wait_until(lambda: part()["state"] == "failing", f"{name}: the alarm", 20)
    assert "No space left" in part()["detail"], part()
    wait_until(lambda: bench.service.metric("tidewaiter_head_files_failing") == 1, "the metric", 10)
    assert bench.probe("/readyz")[0] == 200
    bench.disk.heal()
    wait_until(lambda: part()["state"] == "ok", f"{name}: to be written again", 20)
    print(f"  ok: {name}", flush=True)


def started_on_a_bad_disk(bench):
    """A service that starts on a full disk waits as one that runs does."""
    bench.service.stop(timeout=60)
    bench.disk.fail(bench.service.store, **FULL)
    bench.service.start()
    assert bench.paused_because()
    assert len(json.loads(bench.service.get("/v1/events?limit=10"))["rows"]) == 10
    bench.produce(500)
    bench.disk.heal()
    bench.service.wait_stored(bench.ends(), timeout=60)
    print("  ok: started on a full disk", flush=True)


def expect_all_right_at_the_end(bench):
    service, receiver = bench.service, bench.receiver
    total = sum(bench.ends().values())
    connector = wait_until(lambda: (lambda c: c if c["pending"] == 0 and c["delivered"] >= total * 0.9 else None)(
        connector_counts(service)), "everything to be forwarded", 60)
    service.stop(timeout=60)
    for part in service.coverage()["partitions"]:
        assert part["gaps"] == [] and part["held"] == [[0, bench.ends()[(TOPIC, part["partition"])]]], part
    assert service.stats()["balanced"], service.stats()
    tidewaiter("verify", "--store", service.store, "--public-key", service.public_key)
    received = receiver.received()
    access = [row for row in tidewaiter("query", "--store", service.store, "--log", "access", "--format", "ndjson").splitlines()]
    assert len(access) >= 5, "reads during a pause are not written down"
    print(f"{total} messages, {connector['delivered']} items delivered, {sum(received.values()) - len(received)} doubles at "
          f"the receiver, {len(access)} reads recorded", flush=True)


def connector_counts(service):
    counts = {key.removeprefix("siem/"): value for key, value in service.stats()["connectors"].items()}
    return {"delivered": 0, "pending": counts.get("offered", 0) - counts.get("delivered", 0) - counts.get("dead_lettered", 0), **counts}


def main():
    require_kafka()
    with Scratch("disk") as folder, Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS, retention_ms=-1)
        bench = Bench(folder, kafka)
        bench.receiver.start()
        with bench.service:
            bench.produce()
            bench.service.wait_stored(bench.ends())
            pause_and_resume(bench, "full disk", FULL, "No space left")
            pause_and_resume(bench, "failing writes", FAILING_WRITES, "Input/output error")
            pause_and_resume(bench, "failing syncs", FAILING_SYNCS, "Input/output error")
            pause_and_resume(bench, "read-only file system", READ_ONLY, "Read-only")
            slow_disk(bench)
            heads_that_cannot_be_written(bench, "head file outside the store", folder / "heads")
            heads_that_cannot_be_written(bench, "checkpoint files", bench.service.store / "checkpoint")
            started_on_a_bad_disk(bench)
            expect_all_right_at_the_end(bench)
        bench.receiver.stop()
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
