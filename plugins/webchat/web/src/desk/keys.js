import {useEffect, useRef} from 'preact/hooks';

/** Single keys for the whole desk. A key typed into a field, a dialog or the chat widget belongs to that. */
export function useKeys(keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKeyDown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
      const target = event.composedPath()[0];
      // A dialog that was just closed holds the focus until the browser comes round to moving it: its keys are the desk's.
      if (target instanceof Element && target.closest('input, textarea, select, dialog[open], [role="dialog"]')) return;
      if (document.querySelector('dialog[open]')) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}
