"""schemas/openapi.yaml names the routes and parameters that serve/api.cpp knows, no more and no fewer."""

import pathlib
import re
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


class OpenApi(unittest.TestCase):
    def setUp(self):
        self.document = yaml.safe_load((ROOT / "schemas/openapi.yaml").read_text())
        self.source = (ROOT / "serve/api.cpp").read_text()
        self.changes = (ROOT / "serve/api_changes.cpp").read_text()

    def resolve(self, node):
        if "$ref" not in node:
            return node
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = self.document if key == "components" else found[key]
            found = found[key] if key == "components" else found
        return found

    def test_the_routes_are_those_of_the_api(self):
        for method, name, source in [("get", "read_routes", self.source), ("post", "write_routes", self.changes)]:
            routes = re.search(name + r"\[\] = \{(.*?)\};", source, re.S).group(1)
            documented = [path for path, item in self.document["paths"].items() if method in item]
            self.assertEqual(sorted(re.findall(r'"([^"]+)"', routes)), sorted(documented), method)
        self.assertEqual({method for item in self.document["paths"].values() for method in item}, {"get", "post"})

    def test_the_parameters_are_those_that_the_api_takes(self):
        for path, item in self.document["paths"].items():
            for parameter in item.get("post", {"parameters": []})["parameters"]:
                self.assertEqual(self.resolve(parameter)["in"], "path", path)  # the rest is in the body
            if "get" not in item:
                continue
            function = path.removeprefix("/v1/")
            if function == "suppressions":
                self.assertEqual(item["get"]["parameters"], [])
                self.assertRegex(self.changes, r"Api::suppressions\(.*\) const \{\n  if \(!request.params.empty\(\)\) return \{refusal")
                continue
            body = re.search(r"Api::Answer Api::%s\(.*?only_params\(request, \{(.*?)\}\)" % function, self.source, re.S)
            documented = [self.resolve(p)["name"] for p in item["get"]["parameters"]]
            self.assertEqual(sorted(re.findall(r'"(\w+)"', body.group(1))), sorted(documented), path)

    def test_every_reference_leads_somewhere(self):
        def walk(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    self.assertTrue(self.resolve(node))
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
        walk(self.document)


if __name__ == "__main__":
    unittest.main()
