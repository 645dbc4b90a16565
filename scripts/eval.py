#!/usr/bin/env python3
"""Scores generated companies and labelled data of other people with bench/eval and prints the tables of docs/detectors.md.

The companies come from `tidewaiter generate --company full` and `other`, through a pipe: they need no room on disk.
The labelled data is not part of the project. DIR holds (what is missing is left out, with a word):
  darpa/darpa_original.zip             src,dst,MM/DD/YYYY-HH:MM,attack (github.com/Stream-AD/MIDAS, data/DARPA)
  nab/data/*/*.csv, nab/combined_windows.json  series and labels, or a part of them (github.com/numenta/NAB)
  hdfs/hdfs_train, hdfs_test_abnormal  a session of event ids per line (github.com/d0ng1ee/logdeep, data/hdfs)
  kpi/*.csv  timestamp,value,label (github.com/NetManAIOps/donut, sample_data)
  email/email-Eu-core-temporal.txt.gz  sender receiver seconds (SNAP)
"""

import argparse
import csv
import calendar
import gzip
import io
import json
import pathlib
import random
import statistics
import subprocess
import sys
import zipfile

import kpi
import nab

COMPANIES = {"full": 20_000_000, "other": 8_000_000}  # and their events
ABLATIONS = ["flow", "volume", "silence", "burst", "sequence", "rhythm", "health", "winsorising", "hierarchy", "affinity", "scales",
             "calibration", "correction", "combination"]
EDGE_ABLATIONS = ["winsorising", "affinity", "scales", "calibration"]
# Recall and median time to detect that are asked of the full company, in the order in which they are told.
SCENARIO_AIMS = {
    "forbidden_flow": "1.00, at the event", "bulk_new_destination": "0.99, 5 min", "bulk_known_destination": "0.95, 1 h",
    "bulk_known_sparse": "-",
    "low_and_slow_30": "0.80, 5 days", "low_and_slow_10": "0.50, 14 days", "off_hours_export": "0.85, 2 h",
    "new_data_class": "0.95, same window", "smurfing": "0.95, 30 min", "rate_burst_10": "0.99, 1 min",
    "rate_burst_3": "0.85, 5 min", "rare_chain": "0.85, end of session", "beacon": "0.90, 6 h",
    "peer_imitation": "0.60, 1 day", "poisoned_ramp": "0.80",
    "app_errors": "0.75, 2 h (our own)", "app_slow": "0.75, 2 h (our own)",
}
SERIES_DETECTORS = ["service", "random-cut-forest", "half-space-trees", "windowed-gaussian", "static-threshold"]
EDGE_DETECTORS = ["service", "burst", "contact", "midas-f", "count", "never-seen"]
DARPA_PERMUTATIONS = 5
EMAIL_SEEDS = 5
EMAIL_WARM_UP = 0.4
EMAIL_INJECTED_PER_ROW = 1 / 1000
EMAIL_RECENT_SENDERS = 2000


def darpa_minute(text):
    """Minutes since 1970. The file has days such as 07/32: they follow the month's last."""
    month, day, year = int(text[0:2]), int(text[3:5]), int(text[6:10])
    first = calendar.timegm((year, month, 1, int(text[11:13]), int(text[14:16]), 0))
    return first // 60 + (day - 1) * 1440


def write_darpa(archive, folder):
    """One file per numbering of the addresses."""
    paths = [folder / f"darpa{i}.csv" for i in range(1, DARPA_PERMUTATIONS + 1)]
    if all(path.exists() for path in paths):
        return paths
    with zipfile.ZipFile(archive) as packed:
        name = next(n for n in packed.namelist() if n.endswith(".csv"))
        rows = [line.rstrip().split(",") for line in io.TextIOWrapper(packed.open(name))]
    addresses = sorted({row[0] for row in rows} | {row[1] for row in rows})
    minutes = {text: darpa_minute(text) for text in {row[2] for row in rows}}
    for seed, path in enumerate(paths, 1):
        numbers = list(range(len(addresses)))
        random.Random(seed).shuffle(numbers)
        number = dict(zip(addresses, numbers))
        with open(path, "w") as out:
            out.write("time,src,dst,label\n")
            for source, destination, text, label in rows:
                out.write(f"{minutes[text]},{number[source]},{number[destination]},{label}\n")
    return paths


