// Builds ../assets from src. The same sources and lock file give the same bytes, on every machine.
//
//   node build.mjs           writes the assets
//   node build.mjs --check   exits 1 when the committed assets are not what the sources give
//
// manifest.json carries `sources_sha256`, so that drift is seen without Node: SHA-256 over one line per source file,
// sorted by path, "<path> <hex sha256 of the file>\n", for package.json, package-lock.json, build.mjs and all of src.

import {createHash} from 'node:crypto';
import {mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {dirname, join, relative, sep} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import * as esbuild from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, '..', 'assets');
const target = ['chrome111', 'firefox114', 'safari16.4'];

// Gzipped bytes; the widget is a guest on other people's pages.
const budgets = {'widget.js': 2048, panel: 25 * 1024};

const styleText = {
  name: 'style-text',
  setup(build) {
    build.onLoad({filter: /\.css$/}, async ({path}) => ({contents: await style(path), loader: 'text'}));
  },
};

async function style(path) {
  const source = await readFile(path, 'utf8');
  const result = await esbuild.transform(source, {loader: 'css', minify: true, target});
  return result.code.trim();
}

async function script(entry, options = {}) {
  const result = await esbuild.build({
    entryPoints: [join(here, entry)], bundle: true, minify: true, write: false, format: 'esm', target, charset: 'utf8',
    jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none', plugins: [styleText], ...options,
  });
  return result.outputFiles[0].contents;
}

async function styles(entries) {
  const parts = await Promise.all(entries.map((entry) => style(join(here, entry))));
  return Buffer.from(`${parts.join('\n')}\n`);
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function sources() {
  const paths = ['package.json', 'package-lock.json', 'build.mjs'];
  for (const entry of await readdir(join(here, 'src'), {recursive: true, withFileTypes: true})) {
    if (entry.isFile()) paths.push(relative(here, join(entry.parentPath, entry.name)).split(sep).join('/'));
  }
  const lines = [];
  for (const path of paths.sort()) lines.push(`${path} ${sha256(await readFile(join(here, path)))}\n`);
  return sha256(lines.join(''));
}

async function build() {
  const files = new Map();
  const put = (name, contents, type, immutable) => files.set(name, {contents: Buffer.from(contents), type, immutable});
  const hashed = (stem, ext, contents, type) => {
    const name = `${stem}-${sha256(contents).slice(0, 12)}.${ext}`;
    put(name, contents, type, true);
    return name;
  };
  const js = 'text/javascript; charset=utf-8';
  const css = 'text/css; charset=utf-8';

  const panel = hashed('panel', 'js', await script('src/widget/mount.jsx'), js);
  put('widget.js', await script('src/loader/loader.js', {format: 'iife', define: {PANEL: JSON.stringify(panel)}}), js, false);

  const names = {
    'desk.js': hashed('desk', 'js', await script('src/desk/main.jsx'), js),
    'desk.css': hashed('desk', 'css', await styles(['src/shared/tokens.css', 'src/shared/controls.css', 'src/shared/thread.css', 'src/desk/desk.css', 'src/desk/list.css', 'src/desk/conversation.css']), css),
    'demo.js': hashed('demo', 'js', await script('src/demo/demo.js'), js),
    'demo.css': hashed('demo', 'css', await styles(['src/demo/demo.css', 'src/demo/shop.css']), css),
  };
  let page = await readFile(join(here, 'src/demo/demo.html'), 'utf8');
  for (const [plain, name] of Object.entries(names)) page = page.replaceAll(`"${plain}"`, `"${name}"`);
  put('demo.html', page, 'text/html; charset=utf-8', false);

  const manifest = {sources_sha256: await sources(), files: {}};
  for (const name of [...files.keys()].sort()) {
    const {contents, type, immutable} = files.get(name);
    manifest.files[name] = {content_type: type, immutable, size: contents.length, sha256: sha256(contents)};
  }
  put('manifest.json', `${JSON.stringify(manifest, null, 2)}\n`, 'application/json', false);
  return files;
}

function weigh(files) {
  let fits = true;
  for (const [name, {contents}] of files) {
    const size = gzipSync(contents, {level: 9}).length;
    const budget = budgets[name] ?? budgets[name.split('-')[0]];
    const over = budget && size > budget;
    if (over) fits = false;
    console.error(`${name.padEnd(26)} ${String(contents.length).padStart(7)} B  ${String(size).padStart(6)} B gz${budget ? `  of ${budget}${over ? '  TOO BIG' : ''}` : ''}`);
  }
  return fits;
}

async function same(files) {
  const kept = await readdir(assets);
  const names = new Set([...files.keys(), ...kept]);
  const different = [];
  for (const name of names) {
    const now = files.get(name)?.contents;
    const committed = kept.includes(name) ? await readFile(join(assets, name)) : null;
    if (!now || !committed || !now.equals(committed)) different.push(name);
  }
  return different;
}

const files = await build();
if (!weigh(files)) process.exitCode = 1;
if (process.argv.includes('--check')) {
  const different = await same(files);
  if (different.length) {
    console.error(`assets differ from their sources: ${different.sort().join(', ')}; run: node build.mjs`);
    process.exitCode = 1;
  }
} else {
  await rm(assets, {recursive: true, force: true});
  await mkdir(assets, {recursive: true});
  for (const [name, {contents}] of files) await writeFile(join(assets, name), contents);
}
