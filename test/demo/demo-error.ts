// What went wrong with the demo, in words for whoever started it.
export class DemoError extends Error {
  override name = "DemoError";
}
