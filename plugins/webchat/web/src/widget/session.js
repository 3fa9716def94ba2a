import {isOfType, save} from '../shared/file.js';
import {newId} from '../shared/ids.js';
import {Connection} from './connection.js';
import {Outbox} from './outbox.js';
import {Receipts} from './receipts.js';
import {isMessage, unreadOf, withMessage} from './thread.js';
import {Uploads} from './uploads.js';
import {words} from './words.js';

const typingShown = 6000;
const typingEvery = 3000;
// A page may change its private data with every key.
const tellEvery = 1000;
const retryAfter = 2000;
// Sent but not answered on a socket that lives: the hub is told again, under the same id.
const answerWithin = 15000;

const empty = {
  ready: false, thread: [], session: 'none', endedBy: null, endedAt: null, notices: [], deliveredUpTo: null, readUpTo: null, typing: null, unread: [],
};

/**
 * The visitor's side of the conversation: one per page, from the first opening to the end of the page. It renders
 * nothing; the panel subscribes and reads `state`, which is replaced, never changed:
 *
 * - `phase` connecting, open, waiting or refused
 * - `ready` the history is in
 * - `thread` committed messages; `outbox` what stands after them (see Outbox)
 * - `session` none, open or ended, with `endedBy` and `endedAt`; `ending`: the visitor ended it, the hub has not said so yet
 * - `notices` the ends this page has seen, each `after` a message
 * - `deliveredUpTo`, `readUpTo` marks of the other side; `unread` messages
 * - `typing` who types, or null
 * - `files` what may be sent, `{size, types}`, or null · `uploads` percent by outbox entry · `fetches` by file: loading, gone or failed
 * - `limit` of a message in code points; `durable` whether the outbox outlives the page; `lost` whether the hub forgot this visitor
 */
export class Session {
  #storage;
  #connection;
  #outbox;
  #receipts;
  #uploads;
  #base;
  #context;
  #told = '';
  #tellTimer = 0;
  #listeners = new Set();
  #position = null;
  #helloToken = null;
  #welcomed = false;
  #inFlight = null;
  #pumpTimer = 0;
  #typingTimer = 0;
  #typedAt = 0;
  #attention = false;

