"""A device of our own: SoftHSM2 with one token in a folder of the test's, and keys in it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from guzheng.fix.pkcs11_keys import Place

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
)
MODULE = next((str(one) for one in MODULES if one.exists()), "")
MISSING = "" if MODULE else "no softhsm2 here: as root, `make ready` installs it"
PIN, TOKEN = "0451", "guzheng-test"

_MAKE = """
import sys, pkcs11
from pkcs11 import KeyType, Attribute
from pkcs11.util.ec import encode_named_curve_parameters
module, token, pin, label, kind = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin, rw=True) as session:
    if kind.startswith("rsa"):
        session.generate_keypair(KeyType.RSA, int(kind[3:]), store=True, label=label)
    else:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(kind)}
        domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
        domain.generate_keypair(store=True, label=label)
"""


@dataclass(frozen=True)
class SoftDevice:
    """One token; SOFTHSM2_CONF must name its configuration in whoever loads the module."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def place(self) -> Place:
        return Place(MODULE, TOKEN, PIN)

    def add(self, label: str, kind: str) -> None:
        """`kind`: rsa3072, secp256r1, …; in a process of its own, as a device's tools are."""
        command = [sys.executable, "-c", _MAKE, MODULE, TOKEN, PIN, label, kind]
        subprocess.run(command, env=self.environment, check=True)


def made(folder: Path) -> SoftDevice:
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    device = SoftDevice(folder)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN,
         "--so-pin", "7351"],
        env=device.environment, check=True, capture_output=True,
    )  # fmt: skip
    return device
