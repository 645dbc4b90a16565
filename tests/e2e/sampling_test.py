"""Sampling by tier through the running service with a real broker and a HEC receiver: of the tier low the receiver has the
principals that the documented hash says, whole, and everything of the other tiers; alerts come whatever their tier; what was
left out is counted and everything is stored. A SIGHUP changes the rate at a commit, a kill in between counts nothing twice, a
redelivery sends the sample that was in force, a replay gives the same alerts, and a rate that makes no sense is refused with
file, line and key."""

import json
import pathlib
import signal
import subprocess

from e2e.service import BINARY, Service, merge, tidewaiter, tidewaiter_json, write_token
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC = "sampled"
AGENTS = 120
POLICY = """version: 1
rules:
  - {id: forbidden-host, type: where, severity: high, where: 'dst_host == "forbidden.example"'}
"""
SAMPLING = """sampling:
  tiers:
    low: {scoring_rate: 0.5, forward_rate: %s}
  seed: "e2e-1"
"""
MASK = (1 << 64) - 1


def sample_hash(*parts):
    """As docs/detectors.md has it: FNV-1a, then the finalizer of MurmurHash3."""
    state = 0xCBF29CE484222325
    for part in parts:
        for byte in part.encode() + b"\0":
            state = (state ^ byte) * 0x100000001B3 & MASK
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return state ^ state >> 33


def in_sample(principal, rate):
    return sample_hash("e2e-1", "", principal) < int(rate * 2.0**64)


def events(round_number):
    """Each agent twice in a low-tier app, once in a high-tier one; two break a rule in the low tier."""
    made = []
    for number in range(AGENTS):
        for tier, times in (("low", 2), ("high", 1)):
            for i in range(times):
                name = f"agent-{number}"
                data = {"time": f"2026-03-04T05:{round_number:02}:{number // 2:02}Z", "principal": name,
                        "principal_type": "agent", "app": f"app-{tier}", "risk_tier": tier, "action": "send",
                        "source_id": f"{round_number}/{tier}/{number}/{i}",
                        "dst_host": "forbidden.example" if tier == "low" and number < 2 and i == 0 else "api.example"}
                made.append({"value": json.dumps({"specversion": "1.0", "id": data["source_id"], "source": "/t", "type": "t",
                                                  "data": data})})
    return made


def wanted(rates):
    """Ids of the events that the receiver must have, and how many were left out; `rates` by round."""
    ids, left_out = set(), 0
    for round_number, rate in enumerate(rates):
        for number in range(AGENTS):
            ids.add(f"{round_number}/high/{number}/0")
            low = {f"{round_number}/low/{number}/{i}" for i in range(2)}
            if in_sample(f"agent-{number}", rate):
                ids |= low
            else:
                left_out += 2
    return ids, left_out


class Bench:
    def __init__(self, folder, kafka):
        self.kafka, self.receiver, self.produced = kafka, HecReceiver(folder / "hec"), 0
        self.receiver.start()
        self.again = HecReceiver(folder / "again")
        self.again.start()
        token = write_token(folder, TOKEN)
        self.connector = {"name": "siem", "type": "splunk_hec", "url": self.receiver.url, "token_file": str(token),
                          "batch_items_max": 50, "retry_base_ms": 20, "retry_cap_ms": 300,
                          "select": {"alerts": True, "events": True}}
        self.service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": TOPIC,
                                     "session.timeout.ms": "6000"}, "topics": [TOPIC]},
            "connectors": [self.connector]})

    def policy(self, rate):
        (self.service.folder / "policy.yaml").write_text(POLICY + (SAMPLING % rate if rate else ""))

    def produce(self, round_number):
        made = events(round_number)
        self.produced += len(made)
        self.kafka.produce(made, topic=TOPIC)
        self.service.wait_stored({(TOPIC, 0): self.produced}, timeout=120)

    def row(self):
        return next(r for r in tidewaiter_json("connectors", "--config", self.service.config) if r["name"] == "siem")

    def settled(self):
        wait_until(lambda: self.service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 30)
        wait_until(lambda: (row := self.row())["pending"] == 0 and row["lag_commits"] <= 1, "the connector to catch up", 30)

    def stored_ids(self):
        text = tidewaiter("query", "--store", self.service.store, "--kind", "event", "--format", "ndjson")
        return {json.loads(line)["event"]["source_id"] for line in text.splitlines() if line.startswith("{")}

    def received_ids(self):
        return {e["event"]["source_id"] for e in self.receiver.events("tidewaiter:event")}


