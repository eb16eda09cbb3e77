// Both roles of the handshake against each other: what passes, every refusal, and every tampering.
import { describe, expect, it } from "vitest";
import { encodeControl } from "#common/contract/frame.ts";
import { createEnrollmentCode } from "#common/contract/enrollment-code.ts";
import {
  AgentHandshake,
  type AgentAction,
  type AgentHandshakeOptions,
  type SessionMode,
} from "#common/contract/handshake-agent.ts";
import { RelayHandshake, type AgentLookup, type RelayAction } from "#common/contract/handshake-relay.ts";
import {
  chooseVersion,
  PROLOGUE,
  proofData,
  systemEntropy,
  type ProtocolOffer,
} from "#common/contract/handshake.ts";
import { generateIdentityKey, verifySignature } from "#common/contract/identity-key.ts";
import { MAX_HANDSHAKE_MESSAGE_BYTES } from "#common/contract/limits.ts";
import { CLOSE, type Enrolled } from "#common/contract/messages.ts";
import { generateEphemeralKey, HandshakeState } from "#common/contract/noise.ts";

const [relayKey, agentKey, strangerKey] = [
  generateIdentityKey(),
  generateIdentityKey(),
  generateIdentityKey(),
];
const OFFER: ProtocolOffer = { protocolMin: 1, protocolMax: 1, capabilities: ["a", "b"] };
const SESSION: SessionMode = {
  mode: "session",
  agentId: "agt_1",
  relayKey: relayKey.publicKey,
  agentVersion: "1.2.3",
  instanceId: "i1",
  platform: "linux",
};
const KNOWN: AgentLookup = { publicKey: agentKey.publicKey, state: "active" };
const ENROLLED: Enrolled = {
  type: "enrolled",
  agent_id: "agt_1",
  workspace_id: "w",
  workspace_name: "W",
  connections: [],
};

function agentRole(options: Partial<AgentHandshakeOptions> = {}): AgentHandshake {
  const defaults = { identity: agentKey, purpose: SESSION, offer: OFFER, entropy: systemEntropy };
  return new AgentHandshake({ ...defaults, ...options });
}

function relayRole(identity = relayKey, offer = OFFER): RelayHandshake {
  return new RelayHandshake({ identity, offer, entropy: systemEntropy });
}

const sent = (actions: readonly (AgentAction | RelayAction)[]): Uint8Array[] =>
  actions.flatMap((action) => (action.type === "send" ? [action.message] : []));

function failureCode(actions: readonly (AgentAction | RelayAction)[]): number | undefined {
  const failure = actions.find((action) => action.type === "fail");
  return failure?.type === "fail" ? failure.error.code : undefined;
}

type Change = (message: Uint8Array, step: number) => Uint8Array;
interface Outcome {
  readonly agent: readonly AgentAction[];
  readonly relay: readonly RelayAction[];
  /** The messages as they were sent: hello, hello, relay_proof, agent_proof or enroll, enrolled. */
  readonly messages: readonly Uint8Array[];
}

/** Runs both roles to the end or to the first failure; `change` stands on the line. */
function run(
  agent: AgentHandshake,
  relay: RelayHandshake,
  lookup: AgentLookup = KNOWN,
  change: Change = (message) => message,
): Outcome {
  const [agentActions, relayActions, messages]: [AgentAction[], RelayAction[], Uint8Array[]] = [[], [], []];
  const over = (message: Uint8Array): Uint8Array => {
    messages.push(message);
    return change(Uint8Array.from(message), messages.length - 1);
  };
  let toRelay = [agent.start()];
  while (toRelay.length > 0) {
    const toAgent: Uint8Array[] = [];
    for (const message of toRelay) {
      let actions = relay.receive(over(message));
      relayActions.push(...actions);
      toAgent.push(...sent(actions));
      const question = actions.find((action) => action.type === "find_agent" || action.type === "enroll");
      if (question === undefined) continue;
      actions = question.type === "enroll" ? relay.enrolmentDecided(ENROLLED) : relay.agentFound(lookup);
      relayActions.push(...actions);
      toAgent.push(...sent(actions));
    }
    toRelay = [];
    for (const message of toAgent) {
      const actions = agent.receive(over(message));
      agentActions.push(...actions);
      toRelay.push(...sent(actions));
      if (failureCode(actions) !== undefined) return { agent: agentActions, relay: relayActions, messages };
    }
  }
  return { agent: agentActions, relay: relayActions, messages };
}

