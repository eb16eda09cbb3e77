// Everything of webhooks over the API; a relay that sends none has no such addresses.
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { addWebhookCatalogueRoutes } from "./webhook-catalogue.ts";
import { addWebhookDeliveryRoutes } from "./webhook-delivery-routes.ts";
import { addWebhookEndpointRoutes } from "./webhook-endpoint-routes.ts";

export function addWebhookRoutes(app: HttpServer, deps: HttpDeps): void {
  const { webhooks } = deps;
  if (webhooks === undefined) return;
  const own = { ...deps, webhooks };
  addWebhookEndpointRoutes(app, own);
  addWebhookDeliveryRoutes(app, own);
  addWebhookCatalogueRoutes(app);
}
