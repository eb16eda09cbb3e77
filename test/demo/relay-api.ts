// Asks the relay's public and admin API, as any program would.
import { DemoError } from "./demo-error.ts";

export interface SyncStatus {
  readonly connection_name: string;
  readonly entity: string;
  readonly state: string;
  readonly records: number;
  readonly progress: { readonly read: number | null; readonly total: number | null } | null;
  readonly last_success_at: string | null;
  readonly error: string | null;
}

export interface ConnectionStatus {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly status_advice: string | null;
}

const ANSWER_WITHIN_MS = 10_000;

export class RelayApi {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** @throws DemoError with the problem's own words */
  async get<T>(path: string): Promise<T> {
    return this.#ask("GET", path, undefined);
  }

  /** @throws DemoError */
  async post<T>(path: string, body: object): Promise<T> {
    return this.#ask("POST", path, body);
  }

  async syncStatus(): Promise<readonly SyncStatus[]> {
    return (await this.get<{ data: readonly SyncStatus[] }>("/v1/sync-status")).data;
  }

  async connections(): Promise<readonly ConnectionStatus[]> {
    return (await this.get<{ data: readonly ConnectionStatus[] }>("/v1/connections")).data;
  }

  async #ask<T>(method: string, path: string, body: object | undefined): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const answer = (await response.json()) as { detail?: string };
    if (!response.ok) throw new DemoError(`${method} ${path}: ${response.status} ${answer.detail ?? ""}`);
    return answer as T;
  }
}
