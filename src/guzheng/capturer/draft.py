"""What the record of a capture will say, as it becomes known.

The act fills it in while it goes on; `record` may be asked for at any time, and then says what
is known until then: of a capture that failed there is a record too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from guzheng import origin
from guzheng.capturer import machine, writing
from guzheng.capturer.chains import Chains
from guzheng.capturer.exchange import ARCHIVED, FROM_CACHE, FROM_WORKER, WEBSOCKET
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.moments import Moments
from guzheng.capturer.order import CaptureOrder, without_password
from guzheng.capturer.record import (
    CaptureRecord,
    Completeness,
    Control,
    Failure,
    Judgement,
    Viewer,
)
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.stage import Stage
from guzheng.capturer.visit import Visit
from guzheng.capturer.wire import Wire
from guzheng.proof.capture import MAX_ENTRIES
from guzheng.proof.manifest import Item

_HARMLESS = ARCHIVED | {FROM_CACHE, FROM_WORKER, WEBSOCKET}
_URL = 8000


@dataclass(slots=True)
class Draft:
    """Below `chains` stands what nobody knows at the start."""

    order: CaptureOrder
    software: str
    started_at: datetime
    now: Callable[[], datetime]
    journal: Journal
    recorder: Recorder
    moments: Moments
    stage: Stage
    chains: Chains
    control: Control | None = None
    visit: Visit | None = None
    scope: tuple[Judgement, ...] = ()
    title: str = ""
    final_url: str = ""
    viewer: Viewer | None = None
    wire: Wire | None = None
    completeness: Completeness | None = None

    def add_notes(self) -> None:
        """Whatever a reader of a capture must not overlook."""
        journal, stage, status = self.journal, self.stage, self._status()
        if status is not None and status >= 400:
            journal.note("capture.http-error-status")
        if stage.browser is not None and stage.browser.sandbox.kind == "off":
            journal.note("capture.sandbox-off")
        if any(one.outcome not in _HARMLESS for one in self.recorder.exchanges):
            journal.note("capture.requests-missing")
        connections = stage.egress.connections if stage.egress else []
        if stage.egress is not None and stage.egress.turned_away:
            journal.limit("capture.connection-limit")
        self.note_origin()
        if stage.confinement is not None and stage.confinement.find_cause() is not None:
            journal.note("capture.out-of-memory")  # a frame or a worker: the page went on
        if any(one.outcome == "refused-address" for one in connections):
            journal.note("capture.address-refused-within")

    def note_origin(self) -> None:
        """What may have led to another server (guzheng.origin); of a capture that failed too,
        since a name that was led astray makes a page look as if it were gone."""
        if self.order.trust_spki:
            self.journal.note("capture.tls-key-trusted")
        if self.order.allow_private:
            self.journal.note("capture.private-addresses-allowed")
        connections = self.stage.egress.connections if self.stage.egress else []
        if machine.preset_names(one.host for one in connections):
            self.journal.note(origin.PRESET)
        differing = {_name(one.host) for one in connections if one.agreement == "different"}
        if differing:
            self.journal.note("capture.resolvers-differ")
            if differing & self._unproved_hosts():
                self.journal.note(origin.DIFFERS)
        vantage = self.order.vantage
        if connections and vantage is not None and vantage.means == "socks":
            self.journal.note(origin.PROXIED)

    def _unproved_hosts(self) -> set[str]:
        """Of the page's own address and of every one it was sent on to, not of its parts: the
        names that no certificate proved. Over TLS a site behind a content network, which gives
        each resolver other addresses, has shown that the name is its own."""
        documents = self.visit.documents if self.visit else []
        urls = [self.order.url, self.final_url, *(one.url for one in documents)]
        asked = [urlsplit(one) for one in urls]
        return {_name(one.hostname or "") for one in asked if one.scheme == "http"}

    def _status(self) -> int | None:
        documents = self.visit.documents if self.visit else []
        return documents[-1].status or None if documents else None

    def record(
        self, items: tuple[Item, ...] = (), failure: Failure | None = None
    ) -> CaptureRecord:
        exchanges = self.recorder.exchanges
        if len(exchanges) > MAX_ENTRIES:
            self.journal.note("capture.requests-unlisted")
            exchanges = exchanges[:MAX_ENTRIES]
        documents = self.visit.documents if self.visit else []
        final_url = self.final_url or (documents[-1].url if documents else "")
        egress, grade = self.stage.egress, self.stage.grade
        return CaptureRecord(
            exhibit=self.order.exhibit,
            outcome="failed" if failure else "captured",
            requested_url=cut(without_password(self.order.url), _URL),
            observed_started_at=self.started_at,
            observed_finished_at=self.now(),
            elapsed_milliseconds=self.journal.offset(self.journal.clock.monotonic()),
            software=self.software,
            private_addresses_allowed=tuple(str(one) for one in self.order.allow_private),
            trusted_spki=self.order.trust_spki,
            limits=self.order.limits,
            options=self.order.options or None,
            limits_hit=tuple(self.journal.limits_hit),
            notes=tuple(self.journal.notes),
            steps=tuple(self.journal.steps),
            redirects=writing.redirects_of(documents),
            connections=writing.connections_of(egress, exchanges) if egress else (),
            tls=writing.tls_of(exchanges, self.chains.of_host),
            requests=writing.requests_of(exchanges),
            artefacts=items,
            final_url=cut(final_url, _URL) or None,
            observed_title=cut(self.title) or None,
            observed_status=self._status(),
            viewer=self.viewer,
            failure=failure,
            transcript=self.wire.transcript if self.wire else None,
            tls_keys=self.wire.keys if self.wire else None,
            completeness=self.completeness,
            vantage=self.order.vantage,
            grade=grade.word if self.viewer else None,
            missing=grade.missing if self.viewer else (),
            opening=self.moments.opening,
            moments=tuple(self.moments.made),
            scope=self.scope,
            control=self.control,
        )


def _name(host: str) -> str:
    return host.lower().rstrip(".")
