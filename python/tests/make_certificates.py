"""Make the certificates of tests/data/certificates: ``make_certificates.py``, which needs openssl 1.1 or newer.

They are for 127.0.0.1 and localhost, by one CA, and of no use elsewhere: their keys are public.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "certificates"

CONFIGURATION = """
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
[leaf]
subjectAltName = IP:127.0.0.1, DNS:localhost
keyUsage = digitalSignature
extendedKeyUsage = serverAuth, clientAuth
[req]
distinguished_name = name
[name]
"""

TIMES = {
    "ca": ("20200101000000Z", "21260101000000Z"),
    "first": ("20200101000000Z", "21250101000000Z"),
    "second": ("20200101000000Z", "21250101000000Z"),
    "expired": ("20200101000000Z", "20210101000000Z"),
    "future": ("21200101000000Z", "21250101000000Z"),
}


def main() -> None:
    """Write NAME.pem and NAME.key for each."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        (here / "configuration").write_text(CONFIGURATION)
        (here / "index").touch()
        (here / "serial").write_text("01\n")

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=here, check=True, capture_output=True)

        for subject, (begins, ends) in TIMES.items():
            key, certificate = FOLDER / f"{subject}.key", FOLDER / f"{subject}.pem"
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
            request = ("-config", "configuration", "-key", str(key), "-subj", f"/CN={subject}", "-out", "request")
            openssl("req", "-new", *request)
            own = subject == "ca"
            by = ["-selfsign"] if own else ["-cert", str(FOLDER / "ca.pem")]
            by += ["-keyfile", str(FOLDER / "ca.key")]
            extensions = "authority" if own else "leaf"
            times = ("-startdate", begins, "-enddate", ends, "-extensions", extensions)
            files = ("-in", "request", "-out", str(certificate))
            openssl("ca", "-batch", "-notext", "-config", "configuration", *by, *times, *files)
    (FOLDER / "ca.key").unlink()


if __name__ == "__main__":
    main()
