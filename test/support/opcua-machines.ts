// The machines of the demo plant as an OPC UA address space, and the hand that moves their values.
import {
  DataType,
  StatusCodes,
  Variant,
  VariantArrayType,
  makeEUInformation,
  resolveNodeId,
  standardUnits,
  type AddressSpace,
  type EUInformation,
  type Namespace,
  type UAObject,
  type UAVariable,
} from "node-opcua";
import type { HistoryArchive } from "./opcua-history.ts";

export const MACHINES_NAMESPACE = "urn:demo-plant:machines";
const LINES = ["Line1", "Line2", "Line3"] as const;
/** The one that lets itself be told things: `SpeedSetpoint` can be written, `ResetCounter` called. */
const CONTROLLED = "Line1.Press";
const INITIAL_RPM = 1200;
const INITIAL_COUNT = 9_007_199_254_740_993n;
const MACHINES = ["Press", "Conveyor", "Oven", "Compressor", "Robot"] as const;

export interface Machines {
  /** The variables by their identifier, e.g. `Line1.Press.Temperature`. */
  readonly variables: ReadonlyMap<string, UAVariable>;
  /** Moves every machine on by one step. */
  step(nowMs: number): void;
}

/** What a machine has been told. */
interface Orders {
  speedRpm: number;
  /** Steps before these are not counted. */
  countedFromStep: number;
  /** What the counter stands at then. */
  countedFrom: bigint;
}

interface Signal {
  readonly name: string;
  readonly unit?: EUInformation;
  readonly low?: number;
  readonly high?: number;
  readonly historizing?: boolean;
  readonly initial: Variant;
  next(step: number, seed: number, orders: Orders): Variant;
}

const double = (value: number): Variant =>
  new Variant({ dataType: DataType.Double, value: Math.round(value * 1000) / 1000 });
/** node-opcua keeps 64-bit integers as `[high, low]`. */
const int64 = (value: bigint): Variant =>
  new Variant({
    dataType: DataType.Int64,
    arrayType: VariantArrayType.Scalar,
    value: [Number(value >> 32n), Number(value & 0xffffffffn)],
  });

const SIGNALS: readonly Signal[] = [
  {
    name: "Temperature",
    unit: standardUnits.degree_celsius,
    low: -20,
    high: 250,
    historizing: true,
    initial: double(60),
    next: (step, seed) => double(60 + seed + 20 * Math.sin((step + seed * 7) / 30)),
  },
  {
    name: "Pressure",
    unit: makeEUInformation("BAR", "bar", "bar"),
    low: 0,
    high: 16,
    initial: double(6),
    next: (step, seed) => double(6 + Math.sin((step + seed) / 11)),
  },
  {
    name: "Speed",
    unit: makeEUInformation("RPM", "rpm", "revolutions per minute"),
    low: 0,
    high: 3000,
    initial: double(INITIAL_RPM),
    next: (step, seed, { speedRpm }) => double(speedRpm + (speedRpm / 8) * Math.sin((step + seed * 3) / 17)),
  },
  {
    name: "Count",
    historizing: true,
    initial: int64(0n),
    next: (step, seed, orders) => int64(countAt(step, seed, orders)),
  },
  {
    name: "State",
    initial: new Variant({ dataType: DataType.String, value: "Idle" }),
    next: (step, seed) =>
      new Variant({
        dataType: DataType.String,
        value:
          ["Idle", "Running", "Running", "Running", "Setup"][Math.floor((step + seed * 5) / 40) % 5] ??
          "Idle",
      }),
  },
  {
    name: "Alarm",
    initial: new Variant({ dataType: DataType.Boolean, value: false }),
    next: (step, seed) => new Variant({ dataType: DataType.Boolean, value: (step + seed * 13) % 120 < 5 }),
  },
];

function countAt(step: number, seed: number, { countedFromStep, countedFrom }: Orders): bigint {
  return countedFrom + BigInt(step - countedFromStep) * BigInt(1 + (seed % 3));
}

/** Builds Line1..3, each with five machines of six signals, and the `Special` folder with unusual types. */
export function buildMachines(space: AddressSpace, archive: HistoryArchive): Machines {
  const namespace = space.registerNamespace(MACHINES_NAMESPACE);
  const variables = new Map<string, UAVariable>();
  const moves: ((nowMs: number) => void)[] = [];
  let step = 0;
  let seed = 0;
  for (const line of LINES) {
    const folder = namespace.addFolder(space.rootFolder.objects, { browseName: line, nodeId: `s=${line}` });
    for (const machine of MACHINES) {
      seed += 1;
      const own = seed;
      const orders: Orders = { speedRpm: INITIAL_RPM, countedFromStep: 0, countedFrom: INITIAL_COUNT };
      const parent = namespace.addObject({
        componentOf: folder,
        browseName: machine,
        nodeId: `s=${line}.${machine}`,
      });
      for (const signal of SIGNALS) {
        const id = `${line}.${machine}.${signal.name}`;
        const variable = addSignal(space, namespace, parent, id, signal, archive);
        variables.set(id, variable);
        moves.push((nowMs) =>
          variable.setValueFromSource(signal.next(step, own, orders), undefined, new Date(nowMs)),
        );
      }
      if (`${line}.${machine}` === CONTROLLED) {
        variables.set(`${CONTROLLED}.SpeedSetpoint`, addSetpoint(namespace, parent, orders));
        addReset(namespace, parent, () => {
          const before = countAt(step, own, orders);
          Object.assign(orders, { countedFromStep: step, countedFrom: 0n });
          return before;
        });
      }
    }
  }
  addSpecial(namespace, space, variables);
  return {
    variables,
    step(nowMs) {
      step += 1;
      for (const move of moves) move(nowMs);
    },
  };
}

