"""SM2 tokens before Bouncy Castle, which validates them whole; one JVM for all of them."""

import os
from pathlib import Path

import pytest

from guzheng.fix.sm2 import open_libcrypto
from guzheng.proof import timestamp
from guzheng.proof.digest import sm3
from tests.oracles import bouncycastle
from tests.stations.sm2_cases import NO_SM2, authority_of, made
from tests.stations.timestamps import FILE

pytestmark = [
    pytest.mark.skipif(bool(NO_SM2), reason=NO_SM2),
    pytest.mark.skipif(bool(bouncycastle.missing()), reason=bouncycastle.missing()),
]


def test_bouncy_castle_agrees_on_tokens_and_certificates(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = open_libcrypto()
    keys, strangers = made(tmp_path / "keys", library), made(tmp_path / "other", library)
    authority = authority_of(keys)
    folders: list[Path] = []

    def case(file: bytes, answer: bytes, request: bytes, root_der: bytes) -> None:
        folder = tmp_path / str(len(folders))
        folder.mkdir()
        (folder / "file").write_bytes(file)
        (folder / "answer.tsr").write_bytes(answer)
        (folder / "request.tsq").write_bytes(request)
        (folder / "root.der").write_bytes(root_der)
        folders.append(folder)

    files = [FILE, b"", *(os.urandom(size) for size in (1, 1000, 70_000))] + [FILE] * 15
    for number, file in enumerate(files):
        request = timestamp.encode_request(sm3(file), number)
        case(file, authority.respond(request), request, keys.root_der)
    sound = len(folders)
    request = timestamp.encode_request(sm3(FILE), 1)
    answer = authority.respond(request)
    forged = bytearray(answer)
    forged[-3] ^= 1  # in the signature
    case(FILE, bytes(forged), request, keys.root_der)
    case(b"another file", answer, request, keys.root_der)
    case(FILE, answer, timestamp.encode_request(sm3(FILE), 2), keys.root_der)
    case(FILE, answer, request, strangers.root_der)

    classes = bouncycastle.compiled("Sm2Tokens", tmp_path_factory)
    said = bouncycastle.ask(classes, "Sm2Tokens", *folders)
    assert said[:sound] == ["sound"] * sound
    assert len(said) == len(folders)
    assert all(one.startswith("refused: ") for one in said[sound:]), said[sound:]
