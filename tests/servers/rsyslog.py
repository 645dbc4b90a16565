"""A real rsyslog that receives syslog over mutual TLS."""

import json
import shutil

from servers.process import Server, free_port, port_open, skip

CONFIGURATION = """\
global(workDirectory="{folder}" maxMessageSize="64k"
  DefaultNetstreamDriverCAFile="{ca}" DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp")
# Not the ossl driver: it now and then lets in a client of the same CA with another name (8.2302).
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="in" StreamDriver.Name="gtls" StreamDriver.Mode="1"
  StreamDriver.AuthMode="x509/name" PermittedPeer=[{permitted}])
template(name="json" type="string" string="%jsonmesg%\\n")
ruleset(name="in") {{ action(type="omfile" file="{output}" template="json") }}
"""


def _program():
    return shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")


def require_rsyslog():
    """Skips the test when there is no rsyslog to be had on this machine."""
    if not _program():
        skip("rsyslog is not there", "scripts/install-packages.sh test")


class Rsyslog(Server):
    """Only clients with a certificate of `authority` (servers.certs.Authority) and a permitted name get in."""

    name = "rsyslog"

    def __init__(self, folder, authority, permitted=("tidewaiter.test",)):
        super().__init__(folder)
        self.port = free_port()
        self.output = self.folder / "received.json"
        pair = authority.server("localhost")
        self.configuration = self.folder / "rsyslog.conf"
        self.configuration.write_text(CONFIGURATION.format(
            folder=self.folder, ca=authority.certificate, certificate=pair.certificate, key=pair.key, port=self.port,
            permitted=",".join(f'"{name}"' for name in permitted), output=self.output))

    def command(self):
        return [_program(), "-n", "-f", str(self.configuration), "-i", str(self.folder / "rsyslog.pid")]

    def ready(self):
        return port_open(self.port)

    def messages(self):
        """Every message as rsyslog has parsed it: dicts with msg, hostname, programname, structured-data, ..."""
        if not self.output.exists():
            return []
        return [json.loads(line) for line in self.output.read_text().splitlines()]
