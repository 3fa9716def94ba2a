import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import {test} from 'node:test';
import {openPanel, setUp} from './harness.mjs';

const world = setUp();

/** A page of a foreign site, with a policy and styles of its own. */
async function shop(tag, styles = '') {
  const context = await world.browser.newContext({reducedMotion: 'reduce'});
  const hub = new URL(world.server.url);
  const policy = `default-src 'none'; style-src 'self'; script-src ${hub.origin}; connect-src ${hub.origin} ws://${hub.host}; require-trusted-types-for 'script'; trusted-types 'none'`;
  const site = createServer((request, response) => {
    if (request.url.endsWith('.css')) return response.writeHead(200, {'Content-Type': 'text/css'}).end(styles);
    response.writeHead(200, {'Content-Type': 'text/html', 'Content-Security-Policy': policy});
    return response.end(`<!doctype html><html lang="en"><head><title>Shop</title><link rel="stylesheet" href="/own.css"></head><body><h1>Shop</h1>${tag(hub.origin)}</body></html>`);
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (m) => { if (/Content Security Policy|Trusted/i.test(m.text())) errors.push(m.text()); });
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const close = async () => {
    await context.close();
    site.closeAllConnections();
    site.close();
  };
  return {page, errors, close};
}

test('one tag is enough on a foreign page, under its strict policy and whatever it styles', async () => {
  const {page, errors, close} = await shop(
    (hub) => `<script src="${hub}/chat/demo/widget.js" async data-title="Ask us" data-accent="#ffd200" data-position="start"></script>`,
    '* { font: 40px serif !important; letter-spacing: 1em } button, div { background: red; display: inline; text-transform: uppercase }',
  );
  const panel = await openPanel(page);
  assert.equal(await panel.getByRole('heading', {name: 'Ask us'}).isVisible(), true);
  const launcher = page.getByRole('button', {name: 'Close chat', expanded: true});
  const look = await launcher.evaluate((el) => {
    const style = getComputedStyle(el);
    return [style.width, style.backgroundColor, style.color, style.textTransform];
  });
  assert.deepEqual(look, ['56px', 'rgb(255, 210, 0)', 'rgb(0, 0, 0)', 'none']);
  const box = await panel.boundingBox();
  assert.equal(box.x, 20);
  assert.equal(box.width, 376);
  assert.deepEqual(errors, []);
  await close();
});

test('rules of the page for every element neither hide the widget nor restyle it', async () => {
  const {page, errors, close} = await shop(
    (hub) => `<script src="${hub}/chat/demo/widget.js" async></script>`,
    '* { letter-spacing: 9px; text-transform: uppercase; visibility: hidden } div:empty { display: none !important } div { border: 9px solid red; padding: 9px; opacity: .1 } h1 { visibility: visible }',
  );
  const panel = await openPanel(page);
  const styles = (locator) => locator.evaluate((el) => {
    const style = getComputedStyle(el);
    return [style.display, style.borderTopWidth, style.padding, style.letterSpacing, style.textTransform, style.opacity];
  });
  assert.deepEqual(await styles(page.locator('body > div')), ['block', '0px', '0px', 'normal', 'none', '1']);
  assert.deepEqual(await panel.evaluate((el) => {
    const style = getComputedStyle(el);
    return [style.letterSpacing, style.textTransform, style.fontSize, style.colorScheme, style.color];
  }), ['normal', 'none', '15px', 'light', 'rgb(21, 32, 43)']);
  await page.emulateMedia({colorScheme: 'dark'});
  assert.equal(await panel.evaluate((el) => getComputedStyle(el).colorScheme), 'dark');
  assert.deepEqual(errors, []);
  await close();
});

test('the focus is seen whatever the accent, also when the theme changes', async () => {
  const {page, close} = await shop((hub) => `<script src="${hub}/chat/demo/widget.js" async data-accent="#0b3d91"></script>`);
  const panel = await openPanel(page);
  const ring = () => panel.getByRole('textbox').evaluate((el) => getComputedStyle(el.parentElement).borderColor);
  assert.equal(await ring(), 'rgb(11, 61, 145)');
  await page.emulateMedia({colorScheme: 'dark'});
  assert.notEqual(await ring(), 'rgb(11, 61, 145)');
  assert.equal(await panel.locator('.logo').evaluate((el) => getComputedStyle(el).backgroundColor), 'rgb(11, 61, 145)', 'what is filled keeps the accent');
  await close();
});

test('a panel that does not load is told of, and comes with another try', async () => {
  const {page, close} = await shop((hub) => `<script src="${hub}/chat/demo/widget.js" async></script>`);
  await page.route(/panel-/, (route) => route.abort());
  await page.getByRole('button', {name: 'Open chat'}).click();
  const launcher = page.getByRole('button', {name: 'The chat could not be loaded. Try again.'});
  await launcher.waitFor();
  assert.equal(await launcher.locator('.badge').textContent(), '!');
  await page.unroute(/panel-/);
  await launcher.click();
  await page.getByRole('dialog').waitFor();
  await page.getByRole('button', {name: 'Close chat', expanded: true}).waitFor();
  assert.equal(await page.locator('.badge').textContent(), '');
  await close();
});

test('the tag twice is one launcher, and the panel comes only when asked for', async () => {
  const {page, close} = await shop((hub) => `<script src="${hub}/chat/demo/widget.js"></script>`.repeat(2));
  const loaded = [];
  page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
  await page.reload();
  await page.getByRole('button', {name: 'Open chat'}).waitFor();
  assert.equal(await page.getByRole('button', {name: 'Open chat'}).count(), 1);
  assert.equal(loaded.some((path) => path.includes('panel-')), false);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await close();
});
