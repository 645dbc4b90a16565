"""Faults of brokers and groups, with the real binary and a real broker: each ends in the right store and a sentence in
the log. Names of tests may be given as arguments."""

import json
import sys
import threading
import time

from e2e.broker_case import (Producing, assigned, expect_good, expect_said, gaps, held, messages, offsets_of,
                             partition_of, service_of, wait_held, wait_union)
from e2e.kafka_lies import NoBrokers
from e2e.proxy import Proxy
from e2e.service import tidewaiter
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

SETTINGS = {"log.cleaner.backoff.ms": 100, "transaction.abort.timed.out.transaction.cleanup.interval.ms": 300,
            # KIP-848: here the broker decides the times.
            "group.consumer.min.session.timeout.ms": 1000, "group.consumer.session.timeout.ms": 3000,
            "group.consumer.min.heartbeat.interval.ms": 100, "group.consumer.heartbeat.interval.ms": 300}


def test_a_broker_frozen_for_longer_than_a_session(kafka, folder):
    kafka.create_topic("frozen")
    kafka.produce(messages(0, 500), topic="frozen")
    with service_of(kafka, folder, "frozen", socket_timeout_ms=2000) as service:
        wait_held(service, "frozen", [[0, 500]])
        kafka.pause()
        time.sleep(5)
        assert service.get("/healthz", service.metrics_port) and service.stats()["read"] == 500  # reading goes on
        kafka.resume()
        kafka.produce(messages(500, 700), topic="frozen")
        wait_held(service, "frozen", [[0, 700]])
        expect_said(service, "imed out")
        expect_good(service, 700)


def test_connections_that_go_dead_without_a_word(_, folder):
    proxy = Proxy(0)
    settings = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
    with Kafka(folder / "kafka", settings=settings) as kafka:
        proxy.target_port = kafka.port
        kafka.create_topic("half-open")
        kafka.produce(messages(0, 500), topic="half-open")
        with service_of(kafka, folder / "tw", "half-open", socket_timeout_ms=2000) as service:
            wait_held(service, "half-open", [[0, 500]])
            proxy.silence()
            assert proxy.silenced > 0
            kafka.produce(messages(500, 700), topic="half-open")
            wait_held(service, "half-open", [[0, 700]])
            expect_said(service, "imed out")
            expect_good(service, 700)


def test_brokers_that_say_there_are_none(_, folder):
    """As a broker does that was frozen and that its controller has fenced: librdkafka then forgets every broker."""
    lying, told = threading.Event(), []
    proxy = Proxy(0, lambda: NoBrokers(lying.is_set, lambda: told.append(True)))
    settings = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
    with Kafka(folder / "kafka", settings=settings) as kafka:
        proxy.target_port = kafka.port
        kafka.create_topic("none-there")
        kafka.produce(messages(0, 500), topic="none-there")
        bootstrap = f"127.0.0.1:{proxy.port}"
        with service_of(kafka, folder / "tw", "none-there", bootstrap=bootstrap, socket_timeout_ms=2000) as service:
            wait_held(service, "none-there", [[0, 500]])
            lying.set()
            proxy.silence()
            wait_until(lambda: told, "the service to ask for the brokers", 20)
            time.sleep(2)
            lying.clear()
            kafka.produce(messages(500, 700), topic="none-there")
            wait_held(service, "none-there", [[0, 700]])
            expect_good(service, 700)


def test_a_session_that_expires_while_the_process_stands_still(kafka, folder):
    kafka.create_topic("expired", partitions=4)
    with service_of(kafka, folder / "a", "expired") as first, service_of(kafka, folder / "b", "expired") as second:
        with Producing(kafka, "expired", 4) as producing:
            wait_until(lambda: assigned(first) == 2 and assigned(second) == 2, "two partitions for each", 60)
            first.pause()
            wait_until(lambda: assigned(second) == 4, "the other one to have taken all four", 30)
            first.resume()
            wait_until(lambda: assigned(first) == 2 and assigned(second) == 2, "half for each again", 60)
        wait_union([first, second], "expired", 4, producing.count)
        expect_said(first, "kafka partitions lost")
        for service in (first, second):
            expect_good(service)


def hand_overs(kafka, folder, topic, static=False, **properties):
    """A second member comes and goes three times while messages stream in: batches are in flight at every hand-over."""
    kafka.create_topic(topic, partitions=4)
    names = [{"group_instance_id": f"{topic}-{i}"} if static else {} for i in (1, 2)]
    with service_of(kafka, folder / "a", topic, **properties, **names[0]) as first:
        with Producing(kafka, topic, 4) as producing:
            wait_until(lambda: assigned(first) == 4, "all partitions for the only member", 30)
            second = service_of(kafka, folder / "b", topic, **properties, **names[1])
            for way in ("stop", "kill", "stop"):
                second.start()
                wait_until(lambda: assigned(first) == 2 and assigned(second) == 2, f"half for each, before {way}", 60)
                getattr(second, way)()
                if not static:
                    wait_until(lambda: assigned(first) == 4, f"all for the first, after {way}", 60)
        if static:
            second.start()  # what is its own waits for it, or goes to the other when its session has ended
        wait_union([first, second], topic, 4, producing.count)
        doubles = len(offsets_of(first) & offsets_of(second))
        print(f"  {4 * producing.count} messages, {doubles} of them in both stores")
        expect_said(first, "kafka partitions assigned")
        for service in (first, second):
            expect_good(service)
        second.stop()


