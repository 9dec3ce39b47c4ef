type Props = { readonly name: string; readonly unit: string; readonly value: number; readonly most: number };

/** How full something bounded is. */
export const Gauge = ({ name, unit, value, most }: Props) => {
  const share = Math.min(1, value / most);
  return (
    <div className="gauge">
      <span className="gauge-name">{name}</span>
      <meter
        className="visually-hidden"
        min={0}
        max={most}
        value={Math.min(value, most)}
        aria-label={`${name}, ${unit}`}
      />
      <span className="gauge-track" aria-hidden="true">
        <span
          className={share >= 1 ? 'gauge-fill full' : 'gauge-fill'}
          style={{ width: `${share * 100}%` }}
        />
      </span>
      <span className="gauge-value">
        {value} / {most} {unit}
      </span>
    </div>
  );
};
