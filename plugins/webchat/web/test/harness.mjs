// What the tests share: a browser, a hub, and words for what a visitor and a CSR do. BASE_URL and TOKEN name a real hub;
// without them a hub in memory stands in. Everything a test needs to break it breaks in the browser, so that both serve.

import {after, before} from 'node:test';
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {chromium} from 'playwright-core';
import {startDevServer} from '../dev/server.mjs';

const args = [
  '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];
const executablePath = process.env.CHROMIUM || ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Starts browser and hub around the tests of one file. */
export function setUp() {
  const world = {};
  before(async () => {
    world.server = process.env.BASE_URL ? {url: process.env.BASE_URL, token: process.env.TOKEN, close() {}} : await startDevServer();
    world.browser = await chromium.launch({executablePath, args});
  });
  after(async () => {
    await world.browser?.close();
    world.server?.close();
  });
  return world;
}

/**
 * Opens the demo page as one person would: a fresh context, or `context` for one more tab. Every request to another
 * place, policy violation and page error is kept in `complaints`.
 */
export async function open(world, {context, size = {width: 1440, height: 900}, scheme = 'light', desk = true, ...more} = {}) {
  const own = context || await world.browser.newContext({viewport: size, colorScheme: scheme, reducedMotion: 'reduce', locale: 'en-GB', ...more});
  const page = await own.newPage();
  const complaints = [];
  page.on('request', (r) => {
    const url = new URL(r.url());
    if (!['data:', 'blob:'].includes(url.protocol) && url.host !== new URL(world.server.url).host) complaints.push(`request to ${url.host}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (m) => {
    if (/Content Security Policy|TrustedHTML|TrustedScript|require-trusted-types/i.test(m.text())) complaints.push(m.text());
  });
  await page.goto(`${world.server.url}/chat/demo/demo${desk ? `#token=${world.server.token}` : ''}`);
  return {context: own, page, complaints, close: () => own.close()};
}

/** Opens the panel and waits until its history is in. */
export async function openPanel(page) {
  await page.getByRole('button', {name: /^Open chat/}).click();
  await page.getByRole('dialog').getByRole('textbox', {name: 'Message'}).waitFor();
  return page.getByRole('dialog');
}

/** Writes as the visitor and waits for the tick. */
export async function say(panel, text) {
  const field = panel.getByRole('textbox', {name: 'Message'});
  await field.fill(text);
  await field.press('Enter');
}

/** The texts in a thread, in order; `root` is the panel or the desk. */
export function texts(root) {
  return root.locator('.bubble').evaluateAll((all) => all.map((el) => el.lastChild.textContent));
}

/** Waits until the thread under `root` holds exactly these texts, in this order. */
export async function expectTexts(root, wanted) {
  const last = wanted[wanted.length - 1];
  await root.locator('.bubble', {hasText: last}).last().waitFor();
  await settle(async () => JSON.stringify(await texts(root)) === JSON.stringify(wanted),
    async () => `thread is ${JSON.stringify(await texts(root))}, wanted ${JSON.stringify(wanted)}`);
}

/** Waits until both threads show the same, in the same order; resolves to the texts. */
export async function expectSame(one, other) {
  let seen;
  await settle(async () => {
    seen = [await texts(one), await texts(other)];
    return JSON.stringify(seen[0]) === JSON.stringify(seen[1]);
  }, () => `one shows ${JSON.stringify(seen[0])}, the other ${JSON.stringify(seen[1])}`);
  return seen[0];
}

/** Waits until `holds` gives true; says what `otherwise` gives when it never does. */
export async function settle(holds, otherwise = () => 'it never held') {
  const end = Date.now() + 30000; // as patient as the browser's own waits
  while (!await holds()) {
    if (Date.now() > end) throw new Error(await otherwise());
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A text no other test has used: real hubs keep what earlier runs said. */
export function unique(text) { return `${text} ${Math.random().toString(36).slice(2, 8)}`; }

/** Picks the conversation whose last line holds `text`, on the desk. */
export async function pick(page, text) {
  const entry = page.locator('.entry', {hasText: text});
  await entry.click();
  const conversation = page.locator('.conversation');
  await conversation.waitFor();
  return conversation;
}

/** Replies on the desk. */
export async function reply(conversation, text) {
  const field = conversation.getByRole('textbox', {name: /^Reply to/});
  await field.fill(text);
  await field.press('Enter');
}

/**
 * Stands between the page and the hub's socket. `cut(code)` closes the page's side as the hub would, `drop` swallows
 * frames the hub sends, `push` sends one as the hub would, `alter` changes their text, `answer` may answer a frame in the hub's place, `refuse` closes every new socket while it is set.
 */
export async function wire(context) {
  const state = {up: [], down: [], drop: () => false, alter: (text) => text, answer: () => null, refuse: 0, opened: 0, cut: () => {}, push: () => {}};
  await context.routeWebSocket(/\/socket$/, (ws) => {
    state.opened++;
    if (state.refuse) {
      ws.close({code: state.refuse, reason: 'test'});
      return;
    }
    const hub = ws.connectToServer();
    let cut = false;
    ws.onMessage((text) => {
      if (cut) return;
      const frame = JSON.parse(text);
      state.up.push(frame);
      const answer = state.answer(frame);
      if (answer) ws.send(JSON.stringify(answer));
      else hub.send(text);
    });
    hub.onMessage((text) => {
      if (cut) return;
      const frame = JSON.parse(text);
      state.down.push(frame);
      if (!state.drop(frame)) ws.send(state.alter(text));
    });
    state.push = (frame) => ws.send(JSON.stringify(frame));
    state.cut = (code = 1012) => {
      cut = true;
      hub.close();
      ws.close({code, reason: 'test'});
    };
  });
  return state;
}

/** Picks files with the paperclip under `root`: `{name, text}`, or a path. */
export function attach(root, ...files) {
  return root.locator('input[type=file]').setInputFiles(files.map((f) => f.text === undefined ? f : {name: f.name, mimeType: 'text/plain', buffer: Buffer.from(f.text)}));
}

/** Holds files of this machine above `target`, as they come from outside the browser; resolves to what lets go of them. */
export async function drag(page, target, ...files) {
  const cdp = await page.context().newCDPSession(page);
  const {x, y, width, height} = await target.boundingBox();
  const at = {x: x + width / 2, y: y + height / 2, data: {items: [], files, dragOperationsMask: 1}};
  const tell = (type, place = at) => cdp.send('Input.dispatchDragEvent', {type, ...place});
  await tell('dragEnter');
  await tell('dragOver');
  return {drop: () => tell('drop'), leave: () => tell('dragOver', {...at, x: 1, y: 1})};
}

/** The chips under `root`: name and what stands beside it. */
export function chips(root) {
  return root.locator('.file').evaluateAll((all) => all.map((el) => [el.querySelector('.file-name').textContent, el.querySelector('.file-note').textContent].join(': ')));
}

/** Waits until the chips under `root` are exactly these, in this order or, `sorted`, in any. */
export function expectChips(root, wanted, sorted = false) {
  const ordered = async () => sorted ? (await chips(root)).sort() : chips(root);
  return settle(async () => JSON.stringify(await ordered()) === JSON.stringify(wanted),
    async () => `chips are ${JSON.stringify(await chips(root))}, wanted ${JSON.stringify(wanted)}`);
}

/** Saves the file of a chip and resolves to what was saved. */
export async function saved(page, root, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), root.getByRole('button', {name: `Save file: ${name}`}).click()]);
  return readFile(await download.path(), 'utf8');
}

/** Waits until nothing under `root` waits to be sent. */
export function allSent(root) {
  return settle(async () => await root.locator('.row.pending').count() === 0, () => 'something is still not sent');
}
