"""One real package for all tests of the verifier, made once for each worker."""

import pytest

from tests.verifier.packed import Packed, pack


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(tmp_path_factory.mktemp("packed"))