const has = (actions: readonly (AgentAction | RelayAction)[], type: string): boolean =>
  actions.some((action) => action.type === type);

describe("what passes", () => {
  it("proves both sides to each other and gives them one session", () => {
    const { agent, relay } = run(agentRole(), relayRole(relayKey, { ...OFFER, capabilities: ["b", "c"] }));
    const [ours, theirs] = [agent.find((a) => a.type === "proven"), relay.find((a) => a.type === "proven")];
    if (ours?.type !== "proven" || theirs?.type !== "proven") throw new Error("not proven");
    expect(ours).toMatchObject({ protocol: 1, capabilities: ["b"] });
    expect(theirs.agent).toEqual({
      agentId: "agt_1",
      agentVersion: "1.2.3",
      instanceId: "i1",
      platform: "linux",
      protocol: 1,
      capabilities: ["b"],
    });
    expect(theirs.noise.receive.open(ours.noise.send.seal(Buffer.from("up"))).toString()).toBe("up");
    expect(ours.noise.receive.open(theirs.noise.send.seal(Buffer.from("down"))).toString()).toBe("down");
  });

  it("enrols by the code's fingerprint", () => {
    const code = createEnrollmentCode(relayKey.publicKey, systemEntropy.randomBytes);
    const agent = agentRole({ purpose: { mode: "enroll", code, name: "plant 7" } });
    const outcome = run(agent, relayRole());
    expect(outcome.agent.at(-1)).toEqual({
      type: "enrolled",
      enrolled: ENROLLED,
      relayKey: relayKey.publicKey,
    });
    const request = { secret: code.secret, agentKey: agentKey.publicKey, name: "plant 7" };
    expect(outcome.relay).toContainEqual({ type: "enroll", request });
  });

  it("sends nothing but the hello in the clear", () => {
    const code = createEnrollmentCode(relayKey.publicKey, systemEntropy.randomBytes);
    const agent = agentRole({ purpose: { mode: "enroll", code, name: "canary-name" } });
    const { messages } = run(agent, relayRole());
    const line = Buffer.concat(messages).toString("latin1");
    expect(line).toContain('"mode":"enroll"');
    for (const secret of [code.secret, "canary-name", agentKey.publicKey, relayKey.publicKey, "agt_1"]) {
      expect(line).not.toContain(secret);
    }
  });
});

describe("versions", () => {
  const offer = (protocolMin: number, protocolMax: number): ProtocolOffer => ({
    protocolMin,
    protocolMax,
    capabilities: [],
  });

  it("are the highest that both speak", () => {
    expect(chooseVersion(offer(1, 3), offer(2, 5))).toBe(3);
    expect(chooseVersion(offer(1, 9), offer(2, 5))).toBe(5);
    expect(chooseVersion(offer(1, 2), offer(2, 2))).toBe(2);
  });

  it("without any in common end with VERSION and say who is to be updated", () => {
    const old = run(agentRole({ offer: offer(1, 1) }), relayRole(relayKey, offer(2, 3)));
    expect(failureCode(old.relay)).toBe(CLOSE.VERSION);
    expect(() => chooseVersion(offer(1, 1), offer(2, 3))).toThrow(
      /agent 1\.\.1, relay 2\.\.3; update the agent/,
    );
    expect(() => chooseVersion(offer(4, 4), offer(2, 3))).toThrow(/update the relay/);
  });
});

