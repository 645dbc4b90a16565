"""The files of deploy/ cannot be run in a test, but what they name must exist: paths, ports, variables, commands."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from servers import kafka
from servers.process import ROOT, Scratch, free_port, skip

try:
    import yaml
except ImportError:
    skip("python3-yaml is not there", "scripts/install-packages.sh test")

BINARY = pathlib.Path(os.environ.get("TIDEWAITER_BIN", ROOT / "build/release/tidewaiter"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
CONFIG = yaml.safe_load((ROOT / "deploy/tidewaiter.yaml").read_text())
OWN = [name for name, service in SERVICES.items() if "build" in service]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **options)


def instructions(name):
    return re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.M)


def mounts(service):
    """(source, target) of each volume of a service."""
    return [tuple(volume.split(":")[:2]) for volume in service.get("volumes", ())]


class Deploy(unittest.TestCase):
    def test_what_the_compose_file_builds_and_mounts_exists(self):
        for name in OWN:
            build = SERVICES[name]["build"]
            self.assertTrue((ROOT / build["context"] / build["dockerfile"]).is_file(), name)
        for name, service in SERVICES.items():
            for source, target in mounts(service):
                if source.startswith("."):
                    self.assertTrue((ROOT / source).is_file(), f"{name} mounts {source}")
                else:
                    self.assertIn(source, COMPOSE["volumes"], name)
            for other in service.get("depends_on", ()):
                self.assertIn(other, SERVICES, name)

    def test_every_command_and_option_is_one_of_the_binary(self):
        commands = [SERVICES[name]["command"] for name in OWN] + [eval(instructions("CMD")[0])]
        for comment in re.findall(r"exec tidewaiter tidewaiter (.*)", (ROOT / "docker-compose.yml").read_text()):
            commands.append(comment.split())
        for command in commands:
            answer = run(BINARY, command[0], "--help")
            self.assertEqual(answer.returncode, 0, f"{command[0]}: {answer.stderr}")
            for word in command[1:]:
                if word.startswith("--"):
                    self.assertRegex(answer.stdout, rf"(?m)^\s.*{word}\b", f"tidewaiter {command[0]}")

    def test_every_path_in_the_containers_is_mounted_made_or_part_of_the_image(self):
        for name in OWN:
            known = [target for _, target in mounts(SERVICES[name])]
            paths = [word for word in SERVICES[name]["command"] if word.startswith("/")]
            if name == "tidewaiter":
                paths += [CONFIG["store"]["directory"], CONFIG["store"]["signing_key_file"]]
                paths.append(f"/etc/tidewaiter/{CONFIG['policy_file']}")
            for path in paths:
                self.assertTrue(any(path == k or path.startswith(k + "/") for k in known), f"{name}: {path}")
        # The key that one service makes is the one that the other signs with.
        self.assertEqual(SERVICES["key"]["command"][-1] + "/tidewaiter.key", CONFIG["store"]["signing_key_file"])
        self.assertEqual(instructions("ENTRYPOINT"), ['["/usr/local/bin/tidewaiter"]'])
        for options in SERVICES["prometheus"]["command"]:
            path = options.split("=")[1]
            self.assertIn(path, [target for _, target in mounts(SERVICES["prometheus"])])

    def test_ports_addresses_and_topics_agree(self):
        api, metrics = CONFIG["http"]["api_address"], CONFIG["http"]["metrics_address"]
        self.assertEqual((api, metrics), ("127.0.0.1:8470", "0.0.0.0:8471"))
        port = metrics.split(":")[1]
        self.assertEqual(SERVICES["tidewaiter"]["ports"], [f"127.0.0.1:{port}:{port}"])
        self.assertEqual(instructions("EXPOSE"), [port])
        self.assertIn(f"http://127.0.0.1:{port}/readyz", SERVICES["tidewaiter"]["healthcheck"]["test"])
        scrape, = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(scrape["static_configs"], [{"targets": [f"tidewaiter:{port}"]}])
        serve = "".join(path.read_text() for path in (ROOT / "serve").glob("*.cpp"))
        for path in (scrape["metrics_path"], "/readyz"):
            self.assertIn(f'"{path}"', serve)

        advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].removeprefix("PLAINTEXT://")
        self.assertEqual(CONFIG["kafka"]["properties"]["bootstrap.servers"], advertised)
        generate = SERVICES["generator"]["command"]
        self.assertEqual(generate[generate.index("--brokers") + 1], advertised)
        self.assertIn(generate[generate.index("--topic") + 1], CONFIG["kafka"]["topics"])
        self.assertIn(advertised, SERVICES["kafka"]["healthcheck"]["test"])

    def test_no_service_of_ours_is_given_a_variable_that_nothing_reads(self):
        code = "".join(path.read_text() for path in ROOT.glob("*/*.cpp"))
        names = [name for service in OWN for name in SERVICES[service].get("environment", {})]
        names += [word.split("=")[0] for line in instructions("ENV") for word in line.split()]
        for name in names:
            self.assertIn(f'getenv("{name}")', code)

    def test_the_dockerfile_copies_what_exists_and_builds_it_with_make(self):
        for line in instructions("COPY"):
            source = line.split()[-2].removeprefix("/src/")
            self.assertTrue((ROOT / source).exists() or source == "build/release/tidewaiter", line)
        for target in re.findall(r"\bmake (\w+)", DOCKERFILE):
            self.assertRegex((ROOT / "Makefile").read_text(), rf"(?m)^{target}:")

    @unittest.skipUnless(shutil.which("dpkg-query") and "12 (bookworm)" in pathlib.Path("/etc/os-release").read_text(),
                         "the image is a Debian 12, this machine is not")
    def test_the_image_has_every_library_that_the_binary_links(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", BINARY).stdout))
        packages = re.search(r"install -y --no-install-recommends\s+(.*?)&&", DOCKERFILE[DOCKERFILE.rindex("FROM "):], re.S)
        installed = set(packages.group(1).split())
        used = set()
        for library in needed:
            owners = {line.split(":")[0] for line in run("dpkg-query", "-S", f"*/{library}").stdout.splitlines()}
            used |= owners & {"libc6", "libgcc-s1", *installed}
            self.assertTrue(owners & used, f"{library} is in {sorted(owners)}")
        self.assertEqual(installed - used, {"ca-certificates", "curl"})

    def test_the_configuration_and_its_policy_are_valid(self):
        with Scratch("deploy-config") as scratch:
            key = scratch / "key"
            self.assertEqual(run(BINARY, "init", "--force", key).returncode, 0)
            text = (ROOT / "deploy/tidewaiter.yaml").read_text().replace("/var/lib/tidewaiter", str(scratch))
            (scratch / "tidewaiter.yaml").write_text(text)
            policy, = [ROOT / source for source, target in mounts(SERVICES["tidewaiter"]) if target == "/etc/tidewaiter/policy.yaml"]
            shutil.copy(policy, scratch / "policy.yaml")
            answer = run(BINARY, "check-config", "--config", scratch / "tidewaiter.yaml")
            self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
            # A second start keeps the key.
            before = (key / "tidewaiter.key").read_bytes()
            self.assertEqual(run(BINARY, "init", "--force", key).returncode, 0)
            self.assertEqual((key / "tidewaiter.key").read_bytes(), before)

    def test_a_real_broker_starts_from_the_variables_of_the_compose_file(self):
        kafka.require_kafka()
        with Scratch("deploy-kafka") as scratch, ComposeKafka(scratch) as broker:
            self.assertIn('"partitions": 6', broker.describe())


# What the Kafka image has beside the settings, as far as its start-up program reads it.
LOG4J = """\
Configuration:
  Properties: {Property: []}
  Appenders: {Console: {name: STDOUT}}
  Loggers:
    Root: {level: INFO, AppenderRef: {ref: STDOUT}}
    Logger: [{name: kafka, level: INFO}]
