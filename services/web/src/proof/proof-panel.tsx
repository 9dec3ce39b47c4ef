import { CloseIcon } from '../chat/icons.tsx';
import type { WebConnection } from '../link/web-connection.ts';
import type { SessionStore } from '../session/session-store.ts';
import { useStore } from '../use-store.ts';
import { FaultsForm } from './faults-form.tsx';
import { Figures } from './figures.tsx';
import { Gauge } from './gauge.tsx';
import { KillForm } from './kill-form.tsx';
import { NextAnswerForm } from './next-answer.tsx';
import type { NextAnswer } from './next-answer.tsx';
import type { Probe, ProbeSnapshot } from './probe.ts';
import { Strip } from './strip.tsx';

type Props = {
  readonly probe: Probe;
  readonly connection: WebConnection;
  readonly store: SessionStore;
  readonly next: NextAnswer;
  readonly onNext: (next: NextAnswer) => void;
  readonly onClose: () => void;
};

/** The most a worker may run ahead of the governing ack, tokens. */
const MAX_LEAD = 256;

/** What the worker is ahead of the acks; where it does not tell, what this tab has received and not acked. */
const leadOf = ({ meter, progress }: ProbeSnapshot): { readonly used: number; readonly most: number } => {
  const { made, acked, lead } = progress ?? {};
  if (made === undefined || acked === undefined || lead === undefined || meter?.isOpen !== true)
    return { used: meter?.ahead ?? 0, most: MAX_LEAD };
  return { used: Math.max(0, made - acked), most: lead };
};

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** Break this tab's connection and watch the position catch up. */
export const ProofPanel = ({ probe, connection, store, next, onNext, onClose }: Props) => {
  const snapshot = useStore(probe, (current) => current);
  const { meter, progress, samples, happenings, window } = snapshot;
  const lead = leadOf(snapshot);
  return (
    <aside className="proof" id="proof" aria-label="Prove it">
      <header>
        <h2>Prove it</h2>
        <button type="button" className="icon-button" aria-label="Close this panel" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <FaultsForm connection={connection} probe={probe} session={store.id} />
      <KillForm store={store} probe={probe} />
      <section aria-label="Position">
        <Strip samples={samples} stored={progress?.stored} />
        <Gauge name="Window" unit="frames" value={meter?.framesInFlight ?? 0} most={window} />
        <Gauge name="Lead" unit="tokens" value={lead.used} most={lead.most} />
      </section>
      <Figures {...snapshot} />
      <section aria-label="What happened" className="happenings">
        <h3>What happened</h3>
        {happenings.length === 0 && <p className="nothing">Nothing yet. Ask something.</p>}
        <ol>
          {happenings.map(({ id, at, tone, text }) => (
            <li key={id} className={tone}>
              <time>{clock.format(at)}</time>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      </section>
      <NextAnswerForm next={next} onNext={onNext} />
    </aside>
  );
};