def write_email(packed, folder):
    """One file per seed: at 1 in 1,000 rows a sender of the last 2,000 rows writes to somebody it never wrote to."""
    paths = [folder / f"email{i}.csv" for i in range(1, EMAIL_SEEDS + 1)]
    with gzip.open(packed, "rt") as lines:
        rows = sorted((tuple(int(x) for x in line.split()) for line in lines), key=lambda row: row[2])
    people = sorted({row[0] for row in rows} | {row[1] for row in rows})
    warm_up = int(len(rows) * EMAIL_WARM_UP)
    for seed, path in enumerate(paths, 1):
        dice, known = random.Random(seed), set()
        with open(path, "w") as out:
            out.write("time,src,dst,label\n")
            for i, (source, destination, time) in enumerate(rows):
                out.write(f"{time},{source},{destination},0\n")
                known.add((source, destination))
                if i < warm_up or dice.random() >= EMAIL_INJECTED_PER_ROW:
                    continue
                while True:
                    who, whom = rows[dice.randrange(i - EMAIL_RECENT_SENDERS + 1, i + 1)][0], dice.choice(people)
                    if who != whom and (who, whom) not in known:
                        break
                out.write(f"{time},{who},{whom},injected\n")
                known.add((who, whom))
    return paths, warm_up


