import {useEffect, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {Composer, withDraft} from '../shared/composer.jsx';
import {DropHint, useFileDrop} from '../shared/drop.jsx';
import {FilePicker} from '../shared/files.jsx';
import {useKeptFocus} from '../shared/keptfocus.js';
import {Thread} from '../shared/thread.jsx';
import {Header} from './header.jsx';
import {EndConfirm, EndedFoot} from './ending.jsx';
import {Strip} from './strip.jsx';
import {Welcome} from './welcome.jsx';
import {keepFocusInside} from './focus.js';
import {toMessages, toNotices} from './view.js';
import {words} from './words.js';

/** The panel: it stays in the tree while closed, so that nothing is lost between two openings. */
export function Panel({session, settings, open, onClose}) {
  const state = useSession(session);
  const [draft, setDraft] = useState('');
  const [asking, setAsking] = useState(false);
  const [anew, setAnew] = useState(false);
  const [atBottom, setAtBottom] = useState(true);
  const panel = useRef(null);
  const visible = useInView(panel);
  const field = useRef(null);
  useScreenHeight(panel, open);
  useKeptFocus(panel, () => panel.current.focus());

  const messages = toMessages(state, {
    edit: (id) => {
      setDraft(withDraft(session.takeBack(id), draft));
      if (ended) setAnew(true);
      field.current?.focus();
    },
    again: (id) => session.again(id),
    discard: (id) => {
      session.discard(id);
      field.current?.focus();
    },
    download: (file) => session.download(file),
  });
  const ended = state.ending || (state.session === 'ended' && state.endedBy !== 'idle' && !anew);

  useEffect(() => session.attend(open && visible && atBottom), [open, visible, atBottom]);
  useEffect(() => {
    if (state.session !== 'ended') setAnew(false);
    if (state.session !== 'open') setAsking(false);
  }, [state.session]);
  useLayoutEffect(() => {
    if (!open) return;
    // On a touch screen the keyboard would cover what the visitor came to read.
    const first = matchMedia('(pointer: coarse)').matches || !field.current ? panel.current : field.current;
    first.focus();
  }, [open]);
  useLayoutEffect(() => {
    if (anew) field.current.focus();
  }, [anew]);

  const keepOn = () => {
    setAsking(false);
    field.current?.focus();
  };
  const onKeyDown = (event) => {
    if (event.key === 'Escape' && !event.isComposing) {
      event.stopPropagation();
      if (asking) keepOn();
      else onClose();
    } else if (event.key === 'Tab') {
      keepFocusInside(panel.current, event);
    }
  };
  const say = (text) => {
    session.say(text);
    setDraft('');
    setAnew(false);
  };
  const attach = (files) => {
    session.attach(files);
    setAnew(false);
    field.current?.focus();
  };
  const refused = state.phase === 'refused';
  const {over, handlers} = useFileDrop(state.files && !ended && !refused ? attach : null);
  const fresh = state.ready && messages.length === 0 && !refused;

  return (
    <section class="panel" ref={panel} role="dialog" aria-label={settings.title} tabIndex={-1} hidden={!open} onKeyDown={onKeyDown} {...handlers}>
      <Header settings={settings} canEnd={state.session === 'open' && !state.ending && !refused} onEnd={() => setAsking(true)} onClose={onClose} />
      <Strip state={state} />
      {fresh
        ? <Welcome settings={settings} onPick={say} />
        : !(refused && messages.length === 0) && <Thread messages={messages} notices={toNotices(state)} typing={state.typing && (words.typing[state.typing] || words.typing.csr)}
            label={words.log} busy={!state.ready} locale={settings.locale} onBottom={setAtBottom} above={!state.ready && messages.length === 0 && <Skeleton />} />}
      {asking && !refused && <EndConfirm onNo={keepOn} onYes={() => { setAsking(false); session.end(); }} />}
      {!refused && (ended
        ? <EndedFoot ending={state.ending} onAnew={() => setAnew(true)} />
        : <Composer field={field} value={draft} limit={state.limit} label={words.message} placeholder={words.placeholder}
            start={state.files && <FilePicker label={words.attach} types={state.files.types} onPick={attach} />}
            onInput={(text) => { setDraft(text); if (text.trim()) session.typing(); }} onSend={say} />)}
      <DropHint over={over}>{words.drop}</DropHint>
    </section>
  );
}

function Skeleton() {
  return (
    <div class="skeleton thread" role="status">
      <span class="sr">{words.loading}</span>
      <span class="bone theirs" /><span class="bone theirs short" /><span class="bone ours" /><span class="bone theirs" />
    </div>
  );
}

function useSession(session) {
  const [state, setState] = useState(session.state);
  useEffect(() => {
    setState(session.state);
    return session.subscribe(() => setState(session.state));
  }, [session]);
  return state;
}

// Whether the panel is before the visitor's eyes: on screen, in a page that is not in the background.
function useInView(panel) {
  const [inView, setInView] = useState(false);
  useEffect(() => {
    let onScreen = false;
    const judge = () => setInView(onScreen && document.visibilityState === 'visible');
    const observer = new IntersectionObserver((entries) => {
      onScreen = entries[entries.length - 1].isIntersecting;
      judge();
    });
    observer.observe(panel.current);
    document.addEventListener('visibilitychange', judge);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', judge);
    };
  }, []);
  return inView;
}

// The on-screen keyboard shrinks the visual viewport only; a full-screen panel follows it.
function useScreenHeight(panel, open) {
  useEffect(() => {
    const viewport = window.visualViewport;
    if (!viewport || !open) return undefined;
    const follow = () => panel.current.style.setProperty('--screen', `${viewport.height}px`);
    follow();
    viewport.addEventListener('resize', follow);
    return () => viewport.removeEventListener('resize', follow);
  }, [open]);
}
