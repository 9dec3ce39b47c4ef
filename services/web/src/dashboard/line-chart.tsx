import { useEffect, useId, useRef, useState } from 'react';
import type { RefObject } from 'react';
import uPlot from 'uplot';
import type { Column } from './history.ts';
import { clockTime } from './numbers.ts';
import type { Unit } from './unit.ts';

export type Series = {
  readonly name: string;
  /** 1 to 3: a colour of the style sheet */
  readonly hue: 1 | 2 | 3;
  readonly values: Column;
};

type Props = {
  readonly title: string;
  /** seconds since the Unix epoch, one for each value */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly unit: Unit;
};

const HEIGHT_PX = 150;
/** An axis is at least so high: a flat line at 0 needs one too. */
const MIN_TOP = 1;
/** A chart that has just begun is drawn as wide as this, s. */
const MIN_SPAN_S = 60;

const colourOf = (frame: HTMLElement, name: string): string => {
  // Canvas does not know light-dark(); the computed colour of an element does.
  const probe = frame.querySelector<HTMLElement>(`[data-colour="${name}"]`);
  return probe === null ? 'gray' : getComputedStyle(probe).color;
};

const dataOf = ({ times, series }: Pick<Props, 'times' | 'series'>): uPlot.AlignedData =>
  [times, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;

const optionsOf = (
  frame: HTMLElement,
  { series, unit: { format, steps } }: Props,
  onIndex: (index: number | undefined) => void,
): uPlot.Options => {
  const axis = {
    stroke: () => colourOf(frame, 'axis'),
    grid: { stroke: () => colourOf(frame, 'grid'), width: 1 },
    ticks: { show: false },
    font: '11px ui-sans-serif, system-ui, sans-serif',
  };
  return {
    width: frame.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_plot, from, to) => [Math.min(from, to - MIN_SPAN_S), to] },
      y: { range: (_plot, _from, to) => [0, Math.max(MIN_TOP, to * 1.1)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 80,
        values: (_plot, ticks) => ticks.map((tick) => clockTime(tick * 1_000)),
      },
      {
        ...axis,
        size: 58,
        ...(steps === undefined ? {} : { incrs: [...steps] }),
        values: (_plot, ticks) => ticks.map((tick) => format(tick)),
      },
    ],
    series: [
      {},
      ...series.map(({ name, hue }) => ({
        label: name,
        stroke: () => colourOf(frame, `series-${hue}`),
        width: 2,
        points: { show: false },
        spanGaps: true,
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onIndex(cursor.idx ?? undefined)] },
  };
};

/** Makes the chart once, feeds it, and keeps it as wide as its frame. */
const usePlot = (
  frame: RefObject<HTMLDivElement | null>,
  props: Props,
  onIndex: (index: number | undefined) => void,
): void => {
  const plot = useRef<uPlot>(undefined);
  const first = useRef(props);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const made = new uPlot(optionsOf(element, first.current, onIndex), dataOf(first.current), element);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [frame, onIndex]);
  useEffect(() => plot.current?.setData(dataOf(props)), [props]);
};

/** Figures over time. The legend tells the newest values, or those under the pointer. */
export const LineChart = (props: Props) => {
  const { title, series, unit } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [index, setIndex] = useState<number>();
  const id = useId();
  usePlot(frame, props, setIndex);
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption>
        <h3 id={id}>{title}</h3>
        <p className="chart-legend">
          {series.map(({ name, hue, values }) => (
            <span key={name} data-series={hue}>
              <i aria-hidden="true" />
              {name} <b>{unit.format(index === undefined ? values.at(-1) : values[index])}</b>
            </span>
          ))}
        </p>
      </figcaption>
      <div className="plot" ref={frame} aria-hidden="true">
        {['axis', 'grid', 'series-1', 'series-2', 'series-3'].map((name) => (
          <span key={name} data-colour={name} hidden />
        ))}
      </div>
    </figure>
  );
};
