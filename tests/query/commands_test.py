"""The reading commands as a user calls them: output on stdout, notes on stderr, stable exit codes."""

import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

BINARY = os.environ.get("TIDEWAITER_BIN", "build/release/tidewaiter")
EVENTS = 40_000


def tidewaiter(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.store = cls.folder / "store"
        events = cls.folder / "events.ndjson"
        code, out, err = tidewaiter("generate", "--events", EVENTS, "--seed", 3)
        assert code == 0, err
        lines = out.splitlines(keepends=True)
        cls.total = len(lines) + 1
        events.write_text("".join(lines) + "this is no JSON\n")
        assert tidewaiter("init", cls.folder)[0] == 0
        code, out, err = tidewaiter("ingest", events, "--store", cls.store, "--config", cls.folder / "tidewaiter.yaml")
        assert code == 0, err
        cls.key = cls.folder / "tidewaiter.pub"

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_ok(self, *arguments):
        code, out, err = tidewaiter(*arguments)
        self.assertEqual(code, 0, err)
        return out, err

    def query(self, *arguments):
        return self.run_ok("query", "--store", self.store, *arguments)

    def test_a_count_is_a_number_alone_on_stdout_and_says_where_it_was_read_on_stderr(self):
        out, err = self.query("--kind", "event,reject", "--count")
        self.assertEqual(int(out), self.total)
        self.assertIn("read at commit", err)
        self.assertIn("checkpoint control", err)

    def test_a_damaged_place_is_named_and_everything_else_is_still_answered(self):
        read = 0
        for table in sorted(self.store.glob("*.sst"), key=lambda table: table.stat().st_size)[-4:]:
            copy = self.folder / ("damaged-" + table.name)
            shutil.copytree(self.store, copy)
            content = bytearray(table.read_bytes())
            content[len(content) // 2] ^= 1
            (copy / table.name).write_bytes(content)
            whole = self.query("--format", "raw", "--unmask", "--limit", "1000000")[0].splitlines()
            code, out, err = tidewaiter("query", "--store", copy, "--format", "raw", "--unmask", "--limit", "1000000")
            if code == 0:  # a table that no query reads, such as snapshots
                self.assertEqual(out.splitlines(), whole)
                continue
            read += 1
            self.assertEqual(code, 3, err)
            self.assertIn(table.name, err)
            self.assertIn("read at commit", err)
            named = re.findall(r"NOT READ: log ([a-z-]+), records ([0-9,]+) to ([0-9,]+): ", err)
            self.assertTrue(named, err)
            number = lambda text: int(text.replace(",", ""))
            missing = sum(number(last) - number(first) + 1 for _, first, last in named)
            given = out.splitlines()
            self.assertLessEqual(set(given), set(whole))
            self.assertLess(missing, len(whole) // 4, "too much is given up")
            self.assertEqual(len(given) + missing, len(whole))
        self.assertGreaterEqual(read, 2, "bodies and columns")

    def test_ndjson_and_csv_give_the_same_rows(self):
        where = ["--where", "risk_tier >= high", "--columns", "log,seq,principal"]
        rows = [json.loads(line) for line in self.query(*where, "--format", "ndjson")[0].splitlines()]
        table = list(csv.DictReader(io.StringIO(self.query(*where, "--format", "csv")[0])))
        self.assertGreater(len(rows), 100)
        self.assertEqual([(r["log"], str(r["seq"]), r["event"].get("principal", "")) for r in rows],
                         [(r["log"], r["seq"], r["principal"]) for r in table])

    def test_groups_add_up_to_the_count(self):
        out, _ = self.query("--where", "exists(principal)", "--by", "tenant,risk_tier", "--format", "ndjson")
        groups = [json.loads(line) for line in out.splitlines()]
        count = int(self.query("--where", "exists(principal)", "--count")[0])
        self.assertEqual(sum(group["count"] for group in groups), count)

    def test_a_table_stops_at_its_limit_and_says_so(self):
        out, err = self.query("--limit", 5, "--kind", "event")
        self.assertEqual(len(out.splitlines()), 6)
        self.assertIn("raise --limit", err)

    def test_raw_bytes_need_to_be_asked_for_and_come_as_they_were(self):
        code, out, err = tidewaiter("query", "--store", self.store, "--kind", "reject", "--format", "raw")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("--unmask", err)
        self.assertEqual(self.query("--kind", "reject", "--format", "raw", "--unmask")[0], "this is no JSON\n")

    def test_an_unknown_shape_is_found_by_its_text_also_among_the_events_of_a_message(self):
        folder = self.folder / "by_text"
        folder.mkdir()
        store, file = folder / "store", folder / "mixed.ndjson"
        events, _ = self.run_ok("generate", "--events", 1, "--seed", 4)
        event = json.loads(events.splitlines()[0])
        file.write_text(json.dumps({"strange": "Zürich shape"}) + "\n" + json.dumps([event, {"strange": "sibling"}]) + "\n"
                        + "broken ZÜRICH\n")
        self.run_ok("ingest", file, "--store", store)

        def kinds(*arguments):
            rows, _ = self.run_ok("query", "--store", store, "--format", "ndjson", *arguments)
            return sorted(json.loads(row)["kind"] for row in rows.splitlines())
        self.assertEqual(kinds("--text", "zürich"), ["reject", "unmapped"])
        self.assertEqual(kinds("--text", "sibling"), ["event", "unmapped"])
        self.assertEqual(kinds("--text", "sibling", "--kind", "unmapped"), ["unmapped"])
        self.assertEqual(kinds("--text", "strange", "--text", "SHAPE"), ["unmapped"])
        self.assertEqual(self.run_ok("query", "--store", store, "--text", "strange", "--count")[0], "3\n")
        code, _, err = tidewaiter("query", "--store", store, "--text", "")
        self.assertEqual((code, "empty" in err), (2, True), err)

    def test_mistakes_end_with_2_and_name_the_nearest_word(self):
        for arguments, word in [(["--where", "dst_hots == x"], "dst_host"), (["--log", "rejetcs"], "rejects"),
                                (["--by", "tenat"], "tenant"), (["--kind", "evnt"], "event"),
                                (["--format", "jsn"], "ndjson"), (["--from", "soon"], "-7d")]:
            code, out, err = tidewaiter("query", "--store", self.store, *arguments)
            self.assertEqual(code, 2, err)
            self.assertIn(word, err)
            self.assertEqual(out, "")

    def test_a_missing_store_ends_with_3(self):
        for command in ["query", "stats", "coverage", "alerts", "verify"]:
            self.assertEqual(tidewaiter(command, "--store", self.folder / "none")[0], 3, command)

    def test_stats_balance_and_say_that_nothing_expires(self):
        stats = json.loads(self.run_ok("stats", "--store", self.store, "--json")[0])
        self.assertTrue(stats["balanced"])
        self.assertEqual(stats["read"], self.total)
        self.assertEqual(stats["records_by_kind"]["reject"], 1)
        self.assertIn("nothing expires yet", self.run_ok("stats", "--store", self.store)[0])

    def test_coverage_holds_every_line_of_the_file(self):
        partitions = json.loads(self.run_ok("coverage", "--store", self.store, "--json")[0])["partitions"]
        self.assertEqual([p["held"] for p in partitions], [[[0, self.total]]])
        self.assertEqual(partitions[0]["gaps"], [])

    def test_an_alert_is_shown_with_commands_that_work_when_pasted(self):
        listed = [json.loads(line) for line in self.run_ok("alerts", "--store", self.store, "--json")[0].splitlines()]
        self.assertTrue(listed)
        with_evidence = next(row["body"] for row in listed if row["body"].get("evidence"))
        shown = json.loads(self.run_ok("alerts", with_evidence["uid"][:16], "--store", self.store, "--json")[0])
        self.assertEqual(shown["alert"]["uid"], with_evidence["uid"])
        self.assertEqual(len(shown["evidence"]), len(with_evidence["evidence"]))
        self.assertTrue(shown["commands"])
        for command in shown["commands"]:
            done = subprocess.run(command.replace("tidewaiter", os.path.abspath(BINARY), 1), shell=True,
                                  cwd=self.folder, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, command + done.stderr)
        self.assertIn(with_evidence["title"][:30], self.run_ok("alerts", with_evidence["uid"], "--store", self.store)[0])
        self.assertEqual(tidewaiter("alerts", "ffffffffffff", "--store", self.store)[0], 1)

    def test_a_remap_reads_what_is_stored_by_a_new_mapping_and_leaves_what_was_scored(self):
        folder = self.folder / "remap"
        folder.mkdir()
        lines = [json.dumps({"badge": f"b-{n}", "door": "vault", "opened": f"2026-03-01T10:00:{n:02}Z"}) for n in range(20)]
        (folder / "doors.ndjson").write_text("\n".join(lines) + "\n")
        store = folder / "store"
        self.run_ok("ingest", folder / "doors.ndjson", "--store", store)
        before, _ = self.run_ok("query", "--store", store, "--kind", "unmapped", "--format", "ndjson")
        self.assertEqual(len(before.splitlines()), 20)
        (folder / "doors.json").write_text(json.dumps({
            "format": "doors", "number": 1300, "version": 1, "description": "Badge readers.",
            "detect": {"any": [["badge", "door"]]},
            "fields": {"time": {"path": "opened", "form": "any"}, "principal": "badge", "resource": "door"}}))
        (folder / "tidewaiter.yaml").write_text(f"version: 1\nstore:\n  directory: {store}\nformats:\n  mapping_files: [{folder / 'doors.json'}]\n")
        out, _ = self.run_ok("remap", "--store", store, "--config", folder / "tidewaiter.yaml", "--json")
        report = json.loads(out)
        self.assertEqual((report["column_version"], report["records"], report["changed"], report["kept"]), (1, 20, 20, 0))
        found, _ = self.run_ok("query", "--store", store, "--where", "principal == b-7", "--format", "ndjson")
        row = json.loads(found)
        event = row["event"]
        self.assertEqual((row["kind"], event["resource"], event["time"][:19]), ("unmapped", "vault", "2026-03-01T10:00:07"))
        scored, _ = self.run_ok("query", "--store", store, "--kind", "unmapped", "--format", "ndjson", "--as-scored")
        self.assertEqual(scored, before)
        code, out, err = tidewaiter("verify", "--store", store, "--json")
        self.assertEqual((code, json.loads(out)["findings"]), (0, []), err)
        self.run_ok("replay", "--store", store)

    def flows(self, store):
        """(source, destination, its port) of each flow, in the order of lines."""
        rows, _ = self.run_ok("query", "--store", store, "--kind", "event", "--format", "ndjson")
        events = [json.loads(row).get("event", {}) for row in rows.splitlines()]
        return [(event["src_ip"], event["dst_ip"], event["dst_port"]) for event in events if "src_ip" in event]

    def test_a_header_line_holds_for_lines_that_come_with_the_next_run_and_for_a_remap(self):
        folder = self.folder / "flows"
        folder.mkdir()
        header = "version account-id interface-id dstaddr srcaddr dstport srcport protocol packets bytes start end action log-status\n"
        line = "2 123456789012 eni-1 198.51.100.9 10.0.0.5 443 49152 6 20 {} 1772600700 1772600760 ACCEPT OK\n"
        flow = ("10.0.0.5", "198.51.100.9", 443)
        store, log = folder / "store", folder / "flows.log"
        log.write_text(header + line.format(1) + line.format(2))
        self.run_ok("ingest", log, "--store", store)
        self.assertEqual(self.flows(store), [flow] * 2)
        with log.open("a") as more:
            more.write(line.format(3))
        self.run_ok("ingest", log, "--store", store)
        self.assertEqual(self.flows(store), [flow] * 3)
        report = json.loads(self.run_ok("remap", "--store", store, "--json")[0])
        self.assertEqual((report["records"], report["changed"], report["kept"]), (3, 0, 0))
        self.assertEqual(self.flows(store), [flow] * 3)
        code, out, err = tidewaiter("verify", "--store", store, "--json")
        self.assertEqual((code, json.loads(out)["findings"]), (0, []), err)

    def test_lines_of_a_configured_order_keep_their_columns_in_a_remap_that_does_not_know_it(self):
        folder = self.folder / "configured_flows"
        folder.mkdir()
        columns = "version, account-id, interface-id, dstaddr, srcaddr, dstport, srcport, protocol, packets, bytes, start, end, action, log-status"
        store, log, config = folder / "store", folder / "flows.log", folder / "tidewaiter.yaml"
        log.write_text("2 123456789012 eni-1 198.51.100.9 10.0.0.5 443 49152 6 20 9 1772600700 1772600760 ACCEPT OK\n")
        config.write_text(f"version: 1\nstore: {{directory: {store}}}\nformats: {{text_columns: {{vpc_flow: [{columns}]}}}}\n")
        self.run_ok("ingest", log, "--store", store, "--config", config)
        for arguments, kept in ((), 1), (("--config", config), 0):
            report = json.loads(self.run_ok("remap", "--store", store, "--json", *arguments)[0])
            self.assertEqual((report["changed"], report["kept"]), (0, kept), arguments)
            self.assertEqual(self.flows(store), [("10.0.0.5", "198.51.100.9", 443)], arguments)

    def test_a_proof_goes_round_and_a_changed_record_is_not_proven(self):
        proof = self.folder / "p.tlog-proof"
        self.run_ok("prove", "--store", self.store, "--log", "rejects", "--seq", 0, "-o", proof)
        out, _ = self.run_ok("verify-proof", proof, "--public-key", self.key)
        self.assertTrue(out.startswith("proven"))
        record = pathlib.Path(str(proof) + ".record")
        record.write_bytes(record.read_bytes()[:-1])
        code, _, err = tidewaiter("verify-proof", proof, "--public-key", self.key)
        self.assertEqual(code, 1)
        self.assertIn("NOT PROVEN", err)
        record.unlink()
        self.assertIn("body not shown", self.run_ok("verify-proof", proof, "--public-key", self.key)[0])
        self.assertEqual(tidewaiter("verify-proof", proof, "--public-key", proof)[0], 2)

    def test_verify_says_consistent_without_and_authentic_with_the_key(self):
        self.assertIn("consistent", self.run_ok("verify", "--store", self.store)[0])
        report = json.loads(self.run_ok("verify", "--store", self.store, "--public-key", self.key, "--json")[0])
        self.assertEqual(report["verdict"], "authentic")
        head = self.store / "checkpoint" / "control"
        self.run_ok("verify", "--store", self.store, "--public-key", self.key, "--against", head)
        self.run_ok("verify", "--store", self.store, "--public-key", self.key, "--since", head)
        forged = self.folder / "forged"
        forged.write_text(head.read_text().replace("\n", "\n1", 1))
        code, _, _ = tidewaiter("verify", "--store", self.store, "--against", forged)
        self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