describe("refusals", () => {
  it("of a relay whose key is not the pinned one, before the agent says who it is", () => {
    const outcome = run(agentRole(), relayRole(strangerKey));
    expect(failureCode(outcome.agent)).toBe(CLOSE.UNAUTHENTICATED);
    expect(outcome.messages).toHaveLength(3);
  });

  it("of a relay that shows the pinned key without owning it", () => {
    const impostor = { publicKey: relayKey.publicKey, sign: (data: Uint8Array) => strangerKey.sign(data) };
    const relay = new RelayHandshake({ identity: impostor, offer: OFFER, entropy: systemEntropy });
    const outcome = run(agentRole(), relay);
    expect(failureCode(outcome.agent)).toBe(CLOSE.UNAUTHENTICATED);
    expect(sent(outcome.agent)).toEqual([]);
  });

  it("of a relay that the enrolment code does not mean: the secret stays here", () => {
    const code = createEnrollmentCode(strangerKey.publicKey, systemEntropy.randomBytes);
    const outcome = run(agentRole({ purpose: { mode: "enroll", code, name: "n" } }), relayRole());
    expect(failureCode(outcome.agent)).toBe(CLOSE.UNAUTHENTICATED);
    expect(sent(outcome.agent)).toEqual([]);
  });

  it.each([
    ["unknown", "unknown", CLOSE.UNAUTHENTICATED, /does not know this agent/],
    ["revoked", { ...KNOWN, state: "revoked" }, CLOSE.UNAUTHENTICATED, /revoked/],
    ["quarantined", { ...KNOWN, state: "quarantined" }, CLOSE.QUARANTINED, /operator/],
    [
      "known by another key",
      { ...KNOWN, publicKey: strangerKey.publicKey },
      CLOSE.UNAUTHENTICATED,
      /proof is wrong/,
    ],
    [
      "revoked, for who cannot prove the key",
      { publicKey: strangerKey.publicKey, state: "revoked" },
      CLOSE.UNAUTHENTICATED,
      /does not know this agent/,
    ],
  ] as const)("of an agent that is %s", (_what, lookup, code, reason) => {
    const { relay } = run(agentRole(), relayRole(), lookup);
    const failure = relay.at(-1);
    if (failure?.type !== "fail") throw new Error("not refused");
    expect(failure.error.code).toBe(code);
    expect(failure.error.message).toMatch(reason);
    expect(has(relay, "proven")).toBe(false);
  });

  it("of an enrolment, with the relay's words", () => {
    const relay = relayRole();
    const code = createEnrollmentCode(relayKey.publicKey, systemEntropy.randomBytes);
    const agent = agentRole({ purpose: { mode: "enroll", code, name: "n" } });
    for (const message of sent(relay.receive(agent.start()))) {
      for (const answer of sent(agent.receive(message))) relay.receive(answer);
    }
    const [failure] = relay.enrolmentDecided({ refused: "this code was used already" });
    expect(failure?.type === "fail" && failure.error).toMatchObject({
      code: CLOSE.ENROLMENT_REFUSED,
      message: "this code was used already",
    });
  });

  it("of messages that are too long, come too early, or come after the end", () => {
    expect(failureCode(relayRole().receive(new Uint8Array(MAX_HANDSHAKE_MESSAGE_BYTES + 1)))).toBe(
      CLOSE.TOO_BIG,
    );
    const relay = relayRole();
    const agent = agentRole();
    const [second, proof] = sent(relay.receive(agent.start()));
    if (second === undefined || proof === undefined) throw new Error("no answer");
    agent.receive(second);
    const [answer] = sent(agent.receive(proof));
    if (answer === undefined) throw new Error("no proof");
    expect(failureCode(agent.receive(proof))).toBe(CLOSE.PROTOCOL_ERROR);
    expect(has(relay.receive(answer), "find_agent")).toBe(true);
    expect(failureCode(relay.receive(answer))).toBe(CLOSE.PROTOCOL_ERROR);
    expect(failureCode(relay.agentFound(KNOWN))).toBe(CLOSE.PROTOCOL_ERROR);
  });

  it("of hellos that are no hellos", () => {
    for (const payload of [
      "",
      "{",
      "null",
      '{"mode":"session"}',
      '{"mode":"enroll","protocol_min":"1"}',
      "\u00ff",
    ]) {
      const state = new HandshakeState("initiator", generateEphemeralKey(), PROLOGUE);
      const actions = relayRole().receive(state.writeMessage(Buffer.from(payload, "latin1")));
      expect(failureCode(actions)).toBe(CLOSE.PROTOCOL_ERROR);
    }
    const nameless = JSON.stringify({
      mode: "session",
      protocol_min: 1,
      protocol_max: 1,
      capabilities: [],
      nonce: "",
    });
    const state = new HandshakeState("initiator", generateEphemeralKey(), PROLOGUE);
    expect(failureCode(relayRole().receive(state.writeMessage(Buffer.from(nameless))))).toBe(
      CLOSE.PROTOCOL_ERROR,
    );
  });
});

