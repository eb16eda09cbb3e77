// What every screen begins with: its title, what it shows, and what can be done.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

export function Page(props: {
  readonly title: string;
  /** Above the title, where the screen belongs to another one. */
  readonly back?: { readonly title: string; readonly href: string };
  readonly beside?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${props.title} · Millrace`;
  }, [props.title]);
  return (
    <div class="page">
      <div class="page-head">
        <div>
          {props.back !== undefined && (
            <a class="small" href={props.back.href}>
              ← {props.back.title}
            </a>
          )}
          <div class="row wrap">
            <h1>{props.title}</h1>
            {props.beside}
          </div>
        </div>
        {props.actions !== undefined && <div class="row wrap">{props.actions}</div>}
      </div>
      {props.children}
    </div>
  );
}

export function Card(props: {
  readonly title?: ComponentChildren;
  readonly actions?: ComponentChildren;
  /** Without the inner margin, for tables and lists. */
  readonly isFlush?: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="card">
      {props.title !== undefined && (
        <div class="card-head">
          <h2>{props.title}</h2>
          {props.actions}
        </div>
      )}
      {props.isFlush === true ? props.children : <div class="card-body">{props.children}</div>}
    </section>
  );
}
