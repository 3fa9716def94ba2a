import {Feed} from './feed.js';
import {laterOf, merged} from './messages.js';
import {save} from '../shared/file.js';
import {Sending} from './sending.js';

const typingShown = 6000;
const typingEvery = 3000;
// Event ids remembered against repeats, which come soon after a reconnect or not at all.
const mostSeen = 5000;
// Between tries to read what is known of a browser, in ms.
const contextWaits = [500, 2000, 5000];

/**
 * All the desk knows: conversations, their messages, what is on its way. The hub is the truth; everything here can be read again.
 *
 * `state`: `list` (null until the first answer), `next` cursor of the list · `selected` id · `threads` by conversation id
 * `{messages, next, problem, loading}` · `unread` message ids, `older` (there may be
 * more unread than those) and `typing` by conversation id · `link` connecting, live, lost or
 * denied, with `problem` and `retryAt` · `contexts` what is known of a customer's browser and `notices` by conversation id · `fetches` by file: loading, failed, or a state.
 */
export class DeskStore {
  #api;
  #listeners = new Set();
  #typingTimers = new Map();
  #typedAt = 0;
  #reading = new Map();
  #seen = new Set();
  #early = new Map();
  #visible = () => true;

  constructor(api) {
    this.#api = api;
    this.sending = new Sending(api, () => this.#set({}), (id, message) => this.#taken(id, message));
    this.state = {
      list: null, next: '', selected: null, threads: {}, unread: {}, older: {}, typing: {}, notices: {}, contexts: {}, fetches: {}, link: 'connecting', problem: null, retryAt: 0,
    };
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {function(): boolean} visible whether the open thread is before the CSR's eyes */
  start(visible) {
    this.#visible = visible;
    return new Feed(this.#api, {
      open: (missed) => this.#opened(missed),
      event: (event) => this.#event(event),
      lost: (problem, wait) => this.#set(wait
        ? {link: 'lost', problem, retryAt: Date.now() + wait}
        : {link: 'denied', problem, retryAt: 0}),
    }).follow();
  }

  select(id) {
    this.#set({selected: id});
    if (id && !this.state.threads[id]) this.#load(id);
    if (id) this.#context(id);
    this.attend();
  }

