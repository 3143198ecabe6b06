"""The court's question, put to index, papers and ledger: finds the exhibit, and has it judged.

The index only says where to look. What it names is read from the papers and from the ledger as
it is published at this moment; a damaged paper or ledger is the answer 不一致, not an error.
"""

from collections.abc import Sequence

from guzheng import road
from guzheng.app.parts import Parts
from guzheng.ledger import Ledger, Numbered
from guzheng.proof import package, tiles
from guzheng.proof.errors import Inconsistent, ProofError
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile
from guzheng.proof.tlogproof import TlogProof
from guzheng.prove import Answer, Match, Question, answer
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import find


def ask(parts: Parts, question: Question) -> tuple[Answer, ...]:
    """At least one answer; several when several exhibits hold the same file."""
    named = [
        exhibits
        for exhibits in (
            None if question.index is None else _with_entry(parts, _entry(question)),
            None if question.number is None else parts.index.numbered(question.number),
            None if question.file is None else parts.index.with_file(question.file),
        )
        if exhibits is not None
    ]
    if not named:
        raise Refused(
            "court.nothing-asked",
            expected="a file, the number of a certificate, or the number of an entry",
            found="none of them",
            act="give at least one",
        )
    # The number of an entry or a certificate names one exhibit; a file may be in several.
    answers = tuple(_answer(parts, question, one) for one in named[0])
    if question.index is None and question.number is not None:
        # The index knows 48 bits of a number: others that share them are not what was asked.
        answers = tuple(one for one in answers if one.code != "court.number-differs")
    return answers or (_absent(parts, question),)


def _absent(parts: Parts, question: Question) -> Answer:
    """Nothing under what was asked first. If something speaks of the file, the two differ."""
    if question.index is not None:
        entry = _entry(question)
        shard = parts.shards.row.find(entry.shard)
        size = shard.ledger.entries.size() if shard else 0
        known = entry.number < size
        code = "court.entry-of-no-exhibit" if known else "court.no-such-entry"
        return Answer(Match.ABSENT, code, expected=f"below {size}", found=str(entry))
    if question.number is not None:
        return Answer(Match.ABSENT, "court.no-such-number", number=question.number)
    return Answer(Match.ABSENT, "court.no-such-file", found=str(question.file))


def _entry(question: Question) -> Numbered:
    return Numbered(question.shard, question.index or 0)


def _with_entry(parts: Parts, entry: Numbered) -> Sequence[str]:
    shard = parts.shards.row.find(entry.shard)
    exhibit = shard.ledger.entries.exhibit_of(entry.number) if shard else None
    return (exhibit,) if exhibit else ()


def _answer(parts: Parts, question: Question, exhibit: str) -> Answer:
    folder = road.folder_of(exhibit)
    entry = find(parts.blobs, folder + package.ENTRY)
    if entry is None:
        refused = find(parts.blobs, folder + road.REFUSED) is not None
        code = "court.refused" if refused else "court.on-its-road"
        return Answer(Match.ABSENT, code, exhibit)
    names = (one.removeprefix(folder) for one in parts.blobs.names(folder))
    wanted = [one for one in names if package.is_paper(one)]
    papers = {one: find(parts.blobs, folder + one) or b"" for one in wanted}
    try:
        paper = TlogProof.parse(entry)
        ledger = _shard_of(parts, paper)
        proved = TlogProof.parse(ledger.prove(paper.index))
        if question.index is not None and question.shard != ledger.shard:
            raise Inconsistent("court.index-differs", _entry(question), ledger.origin)
        return answer(question, exhibit, papers, _published(ledger, proved), proved)
    except (ProofError, Problem) as error:
        return Answer(
            Match.INCONSISTENT,
            error.code,
            exhibit,
            expected=error.expected,
            found=error.found,
        )


def _shard_of(parts: Parts, paper: TlogProof) -> Ledger:
    """The shard that the paper names; a name that is none of ours is another's ledger."""
    origin = paper.checkpoint.origin
    shard = parts.shards.find_by_origin(origin)
    if shard is None:
        raise Refused("ledger.not-found", expected=parts.ledger.origin, found=origin[:200])
    return shard.ledger


def _published(ledger: Ledger, proved: TlogProof) -> bytes | None:
    """The entry as strangers read it: from the bundle, and not from a table of ours."""
    first = proved.index // WIDTH
    width = min(WIDTH, proved.checkpoint.size - first * WIDTH)
    for bundle in dict.fromkeys((Tile(ENTRIES, first, width), Tile(ENTRIES, first))):
        octets = ledger.read(str(bundle))
        if octets is not None:
            return tiles.entries_in(bundle, octets)[proved.index % WIDTH]
    return None
