"""Systems of others that checkpoints are anchored on: an EVM, a calendar; on loopback."""

import contextlib
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from guzheng.ledger.anchors.evm import contract
from tests.ports import free_port

NODE = Path(__file__).resolve().parent / "oracles" / "node"
ANVIL = "@foundry-rs/anvil-linux-amd64"
_PROGRAM = NODE / "node_modules" / ANVIL / "bin" / "anvil"
CHAIN = 31_337
# anvil's own first account and its key are printed at every start of it: no secret.
RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def missing_npm(package: str) -> str:
    """Why an npm package of the oracles cannot be used; empty when it can."""
    if not shutil.which("node"):
        return "no node here, which nothing but this test needs"
    if not (NODE / "node_modules" / package).is_dir():
        return f"no {package} here: `npm ci --prefix tests/oracles/node`, as `make test` does"
    return ""


@dataclass(frozen=True)
class Evm:
    """A development node with the contract on it, and an anchorer who can pay."""

    url: str
    address: str
    account: LocalAccount
    key: bytes

    def rpc(self, method: str, *params: object) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            value = json.load(answer)
        assert "error" not in value, value
        return value["result"]


@contextlib.contextmanager
def evm() -> Iterator[Evm]:
    if reason := missing_npm(ANVIL):
        pytest.skip(reason)
    port = free_port()
    command = [str(_PROGRAM), "--port", str(port), "--chain-id", str(CHAIN), "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        account = Account.create()
        node = Evm(f"http://127.0.0.1:{port}", "", account, bytes(account.key))
        _await(node)
        sent = {"from": RICH, "data": contract()["bytecode"], "gas": hex(2_000_000)}
        made = node.rpc("eth_sendTransaction", sent)
        node.rpc(
            "eth_sendTransaction", {"from": RICH, "to": account.address, "value": hex(10**18)}
        )
        yield Evm(node.url, _deployed(node, made), account, node.key)
    finally:
        process.terminate()
        process.wait(30)


def _deployed(node: Evm, transaction: str) -> str:
    deadline = time.monotonic() + 60
    while (receipt := node.rpc("eth_getTransactionReceipt", transaction)) is None:
        assert time.monotonic() < deadline, "anvil makes no block"
        time.sleep(0.02)
    address: str = receipt["contractAddress"]
    return address


@contextlib.contextmanager
def slow_to_tell(node: Evm, *, receipts: int) -> Iterator[str]:
    """A door to the node that knows no receipt the first so many times."""
    left = receipts

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal left
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if asked["method"] == "eth_getTransactionReceipt" and left:
                left -= 1
                result = None
            else:
                result = node.rpc(asked["method"], *asked["params"])
            answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _await(node: Evm) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            node.rpc("eth_chainId")
        except OSError:
            assert time.monotonic() < deadline, "anvil does not answer"
            time.sleep(0.05)
        else:
            return


@dataclass
class Calendar:
    """An OpenTimestamps calendar: promises at once, has a block when `height` is set."""

    url: str = ""
    height: int | None = None
    mood: str = "well"
    promised: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0

    def promise(self, digest: bytes) -> bytes:
        """prepend time, sha256, a pending attestation."""
        stamp = b"\x65\x00\x00\x01"
        commitment = sha256(stamp + digest).digest()
        self.promised[commitment.hex()] = digest
        uri = self.url.encode()
        payload = bytes([len(uri)]) + uri
        pending = b"\x00" + bytes.fromhex("83dfe30d2ef90c8e") + bytes([len(payload)]) + payload
        return b"\xf1\x04" + stamp + b"\x08" + pending

    def confirmed(self) -> bytes:
        """append a transaction, sha256 twice, a block of Bitcoin."""
        height = bytearray()
        left = self.height or 0
        while left > 0x7F:
            height.append(left & 0x7F | 0x80)
            left >>= 7
        height.append(left)
        block = b"\x00" + bytes.fromhex("0588960d73d71901") + bytes([len(height)]) + height
        return b"\xf0\x03" + b"tx!" + b"\x08\x08" + block


@contextlib.contextmanager
def calendar() -> Iterator[Calendar]:
    held = Calendar()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            held.asked += 1
            digest = self.rfile.read(int(self.headers["Content-Length"]))
            answer = held.promise(digest) if held.mood == "well" else b"\xf0"
            self._answer(503 if held.mood == "refuses" else 200, answer)

        def do_GET(self) -> None:
            held.asked += 1
            known = self.path.removeprefix("/timestamp/") in held.promised
            if held.mood == "refuses" or not known or held.height is None:
                self._answer(503 if held.mood == "refuses" else 404, b"Pending confirmation")
            else:
                self._answer(200, held.confirmed() if held.mood == "well" else b"\xf0")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
