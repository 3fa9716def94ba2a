import {ApiProblem} from './api.js';
import {readEventStream} from './sse.js';

const quietFor = 45000;
const ackEvery = 1000;
const firstDelay = 500;
const maxDelay = 15000;

/**
 * Follows the client's feed for ever: streams, resumes after the last event it handed on, and acknowledges what was
 * handed on. Each event may come twice; the id tells.
 *
 * @typedef {object} FeedEvents
 * @property {function(boolean): Promise<void>} open before the first event of each connection; true when events may have been missed
 * @property {function(object)} event
 * @property {function(ApiProblem, number)} lost with the wait in ms before the next try; 0 when there will be none
 */
export class Feed {
  #api;
  #events;
  #cursor = null;
  #acked = null;
  #ackTimer = 0;
  #attempts = 0;

  /** @param {Api} api @param {FeedEvents} events */
  constructor(api, events) {
    this.#api = api;
    this.#events = events;
  }

  /** Runs until the token is refused. */
  async follow() {
    let missed = true;
    for (;;) {
      try {
        await this.#once(missed);
        missed = false;
      } catch (error) {
        const problem = error instanceof ApiProblem ? error : new ApiProblem(0, 'The connection to the hub was lost');
        if (problem.status === 401 || problem.status === 403) {
          this.#events.lost(problem, 0);
          return;
        }
        if (this.#cursor && [400, 404, 410, 422].includes(problem.status)) {
          this.#cursor = null;
          missed = true;
        }
        const wait = Math.max(problem.retryAfter, Math.min(maxDelay, firstDelay * 2 ** this.#attempts++) * (0.5 + Math.random() / 2));
        this.#events.lost(problem, wait);
        await pause(wait);
      }
    }
  }

  async #once(missed) {
    const abort = new AbortController();
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), quietFor);
    };
    // The stream of a dead network ends in silence; the browser knows sooner.
    const cut = () => abort.abort();
    window.addEventListener('offline', cut);
    try {
      alive();
      const response = await this.#api.events(this.#cursor, abort.signal);
      await this.#events.open(missed);
      this.#attempts = 0;
      if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        const page = await response.json();
        for (const event of page.data) this.#events.event(event);
        this.#reached(page.next_cursor);
        return;
      }
      await readEventStream(response.body, (data, id) => {
        this.#events.event(JSON.parse(data));
        this.#reached(id);
      }, alive);
      throw new ApiProblem(0, 'The connection to the hub was lost');
    } finally {
      window.removeEventListener('offline', cut);
      clearTimeout(timer);
      abort.abort();
    }
  }

  #reached(cursor) {
    if (!cursor) return;
    this.#cursor = cursor;
    this.#ackTimer ||= setTimeout(() => {
      this.#ackTimer = 0;
      const upTo = this.#cursor;
      if (!upTo || upTo === this.#acked) return;
      // An acknowledgement that fails is made good by the next one, which covers it.
      this.#api.ack(upTo).then(() => { this.#acked = upTo; }, () => {});
    }, ackEvery);
  }
}

// The browser's word that the network is back ends the wait.
function pause(ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener('online', end);
  });
}
