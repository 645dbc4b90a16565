"""A topic and services that read it: what the tests of broker and group faults share."""

import json
import threading

from e2e.service import Service, tidewaiter_json
from servers.process import wait_until


def messages(first, last, partition=0):
    return [{"partition": partition, "value": json.dumps({"n": i, "partition": partition})} for i in range(first, last)]


def service_of(kafka, folder, topic, group=None, bootstrap=None, **properties):
    """Kafka property names with _ for the dots. `group_protocol` decides whether session settings are the client's."""
    given = {key.replace("_", "."): value for key, value in properties.items()}
    classic = {} if given.get("group.protocol") == "consumer" else {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
    return Service(folder, {
        "kafka": {"properties": {"bootstrap.servers": bootstrap or kafka.bootstrap, "group.id": group or topic,
                                 "topic.metadata.refresh.interval.ms": 500, **classic, **given},
                  "topics": [topic]}})


def partition_of(service, topic, number=0):
    """Its row of the coverage; the newest incarnation of the topic."""
    rows = [part for part in service.coverage()["partitions"] if part["topic"] == topic and part["partition"] == number]
    return rows[-1] if rows else {"held": [], "gaps": []}


def held(service, topic, number=0):
    return partition_of(service, topic, number)["held"]


def wait_held(service, topic, wanted, number=0, timeout=40):
    """Until exactly these ranges of offsets are in the store."""
    try:
        wait_until(lambda: held(service, topic, number) == wanted, f"{topic}/{number} holding {wanted}", timeout, interval=0.2)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; it holds {partition_of(service, topic, number)}") from None


def gaps(service, topic, number=0):
    return [(gap["from"], gap["to"], gap["reason"]) for gap in partition_of(service, topic, number)["gaps"]]


def offsets_of(service):
    """{(topic, topic id, partition, offset)} that the store holds."""
    return {(part["topic"], part.get("topic_id"), part["partition"], offset)
            for part in service.coverage()["partitions"] for first, end in part["held"] for offset in range(first, end)}


def expect_good(service, records=None):
    """Stopped or running: it verifies and its counters balance. Every offset once: as many records as offsets held."""
    report = tidewaiter_json("verify", "--store", service.store, "--public-key", service.public_key, status=None)
    assert report["findings"] == [], report
    stats = service.stats()
    kinds = stats["records_by_kind"]
    stored = sum(kinds.get(kind, 0) for kind in ("event", "unmapped", "reject", "tombstone"))
    assert stats["balanced"] and stored == len(offsets_of(service)), (stats, len(offsets_of(service)))
    assert records is None or stored == records, (stored, records)
    return stats


def expect_said(service, text):
    wait_until(lambda: service.logged(text), f"the log to say: {text}", 10)


def assigned(service):
    """How many partitions it has now."""
    return service.metric("tidewaiter_source_partitions") or 0


def wait_union(services, topic, partitions, count):
    wanted = partitions * count

    def complete():
        return len({(p, offset) for service in services for _, _, p, offset in offsets_of(service)}) == wanted
    wait_until(complete, f"{wanted} offsets of {topic} in the union of the stores", 60, interval=0.3)


class Producing:
    """Produces on and on beside the test, evenly over the partitions; `count` is how many each has got."""

    def __init__(self, kafka, topic, partitions, per_round=300):
        self.kafka, self.topic, self.partitions, self.per_round, self.count = kafka, topic, partitions, per_round, 0
        self.failure, self._stop = None, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._stop.wait(0.1):
                rows = [row for partition in range(self.partitions)
                        for row in messages(self.count, self.count + self.per_round, partition)]
                self.kafka.produce(rows, topic=self.topic)
                self.count += self.per_round
        except RuntimeError as error:
            self.failure = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        assert self.failure is None, self.failure
