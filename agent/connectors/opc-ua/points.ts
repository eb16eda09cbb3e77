// What is known about each point: read from the server once per session, kept for rows, sampling and history.
import type { DataValue, NodeId } from "node-opcua";
import type { Columns, SourceRow } from "#agent/core/source/connector.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import { OBJECTS_FOLDER, browseNameOf, browseNodes, chunksOf } from "./browse.ts";
import type { Connection } from "./connection.ts";
import { discover } from "./discovery.ts";
import { decimalOf } from "./decimals.ts";
import { opcua } from "./driver.ts";
import { unitCodeOf } from "./engineering-units.ts";
import type { Deadband, NodeSettings, OpcUaSettings } from "./settings.ts";

/** One point as the connector works with it. The key is stable; the node id holds for this session only. */
export interface Point {
  readonly key: string;
  nodeId: NodeId | undefined;
  readonly settings: NodeSettings;
  readonly namespaceUri: string;
  readonly browsePath: string;
  readonly displayName: string;
  readonly description: string;
  readonly dataType: string;
  readonly isNumeric: boolean;
  /** The server lets this session write it, and the plant's settings let the agent: known once that was asked. */
  isWritable: boolean;
  readonly historizing: boolean;
  readonly unit: string | null;
  readonly unitCode: string | null;
  readonly rangeLow: number | null;
  readonly rangeHigh: number | null;
  /** Why the point cannot be read, as the server says it; undefined for a good one. */
  problem: string | undefined;
  /** Revised by the server once the item is monitored; until then as asked for. */
  samplingMs: number;
  queueSize: number;
  deadband: Deadband | undefined;
}

export interface PointList {
  readonly points: readonly Point[];
  readonly isCut: boolean;
}

const ATTRIBUTES = [
  "DisplayName",
  "Description",
  "DataType",
  "ValueRank",
  "UserAccessLevel",
  "Historizing",
] as const;
const PROPERTIES = ["EURange", "EngineeringUnits"] as const;
/** Levels from a listed node up to the Objects folder, at most. */
const MAX_PATH_DEPTH = 20;
const CAN_READ_HISTORY = 4;

/** Listed nodes and discovered ones. @throws ConnectorError misconfigured when not a single one can be read */
export async function findPoints(
  connection: Connection,
  settings: OpcUaSettings,
  signal: AbortSignal,
): Promise<PointList> {
  const wanted = new Map<string, { settings: NodeSettings; browsePath: string | undefined }>();
  for (const node of settings.nodes) wanted.set(node.node, { settings: node, browsePath: undefined });
  let isCut = false;
  if (settings.discover !== undefined) {
    const discovery = await discover(connection, settings.discover, signal);
    isCut = discovery.isCut;
    const plain = { name: undefined, asset: undefined, deadband: undefined, samplingMs: undefined };
    for (const { node, browsePath } of discovery.found) {
      wanted.set(node, { settings: wanted.get(node)?.settings ?? { node, ...plain }, browsePath });
    }
  }
  const points = await describe(connection, settings, [...wanted.values()], signal);
  const problems = points.filter((point) => point.problem !== undefined);
  if (points.length === 0 || problems.length === points.length) {
    const first = problems[0];
    throw new ConnectorError(
      "misconfigured",
      first === undefined
        ? "discovery found no variable; widen `discover` or list `nodes`"
        : `not one of the ${points.length} points can be read (${first.key}: ${first.problem}); the server's namespaces are ` +
            `${connection.namespaces.uris.join(", ")}: correct \`nodes\``,
    );
  }
  return { points, isCut };
}

async function describe(
  connection: Connection,
  settings: OpcUaSettings,
  wanted: readonly { settings: NodeSettings; browsePath: string | undefined }[],
  signal: AbortSignal,
): Promise<readonly Point[]> {
  const nodeIds = wanted.map((one) => connection.namespaces.resolve(one.settings.node));
  const known = nodeIds.filter((nodeId) => nodeId !== undefined);
  const attributes = await readAttributes(connection, known, signal);
  const properties = await readProperties(connection, known, signal);
  const typeNames = await readTypeNames(connection, attributes, signal);
  const unplaced = nodeIds.filter(
    (nodeId, index): nodeId is NodeId => nodeId !== undefined && wanted[index]?.browsePath === undefined,
  );
  const paths =
    unplaced.length === 0 ? new Map<string, string>() : await readPaths(connection, unplaced, signal);
  return wanted.map((one, index) => {
    const nodeId = nodeIds[index];
    const id = nodeId?.toString() ?? "";
    return pointOf(connection, settings, {
      ...one,
      nodeId,
      attributes: attributes.get(id),
      properties: properties.get(id) ?? {},
      browsePath: one.browsePath ?? paths.get(id) ?? "",
      typeNames,
    });
  });
}

