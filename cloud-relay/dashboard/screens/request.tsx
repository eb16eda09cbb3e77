// One request of the log: what was asked, what was answered, and a command that asks it again.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { ConnectionLink } from "../parts/connection-link.tsx";
import { Command, CopyButton } from "../parts/copy-button.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { bytes, milliseconds } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { curlText, readableBody } from "./curl-text.ts";
import { toneOfStatus } from "./http-tone.ts";

export function RequestScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const { data, problem, reload } = useResource(`request ${id}`, (signal) =>
    unwrap(api.GET("/admin/v1/requests/{id}", { params: { path: { id } }, signal })),
  );
  return (
    <Page
      title={data === undefined ? "Request" : `${data.method} ${data.route}`}
      back={{ title: "API log", href: to("/requests") }}
      beside={data && <Badge tone={toneOfStatus(data.status)}>{data.status}</Badge>}
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Facts request={data} />}
      {data !== undefined && <Bodies request={data} />}
    </Page>
  );
}

function Facts({ request }: { readonly request: Schema<"LoggedRequest"> }) {
  const { connection_id: connection, code, traceparent } = request;
  return (
    <Card>
      <KeyValue
        items={[
          [
            "Request id",
            <span class="row">
              <code>{request.id}</code>
              <CopyButton text={request.id} label="Copy the request id" />
            </span>,
          ],
          ["When", <Time at={request.at} isExact />],
          ["Took", milliseconds(request.duration_ms)],
          ["Address", <code>{request.url}</code>],
          [
            "Problem",
            code && (
              <a
                href={to("/requests", {}, `?code=${encodeURIComponent(code)}`)}
                title="All with this problem"
              >
                <code>{code}</code>
              </a>
            ),
          ],
          ["Connection", connection && <ConnectionLink id={connection} />],
          ["Token or user", <code>{request.token_id}</code>],
          ["From", request.remote_address],
          ["Program", request.user_agent],
          ["Trace", traceparent && <code>{traceparent}</code>],
          ["Sent", bytes(request.sent_bytes)],
        ]}
      />
    </Card>
  );
}

function Bodies({ request }: { readonly request: Schema<"LoggedRequest"> }) {
  return (
    <>
      <Card title="Ask it again">
        <Command text={curlText(request, location.origin)} label="Copy as curl" />
        <p class="small muted">
          Without the token: set MILLRACE_TOKEN to one of yours. Secrets were left out of the log, and are not
          in here either.
        </p>
      </Card>
      <Card title="What was asked">
        <Body text={request.request_body} label="request body" />
      </Card>
      <Card title="What was answered">
        <Body text={request.answer_body} label="answer body" />
      </Card>
    </>
  );
}

function Body({ text, label }: { readonly text: string | null; readonly label: string }) {
  if (text === null || text === "")
    return <p class="muted">Not held: bodies are kept of writes and refusals only, the first 16 KiB.</p>;
  return <JsonView value={readableBody(text)} label={label} />;
}
