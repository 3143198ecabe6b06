"""PROGRAM: cosigns checkpoints of logs that it does not trust: c2sp.org/tlog-witness.

    python -m guzheng.witness serve --data DIR --name NAME      (also: guzheng witness …)

For every log it remembers the largest checkpoint that it cosigned. It cosigns another only when
the log's own key signed it and a consistency proof shows that it continues the remembered one;
and what it cosigned is on the disk before anybody hears of it, in one step with the check. So
it never cosigns two checkpoints of one log that contradict each other, whatever the log sends,
in whatever order, however often, and wherever the program is killed. Its times never run back.

It refuses, rather than guess: a database that is gone while the key is there, a clock behind
the last signature, a disk that does not take the record. It needs `cryptography` and nothing
else, knows the kernel (`proof`) and not the platform, and stores no entry of any log: a few
kilobytes for each.
"""
