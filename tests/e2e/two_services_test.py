"""Two services in one group on one broker, each with a store of its own; one of them is killed and started again at
random while messages stream in. The union of the two stores holds every offset; what a hand-over left in both is listed,
and counted once by the uid of its event.

    two_services_test.py [--minutes M | --seconds S] [--seed S] [--list FILE]
"""

import argparse
import json
import random
import time

from e2e.broker_case import Producing, expect_good, offsets_of, service_of, wait_union
from e2e.service import tidewaiter
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch

TOPIC, PARTITIONS = "shared", 4


def ranges(offsets):
    """[first, end) of each run of neighbours."""
    found = []
    for offset in sorted(offsets):
        if found and found[-1][1] == offset:
            found[-1][1] += 1
        else:
            found.append([offset, offset + 1])
    return found


def doubles_by_partition(both):
    return {partition: ranges(offset for _, _, p, offset in both if p == partition) for partition in range(PARTITIONS)}


def uids(service):
    rows = tidewaiter("query", "--store", service.store, "--kind", "event", "--kind", "unmapped", "--format", "ndjson",
                      "--limit", 10**9).splitlines()
    return {json.loads(row)["uid"] for row in rows if row}


def disturb(service, dice, seconds):
    """Kills it at random moments; it stays away now for less, now for longer than a session. Returns the kills."""
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(1, 8))
        service.kill()
        kills += 1
        time.sleep(dice.choice([0, 0.5, dice.uniform(3, 6)]))
        service.start()
    return kills


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--list", help="write the doubles here, as JSON")
    options = options.parse_args()
    require_kafka()
    seconds = options.minutes * 60 if options.minutes else options.seconds
    print(f"seed {options.seed}", flush=True)
    dice = random.Random(options.seed)
    with Scratch("two-services") as folder, Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS, retention_ms=-1)
        steady = service_of(kafka, folder / "steady", TOPIC, partition_assignment_strategy="cooperative-sticky")
        shaken = service_of(kafka, folder / "shaken", TOPIC, partition_assignment_strategy="cooperative-sticky")
        with steady, shaken:
            with Producing(kafka, TOPIC, PARTITIONS, per_round=50) as producing:
                kills = disturb(shaken, dice, seconds)
            wait_union([steady, shaken], TOPIC, PARTITIONS, producing.count)
        for service in (steady, shaken):
            expect_good(service)
        total = PARTITIONS * producing.count
        a, b = offsets_of(steady), offsets_of(shaken)
        both = a & b
        assert len(a | b) == total and len(a) + len(b) - len(both) == total, (len(a), len(b), len(both), total)
        listed = doubles_by_partition(both)
        assert sum(end - first for found in listed.values() for first, end in found) == len(both)
        for partition, found in listed.items():
            print(f"in both stores, partition {partition}: {found}")
        if options.list:
            with open(options.list, "w") as out:
                json.dump(listed, out)
        assert len(uids(steady) | uids(shaken)) == total, "counted once by uid"
        print(f"{kills} kills in {seconds:.0f} s: {total} messages, {len(a)} in one store and {len(b)} in the other, "
              f"every offset in the union; {len(both)} in both, {total} distinct uids")


if __name__ == "__main__":
    main()
