"""What must hold of a store whose service was killed: the promises, read from the store alone."""

import json
import re

from e2e.main_job_test import involved, flatten, stored_alerts
from e2e.service import tidewaiter, tidewaiter_json


def expect_sound(service):
    """After each kill: the store opens and verifies (leaves, tree, heads, offsets, counters, columns), and every
    partition is held in one piece. Returns {(topic, partition): next offset}."""
    # A store killed before its first head can be no more than consistent, which is exit status 1.
    report = tidewaiter_json("verify", "--store", service.store, "--public-key", service.public_key, status=None)
    if not report.get("commit") and "tidewaiter runs" not in service.log.read_text():
        return {}  # killed while the store was being made
    has_heads = any(log["heads"] for log in report["logs"])
    assert report["verdict"] == ("authentic" if has_heads else "consistent") and report["findings"] == [], report
    held = {}
    for part in service.coverage()["partitions"]:
        assert part["gaps"] == [], f"a gap: {part}"
        assert len(part["held"]) <= 1 and all(first == 0 for first, _ in part["held"]), f"holes: {part}"
        held[(part["topic"], part["partition"])] = part["held"][0][1] if part["held"] else 0
    return held


def expect_no_going_back(before, now):
    """What was once durable is still there."""
    lost = {key: (offset, now.get(key, 0)) for key, offset in before.items() if now.get(key, 0) < offset}
    assert not lost, f"was stored and is no more: {lost}"


def expect_complete(service, ends):
    """At the end of a round. Returns the stored alerts."""
    held = expect_sound(service)
    assert held == ends, (held, ends)
    stats = service.stats()
    stored = sum(stats["records_by_kind"].get(kind, 0) for kind in ("event", "unmapped", "reject", "tombstone", "conflict"))
    assert stats["balanced"] and stored == sum(ends.values()) == stats["read"] - stats["duplicates"], stats
    assert stats["records_by_kind"].get("conflict", 0) == 0, stats
    alerts = stored_alerts(service)
    assert len({identity(alert) for alert in alerts}) == len(alerts), "an alert is stored twice"
    replay = tidewaiter_json("replay", "--store", service.store)
    assert replay["equal"] and replay["stored"] == len(alerts), replay
    assert "replaying detection gave other alerts" not in service.log.read_text()
    return alerts


def identity(alert):
    return f"{alert['uid']}.{alert['revision']}"


def without_commits(rows):
    """Where commits are cut is a matter of time: receipts of detection name them, and agree in all else."""
    return re.sub(r'"first_commit":\d+,"last_commit":\d+', '"commits":"-"', rows)


def expect_delivered(alerts, file):
    """Each alert has reached the receiver at least once, and nothing else has."""
    received = set()
    for line in file.read_text().splitlines():
        fields = json.loads(line)["fields"]
        received.add(f"{fields['uid']}.{fields['revision']}")
    assert received == {identity(alert) for alert in alerts}, (len(received), len(alerts))


def incidents_found(truth, alerts):
    """The injected incidents that an alert names in their time."""
    return {incident["id"] for incident in truth["incidents"] for alert in alerts
            if alert["kind"] == "alert" and alert["window"]["end"] >= incident["start"]
            and involved(incident) & set(map(str, flatten(alert)))}


def bytes_of(service, log):
    """A log's records, byte for byte as they came, in order."""
    return tidewaiter("query", "--store", service.store, "--log", log, "--format", "raw", "--unmask")
