"""What is done on the page so that all of it loads: lazy media, and what details hide.

Promises: nothing is left changed. Attributes are set for as long as the loading takes and put
back; details are opened and closed again; each act is a step with its count. The page's scripts
can notice (an event fires when details open), which is why it is a step. Of `srcset` only the
candidate that this window takes is fetched, and of a video what its player wants to know of it
(`preload=metadata`): the record is of this view, not of every possible one.
"""

from guzheng.capturer import world
from guzheng.capturer.devtools import CommandRefused, Devtools, Values, as_object, number
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import EXPANDED_ELEMENTS

# The world of our own remembers what was changed, so that it can be put back.
_EXPAND = """(() => {
  const kept = [], count = {images: 0, frames: 0, media: 0, details: 0};
  const set = (one, name, value, kind) => {
    if (kept.length >= %d) return;
    kept.push([one, name, one.getAttribute(name)]);
    one.setAttribute(name, value);
    count[kind]++;
  };
  for (const one of document.querySelectorAll('details:not([open])'))
    set(one, 'open', '', 'details');
  for (const one of document.querySelectorAll('img[loading=lazy i]'))
    if (!one.complete) set(one, 'loading', 'eager', 'images');
  for (const one of document.querySelectorAll('iframe[loading=lazy i]'))
    set(one, 'loading', 'eager', 'frames');
  for (const one of document.querySelectorAll('video[preload=none i], audio[preload=none i]'))
    set(one, 'preload', 'metadata', 'media');
  globalThis.keptByCapture = kept;
  return count;
})()"""
_RESTORE = """(() => {
  const kept = globalThis.keptByCapture || [];
  for (const [one, name, value] of kept.reverse())
    value === null ? one.removeAttribute(name) : one.setAttribute(name, value);
  globalThis.keptByCapture = [];
  return kept.length;
})()"""


async def expand(devtools: Devtools, session: str, frame: str, journal: Journal) -> int:
    """How many elements were made to load; 0 if there was nothing to do."""
    counts = await _ask(devtools, session, frame, _EXPAND % EXPANDED_ELEMENTS)
    told = [f"{int(number(counts, name))} {name}" for name in counts if number(counts, name)]
    if told:
        journal.step("page.expanded", ", ".join(told))
    return len(told)


async def restore(devtools: Devtools, session: str, frame: str, journal: Journal) -> None:
    """As the page had it. A page that has gone elsewhere needs nothing put back."""
    await _ask(devtools, session, frame, _RESTORE)
    journal.step("page.restored")


async def _ask(devtools: Devtools, session: str, frame: str, expression: str) -> Values:
    try:
        return as_object(await world.ask(devtools, session, frame, expression))
    except (CommandRefused, TimeoutError):
        return {}
