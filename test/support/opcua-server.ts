// A real OPC UA server for demo and tests, with hooks that do what plants do to connectors.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import {
  DataType,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  StatusCodes,
  TransferResult,
  Variant,
  setErrorLogger,
  setWarningLogger,
  type AddressSpace,
  type StatusCode,
  type UAVariable,
} from "node-opcua";
import { ensureOwnCertificate, type OwnCertificate } from "#agent/connectors/opc-ua/certificates.ts";
import { HistoryArchive } from "./opcua-history.ts";
import { MACHINES_NAMESPACE, buildMachines, keepHistory, type Machines } from "./opcua-machines.ts";

export const ITEMS_NAMESPACE = "urn:test:items";

export interface OpcUaServerOptions {
  /** 0 = any free port; a restart keeps the port. */
  readonly port?: number;
  /** Keys and certificates are kept here, so that the next start is fast. */
  readonly pkiDir: string;
  readonly users?: Readonly<Record<string, string>>;
  readonly anonymous?: boolean;
  /** How often the machines move; 0 = only by `step`. */
  readonly stepMs?: number;
  /** Namespaces registered before the machines', so that indexes differ from what a client may expect. */
  readonly extraNamespaces?: readonly string[];
  /** Plain Double variables `Item0`… in the namespace `urn:test:items`. */
  readonly items?: number;
  readonly historizedItems?: number;
  readonly maxItemsPerCall?: number;
  /** Host announced in endpoints instead of the real one. */
  readonly announcedHost?: string;
  readonly insecureToo?: boolean;
}

/** The part of the server's publish engine that it keeps to itself. */
interface PublishInternals {
  readonly _publish_request_queue: object[];
  _send_error_for_request(request: object, status: StatusCode): void;
}

export class TestOpcUaServer {
  readonly archive = new HistoryArchive();
  readonly options: OpcUaServerOptions;
  #server: OPCUAServer | undefined;
  #machines: Machines | undefined;
  #items: UAVariable[] = [];
  #port = 0;
  #certificate: OwnCertificate | undefined;
  readonly #sockets = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;
  #pki: string;
  #namespaces: readonly string[];

  constructor(options: OpcUaServerOptions) {
    this.options = options;
    this.#port = options.port ?? 0;
    this.#pki = options.pkiDir;
    this.#namespaces = options.extraNamespaces ?? [];
  }

