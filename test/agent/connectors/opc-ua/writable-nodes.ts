// Nodes of a machine that can be written and methods that can be called, well-behaved and not, for the tests of writes.
import {
  AccessLevelFlag,
  DataType,
  StatusCodes,
  Variant,
  VariantArrayType,
  type CallMethodResultOptions,
  type INamespace,
  type StatusCode,
  type UAObject,
  type UAVariable,
} from "node-opcua";
import { MACHINES_NAMESPACE, type TestOpcUaServer } from "#test/support/opcua-server.ts";

export interface WritableNodes {
  readonly variables: ReadonlyMap<string, UAVariable>;
  /** Called in the middle of a write to `Trap` and of a call of `trap`, before the server answers. */
  onTrap: () => void;
  /** Called when the value of `Trap` is read. */
  onRead: () => void;
  /** Writes that reached the server, by name. */
  readonly writes: string[];
  /** Calls that reached the server, with their arguments. */
  readonly calls: { readonly name: string; readonly values: readonly unknown[] }[];
  /** What `start` answers. */
  startStatus: StatusCode;
  /** What it says of its first argument. */
  argumentStatus: StatusCode | undefined;
  /** What a write to `Answering` is answered with; it is done only when that is good. */
  answer: StatusCode;
}

/** Adds `s=W` with its children `s=W.<name>` to the machines' namespace. */
export function addWritableNodes(server: TestOpcUaServer): WritableNodes {
  const space = server.raw.engine.addressSpace;
  if (space === null) throw new Error("the server has no address space");
  const namespace = space.getNamespace(MACHINES_NAMESPACE);
  const folder = namespace.addObject({
    organizedBy: space.rootFolder.objects,
    browseName: "W",
    nodeId: "s=W",
  });
  const variables = new Map<string, UAVariable>();
  const nodes: WritableNodes = {
    variables,
    onTrap: () => {},
    onRead: () => {},
    writes: [],
    calls: [],
    startStatus: StatusCodes.Good,
    argumentStatus: undefined,
    answer: StatusCodes.Good,
  };
  addVariables(namespace, folder, nodes, variables);
  addMethods(namespace, folder, nodes);
  return nodes;
}

interface Extra {
  readonly dataType?: string;
  readonly valueRank?: number;
  readonly access?: string;
  readonly userAccess?: string;
  /** Takes the place of keeping the value. */
  readonly onWrite?: (value: Variant, keep: () => void) => StatusCode;
}

