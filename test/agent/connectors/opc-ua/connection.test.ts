// Connecting to an OPC UA server: security, users, and what is said when it fails.
import { existsSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConnectorError } from "#common/runtime/errors.ts";
import { startPlant, type Plant } from "./harness.ts";

const NODES = { discover: { namespaces: ["urn:demo-plant:machines"] } };

describe("connecting", () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await startPlant({ announcedHost: "plc-7.plant.invalid" });
  });
  afterAll(() => plant[Symbol.asyncDispose]());

  async function failure(more: Readonly<Record<string, unknown>>): Promise<ConnectorError> {
    await using connector = plant.connector({ ...NODES, ...more });
    const error: unknown = await connector
      .open(AbortSignal.timeout(10_000))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectorError);
    return error as ConnectorError;
  }

  it.each(["Basic256Sha256", "Aes256_Sha256_RsaPss"])(
    "signs and encrypts with %s, whatever host the server announces",
    async (policy) => {
      await using connector = plant.connector({ ...NODES, security: { policy } });
      await connector.open(AbortSignal.timeout(10_000));
      expect(connector.identity()).toContain("urn:demo-plant:server");
      const [session] = plant.server.raw.engine.getSessions();
      expect(session?.channel?.securityPolicy).toContain(policy);
      expect(plant.server.sessionCount).toBe(1);
    },
  );

  it("refuses an unknown server and says its fingerprint and what to do", async () => {
    const error = await failure({ server_fingerprint: "00".repeat(32) });
    expect(error.kind).toBe("misconfigured");
    expect(error.message).toContain(plant.server.certificate.fingerprint);
    expect(error.message).toContain("server_fingerprint");
    const kept = /kept at (\S+\.pem)/.exec(error.message)?.[1] ?? "";
    expect(existsSync(kept)).toBe(true);

    await using trusting = plant.connector({
      ...NODES,
      server_fingerprint: undefined,
      trusted_certificates: [kept],
    });
    await expect(trusting.open(AbortSignal.timeout(10_000))).resolves.toBeUndefined();
  });

  it("says `unauthorized` for a wrong password and for a user type that is not allowed", async () => {
    expect((await failure({ user: { name: "millrace", password: "wrong" } })).kind).toBe("unauthorized");
    const anonymous = await failure({ user: undefined });
    expect(anonymous.kind).toBe("unauthorized");
    expect(anonymous.message).toContain("user");
  });

  it("says `unavailable` when nobody listens, and when nobody answers", async () => {
    const away = await failure({ endpoint: "opc.tcp://127.0.0.1:1" });
    expect(away.kind).toBe("unavailable");
    expect(away.message).toContain("refused");

    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const mute = await failure({ endpoint: `opc.tcp://127.0.0.1:${port}`, timeout_ms: 500 });
    expect(mute.kind).toBe("unavailable");
    silent.close();
  });

  it("says `misconfigured` for security that the server does not offer", async () => {
    const error = await failure({ security: { policy: "Aes128_Sha256_RsaOaep" } });
    expect(error.kind).toBe("misconfigured");
    expect(error.message).toContain("security");
  });

  it("makes its own certificate once, with its application URI and at least 2048 bits", async () => {
    await using connector = plant.connector(NODES);
    await connector.open(AbortSignal.timeout(10_000));
    const own = join(plant.dataDir, "pki", "own");
    const before = readFileSync(join(own, "certificate.pem"), "utf8");
    const certificate = new X509Certificate(before);
    expect(certificate.subjectAltName).toContain("URI:urn:millrace:agent:plant-1");
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBeGreaterThanOrEqual(2048);
    expect(statSync(join(own, "private_key.pem")).mode & 0o077).toBe(0);
    await connector.open(AbortSignal.timeout(10_000));
    expect(readFileSync(join(own, "certificate.pem"), "utf8")).toBe(before);
  });

  it("ends an open that is aborted", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    await using connector = plant.connector({ ...NODES, endpoint: `opc.tcp://127.0.0.1:${port}` });
    const abort = new AbortController();
    const opening = connector.open(abort.signal);
    abort.abort();
    await expect(opening).rejects.toMatchObject({ kind: "unavailable" });
    silent.close();
  });
});

describe("without security", () => {
  it("connects only with `insecure: true`", async () => {
    await using plant = await startPlant({ insecureToo: true });
    expect(() => plant.settings({ ...NODES, security: { mode: "None" } })).toThrow(/insecure: true/);
    await using connector = plant.connector({ ...NODES, security: { mode: "None" }, insecure: true });
    await connector.open(AbortSignal.timeout(10_000));
    expect(plant.server.sessionCount).toBe(1);
  });
});
