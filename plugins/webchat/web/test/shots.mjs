// Takes pictures of widget and desk in every size and both themes into shots/, to be looked at. BASE_URL and TOKEN name a
// real hub, best a fresh one; without them a hub in memory stands in.

import {mkdir} from 'node:fs/promises';
import {chromium} from 'playwright-core';
import {startDevServer} from '../dev/server.mjs';
import {allSent, drag, expectTexts, open, openPanel, pick, reply, say} from './harness.mjs';

const out = new URL('../shots/', import.meta.url).pathname;
const sizes = {desktop: {width: 1440, height: 900}, wide: {width: 1920, height: 1000}, tablet: {width: 900, height: 1100}, phone: {width: 390, height: 844}};

await mkdir(out, {recursive: true});
const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
const browser = await chromium.launch({executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run']});

let order = 20817;
for (const scheme of ['light', 'dark']) {
  const server = process.env.BASE_URL ? {url: process.env.BASE_URL, token: process.env.TOKEN, close() {}} : await startDevServer();
  const world = {browser, server};
  // Three visitors, so that the list looks like a morning's work.
  for (const lines of [['Which bulb does the Arc take?'], ['I want to return a lamp', 'It flickers at the lowest setting']]) {
    const visit = await open(world, {desk: false});
    const panel = await openPanel(visit.page);
    for (const line of lines) await say(panel, line);
    await expectTexts(panel, lines);
    await visit.close();
  }
  for (const [name, size] of Object.entries(sizes)) {
    const narrow = size.width < 1024;
    const number = String(order++);
    const {context, page, close} = await open(world, {scheme, size});
    const shot = (what) => page.screenshot({path: `${out}${what}-${name}-${scheme}.png`});
    await page.getByRole('button', {name: /^Open chat/}).waitFor();
    await shot('1-closed');
    const panel = await openPanel(page);
    await shot('2-empty');
    await say(panel, 'Hello, I ordered the Arc lamp on Monday. Where is it now?');
    await say(panel, `The number is ${number}`);
    await allSent(panel);
    if (narrow) {
      await panel.getByRole('button', {name: 'Close chat'}).click();
      await page.getByRole('button', {name: 'Desk', exact: true}).click();
      await page.locator('.entry').first().waitFor();
      await shot('3-list');
    }
    const conversation = await pick(page, number);
    await reply(conversation, 'Good morning. I am looking it up, one moment please.');
    await reply(conversation, 'It left our warehouse this morning and arrives tomorrow between 9 and 12.');
    await allSent(conversation);
    if (!narrow) await panel.getByRole('textbox').pressSequentially('Thank', {delay: 150});
    await shot('4-desk');
    const dragged = async (root, what) => {
      const held = await drag(page, root, import.meta.filename);
      await root.locator('.drop').waitFor();
      await shot(what);
      await held.leave();
    };
    await dragged(conversation, '4-drop-desk');
    if (!narrow) await dragged(panel, '4-drop');
    await page.locator('.context').waitFor({state: 'attached'});
    if (narrow) {
      await page.getByRole('button', {name: 'Contact', exact: true}).click();
      await shot('5-contact');
      await page.getByRole('button', {name: 'Close contact'}).click();
      await page.getByRole('button', {name: 'Customer', exact: true}).click();
      await shot('6-unread');
      await page.getByRole('button', {name: /^Open chat/}).click();
    }
    await context.setOffline(true);
    await say(panel, 'Thank you');
    await panel.locator('.strip.away').waitFor();
    await shot('7-away');
    if (narrow) await page.getByRole('button', {name: 'Desk', exact: true}).click();
    await reply(conversation, 'You are welcome.');
    await page.locator('.banner').waitFor();
    await shot('7-away-desk');
    await context.setOffline(false);
    await allSent(panel);
    await allSent(conversation);
    if (narrow) await page.getByRole('button', {name: 'Customer', exact: true}).click();
    await panel.getByRole('button', {name: 'End conversation'}).click();
    await shot('8-confirm');
    await panel.getByRole('alertdialog').getByRole('button', {name: 'End conversation'}).click();
    await panel.getByRole('button', {name: 'Start a new conversation'}).waitFor();
    await shot('9-ended');
    await close();
  }
  server.close();
}
await browser.close();
