"""An unclean leader election: a follower that has missed messages becomes the leader and gives their offsets to others.
Two brokers of a real cluster, and two services that had stored the lost messages: one running, one stopped meanwhile, so
that it finds a log that is longer than what it holds. Both keep both messages of an offset: a conflict, in the log lines,
in the metric and in the store; nothing of the new log is missed."""

import base64
import json
import secrets
import shutil

from e2e.broker_case import expect_good, expect_said, service_of, wait_held
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

CLUSTER_ID = "dGlkZXdhaXRlci10ZXN0cw"


class Member(Kafka):
    """A broker that is no controller, of the cluster of `first`."""

    def __init__(self, folder, first, node):
        super().__init__(folder)
        with open(self.properties, "a") as out:
            out.write(f"process.roles=broker\nnode.id={node}\nlisteners=PLAINTEXT://127.0.0.1:{self.port}\n"
                      f"controller.quorum.bootstrap.servers=127.0.0.1:{first.controller_port}\n")
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        (self.folder / "data").mkdir()
        directory = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        (self.folder / "data" / "meta.properties").write_text(
            f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={node}\ndirectory.id={directory}\n")


def has_coordinator(kafka):
    try:
        kafka.committed("any")
        return True
    except RuntimeError:
        return False


def rows(who, first, last):
    return [{"partition": 0, "value": json.dumps({"n": i, "from": who})} for i in range(first, last)]


def in_sync(kafka, topic, wanted):
    def seen():
        text = kafka.cli("TopicCommand", "--describe", "--topic", topic)
        return sorted(text.split("Isr: ")[1].split()[0].split(",")) == wanted
    wait_until(seen, f"replicas {wanted} in sync", 30, interval=0.2)


def main():
    require_kafka()
    with Scratch("unclean-election") as folder:
        kafka = Kafka(folder / "1").start()
        wait_until(lambda: has_coordinator(kafka), "a coordinator", 30)  # the group's own topic is made now, so that it lies on the broker that stays
        with kafka, Member(folder / "2", kafka, 2) as leader, Member(folder / "3", kafka, 3) as follower:
            for topic in ("running", "stopped"):
                kafka.cli("TopicCommand", "--create", "--topic", topic, "--replica-assignment", "2:3",
                          "--config", "unclean.leader.election.enable=true")
                kafka.produce(rows("both", 0, 50), topic=topic)
            in_sync(kafka, "stopped", ["2", "3"])
            follower.kill()
            in_sync(kafka, "running", ["2"])
            in_sync(kafka, "stopped", ["2"])
            running, stopped = (service_of(kafka, folder / name, name) for name in ("running", "stopped"))
            with running, stopped:
                for service, topic in ((running, "running"), (stopped, "stopped")):
                    kafka.produce(rows("old", 50, 100), topic=topic)
                    wait_held(service, topic, [[0, 100]])
                    wait_until(lambda: kafka.committed(topic) == {(topic, 0): 100}, "the commit", 20)
                stopped.stop()
                leader.kill()
                follower.start()
                for topic, end in (("running", 80), ("stopped", 150)):
                    wait_until(lambda: produced(kafka, topic, rows("new", 50, end)), f"the other broker to lead {topic}", 60)
                kafka.produce(rows("new", 80, 120), topic="running")
                stopped.start()
                for service, topic, end in ((running, "running", 120), (stopped, "stopped", 150)):
                    wait_held(service, topic, [[0, end]], timeout=60)
                    wait_until(lambda: service.metric("tidewaiter_store_conflicts_total") == 50, f"50 conflicts in {topic}", 30)
                    expect_said(service, "another message came at a stored offset")
                    expect_said(service, "offsets went backwards" if service is running else "unclean leader election")
                    stats = expect_good(service, end)
                    assert stats["records_by_kind"]["conflict"] == 50, stats
                    print(f"ok {topic}: {stats['duplicates']} duplicates, 50 conflicts")


def produced(kafka, topic, records):
    try:
        kafka.produce(records, topic=topic, message_timeout_ms=15000, acks=1)
        return True
    except RuntimeError:
        return False


if __name__ == "__main__":
    main()
