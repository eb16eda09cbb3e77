// What doctor says of this machine: who may read what, space, and what waits in the buffers.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NewBatch } from "#agent/core/room/room-store.ts";
import { diskChecks } from "#agent/doctor/disk.ts";
import { permissionChecks } from "#agent/doctor/permissions.ts";
import { roomFacts } from "#agent/outbox/room-facts.ts";
import { RoomFiles } from "#agent/outbox/room-files.ts";
import { loadAgentConfig } from "#agent/platform/config.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-doctor-"));
  file = join(dir, "agent.yaml");
  mkdirSync(join(dir, "data"), { mode: 0o700 });
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function configured(more: object = {}, mode = 0o600) {
  writeFileSync(file, JSON.stringify({ data_dir: "data", ...more }), { mode });
  chmodSync(file, mode);
  return loadAgentConfig(file).config;
}

function words(list: readonly { check: string; outcome: string; text: string; more?: readonly string[] }[]) {
  return Object.fromEntries(
    list.map(({ check, outcome, text, more = [] }) => [check, `${outcome}: ${[text, ...more].join("\n")}`]),
  );
}

const permissions = (config: ReturnType<typeof configured>) => words(permissionChecks(config, NOW_MS).list);

describe("permissions", () => {
  const secret = {
    relay: { proxy: "http://proxy:3128", proxy_user: "mill", proxy_password: "hunter2-hunter2" },
  };

  it("pass where everything is its owner's", () => {
    const found = permissions(configured());
    expect(found["configuration"]).toMatch(/^ok: .*\(mode 0600\) holds no secret itself/);
    expect(found["data_folder"]).toMatch(/^ok: .*its owner's alone/);
  });

  it("tell a configuration with secrets that everybody may read, or anybody change", () => {
    const open = permissions(configured(secret, 0o644))["configuration"];
    expect(open).toMatch(
      /^failed: .*read by everybody, and holds secrets: relay\.proxy_password\nchmod o-rwx/,
    );
    expect(open).not.toContain("hunter2");
    expect(permissions(configured(secret, 0o640))["configuration"]).toMatch(/^warning: .*as plain text/);
    expect(permissions(configured({}, 0o666))["configuration"]).toMatch(
      /^failed: .*can be changed by others/,
    );
  });

  it("tell a data folder that others may look into or write in", () => {
    const config = configured();
    chmodSync(config.dataDir, 0o755);
    expect(permissions(config)["data_folder"]).toMatch(/^warning: .*looked into by others[^]*chmod 0700/);
    chmodSync(config.dataDir, 0o777);
    expect(permissions(config)["data_folder"]).toMatch(/^failed: .*written by others/);
  });

  it("tell files with secrets that everybody may read", () => {
    const named = join(dir, "proxy-password");
    writeFileSync(named, "hunter2-hunter2", { mode: 0o600 });
    const relay = { ...secret.relay, proxy_password: "{file:proxy-password}" };
    const config = configured({ relay });
    expect(permissions(config)["secret_files"]).toMatch(/^ok: 1 file/);
    chmodSync(named, 0o644);
    expect(permissions(config)["secret_files"]).toMatch(/^failed: .*everybody may read: .*proxy-password/);
  });

  it("tell an authority file that is none, is missing, or has run out", () => {
    const config = configured({ relay: { ca_file: "ca.pem" } });
    expect(permissions(config)["ca_file"]).toMatch(/^failed: .*cannot be read/);
    writeFileSync(join(dir, "ca.pem"), "not a certificate");
    expect(permissions(config)["ca_file"]).toMatch(/^failed: .*holds 0 certificates/);
    writeFileSync(join(dir, "ca.pem"), new CertificateAuthority("Plant").certificatePem);
    const years = 10 * 365 * 86_400_000;
    expect(words(permissionChecks(config, Date.now() - years).list)["ca_file"]).toMatch(/^ok: .*CN=Plant/);
    expect(words(permissionChecks(config, Date.now() + years).list)["ca_file"]).toMatch(
      /^warning: .*run out/,
    );
  });
});

describe("disk", () => {
  const bound = [{ id: "c-1", name: "erp" }];
  const connections = [{ name: "erp", connector: "sqlite", settings: {} }];

  function disk(config: ReturnType<typeof configured>, mayOpen = true) {
    const status = undefined;
    return words(diskChecks({ config, bound, status, mayOpen, nowMs: NOW_MS }).list);
  }

  async function roomWith(batches: number): Promise<string> {
    const roomDir = join(dir, "data", "rooms", "c-1");
    const closedAtMs = NOW_MS - 90 * 60_000;
    const body = { kind: "records", mappingVersion: "0".repeat(16), entries: 1, closedAtMs } as const;
    const blob = batchCodec.encode(body, '{"op":"mark"}\n');
    let count = 0;
    const newId = (): string => (count += 1).toString(16).padStart(16, "0");
    const batch = (): NewBatch => ({ id: newId(), kind: "records", entries: 1, blob });
    const releaseFile = (): Promise<void> => Promise.resolve();
    const common = { dir: roomDir, newId, releaseFile, logger: silentLogger };
    const files = new RoomFiles({ ...common, beginBatch: batch, emptyBatch: batch });
    const { store } = await files.open();
    if (batches > 0) store.commit({ batches: Array.from({ length: batches }, batch) });
    files.close();
    return roomDir;
  }

  it("has space, can be written, and leaves nothing behind", () => {
    const config = configured();
    const found = disk(config);
    expect(found["space"]).toMatch(/free on the disk/);
    expect(found["writable"]).toMatch(/^ok: 64KiB written/);
    expect(readdirSync(config.dataDir)).toEqual([]);
  });

  it("tells a folder that is not there yet", () => {
    rmSync(join(dir, "data"), { recursive: true });
    expect(disk(configured())["space"]).toMatch(/^skipped: .*does not exist yet/);
  });

  it("tells what waits in a room's file, and since when", async () => {
    const roomDir = await roomWith(3);
    expect(roomFacts(roomDir)).toMatchObject({
      backlogBatches: 3,
      oldestUnsentMs: NOW_MS - 90 * 60_000,
      checked: undefined,
    });
    const found = disk(configured({ connections }));
    expect(found["buffer:erp"]).toMatch(
      /^ok: erp: 3 batches \(.*\) wait for the relay, the oldest 90 min old/,
    );
    expect(disk(configured({ connections }), false)["buffers"]).toMatch(/^skipped: .*another account/);
  });

  it("tells a connection that has read nothing, and a file that is damaged", async () => {
    expect(disk(configured({ connections }))["buffer:erp"]).toBe("ok: erp: nothing read yet");
    const roomDir = await roomWith(0);
    expect(disk(configured({ connections }))["buffer:erp"]).toMatch(/^ok: erp: nothing waits/);
    const name = readdirSync(roomDir).find((one) => one.endsWith(".db")) ?? "";
    writeFileSync(join(roomDir, name), "this was a database");
    expect(disk(configured({ connections }))["buffer:erp"]).toMatch(/^failed: room file .* cannot be read/);
  });
});
