"""Scoring of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015; numenta/NAB, version 1.1), for any part of its corpus."""

import csv
import json
import math
import pathlib
import random

PROFILES = {"standard": (1, 0.11, 1), "low FP": (1, 0.22, 1), "low FN": (1, 0.11, 2)}  # weights of hit, false alarm, miss
BOOTSTRAP_DRAWS = 1000


def sigmoid(y):
    return -1.0 if y > 3 else 2 / (1 + math.exp(5 * y)) - 1


class Series:
    """Windows of one file as row numbers, and the first row that counts."""

    def __init__(self, path, windows):
        with open(path, newline="") as lines:
            times = [row["timestamp"] for row in csv.DictReader(lines)]
        self.rows = len(times)
        self.first = min(int(0.15 * self.rows), 750)
        # By row, never by time: some files repeat time stamps.
        self.windows = [(times.index(first[:19]), self.rows - 1 - times[::-1].index(last[:19])) for first, last in windows]

    def gains(self, hit, false_alarm):
        """(window or None, gain) of each row that fires."""
        inside = [None] * self.rows
        for number, (first, last) in enumerate(self.windows):
            inside[first:last + 1] = [number] * (last - first + 1)
        result, ended, waiting = [], None, sorted(self.windows, key=lambda window: window[1])
        for row in range(self.rows):
            while waiting and waiting[0][1] < row:
                ended = waiting.pop(0)
            if inside[row] is not None:
                first, last = self.windows[inside[row]]
                result.append((inside[row], hit * sigmoid(-(last - row + 1) / (last - first + 1)) / sigmoid(-1)))
            elif ended is None:
                result.append((None, -false_alarm))
            else:
                result.append((None, false_alarm * sigmoid((row - ended[1]) / (ended[1] - ended[0]))))
        return result


class Corpus:
    def __init__(self, folder, profile="standard"):
        labels = json.loads((folder / "combined_windows.json").read_text())
        self.hit, self.false_alarm, self.miss = PROFILES[profile]
        self.names = sorted(name for name in labels if (folder / "data" / name).exists())
        self.series = {name: Series(folder / "data" / name, labels[name]) for name in self.names}
        self.gains = {name: series.gains(self.hit, self.false_alarm) for name, series in self.series.items()}
        self.windows = sum(len(series.windows) for series in self.series.values())

    def sweep(self, scores, names):
        """(best raw score, its threshold) over all thresholds."""
        rows = sorted(((scores[name][row], name, *self.gains[name][row]) for name in names
                       for row in range(self.series[name].first, self.series[name].rows)), key=lambda r: -r[0])
        raw = -self.miss * sum(len(self.series[name].windows) for name in names)
        best, threshold, of_window, i = raw, 1.1, {}, 0
        while i < len(rows):
            here = rows[i][0]
            while i < len(rows) and rows[i][0] == here:
                _, name, window, gain = rows[i]
                if window is None:
                    raw += gain
                else:
                    before = of_window.get((name, window))
                    if before is None or gain > before:
                        raw += gain + self.miss if before is None else gain - before
                        of_window[name, window] = gain
                i += 1
            if raw > best:
                best, threshold = raw, here
        return best, threshold

    def raw_at(self, scores, name, threshold):
        raw, of_window = 0.0, {}
        for row in range(self.series[name].first, self.series[name].rows):
            if scores[name][row] < threshold:
                continue
            window, gain = self.gains[name][row]
            if window is None:
                raw += gain
            else:
                of_window[window] = max(of_window.get(window, -math.inf), gain)
        return raw + sum(of_window.values()) - self.miss * (len(self.series[name].windows) - len(of_window))

    def normal(self, raw, windows):
        return 100 * (raw + self.miss * windows) / ((self.hit + self.miss) * windows)

    def score(self, scores):
        """NAB's own sweep, and the threshold of each category learnt on the others."""
        swept, threshold = self.sweep(scores, self.names)
        categories = {name: pathlib.PurePath(name).parts[0] for name in self.names}
        held_out = 0.0
        for category in sorted(set(categories.values())):
            _, learnt = self.sweep(scores, [name for name in self.names if categories[name] != category])
            held_out += sum(self.raw_at(scores, name, learnt) for name in self.names if categories[name] == category)
        return self.normal(swept, self.windows), self.normal(held_out, self.windows), threshold

    def bootstrap(self, scores, threshold):
        """Where 90 % of the scores lie when series are drawn anew, at a fixed threshold."""
        raw = {name: self.raw_at(scores, name, threshold) for name in self.names}
        dice, draws = random.Random(1), []
        for _ in range(BOOTSTRAP_DRAWS):
            drawn = dice.choices(self.names, k=len(self.names))
            windows = sum(len(self.series[name].windows) for name in drawn)
            draws.append(self.normal(sum(raw[name] for name in drawn), windows))
        draws.sort()
        return draws[len(draws) // 20], draws[-len(draws) // 20]
