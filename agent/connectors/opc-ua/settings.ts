// What an operator writes for one OPC UA connection, checked in full: every problem at once.
import type { Issue, ParseResult } from "#common/runtime/errors.ts";
import { parseNodeId } from "./node-id-setting.ts";
import { Check } from "./settings-check.ts";
import { parseWriteSettings, type WriteSettings } from "./write-settings.ts";

export type SecurityMode = "SignAndEncrypt" | "Sign" | "None";
export type SecurityPolicyName = "Basic256Sha256" | "Aes128_Sha256_RsaOaep" | "Aes256_Sha256_RsaPss" | "None";

export type UserSettings =
  | { readonly kind: "anonymous" }
  | { readonly kind: "password"; readonly name: string; readonly password: string }
  | { readonly kind: "certificate"; readonly certificateFile: string; readonly keyFile: string };

/** Changes smaller than this are not reported: in the value's own unit, or in percent of the EU range. */
export interface Deadband {
  readonly kind: "absolute" | "percent";
  readonly value: number;
}

export interface NodeSettings {
  /** `nsu=<namespace uri>;<s|i|g|b>=<id>`, or `i=<id>` for the standard namespace. */
  readonly node: string;
  readonly name: string | undefined;
  readonly asset: string | undefined;
  readonly deadband: Deadband | undefined;
  readonly samplingMs: number | undefined;
}

export interface DiscoverSettings {
  /** Node whose children are searched; the Objects folder unless said otherwise. */
  readonly root: string;
  /** Only variables of these namespaces; empty: every namespace but the standard one. */
  readonly namespaces: readonly string[];
  readonly max: number;
  /** `*` and `?` patterns over the browse path (`Line1/Press/Temperature`). */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export interface OpcUaSettings {
  readonly endpoint: string;
  readonly mode: SecurityMode;
  readonly policy: SecurityPolicyName;
  readonly user: UserSettings;
  readonly fingerprints: readonly string[];
  readonly trustedFiles: readonly string[];
  readonly allowExpired: boolean;
  readonly applicationUri: string | undefined;
  readonly nodes: readonly NodeSettings[];
  readonly discover: DiscoverSettings | undefined;
  /** UUID of the connection whose assets the points name; absent: this one. */
  readonly assetConnection: string | undefined;
  readonly samplingMs: number;
  readonly publishingMs: number;
  readonly queueSize: number;
  readonly deadband: Deadband | undefined;
  readonly itemsPerSubscription: number;
  /** A sign of life is asked for this often when no value changes, ms: the measure of the watchdog. */
  readonly keepAliveMs: number;
  /** How far back an outage is filled from history, ms. */
  readonly historyMaxMs: number;
  /** How long one request may take, ms. */
  readonly timeoutMs: number;
  readonly write: WriteSettings;
}

export const DEFAULT_MAX_DISCOVERED = 5_000;
/** Points of one connection, at most. */
export const MAX_POINTS = 50_000;

export function parseOpcUaSettings(input: unknown): ParseResult<OpcUaSettings> {
  const issues: Issue[] = [];
  const root = new Check(input, "", issues);
  root.known([
    "endpoint",
    "security",
    "insecure",
    "user",
    "server_fingerprint",
    "trusted_certificates",
    "allow_expired_certificate",
    "application_uri",
    "nodes",
    "discover",
    "asset_connection",
    "sampling_ms",
    "publishing_ms",
    "queue_size",
    "deadband",
    "items_per_subscription",
    "keep_alive_ms",
    "history_hours",
    "timeout_ms",
    "write",
  ]);
  const security = parseSecurity(root);
  const settings: OpcUaSettings = {
    endpoint: parseEndpoint(root),
    ...security,
    user: parseUser(root),
    fingerprints: parseFingerprints(root),
    trustedFiles: root.texts("trusted_certificates"),
    allowExpired: root.flag("allow_expired_certificate", false),
    applicationUri: root.text("application_uri"),
    nodes: root.children("nodes").map(parseNode),
    discover: parseDiscover(root),
    assetConnection: root.text("asset_connection"),
    samplingMs: root.number("sampling_ms", 1_000, 0, 86_400_000),
    publishingMs: root.number("publishing_ms", 500, 50, 60_000),
    queueSize: root.integer("queue_size", 10, 1, 10_000),
    deadband: parseDeadband(root),
    itemsPerSubscription: root.integer("items_per_subscription", 2_000, 1, 50_000),
    keepAliveMs: root.number("keep_alive_ms", 5_000, 150, 60_000),
    historyMaxMs: root.number("history_hours", 168, 0, 8_760) * 3_600_000,
    timeoutMs: root.integer("timeout_ms", 15_000, 500, 300_000),
    write: parseWriteSettings(root),
  };
  checkWhole(root, settings);
  return issues.length === 0 ? { ok: true, value: settings } : { ok: false, issues };
}

function checkWhole(root: Check, settings: OpcUaSettings): void {
  if (settings.nodes.length === 0 && settings.discover === undefined) {
    root.issue("nodes", "no point is named: list `nodes`, or let the agent search with `discover: {}`");
  }
  if (settings.nodes.length > MAX_POINTS)
    root.issue("nodes", `more than ${MAX_POINTS} nodes; split the connection`);
  const seen = new Set<string>();
  for (const [index, { node }] of settings.nodes.entries()) {
    if (seen.has(node)) root.issue(`nodes[${index}].node`, `${node} is listed twice`);
    seen.add(node);
  }
  checkWritePoints(root, settings, seen);
  if (settings.mode !== "None" && settings.fingerprints.length === 0 && settings.trustedFiles.length === 0) {
    root.issue(
      "server_fingerprint",
      "say which server to trust: its certificate's SHA-256 here, or files in `trusted_certificates`. " +
        "To be shown the fingerprint, set 64 zeros and start: the agent refuses the server and names it",
    );
  }
}

/** With `discover` only the server knows what is a point. */
function checkWritePoints(root: Check, { discover, write }: OpcUaSettings, nodes: ReadonlySet<string>): void {
  if (discover !== undefined) return;
  const check = (place: string, node: string): void => {
    if (node !== "" && !nodes.has(node))
      root.issue(place, `${node} is no point of this connection; list it in \`nodes\` too`);
  };
  for (const [at, { node }] of write.points.entries()) check(`write.points[${at}].node`, node);
  for (const [at, { points = [] }] of write.methods.entries())
    for (const node of points) check(`write.methods[${at}].points`, node);
}

function parseEndpoint(root: Check): string {
  const endpoint = root.required("endpoint", "e.g. opc.tcp://plc-1.plant.local:4840");
  if (endpoint !== "" && !/^opc\.tcp:\/\/[^/\s]+(\/\S*)?$/.test(endpoint)) {
    root.issue("endpoint", `${JSON.stringify(endpoint)} is not an opc.tcp:// address`);
  }
  return endpoint;
}

function parseSecurity(root: Check): Pick<OpcUaSettings, "mode" | "policy"> {
  const security = root.child("security");
  security.known(["mode", "policy"]);
  const mode = security.oneOf("mode", ["SignAndEncrypt", "Sign", "None"], "SignAndEncrypt");
  const policies = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "None"] as const;
  const policy = security.oneOf("policy", policies, mode === "None" ? "None" : "Basic256Sha256");
  if ((mode === "None") !== (policy === "None")) {
    security.issue("policy", `mode ${mode} and policy ${policy} exclude each other`);
  }
  if (mode === "None" && !root.flag("insecure", false)) {
    security.issue(
      "mode",
      "None sends everything in clear text; only with `insecure: true` beside `security`",
    );
  }
  return { mode, policy };
}

