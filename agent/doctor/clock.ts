// This machine's clock against the relay's, and the time zones that the connections name.
import { dateOf } from "#agent/uplink/way-probe.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { Checks, limited } from "./checks.ts";
import { openWay, type Way } from "./network.ts";

/** A Date header has whole seconds, and the answer takes its time. */
const GOOD_MS = 10_000;
const BAD_MS = 5 * 60_000;
/** No clock that is right says less: this program is younger. */
const NOT_BEFORE_MS = Date.UTC(2026, 0, 1);

/** `way` undefined: the relay's address is not known. */
export async function clockChecks(
  way: Way | undefined,
  timeZones: readonly string[],
  nowMs: () => number,
): Promise<Checks> {
  const checks = new Checks();
  const hereMs = nowMs();
  const here = new Date(hereMs).toISOString();
  if (hereMs < NOT_BEFORE_MS)
    checks.failed("clock", `this machine says it is ${here}, which cannot be`, [
      "Set its clock: certificates, codes and windows go by it.",
    ]);
  else if (way === undefined)
    checks.skipped("clock", `this machine says it is ${here}; no relay to compare with`);
  else await compare(checks, way, nowMs);
  zones(checks, timeZones);
  return checks;
}

async function compare(checks: Checks, way: Way, nowMs: () => number): Promise<void> {
  const url = new URL(way.url);
  url.protocol = url.protocol.replace("ws", "http");
  const beforeMs = nowMs();
  let saidMs: number | undefined;
  try {
    saidMs = await dateOf(await openWay(way), url, limited(way.signal, way.limitMs));
  } catch (error) {
    checks.skipped("clock", `the relay's clock could not be asked: ${messageOf(error)}`);
    return;
  }
  if (saidMs === undefined) {
    checks.skipped("clock", "what answers at the relay's address says no time (Date header)");
    return;
  }
  // Half a second: the header is cut to whole ones.
  const skewMs = Math.round((beforeMs + nowMs()) / 2 - saidMs - 500);
  const amount = `${(Math.abs(skewMs) / 1000).toFixed(0)} s ${skewMs > 0 ? "ahead of" : "behind"} the relay`;
  if (Math.abs(skewMs) <= GOOD_MS) {
    checks.ok("clock", "this machine's clock and the relay's agree within 10 s");
    return;
  }
  const advice =
    "Let this machine keep its time by NTP (timedatectl; Windows: w32tm): certificates, windows and codes go by it, and samples carry it.";
  checks.add(Math.abs(skewMs) > BAD_MS ? "failed" : "warning", "clock", `this machine's clock is ${amount}`, [
    advice,
  ]);
}

/** Two winters and summers of a zone that is known to change: a Node without time zone data would show UTC. */
function zones(checks: Checks, timeZones: readonly string[]): void {
  const hour = (atMs: number): string =>
    new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit" }).format(atMs);
  const isComplete = hour(Date.UTC(2026, 0, 1, 12)) === "13" && hour(Date.UTC(2026, 6, 1, 12)) === "14";
  const used = [...new Set(timeZones)];
  if (isComplete)
    checks.ok(
      "time_zones",
      `time zone data ${process.versions["tz"] ?? "unknown"}; connections use ${used.join(", ") || "none"}`,
    );
  else
    checks.failed("time_zones", "this Node has no time zone data: local times of sources cannot be told", [
      "Use the Node that comes with Millrace.",
    ]);
}
