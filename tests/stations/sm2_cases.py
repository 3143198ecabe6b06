"""What the tests of SM2 share: keys in a folder, an authority over them, why there is none."""

import os
from functools import cache
from pathlib import Path

from guzheng.fix import LocalAuthority, random_serials, sm2, sm2_ceremony
from guzheng.fix.clock import unverified
from guzheng.fix.sm2 import Libcrypto, open_libcrypto
from guzheng.refusals import Unavailable
from tests.stations.timestamps import NOON


@cache
def _why_not() -> str:
    try:
        open_libcrypto()
    except Unavailable as failure:
        return f"no SM2 here: {failure.found}"
    return ""


NO_SM2 = _why_not()


def made(folder: Path, library: Libcrypto) -> sm2_ceremony.Sm2Keys:
    return sm2_ceremony.load_or_make(folder, library, now=lambda: NOON, entropy=os.urandom)


def authority_of(keys: sm2_ceremony.Sm2Keys) -> LocalAuthority:
    return LocalAuthority(
        sm2.signing_key_of(keys.tsa_key),
        keys.tsa_der,
        clock=unverified(lambda: NOON),
        serial=random_serials(os.urandom),
    )
