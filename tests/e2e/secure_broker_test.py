"""A broker that wants TLS, a client certificate and SCRAM, and gives rights by ACLs. Whatever it refuses, or whatever is
wrong with it, parks the source with the reason; what is stored stays readable and is forwarded meanwhile; when it is
mended the source goes on by itself."""

import json
import sys
import time

from e2e.broker_case import expect_good, expect_said, messages, wait_held
from e2e.service import BINARY, Service, write_token
from servers.certs import Authority
from servers.kafka import PASSWORD, USER, Kafka, require_kafka
from servers.process import Scratch, Server, free_port, wait_until

TOKEN = "3f0b7a10-6f0e-4f0e-9d59-0d1e3c1f7a22"
ACLS = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The test's own tools come in without a name; the audited user needs its rights.
        "super.users": "User:ANONYMOUS"}


class Receiver(Server):
    name = "receiver"

    def __init__(self, folder):
        super().__init__(folder)
        self.port, self.file = free_port(), self.folder / "received.jsonl"
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self):
        return [BINARY, "hec-receiver", "--port", str(self.port), "--token", TOKEN, "--file", str(self.file)]

    def ready(self):
        return self.logged(self.url)

    def count(self):
        return len(self.file.read_text().splitlines()) if self.file.exists() else 0


class Case:
    """A topic with 50 messages, a service that may read it, and a receiver that comes up when asked for."""

    def __init__(self, kafka, folder, topic, **changes):
        self.kafka, self.topic = kafka, topic
        kafka.create_topic(topic)
        kafka.produce(messages(0, 50), topic=topic)
        self.receiver = Receiver(folder / "receiver")
        properties = kafka.client_properties(tls=True) | {
            "group.id": topic, "session.timeout.ms": 3000, "heartbeat.interval.ms": 300, "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 500} | {key.replace("_", "."): str(value) for key, value in changes.items()}
        self.service = Service(folder / "tw", {
            "kafka": {"properties": properties, "topics": [topic]},
            "connectors": [{"name": "siem", "type": "splunk_hec", "url": self.receiver.url,
                            "token_file": str(write_token(folder, TOKEN)),
                            "select": {"alerts": True, "events": True}}]})

    def __enter__(self):
        self.service.start()
        return self

    def __exit__(self, kind, *rest):
        self.service.__exit__(kind, *rest)
        self.receiver.kill()

    def source(self):
        parts = json.loads(self.service.get("/healthz", self.service.metrics_port))["parts"]
        return next(part for part in parts if part["name"] == "source")

    def expect_parked(self, *words):
        """In the health answer, in the metric and in the log."""
        try:
            wait_until(lambda: self.source()["state"] == "parked" and self.service.metric("tidewaiter_source_parked") == 1,
                       "a parked source", 30)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.source()}") from None
        reason = self.source()["detail"]
        assert any(word in reason for word in words), reason
        expect_said(self.service, '"state":"parked"')
        print(f"  {reason}")

    def expect_the_rest_works(self, stored):
        """The API answers, and the receiver gets all that is stored although it comes up only now."""
        rows = self.service.get("/v1/events?limit=1000").splitlines()
        assert sum(row.count('"kind":"unmapped"') for row in rows) == stored, rows[-2:]
        self.receiver.start()
        wait_until(lambda: self.receiver.count() >= stored, f"{stored} events at the receiver", 30)

    def expect_running(self, stored):
        wait_held(self.service, self.topic, [[0, stored]])
        wait_until(lambda: self.source()["state"] == "ok" and self.service.metric("tidewaiter_source_parked") == 0,
                   "a running source", 20)
        expect_good(self.service, stored)


def allow(kafka, topic, way="--add"):
    force = ["--force"] if way == "--remove" else []
    kafka.cli("AclCommand", way, *force, "--allow-principal", f"User:{USER}", "--operation", "Read", "--operation", "Describe",
              "--topic", topic, "--group", topic)


def test_what_is_right_works(kafka, folder):
    allow(kafka, "right")
    with Case(kafka, folder, "right") as case:
        case.expect_running(50)
        case.expect_the_rest_works(50)


def test_a_missing_acl_parks_and_a_grant_mends(kafka, folder):
    with Case(kafka, folder, "rights") as case:
        case.expect_parked("AUTHORIZATION_FAILED")
        allow(kafka, "rights")
        case.expect_running(50)
        allow(kafka, "rights", "--remove")  # taken away from a running consumer
        case.expect_parked("AUTHORIZATION_FAILED")  # the broker takes a moment to know of it
        kafka.produce(messages(50, 60), topic="rights")
        case.expect_the_rest_works(50)
        allow(kafka, "rights")
        case.expect_running(60)


def test_a_password_changed_at_the_broker_parks_and_its_return_mends(kafka, folder):
    allow(kafka, "password")

    def change(password):
        kafka.cli("ConfigCommand", "--alter", "--entity-type", "users", "--entity-name", USER,
                  "--add-config", f"SCRAM-SHA-512=[password={password}]")
    case = Case(kafka, folder, "password")
    with case:
        case.expect_running(50)
    kafka.produce(messages(50, 60), topic="password")
    change("another-one")
    try:
        with case:
            case.expect_parked("uthentication")
            case.expect_the_rest_works(50)
            change(PASSWORD)
            case.expect_running(60)
    finally:
        change(PASSWORD)


def test_a_broker_of_an_unknown_authority_parks(kafka, folder):
    allow(kafka, "stranger")
    other = Authority(folder / "other", "another CA")
    with Case(kafka, folder, "stranger", ssl_ca_location=other.certificate) as case:
        case.expect_parked("certificate verify failed", "SSL")


def test_a_client_certificate_that_the_broker_refuses_parks(kafka, folder):
    allow(kafka, "refused")
    pair = Authority(folder / "other", "another CA").client()
    with Case(kafka, folder, "refused", ssl_certificate_location=pair.certificate, ssl_key_location=pair.key) as case:
        case.expect_parked("SSL alert")


def test_an_expired_certificate_of_the_broker_parks_and_a_new_one_mends(kafka, folder):
    allow(kafka, "expired")
    keystore = kafka.folder / "keystore.pem"
    good = keystore.read_text()
    case = Case(kafka, folder, "expired")
    with case:
        case.expect_running(50)
        expired = kafka.authority.expired_server("localhost")
        keystore.write_text("".join(part.read_text() for part in
                                    (expired.key, expired.certificate, kafka.authority.certificate)))
        try:
            kafka.stop()
            kafka.start()
            kafka.produce(messages(50, 60), topic="expired")
            case.expect_parked("certificate")
            case.expect_the_rest_works(50)
        finally:
            keystore.write_text(good)
            kafka.stop()
            kafka.start()
        case.expect_running(60)


def main():
    require_kafka()
    wanted = sys.argv[1:]
    with Scratch("secure-broker") as scratch:
        with Kafka(scratch / "kafka", Authority(scratch / "certs"), settings=ACLS) as kafka:
            for name, test in list(globals().items()):
                if not name.startswith("test_") or (wanted and name not in wanted):
                    continue
                begun = time.monotonic()
                (scratch / name).mkdir()
                test(kafka, scratch / name)
                print(f"ok {name} {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
