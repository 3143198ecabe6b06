"""The command line of the browser, flags with their reasons; all of it is on the record."""

from collections.abc import Sequence
from pathlib import Path

from guzheng.capturer.limits import VIEWPORT_HEIGHT, VIEWPORT_WIDTH

NO_SANDBOX = "--no-sandbox"  # only browser.start adds it, after every sandbox has failed

# Features that talk to their maker, or do things nobody ordered.
_FEATURES_OFF = (
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "HttpsFirstBalancedMode",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",  # http:// must be asked for as it was ordered
    "InterestFeedContentSuggestions",
    "MediaRouter",
    "NetworkTimeServiceQuerying",  # clients2.google.com/time
    "OptimizationGuideModelDownloading",
    "OptimizationHints",
    "Prerender2",  # pages that nobody opened
    "SegmentationPlatform",
    "Translate",
    "WebUIOmniboxAimPopup",  # the browser's own pages: 400 requests inside it per start
    "WebUIOmniboxPopup",
)
_ALWAYS = (
    "--headless",
    "--remote-debugging-pipe",  # no port that a page or another user could reach
    "--no-startup-window",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--metrics-recording-only",
    "--password-store=basic",
    "--mute-audio",
    # The page must be drawn and its timers run although no window shows it.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # Nothing may leave except through the egress: no QUIC, no WebRTC past the proxy, no
    # resolver in the browser, no exception for loopback.
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--proxy-bypass-list=<-loopback>",
)


def flags_of(
    *,
    profile: Path,
    key_log: Path,
    proxy_port: int,
    language: str,
    trust_spki: Sequence[str],
    small_shm: bool,
    major_version: int | None,
) -> tuple[str, ...]:
    flags = [
        *_ALWAYS,
        f"--disable-features={','.join(_FEATURES_OFF)}",
        f"--proxy-server=socks5://127.0.0.1:{proxy_port}",
        f"--user-data-dir={profile}",
        f"--ssl-key-log-file={key_log}",  # without it the transcript could be read by nobody
        f"--lang={language}",
        f"--accept-lang={language}",
        f"--window-size={VIEWPORT_WIDTH},{VIEWPORT_HEIGHT}",
    ]
    if major_version is not None:
        flags.append(f"--user-agent={user_agent_of(major_version)}")
    if trust_spki:
        flags.append(f"--ignore-certificate-errors-spki-list={','.join(trust_spki)}")
    if small_shm:
        flags.append("--disable-dev-shm-usage")  # Docker gives 64 MB, one large page needs more
    return tuple(flags)


def user_agent_of(major_version: int) -> str:
    """What this Chromium says of itself when it has a window (its reduced user agent).

    Without a window it calls itself HeadlessChrome, and sites answer that with a wall instead
    of the page that people see. The flag stands on the record like all others.
    """
    return (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major_version}.0.0.0 Safari/537.36"
    )
