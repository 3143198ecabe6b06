"""Asks a frame of the page something from a world of our own, where its scripts have no part.

An isolated world sees the same document, but the page's redefinitions (of `scrollTo`, `Array`,
`JSON`) do not reach it, and the page does not see that it is there.
"""

from guzheng.capturer.devtools import CommandRefused, Devtools, Values, inner, number
from guzheng.capturer.limits import ANSWER_SECONDS

_NAME = "capture"  # one world by this name per document, however often it is asked


async def ask(
    devtools: Devtools,
    session: str,
    frame: str,
    expression: str,
    *,
    seconds: float = ANSWER_SECONDS,
) -> object:
    """The value of the expression as JSON has it. Raises CommandRefused, TimeoutError."""
    context = await context_of(devtools, session, frame)
    answer = await devtools.call(
        "Runtime.evaluate",
        {
            "expression": expression,
            "contextId": context,
            "returnByValue": True,
            "awaitPromise": True,
        },
        session,
        seconds=seconds,
    )
    if "exceptionDetails" in answer:
        raise CommandRefused("the document is in no state to be asked")
    found: Values = inner(answer, "result")
    return found.get("value")


async def context_of(devtools: Devtools, session: str, frame: str) -> int:
    """The number of that world, in the document that the frame shows now."""
    made = await devtools.call(
        "Page.createIsolatedWorld", {"frameId": frame, "worldName": _NAME}, session
    )
    return int(number(made, "executionContextId"))
