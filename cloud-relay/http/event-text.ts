// One event of the feed as JSON text; its `data` is stored text and goes out as it is.
import { encodeCursor } from "#relay/core/cursors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { StoredEvent } from "#relay/core/store.ts";

export interface FeedContext {
  readonly generation: string;
  readonly fingerprint: string;
}

export function eventCursor(position: number, context: FeedContext): string {
  return encodeCursor({ kind: "feed", position: String(position), ...context });
}

export function eventText(event: StoredEvent, context: FeedContext): string {
  return (
    `{"id":${JSON.stringify(event.id)},"type":${JSON.stringify(event.type)},"position":${event.position}` +
    `,"cursor":"${eventCursor(event.position, context)}","at":"${instantOf(event.atMs)}"` +
    `,"workspace_id":${JSON.stringify(event.workspaceId)},"connection_id":${orNull(event.connectionId)}` +
    `,"entity":${orNull(event.entity)},"record_id":${orNull(event.recordId)},"origin":${orNull(event.origin)}` +
    `,"data":${event.data}}`
  );
}

/** A server-sent event (HTML Living Standard, 9.2): the id is a cursor, so that Last-Event-ID resumes after it. */
export function serverSentEvent(event: StoredEvent, context: FeedContext): string {
  const id = eventCursor(event.position, context);
  return `id: ${id}\nevent: ${event.type}\ndata: ${eventText(event, context)}\n\n`;
}

function orNull(text: string | undefined): string {
  return text === undefined ? "null" : JSON.stringify(text);
}
