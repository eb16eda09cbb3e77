// The life of an installed agent on Windows: the package, the real Node for Windows, a real relay; Windows by Wine.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireTier } from "#test/support/tiers.ts";
import { until } from "#test/support/until.ts";
import { WindowsPlant } from "./support/windows-plant.ts";
import { buildWindowsPackage, missingBuildPrograms } from "./support/windows-packages.ts";
import { exitCode, wineIsThere } from "./support/wine-machine.ts";

const WAIT_MS = 120_000;
const LIFE_MS = 900_000;
const missing = [...missingBuildPrograms(), ...(wineIsThere() ? [] : ["wine64"])];
const canRun = requireTier(
  "windows",
  missing.length === 0,
  `${missing.join(", ")} missing; apt-get install wine64 wixl msitools gcc-mingw-w64-x86-64`,
);

describe.skipIf(!canRun)("an agent on Windows", () => {
  let dir: string;
  let older: string;
  let newer: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "millrace-msi-test-"));
    older = await buildWindowsPackage("0.1.0", dir);
    newer = await buildWindowsPackage("0.2.0", dir);
  }, LIFE_MS);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it(
    "is installed, enrols, carries, survives, is upgraded and removed",
    async () => {
      await using windows = await WindowsPlant.boot();
      const { machine } = windows;
      const before = { programs: machine.list("C:\\Program Files"), data: machine.list("C:\\ProgramData") };

      const mistaken = await windows.msiexec("/i", older, "CAFILE=C:\\plant\\absent.pem");
      expect(mistaken.code).toBe(exitCode(1603));
      expect(machine.list("C:\\Program Files")).toEqual(before.programs);

      const code = await windows.codeFile();
      const installed = await windows.msiexec(
        "/i",
        older,
        `SERVERURL=${windows.relayUrl}`,
        `ENROLLTOKENFILE=${code}`,
      );
      expect(installed.code).toBe(0);
      await windows.says("Enrolled as ");
      const left = `${windows.dataDir}\\data\\enrollment-code`;
      await until("the code to be deleted", () => !machine.has(left), WAIT_MS);
      expect(windows.log()).not.toContain("mre_");

      // A connection is added by hand, as the guide says.
      windows.configure();
      expect((await windows.agent("check-config")).out).toContain("is good");
      expect((await windows.agent("service", "restart")).code).toBe(0);
      await windows.carries();

      const crashed = await agentProcess(windows);
      // Wine's taskkill ends a process with exit code 0, as no crash does.
      const node = `${windows.installDir}\\versions\\0.1.0\\node.exe`;
      await machine.run(node, "-e", `process.kill(${crashed}, "SIGKILL")`);
      await windows.says("it is started again after");
      await until("another agent", async () => (await agentProcess(windows)) !== crashed, WAIT_MS);
      await windows.carries();

      const again = await windows.agent("run");
      expect(again.code).toBe(1);
      expect(again.err).toContain("another Millrace agent is using");

      expect(machine.processes("node.exe")).not.toEqual([]);
      expect((await windows.agent("service", "stop")).code).toBe(0);
      expect(machine.processes("node.exe")).toEqual([]);
      expect(machine.processes("millracesvc.exe")).toEqual([]);
      expect(windows.log()).toContain('"stopping"');
      expect((await windows.agent("service", "start")).code).toBe(0);
      expect(JSON.parse((await windows.agent("service", "status", "--json")).out)).toMatchObject({
        state: "running",
        startsAtBoot: true,
      });
      await windows.carries();

      // The host dies as no program should: nothing of the agent outlives it.
      for (const pid of machine.processes("millracesvc.exe")) process.kill(pid, "SIGKILL");
      await until("the agent to go with its host", () => machine.processes("node.exe").length === 0, WAIT_MS);
      expect((await windows.agent("service", "start")).code).toBe(0);
      await windows.carries();

      const identity = await windows.agent("status", "--json");
      expect((await windows.msiexec("/i", newer)).code).toBe(0);
      expect(machine.list(`${windows.installDir}\\versions`).filter((name) => !name.includes("/"))).toEqual([
        "0.2.0",
      ]);
      await windows.carries();
      expect((await windows.agent("version")).out.trim()).toBe("0.2.0");
      expect(agentId((await windows.agent("status", "--json")).out)).toBe(agentId(identity.out));
      expect(machine.read(`${windows.dataDir}\\agent.yaml`)).toContain("# edited");

      expect((await windows.setSecret("plant-file", "C:\\plant\\plant.db\n")).code).toBe(0);
      expect((await windows.agent("secret", "list")).out).toContain("plant-file");
      windows.configure("{credential:plant-file}");
      expect((await windows.agent("service", "restart")).code).toBe(0);
      await windows.carries();
      expect(machine.read(`${windows.dataDir}\\secrets\\plant-file`)).not.toContain("plant.db");

      const downgrade = await windows.msiexec("/i", older);
      expect(downgrade.code).toBe(exitCode(1603));
      expect((await windows.agent("version")).out.trim()).toBe("0.2.0");
      await windows.carries();

      expect((await windows.msiexec("/x", newer)).code).toBe(0);
      expect(machine.processes("node.exe")).toEqual([]);
      expect(machine.list("C:\\Program Files")).toEqual(before.programs);
      expect(machine.has(`${windows.dataDir}\\agent.yaml`)).toBe(true);
      expect(machine.has(`${windows.dataDir}\\data\\agent.db`)).toBe(true);

      // Back to the older version, with the data of the newer one; then away with everything.
      expect((await windows.msiexec("/i", older)).code).toBe(0);
      await windows.carries();
      expect((await windows.msiexec("/x", older, "PURGE=1")).code).toBe(0);
      expect(machine.list("C:\\Program Files")).toEqual(before.programs);
      expect(machine.list("C:\\ProgramData")).toEqual(before.data);
      expect((await machine.run("reg", "query", "HKLM\\SOFTWARE\\Millrace\\Agent")).code).not.toBe(0);

      // Elsewhere, with the code as a property, and started later.
      windows.installDir = "C:\\Programme für alle\\Agent";
      windows.dataDir = "C:\\Werk Süd\\Daten";
      const secret = await windows.enrollmentCode();
      const elsewhere = await windows.msiexec(
        "/i",
        newer,
        `SERVERURL=${windows.relayUrl}`,
        `ENROLLTOKEN=${secret}`,
        `INSTALLDIR=${windows.installDir}`,
        `DATADIR=${windows.dataDir}`,
        "STARTSERVICE=0",
      );
      expect(elsewhere.code).toBe(0);
      expect(windows.log()).toBe("");
      windows.configure();
      expect((await windows.agent("service", "start")).code).toBe(0);
      await windows.says("Enrolled as ");
      await windows.carries();
      expect(windows.log()).not.toContain(secret);
      expect((await windows.msiexec("/x", newer, "PURGE=1")).code).toBe(0);
      expect(machine.has(windows.installDir)).toBe(false);
      expect(machine.has(windows.dataDir)).toBe(false);
    },
    LIFE_MS,
  );
});

/** Windows' number of the agent's main process that was started last. */
async function agentProcess(windows: WindowsPlant): Promise<number> {
  await windows.says("the agent was started as process ");
  const started = [...windows.log().matchAll(/the agent was started as process (\d+)/g)];
  return Number(started.at(-1)?.[1]);
}

function agentId(status: string): string {
  return (JSON.parse(status) as { readonly agentId: string }).agentId;
}
