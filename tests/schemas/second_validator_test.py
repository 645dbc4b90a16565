"""A second validator (python-jsonschema) reads the same schemas: they are JSON Schema 2020-12 by its metaschema, and it
accepts what the program writes and refuses what it should not."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import unittest
import warnings

try:
    import jsonschema
    import yaml
except ImportError:
    print("skipped: python3-jsonschema and python3-yaml are missing; scripts/install-packages.sh test")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)

warnings.simplefilter("ignore", DeprecationWarning)
ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = {path.relative_to(ROOT / "schemas").as_posix(): json.loads(path.read_text())
           for path in sorted((ROOT / "schemas").rglob("*.schema.json"))}


def validator(name):
    store = {schema["$id"]: schema for schema in SCHEMAS.values()}
    schema = SCHEMAS[name]
    resolver = jsonschema.RefResolver(base_uri=schema["$id"], referrer=schema, store=store)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def errors(name, document):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator(name).iter_errors(document)]


class SecondValidator(unittest.TestCase):
    def test_every_file_is_a_schema_by_the_metaschema_of_2020_12(self):
        self.assertGreaterEqual(len(SCHEMAS), 10)
        for name, schema in SCHEMAS.items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_the_files_that_are_shipped_fit_their_schemas(self):
        for name, path in [("policy.schema.json", "schemas/default-policy.yaml"),
                           ("config.schema.json", "app/templates/tidewaiter.yaml"),
                           ("config.schema.json", "deploy/tidewaiter.yaml")]:
            with self.subTest(path):
                self.assertEqual(errors(name, yaml.safe_load((ROOT / path).read_text())), [])
        for path in sorted((ROOT / "schemas/mappings").glob("*.json")):
            with self.subTest(path.name):
                self.assertEqual(errors("mapping.schema.json", json.loads(path.read_text())), [])

    def test_generated_events_fit_the_envelope_and_changed_ones_do_not(self):
        binary = os.environ.get("TIDEWAITER_BIN", "")
        if not os.path.exists(binary):
            self.skipTest("the program is not built")
        made = subprocess.run([binary, "generate", "--events", "300", "--seed", "7"], capture_output=True, text=True,
                              timeout=60, check=True)
        events = [json.loads(line) for line in made.stdout.splitlines()]
        self.assertEqual(len(events), 300)
        check = validator("cloudevent.schema.json")
        for event in events:
            self.assertEqual([e.message for e in check.iter_errors(event)], [])
        for change in ({"specversion": "0.3"}, {"type": "com.example.other"}, {"id": ""}, {"Bad-Name": "x"}):
            self.assertFalse(check.is_valid({**events[0], **change}), change)
        for change in ({"family": "robot"}, {"dst_port": 70000}, {"unheard_of": 1}, {"time": "yesterday"},
                       {"data_classes": ["pii", "pii"]}, {"bytes_out": -1}):
            changed = copy.deepcopy(events[0])
            changed["data"].update(change)
            self.assertFalse(check.is_valid(changed), change)


if __name__ == "__main__":
    unittest.main()
