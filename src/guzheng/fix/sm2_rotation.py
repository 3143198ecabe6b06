"""The next key of the SM2 authority: made, certified by the SM2 root, taken up while running.

As rotation.py for the other authority: the first by the ceremony (`sm2/tsa.*`), each further
one in `<keys>/sm2-tsa/<number>/`, from 0002 on: `tsa.key`, `tsa.pem`, `begins`. A folder
appears whole, and nothing is overwritten or deleted. The root's key must be at hand: there is
no tool that would certify a request for SM2 elsewhere. Who goes on signing: rotating.py.
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import keyfolder, profiles, sm2, sm2_ceremony, sm2_certificates
from guzheng.fix.keyfolder import CERTIFICATE, KEY
from guzheng.fix.rotation import BEGINS, Generation, begins_in, make_room, require_valid
from guzheng.fix.signing import SigningKey
from guzheng.fix.sm2 import Libcrypto
from guzheng.proof import instant

FOLDER = "sm2-tsa"


def generations(keys_dir: Path) -> tuple[Generation, ...]:
    """All of them, in order, each certificate the SM2 root's; none where there is no SM2."""
    first = keys_dir / sm2_ceremony.FOLDER
    if not os.path.lexists(first):
        return ()
    root = keyfolder.certificate_in(first / f"root{CERTIFICATE}")
    certificate = keyfolder.certificate_in(first / f"tsa{CERTIFICATE}")
    found = [Generation(1, first, certificate, certificate.not_valid_before_utc)]
    if os.path.lexists(keys_dir / FOLDER):
        keyfolder.require_private(keys_dir / FOLDER)
        names = [one.name for one in (keys_dir / FOLDER).iterdir()]
        for number in sorted(int(one) for one in names if one.isdecimal()):
            folder = keys_dir / FOLDER / f"{number:04d}"
            keyfolder.require_private(folder)
            certificate = keyfolder.certificate_in(folder / f"tsa{CERTIFICATE}")
            sm2_ceremony.require_issued(certificate, root, folder / f"tsa{CERTIFICATE}")
            found.append(Generation(number, folder, certificate, begins_in(folder)))
    return tuple(found)


def signing_key(generation: Generation, library: Libcrypto) -> SigningKey:
    """The generation's key; `Refused` when there is none, or it is another certificate's."""
    path = generation.folder / f"tsa{KEY}"
    return sm2.signing_key_of(sm2_ceremony.key_in(path, generation.certificate, library))


def rotate(
    keys_dir: Path,
    library: Libcrypto,
    *,
    operator: str,
    at: datetime,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
) -> Generation:
    """A generation that signs from `begins_at` on."""
    first = keys_dir / sm2_ceremony.FOLDER
    root = keyfolder.certificate_in(first / f"root{CERTIFICATE}")
    if not os.path.lexists(first / f"root{KEY}"):
        raise keyfolder.refused(
            "fix.root-offline",
            first / f"root{KEY}",
            "the SM2 root's key",
            "none",
            "bring it back for as long as this takes",
        )
    profiles.require_operator(operator)
    root_key = sm2_ceremony.key_in(first / f"root{KEY}", root, library)
    key = library.generate()
    certificate = x509.load_der_x509_certificate(
        sm2_certificates.tsa_of(
            root_key,
            root,
            key.public_key_der,
            operator=operator,
            at=at,
            entropy=entropy,
        )
    )
    require_valid(certificate, begins_at)
    make_room(keys_dir, FOLDER)
    files = {
        f"tsa{KEY}": sm2_ceremony.key_pem(key),
        f"tsa{CERTIFICATE}": certificate.public_bytes(Encoding.PEM),
        BEGINS: instant.encode(begins_at).encode(),
    }
    number = generations(keys_dir)[-1].number + 1
    folder = keys_dir / FOLDER / f"{number:04d}"
    keyfolder.make_if_none(folder, lambda: files, entropy=entropy)
    return generations(keys_dir)[-1]
