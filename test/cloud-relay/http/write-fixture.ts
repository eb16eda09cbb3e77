// A relay whose first tenant has a plant that can be written to, for tests of the write routes.
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { CommandCall } from "#relay/core/commands/command-target.ts";
import { createToken } from "#relay/core/administration.ts";
import type { NewRecord } from "#relay/core/store.ts";
import { commitRecords, entropy, relayFixture, type RelayFixture } from "./relay-fixture.ts";

export interface WriteFixture extends RelayFixture {
  /** Of the plant's connection, with the scopes read and write. */
  readonly token: string;
  /** Of the whole workspace, with the same scopes. */
  readonly workspaceToken: string;
  readonly order: NewRecord;
  readonly asset: NewRecord;
}

const AGENT = "agt_plant";

export async function writeFixture(): Promise<WriteFixture> {
  const relay = await relayFixture();
  const { acme, store } = relay;
  const { workspaceId, connectionId } = acme;
  await store.directory.bindConnections(workspaceId, [connectionId], AGENT);
  await store.directory.putDescription(description(connectionId));
  await store.ingest((tx) =>
    tx.setConnectionStatus(connectionId, { state: "online", reason: undefined, advice: undefined }, 1),
  );
  const administration = { directory: store.directory, entropy, nowMs: () => relay.deps.clock.nowMs() };
  const scopes = ["read", "write"];
  const { token } = await createToken(administration, {
    kind: "connection",
    workspaceId,
    connectionId,
    scopes,
  });
  const whole = await createToken(administration, { kind: "workspace", workspaceId, scopes });
  const [order, asset] = await commitRecords(relay, acme, [
    { entity: "work_order", key: "WO1", fields: { number: "WO1", title: "old" } },
    { entity: "asset", key: "P-101", fields: { tag: "P-101" } },
  ]);
  if (order === undefined || asset === undefined) throw new Error("the records were not made");
  relay.plants.commands.answer = (call) => ({ result: applied(call) });
  return { ...relay, token, workspaceToken: whole.token, order, asset };
}

/** A plant that does what it is told. */
export function applied(call: CommandCall): object {
  const body = call.body as {
    key?: string;
    values: Record<string, unknown>;
    dry_run?: boolean;
    operation: string;
  };
  const key = body.key ?? '["NEW"]';
  const [id] = JSON.parse(key) as [string];
  const { asset: _, ...plain } = body.values;
  const record = {
    remote_id: id,
    remote_key: { ID: id },
    source: { system: "test", table: "T" },
    ...plain,
  };
  return {
    ...(body.operation === "delete" ? {} : { key, record, version: "8" }),
    is_repeat: false,
    is_pending: false,
    is_dry: body.dry_run ?? false,
  };
}

function description(connectionId: string): ConnectionDescription {
  const fields = [
    { name: "title", type: "text", required: false, max_length: 10 },
    { name: "priority", type: "enum", required: false, values: ["low", "high"] },
    { name: "asset", type: "reference", required: false },
    { name: "estimated_labor_hours", type: "decimal", required: false, minimum: "0", maximum: "99.5" },
    { name: "target_start", type: "instant", required: false },
    { name: "custom_fields.LOT", type: "any", required: false },
  ];
  const parts = [
    { name: "item", type: "reference", required: true },
    { name: "planned_qty", type: "decimal", required: true },
  ];
  const apply = { form: "update", policy: "apply", exactly_once: true } as const;
  const own = {
    table: "T",
    key: ["ID"],
    live: true,
    fields: [],
    custom_fields: [],
  };
  return {
    type: "connection_description",
    connection_id: connectionId,
    connector: "sqlite",
    mapping_version: "1",
    read_only: "Vendors belong to the finance department.",
    browse: false,
    settings_allowed: [],
    entities: [
      {
        ...own,
        entity: "work_order",
        writes: [
          { ...apply, operation: "update", fields, children: [{ name: "parts", fields: parts }] },
          {
            ...apply,
            operation: "create",
            fields: [{ name: "number", type: "text", required: true }, ...fields],
            children: [{ name: "parts", fields: parts }],
          },
          { ...apply, operation: "delete", fields: [] },
          {
            ...apply,
            operation: "change_status",
            fields: [{ name: "status", type: "enum", required: true, values: ["closed"] }],
          },
          { ...apply, operation: "purge", policy: "refuse", reason: "not from outside", fields: [] },
        ],
      },
      { ...own, entity: "vendor", writes: [] },
    ],
    queries: [
      {
        query: "open_orders",
        description: "Orders of one vendor",
        parameters: [
          { name: "vendor", type: "text", required: true },
          { name: "limit", type: "integer", required: false },
        ],
      },
    ],
  };
}
