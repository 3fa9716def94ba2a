import assert from 'node:assert/strict';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {allSent, chips, drag, expectChips, open, openPanel, pick, say, saved, setUp, settle, unique, wire} from './harness.mjs';

const world = setUp();
let folder;
const at = (name) => join(folder, name);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drop-'));
  await writeFile(at('receipt.txt'), 'three lamps');
  await writeFile(at('invoice.txt'), 'forty euros');
  await mkdir(at('photos'));
});
after(() => rm(folder, {recursive: true}));

/** Pastes what `make`, run in the page, puts on the clipboard, into what has the focus. */
async function paste(page, make) {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], {origin: new URL(page.url()).origin});
  await page.evaluate(make);
  await page.keyboard.press('Control+V');
}

const picture = async () => {
  const canvas = new OffscreenCanvas(8, 8);
  canvas.getContext('2d').fillRect(2, 2, 4, 4);
  await navigator.clipboard.write([new ClipboardItem({'image/png': await canvas.convertToBlob()})]);
};
const pictureOfText = async () => {
  const canvas = new OffscreenCanvas(8, 8);
  canvas.getContext('2d').fillRect(2, 2, 4, 4);
  await navigator.clipboard.write([new ClipboardItem({
    'text/plain': new Blob(['forty euros'], {type: 'text/plain'}), 'text/html': new Blob(['<b>forty</b> euros'], {type: 'text/html'}), 'image/png': await canvas.convertToBlob(),
  })]);
};

test('files dropped on either side are sent', async () => {
  const {page, complaints, close} = await open(world);
  const panel = await openPanel(page);
  const hello = unique('Here it comes');
  await say(panel, hello);
  await allSent(panel);
  const conversation = await pick(page, hello);

  const hint = panel.locator('[role=status] .drop', {hasText: 'Drop files here to send them'});
  const first = await drag(page, panel, at('receipt.txt'));
  await hint.waitFor();
  await first.leave();
  await panel.locator('.drop').waitFor({state: 'detached'});
  const second = await drag(page, panel, at('receipt.txt'), at('photos'));
  await hint.waitFor();
  await second.drop();
  await panel.getByText('Not sent. A folder cannot be sent. Choose the files in it.').waitFor();
  await panel.locator('.drop').waitFor({state: 'detached'});
  await panel.getByRole('button', {name: 'Remove'}).click();
  await expectChips(panel, ['receipt.txt: 11 B']);
  assert.ok(await panel.getByRole('textbox').evaluate((el) => el === el.getRootNode().activeElement), 'the field has lost the focus');

  const third = await drag(page, conversation, at('invoice.txt'));
  await conversation.locator('[role=status] .drop', {hasText: 'Drop files here to send them'}).waitFor();
  await third.drop();
  await expectChips(conversation, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  await expectChips(panel, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  assert.equal(await saved(page, conversation, 'receipt.txt'), 'three lamps');
  assert.equal(await saved(page, panel, 'invoice.txt'), 'forty euros');

  // Beside its place a file changes nothing: the page stays.
  await (await drag(page, page.locator('.list'), at('receipt.txt'))).drop();
  await allSent(conversation);
  await expectChips(conversation, ['receipt.txt: 11 B', 'invoice.txt: 11 B']);
  assert.deepEqual(complaints, []);
  await close();
});

test('a picture is pasted as a file on either side, and text as text', async () => {
  const {page, close} = await open(world);
  const panel = await openPanel(page);
  const hello = unique('A picture');
  await say(panel, hello);
  await allSent(panel);
  const conversation = await pick(page, hello);
  const field = panel.getByRole('textbox', {name: 'Message'});
  await field.fill('It is ');
  await paste(page, pictureOfText);
  assert.equal(await field.inputValue(), 'It is forty euros');
  await paste(page, picture);
  const names = async (root) => (await chips(root)).map((chip) => chip.replace(/:.*/, ''));
  await settle(async () => (await names(conversation)).join() === 'image.png');
  assert.equal(await field.inputValue(), 'It is forty euros', 'what was written is gone');
  await conversation.getByRole('textbox').focus();
  await paste(page, picture);
  await settle(async () => (await names(panel)).join() === 'image.png,image.png');
  await allSent(conversation);
  assert.equal(await page.locator('.row.failed').count(), 0);
  await close();
});

test('what the account does not take is not taken by drop or paste, either', async () => {
  const context = await world.browser.newContext({viewport: {width: 1440, height: 900}, reducedMotion: 'reduce'});
  const line = await wire(context);
  const withFiles = (files) => (text) => {
    const frame = JSON.parse(text);
    if (frame.type === 'welcome') frame.limits.files = files;
    return JSON.stringify(frame);
  };
  line.alter = withFiles({size: 1 << 20, types: ['image/*', 'application/pdf']});
  const {page, close} = await open(world, {context, desk: false});
  let panel = await openPanel(page);
  await panel.getByRole('button', {name: 'Attach a file'}).waitFor(); // the hub has said what is taken
  await (await drag(page, panel, at('receipt.txt'))).drop();
  await panel.getByText('Not sent. Files of this type are not taken.').waitFor();
  assert.equal(line.up.some((frame) => frame.type === 'message'), false);
  await panel.getByRole('button', {name: 'Remove'}).click();

  line.alter = withFiles(null);
  await page.reload();
  panel = await openPanel(page);
  await say(panel, unique('no files here'));
  await allSent(panel); // the hub has said that none are taken
  await (await drag(page, panel, at('receipt.txt'))).drop();
  const text = unique('none at all');
  await say(panel, text);
  await panel.locator('.row.own:not(.pending) .bubble', {hasText: text}).waitFor();
  assert.deepEqual([await chips(panel), await panel.locator('.drop').count()], [[], 0]);
  await close();
});
