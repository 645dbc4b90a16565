"""`tidewaiter ingest` killed at each of its failpoints, again and again, and called again each time: when it is through, the
store is sound, every line is there once, and lines and alerts are byte for byte those of an undisturbed call. And `recover`
killed at each step of beginning a generation: it can be called again, and the store goes on. And an older copy put in place
of the store: seen by the head file outside."""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time

from e2e.service import BINARY, tidewaiter, tidewaiter_json
from e2e.torture_oracle import identity, without_commits
from e2e.torture_test import EVENT_LOGS, failpoints
from servers.process import Scratch

LINES = 40_000
ELSEWHERE = ("kafka-",)  # there is no Kafka
SELDOM = ("cursor-", "snapshot-")


def killed_at(name, nth, *command):
    """Runs a command with a failpoint; whether it was reached."""
    done = subprocess.run([BINARY, *map(str, command)], env={**os.environ, "TIDEWAITER_FAILPOINT": f"{name}:{nth}:kill"},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, -signal.SIGKILL), (name, nth, done.returncode, done.stderr[-2000:])
    return done.returncode != 0


def configuration(folder):
    tidewaiter("init", folder)
    settings = {"version": 1, "policy_file": str(folder / "policy.yaml"),
                "store": {"directory": "unused", "signing_key_file": str(folder / "tidewaiter.key"),
                          "head_file": str(folder / "outside" / "heads"), "checkpoint_interval_ms": 20,
                          "segment_records": 1024, "commit_bytes": "64KiB"},
                "detect": {"snapshot_interval_ms": 100, "false_alerts_per_day": 20, "alerts_per_day_max": 1000}}
    file = folder / "service.yaml"
    file.write_text(json.dumps(settings))
    return file


def contents(store):
    rows = {log: tidewaiter("query", "--store", store, "--log", log, "--format", "raw", "--unmask")
            for log in ("alerts", *EVENT_LOGS)}
    alerts = [json.loads(line) for line in rows["alerts"].splitlines()]
    assert len(alerts) > 20 and len({identity(alert) for alert in alerts}) == len(alerts)
    return rows


def expect_sound(store, key, lines):
    report = tidewaiter_json("verify", "--store", store, "--public-key", key)
    assert report["verdict"] == "authentic", report
    [part] = tidewaiter_json("coverage", "--store", store)["partitions"]
    assert part["gaps"] == [] and part["held"] == [[0, lines]], part
    assert tidewaiter_json("stats", "--store", store)["balanced"]
    assert tidewaiter_json("replay", "--store", store)["equal"]


def ingest_is_exact_however_often_it_is_killed(folder, dice):
    file = folder / "events.ndjson"
    file.write_text(tidewaiter("generate", "--events", LINES, "--seed", 5, "--quiet", "--malformed", "0"))
    lines = len(file.read_text().splitlines())
    results = []
    for disturbed in (False, True):
        place = folder / ("disturbed" if disturbed else "undisturbed")
        config, store = configuration(place), place / "store"
        command = ("ingest", file, "--store", store, "--config", config)
        reached = {name: 0 for name in failpoints() if not name.startswith(ELSEWHERE)} if disturbed else {}
        # What is passed seldom comes last: a call that is not killed is through with the file.
        for name in sorted(dice.sample(sorted(reached), len(reached)), key=lambda name: name.startswith(SELDOM)):
            reached[name] += killed_at(name, 1, *command)
        tidewaiter(*command)
        if disturbed:
            print("ingest killed at", ", ".join(name for name, count in reached.items() if count))
        assert not disturbed or sum(reached.values()) > len(reached) * 2 // 3, reached
        expect_sound(store, place / "tidewaiter.pub", lines)
        results.append(contents(store))
    for log, rows in results[0].items():
        assert without_commits(rows) == without_commits(results[1][log]), f"log {log} differs from the undisturbed one"


def recover_can_be_called_again(folder):
    """An older copy put in place of the store does not fit the heads outside."""
    place, file = folder / "undisturbed", folder / "more.ndjson"
    store, older = place / "store", folder / "older"
    shutil.copytree(store, older)
    file.write_text(tidewaiter("generate", "--events", 500, "--seed", 6, "--quiet"))
    ingest = ("ingest", file, "--store", store, "--config", place / "service.yaml")
    tidewaiter(*ingest)
    heads = (place / "outside" / "heads").read_text()
    command = ("recover", "--store", store, "--config", place / "service.yaml", "--reread")
    names = [name for name in failpoints() if re.match("commit-|checkpoint-|head-file-", name)]
    for name in names:
        shutil.rmtree(store)
        shutil.copytree(older, store)
        (place / "outside" / "heads").write_text(heads)
        assert "recover --store" in tidewaiter(*ingest, status=3, stderr=subprocess.STDOUT), name
        assert killed_at(name, 1, *command), name
        assert "generation 2" in tidewaiter(*command), name
        tidewaiter(*ingest)
        report = tidewaiter_json("verify", "--store", store, "--public-key", place / "tidewaiter.pub")
        assert report["verdict"] == "authentic" and report["generation"] == 2, (name, report)
    print("recover killed at", ", ".join(names))


def an_older_copy_is_seen_by_the_next_ingest(folder):
    """By the head file outside, and by nothing else: the copy has all of its own heads."""
    place, first, more = folder / "copied", folder / "first.ndjson", folder / "second.ndjson"
    place.mkdir()
    config, store, outside = configuration(place), place / "store", place / "outside" / "heads"
    for file, seed in ((first, 7), (more, 8)):
        file.write_text(tidewaiter("generate", "--events", 500, "--seed", seed, "--quiet"))
    tidewaiter("ingest", first, "--store", store, "--config", config)
    shutil.copytree(store, place / "older")
    tidewaiter("ingest", more, "--store", store, "--config", config)
    kept = outside.read_bytes()
    shutil.rmtree(store)
    shutil.copytree(place / "older", store)
    before = tidewaiter_json("coverage", "--store", store)
    said = tidewaiter("ingest", more, "--store", store, "--config", config, status=3, stderr=subprocess.STDOUT)
    print(said.strip())
    assert "does not fit its newest head" in said and str(outside) in said and "was signed at" in said, said
    assert outside.read_bytes() == kept and tidewaiter_json("coverage", "--store", store) == before, "nothing is touched"
    # Each of the two commands goes on as it is named, in the open.
    commands = [shlex.split(text)[1:] for text in re.findall(r"'(tidewaiter recover [^']*)'", said)]
    assert len(commands) == 2 and "--reread" in commands[0] and "--accept-loss" in commands[1], said
    for command in commands:
        shutil.rmtree(store)
        shutil.copytree(place / "older", store)
        outside.write_bytes(kept)
        assert "generation 2" in tidewaiter(*command)
        tidewaiter("ingest", more, "--store", store, "--config", config)
        report = tidewaiter_json("verify", "--store", store, "--public-key", place / "tidewaiter.pub")
        assert report["verdict"] == "authentic" and report["generation"] == 2, report
        report = tidewaiter_json("verify", "--store", store, "--public-key", place / "tidewaiter.pub",
                                 "--against", outside)
        assert report["verdict"] == "authentic", report


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=int(time.time()))
    options = options.parse_args()
    print(f"seed {options.seed}", flush=True)
    with Scratch("ingest-kill") as folder:
        ingest_is_exact_however_often_it_is_killed(folder, random.Random(options.seed))
        recover_can_be_called_again(folder)
        an_older_copy_is_seen_by_the_next_ingest(folder)
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main()
