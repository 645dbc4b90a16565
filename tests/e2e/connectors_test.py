"""Connectors under the real service with a real broker: a receiver that is dead all the while, one that is killed in the
middle, closes early, loses answers and acknowledgements, a foreign HEC server behind a front and a real syslog server,
both restarted; then the service is killed and started with another set of connectors: one removed, one added, one
renamed, one with another selection; then changed once more by SIGHUP. Nothing is skipped, every id is the same at every
receiver, and who behaves is disturbed by nobody."""

import json
import random
import re
import signal
import time

from e2e.service import Service, tidewaiter
from servers.certs import Authority
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until
from servers.rsyslog import Rsyslog, require_rsyslog
from servers.victorialogs import VictoriaLogs, Vmauth, require_victorialogs

TOPIC = "audit"
EACH = 6_000
SELECTED = "risk_tier >= high"


class Bench:
    def __init__(self, folder, kafka, authority, logs, front, syslog):
        self.folder, self.kafka, self.authority = folder, kafka, authority
        self.logs, self.front, self.syslog, self.produced = logs, front, syslog, 0
        (folder / "hec.token").write_text(TOKEN)
        (folder / "hec.token").chmod(0o600)
        self.calm = HecReceiver(folder / "calm")
        self.calm_selected = HecReceiver(folder / "calm-selected")
        self.flaky = HecReceiver(folder / "flaky", "--ack", "--ack-delay-ms", "20")
        self.dead = HecReceiver(folder / "dead")
        self.added = HecReceiver(folder / "added")
        self.service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "connectors"}, "topics": [TOPIC]},
            "connectors": []})

    def hec(self, name, server, events=True, **more):
        return {"name": name, "type": "splunk_hec", "url": server.url, "token_file": str(self.folder / "hec.token"),
                "retry_base_ms": 20, "retry_cap_ms": 300, "probe_interval_ms": 300, "batch_items_max": 200,
                "request_timeout_ms": 2000, "select": {"alerts": True, "events": events}, **more}

    def soc(self):
        pair = self.authority.client()
        return {"name": "soc", "type": "syslog", "host": "localhost", "port": self.syslog.port, "body": "json",
                "retry_base_ms": 20, "retry_cap_ms": 300, "settle_ms": 500, "ca_file": str(self.authority.certificate),
                "cert_file": str(pair.certificate), "key_file": str(pair.key),
                "select": {"alerts": True, "events": SELECTED}}

    def acknowledged(self, name):
        return self.hec(name, self.flaky, ack=True, ack_poll_ms=20, ack_timeout_ms=500, unconfirmed_batches_max=8)

    def use(self, connectors):
        self.service.settings["connectors"] = connectors
        self.service.write()

    def produce(self, count=EACH):
        self.produced += 1
        tidewaiter("generate", "--events", count, "--seed", self.produced, "--quiet", "--brokers", self.kafka.bootstrap,
                   "--topic", TOPIC)

    def all_stored(self):
        self.service.wait_stored({(TOPIC, p): high for p, (_, high) in self.kafka.offsets(TOPIC).items()})
        wait_until(lambda: self.service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 60)

    def wanted(self):
        """How many different items there are: events and alerts."""
        stats = self.service.stats()
        alerts = next(log["records"] for log in stats["logs"] if log["name"] == "alerts")
        return stats["events"] + alerts

    def front_uids(self):
        return {row["fields.uid"] + ("." + row["fields.revision"] if "fields.revision" in row else "")
                for row in self.logs.query()}

    def soc_uids(self):
        return set(re.findall(r'uid="([0-9a-f]+)(?:\.\d+)?"', self.syslog.output.read_text().replace("\\", "")))