def test_hand_overs_range(kafka, folder):
    hand_overs(kafka, folder, "range", partition_assignment_strategy="range")


def test_hand_overs_cooperative_sticky(kafka, folder):
    hand_overs(kafka, folder, "cooperative", partition_assignment_strategy="cooperative-sticky")


def test_hand_overs_static_members(kafka, folder):
    hand_overs(kafka, folder, "static", static=True, partition_assignment_strategy="range")


def test_hand_overs_consumer_protocol(kafka, folder):
    hand_overs(kafka, folder, "kip848", group_protocol="consumer")


def test_a_duplicate_static_member_parks_the_older_one_and_reading_goes_on(kafka, folder):
    kafka.create_topic("twin", partitions=2)
    kafka.produce(messages(0, 10), topic="twin")
    with service_of(kafka, folder / "a", "twin", group_instance_id="node") as older:
        wait_held(older, "twin", [[0, 10]])
        with service_of(kafka, folder / "b", "twin", group_instance_id="node") as newer:
            wait_until(lambda: older.metric("tidewaiter_source_parked") == 1, "the older one parked", 30)
            source = [part for part in json.loads(older.get("/healthz", older.metrics_port))["parts"] if part["name"] == "source"]
            assert source[0]["state"] == "parked" and "FENCED" in source[0]["detail"], source
            kafka.produce(messages(10, 20), topic="twin")
            wait_held(newer, "twin", [[0, 20]])
            assert held(older, "twin") == [[0, 10]]
            expect_good(older, 10)


def test_partitions_added_while_running_are_read_from_their_beginning(kafka, folder):
    kafka.create_topic("wider", partitions=1)
    kafka.produce(messages(0, 5), topic="wider")
    with service_of(kafka, folder, "wider", auto_offset_reset="latest") as service:
        wait_until(lambda: assigned(service) == 1, "the assignment")
        time.sleep(1)
        kafka.produce(messages(5, 10), topic="wider")
        wait_held(service, "wider", [[5, 10]])  # what was there before is not asked for
        kafka.cli("TopicCommand", "--alter", "--topic", "wider", "--partitions", "3")
        kafka.produce(messages(0, 20, 2), topic="wider")  # before the service can know of the new ones
        wait_held(service, "wider", [[0, 20]], number=2)
        expect_good(service, 25)


def test_compaction_leaves_gaps_that_are_named(kafka, folder):
    kafka.create_topic("compacted", cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio="0.01",
                       max_compaction_lag_ms=200)
    for part in range(4):
        kafka.produce([{"partition": 0, "key": f"k{i % 3}", "value": json.dumps({"n": i})}
                       for i in range(part * 30, part * 30 + 30)], topic="compacted")
        time.sleep(0.4)

    def there():
        return [row["offset"] for row in kafka.consume("compacted")]
    wait_until(lambda: len(there()) < 100, "the broker to compact", 60, interval=0.5)
    with service_of(kafka, folder, "compacted") as service:
        wait_until(lambda: held(service, "compacted")[-1:] and held(service, "compacted")[-1][1] == 120, "the last one", 30)
        stored = {offset for _, _, _, offset in offsets_of(service)}
        assert stored >= set(there()) and len(stored) < 120, (stored, there())
        missing = {offset for first, end, _ in gaps(service, "compacted") for offset in range(first, end)}
        assert missing == set(range(120)) - stored, (missing, stored)
        # What lay before the first offset is as good as never delivered: the log's start is below it.
        assert {reason for _, _, reason in gaps(service, "compacted")} == {"not delivered"}, gaps(service, "compacted")
        expect_said(service, "kafka has no messages at some offsets")
        expect_good(service, len(stored))


def test_retention_that_overtakes_the_consumer_is_a_named_gap(kafka, folder):
    kafka.create_topic("overtaken")
    kafka.produce(messages(0, 100), topic="overtaken")
    service = service_of(kafka, folder, "overtaken")
    with service:
        wait_held(service, "overtaken", [[0, 100]])
    kafka.produce(messages(100, 300), topic="overtaken")
    kafka.delete_records("overtaken", 0, 250)
    with service:
        wait_held(service, "overtaken", [[0, 100], [250, 300]])
        assert gaps(service, "overtaken") == [(100, 250, "below log start")], gaps(service, "overtaken")
        expect_said(service, "retention was faster")
        service.pause()  # and while it runs, but is slow
        kafka.produce(messages(300, 400), topic="overtaken")
        kafka.delete_records("overtaken", 0, 350)
        service.resume()
        wait_until(lambda: held(service, "overtaken")[-1][1] == 400, "the newest one", 30)
        expect_good(service)
        stored = {offset for _, _, _, offset in offsets_of(service)}
        missing = {offset for first, end, _ in gaps(service, "overtaken") for offset in range(first, end)}
        assert stored | missing == set(range(400)) and not stored & missing, (held(service, "overtaken"), gaps(service, "overtaken"))


