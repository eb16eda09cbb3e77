// Filters above a list, each a parameter of the address; `/` goes to the search.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isTyping } from "../shortcuts.ts";
import { Icon } from "./icon.tsx";
import { useQuery } from "./query.ts";

export interface Choice {
  readonly value: string;
  readonly title: string;
}

export function FilterBar({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="filters" role="search">
      {children}
    </div>
  );
}

/** The parameter `q`, unless another is named. */
export function SearchFilter({ label, name = "q" }: { readonly label: string; readonly name?: string }) {
  const query = useQuery();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || isTyping(event)) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        ref={input}
        class="input"
        type="text"
        placeholder={label}
        aria-label={label}
        value={query.get(name)}
        onInput={(event) => query.set({ [name]: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape") query.set({ [name]: undefined });
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

/** One of several; the empty value stands for all. */
export function SelectFilter(props: {
  readonly name: string;
  /** Of the choice that filters nothing, such as "All states". */
  readonly all: string;
  readonly choices: readonly Choice[];
}) {
  const query = useQuery();
  const value = query.get(props.name);
  const isKnown = value === "" || props.choices.some((choice) => choice.value === value);
  return (
    <select
      class="select"
      aria-label={props.all}
      value={value}
      onChange={(event) => query.set({ [props.name]: event.currentTarget.value })}
    >
      <option value="">{props.all}</option>
      {!isKnown && <option value={value}>{value}</option>}
      {props.choices.map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.title}
        </option>
      ))}
    </select>
  );
}
