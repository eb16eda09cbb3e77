// Who may import whom: each part of the product, what of the repository it may see, and what from outside.
import type { Finding, SourceModule } from "./source-tree.ts";

interface Layer {
  readonly name: string;
  /** Files that belong to it; the first layer that matches is a file's own. */
  readonly files: RegExp;
  /** Names of layers, besides itself. */
  readonly sees: readonly string[];
  /** Packages from npm. */
  readonly packages: readonly string[];
  /** Modules of Node: all of them, or those listed. */
  readonly node: "any" | readonly string[];
}

const COMMON = ["common/runtime", "common/contract"];
const AGENT_EDGE = ["agent/core", ...COMMON];
const RELAY_EDGE = ["cloud-relay/core", ...COMMON];

function edge(side: "agent" | "cloud-relay", folder: string, packages: readonly string[]): Layer {
  const name = `${side}/${folder}`;
  const sees = side === "agent" ? AGENT_EDGE : RELAY_EDGE;
  return { name, files: new RegExp(`^${name}/`), sees, packages, node: "any" };
}

const AGENT_EDGES = [
  edge("agent", "connectors/sqlite", ["better-sqlite3"]),
  edge("agent", "connectors/postgres", ["pg"]),
  edge("agent", "connectors/sql-server", ["tedious"]),
  edge("agent", "connectors/oracle", ["oracledb"]),
  edge("agent", "connectors/opc-ua", ["node-opcua"]),
  edge("agent", "outbox", ["better-sqlite3"]),
  edge("agent", "uplink", ["ws", "https-proxy-agent"]),
  edge("agent", "commands", []),
  edge("agent", "packs", ["yaml"]),
  // Metrics are counted where they are served: nothing else of the agent knows prom-client.
  edge("agent", "status", ["prom-client"]),
  edge("agent", "platform", ["better-sqlite3", "fflate", "pino", "typebox", "yaml"]),
];

const RELAY_EDGES: readonly Layer[] = [
  edge("cloud-relay", "gateway", ["ws", "prom-client"]),
  edge("cloud-relay", "http", [
    "fastify",
    "@fastify/swagger",
    "@fastify/type-provider-typebox",
    "typebox",
    "prom-client",
  ]),
  edge("cloud-relay", "webhooks", ["undici", "ipaddr.js"]),
  edge("cloud-relay", "conditions", ["@marcbachmann/cel-js"]),
  edge("cloud-relay", "flows", []),
  edge("cloud-relay", "store/sqlite", ["better-sqlite3"]),
  edge("cloud-relay", "store/postgres", ["pg"]),
  edge("cloud-relay", "store/memory", []),
  edge("cloud-relay", "bus", []),
  {
    name: "cloud-relay/dashboard build",
    files: /^cloud-relay\/dashboard\/build\.mjs$/,
    sees: [],
    packages: ["vite"],
    node: "any",
  },
  // Runs in a browser; knows the relay by its API alone.
  {
    name: "cloud-relay/dashboard",
    files: /^cloud-relay\/dashboard\//,
    sees: ["cloud-relay/client"],
    packages: ["preact", "@preact/signals", "preact-iso", "uplot", "openapi-fetch"],
    node: [],
  },
  // For programs that call the relay: nothing of the relay itself is in it.
  {
    name: "cloud-relay/client",
    files: /^cloud-relay\/client\//,
    sees: [],
    packages: ["openapi-fetch"],
    node: [],
  },
];

const names = (layers: readonly Layer[]): readonly string[] => layers.map(({ name }) => name);

