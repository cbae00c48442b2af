"""GitHub's release of its runner as machines see it that download it: the host's name, TLS, a stand-in's archive."""

from __future__ import annotations

import hashlib
import io
import ssl
import tarfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.machines.init import folders

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

HOST = "github.com"
VALID = timedelta(days=30)


class Mirror:
    """Serves the archive of a runner at whatever path ends with its name. A WSGI application.

    Args:
        folder: Where archive and keys are kept. Whoever changes ``archive`` there changes what machines get.
        runner: The root of a runner.
    """

    def __init__(self, folder: Path, runner: Path) -> None:
        folders.make(folder)
        self.archive = folder / "runner.tar.gz"
        self.archive.write_bytes(_packed(runner))
        self.sha256 = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        self.authority, chain = _certified()
        file = folder / "chain.pem"
        file.touch(0o600)
        file.write_bytes(chain)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(file)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        if not request.path.endswith(".tar.gz"):
            return Response("Not Found", 404)(environ, start_response)
        return Response(self.archive.read_bytes(), mimetype="application/octet-stream")(environ, start_response)


def _packed(runner: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        archive.add(runner, ".")
    return out.getvalue()


def _certified() -> tuple[bytes, bytes]:
    """The certificate of an authority of our own, and key and certificate of the host; PEM."""
    now = datetime.now(UTC)
    authority, host = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _name("runnerkit's sandbox")

    def signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(root).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - VALID).not_valid_after(now + VALID)
        made = builder.add_extension(extension, critical=True).sign(authority, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    own = signed(root, authority, x509.BasicConstraints(ca=True, path_length=0))
    leaf = signed(_name(HOST), host, x509.SubjectAlternativeName([x509.DNSName(HOST)]))
    key = host.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return own, key + leaf


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
