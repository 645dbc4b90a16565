"""A store that has lost its newest part, with the real binary and a real broker: what no head covers is read again from
Kafka in place; what Kafka no longer has either is a recorded gap; a store that is shorter than, or different from, a head
it knows is not opened, says so, and goes on by the command it names, however often that is killed."""

import json
import re
import shlex
import shutil
import subprocess

from e2e.ingest_kill_test import killed_at
from e2e.service import BINARY, Service, positions, tidewaiter, tidewaiter_json
from e2e.torture_test import failpoints
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, PARTITIONS, PART = "tail", 2, 4_000
A_DAY_MS = 86_400_000


class Case:
    """A topic, and a service whose store ends with a part that only the newest write-ahead log holds."""

    def __init__(self, kafka, folder, checkpoints=False):
        self.kafka, self.topic = kafka, f"{TOPIC}-{folder.name}"
        kafka.create_topic(self.topic, PARTITIONS, retention_ms=-1)
        self.service = Service(folder, {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": self.topic,
                                     "group.instance.id": "one", "session.timeout.ms": 6000},
                      "topics": [self.topic]},
            "store": {"checkpoint_interval_ms": 100 if checkpoints else A_DAY_MS},
            "detect": {"snapshot_interval_ms": 100}})
        self.produced = 0
        self.store_more()
        self.service.stop()  # a head at this size, and nothing left in the write-ahead log
        self.older, covered = self.positions(), self.covered()
        self.store_more(3)
        if checkpoints:
            wait_until(lambda: self.covered() > covered, "a newer head")
            wait_until(lambda: kafka.committed(self.topic) == self.ends(), "everything to be committed in Kafka")
        self.service.kill()
        self.newer = self.positions()
        assert all(self.newer[key] > offset for key, offset in self.older.items())

    def covered(self):
        return sum(log["covered"] for log in self.service.stats()["logs"])

    def ends(self):
        return {(self.topic, partition): high for partition, (_, high) in self.kafka.offsets(self.topic).items()}

    def positions(self):
        return positions(self.service.coverage())

    def store_more(self, parts=1):
        if not self.service.running():
            self.service.start()
        for _ in range(parts):
            self.produced += 1
            tidewaiter("generate", "--events", PART, "--seed", self.produced, "--quiet", "--brokers", self.kafka.bootstrap,
                       "--topic", f"{self.topic}:{PARTITIONS}")
            self.service.wait_stored(self.ends())

    def newest_log(self):
        return max(self.service.store.glob("*.log"), key=lambda file: int(file.stem))

    def refuses_to_start(self):
        done = subprocess.run(self.service.command(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 3, done
        return done.stderr.strip().splitlines()[-1]

    def commands(self, sentence):
        found = [shlex.split(text)[1:] for text in re.findall(r"'(tidewaiter recover [^']*)'", sentence)]
        assert len(found) == 2 and "--reread" in found[0] and "--accept-loss" in found[1], sentence
        return found

    def goes_on(self):
        self.service.start()
        self.service.wait_stored(self.ends())
        wait_until(lambda: self.service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 60)
        self.service.stop()

    def expect_sound(self, gaps=()):
        """Every offset of the topic once, but for the gaps {partition: (from, to, reason)}."""
        gaps = dict(gaps)
        ends = self.ends()
        for part in self.service.coverage()["partitions"]:
            end = ends.pop((part["topic"], part["partition"]))
            if (gap := gaps.pop(part["partition"], None)) is None:
                assert (part["held"], part["gaps"]) == ([[0, end]], []), part
                continue
            assert part["held"] == [[0, gap[0]], [gap[1], end]], (part, gap)
            assert [(g["from"], g["to"], g["reason"]) for g in part["gaps"]] == [gap], (part, gap)
        assert not ends and not gaps, (ends, gaps)
        stats = self.service.stats()
        assert stats["balanced"], stats
        report = tidewaiter_json("verify", "--store", self.service.store, "--public-key", self.service.public_key)
        assert report["verdict"] == "authentic", report
        replay = tidewaiter_json("replay", "--store", self.service.store)
        assert replay["equal"], replay


def a_lost_tail_is_filled_again(kafka, folder):
    for share in (0.0, 0.1, 0.5):
        case = Case(kafka, folder / f"cut-{share}")
        log = case.newest_log()
        with open(log, "r+b") as file:
            file.truncate(int(log.stat().st_size * share))
        left = case.positions()
        assert case.older != case.newer and sum(left.values()) < sum(case.newer.values()), (share, left, case.newer)
        case.goes_on()
        case.expect_sound()
        print(f"{sum(case.newer.values()) - sum(left.values())} messages lost from the log and read again")


def a_log_that_is_gone_as_a_whole_is_filled_again(kafka, folder):
    case = Case(kafka, folder / "gone")
    case.newest_log().unlink()
    assert case.positions() == case.older, (case.positions(), case.older)
    case.goes_on()
    case.expect_sound()


def what_kafka_no_longer_has_is_a_recorded_gap(kafka, folder):
    case = Case(kafka, folder / "gap")
    case.newest_log().unlink()
    first = case.older[(case.topic, 1)]
    kafka.delete_records(case.topic, 1, first + 1_000)
    case.goes_on()
    assert "gone before they could be read" in case.service.log.read_text()
    case.expect_sound({1: (first, first + 1_000, "below log start")})


def a_store_shorter_than_its_newest_head_stops_with_two_commands(kafka, folder):
    case = Case(kafka, folder / "shorter", checkpoints=True)
    case.newest_log().unlink()
    sentence = case.refuses_to_start()
    print(sentence)
    assert "does not fit its newest head" in sentence and "was signed at" in sentence, sentence
    reread, _ = case.commands(sentence)
    assert case.refuses_to_start() == sentence, "a second start says the same"
    assert case.positions() == case.older, "what is there can be read meanwhile"
    without_key = tidewaiter("recover", "--store", case.service.store, "--reread", status=2, stderr=subprocess.STDOUT)
    assert "is signed" in without_key and "no signing key is configured" in without_key, without_key
    recovered = tidewaiter(*reread)
    assert "generation 2" in recovered, recovered
    case.goes_on()
    case.expect_sound()
    controls = tidewaiter("query", "--store", case.service.store, "--log", "control", "--format", "raw", "--unmask")
    begun = [record for record in map(json.loads, controls.splitlines()) if record.get("type") == "generation"]
    assert len(begun) == 1 and begun[0]["mode"] == "reread" and len(begun[0]["old_heads"]) > 1, begun


def a_store_with_another_history_than_its_newest_head_stops_with_two_commands(kafka, folder):
    case = Case(kafka, folder / "another", checkpoints=True)
    heads, kept = case.service.store / "checkpoint", folder / "heads"
    shutil.copytree(heads, kept)
    # Without its heads, and in a group that knows none, it takes its lost tail again, under salts of today: another
    # history of the same messages.
    case.newest_log().unlink()
    shutil.rmtree(heads)
    properties = case.service.settings["kafka"]["properties"]
    properties["group.id"] += "-again"
    case.service.write()
    case.goes_on()
    # A third group, or the commits of the second would know that it fits.
    properties["group.id"] += "-and-again"
    case.service.write()
    shutil.rmtree(heads)
    shutil.copytree(kept, heads)
    before = case.positions()
    sentence = case.refuses_to_start()
    print(sentence)
    assert "has another root at size" in sentence and str(heads) in sentence, sentence
    reread, _ = case.commands(sentence)
    assert case.positions() == before
    assert "generation 2" in tidewaiter(*reread)
    case.goes_on()
    case.expect_sound()


def an_accepted_loss_is_recorded_whole_however_often_recover_is_killed(kafka, folder):
    case = Case(kafka, folder / "accepted", checkpoints=True)
    case.newest_log().unlink()
    _, accept = case.commands(case.refuses_to_start())
    store, shorter = case.service.store, folder / "shorter-store"
    shutil.copytree(store, shorter)
    gaps = {partition: (case.older[(topic, partition)], end, "accepted loss")
            for (topic, partition), end in kafka.committed(case.topic).items()}
    names = [name for name in failpoints() if re.match("commit-|checkpoint-|head-file-", name)]
    for name in names:
        shutil.rmtree(store)
        shutil.copytree(shorter, store)
        assert killed_at(name, 1, *accept), name
        for _ in range(2):
            said = tidewaiter(*accept)
            assert "generation 2" in said and said.count("accepted as lost") == PARTITIONS, (name, said)
        found = {part["partition"]: [(g["from"], g["to"], g["reason"]) for g in part["gaps"]]
                 for part in case.service.coverage()["partitions"]}
        assert found == {partition: [gap] for partition, gap in gaps.items()}, (name, found)
        report = tidewaiter_json("verify", "--store", store, "--public-key", case.service.public_key)
        assert report["verdict"] == "authentic" and report["generation"] == 2, (name, report)
        lags = [log for log in case.service.stats()["logs"] if log["covered"] < log["records"]]
        assert not lags, (name, lags, "a head covers everything, the gaps too")
    print("recover killed at", ", ".join(names))
    case.store_more()
    case.service.stop()
    case.goes_on()
    case.expect_sound(gaps)


def a_store_without_its_heads_is_known_by_what_the_group_has_committed(kafka, folder):
    case = Case(kafka, folder / "different", checkpoints=True)
    # It would take its lost tail again, under salts of today: another history of the same messages.
    case.newest_log().unlink()
    shutil.rmtree(case.service.store / "checkpoint")
    sentence = case.refuses_to_start()
    print(sentence)
    assert "in Kafka was signed at" in sentence and "--reread" in sentence and "--accept-loss" in sentence, sentence


def main():
    require_kafka()
    with Scratch("lost-tail") as folder, Kafka(folder / "kafka") as kafka:
        cases = (a_lost_tail_is_filled_again, a_log_that_is_gone_as_a_whole_is_filled_again,
                 what_kafka_no_longer_has_is_a_recorded_gap,
                 a_store_shorter_than_its_newest_head_stops_with_two_commands,
                 a_store_with_another_history_than_its_newest_head_stops_with_two_commands,
                 an_accepted_loss_is_recorded_whole_however_often_recover_is_killed,
                 a_store_without_its_heads_is_known_by_what_the_group_has_committed)
        for case in cases:
            case(kafka, folder)
            print(f"ok: {case.__name__}", flush=True)
    print(f"{len(cases)} passed, 0 failed")


if __name__ == "__main__":
    main()
