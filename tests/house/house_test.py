"""The rules of the house that a compiler does not check: who includes whom, and how large things get."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 and pathlib.Path(sys.argv[1]).is_dir() else
                    pathlib.Path(__file__).resolve().parents[2])

# Which rooms a room may include, besides itself. Tests and benches may include anything.
MAY_INCLUDE = {
    "core": set(),
    "filter": {"core"},
    "ingest": {"core", "filter"},
    "store": {"core", "filter"},
    "detect": {"core", "filter"},
    "forward": {"core", "filter"},
    "serve": {"core", "filter", "store"},
    "app": {"core", "filter", "ingest", "store", "detect", "forward", "serve"},
}

# Foreign headers that stay in one place, so that only that place changes with the library.
# (header prefix, the files that may include it, the files that may see it through one of those, reason)
FOREIGN = [
    ("rocksdb/", r"store/db\.(cpp|hpp)", r"store/db\.cpp", "the rest of the store speaks of keys, values and batches"),
    ("librdkafka/", r"ingest/kafka_client\.hpp|ingest/embedded_broker\.cpp", r"ingest/(kafka_\w+|embedded_broker)\.(cpp|hpp)",
     "source, producer and embedded broker of ingest share one client; nobody else knows librdkafka"),
    ("simdjson", r"ingest/(parser_state|plan_walker|recipe_walker)\.hpp",
     r"ingest/(parser|parser_state|parser_formats|plan_walker|recipe_(walker|lists|embedded|lines|events))\.(cpp|hpp)",
     "the two walks over the text of a message, plain and general"),
    ("curl/", r"forward/http_client\.cpp", r"forward/http_client\.cpp", "connectors speak of requests and answers"),
    ("prometheus/", r"serve/metrics_exporter\.cpp", r"serve/metrics_exporter\.cpp", "rooms count with core/metrics.hpp"),
    ("unicode/", r"ingest/host_name\.cpp", r"ingest/host_name\.cpp", "hosts have one form, made in one place"),
    ("httplib", r"serve/server\.cpp|app/hec_receiver\.cpp", r"serve/server\.cpp|app/hec_receiver\.cpp",
     "the API, and the SIEM that the demo plays"),
]

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 120
# "file" or "file:function", each with a reason why it is better long.
LONG_ALLOWED = {}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cpp", ".hpp", ".h", ".cc") and path.is_file():
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def includes(text):
    return [(kind == '"', name) for kind, name in INCLUDE.findall(text)]


def reached(start, named):
    """All files of ours that `start` includes, directly or through others."""
    seen, todo = set(), [start]
    while todo:
        for name in named.get(todo.pop(), ()):
            if name in named and name not in seen:
                seen.add(name)
                todo.append(name)
    return seen - {start}


def find_cycle(graph):
    """One cycle of a graph {node: [node, ...]} as a list of nodes, or nothing."""
    state = {}

    def visit(node, path):
        state[node] = "open"
        for other in graph.get(node, ()):
            if state.get(other) == "open":
                return [*path[path.index(other):], other]
            if other not in state:
                if found := visit(other, [*path, other]):
                    return found
        state[node] = "done"
        return None

    for start in sorted(graph):
        if start not in state:
            if found := visit(start, [start]):
                return found
    return None


def without_comments_and_strings(text):
    """The same text, line for line, with comments gone and literals emptied."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
    return token.sub(lambda m: "\n" * m.group().count("\n"), text)


def functions(text):
    """(name, first line, lines) of each function outside of functions; by braces, good enough for a length check."""
    text = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", without_comments_and_strings(text), flags=re.M)
    scopes, since, line, inside = [], "", 1, None
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            head = " ".join(since.split())
            if inside is None:
                # What precedes the brace of a body: the parameter list, qualifiers, or the end of an initializer list.
                body = re.search(r"\)\s*(const|noexcept|override|final|mutable|&+|->[^;={]+|:[^;]*)*\s*$", head) or head == ""
                if body and not re.match(r"(namespace|class|struct|union|enum)\b", head) and not head.endswith("="):
                    name = re.search(r"([~\w:]+|operator\S+)\s*\(", head)
                    inside = (len(scopes), name.group(1) if name else "?", line - since.strip().count("\n"))
            scopes.append(char)
            since = ""
        elif char == "}":
            if scopes:
                scopes.pop()
            if inside and len(scopes) == inside[0]:
                yield inside[1], inside[2], line - inside[2] + 1
                inside = None
            since = ""
        elif char == ";":
            since = ""
        else:
            since += char


