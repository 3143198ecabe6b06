"""A copy holds only what a signed root proves, all of it, and signs only then."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner import Refused
from guzheng.cosigner.keys import open_cosigner
from guzheng.cosigner.serving import Asked
from guzheng.mirror.copying import Copy
from guzheng.mirror.fetching import Unreachable
from guzheng.mirror.paths import Paths
from guzheng.proof import tiles
from guzheng.proof.errors import ProofError
from guzheng.proof.fork import Fork
from guzheng.proof.note import Checkpoint, Note, Signature
from tests.mirror.sites import ORIGIN, Site, entries_of
from tests.proof.keys import key_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "mirror.example/m1"
SIZES = (1, 2, 255, 256, 257, 511, 512, 700)
EDGES = (0, 1, 255, 256, 257, 512, 65_535, 65_536, 65_537, 66_000)


class Mirror:
    def __init__(self, directory: Path, *, post_quantum: bool = False) -> None:
        self.directory, self.at, self.post_quantum = directory, NOON, post_quantum
        self.told: list[str] = []

    def open(self) -> Copy:
        cosigner = open_cosigner(
            self.directory / "mirror.key",
            NAME,
            post_quantum=self.post_quantum,
            entropy=lambda count: hashlib.sha256(b"mirror").digest()[:count],
        )
        keys = (key_of(ORIGIN, 1).key,)
        return Copy(
            self.directory / "log",
            keys,
            cosigner,
            lambda: self.at,
            lambda code, _facts: self.told.append(code),
        )


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path)


def require_same(copy: Copy, site: Site, size: int) -> None:
    """Every file of the log's tree, and a checkpoint signed by both."""
    note = Note.parse(copy.read("checkpoint") or b"")
    own = copy.cosigner.keys[0].key
    signers = note.find_signed([*copy.keys, own])
    assert set(signers) == {*copy.keys, own}
    assert Checkpoint.parse(note.text).size == size
    of_that_size = Site(site.entries).show(size).files
    for path, octets in of_that_size.items():
        assert path == "checkpoint" or copy.read(path) == octets, path
    assert copy.check() == size


@pytest.mark.parametrize("size", SIZES)
def test_the_first_round_copies_all(mirror: Mirror, size: int) -> None:
    site = Site(entries_of(size)).show(size)
    copy = mirror.open()
    assert copy.follow(site.fetch)
    require_same(copy, site, size)
    # Never a leaf hash from the log: they are computed from the entries.
    assert not any(path.startswith("tile/0/") for path in site.asked)
    site.asked.clear()
    assert not copy.follow(site.fetch)
    assert site.asked == ["checkpoint"]


def test_a_tree_of_three_levels_grows(mirror: Mirror) -> None:
    site, copy = Site(entries_of(66_000)).show(65_000), mirror.open()
    assert copy.follow(site.fetch)
    for size in (65_536, 66_000):
        site.show(size).asked.clear()
        assert copy.follow(site.fetch)
        assert len(site.asked) < 20, "what is kept is not asked for again"
    require_same(copy, site, size)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 600), min_size=1, max_size=5))
