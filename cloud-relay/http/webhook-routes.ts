// Everything of webhooks over the API; a relay that sends none has no such addresses.
import type { Authenticator } from "./authenticator.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { addWebhookActionRoutes } from "./webhook-action-routes.ts";
import { addWebhookCatalogueRoutes } from "./webhook-catalogue.ts";
import { addWebhookDeliveryRoutes } from "./webhook-delivery-routes.ts";
import { addWebhookEndpointRoutes } from "./webhook-endpoint-routes.ts";
import { addWebhookListenerRoutes } from "./webhook-listener-routes.ts";

export function addWebhookRoutes(app: HttpServer, deps: HttpDeps, authenticator: Authenticator): void {
  const { webhooks, listeners } = deps;
  if (webhooks === undefined) return;
  const own = { ...deps, webhooks };
  addWebhookEndpointRoutes(app, own);
  addWebhookActionRoutes(app, own);
  addWebhookDeliveryRoutes(app, own);
  addWebhookCatalogueRoutes(app);
  if (listeners !== undefined) addWebhookListenerRoutes(app, { ...own, listeners }, authenticator);
}
