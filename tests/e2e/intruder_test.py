"""What an intruder does to the store of a real service, and who sees it: an older copy put in its place is seen at start by
the head that the group's own commits in Kafka carry, or by the head file outside; `recover` goes on from there in the open.
A newest part cut off together with every head here is seen by a checkpoint that a SIEM has got."""

import hashlib
import json
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

from e2e.service import BINARY, Service, positions, tidewaiter, tidewaiter_json
from servers.certs import Authority
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until
from servers.rsyslog import Rsyslog, require_rsyslog

PARTITIONS, PART = 2, 3_000


class Case:
    """A topic, a service on it, a copy of its store made in between, and the heads that the copy knows nothing of."""

    def __init__(self, kafka, folder, settings=None, connectors=()):
        self.kafka, self.topic = kafka, f"intruder-{folder.name}"
        kafka.create_topic(self.topic, PARTITIONS, retention_ms=-1)
        self.service = Service(folder, {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": self.topic,
                                     "group.instance.id": "one", "session.timeout.ms": 6000},
                      "topics": [self.topic]},
            "store": {"checkpoint_interval_ms": 100, **(settings or {})},
            "detect": {"snapshot_interval_ms": 200}, "connectors": list(connectors)})
        self.produced = 0
        self.copy = folder / "copy"
        self.store_more()
        self.service.stop()
        shutil.copytree(self.service.store, self.copy)
        self.older = self.positions()
        self.store_more()
        self.service.stop()
        self.newer = self.positions()
        assert all(self.newer[key] > offset for key, offset in self.older.items()), (self.older, self.newer)

    def positions(self):
        return positions(self.service.coverage())

    def ends(self):
        return {(self.topic, partition): high for partition, (_, high) in self.kafka.offsets(self.topic).items()}

    def store_more(self):
        if not self.service.running():
            self.service.start()
        self.produced += 1
        tidewaiter("generate", "--events", PART, "--seed", self.produced, "--quiet", "--brokers", self.kafka.bootstrap,
                   "--topic", f"{self.topic}:{PARTITIONS}")
        self.service.wait_stored(self.ends())

    def put_the_copy_back(self):
        """The whole directory, with its own heads: nothing in it is wrong."""
        shutil.rmtree(self.service.store)
        shutil.copytree(self.copy, self.service.store)
        assert self.verify()["verdict"] == "authentic", "an older copy is authentic as far as it goes"

    def verify(self, *arguments, status=0):
        return tidewaiter_json("verify", "--store", self.service.store, "--public-key", self.service.public_key, *arguments,
                               status=status)

    def refuses_to_start(self):
        done = subprocess.run(self.service.command(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 3, done
        return done.stderr.strip().splitlines()[-1]

    def commands(self, sentence):
        found = [shlex.split(text)[1:] for text in re.findall(r"'(tidewaiter recover [^']*)'", sentence)]
        assert len(found) == 2 and "--reread" in found[0] and "--accept-loss" in found[1], sentence
        return found

    def goes_on(self, gaps):
        """With the next messages, as generation 2; `gaps` as [from, to, reason] by partition."""
        self.store_more()
        self.service.stop()
        for part in self.service.coverage()["partitions"]:
            end = self.ends()[(part["topic"], part["partition"])]
            found = [[gap["from"], gap["to"], gap["reason"]] for gap in part["gaps"]]
            assert found == gaps.get(part["partition"], []), (part, gaps)
            at, held = 0, []
            for first, last, _ in found:
                held.append([at, first])
                at = last
            assert part["held"] == held + [[at, end]], (part, end)
        stats = self.service.stats()
        assert stats["balanced"] and stats["generation"] == 2, stats
        report = self.verify()
        assert report["verdict"] == "authentic", report

    def control(self, kind):
        lines = tidewaiter("query", "--store", self.service.store, "--log", "control", "--format", "raw", "--unmask")
        return [record for record in map(json.loads, lines.splitlines()) if record.get("type") == kind]


def an_older_copy_is_seen_by_the_groups_commits_in_kafka(kafka, folder):
    case = Case(kafka, folder / "reread")
    case.put_the_copy_back()
    sentence = case.refuses_to_start()
    print(sentence)
    assert "does not fit its newest head" in sentence and "in Kafka was signed at" in sentence, sentence
    assert case.positions() == case.older, "nothing was read or written"
    reread, _ = case.commands(sentence)
    without_kafka = tidewaiter("recover", "--store", case.service.store, "--reread")
    assert "nothing was changed" in without_kafka and "--config" in without_kafka, without_kafka
    recovered = tidewaiter(*reread)
    assert "generation 2" in recovered and "lost" not in recovered, recovered
    case.goes_on({})
    [begun] = case.control("generation")
    assert begun["mode"] == "reread" and "in Kafka" in begun["reason"], begun
    # The generation after it is known to Kafka as well.
    case.put_the_copy_back()
    assert "is of generation 2" in case.refuses_to_start()


def a_loss_that_is_accepted_is_a_recorded_gap(kafka, folder):
    case = Case(kafka, folder / "accept")
    case.put_the_copy_back()
    _, accept = case.commands(case.refuses_to_start())
    recovered = tidewaiter(*accept)
    print(recovered.strip())
    assert recovered.count("accepted as lost") == PARTITIONS and "generation 2" in recovered, recovered
    case.goes_on({partition: [[case.older[key], case.newer[key], "accepted loss"]]
                  for key in case.older for partition in [key[1]]})
    [begun] = case.control("generation")
    assert begun["mode"] == "accept_loss", begun
    named = [gap for record in case.control("coverage") for part in record["partitions"] for gap in part["gaps"]]
    assert any(gap[2] == "accepted loss" for gap in named), "the signed coverage record names the loss"


def an_idle_groups_commits_carry_the_newest_head_too(kafka, folder):
    case = Case(kafka, folder / "idle")
    shutil.rmtree(case.copy)
    shutil.copytree(case.service.store, case.copy)
    before = len(case.control("coverage"))
    case.service.start()
    case.service.process.send_signal(signal.SIGHUP)  # a control record, and no message
    wait_until(lambda: len(case.control("coverage")) > before, "a head of an idle service", 60)
    case.service.stop()
    case.put_the_copy_back()
    assert "in Kafka was signed at" in case.refuses_to_start()


def heads_of_other_stores_in_the_group_do_not_count(kafka, folder):
    case = Case(kafka, folder / "two")
    other = Service(folder / "two-other", {
        "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": case.topic,
                                 "group.instance.id": "two", "session.timeout.ms": 6000}, "topics": [case.topic]},
        "store": {"checkpoint_interval_ms": 100}})
    other.start()
    wait_until(lambda: sum(positions(other.coverage()).values()) >= sum(case.newer.values()), "the other store", 60)
    other.stop()
    # Every partition's commit is now the other store's.
    case.service.start()
    case.service.stop()
    case.put_the_copy_back()
    case.service.start()
    case.service.stop()


