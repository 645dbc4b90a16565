"""What people say of alerts, through the running service: a verdict and a suppression are durable when they are answered
and hold from their commit on; what is like it stays silent, is counted and told; after the end, given or come, alerts
come again. Priors are shown by the alerts. By API with and without tokens, by command line beside the service and without
one; every write is in the log `access`; a restart, a replay and a snapshot in the middle give the same alerts."""

import datetime
import json
import pathlib
import time
import urllib.error
import urllib.request

from e2e.service import Service, merge, tidewaiter, tidewaiter_json
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC = "spoken-of"
TOKEN, READER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
AGENTS, DAYS = 20, 16
WHY = ["--owner", "ann", "--reason", "known migration"]


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Bench:
    def __init__(self, folder, kafka):
        self.folder, self.kafka, self.produced, self.token = folder, kafka, 0, None
        self.service = Service(folder / "tw", {
            "kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": TOPIC}, "topics": [TOPIC]},
            # Sensitive on purpose: what is looked at is what becomes of a finding, not whether there is one.
            "detect": {"false_alerts_per_day": 1000, "alerts_per_day_max": 100000, "silence": False,
                       "snapshot_interval_ms": 500}})
        (self.service.folder / "policy.yaml").write_text("version: 1\nrules: []\n")

    def produce(self, sent):
        """(time, agent, host) each; in order of time."""
        messages = []
        for moment, agent, host in sent:
            data = {"time": text_of(moment), "principal": f"agent-{agent}", "principal_type": "agent", "app": "billing",
                    "role": "billing", "tenant": "eu", "action": "send", "dst_host": host, "bytes_out": 1000}
            self.produced += 1
            messages.append({"value": json.dumps({"specversion": "1.0", "id": str(self.produced), "source": "/t",
                                                  "type": "t", "data": data})})
        self.kafka.produce(messages, topic=TOPIC)
        self.service.wait_stored({(TOPIC, 0): self.produced}, timeout=120)

    def records(self, where):
        out = tidewaiter("query", "--store", self.service.store, "--log", "alerts", "--where", where, "--format", "ndjson")
        return [json.loads(line)["body"] for line in out.splitlines() if line.startswith("{")]

    def judged(self):
        wait_until(lambda: self.service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 60)

    def alerts(self, agent, host):
        return self.records(f'principal == "agent-{agent}" and dst_host == "{host}" and operation == flow')

    def alert(self, agent, host):
        return wait_until(lambda: self.alerts(agent, host), f"the alert about agent-{agent} and {host}", 60)[0]

    def api(self, method, path, body=None, token=None, status=200, content_type="application/json"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.service.api_port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", content_type)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        assert got == status, (method, path, got, text)
        return json.loads(text)

    def command(self, *arguments, **options):
        return tidewaiter_json(*arguments, "--store", self.service.store, "--config", self.service.config, **options)

    def in_force(self):
        return {s["uid"]: s for s in tidewaiter_json("suppressions", "--store", self.service.store)}


def hours_ago(hours):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)


def history(bench):
    """Weeks in which each agent of the role uses the same four hosts."""
    begin, end = hours_ago(24 * DAYS), hours_ago(13)
    count = DAYS * AGENTS * 30
    bench.produce([(begin + (end - begin) * i / count, i % AGENTS, f"host-{i // AGENTS % 4}.example") for i in range(count)])


