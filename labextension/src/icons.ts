import { LabIcon } from '@jupyterlab/ui-components';
import type { RunStatus } from './tokens';

const svg = (size: number, content: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 ${size} ${size}">${content}</svg>`;

export const trackingIcon = new LabIcon({
  name: 'jupyter-tracking:tracking',
  svgstr: svg(
    24,
    `<g fill="none" stroke-linecap="round" stroke-linejoin="round" stroke-width="2">
      <path class="jp-icon3" stroke="#616161" d="M4 4v15a1 1 0 0 0 1 1h15"/>
      <path class="jp-icon3" stroke="#616161" d="M8 15.5l3.5-4.5 3 2.5L20 6"/>
    </g>
    <circle class="jp-icon3" fill="#616161" cx="20" cy="6" r="2"/>`
  )
});

const disc = '<circle cx="8" cy="8" r="6.5" fill="currentColor"/>';
const ring =
  '<circle cx="8" cy="8" r="5.75" fill="none" stroke="currentColor" stroke-width="1.5"/>';
const mark = (d: string): string =>
  `<path class="jt-mark" d="${d}" fill="none" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>`;

/** Each status has a form of its own: colour alone does not tell. */
export const statusIcons: Record<RunStatus, LabIcon> = {
  FINISHED: new LabIcon({
    name: 'jupyter-tracking:finished',
    svgstr: svg(16, disc + mark('M5 8.2l2.1 2.1L11 6.2'))
  }),
  FAILED: new LabIcon({
    name: 'jupyter-tracking:failed',
    svgstr: svg(16, disc + mark('M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4'))
  }),
  KILLED: new LabIcon({
    name: 'jupyter-tracking:killed',
    svgstr: svg(16, disc + mark('M5.2 8h5.6'))
  }),
  SCHEDULED: new LabIcon({
    name: 'jupyter-tracking:scheduled',
    svgstr: svg(
      16,
      `${ring}<path d="M8 5v3.2l2 1.3" fill="none" stroke="currentColor" stroke-width="1.5"/>`
    )
  }),
  RUNNING: new LabIcon({
    name: 'jupyter-tracking:running',
    svgstr: svg(16, `${ring}<circle cx="8" cy="8" r="2.75" fill="currentColor"/>`)
  })
};