def evaluate(tool, *arguments):
    done = subprocess.run([tool, *map(str, arguments), "--json", "-"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def scores_of(tool, folder, train, test):
    """One score per line of `test`."""
    files = [folder / name for name in ("sessions.train", "sessions.test", "sessions.scores")]
    files[0].write_text("".join(train))
    files[1].write_text("".join(test))
    evaluate(tool, "sessions", "--train", files[0], files[1], "--out", files[2])
    return [float(line) for line in files[2].read_text().split()]


def session_table(tool, data, folder):
    """Learnt on one half of the normal sessions, the other half scored against the abnormal ones; both ways round."""
    normal = (data / "hdfs_train").read_text().splitlines(keepends=True)
    abnormal = (data / "hdfs_test_abnormal").read_text().splitlines(keepends=True)
    half = len(normal) // 2
    lines = ["**HDFS sessions**", "", "| learnt on | AUC | recall at 1 % false positives |", "|---|---|---|"]
    for name, train, test in (("first half", normal[:half], normal[half:]), ("second half", normal[half:], normal[:half])):
        scores = scores_of(tool, folder, train, test + abnormal)
        ranked = sorted(zip(scores, [0] * len(test) + [1] * len(abnormal)))
        below, area, i = 0, 0.0, 0
        while i < len(ranked):
            j = i
            while j < len(ranked) and ranked[j][0] == ranked[i][0]:
                j += 1
            ties = [label for _, label in ranked[i:j]]
            ties_normal = ties.count(0)
            area += (len(ties) - ties_normal) * (below + ties_normal / 2)
            below += ties_normal
            i = j
        limit = sorted(scores[:len(test)], reverse=True)[len(test) // 100]
        recall = sum(score > limit for score in scores[len(test):]) / len(abnormal)
        lines.append(f"| {name} | {area / len(test) / len(abnormal):.4f} | {recall:.3f} |")
    return "\n".join(lines)


def nab_table(tool, data, folder):
    names = list(nab.Corpus(data).names)
    lines = [f"**NAB, {len(names)} series**", "", "| detector | profile | NAB's sweep (90 % of bootstrap draws of series) "
             "| threshold learnt on the other categories |", "|---|---|---|---|"]
    for detector in SERIES_DETECTORS:
        scores = {}
        for name in names:
            out = folder / "series.scores"
            evaluate(tool, "series", data / "data" / name, "--out", out, "--detector", detector)
            scores[name] = [float(line.rpartition(",")[2]) for line in out.read_text().splitlines()[1:]]
        for profile in nab.PROFILES if detector == "service" else ["standard"]:
            corpus = nab.Corpus(data, profile)
            swept, held_out, threshold = corpus.score(scores)
            low, high = corpus.bootstrap(scores, threshold)
            lines.append(f"| {detector} | {profile} | {swept:.2f} ({low:.0f} to {high:.0f}) | {held_out:.2f} |")
    return "\n".join(lines)


def kpi_table(tool, files, folder):
    lines = [f"**KPI curves: F1 of the second half, alarms no later than {kpi.DELAY_POINTS} points**", "",
             "| detector | series | threshold of the first half | best there is (labels seen) |", "|---|---|---|---|"]
    for detector in SERIES_DETECTORS:
        for file in files:
            with open(file) as rows:
                labels = [int(row["label"] or 0) for row in csv.DictReader(rows)]
            out = folder / "series.scores"
            evaluate(tool, "series", file, "--out", out, "--detector", detector)
            scores = [float(line.rpartition(",")[2]) for line in out.read_text().splitlines()[1:]]
            fixed, best = kpi.halves(scores, labels)
            lines.append(f"| {detector} | {file.stem} | {fixed:.2f} | {best:.2f} |")
    return "\n".join(lines)


def play(options, company, seed, *arguments):
    """A company through `eval scenarios`; its events go through a pipe, behind the truth."""
    folder = options.work / "company"
    folder.mkdir(exist_ok=True)
    events = options.events or COMPANIES[company]
    generate = [options.generator, "generate", "--quiet", "--company", company, "--seed", str(seed), "--events", str(events),
                "--truth", folder / "truth.json"]
    events_file = folder / "events.ndjson"
    events_file.unlink(missing_ok=True)
    events_file.symlink_to("/dev/stdin")
    with subprocess.Popen(generate, stdout=subprocess.PIPE) as made:
        done = subprocess.run([options.tool, "scenarios", folder, "--json", "-", *arguments], check=True, stdin=made.stdout,
                              stdout=subprocess.PIPE)
    if made.returncode:
        raise SystemExit(f"company {company}, seed {seed}: generate exited with {made.returncode}")
    return json.loads(done.stdout)


def span(seconds):
    if seconds is None:
        return "-"
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def merged(entries):
    """The reports of one detector over several seeds as one."""
    scenarios = {}
    for entry in entries:
        for of in entry["scenarios"]:
            into = scenarios.setdefault(of["scenario"], {"incidents": 0, "delays": [], "by": {}})
            into["incidents"] += of["incidents"]
            into["delays"] += of["delays_s"]
            for name, count in of.get("found_by", {}).items():
                into["by"][name] = into["by"].get(name, 0) + count
    def mean(key):
        return statistics.mean(entry[key] for entry in entries)
    return {"scenarios": scenarios, "per_day": mean("incidents_per_day"), "false": mean("false_incidents_per_day"),
            "most": max(entry["most_incidents_on_a_day"] for entry in entries), "ns": mean("ns_per_event"),
            "false_policy": mean("false_policy_incidents_per_day") if "policy_incidents_per_day" in entries[0] else None}


def company_tables(options, company):
    reports = [play(options, company, seed, "--detector", "all") for seed in range(1, options.seeds + 1)]
    detectors = {}
    for report in reports:
        for i, entry in enumerate(report["detectors"]):
            budget = "" if entry["detector"] == "service" else ", 10 a day" if i % 2 else ", as many as the service"
            detectors.setdefault((entry["detector"], budget), []).append(entry)
    detectors = {name: merged(entries) for name, entries in detectors.items()}
    ours = detectors["service", ""]
    others = [name for name, budget in detectors if "10" in budget]
    lines = [f"**Company {company}**, {options.seeds} seeds of {reports[0]['events']:,} events, {options.seeds * 4} incidents of each "
             "scenario; the others at the threshold that makes 10 incidents a day", "",
             "| scenario | asked | service | median | found by | " + " | ".join(others) + " |", "|---" * (5 + len(others)) + "|"]
    for scenario, aim in SCENARIO_AIMS.items():
        if scenario not in ours["scenarios"]:
            continue
        def recall(of):
            return f"{len(of['delays']) / of['incidents']:.2f}"
        mine = ours["scenarios"][scenario]
        middle = span(statistics.median(mine["delays"]) if mine["delays"] else None)
        by = ", ".join(f"{name} {count}" for name, count in sorted(mine["by"].items())) or "-"
        cells = [recall(detectors[name, ", 10 a day"]["scenarios"][scenario]) for name in others]
        lines.append(f"| {scenario} | {aim} | {recall(mine)} | {middle} | {by} | " + " | ".join(cells) + " |")
    lines += ["", "| detector | recall of all | incidents a day | at most on a day | false a day | ns per event |", "|---|---|---|---|---|---|"]
    for (name, budget), of in detectors.items():
        all_found = sum(len(each["delays"]) for each in of["scenarios"].values())
        all_there = sum(each["incidents"] for each in of["scenarios"].values())
        lines.append(f"| {name}{budget} | {all_found / all_there:.2f} | {of['per_day']:.2f} | {of['most']} | {of['false']:.2f} | {of['ns']:.0f} |")
    lines += ["", f"False incidents of policy: {ours['false_policy']:.2f} a day."]
    return "\n".join(lines)


def ablation_table(options):
    lines = ["**Ablations**, company full, seed 1: detectors, and parts of them (`eval --help`)", "",
             "| service without | recall of all | false a day | ns per event |", "|---|---|---|---|"]
    for name in [None, *ABLATIONS]:
        report = play(options, "full", 1, *(["--without", name] if name else []))
        of = merged(report["detectors"])
        found = sum(len(each["delays"]) for each in of["scenarios"].values())
        there = sum(each["incidents"] for each in of["scenarios"].values())
        lines.append(f"| {name or 'nothing'} | {found / there:.2f} | {of['false']:.2f} | {of['ns']:.0f} |")
    return "\n".join(lines)


def figures(reports):
    """Mean of each figure; of the area also the least."""
    def mean(read):
        return sum(read(r) for r in reports) / len(reports)
    return {
        "auc": mean(lambda r: r["auc"]), "auc_min": min(r["auc"] for r in reports),
        "ap": mean(lambda r: r["average_precision"]),
        "episodes": [mean(lambda r, i=i: r["budgets"][i]["episode_recall"]) for i in range(3)],
        "long": [mean(lambda r, i=i: r["budgets"][i]["episode_recall_of_10_rows"]) for i in range(3)],
        "rows": [mean(lambda r, i=i: r["budgets"][i]["row_recall_when_rows_are_alerts"]) for i in range(3)],
        "delay": mean(lambda r: r["budgets"][2]["median_minutes_to_detect"]),
        "ns": mean(lambda r: r["ns_per_row"]), "rate": mean(lambda r: r["rows_per_s"]) / 1e6,
    }


def edge_table(title, last_column, key, results):
    def triple(values):
        return " / ".join(f"{value:.2f}" for value in values)
    lines = [f"**{title}**", "",
             f"| detector | AUC (least of all runs) | AP | recall of episodes at 1 / 5 / 10 incidents a day | {last_column} "
             "| minutes to detect | ns per row | M rows/s |", "|---|---|---|---|---|---|---|---|"]
    for name, f in results.items():
        lines.append(f"| {name} | {f['auc']:.4f} ({f['auc_min']:.4f}) | {f['ap']:.3f} | {triple(f['episodes'])} | {triple(f[key])} "
                     f"| {f['delay']:.0f} | {f['ns']:.0f} | {f['rate']:.2f} |")
    return "\n".join(lines)


def data_tables(options):
    darpa = options.data / "darpa" / "darpa_original.zip"
    if darpa.exists():
        paths = write_darpa(darpa, options.work)
        results = {name: figures([evaluate(options.tool, "edges", path, "--detector", name) for path in paths])
                   for name in EDGE_DETECTORS}
        results |= {f"service without {part}": figures([evaluate(options.tool, "edges", paths[0], "--without", part)])
                    for part in EDGE_ABLATIONS}
        yield edge_table(f"DARPA 1998, {DARPA_PERMUTATIONS} numberings of the addresses", "of those of 10 rows and more",
                         "long", results)
    email = options.data / "email" / "email-Eu-core-temporal.txt.gz"
    if email.exists():
        paths, warm_up = write_email(email, options.work)
        results = {name: figures([evaluate(options.tool, "edges", path, "--detector", name, "--figures-from", warm_up)
                                  for path in paths]) for name in EDGE_DETECTORS}
        results |= {f"service without {part}": figures([evaluate(options.tool, "edges", paths[0], "--without", part,
                                                                 "--figures-from", warm_up)]) for part in EDGE_ABLATIONS}
        yield edge_table(f"E-mail graph with injected rows, {EMAIL_SEEDS} seeds", "recall of rows when each is an alert",
                         "rows", results)
    hdfs = options.data / "hdfs"
    if hdfs.exists():
        yield session_table(options.tool, hdfs, options.work)
    series = options.data / "nab"
    if series.exists():
        yield nab_table(options.tool, series, options.work)
    curves = options.data / "kpi"
    if files := sorted(curves.glob("*.csv")):
        yield kpi_table(options.tool, files, options.work)
    for missing in (path for path in (curves, darpa, email, hdfs, series) if not path.exists()):
        print(f"{missing} is not there: left out", file=sys.stderr)


def tables(options):
    if options.generator:
        for company in COMPANIES:
            yield company_tables(options, company)
        yield ablation_table(options)
    if options.data:
        yield from data_tables(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--generator", help="build/release/tidewaiter; left out = no companies")
    parser.add_argument("--seeds", type=int, default=5, help="of each company (5)")
    parser.add_argument("--events", type=int, help="of each seed, in place of 20,000,000 and 8,000,000")
    parser.add_argument("--data", type=pathlib.Path, help="DIR; left out = companies alone")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="prepared files and the tables go here")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with open(options.work / "tables.md", "w") as out:
        for table in tables(options):  # each as soon as it is there
            print(table, end="\n\n", flush=True)
            print(table, end="\n\n", file=out, flush=True)


if __name__ == "__main__":
    main()
