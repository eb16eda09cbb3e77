// A relay's listener on a real port and an agent's key that it knows, for tests of the wire.
import { once } from "node:events";
import { createServer as createHttp, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { ConnectOptions } from "#agent/uplink/socket.ts";
import type { Channel, ChannelHandlers } from "#common/contract/channel.ts";
import { createEnrollmentCode, type EnrollmentCode } from "#common/contract/enrollment-code.ts";
import type { AgentLookup, EnrolmentAnswer, EnrolmentRequest } from "#common/contract/handshake-relay.ts";
import { systemEntropy } from "#common/contract/handshake.ts";
import { generateIdentityKey, type IdentityKey } from "#common/contract/identity-key.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { AgentListener, type ConnectedAgent, type ListenerDeps } from "#relay/gateway/listener.ts";
import type { Certificate } from "#test/support/certificates.ts";

export const AGENT_ID = "agt_test";

/** Records what a channel's end hears. */
export class Ear implements ChannelHandlers {
  readonly frames: Buffer[] = [];
  readonly closes: { readonly code: number; readonly reason: string }[] = [];
  drains = 0;

  onFrame(frame: Uint8Array): void {
    this.frames.push(Buffer.from(frame));
  }

  onClose(code: number, reason: string): void {
    this.closes.push({ code, reason });
  }

  onDrain(): void {
    this.drains += 1;
  }

  get texts(): string[] {
    return this.frames.map(String);
  }
}

export interface RelaySession {
  readonly agent: ConnectedAgent;
  readonly channel: Channel;
  readonly ear: Ear;
}

export interface TestRelay extends AsyncDisposable {
  readonly listener: AgentListener;
  readonly server: Server;
  readonly relayKey: IdentityKey;
  readonly agentKey: IdentityKey;
  readonly code: EnrollmentCode;
  readonly port: number;
  readonly url: string;
  readonly sessions: RelaySession[];
  readonly enrolments: EnrolmentRequest[];
  /** Ready for `connectAgent`; spread and override. */
  connectOptions(ear: Ear): ConnectOptions;
}

export interface TestRelayOptions extends Partial<
  Pick<ListenerDeps, "admission" | "handshakeTimeoutMs" | "offer" | "clock">
> {
  readonly certificate?: Certificate;
  /** The relay's own key, if an agent knows it already; default: a new one. */
  readonly relayKey?: IdentityKey;
  readonly findAgent?: (agentId: string, known: AgentLookup) => Promise<AgentLookup>;
  readonly enroll?: (request: EnrolmentRequest) => Promise<EnrolmentAnswer>;
  /** What a session does at its start; default: send "welcome". */
  readonly greet?: (channel: Channel) => void;
}

export async function startTestRelay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const { relayKey = generateIdentityKey() } = options;
  const agentKey = generateIdentityKey();
  const sessions: RelaySession[] = [];
  const enrolments: EnrolmentRequest[] = [];
  const known: AgentLookup = { publicKey: agentKey.publicKey, state: "active" };
  const {
    certificate,
    findAgent,
    enroll,
    greet = (channel) => channel.send(Buffer.from("welcome")),
    relayKey: _relayKey,
    ...rest
  } = options;
  const listener = new AgentListener({
    identity: relayKey,
    clock: systemClock,
    logger: silentLogger,
    ...rest,
    findAgent: async (agentId) =>
      findAgent === undefined ? (agentId === AGENT_ID ? known : "unknown") : findAgent(agentId, known),
    enroll: async (request) => {
      enrolments.push(request);
      return enroll === undefined ? { refused: "no code is good here" } : enroll(request);
    },
    onAgent: (agent) => {
      const ear = new Ear();
      sessions.push({ agent, channel: agent.channel, ear });
      greet(agent.channel);
      return ear;
    },
  });
  const server =
    certificate === undefined
      ? createHttp()
      : createHttps({ key: certificate.privateKeyPem, cert: certificate.certificatePem });
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  listener.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `${certificate === undefined ? "ws" : "wss"}://127.0.0.1:${port}`;
  return {
    listener,
    server,
    relayKey,
    agentKey,
    code: createEnrollmentCode(relayKey.publicKey, (count) => systemEntropy.randomBytes(count)),
    port,
    url,
    sessions,
    enrolments,
    connectOptions: (ear) => ({
      url,
      identity: agentKey,
      clock: systemClock,
      agentId: AGENT_ID,
      relayKey: relayKey.publicKey,
      agentVersion: "0.0.0",
      instanceId: "instance",
      platform: "test",
      open: () => ear,
      ...(certificate === undefined ? {} : { ca: [] }),
    }),
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const socket of open) socket.destroy();
      server.close();
      if (server.listening) await once(server, "close");
    },
  };
}
