"""Six formats mixed over three topics of a real broker: native CloudEvents, OTLP spans, GitHub webhooks, DSSE envelopes,
CloudTrail and Kubernetes audit. Every event is stored as what it is, found by its principal, scored and forwarded by
itself; signatures are verified, and an attested, an unattested and a forged deploy are told apart, live and in a replay."""

import base64
import json
import pathlib
import subprocess
import time

from e2e.service import Service, tidewaiter, tidewaiter_json
from servers.hec import TOKEN, HecReceiver
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPICS = ("agents", "delivery", "platform")
ATTESTED, UNATTESTED, FORGED = ("sha256:" + letter * 64 for letter in "abc")
STATEMENT = "application/vnd.in-toto+json"
BUILDER = "https://ci.acme.example/runner"

POLICY = """\
version: 1
rules:
  - id: signed-deploys
    type: attestation
    severity: critical
    description: What high-tier apps deploy is signed by our CI.
    risk_tiers: [high, critical]
    builders: ["https://ci.acme.example/*"]
"""


class Signer:
    """A key pair made by openssl, and the DSSE envelopes that it signs."""

    def __init__(self, folder, name):
        self.folder, self.key, self.public = folder, folder / f"{name}.key", folder / f"{name}.pub"
        self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self.run("pkey", "-in", self.key, "-pubout", "-out", self.public)

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def envelope(self, digest):
        algorithm, value = digest.split(":")
        payload = json.dumps({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [{"name": "registry.acme.example/pay", "digest": {algorithm: value}}],
            "predicate": {"runDetails": {"builder": {"id": BUILDER}, "metadata": {"invocationId": "run/7"}}}}).encode()
        text, signature = self.folder / "pae", self.folder / "signature"
        text.write_bytes(b"DSSEv1 %d %s %d %s" % (len(STATEMENT), STATEMENT.encode(), len(payload), payload))
        self.run("dgst", "-sha256", "-sign", self.key, "-out", signature, text)
        return {"payloadType": STATEMENT, "payload": base64.b64encode(payload).decode(),
                "signatures": [{"keyid": "", "sig": base64.b64encode(signature.read_bytes()).decode()}]}


def rfc3339(offset_s=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset_s))


def native(number, kind, data):
    return {"specversion": "1.0", "id": f"n-{number}", "source": "/acme", "type": f"dev.tidewaiter.{kind}.v1", "time": rfc3339(), "data": data}


def tool_call(number):
    return native(number, "agent.tool.call", {
        "family": "agent", "principal": "agent:invoice-bot", "principal_type": "agent", "app": "billing", "risk_tier": "high",
        "action": "execute", "operation": "tools/call", "outcome": "success", "class_uid": 6003, "activity_id": 1})


def deploy(number, digest, tier="high"):
    return native(number, "ci.service.deploy", {
        "family": "ci", "principal": "ci:acme/pay", "principal_type": "ci_job", "app": "pay", "risk_tier": tier,
        "action": "deploy", "operation": "service.deploy", "outcome": "success", "class_uid": 6002, "activity_id": 1,
        "provenance": {"artifact_digest": digest, "status": "verified"}})


def approval(number, digest):
    return native(number, "ci.change.approve", {
        "family": "ci", "principal": "jane@acme.example", "principal_type": "user", "app": "pay", "risk_tier": "high",
        "action": "approve", "outcome": "success", "class_uid": 6003, "activity_id": 1, "provenance": {"artifact_digest": digest},
        "approval": {"id": "apr-1", "decision": "approved", "approver": "jane@acme.example", "approver_type": "user"}})


def spans(number):
    """Two spans of one trace in one message."""
    end = str(int(time.time() * 1e9))
    attributes = [{"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
                  {"key": "gen_ai.agent.id", "value": {"stringValue": "agent:otel-researcher"}},
                  {"key": "gen_ai.tool.name", "value": {"stringValue": "web_search"}}]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "agents"}, "spans": [
        {"traceId": f"{number:032x}", "spanId": f"{span:016x}", "name": "execute_tool web_search", "kind": 1,
         "startTimeUnixNano": end, "endTimeUnixNano": end, "attributes": attributes, "status": {}} for span in (1, 2)]}]}]}


def workflow_run(number):
    run = {"id": number, "run_attempt": 1, "head_sha": "5" * 40, "path": ".github/workflows/release.yml", "status": "completed",
           "conclusion": "success", "created_at": rfc3339(-60), "updated_at": rfc3339(), "event": "push"}
    return {"action": "completed", "workflow_run": run, "repository": {"full_name": "acme/pay"},
            "sender": {"login": "octo-jane", "type": "User"}}


