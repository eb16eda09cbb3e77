// The in-process bus passes the suite.
import { systemClock } from "#common/runtime/clock.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { busSuite } from "./suite.ts";

busSuite("in-process", async () => {
  const handlerErrors: unknown[] = [];
  const bus = new InProcessBus({ clock: systemClock, onHandlerError: (error) => handlerErrors.push(error) });
  return { bus, handlerErrors, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() };
});