def misbehave(bench, dice):
    """While messages come in: kills in the middle of batches, answers and acknowledgements that are lost."""
    bench.flaky.faults(lose_answer=20, close_early=20, lose_ack=20, busy=10, drop_batch=5)
    for _ in range(4):
        bench.produce(EACH // 4)
        time.sleep(dice.uniform(0.1, 0.4))
        bench.flaky.kill()
        bench.front.kill()
        bench.syslog.kill()
        time.sleep(dice.uniform(0.1, 0.3))
        for server in (bench.flaky, bench.front, bench.syslog):
            server.start()
        bench.flaky.faults(lose_answer=20, close_early=20, lose_ack=20, busy=10, drop_batch=5)


def expect_all_at(bench, what, uids, reference, timeout=60):
    """Until everything of `reference` is there; then nothing else may be."""
    wait_until(lambda: reference <= uids(), f"everything at {what}", timeout, interval=0.3)
    assert uids() == reference, f"{what} has items that nobody else has"


def first_set(bench, dice):
    """Dead, flaky and calm receivers side by side."""
    bench.use([bench.hec("calm", bench.calm), bench.hec("selected", bench.calm_selected, SELECTED),
               bench.acknowledged("flaky"), bench.hec("dead", bench.dead), bench.hec("front", bench.front), bench.soc()])
    bench.service.start()
    misbehave(bench, dice)
    bench.all_stored()
    # Whoever behaves has everything while the dead one is dead and the flaky one is flaky.
    wait_until(lambda: len(bench.calm.received()) >= bench.wanted(), "everything at the calm receiver", 30)
    reference = set(bench.calm.received())
    assert len(reference) == bench.wanted(), (len(reference), bench.wanted())
    assert not bench.dead.received()
    doubles = sum(bench.calm.received().values()) - len(reference)
    assert doubles == 0, f"{doubles} items came twice to a receiver that never failed"
    # With its faults on, so that there is something to get right.
    wait_until(lambda: len(bench.flaky.received()) > EACH // 4, "the flaky receiver to get some", 60)
    bench.flaky.faults()
    expect_all_at(bench, "the flaky receiver", lambda: set(bench.flaky.received()), reference)
    expect_all_at(bench, "the foreign server", bench.front_uids, reference)
    doubles = sum(bench.flaky.received().values()) - len(reference)
    print(f"  ok: {len(reference)} items at four receivers, {doubles} doubles at the flaky one", flush=True)
    return reference


def second_set(bench):
    """Killed, and started with other connectors: `front` removed, `flaky` renamed, `dead` alive and pickier, one added."""
    bench.produce()
    bench.service.kill()
    bench.dead.start()
    bench.use([bench.hec("calm", bench.calm), bench.hec("selected", bench.calm_selected, SELECTED),
               bench.acknowledged("renamed"), bench.hec("dead", bench.dead, SELECTED), bench.hec("added", bench.added),
               bench.soc()])
    bench.service.start()
    bench.produce()
    bench.all_stored()
    wait_until(lambda: len(bench.calm.received()) >= bench.wanted(), "everything at the calm receiver", 30)
    reference = set(bench.calm.received())
    assert len(reference) == bench.wanted(), (len(reference), bench.wanted())
    expect_all_at(bench, "the added receiver", lambda: set(bench.added.received()), reference)
    expect_all_at(bench, "the renamed connector's receiver", lambda: set(bench.flaky.received()), reference)
    # A new selection holds from the place where the connector was: the dead one had nothing, so it gets the selected ones.
    selected = set(bench.calm_selected.received())
    assert len(selected) < len(reference)
    expect_all_at(bench, "the receiver that was dead", lambda: set(bench.dead.received()), selected)
    print(f"  ok: {len(reference)} items, {len(selected)} of them selected, after other connectors", flush=True)


def third_set(bench):
    """By SIGHUP: `front` is back and goes on where it was, `added` is gone."""
    bench.use([bench.hec("calm", bench.calm), bench.hec("selected", bench.calm_selected, SELECTED),
               bench.hec("front", bench.front), bench.hec("dead", bench.dead, SELECTED), bench.soc()])
    bench.service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: bench.service.logged("policy and connectors reloaded"), "the reload", 30)
    bench.produce()
    bench.all_stored()
    wait_until(lambda: len(bench.calm.received()) >= bench.wanted(), "everything at the calm receiver", 30)
    reference = set(bench.calm.received())
    expect_all_at(bench, "the foreign server", bench.front_uids, reference)
    selected = set(bench.calm_selected.received())
    expect_all_at(bench, "the pickier receiver", lambda: set(bench.dead.received()), selected)
    wanted = {uid.split(".")[0] for uid in selected}
    wait_until(lambda: wanted <= bench.soc_uids(), "every selected item at the syslog server", 30, interval=0.5)
    assert wanted == bench.soc_uids()
    print(f"  ok: {len(reference)} items after a reload", flush=True)


def expect_counts_balance(bench):
    bench.service.stop(timeout=60)
    stats = bench.service.stats()
    assert stats["balanced"], stats
    counts = stats["connectors"]
    for name in ("calm", "selected", "front", "dead", "soc"):
        assert counts[f"{name}/offered"] == counts[f"{name}/delivered"] + counts.get(f"{name}/dead_lettered", 0), counts
        assert counts.get(f"{name}/dead_lettered", 0) == 0, counts
    tidewaiter("verify", "--store", bench.service.store, "--public-key", bench.service.public_key)
    print(json.dumps(counts))


def main():
    require_kafka()
    require_rsyslog()
    require_victorialogs()
    dice = random.Random(11)
    with Scratch("connectors") as folder:
        authority = Authority(folder / "ca")
        with Kafka(folder / "kafka") as kafka, VictoriaLogs(folder / "logs") as logs, \
                Vmauth(folder / "front", logs.url, TOKEN) as front, Rsyslog(folder / "syslog", authority) as syslog:
            kafka.create_topic(TOPIC, 2, retention_ms=-1)
            bench = Bench(folder, kafka, authority, logs, front, syslog)
            for server in (bench.calm, bench.calm_selected, bench.flaky, bench.added):
                server.start()
            first_set(bench, dice)
            second_set(bench)
            third_set(bench)
            expect_counts_balance(bench)
            for server in (bench.calm, bench.calm_selected, bench.flaky, bench.added, bench.dead):
                server.stop()
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