def cloudtrail(number):
    """Two events in one message."""
    return {"Records": [
        {"eventVersion": "1.11", "eventID": f"t-{number}-{part}", "eventTime": rfc3339(), "eventSource": "s3.amazonaws.com",
         "eventName": name, "awsRegion": "eu-west-1", "sourceIPAddress": "203.0.113.9", "readOnly": True,
         "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/audit", "userName": "audit"},
         "requestParameters": {"bucketName": "ledgers"}} for part, name in enumerate(("ListObjects", "GetObject"))]}


def kubernetes(number, digest=None):
    event = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": f"k-{number}", "stage": "ResponseComplete",
             "requestURI": "/x", "verb": "get", "user": {"username": "system:serviceaccount:pay:deployer"}, "sourceIPs": ["10.0.0.4"],
             "objectRef": {"resource": "secrets", "namespace": "pay", "name": "db"}, "responseStatus": {"code": 200},
             "requestReceivedTimestamp": rfc3339(), "stageTimestamp": rfc3339()}
    if digest:
        image = {"name": "pay", "image": f"registry.acme.example/pay@{digest}"}
        event |= {"verb": "create", "objectRef": {"resource": "deployments", "namespace": "pay", "name": "pay"},
                  "requestObject": {"spec": {"template": {"spec": {"containers": [image]}}}}, "responseStatus": {"code": 201}}
    return event


def record(topic, message, headers=()):
    return {"topic": topic, "value": json.dumps(message), "headers": [list(pair) for pair in headers]}


def round_of_all(number):
    """The six formats, two and more in each topic. The envelopes come with sign()."""
    hook = (("X-GitHub-Event", "workflow_run"), ("X-GitHub-Delivery", f"d-{number}"))
    return [record("agents", tool_call(number)), record("platform", cloudtrail(number)), record("agents", spans(number)),
            record("delivery", workflow_run(number), hook), record("platform", kubernetes(number)),
            record("agents", workflow_run(number + 500), (("X-GitHub-Event", "workflow_run"), ("X-GitHub-Delivery", f"e-{number}"))),
            record("platform", tool_call(number + 500)), record("delivery", kubernetes(number + 500))]


# events of one round, by principal
EACH_ROUND = {"agent:invoice-bot": 2, "arn:aws:iam::123456789012:user/audit": 2, "agent:otel-researcher": 2, "octo-jane": 2,
              "system:serviceaccount:pay:deployer": 2}
ROUNDS = 20


def supply_chain(ours, theirs):
    return [record("delivery", ours.envelope(ATTESTED)), record("delivery", theirs.envelope(FORGED)),
            record("delivery", approval(1001, ATTESTED)),
            record("delivery", deploy(1002, ATTESTED)), record("delivery", deploy(1003, UNATTESTED)),
            record("delivery", deploy(1004, FORGED)), record("delivery", deploy(1005, UNATTESTED, "low")),
            record("platform", kubernetes(1006, ATTESTED))]


def stored_alerts(service):
    rows = tidewaiter("query", "--store", service.store, "--log", "alerts", "--format", "raw", "--unmask", status=None)
    return [json.loads(row) for row in rows.splitlines() if row]


def count_where(service, where):
    out = tidewaiter("query", "--store", service.store, "--where", where, "--count", status=None)
    return int(out.strip() or 0)


def expect_found_by_principal(service):
    for principal, each in EACH_ROUND.items():
        extra = 1 if "deployer" in principal else 0
        found = count_where(service, f'principal == "{principal}"' + ' and operation != attestation_join')
        assert found == each * ROUNDS + extra, f"{principal}: {found} events, not {each * ROUNDS + extra}"
    assert count_where(service, f'principal == "{BUILDER}"') == 2
    for digest, status in ((ATTESTED, "verified"), (FORGED, "failed")):
        where = f'action == attest and provenance.artifact_digest == "{digest}" and provenance.status == {status}'
        assert count_where(service, where) == 1, where


