// What an administrator may do with endpoints: make and change them, turn their secrets over, switch them off and on.
import { messageOf } from "#common/runtime/errors.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { isEntity } from "#common/contract/model/entities.ts";
import { invalidRequest } from "../administration.ts";
import { subjects, type Bus } from "../bus.ts";
import type { Directory } from "../directory.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import type { Reader, Scope } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import { checkSettings, type EndpointCheckDeps, type EndpointSettings } from "./endpoint-check.ts";
import type {
  EndpointDisabled,
  EndpointHeader,
  EndpointRow,
  EndpointSecret,
  EndpointTransport,
  SignatureKind,
} from "./endpoint.ts";
import { placeOfHeader, placeOfSecret, type SecretBox, type Signer } from "./sender.ts";
import type { StoredEndpoint, WebhookStore } from "./webhook-store.ts";

export interface EndpointsDeps extends EndpointCheckDeps {
  readonly store: { readonly directory: Directory; readonly reader: Reader; readonly webhooks: WebhookStore };
  readonly bus: Bus;
  readonly clock: Clock;
  readonly randomBytes: Entropy["randomBytes"];
  readonly signer: Signer;
  readonly box: SecretBox;
}

export interface NewEndpoint extends EndpointSettings {
  readonly workspaceId: string;
  /** Only events of this connection. */
  readonly connectionId?: string | undefined;
  readonly transport?: EndpointTransport;
  readonly url: string;
  /** v1 if not given; a secret of one's own says it itself. */
  readonly signature?: SignatureKind | undefined;
  readonly secret?: string | undefined;
}

/** `secret` is shown this once. */
export interface WithSecret {
  readonly endpoint: StoredEndpoint;
  readonly secretId: string;
  readonly secret: string;
  readonly publicKey: string | undefined;
}

const MAX_ENDPOINTS_PER_WORKSPACE = 2_000;
/** How long the one before signs along after a rotation. */
const OVERLAP_MS = 24 * 3_600_000;
/** That sign at the same time; each is a header's worth of bytes in every delivery. */
const MAX_SECRETS = 5;
const DEFAULT_AT_ONCE = 4;

export class Endpoints {
  readonly #deps: EndpointsDeps;

  constructor(deps: EndpointsDeps) {
    this.#deps = deps;
  }

  /** Why nothing would ever be sent to the address, for whoever sets it; undefined: it may be tried. */
  refusal(url: string): string | undefined {
    return this.#deps.senders.http?.refusal(url);
  }

