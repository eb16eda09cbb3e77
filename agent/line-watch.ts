// Tells what the line to the relay says about security: who answers, with what key, and whether it accepts this agent.
import type { SecurityEventName, SecurityEvents } from "#agent/core/security-events.ts";
import type { ConnectToRelay } from "#agent/core/uplink/uplink.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { HandshakeError } from "#common/contract/handshake.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { messageOf } from "#common/runtime/errors.ts";

type LineEvent = Extract<
  SecurityEventName,
  "relay_key_mismatch" | "relay_refused" | "agent_quarantined" | "clone_suspected" | "line_not_trusted"
>;

const OF_CLOSE: Readonly<Record<number, LineEvent>> = {
  [CLOSE.UNAUTHENTICATED]: "relay_refused",
  [CLOSE.QUARANTINED]: "agent_quarantined",
  [CLOSE.FENCED]: "clone_suspected",
};

/** The same line; what goes on for long is told once, until a session was up in between. */
export function watchedLine(connect: ConnectToRelay, relay: string, events: SecurityEvents): ConnectToRelay {
  let told: LineEvent | undefined;
  const tell = (name: LineEvent | undefined, reason: string): void => {
    if (name === undefined || name === told) return;
    told = name;
    events.note(name, { relay, reason });
  };
  return async (open, signal) => {
    try {
      const channel = await connect((opened) => {
        const handlers = open(opened);
        return {
          onFrame: (frame) => handlers.onFrame(frame),
          onDrain: () => handlers.onDrain?.(),
          onClose: (code, reason) => {
            tell(OF_CLOSE[code], reason);
            handlers.onClose(code, reason);
          },
        };
      }, signal);
      told = undefined;
      return channel;
    } catch (error) {
      tell(lineEvent(error), messageOf(error));
      throw error;
    }
  };
}

function lineEvent(error: unknown): LineEvent | undefined {
  if (!(error instanceof UplinkError)) return undefined;
  if (error.kind === "untrusted") return "line_not_trusted";
  if (error.kind !== "refused" || error.closeCode === undefined) return undefined;
  // Our own judgement of the relay, not the relay's of us.
  const isOurs = error.cause instanceof HandshakeError;
  if (isOurs) return error.closeCode === CLOSE.UNAUTHENTICATED ? "relay_key_mismatch" : undefined;
  return OF_CLOSE[error.closeCode];
}
