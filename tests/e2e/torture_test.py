"""A seeded campaign of kills on the real binary and a real broker: SIGKILL of the service at random moments, now and then
of the broker, while a generator goes on producing. After each kill the service starts again from its store. The oracle,
now and then and at the end: every offset is stored exactly once, the store verifies, counters balance, and a replay gives
the stored alerts. A failing seed is printed and replays.

    torture_test.py [--minutes M | --kills N] [--seed S]
"""

import argparse
import random
import signal
import subprocess
import time

from e2e.main_job_test import stored_alerts
from e2e.service import BINARY, Service, tidewaiter, tidewaiter_json
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, PARTITIONS = "torture", 3


def produce(kafka, events, seed, rate):
    return subprocess.Popen([BINARY, "generate", "--events", str(events), "--seed", str(seed), "--rate", str(rate), "--quiet",
                             "--malformed", "0.001", "--brokers", kafka.bootstrap, "--topic", TOPIC])


def ends(kafka):
    return {(TOPIC, partition): high for partition, (_, high) in kafka.offsets(TOPIC).items()}


def oracle(service, complete=None):
    """On a service that is down. `complete`: offsets that must all be there."""
    for part in service.coverage()["partitions"]:
        assert part["gaps"] == [], part
        assert len(part["held"]) <= 1, f"holes: {part}"
        if complete:
            assert part["held"] == [[0, complete[(part["topic"], part["partition"])]]], (part, complete)
    stats = service.stats()
    assert stats["balanced"], stats
    tidewaiter("verify", "--store", service.store, "--public-key", service.public_key)
    uids = [(alert["uid"], alert["revision"]) for alert in stored_alerts(service)]
    assert len(uids) == len(set(uids)), "an alert is stored twice"


def campaign(folder, kills, deadline, seed):
    dice = random.Random(seed)
    with Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS, retention_ms=-1)
        service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "torture",
                                     "group.instance.id": "torture-1", "session.timeout.ms": 6000}, "topics": [TOPIC]},
            "detect": {"snapshot_interval_ms": 300}, "store": {"checkpoint_interval_ms": 100}})
        done, broker_kills = 0, 0
        # A whole month of the company in the time of the campaign, so that its incidents fall under the kills.
        producer = produce(kafka, min(kills, 1000) * 6_000, seed, rate=4000)
        try:
            while done < kills and time.monotonic() < deadline:
                service.start(timeout=60)
                time.sleep(dice.uniform(0.0, 1.5) if dice.random() < 0.8 else dice.uniform(1.5, 4))
                if dice.random() < 0.05:
                    kafka.kill()
                    broker_kills += 1
                    time.sleep(dice.uniform(0, 2))
                    kafka.start()
                service.kill()
                done += 1
                if done % 10 == 0:
                    oracle(service)
                    print(f"{done} kills of the service, {broker_kills} of the broker: all holds", flush=True)
        finally:
            producer.send_signal(signal.SIGTERM)
            producer.wait(60)
        service.start(timeout=60)
        final = ends(kafka)
        service.wait_stored(final, timeout=120)
        wait_until(lambda: service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 120)
        service.stop(timeout=60)
        oracle(service, complete=final)
        replay = tidewaiter_json("replay", "--store", service.store)
        assert replay["equal"], replay["difference"]
        assert "replaying detection gave other alerts" not in service.log.read_text()
        print(f"{done} kills of the service, {broker_kills} of the broker, {sum(final.values())} messages, "
              f"{replay['stored']} alerts: every offset once, verified, replay equal")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=0)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=int(time.time()))
    options = options.parse_args()
    require_kafka()
    print(f"seed {options.seed}", flush=True)
    deadline = time.monotonic() + (options.minutes * 60 if options.minutes else 86_400)
    with Scratch("torture") as folder:
        campaign(folder, 10**9 if options.minutes else options.kills, deadline, options.seed)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