def mistakes(bench, uid):
    """Each is said with its own status, by command line and API alike, and nothing is written."""
    before = bench.in_force()
    for arguments, status, word in [
            (["verdict", "fff0fff0", "true", *WHY], 1, "fff0fff0"),
            (["verdict", "no-uid", "true", *WHY], 2, "uid"),
            (["verdict", uid, "maybe", *WHY], 2, "benign"),
            (["verdict", uid, "true", "--reason", "x"], 2, "owner"),
            (["verdict", uid, "benign", "--owner", "ann", "--until", "14d"], 2, "reason"),
            (["verdict", uid, "benign", *WHY], 2, "until"),
            (["verdict", uid, "benign", *WHY, "--until", "2020-01-01"], 2, "in the past"),
            (["suppress", "--entity", "agent-3", "--until", "400d", *WHY], 2, "too far"),
            (["suppress", "--entity", "agent-3", "--rule", "no-pii", "--until", "4d", *WHY], 2, "exception"),
            (["suppress", "--until", "4d", *WHY], 2, "entity"),
            (["suppress", "--end", "00000000", *WHY], 1, "suppressions")]:
        answer = bench.command(*arguments, status=status)
        assert word in answer["error"]["message"], (arguments, answer)
    body = {"verdict": "true", "owner": "ann", "reason": "x"}
    bench.api("POST", "/v1/alerts/fff0fff0/verdict", body, status=404)
    bench.api("POST", f"/v1/alerts/{uid}/verdict", {**body, "until": "14d"}, status=400)
    bench.api("POST", f"/v1/alerts/{uid}/verdict", {**body, "store": "0" * 32}, status=409)
    bench.api("POST", f"/v1/alerts/{uid}/verdict", body, status=415, content_type="text/plain")
    bench.api("GET", f"/v1/alerts/{uid}/verdict", status=405)
    assert bench.in_force() == before


def lifted(bench):
    """A suppression by API, a finding that it keeps silent, its end by command line."""
    written = bench.api("POST", "/v1/suppressions", {"entity": "agent-7", "rule": "flow.destination", "until": "14d",
                                                     "owner": "ann", "reason": "known migration"})
    uid = written["record"]["uid"]
    assert bench.api("GET", "/v1/suppressions")["suppressions"] == list(bench.in_force().values())
    assert bench.in_force()[uid]["uses"] == 0
    at = hours_ago(9)
    bench.produce([(at, 7, "new-2.example"), (at, 8, "new-2b.example")])
    bench.alert(8, "new-2b.example")
    assert bench.alerts(7, "new-2.example") == [], "silent"
    assert bench.service.metric("tidewaiter_detect_suppressed_by_people") == 1
    ended = bench.command("suppress", "--end", uid[:10], *WHY)
    assert ended["record"]["type"] == "suppression_end" and uid not in bench.in_force()
    told = wait_until(lambda: bench.records("operation == suppression_used"), "what was kept silent", 30)
    assert len(told) == 1 and told[0]["entity"] == {"type": "suppression", "id": uid, "tenant": "eu"}, told
    assert told[0]["explanation"]["uses"] == 1 and told[0]["explanation"]["owner"] == "ann"
    assert "new-2.example" in told[0]["explanation"]["first_suppressed"] and len(told[0]["evidence"]) == 1, told
    bench.produce([(hours_ago(7), 7, "new-3.example")])
    bench.alert(7, "new-3.example")


def ends_by_itself(bench):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=25)
    made = bench.command("suppress", "--entity", "agent-7", "--detector", "flow", "--until", text_of(until), *WHY)
    uid = made["record"]["uid"]
    at = hours_ago(0)
    bench.produce([(at, 7, "new-4.example"), (at, 9, "new-4b.example")])
    bench.alert(9, "new-4b.example")
    assert bench.alerts(7, "new-4.example") == [], "silent"
    wait_until(lambda: hours_ago(0) > until + datetime.timedelta(seconds=1), "the end", 60, interval=0.5)
    bench.produce([(hours_ago(0), 7, "new-5.example")])
    bench.alert(7, "new-5.example")
    assert uid not in bench.in_force()
    wait_until(lambda: [r for r in bench.records("operation == suppression_used") if r["entity"]["id"] == uid],
               "what was kept silent", 60)


