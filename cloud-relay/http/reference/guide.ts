// The first day with the API, step by step, for a reader who has nothing but a token: what holds for all addresses, with calls to try.
import { html, line, prose, type Html } from "./html.ts";

export interface Step {
  readonly id: string;
  readonly title: string;
  /** As descriptions are: code, bold, paragraphs. */
  readonly text: string;
  /** In a shell in which `API`, `TOKEN` and `ID` (of a work order) are set. */
  readonly shell: string;
}

const AUTH = '-H "Authorization: Bearer $TOKEN"';
const JSON_TYPE = '-H "Content-Type: application/json"';
const BREAK = " \\\n  ";

function get(path: string, ...options: readonly string[]): string {
  return [`curl -s "$API${path}"`, AUTH, ...options].join(BREAK);
}

function send(method: string, path: string, body: object, ...options: readonly string[]): string {
  return [
    `curl -s -X ${method} "$API${path}"`,
    AUTH,
    JSON_TYPE,
    ...options,
    `-d '${JSON.stringify(body)}'`,
  ].join(BREAK);
}

export const STEPS: readonly Step[] = [
  {
    id: "token",
    title: "What the token sees",
    text: "Every request has `Authorization: Bearer <token>`. A connection's token (`mr_live_…`, `mr_test_…`) sees that connection, a workspace's (`mr_ws_…`) all of its workspace or what it was narrowed to; what a token may not see answers 404, like what does not exist. It has scopes: `read`, `write`, `admin`.\n\nA **sandbox** is a connection without a plant, with the data of three sites. Its tokens begin with `mr_test_`, and all that follows works with them: nothing can be broken.",
    shell: get("/v1/connections"),
  },
  {
    id: "lists",
    title: "Lists, filters, fields",
    text: "Every entity has a list. Filters compare exactly, all must hold, enumerations and references take several values with commas; references go by `id` or by `remote_id`, the source's own key. Ranges of dates (`order_date_after`, `…_before`) are without their ends. A wrong name or value is refused, and the refusal names the nearest right one.\n\n`fields` leaves out what is not needed, `expand` puts the referenced records in the place of their references, `include=raw` adds the source's own row, `include=provenance` the columns that each field comes from.",
    shell: [
      get("/v1/work-orders?status=approved,in_progress&limit=3"),
      get("/v1/purchase-orders?order_date_after=2026-01-31&expand=vendor&fields=number,vendor.name"),
    ].join("\n\n"),
  },
  {
    id: "pages",
    title: "Pages",
    text: "A list answers `{data, next_cursor}`. Pass `next_cursor` back as `cursor`, with the same filters, until it is null: no record is skipped, whatever is written meanwhile, and one that changes comes again with a greater `revision`. With filters a page may be short or even empty before the end.\n\nPages by number (`page`, `per_page`) also say how many there are; they reach to record 10,000.",
    shell: [get("/v1/vendors?limit=50"), get("/v1/vendors?page=2&per_page=20&fields=code,name")].join("\n\n"),
  },
  {
    id: "keeping-up",
    title: "Keeping up",
    text: "`/v1/events` is the change feed: keep `next_cursor`, ask again, miss nothing. With `Accept: text/event-stream` it is a live stream. `/v1/export` gives everything once, as lines of JSON, and the feed's cursor to go on from. To poll one list, pass the last `updated_at` as `modified_after`.\n\n**Apply what has a greater `revision` than what you have, ignore the rest**: then nothing can go wrong, in whatever order it comes.",
    shell: [get("/v1/events?limit=5"), get("/v1/export?entities=vendor")].join("\n\n"),
  },
  {
    id: "records",
    title: "One record",
    text: "By its `id`, which never changes. Its `ETag` in `If-None-Match` answers 304 until something changes. `source=live` asks the source itself, through the agent. `as_of` shows it as it was, `/history` every version, `/trace` where the value comes from. What is gone from its source answers `RECORD_DELETED`, and its last state with `include_deleted=true`.\n\nMoney and quantities are exact decimal text, instants UTC. A field that the source does not have is left out, an empty one is null. Take an enumeration's value that you do not know for `unknown`, and look at the `native_…` field beside it.",
    shell: [
      get("/v1/work-orders/$ID?source=live&fields=number,status"),
      get("/v1/work-orders/$ID/history?limit=3"),
    ].join("\n\n"),
  },
  {
    id: "fields",
    title: "Which fields, which writes",
    text: "`/v1/metadata/entities` lists the entities with their filters; `/v1/metadata/entities/{entity}` the fields, and for one connection where they come from. `/v1/connections/{id}/capabilities` tells what may be written, with which fields, and whether the plant applies it at once, holds it for approval or waits for its hours.",
    shell: get("/v1/metadata/entities/work_order"),
  },
  {
    id: "writes",
    title: "Writes",
    text: 'Values are the record\'s own fields; a reference is `{"remote_id": …}` or `{"id": …}`. `PATCH` is a merge patch: what is left out stays, null empties. Status changes and the like are actions. The answer is the record as its source has it afterwards; the change also comes by the feed, once. In a sandbox all is checked and answered, and nothing is changed.\n\n`dry_run=true` does everything but keep it. **Send an `Idempotency-Key`**: the same request under the same key is done once, however often it is sent, so that after a broken line you may simply send it again. `If-Match` with the record\'s ETag refuses when somebody else was faster. `Prefer: respond-async` answers at once with the operation; `queue_if_offline=true` lets it wait for an agent that is away.',
    shell: [
      send("POST", "/v1/work-orders?dry_run=true", { type: "corrective", title: "Pump 7 leaks" }),
      send(
        "PATCH",
        "/v1/work-orders/$ID",
        { title: "Pump 7: seal replaced" },
        '-H "Idempotency-Key: pump-7-seal"',
      ),
      send("POST", "/v1/work-orders/$ID/actions/change_status", { status: "in_progress" }),
    ].join("\n\n"),
  },
  {
    id: "operations",
    title: "Operations",
    text: "Every write is an operation: it survives restarts on all sides and is done at most once. An answer 202 has its id: ask `/v1/operations/{id}` until `is_finished`, or wait for `command.finished` in the feed. One that has not begun can be cancelled.",
    shell: get("/v1/operations?limit=3"),
  },
  {
    id: "refusals",
    title: "Refusals",
    text: "Every refusal is a problem document: `code` for programs, `detail` for people with what to do, `errors` for each wrong member, `retryable` and `Retry-After` for whether and when to try again. The page Problems lists every code, what to do about it and how to see it in a sandbox: there are work orders on which every write goes wrong in its own way, and the whole plant can be away for a while.",
    shell: get("/v1/work-orders?number=WO-9001&fields=number,title"),
  },
];

export function guidePage(): Html {
  const contents = STEPS.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`);
  const steps = STEPS.map(
    ({ id, title, text, shell }) =>
      html`<section id="${id}">
        <h2><a href="#${id}">${title}</a></h2>
        ${prose(text)}
        <pre>${shell}</pre>
      </section>`,
  );
  return html`<h1>The first day</h1>
    <p>
      ${line("What holds for all addresses, in the order in which one needs it. Each call can be tried in a shell with")}
    </p>
    <pre>${PREPARATION}</pre>
    <ul>
      ${contents}
    </ul>
    ${steps}`;
}

/** Also on the overview. */
export const PREPARATION = "export API=https://relay.example.com\nexport TOKEN=mr_test_…";
