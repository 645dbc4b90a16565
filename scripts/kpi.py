"""F1 of point labels where an alarm counts only in time, as in the AIOps challenge of 2018 (Ren et al., "Time-series anomaly
detection service at Microsoft", KDD 2019, section 5): a labelled segment is found, with all of its points, when a point of it
no later than `delay` points behind its first one is an alarm; alarms outside of segments are false."""

DELAY_POINTS = 7


def segments(labels):
    """(first, end) of each run of labelled points."""
    runs, first = [], None
    for at, label in enumerate(labels + [0]):
        if label and first is None:
            first = at
        elif not label and first is not None:
            runs.append((first, at))
            first = None
    return runs


class Curve:
    """What each threshold gives on one series of scores and labels."""

    def __init__(self, scores, labels, delay=DELAY_POINTS):
        runs = segments(labels)
        self.segments = sorted((max(scores[first:min(end, first + delay + 1)]), end - first) for first, end in runs)
        self.outside = sorted(score for score, label in zip(scores, labels) if not label)
        self.positive = sum(end - first for first, end in runs)

    def f1(self, threshold):
        hits = sum(points for score, points in self.segments if score >= threshold)
        low, high = 0, len(self.outside)
        while low < high:  # first score outside that is an alarm
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.outside[middle] < threshold else (low, middle)
        false = len(self.outside) - low
        return 2 * hits / (self.positive + hits + false) if hits else 0.0

    def best(self):
        """(F1, threshold) where F1 is greatest; the threshold lies midway to the next lower score."""
        ranked = sorted({score for score, _ in self.segments})
        if not ranked:
            return 0.0, float("inf")
        f1, at = max((self.f1(score), score) for score in ranked)
        below = max((score for score in self.outside + ranked if score < at), default=at)
        return f1, (at + below) / 2


def halves(scores, labels, delay=DELAY_POINTS):
    """F1 on the second half: with the threshold that is best on the first, and with the best there is (seen labels)."""
    half = len(scores) // 2
    _, threshold = Curve(scores[:half], labels[:half], delay).best()
    second = Curve(scores[half:], labels[half:], delay)
    return second.f1(threshold), second.best()[0]
