// Asks the browser's engine, under Node, the questions in a file; prints its answers as JSON.
//   node run.mjs LIBRARY.mjs QUESTIONS.json

import { openAsBlob } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [library, questions, without] = process.argv.slice(2);
// As a page sees it that came by plain http from another machine.
if (without) Object.defineProperty(globalThis, "crypto", { value: undefined });
const { codeOf, ready, verdictOf } = await import(pathToFileURL(library));
await ready();

async function folderOf(folder) {
  const found = new Map();
  for (const one of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(one.parentPath ?? one.path, one.name);
    if (one.isFile()) found.set(path.slice(folder.length + 1), await openAsBlob(path));
  }
  return found;
}

const spelled = (_, value) => (typeof value === "bigint" ? String(value) : value);
const answers = [];
for (const one of JSON.parse(await readFile(questions, "utf8"))) {
  if (one.piece) {
    answers.push(await codeOf(one.piece, one).catch((error) => `crashed: ${error?.stack}`));
    continue;
  }
  const asked = { strict: true };
  if (one.folder) asked.folder = await folderOf(one.folder);
  if (one.file) asked.file = await openAsBlob(one.file);
  if (one.token) asked.token = await openAsBlob(one.token);
  if (one.roots) asked.roots = [new Uint8Array(await readFile(one.roots))];
  if (one.policy) asked.policy = new Uint8Array(await readFile(one.policy));
  if (one.lenient) asked.strict = false;
  try {
    answers.push(await verdictOf(asked, () => undefined));
  } catch (error) {
    answers.push({ crashed: String(error?.stack ?? error) });
  }
}
process.stdout.write(JSON.stringify(answers, spelled));
