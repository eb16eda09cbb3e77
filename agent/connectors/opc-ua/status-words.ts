// What a server's status codes mean for a write: refused, or perhaps done; and in words.
import type { StatusCode } from "node-opcua";

/** The server, or the device behind it, does not know itself whether it was done. */
const PERHAPS_DONE =
  /^Bad(Timeout|RequestTimeout|CommunicationError|NoCommunication|OperationAbandoned|UnexpectedError|InternalError|Shutdown|DeviceFailure|RequestInterrupted|RequestCancelledBy\w+)$/;
/** The session or its channel is gone: the server looked at nothing. */
const NOT_HEARD = /^Bad(Session|SecureChannel|ServerHalted|TooManyPublish|IdentityTokenInvalid)/;

const WORDS: Readonly<Record<string, string>> = {
  BadNotWritable: "the server does not let this node be written",
  BadUserAccessDenied: "the server does not let the user that this agent logs in as do this",
  BadTypeMismatch: "the server does not take a value of this type here",
  BadOutOfRange: "the value is outside the server's own range",
  BadNodeIdUnknown: "the server has no such node (any more)",
  BadNodeIdInvalid: "the server takes this for no node id",
  BadMethodInvalid: "the object has no such method",
  BadNotExecutable: "the method cannot be called now",
  BadArgumentsMissing: "the method needs an argument that was not given",
  BadTooManyArguments: "the method takes fewer arguments than the plant's settings list",
  BadInvalidArgument: "the method refuses an argument",
  BadInvalidState: "the machine is not in a state in which it can do this",
  BadWriteNotSupported: "the server cannot write values this way",
  BadLocked: "somebody else has locked the node",
};

/** `BadNotWritable: the server does not let this node be written`. */
export function wordsOf(status: StatusCode): string {
  const words = WORDS[plainName(status)] ?? status.description.trim().replace(/\.$/, "");
  return words === "" ? status.name : `${status.name}: ${words}`;
}

export function isPerhapsDone(status: StatusCode): boolean {
  return PERHAPS_DONE.test(plainName(status));
}

export function isNotHeard(status: StatusCode): boolean {
  return NOT_HEARD.test(status.name);
}

/** Without the info bits, which the driver adds behind `#`. */
function plainName(status: StatusCode): string {
  return status.name.replace(/#.*$/, "");
}

/** The two top bits (OPC 10000-4, 7.39.1). */
export function isBad(status: StatusCode): boolean {
  return status.value >>> 30 >= 2;
}
