"""A real Apache Kafka broker (KRaft, one node), and the tool with which tests talk to it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from servers.process import DEPS, ROOT, Server, free_port, skip

HOME = DEPS / "kafka"
USER, PASSWORD = "audit", "secret"

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
# These two let a broker come back fast after SIGKILL.
broker.session.timeout.ms=500
broker.heartbeat.interval.ms=100
# For a small heap.
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=1
num.io.threads=2
background.threads=2
"""

TLS_SETTINGS = """\
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={folder}/keystore.pem
listener.name.sasl_ssl.ssl.truststore.type=PEM
listener.name.sasl_ssl.ssl.truststore.location={ca}
listener.name.sasl_ssl.ssl.client.auth=required
"""

LOGGING = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
           "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info"]
# Starts fast in little memory.
SMALL = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
# The first compiler alone makes TLS 3 to 5 times slower: benchmarks use this.
FAST = ["-Xms512m", "-Xmx1g", "-XX:+UseG1GC"]


def require_kafka():
    """Skips the test when there is no broker to be had on this machine."""
    if not (HOME / ".stamp").exists():
        skip("Apache Kafka is not there", "scripts/install-packages.sh test && scripts/fetch-test-servers.sh kafka")


class Kafka(Server):
    """`authority` (servers.certs.Authority) adds a SASL_SSL listener: SCRAM-SHA-512 and a client certificate."""

    name = "kafka"

    def __init__(self, folder, authority=None, settings=None, fast=False, archive=HOME / "kafka.jsa"):
        super().__init__(folder)
        self.fast, self.archive, self.authority = fast, archive, authority
        self.port, self.tls_port, self.controller_port = free_port(), None, free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        listeners = f"PLAINTEXT://127.0.0.1:{self.port}"
        text = SETTINGS
        advertised = listeners
        if authority:
            self.tls_port = free_port()
            self.tls_bootstrap = f"localhost:{self.tls_port}"
            listeners += f",SASL_SSL://127.0.0.1:{self.tls_port}"
            advertised += f",SASL_SSL://localhost:{self.tls_port}"
            broker = authority.server("localhost")
            self.client_pair = authority.client()
            parts = (broker.key, broker.certificate, authority.certificate)
            (self.folder / "keystore.pem").write_text("".join(part.read_text() for part in parts))
            text += TLS_SETTINGS
        self.properties = self.folder / "server.properties"
        self.properties.write_text(
            text.format(controller=self.controller_port, listeners=listeners, advertised=advertised,
                        folder=self.folder, ca=authority and authority.certificate) +
            "".join(f"{key}={value}\n" for key, value in (settings or {}).items()))
        # Formatting takes a second; a formatted empty store is as good under other ports.
        if (HOME / "formatted").exists() and not (self.folder / "data").exists():
            shutil.copytree(HOME / "formatted", self.folder / "data")

    def command(self):
        speed = FAST if self.fast else [*SMALL, f"-XX:SharedArchiveFile={self.archive}"]
        return java(speed, "kafka.Kafka", self.properties)

    def ready(self):
        # TCP opens long before the broker answers: never wait for the port.
        return self.logged("Kafka Server started")

    def client_properties(self, tls=False):
        """What a librdkafka client needs to reach this broker."""
        if not tls:
            return {"bootstrap.servers": self.bootstrap}
        return {"bootstrap.servers": self.tls_bootstrap, "security.protocol": "sasl_ssl",
                "sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": USER, "sasl.password": PASSWORD,
                "ssl.ca.location": str(self.authority.certificate),
                "ssl.certificate.location": str(self.client_pair.certificate),
                "ssl.key.location": str(self.client_pair.key)}

    def create_topic(self, topic, partitions=1, **settings):
        pairs = [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        self._tool("create-topic", topic, str(partitions), *pairs)

    def delete_topic(self, topic):
        self._tool("delete-topic", topic)

    def delete_records(self, topic, partition, before):
        """What lies before this offset is gone, as after retention."""
        self._tool("delete-records", topic, str(partition), str(before))

    def produce(self, records, topic=None, tls=False, **properties):
        """Records are dicts: topic, partition, key, value, headers [[name, value]], timestamp_ms; bytes as key_b64,
        value_b64; an absent or None value is a tombstone. {"transaction": "begin"|"commit"|"abort"} in between."""
        def line(record):
            return json.dumps({"topic": topic, **record} if topic else record)
        return self._tool("produce", stdin="".join(line(record) + "\n" for record in records), tls=tls, **properties)

    def consume(self, topic, tls=False, **properties):
        """All records of a topic that exist now, as dicts with partition, offset, key, value, headers."""
        return self._tool("consume", topic, tls=tls, **properties)

    def offsets(self, topic, **properties):
        """{partition: (low, high)} watermarks; with isolation_level='read_committed' high is the last stable offset."""
        return {row["partition"]: (row["low"], row["high"]) for row in self._tool("offsets", topic, **properties)}

    def committed(self, group):
        """{(topic, partition): offset} that a consumer group has committed."""
        return {(row["topic"], row["partition"]): row["offset"] for row in self._tool("committed", group)}

    def cli(self, program, *arguments):
        """One of Kafka's own command line tools, such as consumer.group.ConsumerGroupCommand."""
        done = subprocess.run(java(SMALL, f"org.apache.kafka.tools.{program}", "--bootstrap-server", self.bootstrap, *arguments),
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def _tool(self, *arguments, stdin="", tls=False, **properties):
        pairs = self.client_properties(tls) | {key.replace("_", "."): str(value) for key, value in properties.items()}
        options = [part for key, value in pairs.items() for part in ("-X", f"{key}={value}")]
        done = subprocess.run([tool(), *options, *arguments], input=stdin, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"kafka_tool {' '.join(arguments)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def tool():
    """The program beside the tests that speaks to the broker through librdkafka: no JVM start per call."""
    build = pathlib.Path(os.environ.get("TIDEWAITER_BIN", ROOT / "build/release/tidewaiter")).parent
    path = build / "tests/servers/kafka_tool"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run 'make test' once, or build the target kafka_tool")
    return str(path)


def java(options, program, *arguments):
    return ["java", *options, *LOGGING, "-cp", f"{HOME}/lib/*", program, *map(str, arguments)]


def make_archive():
    """Once after fetching: a formatted store to copy, and the class archive that makes a start take a second."""
    work = HOME / "first-start"
    shutil.rmtree(work, ignore_errors=True)
    broker = Kafka(work)
    subprocess.run(
        java(SMALL, "kafka.tools.StorageTool", "format", "-t", "dGlkZXdhaXRlci10ZXN0cw", "-c", broker.properties,
             "--standalone", "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    shutil.copytree(work / "data", HOME / "formatted")
    command = broker.command()
    command[command.index(f"-XX:SharedArchiveFile={broker.archive}")] = f"-XX:ArchiveClassesAtExit={broker.archive}"
    broker.command = lambda: command
    broker.start(120)
    broker.process.send_signal(signal.SIGTERM)
    broker.process.wait(120)
    shutil.rmtree(work)


if __name__ == "__main__" and sys.argv[1:] == ["--make-archive"]:
    make_archive()
