// What is written is not lost, and what is said of it is true.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, attach, expectTexts, open, openPanel, pick, reply, say, settle, setUp, unique} from './harness.mjs';

const world = setUp();

async function begin() {
  const visit = await open(world);
  const panel = await openPanel(visit.page);
  const first = unique('Hello');
  await say(panel, first);
  await allSent(panel);
  const conversation = await pick(visit.page, first);
  await expectTexts(conversation, [first]);
  return {...visit, panel, conversation, first, field: conversation.getByRole('textbox')};
}

const focused = (locator) => settle(() => locator.evaluate((el) => el.getRootNode().activeElement === el), () => `${locator} is not focused`);

function refuse(page, detail) {
  return page.route('**/v1/messages', (route) => route.fulfill({status: 422, contentType: 'application/problem+json', body: JSON.stringify({type: 'x', title: 'Invalid', status: 422, detail})}));
}

test('a reply can be written while the desk asks whether to end', async () => {
  const {panel, conversation, field, close} = await begin();
  await conversation.getByRole('button', {name: 'End conversation'}).click();
  await focused(conversation.getByRole('button', {name: 'Keep it open'}));
  await field.click();
  await field.pressSequentially('one moment');
  // The desk is drawn anew with what comes in.
  await say(panel, 'still there');
  await conversation.locator('.bubble', {hasText: 'still there'}).waitFor();
  await field.pressSequentially(', please');
  assert.equal(await field.inputValue(), 'one moment, please');
  assert.equal(await conversation.getByRole('alertdialog').isVisible(), true);
  await close();
});

test('a reply to a conversation that has ended reaches the customer and opens nothing', async () => {
  const {page, panel, conversation, first, close} = await begin();
  await conversation.getByRole('button', {name: 'End conversation'}).click();
  await conversation.getByRole('alertdialog').getByRole('button', {name: 'End conversation'}).click();
  const note = conversation.getByText('A reply still reaches the customer; their next message starts a new session.');
  await note.waitFor();
  const late = unique('One more thing');
  await reply(conversation, late);
  await allSent(conversation);
  await expectTexts(panel, [first, late]);
  assert.equal(await conversation.locator('.state').textContent(), 'Ended');
  assert.equal(await note.isVisible(), true);
  const shown = await page.evaluate(async (token) => (await (await fetch('/v1/conversations?limit=50', {headers: {Authorization: `Bearer ${token}`}})).json()).data, world.server.token);
  assert.equal(shown.find((c) => c.last_message.content.text === late).state, 'ended');

  await panel.getByRole('button', {name: 'Start a new conversation'}).click();
  await say(panel, 'And now?');
  await settle(async () => await conversation.locator('.state').textContent() === 'Open');
  await close();
});

test('j and k walk on, whatever they open', async () => {
  for (let i = 0; i < 3; i++) {
    const visit = await open(world, {desk: false});
    await say(await openPanel(visit.page), unique('Walk'));
    await allSent(visit.page.getByRole('dialog'));
    await visit.close();
  }
  const {page, close} = await open(world);
  await page.locator('.entry').nth(2).waitFor();
  const at = (n) => settle(() => page.locator('.entry').nth(n).evaluate((el) => el.ariaCurrent === 'true' && el === document.activeElement), () => `row ${n} is not chosen`);
  for (const [key, row] of [['j', 0], ['j', 1], ['j', 2], ['k', 1]]) {
    await page.keyboard.press(key);
    await at(row);
    await page.locator('.conversation').waitFor();
  }
  const field = page.locator('.conversation').getByRole('textbox');
  assert.equal(await field.inputValue(), '');
  await page.keyboard.press('r');
  await focused(field);
  await close();
});

test('editing what was refused keeps the draft', async () => {
  const {page, conversation, field, close} = await begin();
  await refuse(page, 'No.');
  await reply(conversation, 'the refused one');
  const edit = conversation.getByRole('button', {name: 'Edit'});
  await edit.waitFor();
  await field.fill('the next one');
  await edit.click();
  assert.equal(await field.inputValue(), 'the refused one\nthe next one');
  await close();
});

test('the visitor, too, keeps the draft', async () => {
  const {page, close} = await open(world, {desk: false});
  await page.routeWebSocket(/\/socket$/, (ws) => {
    const hub = ws.connectToServer();
    ws.onMessage((text) => {
      const frame = JSON.parse(text);
      if (frame.type === 'message') ws.send(JSON.stringify({type: 'nack', id: frame.id, code: 'refused', detail: 'No.', retry: false}));
      else hub.send(text);
    });
  });
  await page.reload();
  const panel = await openPanel(page);
  const field = panel.getByRole('textbox', {name: 'Message'});
  await say(panel, 'the refused one');
  const edit = panel.getByRole('button', {name: 'Edit and send again'});
  await edit.waitFor();
  await field.fill('the next one');
  await edit.click();
  assert.equal(await field.inputValue(), 'the refused one\nthe next one');
  await close();
});

test('a reload of the desk loses neither a reply that waits nor a draft', async () => {
  const {page, conversation, field, first, close} = await begin();
  const keys = [];
  await page.route('**/v1/messages', (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    return route.abort();
  });
  const waiting = unique('waits');
  await reply(conversation, waiting);
  await conversation.getByText('Kept here; sent when the hub is back').waitFor();
  await field.fill('half a sen');
  await page.reload();
  await page.unroute('**/v1/messages');
  await page.route('**/v1/messages', (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    return route.continue();
  });
  const again = await pick(page, waiting); // sent before the conversation is chosen
  await expectTexts(again, [first, waiting]);
  await allSent(again);
  assert.equal(await again.getByRole('textbox').inputValue(), 'half a sen');
  assert.equal(new Set(keys).size, 1, 'it was sent under another key');
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.includes(':unsent:'))), []);
  await again.getByRole('textbox').press('Enter');
  await allSent(again);
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.includes(':draft:'))), []);
  await close();
});

test('a file that waits is lost with the page, and the desk says so first', async () => {
  const {page, conversation, close} = await begin();
  const asked = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    return dialog.accept();
  });
  await page.route('**/v1/attachments?**', (route) => route.abort());
  await attach(conversation, {name: 'lamps.txt', text: 'black, brass'});
  await conversation.getByText('Kept while this page is open; sent when the hub is back').waitFor();
  await conversation.getByRole('textbox').click();
  await page.reload();
  assert.deepEqual(asked, ['beforeunload']);
  await close();
});
