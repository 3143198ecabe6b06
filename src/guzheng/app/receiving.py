"""What comes in by the plain doors: a file, the fingerprint of one that stays away, an address.

Each is durable and queued when its word returns. Uploads that are taken up again, orders with
choices and further originals have doors of their own (`uploading`, `ordering`, `originals`).
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from guzheng import intake
from guzheng.app.ordering import Ordering
from guzheng.app.wishes import Wanted
from guzheng.config import Config
from guzheng.intake import Upload
from guzheng.refusals import Unavailable
from guzheng.road import Road
from guzheng.store.ids import LOCAL


class Receiving:
    """May be shared by threads."""

    def __init__(
        self, config: Config, road: Road, ordering: Ordering, enqueue: Callable[[str], None]
    ) -> None:
        self._config, self._road = config, road
        self._ordering, self._enqueue = ordering, enqueue

    def deposit(
        self,
        name: str,
        chunks: Iterable[bytes],
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        media_type: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """One file; durable when this returns, and queued."""
        upload = Upload(name, chunks, media_type or intake.media_type_of(name))
        order = self._road.deposit(
            (upload,),
            largest=self._config.largest_upload,
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
            account=account,
            person=person,
        )
        self._enqueue(order.exhibit)
        return order.exhibit

    def deposit_digest(
        self,
        file: Path,
        name: str,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """A file that stays with its owner: hashed here, and nothing of it kept."""
        try:
            with file.open("rb") as stream:
                size, digests = intake.digests_of_stream(stream)
        except OSError as error:
            raise intake.unreadable(file, error) from error
        order = self._road.deposit_digests(
            (intake.by_digest(name, size, digests, intake.media_type_of(name)),),
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
            account=account,
            person=person,
        )
        self._enqueue(order.exhibit)
        return order.exhibit

    def order_capture(
        self,
        url: str,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """A page, confirmed as soon as it is captured; `ordering` has the whole flow. Raises
        Unavailable at once when there is no browser."""
        self.require_browser()
        wanted = Wanted(
            url,
            claimed_name or "",
            claimed_applicant or "",
            claimed_purpose or "",
            automatic=True,
            account=account,
            person=person,
        )
        return self._ordering.order(wanted)[0].commission.exhibit

    def find_browser(self) -> str | None:
        """Path of the browser that captures would use."""
        if self._config.chromium:
            return self._config.chromium if Path(self._config.chromium).is_file() else None
        return shutil.which("chromium") or shutil.which("chromium-browser")

    def require_browser(self) -> None:
        if self.find_browser() is None:
            raise Unavailable(
                "capture.no-browser",
                expected="Chromium on this machine",
                found="none",
                act="the operator installs it: apt-get install chromium fonts-noto-cjk",
            )
