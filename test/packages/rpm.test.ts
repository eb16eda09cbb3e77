// Agent and relay from their .rpm, on a machine with a real systemd: each step goes on from the one before.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PackageBench } from "./support/built-packages.ts";
import { AGENT_CONFIG, InstalledPlant } from "./support/installed-plant.ts";
import { canBootMachines, filesOfMachine } from "./support/nspawn-machine.ts";

const BUILD_MS = 600_000;
const OLDER = "0.1.0";
const NEWER = "0.2.0";
const FORMATS = "/var/lib/millrace-agent/data-format";
/** The machine's Debian knows its libraries by other names. */
const RPM = "rpm --dbpath /var/lib/rpm";

const canRun = await canBootMachines();

describe.skipIf(!canRun)("an agent from its .rpm", { retry: 0 }, () => {
  const bench = new PackageBench();
  const rpms: Record<string, string> = {};
  let site: InstalledPlant;
  let relay: string;
  let before: readonly string[] = [];

  beforeAll(async () => {
    const relayFile = await bench.rpm("relay", OLDER);
    for (const version of [OLDER, NEWER]) rpms[version] = await bench.rpm("agent", version);
    site = await InstalledPlant.boot();
    await site.machine.sh(`${RPM} --initdb`);
    before = await filesOfMachine(site.machine);
    relay = site.bring(relayFile);
    for (const [version, file] of Object.entries(rpms)) rpms[version] = site.bring(file);
  }, BUILD_MS);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
    bench[Symbol.dispose]();
  });

  test("installing says the next step, and the files are as they were packaged", async () => {
    const { machine } = site;
    expect(await machine.sh(`${RPM} -U --nodeps ${relay}`)).toContain("sudo millrace-relay workspace create");
    expect(await machine.sh(`${RPM} -U --nodeps ${rpms[OLDER]}`)).toContain("sudo millrace-agent enroll");
    expect(await machine.sh(`${RPM} -V --nodeps millrace-agent millrace-relay`)).toBe("");
    expect(await machine.sh("stat -L -c %a:%U:%G /usr/lib/millrace-agent/current/node")).toBe(
      "750:root:millrace-agent\n",
    );
  });

  test("enrolled, it carries what the plant holds", async () => {
    await site.prepareRelay();
    site.configure();
    const code = await site.enrollmentCode();
    const said = await site.machine.sh(
      `MILLRACE_ENROLLMENT_CODE=${code} millrace-agent enroll --relay ws://127.0.0.1:8080`,
    );
    expect(said).toContain("The service millrace-agent runs");
    await site.carries();
  });

  test("an upgrade restarts into the new version and keeps the edited configuration", async () => {
    const { machine } = site;
    const pid = await site.mainPid();
    await machine.sh(`${RPM} -U --nodeps ${rpms[NEWER]}`);
    await site.restarted(pid);
    expect(await machine.sh("millrace-agent status")).toContain(`Millrace ${NEWER}`);
    expect(await machine.sh(`head -1 ${AGENT_CONFIG}`)).toBe("# edited by the administrator\n");
    expect(await machine.sh("ls /usr/lib/millrace-agent/versions")).toBe(`${NEWER}\n`);
    await site.carries();
  });

  test("going back is refused where the data could not be read, and works where it can", async () => {
    const { machine } = site;
    const pid = await site.mainPid();
    const formats = readFileSync(machine.file(FORMATS), "utf8");
    appendFileSync(machine.file(FORMATS), "rooms 99 99\n");
    const back = `${RPM} -U --oldpackage --nodeps ${rpms[OLDER]}`;
    const { code, out, err } = await machine.run(back);
    expect(code).not.toBe(0);
    expect(out + err).toContain("rooms has format 99 and needs a version that reads 99");
    expect(await machine.sh("millrace-agent --version")).toBe(`${NEWER}\n`);
    expect(await site.mainPid()).toBe(pid);
    writeFileSync(machine.file(FORMATS), formats);
    await machine.sh(back);
    await site.restarted(pid);
    expect(await machine.sh("millrace-agent --version")).toBe(`${OLDER}\n`);
    await site.carries();
  });

  test("removing keeps the data, and says what deletes it: nothing is left then", async () => {
    const { machine } = site;
    const said = await machine.sh(`${RPM} -e --nodeps millrace-agent millrace-relay`);
    expect(await machine.sh(`cat ${AGENT_CONFIG}`)).toContain("edited by the administrator");
    const deletes = said.split("\n").filter((line) => line.startsWith("  rm -rf "));
    expect(deletes).toHaveLength(2);
    for (const line of deletes) await machine.sh(line);
    expect(await filesOfMachine(machine)).toEqual(before);
  });
});
