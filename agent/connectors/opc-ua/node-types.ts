// Which built-in type a node's data type comes down to, and the names of its enumeration's values.
import type { NodeId } from "node-opcua";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import { VALUE_TYPES, type ValueType } from "./value-types.ts";

const HAS_SUBTYPE = "i=45";
/** The driver's numbers of built-in types, as numbers; those above are not built in. */
const LAST_BUILT_IN: number = opcua.DataType.DiagnosticInfo;
const ANY_TYPE: number = opcua.DataType.Variant;
const NUMBERS: ReadonlyMap<number, ValueType> = new Map(
  VALUE_TYPES.map((type) => [opcua.DataType[type] as number, type]),
);
/** `Number`, `Integer`, `UInteger`. */
const ABSTRACT_NUMBERS = new Set([26, 27, 28]);
/** `Enumeration`, which travels as Int32 (OPC 10000-3, 8.40). */
const ENUMERATION = 29;
/** Steps from a data type up to a built-in one, at most. */
const MAX_DEPTH = 20;
const ENUM_PROPERTIES = ["EnumStrings", "EnumValues"] as const;

/** `abstract` (Number, BaseDataType): the value itself says its type. Undefined: of a type that is not written here. */
export type BasicType = ValueType | "abstract" | undefined;

/** Types do not change while a connection stands. */
const known = new WeakMap<Connection, Map<string, ValueType | "abstract">>();

export async function basicTypeOf(
  connection: Connection,
  dataType: NodeId,
  signal: AbortSignal,
): Promise<BasicType> {
  const cache = known.get(connection) ?? new Map<string, ValueType | "abstract">();
  known.set(connection, cache);
  const id = dataType.toString();
  const found = cache.get(id) ?? (await climb(connection, dataType, signal));
  if (found !== undefined) cache.set(id, found);
  return found;
}

async function climb(connection: Connection, dataType: NodeId, signal: AbortSignal): Promise<BasicType> {
  let at: NodeId | undefined = dataType;
  for (let depth = 0; depth < MAX_DEPTH && at !== undefined; depth += 1) {
    const number: unknown = at.namespace === 0 ? at.value : undefined;
    if (number === ENUMERATION) return "Int32";
    if (typeof number === "number") {
      if (number === ANY_TYPE || ABSTRACT_NUMBERS.has(number)) return "abstract";
      if (number <= LAST_BUILT_IN) return valueTypeOf(number);
    }
    at = await superType(connection, at, signal);
  }
  return undefined;
}

/** The type of a value that the server shows. */
export function valueTypeOf(dataType: number): ValueType | undefined {
  return NUMBERS.get(dataType);
}

async function superType(
  connection: Connection,
  dataType: NodeId,
  signal: AbortSignal,
): Promise<NodeId | undefined> {
  const result = await orAborted(
    connection.session.browse({
      nodeId: dataType,
      browseDirection: opcua.BrowseDirection.Inverse,
      referenceTypeId: HAS_SUBTYPE,
      includeSubtypes: false,
      nodeClassMask: 0,
      resultMask: 1,
    }),
    signal,
  );
  return result.references?.[0]?.nodeId;
}

/** Name → number, from the node itself (MultiStateDiscrete) or its data type. */
export async function enumerationOf(
  connection: Connection,
  nodes: readonly NodeId[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const asked = nodes.flatMap((node) =>
    ENUM_PROPERTIES.map((name) => opcua.makeBrowsePath(node, `.0:${name}`)),
  );
  const paths = await orAborted(connection.session.translateBrowsePath(asked), signal);
  const found = paths.flatMap(({ targets }) => targets?.[0]?.targetId ?? []);
  if (found.length === 0) return new Map();
  const values = await orAborted(
    connection.session.read(found.map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.Value }))),
    signal,
  );
  const names = new Map<string, string>();
  for (const { value } of values) {
    for (const [at, one] of Array.from((value.value ?? []) as ArrayLike<EnumName | null>).entries()) {
      const name = one?.displayName?.text ?? one?.text;
      if (typeof name === "string" && !names.has(name)) names.set(name, numberOf(one?.value, at));
    }
  }
  return names;
}

/** An element of EnumStrings (a LocalizedText, counted from 0) or of EnumValues (with its own Int64 number). */
interface EnumName {
  readonly text?: string | null;
  readonly displayName?: { readonly text?: string | null };
  readonly value?: readonly [number, number];
}

function numberOf(value: readonly [number, number] | undefined, at: number): string {
  if (value === undefined) return String(at);
  return BigInt.asIntN(64, (BigInt(value[0] >>> 0) << 32n) | BigInt(value[1] >>> 0)).toString();
}