function addVariables(
  namespace: INamespace,
  folder: UAObject,
  nodes: WritableNodes,
  variables: Map<string, UAVariable>,
): void {
  const add = (name: string, initial: Variant, extra: Extra = {}): void => {
    let current = initial;
    const variable = namespace.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=W.${name}`,
      dataType: extra.dataType ?? initial.dataType,
      valueRank: extra.valueRank ?? (initial.arrayType === VariantArrayType.Array ? 1 : -1),
      accessLevel: extra.access ?? "CurrentRead | CurrentWrite",
      userAccessLevel: extra.userAccess ?? extra.access ?? "CurrentRead | CurrentWrite",
      minimumSamplingInterval: 100,
      value: {
        get: () => {
          if (name === "Trap") nodes.onRead();
          return current;
        },
        set: (value: Variant) => {
          nodes.writes.push(name);
          const keep = (): void => {
            current = value;
          };
          if (extra.onWrite !== undefined) return extra.onWrite(value, keep);
          keep();
          return StatusCodes.Good;
        },
      },
    });
    variables.set(name, variable);
  };
  const mode = namespace.addEnumerationType({
    browseName: "MachineMode",
    enumeration: ["Off", "Auto", "Manual"],
  });
  add("Setpoint", double(50));
  add("Level", new Variant({ dataType: DataType.Float, value: 1 }));
  add("Count", long(DataType.Int64, 5n));
  add("Total", long(DataType.UInt64, 5n));
  add("Small", new Variant({ dataType: DataType.Byte, value: 1 }));
  add("Enabled", new Variant({ dataType: DataType.Boolean, value: false }));
  add("Recipe", new Variant({ dataType: DataType.String, value: "A-1" }));
  add("Mode", new Variant({ dataType: DataType.Int32, value: 0 }), { dataType: mode.nodeId.toString() });
  add("When", new Variant({ dataType: DataType.DateTime, value: new Date("2026-01-01T00:00:00Z") }));
  add("Bytes", new Variant({ dataType: DataType.ByteString, value: Buffer.from("00", "hex") }));
  add("Label", new Variant({ dataType: DataType.LocalizedText, value: { text: "old" } }));
  add("Any", new Variant({ dataType: DataType.Int16, value: 1 }), { dataType: "BaseDataType" });
  add("Number", new Variant({ dataType: DataType.Int16, value: 1 }), { dataType: "Number" });
  add("Duration", double(10), { dataType: "Duration" });
  add(
    "Profile",
    new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1, 2] }),
  );
  add("Longs", long(DataType.Int64, 1n, 2n));
  add("Fixed", double(1), { access: "CurrentRead" });
  add("Foreign", double(1), { userAccess: "CurrentRead" });
  add("Blind", double(1), { access: "CurrentWrite" });
  add("Stubborn", double(1), { onWrite: () => StatusCodes.BadNotWritable });
  add("Picky", double(1), { onWrite: () => StatusCodes.BadTypeMismatch });
  add("Clamped", double(1), { onWrite: () => StatusCodes.Good });
  add("Answering", double(1), {
    onWrite: (_, keep) => {
      if (nodes.answer.isGood()) keep();
      return nodes.answer;
    },
  });
  add("Late", double(1), {
    // A controller takes the value over with its next cycle.
    onWrite: (_, keep) => {
      setTimeout(keep, 120);
      return StatusCodes.Good;
    },
  });
  add("Doubtful", double(1), {
    onWrite: (_, keep) => {
      keep();
      return StatusCodes.BadTimeout;
    },
  });
  add("Trap", double(1), {
    onWrite: () => {
      nodes.onTrap();
      return StatusCodes.Good;
    },
  });
  const lost = namespace.addVariable({
    componentOf: folder,
    browseName: "Lost",
    nodeId: "s=W.Lost",
    dataType: "Double",
    accessLevel: AccessLevelFlag.CurrentRead | AccessLevelFlag.CurrentWrite,
    value: double(1),
  });
  lost.setValueFromSource(double(1), StatusCodes.BadNoCommunication);
}

function addMethods(namespace: INamespace, folder: UAObject, nodes: WritableNodes): void {
  const start = namespace.addMethod(folder, {
    browseName: "start",
    nodeId: "s=W.start",
    inputArguments: [
      { name: "Speed", dataType: DataType.Double },
      { name: "Recipe", dataType: DataType.String },
      { name: "Pieces", dataType: DataType.Int64 },
    ],
    outputArguments: [
      { name: "Job", dataType: DataType.UInt64 },
      { name: "Message", dataType: DataType.String },
    ],
  });
  start.bindMethod((values, _context, done) => {
    nodes.calls.push({ name: "start", values: values.map(({ value }): unknown => value) });
    done(null, startResult(nodes));
  });
  const trap = namespace.addMethod(folder, { browseName: "trap", nodeId: "s=W.trap" });
  trap.bindMethod((_values, _context, done) => {
    nodes.calls.push({ name: "trap", values: [] });
    nodes.onTrap();
    done(null, { statusCode: StatusCodes.Good });
  });
  // Without a program behind it the server says that it is not executable.
  namespace.addMethod(folder, { browseName: "locked", nodeId: "s=W.locked" });
  const foreign = namespace.addMethod(folder, { browseName: "foreign", nodeId: "s=W.foreign" });
  foreign.bindMethod((_values, _context, done) => done(null, { statusCode: StatusCodes.Good }));
  // The server's own type leaves it out.
  Object.assign(foreign, { getUserExecutableFlag: () => false });
}

function startResult(nodes: WritableNodes): CallMethodResultOptions {
  const { startStatus: statusCode, argumentStatus } = nodes;
  if (statusCode.isGood()) {
    const outputArguments = [
      long(DataType.UInt64, 18_446_744_073_709_551_615n),
      new Variant({ dataType: DataType.String, value: "started" }),
    ];
    return { statusCode, outputArguments };
  }
  if (argumentStatus === undefined) return { statusCode };
  return { statusCode, inputArgumentResults: [argumentStatus, StatusCodes.Good, StatusCodes.Good] };
}

export function double(value: number): Variant {
  return new Variant({ dataType: DataType.Double, value });
}

/** node-opcua keeps 64-bit integers as `[high, low]`. */
function long(dataType: DataType.Int64 | DataType.UInt64, ...values: readonly bigint[]): Variant {
  const pairs = values.map((value) => {
    const bits = BigInt.asUintN(64, value);
    return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
  });
  const isArray = pairs.length > 1;
  return new Variant({
    dataType,
    arrayType: isArray ? VariantArrayType.Array : VariantArrayType.Scalar,
    value: isArray ? pairs : pairs[0],
  });
}
