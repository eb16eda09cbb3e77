// A new secret, which is shown this once.
import type { Schema } from "../api/client.ts";
import { Command } from "../parts/copy-button.tsx";
import { Dialog } from "../parts/dialog.tsx";

export function SecretDialog(props: {
  readonly made: Schema<"NewWebhookEndpoint">;
  readonly onClose: () => void;
}) {
  const { name, secret, public_key: publicKey } = props.made;
  return (
    <Dialog
      title={`The secret of ${name}`}
      onClose={props.onClose}
      actions={
        <button type="button" class="button primary" onClick={props.onClose}>
          I have it
        </button>
      }
    >
      <p>
        {publicKey === null
          ? "Give it to the receiver, which verifies every delivery by it. It is shown this once."
          : "The receiver needs the public key only. The secret key is shown this once."}
      </p>
      {publicKey !== null && <Command text={publicKey} label="Copy the public key" />}
      <Command text={secret} label="Copy the secret" />
    </Dialog>
  );
}