  /** @throws Problem INVALID_REQUEST with every wrong member, NOT_FOUND for the connection, CONFLICT when there are too many */
  async create(input: NewEndpoint): Promise<WithSecret> {
    const { store, clock, randomBytes } = this.#deps;
    const { workspaceId, connectionId, transport = "http", types = ["*"] } = input;
    checkSettings(this.#deps, { ...input, types }, transport, await this.#customEntities(workspaceId));
    const scope = { workspaceId };
    if (connectionId !== undefined && (await store.directory.connection(scope, connectionId)) === undefined)
      throw new Problem("NOT_FOUND", `There is no connection ${connectionId} in the workspace.`);
    if ((await store.webhooks.endpoints(scope)).length >= MAX_ENDPOINTS_PER_WORKSPACE) {
      const detail = `The workspace has ${MAX_ENDPOINTS_PER_WORKSPACE} webhook endpoints already; delete one first.`;
      throw new Problem("CONFLICT", detail);
    }
    const nowMs = clock.nowMs();
    const id = newId("whe", nowMs, randomBytes);
    const made = this.#newSecret(id, input.signature ?? "v1", input.secret);
    // Asked for before it is there: what is committed from here on is for it.
    const { newest } = await store.reader.feedBounds(workspaceId);
    const row: EndpointRow = {
      id,
      workspaceId,
      connectionId,
      name: input.name ?? nameOf(input.url),
      transport,
      url: input.url,
      types,
      origins: input.origins ?? ["change"],
      echoes: input.echoes ?? true,
      condition: input.condition ?? undefined,
      payload: input.payload ?? "full",
      payloadVersion: 1,
      ordering: input.ordering ?? "none",
      perSecond: input.perSecond ?? undefined,
      atOnce: input.atOnce ?? DEFAULT_AT_ONCE,
      headers: this.#sealed(id, input.headers ?? {}),
      secrets: [made.row],
      disabled: undefined,
      fromPosition: newest,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    await store.webhooks.createEndpoint(row);
    this.#tell(id);
    const { secret, publicKey } = made;
    return { endpoint: await this.get(scope, id), secretId: made.row.id, secret, publicKey };
  }

  /** @throws Problem NOT_FOUND */
  async get(scope: Scope, id: string): Promise<StoredEndpoint> {
    const found = await this.#deps.store.webhooks.endpoint(scope, id);
    if (found === undefined) throw new Problem("NOT_FOUND", `There is no webhook endpoint ${id} here.`);
    return found;
  }

  /** Deliveries that are under way may still go by what held before. @throws Problem INVALID_REQUEST, NOT_FOUND */
  async change(scope: Scope, id: string, settings: EndpointSettings): Promise<StoredEndpoint> {
    const { row } = await this.get(scope, id);
    checkSettings(this.#deps, settings, row.transport, await this.#customEntities(row.workspaceId));
    if (row.transport === "listener" && settings.url !== undefined) {
      const detail = "cannot be set: whoever listens to this endpoint has no address; make another endpoint";
      throw invalidRequest("The endpoint cannot be like this", [{ pointer: "#/url", detail }]);
    }
    const headers = settings.headers && this.#sealed(id, settings.headers);
    // Another address is another receiver: what the one before did is not held against it.
    const isMoved = settings.url !== undefined && settings.url !== row.url;
    return this.#changed(scope, id, (before) => applied(before, settings, headers), isMoved);
  }

  /** @throws Problem NOT_FOUND */
  async remove(scope: Scope, id: string): Promise<void> {
    const { row } = await this.get(scope, id);
    await this.#deps.store.webhooks.deleteEndpoint(row.workspaceId, id, this.#deps.clock.nowMs());
    this.#tell(id);
  }

  /**
   * A new secret signs from now on; those before sign along for a day, or not any more with `expiresNow`.
   * @throws Problem NOT_FOUND, INVALID_REQUEST for a secret of one's own, CONFLICT when too many sign already
   */
  async rotate(
    scope: Scope,
    id: string,
    options: { readonly kind?: SignatureKind; readonly secret?: string; readonly expiresNow?: boolean },
  ): Promise<WithSecret> {
    const { row } = await this.get(scope, id);
    const made = this.#newSecret(id, options.kind ?? row.secrets[0]?.kind ?? "v1", options.secret);
    const nowMs = this.#deps.clock.nowMs();
    const untilMs = nowMs + OVERLAP_MS;
    const endpoint = await this.#changed(scope, id, (before) => {
      const living = options.expiresNow === true ? [] : before.secrets.filter((old) => isLiving(old, nowMs));
      if (living.length >= MAX_SECRETS) throw tooManySecrets();
      const old = living.map((each) => expiring(each, untilMs));
      return { ...before, secrets: [made.row, ...old] };
    });
    return { endpoint, secretId: made.row.id, secret: made.secret, publicKey: made.publicKey };
  }

  /** It signs nothing any more, at once. @throws Problem NOT_FOUND, CONFLICT for the one that is current */
  async revokeSecret(scope: Scope, id: string, secretId: string): Promise<StoredEndpoint> {
    return this.#changed(scope, id, (before) => {
      const secret = before.secrets.find((each) => each.id === secretId);
      if (secret === undefined) throw new Problem("NOT_FOUND", `The endpoint has no secret ${secretId}.`);
      if (secret.expiresAtMs === undefined) {
        const detail =
          "It is the endpoint's current secret. Rotate first, with expire_now where it has leaked.";
        throw new Problem("CONFLICT", detail);
      }
      return { ...before, secrets: before.secrets.filter((each) => each.id !== secretId) };
    });
  }

  /** Its deliveries wait, new events are not kept for it. @throws Problem NOT_FOUND */
  disable(scope: Scope, id: string, why: Partial<EndpointDisabled> = {}): Promise<StoredEndpoint> {
    const atMs = this.#deps.clock.nowMs();
    return this.#changed(scope, id, (before) =>
      before.disabled === undefined
        ? { ...before, disabled: { reason: "by_user", detail: "Somebody has disabled it.", ...why, atMs } }
        : undefined,
    );
  }

  /** As good as new: its breaker and its failures are forgotten. @throws Problem NOT_FOUND */
  enable(scope: Scope, id: string): Promise<StoredEndpoint> {
    return this.#changed(
      scope,
      id,
      (before) => (before.disabled === undefined ? undefined : { ...before, disabled: undefined }),
      true,
    );
  }

  async #changed(
    scope: Scope,
    id: string,
    decide: (before: EndpointRow) => EndpointRow | undefined,
    resetsHealth = false,
  ): Promise<StoredEndpoint> {
    const { row } = await this.get(scope, id);
    const { store, clock } = this.#deps;
    const changed = await store.webhooks.changeEndpoint(
      row.workspaceId,
      id,
      (before) => {
        const after = decide(before);
        // Strictly later: who holds the row sees by it that it changed.
        return after && { ...after, updatedAtMs: Math.max(clock.nowMs(), before.updatedAtMs + 1) };
      },
      resetsHealth,
    );
    if (changed === undefined) throw new Problem("NOT_FOUND", `There is no webhook endpoint ${id} here.`);
    this.#tell(id);
    return changed;
  }

  #newSecret(
    endpointId: string,
    kind: SignatureKind,
    own: string | undefined,
  ): { readonly row: EndpointSecret; readonly secret: string; readonly publicKey: string | undefined } {
    const { signer, box, clock, randomBytes } = this.#deps;
    const made =
      own === undefined ? { kind, ...signer.newSecret(kind) } : { ...adopted(signer, own), secret: own };
    const createdAtMs = clock.nowMs();
    const id = newId("whs", createdAtMs, randomBytes);
    const { secret, publicKey } = made;
    const row: EndpointSecret = {
      id,
      kind: made.kind,
      sealed: box.seal(secret, placeOfSecret(endpointId, { id })),
      ...(publicKey === undefined ? {} : { publicKey }),
      createdAtMs,
      expiresAtMs: undefined,
    };
    return { row, secret, publicKey };
  }

  #sealed(endpointId: string, headers: Readonly<Record<string, string>>): readonly EndpointHeader[] {
    const { box } = this.#deps;
    return Object.entries(headers).map(([name, value]) => ({
      name,
      sealed: box.seal(value, placeOfHeader(endpointId, name)),
    }));
  }

  async #customEntities(workspaceId: string): Promise<ReadonlySet<string>> {
    const connections = await this.#deps.store.directory.connections({ workspaceId });
    const entities = connections.flatMap(({ description }) => description?.entities ?? []);
    return new Set(entities.map(({ entity }) => entity).filter((entity) => !isEntity(entity)));
  }

  #tell(id: string): void {
    this.#deps.bus.publish(subjects.webhookEndpoints, id);
  }
}

