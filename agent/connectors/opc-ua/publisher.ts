// Keeps publish requests waiting at the server, acknowledges what arrived, and notices what did not.
import type { NotificationMessage, PublishResponse } from "node-opcua";
import { messageOf } from "#common/runtime/errors.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import { isSessionLost } from "./failures.ts";
import type { ItemGroup } from "./item-group.ts";

/** Requests that wait at the server beyond one for each subscription: covers the time that answers travel. */
const SPARE_REQUESTS = 2;
/** Messages asked for again after a hole in the sequence, at most. */
const MAX_REPUBLISH = 100;
/** Failures in a row, of no known kind, after which the session counts as broken. */
const MAX_FAILURES = 5;
/** Sequence numbers wrap from here to 1 (OPC 10000-4, 7.27). */
const MAX_SEQUENCE = 4_294_967_295;

interface Acknowledgement {
  readonly subscriptionId: number;
  readonly sequenceNumber: number;
}

/** What stopped working; the ladder of `live-session.ts` decides what is done about it. */
export type Trouble =
  | { readonly kind: "channel"; readonly detail: string }
  | { readonly kind: "session"; readonly detail: string }
  | { readonly kind: "subscription"; readonly group: ItemGroup; readonly detail: string };

export interface PublisherEvents {
  /** A sign of life, with or without data. */
  readonly onAlive: (group: ItemGroup) => void;
  /** One message of a subscription that carries data; in order, but for those that had to be asked for again. */
  readonly onMessage: (group: ItemGroup, message: NotificationMessage) => void;
  /** Messages of this subscription are lost for good. */
  readonly onLost: (group: ItemGroup) => void;
  readonly onTrouble: (trouble: Trouble) => void;
}

export class Publisher {
  readonly #connection: Connection;
  readonly #groups = new Map<number, ItemGroup>();
  readonly #events: PublisherEvents;
  readonly #monotonicMs: () => number;
  #acknowledgements: Acknowledgement[] = [];
  #outstanding = 0;
  /** The server said that it takes no more than this many. */
  #accepted = Number.POSITIVE_INFINITY;
  #failures = 0;
  #isStopped = false;

  constructor(connection: Connection, events: PublisherEvents, monotonicMs: () => number) {
    this.#connection = connection;
    this.#events = events;
    this.#monotonicMs = monotonicMs;
  }

  get groups(): Iterable<ItemGroup> {
    return this.#groups.values();
  }

  add(group: ItemGroup): void {
    group.lastHeardMs = this.#monotonicMs();
    this.#groups.set(group.id, group);
    this.#fill();
  }

  remove(group: ItemGroup): void {
    this.#groups.delete(group.id);
  }

  /** Answers that still come are ignored. */
  stop(): void {
    this.#isStopped = true;
    this.#groups.clear();
  }

  #fill(): void {
    const wanted = Math.min(this.#accepted, this.#groups.size === 0 ? 0 : this.#groups.size + SPARE_REQUESTS);
    while (!this.#isStopped && this.#outstanding < wanted) this.#send();
  }

  #send(): void {
    this.#outstanding += 1;
    const acknowledgements = this.#acknowledgements;
    this.#acknowledgements = [];
    const keepAliveMs = Math.max(...[...this.#groups.values()].map((group) => group.keepAliveMs));
    const request = new opcua.PublishRequest({
      // The driver gives up a request after its hint; the watchdog is faster, so this only sets an end.
      requestHeader: { timeoutHint: Math.round(keepAliveMs * 4 + 30_000) },
      subscriptionAcknowledgements: [...acknowledgements],
    });
    this.#connection.session.publish(request, (error, response) => {
      this.#outstanding -= 1;
      if (this.#isStopped) return;
      if (error !== null || response === undefined) this.#failed(error, acknowledgements);
      else this.#received(response);
    });
  }

  #received(response: PublishResponse): void {
    this.#failures = 0;
    const group = this.#groups.get(response.subscriptionId);
    const message = response.notificationMessage;
    if (group !== undefined) {
      group.lastHeardMs = this.#monotonicMs();
      this.#events.onAlive(group);
      const hasData = (message.notificationData?.length ?? 0) > 0;
      this.#checkSequence(group, message.sequenceNumber, hasData);
      if (hasData) {
        this.#acknowledge(group, message.sequenceNumber);
        this.#deliver(group, message);
      }
    }
    this.#fill();
  }

