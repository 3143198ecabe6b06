"""The issuance journal: durable before the token, and every altered octet found."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.fix.journal import (
    LABEL,
    Checked,
    FileJournal,
    Journal,
    Unrecorded,
    chain,
    check,
    heads,
    leaf_of,
    read_heads,
    record_heads,
)
from guzheng.fix.journal.checking import find_token
from guzheng.proof import canonical
from guzheng.refusals import Unavailable
from tests.stations.timestamps import NOON
from tests.world import small_disk

ROOT = Path(__file__).resolve().parents[2]
SIGNER = "0123456789abcdef"


def opened(folder: Path, turn_octets: int = 1 << 20) -> FileJournal:
    return FileJournal(folder, now=lambda: NOON, turn_octets=turn_octets)


def wrote(journal: Journal, *texts: bytes) -> None:
    for text in texts:
        journal.commit(journal.append([(text, "own")], signer=SIGNER))


def checked(folder: Path, ledger: set[bytes] | None = None) -> Checked:
    known = {leaf_of(one) for one in read_heads(folder)} if ledger is None else ledger
    return check(folder, in_ledger=known.__contains__, leaves=sorted(known))


def codes(found: Checked) -> list[str]:
    return [one.code for one in found.faults]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# ------------------------------------------------------------------------------- the port


@pytest.fixture(params=["files", "unrecorded"])
def journal(request: pytest.FixtureRequest, folder: Path) -> Iterator[Journal]:
    if request.param == "unrecorded":
        yield Unrecorded()
    else:
        kept = opened(folder)
        yield kept
        kept.close()


def test_what_was_committed_is_durable(journal: Journal) -> None:
    group = journal.append([(b"tst", "own")], signer=SIGNER)
    journal.commit(group)
    assert group.durable
    journal.commit(group)  # again is fine


# ---------------------------------------------------------------------------------- lines


def test_a_line_written_by_hand_is_canonical() -> None:
    line = chain.token_line(
        7, b"a" * 64, client=b"own", signer=SIGNER.encode(), tst_info_der=b"\x30\x03"
    )
    members = canonical.parse_object(line)
    assert canonical.encode(members) == line
    assert members["tst_info"] == "3003"
    assert chain.parse(line) == chain.Line(7, b"a" * 64, "token", chain.digest_of(line))


@given(st.binary(max_size=300))
def test_any_octets_are_a_line_or_none(octets: bytes) -> None:
    assert chain.parse(octets) is None


def test_lines_continue_in_another_process_and_another_file(folder: Path) -> None:
    for turn in range(4):
        one = opened(folder, turn_octets=400)
        wrote(one, b"%d-a" % turn, b"%d-b" % turn)
        assert one.name == "000"
        one.close()
    found = checked(folder)
    assert (found.chains, found.lines, found.tokens, found.faults) == (1, 12, 8, [])
    assert len(chain.files_of(folder, "000")) > 2
    assert [*find_token(folder, b"2-b")] != []
    assert [*find_token(folder, b"9-z")] == []


def test_two_at_once_write_two_chains(folder: Path) -> None:
    one, other = opened(folder), opened(folder)
    wrote(one, b"one")
    wrote(other, b"other")
    assert (one.name, other.name) == ("000", "001")
    one.close()
    third = opened(folder)
    wrote(third, b"third")
    assert third.name == "000"
    assert codes(checked(folder)) == []
    other.close()
    third.close()


def test_many_threads_share_a_flush(folder: Path) -> None:
    journal = opened(folder)
    groups = []

    def issue(name: int) -> None:
        for number in range(50):
            group = journal.append([(b"%d.%d" % (name, number), "own")], signer=SIGNER)
            journal.commit(group)
            groups.append(group)

    threads = [threading.Thread(target=issue, args=(name,)) for name in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    journal.close()
    assert all(one.durable for one in groups)
    found = checked(folder)
    assert (found.tokens, found.faults) == (400, [])


# -------------------------------------------------------------------------- after a crash


@pytest.mark.parametrize("octets", [b"x", b'{"client":"own","kind":"tok', b"\xff" * 9000])
def test_a_torn_end_is_named_and_is_no_fault(folder: Path, octets: bytes) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    journal.close()
    (file,) = chain.files_of(folder, "000")
    file.write_bytes(file.read_bytes() + octets)
    found = checked(folder)
    assert found.faults == []
    assert found.torn == [chain.Torn("000/000000000000.jsonl", len(octets))]
    again = opened(folder)
    wrote(again, b"two")
    again.close()
    assert f'"dropped_octets":{len(octets)}'.encode() in file.read_bytes()
    found = checked(folder)
    assert (found.tokens, found.torn, found.faults) == (2, [], [])


def test_an_empty_file_after_a_turn(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    journal.close()
    (folder / "000" / chain.file_name(2)).touch()
    again = opened(folder)
    wrote(again, b"two")
    again.close()
    found = checked(folder)
    assert (found.tokens, found.faults) == (2, [])


def test_nobody_writes_after_a_damaged_line(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    journal.close()
    (file,) = chain.files_of(folder, "000")
    file.write_bytes(file.read_bytes()[:-20] + b"damaged\n")
    before = file.read_bytes()
    again = opened(folder)
    wrote(again, b"two")
    assert again.name == "001"
    again.close()
    assert file.read_bytes() == before
    assert "fix.journal-altered" in codes(checked(folder))


PROGRAM = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from guzheng.fix.journal import FileJournal
journal = FileJournal(Path(sys.argv[1]), now=lambda: datetime.now(UTC), turn_octets=20_000)
for number in range(1_000_000):
    groups = [
        journal.append([(b"%s.%d.%d" % (sys.argv[2].encode(), number, one), "own")],
                       signer="0123456789abcdef")
        for one in range(number % 7 + 1)
    ]
    for group in groups:
        journal.commit(group)
    for one in range(len(groups)):
        sys.stdout.write(f"{sys.argv[2]}.{number}.{one}\\n")
    sys.stdout.flush()
"""


