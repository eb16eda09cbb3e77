// Mistakes that can be planted, to prove that the simulation would notice them.

export interface SimBugs {
  /** The relay acknowledges before its commit is durable. */
  readonly ackBeforeCommit: boolean;
  /** The room's cursor is durable before the batch that it stands for. */
  readonly cursorBeforeBatch: boolean;
  /** The relay does not ask whether a session is still the newest. */
  readonly noFencing: boolean;
  /** The relay applies a batch whatever its seq is. */
  readonly noSeqCheck: boolean;
  /** A room names only the epoch before, even if the relay may never have seen it. */
  readonly onlyLastEpoch: boolean;
}

export const NO_BUGS: SimBugs = {
  ackBeforeCommit: false,
  cursorBeforeBatch: false,
  noFencing: false,
  noSeqCheck: false,
  onlyLastEpoch: false,
};