export const LAYERS: readonly Layer[] = [
  { name: "common/runtime", files: /^common\/runtime\//, sees: [], packages: ["typebox"], node: [] },
  {
    name: "common/contract",
    files: /^common\/contract\//,
    sees: ["common/runtime"],
    packages: ["typebox"],
    node: ["node:crypto", "node:zlib"],
  },
  { name: "agent/core", files: /^agent\/core\//, sees: COMMON, packages: [], node: [] },
  ...AGENT_EDGES,
  {
    name: "agent/connectors registry",
    files: /^agent\/connectors\/[^/]+\.ts$/,
    sees: [...AGENT_EDGE, ...names(AGENT_EDGES).filter((name) => name.startsWith("agent/connectors/"))],
    packages: [],
    node: [],
  },
  {
    name: "agent composition",
    files: /^agent\/(doctor\/)?[^/]+\.(ts|mjs)$/,
    sees: [...AGENT_EDGE, ...names(AGENT_EDGES), "agent/connectors registry"],
    packages: [],
    node: "any",
  },
  { name: "cloud-relay/core", files: /^cloud-relay\/core\//, sees: COMMON, packages: [], node: [] },
  ...RELAY_EDGES,
  {
    // The command line wires commands to what does them, so it is composition too.
    name: "cloud-relay composition",
    files: /^cloud-relay\/(compose\.ts|main\.ts|bin\.mjs|cli\/.+)$/,
    sees: [...RELAY_EDGE, ...names(RELAY_EDGES), "cloud-relay platform"],
    packages: ["prom-client"],
    node: "any",
  },
  {
    name: "cloud-relay platform",
    files: /^cloud-relay\/[^/]+\.ts$/,
    sees: RELAY_EDGE,
    packages: ["better-sqlite3", "pino", "typebox", "yaml"],
    node: "any",
  },
];

const PRODUCT = /^(common|agent|cloud-relay)\//;

export function isProduct(path: string): boolean {
  return PRODUCT.test(path);
}

export function layerOf(path: string): Layer | undefined {
  return LAYERS.find(({ files }) => files.test(path));
}

/** Every import of the product that crosses a border it may not cross. */
export function checkLayers(modules: readonly SourceModule[]): readonly Finding[] {
  return modules.filter(({ path }) => isProduct(path)).flatMap(checkModule);
}

function checkModule(module: SourceModule): readonly Finding[] {
  const layer = layerOf(module.path);
  if (layer === undefined)
    return [{ rule: "layer", where: module.path, what: "belongs to no layer; say in layers.ts which it is" }];
  const findings: Finding[] = [];
  const report = (line: number, what: string): void => {
    findings.push({ rule: "layer", where: `${module.path}:${line}`, what: `${layer.name} ${what}` });
  };
  for (const { to, line } of module.inner) {
    const target = layerOf(to);
    const isManifest = to === "package.json";
    if (isManifest || target?.name === layer.name) continue;
    if (target === undefined || !layer.sees.includes(target.name)) report(line, `may not import ${to}`);
  }
  for (const { to, line } of module.outer) {
    const isAllowed = to.startsWith("node:")
      ? layer.node === "any" || layer.node.includes(to)
      : layer.packages.includes(to);
    if (!isAllowed) report(line, `may not import ${to}`);
  }
  for (const { specifier, line } of module.imports)
    if (specifier === undefined) report(line, "imports by a name that is not written out");
  return findings;
}

/** Layers that see each other in a circle, by the imports there are. */
export function checkCycles(modules: readonly SourceModule[]): readonly Finding[] {
  const graph = new Map<string, Set<string>>();
  for (const { path, inner } of modules) {
    const from = folderOf(path);
    if (from === undefined) continue;
    for (const { to } of inner) {
      const target = folderOf(to);
      if (target === undefined || target === from) continue;
      graph.set(from, (graph.get(from) ?? new Set()).add(target));
    }
  }
  const findings: Finding[] = [];
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      const circle = [...path.slice(path.indexOf(name)), name].join(" → ");
      findings.push({ rule: "cycle", where: name, what: circle });
      return;
    }
    if (done.has(name)) return;
    for (const next of graph.get(name) ?? []) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of graph.keys()) visit(name, []);
  return findings;
}

/** The layer of product code, the side of what belongs to none. */
function folderOf(path: string): string | undefined {
  return isProduct(path)
    ? (layerOf(path)?.name ?? path.split("/")[0])
    : path.startsWith("test/")
      ? "test"
      : undefined;
}
