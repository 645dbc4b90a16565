"""`tidewaiter normalize` and `explain-mapping` as a user meets them: what is masked, what is said of broken input."""
import json
import os
import subprocess
import tempfile
import unittest

TIDEWAITER = os.environ["TIDEWAITER_BIN"]
SPAN = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET",
        "endTimeUnixNano": "1772600767250000000",
        "attributes": [{"key": "url.full", "value": {"stringValue": "https://bob:hunter2@partner.example/x"}}]}
TRACES = {"resourceSpans": [{"resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "https://svc:hunter2@repo.example"}}]}, "scopeSpans": [{"spans": [SPAN]}]}]}


def run(*arguments, text=None):
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run([TIDEWAITER, *arguments], input=data, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Normalize(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_passwords_in_urls_are_masked_unless_asked_for(self):
        code, out, _ = run("normalize", text=json.dumps(TRACES))
        self.assertEqual(code, 0)
        event = json.loads(out)
        self.assertEqual(event["resource"], "https://bob:\u2026@partner.example/x")
        self.assertEqual(event["app"], "https://svc:\u2026@repo.example")
        self.assertEqual(event["dst_host"], "partner.example")
        self.assertNotIn("hunter2", out)
        self.assertIn("bob:hunter2@", run("normalize", "--unmask", text=json.dumps(TRACES))[1])
        sample = self.write("sample.json", json.dumps(TRACES))
        for more in ([], ["--json"]):
            code, out, _ = run("explain-mapping", "otlp", sample, *more)
            self.assertEqual(code, 0)
            self.assertIn("partner.example", out)
            self.assertNotIn("hunter2", out)

    def test_a_mapping_file_is_judged_by_line_and_key_by_every_command(self):
        mapping = self.write("m.json", '{"format": "m", "number": 1000, "version": 1, "detect": {"any": [["k"]]},\n'
                             ' "fields": {\n  "action": {"value": "send", "when": {"is": "paid"}}}}')
        sample = self.write("sample.json", '{"k":1}')
        expected = f"{mapping}:3: fields.action.when: the key 'path' is missing"
        for command in (["normalize", "--mapping", mapping, sample], ["formats", "--mapping", mapping],
                        ["explain-mapping", mapping, sample]):
            code, out, error = run(*command)
            self.assertEqual((code, out), (2, ""), command)
            self.assertIn(expected, error)
            self.assertNotIn("exception", error)
        typed = self.write("t.json", '{"format": "m", "number": "one", "version": 1,\n "detect": {"any": [["k"]]}, "fields": {"app": "k"}}')
        code, _, error = run("explain-mapping", typed, sample)
        self.assertEqual(code, 2)
        self.assertIn(f"{typed}:1: number: expected a whole number", error)

    def test_a_mapping_of_ones_own_cannot_take_the_number_of_a_built_in_one(self):
        rest = '"version": 1, "detect": {"any": [["k"]]}, "fields": {"app": "k"}}'
        taken = self.write("taken.json", '{"format": "mine",\n "number": 7, ' + rest)
        code, out, error = run("normalize", "--mapping", taken, text='{"k":"v"}')
        self.assertEqual((code, out), (2, ""))
        self.assertIn(f"{taken}:2: number: numbers below 1000 belong to the built-in mappings", error)
        replacing = self.write("okta.json", '{"format": "okta", "number": 42, ' + rest)
        self.assertEqual(run("normalize", "--mapping", replacing, text='{"k":"v"}')[0], 0)

    def test_a_mapping_that_is_cut_off_is_no_json(self):
        cut = self.write("cut.json", '{"format": "mine",\n "number": 1000, "version')
        code, out, error = run("normalize", "--mapping", cut, text='{"k":"v"}')
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(error, r"cut\.json:[0-9]+: not JSON: ")

    def test_a_line_whose_columns_nobody_knows_says_what_is_missing(self):
        words = "5 vpc-1 subnet-1 i-1 eni-1 111122223333 IPv4 10.0.1.5 198.51.100.7 43416 443 6 568 8 1777708800 1777708860 ACCEPT OK"
        code, out, error = run("normalize", "--format", "vpc_flow", text=words + "\n")
        self.assertEqual((code, len(out.splitlines())), (0, 1))
        self.assertIn("put its header line before it, or name the columns in `formats.text_columns`", error)
        header = "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport protocol " \
                 "bytes packets start end action log-status"
        code, out, error = run("normalize", "--format", "vpc_flow", text=header + "\n" + words + "\n")
        self.assertEqual((code, error), (0, ""))
        self.assertEqual(json.loads(out)["dst_ip"], "198.51.100.7")

    def test_what_is_broken_is_told_with_its_place(self):
        code, out, error = run("normalize", text='{"specversion":"1.0","id":"1",')
        self.assertEqual((code, out), (1, ""))
        self.assertIn("-:1: rejected: truncated at byte 30 of the message", error)

    def test_what_only_a_strict_topic_rejects_is_told_too(self):
        message = '{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get","novel":{"a":1,}}'
        code, out, error = run("normalize", text=message)
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out)["operation"], "get")
        self.assertIn("-:1: accepted, but not_json at byte 75 of the message: a topic with `strict: true` rejects it", error)
        code, out, error = run("normalize", "--strict", text=message)
        self.assertEqual((code, out), (1, ""))
        self.assertIn("rejected: not_json at byte 75", error)

    def test_a_byte_order_mark_is_flagged(self):
        code, out, error = run("normalize", text=b"\xef\xbb\xbf" + json.dumps(TRACES).encode())
        self.assertEqual((code, error), (0, ""))
        self.assertIn("byte_order_mark", json.loads(out)["flags"])


if __name__ == "__main__":
    unittest.main()
