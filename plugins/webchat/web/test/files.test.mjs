import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, attach, chips, expectChips, expectTexts, open, openPanel, pick, say, saved, setUp, settle, unique, wire} from './harness.mjs';

const world = setUp();

test('files go both ways, and a reload shows each once', async () => {
  const {page, complaints, close} = await open(world);
  let panel = await openPanel(page);
  const hello = unique('I have a receipt');
  await say(panel, hello);
  await allSent(panel);
  const conversation = await pick(page, hello);
  await attach(panel, {name: 'receipt.txt', text: 'three lamps'});
  await expectChips(panel, ['receipt.txt: 11 B']);
  await allSent(panel);
  await expectChips(conversation, ['receipt.txt: 11 B']);
  assert.equal(await saved(page, conversation, 'receipt.txt'), 'three lamps');
  await attach(conversation, {name: 'invoice.txt', text: 'forty euros'});
  await expectChips(conversation, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  await expectChips(panel, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  assert.equal(await saved(page, panel, 'receipt.txt'), 'three lamps');
  assert.equal(await saved(page, panel, 'invoice.txt'), 'forty euros');
  const thanks = unique('Forty it is');
  await say(panel, thanks);
  await allSent(panel);
  await conversation.locator('.row.own .mark.read').last().waitFor();

  const said = [];
  page.on('websocket', (ws) => ws.on('framesent', ({payload}) => said.push(JSON.parse(payload).type)));
  await page.reload();
  panel = await openPanel(page);
  await expectChips(panel, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  assert.equal(await saved(page, panel, 'invoice.txt'), 'forty euros');
  await expectChips(await pick(page, thanks), ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  // What was delivered and read before is known to be: nothing is reported again.
  assert.deepEqual(said.filter((type) => type !== 'ping'), ['hello']);
  assert.deepEqual(complaints, []);
  await close();
});

test('a picked file needs no pointer, and is announced by name and size', async () => {
  const {page, close} = await open(world, {desk: false});
  const chosen = page.waitForEvent('filechooser'); // long before the key: a browser takes a moment to hand choosers over
  const panel = await openPanel(page);
  await panel.getByRole('button', {name: 'Attach a file'}).focus();
  await page.keyboard.press('Enter');
  const chooser = await chosen;
  await chooser.setFiles({name: 'a <b>bold</b> name.txt', mimeType: 'text/plain', buffer: Buffer.from('x'.repeat(2048))});
  await panel.getByRole('button', {name: /^Save file: .*name\.txt.*2 KB$/}).waitFor();
  assert.equal(await panel.locator('.file b').count(), 0, 'a name became markup');
  await close();
});

test('what is not taken says why, and holds up nothing', async () => {
  const {page, close} = await open(world, {desk: false});
  const panel = await openPanel(page);
  await attach(panel, {name: 'page.txt', text: '<!doctype html><script>1</script>'});
  await panel.getByText('Not sent. Files of this type are not taken.').waitFor();
  assert.equal(await panel.getByRole('button', {name: 'Try again'}).count(), 0, 'a try that cannot help is offered');
  await attach(panel, {name: 'empty.txt', text: ''});
  await panel.getByText('Not sent. The file is empty.').waitFor();
  // Larger than allowed: the page knows before it sends a byte.
  await panel.locator('input[type=file]').evaluate((input) => {
    const list = new DataTransfer();
    list.items.add(new File([new Uint8Array(26 * 1024 * 1024)], 'film.txt'));
    input.files = list.files;
    input.dispatchEvent(new Event('change'));
  });
  await panel.getByText('Not sent. It is larger than 25 MB.').waitFor();
  const text = unique('never mind');
  await say(panel, text);
  await panel.locator('.bubble', {hasText: text}).waitFor();
  for (let n = 3; n > 0; n--) {
    await panel.getByRole('button', {name: 'Remove'}).first().click();
    await settle(async () => await panel.getByRole('button', {name: 'Remove'}).count() === n - 1);
  }
  await expectTexts(panel, [text]);
  await page.reload();
  await expectTexts(await openPanel(page), [text]);
  await close();
});

test('an upload that breaks is tried again, and the message comes once', async () => {
  const {page, context, close} = await open(world, {desk: false});
  const panel = await openPanel(page);
  const hello = unique('here it comes');
  await say(panel, hello);
  await allSent(panel);
  let broken = 0;
  await context.route(/\/upload\?/, (route) => {
    if (broken++ < 3) return route.abort();
    return route.continue();
  });
  await attach(panel, {name: 'stubborn.txt', text: 'again'});
  await panel.getByText('Not sent. The connection broke.').waitFor();
  await panel.getByRole('button', {name: 'Try again'}).click();
  await expectChips(panel, ['stubborn.txt: 5 B']);
  await allSent(panel);
  assert.equal(await panel.locator('.row.failed').count(), 0);
  await close();
});

test('a file is kept while the network is away, and says so when the page could not keep it', async () => {
  const {page, context, close} = await open(world, {desk: false});
  let panel = await openPanel(page);
  await say(panel, unique('before'));
  await allSent(panel);
  await context.setOffline(true);
  await panel.locator('.strip.away').waitFor();
  await attach(panel, {name: 'patient.txt', text: 'waiting'});
  await panel.locator('.row.pending .file').waitFor();
  await context.setOffline(false);
  await expectChips(panel, ['patient.txt: 7 B']);
  await allSent(panel);

  await context.route(/\/upload\?/, () => {}); // nobody answers
  await attach(panel, {name: 'lost.txt', text: 'never'});
  await panel.getByRole('progressbar').waitFor();
  await page.reload();
  panel = await openPanel(page);
  await panel.getByText('The page was closed before the file was sent. Choose it again.').waitFor();
  assert.deepEqual((await chips(panel))[0], 'patient.txt: 7 B');
  await panel.getByRole('button', {name: 'Remove'}).click();
  await expectChips(panel, ['patient.txt: 7 B']);
  await close();
});

test('a file that is still checked says so, and so does one that was refused', async () => {
  const context = await world.browser.newContext();
  const state = await wire(context);
  const {page, close} = await open(world, {context, desk: false});
  const panel = await openPanel(page);
  await say(panel, unique('before'));
  await allSent(panel);
  state.alter = (text) => text.replaceAll('"state":"ready"', '"state":"pending"');
  await attach(panel, {name: 'slow.txt', text: 'check me'});
  await expectChips(panel, ['slow.txt: 8 B · Being checked']);
  await allSent(panel);
  assert.equal(await panel.locator('button.file').count(), 0, 'a file that nobody can have is offered');
  state.alter = (text) => text.replaceAll('"state":"ready"', '"state":"refused"');
  state.cut();
  await expectChips(panel, ['slow.txt: 8 B · Was not taken']);
  assert.equal(state.up.filter((f) => f.type === 'hello').at(-1).position, null, 'the page went on behind a file it knew nothing of');
  state.alter = (text) => text;
  await page.reload();
  await expectChips(await openPanel(page), ['slow.txt: 8 B']);
  await close();
});
