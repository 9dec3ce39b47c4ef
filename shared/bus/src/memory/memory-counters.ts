import type { CounterName, Counters } from '../counters.ts';
import { counterSubject } from '../subjects.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryCounters = ({ counters }: MemoryHub): Counters => {
  const put = (subject: string, value: number): number => {
    const seq = (counters.get(subject)?.seq ?? 0) + 1;
    counters.set(subject, { value, seq, at: performance.now() });
    return value;
  };
  const add = (name: CounterName, delta: number): number => {
    const subject = counterSubject(name);
    return put(subject, (counters.get(subject)?.value ?? 0) + delta);
  };
  return {
    add: (name, delta) => Promise.resolve(add(name, delta)),
    read: (name) => Promise.resolve(counters.get(counterSubject(name))),
    begin: (name, value) => {
      const isMissing = !counters.has(counterSubject(name));
      if (isMissing) add(name, value);
      return Promise.resolve(isMissing);
    },
    correct: (name, { value, seq, restMs }) => {
      const known = counters.get(counterSubject(name));
      const isCurrent = known?.seq === seq && performance.now() - known.at >= restMs;
      if (isCurrent) put(counterSubject(name), value);
      return Promise.resolve(isCurrent);
    },
    storedBytes: (org) => {
      const isOfSession = (subject: string): boolean =>
        subject.startsWith(`count.${org}.`) && subject.endsWith('.bytes') && subject.split('.').length === 4;
      const own = [...counters].filter(([subject]) => isOfSession(subject));
      return Promise.resolve(own.reduce((sum, [, { value }]) => sum + value, 0));
    },
  };
};
