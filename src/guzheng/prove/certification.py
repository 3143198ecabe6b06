"""A certification for courts of the United States: FRE 902(13), 902(14), and 28 U.S.C. § 1746.

In English only, since that is the language of the rule. It describes the process and lists the
hash values, which is what the rule asks for beyond a conclusion (Fed. R. Evid. 902(13)–(14),
Advisory Committee's note of 2017); a qualified person must fill in who he is, and sign. Nothing
here is signed by a machine, and nothing here says that the content is true.
"""

from guzheng.proof import instant
from guzheng.prove.printing import Issue, Printed, Writer, grouped
from guzheng.prove.told import Told, below, count, text

_TITLE = "CERTIFICATION OF ELECTRONIC RECORDS AND DATA"
_SUBTITLE = "Federal Rules of Evidence 902(13) and 902(14); 28 U.S.C. § 1746"
_LEAD = (
    "I, the undersigned, state the following on the basis of my own knowledge of the system "
    "described, and of the comparison of hash values that I made or supervised.",
    "My name, position and qualification: ______________________________________________",
    "My relation to the party that offers these records: ________________________________",
)
_PROCESS = (
    "1. The records listed below were generated or kept by an electronic process or system "
    "called guzheng, version {version}, run by {operator}.",
    "2. A captured web page is opened by the system in a newly started browser; the octets "
    "exchanged with the server, pictures of the page and a record of the process are written "
    "to files. A deposited file is stored as received; the system did not observe how it was "
    "made. Which of the two applies is stated for each record below.",
    "3. For every file the system computes a hash value (SHA-256, FIPS 180-4; and SM3) while "
    "it is received. A hash value is a number computed from the whole of a file: a change of "
    "any part of the file changes it.",
    "4. The hash values are written to a manifest. A time-stamp authority signs the hash value "
    "of the manifest together with the time (RFC 3161). {authority}",
    "5. A commitment to the manifest is appended to a public append-only log (Merkle tree of "
    "RFC 6962), whose signed state is stated for each record below.",
    "6. That this process produces an accurate result can be tested without the system: "
    "«sha256sum -c SHA256SUMS» compares every file with its hash value, «openssl ts -verify» "
    "checks each time stamp, and «guzheng-verify» performs every step; VERIFY.md has the "
    "commands.",
)
_OWN = "The authority is run by the operator of the system; it is not an independent one."
_OUTSIDE = "The authority is not run by the operator of the system."
_COMPARISON = (
    "7. The data copied from the system to the accompanying medium or file are identified by "
    "the hash values below. I compared the hash value of each copied file with the value that "
    "the system recorded, on (date) ____________, by (program) ____________, and each agreed.",
    "8. The value over all records of this package, computed by «grep '  exhibits/' SHA256SUMS "
    "| sha256sum», is {digest}.",
)
_LIMIT = (
    "9. This certification says nothing of the truth of what the records show, of who made "
    "them, or of whether they were lawfully obtained.",
    "I declare under penalty of perjury under the laws of the United States of America that "
    "the foregoing is true and correct.",
)
_SIGNATURES = ("Executed on (date):", "Signature:", "Printed name:")
_KINDS = {
    "web": "web page captured by the system",
    "web-attempt": "failed attempt to capture a web page, as recorded by the system",
    "deposit": "file received from the applicant",
    "hash-only": "hash value received from the applicant; the file was never in the system",
}


def certification(issue: Issue, writer: Writer) -> bytes:
    english = Writer(writer.printer, "en")
    authority = _OWN if issue.own_authority else _OUTSIDE
    facts = {
        "version": issue.version,
        "operator": issue.operator or "(operator to be named)",
        "authority": authority,
        "digest": grouped(issue.evidence_digest.hex),
    }

    def paragraphs(texts: tuple[str, ...]) -> list[list[str]]:
        return [english.text(one.format(**facts)) for one in texts]

    document: Printed = {
        "title": english.text(_TITLE),
        "lead": [english.text(_SUBTITLE), *paragraphs(_LEAD)],
        "sections": [
            {"title": english.text("Process"), "rows": [], "paragraphs": paragraphs(_PROCESS)},
            {
                "title": english.text("Comparison"),
                "rows": [],
                "paragraphs": paragraphs(_COMPARISON),
            },
            *(_record(one, english) for one in issue.told),
            {
                "title": english.text("Declaration"),
                "rows": [],
                "paragraphs": paragraphs(_LIMIT),
            },
        ],
        "signatures": [english.text(one) for one in _SIGNATURES],
        "footer": english.text("To be completed and signed by a qualified person."),
        "page_of": english.say("catalogue.page-of", page="{page}", pages="{pages}"),
    }
    return english.set("sheet.typ", document, issue.dated_at)


def _record(told: Told, english: Writer) -> Printed:
    seal, entry = below(told.facts, "seal"), below(told.facts, "entry")
    capture = below(told.facts, "capture")
    texts = {
        "Record": f"{told.name} ({told.exhibit}; certificate {told.number})",
        "Kind": _KINDS[told.manifest.kind],
        "Time stamp": f"{instant.encode(told.sealed_at)}, {text(seal, 'authority')}",
        "Log": f"{text(entry, 'origin')}, entry {count(entry, 'index')} of "
        f"{count(entry, 'size')}",
    }
    if capture:
        texts["Page"] = text(capture, "requested_url")
        texts["Browser"] = f"{text(capture, 'browser')}; {text(capture, 'software')}"
    rows: list[Printed] = [
        {"label": english.text(label), "lines": [english.text(said)]}
        for label, said in texts.items()
    ]
    rows += [
        {
            "label": english.text(item.name),
            "lines": [
                english.text(f"{item.size:,} octets; SHA-256 {grouped(item.sha256.hex)}")
            ],
        }
        for item in told.manifest.items
    ]
    return {"title": english.text(told.name), "rows": rows, "paragraphs": []}
