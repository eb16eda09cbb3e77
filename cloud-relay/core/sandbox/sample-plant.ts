// A whole imagined plant out of a connection's id: always the same, and all of it fits together.
import { OUT_OF_STOCK_ITEM } from "./known-keys.ts";
import { PlantBook, type PlantSeed, type SampleRecord } from "./plant-book.ts";
import { addAssets } from "./sample-assets.ts";
import { addOrders } from "./sample-orders.ts";
import { addPeople } from "./sample-people.ts";
import { addPlaces } from "./sample-places.ts";
import { addAttachments, addRequests } from "./sample-requests.ts";
import { addRequisitions } from "./sample-requisitions.ts";
import { makeItems, StockLedger } from "./sample-stock.ts";
import { addTelemetry, type Point } from "./sample-telemetry.ts";
import { addUpkeep } from "./sample-upkeep.ts";
import { addVendors } from "./sample-vendors.ts";
import { addWork } from "./sample-work.ts";

export interface SamplePlant {
  readonly records: readonly SampleRecord[];
  readonly points: readonly Point[];
}

export function samplePlant(seed: PlantSeed): SamplePlant {
  const book = new PlantBook(seed);
  addPlaces(book);
  const people = addPeople(book);
  addVendors(book);
  const machines = addAssets(book);
  addUpkeep(book, machines, people);
  const items = makeItems(book);
  const ledger = new StockLedger(book, items);
  const usual = items.filter(({ code }) => code !== OUT_OF_STOCK_ITEM);
  addOrders(book, usual, ledger, people);
  addRequisitions(book, usual, people);
  addWork({ book, machines, items: usual, ledger, people });
  addRequests(book, machines, people);
  ledger.close(people);
  addAttachments(book);
  const points = addTelemetry(book, machines);
  return { records: book.records(), points };
}
