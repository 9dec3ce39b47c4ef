import { textOf } from '@sluice/protocol';
import type { Finding, FindingKind, Report } from './finding.ts';
import { markedToken, marksOf, watermarkOf } from './history.ts';
import type { History, StoredText } from './history.ts';
import { judgeViewer } from './viewer-judge.ts';

export type Verdict = {
  /** tokens that are stored, and that viewers were shown */
  readonly stored: number;
  readonly delivered: number;
  readonly wireDuplicates: number;
  readonly findings: readonly Finding[];
};

/** Judges one generation. Pure: the same history has the same verdict. */
export const judge = (history: History): Verdict => {
  const findings: Finding[] = [];
  const report: Report = (finding) => void findings.push(finding);
  const text = judgeLog(history, report);
  judgePromises(history, text, report);
  let delivered = 0;
  let wireDuplicates = 0;
  for (const viewer of history.viewers) {
    const seen = judgeViewer(history, viewer, text, report);
    delivered += seen.delivered;
    wireDuplicates += seen.wireDuplicates;
  }
  const stored = text.epochs.get(text.epoch)?.length ?? 0;
  return { stored, delivered, wireDuplicates, findings };
};

/** I5, I7: one writer at a time, every position stored once, every chunk reachable from the head. */
const judgeLog = (history: History, report: Report): StoredText => {
  const watermark = watermarkOf(history);
  const epochs = new Map<number, string[]>();
  let attempt = 0;
  let epoch = 0;
  let newest = 0;
  let end: StoredText['end'];
  for (const [index, { chunk, record }] of history.log.entries()) {
    const wrong = (kind: FindingKind, detail: string, tokens = 1): void =>
      report({ kind, where: 'log', index, tokens, detail });
    if (end !== undefined) wrong('duplicate', 'a record after the end');
    if (record.attempt < attempt) wrong('reordered', `attempt ${record.attempt} after ${attempt}`);
    if (record.epoch < epoch) wrong('reordered', `epoch ${record.epoch} after ${epoch}`);
    // Chunk numbers go on over epochs, but nobody knows them any more once the log has expired.
    if (record.epoch > epoch) newest = chunk;
    if (chunk < newest) wrong('reordered', `chunk ${chunk} after ${newest}`);
    newest = Math.max(newest, chunk);
    attempt = Math.max(attempt, record.attempt);
    epoch = Math.max(epoch, record.epoch);
    const texts = epochs.get(record.epoch) ?? [];
    epochs.set(record.epoch, texts);
    const head = record.base + record.tokens.length;
    if (record.base > texts.length)
      wrong('lost', `record from ${record.base}, log reaches ${texts.length}`, record.base - texts.length);
    if (head < texts.length)
      wrong(record.base === 0 ? 'joined' : 'duplicate', `log goes back from ${texts.length} to ${head}`);
    for (const [offset, token] of record.tokens.entries()) {
      const at = record.base + offset;
      const stored = textOf(token);
      if (texts[at] !== undefined && texts[at] !== stored)
        wrong('duplicate', `position ${at + 1} stored twice`);
      if (texts[at] === undefined && stored !== markedToken(watermark, at + 1))
        wrong(kindOfStranger(stored, watermark), `position ${at + 1} holds ${stored.slice(0, 80)}`);
      texts[at] = stored;
    }
    if (record.end !== undefined) end = { reason: record.end.reason, seq: head };
  }
  judgeChunks(history, report);
  return { epochs, epoch, end };
};

const kindOfStranger = (text: string, watermark: string): FindingKind =>
  marksOf(text)?.every((mark) => mark.watermark === watermark) === true ? 'reordered' : 'foreign';

/** A replay goes back by the chunks' numbers: what it cannot reach is not readable, though it is stored. */
const judgeChunks = ({ log }: History, report: Report): void => {
  const byChunk = new Map(log.map(({ chunk, record }) => [chunk, record]));
  const head = log.at(-1);
  let record = head?.record;
  for (let number = (head?.chunk ?? 0) - 1; record !== undefined && record.base > 0; number -= 1) {
    const before = byChunk.get(number);
    const fits = before !== undefined && before.base + before.tokens.length === record.base;
    if (!fits || before.epoch !== record.epoch) {
      const detail = `chunk ${number} does not lead up to ${record.base}`;
      report({ kind: 'truncated', where: 'log', index: log.length - 1, tokens: record.base, detail });
      return;
    }
    record = before;
  }
};

/** What was answered is kept: prompts, acknowledged tokens, one end for all. */
const judgePromises = (history: History, text: StoredText, report: Report): void => {
  const { item, acked, accepted, log, credit } = history;
  const wrong = (kind: FindingKind, tokens: number, detail: string): void =>
    report({ kind, where: 'item', index: log.length - 1, tokens, detail });
  const highest = new Map<number, number>();
  for (const { epoch, seq } of acked) highest.set(epoch, Math.max(seq, highest.get(epoch) ?? 0));
  for (const [epoch, seq] of highest) {
    const stored = text.epochs.get(epoch)?.length ?? 0;
    if (seq > stored) wrong('lost', seq - stored, `acked up to ${epoch}-${seq}, stored up to ${stored}`);
  }
  if (credit !== undefined && credit.made - credit.acked > credit.lead)
    wrong('overrun', credit.made - credit.acked - credit.lead, `${credit.made} made, ${credit.acked} acked`);
  if (!accepted) return;
  if (item === undefined) return wrong('lost', 1, 'the prompt was accepted and has no item');
  if (item.status !== 'done') return wrong('truncated', 1, `still ${item.status} after the faults`);
  const stored = (text.epochs.get(item.epoch) ?? []).join('');
  if (item.text !== undefined && item.text !== stored)
    wrong('lost', 1, `the item's text has ${item.text.length} characters, the log's ${stored.length}`);
  if (text.end !== undefined && text.end.reason !== item.reason)
    wrong('ends', 1, `log ended ${text.end.reason}, item ${item.reason}`);
};

/** A sentence and the ±20 events around it, for whoever has to find the reason. */
export const explain = (history: History, finding: Finding): string => {
  const { kind, where, index, tokens, detail } = finding;
  const viewer = history.viewers.find(({ name }) => name === where);
  const events =
    viewer === undefined
      ? history.log.map(({ sequence, chunk, record: { attempt, epoch, base, tokens: held, end } }) =>
          [
            `${sequence} in chunk ${chunk}`,
            `attempt ${attempt}`,
            `${epoch}: (${base}, ${base + held.length}]`,
            end?.reason ?? '',
          ].join(' '),
        )
      : viewer.connections.flatMap(({ received, given }, connection) =>
          received.map(({ frame, at }) => {
            const { type, epoch, from, seq } = frame as { type: string } & Partial<
              Record<'epoch' | 'from' | 'seq', number>
            >;
            const position = epoch === undefined ? '' : `${epoch}: (${from ?? ''}, ${seq ?? ''}]`;
            return `#${connection} given ${given?.seq ?? '-'} ${at.toFixed(0)} ms ${type} ${position}`;
          }),
        );
  const from = Math.max(0, index - 20);
  const around = events.slice(from, index + 21).map((line, i) => `${from + i === index ? '>' : ' '} ${line}`);
  const title = `${watermarkOf(history)}, ${where}: ${kind} of ${tokens} tokens at ${index}: ${detail}`;
  return [title, ...around].join('\n');
};
