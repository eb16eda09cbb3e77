// `npm run package`: builds every package, or those that are asked for.
import { relative } from "node:path";
import { BuildError } from "./build-error.ts";
import { buildPackages } from "./build-packages.ts";
import { readPackageOrder, USAGE } from "./package-order.ts";

const told = (text: string): void =>
  void process.stdout.write(`${text.startsWith("/") ? relative(process.cwd(), text) : text}\n`);

try {
  const order = readPackageOrder(process.argv.slice(2));
  if (order === undefined) process.stdout.write(USAGE);
  else await buildPackages(order, told);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
