import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, expectSame, expectTexts, open, openPanel, pick, reply, say, settle, setUp, texts, unique, wire} from './harness.mjs';

const world = setUp();

async function begin() {
  const context = await world.browser.newContext({viewport: {width: 1440, height: 900}, reducedMotion: 'reduce'});
  const line = await wire(context);
  const visit = await open(world, {context});
  const panel = await openPanel(visit.page);
  const first = unique('Hello');
  await say(panel, first);
  const conversation = await pick(visit.page, first);
  await allSent(panel);
  return {...visit, line, panel, conversation, said: [first]};
}

test('what is said while the socket is down arrives once and in order', async () => {
  const {page, line, panel, conversation, said, close} = await begin();
  line.refuse = 1013;
  line.cut(1012);
  await panel.getByText('No connection. What you write is kept and sent when it is back.').waitFor();
  for (const text of [unique('first'), unique('second'), unique('third')]) {
    said.push(text);
    await say(panel, text);
  }
  const missed = unique('meanwhile');
  await reply(conversation, missed);
  await conversation.locator('.bubble', {hasText: missed}).waitFor();
  line.refuse = 0;
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expectTexts(panel, [said[0], missed, ...said.slice(1)]);
  await expectTexts(conversation, [said[0], missed, ...said.slice(1)]);
  await allSent(panel);
  await close();
});

test('an acknowledgement lost with the socket doubles nothing', async () => {
  const {page, line, panel, conversation, said, close} = await begin();
  const text = unique('lost answer');
  // The hub takes the message; neither its answer nor its echo reaches the page.
  let taken = false;
  line.drop = (frame) => {
    const mine = frame.type === 'ack' || frame.type === 'frames';
    taken ||= mine;
    return mine;
  };
  await say(panel, text);
  await settle(() => taken);
  await conversation.locator('.bubble', {hasText: text}).waitFor();
  line.drop = () => false;
  line.cut(1011);
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await allSent(panel);
  await expectTexts(panel, [...said, text]);
  await expectTexts(conversation, [...said, text]);
  await close();
});

test('a reload with something unsent sends it', async () => {
  const {page, line, panel, said, close} = await begin();
  line.refuse = 1013;
  line.cut(1012);
  said.push(unique('typed in the dark'));
  await say(panel, said[1]);
  await page.reload();
  const again = await openPanel(page);
  await again.locator('.row.pending .bubble', {hasText: said[1]}).waitFor();
  line.refuse = 0;
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expectTexts(again, said);
  await allSent(again);
  await expectTexts(await pick(page, said[1]), said);
  await close();
});

test('many drops while both sides write: each message once, in one order on both sides', async () => {
  const {page, line, panel, conversation, close} = await begin();
  const wanted = new Set(await panel.locator('.bubble').evaluateAll((all) => all.map((el) => el.lastChild.textContent)));
  for (let i = 0; i < 6; i++) {
    const up = unique(`up ${i}`);
    const down = unique(`down ${i}`);
    wanted.add(up).add(down);
    await say(panel, up);
    if (i % 2 === 0) line.cut(1012);
    await reply(conversation, down);
    if (i % 3 === 0) line.cut(1011);
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
  }
  await settle(async () => await panel.locator('.bubble').count() === wanted.size && await conversation.locator('.bubble').count() === wanted.size);
  await allSent(panel);
  await allSent(conversation);
  const shown = await expectSame(panel, conversation);
  assert.deepEqual(new Set(shown), wanted);
  for (const side of ['up', 'down']) assert.deepEqual(shown.filter((t) => t.startsWith(`${side} `)), [...wanted].filter((t) => t.startsWith(`${side} `)));
  await page.reload();
  await expectTexts(await openPanel(page), shown);
  await expectTexts(await pick(page, shown.at(-1)), shown);
  await close();
});

test('what was written earlier and comes later stands in its place, and is read once it is seen', async () => {
  const {page, line, panel, conversation, said, close} = await begin();
  const [answer, more, later] = [unique('answer'), unique('more'), unique('later')];
  // The hub's word of the answer is held back until there is more behind it on both sides.
  const held = [];
  line.drop = (frame) => frame.type === 'frames' && frame.frames.some((f) => f.message?.text === answer) && held.push(frame) > 0;
  await reply(conversation, answer);
  await settle(() => held.length > 0);
  await say(panel, more);
  await expectTexts(conversation, [...said, answer, more]);
  await reply(conversation, later);
  await expectTexts(panel, [...said, more, later]);
  const read = conversation.locator('.row.own .mark.read');
  await read.waitFor();
  await panel.getByRole('button', {name: 'Close chat'}).click();
  line.drop = () => false;
  line.push(held[0]);
  await page.getByRole('button', {name: /^Open chat/}).click();
  await expectTexts(panel, [...said, answer, more, later]);
  await settle(async () => await read.count() === 2);
  await page.reload();
  await expectTexts(await openPanel(page), [...said, answer, more, later]);
  await close();
});

