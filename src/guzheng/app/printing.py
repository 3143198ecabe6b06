"""The press that prints certificates, and its signer: loaded once, and never waited for twice.

Most commands print nothing, so nothing is loaded before it is wanted. The first certificate of
a process would wait for it (fonts, typst, the writer of signatures: a second and a half of a
processor), so whoever captures a page says so, and it is loaded while the browser is at work.
"""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from guzheng.app.parts import Parts
from guzheng.config import Config
from guzheng.refusals import Problem

if TYPE_CHECKING:
    from guzheng.certify import DocumentSigner


@dataclass
class Printing:
    """`begin` as often as one likes; `certify` waits for what was begun."""

    config: Config
    parts: Parts
    _begun: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Load it in a thread of its own, once. What cannot be loaded is the certificate's to
        refuse, which tries again."""
        with self._lock:
            if self._begun is None:
                self._begun = threading.Thread(target=self._load, name="printing")
                self._begun.start()

    def certify(
        self, facts: Mapping[str, object], papers: Mapping[str, bytes], at: datetime
    ) -> bytes:
        if self._begun is not None:
            self._begun.join()
        from guzheng.certify import certify

        return certify(
            facts,
            papers,
            self._signer,
            signed_at=at,
            public_url=self.config.public_url or None,
            operator_runs_authority=not self.config.timestamp_url,
        )

    @cached_property
    def _signer(self) -> "DocumentSigner":
        from guzheng.certify import DocumentSigner

        keys = self.parts.keys
        respond = self.parts.authority.respond
        return DocumentSigner(keys.signer_key, keys.signer_der, respond, (keys.root_der,))

    def _load(self) -> None:
        from guzheng.certify import make_ready

        with contextlib.suppress(Problem):
            make_ready()