describe("on a hostile line", () => {
  it(
    "no byte of any message can be changed: not one side is content, and neither is misled",
    { timeout: 120_000 },
    () => {
      const code = createEnrollmentCode(relayKey.publicKey, systemEntropy.randomBytes);
      const passed: string[] = [];
      const purposes = [SESSION, { mode: "enroll", code, name: "n" }] as const;
      for (const purpose of purposes) {
        const sample = run(agentRole({ purpose }), relayRole()).messages;
        expect(sample).toHaveLength(purpose.mode === "session" ? 4 : 5);
        for (const [step, message] of sample.entries()) {
          for (let at = 0; at < message.length; at += 1) {
            const { agent, relay } = run(agentRole({ purpose }), relayRole(), KNOWN, (bytes, now) => {
              if (now === step) bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
              return bytes;
            });
            // The sender of the last message has finished; it learns of the refusal by the close.
            const isRefused = failureCode(agent) !== undefined || failureCode(relay) !== undefined;
            const isLast = step === sample.length - 1;
            const isMisled =
              has(relay, "proven") || has(agent, "enrolled") || (!isLast && has(relay, "enrolled"));
            if (!isRefused || isMisled) passed.push(`message ${step}, byte ${at}`);
          }
        }
      }
      expect(passed).toEqual([]);
    },
  );

  it("a downgrade of the hello is noticed by the relay's proof", () => {
    const wide = { protocolMin: 1, protocolMax: 2, capabilities: [] };
    const { agent } = run(agentRole({ offer: wide }), relayRole(relayKey, wide), KNOWN, (message, step) =>
      step === 0
        ? Buffer.from(
            Buffer.from(message).toString("latin1").replace('"protocol_max":2', '"protocol_max":1'),
            "latin1",
          )
        : message,
    );
    expect(failureCode(agent)).toBe(CLOSE.PROTOCOL_ERROR);
  });

  it("a man in the middle with keys of his own gets no further than the relay's proof", () => {
    const middle = new RelayHandshake({ identity: strangerKey, offer: OFFER, entropy: systemEntropy });
    const { agent } = run(agentRole(), middle);
    expect(failureCode(agent)).toBe(CLOSE.UNAUTHENTICATED);
  });

  it("an agent's proof from one session is worth nothing in another, as bytes or as a signature", () => {
    const first = run(agentRole(), relayRole());
    const relay = relayRole();
    relay.receive(agentRole().start());
    expect(failureCode(relay.receive(first.messages[3] ?? new Uint8Array()))).toBe(CLOSE.PROTOCOL_ERROR);

    // A thief in a session of his own re-uses a signature that he once saw inside the agent.
    const proven = first.agent.find((action) => action.type === "proven");
    if (proven?.type !== "proven") throw new Error("not proven");
    const old = agentKey.sign(proofData("agent", proven.noise.handshakeHash));
    const thief = agentRole({ identity: { publicKey: agentKey.publicKey, sign: () => old } });
    const { relay: verdict } = run(thief, relayRole());
    expect(failureCode(verdict)).toBe(CLOSE.UNAUTHENTICATED);
  });

  it("the three signatures cannot stand in for each other", () => {
    const hash = Buffer.alloc(32, 9);
    const signatures = (["relay", "agent", "enroll"] as const).map((context) =>
      agentKey.sign(proofData(context, hash)),
    );
    for (const [index, signature] of signatures.entries()) {
      const verdicts = (["relay", "agent", "enroll"] as const).map((context) =>
        verifySignature(agentKey.publicKey, proofData(context, hash), signature),
      );
      expect(verdicts).toEqual([0, 1, 2].map((position) => position === index));
    }
  });

  it("a sealed message of another kind is not taken for a proof", () => {
    const relay = relayRole();
    const state = new HandshakeState("initiator", generateEphemeralKey(), PROLOGUE);
    const hello = {
      mode: "session",
      protocol_min: 1,
      protocol_max: 1,
      capabilities: [],
      nonce: "",
      agent_id: "agt_1",
    };
    const [second] = sent(relay.receive(state.writeMessage(Buffer.from(JSON.stringify(hello)))));
    state.readMessage(second ?? new Uint8Array());
    const ping = state.split().send.seal(encodeControl({ type: "ping", n: 1 }));
    expect(failureCode(relay.receive(ping))).toBe(CLOSE.PROTOCOL_ERROR);
  });
});