def an_older_copy_is_seen_when_kafka_answers_later(kafka, folder):
    case = Case(kafka, folder / "later")
    case.put_the_copy_back()
    kafka.stop()
    case.service.start()
    wait_until(lambda: "it is asked again at assignment" in case.service.log.read_text(), "the start without Kafka", 30)
    kafka.start()
    wait_until(lambda: "does not fit its newest head" in case.service.log.read_text(), "the refusal", 90)
    assert case.positions() == case.older, "nothing was read"
    assert case.service.metric("tidewaiter_up") == 0
    case.service.stop()


def an_older_copy_is_seen_by_the_head_file_outside(kafka, folder):
    heads = folder / "heads.json"
    case = Case(kafka, folder / "outside", {"head_file": str(heads)})
    kept = heads.read_bytes()
    case.put_the_copy_back()
    # A group of which Kafka knows nothing, as after offsets.retention.minutes.
    case.service.settings["kafka"]["properties"]["group.id"] = case.topic + "-forgotten"
    case.service.write()
    sentence = case.refuses_to_start()
    print(sentence)
    assert str(heads) in sentence and "was signed at" in sentence, sentence
    assert heads.read_bytes() == kept, "the file outside is not touched by a refusal"
    report = case.verify("--against", heads, status=1)
    assert report["verdict"] == "wrong" and "cut off" in report["findings"][0]["what"], report


def size_of(note):
    return int(note.split("\n")[1])


def checkpoints_of_splunk(receiver):
    rows = [json.loads(line) for line in receiver.file.read_text().splitlines()] if receiver.file.exists() else []
    assert all(row["sourcetype"] == "tidewaiter:checkpoint" and row["event"]["type"] == "checkpoint" for row in rows), rows
    return {row["fields"]["uid"]: row["event"]["checkpoint"] for row in rows}


def checkpoints_of_syslog(server):
    """From CEF, as its receivers take it apart: the note is in `msg`, escaped."""
    found = {}
    for message in server.messages():
        value = re.search(r" externalId=(\w+) cat=checkpoint .* msg=(.*?) cs1Label=origin ", message["msg"])
        assert value, message
        found[value[1]] = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value[2])
    return found


