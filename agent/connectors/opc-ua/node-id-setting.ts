// Node ids as people write them in settings: by namespace URI, never by an index that changes.
import type { Check } from "./settings-check.ts";

const NODE_ID = /^(nsu=[^;]+;)?([is]=.+|g=[0-9a-fA-F-]{36}|b=[A-Za-z0-9+/=]+)$/;

/** The text as it is; what is wrong with it becomes an issue at `name`. */
export function parseNodeId(check: Check, name: string, text: string): string {
  if (text === "") return text;
  if (/^ns=\d+;/.test(text)) {
    check.issue(
      name,
      `${text} uses a namespace index, which changes when the server restarts; write nsu=<namespace uri>;…`,
    );
  } else if (!NODE_ID.test(text) || /^(nsu=[^;]+;)?i=(?!\d+$)/.test(text)) {
    check.issue(
      name,
      `${JSON.stringify(text)} is not a node id; write nsu=<namespace uri>;s=<id> (or i=, g=, b=)`,
    );
  }
  return text;
}
