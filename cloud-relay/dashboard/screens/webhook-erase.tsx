// Takes away what was sent to receivers, and what they answered: of one event, or of all of a record.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { AskDialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { counted } from "../parts/text.ts";
import { toast } from "../parts/toast.tsx";

export function EraseDialog(props: {
  readonly delivery: Schema<"WebhookDelivery">;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { event_id: eventId, record_id: recordId } = props.delivery;
  const [isWhole, setWhole] = useState(false);
  const erase = async (): Promise<void> => {
    const body = isWhole && recordId !== null ? { record_id: recordId } : { event_id: eventId };
    const { count } = await unwrap(api.POST("/v1/webhook-deliveries/erase", { body }));
    toast("good", `The payloads of ${counted(count, "event")} are erased.`);
    props.onDone();
    props.onClose();
  };
  return (
    <AskDialog title="Erase what is sent?" action="Erase" isDanger onAsk={erase} onClose={props.onClose}>
      <p>
        The payload, and what receivers answered to it, is gone for good, at every endpoint. That it was sent
        stays in the log; what still waits is discarded and not sent any more.
      </p>
      {recordId !== null && (
        <Field
          label="Of"
          control={(ids) => (
            <select
              {...ids}
              class="select"
              value={isWhole ? "record" : "event"}
              onChange={(event) => setWhole(event.currentTarget.value === "record")}
            >
              <option value="event">This event alone</option>
              <option value="record">Every event of its record</option>
            </select>
          )}
        />
      )}
    </AskDialog>
  );
}
