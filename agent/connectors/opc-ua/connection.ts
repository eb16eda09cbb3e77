// One client, one secure channel, one session. A new connection is always a new driver client: nothing leaks from the old.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  ClientSession as DriverSession,
  ClientSessionPublishService,
  ClientSessionRawSubscriptionService,
  OPCUAClient,
  UserIdentityInfo,
} from "node-opcua";
import { ConnectorError } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import { checkServerCertificate, ensureOwnCertificate, type OwnCertificate } from "./certificates.ts";
import { opcua } from "./driver.ts";
import { asConnectorError, isSessionLost, type FailureContext } from "./failures.ts";
import { Namespaces } from "./namespaces.ts";
import type { OpcUaSettings } from "./settings.ts";
import { TrustStore } from "./trust-store.ts";

/** How long the server keeps a session that hears nothing, ms: the time in which a session can be taken up again. */
const SESSION_TIMEOUT_MS = 60_000;
/** The driver drops a socket that is silent for this long, ms. Our own watchdog is faster; this must only not be in its way. */
const IDLE_SOCKET_MS = 120_000;
/** How long a farewell may take, ms. */
const CLOSE_TIMEOUT_MS = 900;

/** How many operations the server takes in one call; bounded by us where it names no limit. */
export interface OperationLimits {
  readonly read: number;
  readonly browse: number;
  readonly translate: number;
  readonly monitoredItems: number;
  readonly historyRead: number;
}

const OUR_LIMITS: OperationLimits = {
  read: 1_000,
  browse: 500,
  translate: 500,
  monitoredItems: 1_000,
  historyRead: 100,
};

export interface ConnectionDeps {
  readonly settings: OpcUaSettings;
  readonly connection: string;
  readonly dataDir: string;
  readonly nowMs: () => number;
}

/** The driver's session with the raw services, which its own type leaves out. */
export type ClientSession = DriverSession & ClientSessionRawSubscriptionService & ClientSessionPublishService;

export class Connection {
  readonly deps: ConnectionDeps;
  readonly client: OPCUAClient;
  readonly session: ClientSession;
  readonly namespaces: Namespaces;
  readonly limits: OperationLimits;
  readonly identity: string;
  readonly own: OwnCertificate;
  #isLost = false;