  /** What is open and visible is read; the customer is told. */
  attend() {
    const id = this.state.selected;
    const conversation = id && this.find(id);
    if (!conversation || !this.#visible()) return;
    if (this.state.unread[id]?.length) this.#set({unread: {...this.state.unread, [id]: []}, older: {...this.state.older, [id]: false}});
    const inbound = (this.state.threads[id]?.messages || []).filter((m) => m.direction === 'inbound');
    const newest = inbound[inbound.length - 1];
    if (!newest || conversation.read_up_to === newest.id || this.#reading.get(id) === newest.id) return;
    this.#reading.set(id, newest.id);
    this.#api.read(id, newest.id).then(
      () => this.#change(id, {read_up_to: newest.id}),
      () => this.#reading.delete(id), // told again with the next sign of attention
    );
  }

  find(id) { return this.state.list?.find((c) => c.id === id) || null; }

  typing(id) {
    if (Date.now() - this.#typedAt < typingEvery) return;
    this.#typedAt = Date.now();
    this.#api.typing(id).catch(() => {}); // a signal: losing it costs nothing
  }

  send(conversation, text) {
    this.#typedAt = 0;
    this.sending.add(conversation, text);
  }

  sendFiles(conversation, files) {
    for (const file of files) this.sending.addFile(conversation, file);
  }

  /** Has the browser save a file. A link is minted when it is needed: it does not last. */
  async download({id, name}) {
    this.#fetching(id, 'loading');
    try {
      const file = await this.#api.attachment(id);
      if (file.url) save(file.url, name);
      this.#fetching(id, file.url ? undefined : file.state);
    } catch (problem) {
      this.#fetching(id, problem.status === 404 ? 'expired' : 'failed');
    }
  }

  #fetching(id, how) { this.#set({fetches: {...this.state.fetches, [id]: how}}); }

  /** Ends the conversation's session. Rejects with an ApiProblem. */
  async end(id) {
    await this.#api.end(id);
    this.#ended(id, 'csr');
  }

  /** Reads older messages of a thread. */
  async earlier(id) {
    const thread = this.state.threads[id];
    if (!thread?.next || thread.loading) return;
    await this.#load(id, thread.next);
  }

  /** Reads older conversations. */
  async more() {
    const {next} = this.state;
    if (!next) return;
    const page = await this.#api.conversations(next);
    this.#set({list: [...this.state.list, ...page.data.filter((c) => !this.find(c.id))], next: page.next_cursor || ''});
  }

  reload(id) { return this.#load(id); }

  async #opened(missed) {
    if (missed || !this.state.list) {
      const page = await this.#api.conversations('');
      const unread = {...this.state.unread};
      const older = {...this.state.older};
      for (const c of page.data.filter((c) => isUnread(c) && !unread[c.id]?.includes(c.last_message.id))) {
        unread[c.id] = [...(unread[c.id] || []), c.last_message.id];
        older[c.id] = true;
      }
      this.#set({list: page.data, next: page.next_cursor || '', unread, older});
      for (const id of Object.keys(this.state.threads)) this.#load(id);
      if (this.state.selected) this.#context(this.state.selected);
    }
    this.#set({link: 'live', problem: null, retryAt: 0});
    this.#resume();
  }

  // What an earlier page of this tab left unsent goes on, where this token still shows the conversation.
  async #resume() {
    for (const id of this.sending.idle()) {
      if (!this.find(id)) await this.#discover(id);
      if (this.find(id)) this.sending.resume(this.find(id));
    }
  }

  async #load(id, cursor = '') {
    this.#thread(id, {loading: true, problem: null});
    try {
      const page = await this.#api.messages(id, cursor);
      const known = this.state.threads[id];
      this.#thread(id, {
        messages: merged(known.messages, [...page.data].reverse()), loading: false,
        next: cursor || known.next === null ? page.next_cursor || '' : known.next,
      });
      this.attend();
    } catch (problem) {
      this.#thread(id, {loading: false, problem});
    }
  }

  async #event(event) {
    // The feed is at-least-once; the stable id makes the second time harmless.
    if (this.#seen.has(event.id)) return;
    this.#seen.add(event.id);
    if (this.#seen.size > mostSeen) this.#seen.delete(this.#seen.values().next().value);
    const id = event.conversation_id;
    if (!id) return;
    if (!this.find(id)) await this.#discover(id);
    switch (event.type) {
      case 'message.received': this.#received(id, event); break;
      case 'message.status': this.#status(id, event); break;
      case 'attachment.updated': this.#file(id, event.message); break;
      case 'typing.started': if (event.author !== 'csr') this.#typing(id, true, event); break;
      case 'conversation.ended': this.#ended(id, event.reason || event.author || 'idle'); break;
      default: this.#note(id, `Event ${event.type}`);
    }
  }

  #received(id, event) {
    const {message} = event;
    const conversation = this.find(id);
    this.#typing(id, false);
    this.#append(id, message);
    const newest = !conversation?.last_message || Date.parse(conversation.last_message.created_at) <= Date.parse(message.created_at);
    if (newest && event.session_id !== conversation?.session_id) this.#change(id, {session_id: event.session_id, state: 'open'});
    const unread = this.state.unread[id] || [];
    if (conversation && isAfterMark(conversation, message, this.state.threads[id]) && !unread.includes(message.id)) {
      this.#set({unread: {...this.state.unread, [id]: [...unread, message.id]}});
    }
    this.#context(id);
    this.attend();
  }

  // What is known of the customer's browser while the session lasts. The message that opens one may be told of before
  // that is kept.
  async #context(id, tries = 0) {
    const alive = () => {
      const c = this.find(id);
      return this.state.selected === id && c?.state === 'open' && c.contact?.address_kind === 'visitor';
    };
    if (!alive()) return;
    let context = null;
    try {
      context = await this.#api.context(id);
    } catch (problem) {
      if (problem.status !== 404) return; // asked again with the next message
      if (tries < contextWaits.length) setTimeout(() => this.#context(id, tries + 1), contextWaits[tries]);
    }
    if (alive()) this.#set({contexts: {...this.state.contexts, [id]: context}});
  }

  #status(id, event) {
    const thread = this.state.threads[id];
    const message = event.message;
    if (!message) return;
    const conversation = this.find(id);
    if (conversation?.last_message?.id === message.id) {
      this.#change(id, {last_message: {...conversation.last_message, status: laterOf(conversation.last_message.status, message.status)}});
    }
    if (!thread) return;
    if (thread.messages.some((m) => m.id === message.id)) {
      this.#thread(id, {messages: merged(thread.messages, [message])});
    } else if (this.sending.of(id).length > 0) {
      // The feed may be faster than the answer to our own send, which names the message.
      this.#early.set(message.id, message);
    } else {
      this.#load(id);
    }
  }

  // A file has moved on: it is the one of the message that has changed.
  #file(id, news) {
    const thread = this.state.threads[id];
    const file = news?.attachments?.[0];
    if (!thread || !file) return;
    const messages = thread.messages.map((m) => m.attachments?.some((a) => a.id === file.id)
      ? {...m, attachments: m.attachments.map((a) => a.id === file.id ? {...a, ...file} : a)} : m);
    this.#thread(id, {messages});
  }

  #ended(id, by) {
    const conversation = this.find(id);
    this.#typing(id, false);
    if (!conversation || conversation.state === 'ended') return;
    this.#change(id, {state: 'ended'});
    this.#set({contexts: {...this.state.contexts, [id]: null}});
    this.#note(id, {csr: 'You ended the conversation', customer: 'The customer ended the conversation'}[by] || 'The conversation ended after a quiet while');
  }

  #note(id, text) {
    const messages = this.state.threads[id]?.messages || [];
    const after = messages.length ? messages[messages.length - 1].id : null;
    const list = this.state.notices[id] || [];
    this.#set({notices: {...this.state.notices, [id]: [...list, {key: `notice ${list.length}`, after, text}]}});
  }

  #typing(id, on, event) {
    clearTimeout(this.#typingTimers.get(id));
    const age = on ? Date.now() - Date.parse(event.received_at || event.occurred_at) : 0;
    if (on && age < typingShown) {
      this.#typingTimers.set(id, setTimeout(() => this.#typing(id, false), typingShown));
      this.#set({typing: {...this.state.typing, [id]: true}});
    } else if (this.state.typing[id]) {
      this.#set({typing: {...this.state.typing, [id]: false}});
    }
  }

  async #discover(id) {
    try {
      const conversation = await this.#api.conversation(id);
      if (!this.find(id)) this.#set({list: sorted([conversation, ...(this.state.list || [])])});
    } catch {
      // It is past retention, or the hub is away: the next reading of the list tells.
    }
  }

  #taken(id, message) {
    const early = this.#early.get(message.id);
    this.#early.delete(message.id);
    this.#append(id, early ? {...message, ...early, status: laterOf(message.status, early.status)} : message);
  }

  #append(id, last) {
    const thread = this.state.threads[id];
    if (thread) this.#thread(id, {messages: merged(thread.messages, [last])});
    const conversation = this.find(id);
    if (!conversation) return;
    const newer = !conversation.last_message || Date.parse(conversation.last_message.created_at) <= Date.parse(last.created_at);
    if (newer) this.#change(id, {last_message: last, last_event_at: last.created_at});
  }

  #change(id, change) {
    if (this.state.list) this.#set({list: sorted(this.state.list.map((c) => c.id === id ? {...c, ...change} : c))});
  }

  #thread(id, change) {
    const known = this.state.threads[id] || {messages: [], next: null, problem: null, loading: false};
    this.#set({threads: {...this.state.threads, [id]: {...known, ...change}}});
  }

  #set(change) {
    this.state = {...this.state, ...change};
    for (const listener of this.#listeners) listener();
  }
}

function sorted(list) {
  return [...list].sort((a, b) => Date.parse(b.last_event_at || 0) - Date.parse(a.last_event_at || 0));
}

function isUnread(c) { return c.last_message?.direction === 'inbound' && c.last_message.id !== c.read_up_to; }

// Events that were replayed after a reload are older than the read mark of the list.
function isAfterMark(conversation, message, thread) {
  if (message.id === conversation.read_up_to) return false;
  const last = conversation.last_message;
  if (last?.id === conversation.read_up_to && last && Date.parse(message.created_at) <= Date.parse(last.created_at)) return false;
  const mark = thread?.messages.find((m) => m.id === conversation.read_up_to);
  return !mark || Date.parse(message.created_at) > Date.parse(mark.created_at);
}
