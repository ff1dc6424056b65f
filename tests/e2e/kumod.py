"""A real kumod as a child process, with everything of it in one folder and on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.serving import free_port, wait_for

SUBMISSION_HOST = "smtp.postmta.test"
KUMOD = os.environ.get("KUMOD") or shutil.which("kumod")
START_SECONDS, STOP_SECONDS = 60.0, 20.0


def write_certificate(host: str, certificate: Path, private_key: Path) -> None:
    """A certificate for a host that is its own authority, and its key, both readable for kumod."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def user() -> str | None:
    """Who kumod is to run as: nobody else unless we are root, which it does not want to be."""
    if os.geteuid() != 0:
        return None
    return next(user.pw_name for user in pwd.getpwall() if user.pw_name in ("kumod", "nobody"))


class Kumod:
    """A node: its folders, its ports, and the process while it runs."""

    def __init__(self, folder: Path) -> None:
        self.policy_dir, self.spool, self.logs = folder / "policy", folder / "spool", folder / "logs"
        self.output = folder / "kumod.log"
        self.launcher = self.policy_dir / "init.lua"
        for path in (self.policy_dir, self.spool, self.logs):
            path.mkdir(mode=0o755)
            if owner := user():
                shutil.chown(path, user=owner)
        self.smtp_port, self.submission_port, self.http_port = free_port(), free_port(), free_port()
        self.certificate, self.private_key = folder / "submission.pem", folder / "submission.key"
        write_certificate(SUBMISSION_HOST, self.certificate, self.private_key)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it run its launcher: the one that was published into its policy folder, if none was set."""
        owner = user()
        as_user = ["--user", owner] if owner else []
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [str(KUMOD), *as_user, "--policy", str(self.launcher)],
                cwd=self.policy_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_for(self._is_alive, f"a living kumod; see {self.output}", START_SECONDS)

    def _is_alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output.read_text(errors="replace")[-4000:]
        try:
            return httpx.get(f"{self.url}/api/check-liveness/v1", trust_env=False).text == "OK"
        except httpx.TransportError:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, after which its log segments are complete; one that was busy may not want to go."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
