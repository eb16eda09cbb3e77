// Every error that a plant meets has a kind and says what to do: on our own TNS server, through the real driver.
import { afterEach, describe, expect, test } from "vitest";
import { oracleDefinition } from "#agent/connectors/oracle/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { ConnectorFailure } from "#common/runtime/errors.ts";
import { type Logger, silentLogger } from "#common/runtime/logger.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { CREDENTIALS, startTns, type TnsFixture } from "#test/support/tns/tns-fixture.ts";

const never = new AbortController().signal;
const opened: Connector[] = [];

afterEach(async () => {
  for (const connector of opened.splice(0)) await connector[Symbol.asyncDispose]();
});

function connectorTo(
  port: number,
  settings: Record<string, unknown> = {},
  logger: Logger = silentLogger,
): Connector {
  const parsed = oracleDefinition.parseConfig({
    host: "127.0.0.1",
    port,
    service_name: "plant.example",
    ...CREDENTIALS,
    connect_timeout_ms: 10000,
    transport_connect_timeout_ms: 2000,
    statement_timeout_ms: 300,
    ...settings,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  const connector = oracleDefinition.create(parsed.value, {
    connection: "test",
    plans: [],
    timeZone: "UTC",
    clock: systemClock,
    logger,
    dataDir: "",
  });
  opened.push(connector);
  return connector;
}

function failing(kind: ConnectorFailure, says: RegExp): Record<string, unknown> {
  return { kind, message: expect.stringMatching(says) };
}

describe("connecting", () => {
  test("a wrong password", async () => {
    const { server } = await startTns();
    await expect(connectorTo(server.port, { password: "no" }).open(never)).rejects.toMatchObject(
      failing("unauthorized", /Check user and/),
    );
  });

  test.each([
    [28000, "the account is locked", "unauthorized", /ALTER USER "READER" ACCOUNT UNLOCK;/],
    [28001, "the password has expired", "unauthorized", /ALTER USER "READER" IDENTIFIED BY/],
    [1045, "user lacks CREATE SESSION privilege", "unauthorized", /GRANT CREATE SESSION TO "READER";/],
    [1033, "initialization or shutdown in progress", "unavailable", /starting or stopping/],
    [2391, "exceeded simultaneous SESSIONS_PER_USER limit", "unavailable", /needs three/],
  ] as const)("ORA-%i at login", async (number, text, kind, says) => {
    const { server } = await startTns();
    server.faults.loginError = { number, text };
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(failing(kind, says));
  });

  test.each([
    [12514, "misconfigured", /lsnrctl services/],
    [12528, "unavailable", /starts/],
    [12516, "unavailable", /PROCESSES/],
  ] as const)("the listener refuses with %i", async (code, kind, says) => {
    const { server } = await startTns();
    server.faults.refuseWith = code;
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(failing(kind, says));
  });

  test("a service or a SID that the listener does not know", async () => {
    const { server } = await startTns();
    await expect(connectorTo(server.port, { service_name: "PLANT" }).open(never)).rejects.toMatchObject(
      failing("misconfigured", /service_name with what "lsnrctl services".* a SID goes into sid/),
    );
    const bySid = connectorTo(server.port, { service_name: undefined, sid: "plant.example" });
    await expect(bySid.open(never)).rejects.toMatchObject(
      failing("misconfigured", /sid with what "lsnrctl services".* a service goes into service_name/),
    );
  });

  test("nobody listens", async () => {
    const { server } = await startTns();
    await server.close();
    const opening = connectorTo(server.port).open(never);
    await expect(opening).rejects.toMatchObject(failing("unavailable", /listener and database run/));
    await expect(opening).rejects.toMatchObject({ message: expect.not.stringContaining("CONNECTION_ID") });
  });

  test("TLS at a port without it, and none at a port that cuts the line", async () => {
    const { server } = await startTns();
    const tls = { tls: { mode: "tcps" }, transport_connect_timeout_ms: 1000 };
    await expect(connectorTo(server.port, tls).open(never)).rejects.toMatchObject(
      failing("unavailable", /a port without TLS does not answer tls\.mode: tcps/),
    );
    server.faults.nativeEncryption = "dropped";
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(
      failing("unavailable", /speak TLS on this port \(set tls\.mode: tcps\), or be no Oracle listener/),
    );
  });

  test("a wallet that is not there", async () => {
    const { server } = await startTns();
    const tls = { tls: { mode: "tcps", wallet_location: "/nowhere/wallet" } };
    await expect(connectorTo(server.port, tls).open(never)).rejects.toMatchObject(
      failing("misconfigured", /tls\.wallet_location \/nowhere\/wallet: .*ewallet\.pem/),
    );
  });

  test("a server older than 12.1", async () => {
    const { server } = await startTns();
    server.faults.protocolVersion = 314;
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(
      failing("misconfigured", /mode: thick/),
    );
  });

  test("an old password verifier", async () => {
    const { server } = await startTns();
    server.faults.verifier = "10g";
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(
      failing("unauthorized", /password set anew/),
    );
  });

  test("native network encryption, negotiated and by a cut line", async () => {
    const { server } = await startTns();
    server.faults.nativeEncryption = "negotiated";
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(
      failing("misconfigured", /native network encryption/),
    );
    server.faults.nativeEncryption = "dropped";
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(
      failing("unavailable", /native network encryption|mode: thick/),
    );
  });

  test("a half-open listener is given up in time", async () => {
    const { server } = await startTns();
    server.faults.isSilent = true;
    const settings = { connect_timeout_ms: 1000 };
    await expect(connectorTo(server.port, settings).open(never)).rejects.toMatchObject(
      failing("unavailable", /can be reached/),
    );
  });
});

describe("calls", () => {
  const DUAL = /DUAL|V\$DATABASE|ALL_/;

  async function answering(): Promise<TnsFixture> {
    const tns = await startTns();
    tns.database.on(/ALTER SESSION|SET TRANSACTION/, () => ({ sets: [], rowsAffected: 0 }));
    tns.database.on(DUAL, () => ({
      sets: [
        {
          columns: [{ name: "X", type: { kind: "varchar", length: 30 }, isNullable: true }],
          rows: [["4711"]],
        },
      ],
      rowsAffected: 0,
    }));
    return tns;
  }

  test("opens, and asks for nothing that is not needed", async () => {
    const { server, database } = await answering();
    const connector = connectorTo(server.port);
    await connector.open(never);
    expect(connector.identity()).toBe("oracle:4711");
    expect(database.logins[0]).toMatchObject({ user: expect.stringMatching(/reader/i) });
    expect(server.troubles).toEqual([]);
  });

  test("a password that expires soon is said", async () => {
    const { server } = await answering();
    server.faults.loginWarning = { number: 28002, text: "the password will expire within 7 days" };
    const logger = recordingLogger();
    await connectorTo(server.port, {}, logger).open(never);
    expect(JSON.stringify(logger.lines)).toContain("will expire within 7 days");
  });

  test.each([
    [1013, "user requested cancel", "unavailable", /statement_timeout_ms/],
    [1555, "snapshot too old", "unavailable", /UNDO_RETENTION/],
    [3113, "end-of-file on communication channel", "unavailable", /made anew/],
    [28, "your session has been killed", "unavailable", /anew/],
    [600, "internal error code", "unavailable", /alert log|anew/],
    [1878, "specified field not found in datetime or interval", "bad_data", /leave the column out/],
    [1578, "ORACLE data block corrupted (file # 4, block # 1153)", "unavailable", /administrator restores/],
    [12801, "error in parallel query server", "unavailable", /parallel/],
    [99999, "nobody knows this", "unavailable", /documentation/],
  ] as const)("ORA-%i in a statement", async (number, text, kind, says) => {
    const { server } = await answering();
    server.faults.fail(number, text, { call: "execute", statement: /SELECT USER/ });
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(failing(kind, says));
  });

  test("a call that takes too long is broken off, and the next one works", async () => {
    const { server } = await answering();
    server.faults.plan({ kind: "delay", delayMs: 60_000 }, { call: "execute", statement: /SELECT USER/ });
    const connector = connectorTo(server.port);
    await expect(connector.open(never)).rejects.toMatchObject(failing("unavailable", /index/));
    await connector.open(never);
  });

  test.each(["drop", "silence"] as const)(
    "a connection that is lost midway (%s) is made anew",
    async (kind) => {
      const { server } = await answering();
      server.faults.plan({ kind }, { call: "execute", statement: /SELECT USER/ });
      server.faults.doesIgnoreBreaks = kind === "silence";
      const connector = connectorTo(server.port);
      const control = new AbortController();
      if (kind === "silence") setTimeout(() => control.abort(), 50);
      await expect(connector.open(control.signal)).rejects.toMatchObject(
        failing("unavailable", /anew|called off/),
      );
      await connector.open(never);
    },
  );

  test("abort leaves within a second and ends the statement in the server", async () => {
    const { server } = await answering();
    server.faults.plan({ kind: "delay", delayMs: 60_000 }, { call: "execute", statement: /SELECT USER/ });
    const connector = connectorTo(server.port, { statement_timeout_ms: 60_000 });
    const control = new AbortController();
    const opening = connector.open(control.signal);
    await expect.poll(() => server.statements.some((text) => text.includes("SELECT USER"))).toBe(true);
    control.abort();
    await expect(opening).rejects.toMatchObject(failing("unavailable", /called off/));
    await expect.poll(() => server.connections.length, { timeout: 2000 }).toBe(0);
  });

  test.each(["message", "packet"] as const)("garbage (%s) is an outage, not a crash", async (as) => {
    const { server } = await answering();
    server.faults.plan({ kind: "garbage", as }, { call: "execute", statement: /SELECT USER/ });
    await expect(connectorTo(server.port).open(never)).rejects.toMatchObject(failing("unavailable", /./));
  });
});
