import {useLayoutEffect} from 'preact/hooks';

/** What is focused inside `root` may go away with the next drawing: `fallback` then takes the focus, before it falls to the page. */
export function useKeptFocus(root, fallback) {
  const holds = () => Boolean(root.current) && root.current.contains(root.current.getRootNode().activeElement);
  const held = holds();
  useLayoutEffect(() => {
    if (held && !holds()) fallback();
  });
}
