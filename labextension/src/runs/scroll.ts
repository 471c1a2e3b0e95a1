import * as React from 'react';

/** For an element that is to be scrolled into view, once for each link; `link` is 0 for none. */
export function useScrolledTo(
  link: number,
  block: ScrollLogicalPosition
): React.RefObject<HTMLButtonElement> {
  const element = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => {
    if (link > 0) {
      element.current?.scrollIntoView({ block });
    }
  }, [link, block]);
  return element;
}