def test_a_growing_log_is_followed(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    mirror, largest = Mirror(tmp_path_factory.mktemp("m")), 0
    site, copy = Site(entries_of(600)), mirror.open()
    for size in sizes:
        copy.follow(site.show(size).fetch)
        largest = max(largest, size)
        copy = mirror.open()
        require_same(copy, site, largest)
    if any(one > other for one, other in pairwise(sizes)):
        assert "mirror.behind" in mirror.told or largest == 0


def test_witnesses_who_were_late_are_added_and_none_is_taken_away(mirror: Mirror) -> None:
    copy, site = mirror.open(), Site(entries_of(9)).show(9)
    early, late = key_of("early.example/w", 2, 4), key_of("late.example/w", 3, 4)
    log_signed = Note.parse(site.files["checkpoint"])
    own = copy.cosigner.name

    def show(*lines: Signature) -> set[str]:
        note = Note(log_signed.text, (*log_signed.signatures, *lines))
        site.files["checkpoint"] = note.encode()
        copy.follow(site.fetch)
        return {one.name for one in Note.parse(copy.read("checkpoint") or b"").signatures}

    first = early.sign(log_signed.text, 1)
    assert show(first) == {ORIGIN, early.key.name, own}
    assert show(first, late.sign(log_signed.text, 2)) == {
        ORIGIN,
        early.key.name,
        late.key.name,
        own,
    }
    assert late.key.name in show(first)
    # Whoever speaks in the mirror's name is not passed on.
    show(first, late.sign(log_signed.text, 2), Signature(own, b"none", bytes(72)))
    assert copy.check() == 9
    require_same(copy, site, 9)


def test_full_tiles_instead_of_partial_ones_that_are_gone(mirror: Mirror) -> None:
    site = Site(entries_of(512)).show(300)
    checkpoint = site.files["checkpoint"]
    site.show(512).files["checkpoint"] = checkpoint
    del site.files["tile/entries/001.p/44"], site.files["tile/0/001.p/44"]
    copy = mirror.open()
    assert copy.follow(site.fetch)
    require_same(copy, site, 300)


def wrong(octets: bytes) -> list[bytes]:
    flipped = bytes([octets[0] ^ 1]) + octets[1:]
    return [flipped, octets[:-1], octets + b"\x00", b"", octets[:-1] + bytes([octets[-1] ^ 1])]


def test_nothing_forged_is_kept_and_nothing_is_signed(tmp_path: Path) -> None:
    size = 600
    honest = Site(entries_of(size)).show(size)
    for number, path in enumerate(one for one in honest.files if not one.startswith("tile/0/")):
        for at, octets in enumerate(wrong(honest.files[path])):
            mirror = Mirror(tmp_path / f"{number}-{at}")
            mirror.directory.mkdir()
            site, copy = Site(honest.entries).show(size), mirror.open()
            site.files[path] = octets
            with pytest.raises((ProofError, Unreachable)):
                copy.follow(site.fetch)
            assert copy.kept() is None
            for kept in (mirror.directory / "log").rglob("*"):
                if kept.is_file() and kept.name != "pending":
                    name = kept.relative_to(mirror.directory / "log").as_posix()
                    assert kept.read_bytes() == honest.files[name]
            # And once the log serves the truth again, the copy goes on.
            assert copy.follow(honest.fetch)
            require_same(copy, honest, size)


@pytest.mark.parametrize("missing", ["checkpoint", "tile/1/000.p/2", "tile/entries/001"])
def test_what_is_not_there_is_asked_for_again_later(mirror: Mirror, missing: str) -> None:
    site = Site(entries_of(600)).show(600)
    copy, octets = mirror.open(), site.files.pop(missing)
    with pytest.raises(Unreachable):
        copy.follow(site.fetch)
    assert copy.kept() is None
    site.files[missing] = octets
    assert copy.follow(site.fetch)


def test_a_checkpoint_of_another_is_nothing(mirror: Mirror) -> None:
    site = Site(entries_of(3), key_of(ORIGIN, 9)).show(3)
    with pytest.raises(Unreachable):
        mirror.open().follow(site.fetch)


@pytest.mark.parametrize(
    ("old", "new"), [(300, 300), (300, 600), (256, 600), (512, 513), (1, 2)]
)
def test_a_fork_is_not_followed(mirror: Mirror, old: int, new: int) -> None:
    copy = mirror.open()
    site = Site(entries_of(700))
    assert copy.follow(site.show(old).fetch)
    fork = Site(entries_of(700, "other ", fork_at=old - 1)).show(new)
    with pytest.raises(Refused) as refused:
        copy.follow(fork.fetch)
    assert refused.value.code == "mirror.forked"
    (file,) = mirror.directory.glob("*.fork")
    both = Fork.parse(file.read_bytes()).require_proved(copy.keys)
    assert [one.size for one in both] == [old, new]
    require_same(copy, site, old)
    assert copy.follow(site.show(700).fetch)


def test_a_fork_after_a_death_while_copying(mirror: Mirror) -> None:
    """What the pending checkpoint promised binds, though the mirror had not signed it."""
    copy, site = mirror.open(), Site(entries_of(900)).show(900)

    def dying(path: str) -> bytes | None:
        if path == "tile/entries/002":
            raise Unreachable("the log died")
        return site.fetch(path)

    with pytest.raises(Unreachable):
        copy.follow(dying)
    assert copy.kept() is None
    fork = Site(entries_of(950, "other ", fork_at=100)).show(950)
    with pytest.raises(Refused):
        mirror.open().follow(fork.fetch)
    copy = mirror.open()
    site.asked.clear()
    assert copy.follow(site.fetch)
    assert "tile/entries/000" not in site.asked  # kept before the death
    require_same(copy, site, 900)


def test_a_clock_that_goes_back_signs_nothing(mirror: Mirror) -> None:
    copy, site = mirror.open(), Site(entries_of(600))
    assert copy.follow(site.show(10).fetch)
    mirror.at -= timedelta(seconds=1)
    with pytest.raises(Refused) as refused:
        copy.follow(site.show(20).fetch)
    assert refused.value.code == "mirror.clock-back"
    mirror.at += timedelta(seconds=1)
    assert copy.follow(site.fetch)
    require_same(copy, site, 20)


@pytest.mark.parametrize("act", ["flip", "cut", "remove"])
def test_damage_to_the_copy_is_found(mirror: Mirror, act: str) -> None:
    copy, site = mirror.open(), Site(entries_of(700)).show(700)
    assert copy.follow(site.fetch)
    for kept in sorted((mirror.directory / "log" / "tile").rglob("*")):
        if not kept.is_file():
            continue
        octets = kept.read_bytes()
        if act == "remove":
            kept.unlink()
        else:
            kept.write_bytes(
                octets[:-1] if act == "cut" else bytes([octets[0] ^ 1]) + octets[1:]
            )
        with pytest.raises(Refused) as refused:
            copy.check()
        assert refused.value.code == "mirror.damaged"
        kept.write_bytes(octets)
    assert copy.check() == 700


# -- what is served ----------------------------------------------------------------------------


def test_the_same_paths_and_headers_as_the_log(mirror: Mirror) -> None:
    copy, site = mirror.open(), Site(entries_of(600))
    paths = Paths(copy)
    assert paths.respond(Asked("GET", "/checkpoint")).status == 404
    copy.follow(site.show(300).fetch)
    copy.follow(site.show(600).fetch)
    origin_id = hashlib.sha256(ORIGIN.encode()).hexdigest()
    for path, octets in site.files.items():
        for prefix in ("/", f"/{origin_id}/"):
            answer = paths.respond(Asked("GET", prefix + path))
            assert answer.status == 200, path
            if path == "checkpoint":
                assert answer.media_type == "text/plain; charset=utf-8"
                assert "max-age=2" in answer.headers["Cache-Control"]
                assert answer.body.startswith(octets)
            else:
                assert answer.media_type == "application/octet-stream"
                assert "immutable" in answer.headers["Cache-Control"]
                assert answer.body == octets
    for path in (
        "/pending",
        "/tile/0/003",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/x000/000",
        "/tile/00/000",
        "/tile/0/../0/000",
        "/tile/0/%30%30%30",
        "//checkpoint",
        "/../mirror.key",
        "/tile/entries/../../../mirror.key",
    ):
        assert paths.respond(Asked("GET", path)).status == 404, path
    assert paths.respond(Asked("POST", "/checkpoint")).status == 405
    page = paths.respond(Asked("GET", "/")).body.decode()
    assert "完整副本" in page
    assert copy.cosigner.vkeys[0] in page


def test_what_no_signed_checkpoint_needs_is_not_served(mirror: Mirror) -> None:
    """Copied, and not yet signed for: a cache would keep it for ever."""
    copy, site = mirror.open(), Site(entries_of(900))
    copy.follow(site.show(300).fetch)
    site.show(900)

    def dying(path: str) -> bytes | None:
        if path == "tile/entries/002":
            raise Unreachable("the log died")
        return site.fetch(path)

    with pytest.raises(Unreachable):
        copy.follow(dying)
    assert copy.read("tile/entries/001") is not None
    assert Paths(copy).respond(Asked("GET", "/tile/entries/001")).status == 404
    assert Paths(copy).respond(Asked("GET", "/tile/entries/001.p/44")).status == 200


def test_proofs_from_the_copy_alone(mirror: Mirror) -> None:
    copy, site = mirror.open(), Site(entries_of(600)).show(600)
    copy.follow(site.fetch)
    read: Callable[[tiles.Tile], bytes] = lambda one: copy.read(str(one)) or b""  # noqa: E731
    at = copy.kept()
    assert at is not None
    assert tiles.root_from(read, 600) == at.root
    assert tiles.inclusion_from(read, 599, 600)
