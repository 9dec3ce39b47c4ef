import type { CounterName, Counters } from '../counters.ts';
import { counterSubject, sessionByteSubjects } from '../subjects.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryCounters = ({ counters, counted }: MemoryHub): Counters => {
  const put = (subject: string, value: number): number => {
    const seq = (counters.get(subject)?.seq ?? 0) + 1;
    counters.set(subject, { value, seq, at: performance.now() });
    return value;
  };
  const add = (name: CounterName, delta: number, once?: string): number => {
    const subject = counterSubject(name);
    const id = `${subject}.${once}`;
    if (once !== undefined && counted.has(id)) return counters.get(subject)?.value ?? 0;
    if (once !== undefined) counted.add(id);
    return put(subject, (counters.get(subject)?.value ?? 0) + delta);
  };
  return {
    add: (name, delta, once) => Promise.resolve(add(name, delta, once)),
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
    storedBytes: (org, user) => {
      const pattern = sessionByteSubjects(org, user).split('.');
      const isOfSession = (subject: string): boolean => {
        const parts = subject.split('.');
        return (
          parts.length === pattern.length && pattern.every((part, n) => part === '*' || part === parts[n])
        );
      };
      const own = [...counters].filter(([subject]) => isOfSession(subject));
      return Promise.resolve(own.reduce((sum, [, { value }]) => sum + value, 0));
    },
  };
};