def expect_told_apart(alerts):
    joins = {(alert["explanation"]["artifact_digest"], alert["risk_tier"], alert["entity"]["id"]): alert
             for alert in alerts if alert["kind"] == "attestation_join"}
    verdicts = {key: join["explanation"]["verdict"] for key, join in joins.items()}
    assert verdicts == {
        (ATTESTED, "high", "ci:acme/pay"): "attested",
        (ATTESTED, "unknown", "system:serviceaccount:pay:deployer"): "attested",
        (UNATTESTED, "high", "ci:acme/pay"): "unattested",
        (UNATTESTED, "low", "ci:acme/pay"): "unattested",
        (FORGED, "high", "ci:acme/pay"): "failed",
    }, verdicts
    told = joins[(ATTESTED, "high", "ci:acme/pay")]["explanation"]
    assert told["builder"] == BUILDER and told["approved_by"] == "jane@acme.example", told
    broken = {alert["explanation"]["artifact_digest"]: alert for alert in alerts
              if alert["kind"] == "alert" and alert["rule"] == "signed-deploys"}
    assert set(broken) == {UNATTESTED, FORGED}, [alert["title"] for alert in broken.values()]
    assert all(alert["risk_tier"] == "high" and alert["severity"] == "critical" for alert in broken.values()), broken


def expect_forwarded(service, receiver):
    stats = service.stats()
    alerts = next(log["records"] for log in stats["logs"] if log["name"] == "alerts")
    wait_until(lambda: len(receiver.received()) >= stats["events"] + alerts, "every event and alert at the receiver", 60)
    received = receiver.received()
    assert len(received) == stats["events"] + alerts, (len(received), stats["events"], alerts)
    assert set(received.values()) == {1}, "each once"


def make_service(folder, kafka, receiver, signer):
    (folder / "policy.yaml").write_text(POLICY)
    token = folder / "hec.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    return Service(folder / "tw", {
        "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": "formats",
                                 # Killed, it is missed by the group for so long.
                                 "session.timeout.ms": 3000, "heartbeat.interval.ms": 300}, "topics": list(TOPICS)},
        "attestation": {"keys": [{"name": "ci", "public_key_file": str(signer.public)}]},
        "policy_file": str(folder / "policy.yaml"),
        "detect": {"attestation_grace_ms": 3000, "out_of_order_ms": 500, "idle_after_ms": 1000},
        "connectors": [{"name": "siem", "type": "splunk_hec", "url": receiver.url, "token_file": str(token),
                        "select": {"alerts": True, "events": True}}]})


def main():
    require_kafka()
    with Scratch("formats") as folder, Kafka(folder / "kafka") as kafka:
        for topic in TOPICS:
            kafka.create_topic(topic, 1)
        ours, theirs = Signer(pathlib.Path(folder), "ours"), Signer(pathlib.Path(folder), "theirs")
        receiver = HecReceiver(folder / "hec")
        receiver.start()
        service = make_service(folder, kafka, receiver, ours)
        service.start()
        for number in range(ROUNDS):
            kafka.produce(round_of_all(number))
            if number == ROUNDS // 2:
                kafka.produce(supply_chain(ours, theirs))
        ends = {(topic, partition): high for topic in TOPICS for partition, (_, high) in kafka.offsets(topic).items()}
        service.wait_stored(ends)
        wait_until(lambda: sum(alert["kind"] == "attestation_join" for alert in stored_alerts(service)) == 5, "five joins", 60)
        kinds = service.stats()["records_by_kind"]
        assert kinds.get("reject", 0) == kinds.get("unmapped", 0) == 0 and kinds["event"] == sum(ends.values()), kinds
        expect_found_by_principal(service)
        expect_told_apart(stored_alerts(service))
        assert service.metric("tidewaiter_detect_events_total") == service.stats()["events"], "every event is scored"
        assert service.metric("tidewaiter_attestations_total") == 2
        expect_forwarded(service, receiver)
        # Killed and started again, now without the keys: what was judged stays judged.
        service.kill()
        service.settings["attestation"] = {}
        service.write()
        service.start()
        kafka.produce([record("delivery", ours.envelope(UNATTESTED))])
        wait_until(lambda: count_where(service, "action == attest and provenance.status == unverified") == 1, "an unjudged envelope", 30)
        expect_told_apart(stored_alerts(service))
        service.stop(timeout=60)
        replayed = tidewaiter_json("replay", "--store", service.store)
        assert replayed["equal"] and replayed["stored"] == replayed["replayed"], replayed
        tidewaiter("verify", "--store", service.store, "--public-key", service.public_key)
        keys = [row for row in tidewaiter("query", "--store", service.store, "--kind", "control", "--format", "raw", "--unmask").splitlines()
                if '"attestation_keys"' in row]
        assert len(keys) == 2 and "BEGIN PUBLIC KEY" in keys[0] and "BEGIN" not in keys[1], keys
        print(f"ok: {sum(ends.values())} messages of six formats in three topics, {replayed['stored']} alerts and joins, replayed equal")


if __name__ == "__main__":
    main()