  /** @param {string} url of the socket @param {string} base of the account's addresses @param {VisitorStorage} storage @param {PageContext} context */
  constructor(url, base, storage, context) {
    this.#storage = storage;
    this.#base = base;
    this.#context = context;
    this.#uploads = new Uploads(base, {
      token: () => this.#welcomed ? this.#storage.get('token') : null,
      progress: (id, percent) => this.#set({uploads: {...this.state.uploads, [id]: percent}}),
      taken: (id, file) => this.#uploaded(id, file),
      failed: (id, why, again) => this.#failFile(id, why || words.file.broke, again),
      free: () => this.#transfer(),
    });
    this.#outbox = new Outbox(storage);
    this.#receipts = new Receipts((frame) => this.#welcomed && this.#connection.send(frame));
    this.#connection = new Connection(url, {
      hello: () => this.#hello(),
      frame: (frame) => this.#receive(frame),
      phase: (phase) => this.#phase(phase),
      closed: (code) => this.#closed(code),
    });
    this.state = {
      ...empty, phase: 'connecting', outbox: this.#outbox.entries, ending: this.#outbox.entries.some((e) => e.type === 'end'),
      limit: 4000, files: null, uploads: {}, fetches: {}, durable: storage.durable, lost: false,
    };
    storage.watch((name) => {
      if (name === 'read') this.#recount();
    });
    context.watch(() => {
      this.#tellTimer ||= setTimeout(() => {
        this.#tellTimer = 0;
        this.#tellContext();
      }, tellEvery);
    });
  }

  start() { this.#connection.start(); }

  /** Calls back after every change. Returns what ends it. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(text) { this.#put({id: newId(), type: 'message', text, at: new Date().toISOString()}); }

  /** Sends files, each as a message of its own. */
  attach(files) {
    for (const blob of files) {
      const entry = {
        id: newId(), type: 'message', text: '', at: new Date().toISOString(),
        file: {name: blob.name, size: blob.size, kind: blob.type.startsWith('image/') ? 'image' : 'file'},
      };
      if (blob.folder) entry.failed = words.file.folder;
      else if (blob.size === 0) entry.failed = words.file.empty;
      else if (this.state.files && blob.size > this.state.files.size) entry.failed = words.file.tooLarge(this.state.files.size);
      else if (this.state.files && !isOfType(blob, this.state.files.types)) entry.failed = words.file.type;
      else this.#uploads.add(entry.id, blob);
      this.#put(entry);
    }
    this.#transfer();
  }

  /** Tries a file again that failed. */
  again(id) {
    this.#uploads.again(id);
    this.#outbox.update(id, {failed: null, again: false});
    this.#set({outbox: this.#outbox.entries});
    this.#transfer();
  }

  /** Takes a file out that was not sent. */
  discard(id) {
    this.#uploads.forget(id);
    this.#outbox.remove(id);
    this.#set({outbox: this.#outbox.entries});
  }

  /** Fetches a file of the conversation and has the browser save it. */
  async download({id, name}) {
    if (this.state.fetches[id] === 'loading') return;
    const note = (how) => this.#set({fetches: {...this.state.fetches, [id]: how}});
    note('loading');
    try {
      // The token goes in a header, as it does on the socket: never into an address.
      const response = await fetch(`${this.#base}file/${encodeURIComponent(id)}`, {
        headers: {Authorization: `Bearer ${this.#storage.get('token')}`}, credentials: 'omit', cache: 'no-store',
      });
      if (!response.ok) {
        note(response.status === 404 || response.status === 410 ? 'gone' : 'failed');
        return;
      }
      const url = URL.createObjectURL(await response.blob());
      save(url, name);
      setTimeout(() => URL.revokeObjectURL(url), 60000);
      note(undefined);
    } catch {
      note('failed');
    }
  }

  end() {
    this.#put({id: newId(), type: 'end', at: new Date().toISOString()});
    this.#set({ending: true});
  }

  /** Takes a message that was not sent out of the outbox and returns its text, for another try. */
  takeBack(id) {
    const entry = this.#outbox.get(id);
    this.#outbox.remove(id);
    this.#set({outbox: this.#outbox.entries});
    return entry?.text ?? '';
  }

  /** The visitor is typing: told at most once in three seconds. */
  typing() {
    if (!this.#welcomed || Date.now() - this.#typedAt < typingEvery) return;
    this.#typedAt = Date.now();
    this.#connection.send({type: 'typing'});
  }

  /** Says whether the newest message is before the visitor's eyes. */
  attend(attention) {
    this.#attention = attention;
    this.#recount();
  }

  #put(entry) {
    this.#outbox.add(entry);
    this.#typedAt = 0;
    this.#set({outbox: this.#outbox.entries});
    this.#pump();
  }

  #hello() {
    this.#helloToken = this.#storage.get('token');
    // How a file fared while we were away moves no place: then all is read again.
    const waits = this.state.thread.some((m) => m.attachments?.some((a) => a.state === 'pending'));
    const context = this.#context.read();
    this.#told = JSON.stringify(context);
    return {type: 'hello', version: 1, token: this.#helloToken, position: waits ? null : this.#position, ...context};
  }

  // The page may have moved on without being loaded, and which cookies count the hub says after the hello.
  #tellContext() {
    const context = this.#context.read();
    const text = JSON.stringify(context);
    if (this.#welcomed && text !== this.#told && this.#connection.send({type: 'context', ...context})) this.#told = text;
  }

  #phase(phase) {
    // An open socket is no conversation yet: the welcome makes it one.
    if (this.state.phase !== phase) this.#set({phase});
  }

  #closed(code) {
    this.#welcomed = false;
    clearTimeout(this.#pumpTimer);
    if (code === 1009 && this.#inFlight) this.#outbox.fail(this.#inFlight, 'It is too long.');
    this.#inFlight = null;
    if (code === 4001) {
      if (this.#storage.get('token') === this.#helloToken) this.#storage.remove('token');
      this.#position = null;
      this.#receipts.clear();
      this.#outbox.dropSent();
      // Files were another visitor's: they are sent again, or are lost.
      for (const entry of this.#outbox.entries) if (entry.file?.id) this.#resetFile(entry);
      this.#set({...empty, lost: this.state.thread.length > 0, ending: false});
    }
    this.#set({outbox: this.#outbox.entries, typing: null});
  }

  #receive(frame) {
    switch (frame.type) {
      case 'welcome': this.#welcome(frame); break;
      case 'frames': this.#frames(frame); break;
      case 'state': this.#stateFrame(frame); break;
      case 'ack': this.#ack(frame); break;
      case 'nack': this.#nack(frame); break;
      default: // a later version's
    }
  }

  #welcome(frame) {
    const kept = this.#storage.get('token');
    if (!this.#helloToken && kept && kept !== frame.token) {
      // Another tab became a visitor while we were asking to become one: be the same.
      this.#connection.restart();
      return;
    }
    if (typeof frame.token === 'string') this.#storage.set('token', frame.token);
    if (!frame.resumed) {
      this.#position = null;
      this.#set(empty);
    }
    this.#welcomed = true;
    this.#set({phase: 'open', limit: frame.limits?.text || this.state.limit, files: frame.limits?.files || null, durable: this.#storage.durable});
    this.#context.names = Array.isArray(frame.cookies) ? frame.cookies : [];
    this.#tellContext();
    this.#receipts.resend();
    this.#pump();
    this.#uploads.hurry();
  }

  #transfer() {
    const entry = this.#outbox.nextFile;
    if (entry) this.#uploads.start(entry);
  }

  #uploaded(id, file) {
    const entry = this.#outbox.get(id);
    if (!entry) return;
    if (file.state === 'refused') this.#failFile(id, words.file.refused, false);
    else {
      const {name, size, kind, expires_at} = file;
      this.#outbox.update(id, {file: {...entry.file, id: file.id, name, size, kind, expires_at}});
    }
    this.#set({outbox: this.#outbox.entries, uploads: {...this.state.uploads, [id]: undefined}});
    this.#pump();
  }

  #failFile(id, why, again) {
    if (!again) this.#uploads.forget(id);
    this.#outbox.fail(id, why, again);
    this.#set({outbox: this.#outbox.entries, uploads: {...this.state.uploads, [id]: undefined}});
    this.#pump();
  }

  #resetFile({id, file}) {
    const {name, size, kind} = file;
    this.#outbox.update(id, {file: {name, size, kind}});
    if (!this.#uploads.has(id)) this.#outbox.fail(id, words.file.ended);
  }

  #frames(frame) {
    for (const inner of Array.isArray(frame.frames) ? frame.frames : []) {
      if (inner?.type === 'message' && isMessage(inner.message)) this.#show(inner.message);
      else if (inner?.type === 'typing' && inner.author !== 'customer') this.#showTyping(inner.author || 'csr');
    }
    if (typeof frame.position === 'string') this.#position = frame.position;
    this.#recount();
    this.#pump();
  }

  #show(message) {
    if (message.author !== 'customer' && message.status !== 'delivered' && message.status !== 'read') this.#receipts.delivered(message.id);
    if (message.client_id) {
      this.#outbox.remove(message.client_id);
      this.#uploads.forget(message.client_id);
      this.#answered(message.client_id);
    }
    const thread = withMessage(this.state.thread, {...message, fresh: this.state.ready});
    this.#set({thread, outbox: this.#outbox.entries, typing: message.author === this.state.typing ? null : this.state.typing});
  }

  #showTyping(author) {
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.#set({typing: null}), typingShown);
    this.#set({typing: author});
  }

  #stateFrame(frame) {
    this.#connection.settled();
    const session = frame.session || 'none';
    const endedAt = session === 'ended' ? frame.ended_at || null : null;
    const news = session === 'ended' && (this.state.session !== 'ended' || this.state.endedAt !== endedAt);
    const newest = this.state.thread[this.state.thread.length - 1];
    this.#set({
      ready: true, session, endedAt, endedBy: frame.ended_by || null,
      notices: news && newest ? [...this.state.notices, {after: newest.id, by: frame.ended_by || 'idle'}] : this.state.notices,
      ending: this.state.ending && session === 'open',
      deliveredUpTo: frame.delivered_up_to || this.state.deliveredUpTo,
      readUpTo: frame.read_up_to || this.state.readUpTo,
      typing: session === 'ended' ? null : this.state.typing,
    });
    this.#recount();
  }

  #ack(frame) {
    if (this.#receipts.answered(frame.id)) return;
    const entry = this.#outbox.get(frame.id);
    if (entry?.type === 'end') this.#outbox.remove(frame.id);
    else if (entry) this.#outbox.acknowledge(frame.id);
    this.#answered(frame.id);
    this.#set({outbox: this.#outbox.entries, lost: false});
    this.#pump();
  }

  #nack(frame) {
    if (frame.retry) {
      const wait = frame.retry_after_ms > 0 ? Math.min(frame.retry_after_ms, 60000) : retryAfter;
      if (this.#receipts.has(frame.id)) setTimeout(() => this.#receipts.resend(frame.id), wait);
      else this.#again(frame.id, wait);
      return;
    }
    if (this.#receipts.answered(frame.id)) return;
    if (this.#outbox.get(frame.id)?.type === 'end') {
      this.#outbox.remove(frame.id);
      this.#set({ending: false});
    } else {
      this.#outbox.fail(frame.id, frame.detail || 'It was refused.');
    }
    this.#answered(frame.id);
    this.#set({outbox: this.#outbox.entries});
    this.#pump();
  }

  // One frame at a time: what is refused for now must not be overtaken by what was said after it.
  #pump() {
    const head = this.#outbox.head;
    if (!this.#welcomed || this.#inFlight || !head) return;
    if (head.file && Date.parse(head.file.expires_at) <= Date.now()) {
      // The hub keeps a file for its message for a while only.
      this.#resetFile(head);
      this.#set({outbox: this.#outbox.entries});
      this.#transfer();
      this.#pump();
      return;
    }
    const frame = head.type === 'end' ? {type: 'end', id: head.id} : {type: 'message', id: head.id, text: head.text};
    if (head.file) frame.attachments = [{id: head.file.id, name: head.file.name}];
    this.#tellContext();
    if (!this.#connection.send(frame)) return;
    this.#inFlight = head.id;
    clearTimeout(this.#pumpTimer);
    this.#pumpTimer = setTimeout(() => this.#again(head.id, 0), answerWithin);
  }

  #again(id, wait) {
    if (this.#inFlight !== id) return;
    clearTimeout(this.#pumpTimer);
    this.#pumpTimer = setTimeout(() => {
      this.#answered(id);
      this.#pump();
    }, wait);
  }

  #answered(id) {
    if (this.#inFlight !== id) return;
    this.#inFlight = null;
    clearTimeout(this.#pumpTimer);
  }

  #recount() {
    let unread = unreadOf(this.state.thread, this.#storage.get('read'));
    if (unread.length && this.#attention && this.state.ready) {
      for (const message of unread) this.#receipts.read(message.id);
      const seen = unread;
      const newest = seen[seen.length - 1];
      if (!newest.late) this.#storage.set('read', newest.id);
      unread = [];
      this.#set({unread, thread: this.state.thread.map((m) => seen.includes(m) ? {...m, status: 'read'} : m)});
      return;
    }
    this.#set({unread});
  }

  #set(change) {
    this.state = {...this.state, ...change};
    for (const listener of this.#listeners) listener();
  }
}
