"""A form is read the same however it was cut on its way, and nothing else gets through."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.refusals import Refused
from guzheng.web.uploads import FILES_LIMIT, Field, File, _Multipart

BOUNDARY = b"frontier"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A multipart body as browsers write it: (field, file name or None, octets)."""
    body = b""
    for name, file, octets in parts:
        body += b"--" + BOUNDARY + b"\r\n"
        body += f'Content-Disposition: form-data; name="{name}"'.encode()
        if file is not None:
            body += f'; filename="{file}"\r\nContent-Type: text/plain'.encode()
        body += b"\r\n\r\n" + octets + b"\r\n"
    return body + b"--" + BOUNDARY + b"--\r\n"


def read(body: bytes, size: int) -> list[tuple[str, str | None, bytes]]:
    pieces = iter([body[at : at + size] for at in range(0, len(body), size)])
    found: list[tuple[str, str | None, bytes]] = []
    for part in _Multipart(BOUNDARY, pieces).parts():
        match part:
            case Field(name, text):
                found.append((name, None, text.encode()))
            case File(field, name, _, chunks):
                found.append((field, name, b"".join(chunks)))
    return found


octets = st.binary(max_size=300).filter(lambda one: BOUNDARY not in one)


@given(octets, octets, st.integers(1, 700))
def test_how_a_body_was_cut_changes_nothing(first: bytes, second: bytes, size: int) -> None:
    parts = (
        ("claimed_name", None, "主体_场景_日期".encode()),
        ("file", "甲.txt", first),
        ("file", "", b""),
        ("file", "b.bin", second),
    )
    assert read(form(*parts), size) == list(parts)


@given(st.binary(max_size=400), st.integers(1, 64))
def test_whatever_comes_only_a_refusal_comes_out(body: bytes, size: int) -> None:
    for start in (body, b"--" + BOUNDARY + b"\r\n" + body):
        try:
            read(start, size)
        except Refused as refused:
            assert refused.code.startswith("web.")


@given(st.integers(3, 200))  # the last line's own end may be missing
def test_a_body_that_ends_early_is_refused(lost: int) -> None:
    body = form(("file", "a", b"x" * 400))
    with pytest.raises(Refused) as refused:
        read(body[: -min(lost, len(body))], 50)
    assert refused.value.code == "web.cut-off"


def test_a_name_keeps_what_the_browser_escaped() -> None:
    body = form(("file", "a%22b%0Ac%41.txt", b"x"))
    assert read(body, 1000)[0][1] == 'a"b\nc%41.txt'


def test_a_part_nobody_read_does_not_hide_the_next() -> None:
    body = form(("file", "a", b"x" * 400), ("last", None, b"y"))
    pieces = iter([body[at : at + 33] for at in range(0, len(body), 33)])
    parts: Iterator[Field | File] = _Multipart(BOUNDARY, pieces).parts()
    assert isinstance(next(parts), File)
    assert next(parts) == Field("last", "y")


def test_fields_without_measure_are_refused() -> None:
    with pytest.raises(Refused, match="field-too-big"):
        read(form(("claimed_name", None, b"x" * 20_000)), 4096)
    with pytest.raises(Refused, match="malformed-form"):
        read(form(*[("n", None, b"x")] * 65), 4096)


def test_the_head_of_a_part_has_bounds() -> None:
    """A body may have gigabytes: none of them are gathered as lines of a head, or as one."""

    def long() -> Iterator[bytes]:
        yield b"--%b\r\nX: " % BOUNDARY
        yield from (b"x" * 65_536 for _ in range(100_000))

    def many() -> Iterator[bytes]:
        yield b"--%b\r\n" % BOUNDARY
        yield from (b"X-%d: y\r\n" % one for one in range(10_000_000))

    for endless in (long(), many()):
        with pytest.raises(Refused, match="malformed-form"):
            list(_Multipart(BOUNDARY, endless).parts())
        assert next(endless), "it was not read to its end"


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Refused, match="malformed-form"):
        read(form(("claimed_name", None, b"\xff\xfe")), 4096)


def test_files_without_measure_are_refused() -> None:
    """Two megabytes of files of one octet would be twenty thousand exhibits."""
    whole = form(*[("file", "a", b"x")] * FILES_LIMIT)
    assert len(read(whole, 4096)) == FILES_LIMIT
    with pytest.raises(Refused, match="too-many-files"):
        read(form(*[("file", "a", b"x")] * (FILES_LIMIT + 1)), 4096)


def test_a_boundary_without_measure_is_refused() -> None:
    with pytest.raises(Refused, match="malformed-form"):
        _Multipart(b"x" * 9_000, iter([b"--x"]))
