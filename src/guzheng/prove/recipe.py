"""VERIFY.md: what is in this very package, and how to check it, in both languages.

Its reader is a judge first and an expert second: so it begins with the exhibits and where their
certificates are, then tells of the page that needs no command, and then of commands."""

import shlex
from collections.abc import Iterable, Iterator, Mapping

from guzheng.proof import package, sm2, timestamp
from guzheng.proof.manifest import Manifest
from guzheng.prove import sm2_recipe

_HEAD = """\
# 怎样核验 · How to verify

本证据包有 {count} 份证据。请先看证书，再用下面任何一种办法核验。
This package holds the exhibits listed here: {count}. Read the certificates first, then check
them in any of the ways below.

{exhibits}
核验不需要联网，不需要相信出具本包的平台，也不需要它还存在。
Checking needs no network: the platform that made the package need neither be trusted nor still
exist.

## 一、不用命令 · Without a command

用浏览器打开本包里的 `verify.html`（双击即可），放入这个压缩包，或解压后的文件夹。
它不联网，文件不离开本机。它与本包同出一处；不愿相信它的，请用自己取得的一份，或用下面的命令。
包里没有它的，平台的验证中心有同样的页面。
Open `verify.html` of this package in a browser (by a double click), and give it this zip, or
the unpacked folder. It uses no network, and no file leaves the computer. It comes from where
the package comes from: whoever does not believe it takes a copy of his own, or the commands
below. Where the package has none, the platform's verification centre has the same page.

## 二、一条命令 · One command

    guzheng-verify {package}

`guzheng-verify` 是公开源码的独立程序（Python，只依赖 `cryptography`）。
It is an open-source program of its own (Python; it needs `cryptography` and nothing else).

## 三、只用 sha256sum 与 openssl · With sha256sum and openssl only

先解压，进入目录。Unpack, and go into the folder.

1. 成员是否完整、未变 · Are all members there and unchanged?

       sha256sum -c SHA256SUMS

2. 根证书是不是您所信任的 · Are the roots the ones you believe?

       openssl crl2pkcs7 -nocrl -certfile trust/roots.pem | openssl pkcs7 -print_certs -noout
       openssl x509 -in trust/roots.pem -noout -fingerprint -sha256

   包内的根证书只说明“由谁签发”。请向运营者或通过其他渠道核对指纹；
   也可以用您自己保存的根证书代替 `trust/roots.pem`。
   The roots in the package say who vouches. Compare the fingerprint through another channel,
   or use roots of your own instead of `trust/roots.pem`.

3. 每份原件的时间戳 · The timestamp of each original
"""

_SEAL = """\
4. 清单的时间戳 · The timestamp of the manifest

   清单 `manifest.json` 列出每份原件的指纹；它的时间戳把全部原件连在一起。
   The manifest names the digest of every original; its timestamp ties them together.
"""

_TAIL = """\
5. 账本 · The ledger

   `entry.tlog-proof` 是 C2SP tlog-proof：叶的计算见 docs/spec/leaf.md，账本公钥在
   `trust/ledger.policy`。任何 C2SP 工具都能核验包含证明与检查点签名。
   `entry.tlog-proof` is a C2SP tlog-proof; the leaf is computed as docs/spec/leaf.md says, and
   the ledger's key is in `trust/ledger.policy`. Any C2SP tool checks path and signature.

6. 证书 · The certificate

   `certificate.pdf` 带有电子签名：用 PDF 阅读器的签名面板，或 `pdfsig certificate.pdf` 查看。
   `certificate.pdf` is signed: see the signature panel of a PDF reader, or run `pdfsig`.

7. 后来的文书（若有）· Papers that came later, if there are any

   `anchors/` 是账本检查点在别处的收据；`renewals/` 是到期前的续期（RFC 4998）。它们能离线核验到
   哪一步，见 docs/spec/anchors.md 与 docs/spec/renewal.md；续期也可用 Bouncy Castle 核验。
   `anchors/` holds receipts of the ledger's checkpoint elsewhere, `renewals/` the renewals
   made before anything expired (RFC 4998). How far each can be checked offline is said in
   docs/spec/anchors.md and docs/spec/renewal.md; Bouncy Castle reads renewals too.

## 四、证明什么，不证明什么 · What this proves, and what it does not

- 证明：这些字节在时间戳所载时间已经存在，此后逐字节未变；该记录已进入账本。
  Proves: these bytes existed at the time of the timestamp and have not changed since; the
  record stands in the ledger.
- 不证明：内容本身属实、取得方式合法、权利归属。这些由法庭判断。
  Does not prove: that the content is true, was lawfully obtained, or belongs to anybody. That
  is for the court.
"""


def recipe(
    manifests: Iterable[Manifest], file_name: str, seals: Mapping[str, bytes] | None = None
) -> bytes:
    """The page for a package of these exhibits; `seals`: its further seals, by member name."""
    found = tuple(manifests)
    listed = "".join(
        f"- {one.claimed_name}\n  `{package.EXHIBITS}{one.exhibit}/{package.CERTIFICATE_PDF}`\n"
        for one in found
    )
    named = shlex.quote(file_name)
    lines = [_HEAD.format(count=len(found), exhibits=listed, package=named)]
    for manifest in found:
        lines.append(f"   {manifest.exhibit}\n")
        folder = f"{package.EXHIBITS}{manifest.exhibit}/"
        for item in manifest.items:
            if item.role != "original":
                continue
            token = shlex.quote(f"{folder}{package.TOKENS}{item.name}.tsa")
            source = (
                f"-digest {item.sha256.hex}"
                if manifest.kind == "hash-only"
                else f"-data {shlex.quote(folder + package.ITEMS + item.name)}"
            )
            lines.append(
                f"       openssl ts -verify {source} \\\n"
                f"         -in {token} -CAfile trust/roots.pem\n"
            )
    lines.append(_SEAL)
    for manifest in found:
        folder = f"{package.EXHIBITS}{manifest.exhibit}/"
        lines.append(
            f"       openssl ts -verify -data {folder}{package.MANIFEST} \\\n"
            f"         -in {folder}{package.SEAL} -CAfile trust/roots.pem\n"
        )
    lines += _further(dict(seals or {}))
    lines.append(_TAIL)
    return "\n".join(lines).encode()


def _further(seals: Mapping[str, bytes]) -> Iterator[str]:
    """The other seals over the same manifest; those of SM2 need more than one command."""
    national: list[str] = []
    for member, octets in sorted(seals.items()):
        folder, _, seal = member.rpartition("/")
        if timestamp.parse(octets).signed.signature_oid == sm2.SM2_WITH_SM3:
            national.append(sm2_recipe.commands(folder + "/", seal, octets))
        else:
            yield (
                f"       openssl ts -verify -data {folder}/{package.MANIFEST} \\\n"
                f"         -in {member} -CAfile trust/roots.pem\n"
            )
    if national:
        yield sm2_recipe.HEAD
        yield from national
