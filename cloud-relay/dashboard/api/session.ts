// Signing in and out.
import { ApiError } from "#relay/client/api-client.ts";
import { ask } from "./client.ts";
import { clearKept } from "./resource.ts";
import { session, type Session } from "./session-state.ts";

/** Whether somebody is signed in already. @throws when the relay does not answer */
export async function loadSession(): Promise<void> {
  try {
    session.value = await ask<Session>("GET", "/v1/session");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    session.value = null;
  }
}

/** @throws ApiError when the relay refuses */
export async function signIn(email: string, password: string): Promise<void> {
  clearKept();
  session.value = await ask<Session>("POST", "/v1/session", { email, password });
}

/** Also when the relay does not answer: who presses it wants the screen gone. */
export async function signOut(): Promise<void> {
  try {
    await ask("DELETE", "/v1/session");
  } finally {
    clearKept();
    session.value = null;
  }
}
