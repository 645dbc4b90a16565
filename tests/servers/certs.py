"""Certificates for tests: a private CA and what it signs, made with the openssl command."""

import pathlib
import subprocess


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, arguments))}: {done.stderr}")


class Pair:
    """A certificate and its key (PKCS#8), as PEM files."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key


class Authority:
    """A CA in a folder of its own. Two of them make each other's certificates foreign ones."""

    def __init__(self, folder, name="tidewaiter test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def server(self, name="localhost"):
        return self._sign(name, f"DNS:{name},DNS:localhost,IP:127.0.0.1", "serverAuth")

    def client(self, name="tidewaiter.test"):
        return self._sign(name, f"DNS:{name}", "clientAuth")

    def expired_server(self, name="localhost"):
        return self._sign(name, f"DNS:{name},DNS:localhost,IP:127.0.0.1", "serverAuth", days=-1, stem="expired")

    def _sign(self, name, alternatives, usage, days=30, stem=None):
        stem = stem or f"{usage}-{name}"
        key, request = self.folder / f"{stem}.key", self.folder / f"{stem}.csr"
        certificate, extensions = self.folder / f"{stem}.pem", self.folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", str(days), "-extfile", extensions, "-out", certificate)
        return Pair(certificate, key)