def test_offsets_reset_by_another_tool_are_not_followed(kafka, folder):
    kafka.create_topic("reset")
    kafka.produce(messages(0, 100), topic="reset")
    service = service_of(kafka, folder, "reset")
    reset = ("consumer.group.ConsumerGroupCommand", "--group", "reset", "--topic", "reset", "--reset-offsets", "--execute")
    for way, first in (("--to-earliest", 0), ("--to-latest", 100)):
        with service:
            wait_held(service, "reset", [[0, first + 100]])
            wait_until(lambda: kafka.committed("reset") == {("reset", 0): first + 100}, "the commit")
        kafka.produce(messages(first + 100, first + 200), topic="reset")
        kafka.cli(*reset, way)
        with service:
            wait_held(service, "reset", [[0, first + 200]])
            expect_said(service, "not ours and is not followed")
            stats = expect_good(service, first + 200)
            assert stats["duplicates"] == 0 and gaps(service, "reset") == [], stats


def test_transactions_aborted_and_left_open(kafka, folder):
    kafka.create_topic("transactions")
    row = {"partition": 0, "value": "{}"}
    kafka.produce([{"transaction": "begin"}, row, row, {"transaction": "abort"},
                   {"transaction": "begin"}, row, {"transaction": "commit"}], topic="transactions", transactional_id="t")
    with service_of(kafka, folder, "transactions") as service:
        wait_held(service, "transactions", [[3, 4]])
        kafka.produce([{"transaction": "begin"}, row], topic="transactions", transactional_id="u", transaction_timeout_ms=3000)
        kafka.produce([row], topic="transactions")
        # The broker ends the open one in its time; what came after it is read then, and not before.
        wait_until(lambda: held(service, "transactions")[-1] == [6, 7], "the message behind it", 40)
        found = gaps(service, "transactions")
        assert found == [(0, 3, "not delivered"), (4, 6, "not delivered")], found
        expect_said(service, "kafka has no messages at some offsets")
        expect_good(service, 2)


def topic_made_anew(kafka, folder, topic, new_length):
    """The new topic is read whole under its own id. Until its id is asked for, a second at most, offsets behind the old end
    are taken for the old topic's: then the control record names them as doubtful."""
    kafka.create_topic(topic)
    kafka.produce(messages(0, 100), topic=topic)
    with service_of(kafka, folder, topic) as service:
        wait_held(service, topic, [[0, 100]])
        old_id = partition_of(service, topic)["topic_id"]
        kafka.delete_topic(topic)
        kafka.create_topic(topic)
        kafka.produce(messages(0, new_length), topic=topic)

        def held_of_new():
            rows = [part for part in service.coverage()["partitions"] if part["topic"] == topic]
            return [part["held"] for part in rows if part["topic_id"] != old_id]
        wait_until(lambda: held_of_new() == [[[0, new_length]]], f"the new topic whole in the store of {topic}", 40)
        expect_said(service, "deleted and made anew")
        old = next(part["held"] for part in service.coverage()["partitions"] if part["topic_id"] == old_id)
        changed = [row for row in control_records(service) if row.get("type") == "topic_changed"]
        assert len(changed) == 1, changed
        assert len(old) == 1 and old[0][0] == 0 and old[0][1] in range(100, max(101, new_length + 1)), old
        if old[0][1] > 100:
            doubtful = changed[0]["doubtful"]
            assert len(doubtful) == 1 and doubtful[0]["from"] <= 100 and doubtful[0]["to"] == old[0][1], (doubtful, old)
        expect_good(service, old[0][1] + new_length)


def control_records(service):
    rows = tidewaiter("query", "--store", service.store, "--log", "control", "--format", "raw", "--unmask").splitlines()
    return [json.loads(row) for row in rows if row]


def test_a_topic_made_anew_with_a_longer_log(kafka, folder):
    topic_made_anew(kafka, folder, "longer", 250)


def test_a_topic_made_anew_with_a_shorter_log(kafka, folder):
    topic_made_anew(kafka, folder, "shorter", 40)


def main():
    require_kafka()
    wanted = sys.argv[1:]
    with Scratch("broker-faults") as scratch:
        with Kafka(scratch / "kafka", settings=SETTINGS) as kafka:
            for name, test in list(globals().items()):
                if not name.startswith("test_") or (wanted and name not in wanted):
                    continue
                begun = time.monotonic()
                test(kafka, scratch / name)
                print(f"ok {name} {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
