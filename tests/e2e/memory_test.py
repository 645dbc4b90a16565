"""Memory stays under the configured limit when everything comes at once: a backlog, a burst of messages of almost
16 MiB, a slow disk, a dead SIEM and one that takes its time. `--events 2000000 --big 40 --sync-ms 2` is the run at full size."""

import argparse
import json
import threading
import time

from e2e.service import Service, tidewaiter
from servers.disk import Disk
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, PARTITIONS = "audit", 4
BIG_BYTES = 15_900_000


def produce_big(kafka, count):
    """In small lots: the tool keeps what it has read."""
    filler = "".join(f"{i:x} " for i in range(BIG_BYTES // 5))[:BIG_BYTES - 200]
    for i in range(0, count, 4):
        kafka.produce([{"partition": n % PARTITIONS, "value": json.dumps({"event": "tool_call", "n": n, "input": filler})}
                       for n in range(i, min(i + 4, count))], topic=TOPIC, message_max_bytes=16_777_216,
                      compression_codec="lz4")


class Watch(threading.Thread):
    """The highest resident memory of a process; the kernel keeps it, but counts pages of mapped files as well."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.highest, self.ended = service, 0, False

    def run(self):
        while not self.ended:
            self.highest = max(self.highest, anonymous_bytes(self.service.process.pid))
            time.sleep(0.02)


def anonymous_bytes(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--events", type=int, default=60_000)
    options.add_argument("--big", type=int, default=12)
    options.add_argument("--limit-mib", type=int, default=1408)
    options.add_argument("--sync-ms", type=float, default=20, help="added to every write and sync")
    options = options.parse_args()
    require_kafka()
    with Scratch("memory") as folder, Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC, PARTITIONS, retention_ms=-1, max_message_bytes=16_777_216)
        tidewaiter("generate", "--events", options.events, "--quiet", "--brokers", kafka.bootstrap, "--topic", TOPIC)
        produce_big(kafka, options.big)
        ends = {(TOPIC, p): high for p, (_, high) in kafka.offsets(TOPIC).items()}
        disk, slow = Disk(folder / "disk.control"), HecReceiver(folder / "slow")
        slow.start()
        slow.faults(slow_ms=300)
        (folder / "hec.token").write_text(TOKEN)
        (folder / "hec.token").chmod(0o600)
        hec = {"type": "splunk_hec", "token_file": str(folder / "hec.token"), "select": {"alerts": True, "events": True}}
        service = Service(folder / "tw", {
            "memory_limit_bytes": options.limit_mib << 20,
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "memory"}, "topics": [TOPIC]},
            "limits": {"message_bytes_max": 16_777_216},
            "connectors": [{"name": "dead", "url": "http://127.0.0.1:9", **hec}, {"name": "slow", "url": slow.url, **hec}],
        }, environment=disk.environment())
        disk.fail(service.store, delay_us=int(options.sync_ms * 1000))
        begun = time.monotonic()
        with service:
            watch = Watch(service)
            watch.start()
            service.wait_stored(ends, timeout=1800)
            # Another burst, on top of followers that are far behind.
            produce_big(kafka, options.big)
            service.wait_stored({(TOPIC, p): high for p, (_, high) in kafka.offsets(TOPIC).items()}, timeout=1800)
            wait_until(lambda: service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 600)
            seconds = time.monotonic() - begun
            watch.ended = True
            watch.join()
            assert service.metric("tidewaiter_up") == 1
            assert watch.highest < options.limit_mib << 20, \
                f"{watch.highest >> 20} MiB of memory, the limit is {options.limit_mib} MiB"
        assert service.stats()["balanced"]
        slow.stop()
        print(f"{options.events} messages in a backlog, twice {options.big} of 15.9 MB, {options.sync_ms} ms a write and a "
              f"sync, a dead and a slow SIEM: {seconds:.0f} s, {watch.highest >> 20} MiB at most, limit {options.limit_mib}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