  get port(): number {
    return this.#port;
  }
  get endpointUrl(): string {
    return `opc.tcp://127.0.0.1:${this.#port}`;
  }
  get certificate(): OwnCertificate {
    if (this.#certificate === undefined) throw new Error("the server was not started");
    return this.#certificate;
  }
  get raw(): OPCUAServer {
    if (this.#server === undefined) throw new Error("the server is not running");
    return this.#server;
  }
  get sessionCount(): number {
    return this.#server?.engine.currentSessionCount ?? 0;
  }

  async start(): Promise<void> {
    setErrorLogger(() => {});
    setWarningLogger(() => {});
    mkdirSync(this.#pki, { recursive: true });
    this.#certificate = await ensureOwnCertificate(this.#pki, {
      applicationName: "Demo plant",
      applicationUri: "urn:demo-plant:server",
      dns: ["localhost"],
      ip: ["127.0.0.1"],
    });
    const server = await this.#create(this.#certificate);
    this.#server = server;
    await server.initialize();
    const space = server.engine.addressSpace;
    if (space === null) throw new Error("the server has no address space");
    for (const uri of this.#namespaces) space.registerNamespace(uri);
    this.#machines = buildMachines(space, this.archive);
    this.#items = this.#addItems(space);
    await server.start();
    for (const endpoint of server.endpoints)
      this.#watch((endpoint as unknown as { _server?: Server })._server);
    const { port } = server.endpoints[0] ?? {};
    if (this.#port === 0 && port !== undefined) this.#port = port;
    const { stepMs = 0 } = this.options;
    if (stepMs > 0) this.#timer = setInterval(() => this.step(), stepMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const server = this.#server;
    this.#server = undefined;
    await server?.shutdown(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Stops and starts on the same port; the archive lives on. */
  async restart(
    changes: { readonly extraNamespaces?: readonly string[]; readonly newCertificate?: boolean } = {},
  ): Promise<void> {
    await this.stop();
    if (changes.extraNamespaces !== undefined) this.#namespaces = changes.extraNamespaces;
    if (changes.newCertificate === true)
      this.#pki = join(this.options.pkiDir, randomBytes(4).toString("hex"));
    await this.start();
  }

  step(nowMs = Date.now()): void {
    this.#machines?.step(nowMs);
  }

  variable(name: string): UAVariable {
    const variable = this.#machines?.variables.get(name);
    if (variable === undefined) throw new Error(`no variable ${name}`);
    return variable;
  }

  set(name: string, value: Variant, atMs = Date.now(), status = StatusCodes.Good): void {
    this.variable(name).setValueFromSource(value, status, new Date(atMs));
  }

  /** Gives every plain item the same value at the same instant. */
  setItems(value: number, atMs = Date.now()): void {
    const at = new Date(atMs);
    for (const item of this.#items) {
      item.setValueFromSource(new Variant({ dataType: DataType.Double, value }), StatusCodes.Good, at);
    }
  }

  // Chaos ------------------------------------------------------------------------------------------------------------

  /** Ends every session. With `keepSubscriptions` they are left orphaned, to be transferred. */
  killSessions(keepSubscriptions: boolean): void {
    const { engine } = this.raw;
    for (const session of engine.getSessions()) {
      engine.closeSession(session.authenticationToken, !keepSubscriptions, "Forcing", "");
    }
  }

  deleteSubscriptions(): number {
    let count = 0;
    for (const session of this.raw.engine.getSessions()) {
      for (const subscription of session.publishEngine.subscriptions) {
        session.deleteSubscription(subscription.id);
        count += 1;
      }
    }
    return count;
  }

  /** Removes one monitored item behind the client's back. */
  dropMonitoredItem(): void {
    for (const session of this.raw.engine.getSessions()) {
      for (const subscription of session.publishEngine.subscriptions) {
        const id = subscription.getMonitoredItems().serverHandles[0];
        if (id !== undefined) subscription.removeMonitoredItem(id);
      }
    }
  }

  refuseTransfers(): void {
    this.raw.engine.transferSubscription = () =>
      Promise.resolve(new TransferResult({ statusCode: StatusCodes.BadServiceUnsupported }));
  }

  /** Answers no Republish with a message. */
  forgetMessages(): void {
    for (const session of this.raw.engine.getSessions()) {
      for (const subscription of session.publishEngine.subscriptions) {
        subscription.getMessageForSequenceNumber = () => null;
      }
    }
  }

  /** The next publish response with data is lost on its way: its request is never answered. */
  loseNextNotification(): void {
    for (const session of this.raw.engine.getSessions()) {
      const engine = session.publishEngine;
      const send = engine._send_response_for_request.bind(engine);
      engine._send_response_for_request = (data, response) => {
        const message = "notificationMessage" in response ? response.notificationMessage : undefined;
        if ((message as { notificationData?: unknown[] } | undefined)?.notificationData?.length) {
          engine._send_response_for_request = send;
        } else send(data, response);
      };
    }
  }

  /** Sessions stay alive and answer, but nothing is published any more. */
  mutePublishing(): void {
    for (const session of this.raw.engine.getSessions()) {
      session.publishEngine._send_response_for_request = () => {};
    }
  }

  limitPublishRequests(count: number): void {
    for (const session of this.raw.engine.getSessions()) {
      const engine = session.publishEngine;
      engine.maxPublishRequestInQueue = count;
      const { _publish_request_queue: queue } = engine as unknown as PublishInternals;
      for (const request of queue.splice(0, queue.length - count)) {
        (engine as unknown as PublishInternals)._send_error_for_request(
          request,
          StatusCodes.BadTooManyPublishRequests,
        );
      }
    }
  }

  /** Cuts every connection without a word. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  monitoredItemCount(): number {
    return this.raw.engine
      .getSessions()
      .flatMap((session) => session.publishEngine.subscriptions)
      .reduce((sum, subscription) => sum + subscription.monitoredItemCount, 0);
  }

  async #create(certificate: OwnCertificate): Promise<OPCUAServer> {
    const { options } = this;
    const users = new Map(Object.entries(options.users ?? {}));
    const manager = (name: string): OPCUACertificateManager =>
      new OPCUACertificateManager({
        rootFolder: join(options.pkiDir, name),
        automaticallyAcceptUnknownCertificate: true,
        disableFileWatchers: true,
      });
    const [clients, userCertificates] = [manager("clients"), manager("users")];
    await Promise.all([clients.initialize(), userCertificates.initialize()]);
    return new OPCUAServer({
      port: this.#port,
      host: "127.0.0.1",
      hostname: options.announcedHost ?? "127.0.0.1",
      certificateFile: certificate.certificateFile,
      privateKeyFile: certificate.privateKeyFile,
      serverCertificateManager: clients,
      userCertificateManager: userCertificates,
      serverInfo: {
        applicationUri: "urn:demo-plant:server",
        productUri: "urn:demo-plant",
        applicationName: "Demo plant",
      },
      buildInfo: { productName: "Demo plant", manufacturerName: "Millrace", softwareVersion: "1.0.0" },
      securityModes:
        options.insecureToo === true
          ? [MessageSecurityMode.SignAndEncrypt, MessageSecurityMode.None]
          : [MessageSecurityMode.SignAndEncrypt],
      securityPolicies: [
        SecurityPolicy.Basic256Sha256,
        SecurityPolicy.Aes256_Sha256_RsaPss,
        ...(options.insecureToo === true ? [SecurityPolicy.None] : []),
      ],
      allowAnonymous: options.anonymous ?? users.size === 0,
      userManager: {
        isValidUser: (name: string, password: string) => users.get(name) === password,
      },
      maxConnectionsPerEndpoint: 50,
      serverCapabilities: {
        maxSessions: 50,
        maxMonitoredItems: 1_000_000,
        maxMonitoredItemsPerSubscription: 100_000,
        operationLimits: {
          maxMonitoredItemsPerCall: options.maxItemsPerCall ?? 1_000,
          maxNodesPerRead: 1_000,
          maxNodesPerBrowse: 500,
          maxNodesPerHistoryReadData: 10,
        },
      },
    });
  }

  #watch(listener: Server | undefined): void {
    listener?.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  #addItems(space: AddressSpace): UAVariable[] {
    const { items = 0, historizedItems = 0 } = this.options;
    if (items === 0) return [];
    const namespace = space.registerNamespace(ITEMS_NAMESPACE);
    const folder = namespace.addFolder(space.rootFolder.objects, { browseName: "Items", nodeId: "s=Items" });
    return Array.from({ length: items }, (_, index) => {
      const variable = namespace.addVariable({
        componentOf: folder,
        browseName: `Item${index}`,
        nodeId: `s=Item${index}`,
        dataType: DataType.Double,
        minimumSamplingInterval: 0,
        value: new Variant({ dataType: DataType.Double, value: 0 }),
      });
      if (index < historizedItems) keepHistory(space, variable, `Item${index}`, this.archive);
      return variable;
    });
  }
}

export { MACHINES_NAMESPACE };

/** A started server; dispose of it with `await using`. */
export async function startOpcUaServer(options: OpcUaServerOptions): Promise<TestOpcUaServer> {
  const server = new TestOpcUaServer(options);
  await server.start();
  return server;
}
