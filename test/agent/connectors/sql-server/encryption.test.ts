// TLS as plants have it: verified, pinned, from the first byte, too old to be safe, or not at all; and Windows logins.
import { createHash, randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rowOf } from "#test/support/tds/planted-database.ts";
import type { TdsServerOptions } from "#test/support/tds/server-options.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { startPlanted } from "./planted.ts";

const never = new AbortController().signal;
const ONE = "SELECT 1";

const authority = new CertificateAuthority();
const certificate = authority.issue({ commonName: "localhost" });
const elsewhere = authority.issue({ commonName: "other", hosts: ["other.example"] });
const rsa = new CertificateAuthority("old", "rsa").issue({ commonName: "localhost", keyType: "rsa" });
const fingerprint = createHash("sha256").update(certificate.der).digest("hex");
const caFile = join(tmpdir(), `millrace-ca-${randomUUID()}.pem`);

beforeAll(() => writeFileSync(caFile, authority.certificatePem));
afterAll(() => rmSync(caFile));

interface Outcome {
  readonly rows: unknown;
  readonly error: { readonly kind?: string; readonly message?: string } | undefined;
  /** Whom the database behind the server got to see. */
  readonly users: readonly string[];
  readonly tlsVersion: string | undefined;
}

async function reading(
  options: Omit<TdsServerOptions, "database">,
  settings: Record<string, unknown>,
): Promise<Outcome> {
  await using planted = await startPlanted(options);
  planted.database.plant(ONE, rowOf(["", { kind: "int", bits: 32 }, 1]));
  await using lane = planted.lane(settings);
  let rows: unknown;
  let error: Outcome["error"];
  try {
    rows = await lane.run(never, async (session) => session.query({ text: ONE, parameters: [] }));
  } catch (failure) {
    error = failure as Outcome["error"];
  }
  const users = planted.database.logins.map(({ user }) => user);
  return { rows, error, users, tlsVersion: planted.server.connections[0]?.tlsVersion };
}

const encrypted = { tls: certificate, encryption: "required" } as const;

describe("verified", () => {
  test("by an authority", async () => {
    const { rows, tlsVersion } = await reading(encrypted, { tls: { ca_file: caFile } });
    expect(rows).toEqual([[1]]);
    expect(tlsVersion).toBe("TLSv1.2");
  });

  test("from the first byte (strict)", async () => {
    expect((await reading(encrypted, { tls: { mode: "strict", ca_file: caFile } })).rows).toEqual([[1]]);
  });

  test("an unknown authority is refused before the login, and the message says what to set", async () => {
    const { error, users } = await reading(encrypted, { tls: {} });
    expect(error).toMatchObject({ kind: "misconfigured", message: expect.stringContaining("tls.ca_file") });
    expect(users).toEqual([]);
  });

  test("another name is refused", async () => {
    const options = { tls: elsewhere, encryption: "required" } as const;
    const refused = await reading(options, { tls: { ca_file: caFile } });
    expect(refused.error).toMatchObject({ kind: "misconfigured" });
    expect(refused.users).toEqual([]);
    const named = await reading(options, { tls: { ca_file: caFile, server_name: "other.example" } });
    expect(named.rows).toEqual([[1]]);
  });

  test("a pinned certificate needs no authority; any other is refused before the login", async () => {
    expect((await reading(encrypted, { tls: { fingerprint } })).rows).toEqual([[1]]);
    const other = { tls: elsewhere, encryption: "required" } as const;
    const { error, users } = await reading(other, { tls: { fingerprint } });
    expect(error).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("tls.fingerprint"),
    });
    expect(users).toEqual([]);
  });

  test("an authority's file that is not there is named", async () => {
    const { error } = await reading(encrypted, { tls: { ca_file: "/nowhere/ca.pem" } });
    expect(error).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("/nowhere/ca.pem"),
    });
  });
});

describe("not as it should be", () => {
  const old = {
    tls: { ...rsa, minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" },
    encryption: "required",
  } as const;

  test("a server without TLS 1.2 is refused, and the message names the legacy profile", async () => {
    const { error, users } = await reading(old, { tls: { verify: "none" } });
    expect(error).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("tls.mode: legacy"),
    });
    expect(users).toEqual([]);
  });

  test("the legacy profile reads from it, still pinned", async () => {
    const pin = createHash("sha256").update(rsa.der).digest("hex");
    const { rows, tlsVersion } = await reading(old, { tls: { mode: "legacy", fingerprint: pin } });
    expect(rows).toEqual([[1]]);
    expect(tlsVersion).toBe("TLSv1");
  });

  test("the legacy profile verifies too", async () => {
    const { error, users } = await reading(old, { tls: { mode: "legacy" } });
    expect(error).toMatchObject({ kind: "misconfigured" });
    expect(users).toEqual([]);
  });

  test("a server that cannot encrypt is not spoken to in the clear", async () => {
    const { error, users } = await reading({}, { tls: {} });
    expect(error).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("tls.mode: disable"),
    });
    expect(users).toEqual([]);
  });

  test("a server that wants encryption says so", async () => {
    const { error } = await reading(encrypted, { tls: { mode: "disable" } });
    expect(error).toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("wants encryption"),
    });
  });
});

test("a server of 2008 R2 (TDS 7.3)", async () => {
  const old = { ...encrypted, majorVersion: 10, maxTdsVersion: "7.3" } as const;
  expect((await reading(old, { tls: { ca_file: caFile } })).rows).toEqual([[1]]);
});

describe("a Windows user", () => {
  const windowsAccounts = [{ domain: "PLANT", user: "reader", password: "pä$$wörd" }];

  test("logs in by NTLM", async () => {
    const settings = { authentication: "ntlm", domain: "PLANT" };
    const { rows, users } = await reading({ windowsAccounts }, settings);
    expect(rows).toEqual([[1]]);
    expect(users).toEqual(["PLANT\\reader"]);
  });

  test("is refused with a wrong password", async () => {
    const settings = { authentication: "ntlm", domain: "PLANT", password: "guessed" };
    expect((await reading({ windowsAccounts }, settings)).error).toMatchObject({ kind: "unauthorized" });
  });
});
