import {newId} from '../shared/ids.js';
import {keep, keptNames, keptOf} from './kept.js';

const firstDelay = 1000;
const maxDelay = 15000;
const maxAge = 24 * 3600 * 1000;

/**
 * What the CSR has written and the hub has not taken yet, one queue for each conversation, in order. A message keeps
 * its idempotency key through every repeat, so that an answer that was lost on the way doubles nothing. Texts outlive a
 * reload of the tab; the bytes of files do not.
 *
 * An entry is `{key, text, at, kept?, file?, progress?, waiting?, failed?, again?}`; `kept`: it outlives the page. A `file` is `{name, size, kind, blob}`, and `{id}` once the
 * hub has it; `again` says that a new try may help.
 */
export class Sending {
  #api;
  #changed;
  #sent;
  #queues = new Map();
  #busy = new Set();

  /**
   * @param {Api} api
   * @param {function()} changed
   * @param {function(string, object)} sent the conversation's id and the message as the hub answered it
   */
  constructor(api, changed, sent) {
    this.#api = api;
    this.#changed = changed;
    this.#sent = sent;
    for (const name of keptNames('unsent:')) this.#queues.set(name.slice('unsent:'.length), restored(keptOf(name)));
  }

  of(conversationId) { return this.#queues.get(conversationId) || []; }

  add(conversation, text) {
    this.#put(conversation.id, [...this.of(conversation.id), {key: newId(), text, at: new Date().toISOString()}]);
    this.#run(conversation);
  }

  /** Sends a file as a message of its own. */
  addFile(conversation, blob) {
    const file = {name: blob.name, size: blob.size, kind: blob.type.startsWith('image/') ? 'image' : 'file', blob};
    this.#put(conversation.id, [...this.of(conversation.id), {key: newId(), text: '', file, at: new Date().toISOString(), failed: blob.folder ? 'A folder cannot be sent. Choose the files in it.' : null}]);
    this.#run(conversation);
  }

  /** The conversations that have something to send and nobody who sends it. */
  idle() { return [...this.#queues.keys()].filter((id) => !this.#busy.has(id) && this.of(id).some((e) => !e.failed)); }

  /** Sends what an earlier page left. */
  resume(conversation) { this.#run(conversation); }

  /** Whether something waits that is lost with the page. */
  get fragile() { return [...this.#queues.values()].some((queue) => queue.some((e) => !e.failed && (e.file || !e.kept))); }

  /** Tries a refused message again, under its key. */
  again(conversation, key) {
    this.#change(conversation.id, key, {failed: null});
    this.#run(conversation);
  }

  /** Takes a message out and returns its text. */
  takeBack(conversationId, key) {
    const entry = this.of(conversationId).find((e) => e.key === key);
    this.#put(conversationId, this.of(conversationId).filter((e) => e.key !== key));
    return entry?.text ?? '';
  }

  async #run(conversation) {
    const id = conversation.id;
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    let attempts = 0;
    for (;;) {
      const entry = this.of(id).find((e) => !e.failed);
      if (!entry) break;
      try {
        const body = {account_id: conversation.account_id, to: {contact_id: conversation.contact.id}, content: {type: 'text', text: entry.text}};
        let attachments;
        if (entry.file) {
          const file = entry.file.id ? entry.file : await this.#upload(id, entry);
          body.content = {type: 'media'};
          body.attachments = [file.id];
          attachments = [file];
        }
        const message = await this.#api.send(body, entry.key);
        attempts = 0;
        this.#sent(id, {direction: 'outbound', author: 'csr', content: body.content, attachments, created_at: entry.at, status: 'queued', ...message});
        this.#put(id, this.of(id).filter((e) => e.key !== entry.key));
      } catch (problem) {
        if (!problem.passing) {
          this.#change(id, entry.key, {failed: problem.detail || problem.message, waiting: false, progress: undefined});
          continue;
        }
        this.#change(id, entry.key, {waiting: true, progress: undefined});
        const wait = Math.max(problem.retryAfter, Math.min(maxDelay, firstDelay * 2 ** attempts++) * (0.5 + Math.random() / 2));
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    this.#busy.delete(id);
  }

  async #upload(id, entry) {
    this.#change(id, entry.key, {progress: 0, waiting: false});
    const answer = await this.#api.upload(entry.file.blob, entry.file.name, (progress) => this.#change(id, entry.key, {progress}));
    const file = {...entry.file, ...answer};
    this.#change(id, entry.key, {file, progress: undefined});
    return file;
  }

  #change(id, key, change) { this.#put(id, this.of(id).map((e) => e.key === key ? {...e, ...change} : e)); }

  #put(id, queue) {
    const texts = queue.filter((e) => !e.file).map(({key, text, at, failed}) => ({key, text, at, failed}));
    const kept = keep(`unsent:${id}`, texts.length ? JSON.stringify(texts) : '');
    this.#queues.set(id, queue.map((e) => e.file ? e : {...e, kept}));
    this.#changed();
  }
}

function restored(text) {
  try {
    return JSON.parse(text).map((e) => {
      // Nobody expects yesterday's sentence to go out today without a word.
      const late = !e.failed && Date.now() - Date.parse(e.at) > maxAge;
      return {...e, kept: true, failed: late ? 'It was not sent in time.' : e.failed};
    });
  } catch {
    return [];
  }
}
