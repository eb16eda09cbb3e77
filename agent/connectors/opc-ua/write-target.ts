// A node that the plant lets be written, as the server has it now, and why it cannot be written after all.
import type { DataValue, NodeId } from "node-opcua";
import { orAborted } from "./abort.ts";
import { chunksOf } from "./browse.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import { basicTypeOf, valueTypeOf } from "./node-types.ts";
import { limitsProblem } from "./value-limits.ts";
import type { ValueType } from "./value-types.ts";
import type { PointWriteSettings } from "./write-settings.ts";

const ATTRIBUTES = ["Value", "DataType", "ValueRank", "AccessLevel", "UserAccessLevel"] as const;
/** Bits of the access levels (OPC 10000-3, 8.57). */
const CAN_READ = 1;
const CAN_WRITE = 2;

export interface WriteTarget {
  readonly rule: PointWriteSettings;
  readonly nodeId: NodeId;
  readonly dataType: NodeId;
  readonly type: ValueType;
  readonly isArray: boolean;
  /** The value before the write. */
  readonly now: DataValue;
}

export type Described =
  | { readonly ok: true; readonly target: WriteTarget }
  | { readonly ok: false; readonly problem: string };

/** In the order of `rules`. @throws what the driver throws */
export async function describeTargets(
  connection: Connection,
  rules: readonly PointWriteSettings[],
  signal: AbortSignal,
): Promise<readonly Described[]> {
  const found: Described[] = [];
  const perCall = Math.max(1, Math.floor(connection.limits.read / ATTRIBUTES.length));
  for (const chunk of chunksOf(rules, perCall)) {
    const nodeIds = chunk.map(({ node }) => connection.namespaces.resolve(node));
    const asked = nodeIds.flatMap((nodeId) =>
      nodeId === undefined
        ? []
        : ATTRIBUTES.map((name) => ({ nodeId, attributeId: opcua.AttributeIds[name] })),
    );
    const values = asked.length === 0 ? [] : await orAborted(connection.session.read(asked), signal);
    let at = 0;
    for (const [index, rule] of chunk.entries()) {
      const nodeId = nodeIds[index];
      if (nodeId === undefined) {
        found.push({ ok: false, problem: "the server does not have this namespace" });
        continue;
      }
      const own = values.slice(at, (at += ATTRIBUTES.length));
      found.push(await describe(connection, rule, nodeId, own, signal));
    }
  }
  return found;
}

async function describe(
  connection: Connection,
  rule: PointWriteSettings,
  nodeId: NodeId,
  [now, dataType, valueRank, access, userAccess]: readonly DataValue[],
  signal: AbortSignal,
): Promise<Described> {
  const typeId = dataType?.value.value as NodeId | null | undefined;
  if (now === undefined || dataType === undefined || typeId === null || typeId === undefined)
    return { ok: false, problem: `the server says ${dataType?.statusCode.name ?? "nothing"} of it` };
  const problem = accessProblem(Number(access?.value.value ?? 0), Number(userAccess?.value.value ?? 0));
  if (problem !== undefined) return { ok: false, problem };
  const basic = await basicTypeOf(connection, typeId, signal);
  const type = basic === "abstract" ? valueTypeOf(now.value.dataType) : basic;
  if (type === undefined)
    return {
      ok: false,
      problem: "its type is none of those whose values can be given as JSON without doubt",
    };
  const isArray = isArrayAt(Number(valueRank?.value.value ?? -1), now);
  if (isArray === undefined) return { ok: false, problem: "it holds a matrix, which is not written" };
  if (isArray && !rule.isArrayAllowed)
    return { ok: false, problem: "it holds an array, and `array: true` is not set for it" };
  const limits = limitsProblem(rule, type);
  if (limits !== undefined) return { ok: false, problem: limits };
  return { ok: true, target: { rule, nodeId, dataType: typeId, type, isArray, now } };
}

function accessProblem(access: number, userAccess: number): string | undefined {
  if ((access & CAN_WRITE) === 0) return "the server lets nobody write it (AccessLevel)";
  if ((userAccess & CAN_WRITE) === 0)
    return "the server does not let the user that this agent logs in as write it (UserAccessLevel)";
  if ((access & userAccess & CAN_READ) === 0)
    return "it cannot be read, so that nobody could see whether a write has arrived";
  return undefined;
}

/** Undefined: neither one value nor a list. -2, -3 and 0 leave it to the value (OPC 10000-3, 5.6.2). */
function isArrayAt(rank: number, { value }: DataValue): boolean | undefined {
  if (rank === -1) return false;
  if (rank === 1) return true;
  if (rank > 1 || value.arrayType === opcua.VariantArrayType.Matrix) return undefined;
  return value.arrayType === opcua.VariantArrayType.Array;
}
