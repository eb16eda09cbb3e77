// One subscription on the server and the items in it.
import type {
  DataChangeFilter,
  MonitoredItemCreateRequestOptions,
  MonitoredItemCreateResult,
  TransferSubscriptionsResponse,
} from "node-opcua";
import { messageOf } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import { chunksOf } from "./browse.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import type { PointState } from "./point-state.ts";
import type { Deadband, OpcUaSettings } from "./settings.ts";

const MIN_KEEP_ALIVE_COUNT = 3;
/** The server keeps an unheard subscription for this many keep-alives: the time in which it can be taken up again. */
const LIFETIME_KEEP_ALIVES = 12;

export class ItemGroup {
  readonly id: number;
  readonly states: readonly PointState[];
  readonly publishingMs: number;
  readonly keepAliveCount: number;
  /** How many items the server holds for it. */
  readonly itemCount: number;
  /** The sequence number that the next message must have; undefined before the first. */
  expected: number | undefined;
  /** Monotonic clock, ms. */
  lastHeardMs: number;

  constructor(
    fields: Pick<
      ItemGroup,
      "id" | "states" | "publishingMs" | "keepAliveCount" | "itemCount" | "lastHeardMs"
    >,
  ) {
    this.id = fields.id;
    this.states = fields.states;
    this.publishingMs = fields.publishingMs;
    this.keepAliveCount = fields.keepAliveCount;
    this.itemCount = fields.itemCount;
    this.lastHeardMs = fields.lastHeardMs;
  }

  get keepAliveMs(): number {
    return this.publishingMs * this.keepAliveCount;
  }
}

export interface GroupOptions {
  /** Items wait in the server without sampling until `startSampling`. */
  readonly isDisabled: boolean;
  readonly monotonicMs: number;
  readonly signal: AbortSignal;
}

/** Splits the points over as few subscriptions as the setting allows. */
export async function createGroups(
  connection: Connection,
  states: readonly PointState[],
  options: GroupOptions,
): Promise<readonly ItemGroup[]> {
  const groups: ItemGroup[] = [];
  const usable = states.filter(({ point }) => point.nodeId !== undefined);
  for (const chunk of chunksOf(usable, connection.deps.settings.itemsPerSubscription)) {
    groups.push(await createGroup(connection, chunk, options));
  }
  return groups;
}

export async function createGroup(
  connection: Connection,
  states: readonly PointState[],
  options: GroupOptions,
): Promise<ItemGroup> {
  const { settings } = connection.deps;
  const count = Math.max(MIN_KEEP_ALIVE_COUNT, Math.ceil(settings.keepAliveMs / settings.publishingMs));
  const created = await orAborted(
    connection.session.createSubscription({
      requestedPublishingInterval: settings.publishingMs,
      requestedMaxKeepAliveCount: count,
      requestedLifetimeCount: count * LIFETIME_KEEP_ALIVES,
      maxNotificationsPerPublish: 0,
      publishingEnabled: true,
      priority: 0,
    }),
    options.signal,
  );
  const { subscriptionId: id } = created;
  let itemCount = 0;
  for (const chunk of chunksOf(states, connection.limits.monitoredItems)) {
    itemCount += await createItems(connection, id, chunk, options);
  }
  return new ItemGroup({
    id,
    states,
    publishingMs: created.revisedPublishingInterval,
    keepAliveCount: created.revisedMaxKeepAliveCount,
    itemCount,
    lastHeardMs: options.monotonicMs,
  });
}

async function createItems(
  connection: Connection,
  subscriptionId: number,
  states: readonly PointState[],
  options: GroupOptions,
): Promise<number> {
  const results = await request(connection, subscriptionId, states, options, true);
  const unfiltered = states.filter((_, index) => isFilterRefused(results[index]));
  const again =
    unfiltered.length === 0 ? [] : await request(connection, subscriptionId, unfiltered, options, false);
  let count = 0;
  for (const [index, state] of states.entries()) {
    const retry = unfiltered.indexOf(state);
    const result = retry < 0 ? results[index] : again[retry];
    if (retry >= 0) state.point.deadband = undefined;
    state.itemId = undefined;
    if (result?.statusCode.isGood() === true) {
      count += 1;
      state.itemId = result.monitoredItemId;
      state.point.problem = undefined;
      state.point.samplingMs = result.revisedSamplingInterval;
      state.point.queueSize = result.revisedQueueSize;
    } else state.point.problem = result?.statusCode.name ?? "the server did not answer for this item";
  }
  return count;
}

