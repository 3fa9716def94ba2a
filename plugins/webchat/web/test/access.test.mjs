import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {test} from 'node:test';
import {allSent, attach, drag, expectTexts, open, openPanel, pick, reply, say, settle, setUp, unique, wire} from './harness.mjs';

const world = setUp();
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function faults(page) {
  await page.evaluate(axe);
  const {violations} = await page.evaluate(() => window.axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}));
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.any.map((c) => c.message).join('; ')}`).join(' | ')}`);
}

for (const scheme of ['light', 'dark']) {
  for (const [name, size] of [['desktop', {width: 1440, height: 900}], ['phone', {width: 390, height: 844}]]) {
    test(`axe finds nothing, ${scheme}, ${name}`, async () => {
      const {page, close} = await open(world, {scheme, size});
      const phone = name === 'phone';
      assert.deepEqual(await faults(page), [], 'before opening');
      const panel = await openPanel(page);
      assert.deepEqual(await faults(page), [], 'empty panel');
      const text = unique('Does it come in black?');
      await say(panel, text);
      await expectTexts(panel, [text]);
      if (phone) {
        await panel.getByRole('button', {name: 'Close chat'}).click();
        await page.getByRole('button', {name: 'Desk', exact: true}).click();
      }
      const conversation = await pick(page, text);
      await expectTexts(conversation, [text]);
      await reply(conversation, 'Black and brass.');
      await conversation.locator('.row.own:not(.pending)').waitFor();
      await attach(conversation, {name: 'lamps.txt', text: 'black, brass'}, {name: 'page.txt', text: '<html>'});
      await conversation.locator('button.file').waitFor();
      await conversation.locator('.row.failed .file').waitFor();
      assert.deepEqual(await faults(page), [], 'thread');
      for (const root of phone ? [conversation] : [conversation, panel]) {
        const held = await drag(page, root, import.meta.filename);
        await root.locator('.drop').waitFor();
        assert.deepEqual(await faults(page), [], 'files above it');
        await held.leave();
        await root.locator('.drop').waitFor({state: 'detached'});
      }
      if (phone) return close();
      await panel.getByRole('button', {name: 'End conversation'}).click();
      assert.deepEqual(await faults(page), [], 'confirm');
      await page.locator('.list-head').getByRole('button', {name: 'Keys'}).click();
      assert.deepEqual(await faults(page), [], 'keys');
      return close();
    });
  }
}

test('the widget works with the keyboard alone', async () => {
  const {page, close} = await open(world, {desk: false});
  const launcher = page.getByRole('button', {name: 'Open chat'});
  await launcher.focus();
  await page.keyboard.press('Enter');
  const panel = page.getByRole('dialog');
  await panel.getByText('Hello. What can we do for you?').waitFor();
  const focused = () => page.evaluate(() => {
    let el = document.activeElement;
    while (el?.shadowRoot?.activeElement) el = el.shadowRoot.activeElement;
    return el?.getAttribute('aria-label') || el?.dataset.key && 'bubble' || el?.textContent;
  });
  assert.equal(await focused(), 'Message');
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  await page.keyboard.press('Enter');
  await expectTexts(panel, ['first line\nsecond line']);
  await panel.getByRole('button', {name: 'End conversation'}).waitFor();

  // Round the panel and never out of it.
  const seen = new Set();
  for (let i = 0; i < 10; i++) {
    await page.keyboard.press('Tab');
    seen.add(await focused());
  }
  assert.deepEqual([...seen].sort(), ['Attach a file', 'Close chat', 'End conversation', 'Message', 'Send', 'bubble']);
  await page.keyboard.press('Escape');
  await settle(async () => await focused() === 'Open chat');
  assert.equal(await panel.isVisible(), false);
  await close();
});

test('the desk answers to its keys', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const text = unique('Keys');
  await say(panel, text);
  await page.locator('.entry', {hasText: text}).waitFor();
  await panel.getByRole('button', {name: 'Close chat'}).click();
  await page.locator('.list-head').click({position: {x: 4, y: 4}});
  await page.keyboard.press('j');
  const field = page.locator('.conversation').getByRole('textbox');
  await field.waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  const keys = page.getByRole('dialog', {name: 'Keys'});
  await keys.waitFor();
  await page.keyboard.press('Escape');
  await keys.waitFor({state: 'detached'});
  await page.keyboard.press('/');
  const search = page.getByRole('searchbox');
  await settle(() => search.evaluate((el) => el === document.activeElement));
  await page.keyboard.type(text);
  await settle(async () => await page.locator('.entry').count() === 1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('r');
  await settle(() => field.evaluate((el) => el === document.activeElement));
  await page.keyboard.type('j k r / ?');
  assert.equal(await field.inputValue(), 'j k r / ?');

  // A key that comes before the browser has moved the focus out of a dialog it just closed.
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await keys.waitFor();
  assert.ok(await search.evaluate((el) => {
    document.querySelector('dialog').close();
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true, composed: true, cancelable: true}));
    return el === document.activeElement;
  }), 'the key behind the dialog was lost');
  await close();
});

const focused = (locator, what) => settle(() => locator.evaluate((el) => el.getRootNode().activeElement === el), () => `the focus is not on ${what}`);