function addSignal(
  space: AddressSpace,
  namespace: Namespace,
  parent: UAObject,
  id: string,
  signal: Signal,
  archive: HistoryArchive,
): UAVariable {
  const common = {
    componentOf: parent,
    browseName: signal.name,
    nodeId: `s=${id}`,
    description: `${signal.name} of ${id.split(".").slice(0, 2).join(" ")}`,
    dataType: signal.initial.dataType,
    minimumSamplingInterval: 0,
    value: signal.initial,
  };
  const variable =
    signal.low === undefined
      ? namespace.addVariable({
          ...common,
          ...(signal.name === "State" ? { accessLevel: "CurrentRead | CurrentWrite" } : {}),
        })
      : namespace.addAnalogDataItem({
          ...common,
          engineeringUnitsRange: { low: signal.low, high: signal.high ?? signal.low },
          ...(signal.unit === undefined ? {} : { engineeringUnits: signal.unit }),
        });
  if (signal.historizing === true) keepHistory(space, variable, id, archive);
  return variable;
}

/** The machine follows it with its next step. */
function addSetpoint(namespace: Namespace, parent: UAObject, orders: Orders): UAVariable {
  const variable = namespace.addAnalogDataItem({
    componentOf: parent,
    browseName: "SpeedSetpoint",
    nodeId: `s=${CONTROLLED}.SpeedSetpoint`,
    description: "The speed that the press is to hold",
    dataType: DataType.Double,
    engineeringUnitsRange: { low: 0, high: 1500 },
    engineeringUnits: makeEUInformation("RPM", "rpm", "revolutions per minute"),
    accessLevel: "CurrentRead | CurrentWrite",
    minimumSamplingInterval: 0,
    value: double(INITIAL_RPM),
  });
  variable.on("value_changed", ({ value }) => {
    orders.speedRpm = Number(value.value);
  });
  return variable;
}

/** `reset` gives what the counter stood at. */
function addReset(namespace: Namespace, parent: UAObject, reset: () => bigint): void {
  const method = namespace.addMethod(parent, {
    browseName: "ResetCounter",
    nodeId: `s=${CONTROLLED}.ResetCounter`,
    inputArguments: [{ name: "Reason", dataType: DataType.String }],
    outputArguments: [{ name: "Previous", dataType: DataType.Int64 }],
  });
  method.bindMethod((_values, _context, done) =>
    done(null, { statusCode: StatusCodes.Good, outputArguments: [int64(reset())] }),
  );
}

export function keepHistory(
  space: AddressSpace,
  variable: UAVariable,
  name: string,
  archive: HistoryArchive,
): void {
  space.installHistoricalDataNode(variable, { historian: archive.historian(name) });
}

/** Arrays, a structure, the edges of numbers: what connectors get wrong. */
function addSpecial(namespace: Namespace, space: AddressSpace, variables: Map<string, UAVariable>): void {
  const folder = namespace.addFolder(space.rootFolder.objects, {
    browseName: "Special",
    nodeId: "s=Special",
  });
  const add = (name: string, value: Variant): void => {
    const id = `Special.${name}`;
    variables.set(
      id,
      namespace.addVariable({
        componentOf: folder,
        browseName: name,
        nodeId: `s=${id}`,
        dataType: value.dataType,
        valueRank:
          value.arrayType === VariantArrayType.Scalar
            ? -1
            : value.arrayType === VariantArrayType.Array
              ? 1
              : 2,
        minimumSamplingInterval: 0,
        value,
      }),
    );
  };
  const array = { arrayType: VariantArrayType.Array };
  add("Doubles", new Variant({ dataType: DataType.Double, ...array, value: new Float64Array([1.5, -2, 0]) }));
  add(
    "Int64s",
    new Variant({
      dataType: DataType.Int64,
      ...array,
      value: [
        [0, 1],
        [0x7fffffff, 0xffffffff],
      ],
    }),
  );
  add(
    "UInt64Max",
    new Variant({
      dataType: DataType.UInt64,
      arrayType: VariantArrayType.Scalar,
      value: [0xffffffff, 0xffffffff],
    }),
  );
  add(
    "Int64Min",
    new Variant({ dataType: DataType.Int64, arrayType: VariantArrayType.Scalar, value: [0x80000000, 0] }),
  );
  add("NaN", new Variant({ dataType: DataType.Double, value: Number.NaN }));
  add("Infinite", new Variant({ dataType: DataType.Double, value: Number.NEGATIVE_INFINITY }));
  add("Bytes", new Variant({ dataType: DataType.ByteString, value: Buffer.from("00ff10", "hex") }));
  add("Moment", new Variant({ dataType: DataType.DateTime, value: new Date("2026-03-02T08:15:00.250Z") }));
  add(
    "Matrix",
    new Variant({
      dataType: DataType.Int32,
      arrayType: VariantArrayType.Matrix,
      dimensions: [2, 2],
      value: new Int32Array([1, 2, 3, 4]),
    }),
  );
  add(
    "Structure",
    new Variant({
      dataType: DataType.ExtensionObject,
      value: space.constructExtensionObject(resolveNodeId("i=884"), { low: 1, high: 2 }),
    }),
  );
}
