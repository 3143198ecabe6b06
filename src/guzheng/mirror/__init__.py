"""PROGRAM: keeps and serves a full copy of a log that it does not trust: c2sp.org/tlog-mirror.

    python -m guzheng.mirror --log URL --vkey VKEY --data DIR --name NAME     (guzheng mirror …)

It pulls: checkpoint, tiles and entries over the log's own paths (c2sp.org/tlog-tiles). And it
takes what the log pushes (`add-checkpoint`, `add-entries`), answering by its signature. Nothing
is kept that does not lead to a root which the log signed, and which continues every root kept
before. Only when every entry of a checkpoint is on the disk does the mirror cosign it, under a
key and a name of its own, which must not be a witness's: it says more, that the entries are
here. Killed at any moment, it goes on where it was. What the log lost or withheld afterwards is
still served here, under the same paths. A log that forks is not followed: both signed
checkpoints are written into a file that proves it (docs/spec/fork.md).

Of what is here it also signs parts (`sign-subtree`). Not done: pruning.
"""
