import assert from 'node:assert/strict';
import {test} from 'node:test';
import {laterOf, merged} from '../src/desk/messages.js';
import {readEventStream} from '../src/desk/sse.js';
import {grouped} from '../src/shared/grouping.js';
import {browserOf, rowsOf} from '../src/desk/context.js';
import {cookiesOf, dataOf} from '../src/widget/context.js';
import {Outbox} from '../src/widget/outbox.js';
import {inkOn, lineOn, readSettings} from '../src/widget/settings.js';
import {VisitorStorage} from '../src/widget/storage.js';
import {tickOf, unreadOf, withMessage} from '../src/widget/thread.js';

const at = (minute, day = 10) => new Date(2026, 4, day, 9, minute).toISOString();

test('messages of one author within five minutes are one group', () => {
  const messages = [
    {key: 'a', author: 'csr', at: at(0)}, {key: 'b', author: 'csr', at: at(4)}, {key: 'c', author: 'csr', at: at(9)},
    {key: 'd', author: 'customer', at: at(9)}, {key: 'e', author: 'customer', at: at(10, 11)},
  ];
  const drawn = grouped(messages, [{after: 'd', key: 'n', text: 'over'}]).map((i) => i.kind === 'message' ? `${i.key}${i.first ? '<' : ''}${i.last ? '>' : ''}` : i.kind);
  assert.deepEqual(drawn, ['day', 'a<', 'b>', 'c<>', 'd<>', 'notice', 'day', 'e<>']);
});

test('a thread holds each message once and knows what is unread and read', () => {
  let thread = [];
  for (const m of [{id: '1', author: 'customer'}, {id: '2', author: 'csr'}, {id: '1', author: 'customer', text: 'edited'}, {id: '3', author: 'csr', status: 'read'}, {id: '4', author: 'bot'}]) {
    thread = withMessage(thread, {...m, at: at(Number(m.id))});
  }
  assert.deepEqual(thread.map((m) => m.id), ['1', '2', '3', '4']);
  assert.equal(thread[0].text, 'edited');
  assert.deepEqual(unreadOf(thread, null).map((m) => m.id), ['2', '4']);
  assert.deepEqual(unreadOf(thread, '2').map((m) => m.id), ['4']);
  assert.equal(tickOf(thread, 0, '2', null), 'delivered');
  assert.equal(tickOf(thread, 0, null, '4'), 'read');
  assert.equal(tickOf(thread, 2, '2', '1'), 'sent');
});

test('a thread stands by the time of commit, and by id what is of one time', () => {
  let thread = [];
  for (const [id, minute, author] of [['d', 4, 'csr'], ['b', 2, 'customer'], ['c', 2, 'csr'], ['a', 2, 'csr'], ['e', 9, 'customer']]) {
    thread = withMessage(thread, {id, author, at: at(minute)});
  }
  assert.deepEqual(thread.map((m) => m.id), ['a', 'b', 'c', 'd', 'e']);
  // The mark was at the newest when the others came.
  assert.deepEqual(unreadOf(thread, 'd').map((m) => m.id), ['a', 'c']);
  const list = merged([], thread.map(({id, at: created_at}) => ({id, created_at})).reverse());
  assert.deepEqual(list.map((m) => m.id), ['a', 'b', 'c', 'd', 'e'], 'the desk has another order');
});

function memory() {
  const map = new Map();
  return {
    get length() { return map.size; }, key: (i) => [...map.keys()][i], getItem: (k) => map.get(k) ?? null,
    setItem: (k, v) => map.set(k, v), removeItem: (k) => map.delete(k),
  };
}

test('the outbox outlives the page, in order, until it is acknowledged', () => {
  const area = memory();
  const storage = () => new VisitorStorage('acme', () => area);
  const now = Date.parse(at(30));
  const first = new Outbox(storage(), () => now);
  first.add({id: 'b', type: 'message', text: 'one', at: at(1)});
  first.add({id: 'a', type: 'message', text: 'two', at: at(2)});
  first.add({id: 'c', type: 'end', at: at(3)});
  first.acknowledge('b');
  assert.deepEqual(first.entries.map((e) => e.id), ['b', 'a', 'c']);
  assert.equal(first.head.id, 'a');

  area.setItem('channelhub:acme:out:x', '{"broken');
  const second = new Outbox(storage(), () => now);
  assert.deepEqual(second.entries.map((e) => e.id), ['a', 'c']);
  const third = new Outbox(storage(), () => now + 25 * 3600 * 1000);
  assert.equal(third.head, null);
  assert.equal(third.entries[0].failed, 'It was not sent in time.');
});

