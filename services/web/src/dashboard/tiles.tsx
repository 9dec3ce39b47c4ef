import type { Moment, Percentiles } from './fleet.ts';
import { count, duration, money } from './numbers.ts';
import type { StatsSnapshot } from './stats-store.ts';

type TileProps = {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly tone?: 'busy' | 'bad' | 'good' | undefined;
};

const Tile = ({ name, value, note, tone }: TileProps) => (
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

const latencies = (moment: Moment | undefined): readonly TileProps[] => {
  const { p50: first, p95: firstLate } = moment?.firstToken ?? NONE;
  const { p50, p95, p99 } = moment?.delivery ?? NONE;
  return [
    {
      name: 'First token',
      value: duration(first),
      note: first === undefined ? 'none in the last minute' : `p95 ${duration(firstLate)}`,
    },
    {
      name: 'Delivery p50',
      value: duration(p50),
      note: p50 === undefined ? 'nothing was sent' : `p95 ${duration(p95)}, p99 ${duration(p99)}`,
    },
  ];
};

const NONE: Percentiles = { p50: undefined, p95: undefined, p99: undefined };

const flows = (moment: Moment | undefined): readonly TileProps[] => [
  {
    name: 'Connections',
    value: count(moment?.connections),
    note: `${count(moment?.sessions)} sessions, ${count(moment?.viewers)} viewers`,
  },
  { name: 'Tokens/s', value: count(moment?.made), note: `${count(moment?.delivered)} delivered` },
];

const troubles = ({ totals: { reconnects, errors } }: StatsSnapshot): readonly TileProps[] => {
  const told = Object.values(errors).reduce((total, each) => total + each, 0);
  return [
    { name: 'Reconnects', value: count(reconnects), note: 'came back with a position' },
    { name: 'Errors', value: count(told), note: 'told to clients', tone: told > 0 ? 'bad' : undefined },
  ];
};

/** The figures one looks at first. */
export const Tiles = (snapshot: StatsSnapshot) => {
  const { moment, totals } = snapshot;
  const tiles: readonly TileProps[] = [
    ...flows(moment),
    ...latencies(moment),
    { name: 'Acks outstanding', value: count(moment?.unacked), note: 'tokens sent, not acked' },
    slots(moment),
    held(moment, totals.parks),
    saved(snapshot),
    ...troubles(snapshot),
  ];
  return (
    <dl className="tiles" aria-label="Now">
      {tiles.map((tile) => (
        <Tile key={tile.name} {...tile} />
      ))}
    </dl>
  );
};
