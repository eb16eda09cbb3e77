// Requests that ride in front of a call: attributes of the session, settings, cursors and LOBs that are done with.
import type { MessageReader } from "./message-reader.ts";

/** What a client has said about its session. */
export interface SessionAttributes {
  clientIdentifier: string;
  module: string;
  action: string;
  clientInfo: string;
  currentSchema: string;
  /** By namespace and name. */
  readonly applicationContext: Map<string, string>;
}

export function emptyAttributes(): SessionAttributes {
  return {
    clientIdentifier: "",
    module: "",
    action: "",
    clientInfo: "",
    currentSchema: "",
    applicationContext: new Map(),
  };
}

/** Module, action, client identifier and info: first which of them come and how long they are, then the texts. */
export function readEndToEnd(reader: MessageReader, attributes: SessionAttributes): void {
  reader.skip(2);
  reader.int();
  const announce = (): { readonly isSet: boolean; readonly length: number } => ({
    isSet: reader.u8() === 1,
    length: reader.int(),
  });
  const clientIdentifier = announce();
  const module = announce();
  const action = announce();
  const executionContext = announce();
  reader.u8();
  reader.int();
  const clientInfo = announce();
  for (let index = 0; index < 2; index += 1) announce();
  const operation = announce();
  const read = ({ length }: { readonly length: number }): string => (length > 0 ? reader.text() : "");
  for (const [name, announced] of [
    ["clientIdentifier", clientIdentifier],
    ["module", module],
    ["action", action],
    [undefined, executionContext],
    ["clientInfo", clientInfo],
    [undefined, operation],
  ] as const) {
    const text = read(announced);
    if (name !== undefined && announced.isSet) attributes[name] = text;
  }
}

export function readCurrentSchema(reader: MessageReader, attributes: SessionAttributes): void {
  reader.u8();
  attributes.currentSchema = reader.countedText();
}

export function readApplicationContext(reader: MessageReader, attributes: SessionAttributes): void {
  if (reader.u8() === 1) reader.int();
  reader.u8();
  const count = reader.int();
  reader.int();
  reader.u8();
  const namespace = reader.text();
  for (let left = count; left > 0; left -= 1) {
    const name = reader.countedText();
    attributes.applicationContext.set(`${namespace}.${name}`, reader.countedText());
    reader.int();
  }
}