test('what is refused for now goes again under its id, before what came after', async () => {
  const {line, panel, said, close} = await begin();
  let refused = 0;
  line.answer = (frame) => frame.type === 'message' && refused++ < 2
    ? {type: 'nack', id: frame.id, code: 'rate_limited', detail: 'Too many messages. Wait a moment.', retry: true, retry_after_ms: 50} : null;
  said.push(unique('first'), unique('second'));
  await say(panel, said[1]);
  await say(panel, said[2]);
  await expectTexts(panel, said);
  await allSent(panel);
  const sent = line.up.filter((frame) => frame.type === 'message');
  assert.deepEqual(sent.map((frame) => frame.text), [said[0], said[1], said[1], said[1], said[2]]);
  assert.equal(new Set(sent.map((frame) => frame.id)).size, 3);
  await close();
});

test('what is refused for good says why and can be written anew', async () => {
  const {line, panel, said, close} = await begin();
  line.answer = (frame) => frame.type === 'message' ? {type: 'nack', id: frame.id, code: 'rejected', detail: 'It holds a card number.', retry: false} : null;
  await say(panel, 'bad');
  await panel.locator('.row.failed', {hasText: 'Not sent. It holds a card number.'}).waitFor();
  line.answer = () => null;
  await panel.getByRole('button', {name: 'Edit and send again'}).click();
  const field = panel.getByRole('textbox', {name: 'Message'});
  assert.equal(await field.inputValue(), 'bad');
  said.push(unique('better'));
  await say(panel, said[1]);
  await expectTexts(panel, said);
  assert.equal(await panel.locator('.row.failed').count(), 0);
  await close();
});

test('a token the hub does not know is replaced; nothing unsent is lost', async () => {
  const {page, panel, close} = await begin();
  await page.evaluate(() => localStorage.setItem('channelhub:demo:token', 'forged'));
  await panel.getByRole('button', {name: 'Close chat'}).click();
  await page.reload();
  const again = await openPanel(page);
  const text = unique('after the loss');
  await say(again, text);
  await expectTexts(again, [text]);
  await allSent(again);
  await close();
});

test('a conversation that was erased leaves the screen with the next socket', async () => {
  const {page, line, panel, said, close} = await begin();
  await expectTexts(panel, said);
  // What the hub answers once it has forgotten the conversation: the visitor is there, and has said nothing.
  const welcome = line.down.find((frame) => frame.type === 'welcome');
  line.answer = (frame) => frame.type === 'hello' ? {...welcome, resumed: false} : null;
  line.drop = () => true;
  const before = line.opened;
  line.cut(1012);
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await settle(() => line.opened > before);
  await panel.locator('.bubble').first().waitFor({state: 'detached'});
  await settle(() => line.up.filter((frame) => frame.type === 'hello').length > 1);
  line.push({type: 'state', session: 'none'});
  await panel.locator('.greeting').waitFor();
  assert.deepEqual(await texts(panel), []);
  await close();
});

test('a refused origin stops the widget and says so', async () => {
  const context = await world.browser.newContext();
  const line = await wire(context);
  line.refuse = 4003;
  const {page, close} = await open(world, {context, desk: false});
  await page.getByRole('button', {name: /^Open chat/}).click();
  const panel = page.getByRole('dialog');
  await panel.getByText('Chat is not available on this page.').waitFor();
  assert.equal(await panel.getByRole('textbox').count(), 0);
  assert.equal(await panel.getByText('Hello. What can we do for you?').count(), 0);
  const opened = line.opened;
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  assert.equal(line.opened, opened);
  await close();
});

test('without storage the widget still talks', async () => {
  const context = await world.browser.newContext();
  await context.addInitScript(() => {
    Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError'); }});
  });
  const {page, complaints, close} = await open(world, {context, desk: false});
  const panel = await openPanel(page);
  const text = unique('no cookies, please');
  await say(panel, text);
  await expectTexts(panel, [text]);
  await page.getByText('This browser keeps nothing for this page').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test('the desk keeps a reply while the hub is away and sends it once', async () => {
  const {page, context, conversation, panel, said, close} = await begin();
  await context.setOffline(true);
  const answer = unique('kept on the desk');
  await reply(conversation, answer);
  await conversation.locator('.row.pending').first().waitFor();
  await context.setOffline(false);
  await expectTexts(conversation, [...said, answer]);
  await allSent(conversation);
  await expectTexts(panel, [...said, answer]);
  await page.locator('.banner').waitFor({state: 'detached'});
  await close();
});