  private constructor(
    fields: Pick<Connection, "deps" | "client" | "session" | "namespaces" | "limits" | "identity" | "own">,
  ) {
    this.deps = fields.deps;
    this.client = fields.client;
    this.session = fields.session;
    this.namespaces = fields.namespaces;
    this.limits = fields.limits;
    this.identity = fields.identity;
    this.own = fields.own;
    this.client.on("close", this.#lose);
    this.client.on("connection_lost", this.#lose);
  }

  /** @throws ConnectorError */
  static async open(deps: ConnectionDeps, signal: AbortSignal): Promise<Connection> {
    const { own, client } = await dial(deps, signal);
    try {
      const created = await orAborted(client.createSession(identityOf(deps.settings)), signal);
      const session = withoutSelfRepair(created as ClientSession);
      return await Connection.#describe({ deps, own, client, session }, signal);
    } catch (error) {
      discard(client);
      throw asConnectorError(error, "logging in", contextOf(deps, own));
    }
  }

  /**
   * A new channel for a session that the server still holds: subscriptions go on where they were.
   * `undefined` when the session is gone. @throws ConnectorError when the server cannot be reached
   */
  static async resume(old: Connection, signal: AbortSignal): Promise<Connection | undefined> {
    const { own, client } = await dial(old.deps, signal);
    try {
      await orAborted(reactivate(client, old.session), signal);
      old.detach();
      const { deps, session, limits, identity } = old;
      const namespaces = await readNamespaces(session, signal);
      return new Connection({ deps, own, client, session, limits, identity, namespaces });
    } catch (error) {
      discard(client);
      const failure = asConnectorError(error, "taking up the session again", contextOf(old.deps, own));
      // A server that answers, and refuses the session in whatever words, has it no more (or for others only).
      if (isSessionLost(error) || failure.kind !== "unavailable" || /Bad\w+ \(0x/.test(failure.message))
        return undefined;
      throw failure;
    }
  }

  static async #describe(
    fields: Pick<Connection, "deps" | "own" | "client" | "session">,
    signal: AbortSignal,
  ): Promise<Connection> {
    const namespaces = await readNamespaces(fields.session, signal);
    const limits = await readLimits(fields.session, signal);
    return new Connection({ ...fields, namespaces, limits, identity: await readIdentity(fields, signal) });
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get failureContext(): FailureContext {
    return contextOf(this.deps, this.own);
  }

  /** Calls back once when the channel breaks; returns how to stop listening. */
  onLost(callback: () => void): () => void {
    this.client.once("connection_lost", callback);
    this.client.once("close", callback);
    return () => {
      this.client.removeListener("connection_lost", callback);
      this.client.removeListener("close", callback);
    };
  }

  /** Leaves the session to another client; the server hears nothing. */
  detach(): void {
    this.#silence();
    discard(this.client);
  }

  /** Says goodbye if the server listens, and is gone within a second either way. */
  async close(): Promise<void> {
    this.#silence();
    const bye = async (): Promise<void> => {
      if (!this.#isLost) await this.session.close(true);
      await this.client.disconnect();
    };
    const limit = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
    try {
      await orAborted(bye(), limit);
    } catch {
      discard(this.client);
    }
  }

  #silence(): void {
    this.client.removeListener("close", this.#lose);
    this.client.removeListener("connection_lost", this.#lose);
  }

  readonly #lose = (): void => {
    this.#isLost = true;
  };
}

/** Opens the secure channel to the configured host, whatever host names the server announces. */
async function dial(
  deps: ConnectionDeps,
  signal: AbortSignal,
): Promise<{ readonly own: OwnCertificate; readonly client: OPCUAClient }> {
  const { settings } = deps;
  const folder = join(deps.dataDir, "pki");
  const applicationUri =
    settings.applicationUri ?? `urn:millrace:agent:${encodeURIComponent(deps.connection)}`;
  const own = await ensureOwnCertificate(folder, {
    applicationName: `Millrace ${deps.connection}`,
    applicationUri,
  });
  const trust = new TrustStore((chain) =>
    checkServerCertificate(
      chain,
      {
        host: hostOf(settings.endpoint),
        fingerprints: settings.fingerprints,
        trustedFiles: settings.trustedFiles,
        allowExpired: settings.allowExpired,
        rejectedFolder: join(folder, "rejected"),
      },
      deps.nowMs(),
    ),
  );
  const client = opcua.OPCUAClient.create({
    applicationName: "Millrace",
    applicationUri,
    clientName: `millrace-${deps.connection}`,
    certificateFile: own.certificateFile,
    privateKeyFile: own.privateKeyFile,
    clientCertificateManager: trust,
    securityMode: opcua.MessageSecurityMode[settings.mode],
    securityPolicy: opcua.SecurityPolicy[settings.policy],
    endpointMustExist: false,
    // The driver must not reconnect by itself: it would take up old node ids after a restart that reordered namespaces,
    // and it hides which subscriptions it could not restore.
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 1_000 },
    keepPendingSessionsOnDisconnect: true,
    requestedSessionTimeout: SESSION_TIMEOUT_MS,
    transportTimeout: IDLE_SOCKET_MS,
    defaultTransactionTimeout: settings.timeoutMs,
  });
  const within = AbortSignal.any([signal, AbortSignal.timeout(settings.timeoutMs)]);
  try {
    await orAborted(client.connect(settings.endpoint), within);
    return { own, client };
  } catch (error) {
    discard(client);
    throw trust.refusal ?? asConnectorError(error, "connecting", contextOf(deps, own));
  }
}

/**
 * The driver answers BadSessionIdInvalid by making a session behind our back, with subscriptions on old node ids. It does so
 * only once at a time: counting one repair as under way turns it off, and the error comes through.
 */
function withoutSelfRepair(session: ClientSession): ClientSession {
  return Object.assign(session, { recursive_repair_detector: 1 });
}

function reactivate(client: OPCUAClient, session: ClientSession): Promise<void> {
  return new Promise((resolve, reject) => {
    client.reactivateSession(session, (error?: Error | null) => (error ? reject(error) : resolve()));
  });
}

/** Lets go of a client; failures are of no interest any more. */
function discard(client: OPCUAClient): void {
  client.disconnect().catch(() => {});
}

function contextOf(deps: ConnectionDeps, own: OwnCertificate): FailureContext {
  return { endpoint: deps.settings.endpoint, certificateFile: own.certificateFile };
}

function hostOf(endpoint: string): string {
  return new URL(endpoint.replace(/^opc\.tcp:/, "http:")).hostname.replace(/^\[|\]$/g, "");
}

function identityOf(settings: OpcUaSettings): UserIdentityInfo {
  const { user } = settings;
  if (user.kind === "anonymous") return { type: opcua.UserTokenType.Anonymous };
  if (user.kind === "password") {
    return { type: opcua.UserTokenType.UserName, userName: user.name, password: user.password };
  }
  return {
    type: opcua.UserTokenType.Certificate,
    certificateData: opcua.crypto_utils.convertPEMtoDER(
      readText(user.certificateFile, "user.certificate_file"),
    ),
    privateKey: readText(user.keyFile, "user.key_file"),
  };
}

function readText(file: string, setting: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `${setting}: ${file} cannot be read; check path and permissions`,
      {
        cause: error,
      },
    );
  }
}

const ids = {
  serverArray: "i=2254",
  namespaceArray: "i=2255",
  productUri: "i=2262",
  read: "i=11705",
  browse: "i=11710",
  translate: "i=11712",
  monitoredItems: "i=11714",
  historyRead: "i=12165",
};

async function readNamespaces(session: ClientSession, signal: AbortSignal): Promise<Namespaces> {
  const data = await orAborted(
    session.read({ nodeId: ids.namespaceArray, attributeId: opcua.AttributeIds.Value }),
    signal,
  );
  const uris = Array.from((data.value.value ?? []) as ArrayLike<string | null>, (uri) => uri ?? "");
  return new Namespaces(uris);
}

async function readLimits(session: ClientSession, signal: AbortSignal): Promise<OperationLimits> {
  const nodes = [ids.read, ids.browse, ids.translate, ids.monitoredItems, ids.historyRead];
  const found = await orAborted(
    session.read(nodes.map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.Value }))),
    signal,
  );
  // 0 or an unreadable node means "no limit named".
  const limit = (index: number, ours: number): number => {
    const theirs = Number(found[index]?.value.value ?? 0);
    return theirs > 0 ? Math.min(theirs, ours) : ours;
  };
  return {
    read: limit(0, OUR_LIMITS.read),
    browse: limit(1, OUR_LIMITS.browse),
    translate: limit(2, OUR_LIMITS.translate),
    monitoredItems: limit(3, OUR_LIMITS.monitoredItems),
    historyRead: limit(4, OUR_LIMITS.historyRead),
  };
}

/**
 * The server's own URI and its product's: they outlive certificates, addresses and firmware. (Two devices that were left
 * with the same factory URI cannot be told apart by anything that a server must show.)
 */
async function readIdentity(
  { session, deps }: Pick<Connection, "session" | "deps">,
  signal: AbortSignal,
): Promise<string> {
  const [servers, product] = await orAborted(
    session.read(
      [ids.serverArray, ids.productUri].map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.Value })),
    ),
    signal,
  );
  const [own] = Array.from((servers?.value.value ?? []) as ArrayLike<string>);
  const uri = own ?? session.endpoint.server.applicationUri ?? deps.settings.endpoint;
  return JSON.stringify([uri, (product?.value.value as string | null | undefined) ?? null]);
}
