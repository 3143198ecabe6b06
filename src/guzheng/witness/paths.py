"""The paths of a witness: two to submit, `<log>/checkpoint` to watch, a page."""

import re
from html import escape

from guzheng.cosigner.serving import TEXT, Answer, Asked
from guzheng.witness.memory import id_of
from guzheng.witness.witness import Witness
from guzheng.words import say

_LOG = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_BRIEFLY = {"Cache-Control": "public, max-age=5", "Access-Control-Allow-Origin": "*"}
_STYLE = "body{font:1rem/1.6 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}\
code{overflow-wrap:anywhere}"


class Paths:
    """`prefix` stands before every path: empty, or `/witness`."""

    def __init__(self, witness: Witness, prefix: str) -> None:
        self._witness, self._prefix = witness, prefix.rstrip("/")

    def respond(self, asked: Asked) -> Answer:
        path = asked.path.partition("?")[0]
        if not path.startswith(self._prefix + "/"):
            return Answer(404, b"no such path\n")
        path = path.removeprefix(self._prefix)
        submitted = {
            "/add-checkpoint": self._witness.add_checkpoint,
            "/sign-subtree": self._witness.sign_subtree,
        }.get(path)
        if submitted is not None:
            if asked.method != "POST":
                return Answer(405, b"POST a checkpoint\n", TEXT, {"Allow": "POST"})
            return submitted(asked.body)
        if asked.method == "POST":
            return Answer(404, b"no such path\n")
        if log := _LOG.fullmatch(path):
            return self._checkpoint(log[1])
        if path == "/":
            return Answer(200, self._page().encode(), "text/html; charset=utf-8")
        return Answer(404, b"no such path\n")

    def _checkpoint(self, log_id: str) -> Answer:
        """tlog-witness: what this witness cosigned last, so that nobody is shown another."""
        seen = self._witness.memory.find_latest(log_id)
        if seen is None:
            return Answer(404, b"no checkpoint of that log\n")
        return Answer(200, seen.note, TEXT, _BRIEFLY)

    def _page(self) -> str:
        memory = self._witness.memory
        origins = dict.fromkeys(key.name for key in memory.logs())
        rows = []
        for origin in origins:
            seen = memory.find_latest(id_of(origin))
            link = f"{id_of(origin)}/checkpoint"  # relative: a proxy may add a prefix
            size = f'<a href="{link}">{seen.size}</a>' if seen else "—"
            rows.append(f"<tr><td><code>{escape(origin)}</code></td><td>{size}</td></tr>")
        name = escape(self._witness.cosigner.name)
        keys = "".join(
            f"<p><code>{escape(one)}</code></p>" for one in self._witness.cosigner.vkeys
        )
        parts = [
            f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{name}</title>',
            '<meta name="viewport" content="width=device-width">',
            f"<style>{_STYLE}</style><h1>{name}</h1>",
        ]
        for language in ("zh", "en"):
            does = escape(say("witness.page-does", language))
            parts.append(f'<p lang="{language}">{does}</p>')
        parts += [f"<h2>{_both('witness.page-keys')}</h2>", keys]
        parts += [f"<h2>{_both('witness.page-logs')}</h2><table>", *rows, "</table></html>\n"]
        return "\n".join(parts)


def _both(code: str) -> str:
    return escape(f"{say(code, 'zh')} · {say(code, 'en')}")
