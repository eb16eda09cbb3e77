// A support bundle of a real agent that met errors full of secrets: none of them is in it, in any spelling.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runDoctor } from "#agent/doctor.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { loadAgentConfig } from "#agent/platform/config.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import type { SecretRedactor } from "#agent/platform/secret-redactor.ts";
import { writeSupportBundle } from "#agent/support-bundle.ts";
import { AgentAtRelay } from "#test/support/agent-at-relay.ts";
import { startConnectProxy, type ConnectProxy } from "#test/support/connect-proxy.ts";
import { until } from "#test/support/until.ts";

/** Awkward to every spelling: quotes, percent signs, spaces, letters beyond ASCII. */
function canary(name: string): string {
  return `cnry-${name}-${randomBytes(6).toString("hex")}/+"%& ü';=@`;
}
/** Plain, as generated keys are: found only by their looks, for no setting tells of them. */
function plainCanary(name: string): string {
  return `cnry${name}${randomBytes(16).toString("hex")}`;
}

const known = {
  env: canary("env"),
  file: canary("file"),
  credential: canary("credential"),
  proxy: canary("proxy"),
  inline: canary("inline"),
  variable: canary("variable"),
  url: plainCanary("url"),
};
const unknown = {
  bearer: plainCanary("bearer"),
  query: plainCanary("query"),
  pem: plainCanary("pem"),
  address: plainCanary("address"),
  connectionString: plainCanary("string"),
  webhook: plainCanary("webhook"),
  token: plainCanary("token"),
  code: plainCanary("code"),
  oracle: plainCanary("oracle"),
  json: plainCanary("json"),
};

let stack: AgentAtRelay;
let proxy: ConnectProxy;
let refusing: Server;
let secretKey = "";