function applied(
  before: EndpointRow,
  settings: EndpointSettings,
  headers: readonly EndpointHeader[] | undefined,
): EndpointRow {
  const { condition, perSecond } = settings;
  return {
    ...before,
    name: settings.name ?? before.name,
    url: settings.url ?? before.url,
    types: settings.types ?? before.types,
    origins: settings.origins ?? before.origins,
    echoes: settings.echoes ?? before.echoes,
    payload: settings.payload ?? before.payload,
    ordering: settings.ordering ?? before.ordering,
    atOnce: settings.atOnce ?? before.atOnce,
    ...(condition === undefined ? {} : { condition: condition ?? undefined }),
    ...(perSecond === undefined ? {} : { perSecond: perSecond ?? undefined }),
    ...(headers === undefined ? {} : { headers }),
  };
}

function adopted(signer: Signer, own: string): ReturnType<Signer["adopt"]> {
  try {
    return signer.adopt(own);
  } catch (error) {
    throw invalidRequest("The secret cannot be used", [{ pointer: "#/secret", detail: messageOf(error) }]);
  }
}

function isLiving({ expiresAtMs }: EndpointSecret, nowMs: number): boolean {
  return expiresAtMs === undefined || expiresAtMs > nowMs;
}

function expiring(secret: EndpointSecret, untilMs: number): EndpointSecret {
  return { ...secret, expiresAtMs: Math.min(secret.expiresAtMs ?? untilMs, untilMs) };
}

/** The host, for who gives no name. */
function nameOf(url: string): string {
  return /^[a-z]+:\/\/([^/?#]+)/.exec(url)?.[1]?.slice(0, 100) ?? "endpoint";
}

function tooManySecrets(): Problem {
  const detail = `${MAX_SECRETS} secrets sign already. Revoke an old one first, or rotate with expire_now.`;
  return new Problem("CONFLICT", detail);
}
