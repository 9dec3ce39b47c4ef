import { SluiceError } from '@sluice/protocol';

/** Most names that an error lists. */
const MAX_LISTED = 20;

/** How a person names models in a sentence: all of them, or the first ones and how many more there are. */
export const listed = (models: readonly string[]): string => {
  const more = models.length - MAX_LISTED;
  const shown = models.slice(0, MAX_LISTED).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
};

/**
 * The model of a prompt that names none, where the operator has set no default either: the only one there is. Of several,
 * none is a better guess than another.
 * @param offered models that live workers offer and that the org may use
 * @returns undefined where there is none
 * @throws SluiceError bad_frame where there are several
 */
export const onlyModel = (offered: readonly string[]): string | undefined => {
  if (offered.length <= 1) return offered[0];
  throw new SluiceError(
    'bad_frame',
    `\`model\`: expected one of ${listed(offered)}; the server has no default model (SLUICE_DEFAULT_MODEL)`,
  );
};