test('storage that fails half-way goes on in memory', () => {
  const area = memory();
  const storage = new VisitorStorage('acme', () => area);
  storage.set('token', 't');
  area.setItem = () => { throw new Error('full'); };
  storage.set('read', 'm');
  assert.equal(storage.durable, false);
  assert.equal(storage.get('token'), 't');
  assert.equal(storage.get('read'), 'm');
});

test('settings take what makes sense and nothing else', () => {
  const settings = readSettings({accent: 'red;}*{}', locale: 'no such', starters: ' a | |b|c|d|e'});
  assert.equal(settings.accent, '');
  assert.equal(settings.locale, undefined);
  assert.deepEqual(settings.starters, ['a', 'b', 'c', 'd']);
  assert.equal(inkOn('#fff'), '#000000');
  assert.equal(inkOn('#0b6e7f'), '#ffffff');
});

test('a line in the accent can be told from its ground, in both themes', () => {
  const light = ['#f5f7f8', '#15202b'];
  const dark = ['#182026', '#e8edf0'];
  assert.equal(lineOn('#0b6e7f', ...light), 'rgb(11 110 127)', 'what is plain enough stays');
  for (const [hex, theme] of [['#ffd400', light], ['#fff', light], ['#0b3d91', dark], ['#000', dark]]) {
    const line = lineOn(hex, ...theme).match(/\d+/g).map((c) => Number(c) / 255);
    const ground = [1, 3, 5].map((i) => parseInt(theme[0].slice(i, i + 2), 16) / 255);
    const [a, b] = [line, ground].map((parts) => {
      const [red, green, blue] = parts.map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    });
    assert.ok(Math.max(a / b, b / a) >= 3, `${hex} on ${theme[0]}`);
  }
});

test('of cookies those that are named go, as they are spelled, as far as there is room', () => {
  const text = `campaign=a=b; secret=1; campaign=second; empty=; huge=${'x'.repeat(1024)}; bare`;
  assert.deepEqual(cookiesOf(text, ['campaign', 'empty', 'huge', 'bare', 'absent', 'toString']), {campaign: 'a=b', empty: ''});
  assert.equal(cookiesOf('secret=1', ['campaign']), null);
  const many = Array.from({length: 32}, (_, i) => `c${i}`);
  assert.equal(Object.keys(cookiesOf(many.map((name) => `${name}=${'x'.repeat(1000)}`).join('; '), many)).length, 8);
});

test('private data is an object of a bounded size, or nothing', (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  assert.deepEqual(dataOf('{"order":{"id":"A-17"}}'), {order: {id: 'A-17'}});
  assert.equal(dataOf(undefined), null);
  assert.equal(warn.mock.callCount(), 0);
  for (const text of ['{', '[]', 'null', '"x"', `{"a":"${'ü'.repeat(4096)}"}`]) assert.equal(dataOf(text), null);
  assert.equal(warn.mock.callCount(), 5);
});

test('the desk names a browser it knows and shows what it does not', () => {
  const known = {
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36': 'Chrome 142 on Linux',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1': 'Safari 18 on iPhone',
    'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0': 'Edge 140 on Android',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0': 'Firefox 145 on Windows',
    'curl/8': 'curl/8',
  };
  for (const [userAgent, name] of Object.entries(known)) assert.equal(browserOf(userAgent), name);
  assert.deepEqual(rowsOf({a: 'x', b: 1, c: {d: null}}), [['a', 'x'], ['b', '1'], ['c', '{"d":null}']]);
  assert.deepEqual(rowsOf(undefined), []);
});

test('an event stream is read whatever the pieces it comes in', async () => {
  const text = ': hi\r\n\r\nid: 1\ndata: {"a":\ndata: 1}\n\nid: 2\ndata: ü\n\ndata: cut off';
  for (const size of [1, 2, 7, 1000]) {
    const bytes = new TextEncoder().encode(text);
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
        controller.close();
      },
    });
    const seen = [];
    await readEventStream(body, (data, id) => seen.push([id, data]), () => {});
    assert.deepEqual(seen, [['1', '{"a":\n1}'], ['2', 'ü']], `pieces of ${size}`);
  }
});

test('a status goes forward, and a late receipt corrects a failure', () => {
  assert.equal(laterOf('delivered', 'sent'), 'delivered');
  assert.equal(laterOf('sent', 'read'), 'read');
  assert.equal(laterOf('failed', 'delivered'), 'delivered');
  assert.equal(laterOf('read', 'failed'), 'read');
  assert.equal(laterOf('sending', 'failed'), 'failed');
  const list = merged([{id: 'm', created_at: at(1), status: 'delivered', content: {text: 'x'}}], [{id: 'm', status: 'sent'}]);
  assert.deepEqual(list, [{id: 'm', created_at: at(1), status: 'delivered', content: {text: 'x'}}]);
});