def run(bench):
    service = bench.service
    service.start()
    history(bench)
    bench.produce([(hours_ago(12), 7, "new-1.example")])
    first = bench.alert(7, "new-1.example")
    assert "feedback" not in first["explanation"]
    mistakes(bench, first["uid"])

    # Benign until a date, and what the alert says of it; a second verdict takes its place.
    written = bench.command("verdict", first["uid"][:12], "benign", "--until", "14d", *WHY)
    assert written["commit"] > 0 and written["record"]["by"] == "local", written
    suppression = bench.in_force()[written["record"]["uid"]]
    assert suppression["target"]["dst_host"] == "new-1.example" and suppression["alert"] == first["uid"], suppression
    text = tidewaiter("alerts", first["uid"], "--store", service.store)
    assert "benign until" in text and "known migration" in text, text
    written = bench.api("POST", f"/v1/alerts/{first['uid']}/verdict", {"verdict": "false", "owner": "ann", "reason": "a test"})
    assert bench.in_force() == {}
    shown = tidewaiter_json("alerts", first["uid"], "--store", service.store)
    assert [v["verdict"] for v in shown["verdicts"]] == ["benign", "false"], shown["verdicts"]

    lifted(bench)
    third = bench.alerts(7, "new-3.example")[0]
    assert third["explanation"]["feedback"]["false"] == 1 and 1.9 < third["explanation"]["feedback"]["factor"] <= 2, third

    # Another life, with tokens: nobody writes without one, and the command line takes it from the configuration.
    service.kill()
    token_file = bench.folder / "tokens"
    token_file.write_text(f"reader: {READER}\nwrite soc: {TOKEN}\n")
    token_file.chmod(0o600)
    merge(service.settings, {"http": {"token_file": str(token_file)}})
    service.write()
    service.start()
    body = {"verdict": "false", "owner": "ann", "reason": "a test"}
    bench.api("POST", f"/v1/alerts/{third['uid']}/verdict", body, status=401)
    bench.api("POST", f"/v1/alerts/{third['uid']}/verdict", body, token="wrong" * 8, status=401)
    bench.api("POST", f"/v1/alerts/{third['uid']}/verdict", body, token=READER, status=403)
    assert bench.api("GET", "/v1/suppressions", token=READER)["suppressions"] == []
    assert bench.api("POST", f"/v1/alerts/{third['uid']}/verdict", body, token=TOKEN)["record"]["by"] == "soc"
    ends_by_itself(bench)
    fifth = bench.alerts(7, "new-5.example")[0]
    assert fifth["explanation"]["feedback"]["false"] == 2 and 3.8 < fifth["explanation"]["feedback"]["factor"] <= 4, fifth
    bench.judged()
    time.sleep(1)  # a last snapshot
    service.stop()

    accesses = tidewaiter("query", "--store", service.store, "--log", "access", "--where",
                          'operation startswith "POST "', "--format", "ndjson")
    statuses = [json.loads(line)["body"]["status"] for line in accesses.splitlines() if line.startswith("{")]
    assert statuses.count(200) == 6 and {400, 403, 404, 409, 415} <= set(statuses), statuses

    # Nobody owns the store now.
    done = tidewaiter_json("verdict", fifth["uid"], "true", *WHY, "--store", service.store, status=2)
    assert "--config" in done["error"]["message"], "signed heads need the key"
    written = bench.command("verdict", fifth["uid"], "true", *WHY)
    assert written["record"]["by"] == "command line"
    assert tidewaiter_json("alerts", fifth["uid"], "--store", service.store)["verdicts"][0]["verdict"] == "true"
    service.start()
    bench.produce([(hours_ago(0), 9, "new-6.example")])
    bench.judged()
    service.stop()

    for arguments in ([], ["--from-snapshot"]):
        replayed = tidewaiter_json("replay", "--store", service.store, *arguments)
        assert replayed["equal"] and replayed["replayed"] > 0, replayed["difference"]
    report = tidewaiter_json("verify", "--store", service.store, "--public-key", service.public_key)
    assert report["findings"] == [], report


def main():
    require_kafka()
    with Scratch("feedback") as folder, Kafka(folder / "kafka") as kafka:
        kafka.create_topic(TOPIC)
        run(Bench(pathlib.Path(folder), kafka))
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
