"""Recognises a notice about cookies or privacy that covers the page, by rules, and says so.

The page is shown as it shows itself: nothing is pressed unless the order says so. Then the
least consent is chosen: refuse before close before agree, among buttons that say so in words or
by the name that a known consent platform gives them. What was pressed stands in the steps with
its words, the view before in banner-before.png and the view after in banner-after.png.
"""

from dataclasses import dataclass

from guzheng.capturer import world
from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    as_object,
    number,
    spell,
    text,
)

# Consent platforms by the element they put up. Then anything that floats over the page, speaks
# of cookies or privacy, and has a button: the rule for sites with a notice of their own.
PLATFORMS = {
    "OneTrust": "#onetrust-banner-sdk",
    "Cookiebot": "#CybotCookiebotDialog",
    "Quantcast": ".qc-cmp2-container",
    "Didomi": "#didomi-notice, #didomi-popup",
    "TrustArc": "#truste-consent-track, .truste_box_overlay",
    "Usercentrics": "#usercentrics-root, #usercentrics-cmp-ui",
    "Sourcepoint": "[id^=sp_message_container]",
    "Osano": ".osano-cm-dialog, .osano-cm-window",
    "CookieYes": ".cky-consent-container",
    "Complianz": "#cmplz-cookiebanner-container .cmplz-cookiebanner",
    "Klaro": ".klaro .cookie-notice, .klaro .cookie-modal",
    "Cookie Consent": ".cc-window, #cc-main .cm",
    "iubenda": "#iubenda-cs-banner",
    "Borlabs": "#BorlabsCookieBox",
    "Funding Choices": ".fc-consent-root",
    "Axeptio": "#axeptio_overlay",
    "tarteaucitron": "#tarteaucitronRoot #tarteaucitronAlertBig",
    "Termly": "#termly-code-snippet-support",
    "HubSpot": "#hs-eu-cookie-confirmation",
    "Civic": "#ccc",
}
# What buttons say, lower case. One that refuses or agrees begins with these words; one that
# closes says nothing else.
REFUSING = (
    "reject", "refuse", "decline", "deny", "disagree", "no thanks", "no, thanks",
    "only necessary", "only essential", "necessary only", "essential only",
    "use necessary", "use essential", "continue without",
    "拒绝", "全部拒绝", "不同意", "不接受", "暂不",
    "仅必要", "仅使用必要", "仅限必要", "仅接受必要",
)  # fmt: skip
CLOSING = ("close", "dismiss", "×", "✕", "✖", "x", "关闭", "知道了", "我知道了", "已知悉")
AGREEING = (
    "accept", "agree", "allow", "got it", "ok", "i understand", "continue",
    "同意", "我同意", "接受", "全部接受", "允许", "好的", "确定", "已了解",
)  # fmt: skip
TOPICS = ("cookie", "gdpr", "consent", "privacy", "隐私", "个人信息")
_RULES: Values = {
    "platforms": PLATFORMS,
    "refusing": REFUSING,
    "closing": CLOSING,
    "agreeing": AGREEING,
    "topics": TOPICS,
}
_FIND = """(rules => {
  const isShown = one => {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    return box.width > 60 && box.height > 16 && style.visibility === 'visible'
      && style.display !== 'none' && Number(style.opacity) > 0.1
      && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  };
  const words = one => ((one.innerText || one.value || '').trim()
    || one.getAttribute('aria-label') || one.title || '').trim().slice(0, 80);
  const rankOf = (one, said) => {
    const low = said.toLowerCase(), begins = word => low.startsWith(word);
    if (rules.refusing.some(begins)) return 1;
    const isCross = !low && /close/i.test(one.id + one.className);
    if (rules.closing.includes(low) || isCross) return 2;
    return rules.agreeing.some(begins) ? 3 : 0;
  };
  const buttons = 'button, [role=button], a, input[type=button], input[type=submit],'
    + '[class*=close i], [id*=close i]';
  const describe = (rule, root) => {
    const inside = root.shadowRoot || root;
    let best = null;
    for (const one of [...inside.querySelectorAll(buttons)].slice(0, 200)) {
      const leads = (one.tagName === 'A' && one.getAttribute('href')) || '';
      if (leads && !/^(#|javascript:)/i.test(leads)) continue;
      const box = one.getBoundingClientRect(), said = words(one);
      const rank = rankOf(one, said);
      const x = box.left + box.width / 2, y = box.top + box.height / 2;
      const isReachable = box.width > 0 && x > 0 && y > 0 && x < innerWidth && y < innerHeight;
      if (rank && isReachable && (!best || rank < best.rank)) best = {rank, button: said, x, y};
    }
    const text = (root.innerText || inside.textContent || '').replace(/\\s+/g, ' ').trim();
    return {rule, text: text.slice(0, 300), ...(best || {rank: 0, button: '', x: 0, y: 0})};
  };
  for (const [name, selector] of Object.entries(rules.platforms))
    for (const one of document.querySelectorAll(selector))
      if (isShown(one) || (one.shadowRoot && one.shadowRoot.childElementCount))
        return describe(name, one);
  const boxes = document.querySelectorAll('div, section, aside, dialog, footer, form');
  for (const one of [...boxes].slice(0, 20000)) {
    const place = getComputedStyle(one).position;
    if (place !== 'fixed' && place !== 'sticky' && one.tagName !== 'DIALOG') continue;
    if (!isShown(one)) continue;
    const said = (one.innerText || '').slice(0, 4000).toLowerCase();
    if (said.length < 8 || !rules.topics.some(word => said.includes(word))) continue;
    const found = describe('words', one);
    if (found.rank) return found;
  }
  return null;
})"""


@dataclass(frozen=True, slots=True)
class Banner:
    """A notice, by which rule it was recognised, and the button that consents least."""

    rule: str
    said: str
    button: str
    x: float
    y: float

    @property
    def can_be_dismissed(self) -> bool:
        return bool(self.x or self.y)


async def find(devtools: Devtools, session: str, frame: str) -> Banner | None:
    asked = f"{_FIND}({spell(_RULES).decode()})"
    try:
        found = as_object(await world.ask(devtools, session, frame, asked))
    except (CommandRefused, TimeoutError):
        return None
    if not text(found, "rule"):
        return None
    return Banner(
        text(found, "rule"),
        text(found, "text"),
        text(found, "button"),
        number(found, "x"),
        number(found, "y"),
    )


async def press(devtools: Devtools, session: str, banner: Banner) -> bool:
    """As a person does: the mouse, at the middle of the button."""
    place: Values = {"x": banner.x, "y": banner.y, "button": "left", "clickCount": 1}
    try:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await devtools.call("Input.dispatchMouseEvent", {**place, "type": kind}, session)
    except (CommandRefused, TimeoutError):
        return False
    return True