def test_killed_at_any_moment_no_token_is_without_its_line(folder: Path) -> None:
    sent: list[bytes] = []
    for life in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(life)], stdout=subprocess.PIPE
        ) as program:
            assert program.stdout is not None
            for _ in range(1 + 40 * life):
                line = program.stdout.readline()
                assert line, "the program ended"
                sent.append(line.strip())
            program.kill()
            sent += [one.strip() for one in program.stdout.readlines() if one.endswith(b"\n")]
    found = checked(folder)
    assert found.faults == []
    written = b"".join(one.read_bytes() for one in chain.files_of(folder, "000"))
    missing = [one for one in sent if one.hex().encode() not in written]
    assert missing == []


def test_a_full_disk_gives_no_token_and_afterwards_all_is_well(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256 * 1024) as disk:
        journal = opened(disk / "journal")
        wrote(journal, b"one")
        filler = disk / "filler"
        stream = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            while True:
                os.write(stream, bytes(4096))
        os.close(stream)
        with pytest.raises(Unavailable) as refused:
            for number in range(1000):
                wrote(journal, b"more %d" % number)
        assert refused.value.code == "store.disk-full"
        filler.unlink()
        wrote(journal, b"after")
        journal.close()
        found = checked(disk / "journal")
        assert found.faults == []
        assert found.torn == []
        assert [*find_token(disk / "journal", b"after")]


