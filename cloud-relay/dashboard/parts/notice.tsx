// Why something cannot be shown, and what to do: problems in the API's words, and empty screens that teach.
import type { ComponentChildren } from "preact";
import type { ProblemView } from "../api/problem.ts";
import { CopyButton } from "./copy-button.tsx";
import { Icon } from "./icon.tsx";
import type { IconName } from "./icon-paths.ts";

export function ProblemNotice({
  problem,
  onRetry,
}: {
  readonly problem: ProblemView;
  readonly onRetry?: () => void;
}) {
  const { title, detail, code, requestId, issues } = problem;
  return (
    <div class="notice" data-tone="bad" role="alert">
      <Icon name="warning" />
      <div class="stack tight">
        <div>
          <strong>{title}</strong>
          <p>{detail}</p>
        </div>
        {issues.length > 0 && (
          <ul>
            {issues.map((issue) => (
              <li key={issue.pointer}>
                <code>{issue.pointer}</code> {issue.detail}
              </li>
            ))}
          </ul>
        )}
        <div class="row wrap small">
          <code>{code}</code>
          {requestId !== undefined && (
            <span class="row">
              request <code>{requestId}</code>
              <CopyButton text={requestId} label="Copy the request id" />
            </span>
          )}
        </div>
      </div>
      {onRetry !== undefined && (
        <div>
          <button type="button" class="button small" onClick={onRetry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}

/** What belongs here, and how it gets here. */
export function EmptyState(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly text: ComponentChildren;
  /** A command to copy, or a button. */
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <h2>{props.title}</h2>
      <p>{props.text}</p>
      {props.children}
    </div>
  );
}
