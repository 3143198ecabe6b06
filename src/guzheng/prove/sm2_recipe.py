"""How a judge checks an SM2 seal with stock OpenSSL 3, which has no command of its own for it.

`openssl ts` and `openssl cms` leave the identity out of what is signed, so they refuse a seal
that GM/T 0009 calls right, and would accept one that it calls wrong. What OpenSSL can do is
check a signature, a path and a digest: so the seal is cut into its parts (`asn1parse
-strparse`) and each is checked alone. The offsets are this seal's; a wrong one makes a check
fail, never pass: digests and the signature tie the parts to each other and to the manifest.
"""

import shlex

from guzheng.proof import package, sm2, timestamp

HEAD = """\
   国密时间戳（SM2/SM3）· The SM2/SM3 timestamp

   需要 OpenSSL 3。逐段复制执行；每一步都须成功，最后一行显示时间。
   `openssl ts -verify` 不带签名者标识，不能核验国密时间戳，因此分步核验：证书路径、签名、
   签名所含摘要、清单摘要、时间。
   Needs OpenSSL 3. Copy each block; every step must succeed, and the last line shows the time.
   `openssl ts -verify` leaves out the signer's identity and cannot judge such a seal, so its
   parts are checked one by one: path, signature, what is signed, the manifest's digest, time.
"""


def commands(folder: str, seal: str, octets: bytes) -> str:
    """The block for one seal, its offsets in it."""
    signed = timestamp.parse(octets).signed
    content, signature = signed.content or b"", signed.signature
    attributes = b"\xa0" + signed.attributes_encoded[1:]
    places = {
        "tst.der": _octet_string_at(octets, content),
        "certificate.der": octets.index(signed.certificates[0]),
        "attributes.der": octets.rindex(attributes),
        "signature.der": _octet_string_at(octets, signature),
    }
    cut = [
        f'openssl asn1parse -inform DER -in "$F" -strparse {at} -noout -out "$T/{name}"'
        for name, at in places.items()
    ]
    distid = f"distid:{sm2.IDENTITY.decode()}"
    steps = [
        *cut,
        # RFC 5652 §5.4: what is signed is a SET OF; 0x31 is the figure 1.
        'printf 1 | dd of="$T/attributes.der" bs=1 conv=notrunc 2>/dev/null',
        'openssl x509 -inform DER -in "$T/certificate.der" -out "$T/certificate.pem"',
        'openssl x509 -in "$T/certificate.pem" -pubkey -noout -out "$T/key.pem"',
        f"openssl verify -vfyopt {distid} -purpose timestampsign -CAfile trust/roots.pem"
        ' "$T/certificate.pem"',
        'openssl pkeyutl -verify -pubin -inkey "$T/key.pem" -rawin -digest sm3'
        f' -pkeyopt {distid} -in "$T/attributes.der" -sigfile "$T/signature.der"',
        *(
            f'openssl asn1parse -inform DER -in "$T/{holder}"'
            f' | grep -i "$(openssl dgst -sm3 -r {of} | head -c 64)"'
            for holder, of in (
                ("attributes.der", '"$T/tst.der"'),
                ("attributes.der", '"$T/certificate.der"'),
                ("tst.der", '"$M"'),
            )
        ),
        'openssl asn1parse -inform DER -in "$T/tst.der" | grep GENERALIZEDTIME',
    ]
    names = f"F={shlex.quote(folder + seal)} && M={shlex.quote(folder + package.MANIFEST)}"
    lines = [f"T=$(mktemp -d) && {names}", *steps]
    return "".join(
        f"       {'' if number == 0 else '  '}{line}{' && ' + chr(92) if following else ''}\n"
        for number, (line, following) in enumerate(zip(lines, [*lines[1:], ""], strict=True))
    )


def _octet_string_at(octets: bytes, content: bytes) -> int:
    """Where the OCTET STRING with this content begins: X.690 §10.1, the shortest length."""
    size = len(content)
    header = 2 if size < 0x80 else 3 if size < 0x100 else 4
    return octets.rindex(content) - header