/** A PostgreSQL server that repeats the connection string in its refusal. */
async function refusingServer(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const text = `no entry for postgresql://reader:${encodeURIComponent(known.env)}@db/erp, tried password ${known.env}`;
    socket.once("data", () => {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${text}\0\0`);
      const head = Buffer.alloc(5);
      head.write("E");
      head.writeInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, fields]));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** As programs write it. */
function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString("base64"),
    bytes.toString("base64url"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    Buffer.from(secret, "utf16le").toString("hex"),
    ...LEADS.map((lead) => Buffer.from(`${lead}${secret}!`).toString("base64")),
  ];
}

/** By which it would be known: within base64 only its middle is its own. */
function traces(secret: string): readonly string[] {
  const within = LEADS.map((lead) => Buffer.from(`${lead}${secret}!`).toString("base64").slice(8, -8));
  const base64 = Buffer.from(secret).toString("base64").slice(0, -4);
  return [...spellings(secret).slice(0, 3), base64, ...spellings(secret).slice(4, 8), ...within];
}

const LEADS = ["user:", "user1:", "user12:"];

/** Lines such as drivers, proxies and careless programs write. */
function dirtyLines(): readonly string[] {
  return [
    `Error: login failed for Server=db;User Id=sa;Password=${unknown.connectionString};Encrypt=true`,
    `    at connect (jdbc:sqlserver://db:1433;user=sa;password={${unknown.connectionString}})`,
    `GET https://api.example/v1?api_key=${unknown.query}&page=2 401`,
    `authorization: Bearer ${unknown.bearer}`,
    `-----BEGIN PRIVATE KEY-----\n${unknown.pem}\n-----END PRIVATE KEY-----`,
    JSON.stringify({
      message: `-----BEGIN EC PRIVATE KEY-----\n${unknown.pem}\n-----END EC PRIVATE KEY-----`,
    }),
    `connecting to amqp://mill:${unknown.address}@broker:5672/plant`,
    `webhook signed by whsec_${unknown.webhook}`,
    `relay token mr_live_${unknown.token} refused`,
    `enrolled with mre_${unknown.code}`,
    `ORA-01017 for reader/${unknown.oracle}@db.example:1521/ERP`,
    JSON.stringify({ level: "error", message: "refused", config: { password: unknown.json } }),
    JSON.stringify({ level: "error", message: JSON.stringify({ client_secret: unknown.json }) }),
    ...Object.values(known).flatMap((secret) => spellings(secret).map((text) => `seen ${text} there`)),
    `Proxy-Authorization: Basic ${Buffer.from(`mill:${known.proxy}`).toString("base64")}`,
    `key of this agent ${secretKey}`,
  ];
}

beforeAll(async () => {
  proxy = await startConnectProxy({ credentials: { user: "mill", password: known.proxy } });
  refusing = await refusingServer();
  const { port } = refusing.address() as AddressInfo;
  const settings = {
    host: "127.0.0.1",
    port,
    database: "erp",
    user: "reader",
    password: known.env,
    tls: { mode: "disable" },
  };
  stack = await AgentAtRelay.start({
    connections: [{ name: "erp", connector: "postgres", pack: "demo-cmms", settings }],
  });
  await until(
    "the source to refuse",
    async () => JSON.stringify(await askAgent(stack.dataDir, { command: "status" })).includes("no entry for"),
    60_000,
  );
  {
    using database = AgentDatabase.open(join(stack.dataDir, "agent.db"));
    secretKey = database.identity()?.secretKey ?? "";
    for (const message of dirtyLines())
      database.recordEvent({ atMs: Date.now(), level: "error", connection: "erp", message });
    const body = { entity: "vendor", operation: "update", key: '["V1"]', values: { name: known.inline } };
    const times = { receivedAtMs: 1, expiresAtMs: 2 };
    const result = {
      type: "command_result",
      command_id: "cmd_9",
      outcome: "failed",
      code: "REJECTED",
      detail: unknown.json,
    } as const;
    database.journal.commit({
      entries: [
        {
          id: "cmd_9",
          connectionId: "c-erp",
          connection: "erp",
          state: "settled",
          body,
          ...times,
          result,
        } as never,
      ],
    });
  }
  // As the same machine may have it later: secrets by every kind of reference.
  writeFileSync(join(stack.dir, "file-secret"), `${known.file}\n`, { mode: 0o600 });
  mkdirSync(join(stack.dir, "credentials"), { mode: 0o700 });
  writeFileSync(join(stack.dir, "credentials", "opc"), known.credential, { mode: 0o600 });
  const config = JSON.parse(readFileSync(join(stack.dir, "agent.yaml"), "utf8")) as {
    relay: object;
    connections: object[];
  };
  config.relay = { ...config.relay, proxy: proxy.url, proxy_user: "mill", proxy_password: known.proxy };
  const database = { ...settings, password: "{env:CANARY_ENV}" };
  config.connections = [
    { name: "erp", connector: "postgres", pack: "demo-cmms", settings: database },
    {
      name: "two",
      connector: "postgres",
      pack: "demo-cmms",
      settings: { ...settings, password: "{file:file-secret}" },
    },
    {
      name: "three",
      connector: "postgres",
      pack: "demo-cmms",
      settings: { ...settings, password: "{credential:opc}" },
    },
    {
      name: "four",
      connector: "postgres",
      pack: "demo-cmms",
      settings: { ...settings, password: known.inline },
    },
    {
      name: "five",
      connector: "nothing",
      settings: { address: `https://mill:${known.url}@source.example/odata` },
    },
  ];
  writeFileSync(join(stack.dir, "agent.yaml"), JSON.stringify(config), { mode: 0o600 });
  writeFileSync(join(stack.dir, "agent.log"), `${dirtyLines().join("\n")}\n`);
}, 120_000);

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  refusing?.close();
});

