// `millrace-relay webhook …`: endpoints and deliveries of a relay that runs, over its API.
import { ConfigError } from "#common/runtime/errors.ts";
import { table, type CommandResult } from "./command-action.ts";
import type { FlagValues } from "./command-line.ts";
import type { RelayCalls } from "./listen/relay-calls.ts";

type RemoteAction = (relay: RelayCalls, values: FlagValues) => Promise<CommandResult>;

interface Endpoint {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly types: readonly string[];
  readonly disabled: { readonly reason: string } | null;
  readonly health: { readonly breaker: string };
  readonly stats: { readonly pending: number };
  readonly secret?: string;
}
interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly next_attempt_at: string | null;
  readonly created_at: string;
}
interface Sent {
  readonly delivery_id: string;
  readonly attempt: { readonly status: number | null; readonly detail: string | null } | null;
}
interface Listed<Row> {
  readonly data: readonly Row[];
}

const DEFAULT_LIMIT = "50";

export const WEBHOOK_ACTIONS: Readonly<Record<string, RemoteAction>> = {
  "webhook list": list,
  "webhook add": add,
  "webhook test": test,
  "webhook deliveries": deliveries,
  "webhook retry": retry,
};

async function list(relay: RelayCalls): Promise<CommandResult> {
  const { data } = (await relay.call("GET", "/v1/webhook-endpoints?limit=200")) as Listed<Endpoint>;
  const rows = data.map(({ id, name, url, types, disabled, health, stats }) => [
    id,
    name,
    disabled === null ? health.breaker : `disabled: ${disabled.reason}`,
    String(stats.pending),
    types.join(","),
    url,
  ]);
  return { json: data, lines: table(["ID", "NAME", "STATE", "WAITING", "TYPES", "ADDRESS"], rows) };
}

async function add(relay: RelayCalls, values: FlagValues): Promise<CommandResult> {
  const [name, connectionId, condition] = ["name", "connection", "condition"].map((flag) =>
    values.text(flag),
  );
  const made = (await relay.call("POST", "/v1/webhook-endpoints", {
    url: values.needed("address"),
    types: (values.text("types") ?? "*").split(",").map((type) => type.trim()),
    ...(name === undefined ? {} : { name }),
    ...(connectionId === undefined ? {} : { connection_id: connectionId }),
    ...(condition === undefined ? {} : { condition }),
  })) as Endpoint;
  return {
    json: made,
    lines: [made.secret ?? "", `endpoint ${made.id}; above is its secret, which is shown once`],
  };
}

async function test(relay: RelayCalls, values: FlagValues): Promise<CommandResult> {
  const path = `/v1/webhook-endpoints/${values.argument ?? ""}/test`;
  return sentResult((await relay.call("POST", path, { type: values.needed("type") })) as Sent);
}

async function deliveries(relay: RelayCalls, values: FlagValues): Promise<CommandResult> {
  const query = new URLSearchParams({ limit: values.text("limit") ?? DEFAULT_LIMIT });
  for (const [flag, parameter] of [
    ["endpoint", "endpoint_id"],
    ["state", "state"],
    ["type", "type"],
  ] as const) {
    const text = values.text(flag);
    if (text !== undefined) query.set(parameter, text);
  }
  const { data } = (await relay.call(
    "GET",
    `/v1/webhook-deliveries?${query.toString()}`,
  )) as Listed<Delivery>;
  const rows = data.map((row) => [
    row.id,
    row.created_at,
    row.type,
    row.state,
    String(row.attempts),
    String(row.last_status ?? row.last_error ?? ""),
    row.next_attempt_at ?? "",
  ]);
  const head = ["ID", "CREATED", "TYPE", "STATE", "TRIES", "LAST", "NEXT"];
  return { json: data, lines: table(head, rows) };
}

async function retry(relay: RelayCalls, values: FlagValues): Promise<CommandResult> {
  const delivery = values.text("delivery");
  const endpoint = values.text("endpoint");
  if ((delivery === undefined) === (endpoint === undefined))
    throw new ConfigError("millrace-relay webhook retry", [
      { path: "--delivery", message: "give it, or --endpoint for all of it that were given up" },
    ]);
  if (delivery !== undefined)
    return sentResult((await relay.call("POST", `/v1/webhook-deliveries/${delivery}/retry`)) as Sent);
  const answer = (await relay.call("POST", "/v1/webhook-deliveries/retry", { endpoint_id: endpoint })) as {
    readonly count: number;
    readonly has_more: boolean;
  };
  const more = answer.has_more ? "; there are more, ask again" : "";
  return { json: answer, lines: [`${answer.count} deliveries are sent again${more}`] };
}

function sentResult(sent: Sent): CommandResult {
  const { attempt } = sent;
  const came =
    attempt === null ? "it is under way already" : (attempt.status ?? attempt.detail ?? "no answer");
  return { json: sent, lines: [`${sent.delivery_id}: ${came}`] };
}
