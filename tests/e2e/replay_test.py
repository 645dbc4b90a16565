"""Replay equality on a store of the live service: late events, two policy reloads and at least fifty alerts per detector
in it. A replay from the start and one from a snapshot in the middle give exactly the alert bodies that were written; a
file that is no policy leaves the old one in force."""

import signal
import time

from e2e.main_job_test import TOPICS, generate, stored_alerts
from e2e.service import Service, tidewaiter, tidewaiter_json
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

MONTHS = ("2025-09-01", "2025-09-29", "2025-10-27")
EXTRA_RULE = """
  - id: reload-{number}
    type: where
    description: a send by a high-tier app after reload {number}
    severity: low
    where: action == send and risk_tier >= high
"""


def reload_policy(service, text, expected):
    (service.folder / "policy.yaml").write_text(text)
    before = service.log.read_text().count(expected)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log.read_text().count(expected) > before, expected, 30)


def main():
    require_kafka()
    with Scratch("replay") as folder:
        with Kafka(folder / "kafka") as kafka:
            for topic, partitions in TOPICS.items():
                kafka.create_topic(topic, partitions, retention_ms=-1)
            settings = {
                "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "replay"},
                          "topics": list(TOPICS)},
                # Sensitive on purpose: what is compared is many alerts, not good ones.
                "detect": {"false_alerts_per_day": 1000, "alerts_per_day_max": 100000, "volume_min_bytes": 1000,
                           "snapshot_interval_ms": 500},
            }
            service = Service(folder / "tw", settings)
            policy = (service.folder / "policy.yaml").read_text()
            service.start()
            for round_number in range(len(MONTHS)):
                # A month each, of a new company: the reloads lie between events, and the old companies fall silent.
                generate(kafka, folder, 120_000, 11 + round_number, "--start", MONTHS[round_number])
                wait_until(lambda: service.metric("tidewaiter_messages_read_total") == 120_000 * (round_number + 1),
                           "the events to be stored", 120)
                if round_number == 0:
                    reload_policy(service, "version: 1\nrulez: []\n", "reload refused")
                if round_number < 2:
                    reload_policy(service, changed(policy, round_number), "policy and connectors reloaded")
            wait_until(lambda: service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 60)
            time.sleep(6)
            service.stop(timeout=60)

            rows = tidewaiter_json("stats", "--store", service.store)
            print({key: rows[key] for key in ("read", "events", "records_by_kind")})
            controls = tidewaiter("query", "--store", service.store, "--log", "control", "--format", "raw", "--unmask")
            assert controls.count('"type":"policy"') == 3, "the first policy and two reloads"
            assert len(stored_alerts(service)) > 200
            whole = tidewaiter_json("replay", "--store", service.store)
            print(whole)
            assert whole["equal"], whole["difference"]
            # Not health: no app of this company gets worse, so its findings are the few that chance brings; that it goes on after
            # a snapshot as if there had been none is tested in tests/detect/health_test.
            for detector in ("policy", "flow", "volume", "silence"):
                assert whole["by_detector"].get(detector, 0) >= 50, whole["by_detector"]
            half = tidewaiter_json("replay", "--store", service.store, "--from-snapshot")
            print(half)
            assert half["equal"], half["difference"]
            assert 1 < half["from_commit"] < whole["to_commit"] and half["replayed"] > 0, half
            print(tidewaiter("verify", "--store", service.store, "--public-key", service.public_key))
    print("1 passed, 0 failed")


def changed(policy, number):
    """The policy with one rule more, as a list item of its last section or under `rules:`."""
    lines = policy.splitlines()
    at = lines.index("rules:") + 1
    return "\n".join(lines[:at]) + EXTRA_RULE.format(number=number) + "\n".join(lines[at:]) + "\n"


if __name__ == "__main__":
    main()
