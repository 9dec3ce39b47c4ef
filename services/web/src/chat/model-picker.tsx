import type { ModelChoice } from '../session/models.ts';

/** Which model answers; where there is only one there is nothing to pick. */
export const ModelPicker = ({ models, model, choose }: ModelChoice) => {
  if (models.length < 2) return null;
  return (
    <label className="model-picker">
      <span className="visually-hidden">Model</span>
      <select
        value={model ?? ''}
        onChange={({ target }) => choose(target.value === '' ? undefined : target.value)}
      >
        <option value="">Default model</option>
        {models.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
};
