// What was dropped says by its content what it is: an original, a token of any platform, a
// package, a certificate, roots to believe, or a policy. A name only helps where content cannot.

import { isPdf } from "../engine";
import { looksLikeToken } from "../reading/tokens";

export type Role = "file" | "token" | "package" | "certificate" | "roots" | "policy";

export interface Given {
  readonly role: Role;
  readonly file: File;
}

const NAMED = /\.(tsa|tsr|tst)$/i;
const MEMBERS = ["SHA256SUMS", "manifest.json", "exhibits/"];

export async function roleOf(file: File): Promise<Role> {
  const head = new Uint8Array(await file.slice(0, 64 * 1024).arrayBuffer());
  const text = new TextDecoder("latin1").decode(head);
  if (/\.policy$/i.test(file.name) && /^(#|log |witness |group |quorum )/m.test(text)) return "policy";
  // Containers first: a package holds roots and tokens, as they stand.
  if (await isPdf(file)) return "certificate";
  if (text.startsWith("PK\x03\x04")) return (await isOurs(file)) ? "package" : "file";
  const plain = file.size < 1 << 20 && !text.includes("\0");
  if ((plain && text.includes("-----BEGIN CERTIFICATE-----")) || /\.(crt|cer|der)$/i.test(file.name)) return "roots";
  if (await looksLikeToken(file)) return "token";
  return NAMED.test(file.name) && file.size < 1 << 20 ? "token" : "file";
}

/** Of two that are no token, the one that is called so: too long to be one, and that is then said. */
export function paired(given: readonly Given[]): Given[] {
  const files = given.filter((one) => one.role === "file");
  const named = files.filter((one) => NAMED.test(one.file.name));
  return given.map((one) => (files.length === 2 && named.length === 1 && one === named[0] ? { ...one, role: "token" } : one));
}

/** Whether a zip's directory names what our packages have; one that is cut off may be one, too. */
async function isOurs(file: File): Promise<boolean> {
  const tail = new TextDecoder("latin1").decode(await file.slice(Math.max(0, file.size - (1 << 20))).arrayBuffer());
  const directory = tail.includes("PK\x05\x06");
  return directory ? MEMBERS.some((one) => tail.includes(one)) : /\.zip$/i.test(file.name);
}

/** Everything in a dropped folder by its path within it; null when no folder was dropped. */
export async function folderIn(items: DataTransferItemList): Promise<{ name: string; files: Map<string, File> } | null> {
  const entries = [...items].map((one) => one.webkitGetAsEntry?.() ?? null);
  const folder = entries.find((one) => one?.isDirectory);
  if (entries.length !== 1 || !folder) return null;
  const files = new Map<string, File>();
  await collect(folder as FileSystemDirectoryEntry, "", files);
  return { name: folder.name, files };
}

const MOST = 20_001; // one more than a package may have: the engine refuses with the number

async function collect(folder: FileSystemDirectoryEntry, prefix: string, files: Map<string, File>): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length || files.size >= MOST) return;
    for (const one of some) {
      if (one.isDirectory) await collect(one as FileSystemDirectoryEntry, `${prefix}${one.name}/`, files);
      else files.set(prefix + one.name, await new Promise<File>((resolve, reject) => (one as FileSystemFileEntry).file(resolve, reject)));
    }
  }
}

/** A folder chosen in a dialogue: paths without the folder's own name. */
export function folderOf(chosen: FileList): Map<string, File> {
  return new Map([...chosen].map((one) => [one.webkitRelativePath.split("/").slice(1).join("/"), one]));
}