class House(unittest.TestCase):
    def test_a_room_includes_only_what_stands_below_it(self):
        wrong = []
        for path, text in sources(*MAY_INCLUDE):
            room = path.split("/")[0]
            for own, name in includes(text):
                other = name.split("/")[0]
                if other in MAY_INCLUDE and other != room and other not in MAY_INCLUDE[room]:
                    wrong.append(f"{path} includes {name}: {room} may include {sorted(MAY_INCLUDE[room]) or 'nothing of ours'}")
        self.assertFalse(wrong, "\n".join(wrong))

    def test_an_include_of_ours_names_an_existing_file_from_the_root(self):
        wrong = [f"{path} includes {name}" for path, text in sources(*MAY_INCLUDE, "bench", "tests")
                 for own, name in includes(text) if own and not (ROOT / name).is_file()]
        self.assertFalse(wrong, "\n".join(wrong))

    def test_neither_files_nor_rooms_include_each_other_in_a_circle(self):
        files, rooms = {}, {}
        for path, text in sources(*MAY_INCLUDE):
            files[path] = [name for own, name in includes(text) if own]
            room = path.split("/")[0]
            rooms.setdefault(room, set()).update(
                name.split("/")[0] for name in files[path] if name.split("/")[0] in MAY_INCLUDE and name.split("/")[0] != room)
        for graph in (files, rooms):
            cycle = find_cycle(graph)
            self.assertIsNone(cycle, " -> ".join(cycle or []))

    def test_a_foreign_header_stays_in_its_one_place(self):
        texts = dict(sources(*MAY_INCLUDE))
        named = {path: [name for _, name in includes(text)] for path, text in texts.items()}
        wrong = []
        for prefix, includers, seers, reason in FOREIGN:
            for path in texts:
                if any(name.startswith(prefix) for name in named[path]) and not re.fullmatch(includers, path):
                    wrong.append(f"{path} includes {prefix}, which belongs in {includers} ({reason})")
                for header in reached(path, named):
                    if any(name.startswith(prefix) for name in named[header]) and not re.fullmatch(seers, path):
                        wrong.append(f"{path} sees {prefix} through {header} ({reason})")
        self.assertFalse(wrong, "\n".join(wrong))

    def test_lines_are_asked_for_in_the_one_way_that_the_compiler_keeps(self):
        wrong = [path for path, text in sources(*MAY_INCLUDE)
                 if "__builtin_prefetch" in text and path != "core/prefetch.hpp"]
        self.assertFalse(wrong, f"use prefetch_line() of core/prefetch.hpp: {wrong}")

    def test_files_and_functions_stay_small_enough_to_live_with(self):
        wrong = []
        for path, text in sources(*MAY_INCLUDE, "bench", "tests"):
            lines = text.count("\n")
            if lines > FILE_LINES_MAX and path not in LONG_ALLOWED:
                wrong.append(f"{path}: {lines} lines, allowed are {FILE_LINES_MAX}")
            for name, first, count in functions(text):
                if count > FUNCTION_LINES_MAX and f"{path}:{name}" not in LONG_ALLOWED:
                    wrong.append(f"{path}:{first}: {name} has {count} lines, allowed are {FUNCTION_LINES_MAX}")
        self.assertFalse(wrong, "\n".join(wrong))

    def test_the_checks_themselves_see_what_they_should(self):
        self.assertEqual(find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}), ["b", "c", "b"])
        self.assertIsNone(find_cycle({"a": ["b", "c"], "b": ["c"]}))
        text = 'namespace n {\nX::X() : a_{1}, b_(2) {\n  if (a) {\n  }\n}\nint f(int a) const { return "}" [0]; }\n' \
               "constexpr int kTable[] = {\n1,\n};\nclass C {\n  void g() {\n  }\n};\n}\n"
        self.assertEqual([(name, count) for name, _, count in functions(text) if name in ("f", "g")], [("f", 1), ("g", 2)])
        self.assertIn(4, [count for _, _, count in functions(text)])


NAMED_TEST = re.compile(r"(?<!\*)\*([A-Za-z0-9_./]+)(…?)\*(?!\*)")


def tests_named(text):
    """(name, whether it is only a beginning) of what a page sets in italics and that can only be a test."""
    return [(name, more != "") for name, more in NAMED_TEST.findall(text)
            if "_" in name or "." in name or re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", name)]


class Guarantees(unittest.TestCase):
    def test_every_test_that_the_page_names_exists(self):
        tests = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "tests").rglob("*")
                 if path.suffix in (".cpp", ".py", ".txt") and path.is_file()}
        everything = "\n".join(tests.values())
        named = tests_named((ROOT / "docs/guarantees.md").read_text())
        self.assertGreater(len(named), 20)
        for name, beginning in named:
            if "/" in name:
                self.assertIn(name, tests)
                continue
            end = r"\w*" if beginning else r"\b"
            word = re.escape(name)
            forms = (rf"TEST(_F|_P)?\(\w+, {word}{end}", rf"TEST(_F|_P)?\({word},", rf"def (test_)?{word}{end}\(",
                     rf"NAME {word}\s")
            self.assertTrue(any(re.search(form, everything) for form in forms), f"docs/guarantees.md names {name}")

    def test_names_are_told_from_other_words(self):
        self.assertEqual(tests_named("*a_test*, *a_longer…*, **bold**, *word*, *DamagedLog*, *e2e.x*"),
                         [("a_test", False), ("a_longer…".rstrip("…"), True), ("DamagedLog", False), ("e2e.x", False)])


if __name__ == "__main__":
    unittest.main()