"""


class ComposeKafka(kafka.Kafka):
    """Started as the image does: its own program turns variables into a configuration and formats the store."""

    def __init__(self, scratch):
        super().__init__(scratch / "kafka")
        shutil.rmtree(self.folder / "data")
        settings = {key: str(value) for key, value in SERVICES["kafka"]["environment"].items()}
        for key, value in settings.items():
            value = value.replace("://:", "://127.0.0.1:").replace("kafka:", "127.0.0.1:")
            value = value.replace(":9092", f":{self.port}").replace(":9093", f":{self.controller_port}")
            settings[key] = value.replace("/var/lib/kafka", str(self.folder))
        folders = {name: scratch / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir()
        for name in ("log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).write_text(LOG4J)
        (folders["default"] / "server.properties").write_text("")
        options = [word for name, folder in folders.items() for word in (f"--{name}-configs-dir", folder)]
        done = run(*kafka.java(kafka.SMALL, "kafka.docker.KafkaDockerWrapper", "setup", *options),
                   env={**os.environ, **settings})
        assert (self.folder / "data/meta.properties").exists(), done.stdout + done.stderr
        self.properties = folders["final"] / "server.properties"

    def describe(self):
        """A topic that comes into being when it is first written to, as the compose file counts on."""
        self.produce([{"value": "first"}], topic="audit")
        return f'"partitions": {len(self.offsets("audit"))}'


if __name__ == "__main__":
    if not BINARY.exists():
        skip("the binary is not there", "make build")
    unittest.main()
