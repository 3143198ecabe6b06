"""A contract on an Ethereum-compatible network: JSON-RPC, one transaction for a checkpoint.

The contract (CheckpointAnchor.sol) refuses a smaller size, and another root for the same size:
a ledger that rolled back or forked cannot be anchored there again. What is kept is what the
node said (docs/spec/anchors.md §3); whether its network holds it, another node can be asked.

A transaction is signed, then kept, then sent: sent twice it is still one. Its nonce taken by
another, it is dropped and a new one signed. Needs the extra `anchors`, and a key file that
nobody else may read.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from guzheng.ledger.anchors.asking import Asker
from guzheng.ledger.anchors.book import Progress
from guzheng.proof import anchors, canonical
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.note import Checkpoint
from guzheng.refusals import Refused

_HASHES_ONLY = False  # of the transactions in a block
_GAS = 200_000  # a first anchor costs some 90,000; what is not used is not paid
# Keccak-256 of the contract's errors, the first four octets.
_REFUSALS = {
    "ba253a37": "NotTheAnchorer: another account anchors this ledger there",
    "242f2f24": "RolledBack: a larger checkpoint of this ledger is anchored there",
    "b2c24150": "Forked: another root of this size is anchored there",
}


def load_key(path: Path) -> LocalAccount:
    """The account of the anchorer: 64 hexadecimal digits in a file of mode 0600."""
    try:
        exposed = path.stat().st_mode & 0o077
        text = path.read_text("ascii").strip().removeprefix("0x")
    except (OSError, ValueError) as error:
        raise _bad_key(f"{path}: {error}") from error
    if exposed:
        raise _bad_key(f"{path}: mode {path.stat().st_mode & 0o777:o}, others may read it")
    try:
        account: LocalAccount = Account.from_key(bytes.fromhex(text))
    except ValueError as error:
        raise _bad_key(f"{path}: not a private key") from error
    return account


def _bad_key(found: str) -> Refused:
    return Refused(
        "anchor.evm-key",
        expected="a private key in hexadecimal, in a file of mode 0600",
        found=found,
        act="mend anchor_evm_key, or the mode of that file",
    )


def contract() -> dict[str, Any]:
    """ABI and bytecode, as tools/contract.py compiled them."""
    text = resources.files(__package__).joinpath("CheckpointAnchor.json").read_bytes()
    return cast("dict[str, Any]", json.loads(text))


class EvmAnchor:
    """The contract at one address of one network."""

    suffix = "evm.json"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        chain_id: int,
        contract_address: str,
        account: LocalAccount,
        timeout_seconds: float,
    ) -> None:
        self.name = name
        self._asker = Asker(name, url, timeout_seconds=timeout_seconds)
        self._chain_id, self._account = chain_id, account
        self._contract = contract_address.lower()

    def advance(self, checkpoint: Checkpoint, pending: bytes | None, /) -> Progress:
        try:
            return self._advance(checkpoint, pending)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._asker.away(f"not an answer: {error!r}") from error

    def _advance(self, checkpoint: Checkpoint, pending: bytes | None) -> Progress:
        if pending is None:
            return Progress(pending=self._signed(checkpoint))
        sent = cast("dict[str, Any]", canonical.parse_object(pending))
        receipt = self._receipt(sent)
        if receipt is not None:
            return self._kept(checkpoint, sent, receipt)
        taken = self._count("latest") > sent["nonce"]
        if not taken:
            self._rpc("eth_sendRawTransaction", sent["raw"], known=("already", "nonce"))
        receipt = self._receipt(
            sent
        )  # it may itself have taken its turn since it was asked for
        if receipt is not None:
            return self._kept(checkpoint, sent, receipt)
        return Progress() if taken else Progress(pending=pending)

    def _receipt(self, sent: dict[str, Any]) -> dict[str, Any] | None:
        receipt = self._rpc("eth_getTransactionReceipt", sent["hash"])
        return cast("dict[str, Any] | None", receipt)

    def _signed(self, checkpoint: Checkpoint) -> bytes:
        self._require_network()
        data = "0x" + (anchors.SELECTOR + anchors.arguments_of(checkpoint)).hex()
        call = {"from": self._account.address, "to": self._contract, "data": data}
        self._rpc("eth_call", call, "latest")  # costs nothing, and says why it would not
        nonce = self._count("pending")
        transaction: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": to_checksum_address(self._contract),
            "value": 0,
            "data": data,
            "gas": _GAS,
            "gasPrice": _number(self._rpc("eth_gasPrice")) * 5 // 4,
        }
        signed = self._account.sign_transaction(transaction)
        return canonical.encode(
            {
                "from": self._account.address.lower(),
                "hash": "0x" + bytes(signed.hash).hex(),
                "input": data,
                "nonce": nonce,
                "raw": "0x" + bytes(signed.raw_transaction).hex(),
            }
        )

    def _kept(
        self, checkpoint: Checkpoint, sent: dict[str, Any], receipt: dict[str, Any]
    ) -> Progress:
        """What the node says, in the form of docs/spec/anchors.md §3; checked before use."""
        if receipt["status"] != "0x1" or not receipt["logs"]:
            return Progress()  # overtaken by another: asked again, and told why it is refused
        block = self._rpc("eth_getBlockByHash", receipt["blockHash"], _HASHES_ONLY)
        log = receipt["logs"][0]
        value = {
            "schema": anchors.EVM_SCHEMA,
            "chain_id": self._chain_id,
            "contract": self._contract,
            "transaction": {
                "hash": sent["hash"],
                "from": sent["from"],
                "to": self._contract,
                "input": sent["input"],
            },
            "receipt": {
                "status": 1,
                "transaction_hash": receipt["transactionHash"].lower(),
                "block_hash": receipt["blockHash"].lower(),
                "block_number": _number(receipt["blockNumber"]),
                "log": {
                    "address": log["address"].lower(),
                    "topics": [one.lower() for one in log["topics"]],
                    "data": log["data"].lower(),
                },
            },
            "block": {
                "hash": block["hash"].lower(),
                "number": _number(block["number"]),
                "timestamp": _number(block["timestamp"]),
                "parent_hash": block["parentHash"].lower(),
                "state_root": block["stateRoot"].lower(),
                "transactions_root": block["transactionsRoot"].lower(),
                "receipts_root": block["receiptsRoot"].lower(),
            },
        }
        octets = canonical.encode(value)
        try:
            anchors.require_evm(octets, checkpoint)
        except ProofError as error:
            raise self._asker.away(f"{error.code}: {error.expected}, {error.found}") from error
        return Progress(receipt=octets)

    def _require_network(self) -> None:
        found = _number(self._rpc("eth_chainId"))
        if found != self._chain_id:
            raise Refused(
                "anchor.evm-network",
                expected=f"chain {self._chain_id}",
                found=f"chain {found}",
                act="mend anchor_evm_url or anchor_evm_chain",
            )
        if self._rpc("eth_getCode", self._contract, "latest") in ("0x", None):
            raise Refused(
                "anchor.evm-network",
                expected=f"a contract at {self._contract}",
                found="none",
                act="deploy it, or mend anchor_evm_contract",
            )

    def _count(self, of: str) -> int:
        return _number(self._rpc("eth_getTransactionCount", self._account.address, of))

    def _rpc(self, method: str, *params: object, known: tuple[str, ...] = ()) -> Any:
        """The result; None for an error whose words are `known`."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        headers = {"Content-Type": "application/json"}
        content = canonical.encode(asked)
        status, answer = self._asker.ask("POST", content=content, headers=headers)
        try:
            value = cast("dict[str, Any]", canonical.parse_any(answer))
            error = value.get("error")
            if error is None:
                return value["result"]
            told, data = str(error.get("message", "")), str(error.get("data") or "")
        except (Malformed, AttributeError, TypeError, KeyError) as problem:
            raise self._asker.away(f"HTTP {status}, no JSON-RPC") from problem
        if any(one in told.lower() for one in known):
            return None
        if data.removeprefix("0x")[:8] in _REFUSALS:
            raise Refused(
                "anchor.evm-refused",
                expected="a contract that takes this checkpoint",
                found=_REFUSALS[data.removeprefix("0x")[:8]],
                act="compare ledger and witnesses: ledger fsck, then ask who holds that key",
            )
        raise self._asker.away(f"{method}: {told}")


def _number(text: str) -> int:
    return int(text, 16)
