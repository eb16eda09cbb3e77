// `npm run docs`: writes the pages of docs/ that are made from the code.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DOC_PAGES, type DocPage } from "./doc-pages.ts";
import { protocolDocs } from "./generate-protocol-docs.ts";

const protocolPage: DocPage = { file: "docs/protocol.md", render: protocolDocs };

for (const { file, render } of [...DOC_PAGES, protocolPage]) {
  writeFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), render());
  console.log(file);
}
