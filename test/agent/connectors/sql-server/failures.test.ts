// Each error that a plant meets has a kind, and a sentence that says what to do.
import { ConnectionError, RequestError } from "tedious";
import { describe, expect, test } from "vitest";
import { failureOf } from "#agent/connectors/sql-server/failures.ts";
import { SqlServerConnection } from "#agent/connectors/sql-server/connection.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { settingsOf } from "./planted.ts";

const never = new AbortController().signal;
const settings = settingsOf({ port: 1433, tls: {} });

function serverError(number: number, message = "said the server", severity = 16): RequestError {
  return Object.assign(new RequestError(message, "EREQUEST"), { number, state: 1, class: severity });
}

function networkError(message: string, code: string): ConnectionError {
  const cause = Object.assign(new Error(message), { code });
  return new ConnectionError(`Failed to connect to erp-db:1433 - ${message}`, "ESOCKET", { cause });
}

describe("the server's errors", () => {
  test.each([
    [18_456, "unauthorized", "by its state"],
    [18_487, "unauthorized", "password must be changed"],
    [18_488, "unauthorized", "password must be changed"],
    [18_486, "unauthorized", "UNLOCK"],
    [18_470, "unauthorized", "disabled"],
    [18_452, "unauthorized", "authentication"],
    [4060, "misconfigured", "CREATE USER"],
    [911, "misconfigured", "setting database"],
    [208, "misconfigured", "adapt the pack"],
    [207, "misconfigured", "adapt the pack"],
    [1222, "unavailable", "ALLOW_SNAPSHOT_ISOLATION"],
    [1205, "unavailable", "deadlock"],
    [3960, "unavailable", "snapshot"],
    [3961, "unavailable", "snapshot"],
    [3952, "unavailable", "snapshot"],
    [22_105, "unavailable", "Change Tracking"],
    [8114, "bad_data", "converted"],
    [942, "unavailable", "offline"],
    [983, "unavailable", "may not be read"],
    [824, "unavailable", "DBCC CHECKDB"],
    [9002, "unavailable", "administrator"],
    [40_613, "unavailable", "recovered"],
    [40_615, "misconfigured", "firewall"],
  ])("%d is %s: %s", (number, kind, advice) => {
    const failure = failureOf(serverError(number), settings, "Reading");
    expect(failure).toMatchObject({ name: "ConnectorError", kind, message: expect.stringContaining(advice) });
    expect(failure).toMatchObject({ message: expect.stringContaining("reader@localhost:1433/plant") });
    expect(failure).toMatchObject({ message: expect.stringContaining(`error ${number}`) });
  });

  test("a missing right is a GRANT to run, of a table, a column or change tracking", () => {
    const denied = (what: string): unknown =>
      failureOf(
        serverError(229, `The ${what} on the object 'po]x', database 'erp', schema 'dbo'.`),
        settings,
        "Reading",
      );
    expect(denied("SELECT permission was denied")).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("GRANT SELECT ON OBJECT::[dbo].[po]]x] TO [reader];"),
    });
    expect(denied("VIEW CHANGE TRACKING permission was denied")).toMatchObject({
      message: expect.stringContaining("GRANT VIEW CHANGE TRACKING ON OBJECT::[dbo].[po]]x] TO [reader];"),
    });
    const column =
      "The SELECT permission was denied on the column 'price' of the object 'po', database 'erp', schema 'dbo'.";
    expect(failureOf(serverError(230, column), settings, "Reading")).toMatchObject({
      message: expect.stringContaining("GRANT SELECT ON OBJECT::[dbo].[po] TO [reader];"),
    });
  });

  test("of several messages the first says why", () => {
    const all = new AggregateError([
      serverError(208, "Invalid object name 'po'."),
      serverError(8180, "not prepared"),
    ]);
    expect(failureOf(all, settings, "Reading")).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("Invalid object name"),
    });
  });

  test("an unknown number of severity 20 ends the session; any other is a bug and stays as it is", () => {
    expect(failureOf(serverError(99_999, "dump", 20), settings, "Reading")).toMatchObject({
      kind: "unavailable",
    });
    const syntax = serverError(102, "Incorrect syntax near 'x'.");
    expect(failureOf(syntax, settings, "Reading")).toBe(syntax);
    const bug = new TypeError("undefined is not a function");
    expect(failureOf(bug, settings, "Reading")).toBe(bug);
  });
});

describe("the line's errors", () => {
  test.each([
    ["self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT", "misconfigured", "tls.ca_file"],
    ["certificate has expired", "CERT_HAS_EXPIRED", "misconfigured", "tls.fingerprint"],
    ["unsupported protocol", "ERR_SSL_UNSUPPORTED_PROTOCOL", "misconfigured", "tls.mode: legacy"],
    ["dh key too small", "ERR_SSL_DH_KEY_TOO_SMALL", "misconfigured", "tls.mode: legacy"],
    ["connect ECONNREFUSED", "ECONNREFUSED", "unavailable", "can be reached"],
    ["getaddrinfo ENOTFOUND erp-db", "ENOTFOUND", "unavailable", "can be reached"],
    ["socket hang up", "ECONNRESET", "unavailable", "tls.mode: legacy"],
  ])("%s is %s", (message, code, kind, advice) => {
    expect(failureOf(networkError(message, code), settings, "Connecting")).toMatchObject({
      kind,
      message: expect.stringContaining(advice),
    });
  });

  test("addresses that were tried one after the other count as one", () => {
    const tried = new AggregateError(
      [Object.assign(new Error("refused"), { code: "ECONNREFUSED" })],
      "sequence",
    );
    const error = new ConnectionError("Failed to connect", "ESOCKET", { cause: tried });
    expect(failureOf(error, settings, "Connecting")).toMatchObject({ kind: "unavailable" });
  });

  test("a Browser that is silent for the whole time of connecting, seen through the driver", async () => {
    const silent = settingsOf({ server: "127.0.0.1\\NOBODY", connect_timeout_ms: 200 });
    await using lane = new SqlServerConnection(silent, systemClock);
    await expect(lane.run(never, async () => {})).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/UDP 1434.*set port/),
    });
  });

  test("a Browser that does not answer: set the port", () => {
    const error = new ConnectionError(
      "Failed to get response from SQL Server Browser on erp-db",
      "EINSTLOOKUP",
    );
    const instance = settingsOf({ server: "erp-db\\PLANT", tls: {} });
    expect(failureOf(error, instance, "Connecting")).toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/erp-db\\PLANT.*UDP 1434.*set port/),
    });
  });
});
