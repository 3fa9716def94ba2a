import {useLayoutEffect, useRef, useState} from 'preact/hooks';
import {dayOf, instantOf, timeOf} from './clock.js';
import {grouped} from './grouping.js';
import {Files} from './files.jsx';
import {Icon, Tick} from './icons.jsx';

/**
 * The scrolling thread. Arrow keys walk through the messages (one tab stop for all of them); a reader at the bottom
 * stays at the bottom when something is added, a reader further up is told and not moved.
 *
 * @param {object} props
 * @param {Array} props.messages see Row
 * @param {string} props.label name of the log for screen readers
 * @param {boolean} props.busy while history is being filled in: nothing is announced
 * @param {function(boolean)} [props.onBottom] told whether the newest message is in view
 */
export function Thread({messages, notices, typing, label, busy, locale, above, onBottom}) {
  const scroller = useRef(null);
  const atBottom = useRef(true);
  const [behind, setBehind] = useState(false);
  const [current, setCurrent] = useState(null);
  const items = grouped(messages, notices);
  const newest = messages.length ? messages[messages.length - 1] : null;
  const active = messages.some((m) => m.key === current) ? current : newest && newest.key;

  const bottom = (at) => {
    atBottom.current = at;
    if (at) setBehind(false);
    if (onBottom) onBottom(at);
  };
  const toBottom = () => {
    const el = scroller.current;
    el.scrollTop = el.scrollHeight;
    bottom(true);
  };
  const jump = () => {
    toBottom();
    focusOn(newest.key); // the button goes away
  };
  const incoming = messages.findLast((m) => !m.own)?.key;
  const written = messages.findLast((m) => m.pending)?.key;
  const drawn = useRef({});
  const oldest = messages[0]?.key;
  const topOf = (key) => scroller.current?.querySelector(`[data-key="${CSS.escape(key)}"]`)?.getBoundingClientRect().top;
  // Older messages come in above the one that was the oldest: it stays where it is, and so does what is being read.
  const held = drawn.current.oldest;
  const before = held && held !== oldest ? topOf(held) : undefined;
  useLayoutEffect(() => {
    const after = before === undefined || atBottom.current ? undefined : topOf(held);
    if (after !== undefined) scroller.current.scrollTop += after - before;
    drawn.current.oldest = oldest;
  }, [oldest]);
  useLayoutEffect(() => {
    const news = {incoming: incoming !== drawn.current.incoming, written: written && written !== drawn.current.written};
    drawn.current = {...drawn.current, incoming, written};
    // One's own words are always worth going down for.
    if (atBottom.current || news.written) toBottom();
    else if (news.incoming) setBehind(true);
  }, [incoming, written, messages.length, typing, notices && notices.length]);
  useLayoutEffect(() => {
    // A growing composer or a keyboard on the screen takes room from the thread; the newest line stays in view.
    const observer = new ResizeObserver(() => { if (atBottom.current) toBottom(); });
    observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);

  const focusOn = (key) => scroller.current.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();

  const onScroll = () => {
    const el = scroller.current;
    const at = el.scrollHeight - el.scrollTop - el.clientHeight < 32;
    if (at !== atBottom.current) bottom(at);
  };
  const onKeyDown = (event) => {
    const step = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!step || !messages.length || event.altKey || event.ctrlKey || event.metaKey) return;
    const index = messages.findIndex((m) => m.key === active);
    const next = messages[Math.min(messages.length - 1, Math.max(0, index + step))];
    event.preventDefault();
    event.stopPropagation();
    setCurrent(next.key);
    focusOn(next.key);
  };

  return (
    <div class="thread-frame">
      <div class="thread-scroll" ref={scroller} onScroll={onScroll} onKeyDown={onKeyDown}>
        {above}
        <div class="thread" role="log" aria-live="polite" aria-relevant="additions" aria-label={label} aria-busy={busy ? 'true' : 'false'}>
          {items.map((item) => {
            if (item.kind === 'day') return <p class="day" key={item.key}>{dayOf(item.at, locale)}</p>;
            if (item.kind === 'notice') return <p class="notice" key={item.key}>{item.text}</p>;
            return <Row key={item.key} {...item} locale={locale} active={item.key === active} newest={item.message === newest} onFocus={() => setCurrent(item.key)} />;
          })}
          {typing && <div class="typing" key="typing"><span class="sr">{typing}</span><i /><i /><i /></div>}
        </div>
      </div>
      {behind && <button type="button" class="button jump" onClick={jump}><Icon name="down" />New messages</button>}
    </div>
  );
}

/**
 * One message: `{key, author, own, who, text, files, at, pending, fresh, status, statusWord, plain, action}`. `status` picks the tick and
 * `statusWord` says it; `who` is the author for eyes (first of a group) and ears (every time).
 */
function Row({message: m, first, last, locale, active, newest, onFocus}) {
  const bad = m.status === 'failed' || m.status === 'expired' || m.status === 'held' || m.status === 'discarded';
  const classes = ['row', m.own && 'own', first && 'first', last && 'last', m.pending && 'pending', bad && 'failed', m.fresh && 'fresh'];
  return (
    <div class={classes.filter(Boolean).join(' ')}>
      {first && m.showWho && <p class="who" aria-hidden="true">{m.who}</p>}
      <div class="line">
        <div class="bubble" tabIndex={active ? 0 : -1} data-key={m.key} onFocus={onFocus}><span class="sr">{m.who}: </span>{m.files?.length > 0 && <Files files={m.files} />}{m.text}</div>
        <time class="time" dateTime={m.at} title={instantOf(m.at, locale)}>{timeOf(m.at, locale)}</time>
      </div>
      {m.status && (last || bad) && (
        <p class={`mark ${m.status}${newest || bad ? ' plain' : ''}`}>
          <span class="words">{m.statusWord}{m.action && <> <span class="actions">{m.action}</span></>}</span>
          <Tick status={m.status} />
        </p>
      )}
    </div>
  );
}
