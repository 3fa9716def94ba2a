import assert from 'node:assert/strict';
import {test} from 'node:test';
import {allSent, attach, expectChips, saved, setUp} from '../harness.mjs';
import {network} from './network.mjs';
import {Talk, control} from './talk.mjs';

const world = setUp();

test('a reload right behind a message', async () => {
  const talk = await Talk.begin(world);
  await talk.say('and away');
  await talk.reload();
  await talk.answer('Where did you go?');
  await talk.say('and away again');
  await talk.reload();
  await talk.draft('Half a');
  await talk.finish('Half a');
});

test('a network that drops with messages and answers still on the way', async (t) => {
  const line = await network(world.server.url);
  t.after(() => line.close());
  const talk = await Talk.begin(world, line.url);
  line.deafen();
  await talk.say('taken, but the page is not told');
  await talk.heard();
  await talk.answer('not heard');
  line.fail();
  line.mend();
  await talk.agree();
  line.swallow();
  await talk.say('sent, and lost on the way');
  line.fail();
  await talk.say('written without a network');
  await talk.answer('nobody hears this either');
  await talk.say('and another');
  await talk.draft('Half a');
  line.mend();
  await talk.finish('Half a');
});

test('a hub that restarts in good order', async () => {
  const talk = await Talk.begin(world);
  await talk.say('before');
  await talk.answer('before, too');
  await control('stop-hub');
  await talk.say('while it is away');
  await talk.answer('while it is away, too');
  await talk.draft('Half a');
  await control('start-hub');
  await talk.say('after');
  await talk.finish('Half a');
});

test('a connector that is killed, again and again', async () => {
  const talk = await Talk.begin(world);
  for (const round of ['first', 'second', 'third']) {
    await talk.say(`${round} before`);
    await talk.answer(`${round} before, too`);
    await control('freeze-plugin');
    await talk.say(`${round} in its hands`);
    await talk.answer(`${round} in its hands, too`);
    await control('kill-plugin');
    await talk.say(`${round} behind`);
    await talk.answer(`${round} behind, too`);
    await talk.agree();
  }
  await talk.draft('Half a');
  await talk.finish('Half a');
});

test('a hub that is killed, again and again', async () => {
  const talk = await Talk.begin(world);
  for (const round of ['first', 'second', 'third']) {
    await talk.say(`${round} before`);
    await talk.answer(`${round} before, too`);
    await control('freeze-hub');
    await talk.say(`${round} in its hands`);
    await talk.answer(`${round} in its hands, too`);
    await control('kill-hub');
    await talk.say(`${round} away`);
    await talk.answer(`${round} away, too`);
    await control('start-hub');
    await talk.say(`${round} behind`);
    await talk.answer(`${round} behind, too`);
  }
  await talk.draft('Half a');
  await talk.finish('Half a');
});

test('a hub that is killed behind its connector, and a page that is loaded again', async () => {
  const talk = await Talk.begin(world);
  await talk.say('before');
  await control('kill-plugin');
  await talk.say('journaled, perhaps');
  await talk.answer('queued, perhaps');
  await control('kill-hub');
  await talk.say('kept in the browser');
  await talk.answer('kept on the desk');
  await control('start-hub');
  await talk.reload();
  await talk.draft('Half a');
  await talk.finish('Half a');
});

test('a hub that is killed while files are on their way to it', async () => {
  const talk = await Talk.begin(world);
  await control('freeze-hub');
  await attach(talk.panel, {name: 'receipt.txt', text: 'three lamps'});
  await attach(talk.conversation, {name: 'invoice.txt', text: 'forty euros'});
  await talk.panel.getByRole('progressbar').waitFor();
  await control('kill-hub');
  await attach(talk.panel, {name: 'photo.txt', text: 'one lamp'});
  await control('start-hub');
  await allSent(talk.panel);
  await allSent(talk.conversation);
  const wanted = ['invoice.txt: 11 B', 'photo.txt: 8 B', 'receipt.txt: 11 B'];
  for (const root of [talk.panel, talk.conversation]) await expectChips(root, wanted, true);
  for (const [page, root] of [[talk.visitor.page, talk.panel], [talk.csr.page, talk.conversation]]) {
    for (const [name, text] of [['receipt.txt', 'three lamps'], ['invoice.txt', 'forty euros']]) {
      assert.equal(await saved(page, root, name), text);
    }
  }
  await talk.reload();
  await expectChips(talk.panel, wanted, true);
  await talk.visitor.close();
  await talk.csr.close();
});