def refused(bench):
    """Each with file, line and key."""
    path = bench.service.folder / "policy.yaml"
    for sampling, line, key, words in [
            ("sampling:\n  tiers:\n    low:\n      scoring_rate: 1.5\n", 7, "sampling.tiers.low.scoring_rate", "1.5"),
            ("sampling:\n  tiers:\n    low: {forward_rate: 0}\n", 6, "sampling.tiers.low.forward_rate", "0.001"),
            ("sampling:\n  tiers:\n    high: {forward_rate: 0.5}\n", 6, "sampling.tiers.high", "never sampled"),
            ("sampling:\n  tiers:\n    low: {rate: 0.5}\n", 6, "sampling.tiers.low.rate", "unknown key"),
            ("sampling:\n  forward_key: app\n", 5, "sampling.forward_key", "principal")]:
        path.write_text(POLICY + sampling)
        for command in ("check-config", "run"):
            done = subprocess.run([BINARY, command, "--config", bench.service.config], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            assert done.returncode != 0, (command, sampling, said)
            assert f"policy.yaml:{line}:" in said and key in said and words in said, (command, sampling, said)


def run(bench):
    service = bench.service
    refused(bench)

    bench.policy(0.1)
    service.start()
    bench.produce(0)
    bench.settled()
    ids, left_out = wanted([0.1])
    assert 0 < left_out < 240 and len(ids) > AGENTS, (left_out, len(ids))
    assert len(bench.stored_ids()) == bench.produced, "everything is stored"
    assert bench.received_ids() == ids
    row = bench.row()
    assert row["sampled_out"] == left_out and row["forward_rates"] == {"low": 0.1}, row
    assert service.metric("tidewaiter_connector_sampled_out_total") == left_out
    assert service.metric("tidewaiter_detect_unscored_events") == sum(
        2 for n in range(AGENTS) if not in_sample(f"agent-{n}", 0.5))
    alerts = [a for a in bench.receiver.events("tidewaiter:alert") if a["event"]["rule"] == "forbidden-host"]
    assert {a["event"]["principal"] for a in alerts} == {"agent-0", "agent-1"}, "rules see all, alerts are always forwarded"
    by_tier = {e["event"]["risk_tier"]: e for e in bench.receiver.events("tidewaiter:event")}
    assert by_tier["low"]["event"]["sample_rate"] == 0.1 and by_tier["low"]["fields"]["sample_rate"] == "0.1", by_tier["low"]
    assert "sample_rate" not in by_tier["high"]["event"], by_tier["high"]

    # Another rate from here on, and a kill behind it.
    bench.policy(0.6)
    before = service.log.read_text().count("policy and connectors reloaded")
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log.read_text().count("policy and connectors reloaded") > before, "the reload", 30)
    bench.produce(1)
    service.kill()
    service.start()
    bench.produce(2)
    bench.settled()
    rates = [0.1, 0.6, 0.6]
    ids, left_out = wanted(rates)
    assert bench.received_ids() == ids
    row = bench.row()
    assert row["sampled_out"] == left_out, (row, left_out)
    stats = service.stats()
    assert stats["sampling"]["tiers"]["low"]["forward_rate"] == 0.6 and stats["connectors"]["siem/sampled_out/low"] == left_out
    alerts = next(log["records"] for log in stats["logs"] if log["name"] == "alerts")
    assert row["offered"] == row["delivered"] == stats["events"] + alerts - left_out, (row, stats)

    # Nothing is sampled any more; then all of it again, as it was sent.
    bench.policy(None)
    service.stop()
    service.start()
    bench.produce(3)
    bench.settled()
    service.stop()
    ids, left_out = wanted([*rates, 1])
    assert bench.received_ids() == ids
    assert bench.row()["sampled_out"] == left_out and bench.row()["forward_rates"] == {}
    merge(service.settings, {"connectors": [{**bench.connector, "url": bench.again.url}]})
    service.write()
    last = service.stats()["commit"]
    for first, end in ((1, last // 2), (last // 2 + 1, last)):
        tidewaiter("redeliver", "--config", service.config, "--connector", "siem", "--from", first, "--to", end)
    assert set(bench.again.received()) == set(bench.receiver.received()), "a redelivery sends the same items"

    replayed = tidewaiter_json("replay", "--store", service.store)
    assert replayed["equal"] and replayed["stored"] >= 2, replayed
    report = tidewaiter_json("verify", "--store", service.store, "--public-key", service.public_key)
    assert report["findings"] == [], report


def main():
    require_kafka()
    with Scratch("sampling") as folder, Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC)
        run(Bench(pathlib.Path(folder), kafka))
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
