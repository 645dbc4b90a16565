"""`tidewaiter backtest` on a stored month: the configuration that judged it gives the same alerts, a stricter policy its
new ones and nothing else, a detector that is switched off takes its own away; ranges, warm-up, --against, JSON, exit
status. And a changed category of a destination reaches the rules that ask for it."""

import json
import subprocess

from e2e.service import tidewaiter, tidewaiter_json
from servers.process import Scratch

EVENTS = 60_000
STRICT_RULE = """
  - id: no-high-sends
    type: where
    severity: low
    where: action == send and risk_tier >= high
"""


def configuration(folder, name, policy, **detect):
    (folder / f"{name}-policy.yaml").write_text(policy)
    settings = {"version": 1, "policy_file": f"{name}-policy.yaml", "store": {"directory": "unused"},
                # Sensitive on purpose: what is compared is many alerts, not good ones.
                "detect": {"false_alerts_per_day": 200, "alerts_per_day_max": 1000, "volume_min_bytes": 1000, **detect}}
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(settings))
    return file


def with_rule(policy):
    lines = policy.splitlines()
    at = lines.index("rules:") + 1
    return "\n".join(lines[:at]) + STRICT_RULE + "\n".join(lines[at:]) + "\n"


def rule_counts(report):
    return {rule["rule"]: (rule["new"], rule["gone"], rule["moved"]) for rule in report["rules"]
            if rule["new"] or rule["gone"] or rule["moved"]}


def stored(store):
    text = tidewaiter("query", "--store", store, "--log", "alerts", "--format", "raw", "--unmask")
    return [alert for alert in map(json.loads, text.splitlines()) if alert["kind"] == "alert"]


def the_configuration_that_judged_it_gives_the_same(store, same):
    report = tidewaiter_json("backtest", "--store", store, "--config", same)
    alerts = stored(store)
    detectors = {alert["detector"] for alert in alerts}
    assert len(alerts) > 100 and detectors >= {"policy", "flow", "volume", "silence"}, (len(alerts), detectors)
    assert report["ok"] and report["same"] == len(alerts) == report["before"]["alerts"] == report["after"]["alerts"], report
    assert (report["new"], report["gone"], report["moved"]) == (0, 0, 0) and rule_counts(report) == {}, report
    assert report["events"] == report["events_played"] and report["events"] >= EVENTS * 0.99, report
    assert report["before"]["held_back"] == report["after"]["held_back"] > 0, report
    assert 27 < report["days"] < 29 and report["events_per_second"] > 0, report
    text = tidewaiter("backtest", "--store", store, "--config", same)
    assert f"fine: {len(alerts)} the same, 0 new (allowed 0)" in text, text
    return alerts


def a_stricter_policy_gives_its_alerts(store, same, strict):
    command = ("backtest", "--store", store, "--config", strict)
    report = tidewaiter_json(*command, status=1)
    assert not report["ok"] and list(rule_counts(report)) == ["no-high-sends"], rule_counts(report)
    count = report["new"]
    assert rule_counts(report)["no-high-sends"] == (count, 0, 0) and count > 10, report
    [rule] = [rule for rule in report["rules"] if rule["rule"] == "no-high-sends"]
    examples = rule["examples"]["new"]
    assert len(examples) == 3 and all(len(e["uid"]) == 64 and e["title"] and e["entity"]["id"] for e in examples), examples
    # What it would have alerted is what the log says: an hour and a principal of such an event, once.
    rows = tidewaiter("query", "--store", store, "--where", "action == send and risk_tier >= high", "--format", "ndjson")
    pairs = {(row["event"]["time"][:13], row["event"].get("principal") or row["event"].get("app"))
             for row in map(json.loads, rows.splitlines())}
    assert count == len(pairs), (count, len(pairs))

    assert tidewaiter_json(*command, "--max-new", count)["ok"]
    assert not tidewaiter_json(*command, "--max-new", count - 1, status=1)["ok"]
    text = tidewaiter(*command, status=1)
    assert "\nnew\n" in text and "DIFFERENT" in text and "no-high-sends" in text, text
    backwards = tidewaiter_json("backtest", "--store", store, "--config", same, "--against", strict, status=1)
    assert rule_counts(backwards) == {"no-high-sends": (0, count, 0)}, rule_counts(backwards)
    assert backwards["before"]["cpu_ns_per_event"] > 0 and backwards["before"]["alerts"] == report["after"]["alerts"]


