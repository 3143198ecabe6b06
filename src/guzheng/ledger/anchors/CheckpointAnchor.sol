// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The newest checkpoint of each ledger, as its anchorer stated it (docs/spec/anchors.md).
///
/// Whoever anchors an origin first is its anchorer, and nobody else may. A size never goes
/// back, and one size has one root: a ledger that rolled back or forked cannot be anchored
/// here again. It holds no money and has no owner.
contract CheckpointAnchor {
    struct Checkpoint {
        uint64 size;
        bytes32 root;
    }

    /// By SHA-256 of the origin, the first line of the checkpoint.
    mapping(bytes32 => address) public anchorer;
    mapping(bytes32 => Checkpoint) public newest;

    event CheckpointAnchored(bytes32 indexed origin, uint64 indexed size, bytes32 root, bytes32 note);

    error NotTheAnchorer(address anchorer);
    error RolledBack(uint64 size);
    error Forked(bytes32 root);

    /// `note` is SHA-256 of the checkpoint's note body.
    function anchor(bytes32 origin, uint64 size, bytes32 root, bytes32 note) external {
        address known = anchorer[origin];
        if (known == address(0)) {
            anchorer[origin] = msg.sender;
        } else {
            Checkpoint storage last = newest[origin];
            if (known != msg.sender) revert NotTheAnchorer(known);
            if (size < last.size) revert RolledBack(last.size);
            if (size == last.size && root != last.root) revert Forked(last.root);
        }
        newest[origin] = Checkpoint(size, root);
        emit CheckpointAnchored(origin, size, root, note);
    }
}
