/**
 * What an answer is to its readers. An entry of its own: a page of the AI SDK's loads it with its first answer.
 */
export { answerMessageOf, chatCallsOf } from './answer-message.ts';
export { callFieldsOf, isFields, knownPartOf, reasoningFieldsOf } from './known-part.ts';
export type { JsonFields, KnownPart } from './known-part.ts';
export { PartReader } from './part-reader.ts';
export { UiPartsWriter } from './ui-parts.ts';
export { UiChunkWriter, uiDeltaOf, uiErrorOf } from '../ui/ui-chunks.ts';
