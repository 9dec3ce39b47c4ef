import type { Moment } from './fleet.ts';
import { count, duration, money, NOTHING } from './numbers.ts';
import type { StatsSnapshot } from './stats-store.ts';

type TileProps = {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly tone?: 'busy' | 'bad' | 'good' | undefined;
};

const Tile = ({ name, value, note, tone = undefined }: TileProps) => (
  <div className={tone === undefined ? 'tile' : `tile ${tone}`}>
    <dt>{name}</dt>
    <dd>
      <span className="tile-value">{value}</span>
      <span className="tile-note">{note}</span>
    </dd>
  </div>
);

const slots = (moment: Moment | undefined): TileProps =>
  moment?.slots === undefined
    ? { name: 'Running', value: count(moment?.running), note: 'generations' }
    : {
        name: 'Slots taken',
        value: count(moment.running),
        note: `of ${count(moment.slots)}`,
        tone: moment.running >= moment.slots ? 'busy' : undefined,
      };

const saved = ({ totals, price }: StatsSnapshot): TileProps => {
  const { savedByStop, savedByPark } = totals;
  const tokens = savedByStop + savedByPark;
  return {
    name: 'Tokens saved',
    value: count(tokens),
    note: `${price === undefined ? '' : `≈ ${money(tokens, price)}, `}stop ${count(savedByStop)}, park ${count(savedByPark)}`,
    tone: tokens > 0 ? 'good' : undefined,
  };
};

const held = (moment: Moment | undefined, parks: number): TileProps => ({
  name: 'Paused / parked',
  value: `${count(moment?.paused)} / ${count(moment?.parked)}`,
  note: `${count(parks)} parked in all`,
  tone: (moment?.paused ?? 0) > 0 ? 'busy' : undefined,
});

/** The figures one looks at first. */
export const Tiles = (snapshot: StatsSnapshot) => {
  const { moment, totals } = snapshot;
  const errors = Object.values(totals.errors).reduce((total, each) => total + each, 0);
  const first = moment?.firstToken;
  const delivery = moment?.delivery;
  return (
    <dl className="tiles" aria-label="Now">
      <Tile
        name="Connections"
        value={count(moment?.connections)}
        note={`${count(moment?.sessions)} sessions, ${count(moment?.viewers)} viewers`}
      />
      <Tile name="Tokens/s" value={count(moment?.made)} note={`${count(moment?.delivered)} delivered`} />
      <Tile
        name="First token"
        value={duration(first?.p50)}
        note={first?.p95 === undefined ? 'none in the last minute' : `p95 ${duration(first.p95)}`}
      />
      <Tile
        name="Delivery p50"
        value={duration(delivery?.p50)}
        note={
          delivery?.p50 === undefined
            ? 'nothing was sent'
            : `p95 ${duration(delivery.p95)}, p99 ${duration(delivery.p99)}`
        }
      />
      <Tile name="Acks outstanding" value={count(moment?.unacked)} note="tokens sent, not acked" />
      <Tile {...slots(moment)} />
      <Tile {...held(moment, totals.parks)} />
      <Tile {...saved(snapshot)} />
      <Tile
        name="Reconnects"
        value={moment === undefined ? NOTHING : count(totals.reconnects)}
        note="came back with a position"
      />
      <Tile
        name="Errors"
        value={moment === undefined ? NOTHING : count(errors)}
        note="told to clients"
        tone={errors > 0 ? 'bad' : undefined}
      />
    </dl>
  );
};
