import { ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import * as React from 'react';
import type { TrackingClient } from '../api/client';
import { trackingIcon } from '../icons';
import type { ILink } from './link';
import { RunsModel } from './model';
import { TrackingView } from './view';

/** Milliseconds between looks at the server while the panel is visible. */
const INTERVAL = 4000;

/** The same while the server does not answer, at most. */
const MAX_INTERVAL = 60000;

/** The side-bar panel; it asks the server only while it can be seen. */
export class TrackingPanel extends ReactWidget {
  constructor(
    private readonly _client: TrackingClient,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = 'jupyter-tracking-panel';
    this.addClass('jt-Panel');
    this.title.icon = trackingIcon;
    this.title.caption = this._trans.__('Tracking');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this._trans.__('Tracking'));
    this._model = new RunsModel(this._client);
    this._poll = new Poll({
      auto: false,
      name: 'jupyter-tracking:runs',
      factory: () => this._model.refresh(),
      frequency: { interval: INTERVAL, backoff: true, max: MAX_INTERVAL },
      standby: () => (this.isVisible ? 'when-hidden' : true)
    });
  }

  /** Read everything again now, as the user asked. */
  refresh(): void {
    this._model.refresh(true).then(
      () => this._poll.schedule(),
      () => undefined // The panel shows the error.
    );
  }

  /** Show what a link names. */
  follow(link: ILink): void {
    void this._model.follow(link);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      super.dispose();
    }
  }

  protected override render(): React.JSX.Element {
    return (
      <TrackingView
        context={{ model: this._model, client: this._client, trans: this._trans }}
        refresh={() => {
          this.refresh();
        }}
      />
    );
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._look();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._look();
  }

  private _look(): void {
    if (this.isVisible) {
      void this._poll.refresh();
    }
  }

  private readonly _model: RunsModel;
  private readonly _poll: Poll;
}
