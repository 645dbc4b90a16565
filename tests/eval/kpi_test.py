"""The delay-limited F1 of scripts/kpi.py, by hand."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import kpi


class Kpi(unittest.TestCase):
    def test_segments_are_runs_of_labels(self):
        self.assertEqual(kpi.segments([0, 1, 1, 0, 0, 1]), [(1, 3), (5, 6)])

    def test_an_alarm_in_time_finds_the_whole_segment_and_a_late_one_none_of_it(self):
        labels = [0] * 5 + [1] * 10 + [0] * 5
        scores = [0.0] * 20
        scores[7] = 1.0
        self.assertEqual(kpi.Curve(scores, labels, delay=2).f1(0.5), 1.0)
        self.assertEqual(kpi.Curve(scores, labels, delay=1).f1(0.5), 0.0)

    def test_alarms_outside_are_false_point_by_point(self):
        labels = [0] * 5 + [1] * 4 + [0] * 5
        scores = [0.0, 0.9, 0.9, 0.0, 0.0, 1.0] + [0.0] * 8
        curve = kpi.Curve(scores, labels)
        self.assertAlmostEqual(curve.f1(0.5), 2 * 4 / (4 + 4 + 2))
        self.assertEqual(curve.best(), (1.0, 0.95))

    def test_the_threshold_of_the_first_half_is_held_against_the_second(self):
        labels = [0, 1, 0, 0] + [0, 1, 0, 0]
        scores = [0.0, 0.8, 0.0, 0.0] + [0.0, 0.3, 0.0, 0.0]
        self.assertEqual(kpi.halves(scores, labels), (0.0, 1.0))


if __name__ == "__main__":
    unittest.main()
