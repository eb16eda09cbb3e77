// The tokens of one connection: who reads and writes it through the API. A new one is shown once.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { Command } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { AskDialog, Dialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { Time } from "../parts/time.tsx";
import { toast } from "../parts/toast.tsx";
import type { ConnectionTabProps } from "./connection.tsx";
import { endOfDay, tokenState, tokensOf } from "./token-list.ts";

type Token = Schema<"Token">;

const PAGE_TOKENS = 200;
const MAX_PAGES = 10;

export function ConnectionTokens({ connection }: ConnectionTabProps) {
  const { id, name } = connection;
  const query = useQuery();
  const { data, problem, reload } = useResource(`tokens ${id}`, (signal) => loadTokens(id, signal));
  const [asked, setAsked] = useState<Token>();
  const isAll = query.get("revoked") === "true";
  const shown = data?.filter((token) => isAll || tokenState(token, Date.now()) !== "revoked");
  return (
    <>
      <div class="row wrap between">
        <label class="row small">
          <input
            type="checkbox"
            checked={isAll}
            onChange={(event) => query.set({ revoked: event.currentTarget.checked ? "true" : undefined })}
          />
          Also revoked ones
        </label>
        <button type="button" class="button primary" onClick={() => query.set({ create: "1" })}>
          <Icon name="plus" /> Make a token
        </button>
      </div>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card isFlush>
        <DataTable
          caption="Tokens of the connection"
          columns={columnsOf(setAsked)}
          rows={shown}
          rowKey={(token) => token.id}
          empty={
            <EmptyState
              icon="key"
              title="No token of its own"
              text="A connection's token sees this connection and nothing else: give one to each application. A workspace's token sees it too, together with all others."
            >
              <Command text={`millrace-relay token create --connection ${id}`} />
            </EmptyState>
          }
        />
      </Card>
      {query.get("create") !== "" && (
        <CreateDialog
          connectionId={id}
          name={name}
          onClose={() => {
            query.set({ create: undefined });
            reload();
          }}
        />
      )}
      {asked !== undefined && (
        <RevokeDialog token={asked} onClose={() => setAsked(undefined)} onDone={reload} />
      )}
    </>
  );
}

function columnsOf(revoke: (token: Token) => void): readonly Column<Token>[] {
  return [
    {
      key: "name",
      title: "Token",
      sort: (token) => token.name,
      cell: (token) => (
        <div>
          <strong>{token.name === "" ? "without a name" : token.name}</strong>
          <div class="small muted">
            <code>{token.hint}…</code>
          </div>
        </div>
      ),
    },
    {
      key: "state",
      title: "State",
      cell: (token) => {
        const state = tokenState(token, Date.now());
        return state === "valid" ? (
          <Badge tone="good" icon="check">
            Valid
          </Badge>
        ) : (
          <Badge icon="cross">{state === "revoked" ? "Revoked" : "Expired"}</Badge>
        );
      },
    },
    { key: "scopes", title: "May", cell: (token) => token.scopes.join(", ") },
    { key: "created", title: "Made", cell: (token) => <Time at={token.created_at} /> },
    {
      key: "expires",
      title: "Expires",
      cell: (token) => (token.expires_at === null ? "never" : <Time at={token.expires_at} />),
    },
    {
      key: "actions",
      title: "Actions",
      isTitleHidden: true,
      align: "end",
      cell: (token) =>
        token.revoked_at === null && (
          <button
            type="button"
            class="button small quiet"
            aria-label={`Revoke ${token.name || token.hint}`}
            onClick={() => revoke(token)}
          >
            Revoke
          </button>
        ),
    },
  ];
}

function CreateDialog(props: {
  readonly connectionId: string;
  readonly name: string;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState("");
  const [mayWrite, setMayWrite] = useState(false);
  const [until, setUntil] = useState("");
  const [made, setMade] = useState<Schema<"NewToken">>();
  const create = async (): Promise<void> => {
    const body = {
      kind: "connection" as const,
      connection_id: props.connectionId,
      scopes: mayWrite ? ["read", "write"] : ["read"],
      ...(name.trim() !== "" && { name: name.trim() }),
      ...(until !== "" && { expires_at: endOfDay(until) }),
    };
    setMade(await unwrap(api.POST("/admin/v1/tokens", { body })));
  };
  if (made !== undefined)
    return (
      <Dialog
        key="made"
        title="The token"
        onClose={props.onClose}
        actions={
          <button type="button" class="button primary" onClick={props.onClose}>
            I have copied it
          </button>
        }
      >
        <p>
          Copy it now: it is shown this once and never again. It may {made.scopes.join(" and ")} {props.name}.
        </p>
        <Command text={made.token} label="Copy the token" />
      </Dialog>
    );
  return (
    <AskDialog
      key="form"
      title={`Make a token for ${props.name}`}
      action="Make it"
      onAsk={create}
      onClose={props.onClose}
    >
      <Field
        label="Name"
        hint="Which application has it: seen in the log of requests and here"
        control={(ids) => (
          <input
            {...ids}
            class="input"
            type="text"
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      />
      <Field
        label="Valid to the end of"
        hint="For ever if left empty; it can be revoked at any time"
        control={(ids) => (
          <input
            {...ids}
            class="input"
            type="date"
            value={until}
            onChange={(event) => setUntil(event.currentTarget.value)}
          />
        )}
      />
      <label class="row">
        <input
          type="checkbox"
          checked={mayWrite}
          onChange={(event) => setMayWrite(event.currentTarget.checked)}
        />
        It may also write, as far as the plant allows it
      </label>
    </AskDialog>
  );
}

function RevokeDialog(props: {
  readonly token: Token;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { token, onClose, onDone } = props;
  const revoke = async (): Promise<void> => {
    await unwrap(api.DELETE("/admin/v1/tokens/{id}", { params: { path: { id: token.id } } }));
    toast("good", "The token is refused from now on.");
    onDone();
    onClose();
  };
  return (
    <AskDialog
      title={`Revoke ${token.name || token.hint}?`}
      action="Revoke"
      isDanger
      onAsk={revoke}
      onClose={onClose}
    >
      <p>Whoever uses it is refused at once. It cannot be taken back; make a new one instead.</p>
    </AskDialog>
  );
}

/** The API lists those of the whole workspace. @throws ApiError */
async function loadTokens(id: string, signal: AbortSignal): Promise<readonly Token[]> {
  const all: Token[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const query = { limit: PAGE_TOKENS, ...(cursor !== undefined && { cursor }) };
    const { data, next_cursor: next } = await unwrap(
      api.GET("/admin/v1/tokens", { params: { query }, signal }),
    );
    all.push(...tokensOf(data, id));
    if (next === null) break;
    cursor = next;
  }
  return all;
}
