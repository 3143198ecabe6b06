"""Looks at the page as a person would: what is visible, what covers it, what it is made of.

Asked once, when the page is at rest, from a world of its own that the page's scripts cannot
reach. Bounded: texts are cut, and a page that does not answer is not judged, which is noted.
"""

import json
from collections.abc import Iterable

from guzheng.capturer import scope
from guzheng.capturer.devtools import CommandRefused, Devtools, Values, listing, number, text
from guzheng.capturer.journal import Journal
from guzheng.capturer.record import Judgement
from guzheng.capturer.scope import Sight
from guzheng.capturer.visit import Visit
from guzheng.proof import canonical

_SECONDS = 10
_LOOK = """((selectors) => {
  const TEXT = 20000, MANY = 3000;
  const visible = (one) => {
    const box = one.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return false;
    const style = getComputedStyle(one);
    return style.visibility !== 'hidden' && style.display !== 'none' && style.opacity !== '0';
  };
  const texts = [], roots = [document];
  let pictures = 0, passwords = 0, frames = [];
  for (let at = 0; at < roots.length && at < 200; at++) {
    const root = roots[at], body = root.body || root;
    for (const child of root.body ? [root.body] : root.children)
      if (child.innerText) texts.push(child.innerText.slice(0, TEXT));
    let count = 0;
    for (const one of body.querySelectorAll('*')) {
      if (++count > MANY * 5) break;
      if (one.shadowRoot) roots.push(one.shadowRoot);
      const name = one.localName;
      if (name === 'iframe' || name === 'frame') {
        frames.push(String(one.src).slice(0, 500));
        try { if (one.contentDocument && visible(one)) roots.push(one.contentDocument); }
        catch (refused) { /* of another origin */ }
        if (visible(one) && !one.contentDocument) pictures++;
      } else if (name === 'input') {
        if (one.type === 'password' && visible(one)) passwords++;
        if (one.type !== 'hidden' && visible(one)) pictures++;
      } else if (pictures < 1) {
        const drawn = ['img', 'canvas', 'video', 'svg', 'embed', 'object', 'picture', 'audio'];
        if (drawn.includes(name) ? visible(one) && (name !== 'img' || one.naturalWidth > 1)
            : count < MANY && getComputedStyle(one).backgroundImage.includes('url(')
              && visible(one)) pictures++;
      }
    }
  }
  const heads = [];
  let count = 0;
  for (const one of document.querySelectorAll('h1,h2,[role=heading],p,div,span,strong')) {
    if (++count > MANY || heads.join(' ').length > 2000) break;
    const own = [...one.childNodes].filter((part) => part.nodeType === 3)
      .map((part) => part.data).join('').trim();
    if (own.length < 2 || own.length > 200 || !visible(one)) continue;
    if (/^h[12]$/.test(one.localName) || one.getAttribute('role') === 'heading'
        || parseFloat(getComputedStyle(one).fontSize) >= 22) heads.push(own);
  }
  const over = new Set(), width = innerWidth, height = innerHeight;
  let covered = 0, centre = false, points = 0;
  for (const x of [1, 3, 5, 7, 9]) for (const y of [1, 3, 5, 7, 9]) {
    points++;
    let one = document.elementFromPoint(width * x / 10, height * y / 10);
    for (; one && one !== document.body && one !== document.documentElement;
         one = one.parentElement) {
      if (getComputedStyle(one).position === 'fixed' || one.localName === 'dialog') {
        covered++;
        over.add(one);
        if (x === 5 && y === 5) centre = true;
        break;
      }
    }
  }
  const floats = [...over].map((one) => one.innerText || '').join('\\n').slice(0, 3000);
  const whole = texts.join('\\n');
  return JSON.stringify({
    text: whole.slice(0, TEXT), headings: heads.join('\\n').slice(0, 2000), overlay: floats,
    covered: centre ? Math.round(100 * covered / points) : 0, passwords, pictures,
    frames: frames.slice(0, 50),
    scripts: [...document.scripts].map((one) => one.src.slice(0, 500)).filter(Boolean)
      .slice(0, 200),
    elements: selectors.filter((one) => [...document.querySelectorAll(one)].slice(0, 20)
      .some((found) => found.localName === 'script' || visible(found))),
  });
})"""


async def look(
    devtools: Devtools,
    session: str,
    frame: str,
    *,
    asked: str,
    status: int,
    headers: Iterable[tuple[str, str]],
) -> Sight | None:
    """What is there now; None if the page does not let itself be looked at.

    `asked`: the URL that was ordered; `status`, `headers`: of the document that came."""
    wanted = f"{_LOOK}({canonical.encode(list(scope.selectors())).decode()})"
    try:
        world = await devtools.call("Page.createIsolatedWorld", {"frameId": frame}, session)
        answer = await devtools.call(
            "Runtime.evaluate",
            {
                "expression": wanted,
                "contextId": int(number(world, "executionContextId")),
                "returnByValue": True,
            },
            session,
            seconds=_SECONDS,
        )
        history = await devtools.call("Page.getNavigationHistory", {}, session)
    except (CommandRefused, TimeoutError):
        return None
    try:
        said = json.loads(text(answer, "result", "value") or "null")
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    held = {name.lower(): value for name, value in headers}
    return _sight(said, _address(history), asked, status, held)


async def judged(visit: Visit, session: str, journal: Journal) -> tuple[Judgement, ...]:
    """What was got instead of the page, if a rule knows it."""
    document = visit.documents[-1] if visit.documents else None
    seen = await look(
        visit.devtools,
        session,
        visit.frame,
        asked=visit.order.url,
        status=document.status if document else 0,
        headers=document.response_headers if document else (),
    )
    if seen is None:
        journal.note("capture.scope-not-judged")
        return ()
    found = scope.judge(seen)
    if found:
        journal.step("scope.judged", ", ".join(one.code for one in found))
    return found


def _address(history: Values) -> tuple[str, str]:
    """Title and URL, as the browser (not the page) keeps them."""
    entries = listing(history, "entries")
    index = int(number(history, "currentIndex"))
    entry = entries[index] if index < len(entries) else {}
    shown: Values = entry if isinstance(entry, dict) else {}
    return text(shown, "title"), text(shown, "url")


def _sight(
    said: Values, shown: tuple[str, str], asked: str, status: int, headers: dict[str, str]
) -> Sight:
    return Sight(
        requested=asked,
        address=shown[1],
        status=status,
        title=shown[0],
        text=text(said, "text"),
        headings=text(said, "headings"),
        overlay=text(said, "overlay"),
        covered=int(number(said, "covered")),
        passwords=int(number(said, "passwords")),
        pictures=int(number(said, "pictures")),
        elements=tuple(map(str, listing(said, "elements"))),
        frames=tuple(map(str, listing(said, "frames"))),
        scripts=tuple(map(str, listing(said, "scripts"))),
        headers=headers,
    )
