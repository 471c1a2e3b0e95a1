import {
  ILayoutRestorer,
  IRouter,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { TrackingClient } from './api/client';
import { trackingIcon } from './icons';
import { clickedLink, type ILink, LINK, parseLink } from './runs/link';
import { TrackingPanel } from './runs/panel';

const OPEN = 'tracking:open';
const REFRESH = 'tracking:refresh';
const FOLLOW = 'tracking:follow-link';

/** Puts the Tracking panel into the left side bar. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-tracking:plugin',
  description: 'Experiments and runs of Jupyter Tracking, beside the notebook.',
  autoStart: true,
  optional: [ILayoutRestorer, ITranslator, ICommandPalette, IRouter],
  activate
};

export default plugin;

function activate(
  app: JupyterFrontEnd,
  restorer: ILayoutRestorer | null,
  translator: ITranslator | null,
  palette: ICommandPalette | null,
  router: IRouter | null
): void {
  const trans = (translator ?? nullTranslator).load('jupyter_tracking');
  const panel = new TrackingPanel(new TrackingClient(app.serviceManager.serverSettings), trans);
  app.shell.add(panel, 'left', { rank: 300, type: 'Tracking' });
  restorer?.add(panel, panel.id);

  app.commands.addCommand(OPEN, {
    label: trans.__('Show Tracking'),
    icon: trackingIcon,
    execute: () => {
      app.shell.activateById(panel.id);
    }
  });
  app.commands.addCommand(REFRESH, {
    label: trans.__('Refresh Experiments and Runs'),
    execute: () => {
      panel.refresh();
    }
  });
  const follow = (link: ILink): void => {
    app.shell.activateById(panel.id);
    panel.follow(link);
  };
  app.commands.addCommand(FOLLOW, {
    execute: args => {
      const link = parseLink((args as IRouter.ILocation).request);
      // Not awaited: the layout, which says what is in front, is restored after all routes are done.
      void app.restored.then(() => {
        if (link) {
          follow(link);
        }
      });
    }
  });
  const { pathname } = new URL('tracking/', app.serviceManager.serverSettings.baseUrl);
  document.addEventListener('click', event => {
    const link = clickedLink(event, pathname);
    if (link) {
      event.preventDefault();
      follow(link);
    }
  });
  router?.register({ command: FOLLOW, pattern: LINK });
  for (const command of [OPEN, REFRESH]) {
    palette?.addItem({ command, category: trans.__('Tracking') });
  }
}
