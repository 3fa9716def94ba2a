import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, expectTexts, open, openPanel, pick, say, setUp, settle, unique, wire} from './harness.mjs';

const world = setUp();

/** What the desk shows of the customer's browser: names and values. */
function shown(page) {
  return page.locator('.context dl > div').evaluateAll((all) => Object.fromEntries(all.map((el) => [el.querySelector('dt').textContent, el.querySelector('dd').textContent])));
}

async function expectShown(page, wanted) {
  const holds = async () => {
    const now = await shown(page);
    return Object.entries(wanted).every(([name, value]) => now[name] === value);
  };
  await settle(holds, async () => `the desk shows ${JSON.stringify(await shown(page))}, wanted ${JSON.stringify(wanted)}`);
}

test('the desk shows what the browser tells while the session lasts, and of its cookies those that are named', async () => {
  const context = await world.browser.newContext({viewport: {width: 1440, height: 1000}, reducedMotion: 'reduce', locale: 'en-GB'});
  await context.addCookies([['campaign', 'spring%20sale'], ['secret', 'never-to-be-told']].map(([name, value]) => ({name, value, url: world.server.url})));
  const line = await wire(context);
  const {page, complaints, close} = await open(world, {context});
  const panel = await openPanel(page);
  const hello = unique('What is in my basket?');
  await say(panel, hello);
  const conversation = await pick(page, hello);
  const site = `${world.server.url}/chat/demo/demo`;
  await expectShown(page, {
    Page: `Channelhub demo: the customer and the desk${site}`, campaign: 'spring%20sale', product: 'Arc, in brushed brass', basket: '0', 'Network address': '127.0.0.1',
  });
  assert.match((await shown(page)).Browser, /^Chrome \d+ on Linux$/);

  // The page hands over something new, and goes elsewhere without being loaded.
  await page.getByRole('button', {name: 'Add to basket'}).press('Enter');
  await page.evaluate(() => history.pushState(null, '', `${location.pathname}/basket?code=not-to-be-told#nor-this`));
  const more = unique('And now?');
  await say(panel, more);
  await expectTexts(conversation, [hello, more]);
  await expectShown(page, {basket: '1', Page: `Channelhub demo: the customer and the desk${site}/basket`});
  await allSent(panel);
  const said = JSON.stringify(line.up);
  assert.doesNotMatch(said, /never-to-be-told|not-to-be-told|nor-this/);

  await conversation.getByRole('button', {name: 'End conversation'}).click();
  await conversation.getByRole('alertdialog').getByRole('button', {name: 'End conversation'}).click();
  await page.locator('.context').waitFor({state: 'detached'});
  assert.deepEqual(complaints, []);
  await close();
});

test('private data that makes no sense is not sent, and its author is told', async () => {
  const context = await world.browser.newContext();
  const line = await wire(context);
  const {page, close} = await open(world, {context, desk: false});
  const warned = page.waitForEvent('console', (m) => m.text().includes('data-private is not sent'));
  const panel = await openPanel(page);
  await page.evaluate(() => { document.querySelector('script[data-private]').dataset.private = '["a list"]'; });
  await warned;
  await say(panel, unique('Hello'));
  await allSent(panel);
  // Told with the hello, or after it: whichever came first, the last word is that there is none.
  const told = () => line.up.filter((frame) => frame.type === 'hello' || frame.type === 'context');
  await settle(() => told().length > 0 && (told().at(-1).data ?? null) === null);
  await close();
});