def test_whoever_waited_for_a_flush_that_failed_is_told(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    first = journal.append([(b"lost", "own")], signer=SIGNER)
    second = journal.append([(b"lost too", "own")], signer=SIGNER)
    read_only = os.open("/dev/null", os.O_RDONLY)
    os.dup2(read_only, journal._file)  # the disk is gone under the open file
    os.close(read_only)
    for group in (first, second, first):
        with pytest.raises(Unavailable):
            journal.commit(group)
    wrote(journal, b"two")
    journal.close()
    assert codes(checked(folder)) == []


def test_a_chain_whose_flush_failed_is_not_written_on_again(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    reading, writing = os.pipe()  # a pipe takes the octets and cannot be flushed
    os.dup2(writing, journal._file)
    with pytest.raises(Unavailable) as refused:
        wrote(journal, b"lost")
    assert refused.value.code == "fix.journal-unwritable"
    os.close(reading)
    os.close(writing)
    wrote(journal, b"two")
    assert journal.name == "001"
    assert (folder / "000" / "abandoned").exists()
    journal.close()
    assert codes(checked(folder)) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"a file in its place")
    with pytest.raises(Unavailable) as refused:
        opened(tmp_path / "journal").append([(b"x", "own")], signer=SIGNER)
    assert refused.value.code == "fix.journal-unwritable"


# ------------------------------------------------------------------- whoever alters a line


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chains of some files, and heads over all of it."""
    folder = tmp_path_factory.mktemp("sound") / "journal"
    one, other = opened(folder, turn_octets=600), opened(folder)
    wrote(one, *(b"one %d" % number for number in range(12)))
    wrote(other, b"other")
    one.close()
    other.close()
    record_heads(folder, NOON)
    assert codes(checked(folder)) == []
    return folder


def altered(sound: Path, to: Path, alter: Callable[[Path], None]) -> Checked:
    shutil.copytree(sound, to)
    alter(to)
    return check(
        to,
        in_ledger={leaf_of(one) for one in read_heads(sound)}.__contains__,
        leaves=[leaf_of(one) for one in read_heads(sound)],
    )


@settings(max_examples=60)
@given(data=st.data())
def test_every_altered_octet_is_found(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    def alter(folder: Path) -> None:
        file = data.draw(st.sampled_from(sorted(folder.glob("*/*.jsonl"))))
        octets = bytearray(file.read_bytes())
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        file.write_bytes(octets)

    found = altered(sound, tmp_path_factory.mktemp("altered") / "journal", alter)
    assert found.faults


@settings(max_examples=40)
@given(data=st.data())
def test_every_missing_line_is_found(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    def alter(folder: Path) -> None:
        file = data.draw(st.sampled_from(sorted(folder.glob("*/*.jsonl"))))
        lines = file.read_bytes().splitlines(keepends=True)
        begin = data.draw(st.integers(0, len(lines) - 1))
        del lines[begin : data.draw(st.integers(begin + 1, len(lines)))]
        file.write_bytes(b"".join(lines))

    found = altered(sound, tmp_path_factory.mktemp("missing") / "journal", alter)
    assert found.faults


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda one: one.joinpath("001", chain.file_name(0)).unlink(), "fix.journal-cut"),
        (lambda one: shutil.rmtree(one / "000"), "fix.journal-cut"),
        (lambda one: one.joinpath("heads.jsonl").unlink(), "fix.journal-head-lost"),
        (lambda one: sorted(one.glob("000/*.jsonl"))[1].unlink(), "fix.journal-missing"),
        (lambda one: sorted(one.glob("000/*.jsonl"))[0].unlink(), "fix.journal-missing"),
        (lambda one: sorted(one.glob("000/*.jsonl"))[-1].unlink(), "fix.journal-cut"),
    ],
)
def test_whole_files_that_are_gone(
    sound: Path, tmp_path: Path, alter: Callable[[Path], None], code: str
) -> None:
    found = altered(sound, tmp_path / "journal", alter)
    assert code in codes(found), found.faults


def test_lines_after_the_last_head_are_counted(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    (head,) = record_heads(folder, NOON)
    assert head.lines == 2
    assert leaf_of(head).startswith(LABEL)
    assert len(leaf_of(head)) == 48
    assert checked(folder).uncovered == 0
    assert checked(folder, ledger=set()).uncovered == 2  # a head that no ledger holds
    wrote(journal, b"two", b"three")
    assert checked(folder).uncovered == 2
    journal.close()


def test_a_head_is_written_when_the_chain_moved_and_told_again_when_not(folder: Path) -> None:
    assert record_heads(folder, NOON) == []
    journal = opened(folder)
    wrote(journal, b"one")
    first = record_heads(folder, NOON)
    later = NOON + timedelta(minutes=1)
    assert record_heads(folder, later) == first
    assert read_heads(folder) == first
    wrote(journal, b"two")
    (head,) = record_heads(folder, later)
    assert (head.lines, head.observed_at) == (3, later)
    assert len(read_heads(folder)) == 2
    journal.close()


def test_a_torn_head_is_written_over(folder: Path) -> None:
    journal = opened(folder)
    wrote(journal, b"one")
    record_heads(folder, NOON)
    place = folder / heads.HEADS
    place.write_bytes(place.read_bytes() + b'{"chain":"0')
    wrote(journal, b"two")
    record_heads(folder, NOON)
    assert len(read_heads(folder)) == 2
    assert checked(folder).faults == []
    journal.close()


def test_the_example_of_the_specification_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "spec" / "journal.md").read_text("utf-8")
    example = text.rpartition("```text\n")[2].partition("```")[0]
    journal = opened(tmp_path)
    wrote(journal, bytes.fromhex("3003020101"))
    journal.close()
    assert chain.files_of(tmp_path, "000")[0].read_text("utf-8") == example
