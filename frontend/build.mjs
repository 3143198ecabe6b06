// One call of esbuild for each thing that is shipped:
//   page    src/guzheng/web/static/built/: the page's module, its chunks, and the worker
//   single  src/guzheng/prove/verify.html: the same, inlined, for file:// and no network
//   library frontend/build/library.mjs: the engine alone, for the tests
// Words and look come from the platform's own catalogues and style sheet (tools/frontend.py).

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";

const [out, single, style, version] = process.argv.slice(2);
const common = { define: { VERSION: JSON.stringify(version) }, bundle: true, format: "esm", target: "es2022", minify: true, charset: "utf8", legalComments: "none", logLevel: "warning" };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({ ...common, entryPoints: { verify: "src/page/site.ts" }, outdir: out, splitting: true, chunkNames: "[name]-[hash]" });
await build({ ...common, entryPoints: { "engine-worker": "src/worker.ts" }, outdir: out });
await build({ ...common, entryPoints: { library: "src/library.ts" }, outdir: "build", outExtension: { ".js": ".mjs" }, minify: false });

const worker = await build({ ...common, format: "iife", entryPoints: ["src/worker.ts"], write: false });
const inlined = { name: "worker-text", setup(one) {
  one.onResolve({ filter: /^worker:text$/ }, () => ({ path: "worker", namespace: "worker-text" }));
  one.onLoad({ filter: /.*/, namespace: "worker-text" }, () => ({ contents: worker.outputFiles[0].text, loader: "text" }));
} };
const page = await build({ ...common, format: "iife", entryPoints: ["src/page/single.ts"], write: false, plugins: [inlined] });
const script = page.outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const css = await readFile(style, "utf8");
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
// Nothing may be fetched, sent, framed or submitted: the browser itself refuses it.
const contentPolicy = [
  "default-src 'none'", `script-src ${hash(script)} 'wasm-unsafe-eval'`, "worker-src blob:", `style-src ${hash(css)}`,
  "img-src data: blob:", "connect-src 'none'", "form-action 'none'", "base-uri 'none'",
].join("; ");
const shell = await readFile("src/page/single.html", "utf8");
const fill = { POLICY: contentPolicy, STYLE: css, SCRIPT: script };
const html = shell.replace(/%(POLICY|STYLE|SCRIPT)%/g, (_, name) => fill[name]);
await writeFile(`${single}.part`, html);
await rename(`${single}.part`, single);
