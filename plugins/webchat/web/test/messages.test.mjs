import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, expectTexts, open, openPanel, pick, reply, say, settle, setUp, unique} from './harness.mjs';

const world = setUp();

test('a visitor and a CSR talk, both ways, with ticks', async () => {
  const {page, complaints, close} = await open(world);
  const panel = await openPanel(page);
  await page.getByText('Hello. What can we do for you?').waitFor();
  const question = unique('Where is my order?');
  await say(panel, question);
  await panel.locator('.mark .words', {hasText: /^(Sent|Delivered|Read)$/}).waitFor();

  const conversation = await pick(page, question);
  await expectTexts(conversation, [question]);
  await panel.locator('.mark.read').waitFor();

  const answer = unique('It left our warehouse today.');
  await reply(conversation, answer);
  await expectTexts(panel, [question, answer]);
  await expectTexts(conversation, [question, answer]);
  await conversation.locator('.row.own .mark.read').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test('each side sees the other typing', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const first = unique('Hello');
  await say(panel, first);
  const conversation = await pick(page, first);
  await conversation.getByRole('textbox').pressSequentially('One mo');
  await panel.locator('.typing', {hasText: 'The agent is typing'}).waitFor();
  await panel.getByRole('textbox', {name: 'Message'}).pressSequentially('And');
  await conversation.locator('.typing').waitFor();
  await reply(conversation, unique('One moment'));
  await panel.locator('.typing').waitFor({state: 'detached'});
  await close();
});

test('a reload and a second tab show the same thread', async () => {
  const {context, page, close} = await open(world);
  const panel = await openPanel(page);
  const said = [unique('one'), unique('two'), unique('three')];
  for (const text of said) await say(panel, text);
  await expectTexts(panel, said);
  await allSent(panel);

  await page.reload();
  await expectTexts(await openPanel(page), said);

  const second = await open(world, {context, desk: false});
  const other = await openPanel(second.page);
  await expectTexts(other, said);
  said.push(unique('from the other tab'));
  await say(other, said[3]);
  await expectTexts(page.getByRole('dialog'), said);
  await close();
});

test('what the visitor has not seen is counted and then read', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const first = unique('Are you there?');
  await say(panel, first);
  const conversation = await pick(page, first);
  await panel.getByRole('button', {name: 'Close chat'}).click();
  await reply(conversation, unique('Yes'));
  await reply(conversation, unique('I am'));
  await page.getByRole('button', {name: 'Open chat, 2 unread messages'}).waitFor();
  await conversation.locator('.mark.delivered').last().waitFor();

  await page.reload();
  await page.getByRole('button', {name: 'Open chat, 2 unread messages'}).click();
  await page.getByRole('dialog').locator('.bubble', {hasText: 'I am'}).waitFor();
  await (await pick(page, 'I am')).locator('.row.own .mark.read').last().waitFor();
  await page.getByRole('dialog').getByRole('button', {name: 'Close chat'}).click();
  await page.getByRole('button', {name: 'Open chat', exact: true}).waitFor();
  await close();
});

test('either side ends the conversation and the next message begins anew', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const first = unique('Only a question');
  await say(panel, first);
  const conversation = await pick(page, first);

  await panel.getByRole('button', {name: 'End conversation'}).click();
  await panel.getByRole('button', {name: 'Keep chatting'}).click();
  await panel.getByRole('button', {name: 'End conversation'}).click();
  await panel.getByRole('alertdialog').getByRole('button', {name: 'End conversation'}).click();
  await panel.locator('.notice', {hasText: 'You ended the conversation'}).waitFor();
  await conversation.locator('.notice', {hasText: 'The customer ended the conversation'}).waitFor();

  await panel.getByRole('button', {name: 'Start a new conversation'}).click();
  const second = unique('One more');
  await say(panel, second);
  await expectTexts(conversation, [first, second]);
  await settle(async () => await conversation.locator('.state').textContent() === 'Open');

  await conversation.getByRole('button', {name: 'End conversation'}).click();
  await conversation.getByRole('alertdialog').getByRole('button', {name: 'End conversation'}).click();
  await panel.locator('.notice', {hasText: 'The agent ended the conversation'}).waitFor();
  await panel.getByRole('button', {name: 'Start a new conversation'}).waitFor();
  await close();
});

test('earlier messages come in above, and what is being read stays where it is', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const text = unique('Many');
  await say(panel, text);
  await allSent(panel);
  // The page holds all fifty the hub gives at a time, and the hub has more: as after weeks of talk.
  const at = (n) => new Date(Date.UTC(2026, 0, 5, 9, n)).toISOString();
  const all = Array.from({length: 120}, (_, i) => ({id: `msg_old${i}`, direction: i % 3 ? 'inbound' : 'outbound', author: i % 3 ? 'customer' : 'csr', status: 'read', content: {type: 'text', text: `line ${i}`}, created_at: at(i)}));
  await page.route('**/v1/conversations/*/messages?**', (route) => {
    const end = Number(new URL(route.request().url()).searchParams.get('cursor')) || all.length;
    const start = Math.max(0, end - 50);
    return route.fulfill({json: {data: all.slice(start, end).reverse(), next_cursor: start > 0 ? String(start) : ''}});
  });
  const conversation = await pick(page, text);
  const scroller = conversation.locator('.thread-scroll');
  const more = conversation.getByRole('button', {name: 'Show earlier messages'});
  // At the very top, and a little further down, where the browser may hold the place by itself.
  for (const [top, oldest, next] of [[0, 70, 20], [40, 20, 0]]) {
    const bubble = conversation.locator(`[data-key="msg_old${oldest}"]`);
    await bubble.waitFor();
    await scroller.evaluate((el, to) => { el.scrollTop = to; }, top);
    await settle(() => scroller.evaluate((el, to) => el.scrollTop === to, top));
    const before = await bubble.evaluate((el) => el.getBoundingClientRect().top);
    await more.evaluate((el) => el.click());
    await conversation.locator(`[data-key="msg_old${next}"]`).waitFor();
    const after = await bubble.evaluate((el) => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(() => done(el.getBoundingClientRect().top))); }));
    assert.ok(Math.abs(after - before) < 2, `from ${top}, line ${oldest} moved from ${before} to ${after}`);
  }
  await close();
});

test('text is only ever text', async () => {
  const {page, complaints, close} = await open(world);
  const panel = await openPanel(page);
  const nasty = unique('<img src=x onerror="document.title=1"> <b>&amp;</b> javascript:alert(1) ${x} \u202e');
  await say(panel, nasty);
  await expectTexts(panel, [nasty.trim()]);
  await expectTexts(await pick(page, 'onerror'), [nasty.trim()]);
  assert.equal(await page.locator('.bubble img, .bubble b').count(), 0);
  assert.deepEqual(complaints, []);
  await close();
});

test('the desk takes the token out of the address bar', async () => {
  const {page, close} = await open(world);
  await page.getByRole('heading', {name: /^Conversations/}).waitFor();
  assert.equal(new URL(page.url()).hash, '');
  await page.reload();
  await page.getByRole('heading', {name: /^Conversations/}).waitFor();
  await close();

  const without = await open(world, {desk: false});
  await without.page.getByRole('heading', {name: 'The desk needs a token'}).waitFor();
  await without.close();
});
