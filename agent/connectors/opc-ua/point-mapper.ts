// Telemetry points as unified records. There is no YAML pack for them: every OPC UA server describes its nodes alike.
import type { CompiledEntity, CompiledPack, MappedRow, MapperContext } from "#agent/core/mapping/mapping.ts";
import { hiddenParts } from "#agent/core/mapping/hidden.ts";
import type { Columns, SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, SourceValue } from "#agent/core/source/plan.ts";
import { recordId } from "#common/contract/record-id.ts";
import { pointWrites } from "./point-writes.ts";
import type { WriteSettings } from "./write-settings.ts";

const ENTITY = "telemetry_point";
const SYSTEM = "OPC UA";
const TABLE = "AddressSpace";
/** Raise with every change of what follows: agents then map their points again. */
const MAPPING_VERSION = "0bcaa00000000001";

const POLL_MS = 300_000;
const RECONCILE_MS = 900_000;

/** Unified field → source column. */
const FIELDS: Readonly<Record<string, string>> = {
  name: "DisplayName",
  description: "Description",
  node_id: "NodeId",
  namespace_uri: "NamespaceUri",
  browse_path: "BrowsePath",
  asset: "AssetKey",
  data_type: "DataType",
  uom: "EngineeringUnits",
  uom_code: "EngineeringUnitsCode",
  range_low: "EURangeLow",
  range_high: "EURangeHigh",
  sampling_ms: "SamplingMs",
  queue_size: "QueueSize",
  deadband: "Deadband",
  writable: "Writable",
  historizing: "Historizing",
};

const PLAN: EntityPlan = {
  entity: ENTITY,
  table: { name: TABLE },
  key: ["NodeId"],
  columns: [...Object.values(FIELDS), "DeadbandPercent", "Problem"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
};

const POINTS: CompiledEntity = { plan: PLAN, pollMs: POLL_MS, reconcileMs: RECONCILE_MS, mapper: mapperOf };

/** Stands where a compiled YAML pack stands for tabular sources; what may be written stands in the connection's settings. */
export function opcUaPack(write: WriteSettings | undefined): CompiledPack {
  return {
    name: "opc-ua",
    system: SYSTEM,
    mappingVersion: MAPPING_VERSION,
    entities: [{ ...POINTS, writes: write === undefined ? [] : pointWrites(write) }],
    unmappedCodes: () => [],
  };
}

function mapperOf(context: MapperContext): (row: SourceRow) => MappedRow {
  const hidden = hiddenParts(context.hidden, ENTITY);
  const isColumnVisible = (column: string): boolean => !hidden.isColumnHidden(PLAN.table, column);
  const fields = Object.entries(FIELDS).filter(
    ([field, column]) => !hidden.isFieldHidden(field) && isColumnVisible(column),
  );
  const percentVisible = !hidden.isFieldHidden("custom_fields") && isColumnVisible("DeadbandPercent");
  return ({ key, columns }) => {
    const [node] = key;
    const problem = columns["Problem"];
    if (typeof problem === "string") {
      return {
        ok: false,
        code: "POINT_UNREADABLE",
        detail: `${node ?? ""}: the server says ${problem}; correct the node id`,
      };
    }
    const record: Record<string, unknown> = {
      remote_id: node,
      remote_key: { NodeId: node },
      source: { system: SYSTEM, table: TABLE },
    };
    for (const [field, column] of fields) {
      const value = columns[column] ?? null;
      record[field] = field === "asset" ? assetOf(value, columns, context.connectionId) : emptyAsNull(value);
    }
    record["mode"] = "subscribed";
    const percent = columns["DeadbandPercent"];
    if (percentVisible && typeof percent === "string")
      record["custom_fields"] = { deadband_percent: percent };
    return {
      ok: true,
      record: JSON.stringify(record),
      raw: context.raw ? rawOf(columns, fields) : undefined,
      isDeleted: false,
    };
  };
}

function emptyAsNull(value: SourceValue): SourceValue {
  return value === "" ? null : value;
}

/** The asset usually lives in another connection (the maintenance system's), which the settings name. */
function assetOf(value: SourceValue, columns: Columns, connectionId: string): unknown {
  if (typeof value !== "string" || value === "") return null;
  const owner = columns["AssetConnection"];
  const id = recordId(typeof owner === "string" ? owner : connectionId, "asset", canonicalKey([value], []));
  return { id, remote_id: value };
}

function rawOf(columns: Columns, fields: readonly (readonly [string, string])[]): string {
  return JSON.stringify(Object.fromEntries(fields.map(([, column]) => [column, columns[column] ?? null])));
}
