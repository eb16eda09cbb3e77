// The life of an installed agent on a machine with a real systemd, in order: each step goes on from the one before.
import { existsSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DATA_FORMATS } from "#agent/data-formats.ts";
import { until } from "#test/support/until.ts";
import { PackageBench } from "./support/built-packages.ts";
import { AGENT_CONFIG, InstalledPlant, PLANT_FILE } from "./support/installed-plant.ts";
import { canBootMachines, filesOfMachine } from "./support/nspawn-machine.ts";

const WAIT_MS = 120_000;
const BUILD_MS = 600_000;
const OLDER = "0.1.0";
const NEWER = "0.2.0";
/** Written before the data got the form that the others write. */
const TOO_OLD = "0.0.9";
const NODE = "/usr/lib/millrace-agent/current/node";
const canRun = await canBootMachines();

describe.skipIf(!canRun)("an agent from its .deb", { retry: 0 }, () => {
  const bench = new PackageBench();
  const debs: Record<string, string> = {};
  let site: InstalledPlant;
  let before: readonly string[] = [];
  let identity: readonly string[] = [];

  beforeAll(async () => {
    const relay = await bench.deb("relay", OLDER);
    for (const version of [OLDER, NEWER]) debs[version] = await bench.deb("agent", version);
    const nothing = DATA_FORMATS.map(({ file, minReader }) => ({ file, format: 0, minReader }));
    debs[TOO_OLD] = await bench.debThatReads(nothing, "agent", TOO_OLD);
    site = await InstalledPlant.boot();
    before = await filesOfMachine(site.machine);
    for (const [version, file] of Object.entries(debs)) debs[version] = site.bring(file);
    await site.machine.sh(`dpkg -i ${site.bring(relay)}`);
    await site.prepareRelay();
  }, BUILD_MS);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
    bench[Symbol.dispose]();
  });

  test("installing says the next step and starts nothing", async () => {
    const { machine } = site;
    const said = await machine.sh(`DEBIAN_FRONTEND=noninteractive dpkg -i ${debs[OLDER]}`);
    expect(said).toContain("sudo millrace-agent enroll --relay wss://<your relay> --code <code>");
    expect(await site.unit("ActiveState")).toBe("inactive");
    expect(await site.unit("UnitFileState")).toBe("disabled");
    expect(await machine.sh("millrace-agent check-config")).toContain("is good");
    expect((await machine.run("millrace-agent service status")).out).toContain("does not run");
  });

  test.each(["agent", "relay"])("the unit of the %s is sound, and exposes little", async (product) => {
    const unit = `/usr/lib/systemd/system/millrace-${product}.service`;
    expect(await site.machine.sh(`systemd-analyze verify ${unit}`)).toBe("");
    // In tenths: it ends with 1 above 1.5 of 10.
    const hardened = `systemd-analyze security --offline=true --threshold=15 --no-pager ${unit}`;
    expect(await site.machine.sh(hardened)).toContain("Overall exposure level");
  });

  test("started before it is enrolled, it says so and ends with 2", async () => {
    const { machine } = site;
    expect((await machine.run("millrace-agent service start")).code).toBe(1);
    // It is tried again and again meanwhile.
    await until("its exit code", async () => (await site.unit("ExecMainStatus")) === "2", WAIT_MS);
    expect(await machine.sh("millrace-agent service logs")).toContain("this agent is not enrolled");
    await machine.sh("systemctl disable --now --quiet millrace-agent");
  });

  test("nobody but administrators and the service's account runs the shipped runtime or reads its files", async () => {
    const { machine } = site;
    const asked = await machine.run("millrace-agent status", { user: "nobody" });
    expect(asked).toMatchObject({ code: 2, out: "" });
    expect(asked.err).toContain("say: sudo millrace-agent status");
    expect((await machine.run(`${NODE} -e 1`, { user: "nobody" })).code).not.toBe(0);
    for (const path of [AGENT_CONFIG, "/var/lib/millrace-agent/agent.db"])
      expect((await machine.run(`cat ${path}`, { user: "nobody" })).code).not.toBe(0);
    expect((await machine.run(`${NODE} -e 1`, { user: "millrace-agent" })).code).toBe(0);
    const rights = await machine.sh(`stat -L -c %a:%U:%G ${NODE} ${AGENT_CONFIG} /var/lib/millrace-agent`);
    expect(rights.trim().split("\n")).toEqual([
      "750:root:millrace-agent",
      "640:root:millrace-agent",
      "700:millrace-agent:millrace-agent",
    ]);
  });

  test("enrolment starts the service; the relay holds what the plant holds", async () => {
    const { machine } = site;
    await site.startOpcUa();
    site.configure();
    const code = await site.enrollmentCode();
    const said = await machine.sh(
      `MILLRACE_ENROLLMENT_CODE=${code} millrace-agent enroll --relay ws://127.0.0.1:8080`,
    );
    expect(said).toContain("Enrolled as");
    expect(said).toContain("The service millrace-agent runs, now and after every start of this machine");
    expect(await site.unit("ActiveState")).toBe("active");
    expect(await machine.sh("millrace-agent service status")).toContain("It starts with this machine.");
    await site.carries();
    identity = await site.agents();
    expect(identity).toHaveLength(1);
    // Signed and encrypted, within everything that the unit forbids.
    await until(
      "a sample of the OPC UA server",
      async () => /"last_value":\{/.test(await site.api("/v1/telemetry-points?limit=10")),
      WAIT_MS,
    );
    expect(await machine.sh("millrace-agent status")).toMatch(/plant-erp +online/);
  });

  test("a secret is bound to the machine, and read by the service and commands alone", async () => {
    const { machine } = site;
    const secret = "/etc/millrace-agent/credentials/plant-file";
    await machine.sh("millrace-agent secret set plant-file", { input: PLANT_FILE });
    expect(await machine.sh(`grep -c plant.db ${secret} || true`)).toBe("0\n");
    expect(await machine.sh(`stat -c %a:%U ${secret}`)).toBe("600:root\n");
    site.configure("{credential:plant-file}");
    await machine.sh("millrace-agent service restart");
    await site.carries();
    expect(await machine.sh("millrace-agent preview plant-erp asset --limit 1")).toContain("asset");
    const opened = "/run/credentials/millrace-agent.service/plant-file";
    expect(await machine.sh(`cat ${opened}`, { user: "millrace-agent" })).toBe(PLANT_FILE);
    expect((await machine.run(`cat ${opened}`, { user: "nobody" })).code).not.toBe(0);
    // What a command opened for itself is gone with it.
    expect(await machine.sh("ls /run | grep -c '^millrace-agent' || true")).toBe("0\n");
  });

  test("security events are in the journal, with fields of their own", async () => {
    const events = async (number: number): Promise<readonly Record<string, string>[]> => {
      const text = await site.machine.sh(`journalctl --no-pager -o json MILLRACE_EVENT=${number}`);
      return text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>);
    };
    expect((await events(1005)).at(-1)).toMatchObject({ MILLRACE_EVENT_NAME: "enrolled", PRIORITY: "6" });
    expect((await events(1401)).at(-1)).toMatchObject({
      MILLRACE_SECRET: "plant-file",
      MILLRACE_BINDING: "sealed",
    });
    const [changed] = await events(1003);
    expect(changed).toMatchObject({
      MILLRACE_CONFIG: AGENT_CONFIG,
      _SYSTEMD_UNIT: "millrace-agent.service",
      PRIORITY: "4",
    });
  });

  test("killed, its service manager starts it again; rooms that are killed, the agent", async () => {
    const pid = await site.mainPid();
    await site.machine.sh(`kill -9 ${pid}`);
    const again = await site.restarted(pid);
    await site.carries();
    const rooms = (await site.machine.sh(`pgrep -P ${again} -f room.mjs`)).trim().split("\n");
    expect(rooms).toHaveLength(2);
    await site.machine.sh(`kill -9 ${rooms.join(" ")}`);
    await site.carries();
    expect(await site.mainPid()).toBe(again);
  });

  test("an agent that hangs is ended and started again by the watchdog", async () => {
    const { machine } = site;
    const folder = "/run/systemd/system/millrace-agent.service.d";
    const quick = "[Service]\\nWatchdogSec=20s\\nRestartSec=1s\\n";
    await machine.sh(
      `mkdir -p ${folder} && printf '${quick}' > ${folder}/quick.conf && systemctl daemon-reload`,
    );
    await machine.sh("millrace-agent service restart");
    const pid = await site.mainPid();
    const sign = await site.unit("WatchdogTimestampMonotonic");
    await until(
      "a sign of life",
      async () => (await site.unit("WatchdogTimestampMonotonic")) !== sign,
      WAIT_MS,
    );
    expect(await site.mainPid()).toBe(pid);
    await machine.sh(`kill -STOP ${pid}`);
    await site.restarted(pid);
    expect(await machine.sh("journalctl -u millrace-agent -o cat")).toContain("Watchdog timeout");
    await site.carries();
    await machine.sh(`rm -r ${folder} && systemctl daemon-reload`);
  });

  test("an upgrade restarts into the new version, with the data, the identity and the edited configuration", async () => {
    const { machine } = site;
    const pid = await site.mainPid();
    site.plant.change(20);
    const said = await machine.sh(`dpkg -i ${debs[NEWER]}`);
    expect(said).not.toContain("did not come up");
    await site.restarted(pid);
    expect(await machine.sh("millrace-agent --version")).toBe(`${NEWER}\n`);
    expect(await machine.sh("millrace-agent status")).toContain(`Millrace ${NEWER}`);
    expect(await machine.sh(`head -1 ${AGENT_CONFIG}`)).toBe("# edited by the administrator\n");
    expect(await machine.sh("ls /usr/lib/millrace-agent/versions")).toBe(`${NEWER}\n`);
    await site.carries();
    expect(await site.agents()).toEqual(identity);
  });

  test("a version that cannot read the data is refused before anything changes", async () => {
    const { machine } = site;
    const pid = await site.mainPid();
    const { code, out, err } = await machine.run(`dpkg -i ${debs[TOO_OLD]}`);
    expect(code).not.toBe(0);
    expect(out + err).toContain(`millrace-agent ${TOO_OLD} cannot read the data in /var/lib/millrace-agent`);
    expect(await machine.sh("millrace-agent --version")).toBe(`${NEWER}\n`);
    expect(await site.mainPid()).toBe(pid);
    expect(await machine.sh("dpkg-query -W -f '${Status} ${Version}' millrace-agent")).toBe(
      `install ok installed ${NEWER}`,
    );
  });

  test("back to an older version that can read it", async () => {
    const pid = await site.mainPid();
    await site.machine.sh(`dpkg -i ${debs[OLDER]}`);
    await site.restarted(pid);
    expect(await site.machine.sh("millrace-agent status")).toContain(`Millrace ${OLDER}`);
    await site.carries();
    expect(await site.agents()).toEqual(identity);
  });

  test("after a start of the machine it comes back by itself", async () => {
    await site.machine.reboot();
    site.plant.change(20);
    const pid = await site.restarted(0);
    await site.carries();
    expect(await site.mainPid()).toBe(pid);
  });

  test("removing keeps configuration, secrets and data; installing again goes on with them", async () => {
    const { machine } = site;
    await machine.sh("dpkg -r millrace-agent");
    expect(existsSync(machine.file("/usr/lib/millrace-agent"))).toBe(false);
    for (const path of [AGENT_CONFIG, "/var/lib/millrace-agent/agent.db"])
      expect(statSync(machine.file(path)).size).toBeGreaterThan(0);
    site.plant.change(20);
    await machine.sh(`dpkg -i ${debs[NEWER]}`);
    await site.restarted(0);
    await site.carries();
    expect(await site.agents()).toEqual(identity);
  });

  test("purging leaves nothing", async () => {
    const { machine } = site;
    const said = await machine.sh("dpkg --purge millrace-agent millrace-relay");
    expect(said).toContain("millrace-agent is purged: configuration, secrets and data are deleted.");
    expect(await filesOfMachine(machine)).toEqual(before);
    expect((await machine.run("getent passwd millrace-agent millrace-relay")).out).toBe("");
    expect(await machine.sh("systemctl list-units --all --no-legend 'millrace*'")).toBe("");
  });
});
