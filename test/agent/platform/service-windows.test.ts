// The service verbs on Windows, with a script in place of the service host; under Wine see test/packages.
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readHostStatus, windowsService } from "#agent/platform/service-windows.ts";
import { MillraceError } from "#common/runtime/errors.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-service-windows-"));
  mkdirSync(join(dir, "logs"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const STATUS = '{"state":"running","startsAtBoot":true,"pid":42,"sinceMs":1700000000000,"exitCode":0}';

function service(script: string, sleep: (ms: number) => Promise<void> = () => Promise.resolve()) {
  const host = join(dir, "host");
  writeFileSync(host, `#!/bin/sh\necho "$1" >> "${dir}/asked"\n${script}\n`);
  chmodSync(host, 0o755);
  return windowsService({ host, logDir: join(dir, "logs"), sleep });
}

describe("windowsService", () => {
  it("reads the host's line about the service", async () => {
    expect(await service(`echo '${STATUS}'`).status()).toEqual({
      state: "running",
      startsAtBoot: true,
      pid: 42,
      sinceMs: 1_700_000_000_000,
    });
    expect(readHostStatus('{"state":"absent","startsAtBoot":false}')).toEqual({
      state: "absent",
      startsAtBoot: false,
    });
    const failed = readHostStatus('{"state":"stopped","startsAtBoot":true,"pid":0,"sinceMs":0,"exitCode":5}');
    expect(failed).toEqual({
      state: "stopped",
      startsAtBoot: true,
      detail: "Its host ended last with code 5; the event log says why.",
    });
  });

  it("gives the host's own words when it refuses", async () => {
    const order = service("echo 'starting the service failed: Access is denied' >&2; exit 1").start();
    await expect(order).rejects.toThrow(new MillraceError("starting the service failed: Access is denied"));
  });

  it("says so outside of an installation", () => {
    const outside = (): unknown =>
      windowsService({ host: undefined, logDir: dir, sleep: () => Promise.resolve() });
    expect(outside).toThrow(MillraceError);
  });

  it("shows the newest lines, follows, and begins anew when the file was rotated", async () => {
    const log = join(dir, "logs", "agent.log");
    writeFileSync(log, "one\ntwo\nthree\n");
    const stop = new AbortController();
    const steps = [
      () => appendFileSync(log, "four\n"),
      () => writeFileSync(log, "new\n"),
      () => stop.abort(),
    ];
    const shown: string[] = [];
    const sleep = (): Promise<void> => Promise.resolve(steps.shift()?.());
    const request = {
      lines: 2,
      follow: true,
      out: (text: string) => void shown.push(text),
      signal: stop.signal,
    };
    await service("exit 1", sleep).logs(request);
    expect(shown).toEqual(["two\nthree\n", "four\n", "new\n"]);
  });

  it("names the log that it cannot read", async () => {
    const request = { lines: 2, follow: false, out: () => {}, signal: new AbortController().signal };
    await expect(service("exit 1").logs(request)).rejects.toThrow(/the log could not be read: .*agent\.log/);
  });
});