def a_detector_that_is_off_takes_its_alerts_away(store, quiet, alerts):
    report = tidewaiter_json("backtest", "--store", store, "--config", quiet, "--max-new", 1000, "--max-moved", 1000, status=1)
    flows = sum(alert["detector"] == "flow" for alert in alerts)
    gone = sum(rule["gone"] for rule in report["rules"] if rule["detector"] == "flow")
    assert flows == gone > 0 and report["gone"] == gone, (flows, gone, report["gone"])


def only_the_range_is_compared(store, same, strict, alerts):
    limits = ("2025-09-10", "2025-09-20")
    inside = sum(limits[0] <= alert["time"][:10] < limits[1] for alert in alerts)
    range_of = ("--from", limits[0], "--to", limits[1])
    report = tidewaiter_json("backtest", "--store", store, "--config", same, *range_of)
    assert report["same"] == inside == report["after"]["alerts"] > 0, (report, inside)
    assert abs(report["days"] - 10) < 0.01 and report["first_commit"] == 1, report
    assert 0 < report["events"] < report["events_played"], report
    # One detector needs no history: with a day of it, policy gives the same.
    short = tidewaiter_json("backtest", "--store", store, "--config", strict, "--against", same, *range_of, "--warm-up", "1d", status=1)
    assert list(rule_counts(short)) == ["no-high-sends"], rule_counts(short)
    assert short["first_commit"] > 1 and short["events_played"] < report["events_played"], short
    whole = tidewaiter_json("backtest", "--store", store, "--config", strict, "--against", same, *range_of, status=1)
    assert rule_counts(whole) == rule_counts(short), (rule_counts(whole), rule_counts(short))


def another_category_of_a_destination_counts(folder, store, same, policy):
    """Everything below .com becomes internal: no rule about public hosts applies to it any more."""
    other = configuration(folder, "friendly", policy.replace(
        "destinations:\n", "destinations:\n  - {category: internal, hosts: [com, net, org, io, example]}\n", 1))
    report = tidewaiter_json("backtest", "--store", store, "--config", other, "--max-new", 100000, "--max-moved", 100000, status=1)
    rules = rule_counts(report)
    assert rules["sensitive-data-to-public"][1] > 0, rules


def mistakes_are_named(folder, store, same):
    bad = folder / "bad.yaml"
    bad.write_text("version: 1\nstore: {directory: x}\ndetekt: {}\n")
    for arguments, words in (
        (("--config", bad), "did you mean 'detect'"),
        (("--config", folder / "missing.yaml"), "missing.yaml"),
        (("--config", same, "--from", "yesterday"), "--from: 'yesterday' is no time"),
        (("--config", same, "--from", "2025-09-20", "--to", "2025-09-10"), "--from must be before --to"),
        (("--config", same, "--warm-up", "7d"), "--warm-up goes with --from"),
        (("--config", same, "--from", "2031-01-01"), "nothing to compare"),
        (("--config", same, "--from", "2031-01-01", "--warm-up", "1d"), "nothing to compare"),
    ):
        said = tidewaiter("backtest", "--store", store, *arguments, status=2, stderr=subprocess.STDOUT)
        assert words in said, (arguments, said)
    tidewaiter("backtest", "--store", folder / "nowhere", "--config", same, status=3)
    error = tidewaiter_json("backtest", "--store", store, "--config", bad, status=2)["error"]
    assert error["code"] == "invalid_argument", error
    assert "Exit status: 0" in tidewaiter("backtest", "--help")


def main():
    with Scratch("backtest") as folder:
        tidewaiter("init", folder / "init")
        policy = (folder / "init" / "policy.yaml").read_text()
        same = configuration(folder, "same", policy)
        strict = configuration(folder, "strict", with_rule(policy))
        quiet = configuration(folder, "quiet", policy, flow=False)
        file, store = folder / "events.ndjson", folder / "store"
        file.write_text(tidewaiter("generate", "--events", EVENTS, "--seed", 5, "--quiet"))
        tidewaiter("ingest", file, "--store", store, "--config", same)
        alerts = the_configuration_that_judged_it_gives_the_same(store, same)
        a_stricter_policy_gives_its_alerts(store, same, strict)
        a_detector_that_is_off_takes_its_alerts_away(store, quiet, alerts)
        only_the_range_is_compared(store, same, strict, alerts)
        another_category_of_a_destination_counts(folder, store, same, policy)
        mistakes_are_named(folder, store, same)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