async function bundle(name: string, redactorOf?: (secrets: readonly string[]) => SecretRedactor) {
  const configFile = join(stack.dir, "agent.yaml");
  const env = {
    ...process.env,
    CANARY_ENV: known.env,
    PLANT_API_TOKEN: known.variable,
    CREDENTIALS_DIRECTORY: join(stack.dir, "credentials"),
  };
  const load = () => loadAgentConfig(configFile, env);
  const signal = new AbortController().signal;
  const doctor = () =>
    runDoctor(
      { load, askAgent, checkConnection: () => Promise.resolve([]), startFrom: () => {} },
      { only: undefined, connection: undefined, signingKeyFile: undefined, told: () => {}, signal },
    );
  const written = await writeSupportBundle(
    { load, askAgent, doctor, env, nowMs: Date.now, ...(redactorOf === undefined ? {} : { redactorOf }) },
    {
      configFile,
      out: join(stack.dir, `${name}-${randomBytes(4).toString("hex")}.zip`),
      logLines: 10_000,
      logFile: join(stack.dir, "agent.log"),
    },
  );
  const entries = unzipSync(readFileSync(written.file));
  const texts = Object.entries(entries).map(
    ([entry, bytes]) => [entry, Buffer.from(bytes).toString("utf8")] as const,
  );
  return { ...written, texts };
}

function found(texts: readonly (readonly [string, string])[]): readonly string[] {
  const all = Object.entries({ ...known, ...unknown, secretKey });
  return texts.flatMap(([entry, text]) =>
    all.flatMap(([name, secret]) =>
      traces(secret).some((spelling) => text.toLowerCase().includes(spelling.toLowerCase()))
        ? [`${entry}: ${name}`]
        : [],
    ),
  );
}

it("holds what helps, and no secret in any spelling", async () => {
  const { file, texts, entries, missing } = await bundle("clean");
  expect(found(texts)).toEqual([]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(missing).toEqual([]);
  expect(entries).toEqual([
    "index.txt",
    "doctor.json",
    "status.json",
    "configuration.txt",
    "versions.json",
    "rooms.json",
    "events.json",
    "commands.json",
    "log.txt",
    "metrics.txt",
  ]);
  const text = Object.fromEntries(texts);
  for (const entry of entries.filter((name) => name.endsWith(".json"))) JSON.parse(text[entry] ?? "");
  expect(text["doctor.json"]).toContain('"section": "network"');
  expect(text["status.json"]).toContain("no entry for postgresql://");
  expect(text["events.json"]).toContain("login failed for Server=db;User Id=sa;Password=***;Encrypt=true");
  expect(text["configuration.txt"]).toContain('connections[0].settings.user = "reader"');
  expect(text["rooms.json"]).toMatch(/"epoch": "[0-9a-f]{16}"/);
  expect(text["commands.json"]).toContain('"operation": "update"');
  expect(text["commands.json"]).not.toContain("V1");
  expect(text["log.txt"]).toContain("ORA-01017 for reader/***@db.example:1521/ERP");
  // Only the secrets have gone, not the lines.
  expect(text["log.txt"]?.split("\n").length).toBeGreaterThan(dirtyLines().length);
  expect(text["metrics.txt"]).toContain("millrace_agent_");
  expect(text["index.txt"]).toContain("commands.json");
}, 120_000);

it("would hold all of them if nothing were taken out: the test above can fail", async () => {
  const { texts } = await bundle("dirty", () => ({ text: (text) => text, value: (value) => value }));
  const all = Object.keys({ ...known, ...unknown, secretKey });
  expect(new Set(found(texts).map((hit) => hit.split(": ")[1]))).toEqual(new Set(all));
}, 120_000);

it("is made also while the configuration is wrong, with its secrets taken out all the same", async () => {
  const file = join(stack.dir, "agent.yaml");
  const before = readFileSync(file, "utf8");
  try {
    writeFileSync(file, before.replace('"connections"', '"conections"'), { mode: 0o600 });
    const { texts, entries } = await bundle("wrong");
    expect(entries).toContain("log.txt");
    expect(Object.fromEntries(texts)["configuration.txt"]).toContain('did you mean "connections"?');
    expect(found(texts)).toEqual([]);
  } finally {
    writeFileSync(file, before, { mode: 0o600 });
  }
}, 120_000);
