"""KafkaSource against a real Apache Kafka: what the mock cluster cannot show."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from servers import kafka
from servers.certs import Authority
from servers.process import Scratch, wait_until

BUILD = pathlib.Path(os.environ["TIDEWAITER_BIN"]).parent


class Probe:
    """The source in a process of its own; `lines` grows as it prints."""

    def __init__(self, properties, *topics, options=()):
        options = [*options, *(part for key, value in properties.items() for part in ("-X", f"{key}={value}"))]
        self.lines = []
        self.process = subprocess.Popen([BUILD / "tests/ingest/kafka_source_probe", *options, *topics], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.log = []
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            if kind:
                print("".join(self.log[-30:]), self.lines[-10:], sep="\n", file=sys.stderr)

    def records(self):
        return [line for line in self.lines if "offset" in line]

    def values(self):
        return sorted(record["value"] for record in self.records())

    def states(self):
        return [line for line in self.lines if "state" in line]

    def wait_for(self, count, timeout=30):
        wait_until(lambda: len(self.records()) >= count, f"{count} records, {len(self.records())} are there", timeout)


def properties(broker, group, tls=False, **more):
    settings = {"group.id": group, "session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
    return broker.client_properties(tls) | settings | {key.replace("_", "."): value for key, value in more.items()}


def numbered(text, first, last, partition=0):
    return [{"partition": partition, "value": f"{text} {i}"} for i in range(first, last)]


def topic_made_anew(broker, name, new_length):
    """Deleted and created again under a running consumer: a shorter and a longer log, offsets alone do not show it."""
    broker.create_topic(name, partitions=1)
    broker.produce(numbered("old", 0, 100), topic=name)
    with Probe(properties(broker, name), name) as probe:
        probe.wait_for(100)
        broker.delete_topic(name)
        broker.create_topic(name, partitions=1)
        broker.produce(numbered("new", 0, new_length), topic=name)
        probe.wait_for(100 + new_length)
        ids = {record["id"] for record in probe.records()}
        assert len(ids) == 2 and "0" * 32 not in ids, ids
        new = [record for record in probe.records() if record["value"].startswith("new")]
        by_id = {record["offset"]: record["value"] for record in new if record["id"] == new[-1]["id"]}
        assert by_id == {i: f"new {i}" for i in range(new_length)}, len(by_id)
        controls = [line["control"] for line in probe.lines if "control" in line]
        assert any(control["type"] == "topic_changed" for control in controls), controls


def test_topic_made_anew_with_a_longer_log(broker):
    topic_made_anew(broker, "anew-longer", 250)


def test_topic_made_anew_with_a_shorter_log(broker):
    topic_made_anew(broker, "anew-shorter", 40)


def test_transactions_leave_holes_and_no_false_gap(broker):
    broker.create_topic("transactions", partitions=1)
    broker.produce([{"transaction": "begin"}, {"value": "taken back", "partition": 0}, {"transaction": "abort"},
                    {"transaction": "begin"}, {"value": "kept", "partition": 0}, {"transaction": "commit"}],
                   topic="transactions", transactional_id="t")
    broker.produce([{"value": "after", "partition": 0}], topic="transactions")
    with Probe(properties(broker, "transactions"), "transactions") as probe:
        wait_until(lambda: "after" in probe.values(), "the last message")
        assert "taken back" not in probe.values() and "kept" in probe.values(), probe.values()
        assert not [line for line in probe.lines if "gap" in line], probe.lines


def test_ends_that_no_message_reaches_are_no_stall(broker):
    """A partition whose last offsets are an aborted transaction, and one with a transaction still open."""
    broker.create_topic("quiet-ends", partitions=2)
    broker.produce(numbered("m", 0, 20, 0) + numbered("m", 20, 40, 1), topic="quiet-ends")
    broker.produce([{"transaction": "begin"}, {"value": "taken back", "partition": 0}, {"transaction": "abort"},
                    {"transaction": "begin"}, {"value": "never ended", "partition": 1}],
                   topic="quiet-ends", transactional_id="quiet-ends")
    with Probe(properties(broker, "quiet-ends"), "quiet-ends", options=("--stall-ms", "200")) as probe:
        probe.wait_for(40)
        time.sleep(3)
        assert not [line for line in probe.log if "joining the group anew" in line], probe.log
        broker.produce(numbered("n", 0, 10, 0), topic="quiet-ends")
        probe.wait_for(50)


def test_offsets_are_committed_with_what_is_stored(broker):
    broker.create_topic("committed", partitions=2)
    broker.produce(numbered("m", 0, 30, 0) + numbered("m", 30, 50, 1), topic="committed")
    with Probe(properties(broker, "committed"), "committed") as probe:
        probe.wait_for(50)
        wait_until(lambda: broker.committed("committed") == {("committed", 0): 30, ("committed", 1): 20}, "the commit")


def test_broker_killed_and_started_again(broker):
    broker.create_topic("killed", partitions=2)
    broker.produce(numbered("m", 0, 50), topic="killed")
    with Probe(properties(broker, "killed"), "killed") as probe:
        probe.wait_for(50)
        broker.kill()
        broker.start()
        broker.produce(numbered("m", 50, 100, 1), topic="killed")
        probe.wait_for(100, timeout=60)
        assert probe.values() == sorted(f"m {i}" for i in range(100))


def test_partitions_added(broker):
    broker.create_topic("grown-1", partitions=1)
    with Probe(properties(broker, "grown", topic_metadata_refresh_interval_ms=500), "^grown-.*") as probe:
        broker.produce(numbered("m", 0, 10), topic="grown-1")
        probe.wait_for(10)
        broker.create_topic("grown-2", partitions=3)  # a pattern takes it up while running
        broker.produce(numbered("m", 10, 20, 2), topic="grown-2")
        probe.wait_for(20)


def test_wrong_password_parks_with_the_reason(broker):
    broker.create_topic("secure", partitions=1)
    broker.produce(numbered("m", 0, 5), topic="secure", tls=True)
    with Probe(properties(broker, "wrong", tls=True, sasl_password="not this one"), "secure") as probe:
        wait_until(lambda: any(s["state"] == "parked" for s in probe.states()), "a parked source")
        assert "uthentication" in probe.states()[-1]["reason"], probe.states()
    with Probe(properties(broker, "right", tls=True), "secure") as probe:
        probe.wait_for(5)
        assert probe.states()[-1]["state"] == "running", probe.states()


def test_duplicate_static_member_parks_the_older_one(broker):
    broker.create_topic("static", partitions=2)
    broker.produce(numbered("m", 0, 10), topic="static")
    with Probe(properties(broker, "static", group_instance_id="node"), "static") as older:
        older.wait_for(10)
        with Probe(properties(broker, "static", group_instance_id="node"), "static") as newer:
            newer.wait_for(10)
            wait_until(lambda: any(s["state"] == "parked" for s in older.states()), "the older one parked")
            assert "FENCED" in older.states()[-1]["reason"], older.states()
            broker.produce(numbered("m", 10, 20), topic="static")
            newer.wait_for(20)
        assert len(older.records()) == 10


def two_members(broker, name, **more):
    broker.create_topic(name, partitions=4)
    for partition in range(4):
        broker.produce(numbered(f"p{partition}", 0, 500, partition), topic=name)
    with Probe(properties(broker, name, **more), name) as first:
        first.wait_for(2000)
        with Probe(properties(broker, name, **more), name) as second:
            wait_until(lambda: second.states() and second.states()[-1]["partitions"] == 2, "half for each", 40)
            for partition in range(4):
                broker.produce(numbered(f"p{partition}", 500, 800, partition), topic=name)

            def union():
                return {(r["partition"], r["offset"]) for probe in (first, second) for r in probe.records()}
            wait_until(lambda: len(union()) == 4 * 800, "every offset in one of the two", 40)
            for probe in (first, second):
                places = [(r["partition"], r["offset"]) for r in probe.records()]
                assert len(places) == len(set(places)), "one store holds an offset once"


def test_two_members_range(broker):
    two_members(broker, "two-range", partition_assignment_strategy="range")


def test_two_members_cooperative(broker):
    two_members(broker, "two-cooperative", partition_assignment_strategy="cooperative-sticky")


def main():
    kafka.require_kafka()
    wanted = sys.argv[1:]
    with Scratch("kafka-source") as scratch:
        with kafka.Kafka(scratch / "kafka", Authority(scratch / "certs")) as broker:
            for name, test in list(globals().items()):
                if name.startswith("test_") and (not wanted or name in wanted):
                    test(broker)
                    print("ok", name, flush=True)


if __name__ == "__main__":
    main()
