"""`tidewaiter normalize` and `explain-mapping` as a user meets them: what is masked, what is said of broken input."""
import gzip
import hashlib
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


# A message of each format, with a place for bytes in one of its strings.
MESSAGES = {
    "cloudevents": b'{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"principal":"%s"}}',
    "otlp": b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%s"}}]},'
            b'"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"w"}]}]}]}',
    "k8s_audit": b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"Panic","verb":"get","user":{"username":"%s"}}',
    "cloudtrail": b'{"Records":[{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"Get","userIdentity":{"arn":"%s"}}]}',
    "zeek": b'{"ts":1777629600.1,"uid":"C1","id.orig_h":"%s","id.resp_h":"192.0.2.4","proto":"tcp"}',
    "mcp": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}',
}


def broken_messages(message):
    """(what is wrong, bytes, reason, byte of the message at which it shows; None where formats differ)"""
    at = message.index(b"%s")
    whole = message.replace(b"%s", b"x")
    inside = lambda text: message.replace(b"%s", text)
    more = lambda text: whole[:-1] + b',"z":' + text
    return [("0xFF", inside(b"a\xffb"), "not_utf8", at + 1), ("overlong", inside(b"a\xc0\x80"), "not_utf8", at + 1),
            ("half a pair in UTF-8", inside(b"ab\xed\xa0\x80"), "not_utf8", at + 2),
            ("a character cut off", inside(b"\xe2\x82"), "not_utf8", at), ("NUL", inside(b"a\0"), "not_json", None),
            ("a tab", inside(b"a\tb"), "not_json", None), ("no escape", inside(b"a\\qb"), "not_json", None),
            ("no hex", inside(b"\\u12g4"), "not_json", None), ("cut at its end", whole[:-1], "truncated", len(whole) - 1),
            ("cut in a string", message[:at] + b"ab", "truncated", at + 2),
            ("a comma too many", whole[:-1] + b",}", "not_json", len(whole)),
            ("two byte order marks", b"\xef\xbb\xbf" * 2 + whole, "not_json", 3),
            ("more behind it", whole + b"x", "trailing_bytes", len(whole)),
            ("lists in lists", more(b"[" * 70 + b"]" * 70 + b"}"), "too_deep", None),
            ("objects in objects", more(b'{"a":' * 5000 + b"1" + b"}" * 5001), "too_deep", None),
            ("lists that never end", more(b"[" * 300_000), "too_deep", None)]


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

    def test_a_token_that_is_the_name_of_a_key_is_masked(self):
        token = "ghp_Ab3dEf6hIj9kLmN0pQrStUvWxYz123456789"
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", token: 1,
                 "data": {"principal": "a", "x\x1b[2Jy": {"deep": token}}}
        sample = self.write("key.json", json.dumps(event))
        for more in ([], ["--json"]):
            code, out, _ = run("explain-mapping", "cloudevents", sample, *more)
            self.assertEqual(code, 0)
            self.assertIn("ghp_\u2026", json.loads(out)["unread"] if more else out)
            self.assertNotIn(token[4:], out)
            self.assertNotIn("\x1b", out)

    def test_a_credential_in_the_place_of_its_id_is_hashed_whatever_is_asked(self):
        token = "ghp_Ab3dEf6hIj9kLmN0pQrStUvWxYz123456789"
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"principal": "a", "capability": {"uid": token}}}
        out = run("normalize", "--unmask", text=json.dumps(event))[1]
        self.assertEqual(json.loads(out)["capability"]["uid"], "sha256:" + hashlib.sha256(token.encode()).hexdigest())
        self.assertEqual(json.loads(out)["flags"], ["hashed_secret"])

    def test_of_broken_messages_of_each_format_reason_and_place_are_named_and_their_neighbours_live(self):
        for name, message in MESSAGES.items():
            good = message.replace(b"%s", b"\\ud800\\u0000\\ud83d\\ude00")  # odd, and no reason to reject
            broken = broken_messages(message)
            lines = [good] + [line for one in broken for line in (one[1], good)]
            code, out, error = run("normalize", "--format", name, text=b"\n".join(lines) + b"\n")
            self.assertEqual(code, 1, name)
            self.assertEqual(len(out.splitlines()), len(broken) + 1, name)
            for event in map(json.loads, out.splitlines()):
                self.assertIn("bad_utf8_replaced", event["flags"], name)
            said = error.splitlines()
            self.assertEqual(len(said), len(broken), error)
            for number, ((what, _, reason, place), text) in enumerate(zip(broken, said)):
                self.assertIn(f":{2 * number + 2}: rejected: {reason} at byte ", text, f"{name}: {what}")
                if place is not None:
                    self.assertIn(f" at byte {place} of the message", text, f"{name}: {what}")

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

    def test_a_format_that_is_nearly_right_comes_with_the_right_one(self):
        sample = self.write("sample.json", '{"k":1}')
        for command in (["normalize", "--format", "k8s_audi", sample], ["formats", "k8s_audi"], ["explain-mapping", "k8s_audi", sample]):
            code, out, error = run(*command)
            self.assertEqual((code, out), (2, ""), command)
            self.assertIn("there is no format 'k8s_audi'; did you mean 'k8s_audit'?", error)
        self.assertIn("`tidewaiter formats` lists those that are known", run("formats", "something_else")[2])

    def test_a_line_of_text_is_a_message_with_its_own_place(self):
        mapping = self.write("words.json", json.dumps({
            "format": "words", "number": 1000, "version": 1, "events": ["{text}"], "detect": {"any": [["ts", "user"]]},
            "text": {"columns": ["ts", "user", "op"], "header": ["ts", "user", "op"]},
            "fields": {"time": {"path": "ts", "form": "s"}, "principal": "user", "operation": "op"}}))
        lines = "1793000000 ann get\n\n1793000001 bob put\nop user ts\nget cy 1793000003\nfour words are wrong\n"
        code, out, error = run("normalize", "--mapping", mapping, "--format", "words", text=lines)
        self.assertEqual([json.loads(one).get("principal") for one in out.splitlines()], ["ann", "bob", "cy", None])
        self.assertEqual(code, 0)
        self.assertRegex(error, "^-:6: a line whose columns are not known[^\n]*\n$")
        code, out, error = run("normalize", "--mapping", mapping, text=lines)
        self.assertEqual(code, 1)
        self.assertRegex(error, "^-:6: rejected: not_json at byte 4 of the message\n$")

    def test_explain_mapping_tells_header_lines_and_strange_lines_by_their_place(self):
        flow = "version account-id interface-id srcaddr dstaddr\n2 1 eni-1 10.0.0.1 198.51.100.7\nnot five words\n"
        sample = self.write("flow.log", flow)
        code, out, _ = run("explain-mapping", "vpc_flow", sample)
        self.assertEqual(code, 0)
        first, second, third = out.split(f"{sample}:")[1:]
        self.assertTrue(first.startswith("1\nNo event: a header line, which names the columns"), first)
        self.assertRegex(second, r"^2\nevent 0\n(.*\n)*  dst_ip +\S+ +198\.51\.100\.7\n")
        self.assertTrue(third.startswith("3\nevent 0: not of this format, and so unmapped\n"), third)

    def test_explain_mapping_tells_rejects_with_their_place(self):
        sample = self.write("two.ndjson", '{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get"}\n{"kind":\n\n')
        code, out, _ = run("explain-mapping", "k8s_audit", sample)
        self.assertEqual(code, 1)
        self.assertTrue(out.endswith(f"{sample}:2\nrejected: truncated at byte 8 of the message\n"), out)
        code, out, _ = run("explain-mapping", "k8s_audit", sample, "--json")
        self.assertEqual(code, 1)
        told, decoder = [], json.JSONDecoder()
        while out.strip():
            one, end = decoder.raw_decode(out.lstrip())
            told.append(one)
            out = out.lstrip()[end:]
        self.assertEqual((told[0]["line"], told[0]["mapped"]), (1, True))
        self.assertEqual(told[1], {"line": 2, "rejected": "truncated", "byte": 8})

    def test_mistakes_of_several_mapping_files_come_at_once(self):
        one, other = self.write("one.json", "{,}"), self.write("other.json", "[]")
        code, out, error = run("normalize", "--mapping", one, "--mapping", other, text="{}")
        self.assertEqual((code, out), (2, ""))
        self.assertEqual(len(error.splitlines()), 2)
        self.assertIn(f"{one}:1: not JSON: column 2: expected a key in double quotation marks, found ','", error)
        self.assertIn(f"{other}:1: expected a mapping, found a list", error)

    def test_normalize_and_ingest_cut_a_file_alike(self):
        event = '{"specversion":"1.0","id":"%s","source":"/s","type":"t","data":{"principal":"p"}}'
        path = self.write("odd.ndjson", "\n".join([
            "\ufeff" + event % 1, "", event % 2 + "\r", "  ", '{"specversion":', "null", "[1,", event % 3 + " {}", '{"a":"\tb"}', "x y", event % 4]))
        code, out, error = run("normalize", path)
        self.assertEqual(code, 1)
        rejected = [int(one.split(":")[1]) for one in error.splitlines() if ": rejected: " in one]
        store = os.path.join(self.folder.name, "store")
        code, said, _ = run("ingest", "--store", store, path)
        self.assertEqual(code, 0)
        self.assertIn(f"{len(rejected)} of them rejected (", said)
        _, rows, _ = run("query", "--store", store, "--format", "ndjson")
        rows = [row for row in map(json.loads, rows.splitlines()) if row["kind"] in ("event", "unmapped", "reject")]
        self.assertEqual(sorted(row["offset"] + 1 for row in rows if row["kind"] == "reject"), rejected)
        self.assertEqual(rejected, [5, 7, 8, 9, 10])  # white space is a blank line
        self.assertEqual(len([row for row in rows if row["kind"] != "reject"]), len(out.splitlines()))

    def test_a_document_over_several_lines_is_one_message_and_said_to_be(self):
        audit = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": "get", "user": {"username": "ann"}}
        pretty, plain = json.dumps(audit, indent=2), json.dumps(audit)
        code, out, error = run("normalize", text=f"{plain}\n{pretty}\n\n{plain}\n{pretty} {pretty}\n" + pretty.replace("{", "{,", 1) + "\n")
        self.assertEqual((code, len(out.splitlines())), (1, 5))
        self.assertIn("-:2: a document over 8 lines, read as one message; `tidewaiter ingest` takes each line of a file for one", error)
        self.assertIn("-:27: rejected: not_json at byte 1 of the message", error)
        code, out, error = run("normalize", text=plain + "\n" + pretty[:-20])
        self.assertEqual((code, len(out.splitlines())), (1, 1))
        self.assertIn("-:2: rejected: truncated at byte ", error)

    def test_lines_of_white_space_are_no_messages(self):
        document = json.dumps(TRACES)
        for text in (json.dumps(TRACES, indent=1) + "\n  ", document + "\n \t\r\n\n" + document + "\n  "):
            code, out, error = run("normalize", text=text)
            self.assertEqual((code, len(out.splitlines()) > 0), (0, True), error)
            file = self.write("white.ndjson", document + "\n \t\r\n\n" + document + "\n  ")
            code, _, error = run("ingest", file, "--store", os.path.join(self.folder.name, f"white{len(text)}"))
            self.assertEqual((code, "rejected" in error), (0, False), error)

    def test_files_that_cannot_be_read_are_told_apart(self):
        folder, packed = self.folder.name, os.path.join(self.folder.name, "a.gz")
        with open(packed, "wb") as file:
            file.write(gzip.compress(b'{"k":1}'))
        empty = self.write("empty.json", "")
        missing = os.path.join(folder, "missing.json")
        for name, expected in ((folder, "is a directory"), (missing, "cannot be read: No such file"), (packed, f"is compressed; `zcat {packed} | ")):
            for command in (["normalize", name], ["normalize", "--mapping", name, empty], ["explain-mapping", "okta", name]):
                code, out, error = run(*command)
                self.assertEqual((code, out), (2, ""), command)
                self.assertIn(f"{name}: {expected}", error)
        code, _, error = run("ingest", missing, "--store", os.path.join(folder, "unmade"))
        self.assertEqual(code, 2, error)
        self.assertIn(f"{missing}: No such file", error)
        for command in (["normalize", empty], ["explain-mapping", "okta", empty]):
            code, out, error = run(*command)
            self.assertEqual((code, out), (0, ""), command)
            self.assertEqual(error, f"{empty}: is empty: there is no message in it\n")

    def test_a_byte_order_mark_is_flagged(self):
        code, out, error = run("normalize", text=b"\xef\xbb\xbf" + json.dumps(TRACES).encode())
        self.assertEqual((code, error), (0, ""))
        self.assertIn("byte_order_mark", json.loads(out)["flags"])


if __name__ == "__main__":
    unittest.main()
