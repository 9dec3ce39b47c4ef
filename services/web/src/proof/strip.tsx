import { useEffect, useRef } from 'react';
import type { Sample } from './probe.ts';

const WIDTH_MS = 30_000;
const PAD = 6;

type Scale = { readonly x: (at: number) => number; readonly y: (tokens: number) => number };

const trace = (
  context: CanvasRenderingContext2D,
  samples: readonly Sample[],
  scale: Scale,
  pick: (sample: Sample) => number,
): void => {
  context.beginPath();
  samples.forEach((sample, index) => {
    const x = scale.x(sample.at);
    const y = scale.y(pick(sample));
    // Steps, since a position jumps: what came at once is shown as coming at once.
    if (index === 0) context.moveTo(x, y);
    else {
      context.lineTo(x, scale.y(pick(samples[index - 1] ?? sample)));
      context.lineTo(x, y);
    }
  });
};

const colour = (element: Element, name: string): string => {
  // Canvas does not know light-dark(); the computed colour of an element does.
  const probe = element.querySelector<HTMLElement>(`[data-colour="${name}"]`);
  return probe === null ? 'gray' : getComputedStyle(probe).color;
};

const draw = (frame: HTMLElement, canvas: HTMLCanvasElement, samples: readonly Sample[]): void => {
  const ratio = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * ratio) canvas.width = width * ratio;
  if (canvas.height !== height * ratio) canvas.height = height * ratio;
  const context = canvas.getContext('2d');
  const last = samples.at(-1);
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (last === undefined) return;
  const low = samples[0]?.acked ?? 0;
  const span = Math.max(32, Math.max(last.received, last.made ?? 0) - low);
  const scale: Scale = {
    x: (at) => width - ((last.at - at) / WIDTH_MS) * width,
    y: (tokens) => height - PAD - ((tokens - low) / span) * (height - 2 * PAD),
  };
  context.lineJoin = 'round';
  trace(
    context,
    samples.filter(({ made }) => made !== undefined),
    scale,
    ({ made = 0 }) => made,
  );
  context.strokeStyle = colour(frame, 'made');
  context.lineWidth = 1.5;
  context.stroke();
  trace(context, samples, scale, ({ received }) => received);
  context.strokeStyle = colour(frame, 'received');
  context.lineWidth = 2;
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(scale.x(samples[0]?.at ?? 0), height);
  context.globalAlpha = 0.12;
  context.fillStyle = colour(frame, 'received');
  context.fill();
  context.globalAlpha = 1;
  trace(context, samples, scale, ({ acked }) => acked);
  context.strokeStyle = colour(frame, 'acked');
  context.lineWidth = 1.5;
  context.setLineDash([4, 3]);
  context.stroke();
  context.setLineDash([]);
};

type Props = {
  readonly samples: readonly Sample[];
  /** tokens in the log, as the worker last said */
  readonly stored: number | undefined;
};

/** The last 30 s of a position: what was made, what of it was received, and what of that was acked. */
export const Strip = ({ samples, stored }: Props) => {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (frame.current !== null && canvas.current !== null) draw(frame.current, canvas.current, samples);
  }, [samples]);
  const last = samples.at(-1);
  return (
    <div className="strip" ref={frame}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Received ${last?.received ?? 0} tokens, acked ${last?.acked ?? 0}`}
      />
      <p className="legend">
        {last?.made !== undefined && (
          <span data-colour="made">
            <i aria-hidden="true" /> made {last.made.toLocaleString('en')}
          </span>
        )}
        {stored !== undefined && <span>stored {stored.toLocaleString('en')}</span>}
        <span data-colour="received">
          <i aria-hidden="true" /> received {(last?.received ?? 0).toLocaleString('en')}
        </span>
        <span data-colour="acked">
          <i aria-hidden="true" /> acked {(last?.acked ?? 0).toLocaleString('en')}
        </span>
        <span className="span">30 s</span>
      </p>
    </div>
  );
};