def a_newest_part_cut_off_is_seen_by_a_checkpoint_at_the_siem(kafka, folder):
    authority, token = Authority(folder / "ca"), folder / "hec.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    pair = authority.client()
    only = {"alerts": False, "events": False, "checkpoints": True}
    with HecReceiver(folder / "splunk") as splunk, Rsyslog(folder / "syslog", authority) as syslog:
        case = Case(kafka, folder / "siem", connectors=[
            {"name": "splunk", "type": "splunk_hec", "url": splunk.url, "token_file": str(token), "select": only},
            {"name": "soc", "type": "syslog", "host": "localhost", "port": syslog.port, "settle_ms": 100, "body": "cef",
             "ca_file": str(authority.certificate), "cert_file": str(pair.certificate), "key_file": str(pair.key),
             "select": only}])
        cut_at = size_of((case.copy / "checkpoint" / "control").read_text())
        kept = {"splunk": lambda: checkpoints_of_splunk(splunk), "syslog": lambda: checkpoints_of_syslog(syslog)}
        case.service.start()
        for name, notes in kept.items():
            wait_until(lambda: any(size_of(note) > cut_at for note in notes().values()), f"a newer checkpoint at {name}", 30)
        case.service.stop()
        at_siem = {name: notes() for name, notes in kept.items()}
    files = {}
    for name, notes in at_siem.items():
        assert all(uid == hashlib.sha256(note.encode()).hexdigest() for uid, note in notes.items()), notes
        newest = max(notes.values(), key=size_of)
        files[name] = folder / f"from-{name}"
        files[name].write_text(newest)
        assert case.verify("--against", files[name])["verdict"] == "authentic", "it is a head of this store"
    case.put_the_copy_back()
    for name, file in files.items():
        report = case.verify("--against", file, status=1)
        print(f"{name}: {report['findings'][0]['what']}")
        assert report["verdict"] == "wrong" and report["findings"][0]["log"] == "control", report
        assert "cut off" in report["findings"][0]["what"], report


def tamper(store, *arguments):
    build = pathlib.Path(BINARY).parent
    subprocess.run([build / "tests/verify/tamper_tool", store, *map(str, arguments)], check=True)


def a_rewritten_past_or_a_deleted_value_is_named_by_the_verify_command(kafka, folder):
    case = Case(kafka, folder / "rewritten")
    store, public_key = case.service.store, case.service.public_key
    logs = case.service.stats()["logs"]
    log = max(range(5, len(logs)), key=lambda i: logs[i]["records"])
    name, size = logs[log]["name"], logs[log]["records"]
    kept = folder / "kept"
    shutil.copy(store / "checkpoint" / name, kept)
    whole = folder / "whole"
    shutil.copytree(store, whole)

    def again():
        shutil.rmtree(store)
        shutil.copytree(whole, store)

    tamper(store, "rewrite", log, size // 2)
    finding = case.verify(status=1)["findings"][0]
    print(finding["what"])
    assert finding["log"] == name and finding["place"] == "tree", finding
    assert finding["from_seq"] <= size // 2 < finding["to_seq"] and finding["from"] <= finding["to"], finding
    assert finding["to_seq"] - finding["from_seq"] < size, f"no narrower than the log: {finding}"
    # Without a head left in the store nothing shows it, but a checkpoint kept elsewhere does.
    tamper(store, "forget-heads")
    found = json.dumps(case.verify("--against", kept, status=1)["findings"])
    assert "the checkpoint " + str(kept) in found, found
    again()
    for attack, place in (("delete-body", "raw"), ("delete-salt-key", "keys")):
        tamper(store, attack, log)
        finding = case.verify(status=1)["findings"][0]
        assert finding["log"] == name and finding["place"] == place and "no record says why" in finding["what"], finding
        again()
    # The newest part cut off together with its heads: the older copy, and the checkpoint kept of what it lacks.
    case.put_the_copy_back()
    finding = case.verify("--against", kept, status=1)["findings"][0]
    assert finding["log"] == name and "cut off" in finding["what"], finding


def main():
    require_kafka()
    require_rsyslog()
    with Scratch("intruder") as folder, Kafka(folder / "kafka") as kafka:
        cases = (a_rewritten_past_or_a_deleted_value_is_named_by_the_verify_command,
                 an_older_copy_is_seen_by_the_groups_commits_in_kafka,
                 a_loss_that_is_accepted_is_a_recorded_gap,
                 an_idle_groups_commits_carry_the_newest_head_too,
                 heads_of_other_stores_in_the_group_do_not_count,
                 an_older_copy_is_seen_by_the_head_file_outside,
                 a_newest_part_cut_off_is_seen_by_a_checkpoint_at_the_siem,
                 an_older_copy_is_seen_when_kafka_answers_later)
        for case in cases:
            case(kafka, folder)
            print(f"ok: {case.__name__}", flush=True)
    print(f"{len(cases)} passed, 0 failed")


if __name__ == "__main__":
    main()
