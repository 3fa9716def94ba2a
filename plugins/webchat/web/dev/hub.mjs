import {randomBytes} from 'node:crypto';
import {DevFiles, told} from './files.mjs';

const id = (prefix) => prefix + randomBytes(16).toString('hex');
const now = () => new Date().toISOString();

/**
 * A hub in memory, as far as a browser can tell: visitors, their conversations, and the feed a client application
 * reads. It is for working on the pages; nothing is kept and nothing is sealed.
 */
export class DevHub {
  files = new DevFiles();
  #visitors = new Map();
  #conversations = new Map();
  #feed = [];
  #acked = 0;
  #watchers = new Set();
  #sends = new Map();

  /** Calls back with the conversation, or null for the feed, when something changed. */
  watch(callback) {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  /** The visitor of a token, or a new one without a token; null when the token is unknown. */
  visitor(token) {
    if (token) return this.#visitors.get(token) || null;
    const visitor = {token: id('vt_'), address: id('v_'), conversation: null};
    this.#visitors.set(visitor.token, visitor);
    return visitor;
  }

  conversations() {
    return [...this.#conversations.values()].sort((a, b) => a.last_event_at < b.last_event_at ? 1 : -1).map((c) => this.#show(c));
  }

  conversation(conversationId) { return this.#conversations.get(conversationId) || null; }

  shown(conversationId) {
    const conversation = this.conversation(conversationId);
    return conversation && this.#show(conversation);
  }

  /** What is known of the browser of a conversation whose session lasts, or null. */
  context(conversation) {
    return conversation.state === 'open' && conversation.known ? {session_id: conversation.session_id, set_at: now(), ...conversation.known} : null;
  }

  /** Takes what a browser tells of itself; kept for as long as a session lasts. */
  tell(visitor, known) {
    visitor.known = known;
    if (visitor.conversation) visitor.conversation.known = known;
  }

  /** Takes a visitor's message once per id. */
  receive(visitor, frame, account) {
    const conversation = visitor.conversation ||= this.#open(visitor, account);
    const known = conversation.taken.get(frame.id);
    if (known) return known;
    this.#session(conversation);
    const message = {
      id: id('msg_'), provider_id: frame.id, direction: 'inbound', author: 'customer', content: {type: 'text', text: frame.text}, created_at: this.#commitTime(conversation),
    };
    if (frame.attachments?.length) {
      message.content.type = 'media';
      message.attachments = frame.attachments.map(({id: named, name}) => {
        const file = this.files.get(named);
        return file?.owner === visitor.address ? told(file) : {id: id('att_'), name, kind: 'file', size: 0, state: 'refused'};
      });
    }
    conversation.known = visitor.known;
    conversation.taken.set(frame.id, message);
    this.#append(conversation, message);
    this.#publish('message.received', conversation, {message});
    return message;
  }

  /** Takes a client application's message once per key. */
  send(conversation, content, attachments, key) {
    const known = this.#sends.get(key);
    if (known) return known;
    const message = {id: id('msg_'), direction: 'outbound', author: 'csr', content, status: 'sent', created_at: this.#commitTime(conversation)};
    if (attachments?.length) message.attachments = attachments.map((named) => told(this.files.get(named)));
    this.#sends.set(key, message);
    this.#append(conversation, message);
    this.#publish('message.status', conversation, {message: {id: message.id, direction: 'outbound', author: 'csr', status: 'sent'}});
    return message;
  }

  /** Moves statuses forward on the browser's word. */
  receipt(conversation, ids, status) {
    const order = ['sent', 'delivered', 'read'];
    for (const message of conversation.log) {
      if (!ids.includes(message.id) || message.direction !== 'outbound' || order.indexOf(message.status) >= order.indexOf(status)) continue;
      message.status = status;
      this.#publish('message.status', conversation, {message: {id: message.id, direction: 'outbound', author: 'csr', status}});
    }
  }

  typing(conversation) { this.#publish('typing.started', conversation, {author: 'customer'}); }

  agentTyping(conversation) { this.#tell(conversation, 'typing'); }

  read(conversation, upTo) {
    conversation.read_up_to = upTo;
    this.#tell(conversation, 'state');
  }

  end(conversation, by) {
    if (conversation.state === 'ended') return;
    Object.assign(conversation, {state: 'ended', ended_by: by, ended_at: now()});
    this.#publish('conversation.ended', conversation, {author: by, reason: by});
    this.#tell(conversation, 'state');
  }

  /** The events after a cursor; without one, after the last acknowledgement. */
  events(cursor) {
    const from = cursor === null ? this.#acked : Number(cursor.slice(1));
    return this.#feed.slice(from).map((event, i) => ({cursor: `c${from + i + 1}`, event}));
  }

  ack(cursor) { this.#acked = Math.max(this.#acked, Number(cursor.slice(1)) || 0); }

  #open(visitor, account) {
    const conversation = {
      id: id('cnv_'), account_id: account, channel: 'webchat', state: 'open', session_id: id('ses_'), log: [], taken: new Map(),
      contact: {id: id('cnt_'), address: visitor.address, address_kind: 'visitor', addresses: [{kind: 'visitor', value: visitor.address}]},
      last_event_at: now(), read_up_to: null,
    };
    this.#conversations.set(conversation.id, conversation);
    return conversation;
  }

  #session(conversation) {
    if (conversation.state === 'open') return;
    Object.assign(conversation, {state: 'open', session_id: id('ses_'), ended_by: null, ended_at: null});
  }

  // Each later than the one before, so that times alone order what was said.
  #commitTime({log}) { return new Date(Math.max(Date.now(), Date.parse(log.at(-1)?.created_at ?? 0) + 1)).toISOString(); }

  #append(conversation, message) {
    conversation.log.push(message);
    conversation.last_event_at = message.created_at;
    this.#tell(conversation, 'log');
    this.#tell(conversation, 'state');
  }

  #publish(type, conversation, body) {
    const at = now();
    this.#feed.push({
      id: id('evt_'), type, client_id: 'demo', account_id: conversation.account_id, channel: 'webchat', conversation_id: conversation.id,
      session_id: conversation.session_id, occurred_at: at, received_at: at, contact: conversation.contact, ...body,
    });
    this.#tell(null, 'feed');
  }

  #show({log, taken, known, ...conversation}) {
    const last = log[log.length - 1];
    return last ? {...conversation, last_message: last} : conversation;
  }

  #tell(conversation, what) {
    for (const watcher of this.#watchers) watcher(conversation, what);
  }
}
