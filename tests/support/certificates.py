"""Certificates for TLS in tests: an authority of the test's own, and a server on this machine."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Certificates:
    """Files (PEM). `authority`: its certificate; `chain`: the server's certificate and key."""

    authority: Path
    chain: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        """Make new ones."""
        key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        basic = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(*(index in (5, 6) for index in range(9)))
        authority = _builder("authority", key).add_extension(basic, True).add_extension(usage, True).sign(key, SHA256())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        server = _builder("server", server_key)
        signed = server.add_extension(names, False).add_extension(issuer, False).sign(key, SHA256())
        made = cls(folder / "authority.pem", folder / "server.pem")
        made.authority.write_bytes(authority.public_bytes(Encoding.PEM))
        private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made.chain.write_bytes(private + signed.public_bytes(Encoding.PEM))
        return made

    def server(self) -> ssl.SSLContext:
        """The server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        return context


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority"))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
