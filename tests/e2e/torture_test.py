"""A seeded campaign of kills on the real binary and a real broker. The service is killed with SIGKILL at random moments
and at each of its failpoints, the broker at random moments, while a company goes on producing; after each kill the store
must be sound, and the service starts again from it.

A campaign has rounds: a topic, a store and a receiver each, for as long as their company produces. At the end of a round
everything must be there once, replay must give the stored alerts, the receiver must have each of them, and what an
undisturbed service finds in the same topic must have been found. Every second round has one partition and no ticks: its
events and alerts are those of the undisturbed service byte for byte.

    torture_test.py [--minutes M | --kills N | --every-failpoint] [--seed S]

The seed decides what is done to whom and in which order; a failing campaign prints it, and keeps its folder.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

from e2e.service import BINARY, Service, write_token
from e2e.torture_oracle import (without_commits, bytes_of, expect_complete, expect_delivered, expect_no_going_back, expect_sound,
                                incidents_found)
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, Server, free_port, wait_until

TOKEN = "4d0b8a52-6f0e-4f0e-9d59-0d1e3c1f7a11"
RATE = 2_000
EVENT_LOGS = ("agent-high", "agent", "ci", "runtime-low", "runtime", "other", "rejects")
# Passed more than once a second while messages come in.
FREQUENT = ("commit-", "checkpoint-", "head-file-", "alerts-")
UNREACHED_AFTER_SECONDS = 3


def failpoints():
    """The names, as the program itself says them; a wrong one is refused at start."""
    done = subprocess.run([BINARY, "--version"], env={**os.environ, "TIDEWAITER_FAILPOINT": "nowhere:1:kill"},
                          capture_output=True, text=True)
    assert done.returncode == 2 and "one of: " in done.stderr, done
    return re.findall(r"[a-z-]+", done.stderr.split("one of: ")[1])


class Receiver(Server):
    """A SIEM; what it has got survives in its file."""

    name = "receiver"

    def __init__(self, folder):
        super().__init__(folder)
        self.port, self.file = free_port(), self.folder / "received.jsonl"
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self):
        return [BINARY, "hec-receiver", "--port", str(self.port), "--token", TOKEN, "--file", str(self.file),
                "--lose-answer", "5"]

    def ready(self):
        return self.logged(self.url)


class Round:
    def __init__(self, kafka, folder, number, seed, messages):
        self.kafka, self.folder, self.seed, self.messages = kafka, folder, seed, messages
        self.exact = number % 2 == 1
        self.topic, self.partitions = f"round-{number}", 1 if self.exact else 3
        kafka.create_topic(self.topic, self.partitions, retention_ms=-1)
        self.receiver = Receiver(folder / "receiver")
        self.service = self.service_in(folder / "tw", "torture", [
            {"name": "siem", "type": "splunk_hec", "url": self.receiver.url,
             "token_file": str(write_token(folder, TOKEN)), "select": {"alerts": True}}])
        self.held = {}

    def service_in(self, folder, group, connectors):
        return Service(folder, {
            "kafka": {"properties": {"bootstrap.servers": self.kafka.bootstrap, "group.id": f"{group}-{self.topic}",
                                     "group.instance.id": f"{group}-1", "session.timeout.ms": 6000,
                                     "reconnect.backoff.max.ms": 200},
                      "topics": [self.topic]},
            "store": {"checkpoint_interval_ms": 100, "segment_records": 1024,
                      "head_file": str(folder / "outside" / "heads")},
            "detect": {"snapshot_interval_ms": 200, "false_alerts_per_day": 20, "alerts_per_day_max": 1000,
                       "idle_after_ms": 86_400_000 if self.exact else 5_000},
            "connectors": connectors})

    def produce(self):
        # Broken messages have no time of their own, but that of their arrival, which no two services share.
        return subprocess.Popen([BINARY, "generate", "--events", str(self.messages), "--seed", str(self.seed % 2**31),
                                 "--rate", str(RATE), "--quiet", "--malformed", "0" if self.exact else "0.001",
                                 "--brokers", self.kafka.bootstrap, "--topic", f"{self.topic}:{self.partitions}",
                                 "--truth", str(self.folder / "truth.json")], stderr=subprocess.DEVNULL)

    def after_kill(self):
        held = expect_sound(self.service) if (self.service.store / "CURRENT").exists() else {}
        expect_no_going_back(self.held, held)
        self.held = held

    def finish(self):
        """Undisturbed from here on; returns (messages, alerts, incidents found)."""
        ends = {(self.topic, partition): high for partition, (_, high) in self.kafka.offsets(self.topic).items()}
        twin = self.service_in(self.folder / "twin", "twin", [])
        for service in (self.service, twin):
            service.start()
        for service in (self.service, twin):
            service.wait_stored(ends)
            wait_until(lambda: service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 120)
            service.stop(timeout=60)
        alerts, twins = expect_complete(self.service, ends), expect_complete(twin, ends)
        expect_delivered(alerts, self.receiver.file)
        truth = json.loads((self.folder / "truth.json").read_text())
        found, wanted = incidents_found(truth, alerts), incidents_found(truth, twins)
        assert wanted <= found, f"found only when undisturbed: {wanted - found}"
        if self.exact:
            for log in ("alerts", *EVENT_LOGS):
                assert without_commits(bytes_of(self.service, log)) == without_commits(bytes_of(twin, log)), f"log {log} differs from the undisturbed one"
        return sum(ends.values()), len(alerts), len(found)


class Campaign:
    def __init__(self, kafka, folder, seed):
        self.kafka, self.folder, self.seed = kafka, folder, seed
        self.dice = random.Random(seed)
        self.names, self.deck = failpoints(), []
        self.killed = {name: 0 for name in ("at random", "broker", *self.names)}
        self.messages = self.alerts = self.incidents = self.rounds = 0
        self.doing = "nothing yet"

    def kills(self):
        return sum(count for name, count in self.killed.items() if name != "broker")

    def next_failpoint(self):
        if not self.deck:
            self.deck = self.dice.sample(self.names, len(self.names))
        return self.deck.pop()

    def run_round(self, messages, enough):
        number = self.rounds
        folder = self.folder / f"round-{number}"
        round_ = Round(self.kafka, folder, number, self.dice.randrange(2**31), messages)
        with round_.receiver:
            producer = round_.produce()
            try:
                while producer.poll() is None and not enough():
                    self.kill_once(round_)
                    if self.dice.random() < 0.05:
                        self.disturb_broker(round_)
                assert producer.wait(300) == 0, "the generator failed"
            finally:
                producer.kill()
            self.doing = "the end of the round"
            counts = round_.finish()
        self.messages, self.alerts, self.incidents = (a + b for a, b in
                                                      zip((self.messages, self.alerts, self.incidents), counts))
        self.rounds += 1
        self.kafka.delete_topic(round_.topic)
        shutil.rmtree(folder)

    def kill_once(self, round_):
        service = round_.service
        if self.dice.random() < 0.3:
            self.doing = "a kill at random"
            service.launch()
            time.sleep(self.dice.uniform(0, 1) if self.dice.random() < 0.8 else self.dice.uniform(1, 3))
            assert service.running(), service.log_tail()
            service.kill()
            self.killed["at random"] += 1
        else:
            name = self.next_failpoint()
            nth = self.dice.randint(1, 5 if name.startswith(FREQUENT) else 1)
            self.doing = f"failpoint {name}, pass {nth}"
            self.kill_at(service, name, nth)
        round_.after_kill()

    def kill_at(self, service, name, nth):
        service.set_failpoint(f"{name}:{nth}:kill")
        try:
            service.launch()
            service.process.wait(UNREACHED_AFTER_SECONDS)
            assert service.process.returncode == -signal.SIGKILL, service.log_tail()
            self.killed[name] += 1
        except subprocess.TimeoutExpired:
            service.kill()
            self.deck.insert(0, name)
            self.killed["at random"] += 1
        finally:
            service.set_failpoint(None)

    def disturb_broker(self, round_):
        """Killed under a running service, or started behind its back; now and then both die together."""
        self.doing = "a kill of the broker"
        service = round_.service
        if self.dice.random() < 0.7:
            service.start()
            time.sleep(self.dice.uniform(0, 1))
        self.kafka.kill()
        self.killed["broker"] += 1
        if not service.running() or self.dice.random() < 0.3:
            service.kill()
            service.start()
        time.sleep(self.dice.uniform(0, 1))
        self.kafka.start()
        time.sleep(self.dice.uniform(0, 1))
        service.kill()
        self.killed["at random"] += 1
        round_.after_kill()

    def kinds(self):
        return "; ".join(f"{name} {count}" for name, count in self.killed.items())

    def report(self):
        return (f"{self.kills()} kills of the service ({self.killed['at random']} at random, the rest at failpoints), "
                f"{self.killed['broker']} of the broker; {self.rounds} rounds, {self.messages} messages, "
                f"{self.alerts} alerts, {self.incidents} incidents found")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=0)
    options.add_argument("--kills", type=int, default=0)
    options.add_argument("--every-failpoint", action="store_true", help="until each failpoint was reached once")
    options.add_argument("--messages", type=int, default=80_000, help="of a round")
    options.add_argument("--seed", type=int, default=int(time.time()))
    options = options.parse_args()
    require_kafka()
    deadline = time.monotonic() + options.minutes * 60
    with Scratch("torture") as folder, Kafka(folder / "kafka") as kafka:
        campaign = Campaign(kafka, folder, options.seed)
        print(f"seed {options.seed}", flush=True)

        def enough():
            if options.every_failpoint:
                return all(campaign.killed.values())
            if options.minutes:
                return time.monotonic() > deadline
            return campaign.kills() >= (options.kills or 100)
        try:
            while campaign.rounds < (2 if options.every_failpoint else 0) or not enough():
                campaign.run_round(options.messages, enough)
                print(campaign.report(), flush=True)
        except BaseException:
            print(f"seed {options.seed}, round {campaign.rounds}, after {campaign.kills()} kills, at {campaign.doing}: "
                  f"it failed; --seed {options.seed} does the same again\n{campaign.kinds()}", flush=True)
            raise
        print(campaign.kinds())
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