function parseUser(root: Check): UserSettings {
  const user = root.child("user");
  user.known(["name", "password", "certificate_file", "key_file"]);
  const name = user.text("name");
  const certificateFile = user.text("certificate_file");
  if (name !== undefined && certificateFile !== undefined) {
    user.issue("certificate_file", "give a name and password, or a certificate and key, not both");
  }
  if (name !== undefined) return { kind: "password", name, password: user.text("password") ?? "" };
  if (certificateFile === undefined) return { kind: "anonymous" };
  return {
    kind: "certificate",
    certificateFile,
    keyFile: user.required("key_file", "the certificate's private key, PEM"),
  };
}

function parseFingerprints(root: Check): readonly string[] {
  return root.texts("server_fingerprint").map((text) => {
    const hex = text.replaceAll(/[:\s]/g, "").toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(hex)) {
      root.issue(
        "server_fingerprint",
        `${JSON.stringify(text)} is not a SHA-256 fingerprint (64 hex digits, colons allowed)`,
      );
    }
    return hex;
  });
}

function parseNode(node: Check): NodeSettings {
  node.known(["node", "name", "asset", "deadband", "sampling_ms"]);
  const samplingMs = node.has("sampling_ms") ? node.number("sampling_ms", 0, 0, 86_400_000) : undefined;
  return {
    node: parseNodeId(node, "node", node.required("node", "nsu=<namespace uri>;s=<id>")),
    name: node.text("name"),
    asset: node.text("asset"),
    deadband: parseDeadband(node),
    samplingMs,
  };
}

/** `0.5` absolute, or `"2%"` of the EU range. */
function parseDeadband(check: Check): Deadband | undefined {
  const value = check.raw("deadband");
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && value > 0) return { kind: "absolute", value };
  const percent = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value)?.[1] : undefined;
  if (percent !== undefined && Number(percent) > 0 && Number(percent) <= 100)
    return { kind: "percent", value: Number(percent) };
  check.issue(
    "deadband",
    `${JSON.stringify(value)} is neither a positive number nor a percentage such as "2%"`,
  );
  return undefined;
}

function parseDiscover(root: Check): DiscoverSettings | undefined {
  if (!root.has("discover")) return undefined;
  const discover = root.child("discover");
  discover.known(["root", "namespaces", "max", "include", "exclude"]);
  return {
    root: parseNodeId(discover, "root", discover.text("root") ?? "i=85"),
    namespaces: discover.texts("namespaces"),
    max: discover.integer("max", DEFAULT_MAX_DISCOVERED, 1, MAX_POINTS),
    include: discover.texts("include"),
    exclude: discover.texts("exclude"),
  };
}