interface Described {
  readonly settings: NodeSettings;
  readonly nodeId: NodeId | undefined;
  readonly browsePath: string;
  readonly attributes: Attributes | undefined;
  readonly properties: Readonly<Partial<Record<(typeof PROPERTIES)[number], unknown>>>;
  readonly typeNames: ReadonlyMap<string, string>;
}
type Attributes = Readonly<Record<(typeof ATTRIBUTES)[number], DataValue>>;

function pointOf(connection: Connection, settings: OpcUaSettings, found: Described): Point {
  const { nodeId, attributes } = found;
  const text = (name: "DisplayName" | "Description"): string =>
    (attributes?.[name].value.value as { text?: string | null } | null)?.text ?? "";
  const access = Number(attributes?.UserAccessLevel.value.value ?? 0);
  const typeId = attributes?.DataType.value.value as NodeId | null | undefined;
  const typeName = found.typeNames.get(typeId?.toString() ?? "") ?? "";
  const isArray = Number(attributes?.ValueRank.value.value ?? -1) >= 1;
  const range = found.properties.EURange as { low?: number; high?: number } | undefined;
  const unit = found.properties.EngineeringUnits as
    | { namespaceUri?: string; unitId?: number; displayName?: { text?: string | null } }
    | undefined;
  const isNumeric = !isArray && (NUMERIC.has(typeName) || typeName === "Duration");
  return {
    key: found.settings.node,
    nodeId,
    settings: found.settings,
    namespaceUri: nodeId === undefined ? "" : connection.namespaces.uri(nodeId.namespace),
    browsePath: found.browsePath,
    displayName: text("DisplayName"),
    description: text("Description"),
    dataType: isArray ? `${typeName}[]` : typeName,
    isNumeric,
    isWritable: false,
    historizing: attributes?.Historizing.value.value === true && (access & CAN_READ_HISTORY) !== 0,
    unit: unit?.displayName?.text ?? null,
    unitCode: unitCodeOf(unit?.namespaceUri, unit?.unitId),
    rangeLow: range?.low ?? null,
    rangeHigh: range?.high ?? null,
    problem: problemOf(nodeId, attributes),
    samplingMs: found.settings.samplingMs ?? settings.samplingMs,
    queueSize: settings.queueSize,
    deadband: deadbandFor(found.settings.deadband ?? settings.deadband, isNumeric, range !== undefined),
  };
}

/** Servers take dead-bands for numbers only, and percentages only where a range is known. */
function deadbandFor(
  asked: Deadband | undefined,
  isNumeric: boolean,
  hasRange: boolean,
): Deadband | undefined {
  if (asked === undefined || !isNumeric) return undefined;
  return asked.kind === "percent" && !hasRange ? undefined : asked;
}

function problemOf(nodeId: NodeId | undefined, attributes: Attributes | undefined): string | undefined {
  if (nodeId === undefined) return "the server does not have this namespace";
  const status = attributes?.DataType.statusCode;
  if (status === undefined) return "the server did not answer for this node";
  return status.isGood() ? undefined : status.name;
}

const NUMERIC: ReadonlySet<string> = new Set([
  "SByte",
  "Byte",
  "Int16",
  "UInt16",
  "Int32",
  "UInt32",
  "Int64",
  "UInt64",
  "Float",
  "Double",
]);

async function readAttributes(
  connection: Connection,
  nodes: readonly NodeId[],
  signal: AbortSignal,
): Promise<Map<string, Attributes>> {
  const found = new Map<string, Attributes>();
  const perCall = Math.max(1, Math.floor(connection.limits.read / ATTRIBUTES.length));
  for (const chunk of chunksOf(nodes, perCall)) {
    const values = await orAborted(
      connection.session.read(
        chunk.flatMap((nodeId) =>
          ATTRIBUTES.map((name) => ({ nodeId, attributeId: opcua.AttributeIds[name] })),
        ),
      ),
      signal,
    );
    for (const [index, nodeId] of chunk.entries()) {
      const own = values.slice(index * ATTRIBUTES.length, (index + 1) * ATTRIBUTES.length);
      const entries = ATTRIBUTES.map((name, position) => [name, own[position]] as const);
      found.set(nodeId.toString(), Object.fromEntries(entries) as unknown as Attributes);
    }
  }
  return found;
}

