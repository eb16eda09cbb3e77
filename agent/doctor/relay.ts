// Who answers at the relay's address, and whether it would let this agent in; asked without beginning a session.
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { VERSION } from "#agent/platform/version.ts";
import { probeRelay, type ProbeResult } from "#agent/uplink/relay-probe.ts";
import { fingerprintOf, loadIdentityKey } from "#common/contract/identity-key.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { Checks, limited } from "./checks.ts";
import { openWay, type Way } from "./network.ts";

export interface RelayRequest {
  /** Undefined: neither enrolled nor relay.url set. */
  readonly way: Way | undefined;
  readonly identity: AgentIdentity | undefined;
  /** Of the running agent; undefined: it does not run, or cannot be asked. */
  readonly status: AgentStatus | undefined;
}

export async function relayChecks({ way, identity, status }: RelayRequest): Promise<Checks> {
  const checks = new Checks();
  running(checks, status);
  if (way === undefined) {
    checks.warning(
      "enrolment",
      "this agent is not enrolled, and relay.url is not set: there is no relay to ask",
      ["Next: millrace-agent enroll --relay <address> --code <code from the relay>"],
    );
    return checks;
  }
  let result: ProbeResult;
  try {
    result = await probeRelay({
      url: way.url,
      stream: await openWay(way),
      agent: identity && {
        agentId: identity.agentId,
        relayKey: identity.relayKey,
        identity: loadIdentityKey(identity.secretKey),
        version: VERSION,
      },
      signal: limited(way.signal, way.limitMs),
    });
  } catch (error) {
    checks.skipped("websocket", `the relay cannot be reached, see network: ${messageOf(error)}`);
    enrolled(checks, identity, undefined);
    return checks;
  }
  answered(checks, way, result);
  if (result.outcome === "relay_known") relayKey(checks, result, identity);
  enrolled(checks, identity, result);
  return checks;
}

function running(checks: Checks, status: AgentStatus | undefined): void {
  if (status === undefined) {
    checks.skipped("session", "the agent does not run, or this account may not ask it");
    return;
  }
  const { relay } = status;
  const state = relay.state.replace("_", " ");
  const text = `the agent runs (pid ${status.pid}), its line is ${state}${relay.detail === "" ? "" : `: ${relay.detail}`}`;
  if (relay.state === "online") checks.ok("session", text);
  else if (relay.state === "halted")
    checks.warning("session", text, [
      "Somebody has halted egress: millrace-agent unhalt egress allows it again.",
    ]);
  else checks.warning("session", text);
}

function answered(checks: Checks, { url, proxy, limitMs }: Way, result: ProbeResult): void {
  if (result.outcome === "relay_known") {
    checks.ok(
      "websocket",
      `${url.host} took the WebSocket on ${url.pathname} and speaks protocol ${result.protocol}`,
    );
    return;
  }
  if (result.outcome === "no_handshake") {
    checks.failed("websocket", `${url.host} took the WebSocket, but the handshake ended: ${result.detail}`, [
      result.code === CLOSE.OVERLOADED
        ? "The relay is busy with others that return; the agent tries again by itself."
        : "Something on the way cuts or changes the line, or this is no Millrace relay.",
    ]);
    return;
  }
  const { status, detail } = result;
  const said = detail === "" ? `no answer within ${limitMs / 1000} s` : detail;
  checks.failed("websocket", `${url.host} did not take the WebSocket on ${url.pathname}: ${said}`, [
    upgradeAdvice(status, proxy !== undefined),
  ]);
}

function upgradeAdvice(status: number | undefined, hasProxy: boolean): string {
  if (status !== undefined && status >= 300 && status < 400)
    return "It redirects: set relay.url to where the relay is.";
  if (status === 429 || (status !== undefined && status >= 500))
    return "The relay, or what stands before it, cannot serve now; the agent tries again by itself.";
  const box = hasProxy ? "the proxy" : "a proxy before the relay, or one that opens TLS on the way";
  return `Either no Millrace relay is at this address (check relay.url), or ${box} strips the upgrade (headers Upgrade and Connection): have WebSockets allowed to this address.`;
}

function relayKey(
  checks: Checks,
  result: Extract<ProbeResult, { outcome: "relay_known" }>,
  identity: AgentIdentity | undefined,
): void {
  const shown = fingerprintOf(result.relayKey);
  if (result.isPinned === undefined)
    checks.ok("relay_key", `the relay has proven its key, fingerprint ${shown}`, [
      "An enrolment code ends with this fingerprint when it is from this relay.",
    ]);
  else if (result.isPinned)
    checks.ok(
      "relay_key",
      `it is the relay of this agent's enrolment: it has proven the pinned key, fingerprint ${shown}`,
    );
  else
    checks.failed(
      "relay_key",
      `another relay answers: its key has the fingerprint ${shown}, pinned is ${identity === undefined ? "none" : fingerprintOf(identity.relayKey)}`,
      [
        "The line is intercepted, relay.url names another relay, or the relay was set up anew without its relay-identity.json. Find out which before anything else; only then enrol again with --replace.",
      ],
    );
}

function enrolled(
  checks: Checks,
  identity: AgentIdentity | undefined,
  result: ProbeResult | undefined,
): void {
  if (identity === undefined) {
    checks.warning("enrolment", "this agent is not enrolled", [
      "Next: millrace-agent enroll --relay <address> --code <code from the relay>",
    ]);
    return;
  }
  const who = `enrolled as ${identity.name} (${identity.agentId}) in workspace ${identity.workspaceName}`;
  if (result?.outcome !== "relay_known") {
    checks.skipped("enrolment", `${who}; the relay could not be asked about it`);
  } else if (result.admission === "would_admit") checks.ok("enrolment", `${who}; the relay would let it in`);
  else if (result.admission === "not_asked")
    checks.skipped("enrolment", `${who}; not asked: ${result.detail}`);
  else checks.failed("enrolment", `${who}; the relay refuses it: ${result.detail}`, [refusalAdvice(result)]);
}

function refusalAdvice({ code, detail }: Extract<ProbeResult, { outcome: "relay_known" }>): string {
  if (code === CLOSE.QUARANTINED)
    return "Find the second copy of this agent and stop it; then an operator of the relay decides which one stays.";
  if (/revoked/.test(detail))
    return "Somebody revoked it at the relay: ask why, then enrol with a new code and --replace.";
  if (code === CLOSE.UNAUTHENTICATED)
    return "Was the relay restored from before the enrolment? Enrol with a new code and --replace.";
  return "The relay's log says more.";
}