  #acknowledge(group: ItemGroup, sequenceNumber: number): void {
    this.#acknowledgements.push({ subscriptionId: group.id, sequenceNumber });
  }

  #deliver(group: ItemGroup, message: NotificationMessage): void {
    for (const data of message.notificationData ?? []) {
      if (data instanceof opcua.StatusChangeNotification && data.status.isNotGood()) {
        this.#events.onTrouble({
          kind: "subscription",
          group,
          detail: `the server ended it: ${data.status.name}`,
        });
      }
    }
    this.#events.onMessage(group, message);
  }

  /** A keep-alive names the number that the next message will have. */
  #checkSequence(group: ItemGroup, sequenceNumber: number, hasData: boolean): void {
    const { expected } = group;
    group.expected = hasData ? following(sequenceNumber) : sequenceNumber;
    if (expected === undefined || expected === sequenceNumber) return;
    const missing: number[] = [];
    for (let at = expected; at !== sequenceNumber && missing.length <= MAX_REPUBLISH; at = following(at))
      missing.push(at);
    // A number from the past is a message that came twice; a leap this far is a new numbering.
    if (missing.length > MAX_REPUBLISH) {
      this.#events.onLost(group);
      return;
    }
    void this.#recoverHole(group, missing);
  }

  /** Asks for messages again; what the server no longer has is lost. Never rejects. */
  async #recoverHole(group: ItemGroup, sequenceNumbers: readonly number[]): Promise<void> {
    for (const sequenceNumber of sequenceNumbers) {
      const message = await this.#republish(group, sequenceNumber);
      if (this.#isStopped) return;
      if (typeof message === "string") {
        this.#events.onLost(group);
        return;
      }
      this.#acknowledge(group, sequenceNumber);
      this.#deliver(group, message);
    }
  }

  /**
   * After a new channel, before `add`: everything that the server still holds, from the next expected number on.
   * @returns whether the subscription still exists there
   */
  async catchUp(group: ItemGroup): Promise<boolean> {
    for (let count = 0; count < MAX_REPUBLISH && group.expected !== undefined; count += 1) {
      const { expected } = group;
      const message = await this.#republish(group, expected);
      if (message === "gone") return false;
      if (message === "not there") return true;
      group.expected = following(expected);
      this.#acknowledge(group, expected);
      this.#deliver(group, message);
    }
    return true;
  }

  #republish(
    group: ItemGroup,
    retransmitSequenceNumber: number,
  ): Promise<NotificationMessage | "not there" | "gone"> {
    const request = new opcua.RepublishRequest({ subscriptionId: group.id, retransmitSequenceNumber });
    return new Promise((resolve) => {
      this.#connection.session.republish(request, (error, response) => {
        if (error === null && response?.responseHeader.serviceResult.isGood() === true) {
          resolve(response.notificationMessage);
        } else resolve(/BadSubscriptionIdInvalid/.test(messageOf(error)) ? "gone" : "not there");
      });
    });
  }

  #failed(error: Error | null, acknowledgements: readonly Acknowledgement[]): void {
    const text = messageOf(error);
    this.#acknowledgements.push(...acknowledgements);
    if (
      this.#connection.isLost ||
      /Connection Break|Invalid Channel|not connected|socket|premature/i.test(text)
    ) {
      this.#events.onTrouble({ kind: "channel", detail: text });
    } else if (isSessionLost(error)) {
      this.#events.onTrouble({ kind: "session", detail: text });
    } else if (/BadTooManyPublishRequests/.test(text)) {
      // What is still waiting there is what the server takes.
      this.#accepted = Math.max(1, Math.min(this.#accepted, this.#outstanding));
      this.#fill();
    } else if (/BadNoSubscription/.test(text)) {
      for (const group of this.#groups.values()) {
        this.#events.onTrouble({ kind: "subscription", group, detail: text });
      }
    } else {
      this.#failures += 1;
      if (this.#failures < MAX_FAILURES) this.#fill();
      else
        this.#events.onTrouble({
          kind: "session",
          detail: `publishing failed ${MAX_FAILURES} times in a row: ${text}`,
        });
    }
  }
}

function following(sequenceNumber: number): number {
  return sequenceNumber >= MAX_SEQUENCE ? 1 : sequenceNumber + 1;
}