test('what goes away hands the focus on: the widget', async () => {
  const context = await world.browser.newContext({viewport: {width: 1440, height: 900}, reducedMotion: 'reduce', locale: 'en-GB'});
  const line = await wire(context);
  const {page, close} = await open(world, {context});
  const panel = await openPanel(page);
  const field = panel.getByRole('textbox', {name: 'Message'});
  const text = unique('Focus');
  const starter = panel.getByRole('button', {name: 'Where is my order?'});
  await starter.focus();
  await starter.press('Enter');
  await focused(panel, 'the panel, in the place of the sentence to begin with');
  await say(panel, text);
  await panel.getByRole('button', {name: 'End conversation'}).click();
  await page.keyboard.press('Escape');
  await focused(field, 'the field, behind the question');
  await page.keyboard.press('Escape');
  await panel.waitFor({state: 'hidden'});

  await openPanel(page);
  const conversation = await pick(page, text);
  await conversation.locator('.bubble').first().waitFor();
  await field.focus();
  // The other side ends it, from elsewhere.
  const id = (await page.evaluate(async (token) => (await (await fetch('/v1/conversations', {headers: {Authorization: `Bearer ${token}`}})).json()).data, world.server.token)).find((c) => c.last_message.content.text === text).id;
  await page.evaluate(([token, at]) => fetch(`/v1/conversations/${at}/end`, {method: 'POST', body: '{}', headers: {Authorization: `Bearer ${token}`, 'Content-Type': 'application/json'}}), [world.server.token, id]);
  await panel.getByRole('button', {name: 'Start a new conversation'}).waitFor();
  await focused(panel, 'the panel, after the end');
  await panel.getByRole('button', {name: 'Start a new conversation'}).click();
  await focused(field, 'the field of a new conversation');
  line.refuse = 4003;
  line.cut(4003);
  await panel.getByText('Chat is not available on this page.').waitFor();
  await focused(panel, 'the panel, after it was refused');
  await page.keyboard.press('Escape');
  await panel.waitFor({state: 'hidden'});
  await close();
});

test('what goes away hands the focus on: the desk', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const text = unique('Focus');
  for (let i = 0; i < 12; i++) await say(panel, `${text}\nand\nmore ${i}`);
  await allSent(panel);
  const conversation = await pick(page, text);
  await conversation.locator('.bubble', {hasText: 'more 11'}).waitFor();
  const field = conversation.getByRole('textbox');
  const end = conversation.locator('.conversation-head').getByRole('button', {name: 'End conversation'});
  for (const leave of ['Enter', 'Escape']) {
    await end.focus();
    await end.press('Enter');
    await focused(conversation.getByRole('button', {name: 'Keep it open'}), 'the question');
    await page.keyboard.press(leave);
    await focused(end, `what opened the question, after ${leave}`);
  }
  await conversation.locator('.thread-scroll').evaluate((el) => new Promise((done) => {
    el.addEventListener('scroll', done, {once: true});
    el.scrollTop = 0;
  }));
  await say(panel, 'the newest');
  const jump = conversation.getByRole('button', {name: 'New messages'});
  await jump.focus();
  await jump.press('Enter');
  await focused(conversation.locator('.bubble', {hasText: 'the newest'}), 'the newest message');
  await end.click();
  await conversation.locator('.ask .danger').focus();
  await page.keyboard.press('Enter');
  await focused(field, 'the reply, after the end');
  await close();

  const phone = await open(world, {size: {width: 390, height: 844}});
  await phone.page.getByRole('button', {name: 'Desk', exact: true}).click();
  const row = phone.page.locator('.entry').first();
  await row.click();
  const contact = phone.page.getByRole('button', {name: 'Contact', exact: true});
  for (const leave of ['Enter', 'Escape']) {
    await contact.focus();
    await contact.press('Enter');
    await focused(phone.page.getByRole('button', {name: 'Close contact'}), 'the way out of the contact');
    await phone.page.keyboard.press(leave);
    await focused(contact, `what opened the contact, after ${leave}`);
    await phone.page.locator('.contact').waitFor({state: 'hidden'});
  }
  await phone.page.getByRole('button', {name: 'Back to the list'}).press('Enter');
  await focused(row, 'the row one came from');
  await phone.close();
});

test('on touch everything on the desk is at least 44 px high', async () => {
  const {page, close} = await open(world, {size: {width: 390, height: 844}, hasTouch: true, isMobile: true});
  const panel = await openPanel(page);
  const text = unique('Touch');
  await say(panel, text);
  await allSent(panel);
  await panel.getByRole('button', {name: 'Close chat'}).click();
  await page.getByRole('button', {name: 'Desk', exact: true}).click();
  const small = () => page.locator('.desk button').evaluateAll((all) => all.map((el) => [el.ariaLabel || el.textContent, el.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 44 || box.width < 44)).map(([name]) => name));
  await page.locator('.entry').first().waitFor();
  assert.deepEqual(await small(), []);
  const conversation = await pick(page, text);
  await page.route('**/v1/messages', (route) => route.fulfill({status: 422, contentType: 'application/problem+json', body: '{"title":"Invalid","status":422}'}));
  await reply(conversation, 'refused');
  await attach(conversation, {name: 'page.txt', text: 'x'});
  await conversation.getByRole('button', {name: 'Edit'}).waitFor();
  await conversation.getByRole('button', {name: 'Remove'}).waitFor();
  assert.deepEqual(await small(), []);
  await close();
});

test('at 200 % zoom and right to left the panel stays usable', async () => {
  const zoomed = await open(world, {size: {width: 640, height: 360}, desk: false});
  const small = await openPanel(zoomed.page);
  const box = await small.boundingBox();
  assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= 640 && box.y + box.height <= 360, `the panel is cut off: ${JSON.stringify(box)}`);
  await say(small, 'still fits');
  await expectTexts(small, ['still fits']);
  await zoomed.close();

  const {page, close} = await open(world, {desk: false});
  await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
  const panel = await openPanel(page);
  await say(panel, 'שלום');
  await expectTexts(panel, ['שלום']);
  const frame = await panel.boundingBox();
  const bubble = await panel.locator('.bubble').boundingBox();
  assert.ok(bubble.x - frame.x < frame.width / 2, 'the own bubble stands at the end, which is left');
  await close();
});