async function request(
  connection: Connection,
  subscriptionId: number,
  states: readonly PointState[],
  options: GroupOptions,
  withFilter: boolean,
): Promise<readonly MonitoredItemCreateResult[]> {
  const response = await orAborted(
    connection.session.createMonitoredItems({
      subscriptionId,
      timestampsToReturn: opcua.TimestampsToReturn.Both,
      itemsToCreate: states.map((state) =>
        itemOf(state, connection.deps.settings, options.isDisabled, withFilter),
      ),
    }),
    options.signal,
  );
  return response.results ?? [];
}

function itemOf(
  { point, handle }: PointState,
  settings: OpcUaSettings,
  isDisabled: boolean,
  withFilter: boolean,
): MonitoredItemCreateRequestOptions {
  const filter = withFilter ? filterOf(point.deadband) : undefined;
  return {
    itemToMonitor: { nodeId: point.nodeId ?? null, attributeId: opcua.AttributeIds.Value },
    monitoringMode: isDisabled ? opcua.MonitoringMode.Disabled : opcua.MonitoringMode.Reporting,
    requestedParameters: {
      clientHandle: handle,
      samplingInterval: point.settings.samplingMs ?? settings.samplingMs,
      queueSize: settings.queueSize,
      discardOldest: true,
      ...(filter === undefined ? {} : { filter }),
    },
  };
}

function filterOf(deadband: Deadband | undefined): DataChangeFilter | undefined {
  if (deadband === undefined) return undefined;
  return new opcua.DataChangeFilter({
    trigger: opcua.DataChangeTrigger.StatusValue,
    deadbandType: deadband.kind === "absolute" ? opcua.DeadbandType.Absolute : opcua.DeadbandType.Percent,
    deadbandValue: deadband.value,
  });
}

function isFilterRefused(result: MonitoredItemCreateResult | undefined): boolean {
  return result !== undefined && /Filter/.test(result.statusCode.name);
}

/** Lets disabled items begin: each reports its current value first. */
export async function startSampling(
  connection: Connection,
  group: ItemGroup,
  signal: AbortSignal,
): Promise<void> {
  const itemIds = group.states.flatMap(({ itemId }) => itemId ?? []);
  for (const chunk of chunksOf(itemIds, connection.limits.monitoredItems)) {
    await orAborted(
      connection.session.setMonitoringMode({
        subscriptionId: group.id,
        monitoringMode: opcua.MonitoringMode.Reporting,
        monitoredItemIds: [...chunk],
      }),
      signal,
    );
  }
}

/** How many items the server says it holds; undefined where it does not tell (an optional method). */
export async function countItems(
  connection: Connection,
  group: ItemGroup,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const { serverHandles } = await orAborted(connection.session.getMonitoredItems(group.id), signal);
    return serverHandles.length;
  } catch (error) {
    if (/BadSubscriptionIdInvalid/.test(messageOf(error))) return 0;
    if (
      /BadMethodInvalid|BadNotSupported|BadNotImplemented|BadNodeId|BadUserAccessDenied|BadNotExecutable/.test(
        messageOf(error),
      )
    )
      return undefined;
    throw error;
  }
}

/** Best effort: a subscription left behind ends by its own lifetime. Never rejects. */
export async function deleteGroup(
  connection: Connection,
  group: ItemGroup,
  signal: AbortSignal,
): Promise<void> {
  if (connection.isLost) return;
  const gone = new Promise<void>((resolve) => {
    connection.session.deleteSubscriptions({ subscriptionIds: [group.id] }, () => resolve());
  });
  await orAborted(gone, signal).catch(() => {});
}

/** Asks the server to hand subscriptions of an older session over; one status for each. */
export function transferGroups(
  connection: Connection,
  groups: readonly ItemGroup[],
  signal: AbortSignal,
): Promise<TransferSubscriptionsResponse> {
  const transferred = new Promise<TransferSubscriptionsResponse>((resolve, reject) => {
    connection.session.transferSubscriptions(
      { subscriptionIds: groups.map(({ id }) => id), sendInitialValues: true },
      (error, response) => {
        if (error !== null || response === undefined) reject(error ?? new Error("no response"));
        else resolve(response);
      },
    );
  });
  return orAborted(transferred, signal);
}
