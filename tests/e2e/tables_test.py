"""User tables through the running service: events get what the tables say, a SIGHUP changes it between two messages of a
partition that are a commit or more apart, a bad file leaves the old tables in force and is named with its line, the
control log keeps every table that was in force, header lines of text formats are remembered over the reload, and a replay
gives the same alerts."""

import json
import signal

from e2e.service import Service, merge, tidewaiter, tidewaiter_json
from servers.kafka import Kafka, require_kafka
from servers.process import Scratch, wait_until

TOPIC, FLOWS = "tabled", "flows"
# Source and destination stand the other way round than in the format's usual order.
FLOW_HEADER = ("version account-id interface-id dstaddr srcaddr dstport srcport protocol packets bytes start end action "
               "log-status")
FLOW = "2 123456789012 eni-1 192.0.2.9 10.0.0.5 443 51000 6 10 {bytes} 1772600000 1772600060 ACCEPT OK"
POLICY = """version: 1
destinations:
  - {category: internal, hosts: [corp.example]}
rules:
  - {id: high-to-public, type: where, severity: high, where: "risk_tier == high and dst_category == public"}
  - {id: to-the-lab, type: where, severity: low, where: "dst_category == lab"}
"""


def event(number, app="billing", **more):
    data = {"time": f"2026-03-04T05:{number // 60:02}:{number % 60:02}Z", "principal": "p", "principal_type": "agent",
            "app": app, "action": "send", "source_id": str(number), **more}
    return {"value": json.dumps({"specversion": "1.0", "id": str(number), "source": "/t", "type": "t", "data": data})}


def produce(kafka, service, events, total):
    kafka.produce(events, topic=TOPIC)
    service.wait_stored({(TOPIC, 0): total}, timeout=30)


def stored(service):
    """Events by the number they were made with."""
    text = tidewaiter("query", "--store", service.store, "--where", "class_uid >= 0", "--format", "ndjson", "--limit", "1000")
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {row["source_id"]: row for row in (r.get("event", r) for r in rows) if "source_id" in row}


def reload(service, expected):
    before = service.log.read_text().count(expected)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log.read_text().count(expected) > before, expected, 30)


def tables_recorded(service):
    text = tidewaiter("query", "--store", service.store, "--log", "control", "--format", "raw", "--unmask")
    records = [json.loads(line) for line in text.splitlines() if line.startswith('{"type":"table"')]
    return [(record["table"], len(record["content"]["rows"])) for record in records]


def run(kafka, folder):
    service = Service(folder / "tw", {"kafka": {"properties": {"bootstrap.servers": kafka.bootstrap, "group.id": TOPIC},
                                               "topics": [TOPIC, FLOWS]}})
    write = lambda name, text: (service.folder / name).write_text(text)
    write("policy.yaml", POLICY)
    write("apps.csv", "app,risk_tier,owner,template,cost_centre\nbilling,high,ann,invoice-bot,4711\n")
    write("agents.json", '[{"agent": "p", "role": "support"}]')
    merge(service.settings, {"enrichment": {"apps": "apps.csv", "agents": "agents.json"}})
    service.write()
    service.start()
    produce(kafka, service, [event(0, dst_host="x.example", risk_tier="low"), event(1, dst_host="a.corp.example"),
                             event(2, app="crm")], 3)
    rows = stored(service)
    assert {key: rows["0"].get(key) for key in ("risk_tier", "owner", "template", "cost_centre", "role", "dst_category")} == {
        "risk_tier": "high", "owner": "ann", "template": "invoice-bot", "cost_centre": "4711", "role": "support",
        "dst_category": "public"}, rows["0"]
    assert rows["1"]["dst_category"] == "internal" and "owner" not in rows["2"], rows
    assert tables_recorded(service) == [("apps", 1), ("agents", 1)], tables_recorded(service)
    kafka.produce([{"value": FLOW_HEADER + "\n" + FLOW.format(bytes=1)}], topic=FLOWS)
    service.wait_stored({(FLOWS, 0): 1}, timeout=30)

    # A bad file: everything stays as it was.
    write("apps.csv", "app,risk_tier\nbilling,lwo\n")
    reload(service, "reload refused")
    assert "apps.csv:2: risk_tier: 'lwo' is unknown; did you mean 'low'?" in service.log.read_text()
    produce(kafka, service, [event(3)], 4)
    assert stored(service)["3"]["owner"] == "ann"
    assert len(tables_recorded(service)) == 2

    # Other tables, one more, one less.
    write("apps.csv", "app,risk_tier,owner\nbilling,low,bob\ncrm,medium,eve\n")
    write("where.csv", "destination,dst_category\nlab.corp.example,lab\n192.0.2.0/24,lab\n")
    merge(service.settings, {"enrichment": {"destinations": "where.csv"}})
    del service.settings["enrichment"]["agents"]
    service.write()
    reload(service, "policy and connectors reloaded")
    produce(kafka, service, [event(4, dst_host="x.example"), event(5, dst_host="n1.lab.corp.example"),
                             event(6, app="crm", dst_ip="192.0.2.9"), event(7, dst_host="a.corp.example")], 8)
    rows = stored(service)
    assert (rows["4"]["owner"], rows["4"]["risk_tier"], rows["4"]["dst_category"]) == ("bob", "low", "public"), rows["4"]
    assert "template" not in rows["4"] and "role" not in rows["4"], rows["4"]
    assert [rows[n]["dst_category"] for n in "567"] == ["lab", "lab", "internal"], rows
    assert rows["3"]["owner"] == "ann", "what is stored stays"
    kafka.produce([{"value": FLOW.format(bytes=2)}], topic=FLOWS)
    service.wait_stored({(FLOWS, 0): 2}, timeout=30)
    flows = {row["bytes_out"]: row for row in stored(service).values() if "bytes_out" in row}
    assert (flows[1]["dst_category"], flows[2]["dst_category"]) == ("public", "lab"), flows
    assert flows[2]["src_ip"] == "10.0.0.5", "a header line is remembered over a reload"
    assert tables_recorded(service)[2:] == [("apps", 2), ("destinations", 2), ("agents", 0)], tables_recorded(service)
    assert service.metric("tidewaiter_table_rows") == 4
    service.stop()

    # A restart with the same tables records nothing; the first alerts were given with the tables of then.
    service.start()
    produce(kafka, service, [event(8, dst_host="x.example")], 9)
    assert stored(service)["8"]["owner"] == "bob"
    assert len(tables_recorded(service)) == 5
    wait_until(lambda: service.metric("tidewaiter_detect_lag_commits") == 0, "detection to catch up", 30)
    service.stop()
    replayed = tidewaiter_json("replay", "--store", service.store)
    assert replayed["equal"] and replayed["stored"] >= 2, replayed
    alerts = tidewaiter("query", "--store", service.store, "--log", "alerts", "--format", "raw", "--unmask")
    assert alerts.count('"high-to-public"') >= 1 and alerts.count('"to-the-lab"') >= 1, alerts
    report = tidewaiter_json("verify", "--store", service.store, "--public-key", service.public_key)
    assert report["findings"] == [], report


def main():
    require_kafka()
    with Scratch("tables") as folder, Kafka(folder / "kafka") as kafka:
        for topic in (TOPIC, FLOWS):
            kafka.create_topic(topic)
        run(kafka, folder)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