async function readProperties(
  connection: Connection,
  nodes: readonly NodeId[],
  signal: AbortSignal,
): Promise<Map<string, Described["properties"]>> {
  const asked = nodes.flatMap((nodeId) => PROPERTIES.map((name) => ({ nodeId, name })));
  const targets: {
    readonly nodeId: NodeId;
    readonly name: (typeof PROPERTIES)[number];
    readonly target: NodeId;
  }[] = [];
  for (const chunk of chunksOf(asked, connection.limits.translate)) {
    const results = await orAborted(
      connection.session.translateBrowsePath(
        chunk.map(({ nodeId, name }) => opcua.makeBrowsePath(nodeId, `.0:${name}`)),
      ),
      signal,
    );
    for (const [index, { nodeId, name }] of chunk.entries()) {
      const target = results[index]?.targets?.[0]?.targetId;
      if (target !== undefined) targets.push({ nodeId, name, target });
    }
  }
  const found = new Map<string, Record<string, unknown>>();
  for (const chunk of chunksOf(targets, connection.limits.read)) {
    const values = await orAborted(
      connection.session.read(
        chunk.map(({ target }) => ({ nodeId: target, attributeId: opcua.AttributeIds.Value })),
      ),
      signal,
    );
    for (const [index, { nodeId, name }] of chunk.entries()) {
      const value: unknown = values[index]?.value.value;
      if (value === null || value === undefined) continue;
      const id = nodeId.toString();
      found.set(id, { ...found.get(id), [name]: value });
    }
  }
  return found;
}

/** Names of the data types in use; the built-in ones are known by number (OPC 10000-6, 5.1.2). */
async function readTypeNames(
  connection: Connection,
  attributes: ReadonlyMap<string, Attributes>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const types = new Map<string, NodeId>();
  for (const one of attributes.values()) {
    const type = one.DataType.value.value as NodeId | null;
    if (type !== null) types.set(type.toString(), type);
  }
  const list = [...types.values()];
  const names = new Map<string, string>();
  for (const chunk of chunksOf(list, connection.limits.read)) {
    const values = await orAborted(
      connection.session.read(
        chunk.map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.BrowseName })),
      ),
      signal,
    );
    for (const [index, nodeId] of chunk.entries()) {
      const name = (values[index]?.value.value as { name?: string | null } | null)?.name;
      names.set(nodeId.toString(), name ?? nodeId.toString());
    }
  }
  return names;
}

/** Where listed nodes stand: climbs from each to the Objects folder, every shared parent asked once. */
async function readPaths(
  connection: Connection,
  nodes: readonly NodeId[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const parents = new Map<string, { readonly id: string; readonly node: NodeId }>();
  const names = new Map<string, string>();
  let level = [...nodes];
  for (let depth = 0; depth < MAX_PATH_DEPTH && level.length > 0; depth += 1) {
    const references = await browseNodes(connection, level, "inverse", signal);
    const next = new Map<string, NodeId>();
    for (const [index, node] of level.entries()) {
      const parent = references[index]?.[0];
      if (parent === undefined) continue;
      const id = parent.nodeId.toString();
      parents.set(node.toString(), { id, node: parent.nodeId });
      if (names.has(id) || id === OBJECTS_FOLDER) continue;
      names.set(id, browseNameOf(parent));
      next.set(id, parent.nodeId);
    }
    level = [...next.values()];
  }
  const own = await orAborted(readBrowseNames(connection, nodes, signal), signal);
  return new Map(
    nodes.map((node, index) => {
      const path = [own[index] ?? ""];
      const seen = new Set<string>();
      let at = parents.get(node.toString());
      while (at !== undefined && at.id !== OBJECTS_FOLDER && !seen.has(at.id)) {
        seen.add(at.id);
        path.unshift(names.get(at.id) ?? "");
        at = parents.get(at.id);
      }
      return [node.toString(), path.join("/")];
    }),
  );
}

async function readBrowseNames(
  connection: Connection,
  nodes: readonly NodeId[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const chunk of chunksOf(nodes, connection.limits.read)) {
    const values = await orAborted(
      connection.session.read(
        chunk.map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.BrowseName })),
      ),
      signal,
    );
    for (const value of values)
      names.push((value.value.value as { name?: string | null } | null)?.name ?? "");
  }
  return names;
}

/** The point as a source row; column names are OPC UA's own. */
export function rowOf(point: Point, assetConnection: string | undefined): SourceRow {
  const columns: Columns = {
    NodeId: point.key,
    NamespaceUri: point.namespaceUri,
    BrowsePath: point.browsePath,
    DisplayName: point.settings.name ?? point.displayName,
    Description: point.description,
    DataType: point.dataType,
    EngineeringUnits: point.unit,
    EngineeringUnitsCode: point.unitCode,
    EURangeLow: point.rangeLow === null ? null : decimalOf(point.rangeLow),
    EURangeHigh: point.rangeHigh === null ? null : decimalOf(point.rangeHigh),
    Writable: point.isWritable,
    Historizing: point.historizing,
    SamplingMs: point.samplingMs,
    QueueSize: point.queueSize,
    Deadband: point.deadband?.kind === "absolute" ? decimalOf(point.deadband.value) : null,
    DeadbandPercent: point.deadband?.kind === "percent" ? decimalOf(point.deadband.value) : null,
    AssetKey: point.settings.asset ?? null,
    AssetConnection: point.settings.asset === undefined ? null : (assetConnection ?? null),
    Problem: point.problem ?? null,
  };
  return { op: "upsert", key: [point.key], columns };
}
