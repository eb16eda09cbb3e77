// Filling a sandbox that the command line has made, before any relay serves it.
import { batchCodec } from "#common/contract/batch.ts";
import { recordId } from "#common/contract/record-id.ts";
import { fillSandbox } from "#relay/core/sandbox/sandbox-fill.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { connectionView } from "../http/connection-routes.ts";
import type { AdministrationContext, CommandResult } from "./command-action.ts";

export async function filledSandbox(
  context: AdministrationContext,
  row: ConnectionRow,
): Promise<CommandResult> {
  const { store, entropy, directory } = context;
  const { id, name, workspaceId } = row;
  const nowMs = (): number => context.nowMs();
  const ingest = { store, codec: batchCodec, nowMs, recordId, massDeleteFraction: 1 };
  const records = await fillSandbox({ ingest, entropy }, row, () => undefined);
  const filled = await directory.connection({ workspaceId }, id);
  return {
    json: connectionView(filled ?? row),
    lines: [
      `connection ${id} "${name}": a sandbox with ${records} records`,
      `next: millrace-relay token create --workspace ${workspaceId} --connection ${name} --scope read,write`,
    ],
  };
}
