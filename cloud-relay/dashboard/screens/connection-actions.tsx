// What an operator asks of a connection: read now, read everything anew, cancel, pause, resume, test the source.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { AskDialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import type { IconName } from "../parts/icon-paths.ts";
import { duration } from "../parts/text.ts";
import { toast, toastProblem } from "../parts/toast.tsx";
import { isReading } from "./sync-look.ts";

type Action = "sync" | "resync" | "cancel" | "pause" | "resume" | "test";

interface ActionLook {
  readonly title: string;
  readonly icon?: IconName;
  readonly done: string;
  /** Asked first: it takes long, or stops something. */
  readonly question?: { readonly title: string; readonly text: string };
}

const LOOKS: Readonly<Record<Action, ActionLook>> = {
  sync: { title: "Sync now", icon: "sync", done: "The agent looks for changes now." },
  resync: {
    title: "Resync",
    done: "The agent reads everything anew.",
    question: {
      title: "Read everything anew?",
      text: "All rows of all entities are read again and compared. Records that are the same make no event; what is gone from the source is deleted here, unless it is so much that somebody is asked first. On a large source this takes a while and loads it.",
    },
  },
  cancel: { title: "Cancel", icon: "cross", done: "What was being read is cancelled." },
  pause: {
    title: "Pause",
    icon: "pause",
    done: "Nothing is read until it is resumed.",
    question: {
      title: "Pause reading?",
      text: "Nothing is read from the source until somebody resumes it. Live reads and writes go on.",
    },
  },
  resume: { title: "Resume", icon: "right", done: "Reading goes on." },
  test: { title: "Test", icon: "check", done: "" },
};

export function ConnectionActions(props: {
  readonly connection: Schema<"Connection">;
  readonly syncs: readonly Schema<"SyncStatus">[];
  readonly onDone: () => void;
}) {
  const { connection, syncs, onDone } = props;
  const [busy, setBusy] = useState<Action>();
  const [asked, setAsked] = useState<Action>();
  if (connection.disconnected_at !== null) return null;

  const run = async (action: Action): Promise<void> => {
    setBusy(action);
    try {
      toast("good", await perform(connection.id, action));
      onDone();
    } catch (error) {
      toastProblem(error);
    }
    setBusy(undefined);
  };
  const isPaused = connection.status === "paused" || syncs.some(({ state }) => state === "paused");
  const actions: readonly Action[] = ["sync", "resync", "cancel", isPaused ? "resume" : "pause", "test"];
  const question = asked === undefined ? undefined : LOOKS[asked].question;
  return (
    <>
      {actions.map((action) => (
        <button
          key={action}
          type="button"
          class="button"
          disabled={busy !== undefined || (action === "cancel" && !syncs.some(isReading))}
          aria-busy={busy === action}
          onClick={() => (LOOKS[action].question === undefined ? void run(action) : setAsked(action))}
        >
          {LOOKS[action].icon !== undefined && <Icon name={LOOKS[action].icon} />}
          {LOOKS[action].title}
        </button>
      ))}
      {asked !== undefined && question !== undefined && (
        <AskDialog
          title={question.title}
          action={LOOKS[asked].title}
          isDanger
          onAsk={async () => {
            await perform(connection.id, asked).then((said) => toast("good", said));
            onDone();
            setAsked(undefined);
          }}
          onClose={() => setAsked(undefined)}
        >
          <p>{question.text}</p>
        </AskDialog>
      )}
    </>
  );
}

/** Resolves with what to say. @throws ApiError when the relay, the plant or its file refused */
async function perform(id: string, action: Action): Promise<string> {
  const params = { path: { id } };
  if (action === "test") {
    const { took_ms: took } = await unwrap(api.POST("/v1/connections/{id}/test", { params }));
    return took === null ? "The source answers." : `The source answers, in ${duration(took)}.`;
  }
  await unwrap(api.POST(`/v1/connections/{id}/${action}`, { params }));
  return LOOKS[action].done;
}
